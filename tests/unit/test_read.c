/* SPDX-License-Identifier: Apache-2.0
 *
 * Figs. 4 and 5: Reads by poll and their wait task, freshness and what links share, through a secondary's session.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/post.h"
#include "secondary/fetch.h"
#include "secondary/job.h"
#include "tests/support/bed.h"

#define TRACKS 256u
#define FOREVER 1000u

/* The one thing that cannot be had from outside: an entry that is replaced between find and lock (76, 78). */
static uint64_t replace_track = UINT64_MAX;
void __real_cache_lock(struct cache *cache, const struct cache_ref *ref);
void __wrap_cache_lock(struct cache *cache, const struct cache_ref *ref);
void __wrap_cache_lock(struct cache *cache, const struct cache_ref *ref)
{
	if (replace_track != UINT64_MAX) {
		const struct cache_key key = { .track = replace_track, .device = 0, .valid_bytes = BED_TRACK_BYTES };
		const struct cache_track track = { .state = TRACK_ZERO, .status = STATUS_OK };

		cache_publish(cache, &key, &track, cache_next_sequence(cache), 0);
		replace_track = UINT64_MAX;
	}
	__real_cache_lock(cache, ref);
}

static struct bed *bed;
static struct primary *primary;
static uint32_t device;
static uint64_t link_id;

static void start(const struct ra_config *config)
{
	bed = bed_new(config, TRACKS);
	primary = primary_new(bed);
	device = primary_attach(primary, "d0");
	link_id = primary_link(primary, device);
}

