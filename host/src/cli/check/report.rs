//! The result of `relobox check` as it is printed with `--json`. The field names are JSON keys.

use super::symbols::SymbolFiles;
use crate::cli::link::CrossCheck;
use relobox::check::{Done, Found, Kernel, Outcome, Place};
use relobox::{Diagnostic, Error};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The document.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) modules: usize,
    pub(super) linked: usize,
    pub(super) rejected: usize,
    relocations: usize,
    synthetic_bytes: usize,
    pub(super) kernels: Vec<KernelReport<'a>>,
    pub(super) placed: Vec<Placed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cross_check: Option<Compared>,
    pub(super) reasons: Vec<Reason<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verified: Option<usize>,
    pub(super) refused_types: Vec<RefusedType<'a>>,
    pub(super) failures: Vec<ModuleFailure<'a>>,
    shadowed: Vec<ShadowedJson<'a>>,
    unlisted: &'a [PathBuf],
    links: Vec<LinkJson<'a>>,
    warnings: &'a [String],
}

/// A kernel whose modules were checked together.
#[derive(Serialize)]
pub(super) struct KernelReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) release: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tree: Option<&'a Path>,
    pub(super) machine: u16,
    pub(super) class: u8,
    pub(super) byte_order: &'static str,
    pub(super) modules: usize,
    linked: usize,
    rejected: usize,
    pub(super) symbols: &'a [PathBuf],
    symbols_searched: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) symbols_not_found: Option<&'a str>,
}

/// What came of the cross-check.
#[derive(Serialize)]
pub(super) struct Compared {
    #[serde(flatten)]
    pub(super) plugin: CrossCheck,
    pub(super) alike: usize,
    pub(super) differ: usize,
    pub(super) not_compared: usize,
}

impl Compared {
    pub(super) fn of(plugin: CrossCheck, outcomes: &[Outcome]) -> Self {
        let mut counts = Self { plugin, alike: 0, differ: 0, not_compared: 0 };
        for outcome in outcomes {
            match &outcome.result {
                Ok(done) if done.compared => counts.alike += 1,
                Ok(_) => counts.not_compared += 1,
                Err(Error::Module(problems)) if problems.iter().any(|p| p.kind == "cross-check") => counts.differ += 1,
                Err(_) => {}
            }
        }
        counts
    }
}

/// Where modules of one plugin were assumed to be.
#[derive(Serialize)]
pub(super) struct Placed<'a> {
    pub(super) plugin: &'a str,
    pub(super) base: u64,
    pub(super) kernel: u64,
    pub(super) kernel_from_file: bool,
    pub(super) distance: u64,
    reach: u64,
    pub(super) modules: usize,
}

/// A kind of problem.
#[derive(Serialize)]
pub(super) struct Reason<'a> {
    pub(super) kind: &'a str,
    pub(super) problems: usize,
    pub(super) modules: usize,
}

/// A relocation type that a plugin does not know, or refuses.
#[derive(Serialize)]
pub(super) struct RefusedType<'a> {
    pub(super) relocation: &'a str,
    pub(super) kind: &'a str,
    pub(super) relocations: usize,
    pub(super) modules: usize,
}

fn placed<'a>(outcomes: &'a [Outcome]) -> Vec<Placed<'a>> {
    let mut places: BTreeMap<&Place, usize> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.result.is_ok()) {
        outcome.place.iter().for_each(|place| *places.entry(place).or_default() += 1);
    }
    let row = |(place, modules): (&'a Place, usize)| Placed {
        plugin: &place.plugin,
        base: place.base,
        kernel: place.kernel,
        kernel_from_file: place.from_file,
        distance: place.base.abs_diff(place.kernel),
        reach: place.reach,
        modules,
    };
    places.into_iter().map(row).collect()
}

/// The problems that were kept, by `key`: how many there are, and in how many modules. The most frequent one is first.
fn totals<'a, K: Ord + Copy + 'a>(
    outcomes: &'a [Outcome],
    key: impl Fn(&'a Diagnostic) -> Option<K>,
    of_others: impl Fn(&Error) -> Option<K>,
) -> Vec<(K, usize, usize)> {
    let mut totals: BTreeMap<K, (usize, usize)> = BTreeMap::new();
    for error in outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err()) {
        let mut of_module: BTreeMap<K, usize> = BTreeMap::new();
        match error {
            Error::Module(problems) => {
                problems.iter().filter_map(&key).for_each(|key| *of_module.entry(key).or_default() += 1);
            }
            other => of_module.extend(of_others(other).map(|key| (key, 1))),
        }
        for (key, count) in of_module {
            let total = totals.entry(key).or_default();
            *total = (total.0 + count, total.1 + 1);
        }
    }
    let mut rows: Vec<_> = totals.into_iter().map(|(key, (problems, modules))| (key, problems, modules)).collect();
    rows.sort_by_key(|(_, problems, modules)| std::cmp::Reverse((*modules, *problems)));
    rows
}

