//! kmod 34's own tests, for relobox-kmod called as modprobe, insmod, rmmod and lsmod.
//!
//! kmod itself runs beside it, so that a mistake of this driver is not taken for one of relobox. docs/kmod-tests.md has
//! the results; `RELOBOX_BLESS=1` writes it.

mod cases;
mod jail;

use anyhow::{Context, Result, ensure};
use cases::{CASES, Case, OTHERS, Output};
use jail::{Jail, Kernel, ORACLE, Ran, Tool};
use relobox_needs::{ExitCode, Need, programs, root, test, tool};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn main() -> ExitCode {
    let needs = || [oracle(), programs(), root(), tool("strace"), tool("unshare")];
    relobox_needs::run([
        test!(every_test_of_kmod_is_accounted_for).needs([oracle()]),
        test!(the_test_suite_of_kmod).needs(needs()),
        test!(messages_are_those_of_kmod).needs(needs()),
    ])
}

/// kmod 34, which `tests/scripts/fetch-kmod` fetches.
fn oracle() -> Need {
    let there = Path::new(ORACLE).join("complete").exists();
    Need::new("kmod-34", there.then_some(()).ok_or_else(|| "tests/scripts/fetch-kmod".to_owned()))
}

fn suite() -> PathBuf {
    Path::new(ORACLE).join("source/testsuite")
}

/// The names of the tests in each file.
fn tests_of_kmod() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(suite())? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("test-") || path.extension().is_none_or(|e| e != "c") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let definitions = text.split("DEFINE_TEST").skip(1);
        let names = definitions.filter_map(|rest| {
            let rest = rest.strip_prefix("_WITH_FUNC").unwrap_or(rest).strip_prefix('(')?.trim_start();
            rest.split([',', ')']).next().map(|name| name.trim().to_owned())
        });
        all.entry(name).or_default().extend(names);
    }
    Ok(all)
}

fn every_test_of_kmod_is_accounted_for() -> Result<()> {
    let (mut known, mut whole) = (BTreeSet::new(), BTreeSet::new());
    known.extend(CASES.iter().map(|case| case.test));
    for (file, name, _) in OTHERS {
        if *name == "*" {
            whole.insert(*file)
        } else {
            known.insert((*file, *name))
        };
    }
    let mut found = BTreeSet::new();
    for (file, names) in &tests_of_kmod()? {
        for name in names.iter().filter(|_| !whole.contains(&**file)) {
            ensure!(known.contains(&(&**file, &**name)), "{file}: {name} is not in cases.rs");
            found.insert((file.clone(), name.clone()));
        }
    }
    ensure!(found.len() == known.len(), "cases.rs has tests that kmod does not have");
    Ok(())
}

/// The modules that kmod's test suite puts into its directories: `["DIRECTORY$MODULE_DIRECTORY/…"]="mod-simple.ko"`.
fn placed() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(ORACLE).join("source/scripts/setup-rootfs.sh"))?;
    let line = |line: &str| {
        let (place, module) = line.trim().strip_prefix("[\"")?.split_once("\"]=\"")?;
        let place = place.replace("$MODULE_DIRECTORY", "/lib/modules");
        let module = module.trim_end_matches('"');
        Some(if place.ends_with('/') { format!("{place}{module}") } else { place })
    };
    Ok(text.lines().filter_map(line).collect())
}

fn kernel(case: &Case) -> Kernel {
    // finit_module(2) is newer than 3.3.
    Kernel { release: case.release, by_file: !case.release.starts_with("3.3."), unknown: case.unknown }
}

/// Runs a case, and returns what is wrong.
fn run(case: &Case, tool: Tool, placed: &[String]) -> Result<(Ran, Vec<String>)> {
    let rootfs = suite().join("rootfs-pristine").join(case.rootfs);
    let jail =
        Jail::new(Some(&rootfs).filter(|path| !case.rootfs.is_empty() && path.exists()).map(|p| &**p), case.release)?;
    for place in placed {
        if let Some(path) = place.strip_prefix(case.rootfs).filter(|path| path.starts_with('/')) {
            // A module that is forced is for another kernel.
            jail.module(path, if case.forced { "0.1" } else { case.release })?;
        }
    }
    for name in case.modules {
        jail.module(&format!("/lib/modules/{}/kernel/{name}.ko", case.release), case.release)?;
    }
    if !case.modules.is_empty() {
        jail.index(case.release)?;
    }
    let ran = jail.run(tool, &kernel(case), case.directory, case.command)?;
    let wrong = judge(case, &ran)?;
    Ok((ran, wrong))
}

