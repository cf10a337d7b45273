//! Expected bytes that name a linker were produced by it from the same objects at the same addresses:
//! `ld` is GNU ld 2.40, `lld` is LLD 22, both with `--no-relax`.

use super::types::*;
use super::*;
use relobox_plugin::abi::{Symbol, symbol_flag};
use relobox_plugin::testing::{self, Linked, Module};
use relobox_plugin::{Architecture, Finding};

fn rv64() -> Module<Arch> {
    Module::new()
}

fn rv32() -> Module<Arch> {
    Module::for_machine(Arch::ABOUT.machines[1])
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks_exact(2).map(|d| (d[0] << 4 | d[1]) as u8).collect()
}

fn kinds(outcome: Result<Linked, Vec<Finding>>) -> Vec<u32> {
    outcome.unwrap_err().iter().map(|f| f.fault.kind).collect()
}

/// Links one relocation at 4 of a section of ones at `base`; the section, or the first fault.
fn one(mut m: Module<Arch>, base: u64, kind: u32, target: u64) -> Result<Vec<u8>, u32> {
    let text = m.section(".text", base, &[0xff; 16]);
    m.synthetic_at(base + 0x1_0000);
    let x = m.symbol("x", target);
    m.relocate(text, 4, kind, x, 0);
    m.link().map(|out| out.section(text).to_vec()).map_err(|findings| findings[0].fault.kind)
}

#[test]
fn fields_keep_their_neighbours() {
    // Each field twice, in poisoned and in zero bytes, as ld and lld write them.
    let before = "e31fb5a0 efffffff ffff fdbf b7ffffff ffffffff ffffffff 97ffffffe7ffffff
                  00000000 00000000 0000 0000 0000000000000000 00000000";
    let kinds = [
        (0, R_RISCV_BRANCH),
        (4, R_RISCV_JAL),
        (8, R_RISCV_RVC_BRANCH),
        (10, R_RISCV_RVC_JUMP),
        (12, R_RISCV_HI20),
        (16, R_RISCV_LO12_I),
        (20, R_RISCV_LO12_S),
        (24, R_RISCV_CALL),
        (32, R_RISCV_BRANCH),
        (36, R_RISCV_JAL),
        (40, R_RISCV_RVC_BRANCH),
        (42, R_RISCV_RVC_JUMP),
        (44, R_RISCV_CALL_PLT),
        (52, R_RISCV_LO12_S),
    ];
    let above = "631db504 ef0f6005 abeb 81a8 b70f0010 ffffaf05 7ffdff05 970f0000e7ff2f04
                 000d0002 00006003 0c08 0408 000000000000e002 000d0004";
    let below = "e31eb5f4 efff9ff5 b3fb 89bf b70f0010 ffffcff5 7ffefff5 970f0000e7ff4ff4
                 800e00f2 00f09ff3 1418 0c1f 00000000000000f3 000e00f4";
    for (x, after) in [(0x1000_005a, above), (0x0fff_ff5c, below)] {
        for mut m in [rv64(), rv32()] {
            let text = m.section(".text", 0x1000_0000, &bytes(before));
            let x = m.symbol("x", x);
            for (offset, kind) in kinds {
                m.relocate(text, offset, kind, x, 0);
            }
            assert_eq!(m.link().unwrap().section(text), bytes(after));
        }
    }
}

