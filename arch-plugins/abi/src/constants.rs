//! The constants of the records: flags, kinds, and numbers of faults.

/// The name of an optional custom section of a plugin. It has the first twelve bytes of each of the plugin's
/// [`Machine`](crate::Machine) records (machine, class, order, flags mask, flags value), one after the other. With it,
/// a host can choose a plugin without compiling the others. The description decides.
pub const MACHINES: &str = "relobox.machines";

/// The name of an optional custom section of a plugin: its decoding rules, a text in UTF-8. They say what a processor
/// reads from what the plugin writes. Only the conformance kit and the fuzzer read them; `docs/conformance.md` describes
/// the language.
pub const DECODING: &str = "relobox.decoding";

/// Bits of [`Section::flags`](crate::Section::flags) that the host reads. They are `sh_flags` of ELF, the same for
/// every machine.
pub mod section_flag {
    /// SHF_WRITE.
    pub const WRITE: u64 = 1;
    /// SHF_ALLOC.
    pub const ALLOC: u64 = 2;
    /// SHF_EXECINSTR.
    pub const EXEC: u64 = 4;
    /// SHF_RELA_LIVEPATCH, specific to Linux: the kernel applies these relocations when the patched object is loaded.
    pub const RELA_LIVEPATCH: u64 = 0x0010_0000;
    /// SHF_RO_AFTER_INIT, specific to Linux.
    pub const RO_AFTER_INIT: u64 = 0x0020_0000;
}

/// Values of [`Section::kind`](crate::Section::kind) that the host reads. They are `sh_type` of ELF.
pub mod section_kind {
    /// SHT_RELA: relocations with explicit addends.
    pub const RELA: u32 = 4;
    /// SHT_NOBITS: no contents in the file.
    pub const NOBITS: u32 = 8;
    /// SHT_REL: relocations with addends in place.
    pub const REL: u32 = 9;
    /// SHT_CREL: compact relocations, with addends of either form.
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
    /// SHN_LIVEPATCH, specific to Linux: the kernel resolves the symbol later.
    pub const LIVEPATCH: u16 = 32;
    /// STB_LOCAL.
    pub const LOCAL: u16 = 64;
    /// An undefined symbol of type `STT_SPARC_REGISTER`, on sparc. It has no value and needs none.
    pub const REGISTER: u16 = 128;
}

/// Bits of [`Group::flags`](crate::Group::flags).
pub mod group_flag {
    /// Addends are in place: SHT_REL, or an SHT_CREL that says so.
    pub const IN_PLACE: u32 = 1;
}

/// Bits of [`Export::flags`](crate::Export::flags).
pub mod export_flag {
    /// Only GPL-compatible modules may use the symbol.
    pub const GPL: u32 = 1;
    /// `crc` has the CRC.
    pub const CRC: u32 = 2;
}

/// Byte orders. For the module's data they are EI_DATA of ELF.
pub mod order {
    /// That of the module's data (only in [`Row::order`](crate::Row::order)).
    pub const DATA: u8 = 0;
    /// Little-endian.
    pub const LITTLE: u8 = 1;
    /// Big-endian.
    pub const BIG: u8 = 2;
    /// Two halfwords, of which the first has the upper bits, each in the byte order of the module's data (only in
    /// [`Row::order`](crate::Row::order), with a width of 4). On big-endian machines this is BIG; on others it is called
    /// middle-endian. (ARC)
    pub const MIDDLE: u8 = 3;
}

/// Overflow rules of a [`Row`](crate::Row).
pub mod rule {
    /// The value is truncated to the field without a check.
    pub const NONE: u8 = 0;
    /// -2^(bits-1) ..= 2^(bits-1) - 1.
    pub const SIGNED: u8 = 1;
    /// 0 ..= 2^bits - 1.
    pub const UNSIGNED: u8 = 2;
    /// -2^(bits-1) ..= 2^bits - 1: the value is valid as a signed or as an unsigned number.
    pub const EITHER: u8 = 3;
}

/// Bits of [`Row::flags`](crate::Row::flags).
pub mod row_flag {
    /// The relocation changes nothing.
    pub const NOP: u32 = 1;
    /// The type is known and refused.
    pub const REJECT: u32 = 2;
    /// A hook writes the field: the formula is a summary, not an expression of letters.
    pub const BY_HAND: u32 = 4;
    /// There is a second formula for targets that the field cannot reach (veneer, PLT).
    pub const FALLBACK: u32 = 8;
    /// The field must be zero before (x86-64 kernels require it).
    pub const ZERO: u32 = 16;
    /// The field does not hold bits of the `effect`'s value, but something derived from it. The same value, addend and
    /// previous bytes always give the same bytes. Since version 2.
    pub const DERIVED: u32 = 32;
}

