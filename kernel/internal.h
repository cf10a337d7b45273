/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RELOBOX_INTERNAL_H
#define RELOBOX_INTERNAL_H

#include <linux/elf.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/static_call.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include "relobox.h"

/* Kbuild has refused all kernels but these two, and those without a required function. */
#define SIX_12 (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0))

#define LAYOUT (SIX_12 ? RELOBOX_LAYOUT_SEVEN : RELOBOX_LAYOUT_CORE_INIT)
#define ALLOCATOR (SIX_12 ? "execmem_alloc" : "module_alloc")
#define PERCPU (SIX_12 ? "pcpu_alloc_noprof" : "__alloc_reserved_percpu")

/* The number of owners that a descriptor can hold. In Debian, no module depends on more than about twenty others. */
#define HELD_MAX 256

/* The state of a descriptor. While it is armed, the lock of steer.c protects its areas and what follows `armed`. */
struct session {
	struct mutex lock;
	struct relobox_area areas[RELOBOX_AREAS]; /* `reserved` is a FLAT area's protection */
	unsigned int count;
	struct {
		struct module *module;
		u32 number; /* in the current list */
	} held[HELD_MAX];
	unsigned int held_count;

	struct list_head armed;
	struct task_struct *task; /* NULL if not armed; a reference keeps its address from being reused */
	bool closed;
	u64 *sections, *symbols; /* one allocation */
	struct relobox_arm arm;
	struct relobox_disarm found;
	enum { NO_TRIAL, REFUSE, ANSWER } trial; /* the result of every hooked function while ARM tests the hooks */
	unsigned int landed; /* how often a replacement ran */
};

/* The hooked functions. */
#if SIX_12
#include <linux/execmem.h>
#define ALLOCATOR_ARGUMENTS enum execmem_type type, size_t size
#define PERCPU_ARGUMENTS size_t size, size_t align, bool reserved, gfp_t gfp
#else
#define ALLOCATOR_ARGUMENTS unsigned long size
#define PERCPU_ARGUMENTS size_t size, size_t align
#endif
#define FINALIZE_ARGUMENTS const Elf_Ehdr *header, const Elf_Shdr *sections, struct module *module
typedef void *allocator_t(ALLOCATOR_ARGUMENTS);
typedef void __percpu *percpu_t(PERCPU_ARGUMENTS);
typedef int finalize_t(FINALIZE_ARGUMENTS);

/* lookup.c: functions and data that the kernel does not export. */
struct find_symbol_arg;
typedef bool find_symbol_t(struct find_symbol_arg *fsa);
typedef int set_memory_t(unsigned long address, int pages);
DECLARE_STATIC_CALL(kernel_allocate, *(allocator_t *)NULL);
DECLARE_STATIC_CALL(kernel_percpu, *(percpu_t *)NULL);
DECLARE_STATIC_CALL(kernel_finalize, *(finalize_t *)NULL);
DECLARE_STATIC_CALL(kernel_find_area, find_vm_area);
DECLARE_STATIC_CALL(kernel_read_only, *(set_memory_t *)NULL);
DECLARE_STATIC_CALL(kernel_executable, *(set_memory_t *)NULL);
DECLARE_STATIC_CALL(kernel_find_symbol, *(find_symbol_t *)NULL);
/* kernel.modules_disabled; NULL if its address is unknown. */
extern const int *kernel_disabled;
unsigned long kernel_lookup(const char *name);
int lookup_init(void);

/* areas.c */
void *allocate(const struct relobox_area *area);
void free_areas(struct session *session, unsigned int first);

/* flat.c: the state of a FLAT area, in its `reserved`. */
enum { FLAT_WRITABLE, FLAT_SEALED, FLAT_EXECUTABLE };
long do_put(struct session *session, void *argument);
long do_protect(struct session *session, void *argument);
long do_call(struct session *session, void *argument);

/* list.c: true if the kernel's own tables of exports were found. */
extern bool list_all;
int list_init(void);
long do_list(struct session *session, void *argument);
void list_let_go(struct session *session, unsigned int count);

/* steer.c, for hooks.c: whether a hooked function must not run; and the replacements. */
bool on_allocate(struct pt_regs *regs);
bool on_percpu(struct pt_regs *regs);
bool on_finalize(struct pt_regs *regs);
void *instead_of_allocator(ALLOCATOR_ARGUMENTS);
void __percpu *instead_of_percpu(PERCPU_ARGUMENTS);
int instead_of_finalize(FINALIZE_ARGUMENTS);
bool steer_tried(void);

/* steer.c: the reason why loads cannot be steered, or empty; and the way of the hooks. hooks.c sets both. */
extern const char *steer_reason, *steer_hooks;
void steer_bury(void);
void steer_close(struct session *session);
bool steer_armed(void);
void steer_begin(void);
long do_arm(struct session *session, void *argument);
long do_disarm(struct session *session, void *argument);

/* hooks.c */
void steer_init(void);
void steer_exit(void);

#endif
