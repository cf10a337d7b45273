//! Writes a module specification as an ELF file.

use super::{ModuleSpec, SymbolKind};
use object::write::elf::{FileHeader, Rel, SectionHeader, Sym, SymbolIndex, Writer};
use object::{Endianness, elf};
use relobox_abi::order;

/// Writes the file. Section `i` of the module becomes ELF section `i + 1`, named `.v` followed by `i` in hexadecimal.
///
/// # Errors
/// If the `object` crate cannot write the file.
pub fn write(module: &ModuleSpec) -> object::write::Result<Vec<u8>> {
    let m = &module.machine;
    let endian = if m.order == order::BIG { Endianness::Big } else { Endianness::Little };
    let names: Vec<String> = (0..module.sections.len()).map(|i| format!(".v{i:x}")).collect();
    let (mut bytes, rela) = (Vec::new(), !module.in_place);
    let word = if m.class == 64 { 8 } else { 4 };
    let mut w: Writer<'_> = Writer::new(endian, m.class == 64, &mut bytes);

    w.reserve_file_header();
    w.reserve_null_section_index();
    let sections: Vec<_> =
        names.iter().map(|n| (w.add_section_name(n.as_bytes()), w.reserve_section_index())).collect();
    let relocated: Vec<usize> = (0..names.len()).filter(|i| !module.sections[*i].relocations.is_empty()).collect();
    for _ in &relocated {
        w.reserve_section_index();
    }
    // The customary names of relocation sections.
    let prefix = if rela { ".rela" } else { ".rel" };
    let said: Vec<String> = relocated.iter().map(|i| format!("{prefix}{}", names[*i])).collect();
    let table_names: Vec<_> = said.iter().map(|name| w.add_section_name(name.as_bytes())).collect();
    let symtab = w.reserve_symtab_section_index();
    w.reserve_strtab_section_index();
    w.reserve_shstrtab_section_index();

    // Local symbols come first.
    w.reserve_null_symbol_index();
    let is_local = |i: &usize| matches!(module.symbols[*i].kind, SymbolKind::Label(..));
    let all = 0..module.symbols.len();
    let ordered: Vec<usize> = all.clone().filter(is_local).chain(all.filter(|i| !is_local(i))).collect();
    let locals = ordered.iter().filter(|i| is_local(i)).count() as u32 + 1;
    let mut indices = vec![SymbolIndex(0); ordered.len()];
    let mut strings = Vec::new();
    for i in &ordered {
        strings.push(w.add_string(module.symbols[*i].name.as_bytes()));
        indices[*i] = w.reserve_symbol_index(None);
    }

    let contents: Vec<u64> = module.sections.iter().map(|s| w.reserve(s.bytes.len() as u64, 16)).collect();
    let entry = if rela { 3 * word } else { 2 * word };
    let reserve = |i: &usize| (module.sections[*i].relocations.len() as u64 * entry, word);
    let relocations: Vec<u64> = relocated.iter().map(reserve).map(|(len, align)| w.reserve(len, align)).collect();
    w.reserve_symtab();
    w.reserve_strtab()?;
    w.reserve_shstrtab()?;
    w.reserve_section_headers();

    w.write_file_header(&FileHeader {
        // GNU's tools take no file of PA-RISC that does not say which system it is for.
        os_abi: if elf::Machine(m.machine) == elf::EM_PARISC { elf::ELFOSABI_GNU } else { elf::ELFOSABI_NONE },
        abi_version: 0,
        e_type: elf::ET_REL,
        e_machine: elf::Machine(m.machine),
        e_entry: 0,
        e_flags: elf::FileFlags(m.flags_value),
    })?;
    for (section, offset) in module.sections.iter().zip(&contents) {
        w.pad_until(*offset);
        w.write(&section.bytes);
    }
    for (i, offset) in relocated.iter().zip(&relocations) {
        w.pad_until(*offset);
        for r in &module.sections[*i].relocations {
            let (r_sym, r_type) = (indices[r.symbol].0, elf::RelocationType(r.kind));
            w.write_relocation(rela, &Rel { r_offset: r.offset, r_sym, r_type, r_addend: r.addend });
        }
    }
    w.write_null_symbol();
    for (i, name) in ordered.iter().zip(strings) {
        let symbol = &module.symbols[*i];
        let (section, value, binding) = match symbol.kind {
            SymbolKind::Label(section, offset) => (Some(sections[section].1), offset, elf::STB_LOCAL),
            SymbolKind::Missing => (None, 0, elf::STB_WEAK),
            SymbolKind::Outside(_) | SymbolKind::Linkers => (None, 0, elf::STB_GLOBAL),
        };
        w.write_symbol(&Sym {
            st_name: w.string_offset(Some(name)),
            section: section.map(|s| s.0),
            st_info: elf::SymbolInfo(binding.0 << 4),
            st_other: elf::SymbolOther(0),
            st_shndx: elf::SymbolSection(0),
            st_value: value,
            st_size: symbol.size,
        });
    }
    w.write_strtab();
    w.write_shstrtab();

    w.write_null_section_header();
    for (i, section) in module.sections.iter().enumerate() {
        w.write_section_header(&SectionHeader {
            sh_name: w.section_name_offset(Some(sections[i].0)),
            sh_type: elf::SHT_PROGBITS,
            sh_flags: elf::SHF_ALLOC | elf::SHF_EXECINSTR,
            sh_addr: 0,
            sh_offset: contents[i],
            sh_size: section.bytes.len() as u64,
            sh_link: 0,
            sh_info: 0,
            sh_addralign: 1,
            sh_entsize: 0,
        });
    }
    for ((i, offset), name) in relocated.iter().zip(&relocations).zip(table_names) {
        let count = module.sections[*i].relocations.len();
        w.write_relocation_section_header(name, sections[*i].1, symtab, *offset, count, rela);
    }
    w.write_symtab_section_header(locals);
    w.write_strtab_section_header();
    w.write_shstrtab_section_header();
    Ok(bytes)
}
