//! The limits, read from the files that hold them, each with its reason.

use crate::pages::cell;
use crate::{path, read};
use relobox::limits;
use std::fmt::Write as _;

/// One row for each constant of a source file.
pub(crate) fn table(source: &str) -> String {
    assert!(path(source).exists(), "{source}");
    let mut out = format!("From `{source}`.\n\n| limit | value | reason |\n|---|---:|---|\n");
    let (mut doc, mut rows) = (Vec::new(), 0);
    for line in read(source).lines() {
        if let Some(text) = line.strip_prefix("///") {
            doc.push(text.trim().to_owned());
            continue;
        }
        let constant = line.strip_prefix("pub(crate) const ").or_else(|| line.strip_prefix("pub const "));
        if let Some((name, (_, value))) = constant
            .filter(|c| !c.starts_with("fn "))
            .and_then(|c| c.split_once(": "))
            .and_then(|(name, rest)| Some((name, rest.trim_end_matches(';').split_once(" = ")?)))
        {
            let reason = doc.join(" ").replace("[`", "`").replace("`]", "`");
            let _ = writeln!(out, "| `{name}` | {} | {} |", amount(value), cell(&reason));
            rows += 1;
        }
        if !line.starts_with("#[") {
            doc.clear();
        }
    }
    assert!(rows > 3, "{source}: {rows}");
    out
}

/// `512 << 20` as `512 Mi`; what is no power of two times a number stays.
fn amount(value: &str) -> String {
    let parts = value.split_once(" << ").and_then(|(n, s)| Some((n.parse::<u64>().ok()?, s.parse::<u32>().ok()?)));
    let number = match parts {
        Some((n, shift)) => n << shift,
        None => match value.replace('_', "").parse() {
            Ok(n) => n,
            Err(_) => return format!("`{value}`"),
        },
    };
    match number {
        n if n >= 1 << 30 && n % (1 << 30) == 0 => format!("{} Gi", n >> 30),
        n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{} Mi", n >> 20),
        n if n >= 1 << 14 && n % (1 << 10) == 0 => format!("{} Ki", n >> 10),
        n => n.to_string(),
    }
}

/// The formulas of the pages, as arithmetic.
#[test]
fn the_formulas_are_those_of_the_pages() {
    let mi = 1u64 << 20;
    for input in [0, 1, 1000, 20 * mi] {
        assert_eq!(limits::memory_for(input) as u64, 8 * mi + 12 * input);
        assert_eq!(limits::fuel_for(input), 20_000_000 + 200 * input);
        assert_eq!(limits::synthetic_for(input), 4096 + 128 * input);
        assert_eq!(limits::names_for(input), (64 << 10) + 2 * input);
        let output = 3 * input + 7;
        assert_eq!(limits::unpack_memory(input, output) as u64, 192 * mi + input + 2 * output);
        assert_eq!(limits::unpack_fuel(input, output), 50_000_000 + 2000 * input + 100 * output);
    }
    assert_eq!(limits::memory_for(1 << 40), 3 << 30);
    for page in ["docs/abi.md", "docs/limits.md"] {
        let text = read(page);
        for formula in ["8 MiB + 12 × input", "20,000,000 + 200 × input", "4,096 + 128 × relocations"] {
            assert!(text.contains(formula), "{page} does not say {formula:?}");
        }
    }
    assert!(read("docs/engine.md").contains("64 KiB + 2 × file bytes"));
    let page = read("docs/limits.md");
    for formula in ["192 MiB + input + 2 × output", "50,000,000 + 2,000 × input + 100 × output"] {
        assert!(page.contains(formula), "{formula:?}");
    }
}

#[test]
fn amounts() {
    assert_eq!((amount("512 << 20"), amount("4 << 20")), ("512 Mi".into(), "4 Mi".into()));
    assert_eq!((amount("200"), amount("MESSAGE - 64")), ("200".into(), "`MESSAGE - 64`".into()));
}
