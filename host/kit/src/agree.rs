//! Comparison of two plugins that linked the same module at the same addresses.
//!
//! The comparison is about what a kernel would execute: the bytes of a field or, where a field refers to a GOT entry or
//! a stub that the plugin made, the final destination. Each plugin numbers its entries and stubs as it likes.

use super::destination::{IndirectField, Side, entries_agree};
use super::field::Field;
use super::formula::Formula;
use super::places::{Places, Sharing, span};
use super::reference_model::ReferenceModel;
use super::run::{Fault, Linked, Outcome};
use super::stub::Stubs;
use super::test_module::{Relocation, Section, TestModule};
use relobox_abi::{effect, row_flag};
use relobox_core::error::{Error, Result};
use relobox_link::description::{PluginDescription, PluginRow};
use relobox_link::guests::Plugin;
use std::collections::{BTreeMap, BTreeSet};

/// A difference between the results of two plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The index of the section in the module, or `None` if the difference is in a section that a plugin made.
    pub section: Option<usize>,
    /// The name of the section that a plugin made, if the difference is in one.
    pub made: Option<String>,
    /// The offset of the first differing byte in that section.
    pub offset: u64,
    /// The index of the relocation among all relocations of the module, in file order.
    pub relocation: Option<usize>,
    /// The bytes of the first plugin and the bytes of the second plugin.
    pub bytes: [Vec<u8>; 2],
    /// True if the difference is in the destination of an indirect field; the bytes of such a field may even be equal.
    pub leads: bool,
}

/// Returns whether two faults name the same relocation, or the same kind of fault of the whole module. Why a relocation
/// is refused is checked against each plugin's own description instead.
fn same_fault(one: &Fault, other: &Fault) -> bool {
    one.relocation == other.relocation && (one.relocation.is_some() || one.kind == other.kind)
}

/// Returns whether the results of both plugins for `module` can be compared: both link its machine, both know or both
/// do not know each of its types, and no other relocation changes a field that may be indirect.
#[must_use]
pub fn comparable(plugins: [&Plugin; 2], module: &TestModule) -> bool {
    let [one, two] = plugins.map(|plugin| &plugin.about);
    let links = |about: &PluginDescription| ReferenceModel::from_description(about).links(module);
    let undisturbed = |about: &PluginDescription, s: &Section| {
        let places = Places::of(about, s);
        let leads = |r: &Relocation| about.row(r.kind).is_some_and(may_be_indirect);
        (0..).zip(&s.relocations).all(|(i, r)| places.sharing(i) != Sharing::Mixed || !leads(r))
    };
    let known_alike = |r: &Relocation| one.row(r.kind).is_some() == two.row(r.kind).is_some();
    links(one)
        && links(two)
        && module
            .groups()
            .all(|(_, s)| s.relocations.iter().all(known_alike) && undisturbed(one, s) && undisturbed(two, s))
}

/// Checks that `other`, which the user called `named`, links a machine that `one` links too.
///
/// # Errors
///
/// [`Error::Usage`] if the plugins have no machine in common.
pub fn check_same_machine(one: &Plugin, other: &Plugin, named: &str) -> Result<()> {
    let common = |a: &relobox_abi::Machine, b: &relobox_abi::Machine| {
        let mask = a.flags_mask & b.flags_mask;
        (a.machine, a.class, a.order) == (b.machine, b.class, b.order) && (a.flags_value ^ b.flags_value) & mask == 0
    };
    if one.about.machines.iter().any(|a| other.about.machines.iter().any(|b| common(a, b))) {
        return Ok(());
    }
    let (name, one) = (&other.about.name, &one.about.name);
    Err(Error::Usage(format!("--against {named}: plugin {name} is for another machine than {one}")))
}

/// Returns whether two outcomes agree: both are linked with equal results, or both are refused and name a common
/// relocation.
#[must_use]
pub fn agree(plugins: [&Plugin; 2], module: &TestModule, outcomes: [&Outcome; 2]) -> bool {
    match outcomes {
        [Outcome::Linked(a), Outcome::Linked(b)] => differences(plugins, module, [a, b]).is_empty(),
        [Outcome::Refused(a), Outcome::Refused(b)] => a.iter().any(|f| b.iter().any(|g| same_fault(f, g))),
        _ => false,
    }
}

