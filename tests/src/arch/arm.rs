//! Arm, little-endian and BE8: linkers make veneers for branches beyond 32 MiB, or 16 MiB in Thumb code.
//!
//! GNU ld does not take objects that have EF_ARM_BE8, and lld takes them for big-endian ones. Vectors of BE8 are thus
//! those of data; instructions have the bytes of the other byte order.

use super::{Architecture, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, Shape, Take, Vector, formula, is_outside};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, LONGEST_VENEER, branch, signed};
use relobox_abi::{order, row_flag};

const LITTLE: Variant = Variant {
    name: "arm",
    machine: 40,
    class: 32,
    order: order::LITTLE,
    gnu_ld: Some(("arm-linux-gnueabi-ld", "armelf_linux_eabi")),
    lld: Some("armelf_linux_eabi"),
    // Linux always changes what V4BX marks.
    options: (&["--fix-v4bx", "--no-fix-cortex-a8", "--target2=got-rel"], &["--target2=got-rel"]),
    base: 0xbf00_0000,
    ..Variant::PLAIN
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "arm",
    variants: &[
        LITTLE,
        Variant {
            name: "armeb",
            order: order::BIG,
            flags: (0x0080_0000, 0x0080_0000),
            gnu_ld: None,
            lld: Some("armelfb_linux_eabi"),
            ..LITTLE
        },
    ],
    corpora: &["armmp", "marvell"],
    in_place: &[true, false],
    code_align: 2,
    slot_type: "R_ARM_GOT_PREL",
    shape: |row| {
        Some(match row.formula.as_str() {
            _ if form(&row.name).is_some() => Shape::Special,
            "plain(S) + A" => Shape::Absolute(0),
            "plain(S) + A - P" => Shape::Relative(0),
            "G + A - P" => Shape::Slot(true, 0),
            "G + A" => Shape::Slot(true, 0),
            "S + A - GOT" => Shape::FromTable,
            "GOT + A - P" => Shape::Table,
            "G + A - GOT" => Shape::SlotOffset,
            _ => return None,
        })
    },
    vectors,
    pairs: &[
        Pair::absolute("R_ARM_MOVT_ABS", "R_ARM_MOVW_ABS_NC"),
        Pair::absolute("R_ARM_THM_MOVT_ABS", "R_ARM_THM_MOVW_ABS_NC"),
    ],
    differences: DIFFERENCES,
    distance: |row, value| match form(&row.name) {
        Some(Form::Branch) => value + 8,
        Some(Form::Thumb) if row.name.ends_with("19") => value + 4,
        Some(Form::Thumb) => 4 + (if (0..1 << 24).contains(&value) { value ^ 0xc0_0000 } else { value }),
        _ => value,
    },
    // bl
    call: |_, distance| (0xeb00_0000 | (((distance as u32).wrapping_sub(8) / 4) & 0xff_ffff)).to_le_bytes().to_vec(),
    reference,
    ..Architecture::PLAIN
};

/// What a type patches: the instruction without an addend, and the numbers that it can hold.
struct Insn {
    form: Form,
    /// The instruction; of two halfwords of Thumb code, the second is the upper one.
    word: u32,
    from: From,
    /// The smallest and the largest number, if they are checked.
    range: Option<(i64, i64)>,
    step: i64,
    /// Numbers that are refused.
    beyond: &'static [i64],
}

/// How an instruction holds a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `b` and `bl` of Arm code.
    Branch,
    /// Branches of Thumb code.
    Thumb,
    /// `movw` and `movt`, and the bit of the number at which the 16 bits begin; in Arm code, and in Thumb code.
    Half(u32),
    ThumbHalf(u32),
    /// A load with so many bits, behind so many `add`.
    Load(u32, u32),
    /// `add` or `sub`, behind so many others.
    Add(u32),
    /// Eight bits of the number, from this one on.
    Byte(u32),
    /// Other Thumb instructions.
    Adr,
    ThumbLoad,
    ThumbLoadUp,
    ThumbLiteral,
    ThumbWord,
    /// `bx`.
    Bx,
}

/// What a number is counted from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Zero,
    Place,
    /// The place without its two low bits.
    Word,
    Got,
    /// A table's entry from the table.
    Entry,
}

fn form(name: &str) -> Option<Form> {
    insn(name).map(|insn| insn.form)
}

