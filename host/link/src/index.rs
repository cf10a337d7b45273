//! Index: reads from a file only what depmod and modinfo need. The rest of it never gets into memory.
//!
//! The engine asks for pieces of the file until it has seen enough. This is no stage of a link.

use crate::guests::Guests;
use crate::report;
use crate::sandbox::Instance;
use crate::stages::open::{Source, length, unpack};
use crate::views::{bytes, record, table};
use relobox_abi::{Indexed, Link, Pair, Span, export, indexed_flag, link_flag};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, GuestError, Result};
use relobox_core::limits;
use relobox_core::sealed::is_packed;

/// What was read of a module. It lies in the engine's memory.
pub struct Contents {
    engine: Instance,
    indexed: Indexed,
}

/// A symbol by which modules are linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkedSymbol<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its CRC. `None` if it cannot be read.
    pub crc: Option<u32>,
    /// True if the module works without it.
    pub weak: bool,
}

/// Reads a module. `name` is for messages, and `what` is one of [`relobox_abi::index`].
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Module`] if it is too large, a damaged stream or no ELF file,
/// [`Error::Guest`] if a guest breaks its contract.
pub fn index(guests: &Guests, name: &str, mut source: Source, what: u32) -> Result<Contents> {
    let mut magic = [0; 6];
    if source.len() >= magic.len() as u64 {
        source.piece(0, &mut magic).map_err(Error::io(name))?;
    }
    if is_packed(&magic) {
        source = Source::Bytes(unpack(guests, name, source, limits::UNPACKED)?);
    }
    let len = length(name, &source)?;
    let mut engine = guests.engine()?.instantiate(limits::memory_for(len), limits::fuel_for(len))?;
    let (mut at, mut size) = (0, len as u32);
    for _ in 0..limits::INDEX_CALLS {
        let answer = engine.call(export::INDEX, (at, size, what))?;
        let read = read(name, engine.memory(), len, answer).map_err(|fault| engine.guest_error(fault))?;
        match read.map_err(Error::Module)? {
            Answer::Wanted(wanted) => {
                size = wanted.iter().map(|piece| piece.len.next_multiple_of(16)).sum();
                at = engine.reserve(size.into())?;
                let mut next = at as usize;
                for piece in wanted {
                    let end = next + piece.len as usize;
                    let room = engine.memory_mut(next..end).get_mut(next..end).unwrap_or_default();
                    source.piece(piece.at.into(), room).map_err(Error::io(name))?;
                    next = end.next_multiple_of(16);
                }
            }
            Answer::Done(indexed) => return Ok(Contents { engine, indexed }),
        }
    }
    Err(engine.guest_error(GuestError::MalformedAnswer("it wants pieces of the file without end".into())))
}

enum Answer {
    Wanted(Vec<Span>),
    Done(Indexed),
}

/// Checks an answer: wanted pieces lie in the file, all records and texts in memory.
fn read(name: &str, memory: &[u8], len: u64, at: u32) -> Result<Result<Answer, Vec<Diagnostic>>, GuestError> {
    let indexed: &Indexed = record(memory, at)?;
    let faults = table(memory, indexed.faults)?;
    if !faults.is_empty() {
        return Ok(Err(report::file_faults(memory, name, faults, |_| None)));
    }
    let wanted: &[Span] = table(memory, indexed.wanted)?;
    if !wanted.is_empty() {
        let sum: u64 = wanted.iter().map(|piece| u64::from(piece.len) + 15).sum();
        let inside = |piece: &Span| u64::from(piece.at) + u64::from(piece.len) <= len;
        if !wanted.iter().all(inside) || sum > limits::pieces_for(len) {
            return Err(GuestError::MalformedAnswer("it wants pieces that are not in the file, or too many".into()));
        }
        return Ok(Ok(Answer::Wanted(wanted.to_vec())));
    }
    let mut length = 0;
    let mut text = |span: Span| {
        length += u64::from(span.len);
        bytes(memory, span).map(drop)
    };
    for pair in table::<Pair>(memory, indexed.modinfo)? {
        text(pair.key)?;
        text(pair.value)?;
    }
    for links in [indexed.exports, indexed.imports] {
        for link in table::<Link>(memory, links)? {
            text(link.name)?;
        }
    }
    text(indexed.signature)?;
    // They are copied, and in a hostile file many of them may be the same bytes.
    let most = limits::names_for(len);
    if length > most {
        let text = "texts of symbols and modinfo overlap; their length is";
        let problem = Diagnostic::new("too-large", name, text);
        return Ok(Err(vec![Diagnostic { value: Some(length as i64), max: Some(most as i64), ..problem }]));
    }
    Ok(Ok(Answer::Done(*indexed)))
}

impl Contents {
    fn text(&self, span: Span) -> &[u8] {
        bytes(self.engine.memory(), span).unwrap_or_default()
    }

    /// The entries of `.modinfo`: key and value. `None` if there is no such section.
    #[must_use]
    pub fn modinfo(&self) -> Option<Vec<(&[u8], &[u8])>> {
        let pairs: &[Pair] = table(self.engine.memory(), self.indexed.modinfo).unwrap_or_default();
        let there = self.indexed.flags & indexed_flag::NO_MODINFO == 0;
        there.then(|| pairs.iter().map(|pair| (self.text(pair.key), self.text(pair.value))).collect())
    }

    /// True if nothing in the file could name exports.
    #[must_use]
    pub fn no_exports(&self) -> bool {
        self.indexed.flags & indexed_flag::NO_EXPORTS != 0
    }

    fn links(&self, links: relobox_abi::Table) -> impl Iterator<Item = LinkedSymbol<'_>> {
        let links: &[Link] = table(self.engine.memory(), links).unwrap_or_default();
        links.iter().map(|link| LinkedSymbol {
            name: self.text(link.name),
            crc: (link.flags & link_flag::NO_CRC == 0).then_some(link.crc),
            weak: link.flags & link_flag::WEAK != 0,
        })
    }

    /// The symbols that it exports. `None` if their names do not end.
    #[must_use]
    pub fn exports(&self) -> Option<Vec<LinkedSymbol<'_>>> {
        let there = self.indexed.flags & indexed_flag::BAD_EXPORTS == 0;
        there.then(|| self.links(self.indexed.exports).collect())
    }

    /// The symbols that it needs: those that are undefined, and the others in `__versions`. `None` if there are no
    /// tables of symbols and names. If `__versions` alone was asked for, its entries, or `None` without that section.
    #[must_use]
    pub fn imports(&self) -> Option<Vec<LinkedSymbol<'_>>> {
        let there = self.indexed.flags & indexed_flag::NO_IMPORTS == 0;
        there.then(|| self.links(self.indexed.imports).collect())
    }

    /// The appended signature with its trailer. Empty without one.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.text(self.indexed.signature)
    }
}
