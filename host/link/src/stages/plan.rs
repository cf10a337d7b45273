//! Plan: the plugin sees the module without addresses, and says what it needs.
//!
//! The job is written into the plugin's memory once. Apply only fills in addresses and values.

use crate::guests::Plugin;
use crate::job::JobWriter;
use crate::needs::{Needs, SyntheticRequest, memory_of};
use crate::records::Records;
use crate::report;
use crate::sandbox::Instance;
use crate::stages::layout::kind_of;
use crate::views::{bytes, record, table};
use relobox_abi::{
    Alignment, FunctionDescriptor, NONE, Plan, Span, Supplied, Synthetic, Window, export, placement, supply,
    symbol_flag, synthetic_kind,
};
use relobox_core::areas::Kind;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, GuestError, Result};
use relobox_core::limits;
use relobox_core::text::decoded;

/// A plugin's instance with a job in its memory, and its plan.
pub struct Planned {
    /// The instance, which apply continues to use.
    pub instance: Instance,
    /// The address of the job.
    pub job: u32,
    /// The address of the section records, which apply completes.
    pub sections: u32,
    /// The address of the symbol values, which apply writes.
    pub values: u32,
    /// The address of the inputs. Apply writes those that are kernel symbols.
    pub inputs: u32,
    /// The address and length of each section's copy; the length is 0 if there is no copy.
    pub copies: Vec<Span>,
    /// What the plugin needs.
    pub needs: Needs,
}

/// Writes the job, and has the plugin plan.
///
/// # Errors
/// [`Error::Module`] with the plugin's faults,
/// [`Error::Guest`] if it breaks its contract.
pub fn plan(plugin: &Plugin, records: &Records<'_>, inputs: &[(String, u64)]) -> Result<Planned> {
    let job = JobWriter::measure(&plugin.about, records, inputs);
    let len = u64::from(job.header.len);
    let mut instance = plugin.guest.instantiate(limits::memory_for(len), limits::fuel_for(len))?;
    let asked = ask(plugin, records, &job, &mut instance)?;
    Ok(asked.with(instance))
}

/// A plan, without the instance whose addresses it contains.
pub struct PlanAnswer {
    job: u32,
    sections: u32,
    values: u32,
    inputs: u32,
    copies: Vec<Span>,
    needs: Needs,
}

impl PlanAnswer {
    /// Combines the plan with the instance that made it.
    #[must_use]
    pub fn with(self, instance: Instance) -> Planned {
        let Self { job, sections, values, inputs, copies, needs } = self;
        Planned { instance, job, sections, values, inputs, copies, needs }
    }
}

/// As [`plan`], in an instance of the caller. After an error, the caller still has the instance.
///
/// # Errors
/// As [`plan`].
pub fn ask(plugin: &Plugin, records: &Records<'_>, job: &JobWriter, instance: &mut Instance) -> Result<PlanAnswer> {
    let len = u64::from(job.header.len);
    let at = instance.reserve(len)?;
    let room = at as usize..at as usize + len as usize;
    let place = instance.memory_mut(room.clone()).get_mut(room);
    job.write(records, place.unwrap_or_default());
    let answer = instance.call(export::PLAN, (at,))?;
    let checked = check(instance.memory(), records, plugin, answer);
    let mut needs = checked.map_err(|what| instance.guest_error(what))?.map_err(Error::Module)?;
    needs.kernel_symbols.clone_from(&job.kernel_symbols);
    let base = at + job.header.data.at;
    let copies = job.copies.iter().map(|s| Span { at: if s.len == 0 { 0 } else { base + s.at }, len: s.len }).collect();
    let (sections, values) = (at + job.header.sections.at, at + job.header.values.at);
    Ok(PlanAnswer { job: at, sections, values, inputs: at + job.header.inputs.at, copies, needs })
}

