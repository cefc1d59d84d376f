/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache when it is full: slots, what is evicted and what is not, the entry pool, dropped devices, room.
 */
#include "storage/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cache_bed.h"

#define ENTRIES (CACHE_BED_SLOTS * 4u + 65536u) /* the entry pool of such a cache */
#define SLOTLESS_KEPT 1024u /* see cache.c */

static void every_slot_is_a_page_aligned_place_of_its_own(void **state)
{
	char *slots[CACHE_BED_SLOTS];

	(void)state;
	for (unsigned i = 0; i < CACHE_BED_SLOTS; i++) {
		slots[i] = cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms);
		assert_non_null(slots[i]);
		assert_int_equal((uintptr_t)slots[i] % 4096, 0);
		memset(slots[i], (int)i, CACHE_BED_TRACK_BYTES);
	}
	assert_null(cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms));
	for (unsigned i = 0; i < CACHE_BED_SLOTS; i++) {
		assert_int_equal(slots[i][0], i);
		assert_int_equal(slots[i][CACHE_BED_TRACK_BYTES - 1], i);
		cache_give_back(cache_bed.cache, slots[i]);
	}
	assert_int_equal(cache_bed_count().slots_free, CACHE_BED_SLOTS);
}

static void claimed_entries_go_first_least_recently_used_first(void **state)
{
	(void)state;
	for (uint64_t track = 0; track < CACHE_BED_SLOTS; track++)
		cache_bed_publish_data(track, 1, 'a');
	cache_bed_claim(2);
	cache_bed_claim(1);
	cache_bed_claim(3);
	cache_bed_claim(2);
	cache_bed_publish_data(10, 1, 'b');
	assert_false(cache_bed_is_known(1));
	cache_bed_publish_data(11, 1, 'b');
	assert_false(cache_bed_is_known(3));
	cache_bed_publish_data(12, 1, 'b');
	assert_false(cache_bed_is_known(2));
	assert_true(cache_bed_is_known(0)); /* the oldest, but nobody had it yet */
	assert_int_equal(cache_bed_count().evicted, 3);
}

static void an_unclaimed_entry_is_kept_for_a_time(void **state)
{
	(void)state;
	for (uint64_t track = 0; track < CACHE_BED_SLOTS; track++) {
		cache_bed_publish_data(track, 1, 'a');
		cache_bed.now_ms++;
	}
	cache_bed.now_ms += CACHE_CLAIM_MS - CACHE_BED_SLOTS - 1;
	assert_null(cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms));
	cache_bed.now_ms++;
	cache_bed_publish_data(10, 1, 'b');
	assert_false(cache_bed_is_known(0));
	assert_true(cache_bed_is_known(1));
	assert_null(cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms));
}

static void an_unclaimed_entry_that_was_locked_goes_back_to_its_place(void **state)
{
	struct cache_ref ref;

	(void)state;
	for (uint64_t track = 0; track < CACHE_BED_SLOTS; track++) {
		cache_bed_publish_data(track, 1, 'a');
		cache_bed.now_ms++;
	}
	ref = cache_bed_find_and_lock(1);
	cache_unlock(cache_bed.cache, &ref);
	cache_bed.now_ms += CACHE_CLAIM_MS;
	for (uint64_t track = 0; track < CACHE_BED_SLOTS; track++) {
		assert_true(cache_bed_is_known(track));
		cache_bed_publish_data(10 + track, 1, 'b');
		assert_false(cache_bed_is_known(track));
	}
}

static void a_locked_entry_is_never_evicted(void **state)
{
	struct cache_ref refs[CACHE_BED_SLOTS];
	void *slot;

	(void)state;
	for (uint64_t track = 0; track < CACHE_BED_SLOTS; track++) {
		cache_bed_publish_data(track, 1, 'a');
		cache_bed_claim(track);
		refs[track] = cache_bed_find_and_lock(track);
	}
	cache_bed.now_ms += 10 * CACHE_CLAIM_MS;
	assert_null(cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms));
	assert_int_equal(cache_bed_count().slots_locked, CACHE_BED_SLOTS);
	cache_unlock(cache_bed.cache, &refs[2]);
	slot = cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms);
	assert_non_null(slot);
	assert_false(cache_bed_is_known(2));
	cache_give_back(cache_bed.cache, slot);
	for (uint64_t track = 0; track < CACHE_BED_SLOTS; track++) {
		if (track == 2)
			continue;
		assert_int_equal(cache_bed_load_byte(&refs[track]), 'a');
		cache_unlock(cache_bed.cache, &refs[track]);
	}
}

