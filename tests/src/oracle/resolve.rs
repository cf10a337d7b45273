//! Finds the destination of a relocated field.

use super::Image;
use super::destination::Destination;
use crate::arch::Target;

/// Returns the destination of the relocated field at `offset` of input section `index`. Returns `None` if the
/// instruction there refers to nothing, or if the linker's own code is not understood.
pub fn resolve(target: Target, image: &Image, index: u32, offset: u64) -> Option<Destination> {
    let section = image.section(index)?;
    let start = usize::try_from(offset).ok()?.checked_sub(target.arch.field_in_branch as usize)?;
    let address = section.address + start as u64;
    (target.arch.reference)(target.variant, image, address, section.bytes.get(start..)?)
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
        let end = resolve(Target::named("riscv64"), &image(&code, &own), 1, 0);
        assert_eq!(end, Some(Destination::Indirect(0xffff_ffff_8000_1234)));
        let end = resolve(Target::named("riscv64"), &image(&code, &[]), 1, 0);
        assert_eq!(end, Some(Destination::Direct(0x20000)));
    }

    #[test]
    fn aarch64_calls_through_a_veneer_built_by_moves() {
        // bl; movn x16, #0x1; movk x16, #0x1234, lsl #16; br x16
        let code = words(&[0x9400_4000]);
        let own = words(&[0x9280_0030, 0xf2a2_4690, 0xd61f_0200]);
        let end = resolve(Target::named("aarch64"), &image(&code, &own), 1, 0);
        assert_eq!(end, Some(Destination::Indirect(0xffff_ffff_1234_fffe)));
    }

    #[test]
    fn s390x_calls_through_the_kernels_kind_of_plt() {
        // brasl %r14; basr %r1,%r0; lg %r1,10(%r1); br %r1; two bytes to align; the address.
        let code = [0xc0, 0xe5, 0x00, 0x00, 0x80, 0x00];
        let mut own = vec![0x0d, 0x10, 0xe3, 0x10, 0x10, 0x0a, 0x00, 0x04, 0x07, 0xf1, 0, 0];
        own.extend_from_slice(&0x3ff_1234_5678_u64.to_be_bytes());
        let end = resolve(Target::named("s390x"), &image(&code, &own), 1, 2);
        assert_eq!(end, Some(Destination::Indirect(0x3ff_1234_5678)));
    }
}
