// SPDX-License-Identifier: MIT OR Apache-2.0
/* Uses the exports of math_provider, which cannot be removed while this module is loaded. */
#define SIM_MODULE_NAME "math_user"
#include "sim_module.h"

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Uses math_provider");
MODULE_DEPENDS("math_provider");

extern u64 math_calls;
int math_add(int a, int b);
int math_mul(int a, int b);

/* A pointer in data: an absolute 64-bit relocation against another module. It is volatile, so the compiler keeps it. */
static int (*volatile operation)(int a, int b) = math_mul;

static int __init math_user_init(void)
{
	int sum = math_add(40, 2);
	int product = operation(6, 7);

	pr_info("40 + 2 = %d, 6 * 7 = %d, %lu calls\n", sum, product, math_calls);
	return sum == 42 && product == 42 ? 0 : -EINVAL;
}

static void __exit math_user_exit(void)
{
	pr_info("%d\n", math_add(1, 1));
}

module_init(math_user_init);
module_exit(math_user_exit);
SIM_MODULE();
