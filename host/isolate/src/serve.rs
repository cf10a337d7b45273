//! The parent's side of a job: it does for the linking process what insmod needs, in that order and once, and
//! nothing else.

mod call;

use crate::message::{Answer, FileForm, LoadForm, Name, Request};
use crate::wire::{Received, Rooms, hear, read, read_room, reply};
use relobox_core::areas::Area;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::digest::Digest;
use relobox_core::error::{Error, Result};
use relobox_core::inserted::{Inserted, kernel_error};
use relobox_core::kernel::{Image, Kernel, KernelError, LoadFormat, Loaded, Module, Protection, Request as Space};
use relobox_core::linker_error::LinkerError;
use relobox_core::{limits, memfd, names};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use std::os::fd::{AsFd as _, OwnedFd};

/// One job, as far as it has come.
pub(super) struct Job<'a> {
    kernel: &'a mut dyn Kernel,
    socket: &'a OwnedFd,
    rooms: &'a Rooms,
    /// The file, for messages.
    file: &'a str,
    args: &'a str,
    /// Seconds that the process may be silent.
    patience: u64,
    listed: bool,
    /// How the kernel takes modules, once it has listed.
    form: Option<LoadFormat>,
    /// The modules that it had then.
    before: Vec<Module>,
    allocated: bool,
    /// What the kernel has granted.
    areas: Option<Vec<Area>>,
    /// The first thing that the kernel would not do.
    refused: Option<KernelError>,
    /// What became of the load, and the name that the job gave the module.
    loaded: Option<Result<(Loaded, String), ()>>,
    /// It is to call a function, and not to load.
    calls: bool,
    /// What the function returned.
    called: Option<i32>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        kernel: &'a mut dyn Kernel,
        socket: &'a OwnedFd,
        rooms: &'a Rooms,
        file: &'a str,
        args: &'a str,
    ) -> Self {
        let patience = limits::SILENCE;
        Self {
            kernel,
            socket,
            rooms,
            file,
            args,
            patience,
            listed: false,
            form: None,
            before: Vec::new(),
            allocated: false,
            areas: None,
            refused: None,
            loaded: None,
            calls: false,
            called: None,
        }
    }

    /// Serves until the job ends. Whether a module is live, and which, is asked of the kernel, and if the kernel would not
    /// do something, then that is the failure; the linking process cannot say otherwise. `plugin` knows the names of the
    /// plugins that it may have used.
    pub(super) fn serve(mut self, plugin: &dyn Fn(&Digest) -> Option<String>) -> Result<Inserted> {
        let end = self.serve_requests();
        match (self.loaded.take(), self.refused.take()) {
            (Some(Ok((loaded, called))), _) => {
                let module = self.live(&called)?;
                let (relocations, digest) = match end {
                    Ok(Answer::Inserted { relocations, digest }) => (relocations, digest),
                    // It does not matter any more what became of it.
                    _ => (0, None),
                };
                let known = digest.and_then(|digest| Some((plugin(&digest)?, digest)));
                let (plugin, plugin_digest) = match known {
                    Some((name, digest)) => (name, Some(digest)),
                    None => ("unknown".to_owned(), None),
                };
                let Module { name, uses, .. } = module;
                let (areas, Loaded { returned, unknown_args }) = (self.areas.unwrap_or_default(), loaded);
                // It has listed, or it could not have loaded.
                let mode = self.form.unwrap_or(LoadFormat::Original).mode();
                Ok(Inserted { name, mode, areas, relocations, plugin, plugin_digest, uses, returned, unknown_args })
            }
            (_, Some(failure)) => Err(told(kernel_error(self.file, &failure), &failure, end)),
            (_, None) => {
                let said = end?.error();
                // Somebody else may have been faster, which the kernel knows.
                let name = names::of_file(self.file);
                if self.before.iter().any(|module| module.name == name) {
                    let text = KernelError::Exists { name }.to_string();
                    let problem = Diagnostic::new("already-loaded", self.file, text);
                    return Err(problem.hint("'relobox rmmod' removes it").into());
                }
                let lie = LinkerError::Protocol("it says that the module is live, which it did not ask for");
                Err(said.unwrap_or_else(|| lie.into()))
            }
        }
    }

    /// The module that the kernel has made live, as the kernel lists it. The job has `called` it so.
    fn live(&mut self, called: &str) -> Result<Module> {
        let modules = self.kernel.modules().map_err(|failure| kernel_error(self.file, &failure))?;
        let live: Vec<_> = modules.into_iter().filter(|module| module.live).collect();
        // What the kernel has granted to this module is no other's.
        let granted = self.areas.as_deref().filter(|_| self.form != Some(LoadFormat::Original)).unwrap_or_default();
        let granted = |module: &&Module| module.areas.iter().any(|(at, _)| granted.iter().any(|a| a.address == *at));
        // Else it is one that was not there: others may have come at the same time, and then its name decides.
        let fresh = |module: &&Module| {
            let same = |old: &&Module| old.name == module.name && old.live && old.areas == module.areas;
            !self.before.iter().any(|old| same(&old))
        };
        let new: Vec<_> = live.iter().filter(fresh).collect();
        let (own, called) = (names::of_file(self.file), called.to_owned());
        let one = match new[..] {
            [one] => Some(one),
            _ => [own, called].iter().find_map(|name| new.iter().find(|m| m.name == *name).copied()),
        };
        live.iter().find(granted).or(one).cloned().ok_or_else(|| {
            let text = "the kernel took it, and lists no module that was not there before: it may be removed again";
            Error::Kernel(Box::new(Diagnostic::new("not-listed", self.file, text)))
        })
    }

    fn serve_requests(&mut self) -> Result<Answer, LinkerError> {
        for _ in 0..limits::REQUESTS {
            match next(self.socket, self.rooms, self.patience)? {
                Request::List(wanted) => {
                    let listing = self.list(wanted)?;
                    self.reply(listing)?;
                }
                Request::Allocate(areas) => {
                    let addresses = self.allocate(areas)?;
                    self.reply(addresses)?;
                }
                Request::Put(address, bytes) => {
                    let put = self.put(address, bytes)?;
                    self.reply(put)?;
                }
                Request::Protect(area, protection) => {
                    let protected = self.protect(area, protection)?;
                    self.reply(protected)?;
                }
                Request::Load(form) => {
                    let loaded = self.load(*form)?;
                    self.reply(loaded)?;
                }
                Request::Call(address) => {
                    let returned = self.call(address)?;
                    self.reply(returned)?;
                }
                Request::Answer(answer) => return Ok(*answer),
                Request::Tried(_) => return Err(LinkerError::Protocol("it was asked to try nothing")),
            }
        }
        Err(LinkerError::Protocol("it asked too often"))
    }

    fn reply<T: Serialize>(&mut self, answer: Result<T, KernelError>) -> Result<(), LinkerError> {
        let replied = reply(self.socket.as_fd(), &answer);
        if let Err(failure) = answer {
            self.refused.get_or_insert(failure);
        }
        match replied {
            // It may have died, which its end of the socket tells: that is the better reason.
            Err(LinkerError::Gone) => Ok(()),
            other => other,
        }
    }

    fn list(
        &mut self,
        wanted: Option<Vec<Name>>,
    ) -> Result<Result<relobox_core::kernel::Listing, KernelError>, LinkerError> {
        if self.listed {
            return Err(LinkerError::Protocol("it listed twice"));
        }
        let names = match wanted {
            Some(names) if names.len() > limits::WANTED => {
                return Err(LinkerError::Protocol("it asked for too many names"));
            }
            // A module's names, and never everything there is.
            None => return Err(LinkerError::Protocol("it asked for all symbols")),
            Some(names) => names.iter().map(Name::bytes).collect::<Result<Vec<_>, _>>()?,
        };
        let listing = self.kernel.list(Some(&names.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        self.listed = true;
        if let Ok(listing) = &listing {
            self.form = Some(listing.form);
            let plain = |module: &Module| Module { exports: Vec::new(), ..module.clone() };
            self.before = listing.modules.iter().map(plain).collect();
        }
        Ok(listing)
    }

    fn allocate(&mut self, areas: Vec<Space>) -> Result<Result<Vec<u64>, KernelError>, LinkerError> {
        if self.form.is_none() || self.allocated {
            return Err(LinkerError::Protocol("it allocated before it listed, or twice"));
        }
        if areas.len() > limits::AREAS {
            return Err(LinkerError::Protocol("it asked for too many areas"));
        }
        if areas.iter().any(|a| a.size > limits::MODULE || !a.align.is_power_of_two() || a.align > limits::ALIGN)
            || areas.iter().map(|a| a.size).sum::<u64>() > limits::MODULE
        {
            return Err(LinkerError::Protocol("it asked for too much memory"));
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
    fn area(&self, within: impl Fn(&&Area) -> bool) -> Result<&Area, LinkerError> {
        if self.form != Some(LoadFormat::Areas) || self.loaded.is_some() {
            return Err(LinkerError::Protocol("it would write where this kernel is not written"));
        }
        let area = self.areas.iter().flatten().find(within);
        area.ok_or(LinkerError::Protocol("it would write outside its areas"))
    }

    fn put(&mut self, address: u64, len: u64) -> Result<Result<(), KernelError>, LinkerError> {
        let within = |a: &&Area| {
            address >= a.address && address.checked_add(len).is_some_and(|end| end <= a.address.saturating_add(a.size))
        };
        self.area(within)?;
        Ok(self.kernel.put(address, &read_room(self.rooms.file.as_fd(), len, limits::MODULE)?))
    }

    fn protect(&mut self, address: u64, protection: Protection) -> Result<Result<(), KernelError>, LinkerError> {
        self.area(|a| a.address == address)?;
        Ok(self.kernel.protect(address, protection))
    }

    fn load(&mut self, form: LoadForm) -> Result<Result<Loaded, KernelError>, LinkerError> {
        if self.calls {
            return Err(LinkerError::Protocol("it would load what is to be called"));
        }
        let Some(areas) = self.areas.as_ref().filter(|_| self.loaded.is_none()) else {
            return Err(LinkerError::Protocol("it loaded before it allocated, or twice"));
        };
        let file = form.file;
        let mut load = form.load(self.args);
        let known = areas.iter().map(|a| (a.address, a.kind));
        if !load.areas.iter().copied().eq(known) {
            return Err(LinkerError::Protocol("its module is not what it allocated"));
        }
        if !proper_name(&load.name) || !load.uses.iter().all(|name| proper_name(name)) {
            self.loaded = Some(Err(()));
            return Ok(Err(KernelError::Refused("no module may be called so".into())));
        }
        load.image = match (self.form, file) {
            (Some(LoadFormat::Relocated(_)), Some(file)) => Some(image(file, self.rooms)?),
            (Some(LoadFormat::Areas | LoadFormat::Original), None) => None,
            _ => return Err(LinkerError::Protocol("a file where none belongs, or none where one does")),
        };
        let loaded = self.kernel.load(&load);
        self.loaded = Some(loaded.clone().map(|loaded| (loaded, load.name)).map_err(drop));
        Ok(loaded)
    }
}

/// A refusal of the kernel's. What it has only numbers for, the job may give names to.
fn told(error: Error, failure: &KernelError, end: Result<Answer, LinkerError>) -> Error {
    match (error, failure, end) {
        (Error::Kernel(mut problem), KernelError::Disagrees { .. }, Ok(answer)) => {
            [problem.section, problem.symbol] = answer.place();
            Error::Kernel(problem)
        }
        (error, ..) => error,
    }
}

/// The next message, if it comes in time.
pub(super) fn next(socket: &OwnedFd, rooms: &Rooms, patience: u64) -> Result<Request, LinkerError> {
    let timeout = Timespec { tv_sec: patience as i64, tv_nsec: 0 };
    let mut polled = [PollFd::new(socket, PollFlags::IN)];
    let ready = rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout))).map_err(LinkerError::step("wait"))?;
    if ready == 0 {
        return Err(LinkerError::Silent(patience));
    }
    match hear(socket.as_fd(), Some(rooms.messages.as_fd()))? {
        Received::Message(body, _) => read(&body),
        Received::Ended(status) => Err(ended(status)),
        Received::Closed => Err(LinkerError::Gone),
    }
}

