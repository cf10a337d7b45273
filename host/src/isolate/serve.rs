//! The parent's side of a job: it does for the linking process what insmod needs, in that order and once, and
//! nothing else.

use super::fault::Fault;
use super::message::{Answer, LoadForm, Name, Request};
use super::wire::{Received, read, read_blob, receive, reply, sealed_len};
use crate::error::{Error, Result};
use crate::insmod::{Inserted, refusal};
use crate::kernel::{Failure, Form, Image, Kernel, Load, Loaded, Protection, Request as Space};
use crate::layout::Area;
use crate::limits;
use crate::text::decoded;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use std::os::fd::{AsFd as _, OwnedFd};

/// One job, as far as it has come.
pub(super) struct Job<'a> {
    kernel: &'a mut dyn Kernel,
    socket: &'a OwnedFd,
    /// The file, for messages.
    file: &'a str,
    args: &'a str,
    /// Seconds that the process may be silent.
    patience: u64,
    listed: bool,
    /// How the kernel takes modules, once it has listed.
    form: Option<Form>,
    allocated: bool,
    /// What the kernel has granted.
    areas: Option<Vec<Area>>,
    load: Option<Load>,
    loaded: Option<Result<Loaded, Failure>>,
}

impl<'a> Job<'a> {
    pub(super) fn new(kernel: &'a mut dyn Kernel, socket: &'a OwnedFd, file: &'a str, args: &'a str) -> Self {
        let patience = limits::SILENCE;
        Self {
            kernel,
            socket,
            file,
            args,
            patience,
            listed: false,
            form: None,
            allocated: false,
            areas: None,
            load: None,
            loaded: None,
        }
    }

    /// Serves until the job ends. Whatever the linking process says, it is the kernel that knows whether a module is
    /// live.
    pub(super) fn serve(mut self) -> Result<Inserted> {
        let end = self.serve_requests();
        let Self { file, areas, load, loaded, .. } = self;
        match loaded {
            Some(Ok(loaded)) => {
                let (relocations, plugin, plugin_digest) = match end {
                    Ok(Answer::Inserted { relocations, plugin, digest }) => {
                        (relocations, decoded(plugin.as_bytes()), digest)
                    }
                    // It does not matter any more what became of it.
                    _ => (0, "unknown".to_owned(), None),
                };
                let load = load.unwrap_or_else(empty);
                let (name, uses) = (load.name, load.uses);
                let (areas, Loaded { returned, unknown_args }) = (areas.unwrap_or_default(), loaded);
                Ok(Inserted { name, areas, relocations, plugin, plugin_digest, uses, returned, unknown_args })
            }
            Some(Err(failure)) => Err(match end.map(Answer::error) {
                Ok(Some(error @ (Error::Kernel(_) | Error::Module(_)))) => error,
                _ => refusal(file, &failure),
            }),
            None => Err(match end?.error() {
                Some(error) => error,
                None => Fault::Protocol("it says that the module is live, which it did not ask for").into(),
            }),
        }
    }

    fn serve_requests(&mut self) -> Result<Answer, Fault> {
        for _ in 0..limits::REQUESTS {
            let (request, fds) = next(self.socket, self.patience)?;
            match (request, fds.len()) {
                (Request::List(wanted), 0) => {
                    let listing = self.list(wanted)?;
                    self.reply(&listing)?;
                }
                (Request::Allocate(areas), 0) => {
                    let addresses = self.allocate(areas)?;
                    self.reply(&addresses)?;
                }
                (Request::Put(address), 1) => {
                    let put = self.put(address, &fds[0])?;
                    self.reply(&put)?;
                }
                (Request::Protect(area, protection), 0) => {
                    let protected = self.protect(area, protection)?;
                    self.reply(&protected)?;
                }
                (Request::Load(form), _) => {
                    let loaded = self.load(*form, fds)?;
                    self.reply(&loaded)?;
                }
                (Request::Answer(answer), 0) => return Ok(*answer),
                (Request::Tried(_), _) => return Err(Fault::Protocol("it was asked to try nothing")),
                _ => return Err(Fault::Protocol("descriptors with a message that has none")),
            }
        }
        Err(Fault::Protocol("it asked too often"))
    }

    fn reply<T: Serialize>(&self, answer: &Result<T, Failure>) -> Result<(), Fault> {
        match reply(self.socket.as_fd(), answer) {
            // It may have died, which its end of the socket tells: that is the better reason.
            Err(Fault::Gone) => Ok(()),
            other => other,
        }
    }

