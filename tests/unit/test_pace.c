/* SPDX-License-Identifier: Apache-2.0
 *
 * The window of progress: rates and the time left through stalls, bursts, passes and a link that is down; and each
 * answer to what binds.
 */
#include "primary/compare/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRACKS 1000u
#define TRACK_BYTES 65536u

struct fixture {
	struct pace *pace;
	int64_t now_ms;
	struct pace_input input;
	struct pace_figures figures;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->now_ms = 5000000;
	f->pace = pace_new(f->now_ms);
	f->input = (struct pace_input){ .phase = PACE_COMPARING, .pass = 1, .total_tracks = TRACKS };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	pace_free(f->pace);
	free(f);
	return 0;
}

static void take(struct fixture *f)
{
	pace_take(f->pace, f->now_ms, &f->input);
	pace_figures(f->pace, &f->figures);
	assert_in_range(f->figures.left_s, 0, PACE_LEFT_MAX_S);
	if (f->figures.done_tracks == f->figures.total_tracks)
		assert_int_equal(f->figures.left_s, 0);
}

/* Half a second in which so many tracks are compared. */
static void step(struct fixture *f, uint64_t tracks)
{
	f->now_ms += 500;
	f->input.done_tracks += tracks;
	f->input.waits.read_bytes[SIDE_LOCAL] += tracks * TRACK_BYTES;
	f->input.waits.read_bytes[SIDE_REMOTE] += tracks * TRACK_BYTES / 2;
	take(f);
}

static void steps(struct fixture *f, unsigned count, uint64_t tracks)
{
	for (unsigned i = 0; i < count; i++)
		step(f, tracks);
}

static void figures_are_those_of_now(void **state)
{
	struct fixture *f = *state;

	f->input.tracks[REPORT_DIFFERENT] = 2;
	f->input.tracks[REPORT_NOT_COMPARED] = 3;
	f->input.settling_tracks = 4;
	f->input.compared_bytes = 5;
	take(f);
	steps(f, 3, 7);
	assert_int_equal(f->figures.phase, PACE_COMPARING);
	assert_int_equal(f->figures.pass, 1);
	assert_int_equal(f->figures.done_tracks, 21);
	assert_int_equal(f->figures.total_tracks, TRACKS);
	assert_int_equal(f->figures.tracks[REPORT_DIFFERENT], 2);
	assert_int_equal(f->figures.tracks[REPORT_NOT_COMPARED], 3);
	assert_int_equal(f->figures.settling_tracks, 4);
	assert_int_equal(f->figures.compared_bytes, 5);
	assert_int_equal(f->figures.elapsed_s, 1);
}

static void rates_are_of_the_window_only(void **state)
{
	struct fixture *f = *state;

	take(f);
	assert_int_equal(f->figures.local_bytes_per_s, 0);
	steps(f, 20, 10);
	assert_int_equal(f->figures.local_bytes_per_s, 20 * TRACK_BYTES);
	assert_int_equal(f->figures.remote_bytes_per_s, 10 * TRACK_BYTES);
	steps(f, 10, 2);
	assert_int_equal(f->figures.local_bytes_per_s, 12 * TRACK_BYTES);
	steps(f, 10, 2); /* nothing of the fast time is in the window any more */
	assert_int_equal(f->figures.local_bytes_per_s, 4 * TRACK_BYTES);
	assert_int_equal(f->figures.remote_bytes_per_s, 2 * TRACK_BYTES);
}

static void time_left_comes_when_there_is_enough_to_tell(void **state)
{
	struct fixture *f = *state;

	take(f);
	steps(f, 3, 10);
	assert_int_equal(f->figures.left_s, 0);
	step(f, 10);
	assert_int_equal(f->figures.left_s, 48); /* 960 tracks, 20 a second */
	steps(f, 36, 10);
	assert_int_equal(f->figures.left_s, 30);
}

static void time_left_goes_down_to_one_second_and_no_further(void **state)
{
	struct fixture *f = *state;
	uint64_t before = UINT64_MAX;

	take(f);
	for (unsigned i = 0; i < 99; i++) {
		step(f, 10);
		if (f->figures.left_s == 0)
			continue;
		assert_true(f->figures.left_s <= before);
		before = f->figures.left_s;
	}
	step(f, 9); /* one track is left: a twentieth of a second */
	assert_int_equal(f->figures.left_s, 1);
	step(f, 1);
	assert_int_equal(f->figures.left_s, 0);
	assert_int_equal(f->figures.done_tracks, TRACKS);
}