fn insn(name: &str) -> Option<Insn> {
    let (form, word, from, range, step, beyond): (_, u32, _, _, _, &[i64]) = match name.strip_prefix("R_ARM_")? {
        "CALL" | "PC24" | "PLT32" => (Form::Branch, 0xeb00_0000, From::Place, Some((-0x200_0000, 0x1ff_fffc)), 4, &[2]),
        "JUMP24" => (Form::Branch, 0x1a00_0000, From::Place, Some((-0x200_0000, 0x1ff_fffc)), 4, &[]),
        "MOVW_ABS_NC" => (Form::Half(0), 0xe300_3000, From::Zero, None, 1, &[]),
        "MOVT_ABS" => (Form::Half(16), 0xe340_3000, From::Zero, None, 1, &[]),
        "MOVW_PREL_NC" => (Form::Half(0), 0xe300_3000, From::Place, None, 1, &[]),
        "MOVT_PREL" => (Form::Half(16), 0xe340_3000, From::Place, None, 1, &[]),
        "ABS12" => (Form::Load(12, 0), 0xe510_2000, From::Zero, Some((-0xfff, 0xfff)), 1, &[0x1000, -0x1000]),
        "GOT_BREL12" => (Form::Load(12, 0), 0xe51a_2000, From::Entry, None, 1, &[]),
        "GOTOFF12" => (Form::Load(12, 0), 0xe51a_2000, From::Got, Some((-0xfff, 0xfff)), 1, &[0x1000, -0x1000]),
        "LDR_PC_G0" => (Form::Load(12, 0), 0xe51f_2000, From::Place, Some((-0xfff, 0xfff)), 1, &[0x1000, -0x1000]),
        "LDR_PC_G1" => (Form::Load(12, 1), 0xe51f_2000, From::Place, Some((-0xf_ffff, 0xf_ffff)), 1, &[0x40_1000]),
        "LDR_PC_G2" => (Form::Load(12, 2), 0xe51f_2000, From::Place, Some((-0xfff_ffff, 0xfff_ffff)), 1, &[0x4020_1000]),
        "LDRS_PC_G0" => (Form::Load(8, 0), 0xe15f_20b0, From::Place, Some((-0xff, 0xff)), 1, &[0x100, -0x100]),
        "LDRS_PC_G1" => (Form::Load(8, 1), 0xe15f_20b0, From::Place, Some((-0xffff, 0xffff)), 1, &[0x10_0100]),
        "LDRS_PC_G2" => (Form::Load(8, 2), 0xe15f_20b0, From::Place, Some((-0xff_ffff, 0xff_ffff)), 1, &[0x4010_0100]),
        "LDC_PC_G0" => (Form::Load(10, 0), 0xed1f_2a00, From::Place, Some((-0x3fc, 0x3fc)), 4, &[0x400, -0x400]),
        "LDC_PC_G1" => (Form::Load(10, 1), 0xed1f_2a00, From::Place, Some((-0x3_fffc, 0x3_fffc)), 4, &[0x40_0400]),
        "LDC_PC_G2" => (Form::Load(10, 2), 0xed1f_2a00, From::Place, Some((-0x3ff_fffc, 0x3ff_fffc)), 4, &[0x4020_0400]),
        "ALU_PC_G0_NC" => (Form::Add(0), 0xe28f_2000, From::Place, None, 1, &[]),
        "ALU_PC_G1_NC" => (Form::Add(1), 0xe28f_2000, From::Place, None, 1, &[]),
        "ALU_PC_G0" => (Form::Add(0), 0xe28f_2000, From::Place, Some((-0xff, 0xff)), 1, &[0x101, -0x101]),
        "ALU_PC_G1" => (Form::Add(1), 0xe28f_2000, From::Place, Some((-0xffff, 0xffff)), 1, &[0x100_1001]),
        "ALU_PC_G2" => (Form::Add(2), 0xe28f_2000, From::Place, Some((-0xff_ffff, 0xff_ffff)), 1, &[0x4010_0401]),
        "V4BX" => (Form::Bx, 0x112f_ff1e, From::Zero, None, 1, &[]),
        "THM_CALL" => (Form::Thumb, 0xd000_f000, From::Place, Some((-0x100_0000, 0xff_fffe)), 2, &[]),
        "THM_JUMP24" => (Form::Thumb, 0x9000_f000, From::Place, Some((-0x100_0000, 0xff_fffe)), 2, &[]),
        "THM_JUMP19" => (Form::Thumb, 0x8000_f040, From::Place, Some((-0x10_0000, 0xf_fffe)), 2, &[]),
        "THM_JUMP11" => (Form::Thumb, 0xe000, From::Place, Some((-0x800, 0x7fe)), 2, &[-0x802, 0x800]),
        "THM_JUMP8" => (Form::Thumb, 0xd100, From::Place, Some((-0x100, 0xfe)), 2, &[-0x102, 0x100]),
        "THM_JUMP6" => (Form::Thumb, 0xb103, From::Place, Some((0, 0x7e)), 2, &[-2, 0x80]),
        "THM_MOVW_ABS_NC" => (Form::ThumbHalf(0), 0x0300_f240, From::Zero, None, 1, &[]),
        "THM_MOVT_ABS" => (Form::ThumbHalf(16), 0x0300_f2c0, From::Zero, None, 1, &[]),
        "THM_MOVW_PREL_NC" => (Form::ThumbHalf(0), 0x0300_f240, From::Place, None, 1, &[]),
        "THM_MOVT_PREL" => (Form::ThumbHalf(16), 0x0300_f2c0, From::Place, None, 1, &[]),
        "THM_ALU_PREL_11_0" => (Form::Adr, 0x0300_f2af, From::Word, Some((-0xfff, 0xfff)), 1, &[-0x1000, 0x1000]),
        "THM_PC12" => (Form::ThumbLoad, 0x3000_f85f, From::Word, Some((-0xfff, 0xfff)), 1, &[-0x1000, 0x1000]),
        "THM_GOT_BREL12" => (Form::ThumbLoadUp, 0x3000_f8da, From::Entry, None, 1, &[]),
        "THM_PC8" => (Form::ThumbLiteral, 0x4b00, From::Word, Some((0, 0x3fc)), 4, &[-4, 0x400]),
        "THM_ABS5" => (Form::ThumbWord, 0x680b, From::Zero, Some((0, 0x7c)), 4, &[-4, 0x80]),
        "THM_ALU_ABS_G0_NC" => (Form::Byte(0), 0x2300, From::Zero, None, 1, &[]),
        "THM_ALU_ABS_G1_NC" => (Form::Byte(8), 0x3300, From::Zero, None, 1, &[]),
        "THM_ALU_ABS_G2_NC" => (Form::Byte(16), 0x3300, From::Zero, None, 1, &[]),
        "THM_ALU_ABS_G3" => (Form::Byte(24), 0x3300, From::Zero, None, 1, &[]),
        _ => return None,
    };
    Some(Insn { form, word, from, range, step, beyond })
}

