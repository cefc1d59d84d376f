/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk adapter: the life of a request, the full queue, how many threads one volume gets, volumes that hang and
 * requests that are given up. The tests wait for what happens (the mailbox, a hung call), never for time to pass; a
 * limit on a wait only ends a test that has failed.
 */
#include "storage/da.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/mailbox.h"
#include "storage/cache.h"
#include "storage/volume.h"
#include "tests/support/faulty_volume.h"
#include "tests/support/track_sink.h"

#define TRACK 4096u
#define VOLUMES 4u
#define VOLUME_BYTES (64u * TRACK)
#define THREADS 4u
#define EXTRA_THREADS 1u
#define ELEMENTS 8u
#define WAIT_MS 20000

/* One request and what came of it. */
struct order {
	struct track_sink *sink;
	struct da_request *request; /* NULL as soon as it is not ours any more */
	struct da_result result;
	unsigned done, returned;
};

static struct mailbox *mailbox;
static struct da *da;
static struct faulty_volume *faulty[VOLUMES];
static struct volume *volumes[VOLUMES];

static void start(unsigned threads)
{
	const struct da_config config = { threads, EXTRA_THREADS, ELEMENTS };

	mailbox = mailbox_new(NULL);
	assert_non_null(mailbox);
	da = da_new(&config, mailbox);
	assert_non_null(da);
	for (uint32_t i = 0; i < VOLUMES; i++) {
		faulty[i] = faulty_volume_new(VOLUME_BYTES, i + 1);
		volumes[i] = faulty_volume_volume(faulty[i]);
	}
}

static int set_up(void **state)
{
	(void)state;
	start(THREADS);
	return 0;
}

static int set_up_two_threads(void **state)
{
	(void)state;
	start(2);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VOLUMES; i++) {
		faulty_volume_hang_reads(faulty[i], false);
		faulty_volume_hang_open(faulty[i], false);
	}
	assert_true(da_free(da));
	mailbox_free(mailbox);
	for (unsigned i = 0; i < VOLUMES; i++) {
		volume_close(volumes[i]);
		volume_free(volumes[i]);
		faulty_volume_free(faulty[i]);
	}
	return 0;
}

static struct da_counts count(void)
{
	struct da_counts counts;

	da_count(da, &counts);
	return counts;
}

static void open_volumes(void)
{
	struct volume_info info;

	for (unsigned i = 0; i < VOLUMES; i++)
		assert_int_equal(volume_open(volumes[i], &info), 0);
}

static void on_done(void *arg, struct da_request *request, const struct da_result *result)
{
	struct order *order = arg;

	assert_ptr_equal(request, order->request);
	assert_int_equal(da_request_state(request), DA_DONE);
	order->done++;
	order->result = *result;
	order->request = NULL;
	da_release(da, request);
}

static void on_returned(void *arg)
{
	struct order *order = arg;

	order->returned++;
}

static struct da_spec make_spec(struct order *order, enum da_kind kind, unsigned volume)
{
	return (struct da_spec){
		.kind = kind,
		.volume = volumes[volume],
		.done = on_done,
		.arg = order,
		.returned = on_returned,
		.returned_arg = order,
	};
}

static void submit(struct order *order, enum da_kind kind, unsigned volume)
{
	struct da_spec spec = make_spec(order, kind, volume);

	order->request = da_submit(da, &spec);
	assert_non_null(order->request);
}

/* Reads the first track_count tracks of a volume; false when the queue is full. */
static bool try_read(struct order *order, unsigned volume, uint32_t track_count)
{
	struct da_spec spec = make_spec(order, DA_READ, volume);

	spec.track_count = track_count;
	spec.track_bytes = TRACK;
	spec.end_bytes = VOLUME_BYTES;
	spec.sink = &track_sink_ops;
	spec.sink_arg = order->sink;
	order->request = da_submit(da, &spec);
	return order->request != NULL;
}

static struct order *new_order(void)
{
	struct order *order = xcalloc(1, sizeof(*order));

	order->sink = track_sink_new(0, TRACK);
	return order;
}

static struct order *submit_read(unsigned volume, uint32_t track_count)
{
	struct order *order = new_order();

