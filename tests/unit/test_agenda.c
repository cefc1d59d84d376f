/* SPDX-License-Identifier: Apache-2.0
 *
 * The work of a pass, with the test in the place of the streams: which runs are dealt, and that each track is told
 * exactly once, whatever ends the pass. report_finish asserts the sum.
 * check-style: long because all of it needs the same small streams.
 */
#include "primary/compare/agenda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/track_set.h"
#include "primary/compare/options.h"
#include "primary/compare/settle.h"
#include "storage/ledger.h"

#define TRACK 4096u
#define RUN 4u
#define START 1000000000
#define DELAY_MS 100
#define LAG_MS 1000

struct fixture {
	struct clock *clock;
	struct options options;
	struct report_setup setup;
	struct report *report;
	struct ledger *ledger;
	struct track_set *marked;
	struct agenda *agenda;
	struct agenda_config config;
	unsigned ready;
	uint8_t local[TRACK], remote[TRACK];
};

static void on_ready(void *arg)
{
	((struct fixture *)arg)->ready++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->clock = clock_new_virtual();
	f->options = (struct options){ .jobs = 3, .settle_rounds = 2, .settle_delay_ms = DELAY_MS, .mark = true };
	f->setup = (struct report_setup){ .name_local = "a", .name_remote = "b", .track_bytes = TRACK,
		.exact_tracks = 100, .pass = 1 };
	f->config = (struct agenda_config){ .clock = f->clock, .options = &f->options, .run_tracks_first = RUN,
		.run_tracks_most = RUN, .run_tracks_data = RUN,
		.max_lag_ms = LAG_MS, .now_wall_s = START, .ready = on_ready, .arg = f };
	for (uint32_t i = 0; i < TRACK; i++)
		f->local[i] = f->remote[i] = 1;
	f->remote[10] = f->remote[11] = f->remote[50] = 7;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	agenda_free(f->agenda);
	report_free(f->report);
	ledger_free(f->ledger);
	track_set_free(f->marked);
	clock_free(f->clock);
	free(f);
	return 0;
}

static void add_ledger(struct fixture *f, uint64_t tracks)
{
	const struct ledger_binding binding = { .device = "d", .local_bytes = tracks * TRACK,
		.remote_bytes = tracks * TRACK, .track_bytes = TRACK, .digest = "data" };

	f->ledger = ledger_new(&binding, tracks);
	ledger_begin_run(f->ledger, "", START);
}

static void mark(struct fixture *f, uint64_t first, uint64_t count)
{
	if (!f->marked)
		f->marked = track_set_new();
	track_set_add(f->marked, first, count);
}

static void start(struct fixture *f, uint64_t tracks)
{
	f->setup.local.size_bytes = f->setup.remote.size_bytes = tracks * TRACK;
	f->setup.marked = f->marked;
	f->report = report_new(&f->setup);
	if (f->ledger)
		report_resume(f->report, f->ledger);
	f->config.report = f->report;
	f->config.ledger = f->ledger;
	f->config.marked = f->marked;
	f->agenda = agenda_new(&f->config);
}

static uint64_t told(const struct fixture *f, enum report_state state)
{
	return report_figures(f->report)->tracks[state];
}

static uint64_t told_for(const struct fixture *f, enum report_reason reason)
{
	return report_figures(f->report)->reasons[reason];
}

/* Nothing is left; asserts that each track was told. */
static void finish(struct fixture *f)
{
	struct stream_run run;

	assert_false(agenda_next_run(f->agenda, &run));
	assert_true(agenda_is_empty(f->agenda));
	report_finish(f->report, &(const struct report_end){ .took_ms = 1 });
}

static struct stream_run next(struct fixture *f)
{
	struct stream_run run;

	assert_true(agenda_next_run(f->agenda, &run));
	run.asked_wall_s = START + 7;
	run.has_data = true;
	return run;
}

static struct stream_run expect(struct fixture *f, enum run_kind kind, uint64_t first_track, uint32_t track_count)
{
	struct stream_run run = next(f);

	assert_int_equal(run.kind, kind);
	assert_int_equal(run.first_track, first_track);
	assert_int_equal(run.track_count, track_count);
	return run;
}

static void expect_none(struct fixture *f)
{
	struct stream_run run;

	assert_false(agenda_next_run(f->agenda, &run));
}

static void compared(struct fixture *f, const struct stream_run *run, uint64_t track, bool is_equal)
{
	struct stream_track read = { .track = track, .local = f->local,
		.remote = run->kind == RUN_FIRST ? NULL : f->remote };

	if (is_equal && run->kind != RUN_FIRST)
		agenda_equal(f->agenda, run, track, 1, false);
	else
		agenda_compared(f->agenda, run, &read);
}

static void compared_all(struct fixture *f, const struct stream_run *run, bool is_equal)
{
	if (is_equal && run->kind != RUN_FIRST)
		agenda_equal(f->agenda, run, run->first_track, run->track_count, false);
	else
		for (uint32_t i = 0; i < run->track_count; i++)
			compared(f, run, run->first_track + i, is_equal);
}

static void gave_up(struct fixture *f, const struct stream_run *run, enum report_reason reason)
{
	agenda_gave_up(f->agenda, run, run->first_track, run->track_count, reason);
}

/* The rest of the pass, equal. */
static void work(struct fixture *f)
{
	struct stream_run run;

	while (agenda_next_run(f->agenda, &run))
		compared_all(f, &run, true);
}

static void runs_are_dealt_in_order_up_to_the_end(void **state)
{
	struct fixture *f = *state;
	struct stream_run runs[3];

	start(f, 10);
	runs[0] = expect(f, RUN_PASS, 0, 4);
	runs[1] = expect(f, RUN_PASS, 4, 4);
	runs[2] = expect(f, RUN_PASS, 8, 2);
	expect_none(f);
	for (int i = 2; i >= 0; i--)
		compared_all(f, &runs[i], true);
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 10);
}

static void known_invalid_tracks_are_told_and_not_read(void **state)
{
	struct fixture *f = *state;

	mark(f, 0, 1);
	mark(f, 3, 4);
	mark(f, 9, 1);
	mark(f, 19, 500); /* beyond the end too */
	start(f, 20);
	assert_int_equal(told(f, REPORT_INVALID), 7);
	expect(f, RUN_PASS, 1, 2);
	expect(f, RUN_PASS, 7, 2);
	expect(f, RUN_PASS, 10, 4);
	expect(f, RUN_PASS, 14, 4);
	expect(f, RUN_PASS, 18, 1);
	expect_none(f);
}

static void known_invalid_tracks_are_read_when_they_are_to_be_checked(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->options.invalid = INVALID_CHECK;
	f->options.settle_rounds = 0;
	f->setup.checks_invalid = true;
	mark(f, 2, 2);
	start(f, 5);
	run = expect(f, RUN_PASS, 0, 4);
	for (uint64_t track = 0; track < 4; track++)
		compared(f, &run, track, track % 2 == 0);
	work(f);
	finish(f);
	assert_int_equal(report_figures(f->report)->marked_identical, 1);
	assert_int_equal(report_figures(f->report)->marked_different, 1);
	assert_int_equal(told(f, REPORT_DIFFERENT), 2);
}

static void what_an_unfinished_run_found_is_not_read_again(void **state)
{
	struct fixture *f = *state;
	const struct ledger_range range = { .offset_bytes = 5 * TRACK + 1, .length_bytes = 2, .is_exact = true };

	add_ledger(f, 20);
	ledger_identical(f->ledger, 0, 3, START);
	ledger_different(f->ledger, 5, &range, 1);
	ledger_identical(f->ledger, 18, 2, START);
	mark(f, 1, 3); /* 1 and 2 were proven before they were marked */
	f->options.mark = true;
	start(f, 20);
	assert_int_equal(told(f, REPORT_INVALID), 1);
	assert_int_equal(track_set_tracks(agenda_different(f->agenda)), 1);
	expect(f, RUN_PASS, 4, 1);
	work(f);
	report_identical(f->report, 4, 1, false);
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 18);
	assert_int_equal(told(f, REPORT_DIFFERENT), 1);
	assert_int_equal(report_figures(f->report)->resumed_tracks, 6);
}

