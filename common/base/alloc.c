/* SPDX-License-Identifier: Apache-2.0
 *
 * The only caller of the C library's allocation functions. Any thread. Overflow of count times size is left to calloc
 * and reallocarray, which refuse it; a refusal ends the program here.
 */
#include "base/alloc.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

void *xcalloc(size_t count, size_t bytes_each)
{
	void *memory = calloc(count, bytes_each);

	if (!memory)
		log_abort("out of memory: %zu times %zu bytes", count, bytes_each);
	return memory;
}

void *xrealloc(void *old, size_t count, size_t bytes_each)
{
	/* reallocarray would free, and return NULL as for a failure. */
	assert(count > 0 && bytes_each > 0);

	void *memory = reallocarray(old, count, bytes_each);

	if (!memory)
		log_abort("out of memory: %zu times %zu bytes", count, bytes_each);
	return memory;
}

char *xstrdup(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		log_abort("out of memory: a copy of %zu characters", strlen(text));
	return copy;
}

char *xasprintf(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		log_abort("out of memory: text of format \"%s\"", format);
	return text;
}
