// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Tries the device on a running kernel; needs nothing but libc.
 * selftest [EXPORT OWNER [MODULE.ko...]]: an export of a loaded module that nobody uses, and modules to load.
 *
 * The modules are loaded from their unchanged files with steered addresses: the kernel still relocates, the device
 * compares. What must be known for that, the test learns from the device's own refusals, one by one.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relobox.h"

static int failures;
static struct relobox_about about;

static void check(bool good, const char *format, ...)
{
	va_list arguments;

	printf("%s ", good ? "ok  " : "FAIL");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	failures += !good;
}

static int device(void)
{
	int fd = open("/dev/relobox", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		perror("/dev/relobox");
		exit(1);
	}
	return fd;
}

/* 0 or the error */
static int call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? errno : 0;
}

/* Modules' areas, but for those that wait to be purged. */
static bool module_area(const char *line)
{
#if defined(__x86_64__)
	return strtoull(line, NULL, 16) >= 0xffffffff80000000 && !strstr(line, "unpurged");
#else
	return strstr(line, "load_module") || strstr(line, "move_module") || strstr(line, "[relobox]");
#endif
}

static int mapped(void)
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

static __u64 allocate(int fd, __u32 kind, __u64 size, __u64 align, int *err)
{
	struct relobox_area area = { .kind = kind, .size = size, .align = align };
	struct relobox_allocate request = { .areas = (__u64)&area, .count = 1 };

	*err = call(fd, RELOBOX_IOC_ALLOCATE, &request);
	return area.address;
}

/* ---- lists ---- */

static void *list(int fd, struct relobox_list *request)
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

struct known {
	unsigned long address;
	char name[128], owner[64];
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->name, ((const struct known *)b)->name);
}

static void test_list(void)
{
	struct known *known = calloc(400000, sizeof(*known)), *k, *end, wanted;
	FILE *file = fopen("/proc/kallsyms", "r");
	unsigned int in_kernel = 0, tables = 0, wrong = 0, crcs = 0, gpl = 0, spaces = 0, i;
	struct relobox_list request = {};
	struct relobox_export *exports;
	struct relobox_module *modules;
	char line[512], type, *text;
	int fd = device();
	size_t count = 0;

	while (fgets(line, sizeof(line), file) && count < 400000) {
		k = &known[count];
		k->owner[0] = 0;
		if (sscanf(line, "%lx %c %127s [%63[^]]", &k->address, &type, k->name, k->owner) < 3)
			continue;
		if (!k->owner[0] && !strncmp(k->name, "__ksymtab_", 10))
			tables++;
		count++;
	}
	fclose(file);
	qsort(known, count, sizeof(*known), by_name);

	if (!(about.flags & RELOBOX_ABOUT_LIST_ALL)) {
		check(call(fd, RELOBOX_IOC_LIST, &request) == EOPNOTSUPP, "list: refused without names");
		close(fd);
		return;
	}
	text = list(fd, &request);
	if (!text)
		return;
	modules = (void *)text;
	exports = (void *)(modules + request.modules);
	for (i = 0; i < request.exports; i++) {
		const char *owner = exports[i].owner == ~0U ? "" : text + modules[exports[i].owner].name;

		in_kernel += exports[i].owner == ~0U;
		crcs += exports[i].flags & RELOBOX_EXPORT_CRC ? 1 : 0;
		gpl += exports[i].flags & RELOBOX_EXPORT_GPL;
		spaces += exports[i].space != 0;
		snprintf(wanted.name, sizeof(wanted.name), "%s", text + exports[i].name);
		k = bsearch(&wanted, known, count, sizeof(*known), by_name);
		for (; k && k > known && !strcmp(k[-1].name, wanted.name); k--)
			;
		for (end = known + count; k && k < end && !strcmp(k->name, wanted.name); k++)
			if (k->address == exports[i].address && !strcmp(k->owner, owner))
				break;
		if (!k || k == end || strcmp(k->name, wanted.name)) {
			if (wrong++ < 5)
				printf("  %s [%s] at %llx is not in kallsyms\n", wanted.name, owner,
				       exports[i].address);
		}
	}
	check(!wrong, "list: all exports are in kallsyms; crc %u, gpl %u, namespaces %u", crcs, gpl, spaces);
	printf("     %u exports of the kernel, %u __ksymtab_ entries in kallsyms\n", in_kernel, tables);
	for (i = 0; i < request.modules; i++)
		printf("     %s state %u, %d references, %llx+%llx\n", text + modules[i].name, modules[i].state,
		       modules[i].references, modules[i].address[0], modules[i].size[0]);
	free(text);
	close(fd);
	free(known);
}

