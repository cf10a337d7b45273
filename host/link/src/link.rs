//! Runs the stages in their order.
//!
//! [`load`] opens and parses a file, [`prepare`] has its plugin plan, [`Prepared::link`] resolves and applies for a
//! layout, and [`Linked::emit`] writes an ELF file. [`insmod`](crate::insmod) and [`call`](crate::call) do the same at
//! addresses that a kernel has allocated.
//!
//! # Examples
//!
//! Links an object of the machine x86-64 whose only relocation is the address of an undefined symbol:
//!
//! ```
//! # #[cfg(feature = "compiler")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use relobox_core::symbols::Symbols;
//! use relobox_link::guests::Guests;
//! use relobox_link::link::{load, prepare};
//! use relobox_link::sandbox::Sandbox;
//! use relobox_link::stages::open::Source;
//! use relobox_link::stages::resolve::Sources;
//!
//! # // An ELF file with one relocation of type 1, a 64-bit address, in .text, at offset 0, against `printk`.
//! # fn object() -> Vec<u8> {
//! #     let names = b"\0.text\0.rela.text\0.symtab\0.strtab\0";
//! #     let mut file = vec![0; 64];
//! #     file[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0");
//! #     file[20] = 1;
//! #     file[52] = 64;
//! #     file.resize(64 + 8, 0); // .text
//! #     for word in [0u64, 1 << 32 | 1, 0] {
//! #         file.extend(word.to_le_bytes()); // .rela.text
//! #     }
//! #     file.resize(file.len() + 24, 0); // .symtab
//! #     file.extend([34, 0, 0, 0, 0x10]);
//! #     file.resize(file.len() + 19, 0);
//! #     let strings = file.len();
//! #     file.extend(names);
//! #     file.extend(b"printk\0");
//! #     file.resize(file.len().next_multiple_of(8), 0);
//! #     let headers = file.len() as u64;
//! #     file[40..48].copy_from_slice(&headers.to_le_bytes());
//! #     file[58..64].copy_from_slice(&[64, 0, 5, 0, 4, 0]);
//! #     let section = |file: &mut Vec<u8>, s: [u64; 10]| {
//! #         for (i, word) in s.iter().enumerate() {
//! #             match i {
//! #                 0 | 1 | 6 | 7 => file.extend((*word as u32).to_le_bytes()),
//! #                 _ => file.extend(word.to_le_bytes()),
//! #             }
//! #         }
//! #     };
//! #     section(&mut file, [0; 10]);
//! #     section(&mut file, [1, 1, 6, 0, 64, 8, 0, 0, 8, 0]);
//! #     section(&mut file, [7, 4, 0, 0, 72, 24, 3, 1, 8, 24]);
//! #     section(&mut file, [18, 2, 0, 0, 96, 48, 4, 1, 8, 24]);
//! #     section(&mut file, [26, 3, 0, 0, strings as u64, names.len() as u64 + 7, 0, 0, 1, 0]);
//! #     file
//! # }
//! let guests = Guests::with_plugins(Sandbox::new(None)?, Vec::new());
//! let module = load(&guests, "hello.o", Source::Bytes(object()))?;
//! assert_eq!(module.records().relocations.len(), 1);
//!
//! let mut symbols = Symbols::new();
//! symbols.read(b"ffffffff81000000 T printk\n", |_| true)?;
//!
//! let prepared = prepare(&guests, module, &[])?;
//! let layout = prepared.measured.at(0xffff_ffff_c000_0000);
//! let linked = prepared.link(layout, Sources { symbols: &symbols, assume: None })?;
//! assert_eq!(linked.layout.addresses[1], 0xffff_ffff_c000_0000);
//! assert_eq!(linked.contents(1), 0xffff_ffff_8100_0000_u64.to_le_bytes());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compiler"))]
//! # fn main() {}
//! ```

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
use relobox_core::areas::PAGE;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::digest::Digest;
use relobox_core::error::{Error, Result};
use relobox_core::text::order_of;
use relobox_plugins::index::TargetId;
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// A module that is parsed and planned. It knows how much memory it needs, but has no addresses yet.
pub struct Prepared {
    /// The parsed file.
    pub module: Module,
    /// The plugin that links it.
    pub plugin: Arc<Plugin>,
    /// The plugin's entry for this kind of file.
    pub machine: Machine,
    /// The memory that it needs, by kind.
    pub measured: Measured,
    /// The plan, and the plugin's instance that made it.
    pub planned: Planned,
}

