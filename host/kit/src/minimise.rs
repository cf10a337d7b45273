//! Minimisation of test modules.

use super::test_module::TestModule;
use crate::minimiser::Minimiser;

/// Returns the smallest module found for which `still` is true; it must be true for `module`.
///
/// Repeats these passes until none of them helps: remove relocations, symbols and sections, shorten and clear contents,
/// and simplify numbers.
pub fn minimise(module: &TestModule, mut still: impl FnMut(&TestModule) -> bool) -> TestModule {
    let mut small = Minimiser::new(module.clone(), &mut still);
    loop {
        let before = small.best().clone();
        relocations(&mut small);
        symbols(&mut small);
        sections(&mut small);
        contents(&mut small);
        numbers(&mut small);
        if *small.best() == before {
            return small.into_best();
        }
    }
}

/// Calls `take(start, count)` to remove runs of a list of `len` elements, first halves, then quarters, and so on.
fn halves(len: usize, mut take: impl FnMut(usize, usize) -> bool) {
    let (mut size, mut len) = (len, len);
    while size > 0 {
        let mut at = 0;
        while at < len {
            let count = size.min(len - at);
            if take(at, count) {
                len -= count;
            } else {
                at += count;
            }
        }
        size /= 2;
    }
}

fn relocations(small: &mut Minimiser<'_, TestModule>) {
    for section in 0..small.best().sections.len() {
        halves(small.best().sections[section].relocations.len(), |at, count| {
            small.try_change(|module| drop(module.sections[section].relocations.drain(at..at + count)))
        });
    }
}

/// Removes unused symbols and renumbers the others.
fn symbols(small: &mut Minimiser<'_, TestModule>) {
    for symbol in (0..small.best().symbols.len()).rev() {
        let index = symbol as u32 + 1;
        let used = small.best().sections.iter().flat_map(|s| &s.relocations).any(|r| r.symbol == index);
        if !used {
            small.try_change(|module| {
                module.symbols.remove(symbol);
                let relocations = module.sections.iter_mut().flat_map(|s| &mut s.relocations);
                relocations.filter(|r| r.symbol > index).for_each(|r| r.symbol -= 1);
            });
        }
    }
    // Try to merge each symbol with its predecessor.
    for symbol in 1..small.best().symbols.len() as u32 {
        small.try_change(|module| {
            let relocations = module.sections.iter_mut().flat_map(|s| &mut s.relocations);
            relocations.filter(|r| r.symbol == symbol + 1).for_each(|r| r.symbol = symbol);
        });
    }
}

fn sections(small: &mut Minimiser<'_, TestModule>) {
    for section in (0..small.best().sections.len()).rev() {
        let index = section as u32 + 1;
        if small.best().symbols.iter().all(|s| s.section != index) {
            small.try_change(|module| {
                module.sections.remove(section);
                module.symbols.iter_mut().filter(|s| s.section > index).for_each(|s| s.section -= 1);
            });
        }
    }
    small.try_change(|module| module.inputs.clear());
}

fn contents(small: &mut Minimiser<'_, TestModule>) {
    for section in 0..small.best().sections.len() {
        // Cut from the end, where nothing else has to move.
        let mut cut = small.best().sections[section].bytes.len();
        while cut > 0 {
            let len = small.best().sections[section].bytes.len();
            if cut > len || !small.try_change(|module| module.sections[section].bytes.truncate(len - cut)) {
                cut /= 2;
            }
        }
        // Cut from the start, and move everything whose offset is counted from there.
        let mut cut = small.best().sections[section].bytes.len().next_power_of_two();
        while cut > 0 {
            let by = cut as u64;
            let s = &small.best().sections[section];
            let index = section as u32 + 1;
            let fits = cut <= s.bytes.len()
                && s.relocations.iter().all(|r| r.offset >= by)
                && small.best().symbols.iter().all(|s| s.section != index || s.value >= by);
            let done = fits
                && small.try_change(|module| {
                    let s = &mut module.sections[section];
                    s.bytes.drain(..cut);
                    s.address = s.address.wrapping_add(by);
                    s.relocations.iter_mut().for_each(|r| r.offset -= by);
                    module.symbols.iter_mut().filter(|s| s.section == index).for_each(|s| s.value -= by);
                });
            if !done {
                cut /= 2;
            }
        }
        halves(small.best().sections[section].bytes.len(), |at, count| {
            small.try_change(|module| module.sections[section].bytes[at..at + count].fill(0));
            false
        });
    }
}

