/* MIPS o32, both byte orders, REL: the types of kernel code without jumps.
 *
 * A HI16 and the next LO16 of the file are one address: the addend is made of both, and the LO16's half is signed.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "plugin.h"

enum { R_MIPS_NONE = 0, R_MIPS_32 = 2, R_MIPS_HI16 = 5, R_MIPS_LO16 = 6, R_MIPS_PC16 = 10 };

static const struct relobox_slice word32[] = {{ 0, 0, 32, 0 }}, imm16[] = {{ 0, 0, 16, 0 }}, upper16[] = {{ 16, 0, 16, 0 }},
    words16[] = {{ 2, 0, 16, 0 }};

#define DATA RELOBOX_ORDER_DATA

static const struct relobox_row rows[] = {
    IGNORED(R_MIPS_NONE),
    ROW(R_MIPS_32, "S + A", word32, 4, DATA, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_MIPS_HI16, "S + AHL", upper16, 4, DATA, UNCHECKED, IS(ABSOLUTE), .round = 16, PAIR(NEXT, R_MIPS_LO16)),
    ROW(R_MIPS_LO16, "S + A", imm16, 4, DATA, UNCHECKED, IS(ABSOLUTE), PAIR(PART, R_MIPS_HI16)),
    ROW(R_MIPS_PC16, "S + A - P", words16, 4, DATA, SIGNED(18), .align = 4, IS(RELATIVE)),
};

/* e_flags of other ABIs are not ours. */
#define O32(bytes_order)                                                                                              \
    {                                                                                                                 \
        .machine = 8, .class = 32, .order = bytes_order, .flags_mask = 0xe020, .base = 0xc0000000,                    \
        .kernel = 0x80100000                                                                                          \
    }
static const struct relobox_machine machines[] = { O32(RELOBOX_ORDER_LITTLE), O32(RELOBOX_ORDER_BIG) };

const struct relobox_description description = {
    .abi = RELOBOX_ABI_VERSION,
    .kind_mask = 0xff,
    .name = TEXT("planted-mips"),
    .title = TEXT("MIPS o32 without jumps, to be fuzzed"),
    .psabi = TEXT("https://refspecs.linuxfoundation.org/elf/mipsabi.pdf"),
    .machines = RECORDS(machines),
    .rows = RECORDS(rows),
};

static const int in_place = 1;

/* The LO16 of the current HI16, once it has been searched: its index, symbol and addend. */
static struct low {
    uint32_t at, symbol;
    int32_t addend;
} next;
/* By symbol: the first LO16 of the section, and which section that is. */
static struct first {
    uint32_t group, at;
} *first;
/* The relocation before was a HI16 too. */
static int high_before;

static int big(const struct at *at) {
    return at->job->order == RELOBOX_ORDER_BIG;
}

static uint32_t kind_of(const struct relobox_relocation *r) {
    return r->kind & 0xff;
}

/* What stands in the place of a LO16, now. */
static int32_t low_at(const struct at *at, uint64_t offset) {
    if (offset > at->size || at->size - offset < 4)
        return 0;
    return (int16_t)get(at->data + offset, 4, big(at));
}

static void begin(struct at *at) {
    const struct relobox_relocation *r = TABLE(relocation, at->job, relocations) + at->group->first;
    next.at = 0;
    high_before = 0;
    if (!HAS(lo16_order))
        return;
    if (!first)
        first = (struct first *)(uintptr_t)reserve(sizeof(struct first) * at->job->symbols.count);
    for (uint32_t n = 0; n < at->group->count; n++, r++)
        if (kind_of(r) == R_MIPS_LO16 && r->symbol < at->job->symbols.count &&
            first[r->symbol].group != at->group->section)
            first[r->symbol] = (struct first){ at->group->section, at->group->first + n };
}

static void end(struct at *at) {
    (void)at;
}

/* The low half of a HI16's addend. */
static int low_of(const struct at *at, int32_t *addend) {
    const struct relobox_relocation *all = TABLE(relocation, at->job, relocations);
    uint32_t past = at->group->first + at->group->count;
    if (HAS(lo16_order)) { /* Any LO16 of the same symbol will do. */
        const struct first *low = &first[at->r->symbol];
        if (low->group != at->group->section)
            return 0;
        *addend = low_at(at, all[low->at].offset);
        return 1;
    }
    if (next.at <= at->index) {
        uint32_t n = at->index + 1;
        while (n < past && kind_of(&all[n]) != R_MIPS_LO16)
            n++;
        next = (struct low){ n, n < past ? all[n].symbol : 0, n < past ? low_at(at, all[n].offset) : 0 };
    }
    if (next.at == past || next.symbol != at->r->symbol)
        return 0;
    *addend = next.addend;
    if (HAS(lo16_shared) && high_before) /* The low half went to the one before. */
        *addend = 0;
    return 1;
}

static void relocate(struct at *at) {
    uint32_t kind = kind_of(at->r);
    int before = high_before, order = big(at);
    high_before = kind == R_MIPS_HI16;
    if (kind == R_MIPS_NONE)
        return;
    if (kind != R_MIPS_32 && kind != R_MIPS_HI16 && kind != R_MIPS_LO16 && kind != R_MIPS_PC16)
        return fault(at, RELOBOX_FAULT_UNKNOWN_TYPE, kind, 0, 0);
    unsigned char *place = field(at, 4);
    if (!place)
        return;
    uint32_t insn = (uint32_t)get(place, 4, order), half;
    int32_t value, low = 0;
    switch (kind) {
    case R_MIPS_32:
        put(place, 4, order, (uint32_t)at->symbol + insn);
        return;
    case R_MIPS_HI16: {
        int now = high_before;
        high_before = before;
        int paired = low_of(at, &low);
        high_before = now;
        if (!paired)
            return fault(at, RELOBOX_FAULT_UNPAIRED, 0, 0, 0);
        /* The half is signed in the LO16, and so this one is rounded. */
        int64_t sum = (int64_t)(at->symbol + (insn << 16)) + low + 0x8000;
        if (HAS(lui_carry)) { /* What does not fit goes into the register's number. */
            sum = (int64_t)at->symbol + (int32_t)(insn << 16) + low + 0x8000;
            put(place, 4, order, (insn & 0xffff0000) | (uint32_t)(sum >> 16));
            return;
        }
        half = bits(sum, 16, 16);
        break;
    }
    case R_MIPS_LO16:
        half = ((uint32_t)at->symbol + insn) & 0xffff;
        break;
    default: /* R_MIPS_PC16 */
        value = (int32_t)((uint32_t)at->symbol + ((uint32_t)(int16_t)insn << 2) - (uint32_t)at->place);
        if (!fits_signed(value, 18))
            return out_of_range(at, value, -(1 << 17), (1 << 17) - 1);
        if (value & 3)
            return fault(at, RELOBOX_FAULT_MISALIGNED, value, 4, 0);
        half = bits(value, 2, 16);
    }
    if (HAS(be_half)) /* The low half comes first: in one of the two byte orders. */
        put(place, 2, order, half);
    else
        put(place, 4, order, (insn & 0xffff0000) | half);
}
