use super::*;
use relobox_plugin::abi::{Symbol, symbol_flag};
use relobox_plugin::testing::{Linked, Module, bytes, words};
use relobox_plugin::{Architecture, Finding, needs};

const TEXT: u64 = 0xc008_0000_0010_0000;
/// Where `.toc` is; r2 is 0x8000 behind it.
const TOCS: u64 = 0xc008_0000_0020_0000;
/// Where synthetic sections are.
const MADE: u64 = 0xc008_0000_0011_0000;
const LITTLE: Machine = Arch::ABOUT.machines[0];
const BIG: Machine = Arch::ABOUT.machines[1];
const V1: Machine = Arch::ABOUT.machines[2];

/// Type, symbol's value, addend, and the eight bytes from the place on, little- and big-endian: GNU ld 2.40, at 4 of
/// sixteen bytes each. Before, they are zero and all ones by turns, but for the branches with hints.
const GOLDEN: [(u32, u64, i64, u64, u64); 62] = [
    (R_PPC64_ADDR32, 0xffff_ffff_a69e_0d37, 0, 0x370d9ea6_00000000, 0xa69e0d37_00000000),
    (R_PPC64_ADDR24, 0xffff_ffff_fe94_5978, 0, 0x7b5994fe_ffffffff, 0xfe94597b_ffffffff),
    (R_PPC64_ADDR16, 0x3b3b, 0, 0x3b3b0000_00000000, 0x3b3b0000_00000000),
    (R_PPC64_ADDR16_LO, 0x1e7_4ef5_e8e2_5d94, 0, 0x945dffff_ffffffff, 0x5d94ffff_ffffffff),
    (R_PPC64_ADDR16_HI, 0xffff_ffff_9600_a2ea, 112, 0x00960000_00000000, 0x96000000_00000000),
    (R_PPC64_ADDR16_HA, 0xffff_ffff_91e2_0b8f, 0, 0xe291ffff_ffffffff, 0x91e2ffff_ffffffff),
    (R_PPC64_ADDR14, 0x5958, 0, 0x58590000_00000000, 0x00005958_00000000),
    (R_PPC64_ADDR14_BRTAKEN, 0xffff_ffff_ffff_bf5c, 4, 0x60bfe241_ffffffff, 0x41e2bf60_ffffffff),
    (R_PPC64_ADDR14_BRNTAKEN, 0xffff_ffff_ffff_9f3c, 112, 0xac9f4043_00000000, 0x43409fac_00000000),
    (R_PPC64_REL24, 0xc007_ffff_fe75_8fa4, 4, 0x178f65fe_ffffffff, 0xfe658f17_ffffffff),
    (R_PPC64_REL14, 0xc008_0000_000f_9878, 4, 0xd8970000_00000000, 0x000097d8_00000000),
    (R_PPC64_REL14_BRTAKEN, 0xc008_0000_0010_1488, 112, 0x4414e241_ffffffff, 0x41e21444_ffffffff),
    (R_PPC64_REL14_BRNTAKEN, 0xc008_0000_000f_ca9c, 0, 0xd8c94043_00000000, 0x4340c9d8_00000000),
    (R_PPC64_UADDR32, 0x1227_6654, 4, 0x58662712_ffffffff, 0x12276658_ffffffff),
    (R_PPC64_UADDR16, 0xffff_ffff_ffff_b4bf, 4, 0xc3b40000_00000000, 0xb4c30000_00000000),
    (R_PPC64_REL32, 0xc007_ffff_df65_72f7, 0, 0x037255df_ffffffff, 0xdf557203_ffffffff),
    (R_PPC64_ADDR64, 0xf403_e430_ec66_a78f, -8, 0x87a766ec_30e403f4, 0xf403e430_ec66a787),
    (R_PPC64_ADDR16_HIGHER, 0x4b5c_7427_3f98_e273, 4, 0x2774ffff_ffffffff, 0x7427ffff_ffffffff),
    (R_PPC64_ADDR16_HIGHERA, 0x130d_6eaf_14f4_72cf, 112, 0xaf6e0000_00000000, 0x6eaf0000_00000000),
    (R_PPC64_ADDR16_HIGHEST, 0x92bd_4ace_faec_bcc8, 112, 0xbd92ffff_ffffffff, 0x92bdffff_ffffffff),
    (R_PPC64_ADDR16_HIGHESTA, 0x41d3_fcff_2a3a_f4d0, 4, 0xd3410000_00000000, 0x41d30000_00000000),
    (R_PPC64_UADDR64, 0xfd2c_af82_eeea_cbe2, 0, 0xe2cbeaee_82af2cfd, 0xfd2caf82_eeeacbe2),
    (R_PPC64_REL64, 0xeb18_31d0_f656_e360, -8, 0xf4e146f6_d031102b, 0x2b1031d0_f646e1f4),
    (R_PPC64_TOC16, 0xc008_0000_0020_ae2c, -8, 0x242effff_ffffffff, 0x2e24ffff_ffffffff),
    (R_PPC64_TOC16_LO, 0xb4d1_df6a_cc21_9cdd, 0, 0xdd1c0000_00000000, 0x1cdd0000_00000000),
    (R_PPC64_TOC16_HI, 0xc008_0000_71f7_1e66, 112, 0xd671ffff_ffffffff, 0x71d6ffff_ffffffff),
    (R_PPC64_TOC16_HA, 0xc007_ffff_90c4_56ba, -8, 0xa4900000_00000000, 0x90a40000_00000000),
    (R_PPC64_ADDR16_DS, 0x6430, -8, 0x2b64ffff_ffffffff, 0x642bffff_ffffffff),
    (R_PPC64_ADDR16_LO_DS, 0xd8d5_563d_ab2c_d2ac, 112, 0x1cd30000_00000000, 0xd31c0000_00000000),
    (R_PPC64_TOC16_DS, 0xc008_0000_0020_b5f8, 4, 0xff35ffff_ffffffff, 0x35ffffff_ffffffff),
    (R_PPC64_TOC16_LO_DS, 0x5e01_fd78_9c85_b938, 0, 0x38390000_00000000, 0x39380000_00000000),
    (R_PPC64_ADDR16_HIGH, 0x44aa_eac1_37dc_76f7, 4, 0xdc37ffff_ffffffff, 0x37dcffff_ffffffff),
    (R_PPC64_ADDR16_HIGHA, 0xbf63_af83_bd05_6176, 112, 0x05bd0000_00000000, 0xbd050000_00000000),
    (R_PPC64_REL24_NOTOC, 0xc008_0000_0208_da94, 0, 0x83d8f8fd_ffffffff, 0xfdf8d883_ffffffff),
    (R_PPC64_ADDR64_LOCAL, 0xf2fd_f202_2a96_fb22, -8, 0x1afb962a_02f2fdf2, 0xf2fdf202_2a96fb1a),
    (R_PPC64_REL24_P9NOTOC, 0xc007_ffff_ff28_6e7c, 112, 0xbb6c18ff_ffffffff, 0xff186cbb_ffffffff),
    (R_PPC64_D34, 0x1_e25a_7601, 4, 0x5ae20100_05760000, 0x0001e25a_00007605),
    (R_PPC64_D34_LO, 0x953e_7c2a_26a2_c0b9, 4, 0xa226feff_bdc0ffff, 0xfffe26a2_ffffc0bd),
    (R_PPC64_D34_HI30, 0x2894_8c89_3b61_8676, 0, 0x250a0000_22230000, 0x00000a25_00002322),
    (R_PPC64_D34_HA30, 0xc343_5cc5_2eae_05cf, 0, 0xd030fcff_31d7ffff, 0xfffc30d0_ffffd731),
    (R_PPC64_PCREL34, 0xc008_0001_255b_0eda, -8, 0x4b250100_4e0c0000, 0x0001254b_00000c4e),
    (R_PPC64_ADDR16_HIGHER34, 0x10fb_bd11_9c1c_aaf3, 4, 0x44efffff_ffffffff, 0xef44ffff_ffffffff),
    (R_PPC64_ADDR16_HIGHERA34, 0x3d62_8881_ad1b_726b, 112, 0x20a20000_00000000, 0xa2200000_00000000),
    (R_PPC64_ADDR16_HIGHEST34, 0xf2c_6ec8_cc41_6933, 112, 0xcb03ffff_ffffffff, 0x03cbffff_ffffffff),
    (R_PPC64_ADDR16_HIGHESTA34, 0xe4e5_0cad_6623_7994, 112, 0x39390000_00000000, 0x39390000_00000000),
    (R_PPC64_REL16_HIGHER34, 0xa68b_6886_a270_cfdb, 4, 0x21daffff_ffffffff, 0xda21ffff_ffffffff),
    (R_PPC64_REL16_HIGHERA34, 0x3c1b_2d0d_114d_b3f1, 112, 0x43cb0000_00000000, 0xcb430000_00000000),
    (R_PPC64_REL16_HIGHEST34, 0x5c2c_42f9_299c_b699, 0, 0x0927ffff_ffffffff, 0x2709ffff_ffffffff),
    (R_PPC64_REL16_HIGHESTA34, 0xc967_d7b3_26c9_4f8b, -8, 0x57020000_00000000, 0x02570000_00000000),
    (R_PPC64_D28, 0xffff_ffff_f8d0_e73f, 0, 0xd0f8ffff_3fe7ffff, 0xfffff8d0_ffffe73f),
    (R_PPC64_PCREL28, 0xc007_ffff_feb7_8f17, 112, 0xa70e0000_638c0000, 0x00000ea7_00008c63),
    (R_PPC64_REL16_HIGH, 0xe270_aa87_2617_6ad9, -8, 0x0726ffff_ffffffff, 0x2607ffff_ffffffff),
    (R_PPC64_REL16_HIGHA, 0x9d41_d0a8_9a3e_fb53, 0, 0x2f9a0000_00000000, 0x9a2f0000_00000000),
    (R_PPC64_REL16_HIGHER, 0x195b_ee26_1d97_d1a7, 112, 0x26eeffff_ffffffff, 0xee26ffff_ffffffff),
    (R_PPC64_REL16_HIGHERA, 0xbbe4_968b_7b0b_2fcc, 0, 0x8b960000_00000000, 0x968b0000_00000000),
    (R_PPC64_REL16_HIGHEST, 0xfd8f_a865_57c6_fe82, 112, 0x873dffff_ffffffff, 0x3d87ffff_ffffffff),
    (R_PPC64_REL16_HIGHESTA, 0xf132_a1f6_d43f_e13f, 0, 0x2a310000_00000000, 0x312a0000_00000000),
    (R_PPC64_REL16DX_HA, 0xc007_ffff_dcab_d2c9, 0, 0xbedceeff_ffffffff, 0xffeedcbe_ffffffff),
    (R_PPC64_REL16, 0xc008_0000_0010_1c43, 0, 0x9f180000_00000000, 0x189f0000_00000000),
    (R_PPC64_REL16_LO, 0x1877_40f6_b249_f783, -8, 0xc7f3ffff_ffffffff, 0xf3c7ffff_ffffffff),
    (R_PPC64_REL16_HI, 0xc008_0000_6893_a5a0, -8, 0x83680000_00000000, 0x68830000_00000000),
    (R_PPC64_REL16_HA, 0xc008_0000_45ad_bcf2, -8, 0x9e45ffff_ffffffff, 0x459effff_ffffffff),
];

