//! What an architecture does beyond its table.

use crate::{Cx, Job, Plan};

/// What an architecture does beyond its rows. The value that implements it is the architecture's
/// state: made anew for each module, seen by plan first and then by every relocation.
pub trait Hooks: Default {
    /// Before addresses are given: count GOT and PLT entries, declare windows, supply symbols.
    /// `data` is the job's data; a section's part of it is `section.data`.
    fn plan(&mut self, job: &Job<'_>, data: &[u8], plan: &mut Plan) {
        let _ = (job, data, plan);
    }

    /// Before the first relocation of a section; `cx.relocation` is not meaningful.
    fn begin(cx: &mut Cx<'_, Self>) {
        let _ = cx;
    }

    /// After the last relocation of a section: what is still waiting for its pair is a finding.
    fn end(cx: &mut Cx<'_, Self>) {
        let _ = cx;
    }
}

/// An architecture that keeps nothing.
impl Hooks for () {}
