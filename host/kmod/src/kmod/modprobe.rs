//! modprobe.

use super::options::{self, Opt, opt};
use super::program::{Program, fail, loaded, machine, refuse};
use super::reason;
use crate::contents;
use crate::real::{Linking, Real};
use crate::session::{self, Removal, Session, Wanted};
use crate::target::Target as _;
use relobox_cli::args::{Signatures, address};
use relobox_cli::output::{self, Level};
use relobox_core::error::{Error, Result};
use relobox_core::inserted::Inserted;
use relobox_core::parameters::join_args;
use relobox_isolate::indices::Part;
use relobox_kernels::linux::Force;
use relobox_modprobe::run::RunReport;
use relobox_modprobe::{Action, LoadPlan, Outcome, Step, Tree, show};
use rustix::io::Errno;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// The digits are the letters of options that have none: see [`Opt::key`].
const OPTIONS: [Opt; 25] = [
    opt("all", 'a', "", "load or remove several modules: all arguments are names"),
    opt("remove", 'r', "", "remove modules instead of loading them"),
    opt("remove-dependencies", '5', "", "the old name of --remove-holders"),
    opt("remove-holders", '5', "", "with -r: remove the modules that use a module before it"),
    opt("wait", 'w', "MSEC", "with -r: wait this long for the end of a module's use"),
    opt("first-time", '3', "", "fail if a module is loaded already, or, with -r, is not loaded"),
    opt("ignore-install", 'i', "", "ignore 'install' and 'remove' commands of the named modules"),
    opt("ignore-remove", 'i', "", "the same"),
    opt("use-blacklist", 'b', "", "apply blacklists to module names as well as to aliases"),
    opt("force", 'f', "", "DANGEROUS: --force-modversion and --force-vermagic"),
    opt("force-modversion", '2', "", "DANGEROUS: load although versions of symbols differ"),
    opt("force-vermagic", '1', "", "DANGEROUS: load what was built for another kernel"),
    opt("resolve-alias", 'R', "", "print the modules that a name stands for"),
    opt("show-depends", 'D', "", "print what would be loaded if nothing were loaded yet"),
    opt("showconfig", 'c', "", "print the configuration, the aliases and the symbols"),
    opt("show-config", 'c', "", "the same"),
    opt("show-modversions", '4', "", "print the versions of the symbols that a module file needs"),
    opt("dump-modversions", '4', "", "the same"),
    opt("show-exports", '6', "", "print the versions of the symbols that a module file exports"),
    opt("dry-run", 'n', "", "change nothing; with -v, print what would be done"),
    opt("show", 'n', "", "the same"),
    opt("config", 'C', "FILE", "read the configuration from this file or directory; can be repeated"),
    opt("dirname", 'd', "DIR", "use modules in DIR/lib/modules"),
    opt("set-version", 'S', "VERSION", "use modules in lib/modules/VERSION"),
    opt("quiet", 'q', "", "print no messages"),
];

pub(super) const PROGRAM: Program = Program {
    name: "modprobe",
    usage: &[
        "[OPTIONS] MODULE [NAME=VALUE]...",
        "[OPTIONS] -a MODULE...",
        "[OPTIONS] -r MODULE...",
        "[OPTIONS] -c",
        "[OPTIONS] --show-modversions FILE",
    ],
    options: &OPTIONS,
    least: Level::Warning,
};

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    #[default]
    Load,
    LoadAll,
    Remove,
    ShowExports,
    ShowVersions,
    ShowConfig,
}

/// The command line.
#[derive(Debug, Default)]
struct Choice {
    /// If several tasks are asked for, the greatest.
    task: Task,
    all: bool,
    removal: Removal,
    blacklist: bool,
    force: Force,
    resolve: bool,
    depends: bool,
    dry_run: bool,
    verbose: bool,
    config: Vec<PathBuf>,
    root: Option<String>,
    version: Option<String>,
}