/// Returns the differences between two linked modules, in order of section and offset. The list is empty if they agree.
#[must_use]
pub fn differences(plugins: [&Plugin; 2], module: &TestModule, linked: [&Linked; 2]) -> Vec<Difference> {
    if linked[0].sections == linked[1].sections && linked[0].made == linked[1].made {
        return Vec::new();
    }
    let models = plugins.map(|plugin| ReferenceModel::from_description(&plugin.about));
    let sides = [0, 1].map(|i: usize| Side::new(module, plugins[i], &models[i], linked[i]));
    let mut comparison =
        Comparison { module, sides: &sides, found: Vec::new(), indirect_fields: BTreeMap::new(), code: false };
    let mut first = 0;
    for (section, s) in module.sections.iter().enumerate() {
        comparison.compare_section(section, first);
        first += if s.bytes.is_empty() { 0 } else { s.relocations.len() };
    }
    comparison.compare_indirect();
    if comparison.found.is_empty() {
        comparison.compare_synthetic();
    }
    let mut found = comparison.found;
    found.sort_by_key(|d| (d.section.is_none(), d.section, d.offset));
    found
}

struct Comparison<'a> {
    module: &'a TestModule,
    sides: &'a [Side<'a>; 2],
    found: Vec<Difference>,
    /// Relocations whose fields may be indirect, by type.
    indirect_fields: BTreeMap<u32, Vec<IndirectField>>,
    /// True if code that a plugin made was followed to its destination.
    code: bool,
}

impl<'a> Comparison<'a> {
    fn contents(&self, section: usize) -> [&'a [u8]; 2] {
        [0, 1].map(|i: usize| self.sides[i].linked.sections.get(section).map_or(&[][..], Vec::as_slice))
    }

    /// Compares the bytes that no relocation may change, and the fields that are not indirect; collects the indirect
    /// ones.
    fn compare_section(&mut self, section: usize, first: usize) {
        let [one, two] = self.contents(section);
        let s = &self.module.sections[section];
        let mut owned = vec![false; one.len()];
        for (index, r) in s.relocations.iter().enumerate() {
            let rows = self.sides.each_ref().map(|side| side.model.about().row(r.kind).filter(|row| row.writes()));
            let Some((start, end)) = range(rows, r, one.len()) else { continue };
            owned[start..end].fill(true);
            let (a, b) = (&one[start..end], &two[start.min(two.len())..end.min(two.len())]);
            let indirect = IndirectField { section, index, relocation: first + index, start, end };
            let alone = self.sides.iter().all(|side| side.places[section].sharing(index) == Sharing::Alone);
            let is_indirect = (0..2).any(|i| rows[i].is_some_and(|row| is_indirect(row, self.sides[i].linked)));
            if is_indirect && alone && rows.iter().all(Option::is_some) {
                if differs_outside_fields(self.module, rows, &indirect, [one, two]) {
                    self.differ(&indirect, [a, b], false);
                } else {
                    self.indirect_fields
                        .entry(r.kind & self.sides[0].model.about().kind_mask)
                        .or_default()
                        .push(indirect);
                }
            } else if a != b {
                self.differ(&indirect, [a, b], false);
            }
        }
        let differs = |i: &usize| !owned[*i] && one.get(*i) != two.get(*i);
        let mut at = 0;
        while let Some(start) = (at..one.len()).find(differs) {
            let end = (start..one.len()).find(|i| !differs(i)).unwrap_or(one.len());
            self.found.push(Difference {
                section: Some(section),
                made: None,
                offset: start as u64,
                relocation: None,
                bytes: [one, two].map(|all| all.get(start..end).unwrap_or_default().to_vec()),
                leads: false,
            });
            at = end;
        }
    }

    fn differ(&mut self, indirect: &IndirectField, [a, b]: [&[u8]; 2], leads: bool) {
        self.found.push(Difference {
            section: Some(indirect.section),
            made: None,
            offset: indirect.start as u64,
            relocation: Some(indirect.relocation),
            bytes: [a.to_vec(), b.to_vec()],
            leads,
        });
    }

    /// Compares the indirect fields of each type: their table entries, their code, or the address of a table.
    fn compare_indirect(&mut self) {
        let same_made = self.sides[0].linked.made == self.sides[1].linked.made;
        for fields in std::mem::take(&mut self.indirect_fields).into_values() {
            let mut stubs = Stubs::new(self.module, self.sides);
            let wrong: BTreeSet<usize> = match entries_agree(self.module, self.sides, &fields) {
                Some(wrong) => wrong,
                None => {
                    let wrong = stubs.agree(&fields);
                    self.code |= stubs.resolved;
                    wrong
                }
            };
            for (i, indirect) in fields.iter().enumerate() {
                let bytes = self
                    .contents(indirect.section)
                    .map(|all| all.get(indirect.start..indirect.end).unwrap_or_default());
                if wrong.contains(&i) && !(same_made && bytes[0] == bytes[1]) {
                    self.differ(indirect, bytes, true);
                }
            }
        }
    }

