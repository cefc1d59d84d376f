/* SPDX-License-Identifier: Apache-2.0
 *
 * One read on a DA thread: holes are told without reading, the rest is read in batches, each track gets its outcome. Of
 * bytes a batch goes straight into the sink's slots; it is at most 4 MiB, and no more slots than that are held at once.
 * Of digests it goes into the thread's own buffer, and is small enough to be in the CPU's cache when it is digested.
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
#include "storage/digest.h"
#include "storage/volume.h"

#define BATCH_TRACKS_MIN 16u
#define BATCH_BYTES (1u * MIB)
#define DIGEST_BATCH_BYTES (128u * KIB) /* by measurement */
#define DIGEST_BATCH_BYTES_DIRECT DIGESTER_BUFFER_BYTES
#define BATCH_TRACKS_MAX (DIGESTER_BUFFER_BYTES / TRACK_BYTES_MIN)
#define READ_ALIGN_BYTES 4096u
#define AHEAD_BYTES (4u * MIB) /* by measurement */

_Static_assert(BATCH_TRACKS_MAX >= VOLUME_IOV_MAX, "a batch has room for as many slots as one read takes");
_Static_assert(DIGESTER_BUFFER_BYTES >= TRACK_BYTES_MAX, "a digester has room for a track");

struct run {
	const struct da_spec *spec;
	const struct da_reader *reader;
	uint32_t batch_tracks_max;
	uint32_t tracks_done;
	uint64_t ahead_to;  /* the system was told that all before is read soon */
	uint64_t data_from; /* nothing but holes from the place last asked about to here */
	bool has_logged;
};

