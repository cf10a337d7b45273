//! What the psABI says, worked by hand; lines with (ld) were linked by GNU ld, too. Code is what gas makes of the text.

use super::*;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::{Module, bytes, kinds, words};
use relobox_plugin::{Architecture as _, Finding};
use types::*;

const BASE: u64 = 0xc800_0000;
const TABLE: u64 = 0xc810_0000;

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

#[test]
fn halves() {
    // orhi r4, r0, %hiadj(s); addi r4, r4, %lo(s); orhi r5, r0, %hi(s); ori r5, r5, %lo(s)   (ld)
    let s = 0x1234_8765;
    let relocations =
        [(0, R_NIOS2_HIADJ16, s, 1), (4, R_NIOS2_LO16, s, 1), (8, R_NIOS2_HI16, s, 1), (12, R_NIOS2_LO16, s, 1)];
    let before = [0x0100_0034, 0x2100_0004, 0x0140_0034, 0x2940_0014];
    let after =
        [0x0100_0034 | 0x1235 << 6, 0x2100_0004 | 0x8766 << 6, 0x0140_0034 | 0x1234 << 6, 0x2940_0014 | 0x8766 << 6];
    assert_eq!(link(&before, &relocations).unwrap(), after);
    // nextpc r22; orhi r1, r0, %hiadj(s-1b); addi r1, r1, %lo(s-1b): both of the distance from the orhi.   (ld)
    let relocations = [(4, R_NIOS2_PCREL_HA, BASE + 0x1_9004, 0), (8, R_NIOS2_PCREL_LO, BASE + 0x1_9004, 4)];
    let before = [0x002c_e03a, 0x0040_0034, 0x0840_0004];
    assert_eq!(link(&before, &relocations).unwrap(), [0x002c_e03a, 0x0040_0034 | 2 << 6, 0x0840_0004 | 0x9000 << 6]);
}

#[test]
fn branches_count_from_the_next_instruction() {
    // beq r4, r5, s   (ld)
    let beq = 0x2140_0026;
    for (distance, field) in [(4, 0u32), (0, 0xfffc), (0x8003, 0x7fff), (-0x7ffc, 0x8000)] {
        assert_eq!(one(R_NIOS2_PCREL16, beq, BASE.wrapping_add_signed(distance), 0).unwrap(), beq | field << 6);
    }
    for distance in [0x8004, -0x7ffd] {
        let found = one(R_NIOS2_PCREL16, beq, BASE.wrapping_add_signed(distance), 0).unwrap_err();
        assert_eq!(kinds(&found), [fault::OUT_OF_RANGE]);
    }
}

#[test]
fn immediates() {
    // addi r2, r3, s; ori; slli r2, r3, s; cache; custom; each with what is beside it.   (ld)
    for (kind, low, high, field) in [
        (R_NIOS2_S16, -0x8000_i64, 0x7fff_i64, 0x003f_ffc0_u32),
        (R_NIOS2_U16, 0, 0xffff, 0x003f_ffc0),
        (R_NIOS2_IMM5, -0x10, 0x1f, 0x0000_07c0),
        (R_NIOS2_CACHE_OPX, -0x10, 0x1f, 0x07c0_0000),
        (R_NIOS2_IMM6, -0x20, 0x3f, 0x0000_0fc0),
        (R_NIOS2_IMM8, -0x80, 0xff, 0x0000_3fc0),
    ] {
        for before in [0, !0, 0xa5a5_a5a5] {
            for value in [low, 1, high] {
                let after = one(kind, before, (value - 8) as u64 & 0xffff_ffff, 8).unwrap();
                assert_eq!(after, before & !field | (value as u32) << field.trailing_zeros() & field, "{kind} {value}");
            }
        }
        for value in [low - 1, high + 1] {
            let found = one(kind, 0, value as u64 & 0xffff_ffff, 0).unwrap_err();
            assert_eq!((found[0].fault.kind, found[0].fault.value), (fault::OUT_OF_RANGE, value));
        }
    }
}

#[test]
fn data() {
    let before = [0x0000_0010, 0x5a5a_a5a5];
    let relocations = [
        (0, R_NIOS2_BFD_RELOC_32, 0x8765_4321, 4),
        (4, R_NIOS2_BFD_RELOC_16, 0x1230, 4),
        (6, R_NIOS2_BFD_RELOC_8, 0x7f, 1),
    ];
    // A word goes on from what it holds.   (ld)
    assert_eq!(link(&before, &relocations).unwrap(), [0x8765_4335, 0x5a80_1234]);
}

#[test]
fn what_may_be_shortened_is_a_pair() {
    // orhi at, r0, %hi(s); ori at, at, %lo(s); jmp at   (ld)
    for kind in [R_NIOS2_UJMP, R_NIOS2_CJMP, R_NIOS2_CALLR] {
        let linked = link(&[0x0040_0034, 0x0840_0014, 0x0800_683a], &[(0, kind, 0x1234_8760, 4)]).unwrap();
        assert_eq!(linked, [0x0040_0034 | 0x1234 << 6, 0x0840_0014 | 0x8764 << 6, 0x0800_683a]);
    }
}