impl Choice {
    fn take(&mut self, key: char, value: &str) -> Result<(), String> {
        let mut task = Task::Load;
        match key {
            'a' => (self.all, task) = (true, Task::LoadAll),
            'r' => task = Task::Remove,
            '5' => self.removal.holders = true,
            'w' => {
                let wait = address(value).map_err(|_| format!("unexpected wait value '{value}'."))?;
                self.removal.wait = Duration::from_millis(wait);
            }
            '3' => self.removal.first_time = true,
            'i' => self.removal.ignore_remove = true,
            'b' => self.blacklist = true,
            'f' => self.force = Force { modversions: true, vermagic: true, removal: true },
            '2' => self.force.modversions = true,
            '1' => self.force.vermagic = true,
            'D' => (self.depends, self.dry_run) = (true, true),
            'R' => self.resolve = true,
            'c' => task = Task::ShowConfig,
            '4' => task = Task::ShowVersions,
            '6' => task = Task::ShowExports,
            'n' => self.dry_run = true,
            'C' => self.config.push(value.into()),
            'd' => self.root = Some(value.to_owned()),
            _ => self.version = Some(value.to_owned()),
        }
        self.task = self.task.max(task);
        Ok(())
    }

    /// How serious it is that there is no such module. After a fatal message, nothing else is done.
    fn level(&self) -> Level {
        if self.all { Level::Warning } else { Level::Fatal }
    }

    fn is_fatal(&self) -> bool {
        !self.all
    }
}

pub(super) fn run(args: Vec<String>) -> ExitCode {
    let preset = std::env::var("MODPROBE_OPTIONS").unwrap_or_default();
    let args = options::split(&preset).into_iter().chain(args).collect();
    let mut choice = Choice::default();
    let line = match PROGRAM.begin(args, |key, value| choice.take(key, value)) {
        Ok(line) => line,
        Err(code) => return code,
    };
    if line.operands.is_empty() && choice.task != Task::ShowConfig {
        return refuse(Level::Error, "missing parameters. See -h.");
    }
    choice.verbose = line.verbose;
    choice.removal.dry_run = choice.dry_run;
    if choice.config.is_empty() {
        choice.config = std::env::var_os("RELOBOX_MODPROBE_D").iter().flat_map(std::env::split_paths).collect();
    }
    act(&choice, &line.operands).unwrap_or_else(|error| fail(&error))
}

fn act(choice: &Choice, operands: &[String]) -> Result<ExitCode> {
    match choice.task {
        Task::ShowExports => return show_symbols(choice, &operands[0], Part::Exports, "symbols"),
        Task::ShowVersions => return show_symbols(choice, &operands[0], Part::Versions, "modversions"),
        _ => {}
    }
    let (target, common, inputs) = machine(choice.force)?;
    let version = choice.version.clone().unwrap_or_else(|| target.release());
    let root = relobox_modprobe::tree::directory(choice.root.as_deref().unwrap_or_default().as_ref(), &version);
    let root = std::path::absolute(&root).unwrap_or(root);
    let tree = Tree::open(&root)?;
    let config = session::config(&target, &choice.config, &tree)?;
    config.warnings.iter().for_each(|warning| output::message(Level::Error, warning));
    if choice.task == Task::ShowConfig {
        show::config(&config).iter().for_each(output::line);
        output::lines("\n# End of configuration files. Dumping indexes now:\n\n");
        show::indices(&root)?.iter().for_each(output::line);
        return Ok(ExitCode::SUCCESS);
    }
    let mut names = match choice.task {
        Task::Load => operands[..1].to_vec(),
        _ => operands.to_vec(),
    };
    let mut code = ExitCode::SUCCESS;
    if choice.task != Task::Remove {
        let asked = names.len();
        names.retain(|name| !is_missing_file(choice, name));
        if names.len() != asked {
            code = ExitCode::FAILURE;
        }
    }
    if !root.is_dir() {
        // Without a directory there are no modules.
        names.truncate(if choice.is_fatal() { 1 } else { names.len() });
        for name in &names {
            code = not_found(choice, name, &root.display().to_string());
        }
        return Ok(code);
    }
    tree.warnings.iter().for_each(|warning| output::message(Level::Notice, warning));
    let signatures = Signatures::default();
    let session = Session { target: &target, common: &common, inputs: &inputs, signatures: &signatures, tree, config };
    let loaded = match choice.task {
        Task::Remove => remove(choice, &session, &names)?,
        _ if choice.resolve => resolve(choice, &session, &names)?,
        Task::LoadAll => load(choice, &session, &names, "")?,
        _ => load(choice, &session, &names, &join_args(&operands[1..]))?,
    };
    Ok(if code == ExitCode::SUCCESS { loaded } else { code })
}

