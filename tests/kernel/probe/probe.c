// SPDX-License-Identifier: GPL-2.0
/*
 * An object for `relobox call`: no module, and compiled without a kernel's headers.
 *
 * gcc -O2 -ffreestanding -fno-pic -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
 *     -fcf-protection=branch -c probe.c
 * relobox call probe.o --function answer
 */
static const char license[] __attribute__((section(".modinfo"), used)) = "license=GPL";

/* Exported by the kernel. */
extern volatile unsigned long jiffies;
extern int _printk(const char *format, ...);
extern void msleep(unsigned int milliseconds);
extern unsigned int jiffies_to_msecs(unsigned long jiffies);
/* For GPL-compatible code only. */
extern unsigned long long ktime_get_boot_fast_ns(void);

static int written = 40;
static int zeros[2048];
/* Relocated, too: constants that have addresses. */
static int *const places[] = { &written, &zeros[2047] };

/* Constants, data, and zeros, each where the compiler thought that it is. */
int answer(void)
{
	int *const *place = places;

	/* So that the compiler does not know what it finds there. */
	__asm__("" : "+r"(place));
	*place[1] = 2;
	*place[0] += zeros[2047];
	return zeros[0] ? -1 : written;
}

/* How many of a thousand parts of a second a tick of the kernel's clock has, at most; and that the clock goes. */
int clock(void)
{
	unsigned long before = jiffies;

	msleep(50);
	return jiffies - before > 0 ? (int)jiffies_to_msecs(1) : -1;
}

int boot_seconds(void)
{
	return ktime_get_boot_fast_ns() / 1000000000;
}

int say(void)
{
	return _printk("probe: it was called\n");
}

/* Long enough to be looked at, and to be killed. */
int linger(void)
{
	msleep(5000);
	_printk("probe: it has lingered\n");
	return 5;
}

/* What must not work: this code is not writable. */
int overwrite(void)
{
	*(volatile char *)&answer = 0;
	return 1;
}

/* Nothing says that calls by pointer may come here. */
#ifdef __x86_64__
__attribute__((nocf_check))
#endif
int unmarked(void)
{
	return 6;
}
