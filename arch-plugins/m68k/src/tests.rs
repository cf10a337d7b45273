//! What the psABI says, worked by hand; lines with (ld) were linked by GNU ld, too.

use super::*;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::{Module, kinds};
use relobox_plugin::{Architecture as _, Finding};
use types::*;

const BASE: u64 = 0x1080_0000;
const TABLE: u64 = 0x1080_4000;

/// Links one relocation at `offset` of a section at [`BASE`], with the symbol at `s`, tables from [`TABLE`] on and the
/// addend in the table or, for `None`, in place.
fn link(before: &[u8], offset: u64, kind: u32, s: u64, addend: Option<i64>) -> Result<Vec<u8>, Vec<Finding>> {
    let mut m = Module::<Arch>::new();
    if addend.is_none() {
        m = m.in_place();
    }
    m.synthetic_at(TABLE);
    let text = m.section(".text", BASE, before);
    let symbol = m.symbol("s", s);
    m.relocate(text, offset, kind, symbol, addend.unwrap_or(0));
    Ok(m.link()?.section(text).to_vec())
}

#[test]
fn distances_count_from_the_word_behind_the_opcode() {
    // bsr.l s   (ld)
    let out = link(&[0x61, 0xff, 0xee, 0xee, 0xee, 0xee], 2, R_68K_PC32, 0x1234, Some(0)).unwrap();
    assert_eq!(out, [0x61, 0xff, 0xef, 0x80, 0x12, 0x32]);
    // bra.w s   (ld)
    let out = link(&[0x60, 0, 0xee, 0xee], 2, R_68K_PC16, BASE + 0x7fff, Some(0)).unwrap();
    assert_eq!(out, [0x60, 0, 0x7f, 0xfd]);
    // bra.s s: the field is the byte before PC.   (ld)
    let out = link(&[0x60, 0xee, 0x4e, 0x71], 1, R_68K_PC8, BASE + 0x40, Some(-1)).unwrap();
    assert_eq!(out, [0x60, 0x3e, 0x4e, 0x71]);
    // lea (s,%pc): PC is at the full extension word, two bytes before the field.   (ld)
    let out = link(&[0x41, 0xfb, 0x01, 0x70, 0, 0, 0, 0], 4, R_68K_PC32, BASE + 0x1000, Some(2)).unwrap();
    assert_eq!(out[4..], 0xffeu32.to_be_bytes());
}

#[test]
fn addends_in_place_give_the_same() {
    let before = [0x20, 0x3c, 0xff, 0xff, 0xff, 0xfc, 0, 0];
    for (addend, field) in [(None, [0xff, 0xff, 0xff, 0xfc]), (Some(-4), [0xa5; 4])] {
        let mut bytes = before;
        bytes[2..6].copy_from_slice(&field);
        for (kind, expected) in [(R_68K_32, 0x1234u32), (R_68K_PC32, 0xef80_1232)] {
            let out = link(&bytes, 2, kind, 0x1238, addend).unwrap();
            assert_eq!(out[2..6], expected.to_be_bytes());
            assert_eq!((&out[..2], &out[6..]), (&[0x20, 0x3c][..], &[0, 0][..]));
        }
    }
}

#[test]
fn short_fields_have_ranges() {
    // Type, lowest and highest value; distances are from the place.
    for (kind, from, low, high) in [
        (R_68K_16, 0, -0x8000i64, 0xffff),
        (R_68K_8, 0, -0x80, 0xff),
        (R_68K_PC16, BASE, -0x8000, 0x7fff),
        (R_68K_PC8, BASE, -0x80, 0x7f),
        (R_68K_PLT8, BASE, -0x80, 0x7f),
        (R_68K_GOT16O, 0, -0x8000, 0x7fff),
        (R_68K_GOT8O, 0, -0x80, 0x7f),
        (R_68K_GOT16, BASE.wrapping_sub(TABLE), -0x8000, 0x7fff),
        (R_68K_GOT8, BASE.wrapping_sub(TABLE), -0x80, 0x7f),
    ] {
        let width = if Arch::ABOUT.rows.iter().any(|r| r.kind == kind && r.width == 1) { 1 } else { 2 };
        // A slot's place does not depend on the symbol.
        let slotted = (R_68K_GOT32..=R_68K_GOT8O).contains(&kind);
        let at = |value: i64| match slotted {
            true => link(&[0, 0, 0xa5], 0, kind, 0x1000, Some(value.wrapping_add_unsigned(from))),
            false => link(&[0, 0, 0xa5], 0, kind, from.wrapping_add_signed(value) & 0xffff_ffff, Some(0)),
        };
        for value in [low, -1, 0, 1, high] {
            let out = at(value).unwrap();
            assert_eq!(out[..width], value.to_be_bytes()[8 - width..], "{kind} {value:#x}");
            assert!(out[width..].iter().eq(&[0, 0, 0xa5][width..]));
        }
        for value in [low - 1, high + 1] {
            let findings = at(value).unwrap_err();
            let f = &findings[0].fault;
            assert_eq!((f.kind, f.value, f.min, f.max), (fault::OUT_OF_RANGE, value, low, high));
        }
    }
}

