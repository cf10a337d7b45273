//! The parent's side of a job. It carries out the requests that insmod needs, each once and in their order, and refuses
//! all others.

mod call;

use crate::message::{Answer, FileForm, LoadForm, Name, Request};
use crate::wire::{Buffers, Received, decode, read_buffer, receive_untrusted, reply};
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

/// The state of one job.
pub(super) struct Job<'a> {
    kernel: &'a mut dyn Kernel,
    socket: &'a OwnedFd,
    buffers: &'a Buffers,
    /// The name of the file, for messages.
    file: &'a str,
    args: &'a str,
    /// How long the process may be silent, in seconds.
    patience: u64,
    listed: bool,
    /// How the kernel takes modules, after it has listed.
    form: Option<LoadFormat>,
    /// The modules that were loaded then.
    before: Vec<Module>,
    allocated: bool,
    /// The areas that the kernel has granted.
    areas: Option<Vec<Area>>,
    /// The first failure of the kernel.
    refused: Option<KernelError>,
    /// The result of the load, with the name that the job gave to the module.
    loaded: Option<Result<(Loaded, String), ()>>,
    /// True if the job is to call a function instead of loading a module.
    calls: bool,
    /// The return value of the function.
    called: Option<i32>,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        kernel: &'a mut dyn Kernel,
        socket: &'a OwnedFd,
        buffers: &'a Buffers,
        file: &'a str,
        args: &'a str,
    ) -> Self {
        let patience = limits::SILENCE;
        Self {
            kernel,
            socket,
            buffers,
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

    /// Serves the job until it ends. The kernel decides whether a module is live, and which. If the kernel refused
    /// something, that is the error, whatever the linking process reports. `plugin` returns the name of a plugin that
    /// the job may have used.
    pub(super) fn serve(mut self, plugin: &dyn Fn(&Digest) -> Option<String>) -> Result<Inserted> {
        let end = self.serve_requests();
        match (self.loaded.take(), self.refused.take()) {
            (Some(Ok((loaded, called))), _) => {
                let module = self.live(&called)?;
                let (relocations, digest) = match end {
                    Ok(Answer::Inserted { relocations, digest }) => (relocations, digest),
                    // The module is live; how the process ended does not matter.
                    _ => (0, None),
                };
                let known = digest.and_then(|digest| Some((plugin(&digest)?, digest)));
                let (plugin, plugin_digest) = match known {
                    Some((name, digest)) => (name, Some(digest)),
                    None => ("unknown".to_owned(), None),
                };
                let Module { name, uses, .. } = module;
                let (areas, Loaded { returned, unknown_args }) = (self.areas.unwrap_or_default(), loaded);
                // The job has listed, because it could not have loaded otherwise.
                let mode = self.form.unwrap_or(LoadFormat::Original).mode();
                let signature = None;
                Ok(Inserted {
                    name,
                    mode,
                    areas,
                    relocations,
                    plugin,
                    plugin_digest,
                    uses,
                    returned,
                    unknown_args,
                    signature,
                })
            }
            (_, Some(failure)) => Err(told(kernel_error(self.file, &failure), &failure, end)),
            (_, None) => {
                let said = end?.error();
                // Another process may have loaded the module first. The kernel knows.
                let name = names::of_file(self.file);
                if self.before.iter().any(|module| module.name == name) {
                    let text = KernelError::Exists { name }.to_string();
                    let problem = Diagnostic::new("already-loaded", self.file, text);
                    return Err(problem.hint("'relobox rmmod' removes it").into());
                }
                let lie = LinkerError::Protocol("it reports a live module without a load");
                Err(said.unwrap_or_else(|| lie.into()))
            }
        }
    }

    /// Finds the module that the kernel has made live in the kernel's list. `called` is the name that the job gave to
    /// it.
    fn live(&mut self, called: &str) -> Result<Module> {
        let modules = self.kernel.modules().map_err(|failure| kernel_error(self.file, &failure))?;
        let live: Vec<_> = modules.into_iter().filter(|module| module.live).collect();
        // No other module has the areas that the kernel granted to this one.
        let granted = self.areas.as_deref().filter(|_| self.form != Some(LoadFormat::Original)).unwrap_or_default();
        let granted = |module: &&Module| module.areas.iter().any(|(at, _)| granted.iter().any(|a| a.address == *at));
        // Otherwise it is a new module. If there are several new ones, the name decides.
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
            let text = "the kernel loaded it but lists no new module: it may have been removed";
            Error::Kernel(Box::new(Diagnostic::new("not-listed", self.file, text)))
        })
    }

    fn serve_requests(&mut self) -> Result<Answer, LinkerError> {
        for _ in 0..limits::REQUESTS {
            match next(self.socket, self.buffers, self.patience)? {
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
                Request::Step(..) => return Err(LinkerError::Protocol("it did what only depmod asks for")),
                Request::Told(_) => return Err(LinkerError::Protocol("it answered what was not asked")),
                Request::Tried(_) => {
                    return Err(LinkerError::Protocol("it sent the result of an attempt that was not asked for"));
                }
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
            // The process may have died. Then its end of the socket has the better reason.
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
            // A job gets the symbols of its module, never all.
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

    /// The granted area for which `within` is true, if this kernel takes a module as areas.
    fn area(&self, within: impl Fn(&&Area) -> bool) -> Result<&Area, LinkerError> {
        if self.form != Some(LoadFormat::Areas) || self.loaded.is_some() {
            return Err(LinkerError::Protocol("it asked to write to a kernel that takes modules as files"));
        }
        let area = self.areas.iter().flatten().find(within);
        area.ok_or(LinkerError::Protocol("it asked to write outside its areas"))
    }

    fn put(&mut self, address: u64, len: u64) -> Result<Result<(), KernelError>, LinkerError> {
        let within = |a: &&Area| {
            address >= a.address && address.checked_add(len).is_some_and(|end| end <= a.address.saturating_add(a.size))
        };
        self.area(within)?;
        Ok(self.kernel.put(address, &read_buffer(self.buffers.file.as_fd(), len, limits::MODULE)?))
    }

    fn protect(&mut self, address: u64, protection: Protection) -> Result<Result<(), KernelError>, LinkerError> {
        self.area(|a| a.address == address)?;
        Ok(self.kernel.protect(address, protection))
    }

    fn load(&mut self, form: LoadForm) -> Result<Result<Loaded, KernelError>, LinkerError> {
        if self.calls {
            return Err(LinkerError::Protocol("it asked to load a module in a job that calls a function"));
        }
        let Some(areas) = self.areas.as_ref().filter(|_| self.loaded.is_none()) else {
            return Err(LinkerError::Protocol("it loaded before it allocated, or twice"));
        };
        let file = form.file;
        let mut load = form.load(self.args);
        let known = areas.iter().map(|a| (a.address, a.kind));
        if !load.areas.iter().copied().eq(known) {
            return Err(LinkerError::Protocol("its module differs from what it allocated"));
        }
        if !proper_name(&load.name) || !load.uses.iter().all(|name| proper_name(name)) {
            self.loaded = Some(Err(()));
            return Ok(Err(KernelError::Refused("this is not a valid name of a module".into())));
        }
        load.image = match (self.form, file) {
            (Some(LoadFormat::Relocated(_)), Some(file)) => Some(image(file, self.buffers)?),
            (Some(LoadFormat::Areas | LoadFormat::Original), None) => None,
            _ => return Err(LinkerError::Protocol("a load with a file for a kernel that takes none, or without one")),
        };
        let loaded = self.kernel.load(&load);
        self.loaded = Some(loaded.clone().map(|loaded| (loaded, load.name)).map_err(drop));
        Ok(loaded)
    }
}

/// Completes a refusal of the kernel: the job may know the names of what the kernel only has numbers for.
fn told(error: Error, failure: &KernelError, end: Result<Answer, LinkerError>) -> Error {
    match (error, failure, end) {
        (Error::Kernel(mut problem), KernelError::Disagrees { .. }, Ok(answer)) => {
            [problem.section, problem.symbol] = answer.place();
            Error::Kernel(problem)
        }
        (error, ..) => error,
    }
}

/// Receives the next request, and fails if it does not come in time.
pub(super) fn next(socket: &OwnedFd, buffers: &Buffers, patience: u64) -> Result<Request, LinkerError> {
    let timeout = Timespec { tv_sec: patience as i64, tv_nsec: 0 };
    let mut polled = [PollFd::new(socket, PollFlags::IN)];
    let ready = rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout))).map_err(LinkerError::step("wait"))?;
    if ready == 0 {
        return Err(LinkerError::Silent(patience));
    }
    match receive_untrusted(socket.as_fd(), Some(buffers.messages.as_fd()))? {
        Received::Message(body, _) => decode(&body),
        Received::Ended(status) => Err(ended(status)),
        Received::Closed => Err(LinkerError::Gone),
    }
}

