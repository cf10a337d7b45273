//! Error numbers. kmod's messages are about these; relobox has the reasons, which it prints after them.

use relobox_cli::output::{self, Level};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::Error;
use relobox_core::kernel::error_text;
use rustix::io::Errno;
use std::process::ExitCode;

/// Prints the reasons, each in a line of its own.
pub(super) fn explain(level: Level, error: &Error) {
    // A diagnostic is one line, whatever is in its names.
    error.to_string().lines().for_each(|line| output::message(level, line));
}

/// The exit code: 1, as kmod's. If relobox itself does not work, it is relobox's own, so that a script can tell.
pub(super) fn exit_code(error: &Error) -> ExitCode {
    match error {
        Error::Usage(_) | Error::Guest { .. } | Error::Linker(_) => ExitCode::from(error.exit_code()),
        _ => ExitCode::FAILURE,
    }
}

/// The number that the kernel would return to kmod. `None` for an error that kmod cannot have.
pub(super) fn errno(error: &Error) -> Option<Errno> {
    match error {
        Error::Kernel(problem) => Some(refused(problem)),
        Error::Module(problems) | Error::Reported(problems) => Some(unlinkable(problems.first()?)),
        Error::Io { source, .. } => source.raw_os_error().map(Errno::from_raw_os_error),
        _ => None,
    }
}

/// The text for a number.
pub(super) fn text(errno: Errno) -> String {
    error_text(-errno.raw_os_error())
}

/// The text for the number of an I/O error.
pub(super) fn of_io(error: &std::io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |errno| error_text(-errno))
}

/// The number of a kernel's refusal. The kernel's log says what its number left out, so only words are known of some.
fn refused(problem: &Diagnostic) -> Errno {
    let said = |words: &str| problem.text.contains(words);
    match (problem.kind, problem.value) {
        (_, Some(value)) => Errno::from_raw_os_error(-value as i32),
        ("already-loaded", _) => Errno::EXIST,
        ("not-loaded" | "missing-module", _) => Errno::NOENT,
        ("in-use", _) => Errno::AGAIN,
        ("not-live" | "permanent", _) => Errno::BUSY,
        ("no-space", _) => Errno::NOMEM,
        ("not-allowed" | "strict", _) => Errno::PERM,
        _ if said("nknown symbol") => Errno::NOENT,
        _ if said("version magic") || said("symbol module_layout") => Errno::NOEXEC,
        _ if said("signature is not accepted") => Errno::KEYREJECTED,
        _ if said("Lockdown") || said("kernel_lockdown") => Errno::PERM,
        _ => Errno::INVAL,
    }
}

/// The number for a module that the kernel was not given: what the kernel would have said.
fn unlinkable(problem: &Diagnostic) -> Errno {
    match problem.kind {
        "already-loaded" => Errno::EXIST,
        "undefined-symbol" | "not-found" => Errno::NOENT,
        "blacklisted" => Errno::PERM,
        // The kernel's numbers, where it demands signatures.
        "unsigned" | "unknown-key" => Errno::NOKEY,
        "bad-digest" | "bad-signature" | "malformed-signature" | "unsupported-signature" => Errno::KEYREJECTED,
        "crc-mismatch" | "namespace" | "install-command" | "dependency-cycle" => Errno::INVAL,
        _ => Errno::NOEXEC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_core::inserted::kernel_error;
    use relobox_core::kernel::KernelError;

    #[test]
    fn numbers_are_the_kernels() {
        let refused = |text: &str| kernel_error("m", &KernelError::Refused(text.into()));
        for (error, text_of) in [
            (kernel_error("m", &KernelError::Init { errno: -19 }), "No such device"),
            (kernel_error("m", &KernelError::NotAllowed("root".into())), "Operation not permitted"),
            (Error::Kernel(Box::new(Diagnostic::new("strict", "m.ko", ""))), "Operation not permitted"),
            (refused("Unknown symbol nothing (err -2)"), "No such file or directory"),
            (refused("version magic 'a' should be 'b'"), "Exec format error"),
            (refused("something new"), "Invalid argument"),
            (Diagnostic::new("undefined-symbol", "m.ko", "").into(), "No such file or directory"),
            (Diagnostic::new("not-elf", "m.ko", "").into(), "Exec format error"),
            (Diagnostic::new("unsigned", "m.ko", "").into(), "Required key not available"),
            (Diagnostic::new("bad-signature", "m.ko", "").into(), "Key was rejected by service"),
        ] {
            assert_eq!(errno(&error).map(text).as_deref(), Some(text_of), "{error}");
        }
        let broken = Error::Usage("no linker".into());
        assert_eq!((errno(&broken), exit_code(&broken)), (None, ExitCode::from(2)));
        assert_eq!(exit_code(&refused("")), ExitCode::FAILURE);
    }
}
