//! Xtensa: Debian's GNU ld is for the LX106, which is little-endian and has neither register windows nor loops nor
//! booleans. What it does not judge, formulas do here. Every instruction that they make has been read by qemu's
//! disassembler, too, with the same distance: big-endian ones with the core `fsf`, which has no booleans, and
//! little-endian ones with the core `test_mmuhifi_c3`.

use super::{Architecture, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, Shape, Take, Vector, formula};
use crate::module_spec::RowDescription;
use relobox_abi::order;

const LITTLE: Variant = Variant {
    name: "xtensa",
    machine: 94,
    class: 32,
    gnu_ld: Some(("xtensa-lx106-elf-ld", "elf32xtensa")),
    base: 0xc000_0000,
    // Calls with register windows stay in their GiB.
    vectors_at: Some(0xc080_0000),
    direct: true,
    ..Variant::PLAIN
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "xtensa",
    variants: &[
        LITTLE,
        Variant { name: "xtensa-old", machine: 0xabc7, ..LITTLE },
        Variant { name: "xtensaeb", order: order::BIG, gnu_ld: None, ..LITTLE },
        Variant { name: "xtensaeb-old", machine: 0xabc7, order: order::BIG, gnu_ld: None, ..LITTLE },
    ],
    shape: |row| {
        Some(match row.formula.as_str() {
            "V + S + A" => Shape::Add,
            "distance(S + A)" => Shape::Special,
            _ => return None,
        })
    },
    vectors,
    differences: DIFFERENCES,
    ..Architecture::PLAIN
};

/// How an instruction holds a distance.
struct Form {
    name: &'static str,
    /// Its bytes in little-endian code and in big-endian code, with a distance of 0.
    code: [&'static [u8]; 2],
    /// Where the distance begins: in little-endian code from the low end, in big-endian code from the high end; and its
    /// length.
    field: (u32, u32),
    min: i64,
    max: i64,
    step: i64,
}

const fn form(name: &'static str, code: [&'static [u8]; 2], field: (u32, u32), range: (i64, i64, i64)) -> Form {
    let (min, max, step) = range;
    Form { name, code, field, min, max, step }
}

const SIGNED8: (i64, i64, i64) = (-0x80, 0x7f, 1);
const FORWARDS8: (i64, i64, i64) = (0, 0xff, 1);
const CALL: (i64, i64, i64) = (-0x8_0000, 0x7_fffc, 4);

const FORMS: [Form; 21] = [
    form("l32r", [&[0xa1, 0, 0], &[0x1a, 0, 0]], (8, 16), (-0x4_0000, -4, 4)),
    form("call0", [&[0x05, 0, 0], &[0x50, 0, 0]], (6, 18), CALL),
    form("call4", [&[0x15, 0, 0], &[0x54, 0, 0]], (6, 18), CALL),
    form("call8", [&[0x25, 0, 0], &[0x58, 0, 0]], (6, 18), CALL),
    form("call12", [&[0x35, 0, 0], &[0x5c, 0, 0]], (6, 18), CALL),
    form("j", [&[0x06, 0, 0], &[0x60, 0, 0]], (6, 18), (-0x2_0000, 0x1_ffff, 1)),
    form("beqz", [&[0x16, 0x0a, 0], &[0x64, 0xa0, 0]], (12, 12), (-0x800, 0x7ff, 1)),
    form("bgez", [&[0xd6, 0x0a, 0], &[0x67, 0xa0, 0]], (12, 12), (-0x800, 0x7ff, 1)),
    form("beqi", [&[0x26, 0x4a, 0], &[0x68, 0xa4, 0]], (16, 8), SIGNED8),
    form("bgei", [&[0xe6, 0x4a, 0], &[0x6b, 0xa4, 0]], (16, 8), SIGNED8),
    form("bf", [&[0x76, 0x0a, 0], &[0x6d, 0xa0, 0]], (16, 8), SIGNED8),
    form("bt", [&[0x76, 0x1a, 0], &[0x6d, 0xa1, 0]], (16, 8), SIGNED8),
    form("loop", [&[0x76, 0x8a, 0], &[0x6d, 0xa8, 0]], (16, 8), FORWARDS8),
    form("loopnez", [&[0x76, 0x9a, 0], &[0x6d, 0xa9, 0]], (16, 8), FORWARDS8),
    form("loopgtz", [&[0x76, 0xaa, 0], &[0x6d, 0xaa, 0]], (16, 8), FORWARDS8),
    form("bltui", [&[0xb6, 0x4a, 0], &[0x6e, 0xa4, 0]], (16, 8), SIGNED8),
    form("bgeui", [&[0xf6, 0x4a, 0], &[0x6f, 0xa4, 0]], (16, 8), SIGNED8),
    form("beq", [&[0xb7, 0x1a, 0], &[0x7b, 0xa1, 0]], (16, 8), SIGNED8),
    form("bbsi", [&[0x57, 0xfa, 0], &[0x75, 0xaf, 0]], (16, 8), SIGNED8),
    form("beqz.n", [&[0x8c, 0x0a], &[0xc8, 0xa0]], (0, 6), (0, 0x3f, 1)),
    form("bnez.n", [&[0xcc, 0x0a], &[0xcc, 0xa0]], (0, 6), (0, 0x3f, 1)),
];

impl Form {
    /// The address from which it counts.
    fn from(&self, place: u64) -> u64 {
        match self.name {
            "l32r" => (place + 3) & !3,
            name if name.starts_with("call") => (place & !3) + 4,
            _ => place + 4,
        }
    }

