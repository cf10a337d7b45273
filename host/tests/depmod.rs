//! depmod and modinfo of made-up modules. What is expected was recorded from kmod 34: `tests/depmod_oracle.rs` compares
//! the same trees with it.

mod depmod_env;

use depmod_env::{DIRECTORY, FILES, Module, Root, ours, run, sample};

#[test]
fn the_files_are_kmods() {
    for (narrow, big) in [(false, false), (true, false), (false, true), (true, true)] {
        let root = sample(narrow, big);
        let depmod =
            |root: &Root| run(ours("depmod").arg("-b").arg(&root.0).arg("-C").arg(root.0.join("none")).arg("6.1.0"));
        let (stdout, stderr, code) = depmod(&root);
        let warnings = "depmod: WARNING: Unmatched bracket in x[y\n";
        assert_eq!((stdout.as_str(), stderr.as_str(), code), ("", warnings, Some(0)));
        let expected = |name: &str| {
            let path = format!("{}/tests/depmod/{name}", env!("CARGO_MANIFEST_DIR"));
            std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
        };
        let found = root.indices(DIRECTORY);
        assert_eq!(found.len(), FILES.len());
        for (name, bytes) in found {
            assert_eq!(
                String::from_utf8_lossy(&bytes),
                String::from_utf8_lossy(&expected(&name)),
                "{name}, {narrow} {big}"
            );
        }
        // Once written, they are current.
        let (_, _, code) = run(ours("depmod").arg("-A").arg("-b").arg(&root.0).arg("6.1.0"));
        assert_eq!(code, Some(0));
    }
}

#[test]
fn a_cycle_is_reported_and_nothing_is_written() {
    let root = Root::new();
    for (name, export, import) in [("a", "fa", "fb"), ("b", "fb", "fa")] {
        root.write(&format!("{DIRECTORY}/{name}.ko"), Module::new(&[export], &[import], &[]).bytes());
    }
    root.write(&format!("{DIRECTORY}/modules.order"), "");
    let (_, stderr, code) = run(ours("depmod").arg("-b").arg(&root.0).arg("6.1.0"));
    let cycles = ["a -> b -> a", "b -> a -> b"].map(|cycle| format!("depmod: ERROR: Cycle detected: {cycle}\n"));
    assert!(cycles.iter().any(|cycle| stderr.contains(cycle)), "{stderr}");
    assert!(stderr.ends_with("depmod: ERROR: Found 2 modules in dependency cycles!\n"), "{stderr}");
    assert_eq!((code, root.indices(DIRECTORY).len()), (Some(1), 0));
}

#[test]
fn unknown_symbols_and_other_versions_are_reported() {
    let root = Root::new();
    let module = Module {
        imports: vec![
            ("known", Some(1), false),
            ("other", Some(2), false),
            ("gone", None, false),
            ("weak", None, true),
        ],
        ..Module::default()
    };
    root.write(&format!("{DIRECTORY}/m.ko"), module.bytes());
    root.write(&format!("{DIRECTORY}/modules.order"), "");
    root.write("Module.symvers", "0x1\tknown\tvmlinux\tE\n0x3\tother\tvmlinux\tE\n");
    root.write("System.map", "c0 R __ksymtab_known\nc1 R __ksymtab_other\n");
    let path = root.0.join(DIRECTORY).join("m.ko");
    let depmod = |option: &str, file: &str| {
        let arguments = ["-n", "-e", option].map(str::to_owned);
        run(ours("depmod").args(arguments).arg(root.0.join(file)).arg("-b").arg(&root.0).arg("6.1.0"))
    };
    let unknown = format!("depmod: WARNING: {} needs unknown symbol gone\n", path.display());
    let disagrees = format!("depmod: WARNING: {} disagrees about version of symbol other\n", path.display());
    let (stdout, stderr, code) = depmod("-E", "Module.symvers");
    assert_eq!((stderr, code), (format!("{disagrees}{unknown}"), Some(0)));
    assert!(stdout.starts_with("m.ko:\n# Aliases extracted"), "{stdout}");
    assert_eq!(depmod("-F", "System.map").1, unknown);
    let (_, stderr, code) = depmod("-F", "none/System.map");
    assert!(stderr.starts_with("depmod: FATAL: could not load "), "{stderr}");
    assert_eq!(code, Some(1));
}

#[test]
fn what_cannot_be_read_is_listed_without_dependencies() {
    let root = Root::new();
    for (name, bytes) in
        [("text", &b"this is no module at all"[..]), ("empty", b""), ("cut", b"\x7fELF\x02\x01\x01 too short")]
    {
        root.write(&format!("{DIRECTORY}/{name}.ko"), bytes);
    }
    let whole = Module::new(&["f"], &[], &["license=GPL"]).bytes();
    root.write(&format!("{DIRECTORY}/half.ko"), &whole[..whole.len() / 2]);
    root.write(&format!("{DIRECTORY}/modules.order"), "");
    let (_, stderr, code) = run(ours("depmod").arg("-b").arg(&root.0).arg("6.1.0"));
    assert_eq!(code, Some(0), "{stderr}");
    for (name, why) in [
        ("text", "Exec format error"),
        ("empty", "Invalid argument"),
        ("cut", "Invalid argument"),
        ("half", "Invalid argument"),
    ] {
        let line =
            format!("depmod: ERROR: failed to load symbols from {}/{DIRECTORY}/{name}.ko: {why}\n", root.0.display());
        assert!(stderr.contains(&line), "{stderr}");
    }
    assert_eq!(root.indices(DIRECTORY).len(), FILES.len());
}

#[test]
fn modinfo_prints_files_names_and_what_is_built_in() {
    let root = sample(false, false);
    assert_eq!(run(ours("depmod").arg("-b").arg(&root.0).arg("6.1.0")).2, Some(0));
    let modinfo = |args: &[&str]| {
        let (stdout, stderr, code) = run(ours("modinfo").arg("-b").arg(&root.0).args(["-k", "6.1.0"]).args(args));
        (stdout.replace(&root.0.display().to_string(), "ROOT"), stderr, code)
    };
    let user = "filename:       ROOT/lib/modules/6.1.0/kernel/sub/user.ko\nalias:          x[y\n\
        parm:           x:the x (int)\n";
    assert_eq!(modinfo(&["user"]), (user.into(), String::new(), Some(0)));
    let built_in = "name:           in_it\nfilename:       (builtin)\nalias:          x-*\nlicense:        GPL\n\
        parm:           p:about\n";
    assert_eq!(modinfo(&["in-it"]).0, built_in);
    // An alias of two modules, a symbol, and a name that is none.
    assert_eq!(
        modinfo(&["-n", "fs-e", "symbol:fc"]).0,
        "ROOT/lib/modules/6.1.0/kernel/e.ko\nROOT/lib/modules/6.1.0/kernel/c-d.ko\n"
    );
    assert_eq!(modinfo(&["-n", "fs-a"]).0.lines().count(), 2);
    let (stdout, stderr, code) = modinfo(&["-0", "-F", "license", "nothing", "a"]);
    assert_eq!(
        (stdout.as_str(), stderr.as_str(), code),
        ("GPL\0", "modinfo: ERROR: Module nothing not found.\n", Some(1))
    );
    assert_eq!(modinfo(&["-m", "fs-a"]).1, "modinfo: ERROR: Module name fs-a not found.\n");
    assert_eq!(modinfo(&["x[y"]).1, "modinfo: ERROR: Module alias x[y not found.\n");
    let (_, stderr, code) = modinfo(&[]);
    assert_eq!((stderr.as_str(), code), ("modinfo: ERROR: missing module or filename.\n", Some(1)));
}
