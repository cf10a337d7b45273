//! `relobox fuzz`: searches for inputs that a guest handles incorrectly.

use crate::corpus::CorpusDir;
use crate::driver::{CampaignOptions, Progress, Summary};
use crate::engine::EngineTarget;
use crate::engine::unpacker::UnpackerTarget;
use crate::findings::Finding;
use crate::plugin::{ModuleInput, PluginTarget};
use crate::target::{FuzzTarget, Suspicion};
use crate::{corpus, coverage, driver, findings, jobs, report};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use relobox_cli::output;
use relobox_core::error::{Error, Result};
use relobox_core::files;
use relobox_core::text::thousands;
use relobox_guests as built_in;
use relobox_kit::agree::check_same_machine;
use relobox_kit::{Outcome, TestCase};
use relobox_link::cache::Cache;
use relobox_link::guests::Plugin;
use relobox_link::sandbox::Sandbox;
use relobox_plugins::plugin_file::{Origin, PluginFile};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Fuzz a plugin, the engine or the unpacker: coverage-guided, without its source
///
/// The guest is instrumented to count the edges that it takes. Inputs are made-up modules. A suspicious input is
/// reproduced on the original guest, minimised, and stored as a file.
#[derive(Debug, Parser)]
#[command(name = "relobox-fuzz", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct FuzzArgs {
    /// The plugin: a file, or the name of a built-in one
    #[arg(required_unless_present_any = ["engine", "unpack"])]
    pub plugin: Option<String>,
    /// Fuzz the engine instead, with whole modules
    #[arg(long, conflicts_with_all = ["plugin", "unpack", "against", "vectors", "no_comparisons"])]
    pub engine: bool,
    /// Fuzz the unpacker instead, with packed files
    #[arg(long, conflicts_with_all = ["plugin", "against", "vectors", "no_comparisons"])]
    pub unpack: bool,
    /// Begin with the inputs in this directory, and add those with new coverage
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
    /// Write findings here, one file for each
    #[arg(long, value_name = "DIR", default_value = "fuzz-findings")]
    pub out: PathBuf,
    /// Number of processes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub jobs: usize,
    /// Stop after this time: 90, 90s, 5m, 1h; otherwise on Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    /// Stop after this many executions
    #[arg(long, value_name = "N")]
    pub executions: Option<u64>,
    /// Stop with the first finding
    #[arg(long)]
    pub first: bool,
    /// Seed of all random choices; a single job with the same seed and corpus is reproducible
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// A second plugin for the same machine, which must agree on every module
    #[arg(long, value_name = "PLUGIN")]
    pub against: Option<String>,
    /// Recorded test cases, files or directories, whose outcome must not change; the corpus begins with them
    #[arg(long, value_name = "PATH")]
    pub vectors: Vec<PathBuf>,
    /// Do not record comparisons: twice as fast, but finds constants later
    #[arg(long)]
    pub no_comparisons: bool,
    /// Run the input in this file, and check whether it is still wrong
    #[arg(long, value_name = "FILE", conflicts_with_all = ["corpus", "minimize_corpus"])]
    pub replay: Option<PathBuf>,
    /// Keep only the smallest inputs that together cover all edges of the corpus
    #[arg(long, requires = "corpus")]
    pub minimize_corpus: bool,
    /// Write the findings as SARIF
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Write the findings as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write which functions were reached, and how many of their edges, as an HTML page; of one job only
    #[arg(long, value_name = "FILE.html", conflicts_with_all = ["replay", "minimize_corpus", "join"])]
    pub coverage: Option<PathBuf>,
    /// Port of the jobs' broker, on the loopback interface
    #[arg(long, value_name = "PORT", default_value_t = 1337)]
    pub broker_port: u16,
    /// Exchange inputs with the broker at this address, of other jobs or of another machine through a tunnel
    #[arg(long, value_name = "ADDRESS")]
    pub join: Option<SocketAddr>,
    /// Run as a job of the broker at this port
    #[arg(long, value_name = "PORT", hide = true)]
    pub job: Option<u16>,
    /// The seed of the job
    #[arg(long, value_name = "N", hide = true)]
    pub job_seed: Option<u64>,
}

