//! Puts the compiled guests of the directory `RELOBOX_COMPILED` into the program's code.
//!
//! The program is only built with the feature `guests`: a build of the workspace does not have to compile them.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

/// The largest page of any machine that this may run on, so that a boundary of this size is a boundary of any page.
const PAGE: usize = 1 << 16;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=RELOBOX_COMPILED");
    let mut paths = Vec::new();
    if env::var_os("CARGO_FEATURE_GUESTS").is_some() {
        let missing = "RELOBOX_COMPILED must name a directory of compiled guests: use scripts/build-programs";
        let dir = env::var_os("RELOBOX_COMPILED").map(PathBuf::from).ok_or(missing)?;
        println!("cargo::rerun-if-changed={}", dir.display());
        for entry in fs::read_dir(dir)? {
            paths.extend(Some(entry?.path()).filter(|path| path.extension().is_some_and(|e| e == "cwasm")));
        }
    }
    paths.sort();
    let (mut list, mut symbols) = (String::new(), String::new());
    let mut source = String::new();
    for (i, path) in paths.iter().enumerate() {
        println!("cargo::rerun-if-changed={}", path.display());
        let (name, path) = (path.file_stem().unwrap_or_default().to_string_lossy(), path.display().to_string());
        let len = fs::metadata(&path)?.len();
        writeln!(
            source,
            "core::arch::global_asm!(\".pushsection .text.relobox_guests,\\\"ax\\\"\", \".balign {PAGE}\", \
             \".globl relobox_guest_{i}\", \"relobox_guest_{i}:\", \".incbin \\\"{path}\\\"\", \
             \".balign {PAGE}\", \".popsection\");"
        )?;
        writeln!(symbols, "        static relobox_guest_{i}: [u8; {len}];")?;
        writeln!(list, "        ({name:?}, unsafe {{ Compiled::of_program(&relobox_guest_{i}) }}),")?;
    }
    writeln!(source, "/// Names and code of the guests in this program.")?;
    writeln!(source, "fn carried() -> Vec<(&'static str, Compiled)> {{")?;
    if !paths.is_empty() {
        writeln!(source, "    unsafe extern \"C\" {{\n{symbols}    }}")?;
        writeln!(
            source,
            "    // SAFETY: the files were compiled ahead of time, and lie page-aligned in executable memory."
        )?;
    }
    writeln!(source, "    vec![\n{list}    ]\n}}")?;
    Ok(fs::write(PathBuf::from(env::var("OUT_DIR")?).join("ahead.rs"), source)?)
}
