//! Mutations of test modules that know the meaning of each record and the values at which code usually fails.

use super::seeds::partner;
use relobox_abi::{rule, section_flag, symbol_flag};
use relobox_core::limits;
use relobox_core::rng::Rng;
use relobox_kit::{Relocation, Section, Symbol, TestModule};
use relobox_link::description::{PluginDescription, PluginRow};

/// The knowledge about the plugin that the mutator uses.
pub struct MutationContext<'a> {
    /// The description of the plugin.
    pub about: &'a PluginDescription,
    /// The constants in its code.
    pub constants: &'a [i64],
}

/// Applies one to eight random changes to a module, after a splice with `other` if there is one.
pub fn mutate(cx: &MutationContext<'_>, module: &mut TestModule, other: Option<&TestModule>, rng: &mut Rng) {
    if let Some(other) = other {
        splice(module, other, rng);
    }
    for _ in 0..1 << rng.below(4) {
        once(cx, module, rng);
    }
    trim(module);
}

fn once(cx: &MutationContext<'_>, module: &mut TestModule, rng: &mut Rng) {
    let Some(section) = section_with_relocations(module, rng) else {
        add_section(cx, module, rng);
        return;
    };
    let index = rng.below(module.sections[section].relocations.len());
    let here = (section, index);
    match rng.below(32) {
        0..=7 => set_value(cx, module, here, rng),
        8..=10 => place(cx, module, here, rng),
        11 | 12 => kind(cx, module, here, rng),
        13 | 14 => add_relocation(cx, module, here, rng),
        15 | 16 => add_partner(cx, module, here, rng),
        17 => order(module, section, rng),
        18 => drop(module.sections[section].relocations.remove(index)),
        19 => symbol_of(module, here, rng),
        20 => module.sections[section].relocations[index].addend = number(rng, cx.constants),
        21..=23 => symbol(cx, module, rng),
        24 => add_symbol(cx, module, rng),
        25..=27 => contents(cx, module, here, rng),
        28 => facts(cx, module, section, rng),
        29 => input(cx, module, rng),
        30 if rng.one_in(16) => multiply(module, section, rng),
        31 if rng.one_in(8) => add_section(cx, module, rng),
        _ => addend_in_place(cx, module, here, rng),
    }
}

fn section_with_relocations(module: &TestModule, rng: &mut Rng) -> Option<usize> {
    let count = module.sections.iter().filter(|s| !s.relocations.is_empty()).count();
    let nth = rng.below(count);
    (0..).zip(&module.sections).filter(|(_, s)| !s.relocations.is_empty()).nth(nth).map(|(i, _)| i)
}

/// Returns the smallest and the largest value of a row's range.
fn range(row: &PluginRow) -> (i64, i64) {
    let bits = u32::from(row.row.bits).clamp(1, 63);
    match row.row.rule {
        rule::UNSIGNED => (0, (1i64 << bits).wrapping_sub(1)),
        rule::EITHER => (-(1i64 << (bits - 1)), (1i64 << bits).wrapping_sub(1)),
        _ => (-(1i64 << (bits - 1)), (1i64 << (bits - 1)).wrapping_sub(1)),
    }
}

/// Returns an interesting number: small, near a power of two, near a constant of the code, or random.
fn number(rng: &mut Rng, constants: &[i64]) -> i64 {
    let near = rng.below(5) as i64 - 2;
    match rng.below(8) {
        0 => near,
        1 | 2 => (1i64 << rng.below(64)).wrapping_add(near),
        3 => (1i64 << rng.below(64)).wrapping_neg().wrapping_add(near),
        4 | 5 => rng.pick(constants).copied().unwrap_or(0).wrapping_add(near * i64::from(rng.below(2) as u8)),
        6 => rng.below(0x1_0000) as i64,
        _ => rng.next_u64().cast_signed() >> rng.below(64),
    }
}

