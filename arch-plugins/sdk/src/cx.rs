//! Where the relocation at hand stands.

use crate::{Entry, Field, Findings, Job, Lows, Rule, Synthetic, Tables, Trouble, Value};
use relobox_abi::{Fault, Group, NONE, Relocation, Section, fault, group_flag};

/// The section being patched, the relocation at hand, and the architecture's state.
pub struct Cx<'a, T> {
    /// The job.
    pub job: Job<'a>,
    /// The relocations being applied.
    pub group: &'a Group,
    /// The section being patched.
    pub section: &'a Section,
    /// Its bytes. A hook writes only inside the windows that the rows declare.
    pub data: &'a mut [u8],
    /// The relocation at hand.
    pub relocation: &'a Relocation,
    /// The synthetic sections, with addresses.
    pub synthetic: &'a mut [Synthetic],
    /// The global offset table, and stubs.
    pub tables: &'a Tables,
    /// Low halves that were found.
    pub lows: Lows,
    /// What has been found wrong.
    pub findings: &'a mut Findings,
    /// The architecture's state.
    pub state: &'a mut T,
}

impl<'a, T> Cx<'a, T> {
    /// Says which relocation is at hand.
    #[inline(always)]
    #[doc(hidden)]
    pub fn stand(&mut self, relocation: &'a Relocation) -> &mut Self {
        self.relocation = relocation;
        self
    }

    /// Index of the relocation at hand, in the whole job.
    #[inline]
    #[must_use]
    pub fn index(&self) -> u32 {
        self.job.index_of(self.relocation)
    }

    /// The address of `offset` in the section being patched.
    #[must_use]
    pub fn address(&self, offset: u64) -> Value {
        Value::of(self.section.address.wrapping_add(offset))
    }

    /// The size of the symbol at hand: `Z` in the psABIs' letters.
    #[must_use]
    pub fn size(&self) -> Value {
        Value(self.job.symbols.get(self.relocation.symbol as usize).map_or(0, |s| s.size as i64))
    }

    /// The value of a symbol; 0 if there is none.
    #[must_use]
    pub fn value(&self, symbol: u32) -> Value {
        Value::of(self.job.values.get(symbol as usize).map_or(0, |v| *v))
    }

    /// How far behind its symbol a function's local entry point lies, as the top three bits of `st_other` say (ppc64
    /// ELFv2): for calls that need not set up the TOC.
    #[must_use]
    pub fn local(&self) -> Value {
        let other = self.job.symbols.get(self.relocation.symbol as usize).map_or(0, |s| s.other);
        Value((1 << (other >> 5) >> 2) << 2)
    }

    /// The address of the global offset table.
    ///
    /// # Errors
    /// If there is none: the row must say `needs GOT`.
    #[inline(never)]
    pub fn got(&self) -> Result<Value, Trouble> {
        self.tables.got.address(self.synthetic)
    }

    /// Where in the global offset table the symbol's slot is, in bytes; it gets filled in.
    ///
    /// # Errors
    /// If there is none: the row must say `needs SLOT`.
    #[inline(never)]
    pub fn slot(&mut self) -> Result<Value, Trouble> {
        self.slot_of(self.relocation.symbol, Value(0))
    }

    /// The same for a symbol plus an addend: the row must say `needs TARGET_SLOT`.
    ///
    /// # Errors
    /// If there is none.
    #[inline]
    pub fn slot_of(&mut self, symbol: u32, addend: Value) -> Result<Value, Trouble> {
        const NO_SLOT: Trouble = Trouble::unpaired("no GOT slot was planned for it");
        let target = self.value(symbol) + addend.0;
        let slot = self.tables.got.of(self.synthetic, symbol, addend.0).ok_or(NO_SLOT)?;
        put_address(&self.job, slot.bytes, target);
        Ok(slot.offset)
    }

