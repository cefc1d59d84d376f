/* SPDX-License-Identifier: Apache-2.0
 *
 * The passes of Fig. 2 as a state machine: opening -> loading -> marks -> running -> checking -> saving -> marking ->
 * (releasing -> asking -> marks -> running ...) -> done. Here is a pass that runs, and what ends one early; how it
 * begins is in engine_begin.c, its end in engine_end.c. What a pass has to do stands in its agenda; streams return out
 * of order. The hard thing is ending early: an interruption or a loss may come in any state, and each track must still
 * be told to the report exactly once.
 */
#include "primary/compare/engine.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/track_set.h"
#include "local/client.h"
#include "local/shm.h"
#include "primary/compare/agenda.h"
#include "primary/compare/engine_private.h"
#include "primary/compare/place.h"

/* Reads under way when the time is over are waited for so long: a limit may hold them back for minutes. */
#define CUT_GRACE_MS 2000

struct engine *engine_of(void *arg)
{
	struct engine *engine = arg;

	assert(engine->magic == ENGINE_MAGIC);
	return engine;
}

void engine_set_state(struct engine *engine, enum engine_state state, const char *reason)
{
	static const char *const names[] = { "new", "opening", "loading", "marks", "running", "checking", "saving",
		"marking", "releasing", "asking", "done" };

	log_debug("engine: %s -> %s: %s", names[engine->state], names[state], reason);
	engine->state = state;
}

void engine_finish(struct engine *engine, const char *reason)
{
	engine_set_state(engine, ENGINE_DONE, reason);
	timer_cancel(&engine->duration);
	timer_cancel(&engine->marks_again);
	place_rest(engine->place);
	engine->ops->done(engine->arg);
}

__attribute__((format(printf, 3, 4))) void engine_refuse(struct engine *engine, int exit_code, const char *format, ...)
{
	va_list args;

	engine->exit_code = exit_code;
	va_start(args, format);
	vsnprintf(engine->error, sizeof(engine->error), format, args);
	va_end(args);
	engine_finish(engine, "no pass can begin");
}

/* ---- The pass ---- */

bool engine_has_live_stream(const struct engine *engine)
{
	for (uint32_t i = 0; i < engine->options->jobs; i++)
		if (!stream_has_stopped(engine->streams[i]))
			return true;
	return false;
}

uint32_t engine_busy_streams(const struct engine *engine)
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

void engine_look_for_end(struct engine *engine)
{
	if (engine->state == ENGINE_RUNNING && engine_busy_streams(engine) == 0 &&
		(agenda_is_empty(engine->agenda) || !engine_has_live_stream(engine)))
		engine_end_running(engine);
}

void engine_wake_streams(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->options->jobs; i++)
		if (stream_is_idle(engine->streams[i]) && !stream_has_stopped(engine->streams[i]) &&
			!stream_start(engine->streams[i]) && !stream_has_stopped(engine->streams[i]))
			break;
}

void engine_ready(void *arg)
{
	struct engine *engine = engine_of(arg);

	engine_wake_streams(engine);
	engine_look_for_end(engine);
}

static void on_equal(void *arg, const struct stream_run *run, uint64_t first_track, uint64_t count, bool is_hole)
{
	agenda_equal(engine_of(arg)->agenda, run, first_track, count, is_hole);
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

static void on_answered(void *arg, const struct stream_run *run, int64_t took_ms, uint64_t hole_tracks)
{
	agenda_answered(engine_of(arg)->agenda, run, took_ms, hole_tracks);
}

static bool spare_slot(void *arg, uint32_t *slot)
{
	struct engine *engine = engine_of(arg);

	if (engine->next_spare_slot == shm_slot_count(engine->shm))
		return false;
	*slot = engine->next_spare_slot++;
	return true;
}

/* It may have left something that it cannot do itself any more. */
static void on_stream_idle(void *arg)
{
	engine_ready(arg);
}

/* Nothing of the next pass, or the first, was read yet. */
static bool is_between_passes(const struct engine *engine)
{
	return engine->state <= ENGINE_MARKS || engine->state == ENGINE_RELEASING || engine->state == ENGINE_ASKING;
}

/* Between passes. */
static void leave(struct engine *engine, enum report_reason reason, const char *words)
{
	if (engine->passes == 0)
		engine_refuse(engine, 3, "%s", words);
	else
		engine_leave_next_pass(engine, reason);
}

/* The pass ends in order: what streams have now goes on for a moment, unless it waits for the link. */
static void cut_pass(struct engine *engine)
{
	engine->is_over = engine->is_cut = true;
	if (engine->shared.pause.is_on) {
		engine_break_off(engine, REASON_TIME_OVER);
		return;
	}
	timer_set(&engine->duration, CUT_GRACE_MS);
	agenda_stop(engine->agenda, REASON_TIME_OVER);
	engine_look_for_end(engine);
}

/* --max-duration, --until. */
static void on_duration_over(void *arg)
{
	struct engine *engine = engine_of(arg);

	engine->is_time_over = true;
	if (engine->state == ENGINE_RUNNING && engine->is_cut)
		engine_break_off(engine, REASON_TIME_OVER);
	else if (engine->state == ENGINE_RUNNING)
		cut_pass(engine);
	else if (is_between_passes(engine))
		leave(engine, REASON_TIME_OVER, "the time was over before the comparison began");
}

/* Nobody may be kept waiting for a device that somebody else has: without a byte compared there is no report either. */
static void on_busy(struct engine *engine, const char *detail)
{
	if (engine->passes > 0 || report_figures(engine->report)->compared_bytes > engine->resumed_bytes) {
		snprintf(engine->error, sizeof(engine->error), "busy: %s", detail);
		engine_break_off(engine, REASON_BUSY);
		return;
	}
	engine_abandon_pass(engine, REASON_BUSY);
	report_free(engine->report);
	engine->report = NULL;
	engine_refuse(engine, 6, "busy: %s", detail);
}

void engine_changed(struct engine *engine, const char *detail)
{
	snprintf(engine->error, sizeof(engine->error), "the remote volume is not the one it was%s%s", detail[0] ? ": " : "",
		detail);
	engine_break_off(engine, REASON_CHANGED);
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
		engine_changed(engine, detail);
		return;
	}
	if (status == STATUS_LINK_LOST && detail[0])
		snprintf(reason, sizeof(reason), "%s", detail);
	else
		snprintf(reason, sizeof(reason), "the primary answered a read with %s%s%s", status_name(status),
			detail[0] ? ": " : "", detail);
	engine_lose(engine, reason);
}

