//! What linked code does is computed by a processor ([`run`]) that was written from the instruction set manual alone.

use super::types::*;
use super::*;
use relobox_plugin::abi::{Symbol, symbol_flag};
use relobox_plugin::testing::{self, Linked, Module};
use relobox_plugin::{Architecture, Finding};

const TEXT: u64 = 0xffff_8000_0200_8000;
const KERNEL: u64 = 0x9000_0000_0123_4568;
const NOT_AT_PLACE: fn(u64) -> u64 = |at| at;

fn la64() -> Module<Arch> {
    Module::new()
}

fn la32() -> Module<Arch> {
    Module::for_machine(Arch::ABOUT.machines[1])
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn kinds(outcome: Result<Linked, Vec<Finding>>) -> Vec<u32> {
    outcome.unwrap_err().iter().map(|f| f.fault.kind).collect()
}

fn signed(word: u32, bit: u32, len: u32) -> i64 {
    i64::from((word << (32 - bit - len)) as i32 >> (32 - len))
}

/// Runs code at `pc`; gives the registers and where it jumped. Memory is what `load` says.
fn run(code: &[u8], mut pc: u64, class: u8, load: impl Fn(u64) -> u64) -> ([u64; 32], Option<u64>) {
    let mut r = [0u64; 32];
    // 32-bit registers are kept sign-extended, as LA64 does.
    let cut = |x: u64| if class == 32 { x as i32 as u64 } else { x };
    for word in code.chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())) {
        let (rd, rj, rk) = ((word & 31) as usize, r[(word >> 5 & 31) as usize], r[(word >> 10 & 31) as usize]);
        let (si12, si20, offs16) = (signed(word, 10, 12), signed(word, 5, 20), signed(word, 10, 16) << 2);
        let offs26 = (i64::from(word << 22) << 32 >> 38 & !0xffff | i64::from(word >> 10 & 0xffff)) << 2;
        let value = match (word >> 25, word >> 22, word >> 26, word >> 15) {
            (0b000_1010, ..) => (si20 << 12) as u64,
            (0b000_1011, ..) => r[rd] & 0xffff_ffff | (si20 << 32) as u64,
            (0b000_1101, ..) => (pc & !0xfff).wrapping_add_signed(si20 << 12),
            (0b000_1110, ..) => pc.wrapping_add_signed(si20 << 12),
            (0b000_1111, ..) => pc.wrapping_add_signed(si20 << 18),
            (_, 0b00_0000_1100, ..) => rj & !(0xfff << 52) | (si12 << 52) as u64,
            (_, 0b00_0000_1011 | 0b00_0000_1010, ..) => rj.wrapping_add_signed(si12),
            (_, 0b00_0000_1110, ..) => rj | (si12 & 0xfff) as u64,
            (_, 0b00_1010_0011 | 0b00_1010_0010, ..) => load(cut(rj.wrapping_add_signed(si12))),
            (.., 0b0_0000_0000_0010_0001) => rj.wrapping_add(rk),
            (.., 0b0_0111_0000_0001_1000) => load(rj.wrapping_add(rk)),
            (_, _, 0b01_0011, _) => return (r, Some(cut(rj.wrapping_add_signed(offs16)))),
            (_, _, 0b01_0100 | 0b01_0101, _) => return (r, Some(cut(pc.wrapping_add_signed(offs26)))),
            _ => panic!("no such instruction: {word:#x}"),
        };
        r[rd] = if rd == 0 { 0 } else { cut(value) };
        pc = pc.wrapping_add(4);
    }
    (r, None)
}

