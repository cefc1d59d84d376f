/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of the ledger: when a group is proven, what an unfinished run has, and what of earlier runs is known. Most
 * of it must be the same after the ledger was a file.
 * check-style: long because each rule of what is remembered has its test.
 */
#include "storage/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/track_set.h"

#define TRACK_BYTES 65536u
#define LARGE_TRACKS (UINT64_C(1) << 28) /* 16 TiB */
#define GROUP_TRACKS 4096u               /* of those */

static struct ledger_binding binding_of(uint64_t total_tracks)
{
	struct ledger_binding binding = {
		.device = "web1",
		.local_identity = "file 8:1:77",
		.remote_identity = "dm LVM-x",
		.local_bytes = total_tracks * TRACK_BYTES,
		.remote_bytes = total_tracks * TRACK_BYTES,
		.track_bytes = TRACK_BYTES,
		.digest = "data",
	};

	return binding;
}

static struct ledger *new_ledger(uint64_t total_tracks)
{
	struct ledger_binding binding = binding_of(total_tracks);

	return ledger_new(&binding, total_tracks);
}

/* What a file keeps of it; the ledger goes. */
static struct ledger *interrupted(struct ledger *ledger)
{
	struct ledger *out;
	char why[STATE_WHY_BYTES];
	size_t bytes, again_bytes;
	uint8_t *file = ledger_encode(ledger, &bytes), *again;

	assert_int_equal(ledger_decode(file, bytes, &out, why), 0);
	again = ledger_encode(out, &again_bytes);
	assert_int_equal(again_bytes, bytes);
	assert_memory_equal(again, file, bytes);
	free(again);
	free(file);
	ledger_free(ledger);
	return out;
}

static void differs(struct ledger *ledger, uint64_t track, uint32_t at, uint32_t length)
{
	struct ledger_range range = { track * TRACK_BYTES + at, length, 1500, 3, 2, true };

	ledger_different(ledger, track, &range, 1);
}

/* ---- Groups and their proof ---- */

