//! A builder for small x86-64 modules that import and export symbols, with the sections that `MODULE_…` and
//! `EXPORT_SYMBOL_…` produce.

use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, RelocationFlags, SectionFlags, elf};
use object::{SectionKind, SymbolFlags, SymbolKind, SymbolScope};

/// The contents of a module.
#[derive(Clone, Debug, Default)]
pub struct ModuleBuilder<'a> {
    /// The name in modinfo, if there is one.
    pub name: Option<&'a str>,
    /// The symbols that init calls.
    pub calls: &'a [&'a str],
    /// The exported symbols, which are GPL-only.
    pub exports: &'a [&'a str],
    /// The release of the kernel that it is compiled for, if its vermagic has one.
    pub release: Option<&'a str>,
    /// The imported namespaces.
    pub imports: &'a [&'a str],
}

impl ModuleBuilder<'_> {
    /// Writes the module.
    ///
    /// # Panics
    ///
    /// If `object` cannot write it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut o = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let mut modinfo = b"license=GPL\0".to_vec();
        modinfo.extend(self.name.iter().flat_map(|name| format!("name={name}\0").into_bytes()));
        let vermagic = |release| format!("vermagic={release} SMP preempt mod_unload \0").into_bytes();
        modinfo.extend(self.release.iter().flat_map(vermagic));
        modinfo.extend(self.imports.iter().flat_map(|ns| format!("import_ns={ns}\0").into_bytes()));
        section(&mut o, ".modinfo", SectionKind::ReadOnlyData, &modinfo);
        let mut code = Vec::new();
        let mut places = Vec::new();
        for _ in self.calls {
            code.push(0xe8);
            places.push(code.len() as u64);
            code.extend([0; 4]);
        }
        code.push(0xc3);
        let text = section(&mut o, ".text", SectionKind::Text, &code);
        symbol(&mut o, "init_module", SymbolSection::Section(text), 0, SymbolScope::Dynamic);
        for (name, place) in self.calls.iter().zip(places) {
            let called = symbol(&mut o, name, SymbolSection::Undefined, 0, SymbolScope::Unknown);
            relocate(&mut o, text, place, called, elf::R_X86_64_PLT32, -4);
        }
        if !self.exports.is_empty() {
            self.export(&mut o, text);
        }
        o.write().expect("a module")
    }

    /// Writes `__ksymtab_gpl` and `__ksymtab_strings`: for each symbol the distances to it, to its name and to its
    /// namespace.
    fn export(&self, o: &mut Object<'_>, text: SectionId) {
        let mut strings = b"\0".to_vec();
        let mut names = Vec::new();
        for name in self.exports {
            names.push(strings.len() as u64);
            strings.extend(name.bytes().chain([0]));
        }
        let strings = section(o, "__ksymtab_strings", SectionKind::ReadOnlyData, &strings);
        let table = section(o, "__ksymtab_gpl", SectionKind::ReadOnlyData, &vec![0; 12 * names.len()]);
        let local = SymbolScope::Compilation;
        for ((name, at), entry) in self.exports.iter().zip(names).zip((0u64..).step_by(12)) {
            let function = symbol(o, name, SymbolSection::Section(text), 0, SymbolScope::Dynamic);
            symbol(o, &format!("__ksymtab_{name}"), SymbolSection::Section(table), entry, local);
            let string = symbol(o, &format!("__kstrtab_{name}"), SymbolSection::Section(strings), at, local);
            let namespace = symbol(o, &format!("__kstrtabns_{name}"), SymbolSection::Section(strings), 0, local);
            for (place, target) in [(entry, function), (entry + 4, string), (entry + 8, namespace)] {
                relocate(o, table, place, target, elf::R_X86_64_PC32, 0);
            }
        }
    }
}

fn section(o: &mut Object<'_>, name: &str, kind: SectionKind, contents: &[u8]) -> SectionId {
    let section = o.add_section(Vec::new(), name.as_bytes().to_vec(), kind);
    o.section_mut(section).flags = SectionFlags::None;
    o.append_section_data(section, contents, 8);
    section
}

fn symbol(o: &mut Object<'_>, name: &str, section: SymbolSection, value: u64, scope: SymbolScope) -> SymbolId {
    let kind = if section == SymbolSection::Undefined { SymbolKind::Unknown } else { SymbolKind::Data };
    let (name, flags) = (name.as_bytes().to_vec(), SymbolFlags::None);
    o.add_symbol(Symbol { name, value, size: 0, kind, scope, weak: false, section, flags })
}

fn relocate(
    o: &mut Object<'_>,
    section: SectionId,
    offset: u64,
    symbol: SymbolId,
    r_type: elf::RelocationType,
    addend: i64,
) {
    let flags = RelocationFlags::Elf { r_type };
    o.add_relocation(section, Relocation { offset, symbol, addend, flags }).expect("a relocation");
}
