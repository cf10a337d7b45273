//! A case on its way through the host's own stages: plan, addresses, apply, confine.

use super::case::Case;
use relobox_abi::{supply, synthetic_kind};
use relobox_core::areas::ABSENT;
use relobox_core::error::{Error, Misbehaviour};
use relobox_core::limits;
use relobox_core::problem::Problem;
use relobox_link::guests::Plugin;
use relobox_link::job::JobWriter;
use relobox_link::link::relocate;
use relobox_link::needs::Needs;
use relobox_link::sandbox::Instance;
use relobox_link::stages::confine::Image as _;
use relobox_link::stages::layout::Layout;
use relobox_link::stages::plan::{Planned, ask};
use relobox_link::stages::resolve::Resolved;

/// What came of a case, and what it cost.
pub struct Run {
    /// What came of it.
    pub outcome: Outcome,
    /// The fuel that was used, in the units of the sandbox.
    pub fuel: u64,
    /// The instance, as the plugin left it; none if there never was one.
    pub instance: Option<Instance>,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was linked.
    Linked(Linked),
    /// The plugin found these faults.
    Refused(Vec<Fault>),
    /// The plugin broke the contract.
    Misbehaved(Misbehaviour),
}

/// A linked case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// The contents of [`Case::sections`].
    pub sections: Vec<Vec<u8>>,
    /// What the plugin made.
    pub made: Vec<Made>,
    /// The values that the plugin saw, by symbol index.
    pub values: Vec<u64>,
}

/// A section that the plugin made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: u64,
    /// What it holds.
    pub contents: Vec<u8>,
    /// Whether that is code.
    pub text: bool,
}

impl Made {
    /// What it holds from `address` on; `None` behind its end.
    pub(crate) fn at(&self, address: u64) -> Option<&[u8]> {
        let at = usize::try_from(address.wrapping_sub(self.address)).ok()?;
        self.contents.get(at..).filter(|rest| !rest.is_empty())
    }
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The host's word for it: `out-of-range`, `misaligned` …
    pub kind: String,
    /// Index of the relocation among all of the case's, in their order.
    pub relocation: Option<u32>,
    /// Offset in the section, in bytes.
    pub offset: u64,
    /// The offending value.
    pub value: i64,
}

impl Fault {
    fn of(problem: &Problem) -> Self {
        Self {
            kind: problem.kind.to_owned(),
            relocation: problem.index,
            offset: problem.offset.unwrap_or(0),
            value: problem.value.unwrap_or(0),
        }
    }
}

/// Links `case` with `plugin`, in a fresh instance.
#[must_use]
pub fn run(plugin: &Plugin, case: &Case) -> Run {
    run_at(plugin, case, |needs| behind(case, needs))
}

/// The same with what the plugin makes at these addresses, one for each.
pub(crate) fn run_at(plugin: &Plugin, case: &Case, synthetic: impl FnOnce(&Needs) -> Vec<u64>) -> Run {
    let mut owned = case.records();
    let records = owned.records();
    let job = JobWriter::measure(&plugin.about, &records, &case.inputs);
    let len = u64::from(job.header.len);
    let mut instance = match plugin.guest.instantiate(limits::memory_for(len), limits::fuel_for(len)) {
        Ok(instance) => instance,
        Err(error) => return Run { outcome: failed(error), fuel: 0, instance: None },
    };
    let asked = match ask(plugin, &records, &job, &mut instance) {
        Ok(asked) => asked,
        Err(error) => return Run { outcome: failed(error), fuel: instance.fuel_used(), instance: Some(instance) },
    };
    let mut planned = asked.with(instance);
    let layout = place(case, synthetic(&planned.needs));
    let values = values(case, &planned.needs, &layout);
    let resolved = Resolved { values, ..Resolved::default() };
    let outcome = match relocate(plugin, &mut owned, &mut planned, &layout, &resolved, |_, _| None) {
        Err(error) => failed(error),
        Ok(made) => Outcome::Linked(Linked {
            sections: (1..=case.sections.len()).map(|i| owned.contents(i).to_vec()).collect(),
            made: made
                .into_iter()
                .map(|s| Made {
                    text: s.wanted.record.kind == synthetic_kind::TEXT,
                    name: s.wanted.name,
                    address: s.address,
                    contents: s.contents,
                })
                .collect(),
            values: resolved.values,
        }),
    };
    let Planned { instance, .. } = planned;
    Run { outcome, fuel: instance.fuel_used(), instance: Some(instance) }
}

fn failed(error: Error) -> Outcome {
    match error {
        Error::Module(problems) => Outcome::Refused(problems.iter().map(Fault::of).collect()),
        Error::Guest { what, .. } => Outcome::Misbehaved(what),
        other => Outcome::Misbehaved(Misbehaviour::Unusable(other.to_string())),
    }
}

/// The case's addresses, and those of what the plugin makes.
fn place(case: &Case, synthetic: Vec<u64>) -> Layout {
    let mut addresses = vec![ABSENT];
    addresses.extend(case.sections.iter().map(|s| case.cut(s.address)));
    Layout { addresses, synthetic, areas: Vec::new() }
}

/// What the plugin wants lies behind each other from [`Case::synthetic`] on, wherever it asked to be.
fn behind(case: &Case, needs: &Needs) -> Vec<u64> {
    let mut next = case.synthetic;
    let mut synthetic = Vec::with_capacity(needs.synthetic.len());
    for wanted in &needs.synthetic {
        let mask = wanted.record.align - 1;
        let at = next.wrapping_add(mask) & !mask;
        synthetic.push(case.cut(at));
        next = at.wrapping_add(wanted.record.size);
    }
    synthetic
}

/// The case's values, and those that the plugin supplies.
fn values(case: &Case, needs: &Needs, layout: &Layout) -> Vec<u64> {
    let mut values = case.values();
    for (s, _) in &needs.supplied {
        let at = match s.how {
            supply::CONSTANT => Some(0),
            supply::IN_SECTION => layout.addresses.get(s.index as usize).copied(),
            supply::IN_SYNTHETIC => layout.synthetic.get(s.index as usize).copied(),
            // Under another name the symbol is what the case says.
            _ => None,
        };
        if let (Some(at), Some(value)) = (at, values.get_mut(s.symbol as usize)) {
            *value = case.cut(at.wrapping_add(s.value));
        }
    }
    values
}
