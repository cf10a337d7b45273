//! What the psABI says, worked by hand; lines with (ld) were linked by GNU ld, too.

use super::*;
use relobox_plugin::abi::{Symbol, fault};
use relobox_plugin::testing::{Module, kinds};
use relobox_plugin::{Architecture as _, Finding};
use types::*;

const BASE: u64 = 0xf800_0000;

/// Links one relocation at `offset` of a section at [`BASE`], with the symbol at `s` and the table at 0xf900_0000.
fn link(before: &[u8], offset: u64, kind: u32, s: u64) -> Result<Vec<u8>, Vec<Finding>> {
    let mut m = Module::<Arch>::new().in_place();
    m.synthetic_at(0xf900_0000);
    let text = m.section(".text", BASE, before);
    let symbol = m.symbol("s", s);
    m.relocate(text, offset, kind, symbol, 0);
    Ok(m.link()?.section(text).to_vec())
}

#[test]
fn call_reaches_its_target() {
    for kind in [R_386_PC32, R_386_PLT32] {
        // call; the -4 is the distance from the field to the instruction's end.   (ld)
        let out = link(&[0xe8, 0xfc, 0xff, 0xff, 0xff, 0xc3], 1, kind, 0xc102_3456);
        assert_eq!(out.unwrap(), [0xe8, 0x51, 0x34, 0x02, 0xc9, 0xc3]);
    }
}

#[test]
fn addresses_wrap() {
    // Up from 0xf800_0000 through the end of memory, and down from there.
    assert_eq!(link(&[0; 4], 0, R_386_PC32, 0x7000_0000).unwrap(), 0x7800_0000u32.to_le_bytes());
    assert_eq!(link(&[0; 4], 0, R_386_PC32, 0x7900_0000).unwrap(), 0x8100_0000u32.to_le_bytes());
    assert_eq!(link(&0x2000_0000u32.to_le_bytes(), 0, R_386_32, 0xf000_0000).unwrap(), 0x1000_0000u32.to_le_bytes());
}

#[test]
fn short_fields_have_ranges() {
    // Type, lowest and highest value; distances are from the place.
    for (kind, from, low, high) in [
        (R_386_16, 0, -0x8000i64, 0xffff),
        (R_386_PC16, BASE, -0x8000, 0xffff),
        (R_386_8, 0, -0x80, 0xff),
        (R_386_PC8, BASE, -0x80, 0x7f),
    ] {
        let width = if matches!(kind, R_386_8 | R_386_PC8) { 1 } else { 2 };
        let at = |value: i64| link(&[0, 0, 0xa5], 0, kind, from.wrapping_add_signed(value) & 0xffff_ffff);
        for value in [low, -1, 0, 1, high] {
            let out = at(value).unwrap();
            assert_eq!(out[..width], value.to_le_bytes()[..width]);
            assert!(out[width..].iter().eq(&[0, 0, 0xa5][width..]));
        }
        for value in [low - 1, high + 1] {
            let findings = at(value).unwrap_err();
            let f = &findings[0].fault;
            assert_eq!((f.kind, f.value, f.min, f.max), (fault::OUT_OF_RANGE, value, low, high));
        }
    }
    // What stands in the field has a sign.
    assert_eq!(link(&[0x80, 0], 0, R_386_8, 0x17f).unwrap(), [0xff, 0]);
}

#[test]
fn position_independent_code() {
    let mut m = Module::<Arch>::new().in_place();
    m.synthetic_at(0xf900_0000);
    let text = m.section(
        ".text",
        BASE,
        &[
            0x81, 0xc3, 0x02, 0, 0,
            0, // add $_GLOBAL_OFFSET_TABLE_, %ebx, whose field is 2 bytes behind the label
            0x8b, 0x83, 0, 0, 0, 0, // mov jiffies@GOT(%ebx), %eax
            0x8d, 0x93, 0x10, 0, 0, 0, // lea data@GOTOFF+16(%ebx), %edx
        ],
    );
    let data = m.section(".data", 0xf800_1000, &[0; 32]);
    let table = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
    let jiffies = m.symbol("jiffies", 0xc112_3450);
    let data = m.label(data, 0);
    m.relocate(text, 2, R_386_GOTPC, table, 0);
    m.relocate(text, 8, R_386_GOT32X, jiffies, 0);
    m.relocate(text, 14, R_386_GOTOFF, data, 0);
    let out = m.link().unwrap();
    let word = |at: usize| u32::from_le_bytes(out.section(text)[at..at + 4].try_into().unwrap());
    let ebx = (BASE as u32).wrapping_add(word(2));
    assert_eq!(ebx, 0xf900_0000);
    assert_eq!(word(8), 0);
    assert_eq!(out.synthetic[0].contents, 0xc112_3450u32.to_le_bytes());
    assert_eq!(ebx.wrapping_add(word(14)), 0xf800_1010);
}

