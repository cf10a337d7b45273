//! Checks that all modules of a tree can be linked, without writing them.
//!
//! There are two passes, each in several threads. The first reads the exports of the modules. The second links each
//! module against the kernel's symbols and all exports. The addresses are arbitrary: each module is placed at the base
//! address of its plugin, and a symbol without an address gets one within reach of that.

mod exports;
mod find;

pub use find::{File, Found, Shadowed, find};

use crate::cross_check::{link_both, machine_of};
use crate::guests::{Guests, Plugin};
use crate::link::{load, plugin_of, prepare_by};
use crate::open::Source;
use crate::parallel;
use crate::resolve::Sources;
use exports::Scopes;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use relobox_core::symbols::Symbols;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result for one module.
#[derive(Debug)]
pub struct Outcome {
    /// The path of the module's file.
    pub path: PathBuf,
    /// The statistics of the link, or the reason why the module cannot be linked.
    pub result: Result<Done>,
}

/// The statistics of a module that can be linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The plugin's name.
    pub plugin: String,
    /// The number of relocations.
    pub relocations: usize,
    /// The size in bytes of the sections that the plugin made (GOT, PLT, veneers).
    pub synthetic: usize,
    /// The address at which the module was assumed to be.
    pub base: u64,
    /// The address near which symbols without an address were assumed to be.
    pub kernel: u64,
    /// True if the plugin of the cross-check linked it as well, with the same result.
    pub compared: bool,
}

/// Checks the modules in `found` with `jobs` threads (at least 1).
///
/// `symbols` are those of the kernel, and `inputs` are numbers from it that plugins ask for. `progress` is called twice
/// for each module. A module sees the exports of the modules in its own tree and of the files that were named one by
/// one, but not those of another tree. `second` also links each module for whose machine it is, and must agree.
pub fn check(
    guests: &Guests,
    found: &Found,
    symbols: Symbols,
    inputs: &[(String, u64)],
    second: Option<&Arc<Plugin>>,
    jobs: usize,
    progress: &(dyn Fn() + Sync),
) -> Vec<Outcome> {
    let exports = parallel::map(jobs, &found.modules, |file| {
        let exports = match &file.missing {
            None => exports::of(guests, &file.path),
            Some(why) => Err(missing(&file.path, why)),
        };
        progress();
        exports
    });
    // A module that cannot be read reports its error in the second pass.
    let scopes = Scopes::new(found, symbols, exports);
    let items: Vec<_> = found.modules.iter().zip(scopes.duplicates()).collect();
    parallel::map(jobs, &items, |(file, duplicates)| {
        let linked = match &file.missing {
            None => link_dry(guests, &file.path, scopes.of(file), inputs, second),
            Some(why) => Err(missing(&file.path, why)),
        };
        progress();
        Outcome { path: file.path.clone(), result: add_problems(linked, duplicates) }
    })
}

fn missing(path: &Path, why: &str) -> Error {
    Error::io(path)(std::io::Error::new(std::io::ErrorKind::NotFound, why))
}

/// Adds the problems that only the kernel would report.
fn add_problems(linked: Result<Done>, more: &[Diagnostic]) -> Result<Done> {
    match linked {
        Ok(done) if more.is_empty() => Ok(done),
        Ok(_) => Err(Error::Module(more.to_vec())),
        Err(Error::Module(problems)) => Err(Error::Module([problems, more.to_vec()].concat())),
        Err(error) => Err(error),
    }
}

fn link_dry(
    guests: &Guests,
    path: &Path,
    symbols: &Symbols,
    inputs: &[(String, u64)],
    second: Option<&Arc<Plugin>>,
) -> Result<Done> {
    let name = path.display().to_string();
    let open = || load(guests, &name, Source::open(path)?);
    let module = open()?;
    let second = second.filter(|second| machine_of(second, &module.records()).is_some());
    let plugin = plugin_of(guests, &module.records(), second.map(|second| second.guest.digest()))?;
    // A plugin that is chosen for this machine has an entry for it.
    let (base, kernel) = machine_of(&plugin, &module.records()).map_or((0, 0), |m| (m.base, m.kernel));
    let sources = Sources { symbols, assume: Some(kernel) };
    let linked = match second {
        None => {
            let prepared = prepare_by(plugin, module, inputs)?;
            let layout = prepared.measured.at(base);
            prepared.link(layout, sources)?
        }
        Some(second) => {
            let (plugins, modules) = ([plugin, Arc::clone(second)], [module, open()?]);
            link_both(plugins, modules, inputs, |prepared| Ok(prepared.measured.at(base)), sources)?
        }
    };
    Ok(Done {
        plugin: linked.plugin.about.name.clone(),
        relocations: linked.module.records().relocations.len(),
        synthetic: linked.synthetic.iter().map(|s| s.contents.len()).sum(),
        base,
        kernel,
        compared: second.is_some(),
    })
}
