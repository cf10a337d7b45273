//! Loads modules as relobox-kmod does: another process links them, the kernel is given the result.

use crate::c;
use crate::context::Context;
use crate::errno::of_load;
use crate::log::{ERROR, INFO, Log, WARNING};
use crate::module::Module;
use relobox_cabi::boundary::linker_program;
use relobox_cabi::spawn;
use relobox_cli::args::Inputs;
use relobox_core::error::{Error, Result};
use relobox_core::keys::Trust;
use relobox_kmod::real::{Backend, Linking, Real};
use relobox_kmod::signatures;
use relobox_kmod::target::Loader;
use relobox_plugins::pins::Pins;
use relobox_plugins::registry::{Plugins, Search};
use rustix::io::Errno;
use std::cell::OnceCell;
use std::ffi::{CStr, c_uint};

/// The kernel, and how to load into it.
pub(crate) struct Kernel {
    real: Real,
    inputs: Inputs,
}

impl Kernel {
    pub(crate) fn new() -> Self {
        let named = c::variable("RELOBOX_KERNEL");
        let backend = match named.as_ref().and_then(|name| name.to_str()) {
            Some("device") => Backend::Device,
            Some("vet") => Backend::Vet,
            _ => Backend::Auto,
        };
        Self { real: Real::new(backend, linking()), inputs: Inputs { input: Vec::new() } }
    }

    /// Nothing is started before the first module is loaded. What was started ends with the result.
    pub(crate) fn loading(&self) -> Loading<'_> {
        Loading { kernel: self, loader: OnceCell::new() }
    }

    /// Removes the record of a module that is gone.
    pub(crate) fn forget(&self, name: &str) {
        relobox_kmod::state::forget(&self.real, name);
    }
}

/// One linking process, for one call of the program.
pub(crate) struct Loading<'a> {
    kernel: &'a Kernel,
    loader: OnceCell<Box<dyn Loader + 'a>>,
}

impl Loading<'_> {
    /// Loads a module with these parameters.
    ///
    /// # Errors
    /// `ENOENT` if it has no file; else see [`of_load`].
    pub(crate) fn insert(&self, module: &Module, args: &CStr, of: &CStr) -> Result<(), Errno> {
        let log = &module.context.log;
        let Some(path) = module.file() else {
            log.say(ERROR, of, format_args!("{}: modules.dep does not list it", module.name()));
            return Err(Errno::NOENT);
        };
        let loaded = self.loader(log, of).and_then(|loader| loader.insert(path, &args.to_string_lossy()));
        match loaded {
            Ok(inserted) => {
                for warning in signatures::warnings(module.name(), &inserted) {
                    log.say(WARNING, of, warning);
                }
                for unknown in &inserted.unknown_args {
                    log.say(WARNING, of, format_args!("{}: unknown parameter '{unknown}' ignored", module.name()));
                }
                Ok(())
            }
            Err(error) => {
                // That init does not find its hardware, or that the module exists, is nothing to complain about.
                let usual = matches!(&error, Error::Kernel(problem) if ["init-failed", "already-loaded"].contains(&problem.kind));
                log.say(if usual { INFO } else { ERROR }, of, &error);
                Err(of_load(&error))
            }
        }
    }

    fn loader(&self, log: &Log, of: &CStr) -> Result<&dyn Loader> {
        if let Some(loader) = self.loader.get() {
            return Ok(&**loader);
        }
        // As for relobox-kmod, but nothing that the environment of a program names.
        let system = Search { user: None, given: Vec::new(), ..Search::from_environment(true, &[]) };
        let mut plugins = Plugins::find(&system, &[], Pins::from_environment(true, None)?)?;
        plugins.leave_out_silent();
        for skipped in &plugins.skipped {
            log.say(WARNING, of, skipped);
        }
        let Kernel { real, inputs } = self.kernel;
        let loader: Box<dyn Loader> = Box::new(real.loader_with(plugins, inputs, Trust::of_machine(None, &[])?)?);
        if let Some(why) = real.downgrade() {
            log.say(INFO, of, format_args!("{why}; so the kernel relocates modules itself, after the check"));
        }
        Ok(&**self.loader.get_or_init(|| loader))
    }
}

/// How the linking process is started.
pub(crate) fn linking() -> Linking {
    Linking { program: linker_program, start: spawn::start, ..Linking::default() }
}

/// Removes a module from the kernel, with the flags of delete_module(2). It does not wait until the module is unused.
///
/// # Errors
/// The kernel's.
pub(crate) fn remove(context: &Context, name: &CStr, force: bool, quiet: bool) -> Result<(), Errno> {
    let flags = if force { libc::O_NONBLOCK | libc::O_TRUNC } else { libc::O_NONBLOCK };
    let removed = c::delete_module(name, flags as c_uint);
    match removed {
        Ok(()) => Kernel::new().forget(&name.to_string_lossy()),
        Err(error) if !quiet => {
            context.log.say(ERROR, c"kmod_module_remove_module", format_args!("{}: {error}", name.to_string_lossy()));
        }
        Err(_) => {}
    }
    removed
}
