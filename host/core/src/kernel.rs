//! The interface of a kernel that modules are loaded into. It has the primitives of the proposal of 2002.
//!
//! Kernels take a module in different formats ([`LoadFormat`]): a simulated kernel as the contents of areas, a real
//! kernel with the relobox device as a relocated file, and any other real kernel as the original file.
//!
//! [`list`](Kernel::list) returns what is loaded and where. [`allocate`](Kernel::allocate) reserves memory, which
//! belongs to this connection until the module is live, so that a killed insmod leaks nothing. [`put`](Kernel::put) and
//! [`protect`](Kernel::protect) fill it. [`load`](Kernel::load) calls init and makes the areas a module, or leaves
//! nothing. [`remove`](Kernel::remove) removes a module. A backend adds no policy: `relobox_link::insmod` decides
//! beforehand what a module may use.

use crate::areas::Kind;
use crate::memfd;
use crate::text::Escaped;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::OwnedFd;

/// A connection to a kernel. When it is dropped, or its process ends, memory that was allocated through it and is not
/// part of a live module is freed.
pub trait Kernel {
    /// Returns what is loaded and where, and what is exported, as one consistent snapshot. With `wanted`, a backend may
    /// leave out other names. The addresses that it returns stay valid as long as this connection lives.
    ///
    /// # Errors
    /// A [`KernelError`] if the kernel cannot be asked, or does not answer properly.
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError>;
    /// Returns the loaded modules, oldest first. Their exports may be missing.
    ///
    /// # Errors
    /// As [`list`](Kernel::list).
    fn modules(&mut self) -> Result<Vec<Module>, KernelError> {
        Ok(self.list(Some(&[]))?.modules)
    }
    /// Allocates all of `areas`, or none of them. Returns their addresses in the same order. The memory is writable and
    /// zero.
    ///
    /// # Errors
    /// [`KernelError::NoSpace`], and [`KernelError::Refused`] if a size or an alignment is not allowed.
    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError>;
    /// Writes bytes into an area that is still writable.
    ///
    /// # Errors
    /// [`KernelError::Refused`] if they do not lie in one writable area of this connection.
    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), KernelError>;
    /// Makes an area read-only or executable. It never becomes writable again.
    ///
    /// # Errors
    /// [`KernelError::Refused`] if it is not a writable area of this connection.
    fn protect(&mut self, area: u64, protection: Protection) -> Result<(), KernelError>;
    /// Creates the file of [`Load::image`] with what `write` writes, and seals it.
    ///
    /// # Errors
    /// Errors of `write`, and [`Error::Io`](crate::Error::Io) if the file cannot be created.
    fn file(&mut self, write: &mut dyn FnMut(&mut File) -> crate::Result<()>) -> crate::Result<OwnedFd> {
        let io = |error| crate::Error::io("memfd")(error);
        let mut file = memfd::create("relobox").map_err(io)?;
        write(&mut file)?;
        memfd::seal(file).map_err(io)
    }
    /// Makes a module of this connection's areas, and calls its init. After success it is live, after an error nothing
    /// of it is left. If a module in [`Load::uses`] was loaded anew since `list`, the load is refused, because its
    /// addresses may have changed.
    ///
    /// # Errors
    /// Any [`KernelError`]: for example [`KernelError::Init`] if init fails.
    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError>;
    /// Calls `int f(void)` at an address in an executable area of this connection, and returns its result. The area
    /// stays until the connection ends, which never happens while the function runs.
    ///
    /// # Errors
    /// [`KernelError::Refused`] if the address is in no such area, or this kernel calls no functions.
    fn call(&mut self, _address: u64) -> Result<i32, KernelError> {
        Err(KernelError::Refused("no code is called here but a module's own".into()))
    }
    /// Removes a module that is not in use.
    ///
    /// # Errors
    /// [`KernelError::Unknown`], [`KernelError::InUse`], [`KernelError::NotLive`] or [`KernelError::Permanent`].
    fn remove(&mut self, name: &str) -> Result<(), KernelError>;
}

/// A request for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The kind of memory; kernels keep kinds apart.
    pub kind: Kind,
    /// The size in bytes.
    pub size: u64,
    /// The alignment in bytes, a power of two.
    pub align: u64,
}

/// The final protection of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protection {
    /// Read-only data.
    ReadOnly,
    /// Executable code.
    ReadExecute,
}

/// The format in which a kernel takes a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoadFormat {
    /// Areas with contents; [`Load`] describes the module.
    Areas,
    /// A relocated file ([`Load::image`]), and areas of exactly the sizes that Linux will ask for.
    Relocated(Linux),
    /// The original file. [`Load`] only says that it links.
    Original,
}