#[test]
fn a_slot_is_an_address_where_no_register_is() {
    const SLOT: u32 = 0xf900_0000;
    for kind in [R_386_GOT32, R_386_GOT32X] {
        for (opcode, modrm, expected) in [
            (0x8b, 0x1d, SLOT), // mov s@GOT, %ebx                 (ld)
            (0xff, 0x15, SLOT), // call *s@GOT                     (ld)
            (0xff, 0x35, SLOT), // push s@GOT                      (ld)
            (0x03, 0x3d, SLOT), // add s@GOT, %edi                 (ld)
            (0x8d, 0x1d, 0),    // lea s@GOT, %ebx                 (ld)
            (0x8b, 0x83, 0),    // mov s@GOT(%ebx), %eax           (ld)
            (0x8b, 0x85, 0),    // mov s@GOT(%ebp), %eax           (ld)
            (0x04, 0x4d, 0),    // SIB of mov s@GOT(,%ecx,2), %eax (ld)
            (0x04, 0x05, SLOT), // add $5, %al; .long s@GOT        (ld): who can tell them apart
        ] {
            let out = link(&[opcode, modrm, 8, 0, 0, 0], 2, kind, 0xc100_0000).unwrap();
            assert_eq!(out[..2], [opcode, modrm]);
            assert_eq!(out[2..], (expected + 8).to_le_bytes(), "{opcode:#x} {modrm:#x}");
        }
        // A word in data, at the start of its section or one byte behind it.   (ld)
        assert_eq!(link(&[0; 4], 0, kind, 0xc100_0000).unwrap(), [0; 4]);
        assert_eq!(link(&[5, 4, 0, 0, 0], 1, kind, 0xc100_0000).unwrap(), [5, 4, 0, 0, 0]);
    }
}

#[test]
fn one_slot_for_one_symbol() {
    let mut m = Module::<Arch>::new().in_place();
    m.synthetic_at(0xf900_0000);
    let text = m.section(".text", BASE, &[0; 16]);
    let (a, b) = (m.symbol("a", 0xc100_0010), m.symbol("b", 0xc100_0020));
    for (at, symbol) in [(0, a), (4, b), (8, a), (12, b)] {
        m.relocate(text, at, if at < 8 { R_386_GOT32 } else { R_386_GOT32X }, symbol, 0);
    }
    let out = m.link().unwrap();
    assert_eq!(out.synthetic[0].contents, [0x10, 0, 0, 0xc1, 0x20, 0, 0, 0xc1]);
    assert_eq!(out.section(text), [0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
}

#[test]
fn the_table_may_be_named_and_not_used() {
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", BASE, &[0; 4]);
    m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
    let s = m.symbol("s", 1);
    m.relocate(text, 0, R_386_32, s, 0);
    assert!(m.link().unwrap().synthetic.is_empty());
}

#[test]
fn size_of_a_symbol() {
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", BASE, &[0xfc, 0xff, 0xff, 0xff]);
    let symbol = m.raw_symbol(Symbol { size: 0x9000_0010, info: 0x11, section: 1, ..Default::default() }, "", BASE);
    m.relocate(text, 0, R_386_SIZE32, symbol, 0);
    assert_eq!(m.link().unwrap().section(text), 0x9000_000cu32.to_le_bytes());
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that readelf of binutils 2.40 has a name for, and Solaris' 32PLT.
    let known = (0..=11).chain(14..=43).chain([200, 250, 251]);
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    assert_eq!(rows, known.collect::<Vec<_>>());

    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", BASE, &[0; 4]);
    let s = m.symbol("s", BASE);
    let refused = [R_386_COPY, R_386_TLS_LE, R_386_TLS_DESC, R_386_IRELATIVE, R_386_32PLT, R_386_USED_BY_INTEL_200];
    for kind in refused.into_iter().chain([12, 44, 255, u32::MAX]) {
        m.relocate(text, 0, kind, s, 0);
    }
    let found = kinds(&m.link().unwrap_err());
    assert_eq!(found[..6], [fault::REJECTED; 6]);
    assert_eq!(found[6..], [fault::UNKNOWN_TYPE; 4]);
}

#[test]
fn what_linux_takes() {
    for machine in Arch::ABOUT.machines {
        let mut m = Module::<Arch>::for_machine(*machine).in_place();
        m.section(".text", BASE, &[0; 4]);
        assert!(m.link().is_ok());
    }
    assert_eq!(Arch::ABOUT.machines.iter().map(|m| m.machine).collect::<Vec<_>>(), [3, 6]);
    // Addends in the table of relocations are x86-64's.
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 4]);
    let s = m.symbol("s", BASE);
    m.relocate(text, 0, R_386_32, s, 0);
    assert_eq!(kinds(&m.link().unwrap_err()), [fault::ADDEND_FORM]);
}

#[test]
fn hostile_places_and_symbols() {
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", BASE, &[0; 8]);
    let s = m.symbol("s", BASE);
    for (at, symbol) in [(5, s), (u64::MAX, s), (u64::MAX - 1, s), (1 << 32, s), (0, 1 << 20)] {
        m.relocate(text, at, R_386_GOT32X, symbol, 0);
    }
    let expected = [fault::OUTSIDE, fault::OUTSIDE, fault::OUTSIDE, fault::OUTSIDE, fault::BAD_SYMBOL];
    assert_eq!(kinds(&m.link().unwrap_err()), expected);
}
