//! The oracles of the conformance test. Each links a test module, some of them also a second one derived from it, and
//! returns a diagnostic if something is wrong.

use super::cost::{self, Growth};
use super::diagnostic::{DiagnosticKind, PluginDiagnostic, hex};
use super::plugin_under_test::PluginUnderTest;
use super::run::{Outcome, run};
use super::test_case::Expected;
use super::test_module::TestModule;
use super::{agree, metamorphic, slots};
use relobox_link::guests::Plugin;
use std::fmt;

/// An oracle. Its text form stands in the `# oracle:` line of a test case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oracle {
    /// Does every relocation conform to the description (text form `judge`)?
    ReferenceModel,
    /// Do two runs agree in bytes and fuel, with another job in between?
    Repeat,
    /// Do values change correctly if everything moves by this distance?
    Shift(u64),
    /// Do values change correctly if only the symbols move by this distance?
    ShiftSymbols(u64),
    /// Do values change correctly if only the sections move by this distance?
    ShiftPlaces(u64),
    /// Do bits around fields stay, and are the old contents of fields irrelevant?
    Poison,
    /// Is the result the same in another order of relocations, chosen by this seed?
    Permute(u64),
    /// Do table entries and stubs lead to their symbols, with different ones for different symbols?
    Slots,
    /// Does the cost grow in proportion?
    Cost(Growth),
    /// Does a second plugin agree?
    Against,
}

/// The plugins that an oracle needs.
#[derive(Clone, Copy)]
pub struct OracleContext<'a> {
    /// The plugin under test.
    pub under_test: &'a PluginUnderTest<'a>,
    /// A second plugin that must agree.
    pub against: Option<&'a Plugin>,
}

impl Oracle {
    /// Applies the oracle to `module`. The result is `Ok` if the oracle has nothing to say about the module.
    ///
    /// # Errors
    ///
    /// A [`PluginDiagnostic`] if the plugin is wrong.
    pub fn check(&self, context: &OracleContext<'_>, module: &TestModule) -> Result<(), PluginDiagnostic> {
        let under_test = context.under_test;
        match self {
            Self::ReferenceModel => under_test.model.check(module, &under_test.run(module).outcome),
            Self::Repeat => repeat(under_test, module),
            Self::Shift(by) => metamorphic::shift(under_test, module, metamorphic::Moves::Everything, *by),
            Self::ShiftSymbols(by) => metamorphic::shift(under_test, module, metamorphic::Moves::Symbols, *by),
            Self::ShiftPlaces(by) => metamorphic::shift(under_test, module, metamorphic::Moves::Places, *by),
            Self::Poison => metamorphic::poison(under_test, module),
            Self::Permute(seed) => metamorphic::permute(under_test, module, *seed),
            Self::Slots => slots::destinations(under_test, module),
            Self::Cost(growth) => cost::check_growth(under_test, module, *growth),
            Self::Against => context.against.map_or(Ok(()), |other| agree(under_test, other, module)),
        }
    }
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReferenceModel => f.write_str("judge"),
            Self::Repeat => f.write_str("repeat"),
            Self::Shift(by) => write!(f, "shift {by:#x}"),
            Self::ShiftSymbols(by) => write!(f, "shift-symbols {by:#x}"),
            Self::ShiftPlaces(by) => write!(f, "shift-places {by:#x}"),
            Self::Poison => f.write_str("poison"),
            Self::Permute(seed) => write!(f, "permute {seed:#x}"),
            Self::Slots => f.write_str("slots"),
            Self::Cost(growth) => write!(f, "cost {}", growth.as_str()),
            Self::Against => f.write_str("against"),
        }
    }
}

impl std::str::FromStr for Oracle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let number = || {
            let digits = rest.trim().strip_prefix("0x").unwrap_or_default();
            u64::from_str_radix(digits, 16).map_err(|_| format!("{rest:?} is not a number that begins with 0x"))
        };
        Ok(match word {
            "judge" => Self::ReferenceModel,
            "repeat" => Self::Repeat,
            "shift" => Self::Shift(number()?),
            "shift-symbols" => Self::ShiftSymbols(number()?),
            "shift-places" => Self::ShiftPlaces(number()?),
            "poison" => Self::Poison,
            "permute" => Self::Permute(number()?),
            "slots" => Self::Slots,
            "cost" => Self::Cost(Growth::of(rest.trim()).ok_or(format!("{rest:?} is not a dimension of cost"))?),
            "against" => Self::Against,
            _ => return Err(format!("there is no oracle {word:?}")),
        })
    }
}

fn differs(about: &str, expected: String, actual: String) -> PluginDiagnostic {
    PluginDiagnostic { kind: DiagnosticKind::Differs, about: about.to_owned(), expected, actual }
}

