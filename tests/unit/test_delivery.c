/* SPDX-License-Identifier: Apache-2.0
 *
 * Fig. 7: Reads by disconnect and by hold, the window, time-outs, hung volumes, and small caches in each delivery.
 * check-style: long because it is one table of the branches of one figure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/post.h"
#include "base/rate.h"
#include "secondary/delivery.h"
#include "secondary/device.h"
#include "secondary/fetch.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/read.h"
#include "secondary/session.h"
#include "secondary/share.h"
#include "tests/support/bed.h"

#define TRACKS 1024u

static uint64_t replace_track = UINT64_MAX;
static enum track_state replace_state;
void __real_cache_lock(struct cache *cache, const struct cache_ref *ref);
void __wrap_cache_lock(struct cache *cache, const struct cache_ref *ref);
void __wrap_cache_lock(struct cache *cache, const struct cache_ref *ref)
{
	if (replace_track != UINT64_MAX) {
		const struct cache_key key = { .track = replace_track, .device = 0, .valid_bytes = BED_TRACK_BYTES };
		const struct cache_track track = { .state = replace_state, .status = STATUS_OK };

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
	bed_free(bed);
	return 0;
}

static uint32_t fetches(void)
{
	return job_array_used(bed->ra->jobs, JOB_FETCH);
}

static void hang(unsigned volume)
{
	faulty_volume_hang_reads(bed->volumes[volume], true);
}

static void unhang(unsigned volume)
{
	faulty_volume_hang_reads(bed->volumes[volume], false);
}

static void wait_stuck(unsigned volume, unsigned count)
{
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[volume]).stuck >= count);
}

static void missing_data_comes_by_disconnect_and_reconnect(void **state)
{
	struct answer *answer;

	(void)state;
	hang(0);
	primary_read(primary, 1, link_id, device, 0, 16, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, primary->answers[1].is_disconnected); /* 176 */
	assert_int_equal(bed->ra->sessions->connected_reads, 0);
	unhang(0);
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->status, STATUS_RECONNECT); /* 194 */
	assert_int_equal(answer->track_count, 16);
	assert_tracks(bed, device, answer, 0);
	assert_int_equal(bed->ra->counts.disconnects, 1);
	assert_int_equal(bed->ra->counts.reconnects, 1);
	BED_UNTIL(bed, bed->ra->sessions->reconnected_reads == 0);
	assert_int_equal(bed_cache(bed).slots_locked, 0); /* 170 */
}

static void hold_keeps_its_place_and_says_nothing_before_the_data(void **state)
{
	struct answer *answer;

	(void)state;
	hang(0);
	primary_read(primary, 1, link_id, device, 0, 16, DELIVERY_HOLD);
	BED_UNTIL(bed, fetches() == 1);
	assert_int_equal(bed->ra->sessions->connected_reads, 1);
	unhang(0);
	answer = primary_wait(primary, 1);
	assert_false(answer->is_disconnected);
	assert_int_equal(answer->status, STATUS_OK);
	assert_tracks(bed, device, answer, 0);
	assert_int_equal(bed->ra->counts.disconnects, 0);
}

static void answer_says_how_long_it_waited_for_the_disk(void **state)
{
	struct answer *answer;

	(void)state;
	while (clock_thread_cpu_ms() < 20)
		;
	hang(0);
	primary_read(primary, 1, link_id, device, 0, 4, DELIVERY_DISCONNECT);
	wait_stuck(0, 1);
	bed_advance(bed, 700);
	unhang(0);
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->disk_ms, 700);
	assert_in_range(answer->cpu_ms, 20, clock_thread_cpu_ms());
	primary_read(primary, 2, link_id, device, 0, 4, DELIVERY_DISCONNECT);
	assert_int_equal(primary_wait(primary, 2)->disk_ms, 0); /* it was in the cache */
}

static void a_read_that_fails_says_so_too(void **state)
{
	struct answer *answer;

	(void)state;
	hang(0);
	primary_read(primary, 1, link_id, device, 0, 4, DELIVERY_HOLD);
	wait_stuck(0, 1);
	bed_advance(bed, 29000);
	bed_advance(bed, 1000);
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->status, STATUS_TIMEOUT);
	assert_true(answer->disk_ms >= bed->ra->config.da_timeout_ms);
	unhang(0);
}

