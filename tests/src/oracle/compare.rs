//! Compares two images of one module field by field.
//!
//! Bytes must be equal, except in the field of a reference that goes through something the linker made (a GOT entry, a
//! PLT entry, a veneer). Linkers place these freely, so for such a field both images must reach the same destination.

use super::destination::Destination;
use super::resolve::resolve;
use super::{Image, Job};
use crate::arch::Target;
use anyhow::{Context, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget};
use std::collections::BTreeMap;

/// The result of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    /// The number of sections that were compared.
    pub sections: usize,
    /// The number of bytes that were compared.
    pub bytes: usize,
    /// The number of fields that differ and reach the same destination through something a linker made.
    pub indirect: usize,
    /// A message for every other difference.
    pub problems: Vec<String>,
}

impl Agreement {
    /// Adds the result for `other`, whose module is called `name`.
    pub fn add(&mut self, name: &str, other: Agreement) {
        self.sections += other.sections;
        self.bytes += other.bytes;
        self.indirect += other.indirect;
        self.problems.extend(other.problems.into_iter().map(|problem| format!("{name}:{problem}")));
    }
}

/// Compares the sections of `job` in two images. `object` is the file that was linked.
///
/// # Errors
/// If `object` cannot be parsed.
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
        let mut next = 0;
        while let Some(at) = (next..a.bytes.len()).find(|at| a.bytes[*at] != b.bytes[*at]) {
            // What differs may go on in the next field, which is another matter.
            let end = fields.range(at as u64 + 1..).next().map_or(a.bytes.len(), |(start, _)| *start as usize);
            let field = fields.range(..=at as u64).next_back();
            let field = field.filter(|(start, _)| at as u64 - **start < job.arch.arch.field_length);
            let may_differ = |start: u64| {
                let (left, right) = (a.bytes.get(start as usize..), b.bytes.get(start as usize..));
                (job.arch.arch.may_differ)(left.unwrap_or_default(), right.unwrap_or_default())
            };
            if let Some((start, via)) = field
                && may_differ(*start)
                && same_end(job.arch, left, right, *index, *via)
            {
                found.indirect += 1;
                next = end.min((start + job.arch.arch.field_length) as usize);
                continue;
            }
            next = (at..end).find(|at| a.bytes[*at] == b.bytes[*at]).unwrap_or(end);
            let (a, b) = (around(&a.bytes, at), around(&b.bytes, at));
            found.problems.push(format!("({name}+{at:#x}): {a:02x?} {b:02x?}"));
        }
    }
    Ok(found)
}

/// Both reach the same destination. At least one does so indirectly; otherwise the bytes would be equal.
fn same_end(target: Target, left: &Image, right: &Image, index: u32, offset: u64) -> bool {
    let [left, right] = [left, right].map(|image| resolve(target, image, index, offset));
    let indirect = |end| matches!(end, Some(Destination::Indirect(_)));
    let end = |end: Option<Destination>| end.map(Destination::address);
    end(left).is_some() && end(left) == end(right) && (indirect(left) || indirect(right))
}

/// Returns the relocated fields of section `index`: their offset, and the offset at which resolving the reference
/// starts.
fn fields(file: &object::File, target: Target, index: u32) -> Result<BTreeMap<u64, u64>> {
    let index = object::SectionIndex(index as usize);
    let mut fields = BTreeMap::new();
    for (offset, relocation) in file.section_by_index(index)?.relocations() {
        let mut from = offset;
        // The second half of a pair may name the first half, which may be anywhere in the section.
        let RelocationFlags::Elf { r_type } = relocation.flags() else { continue };
        let second_half = (target.arch.names_its_pair)(r_type.0);
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

fn around(bytes: &[u8], at: usize) -> &[u8] {
    &bytes[at.saturating_sub(4)..(at + 8).min(bytes.len())]
}
