/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads: where each goes on, and where it begins anew.
 */
#include "primary/compare/heads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/track_set.h"

static struct heads *heads;
static struct track_set *set;

static int set_up(void **state)
{
	(void)state;
	heads = heads_new(2);
	set = track_set_new();
	track_set_add(set, 0, 100);
	track_set_add(set, 200, 300);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	heads_free(heads);
	track_set_free(set);
	return 0;
}

static void assert_next(uint64_t from, uint64_t least_tracks, uint32_t head, uint64_t track)
{
	uint64_t found_track;
	uint32_t found;

	assert_true(heads_next(heads, set, from, least_tracks, &found, &found_track));
	assert_int_equal(found, head);
	assert_int_equal(found_track, track);
}

static void assert_none(uint64_t from, uint64_t least_tracks)
{
	uint64_t track;
	uint32_t head;

	assert_false(heads_next(heads, set, from, least_tracks, &head, &track));
}

static void a_head_begins_in_the_middle_of_the_longest_stretch(void **state)
{
	(void)state;
	assert_next(0, 300, 2, 350);
	assert_next(450, 50, 2, 475);
	assert_none(0, 301);
	assert_none(500, 2);
}

static void a_head_has_one_run_at_a_time(void **state)
{
	(void)state;
	heads_deal(heads, 2, 350, 10);
	assert_next(0, 2, 1, 350);
	heads_deal(heads, 1, 275, 10);
	assert_none(0, 2);
	heads_take_back(heads, 2, 9);
	assert_none(0, 2);
	heads_take_back(heads, 2, 1);
	assert_next(0, 2, 2, 360);
}

static void a_head_goes_on_behind_its_run_and_the_hole_there(void **state)
{
	(void)state;
	heads_deal(heads, 1, 350, 10);
	heads_take_back(heads, 1, 10);
	assert_next(0, 2, 1, 360);
	heads_skip(heads, 1, 400);
	assert_next(0, 2, 1, 400);
	heads_skip(heads, 1, 390); /* known before */
	assert_next(0, 2, 1, 400);
}

static void a_head_that_comes_to_what_others_did_begins_anew(void **state)
{
	(void)state;
	heads_deal(heads, 1, 350, 10);
	heads_take_back(heads, 1, 10);
	heads_deal(heads, 2, 250, 10);
	track_set_remove(set, 350, 20);
	assert_next(0, 2, 1, 275); /* 200 to 349 */
	track_set_add(set, 350, 20);
	assert_next(359, 2, 1, 360);
	assert_next(360, 2, 1, 430); /* that is where the cursor is */
}

static void in_a_set_of_many_pieces_no_middle_is_looked_for(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 1023; i++)
		track_set_add(set, 1000 + 2 * i, 1);
	assert_none(0, 2);
	track_set_remove(set, 1000, 1);
	assert_next(0, 2, 2, 350);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_head_begins_in_the_middle_of_the_longest_stretch),
		TEST(a_head_has_one_run_at_a_time),
		TEST(a_head_goes_on_behind_its_run_and_the_hole_there),
		TEST(a_head_that_comes_to_what_others_did_begins_anew),
		TEST(in_a_set_of_many_pieces_no_middle_is_looked_for),
	};

	return cmocka_run_group_tests_name("heads", tests, NULL, NULL);
}
