//! A kernel that modules are placed in, by the primitives of the 2002 proposal.
//!
//! Kernels take a module in different ways ([`LoadFormat`]): the simulated one as areas full of bytes, a real one with our
//! device as a file whose relocations are done, and any other real one as the file it always was.
//!
//! *List* what is loaded and where; *allocate* space, which belongs to this connection until the module
//! is live, so that a killed insmod leaks nothing; *put* bytes there and *protect* them; *load*, which
//! calls init and makes the areas a module, or leaves nothing; and *remove*. A backend adds no policy:
//! what a module may use is decided before (see `relobox_link::insmod`).

use crate::areas::Kind;
use crate::memfd;
use crate::text::Escaped;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::OwnedFd;

/// A kernel. What was allocated through it and is not part of a live module is freed when it is dropped, also when
/// the process dies.
pub trait Kernel {
    /// What is loaded and where, and what is exported: one consistent picture. With `wanted`, a backend may leave other
    /// names out; the addresses of those that it gives stay true as long as this connection lives.
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError>;
    /// The modules that it has, oldest first. Their exports may be left out.
    fn modules(&mut self) -> Result<Vec<Module>, KernelError> {
        Ok(self.list(Some(&[]))?.modules)
    }
    /// Allocates all of `areas` or none: their addresses, in that order. They are writable and full of zeros.
    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError>;
    /// Puts bytes into an area that is still writable.
    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), KernelError>;
    /// Makes an area read-only or executable, and never writable again.
    fn protect(&mut self, area: u64, protection: Protection) -> Result<(), KernelError>;
    /// A file for [`Load::image`], with what `write` writes. Nobody can change it any more.
    fn file(&mut self, write: &mut dyn FnMut(&mut File) -> crate::Result<()>) -> crate::Result<OwnedFd> {
        let io = |error| crate::Error::io("memfd")(error);
        let mut file = memfd::create("relobox").map_err(io)?;
        write(&mut file)?;
        memfd::seal(file).map_err(io)
    }
    /// Makes a module of this connection's areas and calls its init. It is live, or nothing of it is left.
    /// A module in [`Load::uses`] that is no longer the one that was listed is refused: addresses in it are stale.
    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError>;
    /// Calls `int f(void)` in an area of this connection that is executable, and what it returns. The area stays until the
    /// connection ends; it never ends while the function runs.
    fn call(&mut self, _address: u64) -> Result<i32, KernelError> {
        Err(KernelError::Refused("no code is called here but a module's own".into()))
    }
    /// Removes a module that nobody uses.
    fn remove(&mut self, name: &str) -> Result<(), KernelError>;
}

/// Space that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What will be in it; kernels keep kinds apart.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// A power of two.
    pub align: u64,
}

/// What an area becomes when its bytes are in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protection {
    /// Constants.
    ReadOnly,
    /// Code.
    ReadExecute,
}

/// How a kernel takes a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadFormat {
    /// As areas: every byte is put where it belongs, and [`Load`] says what is what.
    Areas,
    /// As a file with its relocations done ([`Load::image`]), for areas of just the sizes that Linux will ask for.
    Relocated(Linux),
    /// As the file it was; [`Load`] only says that it can be linked.
    Original,
}

/// Who relocated a module that is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// relobox, for a real kernel, which checked it: `relobox_kernels::device`.
    Device,
    /// The kernel itself, after relobox had linked the same file without a fault: `relobox_kernels::vet`.
    Vet,
    /// relobox, for a simulated kernel: `relobox_kernels::sim`.
    Sim,
}

impl Mode {
    /// As `--kernel` and JSON call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Vet => "vet",
            Self::Sim => "sim",
        }
    }
}

impl LoadFormat {
    /// Who relocates a module that a kernel takes like this.
    #[must_use]
    pub fn mode(self) -> Mode {
        match self {
            Self::Areas => Mode::Sim,
            Self::Relocated(_) => Mode::Device,
            Self::Original => Mode::Vet,
        }
    }
}

/// How far a module has come, as /sys/module/NAME/initstate says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Its init runs.
    Loading,
    /// It can be used.
    Live,
    /// Its exit runs.
    Unloading,
}

/// What decides where Linux puts a module's sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linux {
    /// Which areas a module has.
    pub areas: LinuxAreas,
    /// CONFIG_KALLSYMS_ALL: the symbol table that stays has data symbols as well.
    pub kallsyms_all: bool,
}

/// The areas of a module of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinuxAreas {
    /// Up to 6.3: one for what stays, one for what only init needs.
    CoreInit,
    /// From 6.4: one for each kind (enum mod_mem_type).
    Seven,
}

