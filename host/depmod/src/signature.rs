//! The signature that is appended to a module, as modinfo shows it. Nothing is verified.
//!
//! The signature of today is a PKCS#7 message (RFC 5652, in DER). Its signer has an issuer and a serial number. A
//! signature of an older kernel has the names of signer and key before it.
//!
//! Sources: include/linux/module_signature.h and scripts/sign-file.c of Linux; RFC 5652, sections 3 and 5.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};
use std::fmt::Write as _;

/// Bytes of the trailer.
const TRAILER: usize = 12;
/// The kinds of identifiers, by number.
const KINDS: [&str; 3] = ["PGP", "X509", "PKCS#7"];
/// The digest algorithms, by number.
const DIGESTS: [&str; 9] = ["md4", "md5", "sha1", "rmd160", "sha256", "sha384", "sha512", "sha224", "sm3"];
/// The digest algorithms, by OID, as OpenSSL calls them.
const DIGEST_OIDS: [(&str, &str); 15] = [
    ("1.2.840.113549.2.4", "md4"),
    ("1.2.840.113549.2.5", "md5"),
    ("1.3.14.3.2.26", "sha1"),
    ("1.3.36.3.2.1", "ripemd160"),
    ("2.16.840.1.101.3.4.2.1", "sha256"),
    ("2.16.840.1.101.3.4.2.2", "sha384"),
    ("2.16.840.1.101.3.4.2.3", "sha512"),
    ("2.16.840.1.101.3.4.2.4", "sha224"),
    ("2.16.840.1.101.3.4.2.5", "sha512-224"),
    ("2.16.840.1.101.3.4.2.6", "sha512-256"),
    ("2.16.840.1.101.3.4.2.7", "sha3-224"),
    ("2.16.840.1.101.3.4.2.8", "sha3-256"),
    ("2.16.840.1.101.3.4.2.9", "sha3-384"),
    ("2.16.840.1.101.3.4.2.10", "sha3-512"),
    ("1.2.156.10197.1.401", "sm3"),
];
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    kind: &'static str,
    signer: Vec<u8>,
    key: Vec<u8>,
    digest: String,
    signature: Vec<u8>,
}

impl Signature {
    /// Reads signer, key, signature and trailer. `None` if it is none that kmod knows.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (bytes, trailer) = bytes.split_last_chunk::<TRAILER>()?;
        let [algorithm, digest, kind, signer, key, _, _, _, len @ ..] = *trailer;
        if algorithm > 1 {
            return None;
        }
        let (digest, kind) = (*DIGESTS.get(usize::from(digest))?, *KINDS.get(usize::from(kind))?);
        let len = u32::from_be_bytes(len) as usize;
        let (names, signature) = bytes.split_at_checked(bytes.len().checked_sub(len)?)?;
        if kind == KINDS[2] {
            return Some(Self { kind, ..pkcs7(signature).ok().flatten()? });
        }
        let (names, key) = names.split_at_checked(names.len().checked_sub(key.into())?)?;
        let (_, signer) = names.split_at_checked(names.len().checked_sub(signer.into())?)?;
        let (signer, key) = (until_nul(signer), key.to_vec());
        Some(Self { kind, signer, key, digest: digest.into(), signature: signature.into() })
    }

    /// The entries of modinfo about it, in order.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, Vec<u8>); 5] {
        [
            ("sig_id", self.kind.into()),
            ("signer", self.signer.clone()),
            ("sig_key", hex(&self.key)),
            ("sig_hashalgo", self.digest.clone().into()),
            ("signature", hex(&self.signature)),
        ]
    }
}

/// The parts of a constructed value.
fn parts<'a>(value: AnyRef<'a>) -> der::Result<Vec<AnyRef<'a>>> {
    let mut reader = SliceReader::new(value.value())?;
    let mut parts = Vec::new();
    while !reader.is_finished() {
        parts.push(AnyRef::decode(&mut reader)?);
    }
    Ok(parts)
}