static void groups_are_as_many_as_tracks_or_the_most(void **state)
{
	static const struct {
		uint64_t tracks, group_tracks;
		uint32_t groups;
	} cases[] = {
		{ 0, 1, 0 }, { 1, 1, 1 }, { 65536, 1, 65536 }, { 65537, 2, 32769 }, { LARGE_TRACKS, GROUP_TRACKS, 65536 },
		{ UINT64_MAX / TRACK_BYTES, (UINT64_C(1) << 32), 65536 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ledger *ledger = new_ledger(cases[i].tracks);

		assert_int_equal(ledger_total_tracks(ledger), cases[i].tracks);
		assert_int_equal(ledger_group_tracks(ledger), cases[i].group_tracks);
		assert_int_equal(ledger_groups(ledger), cases[i].groups);
		ledger_free(interrupted(ledger));
	}
}

static void a_group_is_proven_when_all_its_tracks_were_at_the_time_of_the_oldest(void **state)
{
	struct ledger *ledger = new_ledger(LARGE_TRACKS);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	ledger_identical(ledger, GROUP_TRACKS, GROUP_TRACKS - 10, 1200);
	ledger_identical(ledger, 2 * GROUP_TRACKS - 9, 9, 1100);
	assert_int_equal(ledger_group_proven(ledger, 1), 0);
	ledger_identical(ledger, 2 * GROUP_TRACKS - 10, 1, 1300);
	assert_int_equal(ledger_group_proven(ledger, 1), 1100);
	assert_int_equal(ledger_group_proven(ledger, 0), 0);
	assert_int_equal(ledger_group_proven(ledger, 2), 0);
	ledger_free(ledger);
}

static void one_stretch_proves_the_groups_that_it_covers(void **state)
{
	struct ledger *ledger = new_ledger(LARGE_TRACKS - 1);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	ledger_identical(ledger, 1, 3 * GROUP_TRACKS, 1200);
	assert_int_equal(ledger_group_proven(ledger, 0), 0);
	assert_int_equal(ledger_group_proven(ledger, 1), 1200);
	assert_int_equal(ledger_group_proven(ledger, 2), 1200);
	assert_int_equal(ledger_group_proven(ledger, 3), 0);
	/* The last group has a track less. */
	ledger_identical(ledger, LARGE_TRACKS - GROUP_TRACKS, GROUP_TRACKS - 1, 1300);
	assert_int_equal(ledger_group_proven(ledger, 65535), 1300);
	ledger_free(ledger);
}

static void tracks_of_two_runs_do_not_make_a_group(void **state)
{
	struct ledger *ledger = new_ledger(LARGE_TRACKS);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	ledger_identical(ledger, 0, GROUP_TRACKS - 1, 1000);
	ledger_end_run(ledger, 2000);
	ledger_begin_run(ledger, "", 3000);
	ledger_identical(ledger, GROUP_TRACKS - 1, 1, 3000);
	assert_int_equal(ledger_group_proven(ledger, 0), 0);
	/* Nor those of a run that was given up. */
	ledger_begin_run(ledger, "", 4000);
	ledger_identical(ledger, 0, GROUP_TRACKS - 1, 4000);
	assert_int_equal(ledger_group_proven(ledger, 0), 0);
	ledger_identical(ledger, GROUP_TRACKS - 1, 1, 4001);
	assert_int_equal(ledger_group_proven(ledger, 0), 4000);
	ledger_free(ledger);
}

static void a_difference_takes_the_proof_of_its_group_away(void **state)
{
	struct ledger *ledger = new_ledger(LARGE_TRACKS);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	ledger_identical(ledger, 0, 3 * GROUP_TRACKS, 1000);
	ledger_end_run(ledger, 2000);
	ledger_begin_run(ledger, "", 3000);
	differs(ledger, GROUP_TRACKS + 7, 0, 512);
	assert_int_equal(ledger_group_proven(ledger, 0), 1000);
	assert_int_equal(ledger_group_proven(ledger, 1), 0);
	assert_int_equal(ledger_group_proven(ledger, 2), 1000);
	ledger_identical(ledger, GROUP_TRACKS, 7, 3000);
	ledger_identical(ledger, GROUP_TRACKS + 8, GROUP_TRACKS - 8, 3000);
	assert_int_equal(ledger_group_proven(ledger, 1), 0);
	ledger = interrupted(ledger);
	assert_int_equal(ledger_group_proven(ledger, 1), 0);
	assert_int_equal(ledger_group_proven(ledger, 2), 1000);
	ledger_free(ledger);
}

static void what_was_found_before_an_interruption_counts_from_the_start_of_the_run(void **state)
{
	struct ledger *ledger = new_ledger(LARGE_TRACKS);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	ledger_identical(ledger, 0, GROUP_TRACKS, 1500);
	ledger_identical(ledger, GROUP_TRACKS, 10, 1600);
	ledger_identical(ledger, 3 * GROUP_TRACKS - 10, 10, 1600);
	ledger = interrupted(ledger);
	assert_int_equal(ledger_run_started(ledger), 1000);
	assert_int_equal(ledger_group_proven(ledger, 0), 1500);
	ledger_identical(ledger, GROUP_TRACKS + 10, 2 * GROUP_TRACKS - 20, 1700);
	assert_int_equal(ledger_group_proven(ledger, 1), 1000);
	assert_int_equal(ledger_group_proven(ledger, 2), 1000);
	ledger_identical(ledger, 3 * GROUP_TRACKS, GROUP_TRACKS, 1800);
	assert_int_equal(ledger_group_proven(ledger, 3), 1800);
	ledger_free(ledger);
}

static void a_proof_of_the_future_proves_nothing_and_is_replaced(void **state)
{
	struct ledger *ledger = new_ledger(100);
	struct track_set *set;
	struct track_range range;

	(void)state;
	ledger_begin_run(ledger, "", 5000);
	ledger_identical(ledger, 0, 10, 5000);
	ledger_end_run(ledger, 5000);
	set = ledger_proven_since(ledger, 100, 4999);
	assert_int_equal(track_set_tracks(set), 0);
	track_set_free(set);
	/* The clock was set back. */
	ledger_begin_run(ledger, "", 3000);
	ledger_identical(ledger, 2, 3, 3000);
	set = ledger_proven_since(ledger, 3000, 4000);
	assert_int_equal(track_set_ranges(set), 1);
	range = track_set_range(set, 0);
	assert_int_equal(range.first, 2);
	assert_int_equal(range.count, 3);
	track_set_free(set);
	ledger_free(ledger);
}

static void proof_is_asked_for_from_a_moment_on(void **state)
{
	struct ledger *ledger = new_ledger(2 * 65536);
	static const struct {
		int64_t since, now;
		uint64_t tracks;
	} cases[] = {
		{ 1000, 3000, 6 }, { 1001, 3000, 4 }, { 2000, 3000, 4 }, { 2001, 3000, 0 }, { 0, 3000, 6 }, { -1, 3000, 6 },
		{ 0, 1999, 2 }, { 0, 0, 0 },
	};

	(void)state;
	ledger_begin_run(ledger, "", 500);
	ledger_identical(ledger, 0, 2, 1000);
	ledger_identical(ledger, 10, 4, 2000);
	ledger_identical(ledger, 20, 2, -7); /* a clock of before 1970: not proven, not of the far future either */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct track_set *set = ledger_proven_since(ledger, cases[i].since, cases[i].now);

		assert_int_equal(track_set_tracks(set), cases[i].tracks);
		track_set_free(set);
	}
	ledger_free(interrupted(ledger));
}

