use super::*;
use relobox_plugin::testing::Module;

#[test]
fn call_reaches_its_target() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", 0x1000, &[0xc0, 0xe5, 0, 0, 0, 0]);
    let target = m.symbol("printk", 0x2000);
    m.relocate(text, 2, types::R_390_PLT32DBL, target, 2);
    let out = m.link().unwrap();
    assert_eq!(out.section(text), [0xc0, 0xe5, 0, 0, 8, 0]);
}
