//! Seed inputs, derived from a plugin's description: a few modules for each row.

use relobox_abi::{Machine, order, section_flag, symbol_flag};
use relobox_kit::{Relocation, Section, Symbol, TestModule};
use relobox_link::description::{PluginDescription, PluginRow};

/// The offset of the first place in its section; windows may begin before it.
const PLACE: u64 = 16;

/// The size of each section in bytes.
const BYTES: usize = 48;

/// Returns all seeds of a plugin.
#[must_use]
pub fn seeds(about: &PluginDescription) -> Vec<TestModule> {
    let mut cases = Vec::new();
    for machine in &about.machines {
        for in_place in [false, true] {
            cases.push(with_rows(machine, in_place, &[]));
            for row in &about.rows {
                cases.push(with_rows(machine, in_place, &[row]));
                if let Some(partner) = partner(about, row) {
                    cases.push(with_rows(machine, in_place, &[row, partner]));
                    cases.push(with_rows(machine, in_place, &[partner, row]));
                    // Several high halves may share a low half, and the other way round.
                    cases.push(with_rows(machine, in_place, &[row, row, partner]));
                    cases.push(with_rows(machine, in_place, &[row, partner, partner]));
                }
            }
        }
    }
    cases
}

/// Returns the partner of a row, if its description declares one.
#[must_use]
pub fn partner<'a>(about: &'a PluginDescription, row: &PluginRow) -> Option<&'a PluginRow> {
    (row.row.pairing != 0).then(|| about.row(row.row.partner)).flatten()
}

/// Makes a module with one relocation for each of these rows, four bytes apart, to a symbol in another section.
fn with_rows(machine: &Machine, in_place: bool, rows: &[&PluginRow]) -> TestModule {
    let mut module = TestModule::new(machine);
    let relocation =
        |(i, row): (u64, &&PluginRow)| Relocation { offset: PLACE + 4 * i, kind: row.row.kind, symbol: 1, addend: 0 };
    module.sections.push(Section {
        name: ".text".to_owned(),
        address: machine.base,
        align: 16,
        flags: section_flag::ALLOC | section_flag::EXEC,
        bytes: vec![0; BYTES],
        in_place,
        relocations: (0..).zip(rows).map(relocation).collect(),
    });
    module.sections.push(Section {
        name: ".data".to_owned(),
        address: machine.base.wrapping_add(0x1000),
        align: 16,
        flags: section_flag::ALLOC | section_flag::WRITE,
        bytes: vec![0; BYTES],
        ..Section::default()
    });
    module.symbols.push(Symbol { section: 2, value: 8, size: 8, info: 0x11, ..Symbol::default() });
    let undefined = symbol_flag::UNDEFINED;
    module.symbols.push(Symbol {
        name: "outside".to_owned(),
        value: machine.kernel,
        info: 0x10,
        flags: undefined,
        ..Symbol::default()
    });
    module
}

/// Returns whether the data of a module is big-endian.
#[must_use]
pub fn is_big_endian(module: &TestModule) -> bool {
    module.order == order::BIG
}
