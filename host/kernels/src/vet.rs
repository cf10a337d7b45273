//! Any real kernel. relobox links a module against the kernel's own symbols, as a check. Only if that succeeds does
//! finit_module(2) get the original bytes, with their signature.
//!
//! The file was read once, into a sealed memfd. So the checked bytes are the loaded ones.

use super::kallsyms::{self, Kallsyms};
use super::linux::{self, Force};
use relobox_core::areas::{Kind, PAGE};
use relobox_core::kernel::{
    Export, Kernel, KernelError, Listing, Load, LoadFormat, Loaded, Module, Protection, Request,
};
use relobox_core::symbols::Symbols;
use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

/// Names of the kernel's own image that say where it is: its first code and its end, which every architecture's
/// linker script defines.
const IMAGE: [&[u8]; 2] = [b"_text", b"_end"];

/// The end of the kernel's per-CPU data: near 0 where these are offsets, else in the kernel's image.
const PER_CPU_END: &[u8] = b"__per_cpu_end";

/// A kernel that takes modules as they are.
pub struct Vet {
    kallsyms: Arc<Kallsyms>,
    file: Option<OwnedFd>,
    /// The file is packed: the kernel has to unpack it.
    packed: bool,
    force: Force,
    /// Where the next pretended area is.
    next: u64,
    /// Where per-CPU data is pretended to be; behind the other areas if the kernel does not say.
    per_cpu: Option<u64>,
}

impl Vet {
    /// For the module in `file`, a sealed memfd.
    #[must_use]
    pub fn new(kallsyms: Arc<Kallsyms>, file: OwnedFd, packed: bool) -> Self {
        Self { file: Some(file), packed, ..Self::without_file(kallsyms) }
    }

    /// To list and to remove.
    #[must_use]
    pub fn without_file(kallsyms: Arc<Kallsyms>) -> Self {
        Self { kallsyms, file: None, packed: false, force: Force::default(), next: PAGE, per_cpu: None }
    }

    /// Forces the kernel.
    #[must_use]
    pub fn forced(self, force: Force) -> Self {
        Self { force, ..self }
    }
}

