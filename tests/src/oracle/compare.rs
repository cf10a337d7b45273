//! Two images of one module, field by field.
//!
//! Bytes must be equal, except in the field of a reference that goes through something that the linker made (a
//! GOT entry, a PLT entry, a veneer): linkers put these where they like, and there both must lead to the same
//! place in the end.

use super::destination::{self, Destination};
use super::{Image, Job, Target};
use anyhow::{Context, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget, elf};
use std::collections::BTreeMap;

/// What a comparison found.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    /// How many sections were compared.
    pub sections: usize,
    /// How many bytes they have.
    pub bytes: usize,
    /// Fields that differ, and lead to the same place through something that a linker made.
    pub indirect: usize,
    /// Every other difference.
    pub problems: Vec<String>,
}

impl Agreement {
    /// Adds the findings of `other`, of a module called `name`.
    pub fn add(&mut self, name: &str, other: Agreement) {
        self.sections += other.sections;
        self.bytes += other.bytes;
        self.indirect += other.indirect;
        self.problems.extend(other.problems.into_iter().map(|problem| format!("{name}:{problem}")));
    }
}

/// Compares the sections of `job` in two images of it; `object` is what was linked.
pub fn images(job: &Job, object: &[u8], left: &Image, right: &Image) -> Result<Agreement> {
    let file = object::File::parse(object)?;
    let mut found = Agreement::default();
    for (name, index, _) in &job.sections {
        let (a, b) = (left.section(*index), right.section(*index));
        let (a, b) = (a.with_context(|| format!("{name}: left"))?, b.with_context(|| format!("{name}: right"))?);
        found.sections += 1;
        found.bytes += a.bytes.len();
        if a.bytes == b.bytes && a.address == b.address {
            continue;
        }
        if a.bytes.len() != b.bytes.len() || a.address != b.address {
            let (a, b) = ((a.address, a.bytes.len()), (b.address, b.bytes.len()));
            found.problems.push(format!("({name}): address and size {a:#x?}, {b:#x?}"));
            continue;
        }
        let fields = fields(&file, job.arch, *index)?;
        for at in differences(&a.bytes, &b.bytes) {
            let field = fields.range(..=at as u64).next_back();
            let field = field.filter(|(start, _)| at as u64 - **start < field_length(job.arch));
            if field.is_some_and(|(_, via)| same_end(job.arch, left, right, *index, *via)) {
                found.indirect += 1;
                continue;
            }
            let (a, b) = (around(&a.bytes, at), around(&b.bytes, at));
            found.problems.push(format!("({name}+{at:#x}): {a:02x?} {b:02x?}"));
        }
    }
    Ok(found)
}

/// Both lead to the same place, and at least one of them indirectly: otherwise the bytes would be the same.
fn same_end(target: Target, left: &Image, right: &Image, index: u32, offset: u64) -> bool {
    let [left, right] = [left, right].map(|image| destination::resolve(target, image, index, offset));
    let indirect = |end| matches!(end, Some(Destination::Indirect(_)));
    let end = |end: Option<Destination>| end.map(Destination::address);
    end(left).is_some() && end(left) == end(right) && (indirect(left) || indirect(right))
}

/// The longest field of a reference that can be indirect.
fn field_length(target: Target) -> u64 {
    match target {
        // `auipc` and the instruction that it belongs to.
        Target::Riscv32 | Target::Riscv64 => 8,
        _ => 4,
    }
}

/// The places in section `index` that relocations are for, each with the place to follow the reference from.
fn fields(file: &object::File, target: Target, index: u32) -> Result<BTreeMap<u64, u64>> {
    let index = object::SectionIndex(index as usize);
    let mut fields = BTreeMap::new();
    for (offset, relocation) in file.section_by_index(index)?.relocations() {
        let mut from = offset;
        // The second half of a RISC-V pair names the first, wherever that is in the section.
        let RelocationFlags::Elf { r_type } = relocation.flags() else { continue };
        let second_half = matches!(target, Target::Riscv32 | Target::Riscv64)
            && [elf::R_RISCV_PCREL_LO12_I, elf::R_RISCV_PCREL_LO12_S].contains(&r_type);
        if let (true, RelocationTarget::Symbol(symbol)) = (second_half, relocation.target()) {
            let symbol = file.symbol_by_index(symbol)?;
            if symbol.section_index() == Some(index) {
                from = symbol.address();
            }
        }
        fields.insert(offset, from);
    }
    Ok(fields)
}

/// Where two contents differ: the first byte of every run.
fn differences(a: &[u8], b: &[u8]) -> Vec<usize> {
    let differs = |at: &usize| a[*at] != b[*at];
    (0..a.len()).filter(|at| differs(at) && (*at == 0 || !differs(&(at - 1)))).collect()
}

fn around(bytes: &[u8], at: usize) -> &[u8] {
    &bytes[at.saturating_sub(4)..(at + 8).min(bytes.len())]
}
