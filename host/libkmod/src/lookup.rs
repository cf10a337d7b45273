//! From a name or an alias to modules, in the order in which kmod asks.

use crate::context::Context;
use crate::log::ERROR;
use crate::module::Module;
use crate::settings::module_of;
use relobox_modprobe::Tree;
use relobox_modprobe::config::Softdep;
use relobox_modprobe::glob::alias_name;
use relobox_modprobe::glob::matches;
use rustix::io::Errno;
use std::sync::Arc;

type Found = Result<Vec<Arc<Module>>, Errno>;

/// The modules that a normalized alias stands for.
///
/// # Errors
/// `ENAMETOOLONG`
pub(crate) fn by_alias(context: &Arc<Context>, alias: &str) -> Found {
    let config = &context.settings.config;
    let configured = config.aliases.iter().filter(|line| matches(&line.name, alias));
    let found: Vec<_> =
        configured.map(|line| Module::by_alias(context, &line.name, &module_of(line))).collect::<Result<_, _>>()?;
    if !found.is_empty() {
        return Ok(found);
    }
    let found = by_file(context, alias)?;
    if !found.is_empty() {
        return Ok(found);
    }
    if alias.starts_with("symbol:") {
        let names = context.index.by_symbol(alias);
        if !names.is_empty() {
            return aliased(context, alias, &names);
        }
    }
    if config.install.iter().chain(&config.remove).any(|line| line.name == alias) {
        return Ok(vec![Module::by_name(context, alias)?]);
    }
    let names = ask(context, |tree| tree.by_alias(alias));
    if !names.is_empty() {
        return aliased(context, alias, &names);
    }
    built_in(context, alias)
}

/// The module of this normalized name: a file, or a part of the kernel. Aliases are not asked.
///
/// # Errors
/// `ENAMETOOLONG`
pub(crate) fn by_name(context: &Arc<Context>, name: &str) -> Found {
    let found = by_file(context, name)?;
    if found.is_empty() { built_in(context, name) } else { Ok(found) }
}

/// The module that modules.dep has.
fn by_file(context: &Arc<Context>, name: &str) -> Found {
    match context.index.ask(|tree| tree.path(name)).flatten() {
        Some(_) => Ok(vec![Module::by_name(context, name)?]),
        None => Ok(Vec::new()),
    }
}

fn built_in(context: &Arc<Context>, name: &str) -> Found {
    let found = match context.index.ask(|tree| tree.built_in(name).unwrap_or(false)) {
        Some(true) => vec![Module::by_name(context, name)?],
        _ => aliased(context, name, &ask(context, |tree| tree.built_in_by_alias(name)))?,
    };
    found.iter().for_each(|module| module.set_built_in());
    Ok(found)
}

fn aliased(context: &Arc<Context>, alias: &str, names: &[String]) -> Found {
    names.iter().map(|name| Module::by_alias(context, alias, name)).collect()
}

/// What an index says. One that cannot be read says nothing, with a message.
fn ask(context: &Context, question: impl FnOnce(&Tree) -> relobox_core::Result<Vec<String>>) -> Vec<String> {
    let answer = context.index.ask(question).unwrap_or_else(|| Ok(Vec::new()));
    answer.unwrap_or_else(|error| {
        context.log.say(ERROR, c"kmod_module_new_from_lookup", error);
        Vec::new()
    })
}

/// The modules that these names or aliases stand for. Those that cannot be found are left out.
fn all<'a>(context: &Arc<Context>, names: impl IntoIterator<Item = &'a str>) -> Vec<Arc<Module>> {
    let found = |name: &str| by_alias(context, &alias_name(name).ok_or(Errno::INVAL)?);
    let mut modules = Vec::new();
    for name in names {
        match found(name) {
            Ok(found) => modules.extend(found),
            Err(error) => context.log.say(ERROR, c"kmod_module_new_from_lookup", format_args!("{name}: {error}")),
        }
    }
    modules
}

/// The soft dependencies of a module: those before it, and those after it.
pub(crate) fn softdeps(module: &Module) -> (Vec<Arc<Module>>, Vec<Arc<Module>>) {
    match module.context.settings.config.softdep(module.name()) {
        Some(Softdep { pre, post, .. }) => {
            let find = |names: &[String]| all(&module.context, names.iter().map(String::as_str));
            (find(pre), find(post))
        }
        None => (Vec::new(), Vec::new()),
    }
}

/// The weak dependencies of a module. The first line that matches its name counts.
pub(crate) fn weakdeps(module: &Module) -> Vec<Arc<Module>> {
    let lines = &module.context.settings.config.weakdeps;
    let line = lines.iter().find(|line| matches(&line.name, module.name()));
    line.map(|line| all(&module.context, line.value.split_whitespace())).unwrap_or_default()
}
