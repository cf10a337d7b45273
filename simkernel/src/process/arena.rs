//! The memory for modules: one reservation in the low 2 GiB, which is handed out in whole pages.
//!
//! The kernel's code model uses signed 32-bit addresses and distances. Low addresses fit these as well as the kernel's
//! own high ones do. A page is never writable and executable at once. A page that was made read-only stays so until it
//! is freed, and then its contents are gone.

use std::collections::BTreeMap;
use std::io;

use rustix::mm::{Advice, MprotectFlags};

use crate::limits;
use crate::protocol::{Area, Protection};
use crate::sim_error::SimError;

pub(crate) const PAGE: u64 = 4096;

/// The reservation, and the areas in it.
#[derive(Debug)]
pub(crate) struct Arena {
    base: u64,
    size: u64,
    used: BTreeMap<u64, Area>,
    allocated: u64,
}

impl Arena {
    /// Reserves `size` bytes of address space, without access.
    pub(crate) fn reserve(size: u64) -> io::Result<Arena> {
        // SAFETY: a new private mapping at an address of the system's choice replaces nothing.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size as usize,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_32BIT,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = base.expose_provenance() as u64;
        assert!(base + size <= 1 << 31, "MAP_32BIT gives addresses in the low 2 GiB");
        Ok(Arena { base, size, used: BTreeMap::new(), allocated: 0 })
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The number of bytes that are handed out.
    pub(crate) fn allocated(&self) -> u64 {
        self.allocated
    }

    /// Rounds up to whole pages. `None` if no area can have this size or alignment.
    pub(crate) fn rounded(size: u64, align: u64) -> Option<u64> {
        let possible = size > 0 && align.is_power_of_two() && align <= limits::ALIGN;
        possible.then(|| size.checked_next_multiple_of(PAGE)).flatten()
    }

    /// Allocates zeroed, writable pages.
    pub(crate) fn allocate(&mut self, size: u64, align: u64) -> Result<Area, SimError> {
        let wanted = Self::rounded(size, align).ok_or(SimError::BadArea { size, align })?;
        let address = self.gap(wanted, align.max(PAGE)).ok_or(SimError::NoSpace { size, align })?;
        self.set(address, wanted, MprotectFlags::READ | MprotectFlags::WRITE)?;
        let area = Area { address, size: wanted, protection: Protection::ReadWrite };
        self.used.insert(address, area.clone());
        self.allocated += wanted;
        Ok(area)
    }

    /// Finds the first gap that fits. An inaccessible page follows each area, so an access after its end is a fault.
    fn gap(&self, size: u64, align: u64) -> Option<u64> {
        let mut start = self.base;
        let end = self.base + self.size;
        let neighbours = self.used.values().map(|a| (a.address, a.address + a.size));
        for (from, to) in neighbours.chain([(end, end)]) {
            let at = start.checked_next_multiple_of(align)?;
            if at.checked_add(size)?.checked_add(PAGE)? <= from {
                return Some(at);
            }
            start = to + PAGE;
        }
        None
    }

    /// Frees pages and discards their contents.
    pub(crate) fn free(&mut self, address: u64) {
        let Some(area) = self.used.remove(&address) else { return };
        self.allocated -= area.size;
        let (ptr, len) = (pointer(area.address), area.size as usize);
        // SAFETY: the pages are part of our reservation, and no Rust reference points into them. A module that still
        // uses them gets a fault. The mapping stays, so that nothing else is ever placed there.
        let done = unsafe {
            rustix::mm::madvise(ptr, len, Advice::LinuxDontNeed)
                .and_then(|()| rustix::mm::mprotect(ptr, len, MprotectFlags::empty()))
        };
        if let Err(error) = done {
            // The pages would show their contents to the next owner, so they are not reused.
            super::klog::log(3, &format!("memory at {address:#x} is lost: {error}"));
            self.allocated += area.size;
            self.used.insert(address, area);
        }
    }

    /// Finds the area that starts at `address`.
    pub(crate) fn area(&self, address: u64) -> Option<&Area> {
        self.used.get(&address)
    }

    /// Finds the area that contains `size` bytes from `address` on.
    pub(crate) fn holding(&self, address: u64, size: u64) -> Option<&Area> {
        let (_, area) = self.used.range(..=address).next_back()?;
        let end = address.checked_add(size)?;
        (end <= area.address + area.size && address < area.address + area.size).then_some(area)
    }

    /// Takes away the right to write, permanently.
    pub(crate) fn protect(&mut self, address: u64, protection: Protection) -> Result<(), SimError> {
        let area = self.used.get(&address).ok_or(SimError::NotOwned { address, size: 0 })?.clone();
        let flags = match (area.protection, protection) {
            (_, Protection::ReadWrite) => return Err(SimError::NeverWritable { address }),
            (Protection::ReadWrite, Protection::ReadOnly) => MprotectFlags::READ,
            (Protection::ReadWrite, Protection::ReadExecute) => MprotectFlags::READ | MprotectFlags::EXEC,
            _ => return Err(SimError::Protected { address }),
        };
        self.set(address, area.size, flags)?;
        self.used.insert(address, Area { protection, ..area });
        Ok(())
    }

    fn set(&self, address: u64, size: u64, flags: MprotectFlags) -> Result<(), SimError> {
        // SAFETY: the pages are part of our reservation, and no Rust reference points into it.
        unsafe { rustix::mm::mprotect(pointer(address), size as usize, flags) }
            .map_err(|error| SimError::System { what: "protect memory".into(), errno: error.raw_os_error() })
    }

    /// Copies bytes into a writable area.
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), SimError> {
        let size = bytes.len() as u64;
        let area = self.holding(address, size).ok_or(SimError::NotOwned { address, size })?;
        if area.protection != Protection::ReadWrite {
            return Err(SimError::Protected { address: area.address });
        }
        // SAFETY: the whole destination lies in an area whose pages are mapped and writable. Module code does not run
        // at the same time, because there is one thread. The source is Rust's own memory, so it is outside of the
        // arena.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer(address).cast::<u8>(), bytes.len()) };
        Ok(())
    }

