//! The image of a linked module, as an oracle returns it.

use super::neutral::{self, Neutral};
use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use std::collections::BTreeMap;
use std::path::Path;

/// A linked module.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The sections of the job, followed by those that the linker made itself.
    pub sections: Vec<Placed>,
    /// Final symbol values by name. A global symbol takes precedence over local ones of the same name; among local
    /// symbols, one is kept.
    pub symbols: BTreeMap<String, u64>,
}

/// One section of an [`Image`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The name of the input section, or the linker's name for a section of its own.
    pub name: String,
    /// The ELF section index in the object; `None` for a GOT, a PLT or a group of veneers that the linker made.
    pub input: Option<u32>,
    /// The address of the first byte.
    pub address: u64,
    /// The contents; empty for a section without contents in the file (`.bss`).
    pub bytes: Vec<u8>,
}

impl Image {
    /// Returns the section that came from section `index` of the object.
    pub fn section(&self, index: u32) -> Option<&Placed> {
        self.sections.iter().find(|section| section.input == Some(index))
    }

    /// Iterates over the sections that the linker made itself.
    pub fn own_sections(&self) -> impl Iterator<Item = &Placed> {
        self.sections.iter().filter(|section| section.input.is_none())
    }

    /// Returns `length` bytes at `address` of a section that the linker made itself: the contents of a GOT entry, or
    /// the instructions of a PLT entry or veneer. Returns `None` if no such section covers them.
    pub fn own_bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
        self.own_sections().find_map(|section| {
            let at = usize::try_from(address.checked_sub(section.address)?).ok()?;
            section.bytes.get(at..at.checked_add(length)?)
        })
    }

    /// Reads the linked file and reverses the renaming of [`neutral`].
    pub(super) fn read(path: &Path, given: &[(String, u32, u64)], neutral: &Neutral) -> Result<Image> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let file = object::File::parse(&*bytes).context("the linked file")?;
        let mut image = Image::default();
        let mut own = Vec::new();
        for section in file.sections() {
            let name = section.name().context("a section name of the linked file")?;
            let address = section.address();
            let mut contents = section.data().context("a section of the linked file")?.to_vec();
            let Some(index) = neutral::input_index(name) else {
                let object::SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
                if sh_flags.0 & object::elf::SHF_ALLOC.0 != 0 && !contents.is_empty() {
                    own.push(Placed { name: name.to_owned(), input: None, address, bytes: contents });
                }
                continue;
            };
            let (name, _, wanted) = given
                .iter()
                .find(|section| section.1 == index)
                .with_context(|| format!("the linker kept section {index}, which was not asked for"))?;
            ensure!(address == *wanted, "{name} was put at {address:#x}, not at {wanted:#x}");
            let size = neutral.contents_size(index);
            ensure!(contents.len() >= size, "{name} lost some of its {size} bytes");
            // Veneers follow the input section, in the same output section.
            let tail = contents.split_off(size);
            if !tail.is_empty() && neutral.has_contents(index) {
                let name = format!("{name} (veneers)");
                own.push(Placed { name, input: None, address: address + size as u64, bytes: tail });
            }
            image.sections.push(Placed { name: name.clone(), input: Some(index), address, bytes: contents });
        }
        image.sections.sort_by_key(|section| section.input);
        own.sort_by_key(|section| section.address);
        for pair in own.windows(2) {
            let apart = pair[1].address - pair[0].address >= pair[0].bytes.len() as u64;
            ensure!(apart, "{} and {} overlap: leave room behind code", pair[0].name, pair[1].name);
        }
        image.sections.append(&mut own);
        for symbol in file.symbols().filter(|symbol| !symbol.is_undefined()) {
            let name = symbol.name().unwrap_or_default();
            if symbol.is_global() {
                image.symbols.insert(name.to_owned(), symbol.address());
            } else if !name.is_empty() {
                image.symbols.entry(name.to_owned()).or_insert(symbol.address());
            }
        }
        for (name, index, _) in given {
            ensure!(image.section(*index).is_some(), "the linker dropped {name} (section {index})");
        }
        Ok(image)
    }
}
