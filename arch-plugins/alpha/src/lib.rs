//! Alpha: DEC's 64-bit processors, 21064 to 21364, little-endian.
//!
//! There is no psABI document of ELF for Alpha. The GNU assembler's manual tells what each relocation is for, in its
//! chapter "Relocations", <https://sourceware.org/binutils/docs/as/Alpha_002dRelocs.html>; ranges are those of the
//! Alpha Architecture Handbook. Formulas have the usual letters: GOT is the address of the global offset table, G the
//! address of the slot of symbol plus addend. gp is not a letter, but `GOT + 0x8000`.
//!
//! What to know of it:
//!
//! * Instructions are words of 32 bits. No instruction holds an address, or more than 21 bits of a distance:
//!   addresses of 64 bits lie in a table, and code loads them from there.
//! * gp, the global pointer in `$29`, is 0x8000 behind the start of that table, so that one load with its signed
//!   16-bit displacement reaches 64 KiB of slots: 8,192 of them. Data may be near it, too.
//! * A memory instruction has its displacement in the low half of its word. `lda` and `ldah` add it to a register,
//!   `ldah` times 65,536. Both have a sign, so that the half for `ldah` is rounded: the pair reaches from
//!   -0x8000_8000 to 0x7fff_7fff.
//! * Nobody keeps gp for a function. It makes gp from its own address, in `$27` where it begins and in `$26` where a
//!   call returns to, with a pair of `ldah` and `lda`. **One relocation, `GPDISP`, patches both**: the place is the
//!   `ldah`, and the addend is the distance from there to the `lda`, which may also be negative; its symbol means
//!   nothing. What the two displacements hold before is the distance from the address in the register to the `ldah`,
//!   mostly 0, and is added. (Linux overwrites it.)
//! * Branches count instructions, from the next one: hence the 4 in the formula.
//! * `BRSGP` is a `bsr` within code of one gp. Where the function begins with the pair that sets up gp, as `st_other`
//!   says, the call goes behind it, by 8 bytes. A function that is not in the module has another gp.
//! * `HINT` tells a processor where `jsr` will probably go, so that it fetches there in time. It is cut to fit, and
//!   wrong where the target is far away: that costs time and nothing else. (Linux leaves the hint as it is.)
//! * `LITUSE` says which instruction uses a loaded address, for linkers that make code shorter. Its addend is a
//!   number of a use, and it patches nothing.
//! * Data lies at any address: a `REFQUAD` of a bug table is aligned to 4.
//! * Linux makes the table anew in the module's section `.got`, which is empty in the file, and has a slot for each
//!   symbol and addend. `BRADDR` may go twice as far there as its field: the highest bit of the distance is lost.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{
    Detail, Machine, Section, detail, effect, fault, loader, order, placement, section_flag, symbol_flag,
    synthetic_kind,
};
use relobox_plugin::{
    Cx, DYNAMIC, Field, Hooks, Job, Plan, Remade, Site, TLS, Trouble, Value, architecture, ha, needs, slice,
};

#[cfg(test)]
mod tests;

const WORD16: Field = Field::data(2);
const LONG32: Field = Field::data(4);
const QUAD64: Field = Field::data(8);
/// The displacement of a memory instruction.
const DISP16: Field = Field::insn(4, order::LITTLE, &[slice(0, 0, 16)]);
/// The same, of `ldah`: it holds the upper half of the value.
const DISP16_HI: Field = Field::insn(4, order::LITTLE, &[slice(16, 0, 16)]);
const BRANCH21: Field = Field::insn(4, order::LITTLE, &[slice(2, 0, 21)]);
const HINT14: Field = Field::insn(4, order::LITTLE, &[slice(2, 0, 14)]);

/// The column `needs`: a second place, as far from the first as the addend says.
const PAIR: u16 = needs::OWN;

/// `e_flags`: EF_ALPHA_32BIT, for programs whose addresses have 31 bits.
const ADDRESSES32: u32 = 1;
/// Bits of `st_other`, both set: the function sets up gp with its first two instructions.
const STD_GPLOAD: u8 = 0x88;

