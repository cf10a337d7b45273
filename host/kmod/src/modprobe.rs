//! `relobox modprobe`: a module with all that it needs, and out again.

use crate::target::{Loader, Target, failed, no_depmod};
use clap::Args;
use relobox_cli::args::{Common, Inputs};
use relobox_cli::output;
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::inserted::Inserted;
use relobox_core::kernel::{Kernel, KernelError, Mode, Module};
use relobox_core::parameters::join_args;
use relobox_core::{limits, names};
use relobox_modprobe::config::DIRECTORIES;
use relobox_modprobe::remove::{How, Modules, Removed, remove};
use relobox_modprobe::run::Report;
use relobox_modprobe::{Action, Config, Outcome, Plan, Request, Step, Tree, plan};
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Load a module with everything that it depends on, or remove it with what nobody uses any more
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox modprobe xfs
  relobox modprobe -n btrfs             # what would be loaded
  relobox modprobe loop max_loop=8
  relobox modprobe -a xfs btrfs nfsd    # several, independent ones at the same time
  relobox modprobe -r xfs

What depmod wrote (modules.dep, .alias, .softdep, .symbols, .builtin) and modprobe.d are read as kmod's
modprobe reads them; commands of 'install' and 'remove' lines are not run (docs/modprobe.md).
Exit code 1: a module is not there, cannot be linked, was refused, or its init failed; what was loaded
only for it is removed again.")]
pub struct ModprobeArgs<T: Target> {
    /// A module, an alias, or a file ('/…' or './…')
    #[arg(required = true)]
    name: String,
    /// Parameters; with --all or --remove, more modules
    #[arg(value_name = "NAME=VALUE")]
    more: Vec<String>,
    /// All arguments are modules
    #[arg(short, long)]
    all: bool,
    /// Remove instead, with the dependencies that nobody uses any more
    #[arg(short, long)]
    remove: bool,
    /// Print what would be loaded, and load nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// The same, whether it is loaded or not
    #[arg(short = 'D', long, conflicts_with = "remove")]
    show_depends: bool,
    /// Fail if it is loaded already, or is not there to be removed
    #[arg(long)]
    first_time: bool,
    /// No message if there is no such module
    #[arg(short, long)]
    quiet: bool,
    /// Blacklists are for modules' names as well as for aliases
    #[arg(short = 'b', long)]
    use_blacklist: bool,
    /// Load the named modules even if an 'install' line has a command in their place
    #[arg(short, long)]
    ignore_install: bool,
    /// Remove modules even if a 'remove' line has a command in their place
    #[arg(long)]
    ignore_remove: bool,
    /// How many modules are loaded at the same time [default: one for each processor]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Modules are in DIR/lib/modules
    #[arg(short, long, value_name = "DIR", default_value = "/")]
    dirname: PathBuf,
    /// The kernel's release, a directory below lib/modules [default: the kernel's own]
    #[arg(short = 'S', long, value_name = "VERSION")]
    set_version: Option<String>,
    /// Configuration is here, instead of /etc/modprobe.d and its likes; can be repeated
    #[arg(
        short = 'C',
        long,
        value_name = "DIR",
        env = "RELOBOX_MODPROBE_D",
        hide_env_values = true,
        value_delimiter = ':'
    )]
    config: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// The kernel.
    #[command(flatten)]
    pub target: T,
    /// Plugins, and how it is printed.
    #[command(flatten)]
    pub common: Common,
}

