//! The fuzz target for the unpacker. An input is a packed file, possibly damaged.

use super::check_error::{CheckError, CheckResult, suspicion};
use super::shrink::{minimise, pieces};
use super::{fields, hex};
use crate::instrument::{Instrumented, instrument};
use crate::target::{Coverage, FuzzTarget, Suspicion};
use libafl::inputs::BytesInput;
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::rng::Rng;
use relobox_link::sandbox::{Guest, Instance, Sandbox};
use relobox_link::stages::open::{Source, unpack_in};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The unpacker with its instrumented copy.
pub struct UnpackerTarget {
    original: Guest,
    instrumented: Guest,
    instrumentation: Instrumented,
    seeds: Vec<Vec<u8>>,
}

/// Files made with gzip, xz and zstd: each kind of block and of checksum, and two members in a row.
static SEEDS: [&[u8]; 13] = [
    include_bytes!("packed/fixed.gz"),
    include_bytes!("packed/stored.gz"),
    include_bytes!("packed/dynamic.gz"),
    include_bytes!("packed/two.gz"),
    include_bytes!("packed/crc32.xz"),
    include_bytes!("packed/crc64.xz"),
    include_bytes!("packed/sha256.xz"),
    include_bytes!("packed/x86.xz"),
    include_bytes!("packed/plain.zst"),
    include_bytes!("packed/checked.zst"),
    include_bytes!("packed/raw.zst"),
    include_bytes!("packed/rle.zst"),
    include_bytes!("packed/two.zst"),
];

const NAME: &str = "fuzz.ko.packed";

impl UnpackerTarget {
    /// Makes the target for the built-in unpacker. `files` are additional seeds.
    ///
    /// # Errors
    ///
    /// [`Error::Guest`] if the unpacker cannot be instrumented.
    pub fn new(files: Vec<Vec<u8>>) -> Result<Self> {
        Self::from_wasm(relobox_guests::wasm_of("unpack").unwrap_or_default(), files)
    }

    /// Makes the target for another unpacker. `files` are additional seeds.
    ///
    /// # Errors
    ///
    /// [`Error::Guest`] if the unpacker cannot be instrumented or loaded.
    pub fn from_wasm(wasm: &[u8], files: Vec<Vec<u8>>) -> Result<Self> {
        let unusable = |what| Error::Guest { guest: "unpack".into(), what };
        let instrumentation = instrument(wasm, true).map_err(unusable)?;
        let original = Sandbox::new(None)?.load("unpack", wasm)?;
        let instrumented = instrumentation.load(&Sandbox::for_fuzzing()?, "unpack")?;
        Ok(Self { original, instrumented, instrumentation, seeds: files })
    }

    fn unpack(&self, guest: &Guest, file: Vec<u8>, limit: u64, cover: &mut dyn FnMut(&mut Instance)) -> Unpacked {
        let len = file.len() as u64;
        let fuel = limits::fuzz_unpack_fuel(len) * if std::ptr::eq(guest, &self.instrumented) { 8 } else { 1 };
        let memory = limits::unpack_memory(len, limits::FUZZ_UNPACKED);
        let mut instance = guest.instantiate(memory, fuel)?;
        let unpacked = unpack_in(&mut instance, NAME, Source::Bytes(file), limit);
        cover(&mut instance);
        let used = instance.fuel_used();
        instance.recycle();
        let bytes = unpacked?;
        if bytes.len() as u64 > limit {
            let what = format!("it unpacked {} bytes, more than the limit of {limit}", bytes.len());
            return Err(CheckError::new("answer", "more than allowed", what));
        }
        Ok((bytes, used))
    }

    fn check_file(&self, guest: &Guest, file: &[u8], all: bool, cover: &mut dyn FnMut(&mut Instance)) -> CheckResult {
        let most = limits::FUZZ_UNPACKED;
        let first = self.unpack(guest, file.to_vec(), most, cover);
        if !all {
            return first.map(drop);
        }
        let mut again = |file: Vec<u8>, limit| self.unpack(guest, file, limit, cover);
        let good = |outcome: &Unpacked| match outcome {
            Ok((bytes, fuel)) => Some((bytes.clone(), *fuel)),
            Err(_) => None,
        };
        let second = again(file.to_vec(), most);
        if good(&first) != good(&second) {
            return Err(CheckError::new(
                "nondeterminism",
                "two runs",
                "two runs differ in their output or in their fuel",
            ));
        }
        second?;
        let (bytes, _) = first?;
        let len = bytes.len() as u64;
        // Unpack again with exactly enough room, and with one byte less.
        let exact = again(file.to_vec(), len).map(|(bytes, _)| bytes);
        if !matches!(&exact, Ok(same) if *same == bytes) {
            return Err(CheckError::new(
                "limit",
                "exact",
                format!("it unpacks to {len} bytes, but is refused with that limit"),
            ));
        }
        if len > 0 && again(file.to_vec(), len - 1).is_ok() {
            return Err(CheckError::new("limit", "less", format!("it unpacks to {len} bytes despite a lower limit")));
        }
        // Members, streams and frames may follow each other.
        if 2 * len <= most {
            let twice = again([file, file].concat(), most).map(|(bytes, _)| bytes);
            if !matches!(&twice, Ok(twice) if *twice == [&*bytes, &*bytes].concat()) {
                return Err(CheckError::new(
                    "twice",
                    "",
                    "the same file twice does not unpack to the same bytes twice",
                ));
            }
        }
        Ok(())
    }

