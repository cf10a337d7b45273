//! PowerPC, 64 bits: ELFv2 in both byte orders, ELFv1 big-endian.
//!
//! psABIs: Power Architecture 64-Bit ELF V2 ABI Specification, <https://openpowerfoundation.org/specifications/64bitelfabi/>,
//! chapter "Relocation"; 64-bit PowerPC ELF ABI Supplement 1.9 (ELFv1),
//! <https://refspecs.linuxfoundation.org/ELF/ppc64/PPC-elf64abi.html>. The types of `HIGH`, `REL16` and vtables are GNU's.
//! Letters are the psABIs'; their `.TOC.` is `GOT + 0x8000`, since the global offset table begins there that much below.
//!
//! What to know of it:
//!
//! * An instruction is a word in the byte order of the data. An immediate is its low half, and the place is that half:
//!   two bytes into the word on a big-endian machine. Loads of doublewords (`DS`) take a multiple of 4 and have two bits
//!   of opcode in its place.
//! * `r2` is the **TOC pointer**: 0x8000 into the module's `.toc`, so that a signed half reaches 64 KiB of it, and
//!   `addis` and a half all there is. Each module and the kernel have their own. Linux rounds the section's address down
//!   to 256 bytes, and takes `.stubs` if there is no `.toc`; we align the section, which leaves nothing to round.
//! * Low halves have a sign, so that a high half is rounded: `HA` instead of `HI`. `HI` and `HA` are checked, `HIGH` and
//!   `HIGHA` are the same bits unchecked. Bits 32 to 47 are `HIGHER`, those above `HIGHEST`; their `A` forms carry from
//!   bit 15, too.
//! * `bl` reaches 32 MiB, and the kernel is never there: a call of an undefined symbol goes through a **stub**, however
//!   near it is, since the callee has another TOC. The stub saves r2 in the caller's frame, at 24(r1) (ELFv2) or 40(r1)
//!   (ELFv1), and the **`nop` behind the `bl`** becomes the load of it. What does not link (`b`) does not come back and
//!   needs none; nor does a call of `_mcount`, which stands before r2 and the frame are set up.
//! * In **ELFv2** a function has two entry points. The global one makes r2 from r12, its own address; the local one lies
//!   behind it, as far as the top three bits of `st_other` say, for callers with the same r2. The value 1 is a function
//!   without TOC, which may leave anything in r2. Code for Power10 has no TOC at all (`NOTOC`, `PCREL34`): what it calls
//!   by a stub needs r12, and r2 is not saved.
//! * `ENTRY` is a global entry point that makes r2 by a load from behind r12: two instructions that become `addis` and
//!   `addi` if the TOC is near.
//! * In **ELFv1** a function's symbol is its *descriptor* of three doublewords in `.opd`: code, TOC, environment. Its
//!   code is the dot symbol (`.printk`). We look an undefined dot symbol up without its dot, as Linux does, and its stub
//!   loads from that descriptor. A `bl` of a descriptor in the module goes to its code, as `.opd`'s own relocation says.
//! * A *prefixed* instruction is two words, the prefix first in either byte order, with 18 bits of the value in the
//!   prefix and 16 in the suffix. `addpcis` (`REL16DX`) has 16 bits in three pieces.
//!
//! Stubs look as Linux makes them, with a magic word and the target behind the code, where its ftrace looks for both.
//! Ours differ where its code depends on the running kernel: the stub of `_mcount` makes the whole address instead of
//! adding to the kernel's TOC, and an ELFv1 stub loads the descriptor of its target instead of holding a copy. Linux
//! knows 15 of these types and checks neither `ADDR32` nor `HA`; we check as linkers do.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::vec::Vec;
use relobox_plugin::abi::{
    Detail, Machine, Slice, Supplied, detail, effect, fault, loader, order, supply, symbol_flag,
};
use relobox_plugin::abi::{Symbol, rule, synthetic_kind};
use relobox_plugin::{
    Cx, DYNAMIC, Field, Hooks, Job, Plan, Remade, Rule, Site, TLS, Table, Trouble, Value, architecture, code, ha,
    slice, sort,
};
use types::*;

#[cfg(test)]
mod tests;

const fn insn(width: u8, slices: &'static [Slice]) -> Field {
    Field::insn(width, order::DATA, slices)
}

