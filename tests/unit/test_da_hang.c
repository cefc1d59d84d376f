/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk adapter and volumes that hang: how many threads one volume gets, requests that are given up, threads that
 * are replaced.
 */
#include "storage/da.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/da_bed.h"

/* ---- Threads and volumes ---- */

static void a_volume_gets_at_most_half_of_the_threads(void **state)
{
	struct da_order *orders[DA_BED_ELEMENTS];

	(void)state;
	da_bed_open_volumes();
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	for (unsigned i = 0; i < DA_BED_ELEMENTS; i++)
		orders[i] = da_bed_submit_read(0, 4);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], DA_BED_THREADS / 2, DA_BED_WAIT_MS));
	assert_int_equal(da_bed_count().queued, DA_BED_ELEMENTS - DA_BED_THREADS / 2);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	for (unsigned i = 0; i < DA_BED_ELEMENTS; i++)
		da_bed_finish_read(orders[i]);
	assert_int_equal(faulty_volume_count(da_bed.faulty[0]).reads_at_once, DA_BED_THREADS / 2);
}

static void the_third_volume_goes_on_while_two_hang(void **state)
{
	struct da_order *hung[4];

	(void)state;
	da_bed_open_volumes();
	for (unsigned i = 0; i < 2; i++)
		faulty_volume_hang_reads(da_bed.faulty[i], true);
	for (unsigned i = 0; i < 4; i++)
		hung[i] = da_bed_submit_read(i / 2, 1);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 2, DA_BED_WAIT_MS));
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[1], 1, DA_BED_WAIT_MS));
	for (unsigned i = 0; i < 20; i++)
		da_bed_finish_read(da_bed_submit_read(2, 4));
	assert_int_equal(da_bed_count().running, 3);
	assert_int_equal(da_bed_count().queued, 1); /* the last thread is not for a volume that has one */
	for (unsigned i = 0; i < 2; i++)
		faulty_volume_hang_reads(da_bed.faulty[i], false);
	for (unsigned i = 0; i < 4; i++)
		da_bed_finish_read(hung[i]);
}

/* ---- Giving up ---- */

/* Two reads that hang have all threads of their volume, and one waits for them. */
static struct da_order *queue_behind_two(struct da_order *running[2])
{
	struct da_order *queued;

	faulty_volume_hang_reads(da_bed.faulty[0], true);
	running[0] = da_bed_submit_read(0, 1);
	running[1] = da_bed_submit_read(0, 1);
	queued = da_bed_submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 2, DA_BED_WAIT_MS));
	return queued;
}

static void a_queued_request_that_is_given_up_is_free_at_once(void **state)
{
	struct da_order *running[2], *queued;

	(void)state;
	da_bed_open_volumes();
	queued = queue_behind_two(running);
	assert_false(da_abandon(da_bed.da, queued->request));
	assert_int_equal(track_sink_count(queued->sink).finished, 1);
	assert_int_equal(da_bed_count().elements_used, 2);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_finish_read(running[0]);
	da_bed_finish_read(running[1]);
	assert_int_equal(queued->done + queued->returned, 0);
	assert_int_equal(track_sink_count(queued->sink).begun, 0);
	da_bed_free_order(queued);
}

static void a_queued_request_is_cancelled_and_a_running_one_goes_on(void **state)
{
	struct da_order *running[2], *queued;

	(void)state;
	da_bed_open_volumes();
	queued = queue_behind_two(running);
	assert_true(da_cancel_queued(da_bed.da, queued->request));
	assert_int_equal(track_sink_count(queued->sink).finished, 1);
	assert_false(da_cancel_queued(da_bed.da, running[0]->request));
	assert_int_equal(da_request_state(running[0]->request), DA_RUNNING);
	assert_int_equal(da_bed_count().elements_used, 2);
	assert_int_equal(da_bed_count().abandoned, 0);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_finish_read(running[0]);
	da_bed_finish_read(running[1]);
	assert_int_equal(queued->done + queued->returned, 0);
	assert_int_equal(track_sink_count(queued->sink).begun, 0);
	da_bed_free_order(queued);
}

