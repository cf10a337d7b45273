//! Modules.

#![allow(unsafe_code, reason = "the names are those of the C interface")]
#![allow(unreachable_pub, reason = "the header is made from public functions")]

use crate::context::{CONTEXTS, call};
use crate::elements::FAULT;
use crate::image::IMAGES;
use crate::info::INFOS;
use crate::loaded::LOADED;
use crate::module::{MODULES, Module as File};
use crate::objects::{Kept, hold, keep, of, release};
use crate::pointers::{array, bytes, name, path, place, set, utf8_or_empty};
use crate::symbols::{SYMBOLS, Sources};
use crate::types::{Context, Image, Info, Kernel, Loaded, Module, Placement, Symbols};
use relobox_cabi::boundary::guarded;
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_isolate::message::Name;
use relobox_kmod::real::Backend;
use std::ffi::{c_char, c_int};
use std::ptr::{null, null_mut};
use std::sync::Arc;

/// Reads the file of a module: .ko, .ko.gz, .ko.xz, .ko.zst, or another relocatable object. Whether it is one shows when
/// it is used. The file can change later; the object has what it was.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_module_open(context: *mut Context, file: *const c_char, module: *mut *mut Module) -> c_int {
    set(module, null_mut());
    let make = |context: &Arc<Kept<_>>| {
        let module = place(module)?;
        set(module, keep(&MODULES, File::open(Arc::clone(context), &path(file, "the file")?)?));
        Ok(())
    };
    guarded(|| call(of(&CONTEXTS, context).as_ref(), make), FAULT)
}

/// As `relobox_module_open`, from memory, which is copied. `file` is for messages, and tells the name of a module that
/// does not say it.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_module_from_memory(
    context: *mut Context,
    file: *const c_char,
    data: *const u8,
    size: usize,
    module: *mut *mut Module,
) -> c_int {
    set(module, null_mut());
    let make = |context: &Arc<Kept<_>>| {
        let (module, file) = (place(module)?, path(file, "the name")?);
        let bytes = bytes(data, size, limits::FILE, "the module")?;
        set(module, keep(&MODULES, File::from_memory(Arc::clone(context), file, &bytes)?));
        Ok(())
    };
    guarded(|| call(of(&CONTEXTS, context).as_ref(), make), FAULT)
}

/// Takes another reference to a module. Returns it, or null for null and for what is none.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_module_ref(module: *mut Module) -> *mut Module {
    guarded(|| hold(&MODULES, module), null_mut())
}

/// Gives a reference to a module back. Returns null if it was the last, and for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_module_unref(module: *mut Module) -> *mut Module {
    guarded(|| release(&MODULES, module), null_mut())
}

/// The name of the module's file. It lives as long as the module.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_module_file(module: *const Module) -> *const c_char {
    guarded(|| of(&MODULES, module).map_or(null(), |module| module.name.as_ptr()), null())
}

fn with(module: *const Module, body: impl FnOnce(&File) -> Result<()>) -> c_int {
    guarded(
        || {
            let module = of(&MODULES, module);
            let context = module.as_ref().map(|module| Arc::clone(&module.context));
            call(context.as_ref(), |_| module.map_or(Ok(()), |module| body(&module)))
        },
        FAULT,
    )
}

/// The symbols that a program passes; none for null.
fn sources(symbols: *const Symbols) -> Result<Sources> {
    if symbols.is_null() {
        return Ok(Sources::default());
    }
    let symbols = of(&SYMBOLS, symbols).ok_or_else(|| Error::Usage("there are no such symbols".into()))?;
    Ok(symbols.sources())
}

/// Tells what is in the module, without linking it.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_module_inspect(module: *const Module, info: *mut *mut Info) -> c_int {
    set(info, null_mut());
    with(module, |module| {
        set(place(info)?, keep(&INFOS, module.inspect()?));
        Ok(())
    })
}

/// Tries whether the module links, as `relobox check` does: where Linux usually puts modules, or near the kernel that
/// `symbols` (or null) tell of. Symbols without an address get one there; without symbols of a kernel, all do.
///
/// Returns 0 if it links, or `-ENOEXEC`; then relobox_context_error() has every reason.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_module_check(module: *const Module, symbols: *const Symbols) -> c_int {
    with(module, |module| module.check(&sources(symbols)?))
}

/// Links the module at its final addresses: at `base`, or, for 0, where Linux usually puts modules of its machine.
///
/// `placements` (or null) are the exact addresses of `count` sections. The others follow from `base`, or, for 0, from the
/// page after the last of those. All symbols that the module needs must be in `symbols`.
///
/// Returns 0, or `-ENOEXEC` if it does not link there; then relobox_context_error() has every reason.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_module_link(
    module: *const Module,
    symbols: *const Symbols,
    base: u64,
    placements: *const Placement,
    count: usize,
    image: *mut *mut Image,
) -> c_int {
    set(image, null_mut());
    with(module, |module| {
        let image = place(image)?;
        let section = |one: &Placement| Ok((Name::new(&name(one.section, "a section")?), one.address));
        let sections = array(placements, count, "the array of sections")?.iter().map(section).collect::<Result<_>>()?;
        set(image, keep(&IMAGES, module.link(&sources(symbols)?, (base != 0).then_some(base), sections)?));
        Ok(())
    })
}

/// Has this machine's kernel load the module: `kernel` is one of `enum relobox_kernel`. `parameters` (or null) are
/// `NAME=VALUE`, separated by blanks. The process needs the right to load modules; the one that links has none.
///
/// `loaded` may be null. After an error, the module is not live, except if the diagnostic is of the kind `not-listed`.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_module_insert(
    module: *const Module,
    kernel: u32,
    parameters: *const c_char,
    loaded: *mut *mut Loaded,
) -> c_int {
    set(loaded, null_mut());
    with(module, |module| {
        let backend = match kernel {
            auto if auto == Kernel::Auto as u32 => Backend::Auto,
            device if device == Kernel::Device as u32 => Backend::Device,
            vet if vet == Kernel::Vet as u32 => Backend::Vet,
            other => return Err(Error::Usage(format!("there is no kernel {other}"))),
        };
        let result = module.insert(backend, &utf8_or_empty(parameters, "the parameters")?)?;
        if !loaded.is_null() {
            set(loaded, keep(&LOADED, result));
        }
        Ok(())
    })
}