/// Which side relocated a live module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// relobox, and the real kernel compared the result: `relobox_kernels::device`.
    Device,
    /// The kernel itself, after relobox had linked the same file without an error: `relobox_kernels::vet`.
    Vet,
    /// relobox, for a simulated kernel: `relobox_kernels::sim`.
    Sim,
}

impl Mode {
    /// Returns the name that `--kernel` and JSON use.
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
    /// Returns which side relocates a module in this format.
    #[must_use]
    pub fn mode(self) -> Mode {
        match self {
            Self::Areas => Mode::Sim,
            Self::Relocated(_) => Mode::Device,
            Self::Original => Mode::Vet,
        }
    }
}

/// The state of a module, as in /sys/module/NAME/initstate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Its init is running.
    Loading,
    /// It is live.
    Live,
    /// Its exit is running.
    Unloading,
}

/// What the placement of a module's sections in Linux depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linux {
    /// The areas of a module.
    pub areas: LinuxAreas,
    /// CONFIG_KALLSYMS_ALL: the symbol table that is kept after init includes data symbols.
    pub kallsyms_all: bool,
}

/// The areas of a module in Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinuxAreas {
    /// Up to 6.3: one area that stays and one that is freed after init.
    CoreInit,
    /// From 6.4: one area for each kind (`enum mod_mem_type`).
    Seven,
}

/// A relocated module as a file. The kernel's own loader does everything but the relocations.
#[derive(Debug)]
pub struct Image {
    /// The file, a sealed memfd.
    pub file: OwnedFd,
    /// For each section, the address that it was relocated for; [`ABSENT`](crate::areas::ABSENT) if it is not in
    /// memory.
    pub sections: Vec<u64>,
    /// For each symbol, the value that was used.
    pub symbols: Vec<u64>,
}

/// A module to load.
#[derive(Debug)]
pub struct Load {
    /// The module's name.
    pub name: String,
    /// The address and the kind of each of its areas. Kinds that only init needs are freed after it.
    pub areas: Vec<(u64, Kind)>,
    /// The address of its init function.
    pub init: Option<u64>,
    /// The address of its exit function.
    pub exit: Option<u64>,
    /// The symbols that it exports, with final addresses.
    pub exports: Vec<Export>,
    /// The modules that it uses. The kernel increments their use counts.
    pub uses: Vec<String>,
    /// The address of its parameter table and the table's size in bytes.
    pub params: Option<(u64, u64)>,
    /// Its arguments: `name=value`, separated by blanks.
    pub args: String,
    /// The file, for a kernel that takes [`LoadFormat::Relocated`].
    pub image: Option<Image>,
}

/// The result of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// What init returned: 0, or a positive number, which Linux accepts with a warning. A real kernel only logs it.
    pub returned: i32,
    /// Arguments that name no parameter. Kernels ignore them, and a real kernel only logs them.
    pub unknown_args: Vec<String>,
}

/// An exported symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: u64,
    /// The CRC of its type, if the kernel has CRCs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc: Option<u32>,
    /// Whether only GPL-compatible modules may use it.
    pub gpl: bool,
    /// Its namespace, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// The machine code that the kernel runs, in the numbers of ELF. The kernel itself reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The machine's name, as in `uname -m`.
    pub name: String,
    /// `e_machine`.
    pub machine: u16,
    /// The ELF class: 32 or 64.
    pub class: u8,
    /// The byte order; see [`byte_order`](crate::byte_order).
    pub order: u8,
}

/// A loaded module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Whether it is live: neither being loaded nor being removed.
    pub live: bool,
    /// The address and the size in bytes of each of its areas.
    pub areas: Vec<(u64, u64)>,
    /// The kernel's use count: uses by modules, open files and mounts. `None` if the kernel keeps no count.
    pub use_count: Option<u32>,
    /// The modules that use it.
    pub users: Vec<String>,
    /// The modules that it uses.
    pub uses: Vec<String>,
    /// The symbols that it exports.
    pub exports: Vec<Export>,
}

impl Module {
    /// Returns the size of all its areas in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.areas.iter().map(|(_, size)| size).sum()
    }
}

/// A snapshot of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The kernel's release.
    pub release: String,
    /// The `vermagic=` that a module must have. If the kernel does not report all of it, only the first word, the
    /// release. Empty if the kernel is forced to take any.
    pub vermagic: String,
    /// The format in which it takes modules.
    pub form: LoadFormat,
    /// Whether a name that is not in this list is not exported. A kernel may list functions only.
    pub complete: bool,
    /// The machine code that it runs.
    pub machine: Machine,
    /// The modules, oldest first.
    pub modules: Vec<Module>,
    /// The kernel's own exports.
    pub exports: Vec<Export>,
}

