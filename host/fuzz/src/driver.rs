//! The fuzzing loop: LibAFL schedules inputs and keeps those with new coverage.
//!
//! LibAFL's in-process executor installs signal handlers, which would conflict with those of wasmtime. This executor
//! needs none, since every guest stops when its fuel is used up.

use super::corpus::CorpusDir;
use super::findings::{Finding, Findings};
use super::target::{Coverage, FuzzTarget};
use libafl::corpus::{Corpus as _, CorpusId, HasCurrentCorpusId as _, InMemoryCorpus};
use libafl::events::{EventFirer, EventReceiver, ProgressReporter, SendExiting, SimpleEventManager};
use libafl::executors::{Executor, ExitKind, HasObservers};
use libafl::feedbacks::{CrashFeedback, Feedback, MaxMapFeedback, StateInitializer};
use libafl::fuzzer::{Evaluator as _, Fuzzer as _, StdFuzzer};
use libafl::monitors::NopMonitor;
use libafl::mutators::{MutationResult, Mutator};
use libafl::observers::OwnedMapObserver;
use libafl::schedulers::Scheduler;
use libafl::stages::StdMutationalStage;
use libafl::state::{HasCorpus, HasExecutions as _, HasRand, StdState};
use libafl::{feedback_and_fast, feedback_or};
use libafl_bolts::Named;
use libafl_bolts::rands::{Rand as _, StdRand};
use libafl_bolts::tuples::{RefIndexable, tuple_list};
use relobox_core::error::{Error, Result};
use relobox_core::rng::Rng;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The LibAFL state of a campaign.
pub type State<I> = StdState<InMemoryCorpus<I>, I, StdRand, InMemoryCorpus<I>>;

/// The options of a campaign.
#[derive(Clone, Debug)]
pub struct CampaignOptions<'a> {
    /// The seed of all random choices.
    pub seed: u64,
    /// The campaign ends after this time.
    pub time: Option<Duration>,
    /// The campaign ends after this many executions. With the same seed and corpus it ends in the same state.
    pub executions: Option<u64>,
    /// The campaign ends with the first finding.
    pub first: bool,
    /// The corpus directory, from which inputs are read and to which new ones are written.
    pub corpus: Option<&'a Path>,
    /// The directory to which findings are written.
    pub findings: &'a Path,
    /// The campaign ends when this is set.
    pub stop: Arc<AtomicBool>,
}

/// The progress of a campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of executions of the instrumented guest.
    pub executions: u64,
    /// The number of edges that were covered.
    pub edges: usize,
    /// The number of edges in the guest.
    pub all_edges: usize,
    /// The number of inputs in the corpus.
    pub corpus: usize,
    /// The number of findings.
    pub findings: usize,
    /// The time since the start.
    pub time: Duration,
}

/// The result of a campaign.
pub struct Summary {
    /// The final progress.
    pub progress: Progress,
    /// The findings.
    pub findings: Vec<Finding>,
    /// The number of suspicions that did not reproduce on the original guest.
    pub unreproduced: u64,
    /// For each edge, whether it was covered. Empty if other processes ran the campaign.
    pub covered: Vec<bool>,
}

type Observers = (OwnedMapObserver<u8>, (OwnedMapObserver<u8>, ()));

/// The LibAFL executor of a fuzz target.
struct TargetExecutor<'a, S: FuzzTarget> {
    target: &'a S,
    observers: Observers,
    findings: Findings,
    /// For each edge, whether it was ever covered.
    covered: Vec<bool>,
    edges: usize,
    failed: Option<Error>,
}

/// Maps a hit count to its class, as AFL does, so that one more iteration of a loop is not new coverage.
const fn count_class(count: u8) -> u8 {
    match count {
        0..=3 => count,
        4..=7 => 4,
        8..=15 => 5,
        16..=31 => 6,
        32..=127 => 7,
        128.. => 8,
    }
}

impl<S: FuzzTarget> TargetExecutor<'_, S> {
    /// Replaces hit counts by their classes and records new edges. Returns a hash of the covered edges.
    fn record_coverage(&mut self) -> u64 {
        let mut path_hash = 0u64;
        let map: &mut [u8] = &mut self.observers.0;
        // Most edges are not taken, so look at several at a time.
        const TOGETHER: usize = 32;
        for (i, chunk) in map.chunks_mut(TOGETHER).enumerate() {
            if chunk.iter().fold(0, |any, count| any | count) == 0 {
                continue;
            }
            for (j, count) in chunk.iter_mut().enumerate().filter(|(_, c)| **c != 0) {
                let edge = i * TOGETHER + j;
                *count = count_class(*count);
                path_hash = path_hash.rotate_left(5) ^ (edge as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                if !self.covered[edge] {
                    self.covered[edge] = true;
                    self.edges += 1;
                }
            }
        }
        path_hash
    }

    fn run(&mut self, input: &S::Input) -> ExitKind {
        let coverage = Coverage { edges: &mut self.observers.0, comparisons: &mut self.observers.1.0 };
        let suspicion = self.target.execute(input, coverage);
        let path_hash = self.record_coverage();
        let Some(suspicion) = suspicion else { return ExitKind::Ok };
        match self.findings.consider(self.target, input, suspicion, path_hash) {
            Ok(true) => ExitKind::Crash,
            // The finding is known already, or did not reproduce. The input must not enter the corpus.
            Ok(false) => ExitKind::Oom,
            Err(error) => {
                self.failed = Some(error);
                ExitKind::Oom
            }
        }
    }
}

