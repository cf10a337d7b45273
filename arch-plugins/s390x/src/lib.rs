//! s390x.
//!
//! psABI: ELF Application Binary Interface, s390x Supplement, <https://github.com/IBM/s390x-abi>, chapter "Relocation",
//! whose letters the formulas have: G is the address of the global offset table, O the offset in it of the symbol's
//! slot, L the address of the symbol's entry in the procedure linkage table.
//!
//! What to know of it:
//!
//! * Everything is big-endian: data, and instructions of 2, 4 or 6 bytes. Instructions lie on even
//!   addresses, never more: places in code are even, places in data are anything.
//! * Instructions count distances in halfwords, from the *start* of the instruction. The displacement
//!   is half of the value (`DBL`), and an odd value has none: it is a fault, never rounded. The compiler
//!   puts the distance from the instruction to the place (2, in `bprp` also 1 and 3) into the addend.
//! * A memory operand is base register and displacement. Short ones are 12 bits without a sign, in
//!   the halfword whose top four bits name the register. Long ones are 20 bits with a sign, and lie
//!   in the word that begins with the register as `DL`, the low 12 bits, then `DH`, the high 8 bits;
//!   the word's last byte is the opcode's second half.
//! * `bprp` has a 12-bit distance beside a 4-bit mask, at an odd address, and one of 24 bits in three
//!   bytes. They end the instruction: there may be no fourth byte to read.
//! * `brasl` and `larl` reach 4 GiB either way. Before Linux 6.10 the kernel lies at 1 MiB and modules
//!   just below 4 TiB, so that nothing but a 64-bit word leads from one to the other: calls (`PLT32DBL`)
//!   go through a PLT entry if the target is out of reach, data is read through the GOT (`GOTENT`).
//!   `PC32DBL` has no such way out.
//! * GOT and PLT entries belong to a symbol, whatever the addend: `A` is added to the entry's address.
//! * `%r1` is free for linkage code at a call. A branch to it can be mispredicted; kernels that mind
//!   (`expoline`) execute it out of line: `exrl` of a `br`, and a loop behind it that stops speculation.
//! * Where psABI and practice differ: `PLT32` is `L + A` in the psABI's table and relative to the place
//!   in its sister `PLT64`, in GNU ld, lld and Linux: we do as they do. `GOTPC` is 64 bits wide in the
//!   psABI, GNU as, ld and lld, and 32 in Linux: we do as the psABI does.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, fault, order};
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Job, Plan, TLS, Trouble, Value, architecture, code, slice};

#[cfg(test)]
mod tests;

const BYTE8: Field = Field::data(1);
const HALF16: Field = Field::data(2);
const WORD32: Field = Field::data(4);
const QUAD64: Field = Field::data(8);
const LOW12: Field = Field::insn(2, order::BIG, &[slice(0, 0, 12)]);
const MID20: Field = Field::insn(4, order::BIG, &[slice(0, 16, 12), slice(12, 8, 8)]);
const PC12: Field = Field::insn(2, order::BIG, &[slice(1, 0, 12)]);
const PC16: Field = Field::insn(2, order::BIG, &[slice(1, 0, 16)]);
const PC24: Field = Field::insn(3, order::BIG, &[slice(1, 0, 24)]);
const PC32: Field = Field::insn(4, order::BIG, &[slice(1, 0, 32)]);

