//! A module linked at the addresses that a running kernel chose has the bytes that the kernel has, but for what
//! the kernel is known to change. GNU ld goes first: that judges the comparison itself. Then relobox's command,
//! with what a person has at hand: the kernel's kallsyms and the module's directory of /sys/module.
//!
//! Needs `tests/scripts/fetch-corpora cloud-amd64`, `tests/scripts/install-oracles --kernel`,
//! `tests/scripts/kernel-memory`, and `RELOBOX_ORACLES` set.

use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSection as _};
use relobox_tests::corpus::{Corpus, Module};
use relobox_tests::kernel_memory::{self, ByName, Run, SectionReport};
use relobox_tests::oracle::{self, Job, Target, bfd};
use relobox_tests::real::kernel::{self, Given};
use std::path::Path;

#[test]
fn gnu_ld_gives_the_kernels_bytes() -> Result<()> {
    every_module("GNU ld", gnu_ld)
}

#[test]
fn relobox_gives_the_kernels_bytes() -> Result<()> {
    every_module("relobox", relobox)
}

#[test]
fn relobox_gives_the_kernels_bytes_by_a_list_of_sections() -> Result<()> {
    every_module("relobox, sections in a file", |run, module, dir| by_relobox(run, module, Given::File, dir))
}

type Sections = (ByName<u64>, ByName<Vec<u8>>);
type Linker = fn(&Run, &Module, &Path) -> Result<Sections>;

fn every_module(label: &str, link: Linker) -> Result<()> {
    let Some((run, corpus)) = inputs()? else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (mut fixed, mut writable) = (SectionReport::default(), SectionReport::default());
    let mut problems = Vec::new();
    for name in &run.modules {
        let module = corpus.module(name).with_context(|| format!("no module {name}"))?;
        let memory = run.memory(name)?;
        let (addresses, linked) = link(&run, module, dir.path()).with_context(|| name.clone())?;
        for (section, address) in &memory.addresses {
            ensure!(addresses.get(section) == Some(address), "{name}: {section} is not at {address:#x}");
        }
        let base = run.per_cpu_base(name, &module.elf()?)?;
        ensure!(addresses.get(".data..percpu").copied() == base || base.is_none(), "{name}: per-CPU data");
        let comparison = kernel_memory::compare(&module.elf()?, &addresses, &linked, &memory.contents)?;
        ensure!(comparison.missing.is_empty(), "{name}: not linked: {:?}", comparison.missing);
        fixed.add(&comparison.total(|section| !section.writable));
        writable.add(&comparison.total(|section| section.writable));
        for section in comparison.sections.iter().filter(|section| !section.unexplained.is_empty()) {
            problems.push(format!("{name}:({}): {section}; {:x?}", section.name, section.unexplained[0]));
        }
    }
    println!("{label}, {}: {} modules\nread-only: {fixed}\nwritable: {writable}", run.version, run.modules.len());
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    ensure!(fixed.equal > 1 << 20, "hardly anything was compared");
    Ok(())
}

/// The comparison must notice a linker that is wrong: one bit, in every section in turn that the kernel has
/// no reason to change.
#[test]
fn a_wrong_bit_is_noticed() -> Result<()> {
    let Some((run, corpus)) = inputs()? else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let name = "xfs";
    let module = corpus.module(name).context("no module xfs")?;
    let memory = run.memory(name)?;
    for link in [gnu_ld as Linker, relobox as Linker] {
        let (addresses, linked) = link(&run, module, dir.path())?;
        for section in [".text", ".rodata", ".orc_unwind_ip", "__mcount_loc", "__jump_table", ".return_sites"] {
            let mut wrong = linked.clone();
            let bytes = wrong.get_mut(section).with_context(|| section.to_owned())?;
            // In .text this is inside an ordinary instruction of the second function or so, found below.
            let at = if section == ".text" { untouched(bytes, &memory.contents[section]) } else { 8 };
            bytes[at] ^= 1 << 4;
            let comparison = kernel_memory::compare(&module.elf()?, &addresses, &wrong, &memory.contents)?;
            ensure!(comparison.unexplained() > 0, "a wrong bit in {section} was not noticed");
        }
    }
    Ok(())
}

/// An offset around which nothing was patched.
fn untouched(linked: &[u8], kernel: &[u8]) -> usize {
    let same = |at: &usize| linked[at - 16..at + 16] == kernel[at - 16..at + 16];
    (64..linked.len() - 16).find(same).expect("32 equal bytes")
}

fn inputs() -> Result<Option<(Run, Corpus)>> {
    if oracle::wanted().is_none() {
        println!("skipped: RELOBOX_ORACLES is not set");
        return Ok(None);
    }
    let (run, corpus) = (Run::all()?.into_iter().next_back(), Corpus::open("cloud-amd64")?);
    let found = run.zip(corpus).filter(|(run, corpus)| corpus.modules_dir.join(&run.version).is_dir());
    if found.is_none() {
        println!("skipped: no copy of a kernel's memory, or of another kernel than the corpus");
    }
    Ok(found)
}

/// Addresses and contents of a module, linked by relobox's command.
fn by_relobox(run: &Run, module: &Module, given: Given, dir: &Path) -> Result<Sections> {
    let linked = kernel::link(run, module, given, dir)?;
    Ok((linked.addresses, linked.contents))
}

fn relobox(run: &Run, module: &Module, dir: &Path) -> Result<Sections> {
    by_relobox(run, module, Given::Directory, dir)
}

/// The same by GNU ld.
fn gnu_ld(run: &Run, module: &Module, dir: &Path) -> Result<Sections> {
    let (name, elf) = (module.name(), module.elf()?);
    let mut addresses = run.memory(&name)?.addresses;
    if let Some(base) = run.per_cpu_base(&name, &elf)? {
        addresses.insert(".data..percpu".to_owned(), base);
    }
    let mut sections = Vec::new();
    for section in object::File::parse(&*elf)?.sections() {
        let section_name = section.name()?;
        if let Some(address) = addresses.get(section_name) {
            sections.push((section_name.to_owned(), u32::try_from(section.index().0)?, *address));
        }
    }
    let symbols = run.exports().map(|(name, value)| (name.to_owned(), value)).collect();
    let image = bfd::link(&Job { object: &module.path, arch: Target::X86_64, sections, symbols }, dir)?;
    let placed = image.sections.into_iter().filter(|section| section.input.is_some());
    Ok((addresses, placed.map(|section| (section.name, section.bytes)).collect()))
}
