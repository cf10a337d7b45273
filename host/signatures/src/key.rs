//! Public keys and digests: those that Linux signs modules with.
//!
//! SHA-1 is refused. Two files of one digest can be made.

use der::asn1::ObjectIdentifier;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    const fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::Sha256 => "2.16.840.1.101.3.4.2.1",
            Self::Sha384 => "2.16.840.1.101.3.4.2.2",
            Self::Sha512 => "2.16.840.1.101.3.4.2.3",
        })
    }

    /// The name of signatures by ECDSA of this digest.
    const fn ecdsa(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::Sha256 => "1.2.840.10045.4.3.2",
            Self::Sha384 => "1.2.840.10045.4.3.3",
            Self::Sha512 => "1.2.840.10045.4.3.4",
        })
    }

    /// The digest algorithm with this name.
    pub(crate) fn of(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.oid() == oid)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    /// PKCS#1 1.5 with this digest (RFC 8017, section 8.2).
    fn padding(self) -> Pkcs1v15Sign {
        match self {
            Self::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            Self::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            Self::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        }
    }
}

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Rsa,
    Ecdsa,
}

impl Scheme {
    /// The scheme with this name, in a message whose digest is `hash`.
    pub(crate) fn of(oid: ObjectIdentifier, hash: Hash) -> Option<Self> {
        match oid {
            RSA => Some(Self::Rsa),
            oid if oid == hash.ecdsa() => Some(Self::Ecdsa),
            _ => None,
        }
    }
}

/// What a key says of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Good,
    /// It is by this key, and of other bytes.
    OtherBytes,
    Bad,
    /// The key is of a kind that is not supported.
    Unsupported(String),
}

/// Verifies the signature of a digest.
pub(crate) fn verify(
    key: &SubjectPublicKeyInfoOwned,
    scheme: Scheme,
    hash: Hash,
    digest: &[u8],
    signature: &[u8],
) -> Outcome {
    let bytes = key.subject_public_key.raw_bytes();
    match (key.algorithm.oid, scheme) {
        (RSA, Scheme::Rsa) => rsa(bytes, hash, digest, signature),
        (EC_KEY, Scheme::Ecdsa) => match curve(&key.algorithm) {
            Some(P256) => ecdsa_256(bytes, digest, signature),
            Some(P384) => ecdsa_384(bytes, digest, signature),
            other => {
                let name = other.map_or_else(|| "without a name".to_owned(), |oid| oid.to_string());
                Outcome::Unsupported(format!("the key's curve {name}"))
            }
        },
        // The message names another kind of key than the certificate has.
        (RSA | EC_KEY, _) => Outcome::Bad,
        (oid, _) => Outcome::Unsupported(format!("the key's algorithm {oid}")),
    }
}

fn curve(algorithm: &AlgorithmIdentifierOwned) -> Option<ObjectIdentifier> {
    algorithm.parameters.as_ref()?.decode_as().ok()
}

fn rsa(key: &[u8], hash: Hash, digest: &[u8], signature: &[u8]) -> Outcome {
    let key = match PublicKey::from_pkcs1_der(key) {
        Ok(key) => key,
        Err(error) => return Outcome::Unsupported(format!("the certificate's key: {error}")),
    };
    let padding = hash.padding();
    match key.verify(padding, digest, signature) {
        Ok(()) => Outcome::Good,
        Err(_) if recovers_another(&key, hash, digest.len(), signature) => Outcome::OtherBytes,
        Err(_) => Outcome::Bad,
    }
}

/// True if the signature is properly padded, so that only the digest can be another one. It is bad in any case.
fn recovers_another(key: &PublicKey, hash: Hash, digest: usize, signature: &[u8]) -> bool {
    if signature.len() != key.size() {
        return false;
    }
    let Ok(number) = BoxedUint::from_be_slice(signature, key.n_bits_precision()) else { return false };
    let Ok(padded) = rsa::hazmat::rsa_encrypt(key, &number) else { return false };
    let padded = padded.to_be_bytes();
    let padded = &padded[padded.len().saturating_sub(key.size())..];
    let Some(end) = padded.len().checked_sub(digest) else { return false };
    // The other digest is put into the same padding.
    key.verify(hash.padding(), &padded[end..], signature).is_ok()
}

fn ecdsa_256(key: &[u8], digest: &[u8], signature: &[u8]) -> Outcome {
    use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
    use p256::ecdsa::{Signature, VerifyingKey};
    let Ok(key) = VerifyingKey::from_sec1_bytes(key) else { return not_on_curve() };
    let good = Signature::from_der(signature).is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok());
    if good { Outcome::Good } else { Outcome::Bad }
}

fn ecdsa_384(key: &[u8], digest: &[u8], signature: &[u8]) -> Outcome {
    use p384::ecdsa::signature::hazmat::PrehashVerifier as _;
    use p384::ecdsa::{Signature, VerifyingKey};
    let Ok(key) = VerifyingKey::from_sec1_bytes(key) else { return not_on_curve() };
    let good = Signature::from_der(signature).is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok());
    if good { Outcome::Good } else { Outcome::Bad }
}

fn not_on_curve() -> Outcome {
    Outcome::Unsupported("the certificate's key is no point of its curve".to_owned())
}
