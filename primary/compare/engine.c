/* SPDX-License-Identifier: Apache-2.0
 *
 * The passes of Fig. 2 as a state machine: opening -> loading -> marks -> running -> checking -> marking -> saving ->
 * (releasing -> asking -> marks -> running ...) -> done. What a pass has to do stands in its agenda; streams return out
 * of order. Path 56, another pass, begins with a Release, so that it gets new link jobs with new floors and sees the
 * sizes of now. The hard thing is ending early: an interruption or a loss may come in any state, and each track must
 * still be told to the report exactly once.
 * check-style: long because the passes of one comparison are one state machine.
 */
#include "primary/compare/engine.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/track_set.h"
#include "local/client.h"
#include "local/shm.h"
#include "primary/compare/agenda.h"
#include "primary/compare/opening.h"
#include "primary/compare/options.h"
#include "primary/compare/place.h"
#include "primary/compare/report.h"
#include "primary/compare/stream.h"
#include "storage/ledger.h"

#define ENGINE_MAGIC 0x454e474eu
#define NAME_BYTES (PATH_BYTES_MAX + 8u)

enum engine_state {
	ENGINE_NEW,
	ENGINE_OPENING,   /* HostOpen */
	ENGINE_LOADING,   /* the ledger */
	ENGINE_MARKS,     /* the tracks that are known to be invalid */
	ENGINE_RUNNING,   /* 42 to 54 */
	ENGINE_CHECKING,  /* HostStatus: the sizes at the end of the pass */
	ENGINE_MARKING,   /* --mark: differences are marked invalid */
	ENGINE_SAVING,    /* the ledger */
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
	uint32_t run_tracks; /* in force; 0 before the volumes are open */
	char name_local[NAME_BYTES], name_remote[NAME_BYTES]; /* of a device's volumes */
	uint32_t relinks; /* as the primary counts them */
	/* The pass */
	struct report *report;
	struct agenda *agenda;   /* RUNNING; else NULL */
	struct track_set *marks; /* known to be invalid; NULL: nobody keeps them */
	struct track_set *different;  /* what is to be marked */
	uint64_t resumed_bytes;  /* of compared_bytes */
	struct msg_host_open_reply volumes; /* as they were when the last pass began */
	uint32_t relinks_before; /* the pass */
	/* All passes */
	struct report *worst;
	uint64_t passes;
	bool is_interrupted;
	bool is_over;        /* no further pass, whatever --repeat says */
	bool is_time_over;   /* the pass was ended by --max-duration or --until */
	bool is_client_lost;
	bool was_unreserved;
	int exit_code; /* without a report */
	char error[OPENING_WHY_BYTES];
};

static struct engine *engine_of(void *arg)
{
	struct engine *engine = arg;

	assert(engine->magic == ENGINE_MAGIC);
	return engine;
}

static void set_state(struct engine *engine, enum engine_state state, const char *reason)
{
	static const char *const names[] = { "new", "opening", "loading", "marks", "running", "checking", "marking",
		"saving", "releasing", "asking", "done" };

	log_debug("engine: %s -> %s: %s", names[engine->state], names[state], reason);
	engine->state = state;
}

static void finish(struct engine *engine, const char *reason)
{
	set_state(engine, ENGINE_DONE, reason);
	timer_cancel(&engine->duration);
	engine->ops->done(engine->arg);
}

/* Ends before there is a pass to report on. */
__attribute__((format(printf, 3, 4))) static void refuse(struct engine *engine, int exit_code, const char *format, ...)
{
	va_list args;

	engine->exit_code = exit_code;
	va_start(args, format);
	vsnprintf(engine->error, sizeof(engine->error), format, args);
	va_end(args);
	finish(engine, "no pass can begin");
}

/* ---- The end of a pass ---- */

static void keep_worst(struct engine *engine)
{
	if (!engine->worst || report_is_worse(engine->report, engine->worst)) {
		report_free(engine->worst);
		engine->worst = engine->report;
	} else {
		report_free(engine->report);
	}
	engine->report = NULL;
}

