//! Serves the kernel in this process.

use crate::error::ServeError;
use std::os::unix::net::UnixListener;

/// Serves `listener` until a client powers the kernel off. Standard error is the console.
///
/// This takes over the whole process: it closes every descriptor but the standard ones and the listener, gives up
/// capabilities, new privileges and most system calls, and installs signal handlers. Call it from `main`, before
/// anything else has been started.
///
/// # Errors
/// If the process is not on x86-64 Linux, has several threads, or cannot be confined, or if waiting for clients fails.
pub fn serve(listener: UnixListener) -> Result<(), ServeError> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    return crate::process::serve(listener);
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    {
        drop(listener);
        Err(ServeError::Unsupported)
    }
}

/// Serves the listener that [`spawn`](crate::spawn) passes as standard input.
///
/// # Errors
/// As [`serve`].
pub fn serve_stdin() -> Result<(), ServeError> {
    let listener = rustix::stdio::stdin()
        .try_clone_to_owned()
        .map_err(|error| ServeError::Step { step: "take its listener from standard input", error })?;
    serve(UnixListener::from(listener))
}
