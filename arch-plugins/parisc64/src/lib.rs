//! PA-RISC (HP 9000), 64 bits, big-endian: wide mode of PA 2.0.
//!
//! psABI: ELF-64 Object File Format and Processor-Specific ELF for PA-RISC 1.43, which HP published;
//! <https://parisc.docs.kernel.org/en/latest/technical_documentation.html> has them. Names are those of GNU's tools:
//! what they call DLTIND is LTOFF to Linux, and DLTREL is GPREL. The letters are the psABI's: GOT is the start of the
//! data linkage table, which %dp holds, and G the address of the symbol's slot. L is where a call goes.
//!
//! What to know of it:
//!
//! * An instruction is a big-endian word, with its immediate scattered over it. The **sign is the lowest bit**. The
//!   21 bits of `ldil` and `addil` are cut into five pieces and put together in another order. Displacements of 16
//!   bits have two bits as their difference from the sign: `wide`. Words and doublewords leave out the bits that
//!   are zero.
//! * An address is a left and a right half, chosen by the assembler's *field selectors*. L' is bits 11 and up, R' the
//!   11 bits below, which have no sign. LR' and RR' let several loads share one left half: **the addend, and it
//!   alone, is rounded to 8 KiB** for LR', and RR' has what that leaves of symbol and addend; a displacement of 14
//!   bits has room for both. `21L` and `14R` are LR' and RR', but L' and R' where the value is relative to the place
//!   or to a slot. P' is a function's address for the use as a pointer, T' the offset of a slot.
//! * `ldil` makes 32 bits with a sign. That is enough, since the kernel and its modules lie in the lowest 2 GiB.
//! * Branches count words from two instructions behind: `- 8`. They have 12 bits (8 KiB), 17 (256 KiB) or 22 (8 MiB). A
//!   `C` is an `F` without a check of its range.
//! * A **function is known by its descriptor**: two words for dynamic linkers, the code, its %dp. Each module has its
//!   own %dp. An undefined function is its descriptor, so that no call of it is direct: a **stub** finds the
//!   descriptor in a slot, and takes %dp from there. Linux puts a section's stubs before that section; we put them
//!   before some sections of together 64 KiB. A call that does not reach another section has a stub as well.
//! * The module's own functions get descriptors if a relocation takes their address: `FPTR64`, as in exports. One has a
//!   single descriptor, whatever symbols it has: pointers are compared.
//! * *Millicode*, helpers of the compiler such as `$$divI`, keeps %dp. Its stub finds the descriptor by its address.
//!
//! Linux checks branches only, and links nine of these types. It lets `SEGREL32`, of unwind tables, and `SECREL32` be
//! whole addresses, and so do we; a linker subtracts where a segment or section starts. It refuses a symbol with the
//! value 0; we leave a weak one at that.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use calls::{CALL, Calls, DP, FUNCTION, FUNCTION_SLOT, G, L, function, pointer, stub};
use fields::*;
use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{DYNAMIC, TLS, architecture};

mod calls;
mod fields;
#[cfg(test)]
mod tests;

