//! Metamorphic oracles: a second module is derived from the first, and a relation between the two results must hold,
//! whatever a relocation means. If the plugin refuses either module, there is nothing to compare.

use super::diagnostic::{DiagnosticKind, PluginDiagnostic, hex};
use super::field::Field;
use super::places::{Places, Sharing};
use super::plugin_under_test::PluginUnderTest;
use super::reference_model::ReferenceModel;
use super::run::{Fault, Linked, Outcome};
use super::test_module::{Relocation, Section, TestModule};
use relobox_abi::{effect, pairing, row_flag};
use relobox_core::rng::Rng;
use relobox_core::text;
use relobox_link::description::{PluginDescription, PluginRow};
use std::ops::Range;

/// The part of the input that is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moves {
    /// Sections, symbols, and the sections that the plugin makes.
    Everything,
    /// Symbols that are in no section.
    Symbols,
    /// Sections, but not the sections that the plugin makes.
    Places,
}

fn moved(module: &TestModule, what: Moves, by: u64) -> TestModule {
    let mut moved = module.clone();
    if what != Moves::Symbols {
        moved.sections.iter_mut().for_each(|s| s.address = module.cut(s.address.wrapping_add(by)));
    }
    if what != Moves::Places {
        let outside = moved.symbols.iter_mut().filter(|s| s.section == 0);
        outside.for_each(|s| s.value = module.cut(s.value.wrapping_add(by)));
    }
    if what == Moves::Everything {
        moved.synthetic = module.synthetic.wrapping_add(by);
    }
    moved
}

/// Returns the multiples of the distance by which the value of a row may change, or `None` if that is not known.
fn factors(model: &ReferenceModel<'_>, row: &PluginRow, what: Moves, symbol_moves: bool) -> Option<&'static [i64]> {
    use Moves::{Everything, Places, Symbols};
    if row.is(row_flag::BY_HAND) || (row.is(row_flag::FALLBACK) && what != Everything) || !model.is_linear(row) {
        return None;
    }
    let s = symbol_moves && what != Places;
    Some(match (row.row.effect, what) {
        (effect::RELATIVE | effect::PAGES, Everything) if s => &[0],
        (effect::RELATIVE | effect::PAGES, Symbols) => {
            if s {
                &[1]
            } else {
                &[0]
            }
        }
        (effect::RELATIVE | effect::PAGES, Places) if symbol_moves => &[-1],
        // The distance is at least a page.
        (effect::IN_PAGE | effect::SIZE, _) => &[0],
        (effect::ABSOLUTE | effect::PLUS, _) => {
            if s {
                &[1]
            } else {
                &[0]
            }
        }
        (effect::MINUS, _) => {
            if s {
                &[-1]
            } else {
                &[0]
            }
        }
        (effect::PARTNER, _) => &[0, 1, -1],
        (effect::SLOT, Everything) => &[0, 1],
        // A distance counts from the table, or, to the table, from the symbol.
        (effect::SLOT, Symbols) => &[0, 1, -1],
        (effect::SLOT, Places) => &[0, -1],
        (effect::UNKNOWN, _) => &[0, 1, -1],
        _ => return None,
    })
}

fn linked(under_test: &PluginUnderTest<'_>, module: &TestModule) -> Option<Linked> {
    match under_test.run(module).outcome {
        Outcome::Linked(linked) => Some(linked),
        _ => None,
    }
}

/// Checks that each value changes with the operands that were moved.
///
/// # Errors
///
/// A [`PluginDiagnostic`] about the first field that did not change as expected.
pub(crate) fn shift(
    under_test: &PluginUnderTest<'_>,
    module: &TestModule,
    what: Moves,
    by: u64,
) -> Result<(), PluginDiagnostic> {
    let (Some(before), Some(after)) = (linked(under_test, module), linked(under_test, &moved(module, what, by))) else {
        return Ok(());
    };
    for (section, s) in module.groups() {
        let places = Places::of(under_test.about(), s);
        for (index, r) in (0..).zip(&s.relocations) {
            let Some(row) = under_test.about().row(r.kind).filter(|row| row.writes()) else { continue };
            if places.sharing(index) != Sharing::Alone {
                continue;
            }
            // Symbol 0 never moves, and a symbol that is defined in a section moves with the section.
            let symbol = (r.symbol as usize).checked_sub(1).and_then(|i| module.symbols.get(i));
            let along = symbol.is_some_and(|symbol| symbol.section == 0 || what == Moves::Everything);
            let Some(factors) = factors(&under_test.model, row, what, along) else { continue };
            let field = Field::of(row, module.order);
            // A field that does not store the low bits changes by a whole number only if these bits stay the same.
            let paged = matches!(
                row.row.effect,
                effect::PAGES | effect::IN_PAGE | effect::PARTNER | effect::UNKNOWN | effect::SLOT
            );
            let low =
                field.stored_bits().trailing_zeros().min(63).max(row.row.round.into()).max(if paged { 12 } else { 0 });
            if field.mask() == 0 || !by.is_multiple_of(1 << low) {
                continue;
            }
            let held = |linked: &Linked| {
                let at = usize::try_from(r.offset).ok()?;
                Some(field.word(linked.sections.get(section)?.get(at..)?))
            };
            let (Some(old), Some(new)) = (held(&before), held(&after)) else { continue };
            let expected = |factor: &i64| {
                let bits = field.extract(old).wrapping_add(factor.cast_unsigned().wrapping_mul(by));
                field.insert(old, |_| bits.cast_signed())
            };
            let good = |factor: &i64| (expected(factor) ^ new) & sure(&field, module.class) == 0;
            let derived = row.is(row_flag::DERIVED);
            let holds = if derived { factors != [0] || old == new } else { factors.iter().any(good) };
            if holds {
                continue;
            }
            let expected = expected(&factors[0]);
            let word = |word: u64| hex(&field.bytes(word)[..field.width.min(8)]);
            return Err(PluginDiagnostic {
                kind: DiagnosticKind::Differs,
                about: format!("{} at {}+{:#x}", row.name, s.name, r.offset),
                expected: format!(
                    "{} when {} moved by {}",
                    word(expected),
                    thing(what),
                    text::hex_value(by.cast_signed())
                ),
                actual: format!("{} (it was {})", word(new), word(old)),
            });
        }
    }
    Ok(())
}

/// Returns the bits of a word that follow from a value of the class. Bits above 32 may depend on carries.
fn sure(field: &Field<'_>, class: u8) -> u64 {
    if class == 32 { !field.insert(0, |_| !0xffff_ffff) } else { u64::MAX }
}

fn thing(what: Moves) -> &'static str {
    match what {
        Moves::Everything => "everything",
        Moves::Symbols => "all symbols",
        Moves::Places => "the section",
    }
}

