//! Exports, from the tables alone; and the versions that a module was compiled against.

mod elf;

use elf::{Elf, FORMS, REL, RELA};
use relobox_abi::{Export, Span, export_flag, fault, parse as mode};
use relobox_engine::{Module, parse};

/// How a table is written.
#[derive(Clone, Copy, Debug)]
struct Shape {
    form: (bool, bool),
    /// Distances of 32 bits, not addresses.
    relative: bool,
    /// Addends are in the relocations, not in place.
    explicit: bool,
    /// Or in place all the same, as on SuperH: those of the relocations are 0.
    beside: bool,
    /// Two fields, as before Linux 5.4.
    old: bool,
    /// Each distance is two relocations, as on RISC-V: one adds, the other takes the place off.
    pairs: bool,
}

fn shapes() -> impl Iterator<Item = Shape> {
    (0..128).filter_map(|n: usize| {
        let bit = |i: usize| n >> i & 1 != 0;
        let (form, explicit, beside) = (FORMS[n & 3], bit(3), bit(6));
        let shape = Shape { form, relative: bit(2), explicit, beside, old: bit(4), pairs: bit(5) };
        let pairs = !shape.pairs || shape.relative && explicit && !beside;
        (pairs && (explicit || !beside)).then_some(shape)
    })
}

/// What is exported: name, namespace, offset in `.text`.
type ExpectedExport = (&'static str, &'static str, u64);

/// How CRCs are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Crcs {
    None,
    /// As numbers.
    Plain,
    /// As absolute symbols, in words.
    Absolute,
    /// As distances to the numbers (CONFIG_MODULE_REL_CRCS).
    Relative,
}

/// A file with one table.
fn with_table(shape: Shape, table: &'static str, exports: &[ExpectedExport], crcs: Crcs) -> Elf {
    let mut elf = Elf::new(62, shape.form);
    let text = elf.plain(".text", &[0; 64]);
    // Names stand behind others, as in a linked module.
    let mut strings = b"rubbish\0".to_vec();
    let mut text_of = |text: &str| {
        strings.extend([text.as_bytes(), &[0]].concat());
        (strings.len() - text.len() - 1) as u64
    };
    let names: Vec<_> = exports.iter().map(|(name, namespace, _)| (text_of(name), text_of(namespace))).collect();
    let strings = elf.plain("__ksymtab_strings", &strings);
    let of_text = elf.symbol("", 3, text, 0);
    let of_strings = elf.symbol("", 3, strings, 0);
    let field = if shape.relative { 4 } else { elf.word() };
    let entry = field * if shape.old { 2 } else { 3 };
    let ksymtab = elf.plain(table, &vec![0; entry * exports.len()]);
    let of_ksymtab = elf.symbol("", 3, ksymtab, 0);
    let mut relocations = Vec::new();
    let put = |elf: &mut Elf, relocations: &mut Vec<u8>, at: usize, symbol: u32, addend: u64| {
        if shape.explicit && !shape.beside {
            relocations.extend(elf.relocation(at as u64, symbol, 2, Some(addend as i64)));
        } else {
            let number = elf.number(addend, field);
            elf.sections[ksymtab as usize].data[at..at + field].copy_from_slice(&number);
            relocations.extend(elf.relocation(at as u64, symbol, 2, shape.explicit.then_some(0)));
        }
        if shape.pairs {
            relocations.extend(elf.relocation(at as u64, of_ksymtab, 39, Some(at as i64)));
        }
    };
    for (i, ((name, _, offset), (at, namespace))) in exports.iter().zip(&names).enumerate() {
        // Every other one is local, and known by its section only.
        let (symbol, addend) = if i % 2 == 0 { (elf.symbol(name, 0x12, text, *offset), 0) } else { (of_text, *offset) };
        put(&mut elf, &mut relocations, i * entry, symbol, addend);
        put(&mut elf, &mut relocations, i * entry + field, of_strings, *at);
        if !shape.old {
            put(&mut elf, &mut relocations, i * entry + 2 * field, of_strings, *namespace);
        }
    }
    elf.table(".rel_of_exports", if shape.explicit { RELA } else { REL }, ksymtab, relocations);
    add_crcs(&mut elf, if table == "__ksymtab" { "__kcrctab" } else { "__kcrctab_gpl" }, exports.len(), crcs);
    elf
}

fn crc_of(i: usize) -> u32 {
    0x1111_1111 * (i as u32 + 9)
}