static void only_tracks_proven_longer_ago_are_read(void **state)
{
	struct fixture *f = *state;

	add_ledger(f, 20);
	ledger_identical(f->ledger, 0, 4, START - 5000); /* groups have one track each */
	ledger_identical(f->ledger, 4, 4, START - 50);
	ledger_identical(f->ledger, 8, 1, START + 90000); /* the clock was set back since */
	ledger_end_run(f->ledger, START - 40);
	ledger_begin_run(f->ledger, "", START);
	f->options.older_than_s = 100;
	mark(f, 6, 1);
	start(f, 20);
	assert_int_equal(told_for(f, REASON_PROVEN), 3);
	assert_int_equal(told(f, REPORT_INVALID), 1);
	expect(f, RUN_PASS, 0, 4);
	expect(f, RUN_PASS, 8, 4);
	for (uint64_t track = 0; track < 4; track++) {
		report_identical(f->report, track, 1, false);
		report_identical(f->report, track + 8, 1, false);
	}
	work(f);
	finish(f);
}

/* What this run itself has proven before an interruption is its own, not somebody else's. */
static void age_counts_from_the_begin_of_the_run(void **state)
{
	struct fixture *f = *state;

	add_ledger(f, 8);
	ledger_identical(f->ledger, 0, 8, START - 110);
	ledger_end_run(f->ledger, START - 100);
	ledger_begin_run(f->ledger, "", START);
	ledger_identical(f->ledger, 0, 2, START + 1);
	f->options.older_than_s = 120;
	f->config.now_wall_s = START + 1000;
	start(f, 8);
	assert_int_equal(told(f, REPORT_IDENTICAL), 2);
	assert_int_equal(told_for(f, REASON_PROVEN), 6);
	finish(f);
}

static void what_timed_out_is_tried_once_more_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct stream_run a, b, c;

	start(f, 12);
	a = expect(f, RUN_PASS, 0, 4);
	b = expect(f, RUN_PASS, 4, 4);
	compared(f, &a, 0, true);
	agenda_gave_up(f->agenda, &a, 1, 3, REASON_TIMED_OUT);
	gave_up(f, &b, REASON_REFUSED);
	c = expect(f, RUN_PASS, 8, 4);
	compared_all(f, &c, true);
	assert_int_equal(told(f, REPORT_NOT_COMPARED), 0);
	assert_false(agenda_is_empty(f->agenda));
	a = expect(f, RUN_RETRY, 1, 4);
	b = expect(f, RUN_RETRY, 5, 3);
	compared_all(f, &a, true);
	gave_up(f, &b, REASON_REFUSED);
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 9);
	assert_int_equal(told_for(f, REASON_REFUSED), 3);
}

static void nothing_else_is_tried_again(void **state)
{
	struct fixture *f = *state;

	start(f, (REASON_COUNT - 2) * RUN);
	for (enum report_reason reason = 0; reason < REASON_COUNT; reason++) {
		struct stream_run run;

		if (reason == REASON_TIMED_OUT || reason == REASON_REFUSED)
			continue;
		run = next(f);
		gave_up(f, &run, reason);
		assert_int_equal(told_for(f, reason), RUN);
	}
	finish(f);
}

static void a_retry_that_differs_is_settled_too(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	start(f, 1);
	run = next(f);
	gave_up(f, &run, REASON_TIMED_OUT);
	run = expect(f, RUN_RETRY, 0, 1);
	compared(f, &run, 0, false);
	assert_int_equal(agenda_settling_tracks(f->agenda), 1);
	clock_advance(f->clock, DELAY_MS);
	expect(f, RUN_FIRST, 0, 1);
}

static void settling_goes_before_all_else(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	start(f, 40);
	run = next(f);
	compared(f, &run, 0, true);
	compared(f, &run, 1, false);
	compared(f, &run, 2, false);
	compared(f, &run, 3, true);
	run = expect(f, RUN_PASS, 4, 4); /* the main pass goes on meanwhile */
	gave_up(f, &run, REASON_TIMED_OUT);
	assert_int_equal(f->ready, 0);
	clock_advance(f->clock, DELAY_MS);
	assert_int_equal(f->ready, 1);
	run = expect(f, RUN_FIRST, 1, 2);
	compared_all(f, &run, true);
	expect(f, RUN_PASS, 8, 4);
	clock_advance(f->clock, LAG_MS);
	run = expect(f, RUN_SECOND, 1, 2);
	compared(f, &run, 1, true);
	compared(f, &run, 2, false);
	assert_int_equal(report_figures(f->report)->settled_tracks, 1);
	assert_int_equal(agenda_settling_tracks(f->agenda), 1);
	clock_advance(f->clock, 2 * DELAY_MS);
	run = expect(f, RUN_FIRST, 2, 1);
	compared(f, &run, 2, false);
	clock_advance(f->clock, LAG_MS);
	run = expect(f, RUN_SECOND, 2, 1);
	compared(f, &run, 2, false);
	assert_int_equal(told(f, REPORT_DIFFERENT), 1);
	assert_int_equal(report_range(f->report, 0)->confirm.times, 2);
	assert_int_equal(report_range(f->report, 0)->confirm.over_ms, 2 * LAG_MS + 2 * DELAY_MS);
}

static void without_rounds_the_first_difference_is_final(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->options.settle_rounds = 0;
	start(f, 4);
	run = next(f);
	compared_all(f, &run, false);
	assert_int_equal(told(f, REPORT_DIFFERENT), 4);
	assert_int_equal(report_range(f->report, 0)->confirm.times, 0);
	finish(f);
}

static void with_a_reservation_it_is_final_until_that_is_lost(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->config.is_final = true;
	start(f, 4);
	run = next(f);
	compared(f, &run, 0, false);
	assert_int_equal(told(f, REPORT_DIFFERENT), 1);
	agenda_unreserve(f->agenda);
	compared(f, &run, 1, false);
	assert_int_equal(told(f, REPORT_DIFFERENT), 1);
	assert_int_equal(agenda_settling_tracks(f->agenda), 1);
}

/* All tracks differ, and there are more of them than can be settled at a time. */
static void so_many_differences_are_bounded_and_all_told(void **state)
{
	enum { TRACKS = 3 * SETTLE_TRACKS_MAX + 5 };
	struct fixture *f = *state;
	uint64_t most = 0;

	f->setup.exact_tracks = 0;
	start(f, TRACKS);
	while (!agenda_is_empty(f->agenda)) {
		struct stream_run run;

		while (agenda_next_run(f->agenda, &run))
			compared_all(f, &run, false);
		if (agenda_settling_tracks(f->agenda) > most)
			most = agenda_settling_tracks(f->agenda);
		clock_advance(f->clock, DELAY_MS);
	}
	assert_true(most > SETTLE_TRACKS_MAX / 2 && most <= SETTLE_TRACKS_MAX);
	assert_int_equal(told(f, REPORT_DIFFERENT), TRACKS);
	finish(f);
}

/* Streams that got no run ask no more: they must be told when they can go on, though nothing of settling is due then.
 * Here all that is being settled is in the hands of streams, which is more streams than there are. */