/// Returns, for each byte of a section, the bits that relocations own and the bits that they also read.
fn owned(under_test: &PluginUnderTest<'_>, module: &TestModule, section: &Section) -> (Vec<u8>, Vec<u8>) {
    let mut own = vec![0u8; section.bytes.len()];
    let mut read = own.clone();
    for r in &section.relocations {
        let Some(row) = under_test.about().row(r.kind).filter(|row| row.writes()) else { continue };
        let (field, at) = (Field::of(row, module.order), r.offset as usize);
        let whole = row.is(row_flag::BY_HAND | row_flag::DERIVED) || row.slices.is_empty();
        let reads = section.in_place
            || row.is(row_flag::ZERO)
            || matches!(row.row.effect, effect::PLUS | effect::MINUS)
            || (row.row.effect == effect::UNKNOWN && under_test.model.unpredictable(row).is_some());
        let field_bits = field.bytes(if whole { u64::MAX } else { field.mask() });
        let field_bits = field_bits.iter().take(field.width).copied();
        // Bits in the window but outside the field, and bits in windows that plan may declare, may be owned and read.
        let start = r.offset as i64 + i64::from(row.row.window_start) - i64::from(row.row.window_align);
        let window = usize::from(row.row.window_len) + usize::from(row.row.window_align);
        if usize::from(row.row.window_len) > field.width || row.row.extra != 0 {
            let len = window.max(row.row.extra.into()).max(field.width);
            for i in (0..len as i64).filter_map(|i| usize::try_from(start + i).ok()) {
                if let (Some(own), Some(read)) = (own.get_mut(i), read.get_mut(i)) {
                    (*own, *read) = (0xff, 0xff);
                }
            }
        }
        for (i, bits) in field_bits.enumerate() {
            if let (Some(own), Some(read)) = (own.get_mut(at + i), read.get_mut(at + i)) {
                *own |= bits;
                *read |= if reads { bits } else { 0 };
            }
        }
    }
    (own, read)
}

