//! `--symbols` and `--sections`: what relobox takes from a file, and what it says of one that is of no use.

use relobox_tests::module_builder::ModuleBuilder;
use relobox_tests::{pack, real};
use std::path::Path;
use std::process::Command;

const SYMVERS: &str =
    "0x11111111\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n0x22222222\tjiffies\tvmlinux\tEXPORT_SYMBOL_GPL\t\n";
const MAP: &str = "ffffffff81000000 T _text\nffffffff81000100 T _printk\nffffffff82000000 D jiffies\n";

/// A directory with a module, `m.ko`.
struct TestEnv(tempfile::TempDir);

impl TestEnv {
    fn new() -> Self {
        let env = Self(tempfile::tempdir().expect("a directory"));
        env.put("m.ko", ModuleBuilder { calls: &["_printk", "jiffies"], ..ModuleBuilder::default() }.write());
        env.put("map", MAP);
        env
    }

    fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, contents).expect("a file");
    }

    /// The exit code, and what was said.
    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(real::binary().expect("relobox"));
        command.args(args).current_dir(self.0.path());
        command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests"));
        let output = command.output().expect("relobox");
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).expect("text"))
    }

    fn link(&self, symbols: &str) -> (Option<i32>, String) {
        self.run(&["link", "m.ko", "--symbols", symbols, "-o", "out.elf"])
    }
}

#[test]
fn hidden_addresses_are_refused_with_the_reason() {
    let env = TestEnv::new();
    assert_eq!(env.link("map").0, Some(0));
    std::fs::remove_file(env.0.path().join("out.elf")).expect("what was linked");
    let files = [
        ("zero", MAP.replace("ffffffff81000", "0000000000000").replace("ffffffff82", "0000000000"), 2),
        ("exact", "0000000000000000 T _printk\n0000000000000000 D jiffies\n0000000000000000 A x\n".into(), 2),
        ("word", MAP.replace("ffffffff81000100", "(ptrval)"), 2),
        ("null", MAP.replace("ffffffff81000100", "          (null)"), 2),
        // Some are shown.
        ("code", MAP.replace("ffffffff81000100", "0000000000000000"), 1),
        ("data", MAP.replace("ffffffff82000000", "0000000000000000"), 1),
    ];
    for (name, text, code) in files {
        let text = if name == "zero" {
            text.lines().map(|line| format!("{}{}\n", "0".repeat(16), &line[16..])).collect()
        } else {
            text
        };
        env.put(name, text);
        let (seen, said) = env.link(name);
        assert_eq!(seen, Some(code), "{name}: {said}");
        assert!(
            said.contains("hidden") && said.contains("CAP_SYSLOG") && said.contains("kptr_restrict"),
            "{name}: {said}"
        );
        assert!(!env.0.path().join("out.elf").exists(), "{name}");
    }
    let (seen, said) = env.run(&["check", "m.ko", "--symbols", "exact"]);
    assert!(seen == Some(2) && said.contains("hidden"), "{said}");
}

#[test]
fn hidden_addresses_of_sections_are_refused() {
    let env = TestEnv::new();
    env.put("sections", ".text 0xffffffffa0000000\n");
    env.put("zero", ".text 0x0000000000000000\n");
    env.put("some", ".text 0xffffffffa0000000\n.data 0x0\n");
    env.put("word", ".text 0x          (null)\n");
    env.put("none", "\n\n");
    env.put("others", ".other 0xffffffffa0000000\n");
    env.put("sys/.text", "0x0000000000000000\n");
    env.put("old/.text", "0x(____ptrval____)\n");
    std::fs::create_dir(env.0.path().join("empty")).expect("a directory");
    let link = |sections| env.run(&["link", "m.ko", "--symbols", "map", "--sections", sections]);
    assert_eq!(link("sections").0, Some(0), "{}", link("sections").1);
    for file in ["zero", "some", "word", "sys", "old"] {
        let (code, said) = link(file);
        assert!(code == Some(2) && said.contains("hidden") && said.contains("kptr_restrict"), "{file}: {said}");
    }
    for file in ["none", "empty"] {
        let (code, said) = link(file);
        assert!(code == Some(2) && said.contains("it contains no section"), "{file}: {said}");
    }
    // Without an address on the command line, nothing is laid out at 0.
    let (code, said) = link("others");
    assert!(code == Some(1) && said.contains("none of the sections"), "{said}");
}

