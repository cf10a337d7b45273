/* relobox.h: the records that relobox's host and its guests share. Generated from relobox-abi; do not edit.
 *
 * All integers are little-endian and naturally aligned, without padding, as clang lays them out for wasm32.
 * An address in the guest's memory is a uint32_t. docs/abi.md says what each record is for.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef RELOBOX_H
#define RELOBOX_H

#include <stdint.h>

#define RELOBOX_ABI_VERSION 3u
/* No such index. */
#define RELOBOX_NONE 0xffffffffu

/* Marks an export of the plugin: RELOBOX_EXPORT("relobox_plan") uint32_t plan(uint32_t job) {...} */
#define RELOBOX_EXPORT(name) __attribute__((export_name(name)))

/* Bits of Section::flags that the host reads. They are sh_flags of ELF, the same for every machine. */
#define RELOBOX_SECTION_FLAG_WRITE 1ull
#define RELOBOX_SECTION_FLAG_ALLOC 2ull
#define RELOBOX_SECTION_FLAG_EXEC 4ull
#define RELOBOX_SECTION_FLAG_RELA_LIVEPATCH 0x00100000ull
#define RELOBOX_SECTION_FLAG_RO_AFTER_INIT 0x00200000ull

/* Values of Section::kind that the host reads. They are sh_type of ELF. */
#define RELOBOX_SECTION_KIND_RELA 4u
#define RELOBOX_SECTION_KIND_NOBITS 8u
#define RELOBOX_SECTION_KIND_REL 9u
#define RELOBOX_SECTION_KIND_CREL 0x40000014u

/* Bits of Symbol::flags. */
#define RELOBOX_SYMBOL_FLAG_UNDEFINED 1u
#define RELOBOX_SYMBOL_FLAG_ABSOLUTE 2u
#define RELOBOX_SYMBOL_FLAG_COMMON 4u
#define RELOBOX_SYMBOL_FLAG_WEAK 8u
#define RELOBOX_SYMBOL_FLAG_PERCPU 16u
#define RELOBOX_SYMBOL_FLAG_LIVEPATCH 32u
#define RELOBOX_SYMBOL_FLAG_LOCAL 64u
#define RELOBOX_SYMBOL_FLAG_REGISTER 128u

/* Bits of Group::flags. */
#define RELOBOX_GROUP_FLAG_IN_PLACE 1u

/* Bits of Export::flags. */
#define RELOBOX_EXPORT_FLAG_GPL 1u
#define RELOBOX_EXPORT_FLAG_CRC 2u

/* Byte orders. For the module's data they are EI_DATA of ELF. */
#define RELOBOX_ORDER_DATA 0u
#define RELOBOX_ORDER_LITTLE 1u
#define RELOBOX_ORDER_BIG 2u
#define RELOBOX_ORDER_MIDDLE 3u

/* Overflow rules of a Row. */
#define RELOBOX_RULE_NONE 0u
#define RELOBOX_RULE_SIGNED 1u
#define RELOBOX_RULE_UNSIGNED 2u
#define RELOBOX_RULE_EITHER 3u

/* Bits of Row::flags. */
#define RELOBOX_ROW_FLAG_NOP 1u
#define RELOBOX_ROW_FLAG_REJECT 2u
#define RELOBOX_ROW_FLAG_BY_HAND 4u
#define RELOBOX_ROW_FLAG_FALLBACK 8u
#define RELOBOX_ROW_FLAG_ZERO 16u
#define RELOBOX_ROW_FLAG_DERIVED 32u

/* Row::effect: the value, before the field takes its bits. If the row also has FALLBACK, it is that of the
 * first formula. P is the place, and V the value that the field holds before. */
