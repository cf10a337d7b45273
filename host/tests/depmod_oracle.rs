//! depmod's files and messages are those of kmod 34's: for every corpus, for made-up trees, and for kmod's own tests.
//!
//! `RELOBOX_BLESS=1` records what `tests/depmod.rs` expects. `RELOBOX_KMOD` names a relobox-kmod to be judged instead
//! of the workshop.

mod depmod_env;

use depmod_env::{DIRECTORY, KMOD, Module, Root, indices, kmod_34, kmods, ours, run, sample};
use relobox_needs::{ExitCode, Test, corpora, corpus, test};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let mut tests: Vec<Test> = vec![
        test!(the_sample_is_recorded).needs([kmod_34()]),
        test!(options_do_what_kmods_do).needs([kmod_34()]),
        test!(made_up_trees_agree).needs([kmod_34()]),
        test!(kmods_own_tests_pass).needs([kmod_34()]),
        test!(cycles_are_reported_alike).needs([kmod_34()]),
        test!(it_is_as_fast).needs([kmod_34(), corpus("amd64")]).on_request(),
    ];
    for name in corpus_names() {
        let needs = [kmod_34(), corpus(&name)];
        tests.push(relobox_needs::test(format!("corpus_{name}"), move || corpus_agrees(&name)).needs(needs));
    }
    relobox_needs::run(tests)
}

/// Every corpus that is there; at least those that are fetched.
fn corpus_names() -> BTreeSet<String> {
    let there = std::fs::read_dir(corpora()).into_iter().flatten().flatten();
    let names = there.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // What begins with a dot is the scripts' own.
    let names = names.filter(|name| !name.starts_with('.'));
    names.chain(["amd64", "arm64", "s390x", "newest-amd64"].map(String::from)).collect()
}

/// Runs both with the same arguments, each with an output directory of its own. Compares files, messages and exit code.
fn agree(arguments: &[String], below: &str) {
    let [own, kmod] = [ours("depmod"), kmods("depmod")].map(|mut command: Command| {
        let out = Root::new();
        let (stdout, stderr, code) = run(command.args(arguments).arg("-o").arg(&out.0));
        (stdout, stderr, code, indices(&out.0.join(below)))
    });
    assert_eq!(own.1, kmod.1, "messages of depmod {arguments:?}");
    assert_eq!(own.2, kmod.2, "exit code of depmod {arguments:?}");
    assert_eq!(own.0, kmod.0, "output of depmod {arguments:?}");
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&own.3), names(&kmod.3), "files of depmod {arguments:?}");
    for ((name, own), (_, kmod)) in own.3.iter().zip(&kmod.3) {
        let differs = own.iter().zip(kmod).position(|(a, b)| a != b);
        assert!(own == kmod, "{name} of depmod {arguments:?}: {} and {} bytes, {differs:?}", own.len(), kmod.len());
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn corpus_agrees(name: &str) {
    let root = corpora().join(name);
    let versions = std::fs::read_dir(root.join("lib/modules")).unwrap().flatten();
    for version in versions.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        let below = format!("lib/modules/{version}");
        agree(&words(&["-b", &text(&root), &version]), &below);
        let boot = std::fs::read_dir(root.join("boot")).into_iter().flatten().flatten().map(|entry| entry.path());
        let map = boot.into_iter().find(|path| text(path).contains("System.map"));
        if let Some(map) = map {
            agree(&words(&["-e", "-F", &text(&map), "-w", "-b", &text(&root), &version]), &below);
        }
    }
}

fn the_sample_is_recorded() {
    let root = sample(false, false);
    let (_, _, code) = run(kmods("depmod").arg("-b").arg(&root.0).arg("-C").arg(root.0.join("none")).arg("6.1.0"));
    assert_eq!(code, Some(0));
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/depmod");
    if std::env::var_os("RELOBOX_BLESS").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        for (name, bytes) in root.indices(DIRECTORY) {
            std::fs::write(directory.join(name), bytes).unwrap();
        }
    }
    assert!(indices(&directory) == root.indices(DIRECTORY), "RELOBOX_BLESS=1 records the files of kmod");
}

