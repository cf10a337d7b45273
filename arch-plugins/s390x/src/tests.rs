use super::types::*;
use super::*;
use relobox_plugin::abi::{Symbol, fault, row_flag, rule, symbol_flag};
use relobox_plugin::testing::{Linked, Module};
use relobox_plugin::{Architecture, needs};

const TEXT: u64 = 0x3ff_8000_1000;
/// Where the synthetic sections begin, the GOT first; as a symbol's value, `_GLOBAL_OFFSET_TABLE_`.
const GOT: u64 = 0x3ff_8000_9000;

/// Type, place, symbol's value, addend, and the sixteen bytes around the place afterwards: GNU ld 2.40
/// (`--no-relax`, static), and lld 22 the same. Before, they are all ones for the first of each type and zero
/// for the second.
const GOLDEN: [(u32, u64, u64, i64, u128); 44] = [
    (R_390_8, 5, 0x3, -3, 0xffffffff_ff00ffff_ffffffff_ffffffff),
    (R_390_12, 20, 0x0, 0, 0xffffffff_f000ffff_ffffffff_ffffffff),
    (R_390_16, 37, 0xffff_ffff_ffff_8003, -3, 0xffffffff_ff8000ff_ffffffff_ffffffff),
    (R_390_32, 53, 0xffff_ffff_7fff_ff00, 256, 0xffffffff_ff800000_00ffffff_ffffffff),
    (R_390_20, 68, 0xffff_ffff_fff8_0000, 0, 0xffffffff_f00080ff_ffffffff_ffffffff),
    (R_390_64, 85, 0x8000_0000_0000_0000, 0, 0xffffffff_ff800000_00000000_00ffffff),
    (R_390_PC16, 100, 0x3ff_7fff_8f64, 256, 0xffffffff_8000ffff_ffffffff_ffffffff),
    (R_390_PC32, 117, 0x3ff_0000_1075, 0, 0xffffffff_ff800000_00ffffff_ffffffff),
    (R_390_PC64, 132, 0x8000_03ff_8000_1087, -3, 0xffffffff_80000000_00000000_ffffffff),
    (R_390_PC12DBL, 149, 0x3ff_8000_0094, 1, 0xffffffff_fff800ff_ffffffff_ffffffff),
    (R_390_PC16DBL, 164, 0x3ff_7fff_10a2, 2, 0xffffffff_8000ffff_ffffffff_ffffffff),
    (R_390_PC24DBL, 181, 0x3ff_7f00_10b4, 1, 0xffffffff_ff800000_ffffffff_ffffffff),
    (R_390_PC32DBL, 196, 0x3fe_8000_10c2, 2, 0xffffffff_80000000_ffffffff_ffffffff),
    (R_390_PLT12DBL, 213, 0x3ff_8000_00d4, 1, 0xffffffff_fff800ff_ffffffff_ffffffff),
    (R_390_PLT16DBL, 228, 0x3ff_7fff_10e2, 2, 0xffffffff_8000ffff_ffffffff_ffffffff),
    (R_390_PLT24DBL, 245, 0x3ff_7f00_10f4, 1, 0xffffffff_ff800000_ffffffff_ffffffff),
    (R_390_PLT32DBL, 260, 0x3fe_8000_1102, 2, 0xffffffff_80000000_ffffffff_ffffffff),
    (R_390_GOTOFF16, 276, 0x3ff_8000_4f00, 256, 0xffffffff_c000ffff_ffffffff_ffffffff),
    (R_390_GOTOFF32, 292, 0x3ff_4000_9000, 0, 0xffffffff_c0000000_ffffffff_ffffffff),
    (R_390_GOTOFF64, 308, 0xc000_03ff_8000_8f00, 256, 0xffffffff_c0000000_00000000_ffffffff),
    (R_390_GOTPC, 324, GOT, 5, 0xffffffff_00000000_00007ec1_ffffffff),
    (R_390_GOTPCDBL, 340, GOT, 2, 0xffffffff_00003f57_ffffffff_ffffffff),
    (R_390_8, 357, 0x13, 0, 0x00000000_00130000_00000000_00000000),
    (R_390_12, 372, 0xde3, -3, 0x00000000_0de00000_00000000_00000000),
    (R_390_16, 389, 0xffff_ffff_ffff_a3c4, 0, 0x00000000_00a3c400_00000000_00000000),
    (R_390_32, 405, 0x9738_f7dc, -3, 0x00000000_009738f7_d9000000_00000000),
    (R_390_20, 420, 0xffff_ffff_fff9_e33b, 256, 0x00000000_043b9e00_00000000_00000000),
    (R_390_64, 437, 0x728c_105d_1fb1_7b23, 256, 0x00000000_00728c10_5d1fb17c_23000000),
    (R_390_PC16, 452, 0x3ff_7fff_b070, 256, 0x00000000_9fac0000_00000000_00000000),
    (R_390_PC32, 469, 0x3ff_95e6_1cca, 0, 0x00000000_0015e60a_f5000000_00000000),
    (R_390_PC64, 484, 0xb898_d590_79eb_ebb0, 256, 0x00000000_b898d190_f9ebdacc_00000000),
    (R_390_PC12DBL, 501, 0x3ff_8000_0a78, 1, 0x00000000_000c4200_00000000_00000000),
    (R_390_PC16DBL, 516, 0x3ff_8000_3a90, 2, 0x00000000_14470000_00000000_00000000),
    (R_390_PC24DBL, 533, 0x3ff_80ad_44dc, 1, 0x00000000_00569964_00000000_00000000),
    (R_390_PC32DBL, 548, 0x3fe_ae44_27ac, 2, 0x00000000_97220ac5_00000000_00000000),
    (R_390_PLT12DBL, 565, 0x3ff_8000_0e3a, 1, 0x00000000_000e0300_00000000_00000000),
    (R_390_PLT16DBL, 580, 0x3ff_8000_8f96, 2, 0x00000000_3eaa0000_00000000_00000000),
    (R_390_PLT24DBL, 597, 0x3ff_7f63_d72a, 1, 0x00000000_00b1e26b_00000000_00000000),
    (R_390_PLT32DBL, 612, 0x3ff_b4b9_c840, 2, 0x00000000_1a5cdaef_00000000_00000000),
    (R_390_GOTOFF16, 628, 0x3ff_8001_6b5d, 256, 0x00000000_dc5d0000_00000000_00000000),
    (R_390_GOTOFF32, 644, 0x400_6d77_4081, -3, 0x00000000_ed76b07e_00000000_00000000),
    (R_390_GOTOFF64, 660, 0xdc90_ad57_f404_7430, 0, 0x00000000_dc90a958_7403e430_00000000),
    (R_390_GOTPC, 676, GOT, 5, 0x00000000_00000000_00007d61_00000000),
    (R_390_GOTPCDBL, 692, GOT, 2, 0x00000000_00003ea7_00000000_00000000),
];

