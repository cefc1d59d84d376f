/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk adapter: the life of a request, the full queue, slots that run out, the end; and all of it with a small
 * cache (for the thread sanitizer too).
 */
#include "storage/da.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/cache.h"
#include "storage/volume.h"
#include "tests/support/cache_bed.h"
#include "tests/support/da_bed.h"

/* The reads of the histogram. */
static uint64_t reads_timed(void)
{
	struct da_counts counts = da_bed_count();
	uint64_t reads = 0;

	for (unsigned i = 0; i <= HISTOGRAM_BUCKETS; i++)
		reads += counts.read_times.counts[i];
	assert_true((reads > 0) == (counts.read_times.sum_ns > 0));
	return reads;
}

/* ---- The life of a request ---- */

static void open_size_and_close_reach_the_volume(void **state)
{
	struct da_order order = { 0 };

	(void)state;
	da_bed_submit(&order, DA_OPEN, 0);
	da_bed_run_until(&order.done, 1);
	assert_int_equal(order.result.error, 0);
	assert_int_equal(order.result.info.size_bytes, DA_BED_VOLUME_BYTES);
	assert_string_equal(order.result.info.path, "faulty");
	faulty_volume_set_size(da_bed.faulty[0], 3 * DA_BED_TRACK);
	da_bed_submit(&order, DA_SIZE, 0);
	da_bed_run_until(&order.done, 2);
	assert_int_equal(order.result.info.size_bytes, 3 * DA_BED_TRACK);
	da_bed_submit(&order, DA_CLOSE, 0);
	da_bed_run_until(&order.done, 3);
	assert_int_equal(reads_timed(), 0);
	assert_int_equal(faulty_volume_count(da_bed.faulty[0]).closes, 1);
	assert_int_equal(da_bed_count().elements_used, 0);
}

static void lock_and_unlock_reach_the_volume(void **state)
{
	struct da_order order = { 0 };

	(void)state;
	da_bed_open_volumes();
	faulty_volume_set_lock_error(da_bed.faulty[0], EBUSY);
	da_bed_submit(&order, DA_LOCK, 0);
	da_bed_run_until(&order.done, 1);
	assert_int_equal(order.result.error, -EBUSY);
	assert_string_equal(order.result.holder, "in use by faulty[7]");
	faulty_volume_set_lock_error(da_bed.faulty[0], 0);
	da_bed_submit(&order, DA_LOCK, 0);
	da_bed_run_until(&order.done, 2);
	assert_int_equal(order.result.error, 0);
	da_bed_submit(&order, DA_UNLOCK, 0);
	da_bed_run_until(&order.done, 3);
	assert_int_equal(faulty_volume_count(da_bed.faulty[0]).unlocks, 1);
	da_bed_submit(&order, DA_UNLOCK, 0); /* harmless */
	da_bed_run_until(&order.done, 4);
	assert_int_equal(faulty_volume_count(da_bed.faulty[0]).unlocks, 1);
}

static void an_open_that_fails_says_why(void **state)
{
	struct da_order order = { 0 };

	(void)state;
	faulty_volume_set_open_error(da_bed.faulty[0], EACCES);
	da_bed_submit(&order, DA_OPEN, 0);
	da_bed_run_until(&order.done, 1);
	assert_int_equal(order.result.error, -EACCES);
}

static void a_read_is_done_when_all_is_published(void **state)
{
	struct da_order *order;

	(void)state;
	da_bed_open_volumes();
	order = da_bed_submit_read(0, 40);
	da_bed_run_until(&order->done, 1);
	assert_int_equal(order->result.error, 0);
	assert_int_equal(order->result.tracks_done, 40);
	assert_int_equal(track_sink_count(order->sink).begun, 1);
	assert_int_equal(track_sink_count(order->sink).published, 40);
	assert_int_equal(da_bed_count().reads_started, 1);
	assert_int_equal(reads_timed(), 1);
	da_bed_finish_read(order);
}

