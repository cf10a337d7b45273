//! The types of the C interface. The header is made from them and from `exports` (see `cbindgen.toml`).
//!
//! A structure only ever grows at its end: the functions that fill it are told its size.

#![allow(unreachable_pub, reason = "the header is made from public types")]

use std::ffi::{c_char, c_void};

/// Settings, plugins, and the process that links. Objects that are made with it keep it alive.
#[derive(Debug)]
pub struct Context;

/// What was wrong, as data: a list of diagnostics.
#[derive(Debug)]
pub struct Diagnostics;

/// Symbols with their addresses: those of a kernel and of modules.
#[derive(Debug)]
pub struct Symbols;

/// The file of a module, or of another relocatable object.
#[derive(Debug)]
pub struct Module;

/// What is in a module.
#[derive(Debug)]
pub struct Info;

/// A module that is linked at its final addresses.
#[derive(Debug)]
pub struct Image;

/// A list of plugins.
#[derive(Debug)]
pub struct Plugins;

/// A module that this machine's kernel has loaded.
#[derive(Debug)]
pub struct Loaded;

/// Which numbers of a structure are there: bits of its field `has`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum Has {
    /// `offset`.
    Offset = 1,
    /// `value`.
    Value = 2,
    /// `min`.
    Min = 4,
    /// `max`.
    Max = 8,
    /// `crc`.
    Crc = 16,
}

/// What a section is, and how it came: bits of its field `flags`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum SectionFlag {
    /// It is writable.
    Write = 1,
    /// It is in memory.
    Alloc = 2,
    /// It is executable.
    Exec = 4,
    /// The plugin made it: a GOT, a PLT, stubs.
    Synthetic = 8,
}

/// What a symbol is: bits of its field `flags`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum SymbolFlag {
    /// Only GPL-compatible modules may use it.
    Gpl = 1,
    /// The module works without it.
    Weak = 2,
}

/// What is known of a plugin: bits of its field `flags`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum PluginFlag {
    /// It is built into relobox.
    BuiltIn = 1,
    /// It is pinned, and so trusted. What is built in needs no pin.
    Pinned = 2,
    /// `relobox_context_choose_plugin` named it.
    Chosen = 4,
    /// It was compiled for the linking process. What is pinned is used only then.
    Compiled = 8,
}

/// How modules are loaded into this machine's kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum Kernel {
    /// The device if it is there and can load, else the other.
    Auto = 0,
    /// relobox relocates the module, and `/dev/relobox` makes the kernel's loader use the result.
    Device = 1,
    /// The module is linked as a check. Then the kernel loads the original file.
    Vet = 2,
}

/// One diagnostic. Texts that are not there are null. They live as long as the list.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Diagnostic {
    /// The stable word for what is wrong: `out-of-range`, `undefined-symbol` and others of docs/json.md.
    pub kind: *const c_char,
    /// All of it, as one line for people.
    pub message: *const c_char,
    /// The file of the module.
    pub file: *const c_char,
    /// The section.
    pub section: *const c_char,
    /// The type of the relocation.
    pub relocation: *const c_char,
    /// The symbol.
    pub symbol: *const c_char,
    /// The file or section that defines the symbol.
    pub defined_in: *const c_char,
    /// What is wrong, for people.
    pub text: *const c_char,
    /// What can be done about it, for people. It may name options of the program relobox.
    pub hint: *const c_char,
    /// The offset in bytes: in the section, or in the file if there is no section.
    pub offset: u64,
    /// The value that does not fit.
    pub value: i64,
    /// The smallest value that fits.
    pub min: i64,
    /// The largest value that fits.
    pub max: i64,
    /// Which of the numbers are there: bits of `enum relobox_has`.
    pub has: u32,
}

/// A section that is in memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its name.
    pub name: *const c_char,
    /// Its address; 0 before the module is linked.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes.
    pub align: u64,
    /// Its final contents: `size` bytes. Null before the module is linked, and for a section of zeros (`.bss`).
    pub contents: *const c_void,
    /// The number of its relocations.
    pub relocations: u32,
    /// Bits of `enum relobox_section_flag`.
    pub flags: u32,
}

/// Memory of one kind, in which sections lie.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// Its kind: `text`, `rodata`, `ro_after_init`, `data`, `init.text`, `init.rodata`, `init.data`, `percpu`, and for
    /// older kernels `core` and `init`.
    pub kind: *const c_char,
    /// Its address.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes.
    pub align: u64,
}

/// The machine that a module is for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// The plugin that links the module. Null if there is none, or if there are several and none was chosen.
    pub plugin: *const c_char,
    /// The size in bytes of the signature behind the module; 0 without one.
    pub signature: u64,
    /// The flags of the ELF header.
    pub flags: u32,
    /// The machine of the ELF header (`e_machine`).
    pub machine: u16,
    /// 32 or 64 bits.
    pub bits: u8,
    /// 1 if the bytes of a number begin with the highest (big-endian), else 0.
    pub big_endian: u8,
}

/// An entry of `.modinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ModinfoEntry {
    /// The key: `license`.
    pub key: *const c_char,
    /// The value.
    pub value: *const c_char,
}

/// A symbol that a module exports, or that it needs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    /// Its name.
    pub name: *const c_char,
    /// Its namespace; null without one.
    pub symbol_namespace: *const c_char,
    /// The CRC of its type.
    pub crc: u32,
    /// Bits of `enum relobox_symbol_flag`.
    pub flags: u32,
    /// Whether `crc` is there: a bit of `enum relobox_has`.
    pub has: u32,
}

/// The relocations of one type.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RelocationCount {
    /// The name of the type, or its number.
    pub name: *const c_char,
    /// The plugin's formula; null if it is not known.
    pub formula: *const c_char,
    /// How many there are.
    pub count: u64,
}

/// A plugin.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    /// Its name.
    pub name: *const c_char,
    /// The SHA-256 of its Wasm: 64 hexadecimal digits.
    pub sha256: *const c_char,
    /// Its file; null for one that is built in.
    pub path: *const c_char,
    /// The machines that it says it links, as `62/64/little`, separated by commas; empty if it does not say.
    pub machines: *const c_char,
    /// Bits of `enum relobox_plugin_flag`.
    pub flags: u32,
}

/// The address of a section.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// Its name.
    pub section: *const c_char,
    /// Its address.
    pub address: u64,
}

/// What became of a module that the kernel has loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LoadResult {
    /// The name of the module, as the kernel lists it.
    pub name: *const c_char,
    /// Who relocated it: `device` (relobox) or `vet` (the kernel, after relobox had linked it as a check).
    pub mode: *const c_char,
    /// The plugin; `unknown` if the linking process did not say.
    pub plugin: *const c_char,
    /// The number of relocations, as the linking process says.
    pub relocations: u64,
    /// What the module's init function returned, if relobox knows: 0 or positive.
    pub returned: i32,
}
