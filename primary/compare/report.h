/* SPDX-License-Identifier: Apache-2.0
 *
 * What one pass found: one state per track, counted, and the ranges of bytes that are not proven equal. The states sum
 * to the tracks of the larger volume (of what both have, with is_common); report_finish asserts it. The report knows no
 * I/O and no clock: times come in.
 * report_print.h makes text and JSON of it.
 */
#ifndef RA_COMPARE_REPORT_H
#define RA_COMPARE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/volume_info.h"
#include "primary/compare/options.h"
#include "primary/compare/shape.h"

#define REPORT_RANGES_MAX 262144u

/* What a track ends in. Unsettled: it differed, and reading it again proved neither. Invalid: known to be not up to
 * date, and skipped. */
enum report_state {
	REPORT_IDENTICAL,
	REPORT_DIFFERENT,
	REPORT_UNSETTLED,
	REPORT_INVALID,
	REPORT_UNREADABLE,
	REPORT_NOT_COMPARED,
	REPORT_STATE_COUNT
};

/* Why tracks were not compared. */
enum report_reason {
	REASON_NOT_ASKED,   /* outside --tracks */
	REASON_INTERRUPTED,
	REASON_TIMED_OUT,   /* TIMEOUT, four times */
	REASON_REFUSED,     /* QUEUE_FULL or NO_FREE_JOB, four times */
	REASON_NOT_READY,   /* a read of the volume hangs */
	REASON_NOT_FOUND,   /* poll: nothing within --read-timeout */
	REASON_NO_MEMORY,   /* reads that hang hold the slots, or the system has none */
	REASON_LOST,        /* link or daemon */
	REASON_CHANGED,     /* the remote volume came back as another one */
	REASON_BUSY,        /* somebody else has the device */
	REASON_PROVEN,      /* --older-than: proven not longer ago */
	REASON_TIME_OVER,   /* --max-duration, --until */
	REASON_STOPPED,     /* --stop-after */
	REASON_COUNT
};

struct ledger;
struct track_set;

struct report_setup {
	struct volume_info local, remote; /* as they are when the pass begins */
	const char *name_local;           /* for people; both must outlive the report */
	const char *name_remote;
	const char *device; /* of the configured primary; NULL: names are as typed */
	bool is_common;     /* what only one volume has is left out, not a difference */
	uint32_t track_bytes;
	bool has_tracks; /* only first_track to last_track are compared */
	uint64_t first_track, last_track;
	uint64_t exact_tracks;
	enum digest digest; /* by which tracks are compared; NONE: by their data */
	enum delivery delivery;
	uint64_t pass; /* from 1 */
	uint32_t settle_rounds; /* in force: 0 when the first difference is final */
	int64_t max_lag_ms;
	enum reserve_mode reserve;
	bool accept_trimmed; /* differences where one side is zero give exit 3 at best, but no 1 */
	bool checks_invalid; /* marked tracks are compared as well: the cross table is made */
	const struct track_set *marked; /* known to be invalid; NULL: none. It outlives the report */
	const struct ledger *history;   /* of earlier runs; NULL: not known. Used while differences are told */
	int64_t started_wall_s;
	int64_t started_ms; /* monotonic */
};

/* What the streams waited for in this pass, by side. Times are without those in which the link was down. */
struct report_waits {
	uint64_t read_bytes[SIDE_COUNT];   /* that came; not those of holes */
	int64_t asked_ms[SIDE_COUNT];      /* from a question to its answer, summed over all reads */
	int64_t alone_ms[SIDE_COUNT];      /* of that: the other side was there already */
	int64_t throttled_ms[SIDE_COUNT];  /* of asked_ms: limits */
	int64_t delayed_ms[SIDE_COUNT];    /* of asked_ms: until it was asked again */
	int64_t disk_ms;                   /* of asked_ms of the remote side: its disk */
	uint64_t cpu_ms[SIDE_COUNT];       /* processor time that the loop of its daemon has used, ever */
};

/* Counters of the link in this pass; their owner is whoever sends the reads. */
struct report_link {
	uint32_t jobs;
	uint32_t relinks;
	uint64_t reads, data_not_found, disconnects, reconnects, timeouts;
	uint64_t throttled_ms; /* by limits, summed over the reads of both sides */
	struct report_waits waits;
};

struct report_end {
	int64_t ended_wall_s;
	int64_t took_ms;
	bool has_sizes;        /* the primary was asked at the end; the next three are set */
	uint64_t wire_bytes;   /* of this pass */
	uint64_t local_bytes;
	uint64_t remote_bytes;
	bool is_lost;          /* ended because link or daemon was lost */
	bool is_changed;       /* ended because the remote volume came back as another one */
	bool was_unreserved;   /* what was reserved was not so all the time */
};

