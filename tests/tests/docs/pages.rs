//! Tables in the pages: between `<!-- record NAME -->` or `<!-- constants NAME -->` and `<!-- end -->`.

use crate::{abi, hold, limits, path, read};
use std::fmt::Write as _;

/// `| 8 | u32 | … |` for a record's fields.
fn record(name: &str) -> String {
    let records = abi::records();
    let record = records.iter().find(|r| r.name == name).unwrap_or_else(|| panic!("no record {name}"));
    let mut out = format!("**`{name}`**, {} bytes. {}\n\n", record.size, record.doc);
    out.push_str("| offset | type | field | meaning |\n|---:|---|---|---|\n");
    for f in &record.fields {
        let _ = writeln!(out, "| {} | {} | `{}` | {} |", f.offset, ty(&f.ty), f.name, cell(&f.doc));
    }
    out
}

/// A type as the pages write it: `u64[2]`.
fn ty(rust: &str) -> String {
    match rust.strip_prefix('[').and_then(|t| t.strip_suffix(']')?.split_once("; ")) {
        Some((element, count)) => format!("{element}[{count}]"),
        None => rust.to_owned(),
    }
}

fn constants(name: &str) -> String {
    let groups = abi::constants();
    let group = groups.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no constants {name}"));
    let mut out = format!("**`{name}`**: {}\n\n| name | value | meaning |\n|---|---:|---|\n", group.doc);
    for c in &group.constants {
        let _ = writeln!(out, "| `{}` | {} | {} |", c.name, c.value, cell(&c.doc));
    }
    out
}

/// Text that does not end a table's cell.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The page with everything between markers made anew, and how many markers it has.
fn made(page: &str, text: &str) -> (String, usize) {
    let (mut out, mut markers, mut skipping) = (String::new(), 0, false);
    for line in text.lines() {
        if line == "<!-- end -->" {
            assert!(skipping, "{page}: an end without a beginning");
            skipping = false;
        }
        if skipping {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        let Some(marker) = line.strip_prefix("<!-- ").and_then(|l| l.strip_suffix(" -->")) else { continue };
        let table = match marker.split_once(' ') {
            Some(("record", name)) => record(name),
            Some(("constants", name)) => constants(name),
            Some(("limits", source)) => limits::table(source),
            _ => continue,
        };
        markers += 1;
        skipping = true;
        let _ = write!(out, "\n{table}\n");
    }
    assert!(!skipping, "{page}: a beginning without an end");
    (out, markers)
}

#[test]
fn tables_are_current() {
    let mut seen = String::new();
    for page in ["abi", "engine", "limits"] {
        let name = format!("docs/{page}.md");
        let (wanted, markers) = made(&name, &read(&name));
        assert!(markers > 0, "{name}");
        hold(&name, &wanted);
        seen.push_str(&wanted);
    }
    // Nothing of the boundary is left out: no export, record or constant.
    let sources = read("arch-plugins/abi/src/export.rs") + &read("arch-plugins/abi/src/constants.rs");
    let names: Vec<_> = sources.split(": &str = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        assert!(seen.contains(&format!("`{name}`")), "no page describes {name}");
    }
    for r in abi::records() {
        assert!(seen.contains(&format!("<!-- record {} -->", r.name)), "no page describes {}", r.name);
    }
    for c in abi::constants() {
        assert!(seen.contains(&format!("<!-- constants {} -->", c.name)), "no page describes {}", c.name);
    }
}

/// Links between pages lead somewhere.
#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for entry in std::fs::read_dir(path("docs")).expect("docs") {
        let file = entry.expect("an entry").path();
        if file.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            links += 1;
            assert!(file.with_file_name(target).exists(), "{}: {link} leads nowhere", file.display());
        }
    }
    assert!(links > 0);
}