const WORD32: Field = Field::data(4);
const WORD64: Field = Field::data(8);
const LO16: Field = Field::data(2);
const DS14: Field = insn(2, &[slice(2, 2, 14)]);
const HI16: Field = insn(2, &[slice(16, 0, 16)]);
const HIGHER16: Field = insn(2, &[slice(32, 0, 16)]);
const HIGHER34: Field = insn(2, &[slice(34, 0, 16)]);
const HIGHEST16: Field = insn(2, &[slice(48, 0, 16)]);
const BD14: Field = insn(4, &[slice(2, 2, 14)]);
const LI24: Field = insn(4, &[slice(2, 2, 24)]);
const WORD30: Field = insn(4, &[slice(2, 2, 30)]);
/// Of `addpcis`.
const DX16: Field = insn(4, &[slice(16, 0, 1), slice(17, 16, 5), slice(22, 6, 10)]);
/// The immediates of whole instructions, and those of a prefix.
const SI16: Field = insn(4, &[slice(0, 0, 16)]);
const SI16_HI: Field = insn(4, &[slice(16, 0, 16)]);
const PREFIX12: Field = insn(4, &[slice(16, 0, 12)]);
const PREFIX18: Field = insn(4, &[slice(16, 0, 18)]);
/// Two whole words, as they lie on a little-endian machine; on a big-endian one the first has the high bits.
const PREFIXED: Field = insn(8, &[slice(16, 0, 18), slice(0, 32, 16)]);
const PREFIXED28: Field = insn(8, &[slice(16, 0, 12), slice(0, 32, 16)]);
const ENTRY: Field = Field::data(8);

const fn machine(order: u8, flags_mask: u32, flags_value: u32) -> Machine {
    Machine {
        machine: 21,
        class: 64,
        order,
        flags_mask,
        flags_value,
        reserved: 0,
        base: 0xc008_0000_0000_0000,
        kernel: 0xc000_0000_0000_0000,
        // Calls have stubs, and data is reached by its whole address.
        reach: 0,
    }
}

const fn range(kind: u32, effect: u8, bits: u32) -> Detail {
    let (min, max) = (-1 << (bits - 1), (1 << (bits - 1)) - 1);
    Detail {
        kind,
        what: detail::RANGE,
        offset: 0,
        width: 0,
        order: 0,
        effect,
        reserved: 0,
        mask: 0,
        value: 0,
        min,
        max,
    }
}