	assert_true(try_read(order, volume, track_count));
	return order;
}

static void free_order(struct order *order)
{
	assert_int_equal(track_sink_count(order->sink).slots_out, 0);
	track_sink_free(order->sink);
	free(order);
}

static void run_until(const unsigned *counter, unsigned value)
{
	while (*counter < value) {
		assert_true(mailbox_wait(mailbox, WAIT_MS));
		mailbox_drain(mailbox);
	}
}

static void finish_read(struct order *order)
{
	run_until(&order->done, 1);
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	free_order(order);
}

/* ---- The life of a request ---- */

static void open_size_and_close_reach_the_volume(void **state)
{
	struct order order = { 0 };

	(void)state;
	submit(&order, DA_OPEN, 0);
	run_until(&order.done, 1);
	assert_int_equal(order.result.error, 0);
	assert_int_equal(order.result.info.size_bytes, VOLUME_BYTES);
	assert_string_equal(order.result.info.path, "faulty");
	faulty_volume_set_size(faulty[0], 3 * TRACK);
	submit(&order, DA_SIZE, 0);
	run_until(&order.done, 2);
	assert_int_equal(order.result.info.size_bytes, 3 * TRACK);
	submit(&order, DA_CLOSE, 0);
	run_until(&order.done, 3);
	assert_int_equal(faulty_volume_count(faulty[0]).closes, 1);
	assert_int_equal(count().elements_used, 0);
}

static void an_open_that_fails_says_why(void **state)
{
	struct order order = { 0 };

	(void)state;
	faulty_volume_set_open_error(faulty[0], EACCES);
	submit(&order, DA_OPEN, 0);
	run_until(&order.done, 1);
	assert_int_equal(order.result.error, -EACCES);
}

static void a_read_is_done_when_all_is_published(void **state)
{
	struct order *order;

	(void)state;
	open_volumes();
	order = submit_read(0, 40);
	run_until(&order->done, 1);
	assert_int_equal(order->result.error, 0);
	assert_int_equal(order->result.tracks_done, 40);
	assert_int_equal(track_sink_count(order->sink).begun, 1);
	assert_int_equal(track_sink_count(order->sink).published, 40);
	assert_int_equal(count().reads_started, 1);
	finish_read(order);
}

static void the_sequence_is_known_once_a_thread_has_started(void **state)
{
	struct order *running, *queued[2];

	(void)state;
	open_volumes();
	faulty_volume_hang_reads(faulty[0], true);
	running = submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(faulty[0], 1, WAIT_MS));
	assert_int_equal(da_request_state(running->request), DA_RUNNING);
	assert_int_equal(da_request_sequence(running->request), 100);
	queued[0] = submit_read(0, 1); /* the half of the threads that the volume gets is 2 */
	assert_true(faulty_volume_wait_stuck(faulty[0], 2, WAIT_MS));
	queued[1] = submit_read(0, 1);
	assert_int_equal(da_request_state(queued[1]->request), DA_QUEUED);
	assert_int_equal(da_request_sequence(queued[1]->request), 0);
	assert_int_equal(count().running, 2);
	assert_int_equal(count().queued, 1);
	faulty_volume_hang_reads(faulty[0], false);
	finish_read(running);
	finish_read(queued[0]);
	finish_read(queued[1]);
}

static unsigned free_calls;
static struct order *waiting_order;

static void on_free_element(void *arg)
{
	(void)arg;
	free_calls++;
	if (waiting_order && try_read(waiting_order, 0, 1))
		waiting_order = NULL;
}

static void a_full_queue_says_no_and_tells_when_an_element_is_free(void **state)
{
	struct order *orders[ELEMENTS], *late;

	(void)state;
	open_volumes();
	free_calls = 0;
	late = new_order();
	da_on_free_element(da, on_free_element, NULL);
	faulty_volume_hang_reads(faulty[0], true);
	for (unsigned i = 0; i < ELEMENTS; i++)
		orders[i] = submit_read(0, 1);
	assert_int_equal(count().elements_used, ELEMENTS);
	assert_false(try_read(late, 0, 1));
	waiting_order = late;
	assert_int_equal(free_calls, 0);
	faulty_volume_hang_reads(faulty[0], false);
	for (unsigned i = 0; i < ELEMENTS; i++)
		finish_read(orders[i]);
	assert_null(waiting_order);
	finish_read(late);
	/* Told for the element that the late one took, and for the next one, which nobody took. */
	assert_int_equal(free_calls, 2);
}

