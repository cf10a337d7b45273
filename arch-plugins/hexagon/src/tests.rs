//! What the psABI says, worked by hand; lines with (lld) were linked by lld 22, too. Code is what llvm-mc makes of the
//! text.

use super::*;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::{Module, bytes, kinds, words};
use relobox_plugin::{Architecture as _, Finding};
use types::*;

const BASE: u64 = 0xe000_0000;
const TABLE: u64 = 0xe010_0000;

/// Links words at [`BASE`] with relocations: offset, type, the symbol's value, addend. Tables are at [`TABLE`].
fn link(before: &[u32], relocations: &[(u64, u32, u64, i64)]) -> Result<Vec<u32>, Vec<Finding>> {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(TABLE);
    let text = m.section(".text", BASE, &bytes(order::LITTLE, before));
    for (at, kind, s, addend) in relocations {
        let symbol = m.symbol("s", *s);
        m.relocate(text, *at, *kind, symbol, *addend);
    }
    m.link().map(|linked| words(order::LITTLE, linked.section(text)))
}

fn one(kind: u32, insn: u32, s: u64, addend: i64) -> Result<u32, Vec<Finding>> {
    link(&[insn], &[(0, kind, s, addend)]).map(|words| words[0])
}

/// `immext` and what follows it, with the value as the processor puts it together: 26 bits, and 6.
fn extended(kind: u32, insn: u32, s: u64) -> (u32, u32) {
    let linked = link(&[0x0000_4000, insn], &[(0, R_HEX_32_6_X, s, 0), (4, kind, s, 0)]).unwrap();
    let upper = linked[0] & 0x3fff | (linked[0] >> 16 & 0xfff) << 14;
    assert_eq!(linked[0] & 0xf000_c000, 0x4000);
    (upper, linked[1])
}

#[test]
fn halves() {
    // r3.h = #HI(s); r4.l = #LO(s)   (lld)
    let halves = [(0, R_HEX_HI16, 0xc12a_5678, 0x10), (4, R_HEX_LO16, 0xc12a_d678, 0x10)];
    assert_eq!(link(&[0x7223_4000, 0x7124_c000], &halves).unwrap(), [0x72e3_412a, 0x71e4_d688]);
}

#[test]
fn branches() {
    // call s; if (p0) jump:nt s; if (r0!=#0) jump:nt s; p0 = cmp.eq(r0,#5); if (p0.new) jump:t s; loop0(s, r1)
    // (lld but loop0)
    for (kind, insn, distance, expected) in [
        (R_HEX_B22_PCREL, 0x5a00_c000, 0x7f_fffc, 0x5aff_fffe),
        (R_HEX_B22_PCREL, 0x5a00_c000, -0x80_0000, 0x5b00_c000),
        (R_HEX_B22_PCREL, 0x5a00_c000, 0x1234, 0x5a00_c91a),
        (R_HEX_B15_PCREL, 0x5c00_c000, 0xfffc, 0x5c5f_e0fe),
        (R_HEX_B15_PCREL, 0x5c00_c000, -0x1_0000, 0x5c80_c000),
        (R_HEX_B15_PCREL, 0x5c00_c000, -0x1234, 0x5cdb_c0e6),
        (R_HEX_B13_PCREL, 0x6100_c000, 0x3ffc, 0x6100_effe),
        (R_HEX_B13_PCREL, 0x6100_c000, -0x4000, 0x6120_c000),
        (R_HEX_B9_PCREL, 0x1000_e500, 0x3fc, 0x1010_e5fe),
        (R_HEX_B9_PCREL, 0x1000_e500, -0x400, 0x1020_e500),
        (R_HEX_B7_PCREL, 0x6001_c000, 0xfc, 0x6001_cf18),
        (R_HEX_B7_PCREL, 0x6001_c000, -0x100, 0x6001_d000),
    ] {
        assert_eq!(one(kind, insn, BASE.wrapping_add_signed(distance), 0).unwrap(), expected, "{kind} {distance:#x}");
    }
    for (kind, range) in
        [(R_HEX_B15_PCREL, 0x1_0000), (R_HEX_B13_PCREL, 0x4000), (R_HEX_B9_PCREL, 0x400), (R_HEX_B7_PCREL, 0x100)]
    {
        let at = |distance: i64| kinds(&one(kind, 0xc000, BASE.wrapping_add_signed(distance), 0).unwrap_err());
        assert_eq!([at(range), at(-range - 4)], [[fault::OUT_OF_RANGE]; 2]);
        assert_eq!(at(2), [fault::MISALIGNED]);
    }
}

