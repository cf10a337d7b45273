//! What the psABI says, worked by hand; lines with (as) were assembled by gas from the number.

use super::*;
use relobox_plugin::Finding;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::{Linked, Module, kinds};
use types::*;

const BASE: u64 = 0x0100_0000;

/// Links one relocation of a word at [`BASE`].
fn link(insn: u32, kind: u32, s: u64, addend: i64) -> Result<u32, Vec<Finding>> {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &insn.to_be_bytes());
    let symbol = m.symbol("s", s);
    m.relocate(text, 0, kind, symbol, addend);
    Ok(word(m.link()?.section(text), 0))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn immediates_are_scattered() {
    for (insn, kind, s, expected) in [
        (0x203f_ffff, R_PARISC_DIR21L, 0x1234_5678, 0x2022_6246), // ldil L's, %r1   (as)
        (0x2020_0000, R_PARISC_DIR21L, 0xa5a5_a5a5, 0x202d_44b5), // (as)
        (0x3421_3fff, R_PARISC_DIR14R, 0x1234_5678, 0x3421_0cf0), // ldo R's(%r1), %r1   (as)
        (0xe020_2002, R_PARISC_DIR17R, 0x1234_5678, 0xe020_2cf2), // be,n R's(%sr4, %r1)   (as)
        (0xe800_a000, R_PARISC_PCREL22F, BASE + 0x1ff0, 0xe800_bfd4), // b,l s, %rp   (as)
        (0xe85f_1ffd, R_PARISC_PCREL17F, BASE + 8, 0xe840_0000),
        (0xe840_0000, R_PARISC_PCREL17F, BASE, 0xe85f_1ff5),
        (0x8041_2000, R_PARISC_PCREL12F, BASE + 8 + 0x1ffc, 0x8041_3ffc),
        (0x8041_2000, R_PARISC_PCREL12F, BASE + 8 - 4, 0x8041_3ffd),
    ] {
        assert_eq!(link(insn, kind, s, 0).unwrap(), expected, "{kind} {s:#x}");
    }
}

#[test]
fn only_the_addend_is_rounded_for_a_left_half_that_loads_share() {
    // Two loads of one structure, from 0x0fff and 0x1000 bytes behind its start: the second needs another left half.
    for (addend, left, right) in
        [(0, 0x2000, 0x7fc), (0xfff, 0x2000, 0x17fb), (0x1000, 0x4000, -0x804i64), (-0x1001, 0, 0x17fb)]
    {
        let high = link(0x2020_0000, R_PARISC_DIR21L, 0x27fc, addend).unwrap();
        let low = link(0x4822_0000, R_PARISC_DIR14R, 0x27fc, addend).unwrap();
        let high = i64::from(IMM21.extract(high.into()) as u32);
        let low = IMM14.addend(&low.to_be_bytes(), true);
        assert_eq!((high, low), (left, right), "{addend:#x}");
        assert_eq!(high + low, 0x27fc + addend);
    }
}

#[test]
fn data_lies_from_the_kernels_pointer() {
    let mut m = Module::<Arch>::new();
    m.input("&$global$", 0x1050_0800);
    let text = m.section(".text", BASE, &[0x2b, 0x60, 0, 0, 0x48, 0x23, 0, 0]);
    let symbol = m.symbol("s", 0x1050_0000);
    m.relocate(text, 0, R_PARISC_DPREL21L, symbol, 4);
    m.relocate(text, 4, R_PARISC_DPREL14R, symbol, 4);
    let linked = m.link().unwrap();
    // addil L'-0x800, %dp; ldw 4(%r1), %r3
    assert_eq!(linked.section(text), [0x2b, 0x7f, 0xff, 0xff, 0x48, 0x23, 0, 8]);
}

/// A module with two sections of code, of which the first calls `s`, and a third for init.
fn calls(kind: u32, s: u64, addend: i64) -> (Linked, u32) {
    let mut m = Module::<Arch>::new();
    m.synthetic_at(BASE - 0x100);
    let text = m.section(".text", BASE, &[0xe8, 0x40, 0, 0, 0xe8, 0x40, 0, 0]);
    let more = m.section(".text.more", BASE + 0x1000, &[0xe8, 0x40, 0, 0]);
    let init = m.section(".init.text", BASE + 0x2000, &[0xe8, 0x40, 0, 0]);
    let symbol = m.symbol("s", s);
    m.relocate(text, 0, kind, symbol, addend);
    m.relocate(text, 4, kind, symbol, addend);
    m.relocate(more, 0, kind, symbol, addend);
    m.relocate(init, 0, kind, symbol, addend);
    (m.link().unwrap(), text)
}

