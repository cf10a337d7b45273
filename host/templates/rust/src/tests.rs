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
    for distance in [0x2_0000, -0x2_0004] {
        let far = link(R_@UPPER@_BRANCH16, place.wrapping_add_signed(distance), 0);
        assert_eq!(far, Err(fault::OUT_OF_RANGE), "{distance:#x}");
    }
    assert_eq!(link(R_@UPPER@_BRANCH16, place + 2, 0), Err(fault::MISALIGNED));
}

#[test]
fn what_is_not_for_modules() {
    assert_eq!(link(R_@UPPER@_NONE, 0, 0).unwrap(), POISON);
    assert_eq!(link(R_@UPPER@_COPY, 0, 0), Err(fault::REJECTED));
    assert_eq!(link(99, 0, 0), Err(fault::UNKNOWN_TYPE));
}
