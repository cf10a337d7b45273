//! The job for an oracle: an object, the addresses of its sections and the values of its undefined symbols.

use anyhow::{Context, Result, bail};
use object::{Architecture, Endianness, Object as _};
use std::path::Path;

/// The architectures that at least one oracle can link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// x86-64, little-endian.
    X86_64,
    /// 64-bit Arm, little-endian.
    Aarch64,
    /// 64-bit Arm, big-endian data.
    Aarch64Be,
    /// 32-bit RISC-V.
    Riscv32,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit IBM Z.
    S390x,
    /// MIPS o32, big-endian.
    Mips,
    /// MIPS o32, little-endian.
    Mipsel,
}

impl Target {
    /// All targets.
    pub const ALL: [Target; 8] = [
        Target::X86_64,
        Target::Aarch64,
        Target::Aarch64Be,
        Target::Riscv32,
        Target::Riscv64,
        Target::S390x,
        Target::Mips,
        Target::Mipsel,
    ];

    /// Reads the target from an object's header.
    ///
    /// # Errors
    /// If the header cannot be read, or no oracle links for its machine.
    pub fn of(elf: &[u8]) -> Result<Target> {
        let file = object::File::parse(elf).context("the object's ELF header")?;
        Ok(match (file.architecture(), file.endianness()) {
            (Architecture::X86_64, _) => Target::X86_64,
            (Architecture::Aarch64, Endianness::Little) => Target::Aarch64,
            (Architecture::Aarch64, Endianness::Big) => Target::Aarch64Be,
            (Architecture::Riscv32, _) => Target::Riscv32,
            (Architecture::Riscv64, _) => Target::Riscv64,
            (Architecture::S390x, _) => Target::S390x,
            (Architecture::Mips, Endianness::Big) => Target::Mips,
            (Architecture::Mips, Endianness::Little) => Target::Mipsel,
            (other, _) => bail!("no oracle links {other:?}"),
        })
    }
}

/// The object to link, and its addresses.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The path of a relocatable ELF file, not compressed.
    pub object: &'a Path,
    /// The object's architecture.
    pub arch: Target,
    /// The name, ELF section index and address of each section to place. The index identifies the section; the name is
    /// for messages. An allocated section that is not listed is left out of the link.
    pub sections: Vec<(String, u32, u64)>,
    /// The values of undefined symbols. A symbol that the object does not use is ignored; a weak symbol that is not
    /// listed gets 0.
    pub symbols: Vec<(String, u64)>,
}