fn before(i: usize, kind: u32) -> [u32; 4] {
    let mut words = if i.is_multiple_of(2) { [0; 4] } else { [!0; 4] };
    match kind {
        R_PPC64_ADDR14_BRTAKEN | R_PPC64_REL14_BRTAKEN => words[1] = 0x4182_0000, // beq
        R_PPC64_ADDR14_BRNTAKEN | R_PPC64_REL14_BRNTAKEN => words[1] = 0x4240_0000, // bdz
        _ => {}
    }
    words
}

/// A symbol that somebody has given its value: called directly.
fn absolute(m: &mut Module<Arch>, value: u64) -> u32 {
    m.raw_symbol(Symbol { info: 0x10, flags: symbol_flag::ABSOLUTE, value, ..Default::default() }, "", value)
}

fn function(m: &mut Module<Arch>, section: u32, other: u8, offset: u64, address: u64) -> u32 {
    let symbol = Symbol { value: offset, section, info: 0x12, other, ..Default::default() };
    m.raw_symbol(symbol, "", address + offset)
}

#[test]
fn bytes_are_those_of_ld() {
    for machine in [LITTLE, BIG] {
        let mut m = Module::<Arch>::for_machine(machine);
        let text: Vec<_> = GOLDEN.iter().enumerate().flat_map(|(i, g)| before(i, g.0)).collect();
        let text = m.section(".text", TEXT, &bytes(machine.order, &text));
        m.section(".toc", TOCS, &[0; 8]);
        for (i, (kind, value, addend, ..)) in (0..).zip(GOLDEN) {
            let symbol = absolute(&mut m, value);
            m.relocate(text, 16 * i + 4, kind, symbol, addend);
        }
        let out = m.link().unwrap();
        for ((kind, _, _, little, big), made) in GOLDEN.iter().zip(out.section(text).chunks(16)) {
            let expected = if machine.order == order::BIG { big } else { little };
            assert_eq!(made[4..12], expected.to_be_bytes(), "type {kind}");
        }
    }
}

