/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests of tracks, and the memory that a thread reads them into: a digester is for one thread, which makes it when it
 * first needs one.
 */
#ifndef RA_STORAGE_DIGEST_H
#define RA_STORAGE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

#define DIGESTER_BUFFER_BYTES (1u * MIB)

struct digester;

struct digester *digester_new(void);
void digester_free(struct digester *digester); /* NULL is fine */
/* Page-aligned; costs memory only as far as it is written. */
uint8_t *digester_buffer(struct digester *digester);
/* digest_bytes(digest) into out: XXH3-128 in its canonical form, which is big-endian. */
void digester_compute(struct digester *digester, enum digest digest, const void *data, size_t bytes,
	uint8_t out[DIGEST_BYTES_MAX]);

#endif
