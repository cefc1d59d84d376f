/* SPDX-License-Identifier: Apache-2.0
 *
 * A pass from its last run on: the sizes are looked at again, the report is finished and told, differences are marked,
 * the ledger is saved. Path 56, another pass, begins with a Release, so that it gets new link jobs with new floors and
 * sees the sizes of now.
 */
#include "primary/compare/engine_private.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/track_set.h"
#include "local/client.h"
#include "primary/compare/agenda.h"
#include "primary/compare/place.h"
#include "storage/ledger.h"

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

void engine_end_pass(struct engine *engine, const struct msg_host_open_reply *sizes, enum report_reason why)
{
	const struct report_setup *setup = &report_figures(engine->report)->setup;
	const int64_t now_wall_s = time(NULL);
	struct report_end end = {
		/* Not before its beginning, though the clock was set back meanwhile. */
		.ended_wall_s = now_wall_s > setup->started_wall_s ? now_wall_s : setup->started_wall_s,
		.took_ms = clock_now_ms(engine->clock) - setup->started_ms + (int64_t)engine->resumed_ms,
		.is_lost = why == REASON_LOST,
		.is_changed = why == REASON_CHANGED,
		.was_unreserved = engine->was_unreserved || engine->is_resumed, /* nothing held between the parts */
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

static void on_released(void *arg)
{
	struct engine *engine = engine_of(arg);

	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_RELEASING);
	engine_set_state(engine, ENGINE_ASKING, "the link jobs are released");
	client_status(engine->client, engine_opened, engine);
}

bool engine_is_last_pass(const struct engine *engine)
{
	return engine->passes >= engine->options->repeat || engine->is_over || !engine_has_live_stream(engine);
}

/* 54, or path 56. */
void engine_go_on(struct engine *engine)
{
	if (engine_is_last_pass(engine)) {
		engine_finish(engine, "the last pass is over");
	} else if (engine->is_interrupted) {
		engine_leave_next_pass(engine, REASON_INTERRUPTED);
	} else if (engine->is_time_over) {
		engine_leave_next_pass(engine, REASON_TIME_OVER);
	} else {
		engine_set_state(engine, ENGINE_RELEASING, "path 56: another pass");
		client_release(engine->client, on_released, engine);
	}
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
	engine_go_on(engine);
}

static void send_marks(struct engine *engine, size_t bytes)
{
	uint8_t *packed = xcalloc(1, bytes);

	engine_set_state(engine, ENGINE_MARKING, "--mark");
	if (track_set_ranges(engine->different) == TRACK_SET_RANGES_MAX)
		log_warning("only the first %u ranges of differing tracks are marked", TRACK_SET_RANGES_MAX);
	track_set_pack(engine->different, packed);
	client_save(engine->client, RECORD_INVALID, packed, (uint32_t)bytes, on_marked, engine);
	free(packed);
}

/* --mark: confirmed differences of this pass become invalid tracks of the local volume. */
static void mark_differences(struct engine *engine)
{
	size_t bytes = track_set_ranges(engine->different) * TRACK_SET_PACKED_BYTES;

	if (bytes > 0 && !engine->is_client_lost) {
		send_marks(engine, bytes);
		return;
	}
	if (bytes > 0)
		log_error("the differing tracks were not marked: the primary is gone");
	engine_go_on(engine);
}

static void on_place_saved(void *arg)
{
	struct engine *engine = engine_of(arg);

	if (engine->state == ENGINE_SAVING)
		mark_differences(engine);
}

static void save_place(struct engine *engine)
{
	engine_set_state(engine, ENGINE_SAVING, "the pass is over");
	if (engine->is_client_lost && engine->options->form == FORM_DEVICE)
		mark_differences(engine);
	else
		place_save(engine->place, on_place_saved, engine);
}

void engine_close_pass(struct engine *engine, const struct msg_host_open_reply *sizes, enum report_reason why,
	bool has_ended)
{
	struct ledger *ledger = place_ledger(engine->place);

	if (ledger && has_ended)
		ledger_end_run(ledger, time(NULL));
	else if (ledger)
		engine_note_counts(engine);
	engine_end_pass(engine, sizes, why);
	save_place(engine);
}

static void free_agenda(struct engine *engine)
{
	track_set_free(engine->different);
	engine->different = track_set_new();
	track_set_add_all(engine->different, agenda_different(engine->agenda));
	engine->is_over = engine->is_over || agenda_has_enough(engine->agenda);
	agenda_free(engine->agenda);
	engine->agenda = NULL;
}

void engine_abandon_pass(struct engine *engine, enum report_reason reason)
{
	agenda_stop(engine->agenda, reason);
	for (uint32_t i = 0; i < engine->options->jobs; i++)
		stream_abandon(engine->streams[i], reason);
	free_agenda(engine);
}

void engine_break_off(struct engine *engine, enum report_reason reason)
{
	if (engine->state == ENGINE_RUNNING)
		engine_abandon_pass(engine, reason);
	engine->is_over = true;
	engine_close_pass(engine, NULL, reason, false);
}

/* The time was over, and there was something left that another part can do. */
static bool was_cut_short(const struct engine *engine)
{
	const struct report_figures *figures = report_figures(engine->report);
	uint64_t asked = figures->tracks[REPORT_NOT_COMPARED] - figures->reasons[REASON_NOT_ASKED] -
		figures->reasons[REASON_PROVEN];

	return engine->is_cut && asked + figures->tracks[REPORT_UNSETTLED] > 0;
}

static void on_checked(void *arg, const struct msg_host_open_reply *reply)
{
	struct engine *engine = engine_of(arg);

	if (engine->state != ENGINE_CHECKING) /* it was too late */
		return;
	if (reply->status == STATUS_LINK_LOST) {
		engine_lose(engine, reply->detail);
		return;
	}
	if (reply->status == STATUS_VOLUME_CHANGED) {
		engine_changed(engine, reply->detail);
		return;
	}
	if (reply->status != STATUS_OK)
		log_warning("the sizes at the end of the pass are not known: %s%s%s", status_name(reply->status),
			reply->detail[0] ? ": " : "", reply->detail);
	engine_close_pass(engine, reply->status == STATUS_OK ? reply : NULL, REASON_COUNT,
		!was_cut_short(engine) && engine_has_live_stream(engine));
}

void engine_end_running(struct engine *engine)
{
	agenda_stop(engine->agenda, REASON_NO_MEMORY); /* nothing is left but where all streams have stopped */
	free_agenda(engine);
	engine_set_state(engine, ENGINE_CHECKING, "54: all runs are done");
	client_status(engine->client, on_checked, engine);
}