#[test]
fn every_bit_has_its_place() {
    // The instruction set manual's own reading of each immediate, bit by bit.
    let bit = |word: u64, from: u32, to: u32| (word >> from & 1) << to;
    let bits = |word: u64, from: u32, len: u32, to: u32| (word >> from & ((1 << len) - 1)) << to;
    let b = |w| bit(w, 31, 12) | bit(w, 7, 11) | bits(w, 25, 6, 5) | bits(w, 8, 4, 1);
    let j = |w| bit(w, 31, 20) | bits(w, 12, 8, 12) | bit(w, 20, 11) | bits(w, 21, 10, 1);
    let cb = |w| bit(w, 12, 8) | bits(w, 5, 2, 6) | bit(w, 2, 5) | bits(w, 10, 2, 3) | bits(w, 3, 2, 1);
    let cj = |w| {
        let (low, high) = (bit(w, 2, 5) | bits(w, 3, 3, 1) | bit(w, 11, 4), bit(w, 12, 11) | bit(w, 8, 10));
        low | high | bits(w, 9, 2, 8) | bit(w, 6, 7) | bit(w, 7, 6)
    };
    let s = |w| bits(w, 25, 7, 5) | bits(w, 7, 5, 0);
    type Decode<'a> = &'a dyn Fn(u64) -> u64;
    let fields: [(&Field, Decode<'_>, u32, u32); 5] = [
        (&B_TYPE, &b, 1, 13),
        (&J_TYPE, &j, 1, 21),
        (&CB_TYPE, &cb, 1, 9),
        (&CJ_TYPE, &cj, 1, 12),
        (&S_TYPE, &s, 0, 12),
    ];
    for (field, decode, from, to) in fields {
        for value in (from..to).map(|bit| 1 << bit) {
            let word = field.insert(0, value);
            assert_eq!((word.count_ones(), decode(word)), (1, value as u64), "{field:?}");
            assert_eq!(field.insert(u64::MAX, value), !field.mask() | word, "{field:?}");
        }
    }
}

#[test]
fn ranges_end_where_they_should() {
    let p = 0x1_0000_0004_u64;
    let cases = [
        (R_RISCV_BRANCH, -0x1000, 0xffe, 2),
        (R_RISCV_JAL, -0x10_0000, 0xf_fffe, 2),
        (R_RISCV_RVC_BRANCH, -0x100, 0xfe, 2),
        (R_RISCV_RVC_JUMP, -0x800, 0x7fe, 2),
        (R_RISCV_PCREL_HI20, -0x8000_0800, 0x7fff_f7ff, 1),
        (R_RISCV_32_PCREL, -0x8000_0000, 0x7fff_ffff, 1),
    ];
    for (kind, min, max, step) in cases {
        let link = |m, v: i64| one(m, p - 4, kind, p.wrapping_add_signed(v));
        let jump = step == 2;
        for v in [min, max, 0] {
            assert!(link(rv64(), v).is_ok(), "{kind} {v:#x}");
        }
        for v in [min - step, max + step] {
            assert_eq!(link(rv64(), v), Err(fault::OUT_OF_RANGE), "{kind} {v:#x}");
            // On 32 bits addresses wrap, and what spans 32 bits reaches everything.
            assert_eq!(link(rv32(), v).is_ok(), !jump, "{kind} {v:#x}");
        }
        assert_eq!(link(rv64(), max - 1).is_ok(), !jump, "{kind}");
        if jump {
            assert_eq!(link(rv64(), 1), Err(fault::MISALIGNED), "{kind}");
        }
    }
    let absolute = [(R_RISCV_HI20, -0x8000_0800, 0x7fff_f7ff), (R_RISCV_32, -0x8000_0000, 0xffff_ffff_i64)];
    for (kind, min, max) in absolute {
        for (v, fits) in [(min - 1, false), (min, true), (max, true), (max + 1, false)] {
            assert_eq!(one(rv64(), 0x1000, kind, v as u64).is_ok(), fits, "{kind} {v:#x}");
            assert!(one(rv32(), 0x1000, kind, v as u64).is_ok(), "{kind} {v:#x}");
        }
    }
}

/// The code of `low_parts_find_their_high_part`: what stands there, and where.
fn pairs(m: &mut Module<Arch>) -> u32 {
    let mut code = vec![0; 0x66];
    for (at, word) in [
        (0x00, 0x0005_a503_u32),
        (0x06, 0x517),
        (0x0a, 0x597),
        (0x0e, 0x617),
        (0x12, 0x00a5_2023),
        (0x16, 0x0006_3503),
        (0x1a, 0x00a5_a023),
        (0x5e, 0x697),
        (0x62, 0x0005_3503),
    ] {
        code[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    m.synthetic_at(0x1003_1008);
    let text = m.section(".text", 0x1000_0000, &code);
    let (x, y) = (m.symbol("x", 0x1234_5ffe), m.symbol("y", 0x0fff_f804));
    let labels = [6, 10, 14, 0x5e].map(|at| m.label(text, at));
    for (offset, kind, symbol, addend) in [
        (0x00, R_RISCV_PCREL_LO12_I, labels[3], 0),
        (0x06, R_RISCV_PCREL_HI20, x, 0),
        (0x0a, R_RISCV_PCREL_HI20, x, 8),
        (0x0e, R_RISCV_GOT_HI20, x, 0),
        // The addend of a low part means nothing.
        (0x12, R_RISCV_PCREL_LO12_S, labels[0], 0x123),
        (0x16, R_RISCV_PCREL_LO12_I, labels[2], 0),
        (0x1a, R_RISCV_PCREL_LO12_S, labels[1], 0),
        (0x5e, R_RISCV_PCREL_HI20, y, 0),
        (0x62, R_RISCV_PCREL_LO12_I, labels[0], 0),
    ] {
        m.relocate(text, offset, kind, symbol, addend);
    }
    text
}

#[test]
fn low_parts_find_their_high_part() {
    let mut m = rv64();
    let text = pairs(&mut m);
    let out = m.link().unwrap();
    let mut expected = bytes("03a5657a 0000 17653402 97653402 17160300 232ca5fe 0335a6ff 23aea5fe");
    expected.resize(0x5e, 0);
    expected.extend(bytes("97f6ffff 033585ff"));
    // As lld links it, whose GOT is there.
    assert_eq!(out.section(text), expected);
    assert_eq!(out.synthetic[0].contents, 0x1234_5ffe_u64.to_le_bytes());
}

#[test]
fn high_parts_in_any_order() {
    let n = 5 * RECENT as u64;
    let expected = |far: u64| {
        let mut m = rv64();
        let text = m.section(".text", 0x1000, &vec![0; 8 * n as usize]);
        let x = m.symbol("x", 0x12_3456);
        let label: Vec<_> = (0..n).map(|i| m.label(text, 4 * i)).collect();
        // A stride prime to n: high parts neither ascend nor stand near their low parts.
        for i in (0..n).map(|i| i * far % n) {
            m.relocate(text, 4 * i, R_RISCV_PCREL_HI20, x, i as i64);
        }
        for i in 0..n {
            m.relocate(text, 4 * (n + i), R_RISCV_PCREL_LO12_I, label[i as usize], 0);
        }
        let out = m.link().unwrap();
        let word = |i: u64| u32::from_le_bytes(out.section(text)[4 * i as usize..][..4].try_into().unwrap());
        (0..n).map(|i| (word(i) & 0xffff_f000).wrapping_add_signed(word(n + i) as i32 >> 20)).collect::<Vec<_>>()
    };
    let values: Vec<_> = (0..n).map(|i| (0x12_3456 + i - (0x1000 + 4 * i)) as u32).collect();
    assert_eq!(expected(1), values);
    assert_eq!(expected(7), values);
    assert_eq!(expected(n - 1), values);
}

#[test]
fn a_low_part_without_its_high_part() {
    let mut m = rv64();
    let text = m.section(".text", 0x1000, &[0; 64]);
    let other = m.section(".text2", 0x2000, &[0; 64]);
    let x = m.symbol("x", 0x12_3456);
    let (high, beside, tls) = (m.label(text, 8), m.label(text, 12), m.label(text, 16));
    m.relocate(text, 8, R_RISCV_PCREL_HI20, x, 0);
    m.relocate(text, 16, R_RISCV_TLS_GOT_HI20, x, 0);
    for symbol in [beside, x, 0, tls] {
        m.relocate(text, 20, R_RISCV_PCREL_LO12_I, symbol, 0);
    }
    // What the section before left in memory is not found.
    m.relocate(other, 20, R_RISCV_PCREL_LO12_S, high, 0);
    let here = m.label(other, 8);
    m.relocate(other, 20, R_RISCV_PCREL_LO12_S, here, 0);
    let (rejected, unpaired) = (fault::REJECTED, fault::UNPAIRED);
    assert_eq!(kinds(m.link()), [rejected, unpaired, unpaired, unpaired, rejected, unpaired, unpaired]);
}

#[test]
fn offset_0_of_a_section_has_no_high_part_by_itself() {
    // The state before the first high part must not look like one, wherever the label is.
    for at in (0..128).step_by(2) {
        let mut m = rv64();
        let text = m.section(".text", 0, &[0; 256]);
        let label = m.label(text, at);
        let wild = m.symbol("wild", (!at).wrapping_sub(0x40));
        m.relocate(text, 200, R_RISCV_PCREL_LO12_I, label, 0);
        m.relocate(text, 200, R_RISCV_PCREL_LO12_I, wild, 0);
        for i in 0..RECENT as u64 {
            let inside = m.symbol("", !i << 1);
            m.relocate(text, 200, R_RISCV_PCREL_LO12_I, inside, 0);
        }
        assert!(kinds(m.link()).iter().all(|kind| *kind == fault::UNPAIRED));
    }
}

#[test]
fn two_high_parts_at_one_place() {
    for (first, second) in [(R_RISCV_PCREL_HI20, R_RISCV_PCREL_HI20), (R_RISCV_PCREL_HI20, R_RISCV_GOT_HI20)] {
        let mut m = rv64();
        let text = m.section(".text", 0x1000, &[0; 64]);
        let (x, label) = (m.symbol("x", 0x12_3456), m.label(text, 8));
        m.synthetic_at(0x8000);
        m.relocate(text, 8, first, x, 0);
        m.relocate(text, 12, first, x, 0);
        m.relocate(text, 16, R_RISCV_PCREL_LO12_I, label, 0);
        m.relocate(text, 8, second, x, 0);
        let findings = m.link().unwrap_err();
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].fault.kind, findings[0].fault.relocation), (fault::OTHER, 3));
    }
}

