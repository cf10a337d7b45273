//! `relobox call`: calls a function of an object file in a kernel.

use crate::target::Target;
use clap::Args;
use relobox_cli::args::{Common, Inputs, Signatures};
use relobox_cli::output;
use relobox_core::error::Result;
use relobox_core::inserted::Called;
use relobox_core::kernel::Mode;
use relobox_core::text::Escaped;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Link an object file in the sandbox, call one of its functions in a kernel, and print the result
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox call probe.o
  relobox call probe.o --function seconds --json

The function has the type int f(void). It runs once, in kernel mode, in this process, which cannot
be killed before the function returns. Then its code is freed. THE FUNCTION MUST STOP WHATEVER IT
HAS STARTED (A TIMER, A THREAD, A KPROBE, A CALLBACK, QUEUED WORK). OTHERWISE FREED MEMORY IS
EXECUTED LATER, WITHOUT A WARNING. Code that must stay belongs in a module.

The object is compiled as kernel code, but it is not a module:
  gcc -O2 -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \\
      -fno-stack-protector -fcf-protection=branch -c probe.c
Without -mno-red-zone, interrupts overwrite the function's stack. This cannot be detected in an
object file.

The object can use exports of the kernel and of modules. For GPL-only exports, its .modinfo must
contain a compatible licence:
  static const char license[] __attribute__((section(\".modinfo\"), used)) = \"license=GPL\";
relobox cannot tell which kernel's headers the object was compiled with: use those of the running
kernel.

The command needs /dev/relobox (see kernel/README.md), CAP_SYS_MODULE, and a kernel that accepts
unsigned modules. Exit code 1: the object cannot be linked, or the call was refused. Nothing was
called then.")]
pub struct CallArgs<T: Target> {
    /// The object file, compiled with 'cc -c' for this kernel's machine
    object: PathBuf,
    /// The function to call [default: the object's only global function]
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    signatures: Signatures,
    /// The choice of a kernel.
    #[command(flatten)]
    pub target: T,
    /// The choice of plugins and the output format.
    #[command(flatten)]
    pub common: Common,
}

#[derive(Serialize)]
struct CalledJson<'a> {
    function: &'a str,
    returned: i32,
    kernel: Mode,
    relocations: usize,
    plugin: &'a str,
}

/// Runs `relobox call`.
///
/// # Errors
/// If the object cannot be linked or the call is refused. [`Error::exit_code`](relobox_core::Error::exit_code) tells
/// which.
pub fn run<T: Target>(args: &CallArgs<T>) -> Result<ExitCode> {
    let name = args.object.display().to_string();
    args.target.permit()?;
    // The code is freed before anything is printed.
    let called = {
        let CallArgs { object, function, common, inputs, signatures, .. } = args;
        args.target.call(object, function.as_deref(), common, inputs, signatures)?
    };
    let Called { function, returned, relocations, plugin, .. } = &called;
    if args.common.json {
        let kernel = if args.target.mode() == Mode::Sim { Mode::Sim } else { Mode::Device };
        output::json(&CalledJson { function, returned: *returned, kernel, relocations: *relocations, plugin });
    } else {
        output::line(format_args!("{}: {} returned {returned}", Escaped(&name), Escaped(function)));
    }
    Ok(ExitCode::SUCCESS)
}
