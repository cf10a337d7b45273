//! `relobox check`: tests whether all modules of a tree can be linked.

use super::common::{self, Common};
use super::link::{CrossCheck, second};
use super::output;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use relobox::check::{Found, Outcome, check, find};
use relobox::open::unpacked;
use relobox::parallel;
use relobox::symbols::Symbols;
use relobox::{Diagnostic, Error, Result, limits};
use relobox_cli::args::Inputs;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check that every module of a tree can be linked: that its symbols exist and its relocations fit
#[derive(Debug, Args)]
#[command(after_help = "Symbols are resolved among the modules of the tree. Without --symbols, a symbol that no module
exports is assumed to be in the kernel. With Module.symvers, the command also checks names, CRCs,
GPL-only exports and namespaces, and that no module exports a symbol of the kernel.

A tree (/lib/modules/VERSION) is treated as modprobe does: if several files have the same module
name, the one in modules.dep is checked, or, without modules.dep, the one that depmod would
choose. Symbolic links are followed.

Examples:
  relobox check /lib/modules/6.1.0-56-amd64
  relobox check build/ --symbols build/Module.symvers --jobs 4
  relobox check a.ko b.ko --json
  relobox check /lib/modules/6.1.0-56-amd64 --cross-check ./other/x86_64.wasm")]
pub(crate) struct CheckArgs {
    /// Module files, and directories of modules
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Read symbols from FILE: System.map, /proc/kallsyms or Module.symvers, also compressed; can be repeated
    #[arg(long, value_name = "FILE")]
    symbols: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// Also link with this plugin (a name, a digest or a file) at the same addresses, and reject modules for which the
    /// results differ
    #[arg(long, value_name = "PLUGIN")]
    cross_check: Option<String>,
    /// Use N threads [default: the number of processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    jobs: Option<u16>,
    /// Read depmod's configuration from DIR, for trees without modules.dep; can be repeated [default: etc/depmod.d and
    /// the other directories in the root directory of the tree]
    #[arg(long, value_name = "DIR")]
    depmod_config: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) fn run(args: CheckArgs) -> Result<ExitCode> {
    let mut plugins = args.common.plugins(false)?;
    let guests = common::guests_of(plugins.clone())?;
    let found = find(&args.paths, &args.depmod_config)?;
    if found.modules.is_empty() {
        return Err(Error::Usage("the given paths contain no module (*.ko, *.ko.gz, *.ko.xz, *.ko.zst)".into()));
    }
    let mut symbols = Symbols::new();
    for file in &args.symbols {
        symbols.read_file(file, |bytes| unpacked(&guests, file, bytes), |_| true)?;
    }
    let second = args.cross_check.as_ref().map(|named| second(&guests, &mut plugins, named)).transpose()?;
    let default = parallel::processors().min(16);
    let jobs = args.jobs.map_or(default, usize::from);
    let bar = progress(found.modules.len(), args.common.json);
    let outcomes = check(&guests, &found, symbols, &args.inputs.input, second.as_ref(), jobs, &|| bar.inc(1));
    bar.finish_and_clear();
    let compared = second.map(|second| Compared::of(CrossCheck::of(&second), &outcomes));
    if let (Some(compared), Some(named)) = (&compared, &args.cross_check)
        && compared.alike + compared.differ == 0
        && compared.not_compared != 0
    {
        let name = &compared.plugin.plugin;
        return Err(Error::Usage(format!(
            "--cross-check {named}: plugin {name} is for another machine than the modules"
        )));
    }
    let code = outcomes.iter().filter_map(|o| o.result.as_ref().err()).map(Error::exit_code).max().unwrap_or(0);
    if args.common.json {
        output::json(&TreeReport { cross_check: compared, ..TreeReport::of(&found, &outcomes) })
    } else {
        print_found(&found);
        print(&outcomes, compared.as_ref())
    }
    Ok(ExitCode::from(code))
}

/// The progress bar, with two steps for each module. With `--json`, nothing is drawn.
fn progress(modules: usize, json: bool) -> ProgressBar {
    if json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(2 * modules as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3}%  {elapsed} of about {duration}") {
        bar.set_style(style);
    }
    bar
}

