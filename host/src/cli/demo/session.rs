//! Runs relobox's own commands, shows them, and checks their results.

use crate::cli::output;
use relobox::kernels::sim::Sim;
use relobox::{Error, Result, files};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A temporary directory with the socket of a simulated kernel. Both are removed on drop, unless the directory is kept.
pub(super) struct Session {
    pub(super) directory: PathBuf,
    exe: PathBuf,
    keep: bool,
    /// A cache of compiled guests, if the user has none.
    cache: Option<PathBuf>,
    chapters: usize,
    /// The number of commands that were run.
    pub(super) commands: usize,
    /// The results that were not as expected.
    pub(super) wrong: Vec<String>,
}

/// The expected result of a command, and how much of its output is shown.
pub(super) struct Expect<'a> {
    /// Exit code.
    pub(super) code: i32,
    /// A part of the output.
    pub(super) says: &'a str,
    /// Show the output from the first line that begins like this.
    pub(super) from: &'a str,
}

/// The command succeeds, and its output contains `says`.
pub(super) fn succeeds(says: &str) -> Expect<'_> {
    Expect { code: 0, says, from: "" }
}

/// The command fails with this exit code, and its output contains `says`.
pub(super) fn fails(code: i32, says: &str) -> Expect<'_> {
    Expect { code, says, from: "" }
}

/// Short, because the path of a socket has at most 107 bytes.
const SOCKET: &str = "kernel/socket";

impl Session {
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

    /// Prints a title, and an introduction.
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

    /// Runs `relobox args`, shows its output, and checks it. Returns the output.
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
                output::styled(32, format_args!("     (exit code {}, as expected)", expect.code));
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

    /// Runs `relobox args` without showing its output.
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

    /// True if the directory is kept.
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

impl Drop for Session {
    fn drop(&mut self) {
        if let Ok(kernel) = Sim::connect(&self.directory.join(SOCKET)) {
            let _ = kernel.power_off();
        }
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}
