//! The output buffer and its limit.

use crate::error::{UnpackError, too_large};
use crate::limits;
use alloc::vec::Vec;

/// The output. Decoders write into [`Output::room`], and report the number of bytes with [`Output::advance`].
pub(crate) struct Output {
    /// The first `len` bytes are the output; the rest is zero and can be written.
    bytes: Vec<u8>,
    len: usize,
    limit: usize,
}

impl Output {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), len: 0, limit }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns how many more bytes may be written.
    pub(crate) fn left(&self) -> usize {
        self.limit - self.len
    }

    /// Reserves memory for `more` bytes, the size in a header. A wrong size does no harm: this only avoids copies, and
    /// memory that is not touched costs nothing.
    pub(crate) fn expect(&mut self, more: usize) {
        // One byte more, since a full buffer does not show that a stream has ended.
        let want = (self.len + more.min(self.left())).saturating_add(1);
        let _ = self.bytes.try_reserve_exact(want.saturating_sub(self.bytes.len()));
    }

    /// Returns everything from `start`, with room for at least one more byte after [`Output::len`]. There is never room
    /// for more than one byte above the limit.
    pub(crate) fn room_from(&mut self, start: usize) -> Result<&mut [u8], UnpackError> {
        if self.len == self.bytes.len() {
            let doubled = self.len.saturating_mul(2).max(limits::FIRST_ROOM);
            let capacity = self.bytes.capacity();
            let reserved = if capacity > self.len { doubled.min(capacity) } else { doubled };
            let size = reserved.min(self.limit.saturating_add(1));
            if self.bytes.try_reserve_exact(size - self.len).is_err() {
                return Err(too_large("there is not enough memory for the output", 0, size as u64, self.len as u64));
            }
            self.bytes.resize(size, 0);
        }
        Ok(&mut self.bytes[start..])
    }

    /// Returns room for at least one more byte.
    pub(crate) fn room(&mut self) -> Result<&mut [u8], UnpackError> {
        self.room_from(self.len)
    }

    /// Reports that `count` bytes of [`Output::room`] were written.
    pub(crate) fn advance(&mut self, count: usize) -> Result<(), UnpackError> {
        self.len += count;
        if self.len > self.limit { Err(self.over(self.len as u64)) } else { Ok(()) }
    }

    /// Creates the error that `total` bytes are too many.
    #[cold]
    pub(crate) fn over(&self, total: u64) -> UnpackError {
        too_large("its unpacked size is larger than allowed", 0, total, self.limit as u64)
    }

    /// Returns the bytes from `start`.
    pub(crate) fn since(&self, start: usize) -> &[u8] {
        &self.bytes[start..self.len]
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }
}