architecture! {
    name: "ppc64",
    title: "PowerPC, 64 bits (ELFv2, and ELFv1 big-endian), RELA",
    psabi: "https://openpowerfoundation.org/specifications/64bitelfabi/",
    // e_flags: the ABI's version; ELFv1 has 1 or nothing.
    machines: [machine(order::LITTLE, 3, 2), machine(order::BIG, 3, 2), machine(order::BIG, 2, 0)],
    addends: explicit,
    // One entry behind the last, and two for ftrace.
    remade: [Remade {
        name: ".stubs",
        loaders: loader::CORE_INIT | loader::KINDS,
        kind: synthetic_kind::TEXT,
        size: 3 * STUB as u64,
        align: 8,
    }],
    details: [
        range(R_PPC64_D34, effect::ABSOLUTE, 34), range(R_PPC64_PCREL34, effect::RELATIVE, 34),
        range(R_PPC64_D28, effect::ABSOLUTE, 28), range(R_PPC64_PCREL28, effect::RELATIVE, 28),
    ],
    state: Toc,
    letters: (cx, S, A, P; GOT = cx.state.base),
    rows: {
        R_PPC64_ADDR32           = 1:   S + A,     WORD32,    either 32;
        R_PPC64_ADDR24           = 2:   S + A,     LI24,      signed 26, align 4;
        R_PPC64_ADDR16           = 3:   S + A,     LO16,      either 16;
        R_PPC64_ADDR16_LO        = 4:   S + A,     LO16,      unchecked, low R_PPC64_ADDR16_HA;
        R_PPC64_ADDR16_HI        = 5:   S + A,     HI16,      signed 32;
        R_PPC64_ADDR16_HA        = 6:   S + A,     HI16,      signed 32, high 16;
        R_PPC64_ADDR14           = 7:   S + A,     BD14,      signed 16, align 4;
        R_PPC64_ADDR14_BRTAKEN   = 8:   hinted(S + A, 1, cx),     BD14, signed 16, align 4, of absolute;
        R_PPC64_ADDR14_BRNTAKEN  = 9:   hinted(S + A, 0, cx),     BD14, signed 16, align 4, of absolute;
        R_PPC64_REL24            = 10:  L(cx, S + A) - P,         LI24, signed 26, align 4, needs CALL, window 0, 8, 1;
        R_PPC64_REL14            = 11:  L(cx, S + A) - P,         BD14, signed 16, align 4, needs CALL, window 0, 8, 1;
        R_PPC64_REL14_BRTAKEN    = 12:  hinted(L(cx, S + A) - P, 1, cx), BD14, signed 16, align 4, needs CALL,
                                        window 0, 8, 1, of slot;
        R_PPC64_REL14_BRNTAKEN   = 13:  hinted(L(cx, S + A) - P, 0, cx), BD14, signed 16, align 4, needs CALL,
                                        window 0, 8, 1, of slot;
        R_PPC64_GOT16            = 14:  G(cx, A) - GOT - 0x8000,  LO16, signed 16, needs TARGET_SLOT | TOC;
        R_PPC64_GOT16_LO         = 15:  G(cx, A) - GOT - 0x8000,  LO16, unchecked, needs TARGET_SLOT | TOC,
                                        low R_PPC64_GOT16_HA;
        R_PPC64_GOT16_HI         = 16:  G(cx, A) - GOT - 0x8000,  HI16, signed 32, needs TARGET_SLOT | TOC;
        R_PPC64_GOT16_HA         = 17:  G(cx, A) - GOT - 0x8000,  HI16, signed 32, needs TARGET_SLOT | TOC, high 16;
        R_PPC64_UADDR32          = 24:  S + A,     WORD32,    either 32;
        R_PPC64_UADDR16          = 25:  S + A,     LO16,      either 16;
        R_PPC64_REL32            = 26:  S + A - P, WORD32,    signed 32;
        R_PPC64_PLT16_LO         = 29:  O(cx, A) - GOT - 0x8000,  LO16, unchecked, needs TARGET_SLOT | TOC,
                                        low R_PPC64_PLT16_HA;
        R_PPC64_PLT16_HI         = 30:  O(cx, A) - GOT - 0x8000,  HI16, signed 32, needs TARGET_SLOT | TOC;
        R_PPC64_PLT16_HA         = 31:  O(cx, A) - GOT - 0x8000,  HI16, signed 32, needs TARGET_SLOT | TOC, high 16;
        R_PPC64_REL30            = 37:  S + A - P, WORD30,    signed 32, align 4;
        R_PPC64_ADDR64           = 38:  S + A,     WORD64,    unchecked;
        R_PPC64_ADDR16_HIGHER    = 39:  S + A,     HIGHER16,  unchecked;
        R_PPC64_ADDR16_HIGHERA   = 40:  S + A,     HIGHER16,  unchecked, high 16;
        R_PPC64_ADDR16_HIGHEST   = 41:  S + A,     HIGHEST16, unchecked;
        R_PPC64_ADDR16_HIGHESTA  = 42:  S + A,     HIGHEST16, unchecked, high 16;
        R_PPC64_UADDR64          = 43:  S + A,     WORD64,    unchecked;
        R_PPC64_REL64            = 44:  S + A - P, WORD64,    unchecked;
        R_PPC64_TOC16            = 47:  S + A - GOT - 0x8000,      LO16, signed 16, needs TOC;
        R_PPC64_TOC16_LO         = 48:  S + A - GOT - 0x8000,      LO16, unchecked, needs TOC, low R_PPC64_TOC16_HA;
        R_PPC64_TOC16_HI         = 49:  S + A - GOT - 0x8000,      HI16, signed 32, needs TOC;
        R_PPC64_TOC16_HA         = 50:  S + A - GOT - 0x8000,      HI16, signed 32, needs TOC, high 16;
        R_PPC64_TOC              = 51:  GOT + 0x8000 + A,          WORD64, unchecked, needs TOC;
        R_PPC64_ADDR16_DS        = 56:  S + A,     DS14,      signed 16, align 4;
        R_PPC64_ADDR16_LO_DS     = 57:  S + A,     DS14,      unchecked, align 4, low R_PPC64_ADDR16_HA;
        R_PPC64_GOT16_DS         = 58:  G(cx, A) - GOT - 0x8000,  DS14, signed 16, align 4, needs TARGET_SLOT | TOC;
        R_PPC64_GOT16_LO_DS      = 59:  G(cx, A) - GOT - 0x8000,  DS14, unchecked, align 4, needs TARGET_SLOT | TOC,
                                        low R_PPC64_GOT16_HA;
        R_PPC64_PLT16_LO_DS      = 60:  O(cx, A) - GOT - 0x8000,  DS14, unchecked, align 4, needs TARGET_SLOT | TOC,
                                        low R_PPC64_PLT16_HA;
        R_PPC64_TOC16_DS         = 63:  S + A - GOT - 0x8000,      DS14, signed 16, align 4, needs TOC;
        R_PPC64_TOC16_LO_DS      = 64:  S + A - GOT - 0x8000,      DS14, unchecked, align 4, needs TOC,
                                        low R_PPC64_TOC16_HA;
        R_PPC64_ADDR16_HIGH      = 110: S + A,     HI16,      unchecked;
        R_PPC64_ADDR16_HIGHA     = 111: S + A,     HI16,      unchecked, high 16;
        R_PPC64_REL24_NOTOC      = 116: L(cx, S + A) - P,         LI24, signed 26, align 4, needs CALL;
        R_PPC64_ADDR64_LOCAL     = 117: S + A + cx.local().0,      WORD64, unchecked;
        R_PPC64_ENTRY            = 118: entry(cx, GOT + 0x8000 - P), ENTRY, by_hand, needs TOC;
        R_PPC64_REL24_P9NOTOC    = 124: L(cx, S + A) - P,         LI24, signed 26, align 4, needs CALL;
        R_PPC64_D34              = 128: prefixed(S + A, 34, cx),  PREFIXED, by_hand, of absolute;
        R_PPC64_D34_LO           = 129: prefixed((S + A).sign_extend(34), 34, cx),     PREFIXED, by_hand, of absolute;
        R_PPC64_D34_HI30         = 130: prefixed((S + A) >> 34 & 0x3fff_ffff, 34, cx), PREFIXED, by_hand;
        R_PPC64_D34_HA30         = 131: prefixed(ha(S + A, 34) >> 34 & 0x3fff_ffff, 34, cx), PREFIXED, by_hand;
        R_PPC64_PCREL34          = 132: prefixed(S + A - P, 34, cx),       PREFIXED, by_hand, of relative;
        R_PPC64_GOT_PCREL34      = 133: prefixed(G(cx, A) - P, 34, cx),   PREFIXED, by_hand, needs TARGET_SLOT, of slot;
        R_PPC64_PLT_PCREL34      = 134: prefixed(O(cx, A) - P, 34, cx),   PREFIXED, by_hand, needs TARGET_SLOT, of slot;
        R_PPC64_PLT_PCREL34_NOTOC = 135: prefixed(O(cx, A) - P, 34, cx),  PREFIXED, by_hand, needs TARGET_SLOT, of slot;
        R_PPC64_ADDR16_HIGHER34  = 136: S + A,     HIGHER34,  unchecked;
        R_PPC64_ADDR16_HIGHERA34 = 137: S + A,     HIGHER34,  unchecked, high 34;
        R_PPC64_ADDR16_HIGHEST34 = 138: (S + A) >> 50 & 0x3fff,    LO16, unchecked;
        R_PPC64_ADDR16_HIGHESTA34 = 139: (S + A + 0x2_0000_0000) >> 50 & 0x3fff, LO16, unchecked;
        R_PPC64_REL16_HIGHER34   = 140: S + A - P, HIGHER34,  unchecked;
        R_PPC64_REL16_HIGHERA34  = 141: S + A - P, HIGHER34,  unchecked, high 34;
        R_PPC64_REL16_HIGHEST34  = 142: (S + A - P) >> 50 & 0x3fff, LO16, unchecked;
        R_PPC64_REL16_HIGHESTA34 = 143: (S + A - P + 0x2_0000_0000) >> 50 & 0x3fff, LO16, unchecked;
        R_PPC64_D28              = 144: prefixed(S + A, 28, cx),           PREFIXED28, by_hand, of absolute;
        R_PPC64_PCREL28          = 145: prefixed(S + A - P, 28, cx),       PREFIXED28, by_hand, of relative;
        R_PPC64_REL16_HIGH       = 240: S + A - P, HI16,      unchecked;
        R_PPC64_REL16_HIGHA      = 241: S + A - P, HI16,      unchecked, high 16;
        R_PPC64_REL16_HIGHER     = 242: S + A - P, HIGHER16,  unchecked;
        R_PPC64_REL16_HIGHERA    = 243: S + A - P, HIGHER16,  unchecked, high 16;
        R_PPC64_REL16_HIGHEST    = 244: S + A - P, HIGHEST16, unchecked;
        R_PPC64_REL16_HIGHESTA   = 245: S + A - P, HIGHEST16, unchecked, high 16;
        R_PPC64_REL16DX_HA       = 246: S + A - P, DX16,      signed 32, high 16;
        R_PPC64_REL16            = 249: S + A - P, LO16,      signed 16;
        R_PPC64_REL16_LO         = 250: S + A - P, LO16,      unchecked, low R_PPC64_REL16_HA;
        R_PPC64_REL16_HI         = 251: S + A - P, HI16,      signed 32;
        R_PPC64_REL16_HA         = 252: S + A - P, HI16,      signed 32, high 16;
    }
    ignored: {
        R_PPC64_NONE = 0,
        // A `nop` in a prologue where r2 might be saved once for all calls: the stubs save it.
        R_PPC64_TOCSAVE = 109,
        // Which instructions a linker may shorten, if what they call or load is near.
        R_PPC64_PLTSEQ = 119,
        R_PPC64_PLTCALL = 120,
        R_PPC64_PLTSEQ_NOTOC = 121,
        R_PPC64_PLTCALL_NOTOC = 122,
        R_PPC64_PCREL_OPT = 123,
        // What a C++ linker throws away unused virtual functions by.
        R_PPC64_GNU_VTINHERIT = 253,
        R_PPC64_GNU_VTENTRY = 254,
    }
    refused: {
        DYNAMIC =>
            19..=22 [R_PPC64_COPY, R_PPC64_GLOB_DAT, R_PPC64_JMP_SLOT, R_PPC64_RELATIVE],
            247..=248 [R_PPC64_JMP_IREL, R_PPC64_IRELATIVE];
        "is the address of an entry in a program's procedure linkage table" =>
            27..=28 [R_PPC64_PLT32, R_PPC64_PLTREL32], 45..=46 [R_PPC64_PLT64, R_PPC64_PLTREL64];
        "is an offset in a section that a linker has put together" =>
            33..=36 [R_PPC64_SECTOFF, R_PPC64_SECTOFF_LO, R_PPC64_SECTOFF_HI, R_PPC64_SECTOFF_HA],
            61..=62 [R_PPC64_SECTOFF_DS, R_PPC64_SECTOFF_LO_DS];
        "is for lazy binding, which no linker does" =>
            52..=55 [R_PPC64_PLTGOT16, R_PPC64_PLTGOT16_LO, R_PPC64_PLTGOT16_HI, R_PPC64_PLTGOT16_HA],
            65..=66 [R_PPC64_PLTGOT16_DS, R_PPC64_PLTGOT16_LO_DS];
        TLS =>
            67..=108 [R_PPC64_TLS, R_PPC64_DTPMOD64, R_PPC64_TPREL16, R_PPC64_TPREL16_LO, R_PPC64_TPREL16_HI,
                R_PPC64_TPREL16_HA, R_PPC64_TPREL64, R_PPC64_DTPREL16, R_PPC64_DTPREL16_LO, R_PPC64_DTPREL16_HI,
                R_PPC64_DTPREL16_HA, R_PPC64_DTPREL64, R_PPC64_GOT_TLSGD16, R_PPC64_GOT_TLSGD16_LO,
                R_PPC64_GOT_TLSGD16_HI, R_PPC64_GOT_TLSGD16_HA, R_PPC64_GOT_TLSLD16, R_PPC64_GOT_TLSLD16_LO,
                R_PPC64_GOT_TLSLD16_HI, R_PPC64_GOT_TLSLD16_HA, R_PPC64_GOT_TPREL16_DS, R_PPC64_GOT_TPREL16_LO_DS,
                R_PPC64_GOT_TPREL16_HI, R_PPC64_GOT_TPREL16_HA, R_PPC64_GOT_DTPREL16_DS, R_PPC64_GOT_DTPREL16_LO_DS,
                R_PPC64_GOT_DTPREL16_HI, R_PPC64_GOT_DTPREL16_HA, R_PPC64_TPREL16_DS, R_PPC64_TPREL16_LO_DS,
                R_PPC64_TPREL16_HIGHER, R_PPC64_TPREL16_HIGHERA, R_PPC64_TPREL16_HIGHEST, R_PPC64_TPREL16_HIGHESTA,
                R_PPC64_DTPREL16_DS, R_PPC64_DTPREL16_LO_DS, R_PPC64_DTPREL16_HIGHER, R_PPC64_DTPREL16_HIGHERA,
                R_PPC64_DTPREL16_HIGHEST, R_PPC64_DTPREL16_HIGHESTA, R_PPC64_TLSGD, R_PPC64_TLSLD],
            112..=115 [R_PPC64_TPREL16_HIGH, R_PPC64_TPREL16_HIGHA, R_PPC64_DTPREL16_HIGH, R_PPC64_DTPREL16_HIGHA],
            146..=151 [R_PPC64_TPREL34, R_PPC64_DTPREL34, R_PPC64_GOT_TLSGD_PCREL34, R_PPC64_GOT_TLSLD_PCREL34,
                R_PPC64_GOT_TPREL_PCREL34, R_PPC64_GOT_DTPREL_PCREL34];
    }
}

