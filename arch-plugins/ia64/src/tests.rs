use super::types::*;
use super::*;
use relobox_plugin::abi::{Symbol, fault, symbol_flag};
use relobox_plugin::testing::{Linked, Module, kinds};
use relobox_plugin::{Architecture, Finding, Value};

const TEXT: u64 = 0xa000_0002_0001_0000;
/// Where synthetic sections are: gp is the start of the linkage table.
const MADE: u64 = 0xa000_0002_0004_0000;
/// A descriptor of the kernel.
const KERNEL: u64 = 0xa000_0001_0012_3450;
/// `nop`s in three slots, in a bundle without a stop.
const NOPS: u128 = 0x0004_0000_0000_0200_0000_0001_0000_0000;

fn module(bundles: &[u128]) -> (Module<Arch>, u32) {
    let mut m = Module::<Arch>::new();
    let bytes: Vec<u8> = bundles.iter().flat_map(|b| b.to_le_bytes()).collect();
    let text = m.section(".text", TEXT, &bytes);
    m.synthetic_at(MADE);
    (m, text)
}

fn bundles(bytes: &[u8]) -> Vec<u128> {
    bytes.chunks_exact(16).map(|b| u128::from_le_bytes(b.try_into().unwrap())).collect()
}

fn instruction(bundle: u128, slot: u32) -> u64 {
    (bundle >> (5 + 41 * slot)) as u64 & 0x1ff_ffff_ffff
}

/// Runs of bits, from the value's lowest bit on, as the instruction's manual gives them: length and place.
fn value(insn: u64, runs: &[(u32, u32)]) -> i64 {
    let (mut value, mut at) = (0, 0);
    for (len, from) in runs {
        value |= (insn >> from & ((1 << len) - 1)) << at;
        at += len;
    }
    (value << (64 - at)) as i64 >> (64 - at)
}

const ADDL: [(u32, u32); 4] = [(7, 13), (9, 27), (5, 22), (1, 36)];
const BR: [(u32, u32); 2] = [(20, 13), (1, 36)];

/// What `movl` loads.
fn movl(bundle: u128) -> u64 {
    let (l, x) = (instruction(bundle, 1), instruction(bundle, 2));
    value(x, &[(7, 13), (9, 27), (5, 22), (1, 21)]) as u64 & 0x3f_ffff | l << 22 | x >> 36 << 63
}

/// One relocation in the second of three bundles.
fn one(kind: u32, slot: u64, symbol: u64, addend: i64, before: u128) -> Result<u128, (u32, i64)> {
    let (mut m, text) = module(&[!0, before, !0]);
    let symbol = m.raw_symbol(Symbol { flags: symbol_flag::ABSOLUTE, ..Default::default() }, "", symbol);
    m.relocate(text, 16 + slot, kind, symbol, addend);
    let out = m.link().map_err(|found| fault_of(&found))?;
    let made = bundles(out.section(text));
    assert_eq!((made[0], made[2]), (!0, !0));
    Ok(made[1])
}

fn fault_of(found: &[Finding]) -> (u32, i64) {
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0].fault.kind, found[0].fault.value)
}

