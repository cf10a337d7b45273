//! Stubs, and descriptors: a function's address is the address of its descriptor.

use crate::fields::{DOUBLES16, IMM14, IMM21, WORD32, WORD64, wide};
use alloc::vec::Vec;
use relobox_plugin::abi::{fault, symbol_flag};
use relobox_plugin::{Cx, Hooks, Job, NearStubs, Plan, Site, Table, Trouble, Value, code, needs, put_address, sort};

/// Values of the column `needs`: %dp; a stub, if the call leaves its section; a descriptor, if the module defines the
/// function; a slot with the descriptor's address.
pub(crate) const DP: u16 = needs::OWN;
pub(crate) const CALL: u16 = DP << 1;
pub(crate) const FUNCTION: u16 = DP << 2;
pub(crate) const FUNCTION_SLOT: u16 = DP << 3;
/// Bytes of a stub.
const STUB: usize = 4 * 4;
/// Bytes of code that share the stubs before them: a quarter of the range of 17 bits. The stubs take the rest at most.
const NEAR: u64 = 0x1_0000;
/// Bytes of a descriptor: two words for dynamic linkers, the address of the code, and the code's %dp.
const DESCRIPTOR: usize = 4 * 8;

/// The stubs and descriptors of a module, and the places of its tables.
#[derive(Default)]
pub struct Calls {
    /// Whether a relocation needs %dp.
    wanted: bool,
    /// The synthetic section that %dp points to.
    table: Option<usize>,
    /// The value of %dp.
    pub(crate) dp: Value,
    stubs: NearStubs,
    /// Functions that have descriptors, by section and offset: a function with several names has one descriptor.
    functions: Vec<(u32, i64)>,
    /// The symbols of these functions.
    symbols: Vec<(u32, i64)>,
    descriptors: Option<usize>,
    /// Slots with addresses of this module's descriptors. The slots of undefined symbols are in the GOT.
    slots: Table,
}

/// Returns where the module defines a function: section and offset.
fn defined(job: &Job<'_>, symbol: u32, addend: i64) -> Option<(u32, i64)> {
    let s = job.symbols.get(symbol as usize).filter(|s| s.section != 0)?;
    Some((s.section, (s.value as i64).wrapping_add(addend)))
}

/// Returns whether the symbol is undefined. Unless it is millicode, its value is then the address of a descriptor.
fn is_foreign(job: &Job<'_>, symbol: u32) -> bool {
    job.symbols.get(symbol as usize).is_some_and(|s| s.flags & symbol_flag::UNDEFINED != 0)
}

fn is_millicode(job: &Job<'_>, symbol: u32) -> bool {
    job.symbol_name(symbol).starts_with(b"$$")
}

impl Hooks for Calls {
    const GOT: &'static str = "";

    fn start(&mut self, job: &Job<'_>) {
        self.stubs.divide(job, NEAR);
    }

    fn need(&mut self, needs: u16, site: &Site<'_>, plan: &mut Plan) {
        let (job, from, r) = (site.job, site.group.section, site.relocation);
        self.wanted |= needs & DP != 0;
        if needs & CALL != 0 && job.symbols.get(r.symbol as usize).is_some_and(|s| s.section != from) {
            self.stubs.want(from, r.symbol, r.addend);
            if is_foreign(job, r.symbol) && !is_millicode(job, r.symbol) {
                plan.tables.got.want(job, r.symbol, r.addend);
            }
        }
        let of_function = needs & (FUNCTION | FUNCTION_SLOT) != 0;
        let Some(function) = defined(job, r.symbol, r.addend).filter(|_| of_function) else {
            if needs & FUNCTION_SLOT != 0 {
                plan.tables.got.want(job, r.symbol, r.addend);
            }
            return;
        };
        self.wanted = true;
        self.functions.push(function);
        if r.addend == 0 {
            self.symbols.push((r.symbol, 0));
        }
        if needs & FUNCTION_SLOT != 0 {
            self.slots.want(job, r.symbol, r.addend);
        }
    }

    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        self.stubs.make(plan, STUB);
        self.table = plan.synthetic.iter().position(|s| s.name == ".relobox.got");
        if self.wanted && self.table.is_none() {
            self.table = plan.rodata(".relobox.got", 8, 8);
        }
        let bytes = self.slots.seal() * 8;
        self.slots.lies_in(plan.rodata(".relobox.got.functions", bytes, 8), 8);
        for list in [&mut self.functions, &mut self.symbols] {
            sort(list);
            list.dedup();
        }
        self.descriptors = plan.rodata(".relobox.opd", self.functions.len() * DESCRIPTOR, 16);
        for (symbol, _) in &self.symbols {
            let number = defined(job, *symbol, 0).and_then(|f| self.functions.binary_search(&f).ok());
            if let (Some(number), Some(index)) = (number, self.descriptors) {
                plan.describe(*symbol, index, (number * DESCRIPTOR) as u64);
            }
        }
    }

    fn begin(cx: &mut Cx<'_, Self>) {
        cx.state.dp = Value::of(cx.state.table.and_then(|i| cx.synthetic.get(i)).map_or(0, |s| s.address));
    }
}

