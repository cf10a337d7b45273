//! The places where an x86-64 kernel writes into a module after relocation.
//!
//! They are read from the module's own tables in the *linked* sections, so a table that was linked incorrectly points
//! elsewhere and explains nothing.

use super::ByName;
use std::collections::BTreeMap;

/// The reason why a byte in the kernel may differ from the linked byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An instruction was replaced for this processor (`.altinstructions`).
    Alternative,
    /// A call of the hypervisor was replaced by a direct call (`.parainstructions`).
    Paravirt,
    /// An indirect call, with or without a thunk (`.retpoline_sites`).
    Retpoline,
    /// A return, with or without a thunk (`.return_sites`).
    Return,
    /// A call of the tracer was replaced by a no-op (`__mcount_loc`).
    Trace,
    /// A branch of a static key (`__jump_table`).
    JumpLabel,
    /// A static call or its trampoline (`.static_call_sites`, `.static_call.text`).
    StaticCall,
    /// A lock prefix (`.smp_locks`).
    LockPrefix,
    /// A table that the kernel sorted or annotated, with the same entries.
    Table,
    /// A WARN_ONCE that was triggered (`__bug_table`).
    Warned,
    /// Data that the running module may have written.
    Runtime,
}

/// The ranges of bytes that the kernel may patch.
#[derive(Debug, Default)]
pub(super) struct Patches {
    /// For each start of a range, its end and the reason. Ranges may overlap; the one that starts later wins.
    ranges: BTreeMap<u64, (u64, Reason)>,
}

impl Patches {
    /// Reads the tables of a linked module.
    pub(super) fn of(addresses: &ByName<u64>, linked: &ByName<Vec<u8>>) -> Patches {
        let mut patches = Patches::default();
        let module = Module { addresses, linked };
        // Follow the order of the kernel: an alternative may replace an instruction that was patched before.
        for entry in module.entries(".parainstructions", 16) {
            patches.add(entry.word(0), entry.bytes[9].into(), Reason::Paravirt);
        }
        let sites = [
            (".retpoline_sites", 4, Reason::Retpoline),
            (".return_sites", 4, Reason::Return),
            (".static_call_sites", 8, Reason::StaticCall),
        ];
        for (table, size, reason) in sites {
            for entry in module.entries(table, size) {
                let site = entry.relative(0);
                patches.add(site, module.branch_length(site), reason);
            }
        }
        for entry in module.entries(".altinstructions", 12) {
            patches.add(entry.relative(0), entry.bytes[10].into(), Reason::Alternative);
        }
        for entry in module.entries(".smp_locks", 4) {
            patches.add(entry.relative(0), 1, Reason::LockPrefix);
        }
        for entry in module.entries("__mcount_loc", 8) {
            patches.add(entry.word(0), 5, Reason::Trace);
        }
        for entry in module.entries("__jump_table", 16) {
            let site = entry.relative(0);
            patches.add(site, module.branch_length(site), Reason::JumpLabel);
        }
        for entry in module.entries(".static_call.text", 8) {
            patches.add(entry.address, 5, Reason::StaticCall);
        }
        for entry in module.entries("__bug_table", 12) {
            patches.add(entry.address + 10, 2, Reason::Warned);
        }
        patches
    }

    /// Returns the reason for a difference at `address`, if there is one.
    pub(super) fn reason(&self, address: u64) -> Option<Reason> {
        // No range is longer than 255 bytes.
        let below = self.ranges.range(address.saturating_sub(255)..=address).rev();
        below.into_iter().find(|(_, (end, _))| address < *end).map(|(_, (_, reason))| *reason)
    }

    fn add(&mut self, start: u64, length: u64, reason: Reason) {
        let end = start.wrapping_add(length);
        let range = self.ranges.entry(start).or_insert((end, reason));
        if end >= range.0 {
            *range = (end, reason);
        }
    }
}

/// An entry of a table.
pub(super) struct Entry<'a> {
    /// The address of the entry.
    pub(super) address: u64,
    /// The contents of the entry.
    pub(super) bytes: &'a [u8],
}

impl Entry<'_> {
    /// Reads eight bytes at offset `at`.
    pub(super) fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    /// Returns the address to which the four bytes at `at` point, relative to themselves.
    pub(super) fn relative(&self, at: usize) -> u64 {
        let offset = i32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"));
        (self.address + at as u64).wrapping_add_signed(offset.into())
    }

    /// Returns the address to which the eight bytes at `at` point, relative to themselves.
    pub(super) fn relative_word(&self, at: usize) -> u64 {
        (self.address + at as u64).wrapping_add(self.word(at))
    }
}

/// Returns the entries of `size` bytes of a table at `address`; an incomplete last entry is ignored.
pub(super) fn entries(address: u64, bytes: &[u8], size: usize) -> impl Iterator<Item = Entry<'_>> {
    let chunks = bytes.chunks_exact(size).enumerate();
    chunks.map(move |(at, bytes)| Entry { address: address.wrapping_add((at * size) as u64), bytes })
}

struct Module<'a> {
    addresses: &'a ByName<u64>,
    linked: &'a ByName<Vec<u8>>,
}

impl<'a> Module<'a> {
    fn entries(&self, section: &str, size: usize) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let found = self.addresses.get(section).zip(self.linked.get(section));
        found.into_iter().flat_map(move |(address, bytes)| entries(*address, bytes, size))
    }

    /// Returns the length of the branch at `address`, or of the no-op in its place.
    fn branch_length(&self, address: u64) -> u64 {
        let first = self.byte(address);
        let second = self.byte(address + 1);
        match (first, second) {
            (Some(0x0f), Some(0x80..=0x8f)) => 6,
            (Some(0xeb | 0x66 | 0x70..=0x7f), _) => 2,
            _ => 5,
        }
    }

    fn byte(&self, address: u64) -> Option<u8> {
        self.addresses.iter().find_map(|(name, start)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            self.linked.get(name)?.get(at).copied()
        })
    }
}