#[test]
fn an_immediate_lies_in_pieces_of_its_slot() {
    type Case<'a> = (u32, u64, &'a [(u32, u32)], u32, u32);
    let cases: [Case<'_>; 7] = [
        (R_IA64_IMM14, 0, &[(7, 13), (6, 27), (1, 36)], 14, 0),
        (R_IA64_IMM22, 0, &ADDL, 22, 0),
        (R_IA64_PCREL22, TEXT + 16, &ADDL, 22, 0),
        (R_IA64_PCREL21B, TEXT + 16, &BR, 25, 4),
        (R_IA64_PCREL21BI, TEXT + 16, &BR, 25, 4),
        (R_IA64_PCREL21M, TEXT + 16, &[(7, 6), (13, 20), (1, 36)], 25, 4),
        (R_IA64_PCREL21F, TEXT + 16, &[(20, 6), (1, 36)], 25, 4),
    ];
    for (kind, from, runs, bits, dropped) in cases {
        let (step, end) = (1i64 << dropped, 1i64 << (bits - 1));
        for slot in 0..3 {
            for before in [0, !0, NOPS] {
                let link = |x: i64| one(kind, slot, from.wrapping_add_signed(x - 48), 48, before);
                for x in [-end, -step, 0, step, end - step, (0x155_5550 % end) & -step, -(0xaa_aaa0 % end) & -step] {
                    let made = link(x).unwrap();
                    assert_eq!(value(instruction(made, slot as u32), runs) << dropped, x, "{kind:#x}, slot {slot}");
                    let mask = runs.iter().fold(0, |mask, (len, at)| mask | ((1u128 << len) - 1) << at);
                    assert_eq!((made ^ before) & !(mask << (5 + 41 * slot)), 0, "{kind:#x}, slot {slot}");
                }
                for x in [-end - step, end] {
                    assert_eq!(link(x), Err((fault::OUT_OF_RANGE, x)));
                }
                if dropped != 0 {
                    assert_eq!(link(8), Err((fault::MISALIGNED, 8)));
                }
            }
        }
    }
}

#[test]
fn movl_and_brl_take_two_slots() {
    for x in [0, 1, 0x7f, 0x80, 0x3f_ffff, 0x40_0000, 0x8000_0000_0000_0000, 0x1234_5678_9abc_def1, u64::MAX] {
        for (kind, symbol) in [(R_IA64_IMM64, x), (R_IA64_PCREL64I, x.wrapping_add(TEXT + 16))] {
            for slot in [1, 2] {
                assert_eq!(movl(one(kind, slot, symbol, 0, 0).unwrap()), x);
                assert_eq!(one(kind, slot, symbol, 0, !0).unwrap() & 0x3fff_ffff_ffff, 0x3fff_ffff_ffff);
            }
        }
        assert_eq!(movl(one(R_IA64_SUB, 1, 5, x.wrapping_add(5) as i64, 0).unwrap()), x);
        let target = (TEXT + 16).wrapping_add(x << 4);
        let made = one(R_IA64_PCREL60B, 2, target, 0, 0).unwrap();
        let (l, x) = (instruction(made, 1), instruction(made, 2));
        let distance = x >> 13 & 0xf_ffff | l >> 2 << 20 | x >> 36 << 59;
        assert_eq!((TEXT + 16).wrapping_add(distance << 4), target);
        assert_eq!(l & 3, 0);
    }
    assert_eq!(one(R_IA64_IMM64, 0, 0, 0, 0), Err((fault::MISALIGNED, 16)));
    for slot in [3, 4, 15] {
        assert_eq!(one(R_IA64_IMM22, slot, 0, 0, 0), Err((fault::MISALIGNED, 16 + slot as i64)));
    }
    assert_eq!(one(R_IA64_IMM22, 48, 0, 0, 0), Err((fault::OUTSIDE, 64)));
}

/// A symbol of the module, 32 bytes into its code.
fn function(m: &mut Module<Arch>, section: u32) -> u32 {
    let symbol = Symbol { section, value: 32, info: 0x12, ..Default::default() };
    m.raw_symbol(symbol, "", TEXT + 32)
}

fn made<'a>(out: &'a Linked, name: &str) -> (u64, Vec<u64>) {
    let of = |s: &'a relobox_plugin::Synthetic| {
        (s.address, s.contents.chunks(8).map(|w| u64::from_le_bytes(w.try_into().unwrap())).collect())
    };
    out.synthetic.iter().find(|s| s.name == name).map(of).unwrap_or_default()
}

