//! ia64: Intel's Itanium, little-endian.
//!
//! psABI: Intel Itanium Processor-specific Application Binary Interface, 245370-003,
//! <https://refspecs.linuxfoundation.org/elf/IA64-SysV-psABI.pdf>, section 4.3 "Relocation". GOT is here the address
//! of the linkage table, which is gp, G is the address of the slot of symbol plus addend, and L is the address of
//! code that calls a function.
//!
//! What to know of it:
//!
//! * Instructions come in **bundles** of 128 bits, little-endian: a template of 5 bits, which says for what units
//!   they are, and three slots of 41 bits. A place in code is the bundle's address plus the number of the slot, 0 to
//!   2. Addresses of code are multiples of 16; branches count bundles, from the one they are in, whichever slot.
//! * An immediate lies in pieces: that of `addl` has 22 bits in four. `movl` and `brl` take two slots, 1 and 2, and
//!   the place names either.
//! * `addl` is the longest instruction with one slot, so that code reaches 4 MiB of data around gp, which is `r1`:
//!   the linkage table with its slots of 8 bytes, and data in sections that are marked as short.
//! * **A function is known by its descriptor**, the addresses of its first instruction and of the gp that it wants.
//!   The caller sets gp. A function of the module has its descriptor in a section that the plugin makes, if its
//!   address is taken (`@fptr`); the value of an undefined symbol is a descriptor's address already. So a branch
//!   there needs a stub, however near it is; and a function has one descriptor, in the module that has it, so that
//!   pointers compare.
//! * A stub loads both words of the descriptor and branches: `movl`, `ld8`, `ld8`, `mov b6`, `br`. It may use r15,
//!   r16, b6 and gp; callers restore gp. (Linux reads the descriptor while it links, and its stubs are `movl gp` and
//!   `brl`.)
//! * `LTOFF22X` loads an address from the linkage table, and `LDXMOV` marks the load. Where the data is near gp,
//!   Linux and GNU ld make an addition of it. Here a slot is used always: it is never wrong.
//! * `PLTOFF` is the distance of a descriptor from gp. (Linux stores the address of a stub.)
//! * `SEGREL` is used by unwind tables. Linux has them relative to address 0, and so have we; a linker, to the
//!   segment.
//! * `SECREL` is relative to the section of the symbol. (Linux: to the section of the place.)
//! * `MSB` types are words in big-endian order, in a file that is little-endian. Linux refuses these, `IMM14`, and
//!   the branches of `chk.s` and `fchkf`; and it stops at `LTV`, which is the same as `DIR` here.
//! * Linux has gp in the middle of the module, or 2 MiB before its end. Here it is where the linkage table begins.
//! * Modules are not compiled with `-mconstant-gp`, as the kernel itself is: their functions have descriptors.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use bundles::{IMM14, IMM22, IMM64, TARGET25B, TARGET25F, TARGET25M, TARGET64, put};
use fields::*;
use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{DYNAMIC, TLS, architecture};
use state::{CALL, FUNCTION, FUNCTION_SLOT, L, Linkage, descriptor, fptr, fptr_slot, own, section, slot as G};

mod bundles;
mod fields;
mod state;
#[cfg(test)]
mod tests;

/// `e_flags`: EF_IA_64_CONS_GP and EF_IA_64_NOFUNCDESC_CONS_GP, for code that shares the kernel's gp.
const CONSTANT_GP: u32 = 0x40 | 0x80;

