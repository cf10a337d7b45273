use super::types::*;
use super::*;
use relobox_plugin::abi::{NONE, Symbol};
use relobox_plugin::testing::{Linked, Module, kinds, words};
use relobox_plugin::{Architecture, Finding};

const TEXT: u64 = 0xffff_fffc_0001_0000;
/// Where the table is.
const MADE: u64 = 0xffff_fffc_0004_0000;
const GP: u64 = MADE + 0x8000;
const LDAH_GP: u32 = 0x27bb_0000;
const LDA_GP: u32 = 0x23bd_0000;

fn module(words: &[u32]) -> (Module<Arch>, u32) {
    let mut m = Module::<Arch>::new();
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let text = m.section(".text", TEXT, &bytes);
    m.synthetic_at(MADE);
    (m, text)
}

/// One relocation at the first of these words.
fn one(kind: u32, value: u64, addend: i64, before: &[u32]) -> Result<Vec<u32>, Vec<Finding>> {
    let (mut m, text) = module(before);
    let symbol = m.symbol("there", value);
    m.relocate(text, 0, kind, symbol, addend);
    m.link().map(|out| words(order::LITTLE, out.section(text)))
}

fn value_of(found: &[Finding]) -> (u32, i64) {
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0].fault.kind, found[0].fault.value)
}

/// What `ldah` and `lda` add together.
fn sum(ldah: u32, lda: u32) -> i64 {
    i64::from(ldah as i16) * 0x1_0000 + i64::from(lda as i16)
}

#[test]
fn gp_is_made_from_the_address_of_the_ldah() {
    for (first, second) in [(0, 4), (8, 0), (0, 12), (12, 4)] {
        let mut before = [0xffff_ffff; 4];
        (before[first / 4], before[second / 4]) = (LDAH_GP, LDA_GP);
        let (mut m, text) = module(&before);
        m.relocate(text, first as u64, R_ALPHA_GPDISP, 0, second as i64 - first as i64);
        let out = m.link().unwrap();
        let made = words(order::LITTLE, out.section(text));
        assert_eq!(sum(made[first / 4], made[second / 4]), (GP - TEXT) as i64 - first as i64);
        assert_eq!((made[first / 4] >> 16, made[second / 4] >> 16), (LDAH_GP >> 16, LDA_GP >> 16));
        let window = relobox_plugin::abi::Window { relocation: 0, len: 4, offset: second as u64 };
        assert_eq!(out.windows, [window]);
        let others = |i: &usize| *i != first / 4 && *i != second / 4;
        assert!((0..4).filter(others).all(|i| made[i] == 0xffff_ffff));
    }
}

/// The pair with a distance, from `TEXT`, of gp, and with displacements before.
fn gpdisp(distance: i64, held: i64) -> Result<i64, (u32, i64)> {
    let high = ((held + 0x8000) >> 16) as u16;
    let (mut m, text) = module(&[LDAH_GP | u32::from(high), LDA_GP | u32::from(held as u16)]);
    m.synthetic_at(TEXT.wrapping_add_signed(distance - 0x8000));
    m.relocate(text, 0, R_ALPHA_GPDISP, 0, 4);
    let linked = m.link().map(|out| words(order::LITTLE, out.section(text)));
    linked.map(|made| sum(made[0], made[1])).map_err(|found| value_of(&found))
}

#[test]
fn the_pair_reaches_from_end_to_end() {
    for distance in [-0x8000_8000, -0x8000_0000, -0x8008, -0x8000, 0, 0x7ff8, 0x8000, 0x1_7ff8, 0x7fff_7ff8] {
        assert_eq!(gpdisp(distance, 0), Ok(distance));
        let held = [0x10, -0x10][usize::from(distance > 0)];
        assert_eq!(gpdisp(distance, held), Ok(distance + held));
    }
    for outside in [-0x8000_8008, 0x7fff_8000] {
        assert_eq!(gpdisp(outside, 0), Err((fault::OUT_OF_RANGE, outside)));
    }
    assert_eq!(gpdisp(0x7fff_7ff8, 7), Ok(0x7fff_7fff));
    assert_eq!(gpdisp(0x7fff_7ff8, 8), Err((fault::OUT_OF_RANGE, 0x7fff_8000)));
    assert_eq!(gpdisp(-0x8000_8000, -1), Err((fault::OUT_OF_RANGE, -0x8000_8001)));
}