static void errors_and_zeros_stay_when_a_slot_is_needed(void **state)
{
	(void)state;
	cache_bed_publish_timeout(100, 1);
	cache_bed_publish_state(101, 1, TRACK_ZERO);
	cache_bed_claim(100);
	cache_bed_claim(101);
	for (uint64_t track = 0; track < 3 * CACHE_BED_SLOTS; track++) {
		cache_bed_publish_data(track, 1, 'a');
		cache_bed_claim(track);
	}
	assert_true(cache_bed_is_known(100));
	assert_true(cache_bed_is_known(101));
}

static void a_full_pool_keeps_what_waits_to_be_claimed(void **state)
{
	(void)state;
	for (uint64_t track = 0; track < ENTRIES; track++)
		cache_bed_publish_state(track, 1, TRACK_ZERO);
	cache_bed_publish_data(ENTRIES, 1, 'a');
	assert_int_equal(cache_bed_count().entries, ENTRIES);
	assert_false(cache_bed_is_known(ENTRIES));
	assert_int_equal(cache_bed_count().slots_free, CACHE_BED_SLOTS);
	cache_bed_claim(17);
	cache_bed_publish_data(ENTRIES, 1, 'a');
	assert_true(cache_bed_is_known(ENTRIES));
	assert_false(cache_bed_is_known(17));
	cache_bed.now_ms += CACHE_CLAIM_MS;
	cache_bed_publish_state(ENTRIES + 1, 1, TRACK_ZERO);
	assert_true(cache_bed_is_known(ENTRIES + 1));
	assert_false(cache_bed_is_known(0));
	assert_int_equal(cache_bed_count().entries, ENTRIES);
}

static void a_full_pool_keeps_digests_that_wait_to_be_claimed(void **state)
{
	struct cache_ref ref;

	(void)state;
	for (uint64_t track = 0; track < ENTRIES; track++)
		cache_bed_publish_digest(track, 1, 'd');
	cache_bed_publish_digest(ENTRIES, 1, 'd');
	assert_int_equal(cache_bed_count().entries, ENTRIES);
	assert_false(cache_bed_find_key(cache_bed_digest_key(ENTRIES), 0, &ref));
	assert_int_equal(cache_bed_count().evicted, 0);
	/* What was not claimed in time may go, the oldest first. */
	cache_bed.now_ms += CACHE_CLAIM_MS;
	cache_bed_publish_digest(ENTRIES, 1, 'd');
	assert_true(cache_bed_find_key(cache_bed_digest_key(ENTRIES), 0, &ref));
	assert_false(cache_bed_find_key(cache_bed_digest_key(0), 0, &ref));
	assert_true(cache_bed_find_key(cache_bed_digest_key(1), 0, &ref));
	assert_int_equal(cache_bed_count().evicted, 1);
}

static void of_claimed_digests_a_few_are_kept_and_the_oldest_goes(void **state)
{
	struct cache_ref ref;

	(void)state;
	for (uint64_t track = 0; track < SLOTLESS_KEPT; track++) {
		cache_bed_publish_digest(track, 1, 'd');
		cache_bed_claim_key(cache_bed_digest_key(track));
	}
	assert_int_equal(cache_bed_count().evicted, 0);
	cache_bed_publish_digest(SLOTLESS_KEPT, 1, 'd');
	assert_int_equal(cache_bed_count().evicted, 1);
	assert_int_equal(cache_bed_count().entries, SLOTLESS_KEPT);
	assert_false(cache_bed_find_key(cache_bed_digest_key(0), 0, &ref));
	assert_true(cache_bed_find_key(cache_bed_digest_key(1), 0, &ref));
	/* One in whose place another was put is free, and the next one takes nothing else. */
	cache_bed_publish_digest(SLOTLESS_KEPT, 2, 'e');
	assert_int_equal(cache_bed_count().entries, SLOTLESS_KEPT);
}

static void a_dropped_device_is_forgotten_and_others_are_not(void **state)
{
	struct cache_key other_key = cache_bed_key(1);
	struct cache_ref ref, other;

	(void)state;
	cache_bed_publish_data(1, 1, 'a');
	cache_bed_publish_data(2, 1, 'a');
	other_key.device++;
	cache_bed_publish(other_key, (struct cache_track){ TRACK_ZERO, STATUS_OK, NULL, NULL, 0 }, 1);
	ref = cache_bed_find_and_lock(2);
	cache_drop_device(cache_bed.cache, CACHE_BED_DEVICE);
	assert_false(cache_bed_is_known(1));
	assert_false(cache_bed_is_known(2));
	assert_true(cache_bed_find_key(other_key, 0, &other));
	assert_false(cache_is_still_there(cache_bed.cache, &ref));
	assert_int_equal(cache_bed_count().slots_free, CACHE_BED_SLOTS - 1);
	cache_unlock(cache_bed.cache, &ref);
	assert_int_equal(cache_bed_count().slots_free, CACHE_BED_SLOTS);
}