static void streams_that_were_held_back_are_told_when_there_is_room(void **state)
{
	struct fixture *f = *state;
	struct stream_run *runs = calloc(SETTLE_TRACKS_MAX / RUN, sizeof(*runs)), run;
	size_t count = 0, at = 0;

	f->options.settle_rounds = 1;
	f->config.max_lag_ms = 0;
	start(f, 2 * SETTLE_TRACKS_MAX);
	while (agenda_next_run(f->agenda, &run))
		compared_all(f, &run, false);
	clock_advance(f->clock, DELAY_MS);
	while (agenda_next_run(f->agenda, &run))
		if (run.kind == RUN_FIRST)
			compared_all(f, &run, false);
		else
			runs[count++] = run;
	assert_int_equal(count, agenda_settling_tracks(f->agenda) / RUN);
	clock_advance(f->clock, 100 * LAG_MS);
	expect_none(f);
	f->ready = 0;
	compared_all(f, &runs[at++], true);
	clock_advance(f->clock, 0);
	assert_int_equal(f->ready, 1);
	run = next(f);
	assert_int_equal(run.kind, RUN_PASS);
	compared_all(f, &run, false);
	expect_none(f);
	for (uint64_t i = 0; i < RUN; i++)
		agenda_unreadable(f->agenda, &runs[at], runs[at].first_track + i);
	at++;
	clock_advance(f->clock, 0);
	assert_int_equal(f->ready, 2);
	compared_all(f, &runs[at], true); /* nobody was refused since */
	clock_advance(f->clock, 0);
	assert_int_equal(f->ready, 2);
	free(runs);
}

static void stop_after_ends_with_so_many_different_tracks(void **state)
{
	struct fixture *f = *state;
	struct stream_run a, b;

	f->options.settle_rounds = 0;
	f->options.stop_after = 2;
	start(f, 40);
	a = next(f);
	b = next(f);
	compared(f, &a, 0, false);
	assert_false(agenda_has_enough(f->agenda));
	compared(f, &a, 1, false);
	assert_true(agenda_has_enough(f->agenda));
	expect_none(f);
	compared(f, &a, 2, true);
	compared(f, &a, 3, false); /* it was read */
	gave_up(f, &b, REASON_TIMED_OUT); /* no second try any more */
	finish(f);
	assert_int_equal(told(f, REPORT_DIFFERENT), 3);
	assert_int_equal(told_for(f, REASON_STOPPED), 32);
	assert_int_equal(told_for(f, REASON_TIMED_OUT), 4);
}

static void stop_after_was_reached_before_an_interruption(void **state)
{
	struct fixture *f = *state;
	const struct ledger_range range = { .offset_bytes = 0, .length_bytes = TRACK };

	add_ledger(f, 20);
	ledger_different(f->ledger, 0, &range, 1);
	f->options.stop_after = 1;
	start(f, 20);
	finish(f);
	assert_int_equal(told_for(f, REASON_STOPPED), 19);
}

/* Streams have a run of each kind, tracks wait, lag, and are to be tried again: what each may still find is counted. */
static void a_stop_tells_each_track_once_whatever_runs_are_out(void **state)
{
	enum { EQUAL, DIFFERENT, GONE, UNREADABLE, OUTCOMES };

	for (int outcome = EQUAL; outcome < OUTCOMES; outcome++) {
		struct fixture *f = *state;
		struct stream_run runs[5];

		agenda_free(f->agenda);
		report_free(f->report);
		start(f, 100);
		runs[0] = next(f);
		compared_all(f, &runs[0], false);
		clock_advance(f->clock, DELAY_MS);
		runs[0] = expect(f, RUN_FIRST, 0, 4);
		compared_all(f, &runs[0], false);
		clock_advance(f->clock, LAG_MS);
		runs[0] = expect(f, RUN_SECOND, 0, 4);
		runs[1] = expect(f, RUN_PASS, 4, 4);
		compared_all(f, &runs[1], false);
		clock_advance(f->clock, DELAY_MS);
		runs[1] = expect(f, RUN_FIRST, 4, 4);
		runs[2] = expect(f, RUN_PASS, 8, 4);
		compared_all(f, &runs[2], false);                 /* these wait */
		runs[2] = expect(f, RUN_PASS, 12, 4);
		runs[3] = expect(f, RUN_PASS, 16, 4);
		gave_up(f, &runs[3], REASON_TIMED_OUT);           /* these are to be tried again */
		agenda_stop(f->agenda, REASON_INTERRUPTED);
		expect_none(f);
		assert_false(agenda_is_empty(f->agenda));
		assert_int_equal(told(f, REPORT_UNSETTLED), 4);
		assert_int_equal(told_for(f, REASON_INTERRUPTED), 84);
		for (int i = 0; i < 3; i++) {
			if (outcome == EQUAL || outcome == DIFFERENT)
				compared_all(f, &runs[i], outcome == EQUAL);
			else if (outcome == GONE)
				gave_up(f, &runs[i], REASON_TIMED_OUT);
			else
				for (uint64_t track = 0; track < 4; track++)
					agenda_unreadable(f->agenda, &runs[i], runs[i].first_track + track);
		}
		finish(f);
		assert_int_equal(told(f, REPORT_IDENTICAL), outcome == EQUAL ? 8 : 0); /* of FIRST nothing is known */
		assert_int_equal(told(f, REPORT_DIFFERENT), 0);
		assert_int_equal(told(f, REPORT_UNREADABLE), outcome == UNREADABLE ? 12 : 0);
		assert_int_equal(told_for(f, REASON_TIMED_OUT), outcome == GONE ? 4 : 0);
	}
}

static void a_stop_with_a_retry_out(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	start(f, 4);
	run = next(f);
	gave_up(f, &run, REASON_TIMED_OUT);
	run = expect(f, RUN_RETRY, 0, 4);
	agenda_stop(f->agenda, REASON_TIME_OVER);
	compared(f, &run, 0, true);
	compared(f, &run, 1, false);
	agenda_gave_up(f->agenda, &run, 2, 2, REASON_TIMED_OUT);
	finish(f);
	assert_int_equal(told(f, REPORT_UNSETTLED), 1);
	assert_int_equal(told_for(f, REASON_TIMED_OUT), 2);
}

static void a_last_round_may_still_be_judged_after_the_stop(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->options.settle_rounds = 1;
	start(f, 1);
	run = next(f);
	compared(f, &run, 0, false);
	clock_advance(f->clock, DELAY_MS);
	run = next(f);
	compared(f, &run, 0, false);
	clock_advance(f->clock, LAG_MS);
	run = next(f);
	agenda_stop(f->agenda, REASON_TIME_OVER);
	compared(f, &run, 0, false);
	finish(f);
	assert_int_equal(told(f, REPORT_DIFFERENT), 1);
}

static void what_cannot_be_read_while_settling_is_unreadable(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	start(f, 4);
	run = next(f);
	compared_all(f, &run, false);
	clock_advance(f->clock, DELAY_MS);
	run = expect(f, RUN_FIRST, 0, 4);
	agenda_unreadable(f->agenda, &run, 0);
	for (uint64_t track = 1; track < 4; track++)
		compared(f, &run, track, false);
	clock_advance(f->clock, LAG_MS);
	run = expect(f, RUN_SECOND, 1, 3);
	agenda_unreadable(f->agenda, &run, 1);
	compared(f, &run, 2, true);
	compared(f, &run, 3, true);
	finish(f);
	assert_int_equal(told(f, REPORT_UNREADABLE), 2);
	assert_int_equal(told(f, REPORT_IDENTICAL), 2);
	assert_int_equal(report_exit_code(f->report), 5);
}

static void reads_that_never_come_while_settling_are_unsettled(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;
	unsigned rounds = 0;

	start(f, 4);
	run = next(f);
	compared_all(f, &run, false);
	for (; !agenda_is_empty(f->agenda); rounds++) {
		clock_advance(f->clock, DELAY_MS);
		run = expect(f, RUN_FIRST, 0, 4);
		gave_up(f, &run, REASON_TIMED_OUT);
	}
	assert_int_equal(rounds, 3);
	finish(f);
	assert_int_equal(told(f, REPORT_UNSETTLED), 4);
}

