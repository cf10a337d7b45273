//! Expected words marked "ld" are what GNU ld 2.40 and ld.lld 22 both wrote, for both byte orders, from what gas 2.40
//! or llvm-mc 22 assembled; "bfd" is GNU ld alone, where lld does not know the type.

use super::types::*;
use super::*;
use relobox_plugin::abi::rule;
use relobox_plugin::testing::{Module, bytes, kinds, words};
use relobox_plugin::{Architecture, Finding};

const BASE: u64 = 0xffff_ffff_c000_1000;
const ORDERS: [u8; 2] = [order::LITTLE, order::BIG];
const EVERY: [(u8, u8); 4] = [(64, order::LITTLE), (64, order::BIG), (32, order::LITTLE), (32, order::BIG)];

/// A double word, as two words in the byte order of the data.
fn halves(order: u8, double: u64) -> [u32; 2] {
    let (high, low) = ((double >> 32) as u32, double as u32);
    if order == order::BIG { [high, low] } else { [low, high] }
}

/// What an address is in a class.
fn cut(class: u8, address: u64) -> u64 {
    if class == 32 { address & 0xffff_ffff } else { address }
}

/// One section at `BASE` with words and relocations: offset, type, value of the symbol, addend. Equal values are the
/// same symbol.
fn link(
    (class, order): (u8, u8),
    in_place: bool,
    text: &[u32],
    relocations: &[(u64, u32, u64, i64)],
) -> Result<Vec<u32>, Vec<Finding>> {
    let mut m = Module::<Arch>::for_machine(machine(class, order));
    if in_place {
        m = m.in_place();
    }
    let section = m.section(".text", cut(class, BASE), &bytes(order, text));
    let mut symbols = std::collections::BTreeMap::new();
    for (offset, kind, value, addend) in relocations {
        let symbol = *symbols.entry(*value).or_insert_with(|| m.symbol("s", cut(class, *value)));
        m.relocate(section, *offset, *kind, symbol, *addend);
    }
    Ok(words(order, m.link()?.section(section)))
}

/// Two words at `place` in n64, little-endian, with one relocation; as a double word.
fn rela(place: u64, double: u64, kind: u32, s: u64, a: i64) -> Result<u64, Vec<Finding>> {
    let mut m = Module::<Arch>::new();
    let section = m.section(".text", place, &double.to_le_bytes());
    let symbol = m.symbol("s", s);
    m.relocate(section, 0, kind, symbol, a);
    Ok(u64::from_le_bytes(m.link()?.section(section).try_into().unwrap()))
}

#[test]
fn what_the_assembler_writes() {
    // dla-like sequence of far+0x12348000 (highest, higher, hi, ld of lo), jal f, beq near, bne near+0x100,
    // .word near+5, .word near-.  (ld)
    let (far, near) = (0xc123_4567_89ab_cdef, 0xffff_ffff_c000_9000);
    let a = 0x1234_8000;
    let before =
        [0x3c04_0000, 0x6484_0000, 0x0004_2438, 0x6484_0000, 0xdc84_0000, 0x0c00_0000, 0x1085_0000, 0x1485_0000, 0, 0];
    let relocations = [
        (0, R_MIPS_HIGHEST, far, a),
        (4, R_MIPS_HIGHER, far, a),
        (12, R_MIPS_HI16, far, a),
        (16, R_MIPS_LO16, far, a),
        (20, R_MIPS_26, BASE, 0),
        (24, R_MIPS_PC16, near, -4),
        (28, R_MIPS_PC16, near, 0xfc),
        (32, R_MIPS_32, near, 5),
        (36, R_MIPS_PC32, near, 0),
        (0, R_MIPS_JALR, far, 0),
        (0, R_MIPS_NONE, 0, 0),
    ];
    let after = [
        0x3c04_c123,
        0x6484_4568,
        0x0004_2438,
        0x6484_9be0,
        0xdc84_4def,
        0x0c00_0400,
        0x1085_1ff9,
        0x1485_2038,
        0xc000_9005,
        0x0000_7fdc,
    ];
    for order in ORDERS {
        assert_eq!(link((64, order), false, &before, &relocations).unwrap(), after);
    }
}

