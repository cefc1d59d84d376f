/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache: lookup by floor, find -> lock -> still there?, replacement, expiry of errors. Time is a number that the
 * tests choose. The last two tests let disk threads publish while the loop looks up (for the thread sanitizer too).
 */
#include "storage/cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cache_bed.h"

static void sequence_numbers_grow_from_1(void **state)
{
	(void)state;
	assert_int_equal(cache_next_sequence(cache_bed.cache), 1);
	assert_int_equal(cache_next_sequence(cache_bed.cache), 2);
}

static void what_was_published_is_found_and_loaded(void **state)
{
	struct cache_ref ref;
	struct cache_track known;

	(void)state;
	cache_bed_publish_data(1, 1, 'a');
	cache_bed_publish_state(2, 1, TRACK_ZERO);
	cache_bed_publish_state(3, 1, TRACK_HOLE);
	cache_bed_publish_timeout(4, 1);
	ref = cache_bed_find_and_lock(1);
	assert_int_equal(cache_bed_load_byte(&ref), 'a');
	cache_unlock(cache_bed.cache, &ref);
	for (uint64_t track = 2; track <= 3; track++) {
		ref = cache_bed_find_and_lock(track);
		cache_load(cache_bed.cache, &ref, &known);
		assert_int_equal(known.state, track == 2 ? TRACK_ZERO : TRACK_HOLE);
		assert_int_equal(known.status, STATUS_OK);
		assert_null(known.slot);
		cache_unlock(cache_bed.cache, &ref);
	}
	ref = cache_bed_find_and_lock(4);
	cache_load(cache_bed.cache, &ref, &known);
	assert_int_equal(known.state, TRACK_UNSET);
	assert_int_equal(known.status, STATUS_TIMEOUT);
	assert_null(known.slot);
	cache_unlock(cache_bed.cache, &ref);
	assert_int_equal(cache_bed_count().hits, 4);
	assert_int_equal(cache_bed_count().entries, 4);
}

static void devices_and_tracks_are_kept_apart(void **state)
{
	const struct cache_key key = cache_bed_key(7);
	struct cache_key other = key;
	struct cache_ref ref;

	(void)state;
	cache_bed_publish_state(7, 1, TRACK_ZERO);
	assert_true(cache_bed_find_key(key, 0, &ref));
	other.device++;
	assert_false(cache_bed_find_key(other, 0, &ref));
	assert_false(cache_bed_find_key(cache_bed_key(8), 0, &ref));
	other = (struct cache_key){ .track = key.device, .device = 7, .valid_bytes = key.valid_bytes };
	assert_false(cache_bed_find_key(other, 0, &ref));
	assert_int_equal(cache_bed_count().misses, 3);
}

static void bytes_and_digests_do_not_answer_for_each_other(void **state)
{
	struct cache_key sha256 = cache_bed_digest_key(1);
	struct cache_track known;
	struct cache_ref ref;

	(void)state;
	sha256.digest = DIGEST_SHA256;
	cache_bed_publish_digest(1, 1, 'd');
	assert_false(cache_bed_is_known(1));
	assert_false(cache_bed_find_key(sha256, 0, &ref));
	cache_bed_publish_data(1, 1, 'a');
	ref = cache_bed_find_and_lock(1);
	assert_int_equal(cache_bed_load_byte(&ref), 'a');
	cache_unlock(cache_bed.cache, &ref);
	assert_true(cache_bed_find_key(cache_bed_digest_key(1), 0, &ref));
	cache_lock(cache_bed.cache, &ref);
	cache_load(cache_bed.cache, &ref, &known);
	assert_int_equal(known.state, TRACK_DATA);
	assert_int_equal(known.status, STATUS_OK);
	assert_null(known.slot);
	for (uint32_t i = 0; i < digest_bytes(DIGEST_XXH3_128); i++)
		assert_int_equal(known.digest[i], 'd');
	cache_unlock(cache_bed.cache, &ref);
	/* Nor do zeros and errors, which look the same. */
	cache_bed_publish_state(2, 1, TRACK_ZERO);
	assert_false(cache_bed_find_key(cache_bed_digest_key(2), 0, &ref));
}

