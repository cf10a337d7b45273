//! The header is that of the functions and types, and the version script names the same functions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The header, as cbindgen makes it.
fn header() -> String {
    let config = cbindgen::Config::from_file(here("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config).with_src(here("src/types.rs"));
    for name in ["context", "symbols", "modules", "results"] {
        builder = builder.with_src(here(&format!("src/exports/{name}.rs")));
    }
    let mut text = Vec::new();
    builder.generate().expect("a header").write(&mut text);
    String::from_utf8(text).expect("text")
}

#[test]
fn the_header_is_made_from_the_sources() {
    let (made, path) = (header(), here("include/relobox.h"));
    if std::env::var_os("RELOBOX_BLESS").is_some() {
        std::fs::write(&path, &made).expect("a header");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == there, "{}: differs from the sources; RELOBOX_BLESS=1 writes it", path.display());
    for opaque in ["struct relobox_context;", "struct relobox_image;"] {
        assert!(made.contains(opaque), "{opaque}");
    }
}

#[test]
fn the_version_script_names_the_functions_of_the_header() {
    let header = std::fs::read_to_string(here("include/relobox.h")).expect("a header");
    // Comments have no other names before a parenthesis.
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let named = header.match_indices("relobox_").map(|(at, _)| word(&header[at..]));
    let functions: BTreeSet<String> = named.filter(|name| header.contains(&format!("{name}("))).collect();
    let map = std::fs::read_to_string(here("librelobox.map")).expect("a version script");
    let versioned: BTreeSet<String> = map
        .lines()
        .filter_map(|line| line.strip_prefix('\t')?.strip_suffix(';'))
        .filter(|name| *name != "*")
        .map(str::to_owned)
        .collect();
    assert_eq!(functions, versioned);
    assert!(versioned.len() > 50 && map.contains("RELOBOX_1 {"), "{versioned:?}");
}

/// The declarations of a header, as cffi reads them: without comments, and without what is for the preprocessor.
fn declarations(header: &str) -> String {
    let mut lines = Vec::new();
    for line in header.lines() {
        let code = line.split("//").next().unwrap_or_default().trim_end();
        let apart = code.starts_with(['#', '/']) || code.starts_with(" *") || code.starts_with("extern") || code == "}";
        if !code.is_empty() && !apart {
            lines.push(code);
        }
    }
    lines.join("\n")
}

#[test]
fn python_has_the_declarations_of_the_header() {
    let path = here("python/relobox.py");
    let file = std::fs::read_to_string(&path).expect("relobox.py");
    let (start, rest) = file.split_once("_DECLARATIONS = \"\"\"\n").expect("declarations");
    let (there, end) = rest.split_once("\"\"\"\n").expect("their end");
    let made = declarations(&header()) + "\n";
    if std::env::var_os("RELOBOX_BLESS").is_some() {
        std::fs::write(&path, format!("{start}_DECLARATIONS = \"\"\"\n{made}\"\"\"\n{end}")).expect("relobox.py");
        return;
    }
    assert!(made == there, "{}: differs from the header; RELOBOX_BLESS=1 writes it", path.display());
    assert!(made.matches(");").count() > 50, "{made}");
    let version = format!("\"{}\"\n", env!("CARGO_PKG_VERSION"));
    let project = std::fs::read_to_string(here("python/pyproject.toml")).expect("pyproject.toml");
    for (name, text) in [("relobox.py", &file), ("pyproject.toml", &project)] {
        assert!(
            text.contains(&format!("version = {version}")) || text.contains(&format!("version__ = {version}")),
            "{name}"
        );
    }
}
