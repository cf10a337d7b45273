//! What GNU ld and Linux's loader do, worked by hand; lines with (ld) were linked by GNU ld, too.

use super::*;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::{Module, kinds, wrong_places_and_symbols_are_told_apart};
use relobox_plugin::{Architecture as _, Finding};
use types::*;

const BASE: u64 = 0xc000_0000;
const TABLE: u64 = 0xc000_4000;

/// Links one relocation at `offset` of a section at [`BASE`], with the symbol at `s`.
fn link(big: bool, before: &[u8], offset: u64, kind: u32, s: u64, addend: i64) -> Result<Vec<u8>, Vec<Finding>> {
    let mut m = module(big);
    let text = m.section(".text", BASE, before);
    let symbol = m.symbol("s", s);
    m.relocate(text, offset, kind, symbol, addend);
    Ok(m.link()?.section(text).to_vec())
}

fn module(big: bool) -> Module<Arch> {
    let mut m = Module::<Arch>::for_machine(Arch::ABOUT.machines[usize::from(big)]);
    m.synthetic_at(TABLE);
    m
}

#[test]
fn both_addends_count() {
    // .long s + 5, which is in place   (ld)
    let out = link(false, &[0, 5, 0, 0, 0], 1, R_SH_DIR32, 0x8c00_1000, 0).unwrap();
    assert_eq!(out[1..], 0x8c00_1005u32.to_le_bytes());
    // The same in a relocation that somebody else wrote, and both.
    for (place, addend) in [(0, 5), (2, 3), (9, -4)] {
        let out = link(true, &[0, 0, 0, place], 0, R_SH_DIR32, 0x8c00_1000, addend).unwrap();
        assert_eq!(out, 0x8c00_1005u32.to_be_bytes());
    }
    // .long s - . + 7   (ld)
    let out = link(true, &[0, 0, 0, 0, 0, 7], 2, R_SH_REL32, BASE + 0x100, 0).unwrap();
    assert_eq!(out[2..], 0x105u32.to_be_bytes());
    // Sums wrap.
    let out = link(true, &[0xff; 4], 0, R_SH_DIR32, 0, 0x7fff_ffff).unwrap();
    assert_eq!(out, 0x7fff_fffeu32.to_be_bytes());
}

#[test]
fn branches_count_from_two_instructions_on() {
    // bsr s   (ld)
    for (big, before, after) in [(false, [0x00, 0xb0], [0xfe, 0xb7]), (true, [0xb0, 0x00], [0xb7, 0xfe])] {
        let out = link(big, &before, 0, R_SH_IND12W, BASE + 0x1000, -4).unwrap();
        assert_eq!(out, after);
    }
    // bt/s s, bf s: the assembler has no addend, and 0 in place.   (ld)
    let out = link(true, &[0x8d, 0x00], 0, R_SH_DIR8WPN, BASE - 0xfc, 0).unwrap();
    assert_eq!(out, [0x8d, 0x80]);
    let findings = link(true, &[0x8d, 0x00], 0, R_SH_DIR8WPN, BASE - 0xfe, 0).unwrap_err();
    let f = &findings[0].fault;
    assert_eq!((f.kind, f.value, f.min, f.max), (fault::OUT_OF_RANGE, -0x102, -0x100, 0xff));
    let findings = link(true, &[0xa0, 0x00], 0, R_SH_IND12W, BASE + 0x101, -4).unwrap_err();
    assert_eq!(kinds(&findings), [fault::MISALIGNED]);
}

#[test]
fn loads_count_from_pc_rounded_down() {
    // mov.w s, r0   (ld)
    let out = link(true, &[0x90, 0x00], 0, R_SH_DIR8WPZ, BASE + 0x12, 0).unwrap();
    assert_eq!(out, [0x90, 0x07]);
    // mov.l s, r1, at a multiple of 4 and 2 behind it
    for at in [0, 2] {
        let out = link(false, &[0, 0xd1, 0, 0xd1], at, R_SH_DIR8WPL, BASE + 0x14, 0).unwrap();
        assert_eq!(out[at as usize..][..2], [0x04, 0xd1]);
    }
    // Never backwards.
    let findings = link(false, &[0, 0xd1], 0, R_SH_DIR8WPL, BASE - 4, 0).unwrap_err();
    assert_eq!(kinds(&findings), [fault::OUT_OF_RANGE]);
}

