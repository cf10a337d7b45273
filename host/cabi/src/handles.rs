//! Handles: what a program has instead of pointers.
//!
//! kmod's types are opaque, so a pointer to one of them can be any value that is not null and that is unique. Here it is
//! a number that is looked up, and that is never used for a second object. A program that uses an object after it has
//! released it, releases it twice, or passes one type for another, gets an error instead of undefined behaviour.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// An object of a program, as a pointer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Handle(usize);

impl Handle {
    /// The handle of nothing.
    pub const NULL: Self = Self(0);

    /// The handle that a pointer of a program stands for.
    #[must_use]
    pub fn of_address(address: usize) -> Self {
        Self(address)
    }

    /// The address of the pointer that stands for it.
    #[must_use]
    pub fn address(self) -> usize {
        self.0
    }

    /// True if it is that of nothing.
    #[must_use]
    pub fn is_null(self) -> bool {
        self == Self::NULL
    }

    /// A new handle. It is a multiple of 16, as addresses of objects are.
    #[allow(clippy::new_without_default, reason = "each is another")]
    #[must_use]
    pub fn new() -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        Self(LAST.fetch_add(16, Ordering::Relaxed) + 16)
    }
}

/// Locks a mutex. A panic while it was locked is not a reason to panic again.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The objects of one type.
pub struct Table<T> {
    rows: Mutex<BTreeMap<Handle, Row<T>>>,
}

struct Row<T> {
    object: Weak<T>,
    /// Keeps the object while the program has references.
    held: Option<Arc<T>>,
    /// The references that the program has.
    count: usize,
}

impl<T> Table<T> {
    /// A table without objects.
    #[must_use]
    pub const fn new() -> Self {
        Self { rows: Mutex::new(BTreeMap::new()) }
    }

    /// Adds an object that `make` makes with its handle. The object has to [`forget`](Self::forget) it when it ends.
    pub fn add(&self, make: impl FnOnce(Handle) -> T) -> Arc<T> {
        let handle = Handle::new();
        let object = Arc::new(make(handle));
        lock(&self.rows).insert(handle, Row { object: Arc::downgrade(&object), held: None, count: 0 });
        object
    }

    /// The object, if it still exists.
    pub fn get(&self, handle: Handle) -> Option<Arc<T>> {
        lock(&self.rows).get(&handle)?.object.upgrade()
    }

    /// Gives the program another reference.
    pub fn hold(&self, handle: Handle) -> Option<Handle> {
        let mut rows = lock(&self.rows);
        let row = rows.get_mut(&handle)?;
        if row.held.is_none() {
            row.held = Some(row.object.upgrade()?);
        }
        row.count += 1;
        Some(handle)
    }

    /// Takes back one reference of the program. Returns the handle if the object still exists.
    pub fn release(&self, handle: Handle) -> Option<Handle> {
        let last = {
            let mut rows = lock(&self.rows);
            let row = rows.get_mut(&handle)?;
            row.count = row.count.saturating_sub(1);
            if row.count == 0 { row.held.take() } else { None }
        };
        // The end of an object takes the lock.
        drop(last);
        lock(&self.rows).contains_key(&handle).then_some(handle)
    }

    /// Removes an object that ends.
    pub fn forget(&self, handle: Handle) {
        let row = lock(&self.rows).remove(&handle);
        drop(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: Table<Object> = Table::new();

    struct Object(Handle);

    impl Drop for Object {
        fn drop(&mut self) {
            TABLE.forget(self.0);
        }
    }

    #[test]
    fn an_object_lives_as_long_as_somebody_has_it() {
        let object = TABLE.add(Object);
        let handle = object.0;
        assert_eq!((TABLE.hold(handle), TABLE.hold(handle)), (Some(handle), Some(handle)));
        drop(object);
        assert_eq!(TABLE.release(handle), Some(handle));
        // Something else has it, too.
        let other = TABLE.get(handle).unwrap();
        assert_eq!(TABLE.release(handle), Some(handle));
        // More than there are: nothing happens.
        assert_eq!(TABLE.release(handle), Some(handle));
        assert_eq!(TABLE.hold(handle), Some(handle));
        drop(other);
        assert_eq!(TABLE.release(handle), None);
        assert!(TABLE.get(handle).is_none() && TABLE.hold(handle).is_none() && TABLE.release(handle).is_none());
        assert_ne!(TABLE.add(Object).0, handle);
        assert!(TABLE.get(Handle::NULL).is_none());
    }
}