#[test]
fn a_call_stays_in_its_segment_or_goes_through_a_stub() {
    for (s, through) in [(0xc000_0000_u64, false), (0xcfff_fffc, false), (0xbfff_fffc, true), (0xd000_8000, true)] {
        let mut m = Module::<Arch>::new();
        m.synthetic_at(TABLE);
        let text = m.section(".text", BASE, &bytes(order::LITTLE, &[0x0000_0000, 0x0000_0000]));
        let symbol = m.symbol("s", s - 0x10);
        m.relocate(text, 4, R_NIOS2_CALL26, symbol, 0x10);
        let out = m.link().unwrap();
        let to = (u64::from(words(order::LITTLE, out.section(text))[1] >> 6) << 2) | 0xc000_0000;
        if through {
            assert_eq!(to, TABLE);
            let (upper, lower) = ((s + 0x8000) as u32 >> 16, s as u32 & 0xffff);
            let stub = [0x0040_0034 | upper << 6, 0x0840_0004 | lower << 6, 0x0800_683a];
            assert_eq!(words(order::LITTLE, &out.synthetic[0].contents), stub);
        } else {
            assert_eq!(to, s);
        }
        let noat = one(R_NIOS2_CALL26_NOAT, 0, s, 0);
        match noat {
            Ok(call) => assert_eq!((through, call), (false, (s as u32 & 0x0fff_ffff) << 4)),
            Err(found) => assert_eq!((through, kinds(&found)), (true, vec![fault::OUT_OF_RANGE])),
        }
    }
    assert_eq!(kinds(&one(R_NIOS2_CALL26, 0, BASE + 2, 0).unwrap_err()), [fault::MISALIGNED]);
}

#[test]
fn position_independent_code() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(TABLE);
    let before = [
        0x002c_e03a,
        0x0040_0034,
        0x0840_0004, // nextpc r22; orhi r1, r0, %hiadj(_gp_got-1b); addi r1, r1, %lo(_gp_got-1b)
        0xb080_0017,
        0xb080_0017, // ldw r2, %got(jiffies)(r22); ldw r2, %call(loops)(r22)
        0x00c0_0034,
        0x18c0_0004, // orhi r3, r0, %got_hiadj(loops); addi r3, r3, %got_lo(loops)
        0x00c0_0034,
        0x18c0_0004, // orhi r3, r0, %call_hiadj(loops); addi r3, r3, %call_lo(loops)
        0x00c0_0034,
        0x18c0_0004, // orhi r3, r0, %gotoff_hiadj(loops); addi r3, r3, %gotoff_lo(loops)
        0,           // .word %gotoff(loops)
    ];
    let text = m.section(".text", BASE, &bytes(order::LITTLE, &before));
    let table = m.symbol("_gp_got", 0);
    let jiffies = m.symbol("jiffies", 0xc012_3450);
    let loops = m.symbol("loops", 0xc813_9464);
    let all = [
        (4, R_NIOS2_PCREL_HA, table, 0),
        (8, R_NIOS2_PCREL_LO, table, 4),
        (12, R_NIOS2_GOT16, jiffies, 0),
        (16, R_NIOS2_CALL16, loops, 0),
        (20, R_NIOS2_GOT_HA, loops, 0),
        (24, R_NIOS2_GOT_LO, loops, 0),
        (28, R_NIOS2_CALL_HA, loops, 0),
        (32, R_NIOS2_CALL_LO, loops, 0),
        (36, R_NIOS2_GOTOFF_HA, loops, 0),
        (40, R_NIOS2_GOTOFF_LO, loops, 0),
        (44, R_NIOS2_GOTOFF, loops, 0),
    ];
    all.iter().for_each(|(at, kind, symbol, addend)| m.relocate(text, *at, *kind, *symbol, *addend));
    let out = m.link().unwrap();
    let w = words(order::LITTLE, out.section(text));
    let field = |i: usize| w[i] >> 6 & 0xffff;
    assert_eq!((field(1) << 16).wrapping_add_signed((field(2) as i16).into()), (TABLE - BASE - 4) as u32);
    assert_eq!([3, 4, 5, 6, 7, 8, 9, 10].map(field), [0, 4, 0, 4, 0, 4, 4, 0x9464]);
    assert_eq!(w[11], 0x3_9464);
    assert_eq!(words(order::LITTLE, &out.synthetic[0].contents), [0xc012_3450, 0xc813_9464]);
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that readelf of binutils 2.40 has a name for, but the last, which is none.
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..=45).chain(64..=76).collect::<Vec<_>>());
    let refused = [R_NIOS2_GPREL, R_NIOS2_TLS_GD16, R_NIOS2_COPY, R_NIOS2_R2_S12, 46, 77, u32::MAX];
    let found = link(&[0; 2], &refused.map(|kind| (0, kind, 0, 0))).unwrap_err();
    assert_eq!(kinds(&found)[..4], [fault::REJECTED; 4]);
    assert_eq!(kinds(&found)[4..], [fault::UNKNOWN_TYPE; 3]);
    assert!(found[0].text.contains("-mgpopt=none"));
    assert_eq!(link(&[1, 2], &[(0, R_NIOS2_NONE, 4, 4), (0, R_NIOS2_ALIGN, 4, 4)]).unwrap(), [1, 2]);
}

#[test]
fn release_2_is_another_machine() {
    let machine = Machine { flags_value: 1, ..Arch::ABOUT.machines[0] };
    let mut m = Module::<Arch>::for_machine(machine);
    m.section(".text", BASE, &[0; 4]);
    assert_eq!(kinds(&m.link().unwrap_err()), [fault::BAD_MACHINE]);
}

#[test]
fn hostile_places_and_symbols() {
    relobox_plugin::testing::hostile_records_are_faults(Module::<Arch>::new);
    relobox_plugin::testing::misplaced_words_are_outside(Module::<Arch>::new);
}
