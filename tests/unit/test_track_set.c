/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of tracks: what touches becomes one, what is removed leaves both ends; random changes beside a bitmap.
 */
#include "base/track_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_ranges(const struct track_set *set, const struct track_range *expected, size_t count)
{
	uint64_t tracks = 0;

	assert_int_equal(track_set_ranges(set), count);
	for (size_t i = 0; i < count; i++) {
		struct track_range range = track_set_range(set, i);

		assert_int_equal(range.first, expected[i].first);
		assert_int_equal(range.count, expected[i].count);
		tracks += range.count;
	}
	assert_int_equal(track_set_tracks(set), tracks);
}

#define ASSERT_RANGES(set, ...) \
	assert_ranges((set), (const struct track_range[]){ __VA_ARGS__ }, \
		sizeof((const struct track_range[]){ __VA_ARGS__ }) / sizeof(struct track_range))

static void ranges_that_touch_or_overlap_become_one(void **state)
{
	struct track_set *set = track_set_new();

	(void)state;
	track_set_add(set, 10, 5);
	track_set_add(set, 20, 5);
	ASSERT_RANGES(set, { 10, 5 }, { 20, 5 });
	track_set_add(set, 15, 5);
	ASSERT_RANGES(set, { 10, 15 });
	track_set_add(set, 0, 1);
	track_set_add(set, 40, 1);
	track_set_add(set, 5, 30);
	ASSERT_RANGES(set, { 0, 1 }, { 5, 30 }, { 40, 1 });
	track_set_add(set, 7, 0);
	track_set_add(set, 0, 100);
	ASSERT_RANGES(set, { 0, 100 });
	track_set_free(set);
}

static void what_is_removed_leaves_both_ends(void **state)
{
	struct track_set *set = track_set_new();

	(void)state;
	track_set_add(set, 10, 10);
	track_set_add(set, 30, 10);
	track_set_remove(set, 0, 10);
	track_set_remove(set, 20, 10);
	track_set_remove(set, 40, 5);
	ASSERT_RANGES(set, { 10, 10 }, { 30, 10 });
	track_set_remove(set, 13, 2);
	ASSERT_RANGES(set, { 10, 3 }, { 15, 5 }, { 30, 10 });
	track_set_remove(set, 11, 24);
	ASSERT_RANGES(set, { 10, 1 }, { 35, 5 });
	track_set_remove(set, 0, 100);
	assert_int_equal(track_set_ranges(set), 0);
	assert_int_equal(track_set_tracks(set), 0);
	track_set_free(set);
}

static void next_stretch_is_cut_where_the_search_begins(void **state)
{
	struct track_set *set = track_set_new();
	struct track_range range;

	(void)state;
	assert_false(track_set_next(set, 0, &range));
	track_set_add(set, 10, 10);
	assert_true(track_set_next(set, 0, &range));
	assert_int_equal(range.first, 10);
	assert_int_equal(range.count, 10);
	assert_true(track_set_next(set, 19, &range));
	assert_int_equal(range.first, 19);
	assert_int_equal(range.count, 1);
	assert_false(track_set_next(set, 20, &range));
	assert_true(track_set_has(set, 10));
	assert_true(track_set_has(set, 19));
	assert_false(track_set_has(set, 9));
	assert_false(track_set_has(set, 20));
	track_set_free(set);
}

/* Against one bit a track. */
static void random_changes_agree_with_a_bitmap(void **state)
{
	enum { TRACKS = 300, STEPS = 4000 };
	bool bits[TRACKS] = { false };
	struct track_set *set = track_set_new();
	unsigned seed = 42;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		unsigned first = (unsigned)rand_r(&seed) % TRACKS, count = (unsigned)rand_r(&seed) % 20;
		bool is_add = rand_r(&seed) % 2;
		uint64_t expected = 0, in = 0;

		if (count > TRACKS - first)
			count = TRACKS - first;
		if (is_add)
			track_set_add(set, first, count);
		else
			track_set_remove(set, first, count);
		for (unsigned i = first; i < first + count; i++)
			bits[i] = is_add;
		for (unsigned i = 0; i < TRACKS; i++) {
			assert_int_equal(track_set_has(set, i), bits[i]);
			expected += bits[i];
			in += i >= 50 && i < 200 && bits[i];
		}
		assert_int_equal(track_set_tracks(set), expected);
		assert_int_equal(track_set_tracks_in(set, 50, 150), in);
		for (size_t i = 1; i < track_set_ranges(set); i++)
			assert_true(track_set_range(set, i - 1).first + track_set_range(set, i - 1).count <
				track_set_range(set, i).first);
	}
	track_set_free(set);
}

