// SPDX-License-Identifier: GPL-2.0
/* Flat code: bytes that are copied to an area of their own, protected, and called. */
#include <linux/cacheflush.h>
#include <linux/panic.h>
#include <linux/preempt.h>
#include <linux/security.h>
#include <linux/uaccess.h>

#include "internal.h"

/* Finds the FLAT area that contains all of these bytes. */
static struct relobox_area *flat(struct session *session, u64 address, u64 size)
{
	struct relobox_area *area;

	for (area = session->areas; area < &session->areas[session->count]; area++)
		if (area->kind == RELOBOX_KIND_FLAT && address >= area->address &&
		    size <= area->size && address - area->address <= area->size - size)
			return area;
	return NULL;
}

long do_put(struct session *session, void *argument)
{
	struct relobox_put *put = argument;
	struct relobox_area *area = flat(session, put->address, put->size);

	if (!area)
		return -EINVAL;
	if (area->reserved != FLAT_WRITABLE)
		return -EACCES;
	return copy_from_user((void *)(unsigned long)put->address, u64_to_user_ptr(put->buffer),
			      put->size) ? -EFAULT : 0;
}

long do_protect(struct session *session, void *argument)
{
	struct relobox_protect *protect = argument;
	struct relobox_area *area = flat(session, protect->address, 1);
	struct vm_struct *vm;
	int err, pages;

	if (!area || area->address != protect->address || protect->protection > RELOBOX_READ_EXECUTE)
		return -EINVAL;
	if (area->reserved != FLAT_WRITABLE)
		return -EACCES;
	vm = static_call(kernel_find_area)((void *)area->address);
	if (!vm)
		return -ENOMEM;
	/* Some allocators do not make vfree() reset the permissions before the pages are reused. */
	vm->flags |= VM_FLUSH_RESET_PERMS;
	area->reserved = FLAT_SEALED; /* never writable again, even if this fails half-way */
	pages = PAGE_ALIGN(area->size) >> PAGE_SHIFT;
	flush_icache_range(area->address, area->address + area->size);
	err = static_call(kernel_read_only)(area->address, pages);
	if (err || protect->protection == RELOBOX_READ_ONLY)
		return err;
	err = static_call(kernel_executable)(area->address, pages);
	if (!err)
		area->reserved = FLAT_EXECUTABLE;
	return err;
}

/* True if an indirect call may land here. The config decides, so that all processors accept or refuse the same code. */
static bool is_target(u64 address)
{
	u32 __maybe_unused instruction = *(u32 *)(unsigned long)address;

#ifdef CONFIG_X86_KERNEL_IBT
	return instruction == 0xfa1e0ff3; /* ENDBR64 */
#elif defined(CONFIG_ARM64_BTI_KERNEL)
	/* BTI c, BTI jc, PACIASP, PACIBSP */
	return instruction == 0xd503245f || instruction == 0xd50324df || instruction == 0xd503233f ||
	       instruction == 0xd503237f;
#else
	return true;
#endif
}

/* Like the kernel after a module's init: warns about a changed context, and restores it. */
static int __nocfi run(u64 address, u64 argument)
{
	int (*function)(unsigned long argument) = (void *)(unsigned long)address;
	int count = preempt_count(), returned = function(argument);

	if (WARN(preempt_count() != count, "relobox: code returned with another preemption count\n"))
		preempt_count_set(count);
	if (WARN(irqs_disabled(), "relobox: code returned with interrupts disabled\n"))
		local_irq_enable();
	return returned;
}

/*
 * Nothing is freed during the call: areas are freed with the descriptor, which this system call holds. DISARM frees
 * none of them, because a descriptor with a FLAT area cannot be armed.
 */
long do_call(struct session *session, void *argument)
{
	struct relobox_call *call = argument;
	struct relobox_area *area = flat(session, call->address, sizeof(u32));
	int err;

	/* Loads check modules_disabled themselves. A call needs the device to check it. */
	if (!kernel_disabled)
		return -EPERM;
	/* Security modules check what is loaded. For them, this is init_module(2). */
	err = security_kernel_load_data(LOADING_MODULE, false);
	if (err)
		return err;
	if (!area || area->reserved != FLAT_EXECUTABLE)
		return -EINVAL;
	if (!is_target(call->address))
		return -ENOEXEC;
	/* The same taint as for a module without signature, for the reader of an Oops. */
	add_taint(TAINT_UNSIGNED_MODULE, LOCKDEP_STILL_OK);
	call->returned = run(call->address, call->argument);
	return 0;
}
