//! The kernel as the linking process sees it: each call is a request to the parent.

use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use relobox_core::kernel::{Kernel, KernelError, Listing, Load, Loaded, Module, Protection, Request as Space};
use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use relobox_isolate::message::{LoadForm, Name, Request};
use relobox_isolate::wire::{self, Received, decode, send_to_parent, write_buffer};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::Seek as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// A kernel at the other end of a socket.
pub(super) struct Proxy<'a> {
    pub(super) socket: &'a OwnedFd,
    /// The name of the module's file, for messages.
    pub(super) name: &'a str,
    /// The buffers for long messages and for numbers; see [`Buffers`](relobox_isolate::wire::Buffers).
    pub(super) messages: BorrowedFd<'a>,
    pub(super) numbers: BorrowedFd<'a>,
    /// The buffer for bytes of areas, until the module's file is written to it.
    pub(super) file: Option<OwnedFd>,
    /// The number of bytes of that file.
    pub(super) written: u64,
}

impl Proxy<'_> {
    fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, KernelError> {
        let answer = || {
            send_to_parent(self.socket.as_fd(), self.messages, request)?;
            match wire::receive(self.socket.as_fd())? {
                Received::Message(body, _) => decode::<Result<T, KernelError>>(&body),
                Received::Ended(_) | Received::Closed => Err(LinkerError::Gone),
            }
        };
        answer().map_err(|fault| KernelError::Unreachable(format!("the privileged process {fault}")))?
    }
}

impl Kernel for Proxy<'_> {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        let names = wanted.map(|names| names.iter().map(|name| Name::new(name)).collect());
        self.ask(&Request::List(names))
    }

    /// Always fails: the parent asks the kernel itself.
    fn modules(&mut self) -> Result<Vec<Module>, KernelError> {
        Err(KernelError::NotAllowed("the linking process lists once".into()))
    }

    fn allocate(&mut self, areas: &[Space]) -> Result<Vec<u64>, KernelError> {
        self.ask(&Request::Allocate(areas.to_vec()))
    }

    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), KernelError> {
        let buffer = self.file.as_ref().ok_or_else(|| KernelError::Refused("its buffer has a file already".into()))?;
        write_buffer(buffer.as_fd(), bytes, limits::LINKED).map_err(here)?;
        self.ask(&Request::Put(address, bytes.len() as u64))
    }

    fn protect(&mut self, area: u64, protection: Protection) -> Result<(), KernelError> {
        self.ask(&Request::Protect(area, protection))
    }

    /// Writes to the buffer that the parent has made, and which the parent will seal.
    fn file(&mut self, write: &mut dyn FnMut(&mut File) -> Result<()>) -> Result<OwnedFd> {
        let io = |error| Error::io("memfd")(error);
        let buffer =
            self.file.take().ok_or_else(|| io(std::io::Error::other("there is no buffer for a second file")))?;
        let mut file = File::from(buffer);
        file.rewind().map_err(io)?;
        write(&mut file).map_err(|error| match error {
            Error::Io { source, .. } if source.raw_os_error() == Some(libc::EPERM) => {
                let text = format!("the relocated file has more than {} bytes", limits::LINKED);
                Diagnostic::new("linked-too-large", self.name, text).into()
            }
            error => error,
        })?;
        self.written = file.stream_position().map_err(io)?;
        Ok(file.into())
    }

    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError> {
        if let Some(image) = &load.image {
            let numbers = image.sections.iter().chain(&image.symbols).flat_map(|value| value.to_le_bytes());
            let numbers: Vec<u8> = numbers.collect();
            write_buffer(self.numbers, &numbers, limits::VALUES).map_err(here)?;
        }
        self.ask(&Request::Load(Box::new(LoadForm::new(load, self.written))))
    }

    fn call(&mut self, address: u64) -> Result<i32, KernelError> {
        self.ask(&Request::Call(address))
    }

    /// Always fails: a job does not remove modules.
    fn remove(&mut self, _: &str) -> Result<(), KernelError> {
        Err(KernelError::NotAllowed("the linking process removes nothing".into()))
    }
}

fn here(fault: LinkerError) -> KernelError {
    KernelError::Refused(format!("the linking process {fault}"))
}
