//! The boundary to C: text of programs, how a panic ends, and what a library knows of itself.

use relobox_core::error::{Error, Result};
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The name of the program that links.
const LINKER: &str = "relobox-linker";

/// Where packages install it.
const INSTALLED: &str = "/usr/lib/relobox";

/// Text that a program passes: a pointer to bytes that end with 0, or null.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Text(*const c_char);

impl Text {
    /// The text, copied. `None` for null.
    #[allow(unsafe_code, reason = "text of a C program")]
    pub fn get(self) -> Option<CString> {
        // SAFETY: only C calls the functions that have this argument. They ask for null or text that ends with 0.
        (!self.0.is_null()).then(|| unsafe { CStr::from_ptr(self.0) }.to_owned())
    }
}

/// Calls `body`. If it panics, the result is `lost`; the message of the panic was printed.
pub fn guarded<T>(body: impl FnOnce() -> T, lost: T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(lost)
}

/// A variable of the environment. `None` if this process has more rights than its caller.
#[allow(unsafe_code, reason = "no safe interface")]
pub fn variable(name: &str) -> Option<OsString> {
    // SAFETY: there are no pointers.
    let privileged = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    if privileged { None } else { std::env::var_os(name) }
}

/// The file that has this code: the library.
#[allow(unsafe_code, reason = "no safe interface")]
fn own_file() -> Option<PathBuf> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: the address is that of a function in this library, and `info` is a variable to write to. The name that
    // comes back belongs to the dynamic linker, and lives as long as the library is loaded.
    unsafe {
        if libc::dladdr(own_file as *const c_void, &mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        Some(PathBuf::from(OsStr::from_bytes(CStr::from_ptr(info.dli_fname).to_bytes())))
    }
}

/// The text for C: up to the first 0, if it has one.
pub fn c_text(bytes: impl AsRef<[u8]>) -> CString {
    let bytes = bytes.as_ref();
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}

/// The path of `relobox-linker`: beside the library that has this code, or where packages install it.
///
/// # Errors
/// [`Error::Usage`] if it is in neither place.
pub fn linker_program() -> Result<PathBuf> {
    let own = own_file().and_then(|file| std::fs::canonicalize(file).ok());
    let beside = own.map(|file| file.with_file_name(LINKER));
    let places = beside.into_iter().chain([Path::new(INSTALLED).join(LINKER)]);
    places.clone().find(|path| path.exists()).ok_or_else(|| {
        let places: Vec<_> = places.map(|path| path.display().to_string()).collect();
        Error::Usage(format!("{LINKER} was not found: {}", places.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_at_the_boundary() {
        assert_eq!(guarded(|| if true { panic!("this message is expected") } else { 1 }, -14), -14);
        assert_eq!(guarded(|| 1, -14), 1);
    }

    #[test]
    fn text_for_c_ends_at_its_first_zero() {
        assert_eq!(c_text("a\0b").as_c_str(), c"a");
        assert_eq!(c_text("").as_c_str(), c"");
    }
}