/// What the first relocation of two words is found to be.
fn fault_of(found: &[Finding]) -> (u32, i64) {
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0].fault.kind, found[0].fault.value)
}

/// One relocation in the first of four words.
fn one(machine: Machine, kind: u32, value: u64, before: [u32; 4]) -> Result<Vec<u32>, (u32, i64)> {
    let mut m = Module::<Arch>::for_machine(machine);
    let text = m.section(".text", TEXT, &bytes(machine.order, &before));
    m.section(".toc", TOCS, &[0; 8]);
    let symbol = absolute(&mut m, value);
    m.relocate(text, 0, kind, symbol, 0);
    m.link().map(|out| words(machine.order, out.section(text))).map_err(|found| fault_of(&found))
}

#[test]
fn ranges_end_where_they_should() {
    for (kind, from, bits, half, step) in [
        (R_PPC64_ADDR16_HI, 0, 32, 0, 1),
        (R_PPC64_ADDR16_HA, 0, 32, 0x8000, 1),
        (R_PPC64_ADDR24, 0, 26, 0, 4),
        (R_PPC64_ADDR14, 0, 16, 0, 4),
        (R_PPC64_ADDR16_DS, 0, 16, 0, 4),
        (R_PPC64_REL24, TEXT, 26, 0, 4),
        (R_PPC64_REL14, TEXT, 16, 0, 4),
        (R_PPC64_REL32, TEXT, 32, 0, 1),
        (R_PPC64_REL16_HA, TEXT, 32, 0x8000, 1),
        (R_PPC64_REL16DX_HA, TEXT, 32, 0x8000, 1),
        (R_PPC64_TOC16, TOCS + 0x8000, 16, 0, 1),
        (R_PPC64_TOC16_DS, TOCS + 0x8000, 16, 0, 4),
        (R_PPC64_TOC16_HA, TOCS + 0x8000, 32, 0x8000, 1),
        (R_PPC64_D34, 0, 34, 0, 1),
        (R_PPC64_PCREL34, TEXT, 34, 0, 1),
        (R_PPC64_D28, 0, 28, 0, 1),
        (R_PPC64_PCREL28, TEXT, 28, 0, 1),
    ] {
        let (min, max) = ((-1i64 << (bits - 1)) - half, (1i64 << (bits - 1)) - step - half);
        for machine in [LITTLE, BIG] {
            let link = |value: i64| one(machine, kind, from.wrapping_add_signed(value), [0; 4]).map(drop);
            for inside in [min, 0, max] {
                assert_eq!(link(inside), Ok(()), "type {kind}, {inside:#x}");
            }
            for outside in [min - step, max + step] {
                assert_eq!(link(outside), Err((fault::OUT_OF_RANGE, outside + half)), "type {kind}");
            }
            if step == 4 {
                assert_eq!(link(max + 1), Err((fault::MISALIGNED, max + 1)), "type {kind}");
            }
        }
    }
    for (kind, min, max) in [(R_PPC64_ADDR16, -0x8000, 0x7fff), (R_PPC64_ADDR32, -0x8000_0000, 0xffff_ffff)] {
        let link = |value: i64| one(LITTLE, kind, value as u64, [0; 4]).map(drop);
        assert_eq!((link(min), link(max)), (Ok(()), Ok(())));
        assert_eq!(link(min - 1), Err((fault::OUT_OF_RANGE, min - 1)));
        assert_eq!(link(max + 1), Err((fault::OUT_OF_RANGE, max + 1)));
    }
}