#[test]
fn bytes_are_those_of_ld_and_lld() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(GOT);
    let mut bytes = vec![0xff; GOLDEN.len() / 2 * 16];
    bytes.resize(GOLDEN.len() * 16, 0);
    let text = m.section(".text", TEXT, &bytes);
    for (kind, at, value, addend, _) in GOLDEN {
        let symbol = m.symbol(if value == GOT { "_GLOBAL_OFFSET_TABLE_" } else { "s" }, value);
        m.relocate(text, at, kind, symbol, addend);
    }
    let out = m.link().unwrap();
    for ((kind, at, _, _, expected), bytes) in GOLDEN.iter().zip(out.section(text).chunks(16)) {
        assert_eq!(format!("{expected:032x}"), hex(bytes), "type {kind} at {at:#x}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Links one relocation at the third byte of eight.
fn one(kind: u32, value: u64, addend: i64) -> Result<Vec<u8>, (u32, i64)> {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(GOT);
    let text = m.section(".text", TEXT, &[0xff; 16]);
    let symbol = m.symbol("s", value);
    m.relocate(text, 2, kind, symbol, addend);
    match m.link() {
        Ok(out) => Ok(out.section(text).to_vec()),
        Err(found) => Err((found[0].fault.kind, found[0].fault.value)),
    }
}

fn section<'a>(out: &'a Linked, name: &str) -> &'a relobox_plugin::Synthetic {
    out.synthetic.iter().find(|s| s.name == name).unwrap()
}