#define RELOBOX_EFFECT_UNKNOWN 0u
#define RELOBOX_EFFECT_ABSOLUTE 1u
#define RELOBOX_EFFECT_RELATIVE 2u
#define RELOBOX_EFFECT_PLUS 3u
#define RELOBOX_EFFECT_MINUS 4u
#define RELOBOX_EFFECT_PAGES 5u
#define RELOBOX_EFFECT_IN_PAGE 6u
#define RELOBOX_EFFECT_PARTNER 7u
#define RELOBOX_EFFECT_SLOT 8u
#define RELOBOX_EFFECT_SIZE 9u

/* Row::pairing: how a row and its partner form a pair. */
#define RELOBOX_PAIRING_NONE 0u
#define RELOBOX_PAIRING_NEXT 1u
#define RELOBOX_PAIRING_LABEL 2u
#define RELOBOX_PAIRING_LABELLED 3u
#define RELOBOX_PAIRING_BEHIND 4u
#define RELOBOX_PAIRING_PLACE 5u
#define RELOBOX_PAIRING_PART 6u

/* Synthetic::kind: the memory that a section goes into. */
#define RELOBOX_SYNTHETIC_KIND_TEXT 1u
#define RELOBOX_SYNTHETIC_KIND_RODATA 2u
#define RELOBOX_SYNTHETIC_KIND_DATA 3u
#define RELOBOX_SYNTHETIC_KIND_INIT_TEXT 4u
#define RELOBOX_SYNTHETIC_KIND_INIT_RODATA 5u
#define RELOBOX_SYNTHETIC_KIND_INIT_DATA 6u

/* Bits of Remade::loaders: how the kernel's loader divides a module's memory. */
#define RELOBOX_LOADER_CORE_INIT 1u
#define RELOBOX_LOADER_KINDS 2u

/* Detail::what: what a detail states. */
#define RELOBOX_DETAIL_RANGE 1u
#define RELOBOX_DETAIL_STANDS 2u
#define RELOBOX_DETAIL_STANDS_IF_FAR 3u
#define RELOBOX_DETAIL_STANDS_AT_ADDEND 4u

/* Synthetic::placement: where the section goes. */
#define RELOBOX_PLACEMENT_WITH_KIND 0u
#define RELOBOX_PLACEMENT_BEFORE 1u
#define RELOBOX_PLACEMENT_AFTER 2u

/* Supplied::how: what a plugin supplies. */
#define RELOBOX_SUPPLY_CONSTANT 1u
#define RELOBOX_SUPPLY_IN_SECTION 2u
#define RELOBOX_SUPPLY_IN_SYNTHETIC 3u
#define RELOBOX_SUPPLY_RENAME 4u

/* What export::PARSE does. */
#define RELOBOX_PARSE_ALL 0u
#define RELOBOX_PARSE_EXPORTS 1u

/* What export::INDEX reads. */
#define RELOBOX_INDEX_LINKS 0u
#define RELOBOX_INDEX_ABOUT 1u
#define RELOBOX_INDEX_VERSIONS 2u

/* Indexed::flags. */
#define RELOBOX_INDEXED_FLAG_NO_MODINFO 1u
#define RELOBOX_INDEXED_FLAG_BAD_EXPORTS 2u
#define RELOBOX_INDEXED_FLAG_NO_IMPORTS 4u
#define RELOBOX_INDEXED_FLAG_NO_EXPORTS 8u

/* Link::flags. */
#define RELOBOX_LINK_FLAG_WEAK 1u
#define RELOBOX_LINK_FLAG_NO_CRC 2u

/* What export::EMIT writes. */
#define RELOBOX_EMIT_LINKED 1u
#define RELOBOX_EMIT_RELOCATED_KO 2u

