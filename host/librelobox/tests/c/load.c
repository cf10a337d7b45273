/* Has a kernel load a module: load MODULE PARAMETERS. */

#include <errno.h>
#include <relobox.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct relobox_context *context = relobox_context_new();
	struct relobox_module *module = NULL;
	struct relobox_loaded *loaded = NULL;
	struct relobox_diagnostics *error;
	struct relobox_load_result result;
	int done;

	if (argc != 3 || relobox_module_open(context, argv[1], &module) != 0)
		return 2;
	if (relobox_module_insert(module, 7, NULL, &loaded) != -EINVAL || loaded != NULL)
		return 2;
	done = relobox_module_insert(module, RELOBOX_KERNEL_VET, argv[2], &loaded);
	printf("insert %d\n", done);
	if (relobox_loaded_result(loaded, &result, sizeof(result)) == 0)
		printf("%s %s %s %d\n", result.name, result.mode, result.plugin, result.relocations >= 3);
	error = relobox_context_error(context);
	if (done != 0)
		printf("%s\n", relobox_diagnostics_text(error));
	relobox_diagnostics_unref(error);
	relobox_loaded_unref(loaded);
	relobox_module_unref(module);
	relobox_context_unref(context);
	return 0;
}
