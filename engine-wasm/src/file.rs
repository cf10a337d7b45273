//! A file that is being parsed: its headers, and access to bytes and strings.

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, SectionHeader};
use relobox_abi::Span;

/// What all parts of the parser need of the file.
pub(crate) struct File<'a, H: FileHeader<Endian = Endianness>> {
    pub(crate) bytes: &'a [u8],
    pub(crate) endian: Endianness,
    pub(crate) header: &'a H,
    pub(crate) headers: &'a [H::SectionHeader],
}

impl<H: FileHeader<Endian = Endianness>> File<'_, H> {
    /// Returns the offset of the section table in the file.
    pub(crate) fn section_table(&self) -> u64 {
        self.header.e_shoff(self.endian).into()
    }

    /// Returns a section's `sh_link`.
    pub(crate) fn link(&self, section: usize) -> usize {
        self.headers[section].sh_link(self.endian) as usize
    }

    /// Returns a section's `sh_type`.
    pub(crate) fn kind(&self, section: usize) -> elf::SectionType {
        self.headers[section].sh_type(self.endian)
    }
}

/// Returns bytes of the file.
pub(crate) fn bytes_of(file: &[u8], span: Span) -> &[u8] {
    file.get(span.at as usize..).and_then(|rest| rest.get(..span.len as usize)).unwrap_or(&[])
}

/// Returns the string that starts at `at` and ends before a NUL before `end`.
pub(crate) fn string_at(file: &[u8], at: usize, end: usize) -> Option<Span> {
    let rest = file.get(at..end)?;
    let len = rest.iter().position(|b| *b == 0)?;
    Some(Span { at: u32::try_from(at).ok()?, len: len as u32 })
}
