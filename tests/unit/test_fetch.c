/* SPDX-License-Identifier: Apache-2.0
 *
 * Fetches whose peer goes from the configuration: one that no thread has taken is given up, one that a thread has goes
 * on for others, and neither says anything of the disk. Two DA threads, of which a volume gets one.
 */
#include "secondary/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/read.h"
#include "tests/support/bed.h"

#define PATIENCE_MS 20000

static struct bed *bed;
static struct peer *going;
static struct primary *stays, *goes;
static uint32_t number; /* of d0 */

static int setup(void **state)
{
	static const char *const devices[] = { "d0", NULL };
	struct ra_config config;

	(void)state;
	bed_config(&config);
	config.da_threads = 2;
	bed = bed_new(&config, 64);
	going = bed_add_peer(bed, "going", devices, false, 2, 8);
	stays = primary_new(bed);
	goes = primary_new_of(bed, going);
	number = primary_attach(stays, "d0");
	assert_int_equal(primary_attach(goes, "d0"), number);
	faulty_volume_hang_reads(bed->volumes[0], true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	primary_drop(stays);
	bed_free(bed);
	return 0;
}

static void read_track(struct primary *primary, uint32_t tag, uint64_t track, enum delivery delivery)
{
	primary_read(primary, tag, primary_link(primary, number), number, track, 1, delivery);
}

static void until_stuck(void)
{
	BED_UNTIL(bed, bed_da(bed).running == 1);
	assert_true(faulty_volume_wait_stuck(bed->volumes[0], 1, PATIENCE_MS));
}

/* As a reload does it. */
static void peer_goes(void)
{
	primary_drop(goes);
	fetch_forget_peer(bed->ra, going);
	peer_list_remove(bed->peers, going); /* asserts that nothing of it is left */
}

static void queued_fetches_end_with_their_peer(void **state)
{
	(void)state;
	read_track(stays, 2, 0, DELIVERY_HOLD);
	until_stuck();
	read_track(goes, 3, 8, DELIVERY_HOLD);
	read_track(goes, 4, 16, DELIVERY_POLL);
	BED_UNTIL(bed, bed_da(bed).queued == 2);
	assert_int_equal(primary_wait(goes, 4)->status, STATUS_DATA_NOT_FOUND); /* a wait task waits */
	assert_int_equal(going->fetches, 2);
	peer_goes();
	assert_int_equal(bed_da(bed).queued, 0);
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_FETCH), 1); /* of the one that stays */
	assert_true(device_is_ready(device_array_record(bed->ra->devices, number)));
	faulty_volume_hang_reads(bed->volumes[0], false);
	assert_int_equal(primary_wait(stays, 2)->status, STATUS_OK);
	assert_int_equal(bed_da(bed).reads_started, 1);
	assert_int_equal(bed->ra->counts.timeouts, 0);
}

static void running_fetch_goes_on_without_its_peer(void **state)
{
	uint64_t link_id = primary_link(stays, number); /* older than the disk read, so that it may share that */
	const struct fetch *fetch;

	(void)state;
	read_track(goes, 2, 0, DELIVERY_HOLD);
	until_stuck();
	primary_read(stays, 3, link_id, number, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, bed_fetch(bed)->readers != NULL && bed_fetch(bed)->readers->next != NULL);
	peer_goes();
	fetch = bed_fetch(bed);
	assert_null(fetch->peer);
	assert_null(fetch->session);
	assert_int_equal(bed_da(bed).running, 1);
	assert_int_equal(bed_da(bed).abandoned, 0);
	assert_true(device_is_ready(device_array_record(bed->ra->devices, number)));
	faulty_volume_hang_reads(bed->volumes[0], false);
	assert_int_equal(primary_wait(stays, 3)->status, STATUS_OK);
	assert_tracks(bed, number, &stays->answers[3], 0);
	assert_int_equal(bed_da(bed).reads_started, 1);
}

static void running_fetch_that_nobody_waits_for_ends_by_itself(void **state)
{
	uint64_t link_id = primary_link(stays, number);

	(void)state;
	read_track(goes, 2, 0, DELIVERY_HOLD);
	until_stuck();
	peer_goes();
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_FETCH), 1);
	faulty_volume_hang_reads(bed->volumes[0], false);
	BED_UNTIL(bed, job_array_used(bed->ra->jobs, JOB_FETCH) == 0);
	primary_read(stays, 3, link_id, number, 0, 1, DELIVERY_HOLD);
	assert_int_equal(primary_wait(stays, 3)->status, STATUS_OK);
	assert_int_equal(bed_da(bed).reads_started, 1); /* it was left in the cache */
	assert_true(device_is_ready(device_array_record(bed->ra->devices, number)));
}

static void fetches_of_other_peers_stay(void **state)
{
	(void)state;
	read_track(goes, 2, 0, DELIVERY_HOLD);
	until_stuck();
	read_track(stays, 3, 8, DELIVERY_HOLD);
	BED_UNTIL(bed, bed_da(bed).queued == 1);
	peer_goes();
	assert_int_equal(bed_da(bed).queued, 1);
	assert_int_equal(bed->peer->fetches, 1);
	faulty_volume_hang_reads(bed->volumes[0], false);
	assert_int_equal(primary_wait(stays, 3)->status, STATUS_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(queued_fetches_end_with_their_peer),
		TEST(running_fetch_goes_on_without_its_peer),
		TEST(running_fetch_that_nobody_waits_for_ends_by_itself),
		TEST(fetches_of_other_peers_stay),
	};

	return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
