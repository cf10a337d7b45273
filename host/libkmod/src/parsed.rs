//! What is in a module's file. A process without rights reads it.

use crate::c::c_text;
use crate::errno::of_load;
use crate::list::{Item, Symbol};
use crate::loading;
use crate::log::ERROR;
use crate::module::Module;
use relobox_isolate::indices::Part;
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::path::Path;

/// What a module's file says: entries of a list.
///
/// # Errors
/// `ENOENT` if it has no file, `ENODATA` if the file lacks the part, another error if it cannot be read.
pub(crate) fn of(module: &Module, part: Part, of: &CStr) -> Result<Vec<Item>, Errno> {
    if module.is_built_in() {
        return built_in(module, part);
    }
    let path = module.file().ok_or(Errno::NOENT)?;
    let path = std::path::absolute(path).unwrap_or_else(|_| Path::new(path).to_owned());
    let entries = relobox_kmod::contents::read(&loading::linking(), &path, part).map_err(|error| {
        module.context.log.say(ERROR, of, &error);
        of_load(&error)
    })??;
    Ok(entries.iter().filter_map(|entry| item(entry, part)).collect())
}

/// An entry, in the form of [`Part`].
fn item(entry: &[u8], part: Part) -> Option<Item> {
    let text = |bytes: &[u8]| CString::new(bytes).ok();
    if part == Part::Info {
        let equals = entry.iter().position(|b| *b == b'=')?;
        return Some(Item::Info { key: text(&entry[..equals])?, value: text(&entry[equals + 1..])? });
    }
    let (crc, rest) = entry.split_at_checked(8)?;
    let crc = u64::from_str_radix(str::from_utf8(crc).ok()?, 16).ok()?;
    let (bind, name) = if part == Part::Imports { rest.split_first()? } else { (&0, rest) };
    Some(Item::Symbol(Symbol { name: text(name)?, crc, bind: *bind }))
}

/// Of a part of the kernel, what modules.builtin.modinfo says.
fn built_in(module: &Module, part: Part) -> Result<Vec<Item>, Errno> {
    if part != Part::Info {
        return Err(Errno::NOENT);
    }
    let text = module.context.index.text("modules.builtin.modinfo")?;
    let own = |line: &str| {
        let line = line.strip_prefix(module.name())?.strip_prefix('.')?;
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        Some(Item::Info { key: c_text(key), value: c_text(value) })
    };
    Ok(text.split('\0').filter_map(own).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_split_and_others_left_out() {
        let info = |entry: &[u8]| match item(entry, Part::Info) {
            Some(Item::Info { key, value }) => Some((key.into_string().unwrap(), value.into_string().unwrap())),
            _ => None,
        };
        assert_eq!(info(b"parm=a:b=c"), Some(("parm".into(), "a:b=c".into())));
        assert_eq!((info(b"key="), info(b"key")), (Some(("key".into(), String::new())), None));
        let symbol = |entry: &[u8], part| match item(entry, part) {
            Some(Item::Symbol(Symbol { name, crc, bind })) => Some((name.into_string().unwrap(), crc, bind)),
            _ => None,
        };
        assert_eq!(symbol(b"0000000fWprintk", Part::Imports), Some(("printk".into(), 15, b'W')));
        assert_eq!(symbol(b"ffffffffprintk", Part::Versions), Some(("printk".into(), 0xffff_ffff, 0)));
        assert_eq!(symbol(b"0000000f", Part::Imports), None);
        assert_eq!(symbol(b"fprintk", Part::Exports), None);
    }
}
