//! Stubs before the code that calls them, for branches that do not reach across a module.

use crate::{Entry, Job, Plan, Synthetic, Value, sort};
use alloc::vec::Vec;
use relobox_abi::{NONE, placement, section_flag};

/// A stub for each symbol and addend that a run of sections calls. Runs are short enough for their branches, and each has
/// its stubs before its first section.
#[derive(Clone, Debug, Default)]
pub struct NearStubs {
    runs: Vec<Run>,
    /// The last run of code that stays, and that of code for init.
    last: [Option<usize>; 2],
    /// The run of each section; [`NONE`] without code.
    of_section: Vec<u32>,
    size: usize,
}

#[derive(Clone, Debug)]
struct Run {
    first: u32,
    init: bool,
    bytes: u64,
    /// Sorted once they are made.
    targets: Vec<(u32, i64)>,
    made: Option<usize>,
}

impl NearStubs {
    /// Divides the module's code into runs of at most `bytes`, or of a single section that is longer. Before anything else.
    pub fn divide(&mut self, job: &Job<'_>, bytes: u64) {
        let sections = job.sections.iter().map(|s| (s.flags, s.size, job.text(s.name).starts_with(b".init")));
        self.divide_sections(sections, bytes);
    }

    fn divide_sections(&mut self, sections: impl Iterator<Item = (u64, u64, bool)>, bytes: u64) {
        const CODE: u64 = section_flag::ALLOC | section_flag::EXEC;
        for (first, (flags, size, init)) in (0..).zip(sections) {
            if flags & CODE != CODE {
                self.of_section.push(NONE);
                continue;
            }
            let last = self.last[usize::from(init)].filter(|run| self.runs[*run].bytes.saturating_add(size) <= bytes);
            let run = last.unwrap_or(self.runs.len());
            if last.is_none() {
                self.last[usize::from(init)] = Some(run);
                self.runs.push(Run { first, init, bytes: 0, targets: Vec::new(), made: None });
            }
            self.runs[run].bytes = self.runs[run].bytes.saturating_add(size);
            self.of_section.push(run as u32);
        }
    }

    fn run(&self, section: u32) -> Option<&Run> {
        self.runs.get(*self.of_section.get(section as usize)? as usize)
    }

    /// Code in `section` calls symbol plus addend.
    pub fn want(&mut self, section: u32, symbol: u32, addend: i64) {
        let run = self.of_section.get(section as usize).and_then(|run| self.runs.get_mut(*run as usize));
        if let Some(run) = run.filter(|run| run.targets.last() != Some(&(symbol, addend))) {
            run.targets.push((symbol, addend));
        }
    }

    /// Makes the sections of the stubs, of `size` bytes each; a power of two. For after all calls.
    pub fn make(&mut self, plan: &mut Plan, size: usize) {
        self.size = size;
        for run in &mut self.runs {
            sort(&mut run.targets);
            run.targets.dedup();
            let bytes = run.targets.len() * size;
            run.made = if run.init {
                plan.init_text(".init.relobox.stubs", bytes, size as u64)
            } else {
                plan.text(".relobox.stubs", bytes, size as u64)
            };
            if let Some(made) = run.made.and_then(|made| plan.synthetic.get_mut(made)) {
                (made.placement, made.section) = (placement::BEFORE, run.first);
            }
        }
    }

    /// The stub of symbol plus addend for code in `section`, whose contents are for the architecture to fill in.
    #[must_use]
    pub fn of<'a>(&self, made: &'a mut [Synthetic], section: u32, symbol: u32, addend: i64) -> Option<Entry<'a>> {
        let run = self.run(section)?;
        let number = run.targets.binary_search(&(symbol, addend)).ok()?;
        let (section, at) = (made.get_mut(run.made?)?, number * self.size);
        let bytes = section.contents.get_mut(at..at + self.size)?;
        let offset = Value(at as i64);
        Some(Entry { number, offset, address: Value::of(section.address) + offset.0, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_short_and_have_their_stubs_before_them() {
        const TEXT: u64 = section_flag::ALLOC | section_flag::EXEC;
        let sections = [
            (0, 0, false),
            (TEXT, 0x60, false),
            (TEXT, 0x20, true),
            (section_flag::ALLOC, 0x1000, false),
            (TEXT, 0x40, false),
            (TEXT, 1, false),
            (TEXT, 0x1000, false),
        ];
        let (mut stubs, mut plan) = (NearStubs::default(), Plan::default());
        stubs.divide_sections(sections.into_iter(), 0xa0);
        for section in [1, 4, 4, 5, 2, 0, 3, 99] {
            stubs.want(section, 7, 0);
        }
        stubs.want(4, 6, -4);
        stubs.make(&mut plan, 8);
        let made: Vec<_> = plan.synthetic.iter().map(|s| (s.name, s.placement, s.section, s.contents.len())).collect();
        let before = placement::BEFORE;
        let expected = [
            (".relobox.stubs", before, 1, 16),
            (".init.relobox.stubs", before, 2, 8),
            (".relobox.stubs", before, 5, 8),
        ];
        assert_eq!(made, expected);
        plan.synthetic.iter_mut().for_each(|s| s.address = 0x1000);
        let mut address =
            |section, symbol, addend| stubs.of(&mut plan.synthetic, section, symbol, addend).map(|entry| entry.address);
        assert_eq!(address(1, 6, -4), Some(Value(0x1000)));
        assert_eq!(address(4, 7, 0), Some(Value(0x1008)));
        assert_eq!(address(5, 7, 0), Some(Value(0x1000)));
        // Longer than a run: alone. No code. Not called from there.
        assert_eq!([address(6, 7, 0), address(3, 7, 0), address(5, 6, -4)], [None; 3]);
    }
}
