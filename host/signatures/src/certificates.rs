//! The certificates that the caller trusts, and what the kernel says of its own.

use cms::signed_data::SignerIdentifier;
use der::Decode as _;
use relobox_core::text::hex;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectKeyIdentifier;

/// The start of a certificate in text form.
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The end of one.
const PEM_END: &[u8] = b"-----END CERTIFICATE-----";

/// How /proc/keys abbreviates the type of public keys.
const ASYMMETRIC: &str = "asymmetri";

/// Trusted certificates.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    trusted: Vec<Trusted>,
    unusable: Vec<String>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Trusted {
    /// The path of its file.
    pub(crate) file: String,
    pub(crate) certificate: Certificate,
}

impl Certificates {
    /// Reads the contents of files, each with its path. A file has one certificate as DER, or any number as PEM, with any
    /// text around them.
    #[must_use]
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let (mut all, mut unusable) = (Vec::new(), Vec::new());
        for (file, bytes) in files {
            match certificates(bytes) {
                Ok(some) => {
                    let trusted = |certificate| Trusted { file: file.to_owned(), certificate };
                    all.extend(some.into_iter().map(trusted));
                }
                Err(error) => unusable.push(format!("{file} ({error})")),
            }
        }
        Self { trusted: all, unusable }
    }

    /// The files that are no certificates: path and reason.
    #[must_use]
    pub fn unusable(&self) -> &[String] {
        &self.unusable
    }

    /// Those that a message may mean by `signer`. There may be several: nothing keeps two from having one number.
    pub(crate) fn of<'a>(&'a self, signer: &'a SignerIdentifier) -> impl Iterator<Item = &'a Trusted> {
        self.trusted.iter().filter(move |trusted| is_of(&trusted.certificate, signer))
    }
}

fn certificates(bytes: &[u8]) -> der::Result<Vec<Certificate>> {
    let mut all = Vec::new();
    let mut rest = bytes;
    while let Some(at) = find(rest, PEM) {
        rest = &rest[at..];
        let end = find(rest, PEM_END).map_or(rest.len(), |at| at + PEM_END.len());
        let (text, after) = rest.split_at(end);
        let (_, der) = der::pem::decode_vec(text)?;
        all.push(Certificate::from_der(&der)?);
        rest = after;
    }
    if all.is_empty() {
        all.push(Certificate::from_der(bytes)?);
    }
    Ok(all)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn is_of(certificate: &Certificate, signer: &SignerIdentifier) -> bool {
    let own = certificate.tbs_certificate();
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(by) => {
            *own.issuer() == by.issuer && *own.serial_number() == by.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            matches!(own.get_extension::<SubjectKeyIdentifier>(), Ok(Some((_, own))) if own == *id)
        }
    }
}

/// What the kernel calls a key that a message may mean by `signer`: one with this identifier, or, since a serial number is
/// none, one whose name ends with that of the issuer. `keys` is the text of /proc/keys.
pub(crate) fn in_kernel(keys: &[u8], signer: &SignerIdentifier, name: &str) -> Option<String> {
    let keys = String::from_utf8_lossy(keys);
    let described = keys.lines().filter_map(|line| {
        // Identifier, flags, uses, expiry, permissions, owner, group, type, description.
        let mut rest = line.trim_start();
        for _ in 0..7 {
            rest = rest.split_once(' ')?.1.trim_start();
        }
        let (kind, description) = rest.split_once(' ')?;
        // Behind the description stand ": " and what kind of key it is.
        let description = description.rsplit_once(": X509.").map_or(description, |(name, _)| name);
        (kind == ASYMMETRIC).then_some(description.trim())
    });
    let id = match signer {
        SignerIdentifier::SubjectKeyIdentifier(id) => hex(id.0.as_bytes()),
        SignerIdentifier::IssuerAndSerialNumber(by) => hex(by.serial_number.as_bytes()),
    };
    let mut described = described;
    let is_it = |description: &&str| match description.rsplit_once(": ") {
        Some((_, own)) if own == id => true,
        Some((own, _)) => !name.is_empty() && own.ends_with(name),
        None => false,
    };
    described.find(is_it).map(str::to_owned)
}
