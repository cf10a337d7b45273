//! Benchmarks that link the same module natively and in the sandbox, with the time of each stage.

use anyhow::{Context as _, Result};
use relobox::guests::Guests;
use relobox::job::JobWriter;
use relobox::layout::{self, Layout};
use relobox::link::prepare;
use relobox::needs::Needs;
use relobox::open::{Source, open};
use relobox::parse::parse;
use relobox::records::Records;
use relobox::resolve::{Sources, resolve};
use relobox::symbols::Symbols;
use relobox::{apply, confine};
use relobox_abi::{Parsed, Section};
use relobox_plugin::Session;
use std::path::Path;
use std::time::{Duration, Instant};
use zerocopy::IntoBytes as _;

/// The duration of each stage of one link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Reading the file into the memory in which it is parsed.
    pub open: Duration,
    /// Parsing the ELF file into records.
    pub parse: Duration,
    /// Writing the job, and the plugin's plan call.
    pub plan: Duration,
    /// Assigning addresses and symbol values.
    pub resolve: Duration,
    /// Writing addresses and values into the job, and the plugin's apply call.
    pub apply: Duration,
    /// Checking and copying the windows (in the sandbox only).
    pub confine: Duration,
    /// The whole link, including the release of memory.
    pub total: Duration,
}

fn timed<T>(into: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let out = work();
    *into = start.elapsed();
    out
}

/// Links a module in the sandbox, with compiled guests and without writing a file.
///
/// # Errors
///
/// Any error of the link.
pub fn sandboxed(guests: &Guests, path: &Path, symbols: &Symbols) -> Result<Stages> {
    let mut t = Stages::default();
    let start = Instant::now();
    let name = path.display().to_string();
    let opened = timed(&mut t.open, || open(guests, &name, Source::open(path)?))?;
    let module = timed(&mut t.parse, || parse(&name, opened, relobox_abi::parse::ALL))?;
    let prepared = timed(&mut t.plan, || prepare(guests, module, &[]))?;
    let sources = Sources { symbols, assume: Some(prepared.machine.kernel) };
    let layout = prepared.measured.at(prepared.machine.base);
    let (mut module, plugin, mut planned) = (prepared.module, prepared.plugin, prepared.planned);
    let records = module.records();
    let resolved = timed(&mut t.resolve, || resolve(&records, &planned.needs, &layout, sources))?;
    timed(&mut t.apply, || apply::apply(&plugin, &records, &mut planned, &layout, &resolved, |_| None))?;
    timed(&mut t.confine, || confine::confine(&plugin.about, &mut module, &planned))?;
    drop((module, planned));
    t.total = start.elapsed();
    Ok(t)
}

/// Links a module with the same engine and plugin compiled natively: without guests, without copies and without
/// confine.
///
/// # Errors
///
/// If the file cannot be read or parsed, no plugin links it, or the plugin reports faults.
pub fn native(guests: &Guests, path: &Path, symbols: &Symbols) -> Result<Stages> {
    let mut t = Stages::default();
    let start = Instant::now();
    let file = timed(&mut t.open, || std::fs::read(path))?;
    let module = timed(&mut t.parse, || relobox_engine::parse(&file, relobox_abi::parse::ALL))
        .map_err(|f| anyhow::anyhow!("{}", f.text))?;
    let parsed = Parsed {
        machine: module.machine,
        class: module.class,
        order: module.order,
        elf_flags: module.elf_flags,
        ..Default::default()
    };
    let records = Records {
        name: "native",
        file: &file,
        parsed: &parsed,
        sections: &module.sections,
        symbols: &module.symbols,
        groups: &module.groups,
        relocations: &module.relocations,
        modinfo: &module.modinfo,
        exports: &module.exports,
        versions: &module.versions,
    };
    let found = guests.plugin_for(parsed.machine, parsed.class, parsed.order, parsed.elf_flags)?;
    let (plugin, machine) = found.context("no plugin")?;
    let (job, mut words, mut session) = timed(&mut t.plan, || {
        let job = JobWriter::measure(&plugin.about, &records, &[]);
        let mut words = vec![0u64; (job.header.len as usize).div_ceil(8)];
        job.write(&records, words.as_mut_bytes());
        let (session, _) = Session::<relobox_arch_x86_64::Arch>::plan(words.as_mut_bytes());
        (job, words, session)
    });
    let needs = Needs::default();
    let layout: Layout = layout::measure(&records, &needs).at(machine.base);
    let sources = Sources { symbols, assume: Some(machine.kernel) };
    let resolved = timed(&mut t.resolve, || resolve(&records, &needs, &layout, sources))?;
    let findings = timed(&mut t.apply, || {
        let bytes = words.as_mut_bytes();
        for (i, address) in layout.addresses.iter().enumerate() {
            let at = job.header.sections.at as usize + i * size_of::<Section>();
            bytes[at..at + 8].copy_from_slice(&address.to_le_bytes());
        }
        let at = job.header.values.at as usize;
        let values = resolved.values.as_bytes();
        bytes[at..at + values.len()].copy_from_slice(values);
        session.apply(bytes)
    });
    anyhow::ensure!(findings.list.is_empty(), "the native link found faults");
    drop((words, session, resolved, module, file));
    t.total = start.elapsed();
    Ok(t)
}

