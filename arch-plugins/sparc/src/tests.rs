//! What the psABIs say, worked by hand; lines with (ld) were linked by GNU ld 2.40, too.

use super::types::*;
use super::*;
use relobox_plugin::abi::{Symbol, fault, symbol_flag};
use relobox_plugin::testing::{Module, hostile_records_are_faults, kinds, misplaced_words_are_outside};
use relobox_plugin::{Architecture as _, Finding};

const SPARC64: Machine = Arch::ABOUT.machines[0];
const SPARC32: Machine = Arch::ABOUT.machines[1];
const V8PLUS: Machine = Arch::ABOUT.machines[2];

/// Links one relocation of the second of three instructions, `insn`: the symbol has the value `s`.
fn link(machine: Machine, insn: u32, kind: u32, s: u64, addend: i64) -> Result<u32, (u32, i64)> {
    let mut m = Module::<Arch>::for_machine(machine);
    m.synthetic_at(machine.base + 0x4000);
    let text = m.section(".text", machine.base, &[!0, insn, !0, !0].map(u32::to_be_bytes).concat());
    let symbol = m.symbol("s", s);
    m.relocate(text, 4, kind, symbol, addend);
    let out = m.link().map_err(|findings: Vec<Finding>| (findings[0].fault.kind, findings[0].fault.value))?;
    let made: Vec<_> = out.section(text).chunks(4).map(|w| u32::from_be_bytes(w.try_into().unwrap())).collect();
    assert_eq!((made[0], made[2], made[3]), (!0, !0, !0));
    Ok(made[1])
}

#[test]
fn code_models() {
    let link = |insn, kind, s| link(SPARC64, insn, kind, s, 0).unwrap();
    // Below 4 GiB: sethi %hi(s), %o0; or %o0, %lo(s), %o0   (ld)
    assert_eq!(link(0x1100_0000, R_SPARC_HI22, 0xc012_8764), 0x1130_04a1);
    assert_eq!(link(0x9012_2000, R_SPARC_LO10, 0xc012_8764), 0x9012_2364);
    // Below 16 TiB: sethi %h44; or %m44; or %l44   (ld)
    assert_eq!(link(0x1100_0000, R_SPARC_H44, 0x654_3210_fedc), 0x1119_50c8);
    assert_eq!(link(0x9012_2000, R_SPARC_M44, 0x654_3210_fedc), 0x9012_210f);
    assert_eq!(link(0x9012_2000, R_SPARC_L44, 0x654_3210_fedc), 0x9012_2edc);
    assert_eq!(link(0x1100_0000, R_SPARC_H34, 0x3_1234_5678), 0x1131_2345);
    // Anywhere: sethi %hh; or %hm; sethi %lm   (ld)
    assert_eq!(link(0x1100_0000, R_SPARC_HH22, 0x1234_5678_9abc_def0), 0x1104_8d15);
    assert_eq!(link(0x9012_2000, R_SPARC_HM10, 0x1234_5678_9abc_def0), 0x9012_2278);
    assert_eq!(link(0x1300_0000, R_SPARC_LM22, 0x1234_5678_9abc_def0), 0x1326_af37);
    // The topmost 4 GiB: sethi %hix; xor %lox   (ld)
    assert_eq!(link(0x1100_0000, R_SPARC_HIX22, 0xffff_ffff_8765_ecba), 0x111e_2684);
    assert_eq!(link(0x901a_2000, R_SPARC_LOX10, 0xffff_ffff_8765_ecba), 0x901a_3cba);
}

#[test]
fn hix_and_lox_make_the_address() {
    for machine in [SPARC64, SPARC32] {
        for s in [0xffff_ffff_ffff_ffff, 0xffff_ffff_8765_ecba, 0xffff_ffff_8000_0000u64] {
            let s = if machine.class == 32 { s & 0xffff_ffff } else { s };
            let sethi = u64::from(link(machine, 0x1100_0000, R_SPARC_HIX22, s, 0).unwrap()) << 10 & 0xffff_ffff;
            let xor = i64::from(link(machine, 0x901a_2000, R_SPARC_LOX10, s, 0).unwrap() & 0x1fff) << 51 >> 51;
            let made = sethi ^ xor as u64;
            assert_eq!(if machine.class == 32 { made & 0xffff_ffff } else { made }, s);
        }
    }
    assert_eq!(link(SPARC64, 0, R_SPARC_HIX22, 0xffff_ffff_0000_0000, 0), Ok(0x3f_ffff));
    for s in [0, 0x7fff_ffff_ffff_ffff, 0xffff_fffe_ffff_ffff] {
        assert_eq!(link(SPARC64, 0, R_SPARC_HIX22, s, 0), Err((fault::OUT_OF_RANGE, !s as i64)));
    }
}

