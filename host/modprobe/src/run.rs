//! Run: a plan's steps, independent ones at the same time.
//!
//! A failure stops what requires the module, and what this run loaded for nobody else goes again, in reverse order.

use super::plan::{Action, Plan, Step};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

/// How often a module is linked anew, because one that it uses was loaded anew meanwhile.
const TRIES: usize = 3;

/// What became of a step.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It is live.
    Loaded(T),
    /// It was, or somebody else was faster.
    Live,
    /// It is part of the kernel.
    BuiltIn,
    /// An `install` line has `true` for it.
    Disabled,
    /// It was not loaded.
    Failed(Error),
    /// Nor was this one, because that module was not.
    NotTried {
        /// Which.
        because: String,
    },
    /// It was loaded, and removed again, since nothing needs it any more.
    Unwound,
}

/// What became of a plan.
#[derive(Debug)]
pub struct Report<T> {
    /// By step.
    pub outcomes: Vec<Outcome<T>>,
    /// What could not be removed again, and why.
    pub left: Vec<(usize, Error)>,
}

impl<T> Outcome<T> {
    /// Whether what requires the module may be loaded.
    #[must_use]
    pub fn good(&self) -> bool {
        matches!(self, Self::Loaded(_) | Self::Live | Self::BuiltIn | Self::Disabled)
    }
}

struct State<T> {
    outcomes: Vec<Option<Outcome<T>>>,
    running: Vec<bool>,
    /// In the order of getting live.
    loaded: Vec<usize>,
}

/// Runs `plan`: `load` loads a step's file, up to `jobs` at a time, and `unload` removes it. `load` answers `None` for a
/// module that the kernel has already. With `first_time`, a target that is loaded already is an error.
pub fn run<T: Send>(
    plan: &Plan,
    jobs: usize,
    first_time: bool,
    load: impl Fn(&Step, &Path) -> Result<Option<T>> + Sync,
    mut unload: impl FnMut(&Step) -> Result<()>,
) -> Report<T> {
    let count = plan.steps.len();
    let mut state = State { outcomes: Vec::new(), running: vec![false; count], loaded: Vec::new() };
    for (i, step) in plan.steps.iter().enumerate() {
        let target = first_time && plan.targets.iter().any(|t| t.step == i);
        state.outcomes.push(match &step.action {
            Action::Load(_) => None,
            Action::Live | Action::BuiltIn if target => Some(Outcome::Failed(present(step))),
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
        // This thread is one of them.
        for _ in 1..jobs.clamp(1, count.max(1)) {
            scope.spawn(work);
        }
        work();
    });
    let State { outcomes, loaded, .. } = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    // None is left: each step was run, or given up.
    let not_run = || Outcome::NotTried { because: String::new() };
    let mut outcomes: Vec<_> = outcomes.into_iter().map(|o| o.unwrap_or_else(not_run)).collect();
    let keep = plan.wanted(plan.targets.iter().map(|t| t.step), |i| outcomes[i].good());
    let mut left = Vec::new();
    for i in loaded.into_iter().rev().filter(|i| !keep.contains(i)) {
        match unload(&plan.steps[i]) {
            Ok(()) => outcomes[i] = Outcome::Unwound,
            Err(error) => left.push((i, error)),
        }
    }
    Report { outcomes, left }
}

fn attempt<T>(step: &Step, path: &Path, strict: bool, load: &impl Fn(&Step, &Path) -> Result<Option<T>>) -> Outcome<T> {
    let mut tries = 1;
    loop {
        match load(step, path) {
            Ok(Some(loaded)) => return Outcome::Loaded(loaded),
            // Somebody else was faster.
            Ok(None) if strict => return Outcome::Failed(present(step)),
            Ok(None) => return Outcome::Live,
            Err(error) if only(&error, "stale") && tries < TRIES => tries += 1,
            Err(error) => return Outcome::Failed(error),
        }
    }
}

impl<T> State<T> {
    /// A step that can be run now.
    fn next<'p>(&self, plan: &'p Plan) -> Option<(usize, &'p Step, &'p Path)> {
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

    /// Gives up what requires a module that was not loaded, and what only that would have needed.
    fn give_up(&mut self, plan: &Plan) {
        for (i, step) in plan.steps.iter().enumerate() {
            let bad = |i: &&usize| self.outcomes[**i].as_ref().is_some_and(|o| !o.good());
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
        let good = |i: usize| self.outcomes[i].as_ref().is_none_or(Outcome::good);
        let wanted = plan.wanted(plan.targets.iter().map(|t| t.step), good);
        let failed = plan.targets.iter().find(|t| !good(t.step)).map(|t| plan.steps[t.step].name.clone());
        for i in 0..plan.steps.len() {
            if self.outcomes[i].is_none() && !self.running[i] && !wanted.contains(&i) {
                let because = failed.clone().unwrap_or_default();
                self.outcomes[i] = Some(Outcome::NotTried { because });
            }
        }
    }
}

/// Whether all that is wrong is of this kind, and is no mere word of a linking process.
pub(crate) fn only(error: &Error, kind: &str) -> bool {
    match error {
        Error::Module(problems) => !problems.is_empty() && problems.iter().all(|p| p.kind == kind),
        Error::Kernel(problem) => problem.kind == kind,
        _ => false,
    }
}

fn present(step: &Step) -> Error {
    let text = match step.action {
        Action::BuiltIn => "it is part of the kernel",
        _ => "it is loaded",
    };
    Diagnostic::new("already-loaded", &step.name, text).into()
}
