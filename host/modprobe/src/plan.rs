//! Plans a load: which modules, in which order, with which parameters. Nothing is loaded here.

use super::config::{Config, Line};
use super::find::{Found, find};
use super::tree::{Tree, absolute};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::names::{of_file, underscored};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What to plan.
pub struct Request<'a> {
    /// Names of modules, aliases, or paths of files. A path begins with `/` or `./`.
    pub names: &'a [String],
    /// Parameters for each of `names`.
    pub args: &'a str,
    /// If true, a blacklist also applies to a module that is named itself, not only to aliases (`modprobe -b`).
    pub blacklist: bool,
    /// If true, a named module is loaded without its `install` command and without its soft dependencies
    /// (`--ignore-install`).
    pub ignore_commands: bool,
    /// If true, the plan is that for a kernel which has no module yet and refuses none (`--show-depends`).
    pub show_depends: bool,
    /// The names of the modules that are loaded already.
    pub live: &'a HashSet<String>,
    /// Reads from a module's file what it needs. Called where modules.dep is missing or older than the file.
    pub inspect: &'a dyn Fn(&Path) -> Result<Needs>,
}

/// What a module needs according to its file.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// The names of modules in `depends=` of `.modinfo`.
    pub depends: Vec<String>,
    /// The names of the symbols that the module does not define, without weak ones.
    pub undefined: Vec<String>,
}

/// What to do with a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Load this file.
    Load(PathBuf),
    /// Nothing: the module is loaded already.
    Live,
    /// Nothing: the module is part of the kernel.
    BuiltIn,
    /// Nothing: the command of an `install` line is `true`.
    Disabled,
    /// The module cannot be loaded.
    Refused(Box<Diagnostic>),
}

/// One module of a [`LoadPlan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The module's name.
    pub name: String,
    /// What to do.
    pub action: Action,
    /// Its parameters, separated by blanks.
    pub args: String,
    /// The command of an `install` line for the module. relobox does not run it.
    pub command: Option<String>,
    /// The indices of earlier steps. The module can only be loaded if all of them succeed.
    pub requires: Vec<usize>,
    /// The indices of soft dependencies that come before the module. They may fail.
    pub pre: Vec<usize>,
    /// The indices of soft dependencies that come after the module. They are loaded even if the module fails.
    pub post: Vec<usize>,
    /// True if the module was asked for, or if such a module requires it. Otherwise it is a soft dependency, and its
    /// failure is only a warning.
    pub required: bool,
}

/// A module that was asked for. An alias can stand for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name or alias in the request.
    pub name: String,
    /// The index of the module's step.
    pub step: usize,
}

/// An ordered list of modules to load, in which each module comes after those that it requires.
#[derive(Debug, Default)]
pub struct LoadPlan {
    /// In the order of loading.
    pub steps: Vec<Step>,
    /// The modules that were asked for.
    pub targets: Vec<Target>,
    /// The modules that an alias stands for but that a blacklist excludes, each with the place of its line.
    pub blacklisted: Vec<(String, String)>,
    /// The errors of the names that could not be planned.
    pub errors: Vec<Error>,
    /// Problems that do not stop the plan.
    pub warnings: Vec<String>,
}

/// Plans `request` with the indices of `tree` and the configuration `config`.
///
/// A name that cannot be planned does not stop the others: its error is in [`LoadPlan::errors`].
pub fn plan(tree: &Tree, config: &Config, request: &Request<'_>) -> LoadPlan {
    let mut planner = Planner {
        tree,
        config,
        request,
        plan: LoadPlan::default(),
        done: HashMap::new(),
        visited: HashSet::new(),
        needs: HashMap::new(),
    };
    for name in request.names {
        if let Err(error) = planner.target(name) {
            planner.plan.errors.push(error);
        }
    }
    let mut plan = planner.plan;
    let mut open: Vec<usize> = plan.targets.iter().map(|t| t.step).collect();
    while let Some(i) = open.pop() {
        if !std::mem::replace(&mut plan.steps[i].required, true) {
            open.extend(&plan.steps[i].requires);
        }
    }
    plan
}