static void what_is_final_is_kept_in_the_ledger(void **state)
{
	struct fixture *f = *state;
	const struct ledger_range *range;
	struct stream_run run;

	add_ledger(f, 8);
	f->options.settle_rounds = 1;
	f->setup.exact_tracks = 1;
	memset(f->local, 0, TRACK);
	start(f, 8);
	run = next(f);
	compared(f, &run, 0, true);
	compared(f, &run, 1, false);
	compared(f, &run, 2, false);
	compared(f, &run, 3, false);
	assert_int_equal(track_set_tracks(ledger_run_identical(f->ledger)), 1);
	assert_int_equal(ledger_group_proven(f->ledger, 0), START + 7); /* when its run was asked for */
	assert_int_equal(ledger_run_range_count(f->ledger), 0);         /* not believed yet */
	clock_advance(f->clock, DELAY_MS);
	run = next(f);
	compared_all(f, &run, false);
	clock_advance(f->clock, LAG_MS);
	run = next(f);
	run.asked_wall_s = START + 9;
	memset(f->remote, 0, TRACK);
	f->remote[10] = f->remote[11] = f->remote[50] = 7;
	compared(f, &run, 1, false);
	compared(f, &run, 2, false);
	compared(f, &run, 3, true);
	assert_int_equal(track_set_tracks(ledger_run_identical(f->ledger)), 2);
	assert_int_equal(ledger_group_proven(f->ledger, 3), START + 9);
	assert_int_equal(track_set_tracks(ledger_run_different(f->ledger)), 2);
	assert_int_equal(ledger_run_range_count(f->ledger), 3);
	range = ledger_run_range(f->ledger, 0);
	assert_int_equal(range->offset_bytes, TRACK + 10);
	assert_int_equal(range->length_bytes, 2);
	assert_int_equal(range->shape, SHAPE_LOCAL_ZERO);
	assert_int_equal(range->confirmed, 1);
	assert_int_equal(range->confirmed_ms, LAG_MS);
	assert_true(range->is_exact);
	range = ledger_run_range(f->ledger, 1);
	assert_int_equal(range->offset_bytes, TRACK + 50);
	assert_int_equal(range->length_bytes, 1);
	range = ledger_run_range(f->ledger, 2);
	assert_int_equal(range->offset_bytes, 2 * TRACK); /* whole tracks after the exact ones */
	assert_int_equal(range->length_bytes, TRACK);
	assert_false(range->is_exact);
	work(f);
	finish(f);
}

/* Its first bytes are equal, but the larger volume has more of it. */
static void a_track_whose_tail_only_one_has_is_never_proven(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	add_ledger(f, 5);
	f->setup.local.size_bytes = 4 * TRACK + 1;
	f->setup.remote.size_bytes = 5 * TRACK;
	f->report = report_new(&f->setup);
	f->config.report = f->report;
	f->config.ledger = f->ledger;
	f->agenda = agenda_new(&f->config);
	run = expect(f, RUN_PASS, 0, RUN);
	compared_all(f, &run, true);
	run = expect(f, RUN_PASS, 4, 1);
	compared_all(f, &run, true);
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 4);
	assert_int_equal(told(f, REPORT_DIFFERENT), 1);
	assert_true(ledger_group_proven(f->ledger, 3) > 0);
	assert_int_equal(ledger_group_proven(f->ledger, 4), 0);
	assert_int_equal(track_set_tracks(ledger_run_identical(f->ledger)), 4);
}

static void differences_are_listed_only_to_be_marked_and_within_bounds(void **state)
{
	enum { TRACKS = 2 * TRACK_SET_RANGES_MAX + 20 };

	for (int is_asked = 0; is_asked < 2; is_asked++) {
		struct fixture *f = *state;
		struct stream_run run;

		f->options.settle_rounds = 0;
		f->options.mark = is_asked != 0;
		f->setup.exact_tracks = 0;
		agenda_free(f->agenda);
		report_free(f->report);
		start(f, TRACKS);
		while (agenda_next_run(f->agenda, &run))
			for (uint32_t i = 0; i < run.track_count; i++)
				compared(f, &run, run.first_track + i, (run.first_track + i) % 2 == 0);
		finish(f);
		assert_int_equal(told(f, REPORT_DIFFERENT), TRACKS / 2);
		assert_int_equal(track_set_ranges(agenda_different(f->agenda)), is_asked ? TRACK_SET_RANGES_MAX : 0);
	}
}

static void what_is_not_final_is_not_kept(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	add_ledger(f, 12);
	mark(f, 11, 1);
	start(f, 12);
	run = next(f);
	agenda_unreadable(f->agenda, &run, 0);
	compared(f, &run, 1, false);
	agenda_gave_up(f->agenda, &run, 2, 2, REASON_NOT_READY);
	run = next(f);
	gave_up(f, &run, REASON_TIMED_OUT);
	agenda_stop(f->agenda, REASON_INTERRUPTED);
	finish(f);
	assert_int_equal(track_set_tracks(ledger_run_identical(f->ledger)), 0);
	assert_int_equal(track_set_tracks(ledger_run_different(f->ledger)), 0);
}

/* ---- Digests ---- */

static void by_digest(struct fixture *f)
{
	f->config.digest = DIGEST_XXH3_128;
	f->config.run_tracks_data = 2;
}

static void digests_that_differ_are_final_only_as_data(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->options.settle_rounds = 0;
	by_digest(f);
	add_ledger(f, 12);
	start(f, 12);
	run = expect(f, RUN_PASS, 0, 4);
	assert_int_equal(run.digest, DIGEST_XXH3_128);
	compared(f, &run, 0, true);
	for (uint64_t track = 1; track < 4; track++)
		compared(f, &run, track, false);
	assert_int_equal(told(f, REPORT_DIFFERENT), 0);
	assert_int_equal(track_set_tracks(ledger_run_different(f->ledger)), 0);
	assert_false(agenda_is_empty(f->agenda));
	run = expect(f, RUN_EXACT, 1, 2); /* before new ones */
	assert_int_equal(run.digest, DIGEST_NONE);
	compared(f, &run, 1, true);
	compared(f, &run, 2, false);
	assert_int_equal(report_figures(f->report)->settled_tracks, 1);
	assert_int_equal(track_set_tracks(ledger_run_identical(f->ledger)), 2);
	assert_int_equal(told(f, REPORT_DIFFERENT), 1);
	assert_true(report_range(f->report, 0)->is_exact);
	assert_int_equal(report_range(f->report, 0)->length_bytes, 2);
	run = expect(f, RUN_EXACT, 3, 1);
	compared(f, &run, 3, false);
	work(f);
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 10);
	assert_int_equal(told(f, REPORT_DIFFERENT), 2);
}

static void digests_that_differ_are_settled_by_data(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	by_digest(f);
	start(f, 3);
	run = expect(f, RUN_PASS, 0, 3);
	compared_all(f, &run, false);
	clock_advance(f->clock, DELAY_MS);
	run = expect(f, RUN_FIRST, 0, 2); /* as many as of data */
	assert_int_equal(run.digest, DIGEST_NONE);
	compared_all(f, &run, false);
	run = expect(f, RUN_FIRST, 2, 1);
	compared_all(f, &run, false);
	clock_advance(f->clock, LAG_MS);
	run = expect(f, RUN_SECOND, 0, 2);
	assert_int_equal(run.digest, DIGEST_NONE);
	compared_all(f, &run, true);
	run = expect(f, RUN_SECOND, 2, 1);
	compared_all(f, &run, true);
	finish(f);
	assert_int_equal(report_figures(f->report)->settled_tracks, 3);
}