/// Returns a value at a boundary of the row's range, or of its field.
fn edge(cx: &MutationContext<'_>, row: &PluginRow, rng: &mut Rng) -> i64 {
    let align = i64::from(row.row.align.max(1));
    let (min, max) = range(row);
    let near = rng.below(3) as i64 - 1;
    match rng.below(12) {
        0 | 1 => min.wrapping_add(near),
        2 => min.wrapping_add(near * align),
        3 | 4 => max.wrapping_add(near),
        5 => (max & -align).wrapping_add(near * align),
        6 => align + near,
        // The sign bit of a signed low half, or the end of a slice.
        7 => {
            let bit = match rng.pick(&row.slices) {
                Some(slice) => slice.value_bit + if rng.one_in(2) { slice.len } else { 0 },
                None => 12,
            };
            (1i64 << bit.min(62)).wrapping_add(near).wrapping_mul(if rng.one_in(2) { -1 } else { 1 })
        }
        8 => {
            let page = (rng.next_u64().cast_signed() & max) & !0xfff;
            let low = [0, 1, 0x7ff, 0x800, 0x801, 0xfff];
            page | rng.pick(&low).copied().unwrap_or(0)
        }
        9 => (rng.next_u64().cast_signed() & max) & -align,
        10 => rng.next_u64().cast_signed() & max,
        _ => number(rng, cx.constants),
    }
}

/// Sets the symbol's value, or the addend, so that the relocation has a boundary value.
fn set_value(cx: &MutationContext<'_>, module: &mut TestModule, (s, i): (usize, usize), rng: &mut Rng) {
    let r = module.sections[s].relocations[i];
    let Some(row) = cx.about.row(r.kind) else { return kind(cx, module, (s, i), rng) };
    let p = module.sections[s].address.wrapping_add(r.offset);
    let relative = row.formula.contains("P") != rng.one_in(16);
    let wanted = edge(cx, row, rng).cast_unsigned().wrapping_add(if relative { p } else { 0 });
    let addend = if module.sections[s].in_place { 0 } else { r.addend.cast_unsigned() };
    let by_addend = !module.sections[s].in_place && rng.one_in(3);
    let values = module.values();
    if by_addend {
        let value = values.get(r.symbol as usize).copied().unwrap_or(0);
        let addend = wanted.wrapping_sub(value).cast_signed();
        let narrow = module.class == 32 && !rng.one_in(8);
        module.sections[s].relocations[i].addend = if narrow { i64::from(addend as i32) } else { addend };
        return;
    }
    let value = module.cut(wanted.wrapping_sub(addend));
    let sections: Vec<u64> = module.sections.iter().map(|s| s.address).collect();
    let Some(symbol) = (r.symbol as usize).checked_sub(1).and_then(|i| module.symbols.get_mut(i)) else { return };
    match (symbol.section as usize).checked_sub(1).and_then(|i| sections.get(i)) {
        // A far target belongs to an undefined symbol.
        Some(address) if rng.one_in(2) => symbol.value = value.wrapping_sub(*address),
        _ => (symbol.section, symbol.value) = (0, value),
    }
}

/// Moves the place to or across the ends of the section, or onto another place.
fn place(cx: &MutationContext<'_>, module: &mut TestModule, (s, i): (usize, usize), rng: &mut Rng) {
    let section = &mut module.sections[s];
    let len = section.bytes.len() as u64;
    let width = cx.about.row(section.relocations[i].kind).map_or(4, |row| u64::from(row.row.width.max(1)));
    let other = section.relocations[rng.below(section.relocations.len())].offset;
    section.relocations[i].offset = match rng.below(10) {
        0 => 0,
        1 => len.wrapping_sub(width),
        2 => len.wrapping_sub(rng.below(9) as u64),
        3 => len.wrapping_add(rng.below(9) as u64),
        4 => other,
        5 => other.wrapping_add(4).wrapping_sub(rng.below(9) as u64),
        6 => number(rng, cx.constants).cast_unsigned(),
        7 => u64::MAX - rng.below(9) as u64,
        8 => rng.below(len as usize + 1) as u64,
        _ => (rng.below(len as usize + 1) as u64) & !3,
    };
}

fn some_kind(cx: &MutationContext<'_>, rng: &mut Rng) -> u32 {
    match rng.pick(&cx.about.rows) {
        Some(row) if !rng.one_in(24) => {
            let operands = !cx.about.kind_mask;
            let bits = if operands == 0 || rng.one_in(2) { 0 } else { rng.next_u64() as u32 & operands };
            row.row.kind | bits
        }
        Some(row) if rng.one_in(2) => row.row.kind.wrapping_add(1),
        _ => number(rng, cx.constants) as u32,
    }
}

