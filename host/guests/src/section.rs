//! The custom sections of a plugin, which are read without compiling it: its machines, and its decoding rules.

/// The name of the section of machines, the same as `relobox_abi::MACHINES`. The build script also includes this file,
/// and cannot depend on that crate.
const MACHINES: &[u8] = b"relobox.machines";

/// The name of the section of decoding rules, the same as `relobox_abi::DECODING`.
const DECODING: &[u8] = b"relobox.decoding";

/// Returns the contents of a plugin's section of machines: 12 bytes for each machine, as in `docs/abi.md`. Returns
/// `None` if there is no such section, or `wasm` is not a valid Wasm module up to it.
#[must_use]
pub fn machines(wasm: &[u8]) -> Option<&[u8]> {
    custom(wasm, MACHINES)
}

/// Returns a plugin's decoding rules, a text; see `docs/conformance.md`. Returns `None` as [`machines`] does.
#[must_use]
#[allow(dead_code, reason = "the build script, which includes this file, does not need them")]
pub fn decoding(wasm: &[u8]) -> Option<&[u8]> {
    custom(wasm, DECODING)
}

fn custom<'a>(wasm: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    // Magic and version are followed by sections: an id, a size and the contents. A custom section has id 0 and begins
    // with its name.
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

/// Decodes an unsigned LEB128 number. Also returns the rest.
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
