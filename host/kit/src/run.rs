//! Links a test module with the host's own stages: plan, layout, apply and confine.

use super::test_module::TestModule;
use relobox_abi::{supply, synthetic_kind};
use relobox_core::areas::ABSENT;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, GuestError};
use relobox_core::limits;
use relobox_link::guests::Plugin;
use relobox_link::job::JobWriter;
use relobox_link::link::relocate;
use relobox_link::needs::Needs;
use relobox_link::sandbox::Instance;
use relobox_link::stages::confine::Image as _;
use relobox_link::stages::layout::Layout;
use relobox_link::stages::plan::{Planned, ask};
use relobox_link::stages::resolve::Resolved;

/// The result of linking a test module.
pub struct Run {
    /// The outcome.
    pub outcome: Outcome,
    /// The fuel that was used, in units of the sandbox.
    pub fuel: u64,
    /// The instance in its final state, or `None` if it could not be created.
    pub instance: Option<Instance>,
}

/// The outcome of linking a test module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The plugin linked the module.
    Linked(Linked),
    /// The plugin refused the module because of these faults.
    Refused(Vec<Fault>),
    /// The plugin broke the contract.
    GuestError(GuestError),
}

/// A linked test module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// The contents of [`TestModule::sections`], in the same order.
    pub sections: Vec<Vec<u8>>,
    /// The sections that the plugin made.
    pub made: Vec<Made>,
    /// The symbol values that the plugin saw, by symbol index.
    pub values: Vec<u64>,
}

/// A section that the plugin made, such as a GOT or a PLT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// The name of the section.
    pub name: String,
    /// The address of the section.
    pub address: u64,
    /// The contents of the section.
    pub contents: Vec<u8>,
    /// True if the section contains code.
    pub text: bool,
}

impl Made {
    /// Returns the contents from `address` to the end, or `None` if `address` is outside.
    pub(crate) fn at(&self, address: u64) -> Option<&[u8]> {
        let at = usize::try_from(address.wrapping_sub(self.address)).ok()?;
        self.contents.get(at..).filter(|rest| !rest.is_empty())
    }
}

/// A fault that the plugin reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The host's name for the kind of fault, such as `out-of-range`.
    pub kind: String,
    /// The index of the relocation among all relocations of the module, or `None` if the fault concerns the whole
    /// module.
    pub relocation: Option<u32>,
    /// The offset in the section, in bytes.
    pub offset: u64,
    /// The value that caused the fault.
    pub value: i64,
}

impl Fault {
    fn of(problem: &Diagnostic) -> Self {
        Self {
            kind: problem.kind.to_owned(),
            relocation: problem.index,
            offset: problem.offset.unwrap_or(0),
            value: problem.value.unwrap_or(0),
        }
    }
}

/// Links `module` with `plugin` in a fresh instance.
#[must_use]
pub fn run(plugin: &Plugin, module: &TestModule) -> Run {
    run_at(plugin, module, |needs| behind(module, needs))
}

/// Links `module`, with the sections that the plugin makes at the addresses that `synthetic` returns, one for each.
pub(crate) fn run_at(plugin: &Plugin, module: &TestModule, synthetic: impl FnOnce(&Needs) -> Vec<u64>) -> Run {
    let mut owned = module.records();
    let records = owned.records();
    let job = JobWriter::measure(&plugin.about, &records, &module.inputs);
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
    let layout = place(module, synthetic(&planned.needs));
    let values = values(module, &planned.needs, &layout);
    let resolved = Resolved { values, ..Resolved::default() };
    let outcome = match relocate(plugin, &mut owned, &mut planned, &layout, &resolved, |_, _| None) {
        Err(error) => failed(error),
        Ok(made) => Outcome::Linked(Linked {
            sections: (1..=module.sections.len()).map(|i| owned.contents(i).to_vec()).collect(),
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
        Error::Guest { what, .. } => Outcome::GuestError(what),
        other => Outcome::GuestError(GuestError::Unusable(other.to_string())),
    }
}

/// Makes the layout from the addresses of the module and of the sections that the plugin makes.
fn place(module: &TestModule, synthetic: Vec<u64>) -> Layout {
    let mut addresses = vec![ABSENT];
    addresses.extend(module.sections.iter().map(|s| module.cut(s.address)));
    Layout { addresses, synthetic, areas: Vec::new() }
}

/// Places the sections that the plugin makes one after the other from [`TestModule::synthetic`] on, in the reverse order
/// if that is [`TestModule::LAST_FIRST`] behind a multiple of 64 KiB.
fn behind(module: &TestModule, needs: &Needs) -> Vec<u64> {
    let mut next = module.synthetic;
    let mut synthetic = vec![0; needs.synthetic.len()];
    let mut place = |i: usize| {
        let wanted = &needs.synthetic[i].record;
        let mask = wanted.align - 1;
        let at = next.wrapping_add(mask) & !mask;
        synthetic[i] = module.cut(at);
        next = at.wrapping_add(wanted.size);
    };
    match module.synthetic & 0xffff == TestModule::LAST_FIRST {
        true => (0..needs.synthetic.len()).rev().for_each(&mut place),
        false => (0..needs.synthetic.len()).for_each(&mut place),
    }
    synthetic
}

/// Returns the values of the module's symbols and of the symbols that the plugin supplies.
fn values(module: &TestModule, needs: &Needs, layout: &Layout) -> Vec<u64> {
    let mut values = module.values();
    for (s, _) in &needs.supplied {
        let at = match s.how {
            supply::CONSTANT => Some(0),
            supply::IN_SECTION => layout.addresses.get(s.index as usize).copied(),
            supply::IN_SYNTHETIC => layout.synthetic.get(s.index as usize).copied(),
            // A renamed symbol keeps the value that the module defines.
            _ => None,
        };
        if let (Some(at), Some(value)) = (at, values.get_mut(s.symbol as usize)) {
            *value = module.cut(at.wrapping_add(s.value));
        }
    }
    values
}
