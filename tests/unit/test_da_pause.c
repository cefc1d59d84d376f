/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk adapter and volumes that yield: reads step back when they take far longer than as a rule, and nobody else
 * waits for long because of it. Pauses are real time, 500 ms at most.
 */
#include "storage/da.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/volume.h"
#include "storage/yield.h"
#include "tests/support/da_bed.h"

#define LEARNED 40
#define PLACES 32u /* of 64 threads */

static void open_yielding(void)
{
	volume_set_yielding(da_bed.volumes[0]);
	da_bed_open_volumes();
}

static uint64_t yielded_ms(void)
{
	return (uint64_t)volume_yielded_ms(da_bed.volumes[0]);
}

static void read_times(unsigned times, unsigned read_ms)
{
	faulty_volume_set_read_ms(da_bed.faulty[0], read_ms);
	for (unsigned i = 0; i < times; i++)
		da_bed_finish_read(da_bed_submit_read(0, 1));
}

/* The next read is followed by a pause of 500 ms, unless it finds all in memory. */
static void raise_pause(void)
{
	struct yield_read read = { .bytes = DA_BED_TRACK, .has_waited = true, .took_ns = 1000000, .at_once = 1 };

	for (unsigned i = 0; i < LEARNED; i++)
		yield_tell(volume_yield(da_bed.volumes[0]), &read, i * read.took_ns);
	read.took_ns = 1000000000;
	for (unsigned i = 0; i < 3; i++)
		yield_tell(volume_yield(da_bed.volumes[0]), &read, (i + 1) * read.took_ns);
}

/* Or has paused, which is too late. */
static void wait_until_one_pauses(void)
{
	while (da_bed_count().pausing == 0 && yielded_ms() == 0)
		sched_yield();
}

static void reads_step_back_while_the_volume_is_slow(void **state)
{
	uint64_t before_ms;

	(void)state;
	open_yielding();
	read_times(LEARNED, 1);
	before_ms = yielded_ms();
	read_times(12, 20);
	/* Of the time three quarters are left to others, but for the first reads, which show that it is slow. */
	assert_true(yielded_ms() - before_ms >= 8 * 3 * 20);
	assert_int_equal(da_bed_count().pausing, 0);
}

static void one_that_does_not_yield_goes_on(void **state)
{
	(void)state;
	da_bed_open_volumes();
	read_times(LEARNED, 1);
	read_times(12, 20);
	assert_int_equal(volume_yielded_ms(da_bed.volumes[0]), -1);
	assert_null(volume_yield(da_bed.volumes[0]));
}

static void reads_from_memory_do_not_step_back(void **state)
{
	(void)state;
	open_yielding();
	raise_pause();
	read_times(1, 0);
	assert_true(yielded_ms() > 0);
	assert_int_equal(yield_pause_ns(volume_yield(da_bed.volumes[0])), 0);
}

static void a_pause_ends_when_its_request_is_given_up(void **state)
{
	struct da_order *order;

	(void)state;
	open_yielding();
	raise_pause();
	order = da_bed_submit_read(0, 1);
	wait_until_one_pauses();
	assert_true(da_abandon(da_bed.da, order->request));
	da_bed_run_until(&order->returned, 1);
	assert_true(yielded_ms() < YIELD_PAUSE_MAX_MS);
	assert_int_equal(faulty_volume_count(da_bed.faulty[0]).reads, 0);
	assert_int_equal(track_sink_count(order->sink).published, 0);
	da_bed_free_order(order);
}

static void a_pause_ends_with_the_da(void **state)
{
	struct da_order *order;

	(void)state;
	open_yielding();
	raise_pause();
	order = da_bed_submit_read(0, 1);
	wait_until_one_pauses();
	assert_true(da_free(da_bed.da));
	da_bed.da = NULL;
	assert_true(yielded_ms() < YIELD_PAUSE_MAX_MS);
	da_bed_free_order(order);
}

/* Pauses are bounded by what they do to those who wait: what 32 threads have paused for is enough. */
static void those_who_wait_end_the_pauses(void **state)
{
	struct da_order *orders[2 * PLACES];
	uint64_t before_ms;

	(void)state;
	open_yielding();
	raise_pause();
	faulty_volume_set_read_ms(da_bed.faulty[0], 200); /* slow enough not to be the end of it */
	for (unsigned i = 0; i < 2 * PLACES; i++)
		orders[i] = da_bed_submit_read(0, 1);
	for (unsigned i = 0; i < 2 * PLACES; i++)
		da_bed_finish_read(orders[i]);
	assert_true(yielded_ms() >= PLACES * (uint64_t)YIELD_PAUSE_MAX_MS);
	assert_true(yielded_ms() < 3 * PLACES * (uint64_t)YIELD_PAUSE_MAX_MS / 2);
	/* They have gone: the next one pauses again. */
	assert_true(yield_pause_ns(volume_yield(da_bed.volumes[0])) > 0);
	before_ms = yielded_ms();
	da_bed_finish_read(da_bed_submit_read(0, 1));
	assert_true(yielded_ms() > before_ms);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, da_bed_set_up, da_bed_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(reads_step_back_while_the_volume_is_slow),
		TEST(one_that_does_not_yield_goes_on),
		TEST(reads_from_memory_do_not_step_back),
		TEST(a_pause_ends_when_its_request_is_given_up),
		TEST(a_pause_ends_with_the_da),
		cmocka_unit_test_setup_teardown(those_who_wait_end_the_pauses, da_bed_set_up_many_threads, da_bed_tear_down),
	};

	return cmocka_run_group_tests_name("da_pause", tests, NULL, NULL);
}
