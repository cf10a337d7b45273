//! The tests.

use crate::built::{compile, corpus, indexed, kmod_libraries, library, path, with_kmods, with_ours, without_contents};
use crate::suite::{the_tests_of_kmod, the_tools_of_kmod_print_the_same};
use crate::udev::restrict;
use anyhow::{Context, Result, ensure};
use relobox_needs::{Test, corpus as corpus_need, kmod, program, programs, ran, root, test, tool};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn tests() -> [Test; 14] {
    let c = || [library(), tool("cc")];
    let loads = || c().into_iter().chain([programs(), root(), corpus_need("cloud-amd64"), tool("nm")]);
    [
        test!(it_exports_what_kmods_library_exports).needs([library(), kmod(), tool("readelf")]),
        test!(it_needs_the_c_library_alone).needs([library(), tool("readelf")]),
        test!(objects_live_and_die_as_documented).needs(c()),
        test!(threads_can_share_it).needs(c()),
        test!(nothing_of_it_leaks).needs(c().into_iter().chain([tool("valgrind")])),
        test!(it_says_what_kmods_library_says).needs(c().into_iter().chain([kmod(), corpus_need("cloud-amd64")])),
        test!(it_leaves_no_trace_in_the_program).needs(loads()),
        test!(a_context_is_used_after_a_fork).needs(loads()),
        test!(nothing_is_possible_where_udev_runs).needs([programs(), root(), tool("cc"), tool("systemd-analyze")]),
        test!(it_loads_where_udev_runs).needs(loads().chain([tool("systemd-analyze")])),
        test!(systemd_loads_modules_through_it).needs(loads().chain([tool("systemd-analyze")])),
        test!(udev_loads_modules_through_it).needs(loads().chain([tool("udevadm"), tool("systemd-analyze")])),
        test!(the_tests_of_kmod).needs(loads().chain([kmod()])),
        test!(the_tools_of_kmod_print_the_same).needs(c().into_iter().chain([kmod(), corpus_need("cloud-amd64")])),
    ]
}

/// The functions with their versions, as readelf prints them.
fn exports(library: &Path) -> Result<BTreeSet<String>> {
    let text = ran(Command::new("readelf").args(["--wide", "--dyn-syms"]).arg(library))?;
    let defined = text.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        (words.len() == 8 && words[3] == "FUNC" && words[6] != "UND").then(|| words[7].to_owned())
    });
    Ok(defined.collect())
}

fn it_exports_what_kmods_library_exports() -> Result<()> {
    let (ours, theirs) = (exports(&path())?, exports(&kmod_libraries().join("libkmod.so.2"))?);
    ensure!(theirs.len() == 75 && theirs.contains("kmod_new@@LIBKMOD_5"), "{theirs:?}");
    let differences: Vec<_> = ours.symmetric_difference(&theirs).collect();
    ensure!(differences.is_empty(), "{differences:?}");
    Ok(())
}

fn it_needs_the_c_library_alone() -> Result<()> {
    let text = ran(Command::new("readelf").args(["--wide", "--dynamic"]).arg(path()))?;
    let names = |tag: &str| -> Vec<&str> {
        let lines = text.lines().filter(|line| line.contains(tag));
        lines.filter_map(|line| Some(line.split_once('[')?.1.trim_end_matches(']'))).collect()
    };
    ensure!(names("(SONAME)") == ["libkmod.so.2"], "{text}");
    let beside: BTreeSet<_> = names("(NEEDED)").into_iter().collect();
    ensure!(beside.is_subset(&BTreeSet::from(["libc.so.6", "ld-linux-x86-64.so.2"])), "{beside:?}");
    Ok(())
}

fn objects_live_and_die_as_documented() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (tree, config) = without_contents(directory.path())?;
    let text = ran(with_ours(&compile("objects", directory.path())?).arg(tree).arg(config))?;
    ensure!(text == "fine\n", "{text}");
    Ok(())
}

fn threads_can_share_it() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (tree, config) = without_contents(directory.path())?;
    let text = ran(with_ours(&compile("threads", directory.path())?).arg(tree).arg(config))?;
    ensure!(text == "fine\n", "{text}");
    Ok(())
}

