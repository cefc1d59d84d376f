/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits under a virtual clock: the rate over a long time, several limits, bursts, changes while hundreds wait.
 */
#include "base/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/rate_bed.h"

#define KB 1000u
#define MB (1000u * KB)

/* Several eager readers of the same size read for so long; how many passes there were in all. */
static uint64_t passes_within(unsigned readers_count, uint64_t bytes, int64_t ms)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < readers_count; i++) {
		struct rate_reader *reader = rate_bed_reader(i, NULL, bytes);

		reader->is_eager = true;
		rate_bed_enter(reader);
	}
	clock_advance(rate_bed.clock, ms);
	for (unsigned i = 0; i < readers_count; i++) {
		count += rate_bed.readers[i].passes;
		rate_bed.readers[i].is_eager = false;
	}
	return count;
}

static void assert_within_percent(uint64_t value, uint64_t expected)
{
	assert_true(value >= expected - expected / 100);
	assert_true(value <= expected + expected / 100);
}

/* ---- Rates ---- */

static void without_a_limit_nobody_waits(void **state)
{
	(void)state;
	rate_bed_limit(1, 0, 0);
	rate_bed_enter_many(0, RATE_READERS_MAX, NULL, UINT64_MAX);
	for (unsigned i = 0; i < RATE_READERS_MAX; i++)
		assert_int_equal(rate_bed.readers[i].passes, 1);
	rate_bed_limit(1, 0, 0);
	assert_int_equal(rate_throttled_ms(rate_bed.rates[1]), 0);
	assert_int_equal(rate_limit(rate_bed.rates[1]).bytes_per_s, 0);
}

static void assert_byte_rate(uint64_t bytes_per_s, unsigned readers_count, uint64_t bytes)
{
	const int64_t seconds = 600;

	rate_bed_set_up(NULL);
	rate_bed_limit(0, bytes_per_s, 0);
	assert_within_percent(passes_within(readers_count, bytes, seconds * 1000) * bytes, bytes_per_s * (uint64_t)seconds);
	rate_bed_tear_down(NULL);
}

static void a_byte_rate_is_held_over_a_long_time(void **state)
{
	(void)state;
	rate_bed_tear_down(NULL);
	assert_byte_rate(100 * MB, 8, 1 << 20);
	assert_byte_rate(10 * MB, 1, 1 << 20);
	assert_byte_rate(10 * MB + 1, 3, 65536);
	assert_byte_rate(1237 * KB, 2, 4 << 20);
	assert_byte_rate(99991, 1, 4096);
	assert_byte_rate(1000 * MB, 4, 1 << 20);
	rate_bed_set_up(NULL);
}

static void assert_read_rate(uint64_t reads_per_s, unsigned readers_count)
{
	const int64_t seconds = 1000;

	rate_bed_set_up(NULL);
	rate_bed_limit(0, 0, reads_per_s);
	assert_within_percent(passes_within(readers_count, 1 << 20, seconds * 1000), reads_per_s * (uint64_t)seconds);
	rate_bed_tear_down(NULL);
}

static void a_read_rate_is_held_over_a_long_time(void **state)
{
	(void)state;
	rate_bed_tear_down(NULL);
	assert_read_rate(1, 5);
	assert_read_rate(7, 1);
	assert_read_rate(300, 4);
	assert_read_rate(1999, 64);
	rate_bed_set_up(NULL);
}

/* Few milliseconds are late by much; a tenth of a second's worth is kept meanwhile. */
static void a_late_loop_does_not_lower_the_rate(void **state)
{
	uint64_t bytes = 0;

	(void)state;
	rate_bed_limit(0, 10 * MB, 0);
	for (unsigned i = 0; i < 10000; i++) {
		struct rate_reader *reader = rate_bed_reader(0, NULL, 65536);

		if (!reader->waiter.is_waiting)
			rate_bed_enter(reader);
		clock_advance(rate_bed.clock, 5); /* it passes at its time, and asks again at the next multiple of 5 ms */
	}
	bytes = (uint64_t)rate_bed.readers[0].passes * 65536;
	assert_true(bytes > 49 * (uint64_t)10 * MB * 95 / 100);
}

static void the_lower_of_several_limits_applies(void **state)
{
	(void)state;
	rate_bed_limit(0, 50 * MB, 0);
	rate_bed_limit(1, 0, 5);
	rate_bed_limit(3, 20 * MB, 1000);
	assert_within_percent(passes_within(8, 1 << 20, 1000 * KB), 5000);
	rate_bed_limit(1, 0, 0);
	for (unsigned i = 0; i < 8; i++)
		rate_bed.readers[i].passes = 0;
	clock_advance(rate_bed.clock, 1000);
	for (unsigned i = 0; i < 8; i++) {
		rate_leave(&rate_bed.readers[i].waiter);
		rate_bed.readers[i].passes = 0;
	}
	assert_within_percent(passes_within(8, 1 << 20, 1000 * KB) << 20, 20000 * (uint64_t)MB);
}

