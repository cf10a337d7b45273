//! Runs relobox's own commands before the reader's eyes, and judges what they do.

use crate::cli::output;
use relobox::kernels::sim::Sim;
use relobox::{Error, Result, files};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of its own, with a kernel's socket in it; both end with it, unless it is kept.
pub(super) struct Stage {
    pub(super) directory: PathBuf,
    exe: PathBuf,
    keep: bool,
    /// A cache of compiled guests, where the user has none.
    cache: Option<PathBuf>,
    chapters: usize,
    /// Commands that were run.
    pub(super) commands: usize,
    /// What did not do what it should.
    pub(super) wrong: Vec<String>,
}

/// What a command shall do, and how much of what it says is shown.
pub(super) struct Expect<'a> {
    /// Exit code.
    pub(super) code: i32,
    /// Something that it must say.
    pub(super) says: &'a str,
    /// Show what it says from the line on that begins so.
    pub(super) from: &'a str,
}

/// It succeeds, and says this.
pub(super) fn good(says: &str) -> Expect<'_> {
    Expect { code: 0, says, from: "" }
}

/// It fails with this exit code, and says this.
pub(super) fn bad(code: i32, says: &str) -> Expect<'_> {
    Expect { code, says, from: "" }
}

/// A socket's path may have 107 bytes, so it is short.
const SOCKET: &str = "kernel/socket";

impl Stage {
    pub(super) fn new(keep: bool) -> Result<Self> {
        let exe = std::env::current_exe().map_err(Error::io("relobox's own program"))?;
        let directory = std::env::temp_dir().join(format!("relobox-demo-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&directory).map_err(Error::io(&directory))?;
        let cache = match relobox::cache::Cache::from_environment() {
            Some(_) => None,
            None => Some(directory.join("cache")),
        };
        Ok(Self { directory, exe, keep, cache, chapters: 0, commands: 0, wrong: Vec::new() })
    }

    /// A title, and what it is about.
    pub(super) fn chapter(&mut self, title: &str, about: &str) {
        self.chapters += 1;
        output::line("");
        output::styled(1, format_args!("{}. {title}", self.chapters));
        for line in about.lines() {
            output::line(format_args!("   {}", line.trim_start()));
        }
    }

    /// Shows a command line.
    pub(super) fn prompt(&self, line: &str) {
        output::styled(36, format_args!("   $ {line}"));
    }

    /// Writes a file beside the modules.
    pub(super) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.directory.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
        }
        files::write(&path, files::PUBLIC, contents.as_ref())?;
        Ok(path)
    }

    /// Runs `relobox args`, shows it, and judges it. What it said, if it did what it should.
    pub(super) fn relobox(&mut self, args: &[&str], expect: Expect<'_>) -> Result<String> {
        let quoted = |arg: &&str| if arg.contains(' ') { format!("'{arg}'") } else { (*arg).to_owned() };
        self.prompt(&format!("relobox {}", args.iter().map(quoted).collect::<Vec<_>>().join(" ")));
        let (code, text) = self.run(args)?;
        let shown = text.lines().skip_while(|line| !line.starts_with(expect.from));
        for line in shown {
            output::line(format_args!("     {line}"));
        }
        self.commands += 1;
        if code == Some(expect.code) && text.contains(expect.says) {
            if expect.code != 0 {
                output::styled(32, format_args!("     (exit code {}, as it should be)", expect.code));
            }
            return Ok(text);
        }
        let wrong = format!(
            "relobox {}: exit code {}, expected {} and {:?}",
            args.join(" "),
            code.map_or("none".into(), |code| code.to_string()),
            expect.code,
            expect.says
        );
        output::styled(31, format_args!("     WRONG: {wrong}"));
        self.wrong.push(wrong);
        Ok(text)
    }

    /// Runs `relobox args` and shows nothing of it.
    pub(super) fn run(&self, args: &[&str]) -> Result<(Option<i32>, String)> {
        let mut command = Command::new(&self.exe);
        command.current_dir(&self.directory).args(args);
        if matches!(args[0], "insmod" | "lsmod" | "rmmod" | "dmesg" | "sim") {
            command.arg("--socket").arg(self.directory.join(SOCKET));
        }
        if let Some(cache) = &self.cache {
            command.env("RELOBOX_CACHE", cache);
        }
        let done = command.output().map_err(Error::io(&self.exe))?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        Ok((done.status.code(), text))
    }

    /// Whether the directory stays.
    pub(super) fn kept(&self) -> bool {
        self.keep
    }

    /// Compiles a module.
    pub(super) fn cc(&self, source: &Path, module: &str, flags: &[&str]) -> Result<()> {
        let made = Command::new("cc").args(flags).arg(source).arg("-o").arg(self.directory.join(module)).output();
        let output = made.map_err(|e| Error::Usage(format!("cc, which compiles the sample modules: {e}")))?;
        if output.status.success() {
            return Ok(());
        }
        String::from_utf8_lossy(&output.stderr).lines().for_each(output::warning);
        Err(Error::Usage(format!("cc cannot compile {}", source.display())))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Ok(kernel) = Sim::connect(&self.directory.join(SOCKET)) {
            let _ = kernel.power_off();
        }
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}
