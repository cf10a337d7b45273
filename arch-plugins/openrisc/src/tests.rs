//! What the architecture manual says, worked by hand; lines with (ld) were linked by GNU ld, too.

use super::*;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::{Module, kinds};
use relobox_plugin::{Architecture as _, Finding};
use types::*;

const BASE: u64 = 0xbc00_0000;
const TABLE: u64 = 0xbc01_0000;

/// Links one relocation of a word at [`BASE`].
fn link(insn: u32, kind: u32, s: u64, addend: i64) -> Result<u32, Vec<Finding>> {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(TABLE);
    let text = m.section(".text", BASE, &insn.to_be_bytes());
    let symbol = m.symbol("s", s);
    m.relocate(text, 0, kind, symbol, addend);
    Ok(u32::from_be_bytes(m.link()?.section(text).try_into().unwrap()))
}

#[test]
fn halves_fit_the_instructions_that_add_them() {
    for (insn, kind, expected) in [
        (0x1860_ffff, R_OR1K_HI_16_IN_INSN, 0x1860_c001), // l.movhi r3, hi(s)   (ld)
        (0xa863_ffff, R_OR1K_LO_16_IN_INSN, 0xa863_fedc), // l.ori r3, r3, lo(s)   (ld)
        (0x1860_0000, R_OR1K_AHI16, 0x1860_c002),         // l.movhi r3, ha(s)   (ld)
        (0xd404_1800, R_OR1K_SLO16, 0xd7e4_1edc),         // l.sw lo(s)(r4), r3   (ld)
        (0x0500_0000, R_OR1K_INSN_REL_26, 0x0500_7fb7),   // l.jal s   (ld)
        (0x0500_0000, R_OR1K_PLT26, 0x0500_7fb7),
        (0x0860_0000, R_OR1K_PCREL_PG21, 0x0860_200f), // l.adrp r3, s
        (0xa863_ffff, R_OR1K_LO13, 0xa863_1edc),
        (0xd7e4_1fff, R_OR1K_SLO13, 0xd464_1edc), // l.sw lo13(s)(r4), r3
    ] {
        let s = 0xc001_fedc;
        assert_eq!(link(insn, kind, s, 0).unwrap(), expected, "{kind}");
    }
    // A page's number does not depend on where in their pages target and place are.
    for (s, pages) in [(BASE + 0x1fff, 0), (BASE + 0x2000, 1), (BASE - 1, 0x1f_ffff)] {
        assert_eq!(link(0x0860_0000, R_OR1K_PCREL_PG21, s, 0).unwrap(), 0x0860_0000 | pages);
    }
}

#[test]
fn slots_hold_symbols_and_are_found_by_their_offsets() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(TABLE);
    let text = m.section(".text", BASE + 0x2000, &[0; 24]);
    let (first, second) = (m.symbol("first", 0xc000_1234), m.symbol("second", 0xc000_5678));
    m.relocate(text, 0, R_OR1K_GOT16, first, 0);
    m.relocate(text, 4, R_OR1K_GOT16, second, 0);
    m.relocate(text, 8, R_OR1K_GOT_PG21, second, 0);
    m.relocate(text, 12, R_OR1K_GOT_LO13, second, 0);
    m.relocate(text, 16, R_OR1K_GOTOFF_AHI16, first, 0);
    m.relocate(text, 20, R_OR1K_GOTOFF_SLO16, first, 0);
    let linked = m.link().unwrap();
    assert_eq!(linked.synthetic[0].contents, [0xc0, 0, 0x12, 0x34, 0xc0, 0, 0x56, 0x78]);
    let words: Vec<_> = linked.section(text).chunks(4).map(|w| u32::from_be_bytes(w.try_into().unwrap())).collect();
    // 0xc000_1234 - 0xbc01_0000 is 0x03ff_1234.
    assert_eq!(words, [0, 4, 7, 4, 0x03ff, 0x0040_0234]);
}

#[test]
fn a_low_half_of_an_offset_may_be_anything() {
    // The slot's offset is 0; the addend makes it leave 16 bits.
    let found = link(0, R_OR1K_GOT16, 0xc000_0000, 0x8000).unwrap_err()[0].fault;
    assert_eq!((found.kind, found.value, found.max), (fault::OUT_OF_RANGE, 0x8000, 0x7fff));
    let mut m = Module::<Arch>::new();
    m.synthetic_at(TABLE);
    let text = m.section(".text", BASE, &[0; 8]);
    let symbol = m.symbol("s", 0xc000_0000);
    m.relocate(text, 0, R_OR1K_GOT_AHI16, symbol, 0x8000);
    m.relocate(text, 4, R_OR1K_GOT16, symbol, 0x8000);
    assert_eq!(m.link().unwrap().section(text), [0, 0, 0, 1, 0, 0, 0x80, 0]);
}

#[test]
fn the_old_number_means_the_same() {
    let mut m = Module::<Arch>::for_machine(Arch::ABOUT.machines[1]);
    let text = m.section(".text", BASE, &[0x18, 0x60, 0, 0]);
    let symbol = m.symbol("s", 0xc001_fedc);
    m.relocate(text, 0, R_OR1K_HI_16_IN_INSN, symbol, 0);
    assert_eq!(m.link().unwrap().section(text), [0x18, 0x60, 0xc0, 0x01]);
}

#[test]
fn what_does_not_fit_is_refused() {
    for (kind, from, low, high, step) in [
        (R_OR1K_INSN_REL_26, BASE, -0x0800_0000i64, 0x07ff_fffc, 4),
        (R_OR1K_PLTA26, BASE, -0x0800_0000, 0x07ff_fffc, 4),
        (R_OR1K_16, 0, 0, 0xffff, 1),
        (R_OR1K_8, 0, 0, 0xff, 1),
        (R_OR1K_16_PCREL, BASE, -0x8000, 0x7fff, 1),
        (R_OR1K_8_PCREL, BASE, -0x80, 0x7f, 1),
    ] {
        for inside in [low, high] {
            link(0, kind, from.wrapping_add_signed(inside), 0).unwrap();
        }
        for outside in [low - step, high + step] {
            let found = link(0, kind, from.wrapping_add_signed(outside), 0).unwrap_err()[0].fault;
            assert_eq!((found.kind, found.value, found.min), (fault::OUT_OF_RANGE, outside, low), "{kind}");
        }
    }
    assert_eq!(kinds(&link(0, R_OR1K_INSN_REL_26, BASE + 2, 0).unwrap_err()), [fault::MISALIGNED]);
    for (kind, words) in [(R_OR1K_TLS_LE_SLO16, "thread-local"), (R_OR1K_RELATIVE, "dynamic")] {
        let found = link(0, kind, 0, 0).unwrap_err();
        assert!(found[0].fault.kind == fault::REJECTED && found[0].text.contains(words), "{}", found[0].text);
    }
    // Linux lets it be.
    assert_eq!(kinds(&link(0, 55, 0, 0).unwrap_err()), [fault::UNKNOWN_TYPE]);
}

#[test]
fn words_that_do_not_fit_their_section_are_outside() {
    relobox_plugin::testing::misplaced_words_are_outside(Module::<Arch>::new);
}

#[test]
fn hostile_records_are_faults() {
    relobox_plugin::testing::hostile_records_are_faults(Module::<Arch>::new);
}
