//! CREL, the compact relocation format (SHT_CREL; a proposal for the generic ABI, in LLVM since 19). It stores the
//! differences between successive entries in LEB128.
//!
//! The header has the number of entries times 8, plus 4 if addends are explicit, plus the shift of offsets. Each entry
//! begins with a byte. Its lowest two bits (three with explicit addends) are flags for the fields that differ from the
//! entry before: symbol, type, addend. Its other bits begin the difference of the offsets, which continues in a ULEB128
//! if the top bit is set. An SLEB128 follows for each flag.

use crate::error::{ElfError, bad_section};
use alloc::vec::Vec;
use relobox_abi::Relocation;

/// A table with its header decoded.
pub(crate) struct Crel<'a> {
    section: usize,
    data: &'a [u8],
    at: usize,
    wide: bool,
    shift: u32,
    /// The number of entries, at most the number of bytes.
    pub(crate) count: u64,
    /// Whether addends are in the table, and not in place.
    pub(crate) explicit: bool,
}

impl<'a> Crel<'a> {
    /// Decodes the header of `section`; `wide` says that the file has class 64.
    pub(crate) fn new(section: usize, data: &'a [u8], wide: bool) -> Result<Self, ElfError> {
        let mut crel = Self { section, data, at: 0, wide, shift: 0, count: 0, explicit: false };
        let header = crel.unsigned()?;
        let left = (data.len() - crel.at) as u64;
        (crel.count, crel.explicit, crel.shift) = (header >> 3, header & 4 != 0, (header & 3) as u32);
        if crel.count > left {
            let text = "it has fewer bytes than relocations: their number";
            return Err(bad_section(section, text, 0, crel.count, left));
        }
        Ok(crel)
    }

    /// Decodes all entries.
    pub(crate) fn read(mut self, out: &mut Vec<Relocation>) -> Result<(), ElfError> {
        let flag_bits = if self.explicit { 3 } else { 2 };
        let (mut offset, mut symbol, mut kind, mut addend) = (0u64, 0u32, 0u32, 0i64);
        for _ in 0..self.count {
            let first = self.byte()?;
            let mut delta = u64::from(first & 0x7f) >> flag_bits;
            if first & 0x80 != 0 {
                let (more, shift) = (self.unsigned()?, 7 - flag_bits);
                if more > u64::MAX >> shift {
                    return Err(self.bad("a number in it has more than 64 bits: its offset"));
                }
                delta |= more << shift;
            }
            // Differences are modulo 2^64 (or 2^32): a step back is a large step forward.
            offset = offset.wrapping_add(delta);
            if first & 1 != 0 {
                symbol = symbol.wrapping_add(self.signed()? as u32);
            }
            if first & 2 != 0 {
                kind = kind.wrapping_add(self.signed()? as u32);
            }
            if self.explicit && first & 4 != 0 {
                addend = addend.wrapping_add(self.signed()?);
            }
            let shifted = offset << self.shift;
            let (offset, addend) = match self.wide {
                true => (shifted, addend),
                false => (u64::from(shifted as u32), i64::from(addend as i32)),
            };
            out.push(Relocation { offset, addend, kind, symbol });
        }
        match self.data.len() - self.at {
            0 => Ok(()),
            left => {
                let text = "there are bytes after its last relocation: their number";
                Err(bad_section(self.section, text, self.at as u64, left as u64, 0))
            }
        }
    }

    #[cold]
    fn bad(&self, text: &'static str) -> ElfError {
        bad_section(self.section, text, self.at as u64, self.at as u64, self.data.len() as u64)
    }

    fn byte(&mut self) -> Result<u8, ElfError> {
        let byte = *self.data.get(self.at).ok_or_else(|| self.bad("it ends inside a relocation: its offset"))?;
        self.at += 1;
        Ok(byte)
    }

    /// Decodes the bits of a LEB128, and returns them with their number. At most 64 of them are significant.
    fn leb(&mut self) -> Result<(u64, u32, u8), ElfError> {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Ok((value, shift, byte));
            }
            if shift > 63 {
                return Err(self.bad("a number in it has more than 64 bits: its offset"));
            }
        }
    }

    fn unsigned(&mut self) -> Result<u64, ElfError> {
        match self.leb()? {
            (_, 70, 2..) => Err(self.bad("a number in it has more than 64 bits: its offset")),
            (value, _, _) => Ok(value),
        }
    }

    fn signed(&mut self) -> Result<i64, ElfError> {
        match self.leb()? {
            // The tenth byte has one significant bit, and six copies of it.
            (_, 70, last) if !matches!(last, 0 | 0x7f) => {
                Err(self.bad("a number in it has more than 64 bits: its offset"))
            }
            (value, shift @ ..64, last) if last & 0x40 != 0 => Ok((value | u64::MAX << shift).cast_signed()),
            (value, _, _) => Ok(value.cast_signed()),
        }
    }
}
