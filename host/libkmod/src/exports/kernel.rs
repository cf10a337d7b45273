//! The loaded modules.

use crate::c::{Out, c_text, exported};
use crate::context::CONTEXTS;
use crate::errno::{code, negative};
use crate::handles::Handle;
use crate::kernel_view::{self, State};
use crate::list::{self, Item};
use crate::log::ERROR;
use crate::module::{MODULES, Module};
use crate::names;
use rustix::io::Errno;
use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong};
use std::os::unix::ffi::OsStringExt as _;
use std::ptr::null;
use std::sync::Arc;

fn loaded(context: Handle, list: Out) -> Result<(), Errno> {
    let context = CONTEXTS.get(context).filter(|_| !list.is_null()).ok_or(Errno::NOENT)?;
    let names = kernel_view::loaded().inspect_err(|error| {
        context.log.say(ERROR, c"kmod_module_new_from_loaded", format_args!("/proc/modules: {error}"));
    })?;
    let modules = names.iter().filter_map(|name| Module::by_name(&context, &names::module(name.as_bytes())).ok());
    list.set(list::modules(modules));
    Ok(())
}

fn holders(module: &Module) -> Result<Handle, Errno> {
    let names = kernel_view::holders(module)?;
    let holder = |name: &String| Module::by_name(&module.context, &names::module(name.as_bytes()));
    Ok(list::modules(names.iter().map(holder).collect::<Result<Vec<Arc<Module>>, _>>()?))
}

fn sections(module: &Module) -> Result<Handle, Errno> {
    let sections = kernel_view::sections(module)?.into_iter();
    Ok(list::make(sections.map(|(name, address)| Item::Section { name: c_text(name.into_vec()), address }).collect()))
}

exported! {
    /// The loaded modules.
    fn kmod_module_new_from_loaded(context: Handle, list: Out) -> c_int {
        code(loaded(context, list))
    } else negative(Errno::FAULT);

    /// The state of a module.
    fn kmod_module_get_initstate(module: Handle) -> c_int {
        MODULES
            .get(module)
            .ok_or(Errno::NOENT)
            .and_then(|module| kernel_view::state(&module))
            .map_or_else(negative, |state| state as c_int)
    } else negative(Errno::FAULT);

    /// The name of a state.
    fn kmod_module_initstate_str(state: c_uint) -> *const c_char {
        State::of_number(state).map_or(null(), |state| state.name().as_ptr())
    } else null();

    /// The size of a loaded module.
    fn kmod_module_get_size(module: Handle) -> c_long {
        MODULES
            .get(module)
            .ok_or(Errno::NOENT)
            .and_then(|module| kernel_view::size(&module))
            .map_or_else(|error| negative(error).into(), |size| size as c_long)
    } else negative(Errno::FAULT).into();

    /// The use count of a loaded module.
    fn kmod_module_get_refcnt(module: Handle) -> c_int {
        MODULES
            .get(module)
            .ok_or(Errno::NOENT)
            .and_then(|module| kernel_view::use_count(&module))
            .map_or_else(negative, |count| count as c_int)
    } else negative(Errno::FAULT);

    /// The modules that use a loaded one.
    fn kmod_module_get_holders(module: Handle) -> Handle {
        MODULES.get(module).and_then(|module| holders(&module).ok()).unwrap_or(Handle::NULL)
    } else Handle::NULL;

    /// The sections of a loaded module.
    fn kmod_module_get_sections(module: Handle) -> Handle {
        MODULES.get(module).and_then(|module| sections(&module).ok()).unwrap_or(Handle::NULL)
    } else Handle::NULL;

    /// The address of a section.
    fn kmod_module_section_get_address(entry: Handle) -> c_ulong {
        list::look(entry, |item| match item {
            Item::Section { address, .. } => Some(*address as c_ulong),
            _ => None,
        })
        .unwrap_or(c_ulong::MAX)
    } else c_ulong::MAX;

    /// The name of a section.
    fn kmod_module_section_get_name(entry: Handle) -> *const c_char {
        list::look(entry, |item| match item {
            Item::Section { name, .. } => Some(name.as_ptr()),
            _ => None,
        })
        .unwrap_or(null())
    } else null();

    /// Frees a list.
    fn kmod_module_section_free_list(list: Handle) { list::free(list) } else ();
}