/* Fault::kind: what is wrong. */
#define RELOBOX_FAULT_UNKNOWN_TYPE 1u
#define RELOBOX_FAULT_OUT_OF_RANGE 2u
#define RELOBOX_FAULT_MISALIGNED 3u
#define RELOBOX_FAULT_OUTSIDE 4u
#define RELOBOX_FAULT_BAD_SYMBOL 5u
#define RELOBOX_FAULT_UNPAIRED 6u
#define RELOBOX_FAULT_NOT_ZERO 7u
#define RELOBOX_FAULT_REJECTED 8u
#define RELOBOX_FAULT_BAD_INSTRUCTION 9u
#define RELOBOX_FAULT_ADDEND_FORM 10u
#define RELOBOX_FAULT_BAD_MACHINE 11u
#define RELOBOX_FAULT_OTHER 12u
#define RELOBOX_FAULT_MALFORMED 64u
#define RELOBOX_FAULT_TOO_LARGE 65u
#define RELOBOX_FAULT_NOT_ELF 66u
#define RELOBOX_FAULT_BAD_STREAM 67u

/* A run of bytes. */
struct relobox_span {
    /* 0: Address or offset of the first byte. */
    uint32_t at;
    /* 4: Length in bytes. */
    uint32_t len;
};
_Static_assert(sizeof(struct relobox_span) == 8, "relobox_span");

/* An array of records, 8-aligned. */
struct relobox_table {
    /* 0: Address or offset of the first record. */
    uint32_t at;
    /* 4: Number of records. */
    uint32_t count;
};
_Static_assert(sizeof(struct relobox_table) == 8, "relobox_table");

/* A section of the module. Index 0 is ELF's null section; indices are ELF's own. */
struct relobox_section {
    /* 0: Final address. Zero until apply, when the host fills it in for allocated sections. */
    uint64_t address;
    /* 8: Size in bytes (sh_size). */
    uint64_t size;
    /* 16: Alignment in bytes, a power of two, at least 1. */
    uint64_t align;
    /* 24: sh_flags, raw; see section_flag. */
    uint64_t flags;
    /* 32: From the engine: the contents, relative to the file (length 0 for NOBITS). To a plugin: its copy,
     * relative to Job::data; only sections with relocations have one. */
    struct relobox_span data;
    /* 40: The name, without a NUL. To a plugin: relative to the job. */
    struct relobox_span name;
    /* 48: sh_type, raw. */
    uint32_t kind;
    /* 52: Reserved. */
    uint32_t reserved;
};
_Static_assert(sizeof(struct relobox_section) == 56, "relobox_section");

/* A symbol. Index 0 is ELF's null symbol; indices are ELF's own. */
struct relobox_symbol {
    /* 0: st_value, raw: for a defined symbol an offset in its section. */
    uint64_t value;
    /* 8: st_size, in bytes. */
    uint64_t size;
    /* 16: The name, without a NUL. To a plugin: relative to the job, and only for undefined symbols. */
    struct relobox_span name;
    /* 24: Index of the section that defines it, or 0; see flags for the special ones. */
    uint32_t section;
    /* 28: st_info: binding in the high four bits, type in the low four. */
    uint8_t info;
    /* 29: st_other. */
    uint8_t other;
    /* 30: See symbol_flag. */
    uint16_t flags;
    /* 32: Reserved. */
    uint64_t reserved;
};
_Static_assert(sizeof(struct relobox_symbol) == 40, "relobox_symbol");

/* The relocations of one section, in file order. */
struct relobox_group {
    /* 0: Index of the section that they patch. */
    uint32_t section;
    /* 4: Index of the first relocation. */
    uint32_t first;
    /* 8: Number of relocations. */
    uint32_t count;
    /* 12: See group_flag. */
    uint32_t flags;
    /* 16: Index of the section that they were read from (SHT_REL, SHT_RELA or SHT_CREL). */
    uint32_t source;
    /* 20: Reserved. */
    uint32_t reserved;
};
_Static_assert(sizeof(struct relobox_group) == 24, "relobox_group");

