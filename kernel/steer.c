// SPDX-License-Identifier: GPL-2.0
/*
 * Steered loads: the armed thread's load_module() gets areas that were allocated before, and goes on past
 * module_finalize() only if it came to the addresses and values that the module was relocated for.
 *
 * Whatever goes wrong here fails the load. A relocated module at another address must never run.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/elf.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

/* amdgpu has 44,000 symbols. They are compared without a pause, so this bounds the latency as well. */
#define SYMBOLS_MAX (1U << 18)

static char *hooks = "auto";
module_param(hooks, charp, 0444);
MODULE_PARM_DESC(hooks, "How loads are steered: ftrace, kprobe or auto");

const char *steer_reason = "", *steer_hooks = "";

/*
 * Sessions whose load is not verified yet: their threads get their areas or nothing. No interrupt allocates modules'
 * memory, so none takes the lock. Hooks must not ask for in_task(): a breakpoint counts as an NMI.
 */
static DEFINE_RAW_SPINLOCK(lock);
static LIST_HEAD(armed);

/* What this thread is armed with; then the lock is taken. */
static struct session *lock_armed(void)
{
	struct session *session;

	if (list_empty(&armed))
		return NULL;
	raw_spin_lock(&lock);
	list_for_each_entry(session, &armed, armed)
		if (session->task == current)
			return session;
	raw_spin_unlock(&lock);
	return NULL;
}

bool steer_armed(void)
{
	bool yes = lock_armed();

	if (yes)
		raw_spin_unlock(&lock);
	return yes;
}

/* From here on the session's thread gets nothing. What was found first is what is told. */
static bool refuse(struct session *session, u32 what, u32 index, u64 expected, u64 value)
{
	if (session->found.found == RELOBOX_FOUND_NOTHING) {
		session->found.found = what;
		session->found.index = index;
		session->found.expected = expected;
		session->found.found_value = value;
	}
	return false;
}

/* The next area, if that is what the kernel wants; otherwise NULL, which fails the load. */
static bool take(bool percpu, size_t size, size_t align, unsigned long *result)
{
	struct session *session = lock_armed();
	struct relobox_area *area;
	u32 taken;

	if (!session)
		return false;
	taken = session->found.taken;
	area = taken < session->count ? &session->areas[taken] : NULL;
	*result = 0;
	if (!area || area->size != size || (area->kind == RELOBOX_KIND_PERCPU) != percpu ||
	    (percpu && align > area->align)) {
		refuse(session, RELOBOX_FOUND_AREA, taken, area ? area->size : 0, size);
	} else if (session->found.found == RELOBOX_FOUND_NOTHING) {
		*result = area->address;
		session->found.taken++;
	}
	raw_spin_unlock(&lock);
	return true;
}

/* module_alloc(size) or execmem_alloc(type, size) */
static bool on_allocate(struct pt_regs *regs, unsigned long *result)
{
	return take(false, regs_get_kernel_argument(regs, SIX_12), 0, result);
}

/* Both have (size, align); the newer one then `reserved`, which only modules want. */
static bool on_percpu(struct pt_regs *regs, unsigned long *result)
{
	if (SIX_12 && !(u8)regs_get_kernel_argument(regs, 2))
		return false;
	return take(true, regs_get_kernel_argument(regs, 0), regs_get_kernel_argument(regs, 1), result);
}

static bool verify_symbols(struct session *session, const Elf_Ehdr *header, const Elf_Shdr *sections,
			   const Elf_Shdr *table, u32 percpu)
{
	const Elf_Sym *symbol = (void *)table->sh_addr;
	u64 count = table->sh_size / sizeof(*symbol), i;
	u32 in;

	if (count != session->arm.symbol_count)
		return refuse(session, RELOBOX_FOUND_COUNT, 1, session->arm.symbol_count, count);
	for (i = 1; i < count; i++) {
		in = symbol[i].st_shndx;
		/* Others are at home in the copy of the file that the kernel throws away. */
		if (in != SHN_UNDEF && in != SHN_ABS && in != percpu &&
		    (in >= header->e_shnum || !(sections[in].sh_flags & SHF_ALLOC)))
			continue;
		if (symbol[i].st_value != session->symbols[i])
			return refuse(session, RELOBOX_FOUND_SYMBOL, i, session->symbols[i],
				      symbol[i].st_value);
	}
	return true;
}

