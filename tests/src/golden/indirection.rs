//! Resolution of fields that lead through code that a linker or a plugin made.

use super::vector::Vector;
use crate::module_spec::RowDescription;
use crate::oracle::destination::{self, Destination};
use crate::oracle::{Image, Placed, Target};
use relobox_abi::Machine;

/// Returns the address to which the field of `vector` refers, if the section has the contents `bytes`.
pub(super) fn code(machine: &Machine, arch: &str, row: &RowDescription, vector: &Vector, bytes: &[u8]) -> u64 {
    let site = &vector.sites[0];
    let place = vector.at.wrapping_add(site.offset);
    let value = row.value(machine, &bytes[site.offset as usize..]);
    let addend = if is_of_symbol(arch, vector) { site.addend } else { 0 };
    // The field contains both instructions of a pair, and the immediate of the second one is signed.
    let value = if arch == "riscv64" && row.row.width == 8 { value - ((value & 0x800) << 1) } else { value };
    place.wrapping_add_signed(value.wrapping_sub(addend))
}

/// Returns whether an entry is for the symbol alone and the addend is added to its address. On s390x the addend is the
/// distance from the place to the start of the instruction.
pub(super) fn is_of_symbol(arch: &str, vector: &Vector) -> bool {
    arch == "s390x" || vector.name == "R_RISCV_PLT32"
}

/// Returns where the code at `code` in `image` jumps to.
pub(super) fn end(target: Target, mut image: Image, code: u64) -> Option<u64> {
    const NEAR: u64 = 0x1000;
    let address = code.wrapping_sub(NEAR);
    // Resolve a call to the code, made at an address nearby.
    let bytes = match target {
        Target::S390x => [&[0xc0, 0xe5][..], &(NEAR as u32 / 2).to_be_bytes()].concat(),
        Target::Aarch64 | Target::Aarch64Be => (0x9400_0000 | (NEAR as u32 / 4)).to_le_bytes().to_vec(),
        // auipc ra, 1; jalr ra
        _ => [0x0000_1097_u32.to_le_bytes(), 0x0000_80e7_u32.to_le_bytes()].concat(),
    };
    image.sections.retain(|section| section.input.is_none());
    image.sections.push(Placed { name: "call".to_owned(), input: Some(1), address, bytes });
    match destination::resolve(target, &image, 1, if target == Target::S390x { 2 } else { 0 })? {
        Destination::Indirect(end) => Some(end),
        Destination::Direct(_) => None,
    }
}