/// [`Row::effect`](crate::Row::effect): the value, before the field takes its bits. If the row also has FALLBACK, it is
/// that of the first formula. P is the place, and V the value that the field holds before.
pub mod effect {
    /// Not stated.
    pub const UNKNOWN: u8 = 0;
    /// S + A.
    pub const ABSOLUTE: u8 = 1;
    /// S + A - P.
    pub const RELATIVE: u8 = 2;
    /// V + S + A.
    pub const PLUS: u8 = 3;
    /// V - S - A.
    pub const MINUS: u8 = 4;
    /// The distance of two pages of 4 KiB: S + A (rounded, see [`Row::round`](crate::Row::round)) minus P, each without
    /// its low twelve bits.
    pub const PAGES: u8 = 5;
    /// The offset in a page: the low twelve bits of S + A.
    pub const IN_PAGE: u8 = 6;
    /// The value of the relocation at its label; see [`pairing::LABEL`](crate::pairing::LABEL).
    pub const PARTNER: u8 = 7;
    /// Depends on an address that is neither S nor P: an entry of a GOT or PLT, the table itself, a TOC, a global
    /// pointer.
    pub const SLOT: u8 = 8;
    /// The symbol's size plus A.
    pub const SIZE: u8 = 9;
}

/// [`Row::pairing`](crate::Row::pairing): how a row and its `partner` form a pair.
pub mod pairing {
    /// It stands alone, or this is not stated.
    pub const NONE: u8 = 0;
    /// A high half. If addends are in place, its addend is completed by the signed one of the next `partner` in file
    /// order for the same symbol; without one it is UNPAIRED. If addends are explicit, each half is patched alone.
    /// (MIPS HI16 and LO16)
    pub const NEXT: u8 = 1;
    /// A low half whose symbol is not its target, but a label at a `partner` (or at another type that is LABELLED) in
    /// the same section, before or after it. Its value is that of the relocation at the label. Without one it is
    /// UNPAIRED. (RISC-V PCREL_LO12)
    pub const LABEL: u8 = 2;
    /// A high half that low halves of type `partner` find by a label. (RISC-V PCREL_HI20, GOT_HI20)
    pub const LABELLED: u8 = 3;
    /// Follows directly after a `partner` at the same place and completes it; each without the other is UNPAIRED.
    /// (RISC-V SUB_ULEB128 and SET_ULEB128)
    pub const BEHIND: u8 = 4;
    /// Continues from what a `partner` at the same place has written, or writes what the partner continues from. It is
    /// valid without a partner. (RISC-V ADD and SUB, LoongArch's stack)
    pub const PLACE: u8 = 5;
    /// One part of a value; a `partner` with the same target holds the next higher bits. Each is patched alone.
    /// (AArch64 ADD_ABS_LO12 and ADR_PREL_PG_HI21, PowerPC LO and HA, MIPS LO16 and HI16)
    pub const PART: u8 = 6;
}

/// [`Synthetic::kind`](crate::Synthetic::kind): the memory that a section goes into.
pub mod synthetic_kind {
    /// Instructions: executable, never writable.
    pub const TEXT: u32 = 1;
    /// Constants, such as a GOT: read-only after placement.
    pub const RODATA: u32 = 2;
    /// Writable data.
    pub const DATA: u32 = 3;
    /// As TEXT, but freed after init. Its name begins with `.init`, from which Linux knows this. Since version 3.
    pub const INIT_TEXT: u32 = 4;
    /// As RODATA, but freed after init, with such a name. Since version 3.
    pub const INIT_RODATA: u32 = 5;
    /// As DATA, but freed after init, with such a name. Since version 3.
    pub const INIT_DATA: u32 = 6;
}

/// Bits of [`Remade::loaders`](crate::Remade::loaders): how the kernel's loader divides a module's memory.
pub mod loader {
    /// Two areas, one that stays and one that init needs: Linux up to 6.3.
    pub const CORE_INIT: u32 = 1;
    /// One area for each kind of memory: Linux from 6.4.
    pub const KINDS: u32 = 2;
}

/// [`Detail::what`](crate::Detail::what): what a detail states.
pub mod detail {
    /// `min` and `max` are the range of the number that `effect` names. A number outside of it is OUT_OF_RANGE.
    pub const RANGE: u32 = 1;
    /// The word `offset` bytes from the place is an instruction whose bits `mask` are `value`; otherwise the fault is
    /// BAD_INSTRUCTION. (PowerPC: the `nop` after a call)
    pub const STANDS: u32 = 2;
    /// As STANDS, but only if the row's second formula is used: see FALLBACK.
    pub const STANDS_IF_FAR: u32 = 3;
    /// As STANDS, at `offset` bytes from the place plus the addend. (Alpha: GPDISP's second instruction)
    pub const STANDS_AT_ADDEND: u32 = 4;
}