static void take_all(void *slots[CACHE_BED_SLOTS])
{
	for (unsigned i = 0; i < CACHE_BED_SLOTS; i++) {
		slots[i] = cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms);
		assert_non_null(slots[i]);
	}
}

static void room_is_told_once_after_a_refusal(void **state)
{
	void *slots[CACHE_BED_SLOTS];

	(void)state;
	take_all(slots);
	cache_give_back(cache_bed.cache, slots[0]);
	assert_int_equal(cache_bed.room_calls, 0); /* nobody was refused */
	slots[0] = cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms);
	assert_null(cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms));
	assert_int_equal(cache_bed.room_calls, 0);
	cache_give_back(cache_bed.cache, slots[0]);
	assert_int_equal(cache_bed.room_calls, 1);
	for (unsigned i = 1; i < CACHE_BED_SLOTS; i++)
		cache_give_back(cache_bed.cache, slots[i]);
	assert_int_equal(cache_bed.room_calls, 1);
}

static void room_is_told_by_unlock_drop_and_a_refused_publish(void **state)
{
	struct cache_ref ref;
	void *slots[CACHE_BED_SLOTS];

	(void)state;
	cache_bed_publish_data(1, 2, 'a');
	cache_bed_claim(1);
	ref = cache_bed_find_and_lock(1);
	for (unsigned i = 1; i < CACHE_BED_SLOTS; i++)
		slots[i] = cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms);
	assert_null(cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms));
	cache_unlock(cache_bed.cache, &ref);
	assert_int_equal(cache_bed.room_calls, 1);

	slots[0] = cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms);
	assert_null(cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms));
	cache_bed_publish(cache_bed_key(1), (struct cache_track){ TRACK_DATA, STATUS_OK, slots[0], NULL, 0 }, 2);
	assert_int_equal(cache_bed.room_calls, 1); /* it waits to be claimed */
	cache_bed_publish(cache_bed_key(1), (struct cache_track){ TRACK_DATA, STATUS_OK, slots[1], NULL, 0 }, 1);
	assert_int_equal(cache_bed.room_calls, 2);

	slots[1] = cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms);
	assert_null(cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms));
	cache_drop_device(cache_bed.cache, CACHE_BED_DEVICE);
	assert_int_equal(cache_bed.room_calls, 3);
	for (unsigned i = 1; i < CACHE_BED_SLOTS; i++)
		cache_give_back(cache_bed.cache, slots[i]);
}

static void room_is_told_when_an_entry_is_claimed(void **state)
{
	void *slot;

	(void)state;
	for (uint64_t track = 0; track < CACHE_BED_SLOTS; track++)
		cache_bed_publish_data(track, 1, 'a');
	assert_null(cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms));
	cache_bed_claim(0);
	assert_int_equal(cache_bed.room_calls, 1);
	slot = cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms);
	assert_non_null(slot);
	cache_give_back(cache_bed.cache, slot);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cache_bed_set_up, cache_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_slot_is_a_page_aligned_place_of_its_own),
		TEST(claimed_entries_go_first_least_recently_used_first),
		TEST(an_unclaimed_entry_is_kept_for_a_time),
		TEST(an_unclaimed_entry_that_was_locked_goes_back_to_its_place),
		TEST(a_locked_entry_is_never_evicted),
		TEST(errors_and_zeros_stay_when_a_slot_is_needed),
		TEST(a_full_pool_keeps_what_waits_to_be_claimed),
		TEST(a_full_pool_keeps_digests_that_wait_to_be_claimed),
		TEST(of_claimed_digests_a_few_are_kept_and_the_oldest_goes),
		TEST(a_dropped_device_is_forgotten_and_others_are_not),
		TEST(room_is_told_once_after_a_refusal),
		TEST(room_is_told_by_unlock_drop_and_a_refused_publish),
		TEST(room_is_told_when_an_entry_is_claimed),
	};

	return cmocka_run_group_tests_name("cache_eviction", tests, NULL, NULL);
}
