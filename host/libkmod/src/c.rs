//! The boundary to C: the types of arguments, the functions of programs, and how a panic ends here.
//!
//! Only this file has `unsafe`. A program gets no pointers to objects but handles (see [`handles`](crate::handles)), so
//! what is read through a pointer of a program is text, and what is written is a result.

use crate::errno::of_io;
use crate::handles::Handle;
pub(crate) use relobox_cabi::boundary::{Text, c_text, guarded, variable};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// A function that a program sets to log: its data, the priority, file, line, function, format, and a `va_list`.
///
/// The arguments of the format are passed by C code only, so the list has no type here.
pub(crate) type LogFunction =
    extern "C" fn(*mut c_void, c_int, *const c_char, c_int, *const c_char, *const c_char, *mut c_void);

/// `run_install` of `kmod_module_probe_insert_module`.
pub(crate) type RunInstall = extern "C" fn(Handle, *const c_char, *mut c_void) -> c_int;

/// `print_action` of `kmod_module_probe_insert_module`.
pub(crate) type PrintAction = extern "C" fn(Handle, bool, *const c_char);

#[allow(unsafe_code, reason = "functions of src/log.c")]
unsafe extern "C" {
    fn relobox_libkmod_log(
        log: LogFunction,
        data: *mut c_void,
        priority: c_int,
        function: *const c_char,
        text: *const c_char,
    );
    fn relobox_libkmod_log_stderr(priority: *const c_char, function: *const c_char, text: *const c_char);
}

#[allow(unsafe_code, reason = "a function of glibc, which no header and no crate declares")]
unsafe extern "C" {
    #[link_name = "delete_module"]
    fn glibc_delete_module(name: *const c_char, flags: c_uint) -> c_int;
}

/// An array of texts that ends with null; or null itself.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Texts(*const Text);

impl Texts {
    /// The texts as paths, copied. `None` for null.
    #[allow(unsafe_code, reason = "text of a C program")]
    pub(crate) fn paths(self) -> Option<Vec<PathBuf>> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: only C calls the function that has this argument, which asks for an array that ends with null. What
        // lies behind null is not read.
        let texts = (0..).map_while(|i| unsafe { *self.0.add(i) }.get());
        Some(texts.map(|text| PathBuf::from(OsStr::from_bytes(text.as_bytes()))).collect())
    }
}

/// A place for a result that is a handle, or null.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Out(*mut Handle);

impl Out {
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// What the place has now; a null handle if there is no place.
    #[allow(unsafe_code, reason = "a variable of a C program")]
    pub(crate) fn get(self) -> Handle {
        // SAFETY: only C calls the functions that have this argument. They ask for null or a variable that is set.
        if self.0.is_null() { Handle::NULL } else { unsafe { *self.0 } }
    }

    #[allow(unsafe_code, reason = "a variable of a C program")]
    pub(crate) fn set(self, value: Handle) {
        if !self.0.is_null() {
            // SAFETY: as in `get`.
            unsafe { *self.0 = value }
        }
    }
}

/// Defines functions that C can call. A panic in one of them gives the value after `else`.
macro_rules! exported {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $of:ty),* $(,)?) $(-> $result:ty)? $body:block else $lost:expr;)*) => {$(
        $(#[$doc])*
        #[allow(unsafe_code, reason = "the name is that of kmod's function")]
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $name($($arg: $of),*) $(-> $result)? {
            $crate::c::guarded(move || $body, $lost)
        }
    )*};
}
pub(crate) use exported;

/// Passes a message to the program's function, which may not unwind.
#[allow(unsafe_code, reason = "a function in C")]
pub(crate) fn log(log: LogFunction, data: *mut c_void, priority: c_int, function: &CStr, text: &CStr) {
    // SAFETY: both texts end with 0 and live until the call returns. The program vouches for its function and its data.
    unsafe { relobox_libkmod_log(log, data, priority, function.as_ptr(), text.as_ptr()) }
}

/// Writes a message to standard error as C has it, with its buffer.
#[allow(unsafe_code, reason = "a function in C")]
pub(crate) fn log_stderr(priority: &CStr, function: &CStr, text: &CStr) {
    // SAFETY: the texts end with 0 and live until the call returns.
    unsafe { relobox_libkmod_log_stderr(priority.as_ptr(), function.as_ptr(), text.as_ptr()) }
}

/// delete_module(2), by the function of the C library, which test suites replace.
///
/// # Errors
/// The kernel's.
#[allow(unsafe_code, reason = "rustix makes the system call without that function")]
pub(crate) fn delete_module(name: &CStr, flags: c_uint) -> Result<(), Errno> {
    // SAFETY: the name ends with 0.
    match unsafe { glibc_delete_module(name.as_ptr(), flags) } {
        0 => Ok(()),
        _ => Err(of_io(&std::io::Error::last_os_error())),
    }
}

/// The flags in an argument of type `unsigned int`.
pub(crate) fn has(flags: c_uint, flag: c_uint) -> bool {
    flags & flag != 0
}

/// Calls `use_it` with a descriptor of the program.
///
/// # Errors
/// `EBADF` for a negative number; else the errors of `use_it`.
#[allow(unsafe_code, reason = "a descriptor of a C program")]
pub(crate) fn with_descriptor<T>(
    fd: c_int,
    use_it: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
) -> Result<T, Errno> {
    if fd < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the number is not -1, and the program keeps the descriptor open during its call. If it does not, the
    // system calls return EBADF.
    use_it(unsafe { BorrowedFd::borrow_raw(fd) })
}