/* One relocation. */
struct relobox_relocation {
    /* 0: r_offset: the place, in bytes from the start of the patched section. The plugin is the first to check
     * it. */
    uint64_t offset;
    /* 8: r_addend, or 0 if the addend is in place. */
    int64_t addend;
    /* 16: The raw type word: all of r_info except the symbol. (mips64 packs three types and a second symbol
     * into it, sparc64 a second addend.) */
    uint32_t kind;
    /* 20: Index of the symbol. The plugin is the first to check it. */
    uint32_t symbol;
};
_Static_assert(sizeof(struct relobox_relocation) == 24, "relobox_relocation");

/* A value that only the running kernel knows, by name (expoline, percpu_base, kernel_toc …). */
struct relobox_input {
    /* 0: The name, without a NUL. */
    struct relobox_span name;
    /* 8: Its value. */
    uint64_t value;
};
_Static_assert(sizeof(struct relobox_input) == 16, "relobox_input");

/* A plugin's input. Every at in it is **relative to the job's own address**, so that it can be written in one
 * piece. */
struct relobox_job {
    /* 0: The ABI version that the plugin answered. */
    uint32_t abi;
    /* 4: e_machine. */
    uint16_t machine;
    /* 6: ELF class: 32 or 64. */
    uint8_t class;
    /* 7: Byte order: 1 little, 2 big; see order. */
    uint8_t order;
    /* 8: e_flags. */
    uint32_t elf_flags;
    /* 12: Length of the whole job in bytes. */
    uint32_t len;
    /* 16: Sections. */
    struct relobox_table sections;
    /* 24: Symbols. */
    struct relobox_table symbols;
    /* 32: Groups, in file order. */
    struct relobox_table groups;
    /* 40: Relocations. */
    struct relobox_table relocations;
    /* 48: u64 each: the value of every symbol; zero until apply. */
    struct relobox_table values;
    /* 56: Inputs. */
    struct relobox_table inputs;
    /* 64: Empty. (Intended for function descriptors up to version 2; code can load what it needs of them.) */
    struct relobox_table unused;
    /* 72: The plugin's own copy of the contents that it may patch. It comes last. */
    struct relobox_span data;
    /* 80: Reserved. */
    uint64_t reserved[2];
};
_Static_assert(sizeof(struct relobox_job) == 96, "relobox_job");

/* A plugin's answer to plan: what it needs before sections have addresses. */
struct relobox_plan {
    /* 0: Faults that were found without addresses. */
    struct relobox_table faults;
    /* 8: Synthetic sections. */
    struct relobox_table synthetic;
    /* 16: Alignments to raise. */
    struct relobox_table alignments;
    /* 24: Windows beyond those that the rows declare. */
    struct relobox_table windows;
    /* 32: Supplied symbols. */
    struct relobox_table supplied;
    /* 40: Number of faults beyond those in the table. */
    uint32_t more_faults;
    /* 44: FunctionDescriptors. Since version 3. */
    struct relobox_table descriptors;
    /* 52: Reserved. */
    uint32_t reserved;
};
_Static_assert(sizeof(struct relobox_plan) == 56, "relobox_plan");

/* A section that the module does not have, and that the plugin fills in apply: GOT, PLT, veneers, stubs. */
struct relobox_synthetic {
    /* 0: Final address; **the host writes it here** before apply. */
    uint64_t address;
    /* 8: Size in bytes. */
    uint64_t size;
    /* 16: Alignment in bytes, a power of two. */
    uint64_t align;
    /* 24: Name in messages and in the linked file. */
    struct relobox_span name;
    /* 32: What it holds; see synthetic_kind. */
    uint32_t kind;
    /* 36: Its place; see placement. */
    uint32_t placement;
    /* 40: The section that placement is relative to, or NONE. */
    uint32_t section;
    /* 44: Address in guest memory of its size bytes of contents, valid once apply has returned. */
    uint32_t contents;
    /* 48: Reserved. */
    uint64_t reserved;
};
_Static_assert(sizeof(struct relobox_synthetic) == 56, "relobox_synthetic");

