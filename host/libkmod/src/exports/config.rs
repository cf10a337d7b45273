//! Iterating over the configuration.

use crate::c::exported;
use crate::context::{CONTEXTS, Context};
use crate::handles::{Handle, Table, lock};
use crate::settings::{Row, Which};
use std::ffi::{CString, c_char};
use std::ptr::null;
use std::sync::{Arc, Mutex};

/// A walk through one list of the configuration.
struct Walk {
    handle: Handle,
    context: Arc<Context>,
    which: Which,
    at: Mutex<Option<usize>>,
}

static WALKS: Table<Walk> = Table::new();

impl Walk {
    fn begin(context: Handle, which: Which) -> Handle {
        let walk = CONTEXTS
            .get(context)
            .map(|context| WALKS.add(|handle| Self { handle, context, which, at: Mutex::new(None) }));
        walk.and_then(|walk| WALKS.hold(walk.handle)).unwrap_or(Handle::NULL)
    }

    /// Goes on to the next line. After the last one it begins again, as kmod does.
    fn next(&self) -> bool {
        let mut at = lock(&self.at);
        *at = Some(at.map_or(0, |at| at + 1)).filter(|at| *at < self.context.settings.rows(self.which).len());
        at.is_some()
    }

    /// A text of the current line, which lives as long as the context.
    fn text(&self, of: impl FnOnce(&Row) -> Option<&CString>) -> Option<*const c_char> {
        let at = (*lock(&self.at))?;
        Some(of(self.context.settings.rows(self.which).get(at)?)?.as_ptr())
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        WALKS.forget(self.handle);
    }
}

exported! {
    /// Lines `blacklist`.
    fn kmod_config_get_blacklists(context: Handle) -> Handle {
        Walk::begin(context, Which::Blacklists)
    } else Handle::NULL;

    /// Lines `install`.
    fn kmod_config_get_install_commands(context: Handle) -> Handle {
        Walk::begin(context, Which::Install)
    } else Handle::NULL;

    /// Lines `remove`.
    fn kmod_config_get_remove_commands(context: Handle) -> Handle {
        Walk::begin(context, Which::Remove)
    } else Handle::NULL;

    /// Lines `alias`.
    fn kmod_config_get_aliases(context: Handle) -> Handle {
        Walk::begin(context, Which::Aliases)
    } else Handle::NULL;

    /// Lines `options`.
    fn kmod_config_get_options(context: Handle) -> Handle {
        Walk::begin(context, Which::Options)
    } else Handle::NULL;

    /// Lines `softdep`.
    fn kmod_config_get_softdeps(context: Handle) -> Handle {
        Walk::begin(context, Which::Softdeps)
    } else Handle::NULL;

    /// Lines `weakdep`.
    fn kmod_config_get_weakdeps(context: Handle) -> Handle {
        Walk::begin(context, Which::Weakdeps)
    } else Handle::NULL;

    /// The name or pattern of the current line.
    fn kmod_config_iter_get_key(walk: Handle) -> *const c_char {
        WALKS.get(walk).and_then(|walk| walk.text(|row| Some(&row.key))).unwrap_or(null())
    } else null();

    /// What follows it; null for a blacklist.
    fn kmod_config_iter_get_value(walk: Handle) -> *const c_char {
        WALKS.get(walk).and_then(|walk| walk.text(|row| row.value.as_ref())).unwrap_or(null())
    } else null();

    /// Goes on to the next line, or to the first.
    fn kmod_config_iter_next(walk: Handle) -> bool {
        WALKS.get(walk).is_some_and(|walk| walk.next())
    } else false;

    /// Ends the walk.
    fn kmod_config_iter_free_iter(walk: Handle) {
        WALKS.release(walk);
    } else ();
}
