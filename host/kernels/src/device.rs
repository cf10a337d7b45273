//! A real kernel with relobox's device (`kernel/device.c`). The device reserves a module's areas, makes the kernel's
//! own loader use them, and has the loader refuse a module that was not relocated for them.
//!
//! Structures and numbers are those of `kernel/relobox.h`.

mod flat;

pub use flat::Flat;

use super::linux::{self, Force};
use relobox_core::areas::Kind;
use relobox_core::kernel::{
    Export, Kernel, KernelError, Linux, LinuxAreas, Listing, Load, LoadFormat, Loaded, Machine, Module,
};
use relobox_core::kernel::{MismatchKind, Protection, Request};
use relobox_core::limits;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Getter, Opcode, Setter, Updater, opcode};
use std::ffi::CStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The path of the device.
pub const PATH: &str = "/dev/relobox";

/// The version of the interface, `RELOBOX_ABI`.
const ABI: u32 = 1;

const KALLSYMS_ALL: u32 = 1;
const UNSIGNED: u32 = 2;
const GPL: u32 = 1;
const CRC: u32 = 2;
const NO_OWNER: u32 = u32::MAX;
const PER_CPU: u32 = 16;
const FLAT: u32 = 17;

#[repr(C)]
#[derive(Clone, Copy)]
struct About {
    abi: u32,
    layout: u32,
    flags: u32,
    machine: u32,
    release: [u8; 64],
    vermagic: [u8; 128],
    hooks: [u8; 16],
    reason: [u8; 128],
}

#[repr(C)]
#[derive(Default)]
struct List {
    names: u64,
    names_size: u64,
    buffer: u64,
    size: u64,
    needed: u64,
    modules: u32,
    exports: u32,
}

#[repr(C)]
#[derive(FromBytes, KnownLayout, Immutable)]
struct ListedModule {
    address: [u64; 7],
    size: [u64; 7],
    name: u32,
    state: u32,
    references: i32,
    reserved: u32,
}

