/* SPDX-License-Identifier: Apache-2.0
 *
 * What a Read wants of the tracks of a device, and a fetch brings: their bytes or a digest of each, and where the
 * device is taken to end. Plain data; any thread.
 */
#ifndef RA_SECONDARY_WANTED_H
#define RA_SECONDARY_WANTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "storage/cache.h"

struct device_constants;
struct msg_read;

struct wanted {
	uint32_t device;
	uint32_t track_bytes;
	uint64_t end_bytes; /* of bytes: the end of the device */
	enum digest digest; /* NONE: the bytes */
};

struct wanted wanted_by(const struct device_constants *constants, const struct msg_read *message);
/* Bytes of tracks first … first + count - 1; the last track may be short. */
uint64_t wanted_bytes(const struct wanted *wanted, uint64_t first_track, uint32_t track_count);
/* How many tracks from this one on lie before the end. */
uint64_t wanted_tracks_left(const struct wanted *wanted, uint64_t track);
/* What the cache calls it. */
struct cache_key wanted_key(const struct wanted *wanted, uint64_t track);
/* Is one as good as the other for this track? Both are of one device. */
bool wanted_is_same(const struct wanted *one, const struct wanted *other, uint64_t track);

#endif
