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
use relobox_kit::{Expected, Outcome, ReferenceModel, Run, TestCase, TestModule, minimise, run};
use relobox_link::guests::Plugin;
use relobox_link::sandbox::Sandbox;
use relobox_plugins::plugin_file::Origin;
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A case as LibAFL's input.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModuleInput(pub TestModule);

impl libafl::inputs::Input for ModuleInput {}

impl HasLen for ModuleInput {
    fn len(&self) -> usize {
        self.0.relocations() + self.0.symbols.len()
    }
}

impl Deref for ModuleInput {
    type Target = TestModule;

    fn deref(&self) -> &TestModule {
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
        let costs = Costs::measure(about, forms, |module| run(plugin, module));
        let counting_costs = Costs::measure(about, forms, |module| run(&counting, module));
        Ok(Self { plugin, counting, code, model, costs, counting_costs, against })
    }

    /// The rewritten guest.
    #[must_use]
    pub fn counting(&self) -> (&Plugin, &Instrumented) {
        (&self.counting, &self.code)
    }

    /// Runs the original on a case; a panic of the host is a suspicion.
    fn original(&self, module: &TestModule) -> std::result::Result<Run, Suspicion> {
        guarded(self.plugin, module)
    }

    /// The names of the relocation types in a case.
    fn types(&self, module: &TestModule) -> String {
        let kinds = module.sections.iter().flat_map(|s| &s.relocations);
        let mut names: Vec<_> = kinds.map(|r| self.plugin.about.relocation(r.kind)).collect();
        names.sort();
        names.dedup();
        names.join(" ")
    }

    /// What comes of a case.
    pub fn outcome(&self, module: &TestModule) -> Outcome {
        run(self.plugin, module).outcome
    }

    /// What is wrong with a recorded case: other bytes or faults than are expected of it, or anything else.
    #[must_use]
    pub fn replay(&self, test_case: &TestCase) -> Option<Suspicion> {
        self.replay_within(test_case, None)
    }

    /// The same, where so much fuel is enough.
    #[must_use]
    pub fn replay_within(&self, test_case: &TestCase, bound: Option<u64>) -> Option<Suspicion> {
        self.looked_into(&test_case.module, None, bound).or_else(|| {
            let expected = test_case.expected.as_ref()?;
            let came = Expected::of(&self.outcome(&test_case.module))?;
            (came != *expected).then(|| Suspicion {
                oracle: "vectors",
                about: self.types(&test_case.module),
                exact: true,
                detail: differs(expected, &came),
                bound: None,
            })
        })
    }

    /// What the oracles say of the plugin as it is; where no fuel is named that is enough, it follows from the records.
    fn looked_into(&self, module: &TestModule, wanted: Option<&str>, bound: Option<u64>) -> Option<Suspicion> {
        let first = match self.original(module) {
            Ok(first) => first,
            Err(panic) => return Some(panic).filter(|_| wanted.is_none_or(|w| w == "panic")),
        };
        let enough = || bound.unwrap_or_else(|| self.costs.bound(module, &first.outcome));
        self.cheap(module, &first, wanted, &enough).or_else(|| self.costly(module, &first, wanted))
    }

    /// The oracles that need one execution, and one of the second plugin.
    fn cheap(
        &self,
        module: &TestModule,
        run: &Run,
        wanted: Option<&str>,
        bound: &dyn Fn() -> u64,
    ) -> Option<Suspicion> {
        let wants = |s: &Suspicion| wanted.is_none_or(|w| w == s.oracle);
        if let Some(found) = oracle::contract(&self.plugin.about, module, run, bound).filter(wants) {
            return Some(found);
        }
        if matches!(run.outcome, Outcome::GuestError(_)) {
            return None;
        }
        // Relocations of a section that is not aligned have values that no linker ever sees.
        if module.sections.iter().any(|s| s.address & (s.align.max(1) - 1) != 0) {
            return None;
        }
        if let Some(found) = oracle::mismatch(&self.model, module, &run.outcome).filter(wants) {
            return Some(found);
        }
        let other = self.against?;
        let theirs = guarded(other, module).ok()?;
        oracle::against([self.plugin, other], module, [&run.outcome, &theirs.outcome]).filter(wants)
    }

