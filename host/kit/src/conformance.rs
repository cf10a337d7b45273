//! The conformance kit: what is checked of a plugin, in groups, and what came of it.

use super::group::Group;
use super::indirection::RowCoverage;
use super::plugin_under_test::PluginUnderTest;
use super::reference_model::ReferenceModel;
use super::runner::{Check, CheckRunner, Selection};
use super::test_case::TestCase;
use super::{describe, hostile, pairs, properties, vectors};
use relobox_link::description::PluginRow;
use std::collections::BTreeSet;

/// What came of all.
#[derive(Clone, Debug, Default)]
pub struct ConformanceReport {
    /// Every check.
    pub checks: Vec<Check>,
    /// Types whose bytes were foretold by the judge, and were as foretold.
    pub predicted: BTreeSet<u32>,
    /// Types that lead into what the plugin made, and led right; see [`ReferenceModel::indirection_coverage`].
    pub resolved: BTreeSet<u32>,
}

impl ConformanceReport {
    /// The groups of which anything was checked.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        Group::ALL.into_iter().filter(|group| self.checks.iter().any(|check| check.group == *group))
    }

    /// How far the judge saw where relocations of `row` lead; `None` if their values were not judged.
    #[must_use]
    pub fn coverage(&self, model: &ReferenceModel<'_>, row: &PluginRow) -> Option<RowCoverage> {
        match self.predicted.contains(&row.row.kind) {
            true => Some(RowCoverage::Predicted),
            false => model.indirection_coverage(row).filter(|_| self.resolved.contains(&row.row.kind)),
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.failed == 0)
    }
}

/// Everything, in order; each case that was judged, and linked or refused as it should, goes to `record`.
pub fn run_checks<'a>(
    under_test: &'a PluginUnderTest<'a>,
    wanted: Selection<'a>,
    record: &'a mut dyn FnMut(&str, TestCase),
) -> ConformanceReport {
    let mut runner = CheckRunner::new(under_test, wanted, record);
    describe::derive(&mut runner);
    vectors::derive(&mut runner);
    pairs::derive(&mut runner);
    properties::derive(&mut runner);
    hostile::derive(&mut runner);
    runner.checks.extend(runner.against.into_values());
    runner.checks.sort_by_key(|check| check.group);
    ConformanceReport { checks: runner.checks, predicted: runner.predicted, resolved: runner.resolved }
}
