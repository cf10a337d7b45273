//! Output: text for people, JSON for programs. Only this file writes to standard output and standard error. It escapes
//! all text, because names can come from anywhere (see [`relobox_core::text`]).
//!
//! A command goes on if its output cannot be written: half of a load is worse than a load that is not reported. But the
//! process then ends with exit code 2 ([`finish`]).

use clap::error::{ContextKind, ContextValue};
use relobox_core::error::Error;
use relobox_core::text::{Escaped, escaped, is_harmless, write_json};
use serde::Serialize;
use std::fmt::Display;
use std::io::{IsTerminal as _, StdoutLock, Write as _};
use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The first error of standard output.
static FAILED: Mutex<Option<std::io::Error>> = Mutex::new(None);

/// Writes to standard output, and keeps the first error for [`finish`].
fn write(text: impl FnOnce(&mut StdoutLock<'_>) -> std::io::Result<()>) {
    if let Err(error) = text(&mut std::io::stdout().lock()) {
        FAILED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Returns the exit code of the process: `code`, or 2 if standard output could not be written. Then it also says so.
#[must_use]
pub fn finish(code: ExitCode) -> ExitCode {
    write(|out| out.flush());
    match FAILED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        None => code,
        Some(error) => {
            warning(format_args!("standard output: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Prints `value` as JSON on standard output.
pub fn json(value: &impl Serialize) {
    write(|out| {
        write_json(&mut *out, value)?;
        writeln!(out)
    });
}

/// Prints one line of text on standard output. A line break in it is escaped.
pub fn line(text: impl Display) {
    write(|out| writeln!(out, "{}", Escaped(text)));
}

/// Prints text of several lines, such as a table. The caller has escaped line breaks in names (see [`cell`]).
pub fn lines(text: impl Display) {
    text.to_string().lines().for_each(line);
}

/// Prints cells, separated by tabs.
pub fn row(cells: &[&dyn Display]) {
    let cells: Vec<_> = cells.iter().map(|cell| Escaped(cell).to_string()).collect();
    write(|out| writeln!(out, "{}", cells.join("\t")));
}

/// Prints a line in a colour or weight if standard output is a terminal. `code` is a parameter of ECMA-48's SGR.
pub fn styled(code: u8, text: impl Display) {
    write(|out| match out.is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        true => writeln!(out, "\x1b[{code}m{}\x1b[0m", Escaped(text)),
        false => writeln!(out, "{}", Escaped(text)),
    });
}

/// Escapes the text of a cell in a table.
pub fn cell(text: &str) -> String {
    escaped(text).into_owned()
}

/// The JSON of an error: `{"error": {"exit_code": …, "message": …, "problems": […]}}`.
#[derive(Serialize)]
pub struct ErrorJson<'a> {
    error: ErrorBody<'a>,
}

/// The body of [`ErrorJson`].
#[derive(Serialize)]
pub struct ErrorBody<'a> {
    exit_code: u8,
    message: String,
    problems: Vec<&'a relobox_core::Diagnostic>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    told: bool,
}

impl<'a> ErrorBody<'a> {
    /// The body for one error.
    pub fn of(error: &'a Error) -> Self {
        Self::of_all(std::slice::from_ref(error))
    }

    /// The body for several errors: the largest exit code, and all problems.
    fn of_all(errors: &'a [Error]) -> Self {
        let problems = |error: &'a Error| match error {
            Error::Module(problems) | Error::Reported(problems) => problems.as_slice(),
            Error::Kernel(problem) => std::slice::from_ref(&**problem),
            _ => &[],
        };
        Self {
            exit_code: errors.iter().map(Error::exit_code).max().unwrap_or(0),
            message: errors.iter().map(Error::to_string).collect::<Vec<_>>().join("\n"),
            problems: errors.iter().flat_map(problems).collect(),
            told: errors.iter().any(|error| matches!(error, Error::Reported(_))),
        }
    }
}

/// Prints several errors: as text on standard error, or as one document of JSON on standard output.
pub fn errors(errors: &[Error], as_json: bool) {
    match as_json {
        true if errors.is_empty() => {}
        true => json(&ErrorJson { error: ErrorBody::of_all(errors) }),
        false => errors.iter().for_each(|e| error(e, false)),
    }
}

/// Prints an error: as text on standard error, or as JSON on standard output.
pub fn error(error: &Error, as_json: bool) {
    if as_json {
        json(&ErrorJson { error: ErrorBody::of(error) });
        return;
    }
    plain(error);
    if let Error::Module(problems) | Error::Reported(problems) = error
        && relobox_core::diagnostic::hidden(problems) != 0
    {
        warning(format_args!("--json prints all of these {} problems", problems.len()));
    }
}

/// Prints an error of a command that has no `--json`.
pub fn plain(error: &Error) {
    // Only the line breaks of the message itself remain. Those in names are escaped.
    error.to_string().lines().for_each(warning);
}

/// Prints a warning, or an error: as a line on standard error, unless [`speak`] said otherwise.
pub fn warning(text: impl Display) {
    message(Level::Warning, text);
}

/// How serious a message is: the numbers of syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not used for messages: a threshold that lets none pass.
    Nothing = 0,
    /// The command does nothing else after it.
    Fatal = 2,
    /// Something failed.
    Error = 3,
    /// Something should be different.
    Warning = 4,
    /// Worth knowing, and no reason to change anything.
    Notice = 5,
    /// Worth knowing for who asked twice.
    Info = 6,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
        }
    }
}