/// A relocated module.
pub struct Linked {
    /// The patched file.
    pub module: Module,
    /// The plugin that patched it.
    pub plugin: Arc<Plugin>,
    /// The addresses of its sections.
    pub layout: Layout,
    /// The values of its symbols.
    pub resolved: Resolved,
    /// The synthetic sections.
    pub synthetic: Vec<Synthetic>,
    /// The fuel that the plugin used.
    pub fuel: u64,
}

/// Opens and parses `source`. `name` is for messages.
///
/// # Errors
/// [`Error::Module`] if the file is not a relocatable ELF file or is damaged, [`Error::Io`] if it cannot be read,
/// [`Error::Guest`] if a guest breaks its contract.
pub fn load(guests: &Guests, name: &str, source: Source) -> Result<Module> {
    parse(name, open(guests, name, source)?, relobox_abi::parse::ALL)
}

/// Chooses the module's plugin, and has it plan. `inputs` are values from the kernel that plugins read, by name.
///
/// # Errors
/// [`Error::Module`] if no plugin links such a file, several do, or the plugin finds a fault. [`Error::Usage`] if the
/// plugin does not read one of `inputs`. [`Error::Guest`] if the plugin breaks its contract.
pub fn prepare(guests: &Guests, module: Module, inputs: &[(String, u64)]) -> Result<Prepared> {
    let plugin = plugin_of(guests, &module.records(), None)?;
    prepare_by(plugin, module, inputs)
}

/// Returns the plugin that links a module, other than `taken`.
///
/// # Errors
/// [`Error::Module`] if there is none, or if there are several and none is chosen or pinned.
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

/// As [`prepare`], with this plugin.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_by(plugin: Arc<Plugin>, module: Module, inputs: &[(String, u64)]) -> Result<Prepared> {
    let asked = ask(plugin, &module.records(), inputs)?;
    Ok(asked.of(module))
}

/// The plan of a plugin for a module, without the module.
pub struct PlannedPlugin {
    plugin: Arc<Plugin>,
    machine: Machine,
    /// The plan, and the instance that made it.
    pub planned: Planned,
}

/// Has this plugin plan for a module.
///
/// # Errors
/// As [`prepare`].
pub fn ask(plugin: Arc<Plugin>, records: &Records<'_>, inputs: &[(String, u64)]) -> Result<PlannedPlugin> {
    let p = records.parsed;
    let wanted = TargetId { machine: p.machine, class: p.class, order: p.order, flags: p.elf_flags };
    let Some(machine) = plugin.about.machine_for(&wanted).copied() else {
        let text = format!("plugin {} ({}) does not link {}", plugin.about.name, plugin.origin, kind_of(records));
        return Err(Diagnostic::new("no-plugin", records.name, text).into());
    };
    if let Some((unread, _)) =
        inputs.iter().find(|(given, _)| plugin.about.inputs.iter().all(|(name, _)| name != given))
    {
        return Err(unread_input(unread, &[&plugin]));
    }
    let planned = plan(&plugin, records, inputs)?;
    Ok(PlannedPlugin { plugin, machine, planned })
}

