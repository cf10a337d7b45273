// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Copies the memory of a loaded module's sections out of a running kernel.
 *
 *   dump-memory MODULE.ko /sys/module/NAME/sections OUTPUT
 *
 * The addresses come from sysfs, the sizes from the module's file, the contents from /proc/kcore. Writes
 * OUTPUT/sections/SECTION (the address, as sysfs has it), OUTPUT/mem/SECTION (the bytes), and a line for
 * each section that it leaves out to OUTPUT/skipped. Little-endian 64-bit machines only.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "dump-memory: %s: %s\n", what, strerror(errno));
	exit(1);
}

static FILE *open_in(const char *mode, const char *format, ...)
{
	char path[4096];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	return fopen(path, mode);
}

/* Reads kernel memory; the program headers of /proc/kcore say where in the file an address is. */
static int read_kernel(int kcore, const Elf64_Phdr *segments, int count, unsigned long address, char *to, size_t size)
{
	for (int i = 0; i < count; i++) {
		const Elf64_Phdr *segment = &segments[i];
		if (segment->p_type != PT_LOAD || address < segment->p_vaddr ||
		    address - segment->p_vaddr >= segment->p_memsz)
			continue;
		off_t at = segment->p_offset + (address - segment->p_vaddr);
		while (size) {
			ssize_t got = pread(kcore, to, size, at);
			if (got <= 0)
				return -1;
			to += got;
			at += got;
			size -= got;
		}
		return 0;
	}
	errno = ENXIO;
	return -1;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: dump-memory MODULE.ko SECTIONS OUTPUT\n");
		return 2;
	}
	const char *sysfs = argv[2], *output = argv[3];

	int file = open(argv[1], O_RDONLY);
	struct stat stat;
	if (file < 0 || fstat(file, &stat))
		die(argv[1]);
	const char *module = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (module == MAP_FAILED)
		die(argv[1]);
	const Elf64_Ehdr *header = (const void *)module;
	const Elf64_Shdr *sections = (const void *)(module + header->e_shoff);
	const char *names = module + sections[header->e_shstrndx].sh_offset;

	int kcore = open("/proc/kcore", O_RDONLY);
	Elf64_Ehdr core;
	if (kcore < 0 || pread(kcore, &core, sizeof(core), 0) != sizeof(core))
		die("/proc/kcore");
	size_t bytes = core.e_phnum * sizeof(Elf64_Phdr);
	Elf64_Phdr *segments = malloc(bytes);
	if (!segments || pread(kcore, segments, bytes, core.e_phoff) != (ssize_t)bytes)
		die("/proc/kcore");

	char path[4096];
	mkdir(output, 0755);
	snprintf(path, sizeof(path), "%s/mem", output);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/sections", output);
	mkdir(path, 0755);
	FILE *skipped = open_in("w", "%s/skipped", output);
	if (!skipped)
		die(output);

	for (int i = 1; i < header->e_shnum; i++) {
		const char *name = names + sections[i].sh_name;
		if (!(sections[i].sh_flags & SHF_ALLOC) || !sections[i].sh_size)
			continue;
		FILE *in = open_in("r", "%s/%s", sysfs, name);
		unsigned long address = 0;
		if (!in || fscanf(in, "%lx", &address) != 1 || !address) {
			fprintf(skipped, "%s not in the kernel's memory\n", name);
			if (in)
				fclose(in);
			continue;
		}
		fclose(in);
		FILE *out = open_in("w", "%s/sections/%s", output, name);
		if (!out)
			die(name);
		fprintf(out, "0x%016lx\n", address);
		fclose(out);
		/* Freed when the module was initialised; the memory may have another owner now. */
		if (!strncmp(name, ".init", 5)) {
			fprintf(skipped, "%s freed after the module's init\n", name);
			continue;
		}
		char *contents = malloc(sections[i].sh_size);
		if (!contents)
			die("memory");
		if (read_kernel(kcore, segments, core.e_phnum, address, contents, sections[i].sh_size)) {
			fprintf(skipped, "%s unreadable: %s\n", name, strerror(errno));
		} else {
			out = open_in("w", "%s/mem/%s", output, name);
			if (!out || fwrite(contents, sections[i].sh_size, 1, out) != 1 || fclose(out))
				die(name);
		}
		free(contents);
	}
	return fclose(skipped) ? 1 : 0;
}
