//! What the instruction set says, worked by hand; lines with (ld) were linked by GNU ld, too.

use super::*;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::{Module, kinds, wrong_places_and_symbols_are_told_apart};
use relobox_plugin::{Architecture as _, Finding};
use types::*;

const BASE: u64 = 0xc010_0000;

/// Links one relocation at `offset` of a section at [`BASE`], with the symbol at `s`.
fn link(big: bool, before: &[u8], offset: u64, kind: u32, s: u64, addend: i64) -> Result<Vec<u8>, Vec<Finding>> {
    let mut m = Module::<Arch>::for_machine(machine(94, if big { order::BIG } else { order::LITTLE }));
    let text = m.section(".text", BASE, before);
    let symbol = m.symbol("s", s);
    m.relocate(text, offset, kind, symbol, addend);
    Ok(m.link()?.section(text).to_vec())
}

fn near(big: bool, before: &[u8], distance: i64) -> Result<Vec<u8>, Vec<Finding>> {
    link(big, before, 0, R_XTENSA_SLOT0_OP, BASE.wrapping_add_signed(distance), 0)
}

#[test]
fn words_add_what_is_in_place() {
    // .long s + 7   (ld)
    let out = link(false, &[0; 4], 0, R_XTENSA_32, 0xd000_3000, 7).unwrap();
    assert_eq!(out, 0xd000_3007u32.to_le_bytes());
    for kind in [R_XTENSA_32, R_XTENSA_PLT] {
        let out = link(true, &[0, 0xff, 0xff, 0xff, 0xfe], 1, kind, 0xd000_3000, 1).unwrap();
        assert_eq!(out[1..], 0xd000_2fffu32.to_be_bytes());
    }
    let out = link(false, &[0xa5; 4], 0, R_XTENSA_32_PCREL, BASE + 0x100, -4).unwrap();
    assert_eq!(out, 0xfcu32.to_le_bytes());
}

#[test]
fn distances_in_either_byte_order() {
    // Little-endian and big-endian instruction, distance from its start, and the same instructions with it.
    let cases: [(&[u8], &[u8], i64, &[u8], &[u8]); 12] = [
        // l32r a10   (ld)
        (&[0xa1, 0, 0], &[0x1a, 0, 0], -4, &[0xa1, 0xff, 0xff], &[0x1a, 0xff, 0xff]),
        (&[0xa1, 0, 0], &[0x1a, 0, 0], -0x4_0000, &[0xa1, 0, 0], &[0x1a, 0, 0]),
        // call0, call8   (ld)
        (&[0x05, 0, 0], &[0x50, 0, 0], 8, &[0x45, 0, 0], &[0x50, 0, 1]),
        (&[0x25, 0, 0], &[0x58, 0, 0], -0x7_fffc, &[0x25, 0, 0x80], &[0x5a, 0, 0]),
        // j   (ld)
        (&[0x06, 0, 0], &[0x60, 0, 0], 4 - 0x1_ffff, &[0x46, 0, 0x80], &[0x62, 0, 1]),
        // bnez a10   (ld)
        (&[0x56, 0x0a, 0], &[0x65, 0xa0, 0], 4 + 0x123, &[0x56, 0x3a, 0x12], &[0x65, 0xa1, 0x23]),
        // blti a10, 4; bgeui a10, 4; bge a1, a11   (ld)
        (&[0xa6, 0x4a, 0], &[0x6a, 0xa4, 0], 4 - 0x80, &[0xa6, 0x4a, 0x80], &[0x6a, 0xa4, 0x80]),
        (&[0xf6, 0x4a, 0], &[0x6f, 0xa4, 0], 4 + 0x7f, &[0xf6, 0x4a, 0x7f], &[0x6f, 0xa4, 0x7f]),
        (&[0xb7, 0xa1, 0], &[0x7b, 0x1a, 0], 4, &[0xb7, 0xa1, 0], &[0x7b, 0x1a, 0]),
        // bt b10; loop a10
        (&[0x76, 0x1a, 0], &[0x6d, 0xa1, 0], 4 - 1, &[0x76, 0x1a, 0xff], &[0x6d, 0xa1, 0xff]),
        (&[0x76, 0x8a, 0], &[0x6d, 0xa8, 0], 4 + 0xff, &[0x76, 0x8a, 0xff], &[0x6d, 0xa8, 0xff]),
        // bnez.n a10   (ld)
        (&[0xcc, 0x0a], &[0xcc, 0xa0], 4 + 0x25, &[0xec, 0x5a], &[0xce, 0xa5]),
    ];
    for (little, big, distance, expected, expected_big) in cases {
        assert_eq!(near(false, little, distance).unwrap(), expected, "{little:x?} {distance:#x}");
        assert_eq!(near(true, big, distance).unwrap(), expected_big, "{big:x?} {distance:#x}");
    }
}

#[test]
fn where_distances_count_from() {
    // At each place modulo 4: `l32r` of the word before, `call0` of the place rounded down + 0x100, `j` to itself.
    for at in 0..4u64 {
        let mut before = [0; 8];
        before[at as usize] = 0x01;
        let word = (BASE + at) & !3;
        let out = link(false, &before, at, R_XTENSA_SLOT0_OP, word, -4).unwrap();
        let expected = if at == 0 { 0xffff } else { 0xfffe };
        assert_eq!(out[at as usize + 1..][..2], u16::to_le_bytes(expected));
        before[at as usize] = 0x05;
        let out = link(false, &before, at, R_XTENSA_SLOT0_OP, word, 0x100).unwrap();
        assert_eq!(out[at as usize..][..3], (0x05u32 | 0x3f << 6).to_le_bytes()[..3]);
        before[at as usize] = 0x06;
        let out = link(false, &before, at, R_XTENSA_SLOT0_OP, BASE + at, 0).unwrap();
        assert_eq!(out[at as usize..][..3], [0x06, 0xff, 0xff]);
    }
}

