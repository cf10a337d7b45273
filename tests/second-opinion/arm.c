/* Arm, 32 bits, little-endian: a second opinion about arch-plugins/arm, with nothing in common but the ABI. Written
 * from "ELF for the Arm Architecture" (AAELF32) as a small loader would be: ARM and Thumb-2 code, and veneers.
 *
 * What is odd about Arm:
 *
 *  - Addends stand in the fields, unless a file has explicit ones.
 *  - The addend of a branch is its own distance, which counts from two instructions behind the place: 8 bytes in ARM
 *    code, 4 in Thumb code. So a branch to the start of a symbol has the addend -8 or -4.
 *  - MOVW and MOVT hold half a value each, and each its own addend of 16 signed bits. MOVT's is not shifted: its half
 *    is that of S plus a small number.
 *  - Bit 0 of a code address says that it is Thumb code. A symbol's value has it, and so S has it.
 *  - A 32-bit Thumb instruction is two halfwords, the first one at the lower address. Two bits of a branch's distance,
 *    those below its sign, are inverted where the sign is 0: J1 and J2.
 *  - A branch to an undefined weak symbol goes to the next instruction.
 *
 * A veneer loads the target from the word behind it. No branch changes between ARM and Thumb code: kernels refuse that.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "relobox.h"

enum {
    R_ARM_NONE = 0,
    R_ARM_ABS32 = 2,
    R_ARM_REL32 = 3,
    R_ARM_THM_CALL = 10,
    R_ARM_CALL = 28,
    R_ARM_JUMP24 = 29,
    R_ARM_THM_JUMP24 = 30,
    R_ARM_PREL31 = 42,
    R_ARM_MOVW_ABS_NC = 43,
    R_ARM_MOVT_ABS = 44,
    R_ARM_MOVW_PREL_NC = 45,
    R_ARM_MOVT_PREL = 46,
    R_ARM_THM_MOVW_ABS_NC = 47,
    R_ARM_THM_MOVT_ABS = 48,
    R_ARM_THM_MOVW_PREL_NC = 49,
    R_ARM_THM_MOVT_PREL = 50,
};

/* --- what the plugin says of itself ------------------------------------------------------------------------------- */

/* An address is 32 bits wide here, as it is in every guest. */
#define AT(pointer) ((uint32_t)(uintptr_t)(pointer))
#define TEXT(literal) { AT(literal), sizeof(literal) - 1 }
#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define RECORDS(array) { AT(array), COUNT(array) }

static const struct relobox_slice word[] = {{ 0, 0, 32, 0 }}, low31[] = {{ 0, 0, 31, 0 }}, imm24[] = {{ 2, 0, 24, 0 }},
    imm4_imm12[] = {{ 0, 0, 12, 0 }, { 12, 16, 4, 0 }},
    s_j1_j2_imm10_imm11[] = {{ 1, 16, 11, 0 }, { 22, 27, 1, 0 }, { 23, 29, 1, 0 }, { 12, 0, 10, 0 }, { 24, 10, 1, 0 }},
    imm4_i_imm3_imm8[] = {{ 0, 16, 8, 0 }, { 8, 28, 3, 0 }, { 11, 10, 1, 0 }, { 12, 0, 4, 0 }};

