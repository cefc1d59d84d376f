/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole blocks are looked at, not the bytes that differ alone: one byte that is 0 on one side is no trimmed range.
 */
#include "primary/compare/shape.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define BLOCK_BYTES 4096u

static bool is_zero(const uint8_t *bytes, uint32_t count)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

enum report_shape shape_of(const uint8_t *local, const uint8_t *remote, uint32_t track_bytes, uint32_t offset,
	uint32_t length)
{
	uint32_t begin = offset - offset % BLOCK_BYTES, end = offset + length, count;
	bool is_local_zero;

	assert(length > 0 && offset < track_bytes && length <= track_bytes - offset);
	if (end % BLOCK_BYTES > 0)
		end += BLOCK_BYTES - end % BLOCK_BYTES;
	count = (end < track_bytes ? end : track_bytes) - begin;
	is_local_zero = is_zero(local + begin, count);
	if (is_local_zero == is_zero(remote + begin, count))
		return SHAPE_DATA;
	return is_local_zero ? SHAPE_LOCAL_ZERO : SHAPE_REMOTE_ZERO;
}

const char *shape_name(enum report_shape shape)
{
	static const char *const names[SHAPE_COUNT] = {
		[SHAPE_DATA] = "data",
		[SHAPE_LOCAL_ZERO] = "local-zero",
		[SHAPE_REMOTE_ZERO] = "remote-zero",
		[SHAPE_TAIL] = "tail",
	};

	assert(shape < SHAPE_COUNT);
	return names[shape];
}