/* Threads are about to take what is cancelled. */
static void a_request_is_cancelled_or_done_and_nothing_between(void **state)
{
	unsigned cancelled = 0;

	(void)state;
	da_bed_open_volumes();
	for (unsigned i = 0; i < 2000; i++) {
		struct da_order *order = da_bed_submit_read(0, 1);

		for (unsigned spins = i % 64 * 32; spins > 0; spins--)
			(void)da_request_state(order->request);
		if (!da_cancel_queued(da_bed.da, order->request)) {
			da_bed_finish_read(order);
			continue;
		}
		cancelled++;
		assert_int_equal(track_sink_count(order->sink).begun, 0);
		da_bed_free_order(order);
	}
	assert_int_equal(da_bed_count().elements_used, 0);
	assert_int_equal(da_bed_count().reads_started, 2000 - cancelled);
}

static void a_running_request_that_is_given_up_keeps_its_memory_until_it_returns(void **state)
{
	struct da_order *order;

	(void)state;
	da_bed_open_volumes();
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	order = da_bed_submit_read(0, 8);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	assert_true(da_abandon(da_bed.da, order->request));
	assert_int_equal(da_request_state(order->request), DA_ABANDONED);
	assert_int_equal(da_bed_count().abandoned, 1);
	da_bed_finish_read(da_bed_submit_read(1, 1));
	assert_int_equal(track_sink_count(order->sink).slots_out, 8);
	assert_int_equal(track_sink_count(order->sink).finished, 0);
	assert_int_equal(order->returned, 0);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_run_until(&order->returned, 1);
	assert_int_equal(order->done, 0);
	assert_int_equal(track_sink_count(order->sink).published, 0);
	assert_int_equal(track_sink_count(order->sink).dropped, 8);
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	assert_int_equal(da_bed_count().elements_used, 0);
	assert_int_equal(da_bed_count().abandoned, 0);
	da_bed_free_order(order);
}

static void hang_after_the_first_batch(void *arg, uint64_t track)
{
	if (track == 63)
		faulty_volume_hang_reads(arg, true);
}

static void what_was_published_before_giving_up_stays(void **state)
{
	struct da_order *order = da_bed_new_order();
	struct da_spec spec;

	(void)state;
	faulty_volume_set_size(da_bed.faulty[0], 100 * DA_BED_TRACK);
	da_bed_open_volumes();
	track_sink_on_publish(order->sink, hang_after_the_first_batch, da_bed.faulty[0]);
	spec = da_bed_spec(order, DA_READ, 0);
	spec.track_count = 100;
	spec.track_bytes = DA_BED_TRACK;
	spec.end_bytes = 100 * DA_BED_TRACK;
	spec.sink = &track_sink_ops;
	spec.sink_arg = order->sink;
	order->request = da_submit(da_bed.da, &spec);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	assert_true(da_abandon(da_bed.da, order->request));
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_run_until(&order->returned, 1);
	assert_int_equal(track_sink_count(order->sink).published, 64);
	assert_int_equal(track_sink_count(order->sink).dropped, 36);
	da_bed_free_order(order);
}

static void a_result_that_is_given_up_before_it_is_told_is_never_told(void **state)
{
	struct da_order *order;

	(void)state;
	da_bed_open_volumes();
	order = da_bed_submit_read(0, 1);
	assert_true(mailbox_wait(da_bed.mailbox, DA_BED_WAIT_MS));
	assert_int_equal(da_request_state(order->request), DA_DONE);
	assert_false(da_abandon(da_bed.da, order->request));
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	assert_int_equal(mailbox_drain(da_bed.mailbox), 1);
	assert_int_equal(order->done + order->returned, 0);
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	assert_int_equal(da_bed_count().elements_used, 0);
	da_bed_free_order(order);
}

static void an_open_that_was_given_up_is_undone(void **state)
{
	struct da_order order = { 0 };

	(void)state;
	faulty_volume_hang_open(da_bed.faulty[0], true);
	da_bed_submit(&order, DA_OPEN, 0);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	assert_true(da_abandon(da_bed.da, order.request));
	faulty_volume_hang_open(da_bed.faulty[0], false);
	da_bed_run_until(&order.returned, 1);
	assert_int_equal(faulty_volume_count(da_bed.faulty[0]).opens, 1);
	assert_int_equal(faulty_volume_count(da_bed.faulty[0]).closes, 1);
}

