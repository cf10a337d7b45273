//! How functions are known: descriptors, stubs, and the slots of both.

use crate::bundles::IMM64;
use crate::fields::LSB64;
use alloc::vec::Vec;
use relobox_plugin::abi::{Section, fault, placement, section_flag, symbol_flag};
use relobox_plugin::{Cx, Hooks, Job, Plan, Site, Table, Trouble, Value, needs};

/// The column `needs`: the function's descriptor; a stub, if the function is not the module's; a slot with the
/// descriptor's address.
pub(crate) const FUNCTION: u16 = needs::OWN;
pub(crate) const CALL: u16 = FUNCTION << 1;
pub(crate) const FUNCTION_SLOT: u16 = CALL << 1;

/// Bytes of a descriptor: its code, and gp.
const DESCRIPTOR: usize = 16;
/// Bytes of a stub: three bundles.
const STUB: usize = 48;

/// The module's functions whose address somebody takes.
#[derive(Default)]
pub struct Linkage {
    descriptors: Table,
    /// Slots with addresses of descriptors are behind so many others, one for each descriptor; or there are none.
    slots: Option<usize>,
}

/// Whether a symbol's value is the address of a descriptor, if it is a function.
fn is_outside(job: &Job<'_>, symbol: u32) -> bool {
    job.symbols.get(symbol as usize).is_some_and(|s| s.flags & symbol_flag::UNDEFINED != 0)
}

impl Hooks for Linkage {
    fn need(&mut self, needs: u16, site: &Site<'_>, plan: &mut Plan) {
        let (job, symbol, addend) = (site.job, site.relocation.symbol, site.relocation.addend);
        if !is_outside(job, symbol) {
            if needs & (FUNCTION | FUNCTION_SLOT) != 0 {
                self.descriptors.want(job, symbol, addend);
            }
            if needs & FUNCTION_SLOT != 0 {
                self.slots = Some(0);
            }
        } else if needs & CALL != 0 {
            plan.tables.plt.want(job, symbol, addend);
        } else if needs & FUNCTION_SLOT != 0 {
            plan.tables.got.want(job, symbol, addend);
        }
    }

    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        plan.stubs(".relobox.plt", STUB, 16, 0);
        let count = self.descriptors.seal();
        let opd = plan.rodata(".relobox.opd", count * DESCRIPTOR, 16);
        self.descriptors.lies_in(opd, DESCRIPTOR);
        for symbol in 0..job.symbols.len() as u32 {
            let defined = job.symbols.get(symbol as usize).is_some_and(|s| s.section != 0);
            if let (Some(opd), Some(number), true) = (opd, self.descriptors.number(symbol, 0), defined) {
                plan.describe(symbol, opd, (number * DESCRIPTOR) as u64);
            }
        }
        let Some(got) = plan.synthetic.iter_mut().find(|s| s.name == ".relobox.got") else { return };
        if self.slots.is_some() {
            let slots = plan.tables.got.seal();
            self.slots = Some(slots);
            got.contents = alloc::vec![0; (slots + count) * 8];
        }
        // The table is where Linux has it: beside the data that is near gp.
        let is_got = |s: &Section| job.text(s.name) == b".got" && s.flags & section_flag::ALLOC != 0;
        if let Some(own) = job.sections.iter().position(is_got) {
            (got.placement, got.section) = (placement::AFTER, own as u32);
        }
    }
}

const NOT_PLANNED: Trouble = Trouble::unpaired("no descriptor or stub was planned for it");

/// `@fptr`: the address of the function's descriptor, which is filled in. A function that is not the module's is known
/// by that already.
#[inline(never)]
pub(crate) fn fptr(target: Value, cx: &mut Cx<'_, Linkage>) -> Result<Value, Trouble> {
    let r = cx.relocation;
    if r.symbol == 0 || is_outside(&cx.job, r.symbol) {
        return Ok(target);
    }
    let gp = cx.got()?;
    let entry = cx.state.descriptors.of(cx.synthetic, r.symbol, r.addend).ok_or(NOT_PLANNED)?;
    entry.bytes[..8].copy_from_slice(&target.0.to_le_bytes());
    entry.bytes[8..].copy_from_slice(&gp.0.to_le_bytes());
    Ok(entry.address)
}

