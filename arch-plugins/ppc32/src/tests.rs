//! What the psABI says, worked by hand; lines with (ld) were linked by GNU ld 2.40, too.

use super::types::*;
use super::*;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::{Module, bytes, hostile_records_are_faults, kinds, misplaced_words_are_outside, words};
use relobox_plugin::{Architecture as _, Finding};

const TEXT: u64 = 0xb000_0000;
/// Where synthetic sections are.
const MADE: u64 = 0xb000_4000;
const BIG: Machine = Arch::ABOUT.machines[0];
const LITTLE: Machine = Arch::ABOUT.machines[1];

/// Where the half of an instruction is that starts at `at`.
fn half(machine: Machine, at: u64) -> u64 {
    if machine.order == order::BIG { at + 2 } else { at }
}

/// Links one relocation of the second of three instructions, `insn`: the symbol has the value `s`.
fn link(machine: Machine, insn: u32, kind: u32, s: u64, addend: i64) -> Result<u32, (u32, i64)> {
    let mut m = Module::<Arch>::for_machine(machine);
    m.synthetic_at(MADE);
    let text = m.section(".text", TEXT, &bytes(machine.order, &[!0, insn, !0]));
    let symbol = m.symbol("s", s);
    let whole = matches!(Arch::ABOUT.rows.iter().find(|r| r.kind == kind), Some(row) if row.width == 4);
    m.relocate(text, if whole { 4 } else { half(machine, 4) }, kind, symbol, addend);
    let out = m.link().map_err(|findings: Vec<Finding>| (findings[0].fault.kind, findings[0].fault.value))?;
    let made = words(machine.order, out.section(text));
    assert_eq!((made[0], made[2]), (!0, !0));
    Ok(made[1])
}

#[test]
fn an_address_takes_two_instructions() {
    for machine in [BIG, LITTLE] {
        // lis r9, s@ha; addi r9, r9, s@l; lis r9, s@h; ori r9, r9, s@l   (ld)
        assert_eq!(link(machine, 0x3d20_0000, R_PPC_ADDR16_HA, 0xc012_8000, 0), Ok(0x3d20_c013));
        assert_eq!(link(machine, 0x3929_0000, R_PPC_ADDR16_LO, 0xc012_8000, 0), Ok(0x3929_8000));
        assert_eq!(link(machine, 0x3d20_0000, R_PPC_ADDR16_HI, 0xc012_8000, 0), Ok(0x3d20_c012));
        assert_eq!(link(machine, 0x3d20_0000, R_PPC_ADDR16_HA, 0xc012_8000, -1), Ok(0x3d20_c012));
        // The carry leaves the word.
        assert_eq!(link(machine, 0x3d20_0000, R_PPC_ADDR16_HA, 0xffff_8000, 0), Ok(0x3d20_0000));
        // addpcis r3, ...   (ld)
        assert_eq!(link(machine, 0x4c60_0004, R_PPC_REL16DX_HA, TEXT + 4 + 0x1234_8000, 0), Ok(0x4c7a_1205));
        // A negated address.   (ld)
        assert_eq!(link(machine, 0x3920_0000, R_PPC_EMB_NADDR16, 0x1234, 4), Ok(0x3920_edd0));
        assert_eq!(link(machine, 0x3d20_0000, R_PPC_EMB_NADDR16_HA, 0xc012_8000, 0), Ok(0x3d20_3fee));
    }
}

#[test]
fn short_numbers_have_ranges() {
    for (kind, from, min, max, step) in [
        (R_PPC_ADDR16, 0, -0x8000i64, 0xffff, 1),
        (R_PPC_UADDR16, 0, -0x8000, 0xffff, 1),
        (R_PPC_REL16, half(BIG, TEXT + 4), -0x8000, 0x7fff, 1),
        (R_PPC_ADDR14, 0, -0x8000, 0x7ffc, 4),
        (R_PPC_ADDR24, 0, -0x200_0000, 0x1ff_fffc, 4),
        (R_PPC_LOCAL24PC, TEXT + 4, -0x200_0000, 0x1ff_fffc, 4),
    ] {
        let mask = if max > 0xffff { 0x3ff_fffc } else { 0xffff & -step } as u32;
        let at = |value: i64| link(BIG, !0, kind, from.wrapping_add_signed(value) & 0xffff_ffff, 0);
        for value in [min, -step, 0, step, max] {
            assert_eq!(at(value), Ok(!mask | value as u32 & mask), "type {kind}");
        }
        for value in [min - step, max + step] {
            assert_eq!(at(value), Err((fault::OUT_OF_RANGE, value)), "type {kind}");
        }
        if step > 1 {
            assert_eq!(at(2), Err((fault::MISALIGNED, 2)), "type {kind}");
        }
    }
}