/// The column `needs`: the TOC; a stub, if the symbol is not called directly.
const TOC: u16 = relobox_plugin::needs::OWN;
const CALL: u16 = TOC << 1;
/// Bytes of a stub: seven instructions, the magic word, the target.
const STUB: usize = 7 * 4 + 4 + 8;
/// "stub".
const MAGIC: u64 = 0x7374_7562;

/// Where the TOC is, and what is called in which way.
#[derive(Default)]
pub struct Toc {
    v1: bool,
    wanted: bool,
    /// The section that begins with the TOC: the module's own, or the synthetic one.
    section: Option<u32>,
    made: Option<usize>,
    /// Its address.
    base: Value,
    /// Stubs for code that has no TOC.
    notoc: Table,
    /// Undefined symbols: `_mcount` and its kind, `.TOC.`, other dot symbols.
    ftrace: Vec<u32>,
    named: Vec<u32>,
    dotted: Vec<u32>,
    /// `.opd`, and its relocations by offset, once somebody has asked.
    opd: Option<u32>,
    functions: Option<Vec<(u32, i64)>>,
}

/// How a symbol is called.
enum Way {
    Direct,
    /// By a stub that saves r2, which a `nop` behind the call restores.
    Saving,
    /// By a stub that needs no r2.
    NoToc,
}