static void test_names(const char *of_module, const char *owner)
{
	struct relobox_list request = {};
	struct relobox_module *modules;
	struct relobox_export *exports;
	char names[256], path[128];
	int fd = device(), err;
	size_t size;
	char *text;

	size = sprintf(names, "printk%c_printk%cno_such_name%c%s%c%s", 0, 0, 0, of_module, 0, of_module) + 1;
	request.names = (__u64)names;
	request.names_size = size;
	text = list(fd, &request);
	if (!text)
		return;
	modules = (void *)text;
	exports = (void *)(modules + request.modules);
	check(request.exports == 3, "names: %u found", request.exports);
	check(request.exports == 3 && exports[0].owner == ~0U && !strcmp(text + exports[0].name, "_printk"),
	      "names: _printk is the kernel's");
	check(request.exports == 3 && exports[1].owner < request.modules &&
	      !strcmp(text + modules[exports[1].owner].name, owner) &&
	      modules[exports[1].owner].references == 1 && exports[2].address == exports[1].address,
	      "names: %s is %s's, which is held once", of_module, owner);
	err = syscall(SYS_delete_module, owner, O_NONBLOCK) ? errno : 0;
	check(err == EWOULDBLOCK, "names: rmmod of the held owner: %s", strerror(err));
	close(fd);
	snprintf(path, sizeof(path), "/sys/module/%s", owner);
	err = syscall(SYS_delete_module, owner, O_NONBLOCK) ? errno : 0;
	check(!err && access(path, F_OK), "names: rmmod after close: %s", strerror(err));

	fd = device();
	request.names_size = size - 1;
	check(call(fd, RELOBOX_IOC_LIST, &request) == EINVAL, "names: unterminated is refused");
	request.names_size = 1ULL << 40;
	check(call(fd, RELOBOX_IOC_LIST, &request) == EINVAL, "names: too long is refused");
	request.names = 0x1000;
	request.names_size = 10;
	check(call(fd, RELOBOX_IOC_LIST, &request) == EFAULT, "names: a bad pointer is refused");
	free(text);
	close(fd);
}

/* ---- flat code ---- */

#if defined(__x86_64__)
/* endbr64; lea 1(%rdi), %eax; ret: what an int (*)(unsigned long) is. */
static const unsigned char code[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x8d, 0x47, 0x01, 0xc3 };
#elif defined(__aarch64__)
/* bti c; add w0, w0, #1; ret */
static const unsigned char code[] = { 0x5f, 0x24, 0x03, 0xd5, 0x00, 0x04, 0x00, 0x11, 0xc0, 0x03, 0x5f, 0xd6 };
#endif

