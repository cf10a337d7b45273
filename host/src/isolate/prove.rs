//! The program's own start as a linking process, and the proof from inside of what one can do.

use super::attempts::ATTEMPTS;
use super::linker::{Linker, Options};
use super::message::{ARGUMENT, Tried};
use super::zygote::serve_stdin;
use crate::cache::Cache;
use crate::error::Result;
use crate::kernels::linux;
use std::process::ExitCode;

/// Becomes the zygote, if that is what this process was started for. It comes before everything else: it has to be
/// the only thread of its process. With `--prove` as well, it tells what a linking process can do: nothing.
#[must_use]
pub fn serve_if_asked(tell: fn(&dyn std::fmt::Display)) -> Option<ExitCode> {
    let args: Vec<_> = std::env::args_os().skip(1).take(3).collect();
    match args.iter().map(|arg| arg.to_str()).collect::<Vec<_>>()[..] {
        [Some(ARGUMENT)] => Some(serve_stdin()),
        [Some(ARGUMENT), Some("--prove")] => Some(prove(tell)),
        _ => None,
    }
}

fn prove(tell: fn(&dyn std::fmt::Display)) -> ExitCode {
    let cache = Cache::from_environment().map(|cache| cache.path().to_owned());
    let tried = || -> Result<bool> {
        let linker = Linker::start(&Options { cache, machine: Some(linux::machine()), ..Options::default() })?;
        for missing in linker.ready()? {
            tell(&format_args!("note: {missing}"));
        }
        let mut safe = true;
        for what in ATTEMPTS {
            let tried = linker.attempt(what)?;
            tell(&format_args!("{what}: {tried}"));
            safe &= matches!(tried, Tried::Refused(_) | Tried::Killed(_));
        }
        Ok(safe)
    };
    match tried() {
        Ok(safe) => ExitCode::from(u8::from(!safe)),
        Err(error) => {
            tell(&format_args!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
