//! `relobox demo`: shows what relobox does. Every step is a command that the reader can type.

mod guests;
mod session;

use super::output;
use clap::Args;
use relobox::{Error, Result, files, limits};
use relobox_simkernel::samples;
use session::{Expect, Session, fails, succeeds};
use std::process::{Command, ExitCode};

/// Run a demonstration in a simulated kernel: link, load, use and refuse modules; needs only cc
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox demo
  relobox demo --keep           # keeps the modules for your own experiments

Exit code 0: every step gave the expected result.")]
pub(crate) struct DemoArgs {
    /// Keep the directory with the sample modules
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(args: DemoArgs) -> Result<ExitCode> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Error::Usage("the demonstration runs x86-64 module code, so it needs x86-64 Linux".into()));
    }
    let compiler = Command::new("cc").arg("--version").output().map_err(|e| {
        Error::Usage(format!(
            "the demonstration compiles its modules with cc: {e}; on Debian: apt install gcc libc6-dev"
        ))
    })?;
    let mut session = Session::new(args.keep)?;
    output::line(
        "relobox links Linux kernel modules outside the kernel, in a WebAssembly sandbox that imports nothing.",
    );
    output::line("This demonstration loads them into a simulated kernel.");
    modules(&mut session, &String::from_utf8_lossy(&compiler.stdout))?;
    link(&mut session)?;
    load(&mut session)?;
    depend(&mut session)?;
    fail(&mut session)?;
    attack(&mut session)?;
    crash(&mut session)?;
    Ok(summary(&session))
}

fn modules(session: &mut Session, compiler: &str) -> Result<()> {
    session.chapter(
        "Modules",
        "These are real modules in C, compiled now. A module is code with gaps; its relocations say how to fill them.",
    );
    session.prompt(&format!(
        "cc {} … hello.c -o hello.ko     # {}",
        samples::CFLAGS[..3].join(" "),
        first_line(compiler)
    ));
    let (header, text) = samples::HEADER;
    session.write(header, text)?;
    for (file, source) in samples::SOURCES {
        let source = session.write(file, source)?;
        session.cc(&source, &file.replace(".c", ".ko"), &samples::CFLAGS)?;
    }
    output::line(
        "   (The guests are compiled now, if they were never compiled on this machine. This takes some seconds, once.)",
    );
    session.relobox(&["inspect", "hello.ko"], Expect { code: 0, says: "PLT32", from: "relocations:" })?;
    Ok(())
}

fn link(session: &mut Session) -> Result<()> {
    session.chapter(
        "Linking to a file",
        "With the kernel's symbols, each section gets an address, and each gap its value. A module that is
         too far from the kernel is refused, and each relocation that does not fit is named.",
    );
    session.relobox(&["sim", "start"], succeeds("simulated kernel"))?;
    session.prompt("relobox sim symbols > kernel.map");
    let (_, map) = session.run(&["sim", "symbols"])?;
    session.write("kernel.map", &map)?;
    let far = ["link", "hello.ko", "--symbols", "kernel.map", "--base", "0x7f0000000000"];
    session.relobox(&far, fails(1, "out of range"))?;
    // Near the kernel's own code: its first symbol, rounded.
    let kernel = map.split(' ').next().and_then(|address| u64::from_str_radix(address, 16).ok()).unwrap_or(0);
    let base = format!("{:#x}", (kernel & !0xf_ffff) + 0x100_0000);
    let near = ["link", "hello.ko", "--symbols", "kernel.map", "--base", &base, "-o", "hello.elf"];
    session.relobox(&near, succeeds("26 relocations done"))?;
    Ok(())
}

fn load(session: &mut Session) -> Result<()> {
    session.chapter(
        "Loading",
        "insmod asks the kernel for memory, links at those addresses, copies the bytes there, and has init
         called. The kernel neither relocates nor parses anything.",
    );
    session.prompt("export RELOBOX_KERNEL=sim");
    session.relobox(&["insmod", "hello.ko", "name=Roman Zippel", "times=2"], succeeds("hello: live at"))?;
    session.relobox(&["dmesg"], succeeds("hello: hello, Roman Zippel"))?;
    session.relobox(&["rmmod", "hello"], succeeds(""))?;
    Ok(())
}