    /// The oracles that need several.
    fn costly(&self, module: &TestModule, first: &Run, wanted: Option<&str>) -> Option<Suspicion> {
        let wants = |name: &str| wanted.is_none_or(|w| w == name);
        let about = &self.plugin.about;
        let again = |module: &TestModule| run(self.plugin, module);
        let mut found = None;
        if wants("nondeterminism") {
            found = oracle::deterministic(first, &again(module));
        }
        if found.is_none() && wants("growth") {
            found = oracle::growth(module, again);
        }
        if found.is_none() && wants("shift") {
            found = oracle::shift(about, module, &first.outcome, again);
        }
        if found.is_none() && wants("order") {
            found = oracle::order(about, module, &first.outcome, again);
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

fn guarded(plugin: &Plugin, module: &TestModule) -> std::result::Result<Run, Suspicion> {
    catch_unwind(AssertUnwindSafe(|| run(plugin, module))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        let about: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        Suspicion { oracle: "panic", about, exact: false, detail: format!("the host panicked: {text}"), bound: None }
    })
}

impl Subject for PluginSubject<'_> {
    type Input = ModuleInput;

    fn name(&self) -> &str {
        &self.plugin.about.name
    }

    fn counted(&self) -> (usize, usize) {
        (self.code.edges, self.code.comparisons)
    }

    fn execute(&self, module: &ModuleInput, coverage: Coverage<'_>) -> Option<Suspicion> {
        let mut run = match guarded(&self.counting, module) {
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
        self.cheap(module, &run, None, &|| self.counting_costs.bound(module, &run.outcome))
    }

    fn examine(&self, module: &ModuleInput) -> Option<Suspicion> {
        let first = self.original(module).ok()?;
        self.costly(module, &first, None)
    }

    fn confirm(&self, module: &ModuleInput, wanted: Option<&str>) -> Option<Suspicion> {
        self.looked_into(module, wanted, None)
    }

    fn signature(&self, module: &ModuleInput) -> String {
        self.types(module)
    }

    fn told(&self, module: &ModuleInput) -> String {
        match self.signature(module) {
            rows if rows.is_empty() => rows,
            rows => format!("its smallest case has {rows}"),
        }
    }

    fn mutate(&self, module: &mut ModuleInput, other: Option<&ModuleInput>, rng: &mut Rng) {
        let know = Knowledge { about: &self.plugin.about, constants: &self.code.constants };
        mutate(&know, &mut module.0, other.map(|other| &other.0), rng);
    }

    fn seeds(&self) -> Vec<ModuleInput> {
        seeds::seeds(&self.plugin.about).into_iter().map(ModuleInput).collect()
    }

    fn minimise(&self, module: &ModuleInput, still: &mut dyn FnMut(&ModuleInput) -> bool) -> ModuleInput {
        ModuleInput(minimise(module, |module| still(&ModuleInput(module.clone()))))
    }

    fn write(&self, module: &ModuleInput, remarks: &[String]) -> String {
        let mut text = TestCase { module: module.0.clone(), expected: None }.to_string();
        // Behind the first line, which says what the file is.
        let at = text.find('\n').map_or(text.len(), |end| end + 1);
        let remarks: String = remarks.iter().map(|line| format!("# {}\n", Escaped(line.replace('\n', " ")))).collect();
        text.insert_str(at, &remarks);
        text
    }

    fn read(&self, text: &str) -> std::result::Result<ModuleInput, String> {
        text.parse::<TestCase>().map(|test_case| ModuleInput(test_case.module)).map_err(|e| e.to_string())
    }
}