/// Why a kernel did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum KernelError {
    /// Init returned a negative number. Nothing of the module is left.
    #[error("init returned {0} ({1})", errno, error_text(*errno))]
    Init {
        /// What it returned.
        errno: i32,
    },
    /// The load failed, and it is not known whether init ran. Nothing of the module is left.
    #[error(
        "the load failed with {0} ({1}): init returned that, or {other}; dmesg may say more",
        errno,
        error_text(*errno)
    )]
    Unclear {
        /// The error, a negative number.
        errno: i32,
        /// The other possible causes.
        other: String,
    },
    /// A parameter did not accept its value. Nothing of the module is left.
    #[error("parameter '{}' does not take this value: {errno} ({})", Escaped(argument), error_text(*errno))]
    Argument {
        /// The parameter.
        argument: String,
        /// What its setter returned.
        errno: i32,
    },
    /// A module of that name is loaded already.
    #[error("a module named '{}' is already loaded", Escaped(name))]
    Exists {
        /// The name.
        name: String,
    },
    /// No module of that name is loaded.
    #[error("no module named '{}' is loaded", Escaped(name))]
    Unknown {
        /// The name.
        name: String,
    },
    /// The module is in use by modules, open files or mounts.
    #[error("module '{}' is in use{}", Escaped(name), Escaped(used_by(users, *count)))]
    InUse {
        /// The name.
        name: String,
        /// The modules that use it; none if something else uses it.
        users: Vec<String>,
        /// The use count, if the kernel reports it.
        count: Option<u32>,
    },
    /// The module is being loaded or removed.
    #[error("module '{}' {}", Escaped(name), match stage {
        Some(Stage::Loading) => "is still being initialised",
        Some(Stage::Unloading) => "is being removed already",
        Some(Stage::Live) | None => "was being initialised or removed at that moment",
    })]
    NotLive {
        /// The name.
        name: String,
        /// Its state, if the kernel reports it.
        stage: Option<Stage>,
    },
    /// The module has no exit function.
    #[error("module '{}' has no exit function, so it cannot be removed", Escaped(name))]
    Permanent {
        /// The name.
        name: String,
    },
    /// A module that this one uses is not loaded, or not live.
    #[error("module '{}', which it uses, is not live", Escaped(needed))]
    Missing {
        /// The used module.
        needed: String,
    },
    /// A module that this one uses was loaded anew since this connection listed, and its addresses may have changed.
    #[error("module '{}', which it uses, was loaded anew in the meantime", Escaped(used))]
    Stale {
        /// The used module.
        used: String,
    },
    /// There is not enough memory.
    #[error("the kernel has no space for {size} bytes")]
    NoSpace {
        /// The requested size in bytes.
        size: u64,
    },
    /// The kernel computed another address, size or value than this module was relocated for. None of its code ran.
    #[error("{of}: the kernel computed {found:#x}, but the module was relocated for {expected:#x}")]
    Disagrees {
        /// What the two disagree about.
        of: MismatchKind,
        /// The value that the module was relocated for.
        expected: u64,
        /// The kernel's value.
        found: u64,
    },
    /// Loading or removing modules is disabled, or this process lacks the right.
    #[error("not allowed: {}", Escaped(.0))]
    NotAllowed(String),
    /// The kernel refused for another reason.
    #[error("the kernel refused: {}", Escaped(.0))]
    Refused(String),
    /// The kernel died during the request.
    #[error(
        "the kernel died while it was asked to {}{}",
        Escaped(during),
        Escaped(report.as_deref().map(|r| format!(": {r}")).unwrap_or_default())
    )]
    Died {
        /// The request.
        during: String,
        /// Its last message.
        report: Option<String>,
    },
    /// The kernel cannot be reached, or its answers cannot be read.
    #[error("{}", Escaped(.0))]
    Unreachable(String),
}

/// What a kernel and a relocated module can disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MismatchKind {
    /// The size of an area, by its index in the order of allocation.
    Area(u32),
    /// The address of a section, by index.
    Section(u32),
    /// The value of a symbol, by index.
    Symbol(u32),
    /// The number of sections or symbols.
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
    /// Returns a stable identifier of the kind, as in JSON.
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

/// Describes the users of a module, to follow "in use".
fn used_by(users: &[String], count: Option<u32>) -> String {
    match (users, count) {
        ([], Some(count)) => format!(", by no module (use count {count})"),
        ([], None) => ", by no module".into(),
        (users, _) => format!(" by {}", users.join(", ")),
    }
}

/// Returns the text of an error number: `No such device` for -19.
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
