//! The second opinions of `second-opinion/`: plugins in C that have nothing in common with the shipped ones but the ABI,
//! and that link Debian's modules as those do, near the kernel and through veneers.
//!
//! `RELOBOX_MODULES` says how many modules of each corpus are taken, or of one of them: `all,marvell=300`.

use anyhow::{Context, Result, ensure};
use relobox::cross_check::{link_both, machine_of};
use relobox::guests::Plugin;
use relobox::link::{load, plugin_of};
use relobox::open::Source;
use relobox::parallel;
use relobox::plugin_file::Origin;
use relobox::resolve::Sources;
use relobox::sandbox::Sandbox;
use relobox::symbols::Symbols;
use relobox_needs::{ExitCode, oracles, test};
use relobox_tests::corpus::{self, Corpus, Module};
use relobox_tests::real::{self, guests};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The number of modules of a corpus that are used by default.
const SAMPLE: usize = 16;
/// Threads for each corpus; the tests of other corpora run beside it.
const THREADS: usize = 1;
/// The distance in bytes from a module to the kernel in the second link. No branch reaches that far.
const FAR: u64 = 512 << 20;

fn main() -> ExitCode {
    let of = |name: &'static str| {
        let body = move || every_module_agrees(name);
        test(format!("arm_{name}"), body).needs([oracles()]).needs(corpus::needs(name))
    };
    let alone = [
        test("what_is_kept_is_what_was_built", what_is_kept_is_what_was_built),
        test("arm_passes_the_kit", || passes_the_kit("arm")),
    ];
    relobox_needs::run(alone.into_iter().chain(["armmp", "marvell"].map(of)))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("second-opinion")
}

fn file(architecture: &str) -> PathBuf {
    directory().join(format!("second-{architecture}.wasm"))
}

fn what_is_kept_is_what_was_built() -> Result<()> {
    let lock = std::fs::read_to_string(directory().join("lock"))?;
    let sums: Vec<_> = lock.lines().filter_map(|line| line.split_once("  ")).collect();
    ensure!(!sums.is_empty(), "the lock is empty");
    for (sum, file) in sums {
        let digest = relobox::text::hex(&Sha256::digest(std::fs::read(directory().join(file))?));
        ensure!(sum == digest, "{file}: run scripts/build-planted");
    }
    Ok(())
}

fn passes_the_kit(architecture: &str) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut command = Command::new(real::binary()?);
    command.args(["plugin", "test"]).arg(file(architecture)).current_dir(scratch.path());
    command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests"));
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

fn every_module_agrees(name: &str) -> Result<()> {
    let path = file(corpus::architecture(name).name);
    let guest = Sandbox::new(None)?.load("the second opinion", &std::fs::read(&path)?)?;
    let second = Arc::new(Plugin::describe(guest, Origin::File(path))?);
    let corpus = Corpus::get(name)?;
    let sample = corpus.sample(65, corpus::limit(name, SAMPLE)?);
    guests()?;
    let compared = parallel::map(THREADS, &sample, |module| agrees(&second, module));
    let (mut relocations, mut veneers, mut problems) = (0, 0, Vec::new());
    for (module, result) in sample.iter().zip(compared) {
        match result {
            Ok(counts) => (relocations, veneers) = (relocations + counts.0, veneers + counts.1),
            Err(error) => problems.push(format!("{}: {error:#}", module.name())),
        }
    }
    println!(
        "{name}: {} of {} modules, {} alike, {} different, {relocations} relocations, {veneers} bytes of veneers",
        sample.len(),
        corpus.modules.len(),
        sample.len() - problems.len(),
        problems.len()
    );
    problems.truncate(30);
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    ensure!(relocations > sample.len() && veneers > sample.len(), "{name}: hardly any relocation or veneer");
    Ok(())
}

/// Links a module with both plugins near the kernel and far from it, and returns how many relocations it has, and how
/// many bytes of veneers the shipped plugin made.
fn agrees(second: &Arc<Plugin>, module: &Module) -> Result<(usize, usize)> {
    let name = module.path.display().to_string();
    let parsed = || Ok::<_, anyhow::Error>(load(guests()?, &name, Source::open(&module.path)?)?);
    let mut counts = (0, 0);
    for far in [false, true] {
        let first = parsed()?;
        let plugin = plugin_of(guests()?, &first.records(), None)?;
        let machine = *machine_of(&plugin, &first.records()).context("a plugin for the machine")?;
        let assume = Some(if far { machine.base + FAR } else { machine.kernel });
        let sources = Sources { symbols: &Symbols::new(), assume };
        let modules = [first, parsed()?];
        let plugins = [plugin, Arc::clone(second)];
        let linked = link_both(plugins, modules, &[], |prepared| Ok(prepared.measured.at(machine.base)), sources)?;
        counts.0 = linked.module.records().relocations.len();
        if far {
            let made = linked.synthetic.iter().flat_map(|section| &section.contents);
            counts.1 = made.filter(|byte| **byte != 0).count();
        }
    }
    Ok(counts)
}
