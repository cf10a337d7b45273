//! Sentences of the pages that name a fact of the tree: each is looked up.

use crate::{hold, read};
use relobox::guests::Guests;
use relobox::sandbox::Sandbox;
use std::fmt::Write as _;

/// Without blanks, which tables are set with.
fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The rows that ARCHITECTURE.md shows are rows.
#[test]
fn the_sample_rows_are_rows_of_the_plugin() {
    let (page, plugin) = (read("ARCHITECTURE.md"), dense(&read("arch-plugins/aarch64/src/lib.rs")));
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("R_AARCH64_")).collect();
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert!(plugin.contains(&dense(row)), "{row}");
    }
}

/// "The engine stays below 80 KB".
#[test]
fn the_engine_is_as_small_as_the_page_says() {
    let page = dense(&read("docs/decisions/2026-11-26-first-design.md"));
    let (_, rest) = page.split_once("Theenginestaysbelow").expect("the sentence");
    let most: u64 = rest.split("KB").next().unwrap_or_default().parse().expect("a number");
    let size = std::fs::metadata(crate::path("host/guests/engine.wasm")).expect("the engine").len();
    assert!(size < most * 1000, "{size} bytes");
}

/// The files of the table of stages exist, and so does every file and directory that the page names in a path.
#[test]
fn named_files_exist() {
    let mut seen = 0;
    for page in ["ARCHITECTURE.md", "README.md"] {
        for name in read(page).split('`').skip(1).step_by(2) {
            let file = name.ends_with(".rs") || name.ends_with(".md") || name.ends_with(".sh");
            let directory = name.ends_with('/') && !name.starts_with('/') && !name.contains('<');
            if (file || directory) && !name.contains([' ', '*']) {
                seen += 1;
                let places = [
                    "",
                    "host/src/",
                    "host/",
                    "host/link/src/",
                    "engine-wasm/src/",
                    "arch-plugins/",
                    "arch-plugins/sdk/",
                ];
                let found = places.iter().any(|place| crate::path(&format!("{place}{name}")).exists());
                let moved = matches!(name, "sdk/src/table.rs");
                assert!(found || moved && crate::path("arch-plugins/sdk/src/table.rs").exists(), "{page}: {name}");
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

/// The README's table of plugins is made from what they say of themselves.
#[test]
fn the_readme_names_every_plugin() {
    const MARKER: &str = "<!-- made by: RELOBOX_BLESS=1 cargo test -p relobox-tests --test docs -->\n";
    let readme = read("README.md");
    let guests = Guests::new(Sandbox::new(None).expect("the sandbox"), &[]).expect("guests");
    let mut table = String::from("| plugin | machine | types |\n|---|---|---:|\n");
    for (name, plugin) in guests.plugins() {
        let about = &plugin.unwrap_or_else(|e| panic!("{name}: {e}")).about;
        let types = about.rows.iter().filter(|row| row.writes()).count();
        writeln!(table, "| [`{0}`](arch-plugins/{0}/src/lib.rs) | {1} | {types} |", about.name, about.title).unwrap();
    }
    let (before, rest) = readme.split_once(MARKER).expect("a marker");
    let (_, after) = rest.split_once("\n\n").expect("a table");
    hold("README.md", &format!("{before}{MARKER}{table}\n{after}"));
}

/// The rows of the list in docs/plugins.md are those of `relobox plugin list`, but for the digests, which are one
/// build's. The list there is cut short.
#[test]
fn the_listed_plugins_are_those_that_are_built_in() {
    let page = read("docs/plugins.md");
    let guests = Guests::new(Sandbox::new(None).expect("the sandbox"), &[]).expect("guests");
    let mut seen = 0;
    for (name, plugin) in guests.plugins() {
        let about = &plugin.unwrap_or_else(|e| panic!("{name}: {e}")).about;
        let row = page.lines().find(|line| line.split_whitespace().next() == Some(about.name.as_str()));
        let Some(row) = row else { continue };
        let row: Vec<_> = row.split_whitespace().collect();
        let machine = &about.machines[0];
        let order = if machine.order == relobox_abi::order::BIG { "big" } else { "little" };
        let types = about.rows.iter().filter(|row| row.writes()).count();
        let (number, class) = (machine.machine.to_string(), machine.class.to_string());
        let expected = [&number, &class, order, &types.to_string(), &about.abi.to_string()];
        assert_eq!(row[1..6], expected.map(|cell| cell.to_owned()), "{}", about.name);
        seen += 1;
    }
    assert!(seen >= 3);
}

/// What docs/kernel.md says of the simulated kernel's sizes is what its limits are.
#[test]
fn the_simulated_kernels_sizes_are_those_of_the_page() {
    let (page, source) = (read("docs/kernel.md"), read("simkernel/src/limits.rs"));
    for (constant, said) in [
        ("MESSAGE: usize = 64 * 1024;", "at most 65,536 bytes"),
        ("CHUNK: usize = MESSAGE - 64;", "at most 65,472 bytes"),
        ("AREAS_PER_CONNECTION: usize = 128;", "128 areas"),
        ("BYTES_PER_CONNECTION: u64 = 80 << 20;", "80 MiB"),
        ("CONNECTIONS: usize = 64;", "64 connections"),
        ("MODULES: usize = 512;", "512 modules"),
        ("ARENA: u64 = 256 << 20;", "256 MiB of areas"),
        ("HEAP: usize = 64 << 20;", "64 MiB of kmalloc"),
        ("CALL_CPU_SECONDS: i64 = 10;", "10 s of processor time"),
        ("ADDRESS_SPACE: u64 = 1 << 30;", "1 GiB of address space"),
        ("CONSOLE: u64 = 1 << 20;", "files of at most 1 MiB (the console)"),
    ] {
        assert!(source.contains(&format!("const {constant}")), "another limit: {constant}");
        assert!(page.contains(said), "docs/kernel.md does not say: {said}");
    }
}