const EXAMPLES: &str = "Examples:
  relobox fuzz mine.wasm --time 60s
  relobox fuzz mine.wasm --corpus corpus --jobs 8 --time 1h --junit fuzz.xml
  relobox fuzz mine.wasm --replay fuzz-findings/mine-trap-….case
  relobox fuzz mine.wasm --corpus corpus --minimize-corpus
  relobox fuzz --engine --corpus modules --time 1h
  relobox fuzz mine.wasm --corpus corpus --executions 1 --coverage coverage.html

Exit codes:
  0  no findings
  1  findings; each is a file that --replay shows
  2  wrong usage, or a file cannot be read or written
  3  the guest is unusable";

/// Parses a time: `90`, `90s`, `5m`, `1h`.
fn time(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(digits) => (digits, &text[digits.len()..]),
        None => (text, "s"),
    };
    let scale = match unit {
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    let seconds = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(scale));
    seconds.map(Duration::from_secs).ok_or_else(|| format!("{text:?} is not a time such as 90, 90s, 5m or 1h"))
}

/// Loads a plugin and its Wasm.
fn load(sandbox: &Sandbox, named: &str) -> Result<(Plugin, Vec<u8>)> {
    let file = match built_in::wasm_of(named) {
        Some(wasm) if !Path::new(named).exists() => PluginFile::new(named.into(), wasm.to_vec(), Origin::BuiltIn),
        _ => PluginFile::read(Path::new(named))?,
    };
    let plugin = Plugin::describe(sandbox.load(&file.name, &file.wasm)?, file.origin)?;
    Ok((plugin, file.wasm))
}

impl FuzzArgs {
    /// Returns the guest as the command line names it.
    fn guest(&self) -> &str {
        match &self.plugin {
            Some(plugin) => plugin,
            None if self.unpack => "--unpack",
            None => "--engine",
        }
    }
}

/// Runs it.
///
/// # Errors
/// As [`Error::exit_code`] has them.
pub fn run(args: FuzzArgs) -> Result<ExitCode> {
    if args.coverage.is_some() && args.jobs > 1 {
        return Err(Error::Usage(
            "--coverage is of one job: run the jobs with --corpus DIR, and then with --corpus DIR --executions 1"
                .into(),
        ));
    }
    let inputs =
        args.plugin.iter().chain(&args.against).map(Path::new).chain(args.vectors.iter().map(PathBuf::as_path));
    for report in [&args.sarif, &args.junit, &args.coverage].into_iter().flatten() {
        files::apart(report, inputs.clone())?;
    }
    let Some(named) = &args.plugin else {
        return match args.unpack {
            true => with_files(&args, UnpackerTarget::new),
            false => with_files(&args, EngineTarget::new),
        };
    };
    let sandbox = Sandbox::new(Cache::from_environment())?;
    let (plugin, wasm) = load(&sandbox, named)?;
    let against = args.against.as_ref().map(|named| load(&sandbox, named)).transpose()?;
    if let (Some((against, _)), Some(named)) = (&against, &args.against) {
        check_same_machine(&plugin, against, named)?;
    }
    let target = || PluginTarget::new(&plugin, &wasm, against.as_ref().map(|(plugin, _)| plugin), !args.no_comparisons);
    if let Some(path) = &args.replay {
        return replay(&target()?, path);
    }
    if args.minimize_corpus {
        return minimise(&target()?, &args);
    }
    let vectors = vectors(&args, &target)?;
    fuzz(&args, vectors, target)
}

/// Runs the command for a guest that takes files. Files in the corpus directory that are no inputs are seeds.
fn with_files<S: FuzzTarget>(args: &FuzzArgs, guest: impl Fn(Vec<Vec<u8>>) -> Result<S>) -> Result<ExitCode> {
    let target = || guest(args.corpus.as_deref().map_or(Ok(Vec::new()), corpus::raw_files)?);
    if let Some(path) = &args.replay {
        let target = target()?;
        return verdict(target.reproduce(&corpus::read(&target, path)?, None));
    }
    if args.minimize_corpus {
        return minimise(&target()?, args);
    }
    fuzz(args, Vec::new(), target)
}

