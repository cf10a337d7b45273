//! RISC-V, 64 and 32 bits.
//!
//! psABI: RISC-V ABIs Specification, <https://github.com/riscv-non-isa/riscv-elf-psabi-doc>, chapter "ELF Object
//! Files", section "Relocations". The letters are those of its table "Variables used in relocation calculation": GOT is
//! the address of the global offset table, G the offset in it of a slot, V what the place holds.
//!
//! What to know of it:
//!
//! * Instructions are little-endian and made of 16-bit parcels; a 32-bit one may stand at any even
//!   address, and so may the places. Immediates are scattered so that the sign is always bit 31.
//! * 32 bits of address take two instructions: `auipc` or `lui` gives the high 20, a 12-bit immediate
//!   the rest. That immediate is *signed*, so the high part is rounded: `(value + 0x800) >> 12`. The
//!   pair reaches -0x8000_0800 ..= 0x7fff_f7ff; on 32 bits it wraps and reaches everything. The rows
//!   round first and then ask for 32 signed bits, so that is what a fault names.
//! * `PCREL_LO12` does not name its target. Its symbol marks the `auipc`, and its value is that of the
//!   relocation *there*, which may come earlier or later, in any order. Its addend means nothing.
//! * `CALL` is one relocation over two adjacent instructions, `auipc` and `jalr`: a field of 8 bytes.
//! * The distance of two labels is made of two relocations at one place, `ADD` and `SUB` or `SET` and
//!   `SUB`, since relaxation may change it. They read what is there and go on from it; half-way, the
//!   word has overflowed, so it cannot be checked. `SUB6` and `SET6` leave the top two bits alone.
//! * `SET_ULEB128` and `SUB_ULEB128` write a number of variable length ([`uleb128`]). Its length stays as it is.
//! * A linker may shorten code: `RELAX` permits it (we do not), `ALIGN` demands it, since the padding
//!   is always too long. No kernel can honour `ALIGN`; modules are compiled with `-mno-relax`.
//!
//! Where kernels and linkers differ we do as kernels do: what an absent weak symbol's address (0) is
//! too far away for is out of range, where GNU ld turns `auipc` into `lui`; a call of it goes through
//! the PLT to 0. What kernels do not check (`BRANCH`, `JAL`) we do.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

#[cfg(test)]
mod tests;
pub mod uleb128;

use alloc::vec::Vec;
use relobox_plugin::abi::{Machine, Relocation, Slice, fault, order};
use relobox_plugin::{
    Cx, DYNAMIC, Field, Hooks, Job, Plan, Site, TLS, Table, Trouble, Value, architecture, code, ha, put_address, slice,
    sort,
};
use uleb128::{Numbers, ULEB, set_uleb128, sub_uleb128};

const fn insn(width: u8, slices: &'static [Slice]) -> Field {
    Field::insn(width, order::LITTLE, slices)
}

const NOTHING: Field = Field::nothing();
const WORD6: Field = insn(1, &[slice(0, 0, 6)]);
const WORD8: Field = Field::data(1);
const WORD16: Field = Field::data(2);
const WORD32: Field = Field::data(4);
const WORD64: Field = Field::data(8);

const U_TYPE: Field = insn(4, &[slice(12, 12, 20)]);
const I_TYPE: Field = insn(4, &[slice(0, 20, 12)]);
const S_TYPE: Field = insn(4, &[slice(0, 7, 5), slice(5, 25, 7)]);
const B_TYPE: Field = insn(4, &[slice(11, 7, 1), slice(1, 8, 4), slice(5, 25, 6), slice(12, 31, 1)]);
const J_TYPE: Field = insn(4, &[slice(12, 12, 8), slice(11, 20, 1), slice(1, 21, 10), slice(20, 31, 1)]);
/// `auipc` and the `jalr` behind it.
const U_I_TYPE: Field = insn(8, &[slice(12, 12, 20), slice(0, 52, 12)]);
const CB_TYPE: Field = insn(2, &[slice(5, 2, 1), slice(1, 3, 2), slice(6, 5, 2), slice(3, 10, 2), slice(8, 12, 1)]);
const CJ_TYPE: Field = insn(
    2,
    &[
        slice(5, 2, 1),
        slice(1, 3, 3),
        slice(7, 6, 1),
        slice(6, 7, 1),
        slice(10, 8, 1),
        slice(8, 9, 2),
        slice(4, 11, 1),
        slice(11, 12, 1),
    ],
);

/// What holds for both machines.
const RISCV: Machine = Machine {
    machine: 243,
    class: 64,
    order: order::LITTLE,
    flags_mask: 0,
    flags_value: 0,
    reserved: 0,
    // Linux puts modules into the 2 GiB that end with the kernel, which is linked to the last 2 GiB.
    base: 0xffff_ffff_0200_0000,
    kernel: 0xffff_ffff_8000_0000,
    reach: 0x7fff_f800,
};

