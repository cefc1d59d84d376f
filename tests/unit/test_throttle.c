/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits on the secondary: a Read waits before anything else happens to it, keeps its job and its place meanwhile, and
 * is charged with what it read. The limit of these tests is one track a second, of which a tenth is there at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/post.h"
#include "base/rate.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/session.h"
#include "tests/support/bed.h"

#define BURST_MS 100

static struct bed *bed;
static struct primary *primary;
static uint32_t device;
static uint64_t first, second;

static void start(const struct ra_config *config)
{
	bed = bed_new(config, 256);
	primary = primary_new(bed);
	device = primary_attach(primary, "d0");
	first = primary_link(primary, device);
	second = primary_link(primary, device);
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

static void limit_device(uint64_t tracks_per_s)
{
	const struct rate_limit limit = { .bytes_per_s = tracks_per_s * BED_TRACK_BYTES };

	rate_set(device_array_rate(bed->ra->devices, device), &limit);
}

static void settle(void)
{
	for (unsigned i = 0; i < 10; i++)
		bed_pass(bed);
}

/* Sends a Read of one track and lets time go on until it is answered; how long that took. */
static int64_t wait_of_next_read(uint64_t link_id)
{
	int64_t waited_ms = 0;

	primary_read(primary, 200, link_id, device, 255, 1, DELIVERY_HOLD);
	settle();
	while (primary->answers[200].replies == 0) {
		bed_advance(bed, 1);
		waited_ms++;
		assert_true(waited_ms < 1000000);
		if (job_array_used(bed->ra->jobs, JOB_FETCH) > 0)
			primary_wait(primary, 200);
	}
	return waited_ms;
}

/* What a Read was charged, from how long the next one waits: that one begins when the level is above 0. */
static void assert_charged(uint64_t tracks)
{
	int64_t waited_ms = wait_of_next_read(second);
	int64_t expected_ms = tracks == 0 ? 0 : (int64_t)tracks * 1000 - BURST_MS + 1;

	assert_in_range(waited_ms, expected_ms > 1 ? expected_ms - 2 : 0, expected_ms + 2);
}

static void read_waits_until_its_limit_lets_it_begin(void **state)
{
	struct answer *answer;

	(void)state;
	limit_device(1);
	primary_read(primary, 1, first, device, 0, 3, DELIVERY_HOLD);
	assert_int_equal(primary_wait(primary, 1)->throttled_ms, 0);
	primary_read(primary, 2, first, device, 3, 1, DELIVERY_HOLD);
	settle();
	bed_advance(bed, 2900);
	settle();
	assert_int_equal(primary->answers[2].replies, 0);
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_FETCH), 0); /* not even its disk read has begun */
	assert_int_equal(bed_da(bed).reads_started, 1);
	bed_advance(bed, 1);
	answer = primary_wait(primary, 2);
	assert_tracks(bed, device, answer, 3);
	assert_int_equal(answer->throttled_ms, 2901);
	assert_int_equal(rate_throttled_ms(device_array_rate(bed->ra->devices, device)), 2901);
}

static void limits_of_peer_and_of_all_hold_too(void **state)
{
	const struct rate_limit one = { .reads_per_s = 1 }, none = { 0 };

	(void)state;
	rate_set(bed->peer->rate, &one);
	primary_read(primary, 1, first, device, 0, 3, DELIVERY_HOLD);
	primary_wait(primary, 1);
	assert_charged(1);
	rate_set(bed->peer->rate, &none);
	rate_set(bed->ra->total_rate, &one);
	primary_read(primary, 1, first, device, 0, 3, DELIVERY_HOLD);
	primary_wait(primary, 1);
	assert_charged(1);
}

static void limit_of_another_device_is_not_felt(void **state)
{
	const struct rate_limit slow = { .bytes_per_s = 1 };

	(void)state;
	rate_set(device_array_rate(bed->ra->devices, 1), &slow);
	for (uint32_t i = 0; i < 10; i++) {
		primary_read(primary, 1, first, device, i, 1, DELIVERY_HOLD);
		assert_int_equal(primary_wait(primary, 1)->throttled_ms, 0);
	}
}

