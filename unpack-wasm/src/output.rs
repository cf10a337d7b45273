//! The bytes so far, and their limit.

use crate::finding::{Finding, too_large};
use crate::limits;
use alloc::vec::Vec;

/// What has come out. Decoders write into [`Output::room`] and say how much with [`Output::advance`].
pub(crate) struct Output {
    /// The first `len` are the answer; the rest is zeros to write on.
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

    /// How many more bytes may come.
    pub(crate) fn left(&self) -> usize {
        self.limit - self.len
    }

    /// A header says that `more` bytes will come. It may lie: this only saves moving them about, and
    /// untouched memory costs nothing.
    pub(crate) fn expect(&mut self, more: usize) {
        // One more, since a full buffer does not show that a stream has ended.
        let want = (self.len + more.min(self.left())).saturating_add(1);
        let _ = self.bytes.try_reserve_exact(want.saturating_sub(self.bytes.len()));
    }

    /// Everything from `start` on, with room for at least one more byte behind [`Output::len`].
    /// There is never room for more than one byte over the limit.
    pub(crate) fn room_from(&mut self, start: usize) -> Result<&mut [u8], Finding> {
        if self.len == self.bytes.len() {
            let doubled = self.len.saturating_mul(2).max(limits::FIRST_ROOM);
            let capacity = self.bytes.capacity();
            let reserved = if capacity > self.len { doubled.min(capacity) } else { doubled };
            let size = reserved.min(self.limit.saturating_add(1));
            if self.bytes.try_reserve_exact(size - self.len).is_err() {
                return Err(too_large("there is no memory for what comes out", 0, size as u64, self.len as u64));
            }
            self.bytes.resize(size, 0);
        }
        Ok(&mut self.bytes[start..])
    }

    /// Room for at least one more byte.
    pub(crate) fn room(&mut self) -> Result<&mut [u8], Finding> {
        self.room_from(self.len)
    }

    /// `count` bytes of [`Output::room`] have been written.
    pub(crate) fn advance(&mut self, count: usize) -> Result<(), Finding> {
        self.len += count;
        if self.len > self.limit { Err(self.over(self.len as u64)) } else { Ok(()) }
    }

    /// The fault for `total` bytes, which are too many.
    #[cold]
    pub(crate) fn over(&self, total: u64) -> Finding {
        too_large("unpacked, it is larger than allowed", 0, total, self.limit as u64)
    }

    /// The bytes from `start` on.
    pub(crate) fn since(&self, start: usize) -> &[u8] {
        &self.bytes[start..self.len]
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }
}
