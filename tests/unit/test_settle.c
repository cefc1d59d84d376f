/* SPDX-License-Identifier: Apache-2.0
 *
 * The rounds of settling with a virtual clock: when reads are due, what each judgement needs, what runs are made of.
 */
#include "primary/compare/settle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"

#define BYTES 512u
#define DELAY_MS 100
#define LAG_MS 5000

struct fixture {
	struct clock *clock;
	struct settle *settle;
	unsigned ready;
	struct report_confirm confirm;
	uint8_t local[BYTES], remote[BYTES];
};

static void on_ready(void *arg)
{
	((struct fixture *)arg)->ready++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->clock = clock_new_virtual();
	f->remote[3] = 1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	settle_free(f->settle);
	clock_free(f->clock);
	free(f);
	return 0;
}

static void start(struct fixture *f, uint32_t rounds, int64_t max_lag_ms)
{
	struct settle_config config = { .clock = f->clock, .rounds = rounds, .delay_ms = DELAY_MS, .max_lag_ms = max_lag_ms,
		.run_tracks = 4, .ready = on_ready, .arg = f };

	f->settle = settle_new(&config);
}

static void assert_no_run(struct fixture *f)
{
	struct stream_run run;

	assert_false(settle_next_run(f->settle, &run));
}

static void take(struct fixture *f, enum run_kind kind, uint64_t first_track, uint32_t track_count)
{
	struct stream_run run;

	assert_true(settle_next_run(f->settle, &run));
	assert_int_equal(run.kind, kind);
	assert_int_equal(run.first_track, first_track);
	assert_int_equal(run.track_count, track_count);
}

/* The next run is due in exactly so long, and told then. */
static void assert_due_in(struct fixture *f, int64_t ms)
{
	f->ready = 0;
	if (ms > 0)
		clock_advance(f->clock, ms - 1);
	assert_int_equal(f->ready, 0);
	assert_no_run(f);
	clock_advance(f->clock, 1);
	assert_int_equal(f->ready, 1);
}

/* The local volume has this byte. */
static void local_is(struct fixture *f, uint8_t byte)
{
	f->local[0] = byte;
}

static void first(struct fixture *f, uint64_t track)
{
	settle_first(f->settle, track, f->local, BYTES);
}

#define EQUAL 100 /* beside the verdicts */

static int second(struct fixture *f, uint64_t track)
{
	if (memcmp(f->local, f->remote, BYTES) != 0)
		return (int)settle_second(f->settle, track, f->local, BYTES, &f->confirm);
	settle_equal(f->settle, track);
	return EQUAL;
}

/* A round of track 7 from its waiting on, with this byte in the first and this in the second local read. */
static int round_of(struct fixture *f, int64_t delay_ms, uint8_t first_byte, uint8_t second_byte)
{
	clock_advance(f->clock, delay_ms);
	take(f, RUN_FIRST, 7, 1);
	local_is(f, first_byte);
	first(f, 7);
	clock_advance(f->clock, LAG_MS);
	take(f, RUN_SECOND, 7, 1);
	local_is(f, second_byte);
	return second(f, 7);
}

static void a_track_waits_reads_local_lags_and_reads_both(void **state)
{
	struct fixture *f = *state;

	start(f, 2, LAG_MS);
	settle_add(f->settle, 7);
	assert_int_equal(settle_tracks(f->settle), 1);
	assert_due_in(f, DELAY_MS);
	take(f, RUN_FIRST, 7, 1);
	assert_no_run(f); /* a stream has it */
	clock_advance(f->clock, 60000);
	assert_no_run(f);
	first(f, 7); /* the lag counts from the end of this read, however long it took */
	assert_due_in(f, LAG_MS);
	take(f, RUN_SECOND, 7, 1);
	assert_int_equal(second(f, 7), SETTLE_GOES_ON);
	assert_no_run(f);
}

static void delays_double(void **state)
{
	struct fixture *f = *state;

	start(f, 4, 0);
	settle_add(f->settle, 7);
	for (int64_t delay_ms = DELAY_MS; delay_ms <= 8 * DELAY_MS; delay_ms *= 2) {
		assert_due_in(f, delay_ms);
		take(f, RUN_FIRST, 7, 1);
		first(f, 7);
		take(f, RUN_SECOND, 7, 1); /* without a lag at once */
		assert_int_equal(second(f, 7), delay_ms < 8 * DELAY_MS ? SETTLE_GOES_ON : SETTLE_DIFFERENT);
	}
	assert_int_equal(settle_tracks(f->settle), 0);
}

