//! A minimiser for any kind of input: it accepts a smaller candidate whenever a predicate still holds for it.

use relobox_core::limits;

/// The state of a minimisation.
pub struct Minimiser<'a, T> {
    best: T,
    /// The number of candidates that may still be tried.
    left: usize,
    still: &'a mut dyn FnMut(&T) -> bool,
}

impl<'a, T: Clone + PartialEq> Minimiser<'a, T> {
    /// Starts with `input`, for which `still` must be true. At most [`limits::MINIMISE`] candidates are tried.
    pub fn new(input: T, still: &'a mut dyn FnMut(&T) -> bool) -> Self {
        Self { best: input, left: limits::MINIMISE, still }
    }

    /// Returns the smallest input found so far.
    pub fn best(&self) -> &T {
        &self.best
    }

    /// Returns the smallest input found.
    pub fn into_best(self) -> T {
        self.best
    }

    /// Accepts `candidate` if it differs from the best input and the predicate holds for it; returns whether it was
    /// accepted.
    pub fn try_candidate(&mut self, candidate: T) -> bool {
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

    /// Offers a changed copy of the best input; returns whether it was accepted.
    pub fn try_change(&mut self, change: impl FnOnce(&mut T)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.try_candidate(candidate)
    }
}
