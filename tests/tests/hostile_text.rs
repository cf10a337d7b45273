//! Text of others, through every command: nothing that moves a cursor, changes the order of letters, forges a line or cannot
//! be seen reaches a terminal.

#[allow(dead_code, reason = "a part of it is used")]
mod source;
mod test_env;

use relobox_tests::hostile::crafted::Crafted;
use relobox_tests::hostile::{guest, sample};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use test_env::TestEnv;

/// A colour, ends of lines that would forge one, CSI as one character, bidirectional ones, some that have no width, a
/// separator, a private one, a tab; and a byte that is no UTF-8.
const HOSTILE: &[u8] =
    b"\x1b[31m\r\nforged: x\xc2\x9b2J\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\xe2\x80\x8b\xe2\x80\x8d\xe2\x81\xa0\
    \xef\xbb\xbf\xc2\xad\xe2\x80\xa8\xee\x80\x80\t\x07\x7f\xff";

/// The same as text.
fn hostile() -> String {
    String::from_utf8_lossy(HOSTILE).into_owned()
}

/// Judged by its own list, not by relobox's.
fn is_bad(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}')
}

/// What a run printed is harmless; all of it.
fn harmless(output: &Output, what: &str) -> String {
    let mut all = String::new();
    for (bytes, stream) in [(&output.stdout, "stdout"), (&output.stderr, "stderr")] {
        let text = std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("{what}: {stream}: {e}"));
        let bad = text.chars().find(|c| *c != '\n' && is_bad(*c));
        assert!(bad.is_none(), "{what}: {bad:?} on {stream}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("forged")), "{what}: a forged line on {stream}: {text:?}");
        all.push_str(text);
    }
    assert!(!all.contains("panicked"), "{what}: {all}");
    all
}

/// Runs it as it is and with `--json`, which must be JSON if it is there; what both said.
fn both(env: &TestEnv, args: &[&OsStr]) -> String {
    let run = |more: &[&OsStr]| {
        let mut command = env.relobox();
        command.args(args).args(more);
        said(&mut command)
    };
    run(&[]) + &run(&["--json".as_ref()])
}

fn said(command: &mut Command) -> String {
    let what = format!("{command:?}");
    harmless(&command.output().expect("relobox"), &what)
}

fn os(text: &str) -> &OsStr {
    text.as_ref()
}

/// The text was there, escaped.
fn escaped(said: &str, what: &str) {
    assert!(said.contains("\\u{1b}[31m\\u{d}\\u{a}forged: x\\u{9b}2J\\u{202e}"), "{what}: {said}");
}

#[test]
fn the_judge_sees_each() {
    for c in hostile().chars().filter(|c| !c.is_ascii_graphic() && !matches!(c, ' ' | '\u{fffd}')) {
        assert!(is_bad(c), "{c:?}");
    }
    assert!(!"módulo …·—\u{fffd}".chars().any(is_bad));
}

/// A module that says it in every place where it can.
fn module(flags: u32) -> Vec<u8> {
    let pair = |key: &[u8]| [key, b"=", HOSTILE].concat();
    let mut module = Crafted { flags, ..Crafted::default() };
    module.modinfo = [&b"name"[..], b"license", b"depends", b"vermagic", b"description", HOSTILE].map(pair).to_vec();
    module.wanted = vec![(HOSTILE.to_vec(), 1), (b"wanted".to_vec(), 1)];
    module.exports = vec![[b"e", HOSTILE].concat()];
    module.namespace = HOSTILE.to_vec();
    module.sections = vec![HOSTILE.to_vec()];
    module.write()
}

