// SPDX-License-Identifier: GPL-2.0
/* Memory for modules, from the kernel's own allocators. */
#include <linux/percpu.h>

#include "internal.h"

void *allocate(const struct relobox_area *area)
{
#if SIX_12
	bool data = area->kind < 7 && mod_mem_type_is_data(area->kind);
	enum execmem_type type = data ? EXECMEM_MODULE_DATA : EXECMEM_MODULE_TEXT;

	if (area->kind != RELOBOX_KIND_PERCPU)
		return static_call(kernel_allocate)(type, area->size);
	return (void __force *)static_call(kernel_percpu)(area->size, area->align, true, GFP_KERNEL);
#else
	if (area->kind != RELOBOX_KIND_PERCPU)
		return static_call(kernel_allocate)(area->size);
	return (void __force *)static_call(kernel_percpu)(area->size, area->align);
#endif
}

void free_areas(struct session *session, unsigned int first)
{
	struct relobox_area *area;

	for (area = &session->areas[first]; area < &session->areas[session->count]; area++)
		if (area->kind == RELOBOX_KIND_PERCPU)
			free_percpu((void __percpu __force *)area->address);
		else
			vfree((void *)area->address); /* as the allocator does it */
	session->count = first;
}
