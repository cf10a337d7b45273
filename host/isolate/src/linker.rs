//! The parent: starts the linking process, and serves its jobs.

use crate::message::{self, NewJob, PluginForm, Ready, Request, Setup, Tried};
use crate::process::{End, Process, Start};
use crate::serve;
use crate::wire::{self, Buffers};
use relobox_core::error::{Error, Result};
use relobox_core::inserted::Called;
use relobox_core::inserted::Inserted;
use relobox_core::kernel::{Kernel, Machine};
use relobox_core::linker_error::LinkerError;
use relobox_core::{address_space, limits};
use relobox_plugins::pins::Pins;
use relobox_plugins::plugin_file::PluginFile;
use relobox_plugins::registry::Plugins;
use relobox_plugins::section;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

/// Options of a [`Linker`].
#[derive(Clone, Debug)]
pub struct Options {
    /// The program. It must become a linking process if [`ARGUMENT`](message::ARGUMENT) is its only argument. The default is this program.
    pub program: PathBuf,
    /// Returns the compiled code of a plugin that is not built in: a file that can be mapped and that cannot change.
    pub compiled: fn(&Pins, &PluginFile) -> Result<OwnedFd>,
    /// The directory of the cache of compiled code; see `relobox_link::cache`.
    pub cache: Option<PathBuf>,
    /// The machine that the kernel runs on. Without it, the zygote loads every plugin, which takes longer.
    pub machine: Option<Machine>,
    /// The plugins that are not built in. A plugin for this machine that is not pinned is an error.
    pub plugins: Plugins,
    /// The numbers from the kernel that plugins ask for, by name.
    pub inputs: Vec<(String, u64)>,
    /// Starts the program.
    pub start: Start,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            program: "/proc/self/exe".into(),
            compiled: relobox_plugins::compiled::of_pin,
            cache: None,
            machine: None,
            plugins: Plugins::default(),
            inputs: Vec::new(),
            start: Process::start,
        }
    }
}

/// A linking process. Several jobs can run at the same time, each in a process of its own. Dropping it ends them.
#[derive(Debug)]
pub struct Linker {
    control: OwnedFd,
    inputs: Vec<(String, u64)>,
    /// The plugins that the zygote was given.
    plugins: Plugins,
    zygote: Mutex<Zygote>,
}

#[derive(Debug)]
struct Zygote {
    process: Process,
    /// The zygote's message after its start, if it was received.
    ready: Option<Result<Vec<String>, LinkerError>>,
}

impl Linker {
    /// Starts the process. This does not wait until it is ready; the first job does.
    ///
    /// # Errors
    /// If the address space of this process is limited, if a plugin is not pinned or has no compiled code, if there are
    /// too many plugins, or if the program cannot be started.
    pub fn start(options: &Options) -> Result<Self> {
        if let Some(error) = address_space::short() {
            return Err(error);
        }
        let trusted = options.plugins.clone().trusted(options.machine.as_ref())?;
        let Plugins { files: plugins, chosen, pins, .. } = &trusted;
        if plugins.len() >= limits::PACKET_FDS {
            let (many, most) = (plugins.len(), limits::PACKET_FDS - 1);
            return Err(Error::Usage(format!("{many} plugins are too many at once; the limit is {most}")));
        }
        let code = plugins.iter().map(|p| (options.compiled)(pins, p)).collect::<Result<Vec<_>, _>>()?;
        let code: Vec<_> = code.iter().map(OwnedFd::as_fd).collect();
        let (control, theirs) = wire::pair()?;
        let process = (options.start)(&options.program, theirs).map_err(Error::io(&options.program))?;
        let form = |plugin: &PluginFile| PluginForm {
            name: plugin.name.clone(),
            path: plugin.origin.path().to_owned(),
            digest: plugin.digest,
            machines: section::machines(&plugin.wasm).map(|s| s[..s.len().min(limits::MACHINES)].to_vec()),
        };
        // The zygote changes its working directory.
        let absolute = |path: &PathBuf| std::path::absolute(path).map_err(Error::io(path));
        let setup = Setup {
            cache: options.cache.as_ref().map(absolute).transpose()?,
            machine: options.machine.clone(),
            plugins: plugins.iter().map(form).collect(),
            preferred: [chosen.clone(), pins.iter().map(|pin| pin.digest).collect()],
        };
        let zygote = Mutex::new(Zygote { process, ready: None });
        let linker = Self { control, inputs: options.inputs.clone(), plugins: trusted, zygote };
        wire::send(linker.control.as_fd(), &setup, &code).map_err(|fault| linker.explain(fault))?;
        Ok(linker)
    }

    /// Waits until the process is ready for jobs. Returns the parts of the isolation that this kernel does not support.
    ///
    /// # Errors
    /// If the process cannot start, ends, or is silent for [`limits::SILENCE`] seconds.
    pub fn ready(&self) -> Result<Vec<String>> {
        let Ok(mut zygote) = self.zygote.lock() else { return Err(LinkerError::Gone.into()) };
        if zygote.ready.is_none() {
            let heard = self.wait_ready();
            zygote.ready = Some(heard);
        }
        zygote.ready.clone().unwrap_or(Err(LinkerError::Gone)).map_err(Error::from)
    }

