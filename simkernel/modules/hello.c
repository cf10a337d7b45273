// SPDX-License-Identifier: MIT OR Apache-2.0
/* Logs a greeting: insmod hello.ko name=Roman times=2 loud */
#define SIM_MODULE_NAME "hello"
#include "sim_module.h"

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Greets");
MODULE_DEPENDS("");

static char *name = "world";
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "who is greeted");

static int times = 1;
module_param(times, int, 0444);
MODULE_PARM_DESC(times, "how often");

static bool loud;
module_param(loud, bool, 0444);
MODULE_PARM_DESC(loud, "whether to shout");

static int __init hello_init(void)
{
	if (times < 0)
		return -EINVAL;
	for (int i = 0; i < times; i++)
		pr_info("hello, %s%s\n", name, loud ? "!" : "");
	return 0;
}

static void __exit hello_exit(void)
{
	pr_info("goodbye, %s\n", name);
}

module_init(hello_init);
module_exit(hello_exit);
SIM_MODULE();
