//! The oracles of the engine: its records must say what the file says, and the files that it writes must contain what
//! it read.
//!
//! The host checks that the engine's answers are consistent. These oracles check that they are true, with a parser of
//! their own.

use super::elf::{ET_EXEC, SectionType, View, head, relocation, section, symbol};
use relobox_abi::{Export, Relocation, Section, Span, Symbol, Version, section_flag, symbol_flag};
use relobox_core::areas::ABSENT;
use relobox_link::records::Records;
use relobox_link::stages::apply::Synthetic;
use relobox_link::stages::layout::Layout;
use std::collections::HashSet;

/// A comparison; the error describes the contradiction.
pub(crate) type Agreement = Result<(), String>;

fn same<T: PartialEq + std::fmt::Debug>(what: impl Fn() -> String, says: T, is: T) -> Agreement {
    if says == is { Ok(()) } else { Err(format!("{}: the engine says {says:?}, and it is {is:?}", what())) }
}

/// Compares the records of a file that the engine accepted with the file.
pub(crate) fn records(records: &Records<'_>) -> Agreement {
    let unsigned = &records.file[..records.file.len() - signature(records.file)];
    let view = View::of(unsigned).ok_or("there are no section headers in it")?;
    let p = records.parsed;
    let head = |field| view.encoding.get(unsigned, 0, field).unwrap_or(0);
    same(|| "e_machine".into(), u64::from(p.machine), head(head::MACHINE))?;
    same(|| "e_flags".into(), u64::from(p.elf_flags), head(head::FLAGS))?;
    same(|| "class and order".into(), (p.class == 64, p.order == 2), (view.encoding.wide, view.encoding.big))?;
    same(|| "the signature's length".into(), p.signature as usize, signature(records.file))?;
    same(|| "the number of sections".into(), records.sections.len(), view.count)?;
    for (i, s) in records.sections.iter().enumerate().skip(1) {
        one_section(records, &view, i, s)?;
    }
    symbols(records, &view)?;
    relocations(records, &view)?;
    linux(records, &view)
}

/// Returns the length of the appended signature with its trailer, or 0.
fn signature(file: &[u8]) -> usize {
    let magic = b"~Module signature appended~\n";
    let Some(len) = file.strip_suffix(magic).and_then(|rest| rest.last_chunk()) else { return 0 };
    let all = u32::from_be_bytes(*len) as usize + 12 + magic.len();
    if all <= file.len() { all } else { 0 }
}

fn one_section(records: &Records<'_>, view: &View<'_>, i: usize, s: &Section) -> Agreement {
    let what = |field: &'static str| move || format!("{field} of section {i}");
    let get = |field| view.get(i, field);
    same(what("the name"), records.bytes(s.name), view.name(i))?;
    if view.is(i, SectionType::Null) {
        return same(what("all"), Section { name: s.name, align: 1, ..Section::default() }, *s);
    }
    same(what("sh_type"), u64::from(s.kind), get(section::TYPE))?;
    same(what("sh_flags"), s.flags, get(section::FLAGS))?;
    same(what("sh_size"), s.size, get(section::SIZE))?;
    same(what("sh_addralign"), s.align, get(section::ALIGN).max(1))?;
    let is = view.span(i).map_or(Span::default(), |(at, len)| Span { at: at as u32, len: len as u32 });
    same(what("the contents"), s.data, is)
}

fn symbols(records: &Records<'_>, view: &View<'_>) -> Agreement {
    let Some(table) = view.first(SectionType::SymTab) else {
        return same(|| "the number of symbols".into(), records.symbols.len(), 1);
    };
    let (encoding, data) = (view.encoding, view.data(table));
    same(|| "the number of symbols".into(), records.symbols.len(), (data.len() / encoding.symbol()).max(1))?;
    let strings = view.get(table, section::LINK) as usize;
    let indices =
        (0..view.count).find(|i| view.is(*i, SectionType::SymTabShndx) && view.get(*i, section::LINK) == table as u64);
    for (i, s) in records.symbols.iter().enumerate().skip(1) {
        let what = |field: &'static str| move || format!("{field} of symbol {i}");
        let get = |field| encoding.get(data, i * encoding.symbol(), field).unwrap_or(0);
        // A symbol whose st_name is 0 has no name, even if the string table begins with text.
        let name = match get(symbol::NAME) {
            0 => b"",
            at => view.text(strings, at),
        };
        same(what("the name"), records.bytes(s.name), name)?;
        same(what("st_value"), s.value, get(symbol::VALUE))?;
        same(what("st_size"), s.size, get(symbol::SIZE))?;
        same(what("st_info"), s.info.into(), get(symbol::INFO))?;
        same(what("st_other"), s.other.into(), get(symbol::OTHER))?;
        let (mut flags, mut section) = (0, 0);
        match get(symbol::SECTION) {
            0 => flags = symbol_flag::UNDEFINED,
            0xfff1 => flags = symbol_flag::ABSOLUTE,
            0xfff2 => flags = symbol_flag::COMMON,
            0xff20 => flags = symbol_flag::LIVEPATCH,
            0xffff => section = indices.and_then(|x| encoding.number(view.data(x), i * 4, 4)).unwrap_or(u64::MAX),
            index => section = index,
        }
        let known = symbol_flag::UNDEFINED | symbol_flag::ABSOLUTE | symbol_flag::COMMON | symbol_flag::LIVEPATCH;
        same(what("the section"), (u64::from(s.section), s.flags & known), (section, flags))?;
        let (weak, local) = (s.flags & symbol_flag::WEAK != 0, s.flags & symbol_flag::LOCAL != 0);
        same(what("the binding"), (weak, local), (s.info >> 4 == 2, s.info >> 4 == 0))?;
    }
    Ok(())
}

