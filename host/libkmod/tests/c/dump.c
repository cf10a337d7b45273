/* Prints what the library says about a tree and a configuration: dump DIRECTORY CONFIGURATION FILE, with a name or an
 * alias in each line of FILE. Two libraries that say the same print the same. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmod.h"

static const char *text(const char *s)
{
	return s ? s : "-";
}

static void config(struct kmod_ctx *ctx, const char *name, config_function *of)
{
	struct kmod_config_iter *iter = of(ctx);

	while (kmod_config_iter_next(iter))
		printf("%s %s = %s\n", name, kmod_config_iter_get_key(iter), text(kmod_config_iter_get_value(iter)));
	kmod_config_iter_free_iter(iter);
}

/* kmod has a module twice in a list if an alias has two patterns for it. */
static bool again(struct kmod_list *list, struct kmod_list *entry)
{
	struct kmod_module *mod = kmod_module_get_module(entry);
	struct kmod_list *other;
	bool found = false;

	FOREACH(other, list) {
		struct kmod_module *before = other == entry ? NULL : kmod_module_get_module(other);

		if (before == NULL)
			break;
		found |= before == mod;
		kmod_module_unref(before);
	}
	kmod_module_unref(mod);
	return found;
}

static void names(const char *what, struct kmod_list *list)
{
	struct kmod_list *entry;

	printf("  %s:", what);
	FOREACH(entry, list) {
		struct kmod_module *mod;

		if (again(list, entry))
			continue;
		mod = kmod_module_get_module(entry);
		printf(" %s", kmod_module_get_name(mod));
		kmod_module_unref(mod);
	}
	putchar('\n');
}

static void action(struct kmod_module *mod, bool install, const char *options)
{
	const char *what = install ? kmod_module_get_install_commands(mod) : kmod_module_get_path(mod);

	printf("  %s %s: %s\n", install ? "install" : "insmod", text(what), options);
}

static int install(struct kmod_module *mod, const char *command, void *data)
{
	printf("  runs for %s: %s %s\n", kmod_module_get_name(mod), command, (const char *)data);
	return 0;
}

static void probe(struct kmod_module *mod, unsigned int flags, const char *options)
{
	int result = kmod_module_probe_insert_module(mod, flags | IGNORE_LOADED | DRY_RUN, options, install, "data", action);

	printf("  probe %#x: %d\n", flags, result);
}

static void info(struct kmod_module *mod)
{
	struct kmod_list *list = NULL, *entry;

	printf("  info %d\n", kmod_module_get_info(mod, &list));
	FOREACH(entry, list)
		printf("   %s=%s\n", kmod_module_info_get_key(entry), kmod_module_info_get_value(entry));
	kmod_module_info_free_list(list);
}

static int no_bind(const struct kmod_list *entry)
{
	(void)entry;
	return '-';
}

static void symbols(const char *what, int count, struct kmod_list *list, uint64_t (*crc)(const struct kmod_list *),
		    int (*bind)(const struct kmod_list *), const char *(*name)(const struct kmod_list *))
{
	struct kmod_list *entry;

	printf("  %s %d\n", what, count);
	FOREACH(entry, list)
		printf("   %llx %c %s\n", (unsigned long long)crc(entry), bind(entry), name(entry));
}

/* What the module's file says. */
static void contents(struct kmod_module *mod)
{
	struct kmod_list *list = NULL;
	int count;

	info(mod);
	count = kmod_module_get_versions(mod, &list);
	symbols("versions", count, list, kmod_module_version_get_crc, no_bind, kmod_module_version_get_symbol);
	kmod_module_versions_free_list(list);
	list = NULL;
	count = kmod_module_get_symbols(mod, &list);
	symbols("exports", count, list, kmod_module_symbol_get_crc, no_bind, kmod_module_symbol_get_symbol);
	kmod_module_symbols_free_list(list);
	list = NULL;
	count = kmod_module_get_dependency_symbols(mod, &list);
	symbols("imports", count, list, kmod_module_dependency_symbol_get_crc, kmod_module_dependency_symbol_get_bind,
		kmod_module_dependency_symbol_get_symbol);
	kmod_module_dependency_symbols_free_list(list);
}