#[derive(Serialize)]
struct TreeReport<'a> {
    modules: usize,
    linked: usize,
    rejected: usize,
    relocations: usize,
    synthetic_bytes: usize,
    placed: Vec<Placed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cross_check: Option<Compared>,
    refused_types: Vec<RefusedType<'a>>,
    failures: Vec<ModuleFailure<'a>>,
    shadowed: Vec<ShadowedJson<'a>>,
    unlisted: &'a [PathBuf],
    links: Vec<LinkJson<'a>>,
    warnings: &'a [String],
}

/// What came of the cross-check.
#[derive(Serialize)]
struct Compared {
    #[serde(flatten)]
    plugin: CrossCheck,
    alike: usize,
    differ: usize,
    not_compared: usize,
}

impl Compared {
    fn of(plugin: CrossCheck, outcomes: &[Outcome]) -> Self {
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

    fn line(&self) -> String {
        let (alike, differ) = (counted(self.alike, "module"), grouped(self.differ));
        let other = match self.not_compared {
            0 => String::new(),
            n => format!(", {} not compared, because it is for another machine", grouped(n)),
        };
        format!(
            "cross-check by {} ({}): {alike} alike, {differ} different{other}",
            self.plugin.plugin, self.plugin.origin
        )
    }
}

/// Where modules of one plugin were assumed to be.
#[derive(Serialize)]
struct Placed<'a> {
    plugin: &'a str,
    base: u64,
    kernel: u64,
    modules: usize,
}

/// A relocation type that a plugin does not know, or refuses.
#[derive(Serialize)]
struct RefusedType<'a> {
    relocation: &'a str,
    kind: &'a str,
    relocations: usize,
    modules: usize,
}

fn placed(outcomes: &[Outcome]) -> Vec<Placed<'_>> {
    let mut places: BTreeMap<(&str, u64, u64), usize> = BTreeMap::new();
    for done in outcomes.iter().filter_map(|outcome| outcome.result.as_ref().ok()) {
        *places.entry((&done.plugin, done.base, done.kernel)).or_default() += 1;
    }
    places.into_iter().map(|((plugin, base, kernel), modules)| Placed { plugin, base, kernel, modules }).collect()
}

/// The types in the problems that were kept of each module, the most frequent one first.
fn refused_types(outcomes: &[Outcome]) -> Vec<RefusedType<'_>> {
    let mut types: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for outcome in outcomes {
        let Err(Error::Module(problems)) = &outcome.result else { continue };
        let mut of_module: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for problem in problems.iter().filter(|p| matches!(p.kind, "unknown-relocation" | "rejected-relocation")) {
            *of_module.entry((problem.relocation.as_deref().unwrap_or("?"), problem.kind)).or_default() += 1;
        }
        for (kind, count) in of_module {
            let total = types.entry(kind).or_default();
            *total = (total.0 + count, total.1 + 1);
        }
    }
    let row = |((relocation, kind), (relocations, modules))| RefusedType { relocation, kind, relocations, modules };
    let mut rows: Vec<_> = types.into_iter().map(row).collect();
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

#[derive(Serialize)]
struct ModuleFailure<'a> {
    module: &'a Path,
    exit_code: u8,
    message: String,
    problems: &'a [Diagnostic],
}

impl<'a> TreeReport<'a> {
    fn of(found: &'a Found, outcomes: &'a [Outcome]) -> Self {
        let done = || outcomes.iter().filter_map(|o| o.result.as_ref().ok());
        let failures: Vec<_> = outcomes
            .iter()
            .filter_map(|o| o.result.as_ref().err().map(|e| (o, e)))
            .map(|(o, e)| ModuleFailure {
                module: &o.path,
                exit_code: e.exit_code(),
                message: e.to_string(),
                problems: if let Error::Module(problems) = e { problems } else { &[] },
            })
            .collect();
        Self {
            modules: outcomes.len(),
            linked: done().count(),
            rejected: failures.len(),
            relocations: done().map(|d| d.relocations).sum(),
            synthetic_bytes: done().map(|d| d.synthetic).sum(),
            placed: placed(outcomes),
            cross_check: None,
            refused_types: refused_types(outcomes),
            failures,
            shadowed: found.shadowed.iter().map(|s| ShadowedJson { module: &s.path, by: &s.by }).collect(),
            unlisted: &found.unlisted,
            links: found.links.iter().map(|(module, target)| LinkJson { module, target }).collect(),
            warnings: &found.warnings,
        }
    }
}