/* ---- The run ---- */

static void an_unfinished_run_is_found_again_as_it_was(void **state)
{
	struct ledger *ledger = new_ledger(1000);
	struct ledger_counts counts = { 10 * TRACK_BYTES, 3, 77000 };
	struct ledger_range ranges[] = {
		{ 20 * TRACK_BYTES, 512, 0, 1, 0, false }, { 20 * TRACK_BYTES + 600, 424, 1500, 4, 2, true },
	};
	const struct ledger_range *range;

	(void)state;
	assert_null(ledger_run_options(ledger));
	ledger_begin_run(ledger, "check data", 1000);
	ledger_identical(ledger, 0, 20, 1001);
	ledger_identical(ledger, 30, 5, 1002);
	differs(ledger, 25, 0, TRACK_BYTES);
	ledger_different(ledger, 20, ranges, 2); /* tracks come out of order */
	ledger_different(ledger, 26, NULL, 0);
	ledger_set_counts(ledger, &counts);
	ledger = interrupted(ledger);
	assert_string_equal(ledger_run_options(ledger), "check data");
	assert_int_equal(track_set_tracks(ledger_run_identical(ledger)), 25);
	assert_true(track_set_has(ledger_run_identical(ledger), 34));
	assert_int_equal(track_set_tracks(ledger_run_different(ledger)), 3);
	assert_int_equal(ledger_run_range_count(ledger), 3);
	range = ledger_run_range(ledger, 1);
	assert_int_equal(range->offset_bytes, ranges[1].offset_bytes);
	assert_int_equal(range->length_bytes, 424);
	assert_int_equal(range->confirmed_ms, 1500);
	assert_int_equal(range->confirmed, 4);
	assert_int_equal(range->shape, 2);
	assert_true(range->is_exact);
	assert_false(ledger_run_range(ledger, 0)->is_exact);
	assert_int_equal(ledger_run_range(ledger, 2)->offset_bytes, 25 * TRACK_BYTES);
	assert_int_equal(ledger_counts(ledger).hole_bytes, counts.hole_bytes);
	assert_int_equal(ledger_counts(ledger).settled_tracks, 3);
	assert_int_equal(ledger_counts(ledger).elapsed_ms, 77000);
	ledger_free(ledger);
}

static void a_run_that_ended_or_began_anew_leaves_nothing_to_go_on_with(void **state)
{
	struct ledger *ledger = new_ledger(1000);

	(void)state;
	ledger_begin_run(ledger, "a", 1000);
	ledger_identical(ledger, 0, 20, 1001);
	ledger_begin_run(ledger, "b", 2000);
	assert_string_equal(ledger_run_options(ledger), "b");
	assert_int_equal(track_set_tracks(ledger_run_identical(ledger)), 0);
	ledger_end_run(ledger, 3000);
	assert_null(ledger_run_options(ledger));
	ledger = interrupted(ledger);
	assert_null(ledger_run_options(ledger));
	assert_int_equal(ledger_last_ended(ledger), 3000);
	ledger_free(ledger);
}

