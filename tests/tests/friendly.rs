//! What a person meets at the command line: standard streams, clear refusals, narrow terminals, man pages, maps.

mod test_env;

use relobox_tests::module_builder::ModuleBuilder;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};
use test_env::TestEnv;

const MAP: &str = "ffffffff81000000 T _text\nffffffff81000010 T helper\n";

struct Dir(TestEnv);

impl Dir {
    fn new() -> Self {
        let env = TestEnv::new();
        env.put("good.ko", ModuleBuilder { calls: &["helper"], ..ModuleBuilder::default() }.write());
        env.put("map", MAP);
        Self(env)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.0.relobox();
        command.args(args);
        command
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        said(self.command(args).output().expect("relobox"))
    }

    /// Runs with `input` as standard input, from a pipe.
    fn fed(&self, args: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("relobox");
        child.stdin.take().expect("a pipe").write_all(input).expect("written");
        child.wait_with_output().expect("relobox")
    }
}

fn said(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Commands that print, each in its own way: lines, tables, JSON, help.
const PRINTING: [&[&str]; 11] = [
    &["link", "good.ko", "--symbols", "map"],
    &["link", "good.ko", "--symbols", "map", "--json"],
    &["link", "good.ko", "--symbols", "map", "-o", "-"],
    &["link", "good.ko", "--symbols", "map", "--map", "-"],
    &["check", "good.ko", "--symbols", "map"],
    &["check", "good.ko", "--symbols", "map", "--html", "-"],
    &["inspect", "good.ko"],
    &["modinfo", "./good.ko"],
    &["plugin", "list"],
    &["completions", "bash"],
    &["--help"],
];

#[test]
fn a_full_disk_and_a_closed_pipe_are_errors() {
    let dir = Dir::new();
    for args in PRINTING {
        assert_eq!(dir.run(args).0, Some(0), "{args:?}: {}", dir.run(args).2);
        let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let (code, _, error) = said(dir.command(args).stdout(full).output().expect("relobox"));
        assert_eq!(code, Some(2), "{args:?}: {error}");
        assert!(error.contains("No space left on device"), "{args:?}: {error}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let (code, _, error) = said(dir.command(args).stdout(writer).output().expect("relobox"));
        assert_eq!(code, Some(2), "{args:?}: {error}");
        assert!(error.contains("Broken pipe"), "{args:?}: {error}");
    }
    // A file as well.
    for option in ["-o", "--map"] {
        let (code, _, error) = dir.run(&["link", "good.ko", "--symbols", "map", option, "/dev/full"]);
        assert!(code == Some(2) && error.contains("/dev/full: No space left on device"), "{error}");
    }
}

#[test]
fn a_dash_is_a_standard_stream() {
    let dir = Dir::new();
    let module = std::fs::read(dir.0.path("good.ko")).expect("a file");
    assert_eq!(dir.run(&["link", "good.ko", "--symbols", "map", "-o", "out"]).0, Some(0));
    let wanted = std::fs::read(dir.0.path("out")).expect("a file");
    let output = dir.fed(&["link", "-", "--symbols", "map", "-o", "-"], &module);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("1 relocations done by plugin x86_64"), "{text}");
    assert!(output.stdout == wanted, "{} bytes", output.stdout.len());
    let output = dir.fed(&["link", "good.ko", "--symbols", "-"], MAP.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = dir.fed(&["inspect", "-"], &module);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("/dev/stdin: machine 62"), "{output:?}");
    // Two things on one stream are refused.
    for args in [
        &["link", "-", "--symbols", "-"][..],
        &["link", "good.ko", "--symbols", "map", "-o", "-", "--json"],
        &["link", "good.ko", "--symbols", "map", "--map", "-", "--json"],
        &["check", "good.ko", "--html", "-", "--json"],
    ] {
        assert_eq!(dir.run(args).0, Some(2), "{args:?}");
    }
}

#[test]
fn a_base_or_an_input_that_cannot_be_is_refused() {
    let dir = Dir::new();
    let base = |base: &str| dir.run(&["link", "good.ko", "--symbols", "map", "--base", base]);
    for (given, why) in [
        ("12", "--base 0xc: too small: nothing is ever in the first page"),
        ("0", "--base 0x0: too small"),
        ("0xffffffffc0000001", "--base 0xffffffffc0000001: not a multiple of 0x"),
    ] {
        let (code, _, error) = base(given);
        assert!(code == Some(2) && error.contains(why), "{given}: {error}");
    }
    assert_eq!(base("0xffffffffc0000000").0, Some(0));
    // The last page of the address space is not enough for a module of more.
    dir.0.put("long.ko", ModuleBuilder { calls: &["helper"; 2000], ..ModuleBuilder::default() }.write());
    let (code, _, error) = dir.run(&["link", "long.ko", "--symbols", "map", "--base", "0xfffffffffffff000"]);
    let why = "--base 0xfffffffffffff000: too large: the module needs 0x";
    assert!(code == Some(2) && error.contains(why), "{error}");
    for command in ["link", "check"] {
        let (code, _, error) = dir.run(&[command, "good.ko", "--symbols", "map", "--input", "foo=1"]);
        assert!(code == Some(2) && error.contains("input foo: ") && error.contains("none"), "{error}");
    }
    let (_, _, error) = dir.run(&["inspect", "good.ko", "--pins", "/nowhere/pins"]);
    assert!(error.contains("No such file or directory") && !error.contains("entity"), "{error}");
}

#[test]
fn tables_and_help_fit_a_narrow_terminal() {
    let dir = Dir::new();
    for args in [&["check", "good.ko", "--symbols", "map"][..], &["plugin", "list"]] {
        let (code, text, _) = said(dir.command(args).env("COLUMNS", "60").output().expect("relobox"));
        assert_eq!(code, Some(0));
        let table = text.lines().filter(|line| !line.starts_with("kernel ") && !line.starts_with("plugin "));
        let long: Vec<_> = table.filter(|line| line.chars().count() > 60).collect();
        assert!(long.is_empty() && text.contains("too narrow for: "), "{long:?}");
    }
    // A paragraph's lines are full: no line breaks remain from the source.
    let (_, text, _) = said(dir.command(&["call", "--help"]).env("COLUMNS", "70").output().expect("relobox"));
    let paragraph = text.lines().skip_while(|line| !line.starts_with("The function has the type"));
    let paragraph: Vec<_> = paragraph.take_while(|line| !line.is_empty()).collect();
    assert!(paragraph.len() > 2, "{text}");
    let (_, full) = paragraph.split_last().expect("lines");
    for (line, next) in full.iter().zip(&paragraph[1..]) {
        let first = next.split(' ').next().expect("a word");
        assert!(line.len() <= 70 && line.len() + 1 + first.len() > 70, "{paragraph:#?}");
    }
}

#[test]
fn man_pages_name_files_and_each_other() {
    let dir = Dir::new();
    assert_eq!(dir.run(&["man", "pages"]).0, Some(0));
    let mut seen = 0;
    for entry in std::fs::read_dir(dir.0.path("pages")).expect("pages") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a page");
        let see = text.split(".SH \"SEE ALSO\"\n").nth(1).unwrap_or_else(|| panic!("{}", path.display()));
        for page in see.replace("\\-", "-").split("\\fB").skip(1).filter_map(|rest| rest.split_once("\\fR(1)")) {
            let there = dir.0.path("pages").join(format!("{}.1", page.0)).exists();
            assert!(there || page.0 == "relobox-kmod", "{}: {}", path.display(), page.0);
            seen += 1;
        }
        assert!(text.contains(".SH ENVIRONMENT\n") && !text.contains(".SH EXTRA"), "{}", path.display());
    }
    assert!(seen > 40, "{seen}");
    let link = std::fs::read_to_string(dir.0.path("pages/relobox-link.1")).expect("a page");
    assert!(link.contains(".SH FILES\n.TP\n\\fB/proc/kallsyms\\fR\n") && link.contains("RELOBOX_PLUGIN_DIR"), "{link}");
}

