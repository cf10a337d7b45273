//! The oracles that decide whether the outcome of a plugin is wrong. Each has a name.

use super::target::Suspicion;
use relobox_abi::{effect, pairing, row_flag};
use relobox_core::error::GuestError;
use relobox_core::limits;
use relobox_kit::blame::blame;
use relobox_kit::{Outcome, ReferenceModel, Relocation, Run, TestModule, agree};
use relobox_link::description::{PluginDescription, PluginRow};
use relobox_link::guests::Plugin;

/// The name of each oracle, and what it says about a guest.
pub const ORACLES: [(&str, &str); 17] = [
    ("trap", "it trapped"),
    ("fuel", "it computed for longer than its records account for"),
    ("memory", "it needs more memory than its records account for"),
    ("answer", "its answer is malformed"),
    ("window", "it changed a byte that no relocation declares"),
    ("panic", "the host panicked"),
    ("bytes", "it wrote other bytes than its description says"),
    ("neighbours", "it changed bits around a field"),
    ("accepted", "it linked what its description refuses"),
    ("refused", "it refused what its description takes"),
    ("reason", "it refused for the wrong reason, or gave none"),
    ("against", "a second plugin disagrees"),
    ("vectors", "the outcome of a recorded test case changed"),
    ("nondeterminism", "two runs of the same input differ"),
    ("growth", "its fuel grows faster than the number of its records"),
    ("shift", "moving everything by the same distance changed relative values"),
    ("order", "the order of independent relocations changed the result"),
];

/// Returns what the oracle `name` says about a guest, or an empty string for an unknown name.
#[must_use]
pub fn meaning(name: &str) -> &'static str {
    ORACLES.iter().find(|(n, _)| *n == name).map_or("", |(_, meaning)| meaning)
}

fn suspicion(oracle: &'static str, about: impl Into<String>, exact: bool, detail: impl Into<String>) -> Suspicion {
    Suspicion { oracle, about: about.into(), exact, detail: detail.into(), bound: None }
}

/// Checks the outcome of `module` against the contract. `bound` returns the fuel that the module may take; see
/// [`FuelModel`](super::fuel::FuelModel).
#[must_use]
pub fn contract(
    about: &PluginDescription,
    module: &TestModule,
    run: &Run,
    bound: impl FnOnce() -> u64,
) -> Option<Suspicion> {
    if let Outcome::GuestError(what) = &run.outcome {
        let detail = format!("the plugin {what}");
        return Some(match what {
            GuestError::Trap { export, trap } => suspicion("trap", format!("{export}: {trap}"), false, detail),
            GuestError::Fuel { export, .. } => suspicion("fuel", export.as_ref(), false, detail),
            GuestError::Memory { .. } => suspicion("memory", "", false, detail),
            GuestError::OutOfWindowWrite { section, offset } => match blame(about, module, section, *offset) {
                Some(row) => suspicion("window", row, true, detail),
                None => suspicion("window", "", false, detail),
            },
            other => {
                // Remove the numbers, so that similar messages are one finding.
                let about: String = other.to_string().chars().filter(|c| !c.is_ascii_digit()).collect();
                suspicion("answer", about, false, detail)
            }
        });
    }
    let bound = bound();
    (run.fuel > bound).then(|| {
        let detail = format!("it took {} units of fuel, but the bound for its records is {bound}", run.fuel);
        Suspicion { bound: Some(bound), ..suspicion("fuel", "too much", false, detail) }
    })
}

/// Checks an outcome against the reference model of the plugin.
#[must_use]
pub fn mismatch(model: &ReferenceModel<'_>, module: &TestModule, outcome: &Outcome) -> Option<Suspicion> {
    let diagnostic = model.check(module, outcome).err()?;
    let row = diagnostic.about.split(" at ").next().unwrap_or_default();
    let detail = diagnostic.to_string();
    Some(suspicion(diagnostic.kind.as_str(), row, true, detail))
}

