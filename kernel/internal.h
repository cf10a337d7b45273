/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RELOBOX_INTERNAL_H
#define RELOBOX_INTERNAL_H

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/static_call.h>
#include <linux/version.h>

#include "relobox.h"

/* A layout is named only where it has been tested; elsewhere nothing is steered. */
#if (defined(CONFIG_X86_64) || defined(CONFIG_ARM64)) && \
	LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define LAYOUT RELOBOX_LAYOUT_CORE_INIT
#elif defined(CONFIG_X86_64) && LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define LAYOUT RELOBOX_LAYOUT_SEVEN
#else
#define LAYOUT RELOBOX_LAYOUT_NONE
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define ALLOCATOR "execmem_alloc" /* type, size */
#define ALLOCATOR_SIZE 1
#else
#define ALLOCATOR "module_alloc" /* size */
#define ALLOCATOR_SIZE 0
#endif

/* Debian's largest module is amdgpu with 20 MB; far below the 1 GB of x86-64's module space. */
#define AREA_MAX (128ULL << 20)
/* A buffer for LIST; all symbols of a Debian kernel with all modules loaded need some 3 MB. */
#define LIST_MAX (16ULL << 20)
/* Names for LIST: amdgpu asks for less than 1,500, with 40 KB. */
#define NAMES_MAX (1ULL << 20)
/* amdgpu has 44,000 symbols. They are compared without a pause, so this bounds the latency as well. */
#define SYMBOLS_MAX (1U << 18)

/* What the kernel does not export. Static calls, for a function that nobody calls by pointer may have no ENDBR. */
struct find_symbol_arg;
typedef bool find_symbol_t(struct find_symbol_arg *fsa);
typedef struct module *find_module_t(const char *name, size_t length, bool unformed);
typedef int set_memory_t(unsigned long address, int pages);

DECLARE_STATIC_CALL(kernel_find_symbol, *(find_symbol_t *)NULL);
extern struct list_head *kernel_modules;
extern const void *kernel_exports[4], *kernel_crcs[2];
unsigned long kernel_lookup(const char *name);

struct area {
	u32 kind;
	bool executable, sealed;
	u64 size, align;
	unsigned long address;
};

void area_free(struct area *area);

/* One descriptor. */
struct session {
	struct mutex lock;
	struct area areas[RELOBOX_AREAS];
	unsigned int count;
	struct steer *steer;
	struct module **held;
	unsigned int held_count;
};

long list_ioctl(struct session *session, struct relobox_list __user *user);
void list_release(struct session *session);

/* steer.c: why loads cannot be steered, or an empty string; and how they are. */
extern const char *steer_reason, *steer_hooks;
void steer_init(void);
void steer_exit(void);
long steer_arm(struct session *session, const struct relobox_arm *arm);
void steer_end(struct session *session, struct relobox_disarm *found);

#endif