/// Returns simpler candidates for a number, the simplest first.
fn simpler(number: u64) -> impl Iterator<Item = u64> {
    let high = (1..16).rev().map(move |digits| number >> (4 * digits) << (4 * digits));
    let low = (1..16).map(move |digits| number & !(u64::MAX << (4 * digits)));
    [0, 1].into_iter().chain(low).chain(high).filter(move |n| *n < number)
}

/// Replaces a number by the simplest candidate that is accepted.
fn number(small: &mut Minimiser<'_, TestModule>, get: impl Fn(&TestModule) -> u64, set: impl Fn(&mut TestModule, u64)) {
    let _ = simpler(get(small.best())).find(|number| small.try_change(|module| set(module, *number)));
}

fn numbers(small: &mut Minimiser<'_, TestModule>) {
    for i in 0..small.best().sections.len() {
        number(small, |c| c.sections[i].flags, |c, n| c.sections[i].flags = n);
        number(small, |c| c.sections[i].address, |c, n| c.sections[i].address = n);
        for j in 0..small.best().sections[i].relocations.len() {
            let r = move |c: &TestModule| c.sections[i].relocations[j];
            number(small, |c| r(c).addend.unsigned_abs(), |c, n| c.sections[i].relocations[j].addend = n.cast_signed());
            number(small, |c| r(c).offset, |c, n| c.sections[i].relocations[j].offset = n);
            number(small, |c| r(c).symbol.into(), |c, n| c.sections[i].relocations[j].symbol = n as u32);
        }
    }
    for i in 0..small.best().symbols.len() {
        number(small, |c| c.symbols[i].value, |c, n| c.symbols[i].value = n);
        number(small, |c| c.symbols[i].size, |c, n| c.symbols[i].size = n);
        number(small, |c| c.symbols[i].other.into(), |c, n| c.symbols[i].other = n as u8);
    }
    number(small, |c| c.elf_flags.into(), |c, n| c.elf_flags = n as u32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Relocation, Section, Symbol};

    #[test]
    fn irrelevant_parts_are_removed() {
        let relocations: Vec<_> = (0..100u64)
            .map(|i| Relocation { offset: 8 * i, kind: 1 + (i == 77) as u32, symbol: 3, addend: -5 })
            .collect();
        let section = |name: &str| Section {
            name: name.into(),
            address: 0x1234_5678,
            align: 4,
            bytes: vec![0xaa; 900],
            relocations: relocations.clone(),
            ..Section::default()
        };
        let symbols = vec![Symbol { value: 0x8000_1234, ..Symbol::default() }; 5];
        let module = TestModule { sections: vec![section("a"), section("b")], symbols, ..TestModule::default() };
        let fires = |module: &TestModule| {
            module.sections.iter().any(|s| {
                s.relocations.iter().any(|r| {
                    let symbol = (r.symbol as usize).checked_sub(1).and_then(|i| module.symbols.get(i));
                    r.kind == 2 && symbol.is_some_and(|s| s.value > 0x8000_0000) && s.bytes.len() as u64 >= r.offset + 4
                })
            })
        };
        let small = minimise(&module, fires);
        assert!(fires(&small));
        assert_eq!((small.sections.len(), small.relocations(), small.symbols.len()), (1, 1, 1), "{small:?}");
        assert_eq!(small.sections[0].bytes, [0; 4]);
        assert_eq!((small.sections[0].address, small.sections[0].relocations[0].addend), (0, 0));
        assert_eq!(small.symbols[0].value, 0x8000_1000);
    }
}
