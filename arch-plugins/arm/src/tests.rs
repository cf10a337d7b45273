//! Words marked "ld" are what GNU ld 2.40 and ld.lld 22 both wrote from what gas 2.40 assembled; "bfd" is GNU ld
//! alone. What code does is computed here from the Arm Architecture Reference Manual, without the plugin's fields.

use super::types::*;
use super::*;
use relobox_plugin::abi::Symbol;
use relobox_plugin::testing::{Linked, Module};
use relobox_plugin::{Architecture, Finding};

const BASE: u64 = 0xbf00_0000;
const LITTLE: Machine = Arch::ABOUT.machines[0];
const BIG: Machine = Arch::ABOUT.machines[1];

/// A Thumb instruction of two halfwords, as the word that fields see.
const fn pair(first: u32, second: u32) -> u32 {
    first | second << 16
}

/// One word at `place`, with the addend in it.
fn rel(place: u64, word: u32, kind: u32, s: u64) -> Result<u32, Vec<Finding>> {
    let mut m = Module::<Arch>::new().in_place();
    let text = m.section(".text", place, &word.to_le_bytes());
    let symbol = m.symbol("s", s);
    m.relocate(text, 0, kind, symbol, 0);
    Ok(u32::from_le_bytes(m.link()?.section(text).try_into().unwrap()))
}

/// The same with an explicit addend.
fn rela(place: u64, word: u32, kind: u32, s: u64, addend: i64) -> Result<u32, Vec<Finding>> {
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", place, &word.to_le_bytes());
    let symbol = m.symbol("s", s);
    m.relocate(text, 0, kind, symbol, addend);
    Ok(u32::from_le_bytes(m.link()?.section(text).try_into().unwrap()))
}

fn fault_of(result: Result<u32, Vec<Finding>>) -> (u32, i64, i64, i64) {
    let f = result.unwrap_err()[0].fault;
    (f.kind, f.value, f.min, f.max)
}

/// Where `b` or `bl` at `place` goes, in Arm code.
fn arm_target(place: u64, word: u32) -> u32 {
    (place as u32).wrapping_add(8).wrapping_add(((word << 8) as i32 >> 6) as u32)
}

/// Where `bl` or `b.w` at `place` goes, in Thumb code: the manual's encoding T1 of `bl`.
fn thumb_target(place: u64, word: u32) -> u32 {
    let (first, second) = (word & 0xffff, word >> 16);
    let bit = |half: u32, n: u32| half >> n & 1;
    let s = bit(first, 10);
    let (i1, i2) = (1 - (bit(second, 13) ^ s), 1 - (bit(second, 11) ^ s));
    let imm = s << 24 | i1 << 23 | i2 << 22 | (first & 0x3ff) << 12 | (second & 0x7ff) << 1;
    (place as u32).wrapping_add(4).wrapping_add(((imm << 7) as i32 >> 7) as u32)
}

/// The constant of an Arm `add` or `sub`, with its sign.
fn constant(word: u32) -> i64 {
    let value = i64::from((word & 0xff).rotate_right(2 * (word >> 8 & 15)));
    match word >> 21 & 15 {
        4 => value,
        2 => -value,
        opcode => panic!("opcode {opcode}"),
    }
}

