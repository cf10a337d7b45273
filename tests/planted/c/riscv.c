/* RISC-V, 64 bits, RELA: the types of code without a GOT and a PLT.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "plugin.h"

enum {
    R_RISCV_NONE = 0,
    R_RISCV_32 = 1,
    R_RISCV_64 = 2,
    R_RISCV_BRANCH = 16,
    R_RISCV_JAL = 17,
    R_RISCV_CALL_PLT = 19,
    R_RISCV_PCREL_HI20 = 23,
    R_RISCV_PCREL_LO12_I = 24,
    R_RISCV_PCREL_LO12_S = 25,
    R_RISCV_HI20 = 26,
    R_RISCV_LO12_I = 27,
    R_RISCV_LO12_S = 28,
    R_RISCV_ADD8 = 33,
    R_RISCV_ADD32 = 35,
    R_RISCV_SUB8 = 37,
    R_RISCV_SUB32 = 39,
    R_RISCV_RVC_BRANCH = 44,
    R_RISCV_RVC_JUMP = 45,
    R_RISCV_RELAX = 51,
    R_RISCV_SUB6 = 52,
    R_RISCV_SET6 = 53,
};

/* The distances that branches reach, in bits. */
#define REACH(n) (HAS(half_range) ? (n) - 1 : (n))

static const struct relobox_slice word6[] = {{ 0, 0, 6, 0 }}, word8[] = {{ 0, 0, 8, 0 }}, word32[] = {{ 0, 0, 32, 0 }},
    word64[] = {{ 0, 0, 64, 0 }}, u_type[] = {{ 12, 12, 20, 0 }}, i_type[] = {{ 0, 20, 12, 0 }},
    s_type[] = {{ 0, 7, 5, 0 }, { 5, 25, 7, 0 }}, u_i_type[] = {{ 12, 12, 20, 0 }, { 0, 52, 12, 0 }},
    b_type[] = {{ 11, 7, 1, 0 }, { 1, 8, 4, 0 }, { 5, 25, 6, 0 }, { 12, 31, 1, 0 }},
    j_type[] = {{ 12, 12, 8, 0 }, { 11, 20, 1, 0 }, { 1, 21, 10, 0 }, { 20, 31, 1, 0 }},
    cb_type[] = {{ 5, 2, 1, 0 }, { 1, 3, 2, 0 }, { 6, 5, 2, 0 }, { 3, 10, 2, 0 }, { 8, 12, 1, 0 }},
    cj_type[] = {{ 5, 2, 1, 0 }, { 1, 3, 3, 0 }, { 7, 6, 1, 0 }, { 6, 7, 1, 0 }, { 10, 8, 1, 0 }, { 8, 9, 2, 0 },
        { 4, 11, 1, 0 }, { 11, 12, 1, 0 }};

#define DATA RELOBOX_ORDER_DATA
#define INSN RELOBOX_ORDER_LITTLE

static const struct relobox_row rows[] = {
    IGNORED(R_RISCV_NONE),
    ROW(R_RISCV_32, "S + A", word32, 4, DATA, EITHER(32), IS(ABSOLUTE)),
    ROW(R_RISCV_64, "S + A", word64, 8, DATA, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_RISCV_BRANCH, "S + A - P", b_type, 4, INSN, SIGNED(REACH(13)), .align = 2, IS(RELATIVE)),
    ROW(R_RISCV_JAL, "S + A - P", j_type, 4, INSN, SIGNED(REACH(21)), .align = 2, IS(RELATIVE)),
    ROW(R_RISCV_CALL_PLT, "S + A - P", u_i_type, 8, INSN, SIGNED(32), IS(RELATIVE), .round = 12),
    ROW(R_RISCV_PCREL_HI20, "S + A - P", u_type, 4, INSN, SIGNED(32), IS(RELATIVE), .round = 12,
        PAIR(LABELLED, R_RISCV_PCREL_LO12_I)),
    ROW(R_RISCV_PCREL_LO12_I, "that of the HI20 at S", i_type, 4, INSN, UNCHECKED, IS(PARTNER),
        PAIR(LABEL, R_RISCV_PCREL_HI20)),
    ROW(R_RISCV_PCREL_LO12_S, "that of the HI20 at S", s_type, 4, INSN, UNCHECKED, IS(PARTNER),
        PAIR(LABEL, R_RISCV_PCREL_HI20)),
    ROW(R_RISCV_HI20, "S + A", u_type, 4, INSN, SIGNED(32), IS(ABSOLUTE), .round = 12),
    ROW(R_RISCV_LO12_I, "S + A", i_type, 4, INSN, UNCHECKED, IS(ABSOLUTE), PAIR(PART, R_RISCV_HI20)),
    ROW(R_RISCV_LO12_S, "S + A", s_type, 4, INSN, UNCHECKED, IS(ABSOLUTE), PAIR(PART, R_RISCV_HI20)),
    ROW(R_RISCV_ADD8, "V + S + A", word8, 1, DATA, UNCHECKED, IS(PLUS), PAIR(PLACE, R_RISCV_SUB8)),
    ROW(R_RISCV_ADD32, "V + S + A", word32, 4, DATA, UNCHECKED, IS(PLUS), PAIR(PLACE, R_RISCV_SUB32)),
    ROW(R_RISCV_SUB8, "V - S - A", word8, 1, DATA, UNCHECKED, IS(MINUS), PAIR(PLACE, R_RISCV_ADD8)),
    ROW(R_RISCV_SUB32, "V - S - A", word32, 4, DATA, UNCHECKED, IS(MINUS), PAIR(PLACE, R_RISCV_ADD32)),
    ROW(R_RISCV_RVC_BRANCH, "S + A - P", cb_type, 2, INSN, SIGNED(REACH(9)), .align = 2, IS(RELATIVE)),
    ROW(R_RISCV_RVC_JUMP, "S + A - P", cj_type, 2, INSN, SIGNED(REACH(12)), .align = 2, IS(RELATIVE)),
    IGNORED(R_RISCV_RELAX),
    ROW(R_RISCV_SUB6, "V - S - A", word6, 1, DATA, UNCHECKED, IS(MINUS), PAIR(PLACE, R_RISCV_SET6)),
    ROW(R_RISCV_SET6, "S + A", word6, 1, DATA, UNCHECKED, IS(ABSOLUTE), PAIR(PLACE, R_RISCV_SUB6)),
};

