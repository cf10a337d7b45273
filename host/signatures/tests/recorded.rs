//! Recorded signatures: openssl made them (tests/data/make). Good ones verify, and nothing else does.

use relobox_core::signature::{Signer, Verdict};
use relobox_signatures::{Certificates, verify};
use std::path::{Path, PathBuf};

const MARKER: &[u8] = b"~Module signature appended~\n";

fn data(name: &str) -> Vec<u8> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn trusting(names: &[&str]) -> Certificates {
    let files: Vec<_> = names.iter().map(|name| (*name, data(name))).collect();
    let certificates = Certificates::read(files.iter().map(|(name, bytes)| (*name, &bytes[..])));
    assert!(certificates.unusable().is_empty(), "{:?}", certificates.unusable());
    certificates
}

/// Appends a message as scripts/sign-file does.
fn append(file: &[u8], message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap().to_be_bytes();
    [file, message, &[0, 0, 2, 0, 0, 0, 0, 0], &len, MARKER].concat()
}

fn signed(name: &str) -> Vec<u8> {
    append(&data("signed"), &data(&format!("{name}.p7s")))
}

fn judge(name: &str, trusted: &[&str]) -> Verdict {
    verify(&signed(name), &trusting(trusted), b"")
}

const KEYS: [&str; 4] = ["rsa2048", "rsa4096", "p256", "p384"];
const HASHES: [&str; 3] = ["sha256", "sha384", "sha512"];

#[test]
fn signatures_of_every_kind_are_verified() {
    for key in KEYS {
        for hash in HASHES {
            let (name, certificate) = (format!("{key}-{hash}"), format!("{key}.der"));
            let all = KEYS.map(|key| format!("{key}.der"));
            match judge(&name, &all.each_ref().map(String::as_str)) {
                Verdict::Verified { signer, certificate: by, until } => {
                    assert_eq!(
                        (by, &*signer.name, &*signer.hash),
                        (certificate.clone(), &*format!("Test key {key}"), hash)
                    );
                    assert!(until > 4_000_000_000 && signer.key.contains(':'));
                }
                other => panic!("{name}: {other:?}"),
            }
            let other = if key == "p256" { "rsa2048.der" } else { "p256.der" };
            assert!(matches!(judge(&name, &[other]), Verdict::UnknownKey { .. }), "{name}");
            assert!(matches!(judge(&name, &[]), Verdict::UnknownKey { .. }), "{name}");
        }
    }
}

/// That the digest is another one can only be seen for RSA, whose signature contains it.
#[test]
fn a_changed_file_is_not_verified() {
    let file = data("signed");
    for key in KEYS {
        let (message, certificates) = (data(&format!("{key}-sha256.p7s")), trusting(&[&format!("{key}.der")]));
        for at in (0..file.len()).step_by(if key.starts_with("rsa") { 5 } else { 1 }) {
            let mut changed = file.clone();
            changed[at] ^= 1;
            let verdict = verify(&append(&changed, &message), &certificates, b"");
            match verdict {
                Verdict::BadDigest { .. } if key.starts_with("rsa") => {}
                Verdict::BadSignature { .. } if key.starts_with('p') => {}
                other => panic!("{key}, {at}: {other:?}"),
            }
        }
        for other in [&file[1..], &file[..file.len() - 1], &[&file[..], b"\0"].concat()] {
            assert!(!verify(&append(other, &message), &certificates, b"").is_verified());
        }
    }
}

/// What remains is what neither the signature protects nor a reader needs: whether a version of the message is 1 or 3, and
/// the list of digest algorithms, which announces what the signers say themselves.
#[test]
fn no_other_bytes_are_verified() {
    for key in ["rsa2048", "p256", "p384"] {
        let name = format!("{key}-sha256");
        let (file, certificates) = (signed(&name), trusting(&[&format!("{key}.der")]));
        let start = data("signed").len();
        let contains = |at: usize| file[..at].windows(9).filter(|bytes| *bytes == SHA256).count();
        // The first of the two names of the algorithm, and the version before it.
        let announced = |at: usize| contains(at) == 0 || contains(at) == 1 && file[at - 2..at] == SHA256[7..];
        for at in start..file.len() {
            for bit in 0..if key == "rsa2048" { 2 } else { 8 } {
                let mut changed = file.clone();
                changed[at] ^= 1 << bit;
                let verified = verify(&changed, &certificates, b"").is_verified();
                assert!(!verified || announced(at), "{key}: {at}, {bit}");
            }
        }
        for cut in (1..file.len() - start).step_by(if key == "rsa2048" { 5 } else { 1 }) {
            assert!(!verify(&file[..file.len() - cut], &certificates, b"").is_verified(), "{cut}");
            let mut without = file.clone();
            without.remove(start + cut - 1);
            assert!(!verify(&without, &certificates, b"").is_verified(), "{cut}");
        }
    }
}

/// The name of SHA-256.
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// Every byte of a certificate, too: a damaged one is unusable, or verifies as before; nothing panics.
#[test]
fn damaged_certificates_do_not_panic() {
    for key in ["rsa2048", "p256"] {
        let (certificate, file) = (data(&format!("{key}.der")), signed(&format!("{key}-sha256")));
        for at in 0..certificate.len() {
            for value in [0, 0x7f, 0xff, certificate[at] ^ 1] {
                let mut changed = certificate.clone();
                changed[at] = value;
                let certificates = Certificates::read([("changed", &changed[..])]);
                let verdict = verify(&file, &certificates, b"");
                assert!(certificates.unusable().is_empty() || matches!(verdict, Verdict::UnknownKey { .. }));
            }
            assert_eq!(Certificates::read([("cut", &certificate[..at])]).unusable().len(), 1);
        }
    }
}