architecture! {
    name: "riscv64",
    title: "RISC-V (RV64 and RV32), little-endian, RELA",
    psabi: "https://github.com/riscv-non-isa/riscv-elf-psabi-doc",
    machines: [RISCV, Machine { class: 32, base: 0xa000_0000, kernel: 0xc000_0000, reach: 0, ..RISCV }],
    addends: explicit,
    decoding: "decoding.txt",
    state: State,
    letters: (cx, S, A, P, V; GOT = cx.got()?),
    rows: {
        R_RISCV_32            = 1:  S + A,                        WORD32,   either 32;
        R_RISCV_64            = 2:  S + A,                        WORD64,   whole;
        R_RISCV_BRANCH        = 16: S + A - P,                    B_TYPE,   signed 13, align 2;
        R_RISCV_JAL           = 17: S + A - P,                    J_TYPE,   signed 21, align 2;
        R_RISCV_CALL          = 18: S + A - P,                    U_I_TYPE, signed 32, else L(cx, A) - P,
                                    needs TARGET_STUB | OUTSIDE, high 12;
        R_RISCV_CALL_PLT      = 19: S + A - P,                    U_I_TYPE, signed 32, else L(cx, A) - P,
                                    needs TARGET_STUB | OUTSIDE, high 12;
        R_RISCV_GOT_HI20      = 20: high(G(cx, A)? + GOT - P, cx), U_TYPE, signed 32, needs TARGET_SLOT, high 12,
                                    pair labelled R_RISCV_PCREL_LO12_I;
        R_RISCV_PCREL_HI20    = 23: high(S + A - P, cx),          U_TYPE,   signed 32, high 12,
                                    pair labelled R_RISCV_PCREL_LO12_I;
        R_RISCV_PCREL_LO12_I  = 24: low(cx, S)?,                  I_TYPE,   unchecked, is partner,
                                    pair label R_RISCV_PCREL_HI20;
        R_RISCV_PCREL_LO12_S  = 25: low(cx, S)?,                  S_TYPE,   unchecked, is partner,
                                    pair label R_RISCV_PCREL_HI20;
        R_RISCV_HI20          = 26: S + A,                        U_TYPE,   signed 32, high 12;
        R_RISCV_LO12_I        = 27: S + A,                        I_TYPE,   unchecked, low R_RISCV_HI20;
        R_RISCV_LO12_S        = 28: S + A,                        S_TYPE,   unchecked, low R_RISCV_HI20;
        R_RISCV_ADD8          = 33: V + S + A,                    WORD8,    unchecked, pair place R_RISCV_SUB8;
        R_RISCV_ADD16         = 34: V + S + A,                    WORD16,   unchecked, pair place R_RISCV_SUB16;
        R_RISCV_ADD32         = 35: V + S + A,                    WORD32,   unchecked, pair place R_RISCV_SUB32;
        R_RISCV_ADD64         = 36: V + S + A,                    WORD64,   whole,     pair place R_RISCV_SUB64;
        R_RISCV_SUB8          = 37: V - S - A,                    WORD8,    unchecked, pair place R_RISCV_ADD8;
        R_RISCV_SUB16         = 38: V - S - A,                    WORD16,   unchecked, pair place R_RISCV_ADD16;
        R_RISCV_SUB32         = 39: V - S - A,                    WORD32,   unchecked, pair place R_RISCV_ADD32;
        R_RISCV_SUB64         = 40: V - S - A,                    WORD64,   whole,     pair place R_RISCV_ADD64;
        R_RISCV_GOT32_PCREL   = 41: G(cx, Value(0))? + GOT + A - P, WORD32,   signed 32, needs SLOT;
        R_RISCV_RVC_BRANCH    = 44: S + A - P,                    CB_TYPE,  signed 9,  align 2;
        R_RISCV_RVC_JUMP      = 45: S + A - P,                    CJ_TYPE,  signed 12, align 2;
        R_RISCV_SUB6          = 52: V - S - A,                    WORD6,    unchecked, pair place R_RISCV_SET6;
        R_RISCV_SET6          = 53: S + A,                        WORD6,    unchecked, pair place R_RISCV_SUB6;
        R_RISCV_SET8          = 54: S + A,                        WORD8,    unchecked, pair place R_RISCV_SUB8;
        R_RISCV_SET16         = 55: S + A,                        WORD16,   unchecked, pair place R_RISCV_SUB16;
        R_RISCV_SET32         = 56: S + A,                        WORD32,   unchecked, pair place R_RISCV_SUB32;
        R_RISCV_32_PCREL      = 57: S + A - P,                    WORD32,   signed 32;
        R_RISCV_PLT32         = 59: S + A - P,                    WORD32,   signed 32, else L(cx, Value(0)) + A - P,
                                    needs STUB | OUTSIDE;
        R_RISCV_SET_ULEB128   = 60: set_uleb128(cx, S + A),       NOTHING,  by_hand, of absolute;
        R_RISCV_SUB_ULEB128   = 61: sub_uleb128(cx, S + A)?,      NOTHING,  by_hand, needs ULEB, extra 10, of minus,
                                    pair behind R_RISCV_SET_ULEB128;
    }
    ignored: { R_RISCV_NONE = 0, R_RISCV_RELAX = 51 }
    refused: {
        DYNAMIC => 3..=5 [R_RISCV_RELATIVE, R_RISCV_COPY, R_RISCV_JUMP_SLOT], 58 [R_RISCV_IRELATIVE];
        TLS =>
            6..=12 [R_RISCV_TLS_DTPMOD32, R_RISCV_TLS_DTPMOD64, R_RISCV_TLS_DTPREL32, R_RISCV_TLS_DTPREL64,
                R_RISCV_TLS_TPREL32, R_RISCV_TLS_TPREL64, R_RISCV_TLSDESC],
            21..=22 [R_RISCV_TLS_GOT_HI20, R_RISCV_TLS_GD_HI20],
            29..=32 [R_RISCV_TPREL_HI20, R_RISCV_TPREL_LO12_I, R_RISCV_TPREL_LO12_S, R_RISCV_TPREL_ADD],
            62..=65 [R_RISCV_TLSDESC_HI20, R_RISCV_TLSDESC_LOAD_LO12, R_RISCV_TLSDESC_ADD_LO12, R_RISCV_TLSDESC_CALL];
        "was withdrawn from the psABI" => 42 [R_RISCV_GNU_VTENTRY];
        "needs linker relaxation, which kernels do not do: compile with -mno-relax" => 43 [R_RISCV_ALIGN];
        "was withdrawn from the psABI: only linkers made it, while relaxing" =>
            46..=50 [R_RISCV_RVC_LUI, R_RISCV_GPREL_I, R_RISCV_GPREL_S, R_RISCV_TPREL_I, R_RISCV_TPREL_S];
        "announces a vendor's own relocation, which has no meaning to us" => 191 [R_RISCV_VENDOR];
    }
}

