//! How messages are sent: one packet each. The parent puts large data into a sealed memfd that the packet carries. A
//! job writes large data to a buffer that the parent has made, because the parent accepts no descriptors from a job.

use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use relobox_core::memfd::{self, SEALS};
use rustix::fs::{fcntl_get_seals, fstat};
use rustix::io::{Errno, IoSliceMut, pread};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// The first byte of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    /// The message follows.
    Inline,
    /// The message is in the first descriptor.
    Apart,
    /// The message is in the buffer for messages; its length follows, as a little-endian u64.
    InBuffer,
    /// The zygote reports how the process of a job ended; the wait status follows, as a little-endian i32.
    Ended,
}

impl Tag {
    fn of(byte: u8) -> Option<Self> {
        [Self::Inline, Self::Apart, Self::InBuffer, Self::Ended].into_iter().find(|tag| *tag as u8 == byte)
    }
}

/// A received packet.
#[derive(Debug)]
pub enum Received {
    /// A message, and the descriptors that it carried.
    Message(Vec<u8>, Vec<OwnedFd>),
    /// The process of the job ended with this wait status.
    Ended(i32),
    /// The other end is closed.
    Closed,
}

/// The memory in which a job writes what does not fit into a packet: memfds of fixed size. The parent makes them, which
/// limits their number and size. Each message reuses them, because the parent has read them before it answers.
#[derive(Debug)]
pub struct Buffers {
    /// Messages that are too long for a packet.
    pub messages: OwnedFd,
    /// The module's file, or the bytes of an area.
    pub file: OwnedFd,
    /// Addresses of sections and values of symbols.
    pub numbers: OwnedFd,
}

impl Buffers {
    /// Makes empty buffers of the sizes in [`limits`]: `MESSAGE`, `LINKED` and `VALUES` bytes.
    ///
    /// # Errors
    /// [`LinkerError::Start`] if the kernel has no memory for them.
    pub fn new() -> Result<Self, LinkerError> {
        let buffer = |bytes| {
            memfd::room(bytes)
                .map_err(|e| LinkerError::Start { step: "make the buffers of a job", reason: e.to_string() })
        };
        let (messages, file, numbers) = (buffer(limits::MESSAGE)?, buffer(limits::LINKED)?, buffer(limits::VALUES)?);
        Ok(Self { messages, file, numbers })
    }

    /// The descriptors, in the order in which they are sent.
    pub fn fds(&self) -> [BorrowedFd<'_>; 3] {
        [self.messages.as_fd(), self.file.as_fd(), self.numbers.as_fd()]
    }

    /// The buffers from the descriptors that came with a job, in the order of [`Buffers::fds`].
    pub fn from_fds([messages, file, numbers]: [OwnedFd; 3]) -> Self {
        Self { messages, file, numbers }
    }
}

/// Makes a pair of connected sockets that keep packets apart.
///
/// # Errors
/// [`LinkerError::Start`] if the kernel does not make them.
pub fn pair() -> Result<(OwnedFd, OwnedFd), LinkerError> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(LinkerError::step("make a socket"))
}

/// Sends a message, and waits while the socket is full.
///
/// # Errors
/// [`LinkerError::Gone`] if the other end is closed, [`LinkerError::TooLong`] if there are more than [`limits::PACKET_FDS`]
/// descriptors.
pub fn send(socket: BorrowedFd<'_>, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> Result<(), LinkerError> {
    let json = serde_json::to_vec(message).map_err(|e| LinkerError::Malformed(e.to_string()))?;
    send_json(socket, &json, fds, SendFlags::NOSIGNAL)
}

