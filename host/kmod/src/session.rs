//! What modprobe does, without its command line and its output: `relobox modprobe` and kmod's modprobe have their own.

use crate::target::{Loader, Target, failed, no_depmod};
use relobox_cli::args::{Common, Inputs, Signatures};
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::inserted::Inserted;
use relobox_core::kernel::{Kernel, KernelError, Mode, Module};
use relobox_core::{limits, names};
use relobox_modprobe::config::DIRECTORIES;
use relobox_modprobe::remove::{Modules, RemoveOptions, Removed, remove};
use relobox_modprobe::run::RunReport;
use relobox_modprobe::{Action, Config, LoadPlan, Request, Step, Tree, plan};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest pause between two attempts to remove a module.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A kernel, the modules that it can have, and their configuration.
pub(crate) struct Session<'a, T: Target> {
    pub(crate) target: &'a T,
    pub(crate) common: &'a Common,
    pub(crate) inputs: &'a Inputs,
    pub(crate) signatures: &'a Signatures,
    pub(crate) tree: Tree,
    pub(crate) config: Config,
}

/// The names to load, and how.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) names: &'a [String],
    /// Parameters for each of `names`.
    pub(crate) args: &'a str,
    pub(crate) blacklist: bool,
    pub(crate) ignore_install: bool,
    /// The plan is only shown: what the kernel has, or would refuse, is in it.
    pub(crate) show_depends: bool,
}

/// How modules are removed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Removal {
    pub(crate) first_time: bool,
    pub(crate) ignore_remove: bool,
    /// Nothing is removed.
    pub(crate) dry_run: bool,
    /// Modules that use the named ones are removed before.
    pub(crate) holders: bool,
    /// How long the end of a module's use is waited for.
    pub(crate) wait: Duration,
}

/// Reads the configuration for the modules of `tree`: that in `directories`, or, if there are none, in modprobe.d(5)'s; and
/// the kernel's command line.
pub(crate) fn config(target: &impl Target, directories: &[PathBuf], tree: &Tree) -> Result<Config> {
    let defaults = || DIRECTORIES.iter().map(PathBuf::from).collect();
    let directories = if directories.is_empty() { defaults() } else { directories.to_vec() };
    let mut config = Config::read(&directories, Some(tree))?;
    // The simulated kernel was not started with this machine's command line.
    if target.mode() != Mode::Sim {
        config.parse_command_line(
            &files::read_text(Path::new("/proc/cmdline"), Kind::Regular, limits::MODPROBE_CONFIG).unwrap_or_default(),
        );
    }
    Ok(config)
}

/// The number of processors: how many modules are loaded at the same time.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns whether the error only says that there is no module of a name.
pub(crate) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Module(problems) if problems.iter().all(|p| p.kind == "not-found"))
}

impl<T: Target> Session<'_, T> {
    /// The names of the live modules. If there is no simulated kernel yet, loading will start one.
    ///
    /// With `may_fail`, no modules are live where they cannot be listed, as in a container.
    pub(crate) fn live(&self, may_fail: bool) -> Result<HashSet<String>> {
        let listed = match self.target.connect() {
            Ok(mut kernel) => match list(self.target, &mut *kernel) {
                Err(KernelError::Unreachable(_)) if may_fail => Vec::new(),
                listed => listed.map_err(|failure| failed("modprobe", &failure))?,
            },
            Err(_) if self.target.mode() == Mode::Sim => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(listed.into_iter().filter(|m| m.live).map(|m| m.name).collect())
    }

    /// Plans to load what is wanted. A process with rights over a real kernel must not parse a module: `may_parse`.
    pub(crate) fn plan(&self, wanted: Wanted<'_>, live: &HashSet<String>, may_parse: bool) -> LoadPlan {
        let Wanted { names, args, blacklist, ignore_install, show_depends } = wanted;
        let inspect = |path: &Path| match may_parse {
            true => self.target.needs(path, self.common),
            false => Err(no_depmod(path)),
        };
        let ignore_commands = ignore_install;
        let request = Request { names, args, blacklist, ignore_commands, show_depends, live, inspect: &inspect };
        plan(&self.tree, &self.config, &request)
    }

    /// Runs `plan` with up to `jobs` loads at a time. `before` is called with each step that is about to be loaded.
    pub(crate) fn run(
        &self,
        plan: &LoadPlan,
        jobs: usize,
        first_time: bool,
        before: impl Fn(&Step) + Sync,
    ) -> Result<RunReport<Inserted>> {
        self.target.permit()?;
        let any = plan.steps.iter().any(|step| matches!(step.action, Action::Load(_)));
        let loader = any.then(|| self.target.loader(self.common, self.inputs, self.signatures)).transpose()?;
        let target = self.target;
        let load = |step: &Step, path: &Path| {
            before(step);
            // Without a loader, no step loads.
            loader.as_ref().map_or(Ok(None), |loader| load(target, &**loader, step, path))
        };
        let unload = |step: &Step| {
            let mut kernel = self.target.remover()?;
            kernel.remove(&step.name).map_err(|failure| failed(&step.name, &failure))?;
            crate::state::forget(self.target, &step.name);
            Ok(())
        };
        Ok(relobox_modprobe::run(plan, jobs, first_time, load, unload))
    }

    /// Starts to remove modules. `before` is called with the name of each module that is about to be removed.
    pub(crate) fn remover<'a>(&'a self, removal: Removal, before: &'a dyn Fn(&str)) -> Result<Remover<'a, T>> {
        if !removal.dry_run {
            self.target.permit()?;
        }
        let kernel =
            KernelModules { target: self.target, kernel: self.target.remover()?, removal, before, gone: Vec::new() };
        Ok(Remover { session: self, kernel, removed: Removed::default() })
    }
}

