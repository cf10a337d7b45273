//! The reference model: predicts what a plugin must do, from its description and without its code.
//!
//! The model contains no knowledge of any architecture. It knows the [`effect`]s, formulas of plain operands, and the
//! rules for fields, ranges and pairs in `docs/abi.md`. Where it is not certain, it makes no prediction.

use super::decoding::DecodingRules;
use super::places::Places;
use super::tables::Tables;
use super::test_module::{Relocation, TestModule};
use super::value_source::{RangeFormula, TABLES, ValueSource};
use relobox_abi::{effect, pairing, row_flag};
use relobox_link::description::{PluginDescription, PluginRow};
use std::collections::HashMap;

/// The addend forms that a plugin takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddendForms {
    /// The relocation holds the addend (SHT_RELA).
    pub explicit: bool,
    /// The place holds the addend (SHT_REL).
    pub in_place: bool,
}

/// The reference model of one plugin.
pub struct ReferenceModel<'a> {
    about: &'a PluginDescription,
    forms: AddendForms,
    pub(crate) value_sources: HashMap<u32, ValueSource>,
    /// True if any row must directly follow another row.
    pub(crate) completes: bool,
    pub(crate) tables: Tables,
    pub(crate) range_formulas: HashMap<u32, RangeFormula>,
    pub(crate) rules: DecodingRules,
    /// Why the plugin's decoding rules cannot be read: the number of the line, and what is wrong.
    pub(crate) rules_error: Option<(usize, String)>,
}

/// A relocation in its context.
pub(crate) struct Site<'a> {
    pub(crate) module: &'a TestModule,
    pub(crate) values: &'a [u64],
    /// The index of the section in the module.
    pub(crate) section: usize,
    /// The index of the relocation in the section.
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
    /// Makes a model from the description alone. It knows no table roles, and assumes that both addend forms are taken.
    pub(crate) fn from_description(about: &'a PluginDescription) -> Self {
        Self::new(about, AddendForms { explicit: true, in_place: true })
    }

    /// Makes a model from the description and the addend forms.
    pub(crate) fn new(about: &'a PluginDescription, forms: AddendForms) -> Self {
        let value_sources = about.rows.iter().map(|row| (row.row.kind, ValueSource::of(row))).collect();
        let completes = about.rows.iter().any(|row| row.row.pairing == pairing::BEHIND);
        Self {
            about,
            forms,
            value_sources,
            completes,
            tables: Tables::default(),
            range_formulas: HashMap::new(),
            rules: DecodingRules::default(),
            rules_error: None,
        }
    }

    /// Returns the description of the plugin.
    #[must_use]
    pub(crate) fn about(&self) -> &'a PluginDescription {
        self.about
    }

    /// Returns the addend forms that the plugin takes.
    #[must_use]
    pub fn forms(&self) -> AddendForms {
        self.forms
    }

    /// Returns why the bytes of `row` cannot be predicted, or `None` if they can.
    #[must_use]
    pub fn unpredictable(&self, row: &PluginRow) -> Option<&'static str> {
        match self.value_sources.get(&row.row.kind) {
            Some(ValueSource::Unknown(why)) => Some(why),
            Some(ValueSource::Tables) => Some(TABLES),
            _ if row.is(row_flag::DERIVED) => Some("the plugin transforms its value"),
            _ => None,
        }
    }

    /// Returns whether the value of `row` changes by as much as its operands. A formula may shift or mask, and so may a
    /// function that it calls.
    pub(crate) fn is_linear(&self, row: &PluginRow) -> bool {
        match self.value_sources.get(&row.row.kind) {
            Some(ValueSource::Formula(formula)) => formula.is_linear(),
            Some(ValueSource::Tables) => self.tables.is_linear(row.row.kind),
            Some(ValueSource::Unknown(_)) => row.row.effect != effect::UNKNOWN,
            _ => true,
        }
    }

    /// Returns whether the plugin links the machine, class, byte order and `e_flags` of the module.
    #[must_use]
    pub(crate) fn links(&self, module: &TestModule) -> bool {
        let fits = |m: &relobox_abi::Machine| {
            (m.machine, m.class, m.order) == (module.machine, module.class, module.order)
                && module.elf_flags & m.flags_mask == m.flags_value
        };
        self.about.machines.iter().any(fits)
    }

    /// Returns whether all kernel inputs have the values that the plugin assumes.
    pub(crate) fn inputs_match(&self, module: &TestModule) -> bool {
        module.inputs.iter().all(|input| self.about.inputs.contains(input))
    }
}