#[repr(C)]
#[derive(FromBytes, KnownLayout, Immutable)]
struct ListedExport {
    address: u64,
    name: u32,
    space: u32,
    crc: u32,
    flags: u32,
    owner: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Area {
    kind: u32,
    reserved: u32,
    size: u64,
    align: u64,
    address: u64,
}

#[repr(C)]
struct Allocate {
    areas: u64,
    count: u32,
    reserved: u32,
}

#[repr(C)]
struct Arm {
    sections: u64,
    symbols: u64,
    section_count: u32,
    symbol_count: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Disarm {
    found: u32,
    index: u32,
    expected: u64,
    found_value: u64,
    taken: u32,
    verified: u32,
}

const GET_ABOUT: Opcode = opcode::read::<About>(b'R', 0xb0);
const GET_LIST: Opcode = opcode::read_write::<List>(b'R', 0xb1);
const DO_ALLOCATE: Opcode = opcode::read_write::<Allocate>(b'R', 0xb2);
const DO_ARM: Opcode = opcode::write::<Arm>(b'R', 0xb6);
const DO_DISARM: Opcode = opcode::read::<Disarm>(b'R', 0xb7);

/// The open device. Dropping it frees the areas that no module owns, and drops the references to the modules whose
/// symbols were listed.
pub struct Device {
    device: OwnedFd,
    about: About,
}

impl Device {
    /// Opens the device. This also succeeds if the device cannot load modules here; see [`Device::cannot_load`].
    ///
    /// # Errors
    /// [`KernelError::NotAllowed`] without CAP_SYS_MODULE; [`KernelError::Unreachable`] if there is no device, or if it has
    /// another version of the interface.
    pub fn open() -> Result<Self, KernelError> {
        let device = rustix::fs::open(PATH, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(|e| match e {
            Errno::ACCESS | Errno::PERM => {
                linux::forbidden().unwrap_or_else(|| KernelError::NotAllowed(format!("{PATH} needs CAP_SYS_MODULE")))
            }
            e => KernelError::Unreachable(format!("{PATH}: {e}")),
        })?;
        // SAFETY: the number says that the kernel fills an `About`, and any bytes are a valid one.
        #[allow(unsafe_code, reason = "ioctl: the device's interface")]
        let about: About = unsafe { rustix::ioctl::ioctl(&device, Getter::<GET_ABOUT, About>::new()) }
            .map_err(|e| refused("about", e))?;
        if about.abi != ABI {
            let text = format!("{PATH} has version {} of the interface, and this program has {ABI}", about.abi);
            return Err(KernelError::Unreachable(text));
        }
        Ok(Self { device, about })
    }

    /// Explains why the device cannot load modules in this kernel, if it cannot.
    #[must_use]
    pub fn cannot_load(&self) -> Option<String> {
        if self.about.flags & UNSIGNED == 0 {
            return Some("this kernel loads signed modules only".into());
        }
        (self.form().is_none()).then(|| text(&self.about.reason))
    }

    fn form(&self) -> Option<LoadFormat> {
        let areas = match self.about.layout {
            1 => LinuxAreas::CoreInit,
            2 => LinuxAreas::Seven,
            _ => return None,
        };
        Some(LoadFormat::Relocated(Linux { areas, kallsyms_all: self.about.flags & KALLSYMS_ALL != 0 }))
    }

    /// Fills `buffer` with the list. The inner `Err` is the size in bytes that the buffer needs.
    fn fill(&self, names: &[u8], buffer: &mut [u64]) -> Result<Result<List, usize>, KernelError> {
        let mut list = List {
            names: if names.is_empty() { 0 } else { names.as_ptr() as u64 },
            names_size: names.len() as u64,
            buffer: buffer.as_mut_ptr() as u64,
            size: size_of_val(buffer) as u64,
            ..List::default()
        };
        // SAFETY: the kernel reads `names` and writes to `buffer` within the given sizes, and both outlive the call.
        #[allow(unsafe_code, reason = "ioctl: the device's interface")]
        let done = unsafe { rustix::ioctl::ioctl(&self.device, Updater::<GET_LIST, List>::new(&mut list)) };
        match done {
            Ok(()) => Ok(Ok(list)),
            Err(Errno::NOSPC) if list.needed <= limits::SYMBOLS => Ok(Err(list.needed as usize)),
            Err(e) => Err(refused("list", e)),
        }
    }

    fn listing(&self, wanted: Option<&[&[u8]]>, form: LoadFormat) -> Result<Listing, KernelError> {
        let mut names = Vec::new();
        for name in wanted.unwrap_or_default() {
            names.extend_from_slice(name);
            names.push(0);
        }
        // A module without imports still needs the list of modules. No symbol has an empty name.
        if wanted.is_some() && names.is_empty() {
            names.push(0);
        }
        let mut buffer = vec![0_u64; limits::LISTING];
        let list = loop {
            match self.fill(&names, &mut buffer)? {
                Ok(list) => break list,
                // Modules may be loaded between two calls.
                Err(needed) => buffer.resize(needed.div_ceil(8) + limits::LISTING, 0),
            }
        };
        let (modules, exports) = read(&buffer, &list)
            .ok_or_else(|| KernelError::Unreachable(format!("{PATH}: the list does not lie in its buffer")))?;
        Ok(Listing {
            release: text(&self.about.release),
            vermagic: text(&self.about.vermagic),
            form,
            complete: true,
            machine: Machine { machine: self.about.machine as u16, ..linux::machine() },
            modules,
            exports,
        })
    }

    /// Allocates all areas or none, and returns their addresses in the same order.
    fn allocate_areas(&self, mut areas: Vec<Area>) -> Result<Vec<u64>, KernelError> {
        let mut call = Allocate { areas: areas.as_mut_ptr() as u64, count: areas.len() as u32, reserved: 0 };
        // SAFETY: the kernel reads and writes `count` areas, which outlive the call.
        #[allow(unsafe_code, reason = "ioctl: the device's interface")]
        let done = unsafe { rustix::ioctl::ioctl(&self.device, Updater::<DO_ALLOCATE, Allocate>::new(&mut call)) };
        done.map_err(|e| match e {
            Errno::NOMEM => KernelError::NoSpace { size: areas.iter().map(|a| a.size).sum() },
            e => refused("allocate", e),
        })?;
        Ok(areas.iter().map(|a| a.address).collect())
    }

    fn disarm(&self) -> Result<Disarm, KernelError> {
        // SAFETY: the number says that the kernel fills a `Disarm`, and any bytes are a valid one.
        #[allow(unsafe_code, reason = "ioctl: the device's interface")]
        unsafe { rustix::ioctl::ioctl(&self.device, Getter::<DO_DISARM, Disarm>::new()) }
            .map_err(|e| refused("disarm", e))
    }
}

impl Kernel for Device {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        let form = self.form().ok_or_else(|| KernelError::Refused(text(&self.about.reason)))?;
        self.listing(wanted, form)
    }

    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError> {
        let area = |wanted: &Request| {
            Some(Area { kind: kind(wanted.kind)?, reserved: 0, size: wanted.size, align: wanted.align, address: 0 })
        };
        let Some(areas) = areas.iter().map(area).collect::<Option<Vec<_>>>() else {
            return Err(KernelError::Refused("there is no such kind of area".into()));
        };
        self.allocate_areas(areas)
    }

    fn put(&mut self, _: u64, _: &[u8]) -> Result<(), KernelError> {
        Err(linux::not_by_bytes())
    }

