//! A job that calls a function: the same requests, but with a call instead of the load.

use super::Job;
use crate::message::Answer;
use relobox_core::areas::Kind;
use relobox_core::digest::Digest;
use relobox_core::error::Result;
use relobox_core::inserted::Called;
use relobox_core::inserted::kernel_error;
use relobox_core::kernel::KernelError;
use relobox_core::linker_error::LinkerError;

impl Job<'_> {
    /// Serves the job until it ends. Whether the function was called, and what it returned, this process knows from the
    /// kernel. `plugin` returns the name of a plugin that the job may have used.
    pub(crate) fn serve_call(mut self, plugin: &dyn Fn(&Digest) -> Option<String>) -> Result<Called> {
        self.calls = true;
        let end = self.serve_requests();
        match (self.called, self.refused.take()) {
            (Some(returned), _) => {
                let (function, relocations, digest) = match end {
                    Ok(Answer::Called { function, relocations, digest }) => (function, relocations, digest),
                    // The function has returned; how the process ended does not matter.
                    _ => ("unknown".to_owned(), 0, None),
                };
                let known = digest.and_then(|digest| Some((plugin(&digest)?, digest)));
                let plugin_digest = known.as_ref().map(|(_, digest)| *digest);
                let plugin = known.map_or_else(|| "unknown".to_owned(), |(name, _)| name);
                let function = relobox_core::text::decoded(function.as_bytes());
                Ok(Called { function, returned, relocations, plugin, plugin_digest })
            }
            (None, Some(failure)) => Err(kernel_error(self.file, &failure)),
            (None, None) => {
                let lie = LinkerError::Protocol("it reports a call that it did not ask for");
                Err(end?.error().unwrap_or_else(|| lie.into()))
            }
        }
    }

    /// Calls once, and only into code that the kernel has granted. The kernel checks that the code is in place.
    pub(super) fn call(&mut self, address: u64) -> Result<Result<i32, KernelError>, LinkerError> {
        if !self.calls || self.called.is_some() {
            return Err(LinkerError::Protocol("it asked to call in a job that loads a module, or twice"));
        }
        let code = |kind| matches!(kind, Kind::Text | Kind::InitText);
        self.area(|a| code(a.kind) && address.checked_sub(a.address).is_some_and(|at| at < a.size))?;
        let returned = self.kernel.call(address);
        self.called = returned.as_ref().ok().copied();
        Ok(returned)
    }
}
