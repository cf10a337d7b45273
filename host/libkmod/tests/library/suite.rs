//! kmod 34's own tests and tools, compiled from its sources as they are, with this library instead of kmod's.

use crate::built::{KMOD, corpus, indexed, path};
use anyhow::{Context, Result, ensure};
use relobox_needs::{programs_root, ran};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// What meson would find on such a machine.
const CONFIG: &str = r#"
#define PACKAGE "kmod"
#define VERSION "34"
#define ENABLE_LOGGING 1
#define ENABLE_DEBUG 0
#define ENABLE_ELFDBG 0
#define ENABLE_OPENSSL 0
#define ENABLE_XZ 0
#define ENABLE_XZ_DLOPEN 0
#define ENABLE_ZLIB 0
#define ENABLE_ZLIB_DLOPEN 0
#define ENABLE_ZSTD 0
#define ENABLE_ZSTD_DLOPEN 0
#define _GNU_SOURCE 1
#define HAVE_OPEN64 1
#define HAVE_STAT64 1
#define HAVE_FOPEN64 1
#define HAVE_DECL_STRNDUPA 1
#define HAVE_DECL_BASENAME 1
#define HAVE_DECL___XSTAT 0
#define HAVE_FINIT_MODULE 0
#define HAVE_SECURE_GETENV 1
#define HAVE_STATIC_ASSERT 1
#define HAVE_NORETURN 1
#define HAVE___BUILTIN_CLZ 1
#define HAVE___BUILTIN_TYPES_COMPATIBLE_P 1
#define HAVE___BUILTIN_UADDL_OVERFLOW 1
#define HAVE___BUILTIN_UADDLL_OVERFLOW 1
#define HAVE___BUILTIN_UADD_OVERFLOW 1
#define HAVE___BUILTIN_UMUL_OVERFLOW 1
#define HAVE___BUILTIN_UMULL_OVERFLOW 1
#define HAVE___BUILTIN_UMULLL_OVERFLOW 1
#define HAVE_STRUCT_STAT_ST_MTIM 1
#define SYSCONFDIR "/etc"
#define DISTCONFDIR "/usr/lib"
#define MODULE_DIRECTORY "/lib/modules"
#define KMOD_FEATURES "-ZSTD -XZ -ZLIB -OPENSSL"
"#;

/// `kmod depmod` is not a part of the programs here: it uses internal functions.
const WITHOUT_DEPMOD: &str = r#"
#include <tools/kmod.h>
const struct kmod_cmd kmod_cmd_compat_depmod = { .name = "depmod", .help = "" };
"#;

/// The test suite gives each program a root directory and a kernel by replacing functions of the C library. It replaces
/// those that kmod calls; this is about others.
const BESIDE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
/* Rust's standard library asks first for what is newer than stat. */
int statx(int dir, const char *path, int flags, unsigned int mask, void *st)
{
	(void)dir, (void)path, (void)flags, (void)mask, (void)st;
	errno = ENOSYS;
	return -1;
}
/* A module that kmod's replacement has loaded is listed, too. */
static void list(int fd)
{
	static char bytes[1 << 16];
	ssize_t size = pread(fd, bytes, sizeof(bytes), 0), i;
	FILE *file = fopen("/proc/modules", "a");

	for (i = 1; file && i + 6 < size; i++) {
		if (bytes[i - 1] == '\0' && memcmp(bytes + i, "name=", 5) == 0) {
			fprintf(file, "%s 16384 0 - Live 0xffffffffc0000000\n", bytes + i + 5);
			break;
		}
	}
	if (file)
		fclose(file);
}
/* kmod's replacement ends the program if it makes another call than kmod does. */
long syscall(long number, ...)
{
	void *library = number == SYS_finit_module ? RTLD_NEXT : dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	long (*call)(long, ...) = (long (*)(long, ...))dlsym(library, "syscall");
	long a[6], result;
	va_list args;
	int i;

	va_start(args, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	result = call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_finit_module && result == 0)
		list((int)a[0]);
	return result;
}
"#;

/// What kmod's replacements export. They contain kmod's library, which must not be used by the programs.
const REPLACED: &str = "{ global: init_module; finit_module; syscall; local: *; };";

/// The files of tests that use the library.
const FILES: [&str; 9] =
    ["init", "loaded", "new-module", "blacklist", "dependencies", "initstate", "weakdep", "modprobe", "modinfo"];

const STANDS_IN: &str =
    "a module of Debian's stands in, and says something else; another test compares what both libraries say of it";

