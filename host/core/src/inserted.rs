//! What came of loading a module, or of calling a function: it is live, it has returned, or the kernel refused it.

use crate::areas::Area;
use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::error::Error;
use crate::kernel::{KernelError, Mode};

/// A module that is live.
#[derive(Clone, Debug)]
pub struct Inserted {
    /// Its name.
    pub name: String,
    /// Who relocated it.
    pub mode: Mode,
    /// Where it is; areas of kinds that only init needed are free again.
    pub areas: Vec<Area>,
    /// How many relocations the plugin did: in what the kernel got, or, of a vetted module, in a copy that only had to link.
    pub relocations: usize,
    /// The plugin that did them.
    pub plugin: String,
    /// Its digest; unknown if the module is live, and the process that linked it could not say so any more.
    pub plugin_digest: Option<Digest>,
    /// The modules that it uses.
    pub uses: Vec<String>,
    /// What init returned.
    pub returned: i32,
    /// Arguments that named no parameter.
    pub unknown_args: Vec<String>,
}

/// A function that was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Its name.
    pub function: String,
    /// What it returned.
    pub returned: i32,
    /// How many relocations were done in the object.
    pub relocations: usize,
    /// The plugin that did them.
    pub plugin: String,
    /// Its digest; unknown if the process that linked could not say so.
    pub plugin_digest: Option<Digest>,
}

/// A kernel's refusal as a problem of `subject`, a file or a module.
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
