//! `relobox check` on trees: which of several files counts, links, and exports that are there twice.

use relobox_tests::module_builder::ModuleBuilder;
use relobox_tests::real;
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const SYMVERS: &str = "0x1\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n";

/// A root directory with a tree, lib/modules/6.1, and what its kernel exports.
struct TestEnv(tempfile::TempDir);

impl TestEnv {
    fn new() -> Self {
        let env = Self(tempfile::tempdir().expect("a directory"));
        env.put("symvers", SYMVERS);
        std::fs::create_dir_all(env.path("lib/modules/6.1/kernel")).expect("a tree");
        env
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, contents).expect("a file");
    }

    /// A module of the tree that links, or that uses an undefined symbol.
    fn module(&self, name: &str, links: bool) {
        let calls = if links { ["_printk"] } else { ["no_such_symbol"] };
        self.put(
            &format!("lib/modules/6.1/{name}"),
            ModuleBuilder { calls: &calls, ..ModuleBuilder::default() }.write(),
        );
    }

    fn link(&self, name: &str, target: &str) {
        let path = self.path(&format!("lib/modules/6.1/{name}"));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        symlink(target, path).expect("a link");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(real::binary().expect("relobox"));
        command.arg("check").args(args).args(["--symbols", "symvers"]).current_dir(self.0.path());
        command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests"));
        command
    }

    /// The exit code, and the document.
    fn check(&self, args: &[&str]) -> (Option<i32>, Value) {
        let output = self.command(args).arg("--json").output().expect("relobox");
        let text = String::from_utf8(output.stdout).expect("text");
        let said = String::from_utf8_lossy(&output.stderr);
        (output.status.code(), serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{said}")))
    }

    fn said(&self, args: &[&str]) -> String {
        let output = self.command(args).output().expect("relobox");
        String::from_utf8([output.stdout, output.stderr].concat()).expect("text")
    }
}

const TREE: &[&str] = &["lib/modules/6.1"];

/// One field of each of a list's objects.
fn all<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    let list = list.as_array().expect("an array");
    list.iter().map(|one| one[field].as_str().expect("text").rsplit("6.1/").next().expect("a part")).collect()
}

fn kinds(failure: &Value) -> Vec<&str> {
    all(&failure["problems"], "kind")
}

#[test]
fn links_to_modules_are_checked() {
    let env = TestEnv::new();
    env.module("kernel/good.ko", true);
    env.put("other/bad.ko", ModuleBuilder { calls: &["no_such_symbol"], ..ModuleBuilder::default() }.write());
    let (code, report) = env.check(TREE);
    assert_eq!((code, &report["modules"]), (Some(0), &1.into()), "{report}");
    env.link("weak-updates/bad.ko", "../../../../other/bad.ko");
    let (code, report) = env.check(TREE);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(all(&report["failures"], "module"), ["weak-updates/bad.ko"]);
    assert_eq!(all(&report["links"], "module"), ["weak-updates/bad.ko"]);
    assert!(env.said(TREE).contains("1 of the modules are symbolic links out of their tree"));
    // A tree of nothing but links.
    std::fs::create_dir_all(env.path("nix/kernel")).expect("a directory");
    symlink("../../lib/modules/6.1/kernel/good.ko", env.path("nix/kernel/good.ko")).expect("a link");
    let (code, report) = env.check(&["nix"]);
    assert_eq!((code, &report["linked"]), (Some(0), &1.into()), "{report}");
}

#[test]
fn links_may_lead_to_directories_round_in_circles_and_nowhere() {
    let env = TestEnv::new();
    env.module("kernel/good.ko", true);
    env.put("elsewhere/deep/far.ko", ModuleBuilder { calls: &["no_such_symbol"], ..ModuleBuilder::default() }.write());
    env.link("extra", "../../../elsewhere");
    env.link("kernel/up", "..");
    env.link("kernel/self", "self");
    env.put("elsewhere/deep/notes", "no module");
    symlink("../../lib/modules/6.1", env.path("elsewhere/deep/back")).expect("a link");
    // Headers are not followed, wherever they are.
    env.link("build", "../../../elsewhere");
    let (code, report) = env.check(TREE);
    assert_eq!((code, &report["modules"]), (Some(1), &2.into()), "{report}");
    assert_eq!(all(&report["failures"], "module"), ["extra/deep/far.ko"]);
    let warnings = report["warnings"].as_array().expect("an array");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().all(|w| w.as_str().is_some_and(|w| w.contains("that was read already"))), "{warnings:?}");
    env.link("updates/gone.ko.xz", "/nowhere/gone.ko.xz");
    env.link("updates/loop.ko", "loop.ko");
    let (code, report) = env.check(TREE);
    assert_eq!(code, Some(2), "{report}");
    assert_eq!(all(&report["failures"], "module"), ["extra/deep/far.ko", "updates/gone.ko.xz", "updates/loop.ko"]);
    let message = report["failures"][1]["message"].as_str().expect("text");
    assert!(message.contains("a link to /nowhere/gone.ko.xz, which does not exist"), "{message}");
}

