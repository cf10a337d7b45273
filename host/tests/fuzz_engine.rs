//! `relobox fuzz --engine` and `--unpack`: that their inputs reach what they are meant for, that nothing is wrong with the
//! shipped guests on some thousands of them, and that what is wrong with others is found.
#![cfg(feature = "fuzz")]

use relobox::built_in;
use relobox::fuzz::BytesInput;
use relobox::fuzz::corpus::CorpusDir;
use relobox::fuzz::engine::EngineTarget;
use relobox::fuzz::engine::unpacker::UnpackerTarget;
use relobox::fuzz::target::{Coverage, FuzzTarget, Suspicion};
use relobox::rng::Rng;
use std::path::Path;

/// How many edges an input takes, and what is suspicious.
fn execute<S: FuzzTarget>(target: &S, input: &S::Input) -> (usize, Option<Suspicion>) {
    let (edges, comparisons) = target.map_sizes();
    let (mut edges, mut comparisons) = (vec![0; edges], vec![0; comparisons]);
    let coverage = Coverage { edges: &mut edges, comparisons: &mut comparisons };
    let suspicion = target.execute(input, coverage);
    (edges.iter().filter(|n| **n != 0).count(), suspicion)
}

/// Mutates seeds for a while; nothing may be suspicious.
fn fuzz<S: FuzzTarget<Input = BytesInput>>(target: &S, rounds: usize) {
    let seeds = target.seeds();
    for seed in &seeds {
        assert_eq!(target.examine(seed), None);
    }
    let mut rng = Rng::new(1);
    for round in 0..rounds {
        let mut input = seeds[rng.below(seeds.len())].clone();
        let other = seeds[rng.below(seeds.len())].clone();
        for _ in 0..1 + rng.below(3) {
            target.mutate(&mut input, Some(&other), &mut rng);
        }
        let (_, suspicion) = execute(target, &input);
        let examined = suspicion.clone().or_else(|| if round % 8 == 0 { target.examine(&input) } else { None });
        if let Some(found) = examined
            && let Some(found) = target.reproduce(&input, Some(found.oracle))
        {
            panic!("{found:?}:\n{}", target.write(&input, &[]));
        }
    }
}

#[test]
fn the_engine_bears_damaged_modules() {
    let engine = EngineTarget::new(Vec::new()).expect("an engine");
    let seeds = engine.seeds();
    let (edges, _) = execute(&engine, &BytesInput::new(b"no module".to_vec()));
    for seed in &seeds {
        assert!(execute(&engine, seed).0 > 4 * edges, "a seed is refused at once");
    }
    fuzz(&engine, 500);
}

#[test]
fn the_unpacker_bears_damaged_streams() {
    let unpacker = UnpackerTarget::new(Vec::new()).expect("an unpacker");
    fuzz(&unpacker, 300);
}

/// What was found once, and what takes every edge that was ever taken: nothing is wrong with any of it.
fn replay<S: FuzzTarget<Input = BytesInput>>(target: &S, corpus: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz-corpus").join(corpus);
    let inputs = CorpusDir::open(Some(&dir)).and_then(|disk| disk.read(target)).expect("a corpus");
    assert!(!inputs.is_empty());
    let wrong: Vec<_> = inputs.iter().filter_map(|input| Some((target.reproduce(input, None)?, input))).collect();
    for (suspicion, input) in &wrong {
        eprintln!("{suspicion:?}:\n{}", target.write(input, &[]));
    }
    assert!(wrong.is_empty());
}

#[test]
fn nothing_is_wrong_with_the_corpus() {
    replay(&EngineTarget::new(Vec::new()).expect("an engine"), "engine");
    replay(&UnpackerTarget::new(Vec::new()).expect("an unpacker"), "unpack");
}

/// Whatever a file has become, it can be changed once more.
#[test]
fn mutators_bear_their_own_work() {
    let engine = EngineTarget::new(Vec::new()).expect("an engine");
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
    let honest = EngineTarget::new(Vec::new()).expect("an engine");
    let (seeds, mut found, mut tried) = (honest.seeds(), 0, 0);
    // Other constants in its code make other engines; most are wrong somewhere, if they are engines at all.
    let places: Vec<usize> =
        (0..wasm.len() - 2).filter(|i| wasm[*i] == 0x41 && (8..64).contains(&wasm[i + 1])).collect();
    for place in places.iter().step_by(places.len() / 40) {
        let mut other = wasm.clone();
        other[place + 1] ^= 4;
        let Ok(engine) = EngineTarget::from_wasm(&other, Vec::new()) else { continue };
        tried += 1;
        found += usize::from(seeds.iter().any(|seed| engine.reproduce(seed, None).is_some()));
        if tried > 2 && found > 0 {
            return;
        }
    }
    panic!("{found} of {tried} wrong engines are found out");
}

/// Files are replayed from text.
#[test]
fn inputs_are_text() {
    let engine = EngineTarget::new(Vec::new()).expect("an engine");
    for seed in engine.seeds() {
        assert_eq!(engine.read(&engine.write(&seed, &["about".into()])), Ok(seed));
    }
}