fn kind(cx: &MutationContext<'_>, module: &mut TestModule, (s, i): (usize, usize), rng: &mut Rng) {
    module.sections[s].relocations[i].kind = some_kind(cx, rng);
}

/// Adds a variation of this relocation.
fn add_relocation(cx: &MutationContext<'_>, module: &mut TestModule, (s, i): (usize, usize), rng: &mut Rng) {
    let mut new = module.sections[s].relocations[i];
    if !rng.one_in(3) {
        new.kind = some_kind(cx, rng);
    }
    if !rng.one_in(4) {
        new.offset = (rng.below(module.sections[s].bytes.len() + 1) as u64) & !3;
    }
    if rng.one_in(2) {
        new.symbol = rng.below(module.symbols.len() + 1) as u32;
    }
    if rng.one_in(3) {
        new.addend = number(rng, cx.constants);
    }
    let at = if rng.one_in(2) { i + 1 } else { rng.below(module.sections[s].relocations.len() + 1) };
    module.sections[s].relocations.insert(at, new);
}

/// Adds the partner of this relocation, to the same symbol or to a label at this relocation.
fn add_partner(cx: &MutationContext<'_>, module: &mut TestModule, (s, i): (usize, usize), rng: &mut Rng) {
    let first = module.sections[s].relocations[i];
    let Some(row) = cx.about.row(first.kind) else { return };
    let other = match partner(cx.about, row) {
        Some(partner) => partner.row.kind,
        None => some_kind(cx, rng),
    };
    let mut new = Relocation { kind: other, offset: first.offset.wrapping_add(4), ..first };
    match rng.below(4) {
        // The symbol is a label at the first relocation.
        0 => {
            let label = Symbol { section: s as u32 + 1, value: first.offset, info: 0, ..Symbol::default() };
            module.symbols.push(label);
            new.symbol = module.symbols.len() as u32;
            new.addend = 0;
        }
        1 => new.offset = first.offset,
        _ => {}
    }
    let relocations = &mut module.sections[s].relocations;
    match rng.below(4) {
        0 => relocations.insert(i, new),
        1 => relocations.push(new),
        _ => relocations.insert(i + 1, new),
    }
}

fn order(module: &mut TestModule, section: usize, rng: &mut Rng) {
    let relocations = &mut module.sections[section].relocations;
    let len = relocations.len();
    match rng.below(4) {
        0 => relocations.reverse(),
        1 => relocations.sort_by_key(|r| r.offset),
        2 => {
            let copy = relocations[rng.below(len)];
            relocations.insert(rng.below(len + 1), copy);
        }
        _ => relocations.swap(rng.below(len), rng.below(len)),
    }
}

fn symbol_of(module: &mut TestModule, (s, i): (usize, usize), rng: &mut Rng) {
    let count = module.symbols.len();
    module.sections[s].relocations[i].symbol = match rng.below(8) {
        0 => count as u32 + 1,
        1 => (rng.next_u64() >> rng.below(64)) as u32,
        2 => 0,
        _ => rng.below(count + 1) as u32,
    };
}

const FLAGS: [u16; 8] = [
    0,
    symbol_flag::UNDEFINED,
    symbol_flag::UNDEFINED | symbol_flag::WEAK,
    symbol_flag::ABSOLUTE,
    symbol_flag::LOCAL,
    symbol_flag::PERCPU,
    symbol_flag::UNDEFINED | symbol_flag::REGISTER,
    symbol_flag::COMMON,
];

/// Symbol names that plugins know.
const NAMES: [&str; 8] =
    ["_GLOBAL_OFFSET_TABLE_", ".TOC.", "_gp_disp", "__gnu_local_gp", "_gp", "$global$", "printk", ".printk"];