#[test]
fn position_independent_code() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(TABLE);
    let text = m.section(
        ".text",
        BASE,
        &[
            0x4b, 0xfb, 0x01, 0x70, 0, 0, 0, 0, // lea (_GLOBAL_OFFSET_TABLE_@GOTPC,%pc), %a5
            0x20, 0x6d, 0, 0, // move.l (jiffies@GOT.w,%a5), %a0
            0x20, 0x75, 0x01, 0x70, 0, 0, 0, 0, // move.l (loops@GOT.l,%a5), %a0
            0x20, 0x7a, 0, 0, // move.l (loops@GOTPC.w,%pc), %a0
        ],
    );
    let jiffies = m.symbol("jiffies", 0x0012_3450);
    let loops = m.symbol("loops", 0x0012_3460);
    let table = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
    m.relocate(text, 10, R_68K_GOT16O, jiffies, 0);
    m.relocate(text, 4, R_68K_GOT32, table, 2);
    m.relocate(text, 16, R_68K_GOT32O, loops, 0);
    m.relocate(text, 22, R_68K_GOT16, loops, 0);
    let out = m.link().unwrap();
    let bytes = out.section(text);
    let long = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(BASE as u32 + 2 + long(4), TABLE as u32);
    assert_eq!(bytes[10..12], [0, 0]);
    let slot = long(16) as usize;
    assert_eq!(out.synthetic[0].contents[..4], 0x0012_3450u32.to_be_bytes());
    assert_eq!(out.synthetic[0].contents[slot..slot + 4], 0x0012_3460u32.to_be_bytes());
    assert_eq!(bytes[22..], (TABLE + slot as u64 - BASE - 22).to_be_bytes()[6..]);
}

#[test]
fn the_tables_name_with_an_offset_is_a_slot() {
    // As GNU ld has it.   (ld)
    let mut m = Module::<Arch>::new();
    m.synthetic_at(TABLE);
    let text = m.section(".text", BASE, &[0; 8]);
    let other = m.symbol("other", 4);
    let table = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
    m.relocate(text, 0, R_68K_GOT32O, other, 0);
    m.relocate(text, 4, R_68K_GOT32O, table, 0);
    let out = m.link().unwrap();
    assert_eq!(out.section(text), [0, 0, 0, 0, 0, 0, 0, 4]);
    assert_eq!(out.synthetic[0].contents[4..], (TABLE as u32).to_be_bytes());
}

#[test]
fn a_short_call_goes_through_an_entry_where_it_must() {
    let call = |s: u64| {
        let mut m = Module::<Arch>::new();
        m.synthetic_at(TABLE);
        let text = m.section(".text", BASE, &[0x61, 0, 0, 0]);
        let near = m.symbol("near", BASE + 0x100);
        let symbol = m.symbol("s", s);
        m.relocate(text, 2, R_68K_PLT16, near, 0);
        m.relocate(text, 2, R_68K_PLT16, symbol, 0);
        let out = m.link().unwrap();
        let distance = i16::from_be_bytes(out.section(text)[2..].try_into().unwrap());
        (BASE.wrapping_add_signed(i64::from(distance) + 2), out.synthetic[0].contents.clone())
    };
    // At both ends of what a branch reaches, and beyond: the second entry jumps to the symbol.
    for (s, through) in [(BASE + 0x8001, false), (BASE + 0x8002, true), (BASE - 0x7ffe, false), (BASE - 0x7fff, true)] {
        let (to, entries) = call(s);
        if through {
            assert_eq!(to, TABLE + 6);
            assert_eq!(entries[6..8], [0x4e, 0xf9]);
            assert_eq!(entries[8..], (s as u32).to_be_bytes());
        } else {
            assert_eq!((to, entries), (s, vec![0; 12]));
        }
    }
    // One of 32 bits reaches everything.
    let out = link(&[0x61, 0xff, 0, 0, 0, 0], 2, R_68K_PLT32, 0x9000_0000, Some(0)).unwrap();
    assert_eq!(out[2..], 0x7f7f_fffeu32.to_be_bytes());
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that readelf of binutils 2.40 has a name for.
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..=42).collect::<Vec<_>>());

    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 4]);
    let s = m.symbol("s", BASE);
    for kind in [R_68K_PLT32O, R_68K_COPY, R_68K_TLS_GD32, R_68K_TLS_TPREL32, 43, 255, u32::MAX] {
        m.relocate(text, 0, kind, s, 0);
    }
    let found = kinds(&m.link().unwrap_err());
    assert_eq!(found[..4], [fault::REJECTED; 4]);
    assert_eq!(found[4..], [fault::UNKNOWN_TYPE; 3]);
}

#[test]
fn hostile_places_and_symbols() {
    for kind in [R_68K_GOT32, R_68K_PLT16, R_68K_8] {
        let mut m = Module::<Arch>::new().in_place();
        let text = m.section(".text", BASE, &[0; 8]);
        let s = m.symbol("s", BASE);
        for (at, symbol) in [(8, s), (u64::MAX, s), (1 << 32, s), (0, 1 << 20), (0, u32::MAX)] {
            m.relocate(text, at, kind, symbol, 0);
        }
        let expected = [fault::OUTSIDE, fault::OUTSIDE, fault::OUTSIDE, fault::BAD_SYMBOL, fault::BAD_SYMBOL];
        assert_eq!(kinds(&m.link().unwrap_err()), expected);
    }
}