static void cached_data_is_answered_without_disconnect(void **state)
{
	struct answer *answer;

	(void)state;
	primary_read(primary, 1, link_id, device, 0, 4, DELIVERY_HOLD);
	primary_wait(primary, 1);
	primary_read(primary, 1, link_id, device, 0, 4, DELIVERY_DISCONNECT);
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->status, STATUS_OK);
	assert_false(answer->is_disconnected);
	assert_tracks(bed, device, answer, 0);
}

static void replaced_entry_is_unlocked_and_looked_for_again(void **state)
{
	struct answer *answer;

	(void)state;
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD);
	primary_wait(primary, 1);
	replace_track = 0;
	replace_state = TRACK_ZERO;
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD);
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->status, STATUS_OK); /* 164 no, 166, 156, 160: the new entry */
	assert_int_equal(answer->states[0], TRACK_ZERO);
	assert_int_equal(bed_da(bed).reads_started, 1);
	assert_int_equal(bed_cache(bed).slots_locked, 0);
}

static void full_da_queue_is_posted_and_waited_for(void **state)
{
	struct ra_config config;
	uint64_t links[4];

	(void)state;
	teardown(state);
	bed_config(&config);
	config.da_queue_elements = 3;
	start(&config);
	hang(0);
	for (uint32_t i = 0; i < 4; i++) {
		links[i] = primary_link(primary, device);
		primary_read(primary, 10 + i, links[i], device, i, 1, DELIVERY_DISCONNECT);
		BED_UNTIL(bed, primary->answers[10 + i].is_disconnected);
	}
	assert_int_equal(post_count(bed->post, STATUS_QUEUE_FULL), 1); /* 182, and no spinning */
	assert_non_null(bed->ra->element_waiters);
	bed_advance(bed, 1000);
	assert_int_equal(post_count(bed->post, STATUS_QUEUE_FULL), 1);
	unhang(0);
	for (uint32_t i = 0; i < 4; i++)
		assert_tracks(bed, device, primary_wait(primary, 10 + i), i);
	assert_null(bed->ra->element_waiters);
}

static void every_waiter_for_an_element_goes_on(void **state)
{
	struct ra_config config;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.da_queue_elements = 1;
	start(&config);
	hang(0);
	primary_read(primary, 10, primary_link(primary, device), device, 0, 1, DELIVERY_HOLD);
	wait_stuck(0, 1);
	for (uint32_t i = 0; i < 5; i++) /* four want one track, the last another */
		primary_read(primary, 11 + i, primary_link(primary, device), device, i < 4 ? 1 : 2, 1, DELIVERY_HOLD);
	bed_pass(bed);
	unhang(0);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(primary_wait(primary, 10 + i)->status, STATUS_OK);
	assert_int_equal(bed_da(bed).reads_started, 3);
}

/* The share of fetches is used up, the Read is disconnected and waits its turn: its answer still takes a place. */
static void read_that_waited_its_turn_reconnects_with_a_place(void **state)
{
	struct ra_config config;
	uint32_t d1;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.fetches_per_peer = 2;
	config.window_reads = 1;
	start(&config);
	d1 = primary_attach(primary, "d1");
	hang(0);
	hang(1);
	for (uint32_t i = 0; i < 2; i++) {
		primary_read(primary, 10 + i, primary_link(primary, device), device, i, 1, DELIVERY_DISCONNECT);
		BED_UNTIL(bed, primary->answers[10 + i].is_disconnected);
	}
	primary_read(primary, 12, primary_link(primary, d1), d1, 0, 1, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, bed->peer->turns[SHARE_FETCHES].waiters != NULL);
	assert_true(primary->answers[12].is_disconnected);
	unhang(0);
	unhang(1);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(primary_wait(primary, 10 + i)->status, STATUS_RECONNECT);
}

