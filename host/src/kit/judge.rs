//! What one relocation must come to, by the plugin's own description and without its code.
//!
//! The judge has no architecture. It knows the [`effect`]s, reads formulas that are letters only, and the rules
//! for fields, ranges and pairs that `docs/abi.md` has. What it does not know for certain it does not judge.

use super::case::{Case, Relocation};
use super::kinds::{Kind, Kinds};
use super::measure::{self, Measure};
use super::places::Places;
use super::tables::Tables;
use super::value::{Meaning, TABLES, meaning};
use crate::description::{About, PluginRow};
use crate::guests::Plugin;
use relobox_abi::{effect, pairing, row_flag};
use std::collections::HashMap;

/// Where addends may stand; see [`Forms::of`](super::subject).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// In the relocation (SHT_RELA).
    pub explicit: bool,
    /// At the place (SHT_REL).
    pub in_place: bool,
}

/// What must come of a relocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// These bytes at the place.
    Bytes(Bytes),
    /// It is good; what it makes of the place is not known.
    Accepted,
    /// Nothing changes.
    Unchanged,
    /// A fault of one of these kinds.
    Refused(Kinds),
    /// Nobody knows, because of this.
    Unknown(&'static str),
}

/// The bytes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// How many.
    pub len: usize,
    /// What they are.
    pub bytes: [u8; 8],
    /// The bits of them that are known.
    pub known: [u8; 8],
    /// The value that they hold a part of.
    pub value: i64,
}

/// A judge of one plugin.
pub struct Judge<'a> {
    about: &'a About,
    forms: Forms,
    pub(super) meanings: HashMap<u32, Meaning>,
    /// Whether any row must stand straight behind another.
    completes: bool,
    pub(super) tables: Tables,
    pub(super) measures: HashMap<u32, Measure>,
}

/// A relocation and everything about it.
pub(super) struct Site<'a> {
    pub(super) case: &'a Case,
    pub(super) values: &'a [u64],
    /// Index of the section in the case.
    pub(super) section: usize,
    /// Index of the relocation in the section.
    pub(super) index: usize,
    pub(super) places: &'a Places,
}

impl<'a> Site<'a> {
    pub(super) fn relocation(&self) -> &'a Relocation {
        &self.case.sections[self.section].relocations[self.index]
    }

    pub(super) fn place(&self, offset: u64) -> &'a [u8] {
        let bytes = &self.case.sections[self.section].bytes;
        usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default()
    }
}

impl<'a> Judge<'a> {
    /// A judge of `plugin`, which is asked what its description does not say: which forms of addends it takes, and
    /// what its letters for tables stand for.
    #[must_use]
    pub fn of(plugin: &'a Plugin) -> Self {
        let mut judge = Self::new(&plugin.about, Forms::of(plugin));
        judge.tables = Tables::learn(&judge, plugin);
        judge.measures = measure::learn(&judge, plugin);
        judge
    }

    /// A judge of a plugin that is asked nothing: it knows no tables, and takes the forms of addends for granted.
    pub(super) fn silent(about: &'a About) -> Self {
        Self::new(about, Forms { explicit: true, in_place: true })
    }

    /// A judge of the plugin that describes itself so, and takes addends in these forms.
    fn new(about: &'a About, forms: Forms) -> Self {
        let meanings = about.rows.iter().map(|row| (row.row.kind, meaning(row))).collect();
        let completes = about.rows.iter().any(|row| row.row.pairing == pairing::BEHIND);
        Self { about, forms, meanings, completes, tables: Tables::default(), measures: HashMap::new() }
    }