fn judge(case: &Case, ran: &Ran) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let mut expect = |what: &str, good: bool| {
        if !good {
            wrong.push(what.to_owned());
        }
    };
    expect("exit code", ran.code == case.code);
    let file =
        |name: &str| std::fs::read_to_string(suite().join("rootfs-pristine").join(name)).context(name.to_owned());
    expect(
        "output",
        match case.out {
            Output::Any => true,
            Output::Lines(lines) => sorted(&ran.out) == lines.iter().map(|l| (*l).to_owned()).collect::<BTreeSet<_>>(),
            Output::File(name) => trimmed(&ran.out) == trimmed(&file(name)?),
            Output::Hexadecimal(name) => {
                let rest = |line: &str| line.split_once('\t').map(|(_, rest)| rest.to_owned());
                let numbers = |line: &str| {
                    line.split_once('\t').is_some_and(|(number, _)| {
                        number
                            .strip_prefix("0x")
                            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_hexdigit()))
                    })
                };
                let wanted: Vec<_> = file(name)?.lines().map(rest).collect();
                ran.out.lines().all(numbers) && ran.out.lines().map(rest).collect::<Vec<_>>() == wanted
            }
        },
    );
    if let Some(endings) = case.err {
        let lines: Vec<&str> = ran.err.lines().collect();
        let good = lines.len() == endings.len() && lines.iter().zip(endings).all(|(line, end)| line.ends_with(end));
        expect("messages", good);
    }
    expect("loaded modules", ran.loaded.iter().map(|(name, _)| name.as_str()).eq(case.loaded.iter().copied()));
    expect("removed modules", ran.removed.iter().map(String::as_str).eq(case.removed.iter().copied()));
    let flags = |flags: &str| flags.contains("IGNORE_MODVERSIONS") && flags.contains("IGNORE_VERMAGIC");
    expect("flags", ran.loaded.iter().all(|(_, given)| flags(given) == case.forced));
    Ok(wrong)
}