/// Runs the command.
///
/// # Errors
/// As [`Error::exit_code`](relobox_core::Error::exit_code) has them.
pub fn run<T: Target>(args: &ModprobeArgs<T>) -> Result<ExitCode> {
    let version = args.set_version.clone().unwrap_or_else(|| args.target.release());
    let root = args.dirname.join("lib/modules").join(version);
    let tree = Tree::open(&root)?;
    let defaults = || DIRECTORIES.iter().map(PathBuf::from).collect();
    let directories = if args.config.is_empty() { defaults() } else { args.config.clone() };
    let mut config = Config::read(&directories, Some(&root.join("modules.softdep")))?;
    // A simulated kernel was not started with this machine's command line.
    if args.target.mode() != Mode::Sim {
        config.parse_command_line(
            &files::read_text(Path::new("/proc/cmdline"), Kind::Regular, limits::MODPROBE_CONFIG).unwrap_or_default(),
        );
    }
    for warning in tree.warnings.iter().chain(&config.warnings) {
        output::warning(warning);
    }
    if args.remove { take_out(args, &tree, &config) } else { put_in(args, &tree, &config) }
}

fn put_in<T: Target>(args: &ModprobeArgs<T>, tree: &Tree, config: &Config) -> Result<ExitCode> {
    let several = std::iter::once(&args.name).chain(&args.more).cloned().collect();
    let (names, parameters) =
        if args.all { (several, String::new()) } else { (vec![args.name.clone()], join_args(&args.more)) };
    // A process with rights over a real kernel looks into no module.
    let may_parse = args.dry_run || args.show_depends || args.target.mode() == Mode::Sim;
    let live = if args.show_depends { HashSet::new() } else { live(args)? };
    let plan = plan(
        tree,
        config,
        &Request {
            names: &names,
            args: &parameters,
            blacklist: args.use_blacklist,
            ignore_commands: args.ignore_install,
            live: &live,
            inspect: &|path| match may_parse {
                true => args.target.needs(path, &args.common),
                false => Err(no_depmod(path)),
            },
        },
    );
    for warning in &plan.warnings {
        output::warning(warning);
    }
    if args.dry_run || args.show_depends {
        if args.common.json {
            let modules = plan.steps.iter().map(|step| Row::of(step, planned(step))).collect();
            output::json(&Json { kernel: args.target.mode(), modules, blacklisted: blacklisted(&plan) });
        } else {
            plan.steps.iter().for_each(show);
        }
        let mut code = plan.errors.iter().map(Error::exit_code).max().unwrap_or(0);
        // A dry run fails where the load would: at a module that is needed and switched off.
        for step in plan.steps.iter().filter(|step| step.required && !args.show_depends) {
            if let (Action::Refused(problem), Some(_)) = (&step.action, &step.command) {
                output::warning(problem);
                code = code.max(1);
            }
        }
        return finish(args, &plan, code);
    }
    args.target.permit()?;
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let loader = args.target.loader(&args.common, &args.inputs)?;
    let load = |step: &Step, path: &Path| load(args, &*loader, step, path);
    let unload = |step: &Step| {
        let mut kernel = args.target.remover()?;
        kernel.remove(&step.name).map_err(|failure| failed(&step.name, &failure))?;
        crate::state::forget(&args.target, &step.name);
        Ok(())
    };
    let report = relobox_modprobe::run(&plan, jobs, args.first_time, load, unload);
    let rows =
        plan.steps.iter().zip(&report.outcomes).map(|(step, outcome)| Row::of(step, word(outcome)).with(outcome));
    if args.common.json {
        output::json(&Json { kernel: args.target.mode(), modules: rows.collect(), blacklisted: blacklisted(&plan) });
    } else {
        print(&plan, &report);
    }
    let failed = |(step, outcome): (&Step, &Outcome<Inserted>)| match outcome {
        Outcome::Failed(error) if step.required => Some(error.exit_code()),
        _ => None,
    };
    let codes =
        plan.steps.iter().zip(&report.outcomes).filter_map(failed).chain(plan.errors.iter().map(Error::exit_code));
    finish(args, &plan, codes.max().unwrap_or(0))
}

/// The names that could not be planned, and the exit code.
fn finish<T: Target>(args: &ModprobeArgs<T>, plan: &Plan, code: u8) -> Result<ExitCode> {
    for error in &plan.errors {
        let missing = matches!(error, Error::Module(problems) if problems.iter().all(|p| p.kind == "not-found"));
        if !(args.quiet && missing) {
            output::error(error, false);
        }
    }
    Ok(ExitCode::from(code))
}