/* How sure a difference is: after the first look, so many rounds found it again, over this time. */
struct report_confirm {
	uint16_t times;
	uint32_t over_ms;
};

enum report_seen { SEEN_UNKNOWN, SEEN_NEW, SEEN_AGAIN };

struct report_range {
	uint64_t offset_bytes, length_bytes;
	enum report_state state;
	bool is_exact; /* false: whole tracks */
	/* of differences: */
	enum report_shape shape;
	enum report_seen seen; /* by earlier runs */
	bool is_marked;        /* in a track known to be invalid */
	struct report_confirm confirm; /* the least of what was joined */
};

/* All that is known, for those who show it. */
struct report_figures {
	struct report_setup setup;
	struct report_link link;
	struct report_end end;
	uint64_t total_tracks; /* of the larger volume; of the smaller with is_common */
	uint64_t tracks[REPORT_STATE_COUNT];
	uint64_t reasons[REASON_COUNT]; /* sum: tracks[REPORT_NOT_COMPARED] */
	uint64_t compared_bytes;        /* read on both sides and compared */
	uint64_t hole_bytes;            /* of those: a hole on at least one side */
	uint64_t different_bytes;       /* lengths of all ranges that differ */
	uint64_t different_ranges_inexact;
	uint64_t settled_tracks; /* identical, after they had differed */
	uint64_t resumed_tracks; /* found by an earlier part of this run, and not read again */
	uint64_t trimmed_tracks; /* different, all of it where one side is zero */
	uint64_t marked_different, marked_identical; /* with checks_invalid: tracks known to be invalid */
	bool is_only_tail; /* every difference lies beyond the end of the smaller volume */
	size_t range_count;
	uint64_t ranges_omitted;
	uint64_t omitted_from_bytes; /* with that: the least offset of one of them */
};

struct post;
struct report;

struct report *report_new(const struct report_setup *setup);
void report_free(struct report *report);
const struct report_figures *report_figures(const struct report *report);
struct report_link *report_link(struct report *report);
/* Where the errors of this pass are posted (step 50). */
struct post *report_post(const struct report *report);
/* In order of offset, never overlapping; index < range_count. */
const struct report_range *report_range(const struct report *report, size_t index);
struct volume_outside report_outside(const struct report_setup *setup, const struct volume_info *volume);
const char *report_state_name(enum report_state state);
bool report_state_was_read(enum report_state state); /* at least in part */

/* The tracks that must be read, [first, end): asked for, and in both volumes at least in part. */
uint64_t report_first_track(const struct report *report);
uint64_t report_end_track(const struct report *report);
/* Bytes of the track that both volumes have. */
uint32_t report_common_bytes(const struct report *report, uint64_t track);
/* How many of these tracks, from the first on, have all that is compared of them in both; the one behind them differs,
 * whatever its common bytes are. */
uint64_t report_tracks_in_both(const struct report *report, uint64_t first_track, uint64_t count);

/* Each of the tracks above is told exactly once, before report_finish. */
void report_identical(struct report *report, uint64_t first_track, uint64_t count, bool is_hole);
/* They had differed, and do so no more. */
void report_settled(struct report *report, uint64_t first_track, uint64_t count, bool is_hole);
/* local and remote: report_common_bytes each, not equal; both NULL when only its digests are known. */
void report_different(struct report *report, uint64_t track, bool is_hole, const uint8_t *local, const uint8_t *remote,
	const struct report_confirm *confirm);
void report_unsettled(struct report *report, uint64_t first_track, uint64_t count);
void report_unreadable(struct report *report, uint64_t track);
void report_invalid(struct report *report, uint64_t first_track, uint64_t count);
void report_not_compared(struct report *report, uint64_t first_track, uint64_t count, enum report_reason reason);
/* All that the unfinished run of the ledger has. Before anything else is told. */
void report_resume(struct report *report, const struct ledger *ledger);
/* The reservation was lost: from now on differences are settled in so many rounds. */
void report_unreserve(struct report *report, uint32_t settle_rounds);
/* The ranges of a track that was told to be different: at most max of them go to out, clipped to the track. Returns how
 * many there are. */
size_t report_track_ranges(const struct report *report, uint64_t track, struct report_range *out, size_t max);
/* A volume that changed its size is posted. */
void report_finish(struct report *report, const struct report_end *end);

/* 0, 1, 3, 4 or 5 (of report_finish). */
int report_exit_code(const struct report *report);
/* In the order 1 > 5 > 4 > 3 > 0 of their exit codes. */
bool report_is_worse(const struct report *report, const struct report *than);
/* It was exclusively reserved all the time: what it says is of one moment. */
bool report_is_of_moment(const struct report *report);
/* Both volumes, or what both have, kept the size to the end, as far as it is known; false spoils a proof. */
bool report_sizes_held(const struct report *report);

#endif
