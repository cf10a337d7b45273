//! Messages to the program that has loaded the library.

use crate::c::{self, LogFunction, c_text};
use crate::handles::lock;
use std::ffi::{CStr, c_int, c_void};
use std::fmt::Display;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// Priorities of syslog(3).
pub(crate) const ERROR: c_int = libc::LOG_ERR;
pub(crate) const WARNING: c_int = libc::LOG_WARNING;
pub(crate) const INFO: c_int = libc::LOG_INFO;
pub(crate) const DEBUG: c_int = libc::LOG_DEBUG;

/// Where messages go.
enum Sink {
    /// Standard error.
    Stderr,
    /// A function of the program, with its data.
    Function(LogFunction, AtomicPtr<c_void>),
    Nowhere,
}

/// What a context logs, and where.
pub(crate) struct Log {
    /// Messages of a lower priority, which is a greater number, are not logged.
    priority: AtomicI32,
    sink: Mutex<Sink>,
}

impl Log {
    /// Errors to standard error. KMOD_LOG sets the priority, as kmod has it.
    pub(crate) fn from_environment() -> Self {
        let priority = c::variable("KMOD_LOG").map_or(ERROR, |text| priority(&text.to_string_lossy()));
        Self { priority: AtomicI32::new(priority), sink: Mutex::new(Sink::Stderr) }
    }

    pub(crate) fn priority(&self) -> c_int {
        self.priority.load(Ordering::Relaxed)
    }

    pub(crate) fn set_priority(&self, priority: c_int) {
        self.priority.store(priority, Ordering::Relaxed);
    }

    /// Sets the program's function. Without one, nothing is logged.
    pub(crate) fn set(&self, function: Option<LogFunction>, data: *mut c_void) {
        *lock(&self.sink) = function.map_or(Sink::Nowhere, |function| Sink::Function(function, AtomicPtr::new(data)));
    }

    /// Logs `text` for the function `of` of this library. Each line is a message.
    pub(crate) fn say(&self, priority: c_int, of: &CStr, text: impl Display) {
        if self.priority() < priority {
            return;
        }
        for line in text.to_string().lines() {
            let line = c_text(line);
            // The program's function may use the context, so it is not called with a lock.
            let call = match &*lock(&self.sink) {
                Sink::Stderr => None,
                Sink::Nowhere => return,
                Sink::Function(function, data) => Some((*function, data.load(Ordering::Relaxed))),
            };
            match call {
                None => c::log_stderr(name(priority), of, &line),
                Some((function, data)) => c::log(function, data, priority, of, &line),
            }
        }
    }
}

fn name(priority: c_int) -> &'static CStr {
    match priority {
        ERROR => c"ERROR",
        WARNING => c"WARNING",
        INFO => c"INFO",
        _ => c"DEBUG",
    }
}

/// The value of KMOD_LOG: a number, or the beginning of a name.
fn priority(text: &str) -> c_int {
    let number = text.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
    match number.parse() {
        Ok(number) => number,
        Err(_) if text.starts_with("err") => ERROR,
        Err(_) if text.starts_with("info") => INFO,
        Err(_) if text.starts_with("debug") => DEBUG,
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_have_numbers_and_names() {
        assert_eq!(["7", "3 ", "err", "error", "info", "debug", "x", ""].map(priority), [7, 3, 3, 3, 6, 7, 0, 0]);
    }
}
