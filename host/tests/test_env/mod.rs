//! A test environment: a simulated kernel of its own, and modules compiled with `cc`.
#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part")]

use relobox::pins::Pins;
use relobox::plugin_file::PluginFile;
use relobox::sandbox::Sandbox;
use relobox_simkernel::{Client, samples};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A temporary directory with modules and the socket of a simulated kernel. Dropping it stops the kernel and removes
/// the directory.
pub struct TestEnv {
    pub directory: PathBuf,
    pub socket: PathBuf,
}

/// The result of a command.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What `relobox plugin pin` keeps of a plugin, made here.
pub fn compiled(_: &Pins, plugin: &PluginFile) -> relobox::Result<OwnedFd> {
    let mut file = relobox::memfd::create("compiled").unwrap();
    file.write_all(&Sandbox::compile_ahead(&plugin.name, &plugin.wasm)?).unwrap();
    Ok(relobox::memfd::seal(file).unwrap())
}

/// Returns the cache of compiled guests, which all tests share because compiling takes seconds.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

impl TestEnv {
    pub fn new() -> Self {
        // Not in the target directory: the path of a socket is limited to 107 bytes.
        let name = format!("relobox-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let (name, text) = samples::HEADER;
        std::fs::write(directory.join(name), text).unwrap();
        let socket = directory.join("kernel").join("socket");
        Self { directory, socket }
    }

    /// Compiles a sample of the simulated kernel and returns the path of its `.ko` file.
    pub fn sample(&self, name: &str) -> PathBuf {
        let source = samples::SOURCES.iter().find(|(file, _)| file.strip_suffix(".c") == Some(name));
        self.compile(name, source.unwrap_or_else(|| panic!("no sample {name}")).1)
    }

    pub fn samples(&self, names: &[&str]) {
        names.iter().for_each(|name| drop(self.sample(name)));
    }

    /// Compiles C source to a `.ko` file and returns its path.
    pub fn compile(&self, name: &str, source: &str) -> PathBuf {
        let (c, ko) = (self.directory.join(name).with_extension("c"), self.directory.join(name).with_extension("ko"));
        std::fs::write(&c, source).unwrap();
        let output = Command::new("cc").args(samples::CFLAGS).arg(&c).arg("-o").arg(&ko).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ko
    }

    /// Builds `relobox COMMAND --socket SOCKET` for this kernel.
    pub fn command(&self, command: &str) -> Command {
        let mut run = Command::new(env!("CARGO_BIN_EXE_relobox"));
        run.current_dir(&self.directory).env("RELOBOX_CACHE", cache()).args([command, "--socket"]).arg(&self.socket);
        run
    }

    /// Builds `relobox ARGS`, for commands that take no kernel socket.
    pub fn command_of(&self, args: &[&str]) -> Command {
        let mut run = Command::new(env!("CARGO_BIN_EXE_relobox"));
        run.current_dir(&self.directory).env("RELOBOX_CACHE", cache()).env("RELOBOX_ALL_IN_ONE", "1").args(args);
        run
    }

    /// Runs `relobox ARGS`, requires exit code 0 and returns stdout.
    pub fn json_of(&self, args: &[&str]) -> String {
        let outcome: Outcome = self.command_of(args).output().unwrap().into();
        assert_eq!(outcome.code, Some(0), "{args:?}: {outcome:?}");
        outcome.stdout
    }

    pub fn relobox(&self, command: &str, args: &[&str]) -> Outcome {
        self.command(command).args(args).output().unwrap().into()
    }

    /// Runs a command, requires exit code 0 and returns stdout.
    pub fn succeed(&self, command: &str, args: &[&str]) -> String {
        let outcome = self.relobox(command, args);
        assert_eq!(outcome.code, Some(0), "{command} {args:?}: {outcome:?}");
        outcome.stdout
    }

    /// Runs a command, requires exit code `code` and returns stderr without the `relobox: ` prefixes.
    pub fn fail(&self, code: i32, command: &str, args: &[&str]) -> String {
        let outcome = self.relobox(command, args);
        assert_eq!(outcome.code, Some(code), "{command} {args:?}: {outcome:?}");
        let lines = outcome.stderr.lines().map(|line| line.strip_prefix("relobox: ").unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.socket).unwrap()
    }

    /// Returns the lines that modules printed to the kernel log.
    pub fn log(&self) -> Vec<String> {
        self.succeed("dmesg", &[]).lines().skip(1).map(str::to_owned).collect()
    }

    /// Asserts that the kernel holds no module, no area and no heap. It may not have noticed yet that a client
    /// disconnected; each answer makes it check all clients, so that polling needs no clock.
    pub fn assert_empty(&self) {
        let mut client = self.client();
        for _ in 0..1000 {
            let list = client.list().unwrap();
            if (list.modules.len(), list.allocated, list.heap) == (0, 0, 0) {
                return;
            }
        }
        panic!("{:?}", client.list().unwrap());
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        if let Ok(client) = Client::connect(&self.socket) {
            let _ = client.power_off();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}
