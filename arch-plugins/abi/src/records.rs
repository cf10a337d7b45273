//! The records.

use crate::cast;
#[allow(unused_imports, reason = "the documentation links to the constants")]
use crate::constants::{
    detail, effect, emit, export_flag, fault, group_flag, indexed_flag, link_flag, loader, order, pairing, placement,
    row_flag, rule, section_flag, supply, symbol_flag, synthetic_kind,
};
#[cfg(feature = "zerocopy")]
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// "No index": of a fault without a relocation, or of a synthetic section without a neighbour.
pub const NONE: u32 = u32::MAX;

macro_rules! records {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident: $size:literal { $($(#[$fmeta:meta])* pub $field:ident: $ty:ty,)* }
    )*) => {$(
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "zerocopy", derive(FromBytes, IntoBytes, Immutable, KnownLayout))]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }
        // The size is part of the contract: a padded or grown record breaks every plugin.
        const _: () = assert!(core::mem::size_of::<$name>() == $size);
        // Its fields are records, and leave no byte between them.
        const _: () = {
            const fn is_record<T: cast::Record>() -> usize {
                size_of::<T>()
            }
            assert!(size_of::<$name>() == 0 $(+ is_record::<$ty>())*);
        };
        // SAFETY: any bits are a value of each field, and there is no padding: both are asserted above.
        #[allow(unsafe_code, reason = "see cast")]
        unsafe impl cast::Record for $name {}
    )*};
}