    /// The symbol's stub, whose contents are for the architecture to fill in. `None` if there is none: the row must say
    /// `needs STUB`.
    #[inline]
    pub fn stub(&mut self) -> Option<Entry<'_>> {
        self.tables.plt.of(self.synthetic, self.relocation.symbol, 0)
    }

    /// The same for the symbol plus an addend: the row must say `needs TARGET_STUB`.
    #[inline]
    pub fn stub_of(&mut self, addend: Value) -> Option<Entry<'_>> {
        self.tables.plt.of(self.synthetic, self.relocation.symbol, addend.0)
    }

    /// The bytes at `offset` of the section, as many as `field` is wide.
    #[inline]
    pub fn place(&mut self, field: &Field, offset: u64) -> Result<&mut [u8], Trouble> {
        let size = self.data.len() as i64;
        let outside = Trouble { kind: fault::OUTSIDE, value: offset as i64, min: 0, max: size, text: "" };
        place(self.data, offset, field.width).ok_or(outside)
    }

    /// The addend of the high half at hand. Explicit ones are whole: `high` itself. In place, the signed one that stands in
    /// `field` of the next relocation of type `kind` is added. For rows that say `pair next`.
    ///
    /// # Errors
    /// If no such relocation follows in the section, or if it is of another symbol.
    #[inline(always)]
    pub fn with_low(&mut self, high: Value, kind: u32, field: &Field) -> Result<Value, Trouble> {
        if self.group.flags & group_flag::IN_PLACE == 0 { Ok(high) } else { Ok(high + self.low(kind, field)?) }
    }

    #[inline(never)]
    fn low(&mut self, kind: u32, field: &Field) -> Result<i64, Trouble> {
        let (here, big) = (self.index(), self.job.big_endian());
        let end = self.group.first.saturating_add(self.group.count) as usize;
        let relocations = self.job.relocations;
        let rest = relocations.get(here as usize + 1..end.min(relocations.len())).unwrap_or(&[]);
        // One that lies outside the section is reported when its turn comes.
        let addend = |low: &Relocation| place(self.data, low.offset, field.width).map_or(0, |p| field.addend(p, big));
        self.lows.next(kind, here, self.relocation.symbol, rest, addend)
    }

    /// The whole word of `field` at `offset`.
    #[inline]
    pub fn word(&mut self, field: &Field, offset: u64) -> Result<u64, Trouble> {
        let big = self.job.big_endian();
        Ok(field.word(self.place(field, offset)?, big))
    }

    /// Writes the whole word of `field` at `offset`.
    #[inline]
    pub fn set_word(&mut self, field: &Field, offset: u64, word: u64) -> Result<(), Trouble> {
        let big = self.job.big_endian();
        field.set_word(self.place(field, offset)?, big, word);
        Ok(())
    }

    /// Writes `value` into `field` at `offset`, leaving the other bits as they are.
    #[inline]
    pub fn put(&mut self, field: &Field, offset: u64, value: Value) -> Result<(), Trouble> {
        let big = self.job.big_endian();
        field.put(self.place(field, offset)?, big, value.0);
        Ok(())
    }

    /// A finding about the relocation at hand.
    #[cold]
    #[inline(never)]
    pub fn report(&mut self, trouble: Trouble) {
        if self.findings.is_counted() {
            return;
        }
        let (index, relocation) = (self.index(), self.relocation);
        self.report_at(index, relocation, trouble);
    }

    /// The same for the code of a row, of which there is much: without a copy.
    #[cold]
    #[inline(never)]
    #[doc(hidden)]
    pub fn report_here(&mut self, trouble: &Trouble) {
        self.report(*trouble);
    }

    /// The relocation at hand does not lie in its section.
    #[cold]
    #[inline(never)]
    pub fn outside(&mut self) {
        let (value, max) = (self.relocation.offset as i64, self.data.len() as i64);
        self.report(Trouble { kind: fault::OUTSIDE, value, min: 0, max, text: "" });
    }

    /// The relocation at hand names no symbol of the module.
    #[cold]
    #[inline(never)]
    pub fn no_symbol(&mut self) {
        let (value, max) = (self.relocation.symbol.into(), self.job.values.len() as i64 - 1);
        self.report(Trouble { kind: fault::BAD_SYMBOL, value, min: 0, max, text: "" });
    }

    /// The value at hand may not be written: out of range, misaligned, or over something.
    #[cold]
    #[inline(never)]
    pub fn inadmissible(&mut self, rule: &Rule, value: Value, before: u64) {
        if self.findings.is_counted() {
            return;
        }
        let (kind, value, min, max) = if !rule.in_range(value) {
            (fault::OUT_OF_RANGE, value.0, rule.min(), rule.max())
        } else if !rule.aligned(value) {
            (fault::MISALIGNED, value.0, rule.align.into(), 0)
        } else {
            (fault::NOT_ZERO, before as i64, 0, 0)
        };
        self.report(Trouble { kind, value, min, max, text: "" });
    }

    /// A finding about another relocation of this section.
    #[cold]
    #[inline(never)]
    pub fn report_at(&mut self, index: u32, relocation: &Relocation, trouble: Trouble) {
        let fault = Fault {
            kind: trouble.kind,
            relocation: index,
            section: self.group.section,
            symbol: if relocation.symbol == 0 { NONE } else { relocation.symbol },
            offset: relocation.offset,
            value: trouble.value,
            min: trouble.min,
            max: trouble.max,
            ..Default::default()
        };
        self.findings.push(fault, trouble.text);
    }
}

/// Writes an address, as wide as the class has them, to the start of `place`.
pub fn put_address(job: &Job<'_>, place: &mut [u8], address: Value) {
    let word = if job.header.class == 32 { &const { Field::data(4) } } else { &const { Field::data(8) } };
    word.set_word(place, job.big_endian(), address.bits());
}

/// `width` bytes at `offset`, if they lie in `data`.
///
/// The innermost step of relobox: one comparison, where a safe slice of a slice takes three.
#[inline(always)]
#[must_use]
#[allow(unsafe_code, reason = "one comparison instead of three in the loop that is measured")]
pub fn place(data: &mut [u8], offset: u64, width: u8) -> Option<&mut [u8]> {
    let (len, width) = (data.len(), width as usize);
    // One past the last offset at which `width` bytes fit; saturating, and so without a branch.
    let end = (len as u64 + 1).saturating_sub(width as u64);
    if offset < end {
        let at = offset as usize;
        // SAFETY: offset <= len - width, so at + width <= len, and neither conversion nor sum wraps.
        Some(unsafe { data.get_unchecked_mut(at..at + width) })
    } else {
        None
    }
}
