//! The simulated kernel as a program. It serves the listening socket that is its standard input.

fn main() -> std::process::ExitCode {
    match relobox_simkernel::serve_stdin() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relobox-simkernel: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
