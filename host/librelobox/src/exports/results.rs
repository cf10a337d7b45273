//! What is in a module, and what became of it.

#![allow(unsafe_code, reason = "the names are those of the C interface")]
#![allow(unreachable_pub, reason = "the header is made from public functions")]

use crate::context::{CONTEXTS, call};
use crate::elements::{FAULT, element};
use crate::image::IMAGES;
use crate::info::INFOS;
use crate::loaded::LOADED;
use crate::objects::{Kept, hold, keep, of, release};
use crate::plugins::{PLUGINS, list};
use crate::pointers::{copy_to, path, place, set};
use crate::report::or_null;
use crate::types::{self, Context, Image, Info, Loaded, Plugins};
use relobox_cabi::boundary::guarded;
use relobox_cabi::errno::{negative, of_load};
use relobox_core::error::{Error, Result};
use rustix::io::Errno;
use std::ffi::{c_char, c_int};
use std::ptr::{null, null_mut};
use std::sync::Arc;

/// Takes another reference to what is in a module. Returns it, or null for null and for what is none.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_ref(info: *mut Info) -> *mut Info {
    guarded(|| hold(&INFOS, info), null_mut())
}

/// Gives a reference to what is in a module back. Returns null if it was the last, and for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_unref(info: *mut Info) -> *mut Info {
    guarded(|| release(&INFOS, info), null_mut())
}

/// Gets the machine of a module. `size` is the size of the structure. Returns 0, or `-EINVAL` for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_machine(info: *const Info, machine: *mut types::Machine, size: usize) -> c_int {
    guarded(|| element(of(&INFOS, info), |info| Some(info.machine()), machine, size), FAULT)
}

/// The number of entries of `.modinfo`.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_modinfo_count(info: *const Info) -> usize {
    guarded(|| of(&INFOS, info).map_or(0, |object| object.modinfo()), 0)
}

/// Gets an entry of `.modinfo`. Its texts live as long as the object. `size` is the size of the structure.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_modinfo(
    info: *const Info,
    index: usize,
    result: *mut types::ModinfoEntry,
    size: usize,
) -> c_int {
    guarded(|| element(of(&INFOS, info), |object| object.modinfo_entry(index), result, size), FAULT)
}

/// The number of sections that are in memory.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_section_count(info: *const Info) -> usize {
    guarded(|| of(&INFOS, info).map_or(0, |object| object.sections()), 0)
}

/// Gets a section. Its texts live as long as the object. `size` is the size of the structure.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_section(
    info: *const Info,
    index: usize,
    result: *mut types::Section,
    size: usize,
) -> c_int {
    guarded(|| element(of(&INFOS, info), |object| object.section(index), result, size), FAULT)
}

/// The number of symbols that the module exports.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_export_count(info: *const Info) -> usize {
    guarded(|| of(&INFOS, info).map_or(0, |object| object.exports()), 0)
}

/// Gets a symbol that the module exports. Its texts live as long as the object. `size` is the size of the structure.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_export(
    info: *const Info,
    index: usize,
    result: *mut types::Symbol,
    size: usize,
) -> c_int {
    guarded(|| element(of(&INFOS, info), |object| object.export(index), result, size), FAULT)
}

/// The number of symbols that the module needs.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_undefined_count(info: *const Info) -> usize {
    guarded(|| of(&INFOS, info).map_or(0, |object| object.wanted()), 0)
}

/// Gets a symbol that the module needs. Its texts live as long as the object. `size` is the size of the structure.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_undefined(
    info: *const Info,
    index: usize,
    result: *mut types::Symbol,
    size: usize,
) -> c_int {
    guarded(|| element(of(&INFOS, info), |object| object.wanted_symbol(index), result, size), FAULT)
}

/// The number of types of relocations.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_relocation_count(info: *const Info) -> usize {
    guarded(|| of(&INFOS, info).map_or(0, |object| object.relocations()), 0)
}