#[test]
fn a_second_addend_stands_beside_the_type() {
    let olo10 = |second: i64, s, addend| link(SPARC64, 0xd25a_2000, (second as u32) << 8 | R_SPARC_OLO10, s, addend);
    // ldx [%o0 + %lo(s) + 8], %o1, and - 16   (ld)
    assert_eq!(olo10(8, 0xc012_8764, 0), Ok(0xd25a_236c));
    assert_eq!(olo10(-16, 0xc012_8764, 0), Ok(0xd25a_2354));
    // The low half is taken first; the sum has a sign.
    assert_eq!(olo10(0, 0xc012_8764, 0x400), Ok(0xd25a_2364));
    assert_eq!(olo10(-0x400, 0xc012_8764, 0), Ok(0xd25a_3f64));
    assert_eq!(olo10(-0x1000, 0, 0), Ok(0xd25a_3000));
    assert_eq!(olo10(0xc00, 0x3ff, 0), Ok(0xd25a_2fff));
    assert_eq!(olo10(0xc01, 0x3ff, 0), Err((fault::OUT_OF_RANGE, 0x1000)));
    assert_eq!(olo10(-0x1001, 0, 0), Err((fault::OUT_OF_RANGE, -0x1001)));
    // Other types do not look at it.
    assert_eq!(link(SPARC64, 0x9012_2000, 0xabcd << 8 | R_SPARC_LO10, 0x64, 0), Ok(0x9012_2064));
}

#[test]
fn distances_are_in_words() {
    for (kind, machine, bits, mask, made) in [
        (R_SPARC_WDISP30, SPARC64, 32, 0x3fff_ffff, [0x2000_0000, 0x1fff_ffff]),
        (R_SPARC_WPLT30, SPARC64, 32, 0x3fff_ffff, [0x2000_0000, 0x1fff_ffff]),
        (R_SPARC_WDISP22, SPARC32, 24, 0x3f_ffff, [0x20_0000, 0x1f_ffff]),
        (R_SPARC_WDISP19, V8PLUS, 21, 0x7_ffff, [0x4_0000, 0x3_ffff]),
        (R_SPARC_WDISP16, SPARC64, 18, 0x30_3fff, [0x20_0000, 0x10_3fff]),
        (R_SPARC_WDISP10, SPARC64, 12, 0x18_1fe0, [0x10_0000, 0x8_1fe0]),
    ] {
        let place = machine.base + 4;
        let cut = |s: u64| if machine.class == 32 { s & 0xffff_ffff } else { s };
        let at = |value: i64| link(machine, !mask, kind, cut(place.wrapping_add_signed(value)), 0);
        let (min, max) = (-1 << (bits - 1), (1i64 << (bits - 1)) - 4);
        assert_eq!([at(min), at(max)], made.map(|field| Ok(!mask | field)), "type {kind}");
        assert_eq!([at(-4), at(0)], [Ok(!0), Ok(!mask)], "type {kind}");
        for value in [min - 4, max + 4] {
            assert_eq!(at(value), Err((fault::OUT_OF_RANGE, value)), "type {kind}");
        }
        assert_eq!(at(2), Err((fault::MISALIGNED, 2)), "type {kind}");
    }
    // A call reaches all of 32-bit memory.
    assert_eq!(link(SPARC32, 0x4000_0000, R_SPARC_WDISP30, SPARC32.base + 4 - 0x8000_0004, 0), Ok(0x5fff_ffff));
}

#[test]
fn operands_have_ranges() {
    for (kind, min, max, mask) in [
        (R_SPARC_13, -0x1000i64, 0xfff, 0x1fff),
        (R_SPARC_11, -0x400, 0x3ff, 0x7ff),
        (R_SPARC_10, -0x200, 0x1ff, 0x3ff),
        (R_SPARC_7, 0, 0x7f, 0x7f),
        (R_SPARC_6, 0, 0x3f, 0x3f),
        (R_SPARC_5, 0, 0x1f, 0x1f),
        (R_SPARC_22, -0x20_0000, 0x3f_ffff, 0x3f_ffff),
        (R_SPARC_32, -0x8000_0000, 0xffff_ffff, 0xffff_ffffu32),
    ] {
        for value in [min, max] {
            let made = link(SPARC64, !0, kind, value as u64, 0);
            assert_eq!(made, Ok(!mask | value as u32 & mask), "type {kind}");
        }
        for value in [min - 1, max + 1] {
            assert_eq!(link(SPARC64, !0, kind, value as u64, 0), Err((fault::OUT_OF_RANGE, value)), "type {kind}");
        }
    }
}

#[test]
fn data_may_lie_anywhere() {
    let mut m = Module::<Arch>::new();
    let data = m.section(".data", 0x1000_0000, &[0xa5; 24]);
    let s = m.symbol("s", 0x1234_5678);
    for (at, kind) in [(1, R_SPARC_UA16), (3, R_SPARC_UA32), (7, R_SPARC_UA64), (15, R_SPARC_8)] {
        m.relocate(data, at, kind, s, if kind == R_SPARC_UA16 || kind == R_SPARC_8 { -0x1234_5600 } else { 0 });
    }
    let out = m.link().unwrap();
    let mut expected = [0xa5; 24];
    expected[1..16].copy_from_slice(b"\x00\x78\x12\x34\x56\x78\0\0\0\0\x12\x34\x56\x78\x78");
    assert_eq!(out.section(data), expected);
}