/* The queue is full, one Read of the link waits for an element and a query is queued: the link is lost. */
static void lost_link_wakes_none_of_its_own_reads(void **state)
{
	const struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = 20, .device = "d0" } };
	struct ra_config config;
	struct primary *other;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.da_queue_elements = 3;
	start(&config);
	hang(0);
	for (uint32_t i = 0; i < 2; i++)
		primary_read(primary, 10 + i, primary_link(primary, device), device, i, 1, DELIVERY_HOLD);
	wait_stuck(0, 2);
	other = primary_new(bed);
	primary_send(primary, &query); /* the last element */
	primary_read(primary, 12, link_id, device, 2, 1, DELIVERY_DISCONNECT);
	primary_read(primary, 13, primary_link(primary, device), device, 3, 1, DELIVERY_DISCONNECT);
	bed_pass(bed);
	primary_drop(primary);
	primary = other;
	assert_null(bed->ra->element_waiters);
	unhang(0);
	BED_UNTIL(bed, bed_is_quiet(bed));
}

static void read_that_gets_no_element_ends_at_its_deadline(void **state)
{
	struct ra_config config;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.da_queue_elements = 2;
	config.da_timeout_ms = 60000;
	start(&config);
	hang(0);
	for (uint32_t i = 0; i < 3; i++)
		primary_read(primary, 10 + i, primary_link(primary, device), device, i, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, bed->ra->element_waiters != NULL);
	bed_advance(bed, REQUEST_TIMEOUT_MS);
	assert_int_equal(primary_wait(primary, 12)->status, STATUS_TIMEOUT); /* 156, 158 */
	assert_int_equal(primary->answers[12].disk_ms, REQUEST_TIMEOUT_MS); /* a full queue is a busy disk */
	assert_null(bed->ra->element_waiters);
	unhang(0);
}

static void da_time_out_is_posted_and_the_request_abandoned(void **state)
{
	struct answer *answer;

	(void)state;
	hang(0);
	primary_read(primary, 1, link_id, device, 7, 2, DELIVERY_DISCONNECT);
	wait_stuck(0, 1);
	bed_advance(bed, DA_TIMEOUT_MS - 1);
	assert_int_equal(post_total(bed->post), 0);
	bed_advance(bed, 1);
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->status, STATUS_TIMEOUT); /* 186, 188, 192, 194, 156 … not ready */
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1);
	assert_int_equal(post_recent(bed->post, 0)->first_track, 7);
	assert_true(post_recent(bed->post, 0)->link_id == link_id);
	assert_int_equal(fetches(), 0);
	assert_int_equal(bed_da(bed).abandoned, 1);
	unhang(0);
	BED_UNTIL(bed, bed_da(bed).elements_used == 0);
	primary_read(primary, 1, link_id, device, 7, 2, DELIVERY_DISCONNECT);
	assert_tracks(bed, device, primary_wait(primary, 1), 7);
}

/* One disk read ends, and the next one is in the volume. */
static void let_one_disk_read_end(void)
{
	struct faulty_counts before = faulty_volume_count(bed->volumes[0]);

	faulty_volume_let_go(bed->volumes[0], 1);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).reads > before.reads);
	wait_stuck(0, before.stuck); /* its thread hangs in the next one */
}

/* Digests of 64 tracks: many disk reads, one after the other. */
static struct msg_read long_read(uint32_t tag, uint64_t link, uint64_t first_track)
{
	return (struct msg_read){ .tag = tag, .link_id = link, .device_number = device, .first_track = first_track,
		.track_count = 64, .delivery = DELIVERY_HOLD, .digest = DIGEST_XXH3_128,
		.end_bytes = TRACKS * BED_TRACK_BYTES };
}

static void da_request_that_gets_on_has_not_timed_out(void **state)
{
	struct msg_read read = long_read(1, link_id, 0);

	(void)state;
	hang(0);
	read.delivery = DELIVERY_DISCONNECT;
	primary_ask(primary, &read);
	wait_stuck(0, 1);
	for (unsigned i = 0; i < 3; i++) {
		bed_advance(bed, DA_TIMEOUT_MS - 1);
		let_one_disk_read_end();
		bed_advance(bed, 1); /* 186: no */
		assert_int_equal(fetches(), 1);
		assert_int_equal(post_total(bed->post), 0);
	}
	unhang(0);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_RECONNECT);
	assert_digests(bed, &primary->answers[1], &read);
	assert_int_equal(primary->answers[1].track_count, 64);
	assert_int_equal(bed_da(bed).reads_started, 1);
}