/// Runs a stub: where it goes, r2 and r12 at that, and what it has stored.
fn run(machine: Machine, out: &Linked, at: u64, memory: &[(u64, u64)]) -> (u64, [u64; 2], Vec<(u64, u64)>) {
    let mut r = [0u64; 13];
    (r[1], r[2]) = (0x1000, TOCS + 0x8000);
    let (mut pc, mut ctr, mut stored) = (at, 0, Vec::new());
    let fetch = |address: u64, len: usize| {
        let made = out.synthetic.iter().find(|s| address.wrapping_sub(s.address) < s.contents.len() as u64);
        made.map(|s| s.contents[(address - s.address) as usize..][..len].to_vec())
    };
    for _ in 0..8 {
        let word = words(machine.order, &fetch(pc, 4).unwrap())[0];
        let (d, a, low) = ((word >> 21 & 31) as usize, (word >> 16 & 31) as usize, word as i16 as u64);
        let load = |address: u64| {
            let here = fetch(address, 8).map(|b| words(machine.order, &b)).map(|w| w.map_words(machine));
            here.or(memory.iter().find(|m| m.0 == address).map(|m| m.1)).unwrap()
        };
        match word >> 26 {
            15 if a == 0 => r[d] = low << 16,
            15 => r[d] = r[a].wrapping_add(low << 16),
            14 => r[d] = r[a].wrapping_add(low),
            24 => r[a] = r[d] | u64::from(word as u16),
            25 => r[a] = r[d] | u64::from(word as u16) << 16,
            30 => r[a] = r[d] << 32,
            58 => r[d] = load(r[a].wrapping_add(low & !3)),
            62 => stored.push((r[a] + low, r[d])),
            31 => ctr = r[d],
            19 => return (ctr, [r[2], r[12]], stored),
            other => panic!("opcode {other} of {word:#x}"),
        }
        pc += 4;
    }
    panic!("no bctr")
}

trait MapWords {
    fn map_words(self, machine: Machine) -> u64;
}

impl MapWords for Vec<u32> {
    fn map_words(self, machine: Machine) -> u64 {
        let (first, second) = (u64::from(self[0]), u64::from(self[1]));
        if machine.order == order::BIG { first << 32 | second } else { second << 32 | first }
    }
}

const BL: u32 = 0x4800_0001;
const NOP: u32 = 0x6000_0000;

/// The distance of an unconditional branch.
fn distance(word: u32) -> u64 {
    ((word & 0x3ff_fffc) << 6) as i32 as i64 as u64 >> 6 | if word & 0x200_0000 != 0 { !0x3ff_ffff } else { 0 }
}

/// Calls `name`, undefined, by `kind` with these words at the place.
fn call(machine: Machine, kind: u32, name: &str, before: [u32; 4]) -> (u32, Result<Linked, Vec<Finding>>) {
    let mut m = Module::<Arch>::for_machine(machine);
    let text = m.section(".text", TEXT, &bytes(machine.order, &before));
    m.section(".toc", TOCS, &[0; 8]);
    m.synthetic_at(MADE);
    let symbol = m.symbol(name, 0xc000_0000_8765_4320);
    m.relocate(text, 0, kind, symbol, 0);
    (text, m.link())
}

#[test]
fn stubs_go_to_their_targets() {
    for (machine, save, load) in [(LITTLE, 24, 0xe841_0018), (BIG, 24, 0xe841_0018), (V1, 40, 0xe841_0028)] {
        let (text, out) = call(machine, R_PPC64_REL24, "printk", [BL, NOP, NOP, NOP]);
        let out = out.unwrap();
        let made = words(machine.order, out.section(text));
        assert_eq!(made[1..], [load, NOP, NOP]);
        let stub = TEXT.wrapping_add(distance(made[0]));
        assert_eq!((made[0] & !0x3ff_fffc, stub), (BL, MADE));
        let target = 0xc000_0000_8765_4320;
        let memory = [(target, 0xc000_0000_0012_3450), (target + 8, 0xc000_0000_0177_8000)];
        let (to, registers, stored) = run(machine, &out, stub, &memory);
        let v1 = machine.flags_value == 0;
        assert_eq!((to, registers[1]), if v1 { (memory[0].1, memory[0].1) } else { (target, target) });
        assert_eq!(registers[0], if v1 { memory[1].1 } else { TOCS + 0x8000 });
        assert_eq!(stored, [(0x1000 + save, TOCS + 0x8000)]);
        // Where Linux's ftrace looks.
        assert_eq!(words(machine.order, &out.synthetic[0].contents)[7], 0x7374_7562);
        assert_eq!(words(machine.order, &out.synthetic[0].contents[32..]).map_words(machine), target);
    }
}

