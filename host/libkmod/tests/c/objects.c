/* The lives of objects, and what a program must not do: objects DIRECTORY CONFIGURATION. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmod.h"

#define CHECK(condition)                                                                     \
	do {                                                                                 \
		if (!(condition)) {                                                          \
			fprintf(stderr, "line %d: not true: %s\n", __LINE__, #condition);    \
			exit(1);                                                             \
		}                                                                            \
	} while (0)

static int logged;

static void log_message(void *data, int priority, const char *file, int line, const char *fn, const char *format,
			va_list args)
{
	char text[256];

	(void)line;
	vsnprintf(text, sizeof(text), format, args);
	CHECK(data == &logged && priority <= 7 && file != NULL && fn != NULL);
	CHECK(strlen(text) > 1 && text[strlen(text) - 1] == '\n');
	logged++;
}

static void lives(const char *directory, const char *const *paths)
{
	struct kmod_ctx *ctx = kmod_new(directory, paths);
	struct kmod_module *mod, *same, *aliased;
	struct kmod_list *list = NULL, *entry;
	int count = 0;

	CHECK(ctx != NULL && kmod_ref(ctx) == ctx && kmod_unref(ctx) == ctx);
	kmod_set_userdata(ctx, &count);
	CHECK(kmod_get_userdata(ctx) == &count);
	kmod_set_log_priority(ctx, 7);
	kmod_set_log_fn(ctx, log_message, &logged);
	/* There is one object for each name. */
	CHECK(kmod_module_new_from_name(ctx, "first-module.ko", &mod) == 0);
	CHECK(kmod_module_new_from_name(ctx, "first_module", &same) == 0 && same == mod);
	CHECK(strcmp(kmod_module_get_name(mod), "first_module") == 0);
	CHECK(kmod_module_unref(same) == mod);
	CHECK(kmod_module_new_from_lookup(ctx, "my-alias-1", &list) == 0 && list != NULL);
	aliased = kmod_module_get_module(list);
	CHECK(aliased != NULL && aliased != mod && strcmp(kmod_module_get_name(aliased), "first_module") == 0);
	/* The list has its own reference. */
	CHECK(kmod_module_unref(aliased) == aliased && kmod_module_get_name(aliased) != NULL);
	CHECK(kmod_module_unref_list(list) == 0 && kmod_module_get_name(aliased) == NULL);
	/* A list is not empty: it is not overwritten. */
	list = (struct kmod_list *)mod;
	CHECK(kmod_module_new_from_lookup(ctx, "my-alias-1", &list) < 0 && logged > 0);
	/* What a module needs lives as long as the module. */
	list = kmod_module_get_dependencies(mod);
	FOREACH(entry, list)
		count++;
	CHECK(count == 2 && kmod_list_last(list) == kmod_list_next(list, list));
	CHECK(kmod_list_prev(list, kmod_list_last(list)) == list && kmod_list_prev(list, list) == NULL);
	same = kmod_module_get_module(list);
	kmod_module_unref(same);
	kmod_module_unref_list(list);
	CHECK(kmod_module_get_name(same) != NULL);
	/* A context lives as long as its modules. */
	CHECK(kmod_unref(ctx) == ctx);
	CHECK(kmod_module_get_path(mod) != NULL && kmod_module_unref(mod) == NULL);
	CHECK(kmod_get_dirname(ctx) == NULL && kmod_module_get_name(same) == NULL);
}

