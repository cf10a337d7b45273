//! Fixtures: test modules to start from, one for each machine and addend form.

use super::reference_model::{AddendForms, ReferenceModel};
use super::run::{Outcome, run};
use super::test_module::{Relocation, Section, Symbol, TestModule};
use relobox_abi::{Machine, row_flag, symbol_flag};
use relobox_link::guests::Plugin;

/// A test module with one code section, for one machine and one addend form, to which checks add symbols and
/// relocations.
#[derive(Clone)]
pub struct Fixture {
    /// The module in its present state.
    pub module: TestModule,
}

impl Fixture {
    /// Makes a module with a section of 64 zero bytes, near the base address of the machine.
    #[must_use]
    pub fn new(machine: Machine, in_place: bool) -> Self {
        let mut module = TestModule::new(&machine);
        module.sections.push(Section {
            name: ".text".into(),
            address: (machine.base & !0xffff).wrapping_add(0x10_0000),
            align: 16,
            // Plugins may treat sections that are not executable in another way.
            flags: relobox_abi::section_flag::ALLOC | relobox_abi::section_flag::EXEC,
            bytes: vec![0; 64],
            in_place,
            relocations: Vec::new(),
        });
        module.sections[0].address = module.cut(module.sections[0].address);
        Self { module }
    }

    /// Returns whether addends are in place (SHT_REL).
    #[must_use]
    pub fn in_place(&self) -> bool {
        self.module.sections[0].in_place
    }

    /// Returns the address of the section.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.module.sections[0].address
    }

    /// Moves the section to `address`.
    #[must_use]
    pub fn at(mut self, address: u64) -> Self {
        self.module.sections[0].address = self.module.cut(address);
        self
    }

    /// Adds an undefined symbol with this value and returns its index.
    pub fn symbol(&mut self, value: u64) -> u32 {
        let name = format!("s{}", self.module.symbols.len() + 1);
        let value = self.module.cut(value);
        // A global symbol without a type.
        self.module.symbols.push(Symbol {
            name,
            value,
            info: 0x10,
            flags: symbol_flag::UNDEFINED,
            ..Symbol::default()
        });
        self.module.symbols.len() as u32
    }

    /// Adds a label in the section and returns its index.
    pub fn label(&mut self, offset: u64) -> u32 {
        let name = format!("l{}", self.module.symbols.len() + 1);
        self.module.symbols.push(Symbol { name, section: 1, value: offset, ..Symbol::default() });
        self.module.symbols.len() as u32
    }

    /// Adds a relocation.
    pub fn relocation(&mut self, relocation: Relocation) {
        self.module.sections[0].relocations.push(relocation);
    }

    /// Returns `MACHINE/CLASS/ORDER/FORM` for the names of checks.
    #[must_use]
    pub fn name(&self) -> String {
        let order = relobox_core::text::order_of(self.module.order);
        let form = if self.in_place() { "rel" } else { "rela" };
        format!("{}/{}/{order}/{form}", self.module.machine, self.module.class)
    }
}

/// Returns a fixture for each machine and each addend form that the plugin takes.
pub(crate) fn fixtures(model: &ReferenceModel<'_>) -> Vec<Fixture> {
    let forms = model.forms();
    let forms = [(false, forms.explicit), (true, forms.in_place)];
    let machines = model.about().machines.iter();
    machines
        .flat_map(|m| forms.iter().filter(|(_, taken)| *taken).map(move |(in_place, _)| Fixture::new(*m, *in_place)))
        .collect()
}

impl AddendForms {
    /// Determines which addend forms `plugin` takes on its first machine, by linking a module without any other fault.
    #[must_use]
    pub fn of(plugin: &Plugin) -> Self {
        let Some(machine) = plugin.about.machines.first() else { return Self { explicit: true, in_place: true } };
        let [explicit, in_place] = [false, true].map(|in_place| {
            let harmless = plugin.about.rows.iter().filter(|row| !row.is(row_flag::REJECT));
            let kind = harmless.max_by_key(|row| row.is(row_flag::NOP)).map_or(0, |row| row.row.kind);
            let mut fixture = Fixture::new(*machine, in_place);
            let symbol = fixture.symbol(fixture.address());
            fixture.relocation(Relocation { offset: 16, kind, symbol, addend: 0 });
            match run(plugin, &fixture.module).outcome {
                Outcome::Refused(faults) => faults.iter().all(|fault| fault.kind != "addend-form"),
                _ => true,
            }
        });
        // If the plugin refuses both forms, the check of each form should fail.
        if explicit || in_place { Self { explicit, in_place } } else { Self { explicit: true, in_place: true } }
    }
}
