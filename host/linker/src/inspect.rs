//! What is in a module: for `relobox inspect`, and for librelobox.

pub use relobox_questions::{Candidate, ExportReport, Histogram, Inspection, SectionReport, UndefinedSymbol};

use relobox_abi::{export_flag, order, section_flag, symbol_flag};
use relobox_core::error::Result;
use relobox_core::text::{decoded, hex};
use relobox_link::guests::{Guests, Plugin};
use relobox_link::records::Records;
use std::collections::BTreeMap;

/// Tells what is in a module. It is not linked.
///
/// # Errors
/// [`Error::Guest`](relobox_core::Error::Guest) if a plugin for its machine cannot be used.
pub fn inspect(guests: &Guests, records: &Records<'_>) -> Result<Inspection> {
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
    Ok(Inspection {
        module: records.name.to_owned(),
        machine: p.machine,
        class: p.class,
        byte_order: if p.order == order::BIG { "big" } else { "little" }.to_owned(),
        flags: p.elf_flags,
        plugin: if let [plugin] = plugins[..] { Some(plugin.about.name.clone()) } else { None },
        candidates: if plugins.len() > 1 { plugins.iter().map(|p| candidate(p)).collect() } else { vec![] },
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

fn candidate(plugin: &Plugin) -> Candidate {
    let (name, sha256) = (plugin.about.name.clone(), hex(plugin.guest.digest()));
    Candidate { name, sha256, origin: plugin.origin.to_string() }
}

/// The answer of all plugins, if they agree.
fn agreed<'a, T: PartialEq>(plugins: &[&'a Plugin], says: impl Fn(&'a Plugin) -> T) -> Option<T> {
    let mut all = plugins.iter().map(|plugin| says(plugin));
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

fn sections(records: &Records<'_>) -> Vec<SectionReport> {
    let counts = relocations_of_sections(records);
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

/// The number of relocations of each section.
pub(crate) fn relocations_of_sections(records: &Records<'_>) -> Vec<u32> {
    let mut counts = vec![0; records.sections.len()];
    for group in records.groups {
        counts[group.section as usize] += group.count;
    }
    counts
}

/// The flags of a section, as letters.
pub(crate) fn letters(flags: u64) -> String {
    let pairs = [(section_flag::WRITE, 'W'), (section_flag::ALLOC, 'A'), (section_flag::EXEC, 'X')];
    pairs.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| letter).collect()
}
