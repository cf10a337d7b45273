// SPDX-License-Identifier: GPL-2.0
/* LIST: loaded modules and exported symbols. */
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

/* An entry of __ksymtab. The kernel's own declaration is not in a header everywhere. */
struct exported {
#ifdef CONFIG_HAVE_ARCH_PREL32_RELOCATIONS
	int value, name, space;
#else
	unsigned long value, name, space;
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

#ifdef CONFIG_HAVE_ARCH_PREL32_RELOCATIONS
#define FIELD(field) ((field) ? (unsigned long)&(field) + (field) : 0)
#else
#define FIELD(field) (field)
#endif

/* The answer's three parts, each with room for as much as the caller's buffer takes; what has no room is only counted. */
struct list {
	struct relobox_module *modules;
	struct relobox_export *exports;
	char *strings;
	u64 module_count, export_count, length;
	u64 module_room, export_room, room;
};

static u32 add_string(struct list *list, const char *string)
{
	u64 at = list->length, size = strlen(string) + 1;

	if (at + size <= list->room)
		memcpy(list->strings + at, string, size);
	list->length += size;
	return at;
}

static void add_export(struct list *list, const struct exported *symbol, const s32 *crc, bool gpl, u64 owner)
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
	if (list->export_count < list->export_room)
		list->exports[list->export_count] = export;
	list->export_count++;
}

static void add_table(struct list *list, const struct exported *start, const struct exported *stop,
		      const s32 *crcs, bool gpl, u64 owner)
{
	const struct exported *symbol;

	for (symbol = start; symbol < stop; symbol++)
		add_export(list, symbol, crcs ? crcs + (symbol - start) : NULL, gpl, owner);
}

static void add_module(struct list *list, struct module *module)
{
	struct relobox_module record = { .state = module->state };

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	for_each_mod_mem_type(type) {
		record.size[type] = module->mem[type].size;
		record.address[type] = record.size[type] ? (unsigned long)module->mem[type].base : 0;
	}
#else
	record.address[RELOBOX_KIND_CORE] = (unsigned long)module->core_layout.base;
	record.size[RELOBOX_KIND_CORE] = module->core_layout.size;
	record.address[RELOBOX_KIND_INIT] = (unsigned long)module->init_layout.base;
	record.size[RELOBOX_KIND_INIT] = module->init_layout.size;
#endif
	record.references = IS_ENABLED(CONFIG_MODULE_UNLOAD) ? module_refcount(module) : -1;
	record.name = add_string(list, module->name);
	if (list->module_count < list->module_room)
		list->modules[list->module_count] = record;
	list->module_count++;
}

/* A module that is on the list is not freed before a grace period, whatever becomes of it. */
static void list_modules(struct list *list, struct session *session, bool exports, u32 *owners)
{
	struct module *module;
	unsigned int i;

	rcu_read_lock_sched();
	list_for_each_entry_rcu(module, kernel_modules, list, true) {
		for (i = 0; i < session->held_count; i++)
			if (session->held[i] == module)
				owners[i] = list->module_count;
		if (exports && module->state != MODULE_STATE_UNFORMED) {
			add_table(list, (void *)module->syms, (void *)module->syms +
				  module->num_syms * sizeof(struct exported), module->crcs, false,
				  list->module_count);
			add_table(list, (void *)module->gpl_syms, (void *)module->gpl_syms +
				  module->num_gpl_syms * sizeof(struct exported), module->gpl_crcs, true,
				  list->module_count);
		}
		add_module(list, module);
	}
	rcu_read_unlock_sched();
}

/* The index in held, where there is room for one more, or ~0 for the kernel; -ENOENT if it cannot be held. */
static s64 hold(struct session *session, struct module *owner)
{
	unsigned int i;

	if (!owner)
		return U32_MAX;
	for (i = 0; i < session->held_count; i++)
		if (session->held[i] == owner)
			return i;
	if (owner->state != MODULE_STATE_LIVE || !try_module_get(owner))
		return -ENOENT;
	session->held[session->held_count] = owner;
	return session->held_count++;
}