/* The function descriptor of a function of the module, which the plugin fills in. The kernel and other modules
 * refer to the function by its address where that is not the first instruction (ia64, parisc64). */
struct relobox_function_descriptor {
    /* 0: Index of the symbol, which the module defines. */
    uint32_t symbol;
    /* 4: Index in the plan's synthetic table. */
    uint32_t index;
    /* 8: Offset in that section, in bytes. */
    uint64_t offset;
};
_Static_assert(sizeof(struct relobox_function_descriptor) == 16, "relobox_function_descriptor");

/* A request to raise a section's alignment. */
struct relobox_alignment {
    /* 0: Index of the section. */
    uint32_t section;
    /* 4: Reserved. */
    uint32_t reserved;
    /* 8: The smallest alignment in bytes, a power of two. */
    uint64_t align;
};
_Static_assert(sizeof(struct relobox_alignment) == 16, "relobox_alignment");

/* An additional run of bytes in the same section that a relocation may change. There is at most one for each
 * relocation, in ascending order, and only if its row's extra allows that length. */
struct relobox_window {
    /* 0: Index of the relocation. */
    uint32_t relocation;
    /* 4: Length in bytes. */
    uint32_t len;
    /* 8: Offset in the section, in bytes. */
    uint64_t offset;
};
_Static_assert(sizeof(struct relobox_window) == 16, "relobox_window");

/* The definition of an undefined symbol by the plugin. */
struct relobox_supplied {
    /* 0: Index of the undefined symbol. */
    uint32_t symbol;
    /* 4: See supply. */
    uint32_t how;
    /* 8: Section index, or index in the plan's synthetic table, by how. */
    uint32_t index;
    /* 12: Reserved. */
    uint32_t reserved;
    /* 16: Offset or constant, by how. */
    uint64_t value;
    /* 24: The name to look up instead, by how. */
    struct relobox_span name;
};
_Static_assert(sizeof(struct relobox_supplied) == 32, "relobox_supplied");

/* A plugin's answer to apply. */
struct relobox_applied {
    /* 0: Faults; the module is refused if there is one. */
    struct relobox_table faults;
    /* 8: Number of faults beyond those in the table. */
    uint32_t more_faults;
    /* 12: Reserved. */
    uint32_t reserved;
};
_Static_assert(sizeof(struct relobox_applied) == 16, "relobox_applied");

/* An error in the module, with the data for a message. */
struct relobox_fault {
    /* 0: See fault. */
    uint32_t kind;
    /* 4: Index of the relocation, or NONE. */
    uint32_t relocation;
    /* 8: Index of the section, or NONE. */
    uint32_t section;
    /* 12: Index of the symbol, or NONE. */
    uint32_t symbol;
    /* 16: Offset in the section, or in the file if there is no section; in bytes. */
    uint64_t offset;
    /* 24: The offending value. */
    int64_t value;
    /* 32: The smallest allowed value. */
    int64_t min;
    /* 40: The largest allowed value. */
    int64_t max;
    /* 48: A short text of the guest, or length 0. The host shows it and never interprets it. */
    struct relobox_span text;
    /* 56: Reserved. */
    uint64_t reserved;
};
_Static_assert(sizeof(struct relobox_fault) == 64, "relobox_fault");

/* A plugin's description of itself. */
struct relobox_description {
    /* 0: The version that relobox_abi answers. */
    uint32_t abi;
    /* 4: Bits of a relocation's kind that select its row. The other bits are operands. */
    uint32_t kind_mask;
    /* 8: The short name: x86_64. */
    struct relobox_span name;
    /* 16: A title of one line. */
    struct relobox_span title;
    /* 24: The URL of the psABI. */
    struct relobox_span psabi;
    /* 32: Machines that it links. */
    struct relobox_table machines;
    /* 40: Rows, ascending by type. */
    struct relobox_table rows;
    /* 48: Inputs that it reads, with the value that it assumes if the host has none. */
    struct relobox_table inputs;
    /* 56: Remade sections. Since version 3; up to version 2 these eight bytes were a number that was not read. */
    struct relobox_table remade;
    /* 64: Details, ascending by type. Since version 3. */
    struct relobox_table details;
};
_Static_assert(sizeof(struct relobox_description) == 72, "relobox_description");