/// A word of a synthetic section.
fn load(out: &Linked, at: u64, width: u64) -> u64 {
    let table = out.synthetic.iter().find(|s| (s.address..s.address + s.contents.len() as u64).contains(&at)).unwrap();
    let bytes = &table.contents[(at - table.address) as usize..][..width as usize];
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Targets at and around everything that carries.
fn targets(near: u64) -> Vec<u64> {
    let mut targets = Vec::new();
    for far in [0, 0x1000, 0x7fff_e000, 0x8000_0000, 0xffff_f000, 0x1_0000_0000, 1 << 51, 1 << 63, u64::MAX << 12] {
        for low in [0, 1, 0x7ff, 0x800, 0x801, 0xfff] {
            targets.extend([near.wrapping_add(far) & !0xfff | low, near.wrapping_sub(far) & !0xfff | low]);
        }
    }
    targets
}

#[test]
fn four_instructions_reach_everything() {
    // pcalau12i $a0; addi.d $a1, $zero; lu32i.d $a1; lu52i.d $a1, $a1; add.d $a0, $a0, $a1
    let code = words(&[0x1a00_0004, 0x02c0_0005, 0x1600_0005, 0x0300_00a5, 0x0010_9484]);
    let parts = [R_LARCH_PCALA_HI20, R_LARCH_PCALA_LO12, R_LARCH_PCALA64_LO20, R_LARCH_PCALA64_HI12];
    // Also where a page ends between the four.
    for place in [TEXT, TEXT + 0xff4, TEXT + 0xff8, TEXT + 0xffc, 0x7fff_fff8, 0xffff_ffff_ffff_eff8] {
        for target in targets(place) {
            let mut m = la64();
            let text = m.section(".text", place, &code);
            let x = m.symbol("x", target);
            for (kind, at) in parts.into_iter().zip([0, 4, 8, 12]) {
                m.relocate(text, at, kind, x, 0);
            }
            let out = m.link().unwrap();
            assert_eq!(run(out.section(text), place, 64, NOT_AT_PLACE).0[4], target, "{target:#x} from {place:#x}");
        }
    }
}

#[test]
fn four_instructions_load_from_a_slot() {
    // The same with ldx.d $a0, $a0, $a1 at the end.
    let code = words(&[0x1a00_0004, 0x02c0_0005, 0x1600_0005, 0x0300_00a5, 0x380c_1484]);
    let parts = [R_LARCH_GOT_PC_HI20, R_LARCH_GOT_PC_LO12, R_LARCH_GOT64_PC_LO20, R_LARCH_GOT64_PC_HI12];
    for got in targets(TEXT)
        .into_iter()
        .filter(|at| at & 7 == 0 && at.wrapping_sub(TEXT) as i64 as i32 as i64 == at.wrapping_sub(TEXT) as i64)
    {
        let mut m = la64();
        m.synthetic_at(got);
        let text = m.section(".text", TEXT + 0xff8, &code);
        let x = m.symbol("x", KERNEL);
        for (kind, at) in parts.into_iter().zip([0, 4, 8, 12]) {
            m.relocate(text, at, kind, x, 24);
        }
        match m.link() {
            Ok(out) => {
                let a0 = run(out.section(text), TEXT + 0xff8, 64, |at| load(&out, at, 8)).0[4];
                assert_eq!(a0, KERNEL + 24, "{got:#x}");
            }
            // The last 0x800 bytes of pcalau12i's reach.
            Err(findings) => assert_eq!((findings.len(), findings[0].fault.value), (1, 1 << 31), "{got:#x}"),
        }
    }
}

#[test]
fn absolute_addresses() {
    // lu12i.w $a0; ori $a0, $a0; lu32i.d $a0; lu52i.d $a0, $a0
    let code = words(&[0x1400_0004, 0x0380_0084, 0x1600_0004, 0x0300_0084]);
    for target in targets(0) {
        let mut m = la64();
        m.synthetic_at(TEXT + 0x10_0800);
        let (text, slots) = (m.section(".text", TEXT, &code), m.section(".text.got", TEXT + 0x100, &code));
        let x = m.symbol("x", target.wrapping_sub(0x123));
        let direct = [R_LARCH_ABS_HI20, R_LARCH_ABS_LO12, R_LARCH_ABS64_LO20, R_LARCH_ABS64_HI12];
        let by_slot = [R_LARCH_GOT_HI20, R_LARCH_GOT_LO12, R_LARCH_GOT64_LO20, R_LARCH_GOT64_HI12];
        for (at, (direct, by_slot)) in (0..).step_by(4).zip(direct.into_iter().zip(by_slot)) {
            m.relocate(text, at, direct, x, 0x123);
            m.relocate(slots, at, by_slot, x, 0x123);
        }
        let out = m.link().unwrap();
        assert_eq!(run(out.section(text), TEXT, 64, NOT_AT_PLACE).0[4], target);
        assert_eq!(load(&out, run(out.section(slots), TEXT, 64, NOT_AT_PLACE).0[4], 8), target);
    }
}

/// Links one relocation at 4 of sixteen ones at `base`; what it makes of them, or the first fault.
fn one(mut m: Module<Arch>, base: u64, kind: u32, target: u64) -> Result<Vec<u8>, u32> {
    let text = m.section(".text", base, &[0xff; 16]);
    let absolute = Symbol { flags: symbol_flag::ABSOLUTE, section: 1, ..Default::default() };
    let x = m.raw_symbol(absolute, "", target);
    m.relocate(text, 4, kind, x, 0);
    m.link().map(|out| out.section(text).to_vec()).map_err(|findings| findings[0].fault.kind)
}

#[test]
fn ranges_end_where_they_should() {
    let p = 0x100_8000_0004_u64;
    let cases = [
        (R_LARCH_B16, -0x2_0000, 0x1_fffc, 4),
        (R_LARCH_B21, -0x40_0000, 0x3f_fffc, 4),
        (R_LARCH_B26, -0x800_0000, 0x7ff_fffc, 4),
        (R_LARCH_PCREL20_S2, -0x20_0000, 0x1f_fffc, 4),
        (R_LARCH_CALL36, -0x20_0002_0000, 0x1f_fffd_fffc, 4),
        (R_LARCH_CALL30, -0x8000_0000, 0x7fff_fffc, 4),
        (R_LARCH_32_PCREL, -0x8000_0000, 0x7fff_ffff, 1),
        (R_LARCH_PCADD_HI20, -0x8000_0800, 0x7fff_f7ff, 1),
        // The place is four bytes into its page.
        (R_LARCH_PCALA_HI20, -0x8000_0804, 0x7fff_f7fb, 1),
    ];
    for (kind, min, max, step) in cases {
        let link = |m, v: i64| one(m, p - 4, kind, p.wrapping_add_signed(v));
        for v in [min, max, 0] {
            assert!(link(la64(), v).is_ok(), "{kind} {v:#x}");
        }
        for v in [min - step, max + step] {
            assert_eq!(link(la64(), v), Err(fault::OUT_OF_RANGE), "{kind} {v:#x}");
            // On 32 bits addresses wrap, and what spans 32 bits reaches everything.
            assert_eq!(link(la32(), v).is_ok(), max > 0x7000_0000, "{kind} {v:#x}");
        }
        for off in (1..4).filter(|_| step == 4) {
            assert_eq!(link(la64(), off), Err(fault::MISALIGNED), "{kind}");
        }
    }
    for (v, fits) in [(-0x8000_0001_i64, false), (-0x8000_0000, true), (0xffff_ffff, true), (0x1_0000_0000, false)] {
        assert_eq!(one(la64(), TEXT, R_LARCH_32, v as u64).is_ok(), fits, "{v:#x}");
        assert!(one(la32(), 0x1000, R_LARCH_32, v as u64).is_ok(), "{v:#x}");
    }
}

#[test]
fn calls_arrive() {
    // bl; pcaddu18i $ra and jirl $ra, $ra; pcaddu12i $ra and jirl $ra, $ra
    let cases: [(u32, &[u32], &[i64]); 3] = [
        (R_LARCH_B26, &[0x5400_0000], &[-0x800_0000, 0x7ff_fffc, -4, 4, 0x3_fffc, 0x4_0000, -0x4_0004]),
        (
            R_LARCH_CALL36,
            &[0x1e00_0001, 0x4c00_0021],
            &[-0x20_0002_0000, 0x1f_fffd_fffc, 0x1_fffc, 0x2_0000, -0x2_0004],
        ),
        (R_LARCH_CALL30, &[0x1c00_0001, 0x4c00_0021], &[-0x8000_0000, 0x7fff_fffc, 0x7fc, 0x800, 0xffc, -4]),
    ];
    for (kind, code, distances) in cases {
        for distance in distances {
            let mut m = la64();
            let text = m.section(".text", TEXT, &words(code));
            let x = m.symbol("x", TEXT.wrapping_add_signed(*distance));
            m.relocate(text, 0, kind, x, 0);
            let (_, to) = run(m.link().unwrap().section(text), TEXT, 64, NOT_AT_PLACE);
            assert_eq!(to, Some(TEXT.wrapping_add_signed(*distance)), "{kind} {distance:#x}");
        }
    }
}

#[test]
fn far_calls_go_through_the_plt() {
    for (make, class, base, far) in [(la64 as fn() -> _, 64, TEXT, KERNEL), (la32, 32, 0xc201_0000, 0xa020_0800)] {
        for (kind, code) in [
            (R_LARCH_B26, &[0x5400_0000_u32][..]),
            (R_LARCH_CALL36, &[0x1e00_0001, 0x4c00_0021]),
            (R_LARCH_CALL30, &[0x1c00_0001, 0x4c00_0021]),
        ] {
            let mut m: Module<Arch> = make();
            m.synthetic_at(base + 0x1_0000);
            let text = m.section(".text", base, &words(&[code, code].concat()));
            let (near, x) = (m.symbol("near", base + 0x1000), m.symbol("x", far));
            m.relocate(text, 0, kind, x, 0xffc);
            m.relocate(text, 4 * code.len() as u64, kind, near, 0);
            let out = m.link().unwrap();
            let cut = |at: u64| if class == 32 { at as i32 as u64 } else { at };
            let (first, second) = out.section(text).split_at(4 * code.len());
            let (_, to) = run(first, base, class, NOT_AT_PLACE);
            let reaches = class == 32 && kind != R_LARCH_B26;
            let plt = &out.synthetic[0];
            let entry = if class == 32 { 8 } else { 16 };
            assert_eq!((plt.name, plt.contents.len()), (".relobox.plt", 2 * entry));
            if reaches {
                // On 32 bits the pair reaches everything, and its entry stays empty.
                assert_eq!((to, &plt.contents[..]), (Some(cut(far + 0xffc)), &[0; 16][..]));
            } else {
                let at = to.unwrap().wrapping_sub(cut(plt.address)) as usize;
                let (registers, to) = run(&plt.contents[at..at + entry], plt.address, class, NOT_AT_PLACE);
                assert_eq!(to, Some(cut(far + 0xffc)), "{kind}");
                assert!(registers.iter().enumerate().all(|(i, value)| i == 13 || *value == 0), "only $t1 is free");
            }
            let (_, to) = run(second, base + 4 * code.len() as u64, class, NOT_AT_PLACE);
            assert_eq!(to, Some(cut(base + 0x1000)));
        }
    }
}

#[test]
fn what_is_no_instruction_has_no_plt_entry() {
    let mut m = la64();
    let text = m.section(".text", TEXT, &[0; 8]);
    let x = m.symbol("x", KERNEL);
    m.relocate(text, 0, R_LARCH_B26, x, 2);
    assert_eq!(kinds(m.link()), [fault::OUT_OF_RANGE]);
    // And what lies in the module is not asked for one.
    let mut m = la64();
    let (text, away) = (m.section(".text", TEXT, &[0; 8]), m.section(".away", TEXT + 0x1000_0000, &[0; 8]));
    let label = m.label(away, 0);
    m.relocate(text, 0, R_LARCH_B26, label, 0);
    assert_eq!(kinds(m.link()), [fault::OUT_OF_RANGE]);
}

#[test]
fn pcalau12i_alone_reaches_2_gib() {
    let link = |at: u64, kind, other: bool, addend| {
        let mut m = la64();
        let text = m.section(".text", TEXT, &[0; 16]);
        let symbols = [m.symbol("x", KERNEL), m.symbol("y", KERNEL)];
        // Before it in the file, too.
        m.relocate(text, at, kind, symbols[usize::from(other)], addend);
        m.relocate(text, 0, R_LARCH_PCALA_HI20, symbols[0], 0);
        m.link().map(drop).map_err(|f| f.iter().map(|f| (f.fault.kind, f.fault.relocation)).collect::<Vec<_>>())
    };
    let far = Err(vec![(fault::OUT_OF_RANGE, 1)]);
    assert_eq!(link(8, R_LARCH_PCALA64_LO20, false, 0), Ok(()));
    assert_eq!(link(12, R_LARCH_PCALA64_LO20, false, 0), far);
    assert_eq!(link(8, R_LARCH_PCALA64_HI12, false, 0), far);
    assert_eq!(link(8, R_LARCH_PCALA64_LO20, true, 0), far);
    assert_eq!(link(8, R_LARCH_PCALA64_LO20, false, 4), far);
}

#[test]
fn low_parts_find_their_high_part() {
    // pcaddu12i $a0; ld.w $a0, $a0; pcaddu12i $a1; addi.w $a1, $a1
    let code = words(&[0x1c00_0004, 0x2880_0084, 0x1c00_0005, 0x0280_00a5]);
    for low_first in [false, true] {
        let mut m = la32();
        m.synthetic_at(0xc202_07fc);
        let text = m.section(".text", 0xc201_0000, &code);
        let (x, y) = (m.symbol("x", 0xa123_4800), m.symbol("y", 0xc201_0fff));
        let (slot, direct) = (m.label(text, 0), m.label(text, 8));
        let mut all = [
            (0, R_LARCH_GOT_PCADD_HI20, x, 8),
            (8, R_LARCH_PCADD_HI20, y, 4),
            // The addend of a low part means nothing.
            (4, R_LARCH_GOT_PCADD_LO12, slot, 0x321),
            (12, R_LARCH_PCADD_LO12, direct, 0),
        ];
        if low_first {
            all.reverse();
        }
        all.into_iter().for_each(|(at, kind, symbol, addend)| m.relocate(text, at, kind, symbol, addend));
        let out = m.link().unwrap();
        let (registers, _) = run(out.section(text), 0xc201_0000, 32, |at| load(&out, at & 0xffff_ffff, 4));
        assert_eq!((registers[4] as u32, registers[5] as u32), (0xa123_4808, 0xc201_1003));
    }
    let lone = |label_at: u64, high: &[u32]| {
        let mut m = la32();
        let text = m.section(".text", 0xc201_0000, &code);
        let label = m.label(text, label_at);
        high.iter().for_each(|kind| m.relocate(text, 0, *kind, 0, 0));
        m.relocate(text, 4, R_LARCH_PCADD_LO12, label, 0);
        m.link().map(drop).map_err(|findings| findings.last().unwrap().fault.kind)
    };
    assert_eq!(lone(0, &[R_LARCH_PCADD_HI20]), Ok(()));
    assert_eq!(lone(8, &[R_LARCH_PCADD_HI20]), Err(fault::UNPAIRED));
    assert_eq!(lone(0, &[R_LARCH_PCALA_HI20]), Err(fault::UNPAIRED));
    assert_eq!(lone(0, &[R_LARCH_PCADD_HI20, R_LARCH_PCADD_HI20]), Err(fault::UNPAIRED));
}

/// Relocations at one place of the stack, over a word of ones; what becomes of it, or the first fault.
fn computed(program: &[(u32, i64)]) -> Result<u32, (u32, u32)> {
    let mut m = la64();
    let text = m.section(".text", TEXT, &[0xff; 4]);
    for (kind, addend) in program {
        m.relocate(text, 0, *kind, 0, *addend);
    }
    let out = m.link().map_err(|f| (f[0].fault.kind, f[0].fault.relocation))?;
    Ok(u32::from_le_bytes(out.section(text).try_into().unwrap()))
}

#[test]
fn the_stack_computes() {
    const NUMBER: u32 = R_LARCH_SOP_PUSH_ABSOLUTE;
    const POP: (u32, i64) = (R_LARCH_SOP_POP_32_U, 0);
    for (kind, numbers, result) in [
        (R_LARCH_SOP_SUB, &[7, 5][..], 2),
        (R_LARCH_SOP_ADD, &[7, -5], 2),
        (R_LARCH_SOP_AND, &[0b1110, 0b0111], 0b0110),
        (R_LARCH_SOP_SL, &[3, 5], 96),
        (R_LARCH_SOP_SR, &[0x1_0000_0000, 31], 2),
        (R_LARCH_SOP_IF_ELSE, &[1, 10, 20], 10),
        (R_LARCH_SOP_IF_ELSE, &[0, 10, 20], 20),
        (R_LARCH_SOP_NOT, &[0], 1),
        (R_LARCH_SOP_NOT, &[-3], 0),
    ] {
        let mut program: Vec<_> = numbers.iter().map(|number| (NUMBER, *number)).collect();
        program.extend([(kind, 0), POP]);
        assert_eq!(computed(&program), Ok(result), "{kind} {numbers:?}");
    }
    // A shift to the right keeps the sign; the distance wraps nowhere.
    let sign = [(NUMBER, -32), (NUMBER, 2), (R_LARCH_SOP_SR, 0), (NUMBER, 10), (R_LARCH_SOP_ADD, 0), POP];
    assert_eq!(computed(&sign), Ok(2));
    for bits in [-1, 64] {
        let shift = [(NUMBER, 1), (NUMBER, bits), (R_LARCH_SOP_SL, 0), POP];
        assert_eq!(computed(&shift), Err((fault::OUT_OF_RANGE, 2)));
    }
    let twice = [(NUMBER, 21), (R_LARCH_SOP_PUSH_DUP, 0), (R_LARCH_SOP_ADD, 0), POP];
    assert_eq!(computed(&twice), Ok(42));
    let asserted = |number| computed(&[(NUMBER, 5), (NUMBER, number), (R_LARCH_SOP_ASSERT, 0), POP]);
    assert_eq!((asserted(-1), asserted(0)), (Ok(5), Err((fault::OTHER, 2))));
}

#[test]
fn fields_that_pop() {
    let pop = |kind, value| computed(&[(R_LARCH_SOP_PUSH_ABSOLUTE, value), (kind, 0)]);
    for (kind, min, max, step, smallest, largest) in [
        (R_LARCH_SOP_POP_32_S_10_5, -16, 15, 1, 0xffff_c3ff_u32, 0xffff_bfff_u32),
        (R_LARCH_SOP_POP_32_U_10_12, 0, 0xfff, 1, 0xffc0_03ff, 0xffff_ffff),
        (R_LARCH_SOP_POP_32_S_10_12, -0x800, 0x7ff, 1, 0xffe0_03ff, 0xffdf_ffff),
        (R_LARCH_SOP_POP_32_S_10_16, -0x8000, 0x7fff, 1, 0xfe00_03ff, 0xfdff_ffff),
        (R_LARCH_SOP_POP_32_S_10_16_S2, -0x2_0000, 0x1_fffc, 4, 0xfe00_03ff, 0xfdff_ffff),
        (R_LARCH_SOP_POP_32_S_5_20, -0x8_0000, 0x7_ffff, 1, 0xff00_001f, 0xfeff_ffff),
        (R_LARCH_SOP_POP_32_S_0_5_10_16_S2, -0x40_0000, 0x3f_fffc, 4, 0xfc00_03f0, 0xffff_ffef),
        (R_LARCH_SOP_POP_32_S_0_10_10_16_S2, -0x800_0000, 0x7ff_fffc, 4, 0xfc00_0200, 0xffff_fdff),
        (R_LARCH_SOP_POP_32_U, 0, 0xffff_ffff, 1, 0, 0xffff_ffff),
    ] {
        assert_eq!((pop(kind, min), pop(kind, max)), (Ok(smallest), Ok(largest)), "{kind}");
        for beyond in [min - step, max + step] {
            assert_eq!(pop(kind, beyond), Err((fault::OUT_OF_RANGE, 1)), "{kind}");
        }
        if step == 4 {
            assert_eq!(pop(kind, 2), Err((fault::MISALIGNED, 1)), "{kind}");
        }
    }
}

#[test]
fn the_stack_is_balanced_at_every_place_of_every_section() {
    let (push, pop) = (R_LARCH_SOP_PUSH_ABSOLUTE, R_LARCH_SOP_POP_32_U);
    assert_eq!(computed(&[(pop, 0)]), Err((fault::UNPAIRED, 0)));
    assert_eq!(computed(&[(push, 1), (R_LARCH_SOP_SUB, 0)]), Err((fault::UNPAIRED, 1)));
    assert_eq!(computed(&[(push, 1), (push, 2), (pop, 0)]), Err((fault::UNPAIRED, 0)));
    let deep = |depth| {
        let program: Vec<_> = [push, pop].into_iter().flat_map(|kind| vec![(kind, 1); depth]).collect();
        computed(&program)
    };
    assert_eq!((deep(16), deep(17)), (Ok(1), Err((fault::OTHER, 16))));
    // Neither the place beside nor the next section has it.
    let mut m = la64();
    let (text, next) = (m.section(".text", TEXT, &[0; 8]), m.section(".next", TEXT + 0x1000, &[0; 8]));
    m.relocate(text, 0, push, 0, 1);
    m.relocate(text, 4, pop, 0, 0);
    m.relocate(next, 0, pop, 0, 0);
    let findings = m.link().unwrap_err();
    let found: Vec<_> = findings.iter().map(|f| (f.fault.kind, f.fault.relocation)).collect();
    assert_eq!(found, [(fault::UNPAIRED, 1), (fault::UNPAIRED, 0), (fault::UNPAIRED, 2)]);
}

#[test]
fn code_of_gcc_12() {
    // pcaddu12i and ld.d of a GOT entry, and bl, as binutils 2.38 writes them.
    let code = words(&[0x1c00_0004, 0x28c0_0084, 0x5400_0000]);
    let mut m = la64();
    m.synthetic_at(TEXT + 0x10_1ff8);
    let text = m.section(".text", TEXT, &code);
    let (got, x) = (m.symbol("_GLOBAL_OFFSET_TABLE_", 0), m.symbol("x", KERNEL));
    let mut program = vec![
        (0, R_LARCH_SOP_PUSH_PCREL, got, 0x800),
        (0, R_LARCH_SOP_PUSH_GPREL, x, 0),
        (0, R_LARCH_SOP_ADD, 0, 0),
        (0, R_LARCH_SOP_PUSH_ABSOLUTE, 0, 12),
        (0, R_LARCH_SOP_SR, 0, 0),
        (0, R_LARCH_SOP_POP_32_S_5_20, 0, 0),
        (4, R_LARCH_SOP_PUSH_PCREL, got, 4),
        (4, R_LARCH_SOP_PUSH_GPREL, x, 0),
        (4, R_LARCH_SOP_ADD, 0, 0),
        (4, R_LARCH_SOP_PUSH_PCREL, got, 0x804),
        (4, R_LARCH_SOP_PUSH_GPREL, x, 0),
        (4, R_LARCH_SOP_ADD, 0, 0),
    ];
    for (kind, number) in [
        (R_LARCH_SOP_PUSH_ABSOLUTE, 12),
        (R_LARCH_SOP_SR, 0),
        (R_LARCH_SOP_PUSH_ABSOLUTE, 12),
        (R_LARCH_SOP_SL, 0),
        (R_LARCH_SOP_SUB, 0),
        (R_LARCH_SOP_POP_32_S_10_12, 0),
    ] {
        program.push((4, kind, 0, number));
    }
    program.extend([
        (8, R_LARCH_SOP_PUSH_PLT_PCREL, x, 0),
        (8, R_LARCH_SOP_POP_32_S_0_10_10_16_S2, 0, 0),
        (8, R_LARCH_MARK_PCREL, x, 0),
    ]);
    program.into_iter().for_each(|(at, kind, symbol, addend)| m.relocate(text, at, kind, symbol, addend));
    let out = m.link().unwrap();
    let (registers, entry) = run(out.section(text), TEXT, 64, |at| load(&out, at, 8));
    assert_eq!(registers[4], KERNEL);
    let plt = &out.synthetic[1];
    assert_eq!(entry, Some(plt.address));
    assert_eq!(run(&plt.contents, plt.address, 64, NOT_AT_PLACE).1, Some(KERNEL));
}

#[test]
fn distances_of_labels_go_on_from_what_is_there() {
    for mut m in [la64(), la32()] {
        let text = m.section(".text", 0x7001_0000, &[0; 0x70]);
        let data = m.section(".data", 0x7002_006e, &[0xf1; 21]);
        let (start, near) = (m.label(text, 0), m.label(text, 0x6c));
        for (at, add, sub) in [
            (0, R_LARCH_ADD6, R_LARCH_SUB6),
            (1, R_LARCH_ADD8, R_LARCH_SUB8),
            (2, R_LARCH_ADD16, R_LARCH_SUB16),
            (4, R_LARCH_ADD24, R_LARCH_SUB24),
            (7, R_LARCH_ADD32, R_LARCH_SUB32),
            (11, R_LARCH_ADD64, R_LARCH_SUB64),
        ] {
            m.relocate(data, at, add, near, 3);
            m.relocate(data, at, sub, start, 1);
        }
        // -15 + 0x6e everywhere, with a carry into what is wider; the top two bits of the first stay.
        let (byte, above) = (0x5f, 0xf2);
        let expected = [
            &[0xdf, byte][..],
            &[byte, above],
            &[byte, above, 0xf1],
            &[byte, above, 0xf1, 0xf1],
            &[byte, above, 0xf1, 0xf1, 0xf1, 0xf1, 0xf1, 0xf1],
            &[0xf1, 0xf1],
        ];
        assert_eq!(m.link().unwrap().section(data), expected.concat());
    }
}

#[test]
fn uleb128_keeps_its_length() {
    for (before, add, sub, after) in [
        (&[0x80, 0x80, 0x80, 0x00][..], 300, 0, &[0xac, 0x82, 0x80, 0x00][..]),
        (&[0xff, 0x7f], 304, 5, &[0xaa, 0x02]),
        (&[0x05], 3, 4, &[0x04]),
        (&[0x00], 0x80, 0, &[0x00]),
        (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], -1, 0, &[0xff; 10]),
    ] {
        let mut m = la64();
        let data = m.section(".data", 0x2_0000, &[&[0xff][..], before, &[0xff]].concat());
        m.relocate(data, 1, R_LARCH_ADD_ULEB128, 0, add);
        m.relocate(data, 1, R_LARCH_SUB_ULEB128, 0, sub);
        let out = m.link().unwrap();
        let mut after = after.to_vec();
        if after.len() == 10 {
            after[9] = 1;
        }
        assert_eq!(out.section(data), [&[0xff][..], &after, &[0xff]].concat());
        let windows: Vec<_> = out.windows.iter().map(|w| (w.relocation, w.offset, w.len as usize)).collect();
        assert_eq!(windows, [(0, 1, before.len()), (1, 1, before.len())]);
    }
    for endless in [&[0x80; 11][..], &[0x80]] {
        let mut m = la64();
        let data = m.section(".data", 0x2_0000, endless);
        m.relocate(data, 0, R_LARCH_SUB_ULEB128, 0, 1);
        assert_eq!(kinds(m.link()), [fault::OTHER]);
    }
}

