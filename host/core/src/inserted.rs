//! The outcome of loading a module or of calling a function, and a kernel's refusal as an error.

use crate::areas::Area;
use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::error::Error;
use crate::kernel::{KernelError, Mode};
use crate::signature::Verdict;

/// A module that is live.
#[derive(Clone, Debug)]
pub struct Inserted {
    /// The module's name.
    pub name: String,
    /// Which side relocated it.
    pub mode: Mode,
    /// Its areas. Areas that only init needs are free again.
    pub areas: Vec<Area>,
    /// How many relocations the plugin applied. In vet mode it applied them to a copy, which only proves that the
    /// module links.
    pub relocations: usize,
    /// The name of the plugin that applied them.
    pub plugin: String,
    /// The plugin's digest. `None` if the module is live but the process that linked it ended before it reported the
    /// digest.
    pub plugin_digest: Option<Digest>,
    /// The modules that it uses.
    pub uses: Vec<String>,
    /// What init returned.
    pub returned: i32,
    /// Arguments that name no parameter of the module.
    pub unknown_args: Vec<String>,
    /// What relobox found about its signature, if it was asked to look.
    pub signature: Option<Verdict>,
}

/// A function that was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// The function's name.
    pub function: String,
    /// What it returned.
    pub returned: i32,
    /// How many relocations of the object were applied.
    pub relocations: usize,
    /// The name of the plugin that applied them.
    pub plugin: String,
    /// The plugin's digest. `None` if the process that linked did not report it.
    pub plugin_digest: Option<Digest>,
}

/// Turns a kernel's refusal into an error about `subject`, a file or a module.
#[must_use]
pub fn kernel_error(subject: &str, failure: &KernelError) -> Error {
    let mut problem = Diagnostic::new(failure.kind(), subject, failure.to_string());
    match failure {
        KernelError::Init { errno } | KernelError::Argument { errno, .. } => problem.value = Some((*errno).into()),
        KernelError::Unclear { errno, .. } => problem.value = Some((*errno).into()),
        KernelError::InUse { users, .. } if users.is_empty() => {
            problem.hint = "a mount, an open file, a device or the kernel itself uses it".into();
        }
        KernelError::InUse { .. } => problem.hint = "remove those first".into(),
        KernelError::NotLive { .. } => problem.hint = "try again".into(),
        KernelError::Unknown { .. } => problem.hint = "see 'relobox lsmod'".into(),
        KernelError::Stale { .. } => problem.hint = "try again".into(),
        KernelError::Exists { .. } => problem.hint = "'relobox rmmod' removes it".into(),
        _ => {}
    }
    Error::Kernel(Box::new(problem))
}
