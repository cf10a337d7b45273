//! Man pages and shell completions, from the same definition as the parser.

use super::output;
use clap::{Args, Command};
use relobox::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;

/// Write the man pages to a directory
#[derive(Debug, Args)]
#[command(after_help = "Example:
  relobox man /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The directory, which is created if it does not exist
    dir: PathBuf,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:
  relobox completions bash > /etc/bash_completion.d/relobox")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

pub(crate) fn man(args: ManArgs, command: Command) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.dir).map_err(Error::io(&args.dir))?;
    clap_mangen::generate_to(command, &args.dir).map_err(Error::io(&args.dir))?;
    output::line(format_args!("man pages written to {}", args.dir.display()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn completions(args: CompletionsArgs, mut command: Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "relobox", &mut script);
    output::lines(String::from_utf8_lossy(&script).trim_end());
    Ok(ExitCode::SUCCESS)
}
