/* What every plugin does: says what it is, and applies the rows of arch.c. Without a library.
 *
 * relobox's docs/abi.md says what each record is for. An architecture with more than rows can say (GOT, veneers, halves
 * that wait for one another) asks for what it needs in `plan`, and keeps what it must in static variables: an instance of
 * a plugin lives for one module.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "plugin.h"

/* An address is 32 bits wide here, as it is in every guest. */
#define AT(pointer) ((uint32_t)(uintptr_t)(pointer))

static struct relobox_description description;
static struct relobox_row rows[256];
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

static struct relobox_span text(const char *s) {
    uint32_t len = 0;
    while (s[len])
        len++;
    return (struct relobox_span){ AT(s), len };
}

/* Filled in at run time, because C does not let an address be cut to 32 bits in a constant. */
RELOBOX_EXPORT("relobox_describe") uint32_t describe(void) {
    if (ROW_COUNT > LEN(rows))
        __builtin_trap();
    for (uint32_t i = 0; i < ROW_COUNT; i++) {
        const struct row *row = &ROWS[i];
        rows[i] = (struct relobox_row){
            .kind = row->kind, .flags = row->flags, .name = text(row->name), .formula = text(row->formula),
            .rule = row->rule, .bits = row->bits ? row->bits : 64, .align = row->align ? row->align : 1,
            .effect = row->effect, .round = row->round, .pairing = row->pairing, .partner = row->partner,
        };
        if (row->field) {
            rows[i].field = text(row->field->name);
            rows[i].slices = (struct relobox_table){ AT(row->field->slice), row->field->slices };
            rows[i].width = rows[i].window_len = row->field->width;
        }
    }
    description = (struct relobox_description){
        .abi = RELOBOX_ABI_VERSION, .kind_mask = 0xffffffff,
        .name = text(NAME), .title = text(TITLE), .psabi = text(PSABI),
        .machines = { AT(&MACHINE), 1 }, .rows = { AT(rows), ROW_COUNT },
    };
    return AT(&description);
}

static void fault(struct relobox_fault what, uint32_t kind, int64_t value, int64_t min, int64_t max) {
    what.kind = kind;
    what.value = value;
    what.min = min;
    what.max = max;
    if (found < LEN(faults))
        faults[found] = what;
    found++;
}

static struct relobox_table listed(uint32_t *more) {
    uint32_t kept = found < LEN(faults) ? found : LEN(faults);
    *more = found - kept;
    return (struct relobox_table){ AT(faults), kept };
}

/* What a table of the job holds; every address in a job is relative to the job. */
#define TABLE(type, job, table) ((const struct relobox_##type *)((uintptr_t)(job) + (job)->table.at))

RELOBOX_EXPORT("relobox_plan") uint32_t plan(const struct relobox_job *job) {
    const struct relobox_group *group = TABLE(group, job, groups);
    for (uint32_t i = 0; i < job->groups.count; i++)
        if (group[i].flags & RELOBOX_GROUP_FLAG_IN_PLACE) {
            struct relobox_fault f = {
                .relocation = group[i].first, .section = group[i].section, .symbol = RELOBOX_NONE };
            fault(f, RELOBOX_FAULT_ADDEND_FORM, 0, 0, 0);
        }
    planned.faults = listed(&planned.more_faults);
    return AT(&planned);
}

/* Clears the field's bits, then sets them; a byte at a time, since the place need not be aligned. */
static void put(unsigned char *place, const struct field *field, uint64_t value) {
    uint64_t mask = 0, bits = 0;
    for (uint32_t i = 0; i < field->slices; i++) {
        const struct relobox_slice *s = &field->slice[i];
        uint64_t ones = ~0ull >> (64 - s->len);
        mask |= ones << s->field_bit;
        bits |= (value >> s->value_bit & ones) << s->field_bit;
    }
    for (uint32_t i = 0; i < field->width; i++) {
        uint32_t shift = 8 * (MACHINE.order == RELOBOX_ORDER_BIG ? field->width - 1 - i : i);
        place[i] = (unsigned char)((place[i] & ~(mask >> shift)) | bits >> shift);
    }
}

static const struct row *row_of(uint32_t kind) {
    for (uint32_t i = 0; i < ROW_COUNT; i++)
        if (ROWS[i].kind == kind)
            return &ROWS[i];
    return 0;
}

static void relocate(const struct relobox_job *job, const struct relobox_group *group, uint32_t index) {
    const struct relobox_section *section = TABLE(section, job, sections) + group->section;
    const struct relobox_relocation *r = TABLE(relocation, job, relocations) + index;
    const uint64_t *values = (const uint64_t *)((uintptr_t)job + job->values.at);
    unsigned char *data = (unsigned char *)(uintptr_t)job + job->data.at + section->data.at;
    const struct row *row = row_of(r->kind);
    struct relobox_fault f = {
        .relocation = index, .section = group->section,
        .symbol = r->symbol ? r->symbol : RELOBOX_NONE, .offset = r->offset };

    /* Nobody has checked the symbol or the place yet. */
    if (r->symbol >= job->values.count)
        return fault(f, RELOBOX_FAULT_BAD_SYMBOL, r->symbol, 0, (int64_t)job->values.count - 1);
    if (!row)
        return fault(f, RELOBOX_FAULT_UNKNOWN_TYPE, r->kind, 0, 0);
    if (row->flags & RELOBOX_ROW_FLAG_NOP)
        return;
    if (row->flags & RELOBOX_ROW_FLAG_REJECT) {
        f.text = text(row->formula);
        return fault(f, RELOBOX_FAULT_REJECTED, 0, 0, 0);
    }
    uint32_t width = row->field->width;
    if (r->offset > section->data.len || width > section->data.len - r->offset)
        return fault(f, RELOBOX_FAULT_OUTSIDE, (int64_t)r->offset, 0, section->data.len);

    uint64_t P = section->address + r->offset;
    int64_t value = (int64_t)value_of(r->kind, values[r->symbol], (uint64_t)r->addend, P);
    if (MACHINE.class == 32)
        value = (int32_t)value; /* what arithmetic of 32 bits leaves */
    int64_t min = INT64_MIN, max = INT64_MAX;
    if (row->rule == RELOBOX_RULE_SIGNED)
        min = -(1ll << (row->bits - 1)), max = (1ll << (row->bits - 1)) - 1;
    if (row->rule == RELOBOX_RULE_UNSIGNED)
        min = 0, max = (1ll << row->bits) - 1;
    if (row->rule == RELOBOX_RULE_EITHER)
        min = -(1ll << (row->bits - 1)), max = (1ll << row->bits) - 1;
    if (value < min || value > max)
        return fault(f, RELOBOX_FAULT_OUT_OF_RANGE, value, min, max);
    if (row->align && value & (row->align - 1))
        return fault(f, RELOBOX_FAULT_MISALIGNED, value, row->align, 0);
    put(data + r->offset, row->field, (uint64_t)value);
}

RELOBOX_EXPORT("relobox_apply") uint32_t apply(const struct relobox_job *job) {
    const struct relobox_group *group = TABLE(group, job, groups);
    found = 0;
    for (uint32_t i = 0; i < job->groups.count; i++)
        for (uint32_t n = 0; n < group[i].count; n++)
            relocate(job, &group[i], group[i].first + n);
    applied.faults = listed(&applied.more_faults);
    return AT(&applied);
}
