//! `relobox plugin new`, as somebody uses it who has nothing of relobox but its binary.

mod plugins;

use plugins::{Built, Place};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every combination that a template is different for.
const KINDS: [[&str; 4]; 4] = [
    ["--class", "32", "--order", "little"],
    ["--class", "32", "--order", "big"],
    ["--class", "64", "--order", "little"],
    ["--class", "64", "--order", "big"],
];

fn new(place: &Place, args: &[&str]) -> (Option<i32>, String) {
    let out = place.output("relobox", &place.work(), &[&["plugin", "new"], args].concat());
    let text = [out.stdout, out.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (out.status.code(), text)
}

/// All files below `dir`, by their path from there.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut out, mut left) = (BTreeMap::new(), vec![dir.to_path_buf()]);
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|e| panic!("{}: {e}", next.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                out.insert(path.strip_prefix(dir).unwrap().to_path_buf(), std::fs::read(&path).unwrap());
            }
        }
    }
    out
}

#[test]
fn what_is_embedded_is_what_the_tree_has() {
    let place = Place::new();
    assert_eq!(new(&place, &["mine"]).0, Some(0));
    assert_eq!(new(&place, &["mine-c", "--lang", "c"]).0, Some(0));
    let (vendor, here) = (place.work().join("mine/vendor/relobox"), Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    for (name, dir) in [("abi", "arch-plugins/abi"), ("sdk", "arch-plugins/sdk"), ("guest-rt", "guest-rt")] {
        assert_eq!(tree(&vendor.join(name)), tree(&here.join(dir)), "{dir}");
    }
    let header = std::fs::read(here.join("docs/examples/toy/relobox.h")).unwrap();
    assert_eq!(std::fs::read(place.work().join("mine-c/relobox.h")).unwrap(), header);
}

#[test]
fn every_word_is_filled_in() {
    let place = Place::new();
    for lang in ["rust", "c"] {
        for (i, kind) in KINDS.iter().enumerate() {
            let name = format!("{lang}-{i}_x");
            let args = [&[name.as_str(), "--lang", lang, "--machine", "4660"], &kind[..]].concat();
            assert_eq!(new(&place, &args).0, Some(0));
            let mut all = String::new();
            for (path, text) in tree(&place.work().join(&name)) {
                let text = String::from_utf8(text).unwrap();
                let left = text
                    .split('@')
                    .skip(1)
                    .step_by(2)
                    .find(|w| !w.is_empty() && w.chars().all(|c| c.is_ascii_uppercase()));
                assert_eq!(left, None, "{}", path.display());
                all += &text;
            }
            assert!(
                all.contains("0x1234") && all.contains(&format!("R_{}_0_X_BRANCH16", lang.to_uppercase())) == (i == 0)
            );
        }
    }
}

#[test]
fn nothing_is_overwritten_and_names_are_checked() {
    let place = Place::new();
    let (mine, other) = (place.work().join("mine"), place.work().join("other"));
    std::fs::create_dir(&mine).unwrap();
    // An empty directory will do, and another name for it too.
    assert_eq!(new(&place, &["mine"]).0, Some(0));
    assert_eq!(new(&place, &["mine", "other/below"]).0, Some(0));
    assert!(mine.join("Cargo.toml").exists() && other.join("below/Cargo.toml").exists());
    let before = tree(&place.work());
    let (code, text) = new(&place, &["mine", "--lang", "c"]);
    assert_eq!((code, &*text), (Some(2), "relobox: mine: is not empty; nothing was written\n"));
    for name in ["", "Mine", "9x", "a/b", "..", "a b", "a.b", "ä", "-x", &"x".repeat(33)] {
        assert_eq!(new(&place, &["--", name]).0, Some(2), "{name:?}");
    }
    for machine in ["0", "65536", "0x10000", "x", "-1", ""] {
        assert_eq!(new(&place, &["other", "--machine", machine]).0, Some(2), "{machine:?}");
    }
    assert_eq!(tree(&place.work()), before);
    // Names that mean something to Rust.
    for name in ["core", "match", "test"] {
        assert_eq!(new(&place, &[name]).0, Some(0), "{name}");
    }
}

/// From nothing to a linked object whose bytes are as recorded.
fn is_good(place: &Place, name: &str) {
    match place.build(name) {
        Built::Done => {}
        Built::Skipped(why) => return println!("skipped: {name}: {why}"),
    }
    let dir = place.work().join(name);
    let checked = place.output("example/check.sh", &dir, &[]);
    let text = [checked.stdout, checked.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(checked.status.success(), "{name}: {text}");
    if let Some(why) = text.strip_prefix("check.sh: skipped: ") {
        println!("skipped: {name}: the example: {why}");
    }
    let tested = place.output("relobox", &dir, &["plugin", "test", &format!("build/{name}.wasm")]);
    assert!(tested.status.success(), "{name}: {tested:?}");
}

#[test]
fn rust_builds_and_is_right() {
    let place = Place::new();
    for (i, kind) in KINDS.iter().enumerate() {
        // Odd names, too: the second is a keyword, and no crate may be called that.
        let name = ["plain", "match", "with-minus", "with_underscore"][i];
        assert_eq!(new(&place, &[&[name], &kind[..]].concat()).0, Some(0));
        is_good(&place, name);
    }
}

#[test]
fn c_builds_and_is_right() {
    let place = Place::new();
    for (i, kind) in KINDS.iter().enumerate() {
        let name = ["plain", "int", "with-minus", "with_underscore"][i];
        assert_eq!(new(&place, &[&[name, "--lang", "c"], &kind[..]].concat()).0, Some(0));
        is_good(&place, name);
    }
}
