//! Contexts.

use crate::c::{LogFunction, Text, Texts, exported};
use crate::context::{CONTEXTS, Context};
use crate::errno::{code, negative};
use crate::handles::Handle;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering;

/// `enum kmod_resources`.
#[derive(Clone, Copy)]
enum Resources {
    Fine,
    Reload,
    Recreate,
}

exported! {
    /// Makes a context. Null if there is no current directory for a relative `dirname`.
    fn kmod_new(dirname: Text, config_paths: Texts) -> Handle {
        Context::new(dirname.get(), config_paths.paths())
            .and_then(|context| CONTEXTS.hold(context.handle))
            .unwrap_or(Handle::NULL)
    } else Handle::NULL;

    /// Adds a reference.
    fn kmod_ref(context: Handle) -> Handle {
        CONTEXTS.hold(context).unwrap_or(Handle::NULL)
    } else Handle::NULL;

    /// Takes a reference back. Null if it was the last one, of the program and of its modules.
    fn kmod_unref(context: Handle) -> Handle {
        CONTEXTS.release(context).unwrap_or(Handle::NULL)
    } else Handle::NULL;

    /// Reads the indices and keeps them.
    fn kmod_load_resources(context: Handle) -> c_int {
        code(CONTEXTS.get(context).ok_or(Errno::NOENT).and_then(|context| context.index.load(&context.log)))
    } else negative(Errno::FAULT);

    /// Forgets the indices.
    fn kmod_unload_resources(context: Handle) {
        if let Some(context) = CONTEXTS.get(context) {
            context.index.unload();
        }
    } else ();

    /// Whether the files that were read are still the same.
    fn kmod_validate_resources(context: Handle) -> c_int {
        let state = match CONTEXTS.get(context) {
            Some(context) if context.settings.changed() => Resources::Recreate,
            Some(context) if context.index.changed() => Resources::Reload,
            Some(_) => Resources::Fine,
            None => Resources::Recreate,
        };
        state as c_int
    } else Resources::Recreate as c_int;

    /// Writes an index to a descriptor.
    fn kmod_dump_index(context: Handle, number: c_uint, fd: c_int) -> c_int {
        code(CONTEXTS.get(context).ok_or(Errno::NOSYS).and_then(|context| {
            let text = context.index.dump(number)?;
            crate::c::with_descriptor(fd, |fd| write_all(fd, text.as_bytes()))
        }))
    } else negative(Errno::FAULT);

    /// Sets the priority up to which is logged.
    fn kmod_set_log_priority(context: Handle, priority: c_int) {
        if let Some(context) = CONTEXTS.get(context) {
            context.log.set_priority(priority);
        }
    } else ();

    /// The priority up to which is logged; -1 without a context.
    fn kmod_get_log_priority(context: Handle) -> c_int {
        CONTEXTS.get(context).map_or(-1, |context| context.log.priority())
    } else -1;

    /// Sets the function that logs.
    fn kmod_set_log_fn(context: Handle, log_fn: Option<LogFunction>, data: *mut c_void) {
        if let Some(context) = CONTEXTS.get(context) {
            context.log.set(log_fn, data);
        }
    } else ();

    /// Sets what the program wants to find again.
    fn kmod_set_userdata(context: Handle, userdata: *mut c_void) {
        if let Some(context) = CONTEXTS.get(context) {
            context.userdata.store(userdata, Ordering::Relaxed);
        }
    } else ();

    /// What the program has set.
    fn kmod_get_userdata(context: Handle) -> *mut c_void {
        CONTEXTS.get(context).map_or(null_mut(), |context| context.userdata.load(Ordering::Relaxed))
    } else null_mut();

    /// The directory of modules.
    fn kmod_get_dirname(context: Handle) -> *const c_char {
        CONTEXTS.get(context).map_or(null(), |context| context.dirname.as_ptr())
    } else null();
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(fd, bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}
