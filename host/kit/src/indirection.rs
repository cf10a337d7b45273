//! Resolution of indirect fields: fields that refer to a table entry or to code that the plugin made.
//!
//! A table entry must hold the symbol's value, plus the addend if the formula assigns it to the entry, and the field
//! must equal the value of the formula for the address of that entry. Code is resolved only up to its start, since the
//! kit knows no instructions. But two targets must never share code, and where all samples have the target as a word at
//! a fixed distance behind the start of the code, all modules must have it there.

use super::diagnostic::{DiagnosticKind, PluginDiagnostic, accepted, hex};
use super::encode::HAS_FALLBACK;
use super::field::Field;
use super::formula::{EntryContents, Letters};
use super::places::{Places, Sharing};
use super::prediction::{FieldBytes, Prediction};
use super::reference_model::{ReferenceModel, Site};
use super::run::{Linked, Made};
use super::tables::{Role, TableFormula, Tables, combinations, slots, substitute, table_addresses, word};
use super::test_module::{Relocation, Symbol, TestModule};
use super::value::FieldValue;
use super::value_source::TABLES;
use relobox_abi::{effect, pairing, row_flag};
use relobox_core::text;
use relobox_link::description::PluginRow;
use std::collections::HashMap;

/// The extent to which the value of a row's relocations is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowCoverage {
    /// The bytes were predicted.
    Predicted,
    /// What the processor reads, by the plugin's decoding rules.
    Decoded,
    /// The field and the table entry to which it refers, or the field and the address of the table.
    Entry,
    /// The field refers to code of its own symbol, and the target stands behind that code as a word.
    Target,
    /// The field refers to code of its own symbol.
    Code,
}

/// The start address of a piece of code, and the target that it is for.
type Code = (u64, u64);

