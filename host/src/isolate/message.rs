//! What the linking process, its parent and the zygote between them say to each other.

use super::fault::Fault;
use crate::error::{Error, Misbehaviour, Problem};
use crate::insmod::Inserted;
use crate::kernel::{Export, Load, Machine, Protection, Request as Space};
use crate::layout::Kind;
use crate::limits;
use crate::registry::Digest;
use crate::text::decoded;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;

/// Parent to zygote, first: what it needs to get ready. The plugins' Wasm is beside it, a memfd each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    /// The directory of compiled code.
    pub(super) cache: Option<PathBuf>,
    /// What the kernel runs: that plugin is loaded before all rights are given up; without it, every one.
    pub(super) machine: Option<Machine>,
    /// The names and paths of plugins that are not built in.
    pub(super) plugins: Vec<(String, PathBuf)>,
    /// The digests of plugins that are chosen and that are pinned: they are preferred, in this order.
    pub(super) meant: [Vec<Digest>; 2],
}

/// Parent to zygote, for each job; the job's socket is beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NewJob;

/// Zygote to parent, once: what could not be given up because this kernel does not know it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ready {
    /// It waits for jobs.
    Yes {
        /// What is missing of the isolation.
        missing: Vec<String>,
    },
    /// It could not.
    No(String),
}

/// Parent to job: what to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Job {
    /// Link the module in the memfd beside it.
    Insmod {
        /// For messages.
        name: String,
        /// Bytes of the file.
        len: u64,
        /// The module's arguments.
        args: String,
    },
    /// Try what must not be possible (see [`attempts`](super::attempts)), with the parent's process number.
    Try(String, i32),
}

/// Job to parent. All but the last two have an answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// [`Kernel::list`](crate::kernel::Kernel::list).
    List(Option<Vec<Name>>),
    /// [`Kernel::allocate`](crate::kernel::Kernel::allocate).
    Allocate(Vec<Space>),
    /// [`Kernel::put`](crate::kernel::Kernel::put); the bytes are beside it.
    Put(u64),
    /// [`Kernel::protect`](crate::kernel::Kernel::protect).
    Protect(u64, Protection),
    /// [`Kernel::load`](crate::kernel::Kernel::load); an image's file and numbers are beside it.
    Load(Box<LoadForm>),
    /// The job is done.
    Answer(Box<Answer>),
    /// What came of a try.
    Tried(Tried),
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tried {
    /// It was possible, which is bad.
    Allowed,
    /// It was refused, with this errno.
    Refused(i32),
    /// The process that tried was killed, by this signal.
    Killed(i32),
    /// There is no such try.
    Unknown,
}

impl std::fmt::Display for Tried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Allowed => f.write_str("ALLOWED"),
            Self::Refused(errno) => write!(f, "refused: {}", std::io::Error::from_raw_os_error(*errno)),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// A symbol's name, which need not be UTF-8: each byte is the character of that number, so that names that are text
/// look like themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name(String);

impl Name {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|b| char::from(*b)).collect())
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, Fault> {
        let byte = |c| u8::try_from(c).map_err(|_| Fault::Malformed("a name of no bytes".into()));
        self.0.chars().map(byte).collect()
    }
}

/// [`Load`] without its image's contents.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LoadForm {
    name: String,
    areas: Vec<(u64, Kind)>,
    init: Option<u64>,
    exit: Option<u64>,
    exports: Vec<Export>,
    uses: Vec<String>,
    params: Option<(u64, u64)>,
    /// How many of the numbers beside it are sections' addresses; the rest are symbols' values.
    pub(super) sections: Option<usize>,
}

impl LoadForm {
    pub(super) fn new(load: &Load) -> Self {
        Self {
            name: load.name.clone(),
            areas: load.areas.clone(),
            init: load.init,
            exit: load.exit,
            exports: load.exports.clone(),
            uses: load.uses.clone(),
            params: load.params,
            sections: load.image.as_ref().map(|image| image.sections.len()),
        }
    }

    /// The load that it asks for. Arguments are the parent's own.
    pub(super) fn load(self, args: &str) -> Load {
        let Self { name, areas, init, exit, exports, uses, params, sections: _ } = self;
        Load { name, areas, init, exit, exports, uses, params, args: args.to_owned(), image: None }
    }
}

