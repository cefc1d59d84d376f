/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache: lookup by floor, find -> lock -> still there?, replacement, eviction, expiry, room. Time is a number that
 * the tests choose. The last test lets disk threads publish while the loop looks up (for the thread sanitizer too).
 */
#include "storage/cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TRACK_BYTES 4096u
#define SLOTS 4u
#define ENTRIES (SLOTS * 4u + 4096u) /* the entry pool of such a cache */
#define DEVICE 1u

static struct cache *cache;
static int64_t now_ms;
static unsigned room_calls;

static void on_room(void *arg)
{
	struct cache_counts counts;

	/* Not under the mutex: the cache may be used. */
	cache_count(arg, &counts);
	room_calls++;
}

static int set_up(void **state)
{
	(void)state;
	cache = cache_new(SLOTS * TRACK_BYTES, TRACK_BYTES);
	now_ms = 1000;
	room_calls = 0;
	cache_on_room(cache, on_room, cache);
	return cache ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	cache_free(cache);
	return 0;
}

static struct cache_counts count(void)
{
	struct cache_counts counts;

	cache_count(cache, &counts);
	return counts;
}

static void publish_data(uint64_t track, uint64_t sequence, char byte)
{
	void *slot = cache_take_slot(cache, now_ms);

	assert_non_null(slot);
	memset(slot, byte, TRACK_BYTES);
	cache_publish(cache, DEVICE, track, TRACK_DATA, STATUS_OK, slot, sequence, now_ms);
}

static void publish_state(uint64_t track, uint64_t sequence, enum track_state state)
{
	cache_publish(cache, DEVICE, track, state, STATUS_OK, NULL, sequence, now_ms);
}

static void publish_timeout(uint64_t track, uint64_t sequence)
{
	cache_publish(cache, DEVICE, track, TRACK_UNSET, STATUS_TIMEOUT, NULL, sequence, now_ms);
}

static bool find(uint64_t track, struct cache_ref *ref)
{
	return cache_find(cache, DEVICE, track, 0, now_ms, ref);
}

static bool is_known(uint64_t track)
{
	struct cache_ref ref;

	return find(track, &ref);
}

static struct cache_ref find_and_lock(uint64_t track)
{
	struct cache_ref ref;

	assert_true(find(track, &ref));
	cache_lock(cache, &ref);
	assert_true(cache_is_still_there(cache, &ref));
	return ref;
}

static char load_byte(const struct cache_ref *ref)
{
	const void *data = NULL;
	enum status status;

	assert_int_equal(cache_load(cache, ref, &data, &status), TRACK_DATA);
	assert_int_equal(status, STATUS_OK);
	assert_non_null(data);
	return *(const char *)data;
}

/* Answers a Read with the track: the entry is claimed then. */
static void claim(uint64_t track)
{
	struct cache_ref ref = find_and_lock(track);
	const void *data;
	enum status status;

	cache_load(cache, &ref, &data, &status);
	cache_unlock(cache, &ref);
}

static void sequence_numbers_grow_from_1(void **state)
{
	(void)state;
	assert_int_equal(cache_next_sequence(cache), 1);
	assert_int_equal(cache_next_sequence(cache), 2);
}

static void what_was_published_is_found_and_loaded(void **state)
{
	struct cache_ref ref;
	const void *data;
	enum status status;

	(void)state;
	publish_data(1, 1, 'a');
	publish_state(2, 1, TRACK_ZERO);
	publish_state(3, 1, TRACK_HOLE);
	publish_timeout(4, 1);
	ref = find_and_lock(1);
	assert_int_equal(load_byte(&ref), 'a');
	cache_unlock(cache, &ref);
	for (uint64_t track = 2; track <= 3; track++) {
		ref = find_and_lock(track);
		assert_int_equal(cache_load(cache, &ref, &data, &status), track == 2 ? TRACK_ZERO : TRACK_HOLE);
		assert_int_equal(status, STATUS_OK);
		assert_null(data);
		cache_unlock(cache, &ref);
	}
	ref = find_and_lock(4);
	assert_int_equal(cache_load(cache, &ref, &data, &status), TRACK_UNSET);
	assert_int_equal(status, STATUS_TIMEOUT);
	assert_null(data);
	cache_unlock(cache, &ref);
	assert_int_equal(count().hits, 4);
	assert_int_equal(count().entries, 4);
}