static void da_request_of_a_lost_link_that_gets_on_has_not_timed_out(void **state)
{
	struct msg_read read = long_read(1, link_id, 0);

	(void)state;
	hang(0);
	primary_ask(primary, &read);
	wait_stuck(0, 1);
	primary_drop(primary);
	primary = NULL;
	for (unsigned i = 0; i < 3; i++) {
		bed_advance(bed, DA_TIMEOUT_MS - 1);
		let_one_disk_read_end();
		bed_advance(bed, 1);
		assert_int_equal(fetches(), 1);
		assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 0);
	}
	bed_advance(bed, DA_TIMEOUT_MS);
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1);
	assert_int_equal(fetches(), 0);
	unhang(0);
	BED_UNTIL(bed, bed_is_quiet(bed));
}

static void da_request_that_gets_on_and_then_hangs_has_timed_out(void **state)
{
	struct msg_read read = long_read(1, link_id, 0);

	(void)state;
	hang(0);
	primary_ask(primary, &read);
	wait_stuck(0, 1);
	let_one_disk_read_end();
	bed_advance(bed, DA_TIMEOUT_MS);
	assert_int_equal(post_total(bed->post), 0);
	bed_advance(bed, DA_TIMEOUT_MS - 1);
	assert_int_equal(post_total(bed->post), 0);
	bed_advance(bed, 1);
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1);
	assert_int_equal(bed_da(bed).abandoned, 1);
	assert_digests(bed, primary_wait(primary, 1), &read); /* 194, 156, 160: what has come so far */
	assert_in_range(primary->answers[1].track_count, 1, 63);
	unhang(0);
}

/* Two threads at most work for one volume: the third request is queued, and waits as long as they get on. */
static void queued_da_request_waits_while_its_volume_gets_on(void **state)
{
	const struct fetch *running[2];
	uint64_t progress[2] = { 0 };

	(void)state;
	hang(0);
	for (uint32_t i = 0; i < 3; i++) {
		struct msg_read read = long_read(10 + i, primary_link(primary, device), 64 * i);

		primary_ask(primary, &read);
		if (i < 2)
			wait_stuck(0, i + 1);
	}
	BED_UNTIL(bed, bed_da(bed).queued == 1);
	for (uint32_t i = 0, found = 0; found < 2; i++)
		if (job_array_element(bed->ra->jobs, i)->specific.kind == JOB_FETCH)
			running[found++] = job_array_element(bed->ra->jobs, i)->specific.fetch;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2; i++)
			fetch_gets_on(running[i], &progress[i]);
		for (unsigned i = 0; i < 2 && round < 2; i++)
			while (!fetch_gets_on(running[i], &progress[i]))
				let_one_disk_read_end();
		bed_advance(bed, DA_TIMEOUT_MS);
		assert_int_equal(bed_da(bed).queued, round < 2 ? 1 : 0);
		assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), round < 2 ? 0 : 3);
	}
	assert_int_equal(primary_wait(primary, 12)->status, STATUS_TIMEOUT);
	unhang(0);
}

static void read_that_gets_on_ends_at_its_deadline_all_the_same(void **state)
{
	struct msg_read read = long_read(1, link_id, 0);

	(void)state;
	hang(0);
	primary_ask(primary, &read);
	wait_stuck(0, 1);
	for (unsigned i = 0; i < REQUEST_TIMEOUT_MS / 6000; i++) {
		assert_int_equal(primary->answers[1].replies, 0);
		let_one_disk_read_end();
		bed_advance(bed, 6000);
	}
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1); /* 156, 158 */
	assert_digests(bed, primary_wait(primary, 1), &read);
	assert_in_range(primary->answers[1].track_count, 1, 63);
	unhang(0);
}

static void request_that_has_not_started_is_asked_again_after_its_time_out(void **state)
{
	uint64_t links[3];

	(void)state;
	hang(0);
	for (uint32_t i = 0; i < 3; i++) {
		links[i] = primary_link(primary, device);
		primary_read(primary, 10 + i, links[i], device, 10 * i, 1, DELIVERY_HOLD);
		if (i < 2)
			wait_stuck(0, i + 1);
	}
	BED_UNTIL(bed, fetches() == 3);
	bed_advance(bed, DA_TIMEOUT_MS);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(primary_wait(primary, 10 + i)->status, STATUS_TIMEOUT);
	assert_int_equal(bed_da(bed).elements_used, 2);
	unhang(0);
}

