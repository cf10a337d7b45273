//! Parsers for symbol files, and the detection of hidden addresses.
//!
//! The kernel shows 0 instead of every address to users without the right to see them. So a file is refused if all its
//! addresses, or all addresses of code, are 0. If a file shows only some addresses, its symbols with value 0 have no
//! address. Two kinds of symbols may really be at 0: absolute symbols, and the first per-CPU variables where per-CPU
//! data begins at 0 (x86-64 before Linux 6.15).

use super::{Candidate, Definition, Owner, Symbols};
use crate::error::{Error, Result};
use crate::files::{self, Kind};
use crate::limits;
use crate::state::State;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Why a text is not a usable symbol file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolFileError {
    /// The number of the first line in an unknown format, from 1.
    #[error("line {0}: neither 'ADDRESS TYPE NAME [module]' nor 'CRC NAME MODULE EXPORT NAMESPACE'")]
    Line(usize),
    /// The file defines no symbol.
    #[error("it defines no symbol")]
    Empty,
    /// The addresses are hidden: 0 or `(ptrval)`.
    #[error(
        "the addresses in it are hidden: the kernel shows them to root (CAP_SYSLOG) only, and while \
         kernel.kptr_restrict is 0 or 1"
    )]
    Hidden,
    /// The one-line placeholder for System.map in Debian's kernel package, and the kernel's release, if it is known.
    #[error("this file only says that the real System.map is in Debian's package linux-image-{}-dbg", release(.0))]
    Placeholder(String),
    /// The file is compressed with this program.
    #[error("it is packed with {0}, which relobox cannot unpack")]
    Packed(&'static str),
}

/// A release for a message.
fn release(known: &str) -> &str {
    if known.is_empty() { "VERSION" } else { known }
}

impl SymbolFileError {
    /// The first bytes of [`SymbolFileError::Placeholder`].
    pub const PLACEHOLDER: &'static [u8] = b"ffffffffffffffff B The real System.map is in ";

    /// Turns this into an error about `path`.
    #[must_use]
    pub fn of(self, path: &Path) -> Error {
        match self {
            Self::Placeholder(known) if known.is_empty() => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let release = name.strip_prefix("System.map-").unwrap_or_default().to_owned();
                Error::Usage(format!("{}: {}", path.display(), Self::Placeholder(release)))
            }
            Self::Line(_) => Error::Usage(format!("{}: {self}", path.display()).replacen(": line ", ":", 1)),
            _ => Error::Usage(format!("{}: {self}", path.display())),
        }
    }
}

/// Reads a symbol file: a regular file or an unnamed pipe.
///
/// # Errors
/// [`Error::Usage`] if it is neither or has more than [`limits::SYMBOLS`] bytes, [`Error::Io`] if it cannot be read.
pub fn contents(path: &Path) -> Result<Vec<u8>> {
    files::read(path, Kind::Pipe, limits::SYMBOLS)
}