static void a_lock_that_was_given_up_is_undone(void **state)
{
	struct da_order order = { 0 };

	(void)state;
	da_bed_open_volumes();
	faulty_volume_hang_locks(da_bed.faulty[0], true);
	da_bed_submit(&order, DA_LOCK, 0);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	assert_true(da_abandon(da_bed.da, order.request));
	faulty_volume_hang_locks(da_bed.faulty[0], false);
	da_bed_run_until(&order.returned, 1);
	assert_int_equal(faulty_volume_count(da_bed.faulty[0]).unlocks, 1);
	assert_int_equal(faulty_volume_count(da_bed.faulty[0]).closes, 0);
}

static void a_stuck_thread_is_replaced_up_to_the_limit(void **state)
{
	struct da_order *stuck[2];

	(void)state;
	da_bed_open_volumes();
	for (unsigned i = 0; i < 2; i++) {
		faulty_volume_hang_reads(da_bed.faulty[i], true);
		stuck[i] = da_bed_submit_read(i, 1);
		assert_true(faulty_volume_wait_stuck(da_bed.faulty[i], 1, DA_BED_WAIT_MS));
		assert_true(da_abandon(da_bed.da, stuck[i]->request));
	}
	assert_int_equal(da_bed_count().threads, 2);
	assert_int_equal(da_bed_count().extra_threads, DA_BED_EXTRA_THREADS);
	assert_int_equal(da_bed_count().abandoned, 2);
	da_bed_finish_read(da_bed_submit_read(2, 4)); /* by the one that is left */

	/* The first to come back is needed, the second is one too many. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(da_bed_count().extra_threads, 1);
		faulty_volume_hang_reads(da_bed.faulty[i], false);
		da_bed_run_until(&stuck[i]->returned, 1);
		da_bed_free_order(stuck[i]);
	}
	assert_int_equal(da_bed_count().extra_threads, 0);
	assert_int_equal(da_bed_count().threads, 2);
	for (unsigned i = 0; i < DA_BED_VOLUMES; i++)
		da_bed_finish_read(da_bed_submit_read(i, 4));

	/* The place of the one that ended can be taken again. */
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	stuck[0] = da_bed_submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	assert_true(da_abandon(da_bed.da, stuck[0]->request));
	assert_int_equal(da_bed_count().extra_threads, 1);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_run_until(&stuck[0]->returned, 1);
	da_bed_free_order(stuck[0]);
}

static void requests_behind_a_stuck_one_go_on_when_it_returns(void **state)
{
	struct da_order *stuck, *next;

	(void)state;
	da_bed_open_volumes();
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	stuck = da_bed_submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	assert_true(da_abandon(da_bed.da, stuck->request));
	next = da_bed_submit_read(0, 1); /* of two threads the volume gets one, and that is stuck */
	da_bed_finish_read(da_bed_submit_read(1, 1));
	assert_int_equal(da_request_state(next->request), DA_QUEUED);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_run_until(&stuck->returned, 1);
	da_bed_finish_read(next);
	da_bed_free_order(stuck);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, da_bed_set_up, da_bed_tear_down)
#define TEST_OF_TWO(name) cmocka_unit_test_setup_teardown(name, da_bed_set_up_two_threads, da_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_volume_gets_at_most_half_of_the_threads),
		TEST(the_third_volume_goes_on_while_two_hang),
		TEST(a_queued_request_that_is_given_up_is_free_at_once),
		TEST(a_queued_request_is_cancelled_and_a_running_one_goes_on),
		TEST(a_request_is_cancelled_or_done_and_nothing_between),
		TEST(a_running_request_that_is_given_up_keeps_its_memory_until_it_returns),
		TEST(what_was_published_before_giving_up_stays),
		TEST(a_result_that_is_given_up_before_it_is_told_is_never_told),
		TEST(an_open_that_was_given_up_is_undone),
		TEST(a_lock_that_was_given_up_is_undone),
		TEST_OF_TWO(a_stuck_thread_is_replaced_up_to_the_limit),
		TEST_OF_TWO(requests_behind_a_stuck_one_go_on_when_it_returns),
	};

	return cmocka_run_group_tests_name("da_hang", tests, NULL, NULL);
}