#[test]
fn without_modules_dep_it_is_as_depmod_would_have_it() {
    let env = TestEnv::new();
    env.module("kernel/fs/a-b.ko", false);
    env.module("updates/a_b.ko", true);
    env.module("kernel/c.ko", true);
    env.module("extra/c.ko", false);
    let (code, report) = env.check(TREE);
    assert_eq!((code, &report["linked"]), (Some(1), &1.into()), "{report}");
    assert_eq!(all(&report["shadowed"], "module"), ["kernel/c.ko", "kernel/fs/a-b.ko"]);
    assert_eq!(all(&report["shadowed"], "by"), ["extra/c.ko", "updates/a_b.ko"]);
    // Neither of the two c has a place of its own.
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(1), "{report}");
    assert!(env.said(TREE).contains("updates/a_b.ko"));

    // The root directory that the tree is in may say otherwise.
    env.put("etc/depmod.d/x.conf", "search built-in updates extra\n");
    let (code, report) = env.check(TREE);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(all(&report["shadowed"], "by"), ["kernel/c.ko", "kernel/fs/a-b.ko"]);
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(0), "{report}");
    env.put("etc/depmod.d/y.conf", "override a_b 6.1 updates\noverride c 5.10 extra\n");
    let (code, report) = env.check(TREE);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(all(&report["shadowed"], "by"), ["kernel/c.ko", "updates/a_b.ko"]);
    // Or who asks.
    env.put("conf/z.conf", "search extra updates built-in\nfoo\n");
    let (code, report) = env.check(&["lib/modules/6.1", "--depmod-config", "conf"]);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(all(&report["shadowed"], "by"), ["extra/c.ko", "updates/a_b.ko"]);
    assert!(report["warnings"][0].as_str().is_some_and(|w| w.starts_with("conf/z.conf:2: ")), "{report}");
}

#[test]
fn with_modules_dep_it_is_as_modprobe_has_it() {
    let env = TestEnv::new();
    env.module("kernel/a.ko", true);
    env.module("updates/a.ko", false);
    env.module("extra/new.ko", false);
    env.put("lib/modules/6.1/modules.dep", "kernel/a.ko:\nkernel/gone.ko.xz: kernel/a.ko\n");
    // What a file in the root says is for the next depmod.
    env.put("etc/depmod.d/x.conf", "search updates built-in\n");
    let (code, report) = env.check(TREE);
    assert_eq!(code, Some(2), "{report}");
    assert_eq!(all(&report["shadowed"], "module"), ["updates/a.ko"]);
    assert_eq!(all(&report["shadowed"], "by"), ["kernel/a.ko"]);
    assert_eq!(report["unlisted"], serde_json::json!(["lib/modules/6.1/extra/new.ko"]));
    assert_eq!(all(&report["failures"], "module"), ["extra/new.ko", "kernel/gone.ko.xz"]);
    let message = report["failures"][1]["message"].as_str().expect("text");
    assert!(message.contains("modules.dep lists it, but the file does not exist"), "{message}");
    // A file that the command line names is checked, even if another file shadows it.
    let (_, report) = env.check(&["lib/modules/6.1/updates/a.ko", "lib/modules/6.1"]);
    assert_eq!(all(&report["failures"], "module"), ["extra/new.ko", "kernel/gone.ko.xz", "updates/a.ko"]);
}

#[test]
fn trees_of_other_kernels_have_nothing_to_do_with_each_other() {
    let env = TestEnv::new();
    let (provider, user) = (
        ModuleBuilder { exports: &["shared"], ..ModuleBuilder::default() },
        ModuleBuilder { calls: &["shared"], ..ModuleBuilder::default() },
    );
    env.put("lib/modules/6.1/kernel/provider.ko", provider.write());
    env.put("lib/modules/6.1/kernel/user.ko", user.write());
    env.put("lib/modules/6.2/kernel/provider.ko", provider.write());
    env.put("lib/modules/6.2/kernel/other.ko", provider.write());
    env.put("lib/modules/6.3/kernel/user.ko", user.write());
    let (code, report) = env.check(&["lib/modules"]);
    assert_eq!(code, Some(1), "{report}");
    let failures = all(&report["failures"], "module");
    assert_eq!(failures, ["lib/modules/6.2/kernel/provider.ko", "lib/modules/6.3/kernel/user.ko"]);
    assert_eq!(kinds(&report["failures"][0]), ["duplicate-export"]);
    assert_eq!(kinds(&report["failures"][1]), ["undefined-symbol"]);
    assert!(all(&report["shadowed"], "module").is_empty(), "{report}");
    // One that is named beside a single tree sees that.
    env.put("user.ko", user.write());
    assert_eq!(env.check(&["user.ko", "lib/modules/6.1"]).0, Some(0));
    assert_eq!(env.check(&["user.ko"]).0, Some(1));
}