#[test]
fn alignment_is_honoured_where_nothing_must_move() {
    let link = |place: u64, named: bool, addend: i64| {
        let mut m = la64();
        let text = m.section(".text", TEXT + place, &[0; 64]);
        let symbol = if named { m.label(text, 0) } else { 0 };
        m.relocate(text, 0, R_LARCH_ALIGN, symbol, addend);
        m.link().map(drop).map_err(|findings| (findings[0].fault.kind, findings[0].text.contains("-mno-relax")))
    };
    let refused = Err((fault::REJECTED, true));
    // 12 bytes of padding for 16: good only if they are all needed.
    for (place, good) in [(0, false), (4, true), (8, false), (12, false)] {
        assert_eq!(link(place, false, 12), if good { Ok(()) } else { refused }, "{place}");
        assert_eq!(link(place, true, 4), if good { Ok(()) } else { refused }, "{place}");
    }
    // At most 4 bytes are worth it: 4 bytes before the boundary that would be too little, before that none is wanted.
    for (place, good) in [(0, false), (4, true), (8, true), (12, false)] {
        assert_eq!(link(place, true, 4 << 8 | 4), if good { Ok(()) } else { refused }, "{place}");
    }
    for hostile in [-1, i64::MIN, i64::MAX] {
        assert_eq!(link(4, false, hostile), refused);
    }
    assert_eq!(link(4, true, 0xff), refused);
}

