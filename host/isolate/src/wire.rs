//! Messages: one packet each. What is large is beside it in a sealed memfd if it comes from the parent, and in a room
//! that the parent has made if it comes from a job: of a job, the parent takes no descriptors.

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

/// What a packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    /// The message follows.
    Inline,
    /// The message is in the first descriptor.
    Apart,
    /// The message is in the room for messages; its length follows.
    InRoom,
    /// The zygote's own word about a job's process: how it ended.
    Ended,
}

impl Tag {
    fn of(byte: u8) -> Option<Self> {
        [Self::Inline, Self::Apart, Self::InRoom, Self::Ended].into_iter().find(|tag| *tag as u8 == byte)
    }
}

/// What came.
#[derive(Debug)]
pub enum Received {
    /// A message, and the descriptors that came with it.
    Message(Vec<u8>, Vec<OwnedFd>),
    /// The process ended, with this wait status.
    Ended(i32),
    /// The other end is closed.
    Closed,
}

/// Where a job writes what does not fit into a packet. The parent makes them, and so bounds their number and size; each
/// is written anew for each message, since the parent has read it when it answers.
#[derive(Debug)]
pub struct Rooms {
    /// Messages that are too long for a packet.
    pub messages: OwnedFd,
    /// The module's file, or an area's bytes.
    pub file: OwnedFd,
    /// Sections' addresses and symbols' values.
    pub numbers: OwnedFd,
}

impl Rooms {
    /// Empty ones, of the sizes that `limits` has.
    ///
    /// # Errors
    /// If the kernel has no memory for them.
    pub fn new() -> Result<Self, LinkerError> {
        let room = |bytes| {
            memfd::room(bytes).map_err(|e| LinkerError::Start { step: "make room for a job", reason: e.to_string() })
        };
        let (messages, file, numbers) = (room(limits::MESSAGE)?, room(limits::LINKED)?, room(limits::VALUES)?);
        Ok(Self { messages, file, numbers })
    }

    /// As they travel.
    pub fn fds(&self) -> [BorrowedFd<'_>; 3] {
        [self.messages.as_fd(), self.file.as_fd(), self.numbers.as_fd()]
    }

    /// Those that came beside a job, in the order of `fds`.
    pub fn from_fds([messages, file, numbers]: [OwnedFd; 3]) -> Self {
        Self { messages, file, numbers }
    }
}

/// Two connected ends.
pub fn pair() -> Result<(OwnedFd, OwnedFd), LinkerError> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(LinkerError::step("make a socket"))
}

/// Sends a message. The other end's being gone is [`LinkerError::Gone`].
pub fn send(socket: BorrowedFd<'_>, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> Result<(), LinkerError> {
    let json = serde_json::to_vec(message).map_err(|e| LinkerError::Malformed(e.to_string()))?;
    send_json(socket, &json, fds, SendFlags::NOSIGNAL)
}