fn nothing_of_it_leaks() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (tree, config) = without_contents(directory.path())?;
    let names = directory.path().join("names");
    std::fs::write(&names, "my-alias-1\nfirst-module\nnothing\n")?;
    let valgrind = |program: &str, last: &[&Path]| {
        let mut command = with_ours(Path::new("valgrind"));
        command.args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--track-fds=yes"]);
        command.arg(compile(program, directory.path())?).arg(&tree).arg(&config).args(last);
        ran(&mut command)
    };
    ensure!(valgrind("objects", &[])? == "fine\n");
    let text = valgrind("dump", &[&names])?;
    ensure!(text.contains("\nlookup my-alias-1: 0\n module first_module path /"), "{text}");
    Ok(())
}

/// Lines that a person may have in modprobe.d, for modules of the corpus.
const CONFIGURED: &str = "\
alias my-disk-* virtio_blk
alias my-fs xfs
alias kept-out btrfs
blacklist btrfs
blacklist no-such-module extra words
options xfs first=1\tand=2
options my-fs second=\"a b\"
options libcrc32c \\
  third
softdep xfs pre: loop nothing post: dm-mod virtio-net
softdep nbd pre: null_blk
softdep null_blk pre: nbd
weakdep xfs loop  nbd
install dm-crypt /sbin/modprobe --ignore-install dm-crypt $CMDLINE_OPTS && true
install loop /bin/false
remove loop /bin/true
remove only-removed /bin/true
";

/// Every module, alias and symbol of the corpus that is the n-th of its kind, and names that are special.
fn asked(tree: &Path) -> Result<String> {
    let mut asked = String::from(
        "my-disk-1\nmy-fs\nkept-out\nxfs\nnbd\nnull-blk\nbtrfs\ndm-crypt\nloop\nonly-removed\nnothing\na[b\next4\n\
         symbol:nothing\nsnd-hda.intel\next4.ko\nfs-xfs\n",
    );
    let dep = std::fs::read_to_string(tree.join("modules.dep"))?;
    let paths = dep.lines().filter_map(|line| line.split_once(':')).map(|(path, _)| path);
    for path in paths.step_by(17) {
        let name = path.rsplit('/').next().unwrap_or_default();
        writeln!(asked, "{}", name.split('.').next().unwrap_or_default())?;
    }
    for path in std::fs::read_to_string(tree.join("modules.builtin"))?.lines().step_by(9) {
        let name = path.rsplit('/').next().unwrap_or_default();
        writeln!(asked, "{}", name.split('.').next().unwrap_or_default())?;
    }
    for (file, nth) in [("modules.alias", 151), ("modules.symbols", 97)] {
        let text = std::fs::read_to_string(tree.join(file))?;
        let patterns = text.lines().filter_map(|line| line.strip_prefix("alias ")?.rsplit_once(' '));
        for (pattern, _) in patterns.step_by(nth).filter(|(pattern, _)| !pattern.contains('[')) {
            writeln!(asked, "{}", pattern.replace(['*', '?'], "1"))?;
        }
    }
    Ok(asked)
}

/// What differs, and is meant to: see docs/libkmod.md.
fn known(ours: &str, theirs: &str) -> bool {
    // kmod puts no blank between the two parts of a soft dependency, and keeps blanks before options.
    let words = |line: &str| line.replace("post:", " post:").split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    words(ours) == words(theirs)
}

fn it_says_what_kmods_library_says() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (tree, _) = indexed(directory.path())?;
    let (config, names) = (directory.path().join("config"), directory.path().join("names"));
    std::fs::create_dir(&config)?;
    std::fs::write(config.join("a.conf"), CONFIGURED)?;
    std::fs::write(&names, asked(&tree)?)?;
    let program = compile("dump", directory.path())?;
    let dumped = |mut command: Command| ran(command.arg(&tree).arg(&config).arg(&names));
    let (ours, theirs) = (dumped(with_ours(&program))?, dumped(with_kmods(&program))?);
    ensure!(theirs.lines().count() > 10_000 && theirs.ends_with("end 1\n"), "{} lines", theirs.lines().count());
    let mut wrong = String::new();
    let mut count = 0;
    for (number, (ours, theirs)) in (1..).zip(ours.lines().zip(theirs.lines())) {
        if ours != theirs && !known(ours, theirs) {
            count += 1;
            if count < 20 {
                writeln!(wrong, "{number}:\n  ours  {ours}\n  kmod's {theirs}")?;
            }
        }
    }
    if let Ok(keep) = std::env::var("RELOBOX_KEEP") {
        std::fs::write(Path::new(&keep).join("ours"), &ours)?;
        std::fs::write(Path::new(&keep).join("theirs"), &theirs)?;
    }
    ensure!(count == 0, "{count} lines differ:\n{wrong}");
    ensure!(ours.lines().count() == theirs.lines().count());
    Ok(())
}