/* No data may be read. */
static void digests_alone_are_settled_and_told_as_whole_tracks(void **state)
{
	for (int is_final = 0; is_final < 2; is_final++) {
		struct fixture *f = *state;
		const struct report_range *range;
		struct stream_run run;

		by_digest(f);
		f->options.settle_rounds = 1;
		f->config.is_digest_only = true;
		f->config.is_final = is_final != 0;
		agenda_free(f->agenda);
		report_free(f->report);
		start(f, 4);
		run = expect(f, RUN_PASS, 0, 4);
		compared_all(f, &run, false);
		if (!is_final) {
			clock_advance(f->clock, DELAY_MS);
			run = expect(f, RUN_FIRST, 0, 4);
			assert_int_equal(run.digest, DIGEST_XXH3_128);
			compared_all(f, &run, false);
			memset(f->local + digest_bytes(DIGEST_XXH3_128), 7, 100); /* no part of the digest */
			clock_advance(f->clock, LAG_MS);
			run = expect(f, RUN_SECOND, 0, 4);
			assert_int_equal(run.digest, DIGEST_XXH3_128);
			compared_all(f, &run, false);
		}
		finish(f);
		assert_int_equal(told(f, REPORT_DIFFERENT), 4);
		range = report_range(f->report, 0);
		assert_int_equal(range->length_bytes, 4 * TRACK);
		assert_false(range->is_exact);
		assert_int_equal(range->shape, SHAPE_DATA);
		assert_int_equal(range->confirm.times, is_final ? 0 : 1);
	}
}

/* All digests differ, and streams have a run each: no more of them are looked for before their data was read. */
static void what_waits_for_its_data_is_what_streams_had(void **state)
{
	struct fixture *f = *state;
	struct stream_run runs[3], run;

	f->options.settle_rounds = 0;
	f->setup.exact_tracks = 0;
	by_digest(f);
	start(f, 1000);
	for (uint64_t first = 0; first < 996; first += 12) {
		for (unsigned i = 0; i < 3; i++)
			runs[i] = expect(f, RUN_PASS, first + 4 * i, 4);
		for (int i = 2; i >= 0; i--)
			compared_all(f, &runs[i], false);
		for (uint64_t at = first; at < first + 12; at += 2) {
			run = expect(f, RUN_EXACT, at, 2);
			compared_all(f, &run, false);
		}
	}
	run = next(f);
	compared_all(f, &run, true);
	finish(f);
	assert_int_equal(told(f, REPORT_DIFFERENT), 996);
}

/* Of tracks whose digests differ: some wait for their data, some are being read, some are found only then. */
static void a_stop_leaves_differing_digests_unsettled(void **state)
{
	enum { EQUAL, DIFFERENT, GONE, UNREADABLE, OUTCOMES };

	for (int outcome = EQUAL; outcome < OUTCOMES; outcome++) {
		struct fixture *f = *state;
		struct stream_run found, late, exact;

		f->options.settle_rounds = outcome == EQUAL ? 0 : 2; /* it makes no difference */
		f->config.is_final = true;
		by_digest(f);
		agenda_free(f->agenda);
		report_free(f->report);
		start(f, 20);
		found = expect(f, RUN_PASS, 0, 4);
		late = expect(f, RUN_PASS, 4, 4);
		compared_all(f, &found, false);
		exact = expect(f, RUN_EXACT, 0, 2);
		agenda_stop(f->agenda, REASON_TIME_OVER);
		expect_none(f);
		assert_int_equal(told(f, REPORT_UNSETTLED), 2);
		assert_int_equal(told_for(f, REASON_TIME_OVER), 12);
		compared_all(f, &late, false); /* its data is not read any more */
		assert_int_equal(told(f, REPORT_UNSETTLED), 6);
		if (outcome == EQUAL || outcome == DIFFERENT)
			compared_all(f, &exact, outcome == EQUAL);
		else if (outcome == GONE)
			gave_up(f, &exact, REASON_LOST);
		else
			for (uint64_t track = 0; track < 2; track++)
				agenda_unreadable(f->agenda, &exact, track);
		finish(f);
		assert_int_equal(told(f, REPORT_IDENTICAL), outcome == EQUAL ? 2 : 0);
		assert_int_equal(told(f, REPORT_DIFFERENT), outcome == DIFFERENT ? 2 : 0);
		assert_int_equal(told(f, REPORT_UNSETTLED), outcome == GONE ? 8 : 6);
		assert_int_equal(told(f, REPORT_UNREADABLE), outcome == UNREADABLE ? 2 : 0);
	}
}

static void data_that_does_not_come_leaves_its_tracks_unsettled(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->options.settle_rounds = 0;
	by_digest(f);
	start(f, 4);
	run = next(f);
	compared_all(f, &run, false);
	run = expect(f, RUN_EXACT, 0, 2);
	gave_up(f, &run, REASON_TIMED_OUT); /* nor is it tried again for ever */
	run = expect(f, RUN_EXACT, 2, 2);
	compared(f, &run, 2, true);
	agenda_unreadable(f->agenda, &run, 3);
	finish(f);
	assert_int_equal(told(f, REPORT_UNSETTLED), 2);
	assert_int_equal(told(f, REPORT_UNREADABLE), 1);
	assert_int_equal(report_exit_code(f->report), 5);
}

static void stop_after_counts_data_that_differs(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->options.settle_rounds = 0;
	f->options.stop_after = 2;
	by_digest(f);
	start(f, 8);
	run = next(f);
	compared_all(f, &run, false);
	assert_false(agenda_has_enough(f->agenda));
	run = next(f);
	compared_all(f, &run, false);
	assert_true(agenda_has_enough(f->agenda));
	finish(f);
	assert_int_equal(told(f, REPORT_DIFFERENT), 2);
	assert_int_equal(told(f, REPORT_UNSETTLED), 2);
	assert_int_equal(told_for(f, REASON_STOPPED), 4);
}

static void without_the_reservation_data_that_differs_is_settled(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->config.is_final = true;
	by_digest(f);
	start(f, 4);
	run = next(f);
	compared_all(f, &run, false);
	run = expect(f, RUN_EXACT, 0, 2);
	agenda_unreserve(f->agenda);
	compared_all(f, &run, false);
	assert_int_equal(told(f, REPORT_DIFFERENT), 0);
	assert_int_equal(agenda_settling_tracks(f->agenda), 2);
	run = expect(f, RUN_EXACT, 2, 2);
	compared_all(f, &run, false);
	assert_int_equal(agenda_settling_tracks(f->agenda), 4);
}

/* As many as there may be: all streams have the longest runs, and all tracks differ, some as data. */
static void all_that_streams_have_finds_room_to_settle(void **state)
{
	struct fixture *f = *state;
	struct stream_run runs[STREAMS_MAX + 1];
	size_t count = 0;

	f->setup.exact_tracks = 0;
	f->config.is_final = true;
	by_digest(f);
	f->config.run_tracks_first = f->config.run_tracks_most = RUN_DIGESTS_MAX;
	f->config.run_tracks_data = RUN_TRACKS_MAX;
	start(f, 2 * SETTLE_TRACKS_MAX);
	while (agenda_next_run(f->agenda, &runs[count]) && count < STREAMS_MAX)
		count++;
	assert_int_equal(count, STREAMS_MAX); /* and no more would fit */
	compared_all(f, &runs[0], false);
	runs[0] = expect(f, RUN_EXACT, 0, RUN_TRACKS_MAX);
	agenda_unreserve(f->agenda);
	for (size_t i = 0; i < count; i++)
		compared_all(f, &runs[i], false);
	while (agenda_next_run(f->agenda, &runs[0]) && runs[0].kind == RUN_EXACT)
		compared_all(f, &runs[0], false);
	assert_int_equal(agenda_settling_tracks(f->agenda), SETTLE_TRACKS_MAX);
	f->ready = 0;
	clock_advance(f->clock, DELAY_MS);
	assert_int_equal(f->ready, 1);
}