/// `count` bits of `x` from `from` up, at bit `to`.
fn part(x: i64, from: u32, count: u32, to: u32) -> u32 {
    ((x >> from) as u32 & ((1 << count) - 1)) << to
}

/// Where the eight highest bits of a number begin, at an even place.
fn group(y: u32) -> u32 {
    (0..=24).step_by(2).find(|at| y >> at <= 0xff).unwrap_or(24)
}

/// The instruction with `x` in it, which must be in range; `addend`: as an addend, which is whole in all groups and halves.
fn hold(insn: &Insn, name: &str, x: i64, addend: bool) -> u32 {
    let (word, size) = (insn.word, x.unsigned_abs() as u32);
    let groups = |n: u32| (0..n).fold(size, |y, _| y & !(0xff << group(y)));
    let up = |bit: u32| u32::from(x >= 0) << bit;
    let half = |first: u32| if addend { 0 } else { first };
    word | match insn.form {
        Form::Branch => part(x, 2, 24, 0),
        Form::Half(first) => part(x, half(first), 12, 0) | part(x, half(first) + 12, 4, 16),
        Form::ThumbHalf(first) => {
            let x = x >> half(first);
            part(x, 12, 4, 0) | part(x, 11, 1, 10) | part(x, 8, 3, 28) | part(x, 0, 8, 16)
        }
        Form::Load(bits, n) => {
            let rest = i64::from(if addend { size } else { groups(n) });
            up(23) | match bits {
                12 => part(rest, 0, 12, 0),
                8 => part(rest, 0, 4, 0) | part(rest, 4, 4, 8),
                _ => part(rest, 2, 8, 0),
            }
        }
        Form::Add(n) => {
            let y = if addend { size } else { groups(n) };
            let at = group(y);
            let opcode = if x < 0 { 0x0040_0000 ^ 0x0080_0000 } else { 0 };
            return (word ^ opcode) | (((32 - at) / 2 % 16) << 8) | (y >> at & 0xff);
        }
        Form::Byte(first) => part(x, half(first), 8, 0),
        Form::Adr => {
            let x = i64::from(size);
            let sub = if up(0) == 0 { 0 } else { 0xa0 };
            return (word ^ sub) | part(x, 11, 1, 10) | part(x, 8, 3, 28) | part(x, 0, 8, 16);
        }
        Form::ThumbLoad => up(7) | part(size.into(), 0, 12, 16),
        Form::ThumbLoadUp => part(x, 0, 12, 16),
        Form::ThumbLiteral => part(x, 2, 8, 0),
        Form::ThumbWord => part(x, 2, 5, 6),
        Form::Bx => 0,
        Form::Thumb => match name {
            "R_ARM_THM_JUMP11" => part(x, 1, 11, 0),
            "R_ARM_THM_JUMP8" => part(x, 1, 8, 0),
            "R_ARM_THM_JUMP6" => part(x, 1, 5, 3) | part(x, 6, 1, 9),
            "R_ARM_THM_JUMP19" => {
                part(x, 20, 1, 10) | part(x, 12, 6, 0) | part(x, 18, 1, 29) | part(x, 19, 1, 27) | part(x, 1, 11, 16)
            }
            _ => {
                let (s, i1, i2) = (part(x, 24, 1, 0), part(x, 23, 1, 0), part(x, 22, 1, 0));
                let (j1, j2) = (1 ^ i1 ^ s, 1 ^ i2 ^ s);
                s << 10 | part(x, 12, 10, 0) | j1 << 29 | j2 << 27 | part(x, 1, 11, 16)
            }
        },
    }
}

