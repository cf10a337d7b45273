//! x86-64.
//!
//! psABI: System V Application Binary Interface, AMD64 Architecture Processor Supplement,
//! <https://gitlab.com/x86-psABIs/x86-64-ABI>, chapter "Relocation".
//!
//! What to know of it:
//!
//! * Instructions have any length and any alignment, and so have places. An immediate or a
//!   displacement is a whole little-endian word: no bit slices at all.
//! * A displacement counts from the *end* of the instruction. The compiler puts the distance from the
//!   place to that end (-4, or less with an immediate behind) into the addend: nothing to do here.
//! * Kernel code lives in the top 2 GiB, so a 32-bit word that the processor sign-extends (`32S`:
//!   displacements, `mov $imm32, %r64`) reaches it, and one that it zero-extends (`32`) does not.
//! * `PLT32` marks a call. A kernel has no PLT: it is `PC32`.
//! * Kernels demand that a place is zero before: a module that was relocated once must not be again.
//! * Kernels do not check that `PC32` and `PLT32` fit. We do: what does not fit calls into nowhere.
//! * The GOT forms (`GOTPCREL` and its relaxable sisters) come from code compiled with `-fPIC`.
//!   Kernels up to 6.11 refuse them; we give each symbol a slot, as a linker does.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{BySymbol, Cx, Field, Hooks, Job, Plan, Trouble, Value, architecture};

const WORD8: Field = Field::data(1);
const WORD16: Field = Field::data(2);
const WORD32: Field = Field::data(4);
const WORD64: Field = Field::data(8);

architecture! {
    name: "x86_64",
    title: "x86-64 (AMD64, Intel 64), little-endian, RELA",
    psabi: "https://gitlab.com/x86-psABIs/x86-64-ABI",
    machines: [Machine {
        machine: 62,
        class: 64,
        order: order::LITTLE,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0xffff_ffff_c000_0000,
        kernel: 0xffff_ffff_8100_0000,
        reach: 0x8000_0000,
    }],
    addends: explicit,
    zero_places: true,
    state: Got,
    letters: (cx, S, A, P),
    rows: {
        R_X86_64_64             = 1:  S + A,                 WORD64, unchecked;
        R_X86_64_PC32           = 2:  S + A - P,             WORD32, signed 32;
        R_X86_64_PLT32          = 4:  S + A - P,             WORD32, signed 32;
        R_X86_64_GOTPCREL       = 9:  G(cx)? + A - P,        WORD32, signed 32;
        R_X86_64_32             = 10: S + A,                 WORD32, unsigned 32;
        R_X86_64_32S            = 11: S + A,                 WORD32, signed 32;
        R_X86_64_16             = 12: S + A,                 WORD16, either 16;
        R_X86_64_PC16           = 13: S + A - P,             WORD16, signed 16;
        R_X86_64_8              = 14: S + A,                 WORD8,  either 8;
        R_X86_64_PC8            = 15: S + A - P,             WORD8,  signed 8;
        R_X86_64_PC64           = 24: S + A - P,             WORD64, unchecked;
        R_X86_64_GOTOFF64       = 25: S + A - GOT(cx)?,      WORD64, unchecked;
        R_X86_64_GOTPC32        = 26: GOT(cx)? + A - P,      WORD32, signed 32;
        R_X86_64_GOT64          = 27: G(cx)? - GOT(cx)?.0 + A, WORD64, unchecked;
        R_X86_64_GOTPCREL64     = 28: G(cx)? + A - P,        WORD64, unchecked;
        R_X86_64_GOTPC64        = 29: GOT(cx)? + A - P,      WORD64, unchecked;
        R_X86_64_SIZE32         = 32: Z(cx) + A,             WORD32, unsigned 32;
        R_X86_64_SIZE64         = 33: Z(cx) + A,             WORD64, unchecked;
        R_X86_64_GOTPCRELX      = 41: G(cx)? + A - P,        WORD32, signed 32;
        R_X86_64_REX_GOTPCRELX  = 42: G(cx)? + A - P,        WORD32, signed 32;
    }
    values: {
        is size: R_X86_64_SIZE32, R_X86_64_SIZE64;
    }
    ignored: { R_X86_64_NONE = 0 }
    refused: {
        R_X86_64_GOT32 = 3 "is an offset from a GOT register that kernel code does not have",
        R_X86_64_COPY = 5 "is for dynamic linking",
        R_X86_64_GLOB_DAT = 6 "is for dynamic linking",
        R_X86_64_JUMP_SLOT = 7 "is for dynamic linking",
        R_X86_64_RELATIVE = 8 "is for dynamic linking",
        R_X86_64_DTPMOD64 = 16 "is thread-local storage, which a kernel does not have",
        R_X86_64_DTPOFF64 = 17 "is thread-local storage, which a kernel does not have",
        R_X86_64_TPOFF64 = 18 "is thread-local storage, which a kernel does not have",
        R_X86_64_TLSGD = 19 "is thread-local storage, which a kernel does not have",
        R_X86_64_TLSLD = 20 "is thread-local storage, which a kernel does not have",
        R_X86_64_DTPOFF32 = 21 "is thread-local storage, which a kernel does not have",
        R_X86_64_GOTTPOFF = 22 "is thread-local storage, which a kernel does not have",
        R_X86_64_TPOFF32 = 23 "is thread-local storage, which a kernel does not have",
    }
}

/// The global offset table: eight bytes for each symbol that is reached through it.
#[derive(Default)]
pub struct Got {
    slots: BySymbol,
    section: Option<usize>,
}

