//! The client: one method for each request.

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

/// An error between a client and the kernel.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kernel refused the request.
    #[error(transparent)]
    Refused(#[from] SimError),
    /// The kernel died.
    #[error(
        "the kernel died while it was asked to {during}{}",
        report.as_deref().map(|r| format!(": {r}")).unwrap_or_default()
    )]
    KernelDied {
        /// The request, as a verb phrase.
        during: String,
        /// The last message of the kernel, if it sent one to this client.
        report: Option<String>,
    },
    /// The socket belongs to another user.
    #[error("the kernel's socket is served by user {uid}, who is not this user")]
    Stranger {
        /// The user who serves the socket.
        uid: u32,
    },
    /// The kernel's answer cannot be parsed.
    #[error("the kernel's answer cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// The kernel sent an answer to another request.
    #[error("the kernel sent an answer to another request when it was asked to {during}")]
    Unexpected {
        /// The request, as a verb phrase.
        during: String,
    },
    /// A system call on the socket failed.
    #[error("cannot {during}: {error}")]
    Io {
        /// The step, as a verb phrase.
        during: String,
        /// The error of the system call.
        error: io::Error,
    },
}

/// A connection to the kernel. Dropping it frees the areas that it allocated and that are not part of a module.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to the kernel that serves `socket`.
    ///
    /// # Errors
    /// [`ClientError::Io`] if there is no such socket, [`ClientError::Stranger`] if another user serves it.
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

    /// Uses a connected `SOCK_SEQPACKET` socket. Its other end must belong to this user.
    ///
    /// # Errors
    /// [`ClientError::Stranger`] if it belongs to another user.
    pub(crate) fn from_socket(socket: OwnedFd) -> Result<Client, ClientError> {
        let peer = rustix::net::sockopt::socket_peercred(&socket).map_err(|error| ClientError::Io {
            during: "read the user of the kernel's socket".into(),
            error: error.into(),
        })?;
        if peer.uid != rustix::process::geteuid() {
            return Err(ClientError::Stranger { uid: peer.uid.as_raw() });
        }
        Ok(Client { socket, buffer: vec![0; limits::MESSAGE] })
    }

    /// Lists modules, their addresses, and all exports. The list is consistent, also if it takes several messages.
    ///
    /// # Errors
    /// [`ClientError::KernelDied`] if the kernel is gone.
    pub fn list(&mut self) -> Result<Listing, ClientError> {
        self.snapshot(View::Listing, "list modules")
    }

    /// Returns the kernel's log, oldest line first.
    ///
    /// # Errors
    /// [`ClientError::KernelDied`] if the kernel is gone.
    pub fn log(&mut self) -> Result<Vec<LogLine>, ClientError> {
        self.snapshot(View::Log, "show its log")
    }

    /// Allocates all of `areas` or none. The result has the same order. The areas are writable and zeroed.
    ///
    /// # Errors
    /// [`SimError::NoSpace`], or another [`ClientError::Refused`] for an impossible size,
    /// alignment or number.
    pub fn allocate(&mut self, areas: &[AreaRequest]) -> Result<Vec<Area>, ClientError> {
        match self.ask("allocate", &Request::Allocate { areas: areas.to_vec() })? {
            Reply::Areas { areas: granted } if granted.len() == areas.len() => Ok(granted),
            _ => Err(unexpected("allocate")),
        }
    }

    /// Copies bytes into one writable area of this connection, in as many messages as necessary.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the range is not within such an area.
    pub fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), ClientError> {
        let mut at = address;
        for chunk in bytes.chunks(limits::CHUNK) {
            self.order("put bytes", &Request::Put { address: at, bytes: Bytes(chunk.to_vec()) })?;
            at = at.wrapping_add(chunk.len() as u64);
        }
        Ok(())
    }

    /// Makes an area read-only or executable. It can never become writable again.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the area is not this connection's, or was protected already.
    pub fn protect(&mut self, area: u64, protection: Protection) -> Result<(), ClientError> {
        self.order("protect an area", &Request::Protect { address: area, protection })
    }

    /// Calls `int f(void)` in an executable area of this connection, and returns its result.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if `address` is not in such an area, [`ClientError::KernelDied`] if the function
    /// crashes.
    pub fn call(&mut self, address: u64) -> Result<i32, ClientError> {
        match self.ask("call a function", &Request::Call { address })? {
            Reply::Returned { value } => Ok(value),
            _ => Err(unexpected("call a function")),
        }
    }

    /// Frees an area before the connection ends.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the area is not this connection's.
    pub fn release(&mut self, area: u64) -> Result<(), ClientError> {
        self.order("release an area", &Request::Release { address: area })
    }

    /// Makes a module of areas of this connection: its init runs, and then it is live.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the kernel refuses. If it refuses a parameter, or if init fails, the areas are
    /// freed; otherwise the connection keeps them. [`ClientError::KernelDied`] if init crashes.
    pub fn load(&mut self, load: &Load) -> Result<Loaded, ClientError> {
        let during = format!("load '{}'", load.name);
        match self.ask(&during, &Request::Load { load: load.clone() })? {
            Reply::Loaded { loaded } => Ok(loaded),
            _ => Err(unexpected(&during)),
        }
    }

    /// Removes an unused module, after its exit function has run.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the module does not exist, is in use, or cannot be removed.
    pub fn remove(&mut self, name: &str) -> Result<(), ClientError> {
        self.order(&format!("remove '{name}'"), &Request::Remove { name: name.to_owned() })
    }

    /// Ends the kernel. Its modules end with it; their exit functions do not run.
    ///
    /// # Errors
    /// [`ClientError::Io`] if the request cannot be sent.
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
            // The kernel would only close the connection. Here the error can name the cause.
            return Err(SimError::TooMany {
                what: format!("bytes in the request to {during}"),
                limit: limits::MESSAGE as u64,
                asked: message.len() as u64,
            }
            .into());
        }
        let died = |report| ClientError::KernelDied { during: during.to_owned(), report };
        let sent = rustix::io::retry_on_intr(|| rustix::net::send(&self.socket, &message, SendFlags::NOSIGNAL));
        // A kernel that died may have sent a last message. Read it before giving up.
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
            // The kernel did not read our request. This is reported once; messages from before it follow.
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
    /// Waits until the kernel's sockets are closed, so that the next client does not connect to a dying kernel.
    fn wait_for_its_end(&self) {
        let limit = Timespec { tv_sec: limits::DYING, tv_nsec: 0 };
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        let _ = rustix::io::retry_on_intr(|| poll(&mut polled, Some(&limit)));
    }
}

fn unexpected(during: &str) -> ClientError {
    ClientError::Unexpected { during: during.to_owned() }
}
