//! kmalloc and related functions, with the checks that a real kernel only makes in debug builds.

use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::entry::{Entry, Kind, functions};
use crate::limits;
use crate::process::call;

pub(super) fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    all.extend(functions![Function:
        __kmalloc, kmalloc, kzalloc, kcalloc, kmalloc_array, kmalloc_trace, krealloc, kfree, kfree_sensitive, ksize,
        kmemdup, kstrdup, kstrndup, kvmalloc_node, kvfree, vmalloc, vzalloc, vfree,
    ]);
    // The inline kmalloc of 6.1 passes an entry of this table to kmalloc_trace, which does not use it here.
    all.push(Entry { name: "kmalloc_caches", gpl: false, kind: Kind::Zeros(4 * 14 * 8) });
    all
}

const GFP_ZERO: u32 = 0x100;
/// The contents of memory that was not requested as zeroed, so that a wrong use becomes visible.
const POISON: u8 = 0x5a;
/// The result of kmalloc(0), which is neither NULL nor usable.
const ZERO_SIZE: usize = 16;

struct Books {
    sizes: BTreeMap<usize, Layout>,
    held: usize,
}

static BOOKS: Mutex<Books> = Mutex::new(Books { sizes: BTreeMap::new(), held: 0 });

fn books() -> MutexGuard<'static, Books> {
    BOOKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of bytes that module code holds.
pub(crate) fn held() -> u64 {
    books().held as u64
}

fn take(size: usize, flags: u32) -> *mut u8 {
    if size == 0 {
        return std::ptr::without_provenance_mut(ZERO_SIZE);
    }
    let mut books = books();
    // Like kmalloc, a size that is a power of two is aligned to itself. Like vmalloc, whole pages are aligned to a
    // page.
    let align = if size.is_power_of_two() || size >= 4096 { size.next_power_of_two().clamp(16, 4096) } else { 16 };
    let layout = match Layout::from_size_align(size, align) {
        Ok(layout) if size <= limits::HEAP - books.held.min(limits::HEAP) => layout,
        _ => return std::ptr::null_mut(),
    };
    // SAFETY: the size of the layout is not zero. The written bytes are those that were just allocated.
    let pointer = unsafe {
        let pointer = alloc(layout);
        if pointer.is_null() {
            return pointer;
        }
        pointer.write_bytes(if flags & GFP_ZERO == 0 { POISON } else { 0 }, size);
        pointer
    };
    books.held += size;
    books.sizes.insert(pointer.expose_provenance(), layout);
    pointer
}

fn give_back(pointer: *mut u8) {
    if pointer.addr() <= ZERO_SIZE {
        return;
    }
    let mut books = books();
    let Some(layout) = books.sizes.remove(&pointer.addr()) else {
        call::oops(format_args!("kfree of {:#x}, which is not allocated", pointer.addr()))
    };
    books.held -= layout.size();
    // SAFETY: the table says that the pointer was allocated with this layout, and its entry was just removed.
    unsafe { dealloc(pointer, layout) };
}

/// The entry of a pointer in the table of allocations.
fn size_of_block(pointer: *const u8) -> usize {
    books().sizes.get(&pointer.addr()).map_or(0, Layout::size)
}

/// Allocates a block with a copy of `size` bytes.
fn copy(from: *const u8, size: usize, room: usize, flags: u32) -> *mut u8 {
    let to = take(room, flags);
    if !to.is_null() && size > 0 {
        // SAFETY: according to the caller, `from` has `size` bytes. The new block has `room` bytes, which is not less.
        unsafe { std::ptr::copy_nonoverlapping(from, to, size) };
    }
    to
}

extern "C" fn __kmalloc(size: usize, flags: u32) -> *mut u8 {
    take(size, flags)
}

extern "C" fn kmalloc(size: usize, flags: u32) -> *mut u8 {
    take(size, flags)
}

extern "C" fn kzalloc(size: usize, flags: u32) -> *mut u8 {
    take(size, flags | GFP_ZERO)
}

extern "C" fn kmalloc_array(count: usize, size: usize, flags: u32) -> *mut u8 {
    count.checked_mul(size).map_or(std::ptr::null_mut(), |all| take(all, flags))
}

extern "C" fn kcalloc(count: usize, size: usize, flags: u32) -> *mut u8 {
    kmalloc_array(count, size, flags | GFP_ZERO)
}

extern "C" fn kmalloc_trace(_cache: *const u8, flags: u32, size: usize) -> *mut u8 {
    take(size, flags)
}

extern "C" fn kvmalloc_node(size: usize, flags: u32, _node: i32) -> *mut u8 {
    take(size, flags)
}

extern "C" fn vmalloc(size: usize) -> *mut u8 {
    if size == 0 { std::ptr::null_mut() } else { take(size.next_multiple_of(4096), 0) }
}

extern "C" fn vzalloc(size: usize) -> *mut u8 {
    if size == 0 { std::ptr::null_mut() } else { take(size.next_multiple_of(4096), GFP_ZERO) }
}

extern "C" fn krealloc(old: *mut u8, size: usize, flags: u32) -> *mut u8 {
    if size == 0 {
        give_back(old);
        return take(0, flags);
    }
    let kept = size_of_block(old).min(size);
    let new = copy(old, kept, size, flags);
    if !new.is_null() {
        give_back(old);
    }
    new
}

extern "C" fn kfree(pointer: *mut u8) {
    give_back(pointer);
}

extern "C" fn kvfree(pointer: *mut u8) {
    give_back(pointer);
}

extern "C" fn vfree(pointer: *mut u8) {
    give_back(pointer);
}

extern "C" fn kfree_sensitive(pointer: *mut u8) {
    let size = size_of_block(pointer);
    if size > 0 {
        // SAFETY: the table says that the block has this size.
        unsafe { pointer.write_bytes(0, size) };
    }
    give_back(pointer);
}

extern "C" fn ksize(pointer: *const u8) -> usize {
    size_of_block(pointer)
}

extern "C" fn kmemdup(from: *const u8, size: usize, flags: u32) -> *mut u8 {
    copy(from, size, size, flags)
}

pub(super) extern "C" fn kstrdup(text: *const c_char, flags: u32) -> *mut u8 {
    kstrndup(text, limits::C_STRING, flags)
}

extern "C" fn kstrndup(text: *const c_char, most: usize, flags: u32) -> *mut u8 {
    if text.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: module code passes a string, or at least `most` bytes.
    let len = unsafe { libc::strnlen(text, most) };
    // One byte more for the NUL, which the zeroed memory contains.
    copy(text.cast(), len, len + 1, flags | GFP_ZERO)
}

/// For param_free_charp: frees a string if kstrdup made it.
pub(super) fn free_if_ours(pointer: *mut u8) {
    if size_of_block(pointer) > 0 {
        give_back(pointer);
    }
}
