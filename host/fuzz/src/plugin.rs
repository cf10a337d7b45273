//! The fuzz target for plugins. An input is a test module.

use super::fuel::FuelModel;
use super::instrument::{Instrumented, instrument};
use super::mutate::{MutationContext, mutate};
use super::target::{Coverage, FuzzTarget, Suspicion};
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

/// A test module as a LibAFL input. Its length is the number of relocations and symbols.
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

/// A plugin with its instrumented copy.
pub struct PluginTarget<'a> {
    plugin: &'a Plugin,
    instrumented: Plugin,
    instrumentation: Instrumented,
    model: ReferenceModel<'a>,
    /// The fuel models of the original and of the instrumented plugin.
    costs: FuelModel,
    instrumented_costs: FuelModel,
    against: Option<&'a Plugin>,
}

impl<'a> PluginTarget<'a> {
    /// Instruments `plugin`, whose Wasm is `wasm`, and measures its fuel model. `against` is a second plugin for the
    /// same machine that must agree. Comparisons are recorded only if `comparisons` is true.
    ///
    /// # Errors
    ///
    /// [`Error::Guest`] if the plugin cannot be instrumented or described.
    pub fn new(plugin: &'a Plugin, wasm: &[u8], against: Option<&'a Plugin>, comparisons: bool) -> Result<Self> {
        let fail = |what| Error::Guest { guest: plugin.guest.name().to_owned(), what };
        let instrumentation = instrument(wasm, comparisons).map_err(fail)?;
        let sandbox = Sandbox::for_fuzzing()?;
        let guest = instrumentation.load(&sandbox, plugin.guest.name())?;
        let instrumented = Plugin::describe(guest, Origin::BuiltIn)?;
        let model = ReferenceModel::of(plugin);
        let (about, forms) = (&plugin.about, model.forms());
        let costs = FuelModel::measure(about, forms, |module| run(plugin, module));
        let instrumented_costs = FuelModel::measure(about, forms, |module| run(&instrumented, module));
        Ok(Self { plugin, instrumented, instrumentation, model, costs, instrumented_costs, against })
    }

    /// Returns the instrumented plugin and the layout of its counters.
    #[must_use]
    pub fn instrumented(&self) -> (&Plugin, &Instrumented) {
        (&self.instrumented, &self.instrumentation)
    }

    /// Runs the original plugin on a module; a panic of the host is a suspicion.
    fn run_original(&self, module: &TestModule) -> std::result::Result<Run, Suspicion> {
        run_catching_panics(self.plugin, module)
    }

    /// Returns the names of the relocation types in a module, sorted and separated by spaces.
    fn relocation_names(&self, module: &TestModule) -> String {
        let kinds = module.sections.iter().flat_map(|s| &s.relocations);
        let mut names: Vec<_> = kinds.map(|r| self.plugin.about.relocation(r.kind)).collect();
        names.sort();
        names.dedup();
        names.join(" ")
    }

    /// Links a module with the original plugin.
    pub fn outcome(&self, module: &TestModule) -> Outcome {
        run(self.plugin, module).outcome
    }

    /// Applies all oracles to a test case, and compares the outcome with the expected one.
    #[must_use]
    pub fn replay(&self, test_case: &TestCase) -> Option<Suspicion> {
        self.replay_within(test_case, None)
    }

    /// As [`PluginTarget::replay`], with a given fuel bound instead of the modelled one.
    #[must_use]
    pub fn replay_within(&self, test_case: &TestCase, bound: Option<u64>) -> Option<Suspicion> {
        self.run_oracles(&test_case.module, None, bound).or_else(|| {
            let expected = test_case.expected.as_ref()?;
            let actual = Expected::of(&self.outcome(&test_case.module))?;
            (actual != *expected).then(|| Suspicion {
                oracle: "vectors",
                about: self.relocation_names(&test_case.module),
                exact: true,
                detail: difference(expected, &actual),
                bound: None,
            })
        })
    }

    /// Applies the oracles to the original plugin, or only the oracle `wanted`. `bound` replaces the modelled fuel
    /// bound.
    fn run_oracles(&self, module: &TestModule, wanted: Option<&str>, bound: Option<u64>) -> Option<Suspicion> {
        let first = match self.run_original(module) {
            Ok(first) => first,
            Err(panic) => return Some(panic).filter(|_| wanted.is_none_or(|w| w == "panic")),
        };
        let enough = || bound.unwrap_or_else(|| self.costs.bound(module, &first.outcome));
        self.single_run_oracles(module, &first, wanted, &enough)
            .or_else(|| self.multi_run_oracles(module, &first, wanted))
    }