#[test]
fn distances_of_labels_go_on_from_what_is_there() {
    // As lld links it. (GNU ld 2.40 adds the addend of a SUB8 and SUB6; the psABI subtracts it.)
    let before = "f1 f1 00f1 aaf1 f0ffffff f0ffffff 0500000000000000 0000000003000000 95 95 6a";
    let after = "60 6b 6cf1 6c00 5c000000 6c000000 99ffffffffffffff 6c00017003000000 ab a9 6c";
    for mut m in [rv64(), rv32()] {
        let text = m.section(".text", 0x7001_0000, &[0; 0x70]);
        let data = m.section(".data", 0x7002_006e, &bytes(before));
        let (start, near) = (m.label(text, 0), m.label(text, 0x6c));
        for (offset, kind, symbol, addend) in [
            (0, R_RISCV_ADD8, near, 3),
            (0, R_RISCV_SUB8, start, 0),
            (1, R_RISCV_SET8, near, 0),
            (1, R_RISCV_SUB8, start, 1),
            (2, R_RISCV_ADD16, near, 0),
            (2, R_RISCV_SUB16, start, 0),
            (4, R_RISCV_SET16, near, 0),
            (4, R_RISCV_SUB16, start, 0),
            (6, R_RISCV_ADD32, near, 0),
            (6, R_RISCV_SUB32, start, 0),
            (10, R_RISCV_SET32, near, 0),
            (10, R_RISCV_SUB32, start, 0),
            (14, R_RISCV_ADD64, start, 0),
            (14, R_RISCV_SUB64, near, 0),
            (22, R_RISCV_ADD64, near, 0),
            (30, R_RISCV_SET6, near, 1),
            (30, R_RISCV_SUB6, start, 2),
            (31, R_RISCV_SUB6, near, 0),
            (32, R_RISCV_SET6, near, 0),
        ] {
            m.relocate(data, offset, kind, symbol, addend);
        }
        assert_eq!(m.link().unwrap().section(data), bytes(after));
    }
}