/// The tests that do not pass, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("blacklist_1", "it builds a list of its own with internal functions of kmod; lists are handles here"),
    ("modprobe_force", "refused: a load is not forced (`EOPNOTSUPP`)"),
    ("modprobe_oldkernel_force", "refused: a load is not forced (`EOPNOTSUPP`)"),
    ("modprobe_install_cmd_loop", "refused: the library runs no shell"),
    ("modprobe_show_exports", STANDS_IN),
    ("test_modinfo_license", STANDS_IN),
    ("test_modinfo_signer", STANDS_IN),
    ("test_modinfo_sig_key", STANDS_IN),
    ("test_modinfo_sig_hashalgo", STANDS_IN),
    ("modprobe_oldkernel", "a kernel without finit_module(2), which is older than Linux 3.8"),
    ("test_modinfo_builtin", "its tree has modules.builtin only as kmod's index (.bin)"),
];

/// A module of Debian's kernel whose name is as long as those that the tests want, and that needs no other.
const MODULE: (&str, &str) = ("kernel/fs/nls/nls_cp1250.ko", "nls_cp1250");

struct Suite {
    directory: tempfile::TempDir,
}

fn source(path: &str) -> PathBuf {
    Path::new(KMOD).join("source").join(path)
}

impl Suite {
    /// Compiles the tools, and what the tests share.
    fn new() -> Result<Self> {
        let suite = Self { directory: tempfile::tempdir()? };
        fs::create_dir(suite.at("testsuite"))?;
        for (name, text) in
            [("config.h", CONFIG), ("depmod.c", WITHOUT_DEPMOD), ("beside.c", BESIDE), ("replaced.map", REPLACED)]
        {
            fs::write(suite.at(name), text)?;
        }
        // The library finds the linking process beside it, also where the root directory is another.
        fs::copy(path(), suite.at("libkmod.so.2"))?;
        fs::copy(programs_root().join("relobox-linker"), suite.at("relobox-linker"))?;
        let tools = ["kmod", "lsmod", "modinfo", "insmod", "rmmod", "modprobe", "static-nodes", "opt", "log"];
        let mut cc = suite.cc("kmod");
        cc.args(tools.map(|name| source(&format!("tools/{name}.c")))).arg(suite.at("depmod.c"));
        ran(suite.linked(&mut cc))?;
        for name in ["modprobe", "insmod", "rmmod", "lsmod", "modinfo"] {
            symlink("kmod", suite.at(name))?;
        }
        Ok(suite)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// A compiler for kmod's sources.
    fn cc(&self, output: &str) -> Command {
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-w", "-fPIC", "-UNDEBUG", "-include"]).arg(self.at("config.h"));
        cc.arg("-I").arg(self.directory.path()).arg("-I").arg(source("")).arg("-o").arg(self.at(output));
        let text = |name: &str, path: &str| format!("-D{name}=\"{}/{path}\"", self.directory.path().display());
        cc.args([text("TESTSUITE_ROOTFS", "testsuite/rootfs/"), text("TOOLS_DIR", "")]);
        cc.args([text("OVERRIDE_LIBDIR", "testsuite/"), text("ABS_TOP_BUILDDIR", "").replace("/\"", "\"")]);
        cc
    }

    fn linked<'a>(&self, cc: &'a mut Command) -> &'a mut Command {
        let shared = ["array", "hash", "strbuf", "util"].map(|name| source(&format!("shared/{name}.c")));
        cc.args(shared).arg(self.at("libkmod.so.2")).arg("-ldl")
    }

    /// A program of this suite.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.at(program));
        command.env("LD_LIBRARY_PATH", self.directory.path()).env("RELOBOX_STATE", "").env_remove("KMOD_LOG");
        command
    }

    /// What replaces functions of the C library in the tests.
    fn preloaded(&self) -> Result<()> {
        for name in ["path", "uname", "delete_module", "init_module"] {
            let mut cc = self.cc(&format!("testsuite/{name}.so"));
            cc.arg("-shared").arg(source(&format!("testsuite/{name}.c")));
            let shared = ["array", "hash", "strbuf", "util"].map(|name| source(&format!("shared/{name}.c")));
            cc.args(shared).arg("-ldl");
            if name == "init_module" {
                // It reads modules with kmod's own functions.
                let own = ["", "-builtin", "-config", "-elf", "-file", "-index", "-list", "-module", "-signature"];
                cc.args(own.map(|name| source(&format!("libkmod/libkmod{name}.c"))));
                cc.arg(format!("-Wl,--version-script={}", self.at("replaced.map").display()));
            }
            ran(&mut cc)?;
        }
        let mut cc = self.cc("testsuite/beside.so");
        ran(cc.arg("-shared").arg(self.at("beside.c")).arg("-ldl"))?;
        // The replacements contain kmod's library. It is not the one that the programs use.
        let libraries = ["beside", "path", "uname", "delete_module", "init_module"];
        let libraries = libraries.map(|name| self.at(&format!("testsuite/{name}.so")).display().to_string());
        let mut lsmod = self.command("lsmod");
        lsmod.env("LD_PRELOAD", libraries.join(" ")).env("KMOD_LOG", "info");
        let output = lsmod.env("TESTSUITE_ROOTFS", "/").env("TESTSUITE_UNAME_R", "1.0.0").output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains("libkmod: INFO: kmod_new: a context was made"), "{said}");
        Ok(())
    }

    /// The directories that the tests want, with a module where they want one.
    fn roots(&self) -> Result<()> {
        ran(Command::new("cp").arg("-r").arg(source("testsuite/rootfs-pristine")).arg(self.at("testsuite/rootfs")))?;
        let (modules, _) = corpus()?;
        let module = fs::read(modules.join(MODULE.0)).context(MODULE.0)?;
        let text = fs::read_to_string(source("scripts/setup-rootfs.sh"))?;
        let line = |line: &str| {
            let (place, module) = line.trim().strip_prefix("[\"")?.split_once("\"]=\"")?;
            Some((place.replace("$MODULE_DIRECTORY", "/lib/modules"), module.trim_end_matches('"').to_owned()))
        };
        for (place, name) in text.lines().filter_map(line) {
            let file = if place.ends_with('/') { format!("{place}{name}") } else { place };
            let file = self.at("testsuite/rootfs").join(file);
            fs::create_dir_all(file.parent().context("a directory")?)?;
            let name = name.trim_end_matches(".ko").replace('-', "_");
            fs::write(file, renamed(&module, &name))?;
        }
        let mut symbols = String::from("0000000000034000 A __per_cpu_end\nffffffff81000000 T _text\n");
        for name in ["__fentry__", "__register_nls", "__x86_return_thunk", "unregister_nls"] {
            writeln!(symbols, "ffffffff81001000 T {name}\nffffffff82000000 r __ksymtab_{name}")?;
        }
        symbols.push_str("ffffffff82e2f000 B _end\n");
        // A directory of each test is in one of these.
        for above in ["", "test-modprobe", "test-new-module", "test-modinfo"] {
            for entry in fs::read_dir(self.at("testsuite/rootfs").join(above))? {
                let proc = entry?.path().join("proc");
                if proc.parent().is_some_and(Path::is_dir) {
                    fs::create_dir_all(&proc)?;
                    fs::write(proc.join("kallsyms"), &symbols)?;
                    fs::OpenOptions::new().append(true).create(true).open(proc.join("modules"))?;
                }
            }
        }
        Ok(())
    }

    /// Runs all tests of a file. Returns each with its outcome.
    fn run(&self, file: &str) -> Result<Vec<(String, bool, String)>> {
        let program = format!("test-{file}");
        let mut cc = self.cc(&program);
        cc.args([source(&format!("testsuite/{program}.c")), source("testsuite/testsuite.c")]);
        if file == "blacklist" {
            cc.arg(source("libkmod/libkmod-list.c"));
        }
        ran(self.linked(&mut cc))?;
        let listed = self.command(&program).arg("--list").output()?;
        let listed = String::from_utf8_lossy(&[listed.stdout, listed.stderr].concat()).into_owned();
        let names = listed.lines().filter_map(|line| line.strip_prefix('\t')?.split([',', ' ']).next());
        let mut outcomes = Vec::new();
        for name in names {
            // The suite wants to know that its directories are as they were made.
            let stamp = fs::File::create(self.at("testsuite/stamp-rootfs"))?;
            stamp.set_modified(SystemTime::now() + Duration::from_secs(3600))?;
            let mut command = self.command(&program);
            command.arg(name).env("LD_PRELOAD", self.at("testsuite/beside.so"));
            let output = command.output()?;
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            let passed = text.contains(&format!("PASSED: {name}\n")) && !text.contains("FAILED");
            outcomes.push((name.to_owned(), passed, text));
        }
        ensure!(!outcomes.is_empty(), "{program} has no tests: {listed}");
        Ok(outcomes)
    }
}