static void delays_do_not_grow_past_a_day_or_so(void **state)
{
	struct fixture *f = *state;

	start(f, 100, 0);
	settle_add(f->settle, 7);
	for (int round = 0; round < 100; round++) {
		clock_advance(f->clock, 48 * 3600 * 1000);
		take(f, RUN_FIRST, 7, 1);
		first(f, 7);
		take(f, RUN_SECOND, 7, 1);
		assert_int_equal(second(f, 7), round < 99 ? SETTLE_GOES_ON : SETTLE_DIFFERENT);
	}
	assert_int_equal(f->confirm.times, 100);
}

static void equal_in_any_round_is_the_end_of_it(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 3; round++) {
		settle_free(f->settle);
		start(f, 3, LAG_MS);
		settle_add(f->settle, 7);
		f->remote[3] = 1;
		for (int i = 0; i < round; i++)
			assert_int_equal(round_of(f, DELAY_MS << i, 0, 0), SETTLE_GOES_ON);
		f->remote[3] = 0;
		assert_int_equal(round_of(f, DELAY_MS << round, 0, 0), EQUAL);
		assert_int_equal(settle_tracks(f->settle), 0);
		assert_no_run(f);
	}
}

static void equal_is_the_end_although_local_changed_in_the_round(void **state)
{
	struct fixture *f = *state;

	start(f, 1, LAG_MS);
	f->remote[3] = 0;
	f->remote[0] = 5;
	settle_add(f->settle, 7);
	assert_int_equal(round_of(f, DELAY_MS, 0, 5), EQUAL);
}

static void a_silently_wrong_quiet_track_is_different_with_its_confirmations(void **state)
{
	struct fixture *f = *state;

	start(f, 3, LAG_MS);
	settle_add(f->settle, 7);
	assert_int_equal(round_of(f, DELAY_MS, 9, 9), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 2 * DELAY_MS, 9, 9), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 4 * DELAY_MS, 9, 9), SETTLE_DIFFERENT);
	assert_int_equal(f->confirm.times, 3);
	assert_int_equal(f->confirm.over_ms, 3 * LAG_MS + 6 * DELAY_MS); /* from the first local read to the last */
}

static void one_round_alone_is_enough_when_it_is_all(void **state)
{
	struct fixture *f = *state;

	start(f, 1, LAG_MS);
	settle_add(f->settle, 7);
	assert_int_equal(round_of(f, DELAY_MS, 9, 9), SETTLE_DIFFERENT);
	assert_int_equal(f->confirm.times, 1);
	assert_int_equal(f->confirm.over_ms, LAG_MS);
	settle_add(f->settle, 7);
	assert_int_equal(round_of(f, DELAY_MS, 9, 8), SETTLE_GOES_ON); /* it begins again */
	assert_int_equal(round_of(f, DELAY_MS, 8, 7), SETTLE_UNSETTLED);
	settle_add(f->settle, 7);
	assert_int_equal(round_of(f, DELAY_MS, 9, 8), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, DELAY_MS, 8, 8), SETTLE_DIFFERENT);
	assert_int_equal(f->confirm.times, 1);
}

static void a_change_within_a_round_takes_its_confirmations_away(void **state)
{
	struct fixture *f = *state;

	start(f, 3, LAG_MS);
	settle_add(f->settle, 7);
	assert_int_equal(round_of(f, DELAY_MS, 9, 9), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 2 * DELAY_MS, 9, 9), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 4 * DELAY_MS, 9, 8), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, DELAY_MS, 8, 8), SETTLE_GOES_ON); /* all of them again */
	assert_int_equal(round_of(f, 2 * DELAY_MS, 8, 8), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 4 * DELAY_MS, 8, 7), SETTLE_UNSETTLED); /* but not once more */
}

static void a_change_between_rounds_takes_them_away_too(void **state)
{
	struct fixture *f = *state;

	start(f, 3, LAG_MS);
	settle_add(f->settle, 7);
	assert_int_equal(round_of(f, DELAY_MS, 9, 9), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 2 * DELAY_MS, 9, 9), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 4 * DELAY_MS, 8, 8), SETTLE_GOES_ON); /* the first of three again */
	assert_int_equal(round_of(f, 2 * DELAY_MS, 8, 8), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 4 * DELAY_MS, 8, 8), SETTLE_DIFFERENT);
	assert_int_equal(f->confirm.times, 3);
	assert_int_equal(f->confirm.over_ms, 3 * LAG_MS + 6 * DELAY_MS); /* from the change on */
	settle_add(f->settle, 7); /* the same when it changes back: it was not the same all the time */
	assert_int_equal(round_of(f, DELAY_MS, 8, 9), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, DELAY_MS, 8, 8), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 2 * DELAY_MS, 8, 8), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 4 * DELAY_MS, 9, 9), SETTLE_UNSETTLED);
}

