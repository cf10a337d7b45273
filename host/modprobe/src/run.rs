//! Runs a plan. Steps that do not depend on each other run at the same time.
//!
//! If a module fails, the modules that require it are not tried. Modules that were loaded only for those are removed
//! again, in reverse order.

use super::plan::{Action, LoadPlan, Step};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

/// How often a module is linked at most. It is linked again if a module that it uses was reloaded in the meantime.
const TRIES: usize = 3;

/// The result of a step.
#[derive(Debug)]
pub enum Outcome<T> {
    /// The module was loaded and is live.
    Loaded(T),
    /// The module was live already, or another process loaded it first.
    Live,
    /// The module is part of the kernel.
    BuiltIn,
    /// The command of an `install` line is `true`.
    Disabled,
    /// The module was not loaded.
    Failed(Error),
    /// The module was not tried, because another one failed.
    NotTried {
        /// The name of the module that failed.
        because: String,
    },
    /// The module was loaded and removed again, because nothing needs it any more.
    Unwound,
}

/// The result of a plan.
#[derive(Debug)]
pub struct RunReport<T> {
    /// One outcome for each step, by index.
    pub outcomes: Vec<Outcome<T>>,
    /// The modules that could not be removed again: the index of the step, and the error.
    pub left: Vec<(usize, Error)>,
}

impl<T> Outcome<T> {
    /// True if a module that requires this one may be loaded.
    #[must_use]
    pub(crate) fn is_satisfied(&self) -> bool {
        matches!(self, Self::Loaded(_) | Self::Live | Self::BuiltIn | Self::Disabled)
    }
}

struct State<T> {
    outcomes: Vec<Option<Outcome<T>>>,
    running: Vec<bool>,
    /// The indices of the loaded steps, in the order in which they became live.
    loaded: Vec<usize>,
}

/// Runs `plan`.
///
/// `load` loads the file of a step, in up to `jobs` threads at a time (at least 1). It returns `None` if the kernel has
/// the module already. `unload` removes a module. With `first_time`, a target that is loaded already is an error.
pub fn run<T: Send>(
    plan: &LoadPlan,
    jobs: usize,
    first_time: bool,
    load: impl Fn(&Step, &Path) -> Result<Option<T>> + Sync,
    mut unload: impl FnMut(&Step) -> Result<()>,
) -> RunReport<T> {
    let count = plan.steps.len();
    let mut state = State { outcomes: Vec::new(), running: vec![false; count], loaded: Vec::new() };
    for (i, step) in plan.steps.iter().enumerate() {
        let target = first_time && plan.targets.iter().any(|t| t.step == i);
        state.outcomes.push(match &step.action {
            Action::Load(_) => None,
            Action::Live | Action::BuiltIn if target => Some(Outcome::Failed(already_loaded(step))),
            Action::Live => Some(Outcome::Live),
            Action::BuiltIn => Some(Outcome::BuiltIn),
            Action::Disabled => Some(Outcome::Disabled),
            Action::Refused(problem) => Some(Outcome::Failed((**problem).clone().into())),
        });
    }
    state.give_up(plan);
    let (state, changed) = (Mutex::new(state), Condvar::new());
    let work = || {
        let mut locked = state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some((i, step, path)) = locked.next(plan) else {
                if !locked.running.contains(&true) {
                    return;
                }
                locked = changed.wait(locked).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            locked.running[i] = true;
            drop(locked);
            let strict = first_time && plan.targets.iter().any(|t| t.step == i);
            let outcome = attempt(step, path, strict, &load);
            locked = state.lock().unwrap_or_else(PoisonError::into_inner);
            locked.running[i] = false;
            if matches!(outcome, Outcome::Loaded(_)) {
                locked.loaded.push(i);
            }
            locked.outcomes[i] = Some(outcome);
            locked.give_up(plan);
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        // This thread runs jobs as well.
        for _ in 1..jobs.clamp(1, count.max(1)) {
            scope.spawn(work);
        }
        work();
    });
    let State { outcomes, loaded, .. } = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Every step has an outcome now: it was run, or given up.
    let not_run = || Outcome::NotTried { because: String::new() };
    let mut outcomes: Vec<_> = outcomes.into_iter().map(|o| o.unwrap_or_else(not_run)).collect();
    let keep = plan.reachable(plan.targets.iter().map(|t| t.step), |i| outcomes[i].is_satisfied());
    let mut left = Vec::new();
    for i in loaded.into_iter().rev().filter(|i| !keep.contains(i)) {
        match unload(&plan.steps[i]) {
            Ok(()) => outcomes[i] = Outcome::Unwound,
            Err(error) => left.push((i, error)),
        }
    }
    RunReport { outcomes, left }
}

