//! Finds the destination of a reference.
//!
//! Linkers choose where they place a GOT entry, a PLT entry or a veneer, and which instructions a veneer consists of.
//! Two images of a module are equivalent if every reference has the same destination. To find it, the GOT entry is
//! read, and the few instructions of a veneer are interpreted until they jump.

use super::{Image, Target};

/// The most instructions to interpret. No PLT entry or veneer has as many.
const LONGEST_VENEER: usize = 8;

/// The destination of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The reference leads directly to this address.
    Direct(u64),
    /// The reference leads to this address through something that the linker made.
    Indirect(u64),
}

impl Destination {
    /// Returns the address, whether it is reached directly or not.
    pub fn address(self) -> u64 {
        match self {
            Destination::Direct(address) | Destination::Indirect(address) => address,
        }
    }
}

/// Returns whether the field at `offset` of input section `index` has the same destination in both images.
pub fn same(target: Target, left: &Image, right: &Image, index: u32, offset: u64) -> bool {
    let ends = [left, right].map(|image| resolve(target, image, index, offset).map(Destination::address));
    ends[0].is_some() && ends[0] == ends[1]
}

/// Returns the destination of the relocated field at `offset` of input section `index`. Returns `None` if the
/// instruction there refers to nothing, or if the linker's own code is not understood.
pub fn resolve(target: Target, image: &Image, index: u32, offset: u64) -> Option<Destination> {
    let section = image.section(index)?;
    // On s390x the field is the second half of the instruction.
    let start = usize::try_from(offset).ok()?.checked_sub(if target == Target::S390x { 2 } else { 0 })?;
    let address = section.address + start as u64;
    let code = section.bytes.get(start..)?;
    match target {
        Target::S390x => s390x::reference(image, address, code),
        Target::Aarch64 => aarch64::reference(image, address, code, false),
        Target::Aarch64Be => aarch64::reference(image, address, code, true),
        Target::Riscv32 | Target::Riscv64 => riscv::reference(image, address, code),
        // On these targets linkers insert no code between a branch and its target.
        Target::X86_64 | Target::Mips | Target::Mipsel => None,
    }
}

/// Returns the destination of a branch to `address`: that address, or the one to which the veneer there jumps.
fn branch(image: &Image, address: u64, run: fn(&Image, u64) -> Option<u64>) -> Option<Destination> {
    if image.own_bytes(address, 2).is_none() {
        return Some(Destination::Direct(address));
    }
    run(image, address).map(Destination::Indirect)
}

/// Sign-extends the lowest `bits` bits of `value`.
fn signed(value: u64, bits: u32) -> u64 {
    ((value << (64 - bits)) as i64 >> (64 - bits)) as u64
}

/// Extracts `count` bits of `word`, starting at bit `from`.
fn bits(word: u32, from: u32, count: u32) -> u64 {
    u64::from(word >> from) & ((1 << count) - 1)
}

mod s390x {
    use super::{Destination, Image, LONGEST_VENEER, branch, signed};

    /// Returns the destination of a relative-long instruction: a branch, a load, or an address.
    pub(super) fn reference(image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
        let end = relative(address, code)?;
        match (code[0], code[1] & 15) {
            (0xc0, 4 | 5) => branch(image, end, run),
            // A load, or an address computation that the linker relaxed from a load.
            _ => match image.own_bytes(end, 8) {
                Some(entry) => Some(Destination::Indirect(u64::from_be_bytes(entry.try_into().ok()?))),
                None => Some(Destination::Direct(end)),
            },
        }
    }

    /// Returns the address to which an instruction with a 32-bit offset in halfwords refers.
    fn relative(address: u64, code: &[u8]) -> Option<u64> {
        let offset = i32::from_be_bytes(code.get(2..6)?.try_into().ok()?);
        Some(address.wrapping_add_signed(i64::from(offset) * 2))
    }

