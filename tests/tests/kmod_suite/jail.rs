//! A directory that a program takes for its machine, and a kernel that strace pretends to be.
//!
//! kmod's test suite replaces calls of the C library. Our program is static, so here the system calls are replaced:
//! uname(2) reports the release of the test, and finit_module(2), init_module(2) and delete_module(2) do nothing but
//! succeed or fail as the test says. Everything else is a root directory of the test's own. Modules are made for it, with
//! nothing in them but a name and exports.

use anyhow::{Context, Result, ensure};
use relobox_needs::programs_root;
use relobox_tests::module_builder::ModuleBuilder;
use std::collections::HashMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Where `tests/scripts/fetch-kmod` puts kmod.
pub(crate) const ORACLE: &str = "/usr/local/lib/relobox-oracles/kmod";

/// The owner of the program that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Kmod,
    Relobox,
}

/// What the pretended kernel does.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) release: &'static str,
    /// True if the kernel has finit_module(2).
    pub(crate) by_file: bool,
    /// True if delete_module(2) fails with `ENOENT`.
    pub(crate) unknown: bool,
}

/// What came of a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    /// The names of the files that were given to the kernel, with the flags of the call.
    pub(crate) loaded: Vec<(String, String)>,
    /// The names that were removed.
    pub(crate) removed: Vec<String>,
}

/// The root directory of a test.
pub(crate) struct Jail {
    directory: tempfile::TempDir,
    root: PathBuf,
}

impl Jail {
    /// Copies `rootfs` of kmod's test suite, or nothing, and makes what every machine has.
    pub(crate) fn new(rootfs: Option<&Path>, release: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let root = directory.path().join("root");
        std::fs::create_dir_all(&root)?;
        if let Some(rootfs) = rootfs {
            copy(rootfs, &root)?;
        }
        for name in ["bin", "proc", "host", "etc", &format!("lib/modules/{release}")] {
            std::fs::create_dir_all(root.join(name))?;
        }
        for name in ["self", "thread-self", "kallsyms", "kmsg", "mounts", "sys"] {
            let _ = symlink(format!("/host/proc/{name}"), root.join("proc").join(name));
        }
        // A kernel that has modules lists them, and every kernel has a command line.
        for name in ["proc/modules", "proc/cmdline"] {
            if !root.join(name).exists() {
                std::fs::write(root.join(name), "")?;
            }
        }
        symlink("/host/dev", root.join("dev"))?;
        // For programs that load their libraries.
        symlink("/host/lib64", root.join("lib64"))?;
        for entry in std::fs::read_dir("/usr/lib")?.flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().contains("-linux-gnu") {
                symlink(Path::new("/host/usr/lib").join(&name), root.join("lib").join(name))?;
            }
        }
        symlink("/host/bin/sh", root.join("bin/sh"))?;
        symlink("/host/bin/true", root.join("bin/true"))?;
        for command in ["modprobe", "insmod", "rmmod", "lsmod"] {
            let program = programs_root().canonicalize().context("target/programs")?.join("relobox-kmod");
            symlink(format!("/host{}", program.display()), root.join("bin").join(command))?;
        }
        Ok(Self { directory, root })
    }

    /// Makes a module for the kernel `release`.
    pub(crate) fn module(&self, path: &str, release: &str) -> Result<()> {
        let file = self.root.join(path.trim_start_matches('/'));
        let name = file.file_stem().and_then(|name| name.to_str()).context("a name")?.replace('-', "_");
        let exports: &[&str] = if name == "mod_loop_a" { &["printA"] } else { &[] };
        std::fs::create_dir_all(file.parent().context("a directory")?)?;
        let vermagic = format!("{release} SMP mod_unload ");
        let module =
            ModuleBuilder { name: Some(&name), vermagic: Some(&vermagic), exports, ..ModuleBuilder::default() };
        std::fs::write(&file, module.write())?;
        Ok(())
    }

    /// Makes the indices of the modules.
    pub(crate) fn index(&self, release: &str) -> Result<()> {
        let depmod = Path::new(ORACLE).join("bin/depmod");
        let done = Command::new(depmod).arg("-b").arg(&self.root).arg(release).output()?;
        ensure!(done.status.success(), "depmod: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        let file = self.root.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().context("a directory")?)?;
        Ok(std::fs::write(file, text)?)
    }

    /// Runs `command`, a name and its arguments, in `directory`.
    pub(crate) fn run(&self, tool: Tool, kernel: &Kernel, directory: &str, command: &[&str]) -> Result<Ran> {
        let (trace, words) = (self.directory.path().join("trace"), self.words(tool, command[0])?);
        let mut run = Command::new("unshare");
        run.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        // The program is looked for, and nothing of the machine's own is.
        run.env("RELOBOX_KERNEL", "vet").env("RELOBOX_STATE", "").env("LC_ALL", "C");
        // kmod's tests call their own modprobe from install commands.
        run.env("MODPROBE", self.words(tool, "modprobe")?.join(" "));
        run.arg("--mount").args(["sh", "-euc", SCRIPT, "sh"]).arg(&self.root).arg(&trace);
        run.arg(directory).arg(injections(kernel).join(" "));
        run.args(words).args(&command[1..]);
        let over = AtomicBool::new(false);
        let done = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut known = 0;
                while !over.load(Ordering::Relaxed) {
                    known = self.remember(&trace, known);
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            let done = run.output();
            over.store(true, Ordering::Relaxed);
            done
        });
        let done = done.context("unshare")?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).context("text");
        let (loaded, removed) = calls(&std::fs::read_to_string(&trace).unwrap_or_default());
        let code = done.status.code().context("killed")?;
        let err = text(done.stderr)?;
        ensure!(!(125..=127).contains(&code), "{program} did not run: {err}", program = command[0]);
        Ok(Ran { code, err, out: text(done.stdout)?, loaded, removed })
    }

    /// Lists the modules that were loaded as the kernel does. `known` of them are listed already; returns their new number.
    ///
    /// The call that loaded a module has not returned yet: see the delay in [`injections`].
    fn remember(&self, trace: &Path, known: usize) -> usize {
        let (loaded, _) = calls(&std::fs::read_to_string(trace).unwrap_or_default());
        for (name, _) in loaded.iter().skip(known) {
            let name = name.replace('-', "_");
            let before = std::fs::read_to_string(self.root.join("proc/modules")).unwrap_or_default();
            let line = format!("{name} 4096 0 - Live 0x0000000000000000\n");
            let files = [("initstate", "live\n"), ("refcnt", "0\n"), ("coresize", "4096\n")];
            let written = files.into_iter().map(|(file, text)| self.write(&format!("sys/module/{name}/{file}"), text));
            written
                .chain([self.write("proc/modules", &(line + &before))])
                .for_each(|done| done.expect("a listed module"));
        }
        loaded.len()
    }

    /// The words that run a program inside.
    fn words(&self, tool: Tool, program: &str) -> Result<Vec<String>> {
        Ok(match tool {
            Tool::Relobox => vec![format!("/bin/{program}")],
            Tool::Kmod => {
                let libraries = Path::new(ORACLE).join("root/usr/lib");
                let mut all = std::fs::read_dir(&libraries)?.flatten().map(|entry| entry.path());
                let libraries = all.find(|path| loader(path).is_some()).context("kmod's C library")?;
                let inside = |path: &Path| format!("/host{}", path.display());
                let loader = inside(&loader(&libraries).context("its loader")?);
                let kmod = inside(&Path::new(ORACLE).join("root/usr/bin/kmod"));
                ["--argv0", program, "--library-path", &inside(&libraries), &kmod]
                    .into_iter()
                    .fold(vec![loader], |words, word| [words, vec![word.to_owned()]].concat())
            }
        })
    }
}

