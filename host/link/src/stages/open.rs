//! Open: a file's bytes, straight into a guest's memory.
//!
//! Regular files only, up to a limit.
//! The host looks at the first bytes of a file, to see whether it is packed, and at nothing else.

use crate::guests::Guests;
use crate::report;
use crate::sandbox::Instance;
use crate::views::{bytes, record, table};
use cap_std::fs::File;
use relobox_abi::{Span, Unpacked, export};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, GuestError, Result};
use relobox_core::files::{self, Kind};
use relobox_core::limits;
use relobox_core::sealed::{checked_length, is_packed};
use std::io::{Read, Seek as _};
use std::path::Path;

/// Something to link: a name for messages, and bytes that can be read once.
pub enum Source {
    /// A file, and its length.
    File(File, u64),
    /// Bytes in memory.
    Bytes(Vec<u8>),
}

impl Source {
    /// Opens a regular file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::from_std(files::open(path, Kind::Regular)?);
        Self::from_file(file, path)
    }

    /// A file that is open already; it must be a regular one.
    pub fn from_file(file: File, path: &Path) -> Result<Self> {
        let meta = file.metadata().map_err(Error::io(path))?;
        if !meta.is_file() {
            return Err(Error::Usage(format!("{}: not a regular file", path.display())));
        }
        Ok(Self::File(file, meta.len()))
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::File(_, len) => *len,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn magic(&mut self) -> std::io::Result<[u8; 6]> {
        let mut magic = [0; 6];
        match self {
            Self::File(file, _) => {
                let mut filled = 0;
                while filled < magic.len() {
                    match file.read(&mut magic[filled..])? {
                        0 => break,
                        n => filled += n,
                    }
                }
                file.rewind()?;
            }
            Self::Bytes(bytes) => {
                let n = bytes.len().min(magic.len());
                magic[..n].copy_from_slice(&bytes[..n]);
            }
        }
        Ok(magic)
    }

    /// Fills `memory`, which is as long as the source.
    fn read_into(self, memory: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::File(mut file, _) => file.read_exact(memory),
            Self::Bytes(bytes) => {
                memory.copy_from_slice(&bytes);
                Ok(())
            }
        }
    }
}

/// A file in the engine's memory.
pub struct Opened {
    /// The engine, with nothing but the file in it.
    pub engine: Instance,
    /// Where the file lies.
    pub file: Span,
}

/// Brings `source`, unpacked if need be, into a fresh engine.
pub fn open(guests: &Guests, name: &str, mut source: Source) -> Result<Opened> {
    let packed = is_packed(&source.magic().map_err(Error::io(name))?);
    if packed {
        source = Source::Bytes(unpack(guests, name, source, limits::UNPACKED)?);
    }
    let len = length(name, &source)?;
    let mut engine = guests.engine()?.instantiate(limits::memory_for(len), limits::fuel_for(len))?;
    let file = bring(&mut engine, name, source)?;
    Ok(Opened { engine, file })
}

fn length(name: &str, source: &Source) -> Result<u64> {
    checked_length(name, source.len())
}

/// Reads the whole of `source` into room that the guest reserves for it.
pub fn bring(guest: &mut Instance, name: &str, source: Source) -> Result<Span> {
    let len = source.len();
    let at = guest.reserve(len)?;
    let place = guest.memory_mut().get_mut(at as usize..).and_then(|rest| rest.get_mut(..len as usize));
    source.read_into(place.unwrap_or_default()).map_err(Error::io(name))?;
    Ok(Span { at, len: len as u32 })
}

/// A symbol file's bytes, unpacked in the sandbox if they are packed. Distributions ship /lib/modules/VERSION/symvers.xz.
///
/// # Errors
///
/// The stream is damaged, or it unpacks to more than [`limits::SYMBOLS`] bytes.
pub fn unpacked(guests: &Guests, path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    match bytes.first_chunk() {
        Some(magic) if is_packed(magic) => {
            let unpacked = unpack(guests, &path.display().to_string(), Source::Bytes(bytes), limits::SYMBOLS);
            unpacked.map_err(|error| match error {
                // No module is at fault.
                Error::Module(_) => Error::Usage(error.to_string()),
                other => other,
            })
        }
        _ => Ok(bytes),
    }
}

fn unpack(guests: &Guests, name: &str, source: Source, limit: u64) -> Result<Vec<u8>> {
    let len = length(name, &source)?;
    let mut guest = guests.unpack()?.instantiate(limits::unpack_memory(len, limit), limits::unpack_fuel(len, limit))?;
    unpack_in(&mut guest, name, source, limit)
}

/// The same in an instance that the caller keeps, whatever comes of it.
pub fn unpack_in(guest: &mut Instance, name: &str, source: Source, limit: u64) -> Result<Vec<u8>> {
    let packed = bring(guest, name, source)?;
    let answer = guest.call(export::UNPACK, (packed.at, packed.len, limit as u32))?;
    let read = |memory: &[u8]| -> Result<Result<Vec<u8>, Vec<Diagnostic>>, GuestError> {
        let unpacked: &Unpacked = record(memory, answer)?;
        let faults = table(memory, unpacked.faults)?;
        if faults.is_empty() {
            return Ok(Ok(bytes(memory, unpacked.bytes)?.to_vec()));
        }
        Ok(Err(report::file_faults(memory, name, faults, |_| None)))
    };
    read(guest.memory()).map_err(|what| guest.guest_error(what))?.map_err(Error::Module)
}
