//! Plugins as subjects of fuzzing: a case is a made-up module.

use super::fuel::Costs;
use super::instrument::{Instrumented, instrument};
use super::mutate::{Knowledge, mutate};
use super::subject::{Coverage, Subject, Suspicion};
use super::{oracle, seeds};
use libafl_bolts::HasLen;
use relobox_core::error::{Error, Result};
use relobox_core::rng::Rng;
use relobox_core::text::Escaped;
use relobox_kit::{Case, Expected, Outcome, Recorded, ReferenceModel, Run, minimise, run};
use relobox_link::guests::Plugin;
use relobox_link::sandbox::Sandbox;
use relobox_plugins::plugin_file::Origin;
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A case as LibAFL's input.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CaseInput(pub Case);

impl libafl::inputs::Input for CaseInput {}

impl HasLen for CaseInput {
    fn len(&self) -> usize {
        self.0.relocations() + self.0.symbols.len()
    }
}

impl Deref for CaseInput {
    type Target = Case;

    fn deref(&self) -> &Case {
        &self.0
    }
}

/// A plugin, and the same one that counts.
pub struct PluginSubject<'a> {
    plugin: &'a Plugin,
    counting: Plugin,
    code: Instrumented,
    model: ReferenceModel<'a>,
    /// What the plugin's work costs as it is, and while it counts.
    costs: Costs,
    counting_costs: Costs,
    against: Option<&'a Plugin>,
}

impl<'a> PluginSubject<'a> {
    /// `plugin`, whose Wasm is `wasm`, against a second one for the same machine.
    pub fn new(plugin: &'a Plugin, wasm: &[u8], against: Option<&'a Plugin>, comparisons: bool) -> Result<Self> {
        let fail = |what| Error::Guest { guest: plugin.guest.name().to_owned(), what };
        let code = instrument(wasm, comparisons).map_err(fail)?;
        let sandbox = Sandbox::for_fuzzing()?;
        let guest = sandbox.load(plugin.guest.name(), &code.wasm)?;
        let counting = Plugin::describe(guest, Origin::BuiltIn)?;
        let model = ReferenceModel::of(plugin);
        let (about, forms) = (&plugin.about, model.forms());
        let costs = Costs::measure(about, forms, |case| run(plugin, case));
        let counting_costs = Costs::measure(about, forms, |case| run(&counting, case));
        Ok(Self { plugin, counting, code, model, costs, counting_costs, against })
    }

    /// The rewritten guest.
    #[must_use]
    pub fn counting(&self) -> (&Plugin, &Instrumented) {
        (&self.counting, &self.code)
    }

    /// Runs the original on a case; a panic of the host is a suspicion.
    fn original(&self, case: &Case) -> std::result::Result<Run, Suspicion> {
        guarded(self.plugin, case)
    }

    /// The names of the relocation types in a case.
    fn types(&self, case: &Case) -> String {
        let kinds = case.sections.iter().flat_map(|s| &s.relocations);
        let mut names: Vec<_> = kinds.map(|r| self.plugin.about.relocation(r.kind)).collect();
        names.sort();
        names.dedup();
        names.join(" ")
    }

    /// What comes of a case.
    pub fn outcome(&self, case: &Case) -> Outcome {
        run(self.plugin, case).outcome
    }

    /// What is wrong with a recorded case: other bytes or faults than are expected of it, or anything else.
    #[must_use]
    pub fn replay(&self, recorded: &Recorded) -> Option<Suspicion> {
        self.replay_within(recorded, None)
    }

    /// The same, where so much fuel is enough.
    #[must_use]
    pub fn replay_within(&self, recorded: &Recorded, bound: Option<u64>) -> Option<Suspicion> {
        self.looked_into(&recorded.case, None, bound).or_else(|| {
            let expected = recorded.expected.as_ref()?;
            let came = Expected::of(&self.outcome(&recorded.case))?;
            (came != *expected).then(|| Suspicion {
                oracle: "vectors",
                about: self.types(&recorded.case),
                exact: true,
                detail: differs(expected, &came),
                bound: None,
            })
        })
    }

    /// What the oracles say of the plugin as it is; where no fuel is named that is enough, it follows from the records.
    fn looked_into(&self, case: &Case, wanted: Option<&str>, bound: Option<u64>) -> Option<Suspicion> {
        let first = match self.original(case) {
            Ok(first) => first,
            Err(panic) => return Some(panic).filter(|_| wanted.is_none_or(|w| w == "panic")),
        };
        let enough = || bound.unwrap_or_else(|| self.costs.bound(case, &first.outcome));
        self.cheap(case, &first, wanted, &enough).or_else(|| self.costly(case, &first, wanted))
    }

