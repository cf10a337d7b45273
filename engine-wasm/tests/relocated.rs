//! The module with its relocations done: what it had keeps its place, what was made for it comes behind.

use object::Endianness;
use object::elf;
use object::write::elf::{Encoder, FileHeader, FileHeaderLayout, SectionHeader};
use relobox_abi::{fault, order, parse as mode, section_flag, synthetic_kind};
use relobox_engine::{ElfError, Module, Placed, append_sections, parse, void_relocations};

const SIGNED: &[u8] = b"PKCS7!\0\0\0\0\0\0\0\0\0\0\0\x06~Module signature appended~\n";
const VENEERS: &[u8] = &[0xd6; 48];

/// `.text` with one relocation, and a table of names that is the symbols' as well.
fn module(class: u8, big: bool) -> Vec<u8> {
    let endian = if big { Endianness::Big } else { Endianness::Little };
    let encoder = Encoder::new(endian, class == 64, elf::EM_AARCH64);
    let names = b"\0.text\0.rela.text\0.symtab\0.strtab\0init_module\0";
    let at = |name: &str| names.windows(name.len()).position(|w| w == name.as_bytes()).unwrap() as u32;
    let mut file = vec![0; encoder.file_header_size() as usize];
    let mut add = |bytes: &[u8]| {
        file.resize(file.len().next_multiple_of(8), 0);
        let start = file.len() as u64;
        file.extend_from_slice(bytes);
        (start, bytes.len() as u64)
    };
    let symbol = if class == 64 { 24 } else { 16 };
    let (text, relocations) = (add(&[0x94; 13]), add(&vec![0; if class == 64 { 24 } else { 12 }]));
    let (symbols, strings) = (add(&vec![0; symbol]), add(names));
    let header = |name: u32, kind, flags, (sh_offset, sh_size)| SectionHeader {
        sh_name: name,
        sh_type: kind,
        sh_flags: flags,
        sh_offset,
        sh_size,
        sh_addralign: 4,
        ..Default::default()
    };
    let sections = [
        header(at(".text"), elf::SHT_PROGBITS, elf::SHF_ALLOC | elf::SHF_EXECINSTR, text),
        SectionHeader {
            sh_link: 3,
            sh_info: 1,
            sh_entsize: relocations.1,
            ..header(at(".rela.text"), elf::SHT_RELA, Default::default(), relocations)
        },
        SectionHeader {
            sh_link: 4,
            sh_info: 1,
            sh_entsize: symbol as u64,
            ..header(at(".symtab"), elf::SHT_SYMTAB, Default::default(), symbols)
        },
        header(at(".strtab"), elf::SHT_STRTAB, Default::default(), strings),
    ];
    file.resize(file.len().next_multiple_of(8), 0);
    let layout =
        FileHeaderLayout { e_shoff: file.len() as u64, section_num: 5, shstrtab_index: 4, ..Default::default() };
    encoder.null_section_header(&mut file, &layout);
    for section in &sections {
        encoder.section_header(&mut file, section);
    }
    let mut head = Vec::new();
    let header = FileHeader { e_type: elf::ET_REL, e_machine: elf::EM_AARCH64, ..Default::default() };
    encoder.file_header(&mut head, &header, &layout).expect("a header");
    file[..head.len()].copy_from_slice(&head);
    file.extend_from_slice(SIGNED);
    file
}

fn made(kind: u32, name: &'static [u8], align: u64, contents: &'static [u8]) -> Placed<'static> {
    Placed { address: 0, align, kind, name, contents }
}

