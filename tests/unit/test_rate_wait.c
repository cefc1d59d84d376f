/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for a limit: whose turn it is, leaving, the time that was waited, and what a callback may do.
 */
#include "base/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/support/rate_bed.h"

/* ---- Turns ---- */

static void groups_take_turns(void **state)
{
	char a, b, c;

	(void)state;
	rate_bed_limit(0, 0, 10);
	rate_bed_enter(rate_bed_reader(RATE_READERS_MAX - 1, &c, 1)); /* uses up what passes at once */
	rate_bed_enter_many(0, 200, &a, 1);
	rate_bed_enter_many(200, 1, &b, 1);
	rate_bed_enter_many(201, 2, &c, 1);
	clock_advance(rate_bed.clock, 20300);
	assert_int_equal(rate_bed.passes, 203);
	assert_ptr_equal(rate_bed.order[0], &rate_bed.readers[0]);
	assert_ptr_equal(rate_bed.order[1], &rate_bed.readers[200]);
	assert_ptr_equal(rate_bed.order[2], &rate_bed.readers[201]);
	assert_ptr_equal(rate_bed.order[3], &rate_bed.readers[1]);
	assert_ptr_equal(rate_bed.order[4], &rate_bed.readers[202]);
	for (unsigned i = 5; i < 203; i++) /* within a group the oldest first */
		assert_ptr_equal(rate_bed.order[i], &rate_bed.readers[i - 3]);
}

static void one_that_asks_again_and_again_gets_as_much_as_two_hundred(void **state)
{
	char greedy, polite;

	(void)state;
	rate_bed_limit(0, 0, 100);
	for (unsigned i = 0; i < 201; i++) {
		struct rate_reader *reader = rate_bed_reader(i, i < 200 ? &greedy : &polite, 1);

		reader->is_eager = true;
		rate_bed_enter(reader);
	}
	for (unsigned i = 0; i < 201; i++)
		rate_bed.readers[i].passes = 0;
	clock_advance(rate_bed.clock, 100 * 1000);
	assert_in_range(rate_bed.readers[200].passes, 4990, 5010);
	for (unsigned i = 0; i < 200; i++)
		assert_in_range(rate_bed.readers[i].passes, 24, 26);
}

static void a_newcomer_does_not_overtake_those_who_wait(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 10);
	rate_bed_enter_many(0, 2, NULL, 1);
	assert_true(rate_bed.readers[1].waiter.is_waiting);
	rate_give_back(rate_bed.rates, 0, 1); /* open again, and the loop has not come by yet */
	rate_bed_enter(rate_bed_reader(2, NULL, 1));
	assert_true(rate_bed.readers[2].waiter.is_waiting);
	clock_advance(rate_bed.clock, 0);
	assert_false(rate_bed.readers[1].waiter.is_waiting);
	assert_true(rate_bed.readers[2].waiter.is_waiting);
}

static void those_of_another_limit_are_not_held_up(void **state)
{
	(void)state;
	rate_bed_limit(0, 1, 0);
	rate_bed_limit(1, 0, 1000);
	rate_bed_enter_many(0, 10, NULL, 1 << 20);
	rate_bed.readers[10].rates[0] = rate_bed.rates[1];
	rate_bed_enter(&rate_bed.readers[10]);
	assert_int_equal(rate_bed.readers[10].passes, 1);
}

/* ---- Leaving and waiting ---- */

static void one_that_left_is_not_called_and_not_charged(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 1000);
	rate_bed_limit(1, 0, 10);
	rate_bed_enter_many(0, 100, NULL, 1); /* 99 have passed the first limit and wait for the second */
	for (unsigned i = 1; i < 100; i++)
		rate_leave(&rate_bed.readers[i].waiter);
	rate_leave(&rate_bed.readers[0].waiter); /* harmless */
	rate_bed.readers[100].rates[0] = rate_bed.rates[0];
	for (unsigned i = 0; i < 99; i++) {
		rate_bed_enter(&rate_bed.readers[100]);
		assert_int_equal(rate_bed.readers[100].passes, i + 1);
	}
	clock_advance(rate_bed.clock, 60000);
	assert_int_equal(rate_bed.passes, 0);
	rate_bed_enter_many(1, 1, NULL, 1);
	assert_int_equal(rate_bed.readers[1].passes, 1);
}

static void when_the_first_leaves_the_others_go_on(void **state)
{
	char a, b;

	(void)state;
	rate_bed_limit(0, 0, 10);
	rate_bed_enter_many(0, 3, &a, 1);
	rate_bed_enter_many(3, 2, &b, 1);
	rate_leave(&rate_bed.readers[1].waiter);
	rate_leave(&rate_bed.readers[3].waiter);
	clock_advance(rate_bed.clock, 202);
	assert_int_equal(rate_bed.passes, 2);
	assert_ptr_equal(rate_bed.order[0], &rate_bed.readers[2]);
	assert_ptr_equal(rate_bed.order[1], &rate_bed.readers[4]);
}

