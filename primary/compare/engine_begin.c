/* SPDX-License-Identifier: Apache-2.0
 *
 * A pass up to its first run: the volumes are looked at, what is kept of them is loaded, and a report and an agenda are
 * made. The first pass goes on with a run that was not finished; each later one is a run of its own.
 */
#include "primary/compare/engine_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/plural.h"
#include "base/track_set.h"
#include "local/client.h"
#include "primary/compare/agenda.h"
#include "primary/compare/place.h"
#include "storage/ledger.h"

#define MARKS_AGAIN_MS 500
#define MARKS_REFUSED_MAX 20u

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
		.digest = options->digest,
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

void engine_note_counts(void *arg)
{
	const struct engine *engine = engine_of(arg);
	const struct report_figures *figures;

	if (!engine->report || !ledger_run_options(place_ledger(engine->place)))
		return;
	figures = report_figures(engine->report);
	ledger_set_counts(place_ledger(engine->place), &(struct ledger_counts){
		.hole_bytes = figures->hole_bytes,
		.settled_tracks = figures->settled_tracks,
		.elapsed_ms = engine->resumed_ms + (uint64_t)(clock_now_ms(engine->clock) - figures->setup.started_ms),
	});
}

/* The first pass goes on with an unfinished run, unless it is to start over. */
static void begin_run(struct engine *engine)
{
	struct ledger *ledger = place_ledger(engine->place);

	if (!ledger)
		return;
	engine->is_resumed = engine->passes == 0 && !engine->options->restart && ledger_run_options(ledger);
	if (!engine->is_resumed)
		ledger_begin_run(ledger, place_options(engine->place), time(NULL));
	engine->resumed_ms = ledger_counts(ledger).elapsed_ms;
}

static void size_runs(const struct engine *engine, struct agenda_config *config)
{
	config->run_tracks_first = config->run_tracks_most = config->run_tracks_data = engine->run_tracks;
	if (config->digest != DIGEST_NONE)
		config->run_tracks_most = options_digest_tracks(engine->options, engine->volumes.track_bytes,
			&config->run_tracks_first);
}

/* 42: the first track is selected. */
static void begin_pass(struct engine *engine)
{
	struct agenda_config config = {
		.clock = engine->clock,
		.options = engine->options,
		.marked = engine->marks,
		.digest = engine->options->digest,
		.is_digest_only = engine->volumes.digest_only,
		.max_lag_ms = max_lag_ms(engine),
		.is_final = is_first_look_final(engine),
		.now_wall_s = time(NULL),
		.ready = engine_ready,
		.arg = engine,
	};

	size_runs(engine, &config);
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
	engine->shared.common_bytes = volume_info_common_bytes(&engine->volumes.local, &engine->volumes.remote);
	engine->shared.track_bytes = engine->volumes.track_bytes;
	engine->relinks_before = engine->relinks;
}

static void run_pass(struct engine *engine)
{
	begin_pass(engine);
	place_keep(engine->place, engine_note_counts, engine);
	engine_set_state(engine, ENGINE_RUNNING, "42: first track selected");
	engine_wake_streams(engine);
	report_link(engine->report)->jobs = engine_busy_streams(engine);
	engine_look_for_end(engine);
}

void engine_leave_next_pass(struct engine *engine, enum report_reason reason)
{
	begin_pass(engine);
	engine_abandon_pass(engine, reason);
	engine_end_pass(engine, NULL, reason);
	engine_finish(engine, "the next pass does not begin");
}

/* ---- What is kept ---- */

static uint64_t total_tracks(const struct engine *engine)
{
	uint64_t bytes = opening_total_bytes(engine->options, &engine->volumes);
	uint32_t track_bytes = engine->volumes.track_bytes;

	return bytes / track_bytes + (bytes % track_bytes != 0);
}

static void take_marks(struct engine *engine, struct track_set *marks)
{
	const struct options *options = engine->options;
	uint64_t first = options->has_tracks ? options->first_track : 0, end = total_tracks(engine), count;

	/* Of those beyond the end nothing is compared. */
	if (options->has_tracks && options->last_track < end)
		end = options->last_track + 1;
	count = track_set_tracks_in(marks, first, end - first);
	track_set_free(engine->marks);
	engine->marks = marks;
	if (count > 0 && engine->options->invalid == INVALID_REFUSE)
		engine_refuse(engine, 6, "busy: %llu %s known to be invalid: the copy is not up to date",
			(unsigned long long)count, plural(count, "track is", "tracks are"));
	else
		run_pass(engine);
}

/* A link that other runs keep busy has room for them a little later. */
static void refuse_marks(struct engine *engine, const struct msg_host_record_reply *reply)
{
	int exit_code = reply->status == STATUS_LINK_LOST ? 4 : reply->status == STATUS_QUEUE_FULL ? 6 : 2;

	if (reply->status == STATUS_QUEUE_FULL && engine->marks_refused++ < MARKS_REFUSED_MAX)
		timer_set(&engine->marks_again, MARKS_AGAIN_MS);
	else
		engine_refuse(engine, exit_code, "the invalid tracks are not known: %s",
			status_words(reply->status, reply->detail));
}