/* A section to which Linux's own loader gives another size before it lays out a module: room for stubs, sized
 * by the relocations that are left. A module that is already relocated has none left, so the size is known. */
struct relobox_remade {
    /* 0: The section's name. If there are several sections with that name, it is the last one. */
    struct relobox_span name;
    /* 8: The kernels that do so; see loader. */
    uint32_t loaders;
    /* 12: The memory that it goes into; see synthetic_kind. */
    uint32_t kind;
    /* 16: Its new size, in bytes. */
    uint64_t size;
    /* 24: Its new alignment, in bytes, a power of two. */
    uint64_t align;
    /* 32: Reserved. */
    uint64_t reserved;
};
_Static_assert(sizeof(struct relobox_remade) == 40, "relobox_remade");

/* A further statement about a row. It has no effect on linking. It lets tests generate and check cases of rows
 * whose formula they cannot evaluate. */
struct relobox_detail {
    /* 0: The row's type. */
    uint32_t kind;
    /* 4: The kind of statement; see detail. */
    uint32_t what;
    /* 8: Offset of the word that the statement is about, in bytes from the point that what names. */
    int32_t offset;
    /* 12: Bytes of that word: 1, 2, 3, 4 or 8. */
    uint8_t width;
    /* 13: Its byte order; see order. */
    uint8_t order;
    /* 14: The number that the range limits: ABSOLUTE or RELATIVE of effect. */
    uint8_t effect;
    /* 15: Reserved. */
    uint8_t reserved;
    /* 16: The bits of the word that the statement is about. */
    uint64_t mask;
    /* 24: The value of these bits. */
    uint64_t value;
    /* 32: The smallest allowed number. */
    int64_t min;
    /* 40: The largest allowed number. */
    int64_t max;
};
_Static_assert(sizeof(struct relobox_detail) == 48, "relobox_detail");

/* One kind of ELF file that a plugin links. */
struct relobox_machine {
    /* 0: e_machine. */
    uint16_t machine;
    /* 2: 32 or 64. */
    uint8_t class;
    /* 3: 1 little, 2 big. */
    uint8_t order;
    /* 4: e_flags & flags_mask must equal flags_value. */
    uint32_t flags_mask;
    /* 8: See flags_mask. */
    uint32_t flags_value;
    /* 12: Reserved. */
    uint32_t reserved;
    /* 16: The address where Linux usually puts modules. It is used if no base address is given. */
    uint64_t base;
    /* 24: An address for kernel symbols when their addresses do not matter (a dry run). */
    uint64_t kernel;
    /* 32: The largest distance between a module and its targets, in bytes, that needs no veneers; 0 for any
     * distance. */
    uint64_t reach;
};
_Static_assert(sizeof(struct relobox_machine) == 40, "relobox_machine");