/// The error for an input that none of the plugins reads: it was meant to have another name.
pub fn unread_input(input: &str, plugins: &[&Plugin]) -> Error {
    let inputs = plugins.iter().flat_map(|plugin| &plugin.about.inputs);
    let known = Vec::from_iter(inputs.map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>()).join(", ");
    let known = if known.is_empty() { "none" } else { &known };
    Error::Usage(match plugins {
        [plugin] => format!("input {input}: plugin {} does not read it; it reads {known}", plugin.about.name),
        _ => format!("input {input}: no plugin for these modules reads it; they read {known}"),
    })
}

impl PlannedPlugin {
    /// Combines the plan with the module that it was made for.
    pub fn of(self, module: Module) -> Prepared {
        let Self { plugin, machine, planned } = self;
        let measured = layout::measure(&module.records(), &planned.needs);
        Prepared { module, plugin, machine, measured, planned }
    }
}

/// Describes a module's machine.
pub fn kind_of(records: &Records<'_>) -> String {
    let (p, order) = (records.parsed, order_of(records.parsed.order));
    format!("machine {}, {} bits, {order}-endian, flags {:#x}", p.machine, p.class, p.elf_flags)
}

impl Prepared {
    /// Returns what the plugin needs, for callers that lay the module out themselves.
    #[must_use]
    pub fn needs(&self) -> &crate::needs::Needs {
        &self.planned.needs
    }

    /// Refuses a base at which the module would not be where it says, or cannot be.
    ///
    /// # Errors
    /// The reason.
    pub fn check_base(&self, base: u64) -> Result<(), String> {
        let areas = &self.measured.areas;
        let align = areas.iter().map(|area| area.align).max().unwrap_or(1);
        let sizes = areas.iter().map(|area| u128::from(area.size).next_multiple_of(PAGE.max(area.align).into()));
        let size: u128 = sizes.sum();
        let end = if self.machine.class == 32 { 1 << 32 } else { 1_u128 << 64 };
        match () {
            () if base < PAGE => Err(format!("too small: nothing is ever in the first page ({PAGE:#x} bytes)")),
            () if !base.is_multiple_of(align) => {
                Err(format!("not a multiple of {align:#x}, the largest alignment of the module's sections"))
            }
            () if u128::from(base) + size > end => {
                Err(format!("too large: the module needs {size:#x} bytes, and the address space ends at {end:#x}"))
            }
            () => Ok(()),
        }
    }

    /// Resolves the symbols, applies the relocations for `layout`, and checks the result.
    ///
    /// # Errors
    /// [`Error::Module`] with every symbol that cannot be resolved, or with every relocation that cannot be applied.
    /// [`Error::Guest`] if the plugin breaks its contract.
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

/// Runs the stages that follow when addresses and values are known: apply, then confine. `owner` returns where a symbol
/// is defined, for messages.
///
/// # Errors
/// [`Error::Module`] if relocations cannot be applied, [`Error::Guest`] if the plugin breaks its contract.
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
    /// Writes an ELF file of `format`, one of [`relobox_abi::emit`]. This works once. `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Io`] if `out` cannot be written, [`Error::Module`] if the module cannot be written in this format,
    /// [`Error::Guest`] if the engine breaks its contract.
    pub fn emit_to(&mut self, format: u32, path: &Path, out: &mut impl Write) -> Result<()> {
        let pieces = emit(&mut self.module, format, &self.layout, &self.resolved.values, &self.synthetic)?;
        let memory = self.module.engine_mut().memory();
        for piece in pieces {
            out.write_all(bytes(memory, piece).unwrap_or_default()).map_err(Error::io(path))?;
        }
        Ok(())
    }

    /// Returns the ELF file as bytes; see [`Linked::emit_to`].
    ///
    /// # Errors
    /// As [`Linked::emit_to`].
    pub fn emit(mut self, format: u32) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        self.emit_to(format, Path::new(""), &mut file)?;
        Ok(file)
    }

    /// Returns a section's final contents. They are empty for a section without contents in the file.
    #[must_use]
    pub fn contents(&self, section: u32) -> &[u8] {
        let records = self.module.records();
        records.sections.get(section as usize).map_or(&[], |s| records.bytes(s.data))
    }
}
