/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/relobox: lets user space relocate a module outside of the kernel.
 *
 * Every structure has the same layout on 32-bit and 64-bit systems; addresses and buffers are __u64.
 * Memory that was allocated through a descriptor is freed when the descriptor is closed, unless it belongs to a module.
 */
#ifndef RELOBOX_H
#define RELOBOX_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RELOBOX_ABI 1

/* The areas of a module, in the order in which this kernel allocates them. */
#define RELOBOX_LAYOUT_NONE 0		/* steered loads are not possible; see about.reason */
#define RELOBOX_LAYOUT_CORE_INIT 1	/* up to 6.3: kinds CORE, INIT */
#define RELOBOX_LAYOUT_SEVEN 2		/* from 6.4: kinds 0 to 6 are enum mod_mem_type */

#define RELOBOX_KIND_CORE 0
#define RELOBOX_KIND_INIT 1
#define RELOBOX_KIND_PERCPU 16		/* one copy for each processor; the address is a per-CPU offset */
#define RELOBOX_KIND_FLAT 17		/* for PUT, PROTECT and CALL; never part of a module */

#define RELOBOX_ABOUT_KALLSYMS_ALL 1	/* the core symbol table keeps data symbols, not only functions */
#define RELOBOX_ABOUT_UNSIGNED 2	/* a module without signature may be loaded */
#define RELOBOX_ABOUT_LIST_ALL 4	/* LIST without names works */

struct relobox_about {
	__u32 abi;			/* RELOBOX_ABI */
	__u32 layout;			/* RELOBOX_LAYOUT_... */
	__u32 flags;			/* RELOBOX_ABOUT_... */
	__u32 machine;			/* e_machine */
	char release[64];		/* uname -r */
	char vermagic[128];		/* the kernel's vermagic */
	char hooks[16];			/* "ftrace" or "kprobe" */
	char reason[128];		/* the reason for LAYOUT_NONE, or empty */
};

/*
 * LIST: returns all modules, and exported symbols. With names, it returns the symbols of these names, and holds their
 * owners (at most 256) until the descriptor is closed, so that the addresses stay valid. Without names, it returns all
 * symbols, and holds nothing.
 * The buffer gets `modules` relobox_module, then `exports` relobox_export, then strings, each with its NUL.
 * -EINVAL: more than 16,384 names, or more than 1 MiB of names. -EINTR: the process is being killed.
 * `needed` is always set. -ENOSPC: the buffer is too small, or a module was loaded or removed meanwhile. -E2BIG: the
 * answer exceeds 16 MB. After an error, no more owners are held than before.
 */
struct relobox_list {
	__u64 names;			/* in: names, each with its NUL; 0 for all */
	__u64 names_size;		/* in: bytes */
	__u64 buffer;			/* in */
	__u64 size;			/* in: bytes */
	__u64 needed;			/* out: bytes */
	__u32 modules;			/* out */
	__u32 exports;			/* out */
};

struct relobox_module {
	__u64 address[7];		/* by area; with CORE_INIT only the first two; 0 if there is none */
	__u64 size[7];			/* bytes */
	__u32 name;			/* offset in the buffer */
	__u32 state;			/* enum module_state: 0 live, 1 coming, 2 going, 3 unformed */
	__s32 references;		/* use count, or -1 without CONFIG_MODULE_UNLOAD */
	__u32 reserved;
};

#define RELOBOX_EXPORT_GPL 1
#define RELOBOX_EXPORT_CRC 2		/* crc is valid */

struct relobox_export {
	__u64 address;
	__u32 name;			/* offset in the buffer */
	__u32 space;			/* offset of the namespace's name; 0: none */
	__u32 crc;
	__u32 flags;			/* RELOBOX_EXPORT_... */
	__u32 owner;			/* index of the module, or ~0 for the kernel */
	__u32 reserved;
};

/*
 * ALLOCATE: all of the areas or none. FLAT areas are zeroed and writable. Other areas cannot be accessed before the
 * kernel takes them, and it clears them. -ENOMEM: also if the thread or the descriptor is armed.
 */
struct relobox_area {
	__u32 kind;			/* RELOBOX_KIND_... or an enum mod_mem_type */
	__u32 reserved;
	__u64 size;			/* bytes, not 0 */
	__u64 align;			/* bytes, a power of two; only for PERCPU; others are aligned to pages */
	__u64 address;			/* out */
};

