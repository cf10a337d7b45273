//! `relobox call`: a function of an object, called in a kernel.

use super::common::Common;
use super::kernel::{Which, open_flat};
use super::link::Inputs;
use super::loader::start_linker;
use super::output;
use clap::Args;
use relobox::Result;
use relobox::call::{Called, call};
use relobox::kernel::Mode;
use relobox::link::load;
use relobox::open::{Source, seal};
use relobox::text::Escaped;
use serde::Serialize;
use std::os::fd::AsFd as _;
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
pub(crate) struct CallArgs {
    /// The object: an ELF file as 'cc -c' makes it, for this kernel's machine
    object: PathBuf,
    /// The function; without this, the object's only global one
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Serialize)]
struct CalledJson<'a> {
    function: &'a str,
    returned: i32,
    kernel: Mode,
    relocations: usize,
    plugin: &'a str,
}

pub(crate) fn run(args: CallArgs) -> Result<ExitCode> {
    let name = args.object.display().to_string();
    let function = args.function.as_deref();
    let sim = args.which.calls_in_sim()?;
    let plugins = args.common.plugins(!sim)?;
    // Whatever it is that holds the code in the kernel is gone before anything is printed.
    let called = if sim {
        let guests = args.common.guests_of(plugins)?;
        let object = load(&guests, &name, Source::open(&args.object)?)?;
        call(&guests, &mut args.which.socket.connect_or_start()?, object, function, &args.inputs.input)?
    } else {
        let mut kernel = open_flat()?;
        let (file, _) = seal(Source::open(&args.object)?, &args.object)?;
        start_linker(plugins, &args.inputs)?.call(&mut kernel, &name, file.as_fd(), function)?
    };
    let Called { function, returned, relocations, plugin, .. } = &called;
    if args.common.json {
        let kernel = if sim { Mode::Sim } else { Mode::Device };
        output::json(&CalledJson { function, returned: *returned, kernel, relocations: *relocations, plugin });
    } else {
        output::line(format_args!("{}: {} returned {returned}", Escaped(&name), Escaped(function)));
    }
    Ok(ExitCode::SUCCESS)
}