fn relocations(records: &Records<'_>, view: &View<'_>) -> Agreement {
    let mut groups = records.groups.iter();
    let patched = |i: &usize| {
        let target = view.get(*i, section::INFO) as usize;
        let left = view.is(*i, SectionType::Rela) && view.get(*i, section::FLAGS) & section_flag::RELA_LIVEPATCH != 0;
        [SectionType::Rel, SectionType::Rela, SectionType::Crel].iter().any(|kind| view.is(*i, *kind))
            && !left
            && view.get(target, section::FLAGS) & section_flag::ALLOC != 0
            && !view.is(target, SectionType::Null)
            && view.get(*i, section::SIZE) != 0
    };
    for i in (0..view.count).filter(patched) {
        let group = groups.next().ok_or_else(|| format!("the relocations of section {i} are missing"))?;
        let target = view.get(i, section::INFO);
        same(|| "a relocation table".into(), (group.source as usize, u64::from(group.section)), (i, target))?;
        if view.is(i, SectionType::Crel) {
            compact(i, view, group.flags & 1 == 0, records.relocations_of(group))?;
            continue;
        }
        let (explicit, encoding) = (view.is(i, SectionType::Rela), view.encoding);
        same(|| format!("what table {i} is"), group.flags & 1 == 0, explicit)?;
        let (entry, data) = (encoding.relocation(explicit), view.data(i));
        let of_group = records.relocations_of(group);
        same(|| format!("the number of relocations in table {i}"), of_group.len(), data.len() / entry)?;
        for (n, r) in of_group.iter().enumerate() {
            let what = |field: &'static str| move || format!("{field} of relocation {n} in table {i}");
            let get = |field| encoding.get(data, n * entry, field).unwrap_or(0);
            same(what("r_offset"), r.offset, get(relocation::OFFSET))?;
            let addend = match (explicit, encoding.wide) {
                (false, _) => 0,
                (true, true) => get(relocation::ADDEND).cast_signed(),
                (true, false) => i64::from((get(relocation::ADDEND) as u32).cast_signed()),
            };
            same(what("r_addend"), r.addend, addend)?;
            let info = get(relocation::INFO);
            // On MIPS, little-endian 64-bit files have another layout of r_info.
            let packed = (info as u32, ((info >> 32) as u32).swap_bytes());
            let plain = if encoding.wide {
                ((info >> 32) as u32, info as u32)
            } else {
                ((info >> 8) as u32, info as u8 as u32)
            };
            let is = if encoding.wide && !encoding.big && (r.symbol, r.kind) == packed { packed } else { plain };
            same(what("symbol and type"), (r.symbol, r.kind), is)?;
        }
    }
    match groups.next() {
        Some(group) => Err(format!("section {} has no relocations of an allocated section", group.source)),
        None => Ok(()),
    }
}

