/* SPDX-License-Identifier: Apache-2.0
 *
 * The word behind a number, for people.
 */
#ifndef RA_BASE_PLURAL_H
#define RA_BASE_PLURAL_H

#include <stdint.h>

/* plural(n, "byte", "bytes") */
static inline const char *plural(uint64_t count, const char *one, const char *many)
{
	return count == 1 ? one : many;
}

#endif
