//! lsmod.

use super::{Program, fail, machine, reason, refuse};
use crate::target::{Target as _, failed};
use relobox_cli::output::{self, Level};
use relobox_core::error::Error;
use relobox_core::kernel::KernelError;
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
    let modules = match machine(Force::default()).and_then(|(real, ..)| real.remover()) {
        Ok(mut kernel) => kernel.modules(),
        Err(error) => return fail(&error),
    };
    let modules = match modules {
        Ok(modules) => modules,
        Err(failure) => return cannot_list(&failure),
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

fn cannot_list(failure: &KernelError) -> ExitCode {
    let error: Error = failed("lsmod", failure);
    reason::explain(Level::Error, &error);
    refuse(Level::Error, "could not get list of modules")
}
