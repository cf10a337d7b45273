//! Do the oracles agree with each other on real modules? Where two independent linkers do, relobox has
//! no excuse; where they do not, the difference is named here, so that nobody takes one for a bug.
//!
//! Needs `tests/scripts/fetch-corpora` and `tests/scripts/install-oracles`, and `RELOBOX_ORACLES` set to
//! the number of modules to take from each corpus.

use anyhow::{Context, Result};
use object::{Object as _, ObjectSection as _};
use relobox_tests::corpus::{self, Corpus};
use relobox_tests::oracle::{self, Target, bfd, follow, layout, lld};
use std::collections::BTreeSet;

#[test]
fn cloud_amd64() {
    check("cloud-amd64")
}

#[test]
fn amd64() {
    check("amd64")
}

#[test]
fn arm64() {
    check("arm64")
}

#[test]
fn s390x() {
    check("s390x")
}

#[test]
fn riscv64() {
    check("riscv64")
}

#[test]
fn mipsel() {
    check("mipsel-4kc-malta")
}

fn check(name: &str) {
    if let Err(error) = compare(name) {
        panic!("{name}: {error:#}");
    }
}

fn compare(name: &str) -> Result<()> {
    let Some(count) = oracle::wanted() else {
        println!("skipped: RELOBOX_ORACLES is not set");
        return Ok(());
    };
    let Some(corpus) = Corpus::open(name)? else {
        println!("skipped: no corpus {name} in {}", corpus::root().display());
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let (mut modules, mut sections, mut bytes, mut excused) = (0, 0, 0, 0);
    let mut problems = Vec::new();
    for module in corpus.sample(2002, count) {
        let elf = module.elf()?;
        let path = dir.join("module.ko");
        std::fs::write(&path, &elf)?;
        let target = Target::of(&elf)?;
        let job = layout::sequential(&path, &elf, layout::customary_base(target))?;
        let context = || module.name();
        let left = bfd::link(&job, dir).with_context(context)?;
        let right = lld::link(&job, dir).with_context(context)?;
        modules += 1;
        let file = object::File::parse(&*elf)?;
        for (name, index, _) in &job.sections {
            let fields = fields(&file, *index)?;
            let (a, b) = (left.section(*index).context("bfd")?, right.section(*index).context("lld")?);
            sections += 1;
            bytes += a.bytes.len();
            for at in differences(&a.bytes, &b.bytes) {
                // The difference may begin anywhere in the field.
                let field = fields.range(..=at as u64).next_back();
                match field.is_some_and(|field| follow::same(target, &left, &right, *index, *field)) {
                    true => excused += 1,
                    false => problems.push(format!(
                        "{}:({name}+{at:#x}): bfd {:02x?} lld {:02x?}",
                        module.name(),
                        around(&a.bytes, at),
                        around(&b.bytes, at)
                    )),
                }
            }
        }
    }
    println!(
        "{name}: {modules} modules, {sections} sections, {bytes} bytes, {excused} fields that lead to the same place in different ways"
    );
    let shown = problems.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
    assert!(problems.is_empty(), "{name}: {} differences\n{shown}", problems.len());
    Ok(())
}

/// Where two contents differ: the first byte of every run.
fn differences(a: &[u8], b: &[u8]) -> Vec<usize> {
    assert_eq!(a.len(), b.len());
    let differs = |at: &usize| a[*at] != b[*at];
    (0..a.len()).filter(|at| differs(at) && (*at == 0 || !differs(&(at - 1)))).collect()
}

fn around(bytes: &[u8], at: usize) -> &[u8] {
    &bytes[at.saturating_sub(4)..(at + 8).min(bytes.len())]
}

/// The places in section `index` that relocations are for.
fn fields(file: &object::File, index: u32) -> Result<BTreeSet<u64>> {
    let section = file.section_by_index(object::SectionIndex(index as usize))?;
    Ok(section.relocations().map(|(offset, _)| offset).collect())
}