/* Two limits, each with readers of its own that want all of it, and one reader that needs both. */
static void a_read_with_two_limits_is_not_starved_by_those_with_one(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 10);
	rate_bed_limit(1, 0, 10);
	for (unsigned i = 0; i < 41; i++) {
		struct rate_reader *reader = rate_bed_reader(i, NULL, 1);

		reader->group = reader;
		if (i < 20)
			reader->rates[1] = NULL;
		else if (i < 40)
			reader->rates[0] = NULL;
		reader->is_eager = true;
		rate_bed_enter(reader);
	}
	clock_advance(rate_bed.clock, 100 * 1000);
	assert_in_range(rate_bed.readers[40].passes, 22, 25); /* a turn of 21 at the one limit, then at the other */
	for (unsigned i = 0; i < 41; i++)
		assert_true(rate_bed.readers[i].passes <= 60);
}

static void a_tenth_of_a_second_passes_at_once(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 1000);
	rate_bed_enter_many(0, 200, NULL, 1);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(rate_bed.readers[i].passes, i < 100);
	clock_advance(rate_bed.clock, 50);
	assert_int_equal(rate_bed.passes, 50);
	clock_advance(rate_bed.clock, 1000); /* all are through; what is kept for later is a tenth of a second again */
	assert_int_equal(rate_bed.passes, 100);
	rate_bed_enter_many(200, 200, NULL, 1);
	assert_int_equal(rate_bed.readers[299].passes, 1);
	assert_int_equal(rate_bed.readers[300].passes, 0);
}

static void at_least_one_read_passes_at_once(void **state)
{
	(void)state;
	rate_bed_limit(0, 1, 1);
	rate_bed_enter_many(0, 2, NULL, 1 << 20);
	assert_int_equal(rate_bed.readers[0].passes, 1);
	assert_int_equal(rate_bed.readers[1].passes, 0);
}

static void a_read_is_charged_with_all_its_bytes(void **state)
{
	(void)state;
	rate_bed_limit(0, 1 * MB, 0);
	rate_bed_enter_many(0, 2, NULL, 10 * MB);
	assert_int_equal(rate_bed.readers[0].passes, 1);
	clock_advance(rate_bed.clock, 9900);
	assert_int_equal(rate_bed.passes, 0);
	clock_advance(rate_bed.clock, 1);
	assert_int_equal(rate_bed.passes, 1);
}

static void the_clock_may_jump_far_ahead(void **state)
{
	(void)state;
	rate_bed_limit(0, UINT64_MAX, 0);
	rate_bed_limit(1, 3, UINT64_MAX);
	rate_bed_limit(2, 1000, 10);
	rate_bed_enter_many(0, 3, NULL, 1000);
	clock_advance(rate_bed.clock, (int64_t)1 << 40);
	assert_int_equal(rate_bed.readers[0].passes + rate_bed.readers[1].passes + rate_bed.readers[2].passes, 3);
	rate_bed_enter_many(3, 2, NULL, 1000);
	assert_int_equal(rate_bed.readers[3].passes, 1); /* no more than a tenth of a second was kept */
	assert_int_equal(rate_bed.readers[4].passes, 0);
}

static void huge_rates_and_huge_reads_do_not_overflow(void **state)
{
	(void)state;
	rate_bed_limit(0, UINT64_MAX, UINT64_MAX);
	rate_bed_enter_many(0, 1000, NULL, 1 << 20);
	assert_int_equal(rate_bed.readers[999].passes, 1);
	assert_true(rate_limit(rate_bed.rates[0]).reads_per_s == UINT64_MAX);
	for (unsigned i = 0; i < 100; i++) {
		rate_bed_enter(rate_bed_reader(0, NULL, UINT64_MAX));
		clock_advance(rate_bed.clock, 3000);
		assert_false(rate_bed.readers[0].waiter.is_waiting);
	}
	rate_bed_limit(0, 1, 1);
	for (unsigned i = 0; i < 3; i++)
		rate_give_back(rate_bed.rates, UINT64_MAX, 1000000);
	rate_bed_enter(rate_bed_reader(1, NULL, UINT64_MAX));
	rate_bed_enter(rate_bed_reader(2, NULL, 1));
	assert_int_equal(rate_bed.readers[1].passes, 2);
	clock_advance(rate_bed.clock, (int64_t)1 << 40);
	assert_true(rate_bed.readers[2].waiter.is_waiting);
	rate_bed_limit(0, UINT64_MAX, UINT64_MAX);
	clock_advance(rate_bed.clock, 1001);
	assert_false(rate_bed.readers[2].waiter.is_waiting);
}

