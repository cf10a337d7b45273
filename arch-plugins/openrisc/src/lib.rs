//! OpenRISC 1000, 32 bits, big-endian.
//!
//! psABI: OpenRISC 1000 Architecture Manual 1.4, chapter "Application Binary Interface",
//! <https://openrisc.io/or1k.html>. Its letters are few; ours are those that all psABIs share: GOT is the address of
//! the global offset table, and G the offset in it of the symbol's slot.
//!
//! What to know of it:
//!
//! * An instruction is a word, big-endian as data is. An immediate has 16 bits, the low half of the word.
//! * **Stores** have theirs in two pieces, since their low bits hold the register that is stored: `SLO` instead of
//!   `LO`.
//! * `l.movhi` sets a high half. `l.ori` completes it with a low half without a sign: HI and LO. Loads, stores and
//!   `l.addi` add one with a sign, so that the high half is rounded: `AHI` (which assemblers write `ha`), and LO or
//!   SLO again.
//! * `l.adrp` of newer processors makes the address of a page, of 8 KiB: 21 bits of the distance between the pages of
//!   target and place. Its low part has 13 bits without a sign.
//! * Branches reach 128 MiB with 26 bits, counted in words from the branch, however many delay slots there are. The
//!   kernel and its modules lie closer together than that, and there are no stubs.
//! * `PLT` types are calls of position-independent code, and reach a kernel as well: L is S. `GOTPC` types are those
//!   of the code that finds the table, relative to each of its two instructions, whose addends make up for that.
//! * `GOT16` is a slot's offset, with a sign. With a `GOT_AHI16` somewhere in the module, it is only the low half
//!   of one, and may be anything.
//! * GNU ld refuses an addend of a slot or a `PLT` type; assemblers write none. Ours is added to the offset.
//!
//! Linux takes the machine's old number as well, whose types have other names and the same meaning: `CONST` is a LO,
//! `CONSTH` a HI, `JUMPTARG` a call. It links four of these types, newer kernels seven, and lets a type that it does
//! not know be, with no more than a line in its log. We link it, or refuse. Nor does it look whether a call reaches.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Plan, Site, TLS, Value, architecture, needs, slice};

#[cfg(test)]
mod tests;

const WORD32: Field = Field::data(4);
const HALF16: Field = Field::data(2);
const BYTE8: Field = Field::data(1);
const LOW16: Field = Field::insn(4, order::DATA, &[slice(0, 0, 16)]);
const HIGH16: Field = Field::insn(4, order::DATA, &[slice(16, 0, 16)]);
/// Of stores.
const SPLIT16: Field = Field::insn(4, order::DATA, &[slice(0, 0, 11), slice(11, 21, 5)]);
/// Distances in words.
const BRANCH26: Field = Field::insn(4, order::DATA, &[slice(2, 0, 26)]);
/// Distances in pages.
const PAGES21: Field = Field::insn(4, order::DATA, &[slice(13, 0, 21)]);

const fn machine(machine: u16) -> Machine {
    Machine {
        machine,
        class: 32,
        order: order::BIG,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // The 64 MiB before the kernel.
        base: 0xbc00_0000,
        kernel: 0xc000_0000,
        reach: 0x0800_0000,
    }
}

