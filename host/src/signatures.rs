//! Signatures of modules that are linked in this process: they are judged before anything else looks at the module.
//!
//! For this machine's kernel, `relobox-linker` judges them.

use crate::guests::Guests;
use crate::keys::{Keys, Trust};
use crate::open::{Source, whole};
use crate::signature::{Policy, Verdict};
use relobox_core::error::Result;
use relobox_kmod::signatures::permit;
use relobox_signatures::{Certificates, verify};
use std::path::Path;

/// A policy, and certificates that were read.
#[derive(Debug, Default)]
pub struct Verifier {
    policy: Policy,
    certificates: Certificates,
    kernel: Vec<u8>,
}

impl Verifier {
    /// Reads the certificates of `trust`.
    #[must_use]
    pub fn new(trust: &Trust) -> Self {
        let Trust { policy, keys: Keys { files, kernel } } = trust;
        let certificates = Certificates::read(files.iter().map(|(path, bytes)| (&**path, &bytes[..])));
        Self { policy: *policy, certificates, kernel: kernel.clone() }
    }

    /// The files that should be certificates and are none: path and reason.
    #[must_use]
    pub fn unusable(&self) -> &[String] {
        self.certificates.unusable()
    }

    /// Opens a module, and judges its signature unless the policy is [`Policy::Off`]. What is returned then is unpacked: the
    /// bytes that were judged.
    ///
    /// # Errors
    /// As [`Source::open`] and [`whole`]. [`Error::Module`](crate::Error::Module) if the policy does not allow the module.
    pub fn open(&self, guests: &Guests, path: &Path) -> Result<(Source, Option<Verdict>)> {
        let source = Source::open(path)?;
        if self.policy == Policy::Off {
            return Ok((source, None));
        }
        let name = path.display().to_string();
        let bytes = whole(guests, &name, source)?;
        let verdict = verify(&bytes, &self.certificates, &self.kernel);
        permit(self.policy, &name, &verdict)?;
        Ok((Source::Bytes(bytes), Some(verdict)))
    }
}