/* A stream that was held back goes on when another has found its tracks equal. */
static void room_may_come_of_what_is_equal(void **state)
{
	struct fixture *f = *state;
	struct stream_run runs[STREAMS_MAX];

	by_digest(f);
	f->config.run_tracks_first = f->config.run_tracks_most = RUN_DIGESTS_MAX;
	start(f, 2 * SETTLE_TRACKS_MAX);
	for (size_t i = 0; i < STREAMS_MAX; i++)
		runs[i] = next(f);
	expect_none(f);
	agenda_equal(f->agenda, &runs[0], 0, RUN_DIGESTS_MAX - 1, false);
	clock_advance(f->clock, 0);
	assert_int_equal(f->ready, 0);
	agenda_gave_up(f->agenda, &runs[0], RUN_DIGESTS_MAX - 1, 1, REASON_NOT_READY);
	clock_advance(f->clock, 0);
	assert_int_equal(f->ready, 1);
	expect(f, RUN_PASS, SETTLE_TRACKS_MAX, RUN_DIGESTS_MAX);
}

/* ---- Holes ---- */

static void answered(struct fixture *f, const struct stream_run *run, int64_t took_ms, uint64_t hole_tracks)
{
	agenda_answered(f->agenda, run, took_ms, hole_tracks);
}

static uint64_t hole_tracks_told(const struct fixture *f)
{
	return report_figures(f->report)->hole_bytes / TRACK;
}

static void holes_behind_a_run_are_not_dealt(void **state)
{
	struct fixture *f = *state;
	struct stream_run a, b;

	add_ledger(f, 100);
	start(f, 100);
	a = expect(f, RUN_PASS, 0, 4);
	b = expect(f, RUN_PASS, 4, 4);
	compared_all(f, &a, true);
	answered(f, &a, 1000, 60); /* 4 to 63, of which a stream has four */
	assert_int_equal(told(f, REPORT_IDENTICAL), 60);
	assert_int_equal(hole_tracks_told(f), 56);
	assert_int_equal(track_set_tracks(ledger_run_identical(f->ledger)), 60);
	assert_int_equal(ledger_group_proven(f->ledger, 63), START + 7);
	compared_all(f, &b, true);
	answered(f, &b, 1000, 50); /* 8 to 57: those are behind the cursor */
	assert_int_equal(told(f, REPORT_IDENTICAL), 64);
	a = expect(f, RUN_PASS, 64, 4);
	compared_all(f, &a, true);
	answered(f, &a, 1000, UINT32_MAX); /* to the end, and no further */
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 100);
	assert_int_equal(hole_tracks_told(f), 56 + 32);
}

static void holes_take_no_tracks_that_are_not_to_be_read(void **state)
{
	struct fixture *f = *state;
	const struct ledger_range range = { .offset_bytes = 9 * TRACK, .length_bytes = TRACK };
	struct stream_run run;

	add_ledger(f, 40);
	ledger_identical(f->ledger, 30, 5, START - 10);
	ledger_end_run(f->ledger, START - 5);
	ledger_begin_run(f->ledger, "", START);
	ledger_identical(f->ledger, 6, 2, START);
	ledger_different(f->ledger, 9, &range, 1);
	f->options.older_than_s = 100;
	mark(f, 12, 3);
	start(f, 40);
	run = expect(f, RUN_PASS, 0, 4);
	compared_all(f, &run, true);
	answered(f, &run, 1000, 36);
	finish(f);
	assert_int_equal(hole_tracks_told(f), 36 - 2 - 1 - 3 - 5);
	assert_int_equal(told(f, REPORT_IDENTICAL), 4 + 25 + 2);
	assert_int_equal(told(f, REPORT_DIFFERENT), 1);
	assert_int_equal(told(f, REPORT_INVALID), 3);
	assert_int_equal(told_for(f, REASON_PROVEN), 5);
}

static void marks_of_holes_are_checked_too(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->options.invalid = INVALID_CHECK;
	f->setup.checks_invalid = true;
	mark(f, 10, 20);
	start(f, 25);
	run = next(f);
	compared_all(f, &run, true);
	answered(f, &run, 1000, 21);
	finish(f);
	assert_int_equal(report_figures(f->report)->marked_identical, 15);
}

static void holes_end_with_what_both_have(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	add_ledger(f, 10);
	f->setup.local.size_bytes = 7 * TRACK + 5;
	f->setup.remote.size_bytes = 10 * TRACK;
	f->report = report_new(&f->setup);
	f->config.report = f->report;
	f->config.ledger = f->ledger;
	f->agenda = agenda_new(&f->config);
	run = next(f);
	compared_all(f, &run, true);
	answered(f, &run, 1000, 4);
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 7);
	assert_int_equal(told(f, REPORT_DIFFERENT), 3);
	assert_int_equal(report_figures(f->report)->hole_bytes, 3 * TRACK + 5);
	assert_int_equal(track_set_tracks(ledger_run_identical(f->ledger)), 7);
}

static void holes_behind_other_runs_or_after_the_stop_are_left(void **state)
{
	struct fixture *f = *state;
	struct stream_run a, b, retry;

	start(f, 12);
	a = next(f);
	b = next(f);
	gave_up(f, &a, REASON_TIMED_OUT);
	compared_all(f, &b, true);
	answered(f, &b, 1000, 0);
	a = expect(f, RUN_PASS, 8, 4);
	retry = expect(f, RUN_RETRY, 0, 4);
	compared_all(f, &retry, true);
	answered(f, &retry, 1000, 8); /* tracks that were told */
	agenda_stop(f->agenda, REASON_STOPPED);
	compared_all(f, &a, true);
	answered(f, &a, 1000, 8);
	finish(f);
	assert_int_equal(hole_tracks_told(f), 0);

	agenda_free(f->agenda);
	report_free(f->report);
	start(f, 12);
	a = next(f);
	agenda_stop(f->agenda, REASON_STOPPED);
	compared_all(f, &a, true);
	answered(f, &a, 1000, 8);
	finish(f);
	assert_int_equal(told_for(f, REASON_STOPPED), 8);
}

static void empty(struct fixture *f, uint64_t hole_tracks)
{
	struct stream_run run = next(f);

	run.has_data = false;
	agenda_equal(f->agenda, &run, run.first_track, run.track_count, true);
	answered(f, &run, 0, hole_tracks);
}

/* Asserts that so many runs are dealt by the cursor, and gives them back: they have data, and such holes behind it. */
static void expect_ahead(struct fixture *f, size_t count, uint64_t hole_tracks)
{
	struct stream_run runs[16];
	size_t dealt = 0, by_cursor = 0;

	while (agenda_next_run(f->agenda, &runs[dealt])) {
		assert_true(dealt < 15);
		runs[dealt].has_data = true;
		by_cursor += runs[dealt].head == 0;
		dealt++;
	}
	assert_int_equal(by_cursor, count);
	for (size_t i = 0; i < dealt; i++) {
		compared_all(f, &runs[i], true);
		if (runs[i].head == 0)
			answered(f, &runs[i], 500, hole_tracks);
	}
}

static void between_large_holes_one_run_looks_for_the_next_data(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->options.jobs = 4;
	start(f, 100000);
	empty(f, 0);
	expect_ahead(f, 2, RUN);
	expect_ahead(f, 2, 100); /* the next runs would have been of holes */
	empty(f, 100);
	expect_ahead(f, 1, RUN);
	empty(f, 100);
	expect_ahead(f, 1, RUN - 1); /* the next run would have found data */
	run = next(f);
	compared_all(f, &run, true);
	answered(f, &run, 0, 0);
	for (int i = 0; i < 4; i++) /* all streams again */
		next(f);
}

