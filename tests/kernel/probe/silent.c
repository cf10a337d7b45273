// SPDX-License-Identifier: GPL-2.0
/* It uses what is for GPL-compatible code only, and has no licence. */
extern unsigned long long ktime_get_boot_fast_ns(void);

int silent(void)
{
	return ktime_get_boot_fast_ns() / 1000000000;
}