static bool verify(struct session *session, const Elf_Ehdr *header, const Elf_Shdr *sections,
		   const struct module *module)
{
	const Elf_Shdr *strings = &sections[header->e_shstrndx];
	const char *names = (const char *)header + strings->sh_offset;
	u32 i, percpu = SHN_UNDEF, taken = session->found.taken;
	const Elf_Shdr *section, *table = NULL;

	if (taken < session->count)
		return refuse(session, RELOBOX_FOUND_AREA, taken, session->areas[taken].size, 0);
	if (header->e_shnum != session->arm.section_count)
		return refuse(session, RELOBOX_FOUND_COUNT, 0, session->arm.section_count,
			      header->e_shnum);
	for (i = 1; i < header->e_shnum; i++) {
		section = &sections[i];
		/* The kernel puts both tables where it likes; no relocation can depend on it. */
		if (section->sh_type == SHT_SYMTAB && !table)
			table = section;
		if (section->sh_type == SHT_SYMTAB || section->sh_type == SHT_STRTAB)
			continue;
		/* The kernel took its flag away, since every processor has a copy elsewhere. It checks others' names only. */
		if (!(section->sh_flags & SHF_ALLOC) && module->percpu_size && percpu == SHN_UNDEF &&
		    section->sh_name < strings->sh_size && !strcmp(names + section->sh_name, ".data..percpu"))
			percpu = i;
		if ((section->sh_flags & SHF_ALLOC) && section->sh_addr != session->sections[i])
			return refuse(session, RELOBOX_FOUND_SECTION, i, session->sections[i],
				      section->sh_addr);
	}
	if (!table)
		return refuse(session, RELOBOX_FOUND_COUNT, 1, session->arm.symbol_count, 0);
	return verify_symbols(session, header, sections, table, percpu);
}

static bool on_finalize(struct pt_regs *regs, unsigned long *result)
{
	struct session *session = lock_armed();
	bool good;

	if (!session)
		return false;
	good = session->found.found == RELOBOX_FOUND_NOTHING &&
	       verify(session, (void *)regs_get_kernel_argument(regs, 0),
		      (void *)regs_get_kernel_argument(regs, 1),
		      (void *)regs_get_kernel_argument(regs, 2));
	if (good) {
		session->found.verified = true;
		list_del_init(&session->armed);
	}
	raw_spin_unlock(&lock);
	*result = -ENOEXEC;
	return !good;
}

struct hook {
	const char *name;
	bool (*instead)(struct pt_regs *regs, unsigned long *result);
	struct ftrace_ops ops;
	struct kprobe probe;
};

static struct hook all[] = {
	{ .name = ALLOCATOR, .instead = on_allocate },
	{ .name = PERCPU, .instead = on_percpu },
	{ .name = "module_finalize", .instead = on_finalize },
};

/* Where a hooked function goes on that is not to run. */
static noinline notrace void nothing(void)
{
	barrier();
}

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

static void notrace on_trace(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			     struct ftrace_regs *traced)
{
	struct pt_regs *regs = ftrace_get_regs(traced);

	if (regs)
		redirect(container_of(ops, struct hook, ops), regs);
}

static bool by_ftrace;

static int hook_one(struct hook *hook)
{
	int err;

	if (!by_ftrace) {
		hook->probe = (struct kprobe){
			.symbol_name = hook->name, .pre_handler = on_probe, .post_handler = after_probe
		};
		return register_kprobe(&hook->probe);
	}
	hook->ops.func = on_trace;
	/* PERMANENT: kernel.ftrace_enabled cannot take it away. */
	hook->ops.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_RECURSION |
			  FTRACE_OPS_FL_PERMANENT;
	err = ftrace_set_filter_ip(&hook->ops, kernel_lookup(hook->name), 0, 0) ?:
	      register_ftrace_function(&hook->ops);
	if (err)
		ftrace_free_filter(&hook->ops);
	return err;
}

static void unhook(struct hook *hook)
{
	if (by_ftrace) {
		unregister_ftrace_function(&hook->ops);
		ftrace_free_filter(&hook->ops);
	} else {
		unregister_kprobe(&hook->probe);
	}
}

static bool hook_all(const char *way)
{
	struct hook *hook;
	int err;

	if (strcmp(hooks, "auto") && strcmp(hooks, way))
		return false;
	by_ftrace = !strcmp(way, "ftrace");
	for (hook = all; hook < all + ARRAY_SIZE(all); hook++) {
		err = hook_one(hook);
		if (!err)
			continue;
		pr_info("cannot hook %s by %s: %d\n", hook->name, way, err);
		while (hook-- > all)
			unhook(hook);
		return false;
	}
	steer_hooks = way;
	return true;
}