#[test]
fn double_words() {
    // .dword far+5; .dword near; llvm-mc's .dword near-.  (ld)
    let (far, near) = (0xc123_4567_89ab_cdef, 0xffff_ffff_c000_9000);
    for order in ORDERS {
        let relocations = [(0, R_MIPS_64, far, 5), (8, R_MIPS_64, near, 0), (16, R_MIPS_PC32_64, near, 0)];
        let out = link((64, order), false, &[u32::MAX; 6], &relocations).unwrap();
        let expected = [0xc123_4567_89ab_cdf4, near, near - (BASE + 16)];
        assert_eq!(out, expected.map(|double| halves(order, double)).concat());
    }
    assert_eq!(rela(BASE, 0, R_MIPS_PC32_64, 0xffff_ffff_8010_0000, 0).unwrap(), 0xffff_ffff_c00f_f000);
    assert_eq!(rela(BASE, 7, R_MIPS_SUB, 0x1000, 0x1001).unwrap(), u64::MAX);
}

#[test]
fn composed_types_are_one_number() {
    // %hi(%neg(far+0x1234)), %lo, %highest and %higher of it: all of far-0x1234.  (bfd)
    let far = 0xc123_4567_89ab_cdef;
    let before = [0x3c03_0000, 0x6463_0000, 0x3c03_0000, 0x6463_0000];
    let types = [R_MIPS_SUB_HI16, R_MIPS_SUB_LO16, R_MIPS_SUB_HIGHEST, R_MIPS_SUB_HIGHER];
    assert_eq!(types[..2], [R_MIPS_SUB | R_MIPS_HI16 << 8, R_MIPS_SUB | R_MIPS_LO16 << 8]);
    let relocations: Vec<_> = (0..).step_by(4).zip(types).map(|(at, kind)| (at, kind, far, 0x1234)).collect();
    for order in ORDERS {
        let out = link((64, order), false, &before, &relocations).unwrap();
        assert_eq!(out, [0x3c03_89ac, 0x6463_bbbb, 0x3c03_c123, 0x6463_4568]);
    }
    // What sets up $gp is refused, and so is a special symbol, or a third type that means nothing.
    let refused = [
        (R_MIPS_GPREL16 | R_MIPS_SUB << 8 | R_MIPS_HI16 << 16, fault::REJECTED, "-mno-abicalls"),
        (R_MIPS_GPREL16_SUB_LO16, fault::REJECTED, "-mno-abicalls"),
        (R_MIPS_GPREL32 | R_MIPS_64 << 8, fault::REJECTED, "-mno-abicalls"),
        (R_MIPS_REL32_64, fault::REJECTED, DYNAMIC),
        (R_MIPS_64 | 1 << 24, fault::UNKNOWN_TYPE, ""),
        (R_MIPS_SUB_HI16 | R_MIPS_LO16 << 16, fault::UNKNOWN_TYPE, ""),
        (R_MIPS_64 << 8, fault::UNKNOWN_TYPE, ""),
    ];
    for (kind, expected, text) in refused {
        let findings = rela(BASE, 0, kind, far, 0).unwrap_err();
        assert_eq!(kinds(&findings), [expected], "{kind:#x}");
        assert!(findings[0].text.contains(text), "{}", findings[0].text);
    }
}

#[test]
fn four_instructions_make_any_address() {
    // lui, daddiu, dsll 16, daddiu, dsll 16, daddiu: each immediate has a sign.
    let edges = [0u64, 0x7fff, 0x8000, 0x7fff_7fff, 0x7fff_8000, 0x7fff_7fff_7fff, 0x7fff_7fff_8000, 0x7fff_8000_0000];
    for s in edges.iter().flat_map(|e| [*e, !e, e.wrapping_neg(), e | 0xabcd_0000_0000_0000]) {
        let part = |kind| rela(BASE, 0, kind, s.wrapping_sub(0x1234), 0x1234).unwrap() as u16 as i16;
        let parts = [R_MIPS_HIGHEST, R_MIPS_HIGHER, R_MIPS_HI16, R_MIPS_LO16].map(part);
        let sum = parts.iter().fold(0u64, |sum, part| (sum << 16).wrapping_add_signed((*part).into()));
        assert_eq!(sum, s);
        if s as i32 as i64 as u64 == s {
            // With -msym32, lui alone is sign-extended.
            let lui = u64::from(parts[2] as u16) << 16;
            assert_eq!((lui as i32 as i64 as u64).wrapping_add_signed(parts[3].into()) as u32, s as u32);
        }
    }
}