/// Bash completes what modprobe finds.
#[test]
fn bash_completes_names_of_modules() {
    let dir = Dir::new();
    dir.0.put(
        "modules.dep",
        "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz\nkernel/fs/exfat/exfat.ko:\nx/zs.ko:\n",
    );
    let (code, script, _) = dir.run(&["completions", "bash"]);
    assert_eq!(code, Some(0));
    dir.0.put("script", script);
    let ask = |words: &str, at: u32| {
        let program = format!(
            "source ./script; COMP_WORDS=({words}); COMP_CWORD={at}; \
             _relobox_modules relobox \"${{COMP_WORDS[{at}]}}\"; echo ${{COMPREPLY[@]}}"
        );
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", &program])
            .current_dir(dir.0.directory.path())
            .env("RELOBOX_MODULES_DEP", "modules.dep");
        let output = bash.output().expect("bash");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    assert_eq!(ask("relobox modprobe ex", 2), "ext4 exfat");
    assert_eq!(ask("relobox modprobe ext4 z", 3), "zs");
    assert_eq!(ask("relobox modp", 1), "modprobe");
    assert!(ask("relobox modprobe --js", 2).contains("--json"));
}

#[test]
fn a_map_is_a_picture_or_text() {
    let dir = Dir::new();
    let link = |map: &str| dir.run(&["link", "good.ko", "--symbols", "map", "--map", map]);
    let (code, text, error) = link("-");
    assert_eq!(code, Some(0), "{error}");
    let line = text.lines().find(|line| line.ends_with(" .text")).expect("the section");
    assert!(line.contains("r-x") && line.contains('█'), "{text}");
    assert_eq!(link("map.svg").0, Some(0));
    let mut svg = String::new();
    File::open(dir.0.path("map.svg")).expect("a file").read_to_string(&mut svg).expect("text");
    assert!(svg.starts_with("<svg ") && svg.contains("<title>.text: 6 bytes, 1 relocations</title>"), "{svg}");
}

#[test]
fn a_page_of_html_has_everything_and_loads_nothing() {
    let dir = Dir::new();
    dir.0.put("bad.ko", ModuleBuilder { calls: &["<script>alert(1)</script>"], ..ModuleBuilder::default() }.write());
    dir.0.put("<b>.ko", "no module");
    let (code, text, error) = dir.run(&["check", ".", "--symbols", "map", "--html", "page.html"]);
    assert_eq!((code, text.contains("1 module links, 2 rejected")), (Some(1), true), "{text}{error}");
    let page = std::fs::read_to_string(dir.0.path("page.html")).expect("a page");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script>alert"), "{page}");
    assert!(page.contains("&lt;b&gt;.ko") && !page.contains("<b>.ko"), "{page}");
    assert_eq!((page.matches("<script>").count(), page.matches("<style>").count()), (1, 1));
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import", " on"] {
        let found = page.match_indices(outside).find(|(at, _)| outside != " on" || page[at + 3..].starts_with("click"));
        assert!(found.is_none(), "{outside}");
    }
    assert!(page.contains("<td>undefined-symbol</td><td class=\"n\">1</td><td class=\"n\">1</td>"), "{page}");
    assert_eq!(page.split("<table id=\"failures\">").nth(1).expect("rows").matches("<tr><td>").count(), 2, "{page}");
    // The input is not written over.
    assert_eq!(dir.run(&["check", "good.ko", "--html", "good.ko"]).0, Some(2));
}