/* sizes: the reply at the end; NULL when there is none. why: LOST and CHANGED are told to the report. */
static void end_pass(struct engine *engine, const struct msg_host_open_reply *sizes, enum report_reason why)
{
	struct report_end end = {
		.ended_wall_s = time(NULL),
		.took_ms = clock_now_ms(engine->clock) - report_figures(engine->report)->setup.started_ms,
		.is_lost = why == REASON_LOST,
		.is_changed = why == REASON_CHANGED,
		.was_unreserved = engine->was_unreserved,
	};

	if (sizes) {
		end.has_sizes = true;
		end.local_bytes = sizes->local.size_bytes;
		end.remote_bytes = sizes->remote.size_bytes;
		end.wire_bytes = sizes->wire_bytes - engine->volumes.wire_bytes;
	}
	report_finish(engine->report, &end);
	engine->passes++;
	engine->ops->pass(engine->arg, engine->report, engine->passes);
	keep_worst(engine);
}

static void finish_or_go_on(struct engine *engine);

static void on_place_saved(void *arg)
{
	struct engine *engine = engine_of(arg);

	if (engine->state != ENGINE_DONE)
		finish_or_go_on(engine);
}

static void save_place(struct engine *engine)
{
	set_state(engine, ENGINE_SAVING, "the pass is over");
	if (engine->is_client_lost && engine->options->form == FORM_DEVICE)
		finish_or_go_on(engine);
	else
		place_save(engine->place, on_place_saved, engine);
}

static void on_marked(void *arg, const struct msg_host_record_reply *reply, const uint8_t *payload, uint32_t bytes)
{
	struct engine *engine = engine_of(arg);

	(void)payload, (void)bytes;
	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_MARKING);
	if (reply->status != STATUS_OK)
		log_error("the differing tracks were not marked: %s", status_words(reply->status, reply->detail));
	save_place(engine);
}

/* --mark: confirmed differences of this pass become invalid tracks of the local volume. */
static void mark_differences(struct engine *engine)
{
	size_t bytes = track_set_ranges(engine->different) * TRACK_SET_PACKED_BYTES;
	uint8_t *packed;

	if (bytes == 0 || engine->is_client_lost) {
		save_place(engine);
		return;
	}
	set_state(engine, ENGINE_MARKING, "--mark");
	if (track_set_ranges(engine->different) == TRACK_SET_RANGES_MAX)
		log_warning("only the first %u ranges of differing tracks are marked", TRACK_SET_RANGES_MAX);
	packed = xcalloc(1, bytes);
	track_set_pack(engine->different, packed);
	client_save(engine->client, RECORD_INVALID, packed, (uint32_t)bytes, on_marked, engine);
	free(packed);
}

/* The pass is told to main, and what lasts of it is kept. has_ended: all of it was worked through, so the next run
 * begins at its start. */
static void close_pass(struct engine *engine, const struct msg_host_open_reply *sizes, enum report_reason why,
	bool has_ended)
{
	struct ledger *ledger = place_ledger(engine->place);

	if (ledger && has_ended)
		ledger_end_run(ledger, time(NULL));
	end_pass(engine, sizes, why);
	mark_differences(engine);
}

static void free_agenda(struct engine *engine)
{
	track_set_free(engine->different);
	engine->different = track_set_new();
	track_set_add_all(engine->different, agenda_different(engine->agenda));
	agenda_free(engine->agenda);
	engine->agenda = NULL;
}

/* Whatever was not told to the report yet is not compared. */
static void abandon_pass(struct engine *engine, enum report_reason reason)
{
	agenda_stop(engine->agenda, reason);
	for (uint32_t i = 0; i < engine->options->jobs; i++)
		stream_abandon(engine->streams[i], reason);
	free_agenda(engine);
}

/* The pass, and all that would follow, ends here. */
static void break_off(struct engine *engine, enum report_reason reason)
{
	if (engine->state == ENGINE_RUNNING)
		abandon_pass(engine, reason);
	engine->is_over = true;
	close_pass(engine, NULL, reason, false);
}

static bool has_live_stream(const struct engine *engine)
{
	for (uint32_t i = 0; i < engine->options->jobs; i++)
		if (!stream_has_stopped(engine->streams[i]))
			return true;
	return false;
}

/* ---- The pass ---- */

static void on_checked(void *arg, const struct msg_host_open_reply *reply);

