/* SPDX-License-Identifier: Apache-2.0
 *
 * Shares of the cache: what one owner has taken and nobody has claimed is limited, and leaves room for the others. The
 * cache has four slots, a share is two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/cache_bed.h"

enum { GREEDY = 3, POLITE = 4 };

static int set_up(void **state)
{
	int rc = cache_bed_set_up(state);

	if (rc == 0)
		cache_set_share(cache_bed.cache, CACHE_BED_SLOTS / 2);
	return rc;
}

static void *take(uint32_t owner)
{
	return cache_bed_take_slot(cache_bed.cache, owner, cache_bed.now_ms);
}

static void publish(uint32_t owner, uint64_t track)
{
	void *slot = take(owner);

	assert_non_null(slot);
	cache_bed_publish(cache_bed_key(track), (struct cache_track){ TRACK_DATA, STATUS_OK, slot, NULL, 0 }, 1);
}

static void an_owner_gets_no_more_than_its_share(void **state)
{
	(void)state;
	publish(GREEDY, 0);
	publish(GREEDY, 1);
	assert_null(take(GREEDY));
	assert_int_equal(cache_bed_count().slots_free, 2); /* for the others */
	publish(POLITE, 10);
	publish(POLITE, 11);
	assert_null(take(POLITE));
	assert_true(cache_bed_is_known(0) && cache_bed_is_known(1));
}

static void slots_that_are_being_filled_count(void **state)
{
	void *slots[2] = { take(GREEDY), take(GREEDY) };

	(void)state;
	assert_null(take(GREEDY));
	cache_give_back(cache_bed.cache, slots[0]);
	assert_int_equal(cache_bed.room_calls, 1);
	slots[0] = take(GREEDY);
	assert_non_null(slots[0]);
	cache_give_back(cache_bed.cache, slots[0]);
	cache_give_back(cache_bed.cache, slots[1]);
}

static void what_is_claimed_leaves_the_share_and_that_is_told(void **state)
{
	struct cache_ref ref;

	(void)state;
	publish(GREEDY, 0);
	publish(GREEDY, 1);
	assert_null(take(GREEDY));
	ref = cache_bed_find_and_lock(0);
	assert_null(take(GREEDY)); /* locked, not loaded yet */
	cache_bed_load_byte(&ref);
	assert_int_equal(cache_bed.room_calls, 1); /* before the unlock */
	publish(GREEDY, 2);
	assert_null(take(GREEDY));
	cache_unlock(cache_bed.cache, &ref);
	assert_null(take(GREEDY)); /* claimed once, it left the share once */
}

static void what_is_replaced_or_dropped_leaves_the_share(void **state)
{
	(void)state;
	publish(GREEDY, 0);
	publish(GREEDY, 1);
	cache_bed_publish_state(0, 2, TRACK_ZERO);
	publish(GREEDY, 2);
	assert_null(take(GREEDY));
	cache_drop_device(cache_bed.cache, CACHE_BED_DEVICE);
	publish(GREEDY, 3);
	publish(GREEDY, 4);
	assert_null(take(GREEDY));
}

static void an_owner_with_its_share_loses_what_it_did_not_claim_in_time(void **state)
{
	(void)state;
	publish(POLITE, 10);
	publish(GREEDY, 0);
	publish(GREEDY, 1);
	cache_bed.now_ms += CACHE_CLAIM_MS - 1;
	assert_null(take(GREEDY));
	cache_bed.now_ms++;
	publish(GREEDY, 2);
	assert_false(cache_bed_is_known(0));
	assert_true(cache_bed_is_known(1));
	assert_true(cache_bed_is_known(10)); /* older, but another's */
	assert_int_equal(cache_bed_count().evicted, 1);
}

static void owners_beyond_the_last_share_with_those_before(void **state)
{
	(void)state;
	publish(GREEDY, 0);
	publish(GREEDY + CACHE_OWNERS, 1);
	assert_null(take(GREEDY));
	assert_null(take(GREEDY + 7 * CACHE_OWNERS));
	publish(POLITE, 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, cache_bed_tear_down)
	const struct CMUnitTest tests[] = { T(an_owner_gets_no_more_than_its_share), T(slots_that_are_being_filled_count),
		T(what_is_claimed_leaves_the_share_and_that_is_told), T(what_is_replaced_or_dropped_leaves_the_share),
		T(an_owner_with_its_share_loses_what_it_did_not_claim_in_time),
		T(owners_beyond_the_last_share_with_those_before) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
