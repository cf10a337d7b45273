// SPDX-License-Identifier: GPL-2.0
/* /dev/relobox: the descriptor, its memory, and flat code. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#define INCLUDE_VERMAGIC /* the header wants to know that it is meant */

#include <linux/cacheflush.h>
#include <linux/capability.h>
#include <linux/elf.h>
#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/percpu.h>
#include <linux/security.h>
#include <linux/set_memory.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/vermagic.h>
#include <linux/vmalloc.h>

#include "internal.h"

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#include <linux/execmem.h>
typedef void *allocator_t(enum execmem_type type, size_t size);
#else
typedef void *allocator_t(unsigned long size);
typedef void __percpu *percpu_allocator_t(size_t size, size_t align);
DEFINE_STATIC_CALL_NULL(kernel_percpu, *(percpu_allocator_t *)NULL);
#endif

DEFINE_STATIC_CALL_NULL(kernel_lookup_name, kallsyms_lookup_name);
DEFINE_STATIC_CALL_NULL(kernel_allocate, *(allocator_t *)NULL);
DEFINE_STATIC_CALL_NULL(kernel_find_area, find_vm_area);
DEFINE_STATIC_CALL_NULL(kernel_read_only, *(set_memory_t *)NULL);
DEFINE_STATIC_CALL_NULL(kernel_executable, *(set_memory_t *)NULL);
DEFINE_STATIC_CALL_NULL(kernel_find_symbol, *(find_symbol_t *)NULL);
DEFINE_STATIC_CALL_NULL(kernel_find_module, *(find_module_t *)NULL);
struct list_head *kernel_modules;
const void *kernel_exports[4], *kernel_crcs[2];
static const int *kernel_disabled;

unsigned long kernel_lookup(const char *name)
{
	return static_call(kernel_lookup_name)(name);
}

/* What this device does is what loading an unsigned module does, and is refused with it. */
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

static void *allocate(const struct area *area)
{
	if (area->kind == RELOBOX_KIND_PERCPU) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
		return (void __force *)pcpu_alloc_noprof(area->size, area->align, true, GFP_KERNEL);
#else
		return (void __force *)static_call(kernel_percpu)(area->size, area->align);
#endif
	}
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	if (area->kind != RELOBOX_KIND_FLAT && mod_mem_type_is_data(area->kind))
		return static_call(kernel_allocate)(EXECMEM_MODULE_DATA, area->size);
	return static_call(kernel_allocate)(EXECMEM_MODULE_TEXT, area->size);
#else
	return static_call(kernel_allocate)(area->size);
#endif
}

void area_free(struct area *area)
{
	if (area->kind == RELOBOX_KIND_PERCPU)
		free_percpu((void __percpu __force *)area->address);
	else
		vfree((void *)area->address); /* the allocator's own way */
}

/* PERCPU areas are within what the per-CPU allocator takes without a warning. */
static bool sound(const struct area *area)
{
	if (!area->size || area->size > AREA_MAX)
		return false;
	if (area->kind == RELOBOX_KIND_FLAT)
		return true;
	if (LAYOUT == RELOBOX_LAYOUT_NONE)
		return false;
	if (area->kind == RELOBOX_KIND_PERCPU)
		return area->size <= PCPU_MIN_UNIT_SIZE && area->align <= PAGE_SIZE &&
		       is_power_of_2(area->align);
	return area->kind < (LAYOUT == RELOBOX_LAYOUT_SEVEN ? 7 : 2);
}

static long do_allocate(struct session *session, const struct relobox_allocate *request)
{
	struct relobox_area areas[RELOBOX_AREAS], __user *user = u64_to_user_ptr(request->areas);
	struct area *area;
	unsigned int i;
	long err;

	if (!unsigned_allowed())
		return -EPERM;
	if (!request->count || request->count > RELOBOX_AREAS - session->count)
		return -EINVAL;
	if (copy_from_user(areas, user, request->count * sizeof(*areas)))
		return -EFAULT;
	for (i = 0; i < request->count; i++) {
		area = &session->areas[session->count + i];
		*area = (struct area){
			.kind = areas[i].kind, .size = areas[i].size, .align = areas[i].align
		};
		err = -EINVAL;
		if (!sound(area))
			goto undo;
		err = -ENOMEM;
		area->address = (unsigned long)allocate(area);
		if (!area->address)
			goto undo;
		/* The kernel clears the areas that it takes. */
		if (area->kind == RELOBOX_KIND_FLAT)
			memset((void *)area->address, 0, area->size);
		areas[i].address = area->address;
	}
	err = -EFAULT;
	if (copy_to_user(user, areas, request->count * sizeof(*areas)))
		goto undo;
	session->count += request->count;
	return 0;
undo:
	while (i--)
		area_free(&session->areas[session->count + i]);
	return err;
}

