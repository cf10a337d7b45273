//! Checks that cost grows in proportion: a module is repeated, and the fuel and memory of each repetition are compared.
//! Time is never measured.

use super::diagnostic::{DiagnosticKind, PluginDiagnostic};
use super::plugin_under_test::PluginUnderTest;
use super::run::Outcome;
use super::test_module::{Section, Symbol, TestModule};

/// The dimension in which a module is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// More relocations at further places, to the same symbols.
    Relocations,
    /// More relocations at further places, each to a symbol of its own.
    Symbols,
    /// As [`Growth::Symbols`], with places in descending order.
    Backwards,
    /// As [`Growth::Symbols`], with a different addend for each relocation instead of a symbol.
    Addends,
    /// More sections, each with the same contents.
    Sections,
    /// More relocations at the same places.
    Same,
    /// More symbols that no relocation refers to.
    Unused,
}

impl Growth {
    /// All dimensions.
    pub const ALL: [Self; 7] =
        [Self::Relocations, Self::Symbols, Self::Backwards, Self::Addends, Self::Sections, Self::Same, Self::Unused];

    /// Returns the name that stands in oracle lines of test cases.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relocations => "relocations",
            Self::Symbols => "symbols",
            Self::Backwards => "backwards",
            Self::Addends => "addends",
            Self::Sections => "sections",
            Self::Same => "same",
            Self::Unused => "unused",
        }
    }

    /// Parses the name that [`Growth::as_str`] returns.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|growth| growth.as_str() == word)
    }
}

/// Repeats `module` `times` times in one dimension.
fn repeated(module: &TestModule, growth: Growth, times: usize) -> TestModule {
    let mut all = module.clone();
    let Some(first) = module.sections.first() else { return all };
    if growth == Growth::Sections {
        let copies = (1..times).map(|i| Section { name: format!("{}.{i}", first.name), ..first.clone() });
        let spread = |(i, s): (usize, Section)| {
            let by = ((i + 1) * first.bytes.len().next_multiple_of(16)) as u64;
            Section { address: module.cut(s.address.wrapping_add(by)), ..s }
        };
        all.sections.extend(copies.enumerate().map(spread));
        return all;
    }
    if growth == Growth::Unused {
        all.symbols.extend((1..times).map(|i| Symbol { name: format!("unused{i}"), flags: 1, ..Symbol::default() }));
        return all;
    }
    let len = first.bytes.len() as u64;
    let (section, symbols) = (&mut all.sections[0], module.symbols.len() as u32);
    for i in 1..times {
        let by = if growth == Growth::Same { 0 } else { len * i as u64 };
        let own = growth != Growth::Relocations && growth != Growth::Same;
        for (n, r) in (1..).zip(&module.symbols) {
            // A label moves with the relocation that it marks.
            let label = r.section == 1;
            if label || own {
                let value = if label { r.value + by } else { r.value };
                all.symbols.push(Symbol { name: format!("{}.{i}", r.name), value, ..r.clone() });
            } else {
                all.symbols.push(Symbol { name: format!("unused{n}.{i}"), flags: 0, ..Symbol::default() });
            }
        }
        for r in &first.relocations {
            let label = (r.symbol as usize)
                .checked_sub(1)
                .is_some_and(|i| module.symbols.get(i).is_some_and(|s| s.section == 1));
            let mut more = *r;
            more.offset = more.offset.wrapping_add(by);
            if r.symbol != 0 && (label || own) {
                more.symbol = r.symbol.wrapping_add(symbols * i as u32);
            }
            if growth == Growth::Addends && !first.in_place && !label {
                more.symbol = r.symbol;
                more.addend = more.addend.wrapping_add(16 * i as i64);
            }
            section.relocations.push(more);
        }
        if by != 0 {
            section.bytes.extend_from_slice(&first.bytes);
        }
    }
    if growth == Growth::Backwards {
        section.relocations.reverse();
    }
    all.synthetic = module.synthetic.wrapping_add(all.sections[0].bytes.len().next_multiple_of(0x1000) as u64);
    all
}

/// Checks that the cost of one more repetition is about the same between 250 and 500 repetitions and between 1,000 and
/// 2,000. Sorting adds a logarithmic factor; a quadratic algorithm would cost four times as much.
///
/// # Errors
///
/// A [`PluginDiagnostic`] if the plugin breaks the contract, or if fuel or memory grow faster than in proportion.
pub(crate) fn check_growth(
    under_test: &PluginUnderTest<'_>,
    module: &TestModule,
    growth: Growth,
) -> Result<(), PluginDiagnostic> {
    let (mut points, mut all_linked) = (Vec::new(), None);
    for times in [250usize, 500, 1000, 2000] {
        let run = under_test.run(&repeated(module, growth, times));
        if let Outcome::GuestError(what) = run.outcome {
            return Err(PluginDiagnostic {
                kind: DiagnosticKind::ContractViolation,
                about: format!("{times} times the {}", growth.as_str()),
                expected: "an answer".into(),
                actual: format!("it {what}"),
            });
        }
        // Further places are out of reach of what the first ones reach: faults are another kind of work.
        let linked = matches!(run.outcome, Outcome::Linked(_));
        if *all_linked.get_or_insert(linked) != linked {
            return Ok(());
        }
        let memory = run.instance.as_ref().map_or(0, |i| i.memory().len()) as u64;
        points.push((times as u64, run.fuel, memory));
    }
    let slope = |of: fn(&(u64, u64, u64)) -> u64, a: usize, b: usize| {
        of(&points[b]).saturating_sub(of(&points[a])) / (points[b].0 - points[a].0)
    };
    let fuel = |a, b| slope(|p| p.1, a, b);
    let (first, last) = (fuel(0, 1), fuel(2, 3));
    // Allow for the few units that counting itself takes.
    let steeper = last > first.saturating_mul(2) + 64;
    // Memory grows by doubling, so compare over the whole range and allow 4 MiB.
    let (near, far) = (points[0].2, points[3].2);
    let hoards = far > near.saturating_mul(16) + (4 << 20);
    let report = |expected: String, actual: String| {
        let about = format!("{} times the {}", points[3].0, growth.as_str());
        Err(PluginDiagnostic { kind: DiagnosticKind::Cost, about, expected, actual })
    };
    match (steeper, hoards) {
        (true, _) => report(format!("about {first} units of fuel for each further one"), format!("{last} units")),
        (_, true) => report(format!("about 8 times {near} bytes of memory"), format!("{far} bytes")),
        _ => Ok(()),
    }
}
