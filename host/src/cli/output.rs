//! Printing: text for people, JSON for programs.

use relobox::Error;
use serde::Serialize;
use std::io::Write as _;

/// Prints `value` as JSON on standard output.
pub(crate) fn json(value: &impl Serialize) {
    let mut out = std::io::stdout().lock();
    let _ = serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from).and_then(|()| writeln!(out));
}

/// Prints a line of text on standard output; a closed pipe is nobody's error.
pub(crate) fn line(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// The JSON of an error: `{"error": {"exit_code": …, "message": …, "problems": […]}}`.
#[derive(Serialize)]
pub(crate) struct ErrorJson<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
pub(crate) struct ErrorBody<'a> {
    exit_code: u8,
    message: String,
    problems: &'a [relobox::Problem],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    told: bool,
}

impl<'a> ErrorBody<'a> {
    pub(crate) fn of(error: &'a Error) -> Self {
        let problems = match error {
            Error::Module(problems) | Error::Told(problems) => problems.as_slice(),
            Error::Kernel(problem) => std::slice::from_ref(&**problem),
            _ => &[],
        };
        let told = matches!(error, Error::Told(_));
        Self { exit_code: error.exit_code(), message: error.to_string(), problems, told }
    }
}

/// Prints an error: as text on standard error, or as JSON on standard output.
pub(crate) fn error(error: &Error, as_json: bool) {
    if as_json {
        json(&ErrorJson { error: ErrorBody::of(error) });
        return;
    }
    let mut err = std::io::stderr().lock();
    for line in error.to_string().lines() {
        let _ = writeln!(err, "relobox: {line}");
    }
}

/// Prints a warning on standard error.
pub(crate) fn warning(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "relobox: {text}");
}
