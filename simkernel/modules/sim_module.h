/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The definitions for a small module. Its object file has the layout of a Linux 6.1 module for x86-64.
 *
 * Define SIM_MODULE_NAME before including this. Compile with
 *   cc -c -O2 -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mno-sse -fno-asynchronous-unwind-tables
 *      -fcf-protection=none -fno-stack-protector hello.c -o hello.ko
 */
#ifndef SIM_MODULE_H
#define SIM_MODULE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef signed char s8;
typedef __SIZE_TYPE__ size_t;
#ifndef __bool_true_false_are_defined
#define __bool_true_false_are_defined 1
typedef _Bool bool;
#define true 1
#define false 0
#endif
#define NULL ((void *)0)

#define ENOMEM 12
#define ENODEV 19
#define EINVAL 22

/* ---- Sections with a life time of their own ---- */

#define __init __attribute__((section(".init.text")))
#define __exit __attribute__((section(".exit.text")))
#define __initdata __attribute__((section(".init.data")))
#define __ro_after_init __attribute__((section(".data..ro_after_init")))

/* ---- .modinfo: "tag=value" strings ---- */

#define SIM_JOIN_(a, b) a##b
#define SIM_JOIN(a, b) SIM_JOIN_(a, b)
#define MODULE_INFO_TEXT(text)                                                                                       \
	static const char SIM_JOIN(sim_modinfo_, __COUNTER__)[]                                                      \
		__attribute__((used, section(".modinfo"), aligned(1))) = text

#define MODULE_LICENSE(text) MODULE_INFO_TEXT("license=" text)
#define MODULE_AUTHOR(text) MODULE_INFO_TEXT("author=" text)
#define MODULE_DESCRIPTION(text) MODULE_INFO_TEXT("description=" text)
#define MODULE_PARM_DESC(name, text) MODULE_INFO_TEXT("parm=" #name ":" text)
/* In a kernel, modpost finds the dependencies. Here, the module lists them. */
#define MODULE_DEPENDS(list) MODULE_INFO_TEXT("depends=" list)

#define SIM_VERMAGIC "6.1.0-relobox-sim SMP"
MODULE_INFO_TEXT("name=" SIM_MODULE_NAME);
MODULE_INFO_TEXT("vermagic=" SIM_VERMAGIC);

/* ---- The module itself ---- */

/*
 * The first members of struct module up to its name, whose offset is 24 in every configuration, and then init and exit.
 * Their real offsets depend on the configuration. The relocations name init_module and cleanup_module.
 */
struct sim_this_module {
	u32 state;
	void *list[2];
	char name[56];
	int (*init)(void);
	void (*exit)(void);
} __attribute__((aligned(64)));

int init_module(void);
void cleanup_module(void);

#define module_init(function)                                                                                        \
	int init_module(void) __attribute__((alias(#function)))
#define module_exit(function)                                                                                        \
	void cleanup_module(void) __attribute__((alias(#function)))

/* Once per module, after module_init and module_exit. */
#define SIM_MODULE()                                                                                                 \
	struct sim_this_module __this_module                                                                         \
		__attribute__((used, section(".gnu.linkonce.this_module"))) = {                                      \
			.name = SIM_MODULE_NAME, .init = init_module, .exit = cleanup_module,                        \
		}

/* ---- Exports: three 32-bit distances (struct kernel_symbol), and their strings ---- */

#define SIM_EXPORT(symbol, section)                                                                                  \
	__asm__(".pushsection \"__ksymtab_strings\",\"aMS\",@progbits,1\n"                                           \
		"__kstrtab_" #symbol ": .asciz \"" #symbol "\"\n"                                                    \
		"__kstrtabns_" #symbol ": .asciz \"\"\n"                                                             \
		".popsection\n"                                                                                      \
		".pushsection \"" section "\",\"a\",@progbits\n"                                                     \
		".balign 4\n"                                                                                        \
		"__ksymtab_" #symbol ":\n"                                                                           \
		".long " #symbol " - .\n"                                                                            \
		".long __kstrtab_" #symbol " - .\n"                                                                  \
		".long __kstrtabns_" #symbol " - .\n"                                                                \
		".popsection\n")

#define EXPORT_SYMBOL(symbol) SIM_EXPORT(symbol, "__ksymtab")
#define EXPORT_SYMBOL_GPL(symbol) SIM_EXPORT(symbol, "__ksymtab_gpl")

/* ---- Parameters ---- */

struct kernel_param;

struct kernel_param_ops {
	u32 flags;
	int (*set)(const char *value, const struct kernel_param *param);
	int (*get)(char *page, const struct kernel_param *param);
	void (*free)(void *argument);
};

struct kernel_param {
	const char *name;
	struct sim_this_module *module;
	const struct kernel_param_ops *ops;
	u16 permissions;
	s8 level;
	u8 flags;
	void *argument;
};

extern const struct kernel_param_ops param_ops_int, param_ops_uint, param_ops_long, param_ops_ulong, param_ops_bool,
	param_ops_charp;
extern struct sim_this_module __this_module;

#define module_param(variable, type, mode)                                                                           \
	static const char sim_param_name_##variable[] = #variable;                                                   \
	static const struct kernel_param sim_param_##variable                                                        \
		__attribute__((used, section("__param"), aligned(8))) = {                                            \
			.name = sim_param_name_##variable,                                                           \
			.module = &__this_module,                                                                    \
			.ops = &param_ops_##type,                                                                    \
			.permissions = mode,                                                                         \
			.level = -1,                                                                                 \
			.argument = &variable,                                                                       \
		};                                                                                                   \
	MODULE_INFO_TEXT("parmtype=" #variable ":" #type)

/* ---- Exports of the kernel ---- */

#define KERN_ERR "\0013"
#define KERN_WARNING "\0014"
#define KERN_INFO "\0016"
#define KERN_CONT "\001c"

int _printk(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define printk _printk
#define pr_info(format, ...) _printk(KERN_INFO SIM_MODULE_NAME ": " format, ##__VA_ARGS__)
#define pr_err(format, ...) _printk(KERN_ERR SIM_MODULE_NAME ": " format, ##__VA_ARGS__)

#define GFP_KERNEL 0xcc0u
#define __GFP_ZERO 0x100u
void *__kmalloc(size_t size, u32 flags);
void kfree(const void *block);
char *kstrdup(const char *text, u32 flags);

static inline void *kmalloc(size_t size, u32 flags)
{
	return __kmalloc(size, flags);
}

static inline void *kzalloc(size_t size, u32 flags)
{
	return __kmalloc(size, flags | __GFP_ZERO);
}

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
char *strrchr(const char *text, int c);
long strscpy(char *to, const char *from, size_t size);
int snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
