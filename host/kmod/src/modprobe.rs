//! `relobox modprobe`: loads a module with everything that it needs, or removes it.

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
use relobox_modprobe::remove::{Modules, RemoveOptions, Removed, remove};
use relobox_modprobe::run::RunReport;
use relobox_modprobe::{Action, Config, LoadPlan, Outcome, Request, Step, Tree, plan};
use serde::Serialize;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Load a module with its dependencies, or remove it with dependencies that are no longer used
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox modprobe xfs
  relobox modprobe -n btrfs             # what would be loaded
  relobox modprobe loop max_loop=8
  relobox modprobe -a xfs btrfs nfsd    # several, independent ones at the same time
  relobox modprobe -r xfs

The command reads the indices of depmod (modules.dep, .alias, .softdep, .symbols, .builtin) and
modprobe.d like kmod's modprobe. It does not run the commands of 'install' and 'remove' lines (see
docs/modprobe.md).
Exit code 1: a module was not found, cannot be linked or was refused, or its init failed. Modules
that were loaded only for it are removed again.")]
pub struct ModprobeArgs<T: Target> {
    /// A module name, an alias, or a file ('/…' or './…')
    #[arg(required = true)]
    name: String,
    /// Module parameters; with --all or --remove, more modules
    #[arg(value_name = "NAME=VALUE")]
    more: Vec<String>,
    /// Load several modules: all arguments are module names
    #[arg(short, long)]
    all: bool,
    /// Remove modules instead of loading them, with dependencies that are no longer used
    #[arg(short, long)]
    remove: bool,
    /// Print what would be done, without doing it
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Print the modules that would be loaded, including those that are loaded already
    #[arg(short = 'D', long, conflicts_with = "remove")]
    show_depends: bool,
    /// Fail if the module is loaded already, or, with --remove, is not loaded
    #[arg(long)]
    first_time: bool,
    /// Do not print an error if the module does not exist
    #[arg(short, long)]
    quiet: bool,
    /// Apply blacklists to module names as well as to aliases
    #[arg(short = 'b', long)]
    use_blacklist: bool,
    /// Ignore 'install' commands and soft dependencies of the named modules
    #[arg(short, long)]
    ignore_install: bool,
    /// Ignore 'remove' commands and soft dependencies
    #[arg(long)]
    ignore_remove: bool,
    /// Load at most N modules at the same time [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Use modules in DIR/lib/modules
    #[arg(short, long, value_name = "DIR", default_value = "")]
    dirname: OsString,
    /// Use modules in lib/modules/VERSION [default: the release of the kernel]
    #[arg(short = 'S', long, value_name = "VERSION")]
    set_version: Option<String>,
    /// Read configuration from DIR instead of /etc/modprobe.d and the other directories; can be repeated
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
    /// The choice of a kernel.
    #[command(flatten)]
    pub target: T,
    /// The choice of plugins and the output format.
    #[command(flatten)]
    pub common: Common,
}

/// Runs `relobox modprobe`.
///
/// # Errors
/// If the indices or the configuration cannot be read, or the kernel cannot be reached. Errors of single modules are
/// printed and decide the exit code.
pub fn run<T: Target>(args: &ModprobeArgs<T>) -> Result<ExitCode> {
    let version = args.set_version.clone().unwrap_or_else(|| args.target.release());
    let tree = Tree::open(&relobox_modprobe::tree::directory(&args.dirname, &version))?;
    let defaults = || DIRECTORIES.iter().map(PathBuf::from).collect();
    let directories = if args.config.is_empty() { defaults() } else { args.config.clone() };
    let mut config = Config::read(&directories, Some(&tree))?;
    // The simulated kernel was not started with this machine's command line.
    if args.target.mode() != Mode::Sim {
        config.parse_command_line(
            &files::read_text(Path::new("/proc/cmdline"), Kind::Regular, limits::MODPROBE_CONFIG).unwrap_or_default(),
        );
    }
    for warning in tree.warnings.iter().chain(&config.warnings) {
        output::warning(warning);
    }
    if args.remove { remove_modules(args, &tree, &config) } else { load_modules(args, &tree, &config) }
}

fn load_modules<T: Target>(args: &ModprobeArgs<T>, tree: &Tree, config: &Config) -> Result<ExitCode> {
    let several = std::iter::once(&args.name).chain(&args.more).cloned().collect();
    let (names, parameters) =
        if args.all { (several, String::new()) } else { (vec![args.name.clone()], join_args(&args.more)) };
    // A process with rights over a real kernel must not parse a module.
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
            show_depends: args.show_depends,
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
            let modules = plan.steps.iter().map(|step| Row::of(step, action_name(step))).collect();
            output::json(&Json { kernel: args.target.mode(), modules, blacklisted: blacklisted(&plan) });
        } else {
            plan.steps.iter().for_each(show);
        }
        let mut code = plan.errors.iter().map(Error::exit_code).max().unwrap_or(0);
        // A dry run fails where the load would: at a required module that is disabled.
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
    let rows = plan
        .steps
        .iter()
        .zip(&report.outcomes)
        .map(|(step, outcome)| Row::of(step, outcome_name(outcome)).with(outcome));
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