/// Sends an answer that the other end waits for, without waiting itself.
///
/// # Errors
/// [`LinkerError::Gone`] if the other end is closed, [`LinkerError::Protocol`] if it does not read its answers.
pub fn reply(socket: BorrowedFd<'_>, message: &impl Serialize) -> Result<(), LinkerError> {
    let json = serde_json::to_vec(message).map_err(|e| LinkerError::Malformed(e.to_string()))?;
    send_json(socket, &json, &[], SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

/// Sends a message from a job to the parent. `buffer` is the buffer for long messages.
///
/// # Errors
/// [`LinkerError::Gone`] if the parent is gone, [`LinkerError::TooLong`] if the message exceeds [`limits::MESSAGE`].
pub fn send_to_parent(
    socket: BorrowedFd<'_>,
    buffer: BorrowedFd<'_>,
    message: &impl Serialize,
) -> Result<(), LinkerError> {
    let json = serde_json::to_vec(message).map_err(|e| LinkerError::Malformed(e.to_string()))?;
    if json.len() <= limits::PACKET {
        return packet(socket, Tag::Inline, &json, &[], SendFlags::NOSIGNAL);
    }
    write_buffer(buffer, &json, limits::MESSAGE)?;
    packet(socket, Tag::InBuffer, &(json.len() as u64).to_le_bytes(), &[], SendFlags::NOSIGNAL)
}

/// Writes `bytes` at the start of a buffer of `limit` bytes.
///
/// # Errors
/// [`LinkerError::TooLong`] if they do not fit.
pub fn write_buffer(buffer: BorrowedFd<'_>, bytes: &[u8], limit: u64) -> Result<(), LinkerError> {
    if bytes.len() as u64 > limit {
        return Err(LinkerError::TooLong { limit });
    }
    let mut written = 0;
    while written < bytes.len() {
        match rustix::io::pwrite(buffer, &bytes[written..], written as u64) {
            Ok(n) => written += n,
            Err(Errno::INTR) => {}
            Err(e) => return Err(LinkerError::Malformed(e.to_string())),
        }
    }
    Ok(())
}

fn send_json(socket: BorrowedFd<'_>, json: &[u8], fds: &[BorrowedFd<'_>], flags: SendFlags) -> Result<(), LinkerError> {
    if json.len() <= limits::PACKET {
        return packet(socket, Tag::Inline, json, fds, flags);
    }
    let apart = blob(json)?;
    let fds: Vec<_> = std::iter::once(apart.as_fd()).chain(fds.iter().copied()).collect();
    packet(socket, Tag::Apart, &[], &fds, flags)
}

/// Reports how the process of a job ended. The packet is lost if the socket is full, which the job itself can cause.
///
/// # Errors
/// [`LinkerError::Gone`] if the other end is closed, [`LinkerError::Protocol`] if the socket is full.
pub fn send_ended(socket: BorrowedFd<'_>, status: i32) -> Result<(), LinkerError> {
    packet(socket, Tag::Ended, &status.to_le_bytes(), &[], SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

fn packet(
    socket: BorrowedFd<'_>,
    tag: Tag,
    body: &[u8],
    fds: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<(), LinkerError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::PACKET_FDS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(LinkerError::TooLong { limit: limits::PACKET_FDS as u64 });
    }
    let sent = rustix::io::retry_on_intr(|| {
        sendmsg(socket, &[IoSlice::new(&[tag as u8]), IoSlice::new(body)], &mut beside, flags)
    });
    match sent {
        Ok(_) => Ok(()),
        Err(Errno::AGAIN) => Err(LinkerError::Protocol("it does not read its answers")),
        Err(_) => Err(LinkerError::Gone),
    }
}

/// Receives a message from the parent, with its descriptors.
///
/// # Errors
/// [`LinkerError::TooLong`] and [`LinkerError::Protocol`] if the packet is not one of this protocol.
pub fn receive(socket: BorrowedFd<'_>) -> Result<Received, LinkerError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::PACKET_FDS))];
    receive_packet(socket, None, &mut RecvAncillaryBuffer::new(&mut space))
}

/// Receives a message from the zygote or a job, which may be hostile. Descriptors are not accepted: a descriptor can
/// block its reader, or change while it is read. `buffer` is the buffer for the job's long messages.
///
/// # Errors
/// [`LinkerError::TooLong`] and [`LinkerError::Protocol`] if the packet is not one of this protocol, or carries descriptors.
pub(crate) fn receive_untrusted(
    socket: BorrowedFd<'_>,
    buffer: Option<BorrowedFd<'_>>,
) -> Result<Received, LinkerError> {
    receive_packet(socket, buffer, &mut RecvAncillaryBuffer::default())
}

fn receive_packet(
    socket: BorrowedFd<'_>,
    buffer: Option<BorrowedFd<'_>>,
    beside: &mut RecvAncillaryBuffer<'_>,
) -> Result<Received, LinkerError> {
    let mut bytes = vec![0; limits::PACKET + 1];
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], beside, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => break received,
            // The other end was closed before it had read everything. This is reported once; its own packets follow.
            Err(Errno::INTR | Errno::CONNRESET) => continue,
            Err(_) => return Ok(Received::Closed),
        }
    };
    let mut fds = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(LinkerError::TooLong { limit: limits::PACKET as u64 });
    }
    if received.flags.contains(ReturnFlags::CTRUNC) || fds.len() > limits::PACKET_FDS {
        return Err(LinkerError::Protocol("descriptors that were not asked for"));
    }
    bytes.truncate(received.bytes);
    let Some((tag, body)) = bytes.split_first() else { return Ok(Received::Closed) };
    match (Tag::of(*tag), body) {
        (Some(Tag::Inline), body) => Ok(Received::Message(body.to_vec(), fds)),
        (Some(Tag::Apart), []) if !fds.is_empty() => {
            let apart = fds.remove(0);
            Ok(Received::Message(read_blob(&apart, limits::MESSAGE)?, fds))
        }
        (Some(Tag::InBuffer), body) => match (body.try_into().map(u64::from_le_bytes), buffer) {
            (Ok(len), Some(buffer)) => Ok(Received::Message(read_buffer(buffer, len, limits::MESSAGE)?, fds)),
            _ => Err(LinkerError::Protocol("a malformed packet")),
        },
        (Some(Tag::Ended), body) if fds.is_empty() => match body.try_into() {
            Ok(status) => Ok(Received::Ended(i32::from_le_bytes(status))),
            Err(_) => Err(LinkerError::Protocol("a malformed packet")),
        },
        _ => Err(LinkerError::Protocol("a malformed packet")),
    }
}