static void test_flat(void)
{
	struct relobox_put put = { .buffer = (__u64)code, .size = sizeof(code) };
	struct relobox_protect protect = { .protection = RELOBOX_READ_EXECUTE };
	struct relobox_call run = { .argument = 41 };
	/* Where modules_disabled cannot be seen every call is refused. */
	int refused = about.flags & RELOBOX_ABOUT_KALLSYMS_ALL ? EINVAL : EPERM;
	int fd = device(), other = device(), err;
	__u64 area = allocate(fd, RELOBOX_KIND_FLAT, 5000, 0, &err);

	check(!err && area, "flat: allocate");
	put.address = area + 64;
	run.address = area + 64;
	check(!call(fd, RELOBOX_IOC_PUT, &put), "flat: put");
	check(call(fd, RELOBOX_IOC_CALL, &run) == refused, "flat: call before protect is refused");
	check(call(other, RELOBOX_IOC_PUT, &put) == EINVAL, "flat: another descriptor's area is refused");
	put.address = area + 5000 - sizeof(code) + 1;
	check(call(fd, RELOBOX_IOC_PUT, &put) == EINVAL, "flat: put past the end is refused");
	put.address = area - 1;
	check(call(fd, RELOBOX_IOC_PUT, &put) == EINVAL, "flat: put before the area is refused");
	put.address = area + 64;
	put.size = -64ULL;
	check(call(fd, RELOBOX_IOC_PUT, &put) == EINVAL, "flat: a wrapping size is refused");
	put.size = 8;
	put.buffer = 0x1000;
	check(call(fd, RELOBOX_IOC_PUT, &put) == EFAULT, "flat: a bad buffer is refused");
	/* That wrote zeros. */
	put.buffer = (__u64)code;
	check(!call(fd, RELOBOX_IOC_PUT, &put), "flat: put again");
	protect.address = area + 1;
	check(call(fd, RELOBOX_IOC_PROTECT, &protect) == EINVAL, "flat: protect inside an area is refused");
	protect.address = area;
	check(!call(fd, RELOBOX_IOC_PROTECT, &protect), "flat: protect");
	check(call(fd, RELOBOX_IOC_PUT, &put) == EACCES, "flat: put after protect is refused");
	check(call(fd, RELOBOX_IOC_PROTECT, &protect) == EACCES, "flat: protect again is refused");
	err = call(fd, RELOBOX_IOC_CALL, &run);
	if (refused == EINVAL)
		check(!err && run.returned == 42, "flat: f(41) = %d", run.returned);
	else
		check(err == EPERM, "flat: call is refused where modules_disabled cannot be seen");
	check(call(other, RELOBOX_IOC_CALL, &run) == refused, "flat: call from another descriptor is refused");
	area = allocate(fd, RELOBOX_KIND_FLAT, 4096, 0, &err);
	put = (struct relobox_put){ .address = area, .buffer = (__u64)code, .size = sizeof(code) };
	protect = (struct relobox_protect){ .address = area, .protection = RELOBOX_READ_ONLY };
	run.address = area;
	check(!call(fd, RELOBOX_IOC_PUT, &put) && !call(fd, RELOBOX_IOC_PROTECT, &protect) &&
	      call(fd, RELOBOX_IOC_CALL, &run) == refused, "flat: read-only is not executable");
	close(fd);
	close(other);
}

static void test_limits(void)
{
	struct relobox_area areas[RELOBOX_AREAS + 1];
	struct relobox_allocate request = { .areas = (__u64)areas };
	int fd = device(), err, i;
	struct relobox_disarm disarm;

	allocate(fd, RELOBOX_KIND_FLAT, 0, 0, &err);
	check(err == EINVAL, "limits: size 0");
	allocate(fd, RELOBOX_KIND_FLAT, 1ULL << 40, 0, &err);
	check(err == EINVAL, "limits: size 2^40");
	allocate(fd, RELOBOX_KIND_PERCPU, 64, 3, &err);
	check(err == EINVAL, "limits: alignment 3");
	allocate(fd, RELOBOX_KIND_PERCPU, 1 << 20, 8, &err);
	check(err == EINVAL, "limits: a megabyte for each processor");
	allocate(fd, 9, 4096, 0, &err);
	check(err == EINVAL, "limits: an unknown kind");
	for (i = 0; i <= RELOBOX_AREAS; i++)
		areas[i] = (struct relobox_area){ .kind = RELOBOX_KIND_FLAT, .size = 4096 };
	request.count = RELOBOX_AREAS + 1;
	check(call(fd, RELOBOX_IOC_ALLOCATE, &request) == EINVAL, "limits: too many areas");
	request.count = RELOBOX_AREAS;
	areas[RELOBOX_AREAS - 1].size = 0;
	check(call(fd, RELOBOX_IOC_ALLOCATE, &request) == EINVAL, "limits: all or none");
	areas[RELOBOX_AREAS - 1].size = 1;
	check(!call(fd, RELOBOX_IOC_ALLOCATE, &request), "limits: as many areas as there may be");
	request.count = 1;
	check(call(fd, RELOBOX_IOC_ALLOCATE, &request) == EINVAL, "limits: and one more");
	check(call(fd, RELOBOX_IOC_DISARM, &disarm) == EINVAL, "limits: disarm of nothing");
	check(call(fd, _IOW('R', 0xbf, int), areas) == ENOTTY, "limits: an unknown command");
	check(call(fd, _IOC(_IOC_READ, 'R', 0xb0, 16), areas) == ENOTTY, "limits: a known one of another size");
	close(fd);

	for (i = 0; i < 1000; i++) {
		fd = device();
		allocate(fd, RELOBOX_KIND_PERCPU, 1024, 64, &err);
		close(fd);
		if (err)
			break;
	}
	check(i == 1000 || about.layout == RELOBOX_LAYOUT_NONE, "limits: per-CPU space comes back");
}