impl LoadPlan {
    /// The indices of the steps `from`, and of all steps that are planned because of them, directly or not. A step that
    /// `go_on` rejects is left out, with what only that step needs.
    #[must_use]
    pub(crate) fn reachable(
        &self,
        from: impl IntoIterator<Item = usize>,
        go_on: impl Fn(usize) -> bool,
    ) -> HashSet<usize> {
        let (mut all, mut open) = (HashSet::new(), from.into_iter().collect::<Vec<_>>());
        while let Some(i) = open.pop() {
            if let Some(step) = self.steps.get(i).filter(|_| go_on(i) && all.insert(i)) {
                open.extend(step.requires.iter().chain(&step.pre).chain(&step.post));
            }
        }
        all
    }
}

struct Planner<'a> {
    tree: &'a Tree,
    config: &'a Config,
    request: &'a Request<'a>,
    plan: LoadPlan,
    /// The indices of steps, by the module's name.
    done: HashMap<String, usize>,
    /// What was planned for the current target. As in kmod, a module that an alias stands for is another one than the
    /// module of that name: this decides where a cycle of soft dependencies is cut.
    visited: HashSet<(String, Option<String>)>,
    /// What each module needs, by its name.
    needs: HashMap<String, Rc<[String]>>,
}

impl Planner<'_> {
    fn target(&mut self, name: &str) -> Result<()> {
        let missing = |text, hint| Err(Diagnostic::new("not-found", name, text).hint(hint).into());
        let found = if name.starts_with('/') || name.starts_with("./") {
            let path = absolute(Path::new(name));
            if !path.exists() {
                return missing("no such file".to_owned(), "");
            }
            vec![Found { name: of_file(name), path: Some(path), ..Found::default() }]
        } else {
            find(self.tree, self.config, name)?
        };
        if found.is_empty() {
            let root = self.tree.root();
            let hint = match root.is_dir() {
                true => "run 'depmod' to index new modules",
                false => "no such directory; choose one with --dirname and --set-version",
            };
            return missing(format!("no module or alias has this name in {}", root.display()), hint);
        }
        for module in found {
            self.visited.clear();
            if self.is_loaded(&module)? {
                self.step(&module, &module, None)?;
            } else {
                let applies = module.alias.is_some() || self.request.blacklist;
                if let Some(place) = self.config.blacklisted(&module.name).filter(|_| applies) {
                    self.plan.blacklisted.push((module.name, place.to_string()));
                    continue;
                }
                self.visit(&module, &module, 0)?;
            }
            self.plan.targets.push(Target { name: name.to_owned(), step: self.done[&module.name] });
        }
        Ok(())
    }

    /// True if the kernel has the module.
    fn is_loaded(&self, module: &Found) -> Result<bool> {
        if self.request.show_depends || self.request.live.contains(&module.name) {
            return Ok(!self.request.show_depends);
        }
        // A request for a file is not one for the built-in module of the same name.
        Ok(module.path.is_none() && (module.built_in || self.tree.built_in(&module.name)?))
    }

    /// Plans a module after everything that it depends on, because of `target`.
    fn visit(&mut self, module: &Found, target: &Found, depth: usize) -> Result<()> {
        if depth >= limits::MODPROBE_DEPTH {
            return Err(too_deep(&module.name));
        }
        if !self.visited.insert((module.name.clone(), module.alias.clone())) {
            return Ok(());
        }
        let mut needs = Vec::new();
        let path = module.path.clone().or_else(|| self.tree.path(&module.name));
        self.collect(&module.name, path.as_deref(), &mut Vec::new(), &mut HashSet::new(), &mut needs)?;
        for name in needs {
            self.with_soft(&Found { name, ..Found::default() }, target, depth)?;
        }
        self.with_soft(module, target, depth)
    }

    /// Adds what a module needs to `out`, in the order of loading. `open` is the path to the module in the graph.
    fn collect(
        &mut self,
        name: &str,
        path: Option<&Path>,
        open: &mut Vec<String>,
        seen: &mut HashSet<String>,
        out: &mut Vec<String>,
    ) -> Result<()> {
        if let Some(at) = open.iter().position(|open| open == name) {
            let text = format!("it depends on itself, through {}", open[at..].join(", "));
            return Err(Diagnostic::new("dependency-cycle", name, text).into());
        }
        if open.len() >= limits::MODPROBE_DEPTH {
            return Err(too_deep(name));
        }
        open.push(name.to_owned());
        for need in self.needs(name, path)?.iter().filter(|need| !seen.contains(*need)).collect::<Vec<_>>() {
            let path = self.tree.path(need);
            self.collect(need, path.as_deref(), open, seen, out)?;
            if seen.insert(need.clone()) {
                out.push(need.clone());
            }
        }
        open.pop();
        Ok(())
    }

    /// Plans a module with its soft dependencies.
    fn with_soft(&mut self, module: &Found, target: &Found, depth: usize) -> Result<()> {
        let (config, alone) = (self.config, self.request.ignore_commands && std::ptr::eq(module, target));
        let command = Config::command(&config.install, &module.name).filter(|_| !alone);
        let off = command.is_some_and(switches_off);
        let softdep = config.softdep(&module.name).filter(|_| !alone && !off);
        let look_up = |names: Option<&Vec<String>>| -> Result<Vec<Found>> {
            let found = names.into_iter().flatten().map(|name| find(self.tree, self.config, name));
            Ok(found.collect::<Result<Vec<_>>>()?.concat())
        };
        let (pre, post) = (look_up(softdep.map(|s| &s.pre))?, look_up(softdep.map(|s| &s.post))?);
        pre.iter().try_for_each(|soft| self.soft(soft, target, depth))?;
        // modprobe.d(5): soft dependencies take precedence over commands.
        let command = command.filter(|_| off || pre.is_empty() && post.is_empty());
        let this = self.step(module, target, command)?;
        post.iter().try_for_each(|soft| self.soft(soft, target, depth))?;
        for soft in pre.iter().chain(&post).filter_map(|soft| self.done.get(&soft.name)) {
            let step = &mut self.plan.steps[this];
            let list = if *soft < this { &mut step.pre } else { &mut step.post };
            if *soft != this && !list.contains(soft) {
                list.push(*soft);
            }
        }
        Ok(())
    }

    fn soft(&mut self, module: &Found, target: &Found, depth: usize) -> Result<()> {
        match self.visit(module, target, depth + 1) {
            Err(error) if kind(&error) == Some("dependency-cycle") => {
                self.plan.warnings.push(format!("{error}; the soft dependency is ignored"));
                Ok(())
            }
            result => result,
        }
    }

    /// The index of the module's step, which is added if there is none. `command` is the `install` line that applies.
    fn step(&mut self, module: &Found, target: &Found, command: Option<&Line>) -> Result<usize> {
        let name = &module.name;
        if let Some(step) = self.done.get(name) {
            return Ok(*step);
        }
        let loaded = self.is_loaded(module)?;
        let command = command.filter(|_| !loaded);
        let action = match loaded {
            true if self.request.live.contains(name) => Action::Live,
            true => Action::BuiltIn,
            false => self.action(module, command)?,
        };
        let mut args = self.config.options_of(name, module.alias.as_deref());
        if *name == target.name && !self.request.args.is_empty() {
            args.push_str(if args.is_empty() { "" } else { " " });
            args.push_str(self.request.args);
        }
        let requires = self.needs.get(name).into_iter().flat_map(|needs| needs.iter());
        let requires = requires.filter_map(|need| self.done.get(need).copied()).collect();
        let (name, command) = (name.clone(), command.map(|line| line.value.clone()));
        let step = Step { action, args, command, requires, pre: Vec::new(), post: Vec::new(), required: false, name };
        self.done.insert(step.name.clone(), self.plan.steps.len());
        self.plan.steps.push(step);
        Ok(self.plan.steps.len() - 1)
    }

    fn action(&self, module: &Found, command: Option<&Line>) -> Result<Action> {
        let name = &module.name;
        let refused = |problem| Ok(Action::Refused(Box::new(problem)));
        let forbidden = self.config.forbidden.iter().find(|l| l.name == *name);
        if let Some(line) = forbidden.filter(|_| !self.request.show_depends) {
            let text = format!("the {} forbids it (module_blacklist=)", line.place);
            return refused(Diagnostic::new("blacklisted", name, text));
        }
        if let Some(line) = command {
            return match program(line) {
                "true" => Ok(Action::Disabled),
                "false" => {
                    let text = format!("{} disables it ('{}')", line.place, line.value);
                    refused(Diagnostic::new("install-command", name, text))
                }
                _ => {
                    let text = format!("{} has a command for it, and relobox does not run commands", line.place);
                    refused(
                        Diagnostic::new("install-command", name, text)
                            .hint("--ignore-install ignores the command and loads the module"),
                    )
                }
            };
        }
        if let Some(path) = module.path.clone().or_else(|| self.tree.path(name)) {
            return Ok(Action::Load(path));
        }
        if module.built_in || self.tree.built_in(name)? {
            return Ok(Action::BuiltIn);
        }
        let text = format!("no such module in {}", self.tree.root().display());
        refused(Diagnostic::new("not-found", name, text).hint("run 'depmod' to index new modules"))
    }

    /// The modules that a module needs, in the order of loading.
    fn needs(&mut self, name: &str, path: Option<&Path>) -> Result<Rc<[String]>> {
        if let Some(needs) = self.needs.get(name) {
            return Ok(Rc::clone(needs));
        }
        let needs: Rc<[String]> = self.read_needs(name, path)?.into();
        self.needs.insert(name.to_owned(), Rc::clone(&needs));
        Ok(needs)
    }

    /// The modules that a module needs: those in modules.dep, and, if that may be out of date, those that the module's
    /// file names.
    fn read_needs(&mut self, name: &str, path: Option<&Path>) -> Result<Vec<String>> {
        let mut needs = self.tree.needs(name);
        let Some(path) = path.filter(|path| self.tree.stale(name, path)) else { return Ok(needs) };
        let listed = self.tree.lists(name, path);
        let asked = match (self.request.inspect)(path) {
            Ok(asked) => asked,
            Err(error) => {
                // modules.dep can still be right. If the file cannot be read, loading it will report that.
                if !listed {
                    self.plan.warnings.push(error.to_string());
                }
                return Ok(needs);
            }
        };
        if asked.depends.len() > limits::MODPROBE_DEPENDS {
            let problem =
                Diagnostic::new("too-large", path.display().to_string(), "number of modules that it depends on");
            let (value, max) = (Some(asked.depends.len() as i64), Some(limits::MODPROBE_DEPENDS as i64));
            return Err(Diagnostic { value, max, ..problem }.into());
        }
        let mut known: HashSet<String> = needs.iter().cloned().collect();
        let mut add = |owner: &str, why: &str| {
            if listed {
                self.plan.warnings.push(format!(
                    "{name}: needs {owner}{why}, which is not in modules.dep; run 'depmod' to update it"
                ));
            }
            needs.push(owner.to_owned());
        };
        for depends in asked.depends.iter().map(|depends| underscored(depends)) {
            if !known.contains(&depends) && depends != name && !self.tree.built_in(&depends)? {
                add(&depends, "");
                known.insert(depends);
            }
        }
        for symbol in &asked.undefined {
            let owners = self.tree.by_symbol(&format!("symbol:{symbol}"))?;
            if owners.iter().any(|owner| owner == name || known.contains(owner)) {
                continue;
            }
            if let Some(owner) = owners.iter().find(|owner| self.tree.path(owner).is_some()) {
                add(owner, &format!(" for '{symbol}'"));
                known.insert(owner.clone());
            }
        }
        Ok(needs)
    }
}

fn too_deep(name: &str) -> Error {
    let text = format!("modules depend on each other over more than {} steps", limits::MODPROBE_DEPTH);
    Diagnostic::new("dependency-cycle", name, text).into()
}

/// The kind of the first problem.
pub(crate) fn kind(error: &Error) -> Option<&'static str> {
    match error {
        Error::Module(problems) => problems.first().map(|p| p.kind),
        Error::Kernel(problem) => Some(problem.kind),
        _ => None,
    }
}

/// The program in a command line, without its directory.
fn program(line: &Line) -> &str {
    let program = line.value.split_whitespace().next().unwrap_or_default();
    program.rsplit('/').next().unwrap_or_default()
}

/// True if the command of an `install` line is one by which administrators switch a module off. It stays off, whatever
/// other lines say about it.
fn switches_off(line: &Line) -> bool {
    matches!(program(line), "true" | "false")
}
