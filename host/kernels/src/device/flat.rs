//! Code that is not a module: the device puts it into memory of the kernel, calls it, and frees it.

use super::{Area, Device, FLAT, KALLSYMS_ALL, UNSIGNED, refused};
use crate::linux::{self, Force};
use relobox_core::areas::PAGE;
use relobox_core::kernel::{Kernel, KernelError, Listing, Load, LoadFormat, Loaded, Protection, Request};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Setter, Updater, opcode};

#[repr(C)]
struct Put {
    address: u64,
    buffer: u64,
    size: u64,
}

#[repr(C)]
struct Protect {
    address: u64,
    protection: u32,
    reserved: u32,
}

#[repr(C)]
struct Call {
    address: u64,
    argument: u64,
    returned: i32,
    reserved: u32,
}

const DO_PUT: Opcode = opcode::write::<Put>(b'R', 0xb3);
const DO_PROTECT: Opcode = opcode::write::<Protect>(b'R', 0xb4);
const DO_CALL: Opcode = opcode::read_write::<Call>(b'R', 0xb5);

/// The device, open to call code. Dropping it frees the code. The code cannot be running then, because the thread that
/// calls it stays in the kernel until the code returns.
pub struct Flat(Device);

impl Flat {
    /// Opens the device.
    ///
    /// # Errors
    /// As [`Device::open`]; and [`KernelError::NotAllowed`] if the device does not call code in this kernel.
    pub fn open() -> Result<Self, KernelError> {
        let device = Device::open()?;
        if device.about.flags & UNSIGNED == 0 {
            return Err(KernelError::NotAllowed("this kernel runs signed code only".into()));
        }
        if device.about.flags & KALLSYMS_ALL == 0 {
            let text = "this kernel has no CONFIG_KALLSYMS_ALL, so the device cannot read kernel.modules_disabled";
            return Err(KernelError::NotAllowed(text.into()));
        }
        Ok(Self(device))
    }
}

impl Kernel for Flat {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        self.0.listing(wanted, LoadFormat::Areas)
    }

    /// Each area has pages of its own. An alignment of more than a page is refused.
    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError> {
        if areas.iter().any(|area| area.align > PAGE) {
            return Err(KernelError::Refused("an area's alignment is more than a page".into()));
        }
        let area = |wanted: &Request| Area { kind: FLAT, reserved: 0, size: wanted.size, align: 0, address: 0 };
        self.0.allocate_areas(areas.iter().map(area).collect())
    }

    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), KernelError> {
        let put = Put { address, buffer: bytes.as_ptr() as u64, size: bytes.len() as u64 };
        // SAFETY: the kernel reads `size` bytes of the buffer, which outlives the call.
        #[allow(unsafe_code, reason = "ioctl: the device's interface")]
        let done = unsafe { rustix::ioctl::ioctl(&self.0.device, Setter::<DO_PUT, Put>::new(put)) };
        done.map_err(|e| refused("put", e))
    }

    fn protect(&mut self, area: u64, protection: Protection) -> Result<(), KernelError> {
        let protection = match protection {
            Protection::ReadOnly => 0,
            Protection::ReadExecute => 1,
        };
        let protect = Protect { address: area, protection, reserved: 0 };
        // SAFETY: the kernel reads the structure, and changes only pages of its own.
        #[allow(unsafe_code, reason = "ioctl: the device's interface")]
        let done = unsafe { rustix::ioctl::ioctl(&self.0.device, Setter::<DO_PROTECT, Protect>::new(protect)) };
        done.map_err(|e| refused("protect", e))
    }

    fn call(&mut self, address: u64) -> Result<i32, KernelError> {
        let mut call = Call { address, argument: 0, returned: 0, reserved: 0 };
        // SAFETY: for this process it is a system call like any other: the kernel reads and writes the structure. What
        // the code does to the kernel is the responsibility of its author.
        #[allow(unsafe_code, reason = "ioctl: the device's interface")]
        let done = unsafe { rustix::ioctl::ioctl(&self.0.device, Updater::<DO_CALL, Call>::new(&mut call)) };
        done.map_err(|e| match e {
            Errno::NOEXEC => KernelError::Refused(
                "the function does not begin with the instruction that this kernel requires at the target of an \
                 indirect call: compile with -fcf-protection=branch, or with the option that does this for your machine"
                    .into(),
            ),
            Errno::ACCESS => KernelError::NotAllowed("a security module does not let code be called".into()),
            e => refused("call", e),
        })?;
        Ok(call.returned)
    }

    /// Always fails: [`Device`] loads modules.
    fn load(&mut self, _: &Load) -> Result<Loaded, KernelError> {
        Err(linux::not_by_bytes())
    }

    fn remove(&mut self, name: &str) -> Result<(), KernelError> {
        linux::remove(name, Force::default())
    }
}
