//! The zygote: it loads the guests once, gives up its rights, and starts a process for each job.
//!
//! It never sees a byte of a module, nor runs a guest that is not built in: what it hears comes from its parent. So
//! every job begins in a process that nothing hostile has touched, and ends with it.

use super::attempts::attempt;
use super::lockdown;
use super::message::{Answer, Job, NewJob, Ready, Request, Setup, Tried};
use super::proxy::Proxy;
use super::system::{close_from, exit, fork};
use super::wire::{Received, Rooms, read, read_blob, receive, say, send, send_ended};
use crate::cache::Cache;
use crate::call::call;
use crate::error::Result;
use crate::guests::Guests;
use crate::insmod::insmod;
use crate::kernel::Machine;

use crate::limits;
use crate::link::load;
use crate::linker_fault::Fault;
use crate::open::Source;
use crate::parse::Module;
use crate::plugin_file::{Origin, PluginFile};
use crate::sandbox::Sandbox;
use cap_std::fs::File;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, waitpid};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

/// Serves the parent at the other end of standard input, until it is gone.
pub fn serve_stdin() -> ExitCode {
    let Ok(control) = take_stdin() else { return ExitCode::from(2) };
    let code = match ready(&control) {
        Ok((zygote, missing)) => {
            let _ = send(control.as_fd(), &Ready::Yes { missing }, &[]);
            match zygote.serve(control) {
                Ok(()) => 0,
                Err(_) => 2,
            }
        }
        Err(error) => {
            let usage = error.exit_code() == 2;
            // A packet has room for it, whatever it quotes.
            let text = error.to_string().chars().take(limits::PACKET / 8).collect();
            let _ = send(control.as_fd(), &Ready::No { text, usage }, &[]);
            2
        }
    };
    ExitCode::from(code)
}

/// The socket, away from where libraries might write to it. No other descriptor is kept.
fn take_stdin() -> std::io::Result<OwnedFd> {
    close_from(3);
    let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(control)
}

struct Zygote {
    guests: Guests,
    machine: Option<Machine>,
    /// There are plugins to compile in each job.
    others: bool,
}

/// Loads the guests and gives up everything; what this kernel cannot take away.
fn ready(control: &OwnedFd) -> Result<(Zygote, Vec<String>)> {
    let Received::Message(body, plugins) = receive(control.as_fd())? else { return Err(Fault::Gone.into()) };
    let setup: Setup = read(&body)?;
    // The terminal's interrupt is for the parent, and the parent's end is ours.
    let _ = rustix::process::setsid();
    rustix::process::chdir("/").map_err(Fault::step("leave its directory"))?;
    rustix::thread::set_no_new_privs(true).map_err(Fault::step("give up new privileges"))?;
    let cache = setup.cache.as_deref().and_then(Cache::open_dir);
    let whole = lockdown::files(cache.as_ref().map(Cache::path))?;
    let plugins = setup.plugins.into_iter().zip(plugins).map(|((name, path), fd)| {
        let wasm = read_blob(&fd, limits::GUEST as u64 + 1)?;
        Ok(PluginFile::new(name, wasm, Origin::File(path)))
    });
    let plugins = plugins.collect::<Result<Vec<_>>>()?;
    let others = !plugins.is_empty();
    let [chosen, pinned] = setup.meant;
    let mut guests = Guests::with_plugins(Sandbox::for_one_job(cache)?, plugins).preferring(chosen, pinned);
    guests.load_built_in(setup.machine.as_ref())?;
    // Its directory is the last file that was open.
    guests.forget_cache();
    alone()?;
    let whole = lockdown::zygote()? && whole;
    let missing = if whole { vec![] } else { vec!["this kernel has landlock only in part, or not at all".into()] };
    Ok((Zygote { guests, machine: setup.machine, others }, missing))
}

/// Filters and capabilities are a thread's: there may be no other that keeps them.
fn alone() -> Result<(), Fault> {
    let fault = |reason: String| Fault::Start { step: "be alone", reason };
    // Landlock hides /proc; the count of links does not need it to be opened.
    match rustix::fs::stat("/proc/self/task") {
        Ok(stat) if stat.st_nlink > 3 => Err(fault(format!("{} threads", stat.st_nlink - 2))),
        // Without /proc there is nothing to see; wasmtime is built to start no threads.
        _ => Ok(()),
    }
}

/// A job's process.
struct Running {
    pid: Pid,
    pidfd: OwnedFd,
    /// The job's end of its socket, to say how it ended.
    socket: OwnedFd,
    /// The parent does not want it any more.
    ended: bool,
}

