//! What depmod and modinfo share: the linking process, files for it, and messages.

use crate::kmod::options::Opt;
use crate::real::Linking;
use relobox_cli::output::{self, Level};
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::linker_error::LinkerError;
use relobox_isolate::indices::{ModuleForm, Said};
use relobox_isolate::message::Name;
use relobox_isolate::{Linker, Options};
use relobox_plugins::registry::Plugins;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;

/// Starts a linking process. It needs no plugin.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn start(linking: &Linking) -> Result<Linker> {
    Linker::start(&Options {
        program: (linking.program)()?,
        compiled: linking.compiled,
        cache: (linking.cache)(),
        machine: Some(relobox_kernels::linux::machine()),
        plugins: Plugins::default(),
        inputs: Vec::new(),
        start: linking.start,
    })
}

/// The release of the running kernel.
pub(crate) fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Opens a module's file for a job. Where that fails, the job is told why.
pub(crate) fn open(number: u32, path: Option<&Path>, file: &Path) -> (ModuleForm, Option<OwnedFd>) {
    let opened = files::open(file, Kind::Regular).and_then(|file| {
        let len = file.metadata().map_err(Error::io("its file"))?.len();
        Ok((file, len))
    });
    let path = path.map(|path| Name::new(path.as_os_str().as_encoded_bytes()));
    match opened {
        Ok((file, len)) => (ModuleForm { number, path, len, error: 0 }, Some(file.into())),
        Err(error) => {
            let error = errno(&error).raw_os_error() as u32;
            (ModuleForm { number, path, len: 0, error }, None)
        }
    }
}

fn errno(error: &Error) -> Errno {
    match error {
        Error::Io { source, .. } => source.raw_os_error().map_or(Errno::INVAL, Errno::from_raw_os_error),
        _ => Errno::INVAL,
    }
}

/// What the C library says of an error.
pub(crate) fn reason(error: &Error) -> String {
    relobox_core::kernel::error_text(-errno(error).raw_os_error())
}

/// Prints what a job says.
pub(crate) fn say(said: Vec<Said>) {
    for Said(level, text) in said {
        let Ok(text) = text.bytes() else { continue };
        let text = String::from_utf8_lossy(&text);
        let level = match level {
            2 => Level::Fatal,
            3 => Level::Error,
            4 => Level::Warning,
            5 => {
                output::line(text);
                continue;
            }
            _ => Level::Info,
        };
        output::message_lines(level, &text);
    }
}

/// The error for an answer of a job that its question does not allow.
pub(crate) fn wrong(what: &'static str) -> Error {
    LinkerError::Protocol(what).into()
}

/// Prints why a command failed, if it did, and returns its exit code.
pub(crate) fn end(done: Result<bool>, level: Level) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            error.to_string().lines().for_each(|line| output::message(level, line));
            ExitCode::FAILURE
        }
    }
}

/// Prints the help of a command.
pub(crate) fn help(name: &str, usage: &str, options: &[Opt]) -> ExitCode {
    output::line("Usage:");
    output::line(format_args!("  {name} {usage}"));
    output::line("Options:");
    for Opt { key, long, argument, help } in options {
        let long = if argument.is_empty() { (*long).to_owned() } else { format!("{long}={argument}") };
        output::line(format_args!("  -{key}, --{long:<20} {help}"));
    }
    ExitCode::SUCCESS
}