/// Prints the names that could not be planned. Returns the exit code.
fn finish<T: Target>(args: &ModprobeArgs<T>, plan: &LoadPlan, code: u8) -> Result<ExitCode> {
    for error in &plan.errors {
        let missing = matches!(error, Error::Module(problems) if problems.iter().all(|p| p.kind == "not-found"));
        if !(args.quiet && missing) {
            output::error(error, false);
        }
    }
    Ok(ExitCode::from(code))
}

/// The names of the live modules. If there is no simulated kernel yet, loading will start one.
fn live<T: Target>(args: &ModprobeArgs<T>) -> Result<HashSet<String>> {
    let listed = match args.target.connect() {
        Ok(mut kernel) => match list(args, &mut *kernel) {
            // A plan can be shown where modules cannot be listed, as in a container.
            Err(KernelError::Unreachable(_)) if args.dry_run => Vec::new(),
            listed => listed.map_err(|failure| failed("modprobe", &failure))?,
        },
        Err(_) if args.target.mode() == Mode::Sim => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(listed.into_iter().filter(|m| m.live).map(|m| m.name).collect())
}

/// Lists the modules, without their exports where those take time.
fn list<T: Target>(args: &ModprobeArgs<T>, kernel: &mut dyn Kernel) -> Result<Vec<Module>, KernelError> {
    let wanted: Option<&[&[u8]]> = if args.target.mode() == Mode::Device { Some(&[]) } else { None };
    Ok(kernel.list(wanted)?.modules)
}

/// Loads a module unless the kernel has it.
fn load<T: Target>(args: &ModprobeArgs<T>, loader: &dyn Loader, step: &Step, path: &Path) -> Result<Option<Inserted>> {
    let modules = || {
        let listed = list(args, &mut *args.target.connect()?);
        listed.map_err(|failure| failed(&step.name, &failure))
    };
    let patience = Duration::from_secs(limits::MODPROBE_WAIT);
    relobox_modprobe::load(&step.name, patience, || loader.insert(path, &step.args), modules)
}

/// Prints a step in the format of kmod's modprobe.
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

fn print(plan: &LoadPlan, report: &RunReport<Inserted>) {
    for (step, outcome) in plan.steps.iter().zip(&report.outcomes) {
        let Step { name, required, .. } = step;
        match outcome {
            Outcome::Loaded(inserted) => {
                crate::insmod::print_warnings(name, inserted);
                crate::insmod::print(inserted);
            }
            Outcome::Failed(error) => {
                let soft = if *required { "" } else { "; it is a soft dependency, so this is not an error" };
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

/// The output of `--json`.
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

fn action_name(step: &Step) -> &'static str {
    match step.action {
        Action::Load(_) => "planned",
        Action::Live => "live",
        Action::BuiltIn => "built-in",
        Action::Disabled => "disabled",
        Action::Refused(_) => "failed",
    }
}

fn outcome_name(outcome: &Outcome<Inserted>) -> &'static str {
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

fn blacklisted(plan: &LoadPlan) -> Vec<&str> {
    plan.blacklisted.iter().map(|(name, _)| name.as_str()).collect()
}

struct KernelModules<'a, T: Target> {
    args: &'a ModprobeArgs<T>,
    kernel: Box<dyn Kernel>,
    /// The modules that a dry run treats as removed.
    removed: Vec<String>,
}

impl<T: Target> Modules for KernelModules<'_, T> {
    fn list(&mut self) -> Result<Vec<Module>, KernelError> {
        let mut modules = self.kernel.list(None)?.modules;
        modules.retain(|m| !self.removed.contains(&m.name));
        for module in &mut modules {
            let users = module.users.len();
            module.users.retain(|user| !self.removed.contains(user));
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
        // The kernel counts every user, not only modules.
        let listed = self.list()?.into_iter().find(|m| m.name == name);
        let Some(module) = listed else { return Err(KernelError::Unknown { name: name.to_owned() }) };
        if module.use_count.is_some_and(|count| count != 0) || !module.users.is_empty() {
            let Module { name, users, use_count: count, .. } = module;
            return Err(KernelError::InUse { name, users, count });
        }
        self.removed.push(module.name);
        Ok(())
    }
}

fn remove_modules<T: Target>(args: &ModprobeArgs<T>, tree: &Tree, config: &Config) -> Result<ExitCode> {
    if !args.dry_run {
        args.target.permit()?;
    }
    let mut kernel = KernelModules { args, kernel: args.target.remover()?, removed: Vec::new() };
    let options = RemoveOptions { first_time: args.first_time, ignore_commands: args.ignore_remove };
    let (mut removed, mut errors) = (Removed::default(), Vec::new());
    for name in std::iter::once(&args.name).chain(&args.more) {
        let name = if names::is_written_as_file(name) { names::of_file(name) } else { name.clone() };
        errors.extend(remove(tree, config, &mut kernel, &name, options, &mut removed).err());
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
