/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads for digests, in each delivery: what is digested, where the device is taken to end, what they share with other
 * Reads and what not, and what is told of holes.
 * check-style: long because each case needs the secondary of the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/post.h"
#include "secondary/device.h"
#include "secondary/fetch.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/read.h"
#include "secondary/session.h"
#include "tests/support/bed.h"

#define TRACK 4096u
#define TRACKS 1100u
#define SIZE_BYTES ((uint64_t)TRACKS * TRACK - 1000) /* the last track is short */

/* An entry that is replaced between find and lock (76, 78; 160, 162). */
static const struct cache_key *replace_key;
void __real_cache_lock(struct cache *cache, const struct cache_ref *ref);
void __wrap_cache_lock(struct cache *cache, const struct cache_ref *ref);
void __wrap_cache_lock(struct cache *cache, const struct cache_ref *ref)
{
	const struct cache_track zero = { .state = TRACK_ZERO, .status = STATUS_OK };

	if (replace_key != NULL)
		cache_publish(cache, replace_key, &zero, cache_next_sequence(cache), 0);
	replace_key = NULL;
	__real_cache_lock(cache, ref);
}

static struct bed *bed;
static struct primary *primary;
static uint32_t device;
static uint64_t link_id, other;

static int setup(void **state)
{
	struct ra_config config;

	(void)state;
	bed_config(&config);
	config.track_bytes = TRACK;
	bed = bed_new(&config, TRACKS);
	faulty_volume_set_size(bed->volumes[0], SIZE_BYTES);
	primary = primary_new(bed);
	device = primary_attach(primary, "d0");
	link_id = primary_link(primary, device);
	other = primary_link(primary, device);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (primary != NULL)
		primary_drop(primary);
	primary = NULL;
	bed_free(bed);
	return 0;
}

static void hang(bool on)
{
	faulty_volume_hang_reads(bed->volumes[0], on);
}

static uint32_t fetches(void)
{
	return job_array_used(bed->ra->jobs, JOB_FETCH);
}

/* XXH3-128 by hold, to the end of the device. */
static struct msg_read run(uint32_t tag, uint64_t first_track, uint32_t track_count)
{
	return (struct msg_read){ .tag = tag, .link_id = link_id, .device_number = device, .first_track = first_track,
		.track_count = track_count, .delivery = DELIVERY_HOLD, .digest = DIGEST_XXH3_128, .end_bytes = SIZE_BYTES };
}

static const struct answer *ask(const struct msg_read *read)
{
	primary_ask(primary, read);
	return primary_wait(primary, read->tag);
}

/* Until it is answered with tracks, all of them right. */
static const struct answer *check(struct msg_read read)
{
	const struct answer *answer = ask(&read);

	while (answer->status == STATUS_DATA_NOT_FOUND) {
		read.floor = answer->floor;
		BED_UNTIL(bed, fetches() == 0);
		answer = ask(&read);
	}
	assert_digests(bed, answer, &read);
	return answer;
}

static void nothing_is_locked_and_no_slot_was_used(void)
{
	struct cache_counts counts = bed_cache(bed);

	assert_int_equal(counts.slots_free, counts.slots);
	assert_int_equal(counts.slots_locked, 0);
	assert_int_equal(bed->peer->locked_tracks, 0);
	assert_int_equal(bed->ra->sessions->locked_tracks, 0);
}

static void digests_come_in_each_delivery(void **state)
{
	(void)state;
	for (enum digest digest = DIGEST_XXH3_128; digest < DIGEST_COUNT; digest++)
		for (enum delivery delivery = DELIVERY_DISCONNECT; delivery < DELIVERY_COUNT; delivery++) {
			struct msg_read read = run(1, 256 * (delivery - 1), 256);

			read.delivery = delivery;
			read.digest = digest;
			assert_int_equal(check(read)->track_count, 256);
			assert_int_equal(primary->answers[1].payload_bytes, 256 * digest_bytes(digest));
			assert_int_equal(primary->answers[1].is_disconnected, delivery == DELIVERY_DISCONNECT);
			nothing_is_locked_and_no_slot_was_used();
		}
}

