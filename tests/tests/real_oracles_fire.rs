//! The comparisons of `real_oracles.rs` notice a linker that is wrong: one bit of one field, or of one entry that
//! a reference leads through, at a time.
//!
//! Needs `tests/scripts/fetch-corpora` and `tests/scripts/install-oracles`, and `RELOBOX_ORACLES` set.

use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSection as _, elf};
use relobox_needs::{ExitCode, test};
use relobox_tests::corpus::{self, Corpus};
use relobox_tests::oracle::{self, Image, Placed, Target, bfd, compare, layout, lld, references};
use relobox_tests::real::image;
use std::collections::BTreeSet;

/// Fields and entries that are damaged in each module.
const DAMAGES: usize = 40;

fn main() -> ExitCode {
    let tables = ["arm64", "s390x"].into_iter().flat_map(oracle::corpus);
    relobox_needs::run([
        test!(a_wrong_field_is_noticed).needs(oracle::every_corpus()),
        test!(a_wrong_entry_is_noticed).needs(tables),
    ])
}

fn a_wrong_field_is_noticed() -> Result<()> {
    for name in corpus::names() {
        let case = Case::new(name, 0, &[])?;
        ensure!(case.problems(&case.ours)? == 0, "{name}: there is a difference without any damage");
        let mut noticed = 0;
        for (index, offset) in spread(case.fields()?) {
            let mut wrong = case.ours.clone();
            let section = wrong.sections.iter_mut().find(|section| section.input == Some(index)).context("section")?;
            *section.bytes.get_mut(offset as usize).context("a field outside its section")? ^= 1 << (noticed % 8);
            let around = |image: &Image| image.section(index).map(|s| s.bytes[offset as usize..][..8].to_vec());
            let shown = (around(&wrong), around(&case.theirs));
            ensure!(
                case.problems(&wrong)? > 0,
                "{name}: damage at {offset:#x} of section {index} was not noticed: {shown:02x?}"
            );
            noticed += 1;
        }
        println!("{name}: {noticed} of {noticed} wrong fields noticed");
        ensure!(noticed >= 10, "{name}: hardly anything was tried");
    }
    Ok(())
}

/// Where linkers may differ, it is what lies behind that counts.
fn a_wrong_entry_is_noticed() -> Result<()> {
    a_wrong_entry("arm64", "veneers", 64 << 30, &[elf::R_AARCH64_CALL26, elf::R_AARCH64_JUMP26])?;
    a_wrong_entry("s390x", "got", 64 << 30, &[elf::R_390_GOTENT])
}

fn a_wrong_entry(name: &str, table: &str, distance: u64, types: &[elf::RelocationType]) -> Result<()> {
    let case = Case::new(name, distance, types)?;
    ensure!(case.problems(&case.ours)? == 0, "{name}: there is a difference without any damage");
    references::resolve_all(&case.elf, &case.job(), &case.ours, types)?;
    let is_table = |section: &Placed| section.input.is_none() && section.name.contains(table);
    let own = case.ours.sections.iter().position(is_table).with_context(|| format!("{name}: no {table}"))?;
    let tried = spread((0..case.ours.sections[own].bytes.len()).collect());
    let (mut noticed, mut astray) = (0, 0);
    for (bit, at) in tried.iter().enumerate() {
        let mut wrong = case.ours.clone();
        wrong.sections[own].bytes[*at] ^= 1 << (bit % 8);
        noticed += usize::from(case.problems(&wrong)? > 0);
        astray += usize::from(references::resolve_all(&case.elf, &case.job(), &wrong, types).is_err());
    }
    println!("{name}: of {} wrong entries, {noticed} differ and {astray} lead astray", tried.len());
    // A table also has a header, padding, entries of symbols that turned out to be near, and of the module's own.
    ensure!(tried.len() >= 10 && noticed * 4 >= tried.len() * 3, "{name}: only {noticed} differ");
    ensure!(astray * 2 >= tried.len(), "{name}: only {astray} lead astray");
    Ok(())
}

/// A module that relobox and another linker have linked.
struct Case {
    elf: Vec<u8>,
    path: std::path::PathBuf,
    symbols: Vec<(String, u64)>,
    ours: Image,
    theirs: Image,
    _dir: tempfile::TempDir,
}

impl Case {
    fn new(name: &str, distance: u64, types: &[elf::RelocationType]) -> Result<Case> {
        let corpus = Corpus::get(name)?;
        let elf = corpus.module("dm_mod").or(corpus.modules.first()).context("no module")?.elf()?;
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("module.ko");
        std::fs::write(&path, &elf)?;
        let mut job = layout::sequential(&path, &elf, Target::of(&elf)?.variant.base)?;
        let near = references::of_other_types(&elf, types)?;
        for symbol in job.symbols.iter_mut().filter(|symbol| !near.contains(&symbol.0)) {
            symbol.1 = symbol.1.wrapping_add(distance);
        }
        let other = if job.arch.variant.lld.is_some() { lld::link } else { bfd::link };
        let (ours, theirs) = (image::link(&job)?, other(&job, dir.path())?);
        let symbols = job.symbols;
        Ok(Case { elf, path, symbols, ours, theirs, _dir: dir })
    }

    fn job(&self) -> oracle::Job<'_> {
        let placed = self.ours.sections.iter().filter_map(|s| Some((s.name.clone(), s.input?, s.address)));
        let arch = Target::of(&self.elf).expect("it was linked");
        oracle::Job { object: &self.path, arch, sections: placed.collect(), symbols: self.symbols.clone() }
    }

    fn problems(&self, ours: &Image) -> Result<usize> {
        Ok(compare::images(&self.job(), &self.elf, ours, &self.theirs)?.problems.len())
    }

    /// Every place that a relocation is for.
    fn fields(&self) -> Result<Vec<(u32, u64)>> {
        let file = object::File::parse(&*self.elf)?;
        let mut fields = BTreeSet::new();
        for section in file.sections() {
            let index = u32::try_from(section.index().0)?;
            if self.ours.section(index).is_some() {
                fields.extend(section.relocations().map(|(offset, _)| (index, offset)));
            }
        }
        Ok(fields.into_iter().collect())
    }
}

/// At most [`DAMAGES`] of them, from all over.
fn spread<T>(all: Vec<T>) -> Vec<T> {
    let step = all.len().div_ceil(DAMAGES).max(1);
    all.into_iter().step_by(step).collect()
}
