//! Expected words marked "ld" are what GNU ld 2.40 and ld.lld 22 both wrote, for both byte orders, from
//! what gas 2.40 assembled; "bfd" is GNU ld alone, where lld does not know the type or does not check.

use super::types::*;
use super::*;
use relobox_plugin::abi::{Symbol, rule, symbol_flag};
use relobox_plugin::testing::{Module, bytes, kinds, words};
use relobox_plugin::{Architecture, Finding};

const BASE: u64 = 0xc000_1000;
const ORDERS: [u8; 2] = [order::LITTLE, order::BIG];

/// One section at `BASE` with words and relocations (offset, type, value of the symbol), addends in place.
/// Equal values are the same symbol.
fn rel(order: u8, text: &[u32], relocations: &[(u64, u32, u64)]) -> Result<Vec<u32>, Vec<Finding>> {
    let mut m = Module::<Arch>::for_machine(machine(order)).in_place();
    let section = m.section(".text", BASE, &bytes(order, text));
    let mut symbols = std::collections::BTreeMap::new();
    for (offset, kind, value) in relocations {
        let symbol = *symbols.entry(*value).or_insert_with(|| m.symbol("s", *value));
        m.relocate(section, *offset, *kind, symbol, 0);
    }
    Ok(words(order, m.link()?.section(section)))
}

/// One word at `place`, one relocation with an explicit addend; little-endian.
fn rela(place: u64, word: u32, kind: u32, s: u64, a: i64) -> Result<u32, Vec<Finding>> {
    let mut m = Module::<Arch>::new();
    let section = m.section(".text", place, &bytes(order::LITTLE, &[word]));
    let symbol = m.symbol("s", s);
    m.relocate(section, 0, kind, symbol, a);
    Ok(words(order::LITTLE, m.link()?.section(section))[0])
}

#[test]
fn what_the_assembler_writes() {
    // lui/addiu of ext+0x12348000, lui/lw of .data+0x8004 and +0xfffc, jal ext, jal .text+0x34,
    // beq ext2, bne ext2+0x100, .word ext+5, .word .text+0x34, .word ext-.   (ld)
    let (ext, near, text, data) = (0xc034_5678, 0xc000_9000, BASE, 0xc002_0000);
    let before = [
        0x3c04_1235,
        0x2484_8000,
        0x3c04_0001,
        0x8c84_8004,
        0x3c04_0001,
        0x8c84_fffc,
        0x0c00_0000,
        0x0c00_000d,
        0x1085_ffff,
        0x1485_003f,
        0x0000_0005,
        0x0000_0034,
        0x0000_0000,
    ];
    let relocations = [
        (0, R_MIPS_HI16, ext),
        (4, R_MIPS_LO16, ext),
        (8, R_MIPS_HI16, data),
        (12, R_MIPS_LO16, data),
        (16, R_MIPS_HI16, data),
        (20, R_MIPS_LO16, data),
        (24, R_MIPS_26, ext),
        (28, R_MIPS_26, text),
        (32, R_MIPS_PC16, near),
        (36, R_MIPS_PC16, near),
        (40, R_MIPS_32, ext),
        (44, R_MIPS_32, text),
        (48, R_MIPS_PC32, ext),
        (0, R_MIPS_JALR, ext),
        (0, R_MIPS_NONE, 0),
    ];
    let after = [
        0x3c04_d269,
        0x2484_d678,
        0x3c04_c003,
        0x8c84_8004,
        0x3c04_c003,
        0x8c84_fffc,
        0x0c0d_159e,
        0x0c00_040d,
        0x1085_1ff7,
        0x1485_2036,
        0xc034_567d,
        0xc000_1034,
        0x0034_4648,
    ];
    for order in ORDERS {
        assert_eq!(rel(order, &before, &relocations).unwrap(), after);
    }
}