/// A module as a file: all but relocation is left to the kernel.
#[derive(Debug)]
pub struct Image {
    /// The file, in a memfd that nobody can change any more.
    pub file: OwnedFd,
    /// By section: the address that it was relocated for; [`ABSENT`](crate::areas::ABSENT) for one not in memory.
    pub sections: Vec<u64>,
    /// By symbol: the value that was used.
    pub symbols: Vec<u64>,
}

/// Everything that makes areas a module.
#[derive(Debug)]
pub struct Load {
    /// The module's name.
    pub name: String,
    /// Its areas; their kinds say what becomes of them after init.
    pub areas: Vec<(u64, Kind)>,
    /// Address of its init function.
    pub init: Option<u64>,
    /// Address of its exit function.
    pub exit: Option<u64>,
    /// What it exports, at final addresses.
    pub exports: Vec<Export>,
    /// The modules that it uses; their use counts go up.
    pub uses: Vec<String>,
    /// Address and bytes of its parameter table.
    pub params: Option<(u64, u64)>,
    /// Its arguments: `name=value`, separated by blanks.
    pub args: String,
    /// The file, for a kernel that takes [`LoadFormat::Relocated`].
    pub image: Option<Image>,
}

/// What a load has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// What init returned: 0, or a positive number, which is odd. A real kernel says the latter in its log only.
    pub returned: i32,
    /// Arguments that named no parameter; kernels ignore them. A real kernel says that in its log only.
    pub unknown_args: Vec<String>,
}

/// A symbol that modules may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: u64,
    /// The CRC of its type, where the kernel has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc: Option<u32>,
    /// For GPL-compatible modules only.
    pub gpl: bool,
    /// Its namespace, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// What code the kernel runs, in ELF's numbers, which the kernel itself knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// As `uname -m` says it.
    pub name: String,
    /// `e_machine`.
    pub machine: u16,
    /// 32 or 64.
    pub class: u8,
    /// See [`relobox_abi::order`].
    pub order: u8,
}

/// A loaded module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Whether it can be used: neither coming nor going.
    pub live: bool,
    /// Address and bytes of each of its areas.
    pub areas: Vec<(u64, u64)>,
    /// How often it is used, by the kernel's own count: by modules, open files, mounts. `None` where none is kept.
    pub use_count: Option<u32>,
    /// The modules that use it.
    pub users: Vec<String>,
    /// The modules that it uses.
    pub uses: Vec<String>,
    /// What it exports.
    pub exports: Vec<Export>,
}

impl Module {
    /// Bytes of all its areas.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.areas.iter().map(|(_, size)| size).sum()
    }
}

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The kernel's release.
    pub release: String,
    /// What a module's `vermagic=` must say; only its first word, the release, where the kernel does not tell more.
    pub vermagic: String,
    /// How it takes modules.
    pub form: LoadFormat,
    /// Whether a name that is not here is not exported. Not so for a kernel whose list has functions only.
    pub complete: bool,
    /// What code it runs.
    pub machine: Machine,
    /// Modules, oldest first.
    pub modules: Vec<Module>,
    /// The kernel's own exports.
    pub exports: Vec<Export>,
}

