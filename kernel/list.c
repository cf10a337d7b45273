// SPDX-License-Identifier: GPL-2.0
/* LIST: loaded modules and exported symbols. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

/* The largest answer. All symbols of a Debian kernel with all modules loaded need about 3 MB. */
#define LIST_MAX (16ULL << 20)
/* The largest request. amdgpu asks for fewer than 1,500 names, in 40 KB. */
#define NAMES_MAX (1U << 14)
#define NAMES_SIZE_MAX (1ULL << 20)
/* The kernel's own exports. A Debian kernel has about 20,000. */
#define TABLE_MAX (1U << 18)
/* The number of exports that are listed before other tasks may run. */
#define AT_ONCE 1024U

/* An entry of __ksymtab, and the argument of find_symbol(). Both are private to the kernel. */
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

/* The kernel's own tables, of EXPORT_SYMBOL and of EXPORT_SYMBOL_GPL. Written only when the device is loaded. */
static struct {
	const struct exported *first;
	const s32 *crcs;
	u32 count;
} tables[2] __ro_after_init;
bool list_all __ro_after_init;

/* The parts of the answer, each with its position and its end. Data after the end are only counted. */
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

/* Lists all modules, from this one on in the circular list. Its head, which is not a module, was not allocated. */
static void add_modules(struct list *list, struct session *session, bool exports)
{
	struct module *module = THIS_MODULE;
	struct vm_struct *vm;

	/*
	 * A list entry is not freed before a grace period has passed. Not _sched: with PREEMPT_RT, find_vm_area() can
	 * sleep.
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

static void add_kernel(struct list *list)
{
	u32 from, count, i;

	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		for (from = 0; from < tables[i].count; from += count) {
			count = min(tables[i].count - from, AT_ONCE);
			add_exports(list, tables[i].first + from, count,
				    tables[i].crcs ? tables[i].crcs + from : NULL, i, U32_MAX);
			cond_resched();
		}
	}
}

/* -EINTR: the process is being killed and no longer needs the answer. */
static int fill(struct list *list, struct session *session, const char *names, u64 size)
{
	const char *name;

	add_modules(list, session, !names);
	if (!names)
		add_kernel(list);
	for (name = names; name && name < names + size; name += strlen(name) + 1) {
		if (fatal_signal_pending(current))
			return -EINTR;
		add_named(list, session, name);
	}
	return 0;
}

void list_let_go(struct session *session, unsigned int count)
{
	while (session->held_count > count)
		module_put(session->held[--session->held_count].module);
}

/*
 * Makes the list twice: first to count, and to hold the owners, so that they stay in the list; then to fill the buffer.
 * If the results differ because a module was loaded or removed, user space must ask again.
 */
static long answer(struct session *session, struct relobox_list *request, const char *names)
{
	struct list list = {};
	u32 *end = list.end;
	long err = fill(&list, session, names, request->names_size);

	if (err)
		return err;
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
	err = fill(&list, session, names, request->names_size);
	if (!err && memcmp(list.at, list.end, sizeof(list.at)))
		err = -ENOSPC;
	if (!err && copy_to_user(u64_to_user_ptr(request->buffer), list.buffer, request->needed))
		err = -EFAULT;
	kvfree(list.buffer);
	return err;
}

/* Copies the names of a request, within their limits. */
static char *read_names(const struct relobox_list *request)
{
	u64 size = request->names_size, i;
	u32 count = 0;
	char *names;

	if (!size || size > NAMES_SIZE_MAX)
		return ERR_PTR(-EINVAL);
	names = vmemdup_user(u64_to_user_ptr(request->names), size);
	if (IS_ERR(names))
		return names;
	for (i = 0; i < size; i++)
		count += !names[i];
	if (names[size - 1] || count > NAMES_MAX) {
		kvfree(names);
		return ERR_PTR(-EINVAL);
	}
	return names;
}

long do_list(struct session *session, void *argument)
{
	struct relobox_list *request = argument;
	unsigned int held = session->held_count;
	char *names = NULL;
	long err;

	if (!request->names && !list_all)
		return -EOPNOTSUPP;
	if (request->names) {
		names = read_names(request);
		if (IS_ERR(names))
			return PTR_ERR(names);
	}
	err = answer(session, request, names);
	if (err)
		list_let_go(session, held);
	kvfree(names);
	return err;
}

/* ---- at load ---- */

/* Sets table `number` to the range between these symbols, unless that cannot be such a table. */
static void __init find_table(int number, const char *start, const char *stop, const char *crcs)
{
	unsigned long first = kernel_lookup(start), end = kernel_lookup(stop);
	u64 count = (end - first) / sizeof(struct exported);

	if (!first || first >= end || (end - first) % sizeof(struct exported) || count > TABLE_MAX ||
	    !IS_ALIGNED(first, __alignof__(struct exported)))
		return;
	tables[number].first = (void *)first;
	tables[number].crcs = (void *)kernel_lookup(crcs);
	tables[number].count = count;
}

/*
 * Asks the kernel for an export that must exist, because this module was loaded with it, and compares the answer with
 * what is known. This detects a find_symbol() of another form before anything depends on it.
 */
static bool __init finds(const char *name, bool gpl, bool *in_table)
{
	struct find_symbol_arg found = { .name = name, .gplok = true };
	struct exported entry;
	char read[32] = "";
	u64 number;
	bool yes;

	rcu_read_lock_sched();
	yes = static_call(kernel_find_symbol)(&found);
	rcu_read_unlock_sched();
	if (!yes || found.owner || found.gpl_only != gpl ||
	    copy_from_kernel_nofault(&entry, found.symbol, sizeof(entry)) ||
	    copy_from_kernel_nofault(read, (void *)FIELD(found.symbol->name), strlen(name) + 1) ||
	    strcmp(read, name))
		return false;
	number = found.symbol - tables[gpl].first;
	*in_table = number < tables[gpl].count && found.symbol == tables[gpl].first + number &&
		    (!IS_ENABLED(CONFIG_MODVERSIONS) || found.crc == tables[gpl].crcs + number);
	return true;
}

int __init list_init(void)
{
	bool plain, gpl;

	/* These symbols can only be found with KALLSYMS_ALL. */
	find_table(0, "__start___ksymtab", "__stop___ksymtab", "__start___kcrctab");
	find_table(1, "__start___ksymtab_gpl", "__stop___ksymtab_gpl", "__start___kcrctab_gpl");
	if (!finds("_printk", false, &plain) || !finds("register_kprobe", true, &gpl)) {
		pr_err("find_symbol does not answer as that of Linux 6.1 and 6.12 does\n");
		return -ENOEXEC;
	}
	list_all = plain && gpl;
	if (!list_all && IS_ENABLED(CONFIG_KALLSYMS_ALL))
		pr_warn("the kernel's tables of exports are not where they should be: no LIST without names\n");
	return 0;
}
