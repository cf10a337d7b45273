//! Relocation tables in each form, known by their fields and not by their names.

mod elf;

use elf::{ALLOC, CREL, Elf, FORMS, REL, RELA, Section};
use object::read::elf::CrelIterator;
use relobox_abi::{Relocation, fault, group_flag, parse as mode, symbol_flag};
use relobox_engine::{ElfError, Module, parse, void_relocations};

const X86_64: u16 = 62;

/// `.text` of 64 bytes, and symbols 1 to 3.
fn with_text(machine: u16, form: (bool, bool)) -> (Elf, u32) {
    let mut elf = Elf::new(machine, form);
    let text = elf.plain(".text", &[0; 64]);
    for name in ["a", "b", "c"] {
        elf.symbol(name, 0x10, 0, 0);
    }
    (elf, text)
}

fn read(elf: &Elf) -> Result<Module, ElfError> {
    parse(&elf.write(), mode::ALL)
}

fn refused(elf: &Elf, words: &str) {
    let error = read(elf).expect_err(words);
    assert_eq!(error.fault.kind, fault::MALFORMED, "{}", error.text);
    assert!(error.text.contains(words), "{}", error.text);
}

/// A compact table, by the specification; offsets in units of `1 << shift`.
fn compact(list: &[Relocation], explicit: bool, shift: u64) -> Vec<u8> {
    let mut out = Vec::new();
    unsigned(&mut out, (list.len() as u128) << 3 | u128::from(explicit) << 2 | u128::from(shift));
    let bits = if explicit { 3 } else { 2 };
    let (mut offset, mut last) = (0u64, [0i64; 3]);
    for r in list {
        let delta = (r.offset >> shift).wrapping_sub(offset) & u64::MAX >> shift;
        offset = r.offset >> shift;
        let now = [i64::from(r.symbol), i64::from(r.kind), r.addend];
        let differs = (0..bits).filter(|i| now[*i] != last[*i]);
        let flags: u128 = differs.clone().map(|i| 1 << i).sum();
        unsigned(&mut out, u128::from(delta) << bits | flags);
        for i in differs {
            signed(&mut out, now[i].wrapping_sub(last[i]));
        }
        last = now;
    }
    out
}

fn unsigned(out: &mut Vec<u8>, mut value: u128) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn signed(out: &mut Vec<u8>, mut value: i64) {
    while !(-64..64).contains(&value) {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8 & 0x7f);
}

fn r(offset: u64, symbol: u32, kind: u32, addend: i64) -> Relocation {
    Relocation { offset, addend, kind, symbol }
}

#[test]
fn compact_tables_say_the_same_as_wide_ones() {
    let list = [r(4, 1, 2, -4), r(16, 3, 2, -4), r(8, 3, 4, i64::from(i32::MAX)), r(60, 2, 4, i64::from(i32::MIN))];
    for form in FORMS {
        for explicit in [true, false] {
            let list = list.map(|r| Relocation { addend: if explicit { r.addend } else { 0 }, ..r });
            let (mut elf, text) = with_text(X86_64, form);
            let bytes = |elf: &Elf| {
                let one = |r: &Relocation| elf.relocation(r.offset, r.symbol, r.kind, explicit.then_some(r.addend));
                list.iter().flat_map(one).collect()
            };
            let table = bytes(&elf);
            elf.table(".wide", if explicit { RELA } else { REL }, text, table);
            let wide = read(&elf).expect("a wide table");
            for shift in [0, 1, 2] {
                let (mut elf, text) = with_text(X86_64, form);
                let table = elf.table(".crel.text", CREL, text, compact(&list, explicit, shift));
                let narrow = read(&elf).expect("a compact table");
                assert_eq!(narrow.relocations, wide.relocations, "{form:?} {explicit} {shift}");
                assert_eq!(narrow.relocations, list);
                assert_eq!(narrow.groups.len(), 1);
                let group = narrow.groups[0];
                assert_eq!((group.section, group.source, group.count), (text, table, 4));
                assert_eq!(group.flags & group_flag::IN_PLACE != 0, !explicit);
            }
        }
    }
}

/// Everything that the numbers' size allows, against another reader.
#[test]
fn compact_tables_agree_with_another_reader() {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> (state >> 58)
    };
    for round in 0..500 {
        let (explicit, shift) = (round % 2 == 0, round % 4);
        let one = |next: &mut dyn FnMut() -> u64| {
            let addend = if explicit { next() as i64 } else { 0 };
            r(next() >> shift << shift, next() as u32, next() as u32, addend)
        };
        let list: Vec<_> = (0..round % 9).map(|_| one(&mut next)).collect();
        let bytes = compact(&list, explicit, shift);
        let (mut elf, text) = with_text(X86_64, FORMS[0]);
        elf.table(".crel.text", CREL, text, bytes.clone());
        let module = read(&elf).expect("a table");
        assert_eq!(module.relocations, list, "{bytes:x?}");
        let other: Vec<_> = CrelIterator::new(&bytes).unwrap().map(Result::unwrap).collect();
        let other = other.iter().map(|c| r(c.r_offset, c.r_sym, c.r_type.0, c.r_addend));
        assert!(other.eq(list), "{bytes:x?}");
    }
}