/* It goes back and forth between two contents, unless three rounds on end saw but one of them. */
static void alternating_local_data_is_never_different(void **state)
{
	struct fixture *f = *state;

	for (unsigned reads = 0; reads < 4096; reads++) { /* a bit for each local read of six rounds */
		enum settle_verdict verdict = SETTLE_GOES_ON;
		unsigned round = 0, same = 0; /* reads without a change */

		settle_free(f->settle);
		start(f, 3, LAG_MS);
		settle_add(f->settle, 7);
		for (; round < 6 && verdict == SETTLE_GOES_ON; round++) {
			unsigned first = reads >> (2 * round) & 1, last = reads >> (2 * round + 1) & 1;

			same = round > 0 && first == (reads >> (2 * round - 1) & 1) ? same + 1 : 1;
			same = last == first ? same + 1 : 0;
			clock_advance(f->clock, 8 * DELAY_MS);
			verdict = round_of(f, 0, (uint8_t)first, (uint8_t)last);
		}
		assert_int_not_equal(verdict, SETTLE_GOES_ON);
		assert_int_equal(verdict == SETTLE_DIFFERENT, same >= 6);
	}
}

static void reads_that_do_not_come_make_a_round_again_but_not_for_ever(void **state)
{
	struct fixture *f = *state;

	start(f, 3, LAG_MS);
	settle_add(f->settle, 7);
	assert_int_equal(round_of(f, DELAY_MS, 9, 9), SETTLE_GOES_ON);
	for (int i = 0; i < 3; i++) {
		assert_due_in(f, 2 * DELAY_MS); /* the same round */
		take(f, RUN_FIRST, 7, 1);
		assert_int_equal(settle_nothing(f->settle, 7), SETTLE_GOES_ON);
	}
	clock_advance(f->clock, 2 * DELAY_MS);
	take(f, RUN_FIRST, 7, 1);
	assert_int_equal(settle_nothing(f->settle, 7), SETTLE_UNSETTLED);
	assert_int_equal(settle_tracks(f->settle), 0);
}

static void a_second_read_that_does_not_come_confirms_nothing_and_spoils_nothing(void **state)
{
	struct fixture *f = *state;

	start(f, 2, LAG_MS);
	settle_add(f->settle, 7);
	assert_int_equal(round_of(f, DELAY_MS, 9, 9), SETTLE_GOES_ON);
	clock_advance(f->clock, 2 * DELAY_MS);
	take(f, RUN_FIRST, 7, 1);
	first(f, 7);
	clock_advance(f->clock, LAG_MS);
	take(f, RUN_SECOND, 7, 1);
	assert_int_equal(settle_nothing(f->settle, 7), SETTLE_GOES_ON);
	assert_int_equal(round_of(f, 2 * DELAY_MS, 9, 9), SETTLE_DIFFERENT);
	assert_int_equal(f->confirm.times, 2);
	assert_int_equal(f->confirm.over_ms, 3 * LAG_MS + 4 * DELAY_MS);
}

static void a_track_that_cannot_be_read_is_forgotten(void **state)
{
	struct fixture *f = *state;

	start(f, 2, 0);
	settle_add(f->settle, 1);
	settle_add(f->settle, 2);
	clock_advance(f->clock, DELAY_MS);
	take(f, RUN_FIRST, 1, 2);
	settle_forget(f->settle, 1);
	first(f, 2);
	assert_int_equal(settle_tracks(f->settle), 1);
	take(f, RUN_SECOND, 2, 1);
	settle_forget(f->settle, 2);
	assert_int_equal(settle_tracks(f->settle), 0);
	f->ready = 0;
	clock_advance(f->clock, 100000);
	assert_int_equal(f->ready, 0);
}

static void what_no_run_has_can_be_given_up(void **state)
{
	struct fixture *f = *state;
	uint64_t track;
	bool is_given_up[5] = { false };

	start(f, 2, LAG_MS);
	settle_add(f->settle, 0);
	settle_add(f->settle, 1);
	clock_advance(f->clock, DELAY_MS);
	take(f, RUN_FIRST, 0, 2);
	first(f, 0); /* 0 lags, 1 is in a stream's hands, 3 and 4 wait */
	settle_add(f->settle, 3);
	settle_add(f->settle, 4);
	while (settle_give_up(f->settle, &track)) {
		assert_false(is_given_up[track]);
		is_given_up[track] = true;
	}
	assert_true(is_given_up[0] && is_given_up[3] && is_given_up[4] && !is_given_up[1]);
	assert_int_equal(settle_tracks(f->settle), 1);
	f->ready = 0;
	clock_advance(f->clock, 2 * LAG_MS);
	assert_int_equal(f->ready, 0);
	assert_no_run(f);
	first(f, 1);
	assert_true(settle_give_up(f->settle, &track));
	assert_int_equal(track, 1);
}

