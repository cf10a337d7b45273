//! Guests from the `.wat` files of `tests/hostile/`: each holds what is wrong with it, and no more.
//!
//! The first lines of a file say what it does and what must come of it:
//! ```text
//! ;; Loops for ever in plan.
//! ;; => Fuel: in relobox_plan
//! ```
//! after `=>` stands `links`, or `Module:` with words of the message, or a variant of the host's
//! `Misbehaviour` with words of its message.
//!
//! What a file does not say is taken from `honest.wat` of its directory: every top-level form of that,
//! except functions and memories whose export the file has itself. Data is kept, and that of the file,
//! which comes later, overwrites it. In `raw/` files are whole modules.

use std::path::{Path, PathBuf};

/// A hostile guest, and what must come of it.
#[derive(Debug)]
pub struct GuestCase {
    /// The file's name, without `.wat`.
    pub name: String,
    /// What must come of it.
    pub expected: Expected,
    /// The Wasm.
    pub wasm: Vec<u8>,
}

/// What must come of a guest.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing: what it does is its own affair.
    Links,
    /// The module is refused, with these words.
    Module(String),
    /// A variant of `Misbehaviour`, and words of the message.
    Guest(String, String),
}

/// The directory of `.wat` files.
#[must_use]
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

/// Every case in a directory of [`directory`], by name.
///
/// # Panics
/// If a file cannot be read, has no expectation or does not assemble: then the test is wrong.
#[must_use]
pub fn cases(kind: &str) -> Vec<GuestCase> {
    let dir = directory().join(kind);
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(&dir).expect("tests/hostile") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|e| e == "wat") && name != "honest" {
            cases.push(case(kind, &name));
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// One case.
///
/// # Panics
/// As [`cases`].
#[must_use]
pub fn case(kind: &str, name: &str) -> GuestCase {
    let dir = directory().join(kind);
    let text = std::fs::read_to_string(dir.join(format!("{name}.wat"))).expect(name);
    let expected = text.lines().find_map(|line| line.strip_prefix(";; => ")).map(expectation);
    let expected = expected.unwrap_or_else(|| panic!("{name} does not say what must come of it"));
    let whole = match std::fs::read_to_string(dir.join("honest.wat")) {
        Ok(honest) => completed(&text, &honest),
        Err(_) => text,
    };
    let wasm = wat::parse_str(&whole).unwrap_or_else(|e| panic!("{name}: {e}"));
    GuestCase { name: name.to_owned(), expected, wasm }
}

/// The honest guest of a directory: what every case is, but for one thing.
///
/// # Panics
/// As [`cases`].
#[must_use]
pub fn honest(kind: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(directory().join(kind).join("honest.wat")).expect("honest.wat");
    wat::parse_str(completed("", &text)).expect("honest.wat")
}

fn expectation(line: &str) -> Expected {
    match line.split_once(": ") {
        None if line == "links" => Expected::Links,
        Some(("Module", words)) => Expected::Module(words.to_owned()),
        Some((variant, words)) => Expected::Guest(variant.to_owned(), words.to_owned()),
        None => panic!("not an expectation: {line}"),
    }
}

fn completed(case: &str, honest: &str) -> String {
    let mut out = String::from("(module\n");
    for form in forms(honest) {
        let overridden = export_of(form).is_some_and(|name| case.contains(&format!("(export \"{name}\"")));
        if !overridden {
            out.push_str(form);
            out.push('\n');
        }
    }
    out + case + ")"
}

/// The name in a form's `(export "NAME")`.
fn export_of(form: &str) -> Option<&str> {
    form.split_once("(export \"")?.1.split_once('"').map(|(name, _)| name)
}

/// Top-level forms. A line that begins with `(` begins one, and comments stand between them.
fn forms(text: &str) -> Vec<&str> {
    let starts: Vec<usize> =
        text.match_indices('(').map(|(i, _)| i).filter(|i| *i == 0 || text.as_bytes()[i - 1] == b'\n').collect();
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
}
