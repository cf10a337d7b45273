// SPDX-License-Identifier: MIT OR Apache-2.0
/* Shared by the programs that test the device: results, system calls, memory of modules. */
#include "selftest.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct relobox_about about;
int failures;

void check(bool good, const char *format, ...)
{
	va_list arguments;

	printf("%s ", good ? "ok  " : "FAIL");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	failures += !good;
}

int device(void)
{
	int fd = open("/dev/relobox", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		perror("/dev/relobox");
		exit(1);
	}
	return fd;
}

int call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? errno : 0;
}

/* Areas of modules, without those that wait to be purged. */
static bool module_area(const char *line)
{
#if defined(__x86_64__)
	return strtoull(line, NULL, 16) >= 0xffffffff80000000 && !strstr(line, "unpurged");
#else
	return strstr(line, "load_module") || strstr(line, "move_module") || strstr(line, "[relobox]");
#endif
}

static int mapped_now(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "r");
	char line[512];
	int count = 0;

	while (file && fgets(line, sizeof(line), file))
		count += module_area(line);
	if (file)
		fclose(file);
	return count;
}

/*
 * /proc/vmallocinfo is read in pieces, and an area that is freed between two pieces hides another. So the count is
 * repeated until two results agree.
 */
static int mapped_surely(void)
{
	int tries, last, count = mapped_now();

	for (tries = 0; tries < 50; tries++) {
		usleep(20000);
		last = count;
		count = mapped_now();
		if (count == last)
			break;
	}
	return count;
}

int mapped(int at_most)
{
	int tries, count = mapped_surely();

	for (tries = 0; tries < 300 && at_most && count > at_most; tries++) {
		usleep(100000);
		count = mapped_surely();
	}
	return count;
}

__u64 allocate(int fd, __u32 kind, __u64 size, __u64 align, int *err)
{
	struct relobox_area area = { .kind = kind, .size = size, .align = align };
	struct relobox_allocate request = { .areas = (__u64)&area, .count = 1 };

	*err = call(fd, RELOBOX_IOC_ALLOCATE, &request);
	return area.address;
}

void *list(int fd, struct relobox_list *request)
{
	void *buffer;
	int err;

	request->buffer = request->size = 0;
	err = call(fd, RELOBOX_IOC_LIST, request);
	check(err == ENOSPC && request->needed, "list: %llu bytes are needed", request->needed);
	request->size = request->needed + 4096;
	buffer = malloc(request->size);
	request->buffer = (__u64)buffer;
	err = call(fd, RELOBOX_IOC_LIST, request);
	check(!err && request->needed <= request->size, "list: %u modules, %u exports", request->modules,
	      request->exports);
	return err ? NULL : buffer;
}

#if defined(__x86_64__)
/* endbr64; lea 1(%rdi), %eax; ret: an int (*)(unsigned long). */
const unsigned char code[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x8d, 0x47, 0x01, 0xc3 };
#elif defined(__aarch64__)
/* bti c; add w0, w0, #1; ret */
const unsigned char code[] = { 0x5f, 0x24, 0x03, 0xd5, 0x00, 0x04, 0x00, 0x11, 0xc0, 0x03, 0x5f, 0xd6 };
#endif
const size_t code_size = sizeof(code);
