//! No import cycle among the files of a crate.

use std::path::{Path, PathBuf};

use relobox_tests::imports;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// `src/lib.rs` and `src/main.rs` of every package below `dir`.
fn roots(dir: &Path, found: &mut Vec<PathBuf>) {
    if dir.join("Cargo.toml").exists() {
        found.extend(
            ["lib.rs", "main.rs"].map(|name| dir.join("src").join(name)).into_iter().filter(|root| root.exists()),
        );
    }
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type().unwrap().is_dir()
            && !hidden
            && entry.file_name() != "target"
            && entry.file_name() != "templates"
        {
            roots(&entry.path(), found);
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    roots(repository(), &mut found);
    assert!(found.len() > 12, "{found:?}");
    let mut cycles = Vec::new();
    for root in found {
        let graph = imports::graph(&root).unwrap();
        let name = root.strip_prefix(repository()).unwrap().to_owned();
        for cycle in imports::cycles(&graph) {
            let mut text = format!("{}: a cycle of {} files", name.display(), cycle.len());
            for from in &cycle {
                for to in graph[from].intersection(&cycle) {
                    text.push_str(&format!("\n  {} -> {}", from.display(), to.display()));
                }
            }
            cycles.push(text);
        }
    }
    assert!(cycles.is_empty(), "{}", cycles.join("\n"));
}
