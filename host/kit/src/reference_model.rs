//! What is known of a plugin, from its own description and without its code.
//!
//! The judge has no architecture. It knows the [`effect`]s, reads formulas that are letters only, and the rules
//! for fields, ranges and pairs that `docs/abi.md` has. What it does not know for certain it does not judge.

use super::places::Places;
use super::tables::Tables;
use super::test_module::{Relocation, TestModule};
use super::value_source::{RangeFormula, TABLES, ValueSource};
use relobox_abi::{effect, pairing, row_flag};
use relobox_link::description::{About, PluginRow};
use std::collections::HashMap;

/// Where addends may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddendForms {
    /// In the relocation (SHT_RELA).
    pub explicit: bool,
    /// At the place (SHT_REL).
    pub in_place: bool,
}

/// A judge of one plugin.
pub struct ReferenceModel<'a> {
    about: &'a About,
    forms: AddendForms,
    pub(crate) value_sources: HashMap<u32, ValueSource>,
    /// Whether any row must stand straight behind another.
    pub(crate) completes: bool,
    pub(crate) tables: Tables,
    pub(crate) range_formulas: HashMap<u32, RangeFormula>,
}

/// A relocation and everything about it.
pub(crate) struct Site<'a> {
    pub(crate) module: &'a TestModule,
    pub(crate) values: &'a [u64],
    /// Index of the section in the case.
    pub(crate) section: usize,
    /// Index of the relocation in the section.
    pub(crate) index: usize,
    pub(crate) places: &'a Places,
}

impl<'a> Site<'a> {
    pub(crate) fn relocation(&self) -> &'a Relocation {
        &self.module.sections[self.section].relocations[self.index]
    }

    pub(crate) fn place(&self, offset: u64) -> &'a [u8] {
        let bytes = &self.module.sections[self.section].bytes;
        usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default()
    }
}

impl<'a> ReferenceModel<'a> {
    /// A judge of a plugin that is asked nothing: it knows no tables, and takes the forms of addends for granted.
    pub(crate) fn from_description(about: &'a About) -> Self {
        Self::new(about, AddendForms { explicit: true, in_place: true })
    }

    /// A judge of the plugin that describes itself so, and takes addends in these forms.
    pub(crate) fn new(about: &'a About, forms: AddendForms) -> Self {
        let value_sources = about.rows.iter().map(|row| (row.row.kind, ValueSource::of(row))).collect();
        let completes = about.rows.iter().any(|row| row.row.pairing == pairing::BEHIND);
        Self { about, forms, value_sources, completes, tables: Tables::default(), range_formulas: HashMap::new() }
    }

    /// The plugin's description.
    #[must_use]
    pub fn about(&self) -> &'a About {
        self.about
    }

    /// Where addends may stand.
    #[must_use]
    pub fn forms(&self) -> AddendForms {
        self.forms
    }

    /// Why relocations of `row` have no bytes that can be foretold; `None` if they have.
    #[must_use]
    pub fn unpredictable(&self, row: &PluginRow) -> Option<&'static str> {
        match self.value_sources.get(&row.row.kind) {
            Some(ValueSource::Unknown(why)) => Some(why),
            Some(ValueSource::Tables) => Some(TABLES),
            _ if row.is(row_flag::DERIVED) => Some("it makes something of its own of the value"),
            _ => None,
        }
    }

    /// Whether the value of `row` moves by as much as what it is made of, as far as anybody can tell: a formula may
    /// shift, cut off, or call a function that does.
    pub(crate) fn is_linear(&self, row: &PluginRow) -> bool {
        match self.value_sources.get(&row.row.kind) {
            Some(ValueSource::Formula(formula)) => formula.is_linear(),
            Some(ValueSource::Tables) => self.tables.is_linear(row.row.kind),
            Some(ValueSource::Unknown(_)) => row.row.effect != effect::UNKNOWN,
            _ => true,
        }
    }

    /// Whether the case is of a machine that the plugin links.
    #[must_use]
    pub fn links(&self, module: &TestModule) -> bool {
        let fits = |m: &relobox_abi::Machine| {
            (m.machine, m.class, m.order) == (module.machine, module.class, module.order)
                && module.elf_flags & m.flags_mask == m.flags_value
        };
        self.about.machines.iter().any(fits)
    }

    /// Whether the kernel's numbers are those that the plugin assumes.
    pub(crate) fn as_assumed(&self, module: &TestModule) -> bool {
        module.inputs.iter().all(|input| self.about.inputs.contains(input))
    }
}
