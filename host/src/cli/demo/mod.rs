//! `relobox demo`: the whole story in one go. Every step is a command that the reader can type.

mod guests;
mod stage;

use super::output;
use clap::Args;
use relobox::{Error, Result, files, limits};
use relobox_simkernel::samples;
use stage::{Expect, Stage, bad, good};
use std::process::{Command, ExitCode};

/// Show the whole story in one go: link, load, use, refuse, survive; needs nothing but cc
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox demo
  relobox demo --keep           # the modules stay, to be played with

Exit code 0: every step did what it should.")]
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
    let mut stage = Stage::new(args.keep)?;
    output::line("relobox links Linux kernel modules outside the kernel: what reads and relocates a module is");
    output::line("WebAssembly that can import nothing. Here it does so, into a kernel that is only simulated.");
    modules(&mut stage, &String::from_utf8_lossy(&compiler.stdout))?;
    link(&mut stage)?;
    load(&mut stage)?;
    depend(&mut stage)?;
    fail(&mut stage)?;
    attack(&mut stage)?;
    crash(&mut stage)?;
    Ok(summary(&stage))
}

fn modules(stage: &mut Stage, compiler: &str) -> Result<()> {
    stage.chapter(
        "Modules",
        "Real ones, in C, compiled now. A module is code with holes; relocations say how to fill them.",
    );
    stage.prompt(&format!(
        "cc {} … hello.c -o hello.ko     # {}",
        samples::CFLAGS[..3].join(" "),
        first_line(compiler)
    ));
    let (header, text) = samples::HEADER;
    stage.write(header, text)?;
    for (file, source) in samples::SOURCES {
        let source = stage.write(file, source)?;
        stage.cc(&source, &file.replace(".c", ".ko"), &samples::CFLAGS)?;
    }
    output::line("   (If the guests were never compiled on this machine, that happens now: some seconds, once.)");
    stage.relobox(&["inspect", "hello.ko"], Expect { code: 0, says: "PLT32", from: "relocations:" })?;
    Ok(())
}

fn link(stage: &mut Stage) -> Result<()> {
    stage.chapter(
        "Linking, to look at",
        "With the kernel's symbols, every section gets an address, and every hole its value. A module that
         would lie too far from the kernel is refused, and each relocation at fault is named.",
    );
    stage.relobox(&["sim", "start"], good("simulated kernel"))?;
    stage.prompt("relobox sim symbols > kernel.map");
    let (_, map) = stage.run(&["sim", "symbols"])?;
    stage.write("kernel.map", &map)?;
    let far = ["link", "hello.ko", "--symbols", "kernel.map", "--base", "0x7f0000000000"];
    stage.relobox(&far, bad(1, "out of range"))?;
    // Beside the kernel's own code: its first symbol, rounded.
    let kernel = map.split(' ').next().and_then(|address| u64::from_str_radix(address, 16).ok()).unwrap_or(0);
    let base = format!("{:#x}", (kernel & !0xf_ffff) + 0x100_0000);
    let near = ["link", "hello.ko", "--symbols", "kernel.map", "--base", &base, "-o", "hello.elf"];
    stage.relobox(&near, good("26 relocations done"))?;
    Ok(())
}

fn load(stage: &mut Stage) -> Result<()> {
    stage.chapter(
        "Loading",
        "insmod asks the kernel for memory, links at those addresses, puts the bytes there, and has init
         called. The kernel relocates nothing and parses nothing.",
    );
    stage.prompt("export RELOBOX_KERNEL=sim");
    stage.relobox(&["insmod", "hello.ko", "name=Roman Zippel", "times=2"], good("hello: live at"))?;
    stage.relobox(&["dmesg"], good("hello: hello, Roman Zippel"))?;
    stage.relobox(&["rmmod", "hello"], good(""))?;
    Ok(())
}