static void digests_that_are_cached_are_answered_at_once(void **state)
{
	(void)state;
	check(run(1, 0, 32));
	for (enum delivery delivery = DELIVERY_DISCONNECT; delivery < DELIVERY_COUNT; delivery++) {
		struct msg_read read = run(1, 0, 32);

		read.delivery = delivery;
		assert_int_equal(ask(&read)->status, STATUS_OK);
		assert_digests(bed, &primary->answers[1], &read);
	}
	assert_int_equal(bed_da(bed).reads_started, 1);
}

static void run_may_be_of_1024_tracks(void **state)
{
	struct msg_read read = run(1, 10, RUN_DIGESTS_MAX);

	(void)state;
	read.digest = DIGEST_SHA256;
	assert_int_equal(check(read)->track_count, RUN_DIGESTS_MAX);
	assert_int_equal(bed_da(bed).reads_started, 1);
}

static void last_track_is_digested_as_far_as_it_goes(void **state)
{
	(void)state;
	assert_int_equal(check(run(1, TRACKS - 3, 3))->track_count, 3);
	assert_int_equal(primary->answers[1].payload_bytes, 3 * 16);
}

static void device_may_be_taken_to_end_in_the_middle_of_a_track(void **state)
{
	static const uint64_t ends[] = { 5 * TRACK + 1, 5 * TRACK + 512, 6 * TRACK - 1, 6 * TRACK };

	(void)state;
	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct msg_read read = run(1, 5, 1);

		read.end_bytes = ends[i];
		check(read);
	}
	assert_int_equal(bed_da(bed).reads_started, 4);
}

static void device_may_not_be_taken_to_end_beyond_its_end(void **state)
{
	struct msg_read read = run(1, TRACKS - 1, 1);
	const struct answer *answer;

	(void)state;
	read.end_bytes = SIZE_BYTES + 1;
	answer = ask(&read);
	assert_int_equal(answer->status, STATUS_BAD_REQUEST);
	assert_int_equal(bed_da(bed).reads_started, 0);
}

/* Tracks that both ends lie behind are the same to both. */
static void another_end_makes_another_entry_of_the_track_that_it_lies_in_only(void **state)
{
	struct msg_read read = run(1, 0, 6);

	(void)state;
	read.end_bytes = 5 * TRACK + 100;
	assert_int_equal(check(read)->track_count, 6);
	read.end_bytes = 8 * TRACK;
	assert_int_equal(check(read)->track_count, 5);
	assert_int_equal(bed_da(bed).reads_started, 1);
	read = run(1, 5, 3);
	read.end_bytes = 8 * TRACK;
	assert_int_equal(check(read)->track_count, 3);
	assert_int_equal(bed_da(bed).reads_started, 2);
}

static void longest_ready_prefix_is_answered(void **state)
{
	(void)state;
	check(run(1, 0, 32));
	assert_int_equal(check(run(1, 20, 32))->track_count, 12);
	assert_int_equal(bed_da(bed).reads_started, 1);
}

/* Whoever wants something else of a track is not answered by what the cache has of it. */
static void what_was_read_for_one_want_answers_no_other(void **state)
{
	struct msg_read read = run(1, 0, 4);
	uint64_t reads = 0;

	(void)state;
	for (unsigned round = 0; round < 2; round++)
		for (enum digest digest = DIGEST_NONE; digest < DIGEST_COUNT; digest++) {
			read.digest = digest;
			read.end_bytes = digest == DIGEST_NONE ? 0 : SIZE_BYTES;
			if (digest == DIGEST_NONE)
				assert_int_equal(ask(&read)->payload_bytes, 4 * TRACK);
			else
				check(read);
			reads += round == 0;
			assert_int_equal(bed_da(bed).reads_started, reads);
		}
}

