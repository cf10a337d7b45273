//! The errors that a job reports, as they are sent. All of them are *shown only* (see [`message`](crate::message)), and
//! all texts are cut to a limited length.

use relobox_core::error::Misbehaviour;
use relobox_core::limits;
use relobox_core::problem::Problem;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Mutex;

/// A [`Problem`], as it is sent. Shown only. The kind chooses the wording, and appears in JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProblemForm {
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

impl ProblemForm {
    /// Converts a problem. Its index in a list is dropped.
    pub fn new(problem: Problem) -> Self {
        let Problem {
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
    pub(crate) fn problem(self) -> Problem {
        let Self { kind, file, section, offset, relocation, symbol, defined_in, value, min, max, text, hint } = self;
        Problem {
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
    let known = known.get_or_insert_with(|| HashSet::from(relobox_core::problem::TOLD_APART));
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

/// A [`Misbehaviour`], as it is sent. Shown only.
#[derive(Debug, Serialize, Deserialize)]
pub enum MisbehaviourForm {
    /// See [`Misbehaviour::Unusable`].
    Unusable(String),
    /// See [`Misbehaviour::Imports`].
    Imports(String),
    /// See [`Misbehaviour::Version`].
    Version(u32, u32),
    /// See [`Misbehaviour::Trap`].
    Trap(String, String),
    /// See [`Misbehaviour::Fuel`].
    Fuel(String, u64),
    /// See [`Misbehaviour::Memory`].
    Memory(u64, u64),
    /// See [`Misbehaviour::Answer`].
    Answer(String),
    /// See [`Misbehaviour::Window`].
    Window(String, u64),
}

impl MisbehaviourForm {
    pub(crate) fn new(what: Misbehaviour) -> Self {
        match what {
            Misbehaviour::Unusable(text) => Self::Unusable(text),
            Misbehaviour::Imports(text) => Self::Imports(text),
            Misbehaviour::Version(theirs, ours) => Self::Version(theirs, ours),
            Misbehaviour::Trap { export, trap } => Self::Trap(export.into(), trap),
            Misbehaviour::Fuel { export, fuel } => Self::Fuel(export.into(), fuel),
            Misbehaviour::Memory { bytes, limit } => Self::Memory(bytes, limit),
            Misbehaviour::Answer(text) => Self::Answer(text),
            Misbehaviour::Window { section, offset } => Self::Window(section, offset),
        }
    }

    pub(crate) fn misbehaviour(self) -> Misbehaviour {
        match self {
            Self::Unusable(text) => Misbehaviour::Unusable(cut(text)),
            Self::Imports(text) => Misbehaviour::Imports(cut(text)),
            Self::Version(theirs, ours) => Misbehaviour::Version(theirs, ours),
            Self::Trap(export, trap) => Misbehaviour::Trap { export: export_name(&export), trap: cut(trap) },
            Self::Fuel(export, fuel) => Misbehaviour::Fuel { export: export_name(&export), fuel },
            Self::Memory(bytes, limit) => Misbehaviour::Memory { bytes, limit },
            Self::Answer(text) => Misbehaviour::Answer(cut(text)),
            Self::Window(section, offset) => Misbehaviour::Window { section: cut(section), offset },
        }
    }
}

/// The name of a guest's export as a static string.
fn export_name(text: &str) -> &'static str {
    use relobox_abi::export::*;
    let known = [ABI, RESERVE, DESCRIBE, PARSE, PLAN, APPLY, EMIT, UNPACK, "start"];
    known.into_iter().find(|name| *name == text).unwrap_or("an export")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_words_are_tamed() {
        let problem = Problem::new("ok", "a\x1b[2Jb", "\n".repeat(100_000));
        let mut form = ProblemForm::new(problem);
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