static void second_read_on_a_throttled_job_is_busy(void **state)
{
	(void)state;
	limit_device(1);
	primary_read(primary, 1, second, device, 0, 1, DELIVERY_HOLD);
	primary_wait(primary, 1);
	primary_read(primary, 2, first, device, 1, 1, DELIVERY_HOLD);
	primary_read(primary, 3, first, device, 1, 1, DELIVERY_HOLD);
	assert_int_equal(primary_wait(primary, 3)->status, STATUS_BUSY);
	assert_int_equal(primary->answers[2].replies, 0);
	bed_advance(bed, 1000);
	assert_int_equal(primary_wait(primary, 2)->status, STATUS_OK);
}

static void throttled_read_keeps_its_place_in_the_window(void **state)
{
	struct ra_config config;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.window_reads = 2;
	start(&config);
	limit_device(1);
	primary_read(primary, 1, first, device, 0, 1, DELIVERY_DISCONNECT);
	primary_wait(primary, 1);
	primary_read(primary, 2, first, device, 1, 1, DELIVERY_DISCONNECT);
	primary_read(primary, 3, second, device, 2, 1, DELIVERY_DISCONNECT);
	settle();
	assert_int_equal(primary->session->connected_reads, 2);
	assert_false(primary->answers[2].is_disconnected);
	primary_read(primary, 4, first, device, 3, 1, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, primary->is_closed); /* one too many */
}

static void release_drops_a_throttled_read(void **state)
{
	(void)state;
	limit_device(1);
	primary_read(primary, 1, first, device, 0, 1, DELIVERY_HOLD);
	primary_wait(primary, 1);
	primary_read(primary, 2, first, device, 1, 64, DELIVERY_HOLD);
	settle();
	assert_int_equal(primary->session->connected_reads, 1);
	primary_release(primary, first);
	assert_int_equal(primary->session->connected_reads, 0);
	assert_charged(1); /* nothing for the one that never began */
	assert_int_equal(primary->answers[2].replies, 0);
}

/* It was let begin and charged, and then read nothing. */
static void read_that_is_dropped_while_it_waits_for_an_element_is_not_charged(void **state)
{
	struct ra_config config;

	teardown(state);
	bed_config(&config);
	config.da_queue_elements = 1;
	start(&config);
	limit_device(1);
	faulty_volume_hang_reads(bed->volumes[0], true);
	primary_read(primary, 1, second, device, 0, 1, DELIVERY_HOLD);
	settle();
	bed_advance(bed, 1000);
	primary_read(primary, 2, first, device, 1, 64, DELIVERY_HOLD);
	BED_UNTIL(bed, bed->ra->element_waiters != NULL);
	primary_release(primary, first);
	faulty_volume_hang_reads(bed->volumes[0], false);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_OK);
	assert_charged(0);
}

static void detach_and_loss_drop_throttled_reads(void **state)
{
	struct primary *other = primary_new(bed);

	(void)state;
	primary_attach(other, "d0");
	limit_device(1);
	primary_read(primary, 1, first, device, 0, 1, DELIVERY_HOLD);
	primary_wait(primary, 1);
	primary_read(primary, 2, first, device, 1, 1, DELIVERY_HOLD);
	primary_read(other, 3, primary_link(other, device), device, 1, 1, DELIVERY_POLL);
	settle();
	assert_int_equal(primary_detach(primary, device), STATUS_OK);
	primary_drop(other);
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_LINK), 0);
	assert_int_equal(bed->peer->jobs, 0);
	bed_advance(bed, 60000);
	assert_int_equal(primary->answers[2].replies, 0);
}

static void throttled_time_counts_in_no_time_out(void **state)
{
	const struct rate_limit slow = { .bytes_per_s = BED_TRACK_BYTES / 100 };

	(void)state;
	rate_set(device_array_rate(bed->ra->devices, device), &slow);
	primary_read(primary, 1, first, device, 0, 1, DELIVERY_DISCONNECT);
	primary_wait(primary, 1);
	faulty_volume_hang_reads(bed->volumes[0], true);
	primary_read(primary, 2, first, device, 1, 1, DELIVERY_DISCONNECT);
	settle();
	bed_advance(bed, 99000); /* more than three request time-outs */
	settle();
	assert_int_equal(primary->answers[2].replies, 0);
	assert_int_equal(post_total(bed->post), 0);
	bed_advance(bed, 1000);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck == 1);
	bed_advance(bed, DA_TIMEOUT_MS - 1100);
	assert_int_equal(post_total(bed->post), 0);
	bed_advance(bed, 1100);
	assert_int_equal(primary_wait(primary, 2)->status, STATUS_TIMEOUT);
	assert_true(primary->answers[2].throttled_ms >= 99000);
	faulty_volume_hang_reads(bed->volumes[0], false);
}

