/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk adapter and digests: threads that compute them, and end; how a read says that it gets on.
 */
#include "storage/da.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/digest.h"
#include "tests/support/da_bed.h"

static void digests_are_published_by_several_threads(void **state)
{
	struct digester *digester = digester_new();
	struct da_order *orders[DA_BED_ELEMENTS];
	uint8_t expected[DA_BED_TRACK], digest[DIGEST_BYTES_MAX];

	(void)state;
	da_bed_open_volumes();
	for (unsigned i = 0; i < DA_BED_ELEMENTS; i++) {
		orders[i] = da_bed_new_order();
		orders[i]->digest = i % 3 == 0 ? DIGEST_SHA256 : DIGEST_XXH3_128;
		assert_true(da_bed_try_read(orders[i], i % DA_BED_VOLUMES, 64));
	}
	for (unsigned i = 0; i < DA_BED_ELEMENTS; i++) {
		da_bed_run_until(&orders[i]->done, 1);
		assert_int_equal(orders[i]->result.tracks_done, 64);
		for (uint64_t track = 0; track < 64; track++) {
			struct track_outcome outcome = track_sink_outcome(orders[i]->sink, track);

			faulty_volume_expect(da_bed.faulty[i % DA_BED_VOLUMES], expected, DA_BED_TRACK, track * DA_BED_TRACK);
			digester_compute(digester, orders[i]->digest, expected, DA_BED_TRACK, digest);
			assert_memory_equal(outcome.digest, digest, digest_bytes(orders[i]->digest));
		}
		da_bed_finish_read(orders[i]);
	}
	digester_free(digester);
}

static void digests_go_on_when_a_thread_that_computed_some_has_ended(void **state)
{
	struct da_order *order;

	(void)state;
	da_bed_open_volumes();
	for (unsigned i = 0; i < 4; i++) {
		order = da_bed_new_order();
		order->digest = DIGEST_XXH3_128;
		faulty_volume_hang_reads(da_bed.faulty[0], true);
		assert_true(da_bed_try_read(order, 0, 64));
		assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
		assert_true(da_abandon(da_bed.da, order->request));
		assert_int_equal(da_bed_count().extra_threads, 1);
		faulty_volume_hang_reads(da_bed.faulty[0], false);
		da_bed_run_until(&order->returned, 1);
		assert_int_equal(da_bed_count().extra_threads, 0);
		assert_int_equal(track_sink_count(order->sink).published, 0);
		da_bed_free_order(order);
	}
}

static void unhang(void *arg)
{
	(void)arg;
	faulty_volume_hang_reads(da_bed.faulty[0], false);
}

/* The end drops what is queued first, which lets the disk read go on that is under way. */
static void a_long_read_ends_with_the_disk_read_under_way_when_the_da_ends(void **state)
{
	const struct da_sink dropped = { .finished = unhang };
	struct da_order *order = da_bed_new_order(), *queued = da_bed_new_order();
	struct da_spec spec = da_bed_spec(queued, DA_READ, 0);

	(void)state;
	da_bed_open_volumes();
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	order->digest = DIGEST_XXH3_128;
	assert_true(da_bed_try_read(order, 0, 64));
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	spec.track_count = 1;
	spec.track_bytes = DA_BED_TRACK;
	spec.end_bytes = DA_BED_VOLUME_BYTES;
	spec.sink = &dropped;
	assert_non_null(da_submit(da_bed.da, &spec)); /* of two threads the volume gets one */
	assert_true(da_free(da_bed.da));
	da_bed.da = NULL;
	assert_int_equal(faulty_volume_count(da_bed.faulty[0]).reads, 1);
	assert_int_equal(track_sink_count(order->sink).published, 0);
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	assert_int_equal(order->done, 0);
	da_bed_free_order(order);
	da_bed_free_order(queued);
}

static struct da_order *watched[2];
static uint64_t progress[3][2]; /* when tracks 0 and 32 of the first, and 0 of the second, were published */

static void note_progress(void *arg, uint64_t track)
{
	uint64_t event = arg == watched[0] ? track / 32 : 2;

	if (track % 32 != 0)
		return;
	if (event < 2) /* it is not done yet */
		progress[event][0] = da_request_progress(watched[0]->request);
	progress[event][1] = da_request_progress(watched[1]->request);
}

static void a_read_gets_on_with_its_disk_reads_and_a_queued_one_with_those_of_its_volume(void **state)
{
	uint64_t first, second;

	(void)state;
	da_bed_open_volumes();
	for (unsigned i = 0; i < 2; i++) {
		watched[i] = da_bed_new_order();
		watched[i]->digest = DIGEST_XXH3_128;
		track_sink_on_publish(watched[i]->sink, note_progress, watched[i]);
	}
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	assert_true(da_bed_try_read(watched[0], 0, 64));
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	assert_true(da_bed_try_read(watched[1], 0, 1)); /* of two threads the volume gets one */
	first = da_request_progress(watched[0]->request);
	second = da_request_progress(watched[1]->request);
	da_bed_finish_read(da_bed_submit_read(1, 4)); /* another volume */
	assert_int_equal(da_request_state(watched[1]->request), DA_QUEUED);
	assert_int_equal(da_request_progress(watched[0]->request), first);
	assert_int_equal(da_request_progress(watched[1]->request), second);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_finish_read(watched[0]);
	da_bed_finish_read(watched[1]);
	assert_int_not_equal(progress[0][0], first);
	assert_int_not_equal(progress[1][0], progress[0][0]);
	assert_int_not_equal(progress[0][1], second);
	assert_int_not_equal(progress[1][1], progress[0][1]);
	assert_int_not_equal(progress[2][1], progress[1][1]); /* a thread has taken it */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, da_bed_set_up, da_bed_tear_down)
#define TEST_OF_TWO(name) cmocka_unit_test_setup_teardown(name, da_bed_set_up_two_threads, da_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(digests_are_published_by_several_threads),
		TEST_OF_TWO(digests_go_on_when_a_thread_that_computed_some_has_ended),
		TEST_OF_TWO(a_long_read_ends_with_the_disk_read_under_way_when_the_da_ends),
		TEST_OF_TWO(a_read_gets_on_with_its_disk_reads_and_a_queued_one_with_those_of_its_volume),
	};

	return cmocka_run_group_tests_name("da_digest", tests, NULL, NULL);
}