static void end_running(struct engine *engine)
{
	agenda_stop(engine->agenda, REASON_NO_MEMORY); /* nothing is left but where all streams have stopped */
	free_agenda(engine);
	set_state(engine, ENGINE_CHECKING, "54: all runs are done");
	client_status(engine->client, on_checked, engine);
}

static uint32_t busy_streams(const struct engine *engine)
{
	uint32_t busy = 0;

	for (uint32_t i = 0; i < engine->options->jobs; i++)
		busy += !stream_is_idle(engine->streams[i]);
	return busy;
}

/* 42 and 52: the first and the next portion; false when there is none now, or at 54, the end. */
static bool next_run(void *arg, struct stream_run *run)
{
	struct engine *engine = engine_of(arg);

	return engine->agenda && agenda_next_run(engine->agenda, run);
}

static void look_for_end(struct engine *engine)
{
	if (engine->state == ENGINE_RUNNING && busy_streams(engine) == 0 &&
		(agenda_is_empty(engine->agenda) || !has_live_stream(engine)))
		end_running(engine);
}

/* Streams that have nothing to do look again. */
static void wake_streams(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->options->jobs; i++)
		if (stream_is_idle(engine->streams[i]) && !stream_start(engine->streams[i]))
			break;
}

static void on_ready(void *arg)
{
	struct engine *engine = engine_of(arg);

	wake_streams(engine);
	look_for_end(engine);
}

static void on_compared(void *arg, const struct stream_run *run, const struct stream_track *track)
{
	agenda_compared(engine_of(arg)->agenda, run, track);
}

static void on_unreadable(void *arg, const struct stream_run *run, uint64_t track)
{
	agenda_unreadable(engine_of(arg)->agenda, run, track);
}

static void on_gave_up(void *arg, const struct stream_run *run, uint64_t first_track, uint64_t count,
	enum report_reason reason)
{
	agenda_gave_up(engine_of(arg)->agenda, run, first_track, count, reason);
}

static bool spare_slot(void *arg, uint32_t *slot)
{
	struct engine *engine = engine_of(arg);

	if (engine->next_spare_slot == shm_slot_count(engine->shm))
		return false;
	*slot = engine->next_spare_slot++;
	return true;
}

static void on_stream_idle(void *arg)
{
	look_for_end(engine_of(arg));
}

/* --max-duration, --until: the pass ends in order, and no other begins. */
static void on_duration_over(void *arg)
{
	struct engine *engine = engine_of(arg);

	engine->is_over = true;
	if (engine->state != ENGINE_RUNNING)
		return;
	engine->is_time_over = true;
	agenda_stop(engine->agenda, REASON_TIME_OVER);
	look_for_end(engine);
}

/* Nobody may be kept waiting for a device that somebody else has: without a byte compared there is no report either. */
static void on_busy(struct engine *engine, const char *detail)
{
	if (engine->passes > 0 || report_figures(engine->report)->compared_bytes > engine->resumed_bytes) {
		snprintf(engine->error, sizeof(engine->error), "busy: %s", detail);
		break_off(engine, REASON_BUSY);
		return;
	}
	abandon_pass(engine, REASON_BUSY);
	report_free(engine->report);
	engine->report = NULL;
	refuse(engine, 6, "busy: %s", detail);
}

static void on_changed(struct engine *engine, const char *detail)
{
	snprintf(engine->error, sizeof(engine->error), "the remote volume is not the one it was%s%s", detail[0] ? ": " : "",
		detail);
	break_off(engine, REASON_CHANGED);
}

static void lose(struct engine *engine, const char *reason);

static void on_fatal(void *arg, enum status status, const char *detail)
{
	struct engine *engine = engine_of(arg);
	char reason[DETAIL_MAX + 64];

	if (status == STATUS_BUSY) {
		on_busy(engine, detail[0] ? detail : "somebody else has the device");
		return;
	}
	if (status == STATUS_VOLUME_CHANGED) {
		on_changed(engine, detail);
		return;
	}
	if (status == STATUS_LINK_LOST && detail[0])
		snprintf(reason, sizeof(reason), "%s", detail);
	else
		snprintf(reason, sizeof(reason), "the primary answered a read with %s%s%s", status_name(status),
			detail[0] ? ": " : "", detail);
	lose(engine, reason);
}