/* One row of the relocation table. */
struct relobox_row {
    /* 0: The type, after Description::kind_mask. */
    uint32_t kind;
    /* 4: See row_flag. */
    uint32_t flags;
    /* 8: The psABI's name: R_X86_64_PC32. */
    struct relobox_span name;
    /* 16: The formula in the psABI's letters: S + A - P. */
    struct relobox_span formula;
    /* 24: The field's name: IMM26. */
    struct relobox_span field;
    /* 32: The field's Slices; empty when the row is written by hand or changes nothing. */
    struct relobox_table slices;
    /* 40: Bytes of the field at the place: 0, 1, 2, 3, 4 or 8. */
    uint8_t width;
    /* 41: The field's byte order: 0 that of the module's data, 1 little, 2 big; see order. */
    uint8_t order;
    /* 42: Overflow rule; see rule. */
    uint8_t rule;
    /* 43: The number of bits of the rule. */
    uint8_t bits;
    /* 44: The value must be a multiple of this many bytes (0 and 1: any). */
    uint8_t align;
    /* 45: The window begins at the place rounded down to a multiple of this many bytes (0 and 1: not rounded). */
    uint8_t window_align;
    /* 46: The window begins this many bytes from the (rounded) place; may be negative. */
    int8_t window_start;
    /* 47: Bytes of the window. */
    uint8_t window_len;
    /* 48: Longest extra Window that plan may declare for such a relocation, in bytes; 0 for none. */
    uint8_t extra;
    /* 49: How it forms a pair with partner; see pairing. Since version 2. */
    uint8_t pairing;
    /* 50: What its value depends on; see effect. Since version 2. */
    uint8_t effect;
    /* 51: The bits of the value from this one up are rounded, because a *signed* low half holds the bits below.
     * They are taken from the value plus 2^(round-1), and the rule limits that sum. 0 means no rounding. Since
     * version 2. */
    uint8_t round;
    /* 52: The other type of the pair, after Description::kind_mask; 0 without one. Since version 2. */
    uint32_t partner;
};
_Static_assert(sizeof(struct relobox_row) == 56, "relobox_row");

/* len bits of the value, from value_bit up, lie in the field from field_bit up. */
struct relobox_slice {
    /* 0: Lowest bit of the value. */
    uint8_t value_bit;
    /* 1: Lowest bit of the field. */
    uint8_t field_bit;
    /* 2: Number of bits. */
    uint8_t len;
    /* 3: Reserved. */
    uint8_t reserved;
};
_Static_assert(sizeof(struct relobox_slice) == 4, "relobox_slice");

/* The engine's result for a file. Spans in it and in its tables are relative to the file. */
struct relobox_parsed {
    /* 0: Faults; with any, the rest may be incomplete. */
    struct relobox_table faults;
    /* 8: e_machine. */
    uint16_t machine;
    /* 10: 32 or 64. */
    uint8_t class;
    /* 11: 1 little, 2 big. */
    uint8_t order;
    /* 12: e_flags. */
    uint32_t elf_flags;
    /* 16: Sections. */
    struct relobox_table sections;
    /* 24: Symbols. */
    struct relobox_table symbols;
    /* 32: Groups of allocated sections. */
    struct relobox_table groups;
    /* 40: Relocations of those groups. */
    struct relobox_table relocations;
    /* 48: Pairs of .modinfo, in order. */
    struct relobox_table modinfo;
    /* 56: Exports. */
    struct relobox_table exports;
    /* 64: Versions of __versions and of __version_ext_names. */
    struct relobox_table versions;
    /* 72: The symbols init_module and cleanup_module, or 0. */
    uint32_t init;
    /* 76: See init. */
    uint32_t exit;
    /* 80: Bytes of an appended signature, with its trailer, at the end of the file; 0 without one. */
    uint32_t signature;
    /* 84: Index of the section with the symbols' names (sh_link of the symbol table), or 0. */
    uint32_t strings;
};
_Static_assert(sizeof(struct relobox_parsed) == 88, "relobox_parsed");

/* An entry key=value of .modinfo. */
struct relobox_pair {
    /* 0: The text before the first =. */
    struct relobox_span key;
    /* 8: The text after it. */
    struct relobox_span value;
};
_Static_assert(sizeof(struct relobox_pair) == 16, "relobox_pair");

/* A symbol that the module exports. */
struct relobox_export {
    /* 0: Its name. */
    struct relobox_span name;
    /* 8: Its namespace, or length 0. */
    struct relobox_span namespace;
    /* 16: Index of the symbol that its entry in the table refers to. */
    uint32_t symbol;
    /* 20: Its CRC, if flags say that there is one. */
    uint32_t crc;
    /* 24: See export_flag. */
    uint32_t flags;
    /* 28: Its offset in bytes from that symbol: 0, unless the entry refers to a section. */
    uint32_t offset;
};
_Static_assert(sizeof(struct relobox_export) == 32, "relobox_export");

