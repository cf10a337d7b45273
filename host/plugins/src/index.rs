//! The machines that a plugin links, found without compiling it: its `relobox.machines` section.
//!
//! The section is only a hint that saves time. A plugin without it is asked for its description, and a wrong section
//! has no effect, because the description decides.

use relobox_core::text::order_of;
use relobox_guests::section;

/// Identifies the target of a file, by fields of the ELF header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetId {
    /// `e_machine`.
    pub machine: u16,
    /// The ELF class: 32 or 64.
    pub class: u8,
    /// The byte order: 1 little, 2 big.
    pub order: u8,
    /// `e_flags`.
    pub flags: u32,
}

impl TargetId {
    /// Returns whether a plugin for `machine`, `class` and `order` links this target, if it demands that the bits
    /// `mask` of `e_flags` are `value`.
    #[must_use]
    pub fn is(&self, (machine, class, order): (u16, u8, u8), (mask, value): (u32, u32)) -> bool {
        (machine, class, order) == (self.machine, self.class, self.order) && self.flags & mask == value
    }
}

/// A machine of a plugin's section: the first twelve bytes of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named {
    /// `e_machine`, class and byte order.
    machine: (u16, u8, u8),
    /// Bits of `e_flags`, and their value.
    flags: (u32, u32),
}

/// The machines of a plugin's section, or `None` if there is no section.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Machines(Option<Vec<Named>>);

impl Machines {
    /// Reads the section of a plugin's Wasm.
    #[must_use]
    pub fn of_wasm(wasm: &[u8]) -> Self {
        Self::of_section(section::machines(wasm))
    }

    /// Parses the contents of a section: 12 bytes for each machine, little-endian (`docs/abi.md`).
    #[must_use]
    pub fn of_section(section: Option<&[u8]>) -> Self {
        Self(section.map(|bytes| {
            let machine = |m: &[u8; 12]| Named {
                machine: (u16::from_le_bytes([m[0], m[1]]), m[2], m[3]),
                flags: (u32::from_le_bytes([m[4], m[5], m[6], m[7]]), u32::from_le_bytes([m[8], m[9], m[10], m[11]])),
            };
            bytes.as_chunks().0.iter().map(machine).collect()
        }))
    }

    /// Returns `MACHINE/CLASS/ORDER` of each machine that it names; nothing if there is no section.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        let text =
            |Named { machine: (machine, class, order), .. }: &Named| format!("{machine}/{class}/{}", order_of(*order));
        self.0.iter().flatten().map(text)
    }

    /// Returns whether the plugin may link such files: `false` only if its section names other machines.
    #[must_use]
    pub fn may_link(&self, wanted: &TargetId) -> bool {
        self.0.as_ref().is_none_or(|all| all.iter().any(|m| wanted.is(m.machine, m.flags)))
    }

    /// As [`Machines::may_link`], if only the machine is known, and not the flags.
    #[must_use]
    pub fn may_run_on(&self, machine: u16, class: u8, order: u8) -> bool {
        self.0.as_ref().is_none_or(|all| all.iter().any(|m| m.machine == (machine, class, order)))
    }

    /// Returns whether it names any machine.
    #[must_use]
    pub fn are_named(&self) -> bool {
        self.0.as_ref().is_some_and(|all| !all.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const MACHINES: &str = "relobox.machines";

    fn may_link(wasm: &[u8], wanted: &TargetId) -> bool {
        Machines::of_wasm(wasm).may_link(wanted)
    }

    #[test]
    fn a_section_rules_out_other_machines_and_nothing_else() {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        let wanted = TargetId { machine: 62, class: 64, order: 1, flags: 0 };
        assert!(may_link(&wasm, &wanted));
        let mut body = vec![MACHINES.len() as u8];
        body.extend_from_slice(MACHINES.as_bytes());
        body.extend_from_slice(&[62, 0, 64, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        wasm.extend_from_slice(&[0, body.len() as u8]);
        wasm.extend_from_slice(&body);
        assert!(may_link(&wasm, &wanted));
        assert!(!may_link(&wasm, &TargetId { order: 2, ..wanted }));
        // Cut at any length, the section excludes nothing that the whole section includes.
        for len in 0..wasm.len() {
            assert!(may_link(&wasm[..len], &wanted));
        }
    }
}
