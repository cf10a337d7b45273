//! Which kernel a command is about.

use relobox_cli::args::{Common, Inputs};
use relobox_core::error::{Error, Result};
use relobox_core::inserted::{Called, Inserted, kernel_error};
use relobox_core::kernel::{Kernel, KernelError, Mode};
use relobox_core::state::Boot;
use relobox_modprobe::plan::Needs;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A choice of kernels, as a command line makes it: this machine's, and in the workshop a simulated one as well.
pub trait Target: clap::Args + Sync {
    /// Who relocates what is loaded.
    fn mode(&self) -> Mode;

    /// Whether this program may change that kernel.
    ///
    /// # Errors
    /// [`Error::Usage`] if another program should.
    fn permit(&self) -> Result<()>;

    /// A connection for everything but loading.
    ///
    /// # Errors
    /// If the kernel cannot be reached.
    fn connect(&self) -> Result<Box<dyn Kernel>>;

    /// A connection for removing. It does not hold the device, so that the device's own module can be removed.
    ///
    /// # Errors
    /// If the kernel cannot be reached.
    fn remover(&self) -> Result<Box<dyn Kernel>>;

    /// How often each module is used, where [`connect`](Target::connect) alone would change that.
    ///
    /// # Errors
    /// If the kernel cannot be asked.
    fn use_counts(&self) -> Result<HashMap<String, Option<u32>>, KernelError>;

    /// What puts modules into it; several threads may share it.
    ///
    /// # Errors
    /// If there is nothing to link with, or a plugin that would be used is not trusted.
    fn loader<'a>(&'a self, common: &Common, inputs: &'a Inputs) -> Result<Box<dyn Loader + 'a>>;

    /// Links `object`, calls `function` of it there, or else its only global one, and takes it out again.
    ///
    /// # Errors
    /// If it cannot be linked, or the kernel refuses. Then nothing was called.
    fn call(&self, object: &Path, function: Option<&str>, common: &Common, inputs: &Inputs) -> Result<Called>;

    /// What a module's file says it needs, where depmod has not said it.
    ///
    /// # Errors
    /// If it cannot be read, or no module may be looked into here.
    fn needs(&self, path: &Path, common: &Common) -> Result<Needs>;

    /// The kernel's release.
    fn release(&self) -> String;

    /// Which boot of it this is.
    ///
    /// # Errors
    /// If the kernel does not say so.
    fn boot(&self) -> Result<Boot>;

    /// Where what is loaded is recorded, if nobody says where.
    fn state_directory(&self) -> PathBuf;
}

/// Puts modules into a kernel.
pub trait Loader: Sync {
    /// Links the module at `path`, makes it a live module of the kernel, and records that.
    ///
    /// # Errors
    /// If it cannot be read or linked, or the kernel refuses it. Then it is not live.
    fn insert(&self, path: &Path, args: &str) -> Result<Inserted>;
}

/// That depmod has not said what a module's file needs, where that is not looked up in the file.
#[must_use]
pub fn no_depmod(path: &Path) -> Error {
    Error::Usage(format!("{}: modules.dep does not say what it needs: run depmod", path.display()))
}

/// A failure as the person should read it.
pub fn failed(subject: &str, failure: &KernelError) -> Error {
    match failure {
        KernelError::Unreachable(text) => Error::Usage(text.clone()),
        _ => kernel_error(subject, failure),
    }
}
