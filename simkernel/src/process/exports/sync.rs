//! Locks and similar functions. There is one thread, so they do nothing.

use super::entry::{Entry, functions};

pub(super) fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    all.extend(functions![Function: __mutex_init, mutex_lock, mutex_unlock, mutex_trylock]);
    all.extend(
        functions![Function: _raw_spin_lock, _raw_spin_unlock, _raw_spin_lock_irqsave, _raw_spin_unlock_irqrestore],
    );
    all
}

extern "C" fn __mutex_init(_lock: *mut u8, _name: *const u8, _key: *mut u8) {}

extern "C" fn mutex_lock(_lock: *mut u8) {}

extern "C" fn mutex_unlock(_lock: *mut u8) {}

extern "C" fn mutex_trylock(_lock: *mut u8) -> i32 {
    1
}

extern "C" fn _raw_spin_lock(_lock: *mut u8) {}

extern "C" fn _raw_spin_unlock(_lock: *mut u8) {}

extern "C" fn _raw_spin_lock_irqsave(_lock: *mut u8) -> u64 {
    0
}

extern "C" fn _raw_spin_unlock_irqrestore(_lock: *mut u8, _flags: u64) {}