#[test]
fn many_high_halves_share_a_low_one_in_file_order() {
    // Not in the order of offsets; each HI16 has an upper half of its own; the low half borrows.  (ld)
    let t = 0xc034_5678;
    let before = [0x3c04_0000, 0x2484_8000, 0x3c05_1234, 0x8ca5_7ffc, 0x3c06_ffff];
    let relocations =
        [(16, R_MIPS_HI16, t), (0, R_MIPS_HI16, t), (8, R_MIPS_HI16, t), (4, R_MIPS_LO16, t), (12, R_MIPS_LO16, t)];
    let after = [0x3c04_c034, 0x2484_d678, 0x3c05_d268, 0x8ca5_d674, 0x3c06_c033];
    for order in ORDERS {
        assert_eq!(rel(order, &before, &relocations).unwrap(), after);
    }
}

#[test]
fn as_many_as_real_modules_have() {
    const N: usize = 273;
    let mut text = vec![0x3c02_0001; N];
    text.push(0x2442_8000);
    let mut relocations: Vec<_> = (0..N as u64).rev().map(|i| (i * 4, R_MIPS_HI16, 0x8010_8000)).collect();
    relocations.push((N as u64 * 4, R_MIPS_LO16, 0x8010_8000));
    let out = rel(order::LITTLE, &text, &relocations).unwrap();
    // 0x8010_8000 + 0x1_0000 - 0x8000
    assert!(out[..N].iter().all(|w| *w == 0x3c02_8011));
    assert_eq!(out[N], 0x2442_0000);
}

#[test]
fn the_carry_at_its_edges() {
    for (s, low, hi, lo) in [
        (0x8010_7fffu64, 0u32, 0x8010u32, 0x7fffu32),
        (0x8010_7fff, 1, 0x8011, 0x8000),
        (0x8010_8000, 0, 0x8011, 0x8000),
        (0x8010_8000, 0xffff, 0x8010, 0x7fff),
        (0x8010_0000, 0x8000, 0x8010, 0x8000),
        (0x8010_ffff, 0x8001, 0x8011, 0x8000),
        (0xffff_ffff, 0, 0x0000, 0xffff),
        (0xffff_8000, 0, 0x0000, 0x8000),
        (0xffff_7fff, 0, 0xffff, 0x7fff),
    ] {
        for order in ORDERS {
            let relocations = [(0, R_MIPS_HI16, s), (4, R_MIPS_LO16, s)];
            let out = rel(order, &[0x3c04_0000, 0x2484_0000 | low], &relocations).unwrap();
            assert_eq!(out, [0x3c04_0000 | hi, 0x2484_0000 | lo], "{s:#x} {low:#x}");
            // What the two instructions make of it is S + A.
            let sum = (out[0] << 16).wrapping_add_signed(i32::from(out[1] as i16));
            assert_eq!(sum, (s as u32).wrapping_add_signed(i32::from(low as i16)));
        }
    }
}

#[test]
fn a_low_half_needs_no_high_half() {
    let s = 0x8012_3456;
    let out = rel(order::BIG, &[0x2484_0004, 0x8c84_fffc], &[(4, R_MIPS_LO16, s), (0, R_MIPS_LO16, s)]).unwrap();
    assert_eq!(out, [0x2484_345a, 0x8c84_3452]);
}

#[test]
fn other_relocations_may_stand_between() {
    let s = 0x8010_8000;
    let relocations = [
        (0, R_MIPS_HI16, s),
        (8, R_MIPS_32, 0x10),
        (0, R_MIPS_JALR, 0x20),
        (12, R_MIPS_PCLO16, 0x20),
        (4, R_MIPS_LO16, s),
    ];
    let out = rel(order::LITTLE, &[0x3c04_0000, 0x2484_0000, 1, 0], &relocations).unwrap();
    assert_eq!(out[..3], [0x3c04_8011, 0x2484_8000, 0x11]);
}

