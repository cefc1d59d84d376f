/* SPDX-License-Identifier: Apache-2.0
 *
 * The work of a pass. The main pass goes by a cursor through the set of tracks to compare, and between large holes at
 * other places too (heads); it waits while so many are being settled that those it might add would not fit. What
 * timed out or found no room is tried once more when the cursor is at the end. Settling goes before both, because its
 * times are due, and so does the data of tracks whose digests differ, so that there are never more of them than
 * streams had in their hands. The hard thing is an end that comes early: each track is told exactly once, also those
 * that are in a stream's hands then.
 * check-style: long because where a track is, and what is told of it, must be seen together.
 */
#include "primary/compare/agenda.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/track_set.h"
#include "primary/compare/heads.h"
#include "primary/compare/options.h"
#include "primary/compare/settle.h"
#include "storage/ledger.h"
#include "wire/message.h"

#define AGENDA_MAGIC 0x4147454eu
/* Runs that take less are made longer, those that take more shorter: asking should cost nothing, and what waits behind
 * them should not wait long. */
#define RUN_SHORT_MS 100
#define RUN_LONG_MS 1000
#define RUN_GROWTH 4u /* far away each size takes a round trip, while the disks wait */
/* Runs that a stream has at least, so that none is the last for long, nor one device of many the first by far. */
#define RUNS_OF_STREAM 4u

struct agenda {
	uint32_t magic;
	struct agenda_config config;
	struct track_set *todo;
	uint64_t cursor; /* todo before it was dealt; what heads deal is taken out of todo */
	uint32_t run_tracks; /* of the next run */
	struct track_set *later;
	struct track_set *exact; /* their digests differ */
	uint64_t dealt_tracks; /* that streams have, but for those of settling */
	uint64_t cursor_tracks; /* of these, those that were dealt by the cursor */
	uint32_t ahead; /* so many runs of the cursor at a time; see fit_ahead */
	struct heads *heads; /* other places, while those are fewer than the streams */
	uint64_t different_tracks;
	struct track_set *different; /* --mark: at most TRACK_SET_RANGES_MAX ranges of them */
	struct settle *settle; /* NULL: --settle 0 */
	bool is_held; /* a stream got no run, because there was no room */
	struct timer release; /* when there is */
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
		.run_tracks = agenda->config.is_digest_only ? agenda->config.run_tracks_most : agenda->config.run_tracks_data,
		.ready = on_ready,
		.arg = agenda,
	};

	return options->settle_rounds > 0 ? settle_new(&config) : NULL;
}

static void limit_runs(struct agenda *agenda)
{
	struct agenda_config *config = &agenda->config;
	uint64_t most = track_set_tracks(agenda->todo) / (RUNS_OF_STREAM * config->options->jobs);

	if (most < config->run_tracks_first)
		most = config->run_tracks_first;
	if (most < config->run_tracks_most)
		config->run_tracks_most = (uint32_t)most;
}

struct agenda *agenda_new(const struct agenda_config *config)
{
	struct agenda *agenda = xcalloc(1, sizeof(*agenda));

	assert(config->options->older_than_s == 0 || config->ledger);
	agenda->magic = AGENDA_MAGIC;
	agenda->config = *config;
	agenda->todo = track_set_new();
	agenda->run_tracks = config->run_tracks_first;
	agenda->ahead = config->options->jobs;
	agenda->heads = heads_new(config->options->jobs - 1);
	agenda->later = track_set_new();
	agenda->exact = track_set_new();
	agenda->different = track_set_new();
	timer_init(&agenda->release, config->clock, on_ready, agenda);
	make_todo(agenda);
	limit_runs(agenda);
	agenda->settle = new_settle(agenda);
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
	track_set_free(agenda->exact);
	track_set_free(agenda->different);
	heads_free(agenda->heads);
	agenda->magic = 0;
	free(agenda);
}

/* ---- Runs ---- */

static bool is_settling(const struct stream_run *run)
{
	return run->kind == RUN_FIRST || run->kind == RUN_SECOND;
}

static bool is_sparse(const struct agenda *agenda)
{
	return agenda->ahead < agenda->config.options->jobs;
}

static bool may_cursor_go_on(const struct agenda *agenda)
{
	return !is_sparse(agenda) || agenda->cursor_tracks <= (uint64_t)(agenda->ahead - 1) * agenda->run_tracks;
}

static bool is_cursor_at_end(const struct agenda *agenda)
{
	struct track_range range;

	return !track_set_next(agenda->todo, agenda->cursor, &range);
}