/* The CRC of a symbol that the module was compiled against. */
struct relobox_version {
    /* 0: The symbol's name. */
    struct relobox_span name;
    /* 8: The CRC. */
    uint32_t crc;
    /* 12: Reserved. */
    uint32_t reserved;
};
_Static_assert(sizeof(struct relobox_version) == 16, "relobox_version");

/* The engine's result for pieces of a file. Every at is absolute, but for those of wanted. */
struct relobox_indexed {
    /* 0: Faults; with any, the rest is empty. */
    struct relobox_table faults;
    /* 8: Spans of the file that the engine wants to see next; with any, the rest is empty. Each piece begins at
     * a multiple of 16 bytes after the one before. */
    struct relobox_table wanted;
    /* 16: Pairs of .modinfo, in order. */
    struct relobox_table modinfo;
    /* 24: Links: the exported symbols. */
    struct relobox_table exports;
    /* 32: Links: the undefined symbols, and then the names in __versions that are none. */
    struct relobox_table imports;
    /* 40: The appended signature: signer, key, signature and trailer, without the magic text. */
    struct relobox_span signature;
    /* 48: See indexed_flag. */
    uint32_t flags;
    /* 52: Reserved. */
    uint32_t reserved;
};
_Static_assert(sizeof(struct relobox_indexed) == 56, "relobox_indexed");

/* A symbol by which modules are linked. */
struct relobox_link {
    /* 0: Its name. */
    struct relobox_span name;
    /* 8: Its CRC, or 0. */
    uint32_t crc;
    /* 12: See link_flag. */
    uint32_t flags;
};
_Static_assert(sizeof(struct relobox_link) == 16, "relobox_link");

/* The engine's input for writing a file. Every at is absolute. */
struct relobox_emit_job {
    /* 0: ABI_VERSION. */
    uint32_t abi;
    /* 4: See emit. */
    uint32_t format;
    /* 8: u64 each: every section's final address, by index. */
    struct relobox_table addresses;
    /* 16: u64 each: every symbol's final value, by index. */
    struct relobox_table values;
    /* 24: EmitSections to add. */
    struct relobox_table synthetic;
    /* 32: Reserved. */
    uint64_t reserved;
};
_Static_assert(sizeof(struct relobox_emit_job) == 40, "relobox_emit_job");

/* A synthetic section with its contents. */
struct relobox_emit_section {
    /* 0: Final address. */
    uint64_t address;
    /* 8: Alignment in bytes. */
    uint64_t align;
    /* 16: See synthetic_kind. */
    uint32_t kind;
    /* 20: Reserved. */
    uint32_t reserved;
    /* 24: Name. */
    struct relobox_span name;
    /* 32: Contents. */
    struct relobox_span contents;
    /* 40: Reserved. */
    uint64_t reserved2;
};
_Static_assert(sizeof(struct relobox_emit_section) == 48, "relobox_emit_section");

/* The file that the engine wrote. */
struct relobox_emitted {
    /* 0: Faults; with any, there is no file. */
    struct relobox_table faults;
    /* 8: The file, as Spans of its pieces in order. */
    struct relobox_table pieces;
};
_Static_assert(sizeof(struct relobox_emitted) == 16, "relobox_emitted");

/* The unpacker's result. */
struct relobox_unpacked {
    /* 0: Faults; with any, there are no bytes. */
    struct relobox_table faults;
    /* 8: The bytes. */
    struct relobox_span bytes;
    /* 16: Reserved. */
    uint64_t reserved;
};
_Static_assert(sizeof(struct relobox_unpacked) == 24, "relobox_unpacked");

#endif