/* ---- Slots ---- */

static void a_read_ends_short_when_slots_run_out(void **state)
{
	struct order *order = new_order();

	(void)state;
	open_volumes();
	track_sink_set_slots(order->sink, 3);
	assert_true(try_read(order, 0, 8));
	run_until(&order->done, 1);
	assert_int_equal(order->result.tracks_done, 3);
	finish_read(order);
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
	struct order *starved = new_order(), *other;

	(void)state;
	open_volumes();
	track_sink_set_slots(starved->sink, 0);
	track_sink_on_refusal(starved->sink, tell_refusal, mailbox);
	assert_true(try_read(starved, 0, 4));
	assert_true(mailbox_wait(mailbox, WAIT_MS));
	mailbox_drain(mailbox);
	other = submit_read(0, 1); /* it does not stand in the way */
	finish_read(other);
	assert_int_equal(starved->done, 0);
	assert_int_equal(track_sink_count(starved->sink).begun, 1);
	track_sink_on_refusal(starved->sink, NULL, NULL);
	track_sink_set_slots(starved->sink, 4);
	da_kick(da);
	run_until(&starved->done, 1);
	assert_int_equal(starved->result.tracks_done, 4);
	assert_int_equal(track_sink_count(starved->sink).begun, 2);
	assert_int_equal(track_sink_outcome(starved->sink, 0).sequence, 101);
	assert_int_equal(count().reads_started, 2);
	finish_read(starved);
}

static void make_room_and_kick(void *arg)
{
	struct order *order = arg;

	track_sink_set_slots(order->sink, 1);
	da_kick(da);
}

static void a_kick_right_after_the_refusal_is_not_lost(void **state)
{
	struct order *order = new_order();

	(void)state;
	open_volumes();
	track_sink_set_slots(order->sink, 0);
	track_sink_on_refusal(order->sink, make_room_and_kick, order);
	assert_true(try_read(order, 0, 1));
	run_until(&order->done, 1);
	assert_int_equal(order->result.tracks_done, 1);
	finish_read(order);
}

static void a_request_without_a_slot_can_be_given_up(void **state)
{
	struct order *order = new_order(), *other;

	(void)state;
	open_volumes();
	track_sink_set_slots(order->sink, 0);
	track_sink_on_refusal(order->sink, tell_refusal, mailbox);
	assert_true(try_read(order, 0, 4));
	assert_true(mailbox_wait(mailbox, WAIT_MS));
	mailbox_drain(mailbox);
	/* Queued again once another thread was served after it: the same mutex orders both. */
	while (da_request_state(order->request) != DA_QUEUED) {
		other = submit_read(1, 1);
		finish_read(other);
	}
	assert_false(da_abandon(da, order->request));
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	assert_int_equal(count().elements_used, 0);
	free_order(order);
}

/* ---- Threads and volumes ---- */

static void a_volume_gets_at_most_half_of_the_threads(void **state)
{
	struct order *orders[ELEMENTS];

	(void)state;
	open_volumes();
	faulty_volume_hang_reads(faulty[0], true);
	for (unsigned i = 0; i < ELEMENTS; i++)
		orders[i] = submit_read(0, 4);
	assert_true(faulty_volume_wait_stuck(faulty[0], THREADS / 2, WAIT_MS));
	assert_int_equal(count().queued, ELEMENTS - THREADS / 2);
	faulty_volume_hang_reads(faulty[0], false);
	for (unsigned i = 0; i < ELEMENTS; i++)
		finish_read(orders[i]);
	assert_int_equal(faulty_volume_count(faulty[0]).reads_at_once, THREADS / 2);
}