#[test]
fn the_start_of_the_section_says_that_the_distance_is_there() {
    for (kind, insn) in [(R_SH_DIR8WPN, 0x8d), (R_SH_DIR8WPZ, 0x90), (R_SH_DIR8WPL, 0xd1)] {
        let mut m = module(true);
        let text = m.section(".text", BASE, &[0, 9, 0, 9, insn, 0x12]);
        let start = m.label(text, 0);
        m.relocate(text, 4, kind, start, 0);
        assert_eq!(m.link().unwrap().section(text)[4..], [insn, 0x12]);
    }
}

#[test]
fn position_independent_code() {
    for big in [false, true] {
        let mut m = module(big);
        // Words behind a `mova` of the first, which is the table's distance; two `movi20`, whose halves are in order.
        let mut before = vec![0; 24];
        before[16..].copy_from_slice(&if big { [3, 0, 0, 0, 3, 0, 0, 0] } else { [0, 3, 0, 0, 0, 3, 0, 0] });
        let text = m.section(".text", BASE, &before);
        let (a, b) = (m.symbol("a", 0x8c00_1000), m.symbol("b", 0x8c00_2000));
        let table = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
        m.relocate(text, 0, R_SH_GOTPC, table, 0);
        m.relocate(text, 4, R_SH_GOT32, a, 0);
        m.relocate(text, 8, R_SH_GOTPLT32, b, 0);
        m.relocate(text, 12, R_SH_GOTOFF, b, 0);
        m.relocate(text, 16, R_SH_GOT20, b, 0);
        let near = m.symbol("near", TABLE - 2);
        m.relocate(text, 20, R_SH_GOTOFF20, near, 0);
        let out = m.link().unwrap();
        let bytes = out.section(text);
        let word = |bytes: &[u8]| {
            let bytes = bytes[..4].try_into().unwrap();
            if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        assert_eq!(word(bytes), (TABLE - BASE) as u32);
        let slots = &out.synthetic[0].contents;
        assert_eq!(word(&slots[word(&bytes[4..]) as usize..]), 0x8c00_1000);
        assert_eq!(word(&slots[word(&bytes[8..]) as usize..]), 0x8c00_2000);
        assert_eq!(word(&bytes[12..]), 0x8c00_2000u32.wrapping_sub(TABLE as u32));
        let slot = word(&bytes[8..]) as u8;
        let halves = [[0x03, 0x00, 0x00, slot], [0x03, 0xf0, 0xff, 0xfe]];
        let halves = if big { halves } else { halves.map(|[a, b, c, d]| [b, a, d, c]) };
        assert_eq!(bytes[16..], halves.concat());
    }
}

#[test]
fn immediates_of_shmedia() {
    // movi and shori of s, as arch/sh/kernel/module.c has them.
    let out = link(true, &[0xcc, 0, 0, 0x10], 0, R_SH_IMM_MEDLOW16, 0x8c12_3456, 0).unwrap();
    assert_eq!(out, (0xcc00_0010u32 | 0x8c12 << 10).to_be_bytes());
    let out = link(true, &[0xc8, 0, 0, 0x10], 0, R_SH_IMM_LOW16, 0x8c12_3456, 0x10).unwrap();
    assert_eq!(out, (0xc800_0010u32 | 0x3466 << 10).to_be_bytes());
    let out = link(true, &[0xff; 4], 0, R_SH_IMM_LOW16_PCREL, BASE + 0x1_0000, 0).unwrap();
    assert_eq!(out, 0xfc00_03ffu32.to_be_bytes());
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that has a name in binutils or had one.
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    let named = [0..=11, 22..=51, 53..=53, 144..=151, 160..=196, 201..=208, 242..=255];
    assert_eq!(rows, named.into_iter().flatten().collect::<Vec<_>>());

    let mut m = module(false);
    let text = m.section(".text", BASE, &[0x55; 4]);
    let s = m.symbol("s", BASE);
    for kind in [R_SH_DIR8L, R_SH_LOOP_END, R_SH_COPY, R_SH_TLS_GD_32, R_SH_FUNCDESC, R_SH_64, 12, 209, u32::MAX] {
        m.relocate(text, 0, kind, s, 0);
    }
    let found = kinds(&m.link().unwrap_err());
    assert_eq!(found[..6], [fault::REJECTED; 6]);
    assert_eq!(found[6..], [fault::UNKNOWN_TYPE; 3]);
    for kind in R_SH_GNU_VTINHERIT..=R_SH_LABEL {
        assert_eq!(link(false, &[0x55; 4], 0, kind, BASE, 1).unwrap(), [0x55; 4]);
    }
}

#[test]
fn hostile_places_and_symbols() {
    wrong_places_and_symbols_are_told_apart(|| module(true), &[R_SH_GOT32, R_SH_DIR8WPL, R_SH_GOT20, R_SH_DIR8U]);
}