/// lld 22 accepts and refuses exactly these, but for negative bytes, which the psABI forbids.
#[test]
fn ranges_end_where_they_should() {
    const P: i64 = TEXT as i64 + 2;
    for (kind, from, min, max) in [
        (R_390_8, 0, 0, 0xff),
        (R_390_12, 0, 0, 0xfff),
        (R_390_16, 0, -0x8000, 0xffff),
        (R_390_20, 0, -0x8_0000, 0x7_ffff),
        (R_390_32, 0, -0x8000_0000, 0xffff_ffff),
        (R_390_PC16, P, -0x8000, 0x7fff),
        (R_390_PC32, P, -0x8000_0000, 0x7fff_ffff),
        (R_390_PC12DBL, P, -0x1000, 0xffe),
        (R_390_PC16DBL, P, -0x1_0000, 0xfffe),
        (R_390_PC24DBL, P, -0x100_0000, 0xff_fffe),
        (R_390_PC32DBL, P, -0x1_0000_0000, 0xffff_fffe_i64),
        (R_390_GOTOFF16, GOT as i64, -0x8000, 0xffff),
        (R_390_GOTOFF32, GOT as i64, -0x8000_0000, 0xffff_ffff),
    ] {
        let step = i64::from(max & 1 == 0) + 1;
        let link = |value: i64| one(kind, from.wrapping_add(value) as u64, 0).map(drop);
        for inside in [min, max, 0] {
            assert_eq!(link(inside), Ok(()), "type {kind}, {inside:#x}");
        }
        for outside in [min - step, max + step] {
            assert_eq!(link(outside), Err((fault::OUT_OF_RANGE, outside)), "type {kind}");
        }
        if step == 2 {
            for odd in [min + 1, max - 1, 1] {
                assert_eq!(link(odd | 1), Err((fault::MISALIGNED, odd | 1)), "type {kind}");
            }
        }
    }
    // 64-bit words take everything, also what wraps.
    for kind in [R_390_64, R_390_PC64, R_390_GOTOFF64] {
        assert!(one(kind, u64::MAX, i64::MAX).is_ok() && one(kind, 0, i64::MIN).is_ok());
    }
}

#[test]
fn one_got_slot_for_one_symbol() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(GOT);
    let text = m.section(".text", TEXT, &[0xff; 48]);
    let first = m.symbol("first", 0x1234_5679);
    let second = m.symbol("second", 0xfedc_ba98_7654_3210);
    m.relocate(text, 0, R_390_GOT64, first, 0x100);
    m.relocate(text, 8, R_390_GOTENT, second, 2);
    m.relocate(text, 12, R_390_GOT12, second, 0x100);
    m.relocate(text, 16, R_390_GOT20, second, -0x100);
    m.relocate(text, 20, R_390_GOT16, second, -9);
    m.relocate(text, 22, R_390_GOTPLT16, second, 0);
    m.relocate(text, 24, R_390_GOTPLT64, second, 0);
    m.relocate(text, 32, R_390_GOTPLTENT, second, 0);
    m.relocate(text, 36, R_390_GOT32, second, 0);
    m.relocate(text, 40, R_390_GOTPLT12, second, 0xff7);
    m.relocate(text, 44, R_390_GOTPLT20, second, 0x7_fff7);
    let out = m.link().unwrap();
    assert_eq!(out.synthetic.len(), 1);
    assert_eq!(hex(&out.synthetic[0].contents), "0000000012345679fedcba9876543210");
    let expected = "0000000000000100 00004001 f108ffff ff08ffff ffff0008 \
                    0000000000000008 00003ff4 00000008 ffffffff ffff7fff"
        .replace(' ', "");
    assert_eq!(hex(out.section(text)), expected);
}

#[test]
fn slots_beyond_a_displacement_are_out_of_range() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &[0; 4]);
    for i in 0..513 {
        let symbol = m.symbol("s", i);
        m.relocate(text, 0, R_390_GOT12, symbol, 0);
    }
    let found = m.link().unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].fault.kind, found[0].fault.value), (fault::OUT_OF_RANGE, 4096));
}

#[test]
fn the_table_has_an_address_even_when_empty() {
    for kind in [R_390_GOTPCDBL, R_390_PC32DBL] {
        let mut m = Module::<Arch>::new();
        m.synthetic_at(GOT);
        let text = m.section(".text", TEXT, &[0xc0, 0xc0, 0, 0, 0, 0]);
        let table = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
        m.relocate(text, 2, kind, table, 2);
        assert_eq!(m.link().unwrap().section(text), [0xc0, 0xc0, 0, 0, 0x40, 0]);
    }
    assert!(one(R_390_GOTOFF64, 0, 0).is_ok());
    assert!(one(R_390_GOTPC, 0, 0).is_ok());
}

