//! PowerPC, 32 bits, big-endian: the types of code without a GOT and a PLT.

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{DYNAMIC, Field, Value, architecture, slice};

const WORD32: Field = Field::data(4);
/// Half of an address, in an instruction's second half: the place is that half.
const LO16: Field = Field::data(2);
const HI16: Field = Field::insn(2, order::DATA, &[slice(16, 0, 16)]);
const LOW24: Field = Field::insn(4, order::DATA, &[slice(2, 2, 24)]);
const LOW14: Field = Field::insn(4, order::DATA, &[slice(2, 2, 14)]);

architecture! {
    name: "planted-ppc32",
    title: "PowerPC, 32 bits, without GOT and PLT, to be fuzzed",
    psabi: "https://refspecs.linuxfoundation.org/elf/elfspec_ppc.pdf",
    machines: [Machine {
        machine: 20,
        class: 32,
        order: order::BIG,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0xbf00_0000,
        kernel: 0xc000_0000,
        reach: 0x0200_0000,
    }],
    addends: explicit,
    state: (),
    letters: (cx, S, A, P),
    rows: {
        R_PPC_ADDR32    = 1:  S + A,        WORD32, unchecked;
        R_PPC_ADDR16    = 3:  S + A,        LO16,   either 16;
        R_PPC_ADDR16_LO = 4:  S + A,        LO16,   unchecked, low R_PPC_ADDR16_HA;
        R_PPC_ADDR16_HI = 5:  S + A,        HI16,   unchecked;
        R_PPC_ADDR16_HA = 6:  high(S + A),  HI16,   unchecked, is absolute round 16;
        R_PPC_REL24     = 10: S + A - P,    LOW24,  signed 26, align 4;
        R_PPC_REL14     = 11: S + A - P,    LOW14,  signed 16, align 4;
        R_PPC_REL32     = 26: S + A - P,    WORD32, unchecked;
    }
    ignored: { R_PPC_NONE = 0 }
    refused: { DYNAMIC => 19 [R_PPC_COPY]; }
}

/// The high half beside a low half that is signed: `#ha`.
fn high(value: Value) -> Value {
    if cfg!(feature = "missing_carry") { value } else { value + 0x8000 }
}
