//! The fuzz target for the engine.

use super::check_error::{CheckError, CheckResult, disagreement, suspicion};
use super::mutate::mutate;
use super::{hex, oracles, seeds, shrink};
use crate::instrument::{Instrumented, instrument};
use crate::target::{Coverage, FuzzTarget, Suspicion};
use libafl::inputs::BytesInput;
use relobox_abi::{Span, emit as format, parse as mode, synthetic_kind};
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::rng::Rng;
use relobox_core::symbols::Symbols;
use relobox_link::guests::Guests;
use relobox_link::link::prepare;
use relobox_link::needs::{Needs, SyntheticRequest};
use relobox_link::records::Records;
use relobox_link::sandbox::{Instance, Sandbox};
use relobox_link::stages::apply::Synthetic;
use relobox_link::stages::emit;
use relobox_link::stages::layout;
use relobox_link::stages::layout::Layout;
use relobox_link::stages::open::{Opened, Source, bring};
use relobox_link::stages::parse::{Module, ask, parse};
use relobox_link::stages::resolve::Sources;
use relobox_link::views::bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The engine with its instrumented copy.
pub struct EngineTarget {
    original: Guests,
    instrumented: Guests,
    instrumentation: Instrumented,
    seeds: Vec<Vec<u8>>,
}

/// The file name in messages.
const NAME: &str = "fuzz.ko";

/// The set of checks to make.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Checks that every input passes through.
    Cheap,
    /// All checks, which need several executions.
    All,
}

impl EngineTarget {
    /// Makes the target for the built-in engine. `files` are additional seeds.
    ///
    /// # Errors
    ///
    /// [`Error::Guest`] if the engine cannot be instrumented.
    pub fn new(files: Vec<Vec<u8>>) -> Result<Self> {
        Self::from_wasm(relobox_guests::wasm_of("engine").unwrap_or_default(), files)
    }

    /// Makes the target for another engine. `files` are additional seeds.
    ///
    /// # Errors
    ///
    /// [`Error::Guest`] if the engine cannot be instrumented or loaded.
    pub fn from_wasm(wasm: &[u8], files: Vec<Vec<u8>>) -> Result<Self> {
        let unusable = |what| Error::Guest { guest: "engine".into(), what };
        let instrumentation = instrument(wasm, true).map_err(unusable)?;
        let original = Guests::with_plugins(Sandbox::new(None)?, Vec::new()).with_engine(wasm)?;
        let sandbox = Sandbox::for_fuzzing()?;
        let engine = instrumentation.load(&sandbox, "engine")?;
        let instrumented = Guests::with_plugins(sandbox, Vec::new()).with_loaded_engine(&engine);
        Ok(Self { original, instrumented, instrumentation, seeds: files })
    }

    /// Makes an instance of the engine that contains `file`, with fuel and memory in proportion to its size.
    fn open(&self, guests: &Guests, file: &[u8]) -> Result<Opened> {
        let len = file.len() as u64;
        // Counting costs fuel as well, so only the original guest decides whether it takes too much.
        let fuel = limits::fuzz_fuel(len) * if std::ptr::eq(guests, &self.instrumented) { 8 } else { 1 };
        let mut engine = guests.engine()?.instantiate(limits::memory_for(len), fuel)?;
        let file = bring(&mut engine, NAME, Source::Bytes(file.to_vec()))?;
        Ok(Opened { engine, file })
    }