static void two_sets_are_added_and_subtracted(void **state)
{
	struct track_set *a = track_set_new(), *b = track_set_new();

	(void)state;
	track_set_add(a, 0, 10);
	track_set_add(a, 20, 10);
	track_set_add(b, 5, 20);
	track_set_remove_all(a, b);
	ASSERT_RANGES(a, { 0, 5 }, { 25, 5 });
	track_set_add_all(a, b);
	ASSERT_RANGES(a, { 0, 30 });
	track_set_free(a);
	track_set_free(b);
}

/* Ranges of 1 to 4 tracks with gaps of 1 to 4, from a few to many. */
static struct track_set *random_set(unsigned ranges)
{
	struct track_set *set = track_set_new();
	uint64_t at = 0;

	for (unsigned i = 0; i < ranges; i++) {
		uint64_t count = 1 + (uint64_t)rand() % 4;

		at += 1 + (uint64_t)rand() % 4;
		track_set_add(set, at, count);
		at += count;
	}
	return set;
}

static void assert_same(const struct track_set *a, const struct track_set *b)
{
	assert_int_equal(track_set_ranges(a), track_set_ranges(b));
	assert_int_equal(track_set_tracks(a), track_set_tracks(b));
	for (size_t i = 0; i < track_set_ranges(a); i++) {
		assert_int_equal(track_set_range(a, i).first, track_set_range(b, i).first);
		assert_int_equal(track_set_range(a, i).count, track_set_range(b, i).count);
	}
}

static void many_ranges_at_once_are_as_many_one_by_one(void **state)
{
	(void)state;
	srand(4);
	for (unsigned ranges = 0; ranges < 200; ranges++) {
		struct track_set *change = random_set(ranges), *start = random_set(199 - ranges);

		for (unsigned removes = 0; removes < 2; removes++) {
			struct track_set *at_once = track_set_new(), *one_by_one = track_set_new();

			track_set_add_all(at_once, start);
			assert_same(at_once, start);
			track_set_add_all(one_by_one, start);
			for (size_t i = 0; i < track_set_ranges(change); i++) {
				struct track_range range = track_set_range(change, i);

				(removes ? track_set_remove : track_set_add)(one_by_one, range.first, range.count);
			}
			(removes ? track_set_remove_all : track_set_add_all)(at_once, change);
			assert_same(at_once, one_by_one);
			track_set_free(at_once);
			track_set_free(one_by_one);
		}
		track_set_free(change);
		track_set_free(start);
	}
}

static void packed_set_is_the_same_when_unpacked(void **state)
{
	struct track_set *set = track_set_new(), *again;
	uint8_t packed[2 * TRACK_SET_PACKED_BYTES];

	(void)state;
	track_set_add(set, 1, 2);
	track_set_add(set, UINT64_MAX - 5, 5);
	track_set_pack(set, packed);
	again = track_set_unpack(packed, sizeof(packed), 2);
	assert_non_null(again);
	ASSERT_RANGES(again, { 1, 2 }, { UINT64_MAX - 5, 5 });
	track_set_free(again);
	again = track_set_unpack(packed, 0, 2);
	assert_int_equal(track_set_ranges(again), 0);
	track_set_free(again);
	track_set_free(set);
}

static void unpack_refuses(const uint64_t *numbers, size_t count, size_t ranges_max)
{
	uint8_t packed[64];

	for (size_t i = 0; i < count; i++)
		for (unsigned byte = 0; byte < 8; byte++)
			packed[8 * i + byte] = (uint8_t)(numbers[i] >> (8 * byte));
	assert_null(track_set_unpack(packed, 8 * count, ranges_max));
}

static void ranges_that_are_not_a_set_are_refused(void **state)
{
	(void)state;
	unpack_refuses((const uint64_t[]){ 1 }, 1, 9);
	unpack_refuses((const uint64_t[]){ 1, 0 }, 2, 9);
	unpack_refuses((const uint64_t[]){ 2, UINT64_MAX - 1 }, 2, 9);
	unpack_refuses((const uint64_t[]){ 1, 2, 3, 1 }, 4, 9);
	unpack_refuses((const uint64_t[]){ 5, 2, 1, 1 }, 4, 9);
	unpack_refuses((const uint64_t[]){ 5, 2, 9, 1 }, 4, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_that_touch_or_overlap_become_one),
		cmocka_unit_test(what_is_removed_leaves_both_ends),
		cmocka_unit_test(next_stretch_is_cut_where_the_search_begins),
		cmocka_unit_test(random_changes_agree_with_a_bitmap),
		cmocka_unit_test(two_sets_are_added_and_subtracted),
		cmocka_unit_test(many_ranges_at_once_are_as_many_one_by_one),
		cmocka_unit_test(packed_set_is_the_same_when_unpacked),
		cmocka_unit_test(ranges_that_are_not_a_set_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
