//! What is wrong with a module, as data, and where it becomes words.
//!
//! Names in it are as they were found, and escaped by `Display`.

use crate::limits;
use crate::text::{Escaping, hex_value};
use serde::Serialize;
use std::fmt::{self, Write as _};

/// One thing that is wrong with a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// A stable word for it: `out-of-range`, `undefined-symbol` …
    pub kind: &'static str,
    /// The module's file name.
    pub file: String,
    /// The section at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Offset in the section, or in the file where there is no section, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The relocation's name, or its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relocation: Option<String>,
    /// Its index among the module's relocations; not for people.
    #[serde(skip)]
    pub index: Option<u32>,
    /// The symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Who defines the symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defined_in: Option<String>,
    /// The offending value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// The smallest allowed value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The largest allowed value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// What is wrong, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Diagnostic {
    /// A problem of a file, with words.
    pub fn new(kind: &'static str, file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind, file: file.into(), text: text.into(), ..Self::default() }
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// Diagnostics of a module, of which there may be one for each of its symbols: the first [`limits::FAULTS`], and how many more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    more: u64,
}

impl Diagnostics {
    /// Adds a problem, which is made only if it is kept.
    pub fn add(&mut self, problem: impl FnOnce() -> Diagnostic) {
        if self.kept.len() < limits::FAULTS {
            self.kept.push(problem());
        } else {
            self.more += 1;
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Those that were kept; behind them, if there are more, a problem of `file` that says how many.
    #[must_use]
    pub fn into_vec(mut self, file: &str) -> Vec<Diagnostic> {
        if self.more != 0 {
            self.kept.push(Diagnostic::new("more", file, format!("and {} more problems", self.more)));
        }
        self.kept
    }
}

/// The first of many names, for people: `a, b and 3 more`.
#[must_use]
pub fn some_of(names: &[String]) -> String {
    let first = names.iter().take(limits::NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(limits::NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Says that `count` problems beyond those that are listed were not kept, if there are any.
pub fn more(file: &str, count: u64) -> Option<Diagnostic> {
    (count != 0).then(|| Diagnostic::new("more", file, format!("and {count} more faults")))
}

/// The kinds of problems that are told in their own way, below.
pub const FORMATTED_KINDS: [&str; 14] = [
    "out-of-range",
    "misaligned",
    "outside-section",
    "bad-symbol",
    "unknown-relocation",
    "unpaired",
    "not-zero",
    "rejected-relocation",
    "bad-instruction",
    "addend-form",
    "malformed",
    "too-large",
    "not-elf",
    "bad-stream",
];

impl fmt::Display for Diagnostic {
    /// The wording that people know from linkers: `file:(section+offset): what; about which symbol; what to do`.
    /// Whatever names are in it, it is one line, and harmless.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping(f);
        f.write_str(&self.file)?;
        if let Some(section) = &self.section {
            match (self.relocation.is_some(), self.offset) {
                (true, Some(offset)) => write!(f, ":({section}+{offset:#x})")?,
                _ => write!(f, ":({section})")?,
            }
        }
        f.write_str(": ")?;
        if let Some(relocation) = &self.relocation {
            write!(f, "relocation {relocation} ")?;
        }
        let (value, min, max) = (self.value.unwrap_or(0), self.min.unwrap_or(0), self.max.unwrap_or(0));
        match self.kind {
            "out-of-range" => {
                write!(f, "out of range: {} is not in [{}, {}]", hex_value(value), hex_value(min), hex_value(max))?;
                self.words(f, "; ")?;
            }
            "misaligned" => {
                write!(f, "misaligned: {} is not a multiple of {min}", hex_value(value))?;
                self.words(f, "; ")?;
            }
            "outside-section" => write!(f, "does not lie in its section, which has {max:#x} bytes")?,
            "bad-symbol" => write!(f, "names symbol {value}, and there are {}", max.saturating_add(1))?,
            "unknown-relocation" => f.write_str("is of a type that the plugin does not know")?,
            "unpaired" => {
                f.write_str("has no partner")?;
                self.words(f, ": ")?;
            }
            "not-zero" => write!(f, "finds {} where there should be zero", hex_value(value))?,
            "rejected-relocation" => {
                f.write_str("cannot be in a module: it ")?;
                f.write_str(&self.text)?;
            }
            "bad-instruction" => {
                write!(f, "does not patch the instruction it finds, {}", hex_value(value))?;
                self.words(f, ": ")?;
            }
            "addend-form" => {
                f.write_str("is in a section of the other kind: REL has addends in place, RELA explicit ones")?
            }
            "malformed" => {
                write!(f, "malformed: {} is {value:#x}", self.text)?;
                if let Some(max) = self.max {
                    write!(f, ", and may be {max:#x} at most")?;
                }
            }
            "too-large" => write!(f, "too large: {} {value}, limit {max}", self.text)?,
            "not-elf" => write!(f, "not a relocatable ELF file: {}", self.text)?,
            "bad-stream" => write!(f, "damaged: {}", self.text)?,
            _ => f.write_str(&self.text)?,
        }
        if let Some(symbol) = &self.symbol {
            write!(f, "; references '{symbol}'")?;
            if let Some(owner) = &self.defined_in {
                write!(f, " ({owner})")?;
            }
        }
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

impl Diagnostic {
    fn words(&self, f: &mut impl fmt::Write, before: &str) -> fmt::Result {
        if self.text.is_empty() { Ok(()) } else { write!(f, "{before}{}", self.text) }
    }
}

/// All problems, one on a line, up to a limit; and behind them how many were found and not kept.
#[must_use]
pub fn problems(problems: &[Diagnostic]) -> String {
    let (listed, rest) = apart(problems);
    let shown = listed.iter().take(limits::SHOWN).map(Diagnostic::to_string);
    let hidden = hidden(problems);
    let hidden = (hidden != 0).then(|| format!("… and {hidden} more"));
    shown.chain(hidden).chain(rest.map(Diagnostic::to_string)).collect::<Vec<_>>().join("\n")
}

/// How many of `problems` [`problems()`](problems) only counts.
#[must_use]
pub fn hidden(problems: &[Diagnostic]) -> usize {
    apart(problems).0.len().saturating_sub(limits::SHOWN)
}

/// Those that say what is wrong, and the one that says how many were not kept.
fn apart(problems: &[Diagnostic]) -> (&[Diagnostic], Option<&Diagnostic>) {
    match problems {
        [listed @ .., last] if last.kind == "more" => (listed, Some(last)),
        _ => (problems, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_counted_and_what_was_not_kept_is_said() {
        let many = |count: usize| vec![Diagnostic::new("undefined-symbol", "m.ko", "undefined symbol"); count];
        assert_eq!((problems(&many(limits::SHOWN)).lines().count(), hidden(&many(limits::SHOWN))), (limits::SHOWN, 0));
        let mut kept = many(limits::FAULTS);
        let left = limits::FAULTS - limits::SHOWN;
        assert!(problems(&kept).ends_with(&format!("\n… and {left} more")));
        kept.extend(more("m.ko", 5000));
        assert!(problems(&kept).ends_with(&format!("\n… and {left} more\nm.ko: and 5000 more faults")));
        assert_eq!(hidden(&kept), left);
        assert_eq!(more("m.ko", 0), None);
        // No text promises what only some commands have.
        assert!(!problems(&kept).contains("--json"));
    }
}
