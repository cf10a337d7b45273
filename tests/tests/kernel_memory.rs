//! A module linked at the addresses that a running kernel chose has the bytes that the kernel has, but for what
//! the kernel is known to change. GNU ld goes first: that judges the comparison itself. Then relobox's command,
//! with what a person has at hand: the kernel's kallsyms and the module's directory of /sys/module.
//!
//! That is asked of every copy of a kernel's memory that is there: modules loaded by kmod, and loaded by relobox.
//!
//! Needs `tests/scripts/kernel-memory` and `tests/scripts/kernel-memory --with device`, and `RELOBOX_ORACLES` set.

use anyhow::{Context, Result, bail, ensure};
use object::{Object as _, ObjectSection as _};
use relobox_needs::{ExitCode, test};
use relobox_tests::corpus::{Corpus, Module};
use relobox_tests::kernel_memory::{self, ByName, Reason, Run, SectionReport, inputs, needs};
use relobox_tests::oracle::{Job, Target, bfd};
use relobox_tests::real::kernel::{self, SectionSource};
use std::collections::BTreeSet;
use std::path::Path;

fn main() -> ExitCode {
    relobox_needs::run([
        test!(gnu_ld_gives_the_kernels_bytes).needs(needs()),
        test!(relobox_gives_the_kernels_bytes).needs(needs()),
        test!(relobox_gives_the_kernels_bytes_by_a_list_of_sections).needs(needs()),
        test!(a_wrong_bit_is_noticed).needs(needs()),
        test!(a_module_looks_the_same_whoever_loaded_it).needs(needs()),
        test!(init_changes_the_same_data_whoever_loaded_the_module).needs(needs()),
    ])
}

fn gnu_ld_gives_the_kernels_bytes() -> Result<()> {
    every_module("GNU ld", gnu_ld)
}

fn relobox_gives_the_kernels_bytes() -> Result<()> {
    every_module("relobox", relobox)
}

fn relobox_gives_the_kernels_bytes_by_a_list_of_sections() -> Result<()> {
    every_module("relobox, sections in a file", |run, module, dir| by_relobox(run, module, SectionSource::File, dir))
}

type Sections = (ByName<u64>, ByName<Vec<u8>>);
type Linker = fn(&Run, &Module, &Path) -> Result<Sections>;

fn every_module(label: &str, link: Linker) -> Result<()> {
    let (runs, corpus) = inputs()?;
    runs.iter().try_for_each(|run| every_module_of(run, &corpus, label, link))
}

fn every_module_of(run: &Run, corpus: &Corpus, label: &str, link: Linker) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut fixed, mut writable) = (SectionReport::default(), SectionReport::default());
    let mut problems = Vec::new();
    for name in &run.modules {
        let module = corpus.module(name).with_context(|| format!("no module {name}"))?;
        let memory = run.memory(name)?;
        let (addresses, linked) = link(run, module, dir.path()).with_context(|| name.clone())?;
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
    println!("{label}, {}, loaded by {}: {} modules", run.version, run.tool, run.modules.len());
    println!("read-only: {fixed}\nwritable: {writable}");
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    ensure!(fixed.equal > 1 << 20, "hardly anything was compared");
    Ok(())
}

/// The comparison must notice a linker that is wrong: one bit, in every section in turn that the kernel has
/// no reason to change.
fn a_wrong_bit_is_noticed() -> Result<()> {
    let (runs, corpus) = inputs()?;
    runs.iter().try_for_each(|run| a_wrong_bit_of(run, &corpus))
}

