/* A kernel for a program that is started with this library before the C library: its /proc and /sys lie in $ROOT, its
 * release is $RELEASE, and a module that it is given is live from then on. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *const moved[] = { "/proc/modules", "/proc/kallsyms", "/proc/cmdline", "/sys/module", "/lib/modules", NULL };

static const char *place(const char *path, char buffer[PATH_MAX])
{
	const char *root = getenv("ROOT");
	int i;

	for (i = 0; root != NULL && moved[i] != NULL; i++) {
		if (strncmp(path, moved[i], strlen(moved[i])) == 0) {
			snprintf(buffer, PATH_MAX, "%s%s", root, path);
			return buffer;
		}
	}
	return path;
}

static void *original(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static int opened(const char *name, int dir, const char *path, int flags, mode_t mode)
{
	int (*open_it)(int, const char *, int, ...) = (int (*)(int, const char *, int, ...))original(name);
	char buffer[PATH_MAX];

	return open_it(dir, place(path, buffer), flags, mode);
}

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define OPEN(name, at)                                                    \
	int name(const char *path, int flags, ...)                        \
	{                                                                 \
		va_list args;                                             \
		int fd;                                                   \
									  \
		va_start(args, flags);                                    \
		fd = opened(#at, AT_FDCWD, path, flags, mode_of(flags, args)); \
		va_end(args);                                             \
		return fd;                                                \
	}                                                                 \
									  \
	int at(int dir, const char *path, int flags, ...)                 \
	{                                                                 \
		va_list args;                                             \
		int fd;                                                   \
									  \
		va_start(args, flags);                                    \
		fd = opened(#at, dir, path, flags, mode_of(flags, args)); \
		va_end(args);                                             \
		return fd;                                                \
	}

OPEN(open, openat)
OPEN(open64, openat64)

DIR *opendir(const char *path)
{
	DIR *(*open_it)(const char *) = (DIR * (*)(const char *)) original("opendir");
	char buffer[PATH_MAX];

	return open_it(place(path, buffer));
}

int stat64(const char *path, struct stat64 *st)
{
	int (*stat_it)(const char *, struct stat64 *) = (int (*)(const char *, struct stat64 *))original("stat64");
	char buffer[PATH_MAX];

	return stat_it(place(path, buffer), st);
}

/* Without it, a program asks the older functions. */
int statx(int dir, const char *path, int flags, unsigned int mask, struct statx *st)
{
	(void)dir, (void)path, (void)flags, (void)mask, (void)st;
	errno = ENOSYS;
	return -1;
}

int uname(struct utsname *name)
{
	int (*ask)(struct utsname *) = (int (*)(struct utsname *))original("uname");
	int result = ask(name);

	if (getenv("RELEASE") != NULL)
		snprintf(name->release, sizeof(name->release), "%s", getenv("RELEASE"));
	return result;
}

/* The module's name, from its .modinfo. */
static int name_of(int fd, char name[64])
{
	static char bytes[1 << 20];
	ssize_t size = pread(fd, bytes, sizeof(bytes), 0), i;

	for (i = 1; i + 6 < size; i++) {
		if (bytes[i - 1] == '\0' && memcmp(bytes + i, "name=", 5) == 0)
			return snprintf(name, 64, "%.63s", bytes + i + 5) > 0;
	}
	return 0;
}

static int finit(int fd, const char *args, int flags)
{
	char name[64], buffer[PATH_MAX];
	FILE *file;

	if (!name_of(fd, name)) {
		errno = ENOEXEC;
		return -1;
	}
	printf("finit_module %s '%s' %d\n", name, args, flags);
	file = fopen(place("/proc/modules", buffer), "a");
	if (file == NULL)
		return -1;
	fprintf(file, "%s 16384 0 - Live 0xffffffffc0000000\n", name);
	fclose(file);
	return 0;
}

long syscall(long number, ...)
{
	long (*call)(long, ...) = (long (*)(long, ...))original("syscall");
	long a[6];
	va_list args;
	int i;

	va_start(args, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_finit_module)
		return finit((int)a[0], (const char *)a[1], (int)a[2]);
	return call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
