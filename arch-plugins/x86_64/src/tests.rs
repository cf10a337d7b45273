//! What the psABI says, worked by hand.

use super::*;
use relobox_plugin::testing::Module;

#[test]
fn call_reaches_its_target() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", 0x1000, &[0xe8, 0, 0, 0, 0, 0xc3]);
    let target = m.symbol("printk", 0x2000);
    m.relocate(text, 1, types::R_X86_64_PLT32, target, -4);
    let out = m.link().unwrap();
    assert_eq!(out.section(text), [0xe8, 0xfb, 0x0f, 0, 0, 0xc3]);
}

#[test]
fn every_fault_is_named() {
    use relobox_plugin::abi::fault;
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", 0x1000, &[0, 0, 0, 0, 1, 0, 0, 0]);
    let far = m.symbol("far", 0x1_0000_0000);
    m.relocate(text, 0, types::R_X86_64_PC32, far, 0);
    m.relocate(text, 4, types::R_X86_64_32, far, -0x1_0000_0000);
    m.relocate(text, 6, types::R_X86_64_32, far, -0x1_0000_0000);
    m.relocate(text, 0, 200, far, 0);
    m.relocate(text, 0, types::R_X86_64_COPY, far, 0);
    m.relocate(text, 0, types::R_X86_64_32, 77, 0);
    let kinds: Vec<_> = m.link().unwrap_err().iter().map(|f| f.fault.kind).collect();
    let expected =
        [fault::OUT_OF_RANGE, fault::NOT_ZERO, fault::OUTSIDE, fault::UNKNOWN_TYPE, fault::REJECTED, fault::BAD_SYMBOL];
    assert_eq!(kinds, expected);
}

#[test]
fn one_got_slot_for_one_symbol() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", 0x1000, &[0; 8]);
    m.synthetic_at(0x3000);
    let symbol = m.symbol("jiffies", 0x1234_5678);
    m.relocate(text, 0, types::R_X86_64_GOTPCREL, symbol, -4);
    m.relocate(text, 4, types::R_X86_64_REX_GOTPCRELX, symbol, -4);
    let out = m.link().unwrap();
    assert_eq!(out.synthetic[0].contents, 0x1234_5678u64.to_le_bytes());
    assert_eq!(out.section(text), [0xfc, 0x1f, 0, 0, 0xf8, 0x1f, 0, 0]);
}