/// A high part: where its `auipc` stands in the section, and the whole value.
type High = (u64, Value);
/// How many recent high parts are at hand; in compiled code a low part is seldom further away.
const RECENT: usize = 16;
/// Bytes of a PLT entry.
const PLT_ENTRY: usize = 16;

/// The pairs at hand, and what PLT entries load from.
#[derive(Default)]
pub struct State {
    got_plt: Table,
    numbers: Numbers,
    recent: [High; RECENT],
    /// Where the next high part stands at least, if they ascend.
    next: u64,
    /// Offset and index of every high part in the section, sorted; made only if needed.
    highs: Option<Vec<(u32, i64)>>,
}

impl AsMut<Numbers> for State {
    fn as_mut(&mut self) -> &mut Numbers {
        &mut self.numbers
    }
}

const fn recent(offset: u64) -> usize {
    (offset >> 1) as usize % RECENT
}

impl Hooks for State {
    const GOT: &'static str = "";

    fn need(&mut self, _: u16, site: &Site<'_>, plan: &mut Plan) {
        self.numbers.measure(site, plan);
    }

    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        let (calls, word) = (plan.tables.plt.seal(), usize::from(job.header.class / 8));
        self.got_plt.lies_in(plan.rodata(".relobox.got.plt", calls * word, word as u64), word);
        plan.stubs(".relobox.plt", PLT_ENTRY, PLT_ENTRY as u64, 0);
    }

    fn begin(cx: &mut Cx<'_, Self>) {
        cx.state.next = 0;
        cx.state.highs = None;
        // In each place an offset that belongs into another: nothing is found there.
        cx.state.recent = core::array::from_fn(|i| (!(i as u64) << 1, Value(0)));
    }

    fn end(cx: &mut Cx<'_, Self>) {
        uleb128::end(cx);
    }
}

/// The offset in the GOT of the slot for the symbol plus `addend`. In the psABI's `GOT_HI20`, the addend is added to
/// the way there; kernels add it to what is there, and so do we.
#[allow(non_snake_case, reason = "the psABI's letter")]
fn G(cx: &mut Cx<'_, State>, addend: Value) -> Result<Value, Trouble> {
    cx.slot_of(cx.relocation.symbol, addend)
}

