/* Tells the machine of a module, its plugin, and whether it links: check MODULE. */

#include <relobox.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct relobox_context *context = relobox_context_new();
	struct relobox_module *module = NULL;
	struct relobox_info *info = NULL;
	struct relobox_machine machine;

	if (argc != 2 || relobox_module_open(context, argv[1], &module) != 0 ||
	    relobox_module_inspect(module, &info) != 0 || relobox_info_machine(info, &machine, sizeof(machine)) != 0)
		return 1;
	printf("%d %d %d %s %d\n", machine.machine, machine.bits, machine.big_endian, machine.plugin,
	       relobox_module_check(module, NULL));
	relobox_info_unref(info);
	relobox_module_unref(module);
	relobox_context_unref(context);
	return 0;
}