static void the_sequence_is_known_once_a_thread_has_started(void **state)
{
	struct da_order *running, *queued[2];

	(void)state;
	da_bed_open_volumes();
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	running = da_bed_submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 1, DA_BED_WAIT_MS));
	assert_int_equal(da_request_state(running->request), DA_RUNNING);
	assert_int_equal(da_request_sequence(running->request), 100);
	queued[0] = da_bed_submit_read(0, 1); /* the half of the threads that the volume gets is 2 */
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 2, DA_BED_WAIT_MS));
	queued[1] = da_bed_submit_read(0, 1);
	assert_int_equal(da_request_state(queued[1]->request), DA_QUEUED);
	assert_int_equal(da_request_sequence(queued[1]->request), 0);
	assert_int_equal(da_bed_count().running, 2);
	assert_int_equal(da_bed_count().queued, 1);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	da_bed_finish_read(running);
	da_bed_finish_read(queued[0]);
	da_bed_finish_read(queued[1]);
}

static unsigned free_calls;
static struct da_order *waiting_order;

static void on_free_element(void *arg)
{
	(void)arg;
	free_calls++;
	if (waiting_order && da_bed_try_read(waiting_order, 0, 1))
		waiting_order = NULL;
}

static void a_full_queue_says_no_and_tells_when_an_element_is_free(void **state)
{
	struct da_order *orders[DA_BED_ELEMENTS], *late;

	(void)state;
	da_bed_open_volumes();
	free_calls = 0;
	late = da_bed_new_order();
	da_on_free_element(da_bed.da, on_free_element, NULL);
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	for (unsigned i = 0; i < DA_BED_ELEMENTS; i++)
		orders[i] = da_bed_submit_read(0, 1);
	assert_int_equal(da_bed_count().elements_used, DA_BED_ELEMENTS);
	assert_false(da_bed_try_read(late, 0, 1));
	waiting_order = late;
	assert_int_equal(free_calls, 0);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	for (unsigned i = 0; i < DA_BED_ELEMENTS; i++)
		da_bed_finish_read(orders[i]);
	assert_null(waiting_order);
	da_bed_finish_read(late);
	/* Told for the element that the late one took, and for the next one, which nobody took. */
	assert_int_equal(free_calls, 2);
}

/* ---- Slots ---- */

static void a_read_ends_short_when_slots_run_out(void **state)
{
	struct da_order *order = da_bed_new_order();

	(void)state;
	da_bed_open_volumes();
	track_sink_set_slots(order->sink, 3);
	assert_true(da_bed_try_read(order, 0, 8));
	da_bed_run_until(&order->done, 1);
	assert_int_equal(order->result.tracks_done, 3);
	da_bed_finish_read(order);
}

static void post_note(struct mailbox_item *item)
{
	(void)item;
}

static struct mailbox_item refusal_note = { MAILBOX_ITEM_MAGIC, NULL, post_note };

static void tell_refusal(void *arg)
{
	mailbox_post(arg, &refusal_note);
}

static void a_request_without_a_slot_goes_on_after_a_kick(void **state)
{
	struct da_order *starved = da_bed_new_order(), *other;

	(void)state;
	da_bed_open_volumes();
	starved->owner = starved; /* what others want is not starved with it */
	track_sink_set_slots(starved->sink, 0);
	track_sink_on_refusal(starved->sink, tell_refusal, da_bed.mailbox);
	assert_true(da_bed_try_read(starved, 0, 4));
	assert_true(mailbox_wait(da_bed.mailbox, DA_BED_WAIT_MS));
	mailbox_drain(da_bed.mailbox);
	other = da_bed_submit_read(0, 1); /* it does not stand in the way */
	da_bed_finish_read(other);
	assert_int_equal(starved->done, 0);
	assert_int_equal(track_sink_count(starved->sink).begun, 1);
	track_sink_on_refusal(starved->sink, NULL, NULL);
	track_sink_set_slots(starved->sink, 4);
	da_kick(da_bed.da);
	da_bed_run_until(&starved->done, 1);
	assert_int_equal(starved->result.tracks_done, 4);
	assert_int_equal(track_sink_count(starved->sink).begun, 2);
	assert_int_equal(track_sink_outcome(starved->sink, 0).sequence, 101);
	assert_int_equal(da_bed_count().reads_started, 2);
	assert_int_equal(reads_timed(), 2); /* each once */
	da_bed_finish_read(starved);
}