#[test]
fn both_instructions_must_stand_there() {
    let link = |before: [u32; 2], addend| one(R_ALPHA_GPDISP, 0, addend, &before).map_err(|found| value_of(&found));
    assert_eq!(link([LDA_GP, LDA_GP], 4), Err((fault::BAD_INSTRUCTION, LDA_GP.into())));
    assert_eq!(link([LDAH_GP, LDAH_GP], 4), Err((fault::BAD_INSTRUCTION, LDAH_GP.into())));
    assert_eq!(link([LDAH_GP, LDA_GP], 0), Err((fault::BAD_INSTRUCTION, LDAH_GP.into())));
    for (addend, at) in [(5, 5), (8, 8), (-4, -4), (i64::MIN, i64::MIN)] {
        assert_eq!(link([LDAH_GP, LDA_GP], addend), Err((fault::OUTSIDE, at)));
    }
}

/// Loads of symbol plus addend, in a section of their own.
fn literals(of: &[(usize, i64)], symbols: usize) -> (Result<Linked, Vec<Finding>>, u32, Vec<u64>) {
    let (mut m, text) = module(&vec![0xa77d_0000; of.len()]);
    let values: Vec<u64> = (0..symbols as u64).map(|i| 0xffff_fc00_1122_3344 + 0x1_0001 * i).collect();
    let all: Vec<u32> = values.iter().map(|value| m.symbol("s", *value)).collect();
    for (i, (symbol, addend)) in (0..).zip(of) {
        m.relocate(text, 4 * i, R_ALPHA_LITERAL, all[*symbol], *addend);
    }
    (m.link(), text, values)
}

#[test]
fn a_slot_is_of_symbol_and_addend() {
    let of = [(0, 0), (1, 0), (0, 8), (1, -8), (0, 0), (1, 8), (0, 8)];
    let (out, text, values) = literals(&of, 2);
    let out = out.unwrap();
    let table = &out.synthetic[0];
    assert_eq!((table.name, table.address, table.contents.len()), (".relobox.got", MADE, 5 * 8));
    for (word, (symbol, addend)) in words(order::LITTLE, out.section(text)).iter().zip(of) {
        assert_eq!(word >> 16, 0xa77d);
        let at = GP.wrapping_add_signed((*word as i16).into()) - MADE;
        let slot = u64::from_le_bytes(table.contents[at as usize..][..8].try_into().unwrap());
        assert_eq!(slot, values[symbol].wrapping_add_signed(addend));
    }
}

#[test]
fn gp_reaches_8192_slots() {
    let of: Vec<(usize, i64)> = (0..8193).map(|i| (i, 0)).collect();
    let (out, text, _) = literals(&of[..8192], 8192);
    assert_eq!(words(order::LITTLE, out.unwrap().section(text))[8191], 0xa77d_7ff8);
    let (found, ..) = literals(&of, 8193);
    assert_eq!(value_of(&found.unwrap_err()), (fault::OUT_OF_RANGE, 0x8000));
}

#[test]
fn halves_of_a_distance_from_gp_add_up() {
    for distance in [0, 1, -1, 0x7fff, 0x8000, 0xffff, -0x8000, -0x8001, 0x7fff_7fff, -0x8000_8000, 0x1234_8765] {
        let (mut m, text) = module(&[LDAH_GP, LDA_GP, 0xffff_ffff]);
        let symbol = m.symbol("near", GP.wrapping_add_signed(distance - 4));
        m.relocate(text, 0, R_ALPHA_GPRELHIGH, symbol, 4);
        m.relocate(text, 4, R_ALPHA_GPRELLOW, symbol, 4);
        let made = words(order::LITTLE, m.link().unwrap().section(text));
        assert_eq!(sum(made[0], made[1]), distance);
    }
    for (kind, outside) in [
        (R_ALPHA_GPRELHIGH, -0x8000_8001),
        (R_ALPHA_GPRELHIGH, 0x7fff_8000),
        (R_ALPHA_GPREL16, -0x8001),
        (R_ALPHA_GPREL16, 0x8000),
        (R_ALPHA_GPREL32, -0x8000_0001),
        (R_ALPHA_GPREL32, 0x8000_0000),
    ] {
        let half = if kind == R_ALPHA_GPRELHIGH { 0x8000 } else { 0 };
        let found = one(kind, GP.wrapping_add_signed(outside), 0, &[0]).unwrap_err();
        assert_eq!(value_of(&found), (fault::OUT_OF_RANGE, outside + half));
    }
}

