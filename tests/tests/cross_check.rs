//! `relobox link --cross-check`, and `relobox check --cross-check`: two plugins agree byte for byte, or every difference is named.

use relobox_abi::order;
use relobox_tests::hostile::guest::{case, directory, honest};
use relobox_tests::hostile::sample;
use relobox_tests::module_spec::{ModuleSpec, Relocation, Section, Symbol, SymbolKind, write};
use relobox_tests::real;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory with a module that the made-up plugins link too.
struct TestEnv {
    directory: tempfile::TempDir,
    relobox: PathBuf,
}

impl TestEnv {
    fn new() -> Self {
        let env =
            Self { directory: tempfile::tempdir().expect("a directory"), relobox: real::binary().expect("relobox") };
        env.put("kallsyms", sample::KALLSYMS);
        env.put("bad.ko", sample::module(0xbad));
        env.put("honest.wasm", honest("plugin"));
        env
    }

    fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.directory.path().join(name), contents).expect(name);
    }

    fn link(&self, more: &[&str]) -> Output {
        self.run(&[&["link", "bad.ko", "--symbols", "kallsyms", "-o", "out.elf"], more].concat())
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.relobox);
        command.args(args);
        command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests"));
        command.env("XDG_DATA_HOME", "/nonexistent").current_dir(self.directory.path()).output().expect("relobox")
    }

    /// The problems of a link that must fail; it leaves no file.
    fn problems(&self, more: &[&str]) -> Vec<String> {
        let output = self.link(more);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{more:?}: {said}");
        assert!(!self.directory.path().join("out.elf").exists());
        let json = String::from_utf8(self.link(&[more, &["--json"]].concat()).stdout).expect("text");
        assert!(json.contains("\"kind\": \"cross-check\""), "{json}");
        said.lines().map(|line| line.strip_prefix("relobox: ").expect("its prefix").to_owned()).collect()
    }
}

/// The honest plugin with other data or functions.
fn other(text: &str) -> Vec<u8> {
    let whole = std::fs::read_to_string(directory().join("plugin/honest.wat")).expect("honest.wat");
    // What comes later is written over what was there.
    wat::parse_str(format!("(module {whole}\n{text})")).expect("it assembles")
}

