//! What every real Linux kernel has: finit_module(2), delete_module(2) and /proc/modules.

use super::errno::{self, Attempt};
use super::log::Reader;
use super::proc::System;
use relobox_core::areas::{Area, Kind, PAGE};
use relobox_core::byte_order;
use relobox_core::kernel::{KernelError, Loaded, Machine, Module};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::BorrowedFd;

/// `MODULE_INIT_COMPRESSED_FILE` of `include/uapi/linux/module.h`: the kernel decompresses the file.
const COMPRESSED: u32 = 4;

/// A finished call of finit_module(2), with the kernel's log since its beginning.
pub(crate) struct LoadCall {
    name: String,
    args: String,
    packed: bool,
    result: Result<(), Errno>,
    log: Reader,
}

/// Calls finit_module(2). `packed` says that the kernel has to decompress the file.
pub(crate) fn finit_module(file: BorrowedFd<'_>, name: &str, args: &str, packed: bool) -> LoadCall {
    let log = Reader::open();
    let flags = if packed { COMPRESSED } else { 0 };
    let call = |args: CString| rustix::system::finit_module(file, &args, flags as _);
    let result = CString::new(args).map_err(|_| Errno::INVAL).and_then(call);
    LoadCall { name: name.to_owned(), args: args.to_owned(), packed, result, log }
}

impl LoadCall {
    /// Returns the outcome. `finalized` says that only parameters, sysfs and init were left to do.
    pub(crate) fn outcome(self, finalized: bool) -> Result<Loaded, KernelError> {
        let Self { name, args, packed, result, log } = self;
        let log = log.read();
        match result {
            Ok(()) => {
                Ok(Loaded { returned: log.returned(&name).unwrap_or(0), unknown_args: log.unknown_parameters(&name) })
            }
            // Init may return this errno, too.
            Err(Errno::NOSYS) if !finalized && !has_finit_module() => Err(KernelError::NotAllowed(
                "the system call finit_module does not exist here: this kernel is older than Linux 3.8 or built without \
                 CONFIG_MODULES, or a filter of system calls refused it"
                    .into(),
            )),
            Err(error) => {
                let attempt = Attempt { name: &name, args: &args, packed, finalized };
                Err(errno::of_load(error, attempt, &log, &System::default()))
            }
        }
    }

    /// True if the module is live.
    pub(crate) fn succeeded(&self) -> bool {
        self.result.is_ok()
    }
}

/// Returns whether finit_module(2) exists: the kernel refuses /dev/null with another error.
fn has_finit_module() -> bool {
    let Ok(null) = std::fs::File::open("/dev/null") else { return true };
    rustix::system::finit_module(&null, c"", 0) != Err(Errno::NOSYS)
}

/// Calls delete_module(2), without waiting for users.
pub(crate) fn remove(name: &str) -> Result<(), KernelError> {
    let Ok(text) = CString::new(name) else { return Err(KernelError::Unknown { name: name.to_owned() }) };
    // O_NONBLOCK: a module in use is refused. The value is the same on all architectures but alpha and mips.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits();
    rustix::system::delete_module(&text, nonblock as _)
        .map_err(|error| errno::of_removal(error, name, &System::default()))
}

/// Explains why this process may not load modules, if that can be seen before it tries.
pub(crate) fn forbidden() -> Option<KernelError> {
    errno::forbidden(Errno::PERM, "load", &System::default())
}

/// Explains why addresses are hidden from this process.
pub(crate) fn hidden() -> String {
    System::default().hidden()
}

/// The error for a module that is given as areas of bytes. No real kernel takes one.
pub(crate) fn not_by_bytes() -> KernelError {
    KernelError::Refused("this kernel takes modules as files".into())
}