#[test]
fn a_call_that_does_not_reach_has_a_stub_before_its_section() {
    use relobox_plugin::abi::placement;
    let (linked, text) = calls(R_PARISC_PCREL17F, 0x1234_5670, 8);
    let made: Vec<_> = linked.synthetic.iter().map(|s| (s.name, s.placement, s.section, s.contents.len())).collect();
    let before = placement::BEFORE;
    assert_eq!(made, [(".relobox.stubs", before, 1, 8), (".init.relobox.stubs", before, 3, 8)]);
    for stubs in &linked.synthetic {
        // ldil L's, %r1; be,n R's(%sr4, %r1)   (as)
        assert_eq!(stubs.contents, [0x20, 0x22, 0x62, 0x46, 0xe0, 0x20, 0x2c, 0xf2]);
    }
    let call = BRANCH17.addend(&linked.section(text)[4..], true);
    assert_eq!(BASE.wrapping_add_signed(4 + 8 + call), linked.synthetic[0].address);
    // In reach, there is one as well, and nobody uses it.
    let (linked, text) = calls(R_PARISC_PCREL17F, BASE + 0x100, 0);
    assert_eq!(word(linked.section(text), 0), 0xe840_01f0);
    assert!(linked.synthetic.iter().all(|s| s.contents == [0; 8]));
}

/// A branch takes the lowest bits of its target for a privilege level.
#[test]
fn no_stub_leads_to_where_no_code_can_be() {
    for target in [0x1234_5671, 0x1234_5672] {
        assert_eq!(
            kinds(&link(0xe840_0000, R_PARISC_PCREL17F, target, 0).unwrap_err()),
            [fault::OUT_OF_RANGE],
            "{target:#x}"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for (kind, from, low, high, step) in [
        (R_PARISC_DIR14F, 0, -0x2000i64, 0x1fff, 1),
        (R_PARISC_DIR17F, 0, -0x4_0000, 0x3_fffc, 4),
        (R_PARISC_PCREL12F, BASE + 8, -0x2000, 0x1ffc, 4),
        (R_PARISC_PCREL14F, BASE + 8, -0x2000, 0x1fff, 1),
    ] {
        for inside in [low, high] {
            link(0, kind, from.wrapping_add_signed(inside), 0).unwrap();
        }
        for outside in [low - step, high + step] {
            let found = link(0, kind, from.wrapping_add_signed(outside), 0).unwrap_err()[0].fault;
            assert_eq!((found.kind, found.value, found.min), (fault::OUT_OF_RANGE, outside, low), "{kind}");
        }
    }
    // Nobody looks whether a C reaches.
    link(0, R_PARISC_PCREL17C, BASE + 0x4_0008, 0).unwrap();
    for kind in [R_PARISC_PCREL17F, R_PARISC_PCREL22F, R_PARISC_PCREL12F, R_PARISC_DIR17R, R_PARISC_PCREL17R] {
        assert_eq!(kinds(&link(0, kind, BASE + 2, 0).unwrap_err()), [fault::MISALIGNED], "{kind}");
    }
    // A section that is longer than its branches reach, and a call within it.
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &[0; 8]);
    let label = m.label(text, 0x4_0008);
    m.relocate(text, 0, R_PARISC_PCREL17F, label, 0);
    let found = m.link().unwrap_err()[0].fault;
    assert_eq!((found.kind, found.value, found.max), (fault::OUT_OF_RANGE, 0x4_0000, 0x3_ffff));
}

#[test]
fn code_of_libraries_and_wide_mode_is_refused() {
    for (kind, words) in [
        (R_PARISC_DLTIND21L, "%r19"),
        (R_PARISC_FPTR64, "64-bit"),
        (R_PARISC_PLTOFF14R, "procedure linkage table"),
        (R_PARISC_TLS_GD21L, "thread-local"),
        (R_PARISC_IPLT, "dynamic"),
    ] {
        let found = link(0, kind, 0, 0).unwrap_err();
        assert_eq!(kinds(&found), [fault::REJECTED]);
        assert!(found[0].text.contains(words), "{}", found[0].text);
    }
    assert_eq!(kinds(&link(0, 5, 0, 0).unwrap_err()), [fault::UNKNOWN_TYPE]);
    assert_eq!(link(0xa5a5_a5a5, R_PARISC_SEGBASE, 0, 0).unwrap(), 0xa5a5_a5a5);
}

#[test]
fn words_that_do_not_fit_their_section_are_outside() {
    relobox_plugin::testing::misplaced_words_are_outside(Module::<Arch>::new);
}

#[test]
fn hostile_records_are_faults() {
    relobox_plugin::testing::hostile_records_are_faults(Module::<Arch>::new);
}
