//! Predictions of the reference model for the relocations of a module.

use super::fault_kinds::{FaultKind, FaultKinds};
use super::places::Places;
use super::prediction::Prediction;
use super::reference_model::{ReferenceModel, Site};
use super::test_module::{Relocation, TestModule};
use relobox_abi::{pairing, row_flag};
use relobox_link::description::PluginRow;

impl ReferenceModel<'_> {
    /// Predicts the result of every relocation of `module`, in file order. `values` are the symbol values that the
    /// plugin saw, by symbol index.
    #[must_use]
    pub(crate) fn predictions(&self, module: &TestModule, values: &[u64]) -> Vec<Prediction> {
        let mut predictions = Vec::with_capacity(module.relocations());
        let inputs_match = self.inputs_match(module);
        for (section, s) in module.groups() {
            let places = Places::of(self.about(), s);
            let first = predictions.len();
            for index in 0..s.relocations.len() {
                let site = Site { module, values, section, index, places: &places };
                predictions.push(match self.predict(&site) {
                    Prediction::Bytes(_) | Prediction::Accepted if !inputs_match => {
                        Prediction::Unknown("the kernel inputs differ from those that the plugin assumes")
                    }
                    // The plugin may refuse unexpected kernel inputs before it looks at anything else.
                    Prediction::Refused(mut kinds) if !inputs_match => {
                        kinds.add(FaultKind::Other);
                        Prediction::Refused(kinds)
                    }
                    prediction => prediction,
                });
            }
            if inputs_match && self.links(module) {
                self.predict_stack(s, &mut predictions[first..]);
            }
            if inputs_match {
                places.chains(|chain| self.chain(module, values, section, chain, &mut predictions[first..]));
            }
        }
        predictions
    }

    /// Predicts the result of one relocation.
    pub(crate) fn predict(&self, site: &Site<'_>) -> Prediction {
        let (module, r) = (site.module, site.relocation());
        let section = &module.sections[site.section];
        if !self.links(module) {
            return Prediction::Unknown("the plugin does not link this machine");
        }
        if !(if section.in_place { self.forms().in_place } else { self.forms().explicit }) {
            return Prediction::Unknown("the plugin does not take this addend form");
        }
        let mut kinds = FaultKinds::default();
        let symbol_missing = r.symbol as usize > module.symbols.len();
        if symbol_missing {
            kinds.add(FaultKind::BadSymbol);
        }
        let Some(row) = self.about().row(r.kind) else {
            kinds.add(FaultKind::UnknownRelocation);
            return Prediction::Refused(kinds);
        };
        let outside = !Places::inside(&row.row, r.offset, section.bytes.len());
        // Two relocations at one offset are not a valid label, and a plugin may report that first.
        let crowded = || {
            let relocations = &section.relocations;
            (0..).zip(relocations).any(|(i, other)| i != site.index && other.offset == r.offset)
        };
        if row.is(row_flag::REJECT) {
            kinds.add(FaultKind::Rejected);
            if crowded() {
                kinds.add(FaultKind::Other);
            }
            return Prediction::Refused(kinds);
        }
        if row.is(row_flag::NOP) {
            return if symbol_missing {
                Prediction::Unknown("relocations of its row change nothing")
            } else {
                Prediction::Unchanged
            };
        }
        if outside {
            kinds.add(FaultKind::Outside);
        }
        let shared_label = row.row.pairing == pairing::LABELLED && crowded();
        if shared_label {
            kinds.add(FaultKind::Other);
        }
        if symbol_missing {
            return Prediction::Refused(kinds);
        }
        let value = self.value(site, row, 0);
        if outside {
            // The plugin may report another fault of the relocation first.
            [FaultKind::OutOfRange, FaultKind::Misaligned, FaultKind::Unpaired, FaultKind::NotZero]
                .iter()
                .for_each(|kind| kinds.add(*kind));
            return Prediction::Refused(kinds);
        }
        if Places::cut(&row.row, r.offset, section.bytes.len()) {
            return Prediction::Unknown("its window is cut off at the end of its section");
        }
        if self.is_torn(site, row) {
            // A row that finds its own window finds none at the end of the section.
            return Prediction::Refused(FaultKinds::of(&[FaultKind::Unpaired, FaultKind::Other, FaultKind::Outside]));
        }
        match value.map_or_else(|prediction| prediction, |value| self.encode(site, row, value)) {
            Prediction::Refused(mut kinds) if shared_label => {
                kinds.add(FaultKind::Other);
                Prediction::Refused(kinds)
            }
            prediction @ Prediction::Unknown(_) => prediction,
            _ if shared_label => Prediction::Unknown("other relocations share its place, which may be a label"),
            prediction => prediction,
        }
    }

    /// Returns whether the relocation must be adjacent to a partner that is missing.
    fn is_torn(&self, site: &Site<'_>, row: &PluginRow) -> bool {
        let relocations = &site.module.sections[site.section].relocations;
        let r = site.relocation();
        let is = |other: Option<&Relocation>, kind: u32| {
            other.is_some_and(|o| o.kind & self.about().kind_mask == kind && o.offset == r.offset)
        };
        if row.row.pairing == pairing::BEHIND {
            return !is(site.index.checked_sub(1).and_then(|i| relocations.get(i)), row.row.partner);
        }
        let behind = |other: &&PluginRow| other.row.pairing == pairing::BEHIND && other.row.partner == row.row.kind;
        let next = relocations.get(site.index + 1);
        self.completes && {
            let mut others = self.about().rows.iter().filter(behind).peekable();
            others.peek().is_some() && !others.any(|other| is(next, other.row.kind))
        }
    }

    /// Returns the value that the field of a relocation must hold, rounded if the row rounds, or `None` if it cannot be
    /// predicted.
    #[must_use]
    pub(crate) fn value_of(&self, module: &TestModule, section: usize, index: usize) -> Option<i64> {
        let s = &module.sections[section];
        let row = self.about().row(s.relocations[index].kind)?;
        let places = Places::of(self.about(), s);
        let site = Site { module, values: &module.values(), section, index, places: &places };
        self.value(&site, row, 0).ok().map(|value| value.rounded)
    }
}
