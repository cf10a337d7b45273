//! Checks that all modules of a tree can be linked, without writing them.
//!
//! There are two passes, each in several threads. The first reads the exports of the modules, and which kernels they are
//! for. The second links each module against its kernel's symbols and the exports of that kernel's modules. The
//! addresses are arbitrary: each module is placed at the base address of its plugin, and a symbol without an address gets
//! one within reach of that.

mod depmod_d;
mod exports;
mod find;
mod kernels;
mod machine;

pub use find::{File, Found, Shadowed, find, root_of};
pub use kernels::Kernel;
pub use machine::MachineId;
pub use relobox_link::assumed::Place;

use crate::cross_check::{link_both, machine_of};
use crate::guests::{Guests, Plugin};
use crate::link::{load, plugin_of, prepare_by};
use crate::parallel;
use crate::resolve::Sources;
use crate::signatures::Verifier;
use exports::Header;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use relobox_core::signature::Verdict;
use relobox_core::symbols::Symbols;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result for one module.
#[derive(Debug)]
pub struct Outcome {
    /// The path of the module's file.
    pub path: PathBuf,
    /// The index of its kernel in [`Survey::kernels`]. `None` if the file cannot be read.
    pub kernel: Option<usize>,
    /// Where it was assumed to be. `None` if no plugin links it.
    pub place: Option<Place>,
    /// The statistics of the link, or the reason why the module cannot be linked.
    pub result: Result<Done>,
}

/// The statistics of a module that can be linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The number of relocations.
    pub relocations: usize,
    /// The size in bytes of the sections that the plugin made (GOT, PLT, veneers).
    pub synthetic: usize,
    /// What came of the check of its signature, if there was one.
    pub signature: Option<Verdict>,
    /// True if the plugin of the cross-check linked it as well, with the same result.
    pub compared: bool,
}

/// The result of the first pass: which kernels there are, and what their modules export.
pub struct Survey<'a> {
    found: &'a Found,
    headers: Vec<Option<Header>>,
    kernels: Vec<Kernel>,
    /// The index of each file's kernel.
    kernel_of: Vec<Option<usize>>,
    verifier: Verifier,
}

impl<'a> Survey<'a> {
    /// Reads the modules in `found` with `jobs` threads (at least 1). `progress` is called once for each module.
    pub fn read(guests: &Guests, found: &'a Found, jobs: usize, progress: &(dyn Fn() + Sync)) -> Self {
        let headers = parallel::map(jobs, &found.modules, |file| {
            // A module that cannot be read reports its error in the second pass.
            let header = file.missing.is_none().then(|| exports::header(guests, &file.path).ok()).flatten();
            progress();
            header
        });
        let known: Vec<Option<&Header>> = headers.iter().map(Option::as_ref).collect();
        let (kernels, kernel_of) = kernels::group(found, &known);
        Self { found, headers, kernels, kernel_of, verifier: Verifier::default() }
    }

    /// Also judges the signature of each module before it links it.
    #[must_use]
    pub fn verifying(self, verifier: Verifier) -> Self {
        Self { verifier, ..self }
    }

    /// The kernels that the modules are for.
    #[must_use]
    pub fn kernels(&self) -> &[Kernel] {
        &self.kernels
    }

    /// Links the modules. `symbols` are those of each kernel, and `inputs` are numbers from it that plugins ask for.
    /// `progress` is called once for each module. `second` also links each module for whose machine it is, and must
    /// agree.
    pub fn check(
        &self,
        guests: &Guests,
        symbols: Vec<Symbols>,
        inputs: &[(String, u64)],
        second: Option<&Arc<Plugin>>,
        jobs: usize,
        progress: &(dyn Fn() + Sync),
    ) -> Vec<Outcome> {
        let files = || self.found.modules.iter().zip(&self.headers).zip(&self.kernel_of).enumerate();
        let mut duplicates = vec![Vec::new(); self.found.modules.len()];
        let mut scopes = Vec::new();
        for (kernel, symbols) in symbols.into_iter().enumerate() {
            let own = files().filter(|(_, (_, of))| **of == Some(kernel));
            let own = own.filter_map(|(at, ((file, header), _))| Some((at, (&*file.path, header.as_ref()?))));
            let (indices, modules): (Vec<usize>, Vec<_>) = own.unzip();
            let (scope, problems) = exports::scope(symbols, &modules);
            problems.into_iter().for_each(|(at, problem)| duplicates[indices[at]].push(problem));
            scopes.push(scope);
        }
        let none = Symbols::new();
        let items: Vec<_> = self.found.modules.iter().zip(&self.kernel_of).zip(&duplicates).collect();
        parallel::map(jobs, &items, |((file, kernel), duplicates)| {
            let symbols = kernel.and_then(|kernel| scopes.get(kernel)).unwrap_or(&none);
            let mut place = None;
            let linked = match &file.missing {
                None => link_dry(guests, &self.verifier, &file.path, symbols, inputs, second, &mut place),
                Some(why) => Err(missing(&file.path, why)),
            };
            progress();
            Outcome { path: file.path.clone(), kernel: **kernel, place, result: add_problems(linked, duplicates) }
        })
    }
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
    verifier: &Verifier,
    path: &Path,
    symbols: &Symbols,
    inputs: &[(String, u64)],
    second: Option<&Arc<Plugin>>,
    assumed: &mut Option<Place>,
) -> Result<Done> {
    let name = path.display().to_string();
    let open = || {
        let (source, verdict) = verifier.open(guests, path)?;
        Ok::<_, Error>((load(guests, &name, source)?, verdict))
    };
    let (module, signature) = open()?;
    let second = second.filter(|second| machine_of(second, &module.records()).is_some());
    let plugin = plugin_of(guests, &module.records(), second.map(|second| second.guest.digest()))?;
    // A plugin that is chosen for this machine has an entry for it.
    let place = machine_of(&plugin, &module.records()).map(|machine| Place::of(&plugin.about.name, machine, symbols));
    let (base, kernel) = place.as_ref().map_or((0, 0), |place| (place.base, place.kernel));
    *assumed = place;
    // The modules of another plugin may need an input that this one does not read.
    let reads = |name: &str| plugin.about.inputs.iter().any(|(read, _)| read == name);
    let inputs: Vec<_> = inputs.iter().filter(|(name, _)| reads(name)).cloned().collect();
    let inputs = &inputs[..];
    let sources = Sources { symbols, assume: Some(kernel) };
    let linked = match second {
        None => {
            let prepared = prepare_by(plugin, module, inputs)?;
            let layout = prepared.measured.at(base);
            prepared.link(layout, sources)?
        }
        Some(second) => {
            let (plugins, modules) = ([plugin, Arc::clone(second)], [module, open()?.0]);
            link_both(plugins, modules, inputs, |prepared| Ok(prepared.measured.at(base)), sources)?
        }
    };
    Ok(Done {
        relocations: linked.module.records().relocations.len(),
        synthetic: linked.synthetic.iter().map(|s| s.contents.len()).sum(),
        signature,
        compared: second.is_some(),
    })
}
