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
    #[inline]
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

/// As [`ByTarget`], where nearly all addends are 0: those entries come first, in the order in which they
/// were first wanted, and take constant time. It is also 6 KB smaller, for want of the library's sort.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    plain: BySymbol,
    offset: Vec<(u32, i64)>,
    sealed: bool,
}

impl Targets {
    /// Makes sure that symbol plus addend has an entry.
    pub fn want(&mut self, symbol: u32, addend: i64, symbols: usize) {
        if addend == 0 {
            self.plain.want(symbol, symbols);
        } else if self.offset.last() != Some(&(symbol, addend)) {
            self.offset.push((symbol, addend));
        }
    }

    /// No more entries: numbers are final. How many there are.
    pub fn seal(&mut self) -> usize {
        heapsort(&mut self.offset);
        self.offset.dedup();
        self.sealed = true;
        self.plain.count() + self.offset.len()
    }

    /// The number of the entry, from 0; `None` before `seal`.
    #[must_use]
    pub fn number(&self, symbol: u32, addend: i64) -> Option<usize> {
        if !self.sealed {
            return None;
        }
        if addend == 0 {
            return self.plain.number(symbol);
        }
        let among_offsets = self.offset.binary_search(&(symbol, addend)).ok()?;
        Some(self.plain.count() + among_offsets)
    }
}

/// n log n whatever the input.
fn heapsort(list: &mut [(u32, i64)]) {
    let sift = |list: &mut [(u32, i64)], mut at: usize| {
        loop {
            let mut child = 2 * at + 1;
            if child + 1 < list.len() && list[child] < list[child + 1] {
                child += 1;
            }
            if child >= list.len() || list[at] >= list[child] {
                return;
            }
            list.swap(at, child);
            at = child;
        }
    };
    for at in (0..list.len() / 2).rev() {
        sift(list, at);
    }
    for end in (1..list.len()).rev() {
        list.swap(0, end);
        sift(&mut list[..end], 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_numbered_once_each() {
        let mut targets = Targets::default();
        let mut random = 1u32;
        let mut wanted = Vec::new();
        for _ in 0..5000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let target = (random >> 8 & 31, i64::from(random >> 16 & 63) - 32);
            wanted.push(target);
            targets.want(target.0, target.1, 32);
        }
        assert_eq!(targets.number(0, 1), None);
        let count = targets.seal();
        let mut numbers: Vec<_> = wanted.iter().map(|(s, a)| targets.number(*s, *a).unwrap()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, (0..count).collect::<Vec<_>>());
        assert_eq!(targets.number(32, 0), None);
    }
}