/// Returns findings for the recorded test cases whose outcome changed.
fn vectors<'a>(args: &FuzzArgs, target: &dyn Fn() -> Result<PluginTarget<'a>>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if args.vectors.is_empty() || args.job.is_some() {
        return Ok(findings);
    }
    let target = target()?;
    for path in corpus::files(&args.vectors)? {
        let test_case = test_case(&path)?;
        if let Some(wrong) = target.replay(&test_case) {
            let (about, detail) = (wrong.about, wrong.detail);
            findings.push(Finding { oracle: wrong.oracle.into(), about, detail, path, after: Duration::ZERO });
        } else if let Some(dir) = &args.corpus {
            CorpusDir::open(Some(dir))?.add(&target, &ModuleInput(test_case.module.clone()))?;
        }
    }
    Ok(findings)
}

fn test_case(path: &Path) -> Result<TestCase> {
    let text = corpus::text(path)?;
    text.parse().map_err(|e| Error::Usage(format!("{}: {e}", path.display())))
}

/// Runs a campaign and prints its result. `before` are findings from before the campaign.
pub fn fuzz<S: FuzzTarget>(args: &FuzzArgs, before: Vec<Finding>, target: impl Fn() -> Result<S>) -> Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    jobs::stop_on_interrupt(&stop)?;
    let options = CampaignOptions {
        seed: args.job_seed.unwrap_or(args.seed),
        time: args.time,
        executions: args.executions,
        first: args.first,
        corpus: args.corpus.as_deref(),
        findings: &args.out,
        stop,
    };
    let mut display = Display::new(args.guest().to_owned());
    let mut summary = match args.job {
        Some(port) => jobs::run_job(&target()?, &options, port)?,
        None if args.jobs > 1 || args.join.is_some() => {
            let wide = jobs::Jobs { count: args.jobs, port: args.broker_port, join: args.join };
            let program = std::env::current_exe().map_err(Error::io("/proc/self/exe"))?;
            let command = |n: usize| {
                let mut command = std::process::Command::new(&program);
                let seed = args.seed.wrapping_add(n as u64).to_string();
                // The last occurrence of an option wins.
                command.args(std::env::args_os().skip(1)).arg("--job").arg(args.broker_port.to_string());
                command.arg("--job-seed").arg(seed);
                command
            };
            jobs::run_broker::<S::Input>(&wide, &options, command, |progress| display.show(progress))?
        }
        None => {
            let target = target()?;
            let summary = driver::run_alone(&target, &options, |progress| display.show(progress))?;
            if let Some(path) = &args.coverage {
                let page = coverage::page(target.name(), target.instrumentation(), options.seed, &summary);
                files::write(path, files::PUBLIC, page.as_bytes())?;
            }
            summary
        }
    };
    display.end();
    if args.job.is_none() {
        summary.findings.splice(0..0, before);
        print_summary(args, &summary)?;
    }
    Ok(ExitCode::from(u8::from(!summary.findings.is_empty())))
}

fn print_summary(args: &FuzzArgs, summary: &Summary) -> Result<()> {
    for f in &summary.findings {
        output::line(format_args!("{}: {}: {}", f.oracle, f.about, f.detail));
        output::line(format!("  relobox fuzz {} --replay {}", args.guest(), f.path.display()));
    }
    output::line(progress_line(&summary.progress));
    if summary.unreproduced != 0 {
        output::line(format!("{} suspicions did not reproduce on the original guest", summary.unreproduced));
    }
    let write = |path: &Option<PathBuf>, text: &dyn Fn() -> String| match path {
        Some(path) => files::write(path, files::PUBLIC, text().as_bytes()),
        None => Ok(()),
    };
    write(&args.sarif, &|| report::sarif_text(args.guest(), &summary.findings))?;
    let seconds = summary.progress.time.as_secs_f64();
    write(&args.junit, &|| report::junit(args.guest(), &summary.findings, seconds))
}

