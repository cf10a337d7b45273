//! The messages between the linking process, its parent and the zygote.
//!
//! The module may control the process of its job. So the documentation of each field that a job sends says how far the
//! field is trusted:
//!
//! * *Checked*: the parent compares it with what it or the kernel knows before it uses it. The documentation says how.
//! * *For the kernel*: the parent passes it on. The kernel checks it as it does for any process that may load modules.
//! * *Shown only*: it is text or a number for people. It decides nothing: not whether something is tried again, not
//!   whether a failure counts, and not what is recorded as a fact.
//!
//! The zygote has not seen a module. Its messages are trusted, but they only say whether it is ready.
//!
//! Messages are JSON. They are small, and a hostile one cannot do more than fail to parse:
//!
//! ```
//! use relobox_isolate::message::{Name, Request};
//!
//! let request = Request::List(Some(vec![Name::new(b"printk")]));
//! let json = serde_json::to_string(&request)?;
//! assert_eq!(json, r#"{"List":["printk"]}"#);
//! assert!(matches!(serde_json::from_str(&json)?, Request::List(Some(names)) if names[0].bytes()? == b"printk"));
//! assert!(serde_json::from_str::<Request>(r#"{"List":[7]}"#).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::indices::{DepmodForm, KeysForm, LookupForm, ModinfoForm, Part, Said, Step};
pub use crate::name::Name;
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

/// The argument that makes the program the zygote of a linking process. It must be the only one.
pub const ARGUMENT: &str = "__linker";

/// Parent to zygote, first: what the zygote needs to prepare. The packet carries a descriptor for the compiled code of
/// each plugin, a file that can be mapped and that cannot change.
#[derive(Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The directory of the cache of compiled code, for a zygote that has a compiler.
    pub cache: Option<PathBuf>,
    /// The machine that the kernel runs on. Its plugin is loaded before all rights are given up. Without it, every
    /// plugin is loaded.
    pub machine: Option<Machine>,
    /// The plugins that are not built in.
    pub plugins: Vec<PluginForm>,
    /// The digests of the chosen plugins, and those of the pinned ones. They are preferred in this order.
    pub preferred: [Vec<Digest>; 2],
}

/// A plugin that is not built in, as it is sent.
#[derive(Debug, Serialize, Deserialize)]
pub struct PluginForm {
    /// The plugin's name.
    pub name: String,
    /// The path of its file, for messages.
    pub path: PathBuf,
    /// The SHA-256 of its Wasm module.
    pub digest: Digest,
    /// The contents of the custom section that lists its machines, if it has one.
    pub machines: Option<Vec<u8>>,
}

/// Parent to zygote, for each job. The packet carries the job's end of a socket.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewJob;

/// Zygote to parent, once.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ready {
    /// The zygote waits for jobs.
    Yes {
        /// The parts of the isolation that this kernel does not support. Shown only.
        missing: Vec<String>,
    },
    /// The zygote could not start.
    No {
        /// The reason. Shown only.
        text: String,
        /// True if the cause is the machine or the caller (exit code 2), false if it is a guest (exit code 3).
        usage: bool,
    },
}