#[test]
fn release_6() {
    // auipc and daddiu of t, lwpc of t+8, beqzc t, bc t-0x40.  (ld)
    let t = 0xffff_ffff_c005_8ff8;
    let before = [0xec9e_0000, 0x6484_0000, 0xec88_0000, 0xd880_0000, 0xc800_0000];
    let relocations = [
        (0, R_MIPS_PCHI16, t, 0),
        (4, R_MIPS_PCLO16, t, 4),
        (8, R_MIPS_PC19_S2, t, 8),
        (12, R_MIPS_PC21_S2, t, -4),
        (16, R_MIPS_PC26_S2, t, -0x44),
    ];
    let after = [0xec9e_0005, 0x6484_7ff8, 0xec89_5ffe, 0xd881_5ffa, 0xc801_5fe9];
    for machine in EVERY {
        assert_eq!(link(machine, false, &before, &relocations).unwrap(), after);
    }
}

#[test]
fn ldpc_counts_from_a_double_word() {
    // P is rounded down to 8.  (ld)
    let at = |place: u64| rela(place, 0xec98_0000, R_MIPS_PC18_S3, 0xffff_ffff_c000_2000, 0).unwrap();
    assert_eq!([at(BASE), at(BASE + 4)], [0xec98_0200; 2]);
}

#[test]
fn ranges_end_where_they_should() {
    // Type, lowest and highest S + A - P, step.
    for (kind, low, high, step) in [
        (R_MIPS_PC16, -0x2_0000i64, 0x1_fffc, 4),
        (R_MIPS_GNU_REL16_S2, -0x2_0000, 0x1_fffc, 4),
        (R_MIPS_PC21_S2, -0x40_0000, 0x3f_fffc, 4),
        (R_MIPS_PC26_S2, -0x800_0000, 0x7ff_fffc, 4),
        (R_MIPS_PC19_S2, -0x10_0000, 0xf_fffc, 4),
        (R_MIPS_PC18_S3, -0x10_0000, 0xf_fff8, 8),
        (R_MIPS_PC32, -0x8000_0000, 0x7fff_ffff, 1),
        (R_MIPS_PCHI16, -0x8000_8000, 0x7fff_7fff, 1),
    ] {
        let at = |distance: i64| rela(BASE, 0, kind, BASE.wrapping_add_signed(distance), 0);
        let bits = Arch::ABOUT.rows.iter().find(|r| r.kind == kind).unwrap().slices[0].len;
        assert_eq!(at(low).unwrap(), 1 << (bits - 1));
        assert_eq!(at(high).unwrap(), (1 << (bits - 1)) - 1);
        assert_eq!(kinds(&at(low - step).unwrap_err()), [fault::OUT_OF_RANGE]);
        assert_eq!(kinds(&at(high + step).unwrap_err()), [fault::OUT_OF_RANGE]);
        if step > 1 {
            assert_eq!(kinds(&at(step / 2).unwrap_err()), [fault::MISALIGNED]);
        }
    }
    assert_eq!(rela(BASE, 0, R_MIPS_16, 0x7fff, 0).unwrap(), 0x7fff);
    assert_eq!(rela(BASE, 0, R_MIPS_16, 0, -0x8000).unwrap(), 0x8000);
    assert_eq!(kinds(&rela(BASE, 0, R_MIPS_16, 0x8000, 0).unwrap_err()), [fault::OUT_OF_RANGE]);
    assert_eq!(kinds(&rela(BASE, 0, R_MIPS_16, 0, -0x8001).unwrap_err()), [fault::OUT_OF_RANGE]);
}

#[test]
fn a_jump_stays_in_the_segment_of_its_delay_slot() {
    // (bfd; lld does not check)
    for class in [64, 32] {
        let jump = |place: u64, s: u64| {
            let mut m = Module::<Arch>::for_machine(machine(class, order::BIG));
            let section = m.section(".text", cut(class, place), &bytes(order::BIG, &[0x0c00_0000]));
            let symbol = m.symbol("s", cut(class, s));
            m.relocate(section, 0, R_MIPS_26, symbol, 0);
            m.link().map(|linked| words(order::BIG, linked.section(section))[0])
        };
        let segment = 0xffff_ffff_c000_0000;
        assert_eq!(jump(BASE, segment).unwrap(), 0x0c00_0000);
        assert_eq!(jump(BASE, segment + 0xfff_fffc).unwrap(), 0x0fff_ffff);
        for s in [segment + 0x1000_0000, segment - 4, 0xffff_ffff_8010_0000] {
            let findings = jump(BASE, s).unwrap_err();
            let f = &findings[0].fault;
            let value = cut(class, s).wrapping_sub(cut(class, segment)) as i64;
            let value = if class == 32 { i64::from(value as i32) } else { value };
            assert_eq!((f.kind, f.value, f.min, f.max), (fault::OUT_OF_RANGE, value, 0, 0xfff_ffff));
        }
        let last = segment + 0xfff_fffc;
        assert_eq!(jump(last, segment + 0x1000_0000).unwrap(), 0x0c00_0000);
        assert!(jump(last, last).is_err() && jump(last, segment + 0x2000_0000).is_err());
        // The last delay slot of all is at 0.
        assert_eq!(jump(u64::MAX - 3, 0x10).unwrap(), 0x0c00_0004);
        assert_eq!(kinds(&jump(BASE, segment + 2).unwrap_err()), [fault::MISALIGNED]);
    }
    // Linux compares bits 28 to 31 alone.
    assert!(rela(BASE, 0, R_MIPS_26, 0xc000_1000, 0).is_err());
}

