//! Golden vectors: for every relocation type, values at the ends of its range, in poisoned bytes, with the result of
//! an independent linker.
//!
//! | file | what it does |
//! |---|---|
//! | `vector` | the format of a line, and the module that a line stands for |
//! | `edges`, `shape`, `generator`, `generate`, `special` | the generator: from a plugin's description, vectors without answers |
//! | `probe` | where linkers put their tables |
//! | `indirection` | where a field leads through a PLT entry or a veneer |
//! | `record` | the recorder: asks GNU ld and lld |
//! | `formula` | the few types that no linker knows, written out by hand |
//! | `differs` | what to believe where they disagree, and where relobox deliberately differs; by hand, in `crate::arch` |
//! | `run` | the runner: puts the vectors before a plugin |
//!
//! The plugin's own output is never the source of an expectation.

mod differs;
mod edges;
pub mod formula;
mod formula_shape;
mod generate;
mod generator;
mod indirection;
mod probe;
mod record;
mod run;
mod shape;
mod special;
mod vector;

pub use differs::{Difference, Take, is_outside};
pub use formula_shape::of as shape_of;
pub use generator::{Generator, OFFSET, POISON, SLOTTED};
pub use run::{check, uncovered};
pub use shape::Shape;
pub use vector::{FORMAT, Outcome, Site, Vector};

use crate::arch::{Architecture, Target};
use crate::module_spec::{Linker, guest};
use anyhow::{Context as _, Result, bail};
use probe::Probe;
use record::Recorder;
use relobox::parallel;
use relobox_abi::Machine;
use std::fmt::Write as _;
use std::path::PathBuf;
use vector::machine_name;

/// Returns the architectures that have a plugin in the repository. Each of them must have vectors.
///
/// # Errors
///
/// If the directory of the plugins cannot be read.
pub fn architectures() -> Result<Vec<String>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../arch-plugins");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        let Ok(manifest) = std::fs::read_to_string(path.join("Cargo.toml")) else { continue };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if manifest.contains(&format!("name = \"relobox-arch-{name}\"")) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Returns the path of an architecture's vectors.
pub fn path(arch: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{arch}.txt"))
}

/// Returns the names that vectors have for `machine`, with explicit addends and with addends in place.
pub fn names(machine: &Machine) -> [String; 2] {
    [false, true].map(|in_place| vector::machine_name(machine, in_place))
}

/// Parses the text of a file with vectors.
///
/// # Errors
///
/// If a line is malformed.
pub fn parse(text: &str) -> Result<Vec<Vector>> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(number, line)| Vector::parse(line).with_context(|| format!("line {number}: {line}"))).collect()
}

/// Reads the committed vectors of an architecture.
///
/// # Errors
///
/// If the file cannot be read or parsed.
pub fn committed(arch: &str) -> Result<Vec<Vector>> {
    let path = path(arch);
    parse(&std::fs::read_to_string(&path).with_context(|| path.display().to_string())?)
}

/// Generates the vectors of an architecture, records the answers of the installed linkers, and returns the text of the
/// file.
///
/// # Errors
///
/// If a linker fails, or a disagreement is not decided.
pub fn record(arch: &str) -> Result<String> {
    let guest = guest::named(arch)?;
    let arch = Architecture::named(arch).with_context(|| format!("no file tests/src/arch/{arch}.rs"))?;
    let in_place = arch.in_place[0];
    let mut text = format!("# Golden vectors of {}.\n#\n{FORMAT}#\n", arch.name);
    let (mut lines, mut undecided, mut used) = (String::new(), Vec::new(), vec![0; arch.differences.len()]);
    for (i, machine) in guest.machines().iter().enumerate() {
        if guest.machines()[..i].iter().any(|m| machine_name(m, in_place) == machine_name(machine, in_place)) {
            continue; // Another `e_machine` with the same types.
        }
        for version in record::versions(machine)? {
            let line = format!("# {version}\n");
            if !text.contains(&line) {
                text += &line;
            }
        }
        for (vector, said) in machine_vectors(arch, &guest, *machine, in_place, i)? {
            match differs::decide(arch.differences, (arch.is_stub_of_symbol)(&vector.name), &vector, &said) {
                Ok((after, by, why)) => {
                    why.iter().for_each(|(_, entry)| used[*entry] += 1);
                    let differs = why.map(|(why, _)| why);
                    writeln!(lines, "{}", Vector { after, by, differs, ..vector })?;
                }
                Err(what) => undecided.push(format!("{vector}: {what}")),
            }
        }
    }
    let entries = arch.differences.iter().zip(used).filter(|(_, used)| *used == 0);
    undecided.extend(entries.map(|(d, _)| format!("nothing needs this decision any more: {:?}, {}", d.types, d.why)));
    if !undecided.is_empty() {
        bail!("{} to decide in tests/src/arch/{}.rs:\n{}", undecided.len(), arch.name, undecided.join("\n"));
    }
    Ok(format!("{text}\n{lines}"))
}

type Asked = (Vector, Vec<Outcome>);

fn machine_vectors(
    arch: &'static Architecture,
    guest: &guest::Guest,
    machine: Machine,
    in_place: bool,
    i: usize,
) -> Result<Vec<Asked>> {
    let dir = tempfile::tempdir()?;
    let rows = guest.rows();
    let recorder = |name: &str| -> Result<PathBuf> {
        let dir = dir.path().join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    };
    let first = recorder("probe")?;
    let at = Target::of_machine(&machine).ok().and_then(|target| target.variant.vectors_at);
    let base = at.unwrap_or(machine.base);
    let no_probe = |_: &Vector| Ok(Probe::default());
    let mut generator = Generator { arch: arch.name, base, machine, in_place, probe: &no_probe, turn: i };
    let probing = Recorder { arch, machine, in_place, base, rows, dir: &first };
    let probe = |vector: &Vector| probing.probe(vector);
    generator.probe = &probe;
    let vectors = generator.all(rows)?;

    // Each vector and linker needs a process; run as many at a time as there are processors.
    let numbered: Vec<_> = vectors.iter().enumerate().collect();
    let answers = parallel::map(parallel::processors(), &numbered, |(at, vector)| {
        let dir = recorder(&format!("vector{at}"))?;
        let recorder = Recorder { arch, machine, in_place, base, rows, dir: &dir };
        recorder.ask(vector).with_context(|| vector.to_string())
    });
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(vectors.into_iter().zip(answers).collect())
}
