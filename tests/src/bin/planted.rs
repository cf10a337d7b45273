//! Measures how long the fuzzer takes to find each planted bug from an empty corpus: the tables of
//! `docs/planted-bugs.md`.
//!
//! ```text
//! planted [--relobox PATH] [--seconds N] [--seeds N] [--write] [NAME...]
//! ```
//!
//! Without names, all bugs are measured, and then the correct plugins, which must have no findings. `--write` puts the
//! tables into the page. Campaigns run one at a time on one core; nothing else should run meanwhile.

use anyhow::{Context as _, Result, bail};
use relobox::text::thousands;
use relobox_tests::planted::{self, Bug, PlantedBugs};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PAGE: &str = "docs/planted-bugs.md";

struct Options {
    relobox: PathBuf,
    seconds: u64,
    seeds: u64,
    write: bool,
    names: Vec<String>,
}

/// The result of one campaign.
struct Campaign {
    /// Seconds until the first finding, if there was one.
    after: Option<f64>,
    /// The oracle of the first finding.
    first: String,
    /// The total number of executions.
    executions: u64,
    /// Executions per second.
    rate: u64,
    findings: usize,
}

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a workspace")?;
    let mut options = Options {
        relobox: root.join("target/release/relobox"),
        seconds: 60,
        seeds: 5,
        write: false,
        names: Vec::new(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--relobox" => options.relobox = value()?.into(),
            "--seconds" => options.seconds = value()?.parse()?,
            "--seeds" => options.seeds = value()?.parse()?,
            "--write" => options.write = true,
            name if !name.starts_with('-') => options.names.push(name.to_owned()),
            other => bail!("unknown option {other}"),
        }
    }
    let planted = PlantedBugs::read();
    let chosen = |name: &str| options.names.is_empty() || options.names.iter().any(|n| n == name);

    let mut found =
        String::from("| bug | in | found in | after | executions | first seen by |\n|---|---|---|---|---|---|\n");
    let mut missed = 0;
    for bug in planted.bugs.iter().filter(|bug| chosen(&bug.name)) {
        let campaigns: Vec<_> =
            (1..=options.seeds).map(|seed| fuzz(root, &options, &bug.name, Some(bug), seed)).collect::<Result<_>>()?;
        let line = row(bug, &campaigns);
        missed += campaigns.iter().filter(|c| c.after.is_none()).count();
        println!("{line}");
        found += &line;
        found.push('\n');
    }
    let mut nothing =
        String::from("| correct plugin | time | executions | a second | findings |\n|---|---|---|---|---|\n");
    let mut wrong = 0;
    for twin in planted.plugins.iter().filter(|twin| chosen(&twin.name)) {
        let c = fuzz(root, &options, &twin.name, None, 1)?;
        wrong += c.findings;
        let line = format!(
            "| {} | {} s | {} | {} | {} |",
            twin.name,
            options.seconds,
            thousands(c.executions),
            thousands(c.rate),
            if c.findings == 0 { "none".to_owned() } else { format!("**{}**: {}", c.findings, c.first) }
        );
        println!("{line}");
        nothing += &line;
        nothing.push('\n');
    }
    if options.write {
        if !options.names.is_empty() {
            bail!("--write is for whole tables");
        }
        planted::write_table(&root.join(PAGE), "found", &found)?;
        planted::write_table(&root.join(PAGE), "nothing", &nothing)?;
    }
    if missed + wrong > 0 {
        bail!("{missed} campaigns found nothing where a bug is, {wrong} findings where none is");
    }
    Ok(())
}