    fn run(image: &Image, mut at: u64) -> Option<u64> {
        let mut registers = [None; 16];
        for _ in 0..LONGEST_VENEER {
            let short = image.own_bytes(at, 2)?;
            let (high, low) = (usize::from(short[1] >> 4), usize::from(short[1] & 15));
            match (short[0], low) {
                (0x07, _) if high == 15 => return registers[low],
                (0x0d, 0) => registers[high] = Some(at + 2),
                _ => {
                    let code = image.own_bytes(at, 6)?;
                    match (code[0], low, code[5]) {
                        (0xc0, 0, _) => registers[high] = Some(relative(at, code)?),
                        (0xc0, 4, _) if high == 15 => return relative(at, code),
                        (0xc4, 8, _) => registers[high] = Some(load(image, relative(at, code)?)?),
                        // A load with a base and a 20-bit displacement, without an index.
                        (0xe3, 0, 0x04) => {
                            let displacement =
                                u64::from(code[4]) << 12 | u64::from(code[2] & 15) << 8 | u64::from(code[3]);
                            let base = registers[usize::from(code[2] >> 4)]?;
                            registers[high] = Some(load(image, base.wrapping_add(signed(displacement, 20)))?);
                        }
                        _ => return None,
                    }
                    at += 4;
                }
            }
            at += 2;
        }
        None
    }

    fn load(image: &Image, address: u64) -> Option<u64> {
        Some(u64::from_be_bytes(image.own_bytes(address, 8)?.try_into().ok()?))
    }
}

mod aarch64 {
    use super::{Destination, Image, LONGEST_VENEER, bits, branch, signed};

    /// Returns the destination of a `b` or `bl`.
    pub(super) fn reference(image: &Image, address: u64, code: &[u8], big: bool) -> Option<Destination> {
        let word = u32::from_le_bytes(code.get(..4)?.try_into().ok()?);
        branch(image, target(address, word)?, if big { run::<true> } else { run::<false> })
    }

    fn target(address: u64, word: u32) -> Option<u64> {
        let is_branch = word & 0x7c00_0000 == 0x1400_0000;
        is_branch.then(|| address.wrapping_add(signed(bits(word, 0, 26), 26) << 2))
    }

    /// Instructions are little-endian even where data, and therefore a literal, is big-endian.
    fn run<const BIG: bool>(image: &Image, mut at: u64) -> Option<u64> {
        let mut registers = [None; 32];
        for _ in 0..LONGEST_VENEER {
            let word = u32::from_le_bytes(image.own_bytes(at, 4)?.try_into().ok()?);
            let (d, n, m) = (bits(word, 0, 5) as usize, bits(word, 5, 5) as usize, bits(word, 16, 5) as usize);
            let page_offset = signed(bits(word, 5, 19) << 2 | bits(word, 29, 2), 21);
            let half = 16 * bits(word, 21, 2);
            if let Some(end) = target(at, word) {
                return Some(end);
            } else if word & 0xffff_fc1f == 0xd61f_0000 {
                return registers[n];
            } else if word & 0x9f00_0000 == 0x9000_0000 {
                registers[d] = Some((at & !0xfff).wrapping_add(page_offset << 12));
            } else if word & 0x9f00_0000 == 0x1000_0000 {
                registers[d] = Some(at.wrapping_add(page_offset));
            } else if word & 0xff80_0000 == 0x9100_0000 {
                let shift = 12 * bits(word, 22, 1);
                registers[d] = Some(registers[n]?.wrapping_add(bits(word, 10, 12) << shift));
            } else if word & 0xffe0_fc00 == 0x8b00_0000 {
                registers[d] = Some(u64::wrapping_add(registers[n]?, registers[m]?));
            } else if word & 0xff00_0000 == 0x5800_0000 {
                let literal = at.wrapping_add(signed(bits(word, 5, 19), 19) << 2);
                let bytes = image.own_bytes(literal, 8)?.try_into().ok()?;
                registers[d] = Some(if BIG { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) });
            } else if word & 0xff80_0000 == 0xd280_0000 {
                registers[d] = Some(bits(word, 5, 16) << half);
            } else if word & 0xff80_0000 == 0x9280_0000 {
                registers[d] = Some(!(bits(word, 5, 16) << half));
            } else if word & 0xff80_0000 == 0xf280_0000 {
                registers[d] = Some(registers[d]? & !(0xffff << half) | bits(word, 5, 16) << half);
            } else if word & 0xffff_f01f != 0xd503_201f {
                return None;
            }
            at += 4;
        }
        None
    }
}

mod riscv {
    use super::{Destination, Image, LONGEST_VENEER, bits, branch, signed};

