//! Structural mutations of files: sections, symbols, relocations, and the data that Linux stores in modules.

use super::elf::{Encoding, SHN_LORESERVE, SectionType, symbol};
use super::model::{ElfSection, Model};
use relobox_core::rng::Rng;

/// Names of sections that are special to the engine or to Linux.
const NAMES: [&[u8]; 27] = [
    b".text",
    b".data",
    b".bss",
    b".rodata",
    b".init.text",
    b".exit.text",
    b".init.data",
    b".modinfo",
    b"__versions",
    b"__ksymtab",
    b"__ksymtab_gpl",
    b"__ksymtab_strings",
    b"__kcrctab",
    b"__kcrctab_gpl",
    b"__kflagstab",
    b"__version_ext_crcs",
    b"__version_ext_names",
    b".gnu.linkonce.this_module",
    b".data..percpu",
    b".data..ro_after_init",
    b"__param",
    b"__jump_table",
    b".symtab",
    b".strtab",
    b".shstrtab",
    b".plt",
    b"",
];

/// Names of symbols that are special to the engine or to Linux.
const SYMBOLS: [&[u8]; 7] = [
    b"init_module",
    b"cleanup_module",
    b"__this_module",
    b"_GLOBAL_OFFSET_TABLE_",
    b"printk",
    b"__gnu_lto_slim",
    b"helper",
];

/// Entries of `.modinfo`.
const INFO: [&[u8]; 6] =
    [b"license=GPL", b"name=fuzzed", b"import_ns=NS", b"livepatch=Y", b"vermagic=6.1.0 SMP", b"depends="];

/// Bits of `sh_flags`: those of ELF and Linux, and some others.
const FLAGS: [u64; 11] = [1, 2, 4, 0x10, 0x20, 0x200, 0x800, 0x0010_0000, 0x0020_0000, 0x8000_0000, 1 << 63];

/// SHF_ALLOC, alone and with SHF_WRITE or SHF_EXECINSTR.
const ALLOCATED: [u64; 3] = [2, 3, 6];

/// `st_info`: the binding in the upper four bits, the type in the lower four.
const INFOS: [u8; 9] = [0x00, 0x03, 0x02, 0x10, 0x12, 0x11, 0x20, 0x22, 0x1d];

/// Applies one random edit. `other` is a file from which sections are copied.
pub(crate) fn edit(model: &mut Model, other: Option<&Model>, rng: &mut Rng) {
    match rng.below(20) {
        0 | 1 => add_section(model, rng),
        2 => copy_section(model, other, rng),
        3 => remove_section(model, rng),
        4 => swap_sections(model, rng),
        5 | 6 => change_section(model, rng),
        7 | 8 => contents(model, rng),
        9 | 10 => add_symbol(model, rng),
        11 => repeat_records(model, rng),
        12 => add_relocation(model, rng),
        13 => add_compact(model, rng),
        14 | 15 => add_export(model, rng),
        16 => add_modinfo(model, rng),
        17 => add_version(model, rng),
        18 => sign(model, rng),
        _ => header(model, rng),
    }
}

fn some_section(model: &Model, rng: &mut Rng) -> usize {
    rng.below(model.sections.len())
}

fn some_name(model: &Model, rng: &mut Rng) -> Vec<u8> {
    match rng.below(4) {
        0 => [b".rela", model.name(some_section(model, rng))].concat(),
        1 => model.name(some_section(model, rng)).to_vec(),
        _ => rng.pick(&NAMES).copied().unwrap_or_default().to_vec(),
    }
}

fn some_bytes(rng: &mut Rng) -> Vec<u8> {
    let len = rng.pick(&[0, 1, 4, 8, 13, 16, 24, 64, 128, 300]).copied().unwrap_or(0);
    let byte = rng.next_u64();
    (0..len).map(|i| if byte & 1 == 0 { 0 } else { (byte >> (i % 8 * 8)) as u8 }).collect()
}

fn add_section(model: &mut Model, rng: &mut Rng) {
    let name = some_name(model, rng);
    let kind = rng
        .pick(&[
            SectionType::ProgBits,
            SectionType::ProgBits,
            SectionType::NoBits,
            SectionType::StrTab,
            SectionType::Null,
        ])
        .copied()
        .unwrap_or(SectionType::Null);
    let part = ElfSection {
        kind: kind as u32,
        flags: rng.pick(&ALLOCATED).copied().unwrap_or(0),
        align: rng.pick(&[0, 1, 4, 8, 64, 4096, 2 << 20]).copied().unwrap_or(0),
        data: if kind == SectionType::NoBits { Vec::new() } else { some_bytes(rng) },
        size: if kind == SectionType::NoBits {
            rng.pick(&[0, 1, 4096, 0x400_0000, 0x4000_0000]).copied().unwrap_or(0)
        } else {
            0
        },
        ..ElfSection::default()
    };
    model.add(&name, part);
}

