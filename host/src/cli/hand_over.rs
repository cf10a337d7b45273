//! Commands of other programs: relobox-kmod, for this machine's kernel, and relobox-fuzz.

use clap::Args;
use relobox::{Error, Result};
use relobox_kmod::real::{LIBRARY, LINKER};
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The program that loads modules into this machine's kernel.
const KMOD: &str = "relobox-kmod";

/// Executes relobox-kmod with the same arguments. Returns only if that fails, or `None` if it is not installed.
pub(crate) fn to_kmod() -> Option<Error> {
    let program = beside()?;
    let error = Command::new(&program).args(std::env::args_os().skip(1)).exec();
    Some(Error::io(program)(error))
}

/// The path of relobox-kmod, if relobox-linker is installed for it: beside this program, or in `sbin` if this program is
/// in `bin`.
fn beside() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let directory = program.parent()?;
    let places = [directory.to_owned(), directory.parent()?.join("sbin")];
    let packaged = Path::new(LIBRARY).join(LINKER).exists();
    places
        .into_iter()
        .find(|place| place.join(KMOD).exists() && (place.join(LINKER).exists() || packaged))
        .map(|place| place.join(KMOD))
}

/// Fuzz a plugin, the engine or the unpacker, guided by coverage
///
/// This runs the program relobox-fuzz. 'relobox fuzz --help' shows its options.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Examples:
  relobox fuzz mine.wasm --time 60s
  relobox fuzz --engine --time 1h
  relobox fuzz --help")]
pub(crate) struct FuzzArgs {
    /// The arguments of relobox-fuzz
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    args: Vec<OsString>,
}

/// Executes relobox-fuzz.
pub(crate) fn to_fuzz(args: &FuzzArgs) -> Result<ExitCode> {
    let own = std::env::current_exe().map_err(Error::io("/proc/self/exe"))?;
    let program = own.with_file_name("relobox-fuzz");
    if !program.exists() {
        let text = format!(
            "{} does not exist: build it with 'cargo build -p relobox-fuzz', or 'cargo install --path host/fuzz'",
            program.display()
        );
        return Err(Error::Usage(text));
    }
    Err(Error::io(&program)(Command::new(&program).args(&args.args).exec()))
}