    /// The instruction with the bits of `value`.
    fn with(&self, big: bool, value: i64) -> Vec<u8> {
        let mut code = self.code[usize::from(big)].to_vec();
        let value = (value / self.step) as u32;
        if code.len() == 2 {
            // Half bytes: the lower four bits of the distance are in the last, the upper two in that behind op0.
            let (low, high) = (value as u8 & 15, value as u8 >> 4 & 3);
            let bits = if big { [high, low] } else { [high << 4, low << 4] };
            code.iter_mut().zip(bits).for_each(|(byte, bits)| *byte |= bits);
            return code;
        }
        let (at, len) = self.field;
        let bits = (value & ((1 << len) - 1)) << if big { 24 - at - len } else { at };
        let bytes = if big { bits.to_be_bytes() } else { bits.to_le_bytes() };
        code.iter_mut().zip(&bytes[usize::from(big)..]).for_each(|(byte, bits)| *byte |= bits);
        code
    }
}

/// Each instruction with both ends of its range and beyond, at each of four places.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    if row.formula != "distance(S + A)" {
        return Vec::new();
    }
    let big = g.machine.order == order::BIG;
    let old = row.name != "R_XTENSA_SLOT0_OP";
    let mut made = Vec::new();
    for form in FORMS.iter().filter(|form| !old || matches!(form.name, "l32r" | "call0" | "beq")) {
        let Form { min, max, step, .. } = *form;
        let mut values = vec![("min-1", min - step), ("min", min), ("max", max), ("max+1", max + step)];
        values.extend(match form.name {
            "l32r" => [("a5", -0x2_5a5c), ("c3", -0x1_3c68)],
            _ => [("a5", 0x2_5a5a & max & -step | min), ("c3", 0x1_3c69 & max & -step)],
        });
        values.extend([("odd", -0x101), ("half-odd", -0x102)].into_iter().filter(|_| step == 4));
        for (label, value) in values {
            // Poison in the field, and the opcode.
            let mut v = g.blank(row, &format!("{label},{}", form.name), POISON[g.turn % POISON.len()]);
            v.at += g.turn as u64 % 4;
            let poison = [!0, 0x1_5a5a, 0][g.turn % 3] * step;
            let insn = form.with(big, poison);
            let around = v.before[0];
            v.before.resize(OFFSET as usize + insn.len() + OFFSET as usize, around);
            v.before[OFFSET as usize..].fill(around);
            v.before[OFFSET as usize..][..insn.len()].copy_from_slice(&insn);
            let addend = [0, 4, -4, 0x1230, -0x7ff0][g.turn % 5];
            let s = form.from(v.at + OFFSET).wrapping_add_signed(value - addend);
            v.sites[0].addend = addend;
            v.values.push(("s".to_owned(), g.cut(s)));
            made.push(v);
            g.turn += 1;
        }
    }
    made
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_XTENSA_PLT"],
        when: |v, _, _| !formula::is_big(v) && v.before[OFFSET as usize..][..4] != [0; 4],
        take: Take::Formula(word),
        why: "GNU ld overwrites what is in place; arch/xtensa/kernel/module.c adds to it",
    },
    Difference {
        types: &["R_XTENSA_32", "R_XTENSA_PLT", "R_XTENSA_32_PCREL"],
        when: |v, _, _| formula::is_big(v),
        take: Take::Formula(word),
        why: "Debian's GNU ld is little-endian; arch/xtensa/kernel/module.c, and bfd/elf32-xtensa.c of binutils",
    },
    Difference {
        types: &["R_XTENSA_SLOT0_OP", "R_XTENSA_OP*"],
        when: |v, ld, _| !ld.is_linked() && (v.label.starts_with("min-1,") || v.label.starts_with("max+1,")),
        take: Take::Overflow,
        why: "GNU ld calls every refusal dangerous; Xtensa ISA, the instruction's range",
    },
    Difference {
        types: &["R_XTENSA_SLOT0_OP", "R_XTENSA_OP*"],
        when: |v, ld, _| !ld.is_linked() && v.label.contains("odd,"),
        take: Take::Misaligned,
        why: "GNU ld calls every refusal dangerous; Xtensa ISA, L32R and CALLn: multiples of 4",
    },
    Difference {
        types: &["R_XTENSA_SLOT0_OP", "R_XTENSA_OP*"],
        when: |v, ld, _| !ld.is_linked() && !formula::is_big(v),
        take: Take::Formula(instruction),
        why: "the LX106, for which Debian's GNU ld is, does not have the instruction; Xtensa ISA",
    },
    Difference {
        types: &["R_XTENSA_SLOT0_OP", "R_XTENSA_OP*"],
        when: |v, _, _| formula::is_big(v),
        take: Take::Formula(instruction),
        why: "Debian's GNU ld is little-endian; Xtensa ISA, Instruction Formats (Big-Endian)",
    },
];

fn target(vector: &Vector) -> u64 {
    vector.value("s").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend)
}

/// A word, to which what is in place is added unless it is a distance.
fn word(vector: &Vector) -> Outcome {
    let big = formula::is_big(vector);
    let bytes = [0, 1, 2, 3].map(|i| vector.before[OFFSET as usize + i]);
    let held = if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
    let x = match vector.name.as_str() {
        "R_XTENSA_32_PCREL" => target(vector).wrapping_sub(vector.at + OFFSET) as u32,
        _ => held.wrapping_add(target(vector) as u32),
    };
    formula::with(vector, &if big { x.to_be_bytes() } else { x.to_le_bytes() }, None)
}

/// An instruction with its distance.
fn instruction(vector: &Vector) -> Outcome {
    let name = vector.label.split([',', '/']).nth(1).unwrap_or_default();
    let Some(form) = FORMS.iter().find(|form| form.name == name) else { return Outcome::Unsupported };
    let value = target(vector).wrapping_sub(form.from(vector.at + OFFSET)) as i32;
    formula::with(vector, &form.with(formula::is_big(vector), value.into()), None)
}
