//! The parent's side of a job that loads nothing: of depmod, of modinfo, or of a library's question.

use crate::indices::{Said, Step};
use crate::linker::Linker;
use crate::message::{Answer, Job, Request};
use crate::serve;
use crate::wire::{self, Buffers};
use relobox_core::error::Result;
use relobox_core::linker_error::LinkerError;
use relobox_core::{limits, memfd};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use serde::Serialize;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A job that loads nothing.
pub struct IndexJob {
    socket: OwnedFd,
    buffers: Buffers,
}

impl Linker {
    /// Starts a job. `fds` are the packet's other descriptors.
    ///
    /// # Errors
    /// If the process cannot be started, or has ended.
    pub fn index_job(&self, job: &Job, fds: &[BorrowedFd<'_>]) -> Result<IndexJob> {
        let (socket, buffers) = self.job(job, fds)?;
        // A process that does not read its messages must not hold this one.
        let patience = Some(Duration::from_secs(limits::SILENCE));
        set_socket_timeout(&socket, Timeout::Send, patience).map_err(LinkerError::step("make a socket"))?;
        Ok(IndexJob { socket, buffers })
    }

    /// Has a job of its own answer a question of `relobox-questions`, as JSON. `fds` are the files that it is about. What
    /// belongs to the answer is the [output](IndexJob::output) of the job.
    ///
    /// # Errors
    /// [`Error::Reported`](relobox_core::Error::Reported) if the module is at fault; else as [`Linker::insmod`].
    pub fn ask(&self, question: String, fds: &[BorrowedFd<'_>]) -> Result<(String, IndexJob)> {
        let job = self.index_job(&Job::Ask(question), fds)?;
        let error = match serve::next(&job.socket, &job.buffers, limits::SILENCE) {
            Ok(Request::Told(text)) => return Ok((text, job)),
            Ok(Request::Answer(answer)) => answer.error(),
            Ok(_) => None,
            Err(fault) => Some(self.explain(fault)),
        };
        Err(error.unwrap_or_else(|| LinkerError::Protocol("it did not answer the question").into()))
    }
}

impl IndexJob {
    /// Sends the next message.
    ///
    /// # Errors
    /// If the process has ended, or does not read its messages.
    pub fn send(&self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> Result<(), LinkerError> {
        match wire::send(self.socket.as_fd(), message, fds) {
            // It may have said why.
            Err(LinkerError::Gone) => Err(self.next().err().unwrap_or(LinkerError::Gone)),
            other => other,
        }
    }

    /// Receives the next step, and what is said before it.
    ///
    /// # Errors
    /// If the process fails, is silent for too long, or says something else.
    pub fn next(&self) -> Result<(Step, Vec<Said>), LinkerError> {
        match serve::next(&self.socket, &self.buffers, limits::SILENCE)? {
            Request::Step(step, said) => Ok((*step, said)),
            Request::Answer(answer) => match *answer {
                Answer::Failed(text) => Err(LinkerError::Failed(text)),
                _ => Err(LinkerError::Protocol("it answered as if it had linked a module")),
            },
            _ => Err(LinkerError::Protocol("it asked for a kernel")),
        }
    }

    /// The output, whose parts have these sizes in bytes.
    ///
    /// # Errors
    /// If there are more than `most` parts, or more than [`limits::INDICES`] bytes.
    pub fn output(&self, sizes: &[u64], most: usize) -> Result<Vec<Vec<u8>>, LinkerError> {
        let sum = sizes.iter().try_fold(0u64, |sum, size| sum.checked_add(*size));
        let Some(sum) = sum.filter(|sum| *sum <= limits::INDICES && sizes.len() <= most) else {
            return Err(LinkerError::TooLong { limit: limits::INDICES });
        };
        let bytes = wire::read_buffer(self.buffers.file.as_fd(), sum, limits::LINKED)?;
        let mut rest = &bytes[..];
        let part = |size: &u64| {
            let (part, after) = rest.split_at_checked(*size as usize).unwrap_or((rest, &[]));
            rest = after;
            part.to_vec()
        };
        Ok(sizes.iter().map(part).collect())
    }

    /// Takes the first `bytes` bytes of the buffer, for another job. Nothing can change them any more.
    ///
    /// # Errors
    /// If there are not so many.
    pub fn reading(self, bytes: u64) -> Result<OwnedFd, LinkerError> {
        if bytes > limits::LINKED {
            return Err(LinkerError::TooLong { limit: limits::LINKED });
        }
        memfd::cut(self.buffers.file.as_fd(), bytes).map_err(|_| LinkerError::Protocol("its buffer is still in use"))
    }
}