impl<S: FuzzTarget, EM, Z> Executor<EM, S::Input, State<S::Input>, Z> for TargetExecutor<'_, S> {
    fn run_target(
        &mut self,
        _: &mut Z,
        state: &mut State<S::Input>,
        _: &mut EM,
        input: &S::Input,
    ) -> Result<ExitKind, libafl::Error> {
        *state.executions_mut() += 1;
        Ok(self.run(input))
    }
}

impl<S: FuzzTarget> HasObservers for TargetExecutor<'_, S> {
    type Observers = Observers;

    fn observers(&self) -> RefIndexable<&Observers, Observers> {
        RefIndexable::from(&self.observers)
    }

    fn observers_mut(&mut self) -> RefIndexable<&mut Observers, Observers> {
        RefIndexable::from(&mut self.observers)
    }
}

/// A feedback that rejects inputs with a suspicion.
struct NoSuspicion;

impl Named for NoSuspicion {
    fn name(&self) -> &Cow<'static, str> {
        &Cow::Borrowed("well")
    }
}

impl<S> StateInitializer<S> for NoSuspicion {}

impl<EM, I, OT, S> Feedback<EM, I, OT, S> for NoSuspicion {
    fn is_interesting(&mut self, _: &mut S, _: &mut EM, _: &I, _: &OT, exit: &ExitKind) -> Result<bool, libafl::Error> {
        Ok(*exit == ExitKind::Ok)
    }
}

/// A scheduler that prefers recent inputs and small inputs.
struct RecentSmallScheduler;

impl<I: libafl::inputs::Input + libafl_bolts::HasLen> Scheduler<I, State<I>> for RecentSmallScheduler {
    fn on_add(&mut self, _: &mut State<I>, _: CorpusId) -> Result<(), libafl::Error> {
        Ok(())
    }

    fn next(&mut self, state: &mut State<I>) -> Result<CorpusId, libafl::Error> {
        let count = state.corpus().count();
        if count == 0 {
            return Err(libafl::Error::empty("the corpus is empty"));
        }
        let mut rng = Rng::new(state.rand_mut().next());
        let draw = |rng: &mut Rng| match rng.one_in(3) {
            true => count - 1 - rng.below(count.min(RECENT)),
            false => rng.below(count),
        };
        let (mut first, second) = (draw(&mut rng), draw(&mut rng));
        let prefer_small = !rng.one_in(4);
        let len = |state: &State<I>, n: usize| {
            let testcase = state.corpus().get(state.corpus().nth(n)).map(std::cell::RefCell::borrow);
            testcase.map_or(0, |t| t.input().as_ref().map_or(0, libafl_bolts::HasLen::len))
        };
        if prefer_small && len(state, second) < len(state, first) {
            first = second;
        }
        let id = state.corpus().nth(first);
        <Self as Scheduler<I, State<I>>>::set_current_scheduled(self, state, Some(id))?;
        Ok(id)
    }

    fn set_current_scheduled(&mut self, state: &mut State<I>, id: Option<CorpusId>) -> Result<(), libafl::Error> {
        *state.corpus_mut().current_mut() = id;
        Ok(())
    }
}

use relobox_core::limits::FUZZ_RECENT as RECENT;

/// The LibAFL mutator that calls [`FuzzTarget::mutate`].
struct TargetMutator<'a, S>(&'a S);

impl<S> Named for TargetMutator<'_, S> {
    fn name(&self) -> &Cow<'static, str> {
        &Cow::Borrowed("records")
    }
}

impl<S: FuzzTarget> Mutator<S::Input, State<S::Input>> for TargetMutator<'_, S> {
    fn mutate(&mut self, state: &mut State<S::Input>, input: &mut S::Input) -> Result<MutationResult, libafl::Error> {
        let count = state.corpus().count();
        let mut rng = Rng::new(state.rand_mut().next());
        let splice = rng.one_in(8);
        let other = match splice && count > 1 {
            true => {
                let n = rng.below(count);
                state.corpus().get(state.corpus().nth(n))?.borrow().input().clone()
            }
            false => None,
        };
        self.0.mutate(input, other.as_ref(), &mut rng);
        Ok(MutationResult::Mutated)
    }

    fn post_exec(&mut self, _: &mut State<S::Input>, _: Option<CorpusId>) -> Result<(), libafl::Error> {
        Ok(())
    }
}

fn library_error(error: libafl::Error) -> Error {
    Error::Usage(format!("the fuzzing library: {error}"))
}

/// Runs a campaign without a broker; see [`campaign`].
///
/// # Errors
///
/// As [`campaign`].
pub fn run_alone<S: FuzzTarget>(
    target: &S,
    options: &CampaignOptions<'_>,
    on_progress: impl FnMut(&Progress),
) -> Result<Summary> {
    campaign(target, options, &mut SimpleEventManager::new(NopMonitor::new()), on_progress)
}