/// `G`: the address of the slot that holds the symbol plus addend.
#[inline(never)]
pub(crate) fn slot(addend: Value, cx: &mut Cx<'_, Linkage>) -> Result<Value, Trouble> {
    Ok(cx.got()? + cx.slot_of(cx.relocation.symbol, addend)?.0)
}

/// `@ltoff(@fptr)`: the address of the slot that holds the address of the function's descriptor.
#[inline(never)]
pub(crate) fn fptr_slot(target: Value, cx: &mut Cx<'_, Linkage>) -> Result<Value, Trouble> {
    let (r, descriptor) = (cx.relocation, fptr(target, cx)?);
    let Some(number) = cx.state.descriptors.number(r.symbol, r.addend) else { return slot(Value(r.addend), cx) };
    let number = cx.state.slots.ok_or(NOT_PLANNED)? + number;
    let entry = cx.tables.got.entry(cx.synthetic, number).ok_or(NOT_PLANNED)?;
    entry.bytes.copy_from_slice(&descriptor.0.to_le_bytes());
    Ok(entry.address)
}

/// Where a branch to `target` goes: to the stub of a function that is not the module's, which is filled in.
#[allow(non_snake_case, reason = "the customary letter")]
#[inline(never)]
pub(crate) fn L(target: Value, cx: &mut Cx<'_, Linkage>) -> Result<Value, Trouble> {
    let r = cx.relocation;
    if r.symbol == 0 || !is_outside(&cx.job, r.symbol) {
        return Ok(target);
    }
    let entry = cx.stub_of(Value(r.addend)).ok_or(NOT_PLANNED)?;
    let bundles = [
        IMM64.insert(0x6000_0001_e000_0000_0000_0001_0000_0005, 1, target), // nop.m 0; movl r15 = target;;
        0x0004_0000_0000_0200_0000_1418_1e20_8001,                          // ld8 r16 = [r15], 8; nop.i 0; nop.i 0;;
        0x0080_0060_0003_8004_8060_1018_1e00_0811,                          // ld8 gp = [r15]; mov b6 = r16; br.few b6;;
    ];
    let bytes: Vec<u8> = bundles.iter().flat_map(|bundle| bundle.to_le_bytes()).collect();
    entry.bytes.copy_from_slice(&bytes);
    Ok(entry.address)
}

/// A branch within the module, which has no stub. That the place is not in the section is reported where it is written.
pub(crate) fn own(target: Value, cx: &mut Cx<'_, Linkage>) -> Result<Value, Trouble> {
    if (cx.relocation.offset | 15) < cx.data.len() as u64 && is_outside(&cx.job, cx.relocation.symbol) {
        return Err(Trouble::new(fault::REJECTED, "goes out of the module, where only a descriptor is known"));
    }
    Ok(target)
}

/// The address of the section of the symbol.
#[inline(never)]
pub(crate) fn section(cx: &mut Cx<'_, Linkage>) -> Result<Value, Trouble> {
    let symbol = cx.job.symbols.get(cx.relocation.symbol as usize);
    let section = symbol.filter(|s| s.section != 0).and_then(|s| cx.job.sections.get(s.section as usize));
    let no_section = Trouble::new(fault::REJECTED, "is relative to its symbol's section, which is not of the module");
    section.map(|s| Value::of(s.address)).ok_or(no_section)
}

/// `@iplt`: writes a descriptor of the module's function at the place, in this byte order.
#[inline(never)]
pub(crate) fn descriptor(target: Value, big: bool, cx: &mut Cx<'_, Linkage>) -> Result<(), Trouble> {
    let at = cx.relocation.offset;
    cx.place(&LSB64, at.wrapping_add(8))?;
    for (i, word) in (0..).zip([own(target, cx)?, cx.got()?]) {
        let place = cx.place(&LSB64, at.wrapping_add(8 * i))?;
        place.copy_from_slice(&if big { word.0.to_be_bytes() } else { word.0.to_le_bytes() });
    }
    Ok(())
}
