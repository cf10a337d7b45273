/* An object that is linked: a call, an address, and data of zeros. */

extern int printk(const char *format, ...);

static long numbers[4] = { 1, 2, 3, 4 };
long *address_of_numbers __attribute__((section(".data.pointer"))) = numbers;
long zeros[8];

static const char modinfo[] __attribute__((section(".modinfo"), used)) = "license=GPL\0name=sample\0vermagic=1.2.3 SMP";

int sample(void)
{
	return printk("sample\n") + 1;
}
