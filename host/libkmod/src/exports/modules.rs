//! Modules: how they are found, and what the indices and the configuration say about them.

use crate::c::{Out, PrintAction, RunInstall, Text, exported, has};
use crate::context::{CONTEXTS, Context};
use crate::errno::{code, negative};
use crate::handles::Handle;
use crate::list::{self, Item};
use crate::loading;
use crate::log::ERROR;
use crate::lookup;
use crate::module::{MODULES, Module};
use crate::names;
use crate::probe::{self, Wanted};
use relobox_modprobe::glob::alias_name;
use rustix::io::Errno;
use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::null;
use std::sync::Arc;

/// `enum kmod_filter`.
const FILTER_BLACKLIST: c_uint = 1;
const FILTER_BUILT_IN: c_uint = 2;

/// `KMOD_REMOVE_NOLOG`. `KMOD_REMOVE_FORCE` is `O_TRUNC`.
const REMOVE_QUIETLY: c_uint = 1;

fn context_and(context: Handle, text: Text) -> Result<(Arc<Context>, std::ffi::CString), Errno> {
    CONTEXTS.get(context).zip(text.get()).ok_or(Errno::NOENT)
}

/// Gives the program a reference to a module.
fn give(found: Result<Arc<Module>, Errno>, to: Out) -> c_int {
    code(found.map(|module| to.set(MODULES.hold(module.handle).unwrap_or(Handle::NULL))))
}

fn from_lookup(context: Handle, alias: Text, list: Out) -> Result<(), Errno> {
    let (context, alias) = context_and(context, alias)?;
    if list.is_null() || !list.get().is_null() {
        context.log.say(ERROR, c"kmod_module_new_from_lookup", "the list is not empty");
        return Err(Errno::NOSYS);
    }
    let alias = alias_name(&alias.to_string_lossy()).ok_or(Errno::INVAL)?;
    list.set(list::modules(lookup::by_alias(&context, &alias)?));
    Ok(())
}

fn from_name_lookup(context: Handle, name: Text, module: Out) -> Result<(), Errno> {
    let (context, name) = context_and(context, name)?;
    let found = lookup::by_name(&context, &names::module(name.to_bytes()))?;
    if let Some(found) = found.first() {
        module.set(MODULES.hold(found.handle).unwrap_or(Handle::NULL));
    }
    Ok(())
}

/// The text that a module keeps.
fn text_of(module: Handle, of: impl FnOnce(&Module) -> Option<&CStr>) -> *const c_char {
    MODULES.get(module).and_then(|module| of(&module).map(CStr::as_ptr)).unwrap_or(null())
}

fn filter(context: Handle, filter: c_uint, input: Handle, output: Out) -> Result<(), Errno> {
    CONTEXTS.get(context).filter(|_| !output.is_null()).ok_or(Errno::NOENT)?;
    let excluded = |module: &Module| {
        has(filter, FILTER_BLACKLIST) && module.is_blacklisted() || has(filter, FILTER_BUILT_IN) && module.is_built_in()
    };
    output.set(list::modules(list::modules_of(input).into_iter().filter(|module| !excluded(module))));
    Ok(())
}