/* ---- steered loads ---- */

struct learned {
	int area; /* -1: absolute */
	__u64 value;
};

struct target {
	const char *path;
	char name[64];
	int fd;
	unsigned int section_count, symbol_count, area_count;
	struct relobox_area areas[8];
	struct learned *sections, *symbols;
};

static bool open_target(struct target *target, const char *path)
{
	const char *base = strrchr(path, '/');
	struct stat status;
	Elf64_Ehdr *header;
	Elf64_Shdr *section;
	unsigned int i;

	*target = (struct target){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC) };
	if (target->fd < 0 || fstat(target->fd, &status))
		return false;
	header = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, target->fd, 0);
	section = (void *)header + header->e_shoff;
	target->section_count = header->e_shnum;
	for (i = 0; i < header->e_shnum; i++)
		if (section[i].sh_type == SHT_SYMTAB)
			target->symbol_count = section[i].sh_size / sizeof(Elf64_Sym);
	target->sections = calloc(target->section_count, sizeof(struct learned));
	target->symbols = calloc(target->symbol_count, sizeof(struct learned));
	for (i = 0; i < target->section_count; i++)
		target->sections[i].area = -1;
	for (i = 0; i < target->symbol_count; i++)
		target->symbols[i].area = -1;
	snprintf(target->name, sizeof(target->name), "%.*s", (int)strcspn(base ? base + 1 : path, "."),
		 base ? base + 1 : path);
	for (i = 0; target->name[i]; i++)
		if (target->name[i] == '-')
			target->name[i] = '_';
	munmap(header, status.st_size);
	return true;
}

static __u64 value_of(const struct target *target, const struct learned *learned)
{
	return learned->value + (learned->area < 0 ? 0 : target->areas[learned->area].address);
}

static struct learned learn(const struct target *target, __u64 value)
{
	unsigned int i;

	for (i = 0; i < target->area_count; i++)
		if (value - target->areas[i].address <= target->areas[i].size)
			return (struct learned){ i, value - target->areas[i].address };
	return (struct learned){ -1, value };
}

static int arm(int fd, struct target *target)
{
	struct relobox_allocate request = { .areas = (__u64)target->areas, .count = target->area_count };
	struct relobox_arm armed = { .section_count = target->section_count,
				     .symbol_count = target->symbol_count };
	__u64 *sections = calloc(target->section_count, 8), *symbols = calloc(target->symbol_count, 8);
	unsigned int i;
	int err = call(fd, RELOBOX_IOC_ALLOCATE, &request);

	for (i = 0; i < target->section_count; i++)
		sections[i] = value_of(target, &target->sections[i]);
	for (i = 0; i < target->symbol_count; i++)
		symbols[i] = value_of(target, &target->symbols[i]);
	armed.sections = (__u64)sections;
	armed.symbols = (__u64)symbols;
	if (!err)
		err = call(fd, RELOBOX_IOC_ARM, &armed);
	free(sections);
	free(symbols);
	return err;
}

static int load(const struct target *target)
{
	return syscall(SYS_finit_module, target->fd, "", 0) ? errno : 0;
}

static int unload(const struct target *target)
{
	return syscall(SYS_delete_module, target->name, O_NONBLOCK) ? errno : 0;
}