/// A `bsr` to a function of another section.
fn bsr(other: u8, flags: u16, section: u32) -> Result<u32, (u32, i64)> {
    let (mut m, text) = module(&[0xd340_0000]);
    m.section(".text.other", TEXT + 0x100, &[0; 16]);
    let symbol = Symbol { section, other, flags, info: 0x12, ..Default::default() };
    let symbol = m.raw_symbol(symbol, "f", TEXT + 0x100);
    m.relocate(text, 0, R_ALPHA_BRSGP, symbol, 0);
    m.link().map(|out| words(order::LITTLE, out.section(text))[0]).map_err(|found| value_of(&found))
}

#[test]
fn a_call_with_the_same_gp_goes_behind_the_prologue() {
    let to = |address: u32| Ok(0xd340_0000 | ((address - 4) / 4));
    assert_eq!(bsr(0x88, 0, 2), to(0x108));
    assert_eq!(bsr(0x80, 0, 2), to(0x100));
    assert_eq!(bsr(0x08, 0, 2), to(0x100));
    assert_eq!(bsr(0, 0, 2), to(0x100));
    assert_eq!(bsr(0x88, symbol_flag::UNDEFINED, 0), Err((fault::REJECTED, 0)));
}

#[test]
fn branches_count_instructions() {
    let end = 1i64 << 22;
    for (distance, expected) in [
        (4, Ok(0xc3e0_0000)),
        (0, Ok(0xc3ff_ffff)),
        (end, Ok(0xc3ef_ffff)),
        (4 - end, Ok(0xc3f0_0000)),
        (end + 4, Err((fault::OUT_OF_RANGE, end))),
        (-end, Err((fault::OUT_OF_RANGE, -end - 4))),
        (6, Err((fault::MISALIGNED, 2))),
    ] {
        let made = one(R_ALPHA_BRADDR, TEXT.wrapping_add_signed(distance), 0, &[0xc3e0_0000]);
        assert_eq!(made.map(|w| w[0]).map_err(|found| value_of(&found)), expected, "{distance:#x}");
    }
}

#[test]
fn a_hint_is_cut() {
    let hint = |value| one(R_ALPHA_HINT, value, 0, &[0x6b5b_7fff]).map(|w| w[0]).map_err(|found| value_of(&found));
    assert_eq!(hint(TEXT + 0x14), Ok(0x6b5b_4004));
    assert_eq!(hint(TEXT - 4), Ok(0x6b5b_7ffe));
    assert_eq!(hint(0xffff_fc00_0123_4568), Ok(0x6b5b_4000 | 0x0123_4564 >> 2 & 0x3fff));
    assert_eq!(hint(TEXT + 6), Err((fault::MISALIGNED, 2)));
}

#[test]
fn a_use_of_a_literal_changes_nothing() {
    // The addend is the number of a use.
    for addend in 0..7 {
        assert_eq!(one(R_ALPHA_LITUSE, 0x1234, addend, &[0xa5a5_a5a5]).unwrap(), [0xa5a5_a5a5]);
    }
}

/// Where the table is put if the module has a section `name`.
fn placed(name: &str) -> (u32, u32) {
    let (mut m, text) = module(&[0xa77d_0000]);
    m.section(".data", TEXT + 0x1000, &[0; 8]);
    let symbol = m.symbol("s", 0);
    m.relocate(text, 0, R_ALPHA_LITERAL, symbol, 0);
    m.section(name, TEXT + 0x2000, &[0; 8]);
    let out = m.link().unwrap();
    (out.synthetic[0].placement, out.synthetic[0].section)
}

#[test]
fn the_table_is_beside_the_modules_own() {
    assert_eq!(placed(".got"), (placement::AFTER, 3));
    assert_eq!(placed(".gots"), (placement::WITH_KIND, NONE));
}

#[test]
fn what_a_kernel_has_not_is_refused() {
    for (kind, text) in [(R_ALPHA_TLSGD, "thread-local"), (R_ALPHA_RELATIVE, "dynamic"), (R_ALPHA_OP_PUSH, "stack")] {
        let found = one(kind, 0, 0, &[0, 0]).unwrap_err();
        assert_eq!(kinds(&found), [fault::REJECTED]);
        assert!(found[0].text.contains(text), "{}", found[0].text);
    }
    assert_eq!(kinds(&one(42, 0, 0, &[0, 0]).unwrap_err()), [fault::UNKNOWN_TYPE]);
    let machine = Machine { flags_value: ADDRESSES32, ..Arch::ABOUT.machines[0] };
    assert_eq!(kinds(&Module::<Arch>::for_machine(machine).link().unwrap_err()), [fault::BAD_MACHINE]);
}

#[test]
fn hostile_records() {
    relobox_plugin::testing::hostile_records_are_faults::<Arch>(Module::new);
    relobox_plugin::testing::misplaced_words_are_outside::<Arch>(Module::new);
}