/// Type, offset from `BASE`, the word before with the addend in it, S, the word after.
#[rustfmt::skip]
const VECTORS: &[(u32, u64, u32, u64, u32)] = &[
    (R_ARM_ABS32, 0x0, 0x52e6_b438, 0x9fc0_99ac, 0xf2a7_4de4),
    (R_ARM_ABS32, 0x10, 0x269e_0d37, 0x3e75_19d7, 0x6513_270e),
    (R_ARM_REL32, 0x60, 0x0ed9_0475, 0x9909_597f, 0xe8e2_5d94),
    (R_ARM_REL32, 0x70, 0x81e7_4ef5, 0x740f_2747, 0x36f6_75cc),
    (R_ARM_PREL31, 0xc0, 0x7fff_fff8, 0xff00_00c7, 0x3fff_ffff),
    (R_ARM_PREL31, 0xd0, 0x40, 0xff00_008f, 0x3fff_ffff),
    (R_ARM_TARGET1, 0x120, 0xc6f8_7718, 0x8973_7bd7, 0x506b_f2ef),
    (R_ARM_TARGET1, 0x130, 0x7731_af10, 0x1eb5_b2c1, 0x95e7_61d1),
    (R_ARM_CALL, 0x180, 0xebff_fffe, 0xbda7_a520, 0xeba9_e8e6),
    (R_ARM_CALL, 0x190, 0xeb00_0040, 0xc0f6_0020, 0xeb7d_7fe4),
    (R_ARM_PC24, 0x1e0, 0xebff_fffc, 0xbf60_a46c, 0xeb18_289f),
    (R_ARM_PC24, 0x1f0, 0xeb00_0040, 0xbd00_00f0, 0xeb80_0000),
    (R_ARM_PLT32, 0x250, 0xebff_fffe, 0xc100_0254, 0xeb7f_ffff),
    (R_ARM_PLT32, 0x260, 0xebff_fffc, 0xc0aa_d44c, 0xeb6a_b477),
    (R_ARM_JUMP24, 0x2b0, 0x0aff_fffe, 0xc100_02b4, 0x0a7f_ffff),
    (R_ARM_JUMP24, 0x2c0, 0x0aff_fffe, 0xbd0c_5d08, 0x0a83_1690),
    (R_ARM_MOVW_ABS_NC, 0x300, 0xe303_312d, 0xdbf4_7785, 0xe30a_38b2),
    (R_ARM_MOVW_ABS_NC, 0x310, 0xe303_3f16, 0xf341_a164, 0xe30e_307a),
    (R_ARM_MOVT_ABS, 0x360, 0xe341_3491, 0xf3ae_bc25, 0xe34f_33ae),
    (R_ARM_MOVT_ABS, 0x370, 0xe341_3893, 0xae3a_12ec, 0xe34a_3e3a),
    (R_ARM_MOVW_PREL_NC, 0x3c0, 0xe30c_3d0b, 0x2583_9f3b, 0xe306_3886),
    (R_ARM_MOVW_PREL_NC, 0x3d0, 0xe307_3928, 0xefcb_5425, 0xe30c_397d),
    (R_ARM_MOVT_PREL, 0x420, 0xe349_385d, 0xd935_f863, 0xe341_3a35),
    (R_ARM_MOVT_PREL, 0x430, 0xe344_39c8, 0x5018_757e, 0xe349_3118),
    (R_ARM_LDR_PC_G0, 0x480, 0xe51f_2008, 0xbf00_1487, 0xe59f_2fff),
    (R_ARM_LDR_PC_G0, 0x490, 0xe59f_2123, 0xbeff_fb80, 0xe51f_27ed),
    (R_ARM_LDR_PC_G1, 0x4e0, 0xe59f_2123, 0xbf10_03bc, 0xe59f_2fff),
    (R_ARM_LDR_PC_G1, 0x4f0, 0xe59f_2123, 0xbef0_c101, 0xe51f_22cc),
    (R_ARM_LDR_PC_G2, 0x540, 0xe59f_2123, 0xc054_88af, 0xe59f_2092),
    (R_ARM_LDR_PC_G2, 0x550, 0xe59f_2123, 0xcf00_042c, 0xe59f_2fff),
    (R_ARM_LDRS_PC_G0, 0x5a0, 0xe1df_21b2, 0xbf00_05c4, 0xe1df_23b6),
    (R_ARM_LDRS_PC_G0, 0x5b0, 0xe1df_20b8, 0xbf00_0646, 0xe1df_29be),
    (R_ARM_LDRS_PC_G1, 0x600, 0xe1df_21b2, 0xbeff_05ef, 0xe15f_2fbf),
    (R_ARM_LDRS_PC_G1, 0x610, 0xe1df_20b8, 0xbf01_0607, 0xe1df_2fbf),
    (R_ARM_LDRS_PC_G2, 0x660, 0xe15f_20b8, 0xbf2e_855c, 0xe1df_23b4),
    (R_ARM_LDRS_PC_G2, 0x670, 0xe1df_21b2, 0xbf39_2682, 0xe1df_22b4),
    (R_ARM_ALU_PC_G0_NC, 0x6c0, 0xe28f_2008, 0xcf00_06b7, 0xe28f_26ff),
    (R_ARM_ALU_PC_G0_NC, 0x6d0, 0xe24f_2008, 0xcf00_06d7, 0xe28f_26ff),
    (R_ARM_ALU_PC_G0, 0x720, 0xe28f_2012, 0xc140_070e, 0xe28f_2790),
    (R_ARM_ALU_PC_G0, 0x730, 0xe28f_2012, 0xbf00_0b0e, 0xe28f_2ffc),
    (R_ARM_ALU_PC_G1_NC, 0x780, 0xe24f_2008, 0xb220_c23b, 0xe24f_2af4),
    (R_ARM_ALU_PC_G1_NC, 0x790, 0xe28f_2012, 0xaf00_077f, 0xe24f_2aff),
    (R_ARM_ALU_PC_G1, 0x7e0, 0xe28f_2008, 0xbefe_e498, 0xe24f_2fd0),
    (R_ARM_ALU_PC_G1, 0x7f0, 0xe28f_2008, 0xbefe_e4a8, 0xe24f_2fd0),
    (R_ARM_ALU_PC_G2, 0x840, 0xe24f_2008, 0xc000_0847, 0xe28f_20ff),
    (R_ARM_ALU_PC_G2, 0x850, 0xe24f_2008, 0xbedc_f8c6, 0xe24f_2002),
    (R_ARM_THM_CALL, 0x8b0, 0xfffe_f7ff, 0xbe00_08b5, 0xd000_f400),
    (R_ARM_THM_CALL, 0x8c0, 0xfffe_f7ff, 0xbe00_08c5, 0xd000_f400),
    (R_ARM_THM_JUMP24, 0x930, 0xbffe_f7ff, 0xbe00_0935, 0x9000_f400),
    (R_ARM_THM_JUMP24, 0x940, 0xb080_f000, 0xbe6d_ad8d, 0xb2a6_f6da),
    (R_ARM_THM_JUMP19, 0x960, 0xaffe_f43f, 0xbef0_0965, 0x8000_f400),
    (R_ARM_THM_JUMP19, 0x970, 0xaff8_f43f, 0xbefc_f345, 0xace2_f40e),
    (R_ARM_THM_JUMP11, 0x9c0, 0xe7fe, 0xbf00_0377, 0xe4d9),
    (R_ARM_THM_JUMP11, 0x9d0, 0xe080, 0xbf00_098d, 0xe05e),
    (R_ARM_THM_JUMP8, 0xa20, 0xd0f8, 0xbf00_0931, 0xd080),
    (R_ARM_THM_JUMP8, 0xa30, 0xd008, 0xbf00_0aa7, 0xd043),
    (R_ARM_THM_MOVW_ABS_NC, 0xa80, 0x33b4_f640, 0x08d1_745d, 0x0311_f248),
    (R_ARM_THM_MOVW_ABS_NC, 0xa90, 0x73e6_f64e, 0xe1e4_47d1, 0x73b7_f243),
    (R_ARM_THM_MOVT_ABS, 0xae0, 0x63b2_f6c3, 0x4767_a348, 0x7367_f2c4),
    (R_ARM_THM_MOVT_ABS, 0xaf0, 0x434a_f2c2, 0xa7f0_a554, 0x73f0_f2ca),
    (R_ARM_THM_MOVW_PREL_NC, 0xb40, 0x4321_f241, 0xe3d4_4fbb, 0x039c_f645),
    (R_ARM_THM_MOVW_PREL_NC, 0xb50, 0x5328_f645, 0x5538_40cf, 0x23a7_f249),
    (R_ARM_THM_MOVT_PREL, 0xba0, 0x133e_f6cc, 0xb427_f824, 0x5327_f2cf),
    (R_ARM_THM_MOVT_PREL, 0xbb0, 0x7342_f2cf, 0x996e_81fc, 0x236e_f6cd),
    (R_ARM_THM_ALU_PREL_11_0, 0xc00, 0x0304_f20f, 0xbf00_066c, 0x5390_f2af),
    (R_ARM_THM_ALU_PREL_11_0, 0xc10, 0x0304_f2af, 0xbf00_1c13, 0x73ff_f60f),
    (R_ARM_THM_PC12, 0xc60, 0x3004_f85f, 0xbf00_1c63, 0x3fff_f8df),
    (R_ARM_THM_PC12, 0xc90, 0x3123_f8df, 0xbf00_1b6c, 0x3fff_f8df),
    (R_ARM_THM_PC8, 0xcc0, 0x4bc0, 0xbf00_0cb8, 0x4bbe),
    (R_ARM_THM_PC8, 0xcd0, 0x4b01, 0xbf00_0d64, 0x4b26),
    (R_ARM_THM_ALU_ABS_G0_NC, 0xd20, 0x2304, 0x4102_3ae9, 0x23ed),
    (R_ARM_THM_ALU_ABS_G0_NC, 0xd30, 0x23f0, 0xbe43_7b8b, 0x237b),
    (R_ARM_THM_ALU_ABS_G1_NC, 0xd80, 0x3304, 0x44ce_4aaf, 0x334a),
    (R_ARM_THM_ALU_ABS_G1_NC, 0xd90, 0x33f0, 0x197a_13f2, 0x3314),
    (R_ARM_THM_ALU_ABS_G2_NC, 0xde0, 0x3304, 0x7745_10c6, 0x3345),
    (R_ARM_THM_ALU_ABS_G2_NC, 0xdf0, 0x3304, 0xc465_3cda, 0x3365),
    (R_ARM_THM_ALU_ABS_G3, 0xe40, 0x3304, 0x047b_2c0c, 0x3304),
    (R_ARM_THM_ALU_ABS_G3, 0xe50, 0x3304, 0x757f_1cb6, 0x3375),
    (R_ARM_ABS12, 0x0, 0xe59f_2005, 0x39b, 0xe59f_23a0), // bfd
    (R_ARM_LDC_PC_G0, 0x0, 0xed9f_2a02, 0xbf00_00e0, 0xed9f_2a3a), // bfd
    (R_ARM_LDC_PC_G0, 0x10, 0xed1f_2a02, 0xbeff_fc1c, 0xed1f_2aff), // bfd
    (R_ARM_LDC_PC_G1, 0x0, 0xed9f_2a02, 0xbf00_e7d8, 0xed9f_2a38), // bfd
    (R_ARM_LDC_PC_G1, 0x10, 0xed1f_2a02, 0xbefc_001c, 0xed1f_2aff), // bfd
    (R_ARM_LDC_PC_G2, 0x0, 0xed9f_2a02, 0xbfe7_dd5c, 0xed9f_2a19), // bfd
    (R_ARM_LDC_PC_G2, 0x10, 0xed1f_2a02, 0xbb00_001c, 0xed1f_2aff), // bfd
];

