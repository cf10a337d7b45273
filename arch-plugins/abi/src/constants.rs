//! The constants of the records: flags, kinds, fault numbers.

/// Name of an optional custom section of a plugin: the first twelve bytes of each of its
/// [`Machine`](crate::Machine) records (machine, class, order, flags mask, flags value), one after the other.
/// It lets a host choose a plugin without compiling the others; the description is what counts.
pub const MACHINES: &str = "relobox.machines";

/// Bits of [`Section::flags`](crate::Section::flags) that the host reads; ELF's own, the same for every machine.
pub mod section_flag {
    /// SHF_WRITE.
    pub const WRITE: u64 = 1;
    /// SHF_ALLOC.
    pub const ALLOC: u64 = 2;
    /// SHF_EXECINSTR.
    pub const EXEC: u64 = 4;
    /// SHF_RELA_LIVEPATCH, Linux's own: relocations that the kernel does itself, when what they patch is loaded.
    pub const RELA_LIVEPATCH: u64 = 0x0010_0000;
    /// SHF_RO_AFTER_INIT, Linux's own.
    pub const RO_AFTER_INIT: u64 = 0x0020_0000;
}

/// Values of [`Section::kind`](crate::Section::kind) that the host reads.
pub mod section_kind {
    /// SHT_RELA: relocations with addends.
    pub const RELA: u32 = 4;
    /// SHT_NOBITS: no contents in the file.
    pub const NOBITS: u32 = 8;
    /// SHT_REL: relocations whose addends are in place.
    pub const REL: u32 = 9;
    /// SHT_CREL: either, compact.
    pub const CREL: u32 = 0x4000_0014;
}

/// Bits of [`Symbol::flags`](crate::Symbol::flags).
pub mod symbol_flag {
    /// SHN_UNDEF, and not index 0.
    pub const UNDEFINED: u16 = 1;
    /// SHN_ABS: the value is final.
    pub const ABSOLUTE: u16 = 2;
    /// SHN_COMMON.
    pub const COMMON: u16 = 4;
    /// STB_WEAK.
    pub const WEAK: u16 = 8;
    /// Defined in `.data..percpu`.
    pub const PERCPU: u16 = 16;
    /// Linux's SHN_LIVEPATCH: resolved by the kernel later, left alone.
    pub const LIVEPATCH: u16 = 32;
    /// STB_LOCAL.
    pub const LOCAL: u16 = 64;
    /// An undefined symbol that is an `STT_SPARC_REGISTER`, on sparc: it has no value and needs none.
    pub const REGISTER: u16 = 128;
}

/// Bits of [`Group::flags`](crate::Group::flags).
pub mod group_flag {
    /// Addends are in place: SHT_REL, or an SHT_CREL that says so.
    pub const IN_PLACE: u32 = 1;
}

/// Bits of [`Export::flags`](crate::Export::flags).
pub mod export_flag {
    /// For GPL-compatible modules only.
    pub const GPL: u32 = 1;
    /// `crc` is known.
    pub const CRC: u32 = 2;
}

/// ELF byte order.
pub mod order {
    /// As the module's data (only in [`Row::order`](crate::Row::order)).
    pub const DATA: u8 = 0;
    /// Little-endian.
    pub const LITTLE: u8 = 1;
    /// Big-endian.
    pub const BIG: u8 = 2;
}

/// Overflow rules of a [`Row`](crate::Row).
pub mod rule {
    /// The value is cut to the field without a check.
    pub const NONE: u8 = 0;
    /// -2^(bits-1) ..= 2^(bits-1) - 1.
    pub const SIGNED: u8 = 1;
    /// 0 ..= 2^bits - 1.
    pub const UNSIGNED: u8 = 2;
    /// -2^(bits-1) ..= 2^bits - 1: either reading is good.
    pub const EITHER: u8 = 3;
}

