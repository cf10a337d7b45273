//! Files in memory: sealed ones, which nobody can change any more, so that what was judged and what is used are the same
//! bytes; and rooms, which somebody else may write to, and not make longer.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// What is written into a memfd that then has these seals can never change again.
pub const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// An empty one, to be written and then given to [`seal`]. `name` is for whoever looks into /proc.
pub fn create(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?.into())
}

/// Seals it, for ever.
pub fn seal(file: File) -> io::Result<OwnedFd> {
    fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// A room of `bytes`, all zero: only what is written takes memory. It can never be longer; only [`cut`] makes it shorter.
pub fn room(bytes: u64) -> io::Result<OwnedFd> {
    let file: OwnedFd = create("relobox-room")?.into();
    ftruncate(&file, bytes)?;
    fcntl_add_seals(&file, SealFlags::GROW)?;
    Ok(file)
}

/// Makes a room a sealed file of its first `bytes`. An error where it is mapped for writing.
pub fn cut(room: BorrowedFd<'_>, bytes: u64) -> io::Result<OwnedFd> {
    ftruncate(room, bytes)?;
    fcntl_add_seals(room.as_fd(), SEALS)?;
    room.try_clone_to_owned()
}
