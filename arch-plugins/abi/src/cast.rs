//! Views of bytes as records, and of records as bytes, without a copy and without a dependency: plugins depend on
//! nothing but relobox's own crates. The byte order is the machine's, which on wasm32 is that of the records.
#![allow(unsafe_code, reason = "a record in bytes is outside the language; the macro that defines records proves it")]

/// A record for which every bit pattern is a value, and that has no padding.
///
/// # Safety
/// Every bit pattern must be a value, there must be no padding, and nothing may change through a shared reference.
pub unsafe trait Record: Copy + 'static {}

macro_rules! integers {
    ($($ty:ty)*) => {$(
        // SAFETY: this is an integer.
        unsafe impl Record for $ty {}
    )*};
}

integers!(u8 i8 u16 u32 i32 u64 i64);

// SAFETY: the elements of an array follow one another without padding.
unsafe impl<T: Record, const N: usize> Record for [T; N] {}

/// Bytes as records: `None` if they are not aligned for one, or no whole number of them.
/// Returns bytes as records, or `None` if they are not aligned for a record or not a whole number of records.
/// ```
/// use relobox_abi::{Span, cast};
/// let spans = [Span { at: 1, len: 2 }, Span { at: 3, len: 4 }];
/// let bytes = cast::bytes_of(&spans);
/// assert_eq!(cast::records::<Span>(bytes), Some(&spans[..]));
/// assert_eq!(cast::records::<Span>(&bytes[..9]), None);
/// assert_eq!(cast::records::<Span>(&bytes[1..9]), None);
/// ```
#[must_use]
pub fn records<T: Record>(bytes: &[u8]) -> Option<&[T]> {
    let size = size_of::<T>();
    let whole = size != 0 && bytes.len().is_multiple_of(size);
    if !whole || !bytes.as_ptr().addr().is_multiple_of(align_of::<T>()) {
        return None;
    }
    // SAFETY: the bytes are aligned and have the length of that many records; any bytes are records; the lifetime
    // stays.
    Some(unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size) })
}

/// Returns the record at the start of the bytes, or `None` if they are too few or not aligned for it.
#[must_use]
pub fn record<T: Record>(bytes: &[u8]) -> Option<&T> {
    records(bytes.get(..size_of::<T>())?)?.first()
}

/// Returns records as bytes.
#[must_use]
pub fn bytes_of<T: Record>(records: &[T]) -> &[u8] {
    // SAFETY: records have no padding, so each of their bytes is initialised. The lifetime stays.
    unsafe { core::slice::from_raw_parts(records.as_ptr().cast(), size_of_val(records)) }
}

/// Returns records as bytes that may be changed.
#[must_use]
pub fn bytes_of_mut<T: Record>(records: &mut [T]) -> &mut [u8] {
    // SAFETY: as in `bytes_of`; any bytes that are written are records.
    unsafe { core::slice::from_raw_parts_mut(records.as_mut_ptr().cast(), size_of_val(records)) }
}
