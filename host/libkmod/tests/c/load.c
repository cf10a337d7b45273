/* Loads a module as udev does, and says what became of this process: load DIRECTORY CONFIGURATION NAME [fork]. With
 * fork, the context is made before a fork, and used after it. */

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kmod.h"

extern char **environ;

static volatile sig_atomic_t signals;

static void seen(int signal)
{
	(void)signal;
	signals++;
}

static int entries(const char *directory)
{
	DIR *d = opendir(directory);
	int count = 0;

	while (d != NULL && readdir(d) != NULL)
		count++;
	if (d != NULL)
		closedir(d);
	return count;
}

static int variables(void)
{
	int count = 0;

	while (environ[count] != NULL)
		count++;
	return count;
}

static void log_message(void *data, int priority, const char *file, int line, const char *fn, const char *format,
			va_list args)
{
	(void)data, (void)file, (void)line;
	printf("log %d %s: ", priority, fn);
	vprintf(format, args);
}

static int handlers(void)
{
	struct sigaction now;
	int signal, count = 0;

	for (signal = 1; signal < 32; signal++)
		count += sigaction(signal, NULL, &now) == 0 && now.sa_handler != SIG_DFL;
	return count;
}

int main(int argc, char **argv)
{
	const char *const paths[] = { argv[2], NULL };
	struct sigaction action = { .sa_handler = seen };
	struct kmod_list *list = NULL, *entry;
	struct kmod_ctx *ctx;
	int descriptors, count, handled, status;
	pid_t child;
	sigset_t before, after;

	if (argc < 4 || (ctx = kmod_new(argv[1], paths)) == NULL)
		return 2;
	kmod_set_log_fn(ctx, log_message, NULL);
	kmod_set_log_priority(ctx, 6);
	kmod_load_resources(ctx);
	if (argc == 5) {
		fflush(stdout);
		child = fork();
		if (child != 0)
			return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
	}
	sigaction(SIGCHLD, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
	sigprocmask(SIG_SETMASK, NULL, &before);
	handled = handlers();
	descriptors = entries("/proc/self/fd");
	count = variables();
	printf("lookup %d\n", kmod_module_new_from_lookup(ctx, argv[3], &list));
	FOREACH(entry, list) {
		struct kmod_module *mod = kmod_module_get_module(entry);
		int result = kmod_module_probe_insert_module(mod, APPLY_BLACKLIST, NULL, NULL, NULL, NULL);

		printf("%s: %d\n", kmod_module_get_name(mod), result);
		kmod_module_unref(mod);
	}
	kmod_module_unref_list(list);
	printf("descriptors %d\n", entries("/proc/self/fd") - descriptors);
	printf("variables %d\n", variables() - count);
	errno = 0;
	printf("children %d\n", waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD ? 0 : 1);
	printf("signals %d\n", (int)signals);
	sigprocmask(SIG_SETMASK, NULL, &after);
	printf("mask %d\n", memcmp(&before, &after, sizeof(before)) != 0);
	printf("handlers %d\n", handlers() - handled);
	printf("threads %d\n", entries("/proc/self/task") - 3);
	printf("end %d\n", kmod_unref(ctx) == NULL);
	return 0;
}
