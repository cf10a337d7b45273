/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/relobox: what user space needs to relocate a module outside the kernel.
 *
 * Every structure has the same layout on 32-bit and 64-bit systems; addresses and buffers are __u64.
 * What was allocated through a descriptor, and is not yet part of a module, is freed when the descriptor is closed.
 */
#ifndef RELOBOX_H
#define RELOBOX_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RELOBOX_ABI 1

/* Which areas a module has, in the order in which this kernel allocates them. */
#define RELOBOX_LAYOUT_NONE 0		/* steered loads are not possible here; about.reason says why */
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
	char vermagic[128];		/* what vermagic= must say */
	char hooks[16];			/* "ftrace" or "kprobe" */
	char reason[128];		/* why layout is NONE, or empty */
};

/*
 * LIST: every module; and exported symbols: those named, whose owners (up to 256 of them) are then held until the
 * descriptor is closed, so that the addresses stay true; or without names, all of them, and nothing is held.
 * The buffer gets `modules` relobox_module, then `exports` relobox_export, then strings, each with its NUL.
 * At most 16,384 names, in at most 1 MiB: -EINVAL otherwise. -EINTR: the process is being killed.
 * `needed` is always set; with a buffer too small, or if a module came or went meanwhile, the answer is -ENOSPC; if
 * it is more than 16 MB, -E2BIG. Then nothing more is held than before.
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
	__u64 address[7];		/* by area; with CORE_INIT only the first two; 0 where there is none */
	__u64 size[7];			/* bytes */
	__u32 name;			/* offset in the buffer */
	__u32 state;			/* enum module_state: 0 live, 1 coming, 2 going, 3 unformed */
	__s32 references;		/* use count, or -1 without unloading */
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
 * ALLOCATE: all of the areas or none. FLAT areas are full of zeros and writable; the others cannot be seen before the
 * kernel takes them, and clears them. Neither an armed thread nor an armed descriptor gets any: -ENOMEM.
 */
struct relobox_area {
	__u32 kind;			/* RELOBOX_KIND_... or an enum mod_mem_type */
	__u32 reserved;
	__u64 size;			/* bytes, not 0 */
	__u64 align;			/* bytes, a power of two; for PERCPU only, others are aligned to pages */
	__u64 address;			/* out */
};

struct relobox_allocate {
	__u64 areas;			/* struct relobox_area[] */
	__u32 count;			/* at most RELOBOX_AREAS */
	__u32 reserved;
};

#define RELOBOX_AREAS 16

/* PUT: bytes into a FLAT area that is still writable. */
struct relobox_put {
	__u64 address;
	__u64 buffer;
	__u64 size;
};

/* PROTECT: a whole FLAT area, for good. */
#define RELOBOX_READ_ONLY 0
#define RELOBOX_READ_EXECUTE 1

struct relobox_protect {
	__u64 address;			/* as ALLOCATE gave it */
	__u32 protection;
	__u32 reserved;
};

/*
 * CALL: int (*)(unsigned long) at an address inside an executable FLAT area, in the calling thread, which cannot be killed
 * before it returns. Nothing is freed meanwhile; what it has started itself, nobody knows of. The kernel is tainted as by an
 * unsigned module. -ENOEXEC: it does not begin with ENDBR or BTI, and the kernel is built to have that at every function
 * that is called by pointer; -EPERM: kernel.modules_disabled cannot be seen; -EINVAL: not in executable code.
 */
struct relobox_call {
	__u64 address;
	__u64 argument;
	__s32 returned;			/* out */
	__u32 reserved;
};

/*
 * ARM: the calling thread's next finit_module(2) gets the areas of this descriptor, in the order in which they were
 * allocated and only in exactly these sizes, and goes on only if the kernel comes to the same addresses and values.
 * This holds until a load was verified, or DISARM; if something differed every load of the thread fails until then.
 * sections[i] is section i's sh_addr; those that are not in memory are not compared, nor are symbol and string tables.
 * symbols[i] is symbol i's final value, for per-CPU data the per-CPU offset; those whose section is not in memory are
 * not compared, nor is symbol 0.
 * -EBUSY: the descriptor or the thread is armed already; -ENODEV: refusals do not arrive, since the hooks were switched
 * off or something else replaces a hooked function; the areas are freed; -EINVAL: there are no areas, or a FLAT one.
 */
struct relobox_arm {
	__u64 sections;			/* __u64[] */
	__u64 symbols;			/* __u64[] */
	__u32 section_count;		/* must be the file's */
	__u32 symbol_count;		/* must be the file's */
};

/*
 * DISARM: ends it, whether it was used or not, and says what was found. Areas that were not taken are freed. -EBUSY:
 * the armed thread is another one that still lives, and nothing was verified; -EINVAL: not armed.
 * If such another thread closes the descriptor the armed one stays armed with nothing, so that its loads fail, until it
 * opens the device again.
 */
#define RELOBOX_FOUND_NOTHING 0		/* the load did not come so far, or everything agreed */
#define RELOBOX_FOUND_AREA 1		/* area `index`: asked for `found_value` bytes instead of `expected`; 0: none */
#define RELOBOX_FOUND_SECTION 2		/* section `index` is at `found_value` instead of `expected` */
#define RELOBOX_FOUND_SYMBOL 3		/* symbol `index` is `found_value` instead of `expected` */
#define RELOBOX_FOUND_COUNT 4		/* `found_value` sections (index 0) or symbols (1) instead of `expected` */

struct relobox_disarm {
	__u32 found;			/* RELOBOX_FOUND_... */
	__u32 index;
	__u64 expected;
	__u64 found_value;
	__u32 taken;			/* areas that the kernel took */
	__u32 verified;			/* 1: the kernel came to the comparison, and all agreed */
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
