//! What was loaded, kept and handed over; with real modules in the simulated kernel.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod test_env;

use relobox::built_in;
use relobox::kernel::{Export, Module};
use relobox::plugin_file::Origin;
use relobox::plugin_file::PluginFile;
use relobox::registry::Plugins;
use relobox::state::{self, Boot, Record, SCHEMA, State, Store, exports_in_kallsyms, json};
use relobox::symbols::Symbols;
use relobox::text::hex;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use test_env::TestEnv;

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// One line on standard error; the problem's kind.
fn refused(w: &TestEnv, args: &[&str]) -> String {
    let mut json = args.to_vec();
    json.push("--json");
    let outcome = w.relobox("state", &json);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    parse(&outcome.stdout)["error"]["problems"][0]["kind"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_loaded_is_recorded_and_what_is_removed_is_forgotten() {
    let w = TestEnv::new();
    w.samples(&["math_provider", "math_user"]);
    w.succeed("insmod", &["math_provider.ko"]);
    w.succeed("insmod", &["math_user.ko"]);
    let directory = w.socket.with_extension("state");
    let record = directory.join("math_user.json");
    assert_eq!((mode(&directory), mode(&record)), (0o700, 0o600));

    let state = parse(&w.succeed("state", &["show", "--json"]));
    assert_eq!((state["schema"].as_u64(), &state["release"]), (Some(u64::from(SCHEMA)), &"6.1.0-relobox-sim".into()));
    let provider = &state["modules"][0];
    assert_eq!(provider["name"], "math_provider");
    let sum = std::process::Command::new("sha256sum").arg(w.directory.join("math_provider.ko")).output().unwrap();
    assert_eq!(provider["file_sha256"].as_str().unwrap(), &String::from_utf8(sum.stdout).unwrap()[..64]);
    let plugin = parse(&w.json_of(&["plugin", "info", "x86_64", "--json"]));
    assert_eq!(provider["plugin_sha256"], plugin["sha256"]);
    assert_eq!(provider["engine_sha256"].as_str().unwrap().len(), 64);
    let listed = w.client().list().unwrap();
    let exports: Vec<_> = listed.modules[0].exports.iter().map(|e| (e.name.clone(), e.address, e.gpl)).collect();
    let known = provider["exports"].as_array().unwrap().iter();
    let known: Vec<_> = known
        .map(|e| (e["name"].as_str().unwrap().to_owned(), e["address"].as_u64().unwrap(), e["gpl"].as_bool().unwrap()))
        .collect();
    assert!(known == exports && known.len() == 3, "{known:?}");
    assert_eq!(state["modules"][1]["uses"], serde_json::json!(["math_provider"]));

    w.succeed("rmmod", &["math_user"]);
    assert!(!record.exists());
    assert_eq!(parse(&w.succeed("state", &["export"]))["modules"].as_array().unwrap().len(), 1);
    // A module that went in another way is known to be gone.
    w.client().remove("math_provider").unwrap();
    let shown = w.relobox("state", &["show"]);
    assert_eq!((shown.code, shown.stdout.as_str()), (Some(0), ""));
    assert_eq!(shown.stderr, "relobox: math_provider: it is no longer loaded; its record is dropped\n");
}

/// Two plugins call themselves alike: the digest is that of the one that linked.
#[test]
fn the_plugin_that_linked_is_recorded() {
    let w = TestEnv::new();
    w.samples(&["math_provider", "math_user"]);
    let mut wasm = built_in::wasm_of("x86_64").unwrap().to_vec();
    wasm.extend([0, 2, 1, b'm']);
    std::fs::write(w.directory.join("mine.wasm"), &wasm).unwrap();
    w.succeed("insmod", &["math_provider.ko", "--plugin", "mine.wasm"]);
    w.succeed("insmod", &["math_user.ko"]);
    let state = parse(&w.succeed("state", &["show", "--json"]));
    let digest = |wasm: &[u8]| hex(&PluginFile::new(String::new(), wasm.to_vec(), Origin::BuiltIn).digest);
    let recorded = [0, 1].map(|i| (&state["modules"][i]["plugin"], &state["modules"][i]["plugin_sha256"]));
    let expected = [digest(&wasm), digest(built_in::wasm_of("x86_64").unwrap())];
    assert_eq!(recorded.map(|(name, _)| name), ["x86_64"; 2]);
    assert_eq!(recorded.map(|(_, digest)| digest), [&expected[0], &expected[1]]);
}

/// A linking process may say what it likes of itself: only a digest that a plugin has is written down.
#[test]
fn a_digest_that_no_plugin_has_is_left_out() {
    let recorded = |digest| {
        let plugins = Plugins::default();
        state::Origin::new(Path::new("m.ko"), String::new(), plugins.known(digest), None).plugin_sha256
    };
    let own = PluginFile::new(String::new(), built_in::wasm_of("x86_64").unwrap().to_vec(), Origin::BuiltIn).digest;
    assert_eq!(recorded(Some(&own)), hex(&own));
    assert_eq!(recorded(Some(&[7; 32])), "");
    assert_eq!(recorded(None), "");
}

/// Nothing of the first stage but its state: no kallsyms, no Module.symvers.
#[test]
fn the_second_stage_links_against_the_first_ones_modules() {
    let w = TestEnv::new();
    w.samples(&["math_provider", "math_user"]);
    w.succeed("insmod", &["math_provider.ko"]);
    w.succeed("state", &["export", "-o", "handover.json"]);
    assert_eq!(mode(&w.directory.join("handover.json")), 0o600);
    // The second stage begins with no records.
    std::fs::remove_dir_all(w.socket.with_extension("state")).unwrap();
    assert_eq!(w.succeed("state", &["import", "handover.json"]), "1 modules\n");
    assert_eq!(parse(&w.succeed("state", &["show", "--json"]))["modules"][0]["name"], "math_provider");

    let symbols = w.succeed("sim", &["symbols"]);
    let kernels: String = symbols.lines().filter(|l| !l.ends_with(']')).map(|l| format!("{l}\n")).collect();
    std::fs::write(w.directory.join("System.map"), kernels).unwrap();
    let mut without = w.command_of(&["link", "math_user.ko", "--symbols", "System.map"]);
    assert_eq!(without.output().unwrap().status.code(), Some(1));
    for order in [["System.map", "handover.json"], ["handover.json", "System.map"]] {
        let with =
            ["link", "math_user.ko", "--base", "0x42000000", "--symbols", order[0], "--symbols", order[1], "--json"];
        let linked = parse(&w.json_of(&with));
        assert_eq!(linked["uses"], serde_json::json!(["math_provider"]));
    }
}

#[test]
fn foreign_damaged_and_unsafe_states_are_refused() {
    let w = TestEnv::new();
    w.sample("hello");
    w.succeed("insmod", &["hello.ko"]);
    w.succeed("state", &["export", "-o", "good.json"]);
    let good = std::fs::read_to_string(w.directory.join("good.json")).unwrap();
    let write = |name: &str, text: &str| {
        let path = w.directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let changed = |key: &str, value: Value| {
        let mut state = parse(&good);
        state[key] = value;
        state.to_string()
    };
    write("release.json", &changed("release", "6.12.0".into()));
    assert_eq!(refused(&w, &["import", "release.json"]), "foreign-state");
    write("boot.json", &changed("boot_id", "0b0de8b4-0000-4000-8000-000000000000".into()));
    assert_eq!(refused(&w, &["import", "boot.json"]), "foreign-state");
    write("schema.json", &changed("schema", 2.into()));
    assert_eq!(refused(&w, &["import", "schema.json"]), "bad-state");
    write("climbs.json", &good.replace("\"hello\"", "\"../../etc/hello\""));
    assert_eq!(refused(&w, &["import", "climbs.json"]), "bad-state");
    for cut in (0..good.trim_end().len()).step_by(40) {
        write("cut.json", &good[..cut]);
        assert_eq!(refused(&w, &["import", "cut.json"]), "bad-state", "{cut} bytes");
    }
    let open = write("open.json", &good);
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(refused(&w, &["import", "open.json"]), "unsafe-state");
    let directory = w.socket.with_extension("state");
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(refused(&w, &["show"]), "unsafe-state");
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();

    // Another kernel's boot: what was recorded before is not believed.
    w.succeed("sim", &["stop"]);
    w.succeed("sim", &["start"]);
    assert_eq!(refused(&w, &["import", "good.json"]), "foreign-state");
    let shown = w.relobox("state", &["show"]);
    assert_eq!((shown.code, shown.stdout.as_str()), (Some(0), ""));
    assert!(shown.stderr.ends_with("the record is ignored\n"), "{shown:?}");
    // The next one of that name replaces it.
    w.succeed("insmod", &["hello.ko"]);
    assert_eq!(w.succeed("state", &["show"]).lines().count(), 1);
}

#[test]
fn a_module_that_was_loaded_anew_elsewhere_is_dropped() {
    let w = TestEnv::new();
    w.samples(&["hello", "counter"]);
    w.succeed("insmod", &["hello.ko"]);
    w.succeed("state", &["export", "-o", "old.json"]);
    w.succeed("rmmod", &["hello"]);
    // So that its place is taken.
    w.succeed("insmod", &["counter.ko"]);
    w.succeed("insmod", &["hello.ko"]);
    let imported = w.relobox("state", &["import", "old.json"]);
    assert_eq!((imported.code, imported.stdout.as_str()), (Some(0), "0 modules\n"));
    assert_eq!(imported.stderr, "relobox: hello: it was loaded again at another address; its record is dropped\n");
}

#[test]
fn nothing_is_recorded_where_that_is_switched_off() {
    let w = TestEnv::new();
    w.sample("hello");
    assert!(w.command("insmod").env("RELOBOX_STATE", "").arg("hello.ko").output().unwrap().status.success());
    assert!(!w.socket.with_extension("state").exists());
    // What cannot be recorded is loaded all the same, and that is said.
    w.succeed("rmmod", &["hello"]);
    let file = w.directory.join("hello.c/state");
    let outcome = w.command("insmod").env("RELOBOX_STATE", &file).arg("hello.ko").output().unwrap();
    assert_eq!(outcome.status.code(), Some(0));
    assert!(
        String::from_utf8_lossy(&outcome.stderr)
            .starts_with("relobox: hello: the module is loaded, but was not recorded: ")
    );
}

#[test]
fn many_records_at_once_are_whole() {
    let w = TestEnv::new();
    let directory = w.directory.join("records");
    let boot = Boot { id: "b".into(), release: "r".into() };
    let export = |i: usize| Export {
        name: format!("symbol_{i}"),
        address: u64::MAX - i as u64,
        crc: i.is_multiple_of(2).then_some(u32::MAX),
        gpl: i.is_multiple_of(3),
        namespace: if i.is_multiple_of(5) { "NS".into() } else { String::new() },
    };
    let record = |name: &str, n: usize| Record {
        name: name.to_owned(),
        file: "/m.ko".into(),
        file_sha256: String::new(),
        kernel: None,
        plugin: "p".into(),
        plugin_sha256: String::new(),
        engine_sha256: String::new(),
        areas: vec![(0xffff_ffff_c000_0000, 4096)],
        uses: Vec::new(),
        exports: (0..n).map(export).collect(),
    };
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (directory, boot, record) = (&directory, &boot, &record);
            scope.spawn(move || {
                let store = Store::create(directory).unwrap();
                for n in 0..20 {
                    // All write one, and each its own.
                    store.keep(boot, record("shared", n)).unwrap();
                    store.keep(boot, record(&format!("own_{thread}"), n)).unwrap();
                    let (state, warnings) = store.state(boot).unwrap();
                    assert!(warnings.is_empty() && !state.modules.is_empty(), "{warnings:?}");
                }
            });
        }
    });
    let store = Store::open(&directory).unwrap().unwrap();
    let (state, _) = store.state(&boot).unwrap();
    assert_eq!(state.modules.len(), 9);
    assert_eq!(State::parse("again", &json(&state)).unwrap(), state);
    let mut kept: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|e| e.unwrap().file_name()).collect();
    kept.sort();
    assert_eq!(kept.len(), 9, "nothing temporary is left: {kept:?}");
    assert!(store.keep(&boot, record("../up", 1)).is_err());
    assert!(Store::open(&w.directory.join("nowhere")).unwrap().is_none());

    // And the symbols are those of the record.
    let path = w.directory.join("state.json");
    std::fs::write(&path, json(&state)).unwrap();
    let mut symbols = Symbols::new();
    symbols.read_file(&path, Ok, |name| name != b"symbol_1").unwrap();
    let zero = symbols.get(b"symbol_0").unwrap();
    assert_eq!((zero.address, zero.crc, zero.gpl, &*zero.namespace), (Some(u64::MAX), Some(u32::MAX), true, "NS"));
    assert!(symbols.get(b"symbol_1").is_none() && !symbols.know_kernel());
    let modules: Vec<Module> = state.modules.iter().map(Record::module).collect();
    assert_eq!((modules[8].name.as_str(), modules[8].exports.len(), modules[8].live), ("shared", 19, true));
}