#[test]
fn what_linkers_make() {
    for &(kind, offset, before, s, after) in VECTORS {
        assert_eq!(rel(BASE + offset, before, kind, s).unwrap(), after, "{kind} {before:#x} {s:#x}");
        // The same addend, explicit.
        let row = Arch::ABOUT.rows.iter().find(|r| r.kind == kind).unwrap();
        let field = relobox_plugin::Field { width: row.width, order: row.order, slices: row.slices };
        let place = before.to_le_bytes();
        let a = if row.formula.contains("Ai") { addend(kind, &place) } else { field.addend(&place, false) };
        assert_eq!(rela(BASE + offset, before, kind, s, a).unwrap(), after, "{kind} {before:#x} {s:#x} {a}");
    }
    let missing: Vec<_> = Arch::ABOUT.rows.iter().filter(|r| !r.slices.is_empty() && !judged(r.kind)).collect();
    let names: Vec<_> = missing.iter().map(|r| r.name).collect();
    // Other tests have them.
    assert_eq!(names.join(" "), OTHERS);
}

const OTHERS: &str = "R_ARM_GOTOFF32 R_ARM_BASE_PREL R_ARM_GOT_BREL R_ARM_TARGET2 R_ARM_ABS32_NOI R_ARM_REL32_NOI \
    R_ARM_PLT32_ABS R_ARM_GOT_ABS R_ARM_GOT_PREL R_ARM_GOT_BREL12 R_ARM_GOTOFF12 R_ARM_V4BX R_ARM_THM_JUMP6 \
    R_ARM_THM_GOT_BREL12 R_ARM_THM_ABS5";

