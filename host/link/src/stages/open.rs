//! Open: reads a file into a guest's memory.
//!
//! Only regular files up to a limit are read. The host examines the first bytes, to see whether the file is compressed,
//! and nothing else of it.

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
use std::path::Path;

/// A source of bytes that can be read once.
pub enum Source {
    /// An open file, and its length in bytes.
    File(File, u64),
    /// Bytes in memory.
    Bytes(Vec<u8>),
}

impl Source {
    /// Opens a regular file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Usage`] if it is not a regular file, [`Error::Module`] if it is
    /// too large.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::from_std(files::open(path, Kind::Regular)?);
        Self::from_file(file, path)
    }

    /// Uses an open file, which must be a regular one. `path` is for messages.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub(crate) fn from_file(file: File, path: &Path) -> Result<Self> {
        let meta = file.metadata().map_err(Error::io(path))?;
        if !meta.is_file() {
            return Err(Error::Usage(format!("{}: not a regular file", path.display())));
        }
        Ok(Self::File(file, meta.len()))
    }

    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::File(_, len) => *len,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Returns whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads bytes from offset `at` on, until `room` is full. The source itself stays as it is.
    pub(crate) fn piece(&self, at: u64, room: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::File(file, _) => {
                let mut filled = 0;
                while filled < room.len() {
                    match rustix::io::pread(file, &mut room[filled..], at + filled as u64) {
                        Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                        Ok(n) => filled += n,
                        Err(rustix::io::Errno::INTR) => {}
                        Err(e) => return Err(e.into()),
                    }
                }
            }
            Self::Bytes(bytes) => {
                let piece = bytes.get(at as usize..).and_then(|rest| rest.get(..room.len()));
                room.copy_from_slice(piece.ok_or(std::io::ErrorKind::UnexpectedEof)?);
            }
        }
        Ok(())
    }

    /// The first bytes; zeros where there are none.
    fn magic(&self) -> std::io::Result<[u8; 6]> {
        let mut magic = [0; 6];
        let there = magic.len().min(self.len() as usize);
        self.piece(0, &mut magic[..there])?;
        Ok(magic)
    }

    /// Reads the source into `memory`, which must have its length. A file's position does not matter: other processes may
    /// have the same open file.
    fn read_into(self, memory: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::File(..) => self.piece(0, memory),
            Self::Bytes(bytes) => {
                memory.copy_from_slice(&bytes);
                Ok(())
            }
        }
    }
}

/// A file in the engine's memory.
pub struct Opened {
    /// The engine, which has seen nothing but this file.
    pub engine: Instance,
    /// The place of the file in its memory.
    pub file: Span,
}

/// Reads `source` into a new engine, and decompresses it if necessary. `name` is for messages.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Module`] if it is too large or a damaged stream, [`Error::Guest`] if a
/// guest breaks its contract.
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

pub(crate) fn length(name: &str, source: &Source) -> Result<u64> {
    checked_length(name, source.len())
}

/// Reads the whole of `source` into memory that the guest reserves.
///
/// # Errors
/// As [`open`].
pub fn bring(guest: &mut Instance, name: &str, source: Source) -> Result<Span> {
    let len = source.len();
    let at = guest.reserve(len)?;
    let room = at as usize..at as usize + len as usize;
    let place = guest.memory_mut(room.clone()).get_mut(room);
    source.read_into(place.unwrap_or_default()).map_err(Error::io(name))?;
    Ok(Span { at, len: len as u32 })
}

/// Returns the bytes of a symbol file, decompressed in the sandbox if necessary. Distributions ship
/// /lib/modules/VERSION/symvers.xz.
///
/// # Errors
/// [`Error::Usage`] if the stream is damaged or has more than [`limits::SYMBOLS`] bytes.
pub fn unpacked(guests: &Guests, path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    match bytes.first_chunk() {
        Some(magic) if is_packed(magic) => {
            let unpacked = unpack(guests, &path.display().to_string(), Source::Bytes(bytes), limits::SYMBOLS);
            unpacked.map_err(|error| match error {
                // The file is not a module.
                Error::Module(_) => Error::Usage(error.to_string()),
                other => other,
            })
        }
        _ => Ok(bytes),
    }
}

/// Reads a whole module, and decompresses it in the sandbox if necessary.
///
/// # Errors
/// As [`open`].
pub fn whole(guests: &Guests, name: &str, source: Source) -> Result<Vec<u8>> {
    let len = length(name, &source)?;
    let mut magic = [0; 6];
    if len >= magic.len() as u64 {
        source.piece(0, &mut magic).map_err(Error::io(name))?;
    }
    if is_packed(&magic) {
        return unpack(guests, name, source, limits::UNPACKED);
    }
    let mut bytes = vec![0; len as usize];
    source.piece(0, &mut bytes).map_err(Error::io(name))?;
    Ok(bytes)
}

/// Returns the bytes of a compressed module, of which there may be `limit`.
///
/// # Errors
/// As [`open`].
pub fn unpack(guests: &Guests, name: &str, source: Source, limit: u64) -> Result<Vec<u8>> {
    let len = length(name, &source)?;
    let mut guest = guests.unpack()?.instantiate(limits::unpack_memory(len, limit), limits::unpack_fuel(len, limit))?;
    unpack_in(&mut guest, name, source, limit)
}

/// Decompresses `source` in an instance of the caller, to at most `limit` bytes. After an error, the caller still has
/// the instance.
///
/// # Errors
/// As [`open`].
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
