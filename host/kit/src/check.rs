//! Comparison of the outcome of a module with the predictions of the reference model.

use super::blame::blame;
use super::diagnostic::{DiagnosticKind, PluginDiagnostic, accepted};
use super::fault_kinds::FaultKinds;
use super::prediction::Prediction;
use super::reference_model::ReferenceModel;
use super::run::{Fault, Linked, Outcome};
use super::test_module::{Relocation, TestModule};
use relobox_abi::symbol_flag;
use relobox_core::error::GuestError;
use relobox_core::text;

impl ReferenceModel<'_> {
    /// Checks the outcome of `module` against the predictions of the model.
    ///
    /// # Errors
    ///
    /// The first [`PluginDiagnostic`]: a contract violation, wrong bytes, a module that was linked or refused by mistake, or
    /// a refusal for the wrong reason.
    pub fn check(&self, module: &TestModule, outcome: &Outcome) -> Result<(), PluginDiagnostic> {
        match outcome {
            Outcome::GuestError(what) => Err(PluginDiagnostic {
                kind: DiagnosticKind::ContractViolation,
                about: match what {
                    GuestError::OutOfWindowWrite { section, offset } => blame(self.about(), module, section, *offset),
                    _ => None,
                }
                .unwrap_or_else(|| self.about().name.clone()),
                expected: "an answer within the contract".into(),
                actual: format!("it {what}"),
            }),
            Outcome::Linked(linked) => self.check_linked(module, linked),
            Outcome::Refused(faults) => self.check_refused(module, faults),
        }
    }

    fn check_linked(&self, module: &TestModule, linked: &Linked) -> Result<(), PluginDiagnostic> {
        if let Some((_, s)) = module.groups().find(|(_, s)| !self.takes(s.in_place)) {
            let expected = format!("addend-form, since its addends are {}", form(s.in_place));
            return Err(accepted(s.name.clone(), expected));
        }
        let predictions = self.predictions(module, &linked.values);
        let sites = module.groups().flat_map(|(i, s)| s.relocations.iter().map(move |r| (i, r)));
        for (index, (prediction, (section, r))) in predictions.iter().zip(sites).enumerate() {
            match prediction {
                Prediction::Refused(kinds) => {
                    let kinds: Vec<_> = kinds.names().collect();
                    return Err(accepted(self.name(module, index), kinds.join(" or ")));
                }
                Prediction::Bytes(bytes) => {
                    let made = linked.sections.get(section).map_or(&[][..], Vec::as_slice);
                    self.compare(module, &|| self.name(module, index), (section, r), bytes, made)?;
                }
                Prediction::Accepted | Prediction::Unchanged | Prediction::Unknown(_) => {}
            }
        }
        self.resolve_indirection(module, linked, &predictions)?;
        self.check_decoded(module, linked, &predictions).map(drop)
    }

    fn check_refused(&self, module: &TestModule, faults: &[Fault]) -> Result<(), PluginDiagnostic> {
        let actual = |fault: &Fault| match fault.relocation {
            Some(_) => format!("{} (value {})", fault.kind, text::hex_value(fault.value)),
            None => format!("{}, of no relocation", fault.kind),
        };
        // A plugin does not look at the addends of a machine that it does not link.
        if self.links(module) && module.groups().any(|(_, s)| !self.takes(s.in_place)) {
            let form = faults.iter().any(|f| f.kind == "addend-form" && f.relocation.is_some());
            return if form { Ok(()) } else { Err(reason(&module.sections[0].name, "addend-form", faults, actual)) };
        }
        let predictions = self.predictions(module, &module.values());
        // The plugin may supply a symbol of this name, so its value is not known.
        let supplied = |r: &Relocation| {
            let symbol = (r.symbol as usize).checked_sub(1).and_then(|i| module.symbols.get(i));
            symbol.is_some_and(|s| {
                let letter = s.name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
                s.flags & symbol_flag::UNDEFINED != 0 && !letter
            })
        };
        let relocations: Vec<_> = module.groups().flat_map(|(_, s)| &s.relocations).collect();
        let prediction = |i: u32| match (predictions.get(i as usize), relocations.get(i as usize)) {
            (Some(prediction), Some(r)) if !supplied(r) => Some(prediction),
            _ => None,
        };
        // Report good relocations that are refused, and relocations that are refused for the wrong reason.
        let mut explained = false;
        for fault in faults {
            let Some(index) = fault.relocation else {
                // A fault of the whole module explains the refusal, but a fault of a relocation has to name it.
                explained |= fault.kind != "more"
                    && !FaultKinds::all().names().any(|word| word == fault.kind && word != "other");
                continue;
            };
            match prediction(index) {
                Some(Prediction::Bytes(_) | Prediction::Accepted | Prediction::Unchanged) => {
                    return Err(PluginDiagnostic {
                        kind: DiagnosticKind::Refused,
                        about: self.name(module, index as usize),
                        expected: "to be linked".into(),
                        actual: actual(fault),
                    });
                }
                Some(Prediction::Refused(kinds)) if kinds.names().all(|word| word != fault.kind) => {
                    let kinds: Vec<_> = kinds.names().collect();
                    let about = self.name(module, index as usize);
                    return Err(reason(&about, &kinds.join(" or "), std::slice::from_ref(fault), actual));
                }
                _ => explained = true,
            }
        }
        let bad = (0..).zip(&predictions).find(|(_, v)| matches!(v, Prediction::Refused(_)));
        match bad {
            // There are faults, but none of them names a relocation or gives the reason.
            Some((index, Prediction::Refused(kinds))) if !explained => {
                let kinds: Vec<_> = kinds.names().collect();
                Err(reason(&self.name(module, index), &kinds.join(" or "), faults, actual))
            }
            _ => Ok(()),
        }
    }

    fn takes(&self, in_place: bool) -> bool {
        if in_place { self.forms().in_place } else { self.forms().explicit }
    }
}

fn form(in_place: bool) -> &'static str {
    if in_place { "in place" } else { "explicit" }
}

fn reason(about: &str, kinds: &str, faults: &[Fault], actual: impl Fn(&Fault) -> String) -> PluginDiagnostic {
    let actual: Vec<_> = faults.iter().take(3).map(actual).collect();
    PluginDiagnostic {
        kind: DiagnosticKind::Reason,
        about: about.to_owned(),
        expected: format!("a fault of it: {kinds}"),
        actual: if actual.is_empty() { "no fault at all".into() } else { actual.join("; ") },
    }
}