static void module(struct kmod_ctx *ctx, struct kmod_module *mod)
{
	struct kmod_list *pre = NULL, *post = NULL, *weak = NULL, *list;
	/* Reading a file takes a process: every eighth module. */
	static unsigned int files;
	int count;

	printf(" module %s path %s\n", kmod_module_get_name(mod), text(kmod_module_get_path(mod)));
	printf("  options %s install %s remove %s\n", text(kmod_module_get_options(mod)),
	       text(kmod_module_get_install_commands(mod)), text(kmod_module_get_remove_commands(mod)));
	list = kmod_module_get_dependencies(mod);
	names("needs", list);
	kmod_module_unref_list(list);
	printf("  soft %d\n", kmod_module_get_softdeps(mod, &pre, &post));
	names("pre", pre);
	names("post", post);
	kmod_module_unref_list(pre);
	kmod_module_unref_list(post);
	printf("  weak %d\n", kmod_module_get_weakdeps(mod, &weak));
	names("weak", weak);
	kmod_module_unref_list(weak);
	count = kmod_module_get_initstate(mod);
	printf("  state %d %s\n", count, count < 0 ? "-" : kmod_module_initstate_str(count));
	if (count == 0) {
		info(mod);
		return;
	}
	printf("  size %ld count %d\n", kmod_module_get_size(mod), kmod_module_get_refcnt(mod));
	if (kmod_module_get_path(mod) == NULL)
		return;
	if (files++ % 8 == 0)
		contents(mod);
	probe(mod, 0, "given=1");
	probe(mod, IGNORE_COMMAND, NULL);
	probe(mod, APPLY_BLACKLIST, NULL);
	probe(mod, APPLY_BLACKLIST_ALL, NULL);
	probe(mod, APPLY_BLACKLIST_ALIAS_ONLY, "");
	(void)ctx;
}

int main(int argc, char **argv)
{
	const char *const paths[] = { argv[2], NULL };
	struct kmod_ctx *ctx;
	struct kmod_list *list, *entry, *filtered;
	struct kmod_module *mod;
	unsigned int i;
	char line[4096];
	FILE *file;
	int err;

	if (argc != 4 || (ctx = kmod_new(argv[1], paths)) == NULL || (file = fopen(argv[3], "r")) == NULL)
		return 2;
	kmod_set_log_fn(ctx, NULL, NULL);
	printf("directory %s priority %d\n", kmod_get_dirname(ctx), kmod_get_log_priority(ctx));
	config(ctx, "blacklist", kmod_config_get_blacklists);
	config(ctx, "install", kmod_config_get_install_commands);
	config(ctx, "remove", kmod_config_get_remove_commands);
	config(ctx, "alias", kmod_config_get_aliases);
	config(ctx, "options", kmod_config_get_options);
	config(ctx, "softdep", kmod_config_get_softdeps);
	config(ctx, "weakdep", kmod_config_get_weakdeps);
	for (i = 0; i < 6; i++) {
		fflush(stdout);
		printf("index %u: %d\n", i, kmod_dump_index(ctx, i, 1));
	}
	printf("load %d", kmod_load_resources(ctx));
	printf(" validate %d\n", kmod_validate_resources(ctx));
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		list = filtered = NULL;
		err = kmod_module_new_from_lookup(ctx, line, &list);
		printf("lookup %s: %d\n", line, err);
		FOREACH(entry, list) {
			if (again(list, entry))
				continue;
			mod = kmod_module_get_module(entry);
			module(ctx, mod);
			kmod_module_unref(mod);
		}
		printf(" filter %d\n", kmod_module_apply_filter(ctx, 3, list, &filtered));
		names("left", filtered);
		kmod_module_unref_list(filtered);
		kmod_module_unref_list(list);
		mod = NULL;
		err = kmod_module_new_from_name_lookup(ctx, line, &mod);
		printf(" by name %d: %s\n", err, text(kmod_module_get_name(mod)));
		kmod_module_unref(mod);
	}
	fclose(file);
	kmod_unload_resources(ctx);
	printf("end %d\n", kmod_unref(ctx) == NULL);
	return 0;
}
