//! Signatures are judged before a module is linked, in a process without rights. This one asks, and decides.

use relobox_core::error::{Error, Result};
use relobox_core::inserted::Inserted;
use relobox_core::keys::Trust;
use relobox_core::signature::{Policy, Verdict};
use relobox_isolate::{Checked, Linker};
use serde::Serialize;
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

/// A module that the policy allows to be linked.
pub(crate) struct Judged {
    /// Its bytes, a sealed memfd: those that were judged, if they were.
    pub(crate) file: OwnedFd,
    /// True if they are compressed.
    pub(crate) packed: bool,
    /// What came of the check, if there was one.
    pub(crate) verdict: Option<Verdict>,
}

/// Has the signature of the module in `file` judged, unless the policy is [`Policy::Off`]. A packed module is used unpacked
/// from then on: its signature is that of the unpacked bytes.
///
/// # Errors
/// [`Error::Module`] if the policy is [`Policy::Require`] and no trusted key has signed the module. As
/// [`Linker::check`].
pub(crate) fn judge(linker: &Linker, name: &str, file: OwnedFd, packed: bool, trust: &Trust) -> Result<Judged> {
    if trust.policy == Policy::Off {
        return Ok(Judged { file, packed, verdict: None });
    }
    let Checked { file, verdict } = linker.check(name, file, packed, &trust.keys)?;
    permit(trust.policy, name, &verdict)?;
    Ok(Judged { file, packed: false, verdict: Some(verdict) })
}

/// Checks that the policy allows a module with this verdict.
///
/// # Errors
/// [`Error::Module`] if it does not.
pub fn permit(policy: Policy, name: &str, verdict: &Verdict) -> Result<()> {
    match verdict.problem(name).filter(|_| policy == Policy::Require) {
        Some(problem) => Err(Error::Module(vec![problem])),
        None => Ok(()),
    }
}

/// What the policy [`Policy::Warn`] says of a module that is live.
#[must_use]
pub fn warnings(name: &str, inserted: &Inserted) -> Vec<String> {
    inserted.signature.iter().filter_map(|verdict| told(name, verdict)).collect()
}

/// The warning about a verdict that the policy allows nevertheless.
#[must_use]
pub fn told(name: &str, verdict: &Verdict) -> Option<String> {
    verdict.problem(name).map(|problem| problem.to_string())
}

/// The notice that a verified signature is by a certificate that has expired. It does not matter to Linux.
#[must_use]
pub fn expired(name: &str, verdict: &Verdict) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    verdict.expired(now).map(|text| format!("{name}: {text}"))
}

/// A verdict in the output of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct SignatureJson<'a> {
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a str>,
    text: String,
}

impl<'a> SignatureJson<'a> {
    pub(crate) fn of(verdict: &'a Verdict) -> Self {
        Self { verified: verdict.is_verified(), certificate: verdict.certificate(), text: verdict.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_core::signature::Signer;

    #[test]
    fn only_require_refuses_and_only_what_is_not_verified() {
        let signer = Signer::default();
        let verified = Verdict::Verified { signer, certificate: "/keys/me.der".into(), until: u64::MAX };
        for policy in [Policy::Off, Policy::Warn, Policy::Require] {
            assert!(permit(policy, "m.ko", &verified).is_ok());
            let refused = permit(policy, "m.ko", &Verdict::Unsigned).err();
            assert_eq!(refused.is_some(), policy == Policy::Require);
            if let Some(error) = refused {
                assert!(matches!(&error, Error::Module(problems) if problems[0].kind == "unsigned"), "{error}");
                assert_eq!(error.exit_code(), 1);
            }
        }
        assert_eq!(told("m.ko", &verified), None);
        assert!(told("m.ko", &Verdict::Unsigned).unwrap().starts_with("m.ko: it is not signed"));
        let old = Verdict::Verified { signer: Signer::default(), certificate: "/keys/old.der".into(), until: 1 };
        assert_eq!(told("m.ko", &old), None);
        assert!(expired("m.ko", &old).unwrap().starts_with("m.ko: /keys/old.der expired "));
        assert_eq!(expired("m.ko", &verified), None);
    }
}
