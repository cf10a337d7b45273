//! What is appended to a signed module: a signature, the structure `module_signature`, and a marker.

use relobox_core::signature::Verdict;

/// The end of a signed module.
const MARKER: &[u8] = b"~Module signature appended~\n";

/// Bytes of the structure before the marker.
const STRUCTURE: usize = 12;

/// The kind of identifier that stands for a PKCS#7 message.
const PKCS7: u8 = 2;

/// A signed module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer<'a> {
    /// What is signed.
    pub(crate) signed: &'a [u8],
    /// The PKCS#7 message.
    pub(crate) message: &'a [u8],
}

/// Splits a module. `None` if it has no signature.
///
/// # Errors
/// The verdict about a signature that cannot be read.
pub(crate) fn split(file: &[u8]) -> Result<Option<Trailer<'_>>, Verdict> {
    let Some(rest) = file.strip_suffix(MARKER) else { return Ok(None) };
    let malformed = |why: &str| Verdict::Malformed(why.to_owned());
    let (rest, structure) =
        rest.split_last_chunk::<STRUCTURE>().ok_or_else(|| malformed("there is nothing before its marker"))?;
    let [algorithm, hash, kind, names @ .., a, b, c, d] = *structure;
    if kind != PKCS7 {
        return Err(Verdict::Unsupported(format!("its kind is {kind}, and not PKCS#7")));
    }
    // Signatures of old kernels had something there.
    if [algorithm, hash].iter().chain(&names).any(|byte| *byte != 0) {
        return Err(malformed("fields that PKCS#7 does not use are not 0"));
    }
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    // Nothing would be signed if the message were the whole file.
    let at = rest.len().checked_sub(len).filter(|at| *at != 0);
    let at = at.ok_or_else(|| malformed("it is said to be longer than the file"))?;
    let (signed, message) = rest.split_at(at);
    Ok(Some(Trailer { signed, message }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trailer(structure: [u8; STRUCTURE]) -> Vec<u8> {
        [&b"filemessage"[..], &structure, MARKER].concat()
    }

    #[test]
    fn a_trailer_is_split() {
        let good = trailer([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(split(&good), Ok(Some(Trailer { signed: b"file", message: b"message" })));
        // Anything behind the marker, or without it, is no signature.
        for unsigned in [&b""[..], b"file", &good[..good.len() - 1], &[&good[..], b"\0"].concat()] {
            assert_eq!(split(unsigned), Ok(None));
        }
    }

    #[test]
    fn a_wrong_trailer_is_refused() {
        for len in [[0, 0, 0, 11], [0, 0, 0, 12], [0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xff]] {
            let [a, b, c, d] = len;
            let file = trailer([0, 0, 2, 0, 0, 0, 0, 0, a, b, c, d]);
            assert!(matches!(split(&file), Err(Verdict::Malformed(_))), "{len:?}");
        }
        for at in [0, 1, 3, 4, 5, 6, 7] {
            let mut structure = [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 7];
            structure[at] = 1;
            assert!(matches!(split(&trailer(structure)), Err(Verdict::Malformed(_))), "{at}");
        }
        assert!(matches!(split(&trailer([0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7])), Err(Verdict::Unsupported(_))));
        for cut in 1..=STRUCTURE {
            let short = &trailer([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 7])[11 + cut..];
            assert!(matches!(split(short), Err(Verdict::Malformed(_))), "{cut}");
        }
    }
}
