// SPDX-License-Identifier: MIT OR Apache-2.0
/* Exports functions and a variable that math_user uses. */
#define SIM_MODULE_NAME "math_provider"
#include "sim_module.h"

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Sums and products for other modules");
MODULE_DEPENDS("");

int math_add(int a, int b);
int math_mul(int a, int b);

u64 math_calls;
EXPORT_SYMBOL(math_calls);

int math_add(int a, int b)
{
	math_calls++;
	return a + b;
}
EXPORT_SYMBOL(math_add);

int math_mul(int a, int b)
{
	math_calls++;
	return a * b;
}
EXPORT_SYMBOL_GPL(math_mul);

static int __init math_provider_init(void)
{
	pr_info("ready\n");
	return 0;
}

static void __exit math_provider_exit(void)
{
	pr_info("gone after %lu calls\n", math_calls);
}

module_init(math_provider_init);
module_exit(math_provider_exit);
SIM_MODULE();