impl Zygote {
    fn serve(self, control: OwnedFd) -> Result<(), Fault> {
        let mut running: Vec<Running> = Vec::new();
        loop {
            let more = if running.len() < limits::JOBS { PollFlags::IN } else { PollFlags::empty() };
            let mut polled = vec![PollFd::new(&control, more)];
            for job in &running {
                polled.push(PollFd::new(&job.pidfd, PollFlags::IN));
                if !job.ended {
                    polled.push(PollFd::new(&job.socket, PollFlags::empty()));
                }
            }
            rustix::io::retry_on_intr(|| poll(&mut polled, None)).map_err(Fault::step("wait"))?;
            let mut ready = polled.iter().map(|p| !p.revents().is_empty()).collect::<Vec<_>>().into_iter();
            let asked = ready.next() == Some(true);
            running.retain_mut(|job| {
                let died = ready.next() == Some(true);
                if !job.ended && ready.next() == Some(true) {
                    let _ = pidfd_send_signal(&job.pidfd, Signal::KILL);
                    job.ended = true;
                }
                if died && let Ok(Some((_, status))) = waitpid(Some(job.pid), WaitOptions::empty()) {
                    let _ = send_ended(job.socket.as_fd(), status.as_raw());
                }
                !died
            });
            if asked {
                match receive(control.as_fd())? {
                    Received::Message(body, mut fds) if fds.len() == 1 => {
                        let NewJob = read(&body)?;
                        let socket = fds.remove(0);
                        let zygote = getpid();
                        match fork()? {
                            Some(pid) => {
                                let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(Fault::step("watch a job"))?;
                                running.push(Running { pid, pidfd, socket, ended: false });
                            }
                            None => {
                                // Other jobs' sockets are none of this one's business, nor is the zygote's own.
                                drop((running, control));
                                self.job(zygote, &socket);
                            }
                        }
                    }
                    // The parent is gone, and so is every job with this process.
                    _ => return Ok(()),
                }
            }
        }
    }

    /// A job, from its process's beginning to its end.
    fn job(&self, zygote: Pid, socket: &OwnedFd) -> ! {
        // With its place, to the parent: there is no terminal. In a packet, since there may be no room yet.
        let report = |text: String| {
            let text = text.chars().take(limits::PACKET / 8).collect();
            let _ = send(socket.as_fd(), &Request::Answer(Box::new(Answer::Failed(text))), &[]);
        };
        let said = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let hook = std::sync::Arc::clone(&said);
        std::panic::set_hook(Box::new(move |panic| {
            if let Ok(mut said) = hook.lock() {
                *said = panic.to_string();
            }
        }));
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.run(zygote, socket)));
        let code = match done {
            Ok(Ok(())) => 0,
            Ok(Err(fault)) => {
                report(fault.to_string());
                2
            }
            Err(_) => {
                report(said.lock().map(|said| format!("panicked: {said}")).unwrap_or_default());
                101
            }
        };
        exit(code)
    }

    fn run(&self, zygote: Pid, socket: &OwnedFd) -> Result<(), Fault> {
        lockdown::job(zygote, self.others)?;
        if self.others {
            self.guests.load_others(self.machine.as_ref());
            lockdown::no_more_code()?;
        }
        let Received::Message(body, mut fds) = receive(socket.as_fd())? else { return Err(Fault::Gone) };
        // The rooms come first, and after them a module.
        let module = fds.split_off(fds.len().min(3)).pop();
        let rooms = fds.try_into().map_err(|_| Fault::Protocol("a job without rooms"))?;
        let Rooms { messages, file: room, numbers } = Rooms::from_fds(rooms);
        let request = match (read(&body)?, module) {
            (Job::Insmod { name, len, args, inputs }, Some(file)) => {
                let (messages, numbers) = (messages.as_fd(), numbers.as_fd());
                let mut parent = Proxy { socket, name: &name, messages, numbers, file: Some(room), written: 0 };
                let module = self.load(&name, file, len);
                let inserted = module.and_then(|module| insmod(&self.guests, &mut parent, module, &args, &inputs));
                Request::Answer(Box::new(Answer::new(inserted)))
            }
            (Job::Call { name, len, function, inputs }, Some(file)) => {
                let (messages, numbers) = (messages.as_fd(), numbers.as_fd());
                let mut parent = Proxy { socket, name: &name, messages, numbers, file: Some(room), written: 0 };
                let object = self.load(&name, file, len);
                let called =
                    object.and_then(|object| call(&self.guests, &mut parent, object, function.as_deref(), &inputs));
                Request::Answer(Box::new(Answer::called(called)))
            }
            (Job::Try(what, parent), _) => Request::Tried(attempt(&what, parent, messages.as_fd())),
            _ => Request::Tried(Tried::Unknown),
        };
        say(socket.as_fd(), messages.as_fd(), &request)
    }

    fn load(&self, name: &str, file: OwnedFd, len: u64) -> Result<Module> {
        load(&self.guests, name, Source::File(File::from_std(std::fs::File::from(file)), len))
    }
}
