//! The jobs before a link: one unpacks the module, and one judges its signature. Neither is the job that links it.
//!
//! The job that judges runs no guest, and gets the module as bytes that nothing has parsed. What a packed module unpacks to
//! is what is judged, linked and loaded from then on. So the job that unpacks it need not be believed.

use crate::indices::{KeysForm, Step};
use crate::linker::Linker;
use crate::message::{Job, Name, Request};
use crate::serve;
use crate::wire::{self, Buffers};
use relobox_core::error::{Error, Result};
use relobox_core::keys::Keys;
use relobox_core::linker_error::LinkerError;
use relobox_core::signature::Verdict;
use relobox_core::{limits, memfd};
use std::os::fd::{AsFd as _, OwnedFd};

/// A module whose signature was judged.
#[derive(Debug)]
pub struct Checked {
    /// Its bytes, unpacked: a sealed memfd.
    pub file: OwnedFd,
    /// What came of it.
    pub verdict: Verdict,
}

impl Linker {
    /// Judges the signature of the module in `file`, a sealed memfd, by these certificates. `packed` says that the file is
    /// compressed. `name` is for messages.
    ///
    /// # Errors
    /// [`Error::Reported`] if it cannot be unpacked, [`Error::Guest`] and [`Error::Linker`] if the process fails.
    pub fn check(&self, name: &str, file: OwnedFd, packed: bool, keys: &Keys) -> Result<Checked> {
        let file = if packed { self.unpack(name, &file)? } else { file };
        let (form, text) = keys_form(keys)?;
        let job = Job::Verify { len: wire::sealed_len(&file)?, keys: form };
        let (socket, buffers) = self.job(&job, &[file.as_fd(), text.as_fd()])?;
        let verdict = match self.step(&socket, &buffers)? {
            Step::Judged(verdict) => verdict.cut(),
            _ => return Err(LinkerError::Protocol("it did not judge the signature").into()),
        };
        if verdict.certificate().is_some_and(|used| !keys.files.iter().any(|(path, _)| path == used)) {
            return Err(LinkerError::Protocol("it judged by a certificate that it was not given").into());
        }
        Ok(Checked { file, verdict })
    }

    fn unpack(&self, name: &str, file: &OwnedFd) -> Result<OwnedFd> {
        let job = Job::Unpack { name: name.to_owned(), len: wire::sealed_len(file)? };
        let (socket, buffers) = self.job(&job, &[file.as_fd()])?;
        let Step::Read(bytes) = self.step(&socket, &buffers)? else {
            return Err(LinkerError::Protocol("it did not unpack the module").into());
        };
        // As large as any module that is not packed.
        if bytes > limits::UNPACKED {
            return Err(LinkerError::TooLong { limit: limits::UNPACKED }.into());
        }
        memfd::cut(buffers.file.as_fd(), bytes).map_err(|_| LinkerError::Protocol("its buffer is still in use").into())
    }

    /// The one step of such a job.
    fn step(&self, socket: &OwnedFd, buffers: &Buffers) -> Result<Step> {
        match serve::next(socket, buffers, limits::SILENCE).map_err(|fault| self.failed(fault.into()))? {
            Request::Step(step, _) => Ok(*step),
            Request::Answer(answer) => {
                let lie = || Error::from(LinkerError::Protocol("it answered as if it had linked a module"));
                Err(self.failed(answer.error().unwrap_or_else(lie)))
            }
            _ => Err(LinkerError::Protocol("it asked for a kernel").into()),
        }
    }
}

/// The form of certificates, and the text with their bytes.
///
/// # Errors
/// If the kernel has no memory for it.
pub fn keys_form(keys: &Keys) -> Result<(KeysForm, OwnedFd), LinkerError> {
    let files = keys.files.iter().map(|(path, bytes)| (Name::new(path.as_bytes()), bytes.len() as u64));
    let form = KeysForm { files: files.collect(), kernel: keys.kernel.len() as u64 };
    let bytes = keys.files.iter().map(|(_, bytes)| &bytes[..]).chain([&keys.kernel[..]]);
    let text = wire::blob(&bytes.collect::<Vec<_>>().concat())?;
    Ok((form, text))
}
