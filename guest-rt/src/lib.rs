//! The runtime of all guests in Rust: an allocator that never frees, a panic handler that traps, memory that the host
//! writes into, and answers that stay in place.
//!
//! A guest lives for one job, so nothing is freed. Allocation takes a few instructions, and the memory that a guest
//! needs depends only on its input.
//!
//! Below the guests, this is the only crate with `unsafe` code. Natively (in tests and benchmarks) only the safe parts
//! exist.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::vec::Vec;
use relobox_abi::{Span, Table};

#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(target_arch = "wasm32")]
pub use wasm::{Session, job_bytes, reserve, session};

/// Keeps `bytes` in place until the instance ends. Returns their address and length.
#[must_use]
pub fn keep_bytes(bytes: &'static [u8]) -> Span {
    Span { at: bytes.as_ptr() as usize as u32, len: bytes.len() as u32 }
}

/// Keeps `records` in place until the instance ends. Returns their table.
#[must_use]
pub fn keep<T: 'static>(records: Vec<T>) -> Table {
    let records = records.leak();
    Table { at: records.as_ptr() as usize as u32, count: records.len() as u32 }
}

/// Keeps one record in place until the instance ends. Returns its address.
#[must_use]
pub fn keep_one<T: 'static>(record: T) -> u32 {
    let record: &'static T = alloc::boxed::Box::leak(alloc::boxed::Box::new(record));
    core::ptr::from_ref(record) as usize as u32
}