/// What a wait status means for a job that has not answered.
fn ended(status: i32) -> LinkerError {
    if libc::WIFSIGNALED(status) {
        LinkerError::Killed(libc::WTERMSIG(status))
    } else {
        LinkerError::Ended(libc::WEXITSTATUS(status))
    }
}

/// The file and the numbers that the job has written to its rooms. From now on it cannot change the file.
fn image(form: FileForm, rooms: &Rooms) -> Result<Image, LinkerError> {
    let FileForm { bytes, sections, symbols } = form;
    if bytes > limits::LINKED {
        return Err(LinkerError::TooLong { limit: limits::LINKED });
    }
    let count = sections.checked_add(symbols).and_then(|count| count.checked_mul(8));
    let count = count.ok_or(LinkerError::TooLong { limit: limits::VALUES })?;
    let numbers = read_room(rooms.numbers.as_fd(), count, limits::VALUES)?;
    let (numbers, _) = numbers.as_chunks::<8>();
    let mut sections: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let symbols = sections.split_off(form.sections as usize);
    let file = memfd::cut(rooms.file.as_fd(), bytes).map_err(|_| LinkerError::Protocol("its file is still in use"))?;
    Ok(Image { file, sections, symbols })
}

/// What a kernel takes for a module's name.
fn proper_name(name: &str) -> bool {
    let fits = !name.is_empty() && name.len() <= limits::MODULE_NAME;
    fits && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
}

#[cfg(test)]
mod tests;
