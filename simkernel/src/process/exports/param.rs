//! Parameter types: `param_ops_int` and others, with their setters and getters.

use std::ffi::c_char;

use super::entry::{Entry, Kind, functions};
use super::heap::{free_if_ours, kstrdup};
use super::numbers::{EINVAL, parse_as, parse_bool};
use super::print::shown;

/// The part of `struct kernel_param` that a setter uses.
#[repr(C)]
struct KernelParam {
    name: *const c_char,
    module: *const u8,
    ops: *const u8,
    permissions: u16,
    level: i8,
    flags: u8,
    argument: *mut u8,
}

pub(super) fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    all.extend(functions![Function:
        param_set_byte, param_set_short, param_set_ushort, param_set_int, param_set_uint, param_set_long,
        param_set_ulong, param_set_ullong, param_set_bool, param_set_invbool, param_set_charp,
        param_get_byte, param_get_short, param_get_ushort, param_get_int, param_get_uint, param_get_long,
        param_get_ulong, param_get_ullong, param_get_bool, param_get_invbool, param_get_charp, param_free_charp,
    ]);
    let mut ops = |name, set, get| {
        let free = (name == "param_ops_charp").then_some("param_free_charp");
        let no_argument = name == "param_ops_bool";
        all.push(Entry { name, gpl: false, kind: Kind::ParamOps { set, get, free, no_argument } });
    };
    ops("param_ops_byte", "param_set_byte", "param_get_byte");
    ops("param_ops_short", "param_set_short", "param_get_short");
    ops("param_ops_ushort", "param_set_ushort", "param_get_ushort");
    ops("param_ops_int", "param_set_int", "param_get_int");
    ops("param_ops_uint", "param_set_uint", "param_get_uint");
    ops("param_ops_long", "param_set_long", "param_get_long");
    ops("param_ops_ulong", "param_set_ulong", "param_get_ulong");
    ops("param_ops_ullong", "param_set_ullong", "param_get_ullong");
    ops("param_ops_bool", "param_set_bool", "param_get_bool");
    ops("param_ops_invbool", "param_set_invbool", "param_get_invbool");
    ops("param_ops_charp", "param_set_charp", "param_get_charp");
    all
}

/// Writes through the parameter's argument pointer.
fn store<T>(param: *const KernelParam, value: Result<T, i32>) -> i32 {
    match value {
        Ok(value) => {
            // SAFETY: according to the module's own table, this is the address of a T.
            unsafe { (*param).argument.cast::<T>().write(value) };
            0
        }
        Err(errno) => errno,
    }
}

fn load<T: Copy>(param: *const KernelParam) -> T {
    // SAFETY: as for `store`.
    unsafe { (*param).argument.cast::<T>().read() }
}

/// Writes a line in sysfs format.
fn show(buffer: *mut u8, text: &str) -> i32 {
    let line = format!("{text}\n\0");
    let most = line.len().min(4096);
    // SAFETY: the caller of a getter passes a page.
    unsafe { std::ptr::copy_nonoverlapping(line.as_ptr(), buffer, most) };
    most as i32 - 1
}

macro_rules! numeric {
    ($($set:ident $get:ident: $type:ty),* $(,)?) => {$(
        extern "C" fn $set(value: *const c_char, param: *const KernelParam) -> i32 {
            if value.is_null() {
                return EINVAL;
            }
            store(param, parse_as::<$type>(&shown(value), 0))
        }
        extern "C" fn $get(buffer: *mut u8, param: *const KernelParam) -> i32 {
            show(buffer, &load::<$type>(param).to_string())
        }
    )*};
}
numeric! {
    param_set_byte param_get_byte: u8,
    param_set_short param_get_short: i16,
    param_set_ushort param_get_ushort: u16,
    param_set_int param_get_int: i32,
    param_set_uint param_get_uint: u32,
    param_set_long param_get_long: i64,
    param_set_ulong param_get_ulong: u64,
    param_set_ullong param_get_ullong: u64,
}

/// A bool without a value is true.
fn truth(value: *const c_char) -> Result<bool, i32> {
    if value.is_null() { Ok(true) } else { parse_bool(&shown(value)) }
}

extern "C" fn param_set_bool(value: *const c_char, param: *const KernelParam) -> i32 {
    store(param, truth(value))
}

extern "C" fn param_set_invbool(value: *const c_char, param: *const KernelParam) -> i32 {
    store(param, truth(value).map(|truth| !truth))
}

extern "C" fn param_get_bool(buffer: *mut u8, param: *const KernelParam) -> i32 {
    show(buffer, if load::<u8>(param) != 0 { "Y" } else { "N" })
}

extern "C" fn param_get_invbool(buffer: *mut u8, param: *const KernelParam) -> i32 {
    show(buffer, if load::<u8>(param) != 0 { "N" } else { "Y" })
}

extern "C" fn param_set_charp(value: *const c_char, param: *const KernelParam) -> i32 {
    if value.is_null() {
        return EINVAL;
    }
    let copy = kstrdup(value, 0);
    if copy.is_null() {
        return -12;
    }
    free_if_ours(load::<*mut u8>(param));
    store(param, Ok(copy))
}

extern "C" fn param_get_charp(buffer: *mut u8, param: *const KernelParam) -> i32 {
    show(buffer, &shown(load::<*const c_char>(param)))
}

/// Called with the argument pointer when the module is removed. Writes nothing, because the variable may be read-only.
extern "C" fn param_free_charp(argument: *const *mut u8) {
    // SAFETY: according to the module's own table, this is the address of a pointer. A string of the module is not
    // freed.
    free_if_ours(unsafe { argument.read() });
}