static int setup(void **state)
{
	struct ra_config config;

	(void)state;
	bed_config(&config);
	start(&config);
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

static uint32_t fetches(void)
{
	return job_array_used(bed->ra->jobs, JOB_FETCH);
}

static void hang(void)
{
	faulty_volume_hang_reads(bed->volumes[0], true);
}

static void unhang(void)
{
	faulty_volume_hang_reads(bed->volumes[0], false);
}

static struct answer *poll_once(uint32_t tag, uint64_t first, uint32_t count, uint64_t floor)
{
	primary_read_again(primary, tag, link_id, device, first, count, DELIVERY_POLL, floor, false);
	return primary_wait(primary, tag);
}

static void first_poll_makes_job_request_and_wait_task(void **state)
{
	struct answer *answer;
	struct fetch *fetch;

	(void)state;
	hang();
	answer = poll_once(1, 8, 16, 0);
	assert_int_equal(answer->status, STATUS_DATA_NOT_FOUND);
	assert_true(answer->floor > 0);
	assert_int_equal(fetches(), 1);
	assert_int_equal(bed_da(bed).elements_used, 1);
	fetch = bed_fetch(bed);
	assert_non_null(fetch);
	assert_non_null(fetch->wait_task);
	assert_int_equal(fetch->track_count, 16);
	unhang();
}

static void wait_task_ends_when_the_disk_was_read(void **state)
{
	struct answer *answer;

	(void)state;
	answer = poll_once(1, 0, 16, 0);
	assert_int_equal(answer->status, STATUS_DATA_NOT_FOUND);
	BED_UNTIL(bed, fetches() == 0);
	assert_int_equal(bed_da(bed).elements_used, 0);
	bed_advance(bed, WAIT_TASK_TIMEOUT_MS + 1);
	assert_int_equal(post_total(bed->post), 0);
	answer = poll_once(1, 0, 16, answer->floor);
	assert_int_equal(answer->status, STATUS_OK);
	assert_int_equal(answer->track_count, 16);
	assert_tracks(bed, device, answer, 0);
}

static void second_poll_finds_the_wait_task(void **state)
{
	struct answer *answer;

	(void)state;
	hang();
	answer = poll_once(1, 0, 4, 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(poll_once(1, 0, 4, answer->floor)->status, STATUS_DATA_NOT_FOUND);
	assert_int_equal(fetches(), 1);
	assert_int_equal(bed_da(bed).elements_used, 1);
	unhang();
	BED_UNTIL(bed, fetches() == 0);
	assert_int_equal(bed_da(bed).reads_started, 1);
}

static void poll_adds_a_wait_task_to_a_fetch_that_has_none(void **state)
{
	uint64_t other = primary_link(primary, device);
	struct fetch *fetch;

	(void)state;
	hang();
	primary_read(primary, 2, link_id, device, 0, 4, DELIVERY_HOLD);
	BED_UNTIL(bed, fetches() == 1);
	fetch = bed_fetch(bed);
	assert_null(fetch->wait_task);
	primary_read(primary, 3, other, device, 0, 4, DELIVERY_POLL);
	/* The fetch began after both jobs were made, so the poll joins it. */
	assert_int_equal(primary_wait(primary, 3)->status, STATUS_DATA_NOT_FOUND);
	assert_non_null(fetch->wait_task);
	assert_int_equal(fetches(), 1);
	unhang();
	assert_int_equal(primary_wait(primary, 2)->status, STATUS_OK);
}

static void cached_track_is_answered_from_the_cache(void **state)
{
	struct answer *answer = primary_poll(primary, 1, link_id, device, 0, 8, FOREVER);

	(void)state;
	assert_tracks(bed, device, answer, 0);
	assert_int_equal(poll_once(2, 0, 8, 0)->status, STATUS_OK);
	assert_tracks(bed, device, &primary->answers[2], 0);
	assert_int_equal(bed_da(bed).reads_started, 1);
	assert_int_equal(bed_cache(bed).slots_locked, 0);
}

static void longest_ready_prefix_is_answered(void **state)
{
	struct answer *answer;

	(void)state;
	primary_poll(primary, 1, link_id, device, 0, 8, FOREVER);
	answer = poll_once(2, 4, 8, 0);
	assert_int_equal(answer->status, STATUS_OK);
	assert_int_equal(answer->track_count, 4);
	assert_tracks(bed, device, answer, 4);
}

static void replaced_entry_is_unlocked_and_asked_for_again(void **state)
{
	struct answer *answer;

	(void)state;
	primary_poll(primary, 1, link_id, device, 0, 1, FOREVER);
	replace_track = 0;
	answer = poll_once(2, 0, 1, 0);
	assert_int_equal(answer->status, STATUS_DATA_NOT_FOUND); /* 80 no, 90, 92, 94 … 106 */
	BED_UNTIL(bed, fetches() == 0);
	assert_int_equal(bed_cache(bed).slots_locked, 0);
	assert_int_equal(bed_da(bed).reads_started, 2);
}

static void full_da_queue_answers_queue_full_and_frees_the_job(void **state)
{
	struct ra_config config;
	uint64_t links[4];

	(void)state;
	teardown(state);
	bed_config(&config);
	config.da_queue_elements = 3;
	start(&config);
	hang();
	for (uint32_t i = 0; i < 4; i++) {
		links[i] = primary_link(primary, device);
		primary_read(primary, 10 + i, links[i], device, i, 1, DELIVERY_POLL);
		primary_wait(primary, 10 + i);
	}
	assert_int_equal(primary->answers[12].status, STATUS_DATA_NOT_FOUND);
	assert_int_equal(primary->answers[13].status, STATUS_QUEUE_FULL);
	assert_int_equal(post_count(bed->post, STATUS_QUEUE_FULL), 1);
	assert_int_equal(fetches(), 3);
	unhang();
	BED_UNTIL(bed, fetches() == 0);
	assert_tracks(bed, device, primary_poll(primary, 14, links[3], device, 3, 1, FOREVER), 3);
}

static void full_job_array_answers_no_free_job(void **state)
{
	struct ra_config config;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.jobs = 4;
	start(&config);
	primary_link(primary, device);
	primary_read(primary, 1, 0, device, 0, 0, DELIVERY_UNSET);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_NO_FREE_JOB); /* half is kept for fetch jobs */
	assert_int_equal(post_count(bed->post, STATUS_NO_FREE_JOB), 1);
	hang();
	for (uint64_t track = 0; track < 2; track++)
		assert_int_equal(poll_once(2, track, 1, 0)->status, STATUS_DATA_NOT_FOUND);
	assert_int_equal(poll_once(2, 2, 1, 0)->status, STATUS_NO_FREE_JOB);
	assert_int_equal(fetches(), 2);
	unhang();
}

static void wait_task_times_out_with_a_posted_error_once(void **state)
{
	struct answer *answer;
	const struct posted_error *error;

	(void)state;
	hang();
	answer = poll_once(1, 5, 3, 0);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck >= 1);
	bed_advance(bed, WAIT_TASK_TIMEOUT_MS - 1);
	assert_int_equal(post_total(bed->post), 0);
	bed_advance(bed, 1);
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1); /* 114 */
	error = post_recent(bed->post, 0);
	assert_string_equal(error->device, "d0");
	assert_int_equal(error->first_track, 5);
	assert_int_equal(error->track_count, 3);
	assert_int_equal(fetches(), 0);                             /* 118 */
	assert_int_equal(bed_da(bed).abandoned, 1);                 /* 116: its thread is stuck in it */
	answer = poll_once(1, 5, 3, answer->floor);
	assert_int_equal(answer->status, STATUS_TIMEOUT);           /* not DATA_NOT_FOUND */
	assert_int_equal(post_total(bed->post), 1);
	unhang();
	BED_UNTIL(bed, bed_da(bed).elements_used == 0);
}

