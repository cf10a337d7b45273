//! The program `relobox-linker`: started by `relobox-kmod`, and by nobody else.

mod ahead;

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|arg| arg == relobox_isolate::ARGUMENT) {
        // Before anything else: no memory of this process becomes executable, from its first moment on.
        relobox_linker::never_executable();
        return relobox_linker::serve_stdin(ahead::guests);
    }
    let _ = writeln!(
        std::io::stdout().lock(),
        "relobox-linker {}: links kernel modules for relobox-kmod, which starts it.\nguests: {}",
        env!("CARGO_PKG_VERSION"),
        ahead::names()
    );
    ExitCode::SUCCESS
}
