//! Table entries and stubs: fields that lead to something that the plugin makes, which must lead on to the symbol.
//!
//! Where an entry lies is the plugin's affair. But a word with the symbol's value stands somewhere in what it made,
//! and the way from the fields of one row to these words is the same for all symbols.

use super::case::{Case, Relocation};
use super::check::{Complaint, Wrong};
use super::field::Field;
use super::judge::Verdict;
use super::run::{Linked, Outcome};
use super::subject::Subject;
use crate::guests::PluginRow;
use crate::report::hex;
use relobox_abi::{effect, order, row_flag};
use std::collections::HashMap;

/// A relocation without an addend, and the word at its place once it is done.
struct Site<'a> {
    relocation: &'a Relocation,
    place: u64,
    value: u64,
    word: u64,
}

/// Judges cases whose relocations are all of one row: what leads where.
pub(super) fn destinations(subject: &Subject<'_>, case: &Case) -> Result<(), Complaint> {
    let about = subject.about();
    let mut kinds = case.groups().flat_map(|(_, s)| &s.relocations).map(|r| r.kind & about.kind_mask);
    let Some(kind) = kinds.next().filter(|kind| kinds.all(|other| other == *kind)) else { return Ok(()) };
    let Some(row) = about.row(kind).filter(|row| row.writes() && !row.slices.is_empty()) else { return Ok(()) };
    let Outcome::Linked(linked) = subject.run(case).outcome else { return Ok(()) };
    let field = Field::of(row, case.order);
    let mut sites = Vec::new();
    for (section, s) in case.groups().filter(|(_, s)| !s.in_place) {
        for r in s.relocations.iter().filter(|r| r.addend == 0 && r.symbol != 0) {
            let Some(bytes) = linked.sections[section].get(r.offset as usize..) else { continue };
            let value = linked.values.get(r.symbol as usize).copied().unwrap_or(0);
            let place = case.cut(s.address.wrapping_add(r.offset));
            sites.push(Site { relocation: r, place, value, word: field.word(bytes) });
        }
    }
    if row.is(row_flag::FALLBACK) {
        return stubs(subject, case, row, &linked, &sites);
    }
    match row.row.effect {
        effect::SLOT | effect::UNKNOWN if !row.is(row_flag::DERIVED) => entries(case, row, &linked, &sites),
        _ => Ok(()),
    }
}

/// Addresses, in what the plugin made, of words that hold `value`, each with the table's own address.
fn holding(case: &Case, linked: &Linked, value: u64) -> Vec<(u64, u64)> {
    let width = usize::from(case.class / 8);
    let mut bytes = if case.order == order::BIG { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() };
    if case.order == order::BIG {
        bytes.drain(..8 - width);
    } else {
        bytes.truncate(width);
    }
    let in_one = |m: &super::Made| -> Vec<(u64, u64)> {
        let windows = (0u64..).zip(m.contents.windows(width)).step_by(2);
        windows.filter(|(_, w)| *w == bytes).map(|(i, _)| (m.address.wrapping_add(i), m.address)).collect()
    };
    linked.made.iter().flat_map(in_one).collect()
}

/// Ways from an entry to a field's value.
const WAYS: [fn(u64, u64, u64) -> u64; 5] = [
    |entry, place, _| entry.wrapping_sub(place),
    |entry, place, _| (entry & !0xfff).wrapping_sub(place & !0xfff),
    |entry, _, _| entry & 0xfff,
    |entry, _, table| entry.wrapping_sub(table),
    |entry, _, table| entry.wrapping_sub(table & !0xfff),
];

