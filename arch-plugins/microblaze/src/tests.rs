//! What binutils says, worked by hand; lines with (ld) were linked by GNU ld, too. Code is what gas makes of the text.

use super::*;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::{Module, bytes, kinds, words};
use relobox_plugin::{Architecture as _, Finding};
use types::*;

const BASE: u64 = 0xf000_0000;
const TABLE: u64 = 0xf010_0000;

/// Links words at [`BASE`] with relocations: offset, type, the symbol's value, addend. Tables are at [`TABLE`].
/// Both byte orders, and both numbers of the machine, must give the same.
fn link(before: &[u32], relocations: &[(u64, u32, u64, i64)]) -> Result<Vec<u32>, Vec<Finding>> {
    let of = |machine: &Machine| {
        let mut m = Module::<Arch>::for_machine(*machine);
        m.synthetic_at(TABLE);
        let text = m.section(".text", BASE, &bytes(machine.order, before));
        for (at, kind, s, addend) in relocations {
            let symbol = m.symbol("s", *s);
            m.relocate(text, *at, *kind, symbol, *addend);
        }
        m.link().map(|linked| words(machine.order, linked.section(text)))
    };
    let first = of(&Arch::ABOUT.machines[0]);
    for machine in &Arch::ABOUT.machines[1..] {
        assert_eq!(of(machine).map_err(|f| kinds(&f)), first.as_ref().cloned().map_err(|f| kinds(f)));
    }
    first
}

#[test]
fn an_immediate_takes_two_words() {
    // imm; addik r3, r0, s   (ld)
    let pair = [0xb000_a5a5, 0x3060_5a5a];
    assert_eq!(link(&pair, &[(0, R_MICROBLAZE_64, 0xc123_8765, 4)]).unwrap(), [0xb000_c123, 0x3060_8769]);
    // Halves do not carry.
    assert_eq!(link(&pair, &[(0, R_MICROBLAZE_64, 0xffff, 1)]).unwrap(), [0xb000_0001, 0x3060_0000]);
    // nop; imm; brlid r15, s: from the instruction behind imm.   (ld)
    let call = [0x8000_0000, 0xb000_0000, 0xb9f4_0000];
    for kind in [R_MICROBLAZE_64_PCREL, R_MICROBLAZE_PLT_64] {
        assert_eq!(link(&call, &[(4, kind, BASE + 8, 0)]).unwrap(), call);
        assert_eq!(link(&call, &[(4, kind, 0xc001_2344, 0)]).unwrap(), [0x8000_0000, 0xb000_d001, 0xb9f4_233c]);
        assert_eq!(link(&call, &[(4, kind, BASE, 4)]).unwrap(), [0x8000_0000, 0xb000_ffff, 0xb9f4_fffc]);
    }
}

#[test]
fn single_words() {
    let before = [0xa5a5_a5a5, 0xffff_ffff, 0x3060_ffff, 0xb800_ffff, 0x3060_ffff];
    let relocations = [
        (0, R_MICROBLAZE_32, 0x8765_4321, 4),
        (4, R_MICROBLAZE_32_PCREL, BASE, 0),
        (8, R_MICROBLAZE_32_LO, 0x7ffe, 1),
        (12, R_MICROBLAZE_32_PCREL_LO, BASE, 4),
        (16, R_MICROBLAZE_TEXTREL_32_LO, BASE + 0x1_2340, 5),
    ];
    let after = [0x8765_4325, 0xffff_fffc, 0x3060_7fff, 0xb800_fff8, 0x3060_2345];
    assert_eq!(link(&before, &relocations).unwrap(), after);
    for (kind, from) in [(R_MICROBLAZE_32_LO, 0), (R_MICROBLAZE_32_PCREL_LO, BASE)] {
        for (value, fits) in [(0x7fff_i64, true), (-0x8000, true), (0x8000, false), (-0x8001, false)] {
            let s = from.wrapping_add_signed(value) & 0xffff_ffff;
            match link(&[0], &[(0, kind, s, 0)]) {
                Ok(after) => assert_eq!((fits, after), (true, vec![value as u32 & 0xffff])),
                Err(found) => assert_eq!((fits, kinds(&found)), (false, vec![fault::OUT_OF_RANGE])),
            }
        }
    }
}

