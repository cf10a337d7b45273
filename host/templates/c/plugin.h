/* What an architecture says of itself (arch.c), for plugin.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PLUGIN_H
#define PLUGIN_H

#include "relobox.h"

#define LEN(array) ((uint32_t)(sizeof(array) / sizeof *(array)))

/* Which bits of a value stand where in the word at the place. */
struct field {
    const char *name;
    uint8_t width; /* of the word, in bytes */
    uint8_t slices;
    struct relobox_slice slice[4];
};

#define FIELD(name, width, ...) \
    { name, width, sizeof((struct relobox_slice[]){ __VA_ARGS__ }) / sizeof(struct relobox_slice), { __VA_ARGS__ } }

/* A relocation type. What is left out is 0: no rule, no alignment, no pair. */
struct row {
    uint32_t kind, flags;
    const char *name, *formula; /* of a refused type: why */
    const struct field *field;
    uint8_t rule, bits, align;
    uint8_t effect, round, pairing;
    uint32_t partner;
};

#define KIND(type) .kind = type, .name = #type
#define IGNORED(type) { KIND(type), .formula = "", .flags = RELOBOX_ROW_FLAG_NOP }
#define REFUSED(type, why) { KIND(type), .formula = why, .flags = RELOBOX_ROW_FLAG_REJECT }

extern const char NAME[], TITLE[], PSABI[];
extern const struct relobox_machine MACHINE;
extern const struct row ROWS[];
extern const uint32_t ROW_COUNT;
uint64_t value_of(uint32_t kind, uint64_t S, uint64_t A, uint64_t P);

#endif