impl Toc {
    fn way(&self, kind: u32, index: u32, symbol: &Symbol) -> Way {
        let toc = !matches!(kind, R_PPC64_REL24_NOTOC | R_PPC64_REL24_P9NOTOC);
        let entries = if self.v1 { 0 } else { symbol.other >> 5 };
        match (symbol.flags & symbol_flag::UNDEFINED != 0, toc, entries) {
            (true, true, _) if !self.ftrace.contains(&index) => Way::Saving,
            (false, true, 1) => Way::Saving,
            (true, ..) | (false, false, 2..) => Way::NoToc,
            (false, ..) => Way::Direct,
        }
    }
}

impl Hooks for Toc {
    const GOT: &'static str = "";

    fn start(&mut self, job: &Job<'_>) {
        self.v1 = job.header.elf_flags & 3 != 2;
        let mut stubs = None;
        for (i, section) in (0..).zip(job.sections) {
            match job.text(section.name) {
                b".toc" => self.section = Some(i),
                b".stubs" => stubs = Some(i),
                b".opd" if self.v1 => self.opd = Some(i),
                _ => {}
            }
        }
        self.section = self.section.or(stubs);
        for symbol in 0..job.symbols.len() as u32 {
            match job.symbol_name(symbol) {
                b"_mcount" | b"ftrace_caller" | b"ftrace_regs_caller" if !self.v1 => self.ftrace.push(symbol),
                b".TOC." => self.named.push(symbol),
                [b'.', ..] => self.dotted.push(symbol),
                _ => {}
            }
        }
    }