static void a_digest_needs_neither_slot_nor_share(void **state)
{
	(void)state;
	cache_set_share(cache_bed.cache, 1);
	for (uint64_t track = 0; track < 2 * CACHE_BED_SLOTS; track++)
		cache_bed_publish_digest(track, 1, 'd');
	assert_int_equal(cache_bed_count().slots_free, CACHE_BED_SLOTS);
	cache_bed_publish_data(1, 1, 'a');
	assert_int_equal(cache_bed_count().entries, 2 * CACHE_BED_SLOTS + 1);
}

static void all_32_bytes_of_a_digest_are_kept(void **state)
{
	struct cache_key key = cache_bed_key(1);
	uint8_t digest[DIGEST_BYTES_MAX];
	struct cache_track known = { .state = TRACK_DATA, .status = STATUS_OK, .digest = digest };

	(void)state;
	for (uint8_t i = 0; i < DIGEST_BYTES_MAX; i++)
		digest[i] = i;
	key.digest = DIGEST_SHA256;
	cache_bed_publish(key, known, 1);
	known = cache_bed_claim_key(key);
	assert_ptr_not_equal(known.digest, digest);
	assert_memory_equal(known.digest, digest, DIGEST_BYTES_MAX);
}

static void a_track_that_ends_elsewhere_is_another(void **state)
{
	struct cache_key key = cache_bed_digest_key(1);
	struct cache_ref ref;

	(void)state;
	cache_bed_publish_digest(1, 1, 'd');
	key.valid_bytes--;
	assert_false(cache_bed_find_key(key, 0, &ref));
	cache_bed_publish(key, (struct cache_track){ .state = TRACK_ZERO, .status = STATUS_OK }, 1);
	assert_int_equal(cache_bed_claim_key(key).state, TRACK_ZERO);
	assert_int_equal(cache_bed_claim_key(cache_bed_digest_key(1)).state, TRACK_DATA);
}

static void a_digest_is_replaced_and_has_its_floor(void **state)
{
	struct cache_track known;
	struct cache_ref ref, old;

	(void)state;
	cache_bed_publish_digest(1, 5, 'd');
	assert_true(cache_bed_find_key(cache_bed_digest_key(1), 5, &old));
	assert_false(cache_bed_find_key(cache_bed_digest_key(1), 6, &ref));
	cache_lock(cache_bed.cache, &old);
	cache_bed_publish_digest(1, 6, 'e');
	assert_false(cache_is_still_there(cache_bed.cache, &old));
	cache_load(cache_bed.cache, &old, &known);
	assert_int_equal(known.digest[0], 'd'); /* until the unlock */
	cache_unlock(cache_bed.cache, &old);
	cache_bed_publish_digest(1, 5, 'f');
	assert_true(cache_bed_find_key(cache_bed_digest_key(1), 6, &ref));
	assert_int_equal(cache_bed_claim_key(cache_bed_digest_key(1)).digest[0], 'e');
	assert_int_equal(cache_bed_count().entries, 1);
}

static void the_holes_behind_a_hole_are_kept(void **state)
{
	const struct cache_track hole = { .state = TRACK_HOLE, .status = STATUS_OK, .hole_tracks = 1ull << 40 };

	(void)state;
	cache_bed_publish(cache_bed_digest_key(1), hole, 1);
	assert_int_equal(cache_bed_claim_key(cache_bed_digest_key(1)).hole_tracks, 1ull << 40);
	cache_bed_publish_digest(1, 2, 'd');
	assert_int_equal(cache_bed_claim_key(cache_bed_digest_key(1)).hole_tracks, 0);
}

static void many_entries_are_each_found(void **state)
{
	struct cache_ref ref;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++)
		cache_bed_publish_state(i * i * 31, 1 + i, TRACK_ZERO);
	for (uint64_t i = 0; i < 10000; i++) {
		assert_true(cache_bed_find(i * i * 31, &ref));
		assert_int_equal(ref.sequence, 1 + i);
	}
	assert_false(cache_bed_is_known(1));
	assert_int_equal(cache_bed_count().entries, 10000);
}

