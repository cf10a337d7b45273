//! AArch64 (64-bit Arm, LP64).
//!
//! psABI: ELF for the Arm 64-bit Architecture (AAELF64),
//! <https://github.com/ARM-software/abi-aa/blob/main/aaelf64/aaelf64.rst>, chapter "Relocation".
//!
//! What to know of it:
//!
//! * An instruction is four bytes, **little-endian even on a big-endian kernel**; words of data follow the module.
//! * The program counter is the address of the instruction itself: no bias.
//! * A distant address takes two instructions. `adrp` gives the 4 KiB page, ±4 GiB away, and the
//!   `add`, load or store after it the low twelve bits. They are patched alone: low bits are not signed,
//!   so nothing carries. `Page(x)` is 4 KiB whatever pages the kernel uses.
//! * A load or store scales its twelve bits by its size: what is not aligned to it has bits lost.
//!   Kernels drop them; we refuse, as AAELF64 recommends.
//! * `adr` and `adrp` keep the low two bits of their immediate in bits 30:29.
//! * `movz`, `movn` and `movk` set 16 bits of a register; the assembler has chosen which. The checked
//!   signed forms need `movn` (which sets all other bits) for negative values and `movz` for the rest,
//!   so that linking may change the opcode. The `_NC` forms follow with `movk`.
//! * `b` and `bl` reach ±128 MiB. What lies farther is called through a veneer, which may use x16 and x17.
//! * A call to a weak symbol that nobody defines goes to the next instruction, as AAELF64 demands and linkers
//!   do. (A kernel's own loader aims it at a veneer for address 0, and cannot make that.) Only a branch
//!   that cannot reach 0 is asked whether it is one: nothing real is placed within 128 MiB of 0.
//!   Other references to such a symbol see 0, and are refused where 0 is out of reach.
//! * `ABS32` and `ABS16` hold either reading of a narrow number. Kernels take them as unsigned, and
//!   refuse the negative ones that we let pass.
//! * The GOT forms come from code compiled with `-fPIC` or for weak symbols. Kernels refuse them; we give each
//!   symbol a slot. AAELF64 wants no addend there, and linkers disagree on what one would mean.
//! * Erratum 843419 of Cortex-A53: an `adrp` in the last two words of a page may give a wrong address.
//!   See [`mend_adrp`].
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::vec::Vec;

use relobox_plugin::abi::{Alignment, Machine, Slice, fault, order, symbol_flag};
use relobox_plugin::{BySymbol, Cx, Field, Hooks, Job, Plan, Targets, Trouble, Value, architecture, slice};

#[cfg(test)]
mod tests;

const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(4, order::LITTLE, slices)
}

const WORD16: Field = Field::data(2);
const WORD32: Field = Field::data(4);
const WORD64: Field = Field::data(8);
const INSN: Field = insn(&[slice(0, 0, 32)]);
// Branches and literal loads count in instructions.
const IMM14: Field = insn(&[slice(2, 5, 14)]);
const IMM19: Field = insn(&[slice(2, 5, 19)]);
const IMM26: Field = insn(&[slice(2, 0, 26)]);
const ADR: Field = insn(&[slice(0, 29, 2), slice(2, 5, 19)]);
const ADRP: Field = insn(&[slice(12, 29, 2), slice(14, 5, 19)]);
// The unsigned immediate of add, load and store; the last number is the size of what is accessed.
const IMM12: Field = insn(&[slice(0, 10, 12)]);
const IMM12_2: Field = insn(&[slice(1, 10, 12)]);
const IMM12_4: Field = insn(&[slice(2, 10, 12)]);
const IMM12_8: Field = insn(&[slice(3, 10, 12)]);
const IMM12_16: Field = insn(&[slice(4, 10, 12)]);
// One of the four 16-bit groups of a value, in a move.
const MOV_G0: Field = insn(&[slice(0, 5, 16)]);
const MOV_G1: Field = insn(&[slice(16, 5, 16)]);
const MOV_G2: Field = insn(&[slice(32, 5, 16)]);
const MOV_G3: Field = insn(&[slice(48, 5, 16)]);
// What tells `movz` (1) from `movn` (0).
const MOVZ: Field = insn(&[slice(0, 30, 1)]);