fn add_crcs(elf: &mut Elf, name: &'static str, count: usize, crcs: Crcs) {
    let numbers: Vec<u8> = (0..count).flat_map(|i| elf.number(crc_of(i).into(), 4)).collect();
    match crcs {
        Crcs::None => {}
        Crcs::Plain => drop(elf.plain(name, &numbers)),
        Crcs::Absolute => {
            let word = elf.word();
            let table = elf.plain(name, &vec![0; word * count]);
            let mut data = Vec::new();
            for i in 0..count {
                let symbol = elf.symbol("", 0x10, 0xfff1, crc_of(i).into());
                data.extend(elf.relocation((i * word) as u64, symbol, 1, Some(0)));
            }
            elf.table(".rela_of_crcs", RELA, table, data);
        }
        Crcs::Relative => {
            let there = elf.plain(".rodata", &numbers);
            let symbol = elf.symbol("", 3, there, 0);
            let table = elf.plain(name, &vec![0; 4 * count]);
            let data = (0..count)
                .flat_map(|i| elf.relocation(4 * i as u64, symbol, 2, Some(4 * i as i64)))
                .collect::<Vec<_>>();
            elf.table(".rela_of_crcs", RELA, table, data);
        }
    }
}

fn text(file: &[u8], span: Span) -> &str {
    std::str::from_utf8(&file[span.at as usize..][..span.len as usize]).unwrap()
}

fn value(module: &Module, e: &Export) -> u64 {
    module.symbols[e.symbol as usize].value + u64::from(e.offset)
}

#[test]
fn tables_of_every_shape_are_read() {
    let wanted: [ExpectedExport; 4] =
        [("zeta", "", 8), ("alpha", "NS", 16), ("mid", "module:a,b-*", 0), ("beta", "", 63)];
    for shape in shapes() {
        for crcs in [Crcs::None, Crcs::Plain, Crcs::Absolute, Crcs::Relative] {
            for (table, gpl) in [("__ksymtab", false), ("__ksymtab_gpl", true)] {
                for count in 1..=wanted.len() {
                    let file = with_table(shape, table, &wanted[..count], crcs).write();
                    let module = parse(&file, mode::ALL).expect("a module");
                    let some = parse(&file, mode::EXPORTS).expect("a module");
                    assert_eq!(module.exports, some.exports);
                    assert!(some.relocations.is_empty() && some.groups.is_empty());
                    let mut expected: Vec<_> = wanted[..count].iter().zip(0..).collect();
                    expected.sort_unstable();
                    let found = module.exports.iter().map(|e| {
                        let crc = (e.flags & export_flag::CRC != 0).then_some(e.crc);
                        let gpl = e.flags & export_flag::GPL != 0;
                        (text(&file, e.name), text(&file, e.namespace), value(&module, e), gpl, crc)
                    });
                    let expected = expected.into_iter().map(|((name, namespace, offset), i)| {
                        let crc = (crcs != Crcs::None).then(|| crc_of(i));
                        (*name, if shape.old { "" } else { *namespace }, *offset, gpl, crc)
                    });
                    let (found, expected): (Vec<_>, Vec<_>) = (found.collect(), expected.collect());
                    assert_eq!(found, expected, "{shape:?} {crcs:?} {table}");
                }
            }
        }
    }
}

const SHAPE: Shape = Shape { form: FORMS[0], relative: true, explicit: true, beside: false, old: false, pairs: false };

/// Linux 7.0: one table, and a byte of flags for each entry.
#[test]
fn flags_of_exports_are_read() {
    let wanted: [ExpectedExport; 3] = [("a", "", 0), ("b", "", 1), ("c", "", 2)];
    for (flags, expected) in [
        (&[0, 1, 2][..], [false, true, false]),
        (&[3, 0xfe, 0xff], [true, false, true]),
        (&[1], [true, false, false]),
        (&[], [false; 3]),
        (&[1; 9], [true; 3]),
    ] {
        let mut elf = with_table(SHAPE, "__ksymtab", &wanted, Crcs::Plain);
        elf.plain("__kflagstab", flags);
        let module = parse(&elf.write(), mode::ALL).expect("a module");
        let gpl: Vec<_> = module.exports.iter().map(|e| e.flags & export_flag::GPL != 0).collect();
        assert_eq!(gpl, expected, "{flags:?}");
    }
}

/// What the kernel looks for is the first section of that name in memory.
#[test]
fn other_sections_are_no_tables() {
    for name in ["___ksymtab+a", "__ksymtab_mine", "__ksymtab_strings"] {
        let module = parse(&with_table(SHAPE, name, &[("a", "", 0)], Crcs::None).write(), mode::ALL).expect("a module");
        assert!(module.exports.is_empty(), "{name}");
    }
    let mut elf = with_table(SHAPE, "__ksymtab", &[("a", "", 0)], Crcs::None);
    elf.sections.iter_mut().find(|s| s.name == "__ksymtab").unwrap().flags = 0;
    assert!(parse(&elf.write(), mode::ALL).expect("a module").exports.is_empty());
}