static void read_is_charged_with_the_tracks_it_answers(void **state)
{
	(void)state;
	primary_read(primary, 1, first, device, 0, 4, DELIVERY_HOLD);
	primary_wait(primary, 1);
	limit_device(1);
	primary_read(primary, 1, first, device, 0, 16, DELIVERY_HOLD); /* four are in the cache: the prefix */
	assert_int_equal(primary_wait(primary, 1)->track_count, 4);
	assert_charged(4);
}

static void holes_are_not_charged_and_zeros_are(void **state)
{
	(void)state;
	faulty_volume_set_hole(bed->volumes[0], 0, 8 * BED_TRACK_BYTES);
	faulty_volume_set_zeros(bed->volumes[0], 8 * BED_TRACK_BYTES, 10 * BED_TRACK_BYTES);
	limit_device(1);
	primary_read(primary, 1, first, device, 0, 11, DELIVERY_HOLD);
	assert_int_equal(primary_wait(primary, 1)->track_count, 11);
	assert_int_equal(primary->answers[1].states[0], TRACK_HOLE);
	assert_int_equal(primary->answers[1].states[8], TRACK_ZERO);
	assert_charged(3);
}

static void read_that_is_answered_without_tracks_is_not_charged(void **state)
{
	(void)state;
	faulty_volume_hang_reads(bed->volumes[0], true);
	primary_read(primary, 1, second, device, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck == 1);
	bed_advance(bed, DA_TIMEOUT_MS);
	primary_wait(primary, 1);
	limit_device(1);
	primary_read(primary, 1, first, device, 5, 16, DELIVERY_HOLD);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_NOT_READY);
	faulty_volume_hang_reads(bed->volumes[0], false);
	BED_UNTIL(bed, device_is_ready(device_array_record(bed->ra->devices, device)));
	assert_charged(0);
}

static void run_that_is_polled_for_is_charged_once(void **state)
{
	struct answer *answer;
	uint64_t floor;

	(void)state;
	limit_device(1);
	faulty_volume_hang_reads(bed->volumes[0], true);
	primary_read(primary, 1, first, device, 0, 3, DELIVERY_POLL);
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->status, STATUS_DATA_NOT_FOUND);
	floor = answer->floor;
	for (unsigned i = 0; i < 3; i++) { /* asking again costs nothing, neither bytes nor a wait */
		primary_read_again(primary, 1, first, device, 0, 3, DELIVERY_POLL, floor, false);
		assert_int_equal(primary_wait(primary, 1)->status, STATUS_DATA_NOT_FOUND);
	}
	faulty_volume_hang_reads(bed->volumes[0], false);
	BED_UNTIL(bed, job_array_used(bed->ra->jobs, JOB_FETCH) == 0);
	primary_read_again(primary, 1, first, device, 0, 3, DELIVERY_POLL, floor, false);
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->status, STATUS_OK);
	assert_int_equal(answer->track_count, 3);
	assert_int_equal(answer->throttled_ms, 0);
	assert_charged(3);
}

/* By hold, of the tracks from `first_track` to the end of the device as it is taken to be. */
static struct msg_read digests(uint32_t tag, uint64_t first_track, uint32_t track_count, uint64_t end_bytes)
{
	return (struct msg_read){ .tag = tag, .link_id = first, .device_number = device, .first_track = first_track,
		.track_count = track_count, .delivery = DELIVERY_HOLD, .digest = DIGEST_XXH3_128, .end_bytes = end_bytes };
}

static void digests_are_charged_with_what_is_digested(void **state)
{
	const struct msg_read read = digests(1, 0, 4, 3 * BED_TRACK_BYTES + BED_TRACK_BYTES / 2);

	(void)state;
	faulty_volume_set_hole(bed->volumes[0], 0, BED_TRACK_BYTES);
	limit_device(2);
	primary_ask(primary, &read);
	assert_int_equal(primary_wait(primary, 1)->track_count, 4);
	assert_in_range(wait_of_next_read(second), 1149, 1153); /* two and a half, without the burst of a tenth */
}