fn a_wrong_bit_of(run: &Run, corpus: &Corpus) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let name = "xfs";
    let module = corpus.module(name).context("no module xfs")?;
    let memory = run.memory(name)?;
    for link in [gnu_ld as Linker, relobox as Linker] {
        let (addresses, linked) = link(run, module, dir.path())?;
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

/// /proc/kallsyms and /sys/module say the same of a module that kmod loaded and of one that relobox loaded: which symbols
/// it keeps and where, its sections, parameters, notes, type information and sizes. The kernel keeps no relocations of it.
fn a_module_looks_the_same_whoever_loaded_it() -> Result<()> {
    let (runs, corpus) = inputs()?;
    for (stock, run) in pairs(&runs)? {
        let (mut names, mut freed, mut files) = (0, 0, 0);
        for name in run.modules.iter().filter(|name| stock.modules.contains(name)) {
            let elf = corpus.module(name).with_context(|| format!("no module {name}"))?.elf()?;
            let (mut theirs, mut ours) = (stock.names(name, &elf)?, run.names(name, &elf)?);
            // While anything is hooked by ftrace, as the device's entries are, the kernel keeps the names of functions
            // that it frees after init, with either program.
            theirs.retain(|(_, _, section, _)| section != ".init.text");
            let all = ours.len();
            ours.retain(|(_, _, section, _)| section != ".init.text");
            freed += all - ours.len();
            let differs = theirs.iter().zip(&ours).find(|(theirs, ours)| theirs != ours);
            ensure!(theirs.len() == ours.len() && differs.is_none(), "{name}: kallsyms: {differs:?}");
            names += ours.len();
            let (theirs, ours) = (stock.sysfs(name)?, run.sysfs(name)?);
            for (file, text) in &theirs {
                let Some(same) = ours.get(file) else { bail!("{name}: no {file}") };
                // The device gives the kernel a changed file, so without its signature.
                let tainted = file == "taint" && run.tool == "device" && *same == format!("{}E\n", text.trim_end());
                ensure!(text == same || tainted, "{name}: {file} is {same:?}, and by kmod {text:?}");
            }
            files += theirs.len();
        }
        println!("kmod and {}, {}: the same {names} symbols and {files} files of sysfs", run.tool, run.version);
        println!("names of freed functions besides: {freed}");
        ensure!(names > 0 && files > 0, "nothing was compared");
    }
    Ok(())
}

/// Init changes the same words of a module's data, with either program; the values depend on the boot.
fn init_changes_the_same_data_whoever_loaded_the_module() -> Result<()> {
    let (runs, corpus) = inputs()?;
    let dir = tempfile::tempdir()?;
    for (stock, run) in pairs(&runs)? {
        let (mut both, mut record, mut elsewhere) = (0, 0, Vec::new());
        for name in run.modules.iter().filter(|name| stock.modules.contains(name)) {
            let module = corpus.module(name).with_context(|| format!("no module {name}"))?;
            let (theirs, ours) = (changed(stock, module, dir.path())?, changed(run, module, dir.path())?);
            both += theirs.intersection(&ours).count();
            for (section, at) in theirs.symmetric_difference(&ours) {
                // `struct module`: taints, whether it was signed, and its place in the tree of modules by address.
                match section.as_str() {
                    ".gnu.linkonce.this_module" => record += 1,
                    _ => elsewhere.push(format!("{name}:({section}+{at:#x})")),
                }
            }
        }
        println!("kmod and {}, {}: {both} words changed in both", run.tool, run.version);
        println!("changed in one of them: {record} words of struct module, {} others {elsewhere:?}", elsewhere.len());
        ensure!(both > 1000, "hardly anything was compared");
        // What runs in the background may have come further in one boot; mostly there are none.
        ensure!(elsewhere.len() * 200 < both, "other words were changed");
    }
    Ok(())
}

/// The words of a module's data that are not as relobox linked them; in `.bss`, that are not zero.
fn changed(run: &Run, module: &Module, dir: &Path) -> Result<BTreeSet<(String, usize)>> {
    let (elf, memory) = (module.elf()?, run.memory(&module.name())?);
    let (addresses, mut linked) = relobox(run, module, dir)?;
    let comparison = kernel_memory::compare(&elf, &addresses, &linked, &memory.contents)?;
    let data = comparison.sections.iter().filter(|section| section.explained.contains_key(&Reason::Runtime));
    let mut names: Vec<_> = data.map(|section| section.name.clone()).collect();
    for (name, kernel) in &memory.contents {
        let bytes = linked.entry(name.clone()).or_default();
        if bytes.is_empty() {
            bytes.resize(kernel.len(), 0);
            names.push(name.clone());
        }
    }
    let words = names.iter().flat_map(|name| {
        let pairs = linked[name].chunks(8).zip(memory.contents[name].chunks(8)).enumerate();
        pairs.filter(|(_, (linked, kernel))| linked != kernel).map(|(word, _)| (name.clone(), word * 8))
    });
    Ok(words.collect())
}

/// An offset around which nothing was patched.
fn untouched(linked: &[u8], kernel: &[u8]) -> usize {
    let same = |at: &usize| linked[at - 16..at + 16] == kernel[at - 16..at + 16];
    (64..linked.len() - 16).find(same).expect("32 equal bytes")
}

/// Runs of the same kernel, its modules loaded by kmod and by something else.
fn pairs(runs: &[Run]) -> Result<Vec<(&Run, &Run)>> {
    let of =
        |stock: &'_ Run, run: &'_ Run| stock.tool == "stock" && run.tool != "stock" && run.version == stock.version;
    let all = runs.iter().flat_map(|stock| runs.iter().filter(move |run| of(stock, run)).map(move |run| (stock, run)));
    let pairs: Vec<_> = all.collect();
    ensure!(!pairs.is_empty(), "no kernel has copies of modules that kmod loaded, and of the same that relobox did");
    Ok(pairs)
}

/// Addresses and contents of a module, linked by relobox's command.
fn by_relobox(run: &Run, module: &Module, given: SectionSource, dir: &Path) -> Result<Sections> {
    let linked = kernel::link(run, module, given, dir)?;
    Ok((linked.addresses, linked.contents))
}

fn relobox(run: &Run, module: &Module, dir: &Path) -> Result<Sections> {
    by_relobox(run, module, SectionSource::Directory, dir)
}

/// The same by GNU ld.
fn gnu_ld(run: &Run, module: &Module, dir: &Path) -> Result<Sections> {
    let (name, elf) = (module.name(), module.elf()?);
    let mut addresses = run.memory(&name)?.addresses;
    addresses.extend(run.empty_sections(&name, &elf)?);
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
    let image = bfd::link(&Job { object: &module.path, arch: Target::named("x86_64"), sections, symbols }, dir)?;
    let placed = image.sections.into_iter().filter(|section| section.input.is_some());
    Ok((addresses, placed.map(|section| (section.name, section.bytes)).collect()))
}
