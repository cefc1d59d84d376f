/* SPDX-License-Identifier: Apache-2.0
 *
 * What a difference looks like: zeros on one side only are mostly a range that was trimmed there or never written, and
 * another matter than two contents. Pure.
 */
#ifndef RA_COMPARE_SHAPE_H
#define RA_COMPARE_SHAPE_H

#include <stdint.h>

enum report_shape {
	SHAPE_DATA,
	SHAPE_LOCAL_ZERO,
	SHAPE_REMOTE_ZERO,
	SHAPE_TAIL, /* only one volume has it; shape_of never says so */
	SHAPE_COUNT
};

/* Of a range that differs, in a track of which both sides have track_bytes: length at least 1, its end at most
 * track_bytes. A side is zero when all blocks of 4 KiB that the range touches are zero there, and not on the other. */
enum report_shape shape_of(const uint8_t *local, const uint8_t *remote, uint32_t track_bytes, uint32_t offset,
	uint32_t length);
const char *shape_name(enum report_shape shape); /* "remote-zero" */

#endif