    fn need(&mut self, needs: u16, site: &Site<'_>, plan: &mut Plan) {
        self.wanted |= needs & TOC != 0;
        let r = site.relocation;
        let Some(symbol) = site.job.symbols.get(r.symbol as usize).filter(|_| needs & CALL != 0) else { return };
        match self.way(r.kind, r.symbol, symbol) {
            Way::Direct => {}
            Way::Saving => plan.tables.plt.want(site.job, r.symbol, r.addend),
            Way::NoToc => self.notoc.want(site.job, r.symbol, r.addend),
        }
    }

    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        self.wanted |= plan.stubs(".relobox.stubs", STUB, 8, 0) != 0;
        let bytes = self.notoc.seal() * STUB;
        self.notoc.lies_in(plan.text(".relobox.stubs.notoc", bytes, 8), STUB);
        for symbol in &self.dotted {
            plan.rename(*symbol, job.symbol_name(*symbol).get(1..).unwrap_or_default());
        }
        if !self.wanted && self.named.is_empty() {
            return;
        }
        let (how, index) = match self.section {
            Some(section) => {
                plan.align(section, 256);
                (supply::IN_SECTION, section)
            }
            None => {
                let got = plan.synthetic.iter().position(|s| s.name == ".relobox.got");
                self.made = got.or_else(|| plan.rodata(".relobox.toc", 8, 256));
                self.made.and_then(|i| plan.synthetic.get_mut(i)).into_iter().for_each(|toc| toc.align = 256);
                (supply::IN_SYNTHETIC, self.made.unwrap_or_default() as u32)
            }
        };
        for symbol in &self.named {
            plan.supplied.push(Supplied { symbol: *symbol, how, index, value: 0x8000, ..Default::default() });
        }
    }

    fn begin(cx: &mut Cx<'_, Self>) {
        let own = cx.state.section.and_then(|i| cx.job.sections.get(i as usize)).map(|s| s.address);
        let made = || cx.state.made.and_then(|i| cx.synthetic.get(i)).map(|s| s.address);
        cx.state.base = Value::of(own.or_else(made).unwrap_or_default()) & !0xff;
    }
}

/// What trouble leaves of a value: it is reported, and the value that stands in for it is admitted.
fn or<T>(cx: &mut Cx<'_, Toc>, value: Result<T, Trouble>, instead: T) -> T {
    value.unwrap_or_else(|trouble| {
        cx.report(trouble);
        instead
    })
}