/// A symbol `__ksymtab_NAME` exports nothing by itself.
#[test]
fn names_of_symbols_are_no_exports() {
    let mut elf = Elf::new(62, FORMS[0]);
    let text = elf.plain(".text", &[0; 16]);
    let ksymtab = elf.plain("__ksymtab", &[0; 12]);
    elf.symbol("__ksymtab_f", 0, ksymtab, 0);
    elf.symbol("f", 0x12, text, 0);
    assert!(parse(&elf.write(), mode::ALL).expect("a module").exports.is_empty());
}

#[test]
fn tables_that_lead_nowhere_are_refused() {
    // Cut, so that a name is missing, or the last entry is not whole.
    for lose in [1, 2] {
        let mut elf = with_table(SHAPE, "__ksymtab", &[("a", "", 0), ("b", "", 1)], Crcs::None);
        let table = elf.sections.iter_mut().find(|s| s.name == ".rel_of_exports").unwrap();
        table.data.drain(24 * (lose - 1)..24 * lose);
        let error = parse(&elf.write(), mode::ALL).expect_err("an entry without a name");
        assert!(error.text.contains("refer to its name"), "{}", error.text);
    }
    let mut elf = with_table(SHAPE, "__ksymtab", &[("a", "", 0)], Crcs::None);
    elf.sections.iter_mut().find(|s| s.name == "__ksymtab").unwrap().data.push(0);
    assert_eq!(parse(&elf.write(), mode::ALL).expect_err("a rest").fault.kind, fault::MALFORMED);
}

/// Each entry may have the same long name; somebody will keep them all.
#[test]
fn names_of_exports_have_a_limit() {
    let mut elf = Elf::new(62, FORMS[0]);
    let text = elf.plain(".text", &[0; 64]);
    let strings = elf.plain("__ksymtab_strings", &[vec![b'x'; 60_000], vec![0]].concat());
    let (text, strings) = (elf.symbol("", 3, text, 0), elf.symbol("", 3, strings, 0));
    let count = 1000;
    let ksymtab = elf.plain("__ksymtab", &vec![0; 12 * count]);
    let mut data = Vec::new();
    for i in 0..count as u64 {
        data.extend(elf.relocation(12 * i, text, 2, Some(0)));
        data.extend(elf.relocation(12 * i + 4, strings, 2, Some(i as i64)));
    }
    elf.table(".rela", RELA, ksymtab, data);
    assert_eq!(parse(&elf.write(), mode::ALL).expect_err("long names").fault.kind, fault::TOO_LARGE);
}

fn versions(file: &[u8]) -> Vec<(String, u32)> {
    let module = parse(file, mode::ALL).expect("a module");
    module.versions.iter().map(|v| (text(file, v.name).to_owned(), v.crc)).collect()
}

#[test]
fn both_tables_of_versions_are_read() {
    let long = "_RNvNtCs_a_symbol_name_longer_than_the_fifty_five_bytes_that_fit_in_versions";
    for form in FORMS {
        let mut elf = Elf::new(62, form);
        let crcs: Vec<u8> = [1, 2, 3].into_iter().flat_map(|crc| elf.number(crc, 4)).collect();
        elf.plain("__version_ext_crcs", &crcs);
        elf.plain("__version_ext_names", format!("module_layout\0{long}\0other\0").as_bytes());
        let extended = [("module_layout".to_owned(), 1), (long.to_owned(), 2), ("other".to_owned(), 3)];
        assert_eq!(versions(&elf.write()), extended);
        // Of what the basic table has as well, the same is not said twice, and what differs is.
        let mut basic = Vec::new();
        for (name, crc) in [("module_layout", 1), ("other", 9)] {
            let mut entry = elf.number(crc, elf.word());
            entry.extend(name.as_bytes());
            entry.resize(64, 0);
            basic.extend(entry);
        }
        elf.plain("__versions", &basic);
        let both = [("module_layout", 1), ("other", 9), (long, 2), ("other", 3)];
        assert_eq!(versions(&elf.write()), both.map(|(name, crc)| (name.to_owned(), crc)));
    }
}

#[test]
fn broken_tables_of_versions_are_refused() {
    for (crcs, names, words) in [
        (Some(&[0; 4][..]), None, "both"),
        (None, Some(&b"a\0"[..]), "both"),
        (Some(&[0; 5]), Some(b"a\0"), "whole number"),
        (Some(&[0; 4]), Some(b"a"), "does not end"),
        (Some(&[0; 8]), Some(b"a\0"), "does not end"),
        (Some(&[0; 4]), Some(b""), "does not end"),
    ] {
        let mut elf = Elf::new(62, FORMS[0]);
        crcs.map(|crcs| elf.plain("__version_ext_crcs", crcs));
        names.map(|names| elf.plain("__version_ext_names", names));
        let error = parse(&elf.write(), mode::ALL).expect_err(words);
        assert!(error.text.contains(words), "{}", error.text);
    }
}
