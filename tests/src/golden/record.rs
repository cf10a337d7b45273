//! The recorder: asks independent linkers for the answers of vectors.

use super::formula_shape;
use super::indirection;
use super::probe::{ANCHOR, Probe};
use super::shape::Shape;
use super::vector::{Outcome, Vector, machine_name};
use crate::arch::{Architecture, Target};
use crate::module_spec::{ModuleSpec, Relocation, RowDescription, Section, Symbol, SymbolKind, write};
use crate::oracle::{Image, Job, bfd, lld};
use anyhow::{Context as _, Result, bail, ensure};
use relobox_abi::{Machine, order, row_flag};
use std::path::Path;
use std::process::Command;

/// The linkers, in order of preference.
pub(super) const LINKERS: [&str; 2] = ["ld", "lld"];

/// Returns the version lines of the linkers for a machine.
pub(super) fn versions(machine: &Machine) -> Result<Vec<String>> {
    let variant = Target::of_machine(machine)?.variant;
    let mut commands = Vec::new();
    if let Some((program, _)) = variant.gnu_ld {
        commands.push(("ld", Command::new(program)));
    }
    if variant.lld.is_some() {
        commands.push(("lld", Command::new(lld::program()?)));
    }
    let mut out = Vec::new();
    for (name, mut command) in commands {
        let said = command.arg("--version").output().with_context(|| name.to_owned())?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let line = said.lines().next().unwrap_or_default().split(" (compatible").next().unwrap_or_default();
        out.push(format!("{name} is {line}"));
    }
    Ok(out)
}

/// The recorder for the vectors of one machine.
pub(super) struct Recorder<'a> {
    pub(super) arch: &'static Architecture,
    pub(super) machine: Machine,
    pub(super) in_place: bool,
    pub(super) base: u64,
    pub(super) rows: &'a [RowDescription],
    pub(super) dir: &'a Path,
}

/// The linked section, and the image with the linker's own sections.
struct Linked {
    after: Vec<u8>,
    image: Image,
}