#[test]
fn extended_branches_count_from_the_extender() {
    // { immext; call ##s }; { immext; if (p0) jump ##s }: the assembler adds 4.   (lld)
    let s = 0x1234_5678;
    for (kind, insn) in
        [(R_HEX_B22_PCREL_X, 0x5a00_c000), (R_HEX_B15_PCREL_X, 0x5c00_c000), (R_HEX_B9_PCREL_X, 0x1000_e500)]
    {
        let linked = link(&[0x4000, insn], &[(0, R_HEX_B32_PCREL_X, s, 0), (4, kind, s, 4)]).unwrap();
        let distance = (s as u32).wrapping_sub(BASE as u32);
        assert_eq!(linked, [0x4000 | distance >> 6 & 0x3fff | distance >> 20 << 16, insn | (distance & 63) << 1]);
    }
    // { immext; loop0(##s, #5) }
    let linked = link(&[0x6900_c021], &[(0, R_HEX_B7_PCREL_X, BASE + 0x35, 0)]).unwrap();
    assert_eq!(linked, [0x6900_c021 | 1 << 3 | 0xd << 8]);
    // r5 = add(pc,##s@PCREL)   (lld)
    let linked = link(&[0x6a49_c005], &[(0, R_HEX_6_PCREL_X, BASE + 0x2b - 4, 4)]).unwrap();
    assert_eq!(linked, [0x6a49_c005 | 0x2b << 7]);
}

