//! Inputs made small: whatever they are, candidates are tried until none helps or there were enough.

use relobox_core::limits;

/// The smallest input so far of which something still holds.
pub struct Minimiser<'a, T> {
    best: T,
    /// How many candidates may still be tried.
    left: usize,
    still: &'a mut dyn FnMut(&T) -> bool,
}

impl<'a, T: Clone + PartialEq> Minimiser<'a, T> {
    /// Begins with `input`, of which `still` holds.
    pub fn new(input: T, still: &'a mut dyn FnMut(&T) -> bool) -> Self {
        Self { best: input, left: limits::MINIMISE, still }
    }

    /// The smallest so far.
    pub fn best(&self) -> &T {
        &self.best
    }

    /// The same, at the end.
    pub fn into_best(self) -> T {
        self.best
    }

    /// Goes on with `candidate` if it is another one, and the same holds of it.
    pub fn offer(&mut self, candidate: T) -> bool {
        if self.left == 0 || candidate == self.best {
            return false;
        }
        self.left -= 1;
        let holds = (self.still)(&candidate);
        if holds {
            self.best = candidate;
        }
        holds
    }

    /// The same with what `change` makes of the smallest so far.
    pub fn change(&mut self, change: impl FnOnce(&mut T)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.offer(candidate)
    }
}
