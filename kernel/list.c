// SPDX-License-Identifier: GPL-2.0
/* LIST: loaded modules and exported symbols. */
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

/* An entry of __ksymtab; not every kernel has its own declaration in a header. */
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

/* The answer's three parts. Each has room for a buffer full; what has no room is only counted. */
struct list {
	struct relobox_module *modules;
	struct relobox_export *exports;
	char *strings;
	u64 module_count, export_count, length, room;
};

static u32 add_string(struct list *list, const char *string)
{
	u64 at = list->length, size = strlen(string) + 1;

	if (at + size <= list->room)
		memcpy(list->strings + at, string, size);
	list->length += size;
	return at;
}

static void add_export(struct list *list, const struct exported *symbol, const s32 *crc, bool gpl,
		       u32 owner)
{
	struct relobox_export export = { .address = FIELD(symbol->value), .owner = owner };
	const char *space = (const char *)FIELD(symbol->space);

	export.name = add_string(list, (const char *)FIELD(symbol->name));
	if (space && *space)
		export.space = add_string(list, space); /* never 0: a name went before */
	if (gpl)
		export.flags |= RELOBOX_EXPORT_GPL;
	if (IS_ENABLED(CONFIG_MODVERSIONS) && crc) {
		export.flags |= RELOBOX_EXPORT_CRC;
		export.crc = *crc;
	}
	if (list->export_count < list->room / sizeof(export))
		list->exports[list->export_count] = export;
	list->export_count++;
}

static void add_table(struct list *list, const void *table, u64 count, const s32 *crcs, bool gpl,
		      u32 owner)
{
	const struct exported *symbols = table;
	u64 i;

	for (i = 0; i < count; i++)
		add_export(list, &symbols[i], crcs ? &crcs[i] : NULL, gpl, owner);
}

static void add_module(struct list *list, struct module *module)
{
	struct relobox_module record = { .state = module->state };

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
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
	record.references = IS_ENABLED(CONFIG_MODULE_UNLOAD) ? module_refcount(module) : -1;
	record.name = add_string(list, module->name);
	if (list->module_count < list->room / sizeof(record))
		list->modules[list->module_count] = record;
	list->module_count++;
}

static void add_kernel(struct list *list)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		add_table(list, kernel_exports[2 * i], (kernel_exports[2 * i + 1] - kernel_exports[2 * i]) /
			  sizeof(struct exported), kernel_crcs[i], i, U32_MAX);
}

/* Held modules are among those on the list, and their symbols' owners get the number here. */
static void add_modules(struct list *list, struct session *session, bool exports)
{
	u64 i, known = min_t(u64, list->export_count, list->room / sizeof(*list->exports));
	struct module *module;

	/* What is on the list is not freed before a grace period, whatever becomes of it. */
	rcu_read_lock_sched();
	list_for_each_entry_rcu(module, kernel_modules, list, true) {
		u32 number = list->module_count;

		for (i = 0; i < known && !exports; i++)
			if (list->exports[i].owner != U32_MAX &&
			    session->held[list->exports[i].reserved] == module)
				list->exports[i].owner = number;
		if (exports && module->state != MODULE_STATE_UNFORMED) {
			add_table(list, module->syms, module->num_syms, module->crcs, false, number);
			add_table(list, module->gpl_syms, module->num_gpl_syms, module->gpl_crcs, true,
				  number);
		}
		add_module(list, module);
	}
	rcu_read_unlock_sched();
}

/* The place in held, where there is room for one more; -ENOENT if it cannot be held. */
static int hold(struct session *session, struct module *owner)
{
	unsigned int i;

	for (i = 0; i < session->held_count; i++)
		if (session->held[i] == owner)
			return i;
	if (owner->state != MODULE_STATE_LIVE || !try_module_get(owner))
		return -ENOENT;
	session->held[session->held_count] = owner;
	return session->held_count++;
}

static int add_named(struct list *list, struct session *session, const char *name)
{
	struct find_symbol_arg found = { .name = name, .gplok = true };
	struct module **held;
	int place = 0;

	held = krealloc_array(session->held, session->held_count + 1, sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;
	session->held = held;
	rcu_read_lock_sched();
	if (static_call(kernel_find_symbol)(&found)) {
		if (found.owner)
			place = hold(session, found.owner);
		if (place >= 0) {
			add_export(list, found.symbol, found.crc, found.gpl_only, found.owner ? 0 : U32_MAX);
			if (list->export_count <= list->room / sizeof(*list->exports))
				list->exports[list->export_count - 1].reserved = place;
		}
	}
	rcu_read_unlock_sched();
	cond_resched();
	return 0;
}

static int answer(struct list *list, struct relobox_list *request)
{
	u64 modules = list->module_count * sizeof(*list->modules), i;
	u64 base = modules + list->export_count * sizeof(*list->exports);

	request->needed = base + list->length;
	request->modules = list->module_count;
	request->exports = list->export_count;
	if (request->needed > request->size || request->needed > list->room)
		return -ENOSPC;
	for (i = 0; i < list->module_count; i++)
		list->modules[i].name += base;
	for (i = 0; i < list->export_count; i++) {
		list->exports[i].name += base;
		if (list->exports[i].space)
			list->exports[i].space += base;
		list->exports[i].reserved = 0;
	}
	if (copy_to_user(u64_to_user_ptr(request->buffer), list->modules, modules) ||
	    copy_to_user(u64_to_user_ptr(request->buffer + modules), list->exports, base - modules) ||
	    copy_to_user(u64_to_user_ptr(request->buffer + base), list->strings, list->length))
		return -EFAULT;
	return 0;
}

static void let_go(struct session *session, unsigned int count)
{
	while (session->held_count > count)
		module_put(session->held[--session->held_count]);
}

long list_ioctl(struct session *session, struct relobox_list __user *user)
{
	unsigned int held = session->held_count;
	char *names = NULL, *name, *buffer = NULL;
	struct relobox_list request;
	struct list list = {};
	long err = 0;

	if (copy_from_user(&request, user, sizeof(request)))
		return -EFAULT;
	if (!request.names && !kernel_exports[0])
		return -EOPNOTSUPP;
	if (request.names) {
		if (!request.names_size || request.names_size > NAMES_MAX)
			return -EINVAL;
		names = vmemdup_user(u64_to_user_ptr(request.names), request.names_size);
		if (IS_ERR(names))
			return PTR_ERR(names);
		err = names[request.names_size - 1] ? -EINVAL : 0;
	}
	list.room = ALIGN(min_t(u64, request.size, LIST_MAX), 8);
	if (!err)
		buffer = kvmalloc(3 * list.room, GFP_KERNEL);
	if (!err && !buffer)
		err = -ENOMEM;
	list.modules = (void *)buffer;
	list.exports = (void *)(buffer + list.room);
	list.strings = buffer + 2 * list.room;
	if (!err && !names)
		add_kernel(&list);
	for (name = names; !err && name && name < names + request.names_size; name += strlen(name) + 1)
		err = add_named(&list, session, name);
	if (!err) {
		add_modules(&list, session, !names);
		err = answer(&list, &request);
		if ((!err || err == -ENOSPC) && copy_to_user(user, &request, sizeof(request)))
			err = -EFAULT;
	}
	if (err)
		let_go(session, held);
	kvfree(buffer);
	kvfree(names);
	return err;
}

void list_release(struct session *session)
{
	let_go(session, 0);
	kfree(session->held);
}