/// The opcodes of `ldah` and `lda`, in the upper six bits of the word.
const LDAH: u64 = 0x09 << 26;
const LDA: u64 = 0x08 << 26;
const OPCODE: u64 = 0x3f << 26;

/// Which instruction one of `GPDISP`'s places must hold.
const fn stands(what: u32, value: u64) -> Detail {
    let (kind, effect, mask) = (types::R_ALPHA_GPDISP, effect::UNKNOWN, OPCODE);
    Detail { kind, what, offset: 0, width: 4, order: order::LITTLE, effect, reserved: 0, mask, value, min: 0, max: 0 }
}

architecture! {
    name: "alpha",
    title: "Alpha (64-bit), little-endian, RELA",
    psabi: "https://sourceware.org/binutils/docs/as/Alpha_002dRelocs.html",
    machines: [Machine {
        machine: 0x9026,
        class: 64,
        order: order::LITTLE,
        flags_mask: ADDRESSES32,
        flags_value: 0,
        reserved: 0,
        // Where vmalloc begins, 16 GiB below the end; the kernel is 3 MiB behind the start of memory.
        base: 0xffff_fffc_0000_0000,
        kernel: 0xffff_fc00_0031_0000,
        // Whole addresses lie in the table.
        reach: 0,
    }],
    addends: explicit,
    remade: [Remade {
        name: ".got",
        loaders: loader::CORE_INIT | loader::KINDS,
        kind: synthetic_kind::DATA,
        size: 0,
        align: 8,
    }],
    details: [stands(detail::STANDS, LDAH), stands(detail::STANDS_AT_ADDEND, LDA)],
    decoding: "decoding.txt",
    state: Gp,
    letters: (cx, S, A, P; GOT = cx.got()?),
    rows: {
        R_ALPHA_REFLONG   = 1:  S + A,                           LONG32,    either 32;
        R_ALPHA_REFQUAD   = 2:  S + A,                           QUAD64,    unchecked;
        R_ALPHA_GPREL32   = 3:  S + A - GOT - 0x8000,            LONG32,    signed 32, needs GOT;
        R_ALPHA_LITERAL   = 4:  G(cx, A) - GOT - 0x8000,         DISP16,    signed 16, needs TARGET_SLOT;
        R_ALPHA_GPDISP    = 6:  gpdisp(GOT + 0x8000 - P, cx)?,   DISP16_HI, by_hand, needs GOT | PAIR, extra 4, of slot;
        R_ALPHA_BRADDR    = 7:  S + A - P - 4,                   BRANCH21,  signed 23, align 4;
        R_ALPHA_HINT      = 8:  S + A - P - 4,                   HINT14,    unchecked, align 4;
        R_ALPHA_SREL16    = 9:  S + A - P,                       WORD16,    signed 16;
        R_ALPHA_SREL32    = 10: S + A - P,                       LONG32,    signed 32;
        R_ALPHA_SREL64    = 11: S + A - P,                       QUAD64,    unchecked;
        R_ALPHA_GPRELHIGH = 17: S + A - GOT - 0x8000,            DISP16_HI, signed 32, needs GOT, high 16;
        R_ALPHA_GPRELLOW  = 18: S + A - GOT - 0x8000,            DISP16,    unchecked, needs GOT, low R_ALPHA_GPRELHIGH;
        R_ALPHA_GPREL16   = 19: S + A - GOT - 0x8000,            DISP16,    signed 16, needs GOT;
        R_ALPHA_BRSGP     = 28: S + A + behind_gp(cx)? - P - 4,  BRANCH21,  signed 23, align 4;
    }
    ignored: { R_ALPHA_NONE = 0, R_ALPHA_LITUSE = 5 }
    refused: {
        "is of the expression stack that ELF had from ECOFF, which no assembler writes" =>
            12..=15 [R_ALPHA_OP_PUSH, R_ALPHA_OP_STORE, R_ALPHA_OP_PSUB, R_ALPHA_OP_PRSHIFT];
        "is ECOFF's, which no assembler writes in ELF" =>
            16 [R_ALPHA_GPVALUE],
            20..=23 [R_ALPHA_IMMED_GP_HI32, R_ALPHA_IMMED_SCN_HI32, R_ALPHA_IMMED_BR_HI32, R_ALPHA_IMMED_LO32];
        DYNAMIC => 24..=27 [R_ALPHA_COPY, R_ALPHA_GLOB_DAT, R_ALPHA_JMP_SLOT, R_ALPHA_RELATIVE];
        TLS =>
            29..=41 [R_ALPHA_TLSGD, R_ALPHA_TLSLDM, R_ALPHA_DTPMOD64, R_ALPHA_GOTDTPREL, R_ALPHA_DTPREL64,
                R_ALPHA_DTPRELHI, R_ALPHA_DTPRELLO, R_ALPHA_DTPREL16, R_ALPHA_GOTTPREL, R_ALPHA_TPREL64,
                R_ALPHA_TPRELHI, R_ALPHA_TPRELLO, R_ALPHA_TPREL16];
    }
}