/* A row of four bytes: the type, its formula, its field, and the rest. Instructions are little-endian. */
#define ROW(type, letters, bits_of, ...)                                                                               \
    {                                                                                                                  \
        .kind = type, .name = TEXT(#type), .formula = TEXT(letters), .field = TEXT(#bits_of),                          \
        .slices = RECORDS(bits_of), .width = 4, .order = RELOBOX_ORDER_LITTLE, .window_len = 4, __VA_ARGS__            \
    }
#define UNCHECKED .rule = RELOBOX_RULE_NONE, .bits = 64
#define SIGNED(n) .rule = RELOBOX_RULE_SIGNED, .bits = n
#define IS(what) .effect = RELOBOX_EFFECT_##what
#define VENEER .flags = RELOBOX_ROW_FLAG_FALLBACK
#define THUMB_BRANCH .flags = RELOBOX_ROW_FLAG_BY_HAND | RELOBOX_ROW_FLAG_FALLBACK

static const struct relobox_row rows[] = {
    { .kind = R_ARM_NONE, .flags = RELOBOX_ROW_FLAG_NOP, .name = TEXT("R_ARM_NONE"), .bits = 64 },
    ROW(R_ARM_ABS32, "S + A", word, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_ARM_REL32, "S + A - P", word, UNCHECKED, IS(RELATIVE)),
    ROW(R_ARM_THM_CALL, "j1_j2(S + A - P)", s_j1_j2_imm10_imm11, SIGNED(25), THUMB_BRANCH),
    ROW(R_ARM_CALL, "S + A - P", imm24, SIGNED(26), .align = 4, IS(RELATIVE), VENEER),
    ROW(R_ARM_JUMP24, "S + A - P", imm24, SIGNED(26), .align = 4, IS(RELATIVE), VENEER),
    ROW(R_ARM_THM_JUMP24, "j1_j2(S + A - P)", s_j1_j2_imm10_imm11, SIGNED(25), THUMB_BRANCH),
    ROW(R_ARM_PREL31, "S + A - P", low31, SIGNED(31), IS(RELATIVE)),
    ROW(R_ARM_MOVW_ABS_NC, "S + A", imm4_imm12, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_ARM_MOVT_ABS, "(S + A) >> 16", imm4_imm12, UNCHECKED),
    ROW(R_ARM_MOVW_PREL_NC, "S + A - P", imm4_imm12, UNCHECKED, IS(RELATIVE)),
    ROW(R_ARM_MOVT_PREL, "(S + A - P) >> 16", imm4_imm12, UNCHECKED),
    ROW(R_ARM_THM_MOVW_ABS_NC, "S + A", imm4_i_imm3_imm8, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_ARM_THM_MOVT_ABS, "(S + A) >> 16", imm4_i_imm3_imm8, UNCHECKED),
    ROW(R_ARM_THM_MOVW_PREL_NC, "S + A - P", imm4_i_imm3_imm8, UNCHECKED, IS(RELATIVE)),
    ROW(R_ARM_THM_MOVT_PREL, "(S + A - P) >> 16", imm4_i_imm3_imm8, UNCHECKED),
};

/* Version 5 of the EABI. Linux puts modules into the 16 MiB below the kernel. */
static const struct relobox_machine machines[] = {{
    .machine = 40,
    .class = 32,
    .order = RELOBOX_ORDER_LITTLE,
    .flags_mask = 0xff000000,
    .flags_value = 0x05000000,
    .base = 0xbf000000,
    .kernel = 0xc0008000,
    .reach = 0x01000000,
}};

static const struct relobox_description description = {
    .abi = RELOBOX_ABI_VERSION,
    .kind_mask = UINT32_MAX,
    .name = TEXT("second-arm"),
    .title = TEXT("Arm in C, a second opinion"),
    .psabi = TEXT("https://github.com/ARM-software/abi-aa/blob/main/aaelf32/aaelf32.rst"),
    .machines = RECORDS(machines),
    .rows = RECORDS(rows),
};

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

/* --- one relocation ----------------------------------------------------------------------------------------------- */

/* What a table of the job holds; every address in a job is relative to the job. */
#define TABLE(type, job, table) ((const struct relobox_##type *)((uintptr_t)(job) + (job)->table.at))

struct at {
    const struct relobox_job *job;
    const struct relobox_group *group;
    const struct relobox_relocation *r;
    /* Of the relocation, in the whole job. */
    uint32_t index;
    /* The bytes at the place. */
    unsigned char *place;
    /* S and P. */
    uint32_t symbol, address;
};

static struct relobox_fault faults[1000];
static uint32_t found;

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

static int known(uint32_t kind) {
    for (uint32_t i = 0; i < COUNT(rows); i++)
        if (rows[i].kind == kind)
            return 1;
    return 0;
}

static int is_thumb_branch(uint32_t kind) {
    return kind == R_ARM_THM_CALL || kind == R_ARM_THM_JUMP24;
}

static int is_branch(uint32_t kind) {
    return kind == R_ARM_CALL || kind == R_ARM_JUMP24 || is_thumb_branch(kind);
}

/* How far behind its place a branch counts from. */
static uint32_t ahead(uint32_t kind) {
    return is_thumb_branch(kind) ? 4 : 8;
}

/* The section that is patched, and the bytes at the place: none if not all four are inside. */
static unsigned char *place_of(const struct relobox_job *job, const struct relobox_group *group,
                               const struct relobox_relocation *r) {
    const struct relobox_section *section = TABLE(section, job, sections) + group->section;
    if (r->offset > section->data.len || section->data.len - r->offset < 4)
        return 0;
    return (unsigned char *)(uintptr_t)job + job->data.at + section->data.at + r->offset;
}

static uint32_t half(const unsigned char *p) {
    return p[0] | (uint32_t)p[1] << 8;
}

static void put_half(unsigned char *p, uint32_t value) {
    p[0] = (unsigned char)value;
    p[1] = (unsigned char)(value >> 8);
}

static uint32_t get(const unsigned char *p) {
    return half(p) | half(p + 2) << 16;
}

static void put(unsigned char *p, uint32_t value) {
    put_half(p, value);
    put_half(p + 2, value >> 16);
}

/* The low n bits as a signed number. */
static int32_t sign_extended(uint32_t value, unsigned n) {
    return (int32_t)(value << (32 - n)) >> (32 - n);
}

/* The addend: the record's, or the one that the field holds. */
static int32_t addend_of(const struct relobox_group *group, const struct relobox_relocation *r,
                         const unsigned char *p) {
    uint32_t insn = get(p), first = half(p), second = half(p + 2);
    if (!(group->flags & RELOBOX_GROUP_FLAG_IN_PLACE))
        return (int32_t)r->addend;
    switch (r->kind) {
    case R_ARM_CALL:
    case R_ARM_JUMP24:
        return sign_extended(insn << 2, 26);
    case R_ARM_THM_CALL:
    case R_ARM_THM_JUMP24: {
        uint32_t sign = first >> 10 & 1, i1 = (second >> 13 & 1) ^ sign ^ 1, i2 = (second >> 11 & 1) ^ sign ^ 1;
        uint32_t distance = sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3ff) << 12 | (second & 0x7ff) << 1;
        return sign_extended(distance, 25);
    }
    case R_ARM_PREL31:
        return sign_extended(insn, 31);
    case R_ARM_MOVW_ABS_NC:
    case R_ARM_MOVT_ABS:
    case R_ARM_MOVW_PREL_NC:
    case R_ARM_MOVT_PREL:
        return sign_extended((insn >> 4 & 0xf000) | (insn & 0xfff), 16);
    case R_ARM_THM_MOVW_ABS_NC:
    case R_ARM_THM_MOVT_ABS:
    case R_ARM_THM_MOVW_PREL_NC:
    case R_ARM_THM_MOVT_PREL:
        insn = (first & 0xf) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | (second & 0xff);
        return sign_extended(insn, 16);
    default:
        return (int32_t)insn;
    }
}

