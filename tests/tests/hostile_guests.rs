//! Guests that break the contract: each `.wat` of `tests/hostile/` ends in the one error that it names,
//! and the same host links a good module right after it.

use relobox::cache::Cache;
use relobox::error::{Error, GuestError, Result};
use relobox::guests::Guests;
use relobox::link::{Linked, load, prepare};
use relobox::open::Source;
use relobox::pins::Pins;
use relobox::registry::{Plugins, Search};
use relobox::resolve::Sources;
use relobox::rng::Rng;
use relobox::sandbox::Sandbox;
use relobox::symbols::Symbols;
use relobox_tests::hostile::bombs::BOMBS;
use relobox_tests::hostile::flips::mutate;
use relobox_tests::hostile::guest::{Expected, GuestCase, case, cases, honest};
use relobox_tests::hostile::sample;
use std::path::{Path, PathBuf};

/// `e_flags` that the plugins of `tests/hostile/plugin` ask for.
const HOSTILE: u32 = 0xbad;

/// Where the file of `engine/honest.wat` has its code; see there.
fn engine_file() -> Vec<u8> {
    let mut file = vec![0; 128];
    for (at, text) in [(0, ".text"), (8, "printk"), (16, "init_module"), (32, "license=GPL"), (48, ".bss")] {
        file[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    file
}

/// Compiled guests are kept from run to run: compiling them takes longer than everything else.
fn sandbox() -> Sandbox {
    let cache = Cache::open_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests"));
    Sandbox::new(cache).expect("a sandbox")
}

fn symbols() -> Symbols {
    let mut symbols = Symbols::new();
    symbols.read(sample::KALLSYMS.as_bytes(), |_| true).expect("symbols");
    symbols
}

fn link(guests: &Guests, file: Vec<u8>) -> Result<Linked> {
    link_with(guests, file, &[])
}

fn link_with(guests: &Guests, file: Vec<u8>, inputs: &[(String, u64)]) -> Result<Linked> {
    let module = load(guests, "sample.ko", Source::Bytes(file))?;
    let prepared = prepare(guests, module, inputs)?;
    let layout = prepared.measured.at(prepared.machine.base);
    prepared.link(layout, Sources { symbols: &symbols(), assume: None })
}

/// A directory with one plugin in it.
fn plugin_dir(case: &GuestCase) -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("hostile.wasm"), &case.wasm).expect("a plugin");
    let dirs = vec![dir.path().to_owned()];
    (dir, dirs)
}

/// The built-in guests, and the plugins of `dirs`: that one is meant where another links the same machine.
fn guests_of(sandbox: &Sandbox, dirs: &[PathBuf]) -> Result<Guests> {
    // By its file: what is no guest at all would be left out of a directory.
    let chosen: Vec<_> = dirs.iter().map(|dir| dir.join("hostile.wasm").display().to_string()).collect();
    Ok(Guests::of(sandbox.clone(), Plugins::find(&Search::default(), &chosen, Pins::default())?))
}

