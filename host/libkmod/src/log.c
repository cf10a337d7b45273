/* Calls the logging function of a program, which takes a va_list. SPDX-License-Identifier: MIT OR Apache-2.0 */

#include <stdarg.h>
#include <stdio.h>

typedef void log_function(void *data, int priority, const char *file, int line, const char *function,
			  const char *format, va_list arguments);

/* The file and the line that a program is told. They are constants: a text that is logged has its function. */
#define FILE_NAME "libkmod"
#define LINE 0

static void call(log_function *log, void *data, int priority, const char *function, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log(data, priority, FILE_NAME, LINE, function, format, arguments);
	va_end(arguments);
}

/* Passes text to the program's function. */
void relobox_libkmod_log(log_function *log, void *data, int priority, const char *function, const char *text)
{
	call(log, data, priority, function, "%s\n", text);
}

/* Writes text to standard error: what is logged without a function of the program. */
void relobox_libkmod_log_stderr(const char *priority, const char *function, const char *text)
{
	fprintf(stderr, "libkmod: %s: %s: %s\n", priority, function, text);
}
