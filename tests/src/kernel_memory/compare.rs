//! Linked bytes against the kernel's, byte by byte.

use super::ByName;
use super::patches::{Patches, Reason};
use super::tables;
use anyhow::{Context, Result};
use object::{Object as _, ObjectSection as _, SectionFlags, elf as headers};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The comparison of one module.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// One report for each section of which both contents are there, in the module's order.
    pub sections: Vec<SectionReport>,
    /// Sections of the module that the kernel had, but that were not linked.
    pub missing: Vec<String>,
}

/// The comparison of one section.
#[derive(Clone, Debug, Default)]
pub struct SectionReport {
    /// The section.
    pub name: String,
    /// Whether the module may write to it, so that its contents say less.
    pub writable: bool,
    /// Its size.
    pub size: usize,
    /// How many bytes are the same.
    pub equal: usize,
    /// How many differ, by reason.
    pub explained: BTreeMap<Reason, usize>,
    /// The bytes that differ for no known reason.
    pub unexplained: Vec<Difference>,
}

/// One byte that differs for no known reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The offset in the section.
    pub offset: usize,
    /// The byte that was linked.
    pub linked: u8,
    /// The byte in the kernel.
    pub kernel: u8,
}

/// Compares what was linked with what the kernel has, for a module of an x86-64 kernel.
///
/// `elf` is the module as it came (it tells which sections are writable), `addresses` is where its sections
/// were, `linked` and `kernel` are contents by section name.
pub fn compare(
    elf: &[u8],
    addresses: &ByName<u64>,
    linked: &ByName<Vec<u8>>,
    kernel: &ByName<Vec<u8>>,
) -> Result<Comparison> {
    let file = object::File::parse(elf).context("the module")?;
    let patches = Patches::of(addresses, linked);
    let mut comparison = Comparison::default();
    let mut done = BTreeSet::new();
    for section in file.sections() {
        let name = section.name().context("a section name")?;
        let SectionFlags::Elf { sh_type, sh_flags } = section.flags() else { continue };
        let Some(theirs) = kernel.get(name) else { continue };
        // Nothing was linked where there are no contents.
        if sh_type == headers::SHT_NOBITS || !done.insert(name.to_owned()) {
            continue;
        }
        let (Some(ours), Some(address)) = (linked.get(name), addresses.get(name)) else {
            comparison.missing.push(name.to_owned());
            continue;
        };
        let writable = sh_flags.0 & headers::SHF_WRITE.0 != 0;
        let sorted = tables::same_entries(name, addresses, linked, kernel);
        let mut report = SectionReport {
            name: name.to_owned(),
            writable,
            size: theirs.len().max(ours.len()),
            ..SectionReport::default()
        };
        for offset in 0..report.size {
            let pair = (ours.get(offset), theirs.get(offset));
            if pair.0 == pair.1 {
                report.equal += 1;
                continue;
            }
            let reason = match sorted {
                Some(true) => Some(Reason::Table),
                // A table has no other excuse, writable or not.
                Some(false) => None,
                None => {
                    let patched = patches.reason(address.wrapping_add(offset as u64));
                    patched.or((writable && !is_table(name)).then_some(Reason::Runtime))
                }
            };
            match reason {
                Some(reason) => *report.explained.entry(reason).or_default() += 1,
                None => report.unexplained.push(Difference {
                    offset,
                    linked: pair.0.copied().unwrap_or_default(),
                    kernel: pair.1.copied().unwrap_or_default(),
                }),
            }
        }
        comparison.sections.push(report);
    }
    Ok(comparison)
}

/// Tables that are writable only because the kernel makes notes in them.
fn is_table(section: &str) -> bool {
    section == "__bug_table"
}

impl Comparison {
    /// How many bytes differ for no known reason.
    pub fn unexplained(&self) -> usize {
        self.sections.iter().map(|section| section.unexplained.len()).sum()
    }

    /// The sum of all sections for which `include` holds, as one report.
    pub fn total(&self, include: impl Fn(&SectionReport) -> bool) -> SectionReport {
        let mut total = SectionReport::default();
        for section in self.sections.iter().filter(|section| include(section)) {
            total.add(section);
        }
        total
    }
}

impl SectionReport {
    /// Adds the counts of `other` to this one's.
    pub fn add(&mut self, other: &SectionReport) {
        self.size += other.size;
        self.equal += other.equal;
        for (reason, count) in &other.explained {
            *self.explained.entry(*reason).or_default() += count;
        }
        self.unexplained.extend_from_slice(&other.unexplained);
    }
}

impl fmt::Display for SectionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {} equal", self.size, self.equal)?;
        for (reason, count) in &self.explained {
            write!(f, ", {reason:?} {count}")?;
        }
        write!(f, ", {} unexplained", self.unexplained.len())
    }
}