/// The name of an enum's variant.
fn variant(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// What is wrong with the outcome of a case, if anything is.
fn judge<T>(case: &GuestCase, outcome: &Result<T>) -> Option<String> {
    let wrong = |got: String| Some(format!("{}: wanted {:?}, got {got}", case.name, case.expected));
    match (outcome, &case.expected) {
        (Ok(_), Expected::Links) => None,
        (Err(error @ Error::Module(_)), Expected::Module(words)) => {
            let good = error.to_string().contains(words) && error.exit_code() == 1;
            if good { None } else { wrong(error.to_string()) }
        }
        (Err(error @ Error::Guest { what, .. }), Expected::Guest(kind, words)) => {
            let text = error.to_string();
            let good = variant(what) == *kind && text.contains(words) && error.exit_code() == 3;
            let clear = text.len() < 500 && !text.contains(|c: char| c.is_control() || c == '\u{202e}');
            if good && clear { None } else { wrong(format!("{} {text}", variant(what))) }
        }
        (Ok(_), _) => wrong("a linked module".into()),
        (Err(error), _) => wrong(format!("exit code {}, {error}", error.exit_code())),
    }
}

fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn plugins() {
    let sandbox = sandbox();
    let expected = link(&Guests::new(sandbox.clone(), &[]).expect("guests"), sample::module(0)).expect("a good module");
    let (cases, mut wrong) = (cases("plugin"), Vec::new());
    assert!(cases.len() > 90, "only {} cases", cases.len());
    for case in &cases {
        let (_dir, dirs) = plugin_dir(case);
        let guests = guests_of(&sandbox, &dirs).expect("guests");
        let outcome = link(&guests, sample::module(HOSTILE));
        wrong.extend(judge(case, &outcome));
        // The host goes on: with the same guests where the plugin could say what it links, else without it.
        let described = guests.plugins().next().is_some_and(|(_, plugin)| plugin.is_ok());
        let without = Guests::new(sandbox.clone(), &[]).expect("guests");
        let after = link(if described { &guests } else { &without }, sample::module(0));
        let after = after.unwrap_or_else(|e| panic!("after {}: {e}", case.name));
        assert_eq!((after.contents(1), after.fuel), (expected.contents(1), expected.fuel), "after {}", case.name);
    }
    report(&wrong);
}

/// What the plugin changes in its own job is not read back: the linked module is the honest plugin's.
#[test]
fn a_plugin_cannot_change_what_the_host_knows() {
    let sandbox = sandbox();
    let emitted = |wasm: Vec<u8>| {
        let (_dir, dirs) = plugin_dir(&GuestCase { name: String::new(), expected: Expected::Links, wasm });
        let guests = guests_of(&sandbox, &dirs).expect("guests");
        let linked = link(&guests, sample::module(HOSTILE)).expect("a linked module");
        linked.emit(relobox_abi::emit::LINKED).expect("a file")
    };
    let honest = emitted(honest("plugin"));
    for name in ["forgets_its_relocations", "changes_nothing_of_the_module", "name_endless"] {
        let case = case("plugin", name);
        assert!(emitted(case.wasm) == honest, "{name}");
    }
    // The comparison can fail.
    assert!(emitted(case("plugin", "changes_inside_the_window").wasm) != honest);
}

/// Each byte that the plugin could change, one after the other: it goes through where a relocation's window
/// is, and is found, at its place, where none is.
#[test]
fn every_byte_is_confined() {
    let (_dir, dirs) = plugin_dir(&case("plugin", "changes_one_byte"));
    let guests = guests_of(&sandbox(), &dirs).expect("guests");
    // Sections with relocations: their windows, and their size. The plugin's copies are 16-aligned.
    let eight: &[u64] = &[0, 1, 2, 3, 4, 5, 6, 7];
    let windows = |starts: &[u64], width: usize| -> Vec<u64> {
        starts.iter().flat_map(|start| eight[..width].iter().map(move |n| start + n)).collect()
    };
    let sections = [
        (".text", 32, windows(&[3, 8, 15, 20], 4)),
        (".data", 24, windows(&[0, 16], 8)),
        ("__ksymtab_gpl", 12, windows(&[0, 4, 8], 4)),
        (".gnu.linkonce.this_module", 128, windows(&[8], 8)),
    ];
    let mut start = 0;
    for (name, size, windows) in sections {
        for offset in 0..size {
            let outcome = link_with(&guests, sample::module(HOSTILE), &[("at".to_owned(), start + offset)]);
            match outcome {
                Ok(_) => assert!(windows.contains(&offset), "byte {offset} of {name} went through"),
                Err(Error::Guest { what, .. }) => {
                    assert_eq!(what, GuestError::OutOfWindowWrite { section: name.to_owned(), offset });
                    assert!(!windows.contains(&offset), "byte {offset} of {name} may be changed");
                }
                Err(error) => panic!("{error}"),
            }
        }
        start = (start + size).next_multiple_of(16);
    }
}

/// A guest with random bytes changed is refused, or is some other guest: it may link, or misbehave.
#[test]
fn guests_with_random_bytes_changed() {
    // Not the cache that runs share, since no later run needs these guests.
    let cache = tempfile::tempdir().expect("a directory");
    let sandbox = Sandbox::new(Cache::open_dir(&cache.path().join("guests"))).expect("a sandbox");
    let (mut rng, mut wrong, mut refused) = (Rng::new(1993), Vec::new(), 0);
    for kind in ["plugin", "engine"] {
        let honest = honest(kind);
        for n in 0..150 {
            let mut wasm = honest.clone();
            mutate(&mut wasm, &mut rng);
            let case = GuestCase { name: format!("{kind} mutation {n}"), expected: Expected::Links, wasm };
            let (_dir, dirs) = plugin_dir(&case);
            let outcome = match kind {
                "plugin" => guests_of(&sandbox, &dirs).and_then(|g| link(&g, sample::module(HOSTILE))),
                _ => Guests::new(sandbox.clone(), &dirs[..0])
                    .and_then(|g| g.with_engine(&case.wasm))
                    .and_then(|g| link(&g, engine_file())),
            };
            match outcome {
                Ok(_) => {}
                Err(Error::Guest { .. } | Error::Module(_)) => refused += 1,
                Err(error) => wrong.push(format!("{}: {error}", case.name)),
            }
        }
    }
    report(&wrong);
    assert!(refused > 50, "only {refused} were refused");
}

#[test]
fn engines() {
    let sandbox = sandbox();
    let builtin = Guests::new(sandbox.clone(), &[]).expect("guests");
    let run = |wasm: &[u8]| {
        let guests = Guests::new(sandbox.clone(), &[]).and_then(|g| g.with_engine(wasm))?;
        link(&guests, engine_file())?.emit(relobox_abi::emit::LINKED)
    };
    assert_eq!(run(&honest("engine")).expect("the honest engine"), b"the linked file\n");
    let (cases, mut wrong) = (cases("engine"), Vec::new());
    assert!(cases.len() > 70, "only {} cases", cases.len());
    for case in &cases {
        wrong.extend(judge(case, &run(&case.wasm)));
        link(&builtin, sample::module(0)).unwrap_or_else(|e| panic!("after {}: {e}", case.name));
    }
    report(&wrong);
}

#[test]
fn not_even_guests() {
    let sandbox = sandbox();
    let (mut cases, mut wrong) = (cases("raw"), Vec::new());
    assert!(cases.len() > 30, "only {} cases", cases.len());
    let honest = honest("plugin");
    let mut case = |name: &str, words: &str, wasm: Vec<u8>| {
        cases.push(GuestCase { name: name.into(), expected: Expected::Guest("Unusable".into(), words.into()), wasm });
    };
    case("no bytes", "is not a usable guest", Vec::new());
    case("text", "is not a usable guest", b"#!/bin/sh\nexit 0\n".to_vec());
    case("an ELF file", "is not a usable guest", sample::module(0));
    case("only the magic", "is not a usable guest", honest[..8].to_vec());
    case("cut off", "is not a usable guest", honest[..honest.len() / 2].to_vec());
    case("another version of Wasm", "is not a usable guest", [&honest[..4], &[2, 0, 0, 0], &honest[8..]].concat());
    case("a component", "is not a usable guest", b"\0asm\x0d\0\x01\0".to_vec());
    // A custom section of 4 MiB: nothing is wrong with it but its size.
    let padding = [&[0, 0x82, 0x80, 0x80, 0x02, 1, b'x'][..], &vec![0; 4 << 20]].concat();
    case("too large", "are too many", [honest, padding].concat());
    for case in &cases {
        let (_dir, dirs) = plugin_dir(case);
        let guests = guests_of(&sandbox, &dirs).expect("guests");
        wrong.extend(judge(case, &link(&guests, sample::module(HOSTILE))));
        // As an engine it is no better.
        let engine = Guests::new(sandbox.clone(), &[]).and_then(|g| g.with_engine(&case.wasm));
        match engine.and_then(|guests| link(&guests, sample::module(0))) {
            Err(Error::Guest { .. }) => {}
            Err(error) => wrong.push(format!("{} as an engine: {error}", case.name)),
            Ok(_) => wrong.push(format!("{} as an engine links a module", case.name)),
        }
    }
    link(&Guests::new(sandbox, &[]).expect("guests"), sample::module(0)).expect("a good module after all of them");
    report(&wrong);
}

/// What would be a burden to compile is refused before anything is compiled, by the name of what is too many. The same
/// shape in small is compiled: it is its size that is refused.
#[test]
fn compile_time_bombs() {
    let sandbox = Sandbox::new(None).expect("a sandbox");
    let mut wrong = Vec::new();
    for bomb in BOMBS {
        let (count, words) = bomb.refused;
        match sandbox.load("hostile", &(bomb.make)(count, 1)) {
            Err(error @ Error::Guest { what: GuestError::Unusable(_), .. }) => {
                let text = error.to_string();
                if !text.contains(&format!("{words} are too many: at most ")) {
                    wrong.push(format!("{}: {text}", bomb.name));
                }
            }
            Err(error) => wrong.push(format!("{}: {error}", bomb.name)),
            Ok(_) => wrong.push(format!("{} is compiled", bomb.name)),
        }
        // Of these, one is too many.
        if count == 1 {
            continue;
        }
        match sandbox.load("hostile", &(bomb.make)(2, 1)) {
            Ok(_) => {}
            Err(Error::Guest { what: GuestError::Imports(_), .. }) if bomb.name == "imports" => {}
            Err(error) => wrong.push(format!("two of {}: {error}", bomb.name)),
        }
    }
    report(&wrong);
    // Many functions, each of which is admitted.
    let together = |name: &str, count, copies| {
        let bomb = BOMBS.iter().find(|b| b.name == name).expect(name);
        sandbox.check_complexity(&(bomb.make)(count, copies)).map_err(|refusal| refusal.to_string())
    };
    for (name, count, copies, words) in [
        ("straight", 40_000, 7, "bytes of code"),
        ("diamonds", 1000, 16, "branches"),
        ("br_table-once", 1000, 11, "targets of br_table"),
        ("branches-many-locals", 1000, 30, "pairs of values at branches"),
    ] {
        assert_eq!(together(name, count, 1), Ok(()), "{name}");
        let refusal = together(name, count, copies).expect_err(name);
        assert!(refusal.contains(&format!(" {words} are too many")), "{name}: {refusal}");
    }
}
