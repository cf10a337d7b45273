//! The relobox command.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    relobox_cli::output::finish(cli::main())
}