fn depend(session: &mut Session) -> Result<()> {
    session.chapter(
        "A module that needs another",
        "The kernel counts the users of a module, and does not remove it while it is in use.",
    );
    session.relobox(&["insmod", "math_user.ko"], fails(1, "load math_provider first"))?;
    session.relobox(&["insmod", "math_provider.ko"], succeeds("live"))?;
    session.relobox(&["insmod", "math_user.ko"], succeeds("uses math_provider"))?;
    session.relobox(&["lsmod"], succeeds("1 math_user"))?;
    session.relobox(&["rmmod", "math_provider"], fails(1, "in use by math_user"))?;
    session.relobox(&["rmmod", "math_user"], succeeds(""))?;
    session.relobox(&["rmmod", "math_provider"], succeeds(""))?;
    let said = Expect { code: 0, says: "math_provider: gone after 3 calls", from: "math_provider: ready" };
    session.relobox(&["dmesg"], said)?;
    Ok(())
}

fn fail(session: &mut Session) -> Result<()> {
    session.chapter(
        "Errors leave nothing behind",
        "An init that fails, a truncated file, and a file for another machine.",
    );
    session.relobox(&["insmod", "failing.ko"], fails(1, "init returned -19 (No such device)"))?;
    let path = session.directory.join("hello.ko");
    let mut whole = files::read(&path, files::Kind::Regular, limits::SAMPLE)?;
    session.write("cut.ko", &whole[..whole.len() / 2])?;
    session.prompt("head -c $(($(stat -c %s hello.ko) / 2)) hello.ko > cut.ko");
    session.relobox(&["insmod", "cut.ko"], fails(1, "cut.ko:"))?;
    // The two bytes of e_machine.
    if let Some(machine) = whole.get_mut(18..20) {
        machine.copy_from_slice(&[183, 0]);
    }
    session.write("arm.ko", &whole)?;
    session.relobox(&["insmod", "arm.ko"], fails(1, "the module is for aarch64"))?;
    let listed = session.relobox(&["lsmod"], succeeds("Module"))?;
    if listed.lines().count() != 1 {
        session.wrong.push("a module is left".into());
    }
    Ok(())
}

fn attack(session: &mut Session) -> Result<()> {
    session.chapter(
        "Hostile plugins",
        "Suppose that an attacker replaces the plugin that applies relocations. One plugin loops forever, another
         wants to run commands on the host. Both are stopped with a named error, and the kernel is unaffected.",
    );
    session.write("loops/loops.wasm", guests::looping())?;
    session.write("imports/imports.wasm", guests::importing())?;
    session.relobox(
        &["insmod", "hello.ko", "--plugin", "loops/loops.wasm"],
        fails(3, "guest loops (loops/loops.wasm): used up its fuel"),
    )?;
    session.relobox(
        &["insmod", "hello.ko", "--plugin", "imports/imports.wasm"],
        fails(3, "guest imports (imports/imports.wasm): imports \"env.system\""),
    )?;
    session.relobox(&["insmod", "hello.ko"], succeeds("hello: live at"))?;
    Ok(())
}

fn crash(session: &mut Session) -> Result<()> {
    session.chapter(
        "A crash",
        "No linker can restrict a module that runs. This one writes to address 0, and the simulated kernel dies of
         it, as a real one can. relobox reports that. The next kernel starts without modules.",
    );
    session.relobox(&["insmod", "crash.ko"], fails(1, "the kernel died"))?;
    session.relobox(&["sim", "start"], succeeds("simulated kernel"))?;
    session.relobox(&["sim", "stop"], succeeds(""))?;
    Ok(())
}

fn summary(session: &Session) -> ExitCode {
    output::line("");
    if !session.wrong.is_empty() {
        for wrong in &session.wrong {
            output::line(format_args!("WRONG: {wrong}"));
        }
        return ExitCode::FAILURE;
    }
    output::line(format_args!("All {} commands gave the expected result.", session.commands));
    if session.kept() {
        output::line(format_args!("The modules are in {}.", session.directory.display()));
    }
    output::line("Next steps:");
    output::line("  relobox inspect $(modinfo -n xfs)                 inspect a module of your own kernel");
    output::line("  relobox check /lib/modules/$(uname -r)            check that all modules link (changes nothing)");
    output::line("  relobox plugin info x86_64                        show a relocation table");
    output::line("  relobox help                                      list all commands");
    ExitCode::SUCCESS
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
