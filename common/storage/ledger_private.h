/* SPDX-License-Identifier: Apache-2.0
 *
 * What ledger.c (the rules) and ledger_file.c (the bytes) share. Nobody else includes this.
 */
#ifndef RA_STORAGE_LEDGER_PRIVATE_H
#define RA_STORAGE_LEDGER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/track_set.h"
#include "storage/ledger.h"

/* What the run has of a group. */
struct ledger_group {
	uint64_t identical; /* tracks */
	int64_t oldest_wall_s; /* of those */
};

struct ledger_run {
	char options[LEDGER_TEXT_BYTES];
	int64_t started_wall_s;
	struct ledger_counts counts;
	struct ledger_group *groups;
	struct track_set *identical, *different; /* no track is in both */
	struct ledger_range *ranges; /* by offset; each in one track, which is in `different` */
	size_t range_count, range_room;
	bool has_differed; /* also where `different` has no room */
};

struct ledger_span {
	uint64_t offset_bytes, length_bytes;
};

/* Where a run found differences: ordered, neither touching nor empty. */
struct ledger_past {
	struct ledger_span *spans;
	size_t count; /* 1 to LEDGER_HISTORY_RANGES */
};

struct ledger {
	struct ledger_binding binding;
	uint64_t total_tracks, group_tracks;
	uint32_t groups;
	int64_t *proven;          /* of each group, wall seconds; 0: never */
	int64_t last_ended_wall_s; /* 0: no run ended yet */
	struct ledger_past past[LEDGER_HISTORY_RUNS]; /* latest first */
	size_t past_runs;
	bool last_differed; /* the last run that ended found a difference */
	struct ledger_run *run; /* NULL: there is none */
};

bool ledger_binding_is_valid(const struct ledger_binding *binding, uint64_t total_tracks);
uint64_t ledger_tracks_of_group(const struct ledger *ledger, uint32_t group);
/* The run as it is when these were found, the groups' counts made from them: for what was read from a file. Takes the
 * sets and the ranges over. */
void ledger_resume_run(struct ledger *ledger, const struct ledger_run *run);

#endif
