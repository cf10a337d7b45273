//! Two hostile plugins of a few instructions. In the text format:
//!
//! ```text
//! (module                                   (module
//!   (memory (export "memory") 1)              (import "env" "system" (func (param i32) (result i32)))
//!   (func (export "relobox_abi") …)           (memory (export "memory") 1)
//!   (func (export "relobox_reserve") …)       …)
//!   (func (export "relobox_describe")
//!     (loop (br 0)) unreachable))
//! ```

use relobox_abi::{ABI_VERSION, export};

/// Loops forever when it is asked for its description.
pub(super) fn looping() -> Vec<u8> {
    module(&[], 0)
}

/// Imports a function that would run a command on the host.
pub(super) fn importing() -> Vec<u8> {
    // One import: "env", "system", a function of type 1.
    module(&[1, 3, b'e', b'n', b'v', 6, b's', b'y', b's', b't', b'e', b'm', 0, 1], 1)
}

/// Makes the binary of a plugin. Imported functions come first in the index space.
fn module(imports: &[u8], imported: u8) -> Vec<u8> {
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    let mut section = |id: u8, contents: &[u8]| {
        // All sections are shorter than 128 bytes, so that a length is one byte.
        if !contents.is_empty() {
            out.extend([id, contents.len() as u8]);
            out.extend(contents);
        }
    };
    // Types: () -> i32, and (i32) -> i32.
    section(1, &[2, 0x60, 0, 1, 0x7f, 0x60, 1, 0x7f, 1, 0x7f]);
    section(2, imports);
    section(3, &[3, 0, 1, 0]);
    // One memory of one page.
    section(5, &[1, 0, 1]);
    let mut exports = vec![4];
    let names = [(export::MEMORY, 2, 0), (export::ABI, 0, 0), (export::RESERVE, 0, 1), (export::DESCRIBE, 0, 2)];
    for (name, kind, index) in names {
        exports.push(name.len() as u8);
        exports.extend(name.as_bytes());
        exports.extend([kind, if kind == 0 { index + imported } else { index }]);
    }
    section(7, &exports);
    // i32.const ABI_VERSION; i32.const 16; loop br 0 end unreachable.
    section(10, &[3, 4, 0, 0x41, ABI_VERSION as u8, 0xb, 4, 0, 0x41, 16, 0xb, 8, 0, 3, 0x40, 0xc, 0, 0xb, 0, 0xb]);
    out
}