static const struct relobox_machine machines[] = {{
    .machine = 243,
    .class = 64,
    .order = RELOBOX_ORDER_LITTLE,
    .base = 0xffffffff02000000,
    .kernel = 0xffffffff80000000,
    .reach = 0x7ffff800,
}};

const struct relobox_description description = {
    .abi = RELOBOX_ABI_VERSION,
    .kind_mask = UINT32_MAX,
    .name = TEXT("planted-riscv"),
    .title = TEXT("RISC-V without GOT and PLT, to be fuzzed"),
    .psabi = TEXT("https://github.com/riscv-non-isa/riscv-elf-psabi-doc"),
    .machines = RECORDS(machines),
    .rows = RECORDS(rows),
};

static const int in_place = 0;

/* By offset in the section: one past the index of the PCREL_HI20 there. */
static uint32_t *highs;
/* There are two of them. */
#define AMBIGUOUS UINT32_MAX
/* How many offsets it has room for. */
static uint32_t room;
/* The value of the last PCREL_HI20, once there was one. */
static int64_t last_high;
static int any_high;

static const struct relobox_relocation *relocation(const struct at *at, uint32_t index) {
    return TABLE(relocation, at->job, relocations) + index;
}

/* Low parts name their high part by its place, and may come first: all are found out before. */
static void begin(struct at *at) {
    any_high = 0;
    if (!HAS(stale_hi20) || at->size > room) {
        highs = (uint32_t *)(uintptr_t)reserve(4 * at->size);
        room = at->size;
    }
    for (uint32_t n = 0; n < at->group->count; n++) {
        at->index = at->group->first + n;
        at->r = relocation(at, at->index);
        if (at->r->kind != R_RISCV_PCREL_HI20 || at->r->offset >= at->size)
            continue;
        highs[at->r->offset] = !HAS(stale_hi20) && highs[at->r->offset] ? AMBIGUOUS : at->index + 1;
    }
}

static void end(struct at *at) {
    (void)at;
}

/* The value of the high part that stands where the symbol points. */
static int high_of(const struct at *at, int64_t *value) {
    uint64_t offset = at->symbol - at->section->address;
    if (HAS(unpaired_lo12)) { /* It is the one just before. */
        *value = last_high;
        return any_high;
    }
    if (offset >= at->size || !highs[offset] || highs[offset] == AMBIGUOUS)
        return 0;
    const struct relobox_relocation *high = relocation(at, highs[offset] - 1);
    if (high->symbol >= at->job->values.count)
        return 0;
    *value = (int64_t)(value_of(at->job, high->symbol) + (uint64_t)high->addend - at->symbol);
    return 1;
}

/* Whether a branch of so many bits gets there. */
static int reaches(const struct at *at, int64_t value, unsigned n) {
    int64_t max = (1ll << (REACH(n) - 1)) - 1, min = -max - 1;
    if (value > max || value < min || (HAS(range_edge) && value == min)) {
        out_of_range(at, value, min, max);
        return 0;
    }
    if (value & 1) {
        fault(at, RELOBOX_FAULT_MISALIGNED, value, 2, 0);
        return 0;
    }
    return 1;
}

/* Whether 20 high bits and 12 low ones, which are signed, make the value. */
static int makes(const struct at *at, int64_t value) {
    /* What is rounded up to 2 GiB is sign-extended to -2 GiB. */
    int64_t checked = HAS(hi20_sign) ? value : (int64_t)((uint64_t)value + 0x800);
    if (fits_signed(checked, 32))
        return 1;
    out_of_range(at, checked, INT32_MIN, INT32_MAX);
    return 0;
}

