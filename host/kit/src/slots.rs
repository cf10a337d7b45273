//! The oracle for table entries and stubs: fields that refer to something that the plugin made must lead on to the
//! symbol.
//!
//! The plugin chooses where an entry lies. But a word with the symbol's value must stand in what it made, and one
//! relation between entry and field must hold for all symbols of a row. Where the reference model can resolve the
//! field, this oracle uses it.

use super::diagnostic::{DiagnosticKind, PluginDiagnostic};
use super::encode::HAS_FALLBACK;
use super::field::Field;
use super::indirection::{RowCoverage, undo_rounding};
use super::plugin_under_test::PluginUnderTest;
use super::prediction::Prediction;
use super::run::{Linked, Outcome};
use super::tables::word;
use super::test_module::{Relocation, TestModule};
use super::value_source::half;
use relobox_abi::{effect, row_flag};
use relobox_core::text::hex_value;
use relobox_link::description::PluginRow;
use std::collections::HashMap;

/// A relocation with the word at its place after linking.
struct Site<'a> {
    relocation: &'a Relocation,
    place: u64,
    value: u64,
    word: u64,
}

/// Checks the destinations of a module whose relocations are all of one row.
///
/// # Errors
///
/// A [`PluginDiagnostic`] about the first field with a wrong destination.
pub(crate) fn destinations(under_test: &PluginUnderTest<'_>, module: &TestModule) -> Result<(), PluginDiagnostic> {
    let about = under_test.about();
    let mut kinds = module.groups().flat_map(|(_, s)| &s.relocations).map(|r| r.kind & about.kind_mask);
    let Some(kind) = kinds.next().filter(|kind| kinds.all(|other| other == *kind)) else { return Ok(()) };
    let Some(row) = about.row(kind).filter(|row| row.writes() && !row.slices.is_empty()) else { return Ok(()) };
    let Outcome::Linked(linked) = under_test.run(module).outcome else { return Ok(()) };
    let field = Field::of(row, module.order);
    let mut sites = Vec::new();
    for (section, s) in module.groups().filter(|(_, s)| !s.in_place) {
        for r in s.relocations.iter().filter(|r| r.symbol != 0) {
            let Some(bytes) = linked.sections[section].get(r.offset as usize..) else { continue };
            let value = linked.values.get(r.symbol as usize).copied().unwrap_or(0);
            let place = module.cut(s.address.wrapping_add(r.offset));
            sites.push(Site { relocation: r, place, value, word: field.word(bytes) });
        }
    }
    if row.is(row_flag::FALLBACK) {
        return stubs(under_test, module, row, &linked, &sites);
    }
    // The model can resolve fields of a parsed formula, also if the value is rounded or shifted.
    if under_test.model.indirection_coverage(row) == Some(RowCoverage::Entry) {
        let predictions = under_test.model.predictions(module, &linked.values);
        return under_test.model.resolve_indirection(module, &linked, &predictions).map(drop);
    }
    match row.row.effect {
        effect::SLOT | effect::UNKNOWN if !row.is(row_flag::DERIVED) => entries(module, row, &linked, &sites),
        _ => Ok(()),
    }
}

/// Returns the addresses of words with `value` in the sections that the plugin made, each with the section's address.
fn words_with(module: &TestModule, linked: &Linked, value: u64) -> Vec<(u64, u64)> {
    let bytes = word(module, value);
    let width = bytes.len();
    let in_one = |m: &super::Made| -> Vec<(u64, u64)> {
        let windows = (0u64..).zip(m.contents.windows(width)).step_by(2);
        windows.filter(|(_, w)| *w == bytes).map(|(i, _)| (m.address.wrapping_add(i), m.address)).collect()
    };
    linked.made.iter().flat_map(in_one).collect()
}

/// Computes the value of a field from the addresses of an entry, the place, and the entry's table.
pub(crate) type AddressForm = fn(u64, u64, u64) -> u64;

pub(crate) const ADDRESS_FORMS: [AddressForm; 7] = [
    |entry, _, _| entry,
    |_, _, table| table,
    |entry, place, _| entry.wrapping_sub(place),
    |entry, place, _| (entry & !0xfff).wrapping_sub(place & !0xfff),
    |entry, _, _| entry & 0xfff,
    |entry, _, table| entry.wrapping_sub(table),
    |entry, _, table| entry.wrapping_sub(table & !0xfff),
];