/// Parses a message.
///
/// # Errors
/// [`LinkerError::Malformed`] if it is not JSON of this type.
pub fn decode<T: DeserializeOwned>(message: &[u8]) -> Result<T, LinkerError> {
    serde_json::from_slice(message).map_err(|e| LinkerError::Malformed(e.to_string()))
}

/// Writes `bytes` to a new sealed memfd.
///
/// # Errors
/// [`LinkerError::Start`] if the kernel has no memory for it.
pub fn blob(bytes: &[u8]) -> Result<OwnedFd, LinkerError> {
    let make = || {
        let mut file = memfd::create("relobox")?;
        file.write_all(bytes)?;
        memfd::seal(file)
    };
    make().map_err(|e: io::Error| LinkerError::Start { step: "make a memfd", reason: e.to_string() })
}

/// The length of a sealed memfd. Neither its size nor its contents can change, so reading it cannot block or fail
/// half-way.
///
/// # Errors
/// [`LinkerError::Protocol`] for any other descriptor.
pub(crate) fn sealed_len(fd: &OwnedFd) -> Result<u64, LinkerError> {
    match fcntl_get_seals(fd) {
        Ok(seals) if seals.contains(SEALS) => {}
        _ => return Err(LinkerError::Protocol("a descriptor that is not a sealed memfd")),
    }
    let len = fstat(fd).map_err(|_| LinkerError::Protocol("a descriptor without a length"))?.st_size;
    u64::try_from(len).map_err(|_| LinkerError::Protocol("a descriptor without a length"))
}

/// Reads a sealed memfd of at most `limit` bytes.
///
/// # Errors
/// [`LinkerError::Protocol`] if it is not sealed, [`LinkerError::TooLong`] if it is longer.
pub(crate) fn read_blob(fd: &OwnedFd, limit: u64) -> Result<Vec<u8>, LinkerError> {
    read_buffer(fd.as_fd(), sealed_len(fd)?, limit)
}