impl Kernel for Vet {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        let mut modules = linux::loaded()?;
        let mut symbols = Symbols::new();
        if let Some(names) = wanted {
            let image = |name: &[u8]| name == PER_CPU_END || IMAGE.contains(&name);
            symbols = self.kallsyms.symbols(names, image, &modules)?;
            (self.next, self.per_cpu) = places(&symbols, &modules).ok_or_else(kallsyms::hidden)?;
        }
        let mut own = Vec::new();
        let mut by_owner: HashMap<String, Vec<Export>> = HashMap::new();
        for name in wanted.unwrap_or_default() {
            let Some(found) = symbols.get(name) else { continue };
            let Some(address) = found.address else { continue };
            let export = Export {
                name: String::from_utf8_lossy(name).into_owned(),
                address,
                // Versions that are to be ignored are none.
                crc: found.crc.filter(|_| !self.force.modversions),
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
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Ok(Listing {
            vermagic: if self.force.vermagic { String::new() } else { release.clone() },
            release,
            form: LoadFormat::Original,
            // Where it has export tables' names, it has everything.
            complete: symbols.know_exports(),
            machine: linux::machine(),
            modules,
            exports: own,
        })
    }

    fn modules(&mut self) -> Result<Vec<Module>, KernelError> {
        linux::loaded()
    }

    /// Nothing is allocated: the addresses are in reach of the kernel, as those that it will choose.
    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError> {
        let place = |area: &Request| {
            if let (Kind::PerCpu, Some(at)) = (area.kind, self.per_cpu) {
                return at.next_multiple_of(area.align.max(1));
            }
            let at = self.next.next_multiple_of(area.align.max(PAGE));
            self.next = at.saturating_add(area.size.next_multiple_of(PAGE));
            at
        };
        Ok(areas.iter().map(place).collect())
    }

    fn put(&mut self, _: u64, _: &[u8]) -> Result<(), KernelError> {
        Err(linux::not_by_bytes())
    }

    fn protect(&mut self, _: u64, _: Protection) -> Result<(), KernelError> {
        Err(linux::not_by_bytes())
    }

    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError> {
        let file = self.file.as_ref().ok_or_else(|| KernelError::Refused("no file was given to load".into()))?;
        // Nothing says how far the kernel comes.
        linux::finit_module(file.as_fd(), &load.name, &load.args, self.packed, self.force).outcome(false)
    }

    fn remove(&mut self, name: &str) -> Result<(), KernelError> {
        linux::remove(name, self.force)
    }
}

/// Where a module is pretended to be, in reach of the kernel as the place that the kernel will choose: among the
/// modules that are loaded, or behind the kernel's image; and where its per-CPU data is, if the kernel says where its
/// own ends.
///
/// `None`: addresses are hidden. Then all of them are 0.
fn places(symbols: &Symbols, modules: &[relobox_core::kernel::Module]) -> Option<(u64, Option<u64>)> {
    let address = |name: &[u8]| symbols.get(name).and_then(|found| found.address);
    let image = IMAGE.iter().filter_map(|name| address(name)).max();
    if image == Some(0) {
        return None;
    }
    let loaded = modules.iter().filter_map(|m| m.areas.first()).map(|(address, _)| *address).filter(|a| *a != 0).min();
    let place = loaded.or(image).unwrap_or(0).max(PAGE).checked_next_multiple_of(PAGE)?;
    Some((place, address(PER_CPU_END)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::modules;
    use relobox_core::symbols::SymbolFileError;

    fn symbols(text: &str) -> Symbols {
        let mut symbols = Symbols::new();
        symbols.read(text.as_bytes(), |_| true).unwrap();
        symbols
    }

    const X86_64: &str = "0000000000034000 A __per_cpu_end\nffffffff81000000 T _text\nffffffff82e2f000 B _end\n";
    const ARM64: &str = "ffff800008000000 T _text\nffff800009d16000 D __per_cpu_end\nffff80000a2f0000 B _end\n";

    /// The module's place differs from machine to machine; the kernel's own addresses tell it.
    #[test]
    fn a_module_is_laid_out_where_the_running_kernel_is() {
        assert_eq!(places(&symbols(X86_64), &[]), Some((0xffff_ffff_82e2_f000, Some(0x3_4000))));
        let (place, per_cpu) = places(&symbols(ARM64), &[]).unwrap();
        assert_eq!((place, per_cpu), (0xffff_8000_0a2f_0000, Some(0xffff_8000_09d1_6000)));
        // A branch reaches 128 MiB, and a page-relative address 4 GiB.
        let text = 0xffff_8000_0800_0000;
        assert!(place - text < 128 << 20 && place - per_cpu.unwrap() < 128 << 20);
        // Where modules are, the next one is among them.
        let loaded = modules("b 4096 0 - Live 0xffff800001234000\na 4096 0 - Live 0xffff800001200000\n");
        assert_eq!(places(&symbols(ARM64), &loaded).unwrap().0, 0xffff_8000_0120_0000);
    }

    #[test]
    fn hidden_addresses_are_no_addresses() {
        let hidden = |text: &str| text.lines().map(|l| format!("0000000000000000{}\n", &l[16..])).collect::<String>();
        let loaded = modules("a 4096 0 - Live 0x0000000000000000\n");
        for text in [X86_64, ARM64] {
            let mut symbols = Symbols::new();
            assert_eq!(symbols.read(hidden(text).as_bytes(), |_| true), Err(SymbolFileError::Hidden));
        }
        // Only the modules' addresses are hidden: the image says where.
        assert_eq!(places(&symbols(X86_64), &loaded).unwrap().0, 0xffff_ffff_82e2_f000);
    }

    #[test]
    fn areas_follow_each_other_and_per_cpu_data_is_apart() {
        let mut vet = Vet::without_file(Arc::default());
        (vet.next, vet.per_cpu) = (0x10_0000, Some(0x3_4008));
        let area = |kind, size, align| Request { kind, size, align };
        let areas = [area(Kind::Text, 100, PAGE), area(Kind::PerCpu, 64, 64), area(Kind::Data, 1, 2 * PAGE)];
        assert_eq!(vet.allocate(&areas).unwrap(), [0x10_0000, 0x3_4040, 0x10_2000]);
        vet.per_cpu = None;
        assert_eq!(vet.allocate(&areas[1..2]).unwrap(), [0x10_3000]);
    }
}
