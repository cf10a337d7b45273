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

/* Where addends stand: in the records (SHT_RELA), in the fields themselves (SHT_REL), or either. */
enum { EXPLICIT = 1, IN_PLACE = 2 };

/* What a row's value leads through: nothing; a slot that holds S; or, only where the field does not reach, a stub. */
enum { DIRECT, GOT_SLOT, OR_STUB };

/* A relocation type. What is left out is 0: no rule, no alignment, no pair, nothing between. */
struct row {
    uint32_t kind, flags;
    const char *name, *formula; /* of a refused type: why */
    const struct field *field;
    uint8_t rule, bits, align;
    uint8_t effect, round, pairing;
    uint8_t through; /* DIRECT, GOT_SLOT, OR_STUB */
    uint32_t partner;
};

#define KIND(type) .kind = type, .name = #type
#define IGNORED(type) { KIND(type), .formula = "", .flags = RELOBOX_ROW_FLAG_NOP }
#define REFUSED(type, why) { KIND(type), .formula = why, .flags = RELOBOX_ROW_FLAG_REJECT }

extern const char NAME[], TITLE[], PSABI[];
extern const struct relobox_machine MACHINE;
extern const struct row ROWS[];
extern const uint32_t ROW_COUNT;
extern const uint8_t ADDENDS;
/* A row's formula. Of a GOT_SLOT, S is the slot's address; of an OR_STUB that does not reach, S is the stub's and A is 0. */
uint64_t value_of(uint32_t kind, uint64_t S, uint64_t A, uint64_t P);

/* Only with rows that are OR_STUB: how long a stub is, and its code, at `stub` of our memory and `address` of the kernel's. */
uint32_t stub_bytes(void);
void write_stub(unsigned char *stub, uint64_t address, uint64_t target);

/* Writes a word of data in the machine's byte order. */
void put_word(unsigned char *at, uint64_t word, uint32_t bytes);

#endif