static void put_arm_move(unsigned char *p, uint32_t imm16) {
    put(p, (get(p) & 0xfff0f000) | (imm16 & 0xf000) << 4 | (imm16 & 0xfff));
}

static void put_thumb_move(unsigned char *p, uint32_t imm16) {
    put_half(p, (half(p) & 0xfbf0) | (imm16 >> 11 & 1) << 10 | (imm16 >> 12 & 0xf));
    put_half(p + 2, (half(p + 2) & 0x8f00) | (imm16 >> 8 & 7) << 12 | (imm16 & 0xff));
}

static void put_thumb_branch(unsigned char *p, int32_t distance) {
    uint32_t d = (uint32_t)distance, sign = d >> 24 & 1, j1 = (d >> 23 & 1) ^ sign ^ 1, j2 = (d >> 22 & 1) ^ sign ^ 1;
    put_half(p, (half(p) & 0xf800) | sign << 10 | (d >> 12 & 0x3ff));
    put_half(p + 2, (half(p + 2) & 0xd000) | j1 << 13 | j2 << 11 | (d >> 1 & 0x7ff));
}

/* --- veneers: one for each target, from each of the two kinds of code --------------------------------------------- */

#define VENEER_BYTES 8

struct veneer {
    uint32_t symbol, thumb;
    int32_t addend;
};

static struct veneer *veneers;
/* One more than an index in veneers, or 0: an open hash table, at most half full. */
static uint32_t *by_hash, hash_size, veneer_count;
static struct relobox_synthetic made;

/* Where the veneer is in the hash table, or would be. */
static uint32_t *find(uint32_t symbol, int32_t addend, uint32_t thumb) {
    uint32_t hash = ((symbol * 2 + thumb) * 0x9e3779b1 ^ (uint32_t)addend) * 0x85ebca6b;
    uint32_t at = (hash >> 15 ^ hash) & (hash_size - 1);
    for (; by_hash[at]; at = (at + 1) & (hash_size - 1)) {
        const struct veneer *v = &veneers[by_hash[at] - 1];
        if (v->symbol == symbol && v->addend == addend && v->thumb == thumb)
            break;
    }
    return &by_hash[at];
}

