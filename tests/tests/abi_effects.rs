//! What the shipped plugins' rows say of their values is true: `effect`, `round`, rule and slices, as docs/abi.md reads
//! them, give the very bytes that the plugin writes. Rows that need a partner or a table are judged elsewhere.

use anyhow::{Result, ensure};
use relobox_abi::{Machine, effect, pairing, row_flag, rule};
use relobox_tests::arch::{self, Architecture};
use relobox_tests::module_spec::{
    LinkError, Linker, ModuleSpec, Relocation, RowDescription, Section, Symbol, SymbolKind, guest,
};
use relobox_tests::parallel;

/// Where the place is in its section, and how long that is.
const OFFSET: usize = 16;
const LEN: usize = 40;

/// What the page says that a row does with `s` and `a` at `p`, where `before` was: the value, what the rule asks about,
/// and the field's word.
fn predicted(row: &RowDescription, machine: &Machine, (s, a, p): (i64, i64, i64), before: u64) -> Option<(i64, u64)> {
    let sum = s.wrapping_add(a);
    let half = if row.row.round == 0 { 0 } else { 1i64 << (row.row.round - 1) };
    let value = match row.row.effect {
        effect::ABSOLUTE => sum,
        effect::RELATIVE => sum.wrapping_sub(p),
        effect::PLUS => (before as i64).wrapping_add(sum),
        effect::MINUS => (before as i64).wrapping_sub(sum),
        // The pages are distances that have no low bits to round.
        effect::PAGES => (sum.wrapping_add(half) & !0xfff).wrapping_sub(p & !0xfff),
        effect::IN_PAGE => sum & 0xfff,
        _ => return None,
    };
    let value = if machine.class == 32 { i64::from(value as i32) } else { value };
    let rounded = if row.row.effect == effect::PAGES { value } else { value.wrapping_add(half) };
    let mut word = before & !row.mask();
    for slice in &row.slices {
        for bit in 0..slice.len {
            let from = if slice.value_bit + bit >= row.row.round { rounded } else { value };
            word |= (from as u64 >> (slice.value_bit + bit) & 1) << (slice.field_bit + bit);
        }
    }
    Some((rounded, word))
}

fn admitted(row: &RowDescription, value: i64) -> Result<(), &'static str> {
    let (bits, value) = (u32::from(row.row.bits), i128::from(value));
    let (min, max) = match row.row.rule {
        rule::SIGNED => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        rule::UNSIGNED => (0, (1i128 << bits) - 1),
        rule::EITHER => (-(1 << (bits - 1)), (1i128 << bits) - 1),
        _ => (i128::MIN, i128::MAX),
    };
    if value < min || value > max {
        Err("out-of-range")
    } else if value & (i128::from(row.row.align.max(1)) - 1) != 0 {
        Err("misaligned")
    } else {
        Ok(())
    }
}

/// Links one relocation; the section after it.
fn link(linker: &dyn Linker, module: &ModuleSpec) -> Result<Vec<u8>, String> {
    match linker.link(module) {
        Ok(answer) => Ok(answer.sections[0].clone()),
        Err(LinkError::Faults(faults)) if faults.len() == 1 => Err(faults[0].kind.clone()),
        Err(other) => Err(format!("{other:?}")),
    }
}

