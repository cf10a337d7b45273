// SPDX-License-Identifier: GPL-2.0
/* For tests: a live patch that replaces one of the functions that the device hooks. On 6.1 only. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/percpu.h>

/* Modules get what everybody gets; for a module without a symbol of it nothing depends on the difference. */
static void __percpu *instead(size_t size, size_t align)
{
	return __alloc_percpu(size, align);
}

static struct klp_func functions[] = { { .old_name = "__alloc_reserved_percpu", .new_func = instead }, {} };
static struct klp_object objects[] = { { .funcs = functions }, {} };
static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init replaced_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit replaced_exit(void)
{
}

module_init(replaced_init);
module_exit(replaced_exit);
MODULE_DESCRIPTION("A live patch of a function that modules are loaded with");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
