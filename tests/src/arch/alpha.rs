//! Alpha: GNU ld alone links it. Its global offset table is its section `.got`, and gp is 0x8000 behind the start.

use super::{Architecture, Variant};
use crate::golden::{
    Difference, Generator, OFFSET, Outcome, POISON, SLOTTED, Shape, Site, Take, Vector, formula, is_outside,
};
use crate::module_spec::RowDescription;
use relobox_abi::rule;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "alpha",
    variants: &[Variant {
        name: "alpha",
        machine: 0x9026,
        gnu_ld: Some(("alpha-linux-gnu-ld", "elf64alpha")),
        // It names its table for programs that are linked dynamically only. And it leaves all instructions as they are.
        options: (&["--defsym", "_GLOBAL_OFFSET_TABLE_=ADDR(.got)", "--no-relax"], &[]),
        base: 0xffff_fffc_0000_0000,
        ..Variant::PLAIN
    }],
    code_align: 4,
    slot_type: "R_ALPHA_LITERAL",
    shape: |row| Some(if row.name == "R_ALPHA_LITERAL" { Shape::SlotFixed } else { Shape::Special }),
    vectors,
    rewritten: |v| v.name == "R_ALPHA_LITERAL" && !v.label.ends_with("/00"),
    differences: DIFFERENCES,
    ..Architecture::PLAIN
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_ALPHA_REFLONG"],
        when: |v, ld, _| v.label.starts_with("min-1/") && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld lets -2^n through as well, which no reading of the field gives back",
    },
    Difference {
        types: &["R_ALPHA_GPREL32"],
        when: |v, ld, _| is_outside(v) && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld takes it for either reading; code sign-extends what it loads, and Linux checks a signed number",
    },
    Difference {
        types: &["R_ALPHA_BRADDR", "R_ALPHA_HINT"],
        when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
        take: Take::Misaligned,
        why: "GNU ld drops the low bits; no instruction lies there, and Linux refuses the branch",
    },
    Difference {
        types: &["R_ALPHA_*"],
        when: |v, _, _| v.label.starts_with("held/") && !v.name.ends_with("GPDISP") && !v.name.ends_with("BRSGP"),
        take: Take::Formula(overwritten),
        why: "GNU ld adds what the field holds, which assemblers leave at zero; ELF: explicit addends, and Linux",
    },
    Difference {
        types: &["R_ALPHA_BRSGP"],
        when: |v, _, _| is_outside(v),
        take: Take::Overflow,
        why: "GNU ld wants a function with a prologue; Alpha Architecture Handbook, Branch: 21 bits",
    },
    Difference {
        types: &["R_ALPHA_BRSGP"],
        when: |_, ld, _| *ld == Outcome::Refused,
        take: Take::Formula(branch),
        why: "GNU ld wants a function with a prologue; Linux takes any of the module",
    },
];

/// Opcodes of `ldah $29, 0($27)` and `lda $29, 0($29)`.
const LDAH: u32 = 0x27bb_0000;
const LDA: u32 = 0x23bd_0000;

/// All types but `LITERAL`, in fields of zeros between other bits: GNU ld adds what a field holds.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let (p, gp, branch) = (row.formula.contains("- P"), row.formula.contains("GOT"), row.formula.ends_with("- 4"));
    if row.name == "R_ALPHA_LITERAL" {
        return Vec::new();
    }
    let pairs = row.name == "R_ALPHA_GPDISP";
    let bits = if pairs {
        32
    } else if row.row.rule == rule::NONE {
        64
    } else {
        row.row.bits
    };
    let half = if pairs || row.name.ends_with("HIGH") { 0x8000 } else { 0 };
    let mut made = Vec::new();
    for (label, value) in ends(row, bits.into()) {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        if label != "held" {
            v.before[OFFSET as usize..][..8].iter_mut().zip(row.mask().to_le_bytes()).for_each(|(b, mask)| *b &= !mask);
        }
        let addend = [0, 4, -8, 0x1230][g.turn % 4];
        v.sites[0].addend = addend;
        if gp {
            behind_gp(&mut v);
        }
        let from = if p { v.at + OFFSET } else { 0 };
        let from = if gp { table(&v) + 0x8000 } else { from }.wrapping_add(if branch { 4 } else { 0 });
        let s = from.wrapping_add_signed(value.wrapping_sub(half).wrapping_sub(addend));
        if pairs {
            if !pair(&mut v, g.turn, value - half) {
                continue;
            }
        } else if row.name == "R_ALPHA_BRSGP" {
            (v.sites[0].symbol, v.sites[0].addend) = (format!(".{OFFSET}"), value + 4);
        }
        v.values.push(("s".to_owned(), s));
        made.push(v);
        g.turn += 1;
    }
    made
}

