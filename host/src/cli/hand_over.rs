//! Commands for this machine's kernel go to relobox-kmod, where it was installed with this program.

use relobox::Error;
use relobox_kmod::real::LINKER;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

/// The program that changes this machine's kernel.
const KMOD: &str = "relobox-kmod";

/// Becomes relobox-kmod, with the same arguments; an error if that does not start. `None` if it is not there.
pub(crate) fn to_kmod() -> Option<Error> {
    let program = beside()?;
    let error = Command::new(&program).args(std::env::args_os().skip(1)).exec();
    Some(Error::io(program)(error))
}

/// Where it is with its linker: beside this program, or, of a program in `bin`, in the `sbin` beside that.
fn beside() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let directory = program.parent()?;
    let places = [directory.to_owned(), directory.parent()?.join("sbin")];
    places
        .into_iter()
        .find(|place| place.join(KMOD).exists() && place.join(LINKER).exists())
        .map(|place| place.join(KMOD))
}