/// Instructions with addends in them, and in the order of numbers, the ends of the range first.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let Some(insn) = insn(&row.name) else { return Vec::new() };
    let (min, max) = insn.range.unwrap_or((-0x8000_0000, 0x7fff_ffff));
    let turn = |x: i64| (x & max & -insn.step).max(min);
    let mut numbers: Vec<(String, i64)> = [
        ("min", min),
        ("max", max),
        ("0", 0),
        ("1", insn.step),
        ("-1", -insn.step),
        ("a5", turn(0xa5a5_a5a5)),
        ("c3", turn(0x3c69_3c69)),
        ("-a5", -turn(0xa5a5_a5a5)),
        ("half", (max / 2 + 1) & -insn.step),
    ]
    .into_iter()
    .map(|(label, x)| (label.to_owned(), x))
    .filter(|(_, x)| (min..=max).contains(x))
    .collect();
    numbers.extend(insn.beyond.iter().map(|x| (if x & (insn.step - 1) == 0 { "beyond" } else { "odd" }.to_owned(), *x)));
    if row.is(row_flag::FALLBACK) && insn.form == Form::Branch {
        numbers.extend([("min-1".to_owned(), min - 4), ("max+1".to_owned(), max + 4)]);
    }
    if insn.from == From::Entry {
        numbers = ["a", "b"].into_iter().map(|label| (label.to_owned(), 0)).collect();
    }
    let addends: &[i64] = match insn.form {
        Form::Bx | Form::Load(_, 0) if insn.from == From::Entry || insn.form == Form::Bx => &[0],
        Form::Branch => &[-8],
        Form::Load(8, _) => &[-8, 8, 0, 0x7c],
        Form::Half(_) | Form::ThumbHalf(_) => &[0, -0x8000, 0x7fff, -0x123],
        Form::Add(_) | Form::Load(..) => &[-8, 8, 0, 0xfc],
        Form::Byte(_) => &[0, 0xff, 0x12],
        Form::ThumbWord | Form::ThumbLoadUp => &[0, 4, 0x7c],
        Form::ThumbLiteral => &[-4, 4, 0x3f8],
        Form::Thumb if row.name.ends_with("JUMP6") => &[-4, 0, 0x52],
        Form::Thumb if row.row.width == 2 => &[-4, 4, -0x10],
        Form::Thumb => &[-4, -4, 0x1_0000, -0x1_0000],
        _ => &[-4, 4, 0xfe],
    };
    let mut vectors = Vec::new();
    for (label, x) in numbers {
        let addend = addends[g.turn % addends.len()];
        let mut v = g.blank(row, &label, 0xff);
        v.label = format!("{label}/{addend:+}");
        let word = hold(&insn, &row.name, addend, true).to_le_bytes();
        let width = usize::from(row.row.width);
        v.before[OFFSET as usize..][..width].copy_from_slice(&word[..width]);
        let p = (v.at + OFFSET) as i64;
        let table = (g.base + 0x30_0000) as i64;
        let from = match insn.from {
            From::Zero => 0,
            From::Place => p,
            From::Word => p & -4,
            From::Got | From::Entry => table,
        };
        let mut s = x.wrapping_sub(addend).wrapping_add(from);
        if insn.from == From::Entry {
            s = 0x5566_7788;
            v.values.push(("s".to_owned(), s as u64));
            v.values.push(("GOT".to_owned(), table as u64));
            v.values.push(("G".to_owned(), (table + if label == "a" { 0 } else { 0xff4 }) as u64));
            v.by = "psABI".to_owned();
        } else {
            v.values.push(("s".to_owned(), g.cut(s as u64)));
            if insn.from == From::Got {
                v.values.push(("GOT".to_owned(), table as u64));
                v.by = "psABI".to_owned();
            }
        }
        vectors.push(v);
        g.turn += 1;
    }
    vectors
}

