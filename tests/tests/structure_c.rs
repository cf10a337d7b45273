//! No cycle of uses among the files of the kernel's device, or among those of its self-test.
//!
//! A file uses another one if it names a function or a variable that the other one defines and that is not static,
//! whether it calls it or only takes its address. Comments and strings do not count; what macros expand to, does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use relobox_tests::imports::{Graph, cycles};

fn kernel() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("kernel")
}

/// The text without comments, and with nothing in its strings and characters.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'*') => {
                let mut last = ' ';
                chars.next();
                while let Some(c) = chars.next().filter(|c| !(last == '*' && *c == '/')) {
                    last = c;
                    if c == '\n' {
                        out.push(c);
                    }
                }
                out.push(' ');
            }
            '"' | '\'' => {
                while let Some(inner) = chars.next().filter(|inner| *inner != c) {
                    if inner == '\\' {
                        chars.next();
                    }
                }
                out.push('0');
            }
            c => out.push(c),
        }
    }
    out
}

/// Identifiers and numbers, and every other character that is not blank.
fn tokens(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while !rest.is_empty() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (token, after) = rest.split_at(word.max(rest.chars().next().map_or(1, char::len_utf8)));
        found.push(token);
        rest = after.trim_start();
    }
    found
}

/// The file without its preprocessor lines: what is defined there is seen by the compiler only.
fn without_directives(code: &str) -> String {
    let joined = code.replace("\\\n", " ");
    joined.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The functions and variables that are defined outside all braces and are not static.
fn defined<'a>(tokens: &[&'a str]) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let (mut depth, mut from) = (0, 0);
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" => {
                let head = &tokens[from..at];
                if depth == 0 && !head.contains(&"=") {
                    found.extend(function(head));
                }
                depth += 1;
            }
            "}" => {
                depth -= 1;
                // After the body of a function a new definition begins; after that of a structure it goes on.
                if depth == 0
                    && tokens[from..at].contains(&"(")
                    && !matches!(tokens.get(at + 1), Some(&(";" | "," | "=")))
                {
                    from = at + 1;
                }
            }
            ";" if depth == 0 => {
                found.extend(variables(&tokens[from..at]));
                from = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The function that has this head: the name before its first parenthesis.
fn function<'a>(head: &[&'a str]) -> Option<&'a str> {
    let open = head.iter().position(|token| *token == "(")?;
    let name = head.get(open.checked_sub(1)?)?;
    (!head.contains(&"static") && is_name(name) && open > 1).then_some(*name)
}

/// The variables of a declaration: the names before `=`, `,`, `[` or the end, outside all brackets.
fn variables<'a>(declaration: &[&'a str]) -> Vec<&'a str> {
    const NONE: &[&str] = &["static", "extern", "typedef"];
    if declaration.iter().any(|token| NONE.contains(token)) {
        return Vec::new();
    }
    let (mut found, mut depth, mut value, mut name) = (Vec::new(), 0, false, None);
    let (mut words, mut tag) = (0, false);
    for token in declaration.iter().chain([&","]) {
        match *token {
            "struct" | "union" | "enum" => tag = true,
            // The tag is a part of the type's name.
            token if tag && is_name(token) => (words, tag) = (1, false),
            // A prototype, or a macro of the kernel's.
            "(" if depth == 0 && !value => return Vec::new(),
            "(" | "{" | "[" => (depth, tag) = (depth + 1, false),
            ")" | "}" | "]" => depth -= 1,
            _ if depth > 0 => {}
            "=" => value = true,
            "," => {
                found.extend(name.take().filter(|_| words > 1));
                value = false;
            }
            // Attributes follow the name.
            token if is_name(token) && !value && !token.starts_with("__") => {
                name = Some(token);
                words += 1;
            }
            _ => {}
        }
    }
    found
}

/// Which file uses which other one.
fn graph(files: &[String], read: &dyn Fn(&str) -> String) -> Graph {
    let texts: BTreeMap<&str, String> = files.iter().map(|file| (file.as_str(), code(&read(file)))).collect();
    let bare: BTreeMap<&str, String> = texts.iter().map(|(file, text)| (*file, without_directives(text))).collect();
    let mut owners = BTreeMap::new();
    for (file, text) in &bare {
        for name in defined(&tokens(text)) {
            assert!(owners.insert(name, *file).is_none(), "two files define {name}");
        }
    }
    let uses = |file: &str, text: &str| {
        let names = tokens(text).into_iter().filter_map(|token| owners.get(token));
        names.filter(|owner| **owner != file).map(PathBuf::from).collect()
    };
    texts.iter().map(|(file, text)| (PathBuf::from(file), uses(file, text))).collect()
}

/// The `.c` files that `line` of `file` in kernel/ names, as sources or as objects.
fn files(file: &str, line: &str) -> Vec<String> {
    let text = std::fs::read_to_string(kernel().join(file)).unwrap();
    let names = text.lines().find_map(|l| l.strip_prefix(line)).unwrap_or_else(|| panic!("{file}: no line '{line}'"));
    let source = |name: &str| name.strip_suffix(".o").or(name.strip_suffix(".c")).map(|stem| format!("{stem}.c"));
    names.split_whitespace().filter_map(source).collect()
}