fn judged(kind: u32) -> bool {
    VECTORS.iter().any(|v| v.0 == kind) || matches!(kind, R_ARM_ABS16 | R_ARM_ABS8)
}

#[test]
fn the_psabis_examples_of_addends() {
    // SUB R0, R1, #1020; LDR R0, [R2, #16]; BL .; DCB 0xf0
    assert_eq!(addend(R_ARM_ALU_PC_G0, &0xe241_0fff_u32.to_le_bytes()), -1020);
    assert_eq!(addend(R_ARM_LDR_PC_G2, &0xe59f_0010_u32.to_le_bytes()), 16);
    assert_eq!(addend(R_ARM_LDR_PC_G2, &0xe51f_0010_u32.to_le_bytes()), -16);
    assert_eq!(addend(R_ARM_THM_CALL, &pair(0xf7ff, 0xfffe).to_le_bytes()), -4);
    assert_eq!(BYTE8.addend(&[0xf0], false), -16);
    // Two numbers are negative, of which -4 is nearly all that there is.
    assert_eq!(addend(R_ARM_THM_JUMP6, &0xb3f8_u16.to_le_bytes()), -2);
    assert_eq!(addend(R_ARM_THM_JUMP6, &0xb3f0_u16.to_le_bytes()), -4);
    assert_eq!(addend(R_ARM_THM_JUMP6, &0xb3e8_u16.to_le_bytes()), 0x7a);
    assert_eq!(addend(R_ARM_THM_PC8, &0x48ff_u16.to_le_bytes()), -4);
    assert_eq!(addend(R_ARM_THM_PC8, &0x48fe_u16.to_le_bytes()), 0x3f8);
    assert_eq!(addend(R_ARM_THM_ABS5, &0x6ff8_u16.to_le_bytes()), 0x7c);
    assert_eq!(addend(R_ARM_THM_ALU_ABS_G3, &0x20ff_u16.to_le_bytes()), 0xff);
}

#[test]
fn j1_and_j2() {
    // From the far end to the far end, with any addend, J1 and J2 in all four ways.
    let step = 0x3_f7ee;
    for distance in
        (-0x100_0000..0x100_0000i64).step_by(step).chain([-0x100_0000, -2, 0, 2, 0xff_fffe, 0x40_0000, 0x80_0000])
    {
        let goal = (BASE as i64 + 4 + distance) as u64;
        for (kind, second) in [(R_ARM_THM_CALL, 0xd000), (R_ARM_THM_JUMP24, 0x9000)] {
            let word = rela(BASE, pair(0xf000, second), kind, goal | 1, -4).unwrap();
            assert_eq!(thumb_target(BASE, word), goal as u32, "{distance:#x}");
            assert_eq!((word & 0xf800, word >> 16 & 0xd000), (0xf000, second));
            // What stands there then is an addend for the next linker.
            let again = rel(BASE, word, kind, BASE).unwrap();
            assert_eq!(again, word);
        }
    }
    for distance in [-0x10_0000, -2, 0, 0x5_a5a4, 0xf_fffe] {
        let word = rela(BASE, pair(0xf380, 0x8000), R_ARM_THM_JUMP19, (BASE as i64 + distance) as u64, 0).unwrap();
        let (first, second) = (word & 0xffff, word >> 16);
        let imm = (first >> 10 & 1) << 20 | (second >> 11 & 1) << 19 | (second >> 13 & 1) << 18;
        let imm = imm | (first & 63) << 12 | (second & 0x7ff) << 1;
        assert_eq!(i64::from((imm << 11) as i32 >> 11), distance);
        assert_eq!(first & 0xfbc0, 0xf380, "the condition stays");
    }
}

