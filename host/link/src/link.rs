//! The stages, in their order.

use crate::guests::{Guests, Plugin};
use crate::records::Records;
use crate::stages::apply::{Synthetic, apply};
use crate::stages::confine::{Image, confine};
use crate::stages::emit::emit;
use crate::stages::layout::{self, Layout, Measured};
use crate::stages::open::{Source, open};
use crate::stages::parse::{Module, parse};
use crate::stages::plan::{Planned, plan};
use crate::stages::resolve::{Resolved, Sources, resolve};
use crate::views::bytes;
use relobox_abi::{Machine, supply};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::digest::Digest;
use relobox_core::error::{Error, Result};
use relobox_core::text::order_of;
use relobox_plugins::index::TargetId;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// A module that is parsed and planned, and knows how much memory it needs, but not where.
pub struct Prepared {
    /// The parsed file.
    pub module: Module,
    /// Its plugin.
    pub plugin: Arc<Plugin>,
    /// What the plugin says of this kind of file.
    pub machine: Machine,
    /// How much memory of which kind.
    pub measured: Measured,
    /// The plugin, with its job.
    /// What the plugin planned, and the instance that it did it in.
    pub planned: Planned,
}

/// A module with its relocations done.
pub struct Linked {
    /// The file, patched.
    pub module: Module,
    /// The plugin that did it.
    pub plugin: Arc<Plugin>,
    /// Where everything is.
    pub layout: Layout,
    /// The symbols' values.
    pub resolved: Resolved,
    /// The sections that the plugin made.
    pub synthetic: Vec<Synthetic>,
    /// What the plugin spent.
    pub fuel: u64,
}

/// Opens and parses `source`.
pub fn load(guests: &Guests, name: &str, source: Source) -> Result<Module> {
    parse(name, open(guests, name, source)?, relobox_abi::parse::ALL)
}

/// Finds the module's plugin, and asks it what the module needs. `inputs` are numbers from the kernel.
pub fn prepare(guests: &Guests, module: Module, inputs: &[(String, u64)]) -> Result<Prepared> {
    let plugin = plugin_of(guests, &module.records(), None)?;
    prepare_by(plugin, module, inputs)
}

/// The plugin that links a module, other than one that is `taken`.
pub fn plugin_of(guests: &Guests, records: &Records<'_>, taken: Option<&Digest>) -> Result<Arc<Plugin>> {
    let p = records.parsed;
    match guests.plugin_excluding(taken, p.machine, p.class, p.order, p.elf_flags) {
        Ok(Some((plugin, _))) => Ok(Arc::clone(plugin)),
        Ok(None) => {
            let other = if taken.is_some() { "other " } else { "" };
            let problem =
                Diagnostic::new("no-plugin", records.name, format!("no {other}plugin for {}", kind_of(records)));
            let near = guests.near_misses(p.machine, p.class, p.order, p.elf_flags);
            let near = if near.is_empty() { near } else { near + "; " };
            Err(problem.hint(format!("{near}see 'relobox plugin list'; --plugin-dir adds one")).into())
        }
        Err(Error::Module(mut problems)) => {
            problems.iter_mut().for_each(|problem| records.name.clone_into(&mut problem.file));
            Err(Error::Module(problems))
        }
        Err(error) => Err(error),
    }
}

/// Asks this plugin what the module needs.
pub fn prepare_by(plugin: Arc<Plugin>, module: Module, inputs: &[(String, u64)]) -> Result<Prepared> {
    let asked = ask(plugin, &module.records(), inputs)?;
    Ok(asked.of(module))
}

/// What a plugin answered about a module, which is still its owner's.
pub struct PlannedPlugin {
    plugin: Arc<Plugin>,
    machine: Machine,
    /// What it asked for, and the instance that goes on with it.
    pub planned: Planned,
}

/// Asks this plugin what a module needs.
pub fn ask(plugin: Arc<Plugin>, records: &Records<'_>, inputs: &[(String, u64)]) -> Result<PlannedPlugin> {
    let p = records.parsed;
    let wanted = TargetId { machine: p.machine, class: p.class, order: p.order, flags: p.elf_flags };
    let Some(machine) = plugin.about.machines.iter().find(|m| wanted.is(m)).copied() else {
        let text = format!("plugin {} ({}) does not link {}", plugin.about.name, plugin.origin, kind_of(records));
        return Err(Diagnostic::new("no-plugin", records.name, text).into());
    };
    if let Some((unread, _)) =
        inputs.iter().find(|(given, _)| plugin.about.inputs.iter().all(|(name, _)| name != given))
    {
        let known: Vec<_> = plugin.about.inputs.iter().map(|(name, _)| name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Error::Usage(format!(
            "input {unread}: plugin {} does not read it; it reads {known}",
            plugin.about.name
        )));
    }
    let planned = plan(&plugin, records, inputs)?;
    Ok(PlannedPlugin { plugin, machine, planned })
}

