// SPDX-License-Identifier: GPL-2.0
/* LIST: loaded modules and exported symbols. */
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

/* The answer; all symbols of a Debian kernel with all modules loaded need some 3 MB. */
#define LIST_MAX (16ULL << 20)
/* amdgpu asks for less than 1,500 names, with 40 KB. */
#define NAMES_MAX (1ULL << 20)

/* An entry of __ksymtab, and what find_symbol() is asked and answers: private to the kernel. */
struct exported {
#ifdef CONFIG_HAVE_ARCH_PREL32_RELOCATIONS
	int value, name, space;
#define FIELD(field) ((field) ? (unsigned long)&(field) + (field) : 0)
#else
	unsigned long value, name, space;
#define FIELD(field) (field)
#endif
};

struct find_symbol_arg {
	const char *name;
	bool gplok, warn;
	struct module *owner;
	const s32 *crc;
	const struct exported *symbol;
	int gpl_only;
};

/* The answer's parts: how far each has come, and where it must end; what comes later is only counted. */
enum { MODULES, EXPORTS, STRINGS, PARTS };

struct list {
	void *buffer;
	u32 at[PARTS], end[PARTS];
};

static u32 add(struct list *list, int part, const void *data, size_t size)
{
	u32 at = list->at[part];

	if (at + size <= list->end[part])
		memcpy(list->buffer + at, data, size);
	list->at[part] += size;
	return at;
}

static u32 add_string(struct list *list, const char *string)
{
	return add(list, STRINGS, string, strlen(string) + 1);
}

static void add_exports(struct list *list, const void *table, u32 count, const s32 *crc, bool gpl,
			u32 owner)
{
	const struct exported *symbol = table;

	for (; count--; symbol++) {
		struct relobox_export export = { .address = FIELD(symbol->value), .owner = owner };
		const char *space = (const char *)FIELD(symbol->space);

		export.name = add_string(list, (const char *)FIELD(symbol->name));
		if (space && *space)
			export.space = add_string(list, space);
		if (gpl)
			export.flags |= RELOBOX_EXPORT_GPL;
		if (IS_ENABLED(CONFIG_MODVERSIONS) && crc) {
			export.flags |= RELOBOX_EXPORT_CRC;
			export.crc = *crc++;
		}
		add(list, EXPORTS, &export, sizeof(export));
	}
}

static void add_module(struct list *list, struct session *session, struct module *module,
		       bool exports)
{
	struct relobox_module record = { .state = module->state, .references = -1 };
	u32 number = list->at[MODULES] / sizeof(record), i;

#if SIX_12
	for_each_mod_mem_type(type) {
		record.size[type] = module->mem[type].size;
		if (record.size[type])
			record.address[type] = (unsigned long)module->mem[type].base;
	}
#else
	record.address[RELOBOX_KIND_CORE] = (unsigned long)module->core_layout.base;
	record.size[RELOBOX_KIND_CORE] = module->core_layout.size;
	record.address[RELOBOX_KIND_INIT] = (unsigned long)module->init_layout.base;
	record.size[RELOBOX_KIND_INIT] = module->init_layout.size;
#endif
	if (IS_ENABLED(CONFIG_MODULE_UNLOAD))
		record.references = module_refcount(module);
	record.name = add_string(list, module->name);
	add(list, MODULES, &record, sizeof(record));
	for (i = 0; i < session->held_count; i++)
		if (session->held[i].module == module)
			session->held[i].number = number;
	if (!exports || module->state == MODULE_STATE_UNFORMED)
		return;
	add_exports(list, module->syms, module->num_syms, module->crcs, false, number);
	add_exports(list, module->gpl_syms, module->num_gpl_syms, module->gpl_crcs, true, number);
}

/* The ring of all modules, from this one on. Its head, which is no module, was not allocated. */
static void add_modules(struct list *list, struct session *session, bool exports)
{
	struct module *module = THIS_MODULE;
	struct vm_struct *vm;

	/*
	 * What is in the ring is not freed before a grace period, whatever becomes of it. Not _sched: with
	 * PREEMPT_RT find_vm_area() may sleep.
	 */
	rcu_read_lock();
	do {
		vm = static_call(kernel_find_area)(module);
		if (vm && (vm->flags & VM_ALLOC))
			add_module(list, session, module, exports);
		module = list_entry_rcu(module->list.next, struct module, list);
	} while (module != THIS_MODULE);
	rcu_read_unlock();
}

