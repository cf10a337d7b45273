//! The runner of checks: applies oracles to test modules, and minimises and keeps what failed.

use super::diagnostic::PluginDiagnostic;
use super::group::Group;
use super::minimise::minimise;
use super::oracle::{Oracle, OracleContext, check_expected};
use super::plugin_under_test::PluginUnderTest;
use super::prediction::Prediction;
use super::run::Outcome;
use super::test_case::{Expected, TestCase};
use super::test_module::TestModule;
use relobox_link::guests::Plugin;
use std::collections::{BTreeMap, BTreeSet};

/// A check with its result.
#[derive(Clone, Debug)]
pub struct Check {
    /// The group of the check.
    pub group: Group,
    /// The item that is checked, usually the name of a row.
    pub name: String,
    /// The number of test modules to which an oracle was applied.
    pub cases: usize,
    /// Why the check is incomplete or not applicable.
    pub limitation: Option<String>,
    /// The first failure of each kind.
    pub failures: Vec<CheckFailure>,
    /// The number of test modules that failed.
    pub failed: usize,
}

/// A failure of a check.
#[derive(Clone, Debug)]
pub struct CheckFailure {
    /// The defect.
    pub diagnostic: PluginDiagnostic,
    /// The minimised test module and the oracle that reports it, or `None` if no module is involved.
    pub reproducer: Option<(Oracle, TestModule)>,
}

/// The selection of checks.
#[derive(Clone, Copy, Default)]
pub struct Selection<'a> {
    /// Runs only checks whose `GROUP/NAME` contains this text.
    pub filter: Option<&'a str>,
    /// A second plugin that must agree.
    pub against: Option<&'a Plugin>,
    /// Runs nothing, and only lists the names of the checks.
    pub names_only: bool,
}

/// Runs checks and collects their results.
pub(crate) struct CheckRunner<'a> {
    context: OracleContext<'a>,
    wanted: Selection<'a>,
    /// The checks so far.
    pub(crate) checks: Vec<Check>,
    /// Types whose bytes were predicted.
    pub(crate) predicted: BTreeSet<u32>,
    /// Types whose indirect fields were verified.
    pub(crate) resolved: BTreeSet<u32>,
    /// Types that were verified by decoding rules.
    pub(crate) decoded: BTreeSet<u32>,
    /// Comparisons with the second plugin, by the name of the check that made the test modules.
    pub(crate) against: BTreeMap<String, Check>,
    record: &'a mut dyn FnMut(&str, TestCase),
}

impl<'a> CheckRunner<'a> {
    /// Makes a runner without any results. Each test case that conforms to the reference model is passed to `record`.
    pub(crate) fn new(
        under_test: &'a PluginUnderTest<'a>,
        wanted: Selection<'a>,
        record: &'a mut dyn FnMut(&str, TestCase),
    ) -> Self {
        let context = OracleContext { under_test, against: wanted.against };
        Self {
            context,
            wanted,
            checks: Vec::new(),
            predicted: BTreeSet::new(),
            resolved: BTreeSet::new(),
            decoded: BTreeSet::new(),
            against: BTreeMap::new(),
            record,
        }
    }

    /// Returns the plugin under test.
    #[must_use]
    pub(crate) fn under_test(&self) -> &'a PluginUnderTest<'a> {
        self.context.under_test
    }

    /// Runs a check, unless the selection excludes it.
    pub(crate) fn check(&mut self, group: Group, name: &str, mut of: impl FnMut(&mut CheckContext<'_>)) {
        let full_name = format!("{}/{name}", group.as_str());
        if self.wanted.filter.is_some_and(|filter| !full_name.contains(filter)) {
            return;
        }
        if self.wanted.names_only {
            self.checks.push(Check::new(group, name));
            return;
        }
        let mut cases = CheckContext {
            context: self.context,
            check: Check::new(group, name),
            agreement: self.context.against.map(|_| Check::new(Group::Against, &full_name)),
            predicted: &mut self.predicted,
            resolved: &mut self.resolved,
            decoded: &mut self.decoded,
            record: self.record,
        };
        of(&mut cases);
        let agreement = cases.agreement.take().filter(|agreement| agreement.cases != 0);
        self.checks.push(cases.check);
        if let Some(agreement) = agreement {
            self.against.insert(full_name, agreement);
        }
    }
}

impl Check {
    /// Makes a check without any results.
    #[must_use]
    pub fn new(group: Group, name: &str) -> Self {
        let (name, limitation, failures) = (name.to_owned(), None, Vec::new());
        Self { group, name, cases: 0, limitation, failures, failed: 0 }
    }

