//! What relobox says of a file that may be a lie: natively and in the sandbox.
#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part")]

use relobox::cache::Cache;
use relobox::error::{Error, Result};
use relobox::guests::Guests;
use relobox::link::{Linked, load, prepare};
use relobox::open::Source;
use relobox::resolve::Sources;
use relobox::rng::Rng;
use relobox::sandbox::Sandbox;
use relobox::symbols::Symbols;
use relobox_abi::synthetic_kind;
use relobox_engine::{ElfError, Module, Placed};
use relobox_tests::hostile::flips::mutate;
use relobox_tests::hostile::sample;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

/// Compiled guests are kept from run to run: compiling them takes longer than everything else.
pub fn sandbox() -> Sandbox {
    let cache = Cache::open_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests"));
    Sandbox::new(cache).expect("a sandbox")
}

pub fn guests() -> Guests {
    Guests::new(sandbox(), &[]).expect("guests")
}

pub fn link(guests: &Guests, file: Vec<u8>) -> Result<Linked> {
    let mut symbols = Symbols::new();
    symbols.read(sample::KALLSYMS.as_bytes(), |_| true).expect("symbols");
    let prepared = prepare(guests, load(guests, "sample.ko", Source::Bytes(file))?, &[])?;
    let layout = prepared.measured.at(prepared.machine.base);
    prepared.link(layout, Sources { symbols: &symbols, assume: None })
}

/// Natively, all the way through the engine.
pub fn engine(file: &[u8]) -> std::thread::Result<Result<Module, ElfError>> {
    catch_unwind(AssertUnwindSafe(|| {
        let module = relobox_engine::parse(file, relobox_abi::parse::ALL)?;
        let exports = relobox_engine::parse(file, relobox_abi::parse::EXPORTS)?;
        assert_eq!(exports.symbols, module.symbols);
        let addresses: Vec<u64> = (0..module.sections.len() as u64).map(|i| 0xffff_ffff_c000_0000 + i * 4096).collect();
        let values = vec![0; module.symbols.len()];
        // Whether it can be written is another question; that must not panic either.
        let _ = relobox_engine::emit_linked(file, &module, &addresses, &values, &[]);
        let mut relocated = file.to_vec();
        let len = relobox_engine::void_relocations(&mut relocated, &module)?;
        assert!(len <= file.len());
        relocated.truncate(len);
        let made =
            Placed { address: 0, align: 16, kind: synthetic_kind::TEXT, name: b".relobox.made", contents: &[0; 32] };
        if let Ok(pieces) = relobox_engine::append_sections(&mut relocated, &module, &[made]) {
            relocated.extend(pieces.iter().flat_map(|piece| piece.iter()));
            let again = relobox_engine::parse(&relocated, relobox_abi::parse::ALL)?;
            assert_eq!(again.sections.len(), module.sections.len() + 2);
        }
        Ok(module)
    }))
}

/// What is wrong with how a file was taken, if anything is.
pub fn judge(guests: &Guests, what: &str, file: &[u8], sandboxed: bool) -> Option<String> {
    let native = match engine(file) {
        Ok(native) => native,
        Err(_) => return Some(format!("{what}: the engine panics")),
    };
    if !sandboxed {
        return None;
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let linked = link(guests, file.to_vec())?;
        // What links can also be written, or is refused like a module that does not link.
        match linked.emit(relobox_abi::emit::LINKED) {
            Err(error @ Error::Guest { .. }) => Err(error),
            _ => Ok(()),
        }
    }));
    match (outcome, native) {
        (Err(_), _) => Some(format!("{what}: the host panics")),
        (Ok(Ok(_)), Ok(_)) => None,
        (Ok(Ok(_)), Err(fault)) => Some(format!("{what}: natively {}, sandboxed nothing", fault.text)),
        (Ok(Err(error @ Error::Module(_))), native) => {
            let Error::Module(problems) = &error else { unreachable!() };
            let same = native.err().is_none_or(|fault| problems[0].text == fault.text);
            let words = error.to_string();
            let clear = problems.iter().all(|p| !p.kind.is_empty()) && words.starts_with("sample.ko:");
            if same && clear { None } else { Some(format!("{what}: another message: {words}")) }
        }
        (Ok(Err(error)), _) => Some(format!("{what}: exit code {}, {error}", error.exit_code())),
    }
}

pub fn report(wrong: &[String]) {
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} files, among them:\n{shown}", wrong.len());
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Panics of `run` are caught and counted, not printed; those of other tests are.
pub fn quietly<T>(run: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                print(panic);
            }
        }));
    });
    QUIET.set(true);
    let out = run();
    QUIET.set(false);
    out
}

/// What is wrong with how files are taken that have random bytes changed, 500 times each; the same changes in every run.
pub fn mutations(files: &[(String, Vec<u8>)]) -> Vec<String> {
    let (guests, mut rng, mut wrong) = (guests(), Rng::new(27), Vec::new());
    quietly(|| {
        for (name, whole) in files.iter().filter(|(_, whole)| whole.len() < 1 << 20) {
            for n in 0..500 {
                let mut file = whole.clone();
                mutate(&mut file, &mut rng);
                wrong.extend(judge(&guests, &format!("{name} mutation {n}"), &file, n % 10 == 0));
            }
        }
    });
    wrong
}
