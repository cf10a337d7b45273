/* What every plugin does: says what it is, and applies the rows of arch.c. Without a library.
 *
 * abi.md says what each record is for. What cannot be known before apply (which branch reaches) is asked for in plan as
 * if it were needed. What has to be remembered is kept in static variables: an instance of a plugin lives for one module.
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

static const struct row *row_of(uint32_t kind) {
    for (uint32_t i = 0; i < ROW_COUNT; i++)
        if (ROWS[i].kind == kind)
            return &ROWS[i];
    return 0;
}

/* --- slots and stubs: what rows lead through --------------------------------------------------------------------- */

struct entry {
    uint32_t symbol, through, number; /* number: which slot of the table, which stub */
    int64_t addend;
};

static struct relobox_synthetic tables[2];    /* by `through`, counted from GOT_SLOT */
static uint32_t made;                         /* how many of them there are */
static uint32_t synthetic_of[2], counted[2];  /* their places in the plan; how many entries each has */
static struct entry *entries;                 /* all, in the order in which they were wanted */
static uint32_t *by_hash, hash_size;          /* one more than an index in `entries`; 0 is free */
static uint32_t entry_count;

/* For an architecture that needs no stubs. */
__attribute__((weak)) uint32_t stub_bytes(void) {
    return 0;
}
__attribute__((weak)) void write_stub(unsigned char *stub, uint64_t address, uint64_t target) {
    (void)stub, (void)address, (void)target;
}

static uint32_t bytes_of(uint32_t through) {
    return through == GOT_SLOT ? MACHINE.class / 8 : stub_bytes();
}

/* Where in the hash table the entry is, or would be. A slot holds S alone, a stub leads to S + A. */
static uint32_t *find(uint32_t symbol, int64_t addend, uint32_t through) {
    addend = through == GOT_SLOT ? 0 : addend;
    uint64_t hash = (symbol * 4ull + through + (uint64_t)addend * 0x9e3779b97f4a7c15) * 0x9e3779b97f4a7c15;
    uint32_t at = (uint32_t)(hash >> 32) & (hash_size - 1);
    for (; by_hash[at]; at = (at + 1) & (hash_size - 1)) {
        const struct entry *e = &entries[by_hash[at] - 1];
        if (e->symbol == symbol && e->addend == addend && e->through == through)
            break;
    }
    return &by_hash[at];
}

static void want(uint32_t symbol, int64_t addend, uint32_t through) {
    uint32_t *at = find(symbol, addend, through);
    if (*at)
        return;
    addend = through == GOT_SLOT ? 0 : addend;
    entries[entry_count] = (struct entry){ symbol, through, counted[through - GOT_SLOT]++, addend };
    *at = ++entry_count;
}

/* --- plan: what the module needs ----------------------------------------------------------------------------------- */

static int64_t addend_of(const struct relobox_group *, const struct relobox_relocation *, const struct row *,
                         const unsigned char *place);

/* What a section's relocations lead through. What is wrong with one is for apply to say. */
static void plan_group(const struct relobox_job *job, const struct relobox_group *group) {
    const struct relobox_section *section = TABLE(section, job, sections) + group->section;
    const struct relobox_symbol *symbol = TABLE(symbol, job, symbols);
    const unsigned char *data = (unsigned char *)(uintptr_t)job + job->data.at + section->data.at;
    for (uint32_t i = group->first; i < group->first + group->count; i++) {
        const struct relobox_relocation *r = TABLE(relocation, job, relocations) + i;
        const struct row *row = row_of(r->kind);
        if (!row || row->through == DIRECT || r->symbol >= job->symbols.count ||
            r->offset > section->data.len || row->field->width > section->data.len - r->offset)
            continue;
        /* What the module defines is near: it is smaller than a branch's reach, or the branch is refused. */
        uint32_t elsewhere = RELOBOX_SYMBOL_FLAG_UNDEFINED | RELOBOX_SYMBOL_FLAG_ABSOLUTE;
        if (row->through == OR_STUB && !(symbol[r->symbol].flags & elsewhere))
            continue;
        want(r->symbol, addend_of(group, r, row, data + r->offset), row->through);
    }
}

/* A section of entries, to be filled in apply. */
static void make(uint32_t through, const char *name, uint32_t kind) {
    uint32_t size = counted[through - GOT_SLOT] * bytes_of(through);
    if (!size)
        return;
    synthetic_of[through - GOT_SLOT] = made;
    tables[made++] = (struct relobox_synthetic){
        .size = size, .align = 16, .name = text(name), .kind = kind, .placement = RELOBOX_PLACEMENT_WITH_KIND,
        .section = RELOBOX_NONE, .contents = reserve(size),
    };
}

