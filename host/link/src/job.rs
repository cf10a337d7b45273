//! The job: the input of a plugin, as one block in which all offsets are relative.
//!
//! A plugin sees the contents that it may patch, all relocations, and the facts about sections and symbols. It sees the
//! names of undefined symbols only, and nothing of other modules or files.

use crate::description::PluginDescription;
use crate::needs::{KernelSymbol, kernel_symbols};
use crate::records::Records;
use relobox_abi::{Group, Input, Job, Relocation, Section, Span, Symbol, Table, symbol_flag};
use zerocopy::IntoBytes as _;

/// The layout of a job that is not written yet.
pub struct JobWriter {
    /// The header of the job; its offsets are relative to the job.
    pub header: Job,
    /// Names and inputs, built beforehand because they are small.
    strings: Vec<u8>,
    strings_at: u32,
    section_names: Vec<Span>,
    symbol_names: Vec<(u32, Span)>,
    inputs: Vec<Input>,
    /// Inputs that are symbols of the kernel: 0 until apply.
    pub kernel_symbols: Vec<KernelSymbol>,
    /// The place of each section's copy, relative to the job's data.
    pub copies: Vec<Span>,
}

impl JobWriter {
    /// Computes the layout of the job. `about` lists the inputs that the plugin reads, `given` has their values.
    #[must_use]
    pub fn measure(about: &PluginDescription, records: &Records<'_>, given: &[(String, u64)]) -> Self {
        let mut strings = Vec::new();
        let mut text = |s: &[u8]| {
            strings.extend_from_slice(s);
            Span { at: (strings.len() - s.len()) as u32, len: s.len() as u32 }
        };
        let section_names = records.sections.iter().map(|s| text(records.bytes(s.name))).collect();
        // The plugin sees only the names of symbols that another module or the kernel defines.
        let undefined = |s: &Symbol| s.flags & symbol_flag::UNDEFINED != 0;
        let symbol_names = (0..)
            .zip(records.symbols)
            .filter(|(_, s)| undefined(s))
            .map(|(i, s)| (i, text(records.bytes(s.name))))
            .collect();
        let kernel_symbols = if about.abi < 3 { Vec::new() } else { kernel_symbols(&about.inputs, given) };
        let mut inputs: Vec<_> = about
            .inputs
            .iter()
            .map(|(name, default)| {
                let value = given.iter().find(|(n, _)| n == name).map_or(*default, |(_, v)| *v);
                Input { name: text(name.as_bytes()), value }
            })
            .collect();
        for symbol in &kernel_symbols {
            inputs[symbol.input].value = 0;
        }

        let mut end = size_of::<Job>() as u64;
        let mut room = |count: usize, size: usize| {
            let at = end.next_multiple_of(16);
            end = at + (count * size) as u64;
            // The offset is truncated if the job is larger than 4 GiB. Then its length shows that, and reserve refuses
            // it.
            Table { at: at as u32, count: count as u32 }
        };
        let strings_at = room(strings.len(), 1).at;
        let mut header = Job {
            abi: about.abi,
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
        let mut data_len = 0u64;
        for group in records.groups {
            let len = records.sections[group.section as usize].data.len;
            let copy = &mut copies[group.section as usize];
            if copy.len == 0 {
                *copy = Span { at: data_len as u32, len };
                data_len = (data_len + u64::from(len)).next_multiple_of(16);
            }
        }
        header.data = Span { at: data_at, len: data_len as u32 };
        // If a job does not fit into 32 bits, the offsets above are wrong, and it is refused: no guest has so much
        // memory.
        let len = end.next_multiple_of(16) + data_len;
        header.len = u32::try_from(len).unwrap_or(u32::MAX);
        Self { header, strings, strings_at, section_names, symbol_names, inputs, kernel_symbols, copies }
    }

    /// Writes the job into `place`, which must be zero and `header.len` bytes long.
    pub fn write(&self, records: &Records<'_>, place: &mut [u8]) {
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
