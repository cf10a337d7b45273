//! PowerPC, 64 bits: ELFv2 in both byte orders, ELFv1 big-endian.
//!
//! psABIs: Power Architecture 64-Bit ELF V2 ABI Specification, chapter "Relocation",
//! <https://openpowerfoundation.org/specifications/64bitelfabi/>; 64-bit PowerPC ELF ABI Supplement 1.9 (ELFv1),
//! <https://refspecs.linuxfoundation.org/ELF/ppc64/PPC-elf64abi.html>. `HIGH`, `REL16` and some others are GNU's. The
//! letters are the psABIs', and L is where a call goes. Their `.TOC.` is `GOT + 0x8000`: GOT is the start of `.toc`,
//! which a linker puts into its global offset table. O is a slot for a call, which holds what G does.
//!
//! What to know of it:
//!
//! * An instruction is a word in the byte order of the data. An immediate is its low half, and the place is that
//!   half: two bytes into the word on a big-endian machine. Loads of doublewords (`DS`) take a multiple of 4, and
//!   have two bits of opcode in its place.
//! * r2 is the **TOC pointer**: 0x8000 into the module's `.toc`, so that a signed half reaches 64 KiB of it; `addis`
//!   and a half reach 2 GiB. Each module has its own, and so has the kernel. Linux rounds the section's address down
//!   to 256 bytes, and takes `.stubs` if there is no `.toc`. We align the section, which leaves nothing to round.
//! * Low halves have a sign, so that a high half is rounded: `HA` instead of `HI`. Both are checked; `HIGH` and
//!   `HIGHA` are the same bits unchecked. Bits 32 to 47 are `HIGHER`, those above `HIGHEST`; their `A` forms carry
//!   from bit 15.
//! * `bl` reaches 32 MiB. A call of an undefined symbol goes through a **stub**, however near that is, since the
//!   callee has another TOC. The stub saves r2 in the caller's frame, at 24(r1) (ELFv1: 40(r1)), and the **`nop`
//!   behind the `bl`** becomes the load of it. A branch that does not link does not come back and needs none.
//! * Nor does a call of `_mcount`, which stands where r2 is not set up yet: its stub must do without.
//! * In **ELFv2** a function has two entry points. The global one makes r2 from r12, its own address. The local one
//!   is for callers with the same r2, as far behind it as the top three bits of `st_other` say. 1 is a function
//!   without TOC, which may leave anything in r2. Code for Power10 has no TOC (`NOTOC`, `PCREL34`): its stubs make
//!   r12 only.
//! * `ENTRY` is a global entry point that loads the distance to the TOC: two instructions that become `addis` and
//!   `addi` if the TOC is near.
//! * In **ELFv1** a function's symbol is its *descriptor* in `.opd`: code, TOC, environment. The code has a dot
//!   symbol (`.printk`). We look an undefined one up without its dot, as Linux does; its stub loads from the
//!   descriptor. A `bl` of a descriptor in the module goes to the code that the relocation in `.opd` names, as
//!   linkers do it.
//! * A *prefixed* instruction is two words, the prefix first in either byte order, with 18 bits of the value in the
//!   prefix and 16 in the suffix. `addpcis` (`REL16DX`) has 16 bits in three pieces.
//!
//! Linux's loader knows fifteen of these types. Stubs look as it makes them, with a magic word and the target behind
//! the code, where ftrace reads both, and differ where its code depends on the running kernel: the stub of `_mcount`
//! makes the whole address instead of adding to the kernel's TOC, and an ELFv1 stub loads the target's descriptor
//! instead of holding a copy. It checks neither `ADDR32` nor `HA`, nor whether r2 survives a function without TOC; we
//! do.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use calls::{CALL, L, STUB, TOC, Toc, or};
use fields::{SI16, SI16_HI, WORD32, WORD64, insn};
use relobox_plugin::abi::{Detail, Machine, detail, effect, fault, loader, order, rule, synthetic_kind};
use relobox_plugin::{Cx, DYNAMIC, Field, Remade, Rule, TLS, Trouble, Value, architecture, code, ha, slice};
use types::*;

mod calls;
mod fields;
#[cfg(test)]
mod tests;

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
/// The immediates of a prefix.
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
    let (what, min, max) = (detail::RANGE, -1 << (bits - 1), (1 << (bits - 1)) - 1);
    Detail { kind, what, effect, min, max, offset: 0, width: 0, order: 0, reserved: 0, mask: 0, value: 0 }
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
        range(R_PPC64_D34, effect::ABSOLUTE, 34),
        range(R_PPC64_PCREL34, effect::RELATIVE, 34),
        range(R_PPC64_D28, effect::ABSOLUTE, 28),
        range(R_PPC64_PCREL28, effect::RELATIVE, 28),
    ],
    decoding: "decoding.txt",
    state: Toc,
    letters: (cx, S, A, P; GOT = cx.state.base),
    rows: {
        R_PPC64_ADDR32           = 1:   S + A,     WORD32,    either 32;
        R_PPC64_ADDR24           = 2:   S + A,     LI24,      signed 26, align 4;
        R_PPC64_ADDR16           = 3:   S + A,     LO16,      signed 16;
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
        R_PPC64_UADDR16          = 25:  S + A,     LO16,      signed 16;
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

const _: () = assert!(
    calls::R_PPC64_ADDR64 == types::R_PPC64_ADDR64
        && calls::R_PPC64_REL24_NOTOC == types::R_PPC64_REL24_NOTOC
        && calls::R_PPC64_REL24_P9NOTOC == types::R_PPC64_REL24_P9NOTOC
);

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
