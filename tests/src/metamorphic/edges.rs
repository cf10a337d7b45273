//! The range oracle: checks both sides of the ends of each described range.

use crate::golden::{Shape, shape_of};
use crate::module_spec::{LinkError, Linker, ModuleSpec, Relocation, RowDescription, Section, Symbol, SymbolKind};
use relobox_abi::{Machine, row_flag, rule};

/// Checks the ends of all ranges. Returns the number of rows that were checked, and what is wrong.
pub fn edges(linker: &dyn Linker, machine: Machine, in_place: bool) -> (usize, Vec<String>) {
    let (mut asked, mut wrong) = (0, Vec::new());
    for row in linker.rows() {
        let shape = match shape_of(linker.name(), row) {
            // The value of a field that refers to an entry cannot be chosen.
            Some(shape @ (Shape::Absolute(_) | Shape::Relative(_))) if !Shape::has_code(row) => shape,
            _ => continue,
        };
        let bits = u32::from(row.row.bits);
        // A range as wide as the class has no ends, and a row with a fallback reports no fault.
        if row.row.rule == rule::NONE || bits >= u32::from(machine.class) || !row.is_plain() {
            continue;
        }
        asked += 1;
        let (min, max) = match row.row.rule {
            rule::SIGNED => (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits)),
            rule::UNSIGNED => (0, (1 << bits) - 1),
            _ => (i64::MIN >> (64 - bits), (1 << bits) - 1),
        };
        let step = i64::from(row.row.align.max(1));
        let max = max & -step;
        let ask = |value: i64| link(linker, machine, in_place, row, shape, value);
        for value in [min, min + step, 0, max - step, max] {
            match ask(value) {
                Ok(held) if same(row, held, value) => {}
                other => wrong.push(format!("{}: {value:#x} is in range, and gave {other:x?}", row.name)),
            }
        }
        if !row.is(row_flag::FALLBACK) {
            for value in [min - step, max + step] {
                match ask(value) {
                    Err(kind) if kind == "out-of-range" => {}
                    other => wrong.push(format!("{}: {value:#x} is out of range, and gave {other:x?}", row.name)),
                }
            }
        }
        if step > 1 {
            match ask(1) {
                Err(kind) if kind == "misaligned" => {}
                other => wrong.push(format!("{}: 1 is no multiple of {step}, and gave {other:x?}", row.name)),
            }
        }
    }
    (asked, wrong)
}

/// Returns whether the field holds `value`, as far as it has bits for it.
fn same(row: &RowDescription, held: i64, value: i64) -> bool {
    row.formula.starts_with("movz_or_movn")
        || row.slices.iter().all(|s| {
            // A low part holds what is left before rounding.
            if s.value_bit < row.row.round {
                return true;
            }
            let mask = (u64::MAX >> (64 - u32::from(s.len))) << s.value_bit;
            (held ^ value) as u64 & mask == 0
        })
}

/// Returns the value of the field, or the kind of the only fault.
fn link(
    linker: &dyn Linker,
    machine: Machine,
    in_place: bool,
    row: &RowDescription,
    shape: Shape,
    value: i64,
) -> Result<i64, String> {
    const AT: u64 = 8;
    let mut module = ModuleSpec::new(machine, in_place);
    let address = (machine.base & !0xffff).wrapping_add(0x10_0000);
    let p = address.wrapping_add(AT) as i64;
    let s = match shape {
        Shape::Absolute(round) => value.wrapping_sub(round),
        Shape::Relative(round) => value.wrapping_sub(round).wrapping_add(p),
        _ => return Err("no such shape".to_owned()),
    };
    let s = if machine.class == 32 { s as u64 & 0xffff_ffff } else { s as u64 };
    let symbol = module.symbol(Symbol { name: "s".to_owned(), kind: SymbolKind::Outside(s), size: 0 });
    let relocations = vec![Relocation { offset: AT, kind: row.row.kind, symbol, addend: 0 }];
    module.sections.push(Section { address, bytes: vec![0; 24], relocations });
    match linker.link(&module) {
        Ok(answer) => Ok(row.value(&machine, &answer.sections[0][AT as usize..])),
        Err(LinkError::Faults(faults)) if faults.len() == 1 => Err(faults[0].kind.clone()),
        Err(other) => Err(format!("{other:?}")),
    }
}
