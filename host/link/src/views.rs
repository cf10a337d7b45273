//! Checked views of records in a guest's memory. Every offset and every count is hostile input.

use relobox_abi::{Span, Table};
use relobox_core::error::GuestError;
use zerocopy::{FromBytes, Immutable, KnownLayout};

// Records are little-endian, and are read in place.
#[cfg(target_endian = "big")]
compile_error!("relobox's host reads guest memory in place, and so far only on little-endian machines");

/// Returns the record at address `at`.
///
/// # Errors
/// [`GuestError::MalformedAnswer`] if it lies outside of `memory` or is not aligned.
pub fn record<T: FromBytes + KnownLayout + Immutable>(memory: &[u8], at: u32) -> Result<&T, GuestError> {
    let bytes = bytes(memory, Span { at, len: size_of::<T>() as u32 })?;
    T::ref_from_bytes(bytes).map_err(|_| GuestError::MalformedAnswer(format!("a record at {at:#x} is not aligned")))
}

/// Returns a table of records.
///
/// # Errors
/// As [`record`].
pub fn table<T: FromBytes + KnownLayout + Immutable>(memory: &[u8], table: Table) -> Result<&[T], GuestError> {
    if table.count == 0 {
        return Ok(&[]);
    }
    let outside =
        || GuestError::MalformedAnswer(format!("{} records at {:#x} lie outside its memory", table.count, table.at));
    let len = (table.count as usize).checked_mul(size_of::<T>()).ok_or_else(outside)?;
    let bytes = memory.get(table.at as usize..).and_then(|rest| rest.get(..len)).ok_or_else(outside)?;
    <[T]>::ref_from_bytes(bytes)
        .map_err(|_| GuestError::MalformedAnswer(format!("a table at {:#x} is not aligned", table.at)))
}

/// Returns a run of bytes.
///
/// # Errors
/// [`GuestError::MalformedAnswer`] if it lies outside of `memory`.
pub fn bytes(memory: &[u8], span: Span) -> Result<&[u8], GuestError> {
    memory.get(span.at as usize..).and_then(|rest| rest.get(..span.len as usize)).ok_or_else(|| {
        GuestError::MalformedAnswer(format!("{} bytes at {:#x} lie outside its memory", span.len, span.at))
    })
}