/// AAELF32's tables, without a linker.
fn model(vector: &Vector) -> Outcome {
    let Some(insn) = insn(&vector.name) else { return Outcome::Unsupported };
    let addend: i64 = vector.label.rsplit('/').next().and_then(|a| a.parse().ok()).unwrap_or(0);
    let value = |name: &str| vector.value(name).unwrap_or(0) as i64;
    let p = (vector.at + OFFSET) as i64;
    let x = addend + match insn.from {
        From::Zero => value("s"),
        From::Place => value("s") - p,
        From::Word => value("s") - (p & -4),
        From::Got => value("s") - value("GOT"),
        From::Entry => value("G") - value("GOT"),
    };
    let x = i64::from(x as i32);
    if vector.label.starts_with("beyond/") {
        return Outcome::Overflow;
    }
    if x & (insn.step - 1) != 0 {
        return Outcome::Misaligned;
    }
    let word = if insn.form == Form::Bx { 0x11a0_f00e } else { hold(&insn, &vector.name, x, false) };
    let width = vector.before.len() - 2 * OFFSET as usize;
    let slot = (insn.from == From::Entry).then(|| (value("s") as u32).to_le_bytes().to_vec());
    formula::with(vector, &word.to_le_bytes()[..width], slot)
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_ARM_GOT_BREL12", "R_ARM_GOTOFF12", "R_ARM_THM_GOT_BREL12"],
        when: |_, _, _| true,
        take: Take::Formula(model),
        why: "AAELF32, Static Arm and Thumb32 relocations: GOT(S) + A - GOT_ORG, S + A - GOT_ORG",
    },
    Difference {
        types: &["R_ARM_GOT_ABS", "R_ARM_PLT32_ABS", "R_ARM_ABS32_NOI", "R_ARM_REL32_NOI", "R_ARM_ABS16", "R_ARM_ABS8"],
        when: |v, ld, lld| {
            let unknown = *ld == Outcome::Unsupported && *lld == Outcome::Unsupported;
            unknown || *ld == Outcome::Overflow && !is_outside(v)
        },
        take: Take::Formula(data),
        why: "GNU ld takes narrow words for unsigned; AAELF32, Static Data relocations: -32768 <= X <= 65535, -128 <= X <= 255",
    },
    Difference {
        types: &["R_ARM_CALL", "R_ARM_PC24", "R_ARM_PLT32"],
        when: |v, _, _| v.label.starts_with("odd/"),
        take: Take::Misaligned,
        why: "linkers drop the two low bits; Linux refuses (apply_relocate), since there may be Thumb code",
    },
    Difference {
        types: &["R_ARM_PC24"],
        when: |_, ld, lld| ld != lld,
        take: Take::Lld,
        why: "GNU ld makes no veneer for it; AAELF32, Call and Jump relocations, lets linkers make one",
    },
    Difference {
        types: &["R_ARM_THM_CALL", "R_ARM_THM_JUMP24", "R_ARM_THM_JUMP19"],
        when: |_, ld, lld| ld != lld || matches!(ld, Outcome::Through(_)),
        take: Take::Formula(model),
        why: "GNU ld takes a label for Arm code, and lld knows J1 and J2 of no old processor; AAELF32, Thumb call and jump",
    },
    Difference {
        types: &["R_ARM_THM_PC8"],
        when: |_, ld, lld| ld.is_linked() && *lld == Outcome::Overflow,
        take: Take::Lld,
        why: "GNU ld does not check; AAELF32, Static Thumb16 relocations",
    },
    Difference {
        types: &["R_ARM_ABS12"],
        when: |_, _, _| true,
        take: Take::Formula(model),
        why: "GNU ld leaves U and sets bits over the addend; AAELF32, Arm relocation actions: ABS(X), and U says which sign",
    },
    Difference {
        types: &["R_ARM_THM_PC12"],
        when: |v, ld, _| *ld == Outcome::Overflow && !v.label.starts_with("beyond/"),
        take: Take::Formula(model),
        why: "GNU ld takes no negative numbers, and lld leaves U; AAELF32: ABS(X), U says which sign",
    },
    Difference {
        types: &["R_ARM_THM_ABS5", "R_ARM_THM_JUMP6"],
        when: |_, _, lld| *lld == Outcome::Unsupported,
        take: Take::Formula(model),
        why: "GNU ld doubles the addend; AAELF32, Static Thumb16 relocations, and Addends and PC-bias compensation",
    },
    Difference {
        types: &["R_ARM_ALU_PC_G0_NC", "R_ARM_ALU_PC_G1_NC"],
        when: |_, ld, lld| ld != lld,
        take: Take::Lld,
        why: "GNU ld computes with 64 bits; AAELF32, Relocation types: modulo 2^32",
    },
    Difference {
        types: &["R_ARM_V4BX"],
        when: |_, ld, lld| ld != lld,
        take: Take::Ld,
        why: "lld leaves it; Linux makes it a mov pc (apply_relocate)",
    },
];

