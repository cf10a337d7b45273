//! Cases to build on, one for each machine and form of addends.

use super::case::{Case, Relocation, Section, Symbol};
use super::reference_model::{Forms, ReferenceModel};
use super::run::{Outcome, run};
use relobox_abi::{Machine, row_flag, symbol_flag};
use relobox_link::guests::Plugin;

/// A case to build on: one section of code, of one machine and one form of addends.
#[derive(Clone)]
pub struct Ground {
    /// The case so far.
    pub case: Case,
}

impl Ground {
    /// A section of 64 zero bytes, where the machine's modules lie.
    #[must_use]
    pub fn new(machine: Machine, in_place: bool) -> Self {
        let mut case = Case::new(&machine);
        case.sections.push(Section {
            name: ".text".into(),
            address: (machine.base & !0xffff).wrapping_add(0x10_0000),
            align: 16,
            // What is executable may be patched; what is not may be treated otherwise.
            flags: relobox_abi::section_flag::ALLOC | relobox_abi::section_flag::EXEC,
            bytes: vec![0; 64],
            in_place,
            relocations: Vec::new(),
        });
        case.sections[0].address = case.cut(case.sections[0].address);
        Self { case }
    }

    /// Whether addends are in place.
    #[must_use]
    pub fn in_place(&self) -> bool {
        self.case.sections[0].in_place
    }

    /// The section's address.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.case.sections[0].address
    }

    /// The same on an address of one's own.
    #[must_use]
    pub fn at(mut self, address: u64) -> Self {
        self.case.sections[0].address = self.case.cut(address);
        self
    }

    /// A symbol that somebody else defines; its index.
    pub fn symbol(&mut self, value: u64) -> u32 {
        let name = format!("s{}", self.case.symbols.len() + 1);
        let value = self.case.cut(value);
        // Global, of no type.
        self.case.symbols.push(Symbol { name, value, info: 0x10, flags: symbol_flag::UNDEFINED, ..Symbol::default() });
        self.case.symbols.len() as u32
    }

    /// A label in the section; its index.
    pub fn label(&mut self, offset: u64) -> u32 {
        let name = format!("l{}", self.case.symbols.len() + 1);
        self.case.symbols.push(Symbol { name, section: 1, value: offset, ..Symbol::default() });
        self.case.symbols.len() as u32
    }

    /// One more relocation.
    pub fn relocation(&mut self, relocation: Relocation) {
        self.case.sections[0].relocations.push(relocation);
    }

    /// For people: machine, class, byte order, form of addends.
    #[must_use]
    pub fn name(&self) -> String {
        let order = relobox_core::text::order_of(self.case.order);
        let form = if self.in_place() { "rel" } else { "rela" };
        format!("{}/{}/{order}/{form}", self.case.machine, self.case.class)
    }
}

/// Each machine with each form of addends that the plugin takes.
pub(crate) fn grounds(model: &ReferenceModel<'_>) -> Vec<Ground> {
    let forms = model.forms();
    let forms = [(false, forms.explicit), (true, forms.in_place)];
    let machines = model.about().machines.iter();
    machines
        .flat_map(|m| forms.iter().filter(|(_, taken)| *taken).map(move |(in_place, _)| Ground::new(*m, *in_place)))
        .collect()
}

impl Forms {
    /// Those that `plugin` takes, on its first machine: a module with nothing wrong tells.
    #[must_use]
    pub fn of(plugin: &Plugin) -> Self {
        let Some(machine) = plugin.about.machines.first() else { return Self { explicit: true, in_place: true } };
        let [explicit, in_place] = [false, true].map(|in_place| {
            let harmless = plugin.about.rows.iter().filter(|row| !row.is(row_flag::REJECT));
            let kind = harmless.max_by_key(|row| row.is(row_flag::NOP)).map_or(0, |row| row.row.kind);
            let mut ground = Ground::new(*machine, in_place);
            let symbol = ground.symbol(ground.address());
            ground.relocation(Relocation { offset: 16, kind, symbol, addend: 0 });
            match run(plugin, &ground.case).outcome {
                Outcome::Refused(faults) => faults.iter().all(|fault| fault.kind != "addend-form"),
                _ => true,
            }
        });
        // One that takes neither takes both wrongly.
        if explicit || in_place { Self { explicit, in_place } } else { Self { explicit: true, in_place: true } }
    }
}