/// Lists the modules, without their exports where those take time.
fn list(target: &impl Target, kernel: &mut dyn Kernel) -> Result<Vec<Module>, KernelError> {
    let wanted: Option<&[&[u8]]> = if target.mode() == Mode::Device { Some(&[]) } else { None };
    Ok(kernel.list(wanted)?.modules)
}

/// Loads a module unless the kernel has it.
fn load(target: &impl Target, loader: &dyn Loader, step: &Step, path: &Path) -> Result<Option<Inserted>> {
    let modules = || {
        let listed = list(target, &mut *target.connect()?);
        listed.map_err(|failure| failed(&step.name, &failure))
    };
    let patience = Duration::from_secs(limits::MODPROBE_WAIT);
    relobox_modprobe::load(&step.name, patience, || loader.insert(path, &step.args), modules)
}

/// Removes modules, one after the other.
pub(crate) struct Remover<'a, T: Target> {
    session: &'a Session<'a, T>,
    kernel: KernelModules<'a, T>,
    /// What was removed so far.
    pub(crate) removed: Removed,
}

impl<T: Target> Remover<'_, T> {
    /// Removes the modules that `name` (a name, an alias or a file) stands for, and what they alone needed.
    pub(crate) fn remove(&mut self, name: &str) -> Result<()> {
        let name = if names::is_written_as_file(name) { names::of_file(name) } else { name.to_owned() };
        let Removal { first_time, ignore_remove, holders, .. } = self.kernel.removal;
        if holders {
            let of = match relobox_modprobe::resolve(&self.session.tree, &self.session.config, &name)? {
                none if none.is_empty() => vec![names::underscored(&name)],
                some => some,
            };
            let listed = self.kernel.list().map_err(|failure| failed(&name, &failure))?;
            let held = listed.into_iter().filter(|module| of.contains(&module.name));
            let users = held.flat_map(|module| module.users);
            // In the order in which the kernel lists them, the youngest is the first.
            for user in users.collect::<Vec<_>>() {
                self.one(&user, RemoveOptions { first_time: false, ignore_commands: ignore_remove })?;
            }
        }
        self.one(&name, RemoveOptions { first_time, ignore_commands: ignore_remove })
    }

    fn one(&mut self, name: &str, options: RemoveOptions) -> Result<()> {
        let Session { tree, config, .. } = self.session;
        remove(tree, config, &mut self.kernel, name, options, &mut self.removed)
    }
}

struct KernelModules<'a, T: Target> {
    target: &'a T,
    kernel: Box<dyn Kernel>,
    removal: Removal,
    before: &'a dyn Fn(&str),
    /// The modules that a dry run treats as removed.
    gone: Vec<String>,
}

impl<T: Target> Modules for KernelModules<'_, T> {
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
        (self.before)(name);
        if !self.removal.dry_run {
            patiently(self.removal.wait, || self.kernel.remove(name))?;
            crate::state::forget(self.target, name);
            return Ok(());
        }
        // The kernel counts every user, not only modules.
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

/// Removes a module. Tries again, with longer and longer pauses, until `wait` is over or the module is not in use.
fn patiently(wait: Duration, mut remove: impl FnMut() -> Result<(), KernelError>) -> Result<(), KernelError> {
    let until = Instant::now() + wait;
    let mut pause = Duration::from_millis(1);
    loop {
        match remove() {
            Err(KernelError::InUse { .. }) if Instant::now() < until => {
                std::thread::sleep(pause.min(until.saturating_duration_since(Instant::now())));
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_use_is_waited_for() {
        let in_use = || KernelError::InUse { name: "m".into(), users: Vec::new(), count: Some(1) };
        let tries = |wait: u64, uses: usize| {
            let mut tries = 0;
            let done = patiently(Duration::from_millis(wait), || {
                tries += 1;
                if tries <= uses { Err(in_use()) } else { Ok(()) }
            });
            (done, tries)
        };
        assert_eq!(tries(60_000, 3), (Ok(()), 4));
        assert_eq!(tries(0, 3), (Err(in_use()), 1));
        let (done, count) = tries(20, usize::MAX);
        assert!(done == Err(in_use()) && count > 2, "{count}");
        // Another failure is final.
        let permanent = || KernelError::Permanent { name: "m".into() };
        assert_eq!(patiently(Duration::from_secs(60), || Err(permanent())), Err(permanent()));
    }
}
