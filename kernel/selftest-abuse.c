// SPDX-License-Identifier: MIT OR Apache-2.0
/* Abuse: wrong users, races, processes that share or lose a descriptor, noise. */
#include "selftest.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Another thread closes the descriptor at a random time. The load must be steered and verified, or fail. */
static void *close_soon(void *argument)
{
	long packed = (long)argument;

	for (volatile long spin = packed >> 32; spin > 0; spin--)
		;
	close((int)packed);
	return NULL;
}

void test_race(struct target *target, int rounds)
{
	int i, fd, err, loaded = 0, failed = 0, other = 0;
	pthread_t thread;

	for (i = 0; i < rounds; i++) {
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
	close(device()); /* otherwise this thread stays armed without areas */
	check(i == rounds && !other, "closed meanwhile: %d loaded, %d refused, %d otherwise", loaded, failed, other);
}

void test_privilege(void)
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
	child = fork();
	if (!child) {
		/* Root with all capabilities, but in a user namespace of its own. */
		if (unshare(CLONE_NEWUSER))
			_exit(errno == ENOSYS || errno == EINVAL ? 0 : 1);
		if (open("/dev/relobox", O_RDWR) >= 0)
			_exit(2);
		_exit(call(fd, RELOBOX_IOC_ABOUT, &about) == EPERM ? 0 : 3);
	}
	waitpid(child, &status, 0);
	check(!status, "root of another user namespace: neither");
	check(syscall(SYS_delete_module, "relobox", O_NONBLOCK) && errno == EWOULDBLOCK,
	      "the device cannot be unloaded while it is open");
	close(fd);
}

/* LIST without names, by several threads on their own descriptors at the same time. All must get the same. */
#define LISTERS 24

static struct lister {
	pthread_t thread;
	struct relobox_list request;
	int err, again;
} listers[LISTERS];
static pthread_barrier_t all_here;

static void *lister(void *argument)
{
	struct lister *me = argument;
	int fd = device();
	void *buffer;

	pthread_barrier_wait(&all_here);
	me->err = call(fd, RELOBOX_IOC_LIST, &me->request);
	if (me->err == ENOSPC) {
		buffer = malloc(me->request.needed);
		me->request.buffer = (__u64)buffer;
		me->request.size = me->request.needed;
		me->again = call(fd, RELOBOX_IOC_LIST, &me->request);
		free(buffer);
	}
	close(fd);
	return NULL;
}

void test_lists(void)
{
	int i, expected = about.flags & RELOBOX_ABOUT_LIST_ALL ? ENOSPC : EOPNOTSUPP, same = 0;

	pthread_barrier_init(&all_here, NULL, LISTERS);
	for (i = 0; i < LISTERS; i++)
		pthread_create(&listers[i].thread, NULL, lister, &listers[i]);
	for (i = 0; i < LISTERS; i++)
		pthread_join(listers[i].thread, NULL);
	for (i = 0; i < LISTERS; i++)
		same += listers[i].err == expected && !listers[i].again &&
			listers[i].request.exports == listers[0].request.exports &&
			listers[i].request.modules == listers[0].request.modules;
	check(same == LISTERS, "lists: %d of %d at once are the same, %u exports", same, LISTERS,
	      listers[0].request.exports);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* Returns how long the longest LIST runs, or how long after a SIGKILL that comes after `delay` microseconds. */
static double list_for(const char *names, size_t size, long delay)
{
	struct relobox_list request = { .names = (__u64)names, .names_size = size };
	int fd = device(), status;
	pid_t child = fork();
	double from;

	if (!child)
		_exit(call(fd, RELOBOX_IOC_LIST, &request) != ENOSPC);
	from = now();
	if (delay) {
		usleep(delay);
		from = now();
		kill(child, SIGKILL);
	}
	waitpid(child, &status, 0);
	close(fd);
	return !delay && status ? -1 : now() - from;
}

void test_killed(void)
{
	static char names[1 << 20];
	double whole, last, least = 1e9;
	size_t at;
	int i;

	/* As many names as allowed, each as long as possible. None exists, so all tables are searched. */
	for (at = 0; at < sizeof(names); at += 64)
		snprintf(names + at, 64, "%063zu", at);
	whole = list_for(names, sizeof(names), 0);
	for (i = 0; i < 8; i++) {
		last = list_for(names, sizeof(names), 1 + (long)(whole * 1e6 / 8));
		least = last < least ? last : least;
	}
	check(whole > 0 && least < (whole > 0.03 ? whole / 3 : 0.01),
	      "killed: the longest LIST takes %.0f ms, and ends %.0f ms after SIGKILL", whole * 1e3, least * 1e3);
}

static bool write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return done;
}

static int references(void)
{
	FILE *file = fopen("/sys/module/relobox/refcnt", "r");
	int count = -1;

	if (!file || fscanf(file, "%d", &count) != 1)
		count = -1;
	if (file)
		fclose(file);
	return count;
}

