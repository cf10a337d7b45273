//! Plans a load: which modules, in which order, with which parameters. Nothing is loaded here.

use super::config::{Config, Line};
use super::glob::{alias_name, matches};
use super::tree::Tree;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::names::{of_file, underscored};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// What to plan.
pub struct Request<'a> {
    /// Names of modules, aliases, or paths of files. A path begins with `/` or `./`.
    pub names: &'a [String],
    /// Parameters for each of `names`.
    pub args: &'a str,
    /// If true, a blacklist also applies to a module that is named itself, not only to aliases (`modprobe -b`).
    pub blacklist: bool,
    /// If true, a named module is loaded although an `install` line has a command for it (`--ignore-install`).
    pub ignore_commands: bool,
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
        open: Vec::new(),
        later: Vec::new(),
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

/// A module that a name stands for.
struct Resolved {
    name: String,
    /// The alias by which it was found, if it was not found by its name.
    alias: Option<String>,
    /// Its file, if a file was asked for.
    path: Option<PathBuf>,
}

struct Planner<'a> {
    tree: &'a Tree,
    config: &'a Config,
    request: &'a Request<'a>,
    plan: LoadPlan,
    /// The indices of steps, by the module's name.
    done: HashMap<String, usize>,
    /// The modules whose dependencies are being planned: the current path in the graph.
    open: Vec<String>,
    /// Soft dependencies that could not be planned in their place because of a cycle: the module, and its dependency.
    later: Vec<(String, String)>,
}

