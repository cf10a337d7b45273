/* Links a module at its final addresses: link MODULE SYMBOLS OUTPUT.elf [BASE]
 *
 *   cc link.c $(pkg-config --cflags --libs relobox) -o link
 *   ./link xfs.ko System.map xfs.elf 0xffffffffc0400000
 */

#include <inttypes.h>
#include <relobox.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints what was wrong, as data. */
static int failed(struct relobox_context *context, int error)
{
	struct relobox_diagnostics *diagnostics = relobox_context_error(context);
	struct relobox_diagnostic d;

	fprintf(stderr, "failed: %s\n", strerror(-error));
	for (size_t i = 0; relobox_diagnostics_get(diagnostics, i, &d, sizeof(d)) == 0; i++) {
		fprintf(stderr, "%s: %s\n", d.kind, d.message);
		if (d.has & RELOBOX_HAS_VALUE && d.has & RELOBOX_HAS_MIN && d.has & RELOBOX_HAS_MAX)
			fprintf(stderr, "  %" PRId64 " is not in [%" PRId64 ", %" PRId64 "]\n", d.value, d.min, d.max);
	}
	relobox_diagnostics_unref(diagnostics);
	return 1;
}

int main(int argc, char **argv)
{
	struct relobox_context *context = relobox_context_new();
	struct relobox_symbols *symbols = NULL;
	struct relobox_module *module = NULL;
	struct relobox_image *image = NULL;
	struct relobox_section section;
	uint64_t base = argc > 4 ? strtoull(argv[4], NULL, 0) : 0;
	int error;

	if (argc < 4) {
		fprintf(stderr, "usage: %s MODULE SYMBOLS OUTPUT.elf [BASE]\n", argv[0]);
		return 2;
	}
	if ((error = relobox_symbols_new(context, &symbols)) == 0 &&
	    (error = relobox_symbols_read_file(symbols, argv[2])) == 0 &&
	    (error = relobox_module_open(context, argv[1], &module)) == 0 &&
	    (error = relobox_module_link(module, symbols, base, NULL, 0, &image)) == 0 &&
	    (error = relobox_image_write(image, argv[3])) == 0) {
		for (size_t i = 0; relobox_image_section(image, i, &section, sizeof(section)) == 0; i++)
			printf("%#018" PRIx64 " %9" PRIu64 "  %s\n", section.address, section.size, section.name);
		printf("%s: %" PRIu64 " relocations done by plugin %s\n", relobox_module_file(module),
		       relobox_image_relocations(image), relobox_image_plugin(image));
	} else {
		error = failed(context, error);
	}
	relobox_image_unref(image);
	relobox_module_unref(module);
	relobox_symbols_unref(symbols);
	relobox_context_unref(context);
	return error;
}
