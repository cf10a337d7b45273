// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * bpf-attach fentry|fexit FUNCTION...: an empty BPF program on each of these functions of the kernel, until a signal
 * comes. Says "attached" when all are, and at the end how often each ran (with kernel.bpf_stats_enabled).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FUNCTIONS_MAX 8

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int bpf(int command, union bpf_attr *attributes)
{
	return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

/* The kernel's description of its types. */
static char *types;

static void read_types(void)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	ssize_t got, at = 0;

	if (fd < 0 || fstat(fd, &status))
		fail(path);
	types = malloc(status.st_size);
	while (at < status.st_size && (got = read(fd, types + at, status.st_size - at)) > 0)
		at += got;
	close(fd);
	if (at < (ssize_t)sizeof(struct btf_header) || ((struct btf_header *)types)->magic != BTF_MAGIC) {
		fprintf(stderr, "%s cannot be read\n", path);
		exit(1);
	}
}

/* Bytes that follow a type of this kind with so many members. */
static size_t behind(unsigned int kind, unsigned int members)
{
	switch (kind) {
	case BTF_KIND_INT: return sizeof(__u32);
	case BTF_KIND_ARRAY: return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION: return members * sizeof(struct btf_member);
	case BTF_KIND_ENUM: return members * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64: return members * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO: return members * sizeof(struct btf_param);
	case BTF_KIND_VAR: return sizeof(struct btf_var);
	case BTF_KIND_DATASEC: return members * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG: return sizeof(struct btf_decl_tag);
	default: return 0;
	}
}

/* The number of a function's type; types are numbered from 1. */
static __u32 function_type(const char *name)
{
	const struct btf_header *header = (void *)types;
	const char *strings = types + header->hdr_len + header->str_off;
	const char *at = types + header->hdr_len + header->type_off, *end = at + header->type_len;
	__u32 number;

	for (number = 1; at < end; number++) {
		const struct btf_type *type = (void *)at;

		if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC && !strcmp(strings + type->name_off, name))
			return number;
		at += sizeof(*type) + behind(BTF_INFO_KIND(type->info), BTF_INFO_VLEN(type->info));
	}
	fprintf(stderr, "the kernel's types have no function %s\n", name);
	exit(1);
}

static int attach(const char *name, int kind)
{
	/* r0 = 0; exit */
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT }
	};
	union bpf_attr attributes = {
		.prog_type = BPF_PROG_TYPE_TRACING, .insns = (__u64)(unsigned long)code, .insn_cnt = 2,
		.license = (__u64)(unsigned long)"GPL", .expected_attach_type = kind,
		.attach_btf_id = function_type(name)
	};
	int program = bpf(BPF_PROG_LOAD, &attributes);

	if (program < 0)
		fail(name);
	memset(&attributes, 0, sizeof(attributes));
	attributes.raw_tracepoint.prog_fd = program;
	if (bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes) < 0)
		fail(name);
	return program;
}

static unsigned long long runs(int program)
{
	unsigned long long count = 0;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", program);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "run_cnt: %llu", &count);
	if (file)
		fclose(file);
	return count;
}

int main(int argc, char **argv)
{
	int programs[FUNCTIONS_MAX], i, which;
	sigset_t ends;

	if (argc < 3 || argc > 2 + FUNCTIONS_MAX || (strcmp(argv[1], "fentry") && strcmp(argv[1], "fexit"))) {
		fprintf(stderr, "usage: bpf-attach fentry|fexit FUNCTION...\n");
		return 2;
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	read_types();
	for (i = 2; i < argc; i++)
		programs[i - 2] = attach(argv[i], strcmp(argv[1], "fexit") ? BPF_TRACE_FENTRY : BPF_TRACE_FEXIT);
	free(types);
	printf("attached\n");
	fflush(stdout);
	sigwait(&ends, &which);
	for (i = 2; i < argc; i++)
		printf("%s %s %llu\n", argv[1], argv[i], runs(programs[i - 2]));
	return 0;
}