/// Parent to job: the task. The packet first carries the descriptors of the [`Buffers`](crate::wire::Buffers).
#[derive(Debug, Serialize, Deserialize)]
pub enum Job {
    /// Link the module in the memfd that is the packet's last descriptor.
    Insmod {
        /// The module's file name, for messages.
        name: String,
        /// The size of the file in bytes.
        len: u64,
        /// The module's parameters.
        args: String,
        /// The numbers from the kernel that plugins ask for, by name.
        inputs: Vec<(String, u64)>,
    },
    /// Link the object in the memfd that is the packet's last descriptor, and have one of its functions called.
    Call {
        /// The object's file name, for messages.
        name: String,
        /// The size of the file in bytes.
        len: u64,
        /// The name of the function. Without it, the only global function.
        function: Option<String>,
        /// The numbers from the kernel that plugins ask for, by name.
        inputs: Vec<(String, u64)>,
    },
    /// Unpack the module in the memfd that is the packet's last descriptor.
    Unpack {
        /// The module's file name, for messages.
        name: String,
        /// The size of the file in bytes.
        len: u64,
    },
    /// Verify the signature of an unpacked module. The packet's other descriptors are the module, and the text of the
    /// certificates.
    Verify {
        /// The size of the module in bytes.
        len: u64,
        /// The certificates.
        keys: KeysForm,
    },
    /// Read what depmod needs of the modules that come in [`Batch`](crate::indices::Batch)es.
    Read,
    /// Make the indices of a tree of modules.
    Depmod(Box<DepmodForm>),
    /// Print what modules say of themselves.
    Modinfo(ModinfoForm),
    /// Tell what a module's file says.
    Contents(Part),
    /// Look names up in the indices.
    Lookup(LookupForm),
    /// Answer a question of `relobox-questions`, as JSON. Programs that load modules have none.
    Ask(String),
    /// Try something that must not be possible (see [`ATTEMPTS`](crate::ATTEMPTS)). The number is the parent's process.
    Try(String, i32),
}

/// Job to parent. All but the last four get an answer. The parent accepts no descriptors from a job.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// [`Kernel::list`](relobox_core::kernel::Kernel::list), once. Checked: at most [`limits::WANTED`] names; `None`,
    /// which means all, is refused.
    List(Option<Vec<Name>>),
    /// [`Kernel::allocate`](relobox_core::kernel::Kernel::allocate), once, after a list. Checked: number and sizes have
    /// limits.
    Allocate(Vec<Space>),
    /// [`Kernel::put`](relobox_core::kernel::Kernel::put): the address, and the number of bytes, which are in the
    /// buffer for files. Checked: the range lies in one area that the kernel has granted.
    Put(u64, u64),
    /// [`Kernel::protect`](relobox_core::kernel::Kernel::protect). Checked: it is an area that the kernel has granted.
    Protect(u64, Protection),
    /// [`Kernel::load`](relobox_core::kernel::Kernel::load), once, after an allocation.
    Load(Box<LoadForm>),
    /// [`Kernel::call`](relobox_core::kernel::Kernel::call), once, after an allocation, and only in a [`Job::Call`].
    /// Checked: the address lies in code that the kernel has granted.
    Call(u64),
    /// The job is done.
    Answer(Box<Answer>),
    /// A step of a job of depmod or modinfo is done; and what is said of it.
    Step(Box<Step>, Vec<Said>),
    /// The answer to a question, as JSON of `relobox-questions`. The library that asked checks it.
    Told(String),
    /// The result of an attempt. Trusted: only [`attempt`](crate::Linker::attempt) reads it, and its job has no module.
    Tried(Tried),
}

/// The result of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tried {
    /// It was possible: the isolation is broken.
    Allowed,
    /// The system call failed with this errno.
    Refused(i32),
    /// The process was killed by this signal.
    Killed(i32),
    /// There is no attempt of this name.
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

/// A [`Load`] without the contents of its image, as it is sent.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoadForm {
    /// Checked: it is a possible name of a module, because it appears in the kernel's errors. The parent asks the
    /// kernel for the name of the module that became live.
    name: String,
    /// Checked: exactly those that the kernel has granted.
    areas: Vec<(u64, Kind)>,
    /// For the kernel: the simulated one checks that it lies in the areas. A real one takes it from the file.
    init: Option<u64>,
    /// For the kernel, as `init`.
    exit: Option<u64>,
    /// For the kernel, as `init`.
    exports: Vec<Export>,
    /// Checked: possible names of modules; then for the kernel, as `init`. The parent asks the kernel which modules are
    /// used in the end.
    uses: Vec<String>,
    /// For the kernel, as `init`: address and size in bytes.
    params: Option<(u64, u64)>,
    /// The size of the file, if there is one. Checked: this kernel takes files, and the file fits its buffer.
    pub(crate) file: Option<FileForm>,
}

