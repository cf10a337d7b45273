//! The program `relobox-linker`. Only `relobox-kmod` starts it.

mod ahead;

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|arg| arg == relobox_isolate::ARGUMENT) {
        // First of all: from here on, no memory of this process can become executable.
        relobox_linker::never_executable();
        return relobox_linker::serve_stdin(ahead::guests);
    }
    let _ = writeln!(
        std::io::stdout().lock(),
        "relobox-linker {}: links kernel modules; relobox-kmod starts it\nguests: {}",
        env!("CARGO_PKG_VERSION"),
        ahead::names()
    );
    ExitCode::SUCCESS
}