static void the_third_volume_goes_on_while_two_hang(void **state)
{
	struct order *hung[4];

	(void)state;
	open_volumes();
	for (unsigned i = 0; i < 2; i++)
		faulty_volume_hang_reads(faulty[i], true);
	for (unsigned i = 0; i < 4; i++)
		hung[i] = submit_read(i / 2, 1);
	assert_true(faulty_volume_wait_stuck(faulty[0], 2, WAIT_MS));
	assert_true(faulty_volume_wait_stuck(faulty[1], 1, WAIT_MS));
	for (unsigned i = 0; i < 20; i++)
		finish_read(submit_read(2, 4));
	assert_int_equal(count().running, 3);
	assert_int_equal(count().queued, 1); /* the last thread is not for a volume that has one */
	for (unsigned i = 0; i < 2; i++)
		faulty_volume_hang_reads(faulty[i], false);
	for (unsigned i = 0; i < 4; i++)
		finish_read(hung[i]);
}

/* ---- Giving up ---- */

static void a_queued_request_that_is_given_up_is_free_at_once(void **state)
{
	struct order *running[2], *queued;

	(void)state;
	open_volumes();
	faulty_volume_hang_reads(faulty[0], true);
	running[0] = submit_read(0, 1);
	running[1] = submit_read(0, 1);
	queued = submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(faulty[0], 2, WAIT_MS));
	assert_false(da_abandon(da, queued->request));
	assert_int_equal(track_sink_count(queued->sink).finished, 1);
	assert_int_equal(count().elements_used, 2);
	faulty_volume_hang_reads(faulty[0], false);
	finish_read(running[0]);
	finish_read(running[1]);
	assert_int_equal(queued->done + queued->returned, 0);
	assert_int_equal(track_sink_count(queued->sink).begun, 0);
	free_order(queued);
}

static void a_running_request_that_is_given_up_keeps_its_memory_until_it_returns(void **state)
{
	struct order *order;

	(void)state;
	open_volumes();
	faulty_volume_hang_reads(faulty[0], true);
	order = submit_read(0, 8);
	assert_true(faulty_volume_wait_stuck(faulty[0], 1, WAIT_MS));
	assert_true(da_abandon(da, order->request));
	assert_int_equal(da_request_state(order->request), DA_ABANDONED);
	assert_int_equal(count().abandoned, 1);
	finish_read(submit_read(1, 1));
	assert_int_equal(track_sink_count(order->sink).slots_out, 8);
	assert_int_equal(track_sink_count(order->sink).finished, 0);
	assert_int_equal(order->returned, 0);
	faulty_volume_hang_reads(faulty[0], false);
	run_until(&order->returned, 1);
	assert_int_equal(order->done, 0);
	assert_int_equal(track_sink_count(order->sink).published, 0);
	assert_int_equal(track_sink_count(order->sink).dropped, 8);
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	assert_int_equal(count().elements_used, 0);
	assert_int_equal(count().abandoned, 0);
	free_order(order);
}

static void hang_after_the_first_batch(void *arg, uint64_t track)
{
	if (track == 63)
		faulty_volume_hang_reads(arg, true);
}

static void what_was_published_before_giving_up_stays(void **state)
{
	struct order *order = new_order();
	struct da_spec spec;

	(void)state;
	faulty_volume_set_size(faulty[0], 100 * TRACK);
	open_volumes();
	track_sink_on_publish(order->sink, hang_after_the_first_batch, faulty[0]);
	spec = make_spec(order, DA_READ, 0);
	spec.track_count = 100;
	spec.track_bytes = TRACK;
	spec.end_bytes = 100 * TRACK;
	spec.sink = &track_sink_ops;
	spec.sink_arg = order->sink;
	order->request = da_submit(da, &spec);
	assert_true(faulty_volume_wait_stuck(faulty[0], 1, WAIT_MS));
	assert_true(da_abandon(da, order->request));
	faulty_volume_hang_reads(faulty[0], false);
	run_until(&order->returned, 1);
	assert_int_equal(track_sink_count(order->sink).published, 64);
	assert_int_equal(track_sink_count(order->sink).dropped, 36);
	free_order(order);
}

