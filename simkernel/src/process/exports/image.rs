//! The kernel's own symbols in the arena, within reach of every module.
//!
//! The functions are part of this program, and too far away. Each has a stub in the arena, which aligns the stack to 16
//! bytes (kernel code keeps it at 8, and Rust needs 16) and calls the function.

use std::collections::BTreeMap;

use super::all::entries;
use super::entry::{Entry, Kind};
use crate::process::arena::Arena;
use crate::protocol::{Export, Protection};
use crate::sim_error::SimError;

/// push %rbp; mov %rsp,%rbp; and $-16,%rsp
const ENTER: [u8; 8] = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xe4, 0xf0];
/// push %r9; push %r8; push %rcx; push %rdx; push %rsi; push %rdi: an array of the six; 48 bytes keep the alignment.
/// mov %rsp,%rdi; lea 16(%rbp),%rsi: its address, and that of the caller's arguments on the stack.
const SPILL: [u8; 15] = [0x41, 0x51, 0x41, 0x50, 0x51, 0x52, 0x56, 0x57, 0x48, 0x89, 0xe7, 0x48, 0x8d, 0x75, 0x10];
/// leave; ret
const LEAVE: [u8; 2] = [0xc9, 0xc3];

/// call *target(%rip); leave; ret; then, aligned, the target.
fn stub(before: &[u8], target: usize) -> Vec<u8> {
    let mut code = before.to_vec();
    code.extend_from_slice(&[0xff, 0x15, 0, 0, 0, 0]);
    let after_call = code.len();
    code.extend_from_slice(&LEAVE);
    code.resize(code.len().next_multiple_of(8), 0xcc);
    let distance = (code.len() - after_call) as u32;
    code[after_call - 4..after_call].copy_from_slice(&distance.to_le_bytes());
    code.extend_from_slice(&(target as u64).to_le_bytes());
    code
}

/// The kernel's exports with their addresses.
#[derive(Debug)]
pub(crate) struct Image {
    /// The exports, sorted by name.
    pub(crate) exports: Vec<Export>,
    /// The area with the stubs.
    pub(crate) text: u64,
    /// The area with the constants: the param_ops.
    pub(crate) rodata: u64,
    /// The address that GS gets.
    pub(crate) per_cpu: u64,
}

impl Image {
    /// Builds the image in new areas of the arena.
    pub(crate) fn build(arena: &mut Arena) -> Result<Image, SimError> {
        let all = entries();
        let mut text = Vec::new();
        let mut offsets = BTreeMap::new();
        for Entry { name, kind, .. } in &all {
            let code = match kind {
                Kind::Function(target) => stub(&ENTER, *target),
                Kind::Variadic(target) => stub(&[&ENTER[..], &SPILL[..]].concat(), *target),
                Kind::Code(code) => code.to_vec(),
                Kind::ParamOps { .. } | Kind::Zeros(_) => continue,
            };
            text.resize(text.len().next_multiple_of(16), 0xcc);
            offsets.insert(*name, text.len() as u64);
            text.extend_from_slice(&code);
        }
        let place = |arena: &mut Arena, bytes: &[u8], protection| -> Result<u64, SimError> {
            let address = arena.allocate(bytes.len().max(1) as u64, 4096)?.address;
            arena.write(address, bytes)?;
            if protection != Protection::ReadWrite {
                arena.protect(address, protection)?;
            }
            Ok(address)
        };
        let text = place(arena, &text, Protection::ReadExecute)?;
        let mut addresses: BTreeMap<&str, u64> = offsets.iter().map(|(name, at)| (*name, text + at)).collect();

        let mut rodata = Vec::new();
        let mut constants = Vec::new();
        let mut zeros = 0u64;
        let mut variables = Vec::new();
        for Entry { name, kind, .. } in &all {
            match kind {
                Kind::ParamOps { set, get, free, no_argument } => {
                    constants.push((*name, rodata.len() as u64));
                    // unsigned int flags, padding, set, get, free.
                    let free = free.map_or(0, |free| addresses[free]);
                    for word in [u64::from(*no_argument), addresses[set], addresses[get], free] {
                        rodata.extend_from_slice(&word.to_le_bytes());
                    }
                }
                Kind::Zeros(size) => {
                    variables.push((*name, zeros));
                    zeros += size.next_multiple_of(16) as u64;
                }
                _ => {}
            }
        }
        let rodata = place(arena, &rodata, Protection::ReadOnly)?;
        let data = arena.allocate(zeros.max(1), 4096)?.address;
        addresses.extend(constants.iter().map(|(name, at)| (*name, rodata + at)));
        addresses.extend(variables.iter().map(|(name, at)| (*name, data + at)));
        // The canary at gs:40, and zeros around it. Its value protects nothing here, so it can be fixed. It begins with
        // a NUL, which string functions cannot write.
        let per_cpu = arena.allocate(4096, 4096)?.address;
        arena.write(per_cpu + 40, &0x6f62_6f6c_6572_0a00_u64.to_le_bytes())?;

        let mut exports: Vec<Export> = all
            .iter()
            .map(|entry| Export { name: entry.name.to_owned(), address: addresses[entry.name], gpl: entry.gpl })
            .collect();
        exports.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Image { exports, text, rodata, per_cpu })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_export_has_one_address_within_reach() {
        let mut arena = Arena::reserve(4 << 20).unwrap();
        let image = Image::build(&mut arena).unwrap();
        assert!(image.exports.windows(2).all(|pair| pair[0].name < pair[1].name), "names are unique");
        assert!(image.exports.iter().all(|e| arena.holding(e.address, 1).is_some()));
        for name in ["_printk", "__kmalloc", "param_ops_int", "__x86_return_thunk", "memcpy"] {
            assert!(image.exports.iter().any(|e| e.name == name), "{name}");
        }
    }

    #[test]
    fn stubs_point_at_their_target() {
        let code = stub(&ENTER, 0x1122_3344);
        assert_eq!(code.len(), 24);
        assert_eq!(code[8..14], [0xff, 0x15, 2, 0, 0, 0]);
        let code = stub(&[&ENTER[..], &SPILL[..]].concat(), 0x1122_3344);
        assert_eq!(code.len(), 40);
        assert_eq!(code[23..29], [0xff, 0x15, 3, 0, 0, 0]);
        assert_eq!(code[32..], 0x1122_3344_u64.to_le_bytes());
    }
}