    /// Copies bytes out of an area.
    pub(crate) fn read<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        self.holding(address, N as u64)?;
        let mut out = [0; N];
        // SAFETY: the whole source lies in an area, and every area is readable. See `write` for the rest.
        unsafe { std::ptr::copy_nonoverlapping(pointer(address).cast::<u8>(), out.as_mut_ptr(), N) };
        Some(out)
    }

    /// Copies a string up to its NUL, if there is one within its area and within `limit` bytes.
    pub(crate) fn c_string(&self, address: u64, limit: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let [byte] = self.read::<1>(address.checked_add(out.len() as u64)?)?;
            match byte {
                0 => return Some(out),
                _ if out.len() == limit => return None,
                _ => out.push(byte),
            }
        }
    }
}

fn pointer(address: u64) -> *mut libc::c_void {
    std::ptr::with_exposed_provenance_mut(address as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_zeroed_aligned_and_apart() {
        let mut arena = Arena::reserve(16 << 20).unwrap();
        let a = arena.allocate(1, 1).unwrap();
        let b = arena.allocate(5000, 1 << 16).unwrap();
        assert_eq!((a.size, b.size), (4096, 8192));
        assert_eq!(b.address % (1 << 16), 0);
        assert!(b.address >= a.address + a.size + PAGE);
        assert_eq!(arena.read::<4>(a.address), Some([0; 4]));
        arena.write(a.address, b"old").unwrap();
        arena.free(a.address);
        assert_eq!(arena.read::<4>(a.address), None);
        let again = arena.allocate(1, 1).unwrap();
        assert_eq!(again.address, a.address);
        assert_eq!(arena.read::<4>(a.address), Some([0; 4]));
        arena.free(a.address);
        arena.free(b.address);
        assert_eq!(arena.allocated(), 0);
    }

    #[test]
    fn impossible_areas_and_a_full_arena_are_refused() {
        let mut arena = Arena::reserve(1 << 20).unwrap();
        for (size, align) in [(0, 1), (1, 0), (1, 3), (1, limits::ALIGN * 2), (u64::MAX, 1)] {
            assert_eq!(arena.allocate(size, align), Err(SimError::BadArea { size, align }));
        }
        assert!(matches!(arena.allocate(1 << 20, 1), Err(SimError::NoSpace { .. })));
        assert!(matches!(arena.allocate(u64::MAX / 2, 1), Err(SimError::NoSpace { .. })));
        assert!(arena.allocate((1 << 20) - PAGE, 1).is_ok());
        assert!(matches!(arena.allocate(1, 1), Err(SimError::NoSpace { .. })));
    }

    #[test]
    fn what_stopped_being_writable_stays_so() {
        let mut arena = Arena::reserve(1 << 20).unwrap();
        let address = arena.allocate(1, 1).unwrap().address;
        assert_eq!(arena.protect(address, Protection::ReadWrite), Err(SimError::NeverWritable { address }));
        arena.protect(address, Protection::ReadOnly).unwrap();
        for again in [Protection::ReadExecute, Protection::ReadOnly] {
            assert_eq!(arena.protect(address, again), Err(SimError::Protected { address }));
        }
        assert_eq!(arena.write(address, b"x"), Err(SimError::Protected { address }));
    }

    #[test]
    fn ranges_do_not_wrap_or_cross_areas() {
        let mut arena = Arena::reserve(1 << 20).unwrap();
        let a = arena.allocate(4096, 1).unwrap().address;
        arena.allocate(4096, 1).unwrap();
        assert!(arena.write(a + 4095, b"x").is_ok());
        assert!(arena.write(a + 4095, b"xy").is_err());
        assert!(arena.write(a - 1, b"x").is_err());
        assert!(arena.holding(u64::MAX, 2).is_none());
        assert!(arena.holding(a, u64::MAX).is_none());
        assert!(arena.holding(a + 4096, 0).is_none());
    }
}
