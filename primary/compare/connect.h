/* SPDX-License-Identifier: Apache-2.0
 *
 * The socket of the configured primary.
 */
#ifndef RA_COMPARE_CONNECT_H
#define RA_COMPARE_CONNECT_H

#include <stddef.h>

/* A connected descriptor, the caller's; or -errno with words in why (-EINTR: a signal came). path fits (options.c). */
int connect_primary(const char *path, char *why, size_t why_bytes);

#endif