/* Which branches do not reach is known only in apply. */
static void want_veneer(const struct relobox_job *job, const struct relobox_group *group,
                        const struct relobox_relocation *r) {
    if (!is_branch(r->kind) || r->symbol >= job->symbols.count)
        return;
    const unsigned char *place = place_of(job, group, r);
    if (!place)
        return;
    uint32_t thumb = (uint32_t)is_thumb_branch(r->kind);
    int32_t addend = addend_of(group, r, place);
    uint32_t *at = find(r->symbol, addend, thumb);
    if (*at)
        return;
    veneers[veneer_count] = (struct veneer){ r->symbol, thumb, addend };
    *at = ++veneer_count;
}

/* The address of the veneer that leads to target, once it is written; 0 if plan did not see the branch. */
static uint32_t veneer_to(const struct at *at, int32_t addend, uint32_t target) {
    uint32_t thumb = (uint32_t)is_thumb_branch(at->r->kind), number = *find(at->r->symbol, addend, thumb);
    if (!number)
        return 0;
    uint32_t offset = (number - 1) * VENEER_BYTES;
    unsigned char *code = (unsigned char *)(uintptr_t)(made.contents + offset);
    if (thumb) { /* ldr.w pc, [pc]: from four bytes behind */
        put_half(code, 0xf8df);
        put_half(code + 2, 0xf000);
    } else { /* ldr pc, [pc, #-4]: from eight bytes behind */
        put(code, 0xe51ff004);
    }
    put(code + 4, target);
    return (uint32_t)made.address + offset;
}

RELOBOX_EXPORT("relobox_plan") uint32_t plan(const struct relobox_job *job) {
    static struct relobox_plan planned;
    const struct relobox_group *group = TABLE(group, job, groups);
    const struct relobox_machine *m = machines;
    if (job->machine != m->machine || job->class != m->class || job->order != m->order ||
        (job->elf_flags & m->flags_mask) != m->flags_value)
        faults[found++] = (struct relobox_fault){ .kind = RELOBOX_FAULT_BAD_MACHINE, .relocation = RELOBOX_NONE,
            .section = RELOBOX_NONE, .symbol = RELOBOX_NONE };
    for (hash_size = 4; hash_size < 2 * job->relocations.count; hash_size *= 2) {}
    by_hash = (uint32_t *)(uintptr_t)reserve(hash_size * sizeof(*by_hash));
    veneers = (struct veneer *)(uintptr_t)reserve(job->relocations.count * sizeof(*veneers));
    if (!by_hash || !veneers)
        __builtin_trap(); /* The host says that there was no memory. */
    for (uint32_t i = 0; i < job->groups.count; i++, group++)
        for (uint32_t n = 0; n < group->count; n++)
            want_veneer(job, group, TABLE(relocation, job, relocations) + group->first + n);
    made = (struct relobox_synthetic){
        .size = veneer_count * VENEER_BYTES,
        .align = 8,
        .name = TEXT(".relobox.veneers"),
        .kind = RELOBOX_SYNTHETIC_KIND_TEXT,
        .placement = RELOBOX_PLACEMENT_WITH_KIND,
        .section = RELOBOX_NONE,
        .contents = reserve(veneer_count * VENEER_BYTES),
    };
    planned.synthetic = (struct relobox_table){ AT(&made), veneer_count != 0 };
    planned.faults = listed(&planned.more_faults);
    return AT(&planned);
}

/* --- apply -------------------------------------------------------------------------------------------------------- */

/* Whether the distance is one of n bits; if not, that is a fault. */
static int reaches(const struct at *at, int32_t distance, unsigned n) {
    int32_t max = (int32_t)((1u << (n - 1)) - 1), min = -max - 1;
    if (distance >= min && distance <= max)
        return 1;
    fault(at, RELOBOX_FAULT_OUT_OF_RANGE, distance, min, max);
    return 0;
}

