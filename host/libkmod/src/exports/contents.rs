//! What is in a module's file.

use crate::c::{Out, exported};
use crate::errno::negative;
use crate::handles::Handle;
use crate::list::{self, Item, Symbol};
use crate::module::MODULES;
use crate::parsed;
use relobox_isolate::indices::Part;
use rustix::io::Errno;
use std::ffi::{CStr, c_char, c_int};
use std::ptr::null;

/// Makes a list of a part. Returns how many entries it has.
fn list_of(module: Handle, list: Out, part: Part, of: &CStr) -> c_int {
    let module = MODULES.get(module).filter(|_| !list.is_null()).ok_or(Errno::NOENT);
    let made = module.and_then(|module| parsed::of(&module, part, of)).map(|items| {
        let count = items.len();
        list.set(list::make(items));
        c_int::try_from(count).unwrap_or(c_int::MAX)
    });
    made.unwrap_or_else(negative)
}

fn symbol<T>(entry: Handle, of: impl FnOnce(&Symbol) -> T) -> Option<T> {
    list::look(entry, |item| match item {
        Item::Symbol(symbol) => Some(of(symbol)),
        _ => None,
    })
}

fn name(entry: Handle) -> *const c_char {
    symbol(entry, |symbol| symbol.name.as_ptr()).unwrap_or(null())
}

fn crc(entry: Handle) -> u64 {
    symbol(entry, |symbol| symbol.crc).unwrap_or(0)
}

exported! {
    /// The fields of `.modinfo` and of the signature.
    fn kmod_module_get_info(module: Handle, list: Out) -> c_int {
        list_of(module, list, Part::Info, c"kmod_module_get_info")
    } else negative(Errno::FAULT);

    /// The name of a field.
    fn kmod_module_info_get_key(entry: Handle) -> *const c_char {
        list::look(entry, |item| match item {
            Item::Info { key, .. } => Some(key.as_ptr()),
            _ => None,
        })
        .unwrap_or(null())
    } else null();

    /// The value of a field.
    fn kmod_module_info_get_value(entry: Handle) -> *const c_char {
        list::look(entry, |item| match item {
            Item::Info { value, .. } => Some(value.as_ptr()),
            _ => None,
        })
        .unwrap_or(null())
    } else null();

    /// Frees a list.
    fn kmod_module_info_free_list(list: Handle) { list::free(list) } else ();

    /// The versions of the symbols that a module needs.
    fn kmod_module_get_versions(module: Handle, list: Out) -> c_int {
        list_of(module, list, Part::Versions, c"kmod_module_get_versions")
    } else negative(Errno::FAULT);

    /// The name of a symbol.
    fn kmod_module_version_get_symbol(entry: Handle) -> *const c_char { name(entry) } else null();

    /// The version of a symbol.
    fn kmod_module_version_get_crc(entry: Handle) -> u64 { crc(entry) } else 0;

    /// Frees a list.
    fn kmod_module_versions_free_list(list: Handle) { list::free(list) } else ();

    /// The symbols that a module exports.
    fn kmod_module_get_symbols(module: Handle, list: Out) -> c_int {
        list_of(module, list, Part::Exports, c"kmod_module_get_symbols")
    } else negative(Errno::FAULT);

    /// The name of a symbol.
    fn kmod_module_symbol_get_symbol(entry: Handle) -> *const c_char { name(entry) } else null();

    /// The version of a symbol.
    fn kmod_module_symbol_get_crc(entry: Handle) -> u64 { crc(entry) } else 0;

    /// Frees a list.
    fn kmod_module_symbols_free_list(list: Handle) { list::free(list) } else ();

    /// The symbols that a module needs.
    fn kmod_module_get_dependency_symbols(module: Handle, list: Out) -> c_int {
        list_of(module, list, Part::Imports, c"kmod_module_get_dependency_symbols")
    } else negative(Errno::FAULT);

    /// The name of a symbol.
    fn kmod_module_dependency_symbol_get_symbol(entry: Handle) -> *const c_char { name(entry) } else null();

    /// The version of a symbol.
    fn kmod_module_dependency_symbol_get_crc(entry: Handle) -> u64 { crc(entry) } else 0;

    /// How a symbol is bound: a letter, or 0.
    fn kmod_module_dependency_symbol_get_bind(entry: Handle) -> c_int {
        symbol(entry, |symbol| c_int::from(symbol.bind)).unwrap_or(0)
    } else 0;

    /// Frees a list.
    fn kmod_module_dependency_symbols_free_list(list: Handle) { list::free(list) } else ();
}