/// How a program with the name of one of kmod's prints its messages: `modprobe: ERROR: …`.
#[derive(Debug)]
pub struct Voice {
    /// The program's name.
    pub program: &'static str,
    /// Messages that are less serious are not printed.
    pub least: Level,
    /// Messages go to the system's log (/dev/log), and to standard error only if there is none.
    pub syslog: bool,
}

static VOICE: OnceLock<Voice> = OnceLock::new();

/// From now on, this process prints its messages in this way. Only the first call counts.
pub fn speak(voice: Voice) {
    let _ = VOICE.set(voice);
}

/// Prints a message: as `relobox: …` on standard error, or as [`speak`] said.
pub fn message(level: Level, text: impl Display) {
    let text = Escaped(text);
    let Some(Voice { program, least, syslog }) = VOICE.get() else {
        let _ = writeln!(std::io::stderr().lock(), "relobox: {text}");
        return;
    };
    if level > *least {
        return;
    }
    let name = level.name();
    if *syslog {
        // The facility is LOG_DAEMON. The log's daemon adds the time.
        let record = format!("<{}>{program}: {name}: {text}", (3 << 3) | level as u8);
        let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(record.as_bytes(), "/dev/log"));
        if sent.is_ok() {
            return;
        }
    }
    let _ = writeln!(std::io::stderr().lock(), "{program}: {name}: {text}");
}

/// Prints a message whose text has several lines, as it is. Only the first has what [`message`] prints before it.
pub fn message_lines(level: Level, text: &str) {
    let (first, rest) = text.split_once('\n').map_or((text, None), |(first, rest)| (first, Some(rest)));
    message(level, first);
    if VOICE.get().is_none_or(|voice| level <= voice.least) {
        let mut err = std::io::stderr().lock();
        let _ =
            rest.into_iter().flat_map(|rest| rest.split('\n')).try_for_each(|line| writeln!(err, "{}", Escaped(line)));
    }
}

/// Prints bytes on standard output as they are: what is printed is data. On a terminal, where it is text for people,
/// it is escaped, but for line breaks and tabs.
pub fn bytes(bytes: &[u8]) {
    write(|out| {
        if !out.is_terminal() {
            return out.write_all(bytes);
        }
        let text = String::from_utf8_lossy(bytes);
        let line = |line: &str| line.split('\t').map(escaped).collect::<Vec<_>>().join("\t");
        out.write_all(text.split('\n').map(line).collect::<Vec<_>>().join("\n").as_bytes())
    });
}

/// Prints a message about the command line in the form of getopt(3): `modprobe: unrecognized option '--foo'`.
pub fn misused(program: &str, text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{program}: {}", Escaped(text));
}

/// Prints a message of clap: help and version on standard output, errors on standard error.
pub fn usage(mut error: clap::Error) {
    // The message quotes the command line, so quoted text is escaped.
    let quoted: Vec<_> = error.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in quoted {
        error.insert(kind, escaped_context(kind, value));
    }
    let text = error.render();
    let text = |terminal: bool| match terminal {
        true => printed(&text.ansi().to_string()),
        false => printed(&text.to_string()),
    };
    if error.use_stderr() {
        let _ = write!(std::io::stderr().lock(), "{}", text(std::io::stderr().is_terminal()));
    } else {
        write(|out| write!(out, "{}", text(out.is_terminal())));
    }
}

fn escaped_context(kind: ContextKind, value: ContextValue) -> ContextValue {
    match value {
        // clap's own styled text, without a part of the command line.
        value @ ContextValue::StyledStr(_) if kind == ContextKind::Usage => value,
        ContextValue::String(text) => ContextValue::String(cell(&text)),
        // A suggestion can contain a part of the command line.
        ContextValue::StyledStr(text) => ContextValue::String(cell(&text.to_string())),
        ContextValue::StyledStrs(all) => {
            ContextValue::StyledStrs(all.iter().map(|text| cell(&text.to_string()).into()).collect())
        }
        ContextValue::Strings(all) => ContextValue::Strings(all.iter().map(|text| cell(text)).collect()),
        value => value,
    }
}

/// Escapes text of clap, except for line breaks and clap's own styles, `ESC [ digits m`.
fn printed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let style = rest.strip_prefix("\x1b[").and_then(|style| {
            let end = style.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            style[end..].starts_with('m').then_some(end + "\x1b[m".len())
        });
        let len = style.unwrap_or(c.len_utf8());
        match style.is_some() || c == '\n' || is_harmless(c) {
            true => out.push_str(&rest[..len]),
            false => out.push_str(&escaped(&rest[..len])),
        }
        rest = &rest[len..];
    }
    out
}