/* Finds the sizes, addresses and values by being refused; leaves the module loaded and the descriptor armed. */
static bool teach(int fd, struct target *target)
{
	static const __u32 kinds[] = { RELOBOX_KIND_CORE, RELOBOX_KIND_INIT, RELOBOX_KIND_PERCPU };
	struct relobox_disarm found;
	unsigned int tries, kind = 0, size_errors = 0, table_errors = 0;
	int err;

	target->area_count = 1;
	target->areas[0] = (struct relobox_area){ .kind = 0, .size = 1, .align = 64 };
	for (tries = 0; tries < 5000; tries++) {
		err = arm(fd, target);
		if (err) {
			printf("     arm: %s\n", strerror(err));
			return false;
		}
		err = load(target);
		if (!err)
			break;
		if (call(fd, RELOBOX_IOC_DISARM, &found)) {
			perror("disarm");
			return false;
		}
		if (found.found == RELOBOX_FOUND_AREA) {
			size_errors += err == ENOMEM;
			if (found.index < target->area_count) {
				target->areas[found.index].size = found.found_value;
				continue;
			}
			/* One more: on 6.1 the kinds are known, on 6.12 their order in the kernel is enough. */
			kind++;
			target->areas[found.index] = (struct relobox_area){
				.kind = about.layout == RELOBOX_LAYOUT_SEVEN ?
					(found.found_value % 4096 ? RELOBOX_KIND_PERCPU : kind) : kinds[kind],
				.size = found.found_value, .align = 64 };
			target->area_count++;
		} else if (found.found == RELOBOX_FOUND_SECTION) {
			table_errors += err == ENOEXEC && found.taken == target->area_count;
			target->sections[found.index] = learn(target, found.found_value);
		} else if (found.found == RELOBOX_FOUND_SYMBOL) {
			table_errors += err == ENOEXEC && found.taken == target->area_count;
			target->symbols[found.index] = learn(target, found.found_value);
		} else {
			printf("     load: %s, found %u\n", strerror(err), found.found);
			return false;
		}
	}
	check(!err, "%s: loaded after %u refusals, %u areas", target->name, tries, target->area_count);
	check(size_errors && table_errors && tries == size_errors + table_errors,
	      "%s: %u sizes refused with ENOMEM, %u values with ENOEXEC", target->name, size_errors, table_errors);
	return !err;
}

static bool at_given_place(int fd, const struct target *target)
{
	struct relobox_list request = { .names = (__u64)"x", .names_size = 2 };
	struct relobox_module *modules = list(fd, &request);
	bool found = false;
	unsigned int i;

	for (i = 0; modules && i < request.modules; i++)
		if (!strcmp((char *)modules + modules[i].name, target->name))
			found = modules[i].address[0] == target->areas[0].address &&
				modules[i].size[0] == target->areas[0].size && !modules[i].state;
	free(modules);
	return found;
}

/* Another thread takes the descriptor away at a random time; the load is steered and verified, or it fails. */
static void *close_soon(void *argument)
{
	long packed = (long)argument;

	for (volatile long spin = packed >> 32; spin > 0; spin--)
		;
	close((int)packed);
	return NULL;
}

static void test_race(struct target *target)
{
	int i, fd, err, loaded = 0, failed = 0, other = 0;
	pthread_t thread;

	for (i = 0; i < 300; i++) {
		fd = device();
		if (arm(fd, target))
			break;
		pthread_create(&thread, NULL, close_soon, (void *)((random() % 2000000L) << 32 | fd));
		err = load(target);
		pthread_join(thread, NULL);
		loaded += !err;
		failed += err == ENOMEM || err == ENOEXEC;
		other += err && err != ENOMEM && err != ENOEXEC;
		if (!err && unload(target))
			break;
	}
	close(device()); /* or this thread stays armed with nothing */
	check(i == 300 && !other, "closed meanwhile: %d loaded, %d refused, %d otherwise", loaded, failed, other);
}

