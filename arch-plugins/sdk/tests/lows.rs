//! High halves whose addends, in place, are completed by low halves behind them.

use relobox_plugin::abi::{Machine, fault, order};
use relobox_plugin::testing::Module;
use relobox_plugin::{Field, architecture, slice};
use types::{R_TOY_HI, R_TOY_HI_PC, R_TOY_LO, R_TOY_LO_PC};

const LOW: Field = Field::insn(4, order::BIG, &[slice(0, 0, 16)]);
const HIGH: Field = Field::insn(4, order::BIG, &[slice(16, 0, 16)]);

architecture! {
    name: "toy", title: "For tests", psabi: "none",
    machines: [Machine {
        machine: 1, class: 32, order: order::BIG, flags_mask: 0, flags_value: 0, reserved: 0, base: 0, kernel: 0, reach: 0,
    }],
    addends: either,
    state: (),
    letters: (cx, S, A, P; AHL = cx.with_low(A, cx.relocation.kind + 1, &LOW)?),
    rows: {
        R_TOY_HI    = 1: S + AHL,     HIGH, unchecked, high 16, pair next R_TOY_LO;
        R_TOY_LO    = 2: S + A,       LOW,  unchecked, low R_TOY_HI;
        R_TOY_HI_PC = 3: S + AHL - P, HIGH, unchecked, high 16, pair next R_TOY_LO_PC;
        R_TOY_LO_PC = 4: S + A - P,   LOW,  unchecked, low R_TOY_HI_PC;
    }
    ignored: {}
    refused: {}
}

/// Words at 0, each with a relocation of a type against one of two symbols, 0 and 1.
fn linked(in_place: bool, words: &[(u32, u32, usize)]) -> Result<Vec<u32>, Vec<(u32, &'static str)>> {
    let mut module = Module::<Arch>::new();
    if in_place {
        module = module.in_place();
    }
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.0.to_be_bytes()).collect();
    let text = module.section(".text", 0, &bytes);
    let symbols = [module.symbol("a", 0x1000_8000), module.symbol("b", 0)];
    for (i, (_, kind, symbol)) in words.iter().enumerate() {
        module.relocate(text, 4 * i as u64, *kind, symbols[*symbol], 0);
    }
    let linked = module.link().map_err(|f| f.iter().map(|f| (f.fault.relocation, f.text)).collect::<Vec<_>>())?;
    Ok(linked.section(text).chunks_exact(4).map(|w| u32::from_be_bytes(w.try_into().unwrap())).collect())
}

#[test]
fn a_high_half_takes_its_carry_from_the_next_low_one() {
    // a + 0x1_8000, twice, then a - 1, with something of the other pair between.
    let words = [
        (2, R_TOY_HI, 0),
        (2, R_TOY_HI, 0),
        (0, R_TOY_LO_PC, 1),
        (0x8000, R_TOY_LO, 0),
        (0, R_TOY_HI, 0),
        (0xffff, R_TOY_LO, 0),
    ];
    assert_eq!(linked(true, &words).unwrap(), [0x1002, 0x1002, 0xfff8, 0, 0x1000, 0x7fff]);
    // Explicit addends are whole.
    assert_eq!(linked(false, &words[..1]).unwrap(), [0x1001]);
}

#[test]
fn halves_without_a_pair_are_named() {
    let words = [(0, R_TOY_HI, 1), (0, R_TOY_LO, 0), (0, R_TOY_HI, 0), (0, R_TOY_HI_PC, 0), (0, R_TOY_LO_PC, 0)];
    let (other, none) = ("the low half that follows it is of another symbol", "no low half follows it");
    assert_eq!(linked(true, &words).unwrap_err(), [(0, other), (2, none)]);
    assert_eq!(fault::UNPAIRED, relobox_plugin::Trouble::unpaired("").kind);
}
