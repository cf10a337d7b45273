//! depmod and modinfo: the indices of a tree of kernel modules, and what a module says of itself.
//!
//! The result is that of kmod 34, byte for byte. This crate opens no file and parses no ELF: its caller finds the
//! modules, and the engine guest reads them. It runs in the linking process, which has no rights.
//!
//! | module | contents |
//! |---|---|
//! | [`config`] | depmod.d(5) |
//! | [`choose`] | which files are in the indices, and in which order |
//! | [`scanned`] | what depmod reads of one module, as bytes from process to process |
//! | [`symbols`] | who exports a symbol; System.map and Module.symvers |
//! | [`graph`] | who needs whom, and cycles |
//! | [`output`] | the files that depmod writes |
//! | [`builtin`] | the indices of what is built into the kernel |
//! | [`trie`] | the binary indices |
//! | [`lookup`] | from a name to modules, by the binary indices |
//! | [`modinfo`], [`signature`] | what modinfo prints |
//! | [`table`] | the order in which kmod finds names again |
//! | [`log`] | messages |
#![warn(missing_docs)]

pub mod builtin;
pub mod choose;
pub mod config;
pub mod graph;
pub mod log;
pub mod lookup;
pub mod modinfo;
pub mod output;
pub mod scanned;
pub mod signature;
pub mod symbols;
pub mod table;
pub mod trie;

/// Bytes of a path or a line beyond which kmod cuts it: PATH_MAX, with the terminator.
pub(crate) const PATH_MAX: usize = 4096;

/// What to do, from the command line.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The version of the kernel.
    pub kernel: Vec<u8>,
    /// The directory of its modules.
    pub directory: Vec<u8>,
    /// How often `-v` was given.
    pub verbose: u8,
    /// True if nothing is written (`-n`): there are no binary indices then.
    pub dry_run: bool,
    /// True if symbols that no module exports are reported (`-e`).
    pub unknown: bool,
    /// True if symbols of other versions are reported (`-E`).
    pub versions: bool,
    /// The character that may precede each symbol (`-P`).
    pub prefix: Option<u8>,
    /// True if duplicates are reported (`-w`).
    pub duplicates: bool,
}

/// The last component of a path, as basename(3) of the GNU C library has it.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|b| *b == b'/').next().unwrap_or_default()
}

/// The name of the module in a file: the last component up to its first dot, with underscores.
#[must_use]
pub fn module_name(path: &[u8]) -> Vec<u8> {
    let stem = base_name(path).split(|b| *b == b'.').next().unwrap_or_default();
    stem[..stem.len().min(PATH_MAX - 1)].iter().map(|b| if *b == b'-' { b'_' } else { *b }).collect()
}

/// An alias with underscores for dashes, except between brackets. `None` if a bracket has no partner.
#[must_use]
pub fn normalized(alias: &[u8]) -> Option<Vec<u8>> {
    let alias = &alias[..alias.len().min(PATH_MAX - 1)];
    let (mut out, mut inside) = (Vec::with_capacity(alias.len()), false);
    for b in alias {
        match b {
            b']' if !inside => return None,
            b']' => inside = false,
            b'[' if !inside => inside = true,
            b'-' if !inside => {
                out.push(b'_');
                continue;
            }
            _ => {}
        }
        out.push(*b);
    }
    (!inside).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kmods() {
        assert_eq!(module_name(b"kernel/crypto/crc32c-intel.ko.xz"), b"crc32c_intel");
        assert_eq!(module_name(b"foo.bar.ko"), b"foo");
        assert_eq!(normalized(b"pci:v-[0-9]-x").as_deref(), Some(&b"pci:v_[0-9]_x"[..]));
        assert_eq!(normalized(b"a[b[-]").as_deref(), Some(&b"a[b[-]"[..]));
        assert_eq!((normalized(b"a]"), normalized(b"a[b")), (None, None));
    }
}