/* Sends a descriptor if `fd` is one, otherwise receives one. */
static int pass(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	char byte = 0;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	if (fd < 0) {
		if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
			return -1;
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
		return fd;
	}
	control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -1;
}

/* A descriptor is duplicated, inherited, or passed on. The thread is armed, not the owner of the descriptor. */
void test_owners(struct target *target)
{
	int before = references(), fd = device(), other, sockets[2], status, err, areas;
	struct relobox_disarm found;
	pid_t child;

	err = arm(fd, target);
	other = dup(fd);
	close(fd);
	err = err ?: load(target);
	check(!err && !call(other, RELOBOX_IOC_DISARM, &found) && found.verified && !unload(target),
	      "a duplicate keeps it armed: %s", strerror(err));
	close(other);

	fd = device();
	err = arm(fd, target);
	child = fork();
	if (!child) {
		if (call(fd, RELOBOX_IOC_DISARM, &found) != EBUSY)
			_exit(1);
		close(fd);
		/* This process is not armed. */
		_exit(load(target) || unload(target) ? 2 : 0);
	}
	waitpid(child, &status, 0);
	err = err ?: load(target);
	check(!err && !status && !call(fd, RELOBOX_IOC_DISARM, &found) && found.verified && !unload(target),
	      "a child neither disarms nor is armed, and closes nothing: %s", strerror(err));
	child = fork();
	if (!child)
		_exit(arm(fd, target) ? 1 : 0);
	waitpid(child, &status, 0);
	check(!status && !load(target) && !unload(target) && !call(fd, RELOBOX_IOC_DISARM, &found) && !found.taken,
	      "what a child armed that is gone, its parent disarms");
	close(fd);

	areas = mapped(0);
	err = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets);
	child = fork();
	if (!child) {
		fd = pass(sockets[1], -1);
		_exit(fd < 0 || call(fd, RELOBOX_IOC_DISARM, &found) != EBUSY || close(fd));
	}
	fd = device();
	err = err ?: arm(fd, target);
	err = err ?: pass(sockets[0], fd);
	close(fd);
	waitpid(child, &status, 0);
	close(sockets[0]);
	close(sockets[1]);
	/* The kernel may close a descriptor in a socket a moment later. */
	mapped(areas);
	err = err ?: load(target);
	check(err == ENOMEM && !status, "passed on and closed there: loads are refused: %s", strerror(err));
	check(references() == before + 1, "and the device stays");
	close(device());
	check(references() == before && !load(target) && !unload(target), "until the thread opens the device");
}

/* All kprobes can be switched off. Then no load would be steered. */
void test_switched_off(struct target *target)
{
	static const char path[] = "/sys/kernel/debug/kprobes/enabled";
	int fd = device(), off, on;

	if (strcmp(about.hooks, "kprobe") || !write_to(path, "0")) {
		check(!write_to("/proc/sys/kernel/ftrace_enabled", "0"), "ftrace cannot be switched off");
		close(fd);
		return;
	}
	off = arm(fd, target);
	write_to(path, "1");
	on = arm(fd, target) ?: load(target);
	check(off == ENODEV && !on && !unload(target), "kprobes switched off: ARM says %s; and on: %s", strerror(off),
	      strerror(on));
	close(fd);
}

/* Threads make random calls on one descriptor, while other threads change the arguments. */
static struct {
	int fd;
	volatile bool stop;
	struct target *target;
	union {
		struct relobox_list list;
		struct relobox_allocate allocate;
		struct relobox_put put;
		struct relobox_protect protect;
		struct relobox_arm arm;
		struct relobox_disarm disarm;
		struct relobox_about about;
	} argument;
	struct relobox_area areas[RELOBOX_AREAS];
	char buffer[1 << 20];
} noise;

