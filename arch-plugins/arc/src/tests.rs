//! What the ABI's formulas say, worked by hand; lines with (ld) were linked by GNU ld, too.

use super::*;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::{Module, kinds, wrong_places_and_symbols_are_told_apart};
use relobox_plugin::{Architecture as _, Finding};
use types::*;

const BASE: u64 = 0x7000_0000;
const TABLE: u64 = 0x7000_4000;

fn module(big: bool) -> Module<Arch> {
    let mut m = Module::<Arch>::for_machine(machine(195, if big { order::BIG } else { order::LITTLE }));
    m.synthetic_at(TABLE);
    m
}

/// Links one relocation at `offset` of a section at [`BASE`], with the symbol at `s`.
fn link(big: bool, before: &[u8], offset: u64, kind: u32, s: u64, addend: i64) -> Result<Vec<u8>, Vec<Finding>> {
    let mut m = module(big);
    let text = m.section(".text", BASE, before);
    let symbol = m.symbol("s", s);
    m.relocate(text, offset, kind, symbol, addend);
    Ok(m.link()?.section(text).to_vec())
}

/// A word of code in memory: the upper halfword first.
fn code_word(big: bool, word: u32) -> Vec<u8> {
    let halves = [(word >> 16) as u16, word as u16];
    halves.map(|half| if big { half.to_be_bytes() } else { half.to_le_bytes() }).concat()
}

#[test]
fn long_immediates_are_middle_endian() {
    // j s   (ld)
    let out = link(false, &[0x20, 0x20, 0x80, 0x0f, 0, 0, 0, 0], 4, R_ARC_32_ME, 0x8123_4567, 0).unwrap();
    assert_eq!(out, [0x20, 0x20, 0x80, 0x0f, 0x23, 0x81, 0x67, 0x45]);
    let out = link(true, &[0x20, 0x20, 0x0f, 0x80, 0, 0, 0, 0], 4, R_ARC_32_ME, 0x8123_4567, 0).unwrap();
    assert_eq!(out, [0x20, 0x20, 0x0f, 0x80, 0x81, 0x23, 0x45, 0x67]);
    // Data is not.   (ld)
    let out = link(false, &[0xa5; 4], 0, R_ARC_32, 0x8123_4560, 7).unwrap();
    assert_eq!(out, [0x67, 0x45, 0x23, 0x81]);
    let out = link(false, &[0xa5; 4], 0, R_ARC_24, 0x12_3450, 6).unwrap();
    assert_eq!(out, [0x56, 0x34, 0x12, 0xa5]);
    let out = link(true, &[0xa5; 4], 0, R_ARC_N24, 0x10, 6).unwrap();
    assert_eq!(out, [0xff, 0xff, 0xf6, 0xa5]);
}

#[test]
fn branches_are_in_three_parts() {
    // Type, instruction, distance, what is added to it.
    for (kind, insn, distance, bits) in [
        // bl s   (ld)
        (R_ARC_S25W_PCREL, 0x0802_0000u32, 0x00ff_fffci64, 0x07fc_ffc7u32),
        (R_ARC_S25W_PCREL, 0x0802_0000, -0x0100_0000, 0x0000_0008),
        (R_ARC_S25W_PCREL, 0x0802_0000, 0x0020_0804, 0x0004_0041),
        // b s   (ld)
        (R_ARC_S25H_PCREL, 0x0001_0000, 0x00ff_fffe, 0x07fe_ffc7),
        (R_ARC_S25H_PCREL, 0x0001_0000, 0x0020_0802, 0x0002_0041),
        // blne s, bne s   (ld)
        (R_ARC_S21W_PCREL, 0x0800_0002, -4, 0x07fc_ffc0),
        (R_ARC_S21H_PCREL, 0x0000_0002, -2, 0x07fe_ffc0),
        (R_ARC_S21H_PCREL, 0x0000_0002, 0x000f_fffe, 0x07fe_7fc0),
        (R_ARC_S25W_PCREL_PLT, 0x0802_0000, 0x00ff_fffc, 0x07fc_ffc7),
    ] {
        for big in [false, true] {
            // At a multiple of 4, and 2 behind it: PC is rounded down.
            for at in [0, 2] {
                let mut before = vec![0; 8];
                before[at..at + 4].copy_from_slice(&code_word(big, insn));
                let s = BASE.wrapping_add_signed(distance);
                let out = link(big, &before, at as u64, kind, s, 0).unwrap();
                assert_eq!(out[at..at + 4], code_word(big, insn | bits), "{kind} {distance:#x}");
            }
        }
    }
    // bl_s s   (ld)
    let out = link(false, &[0x00, 0xf8], 0, R_ARC_S13_PCREL, BASE - 0x1000, 0).unwrap();
    assert_eq!(out, [0x00, 0xfc]);
}

#[test]
fn ends_of_branches() {
    for (kind, bits, align) in [
        (R_ARC_S13_PCREL, 13, 4),
        (R_ARC_S21W_PCREL, 21, 4),
        (R_ARC_S21H_PCREL, 21, 2),
        (R_ARC_S25W_PCREL, 25, 4),
        (R_ARC_S25H_PCREL, 25, 2),
    ] {
        let (min, max) = (-1i64 << (bits - 1), (1i64 << (bits - 1)) - 1);
        for value in [min - align, max + 1] {
            let findings = link(false, &[0; 4], 0, kind, BASE.wrapping_add_signed(value), 0).unwrap_err();
            let f = &findings[0].fault;
            assert_eq!((f.kind, f.value, f.min, f.max), (fault::OUT_OF_RANGE, value, min, max));
        }
        let findings = link(false, &[0; 4], 0, kind, BASE + align as u64 / 2, 0).unwrap_err();
        assert_eq!(kinds(&findings), [fault::MISALIGNED]);
    }
}

