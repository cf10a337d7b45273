//! `modprobe -r`: removes a module, and the dependencies that are no longer used.

use super::config::Config;
use super::find::{self, Found};
use super::glob::alias_name;
use super::tree::Tree;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use relobox_core::inserted::kernel_error;
use relobox_core::kernel::{KernelError, Module};
use std::collections::HashSet;

/// Options of a removal.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveOptions {
    /// If true, a module that is not loaded is an error (`--first-time`).
    pub first_time: bool,
    /// If true, a module is removed without its `remove` command and without its soft dependencies
    /// (`--ignore-remove`).
    pub ignore_commands: bool,
}

/// The result of a removal.
#[derive(Debug, Default)]
pub struct Removed {
    /// The names of the removed modules, in order.
    pub names: Vec<String>,
    /// Why a soft dependency was not removed.
    pub warnings: Vec<String>,
}

/// The operations on a kernel that a removal needs.
pub trait Modules {
    /// Lists the loaded modules.
    ///
    /// # Errors
    /// If the kernel cannot be asked.
    fn list(&mut self) -> Result<Vec<Module>, KernelError>;
    /// Removes one module.
    ///
    /// # Errors
    /// If the kernel refuses: the module is in use, is not loaded, or has no exit function.
    fn remove(&mut self, name: &str) -> Result<(), KernelError>;
}

/// Removes the modules that `name` stands for, and the dependencies that are no longer used.
///
/// # Errors
/// If `name` is unknown, if the kernel refuses, if the module is built in, or if a `remove` line has a command for it.
/// Modules may have been removed before the failure: `removed` lists them.
pub fn remove(
    tree: &Tree,
    config: &Config,
    kernel: &mut impl Modules,
    name: &str,
    options: RemoveOptions,
    removed: &mut Removed,
) -> Result<()> {
    let found = find(tree, config, kernel, name)?;
    if found.is_empty() {
        let text =
            format!("no module or alias has this name in {}, and no such module is loaded", tree.root().display());
        return Err(Diagnostic::new("not-found", name, text).into());
    }
    for module in found {
        remove_one(tree, config, kernel, &module, options, removed, &mut HashSet::new())?;
    }
    Ok(())
}

/// The modules that `name` stands for. A loaded module need not be in the tree.
fn find(tree: &Tree, config: &Config, kernel: &mut impl Modules, name: &str) -> Result<Vec<Found>> {
    let mut found = find::find(tree, config, name)?;
    if found.is_empty() {
        let loaded = kernel.list().map_err(|f| kernel_error(name, &f))?;
        let own = loaded.into_iter().find(|module| alias_name(name).as_ref() == Some(&module.name));
        found.extend(own.map(|module| Found { name: module.name, ..Found::default() }));
    }
    Ok(found)
}

fn remove_one(
    tree: &Tree,
    config: &Config,
    kernel: &mut impl Modules,
    found: &Found,
    options: RemoveOptions,
    removed: &mut Removed,
    visited: &mut HashSet<String>,
) -> Result<()> {
    let name = found.name.as_str();
    if !visited.insert(name.to_owned()) {
        return Ok(());
    }
    let refused = |failure: KernelError| kernel_error(name, &failure);
    let loaded = kernel.list().map_err(refused)?;
    if found.built_in || tree.built_in(name)? {
        return Err(Diagnostic::new("built-in", name, "it is part of the kernel").into());
    }
    let Some(module) = loaded.iter().find(|m| m.name == name) else {
        let missing = KernelError::Unknown { name: name.to_owned() };
        return if options.first_time { Err(refused(missing)) } else { Ok(()) };
    };
    if let Some(line) = Config::command(&config.remove, name).filter(|_| !options.ignore_commands) {
        let text = format!("{} has a command for it, and relobox does not run commands", line.place);
        return Err(Diagnostic::new("remove-command", name, text)
            .hint("--ignore-remove ignores the command and removes the module")
            .into());
    }
    let soft = config.softdep(name).filter(|_| !options.ignore_commands);
    let soft_options = RemoveOptions { first_time: false, ..options };
    let mut remove_soft = |wanted: &[String], kernel: &mut _, removed: &mut Removed| {
        let found: Vec<_> = wanted.iter().map(|name| find(tree, config, kernel, name).unwrap_or_default()).collect();
        for module in found.iter().flatten().rev() {
            // It may be in use for other reasons. That is not an error of this removal.
            let gone = remove_one(tree, config, kernel, module, soft_options, removed, visited);
            if let Err(error) = gone.or_else(ignore_expected) {
                removed.warnings.push(format!("{error}; it stays"));
            }
        }
    };
    remove_soft(soft.map_or(&[], |s| &s.post), kernel, removed);
    // The kernel knows which modules use which symbols. modules.dep has the other dependencies.
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
    // The nearest dependency comes first. Each removal may free another one.
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
    remove_soft(soft.map_or(&[], |s| &s.pre), kernel, removed);
    Ok(())
}

/// Ignores the error if a soft dependency is in use or part of the kernel.
fn ignore_expected(error: Error) -> Result<()> {
    match super::plan::kind(&error) {
        Some("in-use" | "built-in" | "permanent") => Ok(()),
        _ => Err(error),
    }
}