    /// The oracles that need one execution, and one of the second plugin.
    fn cheap(&self, case: &Case, run: &Run, wanted: Option<&str>, bound: &dyn Fn() -> u64) -> Option<Suspicion> {
        let wants = |s: &Suspicion| wanted.is_none_or(|w| w == s.oracle);
        if let Some(found) = oracle::contract(&self.plugin.about, case, run, bound).filter(wants) {
            return Some(found);
        }
        if matches!(run.outcome, Outcome::Misbehaved(_)) {
            return None;
        }
        // Relocations of a section that is not aligned have values that no linker ever sees.
        if case.sections.iter().any(|s| s.address & (s.align.max(1) - 1) != 0) {
            return None;
        }
        if let Some(found) = oracle::mismatch(&self.model, case, &run.outcome).filter(wants) {
            return Some(found);
        }
        let other = self.against?;
        let theirs = guarded(other, case).ok()?;
        oracle::against([self.plugin, other], case, [&run.outcome, &theirs.outcome]).filter(wants)
    }

    /// The oracles that need several.
    fn costly(&self, case: &Case, first: &Run, wanted: Option<&str>) -> Option<Suspicion> {
        let wants = |name: &str| wanted.is_none_or(|w| w == name);
        let about = &self.plugin.about;
        let again = |case: &Case| run(self.plugin, case);
        let mut found = None;
        if wants("nondeterminism") {
            found = oracle::deterministic(first, &again(case));
        }
        if found.is_none() && wants("growth") {
            found = oracle::growth(case, again);
        }
        if found.is_none() && wants("shift") {
            found = oracle::shift(about, case, &first.outcome, again);
        }
        if found.is_none() && wants("order") {
            found = oracle::order(about, case, &first.outcome, again);
        }
        found
    }
}

/// How two expectations differ, in short.
fn differs(expected: &Expected, came: &Expected) -> String {
    let word = |e: &Expected| match e {
        Expected::Linked { .. } => "linked".to_owned(),
        Expected::Refused(faults) => {
            let kinds: Vec<_> = faults.iter().take(3).map(|(kind, _)| kind.as_str()).collect();
            format!("refused ({})", kinds.join(", "))
        }
    };
    match (expected, came) {
        (Expected::Linked { .. }, Expected::Linked { .. }) => "other bytes than were recorded".to_owned(),
        _ => format!("recorded as {}, and now {}", word(expected), word(came)),
    }
}

fn guarded(plugin: &Plugin, case: &Case) -> std::result::Result<Run, Suspicion> {
    catch_unwind(AssertUnwindSafe(|| run(plugin, case))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        let about: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        Suspicion { oracle: "panic", about, exact: false, detail: format!("the host panicked: {text}"), bound: None }
    })
}

impl Subject for PluginSubject<'_> {
    type Input = CaseInput;

    fn name(&self) -> &str {
        &self.plugin.about.name
    }

    fn counted(&self) -> (usize, usize) {
        (self.code.edges, self.code.comparisons)
    }

    fn execute(&self, case: &CaseInput, coverage: Coverage<'_>) -> Option<Suspicion> {
        let mut run = match guarded(&self.counting, case) {
            Ok(run) => run,
            Err(suspicion) => return Some(suspicion),
        };
        if let Some(instance) = &mut run.instance {
            let (edges, comparisons) = self.code.split(instance.counters());
            let copy = |to: &mut [u8], from: &[u8]| {
                let len = to.len().min(from.len());
                to[..len].copy_from_slice(&from[..len]);
            };
            copy(coverage.edges, edges);
            copy(coverage.comparisons, comparisons);
        }
        self.cheap(case, &run, None, &|| self.counting_costs.bound(case, &run.outcome))
    }

    fn examine(&self, case: &CaseInput) -> Option<Suspicion> {
        let first = self.original(case).ok()?;
        self.costly(case, &first, None)
    }

    fn confirm(&self, case: &CaseInput, wanted: Option<&str>) -> Option<Suspicion> {
        self.looked_into(case, wanted, None)
    }

    fn signature(&self, case: &CaseInput) -> String {
        self.types(case)
    }

    fn told(&self, case: &CaseInput) -> String {
        match self.signature(case) {
            rows if rows.is_empty() => rows,
            rows => format!("its smallest case has {rows}"),
        }
    }

    fn mutate(&self, case: &mut CaseInput, other: Option<&CaseInput>, rng: &mut Rng) {
        let know = Knowledge { about: &self.plugin.about, constants: &self.code.constants };
        mutate(&know, &mut case.0, other.map(|other| &other.0), rng);
    }

    fn seeds(&self) -> Vec<CaseInput> {
        seeds::seeds(&self.plugin.about).into_iter().map(CaseInput).collect()
    }

    fn minimise(&self, case: &CaseInput, still: &mut dyn FnMut(&CaseInput) -> bool) -> CaseInput {
        CaseInput(minimise(case, |case| still(&CaseInput(case.clone()))))
    }

    fn write(&self, case: &CaseInput, remarks: &[String]) -> String {
        let mut text = Recorded { case: case.0.clone(), expected: None }.to_string();
        // Behind the first line, which says what the file is.
        let at = text.find('\n').map_or(text.len(), |end| end + 1);
        let remarks: String = remarks.iter().map(|line| format!("# {}\n", Escaped(line.replace('\n', " ")))).collect();
        text.insert_str(at, &remarks);
        text
    }

    fn read(&self, text: &str) -> std::result::Result<CaseInput, String> {
        text.parse::<Recorded>().map(|recorded| CaseInput(recorded.case)).map_err(|e| e.to_string())
    }
}