/// A module under another name of the same length, or as it is.
fn renamed(module: &[u8], name: &str) -> Vec<u8> {
    let (old, mut out) = (MODULE.1.as_bytes(), module.to_vec());
    if name.len() != old.len() {
        return out;
    }
    for at in 0..out.len() - old.len() {
        if &module[at..at + old.len()] == old && module[at + old.len()] == 0 {
            out[at..at + old.len()].copy_from_slice(name.as_bytes());
        }
    }
    out
}

pub(crate) fn the_tests_of_kmod() -> Result<()> {
    let suite = Suite::new()?;
    suite.preloaded()?;
    suite.roots()?;
    let (mut table, mut wrong) = (String::from("| test of kmod 34 | outcome |\n|---|---|\n"), String::new());
    let mut unused: Vec<_> = OTHERWISE.iter().map(|(name, _)| *name).collect();
    for file in FILES {
        for (name, passed, text) in suite.run(file)? {
            let otherwise = OTHERWISE.iter().find(|(other, _)| *other == name);
            unused.retain(|other| *other != name);
            if passed == otherwise.is_some() {
                writeln!(wrong, "{file}: {name}: {}\n{text}", if passed { "it passes" } else { "it fails" })?;
            }
            let outcome = otherwise.map_or_else(|| "passes".to_owned(), |(_, why)| format!("fails: {why}"));
            writeln!(table, "| {file}: {} | {outcome} |", name.replace('_', "\\_"))?;
        }
    }
    ensure!(wrong.is_empty() && unused.is_empty(), "{wrong}\nnot found: {unused:?}");
    documented(&table)
}

