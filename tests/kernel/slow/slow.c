// SPDX-License-Identifier: GPL-2.0
/* For tests: a module whose init takes as long, and returns what, its parameters say. */
#include <linux/delay.h>
#include <linux/module.h>

static unsigned int seconds;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "How long init takes");

static int answer;
module_param(answer, int, 0444);
MODULE_PARM_DESC(answer, "What init returns");

static char text[8];
module_param_string(text, text, sizeof(text), 0444);
MODULE_PARM_DESC(text, "At most seven characters");

static int __init slow_init(void)
{
	ssleep(seconds);
	return answer;
}

static void __exit slow_exit(void)
{
}

module_init(slow_init);
module_exit(slow_exit);
MODULE_DESCRIPTION("A module whose init takes its time");
MODULE_LICENSE("GPL");