#[test]
fn operands_lie_where_their_instructions_have_them() {
    // What llvm-mc emits for each with ##0 and with ##0x12345600 plus each of six bits.
    let cases: [(u32, u32, [u8; 6]); 41] = [
        (R_HEX_16_X, 0x7800_c000, [5, 6, 7, 8, 9, 10]),     // r0 = ##s
        (R_HEX_16_X, 0xb001_c000, [5, 6, 7, 8, 9, 10]),     // r0 = add(r1,##s)
        (R_HEX_16_X, 0x4980_c000, [5, 6, 7, 8, 9, 10]),     // r0 = memw(##s)
        (R_HEX_16_X, 0x4880_c200, [0, 1, 2, 3, 4, 5]),      // memw(##s) = r2
        (R_HEX_12_X, 0x7e00_c000, [5, 6, 7, 8, 9, 10]),     // if (p0) r0 = ##s
        (R_HEX_11_X, 0x9181_c000, [5, 6, 7, 8, 9, 10]),     // r0 = memw(r1+##s)
        (R_HEX_11_X, 0x90e1_c000, [5, 6, 7, 8, 9, 10]),     // r1:0 = membh(r1+##s)
        (R_HEX_11_X, 0xa181_c200, [0, 1, 2, 3, 4, 5]),      // memw(r1+##s) = r2
        (R_HEX_10_X, 0x7601_c000, [5, 6, 7, 8, 9, 10]),     // r0 = and(r1,##s)
        (R_HEX_10_X, 0x7501_c000, [5, 6, 7, 8, 9, 10]),     // p0 = cmp.eq(r1,##s)
        (R_HEX_10_X, 0xda40_c001, [5, 6, 7, 8, 9, 10]),     // r0 = or(r1,and(r0,##s))
        (R_HEX_9_X, 0x7581_c000, [5, 6, 7, 8, 9, 10]),      // p0 = cmp.gtu(r1,##s)
        (R_HEX_8_X, 0x7401_c000, [5, 6, 7, 8, 9, 10]),      // if (p0) r0 = add(r1,##s)
        (R_HEX_8_X, 0x7c00_e000, [5, 6, 7, 8, 9, 10]),      // r1:0 = combine(##s,#1)
        (R_HEX_8_X, 0x7302_e000, [5, 6, 7, 8, 9, 10]),      // r1:0 = combine(r2,##s)
        (R_HEX_8_X, 0x7a00_e000, [5, 6, 7, 8, 9, 10]),      // r0 = mux(p0,##s,#1)
        (R_HEX_8_X, 0xdd41_c000, [5, 6, 7, 8, 9, 10]),      // p0 = cmpb.gtu(r1,##s)
        (R_HEX_8_X, 0xe201_c000, [5, 6, 7, 8, 9, 10]),      // r0 += add(r1,##s)
        (R_HEX_8_X, 0xe101_c000, [5, 6, 7, 8, 9, 10]),      // r0 += mpyi(r1,##s)
        (R_HEX_8_X, 0xe001_c000, [5, 6, 7, 8, 9, 10]),      // r0 = +mpyi(r1,##s)
        (R_HEX_8_X, 0xde00_c304, [3, 5, 6, 7, 13, 21]),     // r0 = add(##s,asl(r0,#3))
        (R_HEX_8_X, 0x3c41_c080, [0, 1, 2, 3, 4, 5]),       // memw(r1+#4) = ##s
        (R_HEX_7_X, 0xdd41_c000, [5, 6, 7, 8, 9, 10]),      // the same as 8_X: no assembler writes it
        (R_HEX_6_X, 0x7c80_c020, [13, 16, 17, 18, 19, 20]), // r1:0 = combine(#1,##s)
        (R_HEX_6_X, 0xd801_c005, [5, 6, 7, 13, 21, 22]),    // r0 = add(##s,mpyi(r1,#5))
        (R_HEX_6_X, 0xd701_c200, [5, 6, 7, 13, 21, 22]),    // r0 = add(##s,mpyi(r1,r2))
        (R_HEX_6_X, 0xdf82_c001, [5, 6, 7, 13, 21, 22]),    // r0 = add(r1,mpyi(r2,##s))
        (R_HEX_6_X, 0xdb01_c002, [5, 6, 7, 13, 21, 22]),    // r0 = add(r1,add(r2,##s))
        (R_HEX_6_X, 0x9d81_f000, [5, 6, 8, 9, 10, 11]),     // r0 = memw(r1<<#2+##s)
        (R_HEX_6_X, 0x9ce1_f000, [5, 6, 8, 9, 10, 11]),     // r1:0 = membh(r1<<#2+##s)
        (R_HEX_6_X, 0x9b81_d000, [5, 6, 8, 9, 10, 11]),     // r0 = memw(r1=##s)
        (R_HEX_6_X, 0x4181_c000, [5, 6, 7, 8, 9, 10]),      // if (p0) r0 = memw(r1+##s)
        (R_HEX_6_X, 0x9f80_e080, [8, 16, 17, 18, 19, 20]),  // if (p0) r0 = memw(##s)
        (R_HEX_6_X, 0xad81_e280, [0, 1, 2, 3, 4, 5]),       // memw(r1<<#2+##s) = r2
        (R_HEX_6_X, 0xab81_c280, [0, 1, 2, 3, 4, 5]),       // memw(r1=##s) = r2
        (R_HEX_6_X, 0xaf80_c280, [3, 4, 5, 6, 16, 17]),     // if (p0) memw(##s) = r2
        (R_HEX_6_X, 0x4081_c200, [3, 4, 5, 6, 7, 13]),      // if (p0) memw(r1+##s) = r2
        (R_HEX_6_X, 0x3841_c080, [0, 1, 2, 3, 4, 13]),      // if (p0) memw(r1+#4) = ##s
        (R_HEX_6_X, 0x3e41_c002, [7, 8, 9, 10, 11, 12]),    // memw(r1+##s) += r2
        (R_HEX_6_X, 0x3f21_c005, [7, 8, 9, 10, 11, 12]),    // memh(r1+##s) += #5
        (R_HEX_6_X, 0x4800_0021, [20, 21, 22, 23, 24, 25]), // r0 = ##s; r1 = memw(r2+#0)
    ];
    for (kind, insn, bits) in cases {
        let all = bits.iter().fold(0, |all, bit| all | 1u32 << bit);
        for value in [0u32, 0x3f, 0x15, 0x2a, 1, 2, 4, 8, 16, 32] {
            let expected = bits.iter().zip(0..).fold(insn, |word, (bit, i)| word | (value >> i & 1) << bit);
            let s = 0x1234_5640 | u64::from(value);
            // Whatever was there before, and nothing beside it is touched.
            assert_eq!(extended(kind, insn, s), (0x0048_d159, expected), "{kind} {insn:#x}");
            assert_eq!(extended(kind, insn | all, s).1, expected, "{kind} {insn:#x}");
        }
    }
}

