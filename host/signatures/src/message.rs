//! The PKCS#7 message: who signed, and whether a trusted key verifies it.
//!
//! Linux refuses a module whose message signs attributes beside the module, or has another content type than data; so
//! does this.

use crate::certificates::{Certificates, in_kernel};
use crate::key::{self, Hash, Outcome, Scheme};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::Decode as _;
use der::asn1::{Any, ObjectIdentifier};
use relobox_core::signature::{Signer, Verdict};
use std::fmt::Write as _;
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Verifies a message about `signed`.
///
/// As in Linux, one signer that is verified is enough if others are unknown or not supported; one whose signature is bad
/// spoils all.
pub(crate) fn verify(signed: &[u8], message: &[u8], certificates: &Certificates, kernel_keys: &[u8]) -> Verdict {
    let data = match read(message) {
        Ok(data) => data,
        Err(error) => return Verdict::Malformed(error.to_string()),
    };
    let content = &data.encap_content_info;
    if content.econtent_type != DATA {
        return Verdict::Unsupported(format!("its content is {}, and not data", content.econtent_type));
    }
    if content.econtent.is_some() {
        return Verdict::Unsupported("it contains what it signs".to_owned());
    }
    if !matches!(data.version, CmsVersion::V1 | CmsVersion::V3) {
        return Verdict::Unsupported(format!("its version is {:?}", data.version));
    }
    let mut best: Option<Verdict> = None;
    for info in data.signer_infos.0.iter() {
        let verdict = of_signer(info, signed, certificates, kernel_keys);
        match verdict {
            Verdict::Verified { .. } => best = Some(verdict),
            Verdict::UnknownKey { .. } | Verdict::Unsupported(_) => {
                best.get_or_insert(verdict);
            }
            bad => return bad,
        }
    }
    best.unwrap_or_else(|| Verdict::Malformed("it has no signer".to_owned()))
}

fn read(message: &[u8]) -> der::Result<SignedData> {
    let info = ContentInfo::from_der(message)?;
    if info.content_type != SIGNED_DATA {
        return Err(der::ErrorKind::OidUnknown { oid: info.content_type }.into());
    }
    info.content.decode_as()
}

fn of_signer(info: &SignerInfo, signed: &[u8], certificates: &Certificates, kernel_keys: &[u8]) -> Verdict {
    if info.signed_attrs.is_some() {
        return Verdict::Unsupported("it signs attributes, which Linux refuses for modules".to_owned());
    }
    let version = match info.sid {
        SignerIdentifier::IssuerAndSerialNumber(_) => CmsVersion::V1,
        SignerIdentifier::SubjectKeyIdentifier(_) => CmsVersion::V3,
    };
    if info.version != version || !bare(&info.digest_alg) || !bare(&info.signature_algorithm) {
        return Verdict::Malformed("the version or an algorithm's parameters are not those of RFC 5652".to_owned());
    }
    let Some(hash) = Hash::of(info.digest_alg.oid) else {
        return Verdict::Unsupported(format!("the digest algorithm {}", name_of_digest(info.digest_alg.oid)));
    };
    let Some(scheme) = Scheme::of(info.signature_algorithm.oid, hash) else {
        return Verdict::Unsupported(format!("the signature algorithm {}", info.signature_algorithm.oid));
    };
    let signer = signer(&info.sid, hash);
    let digest = hash.digest(signed);
    let mut verdict = None;
    for trusted in certificates.of(&info.sid) {
        let own = trusted.certificate.tbs_certificate();
        let (signer, certificate) = (signer.clone(), trusted.file.clone());
        match key::verify(own.subject_public_key_info(), scheme, hash, &digest, info.signature.as_bytes()) {
            Outcome::Good => {
                let until = own.validity().not_after.to_unix_duration().as_secs();
                return Verdict::Verified { signer, certificate, until };
            }
            Outcome::OtherBytes => verdict = Some(Verdict::BadDigest { signer, certificate }),
            Outcome::Bad => {
                verdict.get_or_insert(Verdict::BadSignature { signer, certificate });
            }
            Outcome::Unsupported(what) => {
                verdict.get_or_insert(Verdict::Unsupported(format!("{certificate}: {what}")));
            }
        }
    }
    verdict.unwrap_or_else(|| Verdict::UnknownKey {
        in_kernel: in_kernel(kernel_keys, &info.sid, &signer.name),
        unusable: certificates.unusable().to_vec(),
        signer,
    })
}

/// True if an algorithm has no parameters.
fn bare(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.parameters.as_ref().is_none_or(|parameters| *parameters == Any::null())
}

/// The name of a digest algorithm that is not supported, if it is a known one.
fn name_of_digest(oid: ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.3.14.3.2.26" => "sha1".to_owned(),
        "1.2.840.113549.2.5" => "md5".to_owned(),
        "2.16.840.1.101.3.4.2.4" => "sha224".to_owned(),
        other => other.to_owned(),
    }
}

fn signer(id: &SignerIdentifier, hash: Hash) -> Signer {
    let (name, key) = match id {
        SignerIdentifier::IssuerAndSerialNumber(by) => (name_of(&by.issuer), by.serial_number.as_bytes()),
        SignerIdentifier::SubjectKeyIdentifier(id) => (String::new(), id.0.as_bytes()),
    };
    // A number whose first bit is set has a zero before it.
    let key = key.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(key);
    Signer { name, key: with_colons(key), hash: hash.name().to_owned() }
}

/// The common name, or else the last part of a name.
fn name_of(issuer: &Name) -> String {
    let part = issuer.iter().find(|part| part.oid == COMMON_NAME).or_else(|| issuer.iter().last());
    part.map(|part| String::from_utf8_lossy(part.value.value()).into_owned()).unwrap_or_default()
}

fn with_colons(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (i, byte) in bytes.iter().enumerate() {
        let _ = write!(text, "{}{byte:02X}", if i == 0 { "" } else { ":" });
    }
    text
}
