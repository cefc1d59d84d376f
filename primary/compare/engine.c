/* SPDX-License-Identifier: Apache-2.0
 *
 * The passes of Fig. 2 as a state machine: opening -> running -> checking -> (releasing -> asking -> running ...) ->
 * done. Runs are dealt in order from one cursor; streams return out of order. Path 56, another pass, begins with a
 * Release, so that it gets new link jobs with new floors and sees the sizes of now. The hard thing is ending early: an
 * interruption or a loss may come in any state, and each track must still be told to the report exactly once.
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
#include "local/client.h"
#include "local/shm.h"
#include "primary/compare/opening.h"
#include "primary/compare/options.h"
#include "primary/compare/report.h"
#include "primary/compare/stream.h"

#define ENGINE_MAGIC 0x454e474eu
#define NAME_BYTES (PATH_BYTES_MAX + 8u)

enum engine_state {
	ENGINE_NEW,
	ENGINE_OPENING,   /* HostOpen */
	ENGINE_RUNNING,   /* 42 to 54 */
	ENGINE_CHECKING,  /* HostStatus: the sizes at the end of the pass */
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
	uint32_t active_streams;
	uint32_t next_spare_slot;
	uint8_t *zeros;
	uint32_t run_tracks; /* in force; 0 before the volumes are open */
	char name_local[NAME_BYTES], name_remote[NAME_BYTES]; /* of a device's volumes */
	uint32_t relinks; /* as the primary counts them */
	/* The pass */
	struct report *report;
	uint64_t next_track, end_track; /* runs not yet dealt */
	struct msg_host_open_reply volumes; /* as they were when the last pass began */
	uint32_t relinks_before; /* the pass */
	/* All passes */
	struct report *worst;
	uint64_t passes;
	bool is_interrupted;
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
	static const char *const names[] = { "new", "opening", "running", "checking", "releasing", "asking", "done" };

	log_debug("engine: %s -> %s: %s", names[engine->state], names[state], reason);
	engine->state = state;
}

static void finish(struct engine *engine, const char *reason)
{
	set_state(engine, ENGINE_DONE, reason);
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

/* Whatever was not told to the report yet is not compared. */
static void abandon_pass(struct engine *engine, enum report_reason reason)
{
	for (uint32_t i = 0; i < engine->options->jobs; i++)
		stream_abandon(engine->streams[i], reason);
	report_not_compared(engine->report, engine->next_track, engine->end_track - engine->next_track, reason);
	engine->next_track = engine->end_track;
	engine->active_streams = 0;
}

/* The pass, and all that would follow, ends here. */
static void break_off(struct engine *engine, enum report_reason reason, const char *words)
{
	if (engine->state == ENGINE_RUNNING)
		abandon_pass(engine, reason);
	end_pass(engine, NULL, reason);
	finish(engine, words);
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
	uint64_t left = engine->end_track - engine->next_track;

	if (left > 0)
		report_not_compared(engine->report, engine->next_track, left, REASON_NO_MEMORY);
	engine->next_track = engine->end_track;
	set_state(engine, ENGINE_CHECKING, "54: all runs are done");
	client_status(engine->client, on_checked, engine);
}

/* 42 and 52: the first and the next portion; false at 54, the end. */
static bool next_run(void *arg, uint64_t *first_track, uint32_t *track_count)
{
	struct engine *engine = engine_of(arg);
	uint64_t left = engine->end_track - engine->next_track;

	if (left == 0)
		return false;
	*first_track = engine->next_track;
	*track_count = left < engine->run_tracks ? (uint32_t)left : engine->run_tracks;
	engine->next_track += *track_count;
	return true;
}

static bool spare_slot(void *arg, uint32_t *slot)
{
	struct engine *engine = engine_of(arg);

	if (engine->next_spare_slot == shm_slot_count(engine->shm))
		return false;
	*slot = engine->next_spare_slot++;
	return true;
}

static void on_stream_ended(void *arg)
{
	struct engine *engine = engine_of(arg);

	assert(engine->state == ENGINE_RUNNING && engine->active_streams > 0);
	if (--engine->active_streams == 0)
		end_running(engine);
}

/* Nobody may be kept waiting for a device that somebody else has: without a byte compared there is no report either. */
static void on_busy(struct engine *engine, const char *detail)
{
	if (engine->passes > 0 || report_figures(engine->report)->compared_bytes > 0) {
		snprintf(engine->error, sizeof(engine->error), "busy: %s", detail);
		break_off(engine, REASON_BUSY, "the device is busy");
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
	break_off(engine, REASON_CHANGED, engine->error);
}

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
	engine_lost(engine, reason);
}

static struct report *new_report(const struct engine *engine, const struct msg_host_open_reply *reply)
{
	const struct options *options = engine->options;
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
	};

	if (options->has_tracks && options->last_track == UINT64_MAX)
		setup.last_track = (opening_total_bytes(options, reply) - 1) / reply->track_bytes;
	return report_new(&setup);
}