    /// Returns the destination of a far call (`auipc` and `jalr`), or of a load or an address that uses `auipc`.
    pub(super) fn reference(image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
        let word = |at: usize| Some(u32::from_le_bytes(code.get(at..at + 4)?.try_into().ok()?));
        let (first, second) = (word(0)?, word(4)?);
        if bits(first, 0, 7) != 0x17 {
            return None;
        }
        let end = address.wrapping_add(upper(first)).wrapping_add(signed(bits(second, 20, 12), 12));
        match bits(second, 0, 7) {
            0x67 => branch(image, end, run),
            0x03 if image.own_bytes(end, 8).is_some() => load(image, end).map(Destination::Indirect),
            _ => Some(Destination::Direct(end)),
        }
    }

    fn upper(word: u32) -> u64 {
        signed((word & 0xffff_f000).into(), 32)
    }

    fn run(image: &Image, mut at: u64) -> Option<u64> {
        let mut registers = [None; 32];
        for _ in 0..LONGEST_VENEER {
            let word = u32::from_le_bytes(image.own_bytes(at, 4)?.try_into().ok()?);
            let (d, base) = (bits(word, 7, 5) as usize, registers[bits(word, 15, 5) as usize]);
            let offset = signed(bits(word, 20, 12), 12);
            match (bits(word, 0, 7), bits(word, 12, 3)) {
                (0x17, _) => registers[d] = Some(at.wrapping_add(upper(word))),
                (0x37, _) => registers[d] = Some(upper(word)),
                (0x13, 0) => registers[d] = Some(u64::wrapping_add(base?, offset)),
                (0x03, 3) => registers[d] = Some(load(image, u64::wrapping_add(base?, offset))?),
                (0x67, 0) => return Some(u64::wrapping_add(base?, offset) & !1),
                _ => return None,
            }
            at += 4;
        }
        None
    }

    fn load(image: &Image, address: u64) -> Option<u64> {
        Some(u64::from_le_bytes(image.own_bytes(address, 8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Placed;

    fn image(code: &[u8], own: &[u8]) -> Image {
        let section =
            |input, address, bytes: &[u8]| Placed { name: String::new(), input, address, bytes: bytes.to_vec() };
        Image { sections: vec![section(Some(1), 0x10000, code), section(None, 0x20000, own)], ..Image::default() }
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn riscv_calls_through_a_plt_and_a_got() {
        // auipc ra, 0x10; jalr ra -> auipc t1, 0; ld t1, 16(t1); jr t1; nop; the address.
        let code = words(&[0x0001_0097, 0x0000_80e7]);
        let mut own = words(&[0x0000_0317, 0x0103_3303, 0x0003_0067, 0x0000_0013]);
        own.extend_from_slice(&0xffff_ffff_8000_1234_u64.to_le_bytes());
        let end = resolve(Target::Riscv64, &image(&code, &own), 1, 0);
        assert_eq!(end, Some(Destination::Indirect(0xffff_ffff_8000_1234)));
        let end = resolve(Target::Riscv64, &image(&code, &[]), 1, 0);
        assert_eq!(end, Some(Destination::Direct(0x20000)));
    }

    #[test]
    fn aarch64_calls_through_a_veneer_built_by_moves() {
        // bl; movn x16, #0x1; movk x16, #0x1234, lsl #16; br x16
        let code = words(&[0x9400_4000]);
        let own = words(&[0x9280_0030, 0xf2a2_4690, 0xd61f_0200]);
        let end = resolve(Target::Aarch64, &image(&code, &own), 1, 0);
        assert_eq!(end, Some(Destination::Indirect(0xffff_ffff_1234_fffe)));
    }

    #[test]
    fn s390x_calls_through_the_kernels_kind_of_plt() {
        // brasl %r14; basr %r1,%r0; lg %r1,10(%r1); br %r1; two bytes to align; the address.
        let code = [0xc0, 0xe5, 0x00, 0x00, 0x80, 0x00];
        let mut own = vec![0x0d, 0x10, 0xe3, 0x10, 0x10, 0x0a, 0x00, 0x04, 0x07, 0xf1, 0, 0];
        own.extend_from_slice(&0x3ff_1234_5678_u64.to_be_bytes());
        let end = resolve(Target::S390x, &image(&code, &own), 1, 2);
        assert_eq!(end, Some(Destination::Indirect(0x3ff_1234_5678)));
    }
}
