//! The zygote: loads the guests once, gives up its rights, and forks a process for each job.
//!
//! It never reads a byte of a module, and never runs a guest that is not built in. Its input comes from its parent. So
//! each job begins in a process that nothing hostile has touched, and that ends with the job.

use crate::attempts::attempt;
use crate::contents;
use crate::depmod;
use crate::lockdown;
use crate::parent::Parent;
use crate::proxy::Proxy;
use crate::questions;
use crate::signed;
use crate::system::{close_from, exit, fork};
use cap_std::fs::File;
use relobox_core::error::{Error, Result};
use relobox_core::kernel::Machine;
use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use relobox_isolate::message::{Answer, Job, NewJob, Ready, Request, Setup, Tried};
use relobox_isolate::wire::{Buffers, Received, decode, receive, send, send_ended, send_to_parent};
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

/// Serves the parent at the other end of standard input until it is gone. `load` makes the guests. Returns the exit
/// code.
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
            // A packet is large enough for this, whatever the text contains.
            let text = error.to_string().chars().take(limits::PACKET / 8).collect();
            let _ = send(control.as_fd(), &Ready::No { text, usage }, &[]);
            2
        }
    };
    ExitCode::from(code)
}

/// Moves the socket away from standard input, where libraries might read or write. Closes all other descriptors.
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

/// Makes the guests from the setup, and from the plugins that the parent sent.
pub type Load = fn(&Setup, Vec<Unloaded>) -> Result<Guests>;

/// Loads the guests and gives up all rights. Returns the parts of the isolation that this kernel does not support.
fn ready(control: &OwnedFd, load: Load) -> Result<(Zygote, Vec<String>)> {
    let Received::Message(body, plugins) = receive(control.as_fd())? else { return Err(LinkerError::Gone.into()) };
    let setup: Setup = decode(&body)?;
    // The terminal's interrupt is for the parent. This process ends when the parent does.
    let _ = rustix::process::setsid();
    rustix::process::chdir("/").map_err(LinkerError::step("change its directory"))?;
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
    // It is read from the kernel when it is first asked for, and jobs may not do that.
    let _ = rustix::param::page_size();
    let guests = load(&setup, others)?;
    let [chosen, pinned] = setup.preferred;
    let guests = guests.preferring(chosen, pinned);
    guests.load_built_in(setup.machine.as_ref())?;
    // Only their code. None of it has run when the first job begins.
    guests.load_code_of_others(setup.machine.as_ref());
    alone()?;
    let whole = lockdown::zygote()?;
    let missing = if whole { vec![] } else { vec!["this kernel supports landlock only in part, or not at all".into()] };
    Ok((Zygote { guests, machine: setup.machine }, missing))
}

#[allow(unsafe_code, reason = "compiled code is run as it is")]
fn map(code: OwnedFd) -> std::io::Result<Compiled> {
    // SAFETY: the parent vouches for the code: it was compiled from a pinned plugin, into a file that only its
    // owner can write.
    unsafe { Compiled::map(&code.into()) }
}

/// Checks that the process has one thread. Filters and capabilities apply to a thread, so another would keep its
/// rights.
fn alone() -> Result<(), LinkerError> {
    let fault = |reason: String| LinkerError::Start { step: "check that it has one thread", reason };
    // Landlock hides /proc. The number of links can be read without opening it.
    match rustix::fs::stat("/proc/self/task") {
        Ok(stat) if stat.st_nlink > 3 => Err(fault(format!("{} threads", stat.st_nlink - 2))),
        // Without /proc, this cannot be checked. wasmtime is built so that it starts no threads.
        _ => Ok(()),
    }
}

/// A job's process.
struct Running {
    pid: Pid,
    pidfd: OwnedFd,
    /// The job's end of its socket, to report how the process ended.
    socket: OwnedFd,
    /// True if the parent has closed its end: the process is killed.
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
                        let NewJob = decode(&body)?;
                        let socket = fds.remove(0);
                        let zygote = getpid();
                        match fork()? {
                            Some(pid) => {
                                let pidfd =
                                    pidfd_open(pid, PidfdFlags::empty()).map_err(LinkerError::step("watch a job"))?;
                                running.push(Running { pid, pidfd, socket, ended: false });
                            }
                            None => {
                                // A job must not have the sockets of other jobs, or that of the zygote.
                                drop((running, control));
                                self.job(zygote, &socket);
                            }
                        }
                    }
                    // The parent is gone. All jobs end with this process.
                    _ => return Ok(()),
                }
            }
        }
    }

    /// Runs a job from the beginning to the end of its process.
    fn job(&self, zygote: Pid, socket: &OwnedFd) -> ! {
        // An error goes to the parent, because there is no terminal. It goes in a packet: the buffers may not exist
        // yet.
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
        // The descriptors of the buffers come first, and then those of the job.
        let mut files = fds.split_off(fds.len().min(3));
        let buffers = fds.try_into().map_err(|_| LinkerError::Protocol("a job without buffers"))?;
        let buffers = Buffers::from_fds(buffers);
        let parent = Parent { socket, buffers: &buffers };
        let job = match decode(&body)? {
            Job::Read => return depmod::read(&self.guests, &parent),
            Job::Depmod(form) => return depmod::depmod(&parent, *form, &files),
            Job::Modinfo(form) => return depmod::modinfo(&self.guests, &parent, &form, &files),
            Job::Contents(part) => return contents::tell(&self.guests, &parent, part),
            Job::Lookup(form) => return depmod::lookup(&parent, &form, &files),
            Job::Verify { len, keys } => return signed::judged(&parent, len, &keys, &files),
            Job::Unpack { name, len } => {
                let file = files.pop().ok_or(LinkerError::Protocol("a job without its file"))?;
                return signed::unpacked(&self.guests, &parent, &name, len, file);
            }
            Job::Ask(question) => return questions::answer(&self.guests, &parent, &question, files),
            job => job,
        };
        let Buffers { messages, file: buffer, numbers } = buffers;
        let request = match (job, files.pop()) {
            (Job::Insmod { name, len, args, inputs }, Some(file)) => {
                let (messages, numbers) = (messages.as_fd(), numbers.as_fd());
                let mut parent = Proxy { socket, name: &name, messages, numbers, file: Some(buffer), written: 0 };
                let module = self.load(&name, file, len);
                let inserted = module.and_then(|module| insmod(&self.guests, &mut parent, module, &args, &inputs));
                Request::Answer(Box::new(Answer::new(inserted)))
            }
            (Job::Call { name, len, function, inputs }, Some(file)) => {
                let (messages, numbers) = (messages.as_fd(), numbers.as_fd());
                let mut parent = Proxy { socket, name: &name, messages, numbers, file: Some(buffer), written: 0 };
                let object = self.load(&name, file, len);
                let called =
                    object.and_then(|object| call(&self.guests, &mut parent, object, function.as_deref(), &inputs));
                Request::Answer(Box::new(Answer::called(called)))
            }
            (Job::Try(what, parent), _) => Request::Tried(attempt(&what, parent, messages.as_fd())),
            _ => Request::Tried(Tried::Unknown),
        };
        send_to_parent(socket.as_fd(), messages.as_fd(), &request)
    }

    fn load(&self, name: &str, file: OwnedFd, len: u64) -> Result<Module> {
        load(&self.guests, name, Source::File(File::from_std(std::fs::File::from(file)), len))
    }
}
