/* A relocation plugin in C: the same as toy.wat, which docs/abi.md explains.
 *
 *   clang --target=wasm32 -mcpu=mvp -mbulk-memory -msign-ext -O2 -ffreestanding -c toy.c
 *   wasm-ld --no-entry --strip-all -z stack-size=65536 toy.o -o toy.wasm
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "relobox.h"

enum { R_TOY_32 = 1, R_TOY_PC16 = 2 };

/* An address is 32 bits wide here, as it is in every guest. */
#define AT(pointer) ((uint32_t)(uintptr_t)(pointer))
#define TEXT(literal) { AT(literal), sizeof(literal) - 1 }

static const struct relobox_machine machines[] = {{
    .machine = 0xfeed,
    .class = 32,
    .order = RELOBOX_ORDER_LITTLE,
    .base = 0x80000000,
    .kernel = 0x80004000,
    .reach = 0x8000,
}};

static const struct relobox_slice word32[] = {{ .value_bit = 0, .field_bit = 0, .len = 32 }};
static const struct relobox_slice word16[] = {{ .value_bit = 0, .field_bit = 0, .len = 16 }};

static struct relobox_description description;
static struct relobox_row rows[2];
static struct relobox_plan planned;
static struct relobox_applied applied;
static struct relobox_fault faults[32];
static uint32_t found;

RELOBOX_EXPORT("relobox_abi") uint32_t abi(void) {
    return RELOBOX_ABI_VERSION;
}

/* Room for the host to write in, behind everything that the linker placed: 16-aligned, and zero because it is fresh. */
RELOBOX_EXPORT("relobox_reserve") uint32_t reserve(uint32_t bytes) {
    extern unsigned char __heap_base;
    static uint32_t free_at;
    uint64_t at = ((uint64_t)(free_at ? free_at : AT(&__heap_base)) + 15) & ~15ull;
    uint64_t end = at + bytes, have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
    if (end > UINT32_MAX)
        return 0;
    if (end > have && __builtin_wasm_memory_grow(0, (end - have + 0xffff) >> 16) == (unsigned long)-1)
        return 0;
    free_at = (uint32_t)end;
    return (uint32_t)at;
}

#define SPAN(literal) ((struct relobox_span)TEXT(literal))

/* Filled in at run time, because C does not let an address be cut to 32 bits in a constant. */
RELOBOX_EXPORT("relobox_describe") uint32_t describe(void) {
    rows[0] = (struct relobox_row){
        .kind = R_TOY_32, .name = SPAN("R_TOY_32"), .formula = SPAN("S + A"), .field = SPAN("word32"),
        .slices = { AT(word32), 1 }, .width = 4, .rule = RELOBOX_RULE_NONE, .bits = 32, .align = 1, .window_len = 4,
        .effect = RELOBOX_EFFECT_ABSOLUTE,
    };
    rows[1] = (struct relobox_row){
        .kind = R_TOY_PC16, .name = SPAN("R_TOY_PC16"), .formula = SPAN("S + A - P"), .field = SPAN("word16"),
        .slices = { AT(word16), 1 }, .width = 2, .rule = RELOBOX_RULE_SIGNED, .bits = 16, .align = 1, .window_len = 2,
        .effect = RELOBOX_EFFECT_RELATIVE,
    };
    description = (struct relobox_description){
        .abi = RELOBOX_ABI_VERSION, .kind_mask = 0xff,
        .name = SPAN("toy"), .title = SPAN("A machine made up for the documentation"), .psabi = SPAN("docs/abi.md"),
        .machines = { AT(machines), 1 }, .rows = { AT(rows), 2 },
    };
    return AT(&description);
}

static void fault(const struct relobox_fault *what) {
    if (found < 32)
        faults[found] = *what;
    found++;
}

static struct relobox_table listed(uint32_t *more) {
    uint32_t kept = found < 32 ? found : 32;
    *more = found - kept;
    return (struct relobox_table){ AT(faults), kept };
}

/* What a table of the job holds; every address in a job is relative to the job. */
#define TABLE(type, job, table) ((const struct relobox_##type *)((uintptr_t)(job) + (job)->table.at))

RELOBOX_EXPORT("relobox_plan") uint32_t plan(const struct relobox_job *job) {
    const struct relobox_group *group = TABLE(group, job, groups);
    for (uint32_t i = 0; i < job->groups.count; i++)
        if (group[i].flags & RELOBOX_GROUP_FLAG_IN_PLACE)
            fault(&(struct relobox_fault){
                .kind = RELOBOX_FAULT_ADDEND_FORM, .relocation = group[i].first, .section = group[i].section });
    planned.faults = listed(&planned.more_faults);
    return AT(&planned);
}

/* The machine is little-endian, and so is Wasm: but the place need not be aligned. */
static void put(unsigned char *place, uint64_t value, uint32_t width) {
    for (uint32_t i = 0; i < width; i++)
        place[i] = (unsigned char)(value >> 8 * i);
}

static void relocate(const struct relobox_job *job, const struct relobox_group *group, uint32_t index) {
    const struct relobox_section *section = TABLE(section, job, sections) + group->section;
    const struct relobox_relocation *r = TABLE(relocation, job, relocations) + index;
    const uint64_t *values = (const uint64_t *)((uintptr_t)job + job->values.at);
    unsigned char *data = (unsigned char *)(uintptr_t)job + job->data.at + section->data.at;
    uint32_t kind = r->kind & 0xff, width = kind == R_TOY_32 ? 4 : 2;
    struct relobox_fault f = {
        .relocation = index, .section = group->section, .symbol = r->symbol, .offset = r->offset };

    if (kind != R_TOY_32 && kind != R_TOY_PC16) {
        f.kind = RELOBOX_FAULT_UNKNOWN_TYPE;
        f.value = kind;
        return fault(&f);
    }
    /* The symbol and the place are not checked yet. */
    if (r->symbol >= job->values.count) {
        f.kind = RELOBOX_FAULT_BAD_SYMBOL;
        f.value = r->symbol;
        f.max = (int64_t)job->values.count - 1;
        return fault(&f);
    }
    if (r->offset > section->data.len || width > section->data.len - r->offset) {
        f.kind = RELOBOX_FAULT_OUTSIDE;
        f.value = (int64_t)r->offset;
        f.max = section->data.len;
        return fault(&f);
    }
    uint64_t value = values[r->symbol] + (uint64_t)r->addend;
    if (kind == R_TOY_PC16) {
        f.value = (int32_t)(value - (section->address + r->offset));
        if (f.value < INT16_MIN || f.value > INT16_MAX) {
            f.kind = RELOBOX_FAULT_OUT_OF_RANGE;
            f.min = INT16_MIN;
            f.max = INT16_MAX;
            return fault(&f);
        }
        value = (uint64_t)f.value;
    }
    put(data + r->offset, value, width);
}

RELOBOX_EXPORT("relobox_apply") uint32_t apply(const struct relobox_job *job) {
    const struct relobox_group *group = TABLE(group, job, groups);
    for (uint32_t i = 0; i < job->groups.count; i++)
        for (uint32_t n = 0; n < group[i].count; n++)
            relocate(job, &group[i], group[i].first + n);
    applied.faults = listed(&applied.more_faults);
    return AT(&applied);
}
