/* SPDX-License-Identifier: Apache-2.0
 *
 * A fetch: one disk read in flight, made of an RA job (94) and a DA request (96, 178) for one contiguous missing range
 * of tracks. All Reads that want the same of those tracks share it: Reads by hold or disconnect wait for it (186), a
 * poll adds a wait task (104). It belongs to no link and survives those who asked for it. Loop thread only.
 */
#ifndef RA_SECONDARY_FETCH_H
#define RA_SECONDARY_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/status.h"
#include "secondary/wanted.h"

struct da_request;
struct device;
struct job;
struct peer;
struct ra;
struct read;
struct session;
struct wait_task;

struct fetch {
	uint32_t magic;
	struct ra *ra;
	struct job *job;            /* NULL once deallocated */
	struct da_request *request; /* NULL once deallocated */
	struct wanted wanted;
	uint64_t first_track;
	uint32_t track_count;
	struct session *session;     /* whose Read began it; NULL when that has gone */
	struct peer *peer;           /* whose share it counts in, also after the link; NULL when the secondary ends */
	struct read *readers;        /* Reads at step 186 */
	struct wait_task *wait_task; /* NULL: no poll asked for it */
	struct timer orphan_timer;   /* set when nobody waits for it any more */
	uint64_t progress;           /* of the DA request when that was set */
};

/* Step 92: walks the ring of the Read's device for a fetch of its first track that began, or will begin, at or above
 * its floor. One that no thread has taken is only for its own peer: others would wait for that peer's turn or share. */
struct fetch *fetch_find(const struct read *read);
/* Steps 94 and 96, or 178, for the missing range that begins with the Read's first track. STATUS_OK; or NO_FREE_JOB
 * (posted at 326) or QUEUE_FULL, and then what was made is freed again (102). */
enum status fetch_start(struct read *read, struct fetch **out);
/* The Read waits for it (186) / does not any more. */
void fetch_join(struct fetch *fetch, struct read *read);
void fetch_leave(struct fetch *fetch, struct read *read);
/* After a waiter has timed out: deallocates DA request (116, 192) and job (118) unless somebody else still waits. */
void fetch_give_up_if_unwanted(struct fetch *fetch);
/* After a waiter was lost with its link: the fetch goes on by itself, for da-timeout at most. */
void fetch_survive(struct fetch *fetch);
/* The session has gone. */
void fetch_forget_session(struct ra *ra, struct session *session);
/* All sessions of the peer (NULL: of all) have ended, and it is about to go: its fetches count for nobody, and those
 * that no thread has taken are given up. */
void fetch_forget_peer(struct ra *ra, const struct peer *peer);
/* Sequence number of the disk read, or the next one while it has not begun. */
uint64_t fetch_sequence(const struct fetch *fetch);
/* Has its DA request got on since *progress was written? Writes it. (Steps 112, 186: one that gets on is not late.) */
bool fetch_gets_on(const struct fetch *fetch, uint64_t *progress);

#endif