static uint32_t fetched_tracks(void)
{
	const struct job *job;
	uint32_t tracks = 0;

	for (uint32_t i = 0; (job = job_array_element(bed->ra->jobs, i)) != NULL; i++)
		tracks += job->specific.kind == JOB_FETCH ? job->specific.fetch->track_count : 0;
	return tracks;
}

/* One link's Read is on the disk, the other's comes: is it one disk read for both? How many tracks are read. */
static uint32_t check_shared(const struct msg_read *one, const struct msg_read *two, bool is_shared)
{
	uint32_t tracks;

	hang(true);
	primary_ask(primary, one);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck == 1);
	primary_ask(primary, two);
	if (is_shared)
		BED_UNTIL(bed, bed_fetch(bed)->readers->next != NULL);
	else
		BED_UNTIL(bed, fetches() == 2);
	assert_int_equal(fetches(), is_shared ? 1 : 2);
	tracks = fetched_tracks();
	hang(false);
	if (one->digest != DIGEST_NONE)
		assert_digests(bed, primary_wait(primary, one->tag), one);
	if (two->digest != DIGEST_NONE)
		assert_digests(bed, primary_wait(primary, two->tag), two);
	primary_wait(primary, one->tag);
	primary_wait(primary, two->tag);
	BED_UNTIL(bed, fetches() == 0);
	return tracks;
}

static void two_links_that_want_the_same_digest_share_one_disk_read(void **state)
{
	struct msg_read one = run(1, 0, 16), two = run(2, 8, 16);

	(void)state;
	two.link_id = other;
	check_shared(&one, &two, true);
	assert_int_equal(primary->answers[2].track_count, 8); /* what the other one had read */
	assert_int_equal(bed_da(bed).reads_started, 1);
}

static void two_links_that_want_unequal_things_share_no_disk_read(void **state)
{
	struct msg_read one = run(1, 0, 16), two = run(2, 0, 16);

	(void)state;
	two.link_id = other;
	two.digest = DIGEST_SHA256;
	check_shared(&one, &two, false);
	two = run(2, 16, 16);
	one.first_track = 16;
	two.link_id = other;
	two.digest = DIGEST_NONE;
	two.end_bytes = 0;
	check_shared(&one, &two, false);
}

static void other_ends_share_a_disk_read_but_for_the_track_that_one_lies_in(void **state)
{
	struct msg_read one = run(1, 0, 16), two = run(2, 14, 2);

	(void)state;
	two.link_id = other;
	one.end_bytes = 15 * TRACK + 1;
	check_shared(&one, &two, true);
	assert_int_equal(primary->answers[2].track_count, 1);
	one = run(1, 30, 2);
	two = run(2, 31, 1);
	two.link_id = other;
	one.end_bytes = 31 * TRACK + 1;
	check_shared(&one, &two, false);
}

/* The second disk read ends where the first one begins; one for something else is not counted on. */
static void tracks_that_are_being_read_are_not_read_twice(void **state)
{
	struct msg_read one = run(1, 8, 8), two = run(2, 4, 12);

	(void)state;
	two.link_id = other;
	assert_int_equal(check_shared(&one, &two, false), 12);
	one.first_track = 108;
	two.first_track = 104;
	two.digest = DIGEST_SHA256;
	assert_int_equal(check_shared(&one, &two, false), 20);
}

static void new_link_job_gets_new_digests(void **state)
{
	struct msg_read read = run(1, 0, 4);

	(void)state;
	check(read);
	faulty_volume_set_version(bed->volumes[0], 1);
	assert_int_equal(ask(&read)->status, STATUS_OK);
	assert_int_equal(bed_da(bed).reads_started, 1); /* the old job is content with the old ones */
	read.link_id = primary_link(primary, device);
	check(read);
	assert_int_equal(bed_da(bed).reads_started, 2);
}

static void reread_gets_new_digests(void **state)
{
	struct msg_read read = run(1, 0, 4);

	(void)state;
	for (enum delivery delivery = DELIVERY_DISCONNECT; delivery < DELIVERY_COUNT; delivery++) {
		faulty_volume_set_version(bed->volumes[0], delivery);
		read.reread = true;
		read.delivery = delivery;
		check(read);
		assert_int_equal(bed_da(bed).reads_started, delivery);
	}
}

