//! The two calls of a plugin, without a sandbox around them: what the exports call, and what tests
//! and the native benchmark call.

use crate::{About, Cx, Findings, Hooks, Job, Plan, Synthetic};
use alloc::vec::Vec;
use relobox_abi::{Fault, Machine, NONE, Relocation, fault, group_flag};

/// What [`architecture!`](crate::architecture) implements.
pub trait Architecture {
    /// The state, new for each module.
    type State: Hooks;
    /// The self-description.
    const ABOUT: About;
    /// Applies one group's relocations. `cx` stands at the group's section.
    fn apply<'a>(cx: &mut Cx<'a, Self::State>, relocations: &'a [Relocation]);
}

/// One module on its way through plan and apply.
pub struct Session<A: Architecture> {
    state: A::State,
    /// The synthetic sections. Between plan and apply, somebody gives them addresses.
    pub synthetic: Vec<Synthetic>,
}

fn refused(kind: u32, section: u32, text: &'static str) -> Findings {
    let mut findings = Findings::default();
    findings.push(Fault { kind, relocation: NONE, section, symbol: NONE, ..Default::default() }, text);
    findings
}

impl<A: Architecture> Session<A> {
    /// Counts what the module needs.
    #[must_use]
    pub fn plan(bytes: &mut [u8]) -> (Self, Plan) {
        let (mut state, mut plan) = (A::State::default(), Plan::default());
        match Job::split(bytes) {
            Some((job, data)) => {
                let h = job.header;
                let fits = |m: &&Machine| {
                    (m.machine, m.class, m.order) == (h.machine, h.class, h.order)
                        && h.elf_flags & m.flags_mask == m.flags_value
                };
                if A::ABOUT.machines.iter().any(|m| fits(&m)) {
                    state.plan(&job, data, &mut plan);
                } else {
                    plan.findings = refused(fault::BAD_MACHINE, NONE, "");
                }
            }
            None => plan.findings = refused(fault::BAD_MACHINE, NONE, "not a job of this ABI version"),
        }
        let synthetic = plan.synthetic.clone();
        (Self { state, synthetic }, plan)
    }

    /// Patches the job's data and fills the synthetic sections.
    pub fn apply(&mut self, bytes: &mut [u8]) -> Findings {
        let mut findings = Findings::default();
        let Some((job, data)) = Job::split(bytes) else {
            return refused(fault::BAD_MACHINE, NONE, "not a job of this ABI version");
        };
        for group in job.groups {
            let Some(section) = job.sections.get(group.section as usize) else { continue };
            let at = section.data.at as usize;
            let Some(data) = data.get_mut(at..at.saturating_add(section.data.len as usize)) else { continue };
            let mut cx = Cx {
                job,
                group,
                section,
                data,
                index: group.first,
                relocation: &const { Relocation { offset: 0, addend: 0, kind: 0, symbol: 0 } },
                synthetic: &mut self.synthetic,
                findings: &mut findings,
                state: &mut self.state,
            };
            A::State::begin(&mut cx);
            A::apply(&mut cx, job.relocations_of(group));
            A::State::end(&mut cx);
        }
        findings
    }
}

/// Applies each relocation with `patch`. Inlined into each table.
///
/// `cx` does not follow the loop: whoever needs to know where it stands calls [`Cx::stand`] first. Two
/// stores and a counter for each relocation were a fifth of the time.
#[inline(always)]
#[doc(hidden)]
pub fn each<'a, T>(
    cx: &mut Cx<'a, T>,
    relocations: &'a [Relocation],
    mut patch: impl FnMut(&mut Cx<'a, T>, &'a Relocation, u64),
) {
    let values = cx.job.values;
    for relocation in relocations {
        match values.get(relocation.symbol as usize) {
            Some(value) => patch(cx, relocation, *value),
            None => cx.stand(relocations, relocation).no_symbol(),
        }
    }
}

/// Whether a group's addends are in place.
#[inline]
#[doc(hidden)]
#[must_use]
pub fn in_place<T>(cx: &Cx<'_, T>) -> bool {
    cx.group.flags & group_flag::IN_PLACE != 0
}