/// Linux up to 6.4: modules in the 128 MiB below the kernel (later: 2 GiB, of which they still take the nearest).
const fn machine(order: u8) -> Machine {
    Machine {
        machine: 183,
        class: 64,
        order,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0xffff_8000_0100_0000,
        kernel: 0xffff_8000_0800_0000,
        reach: 0x0800_0000,
    }
}

architecture! {
    name: "aarch64",
    title: "AArch64 (64-bit Arm), either byte order of data, RELA",
    psabi: "https://github.com/ARM-software/abi-aa/blob/main/aaelf64/aaelf64.rst",
    machines: [machine(order::LITTLE), machine(order::BIG)],
    addends: explicit,
    inputs: ["erratum_843419" = 0],
    state: Synthesis,
    letters: (cx, S, A, P),
    rows: {
        R_AARCH64_ABS64               = 257: S + A,                         WORD64,   unchecked;
        R_AARCH64_ABS32               = 258: S + A,                         WORD32,   either 32;
        R_AARCH64_ABS16               = 259: S + A,                         WORD16,   either 16;
        R_AARCH64_PREL64              = 260: S + A - P,                     WORD64,   unchecked;
        R_AARCH64_PREL32              = 261: S + A - P,                     WORD32,   signed 32;
        R_AARCH64_PREL16              = 262: S + A - P,                     WORD16,   signed 16;
        R_AARCH64_PLT32               = 314: S + A - P,                     WORD32,   signed 32, else veneer(cx, S + A);

        R_AARCH64_MOVW_UABS_G0        = 263: S + A,                         MOV_G0,   unsigned 16;
        R_AARCH64_MOVW_UABS_G0_NC     = 264: S + A,                         MOV_G0,   unchecked;
        R_AARCH64_MOVW_UABS_G1        = 265: S + A,                         MOV_G1,   unsigned 32;
        R_AARCH64_MOVW_UABS_G1_NC     = 266: S + A,                         MOV_G1,   unchecked;
        R_AARCH64_MOVW_UABS_G2        = 267: S + A,                         MOV_G2,   unsigned 48;
        R_AARCH64_MOVW_UABS_G2_NC     = 268: S + A,                         MOV_G2,   unchecked;
        R_AARCH64_MOVW_UABS_G3        = 269: S + A,                         MOV_G3,   unchecked;
        R_AARCH64_MOVW_SABS_G0        = 270: movz_or_movn(S + A, 0, cx)?,   MOV_G0,   signed 17;
        R_AARCH64_MOVW_SABS_G1        = 271: movz_or_movn(S + A, 1, cx)?,   MOV_G1,   signed 33;
        R_AARCH64_MOVW_SABS_G2        = 272: movz_or_movn(S + A, 2, cx)?,   MOV_G2,   signed 49;
        R_AARCH64_MOVW_PREL_G0        = 287: movz_or_movn(S + A - P, 0, cx)?, MOV_G0, signed 17;
        R_AARCH64_MOVW_PREL_G0_NC     = 288: S + A - P,                     MOV_G0,   unchecked;
        R_AARCH64_MOVW_PREL_G1        = 289: movz_or_movn(S + A - P, 1, cx)?, MOV_G1, signed 33;
        R_AARCH64_MOVW_PREL_G1_NC     = 290: S + A - P,                     MOV_G1,   unchecked;
        R_AARCH64_MOVW_PREL_G2        = 291: movz_or_movn(S + A - P, 2, cx)?, MOV_G2, signed 49;
        R_AARCH64_MOVW_PREL_G2_NC     = 292: S + A - P,                     MOV_G2,   unchecked;
        R_AARCH64_MOVW_PREL_G3        = 293: movz_or_movn(S + A - P, 3, cx)?, MOV_G3, unchecked;

        R_AARCH64_LD_PREL_LO19        = 273: S + A - P,                     IMM19,    signed 21, align 4;
        R_AARCH64_ADR_PREL_LO21       = 274: S + A - P,                     ADR,      signed 21;
        R_AARCH64_ADR_PREL_PG_HI21    = 275: page(S + A) - page(P),         ADRP,     signed 33;
        R_AARCH64_ADR_PREL_PG_HI21_NC = 276: page(S + A) - page(P),         ADRP,     unchecked;
        R_AARCH64_ADD_ABS_LO12_NC     = 277: lo12(S + A),                   IMM12,    unchecked;
        R_AARCH64_LDST8_ABS_LO12_NC   = 278: lo12(S + A),                   IMM12,    unchecked;
        R_AARCH64_LDST16_ABS_LO12_NC  = 284: lo12(S + A),                   IMM12_2,  unchecked, align 2;
        R_AARCH64_LDST32_ABS_LO12_NC  = 285: lo12(S + A),                   IMM12_4,  unchecked, align 4;
        R_AARCH64_LDST64_ABS_LO12_NC  = 286: lo12(S + A),                   IMM12_8,  unchecked, align 8;
        R_AARCH64_LDST128_ABS_LO12_NC = 299: lo12(S + A),                   IMM12_16, unchecked, align 16;

        R_AARCH64_TSTBR14             = 279: S + A - P,                     IMM14,    signed 16, align 4;
        R_AARCH64_CONDBR19            = 280: S + A - P,                     IMM19,    signed 21, align 4;
        R_AARCH64_JUMP26              = 282: S + A - P,                IMM26, signed 28, align 4, else far(cx, S + A);
        R_AARCH64_CALL26              = 283: S + A - P,                IMM26, signed 28, align 4, else far(cx, S + A);

        R_AARCH64_MOVW_GOTOFF_G0      = 300: movz_or_movn(G(cx, A)? - GOT(cx)?, 0, cx)?, MOV_G0, signed 17;
        R_AARCH64_MOVW_GOTOFF_G0_NC   = 301: G(cx, A)? - GOT(cx)?,          MOV_G0,   unchecked;
        R_AARCH64_MOVW_GOTOFF_G1      = 302: movz_or_movn(G(cx, A)? - GOT(cx)?, 1, cx)?, MOV_G1, signed 33;
        R_AARCH64_MOVW_GOTOFF_G1_NC   = 303: G(cx, A)? - GOT(cx)?,          MOV_G1,   unchecked;
        R_AARCH64_MOVW_GOTOFF_G2      = 304: movz_or_movn(G(cx, A)? - GOT(cx)?, 2, cx)?, MOV_G2, signed 49;
        R_AARCH64_MOVW_GOTOFF_G2_NC   = 305: G(cx, A)? - GOT(cx)?,          MOV_G2,   unchecked;
        R_AARCH64_MOVW_GOTOFF_G3      = 306: movz_or_movn(G(cx, A)? - GOT(cx)?, 3, cx)?, MOV_G3, unchecked;
        R_AARCH64_GOTREL64            = 307: S + A - GOT(cx)?,              WORD64,   unchecked;
        R_AARCH64_GOTREL32            = 308: S + A - GOT(cx)?,              WORD32,   signed 32;
        R_AARCH64_GOT_LD_PREL19       = 309: G(cx, A)? - P,                 IMM19,    signed 21, align 4;
        R_AARCH64_LD64_GOTOFF_LO15    = 310: G(cx, A)? - GOT(cx)?,          IMM12_8,  unsigned 15, align 8;
        R_AARCH64_ADR_GOT_PAGE        = 311: page(G(cx, A)?) - page(P),     ADRP,     signed 33;
        R_AARCH64_LD64_GOT_LO12_NC    = 312: lo12(G(cx, A)?),               IMM12_8,  unchecked, align 8;
        R_AARCH64_LD64_GOTPAGE_LO15   = 313: G(cx, A)? - page(GOT(cx)?),    IMM12_8,  unsigned 15, align 8;
        R_AARCH64_GOTPCREL32          = 315: G(cx, Value(0))? + A - P,      WORD32,   signed 32;
    }
    values: {
        is pages: R_AARCH64_ADR_PREL_PG_HI21, R_AARCH64_ADR_PREL_PG_HI21_NC;
        is in_page:
            R_AARCH64_ADD_ABS_LO12_NC, R_AARCH64_LDST8_ABS_LO12_NC, R_AARCH64_LDST16_ABS_LO12_NC,
            R_AARCH64_LDST32_ABS_LO12_NC, R_AARCH64_LDST64_ABS_LO12_NC, R_AARCH64_LDST128_ABS_LO12_NC;
        of absolute: R_AARCH64_MOVW_SABS_G0, R_AARCH64_MOVW_SABS_G1, R_AARCH64_MOVW_SABS_G2;
        of relative: R_AARCH64_MOVW_PREL_G0, R_AARCH64_MOVW_PREL_G1, R_AARCH64_MOVW_PREL_G2, R_AARCH64_MOVW_PREL_G3;
        of slot:
            R_AARCH64_MOVW_GOTOFF_G0, R_AARCH64_MOVW_GOTOFF_G1, R_AARCH64_MOVW_GOTOFF_G2, R_AARCH64_MOVW_GOTOFF_G3;
    }
    pairs: {
        part R_AARCH64_ADR_PREL_PG_HI21:
            R_AARCH64_ADD_ABS_LO12_NC, R_AARCH64_LDST8_ABS_LO12_NC, R_AARCH64_LDST16_ABS_LO12_NC,
            R_AARCH64_LDST32_ABS_LO12_NC, R_AARCH64_LDST64_ABS_LO12_NC, R_AARCH64_LDST128_ABS_LO12_NC;
        part R_AARCH64_ADR_GOT_PAGE: R_AARCH64_LD64_GOT_LO12_NC;
        part R_AARCH64_MOVW_UABS_G1_NC: R_AARCH64_MOVW_UABS_G0_NC;
        part R_AARCH64_MOVW_UABS_G2_NC: R_AARCH64_MOVW_UABS_G1_NC;
        part R_AARCH64_MOVW_UABS_G3: R_AARCH64_MOVW_UABS_G2_NC;
        part R_AARCH64_MOVW_PREL_G1_NC: R_AARCH64_MOVW_PREL_G0_NC;
        part R_AARCH64_MOVW_PREL_G2_NC: R_AARCH64_MOVW_PREL_G1_NC;
        part R_AARCH64_MOVW_PREL_G3: R_AARCH64_MOVW_PREL_G2_NC;
        part R_AARCH64_MOVW_GOTOFF_G1_NC: R_AARCH64_MOVW_GOTOFF_G0_NC;
        part R_AARCH64_MOVW_GOTOFF_G2_NC: R_AARCH64_MOVW_GOTOFF_G1_NC;
        part R_AARCH64_MOVW_GOTOFF_G3: R_AARCH64_MOVW_GOTOFF_G2_NC;
    }
    // Binutils' name for the second code of the null relocation; Linux means that one by NONE.
    ignored: { R_AARCH64_NONE = 0, R_AARCH64_NULL = 256 }
    refused: {
        R_AARCH64_PATCHINST = 316 "is the structure protection extension's, which a kernel does not have",
        R_AARCH64_FUNCINIT64 = 317 "is the structure protection extension's, which a kernel does not have",
        R_AARCH64_TLSGD_ADR_PREL21 = 512 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSGD_ADR_PAGE21 = 513 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSGD_ADD_LO12_NC = 514 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSGD_MOVW_G1 = 515 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSGD_MOVW_G0_NC = 516 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_ADR_PREL21 = 517 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_ADR_PAGE21 = 518 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_ADD_LO12_NC = 519 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_MOVW_G1 = 520 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_MOVW_G0_NC = 521 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LD_PREL19 = 522 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_MOVW_DTPREL_G2 = 523 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_MOVW_DTPREL_G1 = 524 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_MOVW_DTPREL_G1_NC = 525 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_MOVW_DTPREL_G0 = 526 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_MOVW_DTPREL_G0_NC = 527 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_ADD_DTPREL_HI12 = 528 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_ADD_DTPREL_LO12 = 529 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_ADD_DTPREL_LO12_NC = 530 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LDST8_DTPREL_LO12 = 531 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LDST8_DTPREL_LO12_NC = 532 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LDST16_DTPREL_LO12 = 533 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LDST16_DTPREL_LO12_NC = 534 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LDST32_DTPREL_LO12 = 535 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LDST32_DTPREL_LO12_NC = 536 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LDST64_DTPREL_LO12 = 537 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LDST64_DTPREL_LO12_NC = 538 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSIE_MOVW_GOTTPREL_G1 = 539 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSIE_MOVW_GOTTPREL_G0_NC = 540 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21 = 541 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC = 542 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSIE_LD_GOTTPREL_PREL19 = 543 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_MOVW_TPREL_G2 = 544 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_MOVW_TPREL_G1 = 545 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_MOVW_TPREL_G1_NC = 546 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_MOVW_TPREL_G0 = 547 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_MOVW_TPREL_G0_NC = 548 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_ADD_TPREL_HI12 = 549 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_ADD_TPREL_LO12 = 550 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_ADD_TPREL_LO12_NC = 551 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_LDST8_TPREL_LO12 = 552 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_LDST8_TPREL_LO12_NC = 553 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_LDST16_TPREL_LO12 = 554 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_LDST16_TPREL_LO12_NC = 555 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_LDST32_TPREL_LO12 = 556 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_LDST32_TPREL_LO12_NC = 557 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_LDST64_TPREL_LO12 = 558 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC = 559 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC_LD_PREL19 = 560 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC_ADR_PREL21 = 561 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC_ADR_PAGE21 = 562 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC_LD64_LO12 = 563 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC_ADD_LO12 = 564 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC_OFF_G1 = 565 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC_OFF_G0_NC = 566 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC_LDR = 567 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC_ADD = 568 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC_CALL = 569 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_LDST128_TPREL_LO12 = 570 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLE_LDST128_TPREL_LO12_NC = 571 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LDST128_DTPREL_LO12 = 572 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC = 573 "is thread-local storage, which a kernel does not have",
        R_AARCH64_AUTH_ABS64 = 580 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_MOVW_GOTOFF_G0 = 581 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_MOVW_GOTOFF_G0_NC = 582 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_MOVW_GOTOFF_G1 = 583 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_MOVW_GOTOFF_G1_NC = 584 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_MOVW_GOTOFF_G2 = 585 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_MOVW_GOTOFF_G2_NC = 586 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_MOVW_GOTOFF_G3 = 587 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_GOT_LD_PREL19 = 588 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_LD64_GOTOFF_LO15 = 589 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_ADR_GOT_PAGE = 590 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_LD64_GOT_LO12_NC = 591 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_LD64_GOTPAGE_LO15 = 592 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_GOT_ADD_LO12_NC = 593 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_GOT_ADR_PREL_LO21 = 594 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_TLSDESC_ADR_PAGE21 = 595 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_TLSDESC_LD64_LO12 = 596 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_TLSDESC_ADD_LO12 = 597 "is for pointers that are signed when a program starts",
        R_AARCH64_COPY = 1024 "is for dynamic linking",
        R_AARCH64_GLOB_DAT = 1025 "is for dynamic linking",
        R_AARCH64_JUMP_SLOT = 1026 "is for dynamic linking",
        R_AARCH64_RELATIVE = 1027 "is for dynamic linking",
        R_AARCH64_TLS_IMPDEF1 = 1028 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLS_IMPDEF2 = 1029 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLS_TPREL = 1030 "is thread-local storage, which a kernel does not have",
        R_AARCH64_TLSDESC = 1031 "is thread-local storage, which a kernel does not have",
        R_AARCH64_IRELATIVE = 1032 "is for dynamic linking",
        R_AARCH64_AUTH_RELATIVE = 1041 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_GLOB_DAT = 1042 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_TLSDESC = 1043 "is for pointers that are signed when a program starts",
        R_AARCH64_AUTH_IRELATIVE = 1044 "is for pointers that are signed when a program starts",
    }
}

