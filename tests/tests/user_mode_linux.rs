//! User-mode Linux loads x86's modules, and has no plugin of its own: x86's link them where it puts them.
//!
//! The kernel is a program, at 0x6000_0000 (`START` in arch/x86/Makefile.um), or at 0x0804_8000 with 32 bits. Memory is
//! behind it, and modules are behind memory, after a hole of 8 MiB to a multiple of that (`VMALLOC_START` in
//! arch/um/include/asm/pgtable.h). Its 64-bit code is of the large model: what is in the kernel is referred to by 64 bits.

use relobox_tests::module_spec::{LinkError, Linker as _, ModuleSpec, Relocation, Section, Symbol, SymbolKind, guest};

const R_X86_64_64: u32 = 1;
const R_X86_64_PC32: u32 = 2;
const R_X86_64_PLT32: u32 = 4;
const R_X86_64_32: u32 = 10;
const R_X86_64_32S: u32 = 11;
const R_386_32: u32 = 1;
const R_386_PC32: u32 = 2;

/// A module with code at `base` and data a page behind; symbol 0 is `printk` in the kernel, 1 the data.
fn module(plugin: &str, base: u64, printk: u64, bytes: &[u8], places: &[(u64, u32, usize, i64)]) -> ModuleSpec {
    let machine = guest::named(plugin).expect("a plugin").machines()[0];
    let relocation = |&(offset, kind, symbol, addend)| Relocation { offset, kind, symbol, addend };
    let code = Section { address: base, bytes: bytes.to_vec(), relocations: places.iter().map(relocation).collect() };
    let mut module = ModuleSpec::new(machine, machine.class == 32);
    module.sections = vec![code, Section { address: base + 0x1000, bytes: vec![0; 16], relocations: Vec::new() }];
    for (name, kind) in [("printk", SymbolKind::Outside(printk)), ("data", SymbolKind::Label(1, 8))] {
        module.symbol(Symbol { name: name.to_owned(), kind, size: 0 });
    }
    module
}

fn link(plugin: &str, module: &ModuleSpec) -> Result<Vec<u8>, LinkError> {
    let linked = guest::named(plugin).expect("a plugin").link(module)?;
    Ok(linked.sections[0].clone())
}

/// movabs $printk, %rax; movabs $data, %rbx; lea data(%rip), %rcx
const LARGE: &[u8] = &[
    0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, //
    0x48, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, //
    0x48, 0x8d, 0x0d, 0, 0, 0, 0,
];
const LARGE_PLACES: &[(u64, u32, usize, i64)] =
    &[(2, R_X86_64_64, 0, 0), (12, R_X86_64_64, 1, 0), (23, R_X86_64_PC32, 1, -4)];

#[test]
fn with_64_mib_of_memory() {
    let linked = link("x86_64", &module("x86_64", 0x6480_0000, 0x6001_2340, LARGE, LARGE_PLACES)).expect("it links");
    let expected = [
        &[0x48, 0xb8, 0x40, 0x23, 0x01, 0x60, 0, 0, 0, 0][..],
        &[0x48, 0xbb, 0x08, 0x10, 0x80, 0x64, 0, 0, 0, 0],
        // 0x64801008 - 0x6480001b
        &[0x48, 0x8d, 0x0d, 0xed, 0x0f, 0, 0],
    ];
    assert_eq!(linked, expected.concat());
}

#[test]
fn with_32_gib_of_memory() {
    let linked = link("x86_64", &module("x86_64", 0x8_6080_0000, 0x6001_2340, LARGE, LARGE_PLACES)).expect("it links");
    let expected = [
        &[0x48, 0xb8, 0x40, 0x23, 0x01, 0x60, 0, 0, 0, 0][..],
        &[0x48, 0xbb, 0x08, 0x10, 0x80, 0x60, 0x08, 0, 0, 0],
        &[0x48, 0x8d, 0x0d, 0xed, 0x0f, 0, 0],
    ];
    assert_eq!(linked, expected.concat());
}

/// Addresses of 32 bits reach a process whose memory ends below 2 GiB, with the sign and without.
#[test]
fn code_of_the_small_model_links_as_long_as_it_reaches() {
    // call printk; mov $data, %eax; mov $data, %rax
    let bytes = [&[0xe8, 0, 0, 0, 0][..], &[0xb8, 0, 0, 0, 0], &[0x48, 0xc7, 0xc0, 0, 0, 0, 0]].concat();
    let places = [(1, R_X86_64_PLT32, 0, -4), (6, R_X86_64_32, 1, 0), (13, R_X86_64_32S, 1, 0)];
    let linked = link("x86_64", &module("x86_64", 0x6480_0000, 0x6001_2340, &bytes, &places)).expect("it links");
    let expected = [
        // 0x60012340 - 0x64800005
        &[0xe8, 0x3b, 0x23, 0x81, 0xfb][..],
        &[0xb8, 0x08, 0x10, 0x80, 0x64],
        &[0x48, 0xc7, 0xc0, 0x08, 0x10, 0x80, 0x64],
    ];
    assert_eq!(linked, expected.concat());
    // With 32 GiB nothing of it does.
    let refused = link("x86_64", &module("x86_64", 0x8_6080_0000, 0x6001_2340, &bytes, &places));
    let Err(LinkError::Faults(faults)) = refused else { panic!("{refused:?}") };
    let found: Vec<_> = faults.iter().map(|fault| (fault.kind.as_str(), fault.offset)).collect();
    assert_eq!(found, [("out-of-range", 1), ("out-of-range", 6), ("out-of-range", 13)]);
}

#[test]
fn with_32_bits() {
    // call printk; mov $data, %eax; addends are in the fields
    let bytes = [0xe8, 0xfc, 0xff, 0xff, 0xff, 0xb8, 0, 0, 0, 0];
    let places = [(1, R_386_PC32, 0, 0), (6, R_386_32, 1, 0)];
    let linked = link("i386", &module("i386", 0x0c80_0000, 0x0805_2340, &bytes, &places)).expect("it links");
    // 0x08052340 - 0x0c800005
    assert_eq!(linked, [0xe8, 0x3b, 0x23, 0x85, 0xfb, 0xb8, 0x08, 0x10, 0x80, 0x0c]);
}
