//! The client's side: one method per request.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use crate::limits;
use crate::protocol::{Area, AreaRequest, Listing, Load, Loaded, LogLine, Protection, Reply, Request, View};
use crate::sim_error::SimError;
use crate::wire::{Bytes, Malformed, Wire, decode, encode};

/// What can go wrong between a client and the kernel.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kernel said no.
    #[error(transparent)]
    Refused(#[from] SimError),
    /// The kernel is gone.
    #[error("the kernel died while it was asked to {during}{}", report.as_deref().map(|r| format!(": {r}")).unwrap_or_default())]
    KernelDied {
        /// What it was asked to do.
        during: String,
        /// What it said last, if it had something to say to this client.
        report: Option<String>,
    },
    /// The socket belongs to somebody else.
    #[error("the kernel's socket is served by user {uid}, who is not this user")]
    Stranger {
        /// Whose it is.
        uid: u32,
    },
    /// The kernel's answer cannot be read.
    #[error("the kernel's answer cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// The kernel answered something else than it was asked.
    #[error("the kernel answered another question when it was asked to {during}")]
    Unexpected {
        /// What it was asked to do.
        during: String,
    },
    /// The socket does not work.
    #[error("cannot {during}: {error}")]
    Io {
        /// What was attempted.
        during: String,
        /// What the system said.
        error: io::Error,
    },
}