#[test]
fn other_instructions_are_refused() {
    // nop, jumpr r31, r0 = add(r1,r2), and an extender itself.
    for insn in [0x7f00_c000, 0x529f_c000, 0xf301_c200, 0x0000_4000, 0xffff_ffff] {
        for kind in [R_HEX_16_X, R_HEX_6_X, R_HEX_6_PCREL_X, R_HEX_8_X] {
            let findings = one(kind, insn, 0x1234, 0).unwrap_err();
            let f = &findings[0].fault;
            assert_eq!((f.kind, f.value as u32), (fault::BAD_INSTRUCTION, insn));
        }
    }
}

#[test]
fn data() {
    let before = [0xa5a5_a5a5, 0xffff_ffff, 0x5a5a_5a5a];
    let relocations = [
        (0, R_HEX_32, 0x8765_4321, 4),
        (4, R_HEX_32_PCREL, BASE, 0),
        (8, R_HEX_16, 0x1_2345, 0),
        (10, R_HEX_8, 0x99, 0x10),
    ];
    assert_eq!(link(&before, &relocations).unwrap(), [0x8765_4325, 0xffff_fffc, 0x5aa9_2345]);
}

#[test]
fn a_call_goes_through_a_stub_where_it_must() {
    for kind in [R_HEX_B22_PCREL, R_HEX_PLT_B22_PCREL] {
        for (s, through) in
            [(0x7f_fffc_u64, false), (0x80_0000, true), (0x80_0000_u64.wrapping_neg(), false), (0x1000_0000, true)]
        {
            let target = BASE.wrapping_add(s) & 0xffff_ffff;
            let mut m = Module::<Arch>::new();
            m.synthetic_at(TABLE);
            let text = m.section(".text", BASE, &bytes(order::LITTLE, &[0, 0x5a00_c000]));
            let symbol = m.symbol("s", target - 0x10);
            m.relocate(text, 4, kind, symbol, 0x14);
            let out = m.link().unwrap();
            let call = words(order::LITTLE, out.section(text))[1];
            let distance = ((call >> 1 & 0x1fff | (call >> 16 & 0x1ff) << 13) << 10) as i32 >> 8;
            let to = (BASE + 4).wrapping_add_signed(distance.into());
            if through {
                assert_eq!(to, TABLE);
                let stub = words(order::LITTLE, &out.synthetic[0].contents);
                assert_eq!((stub[0] & 0xf000_c000, stub[1] & 0xffff_ff81), (0x4000, 0x5800_c000));
                let distance = (stub[0] & 0x3fff) << 6 | (stub[0] >> 16 & 0xfff) << 20 | stub[1] >> 1 & 0x3f;
                assert_eq!((TABLE as u32).wrapping_add(distance), target as u32 + 4);
            } else {
                assert_eq!(to, target + 4);
            }
        }
    }
    // What is no instruction is no destination of a stub.
    assert_eq!(kinds(&one(R_HEX_B22_PCREL, 0x5a00_c000, 0x1001, 0).unwrap_err()), [fault::OUT_OF_RANGE]);
}

