//! Tables that plugins make: global offset tables, procedure linkage tables, veneers.

use crate::{Job, Synthetic, Trouble, Value, needs};
use alloc::vec::Vec;

/// A table with an entry for each symbol and addend that wants one.
///
/// Entries for the addend 0, which are nearly all, come first, in the order in which they were first wanted; they are
/// found in constant time. The others follow, sorted by symbol and addend.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// One past the entry's number, or 0; by symbol.
    plain: Vec<u32>,
    count: u32,
    offset: Vec<(u32, i64)>,
    section: Option<usize>,
    size: usize,
}

/// An entry of a [`Table`].
#[derive(Debug)]
pub struct Entry<'a> {
    /// Its number, from 0.
    pub number: usize,
    /// Its distance from the start of the table, in bytes.
    pub offset: Value,
    /// Its address.
    pub address: Value,
    /// Its contents: zero until somebody fills them in.
    pub bytes: &'a mut [u8],
}

impl Table {
    /// Makes sure that symbol plus addend has an entry.
    #[inline]
    pub fn want(&mut self, job: &Job<'_>, symbol: u32, addend: i64) {
        self.add(job.symbols.len(), symbol, addend);
    }

    #[inline]
    fn add(&mut self, symbols: usize, symbol: u32, addend: i64) {
        if addend == 0 {
            if self.plain.is_empty() {
                self.plain = alloc::vec![0; symbols];
            }
            if let Some(number @ 0) = self.plain.get_mut(symbol as usize) {
                self.count += 1;
                *number = self.count;
            }
        } else if self.offset.last() != Some(&(symbol, addend)) {
            // Calls come in runs to the same target; the full search waits for `seal`.
            self.offset.push((symbol, addend));
        }
    }

    /// No more entries: numbers are final. How many there are.
    pub fn seal(&mut self) -> usize {
        sort(&mut self.offset);
        self.offset.dedup();
        self.count as usize + self.offset.len()
    }

    /// The table is synthetic section `section`, and its entries have `size` bytes.
    pub fn lies_in(&mut self, section: Option<usize>, size: usize) {
        (self.section, self.size) = (section, size);
    }

    /// Whether it has a section.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.section.is_some()
    }

    /// The number of the entry of symbol plus addend, from 0; for after `seal`.
    #[inline]
    #[must_use]
    pub fn number(&self, symbol: u32, addend: i64) -> Option<usize> {
        if addend == 0 {
            return (*self.plain.get(symbol as usize)? as usize).checked_sub(1);
        }
        let among_offsets = self.offset.binary_search(&(symbol, addend)).ok()?;
        Some(self.count as usize + among_offsets)
    }

    /// The entry of symbol plus addend.
    #[inline]
    #[must_use]
    pub fn of<'a>(&self, made: &'a mut [Synthetic], symbol: u32, addend: i64) -> Option<Entry<'a>> {
        self.entry(made, self.number(symbol, addend)?)
    }

    /// The table's address.
    ///
    /// # Errors
    /// If it was not planned.
    pub fn address(&self, made: &[Synthetic]) -> Result<Value, Trouble> {
        let table = self.section.and_then(|i| made.get(i));
        table.map(|table| Value::of(table.address)).ok_or(Trouble::unpaired("no table was planned for it"))
    }

    /// Entry `number`, also one behind those that were wanted; `None` if the table is shorter.
    #[inline]
    #[must_use]
    pub fn entry<'a>(&self, made: &'a mut [Synthetic], number: usize) -> Option<Entry<'a>> {
        let table = made.get_mut(self.section?)?;
        let at = number.wrapping_mul(self.size);
        let bytes = table.contents.get_mut(at..at.wrapping_add(self.size))?;
        let offset = Value(at as i64);
        Some(Entry { number, offset, address: Value::of(table.address) + offset.0, bytes })
    }
}

/// The two tables that most architectures have.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// The global offset table: addresses.
    pub got: Table,
    /// The procedure linkage table, or veneers: code that goes on to a target.
    pub plt: Table,
}

impl Tables {
    /// Sees to it that a relocation of `section` has what its row [`needs`]. `limited`: not every target is in reach.
    #[inline(always)]
    pub(crate) fn want(&mut self, job: &Job<'_>, needs: u16, section: u32, limited: bool, symbol: u32, addend: i64) {
        if needs & (needs::SLOT | needs::TARGET_SLOT) != 0 {
            self.got.want(job, symbol, if needs & needs::TARGET_SLOT != 0 { addend } else { 0 });
        }
        if needs & (needs::STUB | needs::TARGET_STUB) != 0 {
            // What is wrong with a relocation is for its row to say.
            let Some(s) = job.symbols.get(symbol as usize) else { return };
            let outside = needs & needs::OUTSIDE == 0 || limited && s.section == 0;
            let apart = needs & needs::APART == 0 || s.section != section;
            if outside & apart {
                self.plt.want(job, symbol, if needs & needs::TARGET_STUB != 0 { addend } else { 0 });
            }
        }
    }
}

/// Merges ever longer runs: n log n whatever the input, and 6 KB smaller than the library's sort.
pub fn sort(list: &mut Vec<(u32, i64)>) {
    let (mut run, mut from) = (1, core::mem::take(list));
    let mut to = from.clone();
    while run < from.len() {
        for (from, to) in from.chunks(2 * run).zip(to.chunks_mut(2 * run)) {
            let (mut left, mut right) = from.split_at(run.min(from.len()));
            for to in to {
                let side = match (left.first(), right.first()) {
                    (Some(l), Some(r)) if l <= r => &mut left,
                    (Some(_), None) => &mut left,
                    _ => &mut right,
                };
                if let Some((first, rest)) = side.split_first() {
                    (*to, *side) = (*first, rest);
                }
            }
        }
        core::mem::swap(&mut from, &mut to);
        run *= 2;
    }
    *list = from;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_numbered_once_each() {
        let (mut table, mut wanted) = (Table::default(), Vec::new());
        let mut random = 1u32;
        for _ in 0..5000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let target = (random >> 8 & 31, i64::from(random >> 16 & 63) - 32);
            wanted.push(target);
            table.add(32, target.0, target.1);
        }
        let first = wanted.iter().find(|(_, addend)| *addend == 0).unwrap();
        let count = table.seal();
        let mut numbers: Vec<_> = wanted.iter().map(|(s, a)| table.number(*s, *a).unwrap()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, (0..count).collect::<Vec<_>>());
        // Those without an addend come first, as they were wanted; the others are sorted.
        assert_eq!(table.number(first.0, 0), Some(0));
        assert!(table.offset.is_sorted() && table.number(32, 0).is_none() && table.number(0, 99).is_none());
        assert!(table.entry(&mut [], 0).is_none());
    }

    #[test]
    fn any_list_is_sorted() {
        for len in [0u32, 1, 2, 3, 5, 8, 100] {
            let mut list: Vec<_> =
                (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 29, i64::from(i % 3) - 1)).collect();
            let mut expected = list.clone();
            expected.sort_unstable();
            sort(&mut list);
            assert_eq!(list, expected);
        }
    }
}
