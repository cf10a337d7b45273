//! Runs an architecture natively on a module made up in a test.
//! [`architecture!`](crate::architecture) has an example.

use crate::{Architecture, Finding, Session, Synthetic};
use alloc::vec::Vec;
use relobox_abi::cast::{self, Record};
use relobox_abi::{
    ABI_VERSION, Group, Input, Job, Machine, Relocation, Section, Span, Symbol, Table, fault, group_flag, order,
    row_flag, section_flag, supply, symbol_flag,
};

/// A module under test. Section and symbol 0 are ELF's null ones.
pub struct Module<A> {
    machine: Machine,
    sections: Vec<(Section, Vec<u8>, Vec<u8>)>,
    symbols: Vec<(Symbol, Vec<u8>, u64)>,
    relocations: Vec<(u32, Relocation)>,
    inputs: Vec<(Vec<u8>, u64)>,
    in_place: bool,
    synthetic_base: u64,
    arch: core::marker::PhantomData<A>,
}

/// A linked module.
#[derive(Debug)]
pub struct Linked {
    sections: Vec<Vec<u8>>,
    /// The synthetic sections, with addresses and contents.
    pub synthetic: Vec<Synthetic>,
    /// Windows that plan declared.
    pub windows: Vec<relobox_abi::Window>,
    /// Alignments that plan raised.
    pub alignments: Vec<relobox_abi::Alignment>,
    /// Symbols that plan renamed, with their new names.
    pub renamed: Vec<(u32, Vec<u8>)>,
}

impl Linked {
    /// A section's bytes.
    #[must_use]
    pub fn section(&self, section: u32) -> &[u8] {
        &self.sections[section as usize]
    }
}

impl<A: Architecture> Default for Module<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Architecture> Module<A> {
    /// For the architecture's first machine.
    #[must_use]
    pub fn new() -> Self {
        Self::for_machine(A::ABOUT.machines[0])
    }

    /// For one of its machines.
    #[must_use]
    pub fn for_machine(machine: Machine) -> Self {
        Self {
            machine,
            sections: alloc::vec![(Section::default(), Vec::new(), Vec::new())],
            symbols: alloc::vec![(Symbol::default(), Vec::new(), 0)],
            relocations: Vec::new(),
            inputs: Vec::new(),
            in_place: false,
            synthetic_base: machine.base,
            arch: core::marker::PhantomData,
        }
    }

    /// Addends stand in place (SHT_REL).
    #[must_use]
    pub fn in_place(mut self) -> Self {
        self.in_place = true;
        self
    }

    /// Synthetic sections go here and upwards; by default to the machine's customary base.
    pub fn synthetic_at(&mut self, address: u64) {
        self.synthetic_base = address;
    }

    /// A number from the kernel.
    pub fn input(&mut self, name: &str, value: u64) {
        self.inputs.push((name.into(), value));
    }

    /// An executable, allocated section.
    pub fn section(&mut self, name: &str, address: u64, bytes: &[u8]) -> u32 {
        self.section_of(section_flag::ALLOC | section_flag::EXEC, name, address, bytes)
    }

    /// A section with these flags; see [`section_flag`].
    pub fn section_of(&mut self, flags: u64, name: &str, address: u64, bytes: &[u8]) -> u32 {
        let size = bytes.len() as u64;
        let section = Section { address, size, align: 8, flags, kind: 1, ..Default::default() };
        self.sections.push((section, name.into(), bytes.into()));
        self.sections.len() as u32 - 1
    }

    /// An undefined, global symbol whose value the host has found.
    pub fn symbol(&mut self, name: &str, value: u64) -> u32 {
        let symbol = Symbol { info: 0x10, flags: symbol_flag::UNDEFINED, ..Default::default() };
        self.raw_symbol(symbol, name, value)
    }

    /// A local symbol at `offset` of `section`.
    pub fn label(&mut self, section: u32, offset: u64) -> u32 {
        let value = self.sections[section as usize].0.address + offset;
        let symbol = Symbol { value: offset, section, flags: symbol_flag::LOCAL, ..Default::default() };
        self.raw_symbol(symbol, "", value)
    }

    /// Any symbol.
    pub fn raw_symbol(&mut self, symbol: Symbol, name: &str, value: u64) -> u32 {
        self.symbols.push((symbol, name.into(), value));
        self.symbols.len() as u32 - 1
    }

    /// A relocation; those of one section follow one another in the order of these calls.
    pub fn relocate(&mut self, section: u32, offset: u64, kind: u32, symbol: u32, addend: i64) {
        self.relocations.push((section, Relocation { offset, addend, kind, symbol }));
    }