fn symbol(cx: &MutationContext<'_>, module: &mut TestModule, rng: &mut Rng) {
    let (sections, index) = (module.sections.len(), rng.below(module.symbols.len()));
    let base = module.sections.first().map_or(0, |s| s.address);
    let Some(symbol) = module.symbols.get_mut(index) else { return add_symbol(cx, module, rng) };
    match rng.below(10) {
        0 | 1 => symbol.flags = rng.pick(&FLAGS).copied().unwrap_or(0),
        2 => symbol.section = rng.below(sections + 1) as u32,
        3 => symbol.value = number(rng, cx.constants).cast_unsigned(),
        4 => symbol.value = symbol.value.wrapping_add_signed(rng.below(17) as i64 - 8),
        5 => (symbol.section, symbol.value) = (0, base.wrapping_add_signed(number(rng, &[]))),
        6 => symbol.size = number(rng, cx.constants).cast_unsigned(),
        7 => symbol.info = rng.next_u64() as u8,
        8 => symbol.other = rng.next_u64() as u8,
        _ => {
            rng.pick(&NAMES).copied().unwrap_or_default().clone_into(&mut symbol.name);
            (symbol.section, symbol.flags) = (0, symbol.flags | symbol_flag::UNDEFINED);
        }
    }
}

fn add_symbol(cx: &MutationContext<'_>, module: &mut TestModule, rng: &mut Rng) {
    let mut new = module.symbols.get(rng.below(module.symbols.len())).cloned().unwrap_or_default();
    if rng.one_in(2) {
        new.value = number(rng, cx.constants).cast_unsigned();
    }
    module.symbols.push(new);
}

fn contents(cx: &MutationContext<'_>, module: &mut TestModule, (s, i): (usize, usize), rng: &mut Rng) {
    let section = &mut module.sections[s];
    let len = section.bytes.len();
    let near = section.relocations[i].offset as usize;
    let at = if near < len && !rng.one_in(4) { near + rng.below((len - near).min(8)) } else { rng.below(len) };
    match rng.below(8) {
        0 => section.bytes.fill(if rng.one_in(2) { 0xff } else { 0 }),
        1 => section.bytes.iter_mut().for_each(|b| *b = rng.next_u64() as u8),
        2 if len < limits::FUZZ_BYTES => section.bytes.resize(len + 1 + rng.below(16), 0),
        3 => section.bytes.truncate(rng.below(len + 1).max(1)),
        4 => {
            let value = number(rng, cx.constants).to_le_bytes();
            let width = 1 << rng.below(4);
            section.bytes[at.min(len)..].iter_mut().zip(&value[..width]).for_each(|(to, from)| *to = *from);
        }
        5 => section.bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << rng.below(8)),
        _ => section.bytes.iter_mut().skip(at).take(1).for_each(|b| *b = rng.next_u64() as u8),
    }
}

/// Stores a boundary value in the field, as an addend in place.
fn addend_in_place(cx: &MutationContext<'_>, module: &mut TestModule, (s, i): (usize, usize), rng: &mut Rng) {
    let big = super::seeds::is_big_endian(module);
    let section = &mut module.sections[s];
    let r = section.relocations[i];
    let Some(row) = cx.about.row(r.kind) else { return };
    let value = edge(cx, row, rng).cast_unsigned();
    let mut word = rng.next_u64();
    for slice in &row.slices {
        let mask = (1u64 << slice.len.min(63)) - 1;
        let bits = value >> slice.value_bit.min(63) & mask;
        word = word & !(mask << slice.field_bit.min(63)) | bits << slice.field_bit.min(63);
    }
    let width = usize::from(row.row.width.clamp(1, 8));
    let mut bytes = word.to_le_bytes();
    let middle = row.row.order == relobox_abi::order::MIDDLE;
    let big = if row.row.order == 0 || middle { big } else { row.row.order == relobox_abi::order::BIG };
    if big {
        bytes[..width].reverse();
    } else if middle {
        bytes[..width].rotate_left(width / 2);
    }
    let place = usize::try_from(r.offset).ok().and_then(|at| section.bytes.get_mut(at..)?.get_mut(..width));
    if let Some(place) = place {
        place.copy_from_slice(&bytes[..width]);
    }
}