/// A number at 1 between two bytes of ones, set to the distance of `a` and `b` in .text.
fn uleb128(m: &mut Module<Arch>, number: &str, a: i64, b: i64) -> u32 {
    let text = m.section(".text", 0x1_0000, &[0; 8]);
    let data = m.section(".data", 0x2_0000, &bytes(&format!("ff {number} ff")));
    let label = m.label(text, 0);
    m.relocate(data, 1, R_RISCV_SET_ULEB128, label, b);
    m.relocate(data, 1, R_RISCV_SUB_ULEB128, label, a);
    data
}

#[test]
fn uleb128_keeps_its_length() {
    // The first four as lld writes them.
    for (before, a, b, after) in [
        ("80808000", 0, 300, "ac828000"),
        ("ff7f", 5, 304, "ab02"),
        ("00", 0, 127, "7f"),
        ("80808080808080808000", 7, 7, "80808080808080808000"),
        ("80808080808080808000", 0, i64::MAX, "ffffffffffffffffff00"),
        ("808080808080808000", 0, i64::MAX, "ffffffffffffffff7f"),
        ("8000", 0, 0x3fff, "ff7f"),
    ] {
        let mut m = rv64();
        let data = uleb128(&mut m, before, a, b);
        let out = m.link().unwrap();
        assert_eq!(out.section(data), bytes(&format!("ff {after} ff")));
        let window = out.windows[0];
        assert_eq!((window.relocation, window.offset, window.len), (1, 1, before.len() as u32 / 2));
    }
    let too_long = [("00", 0, 128), ("8000", 0, 0x4000), ("00", 1, 0), ("80808080808080808000", 1, 0)];
    for (number, a, b) in too_long {
        for mut m in [rv64(), rv32()] {
            uleb128(&mut m, number, a, b);
            assert_eq!(kinds(m.link()), [fault::OUT_OF_RANGE], "{number}");
        }
    }
    let mut m = rv64();
    uleb128(&mut m, "8080808080808000", 0, 1 << 56);
    assert_eq!(kinds(m.link()), [fault::OUT_OF_RANGE]);
    for endless in ["8080808080808080808000", "80"] {
        let mut m = rv64();
        uleb128(&mut m, endless, 0, 1);
        assert_eq!(kinds(m.link()), [fault::OTHER]);
    }
}