static void test_privilege(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};
	int fd = device(), status;
	pid_t child = fork();

	if (!child) {
		if (syscall(SYS_capset, &header, none))
			_exit(1);
		if (open("/dev/relobox", O_RDWR) >= 0 || errno != EPERM)
			_exit(2);
		_exit(call(fd, RELOBOX_IOC_ABOUT, &about) == EPERM ? 0 : 3);
	}
	waitpid(child, &status, 0);
	check(!status, "without CAP_SYS_MODULE: neither open nor an inherited descriptor");
	check(syscall(SYS_delete_module, "relobox", O_NONBLOCK) && errno == EWOULDBLOCK,
	      "the device cannot be unloaded while it is open");
	close(fd);
}

/* One child for each module, all at once. */
static void test_parallel(struct target *targets, int count)
{
	struct relobox_disarm found;
	int i, j, status, fd, bad = 0;

	for (i = 0; i < count; i++) {
		if (fork())
			continue;
		for (j = 0; j < 100; j++) {
			fd = device();
			if (arm(fd, &targets[i]) || load(&targets[i]) || call(fd, RELOBOX_IOC_DISARM, &found) ||
			    !found.verified || unload(&targets[i]))
				_exit(1);
			close(fd);
			/* Plain loads in between are nobody's business. */
			if (load(&targets[i]) || unload(&targets[i]))
				_exit(2);
		}
		_exit(0);
	}
	while (wait(&status) > 0)
		bad += status != 0;
	check(!bad, "%d modules loaded in parallel, steered and plain, 100 times each", count);
}

static void *disarm_for_another(void *argument)
{
	struct relobox_disarm found;

	return (void *)(long)call(*(int *)argument, RELOBOX_IOC_DISARM, &found);
}

static void *arm_and_leave(void *argument)
{
	struct target *target = argument;
	int fd = device(), err = arm(fd, target);

	return (void *)(long)(err ? -1 : fd);
}