static void stalled_window_says_unknown(void **state)
{
	struct fixture *f = *state;

	take(f);
	steps(f, 20, 10);
	assert_int_equal(f->figures.left_s, 40);
	steps(f, 18, 0);
	assert_int_equal(f->figures.left_s, 400); /* a tenth of it: it may still go on */
	steps(f, 3, 0);
	assert_int_equal(f->figures.left_s, 0);
	assert_int_equal(f->figures.local_bytes_per_s, 0);
	assert_int_equal(f->figures.binds, PACE_UNKNOWN);
	step(f, 10);
	assert_int_equal(f->figures.left_s, 790);
}

static void bursts_are_spread_over_the_window(void **state)
{
	struct fixture *f = *state;

	take(f);
	for (unsigned i = 0; i < 60; i++) {
		step(f, i % 10 == 0 ? 10 : 0); /* ten tracks in five seconds */
		if (i >= 25)
			assert_in_range(f->figures.left_s, (TRACKS - f->figures.done_tracks) / 2,
				(TRACKS - f->figures.done_tracks) / 2 + 1);
	}
}

static void more_than_99_days_are_unknown(void **state)
{
	struct fixture *f = *state;

	f->input.total_tracks = 2 * 99 * 86400ull;
	take(f);
	steps(f, 4, 1);
	assert_in_range(f->figures.left_s, 98 * 86400, PACE_LEFT_MAX_S);
	f->input.total_tracks = UINT64_MAX;
	step(f, 1);
	assert_int_equal(f->figures.left_s, 0);
}

static void time_in_which_the_link_was_down_is_no_part_of_the_window(void **state)
{
	struct fixture *f = *state;

	take(f);
	steps(f, 20, 10);
	f->input.is_link_down = true;
	take(f);
	assert_int_equal(f->figures.phase, PACE_WAITING);
	assert_int_equal(f->figures.left_s, 0);
	assert_int_equal(f->figures.local_bytes_per_s, 0);
	steps(f, 200, 0);
	assert_int_equal(f->figures.elapsed_s, 110);
	assert_int_equal(f->figures.done_tracks, 200);
	f->input.is_link_down = false;
	take(f);
	assert_int_equal(f->figures.phase, PACE_COMPARING);
	assert_int_equal(f->figures.left_s, 40);
	assert_int_equal(f->figures.local_bytes_per_s, 20 * TRACK_BYTES);
	step(f, 10);
	assert_in_range(f->figures.left_s, 39, 40);
}

static void each_pass_and_phase_has_its_own_window(void **state)
{
	struct fixture *f = *state;

	take(f);
	steps(f, 20, 10);
	f->input.pass = 2;
	f->input.done_tracks = 0;
	memset(&f->input.waits, 0, sizeof(f->input.waits));
	step(f, 0);
	assert_int_equal(f->figures.left_s, 0);
	assert_int_equal(f->figures.local_bytes_per_s, 0);
	steps(f, 4, 50);
	assert_int_equal(f->figures.left_s, 8);
	f->input.phase = PACE_SETTLING;
	step(f, 0);
	assert_int_equal(f->figures.left_s, 0);
	assert_int_equal(f->figures.phase, PACE_SETTLING);
}

/* A signal asks as often as it likes. */
static void asking_often_does_not_shorten_the_window(void **state)
{
	struct fixture *f = *state;

	take(f);
	for (unsigned i = 0; i < 20; i++) {
		step(f, 10);
		for (unsigned j = 0; j < 100; j++)
			take(f);
	}
	assert_int_equal(f->figures.left_s, 40);
	for (unsigned i = 0; i < 20000; i++) {
		f->now_ms++;
		take(f);
	}
	assert_int_equal(f->figures.local_bytes_per_s, 0);
}

/* The process was stopped for a minute. */
static void a_gap_without_samples_is_time_all_the_same(void **state)
{
	struct fixture *f = *state;

	take(f);
	steps(f, 20, 10);
	f->now_ms += 60000;
	step(f, 10);
	assert_in_range(f->figures.left_s, 1, 79 * 61);
	steps(f, 21, 10);
	assert_in_range(f->figures.left_s, 28, 29);
}

/* ---- What binds ---- */

/* Ten seconds in which eight streams had nothing but questions: four fifths of it for the remote side alone. */
static struct pace_span remote_span(void)
{
	return (struct pace_span){ .ms = 10000, .waits = { .asked_ms = { 0, 16000, 80000 }, .alone_ms = { 0, 0, 64000 } } };
}

static struct pace_span local_span(void)
{
	return (struct pace_span){ .ms = 10000, .waits = { .asked_ms = { 0, 80000, 16000 }, .alone_ms = { 0, 64000, 0 } } };
}

