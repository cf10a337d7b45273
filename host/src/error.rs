//! What can go wrong, as data. Words are made in [`report`](crate::report).
//!
//! Names in it are as they were found, and escaped by `Display`.

use crate::isolate::Fault;
use crate::limits;
use crate::text::Escaped;
use serde::Serialize;
use std::path::PathBuf;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The module cannot be linked; every problem that was found. Exit code 1.
    #[error("{}", crate::report::problems(.0))]
    Module(Vec<Problem>),
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
        what: Misbehaviour,
    },
    /// A kernel (simulated or real) refused. Exit code 1.
    #[error("{0}")]
    Kernel(Box<Problem>),
    /// What the linking process says is wrong with the module. It may lie, so this is only shown: nothing may be decided
    /// by its kinds. That nothing was loaded is known without it. Exit code 1.
    #[error("{}", crate::report::problems(.0))]
    Told(Vec<Problem>),
    /// The process that links did not do its work. Exit code 3; 2 if it could not get ready for want of something.
    #[error("the linking process {0}")]
    Linker(#[from] Fault),
}

impl Error {
    /// The documented exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Module(_) | Self::Kernel(_) | Self::Told(_) => 1,
            Self::Usage(_) | Self::Io { .. } | Self::Linker(Fault::Ready { usage: true, .. }) => 2,
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

/// How a guest broke the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// The bytes are not a guest: not Wasm, wrong exports, too large.
    #[error("is not a usable guest: {}", Escaped(.0))]
    Unusable(String),
    /// It wants something from the host.
    #[error("imports \"{}\": a guest may import nothing", Escaped(.0))]
    Imports(String),
    /// It speaks this version of the records, and this is the newest that we do.
    #[error("{}", crate::version::refusal(*.0, *.1))]
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
    Answer(String),
    /// It changed a byte that no relocation declares.
    #[error("changed byte {offset:#x} of section {}, which no relocation may change", Escaped(section))]
    Window {
        /// The section's name.
        section: String,
        /// The first such byte.
        offset: u64,
    },
}

/// One thing that is wrong with a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A stable word for it: `out-of-range`, `undefined-symbol` …
    pub kind: &'static str,
    /// The module's file name.
    pub file: String,
    /// The section at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Offset in the section, or in the file where there is no section, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The relocation's name, or its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relocation: Option<String>,
    /// Its index among the module's relocations; not for people.
    #[serde(skip)]
    pub index: Option<u32>,
    /// The symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Who defines the symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defined_in: Option<String>,
    /// The offending value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// The smallest allowed value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The largest allowed value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// What is wrong, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Problem {
    /// A problem of a file, with words.
    pub fn new(kind: &'static str, file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind, file: file.into(), text: text.into(), ..Self::default() }
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Module(vec![problem])
    }
}

/// Problems of a module, of which there may be one for each of its symbols: the first [`limits::FAULTS`], and how many more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    kept: Vec<Problem>,
    more: u64,
}

impl Problems {
    /// Adds a problem, which is made only if it is kept.
    pub fn add(&mut self, problem: impl FnOnce() -> Problem) {
        if self.kept.len() < limits::FAULTS {
            self.kept.push(problem());
        } else {
            self.more += 1;
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Those that were kept; behind them, if there are more, a problem of `file` that says how many.
    #[must_use]
    pub fn into_vec(mut self, file: &str) -> Vec<Problem> {
        if self.more != 0 {
            self.kept.push(Problem::new("more", file, format!("and {} more problems", self.more)));
        }
        self.kept
    }
}

/// The first of many names, for people: `a, b and 3 more`.
#[must_use]
pub fn some_of(names: &[String]) -> String {
    let first = names.iter().take(limits::NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(limits::NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
