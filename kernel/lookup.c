// SPDX-License-Identifier: GPL-2.0
/* Finds functions and data that the kernel does not export, by name, when the device is loaded. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kallsyms.h>
#include <linux/kprobes.h>

#include "internal.h"

/* Static calls, because a function that is never called indirectly may have no ENDBR. */
#define CALLS(CALL) \
	CALL(kernel_allocate, allocator_t, ALLOCATOR) \
	CALL(kernel_percpu, percpu_t, PERCPU) \
	CALL(kernel_finalize, finalize_t, "module_finalize") \
	CALL(kernel_find_area, typeof(find_vm_area), "find_vm_area") \
	CALL(kernel_read_only, set_memory_t, "set_memory_ro") \
	CALL(kernel_executable, set_memory_t, "set_memory_x") \
	CALL(kernel_find_symbol, find_symbol_t, "find_symbol")

#define DEFINE(call, type, name) DEFINE_STATIC_CALL_NULL(call, *(type *)NULL);
CALLS(DEFINE)
DEFINE_STATIC_CALL_NULL(kernel_lookup_name, kallsyms_lookup_name);
const int *kernel_disabled __ro_after_init;

unsigned long kernel_lookup(const char *name)
{
	return static_call(kernel_lookup_name)(name);
}

int __init lookup_init(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long address;
	int err = register_kprobe(&probe);

	if (err) {
		pr_err("kallsyms_lookup_name cannot be found: %d\n", err);
		return err;
	}
	static_call_update(kernel_lookup_name, (void *)probe.addr);
	unregister_kprobe(&probe);
#define FIND(call, type, name) \
	address = kernel_lookup(name); \
	if (!address) { \
		pr_err("this kernel has no %s\n", name); \
		return -ENOENT; \
	} \
	static_call_update(call, (void *)address);
	CALLS(FIND)
	kernel_disabled = (void *)kernel_lookup("modules_disabled");
	return 0;
}
