//! `relobox inspect`: what a module is made of.

use super::{Common, output};
use clap::Args;
use relobox::Result;
use relobox::guests::Guests;
use relobox::link::load;
use relobox::open::Source;
use relobox::parse::Records;
use relobox::records::shown;
use relobox_abi::{export_flag, order, section_flag, symbol_flag};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show a module's sections, symbols, modinfo and relocations; nothing is linked
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox inspect xfs.ko
  relobox inspect xfs.ko.xz --json | jq '.relocations'
  relobox inspect hello.o")]
pub(crate) struct InspectArgs {
    /// The module: .ko, .ko.gz, .ko.xz, .ko.zst, or a relocatable object
    module: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) fn run(args: InspectArgs) -> Result<ExitCode> {
    let guests = args.common.guests()?;
    let module = load(&guests, &args.module.display().to_string(), Source::open(&args.module)?)?;
    let report = Report::of(&guests, &module.records())?;
    if args.common.json {
        output::json(&report)
    } else {
        report.print()
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Report {
    module: String,
    machine: u16,
    class: u8,
    byte_order: &'static str,
    flags: u32,
    plugin: Option<String>,
    signature_bytes: u32,
    modinfo: Vec<(String, String)>,
    sections: Vec<SectionReport>,
    exports: Vec<ExportReport>,
    wanted: Vec<Wanted>,
    relocations: Vec<Histogram>,
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
struct Wanted {
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

impl Report {
    fn of(guests: &Guests, records: &Records<'_>) -> Result<Self> {
        let p = records.parsed;
        let plugin = guests.plugin_for(p.machine, p.class, p.order, p.elf_flags)?.map(|(plugin, _)| plugin);
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for r in records.relocations {
            *counts.entry(plugin.map_or(r.kind, |p| r.kind & p.about.kind_mask)).or_default() += 1;
        }
        let mut relocations: Vec<_> = counts
            .into_iter()
            .map(|(kind, count)| Histogram {
                name: plugin.map_or_else(|| format!("type {kind}"), |p| p.about.relocation(kind)),
                count,
                formula: plugin.and_then(|p| p.about.row(kind)).map_or_else(String::new, |r| r.formula.clone()),
            })
            .collect();
        relocations.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        let crcs: BTreeMap<&[u8], u32> = records.versions.iter().map(|v| (records.bytes(v.name), v.crc)).collect();
        let undefined = records.symbols.iter().filter(|s| s.flags & symbol_flag::UNDEFINED != 0);
        let mut wanted: Vec<_> = undefined
            .map(|s| Wanted {
                name: shown(records.bytes(s.name)),
                weak: s.flags & symbol_flag::WEAK != 0,
                crc: crcs.get(records.bytes(s.name)).copied(),
            })
            .collect();
        wanted.sort_by(|a, b| a.name.cmp(&b.name));
        let text = |span| shown(records.bytes(span));
        Ok(Self {
            module: records.name.to_owned(),
            machine: p.machine,
            class: p.class,
            byte_order: if p.order == order::BIG { "big" } else { "little" },
            flags: p.elf_flags,
            plugin: plugin.map(|p| p.about.name.clone()),
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
        let plugin = self.plugin.as_deref().unwrap_or("none");
        output::line(format_args!(
            "{}: machine {}, {} bits, {}-endian, flags {:#x}; plugin: {plugin}",
            self.module, self.machine, self.class, self.byte_order, self.flags
        ));
        if self.signature_bytes != 0 {
            output::line(format_args!("signed: {} bytes of signature behind the module", self.signature_bytes));
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
        heading("symbols wanted", self.wanted.len());
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