impl ReferenceModel<'_> {
    /// Returns how much of the values of `row` is verified beyond predicted bytes, or `None` if nothing is.
    #[must_use]
    pub fn indirection_coverage(&self, row: &PluginRow) -> Option<RowCoverage> {
        let table_formula = self.tables.table_formula(row.row.kind);
        let code = match table_formula {
            Some(table_formula) => {
                table_formula.letters.iter().any(|letter| self.tables.roles(*letter) == [Role::Code])
            }
            None => self.is_stub(row),
        };
        match (code, self.tables.target(row.row.kind)) {
            (true, _) if !solvable(row) => None,
            (true, Some(_)) => Some(RowCoverage::Target),
            (true, None) => Some(RowCoverage::Code),
            // The plugin transforms the value, so only the existence of an entry can be checked.
            (false, _) => table_formula.filter(|_| !row.is(row_flag::DERIVED)).map(|_| RowCoverage::Entry),
        }
    }

    fn is_stub(&self, row: &PluginRow) -> bool {
        row.is(row_flag::FALLBACK)
            && row.row.effect == effect::RELATIVE
            && !row.is(row_flag::DERIVED | row_flag::BY_HAND)
    }

    /// Checks all indirect fields of a linked module and returns the types that were verified.
    ///
    /// # Errors
    ///
    /// A [`PluginDiagnostic`] about the first field with a wrong destination.
    pub(crate) fn resolve_indirection(
        &self,
        module: &TestModule,
        linked: &Linked,
        predictions: &[Prediction],
    ) -> Result<Vec<u32>, PluginDiagnostic> {
        let mut resolved = Vec::new();
        let leads = |v: &Prediction| matches!(v, Prediction::Unknown(why) if *why == TABLES || *why == HAS_FALLBACK);
        if !predictions.iter().any(leads) || !self.inputs_match(module) {
            return Ok(resolved);
        }
        let mut owners: HashMap<u64, u64> = HashMap::new();
        let mut first = 0;
        for (section, s) in module.groups() {
            let places = Places::of(self.about(), s);
            for index in (0..s.relocations.len()).filter(|i| leads(&predictions[first + i])) {
                let site = Site { module, values: &linked.values, section, index, places: &places };
                let Some(row) = self.about().row(site.relocation().kind) else { continue };
                if places.sharing(index) != Sharing::Alone {
                    continue;
                }
                let name = || self.name(module, first + index);
                let known = match &predictions[first + index] {
                    Prediction::Unknown(why) if *why == HAS_FALLBACK => {
                        self.is_stub(row) && self.through_code(&site, row, linked, &name, &mut owners)?
                    }
                    _ => self.through_table(&site, row, linked, &name, &mut owners)?,
                };
                if known {
                    resolved.push(row.row.kind);
                }
            }
            first += s.relocations.len();
        }
        Ok(resolved)
    }

    /// Checks a field whose formula contains the address of a table or of an entry. Returns false if it cannot be
    /// checked.
    fn through_table(
        &self,
        site: &Site<'_>,
        row: &PluginRow,
        linked: &Linked,
        name: &dyn Fn() -> String,
        owners: &mut HashMap<u64, u64>,
    ) -> Result<bool, PluginDiagnostic> {
        // A low half has the value of the high half at its label.
        let is_low = row.row.pairing == pairing::LABEL;
        let (at, its) = match is_low {
            true => match self.high_half(site, row, 0) {
                Ok((index, its)) => (Site { index, ..*site }, its),
                Err(_) => return Ok(false),
            },
            false => (Site { ..*site }, row),
        };
        let Some(table_formula) = self.tables.table_formula(its.row.kind) else { return Ok(false) };
        let Ok(letters) = self.letters(&at, its) else { return Ok(false) };
        if table_formula.letters.iter().any(|letter| self.tables.roles(*letter).contains(&Role::Code)) {
            return match is_low || self.indirection_coverage(row).is_none() {
                true => Ok(false),
                false => self.through_code(site, row, linked, name, owners),
            };
        }
        let targets = targets(site.module, table_formula.holds, &letters);
        let mut candidates: Vec<_> = table_formula
            .letters
            .iter()
            .map(|letter| self.candidates(site.module, linked, *letter, &targets))
            .collect();
        // A distance to a table by its own name may mean the table instead of a slot with its address (m68k's GOT32).
        let itself = site.module.cut(letters.s.cast_unsigned()).cast_signed();
        if its.formula.ends_with("- P") && table_addresses(linked).contains(&itself) {
            for (values, letter) in candidates.iter_mut().zip(&table_formula.letters) {
                values.extend(self.tables.roles(*letter).iter().filter_map(|role| match role {
                    Role::Slot => Some(itself),
                    Role::Offset => Some(0),
                    Role::Table | Role::Code => None,
                }));
            }
        }
        let mut refused = None;
        for choice in combinations(&candidates) {
            let letters = substitute(letters, &table_formula.letters, &choice);
            let value = FieldValue::read(site.module, its, table_formula.formula.readings(&letters, site.module.class));
            let value = if is_low { FieldValue::plain(value.exact) } else { value };
            let r = site.relocation();
            let made = linked.sections.get(site.section).map_or(&[][..], Vec::as_slice);
            let diagnostic = match self.encode(site, row, value) {
                Prediction::Bytes(bytes) => match self.compare(site.module, name, (site.section, r), &bytes, made) {
                    Ok(()) => return Ok(true),
                    Err(diagnostic) => diagnostic,
                },
                // The plugin's function may look for other relocations, such as a high half that takes the rest.
                Prediction::Refused(_) if its.is(row_flag::DERIVED) && is_mixed(site.module) => return Ok(false),
                Prediction::Refused(kinds) => accepted(name(), kinds.names().collect::<Vec<_>>().join(" or ")),
                _ => return Ok(false),
            };
            refused.get_or_insert(diagnostic);
        }
        Err(refused.unwrap_or_else(|| {
            let values: Vec<_> = targets.iter().map(|target| text::hex_value(target.cast_signed())).collect();
            let tables: Vec<_> = linked.made.iter().filter(|m| !m.text).map(shown).collect();
            PluginDiagnostic {
                kind: DiagnosticKind::Bytes,
                about: name(),
                expected: format!("an entry that holds {}", values.join(" or ")),
                actual: match tables.is_empty() {
                    true => "no table".into(),
                    false => tables.join(", "),
                },
            }
        }))
    }

    /// Returns the values that a table letter can have in a correct module.
    fn candidates(&self, module: &TestModule, linked: &Linked, letter: usize, targets: &[u64]) -> Vec<i64> {
        let words: Vec<_> = targets.iter().map(|target| word(module, *target)).collect();
        let right = || slots(module, linked, |held| words.iter().any(|word| word == held));
        let of = |role: &Role| -> Vec<i64> {
            match role {
                Role::Table => table_addresses(linked),
                Role::Slot => right().into_iter().map(|(slot, _)| slot.cast_signed()).collect(),
                Role::Offset => {
                    right().into_iter().map(|(slot, table)| slot.wrapping_sub(table).cast_signed()).collect()
                }
                Role::Code => Vec::new(),
            }
        };
        self.tables.roles(letter).iter().flat_map(of).collect()
    }

    /// Checks a field that refers to code. Returns false if it cannot be checked.
    fn through_code(
        &self,
        site: &Site<'_>,
        row: &PluginRow,
        linked: &Linked,
        name: &dyn Fn() -> String,
        owners: &mut HashMap<u64, u64>,
    ) -> Result<bool, PluginDiagnostic> {
        let Ok(letters) = self.letters(site, row) else { return Ok(false) };
        // A plugin may leave a call of an undefined weak symbol unresolved.
        if letters.s == 0 || !solvable(row) {
            return Ok(false);
        }
        let codes = self.code(&self.tables, site, row, linked, letters);
        let diagnostic = |expected: String, actual: String| PluginDiagnostic {
            kind: DiagnosticKind::Bytes,
            about: name(),
            expected,
            actual,
        };
        let Some((first, target)) = codes.first().copied() else {
            // A plugin may prefer a symbol that the module defines to code for it.
            let symbol = (site.relocation().symbol as usize).checked_sub(1).and_then(|i| site.module.symbols.get(i));
            let own = |symbol: &&Symbol| !site.module.is_undefined(symbol);
            if let Some(symbol) = symbol.filter(own) {
                // What st_other says of it, such as a second entry point, only the plugin knows.
                let Some(direct) = self.direct(site, row, letters).filter(|_| symbol.other == 0) else {
                    return Ok(false);
                };
                let made = linked.sections.get(site.section).map_or(&[][..], Vec::as_slice);
                let compared = self.compare(site.module, name, (site.section, site.relocation()), &direct, made);
                return compared.map(|()| true);
            }
            let bytes = linked.sections.get(site.section).and_then(|s| s.get(site.relocation().offset as usize..));
            let actual = hex(bytes.and_then(|b| b.get(..row.row.width.into())).unwrap_or_default());
            return Err(diagnostic("a field that leads to code that the plugin made".into(), actual));
        };
        let show = |value: u64| text::hex_value(value.cast_signed());
        if let Some(distance) = self.tables.target(row.row.kind) {
            let holds = |(entry, target): &Code| {
                let behind = entry.wrapping_add(distance);
                let word = word(site.module, *target);
                linked.made.iter().any(|m| m.at(behind).is_some_and(|bytes| bytes.starts_with(&word)))
            };
            if !codes.iter().any(holds) {
                let expected = format!("code at {} with {} behind it", show(first), show(target));
                let made: Vec<_> = linked.made.iter().filter(|m| m.text).map(shown).collect();
                return Err(diagnostic(expected, made.join(", ")));
            }
        }
        // With an addend it is not certain which target the code is for.
        if letters.a == 0
            && let Some(other) = owners.insert(first, target).filter(|other| *other != target)
        {
            let actual = format!("the same code for {} and {}", show(other), show(target));
            return Err(diagnostic("different code for each target".into(), actual));
        }
        Ok(true)
    }

    /// Returns the field's bytes if it refers to its symbol itself instead of code.
    fn direct(&self, site: &Site<'_>, row: &PluginRow, letters: Letters) -> Option<FieldBytes> {
        let TableFormula { formula, holds, letters: which } = self.tables.table_formula(row.row.kind)?;
        if !which.iter().all(|letter| self.tables.roles(*letter) == [Role::Code]) {
            return None;
        }
        let addend = if *holds == EntryContents::Symbol { 0 } else { letters.a };
        let letters = substitute(letters, which, &vec![letters.s.wrapping_add(addend); which.len()]);
        let value = FieldValue::read(site.module, row, formula.readings(&letters, site.module.class));
        match self.encode(site, row, value) {
            Prediction::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the possible starts of the code to which a field refers, each with its target.
    fn code(&self, tables: &Tables, site: &Site<'_>, row: &PluginRow, linked: &Linked, letters: Letters) -> Vec<Code> {
        let (module, field) = (site.module, Field::of(row, site.module.order));
        let place = linked.sections.get(site.section).and_then(|s| s.get(site.relocation().offset as usize..));
        let word = field.word(place.unwrap_or_default());
        let held = [undo_rounding(row, field.signed(word)), undo_rounding(row, field.extract(word).cast_signed())];
        let (s, a) = (letters.s, letters.a);
        let mut codes = Vec::new();
        let mut add = |entry: i64, target: i64| codes.push((entry, target));
        match tables.table_formula(row.row.kind) {
            Some(TableFormula { formula, holds, letters: which }) => {
                let of = |letter: &usize| match tables.roles(*letter) {
                    [Role::Code] => vec![0],
                    [Role::Table] => table_addresses(linked),
                    // The formula contains both code and a table entry, which is not supported.
                    _ => Vec::new(),
                };
                let Some(code) = which.iter().position(|letter| tables.roles(*letter) == [Role::Code]) else {
                    return Vec::new();
                };
                let target = if *holds == EntryContents::Symbol { s } else { s.wrapping_add(a) };
                for mut choice in combinations(&which.iter().map(of).collect::<Vec<_>>()) {
                    let none = formula.value(&substitute(letters, which, &choice));
                    choice[code] = 1;
                    // The coefficient of the letter, 1 or -1.
                    let sign = formula.value(&substitute(letters, which, &choice)).wrapping_sub(none);
                    held.iter().for_each(|held| add(held.wrapping_sub(none).wrapping_mul(sign), target));
                }
            }
            None => {
                let there = letters.p.wrapping_add(held[0]);
                let pc_offset = tables.pc_offset(row.row.kind).cast_signed();
                // The addend may belong to the target or to the address of the code.
                add(there.wrapping_add(pc_offset), s.wrapping_add(a).wrapping_add(pc_offset));
                add(there.wrapping_sub(a), s);
            }
        }
        let cut = |(entry, target): (i64, i64)| (module.cut(entry.cast_unsigned()), module.cut(target.cast_unsigned()));
        let inside = |(entry, _): &Code| linked.made.iter().any(|m| m.text && m.at(*entry).is_some());
        codes.into_iter().map(cut).filter(inside).collect()
    }

    /// Returns where the out-of-range branches of a sample lead. All relocations must be of one row.
    pub(crate) fn branch_destinations(&self, module: &TestModule, linked: &Linked, row: &PluginRow) -> Vec<u64> {
        let section = &module.sections[0];
        let field = Field::of(row, module.order);
        let goes = |(r, prediction): (&Relocation, &Prediction)| {
            let out = matches!(prediction, Prediction::Unknown(why) if *why == HAS_FALLBACK);
            let bytes = linked.sections.first()?.get(usize::try_from(r.offset).ok()?..).filter(|_| out)?;
            let place = section.address.wrapping_add(r.offset);
            Some(module.cut(place.wrapping_add_signed(undo_rounding(row, field.signed(field.word(bytes))))))
        };
        section.relocations.iter().zip(&self.predictions(module, &linked.values)).filter_map(goes).collect()
    }

    /// Returns the code to which the relocations of a sample refer. All relocations must be of one row.
    pub(crate) fn stub_references(
        &self,
        tables: &Tables,
        module: &TestModule,
        linked: &Linked,
        row: &PluginRow,
    ) -> Vec<Code> {
        let section = &module.sections[0];
        let places = Places::of(self.about(), section);
        let predictions = self.predictions(module, &linked.values);
        let through =
            |i: &usize| matches!(predictions[*i], Prediction::Unknown(why) if why == TABLES || why == HAS_FALLBACK);
        let of = |index: usize| {
            let site = Site { module, values: &linked.values, section: 0, index, places: &places };
            let letters = self.letters(&site, row).ok()?;
            self.code(tables, &site, row, linked, letters).first().copied()
        };
        (0..section.relocations.len()).filter(through).filter_map(of).collect()
    }
}

/// Returns whether a module has relocations of several types.
fn is_mixed(module: &TestModule) -> bool {
    let mut kinds = module.groups().flat_map(|(_, s)| &s.relocations).map(|r| r.kind);
    let first = kinds.next();
    kinds.any(|kind| Some(kind) != first)
}

/// Returns whether the field stores all bits of the value, so that the value can be read back.
fn solvable(row: &PluginRow) -> bool {
    let holds = Field::of(row, relobox_abi::order::LITTLE).stored_bits();
    let low = holds.trailing_zeros();
    let gapless = (holds >> low.min(63)).wrapping_add(1).is_power_of_two() || holds == u64::MAX;
    !row.is(row_flag::DERIVED) && gapless && u64::from(row.row.align.max(1)) >= 1u64 << low.min(63)
}

/// Reverses the rounding of a high half: the sign of the low half was compensated in the bits from `round` up.
pub(crate) fn undo_rounding(row: &PluginRow, held: i64) -> i64 {
    let bits = u32::from(row.row.round);
    if bits == 0 {
        return held;
    }
    let low = (held << (64 - bits)) >> (64 - bits);
    (held >> bits << bits).wrapping_add(low)
}

/// Returns the values that a correct entry may hold.
fn targets(module: &TestModule, holds: EntryContents, letters: &Letters) -> Vec<u64> {
    let (symbol, both) = (letters.s, letters.s.wrapping_add(letters.a));
    let all = match holds {
        EntryContents::Symbol => vec![symbol],
        EntryContents::Target => vec![both],
        EntryContents::Either => vec![symbol, both],
    };
    all.into_iter().map(|target| module.cut(target.cast_unsigned())).collect()
}

/// Formats a section that the plugin made, with its first 64 bytes.
fn shown(made: &Made) -> String {
    let len = made.contents.len().min(64);
    format!("{} at {} with {}", made.name, text::hex_value(made.address.cast_signed()), hex(&made.contents[..len]))
}