impl Symbols {
    /// Reads a symbol file of any of the three formats, or a state. Only names that `wanted` accepts are kept. `unpack`
    /// is called with the contents, and returns them unchanged if they are not compressed.
    ///
    /// # Errors
    /// As [`contents`]; errors of `unpack`; [`Error::Usage`] if the file is not a usable symbol file.
    pub fn read_file(
        &mut self,
        path: &Path,
        unpack: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<()> {
        self.read_contents(path, &unpack(contents(path)?)?, wanted)
    }

    /// As [`Symbols::read_file`], from the contents, which are not compressed. `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Usage`] if they are not those of a usable symbol file.
    pub fn read_contents(&mut self, path: &Path, text: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Result<()> {
        if text.starts_with(b"{") {
            self.read_state(&State::parse(&path.display().to_string(), text)?, wanted);
            return Ok(());
        }
        self.read(text, wanted).map_err(|unusable| unusable.of(path))
    }

    /// Adds the exports of a state's modules. The kernel's own definitions take precedence.
    fn read_state(&mut self, state: &State, wanted: impl Fn(&[u8]) -> bool) {
        for record in &state.modules {
            let owner: Owner = Some(record.name.as_str().into());
            for export in record.exports.iter().filter(|e| wanted(e.name.as_bytes())) {
                let known = self.get(export.name.as_bytes());
                if known.is_some_and(|known| known.address.is_some() && known.owner != owner) {
                    continue;
                }
                // A state from a kernel without the device has addresses only.
                let crc = export.crc.or(known.and_then(|known| known.crc));
                let gpl = export.gpl || known.is_some_and(|known| known.gpl);
                let definition = Definition {
                    // The writer of the state may not have seen addresses.
                    address: Some(export.address).filter(|address| *address != 0),
                    crc,
                    owner: owner.clone(),
                    gpl,
                    namespace: export.namespace.as_str().into(),
                    exported: true,
                };
                self.define(export.name.as_bytes(), definition);
            }
        }
    }

    /// Parses a text. After an error, the symbols of earlier lines stay.
    ///
    /// # Errors
    /// A [`SymbolFileError`] with the reason.
    pub fn read(&mut self, text: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Result<(), SymbolFileError> {
        if text.starts_with(SymbolFileError::PLACEHOLDER) {
            return Err(SymbolFileError::Placeholder(String::new()));
        }
        if let Some(program) = packed_otherwise(text) {
            return Err(SymbolFileError::Packed(program));
        }
        // The export of a name may stand before or after the name, so each choice is made at the end. A name may have
        // many lines, so it is made once for each name.
        let mut unsettled: HashSet<&[u8]> = HashSet::new();
        let mut tally = Tally::default();
        let (mut rest, mut number) = (text, 0_usize);
        while !rest.is_empty() {
            number += 1;
            let good = if rest.starts_with(b"0x") {
                self.symvers_line(rest, &wanted, &mut tally)
            } else {
                self.kallsyms_line(rest, &wanted, &mut tally)
            };
            let (name, after) = good.ok_or(SymbolFileError::Line(number))?;
            unsettled.extend(name);
            rest = after;
        }
        tally.verdict()?;
        self.kernel |= tally.kernel;
        if !tally.per_cpu_at_zero() {
            for (name, at) in &tally.doubtful {
                if let Some(candidate) = self.by_name.get_mut(*name).and_then(|entry| entry.candidates.get_mut(*at)) {
                    candidate.address = None;
                }
            }
        }
        for name in unsettled {
            if let Some(entry) = self.by_name.get_mut(name) {
                entry.settle(self.exporters.get(name));
            }
        }
        Ok(())
    }

    /// Parses `ADDRESS TYPE NAME [module]`. A module needs about thirty of the 200,000 lines of a kernel, so the parts
    /// of a line are only examined when they matter.
    ///
    /// Returns `None` if the line has another format, else a name whose definition must be chosen, and the rest of the
    /// text.
    fn kallsyms_line<'t>(
        &mut self,
        text: &'t [u8],
        wanted: &impl Fn(&[u8]) -> bool,
        tally: &mut Tally<'t>,
    ) -> Option<Step<'t>> {
        if text[0] == b'\n' {
            return Some((None, &text[1..]));
        }
        let padded = match (text.get(16), text.get(8)) {
            (Some(b' '), _) => digits(text, 16),
            (_, Some(b' ')) => digits(text, 8),
            _ => None,
        };
        // Some tools do not pad their numbers.
        let parts = padded.or_else(|| digits(text, text.iter().position(|b| *b <= b' ')?));
        let Some((digits, zero, kind, named)) = parts else { return tally.hidden_line(text) };
        // A blank or the end of the line ends the name. Both are below every letter.
        let end = named.iter().position(|b| *b <= b' ').unwrap_or(named.len());
        let (name, after) = named.split_at(end);
        let (owner, after) =
            if let Some((b'\n', after)) = after.split_first() { (&[][..], after) } else { line(after) };
        let owner = owner.trim_ascii();
        if owner.first().is_some_and(|b| *b != b'[') {
            return None;
        }
        // An undefined symbol has no address that could be hidden.
        if zero && matches!(kind, b'U' | b'w' | b'v') || name.is_empty() {
            return Some((None, after));
        }
        let class = Class::of(kind);
        tally.add(class, zero);
        tally.kernel |= owner.is_empty();
        if name.starts_with(b"__per_cpu_") {
            tally.per_cpu(name, zero);
        }
        let exported = name.strip_prefix(b"__ksymtab_").filter(|exported| wanted(exported));
        if let Some(exported) = exported {
            self.exporters.entry(exported.into()).or_default().insert(owner_in(owner));
            return Some((Some(exported), after));
        }
        if !wanted(name) {
            return Some((None, after));
        }
        let address = hex(digits)?;
        let owner = owner_in(owner);
        let entry = self.by_name.entry(name.into()).or_default();
        // Per-CPU offsets and absolute symbols are kept, because modules refer to both. Nothing else is really at 0,
        // and no symbol of a module is.
        let hidden = zero && (class == Class::Code || owner.is_some());
        if zero && class == Class::Data && owner.is_none() {
            tally.doubtful.push((name, entry.candidates.len()));
        }
        let address = if hidden { None } else { Some(address) };
        entry.candidates.push(Candidate { address, owner, global: kind.is_ascii_uppercase() });
        Some((Some(name), after))
    }

    /// Parses `CRC NAME MODULE EXPORT NAMESPACE`, separated by tabs; the namespace may be missing or empty. Linux 5.4
    /// and 5.5 have another order: `CRC NAME NAMESPACE MODULE EXPORT`.
    fn symvers_line<'t>(
        &mut self,
        text: &'t [u8],
        wanted: &impl Fn(&[u8]) -> bool,
        tally: &mut Tally<'t>,
    ) -> Option<Step<'t>> {
        let (this, after) = line(text);
        let mut fields = this.strip_suffix(b"\r").unwrap_or(this).split(|b| *b == b'\t');
        let crc = hex(fields.next()?.strip_prefix(b"0x")?)? as u32;
        let name = fields.next()?;
        let rest: Vec<&[u8]> = fields.take(4).collect();
        let (module, kind, namespace) = match rest[..] {
            [module, kind] if is_export(kind) => (module, kind, &b""[..]),
            [module, kind, namespace] if is_export(kind) => (module, kind, namespace),
            [namespace, module, kind] if is_export(kind) => (module, kind, namespace),
            _ => return None,
        };
        tally.exports += 1;
        tally.kernel |= module == b"vmlinux";
        if !wanted(name) {
            return Some((None, after));
        }
        let text = |b: &[u8]| Arc::from(String::from_utf8_lossy(b).as_ref());
        let entry = self.by_name.entry(name.into()).or_default();
        // A CRC of 0 means that it could not be computed, or that this kernel has no CRCs.
        entry.definition.crc = (crc != 0).then_some(crc);
        // modpost writes the file name without its extension, so a dot belongs to the name.
        let owner: Owner = (module != b"vmlinux").then(|| {
            let base = module.rsplit(|b| *b == b'/').next().unwrap_or(module);
            text(&base.iter().map(|b| if *b == b'-' { b'_' } else { *b }).collect::<Vec<_>>())
        });
        entry.definition.owner.clone_from(&owner);
        entry.listed = Some(owner);
        entry.definition.gpl = kind.ends_with(b"_GPL");
        entry.definition.namespace = text(namespace);
        entry.definition.exported = true;
        Some((Some(name), after))
    }
}

