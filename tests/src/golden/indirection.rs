//! Resolution of fields that lead through code that a linker or a plugin made.

use super::vector::Vector;
use crate::arch::{Architecture, Target};
use crate::module_spec::RowDescription;
use crate::oracle::destination::Destination;
use crate::oracle::resolve::resolve;
use crate::oracle::{Image, Placed};
use relobox_abi::Machine;

/// Returns the address to which the field of `vector` refers, if the section has the contents `bytes`.
pub(super) fn code(machine: &Machine, arch: &Architecture, row: &RowDescription, vector: &Vector, bytes: &[u8]) -> u64 {
    let site = &vector.sites[0];
    let place = vector.at.wrapping_add(site.offset);
    let value = row.value(machine, &bytes[site.offset as usize..]);
    let addend = if (arch.is_stub_of_symbol)(&vector.name) { site.addend } else { 0 };
    place.wrapping_add_signed((arch.distance)(row, value).wrapping_sub(addend))
}

/// Returns where the code at `code` in `image` jumps to.
pub(super) fn end(target: Target, mut image: Image, code: u64) -> Option<u64> {
    const NEAR: u64 = 0x1000;
    let address = code.wrapping_sub(NEAR);
    // Resolve a call to the code, made at an address nearby.
    let bytes = (target.arch.call)(target.variant, NEAR);
    image.sections.retain(|section| section.input.is_none());
    image.sections.push(Placed { name: "call".to_owned(), input: Some(1), address, bytes });
    match resolve(target, &image, 1, target.arch.field_in_branch as u64)? {
        Destination::Indirect(end) => Some(end),
        Destination::Direct(_) => None,
    }
}
