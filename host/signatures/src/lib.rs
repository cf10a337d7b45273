//! Verifies the signature that is appended to a kernel module, as Linux does: bytes in, a verdict out.
//!
//! The signature is a detached PKCS#7 message (RFC 5652), a structure of 12 bytes with its length, and a marker; it is
//! that of all bytes before it. A certificate is found by what the message says of its signer, and only among those
//! that the caller gives. Certificates in the message are not looked at.
//!
//! This crate does no I/O, and does not know what time it is. All its input is hostile, but for the certificates.
//!
//! | module | contents |
//! |---|---|
//! | `trailer` | what is appended to a module |
//! | `message` | the PKCS#7 message, and its signers |
//! | `certificates` | the trusted certificates, DER or PEM; and what /proc/keys says |
//! | `key` | public keys and digests |
//!
//! Sources: Documentation/admin-guide/module-signing.rst, include/linux/module_signature.h, kernel/module/signing.c and
//! crypto/asymmetric_keys of Linux; RFC 5652, 5280, 8017 and 3279.
//!
//! # Examples
//!
//! ```
//! use relobox_core::signature::Verdict;
//! use relobox_signatures::{Certificates, verify};
//!
//! let trusted = Certificates::read([("/etc/relobox/keys/notes", &b"no certificate"[..])]);
//! assert!(trusted.unusable()[0].starts_with("/etc/relobox/keys/notes ("));
//! assert_eq!(verify(b"\x7fELF ...", &trusted, b""), Verdict::Unsigned);
//! ```
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod certificates;
mod key;
mod message;
mod trailer;

pub use certificates::Certificates;

use relobox_core::signature::Verdict;
use trailer::Trailer;

/// Verifies the signature of a module. `file` is the whole file, unpacked. `kernel_keys` is the text of /proc/keys, or
/// empty: it only explains an unknown key.
#[must_use]
pub fn verify(file: &[u8], certificates: &Certificates, kernel_keys: &[u8]) -> Verdict {
    match trailer::split(file) {
        Ok(None) => Verdict::Unsigned,
        Ok(Some(Trailer { signed, message })) => message::verify(signed, message, certificates, kernel_keys),
        Err(verdict) => verdict,
    }
}