static void on_marks(void *arg, const struct msg_host_record_reply *reply, const uint8_t *payload, uint32_t bytes)
{
	struct engine *engine = engine_of(arg);
	struct track_set *marks;

	if (engine->state != ENGINE_MARKS)
		return;
	if (reply->status != STATUS_OK) {
		refuse_marks(engine, reply);
		return;
	}
	marks = track_set_unpack(payload, bytes, TRACK_SET_RANGES_MAX);
	if (marks)
		take_marks(engine, marks);
	else
		engine_refuse(engine, 4, "the primary's list of invalid tracks is not well formed");
}

void engine_load_marks(void *arg)
{
	struct engine *engine = engine_of(arg);

	client_load(engine->client, RECORD_INVALID, on_marks, engine);
}

static void begin_marks(struct engine *engine)
{
	if (engine->options->form != FORM_DEVICE) {
		run_pass(engine);
		return;
	}
	engine_set_state(engine, ENGINE_MARKS, "the tracks that are known to be invalid");
	engine->marks_refused = 0;
	engine_load_marks(engine);
}

static bool is_inside(const struct track_set *set, uint64_t first, uint64_t count)
{
	return track_set_tracks_in(set, first, count) == track_set_tracks(set);
}

/* The options and sizes are those of its run, but who wrote it is not known: tracks that this run does not compare
 * would count as compared. */
static bool is_run_inside(const struct engine *engine)
{
	const struct ledger *ledger = place_ledger(engine->place);
	const struct msg_host_open_reply *volumes = &engine->volumes;
	uint64_t bytes = volume_info_common_bytes(&volumes->local, &volumes->remote);
	uint64_t first = engine->options->has_tracks ? engine->options->first_track : 0;
	uint64_t end = bytes / volumes->track_bytes + (bytes % volumes->track_bytes != 0), count;

	if (!ledger || !ledger_run_options(ledger) || engine->options->restart)
		return true;
	if (engine->options->has_tracks && engine->options->last_track < end)
		end = engine->options->last_track + 1;
	count = end > first ? end - first : 0;
	return is_inside(ledger_run_identical(ledger), first, count) &&
		is_inside(ledger_run_different(ledger), first, count);
}

static void on_place_opened(void *arg, int exit_code, const char *why)
{
	struct engine *engine = engine_of(arg);

	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_LOADING);
	if (exit_code != 0)
		engine_refuse(engine, exit_code, "%s", why);
	else if (!is_run_inside(engine))
		engine_refuse(engine, 2, "the ledger is not used: its unfinished run has tracks that this one does not "
			"compare; --restart starts over");
	else
		begin_marks(engine);
}

/* Of the first pass it is opened; later ones may find other sizes. */
static void open_place(struct engine *engine)
{
	struct ledger_binding binding;

	opening_binding(engine->options, &engine->volumes, &binding);
	if (engine->passes > 0) {
		place_rebind(engine->place, &binding, total_tracks(engine));
		begin_marks(engine);
		return;
	}
	engine_set_state(engine, ENGINE_LOADING, "the volumes are open");
	place_open(engine->place, &binding, total_tracks(engine), max_lag_ms(engine), on_place_opened, engine);
}

/* ---- The volumes ---- */

/* For people: volumes as they were typed, those of a device by the paths that the daemons have. */
static void name_volumes(struct engine *engine, const struct msg_host_open_reply *reply)
{
	const struct options *options = engine->options;
	bool is_device = options->form == FORM_DEVICE;

	snprintf(engine->name_local, ENGINE_NAME_BYTES, "%s%s", is_device ? "local " : "",
		is_device ? reply->local.path : options->path_local);
	snprintf(engine->name_remote, ENGINE_NAME_BYTES, "%s%s", is_device ? "remote " : "",
		is_device ? reply->remote.path : options->name_remote);
}

/* Nothing was read yet: false when no pass can begin with this reply, and the engine is done. */
static bool accept_volumes(struct engine *engine, const struct msg_host_open_reply *reply)
{
	int exit_code = opening_judge(engine->options, reply, engine->error);

	if (exit_code != 0) {
		engine->exit_code = exit_code;
		engine_finish(engine, "no pass can begin");
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

void engine_opened(void *arg, const struct msg_host_open_reply *reply)
{
	struct engine *engine = engine_of(arg);

	if (engine->state == ENGINE_DONE)
		return;
	assert(engine->state == ENGINE_OPENING || engine->state == ENGINE_ASKING);
	if (!accept_volumes(engine, reply))
		return;
	engine->volumes = *reply;
	open_place(engine);
}
