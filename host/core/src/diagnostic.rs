//! Diagnostics about a module, as data, and their text.
//!
//! Names are kept as they were found. `Display` escapes them.

use crate::limits;
use crate::text::{Escaped, Escaping, hex_value};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::{self, Write as _};

/// One diagnostic about a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// A stable identifier of the kind: `out-of-range`, `undefined-symbol` … docs/json.md lists all.
    pub kind: &'static str,
    /// The name of the module's file.
    pub file: String,
    /// The section.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// The offset in bytes: in the section, or in the file if there is no section.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The name of the relocation type, or its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relocation: Option<String>,
    /// The index of the relocation among the module's relocations; not shown.
    #[serde(skip)]
    pub index: Option<u32>,
    /// The symbol's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// The file or section that defines the symbol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defined_in: Option<String>,
    /// The value that caused the diagnostic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// The smallest allowed value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The largest allowed value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// What is wrong, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What the user can do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Diagnostic {
    /// Creates a diagnostic about `file`.
    ///
    /// # Examples
    ///
    /// ```
    /// use relobox_core::Diagnostic;
    ///
    /// let diagnostic = Diagnostic {
    ///     section: Some(".text".into()),
    ///     offset: Some(0x10),
    ///     relocation: Some("WREN_REL32".into()),
    ///     value: Some(0x8000_0000),
    ///     min: Some(-0x8000_0000),
    ///     max: Some(0x7fff_ffff),
    ///     symbol: Some("printk".into()),
    ///     ..Diagnostic::new("out-of-range", "m.ko", "")
    /// };
    /// assert_eq!(
    ///     diagnostic.to_string(),
    ///     "m.ko:(.text+0x10): relocation WREN_REL32 out of range: \
    ///      0x8000_0000 is not in [-0x8000_0000, 0x7fff_ffff]; references 'printk'"
    /// );
    /// ```
    pub fn new(kind: &'static str, file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind, file: file.into(), text: text.into(), ..Self::default() }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// The diagnostics of a module. Each of its symbols may cause one, so only the first [`limits::FAULTS`] are kept; the
/// others are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    more: u64,
}

impl Diagnostics {
    /// Adds a diagnostic. `problem` is only called if the diagnostic is kept.
    pub fn add(&mut self, problem: impl FnOnce() -> Diagnostic) {
        if self.kept.len() < limits::FAULTS {
            self.kept.push(problem());
        } else {
            self.more += 1;
        }
    }

    /// Returns whether there are no diagnostics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Returns the kept diagnostics. If there were more, the last one is about `file` and has their number.
    #[must_use]
    pub fn into_vec(mut self, file: &str) -> Vec<Diagnostic> {
        if self.more != 0 {
            self.kept.push(Diagnostic::new("more", file, format!("and {} more problems", self.more)));
        }
        self.kept
    }
}

