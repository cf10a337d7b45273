//! What the kernel says about its modules, in /proc/modules and /sys/module.

use crate::errno::of_io;
use crate::log::{DEBUG, ERROR};
use crate::module::Module;
use relobox_core::limits;
use rustix::io::Errno;
use std::ffi::{CStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// States of `enum kmod_module_initstate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    BuiltIn,
    Live,
    Coming,
    Going,
}

impl State {
    pub(crate) fn of_number(number: u32) -> Option<Self> {
        [Self::BuiltIn, Self::Live, Self::Coming, Self::Going].into_iter().find(|state| *state as u32 == number)
    }

    pub(crate) fn name(self) -> &'static CStr {
        match self {
            Self::BuiltIn => c"builtin",
            Self::Live => c"live",
            Self::Coming => c"coming",
            Self::Going => c"going",
        }
    }
}

/// The directory of a module. A name of a module has no `/`, but a program can pass any text.
fn directory(module: &Module) -> Result<PathBuf, Errno> {
    let name = module.name();
    let plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    if plain { Ok(Path::new("/sys/module").join(name)) } else { Err(Errno::NOENT) }
}

/// Reads a file of the kernel as text.
fn text(path: &Path) -> Result<String, Errno> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| of_io(&error))?;
    file.take(limits::PROC).read_to_end(&mut bytes).map_err(|error| of_io(&error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The state of a module.
///
/// # Errors
/// `ENOENT` if the kernel does not have it.
pub(crate) fn state(module: &Module) -> Result<State, Errno> {
    if module.is_built_in() {
        return Ok(State::BuiltIn);
    }
    let directory = directory(module)?;
    let path = directory.join("initstate");
    let state = match text(&path) {
        Ok(state) => state,
        // The kernel makes the directory first.
        Err(_) if directory.is_dir() => return Ok(State::Coming),
        Err(error) => {
            module.context.log.say(DEBUG, c"kmod_module_get_initstate", format_args!("{}: {error}", path.display()));
            return Err(error);
        }
    };
    match state.as_str() {
        "live\n" => Ok(State::Live),
        "coming\n" => Ok(State::Coming),
        "going\n" => Ok(State::Going),
        other => {
            let text = format!("{}: an unknown state: {other}", path.display());
            module.context.log.say(ERROR, c"kmod_module_get_initstate", text);
            Err(Errno::INVAL)
        }
    }
}

/// True if a module is live, or a part of the kernel.
pub(crate) fn is_there(module: &Module) -> bool {
    matches!(state(module), Ok(State::Live | State::BuiltIn))
}

/// The number in a file of a module's directory.
fn number(module: &Module, file: &str, of: &CStr) -> Result<i64, Errno> {
    let path = directory(module)?.join(file);
    let number = text(&path).and_then(|text| text.trim().parse().map_err(|_| Errno::INVAL));
    number.inspect_err(|error| {
        let priority = if *error == Errno::NOENT { DEBUG } else { ERROR };
        module.context.log.say(priority, of, format_args!("{}: {error}", path.display()));
    })
}

/// The use count.
///
/// # Errors
/// `ENOENT` if the module is not loaded.
pub(crate) fn use_count(module: &Module) -> Result<i64, Errno> {
    number(module, "refcnt", c"kmod_module_get_refcnt")
}

/// The size in bytes.
///
/// # Errors
/// `ENOENT` if the module is not loaded.
pub(crate) fn size(module: &Module) -> Result<i64, Errno> {
    std::fs::metadata(directory(module)?).map_err(|error| of_io(&error))?;
    number(module, "coresize", c"kmod_module_get_size").or_else(|_| {
        // Linux before 3.3.
        let text = text(Path::new("/proc/modules"))?;
        let line = text.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|line| line[0] == module.name());
        line.and_then(|line| line.get(1)?.parse().ok()).ok_or(Errno::NOENT)
    })
}

/// The names in a directory of a module's directory.
fn entries(module: &Module, name: &str, of: &CStr) -> Result<(PathBuf, Vec<OsString>), Errno> {
    let path = directory(module)?.join(name);
    let entries = std::fs::read_dir(&path).map_err(|error| {
        module.context.log.say(ERROR, of, format_args!("{}: {error}", path.display()));
        of_io(&error)
    })?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    Ok((path, names.collect::<Result<_, _>>().map_err(|error| of_io(&error))?))
}

/// The names of the modules that use this one.
///
/// # Errors
/// `ENOENT` if the module is not loaded.
pub(crate) fn holders(module: &Module) -> Result<Vec<String>, Errno> {
    let (_, names) = entries(module, "holders", c"kmod_module_get_holders")?;
    Ok(names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
}

/// The sections and their addresses.
///
/// # Errors
/// `ENOENT` if the module is not loaded.
pub(crate) fn sections(module: &Module) -> Result<Vec<(OsString, u64)>, Errno> {
    let of = c"kmod_module_get_sections";
    let (path, names) = entries(module, "sections", of)?;
    let section = |name: OsString| {
        let text = text(&path.join(&name))?;
        let digits = text.trim().trim_start_matches("0x");
        u64::from_str_radix(digits, 16).map(|address| (name, address)).map_err(|_| Errno::INVAL)
    };
    names.into_iter().map(section).collect::<Result<_, _>>().inspect_err(|error| {
        module.context.log.say(ERROR, of, format_args!("{}: {error}", path.display()));
    })
}

/// The names of the loaded modules, in the order of /proc/modules.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn loaded() -> Result<Vec<String>, Errno> {
    let text = text(Path::new("/proc/modules"))?;
    let name = |line: &str| line.split([' ', '\t']).next().filter(|name| !name.is_empty()).map(str::to_owned);
    Ok(text.lines().filter_map(name).collect())
}
