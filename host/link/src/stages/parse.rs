//! Parse: turns a file in the engine's memory into checked records.
//!
//! The records stay where the engine wrote them. A [`Module`] remembers their places, and lends them. Later stages
//! patch the file, which must not overlap the records; this is checked here.

use crate::records::{Patching, Records};
use crate::report;
use crate::sandbox::Instance;
use crate::stages::open::Opened;
use crate::views::{bytes, record, table};
use relobox_abi::{
    Export, Group, Pair, Parsed, Relocation, Section, Span, Symbol, Table, Version, export, section_flag,
};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, GuestError, Result};
use relobox_core::limits;
use relobox_core::text::decoded;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// A parsed file in the engine's memory.
pub struct Module {
    /// The file's name, for messages.
    pub name: String,
    /// The place of the file in the engine's memory.
    pub file: Span,
    parsed: Parsed,
    engine: Instance,
}

/// Returns a table that `check` has accepted.
fn checked<T: FromBytes + KnownLayout + Immutable>(memory: &[u8], t: Table) -> &[T] {
    table(memory, t).unwrap_or_default()
}

/// Has the engine parse the file. `mode` is one of [`relobox_abi::parse`].
///
/// # Errors
/// [`Error::Module`] if the file is not a relocatable ELF file or is damaged, [`Error::Guest`] if the engine breaks its
/// contract.
pub fn parse(name: &str, opened: Opened, mode: u32) -> Result<Module> {
    let Opened { mut engine, file } = opened;
    let parsed = ask(name, &mut engine, file, mode)?;
    Ok(Module { name: name.to_owned(), file, parsed, engine })
}

/// As [`parse`], in an instance of the caller. After an error, the caller still has the instance.
///
/// # Errors
/// As [`parse`].
pub fn ask(name: &str, engine: &mut Instance, file: Span, mode: u32) -> Result<Parsed> {
    let at = engine.call(export::PARSE, (file.at, file.len, mode))?;
    let checked = check(name, engine.memory(), file, at);
    checked.map_err(|what| engine.guest_error(what))?.map_err(Error::Module)
}

/// Checks everything that later stages rely on: all indices and ranges in the records are valid. The exception are the
/// fields of single relocations, which the plugin and confine check one by one.
fn check(name: &str, memory: &[u8], file: Span, at: u32) -> Result<Result<Parsed, Vec<Diagnostic>>, GuestError> {
    let parsed: &Parsed = record(memory, at)?;
    let content = bytes(memory, file)?;
    let faults = table(memory, parsed.faults)?;
    let sections: &[Section] = table(memory, parsed.sections)?;
    if !faults.is_empty() {
        let section = |i: u32| sections.get(i as usize).and_then(|s| bytes(content, s.name).ok()).map(decoded);
        return Ok(Err(report::file_faults(memory, name, faults, section)));
    }
    let out_of_bounds = |what: &str| Err(GuestError::MalformedAnswer(format!("{what} of the module is out of bounds")));
    // The file is patched while these tables are read.
    let apart = |t: Table, size: usize| {
        let end = u64::from(t.at) + u64::from(t.count) * size as u64;
        t.count == 0 || end <= u64::from(file.at) || t.at >= file.at + file.len
    };
    if !apart(parsed.sections, size_of::<Section>())
        || !apart(parsed.groups, size_of::<Group>())
        || !apart(parsed.relocations, size_of::<Relocation>())
    {
        return out_of_bounds("a table");
    }
    if sections.is_empty() || !matches!(parsed.class, 32 | 64) || !matches!(parsed.order, 1 | 2) {
        return out_of_bounds("the header");
    }
    let mut end_of_contents = Vec::with_capacity(sections.len());
    for s in sections {
        let (data, name) = (bytes(content, s.data), bytes(content, s.name));
        if data.is_err() || name.is_err() || !s.align.is_power_of_two() || s.size > u64::from(u32::MAX) {
            return out_of_bounds("a section");
        }
        // Layout adds sizes and alignments.
        if s.flags & section_flag::ALLOC != 0 && s.align > limits::ALIGN {
            return out_of_bounds("a section's alignment");
        }
        if s.data.len != 0 && u64::from(s.data.len) != s.size {
            return out_of_bounds("a section's size");
        }
        if s.data.len != 0 {
            end_of_contents.push((s.data.at, s.data.at + s.data.len));
        }
    }
    end_of_contents.sort_unstable();
    if end_of_contents.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return out_of_bounds("a section overlaps another: the contents");
    }
    let symbols: &[Symbol] = table(memory, parsed.symbols)?;
    let sound = |s: &Symbol| (s.section as usize) < sections.len() && bytes(content, s.name).is_ok();
    if symbols.is_empty() || !symbols.iter().all(sound) {
        return out_of_bounds("a symbol");
    }
    let names = sections.iter().map(|s| s.name).chain(symbols.iter().map(|s| s.name));
    if names.map(|name| u64::from(name.len)).sum::<u64>() > limits::names_for(u64::from(file.len)) {
        return out_of_bounds("the length of all names");
    }
    let relocations: &[Relocation] = table(memory, parsed.relocations)?;
    let mut next = 0;
    for group in table::<Group>(memory, parsed.groups)? {
        let end = group.first.checked_add(group.count);
        let section = sections.get(group.section as usize);
        let good = end.is_some_and(|end| end as usize <= relocations.len())
            && section.is_some_and(|s| s.data.len != 0 && s.flags & section_flag::ALLOC != 0);
        // The groups are contiguous, so that each relocation is applied once.
        if !good || group.first != next {
            return out_of_bounds("a group of relocations");
        }
        next += group.count;
    }
    let text = |span: Span| bytes(content, span).is_ok();
    let modinfo: &[Pair] = table(memory, parsed.modinfo)?;
    if !modinfo.iter().all(|p| text(p.key) && text(p.value)) {
        return out_of_bounds("modinfo");
    }
    let sound = |e: &Export| text(e.name) && text(e.namespace) && (e.symbol as usize) < symbols.len();
    let exports: &[Export] = table(memory, parsed.exports)?;
    if !exports.iter().all(sound) {
        return out_of_bounds("an export");
    }
    let versions: &[Version] = table(memory, parsed.versions)?;
    if !versions.iter().all(|v| text(v.name)) {
        return out_of_bounds("a version");
    }
    // They are copied, and in a hostile file many of them may be the same bytes.
    let spans = modinfo.iter().flat_map(|p| [p.key, p.value]).chain(exports.iter().flat_map(|e| [e.name, e.namespace]));
    let length: u64 = spans.chain(versions.iter().map(|v| v.name)).map(|span| u64::from(span.len)).sum();
    let most = limits::names_for(u64::from(file.len));
    if length > most {
        let text = "texts of exports, versions and modinfo overlap; their length is";
        let problem = Diagnostic::new("too-large", name, text);
        return Ok(Err(vec![Diagnostic { value: Some(length as i64), max: Some(most as i64), ..problem }]));
    }
    if parsed.strings as usize >= sections.len() {
        return out_of_bounds("the symbols' table of names");
    }
    if parsed.init as usize >= symbols.len() || parsed.exit as usize >= symbols.len() || parsed.signature > file.len {
        return out_of_bounds("a module's entry");
    }
    Ok(Ok(*parsed))
}

