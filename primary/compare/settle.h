/* SPDX-License-Identifier: Apache-2.0
 *
 * Tracks that differed, and are read again before that is believed. Each goes through rounds, with a delay before each
 * that doubles: the local volume is read (FIRST), max-lag passes, then the remote volume and after it the local one
 * again (SECOND). Equal in any round: identical. Different needs all rounds to have found the local data unchanged,
 * within and between them, and the remote data not equal to it; when the local data is seen to change, the rounds
 * begin again, once. Everything else is unsettled: the track is being written. Here are the tracks, their times and
 * that judgement; reading is done by whoever takes the runs. Loop thread only.
 *
 *   WAITING --> READY --> FIRST --> LAGGING --> READY --> SECOND --> WAITING ... or judged and forgotten
 */
#ifndef RA_COMPARE_SETTLE_H
#define RA_COMPARE_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "primary/compare/stream.h"

#define SETTLE_TRACKS_MAX 65536u

struct settle;

struct settle_config {
	struct clock *clock;
	uint32_t rounds; /* at least 1 */
	int64_t delay_ms; /* before the first round */
	int64_t max_lag_ms;
	uint32_t run_tracks; /* the most tracks of a run */
	/* A run can be taken. Not from inside a call of this module. */
	void (*ready)(void *arg);
	void *arg;
};

enum settle_verdict {
	SETTLE_GOES_ON, /* another round comes */
	SETTLE_DIFFERENT,
	SETTLE_UNSETTLED,
};

struct settle *settle_new(const struct settle_config *config);
void settle_free(struct settle *settle); /* NULL is fine */

uint64_t settle_tracks(const struct settle *settle); /* that are not judged yet */
/* A track that differs, not in it yet; at most SETTLE_TRACKS_MAX. */
void settle_add(struct settle *settle, uint64_t track);
/* A run that is due; false: none is, now. Each of its tracks is then told once, by one of the five below. local: what
 * is known of the local volume's data, itself or a digest of it. */
bool settle_next_run(struct settle *settle, struct stream_run *run);
void settle_first(struct settle *settle, uint64_t track, const uint8_t *local, uint32_t bytes);
/* Equal now, and forgotten. */
void settle_equal(struct settle *settle, uint64_t track);
/* Not equal. confirm is set when it is DIFFERENT. */
enum settle_verdict settle_second(struct settle *settle, uint64_t track, const uint8_t *local, uint32_t bytes,
	struct report_confirm *confirm);
/* A read of the round did not come: the round is made again, but not more often than there are rounds. Never
 * DIFFERENT. */
enum settle_verdict settle_nothing(struct settle *settle, uint64_t track);
/* It cannot be read any more. */
void settle_forget(struct settle *settle, uint64_t track);
/* Forgets a track that no run has, and returns it; false: there is none. */
bool settle_give_up(struct settle *settle, uint64_t *track);

#endif