#[test]
fn an_export_that_is_there_already_is_named() {
    let env = TestEnv::new();
    let exports = ModuleBuilder { exports: &["shared", "own"], ..ModuleBuilder::default() };
    env.put("prov.ko", exports.write());
    env.put("other.ko", ModuleBuilder { exports: &["shared"], ..ModuleBuilder::default() }.write());
    env.put("same/prov.ko", exports.write());
    let duplicates = |symvers: &str, files: &[&str]| {
        env.put("symvers", format!("{SYMVERS}{symvers}"));
        let (code, report) = env.check(files);
        let failures = report["failures"].as_array().expect("an array").clone();
        assert_eq!(code, Some(i32::from(!failures.is_empty())), "{report}");
        failures.iter().for_each(|f| assert!(kinds(f).iter().all(|kind| *kind == "duplicate-export"), "{f}"));
        let symbols = |f: &Value| all(&f["problems"], "symbol").iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let of = |f: &Value| (f["module"].as_str().expect("text").to_owned(), symbols(f));
        failures.iter().map(of).collect::<Vec<_>>()
    };
    let line = |name: &str, owner: &str| format!("0x0\t{name}\t{owner}\tEXPORT_SYMBOL_GPL\t\n");
    let expected = |file: &str, symbols: &[&str]| (file.to_owned(), symbols.iter().map(|s| (*s).to_owned()).collect());

    assert_eq!(duplicates("", &["prov.ko"]), []);
    assert_eq!(duplicates(&line("shared", "vmlinux"), &["prov.ko"]), [expected("prov.ko", &["shared"])]);
    // Its own line is none, with either kind of dash.
    assert_eq!(duplicates(&line("shared", "drivers/prov"), &["prov.ko"]), []);
    assert_eq!(duplicates(&line("shared", "drivers/some-other"), &["prov.ko"]), [expected("prov.ko", &["shared"])]);
    // Of two modules, the one that Module.symvers names is right; else the first.
    assert_eq!(duplicates("", &["prov.ko", "other.ko"]), [expected("prov.ko", &["shared"])]);
    assert_eq!(duplicates(&line("shared", "prov"), &["prov.ko", "other.ko"]), [expected("other.ko", &["shared"])]);
    // A module of the same name takes the other's place.
    assert_eq!(duplicates("", &["prov.ko", "same/prov.ko"]), []);
    let both = line("shared", "vmlinux") + &line("own", "vmlinux");
    assert_eq!(duplicates(&both, &["prov.ko"]), [expected("prov.ko", &["own", "shared"])]);

    // The kernel's export tables in kallsyms say so, too; a symbol that is only global is no export.
    env.put("symvers", "ffffffff81000000 T own\nffffffff81000010 T shared\nffffffff82000000 r __ksymtab_shared\n");
    let (code, report) = env.check(&["prov.ko"]);
    assert_eq!((code, all(&report["failures"][0]["problems"], "symbol")), (Some(1), vec!["shared"]), "{report}");
}

/// A tree of another machine's modules is judged as easily; what was assumed is said, and types are summed up.
#[test]
fn what_was_assumed_and_what_is_refused_is_summed_up() {
    let env = TestEnv::new();
    let good = ModuleBuilder { calls: &["_printk", "_printk"], ..ModuleBuilder::default() }.write();
    env.put("good.ko", &good);
    // R_X86_64_PLT32 becomes R_X86_64_GLOB_DAT, then a type that does not exist.
    for (file, kind) in [("bad.ko", 6_u8), ("worse.ko", 6), ("new.ko", 0xee)] {
        let mut bytes = good.clone();
        let entries: Vec<usize> = (0..bytes.len() - 24).filter(|at| bytes[at + 8..at + 12] == [4, 0, 0, 0]).collect();
        let entries: Vec<usize> = entries
            .into_iter()
            .filter(|at| bytes[at + 16..at + 24] == [0xfc, 255, 255, 255, 255, 255, 255, 255])
            .collect();
        assert_eq!(entries.len(), 2);
        entries.into_iter().for_each(|at| bytes[at + 8] = kind);
        env.put(file, bytes);
    }
    let (code, report) = env.check(&["good.ko", "bad.ko", "worse.ko", "new.ko"]);
    assert_eq!(code, Some(1), "{report}");
    let placed = &report["placed"];
    assert_eq!((placed[0]["plugin"].as_str(), placed[0]["modules"].as_u64()), (Some("x86_64"), Some(1)), "{report}");
    let types = report["refused_types"].as_array().expect("an array");
    let of =
        |t: &Value| (t["relocation"].as_str().unwrap().to_owned(), t["relocations"].as_u64(), t["modules"].as_u64());
    let of: Vec<_> = types.iter().map(of).collect();
    let expected = [("R_X86_64_GLOB_DAT", Some(4), Some(2)), ("type 238", Some(2), Some(1))];
    assert_eq!(of, expected.map(|(name, count, modules)| (name.to_owned(), count, modules)));
    let output = env.command(&["bad.ko", "good.ko"]).output().expect("relobox");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("relocation R_X86_64_GLOB_DAT is refused: 2 places in 1 module\n"), "{said}");
    assert!(said.contains("plugin x86_64: 1 module, assumed to be at 0x"), "{said}");
}