/* One more run: all that streams have, and all of it, may differ. */
static bool has_room(const struct agenda *agenda)
{
	uint64_t settling = agenda_settling_tracks(agenda) + track_set_tracks(agenda->exact) + agenda->dealt_tracks;

	return !agenda->settle || settling + agenda->run_tracks <= SETTLE_TRACKS_MAX;
}

/* Of a short stretch the cursor soon comes to the end. */
static bool find_head(const struct agenda *agenda, uint32_t *head, uint64_t *track)
{
	uint64_t least_tracks = RUNS_OF_STREAM * (uint64_t)agenda->run_tracks;

	return is_sparse(agenda) && heads_next(agenda->heads, agenda->todo, agenda->cursor, least_tracks, head, track);
}

static bool has_place(const struct agenda *agenda)
{
	uint64_t track;
	uint32_t head;

	return is_cursor_at_end(agenda) || may_cursor_go_on(agenda) || find_head(agenda, &head, &track);
}

static bool cut_run(const struct agenda *agenda, const struct track_set *set, uint64_t from, enum run_kind kind,
	struct stream_run *run)
{
	uint32_t most = kind == RUN_EXACT ? agenda->config.run_tracks_data : agenda->run_tracks;
	struct track_range range;

	if (!track_set_next(set, from, &range))
		return false;
	*run = (struct stream_run){
		.kind = kind,
		.digest = kind == RUN_EXACT ? DIGEST_NONE : agenda->config.digest,
		.first_track = range.first,
		.track_count = range.count < most ? (uint32_t)range.count : most,
	};
	return true;
}

static bool cut_by_cursor(struct agenda *agenda, struct stream_run *run) /* 42, 52 */
{
	if (!may_cursor_go_on(agenda) || !cut_run(agenda, agenda->todo, agenda->cursor, RUN_PASS, run))
		return false;
	agenda->cursor = run->first_track + run->track_count;
	agenda->cursor_tracks += run->track_count;
	return true;
}

static bool cut_by_head(struct agenda *agenda, struct stream_run *run)
{
	uint64_t track;
	uint32_t head;

	if (!find_head(agenda, &head, &track) || !cut_run(agenda, agenda->todo, track, RUN_PASS, run))
		return false;
	run->head = head;
	heads_deal(agenda->heads, head, run->first_track, run->track_count);
	track_set_remove(agenda->todo, run->first_track, run->track_count);
	return true;
}

/* Of the main pass, or of what is tried once more. */
static bool cut_new_run(struct agenda *agenda, struct stream_run *run)
{
	agenda->is_held = !has_room(agenda);
	if (agenda->is_held)
		return false;
	if (cut_by_cursor(agenda, run) || cut_by_head(agenda, run))
		return true;
	agenda->is_held = !is_cursor_at_end(agenda);
	if (agenda->is_held || !cut_run(agenda, agenda->later, 0, RUN_RETRY, run))
		return false;
	track_set_remove(agenda->later, run->first_track, run->track_count);
	return true;
}

bool agenda_next_run(struct agenda *agenda, struct stream_run *run)
{
	if (agenda->is_stopped)
		return false;
	if (agenda->settle && settle_next_run(agenda->settle, run)) {
		run->digest = agenda->config.is_digest_only ? agenda->config.digest : DIGEST_NONE;
		return true;
	}
	if (cut_run(agenda, agenda->exact, 0, RUN_EXACT, run))
		track_set_remove(agenda->exact, run->first_track, run->track_count);
	else if (!cut_new_run(agenda, run))
		return false;
	agenda->dealt_tracks += run->track_count;
	return true;
}