/// A word of data: AAELF32's formulas, without a linker.
fn data(vector: &Vector) -> Outcome {
    let (width, big) = (vector.before.len() - 2 * OFFSET as usize, formula::is_big(vector));
    let mut bytes = vector.before[OFFSET as usize..][..width].to_vec();
    if big {
        bytes.reverse();
    }
    let held = bytes.iter().rev().fold(0, |word, byte| word << 8 | i64::from(*byte));
    let shift = 64 - 8 * width as u32;
    let of = |name: &str| vector.value(name).map(|value| value as i64);
    let from = if vector.name == "R_ARM_REL32_NOI" { (vector.at + OFFSET) as i64 } else { 0 };
    let x = of("G").or(of("s")).unwrap_or(0) + (held << shift >> shift) - from;
    let x = i64::from(x as i32);
    if width < 4 && !(-1 << (8 * width - 1)..1 << (8 * width)).contains(&x) {
        return Outcome::Overflow;
    }
    let order = |word: u32, width: usize| match big {
        true => word.to_be_bytes()[4 - width..].to_vec(),
        false => word.to_le_bytes()[..width].to_vec(),
    };
    formula::with(vector, &order(x as u32, width), of("G").and(of("s")).map(|s| order(s as u32, 4)))
}

/// Returns the destination of a `b` or `bl` in Arm code.
fn reference(variant: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let word = u32::from_le_bytes(code.get(..4)?.try_into().ok()?);
    branch(image, target(address, word)?, if variant.order == order::BIG { run::<true> } else { run::<false> })
}

fn target(address: u64, word: u32) -> Option<u64> {
    let is_branch = word & 0x0e00_0000 == 0x0a00_0000 && word >> 28 != 15;
    is_branch.then(|| address.wrapping_add(8).wrapping_add(signed(u64::from(word & 0xff_ffff), 24) << 2) & 0xffff_ffff)
}

/// Instructions are little-endian even where data, and therefore a literal, is big-endian.
fn run<const BIG: bool>(image: &Image, mut at: u64) -> Option<u64> {
    let literal = |at: u64| {
        let bytes = image.own_bytes(at, 4)?.try_into().ok()?;
        Some(u64::from(if BIG { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }))
    };
    let mut ip = 0;
    for _ in 0..LONGEST_VENEER {
        let word = u32::from_le_bytes(image.own_bytes(at, 4)?.try_into().ok()?);
        let half = u64::from(word >> 4 & 0xf000 | word & 0xfff);
        match word {
            0xe51f_f004 => return literal(at + 4),
            0xe59f_c000 => ip = literal(at + 8)?,
            // Thumb code: ldr.w pc, [pc, #0]; and bx pc, behind which Arm code stands.
            0xf000_f8df => return literal(at + 4).map(|end| end & !1),
            _ if word & 0xffff == 0x4778 => {}
            0xe12f_ff1c => return Some(ip),
            0xe08c_c00f => ip = ip.wrapping_add(at + 8) & 0xffff_ffff,
            _ if word & 0xfff0_f000 == 0xe300_c000 => ip = half,
            _ if word & 0xfff0_f000 == 0xe340_c000 => ip |= half << 16,
            _ => return target(at, word),
        }
        at += 4;
    }
    None
}
