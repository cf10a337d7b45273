//! The errors that a job reports, as they are sent. All of them are *shown only* (see [`message`](crate::message)), and
//! all texts are cut to a limited length.

use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::GuestError;
use relobox_core::limits;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Mutex;

/// A [`Diagnostic`], as it is sent. Shown only. The kind chooses the wording, and appears in JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct DiagnosticForm {
    kind: String,
    file: String,
    section: Option<String>,
    offset: Option<u64>,
    relocation: Option<String>,
    symbol: Option<String>,
    defined_in: Option<String>,
    value: Option<i64>,
    min: Option<i64>,
    max: Option<i64>,
    text: String,
    hint: String,
}

impl DiagnosticForm {
    /// Converts a problem. Its index in a list is dropped.
    pub fn new(problem: Diagnostic) -> Self {
        let Diagnostic {
            kind,
            file,
            section,
            offset,
            relocation,
            symbol,
            defined_in,
            value,
            min,
            max,
            text,
            hint,
            index: _,
        } = problem;
        let kind = kind.to_owned();
        Self { kind, file, section, offset, relocation, symbol, defined_in, value, min, max, text, hint }
    }

    /// Converts it back, with texts of limited length. They are escaped where they are printed.
    pub(crate) fn problem(self) -> Diagnostic {
        let Self { kind, file, section, offset, relocation, symbol, defined_in, value, min, max, text, hint } = self;
        Diagnostic {
            index: None,
            kind: word(&kind),
            file: cut(file),
            section: section.map(cut),
            offset,
            relocation: relocation.map(cut),
            symbol: symbol.map(cut),
            defined_in: defined_in.map(cut),
            value,
            min,
            max,
            text: cut(text),
            hint: cut(hint),
        }
    }
}

/// Cuts a text to [`limits::TEXTS`] times the length that a guest's text may have, because some texts name many things.
pub(crate) fn cut(mut text: String) -> String {
    let end = text.floor_char_boundary(limits::TEXTS * limits::TEXT);
    if end < text.len() {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Converts a word such as the kind of a problem to a static string. The memory of new words is never freed, so their
/// number is limited.
fn word(text: &str) -> &'static str {
    static KNOWN: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let proper = text.len() <= 40 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let Ok(mut known) = KNOWN.lock() else { return "other" };
    // The kinds that choose the wording are always known, even if a job fills the table with others.
    let known = known.get_or_insert_with(|| HashSet::from(relobox_core::diagnostic::FORMATTED_KINDS));
    match known.get(text) {
        Some(word) => word,
        None if proper && known.len() < limits::KINDS => {
            let word = &*String::leak(text.to_owned());
            known.insert(word);
            word
        }
        None => "other",
    }
}

/// A [`GuestError`], as it is sent. Shown only.
#[derive(Debug, Serialize, Deserialize)]
pub enum GuestErrorForm {
    /// See [`GuestError::Unusable`].
    Unusable(String),
    /// See [`GuestError::Imports`].
    Imports(String),
    /// See [`GuestError::Version`].
    Version(u32, RangeInclusive<u32>),
    /// See [`GuestError::Trap`].
    Trap(String, String),
    /// See [`GuestError::Fuel`].
    Fuel(String, u64),
    /// See [`GuestError::Memory`].
    Memory(u64, u64),
    /// See [`GuestError::MalformedAnswer`].
    Answer(String),
    /// See [`GuestError::OutOfWindowWrite`].
    Window(String, u64),
}

impl GuestErrorForm {
    pub(crate) fn new(what: GuestError) -> Self {
        match what {
            GuestError::Unusable(text) => Self::Unusable(text),
            GuestError::Imports(text) => Self::Imports(text),
            GuestError::Version(theirs, ours) => Self::Version(theirs, ours),
            GuestError::Trap { export, trap } => Self::Trap(export.into_owned(), trap),
            GuestError::Fuel { export, fuel } => Self::Fuel(export.into_owned(), fuel),
            GuestError::Memory { bytes, limit } => Self::Memory(bytes, limit),
            GuestError::MalformedAnswer(text) => Self::Answer(text),
            GuestError::OutOfWindowWrite { section, offset } => Self::Window(section, offset),
        }
    }

    pub(crate) fn misbehaviour(self) -> GuestError {
        match self {
            Self::Unusable(text) => GuestError::Unusable(cut(text)),
            Self::Imports(text) => GuestError::Imports(cut(text)),
            Self::Version(theirs, ours) => GuestError::Version(theirs, ours),
            Self::Trap(export, trap) => GuestError::Trap { export: cut(export).into(), trap: cut(trap) },
            Self::Fuel(export, fuel) => GuestError::Fuel { export: cut(export).into(), fuel },
            Self::Memory(bytes, limit) => GuestError::Memory { bytes, limit },
            Self::Answer(text) => GuestError::MalformedAnswer(cut(text)),
            Self::Window(section, offset) => GuestError::OutOfWindowWrite { section: cut(section), offset },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_words_are_tamed() {
        let problem = Diagnostic::new("ok", "a\x1b[2Jb", "\n".repeat(100_000));
        let mut form = DiagnosticForm::new(problem);
        form.kind = "Bad\x07".into();
        let problem = form.problem();
        assert_eq!((problem.kind, problem.file.as_str()), ("other", "a\x1b[2Jb"));
        assert!(problem.text.len() < 100_000);
        let said = problem.to_string();
        assert!(said.starts_with("a\\u{1b}[2Jb: \\u{a}") && said.lines().count() == 1, "{said}");
        assert!(problem.text.ends_with('…'));
        assert!((0..10 * limits::KINDS).any(|n| word(&format!("kind-{n}")) == "other"));
    }
}