/// Explains the wait status of a job that has not answered.
fn ended(status: i32) -> LinkerError {
    if libc::WIFSIGNALED(status) {
        LinkerError::Killed(libc::WTERMSIG(status))
    } else {
        LinkerError::Ended(libc::WEXITSTATUS(status))
    }
}

/// Takes the file and the numbers from the buffers. From here on, the job cannot change the file.
fn image(form: FileForm, buffers: &Buffers) -> Result<Image, LinkerError> {
    let FileForm { bytes, sections, symbols } = form;
    if bytes > limits::LINKED {
        return Err(LinkerError::TooLong { limit: limits::LINKED });
    }
    let count = sections.checked_add(symbols).and_then(|count| count.checked_mul(8));
    let count = count.ok_or(LinkerError::TooLong { limit: limits::VALUES })?;
    let numbers = read_buffer(buffers.numbers.as_fd(), count, limits::VALUES)?;
    let (numbers, _) = numbers.as_chunks::<8>();
    let mut sections: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let symbols = sections.split_off(form.sections as usize);
    let file =
        memfd::cut(buffers.file.as_fd(), bytes).map_err(|_| LinkerError::Protocol("its file is still in use"))?;
    Ok(Image { file, sections, symbols })
}

/// True if a kernel accepts `name` as the name of a module.
fn proper_name(name: &str) -> bool {
    let fits = !name.is_empty() && name.len() <= limits::MODULE_NAME;
    fits && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
}

#[cfg(test)]
mod tests;