#[test]
fn the_kernels_functions_are_called_by_stubs() {
    for kind in [R_IA64_PCREL21B, R_IA64_PCREL60B] {
        let (mut m, text) = module(&[NOPS, NOPS]);
        let (printk, near) = (m.symbol("printk", KERNEL), m.symbol("near", TEXT));
        m.relocate(text, 2, kind, printk, 0);
        m.relocate(text, 16 + 2, kind, near, 0);
        let out = m.link().unwrap();
        let plt = out.synthetic.iter().find(|s| s.name == ".relobox.plt").unwrap();
        for (i, target) in [KERNEL, TEXT].into_iter().enumerate() {
            let branch = bundles(out.section(text))[i];
            let distance = if kind == R_IA64_PCREL21B {
                value(instruction(branch, 2), &BR)
            } else {
                (instruction(branch, 2) >> 13 & 0xf_ffff) as i64 | (instruction(branch, 1) >> 2 << 20) as i64
            };
            let stub = TEXT + 16 * i as u64 + ((distance as u64) << 4);
            assert_eq!(stub, plt.address + 48 * i as u64);
            let code = bundles(&plt.contents[48 * i..48 * i + 48]);
            // nop.m 0; movl r15 = target;;
            assert_eq!((code[0] & 0x1f, instruction(code[0], 0)), (5, 1 << 27));
            assert_eq!((movl(code[0]), instruction(code[0], 2) >> 6 & 0x7f), (target, 15));
            // As GNU as has it: ld8 r16 = [r15], 8;; and ld8 gp = [r15]; mov b6 = r16; br.few b6;;
            assert_eq!(code[1], 0x0004_0000_0000_0200_0000_1418_1e20_8001);
            assert_eq!(code[2], 0x0080_0060_0003_8004_8060_1018_1e00_0811);
        }
    }
}

#[test]
fn nothing_else_goes_out_of_the_module() {
    for kind in [R_IA64_PCREL21BI, R_IA64_PCREL21M, R_IA64_PCREL21F, R_IA64_IPLTLSB, R_IA64_SECREL64LSB] {
        let (mut m, text) = module(&[NOPS]);
        let printk = m.symbol("printk", KERNEL);
        m.relocate(text, 0, kind, printk, 0);
        assert_eq!(fault_of(&m.link().unwrap_err()).0, fault::REJECTED, "{kind:#x}");
    }
}

#[test]
fn a_function_is_known_by_its_descriptor() {
    let (mut m, text) = module(&[0; 8]);
    let (own, printk) = (function(&mut m, text), m.symbol("printk", KERNEL));
    m.relocate(text, 0, R_IA64_FPTR64LSB, own, 0);
    m.relocate(text, 8, R_IA64_FPTR64MSB, own, 16);
    m.relocate(text, 17, R_IA64_FPTR64I, own, 0);
    m.relocate(text, 32, R_IA64_FPTR64LSB, printk, 0);
    m.relocate(text, 48, R_IA64_LTOFF_FPTR22, own, 0);
    m.relocate(text, 65, R_IA64_LTOFF_FPTR22, printk, 0);
    m.relocate(text, 82, R_IA64_LTOFF22, own, 0);
    m.relocate(text, 97, R_IA64_PLTOFF64I, own, 0);
    m.relocate(text, 112, R_IA64_IPLTMSB, own, 0);
    let out = m.link().unwrap();
    let ((gp, slots), (opd, descriptors)) = (made(&out, ".relobox.got"), made(&out, ".relobox.opd"));
    assert_eq!(descriptors, [TEXT + 32, gp, TEXT + 48, gp]);
    let bytes = out.section(text);
    let code = bundles(bytes);
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!((word(0), word(8).swap_bytes(), movl(code[1]), word(32)), (opd, opd + 16, opd, KERNEL));
    let slot = |at: usize, slot: u32| slots[value(instruction(code[at], slot), &ADDL) as usize / 8];
    assert_eq!((slot(3, 0), slot(4, 1), slot(5, 2)), (opd, KERNEL, TEXT + 32));
    assert_eq!(gp.wrapping_add(movl(code[6])), opd);
    assert_eq!((word(112).swap_bytes(), word(120).swap_bytes()), (TEXT + 32, gp));
}

