// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Tests the device on a running kernel. It needs only libc.
 * selftest [--short] [--forbid] [EXPORT OWNER [MODULE.ko...]]: an export of a loaded, unused module, and modules to
 * load (not compressed). --short repeats less, and leaves out the noise. --forbid ends with forbidding unsigned
 * modules, and then all modules, until the next boot, and checks the results.
 */
#include "selftest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- lists ---- */

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
	static const char many[2 * 16384 + 2]; /* empty names */
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
	request.names = (__u64)many;
	request.names_size = sizeof(many);
	check(call(fd, RELOBOX_IOC_LIST, &request) == EINVAL, "names: too many are refused");
	request.names = 0x1000;
	request.names_size = 10;
	check(call(fd, RELOBOX_IOC_LIST, &request) == EFAULT, "names: a bad pointer is refused");
	free(text);
	close(fd);
}

/* ---- flat code ---- */

static void test_flat(void)
{
	struct relobox_put put = { .buffer = (__u64)code, .size = code_size };
	struct relobox_protect protect = { .protection = RELOBOX_READ_EXECUTE };
	struct relobox_call run = { .argument = 41 };
	/* If modules_disabled cannot be read, every call is refused. */
	int refused = about.flags & RELOBOX_ABOUT_KALLSYMS_ALL ? EINVAL : EPERM;
	int fd = device(), other = device(), err;
	__u64 area = allocate(fd, RELOBOX_KIND_FLAT, 5000, 0, &err);

	check(!err && area, "flat: allocate");
	put.address = area + 64;
	run.address = area + 64;
	check(!call(fd, RELOBOX_IOC_PUT, &put), "flat: put");
	check(call(fd, RELOBOX_IOC_CALL, &run) == refused, "flat: call before protect is refused");
	check(call(other, RELOBOX_IOC_PUT, &put) == EINVAL, "flat: another descriptor's area is refused");
	put.address = area + 5000 - code_size + 1;
	check(call(fd, RELOBOX_IOC_PUT, &put) == EINVAL, "flat: put past the end is refused");
	put.address = area - 1;
	check(call(fd, RELOBOX_IOC_PUT, &put) == EINVAL, "flat: put before the area is refused");
	put.address = area + 64;
	put.size = -64ULL;
	check(call(fd, RELOBOX_IOC_PUT, &put) == EINVAL, "flat: a wrapping size is refused");
	put.size = 8;
	put.buffer = 0x1000;
	check(call(fd, RELOBOX_IOC_PUT, &put) == EFAULT, "flat: a bad buffer is refused");
	/* The failed call has written zeros. */
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
	/* The code after its first instruction. User space cannot know which kernels require that one. */
	run.address += 4;
	err = call(fd, RELOBOX_IOC_CALL, &run);
	check(err == ENOEXEC || err == (refused == EPERM ? EPERM : 0), "flat: code without ENDBR: %s", strerror(err));
	run.address = area + 5000 - 3;
	check(call(fd, RELOBOX_IOC_CALL, &run) == refused, "flat: call of the last bytes is refused");
	run.address = area + 64;
	check(call(other, RELOBOX_IOC_CALL, &run) == refused, "flat: call from another descriptor is refused");
	area = allocate(fd, RELOBOX_KIND_FLAT, 4096, 0, &err);
	put = (struct relobox_put){ .address = area, .buffer = (__u64)code, .size = code_size };
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

int main(int argc, char **argv)
{
	bool forbid = false, brief = false;
	int fd, before, after, i;
	struct target targets[16] = {};

	for (; argc > 1 && argv[1][0] == '-'; argc--, argv++) {
		forbid |= !strcmp(argv[1], "--forbid");
		brief |= !strcmp(argv[1], "--short");
	}
	fd = device();
	setbuf(stdout, NULL);
	check(!call(fd, RELOBOX_IOC_ABOUT, &about) && about.abi == RELOBOX_ABI, "about");
	printf("     layout %u flags %u machine %u release %s vermagic '%s' hooks '%s' reason '%s'\n", about.layout,
	       about.flags, about.machine, about.release, about.vermagic, about.hooks, about.reason);
	close(fd);
	/* This comes first, because some memory is only allocated at the first use. */
	test_lists();
	/* Otherwise, addresses in /proc/vmallocinfo are hashed. */
	fd = open("/proc/sys/kernel/kptr_restrict", O_WRONLY);
	check(write(fd, "1", 1) == 1, "kptr_restrict");
	close(fd);
	before = mapped(0);
	check(before > 0, "/proc/vmallocinfo can be read");
	test_list();
	if (argc > 2)
		test_names(argv[1], argv[2]);
	test_killed();
	test_flat();
	test_limits();
	after = mapped(before);
	check(after <= before, "areas: %d before, %d after", before, after);
	test_privilege();
	for (i = 3; i < argc && i < 19 && about.layout; i++) {
		test_load(argv[i], &targets[i - 3], brief ? 20 : 250);
		if (!targets[i - 3].path)
			continue;
		test_owners(&targets[i - 3]);
		test_race(&targets[i - 3], brief ? 20 : 250);
	}
	if (!failures && i > 3) {
		test_switched_off(&targets[0]);
		if (!brief)
			test_noise(&targets[0]);
	}
	if (!failures && i > 4 && !brief)
		test_parallel(targets, i - 3);
	after = mapped(before);
	check(after <= before, "areas: %d before, %d after", before, after);
	if (forbid)
		test_forbidden(!failures && i > 3 ? &targets[0] : NULL);
	printf("selftest: %d failures\n", failures);
	return failures != 0;
}
