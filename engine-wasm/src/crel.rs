//! CREL, the compact relocation table (SHT_CREL; the generic ABI's proposal, in LLVM since 19): differences between
//! one entry and the next, in LEB128.
//!
//! A header: the number of entries times 8, plus 4 if addends are explicit, plus how far offsets are shifted. Then of each
//! entry one byte: flags in its lowest two bits (three with explicit addends) say what differs from the entry before (symbol,
//! type, addend), and the other bits begin the difference of the offsets, which goes on in a ULEB128 if the top bit is
//! set. Behind it, an SLEB128 for each flag.

use crate::finding::{Finding, bad_section};
use alloc::vec::Vec;
use relobox_abi::Relocation;

/// A table whose header is read.
pub(crate) struct Crel<'a> {
    section: usize,
    data: &'a [u8],
    at: usize,
    wide: bool,
    shift: u32,
    /// How many entries there are; no more than bytes.
    pub(crate) count: u64,
    /// Addends are in the table, not in place.
    pub(crate) explicit: bool,
}

impl<'a> Crel<'a> {
    /// Reads the header of `section`, in a file of class 64 if `wide`.
    pub(crate) fn new(section: usize, data: &'a [u8], wide: bool) -> Result<Self, Finding> {
        let mut crel = Self { section, data, at: 0, wide, shift: 0, count: 0, explicit: false };
        let header = crel.unsigned()?;
        let left = (data.len() - crel.at) as u64;
        (crel.count, crel.explicit, crel.shift) = (header >> 3, header & 4 != 0, (header & 3) as u32);
        if crel.count > left {
            let text = "it has fewer bytes than its header says that it has relocations";
            return Err(bad_section(section, text, 0, crel.count, left));
        }
        Ok(crel)
    }

    /// All entries.
    pub(crate) fn read(mut self, out: &mut Vec<Relocation>) -> Result<(), Finding> {
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
            // Differences are modulo what holds the value: a step back is a large step forward.
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
                let text = "there are bytes behind its last relocation: how many";
                Err(bad_section(self.section, text, self.at as u64, left as u64, 0))
            }
        }
    }

    #[cold]
    fn bad(&self, text: &'static str) -> Finding {
        bad_section(self.section, text, self.at as u64, self.at as u64, self.data.len() as u64)
    }

    fn byte(&mut self) -> Result<u8, Finding> {
        let byte = *self.data.get(self.at).ok_or_else(|| self.bad("it ends inside a relocation: its offset"))?;
        self.at += 1;
        Ok(byte)
    }

    /// The bits of a LEB128, and how many; at most 64 of them mean something.
    fn leb(&mut self) -> Result<(u64, u32, u8), Finding> {
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

    fn unsigned(&mut self) -> Result<u64, Finding> {
        match self.leb()? {
            (_, 70, 2..) => Err(self.bad("a number in it has more than 64 bits: its offset")),
            (value, _, _) => Ok(value),
        }
    }

    fn signed(&mut self) -> Result<i64, Finding> {
        match self.leb()? {
            // The tenth byte has one bit, and six copies of it.
            (_, 70, last) if !matches!(last, 0 | 0x7f) => {
                Err(self.bad("a number in it has more than 64 bits: its offset"))
            }
            (value, shift @ ..64, last) if last & 0x40 != 0 => Ok((value | u64::MAX << shift).cast_signed()),
            (value, _, _) => Ok(value.cast_signed()),
        }
    }
}