/// `Page(x)`: the address of the 4 KiB that `x` lies in.
#[inline(always)]
fn page(x: Value) -> Value {
    x & !0xfff
}

/// What `page` leaves out.
#[inline(always)]
fn lo12(x: Value) -> Value {
    x & 0xfff
}

/// Makes the move at the place a `movz`, or a `movn` if `x` is negative, and gives the value whose
/// group `group` such an instruction holds: for `movn` that group is inverted.
#[inline(never)]
fn movz_or_movn(x: Value, group: u32, cx: &mut Cx<'_, Synthesis>) -> Result<Value, Trouble> {
    let negative = x.0 < 0;
    cx.put(&MOVZ, cx.relocation.offset, Value(i64::from(!negative)))?;
    // The bits above the group, which the rule looks at, stay; so does all of what is out of range, for the message.
    let fits = group == 3 || x.sign_extend(16 * group + 17) == x;
    Ok(if negative && fits { Value(x.0 ^ 0xffff << (16 * group)) } else { x })
}

/// What a module does not bring along: a GOT and veneers.
#[derive(Default)]
pub struct Synthesis {
    slots: BySymbol,
    got: Option<usize>,
    /// What may need a veneer to be branched to.
    targets: Targets,
    /// The number of the first veneer that is still free for an `adrp`; they come last.
    free: usize,
    veneers: Option<usize>,
    erratum: bool,
}