/// Reads the first `len` bytes of a buffer of `limit` bytes. They are copied once, so writes at the same time do no
/// harm.
///
/// # Errors
/// [`LinkerError::TooLong`] if `len` exceeds `limit`.
pub(crate) fn read_buffer(fd: BorrowedFd<'_>, len: u64, limit: u64) -> Result<Vec<u8>, LinkerError> {
    if len > limit {
        return Err(LinkerError::TooLong { limit });
    }
    let mut bytes = vec![0; len as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match pread(fd, &mut bytes[filled..], filled as u64) {
            Ok(0) => return Err(LinkerError::Protocol("a memfd that is shorter than its length")),
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(e) => return Err(LinkerError::Malformed(e.to_string())),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, memfd_create};

    #[test]
    fn long_messages_arrive_and_descriptors_stay_in_order() {
        let (a, b) = pair().unwrap();
        let note = blob(b"note").unwrap();
        for text in ["short".to_owned(), "long ".repeat(limits::PACKET)] {
            send(a.as_fd(), &text, &[note.as_fd()]).unwrap();
            let Received::Message(body, fds) = receive(b.as_fd()).unwrap() else { panic!() };
            assert_eq!(decode::<String>(&body).unwrap(), text);
            assert_eq!(read_blob(&fds[0], 4).unwrap(), b"note");
            assert_eq!(read_blob(&fds[0], 3), Err(LinkerError::TooLong { limit: 3 }));
        }
        send_ended(a.as_fd(), 31).unwrap();
        assert!(matches!(receive(b.as_fd()).unwrap(), Received::Ended(31)));
        // The other end is closed with a packet unread. Its last packets are still received.
        send(b.as_fd(), &"unread", &[]).unwrap();
        send_ended(a.as_fd(), 9).unwrap();
        drop(a);
        assert!(matches!(receive(b.as_fd()).unwrap(), Received::Ended(9)));
        assert!(matches!(receive(b.as_fd()).unwrap(), Received::Closed));
    }

    #[test]
    fn packets_that_are_too_long_or_no_packets_are_refused() {
        let (a, b) = pair().unwrap();
        let raw = |bytes: &[u8]| rustix::net::send(&a, bytes, SendFlags::empty()).unwrap();
        raw(&vec![Tag::Inline as u8; limits::PACKET + 2]);
        assert!(matches!(receive(b.as_fd()), Err(LinkerError::TooLong { .. })));
        let in_buffer = Tag::InBuffer as u8;
        for bytes in [
            &[9u8][..],
            &[Tag::Apart as u8],
            &[Tag::Ended as u8, 1],
            &[Tag::Apart as u8, 1],
            &[in_buffer],
            &[in_buffer; 9],
        ] {
            raw(bytes);
            assert!(matches!(receive(b.as_fd()), Err(LinkerError::Protocol(_))), "{bytes:?}");
        }
        let buffer = memfd::room(limits::MESSAGE).unwrap();
        raw(&[in_buffer, 1]);
        assert!(matches!(receive_untrusted(b.as_fd(), Some(buffer.as_fd())), Err(LinkerError::Protocol(_))));
        raw(&[in_buffer; 9]);
        assert_eq!(
            receive_untrusted(b.as_fd(), Some(buffer.as_fd())).unwrap_err(),
            LinkerError::TooLong { limit: limits::MESSAGE }
        );
        // More descriptors than a packet can carry.
        let note = blob(b"").unwrap();
        let fds = [note.as_fd(); limits::PACKET_FDS + 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::PACKET_FDS + 1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        assert!(beside.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&a, &[IoSlice::new(&[Tag::Inline as u8])], &mut beside, SendFlags::empty()).unwrap();
        assert!(matches!(receive(b.as_fd()), Err(LinkerError::Protocol(_))));
        // No descriptor is accepted from a job, and none stays open.
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let (before, none) = (open(), LinkerError::Protocol("descriptors that were not asked for"));
        for fds in [&fds[..1], &fds[..limits::PACKET_FDS]] {
            send(a.as_fd(), &"x", fds).unwrap();
            assert_eq!(receive_untrusted(b.as_fd(), None).unwrap_err(), none);
        }
        // Other tests open and close files at the same time.
        assert!(open() < before + limits::PACKET_FDS, "{before} {}", open());
    }

    #[test]
    fn a_long_message_goes_through_the_room_again_and_again() {
        let ((a, b), buffers) = (pair().unwrap(), Buffers::new().unwrap());
        let buffer = buffers.messages.as_fd();
        for text in ["long ".repeat(limits::PACKET), "short".to_owned(), "l".repeat(limits::PACKET)] {
            send_to_parent(a.as_fd(), buffer, &text).unwrap();
            let Received::Message(body, _) = receive_untrusted(b.as_fd(), Some(buffer)).unwrap() else { panic!() };
            assert_eq!(decode::<String>(&body).unwrap(), text);
        }
        // The size cannot change, not even for a process that may write.
        let buffer = memfd::room(8).unwrap();
        assert_eq!(write_buffer(buffer.as_fd(), b"12345678", 8), Ok(()));
        assert_eq!(write_buffer(buffer.as_fd(), b"123456789", 8), Err(LinkerError::TooLong { limit: 8 }));
        assert_eq!(rustix::io::pwrite(&buffer, b"123456789", 0), Err(Errno::PERM));
        assert_eq!(rustix::fs::ftruncate(&buffer, 9), Err(Errno::PERM));
        let file = memfd::cut(buffer.as_fd(), 4).unwrap();
        assert_eq!(read_blob(&file, 4).unwrap(), b"1234");
        assert!(rustix::io::pwrite(&buffer, b"x", 0).is_err());
    }

    #[test]
    fn only_sealed_memory_is_read() {
        let open = memfd_create("open", MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(matches!(read_blob(&open, 10), Err(LinkerError::Protocol(_))));
        let (pipe, _other) = pair().unwrap();
        assert!(matches!(read_blob(&pipe, 10), Err(LinkerError::Protocol(_))));
    }
}
