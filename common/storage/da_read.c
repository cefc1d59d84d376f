/* SPDX-License-Identifier: Apache-2.0
 *
 * One read on a DA thread: holes are told without reading, the rest is read in batches straight into the sink's slots,
 * each track gets its outcome. A batch is at most 4 MiB, and no more slots than that are held at once.
 *
 * The hard thing is to say neither more nor less than what is known of each track: an error marks only the tracks
 * that fail alone, and a track that is not wholly there is SHRUNK, never zeros.
 */
#include "storage/da_read.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "storage/da.h"
#include "storage/volume.h"

#define BATCH_TRACKS_MIN 16u
#define BATCH_BYTES (1u * MIB)
#define READ_ALIGN_BYTES 4096u

struct run {
	const struct da_spec *spec;
	uint64_t sequence;
	bool (*is_wanted)(void *arg);
	void *arg;
	uint32_t batch_tracks_max;
	uint32_t tracks_done;
	uint64_t data_from; /* nothing but holes from the place last asked about to here */
	bool has_logged;
};

/* Consecutive tracks that are read together. */
struct batch {
	uint64_t first_track;
	uint32_t count;
	struct iovec iov[VOLUME_IOV_MAX]; /* one slot each */
	enum track_state states[VOLUME_IOV_MAX];
};

/* Bytes of a track that belong to the device: all, but for the last one. */
static size_t valid_bytes(const struct da_spec *spec, uint64_t track)
{
	uint64_t left_bytes = spec->end_bytes - track * spec->track_bytes;

	return left_bytes < spec->track_bytes ? (size_t)left_bytes : spec->track_bytes;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t batch_tracks_max(uint32_t track_bytes)
{
	uint32_t tracks = BATCH_BYTES / track_bytes;

	if (tracks < BATCH_TRACKS_MIN)
		tracks = BATCH_TRACKS_MIN;
	return min_u32(min_u32(tracks, RUN_BYTES_MAX / track_bytes), VOLUME_IOV_MAX);
}

static bool is_zero(const void *data, size_t bytes)
{
	const char *first = data;

	return *first == 0 && memcmp(first, first + 1, bytes - 1) == 0;
}

static bool is_hole(struct run *run, uint64_t track)
{
	uint64_t offset = track * run->spec->track_bytes;

	/* Up to data_from the answer is known already; a volume that cannot tell is read. */
	if (offset >= run->data_from && volume_next_data(run->spec->volume, offset, &run->data_from) != 0)
		run->data_from = offset;
	return offset + valid_bytes(run->spec, track) <= run->data_from;
}

/* From the first track not done up to a hole, the end, or the last slot there is. */
static void gather(struct run *run, struct batch *batch)
{
	const struct da_spec *spec = run->spec;

	batch->first_track = spec->first_track + run->tracks_done;
	batch->count = 0;
	while (batch->count < run->batch_tracks_max && run->tracks_done + batch->count < spec->track_count) {
		uint64_t track = batch->first_track + batch->count;
		size_t bytes = valid_bytes(spec, track);
		void *slot;

		if (batch->count > 0 && is_hole(run, track))
			return;
		slot = spec->sink->slot(spec->sink_arg, track);
		if (!slot)
			return;
		/* Whole blocks, for O_DIRECT; what lies beyond the device's end is cleared after the read. */
		bytes = (bytes + READ_ALIGN_BYTES - 1) / READ_ALIGN_BYTES * READ_ALIGN_BYTES;
		batch->iov[batch->count++] = (struct iovec){ slot, bytes };
	}
}

static void log_once(struct run *run, uint64_t track, int error)
{
	/* An EIO is told by the track's state; anything else is told as EIO and needs its name somewhere. */
	if (error == -EIO || run->has_logged)
		return;
	run->has_logged = true;
	log_warning("a volume cannot be read at byte %llu: %s", (unsigned long long)(track * run->spec->track_bytes),
		strerror(-error));
}

/* States of count tracks of the batch from index on, of which the volume gave bytes. */
static void judge(const struct run *run, struct batch *batch, uint32_t index, uint32_t count, size_t bytes)
{
	for (uint32_t i = index; i < index + count; i++) {
		size_t valid = valid_bytes(run->spec, batch->first_track + i);
		size_t asked = batch->iov[i].iov_len;

		if (bytes < valid) {
			batch->states[i] = TRACK_SHRUNK;
		} else {
			memset((char *)batch->iov[i].iov_base + valid, 0, run->spec->track_bytes - valid);
			batch->states[i] = is_zero(batch->iov[i].iov_base, valid) ? TRACK_ZERO : TRACK_DATA;
		}
		bytes -= bytes < asked ? bytes : asked;
	}
}

/* A read of the whole batch has failed: which of its tracks can be read alone? */
static void read_one_by_one(struct run *run, struct batch *batch)
{
	const struct da_spec *spec = run->spec;

	for (uint32_t i = 0; i < batch->count; i++) {
		uint64_t track = batch->first_track + i;
		ssize_t bytes;

		batch->states[i] = TRACK_UNSET;
		if (!run->is_wanted(run->arg))
			continue;
		bytes = volume_read(spec->volume, &batch->iov[i], 1, track * spec->track_bytes);
		if (bytes >= 0) {
			judge(run, batch, i, 1, (size_t)bytes);
		} else {
			log_once(run, track, (int)bytes);
			batch->states[i] = TRACK_EIO;
		}
	}
}

static void read_batch(struct run *run, struct batch *batch)
{
	const struct da_spec *spec = run->spec;
	ssize_t bytes = volume_read(spec->volume, batch->iov, (int)batch->count, batch->first_track * spec->track_bytes);

	if (bytes >= 0)
		judge(run, batch, 0, batch->count, (size_t)bytes);
	else
		read_one_by_one(run, batch);
}

/* Publishes the tracks of the batch, or drops their slots from where the read is not wanted any more. */
static void publish_batch(struct run *run, const struct batch *batch)
{
	const struct da_sink *sink = run->spec->sink;
	void *sink_arg = run->spec->sink_arg;
	bool is_wanted = true;

	for (uint32_t i = 0; i < batch->count; i++) {
		uint64_t track = batch->first_track + i;
		void *slot = batch->iov[i].iov_base;

		is_wanted = is_wanted && run->is_wanted(run->arg);
		if (!is_wanted || batch->states[i] != TRACK_DATA) {
			if (sink->drop)
				sink->drop(sink_arg, track, slot);
			slot = NULL;
		}
		if (is_wanted) {
			sink->publish(sink_arg, track, batch->states[i], slot, run->sequence);
			run->tracks_done++;
		}
	}
}

uint32_t da_read_tracks(const struct da_spec *spec, uint64_t sequence, bool (*is_wanted)(void *arg), void *arg)
{
	struct run run = {
		.spec = spec,
		.sequence = sequence,
		.is_wanted = is_wanted,
		.arg = arg,
		.batch_tracks_max = batch_tracks_max(spec->track_bytes),
	};
	struct batch batch;

	while (run.tracks_done < spec->track_count && is_wanted(arg)) {
		uint64_t track = spec->first_track + run.tracks_done;

		if (is_hole(&run, track)) {
			spec->sink->publish(spec->sink_arg, track, TRACK_HOLE, NULL, sequence);
			run.tracks_done++;
			continue;
		}
		gather(&run, &batch);
		if (batch.count == 0)
			break;
		read_batch(&run, &batch);
		publish_batch(&run, &batch);
	}
	return run.tracks_done;
}