architecture! {
    name: "s390x",
    title: "s390x (z/Architecture, 64-bit), big-endian, RELA",
    psabi: "https://github.com/IBM/s390x-abi",
    machines: [Machine {
        machine: 22,
        class: 64,
        order: order::BIG,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // The last 2 GiB below 4 TiB are the modules'; the kernel of 6.10 and later is linked into them.
        base: 0x3ff_8000_0000,
        kernel: 0x3ff_e000_0000,
        reach: 0x1_0000_0000,
    }],
    addends: explicit,
    inputs: ["expoline" = 0],
    decoding: "decoding.txt",
    state: Linkage,
    letters: (cx, S, A, P; G = cx.got()?, O = cx.slot()?, T = cx.slot()?, L = plt(cx, S)?.ok_or(NO_ENTRY)?),
    rows: {
        R_390_8         = 1:  S + A,         BYTE8,  unsigned 8;
        R_390_12        = 2:  S + A,         LOW12,  unsigned 12;
        R_390_16        = 3:  S + A,         HALF16, either 16;
        R_390_32        = 4:  S + A,         WORD32, either 32;
        R_390_PC32      = 5:  S + A - P,     WORD32, signed 32;
        R_390_GOT12     = 6:  O + A,         LOW12,  unsigned 12, needs SLOT;
        R_390_GOT32     = 7:  O + A,         WORD32, either 32, needs SLOT;
        R_390_PLT32     = 8:  L + A - P,     WORD32, signed 32, needs STUB;
        R_390_GOTOFF32  = 13: S + A - G,     WORD32, either 32, needs GOT;
        R_390_GOTPC     = 14: G + A - P,     QUAD64, unchecked, needs GOT;
        R_390_GOT16     = 15: O + A,         HALF16, either 16, needs SLOT;
        R_390_PC16      = 16: S + A - P,     HALF16, signed 16;
        R_390_PC16DBL   = 17: S + A - P,     PC16,   signed 17, align 2;
        R_390_PLT16DBL  = 18: S + A - P,     PC16,   signed 17, align 2, else far(cx, S)? + A - P, needs STUB;
        R_390_PC32DBL   = 19: S + A - P,     PC32,   signed 33, align 2;
        R_390_PLT32DBL  = 20: S + A - P,     PC32,   signed 33, align 2, else far(cx, S)? + A - P, needs STUB | OUTSIDE;
        R_390_GOTPCDBL  = 21: G + A - P,     PC32,   signed 33, align 2, needs GOT;
        R_390_64        = 22: S + A,         QUAD64, unchecked;
        R_390_PC64      = 23: S + A - P,     QUAD64, unchecked;
        R_390_GOT64     = 24: O + A,         QUAD64, unchecked, needs SLOT;
        R_390_PLT64     = 25: L + A - P,     QUAD64, unchecked, needs STUB;
        R_390_GOTENT    = 26: G + O + A - P, PC32,   signed 33, align 2, needs SLOT;
        R_390_GOTOFF16  = 27: S + A - G,     HALF16, either 16, needs GOT;
        R_390_GOTOFF64  = 28: S + A - G,     QUAD64, unchecked, needs GOT;
        R_390_GOTPLT12  = 29: T + A,         LOW12,  unsigned 12, needs SLOT;
        R_390_GOTPLT16  = 30: T + A,         HALF16, either 16, needs SLOT;
        R_390_GOTPLT32  = 31: T + A,         WORD32, either 32, needs SLOT;
        R_390_GOTPLT64  = 32: T + A,         QUAD64, unchecked, needs SLOT;
        R_390_GOTPLTENT = 33: G + T + A - P, PC32,   signed 33, align 2, needs SLOT;
        R_390_PLTOFF16  = 34: L - G + A,     HALF16, either 16, needs GOT | STUB;
        R_390_PLTOFF32  = 35: L - G + A,     WORD32, either 32, needs GOT | STUB;
        R_390_PLTOFF64  = 36: L - G + A,     QUAD64, unchecked, needs GOT | STUB;
        R_390_20        = 57: S + A,         MID20,  signed 20;
        R_390_GOT20     = 58: O + A,         MID20,  signed 20, needs SLOT;
        R_390_GOTPLT20  = 59: T + A,         MID20,  signed 20, needs SLOT;
        R_390_PC12DBL   = 62: S + A - P,     PC12,   signed 13, align 2;
        R_390_PLT12DBL  = 63: S + A - P,     PC12,   signed 13, align 2, else far(cx, S)? + A - P, needs STUB;
        R_390_PC24DBL   = 64: S + A - P,     PC24,   signed 25, align 2;
        R_390_PLT24DBL  = 65: S + A - P,     PC24,   signed 25, align 2, else far(cx, S)? + A - P, needs STUB;
    }
    ignored: { R_390_NONE = 0 }
    refused: {
        DYNAMIC => 9..=12 [R_390_COPY, R_390_GLOB_DAT, R_390_JMP_SLOT, R_390_RELATIVE], 61 [R_390_IRELATIVE];
        TLS =>
            37..=39 [R_390_TLS_LOAD, R_390_TLS_GDCALL, R_390_TLS_LDCALL], 41..=42 [R_390_TLS_GD64, R_390_TLS_GOTIE12],
            44 [R_390_TLS_GOTIE64], 46 [R_390_TLS_LDM64], 48..=49 [R_390_TLS_IE64, R_390_TLS_IEENT], 51 [R_390_TLS_LE64],
            53..=56 [R_390_TLS_LDO64, R_390_TLS_DTPMOD, R_390_TLS_DTPOFF, R_390_TLS_TPOFF], 60 [R_390_TLS_GOTIE20];
        "is thread-local storage of 31-bit code" =>
            40 [R_390_TLS_GD32], 43 [R_390_TLS_GOTIE32], 45 [R_390_TLS_LDM32], 47 [R_390_TLS_IE32], 50 [R_390_TLS_LE32],
            52 [R_390_TLS_LDO32];
    }
}

