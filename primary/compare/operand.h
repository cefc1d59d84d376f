/* SPDX-License-Identifier: Apache-2.0
 *
 * HOST:PATH, as rsync and scp understand it: what has a colon before any slash is on another host. Pure functions.
 */
#ifndef RA_COMPARE_OPERAND_H
#define RA_COMPARE_OPERAND_H

#include <stdbool.h>
#include <stddef.h>

#define OPERAND_HOST_BYTES 512u /* user@host, with the final NUL */

/* [user@]host:path or [user@][IPv6]:path; also when the host is empty. ./a:b is local. */
bool operand_is_remote(const char *text);
/* Of a remote operand: the host as ssh takes it, without brackets, and the path inside text. False with words in why
 * for a host that is no name or could be taken for an option, and for an empty path. */
bool operand_split(const char *text, char host[OPERAND_HOST_BYTES], const char **path, char *why, size_t why_bytes);

#endif
