// SPDX-License-Identifier: GPL-2.0
/* /dev/relobox: the file operations, the memory of a descriptor, and permissions. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#define INCLUDE_VERMAGIC /* required before the header */

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/percpu.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/vermagic.h>

#include "internal.h"

/* Debian's largest module is amdgpu with 20 MB. The limit is far below the 1 GB of x86-64's module space. */
#define AREA_MAX (128ULL << 20)

/* The device loads unsigned modules, so it does nothing where the kernel refuses them. */
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

/* Checks an area. PERCPU areas are limited to what the per-CPU allocator accepts without a warning. */
static bool sound(const struct relobox_area *area)
{
	if (area->kind == RELOBOX_KIND_PERCPU)
		return area->size && area->size <= PCPU_MIN_UNIT_SIZE && area->align <= PAGE_SIZE &&
		       is_power_of_2(area->align);
	return area->size && area->size <= AREA_MAX &&
	       (area->kind < 7 || area->kind == RELOBOX_KIND_FLAT);
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
		area->reserved = FLAT_WRITABLE;
		err = -EINVAL;
		if (!sound(area))
			break;
		err = -ENOMEM;
		area->address = (unsigned long)allocate(area);
		if (!area->address)
			break;
		err = 0;
		session->count++;
		if (area->kind == RELOBOX_KIND_FLAT) /* the kernel clears all other kinds */
			memset((void *)area->address, 0, area->size);
	}
	if (!err && copy_to_user(user, &session->areas[before], request->count * sizeof(*area)))
		err = -EFAULT;
	if (err)
		free_areas(session, before);
	return err;
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

	/* Checked again, because a descriptor can be passed to another process. */
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
	/* LIST returns the required size with its error. */
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

static int __init relobox_init(void)
{
	int err = lookup_init() ?: list_init();

	if (err)
		return err;
	steer_init();
	err = misc_register(&relobox_device);
	if (err)
		steer_exit();
	else
		steer_begin();
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