/// A machine without modules, and a kernel to which they can be given.
struct Machine {
    directory: tempfile::TempDir,
    kernel: PathBuf,
    release: String,
}

/// Whether systemd's filter allows landlock and seccomp(2).
struct Sandbox(bool);

/// A module that needs no other.
const MODULE: &str = "dummy";

impl Machine {
    fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let kernel = compile("kernel", directory.path())?;
        let (modules, release) = corpus()?;
        let at = |path: &str| directory.path().join(path);
        std::fs::create_dir_all(at("proc"))?;
        std::fs::create_dir_all(at("sys/module"))?;
        std::fs::create_dir_all(at("config"))?;
        std::fs::write(at("proc/modules"), "")?;
        std::fs::write(at("proc/cmdline"), "ro quiet\n")?;
        let tree = at("lib/modules").join(&release);
        std::fs::create_dir_all(&tree)?;
        let file = modules.join("kernel/drivers/net").join(MODULE).with_extension("ko");
        std::os::unix::fs::symlink(&file, tree.join("dummy.ko"))?;
        std::fs::write(tree.join("modules.dep"), "dummy.ko:\n")?;
        std::fs::write(tree.join("modules.alias"), "alias rtnl-link-dummy dummy\n")?;
        // The symbols that it needs, somewhere in a kernel.
        let undefined = ran(Command::new("nm").args(["--undefined-only", "--format=posix"]).arg(&file))?;
        let mut symbols = String::from("0000000000034000 A __per_cpu_end\nffffffff81000000 T _text\n");
        for (n, name) in undefined.lines().filter_map(|line| line.split(' ').next()).enumerate() {
            writeln!(symbols, "{:016x} T {name}", 0xffff_ffff_8100_1000_u64 + 16 * n as u64)?;
            writeln!(symbols, "ffffffff82000000 r __ksymtab_{name}")?;
        }
        symbols.push_str("ffffffff82e2f000 B _end\n");
        std::fs::write(at("proc/kallsyms"), symbols)?;
        Ok(Self { directory, kernel, release })
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// A program on this machine.
    fn command(&self, program: &Path) -> Command {
        let mut command = with_ours(program);
        command.env("LD_PRELOAD", &self.kernel).env("ROOT", self.directory.path()).env("RELEASE", &self.release);
        command
    }

    /// Loads the module with tests/c/load.c.
    fn load(&self, restricted: Option<Sandbox>) -> Result<String> {
        self.load_with(restricted, &[])
    }

    fn load_with(&self, restricted: Option<Sandbox>, more: &[&str]) -> Result<String> {
        let program = compile("load", self.directory.path())?;
        let mut command = self.command(&program);
        command
            .arg(self.at("lib/modules").join(&self.release))
            .arg(self.at("config"))
            .arg("rtnl-link-dummy")
            .args(more);
        if let Some(Sandbox(allowed)) = restricted {
            restrict(&mut command, allowed)?;
        }
        ran(&mut command)
    }
}

fn lines<'a>(text: &'a str, names: &[&str]) -> Vec<&'a str> {
    text.lines().filter(|line| names.iter().any(|name| line.starts_with(name))).collect()
}

/// What a program sees of a load.
const SEEN: [&str; 11] = [
    "lookup 0",
    "finit_module dummy '' 0",
    "dummy: 0",
    "descriptors 0",
    "variables 0",
    "children 0",
    "signals 0",
    "mask 0",
    "handlers 0",
    "threads 0",
    "end 1",
];