#[test]
fn a_slot_for_each_symbol_and_addend() {
    for (mut m, slots) in [
        (la64(), "0020 0000 0000 0090 0810 0000 0000 0000 0420 0000 0000 0090".to_owned()),
        (la32(), "00200000 08100000 04200000".to_owned()),
    ] {
        m.synthetic_at(0x9000);
        let text = m.section(".text", 0x1000, &[0; 32]);
        let (x, local) = (m.symbol("x", 0x9000_0000_0000_2000), m.label(text, 8));
        for (i, (symbol, addend)) in [(x, 4), (x, 0), (local, 0), (x, 0), (x, 4)].into_iter().enumerate() {
            m.relocate(text, 4 * i as u64, R_LARCH_GOT_PC_LO12, symbol, addend);
        }
        let out = m.link().unwrap();
        let contents: String = out.synthetic[0].contents.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(contents, slots.replace(' ', ""));
    }
}

#[test]
fn a_got_that_is_only_named() {
    let mut m = la64();
    m.synthetic_at(0x9000);
    let text = m.section(".text", 0x1000, &[0; 32]);
    let names = [(); 3].map(|()| m.symbol("_GLOBAL_OFFSET_TABLE_", 0));
    m.relocate(text, 0, R_LARCH_64, names[2], 0);
    assert_eq!(m.link().unwrap().section(text)[..8], 0x9000_u64.to_le_bytes());
}

