//! Comparison of fields of two plugins that refer to table entries: the entries must hold the same targets, wherever
//! they lie.

use super::encode::in_range;
use super::field::{Field, read};
use super::formula::{EntryContents, Formula, Letters};
use super::indirection::undo_rounding;
use super::places::Places;
use super::reference_model::{ReferenceModel, Site};
use super::run::Linked;
use super::slots::ADDRESS_FORMS;
use super::tables::substitute;
use super::test_module::TestModule;
use super::value::FieldValue;
use super::value_source::half;
use relobox_abi::{effect, order, pairing, row_flag};
use relobox_core::limits;
use relobox_link::description::PluginRow;
use relobox_link::guests::Plugin;
use std::collections::{BTreeSet, HashMap};

/// One of two plugins with its result.
pub(crate) struct Side<'a> {
    pub(crate) plugin: &'a Plugin,
    pub(crate) model: &'a ReferenceModel<'a>,
    pub(crate) linked: &'a Linked,
    pub(crate) places: Vec<Places>,
    /// For each word in a table, the address of the word and the address of its table.
    words: HashMap<u64, Vec<(u64, u64)>>,
}

/// A relocation whose field may refer to something that a plugin made.
pub(crate) struct IndirectField {
    pub(crate) section: usize,
    /// The index of the relocation in its section.
    pub(crate) index: usize,
    /// The index of the relocation among all relocations of the module.
    pub(crate) relocation: usize,
    /// The range of its bytes in the section.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The contents of a field after linking, with the operands of its value.
pub(crate) struct FieldContents<'a> {
    pub(crate) row: &'a PluginRow,
    pub(crate) field: Field<'a>,
    /// The word at the place of the relocation.
    pub(crate) word: u64,
    pub(crate) letters: Letters,
}

impl<'a> Side<'a> {
    pub(crate) fn new(
        module: &TestModule,
        plugin: &'a Plugin,
        model: &'a ReferenceModel<'a>,
        linked: &'a Linked,
    ) -> Self {
        let places = module.sections.iter().map(|s| Places::of(model.about(), s)).collect();
        let width = usize::from(module.class / 8).max(2);
        let mut words: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
        for m in linked.made.iter().filter(|m| !m.text) {
            // Step by half a word, since entries may begin with a half word.
            for (i, bytes) in (0u64..).zip(m.contents.windows(width)).step_by(width / 2) {
                words
                    .entry(read(bytes, module.order == order::BIG))
                    .or_default()
                    .push((m.address.wrapping_add(i), m.address));
            }
        }
        Self { plugin, model, linked, places, words }
    }

    /// Returns the contents of a field. A low half at a label has the operands of the high half at that label.
    pub(crate) fn contents(&self, module: &TestModule, indirect: &IndirectField) -> Option<FieldContents<'a>> {
        let site = Site {
            module,
            values: &self.linked.values,
            section: indirect.section,
            index: indirect.index,
            places: &self.places[indirect.section],
        };
        let row = self.model.about().row(site.relocation().kind)?;
        let letters = if row.row.pairing == pairing::LABEL {
            let (index, high) = self.model.high_half(&site, row, 0).ok()?;
            self.model.letters(&Site { index, ..site }, high).ok()?
        } else {
            self.model.letters(&site, row).ok()?
        };
        let field = Field::of(row, module.order);
        let at = usize::try_from(site.relocation().offset).ok()?;
        let word = field.word(self.linked.sections.get(indirect.section)?.get(at..)?);
        Some(FieldContents { row, field, word, letters })
    }

    /// Returns the table words that hold `value`, each with the address of its table.
    pub(crate) fn slots(&self, value: u64) -> &[(u64, u64)] {
        self.words.get(&value).map_or(&[], Vec::as_slice)
    }
}

impl FieldContents<'_> {
    /// Returns the sign-extended value of the field, with the rounding of a high half undone.
    pub(crate) fn value(&self) -> i64 {
        undo_rounding(self.row, self.field.signed(self.word))
    }

    /// Returns the bits of the word that do not follow from a value of the class.
    fn ambiguous(&self, class: u8) -> u64 {
        if class == 32 { self.field.insert(0, |_| !0xffff_ffff) } else { 0 }
    }

    /// Returns whether the field refers directly to the target.
    pub(crate) fn is_direct(&self, module: &TestModule) -> bool {
        let Letters { s, a, p, .. } = self.letters;
        let value = FieldValue::of(module, self.row, s.wrapping_add(a).wrapping_sub(p));
        let made = self.field.insert(self.word, |_| value.combined(self.row.row.round));
        self.row.row.effect == effect::RELATIVE
            && in_range(self.row, value.rounded, module.class).0
            && (made ^ self.word) & !self.ambiguous(module.class) == 0
    }
}