/* Digests of 64 tracks: many disk reads, one after the other. */
static void wait_task_of_a_disk_read_that_gets_on_waits(void **state)
{
	struct msg_read read = { .tag = 1, .link_id = link_id, .device_number = device, .track_count = 64,
		.delivery = DELIVERY_POLL, .digest = DIGEST_XXH3_128, .end_bytes = TRACKS * BED_TRACK_BYTES };

	(void)state;
	hang();
	primary_ask(primary, &read);
	read.floor = primary_wait(primary, 1)->floor;
	for (unsigned reads = 1; reads < 4; reads++) {
		BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).reads == reads);
		faulty_volume_let_go(bed->volumes[0], 1);
		BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).reads == reads + 1);
		bed_advance(bed, WAIT_TASK_TIMEOUT_MS); /* 112: no */
		assert_int_equal(fetches(), 1);
		assert_int_equal(post_total(bed->post), 0);
	}
	bed_advance(bed, WAIT_TASK_TIMEOUT_MS); /* 112: yes */
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1);
	assert_int_equal(fetches(), 0);
	primary_ask(primary, &read);
	assert_digests(bed, primary_wait(primary, 1), &read); /* what has come before is no error, */
	read.first_track = primary->answers[1].track_count;
	assert_in_range(read.first_track, 1, 63);
	primary_ask(primary, &read);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_TIMEOUT); /* the rest is one */
	unhang();
}

static void time_out_of_a_request_that_has_not_started_frees_it_at_once(void **state)
{
	(void)state;
	hang();
	for (uint32_t i = 0; i < 3; i++) /* two threads at most work for one volume */
		assert_int_equal(poll_once(1, i, 1, 0)->status, STATUS_DATA_NOT_FOUND);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck >= 2);
	bed_advance(bed, WAIT_TASK_TIMEOUT_MS);
	assert_int_equal(bed_da(bed).abandoned, 2);
	assert_int_equal(bed_da(bed).elements_used, 2);
	assert_int_equal(fetches(), 0);
	unhang();
}

/* The third one was not even begun: that says nothing of its tracks, and nobody is told so. */
static void time_out_of_a_request_that_has_not_started_is_no_error_of_its_tracks(void **state)
{
	(void)state;
	hang();
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(poll_once(1, i, 1, 0)->status, STATUS_DATA_NOT_FOUND);
		if (i < 2)
			BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck >= i + 1);
	}
	bed_advance(bed, WAIT_TASK_TIMEOUT_MS);
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(poll_once(1, i, 1, 0)->status, i < 2 ? STATUS_TIMEOUT : STATUS_NOT_READY);
	unhang();
}

static void hung_device_is_not_ready_until_the_read_returns(void **state)
{
	struct answer *answer;

	(void)state;
	hang();
	poll_once(1, 0, 1, 0);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck >= 1);
	bed_advance(bed, WAIT_TASK_TIMEOUT_MS);
	assert_int_equal(poll_once(1, 100, 1, 0)->status, STATUS_NOT_READY);
	unhang();
	BED_UNTIL(bed, device_is_ready(device_array_record(bed->ra->devices, device)));
	answer = primary_poll(primary, 1, link_id, device, 100, 1, FOREVER);
	assert_tracks(bed, device, answer, 100);
}

static void an_error_is_told_to_every_link_and_read_once(void **state)
{
	uint64_t other = primary_link(primary, device);
	struct answer *answer;

	(void)state;
	faulty_volume_set_error(bed->volumes[0], 0, BED_TRACK_BYTES, 5);
	answer = primary_poll(primary, 1, link_id, device, 0, 2, FOREVER);
	assert_int_equal(answer->track_count, 2);
	assert_int_equal(answer->states[0], TRACK_EIO);
	assert_int_equal(answer->states[1], TRACK_DATA);
	for (unsigned i = 0; i < 3; i++) {
		primary_read(primary, 2, i % 2 ? link_id : other, device, 0, 2, DELIVERY_POLL);
		answer = primary_wait(primary, 2);
		assert_int_equal(answer->status, STATUS_OK);
		assert_int_equal(answer->states[0], TRACK_EIO);
	}
	assert_int_equal(bed_da(bed).reads_started, 1);
}

static void two_links_share_one_disk_read(void **state)
{
	uint64_t other = primary_link(primary, device);

	(void)state;
	hang();
	primary_read(primary, 1, link_id, device, 0, 16, DELIVERY_DISCONNECT);
	primary_read(primary, 2, other, device, 0, 16, DELIVERY_HOLD);
	BED_UNTIL(bed, primary->answers[1].is_disconnected);
	bed_pass(bed);
	assert_int_equal(fetches(), 1);
	unhang();
	assert_tracks(bed, device, primary_wait(primary, 1), 0);
	assert_tracks(bed, device, primary_wait(primary, 2), 0);
	assert_int_equal(bed_da(bed).reads_started, 1);
}

