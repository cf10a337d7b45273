//! The zygote: it loads the guests once, gives up its rights, and starts a process for each job.
//!
//! It never sees a byte of a module, nor runs a guest that is not built in: what it hears comes from its parent. So
//! every job begins in a process that nothing hostile has touched, and ends with it.

use crate::attempts::attempt;
use crate::lockdown;
use crate::proxy::Proxy;
use crate::system::{close_from, exit, fork};
use cap_std::fs::File;
use relobox_core::error::{Error, Result};
use relobox_core::kernel::Machine;
use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use relobox_isolate::message::{Answer, Job, NewJob, Ready, Request, Setup, Tried};
use relobox_isolate::wire::{Received, Rooms, read, receive, say, send, send_ended};
use relobox_link::call::call;
use relobox_link::guests::{Code, Guests, Unloaded};
use relobox_link::insmod::insmod;
use relobox_link::link::load;
use relobox_link::sandbox::Compiled;
use relobox_link::stages::open::Source;
use relobox_link::stages::parse::Module;
use relobox_plugins::index::Machines;
use relobox_plugins::plugin_file::Origin;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, getpid, pidfd_open, pidfd_send_signal, waitpid};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

/// Serves the parent at the other end of standard input, until it is gone. `load` makes the guests.
pub fn serve_stdin(load: Load) -> ExitCode {
    let Ok(control) = take_stdin() else { return ExitCode::from(2) };
    let code = match ready(&control, load) {
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
}

/// Makes the guests of what the parent said, and of the plugins that it gave.
pub type Load = fn(&Setup, Vec<Unloaded>) -> Result<Guests>;

/// Loads the guests and gives up everything; what this kernel cannot take away.
fn ready(control: &OwnedFd, load: Load) -> Result<(Zygote, Vec<String>)> {
    let Received::Message(body, plugins) = receive(control.as_fd())? else { return Err(LinkerError::Gone.into()) };
    let setup: Setup = read(&body)?;
    // The terminal's interrupt is for the parent, and the parent's end is ours.
    let _ = rustix::process::setsid();
    rustix::process::chdir("/").map_err(LinkerError::step("leave its directory"))?;
    rustix::thread::set_no_new_privs(true).map_err(LinkerError::step("give up new privileges"))?;
    let others = setup.plugins.iter().zip(plugins).map(|(plugin, fd)| {
        let code = map(fd).map_err(Error::io(&plugin.path))?;
        Ok(Unloaded {
            name: plugin.name.clone(),
            digest: plugin.digest,
            origin: Origin::File(plugin.path.clone()),
            machines: Machines::of_section(plugin.machines.as_deref()),
            code: Code::Compiled(code),
        })
    });
    let others = others.collect::<Result<Vec<_>>>()?;
    let guests = load(&setup, others)?;
    let [chosen, pinned] = setup.meant;
    let guests = guests.preferring(chosen, pinned);
    guests.load_built_in(setup.machine.as_ref())?;
    // Their code only: none of it has run when the first job begins.
    guests.load_code_of_others(setup.machine.as_ref());
    alone()?;
    let whole = lockdown::zygote()?;
    let missing = if whole { vec![] } else { vec!["this kernel has landlock only in part, or not at all".into()] };
    Ok((Zygote { guests, machine: setup.machine }, missing))
}

#[allow(unsafe_code, reason = "compiled code is run as it is")]
fn map(code: OwnedFd) -> std::io::Result<Compiled> {
    // SAFETY: the parent vouches for it: it was compiled from a plugin that is pinned, into a file that only its owner writes.
    unsafe { Compiled::map(&code.into()) }
}

/// Filters and capabilities are a thread's: there may be no other that keeps them.
fn alone() -> Result<(), LinkerError> {
    let fault = |reason: String| LinkerError::Start { step: "be alone", reason };
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
    fn serve(self, control: OwnedFd) -> Result<(), LinkerError> {
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
            rustix::io::retry_on_intr(|| poll(&mut polled, None)).map_err(LinkerError::step("wait"))?;
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
                                let pidfd =
                                    pidfd_open(pid, PidfdFlags::empty()).map_err(LinkerError::step("watch a job"))?;
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

    fn run(&self, zygote: Pid, socket: &OwnedFd) -> Result<(), LinkerError> {
        lockdown::job(zygote)?;
        self.guests.load_others(self.machine.as_ref());
        let Received::Message(body, mut fds) = receive(socket.as_fd())? else { return Err(LinkerError::Gone) };
        // The rooms come first, and after them a module.
        let module = fds.split_off(fds.len().min(3)).pop();
        let rooms = fds.try_into().map_err(|_| LinkerError::Protocol("a job without rooms"))?;
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