/// The address of the slot that holds the symbol plus `addend`.
#[allow(non_snake_case, reason = "the psABI's letter")]
#[inline(never)]
fn G(cx: &mut Cx<'_, Toc>, addend: Value) -> Value {
    let slot = cx.slot_of(cx.relocation.symbol, addend).and_then(|slot| Ok(slot + cx.got()?.0));
    or(cx, slot, cx.state.base + 0x8000)
}

/// The same for a call by a slot of the procedure linkage table, which in ELFv2 holds nothing but an address, too.
#[allow(non_snake_case, reason = "a letter of its own")]
fn O(cx: &mut Cx<'_, Toc>, addend: Value) -> Value {
    if cx.state.v1 {
        cx.report(Trouble::new(fault::REJECTED, "needs a copy of a function descriptor, which only a program has"));
    }
    G(cx, addend)
}

/// Where a call of `target` goes: its stub, which is filled in, its local entry point, or the code of its descriptor.
#[allow(non_snake_case, reason = "the psABIs' customary letter")]
fn L(cx: &mut Cx<'_, Toc>, target: Value) -> Value {
    let (way, place) = (way(cx, target), cx.address(cx.relocation.offset));
    or(cx, way, place)
}

fn way(cx: &mut Cx<'_, Toc>, target: Value) -> Result<Value, Trouble> {
    const NO_STUB: Trouble = Trouble::unpaired("no stub was planned for it");
    let (r, v1, big) = (cx.relocation, cx.state.v1, cx.job.big_endian());
    let symbol = cx.job.symbols.get(r.symbol as usize).ok_or(NO_STUB)?;
    let (table, toc) = match cx.state.way(r.kind, r.symbol, symbol) {
        Way::Direct if v1 && cx.state.opd == Some(symbol.section) => return function(cx, target),
        Way::Direct => return Ok(if v1 { target } else { target + cx.local().0 }),
        Way::NoToc if v1 => return Err(Trouble::new(fault::REJECTED, "is of ELFv2: a function of ELFv1 has a TOC")),
        Way::NoToc => (&cx.state.notoc, None),
        Way::Saving => (&cx.tables.plt, Some(cx.state.base + 0x8000)),
    };
    let entry = table.of(cx.synthetic, r.symbol, r.addend).ok_or(NO_STUB)?;
    let address = entry.address;
    if entry.bytes[STUB - 9] == 0 {
        let from_toc = toc.map_or(Value(0), |toc| address - toc.0 + if v1 { 32 } else { 0 });
        let high = ha(from_toc, 16);
        if high.sign_extend(32) != high {
            return Err(Trouble { value: from_toc.0, min: -0x8000_8000, max: 0x7fff_7fff, ..STUB_TOO_FAR });
        }
        match (toc, v1) {
            (Some(_), false) => code! { entry.bytes, big;
                SI16_HI(0x3d62_0000, high) // addis r11, r2, (stub - .TOC.)@ha
                SI16(0x396b_0000, from_toc) // addi r11, r11, (stub - .TOC.)@l
                WORD32(0xf841_0018)        // std r2, 24(r1)
                WORD32(0xe98b_0020)        // ld r12, 32(r11)
                WORD32(0x7d89_03a6)        // mtctr r12
                WORD32(0x4e80_0420)        // bctr
                WORD32(0) WORD32(MAGIC) WORD64(0, target)
            },
            (Some(_), true) => code! { entry.bytes, big;
                SI16_HI(0x3d62_0000, high) // addis r11, r2, (descriptor's address - .TOC.)@ha
                WORD32(0xf841_0028)        // std r2, 40(r1)
                SI16(0xe96b_0000, from_toc) // ld r11, (descriptor's address - .TOC.)@l(r11)
                WORD32(0xe98b_0000)        // ld r12, 0(r11)
                WORD32(0xe84b_0008)        // ld r2, 8(r11)
                WORD32(0x7d89_03a6)        // mtctr r12
                WORD32(0x4e80_0420)        // bctr
                WORD32(MAGIC) WORD64(0, target)
            },
            (None, _) => code! { entry.bytes, big;
                SI16(0x3d80_0000, target >> 48) // lis r12, target@highest
                SI16(0x618c_0000, target >> 32) // ori r12, r12, target@higher
                WORD32(0x798c_07c6)             // sldi r12, r12, 32
                SI16_HI(0x658c_0000, target)    // oris r12, r12, target@high
                SI16(0x618c_0000, target)       // ori r12, r12, target@l
                WORD32(0x7d89_03a6)             // mtctr r12
                WORD32(0x4e80_0420)             // bctr
                WORD32(MAGIC) WORD64(0, target)
            },
        }
    }
    if toc.is_some() {
        restore(cx, v1)?;
    }
    Ok(address)
}

