/* SPDX-License-Identifier: Apache-2.0
 *
 * What is remembered of the comparisons of two volumes: the run that is not finished yet, track by track; when each
 * group of tracks was last proven; and where the last runs found differences. In memory here; ledger_encode and
 * ledger_decode make bytes of it for state_file.h. Whoever has it owns it; no I/O, no clock: times come in.
 *
 * Bounds, whatever the size of the volumes: LEDGER_GROUPS_MAX groups, LEDGER_RANGES_MAX ranges of each kind,
 * LEDGER_BYTES_MAX bytes. What a run has proven beyond that is not remembered, so it is compared again after an
 * interruption; nothing is ever taken as proven that was not.
 */
#ifndef RA_STORAGE_LEDGER_H
#define RA_STORAGE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "storage/state_file.h"

#define LEDGER_VERSION 1u
#define LEDGER_GROUPS_MAX 65536u
#define LEDGER_RANGES_MAX 32768u /* of tracks that are done; of differences of the run */
#define LEDGER_HISTORY_RUNS 8u
#define LEDGER_HISTORY_RANGES 1024u /* of each remembered run */
#define LEDGER_BYTES_MAX (4u * MIB - 64u * KIB)
#define LEDGER_TEXT_BYTES 512u
#define LEDGER_SHAPE_MAX 2u /* of a range: enum report_shape without what is never kept */

struct ledger;
struct track_set;

/* What a ledger is of; all must be the same for it to be used. */
struct ledger_binding {
	char device[LEDGER_TEXT_BYTES]; /* its name, or the two paths as typed */
	char local_identity[LEDGER_TEXT_BYTES], remote_identity[LEDGER_TEXT_BYTES];
	uint64_t local_bytes, remote_bytes;   /* of the parts that are compared */
	uint64_t local_offset, remote_offset; /* where they begin */
	uint32_t track_bytes;
	bool is_common;
	char digest[32]; /* "data", or the digest's name */
};

/* A difference that was confirmed, as its report has it. Ordered by offset. */
struct ledger_range {
	uint64_t offset_bytes, length_bytes;
	uint32_t confirmed_ms; /* over what time */
	uint16_t confirmed;    /* how often */
	uint8_t shape;         /* enum report_shape */
	bool is_exact;
};

struct ledger *ledger_new(const struct ledger_binding *binding, uint64_t total_tracks);
void ledger_free(struct ledger *ledger);
const struct ledger_binding *ledger_binding(const struct ledger *ledger);
uint64_t ledger_total_tracks(const struct ledger *ledger);
/* Whether it is of this; false with words that name what differs, and both values. */
bool ledger_fits(const struct ledger *ledger, const struct ledger_binding *binding, char why[STATE_WHY_BYTES]);

/* The bytes of a whole state file; to be freed. At most LEDGER_BYTES_MAX. */
uint8_t *ledger_encode(const struct ledger *ledger, size_t *file_bytes);
/* 0 and *out, or -EBADMSG with words. Every value in it is within its bounds. */
int ledger_decode(const uint8_t *file, size_t file_bytes, struct ledger **out, char why[STATE_WHY_BYTES]);

/* ---- The run that is not finished ---- */

/* options: what a run that goes on must have been asked for as well, as words; shorter than LEDGER_TEXT_BYTES. An
 * unfinished run is forgotten. */
void ledger_begin_run(struct ledger *ledger, const char *options, int64_t started_wall_s);
/* NULL: there is no unfinished run. */
const char *ledger_run_options(const struct ledger *ledger);
int64_t ledger_run_started(const struct ledger *ledger); /* wall seconds; with a run */
/* Tracks found identical, each once; read at wall_s or later. */
void ledger_identical(struct ledger *ledger, uint64_t first_track, uint64_t count, int64_t wall_s);
/* A track with a confirmed difference, once; its ranges (whole ranges of the track, in order). Its group counts as
 * never proven. */
void ledger_different(struct ledger *ledger, uint64_t track, const struct ledger_range *ranges, size_t count);
/* What the run has so far, for going on with it. */
const struct track_set *ledger_run_identical(const struct ledger *ledger);
const struct track_set *ledger_run_different(const struct ledger *ledger);
size_t ledger_run_range_count(const struct ledger *ledger);
const struct ledger_range *ledger_run_range(const struct ledger *ledger, size_t index);
/* Bytes of holes, and re-read tracks that became equal, in the run: kept for its report. */
struct ledger_counts {
	uint64_t hole_bytes;
	uint64_t settled_tracks;
	uint64_t elapsed_ms; /* all parts of the run together */
};
void ledger_set_counts(struct ledger *ledger, const struct ledger_counts *counts);
struct ledger_counts ledger_counts(const struct ledger *ledger);
/* The run is over: its differences become the latest of the history; a run without any takes no place there. */
void ledger_end_run(struct ledger *ledger, int64_t ended_wall_s);

/* ---- Proof ---- */

uint64_t ledger_group_tracks(const struct ledger *ledger); /* tracks of a group; the last may have fewer */
/* Tracks of groups that were proven at wall_s `since` or later and not after `now` (a clock that was set back proves
 * nothing). To be freed. */
struct track_set *ledger_proven_since(const struct ledger *ledger, int64_t since, int64_t now);
/* When the group of this number was last proven as a whole, all its tracks no longer ago than that; 0: never. */
uint32_t ledger_groups(const struct ledger *ledger);
int64_t ledger_group_proven(const struct ledger *ledger, uint32_t group);

/* ---- Earlier runs ---- */

bool ledger_has_history(const struct ledger *ledger); /* a run has ended */
int64_t ledger_last_ended(const struct ledger *ledger); /* wall seconds; 0: none did */
bool ledger_last_differed(const struct ledger *ledger); /* that run found a difference */
/* Tracks that a run found different and none proved since: those of the unfinished run, and when the last one that
 * ended found a difference, those of the latest remembered ranges. */
uint64_t ledger_different_tracks(const struct ledger *ledger);
/* One of the remembered runs found a difference in these bytes. */
bool ledger_differed_before(const struct ledger *ledger, uint64_t offset_bytes, uint64_t length_bytes);

#endif