records! {
    /// A run of bytes.
    pub struct Span: 8 {
        /// Address or offset of the first byte.
        pub at: u32,
        /// Length in bytes.
        pub len: u32,
    }

    /// An array of records, 8-aligned.
    pub struct Table: 8 {
        /// Address or offset of the first record.
        pub at: u32,
        /// Number of records.
        pub count: u32,
    }

    /// A section of the module. Index 0 is ELF's null section; indices are ELF's own.
    pub struct Section: 56 {
        /// Final address. Zero until apply, when the host fills it in for allocated sections.
        pub address: u64,
        /// Size in bytes (`sh_size`).
        pub size: u64,
        /// Alignment in bytes, a power of two, at least 1.
        pub align: u64,
        /// `sh_flags`, raw; see [`section_flag`].
        pub flags: u64,
        /// From the engine: the contents, relative to the file (length 0 for NOBITS).
        /// To a plugin: its copy, relative to [`Job::data`]; only sections with relocations have one.
        pub data: Span,
        /// The name, without a NUL. To a plugin: relative to the job.
        pub name: Span,
        /// `sh_type`, raw.
        pub kind: u32,
        /// Reserved.
        pub reserved: u32,
    }

    /// A symbol. Index 0 is ELF's null symbol; indices are ELF's own.
    pub struct Symbol: 40 {
        /// `st_value`, raw: for a defined symbol an offset in its section.
        pub value: u64,
        /// `st_size`, in bytes.
        pub size: u64,
        /// The name, without a NUL. To a plugin: relative to the job, and only for undefined symbols.
        pub name: Span,
        /// Index of the section that defines it, or 0; see `flags` for the special ones.
        pub section: u32,
        /// `st_info`: binding in the high four bits, type in the low four.
        pub info: u8,
        /// `st_other`.
        pub other: u8,
        /// See [`symbol_flag`].
        pub flags: u16,
        /// Reserved.
        pub reserved: u64,
    }

    /// The relocations of one section, in file order.
    pub struct Group: 24 {
        /// Index of the section that they patch.
        pub section: u32,
        /// Index of the first relocation.
        pub first: u32,
        /// Number of relocations.
        pub count: u32,
        /// See [`group_flag`].
        pub flags: u32,
        /// Index of the section that they were read from (SHT_REL, SHT_RELA or SHT_CREL).
        pub source: u32,
        /// Reserved.
        pub reserved: u32,
    }

    /// One relocation.
    pub struct Relocation: 24 {
        /// `r_offset`: the place, in bytes from the start of the patched section. The plugin is the first to check it.
        pub offset: u64,
        /// `r_addend`, or 0 if the addend is in place.
        pub addend: i64,
        /// The raw type word: all of `r_info` except the symbol. (mips64 packs three types and a second symbol into it,
        /// sparc64 a second addend.)
        pub kind: u32,
        /// Index of the symbol. The plugin is the first to check it.
        pub symbol: u32,
    }

    /// A value that only the running kernel knows, by name (`expoline`, `percpu_base`, `kernel_toc` …).
    pub struct Input: 16 {
        /// The name, without a NUL.
        pub name: Span,
        /// Its value.
        pub value: u64,
    }

    /// A plugin's input. Every `at` in it is **relative to the job's own address**, so that it can be written in one
    /// piece.
    pub struct Job: 96 {
        /// The ABI version that the plugin answered.
        pub abi: u32,
        /// `e_machine`.
        pub machine: u16,
        /// ELF class: 32 or 64.
        pub class: u8,
        /// Byte order: 1 little, 2 big; see [`order`].
        pub order: u8,
        /// `e_flags`.
        pub elf_flags: u32,
        /// Length of the whole job in bytes.
        pub len: u32,
        /// [`Section`]s.
        pub sections: Table,
        /// [`Symbol`]s.
        pub symbols: Table,
        /// [`Group`]s, in file order.
        pub groups: Table,
        /// [`Relocation`]s.
        pub relocations: Table,
        /// `u64` each: the value of every symbol; zero until apply.
        pub values: Table,
        /// [`Input`]s.
        pub inputs: Table,
        /// Empty. (Intended for function descriptors up to version 2; code can load what it needs of them.)
        pub unused: Table,
        /// The plugin's own copy of the contents that it may patch. It comes last.
        pub data: Span,
        /// Reserved.
        pub reserved: [u64; 2],
    }

    /// A plugin's answer to plan: what it needs before sections have addresses.
    pub struct Plan: 56 {
        /// [`Fault`]s that were found without addresses.
        pub faults: Table,
        /// [`Synthetic`] sections.
        pub synthetic: Table,
        /// [`Alignment`]s to raise.
        pub alignments: Table,
        /// [`Window`]s beyond those that the rows declare.
        pub windows: Table,
        /// [`Supplied`] symbols.
        pub supplied: Table,
        /// Number of faults beyond those in the table.
        pub more_faults: u32,
        /// [`FunctionDescriptor`]s. Since version 3.
        pub descriptors: Table,
        /// Reserved.
        pub reserved: u32,
    }

    /// A section that the module does not have, and that the plugin fills in apply: GOT, PLT, veneers, stubs.
    pub struct Synthetic: 56 {
        /// Final address; **the host writes it here** before apply.
        pub address: u64,
        /// Size in bytes.
        pub size: u64,
        /// Alignment in bytes, a power of two.
        pub align: u64,
        /// Name in messages and in the linked file.
        pub name: Span,
        /// What it holds; see [`synthetic_kind`].
        pub kind: u32,
        /// Its place; see [`placement`].
        pub placement: u32,
        /// The section that `placement` is relative to, or [`NONE`].
        pub section: u32,
        /// Address in guest memory of its `size` bytes of contents, valid once apply has returned.
        pub contents: u32,
        /// Reserved.
        pub reserved: u64,
    }

    /// The function descriptor of a function of the module, which the plugin fills in. The kernel and other modules
    /// refer to the function by its address where that is not the first instruction (ia64, parisc64).
    pub struct FunctionDescriptor: 16 {
        /// Index of the symbol, which the module defines.
        pub symbol: u32,
        /// Index in the plan's synthetic table.
        pub index: u32,
        /// Offset in that section, in bytes.
        pub offset: u64,
    }

    /// A request to raise a section's alignment.
    pub struct Alignment: 16 {
        /// Index of the section.
        pub section: u32,
        /// Reserved.
        pub reserved: u32,
        /// The smallest alignment in bytes, a power of two.
        pub align: u64,
    }

    /// An additional run of bytes in the same section that a relocation may change. There is at most one for each
    /// relocation, in ascending order, and only if its row's `extra` allows that length.
    pub struct Window: 16 {
        /// Index of the relocation.
        pub relocation: u32,
        /// Length in bytes.
        pub len: u32,
        /// Offset in the section, in bytes.
        pub offset: u64,
    }

    /// The definition of an undefined symbol by the plugin.
    pub struct Supplied: 32 {
        /// Index of the undefined symbol.
        pub symbol: u32,
        /// See [`supply`].
        pub how: u32,
        /// Section index, or index in the plan's synthetic table, by `how`.
        pub index: u32,
        /// Reserved.
        pub reserved: u32,
        /// Offset or constant, by `how`.
        pub value: u64,
        /// The name to look up instead, by `how`.
        pub name: Span,
    }

    /// A plugin's answer to apply.
    pub struct Applied: 16 {
        /// [`Fault`]s; the module is refused if there is one.
        pub faults: Table,
        /// Number of faults beyond those in the table.
        pub more_faults: u32,
        /// Reserved.
        pub reserved: u32,
    }

    /// An error in the module, with the data for a message.
    pub struct Fault: 64 {
        /// See [`fault`].
        pub kind: u32,
        /// Index of the relocation, or [`NONE`].
        pub relocation: u32,
        /// Index of the section, or [`NONE`].
        pub section: u32,
        /// Index of the symbol, or [`NONE`].
        pub symbol: u32,
        /// Offset in the section, or in the file if there is no section; in bytes.
        pub offset: u64,
        /// The offending value.
        pub value: i64,
        /// The smallest allowed value.
        pub min: i64,
        /// The largest allowed value.
        pub max: i64,
        /// A short text of the guest, or length 0. The host shows it and never interprets it.
        pub text: Span,
        /// Reserved.
        pub reserved: u64,
    }

    /// A plugin's description of itself.
    pub struct Description: 72 {
        /// The version that `relobox_abi` answers.
        pub abi: u32,
        /// Bits of a relocation's `kind` that select its row. The other bits are operands.
        pub kind_mask: u32,
        /// The short name: `x86_64`.
        pub name: Span,
        /// A title of one line.
        pub title: Span,
        /// The URL of the psABI.
        pub psabi: Span,
        /// [`Machine`]s that it links.
        pub machines: Table,
        /// [`Row`]s, ascending by type.
        pub rows: Table,
        /// [`Input`]s that it reads, with the value that it assumes if the host has none.
        pub inputs: Table,
        /// [`Remade`] sections. Since version 3; up to version 2 these eight bytes were a number that was not read.
        pub remade: Table,
        /// [`Detail`]s, ascending by type. Since version 3.
        pub details: Table,
    }

    /// A section to which Linux's own loader gives another size before it lays out a module: room for stubs, sized by
    /// the relocations that are left. A module that is already relocated has none left, so the size is known.
    pub struct Remade: 40 {
        /// The section's name. If there are several sections with that name, it is the last one.
        pub name: Span,
        /// The kernels that do so; see [`loader`].
        pub loaders: u32,
        /// The memory that it goes into; see [`synthetic_kind`].
        pub kind: u32,
        /// Its new size, in bytes.
        pub size: u64,
        /// Its new alignment, in bytes, a power of two.
        pub align: u64,
        /// Reserved.
        pub reserved: u64,
    }

    /// A further statement about a row. It has no effect on linking. It lets tests generate and check cases of rows
    /// whose formula they cannot evaluate.
    pub struct Detail: 48 {
        /// The row's type.
        pub kind: u32,
        /// The kind of statement; see [`detail`].
        pub what: u32,
        /// Offset of the word that the statement is about, in bytes from the point that `what` names.
        pub offset: i32,
        /// Bytes of that word: 1, 2, 3, 4 or 8.
        pub width: u8,
        /// Its byte order; see [`order`].
        pub order: u8,
        /// The number that the range limits: ABSOLUTE or RELATIVE of [`effect`].
        pub effect: u8,
        /// Reserved.
        pub reserved: u8,
        /// The bits of the word that the statement is about.
        pub mask: u64,
        /// The value of these bits.
        pub value: u64,
        /// The smallest allowed number.
        pub min: i64,
        /// The largest allowed number.
        pub max: i64,
    }

    /// One kind of ELF file that a plugin links.
    pub struct Machine: 40 {
        /// `e_machine`.
        pub machine: u16,
        /// 32 or 64.
        pub class: u8,
        /// 1 little, 2 big.
        pub order: u8,
        /// `e_flags & flags_mask` must equal `flags_value`.
        pub flags_mask: u32,
        /// See `flags_mask`.
        pub flags_value: u32,
        /// Reserved.
        pub reserved: u32,
        /// The address where Linux usually puts modules. It is used if no base address is given.
        pub base: u64,
        /// An address for kernel symbols when their addresses do not matter (a dry run).
        pub kernel: u64,
        /// The largest distance between a module and its targets, in bytes, that needs no veneers; 0 for any distance.
        pub reach: u64,
    }

    /// One row of the relocation table.
    pub struct Row: 56 {
        /// The type, after [`Description::kind_mask`].
        pub kind: u32,
        /// See [`row_flag`].
        pub flags: u32,
        /// The psABI's name: `R_X86_64_PC32`.
        pub name: Span,
        /// The formula in the psABI's letters: `S + A - P`.
        pub formula: Span,
        /// The field's name: `IMM26`.
        pub field: Span,
        /// The field's [`Slice`]s; empty when the row is written by hand or changes nothing.
        pub slices: Table,
        /// Bytes of the field at the place: 0, 1, 2, 3, 4 or 8.
        pub width: u8,
        /// The field's byte order: 0 that of the module's data, 1 little, 2 big; see [`order`].
        pub order: u8,
        /// Overflow rule; see [`rule`].
        pub rule: u8,
        /// The number of bits of the rule.
        pub bits: u8,
        /// The value must be a multiple of this many bytes (0 and 1: any).
        pub align: u8,
        /// The window begins at the place rounded down to a multiple of this many bytes (0 and 1: not rounded).
        pub window_align: u8,
        /// The window begins this many bytes from the (rounded) place; may be negative.
        pub window_start: i8,
        /// Bytes of the window.
        pub window_len: u8,
        /// Longest extra [`Window`] that plan may declare for such a relocation, in bytes; 0 for none.
        pub extra: u8,
        /// How it forms a pair with `partner`; see [`pairing`]. Since version 2.
        pub pairing: u8,
        /// What its value depends on; see [`effect`]. Since version 2.
        pub effect: u8,
        /// The bits of the value from this one up are rounded, because a *signed* low half holds the bits below. They
        /// are taken from the value plus 2^(round-1), and the rule limits that sum. 0 means no rounding. Since version
        /// 2.
        pub round: u8,
        /// The other type of the pair, after [`Description::kind_mask`]; 0 without one. Since version 2.
        pub partner: u32,
    }

    /// `len` bits of the value, from `value_bit` up, lie in the field from `field_bit` up.
    pub struct Slice: 4 {
        /// Lowest bit of the value.
        pub value_bit: u8,
        /// Lowest bit of the field.
        pub field_bit: u8,
        /// Number of bits.
        pub len: u8,
        /// Reserved.
        pub reserved: u8,
    }

    /// The engine's result for a file. Spans in it and in its tables are relative to the file.
    pub struct Parsed: 88 {
        /// [`Fault`]s; with any, the rest may be incomplete.
        pub faults: Table,
        /// `e_machine`.
        pub machine: u16,
        /// 32 or 64.
        pub class: u8,
        /// 1 little, 2 big.
        pub order: u8,
        /// `e_flags`.
        pub elf_flags: u32,
        /// [`Section`]s.
        pub sections: Table,
        /// [`Symbol`]s.
        pub symbols: Table,
        /// [`Group`]s of allocated sections.
        pub groups: Table,
        /// [`Relocation`]s of those groups.
        pub relocations: Table,
        /// [`Pair`]s of `.modinfo`, in order.
        pub modinfo: Table,
        /// [`Export`]s.
        pub exports: Table,
        /// [`Version`]s of `__versions` and of `__version_ext_names`.
        pub versions: Table,
        /// The symbols `init_module` and `cleanup_module`, or 0.
        pub init: u32,
        /// See `init`.
        pub exit: u32,
        /// Bytes of an appended signature, with its trailer, at the end of the file; 0 without one.
        pub signature: u32,
        /// Index of the section with the symbols' names (`sh_link` of the symbol table), or 0.
        pub strings: u32,
    }

    /// An entry `key=value` of `.modinfo`.
    pub struct Pair: 16 {
        /// The text before the first `=`.
        pub key: Span,
        /// The text after it.
        pub value: Span,
    }

    /// A symbol that the module exports.
    pub struct Export: 32 {
        /// Its name.
        pub name: Span,
        /// Its namespace, or length 0.
        pub namespace: Span,
        /// Index of the symbol that its entry in the table refers to.
        pub symbol: u32,
        /// Its CRC, if `flags` say that there is one.
        pub crc: u32,
        /// See [`export_flag`].
        pub flags: u32,
        /// Its offset in bytes from that symbol: 0, unless the entry refers to a section.
        pub offset: u32,
    }

    /// The CRC of a symbol that the module was compiled against.
    pub struct Version: 16 {
        /// The symbol's name.
        pub name: Span,
        /// The CRC.
        pub crc: u32,
        /// Reserved.
        pub reserved: u32,
    }

    /// The engine's result for pieces of a file. Every `at` is absolute, but for those of `wanted`.
    pub struct Indexed: 56 {
        /// [`Fault`]s; with any, the rest is empty.
        pub faults: Table,
        /// [`Span`]s of the file that the engine wants to see next; with any, the rest is empty. Each piece begins at a
        /// multiple of 16 bytes after the one before.
        pub wanted: Table,
        /// [`Pair`]s of `.modinfo`, in order.
        pub modinfo: Table,
        /// [`Link`]s: the exported symbols.
        pub exports: Table,
        /// [`Link`]s: the undefined symbols, and then the names in `__versions` that are none.
        pub imports: Table,
        /// The appended signature: signer, key, signature and trailer, without the magic text.
        pub signature: Span,
        /// See [`indexed_flag`].
        pub flags: u32,
        /// Reserved.
        pub reserved: u32,
    }

    /// A symbol by which modules are linked.
    pub struct Link: 16 {
        /// Its name.
        pub name: Span,
        /// Its CRC, or 0.
        pub crc: u32,
        /// See [`link_flag`].
        pub flags: u32,
    }

    /// The engine's input for writing a file. Every `at` is absolute.
    pub struct EmitJob: 40 {
        /// [`ABI_VERSION`](crate::ABI_VERSION).
        pub abi: u32,
        /// See [`emit`].
        pub format: u32,
        /// `u64` each: every section's final address, by index.
        pub addresses: Table,
        /// `u64` each: every symbol's final value, by index.
        pub values: Table,
        /// [`EmitSection`]s to add.
        pub synthetic: Table,
        /// Reserved.
        pub reserved: u64,
    }

    /// A synthetic section with its contents.
    pub struct EmitSection: 48 {
        /// Final address.
        pub address: u64,
        /// Alignment in bytes.
        pub align: u64,
        /// See [`synthetic_kind`].
        pub kind: u32,
        /// Reserved.
        pub reserved: u32,
        /// Name.
        pub name: Span,
        /// Contents.
        pub contents: Span,
        /// Reserved.
        pub reserved2: u64,
    }

    /// The file that the engine wrote.
    pub struct Emitted: 16 {
        /// [`Fault`]s; with any, there is no file.
        pub faults: Table,
        /// The file, as [`Span`]s of its pieces in order.
        pub pieces: Table,
    }

    /// The unpacker's result.
    pub struct Unpacked: 24 {
        /// [`Fault`]s; with any, there are no bytes.
        pub faults: Table,
        /// The bytes.
        pub bytes: Span,
        /// Reserved.
        pub reserved: u64,
    }
}
