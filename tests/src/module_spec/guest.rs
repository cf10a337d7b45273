//! The shipped guests, run in the sandbox through the host's own pipeline.

use super::{Fault, LinkError, LinkOutput, Linker, ModuleSpec, RowDescription, SymbolKind, SyntheticSection, write};
use anyhow::{Context as _, Result};
use relobox::apply::apply;
use relobox::cache::Cache;
use relobox::confine::confine;
use relobox::guests::{Guests, Plugin};
use relobox::layout::measure;
use relobox::open::Source;
use relobox::plan::plan;
use relobox::plugin_file::Origin;
use relobox::resolve::{Sources, resolve};
use relobox::sandbox::Sandbox;
use relobox::symbols::{Definition, Symbols};
use relobox::{Error, link};
use relobox_abi::Machine;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A plugin in the sandbox.
pub struct Guest {
    guests: Arc<Guests>,
    plugin: Arc<Plugin>,
    rows: Vec<RowDescription>,
}

/// Returns a sandbox whose cache of compiled guests is beside cargo's build output.
fn sandbox() -> Result<Sandbox> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    Ok(Sandbox::new(Cache::open_dir(&target.join("test-guests")))?)
}

/// Returns all built-in guests, compiled once per process.
fn guests() -> Result<Arc<Guests>> {
    static GUESTS: Mutex<Option<Arc<Guests>>> = Mutex::new(None);
    let mut shared = GUESTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(guests) = &*shared {
        return Ok(Arc::clone(guests));
    }
    let guests = Arc::new(Guests::new(sandbox()?, &[])?);
    Ok(Arc::clone(shared.insert(guests)))
}

/// Returns the built-in plugin called `name`.
///
/// # Errors
/// If there is no such plugin, or the guests do not compile.
pub fn named(name: &str) -> Result<Guest> {
    let guests = guests()?;
    let found = guests.plugins().find(|(n, _)| *n == name).with_context(|| format!("no plugin {name}"))?;
    let plugin = Arc::clone(found.1?);
    Ok(Guest::new(&guests, plugin))
}

/// Loads any other plugin, whether or not there is a built-in one for its machine.
///
/// # Errors
/// If `wasm` is not a valid plugin.
pub fn from_wasm(name: &str, wasm: &[u8]) -> Result<Guest> {
    let plugin = Plugin::describe(sandbox()?.load(name, wasm)?, Origin::File(name.into()))?;
    Ok(Guest::new(&guests()?, Arc::new(plugin)))
}

/// Returns the names of the built-in plugins.
///
/// # Errors
/// If the guests do not compile.
pub fn names() -> Result<Vec<String>> {
    Ok(guests()?.plugins().map(|(name, _)| name.to_owned()).collect())
}

impl Guest {
    fn new(guests: &Arc<Guests>, plugin: Arc<Plugin>) -> Self {
        let writing = plugin.about.rows.iter().filter(|row| row.writes());
        let rows = writing.map(|r| RowDescription {
            row: r.row,
            name: r.name.clone(),
            formula: r.formula.clone(),
            slices: r.slices.clone(),
        });
        let rows = rows.collect();
        Self { guests: Arc::clone(guests), plugin, rows }
    }
}

impl Guest {
    /// Returns the plugin itself.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }
}

impl Linker for Guest {
    fn name(&self) -> &str {
        &self.plugin.about.name
    }

    fn machines(&self) -> &[Machine] {
        &self.plugin.about.machines
    }

    fn rows(&self) -> &[RowDescription] {
        &self.rows
    }

    fn link(&self, module: &ModuleSpec) -> Result<LinkOutput, LinkError> {
        let elf = write(module).map_err(|e| LinkError::Guest(format!("the module cannot be written: {e}")))?;
        let refusal = |e: Error| match e {
            Error::Module(problems) => LinkError::Faults(problems.into_iter().map(fault).collect()),
            other => LinkError::Guest(other.to_string()),
        };
        self.run(module, elf).map_err(refusal)
    }
}

/// The section that `elf::write` named so.
fn fault(problem: relobox::Diagnostic) -> Fault {
    let index = problem.section.as_deref().and_then(|s| usize::from_str_radix(s.strip_prefix(".v")?, 16).ok());
    Fault { kind: problem.kind.to_owned(), section: index, offset: problem.offset.unwrap_or(0) }
}

impl Guest {
    fn run(&self, module: &ModuleSpec, elf: Vec<u8>) -> relobox::Result<LinkOutput> {
        // Symbols are added directly rather than through a symbol file, in which 0 stands for a hidden address.
        let mut symbols = Symbols::new();
        for symbol in &module.symbols {
            if let SymbolKind::Outside(value) = symbol.kind {
                let definition = Definition { address: Some(value), exported: true, ..Definition::default() };
                symbols.define(symbol.name.as_bytes(), definition);
            }
        }
        // The same stages as in `link`. Only the addresses come from the module specification.
        let mut parsed = link::load(&self.guests, "vector", Source::Bytes(elf))?;
        let records = parsed.records();
        let mut planned = plan(&self.plugin, &records, &[])?;
        let mut layout = measure(&records, &planned.needs).at(behind(module));
        let first = layout.addresses.iter_mut().skip(1);
        first.zip(&module.sections).for_each(|(address, section)| *address = section.address);
        for (address, wanted) in layout.synthetic.iter_mut().zip(&planned.needs.synthetic) {
            if let Some(table) = module.tables.iter().find(|table| table.0 == wanted.name) {
                *address = table.1;
            }
        }
        let sources = Sources { symbols: &symbols, assume: None };
        let resolved = resolve(&records, &planned.needs, &layout, sources)?;
        let made = apply(&self.plugin, &records, &mut planned, &layout, &resolved, |_| None)?;
        confine(&self.plugin.about, &mut parsed, &planned)?;
        let made = made.into_iter().map(|s| SyntheticSection {
            name: s.wanted.name,
            address: s.address,
            contents: s.contents,
        });
        let records = parsed.records();
        let sections = records.sections.iter().skip(1).take(module.sections.len());
        Ok(LinkOutput {
            sections: sections.map(|s| records.bytes(s.data).to_vec()).collect(),
            made: made.collect(),
            fuel: Some(planned.instance.fuel_used()),
        })
    }
}

/// Returns a page-aligned address after the sections that are near the first one.
pub(crate) fn behind(module: &ModuleSpec) -> u64 {
    let first = module.sections.first().map_or(0, |s| s.address);
    let ends = module.sections.iter().map(|s| s.address.wrapping_add(s.bytes.len() as u64));
    let last = ends.filter(|end| end.abs_diff(first) < 1 << 24).max().unwrap_or(first);
    last.wrapping_add(0x1_0000) & !0xfff
}
