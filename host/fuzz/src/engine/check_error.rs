//! Why a file does not go all the way, and which of that is suspicious.

use crate::target::Suspicion;
use relobox_core::error::{Error, Misbehaviour, Result};

/// Whether a file is good, or refused for good reasons.
pub(crate) type CheckResult = Result<(), CheckError>;

/// Why a file did not go all the way.
pub(crate) enum CheckError {
    /// It was refused, as files are.
    Refused,
    /// Something is wrong.
    Suspicious(Suspicion),
}

impl CheckError {
    /// Findings about texts that differ in numbers only are one.
    pub(crate) fn new(oracle: &'static str, about: &str, detail: impl Into<String>) -> Self {
        let about = about.split(|c: char| c.is_ascii_digit()).collect::<Vec<_>>().join("#");
        let about = about.split(':').next().unwrap_or_default().to_owned();
        CheckError::Suspicious(Suspicion { oracle, about, exact: true, detail: detail.into(), bound: None })
    }
}

/// The engine's records and the file contradict each other.
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
            Misbehaviour::Trap { export, trap } => ("trap", format!("{export} {trap}")),
            Misbehaviour::Fuel { export, .. } => ("fuel", (*export).to_owned()),
            Misbehaviour::Memory { .. } => ("memory", String::new()),
            Misbehaviour::Window { .. } => ("window", String::new()),
            Misbehaviour::Answer(text) => ("answer", text.clone()),
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

/// What a panic or an error that is nobody's fault but ours amounts to.
pub(crate) fn suspicion(checked: std::thread::Result<CheckResult>) -> Option<Suspicion> {
    let error = match checked {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error,
        Err(panic) => {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or(panic.downcast_ref::<&str>().copied()).unwrap_or("in other words");
            CheckError::new("host-panic", words, words)
        }
    };
    match error {
        CheckError::Refused => None,
        CheckError::Suspicious(found) => Some(found),
    }
}
