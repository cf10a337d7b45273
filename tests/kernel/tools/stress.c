// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * stress SECONDS MODULE.ko...: a process with 24 descriptors of the device and 6 threads, which use whichever they
 * come upon, load the modules steered and plain, all at once, and close what others use; killed at a random moment,
 * and again. A second process does the same beside it. At last everything must be as before, and the modules load.
 *
 * stress --lists MICROSECONDS: one LIST of each of 24 descriptors, each so much later than the one before, and all of
 * them get the same. For right after the device was loaded: what is done at first use would be done here.
 */
#include "../../../kernel/selftest-common.c"
#include "../../../kernel/selftest-load.c"
#include "../../../kernel/selftest-abuse.c"

#include <time.h>

#define DESCRIPTORS 24
#define THREADS 6
#define TARGETS_MAX 8

static struct target targets[TARGETS_MAX];
static int target_count;
static int descriptors[DESCRIPTORS];

/* What came of the calls, over all processes. */
static struct tally {
	unsigned long calls, lists, armed, steered, plain, refused;
} *tally;

#define COUNT(what) __atomic_fetch_add(&tally->what, 1, __ATOMIC_RELAXED)

/* A thread. What goes wrong here shows in the kernel's log, in what is left at the end, or stops the guest. */
static void *use(void *argument)
{
	static const char names[] = "_printk\0no_such_name\0kfree\0cifs_arc4_crypt";
	static const __u32 kinds[] = { 0, 1, RELOBOX_KIND_PERCPU, RELOBOX_KIND_FLAT };
	unsigned int state = (unsigned int)(long)argument;
	struct relobox_area areas[2];
	struct relobox_allocate allocation = { .areas = (__u64)areas, .count = 2 };
	struct relobox_list listing;
	struct relobox_disarm found;
	struct relobox_about told;
	struct target mine;
	size_t room = 4 << 20;
	char *buffer = malloc(room);
	unsigned int r;
	int *fd;

	for (;;) {
		r = rand_r(&state);
		fd = &descriptors[r % DESCRIPTORS];
		/* The areas that were allocated are written into it. */
		mine = targets[(r >> 8) % target_count];
		COUNT(calls);
		switch (r >> 12 & 15) {
		case 0: case 1: case 2:
			listing = (struct relobox_list){ .buffer = (__u64)buffer, .size = r & 4096 ? room : r % 65536 };
			call(*fd, RELOBOX_IOC_LIST, &listing);
			COUNT(lists);
			break;
		case 3: case 4:
			listing = (struct relobox_list){ .names = (__u64)names, .names_size = sizeof(names),
							 .buffer = (__u64)buffer, .size = room };
			call(*fd, RELOBOX_IOC_LIST, &listing);
			COUNT(lists);
			break;
		case 5:
			areas[0] = (struct relobox_area){ .kind = kinds[r >> 20 & 3], .size = 1 + r % 20000, .align = 8 };
			areas[1] = (struct relobox_area){ .kind = kinds[r >> 22 & 3], .size = 1 + r % 300, .align = 16 };
			call(*fd, RELOBOX_IOC_ALLOCATE, &allocation);
			break;
		case 6: case 7: case 8: case 9:
			if (!arm(*fd, &mine)) {
				COUNT(armed);
				if (!load(&mine))
					COUNT(steered);
				else
					COUNT(refused);
				if (r & 1 << 16)
					call(*fd, RELOBOX_IOC_DISARM, &found);
			}
			break;
		case 10: case 11:
			if (!load(&mine))
				COUNT(plain);
			break;
		case 12:
			unload(&mine);
			break;
		case 13:
			call(*fd, RELOBOX_IOC_DISARM, &found);
			break;
		case 14:
			call(*fd, RELOBOX_IOC_ABOUT, &told);
			break;
		case 15:
			/* Another thread may do anything with it. Opening drops what this thread was armed with. */
			close(*fd);
			*fd = device();
			break;
		}
	}
	return NULL;
}

static struct first {
	pthread_t thread;
	struct relobox_list listing;
	long delay;
	int fd, err;
} firsts[DESCRIPTORS];
static pthread_barrier_t start;

static void *list_first(void *argument)
{
	struct first *me = argument;

	pthread_barrier_wait(&start);
	usleep(me->delay);
	me->err = call(me->fd, RELOBOX_IOC_LIST, &me->listing);
	return NULL;
}