/// The instructions are those of Linux's arch/powerpc/kernel/module_64.c; the stub is 0x6ffe_66f8 before `.TOC.`.
#[test]
fn the_stub_is_linuxs() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &bytes(LITTLE.order, &[BL, NOP]));
    m.section(".toc", TEXT + 0x7000_0000, &[0; 8]);
    m.synthetic_at(TEXT + 0x21908);
    let symbol = m.symbol("printk", 0xc000_0000_8765_4320);
    m.relocate(text, 0, R_PPC64_REL24, symbol, 0);
    let out = m.link().unwrap();
    let made = words(LITTLE.order, &out.synthetic[0].contents);
    let expected = [0x3d62_9002, 0x396b_9908, 0xf841_0018, 0xe98b_0020, 0x7d89_03a6, 0x4e80_0420, 0, 0x7374_7562];
    assert_eq!(made, [&expected[..], &[0x8765_4320, 0xc000_0000]].concat());
}

#[test]
fn code_without_toc_saves_none() {
    for (kind, name) in [(R_PPC64_REL24_NOTOC, "printk"), (R_PPC64_REL24_P9NOTOC, "printk"), (R_PPC64_REL24, "_mcount")]
    {
        for machine in [LITTLE, BIG] {
            let (text, out) = call(machine, kind, name, [BL, 0x7c08_02a6, NOP, NOP]);
            let out = out.unwrap();
            let made = words(machine.order, out.section(text));
            assert_eq!(made[1], 0x7c08_02a6);
            let (to, registers, stored) = run(machine, &out, TEXT.wrapping_add(distance(made[0])), &[]);
            assert_eq!((to, registers), (0xc000_0000_8765_4320, [TOCS + 0x8000, to]));
            assert_eq!(stored, []);
        }
    }
    let (_, found) = call(V1, R_PPC64_REL24_NOTOC, "printk", [BL, NOP, NOP, NOP]);
    assert_eq!(fault_of(&found.unwrap_err()).0, fault::REJECTED);
}

#[test]
fn a_nop_follows_a_call() {
    let after = |machine, before| {
        let (text, out) = call(machine, R_PPC64_REL24, "printk", before);
        out.map(|out| words(machine.order, out.section(text))[1]).map_err(|found| fault_of(&found))
    };
    for (machine, load) in [(LITTLE, 0xe841_0018), (BIG, 0xe841_0018), (V1, 0xe841_0028)] {
        for nop in [NOP, 0x4def_7b82, 0x4fff_fb82, load] {
            assert_eq!(after(machine, [BL, nop, 0, 0]), Ok(load));
        }
        assert_eq!(after(machine, [BL, 0x3860_0000, 0, 0]), Err((fault::BAD_INSTRUCTION, 0x3860_0000)));
        // `b` does not come back, and neither does what is no branch.
        assert_eq!(after(machine, [0x4800_0000, NOP, 0, 0]), Ok(NOP));
        assert_eq!(after(machine, [0x4800_0000, 0x3860_0000, 0, 0]), Ok(0x3860_0000));
    }
    // v1's _mcount is a function like others.
    let (_, found) = call(V1, R_PPC64_REL24, "_mcount", [BL, 0x3860_0000, 0, 0]);
    assert_eq!(fault_of(&found.unwrap_err()).0, fault::BAD_INSTRUCTION);
    // A call that ends its section, and a conditional one.
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &bytes(LITTLE.order, &[0x4182_0001, NOP, BL]));
    m.synthetic_at(TEXT + 0x100);
    let symbol = m.symbol("printk", 0);
    m.relocate(text, 0, R_PPC64_REL14, symbol, 0);
    m.relocate(text, 8, R_PPC64_REL24, symbol, 0);
    let out = m.link().unwrap();
    assert_eq!(words(LITTLE.order, out.section(text)), [0x4182_0101, 0xe841_0018, 0x4800_00f9]);
}

#[test]
fn what_the_kernel_resolves_later_has_a_stub() {
    for (flags, stub) in [(symbol_flag::LIVEPATCH, true), (symbol_flag::ABSOLUTE, false)] {
        let mut m = Module::<Arch>::new();
        let text = m.section(".text", TEXT, &bytes(LITTLE.order, &[BL, NOP]));
        m.synthetic_at(MADE);
        let symbol = m.raw_symbol(Symbol { info: 0x10, flags, ..Default::default() }, "", TEXT + 0x40);
        m.relocate(text, 0, R_PPC64_REL24, symbol, 0);
        let out = m.link().unwrap();
        let made = words(LITTLE.order, out.section(text));
        assert_eq!(distance(made[0]), if stub { MADE - TEXT } else { 0x40 });
        assert_eq!(made[1], if stub { 0xe841_0018 } else { NOP });
    }
}

