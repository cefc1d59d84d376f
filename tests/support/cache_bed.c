/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache of the cache's tests. A callback that says room looks into the cache, which would hang if the cache called
 * it under its mutex.
 */
#include "tests/support/cache_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct cache_bed cache_bed;

static void on_room(void *arg)
{
	struct cache_counts counts;

	/* Not under the mutex: the cache may be used. */
	cache_count(arg, &counts);
	cache_bed.room_calls++;
}

int cache_bed_set_up(void **state)
{
	(void)state;
	cache_bed.cache = cache_new(CACHE_BED_SLOTS * CACHE_BED_TRACK_BYTES, CACHE_BED_TRACK_BYTES);
	cache_bed.now_ms = 1000;
	cache_bed.room_calls = 0;
	cache_on_room(cache_bed.cache, on_room, cache_bed.cache);
	return cache_bed.cache ? 0 : -1;
}

int cache_bed_tear_down(void **state)
{
	(void)state;
	cache_free(cache_bed.cache);
	return 0;
}

void *cache_bed_take_slot(struct cache *cache, uint32_t owner, int64_t now_ms)
{
	void *slot;

	return cache_take_slots(cache, owner, 1, now_ms, &slot) == 1 ? slot : NULL;
}

struct cache_counts cache_bed_count(void)
{
	struct cache_counts counts;

	cache_count(cache_bed.cache, &counts);
	return counts;
}

struct cache_key cache_bed_key(uint64_t track)
{
	return (struct cache_key){ .track = track, .device = CACHE_BED_DEVICE, .valid_bytes = CACHE_BED_TRACK_BYTES };
}

void cache_bed_publish(struct cache_key key, struct cache_track track, uint64_t sequence)
{
	cache_publish(cache_bed.cache, &key, &track, sequence, cache_bed.now_ms);
}

bool cache_bed_find_key(struct cache_key key, uint64_t floor, struct cache_ref *ref)
{
	return cache_find(cache_bed.cache, &key, floor, cache_bed.now_ms, ref);
}

void cache_bed_publish_data(uint64_t track, uint64_t sequence, char byte)
{
	void *slot = cache_bed_take_slot(cache_bed.cache, 0, cache_bed.now_ms);

	assert_non_null(slot);
	memset(slot, byte, CACHE_BED_TRACK_BYTES);
	cache_bed_publish(cache_bed_key(track), (struct cache_track){ TRACK_DATA, STATUS_OK, slot, NULL, 0 }, sequence);
}

void cache_bed_publish_state(uint64_t track, uint64_t sequence, enum track_state state)
{
	cache_bed_publish(cache_bed_key(track), (struct cache_track){ state, STATUS_OK, NULL, NULL, 0 }, sequence);
}

void cache_bed_publish_timeout(uint64_t track, uint64_t sequence)
{
	const struct cache_track late = { .state = TRACK_UNSET, .status = STATUS_TIMEOUT };

	cache_bed_publish(cache_bed_key(track), late, sequence);
}

struct cache_key cache_bed_digest_key(uint64_t track)
{
	struct cache_key key = cache_bed_key(track);

	key.digest = DIGEST_XXH3_128;
	return key;
}

void cache_bed_publish_digest(uint64_t track, uint64_t sequence, uint8_t byte)
{
	uint8_t digest[DIGEST_BYTES_MAX];
	const struct cache_track known = { .state = TRACK_DATA, .status = STATUS_OK, .digest = digest };

	memset(digest, byte, sizeof(digest));
	cache_bed_publish(cache_bed_digest_key(track), known, sequence);
	memset(digest, 0x55, sizeof(digest)); /* it was copied */
}

bool cache_bed_find(uint64_t track, struct cache_ref *ref)
{
	return cache_bed_find_key(cache_bed_key(track), 0, ref);
}

bool cache_bed_is_known(uint64_t track)
{
	struct cache_ref ref;

	return cache_bed_find(track, &ref);
}

struct cache_ref cache_bed_find_and_lock(uint64_t track)
{
	struct cache_ref ref;

	assert_true(cache_bed_find(track, &ref));
	cache_lock(cache_bed.cache, &ref);
	assert_true(cache_is_still_there(cache_bed.cache, &ref));
	return ref;
}

char cache_bed_load_byte(const struct cache_ref *ref)
{
	struct cache_track known;

	cache_load(cache_bed.cache, ref, &known);
	assert_int_equal(known.state, TRACK_DATA);
	assert_int_equal(known.status, STATUS_OK);
	assert_non_null(known.slot);
	return *(const char *)known.slot;
}

struct cache_track cache_bed_claim_key(struct cache_key key)
{
	struct cache_track known;
	struct cache_ref ref;

	assert_true(cache_bed_find_key(key, 0, &ref));
	cache_lock(cache_bed.cache, &ref);
	assert_true(cache_is_still_there(cache_bed.cache, &ref));
	cache_load(cache_bed.cache, &ref, &known);
	cache_unlock(cache_bed.cache, &ref);
	return known;
}

void cache_bed_claim(uint64_t track)
{
	cache_bed_claim_key(cache_bed_key(track));
}