static void devices_and_tracks_are_kept_apart(void **state)
{
	struct cache_ref ref;

	(void)state;
	publish_state(7, 1, TRACK_ZERO);
	assert_true(cache_find(cache, DEVICE, 7, 0, now_ms, &ref));
	assert_false(cache_find(cache, DEVICE + 1, 7, 0, now_ms, &ref));
	assert_false(cache_find(cache, DEVICE, 8, 0, now_ms, &ref));
	assert_false(cache_find(cache, 7, DEVICE, 0, now_ms, &ref));
	assert_int_equal(count().misses, 3);
}

static void an_entry_below_the_floor_is_not_found(void **state)
{
	struct cache_ref ref;

	(void)state;
	publish_state(1, 5, TRACK_ZERO);
	assert_true(cache_find(cache, DEVICE, 1, 5, now_ms, &ref));
	assert_int_equal(ref.sequence, 5);
	assert_false(cache_find(cache, DEVICE, 1, 6, now_ms, &ref));
}

static void an_entry_replaced_after_the_find_is_not_still_there(void **state)
{
	struct cache_ref ref;

	(void)state;
	publish_data(1, 1, 'a');
	assert_true(find(1, &ref));
	publish_data(1, 2, 'b');
	cache_lock(cache, &ref);
	assert_false(cache_is_still_there(cache, &ref));
	cache_unlock(cache, &ref);
	ref = find_and_lock(1);
	assert_int_equal(load_byte(&ref), 'b');
	cache_unlock(cache, &ref);
	assert_int_equal(count().slots_free, SLOTS - 1);
}

static void memory_reused_after_the_find_is_not_still_there(void **state)
{
	struct cache_ref ref;

	(void)state;
	publish_data(1, 1, 'a');
	assert_true(find(1, &ref));
	cache_drop_device(cache, DEVICE);
	publish_data(2, 1, 'b');
	/* The same memory now holds track 2, with the same sequence number. */
	cache_lock(cache, &ref);
	assert_false(cache_is_still_there(cache, &ref));
	assert_int_equal(count().slots_locked, 1);
	cache_unlock(cache, &ref);
	assert_int_equal(count().slots_locked, 0);
	assert_true(is_known(2));
}

static void a_stale_lock_pins_what_is_published_into_its_memory(void **state)
{
	struct cache_ref ref;

	(void)state;
	publish_data(1, 1, 'a');
	assert_true(find(1, &ref));
	cache_drop_device(cache, DEVICE);
	cache_lock(cache, &ref);
	publish_data(2, 1, 'b');
	assert_int_equal(count().slots_locked, 1);
	claim(2);
	assert_int_equal(count().slots_locked, 1);
	for (uint64_t track = 3; track < 3 + SLOTS - 1; track++)
		publish_data(track, 1, 'c');
	assert_null(cache_take_slot(cache, now_ms));
	cache_unlock(cache, &ref);
	assert_int_equal(count().slots_locked, 0);
	publish_data(9, 1, 'd');
	assert_false(is_known(2));
}

static void a_locked_entry_that_is_replaced_is_freed_at_its_last_unlock(void **state)
{
	struct cache_ref ref;

	(void)state;
	publish_data(1, 1, 'a');
	ref = find_and_lock(1);
	cache_lock(cache, &ref);
	publish_data(1, 2, 'b');
	assert_false(cache_is_still_there(cache, &ref));
	/* It is not there any more, but what the lock was taken for is. */
	assert_int_equal(load_byte(&ref), 'a');
	assert_int_equal(count().slots_free, SLOTS - 2);
	assert_int_equal(count().entries, 1);
	cache_unlock(cache, &ref);
	assert_int_equal(count().slots_free, SLOTS - 2);
	cache_unlock(cache, &ref);
	assert_int_equal(count().slots_free, SLOTS - 1);
	assert_int_equal(count().slots_locked, 0);
	assert_true(is_known(1));
}

static void a_higher_sequence_is_never_replaced(void **state)
{
	struct cache_ref ref;

	(void)state;
	publish_data(1, 5, 'n');
	publish_data(1, 4, 'o');
	publish_state(1, 4, TRACK_ZERO);
	publish_timeout(1, 4);
	ref = find_and_lock(1);
	assert_int_equal(load_byte(&ref), 'n');
	cache_unlock(cache, &ref);
	assert_int_equal(count().slots_free, SLOTS - 1);
}

