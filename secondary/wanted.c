/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wanted of tracks: see wanted.h. Two that differ only in the end want the same of every track but those that
 * an end lies in.
 */
#include "secondary/wanted.h"

#include <assert.h>

#include "secondary/device.h"
#include "wire/message.h"

struct wanted wanted_by(const struct device_constants *constants, const struct msg_read *message)
{
	return (struct wanted){ .device = constants->number, .track_bytes = constants->track_bytes,
		.end_bytes = message->digest == DIGEST_NONE ? constants->size_bytes : message->end_bytes,
		.digest = message->digest };
}

uint64_t wanted_bytes(const struct wanted *wanted, uint64_t first_track, uint32_t track_count)
{
	uint64_t begin = first_track * wanted->track_bytes;
	uint64_t end = begin + (uint64_t)track_count * wanted->track_bytes;

	assert(begin < wanted->end_bytes);
	return (end < wanted->end_bytes ? end : wanted->end_bytes) - begin;
}

uint64_t wanted_tracks_left(const struct wanted *wanted, uint64_t track)
{
	uint64_t tracks = (wanted->end_bytes + wanted->track_bytes - 1) / wanted->track_bytes;

	assert(track <= tracks);
	return tracks - track;
}

struct cache_key wanted_key(const struct wanted *wanted, uint64_t track)
{
	return (struct cache_key){ .track = track, .device = wanted->device,
		.valid_bytes = (uint32_t)wanted_bytes(wanted, track, 1), .digest = wanted->digest };
}

bool wanted_is_same(const struct wanted *one, const struct wanted *other, uint64_t track)
{
	return one->digest == other->digest && wanted_bytes(one, track, 1) == wanted_bytes(other, track, 1);
}
