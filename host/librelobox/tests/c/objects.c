/* The lives of objects, results and errors: objects OBJECT SYSTEM.MAP TEXTFILE OUTPUT PLUGINS.
 * Without arguments, those that need no linking process, which valgrind cannot follow. */

#include <dirent.h>
#include <errno.h>
#include <relobox.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define CHECK(condition)                                                                     \
	do {                                                                                 \
		if (!(condition)) {                                                          \
			fprintf(stderr, "line %d: not true: %s\n", __LINE__, #condition);    \
			explain();                                                           \
			exit(1);                                                             \
		}                                                                            \
	} while (0)

#define BASE 0xffffffffc0400000
#define PRINTK 0xffffffff81234560

static struct relobox_context *context;
static volatile int children;

static void explain(void)
{
	struct relobox_diagnostics *error = relobox_context_error(context);

	fprintf(stderr, "%s\n", relobox_diagnostics_text(error));
	relobox_diagnostics_unref(error);
}

static void child(int signal)
{
	(void)signal;
	children++;
}

static int descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

/* The first diagnostic of the last error. */
static struct relobox_diagnostics *wrong(struct relobox_diagnostic *first)
{
	struct relobox_diagnostics *error = relobox_context_error(context);

	CHECK(error != NULL && relobox_diagnostics_count(error) >= 1);
	CHECK(relobox_diagnostics_get(error, 0, first, sizeof(*first)) == 0);
	CHECK(relobox_diagnostics_get(error, relobox_diagnostics_count(error), first, sizeof(*first)) == -ERANGE);
	return error;
}

static void of_nothing(void)
{
	struct relobox_symbols *symbols = (void *)16;
	struct relobox_module *module = (void *)16;
	struct relobox_section section;
	char buffer[4];

	CHECK(relobox_context_ref(NULL) == NULL && relobox_context_unref(NULL) == NULL);
	CHECK(relobox_context_set_linker(NULL, "/x") == -EINVAL && relobox_context_start(NULL) == -EINVAL);
	CHECK(relobox_context_error(NULL) == NULL && relobox_diagnostics_text(NULL) == NULL);
	CHECK(relobox_diagnostics_count(NULL) == 0 && relobox_diagnostics_unref(NULL) == NULL);
	CHECK(relobox_symbols_new(NULL, &symbols) == -EINVAL && symbols == NULL);
	CHECK(relobox_symbols_new(context, NULL) == -EINVAL);
	CHECK(relobox_symbols_add(NULL, "x", 1) == -EINVAL && relobox_symbols_count(NULL, NULL) == -EINVAL);
	CHECK(relobox_module_open(context, NULL, &module) == -EINVAL && module == NULL);
	CHECK(relobox_module_open(context, "/no/such/file", &module) == -ENOENT && module == NULL);
	CHECK(relobox_module_link(NULL, NULL, 0, NULL, 0, NULL) == -EINVAL && relobox_module_file(NULL) == NULL);
	CHECK(relobox_module_check(NULL, NULL) == -EINVAL && relobox_module_inspect(NULL, NULL) == -EINVAL);
	CHECK(relobox_module_insert(NULL, 0, NULL, NULL) == -EINVAL && relobox_context_remove(context, NULL) == -EINVAL);
	CHECK(relobox_image_section(NULL, 0, &section, sizeof(section)) == -EINVAL);
	CHECK(relobox_image_read(NULL, 0, (void *)buffer, 4) == -EINVAL && relobox_image_elf(NULL, NULL) == NULL);
	CHECK(relobox_info_machine(NULL, NULL, 0) == -EINVAL && relobox_loaded_result(NULL, NULL, 0) == -EINVAL);
	CHECK(relobox_plugins_list(NULL, NULL) == -EINVAL && relobox_plugins_count(NULL) == 0);
	/* Not this type. */
	CHECK(relobox_module_file((struct relobox_module *)context) == NULL);
	CHECK(relobox_symbols_unref((struct relobox_symbols *)context) == NULL);
}

static struct relobox_symbols *read_symbols(const char *system_map, const char *no_map)
{
	struct relobox_symbols *symbols = NULL;
	struct relobox_diagnostic d;
	struct relobox_diagnostics *error;
	uint64_t number = 0;

	CHECK(relobox_symbols_new(context, &symbols) == 0 && symbols != NULL);
	CHECK(relobox_symbols_ref(symbols) == symbols && relobox_symbols_unref(symbols) == symbols);
	CHECK(relobox_symbols_read_file(symbols, system_map) == 0);
	CHECK(relobox_symbols_count(symbols, &number) == 0 && number == 2);
	CHECK(relobox_symbols_lookup(symbols, "printk", &number) == 0 && number == PRINTK - 16);
	CHECK(relobox_symbols_lookup(symbols, "no such", &number) == -ENOENT);
	/* One of its own replaces it. */
	CHECK(relobox_symbols_add(symbols, "printk", PRINTK) == 0 && relobox_symbols_add(symbols, "", 1) == -EINVAL);
	CHECK(relobox_symbols_lookup(symbols, "printk", &number) == 0 && number == PRINTK);
	CHECK(relobox_symbols_read_file(symbols, no_map) == -EINVAL);
	error = wrong(&d);
	CHECK(strcmp(d.kind, "usage") == 0 && d.has == 0 && strstr(d.message, no_map) == d.message);
	CHECK(relobox_diagnostics_ref(error) == error && relobox_diagnostics_unref(error) == error);
	CHECK(relobox_diagnostics_unref(error) == NULL && relobox_diagnostics_text(error) == NULL);
	CHECK(relobox_symbols_read_memory(symbols, "symvers", (const void *)"0x00000001\tother\tvmlinux\tEXPORT_SYMBOL\t\n",
					  strlen("0x00000001\tother\tvmlinux\tEXPORT_SYMBOL\t\n")) == 0);
	CHECK(relobox_symbols_lookup(symbols, "other", &number) == -ENODATA);
	return symbols;
}

static void inspect(struct relobox_module *module)
{
	struct relobox_info *info = NULL;
	struct relobox_machine machine;
	struct relobox_modinfo_entry entry;
	struct relobox_section section;
	struct relobox_symbol symbol;
	struct relobox_relocation_count relocation;
	uint64_t all = 0, in_sections = 0;

	CHECK(relobox_module_inspect(module, &info) == 0 && info != NULL);
	CHECK(relobox_info_machine(info, &machine, sizeof(machine)) == 0);
	CHECK(machine.machine == 62 && machine.bits == 64 && !machine.big_endian && machine.signature == 0);
	CHECK(strcmp(machine.plugin, "x86_64") == 0);
	CHECK(relobox_info_modinfo_count(info) == 3 && relobox_info_modinfo(info, 1, &entry, sizeof(entry)) == 0);
	CHECK(strcmp(entry.key, "name") == 0 && strcmp(entry.value, "sample") == 0);
	CHECK(relobox_info_undefined_count(info) == 1);
	CHECK(relobox_info_undefined(info, 0, &symbol, sizeof(symbol)) == 0);
	CHECK(strcmp(symbol.name, "printk") == 0 && symbol.has == 0 && symbol.flags == 0 && !symbol.symbol_namespace);
	CHECK(relobox_info_export_count(info) == 0 && relobox_info_export(info, 0, &symbol, sizeof(symbol)) == -ERANGE);
	for (size_t i = 0; relobox_info_relocation(info, i, &relocation, sizeof(relocation)) == 0; i++)
		all += relocation.count;
	for (size_t i = 0; relobox_info_section(info, i, &section, sizeof(section)) == 0; i++)
		in_sections += section.relocations;
	CHECK(all == in_sections && all >= 3);
	CHECK(relobox_info_unref(info) == NULL && relobox_info_section_count(info) == 0);
}

static int is(const struct relobox_section *section, const char *name)
{
	return strcmp(section->name, name) == 0;
}

static void link_it(struct relobox_module *module, struct relobox_symbols *symbols, const char *output)
{
	struct relobox_image *image = NULL, *other = NULL;
	struct relobox_section section, text = { 0 }, data = { 0 };
	struct relobox_placement exact = { ".text", BASE + 0x10000 };
	struct relobox_area area;
	struct { struct relobox_area area; char more[8]; } larger;
	struct relobox_diagnostic d;
	struct relobox_diagnostics *error;
	unsigned char bytes[64];
	int32_t distance;
	uint64_t address;
	size_t size = 0;

	CHECK(relobox_module_link(module, symbols, BASE, NULL, 0, &image) == 0 && image != NULL);
	CHECK(strcmp(relobox_image_plugin(image), "x86_64") == 0 && relobox_image_relocations(image) >= 3);
	for (size_t i = 0; relobox_image_section(image, i, &section, sizeof(section)) == 0; i++) {
		if (is(&section, ".text"))
			text = section;
		if (is(&section, ".data.pointer"))
			data = section;
		CHECK(section.address >= BASE && (section.address % section.align) == 0);
		CHECK(!is(&section, ".bss") || (section.contents == NULL && section.size == 64));
	}
	CHECK(text.address == BASE && text.contents && text.flags == (RELOBOX_SECTION_FLAG_ALLOC | RELOBOX_SECTION_FLAG_EXEC));
	/* The call to printk: e8, and the distance from the next instruction. */
	CHECK(text.size <= sizeof(bytes) && relobox_image_read(image, text.address, bytes, text.size) == 0);
	CHECK(memcmp(bytes, text.contents, text.size) == 0);
	for (size = 0; bytes[size] != 0xe8; size++)
		CHECK(size + 5 < text.size);
	memcpy(&distance, bytes + size + 1, 4);
	CHECK(text.address + size + 5 + (int64_t)distance == PRINTK);
	/* The address of the numbers is in the data, and leads to the data. */
	memcpy(&address, data.contents, sizeof(address));
	CHECK(relobox_image_read(image, address, bytes, 8) == 0 && bytes[0] == 1);
	CHECK(relobox_image_area(image, 0, &area, sizeof(area)) == 0 && strcmp(area.kind, "text") == 0);
	CHECK(relobox_image_read(image, area.address + area.size, bytes, 1) == -ERANGE);
	/* A program of a later version of the header. */
	memset(&larger, 7, sizeof(larger));
	CHECK(relobox_image_area(image, 0, &larger.area, sizeof(larger)) == 0 && larger.area.size == area.size);
	CHECK(larger.more[0] == 0 && larger.more[7] == 0);
	CHECK(memcmp(relobox_image_elf(image, &size), "\177ELF", 4) == 0 && size > 64);
	CHECK(relobox_image_write(image, output) == 0 && relobox_image_write(image, "/no/such/directory/x") == -ENOENT);
	/* Exact addresses. */
	CHECK(relobox_module_link(module, symbols, BASE, &exact, 1, &other) == 0);
	CHECK(relobox_image_read(other, exact.address, bytes, text.size) == 0);
	CHECK(relobox_image_unref(other) == NULL && relobox_image_unref(image) == NULL);
	/* The first page, and too far away. */
	CHECK(relobox_module_link(module, symbols, 16, NULL, 0, &image) == -EINVAL && image == NULL);
	CHECK(relobox_module_link(module, symbols, 0x100000000, NULL, 0, &image) == -ENOEXEC && image == NULL);
	error = wrong(&d);
	CHECK(strcmp(d.kind, "out-of-range") == 0 && strncmp(d.relocation, "R_X86_64_", 9) == 0 && d.section);
	CHECK(d.has == (RELOBOX_HAS_OFFSET | RELOBOX_HAS_VALUE | RELOBOX_HAS_MIN | RELOBOX_HAS_MAX));
	CHECK((d.value < d.min || d.value > d.max) && strcmp(d.file, relobox_module_file(module)) == 0);
	CHECK(strstr(relobox_diagnostics_text(error), "out of range") != NULL);
	relobox_diagnostics_unref(error);
	/* Without symbols. */
	CHECK(relobox_module_link(module, NULL, 0, NULL, 0, &image) == -ENOEXEC);
	error = wrong(&d);
	CHECK(strcmp(d.kind, "undefined-symbol") == 0 && strcmp(d.symbol, "printk") == 0 && d.has == 0);
	relobox_diagnostics_unref(error);
	CHECK(relobox_module_check(module, NULL) == 0 && relobox_module_check(module, symbols) == 0);
}

static void plugins(void)
{
	struct relobox_plugins *list = NULL;
	struct relobox_plugin plugin;
	size_t found = 0;

	CHECK(relobox_plugins_list(context, &list) == 0 && relobox_plugins_count(list) > 20);
	for (size_t i = 0; relobox_plugins_get(list, i, &plugin, sizeof(plugin)) == 0; i++) {
		CHECK(strlen(plugin.sha256) == 64);
		if (strcmp(plugin.name, "x86_64") == 0 && plugin.flags & RELOBOX_PLUGIN_FLAG_BUILT_IN)
			found += strcmp(plugin.machines, "62/64/little") == 0 && plugin.path == NULL;
	}
	CHECK(found == 1 && relobox_plugins_ref(list) == list && relobox_plugins_unref(list) == list);
	CHECK(relobox_plugins_unref(list) == NULL && relobox_plugins_count(list) == 0);
	CHECK(relobox_context_choose_plugin(context, "no such plugin") == 0 && relobox_context_start(context) == -EINVAL);
}

/* The directory has one plugin, own.wasm. */
static void pins(const char *directory)
{
	struct relobox_context *other = relobox_context_new();
	struct relobox_plugins *list = NULL;
	struct relobox_plugin plugin;
	struct relobox_diagnostics *error;
	char file[4096];

	snprintf(file, sizeof(file), "%s/pins", directory);
	CHECK(relobox_context_set_pins(other, file) == 0 && relobox_context_add_plugin_directory(other, directory) == 0);
	CHECK(relobox_context_pin(other, "no-such", NULL) == -EINVAL && relobox_context_pin(other, NULL, NULL) == -EINVAL);
	CHECK(relobox_context_pin(other, "own", "a comment") == 0 && relobox_plugins_list(other, &list) == 0);
	CHECK(relobox_plugins_get(list, relobox_plugins_count(list) - 1, &plugin, sizeof(plugin)) == 0);
	CHECK(strcmp(plugin.name, "own") == 0 && plugin.flags == RELOBOX_PLUGIN_FLAG_PINNED && plugin.path != NULL);
	/* Pinned, and not compiled. */
	CHECK(relobox_context_start(other) == -EINVAL);
	error = relobox_context_error(other);
	CHECK(strstr(relobox_diagnostics_text(error), "'relobox plugin compile' creates it") != NULL);
	relobox_diagnostics_unref(error);
	CHECK(relobox_context_unpin(other, plugin.sha256) == 0 && relobox_context_unpin(other, "own") == -EINVAL);
	CHECK(relobox_plugins_unref(list) == NULL);
	/* Neither pinned nor chosen: left out. */
	CHECK(relobox_context_start(other) == 0 && relobox_context_unref(other) == NULL);
}

static int without_linking(void)
{
	struct relobox_symbols *symbols;
	struct relobox_module *module;
	struct relobox_diagnostics *error;
	struct relobox_diagnostic d;

	CHECK(relobox_symbols_new(context, &symbols) == 0 && relobox_symbols_add(symbols, "printk", PRINTK) == 0);
	CHECK(relobox_module_from_memory(context, "x.ko", (const void *)"x", 1, &module) == 0);
	CHECK(relobox_context_set_input(context, "phys_base", 1) == 0 && relobox_context_set_pins(context, "") == 0);
	CHECK(relobox_context_set_linker(context, "/no/such/program") == 0 && relobox_context_start(context) < 0);
	error = wrong(&d);
	CHECK(relobox_module_check(module, symbols) < 0 && relobox_module_unref(module) == NULL);
	CHECK(relobox_symbols_unref(symbols) == NULL && relobox_context_unref(context) == NULL);
	/* What is wrong is there after all else. */
	CHECK(strlen(d.message) > 0 && relobox_diagnostics_unref(error) == NULL);
	puts("fine");
	return 0;
}

int main(int argc, char **argv)
{
	struct relobox_module *module = NULL, *copy = NULL;
	struct relobox_symbols *symbols;
	struct relobox_context *same;
	static char bytes[1 << 20];
	size_t size;
	FILE *file;
	int before = descriptors();

	signal(SIGCHLD, child);
	context = relobox_context_new();
	CHECK(context != NULL && strlen(relobox_version()) > 0);
	CHECK(relobox_context_ref(context) == context && relobox_context_unref(context) == context);
	of_nothing();
	if (argc == 1)
		return without_linking();
	CHECK(argc == 6);
	symbols = read_symbols(argv[2], argv[3]);
	CHECK(relobox_module_open(context, argv[1], &module) == 0 && strcmp(relobox_module_file(module), argv[1]) == 0);
	inspect(module);
	link_it(module, symbols, argv[4]);
	/* From memory, and what is no module. */
	file = fopen(argv[1], "rb");
	size = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	CHECK(relobox_module_from_memory(context, argv[1], (void *)bytes, size, &copy) == 0 && copy != module);
	memset(bytes, 0, 64);
	inspect(copy);
	CHECK(relobox_module_unref(copy) == NULL);
	CHECK(relobox_module_from_memory(context, "zeros.ko", (void *)bytes, 64, &copy) == 0);
	CHECK(relobox_module_check(copy, symbols) == -ENOEXEC && relobox_module_unref(copy) == NULL);
	/* What links is no child of this process. */
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	plugins();
	pins(argv[5]);
	/* Objects keep their context. */
	same = context;
	CHECK(relobox_context_unref(context) != NULL && relobox_module_unref(module) == NULL);
	CHECK(relobox_symbols_unref(symbols) == NULL && relobox_context_ref(same) == NULL);
	CHECK(children == 0 && descriptors() == before);
	puts("fine");
	return 0;
}
