//! What the linking process, its parent and the zygote between them say to each other.
//!
//! A job may be in the hands of its module. Each field of what it says is of one class, and its documentation says which:
//!
//! * *Believed*: it is checked against what the parent or the kernel knows, and only then used. Said is with what.
//! * *For the kernel*: it is handed on, and the kernel checks it as it would of anybody who may load modules.
//! * *Shown only*: it is text or a number for people. Nothing is decided by it: not whether something is tried again, nor
//!   whether a failure counts, nor what is recorded as fact.
//!
//! The zygote has seen no module. What it says is believed as far as it goes: that it is ready, or that it is not.

use crate::shown::{DiagnosticForm, GuestErrorForm, cut};
use relobox_core::areas::Kind;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::digest::Digest;
use relobox_core::error::Error;
use relobox_core::inserted::Called;
use relobox_core::inserted::Inserted;
use relobox_core::kernel::{Export, Load, Machine, Protection, Request as Space};
use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use relobox_core::text::decoded;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// With this as its only argument, the program becomes the linking process's zygote.
pub const ARGUMENT: &str = "__linker";

/// Parent to zygote, first: what it needs to get ready. The compiled code of each plugin is beside it, a file that can be mapped
/// and that nobody can change.
#[derive(Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The directory of compiled code, for a zygote that has a compiler.
    pub cache: Option<PathBuf>,
    /// What the kernel runs: that plugin is loaded before all rights are given up; without it, every one.
    pub machine: Option<Machine>,
    /// The plugins that are not built in.
    pub plugins: Vec<PluginForm>,
    /// The digests of plugins that are chosen and that are pinned: they are preferred, in this order.
    pub meant: [Vec<Digest>; 2],
}

/// A plugin that is not built in.
#[derive(Debug, Serialize, Deserialize)]
pub struct PluginForm {
    /// Its name.
    pub name: String,
    /// Where it is, for messages.
    pub path: PathBuf,
    /// The SHA-256 of its Wasm.
    pub digest: Digest,
    /// The contents of its section of machines, if it has one.
    pub machines: Option<Vec<u8>>,
}

/// Parent to zygote, for each job; the job's socket is beside it.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewJob;

/// Zygote to parent, once: what could not be given up because this kernel does not know it.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ready {
    /// It waits for jobs.
    Yes {
        /// What is missing of the isolation. Shown only.
        missing: Vec<String>,
    },
    /// It could not.
    No {
        /// Why. Shown only.
        text: String,
        /// Whether the machine or the caller is at fault, and no guest: chooses between the exit codes 2 and 3.
        usage: bool,
    },
}

/// Parent to job: what to do. [`Rooms`](crate::wire::Rooms) are beside it, first.
#[derive(Debug, Serialize, Deserialize)]
pub enum Job {
    /// Link the module in the memfd that comes last beside it.
    Insmod {
        /// For messages.
        name: String,
        /// Bytes of the file.
        len: u64,
        /// The module's arguments.
        args: String,
        /// Numbers from the kernel that plugins ask for.
        inputs: Vec<(String, u64)>,
    },
    /// Link the object in the memfd that comes last beside it, and have a function of it called.
    Call {
        /// For messages.
        name: String,
        /// Bytes of the file.
        len: u64,
        /// The function; without one, its only global one.
        function: Option<String>,
        /// Numbers from the kernel that plugins ask for.
        inputs: Vec<(String, u64)>,
    },
    /// Try what must not be possible (see [`ATTEMPTS`](crate::ATTEMPTS)), with the parent's process number.
    Try(String, i32),
}

/// Job to parent. All but the last two have an answer. Descriptors never come with it.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// [`Kernel::list`](relobox_core::kernel::Kernel::list), once. Believed: at most [`limits::WANTED`] names, and never all.
    List(Option<Vec<Name>>),
    /// [`Kernel::allocate`](relobox_core::kernel::Kernel::allocate), once, after a list. Believed: number and sizes have limits.
    Allocate(Vec<Space>),
    /// [`Kernel::put`](relobox_core::kernel::Kernel::put) to an address so many bytes, which are in the room for files. Believed:
    /// they lie in one area that the kernel has granted.
    Put(u64, u64),
    /// [`Kernel::protect`](relobox_core::kernel::Kernel::protect). Believed: it is an area that the kernel has granted.
    Protect(u64, Protection),
    /// [`Kernel::load`](relobox_core::kernel::Kernel::load), once, after an allocation.
    Load(Box<LoadForm>),
    /// [`Kernel::call`](relobox_core::kernel::Kernel::call), once, after an allocation, and only in a job that is to call. Believed: it
    /// lies in code that the kernel has granted.
    Call(u64),
    /// The job is done.
    Answer(Box<Answer>),
    /// What came of a try. Believed, since only [`attempt`](crate::Linker::attempt) hears it, whose job has no module.
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
pub struct Name(String);