/// Bytes of a veneer: at most four instructions. An `adrp` comes first, and so never in the last words of a page.
const VENEER: usize = 16;

impl Hooks for Synthesis {
    fn plan(&mut self, job: &Job<'_>, _: &[u8], plan: &mut Plan) {
        self.erratum = job.input("erratum_843419").is_some_and(|on| on != 0);
        let (mut table, mut adrps) = (false, 0);
        for group in job.groups {
            let before = job.sections.get(group.section as usize).map_or(1, |s| s.align);
            let mut align = before;
            for r in job.relocations_of(group) {
                match r.kind {
                    types::R_AARCH64_CALL26 | types::R_AARCH64_JUMP26 | types::R_AARCH64_PLT32 => {
                        match job.symbols.get(r.symbol as usize) {
                            // What is out of reach inside one section has no veneer near it either.
                            Some(symbol) if symbol.section == group.section => {}
                            Some(_) => self.targets.want(r.symbol, r.addend, job.symbols.len()),
                            None => {}
                        }
                    }
                    types::R_AARCH64_GOTREL64 | types::R_AARCH64_GOTREL32 => table = true,
                    types::R_AARCH64_MOVW_GOTOFF_G0..=types::R_AARCH64_LD64_GOTPAGE_LO15
                    | types::R_AARCH64_GOTPCREL32 => self.slots.want(r.symbol, job.symbols.len()),
                    _ => {}
                }
                if self.erratum && is_adrp(r.kind) {
                    match safe_alignment(r.offset) {
                        Some(safe) => align = align.max(safe),
                        None => adrps += 1,
                    }
                }
            }
            if align > before {
                plan.alignments.push(Alignment { section: group.section, reserved: 0, align });
            }
        }
        self.free = self.targets.seal();
        self.veneers = plan.text(".relobox.veneers", (self.free + adrps) * VENEER, VENEER as u64);

        let named = |i: &u32| job.symbol_name(*i) == b"_GLOBAL_OFFSET_TABLE_";
        let names: Vec<u32> = (0..job.symbols.len() as u32).filter(named).collect();
        // A table that is only named still needs an address.
        let least = usize::from(table || !names.is_empty());
        self.got = plan.rodata(".relobox.got", self.slots.count().max(least) * 8, 8);
        if let Some(got) = self.got {
            names.iter().for_each(|symbol| plan.supply_in(*symbol, got, 0));
        }
    }

