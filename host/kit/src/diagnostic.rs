//! Diagnostics about a plugin, and the comparison of bytes that most of them come from.

use super::prediction::FieldBytes;
use super::reference_model::ReferenceModel;
use super::test_module::{Relocation, TestModule};
use relobox_core::text;
use serde::Serialize;
use std::fmt;

/// The kind of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiagnosticKind {
    /// The plugin broke the contract: a trap, exhausted fuel or memory, a malformed answer, a write outside every
    /// window.
    #[serde(rename = "misbehaved")]
    ContractViolation,
    /// The plugin wrote bytes that differ from its description.
    Bytes,
    /// The plugin changed bits around a field.
    Neighbours,
    /// The plugin linked a module that it must refuse.
    Accepted,
    /// The plugin refused a module that it must link.
    Refused,
    /// The plugin refused for another reason, or named no relocation.
    Reason,
    /// Two runs that must agree do not.
    Differs,
    /// The cost grows faster than in proportion.
    Cost,
    /// The description contradicts itself.
    Description,
}

impl DiagnosticKind {
    /// Returns the name that JSON and JUnit reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContractViolation => "misbehaved",
            Self::Bytes => "bytes",
            Self::Neighbours => "neighbours",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Reason => "reason",
            Self::Differs => "differs",
            Self::Cost => "cost",
            Self::Description => "description",
        }
    }
}

/// A defect of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginDiagnostic {
    /// The kind of defect.
    #[serde(rename = "wrong")]
    pub kind: DiagnosticKind,
    /// The relocation as `NAME at SECTION+OFFSET`, or whatever else the diagnostic is about.
    pub about: String,
    /// The expected result, as text.
    pub expected: String,
    /// The actual result, as text.
    #[serde(rename = "came")]
    pub actual: String,
}

impl fmt::Display for PluginDiagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}; got {}", self.about, self.expected, self.actual)
    }
}

impl ReferenceModel<'_> {
    /// Returns the name of a relocation, such as `WORD32 at .text+0x8`. `index` counts all relocations of the module.
    pub(crate) fn name(&self, module: &TestModule, index: usize) -> String {
        let mut all = module.groups().flat_map(|(_, s)| s.relocations.iter().map(move |r| (s, r)));
        match all.nth(index) {
            Some((s, r)) => format!("{} at {}+{:#x}", self.about().relocation(r.kind), s.name, r.offset),
            None => format!("relocation {index}"),
        }
    }

    /// Compares the linked contents `made` with the predicted `bytes` at the place of `r`.
    ///
    /// # Errors
    ///
    /// A [`PluginDiagnostic`] if known bits differ.
    pub(crate) fn compare(
        &self,
        module: &TestModule,
        name: &dyn Fn() -> String,
        (section, r): (usize, &Relocation),
        bytes: &FieldBytes,
        made: &[u8],
    ) -> Result<(), PluginDiagnostic> {
        let at = r.offset as usize;
        let place = |all: &[u8]| -> Vec<u8> {
            all.get(at..).and_then(|rest| rest.get(..bytes.len)).unwrap_or_default().to_vec()
        };
        let (actual, before) = (place(made), place(&module.sections[section].bytes));
        let differs = |i: &usize| actual.get(*i).map_or(bytes.known[*i], |c| (c ^ bytes.bytes[*i]) & bytes.known[*i]);
        if (0..bytes.len).all(|i| differs(&i) == 0) {
            return Ok(());
        }
        let row = self.about().row(r.kind);
        let field = row.map(|row| super::field::Field::of(row, module.order));
        let own = field.map_or([0xff; 8], |field| field.bytes(field.mask()));
        let kind = if (0..bytes.len).any(|i| differs(&i) & own[i] != 0) {
            DiagnosticKind::Bytes
        } else {
            DiagnosticKind::Neighbours
        };
        let formula = row.map_or("", |row| row.formula.as_str());
        Err(PluginDiagnostic {
            kind,
            about: name(),
            expected: format!(
                "{} ({formula} = {}, place was {})",
                hex(&bytes.bytes[..bytes.len]),
                text::hex_value(bytes.value),
                hex(&before)
            ),
            actual: hex(&actual),
        })
    }
}

/// Makes the diagnostic about a module that should have been refused.
pub(crate) fn accepted(about: String, kinds: String) -> PluginDiagnostic {
    PluginDiagnostic {
        kind: DiagnosticKind::Accepted,
        about,
        expected: format!("a fault: {kinds}"),
        actual: "a linked module".into(),
    }
}

/// Formats bytes in memory order, or `nothing` if there are none.
pub(super) fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() { "nothing".into() } else { relobox_core::text::hex(bytes) }
}
