//! The custom section in which a plugin says which machines it links: found without compiling anything.

/// Its name. The same as `relobox_abi::MACHINES`, on which the build script that reads this file too cannot depend.
const NAME: &[u8] = b"relobox.machines";

/// The contents of a plugin's section of machines: 12 bytes for each, as `docs/abi.md` has them. `None` if there is none, or if
/// `wasm` is no Wasm module up to there.
#[must_use]
pub fn machines(wasm: &[u8]) -> Option<&[u8]> {
    // Magic and version, then sections: an id, a size and that many bytes. A custom one has id 0 and begins with its name.
    let mut rest = wasm.get(8..)?;
    while let Some((id, after)) = rest.split_first() {
        let (size, after) = leb128(after)?;
        let (body, next) = after.split_at_checked(size)?;
        rest = next;
        if *id == 0 {
            let (len, text) = leb128(body)?;
            let (name, contents) = text.split_at_checked(len)?;
            if name == NAME {
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