static bool hold(struct session *session, struct module *owner, u32 *number)
{
	unsigned int i;

	for (i = 0; i < session->held_count && session->held[i].module != owner; i++)
		;
	if (i == session->held_count) {
		if (i == HELD_MAX || owner->state != MODULE_STATE_LIVE || !try_module_get(owner))
			return false;
		session->held[session->held_count++].module = owner;
	}
	*number = session->held[i].number;
	return true;
}

static void add_named(struct list *list, struct session *session, const char *name)
{
	struct find_symbol_arg found = { .name = name, .gplok = true };
	u32 owner = U32_MAX;

	rcu_read_lock_sched();
	if (static_call(kernel_find_symbol)(&found) &&
	    (!found.owner || hold(session, found.owner, &owner)))
		add_exports(list, found.symbol, 1, found.crc, found.gpl_only, owner);
	rcu_read_unlock_sched();
	cond_resched();
}

/* The kernel's own; only with KALLSYMS_ALL are the bounds to be found. */
static void add_kernel(struct list *list)
{
	static const char *const names[2][3] = {
		{ "__start___ksymtab", "__stop___ksymtab", "__start___kcrctab" },
		{ "__start___ksymtab_gpl", "__stop___ksymtab_gpl", "__start___kcrctab_gpl" },
	};
	static unsigned long at[2][3];
	int i, j;

	for (i = 0; i < 2; i++) {
		for (j = 0; j < 3 && !at[i][j]; j++)
			at[i][j] = kernel_lookup(names[i][j]);
		add_exports(list, (void *)at[i][0], (at[i][1] - at[i][0]) / sizeof(struct exported),
			    (void *)at[i][2], i, U32_MAX);
	}
}

static void fill(struct list *list, struct session *session, const char *names, u64 size)
{
	const char *name;

	add_modules(list, session, !names);
	if (!names)
		add_kernel(list);
	for (name = names; name && name < names + size; name += strlen(name) + 1)
		add_named(list, session, name);
}

void list_let_go(struct session *session, unsigned int count)
{
	while (session->held_count > count)
		module_put(session->held[--session->held_count].module);
}

/*
 * All is gone through twice: to count, and to hold the owners, who then are in the ring; and to fill the
 * buffer. If that comes out otherwise, since a module came or went, user space has to ask again.
 */
static long answer(struct session *session, struct relobox_list *request, const char *names)
{
	struct list list = {};
	u32 *end = list.end;
	long err = -ENOSPC;

	fill(&list, session, names, request->names_size);
	end[MODULES] = list.at[MODULES];
	end[EXPORTS] = end[MODULES] + list.at[EXPORTS];
	end[STRINGS] = end[EXPORTS] + list.at[STRINGS];
	request->needed = end[STRINGS];
	request->modules = list.at[MODULES] / sizeof(struct relobox_module);
	request->exports = list.at[EXPORTS] / sizeof(struct relobox_export);
	if (request->needed > LIST_MAX)
		return -E2BIG;
	if (request->needed > request->size)
		return -ENOSPC;
	list.buffer = kvmalloc(request->needed, GFP_KERNEL);
	if (!list.buffer)
		return -ENOMEM;
	list.at[MODULES] = 0;
	list.at[EXPORTS] = end[MODULES];
	list.at[STRINGS] = end[EXPORTS];
	fill(&list, session, names, request->names_size);
	if (!memcmp(list.at, list.end, sizeof(list.at)))
		err = copy_to_user(u64_to_user_ptr(request->buffer), list.buffer, request->needed) ?
			-EFAULT : 0;
	kvfree(list.buffer);
	return err;
}

long do_list(struct session *session, void *argument)
{
	struct relobox_list *request = argument;
	unsigned int held = session->held_count;
	char *names = NULL;
	long err = -EINVAL;

	if (!request->names && !IS_ENABLED(CONFIG_KALLSYMS_ALL))
		return -EOPNOTSUPP;
	if (request->names) {
		if (!request->names_size || request->names_size > NAMES_MAX)
			return -EINVAL;
		names = vmemdup_user(u64_to_user_ptr(request->names), request->names_size);
		if (IS_ERR(names))
			return PTR_ERR(names);
	}
	if (!names || !names[request->names_size - 1])
		err = answer(session, request, names);
	if (err)
		list_let_go(session, held);
	kvfree(names);
	return err;
}