/// Checks that bits around fields stay, and that the old contents of a field do not matter unless they are read.
///
/// # Errors
///
/// A [`PluginDiagnostic`] about the first byte that violates this.
pub(crate) fn poison(under_test: &PluginUnderTest<'_>, module: &TestModule) -> Result<(), PluginDiagnostic> {
    let mut inverted = module.clone();
    let masks: Vec<_> = module.sections.iter().map(|s| owned(under_test, module, s)).collect();
    for (section, (_, read)) in inverted.sections.iter_mut().zip(&masks) {
        if !section.relocations.is_empty() {
            section.bytes.iter_mut().zip(read).for_each(|(byte, read)| *byte ^= !read);
        }
    }
    let (Some(clean), Some(dirty)) = (linked(under_test, module), linked(under_test, &inverted)) else { return Ok(()) };
    for (section, s) in module.groups() {
        let own = &masks[section].0;
        let made = [(&module.sections[section].bytes, &clean), (&inverted.sections[section].bytes, &dirty)];
        for (was, linked) in made {
            let is = &linked.sections[section];
            let stray = (0..was.len()).find(|i| (was[*i] ^ is[*i]) & !own[*i] != 0);
            if let Some(i) = stray {
                return Err(PluginDiagnostic {
                    kind: DiagnosticKind::Neighbours,
                    about: near(under_test, s, i),
                    expected: format!("byte {i:#x} to keep its bits {:#04x} of {:#04x}", !own[i], was[i]),
                    actual: format!("{:#04x}", is[i]),
                });
            }
        }
        let (a, b) = (&clean.sections[section], &dirty.sections[section]);
        // The plugin may derive such values from the old contents.
        let derived: Vec<_> = s
            .relocations
            .iter()
            .filter(|r| under_test.about().row(r.kind).is_some_and(|row| row.is(row_flag::BY_HAND | row_flag::DERIVED)))
            .map(|r| r.offset as usize..(r.offset as usize).saturating_add(16))
            .collect();
        let differs =
            (0..own.len()).find(|i| (a[*i] ^ b[*i]) & own[*i] != 0 && !derived.iter().any(|range| range.contains(i)));
        if let Some(i) = differs {
            return Err(PluginDiagnostic {
                kind: DiagnosticKind::Bytes,
                about: near(under_test, s, i),
                expected: format!("byte {i:#x} to be the same whatever was in the field, {:#04x}", a[i]),
                actual: format!("{:#04x}", b[i]),
            });
        }
    }
    Ok(())
}

/// Returns the name of the relocation nearest to a byte.
fn near(under_test: &PluginUnderTest<'_>, section: &Section, at: usize) -> String {
    let nearest = section.relocations.iter().min_by_key(|r| r.offset.abs_diff(at as u64));
    let name = nearest.map_or_else(String::new, |r| under_test.about().relocation(r.kind));
    format!("{name} near {}+{at:#x}", section.name)
}

/// Returns the row of a relocation that writes, and the bytes of its field.
fn written<'a>(about: &'a PluginDescription, r: &Relocation) -> Option<(&'a PluginRow, Range<usize>)> {
    let row = about.row(r.kind).filter(|row| row.writes())?;
    Some((row, r.offset as usize..(r.offset as usize).saturating_add(row.row.width.into())))
}

/// Returns, for each section, the bytes that depend on the number of a table entry. Entries may be numbered in the order
/// of the relocations, and another relocation may go on from such a number.
fn numbered_bytes(about: &PluginDescription, module: &TestModule) -> Vec<Vec<bool>> {
    let of = |s: &Section| {
        let mut bytes = vec![false; s.bytes.len()];
        for (row, at) in s.relocations.iter().filter_map(|r| written(about, r)) {
            let entry = matches!(row.row.effect, effect::SLOT | effect::UNKNOWN | effect::PARTNER);
            if entry || row.is(row_flag::FALLBACK) {
                bytes.get_mut(at).into_iter().flatten().for_each(|byte| *byte = true);
            }
        }
        bytes
    };
    module.sections.iter().map(of).collect()
}