/* 42: the first track is selected. */
static void begin_pass(struct engine *engine)
{
	engine->report = new_report(engine, &engine->volumes);
	engine->next_track = report_first_track(engine->report);
	engine->end_track = report_end_track(engine->report);
	engine->shared.report = engine->report;
	memset(engine->is_hanging, 0, sizeof(engine->is_hanging));
	engine->shared.is_hanging = engine->is_hanging;
	engine->shared.remote_bytes = engine->volumes.remote.size_bytes;
	engine->shared.track_bytes = engine->volumes.track_bytes;
	engine->relinks_before = engine->relinks;
}

static void run_pass(struct engine *engine)
{
	set_state(engine, ENGINE_RUNNING, "42: first track selected");
	for (uint32_t i = 0; i < engine->options->jobs; i++)
		if (stream_start(engine->streams[i]))
			engine->active_streams++;
	report_link(engine->report)->jobs = engine->active_streams;
	if (engine->active_streams == 0)
		end_running(engine);
}

/* A pass that was asked for and did not come about: a pass without a track compared. */
static void interrupt_next_pass(struct engine *engine)
{
	begin_pass(engine);
	abandon_pass(engine, REASON_INTERRUPTED);
	end_pass(engine, NULL, REASON_INTERRUPTED);
	finish(engine, "interrupted between passes");
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
	begin_pass(engine);
	run_pass(engine);
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
		engine_lost(engine, reply->detail);
		return;
	}
	if (reply->status == STATUS_VOLUME_CHANGED) {
		on_changed(engine, reply->detail);
		return;
	}
	if (reply->status != STATUS_OK)
		log_warning("the sizes at the end of the pass are not known: %s%s%s", status_name(reply->status),
			reply->detail[0] ? ": " : "", reply->detail);
	end_pass(engine, reply->status == STATUS_OK ? reply : NULL, REASON_COUNT);
	if (engine->passes >= engine->options->repeat || !has_live_stream(engine)) {
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
	opening_request(engine->options, &request);
	client_open(engine->client, &request, on_opened, engine);
}

void engine_interrupt(struct engine *engine)
{
	engine->is_interrupted = true;
	switch (engine->state) {
	case ENGINE_NEW:
	case ENGINE_OPENING:
		refuse(engine, 3, "interrupted before the comparison began");
		break;
	case ENGINE_RUNNING:
		break_off(engine, REASON_INTERRUPTED, "interrupted");
		break;
	case ENGINE_RELEASING:
	case ENGINE_ASKING:
		interrupt_next_pass(engine);
		break;
	case ENGINE_CHECKING: /* one reply is missing; a second signal ends the program */
		if (engine->shared.pause.is_on)
			break_off(engine, REASON_INTERRUPTED, "interrupted while the link is down");
		break;
	case ENGINE_DONE:
		break;
	}
}

void engine_lost(struct engine *engine, const char *reason)
{
	switch (engine->state) {
	case ENGINE_NEW:
	case ENGINE_OPENING:
	case ENGINE_RELEASING:
	case ENGINE_ASKING:
		refuse(engine, 4, "%s", reason);
		break;
	case ENGINE_RUNNING:
	case ENGINE_CHECKING:
		if (engine->is_interrupted) { /* the same ^C ended what was between */
			break_off(engine, REASON_INTERRUPTED, reason);
			break;
		}
		snprintf(engine->error, sizeof(engine->error), "%s", reason);
		break_off(engine, REASON_LOST, reason);
		break;
	case ENGINE_DONE:
		break;
	}
}

void engine_link(struct engine *engine, bool is_up, uint32_t relinks)
{
	struct stream_pause *pause = &engine->shared.pause;
	int64_t now_ms = clock_now_ms(engine->clock);

	if (is_up && pause->is_on)
		pause->total_ms += now_ms - pause->since_ms;
	if (!is_up && !pause->is_on)
		pause->since_ms = now_ms;
	pause->is_on = !is_up;
	engine->relinks = relinks;
	if (engine->report)
		report_link(engine->report)->relinks = relinks - engine->relinks_before;
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
		.spare_slot = spare_slot,
		.ended = on_stream_ended,
		.fatal = on_fatal,
	};
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
	report_free(engine->report);
	report_free(engine->worst);
	free(engine->zeros);
	engine->magic = 0;
	free(engine);
}
