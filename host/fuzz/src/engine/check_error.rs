//! The reasons why a file does not pass all stages, and which of them are suspicious.

use crate::target::Suspicion;
use relobox_core::error::{Error, GuestError, Result};

/// The result of checking a file: it is good, or there is an error.
pub(crate) type CheckResult = Result<(), CheckError>;

/// The reason why a file did not pass all stages.
pub(crate) enum CheckError {
    /// The engine or the plugin refused the file, which is allowed.
    Refused,
    /// Something is wrong.
    Suspicious(Suspicion),
}

impl CheckError {
    /// Makes a suspicion. Digits in `about` are replaced, so that texts that differ only in numbers are one finding.
    pub(crate) fn new(oracle: &'static str, about: &str, detail: impl Into<String>) -> Self {
        let about = about.split(|c: char| c.is_ascii_digit()).collect::<Vec<_>>().join("#");
        let about = about.split(':').next().unwrap_or_default().to_owned();
        CheckError::Suspicious(Suspicion { oracle, about, exact: true, detail: detail.into(), bound: None })
    }
}

/// Makes the error for a contradiction between the engine's records and the file.
pub(crate) fn disagreement(what: String) -> CheckError {
    CheckError::new("disagreement", &what, &what)
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        let Error::Guest { guest, what } = &error else {
            return match error {
                Error::Module(_) => Self::Refused,
                other => Self::new("host-error", "", other.to_string()),
            };
        };
        let (oracle, about) = match what {
            GuestError::Trap { export, trap } => ("trap", format!("{export} {trap}")),
            GuestError::Fuel { export, .. } => ("fuel", export.clone().into_owned()),
            GuestError::Memory { .. } => ("memory", String::new()),
            GuestError::OutOfWindowWrite { .. } => ("window", String::new()),
            GuestError::MalformedAnswer(text) => ("answer", text.clone()),
            other => ("unusable", other.to_string()),
        };
        let exact = !matches!(oracle, "trap" | "window");
        CheckError::Suspicious(Suspicion {
            oracle,
            about: format!("{guest} {about}"),
            exact,
            detail: error.to_string(),
            bound: None,
        })
    }
}

/// Converts the result of a check to a suspicion; a panic of the host is one too.
pub(crate) fn suspicion(checked: std::thread::Result<CheckResult>) -> Option<Suspicion> {
    let error = match checked {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error,
        Err(panic) => {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message");
            CheckError::new("host-panic", words, words)
        }
    };
    match error {
        CheckError::Refused => None,
        CheckError::Suspicious(found) => Some(found),
    }
}
