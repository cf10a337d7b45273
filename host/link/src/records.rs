//! The records of a module, which the engine reads from a file and [`parse`](crate::stages::parse) checks.

use crate::views::bytes;
use relobox_abi::{
    Export, Group, Pair, Parsed, Relocation, Section, Span, Symbol, Version, section_flag, section_kind,
};
use relobox_core::names;
use relobox_core::text::decoded;

/// The records of a module. Their spans are relative to [`Records::file`].
#[derive(Clone, Copy)]
pub struct Records<'a> {
    /// The file's name, for messages. If it is empty, diagnostics have numbers instead of names.
    pub name: &'a str,
    /// The contents of the file.
    pub file: &'a [u8],
    /// The file's machine, class, byte order and flags.
    pub parsed: &'a Parsed,
    /// The sections, by ELF index.
    pub sections: &'a [Section],
    /// The symbols, by ELF index.
    pub symbols: &'a [Symbol],
    /// The groups in file order. Their ranges lie in `relocations`, and their sections in `sections`.
    pub groups: &'a [Group],
    /// The relocations in file order. Offsets, types and symbols are unchecked.
    pub relocations: &'a [Relocation],
    /// The entries of `.modinfo`.
    pub modinfo: &'a [Pair],
    /// The exported symbols.
    pub exports: &'a [Export],
    /// The CRCs of symbols that the module was compiled against.
    pub versions: &'a [Version],
}

/// The records that confine needs while it patches the file.
pub struct Patching<'a> {
    /// The sections, by ELF index.
    pub sections: &'a [Section],
    /// The groups in file order.
    pub groups: &'a [Group],
    /// The relocations in file order.
    pub relocations: &'a [Relocation],
}

impl<'a> Records<'a> {
    /// Returns the name that the module has in itself, or else that of its file (see [`names`]).
    #[must_use]
    pub fn module_name(&self) -> String {
        match self.modinfo("name") {
            Some(name) => decoded(name),
            None => names::of_file(self.name),
        }
    }

    /// Returns bytes of the file.
    #[must_use]
    pub fn bytes(&self, span: Span) -> &'a [u8] {
        bytes(self.file, span).unwrap_or_default()
    }

    /// Returns a section's name, unescaped and of limited length.
    #[must_use]
    pub fn section_name(&self, section: u32) -> String {
        self.sections.get(section as usize).map_or_else(String::new, |s| decoded(self.bytes(s.name)))
    }

    /// Returns a symbol's name, unescaped and of limited length. For a section symbol it is the section's name.
    #[must_use]
    pub fn symbol_name(&self, symbol: u32) -> Option<String> {
        let s = self.symbols.get(symbol as usize).filter(|_| symbol != 0)?;
        Some(if s.name.len == 0 { self.section_name(s.section) } else { decoded(self.bytes(s.name)) })
    }

    /// Returns the first value of a modinfo key.
    #[must_use]
    pub fn modinfo(&self, key: &str) -> Option<&'a [u8]> {
        self.modinfo_all(key).next()
    }

    /// Returns the release of the kernel that the module was compiled for: the first word of its vermagic.
    #[must_use]
    pub fn release(&self) -> Option<&'a [u8]> {
        let vermagic = self.modinfo("vermagic")?.trim_ascii();
        vermagic.split(|b| *b == b' ').next().filter(|release| !release.is_empty())
    }

    /// Returns all values of a modinfo key.
    pub(crate) fn modinfo_all<'k>(&self, key: &'k str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'k> {
        let (file, pairs) = (self.file, self.modinfo);
        pairs
            .iter()
            .filter(move |p| bytes(file, p.key).is_ok_and(|k| k == key.as_bytes()))
            .map(move |p| bytes(file, p.value).unwrap_or_default())
    }

    /// Returns the relocation sections that a kernel applies itself, when it patches code for a live patch
    /// (`.klp.rela.*`).
    pub fn left_to_the_kernel(&self) -> impl Iterator<Item = u32> + use<'a> {
        let left = |s: &Section| s.kind == section_kind::RELA && s.flags & section_flag::RELA_LIVEPATCH != 0;
        (0..).zip(self.sections).filter(move |(_, s)| left(s)).map(|(i, _)| i)
    }

    /// Returns the relocations of a group.
    #[must_use]
    pub fn relocations_of(&self, group: &Group) -> &'a [Relocation] {
        let first = group.first as usize;
        self.relocations.get(first..first + group.count as usize).unwrap_or_default()
    }
}