impl PlannedPlugin {
    /// Together with the module that it is about.
    pub fn of(self, module: Module) -> Prepared {
        let Self { plugin, machine, planned } = self;
        let measured = layout::measure(&module.records(), &planned.needs);
        Prepared { module, plugin, machine, measured, planned }
    }
}

/// A module's machine, for people.
pub fn kind_of(records: &Records<'_>) -> String {
    let (p, order) = (records.parsed, order_of(records.parsed.order));
    format!("machine {}, {} bits, {order}-endian, flags {:#x}", p.machine, p.class, p.elf_flags)
}

impl Prepared {
    /// What the plugin asked for, for those who lay modules out in their own way.
    #[must_use]
    pub fn needs(&self) -> &crate::needs::Needs {
        &self.planned.needs
    }

    /// Does the relocations for `layout`.
    pub fn link(self, layout: Layout, sources: Sources<'_>) -> Result<Linked> {
        let Self { mut module, plugin, mut planned, .. } = self;
        let records = module.records();
        let resolved = resolve(&records, &planned.needs, &layout, sources)?;
        let renamed = planned.needs.supplied.iter().filter(|(s, _)| s.how == supply::RENAME);
        let renamed: HashMap<u32, Vec<u8>> = renamed.map(|(s, name)| (s.symbol, name.clone())).collect();
        let owner = |records: &Records<'_>, symbol| defined_in(records, sources, symbol, renamed.get(&symbol));
        let synthetic = relocate(&plugin, &mut module, &mut planned, &layout, &resolved, owner)?;
        let fuel = planned.instance.fuel_used();
        Ok(Linked { module, plugin, layout, resolved, synthetic, fuel })
    }
}

/// The stages that come when addresses and values are known, in their order: apply, confine. `owner` says where a symbol
/// is defined, for messages.
///
/// # Errors
/// If relocations cannot be done, or the plugin breaks its contract.
pub fn relocate(
    plugin: &Plugin,
    image: &mut impl Image,
    planned: &mut Planned,
    layout: &Layout,
    resolved: &Resolved,
    owner: impl Fn(&Records<'_>, u32) -> Option<String>,
) -> Result<Vec<Synthetic>> {
    let records = image.records();
    let synthetic = apply(plugin, &records, planned, layout, resolved, |symbol| owner(&records, symbol))?;
    confine(&plugin.about, image, planned)?;
    Ok(synthetic)
}

fn defined_in(records: &Records<'_>, sources: Sources<'_>, symbol: u32, renamed: Option<&Vec<u8>>) -> Option<String> {
    let s = records.symbols.get(symbol as usize).filter(|_| symbol != 0)?;
    if s.section != 0 {
        return (s.name.len != 0).then(|| records.section_name(s.section));
    }
    let definition = sources.symbols.get(renamed.map_or_else(|| records.bytes(s.name), Vec::as_slice))?;
    Some(definition.owner.as_deref().unwrap_or("vmlinux").to_owned())
}

impl Linked {
    /// Writes an ELF file of `format`, one of [`relobox_abi::emit`], once; `path` is for messages.
    pub fn emit_to(&mut self, format: u32, path: &Path, out: &mut impl Write) -> Result<()> {
        let pieces = emit(&mut self.module, format, &self.layout, &self.resolved.values, &self.synthetic)?;
        let memory = self.module.engine_mut().memory();
        for piece in pieces {
            out.write_all(bytes(memory, piece).unwrap_or_default()).map_err(Error::io(path))?;
        }
        Ok(())
    }

    /// The same, as bytes.
    pub fn emit(mut self, format: u32) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        self.emit_to(format, Path::new(""), &mut file)?;
        Ok(file)
    }

    /// A section's final contents; empty for one without contents in the file.
    #[must_use]
    pub fn contents(&self, section: u32) -> &[u8] {
        let records = self.module.records();
        records.sections.get(section as usize).map_or(&[], |s| records.bytes(s.data))
    }
}
