/* AArch64, little-endian, RELA: the types of kernel code, without veneers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "plugin.h"

enum {
    R_AARCH64_NONE = 0,
    R_AARCH64_ABS64 = 257,
    R_AARCH64_ABS32 = 258,
    R_AARCH64_PREL64 = 260,
    R_AARCH64_PREL32 = 261,
    R_AARCH64_MOVW_UABS_G0 = 263,
    R_AARCH64_MOVW_UABS_G0_NC = 264,
    R_AARCH64_MOVW_UABS_G1 = 265,
    R_AARCH64_MOVW_UABS_G1_NC = 266,
    R_AARCH64_MOVW_UABS_G2 = 267,
    R_AARCH64_MOVW_UABS_G2_NC = 268,
    R_AARCH64_MOVW_UABS_G3 = 269,
    R_AARCH64_LD_PREL_LO19 = 273,
    R_AARCH64_ADR_PREL_LO21 = 274,
    R_AARCH64_ADR_PREL_PG_HI21 = 275,
    R_AARCH64_ADD_ABS_LO12_NC = 277,
    R_AARCH64_LDST8_ABS_LO12_NC = 278,
    R_AARCH64_TSTBR14 = 279,
    R_AARCH64_CONDBR19 = 280,
    R_AARCH64_JUMP26 = 282,
    R_AARCH64_CALL26 = 283,
    R_AARCH64_LDST16_ABS_LO12_NC = 284,
    R_AARCH64_LDST32_ABS_LO12_NC = 285,
    R_AARCH64_LDST64_ABS_LO12_NC = 286,
    R_AARCH64_LDST128_ABS_LO12_NC = 299,
};

static const struct relobox_slice word32[] = {{ 0, 0, 32, 0 }}, word64[] = {{ 0, 0, 64, 0 }},
    imm14[] = {{ 2, 5, 14, 0 }}, imm19[] = {{ 2, 5, 19, 0 }}, imm26[] = {{ 2, 0, 26, 0 }},
    adr[] = {{ 0, 29, 2, 0 }, { 2, 5, 19, 0 }}, adrp[] = {{ 12, 29, 2, 0 }, { 14, 5, 19, 0 }},
    imm12[] = {{ 0, 10, 12, 0 }}, imm12_2[] = {{ 1, 10, 12, 0 }}, imm12_4[] = {{ 2, 10, 12, 0 }},
    imm12_8[] = {{ 3, 10, 12, 0 }}, imm12_16[] = {{ 4, 10, 12, 0 }}, mov_g0[] = {{ 0, 5, 16, 0 }},
    mov_g1[] = {{ 16, 5, 16, 0 }}, mov_g2[] = {{ 32, 5, 16, 0 }}, mov_g3[] = {{ 48, 5, 16, 0 }};

#define DATA RELOBOX_ORDER_DATA
#define INSN RELOBOX_ORDER_LITTLE
#define LOW UNCHECKED, IS(IN_PAGE), PAIR(PART, R_AARCH64_ADR_PREL_PG_HI21)

static const struct relobox_row rows[] = {
    IGNORED(R_AARCH64_NONE),
    ROW(R_AARCH64_ABS64, "S + A", word64, 8, DATA, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_AARCH64_ABS32, "S + A", word32, 4, DATA, EITHER(32), IS(ABSOLUTE)),
    ROW(R_AARCH64_PREL64, "S + A - P", word64, 8, DATA, UNCHECKED, IS(RELATIVE)),
    ROW(R_AARCH64_PREL32, "S + A - P", word32, 4, DATA, SIGNED(32), IS(RELATIVE)),
    ROW(R_AARCH64_MOVW_UABS_G0, "S + A", mov_g0, 4, INSN, UNSIGNED(16), IS(ABSOLUTE)),
    ROW(R_AARCH64_MOVW_UABS_G0_NC, "S + A", mov_g0, 4, INSN, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_AARCH64_MOVW_UABS_G1, "S + A", mov_g1, 4, INSN, UNSIGNED(32), IS(ABSOLUTE)),
    ROW(R_AARCH64_MOVW_UABS_G1_NC, "S + A", mov_g1, 4, INSN, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_AARCH64_MOVW_UABS_G2, "S + A", mov_g2, 4, INSN, UNSIGNED(48), IS(ABSOLUTE)),
    ROW(R_AARCH64_MOVW_UABS_G2_NC, "S + A", mov_g2, 4, INSN, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_AARCH64_MOVW_UABS_G3, "S + A", mov_g3, 4, INSN, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_AARCH64_LD_PREL_LO19, "S + A - P", imm19, 4, INSN, SIGNED(21), .align = 4, IS(RELATIVE)),
    ROW(R_AARCH64_ADR_PREL_LO21, "S + A - P", adr, 4, INSN, SIGNED(21), IS(RELATIVE)),
    ROW(R_AARCH64_ADR_PREL_PG_HI21, "Page(S + A) - Page(P)", adrp, 4, INSN, SIGNED(33), IS(PAGES)),
    ROW(R_AARCH64_ADD_ABS_LO12_NC, "S + A", imm12, 4, INSN, LOW),
    ROW(R_AARCH64_LDST8_ABS_LO12_NC, "S + A", imm12, 4, INSN, LOW),
    ROW(R_AARCH64_TSTBR14, "S + A - P", imm14, 4, INSN, SIGNED(16), .align = 4, IS(RELATIVE)),
    ROW(R_AARCH64_CONDBR19, "S + A - P", imm19, 4, INSN, SIGNED(21), .align = 4, IS(RELATIVE)),
    ROW(R_AARCH64_JUMP26, "S + A - P", imm26, 4, INSN, SIGNED(28), .align = 4, IS(RELATIVE)),
    ROW(R_AARCH64_CALL26, "S + A - P", imm26, 4, INSN, SIGNED(28), .align = 4, IS(RELATIVE)),
    ROW(R_AARCH64_LDST16_ABS_LO12_NC, "S + A", imm12_2, 4, INSN, .align = 2, LOW),
    ROW(R_AARCH64_LDST32_ABS_LO12_NC, "S + A", imm12_4, 4, INSN, .align = 4, LOW),
    ROW(R_AARCH64_LDST64_ABS_LO12_NC, "S + A", imm12_8, 4, INSN, .align = 8, LOW),
    ROW(R_AARCH64_LDST128_ABS_LO12_NC, "S + A", imm12_16, 4, INSN, .align = 16, LOW),
};

static const struct relobox_machine machines[] = {{
    .machine = 183,
    .class = 64,
    .order = RELOBOX_ORDER_LITTLE,
    .base = 0xffff800001000000,
    .kernel = 0xffff800008000000,
    .reach = 0x08000000,
}};

const struct relobox_description description = {
    .abi = RELOBOX_ABI_VERSION,
    .kind_mask = UINT32_MAX,
    .name = TEXT("planted-aarch64"),
    .title = TEXT("AArch64 without veneers, to be fuzzed"),
    .psabi = TEXT("https://github.com/ARM-software/abi-aa/blob/main/aaelf64/aaelf64.rst"),
    .machines = RECORDS(machines),
    .rows = RECORDS(rows),
};

static const int in_place = 0;

static void begin(struct at *at) {
    (void)at;
}

static void end(struct at *at) {
    (void)at;
}

/* The places of 32 bits, for which len bits of the value's from low up go to bit to. */
static uint64_t insert(uint64_t insn, int64_t value, unsigned low, unsigned len, unsigned to) {
    uint64_t mask = ((1ull << len) - 1) << to;
    return (insn & ~mask) | ((uint64_t)bits(value, low, len) << to);
}

