//! The parent, as the jobs of depmod, of modinfo and of signatures see it.

use cap_std::fs::File;
use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use relobox_depmod::log::Log;
use relobox_isolate::indices::{Batch, ModuleForm, Said, Step};
use relobox_isolate::message::{Name, Request};
use relobox_isolate::wire::{Buffers, Received, decode, receive, send_to_parent, write_buffer};
use relobox_link::stages::open::Source;
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd as _, OwnedFd};

/// The parent, as such a job sees it.
pub(super) struct Parent<'a> {
    pub(super) socket: &'a OwnedFd,
    pub(super) buffers: &'a Buffers,
}

impl Parent<'_> {
    pub(super) fn receive<T: DeserializeOwned>(&self) -> Result<(T, Vec<OwnedFd>), LinkerError> {
        match receive(self.socket.as_fd())? {
            Received::Message(body, fds) => Ok((decode(&body)?, fds)),
            Received::Ended(_) | Received::Closed => Err(LinkerError::Gone),
        }
    }

    pub(super) fn step(&self, step: Step, log: &mut Log) -> Result<(), LinkerError> {
        let said = log.take().into_iter().map(|(level, text)| Said(level as u8, Name::new(&text))).collect();
        let request = Request::Step(Box::new(step), said);
        send_to_parent(self.socket.as_fd(), self.buffers.messages.as_fd(), &request)
    }

    /// Writes the parts of the output to the buffer.
    pub(super) fn output(&self, parts: &[Vec<u8>], good: bool, log: &mut Log) -> Result<(), LinkerError> {
        write_buffer(self.buffers.file.as_fd(), &parts.concat(), limits::LINKED)?;
        self.step(Step::Output(parts.iter().map(|part| part.len() as u64).collect(), good), log)
    }

    /// The modules of the next batch: number, path, and file, or the number of the error of one that cannot be opened.
    pub(super) fn batch(&self) -> Result<Vec<(u32, Vec<u8>, Result<Source, u32>)>, LinkerError> {
        let (Batch(modules), fds) = self.receive()?;
        let mut fds = fds.into_iter();
        let mut one = |form: ModuleForm| {
            let file = match (form.error, form.error == 0) {
                (_, true) => {
                    let fd = fds.next().ok_or(LinkerError::Protocol("a batch without its files"))?;
                    Ok(Source::File(File::from_std(fd.into()), form.len))
                }
                (error, false) => Err(error),
            };
            Ok((form.number, form.path.map_or(Ok(Vec::new()), |path| path.bytes())?, file))
        };
        modules.into_iter().map(&mut one).collect()
    }
}

/// Reads a text that the parent has sent.
pub(super) fn text(file: &OwnedFd, len: u64) -> Result<Vec<u8>, LinkerError> {
    if len > limits::LINKED {
        return Err(LinkerError::TooLong { limit: limits::LINKED });
    }
    let mut bytes = vec![0; len as usize];
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::pread(file, &mut bytes[done..], done as u64) {
            Ok(0) => return Err(LinkerError::Protocol("a text that is shorter than its length")),
            Ok(n) => done += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(LinkerError::Malformed(e.to_string())),
        }
    }
    Ok(bytes)
}
