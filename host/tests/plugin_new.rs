//! `relobox plugin new`, for a user who has only the binary of relobox.

mod plugins;

use plugins::{Place, builds, checks};
use relobox_needs::{ExitCode, test};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn main() -> ExitCode {
    relobox_needs::run([
        test!(what_is_embedded_is_what_the_tree_has),
        test!(every_word_is_filled_in),
        test!(nothing_is_overwritten_and_names_are_checked),
        test!(the_example_does_not_pass_unchecked),
        test!(rust_passes_its_own_tests),
        test!(rust_builds_and_is_right).needs(builds("rust")),
        test!(c_builds_and_is_right).needs(builds("c")),
        test!(rust_links_its_example).needs(builds("rust")).needs(checks()),
        test!(c_links_its_example).needs(builds("c")).needs(checks()),
        test!(the_two_templates_agree).needs(builds("rust")).needs(builds("c")),
    ])
}

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
    let page = std::fs::read(here.join("docs/abi.md")).unwrap();
    for dir in ["mine", "mine-c"] {
        assert_eq!(std::fs::read(place.work().join(dir).join("abi.md")).unwrap(), page);
    }
    // Nothing in the lock file comes from a registry.
    let lock = std::fs::read_to_string(place.work().join("mine/Cargo.lock")).unwrap();
    assert!(lock.contains("relobox-arch-mine") && !lock.contains("source ="), "{lock}");
}

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
    assert_eq!((code, &*text), (Some(2), "relobox: mine: the directory is not empty; nothing was written\n"));
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

/// From nothing to a plugin that the kit passes.
fn is_good(place: &Place, name: &str) {
    place.build(name);
    let dir = place.work().join(name);
    let tested = place.output("relobox", &dir, &["plugin", "test", &format!("build/{name}.wasm")]);
    assert!(tested.status.success(), "{name}: {tested:?}");
}

/// From nothing to a linked object whose bytes are as recorded.
fn links_its_example(place: &Place, name: &str) {
    place.build(name);
    let checked = place.output("example/check.sh", &place.work().join(name), &[]);
    let text = [checked.stdout, checked.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(checked.status.success() && text.contains("example: .text is as recorded"), "{name}: {text}");
}

/// A plugin of each kind, with odd names, too: the second is a keyword, and no crate may be called that.
fn each(lang: &str, then: impl Fn(&Place, &str)) {
    let place = Place::new();
    let keyword = if lang == "c" { "int" } else { "match" };
    for (name, kind) in ["plain", keyword, "with-minus", "with_underscore"].into_iter().zip(&KINDS) {
        assert_eq!(new(&place, &[&[name, "--lang", lang], &kind[..]].concat()).0, Some(0));
        then(&place, name);
    }
}

fn rust_passes_its_own_tests() {
    each("rust", |place, name| place.test(name));
}

fn rust_builds_and_is_right() {
    each("rust", is_good);
}

fn c_builds_and_is_right() {
    each("c", is_good);
}

fn rust_links_its_example() {
    each("rust", links_its_example);
}

fn c_links_its_example() {
    each("c", links_its_example);
}

/// Without its tools the example is not checked, and that is no success: whose CI would ever notice?
fn the_example_does_not_pass_unchecked() {
    let place = Place::new();
    let tools = place.work().join("tools");
    std::fs::create_dir(&tools).unwrap();
    for tool in ["sh", "dirname"] {
        std::os::unix::fs::symlink(relobox_needs::program(tool).unwrap(), tools.join(tool)).unwrap();
    }
    for lang in ["rust", "c"] {
        assert_eq!(new(&place, &[lang, "--lang", lang]).0, Some(0));
        let dir = place.work().join(lang);
        let checked = place.command("example/check.sh", &dir).env("PATH", &tools).output().unwrap();
        assert_eq!(checked.status.code(), Some(77), "{checked:?}");
        let said = String::from_utf8(checked.stderr).unwrap();
        assert_eq!(said, "check.sh: nothing was checked: there is no yaml2obj (Debian: apt-get install llvm)\n");
        // What a CI runs ends with it, or says how to go on without.
        let ci = std::fs::read_to_string(dir.join("ci.sh")).unwrap();
        assert!(ci.contains("set -e"), "{ci}");
    }
}

/// The same architecture twice, in two languages: in every case the kit makes, one opinion.
fn the_two_templates_agree() {
    let place = Place::new();
    for (i, kind) in KINDS.iter().enumerate() {
        let [rust, c] = ["rust", "c"].map(|lang| {
            let name = format!("{lang}{i}");
            assert_eq!(new(&place, &[&[&name, "--lang", lang], &kind[..]].concat()).0, Some(0));
            place.build(&name);
            format!("{name}/build/{name}.wasm")
        });
        for pair in [[&rust, &c], [&c, &rust]] {
            let tested = place.output("relobox", &place.work(), &["plugin", "test", pair[0], "--against", pair[1]]);
            let text = String::from_utf8_lossy(&tested.stdout);
            assert!(tested.status.success() && text.contains("\npassed: "), "{pair:?}: {text}");
        }
    }
}