static void request_time_out_ends_the_whole_read(void **state)
{
	struct ra_config config;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.da_timeout_ms = 60000;
	start(&config);
	hang(0);
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD);
	wait_stuck(0, 1);
	bed_advance(bed, REQUEST_TIMEOUT_MS - 1);
	assert_int_equal(primary->answers[1].replies, 0);
	bed_advance(bed, 1);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_TIMEOUT);
	assert_int_equal(post_count(bed->post, STATUS_TIMEOUT), 1);
	unhang(0);
}

static void two_hung_devices_of_three_leave_the_third_its_speed(void **state)
{
	uint32_t d1 = primary_attach(primary, "d1"), d2 = primary_attach(primary, "d2");
	uint64_t link1 = primary_link(primary, d1), link2 = primary_link(primary, d2);

	(void)state;
	hang(0);
	hang(1);
	for (uint32_t i = 0; i < 3; i++) {
		primary_read(primary, 10 + i, primary_link(primary, device), device, 10 * i, 1, DELIVERY_DISCONNECT);
		primary_read(primary, 20 + i, primary_link(primary, d1), d1, 10 * i, 1, DELIVERY_DISCONNECT);
	}
	wait_stuck(0, 1);
	wait_stuck(1, 1);
	for (uint32_t i = 0; i < 50; i++) { /* no time passes: the third waits for nobody's time-out */
		primary_read(primary, 1, link2, d2, i, 1, DELIVERY_DISCONNECT);
		assert_tracks(bed, d2, primary_wait(primary, 1), i);
	}
	(void)link1;
	unhang(0);
	unhang(1);
}

static void window_of_one_is_blocked_by_hold_and_not_by_disconnect(void **state)
{
	struct ra_config config;
	uint32_t d1;
	uint64_t link1;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.window_reads = 1;
	start(&config);
	d1 = primary_attach(primary, "d1");
	link1 = primary_link(primary, d1);
	hang(0);
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, primary->answers[1].is_disconnected);
	primary_read(primary, 2, link1, d1, 0, 1, DELIVERY_DISCONNECT);
	assert_tracks(bed, d1, primary_wait(primary, 2), 0);
	unhang(0);
	primary_wait(primary, 1);
	hang(0);
	primary_read(primary, 1, link_id, device, 1, 1, DELIVERY_HOLD);
	primary_read(primary, 2, link1, d1, 1, 1, DELIVERY_HOLD); /* one too many: the link is dropped */
	BED_UNTIL(bed, primary->is_closed);
	unhang(0);
}

static void reconnect_waits_for_a_place(void **state)
{
	struct ra_config config;
	uint32_t d1;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.window_reads = 1;
	start(&config);
	d1 = primary_attach(primary, "d1");
	hang(0);
	hang(1);
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, primary->answers[1].is_disconnected);
	primary_read(primary, 2, primary_link(primary, d1), d1, 0, 1, DELIVERY_HOLD);
	wait_stuck(1, 1);
	unhang(0);
	BED_UNTIL(bed, bed->ra->sessions->place_waiters != NULL); /* 194: the held Read has the only place */
	assert_int_equal(primary->answers[1].replies, 0);
	unhang(1);
	assert_tracks(bed, d1, primary_wait(primary, 2), 0);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_RECONNECT);
}

static void fetches_of_a_link_are_limited_and_the_rest_takes_turns(void **state)
{
	struct ra_config config;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.fetches_per_peer = 2;
	start(&config);
	hang(0);
	for (uint32_t i = 0; i < 6; i++)
		primary_read(primary, 10 + i, primary_link(primary, device), device, i, 1,
			i % 2 ? DELIVERY_DISCONNECT : DELIVERY_HOLD);
	BED_UNTIL(bed, bed->peer->turns[SHARE_FETCHES].waiters != NULL);
	assert_int_equal(fetches(), 2);
	unhang(0);
	for (uint32_t i = 0; i < 6; i++)
		primary_wait(primary, 10 + i);
	BED_UNTIL(bed, fetches() == 0);
	assert_int_equal(bed->ra->sessions->fetches, 0);
	assert_int_equal(bed->peer->fetches, 0);
	assert_null(bed->peer->turns[SHARE_FETCHES].waiters);
}

