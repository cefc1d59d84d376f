/* SPDX-License-Identifier: Apache-2.0
 *
 * A greedy primary beside a polite one, and volumes that are what binds, as disks are: the polite one keeps at least
 * 40 % of the throughput that it has alone, however either asks. (Where the processors bind, the kernel's shares count
 * too: see tests/bench/fairness.c.)
 * alone: compares what two ways of reading get in a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/fair_bed.h"

#define KEPT_PERCENT 40

/* So slow that the disks bind, whatever the processors do. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define READ_MS 30
#define TURN_MS 750
#else
#define READ_MS 4
#define TURN_MS 120
#endif

/* As many reads at once as there are threads, like a flash drive; and one at a time, like a disk. */
static const struct fair_plan parallel = { .read_ms = 2 * READ_MS, .run_tracks = 1, .turn_ms = TURN_MS };
static const struct fair_plan one_by_one = { .read_ms = READ_MS, .is_one_by_one = true, .run_tracks = 1,
	.turn_ms = TURN_MS };

static int set_up_parallel(void **state)
{
	(void)state;
	fair_bed_start(&parallel);
	return 0;
}

static int set_up_one_by_one(void **state)
{
	(void)state;
	fair_bed_start(&one_by_one);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fair_bed_end();
	return 0;
}

static void polite_keeps_its_throughput_beside_greedy_disconnects(void **state)
{
	(void)state;
	assert_true(fair_kept_percent(DELIVERY_DISCONNECT, DELIVERY_DISCONNECT) >= KEPT_PERCENT);
}

static void polite_keeps_its_throughput_beside_greedy_polls(void **state)
{
	(void)state;
	assert_true(fair_kept_percent(DELIVERY_DISCONNECT, DELIVERY_POLL) >= KEPT_PERCENT);
}

static void polite_keeps_its_throughput_beside_greedy_holds(void **state)
{
	(void)state;
	assert_true(fair_kept_percent(DELIVERY_DISCONNECT, DELIVERY_HOLD) >= KEPT_PERCENT);
}

static void polite_that_holds_keeps_its_throughput_beside_greedy_disconnects(void **state)
{
	(void)state;
	assert_true(fair_kept_percent(DELIVERY_HOLD, DELIVERY_DISCONNECT) >= KEPT_PERCENT);
}

int main(void)
{
#define PARALLEL(name) cmocka_unit_test_setup_teardown(name, set_up_parallel, tear_down)
#define ONE_BY_ONE(name) cmocka_unit_test_setup_teardown(name, set_up_one_by_one, tear_down)
	const struct CMUnitTest tests[] = {
		PARALLEL(polite_keeps_its_throughput_beside_greedy_disconnects),
		PARALLEL(polite_keeps_its_throughput_beside_greedy_polls),
		PARALLEL(polite_keeps_its_throughput_beside_greedy_holds),
		PARALLEL(polite_that_holds_keeps_its_throughput_beside_greedy_disconnects),
		ONE_BY_ONE(polite_keeps_its_throughput_beside_greedy_disconnects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
