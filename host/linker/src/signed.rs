//! The jobs before a link: one unpacks a module, and one judges its signature.

use crate::parent::{Parent, text};
use cap_std::fs::File;
use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use relobox_core::signature::Verdict;
use relobox_depmod::log::Log;
use relobox_isolate::indices::{KeysForm, Step};
use relobox_isolate::message::{Answer, Request};
use relobox_isolate::wire::{send_to_parent, write_buffer};
use relobox_link::guests::Guests;
use relobox_link::stages::open::{Source, unpack};
use relobox_signatures::{Certificates, verify};
use std::os::fd::{AsFd as _, OwnedFd};

/// Certificates, and what the kernel says of its own keys.
pub(super) struct Keys {
    certificates: Certificates,
    kernel: Vec<u8>,
}

impl Keys {
    /// Splits the text that the parent has sent.
    pub(super) fn read(form: &KeysForm, bytes: &OwnedFd) -> Result<Self, LinkerError> {
        let sizes = form.files.iter().map(|(_, len)| *len).chain([form.kernel]);
        let len = sizes.fold(0u64, u64::saturating_add);
        let bytes = text(bytes, len)?;
        let (mut rest, mut files) = (&bytes[..], Vec::new());
        for (name, len) in &form.files {
            let (file, after) = rest.split_at_checked(*len as usize).unwrap_or((rest, &[]));
            files.push((String::from_utf8_lossy(&name.bytes()?).into_owned(), file));
            rest = after;
        }
        let certificates = Certificates::read(files.iter().map(|(name, file)| (&**name, *file)));
        Ok(Self { certificates, kernel: rest.to_vec() })
    }

    /// Judges the signature of an unpacked module.
    pub(super) fn judge(&self, module: &[u8]) -> Verdict {
        verify(module, &self.certificates, &self.kernel)
    }
}

/// Unpacks a module into the buffer for files.
pub(super) fn unpacked(
    guests: &Guests,
    parent: &Parent<'_>,
    name: &str,
    len: u64,
    file: OwnedFd,
) -> Result<(), LinkerError> {
    let source = Source::File(File::from_std(file.into()), len);
    match unpack(guests, name, source, limits::UNPACKED) {
        Ok(bytes) => {
            write_buffer(parent.buffers.file.as_fd(), &bytes, limits::LINKED)?;
            parent.step(Step::Read(bytes.len() as u64), &mut Log::default())
        }
        Err(error) => {
            let request = Request::Answer(Box::new(Answer::failed(error)));
            send_to_parent(parent.socket.as_fd(), parent.buffers.messages.as_fd(), &request)
        }
    }
}

/// Judges the signature of a module. No guest runs in this job.
pub(super) fn judged(parent: &Parent<'_>, len: u64, keys: &KeysForm, files: &[OwnedFd]) -> Result<(), LinkerError> {
    let [file, certificates] = files else {
        return Err(LinkerError::Protocol("a signature without its module"));
    };
    let verdict = Keys::read(keys, certificates)?.judge(&text(file, len)?);
    parent.step(Step::Judged(verdict), &mut Log::default())
}
