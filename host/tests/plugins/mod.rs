//! A directory in which a plugin is written, with only the binary of relobox.
#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part")]

use relobox_needs::{Need, tool, wasm_c, wasm_rust};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Place {
    root: PathBuf,
    at: PathBuf,
}

/// What building a plugin in this language needs.
pub fn builds(lang: &str) -> Vec<Need> {
    match lang {
        "c" => vec![wasm_c().0, tool("make")],
        _ => vec![wasm_rust()],
    }
}

/// What a template's `example/check.sh` needs.
pub fn checks() -> [Need; 2] {
    [tool("yaml2obj"), tool("readelf")]
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

    /// Builds a command without the user's settings. All tests share the compiled guests.
    pub fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap();
        command.current_dir(dir).env("PATH", format!("{}:{path}", self.root.join("bin").display()));
        command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
        command.env("XDG_CONFIG_HOME", self.root.join("config")).env_remove("RELOBOX_PINS").env("LC_ALL", "C");
        command.env_remove("RELOBOX_PLUGIN_DIR").env("CARGO_TARGET_DIR", target()).env("CARGO_NET_OFFLINE", "true");
        command.env("CARGO_HOME", self.root.join("cargo-home"));
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

    fn succeed(&self, dir: &str, program: &str, args: &[&str]) {
        let out = self.output(program, &self.work().join(dir), args);
        let text = [out.stdout, out.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
        assert!(out.status.success(), "{program} {args:?}: {text}");
    }

    /// Runs a crate's tests: natively, so that no compiler for WebAssembly is needed.
    pub fn test(&self, dir: &str) {
        let _one = CARGO.lock().unwrap_or_else(|e| e.into_inner());
        // The template brings all that it stands on: no registry, and nothing that was downloaded for something else.
        self.succeed(dir, "cargo", &["test", "--quiet", "--offline", "--locked"]);
    }

    /// Builds a plugin, in Rust after its tests; [`builds`] is there.
    pub fn build(&self, dir: &str) {
        if self.work().join(dir).join("Makefile").exists() {
            let compilers = wasm_c().1.expect("the test needs it");
            let set = |name: &str, program: PathBuf| format!("{name}={}", program.display());
            let (clang, linker) = (set("CLANG", compilers.clang), set("WASM_LD", compilers.linker));
            return self.succeed(dir, "make", &[&clang, &linker]);
        }
        self.test(dir);
        let _one = CARGO.lock().unwrap_or_else(|e| e.into_inner());
        self.succeed(dir, "./build.sh", &["--quiet"]);
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