    fn end(cx: &mut Cx<'_, Self>) {
        if !cx.state.erratum {
            return;
        }
        for (index, r) in (cx.group.first..).zip(cx.job.relocations_of(cx.group)) {
            if is_adrp(r.kind)
                && let Err(trouble) = mend_adrp(cx, r.offset)
            {
                cx.report_at(index, r, trouble);
            }
        }
    }
}

/// `G(GDAT(S + A))`: the address of the symbol's slot, which gets filled in.
#[allow(non_snake_case, reason = "the psABI's letter")]
#[inline(never)]
fn G(cx: &mut Cx<'_, Synthesis>, A: Value) -> Result<Value, Trouble> {
    const NO_SLOT: Trouble = Trouble::unpaired("no GOT slot was planned for it");
    if A.0 != 0 {
        return Err(Trouble { value: A.0, ..Trouble::new(fault::OTHER, "a GOT slot's relocation has an addend") });
    }
    let (symbol, big) = (cx.relocation.symbol, cx.job.big_endian());
    let slot = cx.state.slots.number(symbol).ok_or(NO_SLOT)?;
    let got = cx.state.got.and_then(|i| cx.synthetic.get_mut(i)).ok_or(NO_SLOT)?;
    let entry = got.contents.get_mut(slot * 8..).ok_or(NO_SLOT)?;
    WORD64.put(entry, big, cx.job.values.get(symbol as usize).map_or(0, |v| *v as i64));
    Ok(Value::of(got.address) + slot as i64 * 8)
}