#[test]
fn the_table_is_reached_by_offsets_and_distances() {
    for machine in [SPARC64, SPARC32] {
        let (mut m, word) = (Module::<Arch>::for_machine(machine), usize::from(machine.class / 8));
        let table_at = machine.base + 0x4000;
        m.synthetic_at(table_at);
        let code = [
            0x2f00_0000, // sethi %pc22(_GLOBAL_OFFSET_TABLE_ - 4), %l7
            0xae05_e000, // add %l7, %pc10(_GLOBAL_OFFSET_TABLE_ + 4), %l7
            0xd005_e000, // ld [%l7 + first@got13], %o0
            0x1100_0000, // sethi %gdop_hix22(second), %o0
            0x901a_2000, // xor %o0, %gdop_lox10(second), %o0
            0xd005_c008, // ld [%l7 + %o0], %o0, %gdop(second)
            0x1100_0000, // sethi %gdop_hix22 of a symbol 0x3000 before the table
            0x901a_2000,
        ];
        let text = m.section(".text", machine.base, &code.map(u32::to_be_bytes).concat());
        let (first, second) = (m.symbol("first", 0x1122_3344), m.symbol("second", 0x5566_7788));
        let near = m.symbol("near", table_at - 0x3000 + 0x123);
        let table = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
        m.relocate(text, 0, R_SPARC_PC22, table, -4);
        m.relocate(text, 4, R_SPARC_PC10, table, 4);
        m.relocate(text, 8, R_SPARC_GOT13, first, 0);
        m.relocate(text, 12, R_SPARC_GOTDATA_OP_HIX22, second, 0);
        m.relocate(text, 16, R_SPARC_GOTDATA_OP_LOX10, second, 0);
        m.relocate(text, 20, R_SPARC_GOTDATA_OP, second, 0);
        m.relocate(text, 24, R_SPARC_GOTDATA_HIX22, near, 0);
        m.relocate(text, 28, R_SPARC_GOTDATA_LOX10, near, 0);
        let out = m.link().unwrap();
        let made: Vec<_> = out.section(text).chunks(4).map(|w| u32::from_be_bytes(w.try_into().unwrap())).collect();
        let expected = [0x2f00_000f, 0xae05_e000, 0xd005_e000, 0x1100_0000, 0x901a_2000 + word as u32, code[5]];
        assert_eq!(made[..6], expected);
        // -0x2edd is turned over: 0x2edc, and back.
        assert_eq!(made[6..], [0x1100_000b, 0x901a_3d23]);
        let slots = &out.synthetic[0].contents;
        assert_eq!(
            (&slots[word - 4..word], &slots[2 * word - 4..]),
            (&[0x11, 0x22, 0x33, 0x44][..], &[0x55, 0x66, 0x77, 0x88][..])
        );
    }
}

#[test]
fn registers_are_no_symbols() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", 0x1000_0000, &[0; 8]);
    let flags = symbol_flag::UNDEFINED | symbol_flag::REGISTER;
    m.raw_symbol(Symbol { info: 0x1d, flags, value: 2, ..Default::default() }, "", 0);
    let s = m.symbol("s", 0x1000_0100);
    m.relocate(text, 0, R_SPARC_WDISP30, s, 0);
    assert_eq!(m.link().unwrap().section(text)[..4], [0, 0, 0, 0x40]);
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that binutils 2.40 has a name for.
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..=88).chain(248..=252).collect::<Vec<_>>());
    for kind in [R_SPARC_COPY, R_SPARC_REGISTER, R_SPARC_UNUSED_42, R_SPARC_TLS_GD_HI22, R_SPARC_JMP_IREL] {
        assert_eq!(link(SPARC64, 0, kind, 0, 0), Err((fault::REJECTED, 0)));
    }
    for kind in [89, 247, 253, 255, 0xabff] {
        assert_eq!(link(SPARC64, 0, kind, 0, 0), Err((fault::UNKNOWN_TYPE, i64::from(kind & 0xff))));
    }
}

#[test]
fn hostile_places_and_symbols() {
    for machine in [SPARC64, SPARC32, V8PLUS] {
        hostile_records_are_faults(|| Module::<Arch>::for_machine(machine));
        misplaced_words_are_outside(|| Module::<Arch>::for_machine(machine));
    }
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", 0x1000_0000, &[0; 8]);
    m.relocate(text, 0, R_SPARC_32, 0, 0);
    assert_eq!(kinds(&m.link().unwrap_err()), [fault::ADDEND_FORM]);
}