#[test]
fn uleb128_comes_in_pairs() {
    let link = |pairs: &[(u64, u32)]| {
        let mut m = rv64();
        let data = m.section(".data", 0x2_0000, &[0; 8]);
        let label = m.label(data, 0);
        for (offset, kind) in pairs {
            m.relocate(data, *offset, *kind, label, 0);
        }
        m.link().map(|_| ()).map_err(|f| f.iter().map(|f| (f.fault.kind, f.fault.relocation)).collect::<Vec<_>>())
    };
    let (set, sub, lone) = (R_RISCV_SET_ULEB128, R_RISCV_SUB_ULEB128, fault::UNPAIRED);
    assert_eq!(link(&[(0, set), (0, sub), (1, set), (1, sub)]), Ok(()));
    assert_eq!(link(&[(0, set)]), Err(vec![(lone, 0)]));
    assert_eq!(link(&[(0, sub)]), Err(vec![(lone, 0)]));
    assert_eq!(link(&[(0, sub), (0, set)]), Err(vec![(lone, 0), (lone, 1)]));
    assert_eq!(link(&[(0, set), (1, sub)]), Err(vec![(lone, 0), (lone, 1)]));
    assert_eq!(link(&[(0, set), (0, set), (0, sub)]), Err(vec![(lone, 0)]));
    // The second stands straight behind the first.
    assert_eq!(link(&[(0, set), (4, R_RISCV_SET8), (0, sub)]), Err(vec![(lone, 0), (lone, 2)]));
    assert_eq!(link(&[(9, set), (9, sub)]), Err(vec![(fault::OUTSIDE, 0), (fault::OUTSIDE, 1)]));
    assert_eq!(link(&[(8, set), (8, sub)]), Err(vec![(fault::OTHER, 1)]));
}