    fn protect(&mut self, _: u64, _: Protection) -> Result<(), KernelError> {
        Err(linux::not_by_bytes())
    }

    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError> {
        let image = load.image.as_ref().ok_or_else(|| KernelError::Refused("no file was given to load".into()))?;
        let arm = Arm {
            sections: image.sections.as_ptr() as u64,
            symbols: image.symbols.as_ptr() as u64,
            section_count: image.sections.len() as u32,
            symbol_count: image.symbols.len() as u32,
        };
        // SAFETY: the kernel reads as many words as the structure says, and they outlive the call.
        #[allow(unsafe_code, reason = "ioctl: the device's interface")]
        let armed = unsafe { rustix::ioctl::ioctl(&self.device, Setter::<DO_ARM, Arm>::new(arm)) };
        armed.map_err(|e| refused("arm", e))?;
        let done = linux::finit_module(image.file.as_fd(), &load.name, &load.args, false, Force::default());
        // What the device saw explains a failure. Besides, the device must not stay armed.
        let seen = self.disarm()?;
        let verified = seen.verified != 0;
        if done.succeeded() && !verified {
            // The hooks were removed after ARM. The module runs at addresses that it was not relocated for.
            let text = format!("'{}' was loaded unchecked, because the device's hooks are gone: reboot", load.name);
            return Err(KernelError::Unreachable(text));
        }
        match disagreement(&seen) {
            Some(failure) if !done.succeeded() => Err(failure),
            _ => done.outcome(verified),
        }
    }

    fn remove(&mut self, name: &str) -> Result<(), KernelError> {
        linux::remove(name, Force::default())
    }
}

/// The difference between what the module was relocated for and what the kernel did, if there is one.
fn disagreement(seen: &Disarm) -> Option<KernelError> {
    let of = match seen.found {
        1 => MismatchKind::Area(seen.index),
        2 => MismatchKind::Section(seen.index),
        3 => MismatchKind::Symbol(seen.index),
        4 => MismatchKind::Count,
        _ => return None,
    };
    Some(KernelError::Disagrees { of, expected: seen.expected, found: seen.found_value })
}

/// The device's number for a kind of area, `RELOBOX_AREA_*`.
fn kind(kind: Kind) -> Option<u32> {
    Some(match kind {
        Kind::Core | Kind::Text => 0,
        Kind::Init | Kind::Data => 1,
        Kind::RoData => 2,
        Kind::RoAfterInit => 3,
        Kind::InitText => 4,
        Kind::InitData => 5,
        Kind::InitRoData => 6,
        Kind::PerCpu => PER_CPU,
    })
}

fn refused(what: &str, error: Errno) -> KernelError {
    match error {
        // If the kernel forbids unsigned modules, the device refuses everything.
        Errno::PERM => linux::forbidden().unwrap_or_else(|| {
            KernelError::NotAllowed(format!("{PATH} does not {what}: this kernel loads signed modules only"))
        }),
        e => KernelError::Refused(format!("{what}: {e}")),
    }
}

/// The text before the first NUL.
fn text(bytes: &[u8]) -> String {
    let text = CStr::from_bytes_until_nul(bytes).map_or(&[][..], CStr::to_bytes);
    String::from_utf8_lossy(text).into_owned()
}

/// Reads the modules with their exports, and the exports of the kernel itself. `None` if the list does not fit the
/// buffer.
fn read(buffer: &[u64], list: &List) -> Option<(Vec<Module>, Vec<Export>)> {
    let bytes = zerocopy::IntoBytes::as_bytes(buffer);
    let (listed, rest) = <[ListedModule]>::ref_from_prefix_with_elems(bytes, list.modules as usize).ok()?;
    let (exported, _) = <[ListedExport]>::ref_from_prefix_with_elems(rest, list.exports as usize).ok()?;
    let name = |at: u32| Some(text(bytes.get(at as usize..)?));
    let mut modules = Vec::with_capacity(listed.len());
    for module in listed {
        let areas = module.address.iter().zip(module.size).map(|(address, size)| (*address, size));
        modules.push(Module {
            name: name(module.name)?,
            live: module.state == 0,
            use_count: u32::try_from(module.references).ok(),
            areas: areas.filter(|(_, size)| *size != 0).collect(),
            users: Vec::new(),
            uses: Vec::new(),
            exports: Vec::new(),
        });
    }
    let mut own = Vec::new();
    for export in exported {
        let read = Export {
            name: name(export.name)?,
            address: export.address,
            crc: (export.flags & CRC != 0).then_some(export.crc),
            gpl: export.flags & GPL != 0,
            namespace: if export.space == 0 { String::new() } else { name(export.space)? },
        };
        match export.owner {
            NO_OWNER => own.push(read),
            owner => modules.get_mut(owner as usize)?.exports.push(read),
        }
    }
    linux::add_users(&mut modules);
    Some((modules, own))
}

/// True if the device exists, whether it can be used or not.
#[must_use]
pub fn exists() -> bool {
    Path::new(PATH).exists()
}