fn options_do_what_kmods_do() {
    let root = sample(false, false);
    let at = text(&root.0);
    let path = |name: &str| text(&root.0.join(name));
    root.write("symvers", "0x1\tprintk\tvmlinux\tE\n");
    root.write("map", "c0 R __ksymtab_printk\nbad\nc1 T x\n");
    root.write("conf/a.conf", "search built-in updates\nfoo\noverride a ^7 x\nmake_map_files no\nexclude sub\n");
    let none = path("none");
    let module = path("lib/modules/6.1.0/kernel/e.ko");
    for line in [
        vec![],
        vec!["-n"],
        vec!["-v"],
        vec!["-w"],
        vec!["-e"],
        vec!["-n", "-e", "-E", &path("symvers")],
        vec!["-n", "-e", "-F", &path("map")],
        vec!["-n", "-e", "-F", &path("nothing")],
        vec!["-n", "-C", &path("conf")],
        vec!["-n", "-C", &path("conf/a.conf")],
        vec!["-A"],
        vec!["-P", "f", "-e", "-F", &path("map")],
        vec!["--moduledir", "elsewhere"],
        vec!["--basedir=/nowhere"],
    ] {
        let all = [words(&["-b", &at, "-C", &none]), words(&line), words(&["6.1.0"])].concat();
        agree(&all, DIRECTORY);
    }
    for line in [
        vec!["-n", "6.1.0", &module],
        vec!["-n", "6.1.0", &module, &path("lib/modules/6.1.0/updates/a.ko")],
        vec!["-n", "6.1.0", &module, &module],
        vec!["-n", "6.1.0", "e.ko"],
        vec!["-n", "6.1.0", "/no/e.ko"],
        vec!["nonsense"],
        vec!["-Z"],
        vec!["--errsym=1"],
        vec!["-P", "ab", "6.1.0"],
    ] {
        agree(&[words(&["-b", &at, "-C", &none]), words(&line)].concat(), DIRECTORY);
    }
}

fn made_up_trees_agree() {
    for (narrow, big) in [(false, false), (true, false), (false, true), (true, true)] {
        let root = sample(narrow, big);
        agree(&words(&["-b", &text(&root.0), "-C", &text(&root.0.join("none")), "6.1.0"]), DIRECTORY);
    }
    let root = Root::new();
    let put = |name: &str, bytes: &[u8]| root.write(&format!("{DIRECTORY}/{name}.ko"), bytes);
    let crc = |narrow, big| Module {
        exports: vec![("ea", Some(5)), ("eb", Some(0xdead_beef))],
        imports: vec![("module_layout", Some(1), false), ("ia", Some(2), true), ("ib", None, false)],
        modinfo: vec!["alias=of:N*".into(), "no equals".into(), "alias=\u{1}".into()],
        narrow,
        big,
    };
    put("crc", &crc(false, false).bytes());
    put("user", &Module::new(&[], &["ea", "eb", "nothing"], &[]).bytes());
    put("none", &Module::default().bytes());
    for (name, bytes) in [("text", &b"this is no module at all"[..]), ("empty", b""), ("short", b"\x7fELF\x02\x01\x01")]
    {
        put(name, bytes);
    }
    put("cut", &crc(true, false).bytes()[..400]);
    root.write(&format!("{DIRECTORY}/modules.order"), "kernel/x.ko\nno end");
    root.write(&format!("{DIRECTORY}/modules.builtin"), "7bad\nkernel/x.ko\nno-dot");
    root.write(&format!("{DIRECTORY}/modules.builtin.modinfo"), "a.alias=x\0b\0.c.alias=d\0e.alias=[\0f.alias=g");
    let symvers = "0x5 ea vmlinux E\n0x2 ia vmlinux E\n0x9 ib vmlinux E\n";
    root.write("symvers", symvers);
    let base = words(&["-b", &text(&root.0), "-C", &text(&root.0.join("none"))]);
    agree(&[base.clone(), words(&["6.1.0"])].concat(), DIRECTORY);
    agree(&[base, words(&["-v", "-e", "-E", &text(&root.0.join("symvers")), "6.1.0"])].concat(), DIRECTORY);
    let root = Root::new();
    let module = Module { modinfo: vec!["alias=caf\u{e9}".into()], ..Module::default() };
    root.write(&format!("{DIRECTORY}/m.ko"), module.bytes());
    agree(&words(&["-b", &text(&root.0), "-C", &text(&root.0.join("none")), "6.1.0"]), DIRECTORY);
}

