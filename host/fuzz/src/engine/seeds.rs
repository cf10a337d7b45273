//! Seed files: for each class and byte order a module with everything that the engine reads, and some smaller ones.

use super::edit;
use super::elf::{Encoding, SectionType};
use super::model::{ElfSection, Model};

/// Returns the seed files.
pub(crate) fn modules() -> Vec<Vec<u8>> {
    let of = |encoding: Encoding| {
        // A machine that a built-in plugin links, if there is one with this encoding.
        let machine = match (encoding.wide, encoding.big) {
            (true, false) => 62,
            (true, true) => 22,
            _ => 8,
        };
        let explicit = encoding.wide;
        let mut others = vec![Model::new(encoding, machine), module(encoding, machine, explicit)];
        let mut signed = module(encoding, machine, !explicit);
        signed.tail = edit::signature(&[0x30; 16], 16);
        let mut extended = Model::new(encoding, machine);
        extended.extended = true;
        others.extend([signed, extended, compact(encoding, machine)]);
        others
    };
    Encoding::ALL.into_iter().flat_map(of).filter_map(|model| model.write()).collect()
}

/// Makes a module with an import, an export, modinfo, versions, and sections of each kind.
fn module(encoding: Encoding, machine: u16, explicit: bool) -> Model {
    let mut model = Model::new(encoding, machine);
    let prog = |flags: u64, align: u64, data: &[u8]| ElfSection {
        kind: SectionType::ProgBits as u32,
        flags,
        align,
        data: data.to_vec(),
        ..ElfSection::default()
    };
    let text = model.add(b".text", prog(6, 16, &[0; 32]));
    let init = model.add(b".init.text", prog(6, 4, &[0; 16]));
    let data = model.add(b".data", prog(3, 8, &[0; 24]));
    model.add(
        b".bss",
        ElfSection { kind: SectionType::NoBits as u32, flags: 3, align: 32, size: 100, ..ElfSection::default() },
    );
    model.add(b".data..percpu", prog(3, 64, &[0; 8]));
    model.add(b".modinfo", prog(2, 1, b"license=GPL\0name=seed\0import_ns=NS\0depends=\0"));
    let ksymtab = model.add(b"__ksymtab", prog(2, 4, &[0; 12]));
    let strings = model.add(b"__ksymtab_strings", prog(2, 1, b"helper\0NS\0"));
    model.add(b"__kcrctab", prog(2, 4, &[1, 2, 3, 4]));
    model.add(b"__kflagstab", prog(2, 1, &[1]));
    let this = model.add(b".gnu.linkonce.this_module", prog(3, 64, &[0; 64]));
    let mut version = vec![0; 64];
    encoding.put_number(&mut version, 0, encoding.word(), 0x1234_5678);
    version[encoding.word()..encoding.word() + 6].copy_from_slice(b"printk");
    model.add(b"__versions", prog(2, 32, &version));
    model.add(b"__version_ext_crcs", prog(2, 4, &[4, 3, 2, 1]));
    model.add(b"__version_ext_names", prog(2, 1, b"a_longer_name\0"));
    model.add_symbol(b"", 0x03, text, 0);
    let local = model.add_symbol(b"local", 0x02, text, 8);
    let names = model.add_symbol(b"", 0x03, strings, 0);
    model.add_symbol(b"init_module", 0x12, init, 0);
    model.add_symbol(b"cleanup_module", 0x12, text, 16);
    model.add_symbol(b"__this_module", 0x11, this, 0);
    let helper = model.add_symbol(b"helper", 0x12, text, 4);
    let printk = model.add_symbol(b"printk", 0x10, 0, 0);
    model.add_symbol(b"absolute", 0x10, 0xfff1, 42);
    // On all machines type 2 is a simple relocation of a word.
    model.add_relocation(text, explicit, [4, 2, printk as u64, (-4i64).cast_unsigned()]);
    model.add_relocation(data, explicit, [8, 2, local as u64, 1]);
    for (at, symbol, addend) in [(0, helper, 0), (4, names, 0), (8, names, 7)] {
        if !explicit {
            encoding.put_number(&mut model.sections[ksymtab].data, at, 4, addend);
        }
        model.add_relocation(ksymtab, explicit, [at as u64, 2, symbol as u64, addend]);
    }
    model
}

/// Makes a module with an SHT_CREL section of two relocations with addends.
fn compact(encoding: Encoding, machine: u16) -> Model {
    let mut model = Model::new(encoding, machine);
    let text = ElfSection {
        kind: SectionType::ProgBits as u32,
        flags: 6,
        align: 4,
        data: vec![0; 32],
        ..ElfSection::default()
    };
    let text = model.add(b".text", text);
    model.add_symbol(b"printk", 0x10, 0, 0);
    model.add_symbol(b"own", 0x12, text, 0);
    let (link, _) = model.symbols();
    // Offset 4, symbol 1, type 2, addend -4; then offset + 8, symbol + 1, type - 1, the same addend.
    let data = vec![2 << 3 | 4, 4 << 3 | 7, 1, 2, 0x7c, 8 << 3 | 3, 1, 0x7f];
    let table = ElfSection {
        kind: SectionType::Crel as u32,
        link: link as u32,
        info: text as u32,
        data,
        ..ElfSection::default()
    };
    model.add(b".crel.text", ElfSection { align: 1, entry: 1, ..table });
    model
}