impl Name {
    /// Of a name in bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|b| char::from(*b)).collect())
    }

    /// The name in bytes.
    ///
    /// # Errors
    /// If there is a character that is no byte.
    pub fn bytes(&self) -> Result<Vec<u8>, LinkerError> {
        let byte = |c| u8::try_from(c).map_err(|_| LinkerError::Malformed("a name of no bytes".into()));
        self.0.chars().map(byte).collect()
    }
}

/// [`Load`] without its image's contents.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoadForm {
    /// Believed only as one that a module may have: it stands in what a kernel says of a failure. What the module is called
    /// that became live, the kernel is asked.
    name: String,
    /// Believed: just those that the kernel has granted.
    areas: Vec<(u64, Kind)>,
    /// For the kernel: the simulated one checks that it lies in the areas; a real one reads the file.
    init: Option<u64>,
    /// For the kernel, in the same way.
    exit: Option<u64>,
    /// For the kernel, in the same way.
    exports: Vec<Export>,
    /// Believed only as names that modules may have; for the kernel, in the same way. Which modules are used in the end, the
    /// kernel is asked.
    uses: Vec<String>,
    /// For the kernel, in the same way.
    params: Option<(u64, u64)>,
    /// Whether there is a file, and how large. Believed: the kernel takes files, and it fits the room for files.
    pub file: Option<FileForm>,
}

/// The size of an [`Image`](relobox_core::kernel::Image). Its contents are for the kernel: a module is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileForm {
    /// Bytes of the file in its room. Believed: no more than [`limits::LINKED`].
    pub bytes: u64,
    /// How many of the numbers in their room are sections' addresses. Believed: both together are no more than
    /// [`limits::VALUES`].
    pub sections: u64,
    /// How many are symbols' values.
    pub symbols: u64,
}

impl LoadForm {
    /// `bytes` of the file, if there is one.
    pub fn new(load: &Load, bytes: u64) -> Self {
        let count = |numbers: &[u64]| numbers.len() as u64;
        Self {
            name: load.name.clone(),
            areas: load.areas.clone(),
            init: load.init,
            exit: load.exit,
            exports: load.exports.clone(),
            uses: load.uses.clone(),
            params: load.params,
            file: load.image.as_ref().map(|image| FileForm {
                bytes,
                sections: count(&image.sections),
                symbols: count(&image.symbols),
            }),
        }
    }

    /// The load that it asks for. Arguments are the parent's own.
    pub fn load(self, args: &str) -> Load {
        let Self { name, areas, init, exit, exports, uses, params, file: _ } = self;
        Load { name, areas, init, exit, exports, uses, params, args: args.to_owned(), image: None }
    }
}

/// How a job ended, in the job's words. Believed: nothing. Whether a module is live, and why it is not if the kernel was
/// asked, the parent knows; else the answer chooses what is shown, and an exit code that is never 0.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The module is live. What the parent knows by itself is left out. Exit code 0 if the kernel says so too, else 3.
    Inserted {
        /// How many relocations were done. Shown only.
        relocations: usize,
        /// The digest of the plugin that did them. Believed as one of those that the parent has given or that are built in,
        /// from where its name is; which one of them it was, only the job knows.
        digest: Option<Digest>,
    },
    /// The function has returned; what, the parent knows by itself. Exit code 0 if it does, else 3.
    Called {
        /// Its name. Shown only.
        function: String,
        /// How many relocations were done. Shown only.
        relocations: usize,
        /// As above.
        digest: Option<Digest>,
    },
    /// It cannot be linked. Exit code 1.
    Refused(Vec<DiagnosticForm>),
    /// See [`Error::Guest`]. Exit code 3.
    Guest(String, GuestErrorForm),
    /// It says that it was asked for what makes no sense. Shown only. Exit code 2 if numbers for plugins were given, since
    /// only a plugin knows whether it reads them; else 3, for then there is nothing of the caller's that it could mean.
    Usage(String),
    /// It could not do its work, or panicked. Shown only. Exit code 3.
    Failed(String),
}