/// How a job ended, in the job's words.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The module is live. What the parent knows by itself is left out.
    Inserted {
        /// How many relocations were done.
        relocations: usize,
        /// The plugin that did them.
        plugin: String,
        /// Its digest.
        digest: Option<Digest>,
    },
    /// It cannot be linked, or the kernel would not.
    Module(Vec<ProblemForm>),
    /// See [`Error::Kernel`].
    Kernel(ProblemForm),
    /// See [`Error::Usage`].
    Usage(String),
    /// See [`Error::Io`].
    Io(PathBuf, String),
    /// See [`Error::Guest`].
    Guest(String, MisbehaviourForm),
    /// It panicked.
    Panicked(String),
}

impl Answer {
    pub(super) fn new(result: Result<Inserted, Error>) -> Self {
        match result {
            Ok(Inserted { relocations, plugin, plugin_digest: digest, .. }) => {
                Self::Inserted { relocations, plugin, digest }
            }
            Err(Error::Module(problems)) => Self::Module(problems.into_iter().map(ProblemForm::new).collect()),
            Err(Error::Kernel(problem)) => Self::Kernel(ProblemForm::new(*problem)),
            Err(Error::Usage(text)) => Self::Usage(text),
            Err(Error::Io { path, source }) => Self::Io(path, source.to_string()),
            Err(Error::Guest { guest, what }) => Self::Guest(guest, MisbehaviourForm::new(what)),
            Err(Error::Linker(fault)) => Self::Panicked(fault.to_string()),
        }
    }

    /// The error that it is; `None` for success.
    pub(super) fn error(self) -> Option<Error> {
        Some(match self {
            Self::Inserted { .. } => return None,
            Self::Module(problems) if problems.is_empty() => Fault::Protocol("a refusal without a reason").into(),
            Self::Module(mut problems) => {
                problems.truncate(limits::PROBLEMS);
                Error::Module(problems.into_iter().map(ProblemForm::problem).collect())
            }
            Self::Kernel(problem) => Error::Kernel(Box::new(problem.problem())),
            Self::Usage(text) => Error::Usage(decoded(text.as_bytes())),
            Self::Io(path, text) => {
                let path = decoded(path.as_os_str().as_encoded_bytes()).into();
                Error::Io { path, source: std::io::Error::other(decoded(text.as_bytes())) }
            }
            Self::Guest(guest, what) => Error::Guest { guest: decoded(guest.as_bytes()), what: what.misbehaviour() },
            Self::Panicked(text) => Fault::Panicked(text).into(),
        })
    }
}

/// [`Problem`], as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ProblemForm {
    kind: String,
    file: String,
    section: Option<String>,
    offset: Option<u64>,
    relocation: Option<String>,
    symbol: Option<String>,
    defined_in: Option<String>,
    value: Option<i64>,
    min: Option<i64>,
    max: Option<i64>,
    text: String,
    hint: String,
}

impl ProblemForm {
    fn new(problem: Problem) -> Self {
        let Problem {
            kind,
            file,
            section,
            offset,
            relocation,
            symbol,
            defined_in,
            value,
            min,
            max,
            text,
            hint,
            index: _,
        } = problem;
        let kind = kind.to_owned();
        Self { kind, file, section, offset, relocation, symbol, defined_in, value, min, max, text, hint }
    }

    /// Not endless, whatever it says. It is escaped where it is printed.
    fn problem(self) -> Problem {
        let Self { kind, file, section, offset, relocation, symbol, defined_in, value, min, max, text, hint } = self;
        Problem {
            index: None,
            kind: word(&kind),
            file: cut(file),
            section: section.map(cut),
            offset,
            relocation: relocation.map(cut),
            symbol: symbol.map(cut),
            defined_in: defined_in.map(cut),
            value,
            min,
            max,
            text: cut(text),
            hint: cut(hint),
        }
    }
}