#[test]
fn the_last_signature_counts() {
    let twice = append(&signed("p256-sha256"), &data("p384-sha256.p7s"));
    let both = ["p256.der", "p384.der"];
    // The second one would have to be of the first one, too.
    assert!(
        matches!(verify(&twice, &trusting(&both), b""), Verdict::BadSignature { certificate, .. } if certificate == "p384.der")
    );
    assert!(matches!(verify(&twice, &trusting(&["p256.der"]), b""), Verdict::UnknownKey { .. }));
}

#[test]
fn what_linux_refuses_is_not_supported() {
    for (name, key, what) in [
        ("sha1", "rsa2048.der", "sha1"),
        ("p521", "p521.der", "curve 1.3.132.0.35"),
        ("attributes", "rsa2048.der", "attributes"),
        ("content", "rsa2048.der", "contains what it signs"),
    ] {
        let verdict = judge(name, &[key]);
        assert!(matches!(&verdict, Verdict::Unsupported(text) if text.contains(what)), "{name}: {verdict:?}");
    }
}

#[test]
fn certificates_in_the_message_are_not_trusted() {
    assert!(matches!(judge("embedded", &["p256.der"]), Verdict::UnknownKey { .. }));
    assert!(judge("embedded", &["rsa2048.der"]).is_verified());
}

#[test]
fn a_signer_may_be_named_by_its_key() {
    let signer = match judge("key-id", &["rsa2048.der", "p256.der"]) {
        Verdict::Verified { signer, certificate, .. } if certificate == "p256.der" => signer,
        other => panic!("{other:?}"),
    };
    assert_eq!((&*signer.name, signer.key.len()), ("", 20 * 3 - 1));
    assert!(matches!(judge("key-id", &["rsa2048.der"]), Verdict::UnknownKey { .. }));
}

/// As in Linux: a signer that is not known is passed over, one whose signature is wrong is not.
#[test]
fn one_known_signer_of_several_is_enough() {
    for trusted in [&["p256.der"][..], &["rsa2048.der"], &["p256.der", "rsa2048.der"]] {
        assert!(judge("two", trusted).is_verified(), "{trusted:?}");
    }
    assert!(matches!(judge("two", &["p384.der"]), Verdict::UnknownKey { .. }));
    assert!(matches!(judge("two", &["same-name.pem", "rsa2048.der"]), Verdict::BadSignature { .. }));
}

/// Nothing keeps two certificates from having one name and number.
#[test]
fn certificates_of_one_name_are_all_tried() {
    for trusted in [["same-name.pem", "p256.der"], ["p256.der", "same-name.pem"]] {
        assert!(judge("p256-sha256", &trusted).is_verified());
    }
    assert!(matches!(judge("p256-sha256", &["same-name.pem"]), Verdict::BadSignature { .. }));
}

#[test]
fn several_certificates_may_be_in_one_text() {
    let text = [b"Some words.\r\n", &data("same-name.pem")[..], b"\n\nMore.\n", &data("same-name.pem")].concat();
    let certificates = Certificates::read([("all.pem", &text[..])]);
    assert!(certificates.unusable().is_empty());
    assert!(matches!(verify(&signed("p256-sha256"), &certificates, b""), Verdict::BadSignature { .. }));
    for wrong in [&text[..text.len() - 40], b"-----BEGIN CERTIFICATE-----", b"", b"-----BEGIN PUBLIC KEY-----\n"] {
        let certificates = Certificates::read([("wrong.pem", wrong)]);
        assert_eq!(certificates.unusable().len(), 1);
        // Where it matters, the message says so.
        let verdict = verify(&signed("p256-sha256"), &certificates, b"");
        assert!(verdict.to_string().contains("no certificates: wrong.pem ("), "{verdict}");
    }
}

/// The end of the validity is only told.
#[test]
fn an_expired_certificate_verifies() {
    let verdict = judge("expired", &["expired.der"]);
    assert!(verdict.is_verified() && verdict.expired(4_000_000_000).is_some(), "{verdict:?}");
}

#[test]
fn the_kernels_keys_explain_an_unknown_one() {
    let Verdict::UnknownKey { signer: Signer { key, .. }, .. } = judge("key-id", &[]) else { panic!() };
    let id = key.replace(':', "").to_lowercase();
    let line = |name: &str, id: &str| {
        format!("1e9f8c6b I------     1 perm 1f030000     0     0 asymmetri {name}: {id}: X509.rsa {id} []\n")
    };
    let keys = format!(
        "0a1b2c3d I--Q---     4 perm 3f030000     0 65534 keyring   _ses: 1\n{}{}\n\u{fffd}\n",
        line("relobox: Test key rsa2048", "aabb"),
        line("Somebody: Else", &id),
    );
    let known = |name: &str| match verify(&signed(name), &trusting(&[]), keys.as_bytes()) {
        Verdict::UnknownKey { in_kernel, .. } => in_kernel,
        other => panic!("{other:?}"),
    };
    assert_eq!(known("key-id"), Some(format!("Somebody: Else: {id}")));
    assert_eq!(known("rsa2048-sha256").as_deref(), Some("relobox: Test key rsa2048: aabb"));
    assert_eq!(known("p384-sha256"), None);
}