/// What is live already. Where there is no simulated kernel, loading will start one.
fn live<T: Target>(args: &ModprobeArgs<T>) -> Result<HashSet<String>> {
    let listed = match args.target.connect() {
        Ok(mut kernel) => match list(args, &mut *kernel) {
            // A plan can be shown where there are no modules at all, as in a container.
            Err(KernelError::Unreachable(_)) if args.dry_run => Vec::new(),
            listed => listed.map_err(|failure| failed("modprobe", &failure))?,
        },
        Err(_) if args.target.mode() == Mode::Sim => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(listed.into_iter().filter(|m| m.live).map(|m| m.name).collect())
}

/// The modules, without their exports where those cost time.
fn list<T: Target>(args: &ModprobeArgs<T>, kernel: &mut dyn Kernel) -> Result<Vec<Module>, KernelError> {
    let wanted: Option<&[&[u8]]> = if args.target.mode() == Mode::Device { Some(&[]) } else { None };
    Ok(kernel.list(wanted)?.modules)
}

/// Loads a module, unless the kernel has it.
fn load<T: Target>(args: &ModprobeArgs<T>, loader: &dyn Loader, step: &Step, path: &Path) -> Result<Option<Inserted>> {
    let modules = || {
        let listed = list(args, &mut *args.target.connect()?);
        listed.map_err(|failure| failed(&step.name, &failure))
    };
    let patience = Duration::from_secs(limits::MODPROBE_WAIT);
    relobox_modprobe::load(&step.name, patience, || loader.insert(path, &step.args), modules)
}

/// As modprobe shows it.
fn show(step: &Step) {
    let (command, what) = match (&step.action, &step.command) {
        (_, Some(command)) => ("install", command.clone()),
        (Action::Load(path), None) => ("insmod", path.display().to_string()),
        (Action::BuiltIn, None) => ("builtin", step.name.clone()),
        (Action::Live | Action::Disabled, None) => return,
        (Action::Refused(problem), None) => return output::warning(problem),
    };
    let args = if step.action == Action::BuiltIn { "" } else { &step.args };
    output::line(format_args!("{command} {what} {args}").to_string().trim_end());
}

fn print(plan: &Plan, report: &Report<Inserted>) {
    for (step, outcome) in plan.steps.iter().zip(&report.outcomes) {
        let Step { name, required, .. } = step;
        match outcome {
            Outcome::Loaded(inserted) => {
                crate::insmod::odd(name, inserted);
                crate::insmod::print(inserted);
            }
            Outcome::Failed(error) => {
                let soft = if *required { "" } else { "; it is a soft dependency, so that is no failure" };
                error.to_string().lines().for_each(|line| output::warning(format_args!("{line}{soft}")));
            }
            Outcome::NotTried { because } => {
                output::warning(format_args!("{name}: not tried, because {because} was not loaded"));
            }
            Outcome::Unwound => output::warning(format_args!("{name}: removed again")),
            Outcome::Live | Outcome::BuiltIn | Outcome::Disabled => {}
        }
    }
    for (i, error) in &report.left {
        output::warning(format_args!("{}: could not be removed again: {error}", plan.steps[*i].name));
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    kernel: Mode,
    modules: Vec<Row<'a>>,
    blacklisted: Vec<&'a str>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    args: &'a str,
    required: bool,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<output::ErrorBody<'a>>,
}

impl<'a> Row<'a> {
    fn of(step: &'a Step, outcome: &'static str) -> Self {
        let path = match &step.action {
            Action::Load(path) => Some(path.display().to_string()),
            _ => None,
        };
        let Step { name, args, required, .. } = step;
        Self { name, path, args, required: *required, outcome, because: None, error: None }
    }

    fn with(mut self, outcome: &'a Outcome<Inserted>) -> Self {
        match outcome {
            Outcome::Failed(error) => self.error = Some(output::ErrorBody::of(error)),
            Outcome::NotTried { because } => self.because = Some(because),
            _ => {}
        }
        self
    }
}

fn planned(step: &Step) -> &'static str {
    match step.action {
        Action::Load(_) => "planned",
        Action::Live => "live",
        Action::BuiltIn => "built-in",
        Action::Disabled => "disabled",
        Action::Refused(_) => "failed",
    }
}

fn word(outcome: &Outcome<Inserted>) -> &'static str {
    match outcome {
        Outcome::Loaded(_) => "loaded",
        Outcome::Live => "live",
        Outcome::BuiltIn => "built-in",
        Outcome::Disabled => "disabled",
        Outcome::Failed(_) => "failed",
        Outcome::NotTried { .. } => "not-tried",
        Outcome::Unwound => "unwound",
    }
}

