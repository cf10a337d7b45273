//! `cargo run --release -p relobox-bench` measures the table of docs/benchmarks.md.
//!
//! It needs the corpus of `tests/scripts/fetch-corpora amd64`. Other linkers are measured if
//! `tests/scripts/install-oracles` has installed them. All numbers are medians of alternating runs; on a busy machine
//! only the ratios are meaningful.

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::registry::{Plugins, Search};
use relobox::sandbox::Sandbox;
use relobox::symbols::Symbols;
use relobox_bench::{compare, many, sandboxed};
use relobox_tests::corpus::Corpus;
use relobox_tests::oracle::{Job, bfd, jitlink, layout, lld};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Compare relobox with its own code without a sandbox, and with other linkers
#[derive(Debug, Parser)]
struct Args {
    /// Number of runs of each measurement; the median counts
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// The relobox to start as a process [default: beside this program]
    #[arg(long)]
    relobox: Option<PathBuf>,
    /// Load plugins from this directory
    #[arg(long, value_name = "DIR")]
    plugin_dir: Vec<PathBuf>,
    /// Print only the first table
    #[arg(long)]
    quick: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let beside = std::env::current_exe()?.with_file_name("relobox");
    let relobox = args.relobox.unwrap_or(beside);
    ensure!(relobox.is_file(), "{} is missing: cargo build --release -p relobox", relobox.display());
    let corpus = Corpus::open("amd64")?.context("no corpus: run tests/scripts/fetch-corpora amd64")?;
    // Given plugins are preferred to built-in ones for the same machine.
    let files = Search { given: args.plugin_dir, ..Search::default() }.read()?.files;
    let chosen = files.iter().map(|file| file.digest).collect();
    let plugins = Plugins { files, chosen, ..Plugins::default() };
    let guests = Guests::of(Sandbox::new(Cache::from_environment())?, plugins);
    let modules = [find(&corpus, "amdgpu")?, find(&corpus, "xfs")?, median_module(&corpus)?];

    println!("\nIn one process, warm: the same code natively, and in the sandbox (medians of {})\n", args.runs * 3);
    let mut table =
        new_table(&["module", "relocations", "native", "sandbox", "ratio", "apply native", "apply sandbox", "ratio"]);
    for path in &modules {
        let (n, s) = compare(&guests, path, &Symbols::new(), args.runs * 3)?;
        let relocations = relobox_bench::relocations(path)?;
        table.add_row([
            name(path),
            relocations.to_string(),
            show(n.total),
            show(s.total),
            ratio(s.total, n.total),
            show(n.apply),
            show(s.apply),
            ratio(s.apply, n.apply),
        ]);
    }
    println!("{table}");
    if args.quick {
        return Ok(());
    }

    println!("\nAs processes, writing a file, at the same addresses (medians of {})\n", args.runs);
    let mut table =
        new_table(&["module", "relobox link", "ld.bfd", "ld.lld", "llvm-jitlink", "fastest other / relobox"]);
    for path in &modules {
        table.add_row(processes(&relobox, path, args.runs)?);
    }
    println!("{table}");

    println!("\nCost for each relocation, in the sandbox, warm\n");
    let mut table = new_table(&["relocations", "whole link", "for each", "apply", "for each"]);
    for exponent in 3..=6 {
        let count = 10usize.pow(exponent);
        let file = many(count)?;
        let mut best: Option<relobox_bench::Stages> = None;
        for _ in 0..args.runs {
            let s = sandboxed(&guests, file.path(), &Symbols::new())?;
            if best.is_none_or(|b| s.total < b.total) {
                best = Some(s);
            }
        }
        let s = best.context("no run")?;
        let each = |d: Duration| format!("{:.1} ns", d.as_secs_f64() * 1e9 / count as f64);
        table.add_row([count.to_string(), show(s.total), each(s.total), show(s.apply), each(s.apply)]);
    }
    println!("{table}");

