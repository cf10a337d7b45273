//! Where an x86-64 kernel writes into a module after its relocations are done.
//!
//! The module's own tables say so. They are read from the *linked* sections: tables that were linked
//! wrongly point elsewhere, and then explain nothing.

use super::ByName;
use std::collections::BTreeMap;

/// Why a byte of the kernel's memory may differ from the linked one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An instruction replaced for this processor (`.altinstructions`).
    Alternative,
    /// A call of the hypervisor made direct (`.parainstructions`).
    Paravirt,
    /// A call through a register, with or without a thunk (`.retpoline_sites`).
    Retpoline,
    /// A return, with or without a thunk (`.return_sites`).
    Return,
    /// A call of the tracer made a no-op (`__mcount_loc`).
    Trace,
    /// A branch of a static key (`__jump_table`).
    JumpLabel,
    /// A static call, or its trampoline (`.static_call_sites`, `.static_call.text`).
    StaticCall,
    /// A lock prefix (`.smp_locks`).
    LockPrefix,
    /// A table that the kernel sorted, or noted something in: the same entries.
    Table,
    /// A once-only warning that was given (`__bug_table`).
    Warned,
    /// Data that the running module writes to.
    Runtime,
}

/// Why the byte at an address may differ.
#[derive(Debug, Default)]
pub(super) struct Patches {
    /// Start of a range, its end and reason. Ranges may touch, and the later of two that overlap wins.
    ranges: BTreeMap<u64, (u64, Reason)>,
}

impl Patches {
    /// Reads the tables of a linked module.
    pub(super) fn of(addresses: &ByName<u64>, linked: &ByName<Vec<u8>>) -> Patches {
        let mut patches = Patches::default();
        let module = Module { addresses, linked };
        // The kernel's order; an alternative may replace an instruction that was patched before.
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

    /// The reason for a difference at `address`, if there is one.
    pub(super) fn reason(&self, address: u64) -> Option<Reason> {
        // No range is longer than 255 bytes, so those that can cover the address start close below it.
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

/// One entry of a table of a linked module.
pub(super) struct Entry<'a> {
    /// Where it is.
    pub(super) address: u64,
    /// What it holds.
    pub(super) bytes: &'a [u8],
}

impl Entry<'_> {
    /// The eight bytes at offset `at`.
    pub(super) fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    /// What the four bytes at `at` point to, if they are an offset from themselves.
    pub(super) fn relative(&self, at: usize) -> u64 {
        let offset = i32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"));
        (self.address + at as u64).wrapping_add_signed(offset.into())
    }

    /// The same for the eight bytes at `at`.
    pub(super) fn relative_word(&self, at: usize) -> u64 {
        (self.address + at as u64).wrapping_add(self.word(at))
    }
}

/// The entries of `size` bytes each of a table at `address`; a rest that is too short is left out.
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

    /// The length of the branch, or of the no-op that keeps its place, at `address`.
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
