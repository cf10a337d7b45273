//! Where a module is assumed to be when it is only checked.

use relobox_abi::Machine;
use relobox_core::symbols::Symbols;

/// Where a module was assumed to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The plugin's name.
    pub plugin: String,
    /// The address of the module.
    pub base: u64,
    /// The address of the kernel: symbols without an address were assumed to be near it.
    pub kernel: u64,
    /// Whether that address is from a file. Otherwise it is where the plugin's kernels usually are.
    pub from_file: bool,
    /// The plugin's [`Machine::reach`].
    pub reach: u64,
}

/// The alignment of an assumed base: the largest page of any machine.
const ALIGNED: u64 = 0x1_0000;

impl Place {
    /// Names of the kernel's first byte, the preferred one first.
    pub const NAMES: [&[u8]; 3] = [b"_text", b"_stext", b"_start"];

    /// Where modules of a kernel are assumed to be: where the plugin says that Linux usually puts them, or as far from the
    /// kernel as there, if that is out of reach of this kernel.
    #[must_use]
    pub fn of(plugin: &str, machine: &Machine, symbols: &Symbols) -> Self {
        let kernel_of = |name: &&[u8]| symbols.get(name)?.address.filter(|address| *address != 0);
        let known = Self::NAMES.iter().find_map(kernel_of);
        let kernel = known.unwrap_or(machine.kernel);
        let usual = machine.base.wrapping_sub(machine.kernel);
        let far = machine.base.abs_diff(kernel) > machine.base.abs_diff(machine.kernel).max(machine.reach);
        let base = match machine.reach != 0 && far {
            true => kernel.wrapping_add(usual) & !(ALIGNED - 1),
            false => machine.base,
        };
        Self { plugin: plugin.to_owned(), base, kernel, from_file: known.is_some(), reach: machine.reach }
    }
}
