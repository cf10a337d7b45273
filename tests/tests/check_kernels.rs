//! `relobox check` on modules of several kernels at once, and the symbols that it finds by itself.

mod test_env;

use relobox_tests::module_builder::ModuleBuilder;
use serde_json::{Value, json};
use std::path::Path;
use test_env::TestEnv;

const STUB: &str = "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n";

fn report_of(env: &TestEnv, args: &[&str]) -> Value {
    let output = env.run(&[&["check", "--json"], args].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"))
}

fn text(env: &TestEnv, args: &[&str]) -> (String, String) {
    let output = env.run(args);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr))
}

fn module<'a>(release: &'a str, calls: &'a [&'a str], exports: &'a [&'a str]) -> Vec<u8> {
    let vermagic = format!("{release} SMP preempt mod_unload ");
    ModuleBuilder { vermagic: Some(&vermagic), calls, exports, ..ModuleBuilder::default() }.write()
}

/// A module for arm64 without relocations.
fn arm64(release: &str) -> Vec<u8> {
    let mut bytes = module(release, &[], &[]);
    bytes[18..20].copy_from_slice(&183_u16.to_le_bytes());
    bytes
}

fn symvers(name: &str) -> String {
    format!("0x00000001\t{name}\tvmlinux\tEXPORT_SYMBOL\t\n")
}

fn releases(report: &Value) -> Vec<(&str, u64, u64)> {
    let kernels = report["kernels"].as_array().expect("kernels").iter();
    kernels
        .map(|k| (k["release"].as_str().unwrap_or("?"), k["linked"].as_u64().unwrap(), k["rejected"].as_u64().unwrap()))
        .collect()
}

#[test]
fn symbols_of_one_kernel_do_not_judge_modules_of_another() {
    let env = TestEnv::new();
    for (root, release) in [("one", "6.1.0-1-amd64"), ("two", "6.12.0-1-cloud-amd64")] {
        let own = format!("only_{root}");
        let tree = format!("{root}/lib/modules/{release}/kernel");
        env.put(&format!("{tree}/a.ko"), module(release, &[&own, "helper"], &[]));
        env.put(&format!("{tree}/b.ko"), module(release, &[&own], &["helper"]));
        env.put(&format!("headers/linux-headers-{release}/Module.symvers"), symvers(&own));
    }
    let one = "headers/linux-headers-6.1.0-1-amd64/Module.symvers";
    let two = "headers/linux-headers-6.12.0-1-cloud-amd64/Module.symvers";
    let all = [("6.1.0-1-amd64", 2, 0), ("6.12.0-1-cloud-amd64", 2, 0)];
    let report = report_of(&env, &["one/lib/modules", "two/lib/modules", "--symbols", two, "--symbols", one]);
    assert_eq!(releases(&report), all, "{report}");
    assert_eq!(report["warnings"], json!([]));
    assert_eq!(report["kernels"][0]["symbols"], json!([one]));
    // The same files, named one by one, are told apart by their vermagic.
    let files = [
        "one/lib/modules/6.1.0-1-amd64/kernel/a.ko",
        "one/lib/modules/6.1.0-1-amd64/kernel/b.ko",
        "two/lib/modules/6.12.0-1-cloud-amd64/kernel/a.ko",
        "two/lib/modules/6.12.0-1-cloud-amd64/kernel/b.ko",
    ];
    let report = report_of(&env, &[&files[..], &["--symbols", one, "--symbols", two]].concat());
    assert_eq!(releases(&report), all, "{report}");
    // And in one directory, where files have the same name.
    for (i, file) in files.iter().enumerate() {
        let bytes = std::fs::read(env.path(file)).expect("a file");
        env.put(&format!("flat/{}/{}", i / 2, Path::new(file).file_name().unwrap().display()), bytes);
    }
    let report = report_of(&env, &["flat", "--symbols", one, "--symbols", two]);
    assert_eq!((releases(&report), &report["shadowed"]), (all.to_vec(), &json!([])), "{report}");
    // A file whose path names no kernel can be told to be for one.
    std::fs::copy(env.path(one), env.path("mine")).expect("a copy");
    let report = report_of(&env, &["flat", "--symbols", "6.1.0-1-amd64=mine", "--symbols", two]);
    assert_eq!(releases(&report), all, "{report}");
    // Otherwise it is for the kernels that no other file is for, with a warning.
    let report = report_of(&env, &["flat", "--symbols", "mine", "--symbols", two]);
    assert_eq!(releases(&report), all, "{report}");
    assert!(report["warnings"][0].as_str().is_some_and(|w| w.contains("it is used for 6.1.0-1-amd64 (")), "{report}");
    let report = report_of(&env, &["flat", "--symbols", "mine"]);
    assert_eq!(releases(&report), [("6.1.0-1-amd64", 2, 0), ("6.12.0-1-cloud-amd64", 0, 2)], "{report}");
    assert_eq!(report["reasons"], json!([{"kind": "undefined-symbol", "problems": 2, "modules": 2}]), "{report}");
    assert_eq!(report["failures"][0]["kernel"], 1);
    let (out, said) = text(&env, &["check", "flat", "--symbols", "mine"]);
    assert!(out.contains("reason undefined-symbol: 2 problems in 2 modules\n"), "{out}");
    assert!(out.contains("kernel 6.12.0-1-cloud-amd64: 2 modules for machine 62, 64 bits, little-endian; "), "{out}");
    assert!(said.contains("undefined symbol; references 'only_two'"), "{said}");
}

