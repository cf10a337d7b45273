/* @NAME@.
 *
 * psABI: where is it published? Put a link here, and into PSABI below.
 *
 * What to know of it (this file is read by people who know other architectures; say first what is odd in this one):
 *
 *  - Instructions are words of 32 bits in the byte order of the data.
 *  - A branch holds its distance in words, from the branch itself, in the low 16 bits: it reaches 128 KiB either way. */
#include "plugin.h"

const char NAME[] = "@NAME@";
const char TITLE[] = "@NAME@, @CLASS@ bits, @ORDER@-endian";
const char PSABI[] = "not published yet";

const struct relobox_machine MACHINE = {
    .machine = @MACHINE@,
    .class = @CLASS@,
    .order = RELOBOX_ORDER_@BIGORLITTLE@,
    /* Where modules and the kernel customarily lie, and how far apart they may be (0: anywhere). */
    .base = @BASE@,
    .kernel = @KERNEL@,
    .reach = 0x20000,
};

enum { R_@UPPER@_NONE, R_@UPPER@_@WORD@, R_@UPPER@_BRANCH16, R_@UPPER@_COPY };

/* A word of data. A slice is: lowest bit of the value, lowest bit of the field, how many bits. */
static const struct field @WORD@ = FIELD("@WORD@", @BYTES@, { 0, 0, @BITS@, 0 });
/* The distance of a branch: the value's bits 2 to 17 in the instruction's bits 0 to 15. A split field has several slices. */
static const struct field DISTANCE16 = FIELD("DISTANCE16", 4, { 2, 0, 16, 0 });

/* Ascending by type. `effect` says to the conformance kit what the formula is; relobox.h has all of them. */
const struct row ROWS[] = {
    IGNORED(R_@UPPER@_NONE),
    { KIND(R_@UPPER@_@WORD@), .formula = "S + A", .field = &@WORD@, .effect = RELOBOX_EFFECT_ABSOLUTE },
    { KIND(R_@UPPER@_BRANCH16), .formula = "S + A - P", .field = &DISTANCE16,
      .rule = RELOBOX_RULE_SIGNED, .bits = 18, .align = 4, .effect = RELOBOX_EFFECT_RELATIVE },
    REFUSED(R_@UPPER@_COPY, "is for dynamic linking"),
};
const uint32_t ROW_COUNT = LEN(ROWS);

/* The formulas. S: the symbol's value, A: the addend, P: the place's address. */
uint64_t value_of(uint32_t kind, uint64_t S, uint64_t A, uint64_t P) {
    switch (kind) {
    case R_@UPPER@_BRANCH16:
        return S + A - P;
    default:
        return S + A;
    }
}