/* What was polled for is paid; the same tracks, wanted otherwise, are not. */
static void only_the_retry_of_what_was_polled_for_is_paid(void **state)
{
	struct msg_read read = digests(1, 0, 3, 3 * BED_TRACK_BYTES);

	(void)state;
	limit_device(1);
	faulty_volume_hang_reads(bed->volumes[0], true);
	read.delivery = DELIVERY_POLL;
	primary_ask(primary, &read);
	read.floor = primary_wait(primary, 1)->floor;
	primary_ask(primary, &read);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_DATA_NOT_FOUND);
	read.digest = DIGEST_SHA256;
	primary_ask(primary, &read);
	settle();
	assert_int_equal(primary->answers[1].replies, 0);
	bed_advance(bed, 2901);
	assert_int_equal(primary_wait(primary, 1)->throttled_ms, 2901);
	read.end_bytes--;
	primary_ask(primary, &read);
	settle();
	assert_int_equal(primary->answers[1].replies, 0);
	faulty_volume_hang_reads(bed->volumes[0], false);
}

/* Or a primary could have the whole disk read in spite of its limit. */
static void run_that_is_polled_for_and_not_fetched_stays_charged(void **state)
{
	(void)state;
	limit_device(1);
	primary_read(primary, 1, first, device, 0, 3, DELIVERY_POLL);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_DATA_NOT_FOUND);
	primary_read(primary, 2, first, device, 64, 1, DELIVERY_POLL);
	settle();
	assert_int_equal(primary->answers[2].replies, 0);
	bed_advance(bed, 2800);
	settle();
	assert_int_equal(primary->answers[2].replies, 0);
	bed_advance(bed, 101);
	assert_int_equal(primary_wait(primary, 2)->status, STATUS_DATA_NOT_FOUND);
}

static void limit_is_changed_while_reads_wait_for_it(void **state)
{
	const struct rate_limit none = { 0 };

	(void)state;
	limit_device(1);
	primary_read(primary, 1, first, device, 0, 64, DELIVERY_HOLD);
	primary_wait(primary, 1);
	primary_read(primary, 2, first, device, 64, 1, DELIVERY_HOLD);
	settle();
	bed_advance(bed, 10);
	assert_int_equal(primary->answers[2].replies, 0);
	rate_set(device_array_rate(bed->ra->devices, device), &none);
	bed_advance(bed, 0);
	assert_int_equal(primary_wait(primary, 2)->throttled_ms, 10);
}

static void throttled_job_says_so(void **state)
{
	struct job *job;

	(void)state;
	limit_device(1);
	primary_read(primary, 1, second, device, 0, 1, DELIVERY_HOLD);
	primary_wait(primary, 1);
	primary_read(primary, 2, first, device, 7, 2, DELIVERY_HOLD);
	settle();
	job = job_array_element(bed->ra->jobs, (uint32_t)(first >> 32) & 0xffff);
	assert_int_equal(job->specific.state, JOB_STATE_THROTTLED);
	assert_int_equal(job->tracks[0].number, 7);
	assert_ptr_not_equal(device_array_record(bed->ra->devices, device)->active, job); /* no command has started */
	bed_advance(bed, 1000);
	primary_wait(primary, 2);
	assert_ptr_equal(device_array_record(bed->ra->devices, device)->active, job);
	assert_int_equal(job->specific.state, JOB_STATE_IDLE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(read_waits_until_its_limit_lets_it_begin),
		T(limits_of_peer_and_of_all_hold_too), T(limit_of_another_device_is_not_felt),
		T(second_read_on_a_throttled_job_is_busy), T(throttled_read_keeps_its_place_in_the_window),
		T(release_drops_a_throttled_read), T(read_that_is_dropped_while_it_waits_for_an_element_is_not_charged),
		T(detach_and_loss_drop_throttled_reads),
		T(throttled_time_counts_in_no_time_out), T(read_is_charged_with_the_tracks_it_answers),
		T(holes_are_not_charged_and_zeros_are), T(read_that_is_answered_without_tracks_is_not_charged),
		T(run_that_is_polled_for_is_charged_once), T(digests_are_charged_with_what_is_digested),
		T(only_the_retry_of_what_was_polled_for_is_paid), T(run_that_is_polled_for_and_not_fetched_stays_charged),
		T(limit_is_changed_while_reads_wait_for_it), T(throttled_job_says_so) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