impl Planner<'_> {
    fn target(&mut self, name: &str) -> Result<()> {
        let found = self.find(name)?;
        if found.is_empty() {
            let text = format!("no module or alias has this name in {}", self.tree.root().display());
            return Err(Diagnostic::new("not-found", name, text).hint("run 'depmod' to index new modules").into());
        }
        for module in found {
            let by_alias = module.alias.is_some();
            if let Some(place) = self.config.blacklisted(&module.name).filter(|_| by_alias || self.request.blacklist) {
                self.plan.blacklisted.push((module.name, place.to_string()));
                continue;
            }
            let steps = self.plan.steps.len();
            let step = match self.visit(&module, true) {
                Ok(step) => step,
                Err(error) => {
                    self.roll_back(0, steps);
                    return Err(error);
                }
            };
            let args = &mut self.plan.steps[step].args;
            if !args.is_empty() && !self.request.args.is_empty() {
                args.push(' ');
            }
            args.push_str(self.request.args);
            self.plan.targets.push(Target { name: name.to_owned(), step });
            for (of, wanted) in std::mem::take(&mut self.later) {
                let planned = self.soft(&of, &wanted, false)?;
                if let Some(of) = self.done.get(&of) {
                    self.plan.steps[*of].post.extend(planned.into_iter().filter(|step| step > of));
                }
            }
        }
        Ok(())
    }

    /// The modules that a name stands for. A configured alias comes first, so it can replace a module's own name.
    fn find(&self, name: &str) -> Result<Vec<Resolved>> {
        if name.starts_with('/') || name.starts_with("./") {
            return Ok(vec![Resolved { name: of_file(name), alias: None, path: Some(name.into()) }]);
        }
        let alias = alias_name(name);
        let found = |names: Vec<String>| -> Vec<Resolved> {
            names.into_iter().map(|name| Resolved { name, alias: Some(alias.clone()), path: None }).collect()
        };
        let own = |name: &str| vec![Resolved { name: name.to_owned(), alias: None, path: None }];
        let configured: Vec<&Line> = self.config.aliases.iter().filter(|l| matches(&l.name, &alias)).collect();
        if let Some(line) = configured.iter().find(|l| l.value == "off") {
            return Err(Diagnostic::new("not-found", name, format!("the alias is disabled at {}", line.place)).into());
        }
        if !configured.is_empty() {
            // The options of an alias are those for the alias as it is written, including its wildcards.
            let module = |l: &&Line| Resolved { name: underscored(&l.value), alias: Some(l.name.clone()), path: None };
            return Ok(configured.iter().map(module).collect());
        }
        if self.tree.path(&alias).is_some() {
            return Ok(own(&alias));
        }
        if let Some(symbol) = name.strip_prefix("symbol:") {
            return Ok(found(self.tree.by_symbol(symbol)?.to_vec()));
        }
        if Config::command(&self.config.install, &alias, None).is_some() {
            return Ok(own(&alias));
        }
        let listed = self.tree.by_alias(&alias)?;
        if !listed.is_empty() {
            return Ok(found(listed));
        }
        if self.tree.built_in(&alias)? {
            return Ok(own(&alias));
        }
        Ok(found(self.tree.built_in_by_alias(&alias)?))
    }

    /// Plans a module after everything that it depends on. Returns the index of its step.
    fn visit(&mut self, module: &Resolved, target: bool) -> Result<usize> {
        let name = &module.name;
        if let Some(step) = self.done.get(name) {
            return Ok(*step);
        }
        if let Some(at) = self.open.iter().position(|open| open == name) {
            let text = format!("it depends on itself, through {}", self.open[at..].join(", "));
            return Err(Diagnostic::new("dependency-cycle", name, text).into());
        }
        if self.open.len() >= limits::MODPROBE_DEPTH {
            let text = format!("modules depend on each other over more than {} steps", limits::MODPROBE_DEPTH);
            return Err(Diagnostic::new("dependency-cycle", name, text).into());
        }
        let path = module.path.clone().or_else(|| self.tree.path(name));
        if self.request.live.contains(name) {
            return Ok(self.push(module, Step::new(name, Action::Live)));
        }
        let mut step = Step::new(name, Action::BuiltIn);
        self.open.push(name.clone());
        for need in self.needs(name, path.as_deref())? {
            let need = Resolved { name: need, alias: None, path: None };
            step.requires.push(self.visit(&need, false)?);
        }
        let line = Config::command(&self.config.install, name, module.alias.as_deref());
        let line = line.filter(|_| !(target && self.request.ignore_commands)).cloned();
        // `install X /bin/false` disables a module. It stays disabled, whatever other lines say about it.
        let off = line.as_ref().is_some_and(|line| matches!(program(line), "true" | "false"));
        let softdep = self.config.softdep(name).filter(|_| !off).cloned();
        for pre in softdep.iter().flat_map(|s| &s.pre) {
            step.pre.extend(self.soft(name, pre, true)?);
        }
        self.open.pop();
        step.args = self.config.options_of(name, module.alias.as_deref());
        // modprobe.d(5): soft dependencies take precedence over other commands.
        let commands = softdep.as_ref().is_none_or(|s| s.pre.is_empty() && s.post.is_empty());
        let line = line.filter(|_| commands);
        step.command = line.as_ref().map(|line| line.value.clone());
        step.action = self.action(name, path, line.as_ref())?;
        let this = self.push(module, step);
        for post in softdep.iter().flat_map(|s| &s.post) {
            let planned = self.soft(name, post, true)?;
            // A step that comes earlier for another reason stays there.
            self.plan.steps[this].post.extend(planned.into_iter().filter(|step| *step > this));
        }
        Ok(this)
    }

    fn push(&mut self, module: &Resolved, step: Step) -> usize {
        let this = self.plan.steps.len();
        self.done.insert(module.name.clone(), this);
        self.plan.steps.push(step);
        this
    }

    fn action(&self, name: &str, path: Option<PathBuf>, command: Option<&Line>) -> Result<Action> {
        let refused = |problem| Action::Refused(Box::new(problem));
        if let Some(line) = self.config.forbidden.iter().find(|l| l.name == name) {
            let text = format!("the {} forbids it (module_blacklist=)", line.place);
            return Ok(refused(Diagnostic::new("blacklisted", name, text)));
        }
        if let Some(line) = command {
            return Ok(match program(line) {
                "true" => Action::Disabled,
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
            });
        }
        if let Some(path) = path {
            return Ok(Action::Load(path));
        }
        if self.tree.built_in(name)? {
            return Ok(Action::BuiltIn);
        }
        let text = format!("no such module in {}", self.tree.root().display());
        Ok(refused(Diagnostic::new("not-found", name, text).hint("run 'depmod' to index new modules")))
    }

    /// Plans a soft dependency of a module. One that cannot be found is ignored. One that leads to a cycle is tried
    /// again later if `may_wait`.
    fn soft(&mut self, of: &str, wanted: &str, may_wait: bool) -> Result<Vec<usize>> {
        let (open, steps) = (self.open.len(), self.plan.steps.len());
        let mut planned = Vec::new();
        for module in self.find(wanted).or_else(ignore_missing)? {
            // In a cycle of soft dependencies, the module that began it comes last.
            if self.open.contains(&module.name) {
                continue;
            }
            match self.visit(&module, false) {
                Ok(step) => planned.push(step),
                Err(error) if kind(&error) == Some("dependency-cycle") => {
                    self.roll_back(open, steps);
                    if may_wait {
                        self.later.push((of.to_owned(), wanted.to_owned()));
                    } else {
                        self.plan.warnings.push(format!("{error}; the soft dependency is ignored"));
                    }
                    return Ok(Vec::new());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(planned)
    }

    /// Removes the steps that were planned since.
    fn roll_back(&mut self, open: usize, steps: usize) {
        self.open.truncate(open);
        self.plan.steps.truncate(steps);
        self.done.retain(|_, step| *step < steps);
    }

    /// The modules that a module needs: those in modules.dep, and, if that may be out of date, those that the module's
    /// file names.
    fn needs(&mut self, name: &str, path: Option<&Path>) -> Result<Vec<String>> {
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
            let owners = self.tree.by_symbol(symbol)?;
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

impl Step {
    fn new(name: &str, action: Action) -> Self {
        let (requires, pre, post) = (Vec::new(), Vec::new(), Vec::new());
        Self { name: name.to_owned(), action, args: String::new(), command: None, requires, pre, post, required: false }
    }
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

fn ignore_missing(error: Error) -> Result<Vec<Resolved>> {
    if kind(&error) == Some("not-found") { Ok(Vec::new()) } else { Err(error) }
}
