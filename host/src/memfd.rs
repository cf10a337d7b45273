//! Files in memory that nobody can change any more: what was judged and what is used are the same bytes.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

/// What is written into a memfd that then has these seals can never change again.
pub(crate) const SEALS: SealFlags =
    SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// An empty one, to be written and then given to [`seal`]. `name` is for whoever looks into /proc.
pub(crate) fn create(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?.into())
}

/// Seals it, for ever.
pub(crate) fn seal(file: File) -> io::Result<OwnedFd> {
    fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}
