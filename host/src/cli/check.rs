//! `relobox check`: the pre-flight of a whole module tree.

use super::common::{self, Common};
use super::output;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use relobox::check::{Found, Outcome, check, find};
use relobox::open::unpacked;
use relobox::symbols::Symbols;
use relobox::{Diagnostic, Error, Result, limits};
use relobox_cli::args::Inputs;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Link every module of a tree, dry: does each find its symbols, and does every relocation fit?
#[derive(Debug, Args)]
#[command(after_help = "Symbols are resolved among the modules of the tree. Without --symbols, whatever no module
exports is taken to be the kernel's. With Module.symvers, names, CRCs, GPL-only exports and
namespaces are checked too, and that no module exports what the kernel exports.

A tree (/lib/modules/VERSION) is judged as modprobe sees it: of several files by one module's name
the one in modules.dep counts; without modules.dep, the one that depmod would take. Links are
followed.

Examples:
  relobox check /lib/modules/6.1.0-56-amd64
  relobox check build/ --symbols build/Module.symvers --jobs 4
  relobox check a.ko b.ko --json")]
pub(crate) struct CheckArgs {
    /// Modules, and directories of modules
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Symbols: System.map, /proc/kallsyms, or Module.symvers, packed or not; can be repeated
    #[arg(long, value_name = "FILE")]
    symbols: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// Threads [default: one for each processor]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    jobs: Option<u16>,
    /// Read depmod's configuration here, for trees without modules.dep; can be repeated [default: etc/depmod.d and so on
    /// of the root directory that the tree is in]
    #[arg(long, value_name = "DIR")]
    depmod_config: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) fn run(args: CheckArgs) -> Result<ExitCode> {
    let guests = common::guests(&args.common)?;
    let found = find(&args.paths, &args.depmod_config)?;
    if found.modules.is_empty() {
        return Err(Error::Usage("there is no module (*.ko, *.ko.gz, *.ko.xz, *.ko.zst) in the given paths".into()));
    }
    let mut symbols = Symbols::new();
    for file in &args.symbols {
        symbols.read_file(file, |bytes| unpacked(&guests, file, bytes), |_| true)?;
    }
    let default = std::thread::available_parallelism().map_or(1, usize::from).min(16);
    let jobs = args.jobs.map_or(default, usize::from);
    let bar = progress(found.modules.len(), args.common.json);
    let outcomes = check(&guests, &found, symbols, &args.inputs.input, jobs, &|| bar.inc(1));
    bar.finish_and_clear();
    let code = outcomes.iter().filter_map(|o| o.result.as_ref().err()).map(Error::exit_code).max().unwrap_or(0);
    if args.common.json {
        output::json(&Report::of(&found, &outcomes))
    } else {
        print_found(&found);
        print(&outcomes)
    }
    Ok(ExitCode::from(code))
}

/// Two steps for each module; nothing is drawn where nobody looks.
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
struct Report<'a> {
    modules: usize,
    linked: usize,
    rejected: usize,
    relocations: usize,
    synthetic_bytes: usize,
    failures: Vec<Failure<'a>>,
    shadowed: Vec<ShadowedJson<'a>>,
    unlisted: &'a [PathBuf],
    links: Vec<LinkJson<'a>>,
    warnings: &'a [String],
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
struct Failure<'a> {
    module: &'a Path,
    exit_code: u8,
    message: String,
    problems: &'a [Diagnostic],
}

impl<'a> Report<'a> {
    fn of(found: &'a Found, outcomes: &'a [Outcome]) -> Self {
        let done = || outcomes.iter().filter_map(|o| o.result.as_ref().ok());
        let failures: Vec<_> = outcomes
            .iter()
            .filter_map(|o| o.result.as_ref().err().map(|e| (o, e)))
            .map(|(o, e)| Failure {
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

/// `1,407,153`.
fn grouped(number: usize) -> String {
    relobox::text::grouped(&number.to_string(), 3, ',')
}

/// Where a module belongs: the folder below `kernel/`, or its own.
fn place(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|p| p.to_string_lossy()).collect();
    let below = parts.iter().position(|p| p == "kernel").map(|i| i + 1).filter(|i| i + 1 < parts.len());
    let parent = parts.len().saturating_sub(2);
    parts.get(below.unwrap_or(parent)).filter(|_| parts.len() > 1).map_or_else(|| ".".into(), ToString::to_string)
}

/// What is not as one might think, a few lines of each kind.
fn print_found(found: &Found) {
    fn some<T>(all: &[T], what: &str, line: impl Fn(&T) -> String) {
        all.iter().take(limits::SHOWN).for_each(|one| output::warning(line(one)));
        let more = all.len().saturating_sub(limits::SHOWN);
        if more != 0 {
            output::warning(format_args!("… and {more} more {what} (--json has them all)"));
        }
    }
    some(&found.warnings, "warnings", Clone::clone);
    some(&found.shadowed, "files", |s| format!("{}: not checked: modprobe takes {}", s.path.display(), s.by.display()));
    some(&found.unlisted, "files", |path| {
        format!("{}: modprobe does not know it: modules.dep does not have it, or depmod leaves it out", path.display())
    });
    let links = found.links.len();
    if links != 0 {
        output::warning(format_args!("{links} of the modules are links out of their tree (--json says where)"));
    }
}

fn print(outcomes: &[Outcome]) {
    let failed = outcomes.iter().filter_map(|o| o.result.as_ref().err());
    for error in failed.clone().take(limits::SHOWN) {
        output::error(error, false);
    }
    let more = failed.count().saturating_sub(limits::SHOWN);
    if more != 0 {
        output::line(format_args!("… and {more} more modules (--json has them all)"));
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
    let (linked, rejected) = (grouped(total.linked), grouped(total.modules - total.linked));
    output::line(format_args!("{linked} modules link, {rejected} rejected"));
}