architecture! {
    name: "openrisc",
    title: "OpenRISC 1000, RELA",
    psabi: "https://openrisc.io/or1k.html",
    // The second is from before there was an official number.
    machines: [machine(92), machine(0x8472)],
    addends: explicit,
    decoding: "decoding.txt",
    state: Slots,
    letters: (cx, S, A, P; GOT = cx.got()?, G = cx.slot()?),
    rows: {
        R_OR1K_32            = 1:   S + A,                                   WORD32,   unchecked;
        R_OR1K_16            = 2:   S + A,                                   HALF16,   unsigned 16;
        R_OR1K_8             = 3:   S + A,                                   BYTE8,    unsigned 8;
        R_OR1K_LO_16_IN_INSN = 4:   S + A,                                   LOW16,    unchecked,
                                    low R_OR1K_HI_16_IN_INSN;
        R_OR1K_HI_16_IN_INSN = 5:   S + A,                                   HIGH16,   unchecked;
        R_OR1K_INSN_REL_26   = 6:   S + A - P,                               BRANCH26, signed 28, align 4;
        R_OR1K_32_PCREL      = 9:   S + A - P,                               WORD32,   unchecked;
        R_OR1K_16_PCREL      = 10:  S + A - P,                               HALF16,   signed 16;
        R_OR1K_8_PCREL       = 11:  S + A - P,                               BYTE8,    signed 8;
        R_OR1K_GOTPC_HI16    = 12:  S + A - P,                               HIGH16,   unchecked;
        R_OR1K_GOTPC_LO16    = 13:  S + A - P,                               LOW16,    unchecked;
        R_OR1K_GOT16         = 14:  carried(G + A, cx),                      LOW16,    signed 16, needs SLOT, of slot;
        R_OR1K_PLT26         = 15:  S + A - P,                               BRANCH26, signed 28, align 4;
        R_OR1K_GOTOFF_HI16   = 16:  S + A - GOT,                             HIGH16,   unchecked, needs GOT;
        R_OR1K_GOTOFF_LO16   = 17:  S + A - GOT,                             LOW16,    unchecked, needs GOT,
                                    low R_OR1K_GOTOFF_HI16;
        R_OR1K_AHI16         = 35:  S + A,                                   HIGH16,   unchecked, high 16;
        R_OR1K_GOTOFF_AHI16  = 36:  S + A - GOT,                             HIGH16,   unchecked, needs GOT, high 16;
        R_OR1K_SLO16         = 39:  S + A,                                   SPLIT16,  unchecked, low R_OR1K_AHI16;
        R_OR1K_GOTOFF_SLO16  = 40:  S + A - GOT,                             SPLIT16,  unchecked, needs GOT,
                                    low R_OR1K_GOTOFF_AHI16;
        R_OR1K_PCREL_PG21    = 42:  ((S + A) & -0x2000) - (P & -0x2000),     PAGES21,  unchecked;
        R_OR1K_GOT_PG21      = 43:  ((GOT + G + A) & -0x2000) - (P & -0x2000), PAGES21,  unchecked, needs SLOT;
        R_OR1K_LO13          = 47:  (S + A) & 0x1fff,                        LOW16,    unchecked;
        R_OR1K_GOT_LO13      = 48:  (GOT + G + A) & 0x1fff,                  LOW16,    unchecked, needs SLOT;
        R_OR1K_SLO13         = 52:  (S + A) & 0x1fff,                        SPLIT16,  unchecked;
        R_OR1K_PLTA26        = 53:  S + A - P,                               BRANCH26, signed 28, align 4;
        R_OR1K_GOT_AHI16     = 54:  G + A,                                   HIGH16,   unchecked, needs SLOT | LARGE,
                                    high 16;
    }
    ignored: {
        R_OR1K_NONE = 0,
        // What a C++ linker throws away unused virtual functions by.
        R_OR1K_GNU_VTENTRY = 7,
        R_OR1K_GNU_VTINHERIT = 8,
    }
    refused: {
        DYNAMIC => 18..=21 [R_OR1K_COPY, R_OR1K_GLOB_DAT, R_OR1K_JMP_SLOT, R_OR1K_RELATIVE];
        TLS =>
            22..=34 [R_OR1K_TLS_GD_HI16, R_OR1K_TLS_GD_LO16, R_OR1K_TLS_LDM_HI16, R_OR1K_TLS_LDM_LO16,
                R_OR1K_TLS_LDO_HI16, R_OR1K_TLS_LDO_LO16, R_OR1K_TLS_IE_HI16, R_OR1K_TLS_IE_LO16, R_OR1K_TLS_LE_HI16,
                R_OR1K_TLS_LE_LO16, R_OR1K_TLS_TPOFF, R_OR1K_TLS_DTPOFF, R_OR1K_TLS_DTPMOD],
            37..=38 [R_OR1K_TLS_IE_AHI16, R_OR1K_TLS_LE_AHI16], 41 [R_OR1K_TLS_LE_SLO16],
            44..=46 [R_OR1K_TLS_GD_PG21, R_OR1K_TLS_LDM_PG21, R_OR1K_TLS_IE_PG21],
            49..=51 [R_OR1K_TLS_GD_LO13, R_OR1K_TLS_LDM_LO13, R_OR1K_TLS_IE_LO13];
    }
}

/// The column `needs`: offsets of slots are in two halves.
const LARGE: u16 = needs::OWN;

/// Whether they are.
#[derive(Default)]
pub struct Slots {
    large: bool,
}

impl Hooks for Slots {
    fn need(&mut self, _: u16, _: &Site<'_>, _: &mut Plan) {
        self.large = true;
    }
}

/// The offset of a slot; its low half, if what that leaves is in a high one.
fn carried(offset: Value, cx: &Cx<'_, Slots>) -> Value {
    if cx.state.large { offset.sign_extend(16) } else { offset }
}