/// How a field refers to an entry: an index into [`ADDRESS_FORMS`] with a constant distance, or, beyond those, a
/// formula whose letters stand for the entry, its table, or the offset of the entry.
type EntryReference = (usize, u64);

/// Returns all assignments of one of three roles to each of `letters` letters.
fn assignments(letters: usize) -> Vec<Vec<usize>> {
    let choice = |n: usize| (0..letters).map(|i| n / 3usize.pow(i as u32) % 3).collect();
    (0..3usize.pow(letters as u32)).map(choice).collect()
}

/// Returns all ways in which a field may refer to an entry for its target.
fn entry_references(module: &TestModule, side: &Side<'_>, indirect: &IndirectField) -> BTreeSet<EntryReference> {
    let Some(contents) = side.contents(module, indirect) else { return BTreeSet::new() };
    let row = contents.row;
    if row.is(row_flag::BY_HAND | row_flag::DERIVED) || row.slices.is_empty() {
        return BTreeSet::new();
    }
    let Letters { s, a, p, .. } = contents.letters;
    let holds = contents.field.stored_bits();
    let whole = holds & 1 != 0 || row.row.align > 1;
    let cut = |address: i64| module.cut(address.cast_unsigned());
    // Either the entry holds symbol plus addend, or the addend is added to the address of the entry.
    let mut kinds = vec![(cut(s.wrapping_add(a)), 0)];
    if a != 0 {
        kinds.push((cut(s), a.cast_unsigned()));
    }
    let mut found = BTreeSet::new();
    if let Some((formula, holds)) = Formula::parse_table(&row.formula, row.row.round != 0) {
        let which = formula.tables();
        let all = if which.len() <= limits::FORMULA_TABLES { assignments(which.len()) } else { Vec::new() };
        for (target, more) in &kinds {
            // The formula says to which of the two the addend belongs.
            if a != 0 && (holds == EntryContents::Symbol) == (*more == 0) {
                continue;
            }
            for (entry, table) in side.slots(*target) {
                for (n, roles) in all.iter().enumerate().filter(|(_, roles)| roles.iter().any(|role| *role != 0)) {
                    let of = |role: &usize| [*table, *entry, entry.wrapping_sub(*table)][*role].cast_signed();
                    let letters = substitute(contents.letters, &which, &roles.iter().map(of).collect::<Vec<_>>());
                    let value = FieldValue::read(module, row, formula.readings(&letters, module.class));
                    let made = super::encode::bytes(row, &contents.field, module.class, contents.word, value);
                    let known = contents.field.word(&made.known);
                    if (contents.field.word(&made.bytes) ^ contents.word) & known == 0 {
                        found.insert((ADDRESS_FORMS.len() + n, 0));
                    }
                }
            }
        }
    }
    for (target, more) in kinds {
        for (entry, table) in side.slots(target) {
            for (n, way) in ADDRESS_FORMS.iter().enumerate() {
                let here = way(*entry, p.cast_unsigned(), *table).wrapping_add(more);
                let value = contents.field.signed(contents.word).cast_unsigned();
                let beside = if whole { value.wrapping_sub(here) & holds } else { 0 };
                let value = here.wrapping_add(beside).wrapping_add(half(row).cast_unsigned());
                let made = contents.field.insert(contents.word, |_| value.cast_signed());
                if (made ^ contents.word) & !contents.ambiguous(module.class) == 0 {
                    found.insert((n, beside));
                }
            }
        }
    }
    found
}

/// Returns the relocations (all of one type) that do not refer to entries for the same target on both sides, or `None`
/// if the type does not refer to entries.
pub(crate) fn entries_agree(
    module: &TestModule,
    sides: &[Side<'_>; 2],
    fields: &[IndirectField],
) -> Option<BTreeSet<usize>> {
    let of = |indirect: &IndirectField| [0, 1].map(|i: usize| entry_references(module, &sides[i], indirect));
    let all: Vec<_> = fields.iter().map(of).collect();
    let mut votes: HashMap<EntryReference, [usize; 2]> = HashMap::new();
    for ways in &all {
        for (side, ways) in ways.iter().enumerate() {
            ways.iter().for_each(|way| votes.entry(*way).or_default()[side] += 1);
        }
    }
    // Prefer the way with most votes, then one without a distance.
    let best = votes.into_iter().max_by_key(|((n, beside), [a, b])| (a + b, *beside == 0, std::cmp::Reverse(*n)));
    let (way, [a, b]) = best?;
    let one_side = a == fields.len() || b == fields.len();
    // A single field is at some distance from every entry, which proves nothing.
    let sure = way.1 == 0 || a.max(b) > 1 || a + b == 2;
    (one_side && sure).then(|| {
        let wrong = |(_, ways): &(usize, &[BTreeSet<EntryReference>; 2])| !ways.iter().all(|ways| ways.contains(&way));
        all.iter().enumerate().filter(wrong).map(|(i, _)| i).collect()
    })
}