/// Adds a `LITERAL` behind the field, so that there is a table, and says where that is.
fn behind_gp(v: &mut Vector) {
    let (at, around) = (v.before.len(), v.before[0]);
    v.before.resize(at + 4, around);
    v.before[at..at + 2].fill(0);
    v.sites.push(Site { name: "R_ALPHA_LITERAL".to_owned(), offset: at as u64, symbol: "t".to_owned(), addend: 0 });
    v.values.push(("t".to_owned(), SLOTTED));
    let got = table(v);
    v.set("GOT", Some(got));
}

/// Where GNU ld has its table: in the first page that is 64 KiB behind the only section.
fn table(vector: &Vector) -> u64 {
    (vector.at + vector.before.len() as u64 + 0x1_0000).next_multiple_of(0x1000)
}

/// Makes `ldah` and `lda`, which may also stand before, of the field. The distance is what it is, and they hold what is
/// to be added; `false` if they cannot.
fn pair(v: &mut Vector, turn: usize, value: i64) -> bool {
    let (ldah, lda) = if turn.is_multiple_of(2) { (4, OFFSET) } else { (OFFSET, 4) };
    v.sites[0] = Site { offset: ldah, addend: lda.wrapping_sub(ldah) as i64, ..v.sites[0].clone() };
    let held = value - table(v).wrapping_add(0x8000).wrapping_sub(v.at + ldah) as i64;
    for (at, word) in [(ldah, LDAH | ((held + 0x8000) >> 16) as u32 & 0xffff), (lda, LDA | held as u32 & 0xffff)] {
        v.before[at as usize..][..4].copy_from_slice(&word.to_le_bytes());
    }
    (-0x8000_8000..=0x7fff_7fff).contains(&held)
}

/// A branch to a label at the place, whose addend is the distance.
fn branch(vector: &Vector) -> Outcome {
    let x = vector.sites[0].addend - 4;
    if x & 3 != 0 {
        return Outcome::Misaligned;
    }
    let before = vector.before[OFFSET as usize..][..4].try_into().map_or(0, u32::from_le_bytes);
    formula::with(vector, &(before & 0xffe0_0000 | (x >> 2) as u32 & 0x1f_ffff).to_le_bytes(), None)
}

/// What is the same in a field of zeros.
fn overwritten(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0);
    let s = value("s").wrapping_add_signed(vector.sites[0].addend);
    let (from_gp, from_p) = (s.wrapping_sub(value("GOT") + 0x8000), s.wrapping_sub(vector.at + OFFSET));
    let (x, mask, width) = match vector.name.trim_start_matches("R_ALPHA_") {
        "REFLONG" => (s, u32::MAX.into(), 4),
        "REFQUAD" => (s, u64::MAX, 8),
        "GPREL32" => (from_gp, u32::MAX.into(), 4),
        "BRADDR" => (from_p.wrapping_sub(4) >> 2, 0x1f_ffff, 4),
        "HINT" => (from_p.wrapping_sub(4) >> 2, 0x3fff, 4),
        "SREL16" => (from_p, 0xffff, 2),
        "SREL32" => (from_p, u32::MAX.into(), 4),
        "SREL64" => (from_p, u64::MAX, 8),
        "GPRELHIGH" => (from_gp.wrapping_add(0x8000) >> 16, 0xffff, 4),
        _ => (from_gp, 0xffff, 4),
    };
    let mut word = [0; 8];
    word[..width].copy_from_slice(&vector.before[OFFSET as usize..][..width]);
    let word = u64::from_le_bytes(word) & !mask | x & mask;
    let mut after = formula::with(vector, &word.to_le_bytes()[..width], None);
    if let Outcome::Bytes(bytes, _) = &mut after
        && let Some(literal) = vector.sites.get(1)
    {
        // The first slot of the table.
        bytes[literal.offset as usize..][..2].copy_from_slice(&0x8000u16.to_le_bytes());
    }
    after
}

/// Both sides of the ends of the row's range, and patterns.
fn ends(row: &RowDescription, bits: u32) -> Vec<(&'static str, i64)> {
    let step = i64::from(row.row.align.max(1));
    let (min, max) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits) & -step);
    let max = if row.row.rule == rule::EITHER { 2 * max + 1 } else { max };
    let mut all = vec![("min", min), ("0", 0), ("1", step), ("-1", -step), ("max", max), ("held", 0x1234)];
    all.extend(
        [("a5", 0xa5a5_a5a5_a5a5_a5a5_u64 as i64), ("c3", 0x3c69_3c69_3c69_3c69)]
            .map(|(label, value)| (label, value << (64 - bits) >> (64 - bits) & -step)),
    );
    all.extend(
        [("half-1", 0x7fff), ("half", 0x8000), ("-half", -0x8000)].into_iter().filter(|_| step == 1 && bits > 16),
    );
    all.extend(
        [("min-1", min.wrapping_sub(step)), ("max+1", max.wrapping_add(step))].into_iter().filter(|_| bits != 64),
    );
    all.extend([("odd", step + 1), ("half-odd", step + 2)].into_iter().filter(|_| step == 4));
    all
}