static void *make_noise(void *seed)
{
	static const unsigned long commands[] = { RELOBOX_IOC_ABOUT, RELOBOX_IOC_LIST, RELOBOX_IOC_ALLOCATE,
						  RELOBOX_IOC_PUT, RELOBOX_IOC_PROTECT, RELOBOX_IOC_ARM,
						  RELOBOX_IOC_DISARM };
	static const __u32 kinds[] = { 0, 1, 6, 7, RELOBOX_KIND_PERCPU, RELOBOX_KIND_FLAT, RELOBOX_KIND_FLAT };
	static char names[] = "_printk\0no_such_name\0kfree";
	unsigned int state = (long)seed;
	long calls = 0;
	int own;

	for (; !noise.stop; calls++) {
		unsigned int r = rand_r(&state), i = r % RELOBOX_AREAS;
		unsigned long command = commands[r % 7];

		noise.areas[i] = (struct relobox_area){ .kind = kinds[(r >> 4) % 7], .size = 1 + (r >> 8) % 65536,
							.align = 1U << (r >> 24) % 8 };
		switch (command) {
		case RELOBOX_IOC_LIST:
			noise.argument.list = (struct relobox_list){
				.names = r & 256 ? (__u64)names : 0, .names_size = r & 512 ? sizeof(names) : r,
				.buffer = (__u64)noise.buffer, .size = (r >> 10) % sizeof(noise.buffer) };
			break;
		case RELOBOX_IOC_ALLOCATE:
			noise.argument.allocate = (struct relobox_allocate){ .areas = (__u64)noise.areas,
									     .count = r >> 5 & 3 };
			break;
		case RELOBOX_IOC_PUT:
			noise.argument.put = (struct relobox_put){ .address = noise.areas[i].address + (r & 255),
								   .buffer = (__u64)noise.buffer,
								   .size = (r >> 8) % 65536 };
			break;
		case RELOBOX_IOC_PROTECT:
			noise.argument.protect = (struct relobox_protect){ .address = noise.areas[(i + 1) % 16].address,
									   .protection = r >> 8 & 3 };
			break;
		case RELOBOX_IOC_ARM:
			noise.argument.arm = (struct relobox_arm){
				.sections = (__u64)noise.buffer, .symbols = r & 256 ? (__u64)noise.buffer : r,
				.section_count = (r >> 9) % 70000, .symbol_count = (r >> 9) % 60000 };
			break;
		}
		call(noise.fd, command, &noise.argument);
		if (!(r >> 20 & 63)) {
			load(noise.target);
			unload(noise.target);
		}
		if (!(r >> 20 & 127)) {
			own = device();
			arm(own, noise.target);
			close(own);
		}
	}
	close(device());
	return (void *)calls;
}

void test_noise(struct target *target)
{
	int i, before = mapped(0), after;
	pthread_t threads[4];
	long calls = 0;
	void *result;

	noise.fd = device();
	noise.target = target;
	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, make_noise, (void *)(long)(i + 1));
	sleep(5);
	noise.stop = true;
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &result);
		calls += (long)result;
	}
	close(noise.fd);
	close(device());
	unload(target);
	after = mapped(before);
	check(after <= before && !references(), "noise: %ld calls by 4 threads; areas: %d before, %d after", calls, before,
	      after);
	check(!load(target) && !unload(target), "noise: and %s still loads", target->name);
}

/* Until the next boot, unsigned modules are forbidden, and then all modules. */
void test_forbidden(struct target *target)
{
	struct relobox_list listing = { .names = (__u64)"x", .names_size = 2 };
	struct relobox_put put = { .buffer = (__u64)code, .size = code_size };
	struct relobox_protect protect = {};
	struct relobox_about now = {};
	struct relobox_disarm found;
	struct relobox_call run = {};
	int fd = device(), err;

	put.address = protect.address = run.address = allocate(fd, RELOBOX_KIND_FLAT, 4096, 0, &err);
	check(!err && write_to("/sys/module/module/parameters/sig_enforce", "1"), "from now on modules are signed");
	check(!call(fd, RELOBOX_IOC_ABOUT, &now) && !(now.flags & RELOBOX_ABOUT_UNSIGNED), "signed: ABOUT says so");
	check(call(fd, RELOBOX_IOC_LIST, &listing) == EPERM, "signed: no list");
	allocate(fd, RELOBOX_KIND_FLAT, 4096, 0, &err);
	check(err == EPERM, "signed: no area");
	check(call(fd, RELOBOX_IOC_PUT, &put) == EPERM && call(fd, RELOBOX_IOC_PROTECT, &protect) == EPERM &&
	      call(fd, RELOBOX_IOC_CALL, &run) == EPERM, "signed: no flat code");
	check(call(fd, RELOBOX_IOC_ARM, &found) == EPERM && call(fd, RELOBOX_IOC_DISARM, &found) == EINVAL,
	      "signed: no arms, but away with them");
	check(!target || (!load(target) && !unload(target)), "signed: a signed module loads as ever");

	check(write_to("/proc/sys/kernel/modules_disabled", "1"), "from now on there are no modules");
	if (!(about.flags & RELOBOX_ABOUT_KALLSYMS_ALL))
		return;
	check(call(fd, RELOBOX_IOC_ABOUT, &now) == EPERM, "disabled: an open descriptor is of no use");
	close(fd);
	check(open("/dev/relobox", O_RDWR) < 0 && errno == EPERM, "disabled: nor is there another");
}

/* One child process for each module, all at the same time. */
void test_parallel(struct target *targets, int count)
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
			/* A plain load in between is not steered. */
			if (load(&targets[i]) || unload(&targets[i]))
				_exit(2);
		}
		_exit(0);
	}
	while (wait(&status) > 0)
		bad += status != 0;
	check(!bad, "%d modules loaded in parallel, steered and plain, 100 times each", count);
}