#[test]
fn ends_of_distances() {
    for (insn, low, high, from) in [
        (&[0x01, 0, 0][..], -0x4_0000, -4, 0),
        (&[0x05, 0, 0], -0x8_0000, 0x7_fffc, 4),
        (&[0x06, 0, 0], -0x2_0000, 0x1_ffff, 4),
        (&[0x16, 0, 0], -0x800, 0x7ff, 4),
        (&[0x07, 0, 0], -0x80, 0x7f, 4),
        (&[0x76, 0x90, 0], 0, 0xff, 4),
        (&[0x8c, 0], 0, 0x3f, 4),
    ] {
        let step = if insn[0] & 15 == 1 || insn[0] == 5 { 4 } else { 1 };
        near(false, insn, from + low).unwrap();
        near(false, insn, from + high).unwrap();
        for value in [low - step, high + step] {
            let findings = near(false, insn, from + value).unwrap_err();
            let f = &findings[0].fault;
            assert_eq!((f.kind, f.value, f.min, f.max), (fault::OUT_OF_RANGE, value, low, high));
        }
    }
    for insn in [0x01, 0x05] {
        assert_eq!(kinds(&near(false, &[insn, 0, 0], -0x102).unwrap_err()), [fault::MISALIGNED]);
    }
}

#[test]
fn a_call_with_a_register_window_stays_in_its_gib() {
    let call = |insn: u8, s: u64| {
        let mut m = Module::<Arch>::new();
        let text = m.section(".text", 0xc000_0100, &[insn, 0, 0]);
        let s = m.symbol("s", s);
        m.relocate(text, 0, R_XTENSA_SLOT0_OP, s, 0);
        m.link().map(|linked| linked.section(text).to_vec()).map_err(|found| kinds(&found))
    };
    // call0, which has no window, and call8.   (ld)
    assert_eq!(call(0x05, 0xbfff_fffc), Ok(vec![0x85, 0xef, 0xff]));
    assert_eq!(call(0x25, 0xc000_0000), Ok(vec![0xe5, 0xef, 0xff]));
    assert_eq!(call(0x25, 0xbfff_fffc), Err(vec![fault::OTHER]));
}

#[test]
fn what_is_no_distance_is_refused() {
    // add, entry, l32i, movi.n, ret.n, bundles, half an instruction
    for insn in [[0x00, 0x10, 0x80], [0x36, 0x41, 0], [0x22, 0x21, 0], [0x0c, 0x0a, 0], [0x0d, 0xf0, 0], [0x0e, 0, 0]] {
        assert_eq!(kinds(&near(false, &insn, 8).unwrap_err()), [fault::BAD_INSTRUCTION], "{insn:x?}");
    }
    assert_eq!(kinds(&near(true, &[0x6c, 0xa0, 0x12], 8).unwrap_err()), [fault::BAD_INSTRUCTION]);
    assert_eq!(kinds(&near(true, &[0xf0, 0, 0], 8).unwrap_err()), [fault::BAD_INSTRUCTION]);
    assert_eq!(kinds(&near(false, &[0x06, 0], 8).unwrap_err()), [fault::OUTSIDE]);
    // A short one may be the last.   (ld)
    assert_eq!(near(false, &[0x8c, 0], 8).unwrap(), [0x8c, 0x40]);
    // Old types say which operand it is; that is the same one.
    for kind in R_XTENSA_OP0..=R_XTENSA_OP2 {
        assert_eq!(link(false, &[0x06, 0, 0], 0, kind, BASE + 4, 0).unwrap(), [0x06, 0, 0]);
    }
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that binutils 2.40 has a name for.
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    let named = [0..=6, 8..=12, 14..=62];
    assert_eq!(rows, named.into_iter().flatten().collect::<Vec<_>>());

    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0x06, 0, 0, 0]);
    let s = m.symbol("s", BASE);
    for kind in [R_XTENSA_SLOT1_OP, R_XTENSA_SLOT0_ALT, R_XTENSA_RTLD, R_XTENSA_TLS_FUNC, 7, 13, 63, u32::MAX] {
        m.relocate(text, 0, kind, s, 0);
    }
    let found = kinds(&m.link().unwrap_err());
    assert_eq!(found[..4], [fault::REJECTED; 4]);
    assert_eq!(found[4..], [fault::UNKNOWN_TYPE; 4]);
    for kind in [R_XTENSA_ASM_EXPAND, R_XTENSA_DIFF32, R_XTENSA_NDIFF8] {
        assert_eq!(link(false, &[0x55; 4], 0, kind, BASE, 1).unwrap(), [0x55; 4]);
    }
}

#[test]
fn hostile_places_and_symbols() {
    wrong_places_and_symbols_are_told_apart(Module::<Arch>::new, &[R_XTENSA_SLOT0_OP, R_XTENSA_32, R_XTENSA_32_PCREL]);
}