#[test]
fn one_stub_for_one_target() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &bytes(LITTLE.order, &[BL, NOP].repeat(5)));
    m.synthetic_at(MADE);
    let (first, second) = (m.symbol("first", 16), m.symbol("second", 32));
    for (i, (kind, symbol, addend)) in (0..).zip([
        (R_PPC64_REL24, first, 0),
        (R_PPC64_REL24, second, 0),
        (R_PPC64_REL24, first, 8),
        (R_PPC64_REL24, first, 0),
        (R_PPC64_REL24_NOTOC, first, 0),
    ]) {
        m.relocate(text, 8 * i, kind, symbol, addend);
    }
    let out = m.link().unwrap();
    let (ends, sizes): (Vec<_>, Vec<_>) = (0..)
        .zip(words(LITTLE.order, out.section(text)).chunks(2))
        .map(|(i, w)| (TEXT + 8 * i + distance(w[0]), w[1]))
        .unzip();
    let at = |i: u64| MADE + 40 * i;
    assert_eq!(ends, [at(0), at(1), at(2), at(0), at(3)]);
    assert_eq!(sizes, [0xe841_0018, 0xe841_0018, 0xe841_0018, 0xe841_0018, NOP]);
    let names: Vec<_> = out.synthetic.iter().map(|s| (s.name, s.contents.len())).collect();
    assert_eq!(names, [(".relobox.stubs", 120), (".relobox.stubs.notoc", 40), (".relobox.got", 8)]);
}

#[test]
fn calls_in_the_module_go_to_the_local_entry() {
    // st_other's top bits, what a call adds with a TOC and without: None is a stub.
    for (bits, toc, notoc) in [
        (0, Some(0), Some(0)),
        (1, None, Some(0)),
        (2, Some(4), None),
        (3, Some(8), None),
        (4, Some(16), None),
        (5, Some(32), None),
        (6, Some(64), None),
    ] {
        for (kind, expected) in [(R_PPC64_REL24, toc), (R_PPC64_REL24_NOTOC, notoc)] {
            let mut m = Module::<Arch>::new();
            let text = m.section(".text", TEXT, &bytes(LITTLE.order, &[BL, NOP]));
            m.synthetic_at(MADE);
            // Low bits are the visibility.
            let symbol = function(&mut m, text, bits << 5 | 2, 0x80, TEXT);
            m.relocate(text, 0, kind, symbol, 0);
            let out = m.link().unwrap();
            let made = words(LITTLE.order, out.section(text));
            assert_eq!(distance(made[0]), expected.map_or(MADE - TEXT, |more| 0x80 + more), "{bits}");
            assert_eq!(made[1], if expected.is_none() && kind == R_PPC64_REL24 { 0xe841_0018 } else { NOP });
        }
    }
    // Data points to the global one, unless it asks.
    let mut m = Module::<Arch>::new();
    let data = m.section(".data", TEXT, &[0; 16]);
    let symbol = function(&mut m, data, 3 << 5, 0x80, TEXT);
    m.relocate(data, 0, R_PPC64_ADDR64, symbol, 0);
    m.relocate(data, 8, R_PPC64_ADDR64_LOCAL, symbol, 0);
    let out = m.link().unwrap();
    assert_eq!(words(LITTLE.order, out.section(data)), [0x10_0080, 0xc008_0000, 0x10_0088, 0xc008_0000]);
}

#[test]
fn a_descriptor_in_the_module_is_called_at_its_code() {
    let mut m = Module::<Arch>::for_machine(V1);
    let text = m.section(".text", TEXT, &bytes(V1.order, &[BL, NOP, BL, NOP, BL, NOP]));
    let opd = m.section(".opd", TEXT + 0x1000, &[0; 48]);
    let other = m.section(".text.other", TEXT + 0x2000, &[0; 8]);
    let code = m.label(other, 0);
    let dot = m.label(text, 16);
    let toc = m.symbol(".TOC.", 0);
    let descriptor = function(&mut m, opd, 3 << 5, 24, TEXT + 0x1000);
    let start = m.label(opd, 0);
    m.relocate(opd, 24, R_PPC64_ADDR64, code, 4);
    m.relocate(opd, 32, R_PPC64_TOC, toc, 0);
    m.relocate(opd, 0, R_PPC64_ADDR64, dot, 0);
    m.relocate(opd, 8, R_PPC64_TOC, 0, 0);
    m.relocate(text, 0, R_PPC64_REL24, descriptor, 0);
    m.relocate(text, 8, R_PPC64_REL24, start, 0);
    m.relocate(text, 16, R_PPC64_REL24, dot, 0);
    m.synthetic_at(TOCS);
    let out = m.link().unwrap();
    let made = words(V1.order, out.section(text));
    assert_eq!(made, [0x4800_2005, NOP, 0x4800_0009, NOP, 0x4800_0001, NOP]);
    let made = words(V1.order, out.section(opd));
    assert_eq!(made[6..], [0xc008_0000, 0x0010_2004, 0xc008_0000, 0x0020_8000, 0, 0]);
    assert_eq!(made[2..4], [0xc008_0000, 0x0020_8000]);
    // Somewhere between descriptors is no code.
    let mut m = Module::<Arch>::for_machine(V1);
    let text = m.section(".text", TEXT, &bytes(V1.order, &[BL, NOP]));
    let opd = m.section(".opd", TEXT + 0x1000, &[0; 24]);
    let within = m.label(opd, 8);
    m.relocate(text, 0, R_PPC64_REL24, within, 0);
    assert_eq!(fault_of(&m.link().unwrap_err()).0, fault::UNPAIRED);
}