#[test]
fn what_a_module_says() {
    let env = TestEnv::new();
    env.put("hostile.ko", module(0));
    env.put("exporter.ko", module(0));
    let mut user = Crafted::new("user");
    // For the same kernel.
    user.modinfo.push([b"vermagic=", HOSTILE].concat());
    user.wanted = vec![([b"e", HOSTILE].concat(), 1)];
    env.put("user.ko", user.write());
    escaped(&both(&env, &["inspect", "hostile.ko"].map(os)), "inspect");
    escaped(&both(&env, &["link", "hostile.ko"].map(os)), "link");
    escaped(&both(&env, &["link", "hostile.ko", "--symbols", "kallsyms"].map(os)), "link");
    // The namespace is not imported, and its name is in the message and in the hint.
    escaped(&both(&env, &["check", "user.ko", "exporter.ko"].map(os)), "check");
    both(&env, &["insmod", "--kernel", "vet", "hostile.ko"].map(os));
    let cut = module(0);
    env.put("cut.ko", &cut[..cut.len() - 100]);
    both(&env, &["link", "cut.ko"].map(os));
}

/// A directory of that name, and what may be in it.
fn names(env: &TestEnv, hostile: &[u8]) -> [PathBuf; 5] {
    let directory = env.directory.path().join(OsStr::from_bytes(hostile));
    std::fs::create_dir(&directory).expect("a directory");
    let name = |ending: &str| directory.join(OsStr::from_bytes(&[hostile, ending.as_bytes()].concat()));
    let (ko, map, wasm, missing) = (name(".ko"), name(".map"), name(".wasm"), name(".none"));
    for (path, contents) in [
        (&ko, sample::module(0)),
        (&map, b"rubbish\n".to_vec()),
        (&wasm, guest::case("plugin", "loop_in_describe").wasm),
    ] {
        std::fs::write(path, contents).expect("a file");
    }
    [directory, ko, map, wasm, missing]
}

#[test]
fn names_of_files_and_directories() {
    let env = TestEnv::new();
    let all = names(&env, HOSTILE);
    let [dir, ko, map, _, missing] = all.each_ref().map(PathBuf::as_path).map(Path::as_os_str);
    // Plugins are named by names or paths, which have to be text.
    let all = names(&env, HOSTILE.strip_suffix(b"\xff").expect("a byte"));
    let [_, _, text_map, text_wasm, _] = all.each_ref().map(PathBuf::as_path).map(Path::as_os_str);
    for args in [
        &[os("link"), ko][..],
        &[os("link"), missing],
        &[os("link"), dir],
        &[os("link"), os("good.ko"), os("--symbols"), map],
        &[os("link"), os("good.ko"), os("--symbols"), os("kallsyms"), os("--sections"), map],
        &[os("link"), os("good.ko"), os("--symbols"), os("kallsyms"), os("-o"), dir],
        &[os("link"), ko, os("-o"), ko],
        &[os("link"), os("good.ko"), os("--plugin-dir"), missing],
        &[os("link"), os("bad.ko"), os("--plugin-dir"), dir],
        &[os("link"), os("good.ko"), os("--pins"), map],
        &[os("inspect"), ko],
        &[os("check"), dir],
        &[os("check"), missing],
        &[os("insmod"), os("--kernel"), os("vet"), missing],
        &[os("insmod"), os("--socket"), missing, ko],
        &[os("lsmod"), os("--socket"), missing],
        &[os("rmmod"), os("--socket"), missing, os("x")],
        &[os("modprobe"), os("-n"), os("--kernel"), os("sim"), os("-d"), dir, os("x")],
        &[os("state"), os("import"), ko],
        &[os("state"), os("import"), missing],
        &[os("dmesg"), os("--socket"), missing],
        &[os("plugin"), os("list"), os("--plugin-dir"), dir],
        &[os("plugin"), os("test"), text_map],
        &[os("plugin"), os("test"), text_wasm],
    ] {
        escaped(&both(&env, args), &format!("{args:?}"));
    }
    for args in [
        // A name in a pin file is one word, so it is made one.
        &[os("plugin"), os("pin"), text_wasm, os("--file"), os("pins")][..],
        &[os("plugin"), os("new"), os("wren"), missing],
        &[os("plugin"), os("test"), os("x86_64"), os("--vectors"), dir, os("--filter"), os("x")],
        &[os("man"), missing],
        &[os("fuzz"), text_wasm],
        &[os("fuzz"), os("--engine"), os("--corpus"), map],
        &[os("fuzz"), os("x86_64"), os("--replay"), map],
        &[os("fuzz"), os("x86_64"), os("--vectors"), map],
        &[os("sim"), os("symbols"), os("--socket"), missing],
    ] {
        said(env.relobox().args(args));
    }
    // What is pinned is listed, and the file can be read by people.
    both(&env, &["plugin", "pin", "--list", "--file", "pins"].map(os));
    let pins = std::fs::read_to_string(env.path("pins")).expect("pins");
    assert!(!pins.chars().any(|c| c != '\n' && is_bad(c)) && pins.contains("forged"), "{pins:?}");
}