/// Compares the SHT_CREL section `i`, whose numbers are read in one pass with arbitrary width and then added up.
fn compact(i: usize, view: &View<'_>, explicit: bool, says: &[Relocation]) -> Agreement {
    let mut bytes = view.data(i).iter().copied();
    let mut number = |mut first: Option<u8>| {
        let (mut value, mut shift) = (0i128, 0);
        loop {
            let byte = first.take().or_else(|| bytes.next())?;
            value |= i128::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some((value, if byte & 0x40 != 0 { value - (1 << shift) } else { value }));
            }
        }
    };
    let cut = || format!("table {i} ends early");
    let (header, _) = number(None).ok_or_else(cut)?;
    let flags = if header & 4 != 0 { 3 } else { 2 };
    let count = || format!("the number of relocations in table {i}, and whether they have addends");
    same(count, (says.len() as i128, explicit), (header >> 3, flags == 3))?;
    let mut sums = [0i128; 4];
    for (n, r) in says.iter().enumerate() {
        // Flags and offset form one number of up to 67 bits.
        let (first, _) = number(None).ok_or_else(cut)?;
        sums[0] += first >> flags;
        for flag in (0..flags).filter(|flag| first >> flag & 1 != 0) {
            sums[flag + 1] += number(None).ok_or_else(cut)?.1;
        }
        let [offset, symbol, kind, addend] = sums;
        let (offset, addend) = match view.encoding.wide {
            true => ((offset << (header & 3)) as u64, addend as i64),
            false => (u64::from((offset << (header & 3)) as u32), i64::from(addend as i32)),
        };
        let is = Relocation { offset, addend, kind: kind as u32, symbol: symbol as u32 };
        same(|| format!("relocation {n} of table {i}"), *r, is)?;
    }
    same(|| format!("what is left of table {i}"), bytes.count(), 0)
}

/// Compares the data that Linux stores in modules.
fn linux(records: &Records<'_>, view: &View<'_>) -> Agreement {
    let named = |name: &'static [u8]| (1..view.count).filter(move |i| view.name(*i) == name);
    let mut said = records.modinfo.iter();
    for entry in named(b".modinfo").flat_map(|i| view.data(i).split(|b| *b == 0)).filter(|e| !e.is_empty()) {
        let equals = entry.iter().position(|b| *b == b'=').unwrap_or(entry.len());
        let is = (&entry[..equals], entry.get(equals + 1..).unwrap_or_default());
        let says = said.next().map(|pair| (records.bytes(pair.key), records.bytes(pair.value)));
        same(|| "modinfo".into(), says, Some(is))?;
    }
    same(|| "what is left of modinfo".into(), said.next(), None)?;
    let mut said = records.versions.iter();
    let mut in_versions = 0;
    for entry in named(b"__versions").flat_map(|i| view.data(i).chunks(64)) {
        in_versions += 1;
        let word = view.encoding.word();
        let crc = view.encoding.number(entry, if view.encoding.big { word - 4 } else { 0 }, 4).unwrap_or(0);
        let name = entry[word..].split(|b| *b == 0).next().unwrap_or_default();
        let says = said.next().map(|v| (records.bytes(v.name), u64::from(v.crc)));
        same(|| "a version".into(), says, Some((name, crc)))?;
    }
    let mut texts = named(b"__version_ext_names").take(1).flat_map(|i| view.data(i).split(|b| *b == 0));
    for crc in named(b"__version_ext_crcs").take(1).flat_map(|i| view.data(i).chunks(4)) {
        let is = (texts.next().unwrap_or_default(), view.encoding.number(crc, 0, 4).unwrap_or(0));
        let has = |v: &Version| (records.bytes(v.name), u64::from(v.crc)) == is;
        // An entry that is also in `__versions` occurs once in the records.
        if !records.versions[..in_versions].iter().any(has) {
            same(|| "an extended version".into(), said.next().is_some_and(has), true)?;
        }
    }
    same(|| "what is left of the versions".into(), said.next(), None)?;
    let named = |i: u32, name: &[u8]| {
        let s = records.symbols.get(i as usize).filter(|s| s.section != 0);
        i == 0 || s.is_some_and(|s| records.bytes(s.name) == name)
    };
    same(|| "init and exit".into(), (true, true), {
        let p = records.parsed;
        (named(p.init, b"init_module"), named(p.exit, b"cleanup_module"))
    })?;
    records.exports.iter().try_for_each(|e| export(records, view, e))
}

/// Checks that an export table has an entry for an export: three places at equal distances.
fn export(records: &Records<'_>, view: &View<'_>, e: &Export) -> Agreement {
    let leads_to = |section: usize, r: &Relocation, in_place: bool, width: usize| {
        // SuperH's linker leaves addends in place beside records that could have them.
        let in_place = in_place || r.addend == 0;
        let addend = match view.encoding.number(view.data(section), r.offset as usize, width) {
            Some(number) if in_place && width == 4 => i64::from((number as u32).cast_signed()),
            Some(number) if in_place => number.cast_signed(),
            _ => r.addend,
        };
        let symbol = records.symbols.get(r.symbol as usize).copied().unwrap_or_default();
        (symbol.section as usize, symbol.value.wrapping_add_signed(addend), addend)
    };
    let tables = records.groups.iter().filter(|group| view.name(group.section as usize).starts_with(b"__ksymtab"));
    let found = tables.clone().any(|table| {
        [4, view.encoding.word()].into_iter().any(|width| {
            // A table may have several relocation sections.
            let all = || {
                let groups = tables.clone().filter(|group| group.section == table.section);
                groups.flat_map(|group| records.relocations_of(group).iter().map(move |r| (r, group.flags & 1 != 0)))
            };
            let leads = |r: &Relocation, in_place| leads_to(table.section as usize, r, in_place, width);
            let reads = |at: u64, text: &[u8]| {
                all().filter(|(r, _)| r.offset == at).any(|(r, in_place)| {
                    let (section, at, _) = leads(r, in_place);
                    view.text(section, at) == text
                })
            };
            let [name, namespace] = [e.name, e.namespace].map(|text| records.bytes(text));
            all().any(|(r, in_place)| {
                r.symbol == e.symbol
                    && leads(r, in_place).2 as u32 == e.offset
                    && reads(r.offset + width as u64, name)
                    && (namespace.is_empty() || reads(r.offset + 2 * width as u64, namespace))
            })
        })
    });
    same(|| format!("the export {}", relobox_core::text::decoded(records.bytes(e.name))), found, true)
}

