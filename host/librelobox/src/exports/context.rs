//! Contexts, and what was wrong.

#![allow(unsafe_code, reason = "the names are those of the C interface")]
#![allow(unreachable_pub, reason = "the header is made from public functions")]

use crate::context::{CONTEXTS, Context as Settings, call};
use crate::elements::{FAULT, element};
use crate::objects::{Kept, Objects, hold, keep, of, release};
use crate::pointers::{path, utf8, utf8_or_empty};
use crate::report::Report;
use crate::types::{self, Context, Diagnostics};
use relobox_cabi::boundary::guarded;
use relobox_core::error::{Error, Result};
use std::ffi::{c_char, c_int};
use std::ptr::{null, null_mut};
use std::sync::Arc;

static DIAGNOSTICS: Objects<Arc<Report>> = Objects::new();

/// The version of this library.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Makes a context. It starts nothing and reads nothing. Returns null only if this library fails.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_new() -> *mut Context {
    guarded(|| keep(&CONTEXTS, Settings::default()), null_mut())
}

/// Takes another reference to a context. Returns it, or null for null and for what is none.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_ref(context: *mut Context) -> *mut Context {
    guarded(|| hold(&CONTEXTS, context), null_mut())
}

/// Gives a reference to a context back. Returns null if neither the program nor an object has it any more.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_unref(context: *mut Context) -> *mut Context {
    guarded(|| release(&CONTEXTS, context), null_mut())
}

/// Changes a setting of a context.
fn set(context: *mut Context, change: impl FnOnce(&Arc<Kept<Settings>>) -> Result<()>) -> c_int {
    guarded(|| call(of(&CONTEXTS, context).as_ref(), change), FAULT)
}

/// Uses this program as the linking process. Without, it is the `relobox-linker` beside the library, or else the one in
/// /usr/lib/relobox. Returns 0 or a negative number of errno(3), as all functions of this type do.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_set_linker(context: *mut Context, program: *const c_char) -> c_int {
    set(context, |context| {
        let program = path(program, "the program")?;
        context.set(|settings| settings.linker = Some(program));
        Ok(())
    })
}

/// Reads the pins of plugins from this file, and writes them there. Without, they are those of /etc/relobox/pins, and if
/// the process is not root's, of ~/.config/relobox/pins. The file has to exist when something is linked.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_set_pins(context: *mut Context, file: *const c_char) -> c_int {
    set(context, |context| {
        let file = path(file, "the file")?;
        context.set(|settings| settings.pins = Some(file));
        Ok(())
    })
}

/// Searches this directory for plugins (`*.wasm`), beside /usr/lib/relobox/plugins and /usr/local/lib/relobox/plugins.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_add_plugin_directory(context: *mut Context, directory: *const c_char) -> c_int {
    set(context, |context| {
        let directory = path(directory, "the directory")?;
        context.set(|settings| settings.directories.push(directory));
        Ok(())
    })
}

/// Uses this plugin if several link the same machine: a name, the first digits of a SHA-256, or a file. It must be pinned
/// and compiled, unless it is built in. Whether there is such a plugin shows when something is linked.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_choose_plugin(context: *mut Context, plugin: *const c_char) -> c_int {
    set(context, |context| {
        let plugin = utf8(plugin, "the plugin")?;
        context.set(|settings| settings.chosen.push(plugin));
        Ok(())
    })
}

/// Sets a number that plugins ask for (`relobox plugin info` lists them). It is an error to link a module whose plugin
/// does not ask for it.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_set_input(context: *mut Context, input: *const c_char, value: u64) -> c_int {
    set(context, |context| {
        let input = utf8(input, "the input")?;
        context.set(|settings| {
            settings.inputs.retain(|(name, _)| *name != input);
            settings.inputs.push((input, value));
        });
        Ok(())
    })
}

/// Starts the linking process if it does not run, and waits until it is ready. The first call that needs it does so, too.
/// It ends with the context, or when a setting changes.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_start(context: *mut Context) -> c_int {
    set(context, |context| context.running().map(drop))
}

/// Pins a plugin: a name, the first digits of a SHA-256, or a file. This does not compile it, because this library has no
/// compiler: `relobox plugin compile` does, and before that the plugin cannot be used.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_pin(context: *mut Context, plugin: *const c_char, comment: *const c_char) -> c_int {
    set(context, |context| {
        let comment = utf8_or_empty(comment, "the comment")?;
        crate::plugins::pin(&context.settings(), &utf8(plugin, "the plugin")?, &comment)?;
        context.set(|_| {});
        Ok(())
    })
}

/// Removes the pins of the plugins with this name, or with these first digits of a SHA-256.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_unpin(context: *mut Context, plugin: *const c_char) -> c_int {
    set(context, |context| {
        crate::plugins::unpin(&context.settings(), &utf8(plugin, "the plugin")?)?;
        context.set(|_| {});
        Ok(())
    })
}

/// Removes a module from this machine's kernel. Does not wait until it is unused.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_remove(context: *mut Context, module: *const c_char) -> c_int {
    set(context, |_| {
        let module = utf8(module, "the module")?;
        if module.is_empty() {
            return Err(Error::Usage("the module has no name".into()));
        }
        crate::loaded::remove(&module)
    })
}

/// Returns what was wrong with the last call of a function of this context, or of an object made with it, that failed. It
/// is a reference to be given back. Null for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_context_error(context: *const Context) -> *mut Diagnostics {
    let error = || of(&CONTEXTS, context).map_or(null_mut(), |context| keep(&DIAGNOSTICS, context.error()));
    guarded(error, null_mut())
}

/// Takes another reference to a list of diagnostics. Returns it, or null for null and for what is none.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_diagnostics_ref(diagnostics: *mut Diagnostics) -> *mut Diagnostics {
    guarded(|| hold(&DIAGNOSTICS, diagnostics), null_mut())
}

/// Gives a reference to a list of diagnostics back. Returns null if it was the last, and for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_diagnostics_unref(diagnostics: *mut Diagnostics) -> *mut Diagnostics {
    guarded(|| release(&DIAGNOSTICS, diagnostics), null_mut())
}

/// All of it, as lines for people. Empty if nothing was wrong, null for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_diagnostics_text(diagnostics: *const Diagnostics) -> *const c_char {
    guarded(|| of(&DIAGNOSTICS, diagnostics).map_or(null(), |report| report.text.as_ptr()), null())
}

/// The number of diagnostics.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_diagnostics_count(diagnostics: *const Diagnostics) -> usize {
    guarded(|| of(&DIAGNOSTICS, diagnostics).map_or(0, |object| object.len()), 0)
}

/// Gets a diagnostic. Its texts live as long as the object. `size` is the size of the structure.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_diagnostics_get(
    diagnostics: *const Diagnostics,
    index: usize,
    result: *mut types::Diagnostic,
    size: usize,
) -> c_int {
    guarded(|| element(of(&DIAGNOSTICS, diagnostics), |object| object.get(index), result, size), FAULT)
}
