//! Where plugins come from, which of several is meant, and which are trusted: docs/plugins.md, line by line.
#![cfg(target_os = "linux")]

mod test_env;

use relobox::built_in;
use relobox::isolate::{Linker, Options};
use relobox::kernel::Machine;
use relobox::pins::Pins;
use relobox::plugin_file::Origin;
use relobox::plugin_file::PluginFile;
use relobox::registry::{Plugins, Search};
use relobox::text::hex;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use test_env::{Outcome, TestEnv, cache};

/// A plugin that does what a built-in one does, and is another: it has one section more.
fn copy(of: &str, mark: u8) -> Vec<u8> {
    let mut wasm = built_in::wasm_of(of).unwrap().to_vec();
    wasm.extend([0, 3, 1, b'm', mark]);
    wasm
}

fn digest(wasm: &[u8]) -> String {
    hex(&PluginFile::new(String::new(), wasm.to_vec(), Origin::BuiltIn).digest)
}

/// A directory with empty homes, an aarch64 object and plugins.
struct RegistryEnv(TestEnv);

impl RegistryEnv {
    fn new() -> Self {
        let registry = Self(TestEnv::new());
        registry.put("a.o", object());
        registry
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.directory.join(name)
    }

    fn put(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }

    fn mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn run(&self, args: &[&str]) -> Outcome {
        let mut command = self.0.command_of(args);
        command.env("XDG_DATA_HOME", self.path("data")).env("XDG_CONFIG_HOME", self.path("config"));
        command.env_remove("RELOBOX_PINS").env_remove("RELOBOX_PLUGIN_DIR").output().unwrap().into()
    }

    fn good(&self, args: &[&str]) -> String {
        let outcome = self.run(args);
        assert_eq!(outcome.code, Some(0), "{args:?}: {outcome:?}");
        outcome.stdout
    }

    fn bad(&self, code: i32, args: &[&str]) -> String {
        let outcome = self.run(args);
        assert_eq!(outcome.code, Some(code), "{args:?}: {outcome:?}");
        assert!(outcome.stderr.lines().all(|line| line.starts_with("relobox: ")), "{outcome:?}");
        outcome.stderr
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.good(args)).unwrap()
    }
}

/// A little-endian aarch64 object without a relocation: a null section, and the names of both.
fn object() -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\xb7\0\x01\0\0\0".to_vec();
    file.extend([0; 16]);
    file.extend(80u64.to_le_bytes());
    file.extend([0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0, 2, 0, 1, 0]);
    file.extend(b"\0.shstrtab\0\0\0\0\0\0");
    file.extend([0; 64]);
    for (word, long) in [
        (1u32, false),
        (3, false),
        (0, true),
        (0, true),
        (64, true),
        (11, true),
        (0, false),
        (0, false),
        (1, true),
        (0, true),
    ] {
        let bytes = u64::from(word).to_le_bytes();
        file.extend(if long { &bytes[..] } else { &bytes[..4] });
    }
    file
}

fn plugin_of(link: &Value) -> String {
    link["plugin_sha256"].as_str().unwrap().to_owned()
}

