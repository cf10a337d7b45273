//! Embeds what `relobox plugin new` writes: the files in `templates/`, and the sources of the crates that a plugin in Rust
//! stands on. Those are links in `vendor/`, so that they are in the package that `cargo package` makes.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let host = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    templates(&host, &out)
}

/// `(path below the new directory, text)`, in a table for each language and one for both.
fn templates(host: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let vendor = host.join("vendor");
    let mut source = String::new();
    for part in ["common", "rust", "c"] {
        let dir = host.join("templates").join(part);
        let mut table = Vec::new();
        files(&dir, &dir, &mut table)?;
        match part {
            "c" => table.push(("relobox.h".into(), vendor.join("relobox.h"))),
            // The page that a plugin's author needs beside the code.
            "common" => table.push(("abi.md".into(), vendor.join("abi.md"))),
            _ => {}
        }
        list(&mut source, part, table)?;
    }
    // The crates as they are, in a workspace of their own: their manifests inherit from it what they inherit here.
    let mut table = Vec::new();
    for name in ["abi", "sdk", "guest-rt"] {
        let (dir, mut own) = (vendor.join(name), Vec::new());
        files(&dir, &dir, &mut own)?;
        // Under its own name Cargo would take it for another package's, and leave the directory out of this one.
        table.extend(own.into_iter().map(|(to, from)| (format!("{name}/{}", to.trim_end_matches(".in")), from)));
    }
    let manifest = out.join("vendor.toml");
    fs::write(&manifest, workspace(&vendor.join("workspace.toml"))?)?;
    table.push(("Cargo.toml".into(), manifest));
    table.extend(["LICENSE-MIT", "LICENSE-APACHE"].map(|name| (name.to_owned(), vendor.join(name))));
    list(&mut source, "vendor", table)?;
    Ok(fs::write(out.join("templates.rs"), source)?)
}

/// All files below `dir`, with their paths from `root`.
fn files(root: &Path, dir: &Path, table: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", dir.display());
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files(root, &path, table)?;
        } else {
            table.push((path.strip_prefix(root)?.to_string_lossy().into_owned(), path));
        }
    }
    Ok(())
}

fn list(source: &mut String, name: &str, mut table: Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    table.sort();
    writeln!(source, "const {}: &[(&str, &str)] = &[", name.to_uppercase())?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (to, from) in table {
        // What this script writes is newer than its own last run, so that it would run again each time.
        if !from.starts_with(&out) {
            println!("cargo::rerun-if-changed={}", from.display());
        }
        writeln!(source, "    ({to:?}, include_str!({from:?})),")?;
    }
    Ok(writeln!(source, "];")?)
}

/// What this repository's workspace says of the three crates, as a workspace of just them.
fn workspace(manifest: &Path) -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", manifest.display());
    let text = fs::read_to_string(manifest)?;
    let mut out = String::from("[workspace]\nresolver = \"3\"\nmembers = [\"abi\", \"sdk\", \"guest-rt\"]\n");
    let mut section = "";
    for line in text.lines() {
        if line.starts_with('[') {
            section = line;
            if matches!(section, "[workspace.package]" | "[workspace.dependencies]" | "[workspace.lints.rust]") {
                writeln!(out, "\n{line}")?;
            }
            continue;
        }
        let wanted = match section {
            "[workspace.package]" | "[workspace.lints.rust]" => !line.is_empty(),
            "[workspace.dependencies]" => {
                ["relobox-abi ", "relobox-plugin ", "relobox-guest ", "zerocopy "].iter().any(|n| line.starts_with(n))
            }
            _ => false,
        };
        if wanted {
            writeln!(out, "{}", line.replace("\"arch-plugins/", "\""))?;
        }
    }
    Ok(out)
}