/// The table's address.
#[allow(non_snake_case, reason = "the psABI's letter")]
#[inline(never)]
fn GOT(cx: &mut Cx<'_, Synthesis>) -> Result<Value, Trouble> {
    let got = cx.state.got.and_then(|i| cx.synthetic.get(i));
    got.map(|got| Value::of(got.address)).ok_or(Trouble::unpaired("no GOT was planned"))
}

/// The distance to go for a branch that cannot reach its target: to the next instruction, to a veneer, or
/// to the target itself, which the rule then refuses.
#[cold]
fn far(cx: &mut Cx<'_, Synthesis>, target: Value) -> Value {
    const MISSING: u16 = symbol_flag::UNDEFINED | symbol_flag::WEAK;
    let symbol = cx.relocation.symbol as usize;
    let missing = cx.job.symbols.get(symbol).is_some_and(|s| s.flags & MISSING == MISSING);
    if missing && cx.job.values.get(symbol) == Some(&0) {
        return Value(4);
    }
    if target.0 & 3 != 0 {
        // No instruction is there, and the way through a veneer would hide that.
        return target - cx.address(cx.relocation.offset);
    }
    veneer(cx, target)
}

/// The distance to the target's veneer, which gets filled in; to the target itself, which the rule
/// then refuses, where there is none or it would not reach.
#[cold]
fn veneer(cx: &mut Cx<'_, Synthesis>, target: Value) -> Value {
    let (r, place) = (cx.relocation, cx.address(cx.relocation.offset));
    let number = cx.state.targets.number(r.symbol, r.addend);
    let Some((entry, contents)) = number.and_then(|n| entry(cx, n)) else { return target - place };
    let pages = page(target) - page(entry);
    let code = if pages.sign_extend(33) == pages {
        let adrp = ADRP.insert(0x9000_0010, pages.0); // adrp x16, Page(target)
        let add = IMM12.insert(0x9100_0210, target.0); // add x16, x16, #target % 4096
        [adrp, add, 0xd61f_0200, 0] // br x16
    } else if target.sign_extend(49) == target {
        // All of the 48-bit address space and its mirror at the top, which is all the code there is in Linux.
        let first =
            if target.0 < 0 { MOV_G0.insert(0x9280_0010, !target.0) } else { MOV_G0.insert(0xd280_0010, target.0) };
        let second = MOV_G1.insert(0xf2a0_0010, target.0); // movk x16, #..., lsl 16
        let third = MOV_G2.insert(0xf2c0_0010, target.0); // movk x16, #..., lsl 32
        [first, second, third, 0xd61f_0200]
    } else {
        return target - place;
    };
    fill(contents, &code);
    entry - place
}

