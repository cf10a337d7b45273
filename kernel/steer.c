// SPDX-License-Identifier: GPL-2.0
/*
 * Steered loads: load_module() in the armed thread gets areas that were allocated before. It passes module_finalize()
 * only if the kernel computed the addresses and values that the module was relocated for.
 *
 * Every error fails the load. A relocated module must never run at another address. If the parameter `strict` is set,
 * every load but a steered one fails, too.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/moduleparam.h>
#include <linux/ptrace.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

const char *steer_reason __ro_after_init = "", *steer_hooks __ro_after_init = "";

/* In force only if the hooks are; see steer_strict(). */
static bool strict;

/* amdgpu has 44,000 symbols. They are compared without a pause, so this also limits the latency. */
#define SYMBOLS_MAX (1U << 18)

/*
 * The sessions whose load is not verified yet. Their threads get their own areas or none. No interrupt allocates memory
 * of modules, so none takes the lock. Hooks must not use in_task(), because a breakpoint counts as an NMI.
 */
static DEFINE_RAW_SPINLOCK(lock);
static LIST_HEAD(armed);

/* Returns the session that armed this thread, with the lock held; or NULL, without it. */
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

/* From here on, the session's thread gets no area. The first difference is the one that is reported. */
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

/* The result that ARM expects when it tests the hooks. Only the replacements return it. */
static void *trial_answer(struct session *session)
{
	return session->trial == ANSWER ? session : NULL;
}

static int trial_error(struct session *session)
{
	return session->trial == ANSWER ? -EXDEV : -ENOEXEC;
}

