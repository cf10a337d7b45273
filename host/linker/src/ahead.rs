//! The guests of this program, compiled when the program was built, as part of its code.
//!
//! `scripts/build-programs` compiles them for any processor of the architecture, and passes their directory in
//! `RELOBOX_COMPILED` when it builds this program; see the build script. They lie in a section that is mapped readable
//! and executable, like all code. The guests of other machines lie beside the program, in `guests/`.
#![allow(unsafe_code, reason = "compiled code is run as it is")]

use relobox_core::error::{Error, Result};
use relobox_core::files;
use relobox_guests::{Entry, catalogue};
use relobox_isolate::message::Setup;
use relobox_link::guests::{Code, Guests, Unloaded};
use relobox_link::sandbox::{Compiled, Sandbox};
use relobox_plugins::index::Machines;
use relobox_plugins::plugin_file::Origin;
use std::io::ErrorKind;
use std::path::PathBuf;

include!(concat!(env!("OUT_DIR"), "/ahead.rs"));

/// The directory beside this program with the guests of other machines.
const BESIDE: &str = "guests";

/// The names of the guests in this program, for people.
pub(crate) fn names() -> String {
    let names: Vec<_> = carried().iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// The guests in this program, and `others`, which the parent sent.
pub(crate) fn guests(setup: &Setup, others: Vec<Unloaded>) -> Result<Guests> {
    let carried = carried();
    let entry = |name: &str| catalogue().iter().find(|entry| entry.name == name);
    let mut guests: Vec<_> =
        carried.into_iter().filter_map(|(name, code)| Some(unloaded(entry(name)?, code))).collect();
    let plugins = || catalogue().iter().filter(|entry| entry.is_plugin());
    match &setup.machine {
        Some(machine) => {
            let serves = |machines: &Machines| machines.may_run_on(machine.machine, machine.class, machine.order);
            if !guests.iter().any(|guest| guest.machines.are_named() && serves(&guest.machines)) {
                for entry in plugins().filter(|entry| serves(&Machines::of_section(entry.machines))) {
                    guests.push(unloaded(entry, beside(entry.name)?));
                }
            }
        }
        // Where only the guests of this machine are installed, there are no others.
        None => {
            let carried: Vec<_> = guests.iter().map(|guest| guest.digest).collect();
            for entry in plugins().filter(|entry| !carried.contains(&entry.digest)) {
                match beside(entry.name) {
                    Ok(code) => guests.push(unloaded(entry, code)),
                    Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(Guests::with(Sandbox::of_compiled()?, others.into_iter().chain(guests)))
}

fn unloaded(entry: &Entry, code: Compiled) -> Unloaded {
    Unloaded {
        name: entry.name.to_owned(),
        digest: entry.digest,
        origin: Origin::BuiltIn,
        machines: Machines::of_section(entry.machines),
        code: Code::Compiled(code),
    }
}

/// Maps the compiled guest of this name from beside this program. A user who can write there can also replace the
/// program.
fn beside(name: &str) -> Result<Compiled> {
    let program = std::env::current_exe().map_err(Error::io("/proc/self/exe"))?;
    let path: PathBuf = program.with_file_name(BESIDE).join(format!("{name}.cwasm"));
    let file = files::open(&path, files::Kind::Regular)?;
    map(&file).map_err(Error::io(path))
}

fn map(file: &std::fs::File) -> std::io::Result<Compiled> {
    // SAFETY: the file was installed together with this program, and is trusted like it.
    unsafe { Compiled::map(file) }
}
