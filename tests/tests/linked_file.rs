//! The file that `relobox link -o` writes is one that the usual tools read, with everything where it was linked.
//!
//! Needs `tests/scripts/fetch-corpora` and `tests/scripts/install-oracles`, and `RELOBOX_ORACLES` set.

use anyhow::{Context, Result, bail, ensure};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use relobox_needs::{ExitCode, test, tool};
use relobox_tests::corpus::{self, Corpus};
use relobox_tests::oracle::{self, Target, layout};
use relobox_tests::real;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Modules of each corpus: every one starts half a dozen processes.
const MODULES: usize = 5;

fn main() -> ExitCode {
    // The package that has GNU ld for a target has these for it, too.
    relobox_needs::run([test!(tools_read_what_was_linked).needs(oracle::every_corpus()).needs([tool("gdb")])])
}

fn tools_read_what_was_linked() -> Result<()> {
    let count = oracle::sample_size()?;
    let dir = tempfile::tempdir()?;
    for name in corpus::names() {
        let corpus = Corpus::get(name)?;
        let (mut symbols, sample) = (0, corpus.sample(1989, count.min(MODULES)));
        for module in &sample {
            let (elf, output) = (module.elf()?, dir.path().join("out.elf"));
            let target = Target::of(&elf)?;
            let base = target.variant.base;
            let job = layout::sequential(&module.path, &elf, base)?;
            let map = dir.path().join("System.map");
            // Every kernel has it; a module may need nothing at all.
            let mut text = format!("{base:016x} T _text\n");
            for (name, value) in &job.symbols {
                writeln!(text, "{value:016x} T {name}")?;
            }
            std::fs::write(&map, text)?;
            let mut command = Command::new(real::binary()?);
            command.arg("link").arg(&module.path).arg("--symbols").arg(&map);
            command.arg("--base").arg(format!("{base:#x}")).arg("-o").arg(&output);
            run(&mut command)?;
            symbols += check(target, &elf, &job.symbols, &output).with_context(|| module.name())?;
        }
        println!("{name}: {} linked files, {symbols} symbols with the right value", sample.len());
        ensure!(symbols > 10 * sample.len(), "{name}: hardly any symbol");
    }
    Ok(())
}

/// How many symbols were compared.
fn check(target: Target, elf: &[u8], given: &[(String, u64)], output: &Path) -> Result<usize> {
    let tool = |name: &str| Command::new(format!("{}-{name}", target.tools()));
    let linked = run(tool("nm").arg("--special-syms").arg(output))?;
    // For MIPS, nm writes 32 bits as 64.
    let narrow = target.variant.class == 32;
    let mask = if narrow { u32::MAX.into() } else { u64::MAX };
    let linked = linked.lines().map(|line| nm_line(line).map(|(value, name)| (value & mask, name)));
    let linked: BTreeSet<(u64, &str)> = linked.collect::<Option<_>>().context("nm")?;
    let expected = values(target, elf, given, output)?;
    for (name, value) in &expected {
        ensure!(linked.contains(&(*value, name)), "nm does not say that {name} is {value:#x}");
    }

    let headers = run(tool("readelf").args(["-S", "-r", "-W"]).arg(output))?;
    ensure!(headers.contains("There are no relocations in this file."), "relocations are left");
    let code = run(tool("objdump").arg("-d").arg(output))?;
    let (name, value) = function(elf, &expected)?;
    let width = if narrow { 8 } else { 16 };
    // Another name of the same place is as good.
    let heading = format!("\n{value:0width$x} <");
    ensure!(code.contains(&heading), "objdump -d does not show {name} at {value:#x}");
    // What is called by its name is a symbol with a value, not an undefined one.
    let mut called = given.iter().filter(|(name, _)| code.contains(&format!("<{name}>")));
    let direct = ["x86_64", "aarch64", "s390x"].contains(&target.variant.name);
    ensure!(!direct || given.len() < 10 || called.next().is_some(), "no call of the kernel has a name");
    ensure!(!code.contains("<unknown>"), "there is what objdump cannot read");

    if target.variant.name == "x86_64" {
        let add = format!("add-symbol-file {}", output.display());
        let ask = format!("info symbol {value:#x}");
        let said = run(Command::new("gdb").args(["-nx", "-batch", "-ex", &add, "-ex", &ask]))?;
        ensure!(said.contains(" in section "), "gdb: {said}");
    }
    Ok(expected.len())
}

/// A function of the module that was linked, and its address.
fn function(elf: &[u8], expected: &[(String, u64)]) -> Result<(String, u64)> {
    let file = object::File::parse(elf)?;
    let mut functions = file.symbols().filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text);
    let linked = |name: &str| expected.iter().find(|symbol| symbol.0 == name).cloned();
    functions.find_map(|symbol| linked(symbol.name().ok()?)).context("no function was linked")
}

/// What every named symbol of the module must be: computed from the module, and from where its sections went.
fn values(target: Target, elf: &[u8], given: &[(String, u64)], output: &Path) -> Result<Vec<(String, u64)>> {
    let linked = std::fs::read(output)?;
    let linked = object::File::parse(&*linked)?;
    let mut addresses = BTreeMap::new();
    for section in linked.sections() {
        let earlier = addresses.insert(section.name()?.to_owned(), section.address());
        ensure!(earlier.is_none(), "{} is there twice", section.name()?);
    }
    let mut values: Vec<(String, u64)> = given.to_vec();
    let file = object::File::parse(elf)?;
    for symbol in file.symbols().filter(|symbol| symbol.is_definition()) {
        let Some(section) = symbol.section_index() else { continue };
        let Some(address) = addresses.get(file.section_by_index(section)?.name()?) else { continue };
        if !symbol.name()?.is_empty() && *address != 0 {
            values.push((symbol.name()?.to_owned(), address + symbol.address()));
        }
    }
    // A linker's own.
    let own = target.arch.linkers_own;
    let sections: Vec<_> = addresses.iter().map(|(name, address)| (name.clone(), 0, *address)).collect();
    let placed = (target.arch.placed)(&sections);
    values.retain(|(name, _)| {
        let name = name.as_str();
        // Linux leaves the dot of `.TOC.` out in `__versions`.
        let is = |placed: &str| placed == name || placed.strip_prefix('.') == Some(name);
        name != "_GLOBAL_OFFSET_TABLE_" && !own.contains(&name) && placed.iter().all(|(placed, _)| !is(placed))
    });
    Ok(values)
}

fn nm_line(line: &str) -> Option<(u64, &str)> {
    let (value, rest) = line.split_once(' ')?;
    Some((u64::from_str_radix(value, 16).ok()?, rest.split_once(' ')?.1))
}

/// Runs `command`; a warning is a failure.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.trim().is_empty() {
        bail!("{command:?}: {}\n{said}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
