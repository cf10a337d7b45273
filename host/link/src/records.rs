//! The records of a module: what the engine says of a file, checked by [`parse`](crate::stages::parse).

use crate::views::bytes;
use relobox_abi::{
    Export, Group, Pair, Parsed, Relocation, Section, Span, Symbol, Version, section_flag, section_kind,
};
use relobox_core::names;
use relobox_core::text::decoded;

/// The records of a module. Spans in them are relative to [`Records::file`].
#[derive(Clone, Copy)]
pub struct Records<'a> {
    /// The file's name, for messages; empty if nobody reads them, and then faults are numbers only.
    pub name: &'a str,
    /// The file.
    pub file: &'a [u8],
    /// Machine, class, byte order, flags.
    pub parsed: &'a Parsed,
    /// By section index.
    pub sections: &'a [Section],
    /// By symbol index.
    pub symbols: &'a [Symbol],
    /// In file order; their ranges lie in `relocations`, their sections in `sections`.
    pub groups: &'a [Group],
    /// In file order. Offsets, types and symbols are whatever the file says.
    pub relocations: &'a [Relocation],
    /// `.modinfo`.
    pub modinfo: &'a [Pair],
    /// What it exports.
    pub exports: &'a [Export],
    /// The CRCs it was compiled against.
    pub versions: &'a [Version],
}

/// What confine needs of the records while it patches the file.
pub struct Patching<'a> {
    /// By section index.
    pub sections: &'a [Section],
    /// In file order.
    pub groups: &'a [Group],
    /// In file order.
    pub relocations: &'a [Relocation],
}

impl<'a> Records<'a> {
    /// The name that the module has for itself, else its file's (see [`names`]).
    #[must_use]
    pub fn module_name(&self) -> String {
        match self.modinfo("name") {
            Some(name) => decoded(name),
            None => names::of_file(self.name),
        }
    }

    /// Text or contents in the file.
    #[must_use]
    pub fn bytes(&self, span: Span) -> &'a [u8] {
        bytes(self.file, span).unwrap_or_default()
    }

    /// A section's name; as it is, but not endless.
    #[must_use]
    pub fn section_name(&self, section: u32) -> String {
        self.sections.get(section as usize).map_or_else(String::new, |s| decoded(self.bytes(s.name)))
    }

    /// A symbol's name, as it is, but not endless; a section symbol has its section's.
    #[must_use]
    pub fn symbol_name(&self, symbol: u32) -> Option<String> {
        let s = self.symbols.get(symbol as usize).filter(|_| symbol != 0)?;
        Some(if s.name.len == 0 { self.section_name(s.section) } else { decoded(self.bytes(s.name)) })
    }

    /// The first value of a modinfo key.
    #[must_use]
    pub fn modinfo(&self, key: &str) -> Option<&'a [u8]> {
        self.modinfo_all(key).next()
    }

    /// All values of a modinfo key.
    pub fn modinfo_all<'k>(&self, key: &'k str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'k> {
        let (file, pairs) = (self.file, self.modinfo);
        pairs
            .iter()
            .filter(move |p| bytes(file, p.key).is_ok_and(|k| k == key.as_bytes()))
            .map(move |p| bytes(file, p.value).unwrap_or_default())
    }

    /// The sections of relocations that a kernel does itself, when what a live patch changes is there.
    pub fn left_to_the_kernel(&self) -> impl Iterator<Item = u32> + use<'a> {
        let left = |s: &Section| s.kind == section_kind::RELA && s.flags & section_flag::RELA_LIVEPATCH != 0;
        (0..).zip(self.sections).filter(move |(_, s)| left(s)).map(|(i, _)| i)
    }

    /// The relocations of a group.
    #[must_use]
    pub fn relocations_of(&self, group: &Group) -> &'a [Relocation] {
        let first = group.first as usize;
        self.relocations.get(first..first + group.count as usize).unwrap_or_default()
    }
}