fn contains(numbered: &[bool], at: &Range<usize>) -> bool {
    numbered.get(at.clone()).is_some_and(|bytes| bytes.contains(&true))
}

/// Returns whether all faults are about relocations whose field depends on the number of a table entry.
fn only_about(numbered: &[Vec<bool>], about: &PluginDescription, module: &TestModule, faults: &[Fault]) -> bool {
    let all: Vec<_> = module.groups().flat_map(|(n, s)| s.relocations.iter().map(move |r| (n, r))).collect();
    faults.iter().all(|fault| {
        let relocation = fault.relocation.and_then(|i| all.get(i as usize));
        relocation.is_some_and(|(n, r)| written(about, r).is_some_and(|(_, at)| contains(&numbered[*n], &at)))
    })
}

/// Checks that the order of independent relocations does not matter.
///
/// # Errors
///
/// A [`PluginDiagnostic`] about the first difference.
pub(crate) fn permute(
    under_test: &PluginUnderTest<'_>,
    module: &TestModule,
    seed: u64,
) -> Result<(), PluginDiagnostic> {
    let about = under_test.about();
    // Plugins of ABI version 1 do not declare which relocations must follow which.
    let unordered = |s: &Section| about.abi < 2 && s.in_place;
    let bound = |r: &Relocation| {
        let kind = r.kind & about.kind_mask;
        about.rows.iter().any(|row| {
            let ordered = matches!(row.row.pairing, pairing::NEXT | pairing::BEHIND);
            ordered && (row.row.kind == kind || row.row.partner == kind)
        })
    };
    let mut permuted = module.clone();
    let mut rng = Rng::new(seed);
    for (section, s) in module.groups() {
        let places = Places::of(about, s);
        let alone = |i: &usize| places.sharing(*i) == Sharing::Alone && !bound(&s.relocations[*i]);
        let free: Vec<_> = (0..s.relocations.len()).filter(|i| !unordered(s) && alone(i)).collect();
        let list = &mut permuted.sections[section].relocations;
        for i in (1..free.len()).rev() {
            list.swap(free[i], free[rng.below(i + 1)]);
        }
        // A random permutation of few elements may be the identity.
        if *list == s.relocations {
            free.windows(2).for_each(|two| list.swap(two[0], two[1]));
        }
    }
    let (first, second) = (under_test.run(module).outcome, under_test.run(&permuted).outcome);
    let diagnostic = |about: String, expected: String, actual: String| {
        Err(PluginDiagnostic {
            kind: DiagnosticKind::Differs,
            about,
            expected: format!("{expected} in any order"),
            actual,
        })
    };
    let (numbered, renumbered) = (numbered_bytes(about, module), numbered_bytes(about, &permuted));
    match (first, second) {
        (Outcome::Linked(a), Outcome::Linked(b)) => {
            for (section, s) in module.groups() {
                for r in &s.relocations {
                    let Some((row, at)) = written(about, r) else { continue };
                    let tables = !a.made.is_empty() && contains(&numbered[section], &at);
                    let both = (a.sections[section].get(at.clone()), b.sections[section].get(at));
                    if let ((Some(a), Some(b)), false) = (both, tables)
                        && a != b
                    {
                        return diagnostic(format!("{} at {}+{:#x}", row.name, s.name, r.offset), hex(a), hex(b));
                    }
                }
            }
            Ok(())
        }
        (Outcome::Refused(_), Outcome::Refused(_)) => Ok(()),
        // An entry may be out of reach only because of its number.
        (Outcome::Linked(_), Outcome::Refused(faults)) if only_about(&renumbered, about, &permuted, &faults) => Ok(()),
        (Outcome::Refused(faults), Outcome::Linked(_)) if only_about(&numbered, about, module, &faults) => Ok(()),
        (Outcome::Linked(_), Outcome::Refused(faults)) | (Outcome::Refused(faults), Outcome::Linked(_)) => {
            let kind = faults.first().map_or(String::new(), |f| f.kind.clone());
            diagnostic(
                "independent relocations".into(),
                "the same outcome".into(),
                format!("{kind} in one of two runs"),
            )
        }
        (_, Outcome::GuestError(what)) | (Outcome::GuestError(what), _) => {
            diagnostic("independent relocations".into(), "an answer".into(), format!("it {what}"))
        }
    }
}