/// Reads the first signer of a message. `None` if it has none with issuer and serial number.
fn pkcs7(message: &[u8]) -> der::Result<Option<Signature>> {
    // What follows the message does not count.
    let message = parts(AnyRef::decode(&mut SliceReader::new(message)?)?)?;
    let [kind, content, ..] = message[..] else { return Ok(None) };
    if kind.decode_as::<ObjectIdentifier>()? != SIGNED_DATA {
        return Ok(None);
    }
    let Some(data) = parts(content)?.first().copied() else { return Ok(None) };
    // Signers are the last set; the first one has the digest algorithms.
    let Some(signers) = parts(data)?.into_iter().skip(2).rfind(|part| part.tag() == Tag::Set) else { return Ok(None) };
    let Some(signer) = parts(signers)?.first().copied() else { return Ok(None) };
    let signer = parts(signer)?;
    let [_, by, digest, ..] = signer[..] else { return Ok(None) };
    let Some(signature) = signer.iter().rfind(|part| part.tag() == Tag::OctetString) else { return Ok(None) };
    if by.tag() != Tag::Sequence {
        return Ok(None);
    }
    let by = parts(by)?;
    let ([issuer, serial], Some(digest)) = (&by[..], parts(digest)?.first().copied()) else { return Ok(None) };
    let digest = digest.decode_as::<ObjectIdentifier>()?.to_string();
    let known = DIGEST_OIDS.iter().find(|(oid, _)| *oid == digest).map(|(_, name)| (*name).to_owned());
    Ok(Some(Signature {
        kind: "",
        signer: name_of(*issuer)?,
        key: magnitude(serial.value()),
        digest: known.unwrap_or(digest),
        signature: signature.value().to_vec(),
    }))
}

/// The common name of an issuer, or else the last part of its name.
fn name_of(issuer: AnyRef<'_>) -> der::Result<Vec<u8>> {
    let mut name = Vec::new();
    for part in parts(issuer)? {
        for attribute in parts(part)? {
            let attribute = parts(attribute)?;
            let [kind, value] = attribute[..] else { continue };
            name = until_nul(value.value());
            if kind.decode_as::<ObjectIdentifier>()? == COMMON_NAME {
                return Ok(name);
            }
        }
    }
    Ok(name)
}

/// The absolute value of an integer, without zeros before it.
fn magnitude(integer: &[u8]) -> Vec<u8> {
    let mut bytes = integer.to_vec();
    if bytes.first().is_some_and(|first| *first >= 0x80) {
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.split_off(zeros)
}

fn until_nul(text: &[u8]) -> Vec<u8> {
    text.split(|b| *b == 0).next().unwrap_or_default().to_vec()
}

/// Bytes as `01:AF`, twenty in a line.
fn hex(bytes: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    for (i, byte) in bytes.iter().enumerate() {
        if i != 0 {
            out.push_str(if i % 20 == 0 { ":\n\t\t" } else { ":" });
        }
        let _ = write!(out, "{byte:02X}");
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_signature_has_names_before_it() {
        let bytes = [&b"Me"[..], b"\x01\xaf", b"\x0b\x0c", &[1, 4, 1, 2, 2, 0, 0, 0, 0, 0, 0, 2]].concat();
        let entries = Signature::read(&bytes).unwrap().entries().map(|(_, value)| String::from_utf8(value).unwrap());
        assert_eq!(entries, ["X509", "Me", "01:AF", "sha256", "0B:0C"]);
        for cut in 0..bytes.len() {
            assert_eq!(Signature::read(&bytes[cut + 1..]), None, "{cut}");
        }
    }

    #[test]
    fn numbers_are_kmods() {
        assert_eq!(hex(&[1; 21]), format!("{}:\n\t\t01", ["01"; 20].join(":")).as_bytes());
        assert_eq!((magnitude(&[0, 0x80]), magnitude(&[0xff]), magnitude(&[0])), (vec![0x80], vec![1], vec![]));
    }

    #[test]
    fn a_damaged_message_is_none() {
        for bytes in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x03\x06\x01\x2a", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            assert!(pkcs7(bytes).ok().flatten().is_none());
        }
    }
}