/// Where gp comes from.
#[derive(Default)]
pub struct Gp;

impl Hooks for Gp {
    fn need(&mut self, _: u16, site: &Site<'_>, plan: &mut Plan) {
        let lda = site.relocation.offset.wrapping_add_signed(site.relocation.addend);
        if site.data.len().checked_sub(4).is_some_and(|last| lda <= last as u64) {
            plan.window(site.index, lda, 4);
        }
    }

    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        // The table is where Linux has it: beside the data that is near gp.
        let is_got = |s: &Section| job.text(s.name) == b".got" && s.flags & section_flag::ALLOC != 0;
        let made = plan.synthetic.iter_mut().find(|s| s.name == ".relobox.got");
        if let (Some(made), Some(got)) = (made, job.sections.iter().position(is_got)) {
            (made.placement, made.section) = (placement::AFTER, got as u32);
        }
    }
}

/// The address of the slot that holds the symbol plus `addend`.
#[allow(non_snake_case, reason = "the customary letter")]
#[inline(never)]
fn G(cx: &mut Cx<'_, Gp>, addend: Value) -> Value {
    let slot = cx.slot_of(cx.relocation.symbol, addend).and_then(|slot| Ok(slot + cx.got()?.0));
    slot.unwrap_or_else(|trouble| {
        cx.report(trouble);
        Value(0)
    })
}

/// Makes `ldah` and `lda` add the distance of gp, and what they added before.
#[inline(never)]
fn gpdisp(distance: Value, cx: &mut Cx<'_, Gp>) -> Result<(), Trouble> {
    let r = cx.relocation;
    let (first, second) = (r.offset, r.offset.wrapping_add_signed(r.addend));
    let (ldah, lda) = (cx.word(&DISP16, first)?, cx.word(&DISP16, second)?);
    for (word, opcode) in [(ldah, LDAH), (lda, LDA)] {
        if word & OPCODE != opcode {
            let text = "is not the ldah, or has no lda where the addend says, that make gp";
            return Err(Trouble { value: word as i64, ..Trouble::new(fault::BAD_INSTRUCTION, text) });
        }
    }
    let before = Value((ldah << 16) as i64).sign_extend(32) + Value(lda as i64).sign_extend(16);
    let value = distance + before;
    let high = ha(value, 16);
    if high.sign_extend(32) != high {
        let (kind, min, max) = (fault::OUT_OF_RANGE, -0x8000_8000, 0x7fff_7fff);
        return Err(Trouble { kind, value: value.0, min, max, text: "" });
    }
    cx.put(&DISP16_HI, first, high)?;
    cx.put(&DISP16, second, value)
}

/// How far behind its symbol a function goes on that has its caller's gp.
#[inline(never)]
fn behind_gp(cx: &mut Cx<'_, Gp>) -> Result<Value, Trouble> {
    match cx.job.symbols.get(cx.relocation.symbol as usize) {
        Some(symbol) if symbol.flags & symbol_flag::UNDEFINED != 0 => {
            Err(Trouble::new(fault::REJECTED, "calls a function outside of the module as if it had the same gp"))
        }
        Some(symbol) if symbol.other & STD_GPLOAD == STD_GPLOAD => Ok(Value(8)),
        _ => Ok(Value(0)),
    }
}
