//! Writes the linker script: it places every section at its address in the job, and defines every undefined symbol.

use super::Job;
use super::neutral::{Neutral, section_name};
use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSymbol as _};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Names that a linker defines itself if they are referenced.
const LINKERS_OWN: [&str; 1] = ["_GLOBAL_OFFSET_TABLE_"];

/// Sections that a linker may fill itself. They must be within reach of the code. On s390x the GOT pointer is the start
/// of `.got.plt`, and GNU ld accepts nothing before it in the same output section.
const GENERATED: [(&str, &str); 2] = [(".got", "*(.got.plt) *(.got) *(.igot.plt)"), (".plt", "*(.plt) *(.iplt)")];

/// The distance between these sections, in bytes. It leaves room for tens of thousands of entries and keeps the
/// sections near.
const GENERATED_SPACE: usize = 1 << 20;

/// Tables that a linker insists on having, even empty ones in a static link.
const TABLES: [&str; 4] = [".rela.dyn", ".rela.plt", ".rel.dyn", ".rel.plt"];

/// Writes the script for `job`.
pub(super) fn write(job: &Job, neutral: &Neutral) -> Result<String> {
    let mut script = String::new();
    for (name, value) in undefined_symbols(job, neutral)? {
        writeln!(script, "\"{name}\" = {value:#x};")?;
    }
    let mut sections = job.sections.clone();
    sections.sort_by_key(|section| (section.2, section.1));
    sections.dedup_by_key(|section| section.1);
    ensure!(!sections.is_empty(), "there is no section to place");

    // Each section has its own segment. Otherwise the linker would pad the file up to a far section, such as per-CPU
    // data.
    writeln!(script, "PHDRS {{")?;
    for (_, index, _) in &sections {
        writeln!(script, "  p{index} PT_LOAD;")?;
    }
    writeln!(script, "  generated PT_LOAD;\n}}\nSECTIONS {{")?;
    for (name, index, address) in &sections {
        ensure!(neutral.is_allocated(*index), "{name} (section {index}) takes up no memory");
        let section = section_name(*index);
        writeln!(script, "  {section} {address:#x} : {{ KEEP(*({section})) }} :p{index}")?;
    }
    let behind = behind(job, neutral);
    let generated = GENERATED.iter().chain(job.arch.arch.generated);
    for ((name, inputs), address) in generated.zip((behind..).step_by(GENERATED_SPACE)) {
        writeln!(script, "  {name} {address:#x} : {{ {inputs} }} :generated")?;
    }
    let tables: String = TABLES.iter().map(|name| format!("*({name}) ")).collect();
    writeln!(script, "  tables : {{ {tables}}} :generated")?;
    let placed: BTreeSet<u32> = sections.iter().map(|section| section.1).collect();
    let left_out = neutral.indices().filter(|index| !placed.contains(index));
    let left_out: String = left_out.map(|index| format!("*({}) ", section_name(index))).collect();
    writeln!(script, "  /DISCARD/ : {{ {left_out}*(.note.GNU-stack) }}\n}}")?;
    Ok(script)
}

/// Returns the page after the last section that is near the first one. The linker's own sections go there.
fn behind(job: &Job, neutral: &Neutral) -> u64 {
    const NEAR: u64 = 1 << 30;
    const ROOM_FOR_VENEERS: u64 = 1 << 16;
    let code = job.sections.iter().find(|section| neutral.is_executable(section.1));
    let near = code.or(job.sections.first()).map_or(0, |section| section.2);
    let ends = job.sections.iter().map(|section| section.2.saturating_add(neutral.memory_size(section.1)));
    let last = ends.filter(|end| end.abs_diff(near) < NEAR).max().unwrap_or(near);
    (last + ROOM_FOR_VENEERS).next_multiple_of(4096)
}

fn undefined_symbols(job: &Job, neutral: &Neutral) -> Result<BTreeMap<String, u64>> {
    let mut values: BTreeMap<&str, u64> = job.symbols.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    values.extend((job.arch.arch.placed)(&job.sections));
    let file = object::File::parse(&*neutral.bytes).context("the rewritten object")?;
    let mut wanted = BTreeMap::new();
    for symbol in file.symbols().filter(|symbol| symbol.is_undefined()) {
        let name = symbol.name().context("a symbol name")?;
        if name.is_empty() || LINKERS_OWN.contains(&name) || job.arch.arch.linkers_own.contains(&name) {
            continue;
        }
        ensure!(!name.contains(['"', '\n']), "{name:?} cannot be written in a linker script");
        let value = match values.get(name) {
            Some(value) => *value,
            None if symbol.is_weak() => 0,
            None => anyhow::bail!("no value was given for the undefined symbol {name}"),
        };
        wanted.insert(name.to_owned(), value);
    }
    Ok(wanted)
}
