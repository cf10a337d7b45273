//! Plan: the plugin sees the module, without addresses, and says what it needs.
//!
//! The job is written into the plugin's memory once; apply only fills in addresses and values.

use crate::error::{Error, Misbehaviour, Problem, Result};
use crate::guests::Plugin;
use crate::limits;
use crate::parse::Records;
use crate::records::{bytes, record, shown, table};
use crate::report;
use crate::sandbox::Instance;
use relobox_abi::{
    ABI_VERSION, Alignment, Group, Input, Job, NONE, Plan, Relocation, Section, Span, Supplied, Symbol, Synthetic,
    Table, Window, export, placement, supply, symbol_flag, synthetic_kind,
};
use zerocopy::IntoBytes;

/// A plugin with a job in its memory.
pub struct Planned {
    /// The instance; apply continues in it.
    pub instance: Instance,
    /// Address of the job.
    pub job: u32,
    /// Where apply writes section records.
    pub sections: u32,
    /// Where apply writes symbol values.
    pub values: u32,
    /// Where each section's copy lies, absolute; length 0 without one.
    pub copies: Vec<Span>,
    /// What the plugin asked for.
    pub needs: Needs,
}

/// What a plugin asked for, checked.
#[derive(Debug, Default)]
pub struct Needs {
    /// Sections to make.
    pub synthetic: Vec<Wanted>,
    /// Alignments to raise.
    pub alignments: Vec<Alignment>,
    /// More bytes that a relocation may change, ascending by relocation.
    pub windows: Vec<Window>,
    /// Symbols that the plugin knows, with the name for those that are renamed.
    pub supplied: Vec<(Supplied, Vec<u8>)>,
}

/// A synthetic section.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Size, alignment, kind, placement.
    pub record: Synthetic,
    /// Where the plugin expects its address to be written.
    pub at: u32,
}

/// Fields of [`Wanted::record`] that matter to layout.
impl Wanted {
    /// Whether it goes with the other sections of its kind.
    #[must_use]
    pub fn with_kind(&self) -> bool {
        self.record.placement == placement::WITH_KIND
    }
}

/// Writes the job and asks for the plan.
pub fn plan(plugin: &Plugin, records: &Records<'_>, inputs: &[(String, u64)]) -> Result<Planned> {
    let job = Written::measure(plugin, records, inputs);
    let len = u64::from(job.header.len);
    let mut instance = plugin.guest.instantiate(limits::memory_for(len), limits::fuel_for(len))?;
    let at = instance.reserve(len)?;
    let place = instance.memory_mut().get_mut(at as usize..).and_then(|rest| rest.get_mut(..len as usize));
    job.write(records, place.unwrap_or_default());
    let answer = instance.call(export::PLAN, (at,))?;
    let checked = check(instance.memory(), records, plugin, answer);
    let needs = checked.map_err(|what| instance.misbehaved(what))?.map_err(Error::Module)?;
    let base = at + job.header.data.at;
    let copies = job.copies.iter().map(|s| Span { at: if s.len == 0 { 0 } else { base + s.at }, len: s.len }).collect();
    let (sections, values) = (at + job.header.sections.at, at + job.header.values.at);
    Ok(Planned { instance, job: at, sections, values, copies, needs })
}

/// A job before it is written.
struct Written {
    header: Job,
    /// Names and inputs: small, so made beforehand.
    strings: Vec<u8>,
    strings_at: u32,
    section_names: Vec<Span>,
    symbol_names: Vec<(u32, Span)>,
    inputs: Vec<Input>,
    /// Each section's place in the data, relative to it.
    copies: Vec<Span>,
}

impl Written {
    fn measure(plugin: &Plugin, records: &Records<'_>, given: &[(String, u64)]) -> Self {
        let mut strings = Vec::new();
        let mut text = |s: &[u8]| {
            strings.extend_from_slice(s);
            Span { at: (strings.len() - s.len()) as u32, len: s.len() as u32 }
        };
        let section_names = records.sections.iter().map(|s| text(records.bytes(s.name))).collect();
        // A plugin learns only the names that somebody else defines.
        let undefined = |s: &Symbol| s.flags & symbol_flag::UNDEFINED != 0;
        let symbol_names = (0..)
            .zip(records.symbols)
            .filter(|(_, s)| undefined(s))
            .map(|(i, s)| (i, text(records.bytes(s.name))))
            .collect();
        let inputs: Vec<_> = plugin
            .about
            .inputs
            .iter()
            .map(|(name, default)| {
                let value = given.iter().find(|(n, _)| n == name).map_or(*default, |(_, v)| *v);
                Input { name: text(name.as_bytes()), value }
            })
            .collect();

        let mut end = size_of::<Job>() as u64;
        let mut room = |count: usize, size: usize| {
            let at = end.next_multiple_of(16);
            end = at + (count * size) as u64;
            // Larger than 4 GiB: reserve will refuse.
            Table { at: at as u32, count: count as u32 }
        };
        let strings_at = room(strings.len(), 1).at;
        let mut header = Job {
            abi: ABI_VERSION,
            machine: records.parsed.machine,
            class: records.parsed.class,
            order: records.parsed.order,
            elf_flags: records.parsed.elf_flags,
            sections: room(records.sections.len(), size_of::<Section>()),
            symbols: room(records.symbols.len(), size_of::<Symbol>()),
            groups: room(records.groups.len(), size_of::<Group>()),
            relocations: room(records.relocations.len(), size_of::<Relocation>()),
            values: room(records.symbols.len(), 8),
            inputs: room(inputs.len(), size_of::<Input>()),
            ..Default::default()
        };
        let data_at = room(0, 1).at;
        let mut copies = vec![Span::default(); records.sections.len()];
        let mut data_len = 0u32;
        for group in records.groups {
            let len = records.sections[group.section as usize].data.len;
            let copy = &mut copies[group.section as usize];
            if copy.len == 0 {
                *copy = Span { at: data_len, len };
                data_len = data_len.saturating_add(len).next_multiple_of(16);
            }
        }
        header.data = Span { at: data_at, len: data_len };
        header.len = data_at.saturating_add(data_len);
        Self { header, strings, strings_at, section_names, symbol_names, inputs, copies }
    }