#[test]
fn plugins_that_agree() {
    let env = TestEnv::new();
    let mut same = relobox::built_in::wasm_of("x86_64").expect("it is built in").to_vec();
    same.extend([0, 3, 1, b'm', 1]);
    env.put("same.wasm", same);
    let output = env.link(&["--cross-check", "./same.wasm"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        said.contains("10 relocations done by plugin x86_64, and by x86_64 (./same.wasm) alike -> out.elf"),
        "{said}"
    );
    assert!(env.directory.path().join("out.elf").exists());
    let json = String::from_utf8(env.link(&["--cross-check", "./same.wasm", "--json"]).stdout).expect("text");
    assert!(json.contains("\"cross_check\"") && json.contains("\"origin\": \"./same.wasm\""), "{json}");
    // The other way round, by name.
    let output = env.link(&["--plugin", "./same.wasm", "--cross-check", "x86_64"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    // With itself it would say nothing.
    for more in [&["--plugin", "x86_64", "--cross-check", "x86_64"][..], &["--cross-check", "nobody"]] {
        assert_eq!(env.link(more).status.code(), Some(2), "{more:?}");
    }
    let output = env.link(&["--cross-check", "x86_64"]);
    assert_eq!(output.status.code(), Some(1), "there is no other plugin to check with it");
}

#[test]
fn one_byte_is_named() {
    let env = TestEnv::new();
    env.put("wrong.wasm", case("plugin", "changes_inside_the_window").wasm);
    let said = env.problems(&["--plugin", "./honest.wasm", "--cross-check", "./wrong.wasm"]);
    let wanted = "bad.ko:(.text+0x3): relocation R_TEST differs at 0x3: hostile (./honest.wasm) has 00 00 00 00, \
                  and hostile (./wrong.wasm) 55 00 00 00; references '.rodata'";
    assert_eq!(said, [wanted]);
    // An independent one finds every relocation that this one did not do, and nothing else.
    let said = env.problems(&["--plugin", "x86_64", "--cross-check", "./honest.wasm"]);
    assert_eq!(said.len(), 10, "{said:#?}");
    let table = ["__ksymtab_gpl+0x0", "__ksymtab_gpl+0x4", "__ksymtab_gpl+0x8"];
    let places = [".text+0x3", ".text+0x8", ".text+0xf", ".text+0x14", ".data+0x0", ".data+0x10"];
    for place in places.into_iter().chain(table) {
        assert!(said.iter().any(|line| line.contains(&format!("({place})"))), "{place}: {said:#?}");
    }
    assert!(said.iter().any(|line| line.contains("R_X86_64_PLT32") && line.contains("'printk'")), "{said:#?}");
}

#[test]
fn other_plans_are_named() {
    let env = TestEnv::new();
    // One section of 16 bytes of data; the same with other contents; and a larger one.
    let got = |size: u32, byte: u32| {
        other(&format!(
            "(data (i32.const 0x708) (i32 0x800 1))
             (data (i32.const 0x800) (i64 0 {size} 8) (i32 0x600 7 2 0 -1 0x900) (i64 0))
             (data (i32.const 0x909) (i8 {byte}))"
        ))
    };
    env.put("got.wasm", got(16, 0));
    env.put("larger.wasm", got(24, 0));
    env.put("filled.wasm", got(16, 7));
    env.put(
        "aligned.wasm",
        other("(data (i32.const 0x710) (i32 0x800 1)) (data (i32.const 0x800) (i32 1 0) (i64 64))"),
    );
    let with = |one: &str, two: &str| env.problems(&["--plugin", one, "--cross-check", two]).join("\n");
    // How much room a plugin asks for is its own affair, and so is what nothing leads to and holds nothing.
    for (one, two) in
        [("./honest.wasm", "./got.wasm"), ("./got.wasm", "./larger.wasm"), ("./larger.wasm", "./got.wasm")]
    {
        let output = env.link(&["--plugin", one, "--cross-check", two]);
        assert_eq!(output.status.code(), Some(0), "{one} {two}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::remove_file(env.directory.path().join("out.elf")).expect("a file");
    }
    let said = with("./got.wasm", "./filled.wasm");
    assert!(
        said.contains("(hostile): differs at 0x8: ")
            && said.contains("00 00 00 00 00 00 00 00")
            && said.contains("00 07 00"),
        "{said}"
    );
    let said = with("./honest.wasm", "./aligned.wasm");
    assert!(said.contains("only hostile (./aligned.wasm) aligns it to 64") && said.contains(".text"), "{said}");
}

#[test]
fn faults_are_compared() {
    let env = TestEnv::new();
    // A fault of relocation 1: kind, relocation, section, symbol, offset, value, min, max, text, reserved.
    let fault = |kind: u32| {
        other(&format!(
            "(data (i32.const 0x740) (i32 0x800 1))
             (data (i32.const 0x800) (i32 {kind} 1 1 0) (i64 8 5 -1 1) (i32 0 0) (i64 0))"
        ))
    };
    env.put("refuses.wasm", fault(2));
    env.put("again.wasm", [fault(2), vec![0, 3, 1, b'm', 1]].concat());
    env.put("otherwise.wasm", fault(3));
    let said = env.problems(&["--plugin", "./honest.wasm", "--cross-check", "./refuses.wasm"]);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(
        said[0].contains("is refused by hostile (./refuses.wasm) (out-of-range), ") && said[0].contains("(.text+0x8)"),
        "{said:#?}"
    );
    let said = env.problems(&["--plugin", "./refuses.wasm", "--cross-check", "./honest.wasm"]);
    assert!(said.len() == 1 && said[0].contains("but not by hostile (./honest.wasm)"), "{said:#?}");
    assert_eq!(env.problems(&["--plugin", "./refuses.wasm", "--cross-check", "./otherwise.wasm"]).len(), 2);
    // Both refuse for the same reason: it is the reason that is printed.
    let output = env.link(&["--plugin", "./refuses.wasm", "--cross-check", "./again.wasm", "--json"]);
    let json = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.code() == Some(1) && !json.contains("cross-check"), "{json}");
    // One that breaks the contract is no second opinion.
    env.put("loops.wasm", case("plugin", "loop_in_apply").wasm);
    assert_eq!(env.link(&["--plugin", "x86_64", "--cross-check", "./loops.wasm"]).status.code(), Some(3));
}

/// A test environment with a module for the made-up machine of `kit-cases`: branches that do not reach and fields that lead to
/// entries, three symbols by turns.
fn kit_env(class: u8, order: u8) -> TestEnv {
    let env = TestEnv::new();
    let machine = relobox_abi::Machine { machine: 0x7e57, class, order, ..relobox_abi::Machine::default() };
    let mut module = ModuleSpec::new(machine, false);
    let symbols = ["alpha", "beta", "gamma"]
        .map(|name| module.symbol(Symbol { name: name.into(), kind: SymbolKind::Outside(0), size: 0 }));
    let kinds = [6, 10, 11, 12, 13, 6, 13, 6];
    let relocation = |(i, kind): (usize, u32)| Relocation {
        offset: 16 * i as u64,
        kind,
        symbol: symbols[[2, 0, 1][i % 3]],
        addend: 0,
    };
    module.sections.push(Section {
        address: 0,
        bytes: vec![0x3c; 384],
        relocations: (0..24).map(|i| relocation((i, kinds[i % kinds.len()]))).collect(),
    });
    env.put("bad.ko", write(&module).expect("a module"));
    env.put("kallsyms", "50001230 T alpha\n50104560 T beta\n5f007890 T gamma\n");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("kit-cases/wasm");
    for entry in std::fs::read_dir(cases).expect("tests/kit-cases").flatten().map(|entry| entry.path()) {
        if entry.extension().is_some_and(|e| e == "wasm") {
            std::fs::copy(&entry, env.directory.path().join(entry.file_name().expect("a name"))).expect("a copy");
        }
    }
    env
}

#[test]
fn entries_and_stubs_may_have_other_numbers() {
    for (class, order) in [(64, order::LITTLE), (64, order::BIG), (32, order::LITTLE), (32, order::BIG)] {
        let env = kit_env(class, order);
        for (one, two) in [
            ("right", "right-renumbered"),
            ("right-renumbered", "right"),
            ("right-literal", "right-literal-renumbered"),
            ("right", "right-literal-renumbered"),
        ] {
            let [one, two] = [one, two].map(|name| format!("./{name}.wasm"));
            let output = env.link(&["--plugin", &one, "--cross-check", &two]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{class} {order}: {one} {two}: {said}");
            std::fs::remove_file(env.directory.path().join("out.elf")).expect("a file");
        }
        for (two, wanted) in [
            ("wrong-slot", "R_KIT_GOT_PC leads to different targets"),
            ("wrong-entry", "R_KIT_GOT_PC leads to different targets"),
            ("wrong-stub", "R_KIT_BRANCH leads to different targets"),
            ("wrong-branch", "R_KIT_BRANCH leads to different targets"),
            ("wrong-literal", "R_KIT_BRANCH leads to different targets"),
        ] {
            let two = format!("./{two}.wasm");
            let said = env.problems(&["--plugin", "./right.wasm", "--cross-check", &two]);
            assert!(said.iter().all(|line| line.contains("'beta'")), "{class} {order} {two}: {said:#?}");
            assert!(said.iter().any(|line| line.contains(wanted)), "{class} {order} {two}: {said:#?}");
        }
    }
}

#[test]
fn a_plugin_for_another_machine_is_wrong_usage() {
    let env = kit_env(64, order::LITTLE);
    let output = env.link(&["--plugin", "./right.wasm", "--cross-check", "x86_64"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.lines().count() == 1 && said.contains("plugin x86_64 is for another machine than machine 32343"),
        "{said}"
    );
}

#[test]
fn a_tree_is_checked_with_both() {
    let env = TestEnv::new();
    let mut same = relobox::built_in::wasm_of("x86_64").expect("it is built in").to_vec();
    same.extend([0, 3, 1, b'm', 1]);
    env.put("same.wasm", same);
    env.put("wrong.wasm", case("plugin", "changes_inside_the_window").wasm);
    env.put(
        "right.wasm",
        std::fs::read(kit_env(64, order::LITTLE).directory.path().join("right.wasm")).expect("a file"),
    );
    std::fs::copy(env.directory.path().join("bad.ko"), env.directory.path().join("again.ko")).expect("a copy");
    let check = |more: &[&str]| {
        let output = env.run(&[&["check", "bad.ko", "again.ko"], more].concat());
        let [said, complained] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
        (output.status.code(), said, complained)
    };
    let (code, said, complained) = check(&["--cross-check", "./same.wasm"]);
    assert_eq!(code, Some(0), "{said}{complained}");
    assert!(said.contains("cross-check by x86_64 (./same.wasm): 2 modules alike, 0 different\n"), "{said}");
    let (code, said, complained) = check(&["--plugin", "./honest.wasm", "--cross-check", "./wrong.wasm"]);
    assert_eq!(code, Some(1), "{said}{complained}");
    assert!(complained.contains("relocation R_TEST differs at 0x3"), "{complained}");
    assert!(said.contains("cross-check by hostile (./wrong.wasm): 0 modules alike, 2 different\n"), "{said}");
    let (_, json, _) = check(&["--plugin", "./honest.wasm", "--cross-check", "./wrong.wasm", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let found = &json["cross_check"];
    assert_eq!((found["alike"].as_u64(), found["differ"].as_u64(), &json["rejected"]), (Some(0), Some(2), &2.into()));
    // One that no module is for.
    let (code, _, complained) = check(&["--cross-check", "./right.wasm"]);
    assert!(code == Some(2) && complained.contains("is for another machine than the modules"), "{complained}");
}