static void misuse(const char *directory, const char *const *paths)
{
	struct kmod_ctx *ctx = kmod_new(directory, paths);
	struct kmod_config_iter *iter = kmod_config_get_options(ctx);
	struct kmod_module *mod = NULL, *gone;
	struct kmod_list *list = NULL, *other;
	long wild[64];
	void *const wrong[] = { NULL, ctx, iter, wild, (void *)1, (void *)-1L, (void *)0x10 };
	size_t i;

	memset(wild, 0x5a, sizeof(wild));
	kmod_set_log_fn(ctx, NULL, NULL);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		void *p = wrong[i];

		if (p != (void *)ctx) {
			CHECK(kmod_ref(p) == NULL && kmod_unref(p) == NULL && kmod_get_dirname(p) == NULL);
			CHECK(kmod_load_resources(p) < 0 && kmod_validate_resources(p) == 2);
			CHECK(kmod_module_new_from_name(p, "x", &mod) < 0 && mod == NULL);
			kmod_set_log_fn(p, log_message, NULL);
			kmod_set_log_priority(p, 7);
			kmod_unload_resources(p);
		}
		CHECK(kmod_module_ref(p) == NULL && kmod_module_unref(p) == NULL && kmod_module_get_name(p) == NULL);
		CHECK(kmod_module_insert_module(p, 0, NULL) < 0 && kmod_module_remove_module(p, 0) < 0);
		CHECK(kmod_module_probe_insert_module(p, 0, NULL, NULL, NULL, NULL) < 0);
		CHECK(kmod_module_get_dependencies(p) == NULL && kmod_module_get_holders(p) == NULL);
		CHECK(kmod_module_get_info(p, &list) < 0 && kmod_module_get_initstate(p) < 0);
		CHECK(kmod_list_next(p, p) == NULL && kmod_list_last(p) == NULL && kmod_list_prev(p, p) == NULL);
		CHECK(kmod_module_get_module(p) == NULL && kmod_module_info_get_key(p) == NULL);
		CHECK(kmod_module_section_get_address(p) == (unsigned long)-1 && kmod_module_section_get_name(p) == NULL);
		CHECK(kmod_module_unref_list(p) == 0);
		if (p != (void *)iter)
			CHECK(!kmod_config_iter_next(p) && kmod_config_iter_get_key(p) == NULL);
	}
	CHECK(kmod_module_new_from_name(ctx, NULL, &mod) < 0 && kmod_module_new_from_path(ctx, "/nowhere.ko", &mod) == -2);
	CHECK(kmod_module_new_from_name(ctx, "x", NULL) < 0 && kmod_module_new_from_lookup(ctx, NULL, &list) < 0);
	CHECK(kmod_module_new_from_lookup(ctx, "a[b", &list) == -22 && kmod_dump_index(ctx, 0, -1) < 0);
	CHECK(kmod_module_initstate_str(4) == NULL);
	/* Used after its end, and ended twice. */
	CHECK(kmod_module_new_from_name(ctx, "first_module", &mod) == 0);
	gone = mod;
	CHECK(kmod_module_unref(mod) == NULL && kmod_module_unref(mod) == NULL && kmod_module_unref(mod) == NULL);
	CHECK(kmod_module_new_from_name(ctx, "first_module", &mod) == 0 && mod != gone);
	list = kmod_module_get_dependencies(mod);
	other = kmod_list_last(list);
	CHECK(kmod_module_unref_list(other) == 0 && kmod_list_next(list, list) == NULL);
	CHECK(kmod_module_unref_list(list) == 0 && kmod_module_get_module(list) == NULL);
	/* A list of one kind is asked as another. */
	list = kmod_module_get_dependencies(mod);
	CHECK(kmod_module_info_get_key(list) == NULL && kmod_module_section_get_name(list) == NULL);
	kmod_module_section_free_list(list);
	kmod_module_unref(mod);
	CHECK(kmod_config_iter_next(iter));
	kmod_config_iter_free_iter(iter);
	kmod_config_iter_free_iter(iter);
	CHECK(kmod_config_iter_get_key(iter) == NULL);
	CHECK(kmod_unref(ctx) == NULL && kmod_unref(ctx) == NULL && kmod_ref(ctx) == NULL);
}

int main(int argc, char **argv)
{
	const char *const paths[] = { argv[2], NULL };

	CHECK(argc == 3);
	lives(argv[1], paths);
	misuse(argv[1], paths);
	puts("fine");
	return 0;
}