/// Bits of [`Row::flags`](crate::Row::flags).
pub mod row_flag {
    /// Changes nothing.
    pub const NOP: u32 = 1;
    /// Known and refused.
    pub const REJECT: u32 = 2;
    /// Written by a hook: the formula is a summary, not an expression of letters.
    pub const BY_HAND: u32 = 4;
    /// Has a second formula for what the field cannot reach (veneer, PLT).
    pub const FALLBACK: u32 = 8;
    /// The place must be zero before (x86-64 kernels demand it).
    pub const ZERO: u32 = 16;
    /// The field does not hold bits of the `effect`'s value, but something made of it: what is promised is that the
    /// same value, addend and bytes before give the same bytes. Since version 2.
    pub const DERIVED: u32 = 32;
}

/// [`Row::effect`](crate::Row::effect): the value, before the field takes its bits. Where the row also has a FALLBACK,
/// that of the first formula. P is the place, V what the place's field holds before.
pub mod effect {
    /// Nobody has said.
    pub const UNKNOWN: u8 = 0;
    /// S + A.
    pub const ABSOLUTE: u8 = 1;
    /// S + A - P.
    pub const RELATIVE: u8 = 2;
    /// V + S + A.
    pub const PLUS: u8 = 3;
    /// V - S - A.
    pub const MINUS: u8 = 4;
    /// The distance of two pages of 4 KiB: S + A (rounded, see [`Row::round`](crate::Row::round)) and P, each without its
    /// low twelve bits.
    pub const PAGES: u8 = 5;
    /// What that leaves out: the low twelve bits of S + A.
    pub const IN_PAGE: u8 = 6;
    /// The value of the relocation at its label; see [`pairing::LABEL`](crate::pairing::LABEL).
    pub const PARTNER: u8 = 7;
    /// Depends on an address that is neither S nor P: an entry of a GOT or PLT, the table itself, a TOC, a global pointer.
    pub const SLOT: u8 = 8;
    /// The symbol's size, + A.
    pub const SIZE: u8 = 9;
}

/// [`Row::pairing`](crate::Row::pairing): how a row goes with its `partner`.
pub mod pairing {
    /// It stands alone, or nobody has said.
    pub const NONE: u8 = 0;
    /// A high half. Where addends are in place, its own is completed by the signed one of the next `partner` in
    /// file order, of the same symbol; without one it is UNPAIRED. Where they are explicit, each is patched alone.
    /// (MIPS HI16 and LO16)
    pub const NEXT: u8 = 1;
    /// A low half whose symbol is no target, but a label at a `partner` (or another type that is LABELLED) in the
    /// same section, before or behind it; its value is that one's. Without one it is UNPAIRED. (RISC-V PCREL_LO12)
    pub const LABEL: u8 = 2;
    /// A high half that low halves of type `partner` find by a label. (RISC-V PCREL_HI20, GOT_HI20)
    pub const LABELLED: u8 = 3;
    /// Comes straight behind a `partner` at the same place and completes it; each without the other is UNPAIRED.
    /// (RISC-V SUB_ULEB128 and SET_ULEB128)
    pub const BEHIND: u8 = 4;
    /// Goes on from what a `partner` at the same place has left there, or makes what that goes on from; good without it.
    /// (RISC-V ADD and SUB, LoongArch's stack)
    pub const PLACE: u8 = 5;
    /// One part of a value whose next higher bits a `partner` of the same target holds; each is patched alone.
    /// (AArch64 ADD_ABS_LO12 and ADR_PREL_PG_HI21, PowerPC LO and HA, MIPS LO16 and HI16)
    pub const PART: u8 = 6;
}

/// [`Synthetic::kind`](crate::Synthetic::kind).
pub mod synthetic_kind {
    /// Instructions: executable, never writable.
    pub const TEXT: u32 = 1;
    /// Constants, such as a GOT: read-only once placed.
    pub const RODATA: u32 = 2;
    /// Data.
    pub const DATA: u32 = 3;
    /// As TEXT, and freed when init has run. Its name begins with `.init`, by which Linux knows. Since version 3.
    pub const INIT_TEXT: u32 = 4;
    /// As RODATA, in the same way. Since version 3.
    pub const INIT_RODATA: u32 = 5;
    /// As DATA, in the same way. Since version 3.
    pub const INIT_DATA: u32 = 6;
}

/// Bits of [`Remade::loaders`](crate::Remade::loaders): how the kernel's loader divides a module's memory.
pub mod loader {
    /// Two areas, what stays and what init needs: Linux up to 6.3.
    pub const CORE_INIT: u32 = 1;
    /// An area for each kind of memory: Linux from 6.4.
    pub const KINDS: u32 = 2;
}