    fn write(&self, records: &Records<'_>, place: &mut [u8]) {
        let mut put = |at: u32, bytes: &[u8]| {
            if let Some(room) = place.get_mut(at as usize..).and_then(|rest| rest.get_mut(..bytes.len())) {
                room.copy_from_slice(bytes);
            }
        };
        let h = &self.header;
        put(0, h.as_bytes());
        put(self.strings_at, &self.strings);
        let moved = |s: Span| Span { at: s.at + self.strings_at, len: s.len };
        for (i, s) in records.sections.iter().enumerate() {
            let section = Section { address: 0, name: moved(self.section_names[i]), data: self.copies[i], ..*s };
            put(h.sections.at + (i * size_of::<Section>()) as u32, section.as_bytes());
        }
        let nameless: Vec<Symbol> = records.symbols.iter().map(|s| Symbol { name: Span::default(), ..*s }).collect();
        put(h.symbols.at, nameless.as_bytes());
        for (i, name) in &self.symbol_names {
            let symbol = Symbol { name: moved(*name), ..records.symbols[*i as usize] };
            put(h.symbols.at + i * size_of::<Symbol>() as u32, symbol.as_bytes());
        }
        put(h.groups.at, records.groups.as_bytes());
        put(h.relocations.at, records.relocations.as_bytes());
        for (i, input) in (0u32..).zip(&self.inputs) {
            let input = Input { name: moved(input.name), ..*input };
            put(h.inputs.at + i * size_of::<Input>() as u32, input.as_bytes());
        }
        for (section, copy) in records.sections.iter().zip(&self.copies) {
            if copy.len != 0 {
                put(h.data.at + copy.at, records.bytes(section.data));
            }
        }
    }
}

/// The plan, as hostile input.
fn check(
    memory: &[u8],
    records: &Records<'_>,
    plugin: &Plugin,
    at: u32,
) -> Result<Result<Needs, Vec<Problem>>, Misbehaviour> {
    let answer = |what: &str| Misbehaviour::Answer(format!("its plan {what}"));
    let plan: &Plan = record(memory, at)?;
    let faults = table(memory, plan.faults)?;
    if !faults.is_empty() {
        let problem = |f| report::relocation_fault(memory, records, &plugin.about, f, |_| None);
        return Ok(Err(faults.iter().map(problem).collect()));
    }
    let mut needs = Needs::default();
    let sections = records.sections.len();
    let wanted: &[Synthetic] = table(memory, plan.synthetic)?;
    if wanted.len() > limits::SYNTHETIC {
        return Err(answer("wants too many sections"));
    }
    let mut total = 0u64;
    for (i, s) in (0u32..).zip(wanted) {
        total = total.saturating_add(s.size);
        let bad_place =
            s.placement > placement::AFTER || (s.placement != placement::WITH_KIND && s.section as usize >= sections);
        let bad_section = s.section != NONE && s.section as usize >= sections;
        if !s.align.is_power_of_two() || s.align > 1 << 21 || bad_place || bad_section {
            return Err(answer("wants a section that cannot be placed"));
        }
        if !matches!(s.kind, synthetic_kind::TEXT | synthetic_kind::RODATA | synthetic_kind::DATA) {
            return Err(answer("wants a section of an unknown kind"));
        }
        let size = u32::try_from(s.size).map_err(|_| answer("wants an enormous section"))?;
        bytes(memory, Span { at: s.contents, len: size })?;
        let name = shown(bytes(memory, s.name)?);
        needs.synthetic.push(Wanted { name, record: *s, at: plan.synthetic.at + i * size_of::<Synthetic>() as u32 });
    }
    if total > limits::synthetic_for(records.relocations.len() as u64) {
        return Err(answer("wants more bytes than its relocations can need"));
    }
    for a in table::<Alignment>(memory, plan.alignments)? {
        if a.section as usize >= sections || !a.align.is_power_of_two() || a.align > 1 << 21 {
            return Err(answer("raises an alignment that cannot be"));
        }
        needs.alignments.push(*a);
    }
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
    for s in table::<Supplied>(memory, plan.supplied)? {
        let undefined = records.symbols.get(s.symbol as usize).is_some_and(|s| s.flags & symbol_flag::UNDEFINED != 0);
        let index = s.index as usize;
        let sound = match s.how {
            supply::CONSTANT | supply::RENAME => true,
            supply::IN_SECTION => index < sections,
            supply::IN_SYNTHETIC => index < wanted.len(),
            _ => false,
        };
        if !undefined || !sound {
            return Err(answer("supplies a symbol that it may not"));
        }
        let name = if s.how == supply::RENAME { bytes(memory, s.name)?.to_vec() } else { Vec::new() };
        needs.supplied.push((*s, name));
    }
    Ok(Ok(needs))
}
