//! Which machines a plugin links, without compiling it: its `relobox.machines` section.
//!
//! Only a hint that saves time: a plugin without the section is asked, and one that lies in it is
//! found out, because what it describes is what counts.

use relobox_abi::Machine;
use relobox_guests::section;

/// A file's class, byte order and so on, as the ELF header has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetId {
    /// `e_machine`.
    pub machine: u16,
    /// 32 or 64.
    pub class: u8,
    /// 1 little, 2 big.
    pub order: u8,
    /// `e_flags`.
    pub flags: u32,
}

impl TargetId {
    /// Whether a plugin's machine is this one.
    #[must_use]
    pub fn is(&self, m: &Machine) -> bool {
        (m.machine, m.class, m.order) == (self.machine, self.class, self.order)
            && self.flags & m.flags_mask == m.flags_value
    }
}

/// Which machines a plugin says that it links, if it says so.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Machines(Option<Vec<Machine>>);

impl Machines {
    /// Of a plugin's Wasm.
    #[must_use]
    pub fn of_wasm(wasm: &[u8]) -> Self {
        Self::of_section(section::machines(wasm))
    }

    /// Of the contents of its section, if it has one: 12 bytes for each machine, little-endian (`docs/abi.md`).
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

    /// Those that it names; none if it does not say.
    pub fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.0.iter().flatten()
    }

    /// Whether it is worth asking the plugin for such files: `false` only if its section says that it links other machines.
    #[must_use]
    pub fn may_link(&self, wanted: &TargetId) -> bool {
        self.0.is_none() || self.iter().any(|m| wanted.is(m))
    }

    /// The same where only the machine is known, and no file for it.
    #[must_use]
    pub fn may_run_on(&self, machine: u16, class: u8, order: u8) -> bool {
        self.0.is_none() || self.iter().any(|m| (m.machine, m.class, m.order) == (machine, class, order))
    }

    /// Whether it names any.
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
        // Cut anywhere: nothing is ruled out, or the truth is.
        for len in 0..wasm.len() {
            assert!(may_link(&wasm[..len], &wanted));
        }
    }
}