/// Returns whether a word is a kind of export, as modpost writes it; `(unknown)` is one of them.
fn is_export(kind: &[u8]) -> bool {
    kind.starts_with(b"EXPORT_") || kind == b"(unknown)"
}

/// Returns the program that compressed the file, if the sandbox's unpacker does not support it.
fn packed_otherwise(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Some("bzip2"),
        [0x04, 0x22, 0x4d, 0x18, ..] | [0x02, 0x21, 0x4c, 0x18, ..] => Some("lz4"),
        [0x5d, 0, 0, ..] => Some("lzma"),
        [0x89, b'L', b'Z', b'O', 0, ..] => Some("lzop"),
        [0x1f, 0x8b, ..] | [0xfd, b'7', b'z', b'X', b'Z', 0, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Some("gzip, xz or zstd twice")
        }
        _ => None,
    }
}

/// The class of a symbol by its nm letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Code,
    Absolute,
    Data,
}

impl Class {
    fn of(letter: u8) -> Self {
        match letter | 0x20 {
            b't' => Self::Code,
            b'a' => Self::Absolute,
            _ => Self::Data,
        }
    }
}

/// Counters over the lines of a file.
#[derive(Debug, Default)]
struct Tally<'t> {
    /// Symbols with an address, by class and by whether the address is 0.
    seen: [[usize; 2]; 3],
    /// Lines whose address is a word in parentheses.
    words: usize,
    /// Lines of Module.symvers.
    exports: usize,
    /// Whether there is a symbol of the kernel itself.
    kernel: bool,
    /// Whether `__per_cpu_start` is 0, and whether `__per_cpu_end` is not.
    per_cpu: [bool; 2],
    /// Data symbols with value 0: their names, and the indices of the candidates.
    doubtful: Vec<(&'t [u8], usize)>,
}