#[test]
fn what_has_no_pair_is_named() {
    let (a, b) = (0x8010_0000, 0x8020_0000);
    // Two of another symbol than the LO16, one good, one left over, one that only a PCLO16 follows.
    let relocations = [
        (0, R_MIPS_HI16, a),
        (4, R_MIPS_HI16, a),
        (8, R_MIPS_HI16, b),
        (12, R_MIPS_LO16, b),
        (16, R_MIPS_HI16, b),
        (20, R_MIPS_PCLO16, b),
    ];
    let findings = rel(order::BIG, &[0; 6], &relocations).unwrap_err();
    assert_eq!(kinds(&findings), [fault::UNPAIRED; 3]);
    let places: Vec<_> = findings.iter().map(|f| (f.fault.relocation, f.fault.offset, f.fault.symbol)).collect();
    assert_eq!(places, [(0, 0, 1), (1, 4, 1), (4, 16, 2)]);
    assert!(findings[0].text.contains("another symbol") && findings[2].text.contains("follows"));
}

#[test]
fn pairs_do_not_cross_sections() {
    let mut m = Module::<Arch>::new().in_place();
    let one = m.section(".text", BASE, &[0; 8]);
    let two = m.section(".init.text", BASE + 0x100, &[0; 8]);
    let s = m.symbol("s", 0x8010_8000);
    m.relocate(one, 0, R_MIPS_HI16, s, 0);
    m.relocate(two, 0, R_MIPS_LO16, s, 0);
    m.relocate(two, 4, R_MIPS_HI16, s, 0);
    let findings = m.link().unwrap_err();
    assert_eq!(kinds(&findings), [fault::UNPAIRED; 2]);
    assert_eq!([findings[0].fault.section, findings[1].fault.section], [one, two]);
}

#[test]
fn explicit_addends_are_not_paired() {
    // The same expressions as in `what_the_assembler_writes`, fields full of ones.  (ld)
    assert_eq!(rela(BASE, 0x3c04_ffff, R_MIPS_HI16, 0xc034_5678, 0x1234_8000).unwrap(), 0x3c04_d269);
    assert_eq!(rela(BASE, 0x2484_ffff, R_MIPS_LO16, 0xc034_5678, 0x1234_8000).unwrap(), 0x2484_d678);
    assert_eq!(rela(BASE, !0, R_MIPS_32, 0xc034_5678, 5).unwrap(), 0xc034_567d);
    assert_eq!(rela(BASE, 0x0fff_ffff, R_MIPS_26, 0xc034_5678, 0).unwrap(), 0x0c0d_159e);
    assert_eq!(rela(BASE + 0x30, 0x1085_ffff, R_MIPS_PC16, 0xc000_9000, -4).unwrap(), 0x1085_1ff3);
}

#[test]
fn release_6() {
    // auipc and addiu of t, the same of t+4, lwpc of t+8, beqzc t, bc t-0x40. Each half of a pair has its
    // own P: the assembler's user counts from the first by an addend.   (ld)
    let t = 0xc005_8ff8;
    let before = [0xec9e_0000, 0x2484_0004, 0xec9e_0000, 0x2484_0008, 0xec88_0002, 0xd89f_ffff, 0xcbff_ffef];
    let types =
        [R_MIPS_PCHI16, R_MIPS_PCLO16, R_MIPS_PCHI16, R_MIPS_PCLO16, R_MIPS_PC19_S2, R_MIPS_PC21_S2, R_MIPS_PC26_S2];
    let relocations: Vec<_> = (0..).step_by(4).zip(types).map(|(at, kind)| (at, kind, t)).collect();
    let after = [0xec9e_0005, 0x2484_7ff8, 0xec9e_0005, 0x2484_7ff4, 0xec89_5ffc, 0xd881_5ff8, 0xc801_5fe7];
    for order in ORDERS {
        assert_eq!(rel(order, &before, &relocations).unwrap(), after);
    }
}

