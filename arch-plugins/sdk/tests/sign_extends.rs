//! Addresses of a 32-bit class on a processor of 64 bits.

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::testing::Module;
use relobox_plugin::{Field, architecture, slice};

const WORD64: Field = Field::data(8);
/// Bits 32 to 47.
const THIRD16: Field = Field::insn(4, order::DATA, &[slice(32, 0, 16)]);

const fn machine(class: u8) -> Machine {
    Machine {
        machine: 1,
        class,
        order: order::BIG,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0,
        kernel: 0,
        reach: 0,
    }
}

architecture! {
    name: "toy", title: "For tests", psabi: "none",
    machines: [machine(32), machine(64)],
    addends: explicit,
    sign_extends: true,
    state: (),
    letters: (cx, S, A, P),
    rows: {
        R_TOY_64       = 1: S + A,     WORD64,  whole;
        R_TOY_DISTANCE = 2: S + A - P, WORD64,  whole;
        R_TOY_THIRD    = 3: S + A,     THIRD16, whole;
    }
    ignored: {}
    refused: {}
}

/// What stands at 0x8000_0000 once it is linked.
fn linked(class: u8, kind: u32, symbol: u64, addend: i64) -> u64 {
    let mut module = Module::<Arch>::for_machine(machine(class));
    let text = module.section(".text", 0x8000_0000, &[0; 8]);
    let symbol = module.symbol("far", symbol);
    module.relocate(text, 0, kind, symbol, addend);
    u64::from_be_bytes(module.link().unwrap().section(text).try_into().unwrap())
}

#[test]
fn a_32_bit_address_is_sign_extended() {
    assert_eq!(linked(32, types::R_TOY_64, 0x8010_0000, 4), 0xffff_ffff_8010_0004);
    assert_eq!(linked(32, types::R_TOY_64, 0x7fff_fffc, 4), 0x8000_0000);
    assert_eq!(linked(32, types::R_TOY_THIRD, 0x8010_0000, 0), 0xffff << 32);
    assert_eq!(linked(32, types::R_TOY_DISTANCE, 0x7000_0000, 0), 0xf000_0000);
}

#[test]
fn a_64_bit_address_is_as_it_is() {
    assert_eq!(linked(64, types::R_TOY_64, 0x8010_0000, 4), 0x8010_0004);
    assert_eq!(linked(64, types::R_TOY_THIRD, 0x8010_0000, 0), 0);
    assert_eq!(linked(64, types::R_TOY_DISTANCE, 0x7000_0000, 0), 0xffff_ffff_f000_0000);
}