fn attempt<T>(step: &Step, path: &Path, strict: bool, load: &impl Fn(&Step, &Path) -> Result<Option<T>>) -> Outcome<T> {
    let mut tries = 1;
    loop {
        match load(step, path) {
            Ok(Some(loaded)) => return Outcome::Loaded(loaded),
            // Another process loaded it first.
            Ok(None) if strict => return Outcome::Failed(already_loaded(step)),
            Ok(None) => return Outcome::Live,
            Err(error) if is_only(&error, "stale") && tries < TRIES => tries += 1,
            Err(error) => return Outcome::Failed(error),
        }
    }
}

impl<T> State<T> {
    /// A step that can be run now.
    fn next<'p>(&self, plan: &'p LoadPlan) -> Option<(usize, &'p Step, &'p Path)> {
        plan.steps.iter().enumerate().find_map(|(i, step)| {
            let Action::Load(path) = &step.action else { return None };
            let over = |i: &usize| self.outcomes[*i].is_some();
            let free = self.outcomes[i].is_none() && !self.running[i];
            let first = step.requires.iter().chain(&step.pre).all(over);
            let turn = free
                && first
                && plan.steps[..i].iter().zip(&self.outcomes).all(|(s, o)| o.is_some() || !s.post.contains(&i));
            turn.then_some((i, step, path.as_path()))
        })
    }

    /// Gives up the steps that require a module that failed, and the steps that only those need.
    fn give_up(&mut self, plan: &LoadPlan) {
        for (i, step) in plan.steps.iter().enumerate() {
            let bad = |i: &&usize| self.outcomes[**i].as_ref().is_some_and(|o| !o.is_satisfied());
            if self.outcomes[i].is_none()
                && let Some(because) = step.requires.iter().find(bad)
            {
                let because = match &self.outcomes[*because] {
                    Some(Outcome::NotTried { because }) => because.clone(),
                    _ => plan.steps[*because].name.clone(),
                };
                self.outcomes[i] = Some(Outcome::NotTried { because });
            }
        }
        let good = |i: usize| self.outcomes[i].as_ref().is_none_or(Outcome::is_satisfied);
        let needed = plan.reachable(plan.targets.iter().map(|t| t.step), good);
        let failed = plan.targets.iter().find(|t| !good(t.step)).map(|t| plan.steps[t.step].name.clone());
        for i in 0..plan.steps.len() {
            if self.outcomes[i].is_none() && !self.running[i] && !needed.contains(&i) {
                let because = failed.clone().unwrap_or_default();
                self.outcomes[i] = Some(Outcome::NotTried { because });
            }
        }
    }
}

/// True if the only kind of problem is `kind`, as a fact from this process or the kernel. What a linking process
/// reports ([`Error::Reported`]) does not count.
pub(crate) fn is_only(error: &Error, kind: &str) -> bool {
    match error {
        Error::Module(problems) => !problems.is_empty() && problems.iter().all(|p| p.kind == kind),
        Error::Kernel(problem) => problem.kind == kind,
        _ => false,
    }
}

fn already_loaded(step: &Step) -> Error {
    let text = match step.action {
        Action::BuiltIn => "it is part of the kernel",
        _ => "it is loaded",
    };
    Diagnostic::new("already-loaded", &step.name, text).into()
}
