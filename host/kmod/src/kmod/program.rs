//! What the commands share: general options, messages, the kernel.

use super::options::{self, KMOD_VERSION, Opt, Parsed, opt};
use super::reason;
use crate::real::Real;
use relobox_cli::args::{Common, Inputs};
use relobox_cli::output::{self, Level, Voice};
use relobox_core::error::{Error, Result};
use relobox_core::inserted::Inserted;
use relobox_kernels::linux::Force;
use std::process::ExitCode;

/// The options of every command. `-q` is modprobe's.
const GENERAL: [Opt; 4] = [
    opt("syslog", 's', "", "print messages to the system's log"),
    opt("verbose", 'v', "", "print more messages"),
    opt("version", 'V', "", "print the version"),
    opt("help", 'h', "", "print this help"),
];

/// A command.
pub(super) struct Program {
    pub(super) name: &'static str,
    /// Its command lines, each without its name.
    pub(super) usage: &'static [&'static str],
    pub(super) options: &'static [Opt],
    /// Messages that are less serious are not printed without -v.
    pub(super) least: Level,
}

/// A command line without the general options.
pub(super) struct Line {
    pub(super) operands: Vec<String>,
    /// True if -v was given more often than it was revoked by -q.
    pub(super) verbose: bool,
}

impl Program {
    /// Reads the command line. `other` takes each option that is not a general one, with its argument; it returns a message
    /// if the argument is wrong. From here on, messages are this program's.
    ///
    /// Returns the exit code if there is nothing else to do.
    pub(super) fn begin(
        &self,
        args: Vec<String>,
        mut other: impl FnMut(char, &str) -> Result<(), String>,
    ) -> Result<Line, ExitCode> {
        let usual = self.least as u8;
        let (mut level, mut syslog) = (usual, false);
        let all: Vec<Opt> = self.options.iter().chain(&GENERAL).copied().collect();
        let Parsed { given, operands, error } = options::parse(&all, args);
        for (key, value) in given {
            match key {
                's' => syslog = true,
                'v' => level = level.saturating_add(1),
                'q' => level = Level::Nothing as u8,
                'V' => return Err(version()),
                'h' => {
                    self.help(&all);
                    return Err(ExitCode::SUCCESS);
                }
                key => {
                    if let Err(text) = other(key, &value) {
                        speak(self.name, usual, false);
                        return Err(refuse(Level::Error, text));
                    }
                }
            }
        }
        if let Some(error) = error {
            output::misused(self.name, error);
            return Err(ExitCode::FAILURE);
        }
        speak(self.name, level, syslog);
        Ok(Line { operands, verbose: level > usual })
    }

    fn help(&self, all: &[Opt]) {
        let Self { name, usage, .. } = self;
        output::line("Usage:");
        usage.iter().for_each(|usage| output::line(format_args!("  {name} {usage}")));
        output::line("Options:");
        for option in all {
            let Opt { key, long, argument, help } = option;
            let short = if option.is_short() { format!("-{key},") } else { String::new() };
            let long = if argument.is_empty() { (*long).to_owned() } else { format!("{long}={argument}") };
            output::line(format_args!("  {short:<3} --{long:<24} {help}"));
        }
        output::line("'relobox-kmod COMMAND --help' shows the options of relobox.");
    }
}

/// From now on, messages are those of this command, up to this level.
pub(crate) fn speak(program: &'static str, level: u8, syslog: bool) {
    let levels = [Level::Fatal, Level::Error, Level::Warning, Level::Notice, Level::Info];
    let least = levels.into_iter().rev().find(|one| *one as u8 <= level).unwrap_or(Level::Nothing);
    output::speak(Voice { program, least, syslog });
}

/// Prints the version.
pub(crate) fn version() -> ExitCode {
    output::line(format_args!("relobox {}, as kmod version {KMOD_VERSION}", env!("CARGO_PKG_VERSION")));
    ExitCode::SUCCESS
}

/// The kernel of this machine and the plugins, as the environment says: a kmod command line has no option for them.
pub(super) fn machine(force: Force) -> Result<(Real, Common, Inputs)> {
    let pins = std::env::var_os("RELOBOX_PINS").map(Into::into);
    let common = Common { json: false, plugin_dir: Vec::new(), chosen: Vec::new(), pins };
    Ok((Real::from_environment(force)?, common, Inputs { input: Vec::new() }))
}

/// Prints an error, and returns the exit code. In strict mode without the device, nothing else can succeed either.
pub(super) fn fail(error: &Error) -> ExitCode {
    let strict = matches!(error, Error::Kernel(problem) if problem.kind == "strict");
    reason::explain(if strict { Level::Fatal } else { Level::Error }, error);
    reason::exit_code(error)
}

/// Prints a message, and returns the exit code of a failure.
pub(crate) fn refuse(level: Level, text: impl std::fmt::Display) -> ExitCode {
    output::message(level, text);
    ExitCode::FAILURE
}

/// Prints, if the user wants to know more, what a load of kmod would not say.
pub(super) fn loaded(inserted: &Inserted) {
    crate::insmod::print_warnings(&inserted.name, inserted);
}
