//! Tables that an x86-64 kernel sorts. They are compared as sets of entries.
//!
//! Most entries contain distances from themselves, so the bytes of an entry change when it is moved.

use super::ByName;
use super::patches::{Entry, entries};

/// The meaning of an entry, independent of its place in the table.
type Meaning = (u64, u64, Vec<u8>);

/// Returns whether `section` has the same entries in both contents, in any order, or `None` if the kernel does not sort
/// it.
pub(super) fn same_entries(
    section: &str,
    addresses: &ByName<u64>,
    linked: &ByName<Vec<u8>>,
    kernel: &ByName<Vec<u8>>,
) -> Option<bool> {
    let left = meanings(section, addresses, linked)?;
    let right = meanings(section, addresses, kernel)?;
    Some(left == right)
}

fn meanings(section: &str, addresses: &ByName<u64>, contents: &ByName<Vec<u8>>) -> Option<Vec<Meaning>> {
    let all = |name: &str, size: usize, meaning: &dyn Fn(Entry) -> Meaning| {
        let (address, bytes) = (addresses.get(name)?, contents.get(name)?);
        if bytes.len() % size != 0 {
            return None;
        }
        Some(entries(*address, bytes, size).map(meaning).collect::<Vec<_>>())
    };
    let mut found = match section {
        "__mcount_loc" => all(section, 8, &|entry| (entry.word(0), 0, Vec::new())),
        "__ex_table" => all(section, 12, &|entry| (entry.relative(0), entry.relative(4), entry.bytes[8..].to_vec())),
        // The kernel uses the low bits of the key.
        "__jump_table" => all(section, 16, &|entry| {
            let key = entry.relative_word(8) & !3;
            (entry.relative(0), entry.relative(4), key.to_le_bytes().to_vec())
        }),
        // A key that is not exported is found by its trampoline.
        ".static_call_sites" => all(section, 8, &|entry| (entry.relative(0), 0, Vec::new())),
        // Two parallel tables that are sorted together.
        ".orc_unwind_ip" | ".orc_unwind" => {
            let mut places = all(".orc_unwind_ip", 4, &|entry| (entry.relative(0), 0, Vec::new()))?;
            let rules = all(".orc_unwind", 6, &|entry| (0, 0, entry.bytes.to_vec()))?;
            if places.len() != rules.len() {
                return None;
            }
            for (place, rule) in places.iter_mut().zip(rules) {
                place.2 = rule.2;
            }
            Some(places)
        }
        _ => None,
    }?;
    found.sort();
    Some(found)
}