/* The FLAT area that has all of these bytes. */
static struct area *flat(struct session *session, u64 address, u64 size)
{
	struct area *area;

	for (area = session->areas; area < session->areas + session->count; area++)
		if (area->kind == RELOBOX_KIND_FLAT && address >= area->address &&
		    size <= area->size && address - area->address <= area->size - size)
			return area;
	return NULL;
}

static long do_put(struct session *session, const struct relobox_put *put)
{
	struct area *area = flat(session, put->address, put->size);

	if (!area)
		return -EINVAL;
	if (area->sealed)
		return -EACCES;
	if (copy_from_user((void *)(unsigned long)put->address, u64_to_user_ptr(put->buffer), put->size))
		return -EFAULT;
	return 0;
}

static long do_protect(struct session *session, const struct relobox_protect *protect)
{
	struct area *area = flat(session, protect->address, 1);
	struct vm_struct *vm;
	int err, pages;

	if (!area || area->address != protect->address || protect->protection > RELOBOX_READ_EXECUTE)
		return -EINVAL;
	if (area->sealed)
		return -EACCES;
	vm = static_call(kernel_find_area)((void *)area->address);
	if (!vm)
		return -ENOMEM;
	/* Not every allocator asks for it: vfree() is to make the pages writable again before others get them. */
	vm->flags |= VM_FLUSH_RESET_PERMS;
	area->sealed = true; /* even if it fails half-way: never writable again */
	pages = PAGE_ALIGN(area->size) >> PAGE_SHIFT;
	flush_icache_range(area->address, area->address + area->size);
	err = static_call(kernel_read_only)(area->address, pages);
	if (!err && protect->protection == RELOBOX_READ_EXECUTE) {
		err = static_call(kernel_executable)(area->address, pages);
		area->executable = !err;
	}
	return err;
}

static long __nocfi do_call(struct session *session, struct relobox_call *call)
{
	struct area *area = flat(session, call->address, 1);
	int (*function)(unsigned long argument) = (void *)(unsigned long)call->address;

	/* Loads ask modules_disabled themselves; for this the device must know it. */
	if (!unsigned_allowed() || !kernel_disabled)
		return -EPERM;
	if (!area || !area->executable)
		return -EINVAL;
	call->returned = function(call->argument);
	return 0;
}

static void about(struct relobox_about *about)
{
	*about = (struct relobox_about){ .abi = RELOBOX_ABI, .machine = ELF_ARCH, .layout = LAYOUT };
	if (steer_reason[0])
		about->layout = RELOBOX_LAYOUT_NONE;
	if (IS_ENABLED(CONFIG_KALLSYMS_ALL))
		about->flags |= RELOBOX_ABOUT_KALLSYMS_ALL;
	if (unsigned_allowed())
		about->flags |= RELOBOX_ABOUT_UNSIGNED;
	if (kernel_exports[0])
		about->flags |= RELOBOX_ABOUT_LIST_ALL;
	strscpy(about->release, init_utsname()->release, sizeof(about->release));
	strscpy(about->vermagic, VERMAGIC_STRING, sizeof(about->vermagic));
	strscpy(about->hooks, steer_hooks, sizeof(about->hooks));
	strscpy(about->reason, steer_reason, sizeof(about->reason));
}