/// One line of the table.
#[derive(Default)]
struct Row {
    modules: usize,
    linked: usize,
    relocations: usize,
    synthetic: usize,
}

impl Row {
    fn add(&mut self, outcome: &Outcome) {
        self.modules += 1;
        if let Ok(done) = &outcome.result {
            self.linked += 1;
            self.relocations += done.relocations;
            self.synthetic += done.synthetic;
        }
    }

    fn cells(&self, name: &str) -> [String; 6] {
        let numbers = [self.modules, self.linked, self.modules - self.linked, self.relocations, self.synthetic];
        let [a, b, c, d, e] = numbers.map(grouped);
        [output::cell(name), a, b, c, d, e]
    }
}

/// A number with separators: `1,407,153`.
fn grouped(number: usize) -> String {
    relobox::text::grouped(&number.to_string(), 3, ',')
}

/// `1 module`, `1,407 modules`.
fn counted(number: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// The row of a module: the directory below `kernel/`, or the module's own directory.
fn place(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|p| p.to_string_lossy()).collect();
    let below = parts.iter().position(|p| p == "kernel").map(|i| i + 1).filter(|i| i + 1 < parts.len());
    let parent = parts.len().saturating_sub(2);
    parts.get(below.unwrap_or(parent)).filter(|_| parts.len() > 1).map_or_else(|| ".".into(), ToString::to_string)
}

/// Prints warnings about files that are not checked as one might expect, a few of each kind.
fn print_found(found: &Found) {
    fn some<T>(all: &[T], what: &str, line: impl Fn(&T) -> String) {
        all.iter().take(limits::SHOWN).for_each(|one| output::warning(line(one)));
        let more = all.len().saturating_sub(limits::SHOWN);
        if more != 0 {
            output::warning(format_args!("… and {more} more {what} (--json lists all)"));
        }
    }
    some(&found.warnings, "warnings", Clone::clone);
    some(&found.shadowed, "files", |s| {
        format!("{}: not checked, because modprobe uses {}", s.path.display(), s.by.display())
    });
    some(&found.unlisted, "files", |path| {
        format!(
            "{}: modprobe does not know it, because modules.dep does not list it or depmod excludes it",
            path.display()
        )
    });
    let links = found.links.len();
    if links != 0 {
        output::warning(format_args!(
            "{links} of the modules are symbolic links out of their tree (--json lists them)"
        ));
    }
}

fn print(outcomes: &[Outcome], compared: Option<&Compared>) {
    let failed = outcomes.iter().filter_map(|o| o.result.as_ref().err());
    for error in failed.clone().take(limits::SHOWN) {
        output::error(error, false);
    }
    let more = failed.count().saturating_sub(limits::SHOWN);
    if more != 0 {
        output::line(format_args!("… and {more} more modules (--json lists all)"));
    }
    let (mut rows, mut total) = (BTreeMap::<String, Row>::new(), Row::default());
    for outcome in outcomes {
        rows.entry(place(&outcome.path)).or_default().add(outcome);
        total.add(outcome);
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["where", "modules", "linked", "rejected", "relocations", "bytes made"]);
    for (name, row) in &rows {
        table.add_row(row.cells(name));
    }
    if rows.len() > 1 {
        table.add_row(total.cells("all"));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    output::lines(table);
    for place in placed(outcomes) {
        output::line(format_args!(
            "plugin {1}: {0}, assumed to be at {2:#x}, with the kernel's symbols at {3:#x}",
            counted(place.modules, "module"),
            place.plugin,
            place.base,
            place.kernel
        ));
    }
    for row in refused_types(outcomes) {
        let what = if row.kind == "unknown-relocation" { "is unknown" } else { "is refused" };
        output::line(format_args!(
            "relocation {} {what}: {} in {}",
            row.relocation,
            counted(row.relocations, "place"),
            counted(row.modules, "module")
        ));
    }
    if let Some(compared) = compared {
        output::line(compared.line());
    }
    let (linked, rejected) = (grouped(total.linked), grouped(total.modules - total.linked));
    output::line(format_args!("{linked} modules link, {rejected} rejected"));
}