    /// Compares table values to which no field refers, and code that no field reaches.
    fn compare_synthetic(&mut self) {
        let width = usize::from(self.module.class / 8).max(1);
        let words = self.sides.each_ref().map(|side| {
            let tables = side.linked.made.iter().filter(|m| !m.text);
            tables.flat_map(|m| m.contents.chunks(width)).filter(|w| w.iter().any(|b| *b != 0)).collect::<BTreeSet<_>>()
        });
        for (side, other) in [(0, 1), (1, 0)] {
            for m in self.sides[side].linked.made.iter().filter(|m| !m.text) {
                for (i, word) in m.contents.chunks(width).enumerate() {
                    if word.iter().any(|b| *b != 0) && !words[other].contains(word) {
                        self.differ_in_synthetic(&m.name, i * width, width);
                    }
                }
            }
        }
        if self.code {
            return;
        }
        let [one, two] = self.sides.each_ref().map(|side| &side.linked.made);
        for (a, b) in one.iter().zip(two).filter(|(a, b)| a.text && b.text) {
            if let Some(at) = a.contents.iter().zip(&b.contents).position(|(a, b)| a != b) {
                self.differ_in_synthetic(&a.name, at, 8);
            }
        }
    }

    fn differ_in_synthetic(&mut self, name: &str, at: usize, len: usize) {
        if self.found.iter().any(|d| d.made.as_deref() == Some(name) && d.offset == at as u64) {
            return;
        }
        let bytes = self.sides.each_ref().map(|side| {
            let m = side.linked.made.iter().find(|m| m.name == name);
            m.and_then(|m| m.contents.get(at..)).map_or(Vec::new(), |rest| rest[..len.min(rest.len())].to_vec())
        });
        let (made, offset) = (Some(name.to_owned()), at as u64);
        self.found.push(Difference { section: None, made, offset, relocation: None, bytes, leads: false });
    }
}

/// Returns the range of bytes that a relocation may change according to either description, clipped to the section.
fn range(rows: [Option<&PluginRow>; 2], r: &Relocation, len: usize) -> Option<(usize, usize)> {
    let of = |row: &PluginRow| {
        let (start, end) = span(&row.row, r.offset);
        let end = end.max(i128::from(r.offset) + i128::from(row.row.extra)).min(len as i128);
        let start = start.max(0);
        (start < end).then_some((start as usize, end as usize))
    };
    let all = rows.into_iter().flatten().filter_map(of);
    all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// Returns whether the field of a row may refer to something that the plugin makes.
fn may_be_indirect(row: &PluginRow) -> bool {
    match row.row.effect {
        effect::SLOT | effect::PARTNER => true,
        effect::UNKNOWN => Formula::parse(&row.formula).is_none(),
        _ => row.is(row_flag::FALLBACK),
    }
}

/// Returns whether the row may be indirect and the plugin did make something.
fn is_indirect(row: &PluginRow, linked: &Linked) -> bool {
    may_be_indirect(row) && linked.made.iter().any(|m| !m.contents.is_empty())
}

/// Returns whether bits outside the two fields differ.
fn differs_outside_fields(
    module: &TestModule,
    rows: [Option<&PluginRow>; 2],
    indirect: &IndirectField,
    contents: [&[u8]; 2],
) -> bool {
    let at = module.sections[indirect.section].relocations[indirect.index].offset as usize;
    let bits = |row: &PluginRow| {
        let field = Field::of(row, module.order);
        let whole = row.slices.is_empty() || row.is(row_flag::BY_HAND | row_flag::DERIVED);
        let bytes = field.bytes(if whole { u64::MAX } else { field.mask() });
        // A row that finds its own window owns all of its bits.
        if field.width == 0 { None } else { Some((field.width, bytes)) }
    };
    let [Some(one), Some(two)] = rows.map(|row| row.and_then(bits)) else { return false };
    let own = |i: usize| {
        let of = |(width, bytes): (usize, [u8; 8])| {
            i.checked_sub(at).filter(|n| *n < width).map_or(0, |n| bytes.get(n).copied().unwrap_or(0xff))
        };
        of(one) | of(two)
    };
    (indirect.start..indirect.end).any(|i| {
        let [a, b] = contents.map(|all| all.get(i).copied().unwrap_or(0));
        (a ^ b) & !own(i) != 0
    })
}