static void at_the_same_sequence_only_an_error_is_replaced(void **state)
{
	struct cache_ref ref;

	(void)state;
	publish_data(1, 5, 'a');
	publish_data(1, 5, 'b');
	publish_timeout(1, 5);
	ref = find_and_lock(1);
	assert_int_equal(load_byte(&ref), 'a');
	cache_unlock(cache, &ref);
	publish_timeout(2, 5);
	publish_data(2, 5, 'c');
	publish_state(3, 5, TRACK_EIO);
	publish_data(3, 5, 'c');
	for (uint64_t track = 2; track <= 3; track++) {
		ref = find_and_lock(track);
		assert_int_equal(load_byte(&ref), 'c');
		cache_unlock(cache, &ref);
	}
}

static void an_error_answers_until_it_expires(void **state)
{
	(void)state;
	publish_timeout(1, 1);
	publish_state(2, 1, TRACK_EIO);
	publish_state(3, 1, TRACK_SHRUNK);
	publish_state(4, 1, TRACK_ZERO);
	now_ms += CACHE_ERROR_MS - 1;
	for (uint64_t track = 1; track <= 4; track++)
		assert_true(is_known(track));
	now_ms++;
	for (uint64_t track = 1; track <= 3; track++)
		assert_false(is_known(track));
	assert_true(is_known(4));
	assert_int_equal(count().entries, 1);
}

static void an_error_that_expires_while_it_is_locked_is_safe(void **state)
{
	struct cache_ref ref;
	const void *data;
	enum status status;

	(void)state;
	publish_timeout(1, 1);
	ref = find_and_lock(1);
	now_ms += CACHE_ERROR_MS;
	assert_false(is_known(1));
	assert_int_equal(cache_load(cache, &ref, &data, &status), TRACK_UNSET);
	assert_int_equal(status, STATUS_TIMEOUT);
	cache_unlock(cache, &ref);
}

static void every_slot_is_a_page_aligned_place_of_its_own(void **state)
{
	char *slots[SLOTS];

	(void)state;
	for (unsigned i = 0; i < SLOTS; i++) {
		slots[i] = cache_take_slot(cache, now_ms);
		assert_non_null(slots[i]);
		assert_int_equal((uintptr_t)slots[i] % 4096, 0);
		memset(slots[i], (int)i, TRACK_BYTES);
	}
	assert_null(cache_take_slot(cache, now_ms));
	for (unsigned i = 0; i < SLOTS; i++) {
		assert_int_equal(slots[i][0], i);
		assert_int_equal(slots[i][TRACK_BYTES - 1], i);
		cache_give_back(cache, slots[i]);
	}
	assert_int_equal(count().slots_free, SLOTS);
}

static void claimed_entries_go_first_least_recently_used_first(void **state)
{
	(void)state;
	for (uint64_t track = 0; track < SLOTS; track++)
		publish_data(track, 1, 'a');
	claim(2);
	claim(1);
	claim(3);
	claim(2);
	publish_data(10, 1, 'b');
	assert_false(is_known(1));
	publish_data(11, 1, 'b');
	assert_false(is_known(3));
	publish_data(12, 1, 'b');
	assert_false(is_known(2));
	assert_true(is_known(0)); /* the oldest, but nobody had it yet */
	assert_int_equal(count().evicted, 3);
}

static void an_unclaimed_entry_is_kept_for_a_time(void **state)
{
	(void)state;
	for (uint64_t track = 0; track < SLOTS; track++) {
		publish_data(track, 1, 'a');
		now_ms++;
	}
	now_ms += CACHE_CLAIM_MS - SLOTS - 1;
	assert_null(cache_take_slot(cache, now_ms));
	now_ms++;
	publish_data(10, 1, 'b');
	assert_false(is_known(0));
	assert_true(is_known(1));
	assert_null(cache_take_slot(cache, now_ms));
}

static void an_unclaimed_entry_that_was_locked_goes_back_to_its_place(void **state)
{
	struct cache_ref ref;

	(void)state;
	for (uint64_t track = 0; track < SLOTS; track++) {
		publish_data(track, 1, 'a');
		now_ms++;
	}
	ref = find_and_lock(1);
	cache_unlock(cache, &ref);
	now_ms += CACHE_CLAIM_MS;
	for (uint64_t track = 0; track < SLOTS; track++) {
		assert_true(is_known(track));
		publish_data(10 + track, 1, 'b');
		assert_false(is_known(track));
	}
}

