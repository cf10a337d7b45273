//! `relobox call`: a function of an object, called in a kernel.

use crate::target::Target;
use clap::Args;
use relobox_cli::args::{Common, Inputs};
use relobox_cli::output;
use relobox_core::error::Result;
use relobox_core::inserted::Called;
use relobox_core::kernel::Mode;
use relobox_core::text::Escaped;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Link an object inside the sandbox, call a function of it in a kernel, and print what it returns
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox call probe.o
  relobox call probe.o --function seconds --json

  relobox call --kernel sim probe.o

The function is int f(void). It runs once, as the kernel, in this process, which cannot be killed before it returns. Then
the code is freed. WHAT THE FUNCTION HAS STARTED AND NOT STOPPED (A TIMER, A THREAD, A KPROBE, A CALLBACK, WORK IN A QUEUE)
WILL RUN FREED MEMORY, and nothing warns of that: a function must leave nothing behind. What stays is a module's business.

The object is compiled as kernel code, and is no module:
  gcc -O2 -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-stack-protector \\
      -fcf-protection=branch -c probe.c
Without -mno-red-zone an interrupt overwrites what it has on the stack; nobody can see that in an object.
It may use what the kernel and its modules export; GPL-only symbols if its .modinfo says a licence that is compatible:
  static const char license[] __attribute__((section(\".modinfo\"), used)) = \"license=GPL\";
Nothing tells which kernel's headers it was compiled with: have those of the running one.

It needs /dev/relobox (kernel/README.md) and CAP_SYS_MODULE, and a kernel that takes unsigned modules.
Exit code 1: the object cannot be linked, or the call was refused; nothing was called.")]
pub struct CallArgs<T: Target> {
    /// The object: an ELF file as 'cc -c' makes it, for this kernel's machine
    object: PathBuf,
    /// The function; without this, the object's only global one
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    #[command(flatten)]
    inputs: Inputs,
    /// The kernel.
    #[command(flatten)]
    pub target: T,
    /// Plugins, and how it is printed.
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

/// Runs the command.
///
/// # Errors
/// As [`Error::exit_code`](relobox_core::Error::exit_code) has them.
pub fn run<T: Target>(args: &CallArgs<T>) -> Result<ExitCode> {
    let name = args.object.display().to_string();
    args.target.permit()?;
    // Whatever it is that holds the code in the kernel is gone before anything is printed.
    let called = args.target.call(&args.object, args.function.as_deref(), &args.common, &args.inputs)?;
    let Called { function, returned, relocations, plugin, .. } = &called;
    if args.common.json {
        let kernel = if args.target.mode() == Mode::Sim { Mode::Sim } else { Mode::Device };
        output::json(&CalledJson { function, returned: *returned, kernel, relocations: *relocations, plugin });
    } else {
        output::line(format_args!("{}: {} returned {returned}", Escaped(&name), Escaped(function)));
    }
    Ok(ExitCode::SUCCESS)
}
