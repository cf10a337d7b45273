// SPDX-License-Identifier: GPL-2.0
/*
 * Hooks three functions of the kernel, with ftrace or with kprobes. A hook only decides whether the function runs, or a
 * replacement instead.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/string.h>

#include "internal.h"

static char *hooks = "auto";
module_param(hooks, charp, 0444);
MODULE_PARM_DESC(hooks, "How loads are steered: ftrace, kprobe or auto");

struct hook {
	const char *name;
	bool (*instead)(struct pt_regs *regs);
	void *stand_in;
	struct ftrace_ops ops;
	struct kprobe probe;
};

static struct hook all[] = {
	{ .name = ALLOCATOR, .instead = on_allocate, .stand_in = instead_of_allocator },
	{ .name = PERCPU, .instead = on_percpu, .stand_in = instead_of_percpu },
	{ .name = "module_finalize", .instead = on_finalize, .stand_in = instead_of_finalize },
};

static bool redirect(struct hook *hook, struct pt_regs *regs)
{
	if (!hook->instead(regs))
		return false;
	instruction_pointer_set(regs, (unsigned long)hook->stand_in);
	return true;
}

static int on_probe(struct kprobe *probe, struct pt_regs *regs)
{
	return redirect(container_of(probe, struct hook, probe), regs);
}

/* A post-handler keeps the kernel from optimising the probe into a jump, which cannot redirect. */
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

static bool by_ftrace __ro_after_init;

/*
 * A probe at a function's entry would use ftrace if the kernel has it, and a BPF program that runs after the function
 * calls the function behind that entry. So the probe is a breakpoint after ftrace's call. The arguments are still those
 * at the entry.
 */
static int __init hook_by_probe(struct hook *hook)
{
	struct kprobe entry = { .symbol_name = hook->name, .flags = KPROBE_FLAG_DISABLED };
	unsigned long address;
	int err = register_kprobe(&entry);

	if (err)
		return err;
	address = (unsigned long)entry.addr;
	if (entry.flags & KPROBE_FLAG_FTRACE)
		address += MCOUNT_INSN_SIZE;
	unregister_kprobe(&entry);
	hook->probe = (struct kprobe){
		.addr = (void *)address, .pre_handler = on_probe, .post_handler = after_probe
	};
	return register_kprobe(&hook->probe);
}

static int __init hook_one(struct hook *hook)
{
	int err;

	if (!by_ftrace)
		return hook_by_probe(hook);
	hook->ops.func = on_trace;
	/* PERMANENT: kernel.ftrace_enabled cannot disable it. */
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

static bool __init hook_all(const char *way)
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
	if (steer_tried()) {
		steer_hooks = way;
		return true;
	}
	pr_info("hooks by %s have no effect: something else redirects the same functions\n", way);
	while (hook-- > all)
		unhook(hook);
	return false;
}

void __init steer_init(void)
{
#ifdef CONFIG_ARM64_ERRATUM_843419
	/* When the kernel relocates, it avoids ADRP at the end of a page. User space is not told to do so. */
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
