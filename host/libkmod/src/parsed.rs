//! What is in a module's file.

use crate::c::c_text;
use crate::list::Symbol;
use crate::module::Module;
use rustix::io::Errno;
use std::ffi::CString;
use std::path::Path;

/// What a module's file says.
#[derive(Default)]
pub(crate) struct Parsed {
    /// `.modinfo`, and the fields of the signature.
    pub(crate) info: Vec<(CString, CString)>,
    /// `__versions`.
    pub(crate) versions: Vec<Symbol>,
    /// What it exports.
    pub(crate) symbols: Vec<Symbol>,
    /// What it needs.
    pub(crate) dependency_symbols: Vec<Symbol>,
}

/// Reads a module's file.
///
/// # Errors
/// Always `ENOSYS`: this process does not parse modules, and the linking process has no message yet by which it says
/// what a module contains.
pub(crate) fn parsed(_: &Path) -> Result<Parsed, Errno> {
    Err(Errno::NOSYS)
}

/// What is known about a module: of a part of the kernel, what modules.builtin.modinfo says.
///
/// # Errors
/// `ENOENT` if it has no file; else see [`parsed`].
pub(crate) fn of(module: &Module) -> Result<Parsed, Errno> {
    if !module.is_built_in() {
        return parsed(module.file().ok_or(Errno::NOENT)?);
    }
    let text = module.context.index.text("modules.builtin.modinfo")?;
    let own = |line: &str| {
        let line = line.strip_prefix(module.name())?.strip_prefix('.')?;
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        Some((c_text(key), c_text(value)))
    };
    Ok(Parsed { info: text.split('\0').filter_map(own).collect(), ..Parsed::default() })
}