    /// Runs all stages on a file.
    ///
    /// # Errors
    ///
    /// [`CheckError::Refused`] if the file is refused, [`CheckError::Suspicious`] if something is wrong.
    fn check_file(
        &self,
        guests: &Guests,
        file: &[u8],
        effort: Effort,
        cover: &mut dyn FnMut(&mut Instance),
    ) -> CheckResult {
        let Opened { mut engine, file: at } = self.open(guests, file)?;
        let parsed = ask(NAME, &mut engine, at, mode::ALL);
        cover(&mut engine);
        if effort == Effort::All {
            self.check_determinism(guests, file, &parsed, engine.fuel_used())?;
        }
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                engine.recycle();
                return Err(error.into());
            }
        };
        let mut module = Module::of(NAME, at, parsed, engine);
        oracles::records(&module.records()).map_err(disagreement)?;
        self.check_linked_file(&mut module, cover)?;
        // Alternate between writing a file unchanged and with added sections.
        let (before, odd) = (module.records(), file.iter().fold(0, |odd, byte| odd ^ byte) & 1 != 0);
        if odd || effort == Effort::All {
            self.check_relocated_file(guests, &before, &[], cover)?;
        }
        if !odd || effort == Effort::All {
            self.check_relocated_file(guests, &before, &[made(0), made(1)], cover)?;
        }
        if effort == Effort::All {
            self.check_exports_mode(guests, file, &module)?;
            self.run_all_stages(guests, file)?;
        }
        module.recycle();
        Ok(())
    }

    /// Checks that parsing the same file again gives the same answer for the same fuel.
    fn check_determinism<T>(&self, guests: &Guests, file: &[u8], first: &Result<T>, fuel: u64) -> CheckResult {
        let Opened { mut engine, file: at } = self.open(guests, file)?;
        let again = ask(NAME, &mut engine, at, mode::ALL);
        let text = |outcome: Option<&Error>| outcome.map_or_else(String::new, ToString::to_string);
        let (one, two) = (text(first.as_ref().err()), text(again.as_ref().err()));
        if one == two && fuel == engine.fuel_used() {
            return Ok(());
        }
        Err(CheckError::new(
            "nondeterminism",
            "two runs",
            format!("{fuel} and {} units: {one:?}, {two:?}", engine.fuel_used()),
        ))
    }

    /// Checks the linked file that the engine writes, at made-up addresses.
    fn check_linked_file(&self, module: &mut Module, cover: &mut dyn FnMut(&mut Instance)) -> CheckResult {
        let records = module.records();
        let base = if records.parsed.class == 64 { BASES[1] } else { BASES[0] };
        let place = layout::measure(&records, &Needs::default()).at(base);
        let values: Vec<u64> = (0..records.symbols.len() as u64).map(|i| base + i * 16).collect();
        let made = made(0);
        let pieces = emit::emit(module, format::LINKED, &place, &values, std::slice::from_ref(&made));
        cover(module.engine_mut());
        let memory = module.engine_mut().memory();
        let pieces = pieces?;
        let file = concat(memory, &pieces);
        oracles::linked(&module.records(), &place, &made, &file)
            .map_err(|what| CheckError::new("linked-file", &what, &what))
    }

    /// Checks the relocated module that the engine writes; the engine must also accept it as input.
    fn check_relocated_file(
        &self,
        guests: &Guests,
        before: &Records<'_>,
        made: &[Synthetic],
        cover: &mut dyn FnMut(&mut Instance),
    ) -> CheckResult {
        let file = before.file;
        let mut module = parse(NAME, self.open(guests, file)?, mode::ALL)?;
        let nowhere = Layout { addresses: Vec::new(), synthetic: Vec::new(), areas: Vec::new() };
        let pieces = emit::emit(&mut module, format::RELOCATED_KO, &nowhere, &[], made);
        cover(module.engine_mut());
        let written = concat(module.engine_mut().memory(), &pieces?);
        module.recycle();
        let bad = |what: String| CheckError::new("relocated-file", &what, &what);
        let opened = self.open(&self.original, &written)?;
        let after = parse(NAME, opened, mode::ALL).map_err(|error| match error {
            Error::Module(_) => bad(format!("the engine refuses the file that it wrote: {error}")),
            other => other.into(),
        })?;
        oracles::relocated(before, &after.records(), made).map_err(bad)
    }

    /// Checks that the records of the exports mode equal those of a full parse.
    fn check_exports_mode(&self, guests: &Guests, file: &[u8], all: &Module) -> CheckResult {
        let some = parse(NAME, self.open(guests, file)?, mode::EXPORTS)?;
        let (all, some) = (all.records(), some.records());
        let same = all.sections == some.sections
            && all.symbols == some.symbols
            && all.modinfo == some.modinfo
            && all.exports == some.exports
            && all.versions == some.versions;
        if same { Ok(()) } else { Err(disagreement("the mode for exports has other records".into())) }
    }

    /// Runs all stages of the host, if there is a plugin for the machine, at made-up addresses.
    fn run_all_stages(&self, guests: &Guests, file: &[u8]) -> CheckResult {
        for output in [format::LINKED, format::RELOCATED_KO] {
            let module = parse(NAME, self.open(guests, file)?, mode::ALL)?;
            let prepared = prepare(guests, module, &[])?;
            for areas in [relobox_core::kernel::LinuxAreas::CoreInit, relobox_core::kernel::LinuxAreas::Seven] {
                let linux = relobox_core::kernel::Linux { areas, kallsyms_all: true };
                let _ = relobox_link::layout_linux::measure(&prepared.module.records(), prepared.needs(), linux);
            }
            let (place, symbols) = (prepared.measured.at(prepared.machine.base), Symbols::new());
            let sources = Sources { symbols: &symbols, assume: Some(prepared.machine.kernel) };
            prepared.link(place, sources)?.emit(output)?;
        }
        Ok(())
    }

    /// As [`Self::check_file`]; a panic of the host is a suspicion.
    fn check_catching_panics(
        &self,
        guests: &Guests,
        file: &[u8],
        effort: Effort,
        cover: &mut dyn FnMut(&mut Instance),
    ) -> Option<Suspicion> {
        let checked = catch_unwind(AssertUnwindSafe(|| self.check_file(guests, file, effort, cover)));
        suspicion(checked)
    }
}

