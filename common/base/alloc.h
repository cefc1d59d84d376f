/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for small things: these abort when there is none, so callers have no error path. What a peer or a
 * configuration sizes (cache, payload) is not taken here.
 */
#ifndef RA_BASE_ALLOC_H
#define RA_BASE_ALLOC_H

#include <stddef.h>

void *xcalloc(size_t count, size_t bytes_each);
void *xrealloc(void *old, size_t count, size_t bytes_each);
char *xstrdup(const char *text);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