static void a_locked_entry_is_never_evicted(void **state)
{
	struct cache_ref refs[SLOTS];
	void *slot;

	(void)state;
	for (uint64_t track = 0; track < SLOTS; track++) {
		publish_data(track, 1, 'a');
		claim(track);
		refs[track] = find_and_lock(track);
	}
	now_ms += 10 * CACHE_CLAIM_MS;
	assert_null(cache_take_slot(cache, now_ms));
	assert_int_equal(count().slots_locked, SLOTS);
	cache_unlock(cache, &refs[2]);
	slot = cache_take_slot(cache, now_ms);
	assert_non_null(slot);
	assert_false(is_known(2));
	cache_give_back(cache, slot);
	for (uint64_t track = 0; track < SLOTS; track++) {
		if (track == 2)
			continue;
		assert_int_equal(load_byte(&refs[track]), 'a');
		cache_unlock(cache, &refs[track]);
	}
}

static void errors_and_zeros_stay_when_a_slot_is_needed(void **state)
{
	(void)state;
	publish_timeout(100, 1);
	publish_state(101, 1, TRACK_ZERO);
	claim(100);
	claim(101);
	for (uint64_t track = 0; track < 3 * SLOTS; track++) {
		publish_data(track, 1, 'a');
		claim(track);
	}
	assert_true(is_known(100));
	assert_true(is_known(101));
}

static void a_full_pool_keeps_what_waits_to_be_claimed(void **state)
{
	(void)state;
	for (uint64_t track = 0; track < ENTRIES; track++)
		publish_state(track, 1, TRACK_ZERO);
	publish_data(ENTRIES, 1, 'a');
	assert_int_equal(count().entries, ENTRIES);
	assert_false(is_known(ENTRIES));
	assert_int_equal(count().slots_free, SLOTS);
	claim(17);
	publish_data(ENTRIES, 1, 'a');
	assert_true(is_known(ENTRIES));
	assert_false(is_known(17));
	now_ms += CACHE_CLAIM_MS;
	publish_state(ENTRIES + 1, 1, TRACK_ZERO);
	assert_true(is_known(ENTRIES + 1));
	assert_false(is_known(0));
	assert_int_equal(count().entries, ENTRIES);
}

static void a_dropped_device_is_forgotten_and_others_are_not(void **state)
{
	struct cache_ref ref, other;

	(void)state;
	publish_data(1, 1, 'a');
	publish_data(2, 1, 'a');
	cache_publish(cache, DEVICE + 1, 1, TRACK_ZERO, STATUS_OK, NULL, 1, now_ms);
	ref = find_and_lock(2);
	cache_drop_device(cache, DEVICE);
	assert_false(is_known(1));
	assert_false(is_known(2));
	assert_true(cache_find(cache, DEVICE + 1, 1, 0, now_ms, &other));
	assert_false(cache_is_still_there(cache, &ref));
	assert_int_equal(count().slots_free, SLOTS - 1);
	cache_unlock(cache, &ref);
	assert_int_equal(count().slots_free, SLOTS);
}

static void take_all(void *slots[SLOTS])
{
	for (unsigned i = 0; i < SLOTS; i++) {
		slots[i] = cache_take_slot(cache, now_ms);
		assert_non_null(slots[i]);
	}
}

static void room_is_told_once_after_a_refusal(void **state)
{
	void *slots[SLOTS];

	(void)state;
	take_all(slots);
	cache_give_back(cache, slots[0]);
	assert_int_equal(room_calls, 0); /* nobody was refused */
	slots[0] = cache_take_slot(cache, now_ms);
	assert_null(cache_take_slot(cache, now_ms));
	assert_int_equal(room_calls, 0);
	cache_give_back(cache, slots[0]);
	assert_int_equal(room_calls, 1);
	for (unsigned i = 1; i < SLOTS; i++)
		cache_give_back(cache, slots[i]);
	assert_int_equal(room_calls, 1);
}

static void room_is_told_by_unlock_drop_and_a_refused_publish(void **state)
{
	struct cache_ref ref;
	void *slots[SLOTS];

	(void)state;
	publish_data(1, 2, 'a');
	claim(1);
	ref = find_and_lock(1);
	for (unsigned i = 1; i < SLOTS; i++)
		slots[i] = cache_take_slot(cache, now_ms);
	assert_null(cache_take_slot(cache, now_ms));
	cache_unlock(cache, &ref);
	assert_int_equal(room_calls, 1);

	slots[0] = cache_take_slot(cache, now_ms);
	assert_null(cache_take_slot(cache, now_ms));
	cache_publish(cache, DEVICE, 1, TRACK_DATA, STATUS_OK, slots[0], 2, now_ms);
	assert_int_equal(room_calls, 1); /* it waits to be claimed */
	cache_publish(cache, DEVICE, 1, TRACK_DATA, STATUS_OK, slots[1], 1, now_ms);
	assert_int_equal(room_calls, 2);

	slots[1] = cache_take_slot(cache, now_ms);
	assert_null(cache_take_slot(cache, now_ms));
	cache_drop_device(cache, DEVICE);
	assert_int_equal(room_calls, 3);
	for (unsigned i = 1; i < SLOTS; i++)
		cache_give_back(cache, slots[i]);
}

