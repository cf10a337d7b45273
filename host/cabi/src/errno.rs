//! The errors of this library: numbers of errno(3).

use relobox_core::error::Error;
use relobox_core::linker_error::LinkerError;
use rustix::io::Errno;
use std::ffi::c_int;

/// The value that a function of kmod returns for an error.
pub fn negative(error: Errno) -> c_int {
    -error.raw_os_error()
}

/// The result of a function that returns 0 or an error.
pub fn code(result: Result<(), Errno>) -> c_int {
    result.map_or_else(negative, |()| 0)
}

/// The number of an I/O error.
pub fn of_io(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// The number for an error of loading a module.
///
/// EEXIST means that the module is loaded, on which programs rely. So it comes only from the kernel: never from what
/// the linking process says.
pub fn of_load(error: &Error) -> Errno {
    match error {
        Error::Io { source, .. } => of_io(source),
        Error::Kernel(problem) => match (problem.kind, problem.value) {
            ("init-failed" | "load-failed" | "bad-argument", Some(value)) => {
                i32::try_from(-value).map_or(Errno::NOEXEC, Errno::from_raw_os_error)
            }
            ("already-loaded", _) => Errno::EXIST,
            ("not-loaded" | "missing-module", _) => Errno::NOENT,
            ("in-use" | "not-live" | "permanent", _) => Errno::BUSY,
            ("stale", _) => Errno::AGAIN,
            ("no-space", _) => Errno::NOMEM,
            ("not-allowed" | "strict", _) => Errno::PERM,
            ("unreachable", _) => Errno::NODEV,
            _ => Errno::NOEXEC,
        },
        // The kernel's numbers: where it demands signatures, and for a file that it cannot link.
        Error::Module(problems) => match problems.first().map_or("", |problem| problem.kind) {
            "unsigned" | "unknown-key" => Errno::NOKEY,
            "bad-digest" | "bad-signature" | "malformed-signature" | "unsupported-signature" => Errno::KEYREJECTED,
            _ => Errno::NOEXEC,
        },
        Error::Reported(_) | Error::Guest { .. } => Errno::NOEXEC,
        Error::Usage(_) | Error::Linker(LinkerError::Ready { usage: true, .. }) => Errno::INVAL,
        Error::Linker(_) => Errno::IO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_core::diagnostic::Diagnostic;
    use relobox_core::inserted::kernel_error;
    use relobox_core::kernel::KernelError;

    #[test]
    fn only_the_kernel_says_that_a_module_exists() {
        let exists = Diagnostic { value: Some(-17), ..Diagnostic::new("already-loaded", "m.ko", "it says") };
        assert_eq!(of_load(&Error::Reported(vec![exists.clone()])), Errno::NOEXEC);
        assert_eq!(of_load(&Error::Module(vec![exists])), Errno::NOEXEC);
        let of = |failure| of_load(&kernel_error("m", &failure));
        assert_eq!(of(KernelError::Exists { name: "m".into() }), Errno::EXIST);
        assert_eq!(of(KernelError::Init { errno: -19 }), Errno::NODEV);
        assert_eq!(of(KernelError::NotAllowed("no right".into())), Errno::PERM);
        assert_eq!(of(KernelError::Refused("vermagic".into())), Errno::NOEXEC);
        assert_eq!(of_load(&Error::io("m.ko")(std::io::ErrorKind::NotFound.into())), Errno::IO);
        assert_eq!(of_load(&Error::io("m.ko")(std::io::Error::from_raw_os_error(2))), Errno::NOENT);
    }
}
