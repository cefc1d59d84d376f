/* SPDX-License-Identifier: Apache-2.0
 *
 * How a run gets on: all figures of progress, from what was counted so far and from a window of the last 10 s. Knows no
 * clock and no I/O: times come in, of the monotonic clock. What cannot be told from the window is said to be unknown.
 */
#ifndef RA_COMPARE_PACE_H
#define RA_COMPARE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "primary/compare/report.h"

#define PACE_WINDOW_MS 10000
#define PACE_LEFT_MAX_S (99 * 86400u)

struct pace;

enum pace_phase { PACE_OPENING, PACE_WAITING, PACE_COMPARING, PACE_SETTLING, PACE_FINISHING, PACE_PHASE_COUNT };

enum pace_binds {
	PACE_UNKNOWN,
	PACE_LOCAL_DISK,
	PACE_REMOTE_DISK,
	PACE_LINK,
	PACE_PROCESSOR,
	PACE_LIMIT,
	PACE_BINDS_COUNT
};

/* What the parts of a run have counted so far. Within a pass and a phase counts only grow. */
struct pace_input {
	enum pace_phase phase; /* but PACE_WAITING, which is_link_down makes of it */
	bool is_link_down;
	uint64_t pass; /* from 1; 0: none began yet */
	uint64_t tracks[REPORT_STATE_COUNT]; /* their sum is done_tracks */
	uint64_t done_tracks, total_tracks, settling_tracks;
	uint64_t compared_bytes;
	struct report_waits waits;
	int64_t cpu_ms; /* processor time of this process */
	bool is_one_host; /* both volumes, and all three loops, are on this machine */
};

struct pace_figures {
	enum pace_phase phase;
	uint64_t pass;
	uint64_t tracks[REPORT_STATE_COUNT];
	uint64_t done_tracks, total_tracks, settling_tracks;
	uint64_t compared_bytes;
	uint64_t local_bytes_per_s, remote_bytes_per_s; /* read from the volumes, over the window */
	enum pace_binds binds;
	uint64_t left_s; /* of the pass; 0: not known */
	uint64_t elapsed_s;
};

/* What happened over a window of so many milliseconds. */
struct pace_span {
	int64_t ms;
	struct report_waits waits;
	int64_t cpu_ms;
	bool is_one_host;
};

/* elapsed_s counts from here. */
struct pace *pace_new(int64_t now_ms);
void pace_free(struct pace *pace);
/* At least once a second, and whenever the link goes down or comes back. now_ms never decreases. */
void pace_take(struct pace *pace, int64_t now_ms, const struct pace_input *input);
/* As of the last pace_take. */
void pace_figures(const struct pace *pace, struct pace_figures *out);

/* What a run waited for most. */
enum pace_binds pace_binds(const struct pace_span *span);
const char *pace_phase_name(enum pace_phase phase);
const char *pace_binds_name(enum pace_binds binds); /* "" for unknown */

#endif
