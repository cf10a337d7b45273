//! Plan: which modules, in which order, with which parameters. Nothing is loaded here.

use super::config::{Config, Line};
use super::glob::{alias_name, matches};
use super::tree::Tree;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::names::{of_file, underscored};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// What is wanted.
pub struct Request<'a> {
    /// Modules, aliases, or files (`/…` or `./…`).
    pub names: &'a [String],
    /// Parameters for each of them.
    pub args: &'a str,
    /// Blacklists are for names too, not only for aliases.
    pub blacklist: bool,
    /// Load the named modules even where an `install` line has a command instead.
    pub ignore_commands: bool,
    /// What is loaded already.
    pub live: &'a HashSet<String>,
    /// What a file itself says it needs, asked where modules.dep may not know.
    pub inspect: &'a dyn Fn(&Path) -> Result<Needs>,
}

/// What a module's file says it needs.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// `depends=`: names of modules.
    pub depends: Vec<String>,
    /// Symbols that it does not define and cannot do without.
    pub undefined: Vec<String>,
}

/// What is to be done about a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Load this file.
    Load(PathBuf),
    /// Nothing: it is loaded already.
    Live,
    /// Nothing: it is part of the kernel.
    BuiltIn,
    /// Nothing: an `install` line has `true` for it.
    Disabled,
    /// It cannot be loaded.
    Refused(Box<Diagnostic>),
}

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What to do.
    pub action: Action,
    /// Its parameters.
    pub args: String,
    /// The command that an `install` line has in its place.
    pub command: Option<String>,
    /// Earlier steps that it cannot do without.
    pub requires: Vec<usize>,
    /// Soft dependencies that come before it, whatever becomes of them.
    pub pre: Vec<usize>,
    /// Soft dependencies that come after it, whatever becomes of it.
    pub post: Vec<usize>,
    /// Asked for, or required by what was; otherwise a soft dependency, whose failure is only a warning.
    pub required: bool,
}

/// A name that was asked for, and what it stands for; an alias may have several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was asked for.
    pub name: String,
    /// Its step.
    pub step: usize,
}

/// Steps, each behind those that it depends on.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of loading them one by one.
    pub steps: Vec<Step>,
    /// What was asked for.
    pub targets: Vec<Target>,
    /// Modules that an alias stands for and a blacklist keeps out, and where.
    pub blacklisted: Vec<(String, String)>,
    /// Why a name has no steps.
    pub errors: Vec<Error>,
    /// What was odd on the way.
    pub warnings: Vec<String>,
}

