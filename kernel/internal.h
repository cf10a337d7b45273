/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RELOBOX_INTERNAL_H
#define RELOBOX_INTERNAL_H

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/static_call.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include "relobox.h"

/* What the device relies on is private to the kernel, so it is built only for kernels on which it has been tested. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define SIX_12 0
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define SIX_12 1
#else
#error "relobox was never tested on this kernel: it is for Linux 6.1 and 6.12"
#endif
#if !defined(CONFIG_X86_64) && !defined(CONFIG_ARM64_4K_PAGES)
#error "relobox was never tested on this architecture: it is for x86-64, and arm64 with pages of 4 KiB"
#endif

#define LAYOUT (SIX_12 ? RELOBOX_LAYOUT_SEVEN : RELOBOX_LAYOUT_CORE_INIT)
#define ALLOCATOR (SIX_12 ? "execmem_alloc" : "module_alloc")
#define PERCPU (SIX_12 ? "pcpu_alloc_noprof" : "__alloc_reserved_percpu")

/* Owners that a descriptor can hold. Of Debian's modules none depends on more than some twenty others. */
#define HELD_MAX 256

/* One descriptor. While it is armed, its areas and what follows `armed` are under the lock of steer.c. */
struct session {
	struct mutex lock;
	struct relobox_area areas[RELOBOX_AREAS]; /* `reserved` is a FLAT area's protection */
	unsigned int count;
	struct {
		struct module *module;
		u32 number; /* in the list that is being made */
	} held[HELD_MAX];
	unsigned int held_count;

	struct list_head armed;
	struct task_struct *task; /* NULL if not armed; a reference, so no other gets this address */
	bool closed;
	u64 *sections, *symbols; /* one allocation */
	struct relobox_arm arm;
	struct relobox_disarm found;
};

/* device.c */
struct find_symbol_arg;
typedef bool find_symbol_t(struct find_symbol_arg *fsa);
DECLARE_STATIC_CALL(kernel_find_symbol, *(find_symbol_t *)NULL);
DECLARE_STATIC_CALL(kernel_find_area, find_vm_area);
unsigned long kernel_lookup(const char *name);
void *allocate(const struct relobox_area *area);
void free_areas(struct session *session, unsigned int first);

/* list.c */
long do_list(struct session *session, void *argument);
void list_let_go(struct session *session, unsigned int count);

/* steer.c: why loads cannot be steered, or empty; and how they are. */
extern const char *steer_reason, *steer_hooks;
void steer_init(void);
void steer_exit(void);
void steer_bury(void);
void steer_close(struct session *session);
bool steer_armed(void);
long do_arm(struct session *session, void *argument);
long do_disarm(struct session *session, void *argument);

#endif