static long dispatch(struct session *session, unsigned int command, void __user *user)
{
	union {
		struct relobox_about about;
		struct relobox_allocate allocate;
		struct relobox_put put;
		struct relobox_protect protect;
		struct relobox_call call;
		struct relobox_arm arm;
		struct relobox_disarm disarm;
	} a;
	long err;

	if (command == RELOBOX_IOC_LIST)
		return list_ioctl(session, user);
	if (_IOC_TYPE(command) != 'R' || _IOC_SIZE(command) > sizeof(a))
		return -ENOTTY;
	if ((_IOC_DIR(command) & _IOC_WRITE) && copy_from_user(&a, user, _IOC_SIZE(command)))
		return -EFAULT;
	switch (command) {
	case RELOBOX_IOC_ABOUT:
		about(&a.about);
		err = 0;
		break;
	case RELOBOX_IOC_ALLOCATE:
		return do_allocate(session, &a.allocate);
	case RELOBOX_IOC_PUT:
		return do_put(session, &a.put);
	case RELOBOX_IOC_PROTECT:
		return do_protect(session, &a.protect);
	case RELOBOX_IOC_CALL:
		err = do_call(session, &a.call);
		break;
	case RELOBOX_IOC_ARM:
		return unsigned_allowed() ? steer_arm(session, &a.arm) : -EPERM;
	case RELOBOX_IOC_DISARM:
		if (!session->steer)
			return -EINVAL;
		steer_end(session, &a.disarm);
		err = 0;
		break;
	default:
		return -ENOTTY;
	}
	if (!err && copy_to_user(user, &a, _IOC_SIZE(command)))
		return -EFAULT;
	return err;
}

static long relobox_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct session *session = file->private_data;
	long err = allowed();

	/* Again, for a descriptor can be handed to someone else. */
	if (err)
		return err;
	if (mutex_lock_interruptible(&session->lock))
		return -ERESTARTSYS;
	err = dispatch(session, command, (void __user *)argument);
	mutex_unlock(&session->lock);
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
	file->private_data = session;
	return nonseekable_open(inode, file);
}

static int relobox_release(struct inode *inode, struct file *file)
{
	struct session *session = file->private_data;
	struct relobox_disarm found;

	if (session->steer)
		steer_end(session, &found);
	while (session->count)
		area_free(&session->areas[--session->count]);
	list_release(session);
	kfree(session);
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

/* The head of the list of modules: the one in the ring that is no module. Data need not be in kallsyms. */
static struct list_head *find_modules(void)
{
	struct list_head *head = (void *)kernel_lookup("modules");
	struct module *module = THIS_MODULE;

	rcu_read_lock_sched();
	while (!head) {
		module = list_entry_rcu(module->list.next, struct module, list);
		if (static_call(kernel_find_module)(module->name, strnlen(module->name, MODULE_NAME_LEN),
						    true) != module)
			head = &module->list;
	}
	rcu_read_unlock_sched();
	return head;
}

#define FIND(call, name) \
	({ \
		unsigned long address = kernel_lookup(name); \
		static_call_update(call, (void *)address); \
		if (!address) \
			pr_err("this kernel has no %s\n", name); \
		address != 0; \
	})

static int __init find_symbols(void)
{
	static const char *const exports[] = {
		"__start___ksymtab", "__stop___ksymtab", "__start___ksymtab_gpl", "__stop___ksymtab_gpl"
	};
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	int err = register_kprobe(&probe);
	bool all;
	int i;

	if (err) {
		pr_err("kallsyms_lookup_name cannot be found: %d\n", err);
		return err;
	}
	static_call_update(kernel_lookup_name, (void *)probe.addr);
	unregister_kprobe(&probe);

	all = FIND(kernel_allocate, ALLOCATOR);
	all &= FIND(kernel_find_area, "find_vm_area");
	all &= FIND(kernel_read_only, "set_memory_ro");
	all &= FIND(kernel_executable, "set_memory_x");
	all &= FIND(kernel_find_symbol, "find_symbol");
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	all &= FIND(kernel_percpu, "__alloc_reserved_percpu");
#endif
	all &= FIND(kernel_find_module, "find_module_all");
	if (!all)
		return -ENOENT;
	kernel_modules = find_modules();
	kernel_disabled = (void *)kernel_lookup("modules_disabled");
	for (i = 0; i < 4; i++)
		kernel_exports[i] = (void *)kernel_lookup(exports[i]);
	if (!kernel_exports[1] || !kernel_exports[2] || !kernel_exports[3])
		kernel_exports[0] = NULL;
	kernel_crcs[0] = (void *)kernel_lookup("__start___kcrctab");
	kernel_crcs[1] = (void *)kernel_lookup("__start___kcrctab_gpl");
	return 0;
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