/// The size of an [`Image`](relobox_core::kernel::Image). Its contents are for the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileForm {
    /// The number of bytes in the buffer for files. Checked: at most [`limits::LINKED`].
    pub bytes: u64,
    /// How many words in the buffer for numbers are addresses of sections. Checked: with `symbols`, at most
    /// [`limits::VALUES`] bytes.
    pub sections: u64,
    /// How many words after those are values of symbols.
    pub symbols: u64,
}

impl LoadForm {
    /// Converts `load`, whose file has `bytes` bytes if there is one.
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

    /// Returns the load that is asked for. `args` are the parent's own.
    pub fn load(self, args: &str) -> Load {
        let Self { name, areas, init, exit, exports, uses, params, file: _ } = self;
        Load { name, areas, init, exit, exports, uses, params, args: args.to_owned(), image: None }
    }
}

/// The result of a job, as the job reports it. Nothing of it is trusted. The parent knows whether a module is live, and
/// why not if the kernel refused. Otherwise, the answer chooses what is shown, and an exit code other than 0.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The module is live. Exit code 0 if the kernel says so too, otherwise 3.
    Inserted {
        /// The number of relocations that were applied. Shown only.
        relocations: usize,
        /// The digest of the plugin. Checked: the parent has given the plugin, or it is built in. Only the job knows
        /// which of these it used.
        digest: Option<Digest>,
    },
    /// The function has returned. Exit code 0 if the parent knows that it did, otherwise 3.
    Called {
        /// The function's name. Shown only.
        function: String,
        /// The number of relocations that were applied. Shown only.
        relocations: usize,
        /// As in [`Answer::Inserted`].
        digest: Option<Digest>,
    },
    /// The module cannot be linked. Exit code 1.
    Refused(Vec<DiagnosticForm>),
    /// A guest broke its contract; see [`Error::Guest`]. Exit code 3.
    Guest(String, GuestErrorForm),
    /// The job reports a wrong use. Shown only. Exit code 2 if the caller gave numbers for plugins, because only a
    /// plugin knows whether it uses them; otherwise 3, because the caller gave nothing that could be wrong.
    Usage(String),
    /// The job failed or panicked. Shown only. Exit code 3.
    Failed(String),
}

impl Answer {
    /// Converts the result of linking a module.
    pub fn new(result: Result<Inserted, Error>) -> Self {
        match result {
            Ok(Inserted { relocations, plugin_digest: digest, .. }) => Self::Inserted { relocations, digest },
            Err(error) => Self::failed(error),
        }
    }

    /// Converts the result of a call.
    pub fn called(result: Result<Called, Error>) -> Self {
        match result {
            Ok(Called { function, relocations, plugin_digest: digest, .. }) => {
                Self::Called { function, relocations, digest }
            }
            Err(error) => Self::failed(error),
        }
    }

    /// Converts an error.
    pub fn failed(error: Error) -> Self {
        let all = |problems: Vec<Diagnostic>| problems.into_iter().map(DiagnosticForm::new).collect();
        match error {
            Error::Module(problems) | Error::Reported(problems) => Self::Refused(all(problems)),
            Error::Kernel(problem) => Self::Refused(all(vec![*problem])),
            Error::Guest { guest, what } => Self::Guest(guest, GuestErrorForm::new(what)),
            Error::Usage(text) => Self::Usage(text),
            error @ (Error::Io { .. } | Error::Linker(_)) => Self::Failed(error.to_string()),
        }
    }

    /// The error that the answer stands for. `None` for success.
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

    /// The names of the section and the symbol about which a kernel disagreed. The kernel only reports their numbers.
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
            Error::Guest { guest: "engine".into(), what: GuestError::Fuel { export: "relobox_parse".into(), fuel: 9 } };
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