/// Compares the outcomes of two plugins for the same machine.
#[must_use]
pub fn against(plugins: [&Plugin; 2], module: &TestModule, outcomes: [&Outcome; 2]) -> Option<Suspicion> {
    let what = |outcome: &Outcome| match outcome {
        Outcome::Linked(_) => "links it".to_owned(),
        Outcome::Refused(faults) => {
            let kinds: Vec<_> = faults.iter().take(3).map(|f| f.kind.as_str()).collect();
            format!("refuses it ({})", kinds.join(", "))
        }
        Outcome::GuestError(what) => what.to_string(),
    };
    if !agree::comparable(plugins, module) {
        return None;
    }
    match outcomes {
        [Outcome::Linked(a), Outcome::Linked(b)] => {
            let found = agree::differences(plugins, module, [a, b]).into_iter().next()?;
            let Some(section) = found.section else {
                return Some(suspicion(
                    "against",
                    "what it makes",
                    false,
                    "two plugins make sections with different contents",
                ));
            };
            let mut relocations = module.groups().flat_map(|(_, s)| &s.relocations);
            let row = found.relocation.and_then(|i| plugins[0].about.row(relocations.nth(i)?.kind));
            let (row, name) = (row.map_or("bytes", |row| &row.name), &module.sections[section].name);
            let how = if found.leads { "a different destination" } else { "different bytes" };
            Some(suspicion("against", row, true, format!("two plugins have {how} at {name}+{:#x}", found.offset)))
        }
        // Plugins may report different faults of the same module first.
        [Outcome::Refused(_), Outcome::Refused(_)] => None,
        [a, b] => {
            let detail = format!("this plugin {}, the other {}", what(a), what(b));
            Some(suspicion("against", "verdict", false, detail))
        }
    }
}

/// Returns the row of the last relocation that may have changed the byte at `at`.
fn row_at<'a>(about: &'a PluginDescription, module: &TestModule, section: usize, at: u64) -> Option<&'a PluginRow> {
    let rows = module.sections[section].relocations.iter().rev();
    let covers = |r: &&Relocation| r.offset <= at && at < r.offset.saturating_add(8);
    rows.filter(covers).find_map(|r| about.row(r.kind))
}

/// Compares two runs of the same module in outcome and fuel.
#[must_use]
pub fn deterministic(first: &Run, second: &Run) -> Option<Suspicion> {
    if first.outcome != second.outcome {
        return Some(suspicion("nondeterminism", "outcome", false, "the same case came to another outcome"));
    }
    (first.fuel != second.fuel).then(|| {
        let detail = format!("two runs of the same module took {} and {} units of fuel", first.fuel, second.fuel);
        suspicion("nondeterminism", "fuel", false, detail)
    })
}

/// Repeats a module `times` times, each copy with its own sections and symbols.
#[must_use]
pub fn repeated(module: &TestModule, times: usize) -> TestModule {
    let (sections, symbols) = (module.sections.len(), module.symbols.len());
    let mut out = TestModule { sections: Vec::new(), symbols: Vec::new(), ..module.clone() };
    for n in 0..times {
        let shift = |index: u32, per: usize| if index == 0 { 0 } else { index.saturating_add((n * per) as u32) };
        out.sections.extend(module.sections.iter().map(|s| {
            let mut copy = s.clone();
            copy.relocations
                .iter_mut()
                .filter(|r| r.symbol as usize <= symbols)
                .for_each(|r| r.symbol = shift(r.symbol, symbols));
            copy
        }));
        out.symbols.extend(module.symbols.iter().map(|s| {
            let section = if s.section as usize <= sections { shift(s.section, sections) } else { 0 };
            relobox_kit::Symbol { section, ..s.clone() }
        }));
    }
    out
}

/// Checks that fuel grows linearly with the number of records.
#[must_use]
pub fn growth(module: &TestModule, mut run: impl FnMut(&TestModule) -> Run) -> Option<Suspicion> {
    let records = module.relocations() + module.symbols.len();
    if records == 0 || records > limits::FUZZ_RECORDS {
        return None;
    }
    let times = limits::FUZZ_REPEATED.div_ceil(records);
    let [few, some, many] = [times, 4 * times, 16 * times].map(|times| run(&repeated(module, times)));
    if let Outcome::GuestError(what) = &many.outcome {
        let oracle = match what {
            GuestError::Fuel { .. } => "growth",
            // The contract violation with fewer records is a finding of its own.
            _ if matches!(few.outcome, Outcome::GuestError(_)) => return None,
            _ => "growth",
        };
        let detail = format!("with its {records} records {} times, the plugin {what}", 16 * times);
        return Some(suspicion(oracle, "misbehaves", false, detail));
    }
    // The steps add 3 and 12 times the records, so linear growth quadruples the additional fuel.
    let (first, second) = (some.fuel.saturating_sub(few.fuel), many.fuel.saturating_sub(some.fuel));
    let linear = first.saturating_mul(limits::FUZZ_GROWS);
    (second > linear && second > limits::FUZZ_GROWTH_FUEL).then(|| {
        let detail = format!(
            "{records} records {times}, {} and {} times took {}, {} and {} units of fuel",
            4 * times,
            16 * times,
            few.fuel,
            some.fuel,
            many.fuel
        );
        suspicion("growth", "fuel", false, detail)
    })
}