architecture! {
    name: "ia64",
    title: "ia64 (Itanium), little-endian, RELA",
    psabi: "https://refspecs.linuxfoundation.org/elf/IA64-SysV-psABI.pdf",
    machines: [Machine {
        machine: 50,
        class: 64,
        order: order::LITTLE,
        flags_mask: CONSTANT_GP,
        flags_value: 0,
        reserved: 0,
        // Where vmalloc begins, in region 5; the kernel is mapped 4 GiB before.
        base: 0xa000_0002_0000_0000,
        kernel: 0xa000_0001_0000_0000,
        // Calls have stubs, and data is reached by its whole address.
        reach: 0,
    }],
    addends: explicit,
    decoding: "decoding.txt",
    state: Linkage,
    letters: (cx, S, A, P; GOT = cx.got()?),
    rows: {
        R_IA64_IMM14           = 0x21: put(S + A, &IMM14, cx)?, BUNDLE, by_hand, window 0, 16, 16, of absolute;
        R_IA64_IMM22           = 0x22: put(S + A, &IMM22, cx)?, BUNDLE, by_hand, window 0, 16, 16, of absolute;
        R_IA64_IMM64           = 0x23: put(S + A, &IMM64, cx)?, BUNDLE, by_hand, window 0, 16, 16, of absolute;
        R_IA64_DIR32MSB        = 0x24: S + A,                       MSB32, either 32;
        R_IA64_DIR32LSB        = 0x25: S + A,                       LSB32, either 32;
        R_IA64_DIR64MSB        = 0x26: S + A,                       MSB64, unchecked;
        R_IA64_DIR64LSB        = 0x27: S + A,                       LSB64, unchecked;
        R_IA64_GPREL22         = 0x2a: put(S + A - GOT, &IMM22, cx)?, BUNDLE, by_hand,
            needs GOT, window 0, 16, 16, of slot;
        R_IA64_GPREL64I        = 0x2b: put(S + A - GOT, &IMM64, cx)?, BUNDLE, by_hand,
            needs GOT, window 0, 16, 16, of slot;
        R_IA64_GPREL32MSB      = 0x2c: S + A - GOT,                 MSB32, signed 32, needs GOT;
        R_IA64_GPREL32LSB      = 0x2d: S + A - GOT,                 LSB32, signed 32, needs GOT;
        R_IA64_GPREL64MSB      = 0x2e: S + A - GOT,                 MSB64, unchecked, needs GOT;
        R_IA64_GPREL64LSB      = 0x2f: S + A - GOT,                 LSB64, unchecked, needs GOT;
        R_IA64_LTOFF22         = 0x32: put(G(A, cx)? - GOT, &IMM22, cx)?, BUNDLE, by_hand,
            needs TARGET_SLOT, window 0, 16, 16, of slot;
        R_IA64_LTOFF64I        = 0x33: put(G(A, cx)? - GOT, &IMM64, cx)?, BUNDLE, by_hand,
            needs TARGET_SLOT, window 0, 16, 16, of slot;
        R_IA64_PLTOFF22        = 0x3a: put(fptr(S + A, cx)? - GOT, &IMM22, cx)?, BUNDLE, by_hand,
            needs GOT | FUNCTION, window 0, 16, 16, of slot;
        R_IA64_PLTOFF64I       = 0x3b: put(fptr(S + A, cx)? - GOT, &IMM64, cx)?, BUNDLE, by_hand,
            needs GOT | FUNCTION, window 0, 16, 16, of slot;
        R_IA64_PLTOFF64MSB     = 0x3e: fptr(S + A, cx)? - GOT,      MSB64, unchecked, needs GOT | FUNCTION, of slot;
        R_IA64_PLTOFF64LSB     = 0x3f: fptr(S + A, cx)? - GOT,      LSB64, unchecked, needs GOT | FUNCTION, of slot;
        R_IA64_FPTR64I         = 0x43: put(fptr(S + A, cx)?, &IMM64, cx)?, BUNDLE, by_hand,
            needs GOT | FUNCTION, window 0, 16, 16, of slot;
        R_IA64_FPTR32MSB       = 0x44: fptr(S + A, cx)?,            MSB32, either 32, needs GOT | FUNCTION, of slot;
        R_IA64_FPTR32LSB       = 0x45: fptr(S + A, cx)?,            LSB32, either 32, needs GOT | FUNCTION, of slot;
        R_IA64_FPTR64MSB       = 0x46: fptr(S + A, cx)?,            MSB64, unchecked, needs GOT | FUNCTION, of slot;
        R_IA64_FPTR64LSB       = 0x47: fptr(S + A, cx)?,            LSB64, unchecked, needs GOT | FUNCTION, of slot;
        R_IA64_PCREL60B        = 0x48: put(L(S + A, cx)? - (P & -16), &TARGET64, cx)?, BUNDLE, by_hand,
            needs CALL, window 0, 16, 16, of slot;
        R_IA64_PCREL21B        = 0x49: put(L(S + A, cx)? - (P & -16), &TARGET25B, cx)?, BUNDLE, by_hand,
            needs CALL, window 0, 16, 16, of slot;
        R_IA64_PCREL21M        = 0x4a: put(own(S + A, cx)? - (P & -16), &TARGET25M, cx)?, BUNDLE, by_hand,
            window 0, 16, 16, of relative;
        R_IA64_PCREL21F        = 0x4b: put(own(S + A, cx)? - (P & -16), &TARGET25F, cx)?, BUNDLE, by_hand,
            window 0, 16, 16, of relative;
        R_IA64_PCREL32MSB      = 0x4c: S + A - P,                   MSB32, signed 32;
        R_IA64_PCREL32LSB      = 0x4d: S + A - P,                   LSB32, signed 32;
        R_IA64_PCREL64MSB      = 0x4e: S + A - P,                   MSB64, unchecked;
        R_IA64_PCREL64LSB      = 0x4f: S + A - P,                   LSB64, unchecked;
        R_IA64_LTOFF_FPTR22    = 0x52: put(fptr_slot(S + A, cx)? - GOT, &IMM22, cx)?, BUNDLE, by_hand,
            needs GOT | FUNCTION_SLOT, window 0, 16, 16, of slot;
        R_IA64_LTOFF_FPTR64I   = 0x53: put(fptr_slot(S + A, cx)? - GOT, &IMM64, cx)?, BUNDLE, by_hand,
            needs GOT | FUNCTION_SLOT, window 0, 16, 16, of slot;
        R_IA64_LTOFF_FPTR32MSB = 0x54: fptr_slot(S + A, cx)? - GOT, MSB32, signed 32,
            needs GOT | FUNCTION_SLOT, of slot;
        R_IA64_LTOFF_FPTR32LSB = 0x55: fptr_slot(S + A, cx)? - GOT, LSB32, signed 32,
            needs GOT | FUNCTION_SLOT, of slot;
        R_IA64_LTOFF_FPTR64MSB = 0x56: fptr_slot(S + A, cx)? - GOT, MSB64, unchecked,
            needs GOT | FUNCTION_SLOT, of slot;
        R_IA64_LTOFF_FPTR64LSB = 0x57: fptr_slot(S + A, cx)? - GOT, LSB64, unchecked,
            needs GOT | FUNCTION_SLOT, of slot;
        R_IA64_SEGREL32MSB     = 0x5c: S + A,                       MSB32, either 32;
        R_IA64_SEGREL32LSB     = 0x5d: S + A,                       LSB32, either 32;
        R_IA64_SEGREL64MSB     = 0x5e: S + A,                       MSB64, unchecked;
        R_IA64_SEGREL64LSB     = 0x5f: S + A,                       LSB64, unchecked;
        R_IA64_SECREL32MSB     = 0x64: S + A - section(cx)?,        MSB32, either 32;
        R_IA64_SECREL32LSB     = 0x65: S + A - section(cx)?,        LSB32, either 32;
        R_IA64_SECREL64MSB     = 0x66: S + A - section(cx)?,        MSB64, unchecked;
        R_IA64_SECREL64LSB     = 0x67: S + A - section(cx)?,        LSB64, unchecked;
        R_IA64_LTV32MSB        = 0x74: S + A,                       MSB32, either 32;
        R_IA64_LTV32LSB        = 0x75: S + A,                       LSB32, either 32;
        R_IA64_LTV64MSB        = 0x76: S + A,                       MSB64, unchecked;
        R_IA64_LTV64LSB        = 0x77: S + A,                       LSB64, unchecked;
        R_IA64_PCREL21BI       = 0x79: put(own(S + A, cx)? - (P & -16), &TARGET25B, cx)?, BUNDLE, by_hand,
            window 0, 16, 16, of relative;
        R_IA64_PCREL22         = 0x7a: put(S + A - (P & -16), &IMM22, cx)?, BUNDLE, by_hand,
            window 0, 16, 16, of relative;
        R_IA64_PCREL64I        = 0x7b: put(S + A - (P & -16), &IMM64, cx)?, BUNDLE, by_hand,
            window 0, 16, 16, of relative;
        R_IA64_IPLTMSB         = 0x80: descriptor(S + A, true, cx)?, BUNDLE, by_hand,
            needs GOT, window 0, 16, 1, of slot;
        R_IA64_IPLTLSB         = 0x81: descriptor(S + A, false, cx)?, BUNDLE, by_hand,
            needs GOT, window 0, 16, 1, of slot;
        R_IA64_SUB             = 0x85: put(A - S, &IMM64, cx)?, BUNDLE, by_hand, window 0, 16, 16;
        R_IA64_LTOFF22X        = 0x86: put(G(A, cx)? - GOT, &IMM22, cx)?, BUNDLE, by_hand,
            needs TARGET_SLOT, window 0, 16, 16, of slot;
    }
    ignored: {
        R_IA64_NONE = 0,
        // Marks the load of what an LTOFF22X has made the address of.
        R_IA64_LDXMOV = 0x87,
    }
    refused: {
        DYNAMIC =>
            0x6c..=0x6f [R_IA64_REL32MSB, R_IA64_REL32LSB, R_IA64_REL64MSB, R_IA64_REL64LSB], 0x84 [R_IA64_COPY];
        TLS =>
            0x91..=0x93 [R_IA64_TPREL14, R_IA64_TPREL22, R_IA64_TPREL64I],
            0x96..=0x97 [R_IA64_TPREL64MSB, R_IA64_TPREL64LSB], 0x9a [R_IA64_LTOFF_TPREL22],
            0xa6..=0xa7 [R_IA64_DTPMOD64MSB, R_IA64_DTPMOD64LSB], 0xaa [R_IA64_LTOFF_DTPMOD22],
            0xb1..=0xb7 [R_IA64_DTPREL14, R_IA64_DTPREL22, R_IA64_DTPREL64I, R_IA64_DTPREL32MSB, R_IA64_DTPREL32LSB,
                R_IA64_DTPREL64MSB, R_IA64_DTPREL64LSB],
            0xba [R_IA64_LTOFF_DTPREL22];
    }
}