static void make_room_and_kick(void *arg)
{
	struct da_order *order = arg;

	track_sink_set_slots(order->sink, 1);
	da_kick(da_bed.da);
}

static void a_kick_right_after_the_refusal_is_not_lost(void **state)
{
	struct da_order *order = da_bed_new_order();

	(void)state;
	da_bed_open_volumes();
	track_sink_set_slots(order->sink, 0);
	track_sink_on_refusal(order->sink, make_room_and_kick, order);
	assert_true(da_bed_try_read(order, 0, 1));
	da_bed_run_until(&order->done, 1);
	assert_int_equal(order->result.tracks_done, 1);
	da_bed_finish_read(order);
}

static void a_request_without_a_slot_can_be_given_up(void **state)
{
	struct da_order *order = da_bed_new_order(), *other;

	(void)state;
	da_bed_open_volumes();
	order->owner = order;
	track_sink_set_slots(order->sink, 0);
	track_sink_on_refusal(order->sink, tell_refusal, da_bed.mailbox);
	assert_true(da_bed_try_read(order, 0, 4));
	assert_true(mailbox_wait(da_bed.mailbox, DA_BED_WAIT_MS));
	mailbox_drain(da_bed.mailbox);
	/* Queued again once another thread was served after it: the same mutex orders both. */
	while (da_request_state(order->request) != DA_QUEUED) {
		other = da_bed_submit_read(1, 1);
		da_bed_finish_read(other);
	}
	assert_false(da_abandon(da_bed.da, order->request));
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	assert_int_equal(da_bed_count().elements_used, 0);
	da_bed_free_order(order);
}

/* ---- The end ---- */

static void the_end_drops_what_is_queued_and_not_yet_told(void **state)
{
	struct da_order *told, *running[2], *queued;

	(void)state;
	da_bed_open_volumes();
	told = da_bed_submit_read(1, 1);
	assert_true(mailbox_wait(da_bed.mailbox, DA_BED_WAIT_MS));
	faulty_volume_hang_reads(da_bed.faulty[0], true);
	running[0] = da_bed_submit_read(0, 1);
	running[1] = da_bed_submit_read(0, 1);
	queued = da_bed_submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(da_bed.faulty[0], 2, DA_BED_WAIT_MS));
	assert_true(da_abandon(da_bed.da, running[0]->request));
	assert_true(da_abandon(da_bed.da, running[1]->request));
	assert_false(da_free(da_bed.da));
	assert_int_equal(track_sink_count(queued->sink).finished, 1);
	faulty_volume_hang_reads(da_bed.faulty[0], false);
	while (!da_free(da_bed.da))
		;
	da_bed.da = NULL;
	assert_int_equal(told->done + running[0]->done + running[1]->done + queued->done, 0);
	assert_int_equal(running[0]->returned + running[1]->returned, 2);
	assert_int_equal(track_sink_count(told->sink).finished, 1);
	assert_int_equal(track_sink_count(running[0]->sink).finished, 1);
	da_bed_free_order(told);
	da_bed_free_order(running[0]);
	da_bed_free_order(running[1]);
	da_bed_free_order(queued);
	assert_true(da_free(NULL));
}

/* ---- With the cache ---- */

#define STRESS_READS 2000u
#define STRESS_TRACKS 8u
#define STRESS_SLOTS 32u

static struct cache *cache;
static unsigned stress_done;

static uint64_t cache_begin(void *arg)
{
	(void)arg;
	return cache_next_sequence(cache);
}

static void *cache_slot(void *arg, uint64_t track)
{
	(void)arg;
	(void)track;
	return cache_bed_take_slot(cache, 0, 0);
}

static struct cache_key key_of(unsigned volume, uint64_t track)
{
	return (struct cache_key){ .track = track, .device = volume, .valid_bytes = DA_BED_TRACK };
}

static void cache_publish_track(void *arg, uint64_t track, const struct da_track *found, uint64_t sequence)
{
	const struct cache_key key = key_of((unsigned)(uintptr_t)arg, track);
	const struct cache_track known = { .state = found->state, .status = STATUS_OK, .slot = found->slot };

	cache_publish(cache, &key, &known, sequence, 0);
}