exported! {
    /// The modules that an alias stands for.
    fn kmod_module_new_from_lookup(context: Handle, alias: Text, list: Out) -> c_int {
        code(from_lookup(context, alias, list))
    } else negative(Errno::FAULT);

    /// The module of a name, if there is one.
    fn kmod_module_new_from_name_lookup(context: Handle, name: Text, module: Out) -> c_int {
        if module.is_null() { negative(Errno::NOENT) } else { code(from_name_lookup(context, name, module)) }
    } else negative(Errno::FAULT);

    /// The module of a name, whether there is one or not.
    fn kmod_module_new_from_name(context: Handle, name: Text, module: Out) -> c_int {
        give(
            context_and(context, name)
                .and_then(|(context, name)| if module.is_null() { Err(Errno::NOENT) } else { Ok((context, name)) })
                .and_then(|(context, name)| Module::by_name(&context, &names::module(name.to_bytes()))),
            module,
        )
    } else negative(Errno::FAULT);

    /// The module in a file.
    fn kmod_module_new_from_path(context: Handle, path: Text, module: Out) -> c_int {
        give(
            context_and(context, path)
                .and_then(|(context, path)| if module.is_null() { Err(Errno::NOENT) } else { Ok((context, path)) })
                .and_then(|(context, path)| Module::by_path(&context, Path::new(OsStr::from_bytes(path.as_bytes())))),
            module,
        )
    } else negative(Errno::FAULT);

    /// Adds a reference.
    fn kmod_module_ref(module: Handle) -> Handle {
        MODULES.hold(module).unwrap_or(Handle::NULL)
    } else Handle::NULL;

    /// Takes a reference back. Null if it was the last one.
    fn kmod_module_unref(module: Handle) -> Handle {
        MODULES.release(module).unwrap_or(Handle::NULL)
    } else Handle::NULL;

    /// Frees a list.
    fn kmod_module_unref_list(list: Handle) -> c_int {
        list::free(list);
        0
    } else negative(Errno::FAULT);

    /// Loads a module.
    fn kmod_module_insert_module(module: Handle, flags: c_uint, options: Text) -> c_int {
        code(MODULES.get(module).ok_or(Errno::NOENT).and_then(|module| {
            probe::insert(&module, flags, options.get().as_deref())
        }))
    } else negative(Errno::FAULT);

    /// Loads a module with all that it needs.
    fn kmod_module_probe_insert_module(
        module: Handle,
        flags: c_uint,
        extra_options: Text,
        run_install: Option<RunInstall>,
        data: *mut c_void,
        print_action: Option<PrintAction>,
    ) -> c_int {
        let options = extra_options.get();
        let wanted = Wanted { flags, options: options.as_deref(), run_install, data, print_action };
        MODULES.get(module).map_or(negative(Errno::NOENT), |module| probe::probe(&module, &wanted))
    } else negative(Errno::FAULT);

    /// Removes a module from the kernel.
    fn kmod_module_remove_module(module: Handle, flags: c_uint) -> c_int {
        code(MODULES.get(module).ok_or(Errno::NOENT).and_then(|module| {
            let force = has(flags, libc::O_TRUNC as c_uint);
            loading::remove(&module.context, &module.name, force, has(flags, REMOVE_QUIETLY))
        }))
    } else negative(Errno::FAULT);

    /// The module of an entry.
    fn kmod_module_get_module(entry: Handle) -> Handle {
        list::look(entry, |item| match item {
            Item::Module(module) => MODULES.hold(module.handle),
            _ => None,
        })
        .unwrap_or(Handle::NULL)
    } else Handle::NULL;

    /// What a module needs.
    fn kmod_module_get_dependencies(module: Handle) -> Handle {
        MODULES.get(module).map_or(Handle::NULL, |module| list::modules(module.dependencies().iter().cloned()))
    } else Handle::NULL;

    /// What is loaded before a module, and after it.
    fn kmod_module_get_softdeps(module: Handle, pre: Out, post: Out) -> c_int {
        code(MODULES.get(module).filter(|_| !pre.is_null() && !post.is_null()).ok_or(Errno::NOENT).map(|module| {
            let (before, after) = lookup::softdeps(&module);
            pre.set(list::modules(before));
            post.set(list::modules(after));
        }))
    } else negative(Errno::FAULT);

    /// What an initial ramdisk should contain along with a module.
    fn kmod_module_get_weakdeps(module: Handle, weak: Out) -> c_int {
        code(MODULES.get(module).filter(|_| !weak.is_null()).ok_or(Errno::NOENT).map(|module| {
            weak.set(list::modules(lookup::weakdeps(&module)));
        }))
    } else negative(Errno::FAULT);

    /// The modules of a list that are not excluded.
    fn kmod_module_apply_filter(context: Handle, kind: c_uint, input: Handle, output: Out) -> c_int {
        code(filter(context, kind, input, output))
    } else negative(Errno::FAULT);

    /// The modules of a list that are not in a blacklist.
    fn kmod_module_get_filtered_blacklist(context: Handle, input: Handle, output: Out) -> c_int {
        code(filter(context, FILTER_BLACKLIST, input, output))
    } else negative(Errno::FAULT);

    /// The command of an `install` line.
    fn kmod_module_get_install_commands(module: Handle) -> *const c_char {
        text_of(module, |module| module.install_command())
    } else null();

    /// The command of a `remove` line.
    fn kmod_module_get_remove_commands(module: Handle) -> *const c_char {
        text_of(module, |module| module.remove_command())
    } else null();

    /// The name.
    fn kmod_module_get_name(module: Handle) -> *const c_char {
        text_of(module, |module| Some(&module.name))
    } else null();

    /// The options of the configuration.
    fn kmod_module_get_options(module: Handle) -> *const c_char {
        text_of(module, |module| module.options())
    } else null();

    /// The file.
    fn kmod_module_get_path(module: Handle) -> *const c_char {
        text_of(module, |module| module.path())
    } else null();
}
