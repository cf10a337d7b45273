//! What an architecture does beyond its table.

use crate::{Cx, Job, Plan};
use relobox_abi::{Group, Relocation};

/// A relocation, before there are addresses.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The job.
    pub job: &'a Job<'a>,
    /// The relocations of the section.
    pub group: &'a Group,
    /// The section's bytes.
    pub data: &'a [u8],
    /// Index of the relocation, in the whole job.
    pub index: u32,
    /// The relocation.
    pub relocation: &'a Relocation,
}

/// What an architecture does beyond its rows. The value that implements it is the architecture's
/// state: made anew for each module, seen by plan first and then by every relocation.
pub trait Hooks: Default {
    /// The symbol by which code refers to the global offset table; empty if there is none.
    const GOT: &'static str = "_GLOBAL_OFFSET_TABLE_";

    /// Before everything else: read the job's inputs.
    fn start(&mut self, job: &Job<'_>) {
        let _ = job;
    }

    /// Before addresses are given, for each relocation whose row's `needs` has one of the architecture's own bits:
    /// declare a window, raise an alignment. GOT and stubs are counted already.
    fn need(&mut self, needs: u16, site: &Site<'_>, plan: &mut Plan) {
        let _ = (needs, site, plan);
    }

    /// After that: make sections ([`Plan::stubs`]), supply symbols, refuse the module.
    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        let _ = (job, plan);
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
