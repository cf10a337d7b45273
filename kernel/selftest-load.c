// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Steered loads of modules from their original files: the kernel relocates, and the device compares. The test learns
 * the expected values from the device's own refusals, one by one.
 */
#include "selftest.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool open_target(struct target *target, const char *path)
{
	const char *base = strrchr(path, '/');
	struct stat status;
	Elf64_Ehdr *header;
	Elf64_Shdr *section;
	__u64 size;
	unsigned int i;

	*target = (struct target){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC) };
	if (target->fd < 0 || fstat(target->fd, &status)) {
		perror(path);
		return false;
	}
	size = status.st_size;
	header = mmap(NULL, size, PROT_READ, MAP_PRIVATE, target->fd, 0);
	if (header == MAP_FAILED) {
		perror(path);
		return false;
	}
	/* The kernel reads the file itself, so a compressed file is not supported. */
	if (size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) ||
	    header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_type != ET_REL || header->e_machine != about.machine) {
		printf("%s is not a module of this machine; one that is compressed (.ko.xz) must be unpacked first\n", path);
		munmap(header, size);
		return false;
	}
	if (header->e_shentsize != sizeof(*section) || header->e_shoff % 8 || header->e_shoff > size ||
	    header->e_shnum > (size - header->e_shoff) / sizeof(*section)) {
		printf("%s: its sections are not in it\n", path);
		munmap(header, size);
		return false;
	}
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
	munmap(header, size);
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

int arm(int fd, struct target *target)
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

int load(const struct target *target)
{
	return syscall(SYS_finit_module, target->fd, "", 0) ? errno : 0;
}

int unload(const struct target *target)
{
	return syscall(SYS_delete_module, target->name, O_NONBLOCK) ? errno : 0;
}

/* Finds sizes, addresses and values from refusals. Leaves the module loaded and the descriptor armed. */
bool teach(int fd, struct target *target)
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
			/* A new area. On 6.1 its kind is known. On 6.12 only its position in the order matters. */
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

void test_load(const char *path, struct target *learned, int rounds)
{
	struct relobox_disarm found;
	struct relobox_arm again = {};
	struct target target;
	int fd = device(), other, err, i, before = mapped(0), status;
	pthread_t thread;
	pid_t child;
	void *result;

	if (!open_target(&target, path)) {
		check(false, "%s can be read", path);
		close(fd);
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

	/* From here on the right values are known, so each of them can be made wrong. */
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

	/* Only the next load is steered, and only in the thread that armed. */
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

	for (i = 0; i < rounds; i++) {
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
	*learned = target;
out:
	close(fd);
	i = mapped(before);
	check(i == before, "areas: %d before, %d after", before, i);
}
