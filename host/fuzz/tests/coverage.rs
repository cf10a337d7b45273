//! `relobox fuzz --coverage`: a branch and a function that no input reaches are shown as missing.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

const TOY: &str = include_str!("../../../docs/examples/toy/toy.wat");

/// The beginning of a function of the toy plugin that every job calls.
const LIST: &str = "(func $list (param $answer i32) (param $more i32)";

/// A function with two edges besides its entry.
const NEVER: &str = "(func $never<b> (if (global.get $faults) (then (nop))))\n  ";

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("coverage-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// Fuzzes a plugin and returns the page.
    fn page(&self, wat: &str, args: &[&str]) -> String {
        std::fs::write(self.0.join("plugin.wasm"), wat::parse_str(wat).unwrap()).unwrap();
        let (code, text) = self.fuzz(&[&["--coverage", "coverage.html"], args].concat());
        assert_eq!(code, Some(0), "{text}");
        std::fs::read_to_string(self.0.join("coverage.html")).unwrap()
    }

    fn fuzz(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relobox-fuzz"));
        let out = command.arg("plugin.wasm").args(args).current_dir(&self.0).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The covered edges, all edges and the missing edges of a function, and the place of its row.
fn row(page: &str, name: &str) -> (usize, [u32; 3]) {
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("<tr><td>")).collect();
    let at = rows.iter().position(|row| row.contains(&format!("<td>{name}</td>")));
    let at = at.unwrap_or_else(|| panic!("no row of {name}: {page}"));
    let cells: Vec<_> =
        rows[at].split("<td class=\"n\">").skip(2).map(|cell| cell.split('<').next().unwrap()).collect();
    (at, [0, 1, 2].map(|i| cells[i].parse().unwrap()))
}

#[test]
fn what_was_not_reached_is_shown() {
    let dir = Scratch::new();
    let campaign = ["--executions", "3000", "--seed", "5", "--corpus", "corpus"];
    let (_, [covered, edges, missing]) = row(&dir.page(TOY, &campaign[..4]), "list");
    assert_eq!((covered + missing, edges), (edges, 3), "the entry, and both branches of one `if`");

    let branch = format!("{NEVER}{LIST}\n    (if (i32.const 0) (then (nop)))");
    let unreached = TOY.replace(LIST, &branch);
    let page = dir.page(&unreached, &campaign);
    assert_eq!(row(&page, "list").1, [covered + 1, edges + 2, missing + 1]);
    // What is missing most comes first, and the total last. The name is text, not HTML.
    let (at, never) = row(&page, "never&lt;b&gt;");
    assert_eq!(never, [0, 3, 3]);
    assert!(at < row(&page, "list").0, "{page}");
    let (last, [all_covered, all, all_missing]) = row(&page, "all functions");
    assert_eq!((last + 1, all_covered + all_missing), (page.matches("<tr><td>").count(), all));
    assert!(all_covered > 10 && row(&page, "relobox_apply").1[0] > 5, "{page}");
    assert!(page.contains("by 3,0") && page.contains("with the seed 5") && page.contains("SHA-256 of the guest: "));
    assert!(!page.contains("src=") && !page.contains("href="), "the page loads something: {page}");

    // The same campaign has the same page; its corpus alone reaches the same edges.
    std::fs::remove_dir_all(dir.0.join("corpus")).unwrap();
    assert_eq!(dir.page(&unreached, &campaign), page);
    let again = dir.page(&unreached, &["--executions", "1", "--corpus", "corpus"]);
    assert_eq!(row(&again, "all functions"), row(&page, "all functions"));

    // Without the name section, only exported functions have names.
    let mut module = wat::parse_str(TOY).unwrap();
    let at = module.windows(5).rposition(|w| w == b"\x04name").expect("a name section");
    module[at + 1] = b'x';
    std::fs::write(dir.0.join("plugin.wasm"), &module).unwrap();
    let (code, text) = dir.fuzz(&["--coverage", "coverage.html", "--executions", "1"]);
    assert_eq!(code, Some(0), "{text}");
    let page = std::fs::read_to_string(dir.0.join("coverage.html")).unwrap();
    assert!(row(&page, "relobox_plan").1[1] > 3 && row(&page, "function 5").1[1] > 0);
    assert!(page.contains("The guest has no names"), "{page}");

    // It is of one process, and never replaces what is fuzzed.
    assert_eq!(dir.fuzz(&["--coverage", "coverage.html", "--jobs", "2"]).0, Some(2));
    for report in ["--coverage", "--sarif", "--junit"] {
        let (code, text) = dir.fuzz(&[report, "./plugin.wasm", "--executions", "1"]);
        assert_eq!(code, Some(2), "{report}: {text}");
    }
    assert_eq!(std::fs::read(dir.0.join("plugin.wasm")).unwrap(), module);
}