/// Gets a type of relocations, the most frequent first. Its texts live as long as the object. `size` is the size of the structure.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_info_relocation(
    info: *const Info,
    index: usize,
    result: *mut types::RelocationCount,
    size: usize,
) -> c_int {
    guarded(|| element(of(&INFOS, info), |object| object.relocation(index), result, size), FAULT)
}

/// Takes another reference to a linked module. Returns it, or null for null and for what is none.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_ref(image: *mut Image) -> *mut Image {
    guarded(|| hold(&IMAGES, image), null_mut())
}

/// Gives a reference to a linked module back. Returns null if it was the last, and for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_unref(image: *mut Image) -> *mut Image {
    guarded(|| release(&IMAGES, image), null_mut())
}

/// The name of the plugin. It lives as long as the image. Null for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_plugin(image: *const Image) -> *const c_char {
    guarded(|| of(&IMAGES, image).map_or(null(), |image| image.plugin().as_ptr()), null())
}

/// The number of relocations that were applied.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_relocations(image: *const Image) -> u64 {
    guarded(|| of(&IMAGES, image).map_or(0, |image| image.relocations()), 0)
}

/// The number of areas. Sections at exact addresses are in none.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_area_count(image: *const Image) -> usize {
    guarded(|| of(&IMAGES, image).map_or(0, |object| object.areas()), 0)
}

/// Gets an area. Its texts live as long as the object. `size` is the size of the structure.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_area(
    image: *const Image,
    index: usize,
    result: *mut types::Area,
    size: usize,
) -> c_int {
    guarded(|| element(of(&IMAGES, image), |object| object.area(index), result, size), FAULT)
}

/// The number of sections in memory, with those that the plugin made.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_section_count(image: *const Image) -> usize {
    guarded(|| of(&IMAGES, image).map_or(0, |object| object.sections()), 0)
}

/// Gets a section with its final contents, the lowest address first. Its texts live as long as the object. `size` is the size of the structure.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_section(
    image: *const Image,
    index: usize,
    result: *mut types::Section,
    size: usize,
) -> c_int {
    guarded(|| element(of(&IMAGES, image), |object| object.section(index), result, size), FAULT)
}

/// The number of modules whose symbols it uses.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_use_count(image: *const Image) -> usize {
    guarded(|| of(&IMAGES, image).map_or(0, |object| object.uses().len()), 0)
}

/// Returns the name of a module whose symbols it uses. It lives as long as the object. Null if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_use(image: *const Image, index: usize) -> *const c_char {
    guarded(|| of(&IMAGES, image).map_or(null(), |object| or_null(object.uses().get(index))), null())
}

/// The number of sections whose relocations are left for the kernel: those of a live patch.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_left_count(image: *const Image) -> usize {
    guarded(|| of(&IMAGES, image).map_or(0, |object| object.left().len()), 0)
}

/// Returns the name of a section whose relocations are left for the kernel. It lives as long as the object. Null if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_left(image: *const Image, index: usize) -> *const c_char {
    guarded(|| of(&IMAGES, image).map_or(null(), |object| or_null(object.left().get(index))), null())
}

/// Copies `size` bytes of the module's memory at `address`. What lies between sections is 0.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if they are neither all in one area nor all in one section.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_read(image: *const Image, address: u64, buffer: *mut u8, size: usize) -> c_int {
    let read = || {
        let Some(image) = of(&IMAGES, image).filter(|_| !buffer.is_null()) else { return negative(Errno::INVAL) };
        match image.read(address, size as u64) {
            Ok(bytes) => {
                copy_to(buffer, &bytes);
                0
            }
            Err(_) => negative(Errno::RANGE),
        }
    };
    guarded(read, FAULT)
}

/// The linked module as an ELF file, and its size. It lives as long as the image. Null for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_elf(image: *const Image, size: *mut usize) -> *const u8 {
    set(size, 0);
    let elf = || {
        of(&IMAGES, image).map_or(null(), |image| {
            set(size, image.elf().len());
            image.elf().as_ptr()
        })
    };
    guarded(elf, null())
}

