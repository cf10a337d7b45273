/* What the planted plugins in C share: the exports, faults, and the walk over the relocations.
 *
 * A plugin is one of the architectures beside this file. It is correct as it stands, and has exactly one bug
 * when it is compiled with -DBUG=name, where HAS(name) says so. README.md has the list, and what each is
 * modelled on.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "relobox.h"

enum bug {
    none,
    /* riscv.c */
    half_range,
    range_edge,
    unpaired_lo12,
    stale_hi20,
    hi20_sign,
    sub6_neighbours,
    /* aarch64.c */
    branch_overflow,
    movw_truncated,
    misaligned_load,
    /* i386.c, and field() below */
    addend_lost,
    offset_unchecked,
    offset_straddles,
    symbol_unchecked,
    /* mips.c */
    lo16_order,
    lo16_shared,
    lui_carry,
    be_half,
};

#ifndef BUG
#define BUG none
#endif
#define HAS(bug) (BUG == (bug))

/* An address is 32 bits wide here, as it is in every guest. */
#define AT(pointer) ((uint32_t)(uintptr_t)(pointer))
#define TEXT(literal) { AT(literal), sizeof(literal) - 1 }
#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define RECORDS(array) { AT(array), COUNT(array) }
/* What a table of the job holds; every address in a job is relative to the job. */
#define TABLE(type, job, table) ((const struct relobox_##type *)((uintptr_t)(job) + (job)->table.at))

/* A row: the type, its formula, its field (a list of slices), the field's bytes and their order, and the rest. */
#define ROW(type, letters, bits_of, bytes, bytes_order, ...)                                                          \
    {                                                                                                                 \
        .kind = type, .name = TEXT(#type), .formula = TEXT(letters), .field = TEXT(#bits_of),                         \
        .slices = RECORDS(bits_of), .width = bytes, .order = bytes_order, .window_len = bytes, __VA_ARGS__            \
    }
#define IGNORED(type) { .kind = type, .flags = RELOBOX_ROW_FLAG_NOP, .name = TEXT(#type), .bits = 64 }
#define UNCHECKED .rule = RELOBOX_RULE_NONE, .bits = 64
#define SIGNED(n) .rule = RELOBOX_RULE_SIGNED, .bits = n
#define UNSIGNED(n) .rule = RELOBOX_RULE_UNSIGNED, .bits = n
#define EITHER(n) .rule = RELOBOX_RULE_EITHER, .bits = n
#define IS(what) .effect = RELOBOX_EFFECT_##what
#define PAIR(how, other) .pairing = RELOBOX_PAIRING_##how, .partner = other

/* The relocation at hand. */
struct at {
    const struct relobox_job *job;
    const struct relobox_group *group;
    const struct relobox_section *section;
    const struct relobox_relocation *r;
    /* Of the relocation, in the whole job. */
    uint32_t index;
    /* The section's contents. */
    unsigned char *data;
    uint32_t size;
    /* S and P. */
    uint64_t symbol, place;
};

/* What an architecture has. */
extern const struct relobox_description description;
/* Addends are in place, or explicit. */
static const int in_place;
/* Before the first relocation of a section; each relocation, whose symbol exists; after the last. */
static void begin(struct at *at);
static void relocate(struct at *at);
static void end(struct at *at);

RELOBOX_EXPORT("relobox_abi") uint32_t abi(void) {
    return RELOBOX_ABI_VERSION;
}

RELOBOX_EXPORT("relobox_describe") uint32_t describe(void) {
    return AT(&description);
}

/* Room behind everything that the linker placed: 16-aligned, and zero because it is fresh. */
RELOBOX_EXPORT("relobox_reserve") uint32_t reserve(uint32_t bytes) {
    extern unsigned char __heap_base;
    static uint32_t free_at;
    uint64_t at = ((uint64_t)(free_at ? free_at : AT(&__heap_base)) + 15) & ~15ull;
    uint64_t past = at + bytes, have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
    if (past > UINT32_MAX)
        return 0;
    if (past > have && __builtin_wasm_memory_grow(0, (past - have + 0xffff) >> 16) == (unsigned long)-1)
        return 0;
    free_at = (uint32_t)past;
    return (uint32_t)at;
}

static struct relobox_fault faults[1000];
static uint32_t found;

/* A fault of the relocation at hand. */
static void fault(const struct at *at, uint32_t kind, int64_t value, int64_t min, int64_t max) {
    if (found < COUNT(faults))
        faults[found] = (struct relobox_fault){
            .kind = kind,
            .relocation = at->index,
            .section = at->group->section,
            .symbol = at->r->symbol ? at->r->symbol : RELOBOX_NONE,
            .offset = at->r->offset,
            .value = value,
            .min = min,
            .max = max,
        };
    found++;
}

static struct relobox_table listed(uint32_t *more) {
    uint32_t kept = found < COUNT(faults) ? found : COUNT(faults);
    *more = found - kept;
    return (struct relobox_table){ AT(faults), kept };
}

static void out_of_range(const struct at *at, int64_t value, int64_t min, int64_t max) {
    fault(at, RELOBOX_FAULT_OUT_OF_RANGE, value, min, max);
}

static inline int fits_signed(int64_t value, unsigned bits) {
    int64_t above = value >> (bits - 1);
    return above == 0 || above == -1;
}

/* The bytes at the place, or nothing and a fault. */
static unsigned char *field(const struct at *at, uint32_t width) {
    uint64_t offset = at->r->offset;
    int outside = offset > at->size || width > at->size - offset;
    if (HAS(offset_unchecked))
        outside = 0;
    if (HAS(offset_straddles)) /* Where it begins is inside; where it ends is not looked at. */
        outside = offset >= at->size;
    if (outside) {
        fault(at, RELOBOX_FAULT_OUTSIDE, (int64_t)offset, 0, at->size);
        return 0;
    }
    return at->data + offset;
}

/* A number of width bytes. */
static inline uint64_t get(const unsigned char *place, uint32_t width, int big) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < width; i++)
        value |= (uint64_t)place[i] << 8 * (big ? width - 1 - i : i);
    return value;
}

