//! Hostile guests from the `.wat` files of `tests/hostile/`. Each file contains only what is wrong with the guest.
//!
//! The first lines of a file describe the guest and the expected outcome:
//!
//! ```text
//! ;; Loops for ever in plan.
//! ;; => Fuel: in relobox_plan
//! ```
//!
//! `=>` is followed by `links`, by `Module:` and words of the message, or by a variant of the host's `GuestError` and
//! words of its message.
//!
//! The rest of the guest is taken from `honest.wat` in the same directory: every top-level form, except functions and
//! memories that the file exports itself. Data segments of both are kept, and those of the file come later and
//! overwrite the others. In `raw/`, files are whole modules.

use std::path::{Path, PathBuf};

/// A hostile guest with its expected outcome.
#[derive(Debug)]
pub struct GuestCase {
    /// The name of the file without `.wat`.
    pub name: String,
    /// The expected outcome.
    pub expected: Expected,
    /// The Wasm binary.
    pub wasm: Vec<u8>,
}

/// The expected outcome of a hostile guest.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    /// The module is linked; what the guest does is allowed.
    Links,
    /// The module is refused, with these words in the message.
    Module(String),
    /// The guest breaks the contract: the variant of `GuestError`, and words of the message.
    Guest(String, String),
}

/// Returns the directory of the `.wat` files.
#[must_use]
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

/// Reads all guests in a subdirectory of [`directory`], sorted by name.
///
/// # Panics
///
/// If a file cannot be read, has no expectation, or cannot be assembled.
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

/// Reads one guest.
///
/// # Panics
///
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

/// Reads the honest guest of a subdirectory, from which each hostile guest differs in one respect.
///
/// # Panics
///
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

/// Returns the name in a form's `(export "NAME")`.
fn export_of(form: &str) -> Option<&str> {
    form.split_once("(export \"")?.1.split_once('"').map(|(name, _)| name)
}

/// Splits text into top-level forms, each of which begins with `(` at the start of a line.
fn forms(text: &str) -> Vec<&str> {
    let starts: Vec<usize> =
        text.match_indices('(').map(|(i, _)| i).filter(|i| *i == 0 || text.as_bytes()[i - 1] == b'\n').collect();
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
}
