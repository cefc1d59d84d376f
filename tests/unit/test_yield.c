/* SPDX-License-Identifier: Apache-2.0
 *
 * When reads step back: the rule that is learned, what raises a pause and what does not, and how it ends. Time is
 * virtual; the volume is a row of numbers.
 */
#include "storage/yield.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB 1048576u
#define MS INT64_C(1000000)
#define MINUTE_NS (60 * INT64_C(1000000000))
#define LEARNED 32

static struct yield *yield;
static int64_t now_ns;

static int set_up(void **state)
{
	(void)state;
	yield = yield_new();
	now_ns = 12345;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	yield_free(yield);
	return 0;
}

/* One read of so many, side by side. Returns the pause before the next one, and lets it pass. */
static int64_t tell(size_t bytes, int64_t took_ns, unsigned at_once)
{
	const struct yield_read read = { .bytes = bytes, .has_waited = true, .took_ns = took_ns, .at_once = at_once };
	int64_t pause_ns;

	now_ns += took_ns / at_once;
	yield_tell(yield, &read, now_ns);
	pause_ns = yield_pause_ns(yield);
	now_ns += pause_ns;
	return pause_ns;
}

/* How many of so many reads of 1 MiB were followed by a pause. */
static int pauses_of(int reads, int64_t took_ns, unsigned at_once)
{
	int pauses = 0;

	for (int i = 0; i < reads; i++)
		pauses += tell(MIB, took_ns, at_once) > 0;
	return pauses;
}

static void it_does_not_pause_before_it_has_learned(void **state)
{
	(void)state;
	for (int i = 0; i < LEARNED; i++)
		assert_int_equal(tell(MIB, (i % 4 == 0 ? 400 : 4) * MS, 1), 0);
}

static void reads_as_they_always_were_do_not_pause(void **state)
{
	(void)state;
	assert_int_equal(pauses_of(10000, 5 * MS, 4), 0);
	/* Now and then one is late: a disk that is busy with itself. */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(tell(MIB, 900 * MS, 4), 0);
		assert_int_equal(pauses_of(40, 5 * MS, 4), 0);
	}
}

static void a_slow_volume_that_always_was_slow_does_not_pause(void **state)
{
	(void)state;
	assert_int_equal(pauses_of(1000, 700 * MS, 1), 0);
}

static void reads_that_take_far_longer_pause_and_go_on_when_it_is_over(void **state)
{
	(void)state;
	assert_int_equal(pauses_of(100, 5 * MS, 4), 0);
	assert_true(pauses_of(20, 60 * MS, 4) >= 15);
	assert_int_equal(tell(MIB, 60 * MS, 4), 180 * MS); /* three quarters are left to others */
	assert_true(pauses_of(30, 5 * MS, 4) < 15);
	assert_int_equal(pauses_of(1000, 5 * MS, 4), 0);
}

static void a_pause_is_never_long(void **state)
{
	(void)state;
	assert_int_equal(pauses_of(100, 5 * MS, 1), 0);
	for (int i = 0; i < 50; i++)
		assert_true(tell(MIB, 7000 * MS, 1) <= YIELD_PAUSE_MAX_MS * MS);
	assert_int_equal(tell(MIB, 7000 * MS, 1), YIELD_PAUSE_MAX_MS * MS);
	assert_int_equal(tell(MIB, INT64_MAX / 2, 1), YIELD_PAUSE_MAX_MS * MS);
}

static void twice_as_long_is_not_far_longer(void **state)
{
	(void)state;
	assert_int_equal(pauses_of(100, 5 * MS, 4), 0);
	assert_int_equal(pauses_of(1000, 10 * MS, 4), 0);
}

static void reads_that_are_fast_all_the_same_do_not_pause(void **state)
{
	(void)state;
	assert_int_equal(pauses_of(100, MS / 10, 4), 0);
	assert_int_equal(tell(MIB, 900 * MS, 4), 0);
	assert_int_equal(pauses_of(1000, 19 * MS / 10, 4), 0);
	assert_true(pauses_of(100, 21 * MS / 10, 4) > 0);
	assert_true(pauses_of(100, 900 * MS, 4) > 90);
}

static void more_reads_at_once_are_not_somebody_else(void **state)
{
	(void)state;
	/* A disk that serves one after the other, first alone, then eight at a time; and back. */
	assert_int_equal(pauses_of(100, 5 * MS, 1), 0);
	assert_int_equal(pauses_of(1000, 40 * MS, 8), 0);
	assert_int_equal(pauses_of(1000, 5 * MS, 1), 0);
}

static void fewer_reads_at_once_are_not_somebody_else(void **state)
{
	(void)state;
	/* One that serves them side by side, eight at a time, then alone. */
	assert_int_equal(pauses_of(100, 5 * MS, 8), 0);
	assert_int_equal(pauses_of(1000, 5 * MS, 1), 0);
	/* Somebody comes. */
	assert_true(pauses_of(100, 400 * MS, 8) > 50);
}