impl Answer {
    /// Of what came of a module.
    pub fn new(result: Result<Inserted, Error>) -> Self {
        match result {
            Ok(Inserted { relocations, plugin_digest: digest, .. }) => Self::Inserted { relocations, digest },
            Err(error) => Self::failed(error),
        }
    }

    /// Of what came of a call.
    pub fn called(result: Result<Called, Error>) -> Self {
        match result {
            Ok(Called { function, relocations, plugin_digest: digest, .. }) => {
                Self::Called { function, relocations, digest }
            }
            Err(error) => Self::failed(error),
        }
    }

    fn failed(error: Error) -> Self {
        let all = |problems: Vec<Diagnostic>| problems.into_iter().map(DiagnosticForm::new).collect();
        match error {
            Error::Module(problems) | Error::Reported(problems) => Self::Refused(all(problems)),
            Error::Kernel(problem) => Self::Refused(all(vec![*problem])),
            Error::Guest { guest, what } => Self::Guest(guest, GuestErrorForm::new(what)),
            Error::Usage(text) => Self::Usage(text),
            error @ (Error::Io { .. } | Error::Linker(_)) => Self::Failed(error.to_string()),
        }
    }

    /// The error that it is; `None` for success.
    pub fn error(self) -> Option<Error> {
        Some(match self {
            Self::Inserted { .. } | Self::Called { .. } => return None,
            Self::Refused(problems) if problems.is_empty() => {
                LinkerError::Protocol("a refusal without a reason").into()
            }
            Self::Refused(mut problems) => {
                let more = problems.len().saturating_sub(limits::PROBLEMS) as u64;
                problems.truncate(limits::PROBLEMS);
                let mut problems: Vec<_> = problems.into_iter().map(DiagnosticForm::problem).collect();
                let file = problems.first().map_or(String::new(), |first| first.file.clone());
                problems.extend(relobox_core::diagnostic::more(&file, more));
                Error::Reported(problems)
            }
            Self::Guest(guest, what) => Error::Guest { guest: decoded(guest.as_bytes()), what: what.misbehaviour() },
            Self::Usage(text) => Error::Usage(cut(text)),
            Self::Failed(text) => LinkerError::Failed(text).into(),
        })
    }

    /// Of what a kernel disagreed about, which it only has numbers for: the section's name, and the symbol's.
    pub fn place(self) -> [Option<String>; 2] {
        match self {
            Self::Refused(mut problems) if !problems.is_empty() => {
                let Diagnostic { section, symbol, .. } = problems.swap_remove(0).problem();
                [section, symbol]
            }
            _ => [None, None],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_core::error::GuestError;

    #[test]
    fn an_answer_arrives_as_it_was() {
        let problem = Diagnostic {
            section: Some(".text".into()),
            value: Some(-7),
            ..Diagnostic::new("out-of-range", "a.ko", "x".repeat(500)).hint("do this")
        };
        let guest =
            Error::Guest { guest: "engine".into(), what: GuestError::Fuel { export: "relobox_parse", fuel: 9 } };
        let usage = Error::Usage("no".into());
        for (error, code, before) in [
            (Error::Module(vec![problem.clone(), problem.clone()]), 1, ""),
            (Error::Kernel(Box::new(problem)), 1, ""),
            (guest, 3, ""),
            (usage, 2, ""),
        ] {
            let text = error.to_string();
            let json = serde_json::to_vec(&Answer::new(Err(error))).unwrap();
            let back: Answer = serde_json::from_slice(&json).unwrap();
            let back = back.error().unwrap();
            assert!(!matches!(back, Error::Module(_) | Error::Kernel(_)), "nothing may be decided by its kinds");
            assert_eq!(back.exit_code(), code);
            assert_eq!(back.to_string().replace("an export", "relobox_parse"), format!("{before}{text}"));
        }
    }

    #[test]
    fn names_are_bytes() {
        for name in [&b"printk"[..], b"", &[0, 127, 128, 255]] {
            assert_eq!(Name::new(name).bytes().unwrap(), name);
        }
        assert!(Name("日".into()).bytes().is_err());
    }
}