fn relocated(mut file: Vec<u8>, module: &Module, synthetic: &[Placed<'_>]) -> Result<Vec<u8>, ElfError> {
    let len = void_relocations(&mut file, module)?;
    file.truncate(len);
    let pieces = append_sections(&mut file, module, synthetic)?;
    Ok(pieces.iter().fold(file, |file, piece| [file, piece.to_vec()].concat()))
}

fn bytes(file: &[u8], span: relobox_abi::Span) -> &[u8] {
    &file[span.at as usize..][..span.len as usize]
}

#[test]
fn synthetic_sections_come_behind_those_that_there_are() {
    let synthetic = [
        made(synthetic_kind::TEXT, b".relobox.veneers", 16, VENEERS),
        made(synthetic_kind::RODATA, b".relobox.got", 8, &[7; 8]),
        made(synthetic_kind::DATA, b".relobox.data", 64, &[]),
        made(synthetic_kind::TEXT, b".relobox.long", 4096, &[1; 5000]),
    ];
    for (class, big) in [(64, false), (64, true), (32, false), (32, true)] {
        let file = module(class, big);
        let before = parse(&file, mode::ALL).expect("a module");
        assert_eq!((before.signature as usize, before.groups.len()), (SIGNED.len(), 1));
        let out = relocated(file.clone(), &before, &synthetic).expect("a file");
        let after = parse(&out, mode::ALL).expect("a module");
        assert_eq!((after.class, after.order == order::BIG, after.signature), (class, big, 0));
        assert_eq!(after.symbols, before.symbols);
        assert!(after.groups.is_empty() && after.relocations.is_empty());
        assert_eq!(after.sections.len(), before.sections.len() + synthetic.len() + 1);
        for (i, old) in before.sections.iter().enumerate() {
            let new = &after.sections[i];
            assert_eq!(bytes(&out, new.name), bytes(&file, old.name));
            let expected = if i == 2 { (0, 0, 0) } else { (old.kind, old.size, old.flags) };
            assert_eq!((new.kind, new.size, new.flags), expected, "section {i}");
            assert!(i == 2 || new.data == old.data, "section {i}");
        }
        let flags = [section_flag::EXEC, 0, section_flag::WRITE, section_flag::EXEC];
        for ((wanted, flags), new) in synthetic.iter().zip(flags).zip(&after.sections[before.sections.len()..]) {
            assert_eq!(bytes(&out, new.name), wanted.name);
            assert_eq!(bytes(&out, new.data), wanted.contents);
            assert_eq!((new.flags, new.align), (section_flag::ALLOC | flags, wanted.align));
            assert!(u64::from(new.data.at).is_multiple_of(if new.data.len == 0 { 1 } else { wanted.align }));
        }
        assert_eq!(bytes(&out, after.sections[before.sections.len() + synthetic.len()].name), b".shstrtab");
    }
}

#[test]
fn without_synthetic_sections_nothing_is_added() {
    let file = module(64, false);
    let parsed = parse(&file, mode::ALL).expect("a module");
    let out = relocated(file.clone(), &parsed, &[]).expect("a file");
    assert_eq!(out.len(), file.len() - SIGNED.len());
    assert_eq!(out.iter().zip(&file).filter(|(a, b)| a != b).map(|(a, _)| *a).max(), Some(0));
}

#[test]
fn more_sections_than_a_header_can_count_are_refused() {
    let file = module(64, false);
    let parsed = parse(&file, mode::ALL).expect("a module");
    let many = vec![made(synthetic_kind::TEXT, b".relobox.t", 4, &[]); 0xff00];
    let error = relocated(file.clone(), &parsed, &many).expect_err("too many");
    assert_eq!((error.fault.kind, error.fault.max), (fault::TOO_LARGE, 0xfeff));
    assert!(relocated(file, &parsed, &many[..0xfeff - 6]).is_ok());
}

/// The engine keeps what it parsed; whatever the host does to the file in between must not matter.
#[test]
fn a_file_that_is_not_what_was_parsed_is_a_fault() {
    let synthetic = [made(synthetic_kind::TEXT, b".relobox.veneers", 16, VENEERS)];
    for (class, big) in [(64, false), (32, true)] {
        let file = module(class, big);
        let parsed = parse(&file, mode::ALL).expect("a module");
        for len in 0..file.len() {
            // Either a fault or a file, and no panic.
            let cut = relocated(file[..len].to_vec(), &parsed, &synthetic);
            assert!(cut.is_err() || len >= file.len() - SIGNED.len(), "{len}");
        }
        let shoff = if class == 64 { 40..48 } else { 32..36 };
        for value in [0xff, 0x7f] {
            let mut wild = file.clone();
            wild[shoff.clone()].fill(value);
            let error = relocated(wild, &parsed, &synthetic).expect_err("a table nowhere");
            assert_eq!(error.fault.kind, fault::MALFORMED);
        }
    }
}
