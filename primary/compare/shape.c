/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of differences, by comparing blocks with a block of zeros.
 */
#include "primary/compare/shape.h"

#include <stdbool.h>
#include <string.h>

const char *shape_name(enum report_shape shape)
{
	static const char *const names[SHAPE_COUNT] = {
		[SHAPE_DATA] = "data",
		[SHAPE_LOCAL_ZERO] = "local-zero",
		[SHAPE_REMOTE_ZERO] = "remote-zero",
		[SHAPE_TAIL] = "tail",
	};

	return names[shape];
}

static bool is_zero(const uint8_t *data, uint32_t bytes)
{
	static const uint8_t zeros[SHAPE_BLOCK_BYTES];

	return memcmp(data, zeros, bytes) == 0;
}

enum report_shape shape_of(const uint8_t *local, const uint8_t *remote, uint32_t track_bytes, uint32_t offset,
	uint32_t length)
{
	bool is_local_zero = true, is_remote_zero = true;

	for (uint32_t at = offset - offset % SHAPE_BLOCK_BYTES; at < offset + length; at += SHAPE_BLOCK_BYTES) {
		uint32_t bytes = track_bytes - at < SHAPE_BLOCK_BYTES ? track_bytes - at : SHAPE_BLOCK_BYTES;

		is_local_zero = is_local_zero && is_zero(local + at, bytes);
		is_remote_zero = is_remote_zero && is_zero(remote + at, bytes);
		if (!is_local_zero && !is_remote_zero)
			return SHAPE_DATA;
	}
	return is_local_zero ? SHAPE_LOCAL_ZERO : SHAPE_REMOTE_ZERO;
}