/// A connection to the kernel. What it allocates is freed when it is dropped, unless it has become a module.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to the kernel that serves `socket`.
    pub fn connect(socket: &Path) -> Result<Client, ClientError> {
        let fail = |error: Errno| ClientError::Io {
            during: format!("connect to the simulated kernel at {}", socket.display()),
            error: error.into(),
        };
        let address = SocketAddrUnix::new(socket).map_err(fail)?;
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(fail)?;
        rustix::net::connect(&fd, &address).map_err(fail)?;
        Client::from_socket(fd)
    }

    /// Uses a connected `SOCK_SEQPACKET` socket. Its other end must be this user's.
    pub fn from_socket(socket: OwnedFd) -> Result<Client, ClientError> {
        let peer = rustix::net::sockopt::socket_peercred(&socket)
            .map_err(|error| ClientError::Io { during: "ask whose the kernel is".into(), error: error.into() })?;
        if peer.uid != rustix::process::geteuid() {
            return Err(ClientError::Stranger { uid: peer.uid.as_raw() });
        }
        Ok(Client { socket, buffer: vec![0; limits::MESSAGE] })
    }

    /// Modules, their addresses, and everything that is exported: a consistent picture.
    pub fn list(&mut self) -> Result<Listing, ClientError> {
        self.snapshot(View::Listing, "list modules")
    }

    /// The kernel's log, oldest line first.
    pub fn log(&mut self) -> Result<Vec<LogLine>, ClientError> {
        self.snapshot(View::Log, "show its log")
    }

    /// Allocates all of `areas` or none, in that order. They are writable and full of zeros.
    pub fn allocate(&mut self, areas: &[AreaRequest]) -> Result<Vec<Area>, ClientError> {
        match self.ask("allocate", &Request::Allocate { areas: areas.to_vec() })? {
            Reply::Areas { areas: granted } if granted.len() == areas.len() => Ok(granted),
            _ => Err(unexpected("allocate")),
        }
    }

    /// Puts bytes into one area, in as many messages as that takes.
    pub fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), ClientError> {
        let mut at = address;
        for chunk in bytes.chunks(limits::CHUNK) {
            self.order("put bytes", &Request::Put { address: at, bytes: Bytes(chunk.to_vec()) })?;
            at = at.wrapping_add(chunk.len() as u64);
        }
        Ok(())
    }

    /// Makes an area read-only or executable, once and for all.
    pub fn protect(&mut self, area: u64, protection: Protection) -> Result<(), ClientError> {
        self.order("protect an area", &Request::Protect { address: area, protection })
    }

    /// Calls `int f(void)` in an area of this connection.
    pub fn call(&mut self, address: u64) -> Result<i32, ClientError> {
        match self.ask("call a function", &Request::Call { address })? {
            Reply::Returned { value } => Ok(value),
            _ => Err(unexpected("call a function")),
        }
    }

    /// Gives an area back before the connection ends.
    pub fn release(&mut self, area: u64) -> Result<(), ClientError> {
        self.order("release an area", &Request::Release { address: area })
    }

    /// Makes a module of this connection's areas: its init runs, and then it is live. If the arguments are refused or
    /// init fails, the module's areas are freed; any other refusal leaves them with the connection.
    pub fn load(&mut self, load: &Load) -> Result<Loaded, ClientError> {
        let during = format!("load '{}'", load.name);
        match self.ask(&during, &Request::Load { load: load.clone() })? {
            Reply::Loaded { loaded } => Ok(loaded),
            _ => Err(unexpected(&during)),
        }
    }

    /// Removes a module that nobody uses.
    pub fn remove(&mut self, name: &str) -> Result<(), ClientError> {
        self.order(&format!("remove '{name}'"), &Request::Remove { name: name.to_owned() })
    }

    /// Ends the kernel. Its modules vanish with it; their exit functions do not run.
    pub fn power_off(mut self) -> Result<(), ClientError> {
        self.order("power off", &Request::PowerOff)
    }

    fn snapshot<T: Wire>(&mut self, view: View, during: &str) -> Result<T, ClientError> {
        let Reply::Length { length } = self.ask(during, &Request::Snapshot { view })? else {
            return Err(unexpected(during));
        };
        let mut picture = Vec::new();
        while (picture.len() as u64) < length {
            let offset = picture.len() as u64;
            match self.ask(during, &Request::Read { offset })? {
                Reply::Contents { bytes: Bytes(piece) } if !piece.is_empty() => picture.extend_from_slice(&piece),
                _ => return Err(unexpected(during)),
            }
        }
        Ok(decode(&picture)?)
    }

    fn order(&mut self, during: &str, request: &Request) -> Result<(), ClientError> {
        match self.ask(during, request)? {
            Reply::Done => Ok(()),
            _ => Err(unexpected(during)),
        }
    }

    fn ask(&mut self, during: &str, request: &Request) -> Result<Reply, ClientError> {
        let message = encode(request);
        if message.len() > limits::MESSAGE {
            // The kernel would hang up on it; here there is still a name for what is wrong.
            return Err(SimError::TooMany {
                what: format!("bytes in the request to {during}"),
                limit: limits::MESSAGE as u64,
                asked: message.len() as u64,
            }
            .into());
        }
        let died = |report| ClientError::KernelDied { during: during.to_owned(), report };
        let sent = rustix::io::retry_on_intr(|| rustix::net::send(&self.socket, &message, SendFlags::NOSIGNAL));
        // A kernel that died may still have left its last words: look for them before giving up.
        let gone = match sent {
            Ok(_) => false,
            Err(Errno::PIPE | Errno::CONNRESET) => true,
            Err(error) => return Err(ClientError::Io { during: during.to_owned(), error: error.into() }),
        };
        let mut receive = || {
            rustix::io::retry_on_intr(|| {
                rustix::net::recv(&self.socket, &mut self.buffer[..], RecvFlags::empty()).map(|(len, _)| len)
            })
        };
        let received = match receive() {
            // Told once that our request was not read; what was said to us before that comes after it.
            Err(Errno::CONNRESET) => receive(),
            other => other,
        };
        let len = match received {
            Ok(0) | Err(Errno::CONNRESET | Errno::PIPE) => return Err(died(None)),
            Ok(len) => len,
            Err(_) if gone => return Err(died(None)),
            Err(error) => return Err(ClientError::Io { during: during.to_owned(), error: error.into() }),
        };
        match decode(&self.buffer[..len])? {
            Reply::Refused { refusal } => Err(refusal.into()),
            Reply::Oops { report } => {
                self.wait_for_its_end();
                Err(died(Some(report)))
            }
            reply => Ok(reply),
        }
    }
}

impl Client {
    /// Until its sockets are closed, so that nobody who comes after this connects to what is dying.
    fn wait_for_its_end(&self) {
        let limit = Timespec { tv_sec: limits::DYING, tv_nsec: 0 };
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        let _ = rustix::io::retry_on_intr(|| poll(&mut polled, Some(&limit)));
    }
}

fn unexpected(during: &str) -> ClientError {
    ClientError::Unexpected { during: during.to_owned() }
}