/// Checks the plan, which is hostile input.
fn check(
    memory: &[u8],
    records: &Records<'_>,
    plugin: &Plugin,
    at: u32,
) -> Result<Result<Needs, Vec<Diagnostic>>, GuestError> {
    let answer = |what: &str| GuestError::MalformedAnswer(format!("its plan {what}"));
    let plan: &Plan = record(memory, at)?;
    let found = report::relocation_faults(memory, records, &plugin.about, plan.faults, plan.more_faults, |_| None)?;
    if !found.is_empty() {
        return Ok(Err(found));
    }
    let mut needs = Needs { remade: plugin.about.remade.clone(), ..Needs::default() };
    let sections = records.sections.len();
    let wanted: &[Synthetic] = table(memory, plan.synthetic)?;
    if wanted.len() > limits::SYNTHETIC {
        return Err(answer("requests too many sections"));
    }
    let mut total = 0u64;
    for (i, s) in (0u32..).zip(wanted) {
        total = total.saturating_add(s.size);
        // A section that is not in memory has no room beside it.
        let in_memory = records.sections.get(s.section as usize).is_some_and(|s| kind_of(records, s).is_some());
        let bad_place = s.placement > placement::AFTER || (s.placement != placement::WITH_KIND && !in_memory);
        let bad_section = s.section != NONE && s.section as usize >= sections;
        if !s.align.is_power_of_two() || s.align > limits::ALIGN || bad_place || bad_section {
            return Err(answer("requests a section that cannot be placed"));
        }
        let known = if plugin.about.abi < 3 { synthetic_kind::DATA } else { synthetic_kind::INIT_DATA };
        let Some(kind) = memory_of(s.kind).filter(|_| s.kind <= known) else {
            return Err(answer("requests a section of an unknown kind"));
        };
        let size = u32::try_from(s.size).map_err(|_| answer("requests an enormous section"))?;
        bytes(memory, Span { at: s.contents, len: size })?;
        let name = decoded(bytes(memory, s.name)?);
        // Linux knows from its name that it must be freed after init.
        let init = matches!(kind, Kind::InitText | Kind::InitRoData | Kind::InitData);
        if plugin.about.abi >= 3 && init != name.starts_with(".init") {
            return Err(answer("requests a section whose name is not of its kind"));
        }
        needs.synthetic.push(SyntheticRequest {
            name,
            record: *s,
            at: plan.synthetic.at + i * size_of::<Synthetic>() as u32,
        });
    }
    if total > limits::synthetic_for(records.relocations.len() as u64) {
        return Err(answer("requests more bytes than its relocations can need"));
    }
    let mut aligned = vec![0; sections];
    for a in table::<Alignment>(memory, plan.alignments)? {
        if a.section as usize >= sections || !a.align.is_power_of_two() || a.align > limits::ALIGN {
            return Err(answer("raises an alignment to an invalid value"));
        }
        let raised = &mut aligned[a.section as usize];
        *raised = a.align.max(*raised);
    }
    // Each section is listed once, however often the plugin asks for it.
    let raised = (0..).zip(aligned).filter(|(_, align)| *align != 0);
    needs.alignments = raised.map(|(section, align)| Alignment { section, align, ..Alignment::default() }).collect();
    let windows: &[Window] = table(memory, plan.windows)?;
    let in_order = windows.windows(2).all(|pair| pair[0].relocation < pair[1].relocation);
    if !in_order || windows.last().is_some_and(|w| w.relocation as usize >= records.relocations.len()) {
        return Err(answer("has windows out of order, or of no relocation"));
    }
    for w in windows {
        let kind = records.relocations[w.relocation as usize].kind;
        if plugin.about.row(kind).is_none_or(|row| u32::from(row.row.extra) < w.len) {
            return Err(answer("has a window that its row does not allow"));
        }
    }
    needs.windows = windows.to_vec();
    let supplied: &[Supplied] = table(memory, plan.supplied)?;
    if supplied.len() > records.symbols.len() {
        return Err(answer("supplies more symbols than there are"));
    }
    let mut renamed = 0u64;
    for s in supplied {
        let undefined = records.symbols.get(s.symbol as usize).is_some_and(|s| s.flags & symbol_flag::UNDEFINED != 0);
        let index = s.index as usize;
        let sound = match s.how {
            supply::CONSTANT => true,
            supply::RENAME => s.name.len <= limits::RENAMED,
            supply::IN_SECTION => index < sections,
            supply::IN_SYNTHETIC => index < wanted.len(),
            _ => false,
        };
        if !undefined || !sound {
            return Err(answer("supplies a symbol that it may not supply"));
        }
        let mut name = Vec::new();
        if s.how == supply::RENAME {
            // The names are copied, and all of them may be the same bytes of the plugin's memory.
            renamed += u64::from(s.name.len);
            if renamed > limits::names_for(records.file.len() as u64) {
                return Err(answer("gives symbols longer names than its module can have"));
            }
            name = bytes(memory, s.name)?.to_vec();
        }
        needs.supplied.push((*s, name));
    }
    if plugin.about.abi >= 3 {
        needs.descriptors = descriptors(memory, records, plan, wanted)?;
    }
    Ok(Ok(needs))
}

/// Checks the function descriptors: they are for symbols that the module defines, ascending, each at most once, and lie
/// in planned sections.
fn descriptors(
    memory: &[u8],
    records: &Records<'_>,
    plan: &Plan,
    wanted: &[Synthetic],
) -> Result<Vec<FunctionDescriptor>, GuestError> {
    let all: &[FunctionDescriptor] = table(memory, plan.descriptors)?;
    let sound = |d: &FunctionDescriptor| {
        let defined = records.symbols.get(d.symbol as usize).is_some_and(|s| s.section != 0);
        defined && wanted.get(d.index as usize).is_some_and(|s| d.offset < s.size)
    };
    if !all.is_sorted_by(|a, b| a.symbol < b.symbol) || !all.iter().all(sound) {
        return Err(GuestError::MalformedAnswer("its plan has an invalid function descriptor".into()));
    }
    Ok(all.to_vec())
}