static void an_entry_below_the_floor_is_not_found(void **state)
{
	struct cache_ref ref;

	(void)state;
	cache_bed_publish_state(1, 5, TRACK_ZERO);
	assert_true(cache_bed_find_key(cache_bed_key(1), 5, &ref));
	assert_int_equal(ref.sequence, 5);
	assert_false(cache_bed_find_key(cache_bed_key(1), 6, &ref));
}

static void an_entry_replaced_after_the_find_is_not_still_there(void **state)
{
	struct cache_ref ref;

	(void)state;
	cache_bed_publish_data(1, 1, 'a');
	assert_true(cache_bed_find(1, &ref));
	cache_bed_publish_data(1, 2, 'b');
	cache_lock(cache_bed.cache, &ref);
	assert_false(cache_is_still_there(cache_bed.cache, &ref));
	cache_unlock(cache_bed.cache, &ref);
	ref = cache_bed_find_and_lock(1);
	assert_int_equal(cache_bed_load_byte(&ref), 'b');
	cache_unlock(cache_bed.cache, &ref);
	assert_int_equal(cache_bed_count().slots_free, CACHE_BED_SLOTS - 1);
}

static void memory_reused_after_the_find_is_not_still_there(void **state)
{
	struct cache_ref ref;

	(void)state;
	cache_bed_publish_data(1, 1, 'a');
	assert_true(cache_bed_find(1, &ref));
	cache_drop_device(cache_bed.cache, CACHE_BED_DEVICE);
	cache_bed_publish_data(2, 1, 'b');
	/* The same memory now holds track 2, with the same sequence number. */
	cache_lock(cache_bed.cache, &ref);
	assert_false(cache_is_still_there(cache_bed.cache, &ref));
	assert_int_equal(cache_bed_count().slots_locked, 1);
	cache_unlock(cache_bed.cache, &ref);
	assert_int_equal(cache_bed_count().slots_locked, 0);
	assert_true(cache_bed_is_known(2));
}

static void a_stale_lock_pins_what_is_published_into_its_memory(void **state)
{
	struct cache_ref ref;

	(void)state;
	cache_bed_publish_data(1, 1, 'a');
	assert_true(cache_bed_find(1, &ref));
	cache_drop_device(cache_bed.cache, CACHE_BED_DEVICE);
	cache_lock(cache_bed.cache, &ref);
	cache_bed_publish_data(2, 1, 'b');
	assert_int_equal(cache_bed_count().slots_locked, 1);
	cache_bed_claim(2);
	assert_int_equal(cache_bed_count().slots_locked, 1);
	for (uint64_t track = 3; track < 3 + CACHE_BED_SLOTS - 1; track++)
		cache_bed_publish_data(track, 1, 'c');
	assert_null(cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms));
	cache_unlock(cache_bed.cache, &ref);
	assert_int_equal(cache_bed_count().slots_locked, 0);
	cache_bed_publish_data(9, 1, 'd');
	assert_false(cache_bed_is_known(2));
}

static void a_locked_entry_that_is_replaced_is_freed_at_its_last_unlock(void **state)
{
	struct cache_ref ref;

	(void)state;
	cache_bed_publish_data(1, 1, 'a');
	ref = cache_bed_find_and_lock(1);
	cache_lock(cache_bed.cache, &ref);
	cache_bed_publish_data(1, 2, 'b');
	assert_false(cache_is_still_there(cache_bed.cache, &ref));
	/* It is not there any more, but what the lock was taken for is. */
	assert_int_equal(cache_bed_load_byte(&ref), 'a');
	assert_int_equal(cache_bed_count().slots_free, CACHE_BED_SLOTS - 2);
	assert_int_equal(cache_bed_count().entries, 1);
	cache_unlock(cache_bed.cache, &ref);
	assert_int_equal(cache_bed_count().slots_free, CACHE_BED_SLOTS - 2);
	cache_unlock(cache_bed.cache, &ref);
	assert_int_equal(cache_bed_count().slots_free, CACHE_BED_SLOTS - 1);
	assert_int_equal(cache_bed_count().slots_locked, 0);
	assert_true(cache_bed_is_known(1));
}

