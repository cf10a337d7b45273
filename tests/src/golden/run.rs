//! The runner: checks a plugin against the vectors. It needs no linker.
//!
//! Most vectors share one module, each in a section of its own, so that few links are needed. Vectors that depend on
//! the address of a table are modules of their own.

use super::indirection;
use super::vector::{Outcome, Vector, machine_name};
use crate::arch::{Architecture, Target};
use crate::module_spec::{
    Fault, LinkError, LinkOutput, Linker, ModuleSpec, Relocation, RowDescription, Section, Symbol, SymbolKind,
};
use crate::oracle::{Image, Placed};
use anyhow::{Context as _, Result};
use relobox_abi::Machine;
use std::collections::BTreeSet;

/// The number of vectors in a module; a plugin reports at most 1000 faults.
const BATCH: usize = 500;

/// Returns the rows that are not tested by any vector with bytes.
pub fn uncovered(linker: &dyn Linker, vectors: &[Vector]) -> Vec<String> {
    let linked = vectors.iter().filter(|v| v.after.is_linked());
    let tested: BTreeSet<&str> = linked.flat_map(|v| &v.sites).map(|site| site.name.as_str()).collect();
    linker.rows().iter().filter(|row| !tested.contains(row.name.as_str())).map(|row| row.name.clone()).collect()
}

/// Checks `vectors` and returns a line for each mismatch.
///
/// # Errors
///
/// If the linker does not link the machine of a vector, or a vector is malformed.
pub fn check(linker: &dyn Linker, vectors: &[Vector]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let names: BTreeSet<&str> = vectors.iter().map(|v| v.machine.as_str()).collect();
    for name in names {
        let in_place = name.ends_with("-rel");
        let machine = linker.machines().iter().find(|m| machine_name(m, in_place) == name);
        let machine = *machine.with_context(|| format!("{} does not link {name}", linker.name()))?;
        let runner = Runner { linker, machine, in_place };
        let of: Vec<&Vector> = vectors.iter().filter(|v| v.machine == name).collect();
        let (alone, together): (Vec<&Vector>, Vec<&Vector>) = of.into_iter().partition(|v| v.is_alone());
        for vector in alone {
            runner.single(vector, &mut wrong)?;
        }
        let (linked, refused): (Vec<&Vector>, Vec<&Vector>) = together.into_iter().partition(|v| v.after.is_linked());
        linked.chunks(BATCH).try_for_each(|batch| runner.linked(batch, &mut wrong))?;
        refused.chunks(BATCH).try_for_each(|batch| runner.refused(batch, &mut wrong))?;
    }
    Ok(wrong)
}

struct Runner<'a> {
    linker: &'a dyn Linker,
    machine: Machine,
    in_place: bool,
}

fn is(fault: &Fault, expected: &Outcome) -> bool {
    match expected {
        Outcome::Overflow => fault.kind == "out-of-range",
        Outcome::Misaligned => fault.kind == "misaligned",
        Outcome::Refused => true,
        _ => false,
    }
}