    /// Applies the oracles that need one run of the plugin, and possibly one of the second plugin.
    fn single_run_oracles(
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
        // No linker ever computes values for a section that is not aligned.
        if module.sections.iter().any(|s| s.address & (s.align.max(1) - 1) != 0) {
            return None;
        }
        if let Some(found) = oracle::mismatch(&self.model, module, &run.outcome).filter(wants) {
            return Some(found);
        }
        let other = self.against?;
        let theirs = run_catching_panics(other, module).ok()?;
        oracle::against([self.plugin, other], module, [&run.outcome, &theirs.outcome]).filter(wants)
    }

    /// Applies the oracles that need several runs.
    fn multi_run_oracles(&self, module: &TestModule, first: &Run, wanted: Option<&str>) -> Option<Suspicion> {
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

/// Describes the difference between two outcomes.
fn difference(expected: &Expected, actual: &Expected) -> String {
    let word = |e: &Expected| match e {
        Expected::Linked { .. } => "linked".to_owned(),
        Expected::Refused(faults) => {
            let kinds: Vec<_> = faults.iter().take(3).map(|(kind, _)| kind.as_str()).collect();
            format!("refused ({})", kinds.join(", "))
        }
    };
    match (expected, actual) {
        (Expected::Linked { .. }, Expected::Linked { .. }) => "bytes that differ from the recorded ones".to_owned(),
        _ => format!("recorded as {}, and now {}", word(expected), word(actual)),
    }
}

fn run_catching_panics(plugin: &Plugin, module: &TestModule) -> std::result::Result<Run, Suspicion> {
    catch_unwind(AssertUnwindSafe(|| run(plugin, module))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        let about: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        Suspicion { oracle: "panic", about, exact: false, detail: format!("the host panicked: {text}"), bound: None }
    })
}

impl FuzzTarget for PluginTarget<'_> {
    type Input = ModuleInput;

    fn name(&self) -> &str {
        &self.plugin.about.name
    }

    fn instrumentation(&self) -> &Instrumented {
        &self.instrumentation
    }

    fn execute(&self, module: &ModuleInput, coverage: Coverage<'_>) -> Option<Suspicion> {
        let mut run = match run_catching_panics(&self.instrumented, module) {
            Ok(run) => run,
            Err(suspicion) => return Some(suspicion),
        };
        if let Some(instance) = &mut run.instance {
            let (edges, comparisons) = self.instrumentation.split(instance.counters());
            let copy = |to: &mut [u8], from: &[u8]| {
                let len = to.len().min(from.len());
                to[..len].copy_from_slice(&from[..len]);
            };
            copy(coverage.edges, edges);
            copy(coverage.comparisons, comparisons);
        }
        if let Some(instance) = run.instance.take() {
            instance.recycle();
        }
        self.single_run_oracles(module, &run, None, &|| self.instrumented_costs.bound(module, &run.outcome))
    }

    fn examine(&self, module: &ModuleInput) -> Option<Suspicion> {
        let first = self.run_original(module).ok()?;
        self.multi_run_oracles(module, &first, None)
    }

    fn reproduce(&self, module: &ModuleInput, wanted: Option<&str>) -> Option<Suspicion> {
        self.run_oracles(module, wanted, None)
    }

    fn signature(&self, module: &ModuleInput) -> String {
        self.relocation_names(module)
    }

    fn describe_signature(&self, module: &ModuleInput) -> String {
        match self.signature(module) {
            rows if rows.is_empty() => rows,
            rows => format!("its minimised module has {rows}"),
        }
    }

    fn mutate(&self, module: &mut ModuleInput, other: Option<&ModuleInput>, rng: &mut Rng) {
        let cx = MutationContext { about: &self.plugin.about, constants: &self.instrumentation.constants };
        mutate(&cx, &mut module.0, other.map(|other| &other.0), rng);
    }

    fn seeds(&self) -> Vec<ModuleInput> {
        seeds::seeds(&self.plugin.about).into_iter().map(ModuleInput).collect()
    }

    fn minimise(&self, module: &ModuleInput, still: &mut dyn FnMut(&ModuleInput) -> bool) -> ModuleInput {
        ModuleInput(minimise(module, |module| still(&ModuleInput(module.clone()))))
    }

    fn write(&self, module: &ModuleInput, remarks: &[String]) -> String {
        let mut text = TestCase { module: module.0.clone(), expected: None }.to_string();
        // Insert the remarks behind the first line, which identifies the format.
        let at = text.find('\n').map_or(text.len(), |end| end + 1);
        let remarks: String = remarks.iter().map(|line| format!("# {}\n", Escaped(line.replace('\n', " ")))).collect();
        text.insert_str(at, &remarks);
        text
    }

    fn read(&self, text: &str) -> std::result::Result<ModuleInput, String> {
        text.parse::<TestCase>().map(|test_case| ModuleInput(test_case.module)).map_err(|e| e.to_string())
    }
}
