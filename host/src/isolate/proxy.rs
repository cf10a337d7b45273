//! The kernel as the linking process sees it: everything is asked of the parent.

use super::fault::Fault;
use super::message::{LoadForm, Name, Request};
use super::wire::{self, Received, blob, read, send};
use crate::kernel::{Failure, Kernel, Listing, Load, Loaded, Protection, Request as Space};
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// A kernel at the other end of a socket.
pub(super) struct Proxy<'a> {
    pub(super) socket: &'a OwnedFd,
}

impl Proxy<'_> {
    fn ask<T: DeserializeOwned>(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<T, Failure> {
        let answer = || {
            send(self.socket.as_fd(), request, fds)?;
            match wire::receive(self.socket.as_fd())? {
                Received::Message(body, _) => read::<Result<T, Failure>>(&body),
                Received::Ended(_) | Received::Closed => Err(Fault::Gone),
            }
        };
        answer().map_err(|fault| Failure::Unreachable(format!("the privileged process {fault}")))?
    }
}

impl Kernel for Proxy<'_> {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, Failure> {
        let names = wanted.map(|names| names.iter().map(|name| Name::new(name)).collect());
        self.ask(&Request::List(names), &[])
    }

    fn allocate(&mut self, areas: &[Space]) -> Result<Vec<u64>, Failure> {
        self.ask(&Request::Allocate(areas.to_vec()), &[])
    }

    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), Failure> {
        let bytes = blob(bytes).map_err(here)?;
        self.ask(&Request::Put(address), &[bytes.as_fd()])
    }

    fn protect(&mut self, area: u64, protection: Protection) -> Result<(), Failure> {
        self.ask(&Request::Protect(area, protection), &[])
    }

    fn load(&mut self, load: &Load) -> Result<Loaded, Failure> {
        let request = Request::Load(Box::new(LoadForm::new(load)));
        let Some(image) = &load.image else { return self.ask(&request, &[]) };
        let numbers = image.sections.iter().chain(&image.symbols).flat_map(|value| value.to_le_bytes());
        let numbers = blob(&numbers.collect::<Vec<u8>>()).map_err(here)?;
        self.ask(&request, &[image.file.as_fd(), numbers.as_fd()])
    }

    /// Never: insmod removes nothing.
    fn remove(&mut self, _: &str) -> Result<(), Failure> {
        Err(Failure::NotAllowed("the linking process removes nothing".into()))
    }
}

fn here(fault: Fault) -> Failure {
    Failure::Refused(format!("the linking process {fault}"))
}
