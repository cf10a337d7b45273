//! insmod.

use super::options::{Opt, opt};
use super::program::{Program, fail, loaded, machine, refuse};
use super::reason;
use crate::target::Target as _;
use relobox_cli::args::Signatures;
use relobox_cli::output::{self, Level};
use relobox_core::error::Error;
use relobox_core::parameters::join_args;
use relobox_kernels::linux::Force;
use rustix::io::Errno;
use std::path::Path;
use std::process::ExitCode;

const OPTIONS: [Opt; 1] =
    [opt("force", 'f', "", "DANGEROUS: load a module that was built for another kernel; the kernel may crash")];

pub(super) const PROGRAM: Program =
    Program { name: "insmod", usage: &["[OPTIONS] FILE [NAME=VALUE]..."], options: &OPTIONS, least: Level::Error };

pub(super) fn run(args: Vec<String>) -> ExitCode {
    let mut force = Force::default();
    let line = PROGRAM.begin(args, |_, _| {
        force = Force { modversions: true, vermagic: true, ..force };
        Ok(())
    });
    let line = match line {
        Ok(line) => line,
        Err(code) => return code,
    };
    let (file, parameters) = match line.operands.split_first() {
        Some((file, parameters)) => (file, join_args(parameters)),
        None => return refuse(Level::Error, "missing filename."),
    };
    if file == "-" {
        return refuse(Level::Error, "this tool does not support loading from stdin!");
    }
    let path = Path::new(file);
    if let Err(error) = path.metadata() {
        let why = reason::of_io(&error);
        return refuse(Level::Error, format_args!("could not load module {file}: {why}"));
    }
    let (real, common, inputs) = match machine(force) {
        Ok(machine) => machine,
        Err(error) => return fail(&error),
    };
    match real.loader(&common, &inputs, &Signatures::default()).and_then(|loader| loader.insert(path, &parameters)) {
        Ok(inserted) => {
            loaded(&inserted);
            ExitCode::SUCCESS
        }
        Err(error) => {
            if let Some(why) = why(&error) {
                output::message(Level::Error, format_args!("could not insert module {file}: {why}"));
            }
            fail(&error)
        }
    }
}

/// The words of kmod's insmod.
fn why(error: &Error) -> Option<String> {
    Some(match reason::errno(error)? {
        Errno::NOEXEC => "Invalid module format".to_owned(),
        Errno::NOENT => "Unknown symbol in module".to_owned(),
        Errno::SRCH => "Module has wrong symbol version".to_owned(),
        Errno::INVAL => "Invalid parameters".to_owned(),
        errno => reason::text(errno),
    })
}
