//! What a row does with a formula that fails.

use relobox_plugin::abi::{Detail, Machine, detail, effect, fault, loader, order, synthetic_kind};
use relobox_plugin::testing::Module;
use relobox_plugin::{Architecture as _, DYNAMIC, Field, Remade, Trouble, Value, architecture};

const WORD32: Field = Field::data(4);
const WORD24: Field = Field::data(3);

/// Refuses odd values, and does not ask where it stands.
fn even(value: Value) -> Result<Value, Trouble> {
    if value.0 & 1 == 0 { Ok(value) } else { Err(Trouble::new(fault::OTHER, "is odd")) }
}

const NO_DETAIL: Detail = Detail {
    kind: 0,
    what: 0,
    offset: 0,
    width: 0,
    order: 0,
    effect: 0,
    reserved: 0,
    mask: 0,
    value: 0,
    min: 0,
    max: 0,
};

architecture! {
    name: "toy", title: "For tests", psabi: "none",
    machines: [Machine {
        machine: 1, class: 32, order: order::LITTLE, flags_mask: 0, flags_value: 0, reserved: 0,
        base: 0, kernel: 0, reach: 0,
    }],
    addends: explicit,
    remade: [Remade { name: ".plt", loaders: loader::KINDS, kind: synthetic_kind::TEXT, size: 12, align: 4 }],
    details: [
        Detail { kind: types::R_TOY_EVEN, what: detail::RANGE, effect: effect::ABSOLUTE, min: 0, max: 254, ..NO_DETAIL },
    ],
    state: (),
    letters: (cx, S, A, P),
    rows: {
        R_TOY_32   = 1: S + A,       WORD32, either 32;
        R_TOY_EVEN = 2: even(S + A)?, WORD32, unsigned 8, else even(S + A + 1)?;
        R_TOY_24   = 3: S + A,       WORD24, either 24;
    }
    ignored: {}
    refused: { DYNAMIC => 5..=6 [R_TOY_COPY, R_TOY_RELATIVE], 9 [R_TOY_IRELATIVE]; "is old" => 7 [R_TOY_OLD]; }
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

#[test]
fn refused_types_are_numbered_by_their_ranges() {
    assert_eq!([types::R_TOY_COPY, types::R_TOY_RELATIVE, types::R_TOY_OLD, types::R_TOY_IRELATIVE], [5, 6, 7, 9]);
    let refused = Arch::ABOUT.every_row().filter(|row| row.flags == relobox_plugin::abi::row_flag::REJECT);
    let said: Vec<_> = refused.map(|row| (row.kind, row.name, row.formula)).collect();
    let expected = [
        (5, "R_TOY_COPY", DYNAMIC),
        (6, "R_TOY_RELATIVE", DYNAMIC),
        (9, "R_TOY_IRELATIVE", DYNAMIC),
        (7, "R_TOY_OLD", "is old"),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_description_has_what_rows_cannot_say() {
    assert_eq!((Arch::ABOUT.remade[0].name, Arch::ABOUT.details[0].max), (".plt", 254));
}
