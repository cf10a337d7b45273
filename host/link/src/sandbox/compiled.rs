//! From code that was compiled ahead to a guest: nothing is compiled, and no memory becomes executable.
//!
//! The code lies in memory that can be executed already and never written: in a section of the program's own file, or in a file
//! that is mapped so. That is why it works where the kernel refuses to make memory executable (`PR_SET_MDWE`, systemd's
//! `MemoryDenyWriteExecute=`).

use super::{Guest, Sandbox, cannot_start, config, one_line};
use relobox_core::digest::Digest;
use relobox_core::error::{Error, GuestError, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::fs::File;
use std::ptr::NonNull;
use std::sync::Arc;
use wasmtime::{CustomCodeMemory, Engine, Module};

/// A guest's code as [`Sandbox::compile_ahead`] makes it, in memory that can be read and executed, and not written.
#[derive(Clone, Copy, Debug)]
pub struct Compiled(&'static [u8]);

impl Compiled {
    /// Of code that is part of this program.
    ///
    /// # Safety
    /// The bytes are what [`Sandbox::compile_ahead`] has made, on the boundary of a page, in memory that can be executed.
    #[must_use]
    #[allow(unsafe_code, reason = "compiled code is run as it is")]
    pub const unsafe fn of_program(bytes: &'static [u8]) -> Self {
        Self(bytes)
    }

    /// Maps a file of compiled code, for as long as this process lives.
    ///
    /// # Errors
    /// If the file cannot be mapped to be executed: on a file system that is mounted `noexec`, this is refused.
    ///
    /// # Safety
    /// What is in the file was made by [`Sandbox::compile_ahead`], and nobody can change it.
    #[allow(unsafe_code, reason = "compiled code is run as it is")]
    pub unsafe fn map(file: &File) -> std::io::Result<Self> {
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        if len == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let protection = ProtFlags::READ | ProtFlags::EXEC;
        // SAFETY: a new mapping, which is never unmapped; nobody changes the file, says the caller.
        let bytes = unsafe {
            let start = mmap(std::ptr::null_mut(), len, protection, MapFlags::PRIVATE, file, 0)?;
            std::slice::from_raw_parts(start.cast::<u8>(), len)
        };
        Ok(Self(bytes))
    }
}

/// There is nothing left to publish: the memory can be executed from the start.
struct Executable;

impl CustomCodeMemory for Executable {
    fn required_alignment(&self) -> usize {
        rustix::param::page_size()
    }

    fn publish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }

    fn unpublish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl Sandbox {
    /// For guests that were compiled ahead, and only for those; for a process that does one job, as
    /// [`for_one_job`](Sandbox::for_one_job) is.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is not enough address space.
    pub fn of_compiled() -> Result<Self> {
        let mut config = config();
        config.with_custom_code_memory(Some(Arc::new(Executable)));
        Ok(Self { in_place: true, ..Self::of_engine(Engine::new(&config).map_err(cannot_start)?) })
    }

    #[cfg(not(feature = "compiler"))]
    fn of_engine(engine: Engine) -> Self {
        Self { engine, in_place: false }
    }

    /// A guest of compiled code. `digest` is that of its Wasm.
    ///
    /// # Errors
    /// [`Error::Guest`] if it was compiled by another version of wasmtime, for another processor or with other settings.
    #[allow(unsafe_code, reason = "compiled code is run as it is")]
    pub fn load_compiled(&self, name: &str, digest: Digest, code: Compiled) -> Result<Guest> {
        // SAFETY: whoever made `code` has said that it is compiled code, which stays as it is.
        let module = unsafe {
            match self.in_place {
                true => Module::deserialize_raw(&self.engine, NonNull::from(code.0)),
                // The engine makes its own memory executable.
                false => Module::deserialize(&self.engine, code.0),
            }
        };
        let module = module.map_err(|e| {
            let why = one_line(&format!("{e:#}"));
            let text = format!("its compiled code cannot be used ({why}); 'relobox plugin compile' makes it anew");
            Error::Guest { guest: name.to_owned(), what: GuestError::Unusable(text) }
        })?;
        self.guest(name, digest, &module)
    }
}
