//! docs/tutorial.md does what it says: its files are written, its commands are run, and what they print is compared.
//!
//! `RELOBOX_BLESS=1` takes the output over into the page. What is marked:
//!
//! * `<!-- file PATH -->`: the block behind it is that file.
//! * `<!-- diff DIR -->`: the block behind it is a patch of the files there.
//! * `<!-- run -->`: the block behind it is commands, each with what it prints. `cd` stays in force.
//! * `<!-- build DIR -->`: here the plugin in DIR is tested natively and built. Where there is no compiler for it, the rest
//!   of the page is skipped.

mod plugins;

use plugins::{Place, builds, checks};
use relobox_needs::{ExitCode, test, tool};
use std::fmt::Write as _;
use std::path::Path;

fn main() -> ExitCode {
    let needs = [builds("rust"), builds("c"), checks().to_vec(), vec![tool("git")]].concat();
    relobox_needs::run([test!(the_tutorial_is_true).needs(needs)])
}

fn the_tutorial_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tutorial.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut place = Place::new();
    let (mut out, mut lines) = (String::new(), page.lines());
    while let Some(line) = lines.next() {
        writeln!(out, "{line}").unwrap();
        let Some(mark) = line.strip_prefix("<!-- ").and_then(|l| l.strip_suffix(" -->")) else { continue };
        if let Some(dir) = mark.strip_prefix("build ") {
            place.build(dir);
            continue;
        }
        let fence = lines.next().unwrap();
        writeln!(out, "{fence}").unwrap();
        assert!(fence.starts_with("```"), "{mark}: no block follows");
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        match mark.split_once(' ') {
            Some(("file", file)) => {
                place.write(file, &(block.join("\n") + "\n"));
                block.iter().for_each(|line| writeln!(out, "{line}").unwrap());
            }
            Some(("diff", dir)) => {
                place.patch(dir, &(block.join("\n") + "\n"));
                block.iter().for_each(|line| writeln!(out, "{line}").unwrap());
            }
            None if mark == "run" => {
                for command in block.iter().filter_map(|line| line.strip_prefix("$ ")) {
                    writeln!(out, "$ {command}").unwrap();
                    out += &place.run(command);
                }
            }
            _ => panic!("{mark}: what is that?"),
        }
        writeln!(out, "```").unwrap();
    }
    // What the page ends with must be a plugin that passes.
    assert!(out.rfind("\npassed: ") > out.rfind("\nFAILED: "), "the last plugin of the tutorial fails the kit");
    if plain(&page) == plain(&out) {
        return;
    }
    if std::env::var_os("RELOBOX_BLESS").is_some() {
        std::fs::write(&path, out).unwrap();
        return;
    }
    let (n, (is, was)) = (1..).zip(out.lines().zip(page.lines())).find(|(_, (a, b))| plain(a) != plain(b)).unwrap();
    panic!("docs/tutorial.md:{n}: says\n  {was}\nbut it is\n  {is}\n(RELOBOX_BLESS=1 takes it over)");
}

/// Another compiler makes other bytes of the same plugin: digests do not count.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let name = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let digest = name.len() >= 16 && name.bytes().all(|b| b.is_ascii_hexdigit()) && !word.starts_with("0x");
        out.push_str(if digest { word.strip_prefix(name).unwrap_or(word) } else { word });
    }
    out
}
