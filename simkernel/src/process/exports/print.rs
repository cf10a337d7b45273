//! printk and related functions.

use std::ffi::c_char;

use super::entry::{Entry, functions};
use super::format::{VaList, format, text};
use crate::limits;
use crate::process::{call, klog};

pub(super) fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    all.extend(functions![Variadic: printk, _printk, snprintf, scnprintf, sprintf, panic, __warn_printk]);
    all.extend(functions![Function: vprintk, vsnprintf, vscnprintf, vsprintf, dump_stack, __stack_chk_fail]);
    all
}

fn print(template: *const c_char, args: &mut VaList) -> i32 {
    let bytes = format(template, args, limits::LOG_LINE);
    klog::print(&String::from_utf8_lossy(&bytes));
    bytes.len() as i32
}

/// Writes what fits, and a NUL. Returns the length of the whole text.
fn into_buffer(buffer: *mut u8, size: usize, template: *const c_char, args: &mut VaList) -> usize {
    let bytes = format(template, args, limits::C_STRING);
    if size > 0 {
        let fits = bytes.len().min(size - 1);
        // SAFETY: according to the caller, `size` bytes can be written there.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, fits);
            buffer.add(fits).write(0);
        }
    }
    bytes.len()
}

/// The n-th argument of a variadic stub.
fn argument(registers: *const u64, n: usize) -> usize {
    // SAFETY: the stub has stored six of them.
    unsafe { registers.add(n).read() as usize }
}

fn pointer<T>(address: usize) -> *mut T {
    std::ptr::with_exposed_provenance_mut(address)
}

extern "C" fn _printk(registers: *const u64, overflow: *const u64) -> i32 {
    print(pointer(argument(registers, 0)), &mut VaList::new(registers, overflow, 1))
}

extern "C" fn printk(registers: *const u64, overflow: *const u64) -> i32 {
    _printk(registers, overflow)
}

extern "C" fn __warn_printk(registers: *const u64, overflow: *const u64) {
    _printk(registers, overflow);
}

extern "C" fn panic(registers: *const u64, overflow: *const u64) -> ! {
    let bytes = format(pointer(argument(registers, 0)), &mut VaList::new(registers, overflow, 1), 200);
    call::oops(format_args!("panic: {}", String::from_utf8_lossy(&bytes).trim_end()))
}

extern "C" fn snprintf(registers: *const u64, overflow: *const u64) -> i32 {
    let [buffer, size, template] = [0, 1, 2].map(|n| argument(registers, n));
    into_buffer(pointer(buffer), size, pointer(template), &mut VaList::new(registers, overflow, 3)) as i32
}

extern "C" fn scnprintf(registers: *const u64, overflow: *const u64) -> i32 {
    let size = argument(registers, 1) as i32;
    snprintf(registers, overflow).min(size.saturating_sub(1)).max(0)
}

extern "C" fn sprintf(registers: *const u64, overflow: *const u64) -> i32 {
    let [buffer, template] = [0, 1].map(|n| argument(registers, n));
    into_buffer(pointer(buffer), usize::MAX, pointer(template), &mut VaList::new(registers, overflow, 2)) as i32
}

extern "C" fn vprintk(template: *const c_char, args: &mut VaList) -> i32 {
    print(template, args)
}

extern "C" fn vsnprintf(buffer: *mut u8, size: usize, template: *const c_char, args: &mut VaList) -> i32 {
    into_buffer(buffer, size, template, args) as i32
}

extern "C" fn vscnprintf(buffer: *mut u8, size: usize, template: *const c_char, args: &mut VaList) -> i32 {
    into_buffer(buffer, size, template, args).min(size.saturating_sub(1)) as i32
}

extern "C" fn vsprintf(buffer: *mut u8, template: *const c_char, args: &mut VaList) -> i32 {
    into_buffer(buffer, usize::MAX, template, args) as i32
}

extern "C" fn dump_stack() {
    klog::log(4, "dump_stack: no symbols here");
}

extern "C" fn __stack_chk_fail() -> ! {
    call::oops(format_args!("a stack canary was overwritten"))
}

/// For the setters of parameters: formats a value.
pub(super) fn shown(value: *const c_char) -> String {
    String::from_utf8_lossy(&text(value)).into_owned()
}