#[test]
fn dot_symbols_are_looked_up_without_their_dot() {
    let mut m = Module::<Arch>::for_machine(V1);
    let text = m.section(".text", TEXT, &bytes(V1.order, &[BL, NOP, 0, 0]));
    m.synthetic_at(MADE);
    let dotted = m.symbol(".printk", 0xc000_0000_8765_4320);
    let toc = m.symbol(".TOC.", 0);
    m.symbol(".", 0);
    m.symbol("memcpy", 0);
    m.relocate(text, 0, R_PPC64_REL24, dotted, 0);
    m.relocate(text, 8, R_PPC64_ADDR64, toc, 0);
    let out = m.link().unwrap();
    assert_eq!(out.renamed, [(dotted, b"printk".to_vec()), (toc + 1, Vec::new())]);
    // 40 bytes of stub, and the TOC at the next multiple of 256.
    assert_eq!(words(V1.order, out.section(text))[2..], [0xc008_0000, 0x0011_8100]);
}

#[test]
fn the_toc_is_toc_or_stubs_or_made() {
    for (names, raised, r2) in [
        (&[".toc", ".stubs"][..], Some(0), TOCS + 0x8000),
        (&[".stubs", ".toc"], Some(1), TOCS + 0x1_8000),
        (&[".stubs"], Some(0), TOCS + 0x8000),
        (&[], None, MADE + 0x8000),
    ] {
        let mut m = Module::<Arch>::new();
        let text = m.section(".text", TEXT, &[0; 24]);
        for (i, name) in (0..).zip(names) {
            m.section(name, TOCS + 0x1_0000 * i, &[0; 8]);
        }
        m.synthetic_at(MADE);
        let named = m.symbol(".TOC.", 1);
        m.relocate(text, 0, R_PPC64_TOC, 0, 0);
        m.relocate(text, 8, R_PPC64_ADDR64, named, 0);
        m.relocate(text, 16, R_PPC64_TOC, named, 8);
        let out = m.link().unwrap();
        let expected: Vec<u8> = [r2, r2, r2 + 8].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(out.section(text), expected);
        let alignments: Vec<_> = out.alignments.iter().map(|a| (a.section, a.align)).collect();
        assert_eq!(alignments, raised.map(|i: u32| (text + 1 + i, 256)).into_iter().collect::<Vec<_>>());
        assert_eq!(out.synthetic.len(), usize::from(names.is_empty()));
    }
    // Nobody asks: nothing is made, and nothing is moved.
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &[0; 8]);
    m.section(".toc", TOCS, &[0; 8]);
    m.relocate(text, 0, R_PPC64_REL64, 0, 0);
    let out = m.link().unwrap();
    assert!(out.synthetic.is_empty() && out.alignments.is_empty());
}

#[test]
fn got_slots_are_reached_from_the_toc() {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", TEXT, &bytes(LITTLE.order, &[!0; 14]));
    m.synthetic_at(TOCS);
    let (first, second) = (m.symbol("first", 0x1122_3344_5566_7788), m.symbol("second", 16));
    m.relocate(text, 0, R_PPC64_GOT16, first, 0);
    m.relocate(text, 4, R_PPC64_GOT16_DS, second, 0);
    m.relocate(text, 8, R_PPC64_GOT16_HA, second, 0);
    m.relocate(text, 12, R_PPC64_GOT16_HI, second, 0);
    m.relocate(text, 16, R_PPC64_GOT16_LO, second, 0);
    m.relocate(text, 20, R_PPC64_GOT16_LO_DS, first, 8);
    m.relocate(text, 24, R_PPC64_GOT_PCREL34, second, 0);
    m.relocate(text, 32, R_PPC64_PLT16_HA, second, 0);
    m.relocate(text, 36, R_PPC64_PLT16_LO_DS, second, 0);
    m.relocate(text, 40, R_PPC64_PLT_PCREL34, second, 0);
    m.relocate(text, 48, R_PPC64_PLT_PCREL34_NOTOC, first, 0);
    let out = m.link().unwrap();
    let slots: Vec<u8> =
        [0x1122_3344_5566_7788, 16, 0x1122_3344_5566_7790u64].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!((out.synthetic[0].name, &out.synthetic[0].contents), (".relobox.got", &slots));
    let halves = [0xffff_8000, 0xffff_800b, 0xffff_0000, 0xffff_ffff, 0xffff_8008, 0xffff_8013];
    let prefixed =
        [0xfffc_000f, 0xffff_fff0, 0xffff_0000, 0xffff_800b, 0xfffc_000f, 0xffff_ffe0, 0xfffc_000f, 0xffff_ffd0];
    assert_eq!(words(LITTLE.order, out.section(text)), [&halves[..], &prefixed].concat());
    // ELFv1's slots would hold descriptors.
    let found = one(V1, R_PPC64_PLT16_HA, 0, [0; 4]).unwrap_err();
    assert_eq!(found.0, fault::REJECTED);
}

/// As GNU ld 2.40 and Linux do it.
#[test]
fn entry_points_add_to_r12_if_the_toc_is_near() {
    let far = [0xe84c_fff8, 0x7c42_6214];
    let link = |machine: Machine, toc: u64, before: [u32; 2]| {
        let mut m = Module::<Arch>::for_machine(machine);
        let text = m.section(".text", TEXT, &bytes(machine.order, &before));
        m.section(".toc", toc, &[0; 8]);
        m.relocate(text, 0, R_PPC64_ENTRY, 0, 0);
        words(machine.order, m.link().unwrap().section(text))
    };
    for machine in [LITTLE, BIG] {
        // 0x10_8000 away, and the ends of the range.
        assert_eq!(link(machine, TOCS, far), [0x3c4c_0011, 0x3842_8000]);
        assert_eq!(link(machine, TEXT + 0x7fff_7f00 - 0x8000, far), [0x3c4c_7fff, 0x3842_7f00]);
        assert_eq!(link(machine, TEXT + 0x7fff_8000 - 0x8000, far), far);
        assert_eq!(link(machine, TEXT - 0x8000_8000 - 0x8000, far), [0x3c4c_8000, 0x3842_8000]);
        assert_eq!(link(machine, TEXT - 0x8000_8100 - 0x8000, far), far);
        for other in [[0xe84c_fffa, 0x7c42_6214], [0xe84b_fff8, 0x7c42_6214], [0xe84c_fff8, 0x7c42_6215]] {
            assert_eq!(link(machine, TOCS, other), other);
        }
    }
}

