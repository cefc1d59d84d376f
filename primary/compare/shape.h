/* SPDX-License-Identifier: Apache-2.0
 *
 * What a difference looks like: one side zero where the other has data, which is what a trim or a write that never came
 * leaves behind, or data on both. Looked at in blocks of 4 KiB, aligned in the track. No state.
 */
#ifndef RA_COMPARE_SHAPE_H
#define RA_COMPARE_SHAPE_H

#include <stdint.h>

#define SHAPE_BLOCK_BYTES 4096u

enum report_shape { SHAPE_DATA, SHAPE_LOCAL_ZERO, SHAPE_REMOTE_ZERO, SHAPE_TAIL, SHAPE_COUNT };

const char *shape_name(enum report_shape shape); /* "data", "local-zero", "remote-zero", "tail" */
/* Of the differing bytes offset to offset + length of a track. Never TAIL. */
enum report_shape shape_of(const uint8_t *local, const uint8_t *remote, uint32_t track_bytes, uint32_t offset,
	uint32_t length);

#endif
