/* SPDX-License-Identifier: Apache-2.0
 *
 * The work of a pass. The main pass goes by a cursor through the set of tracks to compare; it waits while so many are
 * being settled that those it might add would not fit. What timed out or found no room is tried once more when the
 * cursor is at the end. Settling goes before both, because its times are due. The hard thing is an end that comes
 * early: each track is told exactly once, also those that are in a stream's hands then.
 */
#include "primary/compare/agenda.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/track_set.h"
#include "primary/compare/options.h"
#include "primary/compare/settle.h"
#include "storage/ledger.h"
#include "wire/message.h"

#define AGENDA_MAGIC 0x4147454eu

struct agenda {
	uint32_t magic;
	struct agenda_config config;
	struct track_set *todo;
	uint64_t cursor; /* todo before it was dealt */
	struct track_set *later;
	uint64_t different_tracks;
	struct track_set *different; /* --mark: at most TRACK_SET_RANGES_MAX ranges of them */
	struct settle *settle; /* NULL: --settle 0 */
	bool is_held; /* a stream got no run, because too many tracks are being settled */
	struct timer release; /* when they are fewer */
	bool is_stopped;
};

static void on_ready(void *arg)
{
	struct agenda *agenda = arg;

	assert(agenda->magic == AGENDA_MAGIC);
	agenda->config.ready(agenda->config.arg);
}

/* Tells the tracks of `set` that are still to be done, by tell, and takes them off. */
static void leave_out(struct agenda *agenda, const struct track_set *set,
	void (*tell)(struct report *report, uint64_t first_track, uint64_t count))
{
	struct track_range range, part;

	for (uint64_t at = 0; track_set_next(agenda->todo, at, &range); at = range.first + range.count) {
		uint64_t end = range.first + range.count;

		for (uint64_t from = range.first; from < end && track_set_next(set, from, &part) && part.first < end;
			from = part.first + part.count) {
			uint64_t part_end = part.first + part.count < end ? part.first + part.count : end;

			tell(agenda->config.report, part.first, part_end - part.first);
		}
	}
	track_set_remove_all(agenda->todo, set);
}

static void tell_proven(struct report *report, uint64_t first_track, uint64_t count)
{
	report_not_compared(report, first_track, count, REASON_PROVEN);
}

static void leave_out_proven(struct agenda *agenda)
{
	const struct agenda_config *config = &agenda->config;
	int64_t since = ledger_run_started(config->ledger) - config->options->older_than_s;
	struct track_set *proven = ledger_proven_since(config->ledger, since, config->now_wall_s);

	leave_out(agenda, proven, tell_proven);
	track_set_free(proven);
}

/* LEDGER_RANGES_MAX of them fit into what can be marked. */
static void resume_different(struct agenda *agenda, const struct track_set *tracks)
{
	agenda->different_tracks = track_set_tracks(tracks);
	if (agenda->config.options->mark)
		track_set_add_all(agenda->different, tracks);
}

static void make_todo(struct agenda *agenda)
{
	const struct agenda_config *config = &agenda->config;
	uint64_t first = report_first_track(config->report);

	track_set_add(agenda->todo, first, report_end_track(config->report) - first);
	if (config->ledger) {
		track_set_remove_all(agenda->todo, ledger_run_identical(config->ledger));
		track_set_remove_all(agenda->todo, ledger_run_different(config->ledger));
		resume_different(agenda, ledger_run_different(config->ledger));
	}
	if (config->marked && config->options->invalid == INVALID_SKIP)
		leave_out(agenda, config->marked, report_invalid);
	if (config->options->older_than_s > 0)
		leave_out_proven(agenda);
}

static struct settle *new_settle(struct agenda *agenda)
{
	const struct options *options = agenda->config.options;
	struct settle_config config = {
		.clock = agenda->config.clock,
		.rounds = options->settle_rounds,
		.delay_ms = options->settle_delay_ms,
		.max_lag_ms = agenda->config.max_lag_ms,
		.run_tracks = agenda->config.run_tracks,
		.ready = on_ready,
		.arg = agenda,
	};

	return options->settle_rounds > 0 ? settle_new(&config) : NULL;
}

struct agenda *agenda_new(const struct agenda_config *config)
{
	struct agenda *agenda = xcalloc(1, sizeof(*agenda));