#[test]
fn list_shows_what_there_is_and_where_from() {
    let registry = RegistryEnv::new();
    let (mine, system) = (copy("aarch64", 1), copy("mips32", 2));
    registry.put("data/relobox/plugins/mine.wasm", &mine);
    registry.put("dir/other.wasm", &system);
    let built_in = registry.json(&["plugin", "list", "--json"]);
    let list = registry.json(&["plugin", "list", "--plugin-dir", "dir", "--json"]);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), built_in.as_array().unwrap().len() + 1);
    let by = |sha256: &str| list.iter().find(|p| p["sha256"] == sha256).unwrap();
    let aarch64 = by(&digest(built_in::wasm_of("aarch64").unwrap()));
    assert_eq!(
        (&aarch64["origin"], &aarch64["source"], &aarch64["pinned"]),
        (&"built in".into(), &"built-in".into(), &true.into())
    );
    let (user, given) = (by(&digest(&mine)), by(&digest(&system)));
    assert_eq!((&user["source"], &user["pinned"]), (&"user".into(), &false.into()));
    assert!(user["origin"].as_str().unwrap().ends_with("data/relobox/plugins/mine.wasm"));
    assert_eq!((&given["source"], &given["origin"]), (&"given".into(), &"dir/other.wasm".into()));
    for field in ["machine", "class", "byte_order"] {
        assert_eq!(user["machines"][0][field], aarch64["machines"][0][field]);
    }
    assert_eq!((&user["abi"], &user["relocation_types"]), (&aarch64["abi"], &aarch64["relocation_types"]));
    // Each names the other.
    assert_eq!(user["conflicts_with"], serde_json::json!([digest(built_in::wasm_of("aarch64").unwrap())]));
    assert_eq!(aarch64["conflicts_with"], serde_json::json!([digest(&mine)]));
    assert_eq!(by(&digest(built_in::wasm_of("s390x").unwrap()))["conflicts_with"], serde_json::json!([]));

    let said = registry.run(&["plugin", "list", "--plugin-dir", "dir"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<_> = said.stdout.lines().collect();
    for word in ["name", "machine", "class", "order", "types", "ABI", "SHA-256", "pinned", "from"] {
        assert!(lines[0].contains(word), "{word}: {}", lines[0]);
    }
    // Aligned: what is pinned stands in the same column in every line that has a digest.
    let rows: Vec<_> = lines[1..].iter().filter(|line| line.contains('…')).collect();
    assert_eq!(rows.len(), list.len());
    let column = |line: &str| line.chars().position(|c| c == '…').unwrap();
    assert!(rows.iter().all(|row| column(row) == column(rows[0])), "{}", said.stdout);
    assert!(rows.iter().any(|row| row.contains("mine.wasm (user)") && row.contains("  no  ")), "{}", said.stdout);
    assert_eq!(said.stderr.matches("choose one with --plugin").count(), 4, "{}", said.stderr);
    // The environment's directories count as well.
    let mut command = registry.0.command_of(&["plugin", "list", "--json"]);
    command
        .env("RELOBOX_PLUGIN_DIR", format!("{}:", registry.path("dir").display()))
        .env("XDG_DATA_HOME", "/nonexistent");
    let outcome: Outcome = command.output().unwrap().into();
    assert!(outcome.stdout.contains(&digest(&system)), "{outcome:?}");
}

#[test]
fn info_says_what_values_are_made_of_and_how_rows_pair() {
    let registry = RegistryEnv::new();
    let info = registry.json(&["plugin", "info", "riscv64", "--json"]);
    let row = |name: &str| {
        let rows = info["relocations"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}"));
        ["effect", "round", "derived", "pairing", "partner"].map(|field| row[field].clone())
    };
    let none = Value::Null;
    let expected = |effect: &str, round: u64, pairing: &str, partner: Value| {
        [effect.into(), round.into(), false.into(), pairing.into(), partner]
    };
    assert_eq!(row("R_RISCV_64"), expected("absolute", 0, "none", none.clone()));
    assert_eq!(row("R_RISCV_NONE"), expected("unknown", 0, "none", none));
    assert_eq!(row("R_RISCV_PCREL_HI20"), expected("relative", 12, "labelled", "R_RISCV_PCREL_LO12_I".into()));
    assert_eq!(row("R_RISCV_PCREL_LO12_S"), expected("partner", 0, "label", "R_RISCV_PCREL_HI20".into()));
    assert_eq!(row("R_RISCV_SUB8"), expected("minus", 0, "place", "R_RISCV_ADD8".into()));
    let text = registry.good(&["plugin", "info", "riscv64"]);
    assert!(text.contains("; partner; low half of the R_RISCV_PCREL_HI20 at its label\n"), "{text}");
}

#[test]
fn two_plugins_for_a_machine_are_an_error_unless_one_is_chosen() {
    let registry = RegistryEnv::new();
    let built_in = digest(built_in::wasm_of("aarch64").unwrap());
    assert_eq!(plugin_of(&registry.json(&["link", "a.o", "--json"])), built_in);
    let wasm = copy("aarch64", 1);
    let (mine, own) = (digest(&wasm), registry.put("dir/mine.wasm", &wasm));
    let link = ["link", "a.o", "--json", "--plugin-dir", "dir"];
    let refused = registry.run(&link);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let refused: Value = serde_json::from_str(&refused.stdout).unwrap();
    let problem = &refused["error"]["problems"][0];
    assert_eq!((&problem["kind"], &problem["file"]), (&"plugin-conflict".into(), &"a.o".into()));
    let text = problem["text"].as_str().unwrap();
    for word in [&*mine, &*built_in, "dir/mine.wasm", "built in", "machine 183, 64 bits, little-endian"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(problem["hint"].as_str().unwrap().contains("--plugin"), "{problem}");
    // By name, by digest, by its first digits, by file; and the other one.
    for named in ["mine", &mine, &mine[..12], "dir/mine.wasm", own.to_str().unwrap()] {
        assert_eq!(plugin_of(&registry.json(&[&link[..], &["--plugin", named]].concat())), mine, "{named}");
    }
    for named in ["aarch64", &built_in[..20]] {
        assert_eq!(plugin_of(&registry.json(&[&link[..], &["--plugin", named]].concat())), built_in, "{named}");
    }
    // A file need not be in a directory that is searched.
    assert_eq!(plugin_of(&registry.json(&["link", "a.o", "--json", "--plugin", "dir/mine.wasm"])), mine);
    // A copy is no second plugin.
    registry.put("same/anything.wasm", built_in::wasm_of("aarch64").unwrap());
    assert_eq!(plugin_of(&registry.json(&["link", "a.o", "--json", "--plugin-dir", "same"])), built_in);
    registry.put("same/mine.wasm", &wasm);
    registry.put("same/twice.wasm", &wasm);
    assert_eq!(
        plugin_of(&registry.json(&["link", "a.o", "--json", "--plugin-dir", "same", "--plugin", "twice"])),
        mine
    );
    // Both of a name: it chooses neither.
    registry.put("dir/aarch64.wasm", copy("aarch64", 2));
    let said = registry.bad(2, &["link", "a.o", "--plugin-dir", "dir", "--plugin", "aarch64"]);
    assert!(said.contains("several plugins are called \"aarch64\"") && said.contains(&built_in), "{said}");
    // Two chosen ones, and one that is for something else.
    let said =
        registry.bad(1, &["link", "a.o", "--plugin-dir", "dir", "--plugin", "mine", "--plugin", "dir/aarch64.wasm"]);
    assert!(said.contains("several plugins link") && !said.contains(&built_in), "{said}");
    let said = registry.bad(1, &["link", "a.o", "--plugin", "s390x"]);
    assert!(said.contains("no plugin given with --plugin links it"), "{said}");
    let said = registry.bad(2, &["link", "a.o", "--plugin", "nobody"]);
    assert!(said.contains("there is no plugin \"nobody\"") && said.contains("aarch64"), "{said}");
    let said = registry.bad(2, &["link", "a.o", "--plugin-dir", "nowhere"]);
    assert!(said.contains("nowhere"), "{said}");
}

/// To look at a module takes no decision.
#[test]
fn inspect_names_all_that_could_be_meant() {
    let registry = RegistryEnv::new();
    registry.0.sample("math_user");
    let built_in = digest(built_in::wasm_of(native()).unwrap());
    let wasm = copy(native(), 1);
    let mine = digest(&wasm);
    registry.put("dir/mine.wasm", &wasm);
    let inspect = ["inspect", "math_user.ko", "--plugin-dir", "dir"];
    let shown = registry.json(&[&inspect[..], &["--json"]].concat());
    assert_eq!(shown["plugin"], Value::Null);
    let candidates = shown["candidates"].as_array().unwrap();
    let named = |digest: &str| candidates.iter().find(|c| c["sha256"] == digest).unwrap_or_else(|| panic!("{shown}"));
    assert_eq!((candidates.len(), &named(&built_in)["origin"]), (2, &"built in".into()));
    assert_eq!((&named(&mine)["name"], &named(&mine)["origin"]), (&native().into(), &"dir/mine.wasm".into()));
    let text = registry.good(&inspect);
    let mut lines = text.lines();
    assert!(lines.next().unwrap().ends_with("; plugin: one of 2"), "{text}");
    assert!(lines.any(|line| line == format!("candidate: {} (dir/mine.wasm, SHA-256 {mine})", native())), "{text}");
    // Once it is clear, there is one. What both say of relocations needed no decision.
    let chosen = registry.json(&[&inspect[..], &["--json", "--plugin", "mine"]].concat());
    assert_eq!((&chosen["plugin"], &chosen["candidates"]), (&native().into(), &Value::Null));
    assert!(chosen["relocations"][0]["name"].as_str().unwrap().starts_with("R_"), "{chosen}");
    assert_eq!(shown["relocations"], chosen["relocations"]);
}

#[test]
fn a_pinned_plugin_is_preferred() {
    let registry = RegistryEnv::new();
    let (first, second) = (copy("aarch64", 1), copy("aarch64", 2));
    registry.put("dir/first.wasm", &first);
    registry.put("dir/second.wasm", &second);
    let link = ["link", "a.o", "--json", "--plugin-dir", "dir", "--pins", "pins"];
    registry.good(&["plugin", "pin", "dir/second.wasm", "--file", "pins"]);
    let linked = registry.json(&link);
    assert_eq!((plugin_of(&linked), &linked["plugin_pinned"]), (digest(&second), &true.into()));
    let linked = registry.json(&[&link[..], &["--plugin", "first"]].concat());
    assert_eq!((plugin_of(&linked), &linked["plugin_pinned"]), (digest(&first), &false.into()));
    let said = registry.good(&["link", "a.o", "--plugin", "dir/first.wasm"]);
    assert!(said.contains("done by plugin aarch64 (not pinned)"), "{said}");
    let said = registry.good(&["link", "a.o"]);
    assert!(said.contains("done by plugin aarch64\n"), "{said}");
    registry.good(&["plugin", "pin", "dir/first.wasm", "--file", "pins"]);
    let said = registry.bad(1, &link[..2].iter().chain(&link[3..]).copied().collect::<Vec<_>>());
    assert!(said.contains("several plugins link") && !said.contains("built in"), "{said}");
    // A built-in one can be preferred in the same way.
    registry.good(&["plugin", "pin", "--remove", "first", "second", "--file", "pins"]);
    registry.good(&["plugin", "pin", "aarch64", "--file", "pins"]);
    assert_eq!(plugin_of(&registry.json(&link)), digest(built_in::wasm_of("aarch64").unwrap()));
}

#[test]
fn the_pin_file_is_for_people() {
    let registry = RegistryEnv::new();
    let wasm = copy("mips32", 1);
    registry.put("my plugin.wasm", &wasm);
    let said =
        registry.good(&["plugin", "pin", "./my plugin.wasm", "--comment", "of  May", "--file", "etc/relobox/pins"]);
    assert!(said.contains(&digest(&wasm)), "{said}");
    let path = registry.path("etc/relobox/pins");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = format!("{} my_plugin 8/32/little,8/32/big # of May", digest(&wasm));
    assert!(text.starts_with("# ") && text.lines().last() == Some(&line), "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
    // Beside it is what was compiled, for its owner alone, and nothing else.
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
    let compiled = path.with_file_name("compiled");
    assert_eq!(std::fs::metadata(&compiled).unwrap().permissions().mode() & 0o7777, 0o700);
    let names: Vec<_> = std::fs::read_dir(&compiled).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [&*format!("{}.cwasm", digest(&wasm))]);
    // What a person wrote stays; pinning again changes no line but its own.
    let text = text.replace(&line, &format!("\n# mine\n{line}\n"));
    std::fs::write(&path, &text).unwrap();
    registry.good(&["plugin", "pin", "./my plugin.wasm", "--comment", "of May", "--file", "etc/relobox/pins"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let unknown = "ab".repeat(32);
    registry.good(&["plugin", "pin", &unknown, "s390x", "--file", "etc/relobox/pins"]);
    let listed = registry.json(&["plugin", "pin", "--list", "--json", "--pins", "etc/relobox/pins"]);
    let names: Vec<_> = listed["pins"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["my_plugin", "-", "s390x"]);
    assert_eq!(listed["pins"][0]["machines"], serde_json::json!(["8/32/little", "8/32/big"]));
    assert_eq!(
        (&listed["pins"][0]["comment"], &listed["pins"][1]["machines"]),
        (&"of May".into(), &serde_json::json!([]))
    );
    assert!(registry.good(&["plugin", "pin", "--list", "--file", "etc/relobox/pins"]).contains(&unknown));
    // By digest, by file, by name.
    registry.good(&[
        "plugin",
        "pin",
        "--remove",
        &unknown[..12],
        "./my plugin.wasm",
        "s390x",
        "--file",
        "etc/relobox/pins",
    ]);
    let empty = std::fs::read_to_string(&path).unwrap();
    assert_eq!(empty, text.replace(&format!("{line}\n"), ""));
    let said = registry.bad(2, &["plugin", "pin", "--remove", "s390x", "--file", "etc/relobox/pins"]);
    assert!(said.contains("no pin is named \"s390x\""), "{said}");
    let said = registry.bad(2, &["plugin", "pin", "a.o", "./a.o", "--file", "etc/relobox/pins"]);
    assert!(said.contains("there is no plugin \"a.o\""), "{said}");
    let said = registry.bad(2, &["plugin", "pin", "./a.o", "--file", "etc/relobox/pins"]);
    assert!(said.contains("this is not WebAssembly"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), empty);
    let said = registry.bad(2, &["plugin", "list", "--pins", "no/such/file"]);
    assert!(said.contains("no/such/file"), "{said}");
}

#[test]
fn a_malformed_pin_is_an_error_with_its_line() {
    let registry = RegistryEnv::new();
    let good = format!("# a comment\n\n{} a 62/64/little\n", "0f".repeat(32));
    let lines = [
        ("0f0f a -", "64 hexadecimal digits"),
        (&*format!("{} a -", "0g".repeat(32)), "64 hexadecimal digits"),
        (&*format!("{} a -", "é".repeat(32)), "64 hexadecimal digits"),
        (&*"0f".repeat(32), "no name"),
        (&*format!("{} # a", "0f".repeat(32)), "no name"),
        (&*format!("{} a", "0f".repeat(32)), "no machines"),
        (&*format!("{} a 62/65/little", "0f".repeat(32)), "62/64/little"),
        (&*format!("{} a x86_64", "0f".repeat(32)), "62/64/little"),
    ];
    for (line, why) in lines {
        registry.put("pins", format!("{good}{line}\n"));
        let said = registry.bad(2, &["link", "a.o", "--pins", "pins"]);
        assert!(said.contains("pins:4: not a pin: ") && said.contains(why), "{line}: {said}");
        assert!(registry.bad(2, &["plugin", "pin", "s390x", "--file", "pins"]).contains("pins:4: "));
        assert_eq!(std::fs::read_to_string(registry.path("pins")).unwrap(), format!("{good}{line}\n"));
    }
    registry.put("pins", &good);
    registry.good(&["link", "a.o", "--pins", "pins"]);
    // Others could add what they like.
    for mode in [0o664, 0o646] {
        registry.mode("pins", mode);
        let said = registry.bad(2, &["link", "a.o", "--pins", "pins"]);
        assert!(said.contains("pins: other users may write it: its mode is 06"), "{said}");
    }
    registry.mode("pins", 0o600);
    registry.mode(".", 0o777);
    assert!(registry.bad(2, &["link", "a.o", "--pins", "pins"]).contains("other users may write it"));
    registry.mode(".", 0o1777);
    registry.good(&["link", "a.o", "--pins", "pins"]);
    registry.mode(".", 0o755);
    registry.put("long", vec![b'#'; 300 << 10]);
    assert!(registry.bad(2, &["link", "a.o", "--pins", "long"]).contains("more than"));
}

#[test]
fn directories_that_others_write_are_not_used() {
    let registry = RegistryEnv::new();
    registry.put("data/relobox/plugins/mine.wasm", copy("aarch64", 1));
    let list = ["plugin", "list", "--json"];
    assert!(registry.good(&list).contains("mine.wasm"));
    for (path, mode) in [("data/relobox/plugins", 0o777), ("data/relobox/plugins/mine.wasm", 0o664)] {
        let before = std::fs::metadata(registry.path(path)).unwrap().permissions().mode() & 0o7777;
        registry.mode(path, mode);
        let said = registry.run(&["plugin", "list"]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains(path) && said.stderr.contains("other users may write it"), "{said:?}");
        registry.mode(path, before);
    }
    let search = |system: &Path| Search { system: vec![system.to_owned()], ..Search::default() };
    assert_eq!(search(&registry.path("nowhere")).read().unwrap().files, []);
}

/// `insmod --kernel vet` of a file that is not there: whatever is decided about plugins comes before.
fn privileged<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["insmod", "--kernel", "vet", "nowhere.ko", "--pins", "pins"], more].concat()
}

fn native() -> &'static str {
    &relobox::kernels::linux::machine().name.clone().leak()[..]
}

#[test]
fn an_unpinned_plugin_is_refused_in_privileged_use() {
    let name = native();
    assert!(built_in::wasm_of(name).is_some(), "{name}: relobox has no plugin for the machine it runs on");
    let registry = RegistryEnv::new();
    registry.put("pins", "");
    let gone = |said: &str| assert!(said.contains("nowhere.ko: No such file"), "{said}");
    gone(&registry.bad(2, &privileged(&[])));
    let wasm = copy(name, 1);
    // In a home it is not even found.
    registry.put("data/relobox/plugins/mine.wasm", &wasm);
    assert!(registry.good(&["plugin", "list", "--json"]).contains("mine.wasm"));
    gone(&registry.bad(2, &privileged(&[])));
    registry.put("dir/mine.wasm", &wasm);
    let args = privileged(&["--plugin-dir", "dir"]);
    let said = registry.bad(1, &args);
    assert!(
        said.contains("dir/mine.wasm: plugin mine is not pinned in pins; its SHA-256 is ")
            && said.contains(&digest(&wasm)),
        "{said}"
    );
    let json: Value = serde_json::from_str(&registry.run(&[&args[..], &["--json"]].concat()).stdout).unwrap();
    assert_eq!(json["error"]["problems"][0]["kind"], "unpinned-plugin");
    for chosen in [&["--plugin", "mine"][..], &["--plugin", "dir/mine.wasm"]] {
        assert!(registry.bad(1, &[&args[..], chosen].concat()).contains("not pinned"));
    }
    // The built-in one can be chosen instead, and a plugin of another machine changes nothing.
    gone(&registry.bad(2, &[&args[..], &["--plugin", name]].concat()));
    let other = if name == "s390x" { "mips32" } else { "s390x" };
    registry.put("others/other.wasm", copy(other, 1));
    registry.put("others/copy.wasm", built_in::wasm_of(name).unwrap());
    gone(&registry.bad(2, &privileged(&["--plugin-dir", "others"])));
    let said = registry.bad(2, &privileged(&["--plugin", other]));
    assert!(said.contains("no plugin given with --plugin links modules for this kernel's machine"), "{said}");
    // What it says to do does it.
    let command = said_to_do(&registry.bad(1, &args));
    registry.good(&command.iter().map(String::as_str).collect::<Vec<_>>());
    gone(&registry.bad(2, &args));
    // A single other byte is another plugin.
    registry.put("dir/mine.wasm", copy(name, 2));
    assert!(registry.bad(1, &args).contains(&digest(&copy(name, 2))));
}

/// The arguments of the command in a hint.
fn said_to_do(said: &str) -> Vec<String> {
    let (_, command) = said.trim().split_once("relobox plugin pin ").unwrap();
    ["plugin", "pin"].into_iter().chain(command.split(' ')).map(str::to_owned).collect()
}

/// Refused before anything is started that could compile it: there is no such program.
#[test]
fn no_code_of_an_unpinned_plugin_is_compiled() {
    let registry = RegistryEnv::new();
    // The shortest Wasm module: it has no code, and nothing that says it is none of this machine's.
    registry.put("dir/mine.wasm", b"\0asm\x01\0\0\0");
    let search = Search { given: vec![registry.path("dir")], ..Search::default() };
    let mut plugins = Plugins::find(&search, &[], Pins::default()).unwrap();
    let machine = Some(Machine { name: "x86_64".into(), machine: 62, class: 64, order: 1 });
    let options = |plugins: &Plugins| Options {
        program: "/nonexistent/relobox".into(),
        compiled: test_env::compiled,
        cache: Some(cache()),
        machine: machine.clone(),
        plugins: plugins.clone(),
        ..Options::default()
    };
    let said = Linker::start(&options(&plugins)).unwrap_err().to_string();
    assert!(said.contains("plugin mine is not pinned"), "{said}");
    plugins.pins.add(relobox::pins::Pin::of(&plugins.files[0], ""));
    let said = Linker::start(&options(&plugins)).unwrap_err().to_string();
    assert!(said.contains("/nonexistent/relobox"), "{said}");
}

/// What lies in a plugin directory and is no plugin is named by its path, and every link that does not need it goes on.
#[test]
fn junk_in_a_plugin_directory_stops_no_link() {
    let registry = RegistryEnv::new();
    let module = |sections: &[u8]| [b"\0asm\x01\0\0\0", sections].concat();
    let junk: [(&str, Vec<u8>, &str); 5] = [
        ("empty.wasm", Vec::new(), "empty.wasm: it is empty"),
        ("text.wasm", b"not Wasm at all".to_vec(), "text.wasm: it does not begin as a Wasm module does"),
        ("bare.wasm", module(&[]), "bare.wasm"),
        ("cut.wasm", copy("aarch64", 1)[..40].to_vec(), "cut.wasm"),
        ("large.wasm", module(&vec![0; relobox::limits::GUEST]), "large.wasm: it is larger than a guest may be"),
    ];
    for (name, bytes, _) in &junk {
        registry.put(&format!("dir/{name}"), bytes);
    }
    std::fs::create_dir(registry.path("dir/folder.wasm")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, registry.path("dir/fifo.wasm"), rustix::fs::Mode::RUSR).unwrap();
    std::os::unix::fs::symlink("nowhere", registry.path("dir/dangling.wasm")).unwrap();
    let said = registry.run(&["link", "a.o", "--plugin-dir", "dir", "-o", "out", "--base", "0x1000000"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let others = ["folder.wasm: not a regular file", "fifo.wasm: not a regular file", "dangling.wasm: "];
    for expected in junk.iter().map(|(.., expected)| *expected).chain(others) {
        let lines = said.stderr.lines().filter(|line| line.contains(&format!("dir/{expected}")));
        assert_eq!(lines.count(), 1, "{expected}: {said:?}");
    }
    // The same for what needs no link, and for a kernel: nothing of it is pinned, and nothing of it is in the way.
    registry.good(&["plugin", "info", "mips32", "--plugin-dir", "dir"]);
    registry.put("pins", "");
    let said = registry.bad(2, &privileged(&["--plugin-dir", "dir"]));
    assert!(said.contains("nowhere.ko: No such file") && said.contains("dir/bare.wasm: it is not pinned"), "{said}");
    // If `--plugin` names such a file, the error says what is wrong with it.
    for named in ["dir/text.wasm", "dir/bare.wasm"] {
        let said = registry.run(&["link", "a.o", "--plugin", named, "-o", "out", "--base", "0x1000000"]);
        assert!(said.code == Some(3) && said.stderr.contains(named), "{said:?}");
    }
    // A plugin that claims this machine and cannot link for it.
    let mut broken = copy("aarch64", 2);
    let code = broken.len() / 2;
    broken.truncate(code);
    let machines: &[u8] = b"\x10relobox.machines\xb7\0\x40\x01\0\0\0\0\0\0\0\0";
    let section = [&[0, machines.len() as u8], machines].concat();
    registry.put("theirs/mine.wasm", [&broken[..8], &section, &broken[8..]].concat());
    let said = registry.run(&["link", "a.o", "--plugin-dir", "theirs", "-o", "out", "--base", "0x1000000"]);
    assert!(said.code == Some(3) && said.stderr.contains("theirs/mine.wasm"), "{said:?}");
}

#[test]
fn near_misses_are_named() {
    let registry = RegistryEnv::new();
    let said = registry.bad(2, &["plugin", "info", "arch64"]);
    assert!(said.contains("did you mean aarch64?"), "{said}");
    let said = registry.bad(2, &["link", "a.o", "--plugin", "Aarch-64", "-o", "out"]);
    assert!(said.contains("did you mean aarch64?"), "{said}");
    // The same machine in 32 bits: ILP32, which no plugin links.
    let mut narrow = object();
    narrow[4] = 1;
    registry.put("narrow.o", narrow);
    let mut other = object();
    other[18] = 4;
    registry.put("m68k.o", other);
    let said = registry.bad(1, &["link", "m68k.o", "-o", "out"]);
    assert!(said.contains("no plugin for machine 4, 64 bits, little-endian"), "{said}");
    assert!(said.contains("m68k links this machine with 32 bits"), "{said}");
}

#[test]
fn info_takes_a_file_and_shows_bits_rounding_and_flags() {
    let registry = RegistryEnv::new();
    registry.put("sub/mine.wasm", copy("mips32", 1));
    let text = registry.good(&["plugin", "info", "sub/mine.wasm"]);
    assert!(text.contains("sub/mine.wasm, SHA-256 ") && text.contains("not pinned"), "{text}");
    // Built in under its own name, and asked for by the file all the same.
    registry.put("aarch64.wasm", copy("aarch64", 1));
    assert!(registry.good(&["plugin", "info", "./aarch64.wasm"]).contains(&digest(&copy("aarch64", 1))));
    let row = |text: &str, name: &str| text.lines().find(|l| l.contains(name)).unwrap().to_owned();
    let high = row(&text, " R_MIPS_HI16 ");
    assert!(high.contains("[15:0] = value[31:16]") && high.contains("signed low half of 16 bits"), "{high}");
    assert!(text.contains("links: machine 8, 32 bits, big-endian, flags & 0x") || text.contains("any flags"), "{text}");
    let adrp = row(&registry.good(&["plugin", "info", "aarch64"]), " R_AARCH64_ADR_PREL_PG_HI21 ");
    assert!(adrp.contains("[30:29] = value[13:12]") && adrp.contains("[23:5] = value[32:14]"), "{adrp}");
    assert!(adrp.contains("; pages"), "{adrp}");
    let json = registry.json(&["plugin", "info", "sub/mine.wasm", "--json"]);
    let machine = &json["machines"][0];
    for field in ["flags_mask", "flags_value", "base", "kernel", "reach"] {
        assert!(machine[field].is_u64(), "{field}: {machine}");
    }
}

/// A simulated kernel needs no pins.
#[test]
#[cfg(target_arch = "x86_64")]
fn an_unpinned_plugin_may_try_itself_on_a_simulated_kernel() {
    let registry = RegistryEnv::new();
    registry.0.sample("hello");
    registry.put("mine.wasm", copy("x86_64", 1));
    registry.0.succeed("sim", &["start"]);
    registry.0.succeed("insmod", &["hello.ko", "--plugin", "./mine.wasm"]);
    registry.0.succeed("rmmod", &["hello"]);
}