/* An exclusive reservation keeps writers away: what differs then is different. */
static bool is_first_look_final(const struct engine *engine)
{
	return engine->options->settle_rounds == 0 ||
		(engine->options->reserve == RESERVE_EXCLUSIVE && !engine->was_unreserved);
}

static int64_t max_lag_ms(const struct engine *engine)
{
	return engine->options->has_max_lag ? engine->options->max_lag_ms : engine->volumes.max_lag_ms;
}

static struct report *new_report(const struct engine *engine, const struct msg_host_open_reply *reply)
{
	const struct options *options = engine->options;
	const struct ledger *ledger = place_ledger(engine->place);
	struct report_setup setup = {
		.local = reply->local,
		.remote = reply->remote,
		.name_local = engine->name_local,
		.name_remote = engine->name_remote,
		.device = options->device,
		.is_common = opening_is_common(options, reply),
		.track_bytes = reply->track_bytes,
		.has_tracks = options->has_tracks,
		.first_track = options->first_track,
		.last_track = options->last_track,
		.exact_tracks = options->exact_tracks,
		.delivery = options->delivery,
		.pass = engine->passes + 1,
		.started_wall_s = time(NULL),
		.started_ms = clock_now_ms(engine->clock),
		.settle_rounds = is_first_look_final(engine) ? 0 : options->settle_rounds,
		.max_lag_ms = max_lag_ms(engine),
		.reserve = options->reserve,
		.accept_trimmed = options->accept_trimmed,
		.checks_invalid = options->invalid == INVALID_CHECK,
		.marked = engine->marks,
		.history = ledger,
	};

	if (ledger)
		setup.started_wall_s = ledger_run_started(ledger);
	if (options->has_tracks && options->last_track == UINT64_MAX)
		setup.last_track = (opening_total_bytes(options, reply) - 1) / reply->track_bytes;
	return report_new(&setup);
}

/* What goes into the ledger beside the tracks. */
static void note_counts(void *arg)
{
	const struct engine *engine = engine_of(arg);
	const struct report_figures *figures;

	if (!engine->report)
		return;
	figures = report_figures(engine->report);
	ledger_set_counts(place_ledger(engine->place), &(struct ledger_counts){
		.hole_bytes = figures->hole_bytes,
		.settled_tracks = figures->settled_tracks,
	});
}

/* The first pass goes on with an unfinished run, unless it is to start over. */
static void begin_run(struct engine *engine)
{
	struct ledger *ledger = place_ledger(engine->place);

	if (!ledger)
		return;
	if (engine->passes > 0 || engine->options->restart || !ledger_run_options(ledger))
		ledger_begin_run(ledger, place_options(engine->place), time(NULL));
	place_keep(engine->place, note_counts, engine);
}

/* 42: the first track is selected. */
static void begin_pass(struct engine *engine)
{
	struct agenda_config config = {
		.clock = engine->clock,
		.options = engine->options,
		.marked = engine->marks,
		.run_tracks = engine->run_tracks,
		.max_lag_ms = max_lag_ms(engine),
		.is_final = is_first_look_final(engine),
		.now_wall_s = time(NULL),
		.ready = on_ready,
		.arg = engine,
	};

	begin_run(engine);
	engine->report = new_report(engine, &engine->volumes);
	config.report = engine->report;
	config.ledger = place_ledger(engine->place);
	if (config.ledger)
		report_resume(engine->report, config.ledger);
	engine->resumed_bytes = report_figures(engine->report)->compared_bytes;
	engine->agenda = agenda_new(&config);
	engine->shared.report = engine->report;
	memset(engine->is_hanging, 0, sizeof(engine->is_hanging));
	engine->shared.is_hanging = engine->is_hanging;
	engine->shared.remote_bytes = engine->volumes.remote.size_bytes;
	engine->shared.track_bytes = engine->volumes.track_bytes;
	engine->relinks_before = engine->relinks;
}

static void run_pass(struct engine *engine)
{
	begin_pass(engine);
	set_state(engine, ENGINE_RUNNING, "42: first track selected");
	wake_streams(engine);
	report_link(engine->report)->jobs = busy_streams(engine);
	look_for_end(engine);
}

