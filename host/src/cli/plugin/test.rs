//! `relobox plugin test`: runs the conformance kit.

use super::report::{self, TestReport};
use crate::cli::common::{self, Common};
use crate::cli::output;
use clap::Args;
use relobox::files::{self, Kind};
use relobox::guests::Plugin;
use relobox::kit::agree::check_same_machine;
use relobox::kit::oracle::{OracleContext, check_expected};
use relobox::kit::{Check, Group, PluginUnderTest, Reproducer, Selection, TestCase, junit, run_checks};
use relobox::{Error, Result, limits};
use relobox_cli::args::{input_file, is_stdout, output_file};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Test a plugin with the conformance kit
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox plugin test mine.wasm
  relobox plugin test mine.wasm --against riscv64 --junit report.xml
  relobox plugin test riscv64 --filter vectors
  relobox plugin test mine.wasm --replay relobox-failures/vectors-CALL26-bytes.case

All test cases are derived from the plugin's own description (see docs/conformance.md).

Exit codes:
  0  every check passed
  1  a check failed
  2  wrong usage
  3  the plugin cannot be used at all")]
pub(crate) struct TestArgs {
    /// A .wasm file, or the name of a plugin
    plugin: String,
    /// A second plugin that must agree on every module: a file or a name
    #[arg(long, value_name = "PLUGIN")]
    against: Option<String>,
    /// Recorded test cases whose outcome must not change (*.case)
    #[arg(long, value_name = "DIR")]
    vectors: Option<PathBuf>,
    /// Write every derived test case here, with its outcome
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Write a minimised test case of each failure here
    #[arg(long, value_name = "DIR", default_value = "relobox-failures")]
    failures: PathBuf,
    /// Write a report as JUnit XML; - is standard output, instead of the text
    #[arg(long, value_name = "FILE", value_parser = output_file())]
    junit: Option<PathBuf>,
    /// Run only checks whose GROUP/NAME contains this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// List the checks without running them
    #[arg(long)]
    list: bool,
    /// Check a single test case again; - is standard input
    #[arg(long, value_name = "FILE", value_parser = input_file(), conflicts_with_all = ["list", "record", "vectors", "junit"])]
    replay: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(super) fn run(args: TestArgs) -> Result<ExitCode> {
    if args.common.json && is_stdout(args.junit.as_ref()) {
        return Err(Error::Usage("--json and --junit - both print on standard output".into()));
    }
    let (plugin, against) = plugins(&args)?;
    if let (Some(against), Some(named)) = (&against, &args.against) {
        check_same_machine(&plugin, against, named)?;
    }
    let under_test = PluginUnderTest::new(&plugin);
    if let Some(file) = &args.replay {
        return replay(&args, &under_test, against.as_deref(), file);
    }
    let wanted = Selection { filter: args.filter.as_deref(), against: against.as_deref(), names_only: args.list };
    let begun = Instant::now();
    let mut unwritten = None;
    let mut record = |name: &str, test_case: TestCase| {
        if let (Some(dir), None) = (&args.record, &unwritten) {
            unwritten = write(dir, &file_name(name), &test_case.to_string()).err();
        }
    };
    let mut all = run_checks(&under_test, wanted, &mut record);
    if let Some(error) = unwritten {
        return Err(error);
    }
    if let Some(dir) = &args.vectors {
        for (name, test_case) in read_all(dir)? {
            let check = Check::test_case(&under_test, &name, &test_case);
            if args.filter.as_ref().is_none_or(|filter| check.full_name().contains(filter)) {
                all.checks.push(if args.list { Check::new(Group::Recorded, &name) } else { check });
            }
        }
    }
    if all.checks.is_empty() {
        return Err(Error::Usage("no check matches the filter: see --list".into()));
    }
    if args.list {
        report::list(&all, args.common.json);
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = TestReport::of(&under_test, &all);
    for (check, of) in report.checks.iter_mut().zip(&all.checks) {
        for (report_line, failure) in check.failures.iter_mut().zip(&of.failures) {
            let file = match (&failure.reproducer, of.group, &args.vectors) {
                (Some((oracle, module)), ..) => {
                    let full = format!("{}-{}", of.full_name(), failure.diagnostic.kind.as_str());
                    let made = Reproducer::new(&of.full_name(), &failure.diagnostic, oracle.clone(), module.clone());
                    Some(write(&args.failures, &file_name(&full), &made.to_string())?)
                }
                (None, Group::Recorded, Some(dir)) => Some(dir.join(&of.name)),
                _ => None,
            };
            if let Some(file) = file {
                report_line.replay = Some(command(&args, &file));
                report_line.file = Some(file.display().to_string());
            }
        }
    }
    if let Some(file) = &args.junit {
        let text = junit(&plugin.about.name, &all, begun.elapsed().as_secs_f64());
        files::write(file, files::PUBLIC, text.as_bytes())?;
    }
    if args.common.json {
        output::json(&report);
    } else if !is_stdout(args.junit.as_ref()) {
        report.print();
    }
    Ok(ExitCode::from(u8::from(!all.passed())))
}

/// Loads the plugin and the second plugin.
fn plugins(args: &TestArgs) -> Result<(Arc<Plugin>, Option<Arc<Plugin>>)> {
    let mut plugins = args.common.plugins(false)?;
    let first = plugins.one(&args.plugin, None)?;
    let second = args.against.as_ref().map(|named| plugins.one(named, None)).transpose()?;
    let guests = common::guests_of(plugins)?;
    let load = |digest| {
        let missing = || Error::Usage(format!("there is no plugin {:?}", args.plugin));
        guests.by_digest(digest)?.map(Arc::clone).ok_or_else(missing)
    };
    Ok((load(&first)?, second.as_ref().map(load).transpose()?))
}

/// Returns the command that replays a failure.
fn command(args: &TestArgs, file: &Path) -> String {
    let dirs = args.common.plugin_dir.iter().map(|dir| format!(" --plugin-dir {}", quoted(&dir.display().to_string())));
    let against = args.against.iter().map(|named| format!(" --against {}", quoted(named)));
    let options: String = dirs.chain(against).collect();
    let (plugin, file) = (quoted(&args.plugin), quoted(&file.display().to_string()));
    format!("relobox plugin test {plugin}{options} --replay {file}")
}

/// Quotes a word for the shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%".contains(c);
    if word.chars().all(plain) && !word.is_empty() {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn file_name(full: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' };
    format!("{}.case", full.chars().map(plain).take(limits::CASE_NAME).collect::<String>())
}

fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    fs::create_dir_all(dir).map_err(Error::io(dir))?;
    let path = dir.join(name);
    files::write(&path, files::PUBLIC, text.as_bytes())?;
    Ok(path)
}

/// Reads a test case, up to [`limits::CASE`] bytes. The file may be hostile.
fn read(path: &Path, kind: Kind) -> Result<String> {
    files::read_text(path, kind, limits::CASE as u64)
}

fn unreadable(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::Usage(format!("{}: {error}", path.display()))
}

/// Reads every `*.case` file of a directory, sorted by name.
fn read_all(dir: &Path) -> Result<Vec<(String, TestCase)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let path = entry.map_err(Error::io(dir))?.path();
        if path.extension().is_some_and(|e| e == "case") {
            let test_case = read(&path, Kind::Regular)?.parse().map_err(|error| unreadable(&path, error))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            all.push((name, test_case));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

fn replay(
    args: &TestArgs,
    under_test: &PluginUnderTest<'_>,
    against: Option<&Plugin>,
    file: &Path,
) -> Result<ExitCode> {
    let made: Reproducer = read(file, Kind::Pipe)?.parse().map_err(|error| unreadable(file, error))?;
    let context = OracleContext { under_test, against };
    let mut outcome = made.oracle.check(&context, &made.test_case.module);
    if let (Ok(()), Some(expected)) = (&outcome, &made.test_case.expected) {
        outcome = check_expected(expected, &under_test.run(&made.test_case.module).outcome);
    }
    report::replayed(&made, outcome.err(), args.common.json)
}