/// Rows whose formula has a `G`.
const USES_G: [u32; 5] = [
    types::R_X86_64_GOTPCREL,
    types::R_X86_64_GOT64,
    types::R_X86_64_GOTPCREL64,
    types::R_X86_64_GOTPCRELX,
    types::R_X86_64_REX_GOTPCRELX,
];
/// Rows that name the table itself.
const USES_GOT: [u32; 3] = [types::R_X86_64_GOTOFF64, types::R_X86_64_GOTPC32, types::R_X86_64_GOTPC64];

impl Hooks for Got {
    fn plan(&mut self, job: &Job<'_>, _: &[u8], plan: &mut Plan) {
        let mut wanted = false;
        for r in job.relocations {
            // Nearly all relocations are of the first dozen types: one comparison settles them.
            if r.kind == types::R_X86_64_GOTPCREL || r.kind > types::R_X86_64_PC64 {
                wanted |= USES_GOT.contains(&r.kind);
                if USES_G.contains(&r.kind) {
                    self.slots.want(r.symbol, job.symbols.len());
                }
            }
        }
        // A table that is only named still needs an address.
        let bytes = (self.slots.count() * 8).max(if wanted { 8 } else { 0 });
        self.section = plan.rodata(".relobox.got", bytes, 8);
        for (i, symbol) in (0..).zip(job.symbols) {
            if symbol.name.len != 0 && job.symbol_name(i) == b"_GLOBAL_OFFSET_TABLE_" {
                // Kernels ignore this symbol; it has a value only if there is a table.
                match self.section {
                    Some(section) => plan.supply_in(i, section, 0),
                    None => plan.supply(i, 0),
                }
            }
        }
    }
}

/// The symbol's slot, filled in.
#[allow(non_snake_case, reason = "the psABI's letter")]
fn G(cx: &mut Cx<'_, Got>) -> Result<Value, Trouble> {
    const NO_SLOT: Trouble = Trouble::unpaired("no GOT slot was planned for it");
    let symbol = cx.relocation.symbol;
    let slot = cx.state.slots.number(symbol).ok_or(NO_SLOT)?;
    let got = cx.state.section.and_then(|i| cx.synthetic.get_mut(i)).ok_or(NO_SLOT)?;
    let entry = got.contents.get_mut(slot * 8..).ok_or(NO_SLOT)?;
    WORD64.put(entry, false, cx.job.values.get(symbol as usize).map_or(0, |v| *v as i64));
    Ok(Value::of(got.address) + slot as i64 * 8)
}

/// The table's address.
#[allow(non_snake_case, reason = "the psABI's letter")]
fn GOT(cx: &mut Cx<'_, Got>) -> Result<Value, Trouble> {
    let got = cx.state.section.and_then(|i| cx.synthetic.get(i));
    got.map(|got| Value::of(got.address)).ok_or(Trouble::unpaired("no GOT was planned"))
}

/// The symbol's size.
#[allow(non_snake_case, reason = "the psABI's letter")]
fn Z(cx: &mut Cx<'_, Got>) -> Value {
    Value(cx.job.symbols.get(cx.relocation.symbol as usize).map_or(0, |s| s.size as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_plugin::testing::Module;

    #[test]
    fn call_reaches_its_target() {
        let mut m = Module::<Arch>::new();
        let text = m.section(".text", 0x1000, &[0xe8, 0, 0, 0, 0, 0xc3]);
        let target = m.symbol("printk", 0x2000);
        m.relocate(text, 1, types::R_X86_64_PLT32, target, -4);
        let out = m.link().unwrap();
        assert_eq!(out.section(text), [0xe8, 0xfb, 0x0f, 0, 0, 0xc3]);
    }

    #[test]
    fn every_fault_is_named() {
        use relobox_plugin::abi::fault;
        let mut m = Module::<Arch>::new();
        let text = m.section(".text", 0x1000, &[0, 0, 0, 0, 1, 0, 0, 0]);
        let far = m.symbol("far", 0x1_0000_0000);
        m.relocate(text, 0, types::R_X86_64_PC32, far, 0);
        m.relocate(text, 4, types::R_X86_64_32, far, -0x1_0000_0000);
        m.relocate(text, 6, types::R_X86_64_32, far, -0x1_0000_0000);
        m.relocate(text, 0, 200, far, 0);
        m.relocate(text, 0, types::R_X86_64_COPY, far, 0);
        m.relocate(text, 0, types::R_X86_64_32, 77, 0);
        let kinds: Vec<_> = m.link().unwrap_err().iter().map(|f| f.fault.kind).collect();
        let expected = [
            fault::OUT_OF_RANGE,
            fault::NOT_ZERO,
            fault::OUTSIDE,
            fault::UNKNOWN_TYPE,
            fault::REJECTED,
            fault::BAD_SYMBOL,
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn one_got_slot_for_one_symbol() {
        let mut m = Module::<Arch>::new();
        let text = m.section(".text", 0x1000, &[0; 8]);
        m.synthetic_at(0x3000);
        let symbol = m.symbol("jiffies", 0x1234_5678);
        m.relocate(text, 0, types::R_X86_64_GOTPCREL, symbol, -4);
        m.relocate(text, 4, types::R_X86_64_REX_GOTPCRELX, symbol, -4);
        let out = m.link().unwrap();
        assert_eq!(out.synthetic[0].contents, 0x1234_5678u64.to_le_bytes());
        assert_eq!(out.section(text), [0xfc, 0x1f, 0, 0, 0xf8, 0x1f, 0, 0]);
    }
}
