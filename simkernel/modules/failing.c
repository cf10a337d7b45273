// SPDX-License-Identifier: MIT OR Apache-2.0
/* Its init fails, like that of a driver that finds no device. So no module can use its export. */
#define SIM_MODULE_NAME "failing"
#include "sim_module.h"

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Fails to initialise");
MODULE_DEPENDS("");

int failing_service(void);

int failing_service(void)
{
	return 1;
}
EXPORT_SYMBOL(failing_service);

static int __init failing_init(void)
{
	pr_err("no such device\n");
	return -ENODEV;
}

static void __exit failing_exit(void)
{
}

module_init(failing_init);
module_exit(failing_exit);
SIM_MODULE();
