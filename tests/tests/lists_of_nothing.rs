//! The begin and the end of a list that a linker script collects, when the list is empty: `ld -r` then makes a section
//! that is not allocated, and modules refer to it all the same (m68k's `.m68k_fixup`).

use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, RelocationFlags, SectionFlags, elf};
use object::{SectionKind, SymbolFlags, SymbolKind, SymbolScope};
use relobox_tests::arch::Target;
use relobox_tests::oracle::{Image, layout};
use relobox_tests::real::image;

/// A module with a list of these bytes, whose begin and end are in `.data`.
fn module(list: &[u8]) -> Vec<u8> {
    let mut o = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let fixup = section(&mut o, ".fixup_list", elf::SHF_WRITE, list);
    let data = section(&mut o, ".data", elf::SHF_WRITE | elf::SHF_ALLOC, &[0; 16]);
    for (at, name, value) in [(0, "__start_fixup", 0), (8, "__stop_fixup", list.len() as u64)] {
        let symbol = symbol(&mut o, name, fixup, value);
        let flags = RelocationFlags::Elf { r_type: elf::R_X86_64_64 };
        o.add_relocation(data, Relocation { offset: at, symbol, addend: 0, flags }).expect("a relocation");
    }
    o.write().expect("a module")
}

fn section(o: &mut Object<'_>, name: &str, flags: elf::SectionFlags, contents: &[u8]) -> SectionId {
    let section = o.add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::Data);
    o.section_mut(section).flags = SectionFlags::Elf { sh_type: elf::SHT_PROGBITS, sh_flags: flags };
    o.append_section_data(section, contents, 8);
    section
}

fn symbol(o: &mut Object<'_>, name: &str, section: SectionId, value: u64) -> SymbolId {
    let section = SymbolSection::Section(section);
    let (name, kind, scope) = (name.as_bytes().to_vec(), SymbolKind::Data, SymbolScope::Dynamic);
    o.add_symbol(Symbol { name, value, size: 0, kind, scope, weak: false, section, flags: SymbolFlags::None })
}

fn link(elf: &[u8]) -> anyhow::Result<Image> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("m.ko");
    std::fs::write(&path, elf)?;
    image::link(&layout::sequential(&path, elf, Target::named("x86_64").variant.base)?)
}

#[test]
fn an_empty_list_begins_where_it_ends() {
    let linked = link(&module(&[])).expect("it links");
    let data = linked.sections.iter().find(|section| section.name == ".data").expect(".data");
    assert_eq!(data.bytes[..8], data.bytes[8..]);
}

#[test]
fn a_list_that_will_not_be_in_memory_has_no_address() {
    let said = format!("{:#}", link(&module(&[0; 8])).expect_err("a list that is not loaded"));
    assert!(said.contains("it is in .fixup_list, which will not be in memory"), "{said}");
}