fn reasons(outcomes: &[Outcome]) -> Vec<Reason<'_>> {
    let kind = |problem: &'_ Diagnostic| (problem.kind != "more").then_some(problem.kind);
    let other = |error: &Error| Some(if error.exit_code() == 3 { "guest" } else { "unreadable" });
    let rows = totals(outcomes, kind, other);
    rows.into_iter().map(|(kind, problems, modules)| Reason { kind, problems, modules }).collect()
}

/// How many modules that link are signed by a trusted key, if signatures were looked at.
fn verified(outcomes: &[Outcome]) -> Option<usize> {
    let verdicts = outcomes.iter().filter_map(|o| o.result.as_ref().ok()?.signature.as_ref());
    let verified = verdicts.clone().filter(|verdict| verdict.is_verified()).count();
    verdicts.peekable().peek().map(|_| verified)
}

fn refused_types(outcomes: &[Outcome]) -> Vec<RefusedType<'_>> {
    let refused = |problem: &&Diagnostic| matches!(problem.kind, "unknown-relocation" | "rejected-relocation");
    let rows = totals(
        outcomes,
        |problem| Some(problem).filter(refused).map(|p| (p.relocation.as_deref().unwrap_or("?"), p.kind)),
        |_| None,
    );
    let row = |((relocation, kind), relocations, modules)| RefusedType { relocation, kind, relocations, modules };
    let mut rows: Vec<_> = rows.into_iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.relocations));
    rows
}

#[derive(Serialize)]
struct ShadowedJson<'a> {
    module: &'a Path,
    by: &'a Path,
}

#[derive(Serialize)]
struct LinkJson<'a> {
    module: &'a Path,
    target: &'a Path,
}

/// A module that does not link.
#[derive(Serialize)]
pub(super) struct ModuleFailure<'a> {
    pub(super) module: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kernel: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<u64>,
    pub(super) exit_code: u8,
    pub(super) message: String,
    pub(super) problems: &'a [Diagnostic],
}

impl<'a> Report<'a> {
    pub(super) fn of(
        found: &'a Found,
        kernels: &'a [Kernel],
        files: &'a [SymbolFiles],
        outcomes: &'a [Outcome],
        cross_check: Option<Compared>,
    ) -> Self {
        let done = || outcomes.iter().filter_map(|o| o.result.as_ref().ok());
        let failures: Vec<_> = outcomes
            .iter()
            .filter_map(|o| o.result.as_ref().err().map(|e| (o, e)))
            .map(|(o, e)| ModuleFailure {
                module: &o.path,
                kernel: o.kernel,
                base: o.place.as_ref().map(|place| place.base),
                exit_code: e.exit_code(),
                message: e.to_string(),
                problems: if let Error::Module(problems) = e { problems } else { &[] },
            })
            .collect();
        let kernels = kernels.iter().zip(files).enumerate().map(|(at, (kernel, files))| {
            let own: Vec<&Result<Done, Error>> =
                outcomes.iter().filter(|o| o.kernel == Some(at)).map(|o| &o.result).collect();
            let linked = own.iter().filter(|result| result.is_ok()).count();
            KernelReport {
                release: kernel.release.as_deref(),
                tree: kernel.tree.as_deref(),
                machine: kernel.machine.machine,
                class: kernel.machine.class,
                byte_order: kernel.machine.byte_order(),
                modules: own.len(),
                linked,
                rejected: own.len() - linked,
                symbols: &files.files,
                symbols_searched: files.searched,
                symbols_not_found: files.not_found.as_deref(),
            }
        });
        Self {
            modules: outcomes.len(),
            linked: done().count(),
            rejected: failures.len(),
            relocations: done().map(|d| d.relocations).sum(),
            synthetic_bytes: done().map(|d| d.synthetic).sum(),
            kernels: kernels.collect(),
            placed: placed(outcomes),
            cross_check,
            reasons: reasons(outcomes),
            verified: verified(outcomes),
            refused_types: refused_types(outcomes),
            failures,
            shadowed: found.shadowed.iter().map(|s| ShadowedJson { module: &s.path, by: &s.by }).collect(),
            unlisted: &found.unlisted,
            links: found.links.iter().map(|(module, target)| LinkJson { module, target }).collect(),
            warnings: &found.warnings,
        }
    }
}