    /// The plugin's description.
    #[must_use]
    pub fn about(&self) -> &'a About {
        self.about
    }

    /// Where addends may stand.
    #[must_use]
    pub fn forms(&self) -> Forms {
        self.forms
    }

    /// Why relocations of `row` have no bytes that can be foretold; `None` if they have.
    #[must_use]
    pub fn ignorance(&self, row: &PluginRow) -> Option<&'static str> {
        match self.meanings.get(&row.row.kind) {
            Some(Meaning::Unknown(why)) => Some(why),
            Some(Meaning::Tables) => Some(TABLES),
            _ if row.is(row_flag::DERIVED) => Some("it makes something of its own of the value"),
            _ => None,
        }
    }

    /// Whether the value of `row` moves by as much as what it is made of, as far as anybody can tell: a formula may
    /// shift, cut off, or call a function that does.
    pub(super) fn is_linear(&self, row: &PluginRow) -> bool {
        match self.meanings.get(&row.row.kind) {
            Some(Meaning::Formula(formula)) => formula.is_linear(),
            Some(Meaning::Tables) => self.tables.is_linear(row.row.kind),
            Some(Meaning::Unknown(_)) => row.row.effect != effect::UNKNOWN,
            _ => true,
        }
    }

    /// Whether the case is of a machine that the plugin links.
    #[must_use]
    pub fn links(&self, case: &Case) -> bool {
        let fits = |m: &relobox_abi::Machine| {
            (m.machine, m.class, m.order) == (case.machine, case.class, case.order)
                && case.elf_flags & m.flags_mask == m.flags_value
        };
        self.about.machines.iter().any(fits)
    }

    /// Whether the kernel's numbers are those that the plugin assumes.
    pub(super) fn as_assumed(&self, case: &Case) -> bool {
        case.inputs.iter().all(|input| self.about.inputs.contains(input))
    }

    /// What must come of every relocation of `case`, in their order, with the values that the plugin saw.
    #[must_use]
    pub fn verdicts(&self, case: &Case, values: &[u64]) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(case.relocations());
        let as_assumed = self.as_assumed(case);
        for (section, s) in case.groups() {
            let places = Places::of(self.about, s);
            let first = verdicts.len();
            for index in 0..s.relocations.len() {
                let site = Site { case, values, section, index, places: &places };
                verdicts.push(match self.one(&site) {
                    Verdict::Bytes(_) | Verdict::Accepted if !as_assumed => {
                        Verdict::Unknown("the kernel's numbers are not those that the plugin assumes")
                    }
                    // For other numbers a plugin may refuse of its own accord, before it looks further.
                    Verdict::Refused(mut kinds) if !as_assumed => {
                        kinds.add(Kind::Other);
                        Verdict::Refused(kinds)
                    }
                    verdict => verdict,
                });
            }
            if as_assumed {
                places.chains(|chain| self.chain(case, values, section, chain, &mut verdicts[first..]));
            }
        }
        verdicts
    }

    /// What must come of one relocation.
    pub(super) fn one(&self, site: &Site<'_>) -> Verdict {
        let (case, r) = (site.case, site.relocation());
        let section = &case.sections[site.section];
        if !self.links(case) {
            return Verdict::Unknown("the machine is another plugin's");
        }
        if !(if section.in_place { self.forms.in_place } else { self.forms.explicit }) {
            return Verdict::Unknown("addends do not stand so");
        }
        let mut kinds = Kinds::default();
        let symbol_missing = r.symbol as usize > case.symbols.len();
        if symbol_missing {
            kinds.add(Kind::BadSymbol);
        }
        let Some(row) = self.about.row(r.kind) else {
            kinds.add(Kind::UnknownRelocation);
            return Verdict::Refused(kinds);
        };
        let outside = !Places::inside(&row.row, r.offset, section.bytes.len());
        // Two at one place are no label for anybody: whoever looks for labels may say so first.
        let crowded = || {
            let relocations = &section.relocations;
            (0..).zip(relocations).any(|(i, other)| i != site.index && other.offset == r.offset)
        };
        if row.is(row_flag::REJECT) {
            kinds.add(Kind::Rejected);
            if crowded() {
                kinds.add(Kind::Other);
            }
            return Verdict::Refused(kinds);
        }
        if row.is(row_flag::NOP) {
            return if symbol_missing { Verdict::Unknown("it does nothing") } else { Verdict::Unchanged };
        }
        if outside {
            kinds.add(Kind::Outside);
        }
        let shared_label = row.row.pairing == pairing::LABELLED && crowded();
        if shared_label {
            kinds.add(Kind::Other);
        }
        if symbol_missing {
            return Verdict::Refused(kinds);
        }
        let value = self.value(site, row, 0);
        if outside {
            // What else is wrong with it may be noticed first.
            [Kind::OutOfRange, Kind::Misaligned, Kind::Unpaired, Kind::NotZero]
                .iter()
                .for_each(|kind| kinds.add(*kind));
            return Verdict::Refused(kinds);
        }
        if Places::cut(&row.row, r.offset, section.bytes.len()) {
            return Verdict::Unknown("its window is cut off at the end of its section");
        }
        if self.is_torn(site, row) {
            // A row that finds its own window finds none behind the section.
            return Verdict::Refused(Kinds::of(&[Kind::Unpaired, Kind::Other, Kind::Outside]));
        }
        match value.map_or_else(|verdict| verdict, |value| self.settle(site, row, value)) {
            Verdict::Refused(mut kinds) if shared_label => {
                kinds.add(Kind::Other);
                Verdict::Refused(kinds)
            }
            verdict @ Verdict::Unknown(_) => verdict,
            _ if shared_label => Verdict::Unknown("others stand at its place, which may be a label"),
            verdict => verdict,
        }
    }

    /// Whether it is one of two that complete each other, and the other is missing.
    fn is_torn(&self, site: &Site<'_>, row: &PluginRow) -> bool {
        let relocations = &site.case.sections[site.section].relocations;
        let r = site.relocation();
        let is = |other: Option<&Relocation>, kind: u32| {
            other.is_some_and(|o| o.kind & self.about.kind_mask == kind && o.offset == r.offset)
        };
        if row.row.pairing == pairing::BEHIND {
            return !is(site.index.checked_sub(1).and_then(|i| relocations.get(i)), row.row.partner);
        }
        let behind = |other: &&PluginRow| other.row.pairing == pairing::BEHIND && other.row.partner == row.row.kind;
        let next = relocations.get(site.index + 1);
        self.completes && {
            let mut others = self.about.rows.iter().filter(behind).peekable();
            others.peek().is_some() && !others.any(|other| is(next, other.row.kind))
        }
    }

    /// The value that the relocation's field is asked to hold, rounded if its row rounds; `None` where nobody knows.
    #[must_use]
    pub fn value_of(&self, case: &Case, section: usize, index: usize) -> Option<i64> {
        let s = &case.sections[section];
        let row = self.about.row(s.relocations[index].kind)?;
        let places = Places::of(self.about, s);
        let site = Site { case, values: &case.values(), section, index, places: &places };
        self.value(&site, row, 0).ok().map(|value| value.rounded)
    }
}