/// Plans `request`.
pub fn plan(tree: &Tree, config: &Config, request: &Request<'_>) -> Plan {
    let mut planner = Planner {
        tree,
        config,
        request,
        plan: Plan::default(),
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

impl Plan {
    /// `from`, and all that is loaded on their account, as far as `go_on` accepts a step.
    #[must_use]
    pub fn wanted(&self, from: impl IntoIterator<Item = usize>, go_on: impl Fn(usize) -> bool) -> HashSet<usize> {
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
struct Found {
    name: String,
    /// As what it was found, if not by its name.
    alias: Option<String>,
    /// Its file, if that was what was asked for.
    path: Option<PathBuf>,
}

struct Planner<'a> {
    tree: &'a Tree,
    config: &'a Config,
    request: &'a Request<'a>,
    plan: Plan,
    /// Steps by their module's name.
    done: HashMap<String, usize>,
    /// Modules whose dependencies are being planned.
    open: Vec<String>,
    /// Soft dependencies that cannot come where they should, with whose they are.
    later: Vec<(String, String)>,
}

impl Planner<'_> {
    fn target(&mut self, name: &str) -> Result<()> {
        let found = self.find(name)?;
        if found.is_empty() {
            let text = format!("no module or alias of that name in {}", self.tree.root().display());
            return Err(Diagnostic::new("not-found", name, text).hint("'depmod' indexes new modules").into());
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

    /// What a name stands for. Configured aliases come first, so that a name can be given to another module.
    fn find(&self, name: &str) -> Result<Vec<Found>> {
        if name.starts_with('/') || name.starts_with("./") {
            return Ok(vec![Found { name: of_file(name), alias: None, path: Some(name.into()) }]);
        }
        let alias = alias_name(name);
        let found = |names: Vec<String>| -> Vec<Found> {
            names.into_iter().map(|name| Found { name, alias: Some(alias.clone()), path: None }).collect()
        };
        let own = |name: &str| vec![Found { name: name.to_owned(), alias: None, path: None }];
        let configured: Vec<&Line> = self.config.aliases.iter().filter(|l| matches(&l.name, &alias)).collect();
        if let Some(line) = configured.iter().find(|l| l.value == "off") {
            return Err(
                Diagnostic::new("not-found", name, format!("the alias is switched off at {}", line.place)).into()
            );
        }
        if !configured.is_empty() {
            // Options for an alias are for it as it is written, pattern and all.
            let module = |l: &&Line| Found { name: underscored(&l.value), alias: Some(l.name.clone()), path: None };
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

    /// Plans a module behind all that it depends on; its step.
    fn visit(&mut self, module: &Found, target: bool) -> Result<usize> {
        let name = &module.name;
        if let Some(step) = self.done.get(name) {
            return Ok(*step);
        }
        if let Some(at) = self.open.iter().position(|open| open == name) {
            let text = format!("it depends on itself, by way of {}", self.open[at..].join(", "));
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
            let need = Found { name: need, alias: None, path: None };
            step.requires.push(self.visit(&need, false)?);
        }
        let line = Config::command(&self.config.install, name, module.alias.as_deref());
        let line = line.filter(|_| !(target && self.request.ignore_commands)).cloned();
        // `install X /bin/false` is how an administrator switches a module off. It stays off whatever else is said of it.
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
            // What comes earlier for another reason stays there.
            self.plan.steps[this].post.extend(planned.into_iter().filter(|step| *step > this));
        }
        Ok(this)
    }

    fn push(&mut self, module: &Found, step: Step) -> usize {
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
                    let text = format!("{} switches it off ('{}')", line.place, line.value);
                    refused(Diagnostic::new("install-command", name, text))
                }
                _ => {
                    let text = format!("{} has a command in its place, and commands are not run", line.place);
                    refused(
                        Diagnostic::new("install-command", name, text).hint("--ignore-install loads the module itself"),
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
        Ok(refused(Diagnostic::new("not-found", name, text).hint("'depmod' indexes new modules")))
    }

    /// Plans a soft dependency of a module, and forgets it where it cannot be found. One that needs a module whose turn has not come
    /// is put off until it has.
    fn soft(&mut self, of: &str, wanted: &str, may_wait: bool) -> Result<Vec<usize>> {
        let (open, steps) = (self.open.len(), self.plan.steps.len());
        let mut planned = Vec::new();
        for module in self.find(wanted).or_else(ignore_missing)? {
            // A circle of soft dependencies: whoever began it comes later.
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

    /// Forgets all that came after.
    fn roll_back(&mut self, open: usize, steps: usize) {
        self.open.truncate(open);
        self.plan.steps.truncate(steps);
        self.done.retain(|_, step| *step < steps);
    }

    /// What a module needs: by modules.dep, and where that may not know, by what the module itself asks for.
    fn needs(&mut self, name: &str, path: Option<&Path>) -> Result<Vec<String>> {
        let mut needs = self.tree.needs(name);
        let Some(path) = path.filter(|path| self.tree.stale(name, path)) else { return Ok(needs) };
        let listed = self.tree.lists(name, path);
        let asked = match (self.request.inspect)(path) {
            Ok(asked) => asked,
            Err(error) => {
                // What is listed can still be right, and a file that cannot be read says so when it is loaded.
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
                    "{name}: needs {owner}{why}, which modules.dep does not say; 'depmod' would bring it up to date"
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

/// The first problem's kind.
pub(crate) fn kind(error: &Error) -> Option<&'static str> {
    match error {
        Error::Module(problems) => problems.first().map(|p| p.kind),
        Error::Kernel(problem) => Some(problem.kind),
        _ => None,
    }
}

/// The program of a command line, without its directory.
fn program(line: &Line) -> &str {
    let program = line.value.split_whitespace().next().unwrap_or_default();
    program.rsplit('/').next().unwrap_or_default()
}

fn ignore_missing(error: Error) -> Result<Vec<Found>> {
    if kind(&error) == Some("not-found") { Ok(Vec::new()) } else { Err(error) }
}