#[test]
fn what_a_plugin_says() {
    let env = TestEnv::new();
    env.put("p/hostile.wasm", guest::case("plugin", "describes_itself_in_hostile_text").wasm);
    let plugin = "p/hostile.wasm";
    let words = "\\u{1b}[31m\\u{d}\\u{a}forged: x\\u{9b}\\u{202e}";
    for args in [
        &["plugin", "list", "--plugin-dir", "p"][..],
        &["plugin", "info", "hostile", "--plugin-dir", "p"],
        &["plugin", "test", plugin],
        &["plugin", "test", plugin, "--list"],
        &["plugin", "test", plugin, "--junit", "report.xml"],
        &["inspect", "bad.ko", "--plugin-dir", "p"],
        &["link", "bad.ko", "--plugin", plugin, "--symbols", "kallsyms"],
        &["check", "bad.ko", "--plugin", plugin],
    ] {
        let said = both(&env, &args.iter().map(|arg| os(arg)).collect::<Vec<_>>());
        assert!(said.contains(words) || args[0] == "check", "{args:?}: {said}");
    }
    let page = said(env.relobox().args(["plugin", "info", "hostile", "--plugin-dir", "p", "--markdown"]));
    assert!(page.contains(words), "{page}");
    // Reports and cases are files that people read, too.
    let mut files = vec![env.path("report.xml")];
    files.extend(std::fs::read_dir(env.path("relobox-failures")).expect("cases").map(|e| e.expect("a case").path()));
    for file in &files {
        let text = std::fs::read_to_string(file).expect("text");
        assert!(!text.chars().any(|c| c != '\n' && is_bad(c)), "{}: {text:?}", file.display());
    }
    assert!(files.len() > 1);
    let case = files[1].as_os_str();
    both(&env, &[os("plugin"), os("test"), os(plugin), os("--replay"), case]);
    said(env.relobox().args(["fuzz", plugin, "--executions", "50", "--junit", "f.xml", "--sarif", "f.sarif"]));
    said(env.relobox().args(["fuzz", plugin, "--replay"]).arg(case));
    for name in ["f.xml", "f.sarif"] {
        let text = std::fs::read_to_string(env.path(name)).expect(name);
        assert!(!text.chars().any(|c| c != '\n' && is_bad(c)), "{name}: {text:?}");
    }
    env.put("q/other.wasm", guest::case("plugin", "fault_with_control_characters").wasm);
    both(&env, &["link", "bad.ko", "--plugin", "q/other.wasm", "--symbols", "kallsyms"].map(os));
}