static void cache_drop_track(void *arg, uint64_t track, void *slot)
{
	(void)arg;
	(void)track;
	cache_give_back(cache, slot);
}

static const struct da_sink cache_sink = {
	.begin = cache_begin,
	.slot = cache_slot,
	.publish = cache_publish_track,
	.drop = cache_drop_track,
};

static void on_room(void *arg)
{
	da_kick(arg);
}

static void on_stress_done(void *arg, struct da_request *request, const struct da_result *result)
{
	(void)arg;
	assert_true(result->tracks_done > 0);
	stress_done++;
	da_release(da_bed.da, request);
}

/* Looks at each track of a volume as a Read does, claims it and compares what it finds. Returns how many there were. */
static unsigned look_up_all(unsigned volume)
{
	char expected[DA_BED_TRACK];
	unsigned found = 0;

	for (uint64_t track = 0; track < DA_BED_VOLUME_BYTES / DA_BED_TRACK; track++) {
		const struct cache_key key = key_of(volume, track);
		struct cache_track known;
		struct cache_ref ref;

		if (!cache_find(cache, &key, 0, 0, &ref))
			continue;
		cache_lock(cache, &ref);
		if (cache_is_still_there(cache, &ref)) {
			cache_load(cache, &ref, &known);
			assert_int_equal(known.state, TRACK_DATA);
			faulty_volume_expect(da_bed.faulty[volume], expected, DA_BED_TRACK, track * DA_BED_TRACK);
			assert_memory_equal(known.slot, expected, DA_BED_TRACK);
			found++;
		}
		cache_unlock(cache, &ref);
	}
	return found;
}

static void four_threads_and_a_small_cache_get_all_reads_done(void **state)
{
	unsigned submitted = 0, found = 0;

	(void)state;
	da_bed_open_volumes();
	cache = cache_new(STRESS_SLOTS * DA_BED_TRACK, DA_BED_TRACK);
	assert_non_null(cache);
	cache_on_room(cache, on_room, da_bed.da);
	stress_done = 0;
	while (stress_done < STRESS_READS) {
		struct da_spec spec = {
			.kind = DA_READ,
			.volume = da_bed.volumes[submitted % DA_BED_VOLUMES],
			.first_track = submitted % (DA_BED_VOLUME_BYTES / DA_BED_TRACK - STRESS_TRACKS),
			.track_count = STRESS_TRACKS,
			.track_bytes = DA_BED_TRACK,
			.end_bytes = DA_BED_VOLUME_BYTES,
			.sink = &cache_sink,
			.sink_arg = (void *)(uintptr_t)(submitted % DA_BED_VOLUMES),
			.done = on_stress_done,
		};

		if (submitted < STRESS_READS && da_submit(da_bed.da, &spec)) {
			submitted++;
			continue;
		}
		mailbox_drain(da_bed.mailbox);
		for (unsigned volume = 0; volume < DA_BED_VOLUMES; volume++)
			found += look_up_all(volume);
	}
	assert_true(found > 0);
	assert_true(da_free(da_bed.da));
	da_bed.da = NULL;
	cache_free(cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, da_bed_set_up, da_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open_size_and_close_reach_the_volume),
		TEST(lock_and_unlock_reach_the_volume),
		TEST(an_open_that_fails_says_why),
		TEST(a_read_is_done_when_all_is_published),
		TEST(the_sequence_is_known_once_a_thread_has_started),
		TEST(a_full_queue_says_no_and_tells_when_an_element_is_free),
		TEST(a_read_ends_short_when_slots_run_out),
		TEST(a_request_without_a_slot_goes_on_after_a_kick),
		TEST(a_kick_right_after_the_refusal_is_not_lost),
		TEST(a_request_without_a_slot_can_be_given_up),
		TEST(the_end_drops_what_is_queued_and_not_yet_told),
		TEST(four_threads_and_a_small_cache_get_all_reads_done),
	};

	return cmocka_run_group_tests_name("da", tests, NULL, NULL);
}