/// Cycles of which kmod's own search ends.
fn cycles_are_reported_alike() {
    let cases: [&[(&str, &str, &[&str])]; 3] = [
        &[("a", "fa", &["fb"]), ("b", "fb", &["fa"])],
        &[("a", "fa", &["fb"]), ("b", "fb", &["fc"]), ("c", "fc", &["fa"]), ("d", "fd", &["fa"])],
        &[("a", "fa", &["fa"])],
    ];
    for modules in cases {
        let root = Root::new();
        for (name, export, imports) in modules {
            root.write(&format!("{DIRECTORY}/{name}.ko"), Module::new(&[*export], imports, &[]).bytes());
        }
        agree(&words(&["-b", &text(&root.0), "6.1.0"]), DIRECTORY);
    }
}

/// Where kmod's sources have the files of its tests.
fn suite() -> PathBuf {
    Path::new(KMOD).join("source/testsuite")
}

/// A module of kmod's tests: its exports and imports as its source has them, and entries of modinfo.
fn of_suite(name: &str, modinfo: Vec<String>) -> Vec<u8> {
    let source = std::fs::read_to_string(suite().join(format!("module-playground/{name}.c"))).unwrap();
    let leaked = |name: &str| -> &'static str { Box::leak(name.to_owned().into_boxed_str()) };
    let exports: Vec<&'static str> = source
        .lines()
        .filter_map(|line| Some(leaked(line.strip_prefix("EXPORT_SYMBOL(")?.split(')').next()?)))
        .collect();
    let calls = source.lines().filter_map(|line| line.strip_prefix('\t')?.strip_suffix("();"));
    let imports: Vec<&'static str> = calls
        .filter(|name| (name.starts_with("print") || *name == "dummy_export") && !exports.contains(name))
        .map(leaked)
        .collect();
    Module { modinfo, ..Module::new(&exports, &imports, &[]) }.bytes()
}