static void branch(const struct at *at, int32_t addend) {
    uint32_t kind = at->r->kind, thumb = (uint32_t)is_thumb_branch(kind);
    unsigned bits = thumb ? 25 : 26;
    int32_t distance = (int32_t)(at->symbol + (uint32_t)addend - at->address), reach = 1 << (bits - 1);
    const struct relobox_symbol *symbol = TABLE(symbol, at->job, symbols) + at->r->symbol;
    uint32_t missing = RELOBOX_SYMBOL_FLAG_UNDEFINED | RELOBOX_SYMBOL_FLAG_WEAK;
    if (!at->symbol && (symbol->flags & missing) == missing)
        distance = 4 - (int32_t)ahead(kind); /* The next instruction. */
    if (thumb && (symbol->info & 15) == 2 && !(at->symbol & 1)) { /* STT_FUNC of ARM code */
        uint32_t before = found;
        fault(at, RELOBOX_FAULT_REJECTED, 0, 0, 0);
        if (before < COUNT(faults))
            faults[before].text = (struct relobox_span)TEXT("Thumb code cannot branch to ARM code in a kernel");
        return;
    }
    /* To Thumb code, or between two instructions: no veneer is made for that. */
    if ((distance < -reach || distance >= reach) && (thumb || !(distance & 3))) {
        uint32_t target = at->symbol + (uint32_t)addend + ahead(kind), veneer = veneer_to(at, addend, target | thumb);
        if (veneer)
            distance = (int32_t)(veneer - ahead(kind) - at->address);
    }
    if (!thumb && distance & 3)
        return fault(at, RELOBOX_FAULT_MISALIGNED, distance, 4, 0);
    if (!reaches(at, distance, bits))
        return;
    if (thumb)
        put_thumb_branch(at->place, distance);
    else
        put(at->place, (get(at->place) & 0xff000000) | ((uint32_t)distance >> 2 & 0x00ffffff));
}

static void relocate(const struct at *at) {
    uint32_t kind = at->r->kind;
    int32_t addend = addend_of(at->group, at->r, at->place);
    uint32_t value = at->symbol + (uint32_t)addend, from = value - at->address;
    switch (kind) {
    case R_ARM_ABS32:
        return put(at->place, value);
    case R_ARM_REL32:
        return put(at->place, from);
    case R_ARM_PREL31:
        if (reaches(at, (int32_t)from, 31))
            put(at->place, (get(at->place) & 0x80000000) | (from & 0x7fffffff));
        return;
    case R_ARM_MOVW_ABS_NC:
        return put_arm_move(at->place, value);
    case R_ARM_MOVT_ABS:
        return put_arm_move(at->place, value >> 16);
    case R_ARM_MOVW_PREL_NC:
        return put_arm_move(at->place, from);
    case R_ARM_MOVT_PREL:
        return put_arm_move(at->place, from >> 16);
    case R_ARM_THM_MOVW_ABS_NC:
        return put_thumb_move(at->place, value);
    case R_ARM_THM_MOVT_ABS:
        return put_thumb_move(at->place, value >> 16);
    case R_ARM_THM_MOVW_PREL_NC:
        return put_thumb_move(at->place, from);
    case R_ARM_THM_MOVT_PREL:
        return put_thumb_move(at->place, from >> 16);
    default:
        return branch(at, addend);
    }
}

RELOBOX_EXPORT("relobox_apply") uint32_t apply(const struct relobox_job *job) {
    static struct relobox_applied applied;
    const uint64_t *values = (const uint64_t *)((uintptr_t)job + job->values.at);
    struct at at = { .job = job, .group = TABLE(group, job, groups) };
    for (uint32_t i = 0; i < job->groups.count; i++, at.group++) {
        const struct relobox_section *section = TABLE(section, job, sections) + at.group->section;
        for (uint32_t n = 0; n < at.group->count; n++) {
            at.index = at.group->first + n;
            at.r = TABLE(relocation, job, relocations) + at.index;
            /* The symbol and the place are not checked yet. */
            if (at.r->symbol >= job->values.count) {
                fault(&at, RELOBOX_FAULT_BAD_SYMBOL, at.r->symbol, 0, (int64_t)job->values.count - 1);
                continue;
            }
            if (!known(at.r->kind)) {
                fault(&at, RELOBOX_FAULT_UNKNOWN_TYPE, at.r->kind, 0, 0);
                continue;
            }
            if (at.r->kind == R_ARM_NONE)
                continue;
            at.place = place_of(job, at.group, at.r);
            if (!at.place) {
                fault(&at, RELOBOX_FAULT_OUTSIDE, (int64_t)at.r->offset, 0, section->data.len);
                continue;
            }
            at.symbol = (uint32_t)values[at.r->symbol];
            at.address = (uint32_t)(section->address + at.r->offset);
            relocate(&at);
        }
    }
    applied.faults = listed(&applied.more_faults);
    return AT(&applied);
}