	assert(config->options->older_than_s == 0 || config->ledger);
	agenda->magic = AGENDA_MAGIC;
	agenda->config = *config;
	agenda->todo = track_set_new();
	agenda->later = track_set_new();
	agenda->different = track_set_new();
	agenda->settle = new_settle(agenda);
	timer_init(&agenda->release, config->clock, on_ready, agenda);
	make_todo(agenda);
	if (agenda_has_enough(agenda)) /* before an interruption */
		agenda_stop(agenda, REASON_STOPPED);
	return agenda;
}

void agenda_free(struct agenda *agenda)
{
	if (!agenda)
		return;
	timer_cancel(&agenda->release);
	settle_free(agenda->settle);
	track_set_free(agenda->todo);
	track_set_free(agenda->later);
	track_set_free(agenda->different);
	agenda->magic = 0;
	free(agenda);
}

/* ---- Runs ---- */

/* Each stream may have a run whose tracks all differ. */
static bool has_room_to_settle(const struct agenda *agenda)
{
	uint64_t most = (uint64_t)(agenda->config.options->jobs + 1) * agenda->config.run_tracks;

	return agenda_settling_tracks(agenda) + most <= SETTLE_TRACKS_MAX;
}

static bool cut_run(struct agenda *agenda, const struct track_set *set, uint64_t from, enum run_kind kind,
	struct stream_run *run)
{
	struct track_range range;

	if (!track_set_next(set, from, &range))
		return false;
	*run = (struct stream_run){ .kind = kind, .first_track = range.first,
		.track_count = range.count < agenda->config.run_tracks ? (uint32_t)range.count : agenda->config.run_tracks };
	return true;
}

bool agenda_next_run(struct agenda *agenda, struct stream_run *run)
{
	if (agenda->is_stopped)
		return false;
	if (agenda->settle && settle_next_run(agenda->settle, run))
		return true;
	agenda->is_held = !has_room_to_settle(agenda);
	if (agenda->is_held)
		return false;
	if (cut_run(agenda, agenda->todo, agenda->cursor, RUN_PASS, run)) { /* 42, 52 */
		agenda->cursor = run->first_track + run->track_count;
		return true;
	}
	if (!cut_run(agenda, agenda->later, 0, RUN_RETRY, run))
		return false;
	track_set_remove(agenda->later, run->first_track, run->track_count);
	return true;
}

bool agenda_is_empty(const struct agenda *agenda)
{
	struct track_range range;

	return !track_set_next(agenda->todo, agenda->cursor, &range) && track_set_ranges(agenda->later) == 0 &&
		agenda_settling_tracks(agenda) == 0;
}

uint64_t agenda_settling_tracks(const struct agenda *agenda)
{
	return agenda->settle ? settle_tracks(agenda->settle) : 0;
}

bool agenda_has_enough(const struct agenda *agenda)
{
	uint64_t limit = agenda->config.options->stop_after;

	return limit > 0 && agenda->different_tracks >= limit;
}

const struct track_set *agenda_different(const struct agenda *agenda)
{
	return agenda->different;
}

/* ---- What is final ---- */

static void tell_identical(struct agenda *agenda, const struct stream_run *run, const struct stream_track *track)
{
	if (run->kind == RUN_SECOND)
		report_settled(agenda->config.report, track->track, track->is_hole);
	else
		report_identical(agenda->config.report, track->track, track->is_hole);
	if (agenda->config.ledger)
		ledger_identical(agenda->config.ledger, track->track, 1, run->asked_wall_s);
}

static void keep_different(struct agenda *agenda, uint64_t track)
{
	const struct report *report = agenda->config.report;
	size_t count = report_track_ranges(report, track, NULL, 0);
	struct report_range *ranges = xcalloc(count + 1, sizeof(*ranges));
	struct ledger_range *kept = xcalloc(count + 1, sizeof(*kept));

	report_track_ranges(report, track, ranges, count);
	for (size_t i = 0; i < count; i++)
		kept[i] = (struct ledger_range){
			.offset_bytes = ranges[i].offset_bytes,
			.length_bytes = ranges[i].length_bytes,
			.confirmed_ms = ranges[i].confirm.over_ms,
			.confirmed = ranges[i].confirm.times,
			.shape = (uint8_t)ranges[i].shape,
			.is_exact = ranges[i].is_exact,
		};
	ledger_different(agenda->config.ledger, track, kept, count);
	free(ranges);
	free(kept);
}

/* 50 */
static void tell_different(struct agenda *agenda, const struct stream_track *track,
	const struct report_confirm *confirm)
{
	report_different(agenda->config.report, track->track, track->is_hole, track->local, track->remote, confirm);
	agenda->different_tracks++;
	if (agenda->config.options->mark && track_set_ranges(agenda->different) < TRACK_SET_RANGES_MAX)
		track_set_add(agenda->different, track->track, 1);
	if (agenda->config.ledger)
		keep_different(agenda, track->track);
	if (agenda_has_enough(agenda))
		agenda_stop(agenda, REASON_STOPPED);
}

