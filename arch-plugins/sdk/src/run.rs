//! The two calls of a plugin, without a sandbox around them: what the exports call, and what tests
//! and the native benchmark call.

use crate::{About, Cx, Findings, Hooks, Job, Lows, Plan, Site, Synthetic, Tables, needs};
use alloc::vec::Vec;
use relobox_abi::{Machine, NONE, Relocation, fault, group_flag};

/// What [`architecture!`](crate::architecture) implements.
pub trait Architecture {
    /// The state, new for each module.
    type State: Hooks;
    /// The self-description.
    const ABOUT: About;
    /// Everything that any row needs; see [`needs`].
    const NEEDS: u16;
    /// Whether addends may be in place.
    const IN_PLACE: bool;
    /// What the row of a type needs.
    fn needs(kind: u32) -> u16;
    /// The addend that stands at the start of `place`, of a row that needs an entry for symbol plus addend.
    fn addend(kind: u32, place: &[u8], big: bool) -> i64;
    /// Applies one group's relocations. `cx` stands at the group's section.
    fn apply<'a>(cx: &mut Cx<'a, Self::State>, relocations: &'a [Relocation]);
}

/// One module on its way through plan and apply.
pub struct Session<A: Architecture> {
    state: A::State,
    tables: Tables,
    /// The synthetic sections. Between plan and apply, somebody gives them addresses.
    pub synthetic: Vec<Synthetic>,
}

fn refused(kind: u32, section: u32, text: &'static str) -> Findings {
    let mut findings = Findings::default();
    findings.push_of_module(kind, section, NONE, text);
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
                match A::ABOUT.machines.iter().find(fits) {
                    Some(machine) => needed::<A>(machine, &job, data, &mut state, &mut plan),
                    None => plan.findings = refused(fault::BAD_MACHINE, NONE, ""),
                }
            }
            None => plan.findings = refused(fault::BAD_MACHINE, NONE, "not a job of this ABI version"),
        }
        let (synthetic, tables) = (plan.synthetic.clone(), core::mem::take(&mut plan.tables));
        (Self { state, tables, synthetic }, plan)
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
                relocation: &const { Relocation { offset: 0, addend: 0, kind: 0, symbol: 0 } },
                synthetic: &mut self.synthetic,
                tables: &self.tables,
                lows: Lows::default(),
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

/// Counts what the rows need, and makes the sections for it.
fn needed<A: Architecture>(machine: &Machine, job: &Job<'_>, data: &[u8], state: &mut A::State, plan: &mut Plan) {
    let mut all = 0;
    state.start(job);
    for group in job.groups.iter().filter(|_| const { A::NEEDS != 0 }) {
        let section = job.sections.get(group.section as usize).map_or(&[][..], |s| {
            let at = s.data.at as usize;
            data.get(at..at.saturating_add(s.data.len as usize)).unwrap_or_default()
        });
        for relocation in job.relocations_of(group) {
            // So that the compiler knows which bits there are.
            let needs = A::needs(relocation.kind) & A::NEEDS;
            if needs == 0 {
                continue;
            }
            all |= needs;
            if needs & needs::ENTRIES != 0 {
                let mut addend = relocation.addend;
                if const { A::IN_PLACE } && group.flags & group_flag::IN_PLACE != 0 {
                    let place = usize::try_from(relocation.offset).ok().and_then(|at| section.get(at..));
                    addend = A::addend(relocation.kind, place.unwrap_or_default(), job.big_endian());
                }
                plan.tables.want(job, needs, group.section, machine.reach != 0, relocation.symbol, addend);
            }
            if needs >= needs::OWN {
                let index = job.index_of(relocation);
                state.need(needs, &Site { job, group, data: section, index, relocation }, plan);
            }
        }
    }
    if const { A::NEEDS & (needs::GOT | needs::SLOT | needs::TARGET_SLOT) != 0 } {
        plan.got(job, all & needs::GOT != 0, A::State::GOT);
    }
    state.plan(job, plan);
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
            None => cx.stand(relocation).no_symbol(),
        }
    }
}