/* A pass that was asked for and did not come about: a pass without a track compared. */
static void interrupt_next_pass(struct engine *engine)
{
	begin_pass(engine);
	abandon_pass(engine, REASON_INTERRUPTED);
	engine->is_over = true;
	close_pass(engine, NULL, REASON_INTERRUPTED, false);
}

/* ---- What is kept ---- */

static void take_marks(struct engine *engine, struct track_set *marks)
{
	uint64_t count = track_set_tracks(marks);

	track_set_free(engine->marks);
	engine->marks = marks;
	if (engine->options->has_tracks)
		count = track_set_tracks_in(marks, engine->options->first_track,
			engine->options->last_track - engine->options->first_track +
				(engine->options->last_track < UINT64_MAX));
	if (count > 0 && engine->options->invalid == INVALID_REFUSE)
		refuse(engine, 6, "busy: %llu %s known to be invalid: the copy is not up to date", (unsigned long long)count,
			plural(count, "track is", "tracks are"));
	else
		run_pass(engine);
}

static void on_marks(void *arg, const struct msg_host_record_reply *reply, const uint8_t *payload, uint32_t bytes)
{
	struct engine *engine = engine_of(arg);
	struct track_set *marks;

	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_MARKS);
	if (reply->status != STATUS_OK) {
		refuse(engine, reply->status == STATUS_LINK_LOST ? 4 : 2, "the invalid tracks are not known: %s",
			status_words(reply->status, reply->detail));
		return;
	}
	marks = track_set_unpack(payload, bytes, TRACK_SET_RANGES_MAX);
	if (marks)
		take_marks(engine, marks);
	else
		refuse(engine, 4, "the primary's list of invalid tracks is not well formed");
}

static void load_marks(struct engine *engine)
{
	if (engine->options->form != FORM_DEVICE) {
		run_pass(engine);
		return;
	}
	set_state(engine, ENGINE_MARKS, "the tracks that are known to be invalid");
	client_load(engine->client, RECORD_INVALID, on_marks, engine);
}

static void on_place_opened(void *arg, int exit_code, const char *why)
{
	struct engine *engine = engine_of(arg);

	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_LOADING);
	if (exit_code != 0)
		refuse(engine, exit_code, "%s", why);
	else
		load_marks(engine);
}

static void open_place(struct engine *engine)
{
	uint64_t total_bytes = opening_total_bytes(engine->options, &engine->volumes);
	uint32_t track_bytes = engine->volumes.track_bytes;
	struct ledger_binding binding;

	set_state(engine, ENGINE_LOADING, "the volumes are open");
	opening_binding(engine->options, &engine->volumes, &binding);
	place_open(engine->place, &binding, total_bytes / track_bytes + (total_bytes % track_bytes != 0), on_place_opened,
		engine);
}

/* For people: volumes as they were typed, those of a device by the paths that the daemons have. */
static void name_volumes(struct engine *engine, const struct msg_host_open_reply *reply)
{
	const struct options *options = engine->options;
	bool is_device = options->form == FORM_DEVICE;

	snprintf(engine->name_local, NAME_BYTES, "%s%s", is_device ? "local " : "",
		is_device ? reply->local.path : options->path_local);
	snprintf(engine->name_remote, NAME_BYTES, "%s%s", is_device ? "remote " : "",
		is_device ? reply->remote.path : options->name_remote);
}

/* Nothing was read yet: false when no pass can begin with this reply, and the engine is done. */
static bool accept_volumes(struct engine *engine, const struct msg_host_open_reply *reply)
{
	int exit_code = opening_judge(engine->options, reply, engine->error);

	if (exit_code != 0) {
		engine->exit_code = exit_code;
		finish(engine, "no pass can begin");
		return false;
	}
	if (engine->passes > 0)
		return true;
	engine->run_tracks = options_run_tracks(engine->options, reply->track_bytes);
	name_volumes(engine, reply);
	if (!engine->options->quiet && volume_info_is_same(&reply->local, &reply->remote))
		log_warning("%s and %s are the same volume: it is compared with itself", engine->name_local,
			engine->name_remote);
	return true;
}

