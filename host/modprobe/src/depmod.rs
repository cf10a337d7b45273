//! What depmod reads and writes, by name.

/// The directories of the configuration, relative to the root directory. A file hides files of the same name in later
/// directories.
pub const DIRECTORIES: [&str; 5] =
    ["etc/depmod.d", "run/depmod.d", "usr/local/lib/depmod.d", "usr/lib/depmod.d", "lib/depmod.d"];

/// The files that depmod writes, in the order in which they are written. The process that makes them and the one that writes
/// them agree on it.
pub const FILES: [&str; 11] = [
    "modules.dep",
    "modules.dep.bin",
    "modules.alias",
    "modules.alias.bin",
    "modules.softdep",
    "modules.weakdep",
    "modules.symbols",
    "modules.symbols.bin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
    "modules.devname",
];