static void only_data_has_a_digest(void **state)
{
	const struct answer *answer;

	(void)state;
	faulty_volume_set_zeros(bed->volumes[0], 0, 2 * TRACK);
	faulty_volume_set_hole(bed->volumes[0], 3 * TRACK, 5 * TRACK);
	faulty_volume_set_error(bed->volumes[0], 6 * TRACK, 7 * TRACK, 5);
	answer = check(run(1, 0, 8));
	assert_int_equal(answer->track_count, 8);
	assert_int_equal(answer->states[0], TRACK_ZERO);
	assert_int_equal(answer->states[1], TRACK_ZERO);
	assert_int_equal(answer->states[3], TRACK_HOLE);
	assert_int_equal(answer->states[4], TRACK_HOLE);
	assert_int_equal(answer->states[6], TRACK_EIO);
	assert_int_equal(answer->payload_bytes, 3 * 16);
	faulty_volume_set_zeros(bed->volumes[0], 16 * TRACK, 18 * TRACK);
	assert_int_equal(check(run(1, 16, 2))->payload_bytes, 0); /* no payload at all */
}

static void track_beyond_the_end_of_a_volume_that_shrank_has_no_digest(void **state)
{
	const struct msg_read read = run(1, 8, 4);
	const struct answer *answer;

	(void)state;
	faulty_volume_set_size(bed->volumes[0], 10 * TRACK + 5);
	answer = ask(&read);
	assert_int_equal(answer->track_count, 4);
	assert_int_equal(answer->states[1], TRACK_DATA);
	assert_int_equal(answer->states[2], TRACK_SHRUNK);
	assert_int_equal(answer->states[3], TRACK_SHRUNK);
	assert_int_equal(answer->payload_bytes, 2 * 16);
}

static void holes_behind_the_answer_are_told(void **state)
{
	struct msg_read data = { .tag = 2, .link_id = link_id, .first_track = 4, .track_count = 8,
		.delivery = DELIVERY_HOLD };

	(void)state;
	faulty_volume_set_hole(bed->volumes[0], 10 * TRACK, 300 * TRACK + 100);
	assert_int_equal(check(run(1, 0, 12))->hole_tracks, 288);
	data.device_number = device;
	assert_int_equal(ask(&data)->hole_tracks, 288); /* whoever wants bytes is told too */
	assert_int_equal(primary->answers[2].track_count, 8);
	assert_int_equal(check(run(1, 303, 8))->hole_tracks, 0);
}

static void holes_behind_data_are_told(void **state)
{
	(void)state;
	faulty_volume_set_hole(bed->volumes[0], 10 * TRACK, 300 * TRACK + 100);
	assert_int_equal(check(run(1, 6, 4))->hole_tracks, 290);
	assert_int_equal(check(run(1, 5, 4))->hole_tracks, 0); /* data comes first */
}

static void holes_are_told_with_the_whole_run_only(void **state)
{
	(void)state;
	faulty_volume_set_hole(bed->volumes[0], 10 * TRACK, 300 * TRACK);
	check(run(1, 0, 12));
	assert_int_equal(check(run(1, 8, 12))->track_count, 4); /* a prefix */
	assert_int_equal(primary->answers[1].hole_tracks, 0);
	assert_int_equal(check(run(1, 8, 4))->hole_tracks, 288);
}

static void holes_are_told_up_to_the_end_of_each_read(void **state)
{
	struct msg_read read = run(1, 0, 12);

	(void)state;
	faulty_volume_set_hole(bed->volumes[0], 10 * TRACK, SIZE_BYTES);
	assert_int_equal(check(read)->hole_tracks, TRACKS - 1 - 12); /* whole ones */
	read.end_bytes = 20 * TRACK + 1;
	assert_int_equal(check(read)->hole_tracks, 9); /* and one that is short for this one */
	read.end_bytes = 12 * TRACK;
	assert_int_equal(check(read)->hole_tracks, 0);
	assert_int_equal(bed_da(bed).reads_started, 1);
}

