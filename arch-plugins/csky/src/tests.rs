//! What gas makes of code and what GNU ld makes of that, and where GNU ld errs, the instruction set, worked by hand;
//! lines with (ld) were linked by GNU ld, too.

use super::*;
use relobox_plugin::testing::{Module, bytes, kinds, words};
use relobox_plugin::{Architecture as _, Finding};
use types::*;

const BASE: u64 = 0xc001_0000;
const TABLE: u64 = 0xc010_0000;

/// The machine with this ABI and byte order.
fn of(order: u8, flags: u32) -> Machine {
    let is = |m: &&Machine| (m.order, m.flags_value) == (order, flags);
    *Arch::ABOUT.machines.iter().find(is).expect("a machine")
}

/// Code, in halfwords.
fn code(order: u8, halves: &[u16]) -> Vec<u8> {
    let bytes = |half: &u16| if order == order::BIG { half.to_be_bytes() } else { half.to_le_bytes() };
    halves.iter().flat_map(bytes).collect()
}

fn read(order: u8, code: &[u8]) -> Vec<u16> {
    let half = |half: &[u8]| match order {
        order::BIG => u16::from_be_bytes([half[0], half[1]]),
        _ => u16::from_le_bytes([half[0], half[1]]),
    };
    code.chunks_exact(2).map(half).collect()
}

/// Links code at [`BASE`] for processors with these flags: offset, type, the symbol's value, addend. Tables and stubs
/// are at [`TABLE`]. Both byte orders must give the same halfwords.
fn link(flags: u32, before: &[u16], relocations: &[(u64, u32, u64, i64)]) -> Result<Vec<u16>, Vec<Finding>> {
    let in_order = |order: u8| {
        let mut machine = of(order, flags & ABI);
        machine.flags_value = flags;
        let mut m = Module::<Arch>::for_machine(machine);
        m.synthetic_at(TABLE);
        let text = m.section(".text", BASE, &code(order, before));
        for (at, kind, s, addend) in relocations {
            let symbol = m.symbol("s", *s);
            m.relocate(text, *at, *kind, symbol, *addend);
        }
        m.link().map(|linked| read(order, linked.section(text)))
    };
    let little = in_order(order::LITTLE);
    let of_kinds = |result: Result<Vec<u16>, Vec<Finding>>| result.map_err(|found| kinds(&found));
    assert_eq!(of_kinds(in_order(order::BIG)), of_kinds(little.as_ref().cloned().map_err(Clone::clone)));
    little
}

#[test]
fn upper_halves_come_first() {
    // movih r2, s >> 16; ori r2, r2, s & 0xffff   (ld)
    let before = [0xea22, 0, 0xec42, 0];
    let relocations = [(0, R_CKCORE_ADDR_HI16, 0x8123_8765, 4), (4, R_CKCORE_ADDR_LO16, 0x8123_8765, 4)];
    assert_eq!(link(ABI_V2, &before, &relocations).unwrap(), [0xea22, 0x8123, 0xec42, 0x8769]);
    // Nothing carries.
    let relocations = [(0, R_CKCORE_ADDR_HI16, 0x8123_ffff, 0), (4, R_CKCORE_ADDR_LO16, 0x8123_ffff, 0)];
    assert_eq!(link(ABI_V2, &before, &relocations).unwrap(), [0xea22, 0x8123, 0xec42, 0xffff]);
    // bsr, over its whole reach   (ld)
    for (distance, bits) in [(0x03ff_fffe, 0xe1ff_ffff_u32), (-0x0400_0000, 0xe200_0000), (-2, 0xe3ff_ffff)] {
        let s = BASE.wrapping_add_signed(distance);
        let after = link(ABI_V2, &[0xe000, 0], &[(0, R_CKCORE_PCREL_IMM26BY2, s, 0)]).unwrap();
        assert_eq!(after, [(bits >> 16) as u16, bits as u16]);
    }
}

