//! GOT and PLT entries: which targets have one, and which number it is.

use alloc::vec::Vec;

/// One entry for each symbol, numbered in the order in which they were first wanted (s390x).
#[derive(Clone, Debug, Default)]
pub struct BySymbol {
    /// One past the entry's number, or 0; by symbol.
    numbers: Vec<u32>,
    count: u32,
}

impl BySymbol {
    /// Makes sure that `symbol` has an entry.
    pub fn want(&mut self, symbol: u32, symbols: usize) {
        if self.numbers.is_empty() {
            self.numbers = alloc::vec![0; symbols];
        }
        if let Some(number @ 0) = self.numbers.get_mut(symbol as usize) {
            self.count += 1;
            *number = self.count;
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// The number of `symbol`'s entry, from 0.
    #[must_use]
    #[inline]
    pub fn number(&self, symbol: u32) -> Option<usize> {
        (*self.numbers.get(symbol as usize)? as usize).checked_sub(1)
    }
}

/// One entry for each symbol and addend, numbered by symbol, then addend (AArch64, RISC-V).
#[derive(Clone, Debug, Default)]
pub struct ByTarget {
    targets: Vec<(u32, i64)>,
    sealed: bool,
}

impl ByTarget {
    /// Makes sure that symbol plus addend has an entry.
    pub fn want(&mut self, symbol: u32, addend: i64) {
        // Calls come in runs to the same target; the full search waits for `seal`.
        if self.targets.last() != Some(&(symbol, addend)) {
            self.targets.push((symbol, addend));
        }
    }

    /// No more entries: numbers are final. How many there are.
    pub fn seal(&mut self) -> usize {
        self.targets.sort_unstable();
        self.targets.dedup();
        self.sealed = true;
        self.targets.len()
    }

    /// The number of the entry, from 0; `None` before `seal`.
    #[must_use]
    pub fn number(&self, symbol: u32, addend: i64) -> Option<usize> {
        if !self.sealed {
            return None;
        }
        self.targets.binary_search(&(symbol, addend)).ok()
    }
}
