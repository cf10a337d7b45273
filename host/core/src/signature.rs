//! Signatures of modules, as data: what is done about them, which certificates are trusted, and what came of a check.
//!
//! Nothing here parses a signature or a certificate; `relobox-signatures` does, in a process without rights.

use crate::diagnostic::{Diagnostic, some_of};
use crate::error::{Error, Result};
use crate::limits;
use crate::text::Escaped;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is done about signatures of modules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// relobox verifies none. A kernel that wants signatures judges them itself.
    #[default]
    Off,
    /// A module without a verified signature is reported, and used.
    Warn,
    /// Only modules with a verified signature are used.
    Require,
}

impl Policy {
    /// The words for the policies, in their order.
    pub const NAMES: [&str; 3] = ["off", "warn", "require"];
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "off" => Ok(Self::Off),
            "warn" => Ok(Self::Warn),
            "require" => Ok(Self::Require),
            other => Err(Error::Usage(format!("'{other}' is none of {}", Self::NAMES.join(", ")))),
        }
    }
}

/// Who signed a module, as the signature says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// The common name of the certificate's issuer, or the last part of its name. Empty if only the key is named.
    pub name: String,
    /// The certificate's serial number, or the identifier of its key: bytes as `01:AF`.
    pub key: String,
    /// The digest algorithm, as OpenSSL calls it, or its OID.
    pub hash: String,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("signed")?;
        if !self.name.is_empty() {
            write!(f, " by '{}'", Escaped(&self.name))?;
        }
        write!(f, " with key {} and {}", Escaped(&self.key), Escaped(&self.hash))
    }
}

/// What came of the check of a module's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// No signature is appended.
    Unsigned,
    /// The signature is that of a trusted key, and of these bytes.
    Verified {
        /// Who signed.
        signer: Signer,
        /// The path of the certificate's file.
        certificate: String,
        /// The end of the certificate's validity, in seconds since 1970. Linux does not look at it, and relobox does
        /// not, either.
        until: u64,
    },
    /// There is no certificate for the key.
    UnknownKey {
        /// Who signed.
        signer: Signer,
        /// What the kernel's keyrings call a key of this name or identifier, if they have one.
        in_kernel: Option<String>,
        /// The paths of files that should be certificates and are none; each with the reason.
        unusable: Vec<String>,
    },
    /// The signature is that of the key, but of other bytes: the file was changed.
    BadDigest {
        /// Who signed.
        signer: Signer,
        /// The path of the certificate's file.
        certificate: String,
    },
    /// The signature is not of these bytes by this key.
    BadSignature {
        /// Who signed.
        signer: Signer,
        /// The path of the certificate's file.
        certificate: String,
    },
    /// The signature cannot be read; and why.
    Malformed(String),
    /// The signature is of a kind that is not supported; and which.
    Unsupported(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str("it is not signed"),
            Self::Verified { signer, certificate, .. } => {
                write!(f, "{signer}; verified by {}", Escaped(certificate))
            }
            Self::UnknownKey { signer, in_kernel, unusable } => {
                write!(f, "{signer}, for which there is no certificate")?;
                if let Some(name) = in_kernel {
                    write!(f, "; the kernel has a key of that name: {}", Escaped(name))?;
                }
                match unusable[..] {
                    [] => Ok(()),
                    _ => write!(f, "; these are no certificates: {}", Escaped(some_of(unusable))),
                }
            }
            Self::BadDigest { signer, certificate } => {
                write!(f, "{signer}, but changed since: {} verifies other bytes", Escaped(certificate))
            }
            Self::BadSignature { signer, certificate } => {
                write!(f, "{signer}, but {} does not verify it", Escaped(certificate))
            }
            Self::Malformed(why) => write!(f, "its signature is malformed: {}", Escaped(why)),
            Self::Unsupported(what) => write!(f, "its signature is not supported: {}", Escaped(what)),
        }
    }
}