/// The address and the contents of veneer `number`.
fn entry<'a>(cx: &'a mut Cx<'_, Synthesis>, number: usize) -> Option<(Value, &'a mut [u8])> {
    let veneers = cx.synthetic.get_mut(cx.state.veneers?)?;
    let address = Value::of(veneers.address) + (number * VENEER) as i64;
    Some((address, veneers.contents.get_mut(number * VENEER..(number + 1) * VENEER)?))
}

fn fill(contents: &mut [u8], code: &[u64]) {
    for (place, word) in contents.chunks_exact_mut(4).zip(code) {
        INSN.set_word(place, false, *word);
    }
}

/// Whether a relocation of this type patches an `adrp`.
fn is_adrp(kind: u32) -> bool {
    use types::{R_AARCH64_ADR_GOT_PAGE, R_AARCH64_ADR_PREL_PG_HI21, R_AARCH64_ADR_PREL_PG_HI21_NC};
    matches!(kind, R_AARCH64_ADR_PREL_PG_HI21 | R_AARCH64_ADR_PREL_PG_HI21_NC | R_AARCH64_ADR_GOT_PAGE)
}

/// Whether an address, or an offset in an aligned section, is in the last two words of a page.
fn forbidden(address: u64) -> bool {
    address & 0xff8 == 0xff8
}

