//! Lists `src/arch/*.rs`, so that a new architecture is one new file.

use std::fmt::Write as _;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("src/arch");
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&dir)? {
        let path = entry?.path();
        match path.file_stem().and_then(|name| name.to_str()) {
            Some(name) if name != "mod" && path.extension().is_some_and(|e| e == "rs") => names.push(name.to_owned()),
            _ => {}
        }
    }
    names.sort();
    let mut text = String::new();
    for name in &names {
        writeln!(text, "#[path = {:?}]\nmod {name};", dir.join(format!("{name}.rs")))?;
    }
    writeln!(text, "/// All architectures, by name.\npub static ALL: [&Architecture; {}] = [", names.len())?;
    for name in &names {
        writeln!(text, "    &{name}::ARCHITECTURE,")?;
    }
    text += "];\n";
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("architectures.rs"), text)?;
    Ok(())
}
