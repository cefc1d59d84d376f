/* SPDX-License-Identifier: Apache-2.0
 *
 * A da_sink for tests that keeps every outcome and counts its slots. Its callbacks may run on DA threads; the rest is
 * for the test's thread.
 */
#ifndef RA_TESTS_TRACK_SINK_H
#define RA_TESTS_TRACK_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "storage/da.h"

#define TRACK_SINK_TRACKS 600u

struct track_sink;

struct track_sink_counts {
	unsigned begun, published, dropped, finished;
	unsigned slots_out; /* handed out, neither published nor dropped */
};

struct track_outcome {
	enum track_state state; /* TRACK_UNSET: not published */
	const void *data;
	uint8_t digest[DIGEST_BYTES_MAX];
	uint64_t hole_tracks;
	uint64_t sequence;
};

extern const struct da_sink track_sink_ops;

/* For tracks first_track to first_track + TRACK_SINK_TRACKS - 1. There are slots without end until set_slots. */
struct track_sink *track_sink_new(uint64_t first_track, uint32_t track_bytes);
/* Reads are of this digest; at first of bytes. */
void track_sink_set_digest(struct track_sink *sink, enum digest digest);
/* No slot may be out (asserted). NULL is fine. */
void track_sink_free(struct track_sink *sink);
void track_sink_set_slots(struct track_sink *sink, unsigned slots);
/* Called on the reader's thread when a slot is refused, and before a track is recorded as published. */
void track_sink_on_refusal(struct track_sink *sink, void (*fn)(void *arg), void *arg);
void track_sink_on_publish(struct track_sink *sink, void (*fn)(void *arg, uint64_t track), void *arg);
struct track_outcome track_sink_outcome(struct track_sink *sink, uint64_t track);
struct track_sink_counts track_sink_count(struct track_sink *sink);

#endif