fn copy_section(model: &mut Model, other: Option<&Model>, rng: &mut Rng) {
    let from = other.filter(|other| other.encoding == model.encoding && rng.one_in(2));
    let (name, part) = {
        let from = from.unwrap_or(model);
        let i = some_section(from, rng);
        (from.name(i).to_vec(), from.sections[i].clone())
    };
    model.add(&name, part);
}

/// Removes a section and renumbers the sections behind it, usually with the links to them.
fn remove_section(model: &mut Model, rng: &mut Rng) {
    let gone = some_section(model, rng);
    if model.sections.len() < 2 || gone == model.names && !rng.one_in(4) {
        return;
    }
    model.sections.remove(gone);
    if rng.one_in(4) {
        return;
    }
    renumber(model, |number| if number > gone { number - 1 } else { number });
}

fn swap_sections(model: &mut Model, rng: &mut Rng) {
    let (a, b) = (some_section(model, rng), some_section(model, rng));
    model.sections.swap(a, b);
    if rng.one_in(3) {
        return;
    }
    renumber(model, |number| match number {
        n if n == a => b,
        n if n == b => a,
        n => n,
    });
}

/// Renumbers all section indices.
fn renumber(model: &mut Model, new: impl Fn(usize) -> usize) {
    let encoding = model.encoding;
    model.names = new(model.names);
    for part in &mut model.sections {
        part.link = new(part.link as usize) as u32;
        if part.is(SectionType::Rel) || part.is(SectionType::Rela) || part.is(SectionType::Crel) {
            part.info = new(part.info as usize) as u32;
        }
        if part.is(SectionType::SymTab) {
            for at in (0..part.data.len()).step_by(encoding.symbol()) {
                let section = encoding.get(&part.data, at, symbol::SECTION).unwrap_or(0) as usize;
                if section < usize::from(SHN_LORESERVE.0) {
                    encoding.put(&mut part.data, at, symbol::SECTION, new(section) as u64);
                }
            }
        }
    }
}

fn change_section(model: &mut Model, rng: &mut Rng) {
    let (number, count) = (some_section(model, rng), model.sections.len());
    let name = some_name(model, rng);
    let name = if rng.one_in(3) { model.add_name(&name) } else { rng.below(512) as u32 };
    let other = some_section(model, rng) as u32;
    let part = &mut model.sections[number];
    match rng.below(8) {
        0 => part.name = name,
        1 => part.kind = rng.pick(&SectionType::ALL).copied().map_or(0, |kind| kind as u32),
        2 => part.flags ^= rng.pick(&FLAGS).copied().unwrap_or(0),
        3 => part.link = if rng.one_in(8) { count as u32 } else { other },
        4 => part.info = if rng.one_in(8) { count as u32 } else { other },
        5 => part.align = rng.pick(&[0, 1, 2, 3, 16, 4096, 0x20_0000, 0x40_0000, 1 << 63]).copied().unwrap_or(0),
        6 => part.entry = rng.pick(&[0, 1, 4, 8, 12, 16, 24, 64, u64::MAX]).copied().unwrap_or(0),
        _ => {
            part.size =
                rng.pick(&[0, 1, 0x4000_0000, 0x4000_0000 + 1, 1 << 32, 1 << 63, u64::MAX]).copied().unwrap_or(0)
        }
    }
}

fn contents(model: &mut Model, rng: &mut Rng) {
    let number = some_section(model, rng);
    let data = &mut model.sections[number].data;
    let (at, bytes) = (rng.below(data.len()), some_bytes(rng));
    match rng.below(6) {
        0 => data.clear(),
        1 => data.truncate(at),
        2 => data.extend_from_slice(&bytes),
        3 => drop(data.splice(at..at, bytes)),
        4 => drop(data.pop()),
        _ => {
            if let Some(byte) = data.get_mut(at) {
                *byte = rng.pick(&[0, 1, b'=', 0x7f, 0x80, 0xff]).copied().unwrap_or(0);
            }
        }
    }
}

fn add_symbol(model: &mut Model, rng: &mut Rng) {
    let name = match rng.below(4) {
        0 => Vec::new(),
        1 => [rng.pick(&SYMBOLS).copied().unwrap_or_default(), b"helper"].concat(),
        _ => rng.pick(&SYMBOLS).copied().unwrap_or_default().to_vec(),
    };
    let section = match rng.below(4) {
        0 => 0,
        // SHN_ABS, SHN_COMMON, SHN_XINDEX, SHN_LIVEPATCH, SHN_LORESERVE.
        1 => rng.pick(&[0xfff1, 0xfff2, 0xffff, 0xff20, 0xff00]).copied().unwrap_or(0),
        _ => some_section(model, rng),
    };
    let value = rng.pick(&[0, 1, 4, 16, 1 << 31, u64::MAX]).copied().unwrap_or(0);
    model.add_symbol(&name, rng.pick(&INFOS).copied().unwrap_or(0), section, value);
    if section >= SHN_LORESERVE.0.into() && rng.one_in(2) {
        let (table, _) = model.symbols();
        index_table(model, table, rng);
    }
}