impl Runner<'_> {
    fn module(&self, vectors: &[&Vector]) -> Result<ModuleSpec> {
        let mut module = ModuleSpec::new(self.machine, self.in_place);
        for vector in vectors {
            vector.add_to(&mut module, self.linker.rows()).with_context(|| vector.to_string())?;
        }
        Ok(module)
    }

    fn linked(&self, vectors: &[&Vector], wrong: &mut Vec<String>) -> Result<()> {
        let Ok(answer) = self.linker.link(&self.module(vectors)?) else {
            // Link them one by one to find the one that is refused.
            return vectors.iter().try_for_each(|v| self.single(v, wrong));
        };
        for (vector, bytes) in vectors.iter().zip(&answer.sections) {
            if Outcome::Bytes(bytes.clone(), None) != vector.after {
                wrong.push(format!("{vector}\n    gave {}", Outcome::Bytes(bytes.clone(), None)));
            }
        }
        Ok(())
    }

    fn refused(&self, vectors: &[&Vector], wrong: &mut Vec<String>) -> Result<()> {
        let faults = match self.linker.link(&self.module(vectors)?) {
            Err(LinkError::Faults(faults)) => faults,
            _ => return vectors.iter().try_for_each(|v| self.single(v, wrong)),
        };
        for (index, vector) in vectors.iter().enumerate() {
            let mine: Vec<&Fault> = faults.iter().filter(|f| f.section == Some(index)).collect();
            if mine.is_empty() || !mine.iter().all(|f| is(f, &vector.after)) {
                wrong.push(format!("{vector}\n    gave {mine:?}"));
            }
        }
        Ok(())
    }

    /// Checks a vector on its own, with the plugin's tables at the addresses of the linker's tables.
    fn single(&self, vector: &Vector, wrong: &mut Vec<String>) -> Result<()> {
        let row = self.linker.rows().iter().find(|row| row.name == vector.name);
        let row = row.with_context(|| format!("no row {}", vector.name))?;
        let mut module = ModuleSpec::new(self.machine, self.in_place);
        let (table, slot) = (vector.value("GOT"), vector.value("G"));
        let word = usize::from(self.machine.class / 8);
        let mut skipped = 0;
        if let (Some(table), Some(slot)) = (table, slot) {
            // The linker's table begins with entries of its own; add as many slots for other symbols.
            skipped = slot.wrapping_sub(table) as usize;
            self.pad(&mut module, vector, row, skipped / word);
        }
        // Place the code where the linker's code for `s` was, or within reach of the shortest branches.
        let near = matches!(vector.after, Outcome::Through(_)).then_some(vector.at + 0x100);
        for name in [".relobox.plt", ".relobox.veneers"] {
            module.tables.extend(vector.value("L").filter(|_| near.is_none()).or(near).map(|at| (name.to_owned(), at)));
        }
        module.tables.extend(table.or(slot).map(|at| (".relobox.got".to_owned(), at)));
        let index = vector.add_to(&mut module, self.linker.rows())?;
        let gave = match self.linker.link(&module) {
            Ok(answer) => {
                let bytes = answer.sections[index].clone();
                match &vector.after {
                    Outcome::Through(_) => self.through(vector, row, &answer, index)?,
                    Outcome::Bytes(_, Some(_)) => {
                        let got = answer.made.iter().find(|made| made.name == ".relobox.got");
                        let slot = got.and_then(|made| made.contents.get(skipped..skipped + word));
                        Ok(Outcome::Bytes(bytes, slot.map(<[u8]>::to_vec)))
                    }
                    _ => Ok(Outcome::Bytes(bytes, None)),
                }
            }
            Err(LinkError::Faults(faults))
                if !faults.is_empty() && faults.iter().all(|f| f.section == Some(index) && is(f, &vector.after)) =>
            {
                Ok(vector.after.clone())
            }
            Err(refusal) => Err(format!("{refusal:?}")),
        };
        match gave {
            Ok(outcome) if outcome == vector.after => {}
            Ok(outcome) => wrong.push(format!("{vector}\n    gave {outcome}")),
            Err(text) => wrong.push(format!("{vector}\n    gave {text}")),
        }
        Ok(())
    }

    /// Adds a section whose relocations occupy the first `slots` slots.
    fn pad(&self, module: &mut ModuleSpec, vector: &Vector, row: &RowDescription, slots: usize) {
        let mut relocations = Vec::new();
        // A short field of the row's own type may not reach the table.
        let slot_type = Architecture::named(self.linker.name()).map_or("", |arch| arch.slot_type);
        let kind = self.linker.rows().iter().find(|row| row.name == slot_type).unwrap_or(row).row.kind;
        for i in 0..slots {
            let symbol = Symbol { name: format!("pad{i}"), kind: SymbolKind::Outside(vector.at), size: 0 };
            let (symbol, offset) = (module.symbol(symbol), 16 * i as u64);
            relocations.push(Relocation { offset, kind, symbol, addend: 0 });
        }
        if slots != 0 {
            let address = vector.at.wrapping_sub(0x100_0000);
            module.sections.push(Section { address, bytes: vec![0; 16 * slots], relocations });
        }
    }

    /// Returns the destination of the field.
    fn through(
        &self,
        vector: &Vector,
        row: &RowDescription,
        answer: &LinkOutput,
        index: usize,
    ) -> Result<Result<Outcome, String>> {
        let bytes = &answer.sections[index];
        let own = answer.made.iter().map(|made| Placed {
            name: made.name.clone(),
            input: None,
            address: made.address,
            bytes: made.contents.clone(),
        });
        let image = Image { sections: own.collect(), symbols: Default::default() };
        let arch = Architecture::named(self.linker.name()).context("no file in tests/src/arch")?;
        let code = indirection::code(&self.machine, arch, row, vector, bytes);
        let end = indirection::end(Target::of_machine(&self.machine)?, image, code).map(Outcome::Through);
        Ok(end.ok_or_else(|| format!("{}, which leads to {code:#x}", Outcome::Bytes(bytes.clone(), None))))
    }
}
