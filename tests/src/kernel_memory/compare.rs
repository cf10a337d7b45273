//! Byte-by-byte comparison of linked sections with the memory of a kernel.

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
    /// A report for each section with known contents on both sides, in the order of the module.
    pub sections: Vec<SectionReport>,
    /// Sections that the kernel has but that were not linked.
    pub missing: Vec<String>,
}

/// The comparison of one section.
#[derive(Clone, Debug, Default)]
pub struct SectionReport {
    /// The name of the section.
    pub name: String,
    /// True if the module may write to the section, which makes differences less significant.
    pub writable: bool,
    /// The size in bytes.
    pub size: usize,
    /// The number of equal bytes.
    pub equal: usize,
    /// The number of different bytes, by reason.
    pub explained: BTreeMap<Reason, usize>,
    /// The bytes that differ for no known reason.
    pub unexplained: Vec<Difference>,
}

/// A byte that differs for no known reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The offset in the section.
    pub offset: usize,
    /// The linked byte.
    pub linked: u8,
    /// The byte in the kernel.
    pub kernel: u8,
}

/// Compares linked sections with the memory of an x86-64 kernel.
///
/// `elf` is the original module, which tells which sections are writable. `addresses` are the addresses of its
/// sections, and `linked` and `kernel` their contents, by section name.
///
/// # Errors
///
/// If the module cannot be parsed.
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
        // A section without contents in the file was not linked.
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
                // Differences in a table are not excused by its being writable.
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

/// Tables that are writable only because the kernel stores notes in them.
fn is_table(section: &str) -> bool {
    section == "__bug_table"
}

impl Comparison {
    /// Returns the number of bytes that differ for no known reason.
    pub fn unexplained(&self) -> usize {
        self.sections.iter().map(|section| section.unexplained.len()).sum()
    }

    /// Sums up all sections for which `include` returns true.
    pub fn total(&self, include: impl Fn(&SectionReport) -> bool) -> SectionReport {
        let mut total = SectionReport::default();
        for section in self.sections.iter().filter(|section| include(section)) {
            total.add(section);
        }
        total
    }
}

impl SectionReport {
    /// Adds the counts of `other`.
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
