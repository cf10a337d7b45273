//! Lists every guest in this directory, so that a new architecture edits no existing file.

#[allow(unreachable_pub, reason = "a file of the crate, where it is public")]
#[path = "src/section.rs"]
mod section;

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "wasm") {
            names.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    names.sort();
    let (mut catalogue, mut wasm) = (String::from("&[\n"), String::from("&[\n"));
    for name in names {
        let (path, lock) = (dir.join(format!("{name}.wasm")), dir.join(format!("{name}.lock")));
        println!("cargo::rerun-if-changed={}", path.display());
        println!("cargo::rerun-if-changed={}", lock.display());
        // The workspace's tests compare it with the bytes.
        let lock = fs::read_to_string(lock)?;
        let digest = lock.lines().find_map(|line| line.strip_prefix("sha256 ")).ok_or("a lock without a digest")?;
        let digest: Vec<u8> =
            (0..32).map(|i| u8::from_str_radix(&digest[2 * i..2 * i + 2], 16)).collect::<Result<_, _>>()?;
        let bytes = fs::read(&path)?;
        let machines = section::machines(&bytes);
        let machines = machines.map_or("None".to_owned(), |section| format!("Some(&{section:?})"));
        writeln!(catalogue, "    Entry {{ name: {name:?}, digest: {digest:?}, machines: {machines} }},")?;
        writeln!(wasm, "    include_bytes!({path:?}),")?;
    }
    catalogue.push(']');
    wasm.push(']');
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("catalogue.rs"), catalogue)?;
    Ok(fs::write(out.join("wasm.rs"), wasm)?)
}