#[test]
fn ranges_end_where_they_should() {
    // Type, lowest and highest S + A - P, step; bfd takes and refuses the same ones.
    for (kind, low, high, step) in [
        (R_MIPS_PC16, -0x2_0000i64, 0x1_fffc, 4),
        (R_MIPS_GNU_REL16_S2, -0x2_0000, 0x1_fffc, 4),
        (R_MIPS_PC21_S2, -0x40_0000, 0x3f_fffc, 4),
        (R_MIPS_PC26_S2, -0x800_0000, 0x7ff_fffc, 4),
        (R_MIPS_PC19_S2, -0x10_0000, 0xf_fffc, 4),
        (R_MIPS_PC18_S3, -0x10_0000, 0xf_fff8, 8),
    ] {
        let at = |distance: i64| rela(BASE, 0, kind, BASE.wrapping_add_signed(distance), 0);
        let row = Arch::ABOUT.rows.iter().find(|r| r.kind == kind).unwrap();
        let bits = row.slices[0].len;
        assert_eq!(at(low).unwrap(), 1 << (bits - 1));
        assert_eq!(at(high).unwrap(), (1 << (bits - 1)) - 1);
        assert_eq!(kinds(&at(low - step).unwrap_err()), [fault::OUT_OF_RANGE]);
        assert_eq!(kinds(&at(high + step).unwrap_err()), [fault::OUT_OF_RANGE]);
        let crooked = at(step / 2).unwrap_err();
        assert_eq!(kinds(&crooked), [fault::MISALIGNED]);
        assert_eq!((crooked[0].fault.value, crooked[0].fault.min), (step / 2, step));
    }
    assert_eq!(rela(BASE, 0, R_MIPS_16, 0x7fff, 0).unwrap(), 0x7fff);
    assert_eq!(rela(BASE, 0, R_MIPS_16, 0, -0x8000).unwrap(), 0x8000);
    assert_eq!(kinds(&rela(BASE, 0, R_MIPS_16, 0x8000, 0).unwrap_err()), [fault::OUT_OF_RANGE]);
    assert_eq!(kinds(&rela(BASE, 0, R_MIPS_16, 0, -0x8001).unwrap_err()), [fault::OUT_OF_RANGE]);
}

#[test]
fn distances_wrap_at_32_bits() {
    // From the last page of memory to the first.
    assert_eq!(rela(0xffff_f000, 0, R_MIPS_PC16, 0x1000, 0).unwrap(), 0x2000 / 4);
    assert_eq!(rela(0xffff_f000, 0, R_MIPS_PC32, 0x1000, 0).unwrap(), 0x2000);
}

#[test]
fn a_half_word_is_the_lower_half_of_its_word() {
    for order in ORDERS {
        // .reloc 0, R_MIPS_16, 0x123  (bfd)
        let out = rel(order, &[0x5555_0003, 0xaaaa_fff0], &[(0, R_MIPS_16, 0x123), (4, R_MIPS_16, 0x123)]).unwrap();
        assert_eq!(out, [0x5555_0126, 0xaaaa_0113]);
    }
}

#[test]
fn ldpc_counts_from_a_double_word() {
    // P is rounded down to 8. (So does bfd; lld does not know the type.)
    assert_eq!(rela(0xc000_1004, 0xec98_0000, R_MIPS_PC18_S3, 0xc000_2000, 0).unwrap(), 0xec98_0200);
    assert_eq!(rela(0xc000_1000, 0xec98_0000, R_MIPS_PC18_S3, 0xc000_2000, 0).unwrap(), 0xec98_0200);
}

