//! Results that are elements of an object.

use crate::objects::Kept;
use crate::pointers::fill;
use relobox_cabi::errno::negative;
use rustix::io::Errno;
use std::ffi::c_int;
use std::sync::Arc;

/// `-EFAULT`: the result of a function that panicked.
pub(crate) const FAULT: c_int = -libc::EFAULT;

/// Writes an element of an object to a structure of the program.
pub(crate) fn element<T, E: Copy>(
    object: Option<Arc<Kept<T>>>,
    get: impl FnOnce(&T) -> Option<E>,
    result: *mut E,
    size: usize,
) -> c_int {
    let Some(object) = object else { return negative(Errno::INVAL) };
    match get(&object) {
        Some(element) if fill(result, size, &element) => 0,
        Some(_) => negative(Errno::INVAL),
        None => negative(Errno::RANGE),
    }
}
