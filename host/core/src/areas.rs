//! Areas: contiguous memory of one kind, which holds a module's sections of that kind.

use serde::{Deserialize, Serialize};

/// The address of a section that is not in memory.
pub const ABSENT: u64 = u64::MAX;

/// Bytes of a page. Page sizes differ between machines. 4 KiB is the most common; the largest of Linux, 64 KiB, would
/// waste memory.
pub const PAGE: u64 = 4096;

/// A kind of memory, as in Linux (`enum mod_mem_type` in include/linux/module.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Executable code.
    Text,
    /// Read-only data.
    RoData,
    /// Data that is read-only after init.
    RoAfterInit,
    /// Writable data.
    Data,
    /// Executable code that is freed after init.
    InitText,
    /// Read-only data that is freed after init.
    InitRoData,
    /// Writable data that is freed after init.
    InitData,
    /// Per-CPU data: one copy for each processor.
    PerCpu,
    /// Everything that stays, in one area: Linux up to 6.3.
    Core,
    /// Everything that is freed after init, in one area: Linux up to 6.3.
    Init,
}

impl Kind {
    /// The kinds that sections are sorted into, in the kernel's order.
    pub const ALL: [Self; 8] = [
        Self::Text,
        Self::RoData,
        Self::RoAfterInit,
        Self::Data,
        Self::InitText,
        Self::InitRoData,
        Self::InitData,
        Self::PerCpu,
    ];

    /// Returns the name that JSON uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::RoData => "rodata",
            Self::RoAfterInit => "ro_after_init",
            Self::Data => "data",
            Self::InitText => "init.text",
            Self::InitRoData => "init.rodata",
            Self::InitData => "init.data",
            Self::PerCpu => "percpu",
            Self::Core => "core",
            Self::Init => "init",
        }
    }
}

/// One area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// The kind of memory.
    pub kind: Kind,
    /// The address of the first byte.
    pub address: u64,
    /// The size in bytes.
    pub size: u64,
    /// The largest alignment of its sections, in bytes; at least a page.
    pub align: u64,
}
