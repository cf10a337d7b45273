//! modprobe -r: a module, and what was only there for it.

use super::config::Config;
use super::glob::{alias_name, matches};
use super::tree::Tree;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use relobox_core::inserted::kernel_error;
use relobox_core::kernel::{KernelError, Module};
use relobox_core::names::underscored;
use std::collections::HashSet;

/// How to remove.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// What is not loaded is an error.
    pub first_time: bool,
    /// Remove the module itself where a `remove` line has a command instead.
    pub ignore_commands: bool,
}

/// What was removed, and what was odd.
#[derive(Debug, Default)]
pub struct Removed {
    /// Names, in the order of going.
    pub names: Vec<String>,
    /// Why a soft dependency stayed.
    pub warnings: Vec<String>,
}

/// A kernel as far as removing needs it.
pub trait Modules {
    /// What is loaded.
    fn list(&mut self) -> Result<Vec<Module>, KernelError>;
    /// Removes a module.
    fn remove(&mut self, name: &str) -> Result<(), KernelError>;
}

/// Removes what `name` stands for, with the dependencies that nobody uses any more. What has gone already is in
/// `removed`, also when this fails.
pub fn remove(
    tree: &Tree,
    config: &Config,
    kernel: &mut impl Modules,
    name: &str,
    how: How,
    removed: &mut Removed,
) -> Result<()> {
    let names = find(tree, config, kernel, name)?;
    if names.is_empty() {
        let text = format!("no module or alias of that name in {}, and none is loaded", tree.root().display());
        return Err(Diagnostic::new("not-found", name, text).into());
    }
    for name in names {
        one(tree, config, kernel, &name, how, removed, &mut HashSet::new())?;
    }
    Ok(())
}

fn find(tree: &Tree, config: &Config, kernel: &mut impl Modules, name: &str) -> Result<Vec<String>> {
    let alias = alias_name(name);
    let configured = config.aliases.iter().filter(|l| matches(&l.name, &alias) && l.value != "off");
    let configured: Vec<String> = configured.map(|l| underscored(&l.value)).collect();
    if !configured.is_empty() {
        return Ok(configured);
    }
    let loaded = kernel.list().map_err(|f| kernel_error(name, &f))?.iter().any(|m| m.name == alias);
    if loaded || tree.path(&alias).is_some() || tree.built_in(&alias)? {
        return Ok(vec![alias]);
    }
    tree.by_alias(&alias)
}

fn one(
    tree: &Tree,
    config: &Config,
    kernel: &mut impl Modules,
    name: &str,
    how: How,
    removed: &mut Removed,
    visited: &mut HashSet<String>,
) -> Result<()> {
    if !visited.insert(name.to_owned()) {
        return Ok(());
    }
    let refused = |failure: KernelError| kernel_error(name, &failure);
    let loaded = kernel.list().map_err(refused)?;
    let Some(module) = loaded.iter().find(|m| m.name == name) else {
        if tree.built_in(name)? {
            return Err(Diagnostic::new("built-in", name, "it is part of the kernel").into());
        }
        let missing = KernelError::Unknown { name: name.to_owned() };
        return if how.first_time { Err(refused(missing)) } else { Ok(()) };
    };
    if let Some(line) = Config::command(&config.remove, name, None).filter(|_| !how.ignore_commands) {
        let text = format!("{} has a command in its place, and commands are not run", line.place);
        return Err(Diagnostic::new("remove-command", name, text)
            .hint("--ignore-remove removes the module itself")
            .into());
    }
    let soft = config.softdep(name).cloned();
    let quietly = How { first_time: false, ..how };
    let mut soft_ones = |wanted: &[String], kernel: &mut _, removed: &mut Removed| {
        for wanted in wanted.iter().rev() {
            // What else uses it is no fault of this module's.
            let names = find(tree, config, kernel, wanted).unwrap_or_default();
            for name in names {
                let gone = one(tree, config, kernel, &name, quietly, removed, visited);
                if let Err(error) = gone.or_else(expected) {
                    removed.warnings.push(format!("{error}; it stays"));
                }
            }
        }
    };
    soft_ones(soft.as_ref().map_or(&[], |s| &s.post), kernel, removed);
    // The kernel knows who uses whom; modules.dep knows of those that are used in other ways.
    let mut needs = tree.needs(name);
    let mut open = module.uses.clone();
    while let Some(used) = open.pop() {
        if !needs.contains(&used) {
            open.extend(loaded.iter().filter(|m| m.name == used).flat_map(|m| m.uses.iter().cloned()));
            needs.insert(0, used);
        }
    }
    kernel.remove(name).map_err(refused)?;
    removed.names.push(name.to_owned());
    // Nearest first; after each, another may be free.
    loop {
        let now = kernel.list().map_err(refused)?;
        let free = |m: &Module| m.live && m.users.is_empty() && m.use_count.is_none_or(|count| count == 0);
        let unused = |need: &&String| now.iter().any(|m| m.name == **need && free(m));
        let Some(need) = needs.iter().rev().find(unused).cloned() else { break };
        needs.retain(|n| *n != need);
        if kernel.remove(&need).is_ok() {
            removed.names.push(need);
        }
    }
    soft_ones(soft.as_ref().map_or(&[], |s| &s.pre), kernel, removed);
    Ok(())
}

/// A soft dependency that is in use, or part of the kernel, stays without a word.
fn expected(error: Error) -> Result<()> {
    match super::plan::kind(&error) {
        Some("in-use" | "built-in" | "permanent") => Ok(()),
        _ => Err(error),
    }
}