static inline void put(unsigned char *place, uint32_t width, int big, uint64_t value) {
    for (uint32_t i = 0; i < width; i++)
        place[i] = (unsigned char)(value >> 8 * (big ? width - 1 - i : i));
}

/* len bits of a value, from bit low up. */
static inline uint32_t bits(int64_t value, unsigned low, unsigned len) {
    return (uint32_t)((uint64_t)value >> low) & (uint32_t)((1ull << len) - 1);
}

static uint64_t value_of(const struct relobox_job *job, uint32_t symbol) {
    return ((const uint64_t *)((uintptr_t)job + job->values.at))[symbol];
}

RELOBOX_EXPORT("relobox_plan") uint32_t plan(const struct relobox_job *job) {
    static struct relobox_plan planned;
    const struct relobox_group *group = TABLE(group, job, groups);
    const struct relobox_machine *m = (const struct relobox_machine *)description.machines.at, *last = m;
    for (last += description.machines.count; m < last; m++)
        if (m->machine == job->machine && m->class == job->class && m->order == job->order &&
            (job->elf_flags & m->flags_mask) == m->flags_value)
            break;
    if (m == last) {
        faults[found++] = (struct relobox_fault){ .kind = RELOBOX_FAULT_BAD_MACHINE, .relocation = RELOBOX_NONE,
            .section = RELOBOX_NONE, .symbol = RELOBOX_NONE };
    }
    for (uint32_t i = 0; i < job->groups.count; i++) {
        struct relobox_relocation first = { 0 };
        struct at at = { .group = &group[i], .index = group[i].first, .r = &first };
        if (((group[i].flags & RELOBOX_GROUP_FLAG_IN_PLACE) != 0) != in_place)
            fault(&at, RELOBOX_FAULT_ADDEND_FORM, 0, 0, 0);
    }
    planned.faults = listed(&planned.more_faults);
    return AT(&planned);
}

RELOBOX_EXPORT("relobox_apply") uint32_t apply(const struct relobox_job *job) {
    static struct relobox_applied applied;
    const struct relobox_section *section = TABLE(section, job, sections);
    struct at at = { .job = job, .group = TABLE(group, job, groups) };
    for (uint32_t i = 0; i < job->groups.count; i++, at.group++) {
        at.section = &section[at.group->section];
        at.data = (unsigned char *)(uintptr_t)job + job->data.at + at.section->data.at;
        at.size = at.section->data.len;
        begin(&at);
        at.r = TABLE(relocation, job, relocations) + at.group->first;
        for (uint32_t n = 0; n < at.group->count; n++, at.r++) {
            at.index = at.group->first + n;
            /* The symbol and the place are not checked yet. */
            if (!HAS(symbol_unchecked) && at.r->symbol >= job->values.count) {
                fault(&at, RELOBOX_FAULT_BAD_SYMBOL, at.r->symbol, 0, (int64_t)job->values.count - 1);
                continue;
            }
            at.symbol = value_of(job, at.r->symbol);
            at.place = at.section->address + at.r->offset;
            relocate(&at);
        }
        end(&at);
    }
    applied.faults = listed(&applied.more_faults);
    return AT(&applied);
}
