//! What a module's file says. A process without rights reads it.

use crate::indexing;
use crate::real::Linking;
use relobox_core::error::Result;
use relobox_isolate::indices::{Batch, Part, Step};
use relobox_isolate::message::Job;
use rustix::io::Errno;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

/// The entries of a part of the module at `path`. If it cannot be read, the error that kmod would report.
///
/// # Errors
/// If the linking process cannot be started, or fails.
pub fn read(linking: &Linking, path: &Path, part: Part) -> Result<Result<Vec<Vec<u8>>, Errno>> {
    let linker = indexing::start(linking)?;
    let job = linker.index_job(&Job::Contents(part), &[])?;
    let (form, file) = indexing::open(0, Some(path), path);
    job.send(&Batch(vec![form]), &file.iter().map(OwnedFd::as_fd).collect::<Vec<_>>())?;
    match job.next()? {
        (Step::Output(sizes, true), _) => {
            let text = job.output(&sizes, 1)?.concat();
            let entries = text.strip_suffix(b"\0").map(|text| text.split(|b| *b == 0).map(<[u8]>::to_vec).collect());
            Ok(Ok(entries.unwrap_or_default()))
        }
        (Step::Unreadable(error), _) => Ok(Err(match error {
            1..4096 => Errno::from_raw_os_error(error as i32),
            _ => Errno::INVAL,
        })),
        _ => Err(indexing::wrong("it told nothing of the module")),
    }
}
