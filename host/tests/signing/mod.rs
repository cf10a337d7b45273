//! Signs modules for tests, with a key that everybody can read here. openssl made it, and its certificate.
#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part")]

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use std::path::Path;

/// The private key.
const KEY: &str = "797f5e9b435c5c1327fe24560c5f7e861425bd9bb848f77ab76e857f001ca7ea";

/// Its certificate.
pub const CERTIFICATE: &[u8] = include_bytes!("test.der");

/// Another certificate.
pub const OTHER: &[u8] = include_bytes!("../../signatures/tests/data/p256.der");

/// A value in DER.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let len = match contents.len() {
        short @ 0..0x80 => vec![short as u8],
        long => vec![0x81, u8::try_from(long).unwrap()],
    };
    [&[tag][..], &len, &contents].concat()
}

/// The PKCS#7 message about a file: one signer, whom it names by the identifier of the key.
pub fn message(file: &[u8]) -> Vec<u8> {
    let key: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&KEY[2 * i..2 * i + 2], 16).unwrap()).collect();
    let signature: Signature = SigningKey::from_slice(&key).unwrap().sign(file);
    // The extension subjectKeyIdentifier: an octet string in one.
    let at = CERTIFICATE.windows(4).position(|bytes| bytes == [4, 0x16, 4, 0x14]).unwrap() + 4;
    let sha256 = der(0x30, &[&der(6, &[&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]])]);
    let ecdsa = der(0x30, &[&der(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])]);
    let [signed_data, data] = [2, 1].map(|last| der(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, last]]));
    let version = der(2, &[&[3]]);
    let id = der(0x80, &[&CERTIFICATE[at..at + 20]]);
    let octets = der(4, &[signature.to_der().as_bytes()]);
    let signer = der(0x30, &[&version, &id, &sha256, &ecdsa, &octets]);
    let content = der(0x30, &[&version, &der(0x31, &[&sha256]), &der(0x30, &[&data]), &der(0x31, &[&signer])]);
    der(0x30, &[&signed_data, &der(0xa0, &[&content])])
}

/// A module with its signature.
pub fn signed(file: &[u8]) -> Vec<u8> {
    let message = message(file);
    let len = u32::try_from(message.len()).unwrap().to_be_bytes();
    [file, &message, &[0, 0, 2, 0, 0, 0, 0, 0], &len, b"~Module signature appended~\n"].concat()
}

/// Signs the module in a file.
pub fn sign(path: &Path) {
    std::fs::write(path, signed(&std::fs::read(path).unwrap())).unwrap();
}
