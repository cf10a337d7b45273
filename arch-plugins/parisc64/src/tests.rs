//! What the psABI says, worked by hand; lines with (as) were assembled by gas from the number.

use super::*;
use relobox_plugin::abi::{Symbol, fault, section_flag};
use relobox_plugin::testing::{Module, kinds, words};
use relobox_plugin::{Finding, Synthetic};
use types::*;

const BASE: u64 = 0x0100_0000;
/// Where synthetic sections begin.
const MADE: u64 = 0x0101_0000;

/// Links one relocation of a word at [`BASE`].
fn link(insn: u32, kind: u32, s: u64, addend: i64) -> Result<u32, Vec<Finding>> {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(MADE);
    let text = m.section(".text", BASE, &insn.to_be_bytes());
    let symbol = m.symbol("s", s);
    m.relocate(text, 0, kind, symbol, addend);
    Ok(words(order::BIG, m.link()?.section(text))[0])
}

fn doubles(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks(8).map(|w| u64::from_be_bytes(w.try_into().unwrap())).collect()
}

fn named<'a>(made: &'a [Synthetic], name: &str) -> &'a Synthetic {
    made.iter().find(|s| s.name == name).unwrap()
}

#[test]
fn displacements_of_wide_mode_have_sixteen_bits() {
    for (insn, kind, s, expected) in [
        (0x537b_000e, R_PARISC_DIR16DF, 0x528, 0x537b_0a5e),
        (0x537b_0000, R_PARISC_DIR16DF, 0x528, 0x537b_0a50), // ldd 0x528(%dp), %dp   (as)
        (0x537b_0000, R_PARISC_DIR16DF, 0x7ff8, 0x537b_fff0), // (as)
        (0x5361_0000, R_PARISC_DIR16DF, (-0x8000i64).cast_unsigned(), 0x5361_c001), // ldd -0x8000(%dp), %r1   (as)
        (0x3421_0000, R_PARISC_DIR16F, 0x6001, 0x3421_c002), // ldo 0x6001(%r1), %r1   (as)
        (0x3421_0000, R_PARISC_DIR16F, (-0x6001i64).cast_unsigned(), 0x3421_ffff), // (as)
        (0x3421_0006, R_PARISC_DIR16WF, 0x6004, 0x3421_c00e),
        (0x5020_000e, R_PARISC_DIR14DR, 0x1234_5678, 0x5020_0cfe),
        (0x5020_0006, R_PARISC_DIR14WR, 0x1234_567c, 0x5020_0cfe),
    ] {
        assert_eq!(link(insn, kind, s, 0).unwrap(), expected, "{kind} {s:#x}");
    }
    for (kind, s, bad) in [
        (R_PARISC_DIR16F, 0x8000, fault::OUT_OF_RANGE),
        (R_PARISC_DIR16DF, 0x8000, fault::OUT_OF_RANGE),
        (R_PARISC_DIR16DF, 0x7ffc, fault::MISALIGNED),
        (R_PARISC_DIR14WR, 2, fault::MISALIGNED),
        (R_PARISC_DIR21L, 0x8000_0000, fault::OUT_OF_RANGE),
        (R_PARISC_SEGREL32, 0x1_0000_0000, fault::OUT_OF_RANGE),
    ] {
        let found = link(0, kind, s, 0).unwrap_err();
        assert_eq!((kinds(&found), found[0].fault.value), (vec![bad], s as i64));
    }
}

