/* SPDX-License-Identifier: Apache-2.0
 *
 * One stream: it takes a run, reads it from both volumes at the same time (steps 44 and 46), compares what is there
 * (48), asks again for what is not, and tells the report; then it takes the next run. Waiting, retries and giving up
 * are its business (Fig. 3); which runs there are is the engine's. Loop thread only.
 */
#ifndef RA_COMPARE_STREAM_H
#define RA_COMPARE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "primary/compare/report.h"

struct client;
struct clock;
struct options;
struct shm;
struct stream;

/* Time that the link was down, which counts in no time-out of a host. */
struct stream_pause {
	bool is_on;       /* now */
	int64_t since_ms; /* with is_on */
	int64_t total_ms; /* of those that are over */
};

/* What all streams share, and what they ask of the engine. The engine owns it and outlives them. */
struct stream_shared {
	struct client *client;
	struct clock *clock;
	struct shm *shm;
	const struct options *options;
	struct report *report;     /* of the pass */
	uint32_t track_bytes;
	struct stream_pause pause;
	uint64_t remote_bytes;     /* size that the remote reads of this pass go by */
	const uint8_t *zeros;      /* one track */
	/* By side: all retries have met NOT_READY, and no read has come through since: runs then ask only once. */
	bool *is_hanging;
	void *arg;                 /* of the functions below */
	/* The next run (steps 42, 52); false at the end (54). */
	bool (*next_run)(void *arg, uint64_t *first_track, uint32_t *track_count);
	/* A slot for one that was lost; false: there is none. */
	bool (*spare_slot)(void *arg, uint32_t *slot);
	/* There is no run left, or the stream has stopped; nothing of it is in flight. Never from inside stream_start. */
	void (*ended)(void *arg);
	/* A reply that ends the comparison: the link is lost, or the primary refuses what is right. The last call. */
	void (*fatal)(void *arg, enum status status, const char *detail);
};

struct stream *stream_new(const struct stream_shared *shared, uint32_t number, uint32_t local_slot,
	uint32_t remote_slot);
/* NULL is fine. No reply may come any more: the client is freed before. */
void stream_free(struct stream *stream);
/* For a pass: takes its first run. False when there is none. */
bool stream_start(struct stream *stream);
/* It lost a slot and got no other: it takes no run any more. */
bool stream_has_stopped(const struct stream *stream);
/* What is left of its run is not compared; replies that still come are ignored. */
void stream_abandon(struct stream *stream, enum report_reason reason);

#endif