fn depend(stage: &mut Stage) -> Result<()> {
    stage.chapter("A module that needs another", "Who uses whom is counted, and nobody is removed while in use.");
    stage.relobox(&["insmod", "math_user.ko"], bad(1, "load math_provider first"))?;
    stage.relobox(&["insmod", "math_provider.ko"], good("live"))?;
    stage.relobox(&["insmod", "math_user.ko"], good("uses math_provider"))?;
    stage.relobox(&["lsmod"], good("1 math_user"))?;
    stage.relobox(&["rmmod", "math_provider"], bad(1, "in use by math_user"))?;
    stage.relobox(&["rmmod", "math_user"], good(""))?;
    stage.relobox(&["rmmod", "math_provider"], good(""))?;
    let said = Expect { code: 0, says: "math_provider: gone after 3 calls", from: "math_provider: ready" };
    stage.relobox(&["dmesg"], said)?;
    Ok(())
}

fn fail(stage: &mut Stage) -> Result<()> {
    stage.chapter(
        "What goes wrong leaves nothing",
        "An init that fails; a file that was cut off; a file for another machine.",
    );
    stage.relobox(&["insmod", "failing.ko"], bad(1, "init returned -19 (No such device)"))?;
    let path = stage.directory.join("hello.ko");
    let mut whole = files::read(&path, files::Kind::Regular, limits::SAMPLE)?;
    stage.write("cut.ko", &whole[..whole.len() / 2])?;
    stage.prompt("head -c $(($(stat -c %s hello.ko) / 2)) hello.ko > cut.ko");
    stage.relobox(&["insmod", "cut.ko"], bad(1, "cut.ko:"))?;
    // The two bytes that say which machine an ELF file is for.
    if let Some(machine) = whole.get_mut(18..20) {
        machine.copy_from_slice(&[183, 0]);
    }
    stage.write("arm.ko", &whole)?;
    stage.relobox(&["insmod", "arm.ko"], bad(1, "the module is for aarch64"))?;
    let listed = stage.relobox(&["lsmod"], good("Module"))?;
    if listed.lines().count() != 1 {
        stage.wrong.push("a module is left".into());
    }
    Ok(())
}

fn attack(stage: &mut Stage) -> Result<()> {
    stage.chapter(
        "Hostile plugins",
        "Somebody replaces the plugin that does the relocations. One never ends, one wants to run commands
         on the host. Both are stopped, by name; the kernel has noticed nothing.",
    );
    stage.write("loops/loops.wasm", guests::that_loops())?;
    stage.write("imports/imports.wasm", guests::that_imports())?;
    stage.relobox(
        &["insmod", "hello.ko", "--plugin", "loops/loops.wasm"],
        bad(3, "guest loops (loops/loops.wasm): used up its fuel"),
    )?;
    stage.relobox(
        &["insmod", "hello.ko", "--plugin", "imports/imports.wasm"],
        bad(3, "guest imports (imports/imports.wasm): imports \"env.system\""),
    )?;
    stage.relobox(&["insmod", "hello.ko"], good("hello: live at"))?;
    Ok(())
}

fn crash(stage: &mut Stage) -> Result<()> {
    stage.chapter(
        "A crash",
        "What a module does once it runs is beyond any linker. This one writes to address 0, and the simulated
         kernel dies of it, as a real one may; relobox says so. The next kernel is a fresh one.",
    );
    stage.relobox(&["insmod", "crash.ko"], bad(1, "the kernel died"))?;
    stage.relobox(&["sim", "start"], good("simulated kernel"))?;
    stage.relobox(&["sim", "stop"], good(""))?;
    Ok(())
}

fn summary(stage: &Stage) -> ExitCode {
    output::line("");
    if !stage.wrong.is_empty() {
        for wrong in &stage.wrong {
            output::line(format_args!("WRONG: {wrong}"));
        }
        return ExitCode::FAILURE;
    }
    output::line(format_args!("All {} commands did what they should.", stage.commands));
    if stage.kept() {
        output::line(format_args!("The modules are in {}.", stage.directory.display()));
    }
    output::line("What to try next:");
    output::line("  relobox inspect $(modinfo -n xfs)                 a module of your own kernel");
    output::line("  relobox check /lib/modules/$(uname -r)            does all of it link? (changes nothing)");
    output::line("  relobox plugin info x86_64                        the relocation table as data");
    output::line("  relobox help                                      every command, with examples");
    ExitCode::SUCCESS
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