#[test]
fn position_independent_code() {
    for big in [true, false] {
        let machine = *Arch::ABOUT.machines.iter().find(|m| (m.order == order::BIG) == big).unwrap();
        let mut m = Module::<Arch>::for_machine(machine);
        m.synthetic_at(TABLE);
        let before = [
            0x9680_8000,
            0xb000_0000,
            0x3294_0000, // mfs r20, rpc; addik r20, r20, _GLOBAL_OFFSET_TABLE_+8
            0xb000_0000,
            0xe874_0000, // lwi r3, r20, jiffies@GOT
            0xb000_0000,
            0xe874_0000, // lwi r3, r20, loops+4@GOT
            0xb000_0000,
            0x3074_0000, // addik r3, r20, loops@GOTOFF
            0,           // .word loops@GOTOFF
        ];
        let text = m.section(".text", BASE, &bytes(machine.order, &before));
        let table = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
        let jiffies = m.symbol("jiffies", 0xc012_3450);
        let loops = m.symbol("loops", 0xf002_3460);
        m.relocate(text, 4, R_MICROBLAZE_GOTPC_64, table, 8);
        m.relocate(text, 12, R_MICROBLAZE_GOT_64, jiffies, 0);
        m.relocate(text, 20, R_MICROBLAZE_GOT_64, loops, 4);
        m.relocate(text, 28, R_MICROBLAZE_GOTOFF_64, loops, 0);
        m.relocate(text, 36, R_MICROBLAZE_GOTOFF_32, loops, 0);
        let out = m.link().unwrap();
        let w = words(machine.order, out.section(text));
        let pair = |i: usize| w[i] << 16 | w[i + 1] & 0xffff;
        // r20 holds the address of mfs, which is 8 before what the distance counts from.
        assert_eq!(BASE as u32 + pair(1), TABLE as u32);
        let slots = words(machine.order, &out.synthetic[0].contents);
        assert_eq!([slots[pair(3) as usize / 4], slots[pair(5) as usize / 4]], [0xc012_3450, 0xf002_3464]);
        assert_eq!([pair(7), w[9]], [0xfff2_3460; 2]);
    }
}

#[test]
fn code_relative_to_its_section() {
    // mfs r20, rpc; addik r20, r20, text+8; addik r3, r20, s@TXTREL   (ld)
    let before = [0x9680_8000, 0xb000_0000, 0x3294_0000, 0xb000_0000, 0x3074_0000];
    let relocations = [(4, R_MICROBLAZE_TEXTPCREL_64, 0, 8), (12, R_MICROBLAZE_TEXTREL_64, 0xc012_3456, -6)];
    let after = [0x9680_8000, 0xb000_0000, 0x3294_0000, 0xb000_d012, 0x3074_3450];
    assert_eq!(link(&before, &relocations).unwrap(), after);
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that readelf of binutils 2.40 has a name for.
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..=32).collect::<Vec<_>>());
    let refused = [R_MICROBLAZE_SRO32, R_MICROBLAZE_SRW32, R_MICROBLAZE_REL, R_MICROBLAZE_TLSGD, 33, 255, u32::MAX];
    let found = link(&[0; 2], &refused.map(|kind| (0, kind, 0, 0))).unwrap_err();
    assert_eq!(kinds(&found)[..4], [fault::REJECTED; 4]);
    assert_eq!(kinds(&found)[4..], [fault::UNKNOWN_TYPE; 3]);
    assert!(found[0].text.contains("-mxl-gp-opt"));
    let nothing = [R_MICROBLAZE_NONE, R_MICROBLAZE_64_NONE, R_MICROBLAZE_32_SYM_OP_SYM];
    assert_eq!(link(&[1, 2], &nothing.map(|kind| (0, kind, 4, 4))).unwrap(), [1, 2]);
}

#[test]
fn hostile_places_and_symbols() {
    relobox_plugin::testing::hostile_records_are_faults(Module::<Arch>::new);
    relobox_plugin::testing::misplaced_words_are_outside(Module::<Arch>::new);
}