#[test]
fn a_jump_stays_in_the_segment_of_its_delay_slot() {
    // (bfd)
    let jump = |place, s| rela(place, 0x0c00_0000, R_MIPS_26, s, 0);
    assert_eq!(jump(BASE, 0xc000_0000).unwrap(), 0x0c00_0000);
    assert_eq!(jump(BASE, 0xcfff_fffc).unwrap(), 0x0fff_ffff);
    for s in [0xd000_0000, 0xbfff_fffc, 0x8010_0000] {
        let findings = jump(BASE, s).unwrap_err();
        let f = &findings[0].fault;
        assert_eq!((f.kind, f.value as u64, f.min, f.max), (fault::OUT_OF_RANGE, s, 0xc000_0000, 0xcfff_fffc));
        assert!(findings[0].text.contains("-mlong-calls"));
    }
    let last = 0xcfff_fffc;
    assert_eq!(jump(last, 0xd000_0000).unwrap(), 0x0c00_0000);
    assert_eq!(jump(last, 0xdfff_fffc).unwrap(), 0x0fff_ffff);
    assert!(jump(last, 0xcfff_fffc).is_err() && jump(last, 0xe000_0000).is_err());
    // The last delay slot of all is at 0.
    assert_eq!(jump(0xffff_fffc, 0x10).unwrap(), 0x0c00_0004);
    assert_eq!(kinds(&jump(BASE, 0xc000_0002).unwrap_err()), [fault::MISALIGNED]);
}

#[test]
fn an_addend_in_a_jump_counts_up_from_a_section_and_both_ways_from_a_symbol() {
    // jal t-8; jal .text+0x8001000; jal .text+0xffffffc  (bfd, ld for the bits)
    let out = rel(order::BIG, &[0x0fff_fffe], &[(0, R_MIPS_26, 0xc000_0010)]).unwrap();
    assert_eq!(out, [0x0c00_0002]);
    assert_eq!(
        kinds(&rel(order::BIG, &[0x0fff_fffe], &[(0, R_MIPS_26, 0xc000_0004)]).unwrap_err()),
        [fault::OUT_OF_RANGE]
    );
    let section_symbol = Symbol { info: 3, section: 1, flags: symbol_flag::LOCAL, ..Default::default() };
    for (field, expected) in [(0x0e00_0400, 0x0e00_0400), (0x0fff_ffff, 0x0fff_ffff)] {
        let mut m = Module::<Arch>::new().in_place();
        let text = m.section(".text", 0xc000_0000, &bytes(order::LITTLE, &[field]));
        let symbol = m.raw_symbol(section_symbol, "", 0xc000_0000);
        m.relocate(text, 0, R_MIPS_26, symbol, 0);
        assert_eq!(words(order::LITTLE, m.link().unwrap().section(text)), [expected]);
    }
}

#[test]
fn bits_around_a_field_stay() {
    for order in ORDERS {
        for row in Arch::ABOUT.rows.iter().filter(|r| !r.slices.is_empty()) {
            let owned = row.slices.iter().fold(0u32, |m, s| m | (((1u64 << s.len) - 1) << s.field_bit) as u32);
            let small = row.rule.kind == rule::SIGNED && row.rule.bits == 16;
            let write = |word: u32| {
                let mut m = Module::<Arch>::for_machine(machine(order));
                let text = m.section(".text", BASE, &bytes(order, &[0x1122_3344, word, 0x5566_7788]));
                let symbol = m.symbol("s", if small { 0x1555 } else { BASE + 0x5554 });
                m.relocate(text, 4, row.kind, symbol, if row.kind == R_MIPS_PC18_S3 { 4 } else { 0 });
                words(order, m.link().unwrap().section(text))
            };
            let (zeros, ones) = (write(0), write(!0));
            assert_eq!(zeros[1] & !owned, 0, "{}", row.name);
            assert_eq!(ones[1] & !owned, !owned, "{}", row.name);
            assert_eq!(zeros[1] & owned, ones[1] & owned, "{}", row.name);
            assert_ne!(zeros[1] & owned, if owned == !0 { 0 } else { owned }, "{}", row.name);
            assert_eq!([zeros[0], zeros[2], ones[0], ones[2]], [0x1122_3344, 0x5566_7788, 0x1122_3344, 0x5566_7788]);
        }
    }
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that readelf of binutils 2.40 or of LLVM 22 has a name for.
    let known = (0..=51).chain(60..=65).chain(100..=113).chain([126, 127]).chain(133..=142).chain(145..=157);
    let known = known.chain(162..=166).chain([169, 170]).chain(172..=177).chain([248, 249, 250, 253, 254]);
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    assert_eq!(rows, known.collect::<Vec<_>>());

    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 4]);
    let s = m.symbol("s", BASE);
    for kind in [R_MIPS_GPREL16, R_MIPS_64, R_MIPS_GOT16, R_MICROMIPS_26_S1, R_MIPS_COPY, 200, 255, u32::MAX] {
        m.relocate(text, 0, kind, s, 0);
    }
    let findings = m.link().unwrap_err();
    assert_eq!(kinds(&findings)[..5], [fault::REJECTED; 5]);
    assert_eq!(kinds(&findings)[5..], [fault::UNKNOWN_TYPE; 3]);
    assert!(findings[0].text.contains("-G 0") && findings[2].text.contains("-mno-abicalls"));
}