#[test]
fn n32_addresses_are_sign_extended() {
    // Values as GNU ld writes them into an n32 file.
    let s = 0x8010_8000;
    for order in ORDERS {
        let relocations = [
            (0, R_MIPS_64, s, -4),
            (8, R_MIPS_HIGHEST, s, 0),
            (12, R_MIPS_HIGHER, s, 0),
            (16, R_MIPS_HI16, s, 0),
            (20, R_MIPS_LO16, s, 0),
            (24, R_MIPS_32, s, 8),
            (28, R_MIPS_PC32, s, 0),
        ];
        let out = link((32, order), false, &[0xffff_ffff; 8], &relocations).unwrap();
        assert_eq!(out[..2], halves(order, 0xffff_ffff_8010_7ffc));
        let rest = [0xffff_0000, 0xffff_0000, 0xffff_8011, 0xffff_8000, 0x8010_8008, 0xc010_6fe4];
        assert_eq!(out[2..], rest);
    }
}

#[test]
fn n32_composes_by_several_relocations_which_are_refused() {
    let compose = |first, second, symbol: u32| {
        let mut m = Module::<Arch>::for_machine(machine(32, order::BIG));
        let text = m.section(".text", 0xc000_1000, &[0; 16]);
        let s = m.symbol("s", 0xc000_0000);
        m.relocate(text, 4, first, s, 0);
        m.relocate(text, 4, second, symbol * s, 0);
        m.link().map(|_| ()).map_err(|f| f.iter().map(|f| (f.fault.kind, f.fault.offset)).collect::<Vec<_>>())
    };
    for (first, second) in [(R_MIPS_SUB, R_MIPS_HI16), (R_MIPS_SUB, R_MIPS_LO16), (R_MIPS_PC32, R_MIPS_64)] {
        assert_eq!(compose(first, second, 0), Err(vec![(fault::OTHER, 4)]));
        assert_eq!(compose(first, second, 1), Ok(()));
    }
    assert_eq!(compose(R_MIPS_GPREL16, R_MIPS_SUB, 0), Err(vec![(fault::REJECTED, 4)]));
    assert_eq!(compose(R_MIPS_26, R_MIPS_JALR, 0), Ok(()));
}

#[test]
fn in_place_a_high_half_takes_its_carry_from_the_next_low_one() {
    // As o32's: lui and daddiu of s + 0x1235_8000 - 0x8000; not in the order of offsets; two share one.
    let s = 0xffff_ffff_c034_5678;
    let before = [0x3c04_1235, 0x6484_8000, 0x3c05_0000, 0x64a5_7ffc, 0x3c06_0001];
    let relocations = [(16, R_MIPS_HI16), (0, R_MIPS_HI16), (4, R_MIPS_LO16), (8, R_MIPS_HI16), (12, R_MIPS_LO16)];
    let relocations = relocations.map(|(at, kind)| (at, kind, s, 0));
    for machine in EVERY {
        let out = link(machine, true, &before, &relocations).unwrap();
        assert_eq!(out, [0x3c04_d269, 0x6484_d678, 0x3c05_c035, 0x64a5_d674, 0x3c06_c035]);
    }
    let alone = [(0, R_MIPS_HI16, s, 0), (4, R_MIPS_LO16, 8, 0), (8, R_MIPS_HI16, s, 0)];
    let findings = link((64, order::LITTLE), true, &before, &alone).unwrap_err();
    assert_eq!(kinds(&findings), [fault::UNPAIRED; 2]);
    // Explicit addends are not paired.
    assert_eq!(link((64, order::BIG), false, &before[..1], &alone[..1]).unwrap(), [0x3c04_c034]);
}