/* It would keep a place from those that fetch what is there already: it comes back, and makes its fetch then. */
static void poll_beyond_the_share_of_fetches_does_not_wait(void **state)
{
	struct ra_config config;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.fetches_per_peer = config.window_reads = 1;
	start(&config);
	hang(0);
	for (uint32_t i = 0; i < 3; i++) {
		primary_read(primary, 10, link_id, device, i, 1, DELIVERY_POLL);
		assert_int_equal(primary_wait(primary, 10)->status, STATUS_DATA_NOT_FOUND);
	}
	assert_int_equal(fetches(), 1);
	unhang(0);
	BED_UNTIL(bed, fetches() == 0);
	for (uint32_t i = 0; i < 2; i++) {
		primary_read(primary, 10, link_id, device, 2, 1, DELIVERY_POLL);
		assert_int_equal(primary_wait(primary, 10)->status, i == 0 ? STATUS_DATA_NOT_FOUND : STATUS_OK);
		BED_UNTIL(bed, fetches() == 0);
	}
}

/* The cache at its minimum, eight jobs, runs of 64 tracks: every track comes, with a bounded number of commands. */
static void small_cache_makes_progress(enum delivery delivery)
{
	enum { JOBS = 8, RUN = 64, COMMANDS_MAX = 6000 };
	uint64_t links[JOBS], floors[JOBS], next[JOBS];
	unsigned commands = 0, open = JOBS;

	for (uint32_t i = 0; i < JOBS; i++) {
		links[i] = primary_link(primary, device);
		floors[i] = 0;
		next[i] = i * (TRACKS / JOBS);
		primary_read(primary, i, links[i], device, next[i], RUN, delivery);
	}
	while (open > 0) {
		open = 0;
		bed_advance(bed, 1);
		for (uint32_t i = 0; i < JOBS; i++) {
			struct answer *answer = &primary->answers[i];
			uint64_t end = (i + 1) * (TRACKS / JOBS);

			if (next[i] == end)
				continue;
			open++;
			if (answer->replies == 0)
				continue;
			if (answer->status == STATUS_DATA_NOT_FOUND) {
				floors[i] = answer->floor;
				bed_advance(bed, RETRY_DELAY_MS / JOBS);
			} else {
				assert_tracks(bed, device, answer, next[i]);
				next[i] += answer->track_count;
				floors[i] = 0;
			}
			assert_true(++commands < COMMANDS_MAX);
			if (next[i] < end)
				primary_read_again(primary, i, links[i], device, next[i],
					(uint32_t)(end - next[i] < RUN ? end - next[i] : RUN), delivery, floors[i], false);
		}
	}
	assert_int_equal(post_total(bed->post), 0);
}

static void small_cache_makes_progress_by_disconnect(void **state)
{
	(void)state;
	small_cache_makes_progress(DELIVERY_DISCONNECT);
}

static void small_cache_makes_progress_by_poll(void **state)
{
	(void)state;
	small_cache_makes_progress(DELIVERY_POLL);
}

static void small_cache_makes_progress_by_hold(void **state)
{
	(void)state;
	small_cache_makes_progress(DELIVERY_HOLD);
}

/* A throttled Read has the only place, another one waits for it, and its data has gone meanwhile. */
static void read_that_takes_the_place_of_another_does_not_take_more_than_the_share(void **state)
{
	const struct rate_limit slow = { .bytes_per_s = 100 }, none = { 0 };
	struct ra_config config;
	uint32_t d1;
	uint64_t link1;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.window_reads = 1;
	config.fetches_per_peer = 1;
	start(&config);
	d1 = primary_attach(primary, "d1");
	link1 = primary_link(primary, d1);
	rate_set(device_array_rate(bed->ra->devices, d1), &slow);
	primary_read(primary, 1, link1, d1, 0, 1, DELIVERY_HOLD);
	primary_wait(primary, 1);
	hang(0);
	primary_read(primary, 2, link_id, device, 0, 1, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, primary->answers[2].is_disconnected);
	primary_read(primary, 3, link1, d1, 1, 1, DELIVERY_DISCONNECT);
	BED_UNTIL(bed, bed->ra->sessions->connected_reads == 1);
	unhang(0);
	BED_UNTIL(bed, bed->ra->sessions->place_waiters != NULL);
	cache_drop_device(bed->ra->cache, device);
	hang(0);
	hang(1);
	rate_set(device_array_rate(bed->ra->devices, d1), &none);
	bed_advance(bed, 1);
	BED_UNTIL(bed, primary->answers[3].is_disconnected);
	assert_int_equal(fetches(), 1);
	assert_int_equal(bed->peer->fetches, 1);
	assert_non_null(bed->peer->turns[SHARE_FETCHES].waiters);
	unhang(0);
	unhang(1);
	assert_int_equal(primary_wait(primary, 2)->status, STATUS_RECONNECT);
	assert_int_equal(primary_wait(primary, 3)->status, STATUS_RECONNECT);
}

