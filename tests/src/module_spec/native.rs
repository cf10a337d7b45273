//! A linker that runs an architecture of the SDK natively, without a sandbox.
//!
//! Nothing confines its writes and nothing counts its fuel.

use super::{Fault, LinkError, LinkOutput, Linker, ModuleSpec, RowDescription, SymbolKind, SyntheticSection, guest};
use relobox_abi::{Machine, Row, Symbol, fault, row_flag, symbol_flag};
use relobox_plugin::testing::Module;
use relobox_plugin::{Architecture, RowInfo};
use std::marker::PhantomData;

/// An architecture that runs natively.
pub struct Native<A> {
    rows: Vec<RowDescription>,
    arch: PhantomData<A>,
}

impl<A: Architecture> Default for Native<A> {
    fn default() -> Self {
        let writes = |r: &&RowInfo| r.flags & (row_flag::NOP | row_flag::REJECT) == 0;
        let rows = A::ABOUT.rows.iter().filter(writes).map(describe).collect();
        Self { rows, arch: PhantomData }
    }
}

fn describe(r: &RowInfo) -> RowDescription {
    let row = Row {
        kind: r.kind,
        flags: r.flags,
        width: r.width,
        order: r.order,
        rule: r.rule.kind,
        bits: r.rule.bits,
        align: r.rule.align,
        window_start: r.window.0,
        window_len: r.window.1,
        window_align: r.window.2,
        extra: r.extra,
        effect: r.effect,
        round: r.round,
        pairing: r.pair.0,
        partner: r.pair.1,
        ..Row::default()
    };
    RowDescription { row, name: r.name.to_owned(), formula: r.formula.to_owned(), slices: r.slices.to_vec() }
}

impl<A: Architecture> Linker for Native<A> {
    fn name(&self) -> &str {
        A::ABOUT.name
    }

    fn machines(&self) -> &[Machine] {
        A::ABOUT.machines
    }

    fn rows(&self) -> &[RowDescription] {
        &self.rows
    }

    fn link(&self, module: &ModuleSpec) -> Result<LinkOutput, LinkError> {
        let mut m = Module::<A>::for_machine(module.machine);
        if module.in_place {
            m = m.in_place();
        }
        m.synthetic_at(module.tables.first().map_or_else(|| guest::behind(module), |table| table.1));
        let sections: Vec<u32> = module.sections.iter().map(|s| m.section("", s.address, &s.bytes)).collect();
        let mut symbols = Vec::new();
        for s in &module.symbols {
            let record = Symbol { size: s.size, info: 0x10, flags: symbol_flag::UNDEFINED, ..Symbol::default() };
            let weak = Symbol { flags: symbol_flag::UNDEFINED | symbol_flag::WEAK, ..record };
            symbols.push(match s.kind {
                SymbolKind::Outside(value) => m.raw_symbol(record, &s.name, value),
                SymbolKind::Missing => m.raw_symbol(weak, &s.name, 0),
                SymbolKind::Linkers => m.raw_symbol(record, &s.name, 0),
                SymbolKind::Label(section, value) => {
                    let flags = symbol_flag::LOCAL;
                    let address = module.sections[section].address.wrapping_add(value);
                    let label = Symbol { info: 0, flags, value, section: sections[section], ..record };
                    m.raw_symbol(label, "", address)
                }
            });
        }
        for (section, index) in module.sections.iter().zip(&sections) {
            for r in &section.relocations {
                m.relocate(*index, r.offset, r.kind, symbols[r.symbol], r.addend);
            }
        }
        let out = m.link().map_err(|found| {
            LinkError::Faults(
                found
                    .iter()
                    .map(|f| Fault {
                        kind: word(f.fault.kind).to_owned(),
                        section: sections.iter().position(|s| *s == f.fault.section),
                        offset: f.fault.offset,
                    })
                    .collect(),
            )
        })?;
        let made = out.synthetic.iter();
        let made = made.map(|s| SyntheticSection {
            name: s.name.to_owned(),
            address: s.address,
            contents: s.contents.clone(),
        });
        Ok(LinkOutput {
            made: made.collect(),
            sections: sections.iter().map(|s| out.section(*s).to_vec()).collect(),
            fuel: None,
        })
    }
}

/// Returns the host's name for a kind of fault.
fn word(kind: u32) -> &'static str {
    match kind {
        fault::OUT_OF_RANGE => "out-of-range",
        fault::MISALIGNED => "misaligned",
        fault::UNPAIRED => "unpaired",
        fault::NOT_ZERO => "not-zero",
        fault::OUTSIDE => "outside-section",
        _ => "other",
    }
}
