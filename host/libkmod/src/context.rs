//! A context: the directory of modules, its indices, the configuration, and where messages go.

use crate::c::c_text;
use crate::handles::{Handle, Table};
use crate::index::Index;
use crate::log::{INFO, Log};
use crate::settings::Settings;
use std::ffi::{CString, OsStr, c_void};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicPtr;

pub(crate) static CONTEXTS: Table<Context> = Table::new();

/// The directory that has a directory of modules for each kernel.
const MODULES: &str = "/lib/modules";

pub(crate) struct Context {
    pub(crate) handle: Handle,
    pub(crate) dirname: CString,
    pub(crate) log: Log,
    pub(crate) settings: Settings,
    pub(crate) index: Index,
    /// What the program wants to find again.
    pub(crate) userdata: AtomicPtr<c_void>,
}

impl Context {
    /// Reads the configuration. The directory is that of the running kernel unless `dirname` names one.
    pub(crate) fn new(dirname: Option<CString>, paths: Option<Vec<PathBuf>>) -> Option<Arc<Self>> {
        let root = match dirname {
            Some(name) => std::path::absolute(OsStr::from_bytes(name.as_bytes())).ok()?,
            None => {
                let release = rustix::system::uname().release().to_bytes().to_owned();
                PathBuf::from(MODULES).join(OsStr::from_bytes(&release))
            }
        };
        let log = Log::from_environment();
        let settings = Settings::read(&log, &root, paths);
        let index = Index::of(&root);
        let dirname = c_text(root.into_os_string().into_vec());
        let userdata = AtomicPtr::default();
        let context = CONTEXTS.add(|handle| Self { handle, dirname, log, settings, index, userdata });
        context.log.say(INFO, c"kmod_new", "a context was made");
        Some(context)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        CONTEXTS.forget(self.handle);
    }
}