/// The kernel shows 0 in place of an address: that proves nothing, and is nothing to be believed.
#[test]
fn hidden_addresses_confirm_no_record() {
    let record = |address: u64, exports: &[u64]| Record {
        kernel: None,
        name: "m".into(),
        file: String::new(),
        file_sha256: String::new(),
        plugin: String::new(),
        plugin_sha256: String::new(),
        engine_sha256: String::new(),
        areas: vec![(address, 4096)],
        uses: Vec::new(),
        exports: exports
            .iter()
            .map(|address| Export {
                name: "e".into(),
                address: *address,
                crc: None,
                gpl: false,
                namespace: String::new(),
            })
            .collect(),
    };
    let live = |address: u64| Module { areas: vec![(address, 4096)], ..record(0, &[]).module() };
    let boot = Boot { id: "b".into(), release: "r".into() };
    let confirmed = |record: Record, live: Module| {
        let mut state = State { modules: vec![record], ..State::new(&boot) };
        let said = state.confirm(&[live]);
        (state.modules.len(), said.concat())
    };
    assert_eq!(confirmed(record(0x1000, &[0x1010]), live(0x1000)), (1, String::new()));
    let (kept, said) = confirmed(record(0x1000, &[0x1010]), live(0));
    assert!(kept == 0 && said.contains("the kernel hides where it is"), "{said}");
    assert_eq!(confirmed(record(0, &[]), live(0)).0, 1);
    assert_eq!(confirmed(record(0, &[0x1010]), live(0)).0, 0);

    let w = TestEnv::new();
    let path = w.directory.join("state.json");
    std::fs::write(&path, json(&State { modules: vec![record(0, &[0])], ..State::new(&boot) })).unwrap();
    let mut symbols = Symbols::new();
    symbols.read_file(&path, Ok, |_| true).unwrap();
    assert_eq!(symbols.get(b"e").unwrap().address, None);
}

