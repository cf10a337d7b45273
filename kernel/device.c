// SPDX-License-Identifier: GPL-2.0
/* /dev/relobox: the descriptor, its memory, and flat code. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#define INCLUDE_VERMAGIC /* the header wants to know that it is meant */

#include <linux/cacheflush.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/percpu.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/vermagic.h>

#include "internal.h"

/* Debian's largest module is amdgpu with 20 MB; far below the 1 GB of x86-64's module space. */
#define AREA_MAX (128ULL << 20)

/* How a FLAT area is protected, in its `reserved`. */
enum { WRITABLE, SEALED, EXECUTABLE };

/* What the kernel does not export. Static calls: what nobody calls by pointer may have no ENDBR. */
#define CALLS(CALL) \
	CALL(kernel_allocate, allocator_t, ALLOCATOR) \
	CALL(kernel_percpu, percpu_t, PERCPU) \
	CALL(kernel_finalize, finalize_t, "module_finalize") \
	CALL(kernel_find_area, typeof(find_vm_area), "find_vm_area") \
	CALL(kernel_read_only, set_memory_t, "set_memory_ro") \
	CALL(kernel_executable, set_memory_t, "set_memory_x") \
	CALL(kernel_find_symbol, find_symbol_t, "find_symbol")

typedef int set_memory_t(unsigned long address, int pages);

#define DEFINE(call, type, name) DEFINE_STATIC_CALL_NULL(call, *(type *)NULL);
CALLS(DEFINE)
DEFINE_STATIC_CALL_NULL(kernel_lookup_name, kallsyms_lookup_name);
static const int *kernel_disabled __ro_after_init;

unsigned long kernel_lookup(const char *name)
{
	return static_call(kernel_lookup_name)(name);
}

/* What this device does is for loading unsigned modules, and is refused where they are. */
static bool unsigned_allowed(void)
{
	return !is_module_sig_enforced() && !security_locked_down(LOCKDOWN_MODULE_SIGNATURE);
}

static int allowed(void)
{
	if (!capable(CAP_SYS_MODULE) || (kernel_disabled && READ_ONCE(*kernel_disabled)))
		return -EPERM;
	return 0;
}

/* PERCPU areas are within what the per-CPU allocator takes without a warning. */
static bool sound(const struct relobox_area *area)
{
	if (area->kind == RELOBOX_KIND_PERCPU)
		return area->size && area->size <= PCPU_MIN_UNIT_SIZE && area->align <= PAGE_SIZE &&
		       is_power_of_2(area->align);
	return area->size && area->size <= AREA_MAX &&
	       (area->kind < 7 || area->kind == RELOBOX_KIND_FLAT);
}

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
			vfree((void *)area->address); /* the allocator's own way */
	session->count = first;
}

static long do_allocate(struct session *session, void *argument)
{
	struct relobox_allocate *request = argument;
	struct relobox_area __user *user = u64_to_user_ptr(request->areas);
	unsigned int before = session->count, end = before + request->count;
	struct relobox_area *area = &session->areas[before];
	long err = 0;

	if (session->task || steer_armed())
		return -ENOMEM;
	if (!request->count || request->count > RELOBOX_AREAS - before)
		return -EINVAL;
	if (copy_from_user(area, user, request->count * sizeof(*area)))
		return -EFAULT;
	for (; session->count < end; area++) {
		area->reserved = WRITABLE;
		err = -EINVAL;
		if (!sound(area))
			break;
		err = -ENOMEM;
		area->address = (unsigned long)allocate(area);
		if (!area->address)
			break;
		err = 0;
		session->count++;
		if (area->kind == RELOBOX_KIND_FLAT) /* others the kernel clears */
			memset((void *)area->address, 0, area->size);
	}
	if (!err && copy_to_user(user, &session->areas[before], request->count * sizeof(*area)))
		err = -EFAULT;
	if (err)
		free_areas(session, before);
	return err;
}

/* The FLAT area that has all of these bytes. */
static struct relobox_area *flat(struct session *session, u64 address, u64 size)
{
	struct relobox_area *area;

	for (area = session->areas; area < &session->areas[session->count]; area++)
		if (area->kind == RELOBOX_KIND_FLAT && address >= area->address &&
		    size <= area->size && address - area->address <= area->size - size)
			return area;
	return NULL;
}

static long do_put(struct session *session, void *argument)
{
	struct relobox_put *put = argument;
	struct relobox_area *area = flat(session, put->address, put->size);

	if (!area)
		return -EINVAL;
	if (area->reserved != WRITABLE)
		return -EACCES;
	return copy_from_user((void *)(unsigned long)put->address, u64_to_user_ptr(put->buffer),
			      put->size) ? -EFAULT : 0;
}

static long do_protect(struct session *session, void *argument)
{
	struct relobox_protect *protect = argument;
	struct relobox_area *area = flat(session, protect->address, 1);
	struct vm_struct *vm;
	int err, pages;

	if (!area || area->address != protect->address || protect->protection > RELOBOX_READ_EXECUTE)
		return -EINVAL;
	if (area->reserved != WRITABLE)
		return -EACCES;
	vm = static_call(kernel_find_area)((void *)area->address);
	if (!vm)
		return -ENOMEM;
	/* Not every allocator asks vfree() to make the pages writable again before others get them. */
	vm->flags |= VM_FLUSH_RESET_PERMS;
	area->reserved = SEALED; /* even if it fails half-way: never writable again */
	pages = PAGE_ALIGN(area->size) >> PAGE_SHIFT;
	flush_icache_range(area->address, area->address + area->size);
	err = static_call(kernel_read_only)(area->address, pages);
	if (err || protect->protection == RELOBOX_READ_ONLY)
		return err;
	err = static_call(kernel_executable)(area->address, pages);
	if (!err)
		area->reserved = EXECUTABLE;
	return err;
}

