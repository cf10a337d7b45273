//! `relobox inspect`: prints the contents of a module.

use super::common::{self, Common};
use super::output;
use clap::Args;
use relobox::Result;
use relobox::guests::{Guests, Plugin};
use relobox::link::load;
use relobox::records::Records;
use relobox::text::{decoded, hex};
use relobox_abi::{export_flag, order, section_flag, symbol_flag};
use relobox_cli::args::input_file;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show the sections, symbols, modinfo and relocations of a module, without linking it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox inspect xfs.ko
  relobox inspect xfs.ko.xz --json | jq '.relocations'
  relobox inspect hello.o")]
pub(crate) struct InspectArgs {
    /// The module (.ko, .ko.gz, .ko.xz or .ko.zst), or a relocatable object; - is standard input
    #[arg(value_parser = input_file())]
    module: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) fn run(args: InspectArgs) -> Result<ExitCode> {
    let guests = common::guests(&args.common)?;
    let module = load(&guests, &args.module.display().to_string(), common::source(&args.module)?)?;
    let report = InspectReport::of(&guests, &module.records())?;
    if args.common.json {
        output::json(&report)
    } else {
        report.print()
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct InspectReport {
    module: String,
    machine: u16,
    class: u8,
    byte_order: &'static str,
    flags: u32,
    plugin: Option<String>,
    /// The plugins, if there are several and none was chosen. Inspecting a module requires no choice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Candidate>,
    signature_bytes: u32,
    modinfo: Vec<(String, String)>,
    sections: Vec<SectionReport>,
    exports: Vec<ExportReport>,
    wanted: Vec<UndefinedSymbol>,
    relocations: Vec<Histogram>,
}

#[derive(Serialize)]
struct Candidate {
    name: String,
    sha256: String,
    origin: String,
}

#[derive(Serialize)]
struct SectionReport {
    index: u32,
    name: String,
    size: u64,
    align: u64,
    flags: String,
    relocations: u32,
}

#[derive(Serialize)]
struct ExportReport {
    name: String,
    gpl: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc: Option<u32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
}

#[derive(Serialize)]
struct UndefinedSymbol {
    name: String,
    weak: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc: Option<u32>,
}

#[derive(Serialize)]
struct Histogram {
    name: String,
    count: usize,
    formula: String,
}

impl InspectReport {
    fn of(guests: &Guests, records: &Records<'_>) -> Result<Self> {
        let p = records.parsed;
        let plugins = guests.plugins_for(p.machine, p.class, p.order, p.elf_flags)?;
        let plugins: Vec<_> = plugins.into_iter().map(|(plugin, _)| &**plugin).collect();
        let kind_mask = agreed(&plugins, |p| p.about.kind_mask).unwrap_or(u32::MAX);
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for r in records.relocations {
            *counts.entry(r.kind & kind_mask).or_default() += 1;
        }
        let mut relocations: Vec<_> = counts
            .into_iter()
            .map(|(kind, count)| Histogram {
                name: agreed(&plugins, |p| p.about.relocation(kind)).unwrap_or_else(|| format!("type {kind}")),
                count,
                formula: agreed(&plugins, |p| p.about.row(kind).map(|r| &*r.formula)).flatten().unwrap_or("").into(),
            })
            .collect();
        relocations.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        let crcs: BTreeMap<&[u8], u32> = records.versions.iter().map(|v| (records.bytes(v.name), v.crc)).collect();
        let undefined = records.symbols.iter().filter(|s| s.flags & symbol_flag::UNDEFINED != 0);
        let mut wanted: Vec<_> = undefined
            .map(|s| UndefinedSymbol {
                name: decoded(records.bytes(s.name)),
                weak: s.flags & symbol_flag::WEAK != 0,
                crc: crcs.get(records.bytes(s.name)).copied(),
            })
            .collect();
        wanted.sort_by(|a, b| a.name.cmp(&b.name));
        let text = |span| decoded(records.bytes(span));
        Ok(Self {
            module: records.name.to_owned(),
            machine: p.machine,
            class: p.class,
            byte_order: if p.order == order::BIG { "big" } else { "little" },
            flags: p.elf_flags,
            plugin: if let [plugin] = plugins[..] { Some(plugin.about.name.clone()) } else { None },
            candidates: if plugins.len() > 1 { plugins.iter().map(|p| Candidate::of(p)).collect() } else { vec![] },
            signature_bytes: p.signature,
            modinfo: records.modinfo.iter().map(|m| (text(m.key), text(m.value))).collect(),
            sections: sections(records),
            exports: records
                .exports
                .iter()
                .map(|e| ExportReport {
                    name: text(e.name),
                    gpl: e.flags & export_flag::GPL != 0,
                    crc: (e.flags & export_flag::CRC != 0).then_some(e.crc),
                    namespace: text(e.namespace),
                })
                .collect(),
            wanted,
            relocations,
        })
    }

    fn print(&self) {
        let several = format!("one of {}", self.candidates.len());
        let none = if self.candidates.is_empty() { "none" } else { &several };
        let plugin = self.plugin.as_deref().unwrap_or(none);
        output::line(format_args!(
            "{}: machine {}, {} bits, {}-endian, flags {:#x}; plugin: {plugin}",
            self.module, self.machine, self.class, self.byte_order, self.flags
        ));
        for Candidate { name, sha256, origin } in &self.candidates {
            output::line(format_args!("candidate: {name} ({origin}, SHA-256 {sha256})"));
        }
        if self.signature_bytes != 0 {
            output::line(format_args!("signed: {} bytes of signature after the module", self.signature_bytes));
        }
        heading("modinfo", self.modinfo.len());
        for (key, value) in &self.modinfo {
            output::line(format_args!("  {key}={value}"));
        }
        heading("sections in memory", self.sections.len());
        for s in &self.sections {
            let relocations = if s.relocations == 0 { String::new() } else { format!("{} relocations", s.relocations) };
            output::line(format_args!(
                "  {:>3} {:<28} {:>9} bytes  {:<4} {relocations}",
                s.index, s.name, s.size, s.flags
            ));
        }
        heading("exports", self.exports.len());
        for e in &self.exports {
            let crc = e.crc.map_or(String::new(), |crc| format!(" {crc:#010x}"));
            let space = if e.namespace.is_empty() { String::new() } else { format!(" in {}", e.namespace) };
            output::line(format_args!("  {}{}{space}{crc}", e.name, if e.gpl { " (GPL only)" } else { "" }));
        }
        heading("undefined symbols", self.wanted.len());
        for w in &self.wanted {
            let crc = w.crc.map_or(String::new(), |crc| format!(" {crc:#010x}"));
            output::line(format_args!("  {}{}{crc}", w.name, if w.weak { " (weak)" } else { "" }));
        }
        heading("relocations", self.relocations.iter().map(|r| r.count).sum());
        for r in &self.relocations {
            output::line(format_args!("  {:>9}  {:<32} {}", r.count, r.name, r.formula));
        }
    }
}

impl Candidate {
    fn of(plugin: &Plugin) -> Self {
        let (name, sha256) = (plugin.about.name.clone(), hex(plugin.guest.digest()));
        Self { name, sha256, origin: plugin.origin.to_string() }
    }
}

/// The answer of all plugins, if they agree.
fn agreed<'a, T: PartialEq>(plugins: &[&'a Plugin], says: impl Fn(&'a Plugin) -> T) -> Option<T> {
    let mut all = plugins.iter().map(|plugin| says(plugin));
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

fn heading(what: &str, count: usize) {
    output::line(format_args!("{what}: {count}"));
}

fn sections(records: &Records<'_>) -> Vec<SectionReport> {
    let mut counts = vec![0; records.sections.len()];
    for group in records.groups {
        counts[group.section as usize] += group.count;
    }
    let letters = |flags: u64| {
        let pairs = [(section_flag::WRITE, 'W'), (section_flag::ALLOC, 'A'), (section_flag::EXEC, 'X')];
        pairs.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| letter).collect()
    };
    (0..)
        .zip(records.sections)
        .filter(|(_, s)| s.flags & section_flag::ALLOC != 0)
        .map(|(i, s)| SectionReport {
            index: i,
            name: records.section_name(i),
            size: s.size,
            align: s.align,
            flags: letters(s.flags),
            relocations: counts[i as usize],
        })
        .collect()
}