/// [`Detail::what`](crate::Detail::what).
pub mod detail {
    /// `min` and `max` are the range of the number that `effect` names; one beyond either is OUT_OF_RANGE.
    pub const RANGE: u32 = 1;
    /// The word `offset` bytes from the place is an instruction whose bits `mask` are `value`; else it is
    /// BAD_INSTRUCTION. (PowerPC: the `nop` behind a call)
    pub const STANDS: u32 = 2;
    /// The same only where the row's second formula is used: see FALLBACK.
    pub const STANDS_IF_FAR: u32 = 3;
    /// The same, `offset` bytes from the place plus the addend. (Alpha: GPDISP's second instruction)
    pub const STANDS_AT_ADDEND: u32 = 4;
}

/// [`Synthetic::placement`](crate::Synthetic::placement).
pub mod placement {
    /// With the module's other sections of that kind.
    pub const WITH_KIND: u32 = 0;
    /// Immediately before `section` (parisc stubs).
    pub const BEFORE: u32 = 1;
    /// Immediately after `section`.
    pub const AFTER: u32 = 2;
}

/// [`Supplied::how`](crate::Supplied::how).
pub mod supply {
    /// The symbol is `value`.
    pub const CONSTANT: u32 = 1;
    /// The symbol is `value` bytes into section `index`.
    pub const IN_SECTION: u32 = 2;
    /// The symbol is `value` bytes into synthetic section `index`.
    pub const IN_SYNTHETIC: u32 = 3;
    /// The symbol is looked up as `name`.
    pub const RENAME: u32 = 4;
}

/// What [`export::PARSE`](crate::export::PARSE) shall do.
pub mod parse {
    /// Everything.
    pub const ALL: u32 = 0;
    /// Exports, versions and modinfo, without relocations.
    pub const EXPORTS: u32 = 1;
}

/// What [`export::EMIT`](crate::export::EMIT) shall write.
pub mod emit {
    /// A linked ELF: allocated sections at their addresses, a symbol table, no relocations.
    pub const LINKED: u32 = 1;
    /// The `.ko` itself, contents relocated, relocation sections void (SHT_NULL), signature stripped.
    pub const RELOCATED_KO: u32 = 2;
}

/// [`Fault::kind`](crate::Fault::kind).
pub mod fault {
    /// A relocation type that has no row. `value` is the type.
    pub const UNKNOWN_TYPE: u32 = 1;
    /// `value` is not in `min ..= max`.
    pub const OUT_OF_RANGE: u32 = 2;
    /// `value` is not a multiple of `min`.
    pub const MISALIGNED: u32 = 3;
    /// The place does not lie in the section. `max` is the section's size.
    pub const OUTSIDE: u32 = 4;
    /// No such symbol. `value` is its index.
    pub const BAD_SYMBOL: u32 = 5;
    /// The other half of a pair is missing.
    pub const UNPAIRED: u32 = 6;
    /// The place should be zero and holds `value`.
    pub const NOT_ZERO: u32 = 7;
    /// A known type that modules may not use; `text` says why.
    pub const REJECTED: u32 = 8;
    /// The instruction at the place, `value`, is not one that this relocation patches.
    pub const BAD_INSTRUCTION: u32 = 9;
    /// The type needs addends in place and the section has them explicit, or the reverse.
    pub const ADDEND_FORM: u32 = 10;
    /// The plugin has no row for this class, byte order or flags.
    pub const BAD_MACHINE: u32 = 11;
    /// Something that only this architecture knows; `text` says what.
    pub const OTHER: u32 = 12;
    /// The file is not what ELF says it should be; `text` says what, `offset`, `value` and `max` where and how.
    pub const MALFORMED: u32 = 64;
    /// The file is larger or has more parts than the guest handles; `max` is the limit.
    pub const TOO_LARGE: u32 = 65;
    /// Not a relocatable ELF file at all.
    pub const NOT_ELF: u32 = 66;
    /// The packed stream is damaged; `text` says how.
    pub const BAD_STREAM: u32 = 67;
}
