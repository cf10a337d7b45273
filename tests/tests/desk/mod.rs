//! A directory to run the command in.
#![allow(dead_code, reason = "each test binary includes this file and uses a part")]

use relobox_tests::hostile::sample;
use relobox_tests::real;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory with a good module and its symbols.
pub(crate) struct Desk {
    pub(crate) directory: tempfile::TempDir,
    relobox: PathBuf,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk =
            Self { directory: tempfile::tempdir().expect("a directory"), relobox: real::binary().expect("relobox") };
        desk.put("kallsyms", sample::KALLSYMS);
        desk.put("good.ko", sample::module(0));
        desk.put("bad.ko", sample::module(0xbad));
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, contents).expect(name);
    }

    /// A simulated kernel, which `--kernel sim` means then; not every machine that runs tests has modules of its own.
    pub(crate) fn kernel(&self) -> Kernel<'_> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().mode(0o700).create(self.path("run")).expect("a directory");
        let started = self.relobox().args(["sim", "start"]).output().expect("relobox");
        assert!(started.status.success(), "{started:?}");
        Kernel(self)
    }

    /// `relobox`, with this directory as its own.
    pub(crate) fn relobox(&self) -> Command {
        let mut command = Command::new(&self.relobox);
        command.current_dir(self.directory.path()).stdin(Stdio::null()).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests"));
        command
    }

    /// `relobox ARGS` in this directory.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.relobox().args(args).output().expect("relobox")
    }

    /// Must fail with `code`; what it said, each line of which is relobox's own.
    pub(crate) fn fail(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.lines().count() > 0 && said.lines().all(|line| line.starts_with("relobox: ")), "{args:?}: {said}");
        assert!(!said.contains("panicked") && output.stdout.is_empty(), "{args:?}: {said}");
        said
    }
}

/// It ends with this.
pub(crate) struct Kernel<'a>(&'a Desk);

impl Drop for Kernel<'_> {
    fn drop(&mut self) {
        let _ = self.0.relobox().args(["sim", "stop"]).output();
    }
}