    /// Links it: plan, addresses, apply. `Err` is what either found wrong.
    pub fn link(mut self) -> Result<Linked, Vec<Finding>> {
        self.relocations.sort_by_key(|(section, _)| *section);
        let mut words = self.write(true);
        let (mut session, plan) = Session::<A>::plan(cast::bytes_of_mut(&mut words));
        if !plan.findings.list.is_empty() {
            return Err(plan.findings.list);
        }
        let mut at = self.synthetic_base;
        for s in &mut session.synthetic {
            s.address = at.next_multiple_of(s.align.max(1));
            at = s.address + s.contents.len() as u64;
        }
        for s in &plan.supplied {
            self.symbols[s.symbol as usize].2 = match s.how {
                supply::CONSTANT => s.value,
                supply::IN_SYNTHETIC => session.synthetic[s.index as usize].address + s.value,
                _ => self.sections[s.index as usize].0.address + s.value,
            };
        }
        let mut words = self.write(false);
        let findings = session.apply(cast::bytes_of_mut(&mut words));
        if !findings.list.is_empty() {
            return Err(findings.list);
        }
        let bytes = cast::bytes_of(&words);
        let mut at = bytes.len() - self.data_len();
        let mut sections = Vec::new();
        for (_, _, contents) in &self.sections {
            sections.push(bytes[at..at + contents.len()].to_vec());
            at += contents.len().next_multiple_of(8);
        }
        let (windows, alignments, renamed) = (plan.windows, plan.alignments, plan.renamed);
        Ok(Linked { sections, synthetic: session.synthetic, windows, alignments, renamed })
    }

    fn data_len(&self) -> usize {
        self.sections.iter().map(|s| s.2.len().next_multiple_of(8)).sum()
    }

    fn write(&self, planning: bool) -> Vec<u64> {
        let (mut head, mut strings, mut data) = (Vec::new(), Vec::new(), Vec::new());
        let mut text = |s: &[u8]| {
            strings.extend_from_slice(s);
            Span { at: (strings.len() - s.len()) as u32, len: s.len() as u32 }
        };
        let mut sections = Vec::new();
        for (section, name, contents) in &self.sections {
            let span = Span { at: data.len() as u32, len: contents.len() as u32 };
            data.extend_from_slice(contents);
            data.resize(data.len().next_multiple_of(8), 0);
            let address = if planning { 0 } else { section.address };
            sections.push(Section { address, name: text(name), data: span, ..*section });
        }
        let mut symbols: Vec<_> = self.symbols.iter().map(|(s, name, _)| Symbol { name: text(name), ..*s }).collect();
        let mut inputs: Vec<_> = self.inputs.iter().map(|(n, value)| Input { name: text(n), value: *value }).collect();
        let values: Vec<u64> = self.symbols.iter().map(|s| if planning { 0 } else { s.2 }).collect();
        let mut groups: Vec<Group> = Vec::new();
        for (i, (section, _)) in (0..).zip(&self.relocations) {
            match groups.last_mut() {
                Some(group) if group.section == *section => group.count += 1,
                _ => groups.push(Group {
                    section: *section,
                    first: i,
                    count: 1,
                    flags: if self.in_place { group_flag::IN_PLACE } else { 0 },
                    ..Default::default()
                }),
            }
        }
        let relocations: Vec<_> = self.relocations.iter().map(|r| r.1).collect();
        head.resize(size_of::<Job>(), 0);
        let strings_at = head.len() as u32;
        head.extend_from_slice(&strings);
        for name in sections.iter_mut().map(|s| &mut s.name).chain(symbols.iter_mut().map(|s| &mut s.name)) {
            name.at += strings_at;
        }
        inputs.iter_mut().for_each(|i| i.name.at += strings_at);
        fn table<T: Record>(head: &mut Vec<u8>, records: &[T]) -> Table {
            head.resize(head.len().next_multiple_of(8), 0);
            let at = head.len() as u32;
            head.extend_from_slice(cast::bytes_of(records));
            Table { at, count: records.len() as u32 }
        }
        let mut job = Job {
            abi: ABI_VERSION,
            machine: self.machine.machine,
            class: self.machine.class,
            order: self.machine.order,
            elf_flags: self.machine.flags_value,
            sections: table(&mut head, &sections),
            symbols: table(&mut head, &symbols),
            groups: table(&mut head, &groups),
            relocations: table(&mut head, &relocations),
            values: table(&mut head, &values),
            inputs: table(&mut head, &inputs),
            ..Default::default()
        };
        head.resize(head.len().next_multiple_of(8), 0);
        job.data = Span { at: head.len() as u32, len: data.len() as u32 };
        job.len = (head.len() + data.len()) as u32;
        head[..size_of::<Job>()].copy_from_slice(cast::bytes_of(core::slice::from_ref(&job)));
        head.extend_from_slice(&data);
        // Records are 8-aligned, and so is a buffer of words.
        head.chunks_exact(8).map(|c| u64::from_ne_bytes(c.try_into().unwrap_or_default())).collect()
    }
}