#[test]
fn words_of_a_pool() {
    for order in [order::LITTLE, order::BIG] {
        let mut m = Module::<Arch>::for_machine(of(order, ABI_V2));
        let text = m.section(".text", BASE, &[0xa5; 12]);
        let symbol = m.symbol("s", 0x8765_4321);
        // At any even address, and in the order of data.
        m.relocate(text, 0, R_CKCORE_ADDR32, symbol, 4);
        m.relocate(text, 6, R_CKCORE_PCREL32, symbol, 0);
        let out = m.link().unwrap();
        assert_eq!(words(order, &out.section(text)[..4]), [0x8765_4325]);
        assert_eq!(words(order, &out.section(text)[6..10]), [0x8765_4321_u32.wrapping_sub(0xc001_0006)]);
    }
    // lrw r17; jmpi; lrw r17: the two behind the halfword read from P + disp * 4, rounded down.
    let before = [0xea91, 0, 0xeac0, 0, 0x6c03, 0xea91, 0];
    let relocations = [0, 4, 10].map(|at| (at, R_CKCORE_PCREL_IMM16BY4, BASE + 0x2c, 0));
    assert_eq!(link(ABI_V2, &before, &relocations).unwrap(), [0xea91, 11, 0xeac0, 10, 0x6c03, 0xea91, 9]);
    // lrw16 r1, with two bits apart; flrws fr1, with four
    let lrw16 = |s| link(ABI_V2, &[0x1020], &[(0, R_CKCORE_PCREL_IMM7BY4, s, 0)]);
    assert_eq!(lrw16(BASE + 0x14c).unwrap(), [0x1020 | 0x13 | 2 << 8]);
    assert_eq!(kinds(&lrw16(BASE - 4).unwrap_err()), [fault::OUT_OF_RANGE]);
    assert_eq!(kinds(&lrw16(BASE + 0x200).unwrap_err()), [fault::OUT_OF_RANGE]);
    assert_eq!(kinds(&lrw16(BASE + 6).unwrap_err()), [fault::MISALIGNED]);
    let flrws = link(ABI_V2, &[0xf400, 0x3801], &[(0, R_CKCORE_PCREL_FLRW_IMM8BY4, BASE + 0x35 * 4, 0)]);
    assert_eq!(flrws.unwrap(), [0xf400 | 3 << 5, 0x3801 | 5 << 4]);
}

#[test]
fn the_first_instruction_set_counts_from_the_next_one() {
    // (ld) nop; lrw r1; jsri; bsr; br
    let before = [0x1200, 0x7100, 0x7f00, 0xf800, 0xf000];
    let relocations = [
        (2, R_CKCORE_PCREL_IMM8BY4, BASE + 0x20, 0),
        (4, R_CKCORE_PCREL_IMM8BY4, BASE + 0x20, 0),
        (6, R_CKCORE_PCREL_IMM11BY2, BASE + 0x100, 0),
        (8, R_CKCORE_PCREL_IMM11BY2, BASE, 0),
    ];
    assert_eq!(link(ABI_V1, &before, &relocations).unwrap(), [0x1200, 0x7107, 0x7f07, 0xf87c, 0xf7fb]);
    let bsr = |s: u64| link(ABI_V1, &[0xf800], &[(0, R_CKCORE_PCREL_IMM11BY2, s, 0)]);
    assert_eq!(bsr(BASE + 0x800).unwrap(), [0xfbff]);
    assert_eq!(bsr(BASE - 0x7fe).unwrap(), [0xfc00]);
    for s in [BASE + 0x802, BASE - 0x800] {
        assert_eq!(kinds(&bsr(s).unwrap_err()), [fault::OUT_OF_RANGE]);
    }
}

#[test]
fn calls_by_a_word_of_the_pool() {
    let near = |flags, before: &[u16], s| link(flags, before, &[(0, R_CKCORE_PCREL_JSR_IMM26BY2, s, 0)]);
    let jsri = [0xeae0, 0x001b, 0xc400, 0x4820];
    for processor in [0xb, CK810] {
        // bsr   (ld)
        let after = near(ABI_V2 | processor, &jsri, BASE + 0x100).unwrap();
        assert_eq!(after, [0xe000, 0x0080, 0xc400, 0x4820]);
        // What is a bsr already stays one.
        let bsr = [0xe000, 0x0123, 0xc400, 0x4820];
        assert_eq!(near(ABI_V2 | processor, &bsr, 0x8000_0000).unwrap(), bsr);
    }
    // Too far away: it stays, or is lrw r26; jsr r26 on a CK810.
    for s in [0x8000_0000, BASE + 0x0400_0000, BASE - 0x0400_0002, BASE + 0x101] {
        assert_eq!(near(ABI_V2 | 0xb, &jsri, s).unwrap(), jsri);
        assert_eq!(near(ABI_V2 | 0xb, &jsri[..2], s).unwrap(), jsri[..2]);
        assert_eq!(near(ABI_V2 | CK810, &jsri, s).unwrap(), [0xea9a, 0x001b, 0xe8fa, 0x0000]);
    }
    // Where there is no room for that.
    let found = near(ABI_V2 | CK810, &[0xeae0, 0x001b, 0xe000, 0], 0x8000_0000).unwrap_err();
    assert_eq!(kinds(&found), [fault::BAD_INSTRUCTION]);
    assert_eq!(kinds(&near(ABI_V2 | CK810, &jsri[..2], 0x8000_0000).unwrap_err()), [fault::OUTSIDE]);
    // ABIv1   (ld)
    let call = |s| link(ABI_V1, &[0x7f03], &[(0, R_CKCORE_PCREL_JSR_IMM11BY2, s, 0)]).unwrap();
    assert_eq!(call(BASE + 0x100), [0xf87f]);
    assert_eq!([call(BASE + 0x800), call(BASE - 0x7fe)], [[0xfbff], [0xfc00]]);
    assert_eq!([call(BASE + 0x802), call(BASE - 0x800), call(BASE + 3)], [[0x7f03]; 3]);
}

