//! A directory where somebody writes a plugin, with nothing of relobox but the binary.
#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Place {
    root: PathBuf,
    at: PathBuf,
}

/// What became of a plugin.
#[derive(Debug, PartialEq, Eq)]
pub enum Built {
    Done,
    /// There is no compiler for it.
    Skipped(&'static str),
}

static NUMBER: AtomicU32 = AtomicU32::new(0);
/// Crates are compiled into one directory, once, and so one after the other.
static CARGO: Mutex<()> = Mutex::new(());

impl Place {
    pub fn new() -> Self {
        let name = format!("relobox-plugin-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_relobox"), root.join("bin/relobox")).unwrap();
        std::fs::create_dir(root.join("work")).unwrap();
        let at = root.join("work");
        Self { root, at }
    }

    /// The directory of the plugins.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.work().join(file), text).unwrap();
    }

    pub fn patch(&self, dir: &str, diff: &str) {
        let file = self.root.join("patch");
        std::fs::write(&file, diff).unwrap();
        let out = self.output("git", &self.work().join(dir), &["apply", "--verbose", file.to_str().unwrap()]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    /// Nobody's settings, and compiled guests shared by all tests.
    pub fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap();
        command.current_dir(dir).env("PATH", format!("{}:{path}", self.root.join("bin").display()));
        command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
        command.env("XDG_CONFIG_HOME", self.root.join("config")).env_remove("RELOBOX_PINS").env("LC_ALL", "C");
        command.env_remove("RELOBOX_PLUGIN_DIR").env("CARGO_TARGET_DIR", target()).env("CARGO_NET_OFFLINE", "true");
        command.env("CARGO_PROFILE_DEV_DEBUG", "0").env_remove("RUSTFLAGS").env("RUSTUP_AUTO_INSTALL", "0");
        command
    }

    pub fn output(&self, program: &str, dir: &Path, args: &[&str]) -> Output {
        self.command(program, dir).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"))
    }

    /// A line for a shell; what it prints.
    pub fn run(&mut self, line: &str) -> String {
        if let Some(to) = line.strip_prefix("cd ") {
            self.at.push(to);
            self.at = self.at.canonicalize().unwrap();
            return String::new();
        }
        let out = self.output("sh", &self.at, &["-c", &format!("({line}) 2>&1")]);
        String::from_utf8(out.stdout).unwrap()
    }

    /// Tests natively, where it can be, and builds.
    pub fn build(&self, dir: &str) -> Built {
        let dir = self.work().join(dir);
        let succeed = |program: &str, args: &[&str]| {
            let out = self.output(program, &dir, args);
            let text = [out.stdout, out.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
            assert!(out.status.success(), "{program} {args:?}: {text}");
        };
        if dir.join("Makefile").exists() {
            let (Some(clang), Some(linker)) = (newest("clang", for_wasm), newest("wasm-ld", runs)) else {
                return Built::Skipped("no clang that knows wasm32, or no wasm-ld (apt-get install clang lld)");
            };
            succeed("make", &[&format!("CLANG={clang}"), &format!("WASM_LD={linker}")]);
            return Built::Done;
        }
        let _one = CARGO.lock().unwrap_or_else(|e| e.into_inner());
        // The versions that this repository uses are at hand.
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock"), dir.join("Cargo.lock")).unwrap();
        succeed("cargo", &["test", "--quiet", "--offline"]);
        if !rust_for_wasm() {
            return Built::Skipped("no Rust for WebAssembly (rustup target add wasm32v1-none, or Debian's rustc-web)");
        }
        succeed("./build.sh", &["--quiet"]);
        Built::Done
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// Where the templates' crates are compiled.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-new")
}

fn prints(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).output().ok().filter(|out| out.status.success())?;
    Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

pub fn runs(program: &str) -> bool {
    prints(program, &["--version"]).is_some()
}

fn for_wasm(clang: &str) -> bool {
    prints(clang, &["--print-targets"]).is_some_and(|targets| targets.contains("wasm32"))
}

/// `name`, or the newest `name-VERSION`.
fn newest(name: &str, good: fn(&str) -> bool) -> Option<String> {
    let numbered = (11..30).rev().map(|version| format!("{name}-{version}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| good(name))
}

/// What `build.sh` looks for.
fn rust_for_wasm() -> bool {
    let has = |rustc: &str, what: &str| {
        prints(rustc, &["--print", "sysroot"])
            .is_some_and(|root| Path::new(&root).join("lib/rustlib").join(what).exists())
    };
    has("rustc", "wasm32v1-none") || has("/usr/bin/rustc", "src")
}