struct relobox_allocate {
	__u64 areas;			/* struct relobox_area[] */
	__u32 count;			/* at most RELOBOX_AREAS */
	__u32 reserved;
};

#define RELOBOX_AREAS 16

/* PUT: copies bytes into a FLAT area that is still writable. */
struct relobox_put {
	__u64 address;
	__u64 buffer;
	__u64 size;
};

/* PROTECT: protects a whole FLAT area, permanently. */
#define RELOBOX_READ_ONLY 0
#define RELOBOX_READ_EXECUTE 1

struct relobox_protect {
	__u64 address;			/* the address from ALLOCATE */
	__u32 protection;
	__u32 reserved;
};

/*
 * CALL: calls int (*)(unsigned long) in an executable FLAT area. The calling thread cannot be killed before the
 * function returns. Nothing is freed during the call, but the device does not know what the function has started. The
 * kernel is tainted as by an unsigned module. -ENOEXEC: the function does not begin with ENDBR or BTI, but the kernel
 * was built to require it at the target of an indirect call. -EPERM: the device cannot read kernel.modules_disabled.
 * -EINVAL: the address is not in executable code.
 */
struct relobox_call {
	__u64 address;
	__u64 argument;
	__s32 returned;			/* out */
	__u32 reserved;
};

/*
 * ARM: the next finit_module(2) of the calling thread gets the areas of this descriptor. It gets them in the order of
 * their allocation, only if the sizes are exactly the same, and it continues only if the kernel computes the same
 * addresses and values. The thread stays armed until a load was verified, or until DISARM. After a difference, every
 * load of the thread fails until then. sections[i] is the sh_addr of section i. Not compared: sections that are not in
 * memory, symbol and string tables. symbols[i] is the final value of symbol i; for per-CPU data, it is the per-CPU
 * offset. Not compared: symbols whose section is not in memory, and symbol 0.
 * -EBUSY: the descriptor or the thread is armed already. -ENODEV: the results of the hooks do not arrive, because the
 * hooks were switched off, or because other code replaces a hooked function; the areas are freed. -EINVAL: there are no
 * areas, or there is a FLAT one.
 */
struct relobox_arm {
	__u64 sections;			/* __u64[] */
	__u64 symbols;			/* __u64[] */
	__u32 section_count;		/* the number in the file */
	__u32 symbol_count;		/* the number in the file */
};

/*
 * DISARM: disarms the thread, whether it has loaded or not, and returns the result. Areas that were not taken are
 * freed.
 * -EBUSY: the armed thread is another one, is alive, and nothing was verified. -EINVAL: the descriptor is not armed.
 * If another thread closes the descriptor, the armed thread stays armed without areas. Its loads fail until it opens
 * the device again.
 */
#define RELOBOX_FOUND_NOTHING 0		/* the load did not reach the comparison, or everything agreed */
#define RELOBOX_FOUND_AREA 1		/* area `index`: the kernel wants `found_value` bytes instead of `expected`; 0: none */
#define RELOBOX_FOUND_SECTION 2		/* section `index` is at `found_value` instead of `expected` */
#define RELOBOX_FOUND_SYMBOL 3		/* symbol `index` is `found_value` instead of `expected` */
#define RELOBOX_FOUND_COUNT 4		/* `found_value` sections (index 0) or symbols (1) instead of `expected` */

struct relobox_disarm {
	__u32 found;			/* RELOBOX_FOUND_... */
	__u32 index;
	__u64 expected;
	__u64 found_value;
	__u32 taken;			/* areas that the kernel took */
	__u32 verified;			/* 1: the kernel reached the comparison, and all agreed */
};

#define RELOBOX_IOC_ABOUT _IOR('R', 0xb0, struct relobox_about)
#define RELOBOX_IOC_LIST _IOWR('R', 0xb1, struct relobox_list)
#define RELOBOX_IOC_ALLOCATE _IOWR('R', 0xb2, struct relobox_allocate)
#define RELOBOX_IOC_PUT _IOW('R', 0xb3, struct relobox_put)
#define RELOBOX_IOC_PROTECT _IOW('R', 0xb4, struct relobox_protect)
#define RELOBOX_IOC_CALL _IOWR('R', 0xb5, struct relobox_call)
#define RELOBOX_IOC_ARM _IOW('R', 0xb6, struct relobox_arm)
#define RELOBOX_IOC_DISARM _IOR('R', 0xb7, struct relobox_disarm)

#endif