static long __nocfi do_call(struct session *session, void *argument)
{
	struct relobox_call *call = argument;
	struct relobox_area *area = flat(session, call->address, 1);
	int (*function)(unsigned long argument) = (void *)(unsigned long)call->address;
	int err;

	/* Loads ask modules_disabled themselves; for this the device must know it. */
	if (!kernel_disabled)
		return -EPERM;
	/* Security modules judge what is loaded; to them this is init_module(2). */
	err = security_kernel_load_data(LOADING_MODULE, false);
	if (err)
		return err;
	if (!area || area->reserved != EXECUTABLE)
		return -EINVAL;
	call->returned = function(call->argument);
	return 0;
}

static long do_about(struct session *session, void *argument)
{
	struct relobox_about *about = argument;

	*about = (struct relobox_about){ .abi = RELOBOX_ABI, .machine = ELF_ARCH };
	about->layout = steer_reason[0] ? RELOBOX_LAYOUT_NONE : LAYOUT;
	if (IS_ENABLED(CONFIG_KALLSYMS_ALL))
		about->flags |= RELOBOX_ABOUT_KALLSYMS_ALL;
	if (list_all)
		about->flags |= RELOBOX_ABOUT_LIST_ALL;
	if (unsigned_allowed())
		about->flags |= RELOBOX_ABOUT_UNSIGNED;
	strscpy(about->release, init_utsname()->release, sizeof(about->release));
	strscpy(about->vermagic, VERMAGIC_STRING, sizeof(about->vermagic));
	strscpy(about->hooks, steer_hooks, sizeof(about->hooks));
	strscpy(about->reason, steer_reason, sizeof(about->reason));
	return 0;
}

static const struct {
	unsigned int command;
	long (*run)(struct session *session, void *argument);
} calls[] = {
	{ RELOBOX_IOC_ABOUT, do_about },
	{ RELOBOX_IOC_LIST, do_list },
	{ RELOBOX_IOC_ALLOCATE, do_allocate },
	{ RELOBOX_IOC_PUT, do_put },
	{ RELOBOX_IOC_PROTECT, do_protect },
	{ RELOBOX_IOC_CALL, do_call },
	{ RELOBOX_IOC_ARM, do_arm },
	{ RELOBOX_IOC_DISARM, do_disarm },
};

static long relobox_ioctl(struct file *file, unsigned int command, unsigned long user)
{
	u64 argument[DIV_ROUND_UP(sizeof(struct relobox_about), sizeof(u64))]; /* the largest */
	struct session *session = file->private_data;
	long err = allowed();
	unsigned int i;

	/* Again, for a descriptor can be handed to someone else. */
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(calls) && calls[i].command != command; i++)
		;
	if (i == ARRAY_SIZE(calls))
		return -ENOTTY;
	if (command != RELOBOX_IOC_ABOUT && command != RELOBOX_IOC_DISARM && !unsigned_allowed())
		return -EPERM;
	if ((_IOC_DIR(command) & _IOC_WRITE) &&
	    copy_from_user(argument, (void __user *)user, _IOC_SIZE(command)))
		return -EFAULT;
	if (mutex_lock_interruptible(&session->lock))
		return -ERESTARTSYS;
	err = calls[i].run(session, argument);
	mutex_unlock(&session->lock);
	/* LIST says what it needs. */
	if ((!err || err == -ENOSPC) && (_IOC_DIR(command) & _IOC_READ) &&
	    copy_to_user((void __user *)user, argument, _IOC_SIZE(command)))
		return -EFAULT;
	return err;
}

static int relobox_open(struct inode *inode, struct file *file)
{
	struct session *session;
	int err = allowed();

	if (err)
		return err;
	session = kzalloc(sizeof(*session), GFP_KERNEL);
	if (!session)
		return -ENOMEM;
	mutex_init(&session->lock);
	INIT_LIST_HEAD(&session->armed);
	file->private_data = session;
	steer_bury();
	return nonseekable_open(inode, file);
}

static int relobox_release(struct inode *inode, struct file *file)
{
	struct session *session = file->private_data;

	list_let_go(session, 0);
	steer_close(session);
	return 0;
}

static const struct file_operations relobox_operations = {
	.owner = THIS_MODULE,
	.open = relobox_open,
	.release = relobox_release,
	.unlocked_ioctl = relobox_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice relobox_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "relobox",
	.fops = &relobox_operations,
	.mode = 0600,
};

static int __init find_symbols(void)
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
	return list_init();
}

static int __init relobox_init(void)
{
	int err = find_symbols();

	if (err)
		return err;
	steer_init();
	err = misc_register(&relobox_device);
	if (err)
		steer_exit();
	return err;
}

static void __exit relobox_exit(void)
{
	misc_deregister(&relobox_device);
	steer_exit();
}

module_init(relobox_init);
module_exit(relobox_exit);
MODULE_DESCRIPTION("What user space needs to relocate modules outside the kernel");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