static void on_opened(void *arg, const struct msg_host_open_reply *reply)
{
	struct engine *engine = engine_of(arg);

	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_OPENING || engine->state == ENGINE_ASKING);
	if (!accept_volumes(engine, reply))
		return;
	engine->volumes = *reply;
	if (engine->is_over && engine->passes > 0)
		interrupt_next_pass(engine);
	else if (engine->passes > 0)
		load_marks(engine);
	else
		open_place(engine);
}

static void on_released(void *arg)
{
	struct engine *engine = engine_of(arg);

	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_RELEASING);
	set_state(engine, ENGINE_ASKING, "the link jobs are released");
	client_status(engine->client, on_opened, engine);
}

static void on_checked(void *arg, const struct msg_host_open_reply *reply)
{
	struct engine *engine = engine_of(arg);

	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_CHECKING);
	if (reply->status == STATUS_LINK_LOST) {
		lose(engine, reply->detail);
		return;
	}
	if (reply->status == STATUS_VOLUME_CHANGED) {
		on_changed(engine, reply->detail);
		return;
	}
	if (reply->status != STATUS_OK)
		log_warning("the sizes at the end of the pass are not known: %s%s%s", status_name(reply->status),
			reply->detail[0] ? ": " : "", reply->detail);
	close_pass(engine, reply->status == STATUS_OK ? reply : NULL, REASON_COUNT, !engine->is_time_over);
}

/* 54, or path 56. */
static void finish_or_go_on(struct engine *engine)
{
	bool is_last = engine->passes >= engine->options->repeat || !has_live_stream(engine) || engine->is_client_lost;

	if (is_last || engine->is_over) {
		finish(engine, "the last pass is over");
		return;
	}
	if (engine->is_interrupted) {
		interrupt_next_pass(engine);
		return;
	}
	set_state(engine, ENGINE_RELEASING, "path 56: another pass");
	client_release(engine->client, on_released, engine);
}

/* ---- For main ---- */

void engine_start(struct engine *engine)
{
	struct msg_host_open request;

	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_NEW);
	set_state(engine, ENGINE_OPENING, "the primary is there");
	if (engine->options->max_duration_ms > 0)
		timer_set(&engine->duration, engine->options->max_duration_ms);
	opening_request(engine->options, &request);
	client_open(engine->client, &request, on_opened, engine);
}

void engine_interrupt(struct engine *engine)
{
	engine->is_interrupted = true;
	switch (engine->state) {
	case ENGINE_NEW:
	case ENGINE_OPENING:
	case ENGINE_LOADING:
		refuse(engine, 3, "interrupted before the comparison began");
		break;
	case ENGINE_MARKS:
		if (engine->passes == 0)
			refuse(engine, 3, "interrupted before the comparison began");
		else
			interrupt_next_pass(engine);
		break;
	case ENGINE_RUNNING:
		break_off(engine, REASON_INTERRUPTED);
		break;
	case ENGINE_RELEASING:
	case ENGINE_ASKING:
		interrupt_next_pass(engine);
		break;
	case ENGINE_CHECKING: /* one reply is missing; a second signal ends the program */
		if (engine->shared.pause.is_on)
			break_off(engine, REASON_INTERRUPTED);
		break;
	case ENGINE_MARKING: /* what lasts is written; then it ends */
	case ENGINE_SAVING:
	case ENGINE_DONE:
		break;
	}
}

/* The link, or the client. */
static void lose(struct engine *engine, const char *reason)
{
	switch (engine->state) {
	case ENGINE_NEW:
	case ENGINE_OPENING:
	case ENGINE_LOADING:
	case ENGINE_MARKS:
	case ENGINE_RELEASING:
	case ENGINE_ASKING:
		refuse(engine, 4, "%s", reason);
		break;
	case ENGINE_RUNNING:
	case ENGINE_CHECKING:
		if (engine->is_interrupted) { /* the same ^C ended what was between */
			break_off(engine, REASON_INTERRUPTED);
			break;
		}
		snprintf(engine->error, sizeof(engine->error), "%s", reason);
		break_off(engine, REASON_LOST);
		break;
	case ENGINE_MARKING:
	case ENGINE_SAVING:
		log_error("what was found could not be kept: %s", reason);
		finish(engine, reason);
		break;
	case ENGINE_DONE:
		break;
	}
}

