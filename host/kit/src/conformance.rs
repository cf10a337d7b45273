//! The conformance test of a plugin: runs all groups of checks and collects the results.

use super::group::Group;
use super::indirection::RowCoverage;
use super::plugin_under_test::PluginUnderTest;
use super::reference_model::ReferenceModel;
use super::runner::{Check, CheckRunner, Selection};
use super::test_case::TestCase;
use super::{decode_cases, describe, hostile, pairs, properties, vectors};
use relobox_link::description::PluginRow;
use std::collections::BTreeSet;

/// The result of a conformance test.
#[derive(Clone, Debug, Default)]
pub struct ConformanceReport {
    /// All checks, ordered by group.
    pub checks: Vec<Check>,
    /// Types (masked with `kind_mask`) whose bytes the reference model predicted, and the plugin wrote as predicted.
    pub predicted: BTreeSet<u32>,
    /// Types whose indirect fields lead to the right destination; see [`ReferenceModel::indirection_coverage`].
    pub resolved: BTreeSet<u32>,
    /// Types that were checked by the plugin's decoding rules.
    pub decoded: BTreeSet<u32>,
}

impl ConformanceReport {
    /// Returns the groups that contain at least one check.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        Group::ALL.into_iter().filter(|group| self.checks.iter().any(|check| check.group == *group))
    }

    /// Returns how much of the values of `row` was verified, or `None` if nothing was.
    #[must_use]
    pub fn coverage(&self, model: &ReferenceModel<'_>, row: &PluginRow) -> Option<RowCoverage> {
        match self.predicted.contains(&row.row.kind) {
            true => Some(RowCoverage::Predicted),
            false if self.decoded.contains(&row.row.kind) => Some(RowCoverage::Decoded),
            false => model.indirection_coverage(row).filter(|_| self.resolved.contains(&row.row.kind)),
        }
    }

    /// Returns whether no check failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.failed == 0)
    }
}

/// Runs all groups of checks in order. Each test case that conforms to the reference model is passed to `record` with a
/// name of the form `GROUP-CHECK-NUMBER`.
pub fn run_checks<'a>(
    under_test: &'a PluginUnderTest<'a>,
    wanted: Selection<'a>,
    record: &'a mut dyn FnMut(&str, TestCase),
) -> ConformanceReport {
    let mut runner = CheckRunner::new(under_test, wanted, record);
    describe::derive(&mut runner);
    vectors::derive(&mut runner);
    pairs::derive(&mut runner);
    decode_cases::derive(&mut runner);
    properties::derive(&mut runner);
    hostile::derive(&mut runner);
    runner.checks.extend(runner.against.into_values());
    runner.checks.sort_by_key(|check| check.group);
    let CheckRunner { checks, predicted, resolved, decoded, .. } = runner;
    ConformanceReport { checks, predicted, resolved, decoded }
}