void steer_init(void)
{
#ifdef CONFIG_ARM64_ERRATUM_843419
	/* The kernel keeps ADRP from the end of a page when it relocates; user space is not told to. */
	if (cpus_have_cap(ARM64_WORKAROUND_843419)) {
		steer_reason = "code must be arranged around this processor's erratum 843419";
		return;
	}
#endif
	if (!hook_all("ftrace") && !hook_all("kprobe"))
		steer_reason = "the module loader cannot be hooked; see the kernel's log";
}

void steer_exit(void)
{
	unsigned int i;

	for (i = 0; steer_hooks[0] && i < ARRAY_SIZE(all); i++)
		unhook(&all[i]);
}

/* Whether armed threads are refused memory, as long as something was found. All kprobes of a system can be switched off. */
static bool hooked(void)
{
	static const struct relobox_area page = { .kind = RELOBOX_KIND_CORE, .size = PAGE_SIZE };
	void *memory = allocate(&page);

	vfree(memory);
	return !memory;
}

long do_arm(struct session *session, void *argument)
{
	struct relobox_arm *arm = argument;
	struct relobox_disarm found;
	u64 *values;
	unsigned int i;

	if (steer_reason[0])
		return -EOPNOTSUPP;
	if (session->task || steer_armed())
		return -EBUSY;
	/* An e_shnum of 16 bits is all that the kernel reads. */
	if (!session->count || !arm->section_count || arm->section_count > U16_MAX ||
	    !arm->symbol_count || arm->symbol_count > SYMBOLS_MAX)
		return -EINVAL;
	for (i = 0; i < session->count; i++)
		if (session->areas[i].kind == RELOBOX_KIND_FLAT)
			return -EINVAL;
	values = kvmalloc_array(arm->section_count + arm->symbol_count, sizeof(*values), GFP_KERNEL);
	if (!values)
		return -ENOMEM;
	if (copy_from_user(values, u64_to_user_ptr(arm->sections),
			   arm->section_count * sizeof(*values)) ||
	    copy_from_user(values + arm->section_count, u64_to_user_ptr(arm->symbols),
			   arm->symbol_count * sizeof(*values))) {
		kvfree(values);
		return -EFAULT;
	}
	session->sections = values;
	session->symbols = values + arm->section_count;
	session->arm = *arm;
	session->found = (struct relobox_disarm){ .found = RELOBOX_FOUND_AREA };
	session->task = get_task_struct(current);
	raw_spin_lock(&lock);
	list_add(&session->armed, &armed);
	raw_spin_unlock(&lock);
	if (!hooked()) {
		do_disarm(session, &found);
		return -ENODEV;
	}
	session->found.found = RELOBOX_FOUND_NOTHING;
	return 0;
}

/* Whether the armed thread has no load any more that must be refused. Under the lock. */
static bool is_over(const struct session *session)
{
	return session->found.verified || session->task == current ||
	       (READ_ONCE(session->task->flags) & PF_EXITING);
}

/* What was taken is the kernel's, even if the load failed. */
static void free_rest(struct session *session)
{
	free_areas(session, session->found.taken);
	session->count = session->found.taken = 0;
	kvfree(session->sections);
	session->sections = NULL;
}

long do_disarm(struct session *session, void *argument)
{
	bool over;

	if (!session->task)
		return -EINVAL;
	raw_spin_lock(&lock);
	over = is_over(session);
	if (over)
		list_del_init(&session->armed);
	raw_spin_unlock(&lock);
	/* The thread may be loading: left alone it would get areas of the kernel's choice. */
	if (!over)
		return -EBUSY;
	put_task_struct(session->task);
	session->task = NULL;
	*(struct relobox_disarm *)argument = session->found;
	free_rest(session);
	return 0;
}

/* A thread whose descriptor another one closed stays armed with nothing; and so the device stays, too. */
void steer_close(struct session *session)
{
	struct relobox_disarm found;

	raw_spin_lock(&lock);
	refuse(session, RELOBOX_FOUND_AREA, 0, 0, 0);
	raw_spin_unlock(&lock);
	free_rest(session);
	if (do_disarm(session, &found) == -EBUSY) {
		__module_get(THIS_MODULE);
		smp_store_release(&session->closed, true); /* the last that is done with it */
	} else {
		kfree(session);
	}
}

/* Until that thread opens the device again, or is dead when somebody else does. */
void steer_bury(void)
{
	struct session *session, *next;
	LIST_HEAD(over);

	raw_spin_lock(&lock);
	list_for_each_entry_safe(session, next, &armed, armed)
		if (smp_load_acquire(&session->closed) && is_over(session))
			list_move(&session->armed, &over);
	raw_spin_unlock(&lock);
	list_for_each_entry_safe(session, next, &over, armed) {
		put_task_struct(session->task);
		kfree(session);
		module_put(THIS_MODULE);
	}
}