impl Recorder<'_> {
    /// Returns the answer of each linker, which is [`Outcome::Unsupported`] if it does not know the type.
    ///
    /// # Errors
    ///
    /// If a linker fails for a reason that is not understood.
    pub(super) fn ask(&self, vector: &Vector) -> Result<Vec<Outcome>> {
        ensure!(vector.machine == machine_name(&self.machine, self.in_place), "a vector of another machine");
        LINKERS.into_iter().map(|linker| self.ask_one(linker, vector)).collect()
    }

    fn shape(&self, vector: &Vector) -> Option<Shape> {
        self.rows.iter().find(|row| row.name == vector.name).and_then(|row| formula_shape::of(self.arch.name, row))
    }

    fn ask_one(&self, linker: &'static str, vector: &Vector) -> Result<Outcome> {
        let shape = self.shape(vector).context("a vector without a shape")?;
        let variant = Target::of_machine(&self.machine)?.variant;
        let links = if linker == "ld" { variant.gnu_ld.is_some() } else { variant.lld.is_some() };
        if !links || shape.has_table() && vector.by != linker {
            // It does not know the machine, or the vector was made for the table of the other linker.
            return Ok(Outcome::Unsupported);
        }
        let linked = match self.link(linker, vector)? {
            Ok(linked) => linked,
            Err(outcome) => return Ok(outcome),
        };
        if let Some(end) = self.through(vector, &linked)? {
            return Ok(Outcome::Through(end));
        }
        if !shape.has_table() {
            return Ok(Outcome::Bytes(linked.after, None));
        }
        let probe = self.tables(linker, vector, shape, &linked);
        let as_before = probe.slot == vector.value("G") && probe.table == vector.value("GOT");
        ensure!(as_before, "{linker} has moved its table: {probe:x?}, {vector}");
        let width = usize::from(self.machine.class / 8);
        let slot = probe.slot.map(|at| linked.image.own_bytes(at, width).context("a slot")).transpose()?;
        Ok(Outcome::Bytes(linked.after, slot.map(<[u8]>::to_vec)))
    }

    /// Returns the table addresses of the first linker that knows the type.
    pub(super) fn probe(&self, vector: &Vector) -> Result<Probe> {
        let variant = Target::of_machine(&self.machine)?.variant;
        for linker in LINKERS {
            if linker == "ld" && variant.gnu_ld.is_none() || linker == "lld" && variant.lld.is_none() {
                continue;
            }
            let linked = match self.link(linker, vector)? {
                // The field is too short for the distance. The longest type makes the same slot.
                Err(Outcome::Overflow) if !self.arch.slot_type.is_empty() => self.link(linker, &self.longer(vector))?,
                other => other,
            };
            if let Ok(linked) = linked {
                let shape = self.shape(vector).context("a shape")?;
                let probe = self.tables(linker, vector, shape, &linked);
                let base = matches!(shape, Shape::Table | Shape::FromTable | Shape::SlotOffset);
                ensure!(!base || probe.table.is_some(), "{linker} does not say where its table is");
                if shape.has_slot() && probe.slot.is_none() {
                    // It makes one only for another type, that of a pair's first half.
                    continue;
                }
                return Ok(probe);
            }
        }
        Ok(Probe::default())
    }

    /// Returns `vector` with the type of which a linker certainly makes a slot.
    fn longer(&self, vector: &Vector) -> Vector {
        let mut longer = vector.clone();
        longer.name = self.arch.slot_type.to_owned();
        longer.sites[0].name = longer.name.clone();
        longer.before.resize(vector.before.len() + 8, 0);
        longer
    }

    /// Returns the destination of the field, if it leads through code that the linker made.
    fn through(&self, vector: &Vector, linked: &Linked) -> Result<Option<u64>> {
        let row = self.rows.iter().find(|row| row.name == vector.name).context("a row")?;
        if !row.is(row_flag::FALLBACK) {
            return Ok(None);
        }
        let code = indirection::code(&self.machine, self.arch, row, vector, &linked.after);
        if linked.image.own_bytes(code, 1).is_none() {
            return Ok(None);
        }
        let end = indirection::end(Target::of_machine(&self.machine)?, linked.image.clone(), code);
        end.with_context(|| format!("the linker's code at {code:#x}: {vector}")).map(Some)
    }

    fn tables(&self, linker: &'static str, vector: &Vector, shape: Shape, linked: &Linked) -> Probe {
        let slot = vector.value("s").filter(|_| shape.has_slot()).and_then(|s| self.find(&linked.image, s));
        let table = linked.image.symbols.get("_GLOBAL_OFFSET_TABLE_").copied().filter(|_| self.names_table(shape));
        Probe { linker, slot, table }
    }

    /// Returns whether the module also refers to the table's own symbol, so that the linker tells the table's address.
    fn names_table(&self, shape: Shape) -> bool {
        matches!(shape, Shape::Table | Shape::FromTable | Shape::SlotOffset | Shape::SlotFixed)
    }

    /// Finds a word with `value` in the linker's own sections.
    fn find(&self, image: &Image, value: u64) -> Option<u64> {
        let width = usize::from(self.machine.class / 8);
        let bytes = if self.machine.order == order::BIG {
            value.to_be_bytes()[8 - width..].to_vec()
        } else {
            value.to_le_bytes()[..width].to_vec()
        };
        image.own_sections().find_map(|section| {
            let at = section.bytes.chunks_exact(width).position(|word| word == bytes)?;
            Some(section.address + (at * width) as u64)
        })
    }

    fn link(&self, linker: &str, vector: &Vector) -> Result<Result<Linked, Outcome>> {
        let e_flags = Target::of_machine(&self.machine)?.variant.e_flags;
        let machine = Machine { flags_value: self.machine.flags_value | e_flags, ..self.machine };
        let mut module = ModuleSpec::new(machine, self.in_place);
        vector.add_to(&mut module, self.rows)?;
        let shape = self.shape(vector);
        let table = shape.is_some_and(|shape| shape.has_table());
        if table {
            let mut anchor = Section { address: self.base + ANCHOR, bytes: vec![0; 16], relocations: Vec::new() };
            if shape.is_some_and(|shape| self.names_table(shape)) {
                let name = "_GLOBAL_OFFSET_TABLE_".to_owned();
                module.symbol(Symbol { name, kind: SymbolKind::Linkers, size: 0 });
                // A table without slots is dropped together with its symbol.
                let slotted = Symbol { name: "other".to_owned(), kind: SymbolKind::Outside(self.base), size: 0 };
                let kind = self.rows.iter().find(|row| row.name == self.arch.slot_type).map(|row| row.row.kind);
                let kind = kind.context("no type that makes a slot")?;
                anchor.relocations.push(Relocation { offset: 4, kind, symbol: module.symbol(slotted), addend: 0 });
            }
            module.sections.push(anchor);
        }
        let elf = write(&module).map_err(|e| anyhow::anyhow!("{e}"))?;
        let path = self.dir.join("vector.o");
        std::fs::write(&path, &elf)?;
        let place = |i: usize| (format!("v{i}"), i as u32 + 1, module.sections[i].address);
        let mut symbols = Vec::new();
        for symbol in &module.symbols {
            if let SymbolKind::Outside(value) = symbol.kind {
                let extends = self.arch.ld_extends_sign
                    && self.machine.class == 32
                    && linker == "ld"
                    && matches!(shape, Some(Shape::Absolute(_)));
                let value = if extends { i64::from(value as i32) as u64 } else { value };
                symbols.push((symbol.name.clone(), value));
            }
        }
        let job = Job {
            object: &path,
            arch: Target::of_machine(&self.machine)?,
            // The anchor comes first, because linkers put their tables behind the first section of code.
            sections: (0..module.sections.len()).rev().map(place).collect(),
            symbols,
        };
        let answer = if linker == "ld" { bfd::link(&job, self.dir) } else { lld::link(&job, self.dir) };
        match answer {
            Ok(image) => {
                let after = image.section(1).context("the section is gone")?.bytes.clone();
                Ok(Ok(Linked { after, image }))
            }
            Err(error) => Ok(Err(refusal(&format!("{error:#}")).with_context(|| vector.to_string())?)),
        }
    }
}

