//! Checks on their way: cases are asked about, and what is wrong is made small and kept.

use super::diagnostic::Diagnostic;
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

/// A check and what came of it.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its group.
    pub group: Group,
    /// What it is about: mostly a row.
    pub name: String,
    /// How many cases were asked.
    pub cases: usize,
    /// Why it says little or nothing.
    pub limitation: Option<String>,
    /// What was wrong, one for each kind of thing.
    pub failures: Vec<CheckFailure>,
    /// In how many cases.
    pub failed: usize,
}

/// What a plugin did wrong, and how to see it.
#[derive(Clone, Debug)]
pub struct CheckFailure {
    /// What.
    pub diagnostic: Diagnostic,
    /// The smallest case that shows it, and who complains; none where the description is wrong.
    pub reproducer: Option<(Oracle, TestModule)>,
}

/// What is wanted of the kit.
#[derive(Clone, Copy, Default)]
pub struct Selection<'a> {
    /// Only checks with this in `group/name`.
    pub filter: Option<&'a str>,
    /// A plugin that must agree.
    pub against: Option<&'a Plugin>,
    /// Nothing is asked: only which checks there are.
    pub names_only: bool,
}

/// Goes through the checks.
pub struct CheckRunner<'a> {
    context: OracleContext<'a>,
    wanted: Selection<'a>,
    /// What was checked so far.
    pub(crate) checks: Vec<Check>,
    /// Types whose bytes were foretold.
    pub(crate) predicted: BTreeSet<u32>,
    /// Types that lead into what the plugin made.
    pub(crate) resolved: BTreeSet<u32>,
    /// Checks by the second plugin, by the names of those that they repeat.
    pub(crate) against: BTreeMap<String, Check>,
    record: &'a mut dyn FnMut(&str, TestCase),
}

impl<'a> CheckRunner<'a> {
    /// Nothing is checked yet; each case that was judged, and linked or refused as it should, goes to `record`.
    pub fn new(
        under_test: &'a PluginUnderTest<'a>,
        wanted: Selection<'a>,
        record: &'a mut dyn FnMut(&str, TestCase),
    ) -> Self {
        let context = OracleContext { under_test, against: wanted.against };
        let (predicted, resolved) = (BTreeSet::new(), BTreeSet::new());
        Self { context, wanted, checks: Vec::new(), predicted, resolved, against: BTreeMap::new(), record }
    }

    /// The plugin.
    #[must_use]
    pub fn under_test(&self) -> &'a PluginUnderTest<'a> {
        self.context.under_test
    }

    /// A check, if it is wanted.
    pub fn check(&mut self, group: Group, name: &str, mut of: impl FnMut(&mut CheckContext<'_>)) {
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
    /// A check that has asked nothing yet.
    #[must_use]
    pub fn new(group: Group, name: &str) -> Self {
        let (name, limitation, failures) = (name.to_owned(), None, Vec::new());
        Self { group, name, cases: 0, limitation, failures, failed: 0 }
    }

    /// What came of a recorded case.
    #[must_use]
    pub fn test_case(under_test: &PluginUnderTest<'_>, name: &str, test_case: &TestCase) -> Self {
        let mut check = Self::new(Group::Recorded, name);
        let Some(expected) = test_case.expected.as_ref().filter(|_| under_test.model.links(&test_case.module)) else {
            let why =
                if test_case.expected.is_none() { "it expects nothing" } else { "the machine is another plugin's" };
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

    /// `group/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.group.as_str(), self.name)
    }

    /// Asks about `module`; the first of each kind of failure is made small and kept.
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

/// One check on its way.
pub struct CheckContext<'a> {
    context: OracleContext<'a>,
    check: Check,
    agreement: Option<Check>,
    predicted: &'a mut BTreeSet<u32>,
    resolved: &'a mut BTreeSet<u32>,
    record: &'a mut dyn FnMut(&str, TestCase),
}

impl<'a> CheckContext<'a> {
    /// The plugin.
    #[must_use]
    pub fn under_test(&self) -> &'a PluginUnderTest<'a> {
        self.context.under_test
    }

    /// Asks about a case.
    pub fn check(&mut self, oracle: Oracle, module: &TestModule) {
        let judged = oracle == Oracle::ReferenceModel;
        let good = self.check.apply(&self.context, oracle, module);
        if !judged || !good {
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
        }
        if let Some(expected) = Expected::of(&outcome) {
            let full_name = format!("{}-{}-{}", self.check.group.as_str(), self.check.name, self.check.cases);
            (self.record)(&full_name, TestCase { module: module.clone(), expected: Some(expected) });
        }
    }

    /// Something is wrong that no case shows.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.check.failed += 1;
        self.check.failures.push(CheckFailure { diagnostic, reproducer: None });
    }

    /// Counts what was looked at without a case.
    pub fn count(&mut self) {
        self.check.cases += 1;
    }

    /// Not everything is checked, because of this.
    pub fn set_limitation(&mut self, why: &str) {
        self.check.limitation.get_or_insert_with(|| why.to_owned());
    }

    /// Whether nothing was asked yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.check.cases == 0
    }
}