/// Joins the first [`limits::NAMED`] of `names` for a message: `a, b and 3 more`.
#[must_use]
pub fn some_of(names: &[String]) -> String {
    let first = names.iter().take(limits::NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(limits::NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Returns a diagnostic which says that `count` faults were not kept, or `None` if `count` is 0.
pub fn more(file: &str, count: u64) -> Option<Diagnostic> {
    (count != 0).then(|| Diagnostic::new("more", file, format!("and {count} more faults")))
}

/// The kinds of diagnostics that `Display` formats in their own way. It shows the text of all others as it is.
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
    /// Writes the form that linkers use: `file:(section+offset): what is wrong; the symbol; the hint`. The result is
    /// one line, whatever is in the names, and contains nothing that a terminal interprets.
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
            "outside-section" => write!(f, "lies outside its section, which has {max:#x} bytes")?,
            "bad-symbol" => write!(f, "refers to symbol {value}, but there are only {}", max.saturating_add(1))?,
            "unknown-relocation" => f.write_str("is of a type that the plugin does not know")?,
            "unpaired" => {
                f.write_str("has no partner")?;
                self.words(f, ": ")?;
            }
            "not-zero" => write!(f, "is applied to {}, but the field must be zero", hex_value(value))?,
            "rejected-relocation" => {
                f.write_str("is not allowed in a module: it ")?;
                f.write_str(&self.text)?;
            }
            "bad-instruction" => {
                write!(f, "does not match the instruction {}", hex_value(value))?;
                self.words(f, ": ")?;
            }
            "addend-form" => f.write_str(
                "is in a section of the wrong kind: REL sections have addends in place, RELA sections explicit ones",
            )?,
            "malformed" => {
                write!(f, "malformed: {} is {value:#x}", self.text)?;
                if let Some(max) = self.max {
                    write!(f, "; the maximum is {max:#x}")?;
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

/// Formats diagnostics, one on a line. Those that differ only in their symbol share a line, which has at most
/// [`limits::SHOWN`] names. At most so many lines are shown; a last line has the number of the other diagnostics.
#[must_use]
pub fn problems(problems: &[Diagnostic]) -> String {
    let (listed, rest) = apart(problems);
    let lines = lines_of(listed);
    let shown = lines.iter().take(limits::SHOWN).map(|line| match line[..] {
        [only] => only.to_string(),
        _ => several(line),
    });
    let hidden: usize = lines.iter().skip(limits::SHOWN).map(Vec::len).sum();
    let hidden = (hidden != 0).then(|| format!("… and {hidden} more"));
    shown.chain(hidden).chain(rest.map(Diagnostic::to_string)).collect::<Vec<_>>().join("\n")
}

/// Returns how many of `problems` [`problems()`](problems) does not show.
#[must_use]
pub fn hidden(problems: &[Diagnostic]) -> usize {
    let lines = lines_of(apart(problems).0);
    let unnamed = lines.iter().take(limits::SHOWN).map(|line| line.len().saturating_sub(limits::SHOWN));
    unnamed.chain(lines.iter().skip(limits::SHOWN).map(Vec::len)).sum()
}

/// Splits diagnostics into those that are shown on one line. Each line is where its first diagnostic is.
fn lines_of(problems: &[Diagnostic]) -> Vec<Vec<&Diagnostic>> {
    let mut lines: Vec<Vec<&Diagnostic>> = Vec::new();
    let mut line_of: HashMap<(&str, &str, &str, &str, Option<&str>), usize> = HashMap::new();
    for problem in problems {
        let Diagnostic { section, offset, relocation, value, .. } = problem;
        let about_symbol = section.is_none() && offset.is_none() && relocation.is_none() && value.is_none();
        if !about_symbol || problem.symbol.is_none() {
            lines.push(vec![problem]);
            continue;
        }
        // The versions of each symbol are others.
        let text = if problem.kind == "crc-mismatch" { "" } else { &*problem.text };
        let key = (problem.kind, &*problem.file, text, &*problem.hint, problem.defined_in.as_deref());
        let at = *line_of.entry(key).or_insert(lines.len());
        match lines.get_mut(at) {
            Some(line) => line.push(problem),
            None => lines.push(vec![problem]),
        }
    }
    lines
}

/// The line of several diagnostics, of which each has a symbol.
fn several(line: &[&Diagnostic]) -> String {
    let count = line.len();
    let text = match line[0].kind {
        "undefined-symbol" => format!("{count} undefined symbols"),
        "crc-mismatch" => format!("the module was compiled against other versions of {count} symbols"),
        _ => line[0].text.clone(),
    };
    let names = line.iter().take(limits::SHOWN).filter_map(|problem| problem.symbol.as_deref());
    let names = names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let more = match count.saturating_sub(limits::SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let owner = line[0].defined_in.as_ref().map_or_else(String::new, |owner| format!(" ({owner})"));
    let hint = if line[0].hint.is_empty() { String::new() } else { format!("; {}", line[0].hint) };
    Escaped(format_args!("{}: {text}; references {names}{more}{owner}{hint}", line[0].file)).to_string()
}

/// Splits off the last diagnostic if it only says how many were not kept.
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
        // Those that differ in their symbol only share a line.
        let about = |kind, text: &str, i: usize| Diagnostic {
            symbol: Some(format!("s{i}")),
            ..Diagnostic::new(kind, "m.ko", text).hint("do it")
        };
        let mut several: Vec<_> = (0..3).map(|i| about("undefined-symbol", "undefined symbol", i)).collect();
        several.insert(1, Diagnostic::new("namespace", "m.ko", "no"));
        let lines = "m.ko: 3 undefined symbols; references 's0', 's1', 's2'; do it\nm.ko: no";
        assert_eq!((problems(&several).as_str(), hidden(&several)), (lines, 0));
        assert_eq!(problems(&several[..1]), "m.ko: undefined symbol; references 's0'; do it");
        let many: Vec<_> = (0..limits::SHOWN + 7).map(|i| about("crc-mismatch", &format!("v{i}"), i)).collect();
        let text = problems(&many);
        assert!(text.starts_with("m.ko: the module was compiled against other versions of 57 symbols; "), "{text}");
        assert!(text.ends_with("'s49' and 7 more; do it") && text.lines().count() == 1, "{text}");
        assert_eq!(hidden(&many), 7);
        let hostile = Diagnostic { symbol: Some("\u{1b}\n".into()), ..several[0].clone() };
        let text = problems(&[several[0].clone(), hostile]);
        assert!(text.contains("'\\u{1b}") && text.lines().count() == 1, "{text}");
        // The text does not mention an option that only some commands have.
        assert!(!problems(&kept).contains("--json"));
    }
}