static void relocate(struct at *at) {
    static const unsigned char widths[] = {
        [R_RISCV_32] = 4, [R_RISCV_64] = 8, [R_RISCV_BRANCH] = 4, [R_RISCV_JAL] = 4, [R_RISCV_CALL_PLT] = 8,
        [R_RISCV_PCREL_HI20] = 4, [R_RISCV_PCREL_LO12_I] = 4, [R_RISCV_PCREL_LO12_S] = 4, [R_RISCV_HI20] = 4,
        [R_RISCV_LO12_I] = 4, [R_RISCV_LO12_S] = 4, [R_RISCV_ADD8] = 1, [R_RISCV_ADD32] = 4, [R_RISCV_SUB8] = 1,
        [R_RISCV_SUB32] = 4, [R_RISCV_RVC_BRANCH] = 2, [R_RISCV_RVC_JUMP] = 2, [R_RISCV_SUB6] = 1, [R_RISCV_SET6] = 1,
    };
    uint32_t kind = at->r->kind, width = kind < sizeof(widths) ? widths[kind] : 0;
    if (kind == R_RISCV_NONE || kind == R_RISCV_RELAX)
        return;
    if (!width)
        return fault(at, RELOBOX_FAULT_UNKNOWN_TYPE, kind, 0, 0);
    unsigned char *place = field(at, width);
    if (!place)
        return;
    uint64_t word = get(place, width, 0);
    int64_t value = (int64_t)(at->symbol + (uint64_t)at->r->addend), from = (int64_t)((uint64_t)value - at->place);
    switch (kind) {
    case R_RISCV_32:
        if (value < INT32_MIN || value > UINT32_MAX)
            return out_of_range(at, value, INT32_MIN, UINT32_MAX);
        word = (uint64_t)value;
        break;
    case R_RISCV_64:
        word = (uint64_t)value;
        break;
    case R_RISCV_BRANCH:
        if (!reaches(at, from, 13))
            return;
        word = (word & 0x01fff07f) | bits(from, 12, 1) << 31 | bits(from, 5, 6) << 25 | bits(from, 1, 4) << 8 |
               bits(from, 11, 1) << 7;
        break;
    case R_RISCV_JAL:
        if (!reaches(at, from, 21))
            return;
        word = (word & 0xfff) | bits(from, 20, 1) << 31 | bits(from, 1, 10) << 21 | bits(from, 11, 1) << 20 |
               bits(from, 12, 8) << 12;
        break;
    case R_RISCV_RVC_BRANCH:
        if (!reaches(at, from, 9))
            return;
        word = (word & 0xe383) | bits(from, 8, 1) << 12 | bits(from, 3, 2) << 10 | bits(from, 6, 2) << 5 |
               bits(from, 1, 2) << 3 | bits(from, 5, 1) << 2;
        break;
    case R_RISCV_RVC_JUMP:
        if (!reaches(at, from, 12))
            return;
        word = (word & 0xe003) | bits(from, 11, 1) << 12 | bits(from, 4, 1) << 11 | bits(from, 8, 2) << 9 |
               bits(from, 10, 1) << 8 | bits(from, 6, 1) << 7 | bits(from, 7, 1) << 6 | bits(from, 1, 3) << 3 |
               bits(from, 5, 1) << 2;
        break;
    case R_RISCV_CALL_PLT: {
        int64_t high = (int64_t)((uint64_t)from + 0x800);
        if (!fits_signed(high, 32))
            return out_of_range(at, high, INT32_MIN, INT32_MAX);
        word = (word & 0x000fffff00000fff) | ((uint64_t)high & 0xfffff000) | (uint64_t)bits(from, 0, 12) << 52;
        break;
    }
    case R_RISCV_PCREL_HI20:
        last_high = from;
        any_high = 1;
        if (!makes(at, from))
            return;
        word = (word & 0xfff) | (((uint64_t)from + 0x800) & 0xfffff000);
        break;
    case R_RISCV_HI20:
        if (!makes(at, value))
            return;
        word = (word & 0xfff) | (((uint64_t)value + 0x800) & 0xfffff000);
        break;
    case R_RISCV_PCREL_LO12_I:
    case R_RISCV_PCREL_LO12_S:
        if (!high_of(at, &value))
            return fault(at, RELOBOX_FAULT_UNPAIRED, 0, 0, 0);
        /* Fallthrough. */
    case R_RISCV_LO12_I:
    case R_RISCV_LO12_S:
        if (kind == R_RISCV_PCREL_LO12_I || kind == R_RISCV_LO12_I)
            word = (word & 0x000fffff) | bits(value, 0, 12) << 20;
        else
            word = (word & 0x01fff07f) | bits(value, 5, 7) << 25 | bits(value, 0, 5) << 7;
        break;
    case R_RISCV_ADD8:
    case R_RISCV_ADD32:
        word += (uint64_t)value;
        break;
    case R_RISCV_SUB8:
    case R_RISCV_SUB32:
        word -= (uint64_t)value;
        break;
    case R_RISCV_SUB6: {
        uint64_t low = (word - (uint64_t)value) & 0x3f;
        word = HAS(sub6_neighbours) ? low : (word & 0xc0) | low;
        break;
    }
    default: /* R_RISCV_SET6 */
        word = (word & 0xc0) | bits(value, 0, 6);
    }
    put(place, width, 0, word);
}