static void somebody_else_is_seen_when_reads_pile_up(void **state)
{
	(void)state;
	/* Alone, as they came; then there are four before the first one has ended, which takes ten times as long. */
	assert_int_equal(pauses_of(100, 5 * MS, 1), 0);
	assert_true(pauses_of(100, 50 * MS, 4) > 80);
}

static void each_size_has_its_own_rule(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(tell(65536, 1 * MS, 1), 0);
		assert_int_equal(tell(MIB, 16 * MS, 1), 0);
		assert_int_equal(tell(SIZE_MAX, 900 * MS, 1), 0);
		assert_int_equal(tell(1, 3 * MS, 1), 0);
	}
	for (int i = 0; i < 20; i++)
		tell(65536, 16 * MS, 1);
	assert_int_equal(tell(65536, 16 * MS, 1), 48 * MS);
	assert_int_equal(tell(MIB, 16 * MS, 1), 0);
}

static void what_is_in_memory_does_not_pause_and_teaches_nothing(void **state)
{
	const struct yield_read from_memory = { .bytes = MIB, .took_ns = MS / 10, .at_once = 1 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		yield_tell(yield, &from_memory, now_ns);
	assert_int_equal(pauses_of(1000, 50 * MS, 1), 0);
	assert_true(pauses_of(100, 500 * MS, 1) > 50);
	yield_tell(yield, &from_memory, now_ns);
	assert_int_equal(yield_pause_ns(yield), 0);
}

static void load_that_comes_slowly_is_seen(void **state)
{
	int pauses = 0;

	(void)state;
	assert_int_equal(pauses_of(1000, 5 * MS, 4), 0);
	/* Twice as much every ten seconds or so. */
	for (int64_t took_ns = 5 * MS; took_ns < 80 * MS; took_ns += took_ns / 2000)
		pauses += tell(MIB, took_ns, 4) > 0;
	assert_true(pauses > 100);
}

static void load_that_stays_for_a_quarter_of_an_hour_is_still_yielded_to(void **state)
{
	int64_t end_ns;

	(void)state;
	assert_int_equal(pauses_of(1000, 5 * MS, 4), 0);
	pauses_of(20, 50 * MS, 4);
	for (end_ns = now_ns + 15 * MINUTE_NS; now_ns < end_ns;)
		assert_true(tell(MIB, 50 * MS, 4) > 0);
}

static void a_volume_that_stays_slower_becomes_the_rule(void **state)
{
	int64_t end_ns;

	(void)state;
	assert_int_equal(pauses_of(1000, 5 * MS, 4), 0);
	for (end_ns = now_ns + 3 * 60 * MINUTE_NS; now_ns < end_ns;)
		tell(MIB, 50 * MS, 4);
	assert_int_equal(pauses_of(1000, 50 * MS, 4), 0);
}

static void a_night_without_reads_changes_no_rule(void **state)
{
	(void)state;
	assert_int_equal(pauses_of(1000, 5 * MS, 4), 0);
	now_ns += 10 * 60 * MINUTE_NS;
	assert_true(pauses_of(40, 60 * MS, 4) >= 30);
}

static void a_rule_learned_in_a_bad_time_falls(void **state)
{
	(void)state;
	assert_int_equal(pauses_of(LEARNED, 100 * MS, 4), 0);
	assert_int_equal(pauses_of(300, 5 * MS, 4), 0);
	assert_true(pauses_of(40, 100 * MS, 4) >= 30);
}

static void pauses_are_summed(void **state)
{
	(void)state;
	assert_int_equal(yield_paused_ms(yield), 0);
	yield_add_paused(yield, 3 * MS / 2);
	yield_add_paused(yield, 3 * MS / 2);
	assert_int_equal(yield_paused_ms(yield), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_does_not_pause_before_it_has_learned),
		TEST(reads_as_they_always_were_do_not_pause),
		TEST(a_slow_volume_that_always_was_slow_does_not_pause),
		TEST(reads_that_take_far_longer_pause_and_go_on_when_it_is_over),
		TEST(a_pause_is_never_long),
		TEST(twice_as_long_is_not_far_longer),
		TEST(reads_that_are_fast_all_the_same_do_not_pause),
		TEST(more_reads_at_once_are_not_somebody_else),
		TEST(fewer_reads_at_once_are_not_somebody_else),
		TEST(somebody_else_is_seen_when_reads_pile_up),
		TEST(each_size_has_its_own_rule),
		TEST(what_is_in_memory_does_not_pause_and_teaches_nothing),
		TEST(load_that_comes_slowly_is_seen),
		TEST(load_that_stays_for_a_quarter_of_an_hour_is_still_yielded_to),
		TEST(a_volume_that_stays_slower_becomes_the_rule),
		TEST(a_night_without_reads_changes_no_rule),
		TEST(a_rule_learned_in_a_bad_time_falls),
		TEST(pauses_are_summed),
	};

	return cmocka_run_group_tests_name("yield", tests, NULL, NULL);
}