#[test]
fn addends_in_place() {
    for order in ORDERS {
        let before = [halves(order, 0x10), [0x0c00_0002, 0x1000_ffff], [0x2402_fffe, 0xffff_fff8]].concat();
        let relocations = [
            (0, R_MIPS_64, 0xc123_4567_89ab_cdf0, 0),
            (8, R_MIPS_26, BASE, 0),
            (12, R_MIPS_PC16, BASE, 0),
            (16, R_MIPS_16, 0x100, 0),
            (20, R_MIPS_PC32, BASE, 0),
        ];
        let out = link((64, order), true, &before, &relocations).unwrap();
        assert_eq!(out[..2], halves(order, 0xc123_4567_89ab_ce00));
        assert_eq!(out[2..], [0x0c00_0402, 0x1000_fffc, 0x2402_00fe, 0xffff_ffe4]);
    }
}

#[test]
fn bits_around_a_field_stay() {
    for machine in EVERY {
        for row in Arch::ABOUT.rows.iter().filter(|r| r.width == 4) {
            let owned = row.slices.iter().fold(0u32, |m, s| m | (((1u64 << s.len) - 1) << s.field_bit) as u32);
            let small = row.rule.kind == rule::SIGNED && row.rule.bits == 16;
            let write = |word: u32| {
                let addend = if row.kind == R_MIPS_PC18_S3 { 4 } else { 0 };
                let s = if small { 0x1555 } else { BASE + 0x5554 };
                link(machine, false, &[0x1122_3344, word, 0x5566_7788], &[(4, row.kind, s, addend)]).unwrap()
            };
            let (zeros, ones) = (write(0), write(!0));
            assert_eq!((zeros[1] & !owned, ones[1] & !owned), (0, !owned), "{}", row.name);
            assert_eq!(zeros[1] & owned, ones[1] & owned, "{}", row.name);
            assert_eq!([zeros[0], zeros[2], ones[0], ones[2]], [0x1122_3344, 0x5566_7788, 0x1122_3344, 0x5566_7788]);
        }
    }
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that readelf of binutils 2.40 or of LLVM 22 has a name for, and what is composed of them.
    let known = (0..=51).chain(60..=65).chain(100..=113).chain([126, 127]).chain(133..=142).chain(145..=157);
    let known = known.chain(162..=166).chain([169, 170]).chain(172..=177).chain([248, 249, 250, 253, 254]);
    let known = known.chain([0x518, 0x618, 0x1203, 0x120c, 0x12f8, 0x1c18, 0x1d18, 0x5_1807, 0x6_1807]);
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    assert_eq!(rows, known.collect::<Vec<_>>());
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 4]);
    let s = m.symbol("s", BASE);
    for kind in [R_MIPS_GPREL16, R_MIPS_TLS_GD, R_MIPS_GOT_DISP, R_MICROMIPS_26_S1, R_MIPS_COPY, 200, 255, u32::MAX] {
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
    m.relocate(text, u64::MAX, R_MIPS_32, s, 0);
    m.relocate(text, 1, R_MIPS_64, s, 0);
    m.relocate(text, 1 << 32, R_MIPS_HI16, s, 0);
    m.relocate(text, 0, R_MIPS_HI16, 1 << 20, 0);
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
fn machines() {
    let link = |class, flags| {
        let mut m = Module::<Arch>::for_machine(Machine { flags_value: flags, ..machine(class, order::LITTLE) });
        m.section(".text", BASE, &[0; 4]);
        m.link().map(|_| ()).map_err(|f| (f[0].fault.kind, f[0].text))
    };
    // Debian's 5kc-malta; n32 of gas and of llvm-mc.
    assert_eq!(link(64, 0x8000_0001), Ok(()));
    assert_eq!(link(32, 0x8000_0020), Ok(()));
    assert_eq!(link(32, 0xa000_0425), Ok(()));
    // o32, o64, EABI64, and n32's mark in a file of n64.
    for (class, flags) in [(32, 0x7000_1001), (32, 0), (32, 0x2000_2000), (64, 0x2000_4000), (64, 0x8000_0020)] {
        assert_eq!(link(class, flags).unwrap_err().0, fault::BAD_MACHINE, "{flags:#x}");
    }
    let (kind, text) = link(64, 0x8200_0000).unwrap_err();
    assert_eq!(kind, fault::OTHER);
    assert!(text.contains("microMIPS"));
}

#[test]
fn code_that_sets_up_gp_is_refused() {
    for name in ["_gp", "_gp_disp", "__gnu_local_gp"] {
        let mut m = Module::<Arch>::new();
        m.section(".text", BASE, &[0; 8]);
        let symbol = m.symbol(name, 0);
        let findings = m.link().unwrap_err();
        assert_eq!((findings.len(), findings[0].fault.kind, findings[0].fault.symbol), (1, fault::OTHER, symbol));
    }
}