const STUB_TOO_FAR: Trouble = Trouble::new(fault::OUT_OF_RANGE, "the stub is too far from the TOC");

/// Makes the `nop` behind a call restore r2 from where the stub saved it. A call that ends its section does not return.
fn restore(cx: &mut Cx<'_, Toc>, v1: bool) -> Result<(), Trouble> {
    let (call, next) = (cx.relocation.offset, cx.relocation.offset + 4);
    let load = if v1 { 0xe841_0028 } else { 0xe841_0018 };
    let links = cx.word(&WORD32, call)? & 0xf400_0003 == 0x4000_0001;
    match cx.word(&WORD32, next) {
        // Old compilers: cror 15, 15, 15 and cror 31, 31, 31.
        Ok(0x6000_0000 | 0x4def_7b82 | 0x4fff_fb82) if links => cx.set_word(&WORD32, next, load),
        Ok(word) if links && word != load => {
            let text = "no nop follows the call, which would restore r2";
            Err(Trouble { value: word as i64, ..Trouble::new(fault::BAD_INSTRUCTION, text) })
        }
        _ => Ok(()),
    }
}

/// The code of a descriptor in `.opd`.
#[inline(never)]
fn function(cx: &mut Cx<'_, Toc>, descriptor: Value) -> Result<Value, Trouble> {
    const NO_CODE: Trouble = Trouble::unpaired("no relocation of .opd says where its code is");
    let opd = cx.state.opd.unwrap_or_default();
    let start = cx.job.sections.get(opd as usize).map_or(0, |s| s.address);
    let (job, offset) = (cx.job, descriptor.bits().wrapping_sub(start));
    let all = cx.state.functions.get_or_insert_with(|| {
        let code = job.groups.iter().filter(|g| g.section == opd).flat_map(|g| job.relocations_of(g));
        let code = code.filter(|r| r.kind == R_PPC64_ADDR64 && r.offset <= u32::MAX.into());
        let mut all: Vec<_> = code.map(|r| (r.offset as u32, job.index_of(r).into())).collect();
        sort(&mut all);
        all
    });
    let found = all.get(all.partition_point(|f| u64::from(f.0) < offset)).filter(|f| u64::from(f.0) == offset);
    let r = found.and_then(|f| job.relocations.get(f.1 as usize)).ok_or(NO_CODE)?;
    Ok(cx.value(r.symbol) + r.addend)
}

/// Writes the two halves of a prefixed instruction's immediate, of 34 or 28 bits.
#[inline(never)]
fn prefixed(value: Value, bits: u8, cx: &mut Cx<'_, Toc>) {
    let (offset, rule) = (cx.relocation.offset, Rule { kind: rule::SIGNED, bits, align: 1 });
    if !rule.in_range(value) {
        return cx.inadmissible(&rule, value, 0);
    }
    let halves = cx.put(if bits == 34 { &PREFIX18 } else { &PREFIX12 }, offset, value);
    let halves = halves.and_then(|()| cx.put(&SI16, offset.wrapping_add(4), value));
    or(cx, halves, ());
}

/// Says in a conditional branch whether it is likely `taken`.
#[inline(never)]
fn hinted(value: Value, taken: u64, cx: &mut Cx<'_, Toc>) -> Value {
    let offset = cx.relocation.offset;
    let word = cx.word(&WORD32, offset).unwrap_or_default();
    // The bits `a` and `t` of BO: 001at and 011at ask a condition, 1a00t and 1a01t count.
    let a = match word >> 21 & 0x14 {
        0x04 => 0x02,
        0x10 => 0x08,
        _ => return value,
    };
    let set = cx.set_word(&WORD32, offset, word & !(1 << 21) | (a | taken) << 21);
    or(cx, set, ());
    value
}

/// A global entry point that loads the distance of the TOC, which is near: `addis` and `addi` instead.
#[inline(never)]
fn entry(cx: &mut Cx<'_, Toc>, toc: Value) {
    let (big, offset, high) = (cx.job.big_endian(), cx.relocation.offset, ha(toc, 16));
    let Ok(place) = cx.place(&ENTRY, offset) else { return };
    let (load, add) = (WORD32.word(place, big), WORD32.word(&place[4..], big));
    // ld r2, ...(r12); add r2, r2, r12
    if load & !0xfffc == 0xe84c_0000 && add == 0x7c42_6214 && high.sign_extend(32) == high {
        code! { place, big;
            SI16_HI(0x3c4c_0000, high) // addis r2, r12, (.TOC. - .)@ha
            SI16(0x3842_0000, toc)     // addi r2, r2, (.TOC. - .)@l
        }
    }
}
