/* SPDX-License-Identifier: Apache-2.0
 *
 * How the shared memory is cut into slots. The primary wants to know it with HostHello, and the track size of a
 * configured device is told later: then a slot has room for the largest track, and the runs are made to fit.
 */
#include <assert.h>

#include "base/limits.h"
#include "primary/compare/options.h"

#define SPARE_SLOTS 2u
#define DIGEST_RUN_BYTES_MAX (64u * MIB) /* of the volume, unless --run says another */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Of data; 0: not asked for. By digest that many fit into any slot. */
static uint32_t asked_tracks(const struct options *options)
{
	return options->digest == DIGEST_NONE ? options->run_tracks : 0;
}

uint32_t options_slot_bytes(const struct options *options)
{
	uint64_t room = HOST_MEMORY_BYTES_MAX / (2 * options->jobs) / 4096 * 4096;
	uint64_t track_bytes = options->form == FORM_DEVICE ? TRACK_BYTES_MAX : options->track_bytes;
	uint64_t wanted = min_u64(RUN_TRACKS_MAX * track_bytes, RUN_BYTES_MAX);

	_Static_assert(RUN_TRACKS_MAX * TRACK_BYTES_MIN >= RUN_DIGESTS_MAX * DIGEST_BYTES_MAX &&
		HOST_MEMORY_BYTES_MAX / (2 * STREAMS_MAX) >= RUN_DIGESTS_MAX * DIGEST_BYTES_MAX,
		"each slot takes the digests of any run");
	if (asked_tracks(options) > 0)
		wanted = min_u64(asked_tracks(options) * track_bytes, RUN_BYTES_MAX);
	return (uint32_t)min_u64(wanted, room);
}

uint32_t options_slot_count(const struct options *options)
{
	uint64_t room = HOST_MEMORY_BYTES_MAX / options_slot_bytes(options);
	uint32_t needed = 2 * options->jobs;

	assert(needed <= room && needed + SPARE_SLOTS <= HOST_SLOTS_MAX);
	return room - needed < SPARE_SLOTS ? (uint32_t)room : needed + SPARE_SLOTS;
}

uint32_t options_run_tracks(const struct options *options, uint32_t track_bytes)
{
	uint64_t room = options_slot_bytes(options) / track_bytes;
	uint32_t asked = asked_tracks(options);

	if (asked > 0)
		return asked <= room ? asked : 0;
	return (uint32_t)min_u64(room, RUN_TRACKS_MAX);
}

uint32_t options_digest_tracks(const struct options *options, uint32_t track_bytes, uint32_t *first)
{
	uint32_t fit = (uint32_t)min_u64(RUN_DIGESTS_MAX, DIGEST_RUN_BYTES_MAX / track_bytes);
	uint32_t most = options->run_tracks > 0 ? options->run_tracks : fit;

	*first = options->run_tracks > 0 ? most : (uint32_t)min_u64(most, RUN_BYTES_DEFAULT / track_bytes);
	return most;
}