impl Verdict {
    /// True if a trusted key signed the module.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        matches!(self, Self::Verified { .. })
    }

    /// The path of the certificate that was used.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        match self {
            Self::Verified { certificate, .. }
            | Self::BadDigest { certificate, .. }
            | Self::BadSignature { certificate, .. } => Some(certificate),
            _ => None,
        }
    }

    /// A stable word for it: the kind of its diagnostic, or `verified`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Verified { .. } => "verified",
            Self::UnknownKey { .. } => "unknown-key",
            Self::BadDigest { .. } => "bad-digest",
            Self::BadSignature { .. } => "bad-signature",
            Self::Malformed(_) => "malformed-signature",
            Self::Unsupported(_) => "unsupported-signature",
        }
    }

    /// The diagnostic about the module in `file`. `None` if its signature is verified.
    #[must_use]
    pub fn problem(&self, file: &str) -> Option<Diagnostic> {
        let hint = match self {
            Self::Verified { .. } => return None,
            Self::Unsigned => "only signed modules are wanted here; scripts/sign-file of Linux signs one",
            Self::UnknownKey { .. } => "if you trust its signer, put the certificate into a directory of keys",
            Self::BadDigest { .. } | Self::BadSignature { .. } => {
                "install the module anew; strip it before it is signed"
            }
            Self::Malformed(_) | Self::Unsupported(_) => "",
        };
        Some(Diagnostic::new(self.kind(), file, self.to_string()).hint(hint))
    }

    /// Says that the certificate's validity was over at `now`, in seconds since 1970.
    #[must_use]
    pub fn expired(&self, now: u64) -> Option<String> {
        match self {
            Self::Verified { certificate, until, .. } if *until < now => {
                let days = (now - until) / (24 * 60 * 60);
                let certificate = Escaped(certificate);
                Some(format!("{certificate} expired {days} days ago; as Linux, relobox accepts its signatures"))
            }
            _ => None,
        }
    }

    /// The same, with texts of limited length.
    #[must_use]
    pub fn cut(self) -> Self {
        let cut = |text: String| match text.char_indices().nth(limits::TEXT) {
            Some((at, _)) => text[..at].to_owned(),
            None => text,
        };
        let signer = |Signer { name, key, hash }: Signer| Signer { name: cut(name), key: cut(key), hash: cut(hash) };
        match self {
            Self::Unsigned => self,
            Self::Verified { signer: who, certificate, until } => {
                Self::Verified { signer: signer(who), certificate, until }
            }
            Self::UnknownKey { signer: who, in_kernel, unusable } => Self::UnknownKey {
                signer: signer(who),
                in_kernel: in_kernel.map(cut),
                unusable: unusable.into_iter().take(limits::NAMED + 1).map(cut).collect(),
            },
            Self::BadDigest { signer: who, certificate } => Self::BadDigest { signer: signer(who), certificate },
            Self::BadSignature { signer: who, certificate } => Self::BadSignature { signer: signer(who), certificate },
            Self::Malformed(why) => Self::Malformed(cut(why)),
            Self::Unsupported(what) => Self::Unsupported(cut(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_policies_and_no_others_are() {
        let policies = Policy::NAMES.map(|name| name.parse::<Policy>().unwrap());
        assert_eq!(policies, [Policy::Off, Policy::Warn, Policy::Require]);
        for wrong in ["", "Require", "required", "off "] {
            assert!(wrong.parse::<Policy>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_a_verified_signature_is_no_problem() {
        let signer = Signer { name: "Me\n".into(), key: "01:AF".into(), hash: "sha256".into() };
        let certificate = "/etc/relobox/keys/me.der".to_owned();
        let verified = Verdict::Verified { signer: signer.clone(), certificate: certificate.clone(), until: 86_400 };
        assert_eq!((verified.problem("m.ko"), verified.is_verified()), (None, true));
        assert_eq!(verified.expired(86_400), None);
        assert!(verified.expired(4 * 86_400).unwrap().contains("expired 3 days ago"));
        let mut kinds = Vec::new();
        for verdict in [
            Verdict::Unsigned,
            Verdict::UnknownKey {
                signer: signer.clone(),
                in_kernel: Some("x".into()),
                unusable: vec!["a".into(); 100],
            },
            Verdict::BadDigest { signer: signer.clone(), certificate: certificate.clone() },
            Verdict::BadSignature { signer, certificate },
            Verdict::Malformed("x".repeat(1000)),
            Verdict::Unsupported("sha1".into()),
        ] {
            let problem = verdict.problem("m.ko").unwrap();
            assert!(!verdict.is_verified() && verdict.expired(u64::MAX).is_none());
            assert!(!problem.to_string().contains('\n'), "{problem}");
            assert!(verdict.cut().to_string().len() < 2 * limits::TEXT);
            kinds.push(problem.kind);
        }
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 6);
    }
}