static void the_time_that_was_waited_is_told(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 10);
	rate_bed_limit(1, 0, 5);
	rate_bed_enter_many(0, 4, NULL, 1); /* the first passes */
	assert_int_equal(rate_bed.readers[0].waiter.waited_ms, 0);
	clock_advance(rate_bed.clock, 50);
	assert_int_equal(rate_throttled_ms(rate_bed.rates[0]) + rate_throttled_ms(rate_bed.rates[1]), 3 * 50);
	clock_advance(rate_bed.clock, 2000);
	assert_int_equal(rate_bed.passes, 3);
	assert_int_equal(rate_throttled_ms(rate_bed.rates[0]) + rate_throttled_ms(rate_bed.rates[1]),
		rate_bed.readers[1].waiter.waited_ms + rate_bed.readers[2].waiter.waited_ms +
			rate_bed.readers[3].waiter.waited_ms);
	assert_in_range(rate_bed.readers[1].waiter.waited_ms, 100, 102);
	assert_in_range(rate_bed.readers[2].waiter.waited_ms, 300, 302);
	assert_in_range(rate_bed.readers[3].waiter.waited_ms, 500, 502);
	assert_in_range(rate_throttled_ms(rate_bed.rates[0]), 300, 306); /* 1, 101, 201 */
}

static void one_that_left_has_waited_too(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 1);
	rate_bed_enter_many(0, 2, NULL, 1);
	clock_advance(rate_bed.clock, 300);
	rate_leave(&rate_bed.readers[1].waiter);
	assert_int_equal(rate_bed.readers[1].waiter.waited_ms, 300);
	clock_advance(rate_bed.clock, 300);
	assert_int_equal(rate_throttled_ms(rate_bed.rates[0]), 300);
}

/* ---- Callbacks ---- */

static struct rate_reader *own; /* not one of readers: freed by a callback */

static void leave_and_free_others(struct rate_reader *reader)
{
	(void)reader;
	for (unsigned i = 2; i < 10; i++)
		rate_leave(&rate_bed.readers[i].waiter);
	rate_leave(&own->waiter);
	free(own);
	own = NULL;
}

static void a_callback_may_end_and_free_other_waits(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 1);
	rate_bed_enter_many(0, 10, NULL, 1);
	own = xcalloc(1, sizeof(*own));
	memcpy(own->rates, rate_bed.rates, sizeof(rate_bed.rates));
	rate_bed_enter(own);
	rate_bed.readers[1].then = leave_and_free_others;
	rate_bed_enter_many(10, 5, NULL, 1);
	rate_bed_limit(0, 0, 0); /* all have passed when the first of them is called */
	clock_advance(rate_bed.clock, 0);
	assert_null(own);
	assert_int_equal(rate_bed.passes, 6);
	for (unsigned i = 2; i < 10; i++)
		assert_int_equal(rate_bed.readers[i].passes, 0);
	for (unsigned i = 10; i < 15; i++)
		assert_int_equal(rate_bed.readers[i].passes, 1);
}

static void free_all_limits(struct rate_reader *reader)
{
	(void)reader;
	for (unsigned i = 0; i < RATES_MAX; i++) {
		rate_free(rate_bed.rates[i]);
		rate_bed.rates[i] = NULL;
	}
}

static void a_callback_may_free_the_limit(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 1);
	rate_bed_limit(2, 0, 1);
	rate_bed_enter_many(0, 2, NULL, 1);
	rate_bed.readers[1].then = free_all_limits;
	clock_advance(rate_bed.clock, 10000);
	assert_int_equal(rate_bed.passes, 1);
	assert_null(rate_bed.rates[0]);
}

static void enter_others(struct rate_reader *reader)
{
	if (rate_bed.passes < 50)
		rate_bed_enter_many(rate_bed.passes, 1, reader->group, 1);
}

static void change_the_limit(struct rate_reader *reader)
{
	enter_others(reader);
	rate_bed_limit(0, 0, rate_bed.passes % 2 ? 5 : 1000);
}

static void a_callback_may_enter_others_and_change_the_limit(void **state)
{
	(void)state;
	rate_bed_limit(0, 0, 5);
	for (unsigned i = 0; i < 50; i++)
		rate_bed.readers[i].then = i % 3 ? enter_others : change_the_limit;
	rate_bed_enter_many(0, 1, NULL, 1);
	rate_bed_enter_many(0, 1, NULL, 1);
	clock_advance(rate_bed.clock, 60000);
	assert_int_equal(rate_bed.passes, 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rate_bed_set_up, rate_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(groups_take_turns),
		TEST(one_that_asks_again_and_again_gets_as_much_as_two_hundred),
		TEST(a_newcomer_does_not_overtake_those_who_wait),
		TEST(those_of_another_limit_are_not_held_up),
		TEST(one_that_left_is_not_called_and_not_charged),
		TEST(when_the_first_leaves_the_others_go_on),
		TEST(the_time_that_was_waited_is_told),
		TEST(one_that_left_has_waited_too),
		TEST(a_callback_may_end_and_free_other_waits),
		TEST(a_callback_may_free_the_limit),
		TEST(a_callback_may_enter_others_and_change_the_limit),
	};

	return cmocka_run_group_tests_name("rate_wait", tests, NULL, NULL);
}