fn trimmed(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

fn sorted(text: &str) -> BTreeSet<String> {
    trimmed(text).into_iter().map(str::to_owned).collect()
}

fn the_test_suite_of_kmod() -> Result<()> {
    let placed = placed()?;
    let (mut failures, mut rows) = (Vec::new(), Vec::new());
    for case in CASES {
        let (file, name) = case.test;
        let mut told = Vec::new();
        for tool in [Tool::Kmod, Tool::Relobox] {
            let (ran, wrong) = run(case, tool, &placed).with_context(|| format!("{name}, {tool:?}"))?;
            let differs = case.differs.filter(|_| tool == Tool::Relobox);
            match (wrong.is_empty(), differs) {
                (true, Some(_)) => failures.push(format!("{file}: {name}: passes; cases.rs says that it does not")),
                (false, None) => {
                    failures.push(format!("{file}: {name}: {tool:?}: {}\n{ran:#?}", wrong.join(", ")));
                }
                _ => {}
            }
            told.push(if wrong.is_empty() { "passes" } else { "differs" });
        }
        let remark = case.differs.unwrap_or(case.stands_for);
        rows.push(format!("| {file} | {name} | `{}` | {} | {} | {remark} |", case.command.join(" "), told[0], told[1]));
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    hold(&page(&rows))
}

fn page(rows: &[String]) -> String {
    let mut page = String::from(HEAD);
    page.push_str(&rows.join("\n"));
    page.push_str(
        "\n\n## Tests without a command of these programs\n\n| file | tests | what they are |\n|---|---|---|\n",
    );
    for (file, name, why) in OTHERS {
        let names = if *name == "*" { "all" } else { name };
        page.push_str(&format!("| {file} | {names} | {why} |\n"));
    }
    page
}

const HEAD: &str = "\
# kmod's tests

<!-- made by: RELOBOX_BLESS=1 cargo test -p relobox-tests --test kmod_suite -->

The tests of kmod 34, and what relobox-kmod does in them when it is called as modprobe, insmod, rmmod or lsmod
(`tests/tests/kmod_suite`). kmod itself runs in the same way.

kmod's test suite replaces calls of the C library by `LD_PRELOAD`, and relobox-kmod is static. Here, the directory of the
test is the program's root directory, strace answers uname(2), finit_module(2), init_module(2) and
delete_module(2) in the kernel's place, and small modules of our own stand for those of kmod, which need a kernel's
sources to be built. relobox links them in its sandbox before it hands them over. A test that calls libkmod has the
command that does the same; the last column says what it shows.

| file | test | command | kmod 34 | relobox | |
|---|---|---|---|---|---|
";

/// docs/kmod-tests.md is this page; or, when blessing, it is from now on.
fn hold(page: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kmod-tests.md");
    if std::env::var_os("RELOBOX_BLESS").is_some() {
        return Ok(std::fs::write(path, page)?);
    }
    ensure!(std::fs::read_to_string(&path)? == page, "docs/kmod-tests.md is stale: RELOBOX_BLESS=1 writes it");
    Ok(())
}

/// Command lines that fail, or say what would be done: standard output, standard error and exit code are kmod's.
const ALIKE: &[&[&str]] = &[
    &["modprobe"],
    &["modprobe", "-Z"],
    &["modprobe", "--foo"],
    &["modprobe", "--sho", "x"],
    &["modprobe", "--show-m"],
    &["modprobe", "-C"],
    &["modprobe", "--config"],
    &["modprobe", "--all=3"],
    &["modprobe", "-w", "3x", "-r", "x"],
    &["modprobe", "nope"],
    &["modprobe", "-q", "nope"],
    &["modprobe", "-v", "nope", "n=1"],
    &["modprobe", "-a", "nope", "nope2"],
    &["modprobe", "-R", "nope"],
    &["modprobe", "-R", "b-alias"],
    &["modprobe", "-r", "nope"],
    &["modprobe", "-ra", "nope", "nope2"],
    &["modprobe", "-qr", "nope"],
    &["modprobe", "-D", "b", "n=1", "text=a b"],
    &["modprobe", "-D", "b-alias"],
    &["modprobe", "-nv", "b"],
    &["modprobe", "-n", "b"],
    &["modprobe", "-anv", "a", "b", "nope"],
    &["modprobe", "-D", "there"],
    &["modprobe", "-nv", "there"],
    &["modprobe", "--first-time", "-n", "there"],
    &["modprobe", "-r", "there"],
    &["modprobe", "-r", "a"],
    &["modprobe", "--first-time", "-r", "a"],
    &["modprobe", "-rnv", "a"],
    &["modprobe", "-bD", "dark"],
    &["modprobe", "-bnv", "dark"],
    &["modprobe", "-D", "dark-alias"],
    &["modprobe", "-nv", "dark-alias"],
    &["modprobe", "-nv", "disabled"],
    &["modprobe", "-inv", "disabled"],
    &["modprobe", "-D", "soft"],
    &["modprobe", "-d", "/nowhere", "a"],
    &["modprobe", "-d", "/", "-D", "a"],
    &["modprobe", "-S", "1.2", "a"],
    &["modprobe", "-C", "/etc/other", "-D", "a"],
    &["modprobe", "-C", "/etc/other.conf", "-C", "/etc/other", "-D", "a"],
    &["modprobe", "/nope.ko"],
    &["modprobe", "./nope.ko"],
    &["modprobe", "-nv", "/lib/modules/6.1/kernel/b.ko", "n=1"],
    &["insmod"],
    &["insmod", "-"],
    &["insmod", "--fo"],
    &["insmod", "/nope.ko"],
    &["insmod", "-Z"],
    &["rmmod"],
    &["rmmod", "a", "nope-x", "nope.ko"],
    &["rmmod", "there"],
    &["rmmod", "--forc"],
    &["rmmod", "/lib/modules/6.1/kernel/a.ko"],
    &["lsmod", "x"],
    &["lsmod", "-Z"],
    &["lsmod"],
];

const CONFIGURED: &str = "\
alias b-alias b
alias dark-al* dark
blacklist dark
options b first=1
options b-alias second=2
install disabled /bin/false
softdep soft pre: a nothing post: b
remove kept /bin/true x
";

fn messages_are_those_of_kmod() -> Result<()> {
    let kernel = Kernel { release: "6.1", by_file: true, unknown: false };
    let jail = Jail::new(None, kernel.release)?;
    for name in ["a", "b", "dark", "disabled", "soft"] {
        jail.module(&format!("/lib/modules/6.1/kernel/{name}.ko"), kernel.release)?;
    }
    jail.write("/lib/modules/6.1/modules.builtin", "kernel/fs/there.ko\n")?;
    jail.index(kernel.release)?;
    jail.write("/etc/modprobe.d/a.conf", CONFIGURED)?;
    jail.write("/etc/other/b.conf", "options a fifth=5\n")?;
    jail.write("/etc/other.conf", "options a sixth=6\n")?;
    jail.write("/proc/cmdline", "ro quiet b.third=3 modprobe.blacklist=q_1,q2\n")?;
    let mut failures = Vec::new();
    for command in ALIKE {
        let (kmod, own) =
            (jail.run(Tool::Kmod, &kernel, "/", command)?, jail.run(Tool::Relobox, &kernel, "/", command)?);
        if kmod != own {
            failures.push(format!("{}: kmod {kmod:#?}\nrelobox {own:#?}", command.join(" ")));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