/// Writes that ELF file. It replaces another as a whole.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_image_write(image: *const Image, file: *const c_char) -> c_int {
    let write = || -> Result<()> {
        let image = of(&IMAGES, image).ok_or_else(|| Error::Usage("there is no such image".into()))?;
        image.write(&path(file, "the file")?)
    };
    guarded(|| write().map_or_else(|error| negative(of_load(&error)), |()| 0), FAULT)
}

/// Takes another reference to what became of a loaded module. Returns it, or null for null and for what is none.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_loaded_ref(loaded: *mut Loaded) -> *mut Loaded {
    guarded(|| hold(&LOADED, loaded), null_mut())
}

/// Gives a reference to what became of a loaded module back. Returns null if it was the last, and for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_loaded_unref(loaded: *mut Loaded) -> *mut Loaded {
    guarded(|| release(&LOADED, loaded), null_mut())
}

/// Gets what became of the module. Its texts live as long as the object. Returns 0, or `-EINVAL` for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_loaded_result(loaded: *const Loaded, result: *mut types::LoadResult, size: usize) -> c_int {
    guarded(|| element(of(&LOADED, loaded), |loaded| Some(loaded.get()), result, size), FAULT)
}

/// The number of areas, where the kernel shows them.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_loaded_area_count(loaded: *const Loaded) -> usize {
    guarded(|| of(&LOADED, loaded).map_or(0, |object| object.areas()), 0)
}

/// Gets an area. Its texts live as long as the object. `size` is the size of the structure.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_loaded_area(
    loaded: *const Loaded,
    index: usize,
    result: *mut types::Area,
    size: usize,
) -> c_int {
    guarded(|| element(of(&LOADED, loaded), |object| object.area(index), result, size), FAULT)
}

/// The number of modules that it uses.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_loaded_use_count(loaded: *const Loaded) -> usize {
    guarded(|| of(&LOADED, loaded).map_or(0, |object| object.uses().len()), 0)
}

/// Returns the name of a module that it uses. It lives as long as the object. Null if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_loaded_use(loaded: *const Loaded, index: usize) -> *const c_char {
    guarded(|| of(&LOADED, loaded).map_or(null(), |object| or_null(object.uses().get(index))), null())
}

/// The number of parameters that the module does not know.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_loaded_unknown_count(loaded: *const Loaded) -> usize {
    guarded(|| of(&LOADED, loaded).map_or(0, |object| object.unknown().len()), 0)
}

/// Returns the name of a parameter that the module does not know. It lives as long as the object. Null if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_loaded_unknown(loaded: *const Loaded, index: usize) -> *const c_char {
    guarded(|| of(&LOADED, loaded).map_or(null(), |object| or_null(object.unknown().get(index))), null())
}

/// Lists the plugins that a context finds: those that are built in, then those in files, pinned or not.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_plugins_list(context: *mut Context, plugins: *mut *mut Plugins) -> c_int {
    set(plugins, null_mut());
    let make = |context: &Arc<Kept<_>>| {
        set(place(plugins)?, keep(&PLUGINS, list(context)?));
        Ok(())
    };
    guarded(|| call(of(&CONTEXTS, context).as_ref(), make), FAULT)
}

/// Takes another reference to a list of plugins. Returns it, or null for null and for what is none.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_plugins_ref(plugins: *mut Plugins) -> *mut Plugins {
    guarded(|| hold(&PLUGINS, plugins), null_mut())
}

/// Gives a reference to a list of plugins back. Returns null if it was the last, and for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_plugins_unref(plugins: *mut Plugins) -> *mut Plugins {
    guarded(|| release(&PLUGINS, plugins), null_mut())
}

/// The number of plugins.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_plugins_count(plugins: *const Plugins) -> usize {
    guarded(|| of(&PLUGINS, plugins).map_or(0, |object| object.len()), 0)
}

/// Gets a plugin. Its texts live as long as the object. `size` is the size of the structure.
///
/// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_plugins_get(
    plugins: *const Plugins,
    index: usize,
    result: *mut types::Plugin,
    size: usize,
) -> c_int {
    guarded(
        || element(of(&PLUGINS, plugins), |object| object.get(index).map(crate::plugins::Found::get), result, size),
        FAULT,
    )
}