static void neighbours_found_together_are_read_together(void **state)
{
	struct fixture *f = *state;
	static const uint64_t tracks[] = { 10, 11, 12, 13, 14, 16, 17, 30, 29 };

	start(f, 2, LAG_MS);
	for (size_t i = 0; i < sizeof(tracks) / sizeof(tracks[0]); i++)
		settle_add(f->settle, tracks[i]);
	clock_advance(f->clock, DELAY_MS);
	take(f, RUN_FIRST, 10, 4); /* cut at run_tracks */
	take(f, RUN_FIRST, 14, 1);
	take(f, RUN_FIRST, 16, 2);
	take(f, RUN_FIRST, 30, 1); /* in the order in which they were found */
	take(f, RUN_FIRST, 29, 1);
	assert_no_run(f);
	first(f, 16);
	first(f, 17);
	first(f, 10);
	clock_advance(f->clock, LAG_MS);
	take(f, RUN_SECOND, 16, 2);
	take(f, RUN_SECOND, 10, 1);
	assert_no_run(f);
}

static void a_run_has_only_what_is_due(void **state)
{
	struct fixture *f = *state;

	start(f, 2, LAG_MS);
	settle_add(f->settle, 10);
	clock_advance(f->clock, 1);
	settle_add(f->settle, 11);
	clock_advance(f->clock, DELAY_MS - 1);
	take(f, RUN_FIRST, 10, 1);
	assert_due_in(f, 1);
	take(f, RUN_FIRST, 11, 1);
}

static void what_is_due_first_comes_first(void **state)
{
	struct fixture *f = *state;

	start(f, 2, 50);
	settle_add(f->settle, 1);
	clock_advance(f->clock, DELAY_MS);
	take(f, RUN_FIRST, 1, 1);
	settle_add(f->settle, 20); /* due after 100 */
	first(f, 1); /* due after 50 */
	clock_advance(f->clock, 20);
	settle_add(f->settle, 21);
	assert_due_in(f, 30);
	take(f, RUN_SECOND, 1, 1);
	assert_int_equal(second(f, 1), SETTLE_GOES_ON); /* its second round is due after 200 */
	assert_due_in(f, 50);
	take(f, RUN_FIRST, 20, 1);
	assert_due_in(f, 20);
	take(f, RUN_FIRST, 21, 1);
	assert_due_in(f, 130);
	take(f, RUN_FIRST, 1, 1);
}

/* All wait, lag and come out at the times that are theirs. */
static void as_many_tracks_as_there_may_be_go_through(void **state)
{
	struct fixture *f = *state;
	struct stream_run run;
	uint64_t runs = 0, expected = 0;

	start(f, 1, LAG_MS);
	for (uint64_t track = 0; track < SETTLE_TRACKS_MAX; track++)
		settle_add(f->settle, track);
	assert_int_equal(settle_tracks(f->settle), SETTLE_TRACKS_MAX);
	clock_advance(f->clock, DELAY_MS);
	for (; settle_next_run(f->settle, &run); runs++)
		for (uint64_t i = 0; i < run.track_count; i++)
			first(f, run.first_track + i);
	assert_int_equal(runs, SETTLE_TRACKS_MAX / 4);
	clock_advance(f->clock, LAG_MS);
	while (settle_next_run(f->settle, &run)) {
		assert_int_equal(run.kind, RUN_SECOND);
		assert_int_equal(run.first_track, expected);
		for (uint64_t i = 0; i < run.track_count; i++, expected++)
			assert_int_equal(second(f, run.first_track + i), SETTLE_DIFFERENT);
	}
	assert_int_equal(expected, SETTLE_TRACKS_MAX);
	assert_int_equal(settle_tracks(f->settle), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_track_waits_reads_local_lags_and_reads_both),
		TEST(delays_double),
		TEST(delays_do_not_grow_past_a_day_or_so),
		TEST(equal_in_any_round_is_the_end_of_it),
		TEST(equal_is_the_end_although_local_changed_in_the_round),
		TEST(a_silently_wrong_quiet_track_is_different_with_its_confirmations),
		TEST(one_round_alone_is_enough_when_it_is_all),
		TEST(a_change_within_a_round_takes_its_confirmations_away),
		TEST(a_change_between_rounds_takes_them_away_too),
		TEST(alternating_local_data_is_never_different),
		TEST(reads_that_do_not_come_make_a_round_again_but_not_for_ever),
		TEST(a_second_read_that_does_not_come_confirms_nothing_and_spoils_nothing),
		TEST(a_track_that_cannot_be_read_is_forgotten),
		TEST(what_no_run_has_can_be_given_up),
		TEST(neighbours_found_together_are_read_together),
		TEST(a_run_has_only_what_is_due),
		TEST(what_is_due_first_comes_first),
		TEST(as_many_tracks_as_there_may_be_go_through),
	};

	log_start("test_settle", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