#[test]
fn uleb128_stays_inside_the_window_that_plan_declared() {
    // An earlier relocation makes the number look longer than it was.
    let mut m = rv64();
    let data = m.section(".data", 0x2_0000, &[0x05, 0x77, 0x77, 0x77]);
    let label = m.label(data, 0);
    m.relocate(data, 0, R_RISCV_SET8, 0, 0x85);
    m.relocate(data, 0, R_RISCV_SET_ULEB128, label, 3);
    m.relocate(data, 0, R_RISCV_SUB_ULEB128, label, 0);
    let out = m.link().unwrap();
    assert_eq!(out.section(data), [3, 0x77, 0x77, 0x77]);
}

#[test]
fn far_calls_go_through_the_plt() {
    let mut m = rv64();
    m.synthetic_at(0x2_0008);
    let text = m.section(".text", 0x1_0000, &bytes("97000000 e7800000 17030000 67000300 97000000 e7800000"));
    let (near, far) = (m.symbol("near", 0x1_1000), m.symbol("far", 0xffff_ffff_8000_1234));
    m.relocate(text, 0, R_RISCV_CALL_PLT, far, 0);
    m.relocate(text, 8, R_RISCV_CALL, far, 0);
    m.relocate(text, 16, R_RISCV_CALL_PLT, near, 0);
    m.relocate(text, 0, R_RISCV_CALL_PLT, far, 8);
    let out = m.link().unwrap();
    let [got_plt, plt] = &out.synthetic[..] else { panic!("{:?}", out.synthetic) };
    assert_eq!(
        (got_plt.name, got_plt.address, plt.name, plt.address),
        (".relobox.got.plt", 0x2_0008, ".relobox.plt", 0x2_0020)
    );
    // One entry for far, one for near that stays empty, one for far + 8, to which 0 was called last.
    assert_eq!(got_plt.contents, bytes("34120080ffffffff 0000000000000000 3c120080ffffffff"));
    // auipc t3, 0; ld t3, -24(t3); jr t3; nop
    let empty = "00000000 00000000 00000000 00000000";
    let entry = |load: &str| format!("170e0000 {load} 67000e00 13000000");
    assert_eq!(plt.contents, bytes(&[&entry("033e8efe"), empty, &entry("033e8efd")].concat()));
    assert_eq!(out.section(text), bytes("97000100 e7800004 17030100 67008301 97100000 e78000ff"));
}

#[test]
fn only_what_lies_outside_has_a_plt_entry() {
    for (mut m, entries) in [(rv64(), 3), (rv32(), 0)] {
        m.synthetic_at(0x9000_0000);
        let text = m.section(".text", 0x1_0000, &[0; 16]);
        let local = m.label(text, 8);
        let absolute = Symbol { flags: symbol_flag::ABSOLUTE, ..Default::default() };
        let symbols = [local, m.symbol("a", 0x1_2000), m.raw_symbol(absolute, "", 0x1_3000)];
        for symbol in symbols {
            m.relocate(text, 0, R_RISCV_CALL_PLT, symbol, 0);
            m.relocate(text, 0, R_RISCV_PLT32, symbol, 4);
        }
        m.relocate(text, 0, R_RISCV_CALL, symbols[1], 4);
        let (out, size) = (m.link().unwrap(), entries * PLT_ENTRY);
        assert_eq!(out.synthetic.iter().find(|s| s.name == ".relobox.plt").map_or(0, |s| s.contents.len()), size);
    }
    // A call inside the module that is out of reach all the same is a fault.
    let mut m = rv64();
    let (text, away) = (m.section(".text", 0x1_0000, &[0; 16]), m.section(".away", 0x1_0000_0000, &[0; 16]));
    let label = m.label(away, 0);
    m.relocate(text, 0, R_RISCV_CALL_PLT, label, 0);
    assert_eq!(kinds(m.link()), [fault::OUT_OF_RANGE]);
}