/// Files of text, each field of which says it.
#[test]
fn what_other_files_say() {
    let env = TestEnv::new();
    let text: String = hostile().chars().filter(|c| !matches!(c, '\n' | '\t' | '\r')).collect();
    env.put(
        "symvers",
        format!("0x00000001\tprintk\t{text}\tEXPORT_SYMBOL\t{text}\n0x1\thelper\tvmlinux\tEXPORT_SYMBOL_GPL\t\n"),
    );
    env.put("map", format!("ffffffff81000010 T printk\t[{text}]\nffffffff81000020 T helper\n"));
    env.put("sections", format!("{text} 0xffffffffc0000000\n"));
    env.put("pins", format!("{text}\n"));
    env.put("x.case", format!("relobox case 1\n{text} {text}\n"));
    for args in [
        &["link", "good.ko", "--symbols", "symvers"][..],
        &["link", "good.ko", "--symbols", "map"],
        &["link", "good.ko", "--symbols", "map", "--sections", "sections"],
        &["link", "good.ko", "--pins", "pins"],
        &["plugin", "test", "x86_64", "--replay", "x.case"],
        &["check", "good.ko", "--symbols", "symvers"],
    ] {
        both(&env, &args.iter().map(|arg| os(arg)).collect::<Vec<_>>());
    }
    said(env.relobox().args(["fuzz", "x86_64", "--replay", "x.case"]));
    // A state, and what modprobe reads.
    let name = serde_json_string(&hostile());
    env.put(
        "state",
        format!("{{\"schema\":1,\"relobox\":{name},\"boot_id\":{name},\"release\":{name},\"modules\":[]}}"),
    );
    let kernel = env.kernel();
    let import = |file: &'static str| ["state", "--kernel", "sim", "import", file].map(os);
    escaped(&both(&env, &import("state")), "state");
    let one = format!(
        "\"name\":{name},\"file\":{name},\"file_sha256\":\"\",\"plugin\":{name},\"plugin_sha256\":\"\",\"engine_sha256\":\"\""
    );
    let modules = format!("[{{{one},\"areas\":[],\"uses\":[],\"exports\":[]}}]");
    env.put(
        "bad-state",
        format!("{{\"schema\":1,\"relobox\":\"\",\"boot_id\":\"\",\"release\":\"\",\"modules\":{modules}}}"),
    );
    escaped(&both(&env, &import("bad-state")), "a name");
    drop(kernel);
    let tree = "lib/modules/6.1.0-relobox-sim";
    env.put(&format!("{tree}/modules.dep"), format!("kernel/{text}.ko: kernel/{text}x.ko\nkernel/good.ko:\n{text}\n"));
    env.put(&format!("{tree}/kernel/good.ko"), sample::module(0));
    env.put(&format!("{tree}/modules.alias"), format!("alias * {text}\n"));
    env.put(
        "conf/x.conf",
        format!("{text} {text}\nalias a{text} {text}\ninstall {text} {text}\noptions good {text}\nsoftdep good pre: {text}\n"),
    );
    for names in [&["good"][..], &["-r", "good"], &["-D", "good"], &["-n", "nothing"]] {
        let socket = env.path("no/socket");
        let mut args =
            vec![os("modprobe"), os("-d"), os("."), os("-C"), os("conf"), os("--socket"), socket.as_os_str()];
        args.extend(names.iter().map(|name| os(name)));
        both(&env, &args);
    }
    let _ = said(env.relobox().args(["sim", "stop", "--socket", "no/socket"]));
}

