//! Loads guests that were compiled ahead. Nothing is compiled, and no memory becomes executable.
//!
//! The code lies in memory that is executable and was never writable: in a section of the program's own file, or in a
//! file that is mapped executable. So this works where the kernel refuses to make memory executable (`PR_SET_MDWE`,
//! systemd's `MemoryDenyWriteExecute=`).

use super::{Guest, Sandbox, cannot_start, config, one_line};
use relobox_core::digest::Digest;
use relobox_core::error::{Error, GuestError, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::fs::File;
use std::ptr::NonNull;
use std::sync::Arc;
use wasmtime::{CustomCodeMemory, Engine, Module};

/// A guest's native code as [`Sandbox::compile_ahead`] makes it, in memory that is readable and executable, but not
/// writable.
#[derive(Clone, Copy, Debug)]
pub struct Compiled(&'static [u8]);

impl Compiled {
    /// Wraps code that is part of this program.
    ///
    /// # Safety
    /// The bytes must be the result of [`Sandbox::compile_ahead`], begin on a page boundary, and lie in executable
    /// memory.
    #[must_use]
    #[allow(unsafe_code, reason = "compiled code is run as it is")]
    pub const unsafe fn of_program(bytes: &'static [u8]) -> Self {
        Self(bytes)
    }

    /// Maps a file of native code, for the lifetime of this process.
    ///
    /// # Errors
    /// If the file cannot be mapped executable, for example on a file system that is mounted `noexec`.
    ///
    /// # Safety
    /// The contents of the file must be the result of [`Sandbox::compile_ahead`], and nothing may change them.
    #[allow(unsafe_code, reason = "compiled code is run as it is")]
    pub unsafe fn map(file: &File) -> std::io::Result<Self> {
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        if len == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let protection = ProtFlags::READ | ProtFlags::EXEC;
        // SAFETY: this is a new mapping, which is never unmapped. The caller guarantees that the file does not change.
        let bytes = unsafe {
            let start = mmap(std::ptr::null_mut(), len, protection, MapFlags::PRIVATE, file, 0)?;
            std::slice::from_raw_parts(start.cast::<u8>(), len)
        };
        Ok(Self(bytes))
    }
}

/// Publishes nothing: the memory is executable from the start.
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
    /// Creates a sandbox for guests that were compiled ahead, and for a process that runs one job, as
    /// [`for_one_job`](Sandbox::for_one_job) does.
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

    /// Loads a guest from native code. `digest` is that of its Wasm.
    ///
    /// # Errors
    /// [`Error::Guest`] if another version of wasmtime compiled it, or for another processor or with other settings.
    #[allow(unsafe_code, reason = "compiled code is run as it is")]
    pub(crate) fn load_compiled(&self, name: &str, digest: Digest, code: Compiled) -> Result<Guest> {
        // SAFETY: a `Compiled` can only be created by a caller that guarantees what it contains, and that it does not
        // change.
        let module = unsafe {
            match self.in_place {
                true => Module::deserialize_raw(&self.engine, NonNull::from(code.0)),
                // The engine makes its own memory executable.
                false => Module::deserialize(&self.engine, code.0),
            }
        };
        let module = module.map_err(|e| {
            let why = one_line(&format!("{e:#}"));
            let text = format!("its compiled code cannot be used ({why}); 'relobox plugin compile' compiles it again");
            Error::Guest { guest: name.to_owned(), what: GuestError::Unusable(text) }
        })?;
        self.guest(name, digest, &module)
    }
}