/// Classifies the error message of a linker.
fn refusal(said: &str) -> Result<Outcome> {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    // Programs that crash on types: GNU ld 2.40 on SET_ULEB128, which 2.41 supports, and on R_PPC64_ADDR14_BRTAKEN; 2.44
    // on R_LARCH_ADD24; lld 22 on R_MIPS_SUB. For GNU ld 2.40, no place of R_PPC_REL16DX_HA is in its section (error 4).
    let unsupported = [
        "(SIG",
        "assertion fail",
        "internal error",
        "nrecognized reloc",
        "nknown relocation",
        "nsupported relocation",
        "not supported",
        " unsupported",
        "': error 4",
        "cannot handle",
    ];
    // GNU ld for MIPS has "unsupported jump/branch instruction between ISA modes" for an odd target.
    Ok(if has(&unsupported) && !has(&["between ISA modes"]) {
        Outcome::Unsupported
    } else if has(&["truncated to fit", " range", "verflow", "exceeds available space", "unencodeable"]) {
        Outcome::Overflow
    } else if has(&["lignment", "aligned", "between ISA modes", "non-word", "not a multiple"]) {
        Outcome::Misaligned
    } else if has(&["dangerous relocation", "outside", "without .prologue"]) {
        Outcome::Refused
    } else if said.ends_with("final link failed: bad value") || said.ends_with("warning: -z norelro ignored") {
        // GNU ld for SuperH names no type, and that for ia64 says nothing at all of R_IA64_SUB.
        Outcome::Unsupported
    } else {
        bail!("not understood: {said}")
    })
}