fn blacklisted(plan: &Plan) -> Vec<&str> {
    plan.blacklisted.iter().map(|(name, _)| name.as_str()).collect()
}

struct Connected<'a, T: Target> {
    args: &'a ModprobeArgs<T>,
    kernel: Box<dyn Kernel>,
    /// What is gone only for show.
    gone: Vec<String>,
}

impl<T: Target> Modules for Connected<'_, T> {
    fn list(&mut self) -> Result<Vec<Module>, KernelError> {
        let mut modules = self.kernel.list(None)?.modules;
        modules.retain(|m| !self.gone.contains(&m.name));
        for module in &mut modules {
            let users = module.users.len();
            module.users.retain(|user| !self.gone.contains(user));
            let fewer = (users - module.users.len()) as u32;
            module.use_count = module.use_count.map(|count| count.saturating_sub(fewer));
        }
        Ok(modules)
    }

    fn remove(&mut self, name: &str) -> Result<(), KernelError> {
        if !self.args.dry_run {
            self.kernel.remove(name)?;
            crate::state::forget(&self.args.target, name);
            return Ok(());
        }
        // As the kernel would: it counts what is no module, too.
        let listed = self.list()?.into_iter().find(|m| m.name == name);
        let Some(module) = listed else { return Err(KernelError::Unknown { name: name.to_owned() }) };
        if module.use_count.is_some_and(|count| count != 0) || !module.users.is_empty() {
            let Module { name, users, use_count: count, .. } = module;
            return Err(KernelError::InUse { name, users, count });
        }
        self.gone.push(module.name);
        Ok(())
    }
}

fn take_out<T: Target>(args: &ModprobeArgs<T>, tree: &Tree, config: &Config) -> Result<ExitCode> {
    if !args.dry_run {
        args.target.permit()?;
    }
    let mut kernel = Connected { args, kernel: args.target.remover()?, gone: Vec::new() };
    let how = How { first_time: args.first_time, ignore_commands: args.ignore_remove };
    let (mut removed, mut errors) = (Removed::default(), Vec::new());
    for name in std::iter::once(&args.name).chain(&args.more) {
        let name = if names::is_written_as_file(name) { names::of_file(name) } else { name.clone() };
        errors.extend(remove(tree, config, &mut kernel, &name, how, &mut removed).err());
    }
    for warning in &removed.warnings {
        output::warning(warning);
    }
    if args.common.json && errors.is_empty() {
        output::json(&serde_json::json!({ "removed": removed.names }));
    } else if args.dry_run {
        removed.names.iter().for_each(|name| output::line(format_args!("rmmod {name}")));
    }
    let code = errors.iter().map(Error::exit_code).max().unwrap_or(0);
    errors.retain(|error| {
        let missing = matches!(error, Error::Module(problems) if problems.iter().all(|p| p.kind == "not-found"));
        !(args.quiet && missing)
    });
    output::errors(&errors, args.common.json);
    Ok(ExitCode::from(code))
}
