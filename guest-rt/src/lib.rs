//! What every Rust guest of relobox stands on: an allocator that never frees, a panic handler that
//! traps, room for the host to write in, and answers that stay where they are.
//!
//! A guest lives for one job, so nothing is ever freed: that makes allocation a few instructions
//! and the memory a guest needs a function of its input.
//!
//! This is the only crate below the guests with `unsafe` in it; natively (tests, benchmarks) only
//! the safe parts exist.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::vec::Vec;
use relobox_abi::{Span, Table};

#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(target_arch = "wasm32")]
pub use wasm::{Session, job_bytes, reserve, session};

/// Leaves `bytes` where they are, for good, and says where.
#[must_use]
pub fn keep_bytes(bytes: &'static [u8]) -> Span {
    Span { at: bytes.as_ptr() as usize as u32, len: bytes.len() as u32 }
}

/// Leaves `records` where they are, for good, and says where.
#[must_use]
pub fn keep<T: 'static>(records: Vec<T>) -> Table {
    let records = records.leak();
    Table { at: records.as_ptr() as usize as u32, count: records.len() as u32 }
}

/// Leaves one record where it is, for good, and gives its address.
#[must_use]
pub fn keep_one<T: 'static>(record: T) -> u32 {
    let record: &'static T = alloc::boxed::Box::leak(alloc::boxed::Box::new(record));
    core::ptr::from_ref(record) as usize as u32
}