#[test]
fn hostile_records_are_faults() {
    testing::hostile_records_are_faults(la64);
    testing::hostile_records_are_faults(la32);
}

#[test]
fn misplaced_words_are_outside() {
    testing::misplaced_words_are_outside(la64);
}

#[test]
fn what_is_refused_says_why() {
    let mut m = la64();
    let text = m.section(".text", 0x1000, &[0; 16]);
    for kind in
        [R_LARCH_RELAX, R_LARCH_MARK_LA, R_LARCH_NONE, R_LARCH_TLS_LE_HI20, R_LARCH_COPY, R_LARCH_DELETE, 15, 140]
    {
        m.relocate(text, 0, kind, 0, 0);
    }
    let findings = m.link().unwrap_err();
    let (rejected, unknown) = (fault::REJECTED, fault::UNKNOWN_TYPE);
    assert_eq!(
        findings.iter().map(|f| f.fault.kind).collect::<Vec<_>>(),
        [rejected, rejected, rejected, unknown, unknown]
    );
    assert_eq!(findings[..2].iter().map(|f| f.text).collect::<Vec<_>>(), [TLS, DYNAMIC]);
}

#[test]
fn every_type_of_the_psabi_is_named_once() {
    let mut known: Vec<_> = Arch::ABOUT.every_row().map(|row| row.kind).collect();
    known.sort_unstable();
    // 15 to 19 are the dynamic linker's; 59 to 63 were never given out.
    let expected: Vec<_> = (0..=139).filter(|kind| !matches!(kind, 15..=19 | 59..=63)).collect();
    assert_eq!(known, expected);
}
