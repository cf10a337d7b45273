//! The limits of an instance.

use relobox_core::limits;
use rustix::io::Errno;
use wasmtime::ResourceLimiter;

/// Enforces the memory limit of an instance.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) memory: usize,
    /// The size in bytes of the last growth that was refused, for the message.
    pub(super) refused: Option<usize>,
    /// The kernel's error, if it did not give memory within the limit.
    pub(super) starved: Option<String>,
}

impl Limits {
    pub(super) fn new(memory: usize) -> Self {
        Self { memory, refused: None, starved: None }
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, _: usize, wanted: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if wanted > self.memory {
            self.refused = Some(wanted);
        }
        Ok(wanted <= self.memory)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // This is also called for growth that was refused above.
        if let Some(reason) = no_memory(&error) {
            self.starved = Some(reason);
        }
        Ok(())
    }

    fn table_growing(&mut self, _: usize, wanted: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(wanted <= limits::TABLE)
    }
}

/// Returns the kernel's error text if an error means that there is no memory.
pub(super) fn no_memory(error: &wasmtime::Error) -> Option<String> {
    let mut causes = error.chain();
    causes.find_map(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
        let errno = io.or_else(|| cause.downcast_ref::<Errno>().map(|errno| errno.raw_os_error()));
        (errno == Some(Errno::NOMEM.raw_os_error())).then(|| cause.to_string())
    })
}