/// Sends what the other end waits for. One that does not is not waited for either.
pub fn reply(socket: BorrowedFd<'_>, message: &impl Serialize) -> Result<(), LinkerError> {
    let json = serde_json::to_vec(message).map_err(|e| LinkerError::Malformed(e.to_string()))?;
    send_json(socket, &json, &[], SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

/// Says something to the parent, which has made `room` for it.
pub fn say(socket: BorrowedFd<'_>, room: BorrowedFd<'_>, message: &impl Serialize) -> Result<(), LinkerError> {
    let json = serde_json::to_vec(message).map_err(|e| LinkerError::Malformed(e.to_string()))?;
    if json.len() <= limits::PACKET {
        return packet(socket, Tag::Inline, &json, &[], SendFlags::NOSIGNAL);
    }
    write_room(room, &json, limits::MESSAGE)?;
    packet(socket, Tag::InRoom, &(json.len() as u64).to_le_bytes(), &[], SendFlags::NOSIGNAL)
}

/// Writes `bytes` at the start of a room that has `limit`.
pub fn write_room(room: BorrowedFd<'_>, bytes: &[u8], limit: u64) -> Result<(), LinkerError> {
    if bytes.len() as u64 > limit {
        return Err(LinkerError::TooLong { limit });
    }
    let mut written = 0;
    while written < bytes.len() {
        match rustix::io::pwrite(room, &bytes[written..], written as u64) {
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

/// Says how a job's process ended, if there is room: the job itself may have filled it.
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
        Err(Errno::AGAIN) => Err(LinkerError::Protocol("it asks and does not listen")),
        Err(_) => Err(LinkerError::Gone),
    }
}

/// Receives a message of the parent's, with its descriptors.
pub fn receive(socket: BorrowedFd<'_>) -> Result<Received, LinkerError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::PACKET_FDS))];
    receive_packet(socket, None, &mut RecvAncillaryBuffer::new(&mut space))
}

/// Receives a message of the zygote's or of a job's, which may be hostile. Descriptors are not taken: one could make the
/// parent wait, or change under its eyes. `room` is where a job's long messages are.
pub fn hear(socket: BorrowedFd<'_>, room: Option<BorrowedFd<'_>>) -> Result<Received, LinkerError> {
    receive_packet(socket, room, &mut RecvAncillaryBuffer::default())
}

fn receive_packet(
    socket: BorrowedFd<'_>,
    room: Option<BorrowedFd<'_>>,
    beside: &mut RecvAncillaryBuffer<'_>,
) -> Result<Received, LinkerError> {
    let mut buffer = vec![0; limits::PACKET + 1];
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], beside, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => break received,
            // The other end was closed before it had read everything: said once, and what it sent before comes after.
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
    buffer.truncate(received.bytes);
    let Some((tag, body)) = buffer.split_first() else { return Ok(Received::Closed) };
    match (Tag::of(*tag), body) {
        (Some(Tag::Inline), body) => Ok(Received::Message(body.to_vec(), fds)),
        (Some(Tag::Apart), []) if !fds.is_empty() => {
            let apart = fds.remove(0);
            Ok(Received::Message(read_blob(&apart, limits::MESSAGE)?, fds))
        }
        (Some(Tag::InRoom), body) => match (body.try_into().map(u64::from_le_bytes), room) {
            (Ok(len), Some(room)) => Ok(Received::Message(read_room(room, len, limits::MESSAGE)?, fds)),
            _ => Err(LinkerError::Protocol("a malformed packet")),
        },
        (Some(Tag::Ended), body) if fds.is_empty() => match body.try_into() {
            Ok(status) => Ok(Received::Ended(i32::from_le_bytes(status))),
            Err(_) => Err(LinkerError::Protocol("a malformed packet")),
        },
        _ => Err(LinkerError::Protocol("a malformed packet")),
    }
}

/// A message's text as what it should be.
pub fn read<T: DeserializeOwned>(message: &[u8]) -> Result<T, LinkerError> {
    serde_json::from_slice(message).map_err(|e| LinkerError::Malformed(e.to_string()))
}

/// `bytes` in a sealed memfd.
pub fn blob(bytes: &[u8]) -> Result<OwnedFd, LinkerError> {
    let make = || {
        let mut file = memfd::create("relobox")?;
        file.write_all(bytes)?;
        memfd::seal(file)
    };
    make().map_err(|e: io::Error| LinkerError::Start { step: "make a memfd", reason: e.to_string() })
}

/// The length of a memfd that is sealed, so that neither it nor its bytes can change: reading it can neither wait nor
/// fail half-way. Anything else may do both, and is refused.
pub fn sealed_len(fd: &OwnedFd) -> Result<u64, LinkerError> {
    match fcntl_get_seals(fd) {
        Ok(seals) if seals.contains(SEALS) => {}
        _ => return Err(LinkerError::Protocol("a descriptor that is no sealed memfd")),
    }
    let len = fstat(fd).map_err(|_| LinkerError::Protocol("a descriptor without a length"))?.st_size;
    u64::try_from(len).map_err(|_| LinkerError::Protocol("a descriptor without a length"))
}

/// The bytes of a sealed memfd, up to `limit`.
pub fn read_blob(fd: &OwnedFd, limit: u64) -> Result<Vec<u8>, LinkerError> {
    read_room(fd.as_fd(), sealed_len(fd)?, limit)
}

/// The first `len` bytes of a room, which has at least `limit`. They are read once, so that it does not matter who else
/// writes there.
pub fn read_room(fd: BorrowedFd<'_>, len: u64, limit: u64) -> Result<Vec<u8>, LinkerError> {
    if len > limit {
        return Err(LinkerError::TooLong { limit });
    }
    let mut bytes = vec![0; len as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match pread(fd, &mut bytes[filled..], filled as u64) {
            Ok(0) => return Err(LinkerError::Protocol("a memfd that is shorter than it is")),
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
            assert_eq!(read::<String>(&body).unwrap(), text);
            assert_eq!(read_blob(&fds[0], 4).unwrap(), b"note");
            assert_eq!(read_blob(&fds[0], 3), Err(LinkerError::TooLong { limit: 3 }));
        }
        send_ended(a.as_fd(), 31).unwrap();
        assert!(matches!(receive(b.as_fd()).unwrap(), Received::Ended(31)));
        // The other end is closed, with something unread: what it said last still counts.
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
        let in_room = Tag::InRoom as u8;
        for bytes in
            [&[9u8][..], &[Tag::Apart as u8], &[Tag::Ended as u8, 1], &[Tag::Apart as u8, 1], &[in_room], &[in_room; 9]]
        {
            raw(bytes);
            assert!(matches!(receive(b.as_fd()), Err(LinkerError::Protocol(_))), "{bytes:?}");
        }
        let room = memfd::room(limits::MESSAGE).unwrap();
        raw(&[in_room, 1]);
        assert!(matches!(hear(b.as_fd(), Some(room.as_fd())), Err(LinkerError::Protocol(_))));
        raw(&[in_room; 9]);
        assert_eq!(hear(b.as_fd(), Some(room.as_fd())).unwrap_err(), LinkerError::TooLong { limit: limits::MESSAGE });
        // More descriptors than a message has room for.
        let note = blob(b"").unwrap();
        let fds = [note.as_fd(); limits::PACKET_FDS + 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(limits::PACKET_FDS + 1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        assert!(beside.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&a, &[IoSlice::new(&[Tag::Inline as u8])], &mut beside, SendFlags::empty()).unwrap();
        assert!(matches!(receive(b.as_fd()), Err(LinkerError::Protocol(_))));
        // Of a job, not one, and it is not even kept open.
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let (before, none) = (open(), LinkerError::Protocol("descriptors that were not asked for"));
        for fds in [&fds[..1], &fds[..limits::PACKET_FDS]] {
            send(a.as_fd(), &"x", fds).unwrap();
            assert_eq!(hear(b.as_fd(), None).unwrap_err(), none);
        }
        // Other tests open and close files at the same time.
        assert!(open() < before + limits::PACKET_FDS, "{before} {}", open());
    }

    #[test]
    fn a_long_message_goes_through_the_room_again_and_again() {
        let ((a, b), rooms) = (pair().unwrap(), Rooms::new().unwrap());
        let room = rooms.messages.as_fd();
        for text in ["long ".repeat(limits::PACKET), "short".to_owned(), "l".repeat(limits::PACKET)] {
            say(a.as_fd(), room, &text).unwrap();
            let Received::Message(body, _) = hear(b.as_fd(), Some(room)).unwrap() else { panic!() };
            assert_eq!(read::<String>(&body).unwrap(), text);
        }
        // It is as long as it is, also for whoever may write.
        let room = memfd::room(8).unwrap();
        assert_eq!(write_room(room.as_fd(), b"12345678", 8), Ok(()));
        assert_eq!(write_room(room.as_fd(), b"123456789", 8), Err(LinkerError::TooLong { limit: 8 }));
        assert_eq!(rustix::io::pwrite(&room, b"123456789", 0), Err(Errno::PERM));
        assert_eq!(rustix::fs::ftruncate(&room, 9), Err(Errno::PERM));
        let file = memfd::cut(room.as_fd(), 4).unwrap();
        assert_eq!(read_blob(&file, 4).unwrap(), b"1234");
        assert!(rustix::io::pwrite(&room, b"x", 0).is_err());
    }

    #[test]
    fn only_sealed_memory_is_read() {
        let open = memfd_create("open", MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(matches!(read_blob(&open, 10), Err(LinkerError::Protocol(_))));
        let (pipe, _other) = pair().unwrap();
        assert!(matches!(read_blob(&pipe, 10), Err(LinkerError::Protocol(_))));
    }
}