/* ---- For main ---- */

void engine_start(struct engine *engine)
{
	struct msg_host_open request;

	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_NEW);
	engine_set_state(engine, ENGINE_OPENING, "the primary is there");
	if (engine->options->max_duration_ms > 0)
		timer_set(&engine->duration, engine->options->max_duration_ms);
	opening_request(engine->options, &request);
	client_open(engine->client, &request, engine_opened, engine);
}

void engine_interrupt(struct engine *engine)
{
	engine->is_interrupted = true;
	/* Of a pass that is CHECKING one reply is missing; SAVING and MARKING what lasts is written, and then it ends. A
	 * second signal ends the program. */
	if (engine->state == ENGINE_RUNNING || (engine->state == ENGINE_CHECKING && engine->shared.pause.is_on))
		engine_break_off(engine, REASON_INTERRUPTED);
	else if (is_between_passes(engine))
		leave(engine, REASON_INTERRUPTED, "interrupted before the comparison began");
}

void engine_lose(struct engine *engine, const char *reason)
{
	switch (engine->state) {
	case ENGINE_NEW:
	case ENGINE_OPENING:
	case ENGINE_LOADING:
	case ENGINE_MARKS:
	case ENGINE_RELEASING:
	case ENGINE_ASKING:
		engine_refuse(engine, 4, "%s", reason);
		break;
	case ENGINE_RUNNING:
	case ENGINE_CHECKING:
		if (engine->is_interrupted) { /* the same ^C ended what was between */
			engine_break_off(engine, REASON_INTERRUPTED);
			break;
		}
		snprintf(engine->error, sizeof(engine->error), "%s", reason);
		engine_break_off(engine, REASON_LOST);
		break;
	case ENGINE_SAVING:
	case ENGINE_MARKING:
		log_error("%s: %s", engine->state == ENGINE_SAVING ? "the place of this run could not be kept" :
			"whether the differing tracks were marked is not known", reason);
		if (engine->is_interrupted || engine->is_time_over || engine_is_last_pass(engine))
			engine_go_on(engine);
		else
			engine_refuse(engine, 4, "%s", reason);
		break;
	case ENGINE_DONE:
		break;
	}
}

void engine_lost(struct engine *engine, const char *reason)
{
	engine->is_client_lost = true;
	engine_lose(engine, reason);
}

/* Between the loss and the new reservation anybody may have written. */
static void note_reservation(struct engine *engine, const struct msg_host_link *link)
{
	if (engine->options->reserve == RESERVE_NONE)
		return;
	if (!engine->was_unreserved && engine->agenda && engine->options->settle_rounds > 0)
		agenda_unreserve(engine->agenda);
	engine->was_unreserved = true;
	if (link->unreserved && !engine->is_unreserved)
		log_warning("the device is not reserved any more: %s", link->detail);
	engine->is_unreserved = link->unreserved;
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
	if (engine->is_cut && pause->is_on && engine->state == ENGINE_RUNNING)
		engine_break_off(engine, REASON_TIME_OVER); /* its last reads need not wait for the link */
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
		.equal = on_equal,
		.compared = on_compared,
		.unreadable = on_unreadable,
		.gave_up = on_gave_up,
		.answered = on_answered,
		.spare_slot = spare_slot,
		.idle = on_stream_idle,
		.fatal = on_fatal,
	};
	engine->place = place_new(options, client, clock);
	timer_init(&engine->duration, clock, on_duration_over, engine);
	timer_init(&engine->marks_again, clock, engine_load_marks, engine);
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
	timer_cancel(&engine->marks_again);
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
