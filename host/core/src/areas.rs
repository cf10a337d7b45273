//! Areas: stretches of memory of one kind, into which a module's sections go.

use serde::{Deserialize, Serialize};

/// The address of what is not in memory.
pub const ABSENT: u64 = u64::MAX;

/// Pages differ between machines; the largest that Linux uses (64 KiB) would waste, 4 KiB is the rule.
pub const PAGE: u64 = 4096;

/// A kind of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Executable.
    Text,
    /// Never written.
    RoData,
    /// Written by init only.
    RoAfterInit,
    /// Written.
    Data,
    /// Executable, until init has run.
    InitText,
    /// Never written, until init has run.
    InitRoData,
    /// Written, until init has run.
    InitData,
    /// A copy for each processor.
    PerCpu,
    /// All that stays, in one: Linux up to 6.3.
    Core,
    /// All that only init needs, in one: Linux up to 6.3.
    Init,
}

impl Kind {
    /// Those that sections are sorted into, in the kernel's order.
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

    /// Its name in JSON.
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

/// One stretch of memory of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// What it holds.
    pub kind: Kind,
    /// Where it is.
    pub address: u64,
    /// How long it is, in bytes.
    pub size: u64,
    /// The largest alignment of what is in it, in bytes; at least a page.
    pub align: u64,
}