/// Adds or extends the SHT_SYMTAB_SHNDX section.
fn index_table(model: &mut Model, symbols: usize, rng: &mut Rng) {
    let (encoding, count) = (model.encoding, model.symbol_count());
    let table = model.first(SectionType::SymTabShndx).unwrap_or_else(|| {
        let part = ElfSection {
            kind: SectionType::SymTabShndx as u32,
            link: symbols as u32,
            align: 4,
            entry: 4,
            ..ElfSection::default()
        };
        model.add(b".symtab_shndx", part)
    });
    let sections = model.sections.len();
    let data = &mut model.sections[table].data;
    let old = data.len();
    data.resize(count * 4, 0);
    for at in (old..data.len()).step_by(4) {
        encoding.put_number(data, at, 4, rng.below(sections + 1) as u64);
    }
}

/// Repeats some entries of a table, or all of them.
fn repeat_records(model: &mut Model, rng: &mut Rng) {
    let number = some_section(model, rng);
    let part = &mut model.sections[number];
    let entry = (part.entry as usize).clamp(1, 64);
    let first = rng.below(part.data.len() / entry) * entry;
    let piece = if rng.one_in(4) { part.data.clone() } else { part.data[first..].to_vec() };
    if piece.len() <= 16 << 10 {
        part.data.extend_from_slice(&piece);
    }
}

fn add_relocation(model: &mut Model, rng: &mut Rng) {
    let allocated = |i: &usize| model.sections[*i].flags & 2 != 0 && !model.sections[*i].data.is_empty();
    let targets: Vec<usize> = (0..model.sections.len()).filter(allocated).collect();
    let Some(section) = (if rng.one_in(8) { None } else { rng.pick(&targets).copied() }) else {
        let section = some_section(model, rng);
        return model.add_relocation(section, rng.one_in(2), [0; 4]);
    };
    let size = model.sections[section].data.len();
    let offset = match rng.below(6) {
        0 => (size + 4).saturating_sub(rng.below(12)) as u64,
        1 => rng.pick(&[1 << 31, 1 << 32, u64::MAX]).copied().unwrap_or(0),
        _ => rng.below(size) as u64 & !3,
    };
    let symbol = rng.below(model.symbol_count() + 1) as u64;
    let addend = rng.pick(&[0, 4, u64::MAX - 3, 1 << 31, 1 << 63]).copied().unwrap_or(0);
    // Usually keep the addend form of the file.
    let is_rel = model.sections.iter().any(|s| s.is(SectionType::Rel));
    let explicit = if rng.one_in(8) { is_rel } else { !is_rel };
    model.add_relocation(section, explicit, [offset, rng.below(320) as u64, symbol, addend]);
}

/// Adds an SHT_CREL section with random bytes, most of them small numbers.
fn add_compact(model: &mut Model, rng: &mut Rng) {
    let (section, symbols) = (some_section(model, rng), model.symbols().0);
    let count = rng.below(6);
    let mut data = vec![(count * 8 + rng.below(8)) as u8];
    for _ in 0..count * 3 {
        data.push(rng.pick(&[0, 1, 3, 7, 8, 9, 15, 0x7f, 0x80, 0xff]).copied().unwrap_or(0));
    }
    let part = ElfSection {
        kind: SectionType::Crel as u32,
        link: symbols as u32,
        info: section as u32,
        data,
        ..ElfSection::default()
    };
    model.add(b".crel", ElfSection { align: 1, entry: 1, ..part });
}