fn it_leaves_no_trace_in_the_program() -> Result<()> {
    let text = Machine::new()?.load(None)?;
    let seen: Vec<_> = text.lines().filter(|line| !line.starts_with("log 6 ")).collect();
    ensure!(seen == SEEN, "{text}");
    Ok(())
}

/// udev makes its context once, and loads in processes that it forks.
fn a_context_is_used_after_a_fork() -> Result<()> {
    let text = Machine::new()?.load_with(None, &["fork"])?;
    let seen: Vec<_> = text.lines().filter(|line| !line.starts_with("log 6 ")).collect();
    ensure!(seen == SEEN, "{text}");
    Ok(())
}

/// What a linking process must not be able to do, it cannot do without landlock either.
fn nothing_is_possible_where_udev_runs() -> Result<()> {
    for sandbox in [true, false] {
        let mut prove = Command::new(path().with_file_name("relobox-kmod"));
        prove.arg("prove");
        restrict(&mut prove, sandbox)?;
        let text = ran(&mut prove)?;
        ensure!(text.lines().count() > 50, "{text}");
    }
    Ok(())
}

fn it_loads_where_udev_runs() -> Result<()> {
    let machine = Machine::new()?;
    for sandbox in [true, false] {
        std::fs::write(machine.at("proc/modules"), "")?;
        let text = machine.load(Some(Sandbox(sandbox)))?;
        let seen: Vec<_> = text.lines().filter(|line| !line.starts_with("log 6 ")).collect();
        ensure!(seen == SEEN, "landlock and seccomp(2) allowed: {sandbox}\n{text}");
    }
    // It was linked there: a symbol that this kernel does not have is noticed before the kernel gets the module.
    let symbols = std::fs::read_to_string(machine.at("proc/kallsyms"))?;
    std::fs::write(machine.at("proc/kallsyms"), symbols.replace("__alloc_percpu_gfp", "something_else"))?;
    std::fs::write(machine.at("proc/modules"), "")?;
    let text = machine.load(Some(Sandbox(false)))?;
    ensure!(text.contains("undefined symbol; references '__alloc_percpu_gfp'"), "{text}");
    ensure!(text.contains("\ndummy: -8\n") && !text.contains("finit_module"), "{text}");
    // The restrictions are there: a program that they forbid cannot do what it does without them.
    let mut mount = Command::new("/bin/sh");
    mount.args(["-c", "exec chroot / true"]);
    ensure!(mount.status()?.success());
    restrict(&mut mount, true)?;
    ensure!(!mount.status()?.success(), "a program could change its root directory");
    Ok(())
}

/// systemd-modules-load with nothing but another library.
fn systemd_loads_modules_through_it() -> Result<()> {
    let machine = Machine::new()?;
    let program = ["/usr/lib/systemd/systemd-modules-load", "/lib/systemd/systemd-modules-load"];
    let program = program.into_iter().map(Path::new).find(|path| path.exists()).context("no systemd-modules-load")?;
    std::fs::write(machine.at("list.conf"), "# a comment\ndummy\nno-such-module\n")?;
    let mut command = machine.command(program);
    let text = ran(command.arg(machine.at("list.conf")).env("SYSTEMD_LOG_LEVEL", "debug"));
    let loaded = std::fs::read_to_string(machine.at("proc/modules"))?;
    ensure!(lines(&loaded, &["dummy "]).len() == 1, "{loaded}\n{text:?}");
    Ok(())
}

/// udev's built-in command `kmod`, in udev's restrictions.
fn udev_loads_modules_through_it() -> Result<()> {
    let machine = Machine::new()?;
    let udevadm = program("udevadm").context("no udevadm")?;
    for name in [MODULE, "rtnl-link-dummy"] {
        std::fs::write(machine.at("proc/modules"), "")?;
        let mut command = machine.command(&udevadm);
        command.args(["test-builtin", &format!("kmod load {name}"), "/sys/class/mem/null"]);
        restrict(&mut command, false)?;
        let text = ran(&mut command);
        let loaded = std::fs::read_to_string(machine.at("proc/modules"))?;
        ensure!(lines(&loaded, &["dummy "]).len() == 1, "{name}: {loaded}\n{text:?}");
    }
    Ok(())
}