/// Cut at some [`limits::TEXTS`] times what a guest may say at once: some texts name many things.
fn cut(mut text: String) -> String {
    let end = text.floor_char_boundary(limits::TEXTS * limits::TEXT);
    if end < text.len() {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A word such as a problem's kind. Those of the program itself live for ever, so these do, but not without limit.
fn word(text: &str) -> &'static str {
    static KNOWN: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let proper = text.len() <= 40 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let Ok(mut known) = KNOWN.lock() else { return "other" };
    // Those that decide how a problem reads are there, whatever a job fills the rest with.
    let known = known.get_or_insert_with(|| HashSet::from(crate::report::TOLD_APART));
    match known.get(text) {
        Some(word) => word,
        None if proper && known.len() < limits::KINDS => {
            let word = &*String::leak(text.to_owned());
            known.insert(word);
            word
        }
        None => "other",
    }
}

/// [`Misbehaviour`], as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum MisbehaviourForm {
    Unusable(String),
    Imports(String),
    Version(u32, u32),
    Trap(String, String),
    Fuel(String, u64),
    Memory(u64, u64),
    Answer(String),
    Window(String, u64),
}

impl MisbehaviourForm {
    fn new(what: Misbehaviour) -> Self {
        match what {
            Misbehaviour::Unusable(text) => Self::Unusable(text),
            Misbehaviour::Imports(text) => Self::Imports(text),
            Misbehaviour::Version(theirs, ours) => Self::Version(theirs, ours),
            Misbehaviour::Trap { export, trap } => Self::Trap(export.into(), trap),
            Misbehaviour::Fuel { export, fuel } => Self::Fuel(export.into(), fuel),
            Misbehaviour::Memory { bytes, limit } => Self::Memory(bytes, limit),
            Misbehaviour::Answer(text) => Self::Answer(text),
            Misbehaviour::Window { section, offset } => Self::Window(section, offset),
        }
    }

    fn misbehaviour(self) -> Misbehaviour {
        match self {
            Self::Unusable(text) => Misbehaviour::Unusable(cut(text)),
            Self::Imports(text) => Misbehaviour::Imports(cut(text)),
            Self::Version(theirs, ours) => Misbehaviour::Version(theirs, ours),
            Self::Trap(export, trap) => Misbehaviour::Trap { export: export_name(&export), trap: cut(trap) },
            Self::Fuel(export, fuel) => Misbehaviour::Fuel { export: export_name(&export), fuel },
            Self::Memory(bytes, limit) => Misbehaviour::Memory { bytes, limit },
            Self::Answer(text) => Misbehaviour::Answer(cut(text)),
            Self::Window(section, offset) => Misbehaviour::Window { section: cut(section), offset },
        }
    }
}

/// A guest's export by name: there are a handful.
fn export_name(text: &str) -> &'static str {
    use relobox_abi::export::*;
    let known = [ABI, RESERVE, DESCRIBE, PARSE, PLAN, APPLY, EMIT, UNPACK, "start"];
    known.into_iter().find(|name| *name == text).unwrap_or("an export")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_arrives_as_it_was() {
        let problem = Problem {
            section: Some(".text".into()),
            value: Some(-7),
            ..Problem::new("out-of-range", "a.ko", "x".repeat(500)).hint("do this")
        };
        let guest =
            Error::Guest { guest: "engine".into(), what: Misbehaviour::Fuel { export: "relobox_parse", fuel: 9 } };
        for error in [Error::Module(vec![problem.clone(), problem]), Error::Usage("no".into()), guest] {
            let text = error.to_string();
            let json = serde_json::to_vec(&Answer::new(Err(error))).unwrap();
            let back: Answer = serde_json::from_slice(&json).unwrap();
            assert_eq!(back.error().unwrap().to_string().replace("an export", "relobox_parse"), text);
        }
    }

    #[test]
    fn hostile_words_are_tamed() {
        let problem = Problem::new("ok", "a\x1b[2Jb", "\n".repeat(100_000));
        let mut form = ProblemForm::new(problem);
        form.kind = "Bad\x07".into();
        let problem = form.problem();
        assert_eq!((problem.kind, problem.file.as_str()), ("other", "a\x1b[2Jb"));
        assert!(problem.text.len() < 100_000);
        let said = problem.to_string();
        assert!(said.starts_with("a\\u{1b}[2Jb: \\u{a}") && said.lines().count() == 1, "{said}");
        assert!(problem.text.ends_with('…'));
        assert!((0..10 * limits::KINDS).any(|n| word(&format!("kind-{n}")) == "other"));
    }

    #[test]
    fn names_are_bytes() {
        for name in [&b"printk"[..], b"", &[0, 127, 128, 255]] {
            assert_eq!(Name::new(name).bytes().unwrap(), name);
        }
        assert!(Name("日".into()).bytes().is_err());
    }
}