static void a_higher_sequence_is_never_replaced(void **state)
{
	struct cache_ref ref;

	(void)state;
	cache_bed_publish_data(1, 5, 'n');
	cache_bed_publish_data(1, 4, 'o');
	cache_bed_publish_state(1, 4, TRACK_ZERO);
	cache_bed_publish_timeout(1, 4);
	ref = cache_bed_find_and_lock(1);
	assert_int_equal(cache_bed_load_byte(&ref), 'n');
	cache_unlock(cache_bed.cache, &ref);
	assert_int_equal(cache_bed_count().slots_free, CACHE_BED_SLOTS - 1);
}

static void at_the_same_sequence_only_an_error_is_replaced(void **state)
{
	struct cache_ref ref;

	(void)state;
	cache_bed_publish_data(1, 5, 'a');
	cache_bed_publish_data(1, 5, 'b');
	cache_bed_publish_timeout(1, 5);
	ref = cache_bed_find_and_lock(1);
	assert_int_equal(cache_bed_load_byte(&ref), 'a');
	cache_unlock(cache_bed.cache, &ref);
	cache_bed_publish_timeout(2, 5);
	cache_bed_publish_data(2, 5, 'c');
	cache_bed_publish_state(3, 5, TRACK_EIO);
	cache_bed_publish_data(3, 5, 'c');
	for (uint64_t track = 2; track <= 3; track++) {
		ref = cache_bed_find_and_lock(track);
		assert_int_equal(cache_bed_load_byte(&ref), 'c');
		cache_unlock(cache_bed.cache, &ref);
	}
}

static void an_error_answers_until_it_expires(void **state)
{
	(void)state;
	cache_bed_publish_timeout(1, 1);
	cache_bed_publish_state(2, 1, TRACK_EIO);
	cache_bed_publish_state(3, 1, TRACK_SHRUNK);
	cache_bed_publish_state(4, 1, TRACK_ZERO);
	cache_bed.now_ms += CACHE_ERROR_MS - 1;
	for (uint64_t track = 1; track <= 4; track++)
		assert_true(cache_bed_is_known(track));
	cache_bed.now_ms++;
	for (uint64_t track = 1; track <= 3; track++)
		assert_false(cache_bed_is_known(track));
	assert_true(cache_bed_is_known(4));
	assert_int_equal(cache_bed_count().entries, 1);
}

static void an_error_that_expires_while_it_is_locked_is_safe(void **state)
{
	struct cache_ref ref;
	struct cache_track known;

	(void)state;
	cache_bed_publish_timeout(1, 1);
	ref = cache_bed_find_and_lock(1);
	cache_bed.now_ms += CACHE_ERROR_MS;
	assert_false(cache_bed_is_known(1));
	cache_load(cache_bed.cache, &ref, &known);
	assert_int_equal(known.state, TRACK_UNSET);
	assert_int_equal(known.status, STATUS_TIMEOUT);
	cache_unlock(cache_bed.cache, &ref);
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
		const struct cache_key key = cache_bed_key(i % SHARED_TRACKS);
		uint64_t sequence = cache_next_sequence(shared);
		const struct cache_track data = { .state = TRACK_DATA, .status = STATUS_OK,
			.slot = cache_bed_take_slot(shared, 0, 0) };

		if (!data.slot)
			continue;
		memset(data.slot, (int)((key.track + sequence) & 0x7f), CACHE_BED_TRACK_BYTES);
		cache_publish(shared, &key, &data, sequence, 0);
	}
	return NULL;
}