#[test]
fn broken_compact_tables_are_refused() {
    let long = [vec![0x80; 10], vec![0]].concat();
    for (bytes, words) in [
        (vec![8 | 4], "fewer bytes"),
        (vec![16 | 4, 7], "fewer bytes"),
        // As many as there are numbers, truncated to 32 bits or not.
        ([vec![0x8c, 0x80, 0x80, 0x80, 0x80, 0x01], vec![0; 9]].concat(), "fewer bytes"),
        (vec![0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0], "fewer bytes"),
        (vec![8 | 4, 7, 1, 1], "ends inside"),
        (vec![8 | 4, 0x80], "ends inside"),
        (vec![0x80], "ends inside"),
        (vec![8 | 4, 0, 0], "bytes after"),
        (vec![0, 1], "bytes after"),
        (long.clone(), "more than 64 bits"),
        ([vec![8 | 4, 0x80], long.clone()].concat(), "more than 64 bits"),
        ([vec![8 | 4, 0x80], vec![0xff; 9], vec![1]].concat(), "more than 64 bits"),
        ([vec![8 | 4, 1], long].concat(), "more than 64 bits"),
        ([vec![8 | 4, 1], vec![0xff; 9], vec![1]].concat(), "more than 64 bits"),
    ] {
        let (mut elf, text) = with_text(X86_64, FORMS[0]);
        elf.table(".crel.text", CREL, text, bytes);
        refused(&elf, words);
    }
}

/// One byte each: they would need far more memory than the file.
#[test]
fn compact_tables_have_a_limit() {
    let count = 200_000u128;
    let (mut elf, text) = with_text(X86_64, FORMS[0]);
    let mut bytes = Vec::new();
    unsigned(&mut bytes, count << 3);
    bytes.resize(bytes.len() + count as usize, 0);
    elf.table(".crel.text", CREL, text, bytes);
    assert_eq!(read(&elf).expect_err("many").fault.kind, fault::TOO_LARGE);
}

#[test]
fn a_table_is_known_by_what_it_says_it_relocates() {
    // ld.lld calls the merged table after the first section of its output.
    for name in [".rela.text.unlikely", ".rela__ksymtab+other", "", "x", ".text"] {
        let (mut elf, text) = with_text(X86_64, FORMS[0]);
        let data = elf.relocation(4, 1, 2, Some(-4));
        elf.table(name, RELA, text, data);
        let module = read(&elf).expect("a module");
        assert_eq!((module.groups.len(), module.groups[0].section), (1, text));
        assert_eq!(module.relocations, [r(4, 1, 2, -4)]);
    }
    let (mut elf, _) = with_text(X86_64, FORMS[0]);
    let data = elf.relocation(4, 1, 2, Some(-4));
    elf.table(".rela.text", RELA, 99, data);
    refused(&elf, "does not exist");
}

/// A kernel passes over it, and runs the code without its relocations.
#[test]
fn a_table_of_nothing_in_memory_is_passed_over_unless_its_name_says_otherwise() {
    let aimed_at_comment = |name: &'static str| {
        let (mut elf, _) = with_text(X86_64, FORMS[0]);
        let comment = elf.section(Section { name: ".comment", kind: 1, data: vec![0; 64], ..Section::default() });
        let data = elf.relocation(4, 1, 2, Some(-4));
        elf.table(name, RELA, comment, data);
        elf
    };
    for name in [".rela.comment", ".rela.debug_info", "x", "", ".rela", ".rel"] {
        let module = read(&aimed_at_comment(name)).expect(name);
        assert!(module.groups.is_empty() && module.relocations.is_empty(), "{name}");
    }
    for name in [".rela.text", ".rel.text", ".crel.text"] {
        refused(&aimed_at_comment(name), "named for a section in memory");
    }
    // Of itself, and of the symbols.
    for target in [2, 3] {
        let (mut elf, _) = with_text(X86_64, FORMS[0]);
        let data = elf.relocation(4, 1, 2, Some(-4));
        elf.table(".rela.text", RELA, target, data);
        refused(&elf, "named for a section in memory");
    }
}

