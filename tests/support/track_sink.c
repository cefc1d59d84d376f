/* SPDX-License-Identifier: Apache-2.0
 *
 * The sink for tests. Each slot is memory of its own, filled with a pattern, so that a sanitizer sees a write after the
 * slot was given back and a test sees bytes that were never written. It asserts what da.h promises of publish: order,
 * and a slot with data only.
 */
#include "tests/support/track_sink.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define SINK_MAGIC 0x53494e4bu
#define SLOT_ALIGN_BYTES 4096u
#define FIRST_SEQUENCE 100u

struct track_sink {
	uint32_t magic;
	uint64_t first_track;
	uint32_t track_bytes;
	enum digest digest;
	void (*on_refusal)(void *arg);
	void *on_refusal_arg;
	void (*on_publish)(void *arg, uint64_t track);
	void *on_publish_arg;

	pthread_mutex_t mutex; /* all below */
	unsigned slots_left;
	struct track_sink_counts counts;
	struct track_outcome outcomes[TRACK_SINK_TRACKS];
};

static struct track_sink *lock(void *arg)
{
	struct track_sink *sink = arg;
	int error;

	assert(sink->magic == SINK_MAGIC);
	error = pthread_mutex_lock(&sink->mutex);
	assert(error == 0);
	return sink;
}

static void unlock(struct track_sink *sink)
{
	int error = pthread_mutex_unlock(&sink->mutex);

	assert(error == 0);
}

static uint64_t sink_begin(void *arg)
{
	struct track_sink *sink = lock(arg);
	uint64_t sequence = FIRST_SEQUENCE + sink->counts.begun++;

	unlock(sink);
	return sequence;
}

static void *sink_slot(void *arg, uint64_t track)
{
	struct track_sink *sink = lock(arg);
	void *slot = NULL;

	assert(track >= sink->first_track && track - sink->first_track < TRACK_SINK_TRACKS);
	if (sink->slots_left > 0) {
		sink->slots_left--;
		sink->counts.slots_out++;
		slot = aligned_alloc(SLOT_ALIGN_BYTES, sink->track_bytes);
		assert(slot);
		memset(slot, 0x55, sink->track_bytes);
	}
	unlock(sink);
	if (!slot && sink->on_refusal)
		sink->on_refusal(sink->on_refusal_arg);
	return slot;
}

static void sink_publish(void *arg, uint64_t track, const struct da_track *found, uint64_t sequence)
{
	struct track_sink *sink = arg;
	struct track_outcome *outcome;

	if (sink->on_publish)
		sink->on_publish(sink->on_publish_arg, track);
	lock(sink);
	assert((found->slot || found->digest) == (found->state == TRACK_DATA) && !(found->slot && found->digest));
	assert(!track_is_unreadable(found->state) || found->hole_tracks == 0);
	assert(track == sink->first_track + sink->counts.published);
	outcome = &sink->outcomes[track - sink->first_track];
	*outcome = (struct track_outcome){ .state = found->state, .data = found->slot, .hole_tracks = found->hole_tracks,
		.sequence = sequence };
	if (found->digest)
		memcpy(outcome->digest, found->digest, digest_bytes(sink->digest));
	sink->counts.slots_out -= found->slot != NULL;
	sink->counts.published++;
	unlock(sink);
}

static void sink_drop(void *arg, uint64_t track, void *slot)
{
	struct track_sink *sink = lock(arg);

	assert(track - sink->first_track < TRACK_SINK_TRACKS && slot);
	free(slot);
	sink->counts.slots_out--;
	sink->counts.dropped++;
	unlock(sink);
}

static void sink_finished(void *arg)
{
	struct track_sink *sink = lock(arg);

	sink->counts.finished++;
	unlock(sink);
}

const struct da_sink track_sink_ops = {
	.begin = sink_begin,
	.slot = sink_slot,
	.publish = sink_publish,
	.drop = sink_drop,
	.finished = sink_finished,
};

struct track_sink *track_sink_new(uint64_t first_track, uint32_t track_bytes)
{
	struct track_sink *sink = xcalloc(1, sizeof(*sink));
	int error = pthread_mutex_init(&sink->mutex, NULL);

	assert(error == 0);
	sink->magic = SINK_MAGIC;
	sink->first_track = first_track;
	sink->track_bytes = track_bytes;
	sink->slots_left = TRACK_SINK_TRACKS;
	return sink;
}

void track_sink_free(struct track_sink *sink)
{
	if (!sink)
		return;
	assert(sink->counts.slots_out == 0);
	for (unsigned i = 0; i < TRACK_SINK_TRACKS; i++)
		free((void *)(uintptr_t)sink->outcomes[i].data);
	pthread_mutex_destroy(&sink->mutex);
	free(sink);
}

void track_sink_set_digest(struct track_sink *sink, enum digest digest)
{
	sink->digest = digest;
}

void track_sink_set_slots(struct track_sink *sink, unsigned slots)
{
	lock(sink)->slots_left = slots;
	unlock(sink);
}

void track_sink_on_refusal(struct track_sink *sink, void (*fn)(void *arg), void *arg)
{
	sink->on_refusal = fn;
	sink->on_refusal_arg = arg;
}

void track_sink_on_publish(struct track_sink *sink, void (*fn)(void *arg, uint64_t track), void *arg)
{
	sink->on_publish = fn;
	sink->on_publish_arg = arg;
}

struct track_outcome track_sink_outcome(struct track_sink *sink, uint64_t track)
{
	struct track_outcome outcome = lock(sink)->outcomes[track - sink->first_track];

	unlock(sink);
	return outcome;
}

struct track_sink_counts track_sink_count(struct track_sink *sink)
{
	struct track_sink_counts counts = lock(sink)->counts;

	unlock(sink);
	return counts;
}
