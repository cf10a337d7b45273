//! `relobox modprobe`: loads a module with everything that it needs, or removes it.

use crate::session::{self, Removal, Session, Wanted};
use crate::target::Target;
use clap::Args;
use relobox_cli::args::{Common, Inputs, Signatures};
use relobox_cli::output;
use relobox_core::error::{Error, Result};
use relobox_core::inserted::Inserted;
use relobox_core::kernel::Mode;
use relobox_core::parameters::join_args;
use relobox_modprobe::run::RunReport;
use relobox_modprobe::{Action, LoadPlan, Outcome, Step, Tree};
use serde::Serialize;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

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
    #[command(flatten)]
    signatures: Signatures,
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
    let config = session::config(&args.target, &args.config, &tree)?;
    for warning in tree.warnings.iter().chain(&config.warnings) {
        output::warning(warning);
    }
    let ModprobeArgs { target, common, inputs, signatures, .. } = args;
    let session = Session { target, common, inputs, signatures, tree, config };
    if args.remove { remove_modules(args, &session) } else { load_modules(args, &session) }
}

fn load_modules<T: Target>(args: &ModprobeArgs<T>, session: &Session<'_, T>) -> Result<ExitCode> {
    let several = std::iter::once(&args.name).chain(&args.more).cloned().collect();
    let (names, parameters) =
        if args.all { (several, String::new()) } else { (vec![args.name.clone()], join_args(&args.more)) };
    let may_parse = args.dry_run || args.show_depends || args.target.mode() == Mode::Sim;
    let live = if args.show_depends { HashSet::new() } else { session.live(args.dry_run)? };
    let wanted = Wanted {
        names: &names,
        args: &parameters,
        blacklist: args.use_blacklist,
        ignore_install: args.ignore_install,
        show_depends: args.show_depends,
    };
    let plan = session.plan(wanted, &live, may_parse);
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
    let jobs = args.jobs.unwrap_or_else(session::processors);
    let report = session.run(&plan, jobs, args.first_time, |_| ())?;
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
        if !(args.quiet && session::is_missing(error)) {
            output::error(error, false);
        }
    }
    Ok(ExitCode::from(code))
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

fn remove_modules<T: Target>(args: &ModprobeArgs<T>, session: &Session<'_, T>) -> Result<ExitCode> {
    let removal = Removal {
        first_time: args.first_time,
        ignore_remove: args.ignore_remove,
        dry_run: args.dry_run,
        ..Removal::default()
    };
    let mut remover = session.remover(removal, &|_| ())?;
    let names = std::iter::once(&args.name).chain(&args.more);
    let mut errors: Vec<Error> = names.filter_map(|name| remover.remove(name).err()).collect();
    let removed = remover.removed;
    for warning in &removed.warnings {
        output::warning(warning);
    }
    if args.common.json && errors.is_empty() {
        output::json(&serde_json::json!({ "removed": removed.names }));
    } else if args.dry_run {
        removed.names.iter().for_each(|name| output::line(format_args!("rmmod {name}")));
    }
    let code = errors.iter().map(Error::exit_code).max().unwrap_or(0);
    errors.retain(|error| !(args.quiet && session::is_missing(error)));
    output::errors(&errors, args.common.json);
    Ok(ExitCode::from(code))
}