    /// Checks that a recorded test case still has its expected outcome.
    #[must_use]
    pub fn test_case(under_test: &PluginUnderTest<'_>, name: &str, test_case: &TestCase) -> Self {
        let mut check = Self::new(Group::Recorded, name);
        let Some(expected) = test_case.expected.as_ref().filter(|_| under_test.model.links(&test_case.module)) else {
            let why = if test_case.expected.is_none() {
                "it has no expected outcome"
            } else {
                "the plugin does not link this machine"
            };
            check.limitation = Some(why.into());
            return check;
        };
        check.cases = 1;
        if let Err(diagnostic) = check_expected(expected, &under_test.run(&test_case.module).outcome) {
            check.failed = 1;
            check.failures.push(CheckFailure { diagnostic, reproducer: None });
        }
        check
    }

    /// Returns `GROUP/NAME`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.group.as_str(), self.name)
    }

    /// Applies `oracle` to `module` and returns whether it passed. The first failure of each kind is minimised and
    /// kept.
    pub fn apply(&mut self, context: &OracleContext<'_>, oracle: Oracle, module: &TestModule) -> bool {
        self.cases += 1;
        let Err(diagnostic) = oracle.check(context, module) else { return true };
        self.failed += 1;
        if self.failures.iter().all(|failure| failure.diagnostic.kind != diagnostic.kind) {
            let same =
                |smaller: &TestModule| oracle.check(context, smaller).is_err_and(|other| other.kind == diagnostic.kind);
            let small = minimise(module, same);
            let diagnostic = oracle.check(context, &small).err().unwrap_or(diagnostic);
            self.failures.push(CheckFailure { diagnostic, reproducer: Some((oracle, small)) });
        }
        false
    }
}

/// The context of a running check.
pub(crate) struct CheckContext<'a> {
    context: OracleContext<'a>,
    check: Check,
    agreement: Option<Check>,
    predicted: &'a mut BTreeSet<u32>,
    resolved: &'a mut BTreeSet<u32>,
    decoded: &'a mut BTreeSet<u32>,
    record: &'a mut dyn FnMut(&str, TestCase),
}

impl<'a> CheckContext<'a> {
    /// Returns the plugin under test.
    #[must_use]
    pub(crate) fn under_test(&self) -> &'a PluginUnderTest<'a> {
        self.context.under_test
    }

    /// Applies `oracle` to a test module.
    pub(crate) fn check(&mut self, oracle: Oracle, module: &TestModule) {
        let predicted_by_model = oracle == Oracle::ReferenceModel;
        let good = self.check.apply(&self.context, oracle, module);
        if !predicted_by_model || !good {
            return;
        }
        if let Some(agreement) = &mut self.agreement {
            agreement.apply(&self.context, Oracle::Against, module);
        }
        let under_test = self.context.under_test;
        let outcome = under_test.run(module).outcome;
        if let Outcome::Linked(linked) = &outcome {
            let predictions = under_test.model.predictions(module, &linked.values);
            let relocations = module.groups().flat_map(|(_, s)| &s.relocations);
            let predicted = relocations.zip(&predictions).filter(|(_, v)| matches!(v, Prediction::Bytes(_)));
            self.predicted.extend(predicted.map(|(r, _)| r.kind & under_test.about().kind_mask));
            self.resolved
                .extend(under_test.model.resolve_indirection(module, linked, &predictions).into_iter().flatten());
            self.decoded.extend(under_test.model.check_decoded(module, linked, &predictions).into_iter().flatten());
        }
        if let Some(expected) = Expected::of(&outcome) {
            let full_name = format!("{}-{}-{}", self.check.group.as_str(), self.check.name, self.check.cases);
            (self.record)(&full_name, TestCase { module: module.clone(), expected: Some(expected) });
        }
    }

    /// Reports a failure that needs no test module.
    pub(crate) fn report(&mut self, diagnostic: PluginDiagnostic) {
        self.check.failed += 1;
        self.check.failures.push(CheckFailure { diagnostic, reproducer: None });
    }

    /// Counts something that was checked without a test module.
    pub(crate) fn count(&mut self) {
        self.check.cases += 1;
    }

    /// Records why the check is incomplete or not applicable; the first reason counts.
    pub(crate) fn set_limitation(&mut self, why: &str) {
        self.check.limitation.get_or_insert_with(|| why.to_owned());
    }

    /// Returns whether no oracle was applied yet.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.check.cases == 0
    }
}
