//! `relobox sim` and `relobox dmesg`: the simulated kernel.

use super::output;
use clap::{Args, Subcommand};
use relobox::inserted::kernel_error;
use relobox::kernel::{Kernel as _, KernelError};
use relobox::kernels::sim::{Sim, default_socket};
use relobox::{Error, Result};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// The argument that makes the process the simulated kernel. It must be the only one.
const SERVE: &str = "__simulated-kernel";

/// Becomes the simulated kernel if the arguments say so. Called before everything else, because the kernel must be the
/// only thread of its process, and takes over the whole process.
pub(crate) fn serve_if_asked() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != SERVE || args.next().is_some() {
        return None;
    }
    Some(match relobox_simkernel::serve_stdin() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::warning(error);
            ExitCode::from(2)
        }
    })
}

/// The socket of the simulated kernel.
#[derive(Clone, Debug, Args)]
pub(crate) struct Socket {
    /// The socket of the simulated kernel [default: relobox/kernel.socket in $XDG_RUNTIME_DIR, or
    /// /tmp/relobox-UID/kernel.socket]
    #[arg(long = "socket", value_name = "PATH", global = true)]
    path: Option<PathBuf>,
}

impl Socket {
    /// True if the option was given.
    pub(crate) fn given(&self) -> bool {
        self.path.is_some()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(default_socket)
    }

    /// Connects to the kernel, or starts one.
    pub(crate) fn connect_or_start(&self) -> Result<Sim> {
        let exe = std::env::current_exe().map_err(Error::io("relobox's own program"))?;
        Sim::start(&exe, &[OsString::from(SERVE)], &self.path()).map_err(unreachable)
    }
}

/// Connects to the kernel.
pub(crate) fn connect(socket: &Socket) -> Result<Sim> {
    let path = socket.path();
    // The failure names the socket.
    let hint = "start a simulated kernel with 'relobox sim start'";
    Sim::connect(&path).map_err(|failure| Error::Usage(format!("{failure}; {hint}")))
}

/// Converts a kernel's failure that is not about a module.
pub(crate) fn unreachable(failure: KernelError) -> Error {
    match failure {
        KernelError::Unreachable(text) => Error::Usage(text),
        failure => kernel_error("the simulated kernel", &failure),
    }
}

/// Print the log of the simulated kernel
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox dmesg
  relobox dmesg --json          # with the level of each line")]
pub(crate) struct DmesgArgs {
    #[command(flatten)]
    socket: Socket,
    /// Print JSON instead of text (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn dmesg(args: DmesgArgs) -> Result<ExitCode> {
    let lines = connect(&args.socket)?.log().map_err(unreachable)?;
    if args.json {
        let lines: Vec<_> =
            lines.iter().map(|(level, text)| serde_json::json!({ "level": level, "text": text })).collect();
        output::json(&lines);
    } else {
        for (_, text) in lines {
            output::line(text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Start or stop the simulated kernel, or list what it exports
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  relobox sim start
  relobox sim symbols > kernel.map && relobox link hello.ko --symbols kernel.map
  relobox sim stop

The simulated kernel is a process of its own, without rights, in which x86-64 module code really
runs."
)]
pub(crate) struct SimArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    socket: Socket,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start the simulated kernel, unless it is running
    Start,
    /// Stop the simulated kernel, and all its modules
    Stop,
    /// Print the symbols of the kernel and its modules, in the format of /proc/kallsyms
    Symbols,
}

pub(crate) fn run(args: SimArgs) -> Result<ExitCode> {
    match args.what {
        What::Start => {
            let listing = args.socket.connect_or_start()?.list(None).map_err(unreachable)?;
            output::line(format_args!("simulated kernel {} at {}", listing.release, args.socket.path().display()));
        }
        What::Stop => connect(&args.socket)?.power_off().map_err(unreachable)?,
        What::Symbols => {
            let listing = connect(&args.socket)?.list(None).map_err(unreachable)?;
            for e in &listing.exports {
                output::line(format_args!("{:016x} T {}", e.address, e.name));
            }
            for module in &listing.modules {
                for e in &module.exports {
                    let symbol = format_args!("{:016x} T {}", e.address, e.name).to_string();
                    output::row(&[&symbol, &format_args!("[{}]", module.name)]);
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