/// Runs one campaign from an empty corpus on one core.
fn fuzz(root: &Path, options: &Options, name: &str, bug: Option<&Bug>, seed: u64) -> Result<Campaign> {
    let dir = tempfile::tempdir()?;
    let wasm = |name: &str| root.join(format!("tests/planted/wasm/{name}.wasm"));
    let mut command = Command::new(&options.relobox);
    command.arg("fuzz").arg(wasm(name)).args(["--jobs", "1", "--seed", &seed.to_string()]);
    command.args(["--time", &format!("{}s", options.seconds)]).arg("--out").arg(dir.path());
    if let Some(bug) = bug {
        command.arg("--first");
        if bug.against {
            command.arg("--against").arg(wasm(&bug.twin));
        }
    }
    let output = command.stdin(Stdio::null()).output().context("relobox fuzz")?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Exit code 1 means findings.
    if !matches!(output.status.code(), Some(0 | 1)) {
        bail!("{command:?}: {}\n{stdout}{stderr}", output.status);
    }
    let mut findings = findings(dir.path())?;
    findings.sort_by(|a, b| a.after.total_cmp(&b.after));
    if findings.is_empty() != (output.status.code() == Some(0)) {
        bail!("{command:?}: {} findings, and {}\n{stdout}", findings.len(), output.status);
    }
    let (executions, rate) = executions(&stdout).with_context(|| format!("no number of executions in {stdout:?}"))?;
    // A finding must not occur in the correct plugin as well.
    if let (Some(bug), Some(first)) = (bug, findings.first()) {
        let mut replay = Command::new(&options.relobox);
        replay.arg("fuzz").arg(wasm(&bug.twin)).arg("--replay").arg(&first.file);
        let output = replay.stdin(Stdio::null()).output().context("relobox fuzz --replay")?;
        if output.status.code() != Some(0) {
            let (text, said) = (std::fs::read_to_string(&first.file)?, String::from_utf8_lossy(&output.stdout));
            eprintln!("{name}, seed {seed}: this is found in {} too: {said}\n{text}", bug.twin);
            findings.clear();
        }
    }
    let first = findings.first();
    Ok(Campaign {
        after: first.map(|f| f.after),
        first: first.map_or_else(String::new, |f| f.oracle.clone()),
        executions,
        rate,
        findings: findings.len(),
    })
}

/// A finding, as read from its file.
struct Finding {
    /// Seconds after the start.
    after: f64,
    oracle: String,
    file: PathBuf,
}

fn findings(dir: &Path) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let file = entry?.path();
        if file.is_dir() {
            found.extend(findings(&file)?);
            continue;
        }
        let text = std::fs::read_to_string(&file)?;
        let remarks: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        let says = |key: &str| remarks.iter().find_map(|r| r.strip_prefix(key)).map(str::to_owned);
        let after = remarks.iter().find_map(|r| r.rsplit_once(" after ")?.1.strip_suffix(" s")?.parse().ok());
        if let (Some(after), Some(oracle)) = (after, says("oracle ")) {
            found.push(Finding { after, oracle, file });
        }
    }
    Ok(found)
}

/// Parses `12 s: 600,000 executions (50,000/s), …` into executions and executions per second.
fn executions(said: &str) -> Option<(u64, u64)> {
    let words: Vec<_> = said.split_whitespace().collect();
    let at = words.iter().rposition(|word| *word == "executions")?;
    let number = |word: &str| word.replace(',', "").parse().ok();
    Some((number(words.get(at.checked_sub(1)?)?)?, number(words.get(at + 1)?.strip_prefix('(')?.split('/').next()?)?))
}

fn row(bug: &Bug, campaigns: &[Campaign]) -> String {
    let hits = campaigns.iter().filter(|c| c.after.is_some()).count();
    // A campaign without a finding counts as infinitely long.
    let mut times: Vec<_> = campaigns.iter().map(|c| c.after.unwrap_or(f64::INFINITY)).collect();
    times.sort_by(f64::total_cmp);
    let mut executions: Vec<_> = campaigns.iter().map(|c| c.executions).collect();
    executions.sort_unstable();
    let median = times[times.len() / 2];
    let after = if median.is_finite() { format!("{median:.1} s") } else { "never".to_owned() };
    let oracles: BTreeSet<_> = campaigns.iter().map(|c| c.first.as_str()).filter(|o| !o.is_empty()).collect();
    format!(
        "| `{}` | {}{} | {hits} of {} | {after} | {} | {} |",
        bug.name,
        bug.twin,
        if bug.against { ", beside the correct one" } else { "" },
        campaigns.len(),
        thousands(executions[executions.len() / 2]),
        oracles.into_iter().collect::<Vec<_>>().join(", ")
    )
}