/// Returns whether a row has one of these effects and depends on nothing but its own relocation.
fn plain(about: &PluginDescription, kind: u32, effects: &[u8]) -> bool {
    about.row(kind).is_some_and(|row| {
        let effect = match (row.row.effect, row.formula.as_str()) {
            (effect::UNKNOWN, "S + A") => effect::ABSOLUTE,
            (effect::UNKNOWN, "S + A - P") => effect::RELATIVE,
            (effect, _) => effect,
        };
        effects.contains(&effect)
            && matches!(row.row.pairing, pairing::NONE | pairing::PART)
            && !row.is(row_flag::BY_HAND | row_flag::FALLBACK)
            && row.row.extra == 0
    })
}

/// Moves everything by the same distance and checks that relative values do not change.
#[must_use]
pub fn shift(
    about: &PluginDescription,
    module: &TestModule,
    outcome: &Outcome,
    mut run: impl FnMut(&TestModule) -> Run,
) -> Option<Suspicion> {
    let Outcome::Linked(linked) = outcome else { return None };
    let mut relocations = module.sections.iter().flat_map(|s| &s.relocations);
    // The distance is a page, which keeps all alignments.
    if module.relocations() == 0 || !relocations.all(|r| r.symbol != 0 && plain(about, r.kind, &[effect::RELATIVE])) {
        return None;
    }
    let by = limits::FUZZ_SHIFT;
    let mut moved = module.clone();
    moved.synthetic = moved.synthetic.wrapping_add(by);
    moved.sections.iter_mut().for_each(|s| s.address = s.address.wrapping_add(by));
    moved.symbols.iter_mut().filter(|s| s.section == 0).for_each(|s| s.value = s.value.wrapping_add(by));
    // If an address wraps around, distances change.
    let wraps = module.values().iter().zip(moved.values()).skip(1).any(|(a, b)| b.wrapping_sub(*a) != by);
    let wrapped = |c: &TestModule| c.sections.iter().any(|s| c.cut(s.address) != s.address);
    if wraps || wrapped(module) || wrapped(&moved) {
        return None;
    }
    match run(&moved).outcome {
        Outcome::Linked(other) if other.sections == linked.sections => None,
        Outcome::Linked(other) => {
            let s = (0..).zip(linked.sections.iter().zip(&other.sections)).find(|(_, (a, b))| a != b)?.0;
            let at = linked.sections[s].iter().zip(&other.sections[s]).position(|(a, b)| a != b)? as u64;
            let row = row_at(about, module, s, at).map_or("bytes", |row| &row.name);
            let detail =
                format!("after moving everything by {by:#x}, the byte at {}+{at:#x} differs", module.sections[s].name);
            Some(suspicion("shift", row, true, detail))
        }
        Outcome::Refused(faults) => {
            let detail = format!(
                "after moving everything by {by:#x}, the module is refused: {}",
                faults.first().map_or("", |f| &f.kind)
            );
            Some(suspicion("shift", "verdict", false, detail))
        }
        Outcome::GuestError(_) => None,
    }
}

/// Reverses independent relocations and checks that the result does not change.
#[must_use]
pub fn order(
    about: &PluginDescription,
    module: &TestModule,
    outcome: &Outcome,
    mut run: impl FnMut(&TestModule) -> Run,
) -> Option<Suspicion> {
    let Outcome::Linked(linked) = outcome else { return None };
    let effects = [effect::ABSOLUTE, effect::RELATIVE, effect::PAGES, effect::IN_PAGE];
    let mut reversed = module.clone();
    let mut changed = false;
    for section in &mut reversed.sections {
        if !section.relocations.iter().all(|r| plain(about, r.kind, &effects)) {
            continue;
        }
        let mut offsets: Vec<u64> = section.relocations.iter().map(|r| r.offset).collect();
        offsets.sort_unstable();
        // The relocations must be far enough apart for any window.
        if offsets.len() > 1 && offsets.windows(2).all(|pair| pair[1] - pair[0] >= limits::FUZZ_APART) {
            section.relocations.reverse();
            changed = true;
        }
    }
    if !changed {
        return None;
    }
    let same = match run(&reversed).outcome {
        Outcome::Linked(other) => other.sections == linked.sections,
        Outcome::Refused(_) => false,
        Outcome::GuestError(_) => true,
    };
    (!same).then(|| suspicion("order", "", false, "the same relocations in reverse order give different bytes"))
}