/// How PLT entries go on to their targets.
#[derive(Default)]
pub struct Linkage {
    expoline: bool,
}

/// Bytes of a PLT entry: its code, and eight bytes of target.
const PLT: usize = 8 + 8;
/// The same where a branch to a register must not be predicted.
const PLT_EXPOLINE: usize = 24 + 8;

impl Hooks for Linkage {
    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        self.expoline = job.input("expoline").is_some_and(|on| on != 0);
        plan.stubs(".relobox.plt", if self.expoline { PLT_EXPOLINE } else { PLT }, 8, 0);
    }
}

const NO_ENTRY: Trouble = Trouble::unpaired("no PLT entry was planned for it");

/// `L`: the address of the symbol's PLT entry, which is filled in.
fn plt(cx: &mut Cx<'_, Linkage>, symbol: Value) -> Result<Option<Value>, Trouble> {
    let expoline = cx.state.expoline;
    let Some(entry) = cx.stub() else { return Ok(None) };
    if entry.bytes[0] != 0 {
        return Ok(Some(entry.address));
    }
    if symbol.0 & 1 != 0 {
        // The distance to the entry is even whatever the target is.
        let odd = Trouble::new(fault::MISALIGNED, "is not where an instruction can be");
        return Err(Trouble { value: symbol.0, min: 2, ..odd });
    }
    if expoline {
        // gcc's thunk, inline.
        code! { entry.bytes, true;
            HALF16(0xc418) PC32(0, Value(24)) // lgrl %r1, .+24
            HALF16(0xc600) PC32(0, Value(10)) // exrl %r0, .+10
            HALF16(0xa7f4) PC16(0, Value(0))  // j .
            HALF16(0x07f1)                    // br %r1
            HALF16(0) WORD32(0)
            QUAD64(0, symbol)
        }
    } else {
        code! { entry.bytes, true;
            HALF16(0xc418) PC32(0, Value(8))  // lgrl %r1, .+8
            HALF16(0x07f1)                    // br %r1
            QUAD64(0, symbol)
        }
    }
    Ok(Some(entry.address))
}

/// `L` where a branch does not reach `S`. A symbol of the module itself may have no entry (somebody has
/// torn the module's sections apart); then it stays `S`, and the fault says how far away it is.
fn far(cx: &mut Cx<'_, Linkage>, symbol: Value) -> Result<Value, Trouble> {
    Ok(plt(cx, symbol)?.unwrap_or(symbol))
}
