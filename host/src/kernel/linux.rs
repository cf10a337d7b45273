//! What every real Linux kernel has: finit_module(2), delete_module(2), /proc/modules.

use super::{Failure, Machine, Module};
use crate::layout::{Area, Kind, PAGE};
use relobox_abi::order;
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::BorrowedFd;

/// `MODULE_INIT_COMPRESSED_FILE`: the kernel unpacks the file itself.
pub(super) const COMPRESSED: u32 = 4;

/// finit_module(2).
pub(super) fn finit_module(file: BorrowedFd<'_>, args: &str, flags: u32) -> Result<(), Errno> {
    let args = CString::new(args).map_err(|_| Errno::INVAL)?;
    rustix::system::finit_module(file, &args, flags as _)
}

/// What an error of finit_module means. `ran`: the kernel had come so far that the module's own init may have failed.
pub(super) fn failure(error: Errno, name: &str, ran: bool) -> Failure {
    match error {
        Errno::EXIST if !ran => Failure::Exists { name: name.to_owned() },
        Errno::PERM if !ran => Failure::NotAllowed("loading modules is switched off, or needs CAP_SYS_MODULE".into()),
        Errno::KEYREJECTED | Errno::NOKEY => {
            Failure::Refused(format!("its signature is not accepted: {error}; dmesg may say more"))
        }
        e if ran => Failure::Init { errno: -e.raw_os_error() },
        e => Failure::Refused(format!("finit_module: {e}; dmesg may say more")),
    }
}

/// delete_module(2), without waiting for users.
pub(super) fn remove(name: &str) -> Result<(), Failure> {
    let unknown = || Failure::Unknown { name: name.to_owned() };
    let text = CString::new(name).map_err(|_| unknown())?;
    // O_NONBLOCK: a module in use is refused. Its value is the same on every architecture that is not alpha or mips.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits();
    rustix::system::delete_module(&text, nonblock as _).map_err(|e| match e {
        Errno::NOENT => unknown(),
        Errno::WOULDBLOCK => {
            let users = loaded().into_iter().find(|m| m.name == name).map(|m| m.users).unwrap_or_default();
            match users.is_empty() {
                true => Failure::InUse { name: name.to_owned(), users: vec!["processes, or the kernel itself".into()] },
                false => Failure::InUse { name: name.to_owned(), users },
            }
        }
        Errno::BUSY => Failure::Permanent { name: name.to_owned() },
        Errno::PERM => Failure::NotAllowed("removing modules needs CAP_SYS_MODULE".into()),
        e => Failure::Refused(format!("delete_module: {e}")),
    })
}

/// As areas of bytes: no real kernel takes a module like that.
pub(super) fn not_by_bytes() -> Failure {
    Failure::Refused("this kernel takes modules as files".into())
}

/// What the kernel runs, which is what this program was compiled for; ELF's number, or 0 where it is not known here.
#[must_use]
pub fn machine() -> Machine {
    let machine = match std::env::consts::ARCH {
        "x86_64" => 62,
        "aarch64" => 183,
        "s390x" => 22,
        "riscv64" => 243,
        _ => 0,
    };
    Machine {
        name: rustix::system::uname().machine().to_string_lossy().into_owned(),
        machine,
        class: if cfg!(target_pointer_width = "64") { 64 } else { 32 },
        order: if cfg!(target_endian = "big") { order::BIG } else { order::LITTLE },
    }
}

/// /proc/modules: `NAME SIZE REFS USER,USER, STATE ADDRESS`; users are `-` for none. An address that is hidden from this
/// process is 0, and stays so: the size beside it is shown.
pub(super) fn listed() -> std::io::Result<Vec<Module>> {
    Ok(modules(&std::fs::read_to_string("/proc/modules")?))
}

/// The same for what is only told besides: none where it cannot be read.
pub(super) fn loaded() -> Vec<Module> {
    listed().unwrap_or_default()
}

fn modules(text: &str) -> Vec<Module> {
    let mut modules: Vec<Module> = text.lines().filter_map(module).collect();
    let pairs: Vec<_> = modules.iter().flat_map(|m| m.users.iter().map(|u| (u.clone(), m.name.clone()))).collect();
    for (user, used) in pairs {
        if let Some(module) = modules.iter_mut().find(|m| m.name == user) {
            module.uses.push(used);
        }
    }
    modules
}

/// Where the running kernel has module `name`, as far as /proc/modules says it.
#[must_use]
pub fn areas(name: &str) -> Vec<Area> {
    let module = loaded().into_iter().find(|m| m.name == name);
    let areas = module.map(|m| m.areas).unwrap_or_default();
    // Addresses may be hidden, which is 0.
    let shown = areas.into_iter().filter(|(address, _)| *address != 0);
    shown.map(|(address, size)| Area { kind: Kind::Core, address, size, align: PAGE }).collect()
}

fn module(line: &str) -> Option<Module> {
    let mut words = line.split(' ');
    let (name, size, _, users) = (words.next()?, words.next()?.parse().ok()?, words.next()?, words.next()?);
    let (state, address) = (words.next()?, words.next()?);
    // Older kernels write `0x          (null)`.
    let address = u64::from_str_radix(address.strip_prefix("0x")?, 16).unwrap_or(0);
    Some(Module {
        name: name.to_owned(),
        live: state == "Live",
        areas: vec![(address, size)],
        // `[permanent]` stands among them for a module without exit.
        users: users.split(',').filter(|u| !matches!(*u, "" | "-" | "[permanent]")).map(str::to_owned).collect(),
        uses: Vec::new(),
        exports: Vec::new(),
    })
}

/// Who uses whom, which the device does not say.
pub(super) fn add_users(modules: &mut [Module]) {
    for known in loaded() {
        if let Some(module) = modules.iter_mut().find(|m| m.name == known.name) {
            module.users = known.users;
            module.uses = known.uses;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is hidden is 0, and the module is there all the same.
    #[test]
    fn proc_modules_may_hide_addresses() {
        let text = "xfs 2 1 - Live 0x0000000000000000\next4 3 0 - Live 0x          (null) (E)\n\
            jbd2 4 1 ext4, Loading 0xffffffffc0000000\n";
        let seen: Vec<_> = modules(text).into_iter().map(|m| (m.name, m.live, m.areas)).collect();
        let expected = [
            ("xfs", true, vec![(0, 2)]),
            ("ext4", true, vec![(0, 3)]),
            ("jbd2", false, vec![(0xffff_ffff_c000_0000, 4)]),
        ];
        assert_eq!(seen, expected.map(|(name, live, areas)| (name.to_owned(), live, areas)));
    }
}