/* Deals a run, which has so many tracks, and takes so long. */
static void run_takes(struct fixture *f, uint32_t track_count, int64_t took_ms)
{
	struct stream_run run = next(f);

	assert_int_equal(run.track_count, track_count);
	compared_all(f, &run, true);
	answered(f, &run, took_ms, 0);
}

/* Gives a run back that is of holes, or of data, with such holes behind it. */
static void give_back(struct fixture *f, struct stream_run run, bool has_data, uint64_t hole_tracks)
{
	run.has_data = has_data;
	agenda_equal(f->agenda, &run, run.first_track, run.track_count, !has_data);
	answered(f, &run, 0, hole_tracks);
}

static void between_large_holes_streams_go_on_at_several_places(void **state)
{
	struct fixture *f = *state;
	struct stream_run cursor, head[2];

	f->options.jobs = 3;
	add_ledger(f, 10000);
	start(f, 10000);
	empty(f, 0);
	cursor = expect(f, RUN_PASS, RUN, RUN);
	head[0] = expect(f, RUN_PASS, 2 * RUN + (10000 - 2 * RUN) / 2, RUN); /* the middle */
	head[1] = next(f);
	assert_int_equal(head[1].first_track, 2506); /* and that of the longest half */
	expect_none(f);
	clock_advance(f->clock, 0);
	assert_int_equal(f->ready, 0);

	give_back(f, head[0], false, 100);
	clock_advance(f->clock, 0);
	assert_int_equal(f->ready, 1);
	head[0] = expect(f, RUN_PASS, 5008 + 100, RUN); /* each goes on where it was */
	expect_none(f);
	give_back(f, cursor, true, 50);
	cursor = expect(f, RUN_PASS, 58, RUN);
	give_back(f, head[0], true, 10000);
	assert_int_equal(told(f, REPORT_IDENTICAL), 10000 - (5004 - 58));
	head[0] = expect(f, RUN_PASS, 3757, RUN); /* in the middle of the longest that is left */
	give_back(f, head[1], false, 10000); /* up to what another stream has, and beyond */
	head[1] = expect(f, RUN_PASS, 1284, RUN);
	give_back(f, cursor, true, 10000);
	assert_int_equal(told(f, REPORT_IDENTICAL), 10000 - 2 * RUN);
	expect_none(f);
	give_back(f, head[0], true, 0);
	give_back(f, head[1], true, 0);
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 10000);
	assert_int_equal(track_set_tracks(ledger_run_identical(f->ledger)), 10000);
}

static void where_data_lies_close_only_the_cursor_goes_on(void **state)
{
	struct fixture *f = *state;
	struct stream_run head;

	f->options.jobs = 2;
	start(f, 10000);
	empty(f, 0);
	next(f);
	head = next(f);
	give_back(f, head, true, 0);
	expect(f, RUN_PASS, 2 * RUN, RUN);
	expect(f, RUN_PASS, 3 * RUN, RUN);
}

/* The cursor passes a place that has its run still, and whose hole goes over what others have done since. */
static void a_place_that_was_overtaken_tells_nothing_twice(void **state)
{
	struct fixture *f = *state;
	struct stream_run cursor, head;

	f->options.jobs = 2;
	start(f, 1000);
	empty(f, 0);
	cursor = next(f);
	head = expect(f, RUN_PASS, 504, RUN);
	give_back(f, cursor, true, 800);
	cursor = expect(f, RUN_PASS, 808, RUN);
	expect_none(f);
	give_back(f, head, false, 1000);
	give_back(f, cursor, true, 1000);
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 1000);
}

static void runs_of_other_places_are_tried_once_more(void **state)
{
	struct fixture *f = *state;
	struct stream_run cursor, head, retry;

	f->options.jobs = 2;
	start(f, 1000);
	empty(f, 0);
	cursor = next(f);
	head = expect(f, RUN_PASS, 504, RUN);
	gave_up(f, &head, REASON_TIMED_OUT);
	head = expect(f, RUN_PASS, 508, RUN); /* it goes on behind it */
	expect_none(f);                       /* what is tried once more waits for the end */
	give_back(f, head, false, 1000);
	give_back(f, cursor, false, 1000);
	retry = expect(f, RUN_RETRY, 504, RUN);
	give_back(f, retry, true, 1000);
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 1000);
}

static void other_places_read_what_is_left_of_a_run_before(void **state)
{
	struct fixture *f = *state;
	struct stream_run cursor, head;

	f->options.jobs = 2;
	add_ledger(f, 1000);
	ledger_end_run(f->ledger, START - 5);
	ledger_begin_run(f->ledger, "", START);
	ledger_identical(f->ledger, 100, 700, START);
	start(f, 1000);
	empty(f, 0);
	cursor = next(f);
	head = expect(f, RUN_PASS, 900, RUN); /* 800 to 999 is the longest */
	give_back(f, head, false, 1000);
	head = expect(f, RUN_PASS, 850, RUN);
	give_back(f, cursor, true, 1000);
	give_back(f, head, true, 0);
	finish(f);
	assert_int_equal(told(f, REPORT_IDENTICAL), 1000);
}

static void runs_of_what_is_left_of_a_large_volume_are_short(void **state)
{
	struct fixture *f = *state;

	f->config.run_tracks_first = 2;
	f->config.run_tracks_most = 1024;
	add_ledger(f, 100000);
	ledger_end_run(f->ledger, START - 5);
	ledger_begin_run(f->ledger, "", START);
	ledger_identical(f->ledger, 100, 99900, START);
	start(f, 100000);
	run_takes(f, 2, 0);
	run_takes(f, 8, 0); /* 3 streams of 4 runs each */
	run_takes(f, 8, 0);
}

static void what_other_places_left_is_not_compared_after_the_stop(void **state)
{
	struct fixture *f = *state;
	struct stream_run cursor, head;

	f->options.jobs = 2;
	start(f, 10000);
	empty(f, 0);
	cursor = next(f);
	head = next(f);
	agenda_stop(f->agenda, REASON_STOPPED);
	assert_int_equal(told_for(f, REASON_STOPPED), 10000 - 3 * RUN);
	give_back(f, head, false, 10000);
	gave_up(f, &cursor, REASON_STOPPED);
	finish(f);
	assert_int_equal(told_for(f, REASON_STOPPED), 10000 - 2 * RUN);
}

static void runs_are_short_again_behind_a_large_hole(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	f->config.run_tracks_first = 16;
	f->config.run_tracks_most = 1024;
	start(f, 100000);
	run = expect(f, RUN_PASS, 0, 16);
	compared_all(f, &run, true);
	answered(f, &run, 0, 0);
	run = expect(f, RUN_PASS, 16, 64);
	compared_all(f, &run, true);
	answered(f, &run, 0, 63);
	run = expect(f, RUN_PASS, 16 + 64 + 63, 256);
	compared_all(f, &run, true);
	answered(f, &run, 0, 1024);
	expect(f, RUN_PASS, 16 + 64 + 63 + 256 + 1024, 16);
}

static void streams_held_back_by_holes_are_told_of_data(void **state)
{
	struct fixture *f = *state;
	struct stream_run runs[3];

	f->options.jobs = 4;
	start(f, 6 * RUN); /* too short for other places */
	empty(f, 0);
	runs[0] = next(f);
	runs[1] = next(f);
	expect_none(f);
	compared(f, &runs[0], 0, true);
	clock_advance(f->clock, 0);
	assert_int_equal(f->ready, 0);
	agenda_equal(f->agenda, &runs[0], runs[0].first_track + 1, 3, true);
	clock_advance(f->clock, 0);
	assert_int_equal(f->ready, 1); /* a stream is free */
	runs[2] = next(f);
	expect_none(f);
	compared(f, &runs[1], runs[1].first_track, true);
	answered(f, &runs[0], 500, 0);
	clock_advance(f->clock, 0);
	assert_int_equal(f->ready, 2);
	next(f);
	next(f);
}