/// Compares a table with that of docs/libkmod.md. RELOBOX_BLESS=1 writes it.
fn documented(table: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/libkmod.md");
    let text = fs::read_to_string(&path)?;
    let at = text.find("| test of kmod 34 |").context("docs/libkmod.md has no table of tests")?;
    let end = text[at..].find("\n\n").map_or(text.len(), |end| at + end + 1);
    if std::env::var_os("RELOBOX_BLESS").is_some() {
        fs::write(&path, format!("{}{table}{}", &text[..at], &text[end..]))?;
        return Ok(());
    }
    ensure!(&text[at..end] == table, "docs/libkmod.md differs; RELOBOX_BLESS=1 writes it:\n{table}");
    Ok(())
}

/// The tools, once with this library and once as Debian has built them, print the same.
pub(crate) fn the_tools_of_kmod_print_the_same() -> Result<()> {
    let suite = Suite::new()?;
    let root = suite.at("root");
    let (tree, release) = indexed(&root)?;
    let config = suite.at("config");
    fs::create_dir(&config)?;
    fs::write(config.join("a.conf"), "alias my-fs xfs\noptions xfs a=1\nsoftdep xfs pre: loop\nblacklist btrfs\n")?;
    let mut count = 0;
    let mut same = |tool: &str, args: &[&str]| -> Result<()> {
        let run = |command: &mut Command| -> Result<_> {
            let output = command.args(args).output()?;
            let lines = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok((output.status.code(), lines.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()))
        };
        let ours = run(&mut suite.command(tool))?;
        let theirs = run(&mut Command::new(Path::new(KMOD).join("bin").join(tool)))?;
        count += theirs.1.len();
        let differs = ours.1.iter().zip(&theirs.1).find(|(ours, theirs)| ours != theirs);
        ensure!(
            ours == theirs,
            "{tool} {args:?}: {:?} and {:?}, {} and {} lines, first {differs:?}",
            ours.0,
            theirs.0,
            ours.1.len(),
            theirs.1.len()
        );
        Ok(())
    };
    let (root, config) = (root.to_string_lossy().into_owned(), config.to_string_lossy().into_owned());
    let modprobe = ["-d", &root, "-S", &release, "-C", &config];
    let with = |more: &[&'static str]| -> Vec<String> {
        modprobe.iter().copied().chain(more.iter().copied()).map(str::to_owned).collect()
    };
    for more in [
        &["--showconfig"][..],
        &["-D", "xfs"],
        &["-D", "my-fs"],
        &["-R", "my-fs"],
        &["-R", "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00"],
        &["-n", "-v", "--ignore-install", "nfsd"],
        &["-n", "-b", "btrfs"],
        &["-n", "-a", "ext4", "nbd"],
        &["-D", "no-such-module"],
    ] {
        let args = with(more);
        same("modprobe", &args.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    for name in ["xfs", "btrfs", "no-such"] {
        same("modinfo", &["-b", &root, "-k", &release, "-n", name])?;
    }
    ensure!(tree.exists() && count > 7000, "{count} lines");
    Ok(())
}