fn serde_json_string(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

#[test]
fn arguments_and_the_environment() {
    let env = TestEnv::new();
    let (text, raw) = (hostile(), OsStr::from_bytes(HOSTILE));
    let option = format!("--{text}");
    let pair = format!("{text}={text}");
    for args in [
        &[os(&text)][..],
        &[raw],
        &[os(&option)],
        &[os("link"), os(&option)],
        &[os("link"), os("good.ko"), os(&text)],
        &[os("link"), os("good.ko"), os("--base"), os(&text)],
        &[os("link"), os("good.ko"), os("--input"), os(&text)],
        &[os("link"), os("good.ko"), os("--input"), os(&pair)],
        &[os("link"), os("good.ko"), os("--plugin"), os(&text)],
        &[os("link"), os("good.ko"), os("--cross-check"), os(&text)],
        &[os("check"), os("."), os("--jobs"), os(&text)],
        &[os("insmod"), os("--kernel"), os(&text), os("good.ko")],
        &[os("insmod"), os("--kernel"), os("vet"), os("none.ko"), os(&pair)],
        &[os("modprobe"), os("--kernel"), os("sim"), os("-n"), os("-S"), os(&text), os(&text)],
        &[os("rmmod"), os("--kernel"), os("vet"), os(&text)],
        &[os("plugin"), os(&text)],
        &[os("plugin"), os("info"), os(&text)],
        &[os("plugin"), os("new"), os(&text)],
        &[os("plugin"), os("test"), os("x86_64"), os("--filter"), os(&text)],
        &[os("plugin"), os("pin"), os(&text), os("--file"), os("pins")],
        &[os("plugin"), os("pin"), os("x86_64"), os("--file"), os("pins"), os("--comment"), os(&text)],
        &[os("plugin"), os("pin"), os("--list"), os("--file"), os("pins")],
        &[os("fuzz"), os("x86_64"), os("--time"), os(&text)],
        &[os("fuzz"), os("x86_64"), os("--join"), os(&text)],
        &[os("completions"), os(&text)],
        &[os("help"), os(&text)],
    ] {
        both(&env, args);
    }
    let pins = std::fs::read_to_string(env.path("pins")).expect("pins");
    assert!(!pins.chars().any(|c| c != '\n' && is_bad(c)) && pins.lines().count() == 3, "{pins:?}");
    let variables = ["PINS", "CACHE", "PLUGIN_DIR", "KERNEL", "STATE", "MODPROBE_D"];
    for variable in
        variables.map(|name| format!("RELOBOX_{name}")).iter().map(String::as_str).chain(["HOME", "XDG_RUNTIME_DIR"])
    {
        for args in [
            &["link", "good.ko", "--symbols", "kallsyms"][..],
            &["link", "--help"],
            &["insmod", "--help"],
            &["modprobe", "--help"],
            &["modprobe", "-n", "x"],
            &["state", "show", "--kernel", "vet"],
            &["lsmod"],
            &["plugin", "list"],
        ] {
            said(env.relobox().env(variable, OsStr::from_bytes(HOSTILE)).args(args));
        }
    }
    // The name that it was called by.
    use std::os::unix::process::CommandExt as _;
    for args in [&["--help"][..], &["link"], &["link", "--help"], &["plugin", "new", "--help"]] {
        let said = said(env.relobox().arg0(OsStr::from_bytes(HOSTILE)).args(args));
        assert!(said.contains("Usage: relobox"), "{said}");
    }
}

/// Nothing in the host prints but the place of printing, so that nothing can be forgotten. The simulated kernel and the
/// tools for plugins are no exceptions.
#[test]
fn only_one_file_prints() {
    let prints = ["println!", "print!(", "eprint", "stdout()", "stderr()", "dbg!("];
    let mut found: Vec<_> = source::host_files()
        .filter(|(_, text)| {
            // What clap says of its own error is no stream.
            let code = source::code(text).replace("use_stderr()", "");
            prints.iter().any(|print| code.contains(print))
        })
        .map(|(path, _)| path)
        .collect();
    found.sort();
    // Files may be written to the stream that a user names, which is cloned; tables ask how wide the terminal is.
    let (files, table) = ("host/core/src/files.rs", "host/src/cli/table.rs");
    // The driver of fuzzing only asks whether a terminal is there; the linking program prints its own name; and the process that
    // compiles answers the one that started it.
    let (fuzz, linker, compiler) = ("host/fuzz/src/command.rs", "host/linker/src/main.rs", "host/src/cli/linking.rs");
    assert_eq!(found, ["host/cli/src/output.rs", files, fuzz, linker, compiler, table]);
    let fuzz = source::rust_files(fuzz).next().expect("a file").1;
    assert_eq!(fuzz.matches("stderr()").count(), 1);
    assert!(fuzz.contains("is_terminal(&std::io::stderr())"));
}