architecture! {
    name: "parisc64",
    title: "PA-RISC, 64 bits, RELA",
    psabi: "https://parisc.docs.kernel.org/en/latest/technical_documentation.html",
    machines: [Machine {
        machine: 15,
        class: 64,
        order: order::BIG,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // Below the kernel, behind what the first page and DMA keep.
        base: 0x0100_0000,
        kernel: 0x4010_0000,
        // Calls have stubs, and data is reached by its whole address.
        reach: 0,
    }],
    addends: explicit,
    decoding: "decoding.txt",
    state: Calls,
    letters: (cx, S, A, P; GOT = cx.state.dp),
    rows: {
        R_PARISC_DIR32          = 1:   S + A,                                          WORD32,    either 32;
        R_PARISC_DIR21L         = 2:   S + ((A + 0x1000) & -0x2000),                     IMM21,     signed 32;
        R_PARISC_DIR17R         = 3:   (S & 0x7ff) + A - ((A + 0x1000) & -0x2000),       BRANCH17,  signed 19, align 4,
                                       low R_PARISC_DIR21L;
        R_PARISC_DIR17F         = 4:   S + A,                                          BRANCH17,  signed 19, align 4;
        R_PARISC_DIR14R         = 6:   (S & 0x7ff) + A - ((A + 0x1000) & -0x2000),       IMM14,     signed 14,
                                       low R_PARISC_DIR21L;
        R_PARISC_DIR14F         = 7:   S + A,                                          IMM14,     signed 14;
        R_PARISC_PCREL12F       = 8:   S + A - P - 8,                                  BRANCH12,  signed 14, align 4;
        R_PARISC_PCREL32        = 9:   S + A - P - 8,                                  WORD32,    signed 32;
        R_PARISC_PCREL21L       = 10:  S + A - P - 8,                                  IMM21,     signed 32;
        R_PARISC_PCREL17R       = 11:  (S + A - P - 8) & 0x7ff,                        BRANCH17,  signed 19, align 4,
                                       low R_PARISC_PCREL21L;
        R_PARISC_PCREL17F       = 12:  L(cx, S + A)? - P - 8,                          BRANCH17,  signed 19, align 4,
                                       else stub(cx, S + A)? - P - 8, needs CALL;
        R_PARISC_PCREL17C       = 13:  S + A - P - 8,                                  BRANCH17,  unchecked, align 4;
        R_PARISC_PCREL14R       = 14:  (S + A - P - 8) & 0x7ff,                        IMM14,     signed 14,
                                       low R_PARISC_PCREL21L;
        R_PARISC_PCREL14F       = 15:  S + A - P - 8,                                  IMM14,     signed 14;
        R_PARISC_DPREL21L       = 18:  S - GOT + ((A + 0x1000) & -0x2000),               IMM21,     signed 32, needs DP;
        R_PARISC_DPREL14WR      = 19:  ((S - GOT) & 0x7ff) + A - ((A + 0x1000) & -0x2000), WORDS14,   signed 14, align 4,
                                       needs DP, low R_PARISC_DPREL21L;
        R_PARISC_DPREL14DR      = 20:  ((S - GOT) & 0x7ff) + A - ((A + 0x1000) & -0x2000), DOUBLES14, signed 14, align 8,
                                       needs DP, low R_PARISC_DPREL21L;
        R_PARISC_DPREL14R       = 22:  ((S - GOT) & 0x7ff) + A - ((A + 0x1000) & -0x2000), IMM14,     signed 14, needs DP,
                                       low R_PARISC_DPREL21L;
        R_PARISC_DPREL14F       = 23:  S + A - GOT,                                    IMM14,     signed 14, needs DP;
        R_PARISC_DLTREL21L      = 26:  S - GOT + ((A + 0x1000) & -0x2000),               IMM21,     signed 32, needs DP;
        R_PARISC_DLTREL14R      = 30:  ((S - GOT) & 0x7ff) + A - ((A + 0x1000) & -0x2000), IMM14,     signed 14, needs DP,
                                       low R_PARISC_DLTREL21L;
        R_PARISC_DLTREL14F      = 31:  S + A - GOT,                                    IMM14,     signed 14, needs DP;
        R_PARISC_DLTIND21L      = 34:  G(cx, A)? - GOT,                                IMM21,     signed 32,
                                       needs TARGET_SLOT;
        R_PARISC_DLTIND14R      = 38:  (G(cx, A)? - GOT) & 0x7ff,                      IMM14,     signed 14,
                                       needs TARGET_SLOT, low R_PARISC_DLTIND21L;
        R_PARISC_DLTIND14F      = 39:  G(cx, A)? - GOT,                                IMM14,     signed 14,
                                       needs TARGET_SLOT;
        R_PARISC_SECREL32       = 41:  S + A,                                          WORD32,    either 32;
        R_PARISC_SEGREL32       = 49:  S + A,                                          WORD32,    either 32;
        R_PARISC_LTOFF_FPTR32   = 57:  pointer(cx, S + A)? - GOT,                      WORD32,    signed 32,
                                       needs FUNCTION_SLOT | DP, is slot;
        R_PARISC_LTOFF_FPTR21L  = 58:  pointer(cx, S + A)? - GOT,                      IMM21,     signed 32,
                                       needs FUNCTION_SLOT | DP, is slot;
        R_PARISC_LTOFF_FPTR14R  = 62:  (pointer(cx, S + A)? - GOT) & 0x7ff,            IMM14,     signed 14,
                                       needs FUNCTION_SLOT | DP, is slot, low R_PARISC_LTOFF_FPTR21L;
        R_PARISC_FPTR64         = 64:  function(cx, S + A)?,                           WORD64,    whole, needs FUNCTION,
                                       is slot;
        R_PARISC_PCREL64        = 72:  S + A - P - 8,                                  WORD64,    whole;
        R_PARISC_PCREL22C       = 73:  S + A - P - 8,                                  BRANCH22,  unchecked, align 4;
        R_PARISC_PCREL22F       = 74:  L(cx, S + A)? - P - 8,                          BRANCH22,  signed 24, align 4,
                                       else stub(cx, S + A)? - P - 8, needs CALL;
        R_PARISC_PCREL14WR      = 75:  (S + A - P - 8) & 0x7ff,                        WORDS14,   signed 14, align 4,
                                       low R_PARISC_PCREL21L;
        R_PARISC_PCREL14DR      = 76:  (S + A - P - 8) & 0x7ff,                        DOUBLES14, signed 14, align 8,
                                       low R_PARISC_PCREL21L;
        R_PARISC_PCREL16F       = 77:  wide(S + A - P - 8),                            IMM16,     signed 16;
        R_PARISC_PCREL16WF      = 78:  wide(S + A - P - 8),                            WORDS16,   signed 16, align 4;
        R_PARISC_PCREL16DF      = 79:  wide(S + A - P - 8),                            DOUBLES16, signed 16, align 8;
        R_PARISC_DIR64          = 80:  S + A,                                          WORD64,    whole;
        R_PARISC_DIR14WR        = 83:  (S & 0x7ff) + A - ((A + 0x1000) & -0x2000),       WORDS14,   signed 14, align 4,
                                       low R_PARISC_DIR21L;
        R_PARISC_DIR14DR        = 84:  (S & 0x7ff) + A - ((A + 0x1000) & -0x2000),       DOUBLES14, signed 14, align 8,
                                       low R_PARISC_DIR21L;
        R_PARISC_DIR16F         = 85:  wide(S + A),                                    IMM16,     signed 16,
                                       of absolute;
        R_PARISC_DIR16WF        = 86:  wide(S + A),                                    WORDS16,   signed 16, align 4,
                                       of absolute;
        R_PARISC_DIR16DF        = 87:  wide(S + A),                                    DOUBLES16, signed 16, align 8,
                                       of absolute;
        R_PARISC_GPREL64        = 88:  S + A - GOT,                                    WORD64,    whole, needs DP;
        R_PARISC_DLTREL14WR     = 91:  ((S - GOT) & 0x7ff) + A - ((A + 0x1000) & -0x2000), WORDS14,   signed 14, align 4,
                                       needs DP, low R_PARISC_DLTREL21L;
        R_PARISC_DLTREL14DR     = 92:  ((S - GOT) & 0x7ff) + A - ((A + 0x1000) & -0x2000), DOUBLES14, signed 14, align 8,
                                       needs DP, low R_PARISC_DLTREL21L;
        R_PARISC_GPREL16F       = 93:  wide(S + A - GOT),                              IMM16,     signed 16, needs DP;
        R_PARISC_GPREL16WF      = 94:  wide(S + A - GOT),                              WORDS16,   signed 16, align 4,
                                       needs DP;
        R_PARISC_GPREL16DF      = 95:  wide(S + A - GOT),                              DOUBLES16, signed 16, align 8,
                                       needs DP;
        R_PARISC_LTOFF64        = 96:  G(cx, A)? - GOT,                                WORD64,    whole,
                                       needs TARGET_SLOT;
        R_PARISC_DLTIND14WR     = 99:  (G(cx, A)? - GOT) & 0x7ff,                      WORDS14,   signed 14, align 4,
                                       needs TARGET_SLOT, low R_PARISC_DLTIND21L;
        R_PARISC_DLTIND14DR     = 100: (G(cx, A)? - GOT) & 0x7ff,                      DOUBLES14, signed 14, align 8,
                                       needs TARGET_SLOT, low R_PARISC_DLTIND21L;
        R_PARISC_LTOFF16F       = 101: wide(G(cx, A)? - GOT),                          IMM16,     signed 16,
                                       needs TARGET_SLOT, of slot;
        R_PARISC_LTOFF16WF      = 102: wide(G(cx, A)? - GOT),                          WORDS16,   signed 16, align 4,
                                       needs TARGET_SLOT, of slot;
        R_PARISC_LTOFF16DF      = 103: wide(G(cx, A)? - GOT),                          DOUBLES16, signed 16, align 8,
                                       needs TARGET_SLOT, of slot;
        R_PARISC_LTOFF_FPTR64   = 120: pointer(cx, S + A)? - GOT,                      WORD64,    whole,
                                       needs FUNCTION_SLOT | DP, is slot;
        R_PARISC_LTOFF_FPTR14WR = 123: (pointer(cx, S + A)? - GOT) & 0x7ff,            WORDS14,   signed 14, align 4,
                                       needs FUNCTION_SLOT | DP, is slot, low R_PARISC_LTOFF_FPTR21L;
        R_PARISC_LTOFF_FPTR14DR = 124: (pointer(cx, S + A)? - GOT) & 0x7ff,            DOUBLES14, signed 14, align 8,
                                       needs FUNCTION_SLOT | DP, is slot, low R_PARISC_LTOFF_FPTR21L;
        R_PARISC_LTOFF_FPTR16F  = 125: wide(pointer(cx, S + A)? - GOT),                IMM16,     signed 16,
                                       needs FUNCTION_SLOT | DP, is slot;
        R_PARISC_LTOFF_FPTR16WF = 126: wide(pointer(cx, S + A)? - GOT),                WORDS16,   signed 16, align 4,
                                       needs FUNCTION_SLOT | DP, is slot;
        R_PARISC_LTOFF_FPTR16DF = 127: wide(pointer(cx, S + A)? - GOT),                DOUBLES16, signed 16, align 8,
                                       needs FUNCTION_SLOT | DP, is slot;
    }
    ignored: {
        R_PARISC_NONE = 0,
        // From where `SEGREL32` counts for a linker.
        R_PARISC_SEGBASE = 48,
        // What a C++ linker throws away unused virtual functions by.
        R_PARISC_GNU_VTENTRY = 232,
        R_PARISC_GNU_VTINHERIT = 233,
    }
    refused: {
        "counts from an address that another relocation sets, which no assembler writes" =>
            40 [R_PARISC_SETBASE], 42..=44 [R_PARISC_BASEREL21L, R_PARISC_BASEREL17R, R_PARISC_BASEREL17F],
            46..=47 [R_PARISC_BASEREL14R, R_PARISC_BASEREL14F], 107..=108 [R_PARISC_BASEREL14WR, R_PARISC_BASEREL14DR];
        "is an offset in a program's procedure linkage table" =>
            50 [R_PARISC_PLTOFF21L], 54..=55 [R_PARISC_PLTOFF14R, R_PARISC_PLTOFF14F],
            115..=119 [R_PARISC_PLTOFF14WR, R_PARISC_PLTOFF14DR, R_PARISC_PLTOFF16F, R_PARISC_PLTOFF16WF,
                R_PARISC_PLTOFF16DF];
        "is an offset in a section or segment that a linker has put together" =>
            104 [R_PARISC_SECREL64], 112 [R_PARISC_SEGREL64];
        "is for 32-bit code" => 65..=66 [R_PARISC_PLABEL32, R_PARISC_PLABEL21L], 70 [R_PARISC_PLABEL14R];
        DYNAMIC => 128..=130 [R_PARISC_COPY, R_PARISC_IPLT, R_PARISC_EPLT];
        TLS =>
            153..=154 [R_PARISC_TPREL32, R_PARISC_TPREL21L], 158 [R_PARISC_TPREL14R], 162 [R_PARISC_LTOFF_TP21L],
            166..=167 [R_PARISC_LTOFF_TP14R, R_PARISC_LTOFF_TP14F], 216 [R_PARISC_TPREL64],
            219..=224 [R_PARISC_TPREL14WR, R_PARISC_TPREL14DR, R_PARISC_TPREL16F, R_PARISC_TPREL16WF,
                R_PARISC_TPREL16DF, R_PARISC_LTOFF_TP64],
            227..=231 [R_PARISC_LTOFF_TP14WR, R_PARISC_LTOFF_TP14DR, R_PARISC_LTOFF_TP16F, R_PARISC_LTOFF_TP16WF,
                R_PARISC_LTOFF_TP16DF],
            234..=245 [R_PARISC_TLS_GD21L, R_PARISC_TLS_GD14R, R_PARISC_TLS_GDCALL, R_PARISC_TLS_LDM21L,
                R_PARISC_TLS_LDM14R, R_PARISC_TLS_LDMCALL, R_PARISC_TLS_LDO21L, R_PARISC_TLS_LDO14R,
                R_PARISC_TLS_DTPMOD32, R_PARISC_TLS_DTPMOD64, R_PARISC_TLS_DTPOFF32, R_PARISC_TLS_DTPOFF64];
    }
}