fn of_program(file: &str, line: &str) -> (Vec<String>, Graph) {
    let files = files(file, line);
    let graph = graph(&files, &|name| std::fs::read_to_string(kernel().join(name)).unwrap());
    (files, graph)
}

fn described(graph: &Graph) -> String {
    let mut text = String::new();
    for cycle in cycles(graph) {
        text.push_str(&format!("a cycle of {} files\n", cycle.len()));
        for from in &cycle {
            for to in graph[from].intersection(&cycle) {
                text.push_str(&format!("  {} -> {}\n", from.display(), to.display()));
            }
        }
    }
    text
}

#[test]
fn no_files_of_the_device_use_each_other_in_a_circle() {
    let (files, graph) = of_program("Kbuild", "relobox-y := ");
    assert!(files.len() > 3, "{files:?}");
    let cycles = described(&graph);
    assert!(cycles.is_empty(), "kernel/: {cycles}");
    let all: BTreeSet<_> = std::fs::read_dir(kernel()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let sources = all.iter().filter_map(|name| name.to_str()).filter(|name| name.ends_with(".c"));
    let (selftest, _) = of_program("Makefile", "selftest: ");
    for source in sources.filter(|name| !name.ends_with(".mod.c")) {
        assert!(files.iter().chain(&selftest).any(|file| file == source), "{source} belongs to nothing");
    }
    // From the top everything is reached, and nothing uses the top.
    assert!(graph.values().all(|uses| !uses.contains(Path::new("device.c"))), "{graph:?}");
    assert!(graph[Path::new("device.c")].len() > 3, "{graph:?}");
}

/// The table in kernel/README.md: how long each file is, and that a file uses only files below it.
#[test]
fn the_page_says_how_large_the_device_is() {
    let read = |name: &str| std::fs::read_to_string(kernel().join(name)).unwrap();
    let lines = |name: &str| {
        let text = code(&read(name));
        text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("//")).count()
    };
    let (files, graph) = of_program("Kbuild", "relobox-y := ");
    let page = read("README.md");
    let (_, part) = page.split_once("## How large it is").unwrap();
    let mut rows: Vec<(&str, usize)> = Vec::new();
    for row in part.lines().filter_map(|line| line.strip_prefix("| `")) {
        let mut cells = row.split('|').map(|cell| cell.trim_matches([' ', '`']));
        rows.push((cells.next().unwrap(), cells.next().unwrap().parse().unwrap()));
    }
    let names: BTreeSet<&str> = rows.iter().map(|(name, _)| *name).collect();
    let expected: BTreeSet<&str> = files.iter().map(String::as_str).chain(["internal.h", "relobox.h"]).collect();
    assert_eq!(names, expected);
    for (at, (name, said)) in rows.iter().enumerate() {
        assert_eq!(*said, lines(name), "lines of {name}");
        for used in graph.get(Path::new(name)).into_iter().flatten() {
            assert!(rows[at..].iter().any(|(below, _)| used == Path::new(below)), "{name} uses {}", used.display());
        }
    }
    let whole: usize = rows.iter().map(|(name, _)| read(name).lines().count()).sum();
    let thousands = |n: usize| format!("{},{:03}", n / 1000, n % 1000);
    let lines = rows.iter().map(|(_, lines)| lines).sum();
    let said = format!("{} lines of code, {} with comments", thousands(lines), thousands(whole));
    assert!(part.contains(&said), "it is {said}");
}

#[test]
fn no_files_of_its_self_test_use_each_other_in_a_circle() {
    let (files, graph) = of_program("Makefile", "selftest: ");
    assert!(files.len() > 3, "{files:?}");
    let cycles = described(&graph);
    assert!(cycles.is_empty(), "kernel/: {cycles}");
}

#[test]
fn what_a_file_defines_and_uses_is_seen() {
    let read = |name: &str| {
        let text = match name {
            "a.c" => {
                "/* b_static() */ static int own(void) { return b_one(); }\n\
                 int __init a(struct session *s)\n{ if (s) { own(); } return \"b_two()\"[0]; }\nmodule_init(a);"
            }
            "b.c" => {
                "#define USE(x) c_data[x] + \\\n\tc(x)\nstatic int b_static(void) { }\nextern int other;\n\
                 struct kept { int field; };\nbool b_one(void) { return true; }\nint prototype(void);"
            }
            _ => {
                "const char *c_text __ro_after_init = \"\", *c_more = \"\";\nint c_data[] = { 1, 2 };\n\
                 static struct { int (*call)(void); } table[] = { { a } };\nvoid *c(int x) { return 0; }"
            }
        };
        text.to_owned()
    };
    let names = ["a.c", "b.c", "c.c"].map(String::from);
    let of = |name: &str| {
        defined(&tokens(&without_directives(&code(&read(name))))).into_iter().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(of("a.c"), ["a"]);
    assert_eq!(of("b.c"), ["b_one"]);
    assert_eq!(of("c.c"), ["c", "c_data", "c_more", "c_text"]);
    let graph = graph(&names, &read);
    assert_eq!(described(&graph), "a cycle of 3 files\n  a.c -> b.c\n  b.c -> c.c\n  c.c -> a.c\n");
}
