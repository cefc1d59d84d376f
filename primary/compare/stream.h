/* SPDX-License-Identifier: Apache-2.0
 *
 * One stream: it takes a run, reads it from both volumes at the same time (steps 44 and 46), compares what is there
 * (48), asks again for what is not, and tells the engine; then it takes the next run. Waiting, retries and giving up
 * are its business (Fig. 3); which runs there are, and what an outcome means, is the engine's. Loop thread only.
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

enum run_kind {
	RUN_PASS,   /* the main pass */
	RUN_RETRY,  /* the same, of tracks that timed out or found no room before: the last time */
	RUN_EXACT,  /* the data of tracks whose digests differ, read anew */
	RUN_FIRST,  /* a round of settling: the local volume */
	RUN_SECOND, /* and then: the remote volume, read anew, and after it the local one again */
};

struct stream_run {
	enum run_kind kind;
	enum digest digest; /* what is read of each track; NONE: its data */
	uint64_t first_track;
	uint32_t track_count; /* at most RUN_DIGESTS_MAX, of data RUN_TRACKS_MAX */
	uint32_t head;        /* the agenda's: of heads, or 0 */
	/* Set by the stream: */
	int64_t asked_wall_s; /* nothing of the run was read before */
	bool has_data;        /* something of it is no hole */
};

/* A track whose two sides are not equal; or one of FIRST, where remote is NULL. local and remote are the bytes that
 * both volumes have of it, or their digests; all zeros for a track of zeros. */
struct stream_track {
	uint64_t track;
	bool is_hole;
	const uint8_t *local, *remote;
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
	uint64_t common_bytes;     /* and those of digests, on both sides */
	const uint8_t *zeros;      /* one track */
	/* By side: all retries have met NOT_READY, and no read has come through since: runs then ask only once. */
	bool *is_hanging;
	void *arg;                 /* of the functions below */
	/* The next run (steps 42, 52); false: there is none now, perhaps none any more (54). */
	bool (*next_run)(void *arg, struct stream_run *run);
	/* The outcomes of a run's tracks, each track once. is_hole: on at least one side. */
	void (*equal)(void *arg, const struct stream_run *run, uint64_t first_track, uint64_t count, bool is_hole);
	void (*compared)(void *arg, const struct stream_run *run, const struct stream_track *track);
	void (*unreadable)(void *arg, const struct stream_run *run, uint64_t track);
	void (*gave_up)(void *arg, const struct stream_run *run, uint64_t first_track, uint64_t count,
		enum report_reason reason);
	/* All of a run was answered, after so long at least (without the time that the link was down). So many more tracks
	 * behind it are holes on both sides. */
	void (*answered)(void *arg, const struct stream_run *run, int64_t took_ms, uint64_t hole_tracks);
	/* A slot for one that was lost; false: there is none. */
	bool (*spare_slot)(void *arg, uint32_t *slot);
	/* It was given no run, or has stopped; nothing of it is in flight. Never from inside stream_start. */
	void (*idle)(void *arg);
	/* A reply that ends the comparison: the link is lost, or the primary refuses what is right. The last call. */
	void (*fatal)(void *arg, enum status status, const char *detail);
};

struct stream *stream_new(const struct stream_shared *shared, uint32_t number, uint32_t local_slot,
	uint32_t remote_slot);
/* NULL is fine. No reply may come any more: the client is freed before. */
void stream_free(struct stream *stream);
/* It is idle: takes a run. False when it gets none, or has stopped. */
bool stream_start(struct stream *stream);
bool stream_is_idle(const struct stream *stream);
/* It lost a slot and got no other, or no memory for one: it takes no run any more. */
bool stream_has_stopped(const struct stream *stream);
/* What is left of its run is given up; replies that still come are ignored. It is not used again. */
void stream_abandon(struct stream *stream, enum report_reason reason);

#endif
