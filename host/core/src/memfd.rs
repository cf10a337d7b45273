//! Files in memory (memfd). A sealed file cannot change any more, so what was checked and what is used are the same
//! bytes. A room is a file of fixed size that another process may write to.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// The seals after which a file cannot change any more.
pub const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// Creates an empty file, to be written and then passed to [`seal`]. `name` appears in /proc.
///
/// # Errors
/// The error of `memfd_create`.
pub fn create(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?.into())
}

/// Seals a file.
///
/// # Errors
/// The error of `fcntl(F_ADD_SEALS)`, for example if the file is mapped for writing.
pub fn seal(file: File) -> io::Result<OwnedFd> {
    fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// Creates a room of `bytes` zero bytes. Only bytes that are written take memory. The file cannot grow, and only
/// [`cut`] shrinks it.
///
/// # Errors
/// The error of the system call that failed.
pub fn room(bytes: u64) -> io::Result<OwnedFd> {
    let file: OwnedFd = create("relobox-room")?.into();
    ftruncate(&file, bytes)?;
    fcntl_add_seals(&file, SealFlags::GROW)?;
    Ok(file)
}

/// Shrinks a room to its first `bytes` bytes, and seals it.
///
/// # Errors
/// The error of the system call that failed: `EBUSY` if the file is mapped for writing.
pub fn cut(room: BorrowedFd<'_>, bytes: u64) -> io::Result<OwnedFd> {
    ftruncate(room, bytes)?;
    fcntl_add_seals(room.as_fd(), SEALS)?;
    room.try_clone_to_owned()
}