/// Adds an exported symbol with a CRC and a namespace; one part may be missing.
fn add_export(model: &mut Model, rng: &mut Rng) {
    let name = [b"fuzzed_", &[b'a' + rng.below(8) as u8][..]].concat();
    let gpl = rng.one_in(2);
    let section = |model: &mut Model, name: &[u8], data: &[u8]| {
        let there = model.named(name).unwrap_or_else(|| {
            let part = ElfSection { kind: SectionType::ProgBits as u32, flags: 2, align: 4, ..ElfSection::default() };
            model.add(name, part)
        });
        let contents = &mut model.sections[there].data;
        contents.extend_from_slice(data);
        (there, (contents.len() - data.len()) as u64)
    };
    let text = model.named(b".text").unwrap_or(0);
    let tables: [&[u8]; 2] = if gpl { [b"__ksymtab_gpl", b"__kcrctab_gpl"] } else { [b"__ksymtab", b"__kcrctab"] };
    let (ksymtab, at) = section(model, tables[0], &[0; 12]);
    let (strings, named) = section(model, b"__ksymtab_strings", &[&name, &b"\0NS\0"[..]].concat());
    let drop = rng.below(8);
    if drop != 3 {
        let (kcrctab, crc) = section(model, tables[1], &[1, 2, 3, 4]);
        if rng.one_in(3) {
            let crc_symbol = model.add_symbol(b"", 0x00, 0xfff1, 0x1234_5678);
            model.add_relocation(kcrctab, model.encoding.wide, [crc, 2, crc_symbol as u64, 0]);
        }
    }
    let exported = model.add_symbol(&name, 0x12, text, 0) as u64;
    let strings = model.add_symbol(b"", 0x03, strings, 0) as u64;
    let namespace = named + name.len() as u64 + 1;
    let fields = [(0, exported, 0), (4, strings, named), (8, strings, namespace)];
    for (i, (field, symbol, addend)) in fields.into_iter().enumerate() {
        if i != drop {
            if !model.encoding.wide {
                model.encoding.put_number(&mut model.sections[ksymtab].data, (at + field) as usize, 4, addend);
            }
            model.add_relocation(ksymtab, model.encoding.wide, [at + field, 2, symbol, addend]);
        }
    }
    if rng.one_in(4) {
        section(model, b"__kflagstab", &[rng.below(4) as u8]);
    }
}

fn add_modinfo(model: &mut Model, rng: &mut Rng) {
    let number = model.named(b".modinfo").unwrap_or_else(|| {
        model.add(
            b".modinfo",
            ElfSection { kind: SectionType::ProgBits as u32, flags: 2, align: 1, ..ElfSection::default() },
        )
    });
    let data = &mut model.sections[number].data;
    data.extend_from_slice(rng.pick(&INFO).copied().unwrap_or_default());
    data.resize(data.len() + rng.pick(&[0, 1, 1, 1, 3]).copied().unwrap_or(1), 0);
}

fn add_version(model: &mut Model, rng: &mut Rng) {
    let part = |model: &mut Model, name: &[u8], align: u64| {
        model.named(name).unwrap_or_else(|| {
            model.add(name, ElfSection { kind: SectionType::ProgBits as u32, flags: 2, align, ..ElfSection::default() })
        })
    };
    let (encoding, name) = (model.encoding, rng.pick(&SYMBOLS).copied().unwrap_or_default());
    if rng.one_in(3) {
        let (crcs, names) = (part(model, b"__version_ext_crcs", 4), part(model, b"__version_ext_names", 1));
        model.sections[crcs].data.extend_from_slice(&rng.next_u64().to_le_bytes()[..4]);
        return model.sections[names].data.extend_from_slice(&[name, b"\0"].concat());
    }
    let number = part(model, b"__versions", 32);
    let mut entry = vec![if rng.one_in(8) { b'x' } else { 0 }; 64];
    encoding.put_number(&mut entry, 0, encoding.word(), rng.next_u64());
    entry[encoding.word()..encoding.word() + name.len()].copy_from_slice(name);
    model.sections[number].data.extend_from_slice(&entry);
}

/// Appends a signature, possibly with a wrong length.
fn sign(model: &mut Model, rng: &mut Rng) {
    let len = rng.below(32);
    let lie = rng.pick(&[0, u32::MAX, 1 << 31, 4096]).copied().unwrap_or(0);
    model.tail = signature(&vec![0x30; len], if rng.one_in(3) { lie } else { len as u32 });
}

/// Returns a signature with its trailer, which declares a length of `len` bytes.
pub(crate) fn signature(bytes: &[u8], len: u32) -> Vec<u8> {
    [bytes, &[0, 0, 2, 0, 0, 0, 0, 0], &len.to_be_bytes(), b"~Module signature appended~\n"].concat()
}

fn header(model: &mut Model, rng: &mut Rng) {
    match rng.below(6) {
        0 => model.extended = !model.extended,
        1 => model.headers_first = !model.headers_first,
        2 => model.names = some_section(model, rng),
        // The machines of the built-in plugins, and 0, which is no machine.
        3 => model.machine = rng.pick(&[62, 183, 243, 8, 22, 0]).copied().unwrap_or(0),
        4 => model.flags = rng.pick(&[0, 1, 0x5000_0000, u32::MAX]).copied().unwrap_or(0),
        _ => {
            // The contents of sections keep their encoding.
            if let Some(encoding) = rng.pick(&Encoding::ALL).copied() {
                model.encoding = encoding;
            }
        }
    }
}