fn judge(
    linker: &dyn Linker,
    machine: Machine,
    in_place: bool,
    row: &RowDescription,
    s: i64,
    a: i64,
) -> Result<bool, String> {
    let poison = if row.is(row_flag::ZERO) { 0 } else { 0xa5 };
    let address = machine.base.wrapping_add(0x1_0000);
    let p = address.wrapping_add(OFFSET as u64) as i64;
    let mut module = ModuleSpec::new(machine, in_place);
    // Symbols are as wide as the class.
    let s = if machine.class == 32 { s & 0xffff_ffff } else { s };
    let symbol = module.symbol(Symbol { name: "s".into(), kind: SymbolKind::Outside(s as u64), size: 0 });
    let relocation = Relocation { offset: OFFSET as u64, kind: row.row.kind, symbol, addend: a };
    module.sections.push(Section { address, bytes: vec![poison; LEN], relocations: vec![relocation] });
    let before = row.word(&machine, &module.sections[0].bytes[OFFSET..]);
    let a = if in_place { row.value(&machine, &module.sections[0].bytes[OFFSET..]) } else { a };
    let Some((asked, word)) = predicted(row, &machine, (s, a, p), before) else { return Ok(false) };
    let got = link(linker, &module);
    match (admitted(row, asked), got) {
        (Err(_), _) if row.is(row_flag::FALLBACK) => Ok(false),
        (Err(kind), Err(got)) if kind == got => Ok(true),
        (Ok(()), Ok(bytes)) => {
            let width = usize::from(row.row.width);
            // From bit 32 up nothing is promised in a narrow class.
            let bits = row.slices.iter().flat_map(|s| (0..s.len).map(|i| (s.value_bit + i, s.field_bit + i)));
            let above = bits.filter(|(value_bit, _)| machine.class == 32 && *value_bit >= 32);
            let promised = above.fold(u64::MAX, |promised, (_, field_bit)| promised & !(1 << field_bit));
            let held = row.word(&machine, &bytes[OFFSET..]);
            let around = bytes[..OFFSET].iter().chain(&bytes[OFFSET + width..]).all(|b| *b == poison);
            if held & promised == word & promised && around {
                Ok(true)
            } else {
                Err(format!("S {s:#x} A {a:#x} P {p:#x}: {held:#x}, where {word:#x} is promised"))
            }
        }
        (wanted, got) => Err(format!("S {s:#x} A {a:#x} P {p:#x}: {got:x?}, where {wanted:?} is promised")),
    }
}

fn shipped(arch: &Architecture) -> Result<()> {
    let plugin = guest::named(arch.name)?;
    let (mut wrong, mut judged, mut said) = (Vec::new(), 0, 0);
    for row in plugin.rows() {
        said += usize::from(row.row.effect != effect::UNKNOWN);
        let alone = !matches!(row.row.pairing, pairing::NEXT | pairing::LABEL | pairing::BEHIND);
        if !alone || !row.is_plain() || row.is(row_flag::DERIVED) {
            continue;
        }
        let mut asked = 0;
        for (machine, in_place) in
            plugin.machines().iter().flat_map(|m| arch.in_place.iter().map(move |form| (*m, *form)))
        {
            if machine.class == 32 && row.row.kind > 0xff {
                continue; // ELF32's r_info has 8 bits for a type.
            }
            let p = machine.base.wrapping_add(0x1_0000 + OFFSET as u64) as i64;
            // About nothing, about the place, about each end of the rule, and about the carry out of a low half.
            let reach = 1i64 << (u32::from(row.row.bits) - 1).min(62);
            for base in [0, p, p.wrapping_add(reach), p.wrapping_sub(reach), reach, reach.wrapping_mul(2)] {
                for by in [-0x1000, -16, -1, 0, 1, 16, 0x7ff, 0x800, 0xff0, 0x7fff, 0x8000, 0x1234_5670] {
                    match judge(&plugin, machine, in_place, row, base.wrapping_add(by), 0x20) {
                        Ok(was) => asked += usize::from(was),
                        Err(what) => wrong.push(format!("{} (class {}): {what}", row.name, machine.class)),
                    }
                }
            }
        }
        judged += usize::from(asked > 0);
    }
    println!("{}: {said} of {} rows say what they are, {judged} were judged", arch.name, plugin.rows().len());
    wrong.truncate(20);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(judged > 2 && said >= judged, "{judged} of {said} rows were judged");
    Ok(())
}

#[test]
fn rows_do_what_their_description_says() {
    let wrong = parallel::failures(&arch::ALL, |arch| arch.name, |arch| shipped(arch));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
