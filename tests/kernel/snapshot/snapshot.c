// SPDX-License-Identifier: GPL-2.0
/*
 * For tests: copies a module's memory at the entry of module_finalize, when everything is in place and relocated, and
 * none of its code has run. /proc/relobox-snapshot has the last one: for each area its address and size (u64), then
 * its bytes.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

/* More than the largest module of a Debian kernel needs. */
#define ROOM (64UL << 20)

static char *buffer;
static size_t length;
/* Modules may be loaded at the same time; the last copy is whole. */
static DEFINE_RAW_SPINLOCK(lock);

static void add(const void *address, u64 size)
{
	u64 head[2] = { (u64)(unsigned long)address, size };

	/* A handler must not sleep, so the room is there already. */
	if (!size || length + sizeof(head) + size > ROOM)
		return;
	memcpy(buffer + length, head, sizeof(head));
	memcpy(buffer + length + sizeof(head), address, size);
	length += sizeof(head) + size;
}

static int on_finalize(struct kprobe *probe, struct pt_regs *regs)
{
	const struct module *module = (void *)regs_get_kernel_argument(regs, 2);

	raw_spin_lock(&lock);
	length = 0;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	for_each_mod_mem_type(type)
		add(module->mem[type].base, module->mem[type].size);
#else
	add(module->core_layout.base, module->core_layout.size);
	add(module->init_layout.base, module->init_layout.size);
#endif
	raw_spin_unlock(&lock);
	return 0;
}

static struct kprobe probe = { .symbol_name = "module_finalize", .pre_handler = on_finalize };

static ssize_t snapshot_read(struct file *file, char __user *to, size_t count, loff_t *position)
{
	return simple_read_from_buffer(to, count, position, buffer, length);
}

static const struct proc_ops operations = { .proc_read = snapshot_read, .proc_lseek = default_llseek };

static int __init snapshot_init(void)
{
	int err;

	buffer = vmalloc(ROOM);
	if (!buffer)
		return -ENOMEM;
	err = register_kprobe(&probe);
	if (!err && !proc_create("relobox-snapshot", 0400, NULL, &operations)) {
		unregister_kprobe(&probe);
		err = -ENOMEM;
	}
	if (err)
		vfree(buffer);
	return err;
}

static void __exit snapshot_exit(void)
{
	remove_proc_entry("relobox-snapshot", NULL);
	unregister_kprobe(&probe);
	vfree(buffer);
}

module_init(snapshot_init);
module_exit(snapshot_exit);
MODULE_DESCRIPTION("A module's memory before any of its code has run");
MODULE_LICENSE("GPL");
