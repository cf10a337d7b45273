//! A model of a plugin's fuel consumption, measured on the plugin before it is fuzzed: the cost of each relocation of a
//! row, and of each fault, symbol, section and byte. A module that takes several times the modelled fuel is reported.
//!
//! Fuel is the same on every machine, and the measurement uses neither a clock nor random numbers.

use relobox_abi::{pairing, row_flag, symbol_flag};
use relobox_core::limits;
use relobox_kit::Fixture;
use relobox_kit::{AddendForms, Outcome, Relocation, Run, Symbol, TestModule};
use relobox_link::description::{PluginDescription, PluginRow};
use std::collections::HashMap;

/// The cost of relocations of one row.
#[derive(Clone, Copy, Debug, Default)]
struct RowCost {
    /// The additional cost of the first one, for example because tables are made.
    first: u64,
    /// The cost of each.
    each: u64,
}

/// The cost of the parts of a module, each as high as it was ever measured, in units of fuel.
#[derive(Clone, Debug, Default)]
pub struct FuelModel {
    base: u64,
    rows: HashMap<u32, RowCost>,
    /// The cost of a relocation without a row.
    unknown: RowCost,
    fault: u64,
    symbol: u64,
    section: u64,
    byte: u64,
    kind_mask: u32,
}

/// The place of a relocation's symbol.
#[derive(Clone, Copy)]
enum SymbolPlace {
    /// A label at the place of the relocation.
    Here,
    /// At a small address.
    Small,
    /// Near the section.
    Kernel,
    /// Out of reach of any branch.
    Far,
    /// The symbol index does not exist.
    Missing,
}

/// The shape of a module with repeated units.
#[derive(Clone, Copy)]
struct Shape<'a> {
    /// Each unit has one relocation of each of these rows.
    rows: &'a [&'a PluginRow],
    place: SymbolPlace,
    /// Each unit has its own symbol.
    own: bool,
    /// Each unit has its own addend.
    addends: bool,
    /// The relocations are in descending order.
    backwards: bool,
    /// All relocations of a unit are at the same place; otherwise they are eight bytes apart.
    together: bool,
    /// Each unit has its own section.
    sections: bool,
}

impl Shape<'_> {
    fn module(&self, fixture: &Fixture, units: u64) -> TestModule {
        let unit_bytes = 16;
        let mut made = fixture.clone();
        let section = made.module.sections[0].clone();
        let in_each = if self.sections { 1 } else { units };
        made.module.sections[0].bytes.resize((in_each * unit_bytes).max(64) as usize, 0);
        for unit in 0..units {
            if self.sections && unit != 0 {
                let address = made.module.cut(section.address.wrapping_add(unit * 64));
                made.module.sections.push(relobox_kit::Section { address, ..section.clone() });
            }
            let (at, index) = if self.sections { (0, unit as usize) } else { (unit * unit_bytes, 0) };
            if self.own || unit == 0 || matches!(self.place, SymbolPlace::Here) {
                let kernel = fixture.address().wrapping_add(0x100 * (unit + 1));
                let value = match self.place {
                    SymbolPlace::Here => at,
                    SymbolPlace::Small | SymbolPlace::Missing => 16,
                    SymbolPlace::Kernel => kernel,
                    SymbolPlace::Far => kernel.wrapping_add(1 << 45),
                };
                match self.place {
                    SymbolPlace::Here => {
                        made.label(value);
                        made.module.symbols[unit as usize].section = index as u32 + 1;
                    }
                    _ => {
                        made.symbol(value);
                    }
                }
            }
            let symbol = match self.place {
                SymbolPlace::Missing => u32::MAX,
                _ => made.module.symbols.len() as u32,
            };
            for (n, row) in (0..).zip(self.rows) {
                let place = if self.together { at } else { at + 8 * n };
                let addend = if self.addends { 16 * unit as i64 } else { 0 };
                let relocation = Relocation { offset: place, kind: row.row.kind, symbol, addend };
                made.module.sections[index].relocations.push(relocation);
            }
        }
        if self.backwards {
            made.module.sections.iter_mut().for_each(|s| s.relocations.reverse());
        }
        made.module.synthetic = made.module.cut(fixture.address().wrapping_add(0x1_0000));
        made.module
    }
}

