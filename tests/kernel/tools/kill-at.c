// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Kills a command, as kill -9 would, at its N-th system call.
 *
 *   kill-at [-c] [-x] [-u MICROSECONDS] [-s CALL] N COMMAND [ARGUMENT...]
 *   kill-at [-c] [-s CALL] -n COMMAND [ARGUMENT...]
 *
 *   -c   counts the calls of the processes that the command starts, and kills the one that makes the N-th
 *   -x   kills after the call instead of before it
 *   -u   kills that long after the call began
 *   -s   counts only this system call
 *   -n   prints how many calls there are
 *
 * Calls of all threads of a process count, in the order in which they begin. Nothing else is killed: what the
 * command leaves behind must end by itself, and is waited for. Prints the call's number.
 * Exit code: 0 killed, 1 the command ended before its N-th call, 2 usage, 3 some process did not end by itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long what is left behind may take; emulated machines are slow. Seconds. */
#define PATIENCE 60

#define TASKS 4096

static struct task {
	pid_t task, process;
} tasks[TASKS];
static int task_count;

static volatile sig_atomic_t out_of_patience;

static void alarmed(int signal)
{
	(void)signal;
	out_of_patience = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "kill-at: %s: %s\n", what, strerror(errno));
	exit(2);
}

static pid_t process_of(pid_t task)
{
	for (int i = 0; i < task_count; i++)
		if (tasks[i].task == task)
			return tasks[i].process;
	char path[64], line[256];
	pid_t process = task;
	snprintf(path, sizeof(path), "/proc/%d/status", task);
	FILE *status = fopen(path, "r");
	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "Tgid: %d", &process) == 1)
			break;
	if (status)
		fclose(status);
	if (task_count < TASKS)
		tasks[task_count++] = (struct task){ task, process };
	return process;
}

/* Waits for all that are left; they go on as they would alone. */
static int wait_for_the_rest(void)
{
	int status;
	pid_t task;
	alarm(PATIENCE);
	while ((task = waitpid(-1, &status, __WALL)) > 0 || (errno == EINTR && !out_of_patience)) {
		if (task <= 0 || !WIFSTOPPED(status))
			continue;
		int signal = WSTOPSIG(status);
		int event = status >> 8 != signal || signal == (SIGTRAP | 0x80);
		if (event || signal == SIGTRAP || signal == SIGSTOP)
			signal = 0;
		/* From here on they need no tracer. */
		ptrace(PTRACE_DETACH, task, 0, signal);
	}
	return out_of_patience ? 3 : 0;
}

int main(int argc, char **argv)
{
	int children = 0, after = 0, count_only = 0, option;
	long delay = -1, only = -1, wanted = 0, seen = 0;
	while ((option = getopt(argc, argv, "+cxu:s:n")) != -1) {
		switch (option) {
		case 'c':
			children = 1;
			break;
		case 'x':
			after = 1;
			break;
		case 'u':
			delay = atol(optarg);
			break;
		case 's':
			only = atol(optarg);
			break;
		case 'n':
			count_only = 1;
			break;
		default:
			return 2;
		}
	}
	if (!count_only && optind < argc)
		wanted = atol(argv[optind++]);
	if (optind >= argc || (!count_only && wanted < 1)) {
		fprintf(stderr, "usage: kill-at [-c] [-x] [-u MICROSECONDS] [-s CALL] N|-n COMMAND...\n");
		return 2;
	}

	/* Orphans become ours, so that they can be waited for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	struct sigaction action = { .sa_handler = alarmed };
	sigaction(SIGALRM, &action, NULL);
	pid_t command = fork();
	if (command < 0)
		die("fork");
	if (command == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[optind], argv + optind);
		die(argv[optind]);
	}
	int status;
	if (waitpid(command, &status, 0) < 0 || !WIFSTOPPED(status))
		die("waitpid");
	if (ptrace(PTRACE_SETOPTIONS, command, 0,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
			   PTRACE_O_TRACEEXEC))
		die("ptrace");
	process_of(command);
	/* Task that is inside the wanted call, and the call. */
	pid_t inside = 0;
	unsigned long long call = 0;
	ptrace(PTRACE_SYSCALL, command, 0, 0);

	for (;;) {
		pid_t task = waitpid(-1, &status, __WALL);
		if (task < 0 && errno == EINTR)
			continue;
		if (task < 0)
			break;
		if (!WIFSTOPPED(status)) {
			if (task == command)
				fprintf(stderr, "kill-at: the command ended with %d\n",
					WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
			continue;
		}
		int signal = WSTOPSIG(status);
		int event = status >> 16;
		if (signal != (SIGTRAP | 0x80)) {
			int is_new = 1;
			for (int i = 0; i < task_count; i++)
				is_new &= tasks[i].task != task;
			process_of(task);
			/* A tracee starts with a stop of the tracer's making. */
			if (event || (is_new && signal == SIGSTOP))
				signal = 0;
			ptrace(PTRACE_SYSCALL, task, 0, signal);
			continue;
		}
		struct __ptrace_syscall_info info;
		pid_t process = process_of(task);
		if (ptrace(PTRACE_GET_SYSCALL_INFO, task, sizeof(info), &info) <= 0)
			continue;
		int kill_now = 0;
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && (process == command) != children &&
		    (only < 0 || info.entry.nr == (unsigned long long)only)) {
			if (++seen == wanted) {
				inside = task;
				call = info.entry.nr;
				kill_now = !after && delay < 0;
			}
		} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && task == inside) {
			kill_now = after && delay < 0;
		}
		if (task == inside && (kill_now || (delay >= 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY))) {
			if (!kill_now) {
				ptrace(PTRACE_SYSCALL, task, 0, 0);
				usleep(delay);
			}
			kill(process, SIGKILL);
			printf("%llu\n", call);
			fflush(stdout);
			return wait_for_the_rest();
		}
		/* An exec or an exit_group has no exit to wait for. */
		if (task == inside && after && delay < 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY &&
		    (call == SYS_exit_group || call == SYS_exit))
			inside = 0;
		ptrace(PTRACE_SYSCALL, task, 0, 0);
	}
	if (count_only)
		printf("%ld\n", seen);
	return count_only ? 0 : 1;
}