#[test]
fn an_undefined_function_is_called_by_its_descriptor() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(MADE);
    let text = m.section(".text", BASE, &[0xe8, 0, 0xa0, 0].repeat(3));
    let (near, far) = (m.symbol("near", BASE + 0x1000), m.symbol("far", 0x4012_3450));
    let divide = m.symbol("$$divI", 0x1234_5678);
    for (offset, symbol) in [(0, near), (4, far), (8, divide)] {
        m.relocate(text, offset, R_PARISC_PCREL22F, symbol, 0);
    }
    let linked = m.link().unwrap();
    let (stubs, got) = (named(&linked.synthetic, ".relobox.stubs"), named(&linked.synthetic, ".relobox.got"));
    assert_eq!(doubles(&got.contents), [BASE + 0x1000, 0x4012_3450]);
    let expected = [
        // ldd 0(%dp), %dp; ldd 16(%dp), %r1; bve (%r1); ldd 24(%dp), %dp   (as)
        [0x537b_0000, 0x5361_0020, 0xe820_d000, 0x537b_0030],
        // ldd 8(%dp), %dp ...
        [0x537b_0010, 0x5361_0020, 0xe820_d000, 0x537b_0030],
        // ldil L's, %r1; ldo R's(%r1), %r1; ldd 16(%r1), %r1; bve,n (%r1)   (as)
        [0x2022_6246, 0x3421_0cf0, 0x5021_0020, 0xe820_d002],
    ];
    assert_eq!(words(order::BIG, &stubs.contents), expected.concat());
    for (n, call) in words(order::BIG, linked.section(text)).into_iter().enumerate() {
        let distance = BRANCH22.addend(&call.to_be_bytes(), true);
        assert_eq!(BASE + 4 * n as u64 + 8 + distance as u64, stubs.address + 16 * n as u64);
    }
}

#[test]
fn a_call_of_another_section_has_a_stub_that_keeps_the_pointer() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(MADE);
    let text = m.section(".text", BASE, &[0xe8, 0, 0xa0, 0, 0xe8, 0, 0xa0, 0]);
    let there = m.section(".init.text", 0x1234_5600, &[0; 8]);
    let (function, near) = (m.label(there, 0x78), m.label(text, 0));
    m.relocate(text, 0, R_PARISC_PCREL22F, function, 0);
    m.relocate(text, 4, R_PARISC_PCREL22F, near, 0);
    let linked = m.link().unwrap();
    // ldil L's, %r1; ldo R's(%r1), %r1; bve,n (%r1); nop   (as)
    assert_eq!(words(order::BIG, &linked.synthetic[0].contents), [0x2022_6246, 0x3421_0cf0, 0xe820_d002, 0x0800_0240]);
    assert_eq!(linked.synthetic.len(), 1);
    assert_eq!(words(order::BIG, linked.section(text))[1], 0xebff_bfed);
}

#[test]
fn a_section_without_code_has_no_stubs_and_so_no_calls_of_descriptors() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(MADE);
    let data = m.section_of(section_flag::ALLOC, ".data", BASE, &[0xe8, 0, 0xa0, 0]);
    let foreign = m.symbol("near", BASE + 0x1000);
    m.relocate(data, 0, R_PARISC_PCREL22F, foreign, 0);
    assert_eq!(kinds(&m.link().unwrap_err()), [fault::UNPAIRED]);
}

#[test]
fn a_function_has_one_descriptor() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(MADE);
    let text = m.section(".text", BASE, &[0; 16]);
    let data = m.section(".data", BASE + 0x1000, &[0; 48]);
    let (start, function, alias) = (m.label(text, 0), m.label(text, 8), m.label(text, 8));
    let printk = m.symbol("_printk", 0x4012_3450);
    for (offset, symbol, addend) in [(0, function, 0), (8, alias, 0), (16, start, 8), (24, start, 0), (32, printk, 0)] {
        m.relocate(data, offset, R_PARISC_FPTR64, symbol, addend);
    }
    m.relocate(data, 40, R_PARISC_LTOFF_FPTR64, function, 0);
    let linked = m.link().unwrap();
    let (opd, got) = (named(&linked.synthetic, ".relobox.opd"), named(&linked.synthetic, ".relobox.got"));
    let slots = named(&linked.synthetic, ".relobox.got.functions");
    assert_eq!(doubles(&opd.contents), [0, 0, BASE, got.address, 0, 0, BASE + 8, got.address]);
    let (first, second) = (opd.address, opd.address + 32);
    let from_dp = slots.address - got.address;
    assert_eq!(doubles(linked.section(data)), [second, second, second, first, 0x4012_3450, from_dp]);
    assert_eq!(doubles(&slots.contents), [second]);
}