    fn wait_ready(&self) -> Result<Vec<String>, LinkerError> {
        let timeout = Timespec { tv_sec: limits::SILENCE as i64, tv_nsec: 0 };
        let mut polled = [PollFd::new(&self.control, PollFlags::IN)];
        if rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout))).map_err(LinkerError::step("wait"))? == 0 {
            return Err(LinkerError::Silent(limits::SILENCE));
        }
        match wire::receive_untrusted(self.control.as_fd(), None)? {
            wire::Received::Message(body, _) => match wire::decode(&body)? {
                Ready::Yes { missing } => Ok(missing),
                Ready::No { text, usage } => Err(LinkerError::Ready { text, usage }),
            },
            wire::Received::Ended(_) | wire::Received::Closed => Err(LinkerError::Gone),
        }
    }

    /// Explains a [`LinkerError::Gone`]: the zygote may have sent an error, or it died.
    pub(crate) fn explain(&self, fault: LinkerError) -> Error {
        if fault != LinkerError::Gone {
            return fault.into();
        }
        match self.ready() {
            Err(Error::Linker(LinkerError::Gone)) | Ok(_) => {}
            Err(error) => return error,
        }
        let Ok(mut zygote) = self.zygote.lock() else { return fault.into() };
        // The zygote's socket is closed, so it is about to end.
        for _ in 0..limits::ENDING {
            match zygote.process.ended() {
                Some(End::Signal(signal)) => return LinkerError::Killed(signal).into(),
                Some(End::Code(code)) => return LinkerError::Ended(code).into(),
                None => {}
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        fault.into()
    }

    /// The process number of the zygote.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.zygote.lock().map_or(0, |zygote| zygote.process.id())
    }

    /// Links the module in `file` in a process of its own, and has `kernel` load it. `file` is a sealed memfd (see
    /// [`seal`](relobox_core::sealed::seal)), `name` is for messages, and `args` are the module's parameters.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses, [`Error::Reported`] if the linking process reports that the module cannot
    /// be linked, [`Error::Linker`] if that process fails. The module is not live then, except if the kernel loaded it
    /// but does not list it (a problem of kind `not-listed`).
    pub fn insmod(&self, kernel: &mut dyn Kernel, name: &str, file: BorrowedFd<'_>, args: &str) -> Result<Inserted> {
        let file = file.try_clone_to_owned().map_err(Error::io(name))?;
        let len = wire::sealed_len(&file)?;
        let job = message::Job::Insmod { name: name.into(), len, args: args.into(), inputs: self.inputs.clone() };
        let (socket, buffers) = self.job(&job, &[file.as_fd()])?;
        let known = |digest: &_| self.plugins.name_of(digest);
        serve::Job::new(kernel, &socket, &buffers, name, args).serve(&known).map_err(|error| self.failed(error))
    }

    /// Links the object in `file` in a process of its own, and has `kernel` call `function` in it. Without `function`,
    /// its only global function is called. Dropping `kernel` frees the code. `file` is a sealed memfd; `name` is for
    /// messages.
    ///
    /// # Errors
    /// As [`Linker::insmod`]. Then nothing was called.
    pub fn call(
        &self,
        kernel: &mut dyn Kernel,
        name: &str,
        file: BorrowedFd<'_>,
        function: Option<&str>,
    ) -> Result<Called> {
        let file = file.try_clone_to_owned().map_err(Error::io(name))?;
        let (len, function) = (wire::sealed_len(&file)?, function.map(str::to_owned));
        let job = message::Job::Call { name: name.into(), len, function, inputs: self.inputs.clone() };
        let (socket, buffers) = self.job(&job, &[file.as_fd()])?;
        let known = |digest: &_| self.plugins.name_of(digest);
        serve::Job::new(kernel, &socket, &buffers, name, "").serve_call(&known).map_err(|error| self.failed(error))
    }

    /// Converts an error of a job into the caller's.
    pub(crate) fn failed(&self, error: Error) -> Error {
        match error {
            Error::Linker(fault) => self.explain(fault),
            // The caller gave nothing that the text could refer to.
            Error::Usage(text) if self.inputs.is_empty() => LinkerError::Failed(text).into(),
            other => other,
        }
    }

    /// Tries one of [`ATTEMPTS`](crate::ATTEMPTS) from inside a linking process.
    ///
    /// # Errors
    /// [`Error::Linker`] if the process cannot be started, or does not answer.
    pub fn attempt(&self, what: &str) -> Result<Tried> {
        let (socket, buffers) = self.job(&message::Job::Try(what.into(), std::process::id() as i32), &[])?;
        match serve::next(&socket, &buffers, limits::SILENCE) {
            Ok(Request::Tried(tried)) => Ok(tried),
            Ok(_) => Err(LinkerError::Protocol("it did not answer with the result of the attempt").into()),
            Err(LinkerError::Killed(signal)) => Ok(Tried::Killed(signal)),
            Err(fault) => Err(self.explain(fault)),
        }
    }

    /// Starts the process of a job. Returns the parent's end of its socket, and the buffers that the job can write to.
    pub(crate) fn job(&self, job: &message::Job, fds: &[BorrowedFd<'_>]) -> Result<(OwnedFd, Buffers)> {
        let ((ours, theirs), buffers) = (wire::pair()?, Buffers::new()?);
        wire::send(self.control.as_fd(), &NewJob, &[theirs.as_fd()]).map_err(|fault| self.explain(fault))?;
        drop(theirs);
        let fds = [&buffers.fds()[..], fds].concat();
        wire::send(ours.as_fd(), job, &fds).map_err(|fault| self.explain(fault))?;
        Ok((ours, buffers))
    }
}

impl Drop for Linker {
    fn drop(&mut self) {
        if let Ok(zygote) = self.zygote.get_mut() {
            zygote.process.end();
        }
    }
}