static void read_that_waits_for_locks_does_not_wait_for_fetches(void **state)
{
	struct ra_config config;
	uint32_t d1;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.fetches_per_peer = 1;
	start(&config);
	d1 = primary_attach(primary, "d1");
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD);
	primary_wait(primary, 1);
	hang(1);
	primary_read(primary, 2, primary_link(primary, d1), d1, 0, 1, DELIVERY_HOLD);
	wait_stuck(1, 1);
	bed->peer->locked_tracks += bed->ra->locks_per_peer; /* as if another link of the peer had them */
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, bed->peer->turns[SHARE_LOCKS].waiters != NULL);
	bed->peer->locked_tracks -= bed->ra->locks_per_peer;
	share_next_turn(bed->peer);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_OK);
	assert_int_equal(primary->answers[2].replies, 0);
	unhang(1);
	primary_wait(primary, 2);
}

static void released_link_job_makes_room_for_a_fetch_job(void **state)
{
	struct ra_config config;
	uint64_t other;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.jobs = 4;
	start(&config);
	other = primary_link(primary, device);
	hang(0);
	for (uint32_t i = 0; i < 2; i++) { /* two link jobs and two fetch jobs: the array is full */
		primary_read(primary, 1, other, device, 10 * i, 1, DELIVERY_POLL);
		assert_int_equal(primary_wait(primary, 1)->status, STATUS_DATA_NOT_FOUND);
	}
	primary_read(primary, 2, link_id, device, 20, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, bed->ra->element_waiters != NULL);
	primary_release(primary, other);
	assert_null(bed->ra->element_waiters);
	assert_int_equal(fetches(), 3);
	unhang(0);
	assert_tracks(bed, device, primary_wait(primary, 2), 20);
}

static void waiter_of_the_peer_with_the_fewest_fetches_gets_the_next_element(void **state)
{
	static const char *const devices[] = { "d0", NULL };
	struct ra_config config;
	struct primary *polite;
	struct peer *peer;
	uint32_t d1;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.da_queue_elements = 2;
	start(&config);
	d1 = primary_attach(primary, "d1");
	peer = bed_add_peer(bed, "polite", devices, false, 1, 1);
	polite = primary_new_of(bed, peer);
	primary_attach(polite, "d0");
	hang(0);
	hang(1);
	for (uint32_t i = 0; i < 2; i++)
		primary_read(primary, 10 + i, primary_link(primary, d1), d1, i, 1, DELIVERY_HOLD);
	wait_stuck(1, 2);
	for (uint32_t i = 2; i < 7; i++)
		primary_read(primary, 10 + i, primary_link(primary, device), device, i, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, bed->ra->element_waiters != NULL);
	primary_read(polite, 1, primary_link(polite, device), device, 20, 1, DELIVERY_HOLD); /* the last in the line */
	bed_pass(bed);
	unhang(1);
	for (uint32_t i = 0; i < 2; i++)
		primary_wait(primary, 10 + i);
	assert_int_equal(peer->fetches, 1);
	assert_int_equal(bed->peer->fetches, 1);
	unhang(0);
	primary_wait(polite, 1);
	for (uint32_t i = 2; i < 7; i++)
		primary_wait(primary, 10 + i);
	primary_drop(polite);
}

