//! What a program's pointers stand for: handles of counted objects (see [`relobox_cabi::handles`]).

use relobox_cabi::handles::{Handle, Table};
use std::ops::Deref;
use std::sync::Arc;

/// An object with its handle. Its table forgets it when it ends.
pub(crate) struct Kept<T: 'static> {
    handle: Handle,
    table: &'static Objects<T>,
    value: T,
}

/// The objects of one type.
pub(crate) type Objects<T> = Table<Kept<T>>;

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        self.table.forget(self.handle);
    }
}

/// Makes an object that a program has one reference to. Returns the pointer that stands for it.
pub(crate) fn keep<T, P>(table: &'static Objects<T>, value: T) -> *mut P {
    let kept = table.add(|handle| Kept { handle, table, value });
    pointer(table.hold(kept.handle))
}

/// The object that a pointer stands for. `None` for null, for an object that has ended, and for one of another type.
pub(crate) fn of<T, P>(table: &'static Objects<T>, object: *const P) -> Option<Arc<Kept<T>>> {
    table.get(Handle::of_address(object.addr()))
}

/// Gives the program another reference. Returns null if there is no such object.
pub(crate) fn hold<T, P>(table: &'static Objects<T>, object: *const P) -> *mut P {
    pointer(table.hold(Handle::of_address(object.addr())))
}

/// Takes back a reference of the program. Returns null if it was the last.
pub(crate) fn release<T, P>(table: &'static Objects<T>, object: *const P) -> *mut P {
    pointer(table.release(Handle::of_address(object.addr())))
}

fn pointer<P>(handle: Option<Handle>) -> *mut P {
    std::ptr::without_provenance_mut(handle.unwrap_or(Handle::NULL).address())
}