/// [`Synthetic::placement`](crate::Synthetic::placement): where the section goes.
pub mod placement {
    /// With the module's other sections of that kind.
    pub const WITH_KIND: u32 = 0;
    /// Immediately before `section` (parisc stubs).
    pub const BEFORE: u32 = 1;
    /// Immediately after `section`.
    pub const AFTER: u32 = 2;
}

/// [`Supplied::how`](crate::Supplied::how): what a plugin supplies.
pub mod supply {
    /// The value of the symbol is `value`.
    pub const CONSTANT: u32 = 1;
    /// The symbol lies `value` bytes into section `index`.
    pub const IN_SECTION: u32 = 2;
    /// The symbol lies `value` bytes into synthetic section `index`.
    pub const IN_SYNTHETIC: u32 = 3;
    /// The symbol is looked up as `name`.
    pub const RENAME: u32 = 4;
}

/// What [`export::PARSE`](crate::export::PARSE) does.
pub mod parse {
    /// Everything.
    pub const ALL: u32 = 0;
    /// Exports, versions and modinfo, without relocations.
    pub const EXPORTS: u32 = 1;
}

/// What [`export::INDEX`](crate::export::INDEX) reads.
pub mod index {
    /// What depmod needs: exports, imports and modinfo.
    pub const LINKS: u32 = 0;
    /// What modinfo shows: modinfo and the appended signature.
    pub const ABOUT: u32 = 1;
    /// The section `__versions` as it is, as imports.
    pub const VERSIONS: u32 = 2;
}

/// [`Indexed::flags`](crate::Indexed::flags).
pub mod indexed_flag {
    /// There is no section `.modinfo`.
    pub const NO_MODINFO: u32 = 1;
    /// The names of the exports do not end.
    pub const BAD_EXPORTS: u32 = 2;
    /// There are no tables of symbols and their names; with [`VERSIONS`](super::index::VERSIONS), no section
    /// `__versions`.
    pub const NO_IMPORTS: u32 = 4;
    /// No symbol is the CRC of an export, and there is no section `__ksymtab_strings`.
    pub const NO_EXPORTS: u32 = 8;
}

/// [`Link::flags`](crate::Link::flags).
pub mod link_flag {
    /// The module works without the symbol.
    pub const WEAK: u32 = 1;
    /// The CRC cannot be read.
    pub const NO_CRC: u32 = 2;
}

/// What [`export::EMIT`](crate::export::EMIT) writes.
pub mod emit {
    /// A linked ELF file: allocated sections at their addresses, a symbol table, no relocations.
    pub const LINKED: u32 = 1;
    /// The `.ko` itself: its contents relocated, its relocation sections void (SHT_NULL), its signature removed.
    pub const RELOCATED_KO: u32 = 2;
}

/// [`Fault::kind`](crate::Fault::kind): what is wrong.
pub mod fault {
    /// A relocation type without a row. `value` is the type.
    pub const UNKNOWN_TYPE: u32 = 1;
    /// `value` is not in `min ..= max`.
    pub const OUT_OF_RANGE: u32 = 2;
    /// `value` is not a multiple of `min`.
    pub const MISALIGNED: u32 = 3;
    /// The place does not lie in the section. `max` is the section's size.
    pub const OUTSIDE: u32 = 4;
    /// There is no such symbol. `value` is its index.
    pub const BAD_SYMBOL: u32 = 5;
    /// The other half of the pair is missing.
    pub const UNPAIRED: u32 = 6;
    /// The field must be zero before, and holds `value`.
    pub const NOT_ZERO: u32 = 7;
    /// A known type that modules may not use; `text` says why.
    pub const REJECTED: u32 = 8;
    /// The instruction at the place, `value`, is not one that this relocation patches.
    pub const BAD_INSTRUCTION: u32 = 9;
    /// The type needs addends in place and the section has explicit ones, or the reverse.
    pub const ADDEND_FORM: u32 = 10;
    /// The plugin has no row for this class, byte order or flags.
    pub const BAD_MACHINE: u32 = 11;
    /// Another error that is specific to this architecture; `text` describes it.
    pub const OTHER: u32 = 12;
    /// The file contradicts ELF. `text` says how, and `offset`, `value` and `max` say where and what.
    pub const MALFORMED: u32 = 64;
    /// The file is larger or has more parts than the guest can handle; `max` is the limit.
    pub const TOO_LARGE: u32 = 65;
    /// The file is not a relocatable ELF file.
    pub const NOT_ELF: u32 = 66;
    /// The compressed stream is damaged; `text` says how.
    pub const BAD_STREAM: u32 = 67;
}
