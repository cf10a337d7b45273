// SPDX-License-Identifier: GPL-2.0
/* The kernel does not export these; the second one exists. */
extern int no_such_function(void);
extern int find_symbol(void *);

int lacks(void)
{
	return no_such_function() + find_symbol(0);
}