#[test]
fn one_directory_may_have_modules_for_several_machines() {
    let env = TestEnv::new();
    env.put("lib/modules/6.1/kernel/x86.ko", module("6.1", &["helper"], &[]));
    env.put("lib/modules/6.1/kernel/arm.ko", arm64("6.1"));
    env.put("lib/modules/6.1/kernel/broken.ko", "no module");
    let report = report_of(&env, &["lib/modules/6.1"]);
    let machines: Vec<_> = report["kernels"].as_array().unwrap().iter().map(|k| k["machine"].as_u64()).collect();
    assert_eq!(machines, [Some(62), Some(183)], "{report}");
    assert_eq!(report["linked"], 2, "{report}");
    // What was assumed is said for each.
    let placed = report["placed"].as_array().unwrap();
    let plugins: Vec<_> = placed.iter().map(|p| (p["plugin"].as_str(), p["kernel_from_file"].as_bool())).collect();
    assert_eq!(plugins, [(Some("aarch64"), Some(false)), (Some("x86_64"), Some(false))], "{report}");
    assert!(placed.iter().all(|p| p["distance"].as_u64() == Some(1008 << 20) || p["plugin"] != "x86_64"), "{report}");
    // A file that is no module has no kernel.
    assert_eq!(report["failures"][0].get("kernel"), None);
    assert_eq!(report["reasons"], json!([{"kind": "not-elf", "problems": 1, "modules": 1}]));
    let (out, _) = text(&env, &["check", "lib/modules/6.1"]);
    assert!(out.contains("modules that cannot be read:\n"), "{out}");
}

