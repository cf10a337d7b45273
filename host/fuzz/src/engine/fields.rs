//! Mutations in place: overwrites a field of a header or a table, and leaves everything else where it is.

use super::elf::{self, Encoding, Field, SectionType, View, head, section};
use relobox_core::rng::Rng;

/// The place of a number: offset, width and encoding.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    len: usize,
    encoding: Encoding,
}

/// Overwrites a field or a few bytes of `file`. `constants` are the constants of the guest's code.
pub(crate) fn damage(file: &mut Vec<u8>, rng: &mut Rng, constants: &[i64]) {
    if rng.one_in(12) {
        return resize(file, rng);
    }
    let place = if rng.one_in(8) { None } else { random_field(file, rng) };
    let place = place.or_else(|| {
        let len = rng.pick(&[1, 1, 2, 4, 8]).copied()?;
        let encoding = rng.pick(&Encoding::ALL).copied()?;
        Some(Place { at: rng.below(file.len()), len, encoding })
    });
    let Some(place) = place else { return };
    let Some(before) = place.encoding.number(file, place.at, place.len) else { return };
    let value = other_value(file, before, place, rng, constants);
    place.encoding.put_number(file, place.at, place.len, value);
}

/// Truncates or extends the file, or repeats, removes or moves a part of it.
fn resize(file: &mut Vec<u8>, rng: &mut Rng) {
    let at = rng.below(file.len());
    let len = 1 + rng.below(file.len().saturating_sub(at).min(256));
    let piece = file.get(at..at + len).unwrap_or_default().to_vec();
    match rng.below(6) {
        0 => file.truncate(at),
        1 => file.truncate(file.len().saturating_sub(1 + rng.below(40))),
        2 => file.extend_from_slice(&piece),
        3 => drop(file.splice(at..at, piece)),
        4 => drop(file.drain(at..(at + len).min(file.len()))),
        _ => {
            let to = rng.below(file.len().saturating_sub(len));
            if let Some(place) = file.get_mut(to..to + piece.len()) {
                place.copy_from_slice(&piece);
            }
        }
    }
}

/// Chooses a field of a header or a table.
fn random_field(file: &[u8], rng: &mut Rng) -> Option<Place> {
    let view = View::of(file)?;
    let field = |at, field: Field| {
        let (at, len) = view.encoding.place(at, field);
        Place { at, len, encoding: view.encoding }
    };
    if rng.one_in(6) {
        return Some(field(0, rng.pick(&head::ALL).copied()?));
    }
    if rng.one_in(24) {
        // The length of an appended signature.
        return Some(Place { at: file.len().checked_sub(32)?, len: 4, encoding: Encoding { wide: true, big: true } });
    }
    let number = rng.below(view.count);
    if rng.one_in(2) {
        return Some(field(view.header(number), rng.pick(&section::ALL).copied()?));
    }
    let record = |section: usize, size: usize, fields: &[Field], rng: &mut Rng| {
        let (at, len) = view.span(section)?;
        let entry = rng.below(len / size);
        Some(field(at + entry * size, *rng.pick(fields)?))
    };
    // Prefer sections with fields, since most sections have none.
    let interesting = |i: &usize| !view.is(*i, SectionType::ProgBits) && !view.is(*i, SectionType::StrTab);
    let number = (0..view.count).cycle().skip(number).take(view.count).find(interesting).unwrap_or(number);
    let (encoding, explicit) = (view.encoding, view.is(number, SectionType::Rela));
    if view.is(number, SectionType::SymTab) {
        record(number, encoding.symbol(), &elf::symbol::ALL, rng)
    } else if explicit || view.is(number, SectionType::Rel) {
        let fields = &elf::relocation::ALL[..if explicit { 3 } else { 2 }];
        record(number, encoding.relocation(explicit), fields, rng)
    } else {
        let (at, len) = view.span(number)?;
        Some(Place { at: at + rng.below(len), len: rng.pick(&[1, 4, 8]).copied()?, encoding })
    }
}

/// Returns another value for a field whose value is `before`.
fn other_value(file: &[u8], before: u64, place: Place, rng: &mut Rng, constants: &[i64]) -> u64 {
    let bits = place.len as u32 * 8;
    let top = 1u64.checked_shl(bits - 1).unwrap_or(0);
    match rng.below(12) {
        0 => rng.pick(&[0, 1, 2, 3]).copied().unwrap_or(0),
        1 => rng.pick(&[u64::MAX, u64::MAX - 1, top, top - 1, top + 1]).copied().unwrap_or(0),
        2 => before.wrapping_add(1 + rng.below(8) as u64),
        3 => before.wrapping_sub(1 + rng.below(8) as u64),
        4 => before ^ 1u64.checked_shl(rng.below(bits as usize) as u32).unwrap_or(0),
        5 => rng
            .pick(&[1u64 << 31, u32::MAX.into(), 1 << 32, (1u64 << 32).wrapping_add(before), 1 << 63])
            .copied()
            .unwrap_or(0),
        6 => rng.pick(&[before << 1, before >> 1, before.wrapping_neg(), !before]).copied().unwrap_or(0),
        7 => rng.pick(constants).copied().map_or(0, i64::cast_unsigned),
        8 => rng.next_u64(),
        // The value of another field.
        9 => random_field(file, rng).and_then(|p| p.encoding.number(file, p.at, p.len)).unwrap_or(0),
        10 => (file.len() as u64).wrapping_add_signed(rng.below(3) as i64 - 1).wrapping_sub(before * (before & 1)),
        _ => landmark(file, rng).wrapping_add_signed(rng.below(3) as i64 - 1),
    }
}

/// Returns an offset, a size, a count or an index that occurs in the file.
fn landmark(file: &[u8], rng: &mut Rng) -> u64 {
    let Some(view) = View::of(file) else { return 0 };
    let number = rng.below(view.count);
    let (at, size) = (view.get(number, section::OFFSET), view.get(number, section::SIZE));
    let symbols = view.first(SectionType::SymTab).map_or(0, |i| view.data(i).len() / view.encoding.symbol());
    let marks = [at, at.wrapping_add(size), size, view.count as u64, view.table as u64, symbols as u64, number as u64];
    rng.pick(&marks).copied().unwrap_or(0)
}