/// Checks that two runs agree in outcome, fuel and memory, with another job in between.
fn repeat(under_test: &PluginUnderTest<'_>, module: &TestModule) -> Result<(), PluginDiagnostic> {
    let once = || {
        let run = under_test.run(module);
        let memory = run.instance.as_ref().map_or(0, |i| i.memory().len());
        (run.outcome, run.fuel, memory)
    };
    let first = once();
    let mut other = module.clone();
    other.sections.iter_mut().for_each(|s| s.relocations.reverse());
    other.symbols.iter_mut().for_each(|s| s.value ^= 0x10);
    let _ = under_test.run(&other);
    same(&first, &once())
}

/// Compares two runs: outcome, fuel, and memory in bytes.
fn same(first: &(Outcome, u64, usize), second: &(Outcome, u64, usize)) -> Result<(), PluginDiagnostic> {
    let about = "two runs of one job";
    if first.0 != second.0 {
        return Err(differs(about, text_of(&first.0), text_of(&second.0)));
    }
    if first.1 != second.1 {
        return Err(differs(about, format!("{} units of fuel", first.1), format!("{} units", second.1)));
    }
    if first.2 != second.2 {
        return Err(differs(about, format!("{} bytes of memory", first.2), format!("{} bytes", second.2)));
    }
    Ok(())
}

/// Summarises an outcome.
fn text_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Linked(linked) => {
            let all: Vec<u8> = linked.sections.iter().flatten().copied().collect();
            format!("bytes {}", hex(&all[..all.len().min(64)]))
        }
        Outcome::Refused(faults) => {
            let kinds: Vec<_> = faults
                .iter()
                .take(4)
                .map(|f| format!("{} of {}", f.kind, f.relocation.map_or("none".into(), |r| r.to_string())))
                .collect();
            format!("refused: {}", kinds.join(", "))
        }
        Outcome::GuestError(what) => format!("it {what}"),
    }
}

/// Checks that both plugins agree. A module with a machine or a type that one of them does not know is not compared.
fn agree(under_test: &PluginUnderTest<'_>, other: &Plugin, module: &TestModule) -> Result<(), PluginDiagnostic> {
    if !agree::comparable([under_test.plugin, other], module) {
        return Ok(());
    }
    let (ours, theirs) = (under_test.run(module).outcome, run(other, module).outcome);
    if agree::agree([under_test.plugin, other], module, [&ours, &theirs]) {
        return Ok(());
    }
    Err(differs(&format!("against {}", other.about.name), text_of(&theirs), text_of(&ours)))
}

/// Compares an outcome with the expected outcome of a test case. What the test case does not list is not compared.
///
/// # Errors
///
/// A [`PluginDiagnostic`] of kind [`DiagnosticKind::Differs`] if they differ.
pub fn check_expected(expected: &Expected, outcome: &Outcome) -> Result<(), PluginDiagnostic> {
    let right = match (expected, outcome) {
        (Expected::Linked { sections, made }, Outcome::Linked(linked)) => {
            let bytes = |index: usize| index.checked_sub(1).and_then(|i| linked.sections.get(i));
            let same = |(name, contents): &(String, Vec<u8>)| {
                linked.made.iter().any(|m| m.name == *name && m.contents == *contents)
            };
            sections.iter().all(|(index, contents)| bytes(*index) == Some(contents)) && made.iter().all(same)
        }
        (Expected::Refused(faults), Outcome::Refused(actual)) => {
            faults.iter().all(|(kind, of)| actual.iter().any(|f| f.kind == *kind && f.relocation == *of))
        }
        _ => false,
    };
    if right {
        return Ok(());
    }
    let expected = match expected {
        Expected::Linked { sections, .. } => {
            let all: Vec<u8> = sections.iter().flat_map(|(_, bytes)| bytes).copied().collect();
            format!("bytes {}", hex(&all[..all.len().min(64)]))
        }
        Expected::Refused(faults) => {
            let kinds: Vec<_> = faults.iter().take(4).map(|(kind, _)| kind.as_str()).collect();
            format!("refused: {}", kinds.join(", "))
        }
    };
    Err(differs("the recorded outcome", expected, text_of(outcome)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Linked;

    /// The sandbox has no source of nondeterminism, so the comparison is tested with made-up runs.
    #[test]
    fn differing_runs_are_reported() {
        let linked = |byte| Outcome::Linked(Linked { sections: vec![vec![byte]], ..Linked::default() });
        assert_eq!(same(&(linked(1), 2, 3), &(linked(1), 2, 3)), Ok(()));
        for other in [(linked(0), 2, 3), (linked(1), 1, 3), (linked(1), 2, 4), (Outcome::Refused(Vec::new()), 2, 3)] {
            assert_eq!(same(&(linked(1), 2, 3), &other).map_err(|c| c.kind), Err(DiagnosticKind::Differs));
        }
    }
}