/// Checks that fields refer to entries for symbol plus addend, or to entries for the symbol with the addend added.
fn entries(module: &TestModule, row: &PluginRow, linked: &Linked, sites: &[Site<'_>]) -> Result<(), PluginDiagnostic> {
    let addend = |site: &Site<'_>| site.relocation.addend.cast_unsigned();
    let targets = |site: &Site<'_>| words_with(module, linked, module.cut(site.value.wrapping_add(addend(site))));
    let symbols = |site: &Site<'_>| words_with(module, linked, site.value);
    let of_targets: Vec<_> = sites.iter().map(targets).collect();
    let of_symbols: Vec<_> = sites.iter().map(symbols).collect();
    // A row that only refers to the table itself has no entries.
    if of_targets.iter().chain(&of_symbols).all(Vec::is_empty) {
        return Ok(());
    }
    if is_consistent(module, row, sites, &of_targets, |_| 0) || is_consistent(module, row, sites, &of_symbols, addend) {
        return Ok(());
    }
    let field = Field::of(row, module.order);
    let fields: Vec<_> = sites.iter().map(|s| hex_value(field.extract(s.word).cast_signed())).collect();
    let missing = sites.iter().zip(&of_targets).zip(&of_symbols).find(|((_, a), b)| a.is_empty() && b.is_empty());
    let (site, expected) = match missing {
        Some(((site, _), _)) => (site, format!("an entry that holds {}", hex_value(site.value.cast_signed()))),
        None => (&sites[0], "fields that refer to entries for their symbols".to_owned()),
    };
    let actual = format!("fields {} that lead elsewhere", fields.join(", "));
    Err(PluginDiagnostic {
        kind: DiagnosticKind::Bytes,
        about: format!("{} at {:#x}", row.name, site.relocation.offset),
        expected,
        actual,
    })
}

/// Returns whether one address form explains all fields, up to a constant distance, since an entry may begin before its
/// word.
fn is_consistent(
    module: &TestModule,
    row: &PluginRow,
    sites: &[Site<'_>],
    words: &[Vec<(u64, u64)>],
    more: impl Fn(&Site<'_>) -> u64,
) -> bool {
    let field = Field::of(row, module.order);
    let whole = field.stored_bits() & 1 != 0 || row.row.align > 1;
    let half = half(row).cast_unsigned();
    // The row decides about bits above an address.
    let unsure = if module.class == 32 { field.insert(0, |_| !0xffff_ffff) } else { 0 };
    let fits = |way: AddressForm, site: &Site<'_>, entry: &(u64, u64), beside: u64| {
        let value = way(entry.0, site.place, entry.1).wrapping_add(more(site)).wrapping_add(beside);
        (field.insert(site.word, |_| value.wrapping_add(half).cast_signed()) ^ site.word) & !unsure == 0
    };
    let Some((first, rest)) = sites.split_first() else { return true };
    let held = field.signed(first.word).cast_unsigned();
    let along = |way: AddressForm| {
        words[0].iter().any(|entry| {
            let here = way(entry.0, first.place, entry.1).wrapping_add(more(first));
            let beside = if whole { held.wrapping_sub(here) } else { 0 };
            let each = |(site, words): (&Site<'_>, &Vec<(u64, u64)>)| words.iter().any(|e| fits(way, site, e, beside));
            fits(way, first, entry, beside) && rest.iter().zip(&words[1..]).all(each)
        })
    };
    ADDRESS_FORMS.iter().any(|way| along(*way))
}

/// Checks that out-of-range branches lead to stubs, and that two symbols never share a stub.
fn stubs(
    under_test: &PluginUnderTest<'_>,
    module: &TestModule,
    row: &PluginRow,
    linked: &Linked,
    sites: &[Site<'_>],
) -> Result<(), PluginDiagnostic> {
    if row.row.effect != effect::RELATIVE || row.is(row_flag::DERIVED) {
        return Ok(());
    }
    let field = Field::of(row, module.order);
    let predictions = under_test.model.predictions(module, &linked.values);
    let all: Vec<_> = module.groups().flat_map(|(_, s)| &s.relocations).collect();
    let far = |site: &Site<'_>| {
        let index = all.iter().position(|r| std::ptr::eq(*r, site.relocation));
        index.is_some_and(|i| matches!(predictions[i], Prediction::Unknown(why) if why == HAS_FALLBACK))
    };
    let mut owners: HashMap<u64, u64> = HashMap::new();
    for site in sites.iter().filter(|site| site.relocation.addend == 0 && far(site)) {
        // A plugin may leave a call of an undefined weak symbol unresolved.
        if site.value == 0 {
            continue;
        }
        let value = undo_rounding(row, field.signed(site.word));
        let pc_offset = under_test.model.tables.pc_offset(row.row.kind);
        let target = module.cut(site.place.wrapping_add_signed(value).wrapping_add(pc_offset));
        let inside = linked.made.iter().any(|m| m.at(target).is_some());
        let report = |expected: String, actual: String| {
            let about = format!("{} at {:#x}", row.name, site.relocation.offset);
            Err(PluginDiagnostic { kind: DiagnosticKind::Bytes, about, expected, actual })
        };
        let target_of = |target: u64| hex_value(target.cast_signed());
        if !inside {
            return report(
                "a field that leads to a stub".into(),
                format!("a field that leads to {}", target_of(target)),
            );
        }
        match owners.insert(target, site.value) {
            Some(other) if other != site.value => {
                let (a, b) = (target_of(other), target_of(site.value));
                return report("a different stub for each symbol".into(), format!("the same for {a} and {b}"));
            }
            _ => {}
        }
    }
    Ok(())
}