static void remote_side_without_its_disk_is_the_link(void **state)
{
	struct pace_span span = remote_span();

	(void)state;
	assert_int_equal(pace_binds(&span), PACE_LINK);
	span.waits.disk_ms = 39999;
	assert_int_equal(pace_binds(&span), PACE_LINK);
	span.waits.disk_ms = 40000;
	assert_int_equal(pace_binds(&span), PACE_REMOTE_DISK);
	span.waits.disk_ms = 30000; /* most of what was not the limit */
	span.waits.throttled_ms[SIDE_REMOTE] = 20000;
	assert_int_equal(pace_binds(&span), PACE_REMOTE_DISK);
}

static void local_side_is_its_disk(void **state)
{
	struct pace_span span = local_span();

	(void)state;
	assert_int_equal(pace_binds(&span), PACE_LOCAL_DISK);
}

static void sides_that_take_turns_tell_nothing(void **state)
{
	struct pace_span span = remote_span();

	(void)state;
	span.waits.alone_ms[SIDE_LOCAL] = 33000;
	assert_int_equal(pace_binds(&span), PACE_UNKNOWN);
	span.waits.alone_ms[SIDE_LOCAL] = 32000;
	assert_int_equal(pace_binds(&span), PACE_LINK);
	span.waits.alone_ms[SIDE_LOCAL] = 0;
	span.waits.alone_ms[SIDE_REMOTE] = 19999; /* less than a quarter */
	assert_int_equal(pace_binds(&span), PACE_UNKNOWN);
	span.waits.alone_ms[SIDE_REMOTE] = 0;
	span.waits.asked_ms[SIDE_REMOTE] = 0;
	assert_int_equal(pace_binds(&span), PACE_UNKNOWN);
}

static void limit_of_one_side_or_of_both_binds(void **state)
{
	struct pace_span span = remote_span();

	(void)state;
	span.waits.throttled_ms[SIDE_REMOTE] = 40000; /* of its own time, less than half of both */
	assert_int_equal(pace_binds(&span), PACE_LIMIT);
	span.waits.throttled_ms[SIDE_REMOTE] = 39999;
	assert_int_equal(pace_binds(&span), PACE_LINK);
	span = (struct pace_span){ .ms = 10000, .waits = { .asked_ms = { 0, 80000, 80000 },
		.throttled_ms = { 0, 50000, 30000 } } };
	assert_int_equal(pace_binds(&span), PACE_LIMIT); /* neither is slower */
	span.cpu_ms = 10000;
	assert_int_equal(pace_binds(&span), PACE_LIMIT); /* that is why it waits, busy or not */
	span.cpu_ms = 0;
	span.waits.throttled_ms[SIDE_LOCAL] = 49999;
	assert_int_equal(pace_binds(&span), PACE_UNKNOWN);
}

static void busy_loop_of_any_of_the_three_is_the_processor(void **state)
{
	struct pace_span span = remote_span();

	(void)state;
	span.waits.disk_ms = 80000;
	span.cpu_ms = 8999;
	assert_int_equal(pace_binds(&span), PACE_REMOTE_DISK);
	span.cpu_ms = 9000;
	assert_int_equal(pace_binds(&span), PACE_PROCESSOR);
	span.cpu_ms = 0;
	span.waits.cpu_ms[SIDE_LOCAL] = 9000;
	assert_int_equal(pace_binds(&span), PACE_PROCESSOR);
	span.waits.cpu_ms[SIDE_LOCAL] = 0;
	span.waits.cpu_ms[SIDE_REMOTE] = 9000;
	assert_int_equal(pace_binds(&span), PACE_PROCESSOR);
}

static void way_within_one_machine_is_the_processor_when_it_works(void **state)
{
	struct pace_span span = remote_span();

	(void)state;
	span.is_one_host = true;
	span.cpu_ms = 1000;
	span.waits.cpu_ms[SIDE_LOCAL] = 2000;
	span.waits.cpu_ms[SIDE_REMOTE] = 3000;
	assert_int_equal(pace_binds(&span), PACE_PROCESSOR);
	span.waits.cpu_ms[SIDE_REMOTE] = 2999; /* it rather waits */
	assert_int_equal(pace_binds(&span), PACE_LINK);
	span.waits.cpu_ms[SIDE_REMOTE] = 3000;
	span.is_one_host = false;
	assert_int_equal(pace_binds(&span), PACE_LINK);
	span.is_one_host = true;
	span.waits.disk_ms = 40000;
	assert_int_equal(pace_binds(&span), PACE_REMOTE_DISK);
}