#[test]
fn a_file_that_is_of_no_use_says_why() {
    let env = TestEnv::new();
    let files: [(&str, &[u8], &str); 8] = [
        ("nothing", b"", "no symbol"),
        ("blank", b"\n\n\n", "no symbol"),
        ("undefined", b"0000000000000000 w _printk\n", "no symbol"),
        ("debian", b"ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n", "dbg"),
        ("elf", b"\x7fELF\x02\x01\x01", ":1: neither"),
        ("words", b"0x1\t_printk\tvmlinux\n", ":1: neither"),
        ("bz2", b"BZh91AY&SY....", "bzip2"),
        ("cut.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 9], "cut.gz"),
    ];
    for (name, text, why) in files {
        env.put(name, text);
        for args in [["link", "m.ko", "--symbols", name], ["check", "m.ko", "--symbols", name]] {
            let (code, said) = env.run(&args);
            assert!(code == Some(2) && said.contains(why), "{args:?}: {code:?} {said}");
        }
    }
}

#[test]
fn packed_files_are_read() {
    let env = TestEnv::new();
    let packers: [(&str, fn(&[u8]) -> Vec<u8>); 3] = [("gz", pack::gzip), ("xz", pack::xz), ("zst", pack::zstd)];
    for (ending, packed) in packers {
        // The contents decide, not the name.
        for name in [format!("symvers.{ending}"), "Module.symvers".into()] {
            env.put(&name, packed(SYMVERS.as_bytes()));
            let (code, said) = env.run(&["check", "m.ko", "--symbols", &name]);
            assert_eq!(code, Some(0), "{name}: {said}");
        }
        env.put("other", packed(SYMVERS.replace("_printk", "printk").as_bytes()));
        let (code, said) = env.run(&["check", "m.ko", "--symbols", "other"]);
        assert!(code == Some(1) && said.contains("undefined"), "{ending}: {said}");
        env.put("map.packed", packed(MAP.as_bytes()));
        assert_eq!(env.link("map.packed").0, Some(0), "{ending}");
        env.put("twice", pack::gzip(&packed(MAP.as_bytes())));
        let (code, said) = env.link("twice");
        assert!(code == Some(2) && said.contains("twice"), "{said}");
    }
}

/// Linux 5.4 and 5.5.
#[test]
fn a_namespace_may_stand_third() {
    let env = TestEnv::new();
    env.put(
        "5.4",
        "0x1\t_printk\t\tvmlinux\tEXPORT_SYMBOL\n0x2\tjiffies\tCLOCK\tdrivers/clock/jif\tEXPORT_SYMBOL_GPL\n",
    );
    let (code, said) = env.run(&["check", "m.ko", "--symbols", "5.4"]);
    assert!(code == Some(1) && said.contains("MODULE_IMPORT_NS(CLOCK)"), "{said}");
    env.put(
        "m.ko",
        ModuleBuilder { calls: &["_printk", "jiffies"], imports: &["CLOCK"], ..ModuleBuilder::default() }.write(),
    );
    let (code, said) = env.run(&["check", "m.ko", "--symbols", "5.4"]);
    assert_eq!(code, Some(0), "{said}");
}

/// EXPORT_SYMBOL_FOR_MODULES.
#[test]
fn some_symbols_are_for_modules_by_name() {
    let env = TestEnv::new();
    env.put("symvers", "0x1\tguarded\tvmlinux\tEXPORT_SYMBOL_GPL\tmodule:vfio-demo,kvm-*\n");
    let verdict = |file: &str, name, imports: &[&str]| {
        env.put(file, ModuleBuilder { name, calls: &["guarded"], imports, ..ModuleBuilder::default() }.write());
        env.run(&["check", file, "--symbols", "symvers"])
    };
    for (file, name) in
        [("a.ko", Some("vfio_demo")), ("vfio-demo.ko", None), ("a.ko", Some("kvm_intel")), ("kvm-.ko", None)]
    {
        let (code, said) = verdict(file, name, &[]);
        assert_eq!(code, Some(0), "{file} {name:?}: {said}");
    }
    // The name in the module counts, not the file's.
    for (file, name) in
        [("vfio-demo.ko", Some("other")), ("vfio_demo2.ko", None), ("kvm.ko", None), ("a.ko", Some("xkvm_a"))]
    {
        let (code, said) = verdict(file, name, &[]);
        assert!(code == Some(1) && said.contains("vfio-demo,kvm-*"), "{file} {name:?}: {said}");
    }
    let (code, said) = verdict("other.ko", None, &["module:vfio-demo,kvm-*"]);
    assert!(code == Some(1) && said.contains("for other modules only"), "{said}");
    let (code, said) = verdict("vfio-demo.ko", None, &["module:vfio-demo,kvm-*"]);
    assert!(code == Some(1) && said.contains("imports module:"), "{said}");
}
