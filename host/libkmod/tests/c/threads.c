/* Threads that share a context, and have contexts of their own: threads DIRECTORY CONFIGURATION. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmod.h"

#define THREADS 6
#define ROUNDS 200

static const char *directory;
static const char *paths[2];

static void use(struct kmod_ctx *ctx)
{
	struct kmod_list *list = NULL, *needed;
	struct kmod_config_iter *iter;
	struct kmod_module *mod;
	int count = 0;

	if (kmod_module_new_from_lookup(ctx, "my-alias-1", &list) != 0 || list == NULL)
		abort();
	mod = kmod_module_get_module(list);
	kmod_module_unref_list(list);
	needed = kmod_module_get_dependencies(mod);
	FOREACH(list, needed)
		count++;
	kmod_module_unref_list(needed);
	iter = kmod_config_get_options(ctx);
	if (count != 2 || !kmod_config_iter_next(iter) || kmod_module_get_path(mod) == NULL)
		abort();
	kmod_config_iter_free_iter(iter);
	kmod_module_unref(mod);
}

static void *run(void *shared)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		struct kmod_ctx *own = i % 10 == 0 ? kmod_new(directory, paths) : NULL;

		use(kmod_ref(shared));
		kmod_unref(shared);
		if (own != NULL) {
			use(own);
			if (kmod_unref(own) != NULL)
				abort();
		}
		if (i % 50 == 0) {
			kmod_load_resources(shared);
			kmod_validate_resources(shared);
			kmod_unload_resources(shared);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	struct kmod_ctx *ctx;
	int i;

	if (argc != 3)
		return 2;
	directory = argv[1];
	paths[0] = argv[2];
	ctx = kmod_new(directory, paths);
	for (i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, run, ctx) != 0)
			return 2;
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	if (kmod_unref(ctx) != NULL)
		return 1;
	puts("fine");
	return 0;
}
