//! Errors as a program sees them: a number, and a list of diagnostics.

use crate::types;
use relobox_cabi::boundary::c_text;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::Error;
use std::ffi::{CString, c_char};
use std::ptr::null;

/// The pointer to a text that may be missing.
pub(crate) fn or_null(text: Option<&CString>) -> *const c_char {
    text.map_or(null(), |text| text.as_ptr())
}

/// What was wrong.
#[derive(Default)]
pub(crate) struct Report {
    /// All of it, as lines for people.
    pub(crate) text: CString,
    entries: Vec<Entry>,
}

/// A diagnostic, with its texts as C has them.
struct Entry {
    kind: CString,
    message: CString,
    file: Option<CString>,
    section: Option<CString>,
    relocation: Option<CString>,
    symbol: Option<CString>,
    defined_in: Option<CString>,
    text: Option<CString>,
    hint: Option<CString>,
    offset: Option<u64>,
    value: Option<i64>,
    min: Option<i64>,
    max: Option<i64>,
}

impl Report {
    /// The report about an error. There is at least one diagnostic.
    pub(crate) fn of(error: &Error) -> Self {
        let entries = match error {
            Error::Module(problems) | Error::Reported(problems) => problems.iter().map(Entry::of).collect(),
            Error::Kernel(problem) => vec![Entry::of(problem)],
            Error::Io { path, source } => {
                vec![Entry::about(path.display().to_string(), source)]
            }
            Error::Usage(text) => vec![Entry::plain("usage", text)],
            Error::Guest { .. } => vec![Entry::plain("guest", &error.to_string())],
            Error::Linker(_) => vec![Entry::plain("linker", &error.to_string())],
        };
        Self { text: c_text(error.to_string()), entries }
    }

    /// The report about a panic.
    pub(crate) fn of_panic() -> Self {
        let text = "librelobox panicked; standard error has the reason";
        Self { text: c_text(text), entries: vec![Entry::plain("panic", text)] }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<types::Diagnostic> {
        let entry = self.entries.get(index)?;
        let bit = |there: bool, bit: types::Has| if there { bit as u32 } else { 0 };
        let has = bit(entry.offset.is_some(), types::Has::Offset)
            | bit(entry.value.is_some(), types::Has::Value)
            | bit(entry.min.is_some(), types::Has::Min)
            | bit(entry.max.is_some(), types::Has::Max);
        Some(types::Diagnostic {
            kind: entry.kind.as_ptr(),
            message: entry.message.as_ptr(),
            file: or_null(entry.file.as_ref()),
            section: or_null(entry.section.as_ref()),
            relocation: or_null(entry.relocation.as_ref()),
            symbol: or_null(entry.symbol.as_ref()),
            defined_in: or_null(entry.defined_in.as_ref()),
            text: or_null(entry.text.as_ref()),
            hint: or_null(entry.hint.as_ref()),
            offset: entry.offset.unwrap_or(0),
            value: entry.value.unwrap_or(0),
            min: entry.min.unwrap_or(0),
            max: entry.max.unwrap_or(0),
            has,
        })
    }
}

impl Entry {
    fn of(problem: &Diagnostic) -> Self {
        let some = |text: &Option<String>| text.as_ref().map(c_text);
        let filled = |text: &String| if text.is_empty() { None } else { Some(c_text(text)) };
        Self {
            kind: c_text(problem.kind),
            message: c_text(problem.to_string()),
            file: filled(&problem.file),
            section: some(&problem.section),
            relocation: some(&problem.relocation),
            symbol: some(&problem.symbol),
            defined_in: some(&problem.defined_in),
            text: filled(&problem.text),
            hint: filled(&problem.hint),
            offset: problem.offset,
            value: problem.value,
            min: problem.min,
            max: problem.max,
        }
    }

    /// An error of the operating system about a file.
    fn about(file: String, source: &std::io::Error) -> Self {
        let kind = "io";
        Self::of(&Diagnostic::new(kind, file, source.to_string()))
    }

    /// An error that is about no file.
    fn plain(kind: &'static str, text: &str) -> Self {
        let problem = Diagnostic::new(kind, "", text);
        Self { message: c_text(text), ..Self::of(&problem) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_says_whether_it_is_there() {
        let problem = Diagnostic {
            section: Some(".text".into()),
            offset: Some(0),
            value: Some(-1),
            ..Diagnostic::new("out-of-range", "m.ko", "")
        };
        let report = Report::of(&Error::Reported(vec![problem.clone(), problem]));
        assert_eq!(report.len(), 2);
        let one = report.get(1).unwrap();
        assert_eq!(one.has, types::Has::Offset as u32 | types::Has::Value as u32);
        assert!(one.symbol.is_null() && one.text.is_null() && !one.section.is_null());
        assert!(report.get(2).is_none());
        let usage = Report::of(&Error::Usage("no".into()));
        assert_eq!((usage.text.as_c_str(), usage.len()), (c"no", 1));
        assert_eq!(usage.entries[0].message.as_c_str(), c"no");
        assert_eq!(usage.entries[0].kind.as_c_str(), c"usage");
    }
}
