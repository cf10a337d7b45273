// SPDX-License-Identifier: GPL-2.0
/*
 * Steered loads: the armed thread's load_module() gets areas that were allocated before, and goes on past
 * module_finalize() only if it came to the addresses and values that the module was relocated for.
 *
 * Whatever goes wrong here fails the load. A relocated module at another address must never run.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/elf.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

static char *hooks = "auto";
module_param(hooks, charp, 0444);
MODULE_PARM_DESC(hooks, "How loads are steered: ftrace, kprobe or auto");

const char *steer_reason = "", *steer_hooks = "";

enum state {
	WAITING, /* for load_module() */
	LOADING,
	DECIDED, /* verified, or refused, or returned: nothing is steered any more */
};

struct steer {
	struct list_head list;
	struct task_struct *task; /* a reference: another task cannot get this address */
	enum state state;
	struct area areas[RELOBOX_AREAS];
	unsigned int count, taken;
	u64 *sections, *symbols;
	u32 section_count, symbol_count;
	struct relobox_disarm found;
};

/* Never taken in an interrupt: hooks look away there. */
static DEFINE_RAW_SPINLOCK(lock);
static LIST_HEAD(armed);

static struct steer *armed_by(const struct task_struct *task)
{
	struct steer *steer;

	list_for_each_entry(steer, &armed, list)
		if (steer->task == task)
			return steer;
	return NULL;
}

static bool found(struct steer *steer, u32 what, u32 index, u64 expected, u64 value)
{
	steer->found.found = what;
	steer->found.index = index;
	steer->found.expected = expected;
	steer->found.found_value = value;
	return false;
}

