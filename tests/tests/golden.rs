//! The golden vectors, through the shipped guests in the sandbox.
//!
//! With `RELOBOX_ORACLES` set, they are also recorded anew by the linkers that are installed
//! (tests/scripts/install-oracles) and must come out the same.

use anyhow::{Context as _, Result, bail};
use relobox::built_in;
use relobox_needs::{ExitCode, test};
use relobox_tests::arch::{Architecture, Target};
use relobox_tests::golden::{self, Vector};
use relobox_tests::module_spec::{Linker as _, guest};
use relobox_tests::oracle::linkers;
use std::collections::BTreeMap;

fn main() -> ExitCode {
    let architectures = golden::architectures().expect("the plugins' directory");
    let by_linkers = |arch: &str| {
        let of = Architecture::named(arch).expect("a file in tests/src/arch");
        let targets: Vec<Target> = of.variants.iter().map(|variant| Target { arch: of, variant }).collect();
        let arch = arch.to_owned();
        test(format!("{arch}_by_the_linkers_here"), move || recorded_again(&arch)).needs(linkers(&targets))
    };
    let again: Vec<_> = architectures.iter().map(|arch| by_linkers(arch)).collect();
    let committed = architectures.into_iter().map(|arch| test(arch.clone(), move || check(&arch)));
    let others = [test!(every_plugin_has_vectors), test!(lines_survive_a_round_trip)];
    relobox_needs::run(committed.chain(again).chain(others))
}

/// The guests in the host and the sources beside them are the same architectures, and there is a file for each.
fn every_plugin_has_vectors() -> Result<()> {
    let architectures = golden::architectures()?;
    let mut built: Vec<String> = built_in::plugins().map(|(name, _)| name.to_owned()).collect();
    built.sort();
    assert_eq!(architectures, built);
    assert!(architectures.len() >= 5, "{architectures:?}");
    for arch in &architectures {
        assert!(
            !golden::committed(arch)?.is_empty(),
            "{arch}: no golden vectors; cargo run -p relobox-tests --bin bless"
        );
    }
    Ok(())
}

fn check(arch: &str) -> Result<()> {
    let guest = guest::named(arch)?;
    let vectors = golden::committed(arch)?;
    let uncovered = golden::uncovered(&guest, &vectors);
    assert!(uncovered.is_empty(), "{arch}: no golden vector for {}", uncovered.join(", "));
    let wrong = golden::check(&guest, &vectors)?;
    println!("{arch}: {} vectors, {} rows", vectors.len(), guest.rows().len());
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{arch}: {} of {} vectors\n{shown}", wrong.len(), vectors.len());
    Ok(())
}

/// What the linkers here say, against what is committed. Versions may differ, answers may not.
fn recorded_again(arch: &str) -> Result<()> {
    let committed = golden::committed(arch)?;
    let text = golden::record(arch).context("recording anew")?;
    let again = golden::parse(&text)?;
    let key = |v: &Vector| format!("{} {} {}", v.machine, v.name, v.label);
    let mut rest: BTreeMap<String, &Vector> = committed.iter().map(|v| (key(v), v)).collect();
    let mut different = Vec::new();
    for vector in &again {
        match rest.remove(&key(vector)) {
            Some(old) if old == vector => {}
            old => different.push(format!("- {}\n+ {vector}", old.map(ToString::to_string).unwrap_or_default())),
        }
    }
    different.extend(rest.values().map(|old| format!("- {old}")));
    if !different.is_empty() {
        bail!("{arch}: {} differences; bless them if they are right\n{}", different.len(), different.join("\n"));
    }
    Ok(())
}

/// A file that says what it reads, and a line that is not one.
fn lines_survive_a_round_trip() -> Result<()> {
    for arch in golden::architectures()? {
        let text = std::fs::read_to_string(golden::path(&arch))?;
        let written: Vec<String> = golden::parse(&text)?.iter().map(ToString::to_string).collect();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(written, lines, "{arch}");
        let mut keys: Vec<&str> = lines.iter().filter_map(|line| line.split(" | ").next()).collect();
        keys.sort_unstable();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count, "{arch}: two vectors of one name");
    }
    assert!(golden::parse("64l R_X86_64_64 max | at=0x0 s=0x1 | @8 s+0x0 | 00 -> 0g | ld").is_err());
    assert!(golden::parse("64l R_X86_64_64 max | at=0x0 s=0x1 | @8 s | 00 -> 00 | ld").is_err());
    Ok(())
}