/// Changes a property of the section or of the file.
fn facts(cx: &MutationContext<'_>, module: &mut TestModule, section: usize, rng: &mut Rng) {
    let machine = rng.pick(&cx.about.machines).copied();
    let s = &mut module.sections[section];
    match rng.below(8) {
        0 => s.in_place = !s.in_place,
        1 => s.address = s.address.wrapping_add_signed(number(rng, &[])),
        2 => s.address = s.address.wrapping_add(1 << rng.below(16)),
        3 => s.address = number(rng, cx.constants).cast_unsigned(),
        4 => s.flags = section_flag::ALLOC | number(rng, cx.constants).cast_unsigned(),
        5 => module.synthetic = module.synthetic.wrapping_add_signed(number(rng, &[])),
        6 => module.elf_flags ^= 1 << rng.below(32),
        _ => {
            if let Some(m) = machine {
                (module.machine, module.class, module.order, module.elf_flags) =
                    (m.machine, m.class, m.order, m.flags_value);
            }
        }
    }
}

fn input(cx: &MutationContext<'_>, module: &mut TestModule, rng: &mut Rng) {
    if let Some((name, _)) = rng.pick(&cx.about.inputs) {
        let value = number(rng, cx.constants).cast_unsigned();
        module.inputs.retain(|(n, _)| n != name);
        if !rng.one_in(4) {
            module.inputs.push((name.clone(), value));
        }
    }
}

/// Repeats relocations, to reveal cost that is not linear.
fn multiply(module: &mut TestModule, section: usize, rng: &mut Rng) {
    let times = 1 << rng.below(5);
    let symbols = module.symbols.len();
    let copies: Vec<Relocation> = module.sections[section].relocations.clone();
    let distinct = rng.one_in(2);
    for n in 1..=times {
        if distinct {
            module.symbols.extend_from_within(..symbols);
        }
        let shift = if distinct { (n * symbols) as u32 } else { 0 };
        let moved = |r: &Relocation| Relocation { symbol: r.symbol.wrapping_add(shift), ..*r };
        module.sections[section].relocations.extend(copies.iter().map(moved));
        if module.relocations() + module.symbols.len() > limits::FUZZ_RECORDS {
            break;
        }
    }
}

fn add_section(cx: &MutationContext<'_>, module: &mut TestModule, rng: &mut Rng) {
    let mut new = module.sections.get(rng.below(module.sections.len())).cloned().unwrap_or_else(|| Section {
        name: ".text".to_owned(),
        address: cx.about.machines.first().map_or(0, |m| m.base),
        align: 4,
        flags: section_flag::ALLOC,
        bytes: vec![0; 16],
        ..Section::default()
    });
    new.address = new.address.wrapping_add(0x1000);
    if new.relocations.is_empty() {
        new.relocations.push(Relocation { offset: 0, kind: some_kind(cx, rng), symbol: 1, addend: 0 });
    }
    module.sections.push(new);
}

/// Adds a section of another module, with its symbols.
fn splice(module: &mut TestModule, other: &TestModule, rng: &mut Rng) {
    let Some(section) = section_with_relocations(other, rng).map(|i| &other.sections[i]) else { return };
    let symbols = module.symbols.len() as u32;
    module.symbols.extend(other.symbols.iter().cloned());
    let moved =
        |r: &Relocation| Relocation { symbol: if r.symbol == 0 { 0 } else { r.symbol.wrapping_add(symbols) }, ..*r };
    let taken = section.relocations.iter().map(moved);
    if rng.one_in(2) {
        let relocations = taken.collect();
        module.sections.push(Section { relocations, ..section.clone() });
    } else if let Some(i) = section_with_relocations(module, rng) {
        module.sections[i].relocations.extend(taken);
    }
}

/// Limits a module to a size that is quick to link.
fn trim(module: &mut TestModule) {
    module.sections.truncate(limits::FUZZ_CASE_SECTIONS);
    module.symbols.truncate(limits::FUZZ_RECORDS);
    let mut room = limits::FUZZ_RECORDS;
    for section in &mut module.sections {
        section.relocations.truncate(room);
        room -= section.relocations.len();
        section.bytes.truncate(limits::FUZZ_BYTES);
        // Plugins may rely on aligned sections, which every loader guarantees.
        section.address &= section.align.max(1).wrapping_neg();
        // The last address means "not in memory".
        section.address = section.address.min(relobox_core::areas::ABSENT - 1);
        if section.bytes.is_empty() {
            section.bytes.push(0);
        }
    }
}
