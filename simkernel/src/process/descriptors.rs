//! Two system calls without a safe interface, which are made once at the start of the process.

use std::io;
use std::os::fd::RawFd;

/// Closes all descriptors but the standard ones and `kept`.
pub(crate) fn close_others(kept: RawFd) -> io::Result<()> {
    let kept = kept as u32;
    for (from, to) in [(3, kept.saturating_sub(1)), (kept.max(2) + 1, u32::MAX)] {
        if from > to {
            continue;
        }
        // SAFETY: the process has one thread and only serves from here on. `serve` documents that it takes over every
        // descriptor, so no owner of one of these uses it again.
        if unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Points GS at the per-CPU area, where the kernel's stack protector finds its canary (gs:40).
pub(crate) fn set_per_cpu_base(address: u64) -> io::Result<()> {
    const ARCH_SET_GS: i32 = 0x1001;
    // SAFETY: nothing in a Linux user process on x86-64 uses GS.
    if unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, address) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