/// The PLT entry for the symbol plus `addend`, or their sum, where there is none.
#[cold]
#[allow(non_snake_case, reason = "the psABIs' customary letter")]
fn L(cx: &mut Cx<'_, State>, addend: Value) -> Value {
    let target = cx.value(cx.relocation.symbol) + addend.0;
    let Some(stub) = cx.stub_of(addend) else { return target };
    if stub.bytes[0] != 0 {
        return stub.address;
    }
    let (number, entry) = (stub.number, stub.address);
    let Some(slot) = cx.state.got_plt.entry(cx.synthetic, number) else { return target };
    put_address(&cx.job, slot.bytes, target);
    let distance = slot.address - entry;
    let high = ha(distance, 12);
    let Some(stub) = cx.stub_of(addend).filter(|_| high.sign_extend(32) == high) else { return target };
    code! { stub.bytes, false;
        U_TYPE(0x0000_0e17, high)     // auipc t3, %pcrel_hi(slot)
        I_TYPE(0x000e_3e03, distance) // ld    t3, %pcrel_lo(slot)(t3)
        WORD32(0x000e_0067)           // jr    t3
        WORD32(0x0000_0013)           // nop
    }
    entry
}

/// Keeps the value of a high part for its low parts.
#[inline(always)]
fn high(value: Value, cx: &mut Cx<'_, State>) -> Value {
    let offset = cx.relocation.offset;
    if offset < cx.state.next {
        // Only where they do not ascend can there be two at one place.
        sort_highs(cx);
    }
    cx.state.next = offset + 1;
    cx.state.recent[recent(offset)] = (offset, value);
    value
}

/// The value of the high part that stands where the symbol points.
#[inline(always)]
fn low(cx: &mut Cx<'_, State>, label: Value) -> Result<Value, Trouble> {
    let offset = label.bits().wrapping_sub(cx.section.address);
    let (at, value) = cx.state.recent[recent(offset)];
    if at == offset { Ok(value) } else { find_high(cx, offset) }
}

#[cold]
fn find_high(cx: &mut Cx<'_, State>, offset: u64) -> Result<Value, Trouble> {
    const NO_HIGH: Trouble =
        Trouble::unpaired("its symbol is not at a PCREL_HI20 or GOT_HI20 relocation of this section");
    sort_highs(cx);
    let highs = cx.state.highs.as_deref().unwrap_or_default();
    let (at, index) = *highs.get(highs.partition_point(|h| u64::from(h.0) < offset)).ok_or(NO_HIGH)?;
    let r = cx.job.relocations.get(index as usize).filter(|_| u64::from(at) == offset).ok_or(NO_HIGH)?;
    let Some(symbol) = cx.job.values.get(r.symbol as usize) else { return Err(NO_HIGH) };
    let target = Value::of(*symbol) + r.addend;
    let value = match r.kind {
        types::R_RISCV_PCREL_HI20 => target - cx.address(offset).0,
        types::R_RISCV_GOT_HI20 => cx.slot_of(r.symbol, Value(r.addend))? + cx.got()?.0 - cx.address(offset).0,
        _ => return Err(Trouble::new(fault::REJECTED, TLS)),
    };
    cx.state.recent[recent(offset)] = (offset, value);
    Ok(value)
}

/// Sorts the section's high parts by place, once, and reports two at one place.
#[cold]
fn sort_highs(cx: &mut Cx<'_, State>) {
    use types::*;
    if cx.state.highs.is_some() {
        return;
    }
    let is_high = |r: &Relocation| {
        const TLS: [u32; 3] = [R_RISCV_TLS_GOT_HI20, R_RISCV_TLS_GD_HI20, R_RISCV_TLSDESC_HI20];
        matches!(r.kind, R_RISCV_PCREL_HI20 | R_RISCV_GOT_HI20) || TLS.contains(&r.kind)
    };
    let mut highs = Vec::new();
    for (r, index) in cx.job.relocations_of(cx.group).iter().zip(i64::from(cx.group.first)..) {
        // What lies beyond 4 GiB lies outside of the section, and is reported as such.
        if let Ok(offset) = u32::try_from(r.offset)
            && is_high(r)
        {
            highs.push((offset, index));
        }
    }
    sort(&mut highs);
    for pair in highs.windows(2) {
        let index = pair[1].1 as u32;
        if pair[0].0 == pair[1].0
            && let Some(second) = cx.job.relocations.get(index as usize)
        {
            let text = "is the second high part at this place: which one do low parts belong to?";
            cx.report_at(index, second, Trouble::new(fault::OTHER, text));
        }
    }
    cx.state.highs = Some(highs);
}
