// SPDX-License-Identifier: MIT OR Apache-2.0
/* Has data in every common section of a module, and checks them at run time. */
#define SIM_MODULE_NAME "counter"
#include "sim_module.h"

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Counts words, with data in all kinds of sections");
MODULE_DEPENDS("");

struct word {
	const char *text;
	u32 seen;
};

/* .data with pointers into .rodata */
static struct word words[] = { { "list", 0 }, { "allocate", 0 }, { "put", 0 }, { "call", 0 } };
/* .bss */
static char summary[64];
static u32 total;
/* .rodata */
static const char *const input[] = { "put", "call", "put", "list", "put" };
/* .init.data */
static u32 magic __initdata = 0x6f6c6572;
/* .data..ro_after_init */
static char *heading __ro_after_init;

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static __attribute__((noinline)) int count(const char *text)
{
	for (u32 i = 0; i < COUNT(words); i++) {
		if (strcmp(words[i].text, text) == 0) {
			total++;
			return ++words[i].seen;
		}
	}
	return -EINVAL;
}

static int __init counter_init(void)
{
	size_t used = 0;

	/* .bss is zero, and .init.data has its contents. */
	if (magic != 0x6f6c6572 || total || summary[0])
		return -EINVAL;
	heading = kstrdup("words", GFP_KERNEL);
	if (!heading)
		return -ENOMEM;
	for (u32 i = 0; i < COUNT(input); i++)
		if (count(input[i]) < 0)
			goto fail;
	for (u32 i = 0; i < COUNT(words); i++)
		used += snprintf(summary + used, sizeof(summary) - used, "%s%s=%u", i ? " " : "", words[i].text,
				 words[i].seen);
	if (strlen(summary) != used || strcmp(strrchr(summary, ' '), " call=1") != 0)
		goto fail;
	pr_info("%s: %s (%u)\n", heading, summary, total);
	return 0;
fail:
	kfree(heading);
	return -EINVAL;
}

static void __exit counter_exit(void)
{
	pr_info("%s: %u in all\n", heading, total);
	kfree(heading);
}

module_init(counter_init);
module_exit(counter_exit);
SIM_MODULE();