/* Returns the next area if it is what the kernel asks for. Otherwise NULL, which fails the load. */
static void *take(bool percpu, size_t size, size_t align)
{
	struct session *session = lock_armed();
	struct relobox_area *area;
	void *result = NULL;
	u32 taken;

	/* The thread was armed when it was redirected, and only the thread itself changes that. */
	if (WARN_ON_ONCE(!session))
		return NULL;
	taken = session->found.taken;
	area = taken < session->count ? &session->areas[taken] : NULL;
	if (session->trial) {
		session->landed++;
		result = trial_answer(session);
	} else if (!area || area->size != size || (area->kind == RELOBOX_KIND_PERCPU) != percpu ||
		   (percpu && align > area->align)) {
		refuse(session, RELOBOX_FOUND_AREA, taken, area ? area->size : 0, size);
	} else if (session->found.found == RELOBOX_FOUND_NOTHING) {
		result = (void *)(unsigned long)area->address;
		session->found.taken++;
	}
	raw_spin_unlock(&lock);
	return result;
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
		/* Other symbols are in sections that the kernel frees with its copy of the file. */
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
		/* The kernel chooses the addresses of both tables. No relocation can depend on them. */
		if (section->sh_type == SHT_SYMTAB && !table)
			table = section;
		if (section->sh_type == SHT_SYMTAB || section->sh_type == SHT_STRTAB)
			continue;
		/* The kernel cleared its SHF_ALLOC, because each processor has a copy elsewhere. */
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

/*
 * Replacements: they run instead of a hooked function. Each is called like that function, and returns a result itself.
 * A hook could set the register of the result, but other code runs before the caller sees it: if a BPF program is
 * attached to the same function, the program's trampoline uses that register.
 */
noinline notrace void *instead_of_allocator(ALLOCATOR_ARGUMENTS)
{
	return take(false, size, 0);
}

noinline notrace void __percpu *instead_of_percpu(PERCPU_ARGUMENTS)
{
	return (void __percpu __force *)take(true, size, align);
}

noinline notrace int instead_of_finalize(FINALIZE_ARGUMENTS)
{
	struct session *session = lock_armed();
	int err = -ENOEXEC;

	/* Refused by `strict`: on_finalize() has said so, since this must be over when the device is unloaded. */
	if (!session)
		return -EPERM;
	if (session->trial) {
		session->landed++;
		err = trial_error(session);
	}
	raw_spin_unlock(&lock);
	return err;
}

/* Hooks: they return true if the function must not run. */
bool on_allocate(struct pt_regs *regs)
{
	return steer_armed();
}

/* Of the newer function, only modules set `reserved`, its third argument. */
bool on_percpu(struct pt_regs *regs)
{
	return (!SIX_12 || (u8)regs_get_kernel_argument(regs, 2)) && steer_armed();
}

bool on_finalize(struct pt_regs *regs)
{
	struct session *session = lock_armed();
	const struct module *module;
	bool good;

	if (!session) {
		if (!READ_ONCE(strict))
			return false;
		module = (void *)regs_get_kernel_argument(regs, 2);
		pr_notice_ratelimited("%s was not linked by relobox: refused\n", module->name);
		return true;
	}
	good = !session->trial && session->found.found == RELOBOX_FOUND_NOTHING &&
	       verify(session, (void *)regs_get_kernel_argument(regs, 0),
		      (void *)regs_get_kernel_argument(regs, 1),
		      (void *)regs_get_kernel_argument(regs, 2));
	/* Only the function itself runs after this. Nothing of this device does, so it can be unloaded. */
	if (good) {
		session->found.verified = true;
		list_del_init(&session->armed);
	}
	raw_spin_unlock(&lock);
	return !good;
}

/*
 * Switches `strict`. A thread that is not armed can then run a replacement, so the device cannot be unloaded while it is
 * on, nor before every such thread has left the replacement.
 */
static int steer_strict(bool on)
{
	if (on == strict)
		return 0;
	if (on && steer_reason[0])
		return -EOPNOTSUPP;
	if (on)
		__module_get(THIS_MODULE);
	WRITE_ONCE(strict, on);
	if (!on) {
		synchronize_rcu_tasks();
		module_put(THIS_MODULE);
	}
	pr_notice("modules that relobox did not link are %s\n", on ? "refused from now on" : "allowed again");
	return 0;
}

/* What the command line of the module, or modprobe.d, wants: there are no hooks yet. */
static bool strict_wanted, steer_ready;

static int strict_set(const char *value, const struct kernel_param *parameter)
{
	bool on;
	int err = kstrtobool(value, &on);

	if (err)
		return err;
	if (!capable(CAP_SYS_MODULE))
		return -EPERM;
	if (steer_ready)
		return steer_strict(on);
	strict_wanted = on;
	return 0;
}

static const struct kernel_param_ops strict_ops = { .set = strict_set, .get = param_get_bool };
module_param_cb(strict, &strict_ops, &strict, 0600);
MODULE_PARM_DESC(strict, "Refuse every module that relobox did not relocate");

void __init steer_begin(void)
{
	steer_ready = true;
	if (strict_wanted && steer_strict(true))
		pr_err("strict is not possible: %s\n", steer_reason);
}

static bool try_allocate(struct session *session, const struct relobox_area *area)
{
	unsigned int landed = session->landed;
	void *memory = allocate(area);

	if (session->landed != landed)
		return memory == trial_answer(session);
	/* The function itself ran, so this is memory. */
	if (area->kind == RELOBOX_KIND_PERCPU)
		free_percpu((void __percpu __force *)memory);
	else
		vfree(memory);
	return false;
}

static bool try_finalize(struct session *session)
{
	/* The arguments for the case that the function itself runs: a file without sections, for no module. */
	struct {
		Elf_Ehdr header;
		Elf_Shdr section;
		struct module module;
	} *nothing = kzalloc(sizeof(*nothing), GFP_KERNEL);
	unsigned int landed = session->landed;
	int err = -ENOMEM;

	if (nothing)
		err = static_call(kernel_finalize)(&nothing->header, &nothing->section, &nothing->module);
	kfree(nothing);
	return session->landed != landed && err == trial_error(session);
}

/*
 * True if the results of the replacements arrive, both an error and a value, from each hooked function. They do not if
 * the hooks were switched off, as all kprobes of a system can be, or if code between the caller and the replacement
 * changes the result.
 */
static bool hooked(struct session *session)
{
	static const struct relobox_area page = { .kind = RELOBOX_KIND_CORE, .size = PAGE_SIZE },
		percpu = { .kind = RELOBOX_KIND_PERCPU, .size = sizeof(u64), .align = sizeof(u64) };
	static const int trials[] = { REFUSE, ANSWER };
	bool good = true;
	unsigned int i;

	for (i = 0; good && i < ARRAY_SIZE(trials); i++) {
		session->trial = trials[i];
		good = try_allocate(session, &page) && try_allocate(session, &percpu) && try_finalize(session);
	}
	return good;
}

/* Arms this thread, and tests the hooks. */
static bool arm_and_try(struct session *session)
{
	bool good;

	session->landed = 0;
	session->trial = REFUSE;
	session->task = get_task_struct(current);
	raw_spin_lock(&lock);
	list_add(&session->armed, &armed);
	raw_spin_unlock(&lock);
	good = hooked(session);
	if (good)
		session->trial = NO_TRIAL;
	return good;
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
	/* The kernel only reads an e_shnum of 16 bits. */
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
	session->found = (struct relobox_disarm){};
	if (!arm_and_try(session)) {
		do_disarm(session, &found);
		return -ENODEV;
	}
	return 0;
}

/* True if the armed thread has no load left that must be refused. Called with the lock held. */
static bool is_over(const struct session *session)
{
	return session->found.verified || session->task == current ||
	       (READ_ONCE(session->task->flags) & PF_EXITING);
}

/* Frees the areas that the kernel did not take. It owns the others, even if the load failed. */
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
	/* The thread may be loading. If it were disarmed, it would get areas of the kernel's choice. */
	if (!over)
		return -EBUSY;
	put_task_struct(session->task);
	session->task = NULL;
	*(struct relobox_disarm *)argument = session->found;
	free_rest(session);
	return 0;
}

/* If a thread closes the descriptor of another armed thread, that thread stays armed, and the device stays loaded. */
void steer_close(struct session *session)
{
	struct relobox_disarm found;

	raw_spin_lock(&lock);
	refuse(session, RELOBOX_FOUND_AREA, 0, 0, 0);
	raw_spin_unlock(&lock);
	free_rest(session);
	if (do_disarm(session, &found) == -EBUSY) {
		__module_get(THIS_MODULE);
		smp_store_release(&session->closed, true); /* the last access to it here */
	} else {
		kfree(session);
	}
}

/* Frees closed sessions, after their thread has opened the device again or has died. */
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

/* The test of the hooks at the start of the device. */
bool steer_tried(void)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);
	bool good = false;

	if (session) {
		good = arm_and_try(session);
		raw_spin_lock(&lock);
		list_del(&session->armed);
		raw_spin_unlock(&lock);
		put_task_struct(session->task);
		kfree(session);
	}
	return good;
}
