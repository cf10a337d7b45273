//! Which machines a plugin links, without compiling it: its `relobox.machines` section.
//!
//! Only a hint that saves time: a plugin without the section is asked, and one that lies in it is
//! found out, because what it describes is what counts.

use relobox_abi::MACHINES;

/// A file's class, byte order and so on, as the ELF header has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `e_machine`.
    pub machine: u16,
    /// 32 or 64.
    pub class: u8,
    /// 1 little, 2 big.
    pub order: u8,
    /// `e_flags`.
    pub flags: u32,
}

impl Wanted {
    /// Whether a plugin's machine is this one.
    #[must_use]
    pub fn is(&self, m: &relobox_abi::Machine) -> bool {
        (m.machine, m.class, m.order) == (self.machine, self.class, self.order)
            && self.flags & m.flags_mask == m.flags_value
    }
}

/// Whether it is worth asking the plugin: `false` only if its section says that it links other machines.
#[must_use]
pub fn may_link(wasm: &[u8], wanted: &Wanted) -> bool {
    machines(wasm).is_none_or(|mut machines| machines.any(|m| wanted.is(&m)))
}

/// The same where only the machine is known, and no file for it.
#[must_use]
pub fn may_run_on(wasm: &[u8], machine: u16, class: u8, order: u8) -> bool {
    machines(wasm).is_none_or(|mut machines| machines.any(|m| (m.machine, m.class, m.order) == (machine, class, order)))
}

/// Whether it says at all which machines it links.
#[must_use]
pub fn names_machines(wasm: &[u8]) -> bool {
    machines(wasm).is_some_and(|mut machines| machines.next().is_some())
}

/// What its section says, if it has one.
pub fn machines(wasm: &[u8]) -> Option<impl Iterator<Item = relobox_abi::Machine>> {
    Some(custom_section(wasm, MACHINES.as_bytes())?.chunks_exact(12).map(|m| {
        let u32_at = |i: usize| u32::from_le_bytes([m[i], m[i + 1], m[i + 2], m[i + 3]]);
        relobox_abi::Machine {
            machine: u16::from_le_bytes([m[0], m[1]]),
            class: m[2],
            order: m[3],
            flags_mask: u32_at(4),
            flags_value: u32_at(8),
            ..Default::default()
        }
    }))
}

/// The contents of a custom section of a Wasm module: magic and version, then sections, each an id, a
/// size and that many bytes; a custom one has id 0 and begins with its name.
fn custom_section<'a>(wasm: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut rest = wasm.get(8..)?;
    while let Some((id, after)) = rest.split_first() {
        let (size, after) = leb128(after)?;
        let (body, next) = after.split_at_checked(size)?;
        rest = next;
        if *id == 0 {
            let (len, text) = leb128(body)?;
            let (name, contents) = text.split_at_checked(len)?;
            if name == wanted {
                return Some(contents);
            }
        }
    }
    None
}

/// An unsigned number in Wasm's variable-length form, and what follows it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0usize;
    for (i, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_rules_out_other_machines_and_nothing_else() {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        let wanted = Wanted { machine: 62, class: 64, order: 1, flags: 0 };
        assert!(may_link(&wasm, &wanted));
        let mut body = vec![MACHINES.len() as u8];
        body.extend_from_slice(MACHINES.as_bytes());
        body.extend_from_slice(&[62, 0, 64, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        wasm.extend_from_slice(&[0, body.len() as u8]);
        wasm.extend_from_slice(&body);
        assert!(may_link(&wasm, &wanted));
        assert!(!may_link(&wasm, &Wanted { order: 2, ..wanted }));
        // Cut anywhere: nothing is ruled out, or the truth is.
        for len in 0..wasm.len() {
            assert!(may_link(&wasm[..len], &wanted));
        }
    }
}
