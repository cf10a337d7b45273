/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef SELFTEST_H
#define SELFTEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "relobox.h"

/* The values that a module must be loaded with. */
struct learned {
	int area; /* -1: absolute */
	__u64 value;
};

struct target {
	const char *path;
	char name[64];
	int fd;
	unsigned int section_count, symbol_count, area_count;
	struct relobox_area areas[8];
	struct learned *sections, *symbols;
};

extern struct relobox_about about;
extern int failures;
extern const unsigned char code[];
extern const size_t code_size;

void check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
int device(void);
/* Returns 0 or the errno. */
int call(int fd, unsigned long command, void *argument);
__u64 allocate(int fd, __u32 kind, __u64 size, __u64 align, int *err);
void *list(int fd, struct relobox_list *request);
/*
 * Returns the number of modules' areas. Waits up to 30 s for those that are to be freed: trampolines are after a grace
 * period of tasks.
 */
int mapped(int at_most);

int arm(int fd, struct target *target);
int load(const struct target *target);
int unload(const struct target *target);
bool open_target(struct target *target, const char *path);
/* Finds the values that the module must be loaded with. Leaves the module loaded and the descriptor armed. */
bool teach(int fd, struct target *target);
/* `rounds`: how often a random test is repeated. */
void test_load(const char *path, struct target *learned, int rounds);

void test_lists(void);
void test_killed(void);
void test_privilege(void);
void test_owners(struct target *target);
void test_race(struct target *target, int rounds);
void test_switched_off(struct target *target);
void test_parallel(struct target *targets, int count);
void test_noise(struct target *target);
void test_forbidden(struct target *target);

#endif
