//! The machines that a plugin links, found without compiling it: its `relobox.machines` section.
//!
//! The section is only a hint that saves time. A plugin without it is asked for its description, and a wrong section
//! has no effect, because the description decides.

use relobox_abi::Machine;
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
    /// Returns whether an entry of a plugin's description covers this target.
    #[must_use]
    pub fn is(&self, m: &Machine) -> bool {
        (m.machine, m.class, m.order) == (self.machine, self.class, self.order)
            && self.flags & m.flags_mask == m.flags_value
    }
}

/// The machines of a plugin's section, or `None` if there is no section.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Machines(Option<Vec<Machine>>);

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
            let machine = |m: &[u8; 12]| Machine {
                machine: u16::from_le_bytes([m[0], m[1]]),
                class: m[2],
                order: m[3],
                flags_mask: u32::from_le_bytes([m[4], m[5], m[6], m[7]]),
                flags_value: u32::from_le_bytes([m[8], m[9], m[10], m[11]]),
                ..Machine::default()
            };
            bytes.as_chunks().0.iter().map(machine).collect()
        }))
    }

    /// Returns the machines that it names; none if there is no section.
    pub fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.0.iter().flatten()
    }

    /// Returns whether the plugin may link such files: `false` only if its section names other machines.
    #[must_use]
    pub fn may_link(&self, wanted: &TargetId) -> bool {
        self.0.is_none() || self.iter().any(|m| wanted.is(m))
    }

    /// As [`Machines::may_link`], if only the machine is known, and not the flags.
    #[must_use]
    pub fn may_run_on(&self, machine: u16, class: u8, order: u8) -> bool {
        self.0.is_none() || self.iter().any(|m| (m.machine, m.class, m.order) == (machine, class, order))
    }

    /// Returns whether it names any machine.
    #[must_use]
    pub fn are_named(&self) -> bool {
        self.iter().next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_abi::MACHINES;

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
