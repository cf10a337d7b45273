//! lsmod.

use super::program::{Program, fail, machine, refuse};
use super::reason;
use crate::target::{Target as _, failed};
use relobox_cli::output::{self, Level};
use relobox_kernels::linux::Force;
use std::process::ExitCode;

pub(super) const PROGRAM: Program = Program { name: "lsmod", usage: &["[OPTIONS]"], options: &[], least: Level::Error };

pub(super) fn run(args: Vec<String>) -> ExitCode {
    let line = match PROGRAM.begin(args, |_, _| Ok(())) {
        Ok(line) => line,
        Err(code) => return code,
    };
    if !line.operands.is_empty() {
        return refuse(Level::Error, "too many arguments provided.");
    }
    if let Err(error) = std::fs::File::open("/proc/modules") {
        let why = reason::of_io(&error);
        output::message(Level::Error, format_args!("could not open /proc/modules: {why}"));
        return refuse(Level::Error, format_args!("could not get list of modules: {why}"));
    }
    let listed = machine(Force::default()).and_then(|(real, ..)| {
        let modules = real.remover()?.modules();
        modules.map_err(|failure| failed(PROGRAM.name, &failure))
    });
    let modules = match listed {
        Ok(modules) => modules,
        Err(error) => return fail(&error),
    };
    output::line("Module                  Size  Used by");
    // The youngest first.
    for module in modules.iter().rev() {
        // A kernel that removes no modules counts no uses. kmod prints the number of that error.
        let count = module.use_count.map_or(-2, i64::from);
        let users = if module.users.is_empty() { String::new() } else { format!(" {}", module.users.join(",")) };
        output::line(format_args!("{:<19} {:>8}  {count}{users}", module.name, module.size()));
    }
    ExitCode::SUCCESS
}