void engine_lost(struct engine *engine, const char *reason)
{
	engine->is_client_lost = true;
	lose(engine, reason);
}

/* Between the loss and the new reservation anybody may have written. */
static void note_reservation(struct engine *engine, const struct msg_host_link *link)
{
	if (engine->options->reserve == RESERVE_NONE || engine->was_unreserved)
		return;
	engine->was_unreserved = true;
	if (engine->agenda && engine->options->settle_rounds > 0)
		agenda_unreserve(engine->agenda);
	if (link->unreserved)
		log_warning("the device is not reserved any more: %s", link->detail);
}

void engine_link(struct engine *engine, const struct msg_host_link *link)
{
	struct stream_pause *pause = &engine->shared.pause;
	int64_t now_ms = clock_now_ms(engine->clock);

	if (link->is_up && pause->is_on)
		pause->total_ms += now_ms - pause->since_ms;
	if (!link->is_up && !pause->is_on)
		pause->since_ms = now_ms;
	pause->is_on = !link->is_up;
	engine->relinks = link->relinks;
	if (engine->report)
		report_link(engine->report)->relinks = link->relinks - engine->relinks_before;
	if (engine->state > ENGINE_OPENING)
		note_reservation(engine, link);
}

/* A pass that could not begin outweighs those before it, unless one of them was worse. */
static bool is_report_decisive(const struct engine *engine)
{
	if (!engine->worst || engine->exit_code == 0)
		return engine->worst != NULL;
	return report_exit_code(engine->worst) == 1 || report_exit_code(engine->worst) == 5;
}

const struct report *engine_report(const struct engine *engine)
{
	return is_report_decisive(engine) ? engine->worst : NULL;
}

const struct report *engine_current(const struct engine *engine)
{
	return engine->report;
}

uint64_t engine_settling_tracks(const struct engine *engine)
{
	return engine->agenda ? agenda_settling_tracks(engine->agenda) : 0;
}

const char *engine_place_trouble(const struct engine *engine)
{
	return place_trouble(engine->place);
}

uint64_t engine_passes(const struct engine *engine)
{
	return engine->passes;
}

const char *engine_error(const struct engine *engine)
{
	return engine->error;
}

int engine_exit_code(const struct engine *engine)
{
	assert(engine->state == ENGINE_DONE);
	return is_report_decisive(engine) ? report_exit_code(engine->worst) : engine->exit_code;
}

struct engine *engine_new(struct client *client, struct clock *clock, struct shm *shm, const struct options *options,
	const struct engine_ops *ops, void *arg)
{
	struct engine *engine = xcalloc(1, sizeof(*engine));

	assert(shm_slot_count(shm) >= 2 * options->jobs);
	engine->magic = ENGINE_MAGIC;
	engine->client = client;
	engine->clock = clock;
	engine->shm = shm;
	engine->options = options;
	engine->ops = ops;
	engine->arg = arg;
	engine->zeros = xcalloc(1, TRACK_BYTES_MAX);
	engine->next_spare_slot = 2 * options->jobs;
	engine->shared = (struct stream_shared){
		.client = client,
		.clock = clock,
		.shm = shm,
		.options = options,
		.zeros = engine->zeros,
		.arg = engine,
		.next_run = next_run,
		.compared = on_compared,
		.unreadable = on_unreadable,
		.gave_up = on_gave_up,
		.spare_slot = spare_slot,
		.idle = on_stream_idle,
		.fatal = on_fatal,
	};
	engine->place = place_new(options, client, clock);
	timer_init(&engine->duration, clock, on_duration_over, engine);
	for (uint32_t i = 0; i < options->jobs; i++)
		engine->streams[i] = stream_new(&engine->shared, i, 2 * i, 2 * i + 1);
	return engine;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	for (uint32_t i = 0; i < engine->options->jobs; i++)
		stream_free(engine->streams[i]);
	timer_cancel(&engine->duration);
	agenda_free(engine->agenda);
	place_free(engine->place);
	track_set_free(engine->marks);
	track_set_free(engine->different);
	report_free(engine->report);
	report_free(engine->worst);
	free(engine->zeros);
	engine->magic = 0;
	free(engine);
}