impl<'t> Tally<'t> {
    fn add(&mut self, class: Class, zero: bool) {
        self.seen[class as usize][usize::from(zero)] += 1;
    }

    fn per_cpu(&mut self, name: &[u8], zero: bool) {
        match name {
            b"__per_cpu_start" => self.per_cpu[0] |= zero,
            b"__per_cpu_end" => self.per_cpu[1] |= !zero,
            _ => {}
        }
    }

    /// Returns whether per-CPU data begins at 0, so that some of its symbols are there.
    fn per_cpu_at_zero(&self) -> bool {
        self.per_cpu == [true; 2] && self.seen[Class::Data as usize][1] <= limits::PER_CPU_AT_ZERO
    }

    /// Parses a line whose address is a word: `(ptrval)`, `(____ptrval____)`, `(null)`, with blanks before it in some
    /// kernels.
    fn hidden_line(&mut self, text: &'t [u8]) -> Option<Step<'t>> {
        let (this, after) = line(text);
        let word = this.trim_ascii_start();
        let end = word.iter().position(|b| *b == b')').filter(|_| word.starts_with(b"("))?;
        matches!(word.get(end + 1..), Some([b' ', _, b' ', _, ..])).then(|| {
            self.words += 1;
            (None, after)
        })
    }

    fn verdict(&self) -> Result<(), SymbolFileError> {
        let [code, absolute, data] = self.seen;
        let shown = code[0] + absolute[0] + data[0];
        let zeros = code[1] + absolute[1] + data[1];
        if self.words != 0 || zeros != 0 && shown == 0 || code[1] != 0 && code[0] == 0 {
            return Err(SymbolFileError::Hidden);
        }
        if shown + self.exports == 0 { Err(SymbolFileError::Empty) } else { Ok(()) }
    }
}

/// A name whose definition must be chosen, and the text after its line.
type Step<'t> = (Option<&'t [u8]>, &'t [u8]);

/// Parses `ADDRESS TYPE ` of a line whose address ends at `space`. Returns the digits, whether they are all zero, the
/// letter, and the rest.
fn digits(text: &[u8], space: usize) -> Option<(&[u8], bool, u8, &[u8])> {
    let (digits, rest) = text.split_at(space);
    let [b' ', kind, b' ', named @ ..] = rest else { return None };
    // Detects a blank or the end of the line without a branch for each byte; `hex` validates the digits where they
    // matter. The union of the bytes is the digit zero only if all digits are zeros.
    let add = |(good, union): (bool, u8), b: &u8| (good & (*b >= b'0'), union | *b);
    let (good, union) = digits.iter().fold((!digits.is_empty(), 0), add);
    good.then_some((digits, union == b'0', *kind, named))
}

/// Splits off the first line.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|b| *b == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &[]),
    }
}

/// Parses `[module]` at the end of a line.
fn owner_in(rest: &[u8]) -> Owner {
    let start = rest.iter().position(|b| *b == b'[')? + 1;
    let name = rest[start..].split(|b| *b == b']').next()?;
    Some(Arc::from(String::from_utf8_lossy(name).as_ref()))
}

/// A set of names to read. It is queried for about 200,000 names, and nearly always without a match. So it first tests
/// a bit that a hash of the length and the last bytes selects.
#[derive(Clone, Debug)]
pub struct NameFilter<'a> {
    names: HashSet<&'a [u8]>,
    endings: Box<[u64; 1024]>,
}

impl<'a> FromIterator<&'a [u8]> for NameFilter<'a> {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(names: I) -> Self {
        let mut wanted = Self { names: names.into_iter().collect(), endings: Box::new([0; 1024]) };
        for name in &wanted.names {
            let ending = ending(name);
            wanted.endings[ending / 64] |= 1 << (ending % 64);
        }
        wanted
    }
}

impl NameFilter<'_> {
    /// Returns whether `name` is in the set.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        let ending = ending(name);
        self.endings[ending / 64] >> (ending % 64) & 1 != 0 && self.names.contains(name)
    }
}

/// Hashes the length and the last eight bytes to 16 bits.
fn ending(name: &[u8]) -> usize {
    let last = name
        .last_chunk::<8>()
        .map_or_else(|| name.iter().fold(0, |n, b| n << 8 | u64::from(*b)), |last| u64::from_le_bytes(*last));
    ((last ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |n, b| Some(n << 4 | u64::from((*b as char).to_digit(16)?)))
}
