//! A small, well-formed x86-64 module with all parts of a kernel module.

use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, FileFlags, RelocationFlags, SectionFlags, elf};
use object::{SectionKind, SymbolFlags, SymbolKind, SymbolScope};

/// The symbols that [`module`] imports, with addresses in its reach.
pub const KALLSYMS: &str = "ffffffff81000010 T printk\nffffffff81000020 T helper\n";

/// A symbol that is defined in [`module`], whose name occurs nowhere else.
pub const PRIVATE_SYMBOL: &str = "a_name_of_its_own";

/// A string that occurs only in a section of [`module`] without relocations.
pub const PRIVATE_DATA: &str = "a secret of the module";

/// Makes the module. `e_flags` have no meaning on x86-64; here they select the plugin.
///
/// # Panics
///
/// If `object` cannot write the module.
#[must_use]
pub fn module(e_flags: u32) -> Vec<u8> {
    let mut o = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    o.flags = FileFlags::Elf { os_abi: elf::ELFOSABI_NONE, abi_version: 0, e_flags: elf::FileFlags(e_flags) };
    let text = section(&mut o, ".text", SectionKind::Text, &CODE, 16);
    let rodata = section(&mut o, ".rodata", SectionKind::ReadOnlyData, format!("{PRIVATE_DATA}\0").as_bytes(), 8);
    let data = section(&mut o, ".data", SectionKind::Data, &[0; 24], 8);
    let bss = o.add_section(Vec::new(), b".bss".to_vec(), SectionKind::UninitializedData);
    o.append_section_bss(bss, 64, 32);
    let modinfo = b"license=GPL\0description=sample\0\0\0name=sample\0depends=\0vermagic=6.1.0 SMP\0";
    section(&mut o, ".modinfo", SectionKind::ReadOnlyData, modinfo, 1);
    section(&mut o, "__versions", SectionKind::ReadOnlyData, &versions(&[("printk", 0x1234_5678), ("helper", 7)]), 32);
    let ksymtab = section(&mut o, "__ksymtab_gpl", SectionKind::ReadOnlyData, &[0; 12], 4);
    let strings = section(&mut o, "__ksymtab_strings", SectionKind::ReadOnlyData, b"exported\0NS\0", 1);
    let this = section(&mut o, ".gnu.linkonce.this_module", SectionKind::Data, &[0; 128], 64);

    let printk = undefined(&mut o, "printk");
    let helper = undefined(&mut o, "helper");
    let init = defined(&mut o, "init_module", text, 0);
    let exported = defined(&mut o, "exported", text, 16);
    defined(&mut o, PRIVATE_SYMBOL, data, 8);
    let strings = o.section_symbol(strings);
    let (rodata, data_symbol, bss) = (o.section_symbol(rodata), o.section_symbol(data), o.section_symbol(bss));
    for (section, offset, symbol, kind, addend) in [
        (text, 3, rodata, elf::R_X86_64_PC32, -4),
        (text, 8, printk, elf::R_X86_64_PLT32, -4),
        (text, 15, bss, elf::R_X86_64_32S, 8),
        (text, 20, helper, elf::R_X86_64_PLT32, -4),
        (data, 0, exported, elf::R_X86_64_64, 0),
        (data, 16, data_symbol, elf::R_X86_64_64, 8),
        (ksymtab, 0, exported, elf::R_X86_64_PC32, 0),
        (ksymtab, 4, strings, elf::R_X86_64_PC32, 0),
        (ksymtab, 8, strings, elf::R_X86_64_PC32, 9),
        (this, 8, init, elf::R_X86_64_64, 0),
    ] {
        let flags = RelocationFlags::Elf { r_type: kind };
        o.add_relocation(section, Relocation { offset, symbol, addend, flags }).expect("a relocation of the sample");
    }
    o.write().expect("the sample")
}

/// `lea x(%rip); call printk; …`; only the places of the relocations matter.
const CODE: [u8; 32] = [
    0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0x48, 0xc7, 0xc0, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0xc3, 0xcc, 0xcc,
    0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
];

fn section(o: &mut Object<'_>, name: &str, kind: SectionKind, contents: &[u8], align: u64) -> SectionId {
    let section = o.add_section(Vec::new(), name.as_bytes().to_vec(), kind);
    o.section_mut(section).flags = SectionFlags::None;
    o.append_section_data(section, contents, align);
    section
}

fn symbol(o: &mut Object<'_>, name: &str, section: SymbolSection, value: u64) -> SymbolId {
    let kind = if section == SymbolSection::Undefined { SymbolKind::Unknown } else { SymbolKind::Data };
    o.add_symbol(Symbol {
        name: name.as_bytes().to_vec(),
        value,
        size: 8,
        kind,
        scope: SymbolScope::Dynamic,
        weak: false,
        section,
        flags: SymbolFlags::None,
    })
}

fn undefined(o: &mut Object<'_>, name: &str) -> SymbolId {
    symbol(o, name, SymbolSection::Undefined, 0)
}

fn defined(o: &mut Object<'_>, name: &str, section: SectionId, value: u64) -> SymbolId {
    symbol(o, name, SymbolSection::Section(section), value)
}

fn versions(list: &[(&str, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, crc) in list {
        let mut entry = [0; 64];
        entry[..8].copy_from_slice(&crc.to_le_bytes());
        entry[8..8 + name.len()].copy_from_slice(name.as_bytes());
        out.extend(entry);
    }
    out
}