static void runs_of_holes_say_nothing_of_the_size(void **state)
{
	struct fixture *f = *state;

	f->config.run_tracks_first = 16;
	f->config.run_tracks_most = 64;
	start(f, 1000);
	empty(f, 0);
	expect(f, RUN_PASS, 16, 16);
}

/* ---- The size of runs ---- */

static void size_runs(struct fixture *f, uint32_t first, uint32_t most)
{
	f->config.run_tracks_first = first;
	f->config.run_tracks_most = most;
	start(f, 100000);
}

static void runs_grow_fourfold_while_they_are_short_and_halve_when_long(void **state)
{
	struct fixture *f = *state;

	size_runs(f, 16, 400);
	run_takes(f, 16, 99);
	run_takes(f, 64, 100);
	run_takes(f, 64, 1000);
	run_takes(f, 64, 0);
	run_takes(f, 256, 0);
	run_takes(f, 400, 0); /* no more than the most */
	for (uint32_t count = 400; count > 16; count /= 2)
		run_takes(f, count, 1001);
	run_takes(f, 16, 1001); /* and no fewer than the first */
	run_takes(f, 16, 500);
}

/* 3 streams of 4 runs each. */
static void runs_of_a_small_volume_stay_small(void **state)
{
	struct fixture *f = *state;

	f->config.run_tracks_first = 16;
	f->config.run_tracks_most = 1024;
	start(f, 12 * 20 + 11);
	run_takes(f, 16, 0);
	run_takes(f, 20, 0);
	run_takes(f, 20, 0);
}

static void runs_do_not_become_shorter_than_the_first_for_a_small_volume(void **state)
{
	struct fixture *f = *state;

	f->config.run_tracks_first = 16;
	f->config.run_tracks_most = 1024;
	start(f, 12 * 15);
	run_takes(f, 16, 0);
	run_takes(f, 16, 0);
}

static void runs_of_a_size_of_before_count_once(void **state)
{
	struct fixture *f = *state;
	struct stream_run small[3], large[3], middle;

	size_runs(f, 16, 256);
	for (int i = 0; i < 3; i++)
		small[i] = next(f);
	for (int i = 0; i < 3; i++)
		answered(f, &small[i], 0, 0);
	for (int i = 0; i < 3; i++) {
		large[i] = next(f);
		assert_int_equal(large[i].track_count, 64);
	}
	answered(f, &large[0], 5000, 0);
	middle = next(f);
	assert_int_equal(middle.track_count, 32);
	answered(f, &middle, 0, 0);
	middle = next(f);
	answered(f, &middle, 0, 0); /* 256 */
	answered(f, &large[1], 5000, 0);
	middle = next(f);
	assert_int_equal(middle.track_count, 256); /* shorter ones that took long are no news */
	answered(f, &middle, 5000, 0);
	answered(f, &large[2], 0, 0);
	middle = next(f);
	assert_int_equal(middle.track_count, 128);
}

static void runs_that_were_cut_say_nothing_of_the_size(void **state)
{
	struct fixture *f = *state;

	mark(f, 10, 1);
	mark(f, 20, 1);
	size_runs(f, 16, 64);
	run_takes(f, 10, 0);
	run_takes(f, 9, 5000);
	run_takes(f, 16, 0);
	run_takes(f, 64, 500);
}

static void runs_that_time_out_become_smaller(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;

	size_runs(f, 16, 64);
	run_takes(f, 16, 0);
	run = expect(f, RUN_PASS, 16, 64);
	gave_up(f, &run, REASON_NOT_READY);
	run = expect(f, RUN_PASS, 80, 64);
	gave_up(f, &run, REASON_TIMED_OUT);
	expect(f, RUN_PASS, 144, 32);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(runs_are_dealt_in_order_up_to_the_end),
		TEST(known_invalid_tracks_are_told_and_not_read),
		TEST(known_invalid_tracks_are_read_when_they_are_to_be_checked),
		TEST(what_an_unfinished_run_found_is_not_read_again),
		TEST(only_tracks_proven_longer_ago_are_read),
		TEST(age_counts_from_the_begin_of_the_run),
		TEST(what_timed_out_is_tried_once_more_at_the_end),
		TEST(nothing_else_is_tried_again),
		TEST(a_retry_that_differs_is_settled_too),
		TEST(settling_goes_before_all_else),
		TEST(without_rounds_the_first_difference_is_final),
		TEST(with_a_reservation_it_is_final_until_that_is_lost),
		TEST(so_many_differences_are_bounded_and_all_told),
		TEST(streams_that_were_held_back_are_told_when_there_is_room),
		TEST(stop_after_ends_with_so_many_different_tracks),
		TEST(stop_after_was_reached_before_an_interruption),
		TEST(a_stop_tells_each_track_once_whatever_runs_are_out),
		TEST(a_stop_with_a_retry_out),
		TEST(a_last_round_may_still_be_judged_after_the_stop),
		TEST(what_cannot_be_read_while_settling_is_unreadable),
		TEST(reads_that_never_come_while_settling_are_unsettled),
		TEST(what_is_final_is_kept_in_the_ledger),
		TEST(a_track_whose_tail_only_one_has_is_never_proven),
		TEST(what_is_not_final_is_not_kept),
		TEST(differences_are_listed_only_to_be_marked_and_within_bounds),
		TEST(digests_that_differ_are_final_only_as_data),
		TEST(digests_that_differ_are_settled_by_data),
		TEST(digests_alone_are_settled_and_told_as_whole_tracks),
		TEST(what_waits_for_its_data_is_what_streams_had),
		TEST(a_stop_leaves_differing_digests_unsettled),
		TEST(data_that_does_not_come_leaves_its_tracks_unsettled),
		TEST(stop_after_counts_data_that_differs),
		TEST(without_the_reservation_data_that_differs_is_settled),
		TEST(all_that_streams_have_finds_room_to_settle),
		TEST(room_may_come_of_what_is_equal),
		TEST(holes_behind_a_run_are_not_dealt),
		TEST(holes_take_no_tracks_that_are_not_to_be_read),
		TEST(marks_of_holes_are_checked_too),
		TEST(holes_end_with_what_both_have),
		TEST(holes_behind_other_runs_or_after_the_stop_are_left),
		TEST(between_large_holes_one_run_looks_for_the_next_data),
		TEST(between_large_holes_streams_go_on_at_several_places),
		TEST(where_data_lies_close_only_the_cursor_goes_on),
		TEST(a_place_that_was_overtaken_tells_nothing_twice),
		TEST(runs_of_other_places_are_tried_once_more),
		TEST(other_places_read_what_is_left_of_a_run_before),
		TEST(runs_of_what_is_left_of_a_large_volume_are_short),
		TEST(what_other_places_left_is_not_compared_after_the_stop),
		TEST(runs_are_short_again_behind_a_large_hole),
		TEST(streams_held_back_by_holes_are_told_of_data),
		TEST(runs_of_holes_say_nothing_of_the_size),
		TEST(runs_of_a_small_volume_stay_small),
		TEST(runs_do_not_become_shorter_than_the_first_for_a_small_volume),
		TEST(runs_grow_fourfold_while_they_are_short_and_halve_when_long),
		TEST(runs_of_a_size_of_before_count_once),
		TEST(runs_that_were_cut_say_nothing_of_the_size),
		TEST(runs_that_time_out_become_smaller),
	};

	log_start("test_agenda", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("agenda", tests, NULL, NULL);
}