static void link_made_after_a_fetch_began_does_not_take_its_data(void **state)
{
	uint64_t later;

	(void)state;
	hang();
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, fetches() == 1);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck >= 1);
	later = primary_link(primary, device);
	primary_read(primary, 2, later, device, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, fetches() == 2);
	unhang();
	primary_wait(primary, 1);
	primary_wait(primary, 2);
	assert_int_equal(bed_da(bed).reads_started, 2);
}

static void new_link_job_reads_what_changed(void **state)
{
	uint64_t later;

	(void)state;
	primary_poll(primary, 1, link_id, device, 0, 1, FOREVER);
	faulty_volume_set_version(bed->volumes[0], 1);
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_OK);
	assert_int_equal(bed_da(bed).reads_started, 1); /* the old job is content with the old data */
	later = primary_link(primary, device);
	primary_read(primary, 2, later, device, 0, 1, DELIVERY_HOLD);
	assert_tracks(bed, device, primary_wait(primary, 2), 0);
	assert_int_equal(bed_da(bed).reads_started, 2);
}

static void reread_by_poll_ends_with_new_data(void **state)
{
	struct answer *answer;
	uint64_t floor;

	(void)state;
	primary_poll(primary, 1, link_id, device, 0, 1, FOREVER);
	faulty_volume_set_version(bed->volumes[0], 1);
	primary_read_again(primary, 1, link_id, device, 0, 1, DELIVERY_POLL, 0, true);
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->status, STATUS_DATA_NOT_FOUND);
	floor = answer->floor;
	BED_UNTIL(bed, fetches() == 0);
	answer = poll_once(1, 0, 1, floor);
	assert_int_equal(answer->status, STATUS_OK);
	assert_tracks(bed, device, answer, 0);
	assert_int_equal(bed_da(bed).reads_started, 2);
}

static void floor_from_the_future_is_now(void **state)
{
	struct answer *answer;

	(void)state;
	primary_read_again(primary, 1, link_id, device, 0, 1, DELIVERY_POLL, UINT64_MAX, false);
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->status, STATUS_DATA_NOT_FOUND);
	assert_true(answer->floor < 1000);
}

static void lost_link_leaves_only_its_fetch_which_ends_by_itself(void **state)
{
	(void)state;
	hang();
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, fetches() == 1);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck >= 1);
	primary_drop(primary);
	primary = NULL;
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_LINK), 0);
	assert_int_equal(fetches(), 1);
	bed_advance(bed, DA_TIMEOUT_MS);
	assert_int_equal(fetches(), 0);
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1);
	unhang();
	BED_UNTIL(bed, bed_is_quiet(bed));
}

static void last_track_is_short_and_zero_tracks_have_no_payload(void **state)
{
	struct answer *answer;

	(void)state;
	faulty_volume_set_zeros(bed->volumes[0], 0, 2 * BED_TRACK_BYTES);
	answer = primary_poll(primary, 1, link_id, device, 0, 3, FOREVER);
	assert_int_equal(answer->states[0], TRACK_ZERO);
	assert_int_equal(answer->states[1], TRACK_ZERO);
	assert_int_equal(answer->payload_bytes, BED_TRACK_BYTES);
	assert_tracks(bed, device, answer, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(first_poll_makes_job_request_and_wait_task),
		T(wait_task_ends_when_the_disk_was_read), T(second_poll_finds_the_wait_task),
		T(poll_adds_a_wait_task_to_a_fetch_that_has_none), T(cached_track_is_answered_from_the_cache),
		T(longest_ready_prefix_is_answered), T(replaced_entry_is_unlocked_and_asked_for_again),
		T(full_da_queue_answers_queue_full_and_frees_the_job), T(full_job_array_answers_no_free_job),
		T(wait_task_times_out_with_a_posted_error_once), T(wait_task_of_a_disk_read_that_gets_on_waits),
		T(time_out_of_a_request_that_has_not_started_frees_it_at_once),
		T(time_out_of_a_request_that_has_not_started_is_no_error_of_its_tracks),
		T(hung_device_is_not_ready_until_the_read_returns), T(an_error_is_told_to_every_link_and_read_once),
		T(two_links_share_one_disk_read), T(link_made_after_a_fetch_began_does_not_take_its_data),
		T(new_link_job_reads_what_changed), T(reread_by_poll_ends_with_new_data), T(floor_from_the_future_is_now),
		T(lost_link_leaves_only_its_fetch_which_ends_by_itself),
		T(last_track_is_short_and_zero_tracks_have_no_payload) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