#[test]
fn calls_go_through_the_plt_only_when_they_must() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &[0xff; 24]);
    m.synthetic_at(0x3ff_8001_0000);
    let (near, far) = (m.symbol("near", TEXT + 0x2000), m.symbol("far", 0x10_0000));
    m.relocate(text, 2, R_390_PLT32DBL, near, 2);
    m.relocate(text, 8, R_390_PLT32DBL, far, 2);
    // Within 64 KiB of the text, and the addend is no part of the entry's target.
    m.relocate(text, 14, R_390_PLT16DBL, far, 4);
    m.relocate(text, 17, R_390_PLT24DBL, far, 3);
    let out = m.link().unwrap();
    let plt = section(&out, ".relobox.plt");
    assert_eq!((plt.address, plt.contents.len()), (0x3ff_8001_0000, 32));
    // The first entry was not needed in the end.
    assert_eq!(hex(&plt.contents), "0".repeat(32) + "c4180000000407f10000000000100000");
    assert_eq!(hex(out.section(text)), "ffff00001000ffff00007805ffff7803ff007801ffffffff");
}

#[test]
fn absolute_forms_of_the_plt_always_have_an_entry() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &[0xff; 32]);
    m.synthetic_at(GOT);
    let own = m.label(text, 0);
    for (place, kind) in
        [(0, R_390_PLT64), (8, R_390_PLTOFF64), (16, R_390_PLT32), (20, R_390_PLTOFF32), (24, R_390_PLTOFF16)]
    {
        m.relocate(text, place, kind, own, 1);
    }
    let out = m.link().unwrap();
    let (got, plt) = (section(&out, ".relobox.got"), section(&out, ".relobox.plt"));
    assert_eq!((got.address, plt.address), (GOT, GOT + 8));
    assert_eq!(hex(&plt.contents), "c4180000000407f1000003ff80001000");
    assert_eq!(hex(out.section(text)), "0000000000008009000000000000000900007ff9000000090009ffffffffffff");
}

/// Both entries were run under qemu-s390x: they arrive.
#[test]
fn expoline_keeps_the_branch_out_of_line() {
    let mut m = Module::<Arch>::new();
    m.input("expoline", 1);
    m.synthetic_at(GOT);
    let text = m.section(".text", TEXT, &[0; 16]);
    for (place, value) in [(0, 0x10_0000), (8, 0x20_0000)] {
        let symbol = m.symbol("far", value);
        m.relocate(text, place, R_390_PLT32DBL, symbol, 0);
    }
    let out = m.link().unwrap();
    let code = "c4180000000cc60000000005a7f4000007f1000000000000";
    assert_eq!(hex(&out.synthetic[0].contents), format!("{code}0000000000100000{code}0000000000200000"));
    assert_eq!(hex(out.section(text)), "00004000000000000000400c00000000");
}

#[test]
fn no_entry_for_calls_within_the_module() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &[0; 8]);
    let elsewhere = m.section(".init.text", 0x10_0000, &[0; 8]);
    let (own, astray) = (m.label(text, 6), m.label(elsewhere, 0));
    m.relocate(text, 0, R_390_PLT32DBL, own, 0);
    m.relocate(text, 4, R_390_PLT32DBL, astray, 0);
    let found = m.link().unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].fault.kind, found[0].fault.value), (fault::OUT_OF_RANGE, 0x10_0000 - TEXT as i64 - 4));
}

#[test]
fn nothing_branches_to_an_odd_address() {
    for kind in [R_390_PLT32DBL, R_390_PLT16DBL, R_390_PLT64, R_390_PLTOFF64] {
        assert_eq!(one(kind, 0x10_0001, 2), Err((fault::MISALIGNED, 0x10_0001)), "type {kind}");
    }
    // But an odd address can be read through the GOT; an odd addend cannot be.
    assert!(one(R_390_GOTENT, 0x10_0001, 2).is_ok());
    assert_eq!(one(R_390_GOTENT, 0x10_0000, 3).unwrap_err().0, fault::MISALIGNED);
}