/* The disk read of another peer that no thread has taken waits for that peer's turn: nobody else waits for it. */
static void queued_disk_read_of_another_peer_is_not_waited_for(void **state)
{
	static const char *const devices[] = { "d0", NULL };
	struct peer *peer = bed_add_peer(bed, "polite", devices, false, 1, 1);
	struct primary *polite = primary_new_of(bed, peer);

	(void)state;
	primary_attach(polite, "d0");
	hang(0);
	for (uint32_t i = 0; i < 3; i++) { /* two threads at most work for one volume: the third one is queued */
		primary_read(primary, 10 + i, primary_link(primary, device), device, 10 * i, 1, DELIVERY_HOLD);
		if (i < 2)
			wait_stuck(0, i + 1);
	}
	BED_UNTIL(bed, fetches() == 3);
	primary_read(polite, 1, primary_link(polite, device), device, 20, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, fetches() == 4);
	assert_int_equal(peer->fetches, 1);
	primary_read(primary, 20, primary_link(primary, device), device, 20, 1, DELIVERY_HOLD); /* its own is shared */
	bed_pass(bed);
	bed_pass(bed);
	assert_int_equal(fetches(), 4);
	unhang(0);
	assert_tracks(bed, device, primary_wait(polite, 1), 20);
	for (uint32_t i = 0; i < 3; i++)
		primary_wait(primary, 10 + i);
	primary_wait(primary, 20);
	primary_drop(polite);
}

static void fetches_that_have_not_started_end_with_the_sessions(void **state)
{
	(void)state;
	hang(0);
	for (uint32_t i = 0; i < 4; i++) {
		primary_read(primary, 10, link_id, device, 10 * i, 1, DELIVERY_POLL);
		assert_int_equal(primary_wait(primary, 10)->status, STATUS_DATA_NOT_FOUND);
		if (i < 2)
			wait_stuck(0, i + 1);
	}
	primary_drop(primary);
	ra_end_sessions(bed->ra);
	assert_int_equal(fetches(), 2); /* those that a thread is in */
	assert_int_equal(bed->peer->fetches, 0);
	unhang(0);
	BED_UNTIL(bed, bed_is_quiet(bed));
	primary = primary_new(bed);
}

static void released_job_drops_its_read(void **state)
{
	(void)state;
	hang(0);
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD);
	wait_stuck(0, 1);
	primary_release(primary, link_id);
	assert_int_equal(bed->ra->sessions->connected_reads, 0);
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_LINK), 0);
	unhang(0);
	BED_UNTIL(bed, fetches() == 0);
	assert_int_equal(primary->answers[1].replies, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(missing_data_comes_by_disconnect_and_reconnect),
		T(hold_keeps_its_place_and_says_nothing_before_the_data), T(cached_data_is_answered_without_disconnect),
		T(replaced_entry_is_unlocked_and_looked_for_again), T(full_da_queue_is_posted_and_waited_for),
		T(every_waiter_for_an_element_goes_on),
		T(read_that_waited_its_turn_reconnects_with_a_place), T(lost_link_wakes_none_of_its_own_reads),
		T(read_that_gets_no_element_ends_at_its_deadline), T(da_time_out_is_posted_and_the_request_abandoned),
		T(da_request_that_gets_on_has_not_timed_out), T(da_request_of_a_lost_link_that_gets_on_has_not_timed_out),
		T(da_request_that_gets_on_and_then_hangs_has_timed_out),
		T(queued_da_request_waits_while_its_volume_gets_on), T(read_that_gets_on_ends_at_its_deadline_all_the_same),
		T(request_that_has_not_started_is_asked_again_after_its_time_out), T(request_time_out_ends_the_whole_read),
		T(two_hung_devices_of_three_leave_the_third_its_speed),
		T(window_of_one_is_blocked_by_hold_and_not_by_disconnect), T(reconnect_waits_for_a_place),
		T(poll_beyond_the_share_of_fetches_does_not_wait),
		T(answer_says_how_long_it_waited_for_the_disk), T(a_read_that_fails_says_so_too),
		T(fetches_of_a_link_are_limited_and_the_rest_takes_turns), T(small_cache_makes_progress_by_disconnect),
		T(small_cache_makes_progress_by_poll), T(small_cache_makes_progress_by_hold),
		T(read_that_takes_the_place_of_another_does_not_take_more_than_the_share),
		T(read_that_waits_for_locks_does_not_wait_for_fetches), T(released_link_job_makes_room_for_a_fetch_job),
		T(waiter_of_the_peer_with_the_fewest_fetches_gets_the_next_element),
		T(queued_disk_read_of_another_peer_is_not_waited_for),
		T(fetches_that_have_not_started_end_with_the_sessions), T(released_job_drops_its_read) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
