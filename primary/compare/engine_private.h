/* SPDX-License-Identifier: Apache-2.0
 *
 * What engine.c (a pass that runs, and its early ends), engine_begin.c (up to the first run) and engine_end.c (from the
 * last run on) share. Nobody else includes this.
 */
#ifndef RA_COMPARE_ENGINE_PRIVATE_H
#define RA_COMPARE_ENGINE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/limits.h"
#include "primary/compare/engine.h"
#include "primary/compare/opening.h"
#include "primary/compare/options.h"
#include "primary/compare/report.h"
#include "primary/compare/stream.h"
#include "wire/message.h"

#define ENGINE_MAGIC 0x454e474eu
#define ENGINE_NAME_BYTES (PATH_BYTES_MAX + 8u)

enum engine_state {
	ENGINE_NEW,
	ENGINE_OPENING,   /* HostOpen */
	ENGINE_LOADING,   /* the ledger */
	ENGINE_MARKS,     /* the tracks that are known to be invalid */
	ENGINE_RUNNING,   /* 42 to 54 */
	ENGINE_CHECKING,  /* HostStatus: the sizes at the end of the pass */
	ENGINE_SAVING,    /* the ledger */
	ENGINE_MARKING,   /* --mark: differences are marked invalid */
	ENGINE_RELEASING, /* 56: HostRelease */
	ENGINE_ASKING,    /* HostStatus: the sizes at the start of the next pass */
	ENGINE_DONE,
};

struct engine {
	uint32_t magic;
	enum engine_state state;
	struct client *client;
	struct clock *clock;
	struct shm *shm;
	const struct options *options;
	const struct engine_ops *ops;
	void *arg;
	struct stream_shared shared;
	bool is_hanging[SIDE_COUNT];
	struct stream *streams[STREAMS_MAX];
	uint32_t next_spare_slot;
	struct place *place;
	struct timer duration; /* --max-duration, --until */
	uint8_t *zeros;
	uint32_t run_tracks; /* of data, in force; 0 before the volumes are open */
	char name_local[ENGINE_NAME_BYTES], name_remote[ENGINE_NAME_BYTES]; /* of a device's volumes */
	uint32_t relinks; /* as the primary counts them */
	/* The pass */
	struct report *report;
	struct agenda *agenda;   /* RUNNING; else NULL */
	struct track_set *marks; /* known to be invalid; NULL: nobody keeps them */
	struct timer marks_again; /* they are asked for */
	unsigned marks_refused;   /* so often, for want of room */
	struct track_set *different;  /* what is to be marked */
	bool is_resumed;         /* it goes on with an unfinished run */
	uint64_t resumed_bytes;  /* of compared_bytes */
	uint64_t resumed_ms;     /* of the earlier parts */
	bool is_cut;             /* by --max-duration or --until */
	struct msg_host_open_reply volumes; /* as they were when the last pass began */
	uint32_t relinks_before; /* the pass */
	/* All passes */
	struct report *worst;
	uint64_t passes;
	bool is_interrupted;
	bool is_over;        /* no further pass, whatever --repeat says */
	bool is_time_over;   /* --max-duration or --until: no further pass begins */
	bool is_client_lost;
	bool was_unreserved; /* at some time */
	bool is_unreserved;  /* for good: that was told */
	int exit_code; /* without a report */
	char error[OPENING_WHY_BYTES];
};

/* ---- engine.c ---- */

struct engine *engine_of(void *arg);
void engine_set_state(struct engine *engine, enum engine_state state, const char *reason);
/* Nothing follows. */
void engine_finish(struct engine *engine, const char *reason);
/* Ends before there is a pass to report on. */
__attribute__((format(printf, 3, 4))) void engine_refuse(struct engine *engine, int exit_code, const char *format, ...);
bool engine_has_live_stream(const struct engine *engine);
uint32_t engine_busy_streams(const struct engine *engine);
/* Streams that have nothing to do look again. */
void engine_wake_streams(struct engine *engine);
void engine_look_for_end(struct engine *engine);
/* There may be a run again: for the agenda. */
void engine_ready(void *arg);
void engine_changed(struct engine *engine, const char *detail);
/* The link, or the client. */
void engine_lose(struct engine *engine, const char *reason);

/* ---- engine_begin.c ---- */

void engine_opened(void *arg, const struct msg_host_open_reply *reply);
/* The invalid tracks are asked for once more. */
void engine_load_marks(void *arg);
/* A pass that was asked for and did not come about: a pass without a track compared. Nothing follows. */
void engine_leave_next_pass(struct engine *engine, enum report_reason reason);
/* What goes into the ledger beside the tracks; of struct engine. */
void engine_note_counts(void *arg);

/* ---- engine_end.c ---- */

/* Whatever was not told to the report yet is not compared. */
void engine_abandon_pass(struct engine *engine, enum report_reason reason);
/* The pass, and all that would follow, ends here. */
void engine_break_off(struct engine *engine, enum report_reason reason);
/* The report is finished and told to main. sizes: the reply at the end; NULL when there is none. why: LOST and CHANGED
 * are told to the report. */
void engine_end_pass(struct engine *engine, const struct msg_host_open_reply *sizes, enum report_reason why);
/* That, and what lasts of it is kept. has_ended: all of it was worked through, so another run begins at its start. */
void engine_close_pass(struct engine *engine, const struct msg_host_open_reply *sizes, enum report_reason why,
	bool has_ended);
/* All runs are done. */
void engine_end_running(struct engine *engine);
/* No pass is to follow. */
bool engine_is_last_pass(const struct engine *engine);
/* What lasts is kept, as far as it can be: the next pass, or the end. */
void engine_go_on(struct engine *engine);

#endif