static void room_is_told_when_an_entry_is_claimed(void **state)
{
	void *slot;

	(void)state;
	for (uint64_t track = 0; track < SLOTS; track++)
		publish_data(track, 1, 'a');
	assert_null(cache_take_slot(cache, now_ms));
	claim(0);
	assert_int_equal(room_calls, 1);
	slot = cache_take_slot(cache, now_ms);
	assert_non_null(slot);
	cache_give_back(cache, slot);
}

#define PUBLISHERS 2u
#define ROUNDS 20000u
#define LOADS 10000u
#define SHARED_TRACKS 8u

/* Each slot is filled with the byte that its track and sequence demand; no cmocka here. */
static void *publish_rounds(void *arg)
{
	struct cache *shared = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t track = i % SHARED_TRACKS;
		uint64_t sequence = cache_next_sequence(shared);
		void *slot = cache_take_slot(shared, 0);

		if (!slot)
			continue;
		memset(slot, (int)((track + sequence) & 0x7f), TRACK_BYTES);
		cache_publish(shared, DEVICE, track, TRACK_DATA, STATUS_OK, slot, sequence, 0);
	}
	return NULL;
}

static void data_of_a_locked_entry_does_not_change_while_threads_publish(void **state)
{
	pthread_t threads[PUBLISHERS];
	unsigned loaded = 0;

	(void)state;
	for (unsigned i = 0; i < PUBLISHERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, publish_rounds, cache), 0);
	/* Ends: something is published, and what is published last stays. */
	for (uint64_t i = 0; loaded < LOADS; i++) {
		uint64_t track = i % SHARED_TRACKS;
		struct cache_ref ref;
		const char *data;
		enum status status;

		if (!cache_find(cache, DEVICE, track, 0, 0, &ref))
			continue;
		cache_lock(cache, &ref);
		if (cache_is_still_there(cache, &ref)) {
			assert_int_equal(cache_load(cache, &ref, (const void **)&data, &status), TRACK_DATA);
			assert_int_equal(data[0], (track + ref.sequence) & 0x7f);
			assert_int_equal(data[TRACK_BYTES - 1], (track + ref.sequence) & 0x7f);
			loaded++;
		}
		cache_unlock(cache, &ref);
	}
	for (unsigned i = 0; i < PUBLISHERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(count().slots_locked, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sequence_numbers_grow_from_1),
		TEST(what_was_published_is_found_and_loaded),
		TEST(devices_and_tracks_are_kept_apart),
		TEST(an_entry_below_the_floor_is_not_found),
		TEST(an_entry_replaced_after_the_find_is_not_still_there),
		TEST(memory_reused_after_the_find_is_not_still_there),
		TEST(a_stale_lock_pins_what_is_published_into_its_memory),
		TEST(a_locked_entry_that_is_replaced_is_freed_at_its_last_unlock),
		TEST(a_higher_sequence_is_never_replaced),
		TEST(at_the_same_sequence_only_an_error_is_replaced),
		TEST(an_error_answers_until_it_expires),
		TEST(an_error_that_expires_while_it_is_locked_is_safe),
		TEST(every_slot_is_a_page_aligned_place_of_its_own),
		TEST(claimed_entries_go_first_least_recently_used_first),
		TEST(an_unclaimed_entry_is_kept_for_a_time),
		TEST(an_unclaimed_entry_that_was_locked_goes_back_to_its_place),
		TEST(a_locked_entry_is_never_evicted),
		TEST(errors_and_zeros_stay_when_a_slot_is_needed),
		TEST(a_full_pool_keeps_what_waits_to_be_claimed),
		TEST(a_dropped_device_is_forgotten_and_others_are_not),
		TEST(room_is_told_once_after_a_refusal),
		TEST(room_is_told_by_unlock_drop_and_a_refused_publish),
		TEST(room_is_told_when_an_entry_is_claimed),
		TEST(data_of_a_locked_entry_does_not_change_while_threads_publish),
	};

	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