#[test]
fn a_plt_out_of_reach_is_a_fault() {
    let mut m = rv64();
    m.synthetic_at(0x1_0000_0000);
    let text = m.section(".text", 0x1_0000, &[0; 16]);
    let far = m.symbol("far", 0xffff_ffff_8000_1234);
    m.relocate(text, 0, R_RISCV_CALL_PLT, far, 0);
    m.relocate(text, 8, R_RISCV_PLT32, far, 0);
    assert_eq!(kinds(m.link()), [fault::OUT_OF_RANGE; 2]);
}

#[test]
fn plt32_and_got32_count_from_an_anchor() {
    // As lld links it, whose GOT slot is there.
    let link = |far: u64| {
        let mut m = rv64();
        m.synthetic_at(0x2_1008);
        let text = m.section(".text", 0x1_0000, &bytes("0100 ffffffff ffffffff ffffffff ffffffff ffffffff"));
        let (func, label) = (m.symbol("func", far), m.label(text, 2));
        for (i, (kind, symbol, addend)) in [
            (R_RISCV_PLT32, func, 0),
            (R_RISCV_PLT32, func, 4),
            (R_RISCV_PLT32, label, 0),
            (R_RISCV_GOT32_PCREL, func, 0),
            (R_RISCV_GOT32_PCREL, func, 4),
        ]
        .into_iter()
        .enumerate()
        {
            m.relocate(text, 2 + 4 * i as u64, kind, symbol, addend);
        }
        let out = m.link().unwrap();
        assert_eq!(out.synthetic[0].contents, far.to_le_bytes());
        out.section(text).to_vec()
    };
    assert_eq!(link(0x1_2000), bytes("0100 fe1f0000 fe1f0000 f8ffffff fa0f0100 fa0f0100"));
    // Out of reach, both words lead to the one PLT entry, at 0x21020.
    assert_eq!(link(0x1_0000_0000_0000), bytes("0100 1e100100 1e100100 f8ffffff fa0f0100 fa0f0100"));
}

#[test]
fn absent_weak_symbols_are_0() {
    let mut m = rv64();
    m.synthetic_at(0xffff_ffff_0300_0000);
    let text = m.section(".text", 0xffff_ffff_0200_0000, &[0; 32]);
    let flags = symbol_flag::UNDEFINED | symbol_flag::WEAK;
    let weak = m.raw_symbol(Symbol { flags, ..Default::default() }, "", 0);
    m.relocate(text, 0, R_RISCV_CALL_PLT, weak, 0);
    m.relocate(text, 8, R_RISCV_GOT_HI20, weak, 0);
    m.relocate(text, 16, R_RISCV_64, weak, 0);
    let out = m.link().unwrap();
    assert_eq!(out.section(text)[16..24], [0; 8]);
    assert_eq!(out.synthetic[1].contents, [0; 8]);
    assert_ne!(out.synthetic[2].contents, [0; 16]);
    assert_eq!(one(rv64(), 0xffff_ffff_0200_0000, R_RISCV_PCREL_HI20, 0), Err(fault::OUT_OF_RANGE));
}