static void counts_beyond_the_volume_are_kept_within_it(void **state)
{
	struct ledger *ledger = new_ledger(10);
	struct ledger_counts counts = { UINT64_MAX, UINT64_MAX, UINT64_MAX };

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	ledger_set_counts(ledger, &counts);
	ledger = interrupted(ledger);
	assert_int_equal(ledger_counts(ledger).hole_bytes, 10 * TRACK_BYTES);
	assert_int_equal(ledger_counts(ledger).settled_tracks, 10);
	assert_int_equal(ledger_counts(ledger).elapsed_ms, INT64_MAX);
	ledger_free(ledger);
}

static void identical_tracks_beyond_the_bound_are_not_remembered_but_counted(void **state)
{
	struct ledger *ledger = new_ledger(LARGE_TRACKS);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	for (uint64_t i = 0; i < LEDGER_RANGES_MAX + 100; i++)
		ledger_identical(ledger, 2 * i, 1, 1001);
	assert_int_equal(track_set_ranges(ledger_run_identical(ledger)), LEDGER_RANGES_MAX);
	assert_int_equal(track_set_tracks(ledger_run_identical(ledger)), LEDGER_RANGES_MAX);
	assert_false(track_set_has(ledger_run_identical(ledger), 2 * LEDGER_RANGES_MAX));
	/* What touches a range needs no room. */
	ledger_identical(ledger, 2 * LEDGER_RANGES_MAX - 1, 1, 1001);
	assert_true(track_set_has(ledger_run_identical(ledger), 2 * LEDGER_RANGES_MAX - 1));
	/* A group in which nothing could be remembered is proven all the same... */
	ledger_identical(ledger, 1000 * GROUP_TRACKS, GROUP_TRACKS / 2, 1002);
	assert_false(track_set_has(ledger_run_identical(ledger), 1000 * GROUP_TRACKS));
	ledger_identical(ledger, 1000 * GROUP_TRACKS + GROUP_TRACKS / 2, GROUP_TRACKS / 2, 1003);
	assert_int_equal(ledger_group_proven(ledger, 1000), 1002);
	/* ... but not by tracks that were forgotten. */
	ledger_identical(ledger, 2000 * GROUP_TRACKS, GROUP_TRACKS / 2, 1004);
	ledger = interrupted(ledger);
	ledger_identical(ledger, 2000 * GROUP_TRACKS + GROUP_TRACKS / 2, GROUP_TRACKS / 2, 1005);
	assert_int_equal(ledger_group_proven(ledger, 2000), 0);
	ledger_free(ledger);
}

static void differences_beyond_the_bound_are_not_remembered(void **state)
{
	struct ledger *ledger = new_ledger(4 * LEDGER_RANGES_MAX);
	struct ledger_range ranges[4];
	uint64_t track = 0;

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	/* By ranges: three a track; the last two places are too few. */
	for (; track < LEDGER_RANGES_MAX; track++) {
		for (uint32_t i = 0; i < 3; i++)
			ranges[i] = (struct ledger_range){ track * TRACK_BYTES + i * 1024, 512, 0, 1, 2, true };
		ledger_different(ledger, track, ranges, 3);
	}
	assert_int_equal(ledger_run_range_count(ledger), LEDGER_RANGES_MAX / 3 * 3);
	assert_int_equal(track_set_tracks(ledger_run_different(ledger)), LEDGER_RANGES_MAX / 3);
	/* By tracks. */
	ledger_begin_run(ledger, "", 1000);
	ledger_identical(ledger, 4 * LEDGER_RANGES_MAX - 2, 2, 900);
	assert_int_equal(ledger_group_proven(ledger, ledger_groups(ledger) - 1), 900);
	ledger_begin_run(ledger, "", 1000);
	for (track = 0; track < LEDGER_RANGES_MAX; track++)
		ledger_different(ledger, 2 * track, NULL, 0);
	differs(ledger, 4 * LEDGER_RANGES_MAX - 1, 0, 512);
	assert_int_equal(track_set_tracks(ledger_run_different(ledger)), LEDGER_RANGES_MAX);
	assert_int_equal(ledger_run_range_count(ledger), 0);
	assert_int_equal(ledger_group_proven(ledger, ledger_groups(ledger) - 1), 0);
	ledger_free(interrupted(ledger));
}