static void replaced_entry_is_unlocked_and_looked_for_again(void **state)
{
	const struct cache_key key = { .track = 2, .device = device, .valid_bytes = TRACK, .digest = DIGEST_XXH3_128 };

	(void)state;
	check(run(1, 0, 4));
	replace_key = &key;
	assert_int_equal(check(run(1, 0, 4))->track_count, 2); /* 164, 166: those before it */
	assert_int_equal(check(run(1, 0, 4))->states[2], TRACK_ZERO);
	assert_int_equal(bed_da(bed).reads_started, 1);
	nothing_is_locked_and_no_slot_was_used();
}

/* They are copied: no answer that waits to be sent keeps anything from others. */
static void digests_are_in_nobodys_share_of_locks(void **state)
{
	struct msg_read read = run(2, 0, 4);

	(void)state;
	bed->peer->locked_tracks += bed->ra->locks_per_peer; /* as if another link of the peer had them */
	check(run(1, 0, 4));
	read.delivery = DELIVERY_POLL;
	check(read);
	assert_int_equal(bed->peer->locked_tracks, bed->ra->locks_per_peer);
	bed->peer->locked_tracks -= bed->ra->locks_per_peer;
}

static void time_out_is_an_error_of_what_was_wanted(void **state)
{
	struct msg_read read = run(1, 0, 2);

	(void)state;
	read.delivery = DELIVERY_POLL;
	hang(true);
	read.floor = ask(&read)->floor;
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck == 1);
	bed_advance(bed, WAIT_TASK_TIMEOUT_MS);
	assert_int_equal(ask(&read)->status, STATUS_TIMEOUT);
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1);
	read.digest = DIGEST_SHA256;
	assert_int_equal(ask(&read)->status, STATUS_NOT_READY);
	hang(false);
	BED_UNTIL(bed, device_is_ready(device_array_record(bed->ra->devices, device)));
	check(read);
}

static void lost_link_and_released_job_take_their_digests_along(void **state)
{
	(void)state;
	for (uint32_t tag = 0; tag < 32; tag++) {
		struct msg_read read = run(tag, 16 * tag, 16);

		read.link_id = primary_link(primary, device);
		read.delivery = (enum delivery)(1 + tag % 3);
		primary_ask(primary, &read);
		if (tag % 8 == 0)
			primary_release(primary, read.link_id);
	}
	primary_drop(primary);
	primary = NULL;
	BED_UNTIL_IN_TIME(bed, bed_is_quiet(bed));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(digests_come_in_each_delivery),
		T(digests_that_are_cached_are_answered_at_once), T(run_may_be_of_1024_tracks),
		T(last_track_is_digested_as_far_as_it_goes), T(device_may_not_be_taken_to_end_beyond_its_end),
		T(device_may_be_taken_to_end_in_the_middle_of_a_track),
		T(another_end_makes_another_entry_of_the_track_that_it_lies_in_only), T(longest_ready_prefix_is_answered),
		T(what_was_read_for_one_want_answers_no_other), T(two_links_that_want_the_same_digest_share_one_disk_read),
		T(two_links_that_want_unequal_things_share_no_disk_read),
		T(other_ends_share_a_disk_read_but_for_the_track_that_one_lies_in),
		T(tracks_that_are_being_read_are_not_read_twice), T(new_link_job_gets_new_digests), T(reread_gets_new_digests),
		T(only_data_has_a_digest), T(track_beyond_the_end_of_a_volume_that_shrank_has_no_digest),
		T(holes_behind_the_answer_are_told), T(holes_behind_data_are_told), T(holes_are_told_with_the_whole_run_only),
		T(holes_are_told_up_to_the_end_of_each_read), T(replaced_entry_is_unlocked_and_looked_for_again),
		T(digests_are_in_nobodys_share_of_locks), T(time_out_is_an_error_of_what_was_wanted),
		T(lost_link_and_released_job_take_their_digests_along) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
