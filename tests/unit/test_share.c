/* SPDX-License-Identifier: Apache-2.0
 *
 * The turns of one peer's Reads: for fetches, which begin when there are slots for all of them, and for locks. The
 * cache is the smallest one, of 256 slots: a peer may have 64 of them unclaimed, and 64 locked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/read.h"
#include "secondary/share.h"
#include "tests/support/bed.h"

#define TRACKS 1024u
#define SHARE 64u

static struct bed *bed;
static struct primary *primary;
static uint32_t devices[BED_DEVICES];
static uint64_t links[BED_DEVICES];

static void start(const struct ra_config *config)
{
	static const char *const names[] = { "d0", "d1", "d2" };

	bed = bed_new(config, TRACKS);
	primary = primary_new(bed);
	for (unsigned i = 0; i < 3; i++) {
		devices[i] = primary_attach(primary, names[i]);
		links[i] = primary_link(primary, devices[i]);
	}
}

static int setup(void **state)
{
	struct ra_config config;

	(void)state;
	bed_config(&config);
	start(&config);
	assert_int_equal(bed->ra->locks_per_peer, SHARE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	primary_drop(primary);
	bed_free(bed);
	return 0;
}

static uint32_t fetches(void)
{
	return job_array_used(bed->ra->jobs, JOB_FETCH);
}

static void hang(bool hangs)
{
	faulty_volume_hang_reads(bed->volumes[0], hangs);
}

/* The Read of this device, and with its number as tag. */
static void ask(uint32_t index, uint32_t track_count, enum delivery delivery)
{
	primary_read(primary, index, links[index], devices[index], 0, track_count, delivery);
}

/* All of it at once. */
static void expect_whole(uint32_t index, uint32_t track_count)
{
	struct answer *answer = primary_wait(primary, index);

	assert_int_equal(answer->track_count, track_count);
	assert_tracks(bed, devices[index], answer, 0);
}

/* Another link of the peer has so many more locks, or no more. */
static void lock_elsewhere(uint32_t more, uint32_t less)
{
	bed->peer->locked_tracks += more - less;
	share_next_turn(bed->peer);
}

static void fetch_begins_when_there_are_slots_for_all_of_it(void **state)
{
	(void)state;
	hang(true);
	ask(0, SHARE / 2 + 1, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck == 1);
	ask(1, SHARE / 2, DELIVERY_HOLD);
	BED_UNTIL(bed, bed_da(bed).queued == 1);
	hang(false);
	expect_whole(0, SHARE / 2 + 1);
	expect_whole(1, SHARE / 2);
}

static void fetch_of_more_than_the_share_is_made_alone_and_brings_a_part(void **state)
{
	struct ra_config config;

	teardown(state);
	bed_config(&config);
	config.da_threads = 2;
	config.cache_bytes = 2 * RUN_BYTES_MAX;
	start(&config);
	for (unsigned i = 0; i < 2; i++)
		ask(i, SHARE, DELIVERY_DISCONNECT);
	for (unsigned i = 0; i < 2; i++)
		expect_whole(i, SHARE / 2);
}

static void who_wants_a_large_fetch_is_not_overtaken_by_one_who_wants_a_small_one(void **state)
{
	(void)state;
	hang(true);
	ask(0, 1, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck == 1);
	ask(1, SHARE, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, bed_da(bed).queued == 1);
	ask(2, 1, DELIVERY_DISCONNECT); /* there is room for it */
	BED_UNTIL(bed, fetches() == 3);
	assert_int_equal(bed_da(bed).queued, 2);
	hang(false);
	expect_whole(0, 1);
	expect_whole(1, SHARE);
	expect_whole(2, 1);
}

static void who_wants_many_locks_is_not_overtaken_by_one_who_wants_few(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		ask(i, 8, DELIVERY_HOLD);
		expect_whole(i, 8);
	}
	lock_elsewhere(SHARE - 7, 0);
	ask(0, 8, DELIVERY_HOLD);
	BED_UNTIL(bed, bed->peer->turns[SHARE_LOCKS].waiters != NULL);
	ask(1, 1, DELIVERY_HOLD); /* there is one for it */
	BED_UNTIL(bed, bed->peer->turns[SHARE_LOCKS].waiters->next != NULL);
	lock_elsewhere(0, 1);
	expect_whole(0, 8);
	expect_whole(1, 1);
	lock_elsewhere(0, SHARE - 8);
}

static void read_that_waits_for_locks_may_be_released(void **state)
{
	(void)state;
	ask(0, 1, DELIVERY_HOLD);
	expect_whole(0, 1);
	lock_elsewhere(SHARE, 0);
	ask(0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, bed->peer->turns[SHARE_LOCKS].waiters != NULL);
	primary_release(primary, links[0]);
	BED_UNTIL(bed, bed->peer->turns[SHARE_LOCKS].waiters == NULL);
	lock_elsewhere(0, SHARE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fetch_begins_when_there_are_slots_for_all_of_it),
		TEST(fetch_of_more_than_the_share_is_made_alone_and_brings_a_part),
		TEST(who_wants_a_large_fetch_is_not_overtaken_by_one_who_wants_a_small_one),
		TEST(who_wants_many_locks_is_not_overtaken_by_one_who_wants_few),
		TEST(read_that_waits_for_locks_may_be_released),
	};

	return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