/* ---- Earlier runs ---- */

static void a_difference_of_an_earlier_run_is_known(void **state)
{
	struct ledger *ledger = new_ledger(1000);

	(void)state;
	assert_false(ledger_has_history(ledger));
	ledger_begin_run(ledger, "", 1000);
	differs(ledger, 5, 1024, 512);
	differs(ledger, 9, 0, TRACK_BYTES);
	differs(ledger, 10, 0, 4096);
	assert_false(ledger_has_history(ledger));
	assert_false(ledger_differed_before(ledger, 0, 1000 * TRACK_BYTES));
	ledger_end_run(ledger, 2000);
	ledger = interrupted(ledger);
	assert_true(ledger_has_history(ledger));
	assert_true(ledger_differed_before(ledger, 5 * TRACK_BYTES, 1025));
	assert_false(ledger_differed_before(ledger, 5 * TRACK_BYTES, 1024));
	assert_true(ledger_differed_before(ledger, 5 * TRACK_BYTES + 1535, 10));
	assert_false(ledger_differed_before(ledger, 5 * TRACK_BYTES + 1536, 10));
	assert_true(ledger_differed_before(ledger, 10 * TRACK_BYTES + 4095, 1));
	assert_false(ledger_differed_before(ledger, 10 * TRACK_BYTES + 4096, 900 * TRACK_BYTES));
	ledger_free(ledger);
}

static void eight_runs_with_differences_are_known_and_clean_ones_take_no_place(void **state)
{
	struct ledger *ledger = new_ledger(1000);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	ledger_end_run(ledger, 1001);
	assert_true(ledger_has_history(ledger));
	for (uint64_t run = 0; run < 9; run++) {
		ledger_begin_run(ledger, "", 1000);
		differs(ledger, run, 0, 512);
		ledger_end_run(ledger, 2000 + (int64_t)run);
		ledger_begin_run(ledger, "", 1000);
		ledger_end_run(ledger, 3000);
	}
	ledger = interrupted(ledger);
	assert_int_equal(ledger_last_ended(ledger), 3000);
	assert_false(ledger_differed_before(ledger, 0, 512));
	for (uint64_t run = 1; run < 9; run++)
		assert_true(ledger_differed_before(ledger, run * TRACK_BYTES, 512));
	ledger_free(ledger);
}

/* Of groups of so many tracks; bytes of tracks 5 to 7 are one range. */
static void a_run_that_differs(struct ledger *ledger)
{
	ledger_begin_run(ledger, "", 1000);
	ledger_identical(ledger, 0, 5, 1000);
	differs(ledger, 5, 1024, TRACK_BYTES - 1024);
	differs(ledger, 6, 0, TRACK_BYTES);
	differs(ledger, 7, 0, 512);
	ledger_identical(ledger, 8, ledger_total_tracks(ledger) - 8, 1000);
}

static void tracks_that_differ_are_counted_until_they_are_found_identical(void **state)
{
	struct ledger *ledger = new_ledger(100);

	(void)state;
	assert_int_equal(ledger_different_tracks(ledger), 0);
	assert_false(ledger_last_differed(ledger));
	a_run_that_differs(ledger);
	assert_int_equal(ledger_different_tracks(ledger), 3);
	assert_false(ledger_last_differed(ledger)); /* it has not ended */
	ledger = interrupted(ledger);
	ledger_end_run(ledger, 2000);
	ledger = interrupted(ledger);
	assert_true(ledger_last_differed(ledger));
	assert_int_equal(ledger_different_tracks(ledger), 3);

	ledger_begin_run(ledger, "", 3000);
	ledger_identical(ledger, 6, 1, 3000);
	differs(ledger, 7, 0, 512);
	differs(ledger, 90, 0, 512);
	ledger = interrupted(ledger);
	assert_int_equal(ledger_different_tracks(ledger), 3); /* 5 of before, 7 and 90 */
	assert_true(ledger_last_differed(ledger));
	ledger_begin_run(ledger, "", 4000);
	ledger_identical(ledger, 0, 100, 4000);
	assert_int_equal(ledger_different_tracks(ledger), 0);
	ledger_end_run(ledger, 5000);
	ledger = interrupted(ledger);
	assert_false(ledger_last_differed(ledger));
	assert_int_equal(ledger_different_tracks(ledger), 0);
	ledger_free(ledger);
}