/// Returns all shapes that are measured for these rows.
fn shapes<'a>(rows: &'a [&'a PluginRow]) -> Vec<Shape<'a>> {
    let plain = Shape {
        rows,
        place: SymbolPlace::Here,
        own: true,
        addends: false,
        backwards: false,
        together: false,
        sections: false,
    };
    let targets = [SymbolPlace::Here, SymbolPlace::Small, SymbolPlace::Kernel, SymbolPlace::Far, SymbolPlace::Missing];
    let mut all: Vec<_> = targets.into_iter().map(|place| Shape { place, ..plain }).collect();
    for place in [SymbolPlace::Kernel, SymbolPlace::Far] {
        all.push(Shape { place, own: false, ..plain });
        all.push(Shape { place, own: false, addends: true, ..plain });
    }
    all.push(Shape { backwards: true, ..plain });
    all.push(Shape { place: SymbolPlace::Far, backwards: true, ..plain });
    if rows.len() > 1 {
        all.push(Shape { together: true, ..plain });
        all.push(Shape { together: true, backwards: true, ..plain });
    }
    all
}

impl FuelModel {
    /// Measures a plugin with this description and these addend forms. `run` links a module with it.
    pub fn measure(about: &PluginDescription, forms: AddendForms, run: impl Fn(&TestModule) -> Run) -> Self {
        let mut costs = Self { kind_mask: about.kind_mask, ..Self::default() };
        let fixtures: Vec<_> = about
            .machines
            .iter()
            .flat_map(|machine| [(forms.explicit, false), (forms.in_place, true)].map(|form| (machine, form)))
            .filter(|(_, (taken, _))| *taken)
            .map(|(machine, (_, in_place))| Fixture::new(*machine, in_place))
            .collect();
        let fuel = |module: &TestModule| {
            let run = run(module);
            let faults = match &run.outcome {
                Outcome::Linked(_) => Some(0),
                Outcome::Refused(faults) => Some(faults.len() as u64),
                // Other oracles report that.
                Outcome::GuestError(_) => None,
            };
            faults.map(|faults| (run.fuel, faults))
        };
        for fixture in &fixtures {
            costs.empty(about, fixture, &fuel);
        }
        // Rejecting a type costs the same for every row.
        let refused = about.rows.iter().find(|row| row.is(row_flag::REJECT));
        for row in about.rows.iter().filter(|row| !row.is(row_flag::REJECT)).chain(refused) {
            let partner = (row.row.pairing != pairing::NONE).then(|| about.row(row.row.partner)).flatten();
            for fixture in &fixtures {
                costs.row(fixture, &[row], &fuel);
                if let Some(partner) = partner {
                    costs.row(fixture, &[partner, row], &fuel);
                    costs.row(fixture, &[row, partner], &fuel);
                }
            }
        }
        costs
    }

    /// Measures the cost of a module without relocations, of bytes, and of faults.
    fn empty(
        &mut self,
        about: &PluginDescription,
        fixture: &Fixture,
        fuel: &impl Fn(&TestModule) -> Option<(u64, u64)>,
    ) {
        let mut module = fixture.module.clone();
        let Some((base, _)) = fuel(&module) else { return };
        self.base = self.base.max(base);
        module.sections[0].bytes.resize(1024, 0);
        if let Some((more, _)) = fuel(&module) {
            self.byte = self.byte.max(more.saturating_sub(base).div_ceil(1024 - 64));
        }
        // Relocations of an unknown type are faults.
        let of = |count: u64| {
            let mut module = fixture.module.clone();
            let kind =
                (0..=u32::from(u8::MAX)).map(|low| !low).find(|kind| about.row(*kind).is_none()).unwrap_or(u32::MAX);
            let relocation = |i: u64| Relocation { offset: i % 64, kind, symbol: 0, addend: 0 };
            module.sections[0].relocations = (0..count).map(relocation).collect();
            fuel(&module)
        };
        if let (Some((few, some)), Some((many, all))) = (of(8), of(32)) {
            self.fault = self.fault.max(many.saturating_sub(few).div_ceil(all.saturating_sub(some).max(1)));
            self.unknown.each = self.unknown.each.max(many.saturating_sub(few).div_ceil(24));
        }
    }

    /// Measures the cost of relocations of `rows`.
    fn row(&mut self, fixture: &Fixture, rows: &[&PluginRow], fuel: &impl Fn(&TestModule) -> Option<(u64, u64)>) {
        let units = rows.len() as u64;
        for shape in shapes(rows) {
            let of = |count: u64| fuel(&shape.module(fixture, count / units));
            let (Some((few, none)), Some((many, faults))) = (of(8), of(32)) else { continue };
            let each = many.saturating_sub(few).div_ceil(24);
            if faults > none {
                self.fault = self.fault.max(many.saturating_sub(few).div_ceil(faults - none));
                continue;
            }
            if faults != 0 {
                continue;
            }
            let first = few.saturating_sub(self.base).saturating_sub(8 * each);
            for row in rows {
                let known = self.rows.entry(row.row.kind & self.kind_mask).or_default();
                (known.each, known.first) = (known.each.max(each), known.first.max(first));
            }
            // Measure also the cost of sections and of unused symbols.
            let apart = Shape { sections: true, ..shape };
            let of = |count: u64| fuel(&apart.module(fixture, count / units));
            if let (Some((few, 0)), Some((many, 0))) = (of(8), of(32)) {
                let sections = 24 / units;
                let more = many.saturating_sub(few).saturating_sub(24 * each).div_ceil(sections);
                self.section = self.section.max(more);
            }
            let unused = |i: u64| Symbol {
                name: format!("unused_symbol_{i:02}"),
                info: 0x10,
                flags: symbol_flag::UNDEFINED,
                ..Symbol::default()
            };
            let mut module = shape.module(fixture, 8 / units);
            module.symbols.extend((0..32).map(unused));
            if let Some((more, 0)) = fuel(&module) {
                self.symbol = self.symbol.max(more.saturating_sub(few).div_ceil(32));
            }
        }
    }

    /// Estimates the fuel for `module`, of which `faults` relocations were refused.
    #[must_use]
    pub fn estimate(&self, module: &TestModule, faults: usize) -> u64 {
        let bytes: usize = module.sections.iter().map(|s| s.bytes.len()).sum();
        let mut seen: Vec<u32> = Vec::new();
        let mut sum = self.base + self.fault * faults as u64 + self.byte * bytes as u64;
        sum += self.symbol * module.symbols.len() as u64 + self.section * module.sections.len() as u64;
        for (_, section) in module.groups() {
            for r in &section.relocations {
                let kind = r.kind & self.kind_mask;
                let cost = self.rows.get(&kind).copied().unwrap_or(self.unknown);
                sum += cost.each;
                if !seen.contains(&kind) {
                    seen.push(kind);
                    sum += cost.first;
                }
            }
        }
        sum
    }

    /// Returns the fuel bound for `module`: [`limits::FUZZ_DEARER`] times the estimate, plus [`limits::FUZZ_FUEL`].
    #[must_use]
    pub fn bound(&self, module: &TestModule, outcome: &Outcome) -> u64 {
        let faults = match outcome {
            Outcome::Refused(faults) => faults.len(),
            _ => 0,
        };
        limits::FUZZ_FUEL + limits::FUZZ_DEARER * self.estimate(module, faults)
    }
}