static void own_delays_hide_what_was_waited_for(void **state)
{
	struct pace_span span = remote_span();

	(void)state;
	span.waits.delayed_ms[SIDE_REMOTE] = 40000;
	assert_int_equal(pace_binds(&span), PACE_UNKNOWN);
	span.waits.delayed_ms[SIDE_REMOTE] = 39999;
	assert_int_equal(pace_binds(&span), PACE_LINK);
	span = local_span();
	span.waits.delayed_ms[SIDE_LOCAL] = 40000;
	assert_int_equal(pace_binds(&span), PACE_UNKNOWN);
}

static void nothing_waited_for_is_unknown(void **state)
{
	struct pace_span span = { .ms = 10000, .cpu_ms = 10000 };

	(void)state;
	assert_int_equal(pace_binds(&span), PACE_UNKNOWN);
	span = remote_span();
	span.ms = 0;
	assert_int_equal(pace_binds(&span), PACE_UNKNOWN);
}

static void what_binds_is_of_the_window_only(void **state)
{
	struct fixture *f = *state;

	f->input.cpu_ms = 100000;
	take(f);
	for (unsigned i = 0; i < 20; i++) {
		f->input.waits.asked_ms[SIDE_REMOTE] += 4000;
		f->input.waits.alone_ms[SIDE_REMOTE] += 3000;
		f->input.waits.disk_ms += 3000;
		f->input.waits.cpu_ms[SIDE_REMOTE] = 70000 + i * 100; /* what it used before is not looked at */
		step(f, 10);
		assert_int_equal(f->figures.binds, i < 3 ? PACE_UNKNOWN : PACE_REMOTE_DISK);
	}
	for (unsigned i = 0; i < 20; i++) {
		f->input.waits.asked_ms[SIDE_REMOTE] += 4000;
		f->input.waits.alone_ms[SIDE_REMOTE] += 3000;
		f->input.waits.cpu_ms[SIDE_REMOTE] += 100;
		step(f, 10);
	}
	assert_int_equal(f->figures.binds, PACE_LINK);
	for (unsigned i = 0; i < 20; i++) {
		f->input.waits.asked_ms[SIDE_REMOTE] += 4000;
		f->input.waits.alone_ms[SIDE_REMOTE] += 3000;
		f->input.waits.cpu_ms[SIDE_REMOTE] += 500;
		step(f, 10);
	}
	assert_int_equal(f->figures.binds, PACE_PROCESSOR);
	f->input.waits.cpu_ms[SIDE_REMOTE] = 3; /* the secondary is a new one */
	f->input.waits.asked_ms[SIDE_REMOTE] += 4000;
	step(f, 10);
	assert_int_equal(f->figures.binds, PACE_LINK);
	f->input.is_one_host = true;
	f->input.cpu_ms += 7000;
	step(f, 10);
	assert_int_equal(f->figures.binds, PACE_PROCESSOR);
}

static void names_are_those_of_the_protocol(void **state)
{
	(void)state;
	assert_string_equal(pace_phase_name(PACE_WAITING), "waiting for the link");
	assert_string_equal(pace_phase_name(PACE_FINISHING), "finishing");
	assert_string_equal(pace_binds_name(PACE_UNKNOWN), "");
	assert_string_equal(pace_binds_name(PACE_REMOTE_DISK), "remote disk");
	assert_string_equal(pace_binds_name(PACE_LIMIT), "limit");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(figures_are_those_of_now),
		TEST(rates_are_of_the_window_only),
		TEST(time_left_comes_when_there_is_enough_to_tell),
		TEST(time_left_goes_down_to_one_second_and_no_further),
		TEST(stalled_window_says_unknown),
		TEST(bursts_are_spread_over_the_window),
		TEST(more_than_99_days_are_unknown),
		TEST(time_in_which_the_link_was_down_is_no_part_of_the_window),
		TEST(each_pass_and_phase_has_its_own_window),
		TEST(asking_often_does_not_shorten_the_window),
		TEST(a_gap_without_samples_is_time_all_the_same),
		TEST(remote_side_without_its_disk_is_the_link),
		TEST(local_side_is_its_disk),
		TEST(sides_that_take_turns_tell_nothing),
		TEST(limit_of_one_side_or_of_both_binds),
		TEST(busy_loop_of_any_of_the_three_is_the_processor),
		TEST(way_within_one_machine_is_the_processor_when_it_works),
		TEST(own_delays_hide_what_was_waited_for),
		TEST(nothing_waited_for_is_unknown),
		TEST(what_binds_is_of_the_window_only),
		TEST(names_are_those_of_the_protocol),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