/// Prints symbols of a module file, with their CRCs.
fn show_symbols(choice: &Choice, file: &str, part: Part, what: &str) -> Result<ExitCode> {
    let path = Path::new(file);
    if !path.exists() {
        return Ok(refuse(choice.level(), format_args!("Module {file} not found.")));
    }
    match contents::read(&Linking::default(), path, part)? {
        Err(errno) => {
            let why = reason::text(errno);
            Ok(refuse(choice.level(), format_args!("could not get {what} of {file}: {why}")))
        }
        Ok(entries) => {
            for (crc, name) in entries.iter().filter_map(|entry| entry.split_at_checked(8)) {
                output::row(&[&format_args!("0x{}", crc.escape_ascii()), &String::from_utf8_lossy(name)]);
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Prints a message if a module is asked for by a file that does not exist.
fn is_missing_file(choice: &Choice, name: &str) -> bool {
    if !name.starts_with('/') && !name.starts_with("./") {
        return false;
    }
    let Err(error) = std::fs::metadata(name) else { return false };
    let why = reason::of_io(&error);
    output::message(choice.level(), format_args!("Failed to get module from path {name}: {why}"));
    true
}

fn not_found(choice: &Choice, name: &str, root: &str) -> ExitCode {
    match choice.task {
        Task::Remove => refuse(choice.level(), format_args!("Module {name} not found.")),
        _ => refuse(choice.level(), format_args!("Module {name} not found in directory {root}")),
    }
}

fn resolve(choice: &Choice, session: &Session<'_, Real>, names: &[String]) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for name in names {
        let modules = relobox_modprobe::resolve(&session.tree, &session.config, name)?;
        modules.iter().for_each(output::line);
        if modules.is_empty() {
            code = not_found(choice, name, &session.tree.root().display().to_string());
        }
    }
    Ok(code)
}

fn load(choice: &Choice, session: &Session<'_, Real>, names: &[String], args: &str) -> Result<ExitCode> {
    let live = if choice.depends { HashSet::new() } else { session.live(true)? };
    let wanted = Wanted {
        names,
        args,
        blacklist: choice.blacklist,
        ignore_install: choice.removal.ignore_remove,
        show_depends: choice.depends,
    };
    let plan = session.plan(wanted, &live, false);
    plan.warnings.iter().for_each(|warning| output::message(Level::Notice, warning));
    let mut code = ExitCode::SUCCESS;
    for error in &plan.errors {
        code = unplanned(choice, error, &session.tree.root().display().to_string());
    }
    let asked: HashSet<&str> = plan.targets.iter().map(|target| plan.steps[target.step].name.as_str()).collect();
    let extra = |step: &Step| if asked.contains(step.name.as_str()) { args } else { "" };
    if choice.dry_run {
        for step in plan.steps.iter().filter(|_| choice.depends || choice.verbose) {
            print_step(step, extra(step), choice.depends);
        }
        let there = |step: usize| matches!(plan.steps[step].action, Action::Live | Action::BuiltIn);
        for target in plan.targets.iter().filter(|target| choice.removal.first_time && there(target.step)) {
            code = not_inserted(&plan.steps[target.step].name, Errno::EXIST);
        }
        return Ok(code);
    }
    let before = |step: &Step| {
        if choice.verbose {
            print_step(step, extra(step), false);
        }
    };
    let report = session.run(&plan, session::processors(), choice.removal.first_time, before)?;
    let loaded = print_report(&plan, &report);
    Ok(if code == ExitCode::SUCCESS { loaded } else { code })
}

/// Prints an error of a name for which there is no plan.
fn unplanned(choice: &Choice, error: &Error, root: &str) -> ExitCode {
    let Error::Module(problems) = error else { return fail(error) };
    let name = problems.first().map_or("", |problem| &problem.file);
    if session::is_missing(error) {
        return not_found(choice, name, root);
    }
    not_inserted(name, Errno::INVAL);
    fail(error)
}

/// Prints a step in kmod's form. `extra` are the parameters on the command line, for a module that was asked for. In
/// kmod's form, a blank comes before those, even if there are none, and another one after those of the configuration.
fn print_step(step: &Step, extra: &str, with_built_in: bool) {
    let Step { name, args, .. } = step;
    let args = if args.is_empty() || !extra.is_empty() { args } else { &format!("{args} ") };
    match (&step.action, &step.command) {
        (_, Some(command)) => output::line(format_args!("install {command} {args}")),
        (Action::Load(path), None) => output::line(format_args!("insmod {} {args}", path.display())),
        (Action::BuiltIn, None) if with_built_in => output::line(format_args!("builtin {name}")),
        (Action::Refused(problem), None) if problem.kind != "not-found" => output::warning(problem),
        _ => {}
    }
}

fn not_inserted(name: &str, errno: Errno) -> ExitCode {
    let why = match errno {
        Errno::EXIST => "Module already in kernel".to_owned(),
        Errno::NOENT => "Unknown symbol in module, or unknown parameter (see dmesg)".to_owned(),
        errno => reason::text(errno),
    };
    refuse(Level::Error, format_args!("could not insert '{name}': {why}"))
}

/// Prints what went wrong. Returns the exit code.
fn print_report(plan: &LoadPlan, report: &RunReport<Inserted>) -> ExitCode {
    let failure_of = |name: &str| {
        let mut steps = plan.steps.iter().zip(&report.outcomes);
        steps.find_map(|(step, outcome)| match outcome {
            Outcome::Failed(error) if step.name == name => Some(error),
            _ => None,
        })
    };
    for (step, outcome) in plan.steps.iter().zip(&report.outcomes) {
        match outcome {
            Outcome::Loaded(inserted) => loaded(inserted),
            Outcome::Unwound => output::message(Level::Notice, format_args!("{}: removed again", step.name)),
            Outcome::Failed(error) if !step.required => reason::explain(Level::Notice, error),
            _ => {}
        }
    }
    for (step, error) in &report.left {
        output::warning(format_args!("{}: could not be removed again: {error}", plan.steps[*step].name));
    }
    let mut code = ExitCode::SUCCESS;
    for target in &plan.targets {
        let name = &plan.steps[target.step].name;
        let error = match &report.outcomes[target.step] {
            Outcome::Failed(error) => Some(error),
            Outcome::NotTried { because } => failure_of(because),
            Outcome::Loaded(_) | Outcome::Live | Outcome::BuiltIn | Outcome::Disabled => continue,
            Outcome::Unwound => None,
        };
        let errno = error.map_or(Some(Errno::CANCELED), reason::errno);
        if let Some(errno) = errno {
            code = not_inserted(name, errno);
        }
        // With --first-time, there is no other reason.
        let same = |error: &&Error| errno == Some(Errno::EXIST) && matches!(error, Error::Module(_));
        if let Some(error) = error.filter(|error| !same(error)) {
            code = fail(error);
        }
    }
    code
}

fn remove(choice: &Choice, session: &Session<'_, Real>, names: &[String]) -> Result<ExitCode> {
    let before = |name: &str| {
        if choice.verbose {
            output::line(format_args!("rmmod {name}"));
        }
    };
    let mut remover = session.remover(choice.removal, &before)?;
    let mut code = ExitCode::SUCCESS;
    for name in names {
        let Err(error) = remover.remove(name) else { continue };
        code = not_removed(choice, name, &error);
        if choice.is_fatal() {
            break;
        }
    }
    remover.removed.warnings.iter().for_each(|warning| output::message(Level::Notice, warning));
    Ok(code)
}

/// Prints why a module was not removed.
fn not_removed(choice: &Choice, asked: &str, error: &Error) -> ExitCode {
    let problem = match error {
        Error::Kernel(problem) => &**problem,
        Error::Module(problems) if !problems.is_empty() => &problems[0],
        _ => return fail(error),
    };
    let name = &problem.file;
    let level = choice.level();
    match problem.kind {
        "not-found" => not_found(choice, asked, ""),
        "not-loaded" => refuse(level, format_args!("Module {name} is not in kernel.")),
        "built-in" => refuse(level, format_args!("Module {name} is builtin.")),
        "in-use" if choice.removal.wait.is_zero() => refuse(level, format_args!("Module {name} is in use.")),
        _ => {
            let why = reason::errno(error).unwrap_or(Errno::INVAL);
            output::message(Level::Error, format_args!("could not remove '{name}': {}", reason::text(why)));
            fail(error)
        }
    }
}