#[test]
fn slots_are_found_from_the_pointer() {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(MADE);
    let text = m.section(".text", BASE, &[0x2b, 0x60, 0, 0, 0x50, 0x23, 0, 0, 0x34, 0x21, 0, 0]);
    let symbols: Vec<_> = (0..300).map(|n| m.symbol("s", 0x4012_3450 + n)).collect();
    for symbol in &symbols {
        m.relocate(text, 0, R_PARISC_DLTIND21L, *symbol, 0);
        m.relocate(text, 4, R_PARISC_DLTIND14DR, *symbol, 0);
    }
    m.relocate(text, 8, R_PARISC_LTOFF_FPTR14R, symbols[299], 0);
    let linked = m.link().unwrap();
    // 0x958: addil L'0x800, %dp; ldd 0x158(%r1), %r3; ldo 0x158(%r1), %r1
    assert_eq!(words(order::BIG, linked.section(text)), [0x2b60_1000, 0x5023_02b0, 0x3421_02b0]);
}

#[test]
fn an_absolute_symbol_is_code_and_no_descriptor() {
    use relobox_plugin::abi::symbol_flag;
    let mut m = Module::<Arch>::new();
    m.synthetic_at(MADE);
    let text = m.section(".text", BASE, &[0xe8, 0, 0xa0, 0]);
    let flags = symbol_flag::ABSOLUTE;
    let symbol = m.raw_symbol(Symbol { value: BASE + 8, flags, ..Symbol::default() }, "", BASE + 8);
    m.relocate(text, 0, R_PARISC_PCREL22F, symbol, 0);
    assert_eq!(words(order::BIG, m.link().unwrap().section(text)), [0xe800_a000]);
}

#[test]
fn what_a_stub_cannot_do_is_refused() {
    // Millicode beyond 32 bits.
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0xe8, 0, 0xa0, 0]);
    let divide = m.symbol("$$divU", 0x8000_0000);
    m.relocate(text, 0, R_PARISC_PCREL22F, divide, 0);
    let found = m.link().unwrap_err();
    assert_eq!((found[0].fault.kind, found[0].fault.value), (fault::OUT_OF_RANGE, 0x8000_0000));
    // More slots than a displacement of 16 bits reaches.
    let mut m = Module::<Arch>::new();
    m.synthetic_at(MADE);
    let text = m.section(".text", BASE, &[0xe8, 0, 0xa0, 0]);
    for n in 0..4097 {
        let symbol = m.symbol("s", n);
        m.relocate(text, 0, R_PARISC_PCREL22F, symbol, 0);
    }
    let found = m.link().unwrap_err();
    assert_eq!((found.len(), found[0].fault.value, found[0].fault.max), (1, 0x8000, 0x7ff8));
    // In its section, a branch reaches or does not.
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 8]);
    let label = m.label(text, 0x80_0008);
    m.relocate(text, 0, R_PARISC_PCREL22F, label, 0);
    assert_eq!(kinds(&m.link().unwrap_err()), [fault::OUT_OF_RANGE]);
}

#[test]
fn what_kernels_do_not_have_is_refused() {
    for (kind, words) in [
        (R_PARISC_PLABEL32, "32-bit"),
        (R_PARISC_PLTOFF14R, "procedure linkage table"),
        (R_PARISC_TPREL16DF, "thread-local"),
        (R_PARISC_SEGREL64, "segment"),
        (R_PARISC_SETBASE, "sets"),
    ] {
        let found = link(0, kind, 0, 0).unwrap_err();
        assert!(found[0].fault.kind == fault::REJECTED && found[0].text.contains(words), "{}", found[0].text);
    }
}

#[test]
fn words_that_do_not_fit_their_section_are_outside() {
    relobox_plugin::testing::misplaced_words_are_outside(Module::<Arch>::new);
}

#[test]
fn hostile_records_are_faults() {
    relobox_plugin::testing::hostile_records_are_faults(Module::<Arch>::new);
}