#[test]
fn calls_through_a_plt_get_an_entry_where_they_must() {
    for (big, kind, far) in [
        (false, R_ARC_S25W_PCREL_PLT, 0x0100_0000),
        (true, R_ARC_S25H_PCREL_PLT, 0x0100_0000),
        (false, R_ARC_S21W_PCREL_PLT, 0x0010_0000),
        (true, R_ARC_S21H_PCREL_PLT, 0x0010_0000),
    ] {
        let mut m = module(big);
        let text = m.section(".text", BASE, &[0; 12]);
        let s = m.symbol("s", BASE + far + 8);
        let near = m.symbol("near", BASE + far - 4);
        for (at, symbol, addend) in [(0, near, 0), (4, s, 0), (8, s, 8)] {
            m.relocate(text, at, kind, symbol, addend);
        }
        let out = m.link().unwrap();
        let field = if matches!(kind, R_ARC_S25H_PCREL_PLT | R_ARC_S21H_PCREL_PLT) { &DISP25H } else { &DISP25W };
        let to = |at: usize| field.extract(field.word(&out.section(text)[at..], big)) + BASE + at as u64;
        assert_eq!(to(0), BASE + far - 4);
        for (at, target) in [(4, BASE + far + 8), (8, BASE + far + 16)] {
            let entry = to(at) - TABLE;
            let expected = [code_word(big, 0x2020_0f80), code_word(big, target as u32)].concat();
            assert_eq!(out.synthetic[0].contents[entry as usize..][..8], expected);
        }
    }
}

#[test]
fn position_independent_code() {
    for big in [false, true] {
        let mut m = module(big);
        // ld r0, [pcl, s@gotpc]; add r0, pcl, _GLOBAL_OFFSET_TABLE_@gotpc; nop_s; add r0, pcl, s@pcl; s@gotoff
        let text = m.section(".text", BASE, &[0; 36]);
        let (s, other) = (m.symbol("s", BASE + 0x100), m.symbol("other", 0x8000_0000));
        let table = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
        m.relocate(text, 4, R_ARC_GOTPC32, other, 0);
        m.relocate(text, 12, R_ARC_GOTPC32, s, 0);
        m.relocate(text, 20, R_ARC_GOTPC, table, 0);
        // Behind an odd halfword, whose PC is rounded down.
        m.relocate(text, 26, R_ARC_PC32, s, 0);
        m.relocate(text, 32, R_ARC_GOTOFF, s, 0);
        let out = m.link().unwrap();
        let bytes = out.section(text);
        let word = |at: usize| LIMM.word(&bytes[at..], big) as u32;
        let slots = &out.synthetic[0].contents;
        for (at, symbol) in [(4, 0x8000_0000), (12, BASE as u32 + 0x100)] {
            let slot = (BASE as u32 + at as u32 - 4 + word(at)) as usize - TABLE as usize;
            assert_eq!(WORD32.word(&slots[slot..], big) as u32, symbol);
        }
        assert_eq!(word(20), (TABLE - BASE) as u32 - 16);
        assert_eq!(word(26), 0x100 - 20);
        assert_eq!(word(32), (BASE as u32 + 0x100).wrapping_sub(TABLE as u32));
    }
}

#[test]
fn memory_of_the_nps_400() {
    let out = link(false, &[0xa5; 4], 0, R_ARC_NPS_CMEM16, 0x57f0_1230, 4).unwrap();
    assert_eq!(out, [0xa5, 0xa5, 0x34, 0x12]);
    for s in [0x57ef_ffff, 0x57f1_0000] {
        assert_eq!(kinds(&link(true, &[0; 4], 0, R_ARC_NPS_CMEM16, s, 0).unwrap_err()), [fault::OUT_OF_RANGE]);
    }
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that binutils 2.40 has a name for.
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    let named = [0..=4, 8..=31, 35..=45, 48..=61, 63..=63, 66..=78, 105..=105];
    assert_eq!(rows, named.into_iter().flatten().collect::<Vec<_>>());

    let mut m = module(false);
    let text = m.section(".text", BASE, &[0; 4]);
    let s = m.symbol("s", BASE);
    for kind in [R_ARC_SDA, R_ARC_SECTOFF, R_ARC_JLI_SECTOFF, R_ARC_COPY, R_ARC_TLS_LE_32, 5, 106, u32::MAX] {
        m.relocate(text, 0, kind, s, 0);
    }
    let found = kinds(&m.link().unwrap_err());
    assert_eq!(found[..5], [fault::REJECTED; 5]);
    assert_eq!(found[5..], [fault::UNKNOWN_TYPE; 3]);
}

#[test]
fn hostile_places_and_symbols() {
    wrong_places_and_symbols_are_told_apart(
        || module(true),
        &[R_ARC_GOTPC32, R_ARC_S25W_PCREL_PLT, R_ARC_24, R_ARC_W_ME],
    );
}