RELOBOX_EXPORT("relobox_plan") uint32_t plan(const struct relobox_job *job) {
    const struct relobox_group *group = TABLE(group, job, groups);
    const struct relobox_machine *m = &MACHINE;
    if (job->machine != m->machine || job->class != m->class || job->order != m->order ||
        (job->elf_flags & m->flags_mask) != m->flags_value) {
        struct relobox_fault f = { .relocation = RELOBOX_NONE, .section = RELOBOX_NONE, .symbol = RELOBOX_NONE };
        fault(f, RELOBOX_FAULT_BAD_MACHINE, 0, 0, 0);
        planned.faults = listed(&planned.more_faults);
        return AT(&planned);
    }
    uint32_t count = job->relocations.count;
    for (hash_size = 4; hash_size < 2 * count; hash_size *= 2) {}
    by_hash = (uint32_t *)(uintptr_t)reserve(hash_size * sizeof *by_hash);
    entries = (struct entry *)(uintptr_t)reserve(count * sizeof *entries);
    if (!by_hash || !entries)
        __builtin_trap(); /* no memory: the host names it */
    for (uint32_t i = 0; i < job->groups.count; i++) {
        uint8_t form = group[i].flags & RELOBOX_GROUP_FLAG_IN_PLACE ? IN_PLACE : EXPLICIT;
        struct relobox_fault f = { .relocation = group[i].first, .section = group[i].section, .symbol = RELOBOX_NONE };
        if (ADDENDS & form)
            plan_group(job, &group[i]);
        else
            fault(f, RELOBOX_FAULT_ADDEND_FORM, 0, 0, 0);
    }
    make(GOT_SLOT, ".relobox.got", RELOBOX_SYNTHETIC_KIND_RODATA);
    make(OR_STUB, ".relobox.stubs", RELOBOX_SYNTHETIC_KIND_TEXT);
    planned.synthetic = (struct relobox_table){ AT(tables), made };
    planned.faults = listed(&planned.more_faults);
    return AT(&planned);
}

/* --- apply: the relocations ---------------------------------------------------------------------------------------- */

void put_word(unsigned char *at, uint64_t word, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(word >> 8 * (MACHINE.order == RELOBOX_ORDER_BIG ? bytes - 1 - i : i));
}

static uint64_t ones(const struct relobox_slice *s) {
    return ~0ull >> (64 - s->len);
}

/* The addend: the record's, or what stands in the field, with the sign of its highest bit. */
static int64_t addend_of(const struct relobox_group *group, const struct relobox_relocation *r, const struct row *row,
                         const unsigned char *place) {
    if (!(group->flags & RELOBOX_GROUP_FLAG_IN_PLACE))
        return r->addend;
    const struct field *field = row->field;
    uint64_t word = 0, value = 0;
    uint32_t top = 0;
    for (uint32_t i = 0; i < field->width; i++)
        word = word << 8 | place[MACHINE.order == RELOBOX_ORDER_BIG ? i : field->width - 1 - i];
    for (uint32_t i = 0; i < field->slices; i++) {
        const struct relobox_slice *s = &field->slice[i];
        value |= (word >> s->field_bit & ones(s)) << s->value_bit;
        top = s->value_bit + s->len > top ? s->value_bit + s->len : top;
    }
    return (int64_t)(value << (64 - top)) >> (64 - top);
}

/* The entry's address, once it is filled in. */
static uint64_t address_of(const struct entry *e, uint64_t target) {
    const struct relobox_synthetic *table = &tables[synthetic_of[e->through - GOT_SLOT]];
    uint32_t at = e->number * bytes_of(e->through);
    unsigned char *entry = (unsigned char *)(uintptr_t)(table->contents + at);
    if (e->through == GOT_SLOT)
        put_word(entry, target, MACHINE.class / 8);
    else
        write_stub(entry, table->address + at, target);
    return table->address + at;
}

/* Clears the field's bits, then sets them; a byte at a time, since the place need not be aligned. */
static void put(unsigned char *place, const struct field *field, uint64_t value) {
    uint64_t mask = 0, bits = 0;
    for (uint32_t i = 0; i < field->slices; i++) {
        const struct relobox_slice *s = &field->slice[i];
        mask |= ones(s) << s->field_bit;
        bits |= (value >> s->value_bit & ones(s)) << s->field_bit;
    }
    for (uint32_t i = 0; i < field->width; i++) {
        uint32_t shift = 8 * (MACHINE.order == RELOBOX_ORDER_BIG ? field->width - 1 - i : i);
        place[i] = (unsigned char)((place[i] & ~(mask >> shift)) | bits >> shift);
    }
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

    /* The symbol and the place are not checked yet. */
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

    uint64_t P = section->address + r->offset, S = values[r->symbol];
    uint64_t A = (uint64_t)addend_of(group, r, row, data + r->offset);
    uint32_t found_at = row->through == DIRECT ? 0 : *find(r->symbol, (int64_t)A, row->through);
    const struct entry *entry = found_at ? &entries[found_at - 1] : 0;
    int64_t min = INT64_MIN, max = INT64_MAX;
    if (row->rule == RELOBOX_RULE_SIGNED)
        min = -(1ll << (row->bits - 1)), max = (1ll << (row->bits - 1)) - 1;
    if (row->rule == RELOBOX_RULE_UNSIGNED)
        min = 0, max = (1ll << row->bits) - 1;
    if (row->rule == RELOBOX_RULE_EITHER)
        min = -(1ll << (row->bits - 1)), max = (1ll << row->bits) - 1;
    if (row->through == GOT_SLOT && entry)
        S = address_of(entry, S);
    int64_t value = (int64_t)value_of(r->kind, S, A, P);
    if (MACHINE.class == 32)
        value = (int32_t)value; /* what arithmetic of 32 bits leaves */
    if (row->through == OR_STUB && entry && (value < min || value > max)) {
        value = (int64_t)value_of(r->kind, address_of(entry, S + A), 0, P);
        value = MACHINE.class == 32 ? (int32_t)value : value;
    }
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