/// Runs a campaign in this process. `on_progress` is called after each round.
///
/// # Errors
///
/// [`Error::Io`] if the corpus or a finding cannot be read or written, [`Error::Usage`] if an input cannot be parsed,
/// the corpus is empty, or LibAFL fails.
pub fn campaign<S, EM>(
    target: &S,
    options: &CampaignOptions<'_>,
    events: &mut EM,
    mut on_progress: impl FnMut(&Progress),
) -> Result<Summary>
where
    S: FuzzTarget,
    EM: EventFirer<S::Input, State<S::Input>>
        + EventReceiver<S::Input, State<S::Input>>
        + ProgressReporter<State<S::Input>>
        + SendExiting,
{
    let start = Instant::now();
    super::types::register();
    let (edges, comparisons) = target.map_sizes();
    let edge_map = OwnedMapObserver::new("edges", vec![0u8; edges.max(1)]);
    let comparison_map = OwnedMapObserver::new("comparisons", vec![0u8; comparisons.max(1)]);
    let edge_news = MaxMapFeedback::new(&edge_map);
    let comparison_news = MaxMapFeedback::new(&comparison_map);
    let mut feedback = feedback_and_fast!(NoSuspicion, feedback_or!(edge_news, comparison_news));
    let mut objective = CrashFeedback::new();
    let rand = StdRand::with_seed(options.seed);
    let mut state: State<S::Input> =
        StdState::new(rand, InMemoryCorpus::new(), InMemoryCorpus::new(), &mut feedback, &mut objective)
            .map_err(library_error)?;
    let mut fuzzer =
        StdFuzzer::builder().scheduler(RecentSmallScheduler).feedback(feedback).objective(objective).build();
    let mut stages = tuple_list!(StdMutationalStage::new(TargetMutator(target)));
    let mut executor = TargetExecutor {
        target,
        observers: tuple_list!(edge_map, comparison_map),
        findings: Findings::new(options.findings),
        covered: vec![false; edges.max(1)],
        edges: 0,
        failed: None,
    };
    let corpus = CorpusDir::open(options.corpus)?;
    let old = corpus.read(target)?;
    let fresh = old.is_empty();
    for input in old.iter().chain(target.seeds().iter().filter(|_| fresh)) {
        fuzzer.evaluate_input(&mut state, &mut executor, events, input).map_err(library_error)?;
    }
    if state.corpus().is_empty() {
        // No input has new coverage without a suspicion, so begin with the first one.
        let input = old.into_iter().chain(target.seeds()).next();
        let input = input.ok_or_else(|| Error::Usage(format!("{} has no seed inputs", target.name())))?;
        fuzzer.add_input(&mut state, &mut executor, events, input).map_err(library_error)?;
        if state.corpus().is_empty() {
            // The only input is a finding itself.
            return Ok(summary(&executor, &state, start));
        }
    }
    let mut examined = 0;
    loop {
        while examined < state.corpus().count() {
            let id = state.corpus().nth(examined);
            examined += 1;
            let input = state.corpus().get(id).map_err(library_error)?.borrow().input().clone();
            let Some(input) = input else { continue };
            corpus.add(target, &input)?;
            if let Some(suspicion) = target.examine(&input) {
                executor.findings.consider(target, &input, suspicion, examined as u64)?;
            }
        }
        if let Some(error) = executor.failed.take() {
            return Err(error);
        }
        on_progress(&progress(&executor, &state, start));
        let finished = options.time.is_some_and(|t| start.elapsed() >= t)
            || options.executions.is_some_and(|n| *state.executions() >= n)
            || (options.first && !executor.findings.list.is_empty());
        if finished || options.stop.load(Ordering::Relaxed) {
            break;
        }
        events.maybe_report_progress(&mut state, Duration::from_secs(1)).map_err(library_error)?;
        match fuzzer.fuzz_one(&mut stages, &mut executor, &mut state, events) {
            Ok(_) => {}
            Err(libafl::Error::ShuttingDown) => break,
            Err(error) => return Err(library_error(error)),
        }
    }
    events.report_progress(&mut state).map_err(library_error)?;
    let _ = state.clear_corpus_id();
    Ok(summary(&executor, &state, start))
}

fn progress<S: FuzzTarget>(executor: &TargetExecutor<'_, S>, state: &State<S::Input>, start: Instant) -> Progress {
    Progress {
        executions: *state.executions(),
        edges: executor.edges,
        all_edges: executor.target.map_sizes().0,
        corpus: state.corpus().count(),
        findings: executor.findings.list.len(),
        time: start.elapsed(),
    }
}

fn summary<S: FuzzTarget>(executor: &TargetExecutor<'_, S>, state: &State<S::Input>, start: Instant) -> Summary {
    Summary {
        progress: progress(executor, state, start),
        findings: executor.findings.list.clone(),
        unreproduced: executor.findings.unreproduced,
        covered: executor.covered.clone(),
    }
}