/* The next area, if that is what the kernel wants; otherwise NULL, which fails the load. */
static bool take(bool percpu, size_t size, size_t align, unsigned long *result)
{
	struct area *area = NULL;
	struct steer *steer;
	bool ours;

	if (!in_task() || list_empty(&armed))
		return false;
	raw_spin_lock(&lock);
	steer = armed_by(current);
	ours = steer && steer->state != DECIDED;
	if (ours) {
		*result = 0;
		if (steer->taken < steer->count)
			area = &steer->areas[steer->taken];
		if (steer->state == LOADING && area && area->size == size &&
		    (area->kind == RELOBOX_KIND_PERCPU) == percpu && (!percpu || align <= area->align)) {
			*result = area->address;
			steer->taken++;
		} else if (steer->state == LOADING) {
			found(steer, RELOBOX_FOUND_AREA, steer->taken, area ? area->size : 0, size);
			steer->state = DECIDED;
		}
	}
	raw_spin_unlock(&lock);
	return ours;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define PERCPU "pcpu_alloc_noprof" /* size, align, reserved, gfp; only modules want the reserved part */
#define PERCPU_RESERVED(regs) ((u8)regs_get_kernel_argument(regs, 2))
#else
#define PERCPU "__alloc_reserved_percpu" /* size, align */
#define PERCPU_RESERVED(regs) true
#endif

static bool on_allocate(struct pt_regs *regs, unsigned long *result)
{
	return take(false, regs_get_kernel_argument(regs, ALLOCATOR_SIZE), 0, result);
}

static bool on_percpu(struct pt_regs *regs, unsigned long *result)
{
	return PERCPU_RESERVED(regs) && take(true, regs_get_kernel_argument(regs, 0),
					     regs_get_kernel_argument(regs, 1), result);
}

static bool verify_symbols(struct steer *steer, const Elf_Ehdr *header, const Elf_Shdr *sections,
			   const Elf_Shdr *table, u32 percpu)
{
	const Elf_Sym *symbol = (void *)table->sh_addr;
	u64 count = table->sh_size / sizeof(*symbol), value;
	u32 i, in;

	if (count != steer->symbol_count)
		return found(steer, RELOBOX_FOUND_COUNT, 1, steer->symbol_count, count);
	for (i = 1; i < count; i++) {
		in = symbol[i].st_shndx;
		value = symbol[i].st_value;
		/* Others are at home in the copy of the file that the kernel throws away. */
		if (in != SHN_UNDEF && in != SHN_ABS && in != percpu &&
		    (in >= header->e_shnum || !(sections[in].sh_flags & SHF_ALLOC)))
			continue;
		if (value != steer->symbols[i])
			return found(steer, RELOBOX_FOUND_SYMBOL, i, steer->symbols[i], value);
	}
	return true;
}

static bool verify(struct steer *steer, const Elf_Ehdr *header, const Elf_Shdr *sections,
		   const struct module *module)
{
	const char *names = (const char *)header + sections[header->e_shstrndx].sh_offset;
	const Elf_Shdr *table = NULL;
	u32 i, percpu = SHN_UNDEF;

	if (steer->taken < steer->count)
		return found(steer, RELOBOX_FOUND_AREA, steer->taken, steer->areas[steer->taken].size, 0);
	if (header->e_shnum != steer->section_count)
		return found(steer, RELOBOX_FOUND_COUNT, 0, steer->section_count, header->e_shnum);
	for (i = 1; i < header->e_shnum; i++) {
		const Elf_Shdr *section = &sections[i];

		/* The kernel puts both tables where it likes; no relocation can depend on it. */
		if (section->sh_type == SHT_SYMTAB && !table)
			table = section;
		if (section->sh_type == SHT_SYMTAB || section->sh_type == SHT_STRTAB)
			continue;
		if (!(section->sh_flags & SHF_ALLOC)) {
			/* The kernel took the flag away, since every processor has a copy elsewhere. */
			if (module->percpu_size && percpu == SHN_UNDEF &&
			    !strcmp(names + section->sh_name, ".data..percpu"))
				percpu = i;
			continue;
		}
		if (section->sh_addr != steer->sections[i])
			return found(steer, RELOBOX_FOUND_SECTION, i, steer->sections[i], section->sh_addr);
	}
	if (!table)
		return found(steer, RELOBOX_FOUND_COUNT, 1, steer->symbol_count, 0);
	return verify_symbols(steer, header, sections, table, percpu);
}

static bool on_finalize(struct pt_regs *regs, unsigned long *result)
{
	struct steer *steer;
	bool refuse = false;

	if (!in_task() || list_empty(&armed))
		return false;
	raw_spin_lock(&lock);
	steer = armed_by(current);
	if (steer && steer->state != DECIDED) {
		steer->found.verified = steer->state == LOADING &&
			verify(steer, (void *)regs_get_kernel_argument(regs, 0),
			       (void *)regs_get_kernel_argument(regs, 1),
			       (void *)regs_get_kernel_argument(regs, 2));
		steer->state = DECIDED;
		refuse = !steer->found.verified;
	}
	raw_spin_unlock(&lock);
	*result = -ENOEXEC;
	return refuse;
}

/* load_module() begins (and is worth a look at its end), or ends, in the armed thread. */
static int step(enum state from, enum state to)
{
	struct steer *steer;
	int other = 1;

	if (list_empty(&armed))
		return other;
	raw_spin_lock(&lock);
	steer = armed_by(current);
	if (steer && steer->state == from) {
		steer->state = to;
		other = 0;
	}
	raw_spin_unlock(&lock);
	return other;
}

static int on_load(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	return step(WAITING, LOADING);
}

static int on_loaded(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	step(LOADING, DECIDED);
	return 0;
}

/* If all instances are in use a load stays unseen; then its first allocation fails. */
static struct kretprobe load = {
	.kp.symbol_name = "load_module",
	.entry_handler = on_load,
	.handler = on_loaded,
	.maxactive = 64,
};

/* Where a hooked function goes on that is not to run. */
static noinline notrace void nothing(void)
{
	barrier();
}

struct hook {
	const char *name;
	bool (*instead)(struct pt_regs *regs, unsigned long *result);
	struct ftrace_ops ops;
	struct kprobe probe;
	unsigned long address;
	char code[16]; /* found there before */
};

static bool redirect(struct hook *hook, struct pt_regs *regs)
{
	unsigned long result;

	if (!hook->instead(regs, &result))
		return false;
	regs_set_return_value(regs, result);
	instruction_pointer_set(regs, (unsigned long)nothing);
	return true;
}

static int on_probe(struct kprobe *probe, struct pt_regs *regs)
{
	return redirect(container_of(probe, struct hook, probe), regs);
}

/* That there is one keeps the probe from being optimised into a jump, which cannot redirect. */
static void after_probe(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct hook all[] = {
	{ .name = ALLOCATOR, .instead = on_allocate },
	{ .name = PERCPU, .instead = on_percpu },
	{ .name = "module_finalize", .instead = on_finalize },
};

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_REGS
static void notrace on_trace(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			     struct ftrace_regs *traced)
{
	struct pt_regs *regs = ftrace_get_regs(traced);

	if (regs)
		redirect(container_of(ops, struct hook, ops), regs);
}

static int hook_by_ftrace(struct hook *hook)
{
	int err;

	hook->ops.func = on_trace;
	/* PERMANENT: kernel.ftrace_enabled cannot take it away. */
	hook->ops.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_RECURSION |
			  FTRACE_OPS_FL_PERMANENT;
	err = ftrace_set_filter_ip(&hook->ops, hook->address, 0, 0);
	return err ?: register_ftrace_function(&hook->ops);
}

static void unhook_ftrace(struct hook *hook)
{
	unregister_ftrace_function(&hook->ops);
	ftrace_free_filter(&hook->ops);
}
#else
static int hook_by_ftrace(struct hook *hook)
{
	return -EOPNOTSUPP;
}

static void unhook_ftrace(struct hook *hook)
{
}
#endif

static int hook_by_kprobe(struct hook *hook)
{
	hook->probe.symbol_name = hook->name;
	hook->probe.pre_handler = on_probe;
	hook->probe.post_handler = after_probe;
	return register_kprobe(&hook->probe);
}

static void unhook_kprobe(struct hook *hook)
{
	unregister_kprobe(&hook->probe);
	hook->probe = (struct kprobe){}; /* so that it can be registered again */
}

static int hook_all(int (*hook)(struct hook *hook), void (*unhook)(struct hook *hook))
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		err = hook(&all[i]);
		if (err) {
			pr_info("cannot hook %s: %d\n", all[i].name, err);
			while (i--)
				unhook(&all[i]);
			return err;
		}
	}
	return 0;
}

