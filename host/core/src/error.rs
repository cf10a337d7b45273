//! Why there is no result, as data.
//!
//! Names in it are as they were found, and escaped by `Display`.

use crate::diagnostic::Diagnostic;
use crate::linker_error::LinkerError;
use crate::text::Escaped;
use relobox_abi::ABI_OLDEST;
use std::path::PathBuf;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The module cannot be linked; every problem that was found. Exit code 1.
    #[error("{}", crate::diagnostic::problems(.0))]
    Module(Vec<Diagnostic>),
    /// The request makes no sense. Exit code 2.
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
    /// A guest did not keep the contract. Exit code 3.
    #[error("guest {}: {what}", Escaped(guest))]
    Guest {
        /// Its name.
        guest: String,
        /// What it did.
        what: GuestError,
    },
    /// A kernel (simulated or real) refused. Exit code 1.
    #[error("{0}")]
    Kernel(Box<Diagnostic>),
    /// What the linking process says is wrong with the module. It may lie, so this is only shown: nothing may be decided
    /// by its kinds. That nothing was loaded is known without it. Exit code 1.
    #[error("{}", crate::diagnostic::problems(.0))]
    Reported(Vec<Diagnostic>),
    /// The process that links did not do its work. Exit code 3; 2 if it could not get ready for want of something.
    #[error("the linking process {0}")]
    Linker(#[from] LinkerError),
}

impl Error {
    /// The documented exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Module(_) | Self::Kernel(_) | Self::Reported(_) => 1,
            Self::Usage(_) | Self::Io { .. } | Self::Linker(LinkerError::Ready { usage: true, .. }) => 2,
            Self::Guest { .. } | Self::Linker(_) => 3,
        }
    }

    /// For `map_err` on I/O about `path`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// A result of relobox.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a guest of version `theirs` cannot be used by a host whose newest is `ours`.
fn version(theirs: u32, ours: u32) -> String {
    let advice = if theirs > ours {
        "use a newer relobox, or build it for one of these"
    } else {
        "build it anew, with the header or SDK of this version"
    };
    format!("has ABI version {theirs}, and this host speaks {ABI_OLDEST} to {ours}: {advice}")
}

/// How a guest broke the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// The bytes are not a guest: not Wasm, wrong exports, too large.
    #[error("is not a usable guest: {}", Escaped(.0))]
    Unusable(String),
    /// It wants something from the host.
    #[error("imports \"{}\": a guest may import nothing", Escaped(.0))]
    Imports(String),
    /// It speaks this version of the records, and this is the newest that we do.
    #[error("{}", version(*.0, *.1))]
    Version(u32, u32),
    /// It ran into a trap.
    #[error("trapped in {export}: {}", Escaped(trap))]
    Trap {
        /// The export that was called.
        export: &'static str,
        /// Wasm's name for it.
        trap: String,
    },
    /// It computed for longer than its input allows.
    #[error("used up its fuel ({fuel} units) in {export}")]
    Fuel {
        /// The export that was called.
        export: &'static str,
        /// What it had.
        fuel: u64,
    },
    /// It has no room for its job.
    #[error("has no room for {bytes} bytes within its limit of {limit}")]
    Memory {
        /// What was asked.
        bytes: u64,
        /// What it may have.
        limit: u64,
    },
    /// An answer points outside its memory, or is not what it should be.
    #[error("gave a malformed answer: {}", Escaped(.0))]
    MalformedAnswer(String),
    /// It changed a byte that no relocation declares.
    #[error("changed byte {offset:#x} of section {}, which no relocation may change", Escaped(section))]
    OutOfWindowWrite {
        /// The section's name.
        section: String,
        /// The first such byte.
        offset: u64,
    },
}

impl From<Diagnostic> for Error {
    fn from(problem: Diagnostic) -> Self {
        Self::Module(vec![problem])
    }
}
