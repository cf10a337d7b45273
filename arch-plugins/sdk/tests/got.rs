//! The global offset table, where the module only names it.

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::testing::Module;
use relobox_plugin::{Field, architecture};

const WORD64: Field = Field::data(8);

architecture! {
    name: "toy", title: "For tests", psabi: "none",
    machines: [Machine {
        machine: 1, class: 64, order: order::LITTLE, flags_mask: 0, flags_value: 0, reserved: 0,
        base: 0x4000, kernel: 0, reach: 0,
    }],
    addends: explicit,
    state: (),
    letters: (cx, S, A, P; GOT = cx.got()?),
    rows: {
        R_TOY_64     = 1: S + A,       WORD64, unchecked;
        R_TOY_GOTOFF = 2: S + A - GOT, WORD64, unchecked, needs GOT;
    }
    ignored: {}
    refused: {}
}

/// A module with `names` symbols of the table's name, whose relocations refer to the symbol with the number `target`, or
/// to another one for 0.
fn module(names: u32, target: u32, relocations: u32) -> (Module<Arch>, u32) {
    let mut module = Module::<Arch>::new();
    let text = module.section(".text", 0x1000, &[0; 8]);
    let other = module.symbol("other", 7);
    for _ in 0..names {
        module.symbol("_GLOBAL_OFFSET_TABLE_", 0);
    }
    for _ in 0..relocations {
        module.relocate(text, 0, types::R_TOY_64, other + target, 0);
    }
    (module, text)
}

#[test]
fn a_table_that_a_relocation_refers_to_has_an_address() {
    for target in 1..=3 {
        let (module, text) = module(3, target, 1);
        let linked = module.link().unwrap();
        assert_eq!(linked.section(text), 0x4000u64.to_le_bytes());
        assert_eq!(linked.synthetic.len(), 1);
    }
}

#[test]
fn a_table_that_nothing_refers_to_is_not_made() {
    let (module, text) = module(3, 0, 1);
    let linked = module.link().unwrap();
    assert_eq!(linked.section(text), 7u64.to_le_bytes());
    assert!(linked.synthetic.is_empty());
}

#[test]
fn many_names_and_many_relocations_take_no_time() {
    // With a comparison for each pair, this would be 1e10 steps.
    let (module, _) = module(100_000, 0, 100_000);
    assert!(module.link().is_ok());
}