static void difference_without_a_range_makes_a_run_differ(void **state)
{
	struct ledger *ledger = new_ledger(100);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	ledger_different(ledger, 9, NULL, 0);
	ledger_end_run(ledger, 2000);
	ledger = interrupted(ledger);
	assert_true(ledger_last_differed(ledger));
	assert_int_equal(ledger_different_tracks(ledger), 0); /* which one is not remembered */
	ledger_free(ledger);
}

/* Two groups: the range ends in the second, which is proven anew. */
static void of_a_group_that_was_proven_since_nothing_differs(void **state)
{
	struct ledger *ledger = new_ledger(LARGE_TRACKS);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	for (uint64_t track = GROUP_TRACKS - 2; track < GROUP_TRACKS + 2; track++)
		differs(ledger, track, 0, TRACK_BYTES);
	ledger_end_run(ledger, 2000);
	assert_int_equal(ledger_different_tracks(ledger), 4);
	ledger_begin_run(ledger, "", 3000);
	ledger_identical(ledger, GROUP_TRACKS, GROUP_TRACKS, 3000);
	ledger_begin_run(ledger, "", 4000);
	ledger = interrupted(ledger);
	assert_int_equal(ledger_different_tracks(ledger), 2);
	ledger_free(ledger);
}

static void of_an_earlier_run_the_first_ranges_are_known(void **state)
{
	struct ledger *ledger = new_ledger(4 * LEDGER_HISTORY_RANGES);

	(void)state;
	ledger_begin_run(ledger, "", 1000);
	for (uint64_t track = 0; track < LEDGER_HISTORY_RANGES + 1; track++)
		differs(ledger, 2 * track, 0, 512);
	/* One that goes on where the first begins takes none. */
	differs(ledger, 1, TRACK_BYTES - 512, 512);
	ledger_end_run(ledger, 2000);
	assert_true(ledger_differed_before(ledger, (2 * LEDGER_HISTORY_RANGES - 2) * TRACK_BYTES, 512));
	assert_true(ledger_differed_before(ledger, 2 * TRACK_BYTES - 1, 1));
	assert_false(ledger_differed_before(ledger, 2 * LEDGER_HISTORY_RANGES * TRACK_BYTES, 512));
	ledger_free(interrupted(ledger));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_as_many_as_tracks_or_the_most),
		cmocka_unit_test(a_group_is_proven_when_all_its_tracks_were_at_the_time_of_the_oldest),
		cmocka_unit_test(one_stretch_proves_the_groups_that_it_covers),
		cmocka_unit_test(tracks_of_two_runs_do_not_make_a_group),
		cmocka_unit_test(a_difference_takes_the_proof_of_its_group_away),
		cmocka_unit_test(what_was_found_before_an_interruption_counts_from_the_start_of_the_run),
		cmocka_unit_test(a_proof_of_the_future_proves_nothing_and_is_replaced),
		cmocka_unit_test(proof_is_asked_for_from_a_moment_on),
		cmocka_unit_test(an_unfinished_run_is_found_again_as_it_was),
		cmocka_unit_test(a_run_that_ended_or_began_anew_leaves_nothing_to_go_on_with),
		cmocka_unit_test(counts_beyond_the_volume_are_kept_within_it),
		cmocka_unit_test(identical_tracks_beyond_the_bound_are_not_remembered_but_counted),
		cmocka_unit_test(differences_beyond_the_bound_are_not_remembered),
		cmocka_unit_test(a_difference_of_an_earlier_run_is_known),
		cmocka_unit_test(eight_runs_with_differences_are_known_and_clean_ones_take_no_place),
		cmocka_unit_test(tracks_that_differ_are_counted_until_they_are_found_identical),
		cmocka_unit_test(difference_without_a_range_makes_a_run_differ),
		cmocka_unit_test(of_a_group_that_was_proven_since_nothing_differs),
		cmocka_unit_test(of_an_earlier_run_the_first_ranges_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
