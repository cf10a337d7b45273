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
    problems: Vec<&'a relobox::Problem>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    told: bool,
}

impl<'a> ErrorBody<'a> {
    pub(crate) fn of(error: &'a Error) -> Self {
        Self::of_all(std::slice::from_ref(error))
    }

    /// Several in one: the largest exit code, and every problem.
    fn of_all(errors: &'a [Error]) -> Self {
        let problems = |error: &'a Error| match error {
            Error::Module(problems) | Error::Told(problems) => problems.as_slice(),
            Error::Kernel(problem) => std::slice::from_ref(&**problem),
            _ => &[],
        };
        Self {
            exit_code: errors.iter().map(Error::exit_code).max().unwrap_or(0),
            message: errors.iter().map(Error::to_string).collect::<Vec<_>>().join("\n"),
            problems: errors.iter().flat_map(problems).collect(),
            told: errors.iter().any(|error| matches!(error, Error::Told(_))),
        }
    }
}

/// Prints several errors: as text on standard error, or as one document of JSON on standard output.
pub(crate) fn errors(errors: &[Error], as_json: bool) {
    match as_json {
        true if errors.is_empty() => {}
        true => json(&ErrorJson { error: ErrorBody::of_all(errors) }),
        false => errors.iter().for_each(|e| error(e, false)),
    }
}

/// Prints an error: as text on standard error, or as JSON on standard output.
pub(crate) fn error(error: &Error, as_json: bool) {
    if as_json {
        json(&ErrorJson { error: ErrorBody::of(error) });
        return;
    }
    plain(error);
    if let Error::Module(problems) | Error::Told(problems) = error
        && relobox::report::hidden(problems) != 0
    {
        warning(format_args!("--json prints all of these {} problems", problems.len()));
    }
}

/// Prints an error of a command that has no `--json`.
pub(crate) fn plain(error: &Error) {
    let mut err = std::io::stderr().lock();
    for line in error.to_string().lines() {
        let _ = writeln!(err, "relobox: {line}");
    }
}

/// Prints a warning on standard error.
pub(crate) fn warning(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "relobox: {text}");
}
