//! The parts that only exist in a guest.
#![allow(unsafe_code, reason = "an allocator, and the host's writes into our memory, are outside the language")]

use alloc::alloc::{Layout, alloc_zeroed};
use core::cell::UnsafeCell;

#[cfg(feature = "bump")]
#[global_allocator]
static HEAP: bump::Bump = bump::Bump::new();

#[cfg(feature = "bump")]
mod bump {
    use core::alloc::{GlobalAlloc, Layout};
    use core::cell::Cell;

    const PAGE: usize = 65536;

    unsafe extern "C" {
        /// The end of the linker's data.
        static __heap_base: u8;
    }

    /// A bump allocator. New pages of a Wasm memory are zero, and nothing is reused.
    pub(super) struct Bump {
        next: Cell<usize>,
    }

    // SAFETY: a guest has one thread.
    unsafe impl Sync for Bump {}

    impl Bump {
        pub(super) const fn new() -> Self {
            Self { next: Cell::new(0) }
        }

        fn grow_to(&self, end: usize) -> bool {
            let have = core::arch::wasm32::memory_size(0) * PAGE;
            end <= have || core::arch::wasm32::memory_grow(0, (end - have).div_ceil(PAGE)) != usize::MAX
        }
    }

    // SAFETY: blocks never overlap, because `next` only grows, and `realloc` extends only the last block.
    unsafe impl GlobalAlloc for Bump {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let next = if self.next.get() == 0 { (&raw const __heap_base) as usize } else { self.next.get() };
            let Some(start) = next.checked_next_multiple_of(layout.align()) else { return core::ptr::null_mut() };
            let Some(end) = start.checked_add(layout.size()) else { return core::ptr::null_mut() };
            if !self.grow_to(end) {
                return core::ptr::null_mut();
            }
            self.next.set(end);
            start as *mut u8
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the contract is the same, and the pages are new and so zero.
            unsafe { self.alloc(layout) }
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            let start = block as usize;
            if start + layout.size() == self.next.get() && size >= layout.size() {
                let Some(end) = start.checked_add(size) else { return core::ptr::null_mut() };
                if !self.grow_to(end) {
                    return core::ptr::null_mut();
                }
                self.next.set(end);
                return block;
            }
            // SAFETY: the caller's layout is valid, and so is one with the same alignment and the new size.
            unsafe {
                let fresh = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if !fresh.is_null() {
                    core::ptr::copy_nonoverlapping(block, fresh, layout.size().min(size));
                }
                fresh
            }
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

/// Reserves zeroed memory, aligned to 16, into which the host writes. Returns its address, or 0 if memory is at its
/// limit.
#[must_use]
pub fn reserve(bytes: u32) -> u32 {
    let Ok(layout) = Layout::from_size_align((bytes as usize).max(1), 16) else { return 0 };
    // SAFETY: the size is not zero.
    (unsafe { alloc_zeroed(layout) }) as usize as u32
}

/// Returns the bytes that the host wrote at `at`, for exclusive use.
///
/// # Safety
/// `at` and `bytes` must describe memory from [`reserve`], and no other reference to it may exist.
#[must_use]
pub unsafe fn job_bytes(at: u32, bytes: u32) -> &'static mut [u8] {
    // SAFETY: the caller guarantees the range, and every bit pattern is a u8.
    unsafe { core::slice::from_raw_parts_mut(at as usize as *mut u8, bytes as usize) }
}

/// A cell for the state that a guest keeps between two calls.
pub struct Session<T>(UnsafeCell<Option<T>>);

// SAFETY: a guest has one thread.
unsafe impl<T> Sync for Session<T> {}

/// Creates an empty cell.
#[must_use]
pub const fn session<T>() -> Session<T> {
    Session(UnsafeCell::new(None))
}

impl<T> Session<T> {
    /// Stores `value`.
    pub fn put(&self, value: T) {
        // SAFETY: there is one thread, and no reference outlives a call, since `take` moves the value out.
        unsafe { *self.0.get() = Some(value) }
    }

    /// Takes the stored value.
    pub fn take(&self) -> Option<T> {
        // SAFETY: as in `put`.
        unsafe { (*self.0.get()).take() }
    }
}
