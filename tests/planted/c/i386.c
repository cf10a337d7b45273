/* i386, REL.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "plugin.h"

enum {
    R_386_NONE = 0,
    R_386_32 = 1,
    R_386_PC32 = 2,
    R_386_PLT32 = 4,
    R_386_16 = 20,
    R_386_PC16 = 21,
    R_386_8 = 22,
    R_386_PC8 = 23,
};

static const struct relobox_slice word8[] = {{ 0, 0, 8, 0 }}, word16[] = {{ 0, 0, 16, 0 }}, word32[] = {{ 0, 0, 32, 0 }};

#define DATA RELOBOX_ORDER_DATA

static const struct relobox_row rows[] = {
    IGNORED(R_386_NONE),
    ROW(R_386_32, "S + A", word32, 4, DATA, UNCHECKED, IS(ABSOLUTE)),
    ROW(R_386_PC32, "S + A - P", word32, 4, DATA, UNCHECKED, IS(RELATIVE)),
    ROW(R_386_PLT32, "S + A - P", word32, 4, DATA, UNCHECKED, IS(RELATIVE)),
    ROW(R_386_16, "S + A", word16, 2, DATA, EITHER(16), IS(ABSOLUTE)),
    ROW(R_386_PC16, "S + A - P", word16, 2, DATA, SIGNED(16), IS(RELATIVE)),
    ROW(R_386_8, "S + A", word8, 1, DATA, EITHER(8), IS(ABSOLUTE)),
    ROW(R_386_PC8, "S + A - P", word8, 1, DATA, SIGNED(8), IS(RELATIVE)),
};

static const struct relobox_machine machines[] = {{
    .machine = 3,
    .class = 32,
    .order = RELOBOX_ORDER_LITTLE,
    .base = 0xf8000000,
    .kernel = 0xc1000000,
}};

const struct relobox_description description = {
    .abi = RELOBOX_ABI_VERSION,
    .kind_mask = 0xff,
    .name = TEXT("planted-i386"),
    .title = TEXT("i386, to be fuzzed"),
    .psabi = TEXT("https://gitlab.com/x86-psABIs/i386-ABI"),
    .machines = RECORDS(machines),
    .rows = RECORDS(rows),
};

static const int in_place = 1;

static void begin(struct at *at) {
    (void)at;
}

static void end(struct at *at) {
    (void)at;
}

static void relocate(struct at *at) {
    uint32_t kind = at->r->kind & 0xff, width;
    switch (kind) {
    case R_386_NONE:
        return;
    case R_386_32:
    case R_386_PC32:
    case R_386_PLT32:
        width = 4;
        break;
    case R_386_16:
    case R_386_PC16:
        width = 2;
        break;
    case R_386_8:
    case R_386_PC8:
        width = 1;
        break;
    default:
        return fault(at, RELOBOX_FAULT_UNKNOWN_TYPE, kind, 0, 0);
    }
    unsigned char *place = field(at, width);
    if (!place)
        return;
    unsigned unused = 32 - 8 * width;
    int32_t addend = (int32_t)((uint32_t)get(place, width, 0) << unused) >> unused;
    uint32_t value = (uint32_t)at->symbol + (uint32_t)addend;
    int relative = kind == R_386_PC32 || kind == R_386_PLT32 || kind == R_386_PC16 || kind == R_386_PC8;
    if (relative)
        value -= (uint32_t)at->place;
    if (HAS(addend_lost) && kind == R_386_32)
        value = (uint32_t)at->symbol;
    if (width < 4) {
        int32_t min = -(1 << (8 * width - 1)), max = relative ? -min - 1 : (1 << 8 * width) - 1;
        if ((int32_t)value < min || (int32_t)value > max)
            return out_of_range(at, (int32_t)value, min, max);
    }
    put(place, width, 0, value);
}