/// The alignment of a section that keeps what is at `offset` out of the last two words of any page:
/// it fixes all address bits up to the lowest that is not set. `None` if they all are.
fn safe_alignment(offset: u64) -> Option<u64> {
    (!forbidden(offset)).then(|| 2 << (offset | 7).trailing_ones())
}

/// Cortex-A53 erratum 843419: an `adrp` that stands in the last two words of a page becomes an
/// `adr` if that reaches the same page, and otherwise a branch to a veneer that has the `adrp` and branches back.
fn mend_adrp(cx: &mut Cx<'_, Synthesis>, offset: u64) -> Result<(), Trouble> {
    let place = cx.address(offset);
    if !forbidden(place.bits()) {
        return Ok(());
    }
    let Ok(word) = cx.word(&INSN, offset) else { return Ok(()) }; // A fault already.
    if word & 0x9f00_0000 != 0x9000_0000 {
        return Ok(()); // Mended already, or never an adrp.
    }
    let target = page(place) + Value(ADRP.extract(word) as i64).sign_extend(33).0;
    let near = target - place;
    if near.sign_extend(21) == near {
        return cx.set_word(&INSN, offset, ADR.insert(word & !0x8000_0000, near.0));
    }
    const NO_VENEER: Trouble = Trouble::new(
        fault::OTHER,
        "no way around erratum 843419 for the adrp here: its veneer is missing or out of reach",
    );
    let (entry, contents) = entry(cx, cx.state.free).ok_or(NO_VENEER)?;
    let (pages, there) = (target - page(entry), entry - place);
    if pages.sign_extend(33) != pages || there.sign_extend(28) != there {
        return Err(NO_VENEER);
    }
    let back = IMM26.insert(0x1400_0000, -there.0); // from entry + 4 to place + 4
    fill(contents, &[ADRP.insert(word, pages.0), back]);
    cx.state.free += 1;
    cx.set_word(&INSN, offset, IMM26.insert(0x1400_0000, there.0))
}
