//! Builds the mutants of `tests/planted/mutants.txt`, and tries whether the conformance kit and the fuzzer find their
//! bugs: the table of `docs/planted-bugs.md`.
//!
//! ```text
//! mutants [--fuzz SECONDS] [--write] [--sample COUNT SEED] [NAME...]
//! ```
//!
//! Without names, all mutants are tried, or as many as `--sample` says. `--fuzz` also fuzzes those that the kit does not find, one seed each, with
//! `target/release/relobox-fuzz`. `--write` puts the table into the page. It fails if anything differs from the list.

use anyhow::{Context as _, Result, bail, ensure};
use relobox::guests::Plugin;
use relobox::kit::{PluginUnderTest, Selection, run_checks};
use relobox::plugin_file::Origin;
use relobox::rng::Rng;
use relobox::sandbox::Sandbox;
use relobox_tests::mutants::Mutant;
use relobox_tests::planted::write_table;
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PAGE: &str = "docs/planted-bugs.md";

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a workspace")?;
    let (mut seconds, mut write, mut names) = (0u64, false, BTreeSet::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--fuzz" => seconds = args.next().context("--fuzz needs a number of seconds")?.parse()?,
            "--write" => write = true,
            "--sample" => {
                let mut number =
                    || args.next().context("--sample needs a count and a seed")?.parse().context("a number");
                let (count, seed): (u64, u64) = (number()?, number()?);
                let (mut rng, all) = (Rng::new(seed), Mutant::all());
                while names.len() < all.len().min(usize::try_from(count)?) {
                    names.extend(rng.pick(&all).map(|mutant| mutant.name.clone()));
                }
            }
            name if !name.starts_with('-') => drop(names.insert(arg)),
            other => bail!("unknown option {other}"),
        }
    }
    let tree = copy(root)?;
    let (mut table, mut wrong) =
        (String::from("| mutant | what is wrong | found by | checks |\n|---|---|---|---|\n"), Vec::new());
    let all = Mutant::all();
    for mutant in all.iter().filter(|mutant| names.is_empty() || names.contains(&mutant.name)) {
        let wasm = build(&tree, root, mutant)?;
        let groups = failing_groups(&mutant.name, &wasm)?;
        let found = match groups.is_empty() {
            false => "kit",
            true if seconds != 0 && fuzz(root, &wasm, &mutant.name, seconds)? => "fuzzer",
            // Without fuzzing, the list is believed.
            true if seconds == 0 && mutant.found == "fuzzer" => "fuzzer",
            true => "vectors",
        };
        if found != mutant.found {
            wrong.push(format!("{}: found by {found}, the list says {}", mutant.name, mutant.found));
        }
        let groups = groups.into_iter().collect::<Vec<_>>().join(", ");
        let line = format!("| `{}` | {} | {found} | {groups} |", mutant.name, mutant.what);
        println!("{line}");
        table += &line;
        table.push('\n');
    }
    if write {
        ensure!(names.is_empty(), "--write is for the whole table");
        write_table(&root.join(PAGE), "mutants", &table)?;
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Makes a tree in which plugins can be changed: everything is a link but `arch-plugins`.
fn copy(root: &Path) -> Result<PathBuf> {
    let tree = root.join("target/mutants");
    std::fs::create_dir_all(&tree)?;
    for entry in std::fs::read_dir(root)? {
        let (from, name) = {
            let entry = entry?;
            (entry.path(), entry.file_name())
        };
        let to = tree.join(&name);
        if name == "arch-plugins" {
            if to.exists() {
                std::fs::remove_dir_all(&to)?;
            }
            let copied = Command::new("cp").arg("-a").args([&from, &to]).status()?;
            ensure!(copied.success(), "cp {}", from.display());
        } else if name != "target" && name != ".git" && to.symlink_metadata().is_err() {
            symlink(&from, &to)?;
        }
    }
    Ok(tree)
}

/// Builds a mutant and returns the path of its Wasm.
fn build(tree: &Path, root: &Path, mutant: &Mutant) -> Result<PathBuf> {
    let path = tree.join(mutant.path());
    std::fs::write(&path, mutant.source(root)?)?;
    // `--check` leaves the shipped guest as it is, and fails since this one differs.
    let output = Command::new("scripts/build-guests").args(["--check", &mutant.plugin]).current_dir(tree).output()?;
    std::fs::copy(root.join(mutant.path()), &path)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let text = || format!("{}: {said}{}", mutant.name, String::from_utf8_lossy(&output.stderr));
    ensure!(said.contains("DIFFERS") || said.contains("same bytes"), text());
    let built = tree.join(format!("target/guests-check/{}.wasm", mutant.plugin));
    let wasm = tree.join(format!("target/{}.wasm", mutant.name));
    std::fs::rename(&built, &wasm).with_context(text)?;
    let shipped = std::fs::read(root.join(format!("host/guests/{}.wasm", mutant.plugin)))?;
    ensure!(std::fs::read(&wasm)? != shipped, "{}: the change changes nothing", mutant.name);
    Ok(wasm)
}

/// Returns the groups of the kit in which a check fails.
fn failing_groups(name: &str, wasm: &Path) -> Result<BTreeSet<&'static str>> {
    let plugin = Plugin::describe(Sandbox::new(None)?.load(name, &std::fs::read(wasm)?)?, Origin::File(wasm.into()))?;
    let under_test = PluginUnderTest::new(&plugin);
    let report = run_checks(&under_test, Selection::default(), &mut |_, _| {});
    Ok(report.checks.iter().filter(|check| check.failed != 0).map(|check| check.group.as_str()).collect())
}

/// Fuzzes a mutant from an empty corpus on one core, and returns whether there is a finding.
fn fuzz(root: &Path, wasm: &Path, name: &str, seconds: u64) -> Result<bool> {
    let out = tempfile::tempdir()?;
    let mut command = Command::new(root.join("target/release/relobox-fuzz"));
    command.arg(wasm).args(["--jobs", "1", "--seed", "1", "--first", "--time", &format!("{seconds}s")]);
    let output = command.arg("--out").arg(out.path()).stdin(Stdio::null()).output().context("relobox-fuzz")?;
    match output.status.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => bail!("{name}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
    }
}