/// Returns the target of a call that reaches every place: the function, or the stub that takes %dp from its descriptor.
#[allow(non_snake_case, reason = "the psABIs' customary letter")]
pub(crate) fn L(cx: &mut Cx<'_, Calls>, target: Value) -> Result<Value, Trouble> {
    if is_foreign(&cx.job, cx.relocation.symbol) { stub(cx, target) } else { Ok(target) }
}

/// Returns the target of any other call: its stub, which this fills in. A call within a section needs no stub.
#[inline(never)]
pub(crate) fn stub(cx: &mut Cx<'_, Calls>, target: Value) -> Result<Value, Trouble> {
    let (section, r) = (cx.group.section, cx.relocation);
    let (foreign, milli) = (is_foreign(&cx.job, r.symbol), is_millicode(&cx.job, r.symbol));
    let slot = if foreign && !milli { Some(cx.slot_of(r.symbol, Value(r.addend))?) } else { None };
    let Some(stub) = cx.state.stubs.of(cx.synthetic, section, r.symbol, r.addend) else {
        // The value of a foreign symbol is the address of a descriptor, which is not code.
        return if foreign { Err(NO_STUB) } else { Ok(target) };
    };
    let low = target & 0x7ff;
    match slot {
        Some(slot) if slot.0 > 0x7ff8 => return Err(Trouble { value: slot.0, max: 0x7ff8, ..SLOT_TOO_FAR }),
        Some(slot) => code! { stub.bytes, true;
            DOUBLES16(0x537b_0000, wide(slot)) // ldd slot(%dp), %dp
            WORD32(0x5361_0020)                // ldd 16(%dp), %r1
            WORD32(0xe820_d000)                // bve (%r1)
            WORD32(0x537b_0030)                // ldd 24(%dp), %dp
        },
        None if target.narrow() != target => {
            return Err(Trouble { value: target.0, min: i32::MIN.into(), max: i32::MAX.into(), ..TARGET_TOO_FAR });
        }
        None if foreign => code! { stub.bytes, true;
            IMM21(0x2020_0000, target) // ldil L'target, %r1
            IMM14(0x3421_0000, low)    // ldo R'target(%r1), %r1
            WORD32(0x5021_0020)        // ldd 16(%r1), %r1
            WORD32(0xe820_d002)        // bve,n (%r1)
        },
        None => code! { stub.bytes, true;
            IMM21(0x2020_0000, target) // ldil L'target, %r1
            IMM14(0x3421_0000, low)    // ldo R'target(%r1), %r1
            WORD32(0xe820_d002)        // bve,n (%r1)
            WORD32(0x0800_0240)        // nop
        },
    }
    Ok(stub.address)
}

const NO_STUB: Trouble = Trouble::unpaired("no stub was planned for it, since its section holds no code");
const SLOT_TOO_FAR: Trouble = Trouble::new(fault::OUT_OF_RANGE, "its stub cannot reach its slot behind %dp");
const TARGET_TOO_FAR: Trouble = Trouble::new(fault::OUT_OF_RANGE, "ldil and ldo in its stub make 32 bits");

/// Returns the address of the slot that holds symbol plus addend.
#[allow(non_snake_case, reason = "the psABIs' customary letter")]
pub(crate) fn G(cx: &mut Cx<'_, Calls>, addend: Value) -> Result<Value, Trouble> {
    Ok(cx.slot_of(cx.relocation.symbol, addend)? + cx.got()?.0)
}

/// Returns the address of the slot that holds a function's address, that is, the address of its descriptor.
#[inline(never)]
pub(crate) fn pointer(cx: &mut Cx<'_, Calls>, target: Value) -> Result<Value, Trouble> {
    const NO_SLOT: Trouble = Trouble::unpaired("no slot was planned for it");
    let r = cx.relocation;
    if defined(&cx.job, r.symbol, r.addend).is_none() {
        return G(cx, Value(r.addend));
    }
    let function = function(cx, target)?;
    let slot = cx.state.slots.of(cx.synthetic, r.symbol, r.addend).ok_or(NO_SLOT)?;
    put_address(&cx.job, slot.bytes, function);
    Ok(slot.address)
}

/// Returns a function's address: that of its descriptor, which this fills in. An undefined symbol is already one.
#[inline(never)]
pub(crate) fn function(cx: &mut Cx<'_, Calls>, target: Value) -> Result<Value, Trouble> {
    const NO_DESCRIPTOR: Trouble = Trouble::unpaired("no descriptor was planned for it");
    let Some(function) = defined(&cx.job, cx.relocation.symbol, cx.relocation.addend) else { return Ok(target) };
    let at = cx.state.functions.binary_search(&function).map_err(|_| NO_DESCRIPTOR)? * DESCRIPTOR;
    let made = cx.state.descriptors.and_then(|i| cx.synthetic.get_mut(i)).ok_or(NO_DESCRIPTOR)?;
    code! { made.contents.get_mut(at..).unwrap_or_default(), true;
        WORD64(0) WORD64(0) WORD64(0, target) WORD64(0, cx.state.dp)
    }
    Ok(Value::of(made.address) + at as i64)
}
