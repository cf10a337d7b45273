//! What a row does with a formula that fails.

use relobox_plugin::abi::{Machine, fault, order};
use relobox_plugin::testing::Module;
use relobox_plugin::{Field, Trouble, Value, architecture};

const WORD32: Field = Field::data(4);
const WORD24: Field = Field::data(3);

/// Refuses odd values, and does not ask where it stands.
fn even(value: Value) -> Result<Value, Trouble> {
    if value.0 & 1 == 0 { Ok(value) } else { Err(Trouble::new(fault::OTHER, "is odd")) }
}

architecture! {
    name: "toy", title: "For tests", psabi: "none",
    machines: [Machine {
        machine: 1, class: 32, order: order::LITTLE, flags_mask: 0, flags_value: 0, reserved: 0,
        base: 0, kernel: 0, reach: 0,
    }],
    addends: explicit,
    state: (),
    letters: (cx, S, A, P),
    rows: {
        R_TOY_32   = 1: S + A,       WORD32, either 32;
        R_TOY_EVEN = 2: even(S + A)?, WORD32, unsigned 8, else even(S + A + 1)?;
        R_TOY_24   = 3: S + A,       WORD24, either 24;
    }
    ignored: {}
    refused: {}
}

/// The place and the relocation that a finding is about.
fn blamed(kind: u32, addend: i64) -> (u32, u64, u32) {
    let mut module = Module::<Arch>::new();
    let text = module.section(".text", 0x1000, &[0; 16]);
    let (first, second) = (module.symbol("first", 2), module.symbol("second", 0));
    module.relocate(text, 0, types::R_TOY_32, first, 0);
    module.relocate(text, 8, kind, second, addend);
    let findings = module.link().unwrap_err();
    assert_eq!(findings.len(), 1);
    let fault = findings[0].fault;
    (fault.relocation, fault.offset, fault.symbol)
}

#[test]
fn a_failing_formula_blames_its_own_relocation() {
    assert_eq!(blamed(types::R_TOY_EVEN, 3), (1, 8, 2));
}

#[test]
fn so_does_the_formula_behind_else() {
    assert_eq!(blamed(types::R_TOY_EVEN, 0x100), (1, 8, 2));
}

#[test]
fn a_word_of_three_bytes_has_24_bits() {
    let mut module = Module::<Arch>::new();
    let text = module.section(".text", 0x1000, &[0xff; 4]);
    let symbol = module.symbol("far", 0x12_3456);
    module.relocate(text, 0, types::R_TOY_24, symbol, 0);
    assert_eq!(module.link().unwrap().section(text), [0x56, 0x34, 0x12, 0xff]);
    assert_eq!(blamed(types::R_TOY_24, 1 << 24), (1, 8, 2));
}