static void a_result_that_is_given_up_before_it_is_told_is_never_told(void **state)
{
	struct order *order;

	(void)state;
	open_volumes();
	order = submit_read(0, 1);
	assert_true(mailbox_wait(mailbox, WAIT_MS));
	assert_int_equal(da_request_state(order->request), DA_DONE);
	assert_false(da_abandon(da, order->request));
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	assert_int_equal(mailbox_drain(mailbox), 1);
	assert_int_equal(order->done + order->returned, 0);
	assert_int_equal(track_sink_count(order->sink).finished, 1);
	assert_int_equal(count().elements_used, 0);
	free_order(order);
}

static void an_open_that_was_given_up_is_undone(void **state)
{
	struct order order = { 0 };

	(void)state;
	faulty_volume_hang_open(faulty[0], true);
	submit(&order, DA_OPEN, 0);
	assert_true(faulty_volume_wait_stuck(faulty[0], 1, WAIT_MS));
	assert_true(da_abandon(da, order.request));
	faulty_volume_hang_open(faulty[0], false);
	run_until(&order.returned, 1);
	assert_int_equal(faulty_volume_count(faulty[0]).opens, 1);
	assert_int_equal(faulty_volume_count(faulty[0]).closes, 1);
}

static void a_stuck_thread_is_replaced_up_to_the_limit(void **state)
{
	struct order *stuck[2];

	(void)state;
	open_volumes();
	for (unsigned i = 0; i < 2; i++) {
		faulty_volume_hang_reads(faulty[i], true);
		stuck[i] = submit_read(i, 1);
		assert_true(faulty_volume_wait_stuck(faulty[i], 1, WAIT_MS));
		assert_true(da_abandon(da, stuck[i]->request));
	}
	assert_int_equal(count().threads, 2);
	assert_int_equal(count().extra_threads, EXTRA_THREADS);
	assert_int_equal(count().abandoned, 2);
	finish_read(submit_read(2, 4)); /* by the one that is left */

	/* The first to come back is needed, the second is one too many. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(count().extra_threads, 1);
		faulty_volume_hang_reads(faulty[i], false);
		run_until(&stuck[i]->returned, 1);
		free_order(stuck[i]);
	}
	assert_int_equal(count().extra_threads, 0);
	assert_int_equal(count().threads, 2);
	for (unsigned i = 0; i < VOLUMES; i++)
		finish_read(submit_read(i, 4));

	/* The place of the one that ended can be taken again. */
	faulty_volume_hang_reads(faulty[0], true);
	stuck[0] = submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(faulty[0], 1, WAIT_MS));
	assert_true(da_abandon(da, stuck[0]->request));
	assert_int_equal(count().extra_threads, 1);
	faulty_volume_hang_reads(faulty[0], false);
	run_until(&stuck[0]->returned, 1);
	free_order(stuck[0]);
}

static void requests_behind_a_stuck_one_go_on_when_it_returns(void **state)
{
	struct order *stuck, *next;

	(void)state;
	open_volumes();
	faulty_volume_hang_reads(faulty[0], true);
	stuck = submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(faulty[0], 1, WAIT_MS));
	assert_true(da_abandon(da, stuck->request));
	next = submit_read(0, 1); /* of two threads the volume gets one, and that is stuck */
	finish_read(submit_read(1, 1));
	assert_int_equal(da_request_state(next->request), DA_QUEUED);
	faulty_volume_hang_reads(faulty[0], false);
	run_until(&stuck->returned, 1);
	finish_read(next);
	free_order(stuck);
}

/* ---- The end ---- */

static void the_end_drops_what_is_queued_and_not_yet_told(void **state)
{
	struct order *told, *running[2], *queued;

	(void)state;
	open_volumes();
	told = submit_read(1, 1);
	assert_true(mailbox_wait(mailbox, WAIT_MS));
	faulty_volume_hang_reads(faulty[0], true);
	running[0] = submit_read(0, 1);
	running[1] = submit_read(0, 1);
	queued = submit_read(0, 1);
	assert_true(faulty_volume_wait_stuck(faulty[0], 2, WAIT_MS));
	assert_true(da_abandon(da, running[0]->request));
	assert_true(da_abandon(da, running[1]->request));
	assert_false(da_free(da));
	assert_int_equal(track_sink_count(queued->sink).finished, 1);
	faulty_volume_hang_reads(faulty[0], false);
	while (!da_free(da))
		;
	da = NULL;
	assert_int_equal(told->done + running[0]->done + running[1]->done + queued->done, 0);
	assert_int_equal(running[0]->returned + running[1]->returned, 2);
	assert_int_equal(track_sink_count(told->sink).finished, 1);
	assert_int_equal(track_sink_count(running[0]->sink).finished, 1);
	free_order(told);
	free_order(running[0]);
	free_order(running[1]);
	free_order(queued);
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
	return cache_take_slot(cache, 0);
}