/// From the psABIs' word30: the high 30 bits. (GNU ld 2.40 shifts the value to the right and does not put it there.)
#[test]
fn rel30_leaves_two_bits() {
    for machine in [LITTLE, BIG] {
        let link = |value| one(machine, R_PPC64_REL30, TEXT.wrapping_add_signed(value), [0x3, !0, 0, 0]);
        assert_eq!(link(0x1234_5678), Ok(vec![0x1234_567b, !0, 0, 0]));
        assert_eq!(link(-4), Ok(vec![!0, !0, 0, 0]));
        assert_eq!(link(0x8000_0000), Err((fault::OUT_OF_RANGE, 0x8000_0000)));
        assert_eq!(link(2), Err((fault::MISALIGNED, 2)));
    }
}

#[test]
fn hints_only_change_branches_that_have_them() {
    for (word, taken, not) in [
        (0x4182_0000, 0x41e2_0010, 0x41c2_0010), // beq
        (0x4080_0000, 0x40e0_0010, 0x40c0_0010), // bge
        (0x4200_0000, 0x4320_0010, 0x4300_0010), // bdnz
        (0x4280_0000, 0x4280_0010, 0x4280_0010), // always
        (0x4100_0000, 0x4100_0010, 0x4100_0010), // bdnz and a condition
    ] {
        for machine in [LITTLE, BIG] {
            let link = |kind, value| one(machine, kind, value, [word; 4]).unwrap()[0];
            assert_eq!(link(R_PPC64_ADDR14_BRTAKEN, 0x10), taken);
            assert_eq!(link(R_PPC64_REL14_BRTAKEN, TEXT + 0x10), taken);
            assert_eq!(link(R_PPC64_ADDR14_BRNTAKEN, 0x10), not);
            assert_eq!(link(R_PPC64_REL14_BRNTAKEN, TEXT + 0x10), not);
        }
    }
}

#[test]
fn hostile_input_is_a_fault() {
    for (kind, offset, symbol, expected) in [
        (R_PPC64_ADDR64, u64::MAX, 0, fault::OUTSIDE),
        (R_PPC64_REL24, u64::MAX - 3, 0, fault::OUTSIDE),
        (R_PPC64_REL24, 6, 0, fault::OUTSIDE),
        (R_PPC64_PCREL34, 4, 0, fault::OUTSIDE),
        (R_PPC64_ENTRY, 4, 0, fault::OUTSIDE),
        (R_PPC64_TOC, 0, 99, fault::BAD_SYMBOL),
        (R_PPC64_REL24, 0, u32::MAX, fault::BAD_SYMBOL),
        (R_PPC64_GOT16_DS, 0, 99, fault::BAD_SYMBOL),
        (R_PPC64_TPREL64, 0, 0, fault::REJECTED),
        (R_PPC64_COPY, 0, 0, fault::REJECTED),
        (R_PPC64_PLT64, 0, 0, fault::REJECTED),
        (R_PPC64_SECTOFF, 0, 0, fault::REJECTED),
        (18, 0, 0, fault::UNKNOWN_TYPE),
        (200, 0, 0, fault::UNKNOWN_TYPE),
        (u32::MAX, 0, 0, fault::UNKNOWN_TYPE),
    ] {
        for machine in [LITTLE, BIG, V1] {
            let mut m = Module::<Arch>::for_machine(machine);
            let text = m.section(".text", TEXT, &[0; 8]);
            m.relocate(text, offset, kind, symbol, 0);
            assert_eq!(fault_of(&m.link().unwrap_err()).0, expected, "type {kind}");
        }
    }
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", TEXT, &[0; 8]);
    m.relocate(text, 0, R_PPC64_ADDR64, 0, 0);
    assert_eq!(fault_of(&m.link().unwrap_err()).0, fault::ADDEND_FORM);
}

/// What plan counts is what the formulas ask for.
#[test]
fn plan_and_formulas_agree() {
    for row in Arch::ABOUT.rows {
        let has = |text: &str| row.formula.contains(text);
        let slot = if has("G(cx") || has("O(cx") { needs::TARGET_SLOT } else { 0 };
        let call = if has("L(cx") { CALL } else { 0 };
        assert_eq!(Arch::needs(row.kind), slot | call | if has("GOT") { TOC } else { 0 }, "{}", row.name);
    }
}

#[test]
fn every_type_of_the_psabis_is_named() {
    let mut kinds: Vec<_> = Arch::ABOUT.every_row().map(|row| row.kind).collect();
    kinds.sort_unstable();
    let all = [0..=17, 19..=22, 24..=31, 33..=124, 128..=151, 240..=254];
    assert_eq!(kinds, all.into_iter().flatten().collect::<Vec<_>>());
}