    fn check_catching_panics(
        &self,
        guest: &Guest,
        file: &[u8],
        all: bool,
        cover: &mut dyn FnMut(&mut Instance),
    ) -> Option<Suspicion> {
        suspicion(catch_unwind(AssertUnwindSafe(|| self.check_file(guest, file, all, cover))))
    }
}

/// The unpacked bytes, and the fuel that was used.
type Unpacked = Result<(Vec<u8>, u64), CheckError>;

impl FuzzTarget for UnpackerTarget {
    type Input = BytesInput;

    fn name(&self) -> &str {
        "unpack"
    }

    fn instrumentation(&self) -> &Instrumented {
        &self.instrumentation
    }

    fn execute(&self, input: &BytesInput, coverage: Coverage<'_>) -> Option<Suspicion> {
        let Coverage { edges, comparisons } = coverage;
        let mut cover = |guest: &mut Instance| {
            let (e, c) = self.instrumentation.split(guest.counters());
            for (all, these) in [(&mut *edges, e), (&mut *comparisons, c)] {
                all.iter_mut().zip(these).for_each(|(to, from)| *to = *from);
            }
        };
        self.check_catching_panics(&self.instrumented, input.as_ref(), false, &mut cover)
    }

    fn examine(&self, input: &BytesInput) -> Option<Suspicion> {
        self.check_catching_panics(&self.original, input.as_ref(), true, &mut |_| {})
    }

    fn reproduce(&self, input: &BytesInput, oracle: Option<&str>) -> Option<Suspicion> {
        self.examine(input).filter(|found| oracle.is_none_or(|wanted| wanted == found.oracle))
    }

    fn signature(&self, input: &BytesInput) -> String {
        let mut way = 0u64;
        let mut cover = |guest: &mut Instance| {
            let (edges, _) = self.instrumentation.split(guest.counters());
            let taken = edges.iter().enumerate().filter(|(_, n)| **n != 0).map(|(i, _)| i as u64);
            way = taken.fold(0, |way, i| (way ^ i).wrapping_mul(0x0100_0000_01b3));
        };
        let _ = self.check_catching_panics(&self.instrumented, input.as_ref(), false, &mut cover);
        format!("{way:x}")
    }

    fn mutate(&self, input: &mut BytesInput, other: Option<&BytesInput>, rng: &mut Rng) {
        let file: &mut Vec<u8> = input.as_mut();
        if let Some(other) = other.filter(|_| rng.one_in(16)) {
            file.extend_from_slice(other.as_ref());
        }
        for _ in 0..1 + rng.below(6) {
            fields::damage(file, rng, &self.instrumentation.constants);
        }
        if !rng.one_in(4) {
            repair_xz(file);
        }
        file.truncate(limits::FUZZ_FILE);
    }

    fn seeds(&self) -> Vec<BytesInput> {
        let files = self.seeds.iter().filter(|file| file.len() <= limits::FUZZ_FILE).cloned();
        SEEDS.iter().map(|file| file.to_vec()).chain(files).map(BytesInput::new).collect()
    }

    fn minimise(&self, input: &BytesInput, still: &mut dyn FnMut(&BytesInput) -> bool) -> BytesInput {
        minimise(input, pieces, still)
    }

    fn write(&self, input: &BytesInput, remarks: &[String]) -> String {
        hex::write(input.as_ref(), remarks)
    }

    fn read(&self, text: &str) -> Result<BytesInput, String> {
        hex::read(text).map(BytesInput::new)
    }
}

/// Corrects the checksums of an xz file's headers, since nothing behind a wrong one is ever read.
fn repair_xz(file: &mut [u8]) -> Option<()> {
    if !file.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        return None;
    }
    let size = file.len();
    let block = usize::from(*file.get(12)?);
    let words = u32::from_le_bytes(*file.get(size.checked_sub(8)?..)?.first_chunk()?) as usize;
    let index = words.checked_add(1).and_then(|n| size.checked_sub(12)?.checked_sub(n.checked_mul(4)?));
    let mut check = |covered: std::ops::Range<usize>, at: usize| {
        let crc = crc32(file.get(covered)?);
        file.get_mut(at..at.checked_add(4)?)?.copy_from_slice(&crc.to_le_bytes());
        Some(())
    };
    check(6..8, 8)?;
    // The index begins with a zero byte, which no block header does.
    if block != 0 {
        let end = 12 + block * 4;
        check(12..end, end);
    }
    check(index?..size.checked_sub(16)?, size - 16)?;
    check(size - 8..size - 2, size - 12)
}

/// CRC-32 as used by xz and gzip.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| crc >> 1 ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}