static void test_load(const char *path, struct target *learned)
{
	struct relobox_disarm found;
	struct relobox_arm again = {};
	struct target target;
	int fd = device(), other, err, i, before = mapped(), status;
	pthread_t thread;
	pid_t child;
	void *result;

	if (!open_target(&target, path)) {
		check(false, "cannot open %s", path);
		return;
	}
	if (!teach(fd, &target)) {
		check(false, "%s: cannot be loaded", target.name);
		goto out;
	}
	check(!call(fd, RELOBOX_IOC_DISARM, &found) && found.verified && !found.found &&
	      found.taken == target.area_count, "%s: verified", target.name);
	check(at_given_place(fd, &target), "%s: is where it was told to be", target.name);
	close(fd);
	err = unload(&target);
	check(!err, "%s: unloaded: %s", target.name, strerror(err));

	/* From here on it is known what is right, so each thing can be wrong by itself. */
	fd = device();
	check(!arm(fd, &target) && !call(fd, RELOBOX_IOC_DISARM, &found) && !found.taken && !found.verified &&
	      !found.found, "armed and disarmed");
	check(!arm(fd, &target), "armed");
	check(call(fd, RELOBOX_IOC_ARM, &again) == EBUSY, "a second ARM of a descriptor is refused");
	check(arm(fd, &target) == ENOMEM, "an armed thread cannot allocate");
	pthread_create(&thread, NULL, disarm_for_another, &fd);
	pthread_join(thread, &result);
	check((long)result == EBUSY, "another thread cannot disarm it");
	close(fd);

	fd = device();
	allocate(fd, RELOBOX_KIND_FLAT, 4096, 0, &err);
	check(!err && arm(fd, &target) == EINVAL, "with a FLAT area it cannot be armed");
	close(fd);

	fd = device();
	target.symbols[target.symbol_count - 1].value++;
	i = target.symbol_count - 1;
	err = arm(fd, &target) ?: load(&target);
	call(fd, RELOBOX_IOC_DISARM, &found);
	target.symbols[i].value--;
	check(err == ENOEXEC && found.found == RELOBOX_FOUND_SYMBOL && (int)found.index == i &&
	      found.expected == found.found_value + 1 && !found.verified, "a wrong value: %s", strerror(err));

	target.section_count++;
	target.sections = realloc(target.sections, target.section_count * sizeof(struct learned));
	target.sections[target.section_count - 1] = (struct learned){ -1, 0 };
	err = arm(fd, &target) ?: load(&target);
	target.section_count--;
	call(fd, RELOBOX_IOC_DISARM, &found);
	check(err == ENOEXEC && found.found == RELOBOX_FOUND_COUNT, "a wrong number of sections: %s", strerror(err));

	target.area_count++;
	target.areas[target.area_count - 1] = (struct relobox_area){ .kind = 0, .size = 4096 };
	err = arm(fd, &target) ?: load(&target);
	target.area_count--;
	call(fd, RELOBOX_IOC_DISARM, &found);
	check(err == ENOEXEC && found.found == RELOBOX_FOUND_AREA && found.index == target.area_count,
	      "one area too many: %s", strerror(err));

	target.areas[1].size += 4096;
	err = arm(fd, &target) ?: load(&target);
	target.areas[1].size -= 4096;
	check(load(&target) == ENOMEM, "once refused, still refused");
	call(fd, RELOBOX_IOC_DISARM, &found);
	check(err == ENOMEM && found.taken == 1 && found.index == 1 && found.found == RELOBOX_FOUND_AREA,
	      "a wrong second size: %s", strerror(err));

	/* Only the next load is steered, and only of the thread that armed. */
	err = arm(fd, &target) ?: load(&target);
	check(!err && !unload(&target) && !load(&target) && !unload(&target),
	      "loaded; then a plain load by the same thread, still armed");
	call(fd, RELOBOX_IOC_DISARM, &found);
	check(found.verified, "and it was the first that counted");
	pthread_create(&thread, NULL, arm_and_leave, &target);
	pthread_join(thread, &result);
	other = (long)result;
	check(other >= 0 && !load(&target) && !unload(&target), "a plain load while a dead thread is armed");
	check(!call(other, RELOBOX_IOC_DISARM, &found) && !found.taken, "a dead thread is disarmed");
	close(other);

	for (i = 0; i < 200; i++) {
		child = fork();
		if (!child) {
			other = device();
			err = arm(other, &target);
			if (i % 2)
				raise(SIGKILL);
			load(&target);
			raise(SIGKILL);
		}
		waitpid(child, &status, 0);
		unload(&target);
	}
	check(true, "%d children killed while armed", i);
	test_race(&target);
	*learned = target;
out:
	close(fd);
	for (i = 0; i < 50 && mapped() > before; i++)
		usleep(100000);
	check(mapped() == before, "areas: %d before, %d after", before, mapped());
}

int main(int argc, char **argv)
{
	int fd = device(), before, i;
	struct target targets[16] = {};

	check(!call(fd, RELOBOX_IOC_ABOUT, &about) && about.abi == RELOBOX_ABI, "about");
	printf("     layout %u flags %u machine %u release %s vermagic '%s' hooks '%s' reason '%s'\n", about.layout,
	       about.flags, about.machine, about.release, about.vermagic, about.hooks, about.reason);
	close(fd);
	/* Otherwise addresses in /proc/vmallocinfo are hashed. */
	fd = open("/proc/sys/kernel/kptr_restrict", O_WRONLY);
	check(write(fd, "1", 1) == 1, "kptr_restrict");
	close(fd);
	before = mapped();
	check(before > 0, "/proc/vmallocinfo can be read");
	test_list();
	if (argc > 2)
		test_names(argv[1], argv[2]);
	test_flat();
	test_limits();
	for (i = 0; i < 50 && mapped() > before; i++)
		usleep(100000);
	check(mapped() <= before, "areas: %d before, %d after", before, mapped());
	test_privilege();
	for (i = 3; i < argc && i < 19 && about.layout; i++)
		test_load(argv[i], &targets[i - 3]);
	if (!failures && i > 4)
		test_parallel(targets, i - 3);
	for (i = 0; i < 50 && mapped() > before; i++)
		usleep(100000);
	check(mapped() <= before, "areas: %d before, %d after", before, mapped());
	printf("selftest: %d failures\n", failures);
	return failures != 0;
}