/// Where a branch at the start of the module goes, and what its entry holds.
fn call(machine: Machine, insn: u32, kind: u32, s: u64, addend: i64) -> (u64, Vec<u32>) {
    let mut m = Module::<Arch>::for_machine(machine);
    m.synthetic_at(MADE);
    let text = m.section(".text", TEXT, &bytes(machine.order, &[insn]));
    let symbol = m.symbol("printk", s);
    m.relocate(text, 0, kind, symbol, addend);
    let out = m.link().unwrap();
    let made = words(machine.order, out.section(text))[0];
    let bits = if insn >> 26 == 18 { 26 } else { 16 };
    let distance = Value(i64::from(made & if bits == 26 { 0x3ff_fffc } else { 0xfffc })).sign_extend(bits);
    (TEXT.wrapping_add_signed(distance.0), words(machine.order, &out.synthetic[0].contents))
}

#[test]
fn calls_go_through_entries_where_they_must() {
    const BL: u32 = 0x4800_0001;
    for machine in [BIG, LITTLE] {
        // As Linux makes it: lis r12; addi r12, r12; mtctr r12; bctr
        let entry = vec![0x3d80_c013, 0x398c_8764, 0x7d89_03a6, 0x4e80_0420];
        assert_eq!(call(machine, BL, R_PPC_REL24, 0xc012_8760, 4), (MADE, entry.clone()));
        let entry = vec![0x3d80_c013, 0x398c_8760, 0x7d89_03a6, 0x4e80_0420];
        assert_eq!(call(machine, BL, R_PPC_PLTREL24, 0xc012_8760, 0x8000), (MADE, entry));
        assert_eq!(call(machine, 0x4182_0000, R_PPC_REL14, 0xb000_8000, 0).0, MADE);
        // Both ends of what a branch reaches.
        for s in [TEXT + 0x1ff_fffc, TEXT - 0x200_0000] {
            for kind in [R_PPC_REL24, R_PPC_PLTREL24] {
                assert_eq!(call(machine, BL, kind, s, 0), (s, vec![0; 4]));
            }
        }
        for s in [TEXT + 0x200_0000, TEXT - 0x200_0004] {
            assert_eq!(call(machine, BL, R_PPC_REL24, s, 0).0, MADE);
        }
        // An addend that says where r30 points to is not for the branch.
        assert_eq!(call(machine, BL, R_PPC_PLTREL24, TEXT + 0x40, 0x8000).0, TEXT + 0x40);
        // A place for no instruction has no entry.
        assert_eq!(link(machine, BL, R_PPC_REL24, 0xc012_8762, 0), Err((fault::OUT_OF_RANGE, 0x1012_875e)));
    }
}

#[test]
fn one_entry_for_one_target() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(MADE);
    let text = m.section(".text", TEXT, &[0x48, 0, 0, 1].repeat(5));
    let (first, second) = (m.symbol("first", 0xc000_0000), m.symbol("second", 0xc000_1000));
    for (i, (kind, symbol, addend)) in (0..).zip([
        (R_PPC_REL24, first, 0),
        (R_PPC_REL24, second, 0),
        (R_PPC_PLTREL24, first, 0x8000),
        (R_PPC_REL24, first, 8),
        (R_PPC_REL24, second, 0),
    ]) {
        m.relocate(text, 4 * i, kind, symbol, addend);
    }
    let out = m.link().unwrap();
    let ends: Vec<_> =
        (0..).zip(words(BIG.order, out.section(text))).map(|(i, w)| TEXT + 4 * i + u64::from(w & 0x3ff_fffc)).collect();
    assert_eq!(ends, [0, 16, 0, 32, 16].map(|at| MADE + at));
    assert_eq!((out.synthetic[0].name, out.synthetic[0].contents.len()), (".relobox.plt", 48));
}

#[test]
fn hints_go_by_the_direction_of_the_branch() {
    for (word, conditional) in [
        (0x4182_0000, true),  // beq
        (0x41a2_0000, true),  // beq, with y
        (0x4200_0000, true),  // bdnz
        (0x4280_0000, false), // always
        (0x42a0_0000, false), // always, with y
    ] {
        for (ahead, taken) in [(true, true), (true, false), (false, true), (false, false)] {
            // y turns the guess around that branches backward are taken.
            let y = if conditional && taken == ahead { 1 << 21 } else { 0 };
            let field = if ahead { 0x10 } else { 0xfff0 };
            let expected = Ok(word & !(1 << 21) | y | field);
            let s = if ahead { 0x10 } else { 0xffff_fff0 };
            let relative = if ahead { TEXT + 0x14 } else { TEXT - 0xc };
            let kinds = match taken {
                true => [R_PPC_ADDR14_BRTAKEN, R_PPC_REL14_BRTAKEN],
                false => [R_PPC_ADDR14_BRNTAKEN, R_PPC_REL14_BRNTAKEN],
            };
            for machine in [BIG, LITTLE] {
                assert_eq!(link(machine, word, kinds[0], s, 0), expected, "{word:#x} {ahead} {taken}");
                assert_eq!(link(machine, word, kinds[1], relative, 0), expected, "{word:#x} {ahead} {taken}");
            }
        }
    }
    // It is the entry's direction, if there is one.
    let mut m = Module::<Arch>::new();
    m.synthetic_at(TEXT - 0x1000);
    let text = m.section(".text", TEXT, &[0x41, 0x82, 0, 0]);
    let symbol = m.symbol("s", 0xc000_0000);
    m.relocate(text, 0, R_PPC_REL14_BRTAKEN, symbol, 0);
    assert_eq!(words(BIG.order, m.link().unwrap().section(text)), [0x4182_f000]);
}