static void data_of_a_locked_entry_does_not_change_while_threads_publish(void **state)
{
	pthread_t threads[PUBLISHERS];
	unsigned loaded = 0;

	(void)state;
	for (unsigned i = 0; i < PUBLISHERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, publish_rounds, cache_bed.cache), 0);
	/* Ends: something is published, and what is published last stays. */
	for (uint64_t i = 0; loaded < LOADS; i++) {
		const struct cache_key key = cache_bed_key(i % SHARED_TRACKS);
		struct cache_track known;
		struct cache_ref ref;

		if (!cache_find(cache_bed.cache, &key, 0, 0, &ref))
			continue;
		cache_lock(cache_bed.cache, &ref);
		if (cache_is_still_there(cache_bed.cache, &ref)) {
			const char *data;

			cache_load(cache_bed.cache, &ref, &known);
			assert_int_equal(known.state, TRACK_DATA);
			data = known.slot;
			assert_int_equal(data[0], (key.track + ref.sequence) & 0x7f);
			assert_int_equal(data[CACHE_BED_TRACK_BYTES - 1], (key.track + ref.sequence) & 0x7f);
			loaded++;
		}
		cache_unlock(cache_bed.cache, &ref);
	}
	for (unsigned i = 0; i < PUBLISHERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(cache_bed_count().slots_locked, 0);
}

/* Each byte of a digest is the one that its track and sequence demand; no cmocka here. */
static void *publish_digest_rounds(void *arg)
{
	struct cache *shared = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		const struct cache_key key = cache_bed_digest_key(i % SHARED_TRACKS);
		uint64_t sequence = cache_next_sequence(shared);
		uint8_t digest[DIGEST_BYTES_MAX];
		const struct cache_track known = { .state = TRACK_DATA, .status = STATUS_OK, .digest = digest };

		memset(digest, (int)((key.track + sequence) & 0x7f), sizeof(digest));
		cache_publish(shared, &key, &known, sequence, 0);
	}
	return NULL;
}

static void a_digest_of_a_locked_entry_does_not_change_while_threads_publish(void **state)
{
	pthread_t threads[PUBLISHERS];
	unsigned loaded = 0;

	(void)state;
	for (unsigned i = 0; i < PUBLISHERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, publish_digest_rounds, cache_bed.cache), 0);
	for (uint64_t i = 0; loaded < LOADS; i++) {
		const struct cache_key key = cache_bed_digest_key(i % SHARED_TRACKS);
		struct cache_track known;
		struct cache_ref ref;

		if (!cache_bed_find_key(key, 0, &ref))
			continue;
		cache_lock(cache_bed.cache, &ref);
		if (cache_is_still_there(cache_bed.cache, &ref)) {
			cache_load(cache_bed.cache, &ref, &known);
			for (uint32_t byte = 0; byte < digest_bytes(DIGEST_XXH3_128); byte++)
				assert_int_equal(known.digest[byte], (key.track + ref.sequence) & 0x7f);
			loaded++;
		}
		cache_unlock(cache_bed.cache, &ref);
	}
	for (unsigned i = 0; i < PUBLISHERS; i++)
		pthread_join(threads[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cache_bed_set_up, cache_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sequence_numbers_grow_from_1),
		TEST(what_was_published_is_found_and_loaded),
		TEST(devices_and_tracks_are_kept_apart),
		TEST(bytes_and_digests_do_not_answer_for_each_other),
		TEST(a_digest_needs_neither_slot_nor_share),
		TEST(all_32_bytes_of_a_digest_are_kept),
		TEST(a_track_that_ends_elsewhere_is_another),
		TEST(a_digest_is_replaced_and_has_its_floor),
		TEST(the_holes_behind_a_hole_are_kept),
		TEST(many_entries_are_each_found),
		TEST(an_entry_below_the_floor_is_not_found),
		TEST(an_entry_replaced_after_the_find_is_not_still_there),
		TEST(memory_reused_after_the_find_is_not_still_there),
		TEST(a_stale_lock_pins_what_is_published_into_its_memory),
		TEST(a_locked_entry_that_is_replaced_is_freed_at_its_last_unlock),
		TEST(a_higher_sequence_is_never_replaced),
		TEST(at_the_same_sequence_only_an_error_is_replaced),
		TEST(an_error_answers_until_it_expires),
		TEST(an_error_that_expires_while_it_is_locked_is_safe),
		TEST(data_of_a_locked_entry_does_not_change_while_threads_publish),
		TEST(a_digest_of_a_locked_entry_does_not_change_while_threads_publish),
	};

	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