#[test]
fn hostile_places_and_symbols() {
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", BASE, &[0; 8]);
    let s = m.symbol("s", 0x8010_0000);
    let wild = 1 << 20;
    m.relocate(text, u64::MAX, R_MIPS_32, s, 0);
    m.relocate(text, 5, R_MIPS_32, s, 0);
    m.relocate(text, 1 << 32, R_MIPS_HI16, s, 0);
    m.relocate(text, 0, R_MIPS_HI16, wild, 0);
    m.relocate(text, 0, R_MIPS_HI16, s, 0);
    m.relocate(text, u64::MAX - 1, R_MIPS_LO16, s, 0);
    m.relocate(text, 0, R_MIPS_HI16, s, 0);
    m.relocate(text, 4, R_MIPS_LO16, u32::MAX, 0);
    let expected = [
        fault::OUTSIDE,
        fault::OUTSIDE,
        fault::OUTSIDE,
        fault::BAD_SYMBOL,
        fault::OUTSIDE,
        fault::UNPAIRED,
        fault::BAD_SYMBOL,
    ];
    assert_eq!(kinds(&m.link().unwrap_err()), expected);
}

#[test]
fn time_is_linear() {
    // With a scan for each, this would be 4e10 steps.
    const N: u64 = 200_000;
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", BASE, &[0; 8]);
    let s = m.symbol("s", 0x8010_0000);
    for i in 0..N {
        m.relocate(text, 0, if i % 2 == 0 { R_MIPS_HI16 } else { R_MIPS_PCHI16 }, s, 0);
    }
    m.relocate(text, 4, R_MIPS_PCLO16, s, 0);
    assert_eq!(m.link().unwrap_err().len(), 1000);
}

#[test]
fn machines() {
    let link = |flags| {
        let mut m = Module::<Arch>::for_machine(Machine { flags_value: flags, ..machine(order::LITTLE) });
        m.section(".text", BASE, &[0; 4]);
        m.link().map(|_| ()).map_err(|f| (f[0].fault.kind, f[0].text))
    };
    // Debian's 4kc-malta, and a file that does not name its ABI.
    assert_eq!(link(0x7000_1001), Ok(()));
    assert_eq!(link(0), Ok(()));
    // n32, o64.
    assert_eq!(link(0x8000_0020).unwrap_err().0, fault::BAD_MACHINE);
    assert_eq!(link(0x2000_2000).unwrap_err().0, fault::BAD_MACHINE);
    let (kind, text) = link(0x7200_1000).unwrap_err();
    assert_eq!(kind, fault::OTHER);
    assert!(text.contains("microMIPS"));
}

#[test]
fn code_that_sets_up_gp_is_refused() {
    for name in ["_gp_disp", "__gnu_local_gp"] {
        let mut m = Module::<Arch>::new().in_place();
        m.section(".text", BASE, &[0; 8]);
        let symbol = m.symbol(name, 0);
        let findings = m.link().unwrap_err();
        assert_eq!((findings.len(), findings[0].fault.kind, findings[0].fault.symbol), (1, fault::OTHER, symbol));
    }
}
