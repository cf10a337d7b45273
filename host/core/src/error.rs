//! The error type of relobox, as data.
//!
//! Names are kept as they were found. `Display` escapes them.

use crate::diagnostic::Diagnostic;
use crate::linker_error::LinkerError;
use crate::text::Escaped;
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// An error of relobox.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The module cannot be linked. Has every diagnostic that was found. Exit code 1.
    #[error("{}", crate::diagnostic::problems(.0))]
    Module(Vec<Diagnostic>),
    /// The request is invalid. Exit code 2.
    #[error("{}", Escaped(.0))]
    Usage(String),
    /// A file cannot be read or written. Exit code 2.
    #[error("{}: {}", Escaped(path.display()), Escaped(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A guest broke its contract. Exit code 3.
    #[error("guest {}: {what}", Escaped(guest))]
    Guest {
        /// The guest's name.
        guest: String,
        /// How it broke the contract.
        what: GuestError,
    },
    /// A kernel (simulated or real) refused a request. Exit code 1.
    #[error("{0}")]
    Kernel(Box<Diagnostic>),
    /// The diagnostics that the linking process reported about the module. That process is not trusted: they are only
    /// shown, and no decision depends on their kinds. The privileged side knows by itself that nothing was loaded. Exit
    /// code 1.
    #[error("{}", crate::diagnostic::problems(.0))]
    Reported(Vec<Diagnostic>),
    /// The linking process failed. Exit code 3, or 2 if the machine lacks something that it needs.
    #[error("the linking process {0}")]
    Linker(#[from] LinkerError),
}

impl Error {
    /// Returns the documented exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Module(_) | Self::Kernel(_) | Self::Reported(_) => 1,
            Self::Usage(_) | Self::Io { .. } | Self::Linker(LinkerError::Ready { usage: true, .. }) => 2,
            Self::Guest { .. } | Self::Linker(_) => 3,
        }
    }

    /// Returns a function for `map_err` that turns an I/O error about `path` into [`Error::Io`].
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// The result type of relobox.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Explains why a host that supports the ABI versions `ours` cannot use a guest of version `theirs`.
fn version(theirs: u32, ours: &RangeInclusive<u32>) -> String {
    let (oldest, newest) = (ours.start(), ours.end());
    let advice = if theirs > *newest {
        "use a newer relobox, or build it for one of these"
    } else {
        "rebuild it with the header or SDK of this version"
    };
    format!("has ABI version {theirs}, and this host supports {oldest} to {newest}: {advice}")
}

/// How a guest broke its contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// The bytes are no usable guest: not Wasm, wrong exports, or above a limit.
    #[error("is not a usable guest: {}", Escaped(.0))]
    Unusable(String),
    /// It imports something from the host.
    #[error("imports \"{}\": a guest may import nothing", Escaped(.0))]
    Imports(String),
    /// It has the first version of the ABI; the host supports the others.
    #[error("{}", version(*.0, .1))]
    Version(u32, RangeInclusive<u32>),
    /// It trapped.
    #[error("trapped in {}: {}", Escaped(export), Escaped(trap))]
    Trap {
        /// The export that was called.
        export: Cow<'static, str>,
        /// The name of the trap.
        trap: String,
    },
    /// It used more fuel than its input allows.
    #[error("used up its fuel ({fuel} units) in {}", Escaped(export))]
    Fuel {
        /// The export that was called.
        export: Cow<'static, str>,
        /// The fuel that it had.
        fuel: u64,
    },
    /// It has too little memory for its job.
    #[error("has no room for {bytes} bytes within its limit of {limit}")]
    Memory {
        /// The bytes that were requested.
        bytes: u64,
        /// The memory limit in bytes.
        limit: u64,
    },
    /// Its answer points outside of its memory, or is otherwise invalid.
    #[error("gave a malformed answer: {}", Escaped(.0))]
    MalformedAnswer(String),
    /// It changed a byte outside of every window that a relocation declares.
    #[error("changed byte {offset:#x} of section {}, which no relocation may change", Escaped(section))]
    OutOfWindowWrite {
        /// The section's name.
        section: String,
        /// The offset of the first such byte in the section.
        offset: u64,
    },
}

impl From<Diagnostic> for Error {
    fn from(problem: Diagnostic) -> Self {
        Self::Module(vec![problem])
    }
}