fn entries(case: &Case, row: &PluginRow, linked: &Linked, sites: &[Site<'_>]) -> Result<(), Complaint> {
    let field = Field::of(row, case.order);
    let words: Vec<_> = sites.iter().map(|site| holding(case, linked, site.value)).collect();
    // A row that only names the table has no entries.
    if words.iter().all(Vec::is_empty) {
        return Ok(());
    }
    let complain = |site: &Site<'_>, expected: String, came: String| {
        let about = format!("{} at {:#x}", row.name, site.relocation.offset);
        Err(Complaint { wrong: Wrong::Bytes, about, expected, came })
    };
    for (site, words) in sites.iter().zip(&words) {
        if words.is_empty() {
            let value = hex(site.value.cast_signed());
            return complain(site, format!("an entry that holds {value}"), "none in what the plugin made".into());
        }
    }
    // The same way for all, and beside it a distance that is the same for all: an entry may begin before its word.
    let whole = field.holds() & 1 != 0 || row.row.align > 1;
    let half = if row.row.round == 0 { 0 } else { 1u64 << (row.row.round - 1).min(62) };
    let fits = |way: fn(u64, u64, u64) -> u64, site: &Site<'_>, entry: &(u64, u64), beside: u64| {
        let value = way(entry.0, site.place, entry.1).wrapping_add(half).wrapping_add(beside);
        field.insert(site.word, |_| value.cast_signed()) == site.word
    };
    let Some((first, rest)) = sites.split_first() else { return Ok(()) };
    let along = |way: fn(u64, u64, u64) -> u64| {
        words[0].iter().any(|entry| {
            let held = field.signed(first.word);
            let beside = if whole { held.cast_unsigned().wrapping_sub(way(entry.0, first.place, entry.1)) } else { 0 };
            fits(way, first, entry, beside)
                && rest.iter().zip(&words[1..]).all(|(site, words)| words.iter().any(|e| fits(way, site, e, beside)))
        })
    };
    if WAYS.iter().any(|way| along(*way)) {
        return Ok(());
    }
    let fields: Vec<_> = sites.iter().map(|s| hex(field.extract(s.word).cast_signed())).collect();
    let entries: Vec<_> = words.iter().map(|w| hex(w[0].0.cast_signed())).collect();
    let expected = format!("fields that lead to their entries at {}", entries.join(", "));
    complain(first, expected, format!("{}, which do not", fields.join(", ")))
}

/// What does not reach its symbol leads to a stub; no two symbols have the same.
fn stubs(
    subject: &Subject<'_>,
    case: &Case,
    row: &PluginRow,
    linked: &Linked,
    sites: &[Site<'_>],
) -> Result<(), Complaint> {
    if row.row.effect != effect::RELATIVE || row.is(row_flag::DERIVED) {
        return Ok(());
    }
    let field = Field::of(row, case.order);
    let verdicts = subject.judge.verdicts(case, &linked.values);
    let all: Vec<_> = case.groups().flat_map(|(_, s)| &s.relocations).collect();
    let far = |site: &Site<'_>| {
        let index = all.iter().position(|r| std::ptr::eq(*r, site.relocation));
        index.is_some_and(|i| matches!(verdicts[i], Verdict::Unknown(why) if why.starts_with("the field does not reach")))
    };
    let mut owners: HashMap<u64, u64> = HashMap::new();
    for site in sites.iter().filter(|site| far(site)) {
        // A weak symbol that nobody defines may be called nowhere.
        if site.value == 0 {
            continue;
        }
        let held = field.signed(site.word);
        let value = match row.row.round {
            0 => held,
            round => {
                let low = (held << (64 - u32::from(round))) >> (64 - u32::from(round));
                (held >> round << round).wrapping_add(low)
            }
        };
        let target = case.cut(site.place.wrapping_add_signed(value));
        let inside = linked.made.iter().any(|m| target.wrapping_sub(m.address) < m.contents.len() as u64);
        let complain = |expected: String, came: String| {
            let about = format!("{} at {:#x}", row.name, site.relocation.offset);
            Err(Complaint { wrong: Wrong::Bytes, about, expected, came })
        };
        let target_of = |target: u64| hex(target.cast_signed());
        if !inside {
            return complain("a way through what the plugin made".into(), format!("one to {}", target_of(target)));
        }
        match owners.insert(target, site.value) {
            Some(other) if other != site.value => {
                let (a, b) = (target_of(other), target_of(site.value));
                return complain("a stub for each symbol".into(), format!("the same for {a} and {b}"));
            }
            _ => {}
        }
    }
    Ok(())
}
