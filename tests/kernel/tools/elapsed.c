// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Runs a command and prints how long it took and how it ended.
 *
 *   elapsed COMMAND [ARGUMENT...]        prints "MICROSECONDS EXIT-CODE"
 *
 * What the command prints goes nowhere.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: elapsed COMMAND [ARGUMENT...]\n");
		return 2;
	}
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	pid_t command = vfork();
	if (command == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		dup2(null, 2);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	int status;
	if (command < 0 || waitpid(command, &status, 0) < 0)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%ld %d\n", (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000,
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
