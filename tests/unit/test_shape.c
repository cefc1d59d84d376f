/* SPDX-License-Identifier: Apache-2.0
 *
 * The shape of a difference: which blocks are looked at, at their edges and at the end of a short track.
 */
#include "primary/compare/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK 4096u
#define TRACK (4u * BLOCK)

static uint8_t local[TRACK], remote[TRACK];

static int fill(void **state)
{
	(void)state;
	memset(local, 0x11, sizeof(local));
	memset(remote, 0x22, sizeof(remote));
	return 0;
}

static void two_contents_are_data(void **state)
{
	(void)state;
	assert_int_equal(shape_of(local, remote, TRACK, 0, TRACK), SHAPE_DATA);
	assert_int_equal(shape_of(local, remote, TRACK, TRACK - 1, 1), SHAPE_DATA);
	memset(local, 0, TRACK);
	memset(remote, 0, TRACK);
	assert_int_equal(shape_of(local, remote, TRACK, 5, 1), SHAPE_DATA);
}

static void zeros_on_one_side_name_that_side(void **state)
{
	(void)state;
	memset(remote + BLOCK, 0, BLOCK);
	assert_int_equal(shape_of(local, remote, TRACK, BLOCK, BLOCK), SHAPE_REMOTE_ZERO);
	assert_int_equal(shape_of(remote, local, TRACK, BLOCK, BLOCK), SHAPE_LOCAL_ZERO);
	assert_int_equal(shape_of(local, remote, TRACK, BLOCK + 7, 1), SHAPE_REMOTE_ZERO);
	assert_int_equal(shape_of(local, remote, TRACK, 2 * BLOCK - 1, 1), SHAPE_REMOTE_ZERO);
}

static void one_byte_that_is_zero_is_no_zero_block(void **state)
{
	(void)state;
	remote[BLOCK + 7] = 0;
	assert_int_equal(shape_of(local, remote, TRACK, BLOCK + 7, 1), SHAPE_DATA);
}

static void any_byte_of_a_touched_block_counts(void **state)
{
	const uint32_t places[] = { BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, 3 * BLOCK - 1 };

	(void)state;
	memset(remote + BLOCK, 0, 2 * BLOCK);
	assert_int_equal(shape_of(local, remote, TRACK, 2 * BLOCK - 1, 2), SHAPE_REMOTE_ZERO);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		remote[places[i]] = 1;
		assert_int_equal(shape_of(local, remote, TRACK, 2 * BLOCK - 1, 2), SHAPE_DATA);
		remote[places[i]] = 0;
	}
}

static void blocks_that_are_not_touched_do_not_count(void **state)
{
	(void)state;
	memset(local + BLOCK, 0, BLOCK);
	assert_int_equal(shape_of(local, remote, TRACK, BLOCK - 1, 1), SHAPE_DATA);
	assert_int_equal(shape_of(local, remote, TRACK, BLOCK, 1), SHAPE_LOCAL_ZERO);
	assert_int_equal(shape_of(local, remote, TRACK, 2 * BLOCK, 1), SHAPE_DATA);
}

/* A whole track is given when exact bytes are not kept: some of its blocks may be zero on both sides. */
static void blocks_that_are_zero_on_both_sides_do_not_spoil_it(void **state)
{
	(void)state;
	memset(local, 0, 2 * BLOCK);
	memset(remote, 0, TRACK);
	assert_int_equal(shape_of(local, remote, TRACK, 0, TRACK), SHAPE_REMOTE_ZERO);
}

static void the_last_block_of_a_short_track_is_short(void **state)
{
	const uint32_t track_bytes = BLOCK + 100;
	uint8_t *short_local = malloc(track_bytes), *short_remote = calloc(1, track_bytes);

	(void)state;
	assert_non_null(short_local);
	assert_non_null(short_remote);
	memcpy(short_local, local, track_bytes);
	assert_int_equal(shape_of(short_local, short_remote, track_bytes, BLOCK, 1), SHAPE_REMOTE_ZERO);
	assert_int_equal(shape_of(short_local, short_remote, track_bytes, BLOCK + 99, 1), SHAPE_REMOTE_ZERO);
	short_remote[BLOCK + 99] = 1;
	assert_int_equal(shape_of(short_local, short_remote, track_bytes, BLOCK, 1), SHAPE_DATA);
	/* A block of one byte. */
	assert_int_equal(shape_of(short_local, short_remote, BLOCK + 1, BLOCK, 1), SHAPE_REMOTE_ZERO);
	free(short_local);
	free(short_remote);
}

static void shapes_have_names(void **state)
{
	(void)state;
	assert_string_equal(shape_name(SHAPE_DATA), "data");
	assert_string_equal(shape_name(SHAPE_LOCAL_ZERO), "local-zero");
	assert_string_equal(shape_name(SHAPE_REMOTE_ZERO), "remote-zero");
	assert_string_equal(shape_name(SHAPE_TAIL), "tail");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(two_contents_are_data, fill),
		cmocka_unit_test_setup(zeros_on_one_side_name_that_side, fill),
		cmocka_unit_test_setup(one_byte_that_is_zero_is_no_zero_block, fill),
		cmocka_unit_test_setup(any_byte_of_a_touched_block_counts, fill),
		cmocka_unit_test_setup(blocks_that_are_not_touched_do_not_count, fill),
		cmocka_unit_test_setup(blocks_that_are_zero_on_both_sides_do_not_spoil_it, fill),
		cmocka_unit_test_setup(the_last_block_of_a_short_track_is_short, fill),
		cmocka_unit_test(shapes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