/// Returns words of 32 bits in byte order `data_order`; see [`order`].
#[must_use]
pub fn bytes(data_order: u8, words: &[u32]) -> Vec<u8> {
    words
        .iter()
        .flat_map(|word| if data_order == order::BIG { word.to_be_bytes() } else { word.to_le_bytes() })
        .collect()
}

/// Returns the words of 32 bits that are whole in `bytes`; the reverse of [`bytes`](fn@bytes).
#[must_use]
pub fn words(data_order: u8, bytes: &[u8]) -> Vec<u32> {
    let read = |word| if data_order == order::BIG { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) };
    bytes.as_chunks().0.iter().copied().map(read).collect()
}

/// Returns the kind of each finding.
#[must_use]
pub fn kinds(findings: &[Finding]) -> Vec<u32> {
    findings.iter().map(|finding| finding.fault.kind).collect()
}

/// Asks every row of the table about offsets, symbols and addends that no module has, near the end of the address space.
///
/// # Panics
/// If one of them is no finding, but for those of rows that change nothing.
pub fn hostile_records_are_faults<A: Architecture>(module: impl Fn() -> Module<A>) {
    for row in A::ABOUT.every_row() {
        let mut m = module();
        m.synthetic_at(0x1_0000);
        let text = m.section(".text", 0xffff_ffff_ffff_fff0, &[0xff; 16]);
        let far = m.symbol("far", 0x7fff_ffff_ffff_ffff);
        let wild = [u64::MAX, 1 << 32, (1 << 32) - 1, 17, 1 << 63, 0];
        for (i, offset) in wild.into_iter().enumerate() {
            for symbol in [far, u32::MAX, 3] {
                m.relocate(text, offset, row.kind, symbol, [i64::MIN, i64::MAX][i % 2]);
            }
        }
        let nop = row.flags & row_flag::NOP != 0;
        let found = m.link().map_or_else(|findings| findings.len(), |_| 0);
        assert!(found >= if nop { 12 } else { 17 }, "{}: {found}", row.name);
    }
}

/// Asks every row that changes bytes about a field whose last byte lies behind its section.
///
/// # Panics
/// If that is anything but one finding, of kind [`fault::OUTSIDE`].
pub fn misplaced_words_are_outside<A: Architecture>(module: impl Fn() -> Module<A>) {
    for row in A::ABOUT.rows.iter().filter(|row| row.width != 0) {
        let mut m = module();
        m.synthetic_at(0x1_0000);
        let text = m.section(".text", 0, &[0; 16]);
        m.relocate(text, 17 - u64::from(row.width), row.kind, 0, 0);
        let found = m.link().map_or_else(|findings| kinds(&findings), |_| Vec::new());
        assert_eq!(found, [fault::OUTSIDE], "{}", row.name);
    }
}

/// Asks each of these types about places outside of a section of 8 bytes, and about symbols that there are not.
///
/// # Panics
/// If the places are not [`fault::OUTSIDE`], or the symbols are not [`fault::BAD_SYMBOL`].
pub fn wrong_places_and_symbols_are_told_apart<A: Architecture>(module: impl Fn() -> Module<A>, types: &[u32]) {
    for kind in types {
        let mut m = module();
        let base = m.machine.base;
        let text = m.section(".text", base, &[0; 8]);
        let s = m.symbol("s", base);
        for (at, symbol) in [(8, s), (u64::MAX, s), (1 << 32, s), (0, 1 << 20), (0, u32::MAX)] {
            m.relocate(text, at, *kind, symbol, i64::MIN);
        }
        let found = m.link().map_or_else(|findings| kinds(&findings), |_| Vec::new());
        assert_eq!(found[..3], [fault::OUTSIDE; 3], "{kind}");
        assert_eq!(found[3..], [fault::BAD_SYMBOL; 2], "{kind}");
    }
}
