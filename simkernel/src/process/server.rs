//! The event loop: one thread, which reads one message at a time from each connection that has sent one.
//!
//! A client whose socket is full when the kernel replies sends without reading. It is disconnected, so that it does not
//! block the others.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use super::arena::Arena;
use super::kernel::{ConnectionId, Kernel, too_many};
use super::{call, confine, descriptors, klog};
use crate::error::ServeError;
use crate::limits;
use crate::protocol::{Reply, Request};
use crate::sim_error::SimError;
use crate::wire::{decode, encode};

/// What to do after a message.
enum Then {
    Go,
    Close,
    PowerOff,
}

/// See [`crate::serve()`].
pub(crate) fn serve(listener: UnixListener) -> Result<(), ServeError> {
    let step = |step: &'static str| move |error: io::Error| ServeError::Step { step, error };
    if sockopt::socket_type(&listener).map_err(|e| step("check its listener")(e.into()))? != SocketType::SEQPACKET {
        return Err(ServeError::NotSeqpacket);
    }
    confine::alone()?;
    listener.set_nonblocking(true).map_err(step("make its listener non-blocking"))?;
    descriptors::close_others(listener.as_raw_fd()).map_err(step("close inherited descriptors"))?;
    let arena = Arena::reserve(limits::ARENA).map_err(step("reserve memory in the low 2 GiB"))?;
    let kernel = Kernel::new(arena).map_err(|refusal| step("place its exports")(io::Error::other(refusal)))?;
    let user = rustix::process::geteuid();
    descriptors::set_per_cpu_base(kernel.image.per_cpu).map_err(step("set its per-CPU base"))?;
    call::catch_faults().map_err(step("install its fault handler"))?;
    confine::confine(&listener)?;
    klog::log(6, concat!("relobox simulated kernel ", env!("CARGO_PKG_VERSION")));
    Server { listener, kernel, clients: BTreeMap::new(), next: 0, user, buffer: vec![0; limits::MESSAGE] }
        .run()
        .map_err(|error| step("wait for clients")(error.into()))
}

struct Server {
    listener: UnixListener,
    kernel: Kernel,
    clients: BTreeMap<ConnectionId, OwnedFd>,
    next: ConnectionId,
    /// The only user who is served. It is read before the process loses the right to read it.
    user: rustix::process::Uid,
    buffer: Vec<u8>,
}

impl Server {
    fn run(mut self) -> rustix::io::Result<()> {
        loop {
            let (ready, more) = self.wait()?;
            for id in ready {
                match self.serve_one(id) {
                    Then::Go => {}
                    Then::Close => {
                        self.clients.remove(&id);
                        self.kernel.disconnect(id);
                    }
                    Then::PowerOff => return Ok(()),
                }
            }
            // After the disconnects, so that their places are free.
            if more {
                self.accept();
            }
        }
    }

    /// Waits. Returns the connections with a message, and whether there is a new client.
    fn wait(&self) -> rustix::io::Result<(Vec<ConnectionId>, bool)> {
        let mut fds = vec![PollFd::new(&self.listener, PollFlags::IN)];
        fds.extend(self.clients.values().map(|fd| PollFd::new(fd, PollFlags::IN)));
        rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
        let ready = self.clients.keys().zip(&fds[1..]).filter(|(_, fd)| !fd.revents().is_empty());
        Ok((ready.map(|(id, _)| *id).collect(), !fds[0].revents().is_empty()))
    }

    fn accept(&mut self) {
        let Ok(fd) = rustix::net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) else {
            // The client has gone, or there is no free descriptor; then it waits until there is one.
            return;
        };
        match sockopt::socket_peercred(&fd) {
            Ok(peer) if peer.uid == self.user => {}
            _ => return klog::log(4, "a connection of another user was refused"),
        }
        if let Err(refusal) = too_many("connections", limits::CONNECTIONS as u64, self.clients.len() as u64 + 1) {
            let _ = send(&fd, &Reply::Refused { refusal });
            return;
        }
        self.kernel.connect(self.next);
        self.clients.insert(self.next, fd);
        self.next += 1;
    }

    fn serve_one(&mut self, id: ConnectionId) -> Then {
        let Some(fd) = self.clients.get(&id) else { return Then::Go };
        // TRUNC makes the call return the length of the message, also if it is longer than the buffer.
        let len = match rustix::net::recv(fd, &mut self.buffer[..], RecvFlags::TRUNC | RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return Then::Close,
            Ok((_, len)) if len > limits::MESSAGE => {
                klog::log(4, &format!("a connection was closed: it sent {len} bytes at once"));
                return Then::Close;
            }
            Ok((_, len)) => len,
            Err(Errno::AGAIN | Errno::INTR) => return Then::Go,
            Err(_) => return Then::Close,
        };
        let reply = match decode::<Request>(&self.buffer[..len]) {
            Ok(request) => {
                let off = request == Request::PowerOff;
                let reply = self.kernel.answer(id, fd.as_raw_fd(), request);
                if off {
                    let _ = send(fd, &reply);
                    return Then::PowerOff;
                }
                reply
            }
            Err(fault) => {
                Reply::Refused { refusal: SimError::Malformed { what: fault.what.into(), at: fault.at as u32 } }
            }
        };
        match send(fd, &reply) {
            Ok(_) => Then::Go,
            Err(_) => Then::Close,
        }
    }
}

fn send(fd: &OwnedFd, reply: &Reply) -> rustix::io::Result<usize> {
    rustix::net::send(fd, &encode(reply), SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
}