/* ---- Changes ---- */

static void a_higher_limit_applies_at_once(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 1);
	rate_bed_enter_many(0, 501, NULL, 1);
	clock_advance(rate_bed.clock, 10000);
	assert_int_equal(rate_bed.passes, 10);
	rate_bed_limit(0, 0, 100);
	clock_advance(rate_bed.clock, 1000);
	assert_in_range(rate_bed.passes, 108, 112);
}

static void a_lower_limit_applies_at_once(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 1000);
	rate_bed_enter_many(0, 600, NULL, 1);
	clock_advance(rate_bed.clock, 100);
	assert_int_equal(rate_bed.passes, 100);
	rate_bed_limit(0, 0, 2);
	clock_advance(rate_bed.clock, 10000);
	assert_in_range(rate_bed.passes, 119, 121);
}

static void without_the_limit_all_who_wait_go_on(void **state)
{
	(void)state;
	rate_bed_limit(0, 1, 1);
	rate_bed_limit(1, 1, 1);
	rate_bed_enter_many(0, RATE_READERS_MAX, NULL, 1 << 20);
	rate_bed_limit(1, 0, 0);
	clock_advance(rate_bed.clock, 0);
	assert_int_equal(rate_bed.passes, 0);
	rate_bed_limit(0, 0, 0);
	assert_int_equal(rate_bed.passes, 0); /* from the loop */
	clock_advance(rate_bed.clock, 0);
	assert_int_equal(rate_bed.passes, RATE_READERS_MAX - 1);
}

static void a_limit_that_comes_later_counts_from_then_on(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 0);
	rate_bed_enter_many(0, 100, NULL, 1 << 20);
	assert_int_equal(rate_bed.readers[99].passes, 1);
	rate_bed_limit(0, 0, 100);
	rate_bed_enter_many(100, 100, NULL, 1 << 20);
	assert_int_equal(rate_bed.readers[109].passes, 1);
	assert_int_equal(rate_bed.readers[110].passes, 0);
}

static void what_was_given_back_is_not_counted(void **state)
{
	(void)state;
	rate_bed_limit(0, 1 * MB, 0);
	rate_bed_limit(1, 0, 10);
	rate_bed_enter_many(0, 3, NULL, 10 * MB);
	assert_int_equal(rate_bed.readers[0].passes, 1);
	rate_give_back(rate_bed.readers[0].rates, 10 * MB, 1);
	clock_advance(rate_bed.clock, 0);
	assert_int_equal(rate_bed.passes, 1);
	rate_give_back(rate_bed.readers[1].rates, 10 * MB, 0); /* it read holes only: a read none the less */
	clock_advance(rate_bed.clock, 0);
	assert_int_equal(rate_bed.passes, 1);
	clock_advance(rate_bed.clock, 101);
	assert_int_equal(rate_bed.passes, 2);
}

static void giving_back_fills_no_more_than_a_tenth_of_a_second(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 100);
	rate_give_back(rate_bed.rates, 0, 1000);
	rate_bed_enter_many(0, 20, NULL, 1);
	assert_int_equal(rate_bed.readers[9].passes, 1);
	assert_int_equal(rate_bed.readers[10].passes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rate_bed_set_up, rate_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_limit_nobody_waits),
		TEST(a_byte_rate_is_held_over_a_long_time),
		TEST(a_read_rate_is_held_over_a_long_time),
		TEST(a_late_loop_does_not_lower_the_rate),
		TEST(the_lower_of_several_limits_applies),
		TEST(a_read_with_two_limits_is_not_starved_by_those_with_one),
		TEST(a_tenth_of_a_second_passes_at_once),
		TEST(at_least_one_read_passes_at_once),
		TEST(a_read_is_charged_with_all_its_bytes),
		TEST(the_clock_may_jump_far_ahead),
		TEST(huge_rates_and_huge_reads_do_not_overflow),
		TEST(a_higher_limit_applies_at_once),
		TEST(a_lower_limit_applies_at_once),
		TEST(without_the_limit_all_who_wait_go_on),
		TEST(a_limit_that_comes_later_counts_from_then_on),
		TEST(what_was_given_back_is_not_counted),
		TEST(giving_back_fills_no_more_than_a_tenth_of_a_second),
	};

	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
