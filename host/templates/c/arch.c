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

/* Both forms, for the example; most psABIs have one. */
const uint8_t ADDENDS = EXPLICIT | IN_PLACE;

enum { R_@UPPER@_NONE, R_@UPPER@_@WORD@, R_@UPPER@_BRANCH16, R_@UPPER@_COPY, R_@UPPER@_LOAD16, R_@UPPER@_GOT16 };

/* A word of data. A slice is: lowest bit of the value, lowest bit of the field, how many bits. */
static const struct field @WORD@ = FIELD("@WORD@", @BYTES@, { 0, 0, @BITS@, 0 });
/* The distance of a branch: the value's bits 2 to 17 in the instruction's bits 0 to 15. */
static const struct field DISTANCE16 = FIELD("DISTANCE16", 4, { 2, 0, 16, 0 });
/* The distance of a load, in a split field: its low 11 bits in bits 0 to 10, the next 5 in bits 21 to 25. */
static const struct field SPLIT16 = FIELD("SPLIT16", 4, { 0, 0, 11, 0 }, { 11, 21, 5, 0 });

/* Ascending by type. `effect` says to the conformance kit what the formula is; relobox.h has all of them. */
const struct row ROWS[] = {
    IGNORED(R_@UPPER@_NONE),
    { KIND(R_@UPPER@_@WORD@), .formula = "S + A", .field = &@WORD@, .effect = RELOBOX_EFFECT_ABSOLUTE },
    { KIND(R_@UPPER@_BRANCH16), .formula = "S + A - P", .field = &DISTANCE16,
      .rule = RELOBOX_RULE_SIGNED, .bits = 18, .align = 4, .effect = RELOBOX_EFFECT_RELATIVE,
      .flags = RELOBOX_ROW_FLAG_FALLBACK, .through = OR_STUB },
    REFUSED(R_@UPPER@_COPY, "is for dynamic linking"),
    { KIND(R_@UPPER@_LOAD16), .formula = "S + A - P", .field = &SPLIT16,
      .rule = RELOBOX_RULE_SIGNED, .bits = 16, .effect = RELOBOX_EFFECT_RELATIVE },
    /* G is the offset of the symbol's slot in the table that begins at GOT. */
    { KIND(R_@UPPER@_GOT16), .formula = "G + GOT + A - P", .field = &SPLIT16,
      .rule = RELOBOX_RULE_SIGNED, .bits = 16, .effect = RELOBOX_EFFECT_SLOT, .through = GOT_SLOT },
};
const uint32_t ROW_COUNT = LEN(ROWS);

/* The formulas. S: the symbol's value, A: the addend, P: the place's address. */
uint64_t value_of(uint32_t kind, uint64_t S, uint64_t A, uint64_t P) {
    switch (kind) {
    case R_@UPPER@_@WORD@:
        return S + A;
    default:
        return S + A - P;
    }
}

/* A branch reaches 128 KiB either way, and the kernel may lie farther off. Then it leads to a stub in the module: an
 * instruction that jumps to the address in the word behind it. Made up, as the machine is. */
uint32_t stub_bytes(void) {
    return 16;
}

void write_stub(unsigned char *stub, uint64_t address, uint64_t target) {
    (void)address; /* a stub that holds a distance needs it */
    put_word(stub, 0x7e570008, 4);
    put_word(stub + 8, target, MACHINE.class / 8);
}
