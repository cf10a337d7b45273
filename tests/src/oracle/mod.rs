//! Other linkers, asked to link the same module at the same addresses.
//!
//! An oracle gets a [`Job`] (an object, an address for each of its sections, a value for each of its
//! undefined symbols) and answers with an [`Image`]. Nothing here knows what a relocation is: that the
//! answer was computed by somebody else's code is the point.
//!
//! The linkers were made for programs, and merge strings, drop unused sections, sort notes and relax
//! instructions. [`neutral`] rewrites a copy of the object so that none of that applies, and [`script`]
//! fixes every address.

pub mod bfd;
pub mod compare;
pub mod follow;
mod image;
pub mod jitlink;
pub mod layout;
pub mod lld;
mod neutral;
pub mod references;
mod script;
mod tool;

pub use image::{Image, Placed};
pub use tool::gnu_ld;

use crate::corpus;
use anyhow::{Context, Result, bail};
use object::{Architecture, Endianness, Object as _};
use relobox_needs::Need;
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
    /// All of them.
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

/// What to link, and where.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// A relocatable ELF file, not compressed.
    pub object: &'a Path,
    /// Its architecture.
    pub arch: Target,
    /// Name, ELF section index and address of each section to place. The index decides; the name is for
    /// messages. An allocated section that is not listed is left out of the link.
    pub sections: Vec<(String, u32, u64)>,
    /// The values of undefined symbols. Ones that the object does not want do no harm; a weak symbol that
    /// is not listed gets 0.
    pub symbols: Vec<(String, u64)>,
}

/// How many modules of each corpus the oracle tests are to take: the number in `RELOBOX_ORACLES`. Where it is not set,
/// tests that need [`relobox_needs::oracles`] do not run.
pub fn wanted() -> Result<usize> {
    let value = std::env::var("RELOBOX_ORACLES").context("RELOBOX_ORACLES is not set")?;
    value.parse().with_context(|| format!("RELOBOX_ORACLES is a number of modules, not {value}"))
}

/// What a test needs that asks GNU ld and lld about objects for `targets`.
pub fn linkers(targets: &[Target]) -> Vec<Need> {
    let gnu = targets.iter().map(|target| relobox_needs::tool(gnu_ld(*target).0));
    [relobox_needs::oracles(), lld::need()].into_iter().chain(gnu).collect()
}

/// What a test needs that asks GNU ld and lld about modules of corpus `name`.
pub fn corpus(name: &str) -> Vec<Need> {
    let targets: &[Target] = match name {
        _ if name.contains("amd64") => &[Target::X86_64],
        _ if name.contains("arm64") => &[Target::Aarch64],
        _ if name.contains("riscv64") => &[Target::Riscv64],
        _ if name.contains("s390x") => &[Target::S390x],
        _ if name.contains("mipsel") => &[Target::Mipsel],
        _ => panic!("which architecture is corpus {name} of?"),
    };
    linkers(targets).into_iter().chain(corpus::needs(name)).collect()
}

/// What a test needs that asks them about modules of every corpus.
pub fn every_corpus() -> Vec<Need> {
    let mut needs: Vec<Need> = corpus::NAMES.iter().flat_map(|name| corpus(name)).collect();
    needs.dedup();
    needs
}