/// Compares a linked file with the module and its layout.
pub(crate) fn linked(records: &Records<'_>, layout: &Layout, made: &Synthetic, file: &[u8]) -> Agreement {
    let view = View::of(file).ok_or("the linked file has no section headers")?;
    same(|| "e_type".into(), view.encoding.get(file, 0, head::TYPE), Some(ET_EXEC.0.into()))?;
    let placed = |i: &usize| layout.addresses[*i] != ABSENT && records.sections[*i].flags & section_flag::ALLOC != 0;
    let mut next = 1;
    // Symbol tables, relocations and section groups become SHT_PROGBITS, since they do not describe the linked file.
    let tables = [2, 4, 5, 6, 9, 11, 17, 18, 19, 0x4000_0014];
    for i in (0..records.sections.len()).filter(placed) {
        let s = &records.sections[i];
        let what = |field: &'static str| move || format!("{field} of section {next} of the linked file");
        let get = |field| view.get(next, field);
        same(what("the name"), view.name(next), records.bytes(s.name))?;
        let wide = |value: u64| if view.encoding.wide { value } else { u64::from(value as u32) };
        same(what("sh_addr"), get(section::ADDR), wide(layout.addresses[i]))?;
        same(
            what("size, alignment and type"),
            [section::SIZE, section::ALIGN, section::TYPE].map(get),
            [s.size, s.align, if tables.contains(&s.kind) { SectionType::ProgBits as u32 } else { s.kind }.into()],
        )?;
        same(what("the contents"), view.data(next), records.bytes(s.data))?;
        next += 1;
    }
    let is = (view.name(next), view.get(next, section::ADDR), view.data(next));
    let says = (made.wanted.name.as_bytes(), made.address, made.contents.as_slice());
    same(|| "the added section of the linked file".into(), is, says)?;
    let kept = |s: &&Symbol| {
        let i = s.section as usize;
        s.name.len != 0 && (i == 0 || placed(&i))
    };
    let symbols = records.symbols.iter().skip(1).filter(kept).count() + 1;
    let table = view.first(SectionType::SymTab).map(|i| view.data(i).len() / view.encoding.symbol());
    same(|| "the number of symbols of the linked file".into(), table, Some(symbols))
}

/// Compares a module before and after its relocations were applied and the sections `made` were added.
pub(crate) fn relocated(before: &Records<'_>, after: &Records<'_>, made: &[Synthetic]) -> Agreement {
    let old = before.sections.len();
    let more = if made.is_empty() { 0 } else { made.len() + 1 };
    same(|| "the number of sections".into(), after.sections.len(), old + more)?;
    let void: HashSet<u32> = before.groups.iter().map(|g| g.source).collect();
    for (i, (b, a)) in (0..).zip(before.sections.iter().zip(after.sections)) {
        let what = |field: &'static str| move || format!("{field} of section {i} of the relocated file");
        same(what("the name"), after.bytes(a.name), before.bytes(b.name))?;
        if void.contains(&i) {
            same(what("type and size"), (a.kind, a.size), (0, 0))?;
            continue;
        }
        same(what("all"), Section { name: b.name, ..*a }, *b)?;
        same(what("the contents"), after.bytes(a.data), before.bytes(b.data))?;
    }
    for (a, m) in after.sections[old..].iter().zip(made) {
        let (says, is) =
            ((after.bytes(a.name), after.bytes(a.data)), (m.wanted.name.as_bytes(), m.contents.as_slice()));
        same(|| "an added section".into(), says, is)?;
    }
    same(|| "the symbols".into(), after.symbols, before.symbols)?;
    same(|| "the number of relocations".into(), after.relocations.len(), 0)?;
    same(|| "init and exit".into(), (after.parsed.init, after.parsed.exit), (before.parsed.init, before.parsed.exit))?;
    same(|| "the signature".into(), after.parsed.signature, 0)
}
