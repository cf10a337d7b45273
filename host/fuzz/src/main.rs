//! The program `relobox-fuzz`, which is also `relobox fuzz`.

use clap::Parser as _;
use relobox_cli::output;
use relobox_fuzz::command::{FuzzArgs, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    output::finish(main_command())
}

fn main_command() -> ExitCode {
    let args = match FuzzArgs::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            output::usage(error);
            return ExitCode::from(code);
        }
    };
    run(args).unwrap_or_else(|error| {
        output::plain(&error);
        ExitCode::from(error.exit_code())
    })
}