/// The tests of kmod's testsuite/test-depmod.c: each copies its tree, adds the modules that kmod would have compiled,
/// and compares with the file that kmod's authors expect. docs/depmod.md has the table.
fn kmods_own_tests_pass() {
    let simple = || of_suite("mod-simple", Vec::new());
    let own = |name: &str, arguments: &[&str], modules: &[(&str, Vec<u8>)], pairs: &[(&str, &str)]| {
        let root = Root::new();
        let from = suite().join("rootfs-pristine/test-depmod").join(name);
        copy(&from, &root.0, &text(&root.0));
        for (path, bytes) in modules {
            root.write(path, bytes);
        }
        let config = text(&root.0.join("etc/depmod.d"));
        let arguments: Vec<String> = arguments.iter().map(|word| word.replace("ROOT", &text(&root.0))).collect();
        let result = run(ours("depmod").args(["-b", &text(&root.0), "-C", &config]).args(arguments).arg("4.4.4"));
        for (made, expected) in pairs {
            let read = |path: &str| {
                std::fs::read_to_string(root.0.join(path)).unwrap_or_else(|e| panic!("{name}: {path}: {e}: {result:?}"))
            };
            assert_eq!(read(made), read(expected), "{name}");
        }
        result
    };
    let in_tree = "lib/modules/4.4.4";
    let dep = [("lib/modules/4.4.4/modules.dep", "lib/modules/4.4.4/correct-modules.dep")];
    for (name, places) in [
        ("search-order-simple", ["lib/modules/4.4.4/kernel/crypto", "lib/modules/4.4.4/updates"]),
        ("search-order-same-prefix", ["lib/modules/4.4.4/foo", "lib/modules/4.4.4/foobar"]),
        ("search-order-override", ["lib/modules/4.4.4/foo", "lib/modules/4.4.4/override"]),
    ] {
        let modules = places.map(|place| (format!("{place}/mod-simple.ko"), simple()));
        let modules = modules.each_ref().map(|(path, bytes)| (path.as_str(), bytes.clone()));
        own(name, &[], &modules, &dep);
    }
    for name in ["search-order-external-first", "search-order-external-last"] {
        let places = ["lib/modules/4.4.4/foo", "lib/modules/4.4.4/foobar", "lib/modules/external"];
        let modules = places.map(|place| (format!("{place}/mod-simple.ko"), simple()));
        let modules = modules.each_ref().map(|(path, bytes)| (path.as_str(), bytes.clone()));
        own(name, &[], &modules, &dep);
    }
    for directory in ["/foobar", "foobar2"] {
        let place = format!("{}/4.4.4", directory.trim_start_matches('/'));
        let module = format!("{place}/kernel/mod-simple.ko");
        let made = format!("{place}/modules.dep");
        own("another-moddir", &["-m", directory], &[(&module, simple())], &[(&made, "correct-modules.dep")]);
    }
    let weak = of_suite("mod-weakdep", vec!["weakdep=mod-simple".into()]);
    let modules =
        [("lib/modules/4.4.4/kernel/mod-weakdep.ko", weak), ("lib/modules/4.4.4/kernel/mod-simple.ko", simple())];
    let pair = ("lib/modules/4.4.4/modules.weakdep", "lib/modules/4.4.4/correct-modules.weakdep");
    own("check-weakdep", &[], &modules, &[pair]);

    let expected = suite().join("rootfs-pristine/test-depmod/modules-order-compressed").join(in_tree);
    let expected = std::fs::read_to_string(expected.join("correct-modules.alias")).unwrap();
    let fake = |name: &str| {
        let alias = |line: &str| Some(format!("alias={}", line.strip_prefix("alias ")?.strip_suffix(name)?.trim_end()));
        let source = format!("mod-fake-{}", name.trim_start().replace('_', "-"));
        of_suite(&source, expected.lines().filter_map(alias).collect())
    };
    let plain = [
        ("lib/modules/4.4.4/kernel/drivers/block/cciss.ko", fake(" cciss")),
        ("lib/modules/4.4.4/kernel/drivers/scsi/hpsa.ko", fake(" hpsa")),
        ("lib/modules/4.4.4/kernel/drivers/scsi/scsi_mod.ko", fake(" scsi_mod")),
    ];
    let packed = plain.each_ref().map(|(path, bytes)| (format!("{path}.gz"), gzip(bytes)));
    let packed = packed.each_ref().map(|(path, bytes)| (path.as_str(), bytes.clone()));
    let pair = ("lib/modules/4.4.4/modules.alias", "lib/modules/4.4.4/correct-modules.alias");
    own("modules-order-compressed", &[], &packed, &[pair]);
    let pairs = [
        ("outdir/lib/modules/4.4.4/modules.dep", "correct-modules.dep"),
        ("outdir/lib/modules/4.4.4/modules.alias", "correct-modules.alias"),
    ];
    own("modules-outdir", &["--outdir", "ROOT/outdir/"], &plain, &pairs);

    let loops = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"].map(|letter| {
        let name = format!("mod-loop-{letter}");
        (format!("lib/modules/4.4.4/kernel/{name}.ko"), of_suite(&name, Vec::new()))
    });
    let loops = loops.each_ref().map(|(path, bytes)| (path.as_str(), bytes.clone()));
    let (_, stderr, code) = own("detect-loop", &[], &loops, &[]);
    let expected = suite().join("rootfs-pristine/test-depmod/detect-loop/correct.txt");
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&stderr), sorted(&std::fs::read_to_string(expected).unwrap()));
    assert_eq!(code, Some(1));
}

/// Copies a tree. In texts, the paths of external modules are below `root`.
fn copy(from: &Path, to: &Path, root: &str) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&path, &to, root);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(to, text.replace("/lib/modules/external", &format!("{root}/lib/modules/external"))).unwrap();
        }
    }
}

/// A gzip file with one stored block, or several.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        out.push(u8::from(blocks.peek().is_none()));
        out.extend((block.len() as u16).to_le_bytes());
        out.extend((!(block.len() as u16)).to_le_bytes());
        out.extend(block);
    }
    out.extend((!crc).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

/// Compares the times of both, one after the other in turns. `RELOBOX_KMOD` should name an optimised program.
fn it_is_as_fast() {
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    for name in ["amd64", "newest-amd64"] {
        let root = corpora().join(name);
        let Ok(versions) = std::fs::read_dir(root.join("lib/modules")) else { continue };
        let version = versions.flatten().next().unwrap().file_name();
        let rounds = if name == "amd64" { 11 } else { 3 };
        let (mut own, mut kmod) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            for (times, mut command) in [(&mut own, ours("depmod")), (&mut kmod, kmods("depmod"))] {
                let out = Root::new();
                let start = Instant::now();
                let result = run(command.arg("-b").arg(&root).arg("-o").arg(&out.0).arg(&version));
                times.push(start.elapsed());
                assert_eq!(result.2, Some(0), "{result:?}");
            }
        }
        println!("{name}: relobox {:?}, kmod {:?} (medians of {rounds})", median(own), median(kmod));
    }
}