bool agenda_is_empty(const struct agenda *agenda)
{
	return is_cursor_at_end(agenda) && track_set_ranges(agenda->later) == 0 &&
		track_set_ranges(agenda->exact) == 0 && agenda_settling_tracks(agenda) == 0;
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

static void tell_identical(struct agenda *agenda, const struct stream_run *run, uint64_t first_track, uint64_t count,
	bool is_hole)
{
	struct report *report = agenda->config.report;
	uint64_t proven = report_tracks_in_both(report, first_track, count);

	if (run->kind == RUN_SECOND || run->kind == RUN_EXACT)
		report_settled(report, first_track, count, is_hole);
	else
		report_identical(report, first_track, count, is_hole);
	if (agenda->config.ledger && proven > 0)
		ledger_identical(agenda->config.ledger, first_track, proven, run->asked_wall_s);
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
static void tell_different(struct agenda *agenda, const struct stream_run *run, const struct stream_track *track,
	const struct report_confirm *confirm)
{
	bool is_data = run->digest == DIGEST_NONE;

	report_different(agenda->config.report, track->track, track->is_hole, is_data ? track->local : NULL,
		is_data ? track->remote : NULL, confirm);
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
	if (!agenda->is_held || !has_room(agenda) || !has_place(agenda))
		return;
	agenda->is_held = false;
	timer_set(&agenda->release, 0);
}

/* A stream has done with so many tracks of the run. */
static void take_back(struct agenda *agenda, const struct stream_run *run, uint64_t count)
{
	if (is_settling(run))
		return;
	assert(count <= agenda->dealt_tracks);
	agenda->dealt_tracks -= count;
	if (run->head > 0)
		heads_take_back(agenda->heads, run->head, count);
	else if (run->kind == RUN_PASS)
		agenda->cursor_tracks -= count;
}

void agenda_equal(struct agenda *agenda, const struct stream_run *run, uint64_t first_track, uint64_t count,
	bool is_hole)
{
	take_back(agenda, run, count);
	for (uint64_t i = 0; i < count && run->kind == RUN_SECOND; i++)
		settle_equal(agenda->settle, first_track + i);
	tell_identical(agenda, run, first_track, count, is_hole);
	look_for_room(agenda);
}

static void take_verdict(struct agenda *agenda, const struct stream_run *run, const struct stream_track *track,
	enum settle_verdict verdict, const struct report_confirm *confirm)
{
	switch (verdict) {
	case SETTLE_DIFFERENT:
		tell_different(agenda, run, track, confirm);
		break;
	case SETTLE_UNSETTLED:
		report_unsettled(agenda->config.report, track->track, 1);
		break;
	case SETTLE_GOES_ON:
		if (agenda->is_stopped)
			agenda_stop(agenda, REASON_COUNT); /* it waits for a round that will not come */
		break;
	}
}

/* A track of no round differs. Of digests that is not the last word, if its data can be had. */
static void take_difference(struct agenda *agenda, const struct stream_run *run, const struct stream_track *track)
{
	static const struct report_confirm unconfirmed;
	bool is_final = !agenda->settle || agenda->config.is_final;
	bool needs_data = run->digest != DIGEST_NONE && !agenda->config.is_digest_only;

	if (is_final && !needs_data)
		tell_different(agenda, run, track, &unconfirmed);
	else if (agenda->is_stopped)
		report_unsettled(agenda->config.report, track->track, 1);
	else if (is_final)
		track_set_add(agenda->exact, track->track, 1);
	else
		settle_add(agenda->settle, track->track);
}

void agenda_compared(struct agenda *agenda, const struct stream_run *run, const struct stream_track *track)
{
	uint32_t bytes = run->digest == DIGEST_NONE ? report_common_bytes(agenda->config.report, track->track) :
		digest_bytes(run->digest);
	struct report_confirm confirm = { 0 };
	enum settle_verdict verdict;

	take_back(agenda, run, 1);
	switch (run->kind) {
	case RUN_PASS:
	case RUN_RETRY:
	case RUN_EXACT:
		take_difference(agenda, run, track);
		break;
	case RUN_FIRST:
		settle_first(agenda->settle, track->track, track->local, bytes);
		take_verdict(agenda, run, track, SETTLE_GOES_ON, &confirm);
		break;
	case RUN_SECOND:
		verdict = settle_second(agenda->settle, track->track, track->local, bytes, &confirm);
		take_verdict(agenda, run, track, verdict, &confirm);
		break;
	}
	look_for_room(agenda);
}

void agenda_unreadable(struct agenda *agenda, const struct stream_run *run, uint64_t track)
{
	take_back(agenda, run, 1);
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

/* What was cut short, or dealt before the size changed, says little of runs of the present size. */
static void fit_runs(struct agenda *agenda, uint32_t track_count, int64_t took_ms)
{
	const struct agenda_config *config = &agenda->config;
	uint32_t half = track_count / 2 > config->run_tracks_first ? track_count / 2 : config->run_tracks_first;
	uint32_t longer = RUN_GROWTH * track_count;

	if (took_ms < RUN_SHORT_MS && track_count == agenda->run_tracks)
		agenda->run_tracks = longer < config->run_tracks_most ? longer : config->run_tracks_most;
	else if (took_ms > RUN_LONG_MS && half < agenda->run_tracks && track_count >= agenda->run_tracks)
		agenda->run_tracks = half;
}

void agenda_gave_up(struct agenda *agenda, const struct stream_run *run, uint64_t first_track, uint64_t count,
	enum report_reason reason)
{
	bool is_again = reason == REASON_TIMED_OUT || reason == REASON_REFUSED;

	take_back(agenda, run, count);
	switch (run->kind) {
	case RUN_PASS:
		if (reason == REASON_TIMED_OUT)
			fit_runs(agenda, run->track_count, INT64_MAX);
		if (is_again && !agenda->is_stopped) {
			track_set_add(agenda->later, first_track, count);
			break;
		}
		/* fall through */
	case RUN_RETRY:
		report_not_compared(agenda->config.report, first_track, count, reason);
		break;
	case RUN_EXACT: /* that they differed is known, and no more */
		report_unsettled(agenda->config.report, first_track, count);
		break;
	case RUN_FIRST:
	case RUN_SECOND:
		for (uint64_t i = 0; i < count; i++)
			settle_gave_up(agenda, run, first_track + i);
		break;
	}
	look_for_room(agenda);
}

/* Between large holes one run finds the next data: those that the cursor deals before it returns are of holes. Behind
 * such a hole runs are short again, as most islands are. */
static void fit_ahead(struct agenda *agenda, const struct stream_run *run, uint64_t hole_tracks)
{
	if (!run->has_data)
		agenda->ahead = agenda->ahead > 1 ? agenda->ahead / 2 : 1;
	else if (hole_tracks < run->track_count && agenda->ahead < agenda->config.options->jobs)
		agenda->ahead *= 2; /* the next would have found some */
	if (run->has_data && hole_tracks >= agenda->run_tracks)
		agenda->run_tracks = agenda->config.run_tracks_first;
}

/* Of [from, end), what no stream has. */
static void take_holes(struct agenda *agenda, const struct stream_run *run, uint64_t from, uint64_t end)
{
	struct track_range range;
	uint64_t at = from > agenda->cursor ? from : agenda->cursor, stop;

	for (; at < end && track_set_next(agenda->todo, at, &range) && range.first < end; at = stop) {
		stop = range.first + range.count < end ? range.first + range.count : end;
		tell_identical(agenda, run, range.first, stop - range.first, true);
		if (run->head == 0)
			agenda->cursor = stop;
	}
	if (run->head > 0) {
		track_set_remove(agenda->todo, from, end - from);
		heads_skip(agenda->heads, run->head, end);
	}
}

void agenda_answered(struct agenda *agenda, const struct stream_run *run, int64_t took_ms, uint64_t hole_tracks)
{
	uint64_t end = run->first_track + run->track_count;

	if (run->kind != RUN_PASS && run->kind != RUN_RETRY)
		return;
	if (run->has_data)
		fit_runs(agenda, run->track_count, took_ms);
	fit_ahead(agenda, run, hole_tracks);
	take_holes(agenda, run, end, end + hole_tracks);
	look_for_room(agenda);
}

/* Tells the tracks of the set from that one on, and empties it. */
static void leave(struct agenda *agenda, struct track_set **set, uint64_t from, enum report_reason reason)
{
	struct track_range range;

	for (; track_set_next(*set, from, &range); from = range.first + range.count)
		report_not_compared(agenda->config.report, range.first, range.count, reason);
	track_set_free(*set);
	*set = track_set_new();
}

static void leave_unsettled(struct agenda *agenda)
{
	struct track_range range;
	uint64_t track;

	while (track_set_next(agenda->exact, 0, &range)) {
		track_set_remove(agenda->exact, range.first, range.count);
		report_unsettled(agenda->config.report, range.first, range.count);
	}
	while (agenda->settle && settle_give_up(agenda->settle, &track))
		report_unsettled(agenda->config.report, track, 1);
}

void agenda_stop(struct agenda *agenda, enum report_reason reason)
{
	if (!agenda->is_stopped) {
		agenda->is_stopped = true;
		leave(agenda, &agenda->todo, agenda->cursor, reason);
		leave(agenda, &agenda->later, 0, reason);
	}
	leave_unsettled(agenda);
}

void agenda_unreserve(struct agenda *agenda)
{
	agenda->config.is_final = false;
	report_unreserve(agenda->config.report, agenda->config.options->settle_rounds);
}