/* Consecutive tracks that are read together. */
struct batch {
	uint64_t first_track;
	uint32_t count;
	uint8_t *data[BATCH_TRACKS_MAX]; /* slots, or places in the digester's buffer */
	enum track_state states[BATCH_TRACKS_MAX];
	struct iovec iov[VOLUME_IOV_MAX]; /* the same memory, neighbours in one */
	int iov_count;
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

/* Whole blocks, for O_DIRECT; what lies beyond the device's end is cleared after the read, or not digested. */
static size_t asked_bytes(const struct da_spec *spec, uint64_t track)
{
	return (valid_bytes(spec, track) + READ_ALIGN_BYTES - 1) / READ_ALIGN_BYTES * READ_ALIGN_BYTES;
}

static uint32_t batch_tracks_max(const struct da_spec *spec)
{
	uint32_t tracks = BATCH_BYTES / spec->track_bytes;

	if (spec->digest != DIGEST_NONE) {
		tracks = (volume_is_direct(spec->volume) ? DIGEST_BATCH_BYTES_DIRECT : DIGEST_BATCH_BYTES) / spec->track_bytes;
		return tracks > 0 ? tracks : 1;
	}
	if (tracks < BATCH_TRACKS_MIN)
		tracks = BATCH_TRACKS_MIN;
	return min_u32(min_u32(tracks, RUN_BYTES_MAX / spec->track_bytes), VOLUME_IOV_MAX);
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

/* Where the next track of the batch is read to; NULL: there is no slot. */
static uint8_t *find_place(const struct run *run, const struct batch *batch)
{
	const struct da_spec *spec = run->spec;

	if (spec->digest != DIGEST_NONE)
		return digester_buffer(run->reader->digester) + (size_t)batch->count * spec->track_bytes;
	return spec->sink->slot(spec->sink_arg, batch->first_track + batch->count);
}

static void add_track(struct batch *batch, uint8_t *place, size_t bytes)
{
	struct iovec *last = batch->iov_count > 0 ? &batch->iov[batch->iov_count - 1] : NULL;

	batch->data[batch->count++] = place;
	if (last && (uint8_t *)last->iov_base + last->iov_len == place)
		last->iov_len += bytes;
	else
		batch->iov[batch->iov_count++] = (struct iovec){ place, bytes };
}

/* From the first track not done up to a hole, the end, or the last slot there is. */
static void gather(struct run *run, struct batch *batch)
{
	const struct da_spec *spec = run->spec;

	batch->first_track = spec->first_track + run->tracks_done;
	batch->count = 0;
	batch->iov_count = 0;
	while (batch->count < run->batch_tracks_max && run->tracks_done + batch->count < spec->track_count) {
		uint64_t track = batch->first_track + batch->count;
		uint8_t *place;

		if (batch->count > 0 && is_hole(run, track))
			return;
		place = find_place(run, batch);
		if (!place)
			return;
		add_track(batch, place, asked_bytes(spec, track));
	}
}

static void log_once(struct run *run, uint64_t track, int error)
{
	/* An EIO is told by the track's state; anything else is told as EIO and needs its name somewhere. */
	if (error == -EIO || run->has_logged)
		return;
	run->has_logged = true;
	const char *path = volume_path(run->spec->volume) ? volume_path(run->spec->volume) : "a volume";

	log_limited(1, path, LOG_LEVEL_WARNING, "%s cannot be read at byte %llu: %s", path,
		(unsigned long long)(track * run->spec->track_bytes), strerror(-error));
}

/* States of count tracks of the batch from index on, of which the volume gave bytes. */
static void judge(const struct run *run, struct batch *batch, uint32_t index, uint32_t count, size_t bytes)
{
	for (uint32_t i = index; i < index + count; i++) {
		size_t valid = valid_bytes(run->spec, batch->first_track + i);
		size_t asked = asked_bytes(run->spec, batch->first_track + i);

		if (bytes < valid) {
			batch->states[i] = TRACK_SHRUNK;
		} else {
			memset(batch->data[i] + valid, 0, run->spec->track_bytes - valid);
			batch->states[i] = is_zero(batch->data[i], valid) ? TRACK_ZERO : TRACK_DATA;
		}
		bytes -= bytes < asked ? bytes : asked;
	}
}

static ssize_t read_disk(const struct run *run, const struct iovec *iov, int iov_count, uint64_t track)
{
	ssize_t bytes = volume_read(run->spec->volume, iov, iov_count, track * run->spec->track_bytes);

	run->reader->has_read(run->reader->arg);
	return bytes;
}

/* A read of the whole batch has failed: which of its tracks can be read alone? */
static void read_one_by_one(struct run *run, struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		uint64_t track = batch->first_track + i;
		struct iovec iov = { batch->data[i], asked_bytes(run->spec, track) };
		ssize_t bytes;

		batch->states[i] = TRACK_UNSET;
		if (!run->reader->is_wanted(run->reader->arg))
			continue;
		bytes = read_disk(run, &iov, 1, track);
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
	ssize_t bytes = read_disk(run, batch->iov, batch->iov_count, batch->first_track);

	if (bytes >= 0)
		judge(run, batch, 0, batch->count, (size_t)bytes);
	else
		read_one_by_one(run, batch);
}

/* Small pieces alone would leave a disk idle: while one is digested, and between one that it reads and the next. */
static void tell_ahead(struct run *run, const struct batch *batch)
{
	const struct da_spec *spec = run->spec;
	uint64_t at = batch->first_track * spec->track_bytes;
	uint64_t end = (spec->first_track + spec->track_count) * spec->track_bytes;

	if (spec->digest == DIGEST_NONE || !volume_is_cold(spec->volume))
		return;
	if (run->ahead_to < at)
		run->ahead_to = at;
	if (end > at + AHEAD_BYTES)
		end = at + AHEAD_BYTES;
	if (run->ahead_to >= end || run->ahead_to - at > AHEAD_BYTES / 2)
		return;
	volume_will_read(spec->volume, run->ahead_to, end - run->ahead_to);
	run->ahead_to = end;
}

/* Whole tracks only: a cache may tell this to a Read for which the device ends elsewhere. */
static uint64_t holes_behind(struct run *run, uint64_t track)
{
	const struct da_spec *spec = run->spec;
	uint64_t next = track + 1, holes_end;

	if (next * spec->track_bytes >= spec->end_bytes || !is_hole(run, next))
		return 0;
	holes_end = run->data_from < spec->end_bytes ? run->data_from : spec->end_bytes;
	return holes_end / spec->track_bytes - next;
}

static void publish(struct run *run, uint64_t track, struct da_track *found)
{
	if (run->tracks_done + 1 == run->spec->track_count && found->state != TRACK_UNSET &&
		!track_is_unreadable(found->state))
		found->hole_tracks = holes_behind(run, track);
	run->spec->sink->publish(run->spec->sink_arg, track, found, run->reader->sequence);
	run->tracks_done++;
}

/* Publishes the tracks of the batch, or drops their slots from where the read is not wanted any more. */
static void publish_bytes(struct run *run, const struct batch *batch)
{
	const struct da_sink *sink = run->spec->sink;
	bool is_wanted = true;

	for (uint32_t i = 0; i < batch->count; i++) {
		struct da_track found = { .state = batch->states[i], .slot = batch->data[i] };
		uint64_t track = batch->first_track + i;

		is_wanted = is_wanted && run->reader->is_wanted(run->reader->arg);
		if (!is_wanted || found.state != TRACK_DATA) {
			if (sink->drop)
				sink->drop(run->spec->sink_arg, track, found.slot);
			found.slot = NULL;
		}
		if (is_wanted)
			publish(run, track, &found);
	}
}

static void publish_digests(struct run *run, const struct batch *batch)
{
	uint8_t digest[DIGEST_BYTES_MAX];

	if (!run->reader->is_wanted(run->reader->arg))
		return;
	for (uint32_t i = 0; i < batch->count; i++) {
		struct da_track found = { .state = batch->states[i] };
		uint64_t track = batch->first_track + i;

		if (found.state == TRACK_DATA) {
			digester_compute(run->reader->digester, run->spec->digest, batch->data[i], valid_bytes(run->spec, track),
				digest);
			found.digest = digest;
		}
		publish(run, track, &found);
	}
}

static void publish_hole(struct run *run, uint64_t track)
{
	struct da_track found = { .state = TRACK_HOLE };

	publish(run, track, &found);
}

uint32_t da_read_tracks(const struct da_spec *spec, const struct da_reader *reader)
{
	struct run run = { .spec = spec, .reader = reader, .batch_tracks_max = batch_tracks_max(spec) };
	struct batch batch;

	while (run.tracks_done < spec->track_count && reader->is_wanted(reader->arg)) {
		uint64_t track = spec->first_track + run.tracks_done;

		if (is_hole(&run, track)) {
			publish_hole(&run, track);
			continue;
		}
		if (reader->may_read && !reader->may_read(reader->arg))
			break;
		gather(&run, &batch);
		if (batch.count == 0)
			break;
		tell_ahead(&run, &batch);
		read_batch(&run, &batch);
		if (spec->digest == DIGEST_NONE)
			publish_bytes(&run, &batch);
		else
			publish_digests(&run, &batch);
	}
	return run.tracks_done;
}