/// A module with branches to one symbol, of these types, addends and words.
fn branches(machine: Machine, s: u64, list: &[(u32, i64, u32)]) -> Result<Linked, Vec<Finding>> {
    let mut m = Module::<Arch>::for_machine(machine);
    let words: Vec<u8> = list.iter().flat_map(|(_, _, word)| word.to_le_bytes()).collect();
    let text = m.section(".text", BASE, &words);
    m.synthetic_at(BASE + 0x1000);
    let symbol = m.symbol("s", s);
    for (at, (kind, a, _)) in (0..).step_by(4).zip(list) {
        m.relocate(text, at, *kind, symbol, *a);
    }
    m.link()
}

const BL: u32 = 0xeb00_0000;
const THM_BL: u32 = pair(0xf000, 0xd000);

#[test]
fn veneers_lead_on() {
    let s = 0xd000_0000_u64;
    let list = [
        (R_ARM_CALL, -8, BL),
        (R_ARM_JUMP24, -8, 0x0a00_0000),
        (R_ARM_PC24, -4, BL),
        // The same symbol, and the same addend as an Arm branch: code of its own.
        (R_ARM_THM_CALL, -4, THM_BL),
        (R_ARM_THM_JUMP24, -4, pair(0xf000, 0x9000)),
        (R_ARM_THM_JUMP24, 0x7c, pair(0xf000, 0x9000)),
    ];
    for machine in [LITTLE, BIG] {
        let linked = branches(machine, s, &list).unwrap();
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
        let data = |bytes: &[u8]| {
            let bytes = bytes.try_into().unwrap();
            if machine.order == order::BIG { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        let at = |address: u32| {
            let made = linked
                .synthetic
                .iter()
                .find(|m| u64::from(address).checked_sub(m.address).is_some_and(|at| at < m.contents.len() as u64));
            let made = made.unwrap_or_else(|| panic!("{address:#x} is no veneer"));
            made.contents[(u64::from(address) - made.address) as usize..][..8].to_vec()
        };
        let mut seen = Vec::new();
        for ((place, insn), (kind, a, before)) in (BASE..).step_by(4).zip(linked.section(1).chunks(4)).zip(&list) {
            let thumb = matches!(*kind, R_ARM_THM_CALL | R_ARM_THM_JUMP24);
            let veneer = if thumb { thumb_target(place, word(insn)) } else { arm_target(place, word(insn)) };
            let code = at(veneer);
            if thumb {
                assert_eq!((word(&code[..4]), data(&code[4..])), (0xf000_f8df, (s as i64 + a + 4) as u32 | 1));
            } else {
                assert_eq!((word(&code[..4]), data(&code[4..])), (0xe51f_f004, (s as i64 + a + 8) as u32));
                assert_eq!(word(insn) >> 24, before >> 24);
            }
            seen.push(veneer);
        }
        assert_eq!((seen[0] == seen[1], seen[3] == seen[4]), (true, true));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 4);
        assert_eq!(linked.synthetic.iter().map(|m| m.contents.len()).sum::<usize>(), 4 * 8);
    }
}

#[test]
fn veneers_begin_where_branches_end() {
    let at = |s: u64, kind, a, word| branches(LITTLE, s, &[(kind, a, word)]).unwrap();
    for (distance, direct) in [(0x1ff_fffc, true), (0x200_0000, false), (-0x200_0000, true), (-0x200_0004, false)] {
        let linked = at((BASE as i64 + 8 + distance) as u64, R_ARM_CALL, -8, BL);
        assert_eq!(linked.synthetic[0].contents == [0; 8], direct, "{distance:#x}");
    }
    for (distance, direct) in [(0xff_fffe, true), (0x100_0000, false), (-0x100_0000, true), (-0x100_0002, false)] {
        let linked = at((BASE as i64 + 4 + distance) as u64, R_ARM_THM_CALL, -4, THM_BL);
        assert_eq!(linked.synthetic[0].contents == [0; 8], direct, "{distance:#x}");
    }
    // One that is itself out of reach.
    let mut m = Module::<Arch>::new();
    let text = m.section(".text", BASE, &BL.to_le_bytes());
    m.synthetic_at(BASE + 0x200_0008);
    let symbol = m.symbol("s", 0xd000_0000);
    m.relocate(text, 0, R_ARM_CALL, symbol, -8);
    let f = m.link().unwrap_err()[0].fault;
    assert_eq!((f.kind, f.value), (fault::OUT_OF_RANGE, 0x200_0000));
}

#[test]
fn a_weak_function_that_is_missing_is_the_next_instruction() {
    for (kind, word) in [(R_ARM_CALL, BL), (R_ARM_JUMP24, BL), (R_ARM_THM_CALL, THM_BL), (R_ARM_THM_JUMP24, THM_BL)] {
        let mut m = Module::<Arch>::new();
        let text = m.section(".text", BASE, &word.to_le_bytes());
        let weak = Symbol { info: 0x20, flags: symbol_flag::UNDEFINED | symbol_flag::WEAK, ..Default::default() };
        let symbol = m.raw_symbol(weak, "s", 0);
        m.relocate(text, 0, kind, symbol, if word == BL { -8 } else { -4 });
        let linked = m.link().unwrap();
        let word = u32::from_le_bytes(linked.section(text).try_into().unwrap());
        let target = if word >> 24 == 0xeb { arm_target(BASE, word) } else { thumb_target(BASE, word) };
        assert_eq!(target, BASE as u32 + 4, "{kind}");
    }
}

#[test]
fn one_instruction_set() {
    // bl to Thumb code, near and far.
    assert_eq!(fault_of(rela(BASE, BL, R_ARM_CALL, BASE + 0x101, -8)), (fault::MISALIGNED, 0xf9, 4, 0));
    let (kind, value, ..) = fault_of(rela(BASE, BL, R_ARM_JUMP24, 0xd000_0001, -8));
    assert_eq!((kind, value), (fault::OUT_OF_RANGE, 0x10ff_fff9));
    // Thumb to an Arm function; to a label, which may be either, it goes.
    for (info, good) in [(2, false), (0, true), (0x12, false)] {
        for value in [0x40, 0x41] {
            let mut m = Module::<Arch>::new();
            let text = m.section(".text", BASE, &THM_BL.to_le_bytes());
            let other = m.section(".init.text", BASE + 0x1000, &[0; 0x80]);
            let symbol = Symbol { info, section: other, value, ..Default::default() };
            let symbol = m.raw_symbol(symbol, "", BASE + 0x1000 + value);
            m.relocate(text, 0, R_ARM_THM_CALL, symbol, -4);
            match m.link() {
                Ok(linked) => {
                    assert!(good || value == 0x41);
                    let word = u32::from_le_bytes(linked.section(text).try_into().unwrap());
                    assert_eq!(thumb_target(BASE, word), BASE as u32 + 0x1040);
                }
                Err(findings) => {
                    assert!(!good && value == 0x40);
                    let f = findings[0].fault;
                    assert_eq!((f.kind, f.relocation, f.section, f.symbol), (fault::OTHER, 0, text, symbol));
                    assert!(findings[0].text.contains("instruction set"));
                }
            }
        }
    }
}

#[test]
fn thumb_functions_as_data_are_odd() {
    let function = Symbol { info: 0x12, section: 1, value: 0x21, ..Default::default() };
    for (kind, expected) in [
        (R_ARM_ABS32, 0xbf00_0021),
        (R_ARM_TARGET1, 0xbf00_0021),
        (R_ARM_REL32, 0x21),
        (R_ARM_ABS32_NOI, 0xbf00_0020),
        (R_ARM_REL32_NOI, 0x20),
        (R_ARM_PLT32_ABS, 0xbf00_0021),
    ] {
        for order in [LITTLE, BIG] {
            let mut m = Module::<Arch>::for_machine(order);
            let text = m.section(".text", BASE, &[0; 8]);
            let symbol = m.raw_symbol(function, "", BASE + 0x21);
            m.relocate(text, 0, kind, symbol, 0);
            let linked = m.link().unwrap();
            let bytes = linked.section(text)[..4].try_into().unwrap();
            let word = if order.order == order::BIG { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
            assert_eq!(word, expected, "{kind}");
        }
    }
    let halves = |kind, word| rela(BASE, word, kind, BASE + 0x12_3457, 0).unwrap();
    assert_eq!(halves(R_ARM_MOVW_ABS_NC, 0xe300_0000), 0xe303_0457);
    assert_eq!(halves(R_ARM_MOVT_ABS, 0xe340_0000), 0xe34b_0f12);
}

#[test]
fn be8_has_little_endian_code_and_big_endian_data() {
    let mut m = Module::<Arch>::for_machine(BIG).in_place();
    let mut bytes = 0xe30d_3512_u32.to_le_bytes().to_vec();
    bytes.extend(4_u32.to_be_bytes());
    bytes.extend(2_u16.to_be_bytes());
    bytes.extend(0x8000_0010_u32.to_be_bytes());
    let text = m.section(".text", BASE, &bytes);
    let (s, half) = (m.symbol("s", 0x73f7_e438), m.symbol("half", 0x1234));
    let near = m.symbol("near", BASE);
    m.relocate(text, 0, R_ARM_MOVW_ABS_NC, s, 0);
    m.relocate(text, 4, R_ARM_ABS32, s, 0);
    m.relocate(text, 8, R_ARM_ABS16, half, 0);
    m.relocate(text, 10, R_ARM_PREL31, near, 0);
    let linked = m.link().unwrap();
    let out = linked.section(text);
    let low = 0x73f7_e438_u32.wrapping_sub(0x2aee);
    assert_eq!(out[..4], (0xe300_3000 | low >> 12 << 16 & 0xf_0000 | low & 0xfff).to_le_bytes());
    assert_eq!(out[4..8], 0x73f7_e43c_u32.to_be_bytes());
    assert_eq!(out[8..10], 0x1236_u16.to_be_bytes());
    assert_eq!(out[10..], 0x8000_0006_u32.to_be_bytes());
    // An object that `ld --be8` has not seen has big-endian code.
    let mut m = Module::<Arch>::for_machine(Machine { flags_value: 0x0500_0000, ..BIG });
    m.section(".text", BASE, &[0; 4]);
    assert_eq!(m.link().unwrap_err()[0].fault.kind, fault::BAD_MACHINE);
}

#[test]
fn groups_add_up() {
    const ADD: u32 = 0xe28f_0000;
    let distances = [0, 1, 0xff, 0x100, 0x3fc, 0x12345, 0xfffff, 0x10_0000, 0x0dea_dbee, 0xfff_ffff, 0x800_1fff];
    for distance in distances.iter().flat_map(|d| [*d, -*d]) {
        let s = (BASE as i64 + distance) as u64;
        let first = constant(rela(BASE, ADD, R_ARM_ALU_PC_G0_NC, s, 0).unwrap());
        let second = constant(rela(BASE, ADD, R_ARM_ALU_PC_G1_NC, s, 0).unwrap());
        let load = rela(BASE, 0xe59f_0000, R_ARM_LDR_PC_G2, s, 0).unwrap();
        let third = i64::from(load & 0xfff) * if load >> 23 & 1 == 1 { 1 } else { -1 };
        assert_eq!(first + second + third, distance, "{distance:#x}");
        // Two groups and what is left of 16 bits, or it is refused.
        let last = rela(BASE, ADD, R_ARM_ALU_PC_G1, s, 0);
        match last {
            Ok(word) => assert_eq!(first + constant(word), distance),
            Err(findings) => {
                assert_eq!(findings[0].fault.kind, fault::OUT_OF_RANGE);
                assert!(distance.abs() > 0xffff && first + second != distance);
            }
        }
    }
    // mov is neither add nor sub.
    let (kind, value, ..) = fault_of(rela(BASE, 0xe3a0_0000, R_ARM_ALU_PC_G0, BASE, 0));
    assert_eq!((kind, value), (fault::BAD_INSTRUCTION, 0xe3a0_0000));
}

#[test]
fn ends_of_ranges() {
    // Type, word, the range of the distance or address, step.
    for (kind, word, min, max, step) in [
        (R_ARM_LDR_PC_G0, 0xe59f_0000, -0xfff, 0xfff, 1),
        (R_ARM_LDRS_PC_G0, 0xe1df_00b0, -0xff, 0xff, 1),
        (R_ARM_LDC_PC_G0, 0xed9f_0a00, -0x3fc, 0x3fc, 4),
        (R_ARM_THM_JUMP19, pair(0xf000, 0x8000), -0x10_0000, 0xf_fffe, 2),
        (R_ARM_THM_JUMP11, 0xe000, -0x800, 0x7fe, 2),
        (R_ARM_THM_JUMP8, 0xd000, -0x100, 0xfe, 2),
        (R_ARM_THM_JUMP6, 0xb100, 0, 0x7e, 2),
        (R_ARM_THM_ALU_PREL_11_0, pair(0xf20f, 0), -0xfff, 0xfff, 1),
        (R_ARM_THM_PC12, pair(0xf8df, 0), -0xfff, 0xfff, 1),
        (R_ARM_THM_PC8, 0x4800, 0, 0x3fc, 4),
        (R_ARM_PREL31, 0, -0x4000_0000, 0x3fff_ffff, 1),
    ] {
        let at = |x: i64| {
            // No veneer stands in for a branch within its own section.
            let mut m = Module::<Arch>::new();
            let text = m.section(".text", BASE, &u32::to_le_bytes(word));
            let symbol = Symbol { section: text, value: x as u64, ..Default::default() };
            let symbol = m.raw_symbol(symbol, "", (BASE as i64 + x) as u64);
            m.relocate(text, 0, kind, symbol, 0);
            Ok(u32::from_le_bytes(m.link()?.section(text).try_into().unwrap()))
        };
        assert!(at(min).is_ok() && at(max).is_ok(), "{kind}");
        for x in [min - step, max + step] {
            // Words of 1,020 bytes end at 0x3fc; the message speaks of bytes.
            let min = if kind == R_ARM_LDC_PC_G0 { -0x3ff } else { min };
            let (kind, value, least, _) = fault_of(at(x));
            assert_eq!((kind, value, least), (fault::OUT_OF_RANGE, x, min));
        }
    }
    // 0x100 is one bit, which `add` can rotate; 0x101 is two that are too far apart.
    let add = |x: i64| rela(BASE, 0xe28f_0000, R_ARM_ALU_PC_G0, BASE, x);
    assert_eq!((add(0xff).unwrap(), add(-0x100).unwrap()), (0xe28f_00ff, 0xe24f_0f40));
    assert_eq!(fault_of(add(0x101)), (fault::OUT_OF_RANGE, 0x101, -0xff, 0xff));
    for (kind, min, max) in [(R_ARM_ABS16, -0x8000, 0xffff), (R_ARM_ABS8, -0x80, 0xff)] {
        let at = |x: i64| rela(BASE, 0, kind, 0, x);
        assert_eq!((at(min).unwrap(), at(max).unwrap()), ((-min) as u32, max as u32));
        assert_eq!(fault_of(at(min - 1)), (fault::OUT_OF_RANGE, min - 1, min, max));
        assert_eq!(fault_of(at(max + 1)), (fault::OUT_OF_RANGE, max + 1, min, max));
    }
    assert_eq!(fault_of(rela(BASE, 0xed9f_0a00, R_ARM_LDC_PC_G1, BASE + 0x1002, 0)), (fault::MISALIGNED, 0x1002, 4, 0));
    assert_eq!(fault_of(rela(BASE, 0x4800, R_ARM_THM_PC8, BASE + 0x12, 0)), (fault::MISALIGNED, 0x12, 4, 0));
    // A load at an address that is no multiple of 4 counts from one that is.
    assert_eq!(rela(BASE + 2, 0x4800, R_ARM_THM_PC8, BASE + 0x14, -4).unwrap(), 0x4804);
    assert_eq!(rela(BASE, 0x6800, R_ARM_THM_ABS5, 0x7c, 0).unwrap(), 0x6fc0);
    assert_eq!(fault_of(rela(BASE, 0x6800, R_ARM_THM_ABS5, 0x80, 0)), (fault::OUT_OF_RANGE, 0x80, 0, 0x7c));
    assert_eq!(rela(BASE, 0xb100, R_ARM_THM_JUMP6, BASE + 0x7f, 0).unwrap(), 0xb3f8);
}

#[test]
fn bx_becomes_mov_pc() {
    // bxne lr (bfd --fix-v4bx)
    assert_eq!(rel(BASE, 0x112f_ff1e, R_ARM_V4BX, 0).unwrap(), 0x11a0_f00e);
    assert_eq!(rela(BASE, 0xe12f_ff13, R_ARM_V4BX, BASE, 8).unwrap(), 0xe1a0_f003);
    // blx r3
    assert_eq!(fault_of(rel(BASE, 0xe12f_ff33, R_ARM_V4BX, 0)), (fault::BAD_INSTRUCTION, 0xe12f_ff33, 0, 0));
}

#[test]
fn a_global_offset_table() {
    for machine in [LITTLE, BIG] {
        let data = |word: u32| if machine.order == order::BIG { word.to_be_bytes() } else { word.to_le_bytes() };
        let mut m = Module::<Arch>::for_machine(machine).in_place();
        let mut bytes: Vec<u8> = [0, 4, 8, 0, 0, 0].into_iter().flat_map(data).collect();
        bytes.extend([0xe59f_0004_u32, 0xe51f_0004, pair(0xf8d9, 0x0000)].into_iter().flat_map(u32::to_le_bytes));
        let text = m.section(".text", BASE, &bytes);
        m.synthetic_at(BASE + 0x1000);
        let (a, b) = (m.symbol("a", 0xc012_3456), m.symbol("b", 0xc065_4320));
        let got = m.symbol("_GLOBAL_OFFSET_TABLE_", 0);
        let near = m.symbol("near", BASE + 0x1010);
        for (offset, kind, symbol) in [
            (0, R_ARM_GOT_ABS, a),
            (4, R_ARM_GOT_PREL, b),
            (8, R_ARM_GOT_BREL, b),
            (12, R_ARM_GOTOFF32, near),
            (16, R_ARM_BASE_PREL, got),
            (20, R_ARM_TARGET2, a),
            (24, R_ARM_GOT_BREL12, a),
            (28, R_ARM_GOTOFF12, near),
            (32, R_ARM_THM_GOT_BREL12, b),
        ] {
            m.relocate(text, offset, kind, symbol, 0);
        }
        let linked = m.link().unwrap();
        let table = linked.synthetic.iter().find(|m| m.name == ".relobox.got").unwrap();
        let (g, at) = (table.address as u32, BASE as u32);
        assert_eq!(table.contents, [data(0xc012_3456), data(0xc065_4320)].concat());
        let expected = [g, g + 4 + 4 - (at + 4), 4 + 8, at + 0x1010 - g, g - (at + 16), g - (at + 20)];
        let mut expected: Vec<u8> = expected.into_iter().flat_map(data).collect();
        let low = at + 0x1010 - g - 4;
        expected.extend([0xe59f_0004, 0xe59f_0000 | low, pair(0xf8d9, 0x0004)].into_iter().flat_map(u32::to_le_bytes));
        assert_eq!(linked.section(text), expected);
    }
}

#[test]
fn every_type_has_its_verdict() {
    // All of AAELF32, and those that binutils adds.
    let known = (0..=138).chain(160..=167).chain(249..=255);
    let ours: std::collections::BTreeMap<_, _> = Arch::ABOUT.every_row().map(|r| (r.kind, r.name)).collect();
    assert_eq!(ours.keys().copied().collect::<Vec<_>>(), known.collect::<Vec<_>>());
    for refused in Arch::ABOUT.refused {
        for kind in refused.first..=refused.last {
            assert_eq!(fault_of(rela(BASE, 0, kind, BASE, 0)).0, fault::REJECTED);
        }
    }
    assert_eq!((ours[&135], ours[&160], ours[&255]), ("R_ARM_THM_ALU_ABS_G3", "R_ARM_IRELATIVE", "R_ARM_RBASE"));
}