/// The places of distributions, in another root directory.
#[test]
fn symbols_are_found_where_distributions_put_them() {
    let env = TestEnv::new();
    let release = "6.1.0-9-test";
    let tree = format!("root/usr/lib/modules/{release}");
    env.put(&format!("{tree}/kernel/a.ko"), module(release, &["there"], &[]));
    let check = |good: bool| {
        let report = report_of(&env, &[&tree]);
        assert_eq!(report["linked"], u64::from(good), "{report}");
        let files = report["kernels"][0]["symbols"].as_array().expect("symbols").clone();
        let root = std::fs::canonicalize(env.directory.path()).unwrap();
        let short = |f: &Value| Path::new(f.as_str().unwrap()).strip_prefix(&root).unwrap().display().to_string();
        (files.iter().map(short).collect::<Vec<_>>(), report["kernels"][0].clone())
    };
    let (files, kernel) = check(true);
    assert!(files.is_empty() && kernel["symbols_searched"] == true, "{kernel}");
    let stub = format!("root/boot/System.map-{release}");
    env.put(&stub, STUB);
    let (_, kernel) = check(true);
    let why = kernel["symbols_not_found"].as_str().expect("why");
    assert!(why.contains("the real System.map is in Debian's package linux-image-6.1.0-9-test-dbg"), "{why}");

    let symvers_of = |path: &str| {
        let path = env.put(path, symvers("elsewhere"));
        assert_eq!(check(false).0.len(), 1, "{}", path.display());
        std::fs::remove_file(path).expect("removed");
    };
    symvers_of(&format!("root/usr/src/linux-headers-{release}/Module.symvers"));
    symvers_of(&format!("root/usr/src/kernels/{release}/Module.symvers"));
    symvers_of(&format!("{tree}/Module.symvers"));
    // The link of the tree leads to a place in the same root directory.
    env.put("root/usr/src/somewhere/Module.symvers", symvers("there"));
    let link = env.path(&format!("{tree}/build"));
    std::os::unix::fs::symlink("/usr/src/somewhere", link).expect("a link");
    assert_eq!(check(true).0, ["root/usr/src/somewhere/Module.symvers"]);
    // Addresses beside it: the kernel's place is no assumption then.
    let map = format!("root/usr/lib/debug/boot/System.map-{release}");
    env.put(&map, "ffffffff82000000 T _text\nffffffff82000010 T there\n");
    assert_eq!(check(true).0, [map.clone(), "root/usr/src/somewhere/Module.symvers".into()]);
    let report = report_of(&env, &[&tree]);
    let placed = &report["placed"][0];
    assert_eq!((placed["kernel"].as_u64(), &placed["kernel_from_file"]), (Some(0xffff_ffff_8200_0000), &json!(true)));
    // A kernel that is out of reach from where modules usually are takes them along.
    env.put(&map, "ffffff0002000000 T _text\nffffff0002000010 T there\n");
    let report = report_of(&env, &[&tree]);
    let placed = &report["placed"][0];
    assert_eq!((placed["distance"].as_u64(), report["linked"].as_u64()), (Some(1008 << 20), Some(1)), "{report}");
    // A file in the tree that is named without it is for the same kernel.
    assert_eq!(
        report_of(&env, &[&format!("{tree}/kernel")])["kernels"][0]["symbols"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(report_of(&env, &[&tree, "--no-symbols"])["kernels"][0]["symbols"], json!([]));
    // One that is damaged is left out, with a warning.
    env.put(&map, "nonsense\n");
    let report = report_of(&env, &[&tree]);
    assert!(report["warnings"][0].as_str().is_some_and(|w| w.contains("; it is not used")), "{report}");
}

#[test]
fn link_finds_symbols_and_says_which() {
    let env = TestEnv::new();
    let release = "6.1.0-9-test";
    let file = format!("root/lib/modules/{release}/kernel/a.ko");
    env.put(&file, module(release, &["there", "gone", "lost"], &[]));
    let (_, said) = text(&env, &["link", &file]);
    assert!(said.contains("no symbols were found: there is no ") && said.contains("System.map-6.1.0-9-test"), "{said}");
    // Many undefined symbols are one line with one hint.
    assert!(said.contains("a.ko: 3 undefined symbols; references 'there', 'gone', 'lost'; --symbols names "), "{said}");
    env.put(&format!("root/boot/System.map-{release}"), STUB);
    let (_, said) = text(&env, &["link", &file]);
    assert!(said.contains("Debian's package linux-image-6.1.0-9-test-dbg"), "{said}");
    let (_, said) = text(&env, &["link", &file, "--symbols", &format!("root/boot/System.map-{release}")]);
    assert!(said.contains("Debian's package linux-image-6.1.0-9-test-dbg"), "{said}");
    env.put(
        &format!("root/boot/System.map-{release}"),
        "ffffffff81000000 T there\nffffffff81000010 T gone\n\
        ffffffff81000020 T lost\n",
    );
    let (out, said) = text(&env, &["link", &file]);
    assert!(out.contains("symbols from /") && out.contains("3 relocations done by plugin x86_64"), "{out}{said}");
}