static int list_names(struct list *list, struct session *session, const char *names, u64 size)
{
	const char *name;
	s64 owner;

	for (name = names; name < names + size; name += strlen(name) + 1) {
		struct find_symbol_arg found = { .name = name, .gplok = true };
		struct module **held = krealloc_array(session->held, session->held_count + 1,
						      sizeof(*held), GFP_KERNEL);

		if (!held)
			return -ENOMEM;
		session->held = held;
		rcu_read_lock_sched();
		if (static_call(kernel_find_symbol)(&found)) {
			owner = hold(session, found.owner);
			if (owner >= 0)
				add_export(list, found.symbol, found.crc, found.gpl_only, owner);
		}
		rcu_read_unlock_sched();
		cond_resched();
	}
	return 0;
}

static int put_list(const struct list *list, u64 buffer)
{
	u64 size = list->module_count * sizeof(*list->modules);

	if (copy_to_user(u64_to_user_ptr(buffer), list->modules, size))
		return -EFAULT;
	buffer += size;
	size = list->export_count * sizeof(*list->exports);
	if (copy_to_user(u64_to_user_ptr(buffer), list->exports, size))
		return -EFAULT;
	if (copy_to_user(u64_to_user_ptr(buffer + size), list->strings, list->length))
		return -EFAULT;
	return 0;
}

/* Names become offsets in the whole buffer, owners indices of modules. */
static void finish(struct list *list, u32 base, const u32 *owners)
{
	u64 i;

	for (i = 0; i < list->module_count; i++)
		list->modules[i].name += base;
	for (i = 0; i < list->export_count; i++) {
		struct relobox_export *export = &list->exports[i];

		export->name += base;
		if (export->space)
			export->space += base;
		if (owners && export->owner != U32_MAX)
			export->owner = owners[export->owner];
	}
}

static void let_go(struct session *session, unsigned int count)
{
	while (session->held_count > count)
		module_put(session->held[--session->held_count]);
}

static long fill(struct session *session, struct relobox_list *request, struct list *list, char *names)
{
	unsigned int held = session->held_count;
	u32 *owners = NULL;
	u64 base;
	int err;

	if (names) {
		err = list_names(list, session, names, request->names_size);
		if (err)
			goto undo;
	} else {
		add_table(list, kernel_exports[0], kernel_exports[1], kernel_crcs[0], false, U32_MAX);
		add_table(list, kernel_exports[2], kernel_exports[3], kernel_crcs[1], true, U32_MAX);
	}
	err = -ENOMEM;
	owners = kcalloc(session->held_count + 1, sizeof(*owners), GFP_KERNEL);
	if (!owners)
		goto undo;
	list_modules(list, session, !names, owners);

	base = list->module_count * sizeof(*list->modules) + list->export_count * sizeof(*list->exports);
	request->needed = base + list->length;
	request->modules = list->module_count;
	request->exports = list->export_count;
	err = -ENOSPC;
	if (request->needed > request->size || request->needed > LIST_MAX)
		goto undo;
	finish(list, base, names ? owners : NULL);
	err = put_list(list, request->buffer);
undo:
	if (err)
		let_go(session, held);
	kfree(owners);
	return err;
}

long list_ioctl(struct session *session, struct relobox_list __user *user)
{
	struct relobox_list request;
	struct list list = {};
	char *names = NULL;
	u64 room;
	long err;

	if (copy_from_user(&request, user, sizeof(request)))
		return -EFAULT;
	if (request.names && (!request.names_size || request.names_size > NAMES_MAX))
		return -EINVAL;
	if (!request.names && !kernel_exports[0])
		return -EOPNOTSUPP;
	if (request.names) {
		names = vmemdup_user(u64_to_user_ptr(request.names), request.names_size);
		if (IS_ERR(names))
			return PTR_ERR(names);
	}
	err = -EINVAL;
	if (names && names[request.names_size - 1])
		goto out;

	room = min_t(u64, request.size, LIST_MAX);
	list.room = room;
	list.module_room = room / sizeof(*list.modules);
	list.export_room = room / sizeof(*list.exports);
	list.strings = kvmalloc(room, GFP_KERNEL);
	list.modules = kvmalloc(room, GFP_KERNEL);
	list.exports = kvmalloc(room, GFP_KERNEL);
	err = -ENOMEM;
	if (list.strings && list.modules && list.exports) {
		err = fill(session, &request, &list, names);
		if ((!err || err == -ENOSPC) && copy_to_user(user, &request, sizeof(request)))
			err = -EFAULT;
	}
	kvfree(list.strings);
	kvfree(list.modules);
	kvfree(list.exports);
out:
	kvfree(names);
	return err;
}

void list_release(struct session *session)
{
	let_go(session, 0);
	kfree(session->held);
}
