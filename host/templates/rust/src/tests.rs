//! Natively, without a sandbox: `cargo test`. Every field is tested with poisoned bits around it, every range at its
//! edges and one beyond.

use super::types::*;
use super::*;
use relobox_plugin::abi::fault;
use relobox_plugin::testing::Module;

const TEXT: u64 = @BASE@;
const POISON: [u8; 16] = [0xa5; 16];

/// `.text` at `TEXT`, full of poison, with one relocation at 4 against a symbol at `s`; its bytes, or the kind of fault.
fn link(kind: u32, s: u64, addend: i64) -> Result<Vec<u8>, u32> {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &POISON);
    let symbol = m.symbol("there", s);
    m.relocate(text, 4, kind, symbol, addend);
    m.link().map(|linked| linked.section(text).to_vec()).map_err(|findings| findings[0].fault.kind)
}

/// The word at `at`, as an instruction is read.
fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes[at..at + 4].try_into().unwrap();
    u32::from_@BE@_bytes(word)
}

#[test]
fn a_word_of_data() {
    let linked = link(R_@UPPER@_@WORD@, TEXT + 0x1234, -4).unwrap();
    let mut wanted = POISON;
    wanted[4..4 + @BYTES@].copy_from_slice(&((TEXT + 0x1230) as u@BITS@).to_@BE@_bytes());
    assert_eq!(linked, wanted);
}

#[test]
fn a_branch_reaches_128_kib_either_way() {
    let place = TEXT + 4;
    // Only the low 16 bits belong to the field.
    for (distance, bits) in [(0, 0), (4, 1), (-4, 0xffff), (0x1_fffc, 0x7fff), (-0x2_0000, 0x8000)] {
        let linked = link(R_@UPPER@_BRANCH16, place.wrapping_add_signed(distance), 0).unwrap();
        assert_eq!(word(&linked, 4), 0xa5a5_0000 | bits, "{distance:#x}");
        assert_eq!((&linked[..4], &linked[8..]), (&POISON[..4], &POISON[8..]));
    }
    assert_eq!(link(R_@UPPER@_BRANCH16, place + 2, 0), Err(fault::MISALIGNED));
}

#[test]
fn a_stub_reaches_everything() {
    for target in [TEXT + 0x2_0000, TEXT - 0x2_0004, 0x7fff_fff4] {
        for in_place in [false, true] {
            let mut m = Module::<Arch>::new();
            m = if in_place { m.in_place() } else { m };
            // In place, the field holds the addend in words.
            let branch = (0xa5a5_0000u32 | if in_place { 0xfffe } else { 0x1234 }).to_@BE@_bytes();
            let text = m.section(".text", TEXT, &branch);
            let symbol = m.symbol("there", target + 8);
            m.relocate(text, 0, R_@UPPER@_BRANCH16, symbol, if in_place { 0 } else { -8 });
            m.synthetic_at(TEXT + 0x100);
            let linked = m.link().unwrap();
            assert_eq!(word(linked.section(text), 0), 0xa5a5_0000 | 0x100 / 4);
            let stub = &linked.synthetic[0].contents;
            assert_eq!(word(stub, 0), 0x7e57_0008);
            assert_eq!(stub[8..8 + @BYTES@], (target as u@BITS@).to_@BE@_bytes());
        }
    }
}

#[test]
fn a_split_distance() {
    let distance = |bits: i64| link(R_@UPPER@_LOAD16, (TEXT + 4).wrapping_add_signed(bits), 0).map(|l| word(&l, 4));
    let poison = 0xa5a5_a5a5 & !0x03e0_07ff;
    assert_eq!(distance(0x7ff), Ok(poison | 0x7ff));
    assert_eq!(distance(0x7fff), Ok(poison | 0x01e0_07ff));
    assert_eq!(distance(-0x8000), Ok(poison | 0x0200_0000));
    assert_eq!(distance(0x8000), Err(fault::OUT_OF_RANGE));
    assert_eq!(distance(-0x8001), Err(fault::OUT_OF_RANGE));
}

#[test]
fn a_slot_for_each_symbol() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &POISON);
    let (one, two) = (m.symbol("one", 0x1111_1110), m.symbol("two", 0x2222_2220));
    for (offset, symbol, addend) in [(0, one, 0), (4, two, 0), (8, one, 2)] {
        m.relocate(text, offset, R_@UPPER@_GOT16, symbol, addend);
    }
    m.synthetic_at(TEXT + 0x100);
    let linked = m.link().unwrap();
    let slots: Vec<_> = linked.synthetic[0].contents.chunks(@BYTES@).map(<[u8]>::to_vec).collect();
    assert_eq!(slots, [0x1111_1110u@BITS@, 0x2222_2220].map(|value| value.to_@BE@_bytes().to_vec()));
    let field = |at: usize| u64::from(word(linked.section(text), at) & 0x7ff);
    assert_eq!([field(0), field(4), field(8)], [0x100, 0x100 + @BYTES@ - 4, 0x100 + 2 - 8]);
}

#[test]
fn what_is_not_for_modules() {
    assert_eq!(link(R_@UPPER@_NONE, 0, 0).unwrap(), POISON);
    assert_eq!(link(R_@UPPER@_COPY, 0, 0), Err(fault::REJECTED));
    assert_eq!(link(99, 0, 0), Err(fault::UNKNOWN_TYPE));
}
