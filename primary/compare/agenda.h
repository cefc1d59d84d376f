/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pass still has to do: tracks to compare, those to try once more at the end, those whose digests
 * differ and whose data is to be read, those that differed and are being settled. It deals out runs, takes their
 * outcomes, tells each track once to the report, and what is final to the ledger. It reads nothing. Loop thread only.
 */
#ifndef RA_COMPARE_AGENDA_H
#define RA_COMPARE_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

#include "primary/compare/report.h"
#include "primary/compare/stream.h"

struct agenda;
struct ledger;
struct options;
struct track_set;

struct agenda_config {
	struct clock *clock;
	const struct options *options;
	struct report *report; /* of the pass; what was resumed is in it already */
	struct ledger *ledger; /* NULL: nothing is kept */
	const struct track_set *marked; /* known to be invalid, of either side; NULL: none */
	enum digest digest;        /* by which tracks are compared; NONE: by their data */
	bool is_digest_only;       /* no data may be read: digests that differ are a difference */
	uint32_t run_tracks_first; /* of a run, by digest or not: then so many that it takes some 100 ms, */
	uint32_t run_tracks_most;  /* but not more than this or a share of all, and not fewer than the first */
	uint32_t run_tracks_data;  /* when the data is read after the digests differed */
	int64_t max_lag_ms;
	bool is_final;   /* the first difference is */
	int64_t now_wall_s;
	/* There may be a run again. Not from inside a call of this module. */
	void (*ready)(void *arg);
	void *arg;
};

struct agenda *agenda_new(const struct agenda_config *config);
void agenda_free(struct agenda *agenda); /* NULL is fine */

/* The next run; false: none now. */
bool agenda_next_run(struct agenda *agenda, struct stream_run *run);
/* Nothing is left but what streams have now. */
bool agenda_is_empty(const struct agenda *agenda);
/* Outcomes, as struct stream_shared has them. */
void agenda_equal(struct agenda *agenda, const struct stream_run *run, uint64_t first_track, uint64_t count,
	bool is_hole);
void agenda_compared(struct agenda *agenda, const struct stream_run *run, const struct stream_track *track);
void agenda_unreadable(struct agenda *agenda, const struct stream_run *run, uint64_t track);
void agenda_gave_up(struct agenda *agenda, const struct stream_run *run, uint64_t first_track, uint64_t count,
	enum report_reason reason);
/* The holes behind the run are identical, as far as no run of them was dealt. */
void agenda_answered(struct agenda *agenda, const struct stream_run *run, int64_t took_ms, uint64_t hole_tracks);

/* No run is dealt any more: what is left is not compared, or unsettled. Runs that streams have go on. */
void agenda_stop(struct agenda *agenda, enum report_reason reason);
/* The reservation was lost: from now on differences are settled. */
void agenda_unreserve(struct agenda *agenda);
uint64_t agenda_settling_tracks(const struct agenda *agenda);
/* As many tracks differ as --stop-after says. */
bool agenda_has_enough(const struct agenda *agenda);
/* With --mark: tracks with a confirmed difference, in at most TRACK_SET_RANGES_MAX ranges. */
const struct track_set *agenda_different(const struct agenda *agenda);

#endif