/* Opens the descriptors, and has a LIST of each. Returns how many were answered as the first one. */
static int list_at_once(long step)
{
	int i, same = 0;

	pthread_barrier_init(&start, NULL, DESCRIPTORS);
	for (i = 0; i < DESCRIPTORS; i++) {
		descriptors[i] = device();
		firsts[i] = (struct first){ .fd = descriptors[i], .delay = i * step };
		pthread_create(&firsts[i].thread, NULL, list_first, &firsts[i]);
	}
	for (i = 0; i < DESCRIPTORS; i++)
		pthread_join(firsts[i].thread, NULL);
	for (i = 0; i < DESCRIPTORS; i++)
		same += firsts[i].err == ENOSPC && firsts[i].listing.exports == firsts[0].listing.exports &&
			firsts[i].listing.exports > 1000;
	return same;
}

static void process(unsigned int seed)
{
	pthread_t threads[THREADS];
	int i;

	list_at_once(0);
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, use, (void *)(long)(seed * THREADS + i));
	for (;;)
		pause();
}

/* Kills a process, which must be gone soon. Returns how long that took, in seconds. */
static double end(pid_t child)
{
	double from = now();
	int status;

	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return now() - from;
}

static void unload_all(void)
{
	int i, tries;

	for (i = 0; i < target_count; i++)
		for (tries = 0; tries < 100 && unload(&targets[i]) == EWOULDBLOCK; tries++)
			usleep(20000);
}

static bool enough(int rounds)
{
	return rounds > 10 && tally->steered > 5 && tally->refused > 5 && tally->plain > 5;
}

int main(int argc, char **argv)
{
	double until = now() + (argc > 2 ? atof(argv[1]) : 0), took, longest = 0;
	struct relobox_disarm found;
	int before, after, fd, i, rounds = 0, good = 0;
	unsigned int seed = time(NULL);
	pid_t first = 0, second;

	if (argc < 3 || argc > 2 + TARGETS_MAX) {
		fprintf(stderr, "usage: stress SECONDS MODULE.ko... | stress --lists MICROSECONDS\n");
		return 2;
	}
	setbuf(stdout, NULL);
	if (!strcmp(argv[1], "--lists")) {
		good = list_at_once(atol(argv[2]));
		check(good == DESCRIPTORS, "%d of %d LISTs are the same, %u exports", good, DESCRIPTORS,
		      firsts[0].listing.exports);
		return failures != 0;
	}
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = device();
	check(!call(fd, RELOBOX_IOC_ABOUT, &about) && about.layout, "about: hooks '%s', '%s'", about.hooks, about.reason);
	close(fd);
	for (i = 2; i < argc; i++) {
		fd = device();
		if (!open_target(&targets[target_count], argv[i]) || !teach(fd, &targets[target_count]) ||
		    unload(&targets[target_count])) {
			check(false, "%s can be loaded", argv[i]);
			return 1;
		}
		target_count++;
		close(fd);
	}
	before = mapped(0);

	first = 0;
	printf("     seed %u\n", seed);
	srandom(seed);
	/* Longer where the machine is slow, so that enough has happened. */
	while (now() < until || (!enough(rounds) && now() < until + 120)) {
		second = fork();
		if (!second)
			process(seed + rounds);
		usleep(random() % 300000);
		/* The older of the two. */
		if (first) {
			took = end(first);
			longest = took > longest ? took : longest;
		}
		first = second;
		rounds++;
	}
	end(first);
	/* What the dead were armed with. */
	close(device());
	unload_all();
	printf("     %lu calls, %lu lists, %lu times armed: %lu loads steered, %lu refused; %lu plain\n", tally->calls,
	       tally->lists, tally->armed, tally->steered, tally->refused, tally->plain);
	check(enough(rounds),
	      "%d processes killed, each with %d descriptors and %d threads", rounds, DESCRIPTORS, THREADS);
	check(longest < 5, "killed processes are gone after %.0f ms at most", longest * 1e3);
	after = mapped(before);
	check(after <= before, "areas: %d before, %d after", before, after);
	check(!references(), "nothing holds the device: %d", references());
	for (i = 0; i < target_count; i++) {
		fd = device();
		good += !arm(fd, &targets[i]) && !load(&targets[i]) && !call(fd, RELOBOX_IOC_DISARM, &found) &&
			found.verified && !unload(&targets[i]);
		close(fd);
	}
	check(good == target_count, "%d of %d modules load as before", good, target_count);
	printf("stress: %d failures\n", failures);
	return failures != 0;
}