#[test]
fn fields_end_with_the_section() {
    for row in Arch::ABOUT.rows.iter().filter(|row| row.width != 0) {
        let link = |room: u8| {
            let mut m = Module::<Arch>::new();
            m.synthetic_at(GOT);
            let text = m.section(".text", GOT, &vec![0; 8 + usize::from(room)]);
            let symbol = m.label(text, 8);
            // What is relative to the place or to the table is small and even; the rest is made so.
            let addend =
                if row.formula.starts_with("S + A") && !row.formula.contains('-') { -(GOT as i64) - 8 } else { 0 };
            m.relocate(text, 8, row.kind, symbol, addend);
            m.link().err().map(|found| found[0].fault.kind)
        };
        assert_eq!(link(row.width), None, "{}", row.name);
        assert_eq!(link(row.width - 1), Some(fault::OUTSIDE), "{}", row.name);
    }
}

#[test]
fn hostile_input_is_a_fault() {
    for (kind, offset, symbol, expected) in [
        (R_390_64, u64::MAX, 0, fault::OUTSIDE),
        (R_390_64, u64::MAX - 7, 0, fault::OUTSIDE),
        (R_390_PC24DBL, 1 << 32, 0, fault::OUTSIDE),
        (R_390_GOTENT, 0, 99, fault::BAD_SYMBOL),
        (R_390_PLT32DBL, 0, u32::MAX, fault::BAD_SYMBOL),
        (R_390_TLS_LE64, 0, 0, fault::REJECTED),
        (R_390_COPY, 0, 0, fault::REJECTED),
        (66, 0, 0, fault::UNKNOWN_TYPE),
        (u32::MAX, 0, 0, fault::UNKNOWN_TYPE),
    ] {
        let mut m = Module::<Arch>::new();
        let text = m.section(".text", TEXT, &[0; 8]);
        m.relocate(text, offset, kind, symbol, i64::MIN);
        assert_eq!(m.link().unwrap_err()[0].fault.kind, expected, "type {kind}");
    }
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", TEXT, &[0; 8]);
    m.relocate(text, 0, R_390_64, 0, 0);
    assert_eq!(m.link().unwrap_err()[0].fault.kind, fault::ADDEND_FORM);
}

#[test]
fn an_unresolved_weak_symbol_is_zero() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(GOT);
    let text = m.section(".text", TEXT, &[0xff; 8]);
    let weak = Symbol { info: 0x20, flags: symbol_flag::UNDEFINED | symbol_flag::WEAK, ..Default::default() };
    let weak = m.raw_symbol(weak, "maybe", 0);
    m.relocate(text, 0, R_390_GOTENT, weak, 0);
    m.relocate(text, 4, R_390_PLT32DBL, weak, 0);
    let out = m.link().unwrap();
    assert_eq!(section(&out, ".relobox.got").contents, [0; 8]);
    assert_eq!(section(&out, ".relobox.plt").contents[8..], [0; 8]);
}

/// What plan counts is what the formulas ask for.
#[test]
fn plan_and_formulas_agree() {
    for row in Arch::ABOUT.rows {
        let letter = |l: &str| row.formula.split(' ').any(|word| word == l);
        let slot = letter("O") || letter("T");
        let fallback = row.flags & row_flag::FALLBACK != 0;
        let mut expected = if slot { needs::SLOT } else { 0 };
        if letter("G") && !slot {
            expected |= needs::GOT;
        }
        if letter("L") || fallback {
            expected |= needs::STUB;
        }
        if row.kind == R_390_PLT32DBL {
            expected |= needs::OUTSIDE;
        }
        assert_eq!(Arch::needs(row.kind), expected, "{}", row.name);
    }
}

#[test]
fn every_type_of_the_psabi_is_named() {
    let mut kinds: Vec<_> = Arch::ABOUT.every_row().map(|row| row.kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, (0..=65).collect::<Vec<_>>());
    for row in Arch::ABOUT.rows {
        // A doubled field holds one bit more than it has, and only even values.
        let doubled = row.slices.iter().any(|s| s.value_bit == 1);
        assert_eq!(doubled, row.rule.align == 2, "{}", row.name);
        if row.rule.kind != rule::NONE {
            let held: u8 = row.slices.iter().map(|s| s.len).sum();
            assert_eq!(row.rule.bits, held + u8::from(doubled), "{}", row.name);
        }
    }
}
