//! Every stable word of the sources is in docs/json.md.

use crate::{path, read};
use std::collections::BTreeSet;
use std::path::Path;

/// Every Rust file below `dir`, without its tests.
fn sources(dir: &Path, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            out.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
        }
    }
}

/// `out-of-range`, and not a sentence or a path.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// The source of every crate under `host/`.
fn crates(files: &mut Vec<String>) {
    sources(&path("host/src"), files);
    for entry in std::fs::read_dir(path("host")).expect("the host") {
        let dir = entry.expect("an entry").path();
        if dir.join("Cargo.toml").exists() {
            sources(&dir.join("src"), files);
        }
    }
}

/// The first string behind `at`, if nothing but an argument or two comes before it.
fn string_behind(at: &str) -> Option<&str> {
    let (before, rest) = at.split_once('"')?;
    let near = before.len() < 60 && !before.contains([';', '{', '}']);
    rest.split('"').next().filter(|_| near)
}

/// The words of `Diagnostic`s: what `Diagnostic::new`, a helper, a literal or `kind_of` gives.
fn words() -> BTreeSet<String> {
    let mut files = Vec::new();
    crates(&mut files);
    let mut out = BTreeSet::new();
    for text in &files {
        for start in ["Diagnostic::new(", "about(records, ", "refuse(", " kind: \""] {
            for (at, _) in text.match_indices(start) {
                let behind = &text[at + start.trim_end_matches('"').len()..];
                out.extend(string_behind(behind).filter(|w| is_word(w)).map(str::to_owned));
            }
        }
        for function in ["fn kind_of(fault: u32) -> &'static str {", "fn kind(&self) -> &'static str {"] {
            let Some((_, body)) = text.split_once(function) else { continue };
            let body = body.split("\n}").next().unwrap_or_default().split("\n    }\n\n").next().unwrap_or_default();
            out.extend(body.split("=> \"").skip(1).filter_map(|r| r.split('"').next()).map(str::to_owned));
        }
    }
    out
}

#[test]
fn every_kind_of_problem_is_documented() {
    let words = words();
    // One of each place that they come from.
    for known in ["out-of-range", "other", "undefined-symbol", "misplaced-section", "no-plugin", "too-large", "more"] {
        assert!(words.contains(known), "{known} is not found in the sources: {words:?}");
    }
    let page = read("docs/json.md");
    let missing: Vec<_> = words.iter().filter(|w| !page.contains(&format!("`{w}`"))).collect();
    assert!(missing.is_empty(), "docs/json.md does not say: {missing:?}");
    // And the page has none that is gone: the first column of the tables of kinds.
    let kinds = page.split("<!-- kinds -->").nth(1).expect("the tables of kinds").split("<!-- end -->").next();
    let listed = kinds.unwrap_or_default().lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next());
    let gone: Vec<_> = listed.filter(|w| !words.contains(*w)).collect();
    assert!(gone.is_empty(), "docs/json.md has words that the sources do not have: {gone:?}");
}

/// The fields of what `--json` prints are those of the structs that are serialised.
#[test]
fn every_field_is_documented() {
    let mut files = Vec::new();
    crates(&mut files);
    let page = read("docs/json.md");
    let (mut seen, mut missing) = (0, Vec::new());
    for text in &files {
        for derived in text.split("Serialize)]").skip(1) {
            let mut lines = derived.lines().map(str::trim).skip(1);
            // What a kernel runs is serialised nowhere.
            if !lines.next().is_some_and(|l| l.contains("struct ") && !l.contains("struct Machine ")) {
                continue;
            }
            let mut renamed = None;
            for line in lines.take_while(|l| *l != "}") {
                if line.contains("flatten") {
                    renamed = Some(None);
                } else if let Some(rest) = line.split("rename = \"").nth(1) {
                    renamed = Some(rest.split('"').next());
                }
                let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
                let Some((name, _)) = line.split_once(": ").filter(|(name, _)| !name.contains([' ', '/', '#'])) else {
                    continue;
                };
                let name = renamed.take().unwrap_or(Some(name));
                seen += 1;
                missing.extend(name.filter(|n| !page.contains(&format!("`{n}`"))).map(str::to_owned));
            }
        }
    }
    assert!(seen > 40, "only {seen} fields were found in the sources");
    assert!(missing.is_empty(), "docs/json.md does not say: {missing:?}");
}

/// The tags of the simulated kernel's messages are those of docs/kernel.md.
#[test]
fn every_message_is_documented() {
    let page = read("docs/kernel.md");
    let mut seen = 0;
    let missing = |source: &str, choice: &str, seen: &mut usize| -> Vec<String> {
        let text = read(source);
        let (_, body) = text.split_once(&format!("pub enum {choice} {{")).expect("the messages");
        let body = body.split("\n}\n").next().unwrap_or_default();
        let variants = body.lines().filter_map(|l| l.trim().split_once(" = "));
        let rows = variants.filter_map(|(tag, rest)| {
            let name = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
            tag.parse::<u8>().ok().map(|tag| format!("| {tag} | `{name}` |"))
        });
        let rows: Vec<_> = rows.collect();
        *seen += rows.len();
        rows.into_iter().filter(|row| !page.contains(row.as_str())).collect()
    };
    let mut all = missing("simkernel/src/protocol.rs", "Request", &mut seen);
    all.extend(missing("simkernel/src/protocol.rs", "Reply", &mut seen));
    all.extend(missing("simkernel/src/sim_error.rs", "SimError", &mut seen));
    assert!(seen > 30, "only {seen} messages were found in the sources");
    assert!(all.is_empty(), "docs/kernel.md does not say: {all:?}");
}

/// Kinds of areas: all that there are, and no other.
#[test]
fn every_kind_of_area_is_documented() {
    use relobox::areas::Kind;
    let page = read("docs/json.md");
    let table = page.split("Kinds of areas, ").nth(1).and_then(|rest| rest.split("\n#").next()).expect("the kinds");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    let named = |row: &str| -> BTreeSet<String> {
        let kinds = row.split('|').nth(2).expect("a second column");
        kinds.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let of = |kinds: &[Kind]| -> BTreeSet<String> { kinds.iter().map(|kind| kind.name().to_owned()).collect() };
    assert_eq!(named(rows[0]), of(&Kind::ALL));
    assert_eq!(named(rows[1]), of(&[Kind::Core, Kind::Init, Kind::PerCpu]));
    assert_eq!(named(rows[2]), of(&[Kind::Core]));
}

/// The three names of what relocates a module are the same everywhere.
#[test]
fn every_mode_is_documented() {
    use relobox::kernel::Mode;
    let (page, readme) = (read("docs/json.md"), read("README.md"));
    for mode in [Mode::Device, Mode::Vet, Mode::Sim] {
        assert!(page.contains(&format!("`{}`", mode.name())) && readme.contains(&format!("| `{}` |", mode.name())));
    }
}