#[test]
fn whole_words_of_32_bits_are_not_sign_extended() {
    let mut m = rv32();
    let data = m.section(".data", 0xa000_0000, &[0xff; 12]);
    let x = m.symbol("x", 0xc345_6789);
    m.relocate(data, 0, R_RISCV_64, x, 0);
    m.relocate(data, 8, R_RISCV_32, x, 1);
    assert_eq!(m.link().unwrap().section(data), bytes("896745c3 00000000 8a6745c3"));
    let mut m = rv32();
    m.synthetic_at(0xa100_0000);
    let text = m.section(".text", 0xa000_0000, &bytes("17040000 03240400"));
    let (x, label) = (m.symbol("x", 0xc345_6789), m.label(text, 0));
    m.relocate(text, 0, R_RISCV_GOT_HI20, x, 0);
    m.relocate(text, 4, R_RISCV_PCREL_LO12_I, label, 0);
    let out = m.link().unwrap();
    assert_eq!(out.synthetic[0].contents, 0xc345_6789_u32.to_le_bytes());
    assert_eq!(out.section(text), bytes("17040001 03240400"));
}

#[test]
fn hostile_records_are_faults() {
    testing::hostile_records_are_faults(rv64);
    testing::hostile_records_are_faults(rv32);
}

#[test]
fn misplaced_words_are_outside() {
    testing::misplaced_words_are_outside(rv64);
}

#[test]
fn what_is_refused_says_why() {
    let mut m = rv64();
    let text = m.section(".text", 0x1000, &[0; 16]);
    m.relocate(text, 0, R_RISCV_RELAX, 0, 0);
    m.relocate(text, 0, R_RISCV_NONE, 0, 0);
    m.relocate(text, 0, R_RISCV_ALIGN, 0, 2);
    m.relocate(text, 0, R_RISCV_TPREL_HI20, 0, 0);
    m.relocate(text, 0, 200, 0, 0);
    let findings = m.link().unwrap_err();
    assert!(findings[0].text.contains("-mno-relax"));
    assert_eq!(findings.iter().map(|f| f.fault.kind).collect::<Vec<_>>(), [8, 8, fault::UNKNOWN_TYPE]);
}

#[test]
fn every_type_of_the_psabi_is_named_once() {
    let mut known: Vec<_> = Arch::ABOUT.every_row().map(|row| row.kind).collect();
    known.sort_unstable();
    // 13 to 15 were never given out; from 66 on only VENDOR was.
    let expected: Vec<_> = (0..=65).filter(|kind| !(13..=15).contains(kind)).chain([191]).collect();
    assert_eq!(known, expected);
}

#[test]
fn modules_reach_the_kernel_from_where_they_customarily_are() {
    let m = RISCV;
    assert!(m.kernel + (16 << 20) - m.base < m.reach);
}

#[test]
fn a_got_slot_for_each_symbol_and_addend() {
    let mut m = rv64();
    m.synthetic_at(0x9000);
    let text = m.section(".text", 0x1000, &[0; 32]);
    let local = m.label(text, 8);
    let x = m.symbol("x", 0x1234_5678);
    for (i, (symbol, addend)) in [(x, 4), (x, 0), (local, 0), (x, 0), (x, 4)].into_iter().enumerate() {
        m.relocate(text, 4 * i as u64, R_RISCV_GOT_HI20, symbol, addend);
    }
    let out = m.link().unwrap();
    assert_eq!(out.synthetic.len(), 1);
    assert_eq!(out.synthetic[0].contents, bytes("7856341200000000 0810000000000000 7c56341200000000"));
}

#[test]
fn a_call_is_patched_at_any_even_place_and_nowhere_else() {
    for at in (0..8).step_by(2) {
        let mut m = rv64();
        let text = m.section(".text", 0x1_0000, &[0xff; 16]);
        let x = m.symbol("x", 0x1_0000 + at);
        m.relocate(text, at, R_RISCV_CALL_PLT, x, 0);
        let mut expected = vec![0xff; 16];
        expected[at as usize..][..8].copy_from_slice(&bytes("ff0f0000 ffff0f00"));
        assert_eq!(m.link().unwrap().section(text), expected);
    }
}