#[test]
fn the_table_has_slots_for_data_and_for_calls() {
    for machine in [BIG, LITTLE] {
        let mut m = Module::<Arch>::for_machine(machine);
        m.synthetic_at(MADE);
        let code = [
            0x813e_0000, // lwz r9, first@got(r30)
            0x3d3e_0000, // addis r9, r30, second@got@ha
            0x3d9e_0000, // addis r12, r30, second@plt@ha
            0x818c_0000, // lwz r12, second@plt@l(r12)
            0x3fde_0000, // addis r30, r30, (_GLOBAL_OFFSET_TABLE_ - .)@ha
        ];
        let text = m.section(".text", TEXT, &bytes(machine.order, &code));
        let (first, second) = (m.symbol("first", 0xc000_1234), m.symbol("second", 0xc000_5678));
        let table = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
        let at = |i: u64| half(machine, 4 * i);
        m.relocate(text, at(0), R_PPC_GOT16, first, 0);
        m.relocate(text, at(1), R_PPC_GOT16_HA, second, 0);
        m.relocate(text, at(2), R_PPC_PLT16_HA, second, 0x8000);
        m.relocate(text, at(3), R_PPC_PLT16_LO, second, 0x8000);
        m.relocate(text, at(4), R_PPC_REL16_HA, table, at(4) as i64);
        let out = m.link().unwrap();
        assert_eq!(words(machine.order, &out.synthetic[0].contents), [0xc000_1234, 0xc000_5678]);
        // A whole address needs no base register.
        let made = words(machine.order, out.section(text));
        assert_eq!(made, [0x813e_0000, 0x3d3e_0000, 0x3d80_b000, 0x818c_4004, 0x3fde_0000]);
    }
}

#[test]
fn code_in_the_table_is_refused() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(MADE);
    let text = m.section(".text", TEXT, &bytes(BIG.order, &[0x4800_0001; 2]));
    let (table, label) = (m.symbol("_GLOBAL_OFFSET_TABLE_", 0), m.label(text, 8));
    m.relocate(text, 0, R_PPC_LOCAL24PC, label, 0);
    m.relocate(text, 4, R_PPC_LOCAL24PC, table, -4);
    let findings = m.link().unwrap_err();
    assert_eq!(kinds(&findings), [fault::REJECTED]);
    assert_eq!((findings[0].fault.offset, findings[0].text.contains("not executable")), (4, true));
}

#[test]
fn every_type_has_its_verdict() {
    // Every number that binutils 2.40 has a name for, but for those that its programs keep to themselves.
    let mut rows: Vec<_> = Arch::ABOUT.every_row().map(|r| r.kind).collect();
    rows.sort_unstable();
    let all = [0..=37, 67..=96, 101..=116, 119..=120, 216..=233, 246..=246, 248..=255];
    assert_eq!(rows, all.into_iter().flatten().collect::<Vec<_>>());
    for kind in [R_PPC_COPY, R_PPC_SDAREL16, R_PPC_SECTOFF, R_PPC_TPREL16, R_PPC_VLE_REL24, R_PPC_TOC16] {
        assert_eq!(link(BIG, 0, kind, TEXT, 0), Err((fault::REJECTED, 0)));
    }
    for kind in [38, 51, 97, 234, 256, u32::MAX] {
        assert_eq!(link(BIG, 0, kind, TEXT, 0), Err((fault::UNKNOWN_TYPE, kind.into())));
    }
}

#[test]
fn hostile_places_and_symbols() {
    for machine in [BIG, LITTLE] {
        hostile_records_are_faults(|| Module::<Arch>::for_machine(machine));
        misplaced_words_are_outside(|| Module::<Arch>::for_machine(machine));
    }
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", TEXT, &[0; 8]);
    m.relocate(text, 0, R_PPC_ADDR32, 0, 0);
    assert_eq!(kinds(&m.link().unwrap_err()), [fault::ADDEND_FORM]);
}
