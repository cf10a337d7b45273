//! Nothing of a library's runs before `main`: `relobox insmod` is root then, and has not even looked at its arguments.
#![cfg(target_os = "linux")]

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

/// What the C runtime and Rust's standard library have there: one function each.
const EXPECTED: [&str; 2] = ["frame_dummy", "3std3sys4args"];

#[test]
fn only_the_language_runtimes_have_constructors() {
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_relobox")).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    for section in [".preinit_array", ".ctors"] {
        assert_eq!(file.section_by_name(section).map_or(0, |s| s.size()), 0, "{section}");
    }
    let array = file.section_by_name(".init_array").expect("the C runtime has a constructor");
    let (start, size, word) = (array.address(), array.size(), if file.is_64() { 8 } else { 4 });
    // A program that can be loaded anywhere has the functions in its relocations, any other one in the section.
    let mut functions: Vec<u64> = file
        .dynamic_relocations()
        .into_iter()
        .flatten()
        .filter(|(at, _)| (start..start + size).contains(at))
        .map(|(_, relocation)| relocation.addend() as u64)
        .collect();
    if functions.is_empty() {
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
        functions = array.data().unwrap().chunks(word).map(number).collect();
    }
    assert_eq!(functions.len() as u64, size / word as u64, "an entry of .init_array was not found");
    let names: Vec<String> = functions.iter().map(|address| name_of(&file, *address)).collect();
    let unexpected = |name: &&String| !EXPECTED.iter().any(|expected| name.contains(expected));
    let unexpected: Vec<_> = names.iter().filter(unexpected).collect();
    assert!(unexpected.is_empty(), "these run before main: {unexpected:#?}");
    assert!(names.len() <= EXPECTED.len(), "{names:?}");
}

fn name_of(file: &object::File<'_>, address: u64) -> String {
    let symbol = file.symbols().find(|symbol| symbol.address() == address && symbol.size() != 0);
    let symbol = symbol.or_else(|| file.symbols().find(|symbol| symbol.address() == address));
    symbol.and_then(|s| s.name().ok()).map_or_else(|| format!("{address:#x}"), str::to_owned)
}
