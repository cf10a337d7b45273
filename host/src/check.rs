//! Check: every module of a tree is linked, dry.
//!
//! Two passes, each over all processors: the first learns what the modules export, the second links
//! each against the kernel's symbols and all exports. No address matters: each module goes where its
//! plugin says modules go, and symbols without an address get one within reach of that.

mod exports;
mod find;

pub use find::{File, Found, Shadowed, find};

use crate::guests::Guests;
use crate::link::prepare;
use crate::open::Source;
use crate::resolve::Sources;
use exports::Scopes;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use relobox_core::symbols::Symbols;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What became of one module.
#[derive(Debug)]
pub struct Outcome {
    /// The file.
    pub path: PathBuf,
    /// How many relocations, and the plugin, if it could be linked.
    pub result: Result<Done>,
}

/// A module that links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The plugin's name.
    pub plugin: String,
    /// How many relocations were done.
    pub relocations: usize,
    /// How many bytes the plugin made (GOT, PLT, veneers).
    pub synthetic: usize,
}

/// Checks what was found with `jobs` threads. `symbols` is what the kernel defines, `inputs` are
/// numbers from it; `progress` is called after each step, of which there are two for each module. Modules of one tree see each other's exports, and those of
/// the files that were named themselves, but not another tree's.
pub fn check(
    guests: &Guests,
    found: &Found,
    symbols: Symbols,
    inputs: &[(String, u64)],
    jobs: usize,
    progress: &(dyn Fn() + Sync),
) -> Vec<Outcome> {
    let exports = parallel(jobs, &found.modules, |file| {
        let exports = match &file.missing {
            None => exports::of(guests, &file.path),
            Some(why) => Err(missing(&file.path, why)),
        };
        progress();
        exports
    });
    // What cannot be read says so in the second pass.
    let scopes = Scopes::new(found, symbols, exports);
    let items: Vec<_> = found.modules.iter().zip(scopes.duplicates()).collect();
    parallel(jobs, &items, |(file, duplicates)| {
        let linked = match &file.missing {
            None => link_dry(guests, &file.path, scopes.of(file), inputs),
            Some(why) => Err(missing(&file.path, why)),
        };
        progress();
        Outcome { path: file.path.clone(), result: with(linked, duplicates) }
    })
}

fn missing(path: &Path, why: &str) -> Error {
    Error::io(path)(std::io::Error::new(std::io::ErrorKind::NotFound, why))
}

/// The verdict, with what else the kernel would refuse.
fn with(linked: Result<Done>, more: &[Diagnostic]) -> Result<Done> {
    match linked {
        Ok(done) if more.is_empty() => Ok(done),
        Ok(_) => Err(Error::Module(more.to_vec())),
        Err(Error::Module(problems)) => Err(Error::Module([problems, more.to_vec()].concat())),
        Err(error) => Err(error),
    }
}

fn link_dry(guests: &Guests, path: &Path, symbols: &Symbols, inputs: &[(String, u64)]) -> Result<Done> {
    let name = path.display().to_string();
    let module = crate::link::load(guests, &name, Source::open(path)?)?;
    let prepared = prepare(guests, module, inputs)?;
    let (layout, assume) = (prepared.measured.at(prepared.machine.base), Some(prepared.machine.kernel));
    let linked = prepared.link(layout, Sources { symbols, assume })?;
    Ok(Done {
        plugin: linked.plugin.about.name.clone(),
        relocations: linked.module.records().relocations.len(),
        synthetic: linked.synthetic.iter().map(|s| s.contents.len()).sum(),
    })
}

/// `work` on every item, by `jobs` threads, in the order of the items.
fn parallel<T: Sync, R: Send>(jobs: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                let mut mine = Vec::new();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { break };
                    mine.push((i, work(item)));
                }
                done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(mine);
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, r)| r).collect()
}