/// Returns the medians of `runs` alternating measurements: native, then sandboxed.
///
/// # Errors
///
/// As [`native`] and [`sandboxed`].
pub fn compare(guests: &Guests, path: &Path, symbols: &Symbols, runs: usize) -> Result<(Stages, Stages)> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    native(guests, path, symbols)?;
    sandboxed(guests, path, symbols)?;
    for _ in 0..runs {
        a.push(native(guests, path, symbols)?);
        b.push(sandboxed(guests, path, symbols)?);
    }
    Ok((median(&a), median(&b)))
}

fn median(all: &[Stages]) -> Stages {
    let of = |field: fn(&Stages) -> Duration| {
        let mut values: Vec<_> = all.iter().map(field).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    Stages {
        open: of(|s| s.open),
        parse: of(|s| s.parse),
        plan: of(|s| s.plan),
        resolve: of(|s| s.resolve),
        apply: of(|s| s.apply),
        confine: of(|s| s.confine),
        total: of(|s| s.total),
    }
}

/// Returns the number of relocations in the allocated sections of a module.
///
/// # Errors
///
/// If the file cannot be read or parsed.
pub fn relocations(path: &Path) -> Result<usize> {
    let file = std::fs::read(path)?;
    let module = relobox_engine::parse(&file, relobox_abi::parse::ALL).map_err(|f| anyhow::anyhow!("{}", f.text))?;
    Ok(module.relocations.len())
}

/// Makes an object with one section and `count` relocations, of the three most common types in turn, to up to 1,000
/// symbols in turn, so that only the number of relocations varies.
///
/// # Errors
///
/// If the object cannot be written.
pub fn many(count: usize) -> Result<tempfile::NamedTempFile> {
    use object::write::{Object, Relocation, StandardSection, Symbol, SymbolSection};
    let mut object = Object::new(object::BinaryFormat::Elf, object::Architecture::X86_64, object::Endianness::Little);
    let text = object.section_id(StandardSection::Text);
    object.append_section_data(text, &vec![0; count * 8], 16);
    let symbols: Vec<_> = (0..1000.min(count))
        .map(|i| {
            object.add_symbol(Symbol {
                name: format!("symbol_{i}").into_bytes(),
                value: 0,
                size: 0,
                kind: object::SymbolKind::Text,
                scope: object::SymbolScope::Unknown,
                weak: false,
                section: SymbolSection::Undefined,
                flags: object::SymbolFlags::None,
            })
        })
        .collect();
    let types = [object::elf::R_X86_64_64, object::elf::R_X86_64_PC32, object::elf::R_X86_64_PLT32];
    for i in 0..count {
        let flags = object::write::RelocationFlags::Elf { r_type: types[i % 3] };
        let symbol = symbols[i * 7 % symbols.len()];
        object.add_relocation(text, Relocation { offset: i as u64 * 8, symbol, addend: -4, flags })?;
    }
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), object.write()?)?;
    Ok(file)
}
