//! Links whole corpora without loading anything: every undefined symbol gets an address within reach.

use super::guests;
use crate::corpus::Module;
use anyhow::Result;
use relobox::link::{load, prepare};
use relobox::open::Source;
use relobox::resolve::Sources;
use relobox::symbols::Symbols;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Totals for a set of modules.
#[derive(Debug, Default)]
pub struct Counts {
    /// The number of modules that were linked.
    pub linked: usize,
    /// The number of relocations that were applied.
    pub relocations: usize,
    /// The number of bytes of GOT, PLT and veneers that plugins made.
    pub synthetic: usize,
    /// A message for each module that was rejected, with the reason.
    pub rejected: Vec<String>,
}

/// Links `modules` on `threads` threads. relobox gets their files as they are, compressed or not.
///
/// # Errors
/// If the built-in guests do not compile, or a file cannot be read.
pub fn link_all(modules: &[&Module], threads: usize) -> Result<Counts> {
    guests()?;
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(Counts::default()));
    let worker = || {
        while let Some(module) = modules.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = link(module);
            let mut counts = counts.lock().expect("no worker panics");
            match outcome {
                Ok((relocations, synthetic)) => {
                    counts.linked += 1;
                    counts.relocations += relocations;
                    counts.synthetic += synthetic;
                }
                Err(error) => counts.rejected.push(format!("{}: {error:#}", module.name())),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
    Ok(counts.into_inner().expect("no worker panics"))
}

fn link(module: &Module) -> Result<(usize, usize)> {
    let name = module.path.display().to_string();
    let parsed = load(guests()?, &name, Source::open(&module.path)?)?;
    let prepared = prepare(guests()?, parsed, &[])?;
    let (base, kernel) = (prepared.machine.base, prepared.machine.kernel);
    let layout = prepared.measured.at(base);
    let linked = prepared.link(layout, Sources { symbols: &Symbols::new(), assume: Some(kernel) })?;
    let synthetic = linked.synthetic.iter().map(|section| section.contents.len()).sum();
    Ok((linked.module.records().relocations.len(), synthetic))
}
