//! Tests of `relobox fuzz --engine` and `--unpack`: their inputs reach the intended code, the shipped guests have no
//! findings on some thousand inputs, and the defects of other guests are found.

use relobox_core::rng::Rng;
use relobox_fuzz::BytesInput;
use relobox_fuzz::corpus::CorpusDir;
use relobox_fuzz::engine::EngineTarget;
use relobox_fuzz::engine::unpacker::UnpackerTarget;
use relobox_fuzz::target::{Coverage, FuzzTarget, Suspicion};
use relobox_guests as built_in;
use std::path::Path;

/// Returns the number of edges that an input covers, and the suspicion if there is one.
fn execute<S: FuzzTarget>(target: &S, input: &S::Input) -> (usize, Option<Suspicion>) {
    let (edges, comparisons) = target.map_sizes();
    let (mut edges, mut comparisons) = (vec![0; edges], vec![0; comparisons]);
    let coverage = Coverage { edges: &mut edges, comparisons: &mut comparisons };
    let suspicion = target.execute(input, coverage);
    (edges.iter().filter(|n| **n != 0).count(), suspicion)
}

/// Mutates seeds for some rounds and fails on a suspicion.
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
fn the_engine_survives_damaged_modules() {
    let engine = EngineTarget::new(Vec::new()).expect("an engine");
    let seeds = engine.seeds();
    let (edges, _) = execute(&engine, &BytesInput::new(b"no module".to_vec()));
    for seed in &seeds {
        assert!(execute(&engine, seed).0 > 4 * edges, "a seed is refused at once");
    }
    fuzz(&engine, 500);
}

#[test]
fn the_unpacker_survives_damaged_streams() {
    let unpacker = UnpackerTarget::new(Vec::new()).expect("an unpacker");
    fuzz(&unpacker, 300);
}

/// Runs former findings and a corpus that covers all known edges; none may be suspicious.
fn replay<S: FuzzTarget<Input = BytesInput>>(target: &S, corpus: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz-corpus").join(corpus);
    let inputs = CorpusDir::open(Some(&dir)).and_then(|disk| disk.read(target)).expect("a corpus");
    assert!(!inputs.is_empty());
    let wrong: Vec<_> = inputs.iter().filter_map(|input| Some((target.reproduce(input, None)?, input))).collect();
    for (suspicion, input) in &wrong {
        eprintln!("{suspicion:?}:\n{}", target.write(input, &[]));
    }
    assert!(wrong.is_empty());
}

#[test]
fn the_corpus_has_no_findings() {
    replay(&EngineTarget::new(Vec::new()).expect("an engine"), "engine");
    replay(&UnpackerTarget::new(Vec::new()).expect("an unpacker"), "unpack");
}

/// A mutated file can be mutated again.
#[test]
fn mutators_accept_their_own_output() {
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

/// An engine is found that omits a section name, moves symbols, or is wrong in another way.
#[test]
fn wrong_engines_are_found() {
    let wasm = built_in::wasm_of("engine").expect("an engine").to_vec();
    let honest = EngineTarget::new(Vec::new()).expect("an engine");
    let (seeds, mut found, mut tried) = (honest.seeds(), 0, 0);
    // Changing a constant in the code gives another engine. Most of these are wrong, if they are engines at all.
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