#[test]
fn position_independent_code() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(TABLE);
    let text = m.section(
        ".text",
        BASE,
        &bytes(
            order::LITTLE,
            &[
                0x4000,
                0x6a49_c018, // r24 = add(pc,##_GLOBAL_OFFSET_TABLE_@PCREL)
                0x4000,
                0x9198_c000, // r0 = memw(r24+##jiffies@GOT)
                0x4000,
                0x9198_c001, // r1 = memw(r24+##loops@GOT)
                0x4000,
                0xb018_c002, // r2 = add(r24,##loops@GOTREL)
                0x7223_4000,
                0x7124_c000, // r3.h = #HI(loops@GOTREL); r4.l = #LO(loops@GOTREL)
                0,
                0, // .word loops@GOT, loops@GOTREL
            ],
        ),
    );
    let jiffies = m.symbol("jiffies", 0xc012_3450);
    let loops = m.symbol("loops", 0xe012_3460);
    let table = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
    for (at, kind, symbol, addend) in [
        (0, R_HEX_B32_PCREL_X, table, 0),
        (4, R_HEX_6_PCREL_X, table, 4),
        (8, R_HEX_GOT_32_6_X, jiffies, 0),
        (12, R_HEX_GOT_11_X, jiffies, 0),
        (16, R_HEX_GOT_32_6_X, loops, 0),
        (20, R_HEX_GOT_11_X, loops, 0),
        (24, R_HEX_GOTREL_32_6_X, loops, 0),
        (28, R_HEX_GOTREL_16_X, loops, 0),
        (32, R_HEX_GOTREL_HI16, loops, 0),
        (36, R_HEX_GOTREL_LO16, loops, 0),
        (40, R_HEX_GOT_32, loops, 0),
        (44, R_HEX_GOTREL_32, loops, 0),
    ] {
        m.relocate(text, at, kind, symbol, addend);
    }
    let out = m.link().unwrap();
    let w = words(order::LITTLE, out.section(text));
    let upper = |word: u32| (word & 0x3fff) << 6 | (word >> 16 & 0xfff) << 20;
    let slot = |i: usize| upper(w[i]) | w[i + 1] >> 5 & 0x3f;
    assert_eq!(upper(w[0]) | w[1] >> 7 & 0x3f, (TABLE - BASE) as u32);
    assert_eq!([slot(2), slot(4), slot(6)], [0, 4, 0x2_3460]);
    assert_eq!(w[8..], [0x7223_4002, 0x7124_f460, 4, 0x2_3460]);
    assert_eq!(words(order::LITTLE, &out.synthetic[0].contents), [0xc012_3450, 0xe012_3460]);
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that llvm-readelf 22 has a name for.
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..=99).collect::<Vec<_>>());
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 4]);
    let s = m.symbol("s", BASE);
    for kind in [R_HEX_GPREL16_2, R_HEX_HL16, R_HEX_COPY, R_HEX_TPREL_32, R_HEX_27_REG, 100, 255, u32::MAX] {
        m.relocate(text, 0, kind, s, 0);
    }
    let found = m.link().unwrap_err();
    assert_eq!(kinds(&found)[..5], [fault::REJECTED; 5]);
    assert_eq!(kinds(&found)[5..], [fault::UNKNOWN_TYPE; 3]);
    assert!(found[0].text.contains("-G0"));
}

#[test]
fn hostile_places_and_symbols() {
    relobox_plugin::testing::hostile_records_are_faults(Module::<Arch>::new);
    relobox_plugin::testing::misplaced_words_are_outside(Module::<Arch>::new);
}
