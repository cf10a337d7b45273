//! `relobox fuzz --engine` and `--unpack`: that their inputs reach what they are meant for, that nothing is wrong with the
//! shipped guests on some thousands of them, and that what is wrong with others is found.

use relobox_core::rng::Rng;
use relobox_fuzz::BytesInput;
use relobox_fuzz::corpus::Disk;
use relobox_fuzz::engine::Engine;
use relobox_fuzz::engine::packed::Unpacker;
use relobox_fuzz::subject::{Coverage, Subject, Suspicion};
use relobox_guests as built_in;
use std::path::Path;

/// How many edges an input takes, and what is suspicious.
fn execute<S: Subject>(subject: &S, input: &S::Input) -> (usize, Option<Suspicion>) {
    let (edges, comparisons) = subject.counted();
    let (mut edges, mut comparisons) = (vec![0; edges], vec![0; comparisons]);
    let coverage = Coverage { edges: &mut edges, comparisons: &mut comparisons };
    let suspicion = subject.execute(input, coverage);
    (edges.iter().filter(|n| **n != 0).count(), suspicion)
}

/// Mutates seeds for a while; nothing may be suspicious.
fn fuzz<S: Subject<Input = BytesInput>>(subject: &S, rounds: usize) {
    let seeds = subject.seeds();
    for seed in &seeds {
        assert_eq!(subject.examine(seed), None);
    }
    let mut rng = Rng::new(1);
    for round in 0..rounds {
        let mut input = seeds[rng.below(seeds.len())].clone();
        let other = seeds[rng.below(seeds.len())].clone();
        for _ in 0..1 + rng.below(3) {
            subject.mutate(&mut input, Some(&other), &mut rng);
        }
        let (_, suspicion) = execute(subject, &input);
        let examined = suspicion.clone().or_else(|| if round % 8 == 0 { subject.examine(&input) } else { None });
        if let Some(found) = examined
            && let Some(found) = subject.confirm(&input, Some(found.oracle))
        {
            panic!("{found:?}:\n{}", subject.write(&input, &[]));
        }
    }
}

#[test]
fn the_engine_bears_damaged_modules() {
    let engine = Engine::new(Vec::new()).expect("an engine");
    let seeds = engine.seeds();
    let (edges, _) = execute(&engine, &BytesInput::new(b"no module".to_vec()));
    for seed in &seeds {
        assert!(execute(&engine, seed).0 > 4 * edges, "a seed is refused at once");
    }
    fuzz(&engine, 500);
}

#[test]
fn the_unpacker_bears_damaged_streams() {
    let unpacker = Unpacker::new(Vec::new()).expect("an unpacker");
    fuzz(&unpacker, 300);
}

/// What was found once, and what takes every edge that was ever taken: nothing is wrong with any of it.
fn replay<S: Subject<Input = BytesInput>>(subject: &S, corpus: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz-corpus").join(corpus);
    let inputs = Disk::open(Some(&dir)).and_then(|disk| disk.read(subject)).expect("a corpus");
    assert!(!inputs.is_empty());
    let wrong: Vec<_> = inputs.iter().filter_map(|input| Some((subject.confirm(input, None)?, input))).collect();
    for (suspicion, input) in &wrong {
        eprintln!("{suspicion:?}:\n{}", subject.write(input, &[]));
    }
    assert!(wrong.is_empty());
}

#[test]
fn nothing_is_wrong_with_the_corpus() {
    replay(&Engine::new(Vec::new()).expect("an engine"), "engine");
    replay(&Unpacker::new(Vec::new()).expect("an unpacker"), "unpack");
}

/// Whatever a file has become, it can be changed once more.
#[test]
fn mutators_bear_their_own_work() {
    let engine = Engine::new(Vec::new()).expect("an engine");
    let (seeds, mut rng) = (engine.seeds(), Rng::new(2));
    let mut input = seeds[0].clone();
    for round in 0..5_000 {
        if round % 50 == 0 {
            input = seeds[rng.below(seeds.len())].clone();
        }
        let other = seeds[rng.below(seeds.len())].clone();
        engine.mutate(&mut input, Some(&other), &mut rng);
    }
}

/// An engine that says it has no sections of that name, symbols elsewhere, or what you will, is found out.
#[test]
fn an_engine_that_lies_is_found_out() {
    let wasm = built_in::wasm_of("engine").expect("an engine").to_vec();
    let honest = Engine::new(Vec::new()).expect("an engine");
    let (seeds, mut found, mut tried) = (honest.seeds(), 0, 0);
    // Other constants in its code make other engines; most are wrong somewhere, if they are engines at all.
    let places: Vec<usize> =
        (0..wasm.len() - 2).filter(|i| wasm[*i] == 0x41 && (8..64).contains(&wasm[i + 1])).collect();
    for place in places.iter().step_by(places.len() / 40) {
        let mut other = wasm.clone();
        other[place + 1] ^= 4;
        let Ok(engine) = Engine::of(&other, Vec::new()) else { continue };
        tried += 1;
        found += usize::from(seeds.iter().any(|seed| engine.confirm(seed, None).is_some()));
        if tried > 2 && found > 0 {
            return;
        }
    }
    panic!("{found} of {tried} wrong engines are found out");
}

/// Files are replayed from text.
#[test]
fn inputs_are_text() {
    let engine = Engine::new(Vec::new()).expect("an engine");
    for seed in engine.seeds() {
        assert_eq!(engine.read(&engine.write(&seed, &["about".into()])), Ok(seed));
    }
}
