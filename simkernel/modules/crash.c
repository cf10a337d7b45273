// SPDX-License-Identifier: MIT OR Apache-2.0
/* Writes through a null pointer, which kills the simulated kernel. */
#define SIM_MODULE_NAME "crash"
#include "sim_module.h"

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Crashes the kernel");
MODULE_DEPENDS("");

static int __init crash_init(void)
{
	volatile int *nowhere = NULL;

	pr_info("about to write to address 0\n");
	*nowhere = 1;
	return 0;
}

static void __exit crash_exit(void)
{
}

module_init(crash_init);
module_exit(crash_exit);
SIM_MODULE();