static int aligned(const struct at *at, int64_t value, int64_t align) {
    if (!(value & (align - 1)))
        return 1;
    fault(at, RELOBOX_FAULT_MISALIGNED, value, align, 0);
    return 0;
}

/* Whether a distance is one of n bits, and a multiple of align. */
static int reaches(const struct at *at, int64_t value, unsigned n, int64_t align) {
    int64_t above = value >> (n - 1);
    /* What is above the field is 0 or -1: one more is 1 or 0. */
    int overflow = HAS(branch_overflow) ? above++ > 1 : above != 0 && above != -1;
    if (overflow) {
        out_of_range(at, value, -(1ll << (n - 1)), (1ll << (n - 1)) - 1);
        return 0;
    }
    return aligned(at, value, align);
}

/* Sixteen bits of the value, in a move. If the type is checked, the value has no higher bits. */
static int moves(const struct at *at, uint64_t value, unsigned group, int checked) {
    unsigned n = 16 * (group + 1);
    uint64_t all = HAS(movw_truncated) ? (uint32_t)value : value;
    if (!checked || n == 64 || all >> n == 0)
        return 1;
    out_of_range(at, (int64_t)value, 0, (1ll << n) - 1);
    return 0;
}

static void relocate(struct at *at) {
    uint32_t kind = at->r->kind;
    int64_t value = (int64_t)(at->symbol + (uint64_t)at->r->addend), from = (int64_t)((uint64_t)value - at->place);
    if (kind == R_AARCH64_NONE)
        return;
    uint32_t width = kind == R_AARCH64_ABS64 || kind == R_AARCH64_PREL64 ? 8 : 4;
    int known = 0;
    for (uint32_t i = 0; i < COUNT(rows); i++)
        known |= rows[i].kind == kind;
    if (!known)
        return fault(at, RELOBOX_FAULT_UNKNOWN_TYPE, kind, 0, 0);
    unsigned char *place = field(at, width);
    if (!place)
        return;
    uint64_t insn = get(place, width, 0);
    switch (kind) {
    case R_AARCH64_ABS64:
        insn = (uint64_t)value;
        break;
    case R_AARCH64_PREL64:
        insn = (uint64_t)from;
        break;
    case R_AARCH64_ABS32:
        if (value < INT32_MIN || value > UINT32_MAX)
            return out_of_range(at, value, INT32_MIN, UINT32_MAX);
        insn = (uint64_t)value;
        break;
    case R_AARCH64_PREL32:
        if (!fits_signed(from, 32))
            return out_of_range(at, from, INT32_MIN, INT32_MAX);
        insn = (uint64_t)from;
        break;
    case R_AARCH64_MOVW_UABS_G0:
    case R_AARCH64_MOVW_UABS_G0_NC:
    case R_AARCH64_MOVW_UABS_G1:
    case R_AARCH64_MOVW_UABS_G1_NC:
    case R_AARCH64_MOVW_UABS_G2:
    case R_AARCH64_MOVW_UABS_G2_NC:
    case R_AARCH64_MOVW_UABS_G3: {
        /* They come in twos, the checked one first. */
        unsigned group = (kind - R_AARCH64_MOVW_UABS_G0) / 2;
        if (!moves(at, (uint64_t)value, group, !((kind - R_AARCH64_MOVW_UABS_G0) & 1)))
            return;
        insn = insert(insn, value, 16 * group, 16, 5);
        break;
    }
    case R_AARCH64_LD_PREL_LO19:
    case R_AARCH64_CONDBR19:
        if (!reaches(at, from, 21, 4))
            return;
        insn = insert(insn, from, 2, 19, 5);
        break;
    case R_AARCH64_TSTBR14:
        if (!reaches(at, from, 16, 4))
            return;
        insn = insert(insn, from, 2, 14, 5);
        break;
    case R_AARCH64_ADR_PREL_LO21:
        if (!reaches(at, from, 21, 1))
            return;
        insn = insert(insert(insn, from, 0, 2, 29), from, 2, 19, 5);
        break;
    case R_AARCH64_JUMP26:
    case R_AARCH64_CALL26:
        if (!fits_signed(from, 28))
            return out_of_range(at, from, -(1ll << 27), (1ll << 27) - 1);
        if (!aligned(at, from, 4))
            return;
        insn = insert(insn, from, 2, 26, 0);
        break;
    case R_AARCH64_ADR_PREL_PG_HI21:
        from = (int64_t)(((uint64_t)value & ~0xfffull) - (at->place & ~0xfffull));
        if (!fits_signed(from, 33))
            return out_of_range(at, from, -(1ll << 32), (1ll << 32) - 1);
        insn = insert(insert(insn, from, 12, 2, 29), from, 14, 19, 5);
        break;
    default: { /* The low twelve bits, in units of what is loaded or stored. */
        unsigned shift = kind == R_AARCH64_LDST16_ABS_LO12_NC    ? 1
                         : kind == R_AARCH64_LDST32_ABS_LO12_NC  ? 2
                         : kind == R_AARCH64_LDST64_ABS_LO12_NC  ? 3
                         : kind == R_AARCH64_LDST128_ABS_LO12_NC ? 4
                                                                 : 0;
        value &= 0xfff;
        if (!HAS(misaligned_load) && !aligned(at, value, 1 << shift))
            return;
        insn = insert(insn, value, shift, 12, 10);
    }
    }
    put(place, width, 0, insn);
}
