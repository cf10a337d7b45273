//! Any real kernel: a module is linked here against the kernel's own symbols, and only if that goes well are its
//! original bytes, unchanged and signature and all, given to finit_module(2).
//!
//! The file was read once, into a memfd that nobody can change: what was judged is what is loaded.

use super::{Export, Failure, Form, Kernel, Listing, Load, Loaded, Module, Protection, Request, linux};
use crate::layout::{Kind, PAGE};
use crate::symbols::{Symbols, Unusable, Wanted, contents};
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

/// The kernel's symbols, with addresses for those who may see them.
const KALLSYMS: &str = "/proc/kallsyms";

/// Where modules are when none is loaded yet: x86-64's module area.
const MODULES: u64 = 0xffff_ffff_c000_0000;

/// Where a module's per-CPU data might be: an offset behind the kernel's own.
const PER_CPU: u64 = 0x3_0000;

/// A kernel that takes modules as they are.
pub struct Vet {
    file: Option<OwnedFd>,
    /// The file is packed: the kernel has to unpack it.
    packed: bool,
    /// Where the next pretended area is.
    next: u64,
}

impl Vet {
    /// For the module in `file`, a sealed memfd.
    #[must_use]
    pub fn new(file: OwnedFd, packed: bool) -> Self {
        Self { file: Some(file), packed, next: MODULES }
    }

    /// To list and to remove.
    #[must_use]
    pub fn without_file() -> Self {
        Self { file: None, packed: false, next: MODULES }
    }
}

impl Kernel for Vet {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, Failure> {
        let unreadable = |why: &str| Failure::Unreachable(format!("{KALLSYMS}: {why}"));
        let names: Wanted<'_> = wanted.unwrap_or_default().iter().copied().collect();
        let mut symbols = Symbols::new();
        if wanted.is_some() {
            let text = contents(Path::new(KALLSYMS)).map_err(|e| unreadable(&e.to_string()))?;
            symbols.read(&text, |name| names.contains(name)).map_err(|unusable| match unusable {
                Unusable::Hidden => Failure::NotAllowed(format!("{KALLSYMS}: {unusable}")),
                _ => unreadable(&unusable.to_string()),
            })?;
        }
        let mut modules =
            linux::listed().map_err(|e| Failure::Unreachable(format!("/proc/modules cannot be read: {e}")))?;
        // An address of 0 is a hidden one.
        let shown = modules.iter().filter_map(|m| m.areas.first()).filter(|(address, _)| *address != 0);
        if let Some((address, _)) = shown.min() {
            self.next = *address;
        }
        let mut own = Vec::new();
        let mut by_owner: HashMap<String, Vec<Export>> = HashMap::new();
        for name in wanted.unwrap_or_default() {
            let Some(found) = symbols.get(name) else { continue };
            let Some(address) = found.address else { continue };
            let export = Export {
                name: String::from_utf8_lossy(name).into_owned(),
                address,
                crc: found.crc,
                // kallsyms does not tell; the kernel will look.
                gpl: false,
                namespace: String::new(),
            };
            match &found.owner {
                None => own.push(export),
                Some(owner) => by_owner.entry(owner.to_string()).or_default().push(export),
            }
        }
        for module in &mut modules {
            module.exports = by_owner.remove(&module.name).unwrap_or_default();
        }
        let uname = rustix::system::uname();
        Ok(Listing {
            release: uname.release().to_string_lossy().into_owned(),
            vermagic: uname.release().to_string_lossy().into_owned(),
            form: Form::Original,
            // Where it has export tables' names, it has everything.
            complete: symbols.know_exports(),
            machine: linux::machine(),
            modules,
            exports: own,
        })
    }

    fn modules(&mut self) -> Result<Vec<Module>, Failure> {
        Ok(linux::loaded())
    }

    /// Nothing is allocated: the addresses are in reach of the kernel, as those that it will choose.
    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, Failure> {
        let place = |area: &Request| {
            if area.kind == Kind::PerCpu {
                return PER_CPU;
            }
            let at = self.next.next_multiple_of(area.align.max(PAGE));
            self.next = at.saturating_add(area.size.next_multiple_of(PAGE));
            at
        };
        Ok(areas.iter().map(place).collect())
    }

    fn put(&mut self, _: u64, _: &[u8]) -> Result<(), Failure> {
        Err(linux::not_by_bytes())
    }

    fn protect(&mut self, _: u64, _: Protection) -> Result<(), Failure> {
        Err(linux::not_by_bytes())
    }

    fn load(&mut self, load: &Load) -> Result<Loaded, Failure> {
        let flags = if self.packed { linux::COMPRESSED } else { 0 };
        let file = self.file.as_ref().ok_or_else(|| Failure::Refused("there is no file to load".into()))?;
        match linux::finit_module(file.as_fd(), &load.args, flags) {
            Ok(()) => Ok(Loaded::default()),
            Err(Errno::OPNOTSUPP) if self.packed => Err(Failure::Refused("this kernel does not unpack modules".into())),
            // These are the kernel's own words; any other may be the module's init's.
            Err(e) => Err(linux::failure(e, &load.name, !matches!(e, Errno::NOEXEC | Errno::EXIST | Errno::PERM))),
        }
    }

    fn remove(&mut self, name: &str) -> Result<(), Failure> {
        linux::remove(name)
    }
}