/// Returns the pieces of a file in the engine's memory, joined.
fn concat(memory: &[u8], pieces: &[Span]) -> Vec<u8> {
    pieces.iter().map(|piece| bytes(memory, *piece).unwrap_or_default()).collect::<Vec<_>>().concat()
}

/// The base addresses of linked files, by class. They must not look like file offsets.
static BASES: [u64; 2] = [0x4000_0000, 0xffff_ffff_a000_0000];

/// Makes a section as a plugin might make it.
fn made(n: usize) -> Synthetic {
    let contents = vec![0xd6; [48, 5000][n % 2]];
    let record = relobox_abi::Synthetic {
        size: contents.len() as u64,
        align: [16, 1][n % 2],
        kind: [synthetic_kind::TEXT, synthetic_kind::RODATA][n % 2],
        ..Default::default()
    };
    let wanted = SyntheticRequest { name: format!(".relobox.{n}"), record, at: 0 };
    Synthetic { wanted, address: 0x3000_0000 + 0x10_0000 * n as u64, contents }
}

impl FuzzTarget for EngineTarget {
    type Input = BytesInput;

    fn name(&self) -> &str {
        "engine"
    }

    fn instrumentation(&self) -> &Instrumented {
        &self.instrumentation
    }

    fn execute(&self, input: &BytesInput, coverage: Coverage<'_>) -> Option<Suspicion> {
        let Coverage { edges, comparisons } = coverage;
        edges.fill(0);
        comparisons.fill(0);
        let mut cover = |engine: &mut Instance| {
            let (e, c) = self.instrumentation.split(engine.counters());
            // Several instances run; keep the largest count of each counter.
            for (all, these) in [(&mut *edges, e), (&mut *comparisons, c)] {
                all.iter_mut().zip(these).for_each(|(to, from)| *to = (*to).max(*from));
            }
        };
        self.check_catching_panics(&self.instrumented, input.as_ref(), Effort::Cheap, &mut cover)
    }

    fn examine(&self, input: &BytesInput) -> Option<Suspicion> {
        self.check_catching_panics(&self.original, input.as_ref(), Effort::All, &mut |_| {})
    }

    fn reproduce(&self, input: &BytesInput, oracle: Option<&str>) -> Option<Suspicion> {
        let found = self.check_catching_panics(&self.original, input.as_ref(), Effort::All, &mut |_| {});
        found.filter(|found| oracle.is_none_or(|wanted| wanted == found.oracle))
    }

    fn signature(&self, input: &BytesInput) -> String {
        // Traps are distinguished by the edges that the last call covered.
        let mut way = String::new();
        let mut cover = |engine: &mut Instance| {
            let (edges, _) = self.instrumentation.split(engine.counters());
            let taken = edges.iter().enumerate().filter(|(_, n)| **n != 0).map(|(i, _)| i as u64);
            way = format!("{:x}", taken.fold(0u64, |way, i| (way ^ i).wrapping_mul(0x0100_0000_01b3)));
        };
        let _ = self.check_catching_panics(&self.instrumented, input.as_ref(), Effort::Cheap, &mut cover);
        way
    }

    fn mutate(&self, input: &mut BytesInput, other: Option<&BytesInput>, rng: &mut Rng) {
        mutate(input.as_mut(), other.map(|o| o.as_ref().as_slice()), rng, &self.instrumentation.constants);
    }

    fn seeds(&self) -> Vec<BytesInput> {
        let files = self.seeds.iter().filter(|file| file.len() <= limits::FUZZ_FILE).cloned();
        seeds::modules().into_iter().chain(files).map(BytesInput::new).collect()
    }

    fn minimise(&self, input: &BytesInput, still: &mut dyn FnMut(&BytesInput) -> bool) -> BytesInput {
        shrink::minimise(input, shrink::simpler, still)
    }

    fn write(&self, input: &BytesInput, remarks: &[String]) -> String {
        hex::write(input.as_ref(), remarks)
    }

    fn read(&self, text: &str) -> Result<BytesInput, String> {
        hex::read(text).map(BytesInput::new)
    }
}