/// Why a kernel did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum KernelError {
    /// Init returned a negative number; nothing of the module is left.
    #[error("init returned {0} ({1})", errno, error_text(*errno))]
    Init {
        /// What it returned.
        errno: i32,
    },
    /// The load failed, and it cannot be known whether init ran; nothing of the module is left.
    #[error("the load failed with {0} ({1}): init returned that, or {other}; dmesg may say more", errno, error_text(*errno))]
    Unclear {
        /// The error, a negative number.
        errno: i32,
        /// What else it may be.
        other: String,
    },
    /// A parameter did not take its value; nothing of the module is left.
    #[error("parameter '{}' does not take this value: {errno} ({})", Escaped(argument), error_text(*errno))]
    Argument {
        /// The parameter.
        argument: String,
        /// What its setter returned.
        errno: i32,
    },
    /// A module of that name is there already.
    #[error("a module named '{}' is already loaded", Escaped(name))]
    Exists {
        /// The name.
        name: String,
    },
    /// There is no such module.
    #[error("no module named '{}' is loaded", Escaped(name))]
    Unknown {
        /// The name.
        name: String,
    },
    /// Others use it: modules, open files, mounts.
    #[error("module '{}' is in use{}", Escaped(name), Escaped(used_by(users, *count)))]
    InUse {
        /// The name.
        name: String,
        /// By which modules; none where something else uses it.
        users: Vec<String>,
        /// How often, if the kernel says it.
        count: Option<u32>,
    },
    /// It is not live yet, or no longer.
    #[error("module '{}' {}", Escaped(name), match stage {
        Some(Stage::Loading) => "is still being initialised",
        Some(Stage::Unloading) => "is being removed already",
        Some(Stage::Live) | None => "was being initialised or removed at that moment",
    })]
    NotLive {
        /// The name.
        name: String,
        /// How far it is, if the kernel says it.
        stage: Option<Stage>,
    },
    /// It has no exit function.
    #[error("module '{}' has no exit function and stays for ever", Escaped(name))]
    Permanent {
        /// The name.
        name: String,
    },
    /// A module that is used is not there, or not live.
    #[error("module '{}', which it uses, is not live", Escaped(needed))]
    Missing {
        /// Which.
        needed: String,
    },
    /// A module that is used was loaded anew since this connection listed, and its addresses may have changed.
    #[error("module '{}', which it uses, was loaded anew in the meantime", Escaped(used))]
    Stale {
        /// Which.
        used: String,
    },
    /// There is not so much space.
    #[error("the kernel has no space for {size} bytes")]
    NoSpace {
        /// Bytes.
        size: u64,
    },
    /// What the kernel itself came to is not what this module was relocated for; none of its code ran.
    #[error("{of}: the kernel came to {found:#x}, and the module was relocated for {expected:#x}")]
    Disagrees {
        /// What it is of.
        of: MismatchKind,
        /// What was used here.
        expected: u64,
        /// What the kernel has.
        found: u64,
    },
    /// Loading or removing is switched off for good, or this process may not.
    #[error("not allowed: {}", Escaped(.0))]
    NotAllowed(String),
    /// Anything else it said no to.
    #[error("the kernel refused: {}", Escaped(.0))]
    Refused(String),
    /// The kernel died of it.
    #[error("the kernel died while it was asked to {}{}", Escaped(during), Escaped(report.as_deref().map(|r| format!(": {r}")).unwrap_or_default()))]
    Died {
        /// What it was asked.
        during: String,
        /// Its last words.
        report: Option<String>,
    },
    /// It cannot be reached, or its answers cannot be read.
    #[error("{}", Escaped(.0))]
    Unreachable(String),
}

/// What a kernel and a relocated module can disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MismatchKind {
    /// The size of an area, by its place in the order of allocation.
    Area(u32),
    /// A section's address.
    Section(u32),
    /// A symbol's value.
    Symbol(u32),
    /// How many sections or symbols there are.
    Count,
}

impl std::fmt::Display for MismatchKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Area(n) => write!(f, "size of area {n}"),
            Self::Section(n) => write!(f, "address of section {n}"),
            Self::Symbol(n) => write!(f, "value of symbol {n}"),
            Self::Count => f.write_str("number of sections or symbols"),
        }
    }
}

impl KernelError {
    /// A stable word for it, as in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Init { .. } => "init-failed",
            Self::Unclear { .. } => "load-failed",
            Self::Argument { .. } => "bad-argument",
            Self::Exists { .. } => "already-loaded",
            Self::Unknown { .. } => "not-loaded",
            Self::InUse { .. } => "in-use",
            Self::NotLive { .. } => "not-live",
            Self::Permanent { .. } => "permanent",
            Self::Missing { .. } => "missing-module",
            Self::Stale { .. } => "stale",
            Self::NoSpace { .. } => "no-space",
            Self::Disagrees { .. } => "disagrees",
            Self::NotAllowed(_) => "not-allowed",
            Self::Refused(_) => "refused",
            Self::Died { .. } => "kernel-died",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

/// Who uses it, behind "in use".
fn used_by(users: &[String], count: Option<u32>) -> String {
    match (users, count) {
        ([], Some(count)) => format!(", by no module (use count {count})"),
        ([], None) => ", by no module".into(),
        (users, _) => format!(" by {}", users.join(", ")),
    }
}

/// `No such device`, for -19.
pub fn error_text(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno.saturating_neg()).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_called_the_same_everywhere() {
        for mode in [Mode::Device, Mode::Vet, Mode::Sim] {
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.name());
        }
        assert_eq!([LoadFormat::Areas.mode(), LoadFormat::Original.mode()], [Mode::Sim, Mode::Vet]);
    }

    #[test]
    fn errors_are_named() {
        assert_eq!(KernelError::Init { errno: -19 }.to_string(), "init returned -19 (No such device)");
        let hostile = KernelError::Unknown { name: "a\nb".into() };
        assert_eq!(hostile.to_string(), "no module named 'a\\u{a}b' is loaded");
    }
}
