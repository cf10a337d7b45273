//! A module: a name, and what the indices and the configuration say about it.

use crate::c::c_text;
use crate::context::Context;
use crate::errno::of_io;
use crate::handles::{Handle, Table, lock};
use crate::log::ERROR;
use crate::names;
use relobox_modprobe::Config;
use relobox_modprobe::config::Line;
use relobox_modprobe::glob::matches;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, Weak};

pub(crate) static MODULES: Table<Module> = Table::new();

/// The modules of all contexts, by context and key: there is one object for each name, and for each alias of a name.
static POOL: Mutex<BTreeMap<(Handle, String), (Handle, Weak<Module>)>> = Mutex::new(BTreeMap::new());

pub(crate) struct Module {
    pub(crate) handle: Handle,
    pub(crate) context: Arc<Context>,
    pub(crate) name: CString,
    /// The alias by which it was found.
    pub(crate) alias: Option<String>,
    key: String,
    path: OnceLock<CString>,
    dependencies: OnceLock<Vec<Arc<Module>>>,
    built_in: OnceLock<bool>,
    options: OnceLock<Option<CString>>,
    install: OnceLock<Option<CString>>,
    remove: OnceLock<Option<CString>>,
}

impl Module {
    /// The module of this name, which is normalized.
    ///
    /// # Errors
    /// `ENAMETOOLONG`
    pub(crate) fn by_name(context: &Arc<Context>, name: &str) -> Result<Arc<Self>, Errno> {
        Self::pooled(context, name.to_owned(), name, None)
    }

    /// The module `name` that was found by an alias. It is another object than the module without that alias, since the
    /// alias may have options.
    ///
    /// # Errors
    /// `ENAMETOOLONG`
    pub(crate) fn by_alias(context: &Arc<Context>, alias: &str, name: &str) -> Result<Arc<Self>, Errno> {
        Self::pooled(context, format!("{name}\\{alias}"), name, Some(alias))
    }

    /// The module in a file, which must exist.
    ///
    /// # Errors
    /// `EEXIST` if there is a module of this name with another file; else as stat(2).
    pub(crate) fn by_path(context: &Arc<Context>, path: &Path) -> Result<Arc<Self>, Errno> {
        let path = std::path::absolute(path).map_err(|error| of_io(&error))?;
        std::fs::metadata(&path).map_err(|error| of_io(&error))?;
        let name = names::module(path.file_name().ok_or(Errno::NOENT)?.as_bytes());
        let module = Self::by_name(context, &name)?;
        let path = c_text(path.into_os_string().into_vec());
        let known = module.path.get_or_init(|| path.clone());
        if *known != path {
            let text = format!("{name}: the file is {}, and not {}", known.to_string_lossy(), path.to_string_lossy());
            context.log.say(ERROR, c"kmod_module_new_from_path", text);
            return Err(Errno::EXIST);
        }
        let _ = module.built_in.set(false);
        Ok(module)
    }

    fn pooled(context: &Arc<Context>, key: String, name: &str, alias: Option<&str>) -> Result<Arc<Self>, Errno> {
        if key.len() >= libc::PATH_MAX as usize {
            return Err(Errno::NAMETOOLONG);
        }
        let mut pool = lock(&POOL);
        let place = (context.handle, key.clone());
        if let Some(module) = pool.get(&place).and_then(|(_, module)| module.upgrade()) {
            return Ok(module);
        }
        let module = MODULES.add(|handle| Self {
            handle,
            context: Arc::clone(context),
            name: c_text(name),
            alias: alias.map(str::to_owned),
            key,
            path: OnceLock::new(),
            dependencies: OnceLock::new(),
            built_in: OnceLock::new(),
            options: OnceLock::new(),
            install: OnceLock::new(),
            remove: OnceLock::new(),
        });
        pool.insert(place, (module.handle, Arc::downgrade(&module)));
        Ok(module)
    }

    /// Its name. It was text when the module was made.
    pub(crate) fn name(&self) -> &str {
        self.name.to_str().unwrap_or_default()
    }

    /// Its file: the one that it was made of, or that modules.dep names.
    pub(crate) fn path(&self) -> Option<&CStr> {
        if let Some(path) = self.path.get() {
            return Some(path);
        }
        let path = self.context.index.ask(|tree| tree.path(self.name())).flatten()?;
        Some(self.path.get_or_init(|| c_text(path.into_os_string().into_vec())))
    }

    /// Its file as a path.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.path().map(|path| Path::new(OsStr::from_bytes(path.to_bytes())))
    }

    /// What it needs according to modules.dep, in the order of loading. None if one of them has no file.
    pub(crate) fn dependencies(&self) -> &[Arc<Module>] {
        if let Some(known) = self.dependencies.get() {
            return known;
        }
        let paths = self.context.index.ask(|tree| {
            tree.path(self.name())?;
            Some(tree.needs(self.name()).iter().map(|name| tree.path(name)).collect::<Vec<_>>())
        });
        let Some(paths) = paths.flatten() else { return &[] };
        let module = |path: Option<_>| Self::by_path(&self.context, path.as_deref().ok_or(Errno::NOENT)?);
        match paths.into_iter().map(module).collect::<Result<_, _>>() {
            Ok(modules) => self.dependencies.get_or_init(|| modules),
            Err(error) => {
                let text = format!("{}: a module that it needs has no file: {error}", self.name());
                self.context.log.say(ERROR, c"kmod_module_get_dependencies", text);
                &[]
            }
        }
    }

    pub(crate) fn is_built_in(&self) -> bool {
        let look = || self.context.index.ask(|tree| tree.built_in(self.name()).unwrap_or(false)).unwrap_or(false);
        *self.built_in.get_or_init(look)
    }

    /// Says what is known: the module was found among those that are built in.
    pub(crate) fn set_built_in(&self) {
        let _ = self.built_in.set(true);
    }

    fn config(&self) -> &Config {
        &self.context.settings.config
    }

    pub(crate) fn is_blacklisted(&self) -> bool {
        self.config().blacklisted(self.name()).is_some()
    }

    pub(crate) fn options(&self) -> Option<&CStr> {
        let join =
            || Some(self.config().options_of(self.name(), self.alias.as_deref())).filter(|text| !text.is_empty());
        self.options.get_or_init(|| join().map(c_text)).as_deref()
    }

    pub(crate) fn install_command(&self) -> Option<&CStr> {
        self.install.get_or_init(|| self.command(&self.config().install)).as_deref()
    }

    pub(crate) fn remove_command(&self) -> Option<&CStr> {
        self.remove.get_or_init(|| self.command(&self.config().remove)).as_deref()
    }

    fn command(&self, lines: &[Line]) -> Option<CString> {
        lines.iter().find(|line| matches(&line.name, self.name())).map(|line| c_text(&line.value))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let removed = {
            let mut pool = lock(&POOL);
            let place = (self.context.handle, std::mem::take(&mut self.key));
            // Another object may have taken the place already.
            let own = pool.get(&place).is_some_and(|(handle, _)| *handle == self.handle);
            own.then(|| pool.remove(&place))
        };
        drop(removed);
        MODULES.forget(self.handle);
    }
}