impl Module {
    /// Combines a file that [`ask`] has accepted with its engine.
    #[cfg(feature = "fuzz")]
    pub fn of(name: &str, file: Span, parsed: Parsed, engine: Instance) -> Self {
        Self { name: name.to_owned(), file, parsed, engine }
    }

    /// Returns the records.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        let (memory, p) = (self.engine.memory(), &self.parsed);
        Records {
            name: &self.name,
            file: bytes(memory, self.file).unwrap_or_default(),
            parsed: p,
            sections: checked(memory, p.sections),
            symbols: checked(memory, p.symbols),
            groups: checked(memory, p.groups),
            relocations: checked(memory, p.relocations),
            modinfo: checked(memory, p.modinfo),
            exports: checked(memory, p.exports),
            versions: checked(memory, p.versions),
        }
    }

    /// Returns the file for patching, and the relocation records, which `check` found to lie outside of it.
    pub fn patch(&mut self) -> (&mut [u8], Patching<'_>) {
        let (file, p) = (self.file, &self.parsed);
        let room = file.at as usize..file.at as usize + file.len as usize;
        let (head, rest) = self.engine.memory_mut(room).split_at_mut(file.at as usize);
        let (contents, tail) = rest.split_at_mut(file.len as usize);
        let (head, tail): (&[u8], &[u8]) = (head, tail);
        let tail_at = file.at + file.len;
        let outside = |t: Table| match t.at.checked_sub(tail_at) {
            Some(at) => (tail, Table { at, ..t }),
            None => (head, t),
        };
        macro_rules! lend {
            ($t:expr) => {{
                let (memory, table) = outside($t);
                checked(memory, table)
            }};
        }
        let patching =
            Patching { sections: lend!(p.sections), groups: lend!(p.groups), relocations: lend!(p.relocations) };
        (contents, patching)
    }

    /// Ends the job of the engine; see [`Instance::recycle`].
    #[cfg(feature = "fuzz")]
    pub fn recycle(self) {
        self.engine.recycle();
    }

    /// Returns the engine, for emit.
    pub fn engine_mut(&mut self) -> &mut Instance {
        &mut self.engine
    }
}
