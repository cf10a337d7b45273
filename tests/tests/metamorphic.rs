//! Tests the metamorphic properties of the shipped guests in the sandbox, and that each oracle fires for a wrong plugin
//! or a wrong vector.

use anyhow::{Result, ensure};
use relobox_tests::arch::{self, Architecture};
use relobox_tests::golden::{self, Outcome};
use relobox_tests::metamorphic::{self, Sample, distances, sample, wrong};
use relobox_tests::module_spec::native::Native;
use relobox_tests::module_spec::{Linker, guest};
use relobox_tests::parallel;
use std::collections::{BTreeMap, BTreeSet};

/// Units of a sample: with these, every row occurs within a few seeds.
const UNITS: usize = 120;
const SEEDS: u64 = 4;

/// Runs every oracle. Returns the oracles that fired, each with its first message, and the rows that occurred.
fn judge(linker: &dyn Linker, in_place: bool) -> (BTreeMap<&'static str, String>, BTreeSet<String>) {
    let (mut fired, mut rows) = (BTreeMap::new(), BTreeSet::new());
    for machine in linker.machines() {
        let make = |tables: bool, distance: u64, seed: u64| -> Sample {
            sample(linker, *machine, in_place, (UNITS, distance, tables), seed)
        };
        for distance in distances(machine) {
            for seed in 0..SEEDS {
                let with_tables = make(true, *distance, seed);
                let of =
                    |unit: &metamorphic::Unit| unit.fields.iter().map(|f| linker.rows()[f.1].name.clone()).collect();
                rows.extend(with_tables.units.iter().flat_map(|unit| -> Vec<String> { of(unit) }));
                let about = |what: String| format!("{:?}, distance {distance:#x}, seed {seed}: {what}", machine.class);
                for (name, property) in metamorphic::PROPERTIES {
                    if let Err(what) = property(linker, &with_tables) {
                        fired.entry(name).or_insert_with(|| about(what));
                    }
                }
                if let Err(what) = metamorphic::permute(linker, &make(false, *distance, seed)) {
                    fired.entry("permute").or_insert_with(|| about(what));
                }
            }
        }
        let (asked, wrong) = metamorphic::edges(linker, *machine, in_place);
        assert!(asked > 2, "{}: the ranges of {asked} rows", linker.name());
        if !wrong.is_empty() {
            fired.entry("edges").or_insert_with(|| wrong.join("\n"));
        }
    }
    (fired, rows)
}

fn shipped(arch: &Architecture, in_place: bool) -> Result<()> {
    let guest = guest::named(arch.name)?;
    let name = arch.name;
    let (mut fired, rows) = judge(&guest, in_place);
    for machine in guest.machines() {
        if let Err(what) = metamorphic::fuel_is_linear(&guest, *machine, in_place) {
            fired.insert("fuel", what);
        }
    }
    println!("{name}: {} of {} rows came up", rows.len(), guest.rows().len());
    ensure!(fired.is_empty(), "{fired:#?}");
    let left_out = guest.rows().iter().filter(|row| !rows.contains(&row.name)).map(|row| row.name.as_str());
    let left_out: Vec<&str> = left_out.filter(|name| !arch.unjudged.contains(name)).collect();
    ensure!(left_out.is_empty(), "no sample has {}", left_out.join(", "));
    Ok(())
}

#[test]
fn no_oracle_fires_for_the_shipped_plugins() {
    let forms = arch::ALL.iter().flat_map(|arch| arch.metamorphic.iter().map(move |in_place| (*arch, *in_place)));
    let forms: Vec<_> = forms.collect();
    let name = |(arch, in_place): &(&Architecture, bool)| (arch.name, *in_place);
    let wrong = parallel::failures(&forms, name, |(arch, in_place)| shipped(arch, *in_place));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_oracle_fires_for_a_right_plugin() {
    let (fired, rows) = judge(&Native::<wrong::right::Arch>::default(), false);
    assert!(fired.is_empty(), "{fired:#?}");
    assert_eq!(rows.len(), 6, "{rows:?}");
}

#[test]
fn each_oracle_fires_for_a_wrong_plugin() {
    let mut fired_at_all = BTreeSet::from(["fuel"]);
    for (name, toy, oracle) in wrong::toys() {
        let (fired, _) = judge(&*toy, false);
        println!("{name}: {}", fired.keys().copied().collect::<Vec<_>>().join(", "));
        assert!(fired.contains_key(oracle), "{name}: {oracle} has not fired, but {fired:#?}");
        fired_at_all.insert(oracle);
    }
    let oracles = metamorphic::PROPERTIES.iter().map(|p| p.0).chain(["permute", "edges", "fuel"]);
    assert_eq!(fired_at_all, oracles.collect(), "an oracle without a plugin that shows it");
    let quadratic = wrong::Quadratic(Native::<wrong::right::Arch>::default());
    let linear = metamorphic::fuel_is_linear(&quadratic, quadratic.machines()[0], false);
    assert!(linear.is_err(), "the fuel oracle has not fired");
}

/// The golden oracle notices a wrong bit in any vector, another verdict, and a missing row.
#[test]
fn the_golden_oracle_fires() -> Result<()> {
    for arch in golden::architectures()? {
        let guest = guest::named(&arch)?;
        let vectors = golden::committed(&arch)?;
        let mut spoilt = vectors.clone();
        for (i, vector) in spoilt.iter_mut().enumerate() {
            vector.after = match &vector.after {
                Outcome::Bytes(bytes, slot) => {
                    let mut bytes = bytes.clone();
                    let at = i % bytes.len();
                    bytes[at] ^= 1 << (i % 8);
                    Outcome::Bytes(bytes, slot.clone())
                }
                Outcome::Through(value) => Outcome::Through(value ^ 4),
                Outcome::Overflow => Outcome::Misaligned,
                _ => Outcome::Overflow,
            };
        }
        let wrong = golden::check(&guest, &spoilt)?;
        ensure!(wrong.len() == spoilt.len(), "{arch}: {} of {} spoilt vectors were noticed", wrong.len(), spoilt.len());
        let first = &vectors.iter().find(|v| v.after.is_linked()).expect("a vector").name;
        let rest: Vec<_> = vectors.iter().filter(|v| v.sites.iter().all(|s| s.name != *first)).cloned().collect();
        ensure!(
            golden::uncovered(&guest, &rest) == [first.as_str()],
            "{arch}: {first} is missing, which was not noticed"
        );
    }
    Ok(())
}
