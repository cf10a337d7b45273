//! Where branches go, and what else of an instruction changes with them.

use relobox_plugin::abi::{Slice, fault, order};
use relobox_plugin::{Cx, Field, Hooks, Job, Plan, Trouble, Value, code, ha, slice};

pub(crate) const fn insn(width: u8, slices: &'static [Slice]) -> Field {
    Field::insn(width, order::DATA, slices)
}

pub(crate) const WORD32: Field = Field::data(4);
/// The immediates of whole instructions.
const SI16: Field = insn(4, &[slice(0, 0, 16)]);
const SI16_HI: Field = insn(4, &[slice(16, 0, 16)]);

/// Entries for calls that do not reach their targets.
#[derive(Default)]
pub struct Entries;

/// Bytes of one: four instructions.
const ENTRY: usize = 4 * 4;

impl Hooks for Entries {
    fn plan(&mut self, _: &Job<'_>, plan: &mut Plan) {
        plan.stubs(".relobox.plt", ENTRY, 4, 0);
    }
}

/// `L`: the address of the entry of symbol plus addend, which is filled in. The target itself if somebody has planned
/// none, or if it is no place for an instruction.
#[allow(non_snake_case, reason = "the psABI's letter")]
#[cold]
pub(crate) fn L(symbol: Value, addend: Value, cx: &mut Cx<'_, Entries>) -> Value {
    let (target, big) = (symbol + addend.0, cx.job.big_endian());
    let Some(entry) = cx.stub_of(addend).filter(|_| target.0 & 3 == 0) else { return target };
    code! { entry.bytes, big;
        SI16_HI(0x3d80_0000, ha(target, 16)) // lis r12, target@ha
        SI16(0x398c_0000, target)            // addi r12, r12, target@l
        WORD32(0x7d89_03a6)                  // mtctr r12
        WORD32(0x4e80_0420)                  // bctr
    }
    entry.address
}

/// Says in a conditional branch whether it is likely `taken`.
#[inline(never)]
pub(crate) fn hinted(value: Value, taken: u64, cx: &mut Cx<'_, Entries>) -> Result<Value, Trouble> {
    let offset = cx.relocation.offset;
    let word = cx.word(&WORD32, offset)?;
    // BO 1z1zz asks no condition and counts nothing.
    let conditional = word >> 21 & 0x14 != 0x14;
    let backward = u64::from(value.narrow().0 < 0);
    let y = if conditional { taken ^ backward } else { 0 };
    cx.set_word(&WORD32, offset, word & !(1 << 21) | y << 21)?;
    Ok(value)
}

/// A branch to code of the module itself.
#[inline(never)]
pub(crate) fn local(distance: Value, cx: &mut Cx<'_, Entries>) -> Result<Value, Trouble> {
    const BLRL: Trouble =
        Trouble::new(fault::REJECTED, "calls code in the global offset table, which is not executable");
    if cx.job.symbol_name(cx.relocation.symbol) == Entries::GOT.as_bytes() { Err(BLRL) } else { Ok(distance) }
}

/// `addis` with a base register becomes `lis`, since the slot's address is whole.
#[inline(never)]
pub(crate) fn lis(slot: Value, cx: &mut Cx<'_, Entries>) -> Value {
    let before = if cx.job.big_endian() { 2 } else { 0 };
    let insn = cx.relocation.offset.checked_sub(before);
    // The half at the place is written afterwards.
    if let Some((offset, word)) = insn.and_then(|at| Some((at, cx.word(&WORD32, at).ok()?)))
        && word >> 26 == 15
    {
        let _ = cx.set_word(&WORD32, offset, word & !(0x1f << 16));
    }
    slot
}