/// Formats progress: `12 s: 600,000 executions (50,000/s), 310 of 900 edges, 120 inputs, 0 findings`.
fn progress_line(p: &Progress) -> String {
    let rate = (p.executions as f64 / p.time.as_secs_f64().max(0.001)) as u64;
    format!(
        "{:.0} s: {} executions ({}/s), {} of {} edges, {} inputs, {} finding{}",
        p.time.as_secs_f64(),
        thousands(p.executions),
        thousands(rate),
        p.edges,
        p.all_edges,
        p.corpus,
        p.findings,
        if p.findings == 1 { "" } else { "s" }
    )
}

/// The display of progress: a changing line on a terminal, otherwise occasional lines.
struct Display {
    bar: Option<ProgressBar>,
    name: String,
    last: Instant,
    wait: Duration,
}

impl Display {
    fn new(name: String) -> Self {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let bar = terminal.then(|| {
            let style = ProgressStyle::with_template("{spinner} {prefix} {msg}");
            let bar = ProgressBar::new_spinner().with_prefix(output::cell(&name));
            style.map_or(bar.clone(), |style| bar.with_style(style))
        });
        Self { bar, name, last: Instant::now(), wait: Duration::ZERO }
    }

    fn show(&mut self, progress: &Progress) {
        if self.last.elapsed() < self.wait {
            return;
        }
        self.last = Instant::now();
        match &self.bar {
            Some(bar) => {
                self.wait = Duration::from_millis(200);
                bar.set_message(progress_line(progress));
                bar.tick();
            }
            None => {
                // Every 5 seconds at first, then at growing intervals of up to a minute.
                self.wait = (self.wait * 2).clamp(Duration::from_secs(5), Duration::from_secs(60));
                output::warning(format!("{}: {}", self.name, progress_line(progress)));
            }
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Replays a finding or a test case and prints the outcome.
fn replay(target: &PluginTarget<'_>, path: &Path) -> Result<ExitCode> {
    let test_case = test_case(path)?;
    match target.outcome(&test_case.module) {
        Outcome::Linked(linked) => {
            for (section, bytes) in test_case.module.sections.iter().zip(&linked.sections) {
                let hex = |bytes: &[u8]| relobox_core::text::grouped(&relobox_core::text::hex(bytes), 8, ' ');
                output::line(format!("{} was {}", section.name, hex(&section.bytes)));
                output::line(format!("{} is  {}", section.name, hex(bytes)));
            }
            for made in &linked.made {
                let (name, at, contents) = (&made.name, made.address, relobox_core::text::hex(&made.contents));
                output::line(format!("{name} at {at:#x} is {contents}"));
            }
        }
        Outcome::Refused(faults) => {
            for fault in faults {
                let of = fault.relocation.map_or_else(String::new, |r| format!(" of relocation {r}"));
                let value = relobox_core::text::hex_value(fault.value);
                output::line(format!("refused: {}{of} at {:#x}, value {value}", fault.kind, fault.offset));
            }
        }
        Outcome::GuestError(what) => output::line(format!("the plugin {what}")),
    }
    let bound = findings::bound_of(&corpus::text(path)?);
    verdict(target.replay_within(&test_case, bound))
}

fn verdict(wrong: Option<Suspicion>) -> Result<ExitCode> {
    match wrong {
        Some(wrong) => {
            output::line(format!("{}: {}: {}", wrong.oracle, wrong.about, wrong.detail));
            Ok(ExitCode::from(1))
        }
        None => {
            output::line("nothing is wrong with this input");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn minimise<S: FuzzTarget>(target: &S, args: &FuzzArgs) -> Result<ExitCode> {
    let (before, after) = CorpusDir::open(args.corpus.as_deref())?.minimize(target)?;
    output::line(format!("kept {after} of {before} inputs"));
    Ok(ExitCode::SUCCESS)
}
