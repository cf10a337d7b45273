//! A test environment: a temporary directory to run `relobox` in.
#![allow(dead_code, reason = "each test binary includes this file and uses a part")]

use relobox_tests::hostile::sample;
use relobox_tests::real;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A temporary directory with a good module, a bad module and a symbol file.
pub(crate) struct TestEnv {
    pub(crate) directory: tempfile::TempDir,
    relobox: PathBuf,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        let env =
            Self { directory: tempfile::tempdir().expect("a directory"), relobox: real::binary().expect("relobox") };
        env.put("kallsyms", sample::KALLSYMS);
        env.put("good.ko", sample::module(0));
        env.put("bad.ko", sample::module(0xbad));
        env
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, contents).expect(name);
        path
    }

    /// Starts a simulated kernel, to which `--kernel sim` then refers. The machine that runs the tests may have no
    /// modules of its own.
    pub(crate) fn kernel(&self) -> Kernel<'_> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().mode(0o700).create(self.path("run")).expect("a directory");
        let started = self.relobox().args(["sim", "start"]).output().expect("relobox");
        assert!(started.status.success(), "{started:?}");
        Kernel(self)
    }

    /// Builds a `relobox` command with this directory as its working directory.
    pub(crate) fn relobox(&self) -> Command {
        let mut command = Command::new(&self.relobox);
        command.current_dir(self.directory.path()).stdin(Stdio::null()).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests"));
        // There may be no other program to change the kernel by; here nothing gets so far.
        command.env("RELOBOX_ALL_IN_ONE", "1");
        command
    }

    /// Runs `relobox ARGS` in this directory.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.relobox().args(args).output().expect("relobox")
    }

    /// Runs `relobox ARGS`, requires exit code `code` and returns stderr, whose lines must all begin with `relobox: `.
    pub(crate) fn fail(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.lines().count() > 0 && said.lines().all(|line| line.starts_with("relobox: ")), "{args:?}: {said}");
        assert!(!said.contains("panicked") && output.stdout.is_empty(), "{args:?}: {said}");
        said
    }
}

/// A running simulated kernel; dropping this stops it.
pub(crate) struct Kernel<'a>(&'a TestEnv);

impl Drop for Kernel<'_> {
    fn drop(&mut self) {
        let _ = self.0.relobox().args(["sim", "stop"]).output();
    }
}