#[test]
fn calls_without_reach_go_through_a_stub() {
    for order in [order::LITTLE, order::BIG] {
        let mut m = Module::<Arch>::for_machine(of(order, ABI_V2));
        m.synthetic_at(TABLE);
        let text = m.section(".text", BASE, &code(order, &[0xe000, 0, 0xe000, 0]));
        let printk = m.symbol("_printk", 0x8012_3456);
        m.relocate(text, 0, R_CKCORE_PCREL_IMM26BY2, printk, 0);
        m.relocate(text, 4, R_CKCORE_PCREL_IMM26BY2, printk, 0);
        let out = m.link().unwrap();
        // The distance of the stub, in halfwords: 0xf_0000 / 2, and 4 bytes less.
        assert_eq!(read(order, out.section(text)), [0xe007, 0x8000, 0xe007, 0x7ffe]);
        let stub = &out.synthetic[0].contents;
        // jmpi, of the word at (PC + 4) & -4
        assert_eq!(read(order, &stub[..4]), [0xeac0, 1]);
        assert_eq!((stub.len(), words(order, &stub[4..])), (8, vec![0x8012_3456]));
    }
    // Nothing runs at an odd address.
    let found = link(ABI_V2, &[0xe000, 0], &[(0, R_CKCORE_PCREL_IMM26BY2, 0x8000_0001, 0)]).unwrap_err();
    assert_eq!(kinds(&found), [fault::OUT_OF_RANGE]);
}

#[test]
fn position_independent_code() {
    for order in [order::LITTLE, order::BIG] {
        let mut m = Module::<Arch>::for_machine(of(order, ABI_V2));
        m.synthetic_at(TABLE);
        // lrs.w r3, [a@GOT]; lrs.w r0, [f@PLT]; the pool: .L2@GOTPC, a+8@GOT, f@PLT, f@GOTOFF
        let insns = code(order, &[0xcc68, 0, 0xcc08, 0]);
        let text = m.section(".text", BASE, &[insns, bytes(order, &[!0; 4])].concat());
        let (a, f, start) = (m.symbol("a", 0x8000_1234), m.symbol("f", 0xc002_3460), m.label(text, 0));
        m.relocate(text, 0, R_CKCORE_GOT_IMM18BY4, a, 0);
        m.relocate(text, 4, R_CKCORE_PLT_IMM18BY4, f, 0);
        m.relocate(text, 8, R_CKCORE_GOTPC, start, 0x2c);
        m.relocate(text, 12, R_CKCORE_GOT32, a, 8);
        m.relocate(text, 16, R_CKCORE_PLT32, f, 0);
        m.relocate(text, 20, R_CKCORE_GOTOFF, f, 0);
        let out = m.link().unwrap();
        let table = words(order, &out.synthetic[0].contents);
        let slot = |value| table.iter().position(|word| *word == value).unwrap() as u16;
        let (a, f) = (slot(0x8000_1234), slot(0xc002_3460));
        assert_eq!(read(order, &out.section(text)[..8]), [0xcc68, a, 0xcc08, f]);
        let pool = words(order, &out.section(text)[8..]);
        let offsets = [u32::from(a) * 4 + 8, u32::from(f) * 4];
        assert_eq!(pool, [(TABLE - BASE - 0x2c) as u32, offsets[0], offsets[1], 0xfff2_3460]);
    }
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that readelf of binutils 2.40 has a name for.
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..=64).collect::<Vec<_>>());
    let refused =
        [R_CKCORE_PCREL_IMM4BY2, R_CKCORE_DOFFSET_IMM18, R_CKCORE_PCREL_IMM10BY4, R_CKCORE_TLS_LE32, 65, u32::MAX];
    let found = link(ABI_V2, &[0; 2], &refused.map(|kind| (0, kind, 0, 0))).unwrap_err();
    assert_eq!(kinds(&found)[..4], [fault::REJECTED; 4]);
    assert_eq!(kinds(&found)[4..], [fault::UNKNOWN_TYPE; 2]);
    let nothing = [R_CKCORE_NONE, R_CKCORE_GNU_VTENTRY, R_CKCORE_CALLGRAPH];
    assert_eq!(link(ABI_V2, &[1, 2], &nothing.map(|kind| (0, kind, 4, 4))).unwrap(), [1, 2]);
}

#[test]
fn hostile_places_and_symbols() {
    relobox_plugin::testing::hostile_records_are_faults(Module::<Arch>::new);
    relobox_plugin::testing::misplaced_words_are_outside(Module::<Arch>::new);
}