#[test]
fn a_live_patch_keeps_what_the_kernel_does() {
    for name in [".klp.rela.vmlinux..text", ".rela.text", "any"] {
        for form in FORMS {
            let (mut elf, text) = with_text(X86_64, form);
            let hidden = elf.symbol(".klp.sym.vmlinux.hidden,0", 0x10, 0xff20, 0);
            let data = elf.relocation(4, 1, 2, Some(-4));
            elf.table(".rela.text", RELA, text, data);
            let data = elf.relocation(8, hidden, 2, Some(-4));
            let left = elf.table(name, RELA, text, data.clone());
            elf.sections[left as usize].flags = 0x10_0042;
            let mut file = elf.write();
            let module = parse(&file, mode::ALL).expect("a live patch");
            assert_eq!(module.relocations, [r(4, 1, 2, -4)]);
            let flags = module.symbols[hidden as usize].flags;
            assert_eq!(flags & (symbol_flag::LIVEPATCH | symbol_flag::UNDEFINED), symbol_flag::LIVEPATCH);
            // What is handed over still has them.
            void_relocations(&mut file, &module).expect("a file");
            let after = parse(&file, mode::ALL).expect("what was handed over");
            let (old, new) = (module.sections[left as usize], after.sections[left as usize]);
            assert_eq!(old, new);
            assert_eq!(file[new.data.at as usize..][..new.data.len as usize], data);
            assert_eq!(after.sections[left as usize - 1].kind, 0);
        }
    }
    for kind in [REL, CREL] {
        let (mut elf, text) = with_text(X86_64, FORMS[0]);
        let left = elf.table(".klp.rela.vmlinux..text", kind, text, vec![0; 16]);
        elf.sections[left as usize].flags = 0x10_0042;
        refused(&elf, "live patch");
    }
}

#[test]
fn relocations_of_unknown_form_are_refused() {
    const AARCH64: u16 = 183;
    const ARM: u16 = 40;
    let of = |machine, kind, info| {
        let (mut elf, _) = with_text(machine, FORMS[0]);
        elf.section(Section { name: ".debug_info", kind: 1, data: vec![0; 16], ..Section::default() });
        elf.table(".r", kind, info, vec![0; 16]);
        elf
    };
    // RELR, Android's packed ones, GNU's second table; of the machine, of the system, of a user.
    for kind in
        [19, 0x6000_0001, 0x6000_0002, 0x6fff_ff00, 0x6000_0004, 20, 0x7000_0004, 0x7123_4567, 0x6abc_def0, 0x8000_0001]
    {
        refused(&of(X86_64, kind, 1), "form");
        // What is not in memory is not relocated.
        assert!(read(&of(X86_64, kind, 2)).is_ok(), "{kind:#x}");
    }
    // Without a target: of the whole file.
    for kind in [19, 0x6000_0001, 0x6000_0002, 0x6fff_ff00, 0x6000_0004] {
        refused(&of(X86_64, kind, 0), "form");
    }
    // AArch64's SHT_AARCH64_AUTH_RELR; to Arm the number means something else.
    refused(&of(AARCH64, 0x7000_0004, 0), "form");
    assert!(read(&of(ARM, 0x7000_0004, 0)).is_ok());
    // Groups, unwind tables and the like speak of sections, too.
    for kind in [17, 14, 7, 0x7000_0001] {
        let mut elf = of(X86_64, kind, 0);
        elf.sections.last_mut().unwrap().flags = ALLOC;
        assert!(read(&elf).is_ok(), "{kind:#x}");
    }
}

/// Type 13 of a symbol that is not defined.
#[test]
fn a_machines_own_types_are_read_by_machine() {
    for (machine, register) in [(2, true), (18, true), (43, true), (15, false), (62, false), (40, false), (8, false)] {
        let (mut elf, _) = with_text(machine, FORMS[1]);
        let symbol = elf.symbol("$$dyncall", 0x1d, 0, 2);
        let module = read(&elf).expect("a module");
        let flags = module.symbols[symbol as usize].flags;
        assert_eq!(flags & symbol_flag::REGISTER != 0, register, "machine {machine}");
        assert!(flags & symbol_flag::UNDEFINED != 0);
    }
}

/// Small commons, large commons, and what else machines have from 0xff00 up: no section, however many there are.
#[test]
fn reserved_sections_are_none() {
    for section in [0xff00, 0xff02, 0xff03, 0xff04, 0xff1f, 0xff21, 0xff3f, 0xfff0] {
        let (mut elf, _) = with_text(8, FORMS[2]);
        elf.symbol("small", 0x10, section, 0);
        refused(&elf, "reserved section");
    }
}

/// MIPS has its own layout of r_info in files of 64 bits: the symbol, a second one, three types. Only in big-endian files
/// is it the usual number.
#[test]
fn mips_relocations_are_read_in_its_own_order() {
    const MIPS: u16 = 8;
    for (form, symbol) in [(FORMS[0], [3, 0, 0, 0]), (FORMS[1], [0, 0, 0, 3])] {
        for explicit in [true, false] {
            let (mut elf, text) = with_text(MIPS, form);
            let mut data = elf.number(8, 8);
            data.extend(symbol);
            data.extend([2, 5, 24, 7]);
            data.extend(explicit.then_some([0; 8]).into_iter().flatten());
            elf.table(".r", if explicit { RELA } else { REL }, text, data);
            let module = read(&elf).expect("a module");
            assert_eq!(module.relocations, [r(8, 3, 0x0205_1807, 0)], "{form:?} {explicit}");
        }
    }
}
