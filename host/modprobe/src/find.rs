//! The modules that a name or an alias stands for.

use super::config::{Config, Line};
use super::glob::{alias_name, matches};
use super::tree::Tree;
use relobox_core::error::Result;
use std::path::PathBuf;

/// A module that a name stands for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) name: String,
    /// The alias by which it was found, if it was not found by its name.
    pub(crate) alias: Option<String>,
    /// Its file, if it was found by that.
    pub(crate) path: Option<PathBuf>,
    /// True if the alias is that of a built-in module.
    pub(crate) built_in: bool,
}

/// The modules that a name stands for. A configured alias comes first, so it can replace a module's own name.
pub(crate) fn find(tree: &Tree, config: &Config, name: &str) -> Result<Vec<Found>> {
    let Some(alias) = alias_name(name) else { return Ok(Vec::new()) };
    // The options of a configured alias are those for the alias as it is written, including its wildcards.
    let configured = config.aliases.iter().filter(|l| matches(&l.name, &alias));
    let configured: Vec<_> = configured.map(|l| by_alias(&l.value, &l.name, false)).collect();
    let commands = || [&config.install, &config.remove].into_iter().flatten().any(|line: &Line| line.name == alias);
    let listed = |names: Vec<String>, built_in| names.iter().map(|name| by_alias(name, &alias, built_in)).collect();
    let own = vec![Found { name: alias.clone(), ..Found::default() }];
    if !configured.is_empty() {
        return Ok(configured);
    }
    if tree.path(&alias).is_some() {
        return Ok(own);
    }
    if alias.starts_with("symbol:") {
        let exporting = tree.by_symbol(&alias)?;
        if !exporting.is_empty() {
            return Ok(listed(exporting, false));
        }
    }
    if commands() {
        return Ok(own);
    }
    let modules = tree.by_alias(&alias)?;
    if !modules.is_empty() {
        return Ok(listed(modules, false));
    }
    if tree.built_in(&alias)? { Ok(own) } else { Ok(listed(tree.built_in_by_alias(&alias)?, true)) }
}

/// The names of the modules that a name or an alias stands for (`modprobe --resolve-alias`). They need not exist.
///
/// # Errors
/// If an index cannot be read or is larger than [`relobox_core::limits::MODPROBE_INDEX`].
pub fn resolve(tree: &Tree, config: &Config, name: &str) -> Result<Vec<String>> {
    Ok(find(tree, config, name)?.into_iter().map(|module| module.name).collect())
}

fn by_alias(name: &str, alias: &str, built_in: bool) -> Found {
    Found { name: name.to_owned(), alias: Some(alias.to_owned()), path: None, built_in }
}