/// ROOT TRACE DIRECTORY INJECTIONS PROGRAM...
const SCRIPT: &str = r#"
root=$1 trace=$2 directory=$3 injections=$4
shift 4
mount --make-rprivate /
mount --rbind / "$root/host"
exec strace -f -qq -y -o "$trace" --seccomp-bpf -e trace=?open,openat,uname,finit_module,init_module,delete_module $injections \
    chroot "$root" /host/usr/bin/env -C "$directory" "$@"
"#;

/// The options of strace for a kernel.
fn injections(kernel: &Kernel) -> Vec<String> {
    // struct new_utsname: fields of 65 bytes.
    let fields: Vec<u8> = ["Linux", "jail", kernel.release]
        .iter()
        .flat_map(|text| {
            let mut field = [0; 65];
            field[..text.len()].copy_from_slice(text.as_bytes());
            field
        })
        .collect();
    let hex: String = fields.iter().map(|byte| format!("{byte:02x}")).collect();
    // Microseconds, in which the module is listed.
    let done = "retval=0:delay_exit=100000";
    let mut all = vec![format!("inject=uname:poke_exit=@arg1={hex}"), format!("inject=init_module:{done}")];
    all.push(format!("inject=finit_module:{}", if kernel.by_file { done } else { "error=ENOSYS" }));
    all.push(format!("inject=delete_module:{}", if kernel.unknown { "error=ENOENT" } else { done }));
    all.iter().flat_map(|one| ["-e".to_owned(), one.clone()]).collect()
}

/// The modules that were loaded, with the flags, and the names that were removed.
fn calls(trace: &str) -> (Vec<(String, String)>, Vec<String>) {
    // The last line may not be written yet.
    let trace = &trace[..trace.rfind('\n').unwrap_or(0)];
    let (mut loaded, mut removed, mut last) = (Vec::new(), Vec::new(), String::new());
    // A call that another thread's or process's comes between is in two lines, each with the caller's number.
    let mut begun = HashMap::new();
    for line in trace.lines() {
        let (caller, rest) = line.trim_start().split_once(' ').unwrap_or_default();
        if let Some(start) = line.strip_suffix("<unfinished ...>") {
            begun.insert(caller, start);
            continue;
        }
        let end = rest.trim_start().strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"));
        let joined = end.map(|(_, end)| begun.remove(caller).unwrap_or_default().to_owned() + end);
        let Some((call, result)) = joined.as_deref().unwrap_or(line).rsplit_once(" = ") else { continue };
        let good = !result.starts_with('-');
        if call.contains("openat(") || call.contains("open(") {
            // `7</…/mod-simple.ko>`: the file that was opened last is the one that is loaded.
            let path = result.split_once('<').and_then(|(_, path)| path.strip_suffix('>'));
            if let Some(name) = path.map(Path::new).filter(|path| path.extension().is_some_and(|e| e == "ko")) {
                last = name.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            }
        } else if call.contains("init_module(") && good {
            let flags = call.trim_end_matches(')').rsplit(", ").next().unwrap_or_default();
            loaded.push((last.clone(), flags.to_owned()));
        } else if call.contains("delete_module(") && good {
            removed.push(call.split('"').nth(1).unwrap_or_default().to_owned());
        }
    }
    (loaded, removed)
}

/// The loader of a C library's directory.
fn loader(libraries: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(libraries).ok()?.flatten();
    entries
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux-")))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else if entry.file_type()?.is_symlink() {
            symlink(std::fs::read_link(entry.path())?, to)?;
        } else if entry.file_name() != ".gitignore" {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
