/* SPDX-License-Identifier: Apache-2.0
 *
 * Tracks are read in batches of up to 1 MiB straight into the slots of the sink. A batch that fails is read again track
 * by track, so that a bad sector costs its own track and not the run.
 */
#include "storage/da_read.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/uio.h>

#include "base/limits.h"
#include "base/log.h"
#include "storage/da.h"
#include "storage/volume.h"

#define BATCH_BYTES (1u * MIB)

struct batch {
	uint64_t first_track;
	uint32_t count;
	struct iovec slots[VOLUME_IOV_MAX];
};

struct reading {
	const struct da_spec *spec;
	uint64_t sequence;
	bool failure_is_logged;
};

static uint64_t track_offset(const struct da_spec *spec, uint64_t track)
{
	return track * spec->track_bytes;
}

/* Bytes of this track inside the device: less than track_bytes only for the last one. */
static uint32_t track_length(const struct da_spec *spec, uint64_t track)
{
	uint64_t left = spec->end_bytes - track_offset(spec, track);

	return left < spec->track_bytes ? (uint32_t)left : spec->track_bytes;
}

static bool is_hole(const struct da_spec *spec, uint64_t track)
{
	uint64_t offset = track_offset(spec, track), data_offset;

	return volume_next_data(spec->volume, offset, &data_offset) == 0 &&
		data_offset >= offset + track_length(spec, track);
}

static bool is_zero(const unsigned char *data, size_t bytes)
{
	return data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0;
}

static void drop_all(const struct da_spec *spec, const struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		spec->sink->drop(spec->sink_arg, batch->first_track + i, batch->slots[i].iov_base);
}

static void publish(const struct reading *reading, uint64_t track, enum track_state state, void *slot)
{
	const struct da_spec *spec = reading->spec;

	if (slot != NULL && state != TRACK_DATA)
		spec->sink->drop(spec->sink_arg, track, slot);
	spec->sink->publish(spec->sink_arg, track, state, state == TRACK_DATA ? slot : NULL, reading->sequence);
}

/* The state of a track of which `have` bytes were read into its slot; what lies after its end is cleared. */
static enum track_state judge(const struct da_spec *spec, uint64_t track, unsigned char *slot, size_t have)
{
	uint32_t length = track_length(spec, track);

	if (have < length)
		return TRACK_SHRUNK;
	memset(slot + length, 0, spec->track_bytes - length);
	return is_zero(slot, length) ? TRACK_ZERO : TRACK_DATA;
}

static ssize_t read_slots(struct reading *reading, const struct batch *batch, uint32_t first, uint32_t count)
{
	const struct da_spec *spec = reading->spec;
	uint64_t offset = track_offset(spec, batch->first_track + first);
	ssize_t bytes = volume_read(spec->volume, &batch->slots[first], (int)count, offset);

	if (bytes < 0 && count == 1 && !reading->failure_is_logged) {
		reading->failure_is_logged = true;
		log_warning("read of %" PRIu32 " bytes at %" PRIu64 ": %s", spec->track_bytes, offset,
			strerror((int)-bytes));
	}
	return bytes;
}

/* Reads tracks first … first + count - 1 of the batch and finds their states; on failure each by itself. */
static void read_batch(struct reading *reading, const struct batch *batch, uint32_t first, uint32_t count,
	enum track_state *states)
{
	const struct da_spec *spec = reading->spec;
	ssize_t bytes = read_slots(reading, batch, first, count);

	if (bytes < 0 && count > 1) {
		for (uint32_t i = 0; i < count; i++)
			read_batch(reading, batch, first + i, 1, states);
		return;
	}
	for (uint32_t i = first; i < first + count; i++) {
		size_t before = (size_t)(i - first) * spec->track_bytes;
		size_t have = bytes > 0 && (size_t)bytes > before ? (size_t)bytes - before : 0;

		states[i] = bytes < 0 ? TRACK_EIO
				      : judge(spec, batch->first_track + i, batch->slots[i].iov_base, have);
	}
}

/* Slots for the tracks from `track` on, up to a hole, the end of the request, or where slots run out. */
static void take_slots(const struct da_spec *spec, uint64_t track, struct batch *batch)
{
	uint64_t end = spec->first_track + spec->track_count;
	uint32_t most = spec->track_bytes >= BATCH_BYTES ? 1 : BATCH_BYTES / spec->track_bytes;

	if (most > VOLUME_IOV_MAX)
		most = VOLUME_IOV_MAX;
	batch->first_track = track;
	for (batch->count = 0; batch->count < most && track < end; batch->count++, track++) {
		void *slot;

		if (batch->count > 0 && is_hole(spec, track))
			return;
		slot = spec->sink->slot(spec->sink_arg, track);
		if (slot == NULL)
			return;
		batch->slots[batch->count] = (struct iovec){ .iov_base = slot, .iov_len = spec->track_bytes };
	}
}

uint32_t da_read_tracks(const struct da_spec *spec, uint64_t sequence, bool (*is_unwanted)(void *arg), void *arg)
{
	struct reading reading = { .spec = spec, .sequence = sequence };
	struct batch batch;
	enum track_state states[VOLUME_IOV_MAX];
	uint32_t done = 0;

	while (done < spec->track_count) {
		uint64_t track = spec->first_track + done;

		if (is_hole(spec, track)) {
			publish(&reading, track, TRACK_HOLE, NULL);
			done++;
			continue;
		}
		take_slots(spec, track, &batch);
		if (batch.count == 0)
			break;
		read_batch(&reading, &batch, 0, batch.count, states);
		if (is_unwanted(arg)) { /* the disk may have taken very long */
			drop_all(spec, &batch);
			break;
		}
		for (uint32_t i = 0; i < batch.count; i++)
			publish(&reading, batch.first_track + i, states[i], batch.slots[i].iov_base);
		done += batch.count;
	}
	return done;
}