/// The machine that this kernel runs on, which is the one that this program was compiled for.
///
/// [`Machine::machine`] is the number in ELF's `e_machine`, or 0 for a machine that is not in the table below.
#[must_use]
pub fn machine() -> Machine {
    // Rust's names, and ELF's numbers (gABI, ELF Header, e_machine).
    let machine = match std::env::consts::ARCH {
        "sparc" => 2,
        "x86" => 3,
        "m68k" => 4,
        "mips" | "mips32r6" | "mips64" | "mips64r6" => 8,
        "powerpc" => 20,
        "powerpc64" => 21,
        "s390x" => 22,
        "arm" => 40,
        "sparc64" => 43,
        "x86_64" => 62,
        "hexagon" => 164,
        "aarch64" => 183,
        "riscv32" | "riscv64" => 243,
        "csky" => 252,
        "loongarch32" | "loongarch64" => 258,
        _ => 0,
    };
    Machine {
        name: rustix::system::uname().machine().to_string_lossy().into_owned(),
        machine,
        class: if cfg!(target_pointer_width = "64") { 64 } else { 32 },
        order: if cfg!(target_endian = "big") { byte_order::BIG } else { byte_order::LITTLE },
    }
}

/// Reads /proc/modules.
pub(crate) fn loaded() -> Result<Vec<Module>, KernelError> {
    System::default().modules().map_err(|e| {
        let hint = match e.kind() {
            std::io::ErrorKind::NotFound => " (is this kernel built with CONFIG_MODULES, and /proc mounted?)",
            _ => "",
        };
        KernelError::Unreachable(format!("/proc/modules: {e}{hint}"))
    })
}

/// The area of the loaded module `name`, from /proc/modules. Empty if the module is not listed or addresses are hidden.
#[must_use]
pub fn areas(name: &str) -> Vec<Area> {
    let listed = System::default().listed(name).map(|(module, _)| module.areas);
    let seen = listed.unwrap_or_default().into_iter().filter(|(address, _)| *address != 0);
    seen.map(|(address, size)| Area { kind: Kind::Core, address, size, align: PAGE }).collect()
}

/// Adds the users of each module, and sorts the modules by age. The device does not report either.
pub(crate) fn add_users(modules: &mut [Module]) {
    add_known(modules, loaded().unwrap_or_default());
}

fn add_known(modules: &mut [Module], known: Vec<Module>) {
    let mut ages = HashMap::new();
    for (age, known) in known.into_iter().enumerate() {
        if let Some(module) = modules.iter_mut().find(|m| m.name == known.name) {
            module.users = known.users;
            module.uses = known.uses;
        }
        ages.insert(known.name, age);
    }
    // A module that is not known yet is the youngest.
    modules.sort_by_key(|m| ages.get(&m.name).copied().unwrap_or(usize::MAX));
}

#[cfg(test)]
mod tests {
    use super::super::proc::{modules, tests::MODULES};
    use super::*;

    #[test]
    fn a_devices_list_gets_its_users_and_its_order() {
        // The device starts at any element of the kernel's list.
        let mut listed = modules(MODULES);
        listed.rotate_left(2);
        let new = Module { name: "new".into(), ..listed[0].clone() };
        listed.insert(1, new);
        for module in &mut listed {
            (module.users, module.uses, module.use_count) = (Vec::new(), Vec::new(), Some(9));
        }
        add_known(&mut listed, modules(MODULES));
        let names: Vec<_> = listed.iter().map(|m| &*m.name).collect();
        assert_eq!(names, ["btrfs", "libcrc32c", "xfs", "stays", "gone", "slow", "new"]);
        assert_eq!((&listed[1].users.len(), listed[1].use_count), (&2, Some(9)));
        assert_eq!(listed[2].uses, ["libcrc32c"]);
    }

    /// A hidden address is 0; the module is listed nevertheless.
    #[test]
    fn proc_modules_may_hide_addresses() {
        let text = "jbd2 4 1 ext4, Loading 0xffffffffc0000000\next4 3 0 - Live 0x          (null) (E)\n\
            xfs 2 1 - Live 0x0000000000000000\n";
        let seen: Vec<_> = modules(text).into_iter().map(|m| (m.name, m.live, m.areas)).collect();
        let expected = [
            ("xfs", true, vec![(0, 2)]),
            ("ext4", true, vec![(0, 3)]),
            ("jbd2", false, vec![(0xffff_ffff_c000_0000, 4)]),
        ];
        assert_eq!(seen, expected.map(|(name, live, areas)| (name.to_owned(), live, areas)));
    }
}
