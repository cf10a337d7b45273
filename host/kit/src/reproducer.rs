//! A failure as a file that `relobox plugin test PLUGIN --replay FILE` checks again.

use super::diagnostic::PluginDiagnostic;
use super::oracle::Oracle;
use super::test_case::{ParseError, TestCase};
use super::test_module::TestModule;
use relobox_core::text::Escaped;
use std::fmt;

/// The contents of a failure's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reproducer {
    /// The oracle that failed. A file without an oracle line means [`Oracle::ReferenceModel`].
    pub oracle: Oracle,
    /// The test module, and the expected outcome if the file contains one.
    pub test_case: TestCase,
    /// The other comment lines of the file.
    pub remarks: Vec<String>,
}

/// The start of the line that names the oracle. To the test case parser this line is a comment.
const ORACLE: &str = "# oracle: ";

impl Reproducer {
    /// Makes the reproducer of a failure of the check `name`.
    #[must_use]
    pub fn new(name: &str, diagnostic: &PluginDiagnostic, oracle: Oracle, module: TestModule) -> Self {
        let remarks = vec![
            format!("check: {name}"),
            format!("about: {}", diagnostic.about),
            format!("expected: {}", diagnostic.expected),
            format!("got: {}", diagnostic.actual),
        ];
        Self { oracle, test_case: TestCase { module, expected: None }, remarks }
    }
}

impl fmt::Display for Reproducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.remarks {
            writeln!(f, "# {}", Escaped(line.replace(['\n', '\r'], " ")))?;
        }
        write!(f, "{ORACLE}{}\n{}", self.oracle, self.test_case)
    }
}

impl std::str::FromStr for Reproducer {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let test_case = text.parse()?;
        let (mut oracle, mut remarks) = (Oracle::ReferenceModel, Vec::new());
        for (line, content) in (1..).zip(text.lines()) {
            if let Some(named) = content.strip_prefix(ORACLE) {
                oracle = named.parse().map_err(|what| ParseError { line, what })?;
            } else if let Some(word) = content.strip_prefix("# ") {
                remarks.push(word.to_owned());
            }
        }
        Ok(Self { oracle, test_case, remarks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Growth;
    use crate::diagnostic::DiagnosticKind;

    #[test]
    fn every_oracle_round_trips() {
        let mut oracles = vec![Oracle::ReferenceModel, Oracle::Repeat, Oracle::Poison, Oracle::Slots, Oracle::Against];
        oracles.extend([
            Oracle::Shift(0x10),
            Oracle::ShiftSymbols(u64::MAX),
            Oracle::ShiftPlaces(1),
            Oracle::Permute(7),
        ]);
        oracles.extend(Growth::ALL.map(Oracle::Cost));
        for oracle in oracles {
            let (about, expected, actual) = ("WORD".into(), "a\nb".into(), "c".into());
            let diagnostic = PluginDiagnostic { kind: DiagnosticKind::Bytes, about, expected, actual };
            let module = TestModule { machine: 1, class: 64, order: 1, ..TestModule::default() };
            let made = Reproducer::new("vectors/WORD", &diagnostic, oracle.clone(), module.clone());
            let read: Reproducer = made.to_string().parse().unwrap();
            assert_eq!((read.oracle, read.test_case.module), (oracle, module));
            assert_eq!(read.remarks[2], "expected: a b");
        }
        assert!("# oracle: nobody\nrelobox case 1\nmachine 1 64 little 0".parse::<Reproducer>().is_err());
    }
}
