//! The layout that we predict is the one that a running Linux chose: sizes of areas, and the place of every section in
//! them, against what `tests/scripts/kernel-memory` copied out of a kernel.

use anyhow::{Context as _, Result, ensure};
use relobox::areas::{ABSENT, Area, Kind};
use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::kernel::{Linux, LinuxAreas};
use relobox::link::{load, prepare};
use relobox::open::Source;
use relobox::sandbox::Sandbox;
use relobox_needs::{ExitCode, test};
use relobox_tests::corpus::Corpus;
use relobox_tests::kernel_memory::{Run, inputs, needs};

fn main() -> ExitCode {
    relobox_needs::run([test!(sections_are_where_linux_puts_them).needs(needs())])
}

fn sections_are_where_linux_puts_them() -> Result<()> {
    let (runs, corpus) = inputs()?;
    let guests = Guests::new(Sandbox::new(Cache::from_environment())?, &[])?;
    // Loaded by kmod, and by relobox, which chose the areas' addresses but not what is where in them.
    runs.iter().try_for_each(|run| of_run(run, &corpus, &guests))
}

fn of_run(run: &Run, corpus: &Corpus, guests: &Guests) -> Result<()> {
    // /proc/modules: NAME SIZE …; on 6.1 the size is that of the core area, once init's is freed.
    let modules = std::fs::read_to_string(run.dir.join("modules"))?;
    let linux = Linux { areas: LinuxAreas::CoreInit, kallsyms_all: true };
    let (mut compared, mut wrong) = (0, Vec::new());
    for name in &run.modules {
        let file = corpus.module(name).with_context(|| format!("no module {name}"))?;
        let prepared = prepare(guests, load(guests, name, Source::open(&file.path)?)?, &[])?;
        let records = prepared.module.records();
        let measured = relobox::layout_linux::measure(&records, prepared.needs(), linux)?;
        let size =
            modules.lines().find_map(|line| line.strip_prefix(&format!("{name} "))?.split(' ').next()?.parse().ok());
        let core = measured.areas.iter().find(|a| a.kind == Kind::Core).map(|a| a.size);
        if core != size {
            wrong.push(format!("{name}: core is {core:?}, and the kernel has {size:?}"));
        }
        let layout = measured.in_areas(measured.areas.iter().map(|a| Area { address: 0, ..*a }).collect());
        let memory = run.memory(name)?;
        let sections = records.sections.iter().zip(&layout.addresses).filter(|(_, at)| **at != ABSENT);
        for init in [false, true] {
            let mut base = None;
            for (section, at) in sections.clone() {
                let section = String::from_utf8_lossy(records.bytes(section.name)).into_owned();
                let Some(real) = memory.addresses.get(&section).filter(|_| section.starts_with(".init") == init) else {
                    continue;
                };
                if section == ".data..percpu"
                    || records.sections.iter().filter(|s| records.bytes(s.name) == section.as_bytes()).count() > 1
                {
                    continue;
                }
                let distance = real.wrapping_sub(*at);
                compared += 1;
                if *base.get_or_insert(distance) != distance {
                    wrong.push(format!(
                        "{name}: {section} is at {at:#x} instead of {:#x}",
                        real.wrapping_sub(base.unwrap_or(0))
                    ));
                }
            }
        }
    }
    println!("{compared} sections of {} modules, loaded by {}", run.modules.len(), run.tool);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(compared > 1000, "hardly anything was compared");
    Ok(())
}