static void unhook_all(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (!strcmp(steer_hooks, "ftrace"))
			unhook_ftrace(&all[i]);
		else
			unhook_kprobe(&all[i]);
}

/* A hooked function begins with other bytes. All kprobes of a system can be switched off. */
static bool hooked(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (!memcmp(all[i].code, (void *)all[i].address, sizeof(all[i].code)))
			return false;
	return true;
}

void steer_init(void)
{
	bool any = !strcmp(hooks, "auto");
	unsigned int i;

	if (LAYOUT == RELOBOX_LAYOUT_NONE) {
		steer_reason = "steered loads were never tested on this kernel and architecture";
		return;
	}
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		all[i].address = kernel_lookup(all[i].name);
		if (!all[i].address) {
			steer_reason = "a function that must be hooked is not in kallsyms";
			return;
		}
		memcpy(all[i].code, (void *)all[i].address, sizeof(all[i].code));
	}
	if ((any || !strcmp(hooks, "ftrace")) && !hook_all(hook_by_ftrace, unhook_ftrace))
		steer_hooks = "ftrace";
	else if ((any || !strcmp(hooks, "kprobe")) && !hook_all(hook_by_kprobe, unhook_kprobe))
		steer_hooks = "kprobe";
	else
		steer_reason = "the module loader cannot be hooked; see the kernel's log";
	if (steer_hooks[0] && register_kretprobe(&load)) {
		unhook_all();
		steer_hooks = "";
		steer_reason = "load_module cannot be probed";
	}
}

void steer_exit(void)
{
	if (steer_hooks[0]) {
		unregister_kretprobe(&load);
		unhook_all();
	}
}

static void steer_free(struct steer *steer)
{
	unsigned int i;

	/* What was taken is the kernel's, even if the load failed. */
	for (i = steer->taken; i < steer->count; i++)
		area_free(&steer->areas[i]);
	if (!IS_ERR(steer->sections))
		kvfree(steer->sections);
	if (!IS_ERR(steer->symbols))
		kvfree(steer->symbols);
	put_task_struct(steer->task);
	kfree(steer);
}

long steer_arm(struct session *session, const struct relobox_arm *arm)
{
	struct steer *steer;
	unsigned int i, flat = 0;
	long err;

	if (LAYOUT == RELOBOX_LAYOUT_NONE || steer_reason[0])
		return -EOPNOTSUPP;
	if (session->steer)
		return -EBUSY;
	/* An e_shnum of 16 bits is all that the kernel reads. */
	if (!arm->section_count || arm->section_count > U16_MAX || !arm->symbol_count ||
	    arm->symbol_count > SYMBOLS_MAX)
		return -EINVAL;
	if (!hooked())
		return -ENODEV;
	steer = kzalloc(sizeof(*steer), GFP_KERNEL);
	if (!steer)
		return -ENOMEM;
	steer->task = get_task_struct(current);
	steer->section_count = arm->section_count;
	steer->symbol_count = arm->symbol_count;
	steer->sections = vmemdup_user(u64_to_user_ptr(arm->sections), arm->section_count * sizeof(u64));
	steer->symbols = vmemdup_user(u64_to_user_ptr(arm->symbols), arm->symbol_count * sizeof(u64));
	err = PTR_ERR_OR_ZERO(steer->sections) ?: PTR_ERR_OR_ZERO(steer->symbols);
	if (err)
		goto undo;
	for (i = 0; i < session->count; i++)
		if (session->areas[i].kind == RELOBOX_KIND_FLAT)
			flat++;
	err = -EINVAL;
	if (flat == session->count)
		goto undo;

	raw_spin_lock(&lock);
	err = armed_by(current) ? -EBUSY : 0;
	if (!err) {
		for (i = 0, flat = 0; i < session->count; i++)
			if (session->areas[i].kind == RELOBOX_KIND_FLAT)
				session->areas[flat++] = session->areas[i];
			else
				steer->areas[steer->count++] = session->areas[i];
		list_add(&steer->list, &armed);
		session->count = flat;
		session->steer = steer;
	}
	raw_spin_unlock(&lock);
	if (!err)
		return 0;
undo:
	steer_free(steer);
	return err;
}

void steer_end(struct session *session, struct relobox_disarm *found)
{
	struct steer *steer = session->steer;
	bool busy;

	/*
	 * Another thread's load is not left alone between its first area and the comparison: it would go on with
	 * areas of the kernel's choice. No code of the module runs before that, so this does not take long.
	 */
	for (;;) {
		raw_spin_lock(&lock);
		busy = steer->state == LOADING && steer->task != current &&
		       !READ_ONCE(steer->task->exit_state);
		if (!busy)
			list_del(&steer->list);
		raw_spin_unlock(&lock);
		if (!busy)
			break;
		msleep(1);
	}
	*found = steer->found;
	found->taken = steer->taken;
	session->steer = NULL;
	steer_free(steer);
}
