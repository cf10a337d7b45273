//! The kernel that a command uses.

use relobox_cli::args::{Common, Inputs, Signatures};
use relobox_core::error::{Error, Result};
use relobox_core::inserted::{Called, Inserted, kernel_error};
use relobox_core::kernel::{Kernel, KernelError, Mode};
use relobox_core::state::Boot;
use relobox_modprobe::plan::Needs;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A choice of kernels on a command line: this machine's, and in the workshop a simulated one as well.
pub trait Target: clap::Args + Sync {
    /// What relocates modules for this kernel.
    fn mode(&self) -> Mode;

    /// Checks that this program may change the kernel.
    ///
    /// # Errors
    /// [`Error::Usage`] if another program must do it.
    fn permit(&self) -> Result<()>;

    /// Connects for everything but loading.
    ///
    /// # Errors
    /// If the kernel cannot be reached.
    fn connect(&self) -> Result<Box<dyn Kernel>>;

    /// Connects for removing. This does not open the device, so that the device's own module can be removed.
    ///
    /// # Errors
    /// If the kernel cannot be reached.
    fn remover(&self) -> Result<Box<dyn Kernel>>;

    /// The use count of each module, where [`connect`](Target::connect) would change it. Otherwise empty.
    ///
    /// # Errors
    /// If the kernel cannot be asked.
    fn use_counts(&self) -> Result<HashMap<String, Option<u32>>, KernelError>;

    /// Makes a loader, which several threads can share.
    ///
    /// # Errors
    /// If the linking process cannot be started, a plugin that would be used is not trusted, or a certificate is not.
    fn loader<'a>(
        &'a self,
        common: &Common,
        inputs: &'a Inputs,
        signatures: &Signatures,
    ) -> Result<Box<dyn Loader + 'a>>;

    /// Links `object`, calls its `function` in the kernel, and frees the code. Without `function`, the only global
    /// function is called.
    ///
    /// # Errors
    /// If the object cannot be linked, or the kernel refuses. Then nothing was called.
    fn call(
        &self,
        object: &Path,
        function: Option<&str>,
        common: &Common,
        inputs: &Inputs,
        signatures: &Signatures,
    ) -> Result<Called>;

    /// Reads from a module's file what it needs. Called if depmod's indices do not say it.
    ///
    /// # Errors
    /// If the file cannot be read, or if this program must not parse modules.
    fn needs(&self, path: &Path, common: &Common) -> Result<Needs>;

    /// The kernel's release, as in `uname -r`.
    fn release(&self) -> String;

    /// The identity of the kernel's current boot.
    ///
    /// # Errors
    /// If the kernel does not report it.
    fn boot(&self) -> Result<Boot>;

    /// The default directory for the records of loaded modules.
    fn state_directory(&self) -> PathBuf;
}

/// Loads modules into a kernel.
pub trait Loader: Sync {
    /// Links the module at `path`, loads it with the parameters `args`, and records it.
    ///
    /// # Errors
    /// If the module cannot be read or linked, or if the kernel refuses it. Then it is not live.
    fn insert(&self, path: &Path, args: &str) -> Result<Inserted>;
}

/// The error for a module that depmod has not indexed, in a program that must not parse modules.
#[must_use]
pub(crate) fn no_depmod(path: &Path) -> Error {
    Error::Usage(format!("{}: modules.dep does not list its dependencies: run depmod", path.display()))
}

/// Converts a failure of a kernel into an error about `subject`.
pub fn failed(subject: &str, failure: &KernelError) -> Error {
    match failure {
        KernelError::Unreachable(text) => Error::Usage(text.clone()),
        _ => kernel_error(subject, failure),
    }
}
