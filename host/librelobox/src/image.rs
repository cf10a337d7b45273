//! A linked module. What the linking process says of it is checked as far as this library relies on it: the sizes of
//! what is read from its buffer, and that what a program reads lies in memory that the image has.

use crate::context::Output;
use crate::info::section_flags;
use crate::objects::Objects;
use crate::types::{self, SectionFlag};
use relobox_cabi::boundary::c_text;
use relobox_core::error::{Error, Result};
use relobox_core::files;
use relobox_core::linker_error::LinkerError;
use relobox_questions::{LinkedForm, LinkedSection};
use std::ffi::{CStr, CString};
use std::io::Write as _;
use std::path::Path;
use std::ptr::null;

pub(crate) static IMAGES: Objects<Image> = Objects::new();

/// A linked module.
pub(crate) struct Image {
    plugin: CString,
    relocations: u64,
    uses: Vec<CString>,
    left: Vec<CString>,
    areas: Vec<Area>,
    sections: Vec<Section>,
    elf: Vec<u8>,
}

struct Area {
    kind: CString,
    address: u64,
    size: u64,
    align: u64,
}

struct Section {
    name: CString,
    about: LinkedSection,
    contents: Vec<u8>,
}

/// True if `size` bytes at `address` lie in so many bytes at another address.
fn lies_in(address: u64, size: u64, (at, len): (u64, u64)) -> bool {
    address.checked_sub(at).and_then(|offset| offset.checked_add(size)).is_some_and(|end| end <= len)
}

impl Image {
    /// Takes over the answer of a linking process.
    ///
    /// # Errors
    /// If it contradicts itself.
    pub(crate) fn of(form: LinkedForm, output: &Output) -> Result<Self> {
        let LinkedForm { plugin, relocations, uses, left, areas, sections, file } = form;
        if sections.iter().any(|section| section.contents != 0 && section.contents != section.size) {
            return Err(LinkerError::Protocol("a section's size is not that of its contents").into());
        }
        let sizes: Vec<_> = std::iter::once(file).chain(sections.iter().map(|section| section.contents)).collect();
        let mut parts = output.parts(&sizes)?.into_iter();
        let elf = parts.next().unwrap_or_default();
        let area = |area: relobox_questions::AreaForm| Area {
            kind: c_text(area.kind.name()),
            address: area.address,
            size: area.size,
            align: area.align,
        };
        let section =
            |(about, contents): (LinkedSection, Vec<u8>)| Section { name: c_text(&about.name), about, contents };
        Ok(Self {
            plugin: c_text(plugin.name),
            relocations,
            uses: uses.into_iter().map(c_text).collect(),
            left: left.into_iter().map(c_text).collect(),
            areas: areas.into_iter().map(area).collect(),
            sections: sections.into_iter().zip(parts).map(section).collect(),
            elf,
        })
    }

    pub(crate) fn plugin(&self) -> &CStr {
        &self.plugin
    }

    pub(crate) fn relocations(&self) -> u64 {
        self.relocations
    }

    pub(crate) fn uses(&self) -> &[CString] {
        &self.uses
    }

    pub(crate) fn left(&self) -> &[CString] {
        &self.left
    }

    pub(crate) fn elf(&self) -> &[u8] {
        &self.elf
    }

    pub(crate) fn areas(&self) -> usize {
        self.areas.len()
    }

    pub(crate) fn area(&self, index: usize) -> Option<types::Area> {
        let Area { kind, address, size, align } = self.areas.get(index)?;
        Some(types::Area { kind: kind.as_ptr(), address: *address, size: *size, align: *align })
    }

    pub(crate) fn sections(&self) -> usize {
        self.sections.len()
    }

    pub(crate) fn section(&self, index: usize) -> Option<types::Section> {
        let Section { name, about, contents } = self.sections.get(index)?;
        let made = if about.synthetic { SectionFlag::Synthetic as u32 } else { 0 };
        Some(types::Section {
            name: name.as_ptr(),
            address: about.address,
            size: about.size,
            align: about.align,
            contents: if contents.is_empty() { null() } else { contents.as_ptr().cast() },
            relocations: about.relocations,
            flags: section_flags(&about.flags) | made,
        })
    }

    /// The bytes of the image at an address. What lies between sections is 0.
    ///
    /// # Errors
    /// [`Error::Usage`] if they are neither all in one area nor all in one section.
    pub(crate) fn read(&self, address: u64, size: u64) -> Result<Vec<u8>> {
        let areas = self.areas.iter().map(|area| (area.address, area.size));
        let own = self.sections.iter().map(|section| (section.about.address, section.about.size));
        if !areas.chain(own).any(|run| lies_in(address, size, run)) {
            return Err(Error::Usage(format!("{size} bytes at {address:#x} are not in the module's memory")));
        }
        let mut bytes = vec![0; size as usize];
        for Section { about, contents, .. } in &self.sections {
            let (from, to) = (about.address.max(address), about.address.saturating_add(contents.len() as u64));
            let to = to.min(address.saturating_add(size));
            if from < to {
                let (at, of, len) = (from - address, from - about.address, to - from);
                let source = contents.get(of as usize..(of + len) as usize);
                let target = bytes.get_mut(at as usize..(at + len) as usize);
                if let (Some(source), Some(target)) = (source, target) {
                    target.copy_from_slice(source);
                }
            }
        }
        Ok(bytes)
    }

    /// Writes the ELF file, which replaces another as a whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        files::replace(path, files::PUBLIC, |file| file.write_all(&self.elf).map_err(Error::io(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(address: u64, size: u64, contents: &[u8]) -> Section {
        let about = LinkedSection {
            name: String::new(),
            address,
            size,
            align: 1,
            flags: "WA".into(),
            relocations: 0,
            synthetic: false,
            contents: contents.len() as u64,
        };
        Section { name: CString::default(), about, contents: contents.to_vec() }
    }

    #[test]
    fn memory_is_read_across_sections_and_not_beyond_it() {
        let area = Area { kind: c"data".to_owned(), address: 0x1000, size: 16, align: 16 };
        let image = Image {
            plugin: CString::default(),
            relocations: 0,
            uses: Vec::new(),
            left: Vec::new(),
            areas: vec![area],
            sections: vec![section(0x1000, 3, b"abc"), section(0x1008, 4, &[]), section(0x100c, 4, b"defg")],
            elf: Vec::new(),
        };
        assert_eq!(image.read(0x1001, 15).unwrap(), b"bc\0\0\0\0\0\0\0\0\0defg");
        assert_eq!(image.read(0x1000, 1).unwrap(), b"a");
        assert_eq!(image.read(0x1010, 0).unwrap(), b"");
        assert!(image.read(0x1001, 16).is_err() && image.read(0xfff, 2).is_err());
        assert!(image.read(u64::MAX, 2).is_err() && image.read(0x1000, u64::MAX).is_err());
        assert!(image.section(1).unwrap().contents.is_null() && image.section(3).is_none());
    }
}
