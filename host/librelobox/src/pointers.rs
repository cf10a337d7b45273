//! What is read and written through pointers of a program: text, bytes, results. Objects are not: their pointers are
//! handles.

use relobox_core::error::{Error, Result};
use relobox_core::limits;
use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// Text that a program passes, copied. `None` for null.
#[allow(unsafe_code, reason = "text of a C program")]
fn text(pointer: *const c_char) -> Option<CString> {
    // SAFETY: only C calls the functions that have this argument. They ask for null or text that ends with 0.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_owned())
}

/// The bytes of a text that must be there. `what` is for the message.
///
/// # Errors
/// [`Error::Usage`] for null.
pub(crate) fn name(pointer: *const c_char, what: &str) -> Result<Vec<u8>> {
    text(pointer).map(CString::into_bytes).ok_or_else(|| Error::Usage(format!("{what} is null")))
}

/// A text that must be there, as UTF-8.
///
/// # Errors
/// As [`name`], and for text that is not UTF-8.
pub(crate) fn utf8(pointer: *const c_char, what: &str) -> Result<String> {
    String::from_utf8(name(pointer, what)?).map_err(|_| Error::Usage(format!("{what} is not UTF-8")))
}

/// A text that may be missing, as UTF-8. It is empty then.
///
/// # Errors
/// For text that is not UTF-8.
pub(crate) fn utf8_or_empty(pointer: *const c_char, what: &str) -> Result<String> {
    if pointer.is_null() { Ok(String::new()) } else { utf8(pointer, what) }
}

/// A path that must be there.
///
/// # Errors
/// As [`name`].
pub(crate) fn path(pointer: *const c_char, what: &str) -> Result<PathBuf> {
    Ok(PathBuf::from(OsStr::from_bytes(&name(pointer, what)?)))
}

/// Bytes that a program passes, copied: at most `most`.
///
/// # Errors
/// [`Error::Usage`] for null with a size, and for more bytes.
#[allow(unsafe_code, reason = "memory of a C program")]
pub(crate) fn bytes(pointer: *const u8, size: usize, most: u64, what: &str) -> Result<Vec<u8>> {
    if size == 0 {
        return Ok(Vec::new());
    }
    if pointer.is_null() {
        return Err(Error::Usage(format!("{what} is null")));
    }
    if size as u64 > most {
        return Err(Error::Usage(format!("{what} has {size} bytes, and the limit is {most}")));
    }
    // SAFETY: only C calls the functions that have this argument. They ask for memory of this size.
    Ok(unsafe { std::slice::from_raw_parts(pointer, size) }.to_vec())
}

/// An array that a program passes, copied.
///
/// # Errors
/// As [`bytes`]; the limit is the number of names that a module may have.
#[allow(unsafe_code, reason = "memory of a C program")]
pub(crate) fn array<T: Copy>(pointer: *const T, count: usize, what: &str) -> Result<Vec<T>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if pointer.is_null() || count > limits::WANTED {
        return Err(Error::Usage(format!("{what} is null or has more than {} elements", limits::WANTED)));
    }
    // SAFETY: as in `bytes`.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) }.to_vec())
}

/// A result's place must be there.
///
/// # Errors
/// [`Error::Usage`] for null.
pub(crate) fn place<T>(pointer: *mut T) -> Result<*mut T> {
    if pointer.is_null() { Err(Error::Usage("the place of the result is null".into())) } else { Ok(pointer) }
}

/// Writes a result. Nothing is written to null.
#[allow(unsafe_code, reason = "a variable of a C program")]
pub(crate) fn set<T>(pointer: *mut T, value: T) {
    if !pointer.is_null() {
        // SAFETY: only C calls the functions that have this argument. They ask for null or a variable.
        unsafe { pointer.write(value) }
    }
}

/// Writes a structure to one of a program, which may have been compiled for another version and so have another size:
/// what the program does not know is left out, and what this library does not know is 0. False for null.
#[allow(unsafe_code, reason = "a variable of a C program")]
pub(crate) fn fill<T: Copy>(pointer: *mut T, size: usize, value: &T) -> bool {
    if pointer.is_null() || size == 0 {
        return false;
    }
    let known = size.min(size_of::<T>());
    // SAFETY: only C calls the functions that have this argument. They ask for a variable of this size.
    unsafe {
        std::ptr::copy_nonoverlapping(std::ptr::from_ref(value).cast::<u8>(), pointer.cast::<u8>(), known);
        pointer.cast::<u8>().add(known).write_bytes(0, size - known);
    }
    true
}

/// Copies bytes to memory of a program. Nothing is copied to null.
#[allow(unsafe_code, reason = "memory of a C program")]
pub(crate) fn copy_to(pointer: *mut u8, bytes: &[u8]) {
    if !pointer.is_null() {
        // SAFETY: only C calls the function that has this argument. It asks for memory of this size.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer, bytes.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_of_other_versions_are_filled_as_far_as_they_are_known() {
        let value = [1_u32, 2, 3];
        let mut larger = [9_u32; 5];
        assert!(fill(larger.as_mut_ptr().cast(), size_of_val(&larger), &value));
        assert_eq!(larger, [1, 2, 3, 0, 0]);
        let mut smaller = [9_u32; 3];
        assert!(fill(smaller.as_mut_ptr().cast::<[u32; 3]>(), 8, &value));
        assert_eq!(smaller, [1, 2, 9]);
        assert!(!fill(std::ptr::null_mut(), 12, &value) && !fill(&mut [0_u32; 3], 0, &value));
    }

    #[test]
    fn null_is_an_error_or_nothing() {
        assert!(name(std::ptr::null(), "it").is_err() && place(std::ptr::null_mut::<u8>()).is_err());
        assert_eq!(utf8_or_empty(std::ptr::null(), "it").unwrap(), "");
        assert!(utf8(c"\xff".as_ptr(), "it").is_err());
        assert!(
            bytes(std::ptr::null(), 1, 9, "it").is_err() && bytes(std::ptr::null(), 0, 9, "it").unwrap().is_empty()
        );
        assert_eq!(bytes(b"abc".as_ptr(), 2, 2, "it").unwrap(), b"ab");
        assert!(bytes(b"abc".as_ptr(), 3, 2, "it").is_err());
        set(std::ptr::null_mut(), 1);
        copy_to(std::ptr::null_mut(), b"abc");
    }
}
