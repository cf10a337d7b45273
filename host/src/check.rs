//! Check: every module of a tree is linked, dry.
//!
//! Two passes, each over all processors: the first learns what the modules export, the second links
//! each against the kernel's symbols and all exports. No address matters: each module goes where its
//! plugin says modules go, and symbols without an address get one within reach of that.

use crate::error::{Error, Result};
use crate::guests::Guests;
use crate::link::prepare;
use crate::open::{Source, open};
use crate::parse::{Module, parse};
use crate::resolve::Sources;
use crate::symbols::{Definition, Symbols};
use crate::text::decoded;
use relobox_abi::{export_flag, parse as what};
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

/// Endings of modules, packed or not.
const ENDINGS: [&str; 4] = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];

/// Every module under `paths`, sorted; a path that is a file is taken whatever its name.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let meta = std::fs::metadata(path).map_err(Error::io(path))?;
        if meta.is_dir() { walk(path, &mut found)? } else { found.push(path.clone()) }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io(dir))?);
        // `build` and `source` are links out of the tree.
        if kind.is_dir() {
            walk(&path, found)?;
        } else if kind.is_file() && ENDINGS.iter().any(|e| path.to_string_lossy().ends_with(e)) {
            found.push(path);
        }
    }
    Ok(())
}

/// Checks `modules` with `jobs` threads. `symbols` is what the kernel defines; `progress` is called
/// after each step, of which there are two for each module.
pub fn check(
    guests: &Guests,
    modules: &[PathBuf],
    mut symbols: Symbols,
    jobs: usize,
    progress: &(dyn Fn() + Sync),
) -> Vec<Outcome> {
    let exports = parallel(jobs, modules, |path| {
        let exports = exports_of(guests, path);
        progress();
        exports
    });
    // What cannot be read says so in the second pass.
    for (name, definition) in exports.into_iter().flatten().flatten() {
        // The kernel's own definition is the better one, but for the CRC that only a module may know.
        match symbols.get(&name) {
            Some(known) if known.crc.is_some() || known.exported => {}
            _ => symbols.define(&name, definition),
        }
    }
    parallel(jobs, modules, |path| {
        let result = link_dry(guests, path, &symbols);
        progress();
        Outcome { path: path.clone(), result }
    })
}

fn exports_of(guests: &Guests, path: &Path) -> Result<Vec<(Vec<u8>, Definition)>> {
    let name = path.display().to_string();
    let module = parse(&name, open(guests, &name, Source::open(path)?)?, what::EXPORTS)?;
    let records = module.records();
    let owner: std::sync::Arc<str> = module_name(&module, path).into();
    let definition = |e: &relobox_abi::Export| Definition {
        address: None,
        crc: (e.flags & export_flag::CRC != 0 && e.crc != 0).then_some(e.crc),
        owner: Some(owner.clone()),
        gpl: e.flags & export_flag::GPL != 0,
        namespace: String::from_utf8_lossy(records.bytes(e.namespace)).as_ref().into(),
        exported: true,
    };
    Ok(records.exports.iter().map(|e| (records.bytes(e.name).to_vec(), definition(e))).collect())
}

/// The module's own name for itself, else its file's.
#[must_use]
pub fn module_name(module: &Module, path: &Path) -> String {
    match module.records().modinfo("name") {
        Some(name) => decoded(name),
        None => {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            file.split('.').next().unwrap_or_default().replace('-', "_")
        }
    }
}

fn link_dry(guests: &Guests, path: &Path, symbols: &Symbols) -> Result<Done> {
    let name = path.display().to_string();
    let module = crate::link::load(guests, &name, Source::open(path)?)?;
    let prepared = prepare(guests, module, &[])?;
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