#[test]
fn a_slot_is_of_symbol_and_addend() {
    let (mut m, text) = module(&[0; 4]);
    let data = m.symbol("data", KERNEL);
    for (i, (kind, addend)) in
        (0..).zip([(R_IA64_LTOFF22, 0), (R_IA64_LTOFF22X, 8), (R_IA64_LTOFF22, 8), (R_IA64_LTOFF22X, -8)])
    {
        m.relocate(text, 16 * i + i % 3, kind, data, addend);
    }
    // What marks the load of it.
    m.relocate(text, 2, R_IA64_LDXMOV, data, 8);
    let out = m.link().unwrap();
    let (_, slots) = made(&out, ".relobox.got");
    assert_eq!(slots.len(), 3);
    for (i, addend) in [0, 8, 8, -8].into_iter().enumerate() {
        let offset = value(instruction(bundles(out.section(text))[i], i as u32 % 3), &ADDL);
        assert_eq!(slots[offset as usize / 8], KERNEL.wrapping_add_signed(addend));
    }
}

#[test]
fn gp_reaches_2_mib_either_way() {
    let link = |distance: i64| {
        let (mut m, text) = module(&[0]);
        let near = m.symbol("near", MADE.wrapping_add_signed(distance));
        m.relocate(text, 1, R_IA64_GPREL22, near, 0);
        let out = m.link().map_err(|found| fault_of(&found))?;
        Ok(value(instruction(bundles(out.section(text))[0], 1), &ADDL))
    };
    for inside in [-0x20_0000, -1, 0, 0x1f_ffff] {
        assert_eq!(link(inside), Ok(inside));
    }
    for outside in [-0x20_0001, 0x20_0000] {
        assert_eq!(link(outside), Err((fault::OUT_OF_RANGE, outside)));
    }
}

#[test]
fn what_is_relative_to_a_section_or_to_a_segment() {
    let (mut m, text) = module(&[0; 4]);
    let own = function(&mut m, text);
    m.relocate(text, 0, R_IA64_SECREL64LSB, own, 3);
    m.relocate(text, 8, R_IA64_SEGREL64LSB, own, 3);
    m.relocate(text, 16, R_IA64_LTV64MSB, own, 3);
    let out = m.link().unwrap();
    let expected = [35u64.to_le_bytes(), (TEXT + 35).to_le_bytes(), (TEXT + 35).to_be_bytes()].concat();
    assert_eq!(out.section(text)[..24], expected);
}

#[test]
fn what_a_kernel_has_not_is_refused() {
    for (kind, text) in [(R_IA64_TPREL22, "thread-local"), (R_IA64_REL64LSB, "dynamic"), (R_IA64_COPY, "dynamic")] {
        let (mut m, section) = module(&[0]);
        m.relocate(section, 0, kind, 0, 0);
        let found = m.link().unwrap_err();
        assert_eq!(kinds(&found), [fault::REJECTED]);
        assert!(found[0].text.contains(text), "{}", found[0].text);
    }
    let constant = Machine { flags_value: 0x40, ..Arch::ABOUT.machines[0] };
    assert_eq!(kinds(&Module::<Arch>::for_machine(constant).link().unwrap_err()), [fault::BAD_MACHINE]);
}

#[test]
fn insertion_leaves_all_other_bits() {
    for before in [0, !0] {
        let made = bundles::IMM22.insert(before, 1, Value(if before == 0 { -1 } else { 0 }));
        assert_eq!((made ^ before).count_ones(), 22);
        let made = bundles::TARGET64.insert(before, 1, Value(if before == 0 { -1 } else { 0 }));
        assert_eq!((made ^ before).count_ones(), 60);
    }
}

#[test]
fn hostile_records() {
    relobox_plugin::testing::hostile_records_are_faults::<Arch>(Module::new);
    relobox_plugin::testing::misplaced_words_are_outside::<Arch>(Module::new);
}