    let tree = corpus.modules.first().and_then(|m| m.path.ancestors().find(|p| p.ends_with("lib/modules")));
    let tree = tree.context("an empty corpus")?;
    let mut command = Command::new(&relobox);
    command.arg("check").arg(tree);
    let times = alternate(&mut [command], args.runs.min(5))?;
    println!("\nrelobox check of {} modules, as a process: {}", corpus.modules.len(), show(times[0]));
    Ok(())
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn find(corpus: &Corpus, name: &str) -> Result<PathBuf> {
    Ok(corpus.module(name).with_context(|| format!("no {name}.ko"))?.path.clone())
}

/// Finds the module with the median number of relocations (334 in Debian's kernel).
fn median_module(corpus: &Corpus) -> Result<PathBuf> {
    let mut counts = Vec::new();
    for module in &corpus.modules {
        counts.push((relobox_bench::relocations(&module.path)?, module.path.clone()));
    }
    counts.sort();
    Ok(counts.swap_remove(counts.len() / 2).1)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn show(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} us", s * 1e6),
    }
}

fn ratio(a: Duration, b: Duration) -> String {
    format!("{:.2}x", a.as_secs_f64() / b.as_secs_f64())
}

/// Returns a table row with relobox and each installed linker, all doing the same link.
fn processes(relobox: &Path, path: &Path, runs: usize) -> Result<Vec<String>> {
    let elf = std::fs::read(path)?;
    let job: Job<'_> = layout::sequential(path, &elf, 0xffff_ffff_c000_0000)?;
    let dir = tempfile::tempdir()?;
    let (mut sections, mut symbols) = (String::new(), String::new());
    for (name, _, address) in job.sections.iter().filter(|(n, _, _)| !matches!(n.as_str(), ".modinfo" | "__versions")) {
        writeln!(sections, "{name} {address:#x}")?;
    }
    for (name, value) in &job.symbols {
        writeln!(symbols, "{value:016x} T {name}")?;
    }
    std::fs::write(dir.path().join("sections"), sections)?;
    std::fs::write(dir.path().join("System.map"), symbols)?;
    let mut ours = Command::new(relobox);
    ours.arg("link").arg(path).arg("--symbols").arg(dir.path().join("System.map"));
    ours.arg("--sections").arg(dir.path().join("sections")).arg("-o").arg(dir.path().join("out.elf"));
    let mut commands = vec![ours];
    let mut installed = [false; 3];
    let others = [bfd::available(job.arch), lld::available(), jitlink::available()];
    for (i, there) in others.into_iter().enumerate().filter(|(_, there)| *there) {
        installed[i] = there;
        let sub = dir.path().join(i.to_string());
        std::fs::create_dir(&sub)?;
        commands.push(match i {
            0 => bfd::command(&job, &sub)?,
            1 => lld::command(&job, &sub)?,
            _ => jitlink::command(&job, &sub)?,
        });
    }
    let times = alternate(&mut commands, runs)?;
    let mut row = vec![name(path), show(times[0])];
    let mut rest = times[1..].iter();
    for there in installed {
        row.push(if there { rest.next().map_or_else(String::new, |t| show(*t)) } else { "-".into() });
    }
    row.push(times[1..].iter().min().map_or_else(|| "-".into(), |fastest| ratio(*fastest, times[0])));
    Ok(row)
}

/// Runs each command in turn, `runs` times after one warm-up, and returns the medians.
fn alternate(commands: &mut [Command], runs: usize) -> Result<Vec<Duration>> {
    let mut times = vec![Vec::new(); commands.len()];
    for run in 0..=runs {
        for (command, times) in commands.iter_mut().zip(&mut times) {
            let start = Instant::now();
            let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
            let took = start.elapsed();
            ensure!(status.success(), "{command:?} failed: {status}");
            if run != 0 {
                times.push(took);
            }
        }
    }
    Ok(times
        .into_iter()
        .map(|mut t| {
            t.sort_unstable();
            t[t.len() / 2]
        })
        .collect())
}