static void cache_publish_track(void *arg, uint64_t track, enum track_state state, void *slot, uint64_t sequence)
{
	cache_publish(cache, (uint32_t)(uintptr_t)arg, track, state, STATUS_OK, slot, sequence, 0);
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
	da_release(da, request);
}

/* Looks at every track of a volume as a Read does, claims it, and compares what it finds. Returns how many were there. */
static unsigned look_up_all(unsigned volume)
{
	char expected[TRACK];
	unsigned found = 0;

	for (uint64_t track = 0; track < VOLUME_BYTES / TRACK; track++) {
		struct cache_ref ref;
		const void *data;
		enum status status;

		if (!cache_find(cache, volume, track, 0, 0, &ref))
			continue;
		cache_lock(cache, &ref);
		if (cache_is_still_there(cache, &ref)) {
			assert_int_equal(cache_load(cache, &ref, &data, &status), TRACK_DATA);
			faulty_volume_expect(faulty[volume], expected, TRACK, track * TRACK);
			assert_memory_equal(data, expected, TRACK);
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
	open_volumes();
	cache = cache_new(STRESS_SLOTS * TRACK, TRACK);
	assert_non_null(cache);
	cache_on_room(cache, on_room, da);
	stress_done = 0;
	while (stress_done < STRESS_READS) {
		struct da_spec spec = {
			.kind = DA_READ,
			.volume = volumes[submitted % VOLUMES],
			.first_track = submitted % (VOLUME_BYTES / TRACK - STRESS_TRACKS),
			.track_count = STRESS_TRACKS,
			.track_bytes = TRACK,
			.end_bytes = VOLUME_BYTES,
			.sink = &cache_sink,
			.sink_arg = (void *)(uintptr_t)(submitted % VOLUMES),
			.done = on_stress_done,
		};

		if (submitted < STRESS_READS && da_submit(da, &spec)) {
			submitted++;
			continue;
		}
		mailbox_drain(mailbox);
		for (unsigned volume = 0; volume < VOLUMES; volume++)
			found += look_up_all(volume);
	}
	assert_true(found > 0);
	assert_true(da_free(da));
	da = NULL;
	cache_free(cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open_size_and_close_reach_the_volume),
		TEST(an_open_that_fails_says_why),
		TEST(a_read_is_done_when_all_is_published),
		TEST(the_sequence_is_known_once_a_thread_has_started),
		TEST(a_full_queue_says_no_and_tells_when_an_element_is_free),
		TEST(a_read_ends_short_when_slots_run_out),
		TEST(a_request_without_a_slot_goes_on_after_a_kick),
		TEST(a_kick_right_after_the_refusal_is_not_lost),
		TEST(a_request_without_a_slot_can_be_given_up),
		TEST(a_volume_gets_at_most_half_of_the_threads),
		TEST(the_third_volume_goes_on_while_two_hang),
		TEST(a_queued_request_that_is_given_up_is_free_at_once),
		TEST(a_running_request_that_is_given_up_keeps_its_memory_until_it_returns),
		TEST(what_was_published_before_giving_up_stays),
		TEST(a_result_that_is_given_up_before_it_is_told_is_never_told),
		TEST(an_open_that_was_given_up_is_undone),
		cmocka_unit_test_setup_teardown(a_stuck_thread_is_replaced_up_to_the_limit, set_up_two_threads, tear_down),
		cmocka_unit_test_setup_teardown(requests_behind_a_stuck_one_go_on_when_it_returns, set_up_two_threads,
			tear_down),
		TEST(the_end_drops_what_is_queued_and_not_yet_told),
		TEST(four_threads_and_a_small_cache_get_all_reads_done),
	};

	return cmocka_run_group_tests_name("da", tests, NULL, NULL);
}