    fn list(&mut self, wanted: Option<Vec<Name>>) -> Result<Result<crate::kernel::Listing, Failure>, Fault> {
        if self.listed {
            return Err(Fault::Protocol("it listed twice"));
        }
        let names = match wanted {
            Some(names) if names.len() > limits::WANTED => return Err(Fault::Protocol("it asked for too many names")),
            // A module's names, and never everything there is.
            None => return Err(Fault::Protocol("it asked for all symbols")),
            Some(names) => names.iter().map(Name::bytes).collect::<Result<Vec<_>, _>>()?,
        };
        let listing = self.kernel.list(Some(&names.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        self.listed = true;
        self.form = listing.as_ref().ok().map(|listing| listing.form);
        Ok(listing)
    }

    fn allocate(&mut self, areas: Vec<Space>) -> Result<Result<Vec<u64>, Failure>, Fault> {
        if self.form.is_none() || self.allocated {
            return Err(Fault::Protocol("it allocated before it listed, or twice"));
        }
        if areas.len() > limits::AREAS {
            return Err(Fault::Protocol("it asked for too many areas"));
        }
        if areas.iter().any(|a| a.size > limits::MODULE || !a.align.is_power_of_two() || a.align > limits::ALIGN)
            || areas.iter().map(|a| a.size).sum::<u64>() > limits::MODULE
        {
            return Err(Fault::Protocol("it asked for too much memory"));
        }
        self.allocated = true;
        let granted = self.kernel.allocate(&areas);
        let area = |(space, address): (&Space, &u64)| Area {
            kind: space.kind,
            address: *address,
            size: space.size,
            align: space.align,
        };
        self.areas = granted.as_ref().ok().map(|addresses| areas.iter().zip(addresses).map(area).collect());
        Ok(granted)
    }

    /// The area at `address`, or that it lies in, if the module is put in place area by area.
    fn area(&self, within: impl Fn(&&Area) -> bool) -> Result<&Area, Fault> {
        if self.form != Some(Form::Areas) || self.loaded.is_some() {
            return Err(Fault::Protocol("it would write where this kernel is not written"));
        }
        let area = self.areas.iter().flatten().find(within);
        area.ok_or(Fault::Protocol("it would write outside its areas"))
    }

    fn put(&mut self, address: u64, bytes: &OwnedFd) -> Result<Result<(), Failure>, Fault> {
        let len = sealed_len(bytes)?;
        let within = |a: &&Area| {
            address >= a.address && address.checked_add(len).is_some_and(|end| end <= a.address.saturating_add(a.size))
        };
        self.area(within)?;
        Ok(self.kernel.put(address, &read_blob(bytes, limits::MODULE)?))
    }

    fn protect(&mut self, address: u64, protection: Protection) -> Result<Result<(), Failure>, Fault> {
        self.area(|a| a.address == address)?;
        Ok(self.kernel.protect(address, protection))
    }

    fn load(&mut self, form: LoadForm, fds: Vec<OwnedFd>) -> Result<Result<Loaded, Failure>, Fault> {
        let Some(areas) = self.areas.as_ref().filter(|_| self.loaded.is_none()) else {
            return Err(Fault::Protocol("it loaded before it allocated, or twice"));
        };
        let sections = form.sections;
        let mut load = form.load(self.args);
        let known = areas.iter().map(|a| (a.address, a.kind));
        if !load.areas.iter().copied().eq(known) {
            return Err(Fault::Protocol("its module is not what it allocated"));
        }
        if !proper_name(&load.name) || !load.uses.iter().all(|name| proper_name(name)) {
            let refused = Err(Failure::Refused("no module may be called so".into()));
            self.loaded = Some(refused.clone());
            return Ok(refused);
        }
        load.image = match (self.form, sections) {
            (Some(Form::Relocated(_)), Some(sections)) => Some(image(sections, fds)?),
            (Some(Form::Areas | Form::Original), None) if fds.is_empty() => None,
            _ => return Err(Fault::Protocol("a file where none belongs, or none where one does")),
        };
        let loaded = self.kernel.load(&load);
        self.load = Some(load);
        self.loaded = Some(loaded.clone());
        Ok(loaded)
    }
}

/// The next message, if it comes in time.
pub(super) fn next(socket: &OwnedFd, patience: u64) -> Result<(Request, Vec<OwnedFd>), Fault> {
    let timeout = Timespec { tv_sec: patience as i64, tv_nsec: 0 };
    let mut polled = [PollFd::new(socket, PollFlags::IN)];
    let ready = rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout))).map_err(Fault::step("wait"))?;
    if ready == 0 {
        return Err(Fault::Silent(patience));
    }
    match receive(socket.as_fd())? {
        Received::Message(body, fds) => Ok((read(&body)?, fds)),
        Received::Ended(status) => Err(ended(status)),
        Received::Closed => Err(Fault::Gone),
    }
}

/// What a wait status means for a job that has not answered.
fn ended(status: i32) -> Fault {
    if libc::WIFSIGNALED(status) {
        Fault::Killed(libc::WTERMSIG(status))
    } else {
        Fault::Ended(libc::WEXITSTATUS(status))
    }
}

fn image(sections: usize, fds: Vec<OwnedFd>) -> Result<Image, Fault> {
    let Ok([file, numbers]) = <[OwnedFd; 2]>::try_from(fds) else {
        return Err(Fault::Protocol("a file where none belongs, or none where one does"));
    };
    if sealed_len(&file)? > limits::LINKED {
        return Err(Fault::TooLong { limit: limits::LINKED });
    }
    let numbers = read_blob(&numbers, limits::VALUES)?;
    let (numbers, rest) = numbers.as_chunks::<8>();
    let values: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    match values.split_at_checked(sections) {
        Some((sections, symbols)) if rest.is_empty() => {
            Ok(Image { file, sections: sections.to_vec(), symbols: symbols.to_vec() })
        }
        _ => Err(Fault::Protocol("more sections than numbers")),
    }
}

/// What a kernel takes for a module's name.
fn proper_name(name: &str) -> bool {
    let fits = !name.is_empty() && name.len() <= limits::MODULE_NAME;
    fits && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
}

fn empty() -> Load {
    Load {
        name: String::new(),
        areas: Vec::new(),
        init: None,
        exit: None,
        exports: Vec::new(),
        uses: Vec::new(),
        params: None,
        args: String::new(),
        image: None,
    }
}

#[cfg(test)]
mod tests;
