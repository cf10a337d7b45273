//! Memory and string functions. If the C library has the same function, that one is used.

use std::ffi::c_char;

use super::entry::{Entry, functions};

pub(super) fn entries() -> Vec<Entry> {
    use libc::{
        memchr, memcmp, memcpy, memmove, memset, strcasecmp, strcat, strchr, strcmp, strcpy, strcspn, strlen,
        strncasecmp, strncat, strncmp, strncpy, strnlen, strpbrk, strrchr, strspn, strstr,
    };
    let mut all = Vec::new();
    all.extend(functions![Function:
        memchr, memcmp, memcpy, memmove, memset, strcasecmp, strcat, strchr, strcmp, strcpy, strcspn, strlen,
        strncasecmp, strncat, strncmp, strncpy, strnlen, strpbrk, strrchr, strspn, strstr,
    ]);
    all.extend(functions![Function: strscpy, strlcpy, skip_spaces]);
    all
}

const E2BIG: isize = -7;

/// Copies what fits, and a NUL. Returns the length, or -E2BIG if the text was cut.
extern "C" fn strscpy(to: *mut c_char, from: *const c_char, size: usize) -> isize {
    if size == 0 {
        return E2BIG;
    }
    // SAFETY: according to the caller, `size` bytes can be written. It passes a string or at least that many bytes.
    unsafe {
        let len = libc::strnlen(from, size);
        let fits = len.min(size - 1);
        std::ptr::copy_nonoverlapping(from, to, fits);
        to.add(fits).write(0);
        if fits < len { E2BIG } else { len as isize }
    }
}

/// Copies what fits, and a NUL. Returns the length of the source.
extern "C" fn strlcpy(to: *mut c_char, from: *const c_char, size: usize) -> usize {
    // SAFETY: `from` is a string. See `strscpy` for the rest.
    let len = unsafe { libc::strlen(from) };
    if size > 0 {
        strscpy(to, from, size);
    }
    len
}

/// The first byte that is not a blank.
extern "C" fn skip_spaces(text: *const c_char) -> *const c_char {
    let mut at = text;
    // SAFETY: `text` is a string, and its NUL is not a blank.
    unsafe {
        while (*at as u8).is_ascii_whitespace() || *at == 0x0b {
            at = at.add(1);
        }
    }
    at
}
