//! Lists, which programs walk and free.

use crate::handles::{Handle, lock};
use crate::module::Module;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex};

/// An entry of a list.
pub(crate) enum Item {
    Module(Arc<Module>),
    Section { name: CString, address: u64 },
    Info { key: CString, value: CString },
    Symbol(Symbol),
}

/// A symbol of a module's file.
pub(crate) struct Symbol {
    pub(crate) name: CString,
    pub(crate) crc: u64,
    /// A letter of `enum kmod_symbol_bind`.
    pub(crate) bind: u8,
}

/// A list. It is a ring, as in kmod: any entry stands for all of it.
struct List {
    entries: Vec<Handle>,
    items: Vec<Item>,
}

/// The entries of all lists, each with its list and its place there.
static ENTRIES: Mutex<BTreeMap<Handle, (Arc<List>, usize)>> = Mutex::new(BTreeMap::new());

/// Makes a list. Returns its first entry, or null if there is none.
pub(crate) fn make(items: Vec<Item>) -> Handle {
    let handles: Vec<_> = items.iter().map(|_| Handle::new()).collect();
    let list = Arc::new(List { entries: handles.clone(), items });
    let mut entries = lock(&ENTRIES);
    entries.extend(handles.iter().enumerate().map(|(at, handle)| (*handle, (Arc::clone(&list), at))));
    handles.first().copied().unwrap_or(Handle::NULL)
}

/// Makes a list of modules.
pub(crate) fn modules(modules: impl IntoIterator<Item = Arc<Module>>) -> Handle {
    make(modules.into_iter().map(Item::Module).collect())
}

/// Frees a list.
pub(crate) fn free(entry: Handle) {
    // The end of a module takes other locks.
    let freed = {
        let mut entries = lock(&ENTRIES);
        let Some((list, _)) = entries.remove(&entry) else { return };
        for other in &list.entries {
            entries.remove(other);
        }
        list
    };
    drop(freed);
}

/// The entry after `current`; null if that would be `first` again.
pub(crate) fn next(first: Handle, current: Handle) -> Handle {
    beside(current, 1).filter(|next| !first.is_null() && *next != first).unwrap_or(Handle::NULL)
}

/// The entry before `current`; null if that is `first`.
pub(crate) fn previous(first: Handle, current: Handle) -> Handle {
    let found = if first == current || first.is_null() { None } else { beside(current, -1) };
    found.unwrap_or(Handle::NULL)
}

/// The last entry of the list that begins with `first`.
pub(crate) fn last(first: Handle) -> Handle {
    beside(first, -1).unwrap_or(Handle::NULL)
}

fn beside(entry: Handle, step: isize) -> Option<Handle> {
    let entries = lock(&ENTRIES);
    let (list, at) = entries.get(&entry)?;
    let count = list.entries.len() as isize;
    list.entries.get((*at as isize + step).rem_euclid(count) as usize).copied()
}

/// Looks at an entry. `None` if there is no such entry.
pub(crate) fn look<T>(entry: Handle, at: impl FnOnce(&Item) -> Option<T>) -> Option<T> {
    let (list, place) = lock(&ENTRIES).get(&entry).cloned()?;
    at(list.items.get(place)?)
}

/// The modules of a list, in its order from `first` on.
pub(crate) fn modules_of(first: Handle) -> Vec<Arc<Module>> {
    let Some((list, at)) = lock(&ENTRIES).get(&first).cloned() else { return Vec::new() };
    let (before, from) = list.items.split_at(at);
    let module = |item: &Item| match item {
        Item::Module(module) => Some(Arc::clone(module)),
        _ => None,
    };
    from.iter().chain(before).filter_map(module).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(count: u64) -> Handle {
        make((0..count).map(|address| Item::Section { name: CString::default(), address }).collect())
    }

    fn address(entry: Handle) -> Option<u64> {
        look(entry, |item| match item {
            Item::Section { address, .. } => Some(*address),
            _ => None,
        })
    }

    #[test]
    fn a_list_is_a_ring_that_begins_anywhere() {
        let first = list(3);
        let second = next(first, first);
        let third = next(first, second);
        assert_eq!([first, second, third].map(address), [Some(0), Some(1), Some(2)]);
        assert_eq!((next(first, third), next(second, third)), (Handle::NULL, first));
        assert_eq!((last(first), last(second)), (third, first));
        assert_eq!((previous(first, first), previous(first, second)), (Handle::NULL, first));
        free(second);
        assert_eq!([first, second, third].map(address), [None; 3]);
        // Freed twice, and nothing at all.
        free(first);
        free(Handle::NULL);
        assert_eq!((next(first, second), last(third), list(0)), (Handle::NULL, Handle::NULL, Handle::NULL));
    }
}
