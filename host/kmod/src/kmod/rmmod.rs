//! rmmod.

use super::options::{Opt, opt};
use super::program::{Program, fail, machine, refuse};
use super::reason;
use crate::state;
use crate::target::{Target, failed};
use relobox_cli::output::{self, Level};
use relobox_core::error::Result;
use relobox_core::kernel::{Kernel, KernelError};
use relobox_core::names;
use relobox_kernels::linux::Force;
use relobox_modprobe::Tree;
use std::path::Path;
use std::process::ExitCode;

const OPTIONS: [Opt; 1] = [opt("force", 'f', "", "DANGEROUS: remove a module that is in use; the kernel may crash")];

pub(super) const PROGRAM: Program =
    Program { name: "rmmod", usage: &["[OPTIONS] MODULE..."], options: &OPTIONS, least: Level::Error };

pub(super) fn run(args: Vec<String>) -> ExitCode {
    let mut force = false;
    let line = PROGRAM.begin(args, |_, _| {
        force = true;
        Ok(())
    });
    let line = match line {
        Ok(line) => line,
        Err(code) => return code,
    };
    if line.operands.is_empty() {
        return refuse(Level::Error, "missing module name.");
    }
    let opened = machine(Force { removal: force, ..Force::default() });
    let opened = opened.and_then(|(real, ..)| real.remover().map(|kernel| (real, kernel)));
    let (real, mut kernel) = match opened {
        Ok(opened) => opened,
        Err(error) => return fail(&error),
    };
    let mut code = ExitCode::SUCCESS;
    for argument in &line.operands {
        let is_file = Path::new(argument).exists();
        let name = if is_file { names::of_file(argument) } else { names::of_argument(argument) };
        if let Err(failed) = remove(&real, &mut *kernel, argument, &name, force) {
            code = failed;
        }
    }
    code
}

fn remove(
    real: &impl Target,
    kernel: &mut dyn Kernel,
    argument: &str,
    name: &str,
    force: bool,
) -> Result<(), ExitCode> {
    let module = match kernel.modules() {
        Ok(modules) => modules.into_iter().find(|module| module.name == name),
        // Where nothing can be listed, nothing is loaded.
        Err(KernelError::Unreachable(_)) => None,
        Err(failure) => return Err(fail(&failed(argument, &failure))),
    };
    if !force {
        match module {
            None if is_built_in(real, name) => {
                return Err(refuse(Level::Error, format_args!("Module {name} is builtin.")));
            }
            None => return Err(refuse(Level::Error, format_args!("Module {name} is not currently loaded"))),
            Some(module) if !module.users.is_empty() => {
                let users = module.users.join(" ");
                return Err(refuse(Level::Error, format_args!("Module {name} is in use by: {users}")));
            }
            Some(module) if module.use_count.is_some_and(|count| count > 0) => {
                return Err(refuse(Level::Error, format_args!("Module {name} is in use")));
            }
            Some(module) => {
                if module.use_count.is_none() {
                    return Err(refuse(Level::Error, "Module unloading is not supported"));
                }
            }
        }
    }
    if let Err(failure) = kernel.remove(name) {
        let error = failed(argument, &failure);
        let why = reason::errno(&error).map_or_else(|| error.to_string(), reason::text);
        output::message(Level::Error, format_args!("could not remove '{name}': {why}"));
        output::message(Level::Error, format_args!("could not remove module {argument}: {why}"));
        let more = !matches!(failure, KernelError::Unknown { .. });
        return Err(if more { fail(&error) } else { ExitCode::FAILURE });
    }
    state::forget(real, name);
    Ok(())
}

fn is_built_in(real: &impl Target, name: &str) -> bool {
    let tree = Tree::open(&Path::new("/lib/modules").join(real.release()));
    tree.and_then(|tree| tree.built_in(name)).unwrap_or(false)
}