#[test]
fn kallsyms_tells_what_modules_export() {
    let text = "ffffffff81000010 T printk\nffffffff81000020 r __ksymtab_printk\n\
        ffffffffc0000100 r __ksymtab_add\t[math]\nffffffffc0000010 t add\t[math]\nffffffffc0000020 T add\t[math]\n\
        ffffffffc0000030 t add\t[other]\nffffffffc0000040 t local\t[math]\nffffffffc0000050 r __ksymtab_gone\t[math]\n";
    let exports = exports_in_kallsyms(text);
    assert_eq!(exports.keys().collect::<Vec<_>>(), ["math"]);
    let math: Vec<_> = exports["math"].iter().map(|e| (e.name.as_str(), e.address)).collect();
    assert_eq!(math, [("add", 0xffff_ffff_c000_0020)]);
    // Where addresses are hidden there is nothing to tell.
    let hidden = "0000000000000000 r __ksymtab_add\t[math]\n0000000000000000 T add\t[math]\n";
    assert!(exports_in_kallsyms(hidden).is_empty());
}

#[test]
fn a_hidden_address_confirms_nothing() {
    let boot = Boot { id: "b".into(), release: "r".into() };
    let record = Record {
        name: "m".into(),
        file: "/m.ko".into(),
        file_sha256: String::new(),
        kernel: Some(relobox::kernel::Mode::Vet),
        plugin: "p".into(),
        plugin_sha256: String::new(),
        engine_sha256: String::new(),
        areas: vec![(0xffff_ffff_c000_0000, 4096)],
        uses: Vec::new(),
        exports: Vec::new(),
    };
    let live = |address| Module { areas: vec![(address, 4096)], ..record.module() };
    let confirmed = |address| {
        let mut state = State { modules: vec![record.clone()], ..State::new(&boot) };
        (state.confirm(&[live(address)]), state.modules.len())
    };
    assert_eq!(confirmed(0xffff_ffff_c000_0000), (vec![], 1));
    let (warnings, left) = confirmed(0);
    assert!(left == 0 && warnings[0].contains("kernel.kptr_restrict"), "{warnings:?}");
    // What an older relobox recorded does not say who relocated it.
    let text = String::from_utf8(json(&State { modules: vec![record.clone()], ..State::new(&boot) })).unwrap();
    let older = text.replace("\"kernel\": \"vet\",", "");
    assert_ne!(older, text);
    assert_eq!(State::parse("older", older.as_bytes()).unwrap().modules[0].kernel, None);
}