/* ---- Outcomes ---- */

/* Streams that were held back can go on, each of which has stopped asking. */
static void look_for_room(struct agenda *agenda)
{
	if (!agenda->is_held || !has_room_to_settle(agenda))
		return;
	agenda->is_held = false;
	timer_set(&agenda->release, 0);
}

static void take_verdict(struct agenda *agenda, const struct stream_run *run, const struct stream_track *track,
	enum settle_verdict verdict, const struct report_confirm *confirm)
{
	switch (verdict) {
	case SETTLE_IDENTICAL:
		tell_identical(agenda, run, track);
		break;
	case SETTLE_DIFFERENT:
		tell_different(agenda, track, confirm);
		break;
	case SETTLE_UNSETTLED:
		report_unsettled(agenda->config.report, track->track);
		break;
	case SETTLE_GOES_ON:
		if (agenda->is_stopped)
			agenda_stop(agenda, REASON_COUNT); /* it waits for a round that will not come */
		break;
	}
	look_for_room(agenda);
}

void agenda_compared(struct agenda *agenda, const struct stream_run *run, const struct stream_track *track)
{
	static const struct report_confirm unconfirmed;
	struct report_confirm confirm = unconfirmed;
	uint32_t bytes = report_common_bytes(agenda->config.report, track->track);

	switch (run->kind) {
	case RUN_PASS:
	case RUN_RETRY:
		if (track->is_equal)
			tell_identical(agenda, run, track);
		else if (!agenda->settle || agenda->config.is_final)
			tell_different(agenda, track, &unconfirmed);
		else if (agenda->is_stopped)
			report_unsettled(agenda->config.report, track->track);
		else
			settle_add(agenda->settle, track->track);
		break;
	case RUN_FIRST:
		settle_first(agenda->settle, track->track, track->local, bytes);
		take_verdict(agenda, run, track, SETTLE_GOES_ON, &unconfirmed);
		break;
	case RUN_SECOND:
		take_verdict(agenda, run, track, settle_second(agenda->settle, track, bytes, &confirm), &confirm);
		break;
	}
}

static bool is_settling(const struct stream_run *run)
{
	return run->kind == RUN_FIRST || run->kind == RUN_SECOND;
}

void agenda_unreadable(struct agenda *agenda, const struct stream_run *run, uint64_t track)
{
	if (is_settling(run))
		settle_forget(agenda->settle, track);
	report_unreadable(agenda->config.report, track);
	look_for_room(agenda);
}

static void settle_gave_up(struct agenda *agenda, const struct stream_run *run, uint64_t track)
{
	const struct stream_track none = { .track = track };

	take_verdict(agenda, run, &none, settle_nothing(agenda->settle, track), NULL);
}

void agenda_gave_up(struct agenda *agenda, const struct stream_run *run, uint64_t first_track, uint64_t count,
	enum report_reason reason)
{
	if (is_settling(run)) {
		for (uint64_t i = 0; i < count; i++)
			settle_gave_up(agenda, run, first_track + i);
		return;
	}
	if (run->kind == RUN_PASS && !agenda->is_stopped && (reason == REASON_TIMED_OUT || reason == REASON_REFUSED))
		track_set_add(agenda->later, first_track, count);
	else
		report_not_compared(agenda->config.report, first_track, count, reason);
}

static void leave(struct agenda *agenda, const struct track_set *set, uint64_t from, enum report_reason reason)
{
	struct track_range range;

	for (; track_set_next(set, from, &range); from = range.first + range.count)
		report_not_compared(agenda->config.report, range.first, range.count, reason);
}

void agenda_stop(struct agenda *agenda, enum report_reason reason)
{
	uint64_t track;

	if (!agenda->is_stopped) {
		agenda->is_stopped = true;
		leave(agenda, agenda->todo, agenda->cursor, reason);
		leave(agenda, agenda->later, 0, reason);
		agenda->cursor = UINT64_MAX;
		track_set_free(agenda->later);
		agenda->later = track_set_new();
	}
	while (agenda->settle && settle_give_up(agenda->settle, &track))
		report_unsettled(agenda->config.report, track);
}

void agenda_unreserve(struct agenda *agenda)
{
	agenda->config.is_final = false;
	report_unreserve(agenda->config.report, agenda->config.options->settle_rounds);
}
