/* SPDX-License-Identifier: Apache-2.0
 *
 * Local reads of digests, what is told of holes, and time-outs of reads that get on. The DA and its threads are real,
 * the clock is not.
 */
#include "primary/local.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/post.h"
#include "base/rate.h"
#include "local/shm.h"
#include "storage/digest.h"
#include "tests/support/local_bed.h"

#define LONG_TRACKS 1024u /* a run of them takes many disk reads */
#define LONG_BYTES ((uint64_t)LONG_TRACKS * WORLD_TRACK_BYTES)

static void open_long(struct local_bed *f)
{
	world_resize(f->world, LONG_BYTES);
	local_bed_open(f);
}

/* Of so many bytes of a track. */
static void digest_of(enum digest digest, uint64_t track, size_t bytes, uint8_t out[DIGEST_BYTES_MAX])
{
	struct digester *digester = digester_new();
	uint8_t data[WORLD_TRACK_BYTES];
	memset(data, world_byte(track), sizeof(data));
	digester_compute(digester, digest, data, bytes, out);
	digester_free(digester);
}

/* ---- Digests ---- */

static void each_digest_stands_at_its_own_place(void **state)
{
	static const enum digest digests[] = { DIGEST_XXH3_128, DIGEST_SHA256 };
	struct local_bed *f = *state;
	local_bed_open(f);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t bytes = digest_bytes(digests[i]);
		uint8_t expected[DIGEST_BYTES_MAX], *memory = shm_slot(f->shm, 5);
		memset(memory, 0xee, SLOT_BYTES);
		world_punch(f->world, 6 * WORLD_TRACK_BYTES, 7 * WORLD_TRACK_BYTES);
		assert_int_equal(local_bed_read_digests(f, 5, 5, digests[i], SIZE_BYTES, &f->outcome), STATUS_OK);
		assert_true(WORLD_UNTIL(f->world, f->outcome.count == i + 1));
		assert_int_equal(f->outcome.result.status, STATUS_OK);
		assert_int_equal(f->outcome.result.track_count, 5);
		for (uint32_t j = 0; j < 5; j++) {
			digest_of(digests[i], 5 + j, j == 4 ? WORLD_TRACK_BYTES - 1000 : WORLD_TRACK_BYTES, expected);
			if (j == 1)
				memset(expected, 0xee, sizeof(expected)); /* of a hole there is none */
			assert_int_equal(f->outcome.states[j], j == 1 ? TRACK_HOLE : TRACK_DATA);
			assert_memory_equal(memory + j * bytes, expected, bytes);
		}
		for (uint32_t at = 5 * bytes; at < SLOT_BYTES; at++)
			assert_int_equal(memory[at], 0xee);
	}
}

static void digest_goes_up_to_the_end_that_is_asked_for(void **state)
{
	struct local_bed *f = *state;
	uint8_t expected[DIGEST_BYTES_MAX], *memory = shm_slot(f->shm, 2);
	local_bed_open(f);
	assert_int_equal(local_bed_read_digests(f, 2, 2, DIGEST_XXH3_128, 3 * WORLD_TRACK_BYTES + 17, &f->outcome),
		STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(f->outcome.states[1], TRACK_DATA);
	digest_of(DIGEST_XXH3_128, 3, 17, expected);
	assert_memory_equal(memory + 16, expected, 16);
}

static void run_of_digests_may_be_long(void **state)
{
	struct local_bed *f = *state;
	uint8_t expected[DIGEST_BYTES_MAX], *memory = shm_slot(f->shm, 0);
	open_long(f);
	assert_int_equal(local_bed_read_digests(f, 0, LONG_TRACKS, DIGEST_XXH3_128, LONG_BYTES, &f->outcome), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(f->outcome.result.track_count, LONG_TRACKS);
	for (uint32_t i = 0; i < LONG_TRACKS; i++) {
		digest_of(DIGEST_XXH3_128, i, WORLD_TRACK_BYTES, expected);
		assert_memory_equal(memory + i * 16, expected, 16);
	}
}

static void shrunk_tracks_are_posted(void **state)
{
	struct local_bed *f = *state;
	local_bed_open(f);
	world_resize(f->world, WORLD_TRACK_BYTES);
	assert_int_equal(local_bed_read_digests(f, 0, 3, DIGEST_XXH3_128, SIZE_BYTES, &f->outcome), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(f->outcome.states[0], TRACK_DATA);
	assert_int_equal(f->outcome.states[1], TRACK_SHRUNK);
	assert_int_equal(post_recent(f->world->post, 0)->status, STATUS_VOLUME_ERROR);
}

/* ---- Holes ---- */

static void holes_behind_the_run_are_told_up_to_the_end(void **state)
{
	static const struct {
		uint32_t count;
		enum digest digest;
		uint64_t end_bytes, hole_tracks;
	} cases[] = {
		{ 3, DIGEST_XXH3_128, SIZE_BYTES, 3 },
		{ 3, DIGEST_NONE, 0, 3 },
		{ 3, DIGEST_XXH3_128, 6 * WORLD_TRACK_BYTES, 1 },
		{ 3, DIGEST_XXH3_128, 5 * WORLD_TRACK_BYTES, 0 },
		{ 1, DIGEST_XXH3_128, SIZE_BYTES, 5 }, /* whose last is no hole */
		{ 7, DIGEST_XXH3_128, SIZE_BYTES, 0 },
	};
	struct local_bed *f = *state;
	local_bed_open(f);
	world_punch(f->world, 3 * WORLD_TRACK_BYTES, 8 * WORLD_TRACK_BYTES);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(local_bed_read_digests(f, 2, cases[i].count, cases[i].digest, cases[i].end_bytes, &f->outcome),
			STATUS_OK);
		assert_true(WORLD_UNTIL(f->world, f->outcome.count == i + 1));
		assert_int_equal(f->outcome.result.track_count, cases[i].count);
		assert_int_equal(f->outcome.result.hole_tracks, cases[i].hole_tracks);
	}
}

/* ---- Limits ---- */

/* A track, and a half of the next before the end: at a track a second, the next read waits so long. */
static void digests_are_charged_the_bytes_of_the_volume(void **state)
{
	struct local_bed *f = *state;
	struct local_bed_outcome next = { 0 };
	local_bed_open(f);
	rate_set(f->world->device_rate, &(struct rate_limit){ .bytes_per_s = WORLD_TRACK_BYTES });
	assert_int_equal(local_bed_read_digests(f, 0, 2, DIGEST_SHA256, WORLD_TRACK_BYTES + WORLD_TRACK_BYTES / 2,
		&f->outcome), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(local_bed_read_digests(f, 2, 1, DIGEST_SHA256, SIZE_BYTES, &next), STATUS_OK);
	clock_advance(f->world->clock, 1390);
	world_settle(f->world);
	assert_int_equal(next.count, 0);
	clock_advance(f->world->clock, 20);
	assert_true(WORLD_UNTIL(f->world, next.count == 1));
	assert_in_range(next.result.throttled_ms, 1390, 1410);
}

/* Of a hole nothing was read. */
static void holes_are_given_back(void **state)
{
	struct local_bed *f = *state;
	struct local_bed_outcome next = { 0 };
	local_bed_open(f);
	world_punch(f->world, 0, 2 * WORLD_TRACK_BYTES);
	rate_set(f->world->device_rate, &(struct rate_limit){ .bytes_per_s = WORLD_TRACK_BYTES });
	assert_int_equal(local_bed_read_digests(f, 0, 2, DIGEST_SHA256, WORLD_TRACK_BYTES + 10, &f->outcome), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(local_bed_read_digests(f, 2, 1, DIGEST_SHA256, SIZE_BYTES, &next), STATUS_OK);
	assert_true(WORLD_UNTIL(f->world, next.count == 1));
	assert_int_equal(next.result.throttled_ms, 0);
}

/* ---- Time-outs ---- */

static void running_read_that_gets_on_is_waited_for(void **state)
{
	struct local_bed *f = *state;
	open_long(f);
	world_hang_reads(f->world);
	assert_int_equal(local_bed_read_digests(f, 0, LONG_TRACKS, DIGEST_XXH3_128, LONG_BYTES, &f->outcome), STATUS_OK);
	for (unsigned i = 0; i < 3; i++) {
		world_wait_hung(f->world, 1);
		clock_advance(f->world->clock, DA_TIMEOUT_MS - 1);
		world_let_pass(f->world);
		world_wait_hung(f->world, 1); /* the next disk read */
		clock_advance(f->world->clock, 1);
		assert_int_equal(f->outcome.count, 0);
	}
	clock_advance(f->world->clock, DA_TIMEOUT_MS - 1);
	assert_int_equal(f->outcome.count, 0);
	clock_advance(f->world->clock, 1);
	assert_int_equal(f->outcome.count, 1);
	assert_int_equal(f->outcome.result.status, STATUS_TIMEOUT);
	assert_true(f->outcome.result.memory_lost);
	assert_int_equal(post_count(f->world->post, STATUS_TIMEOUT), 1);
}

static void read_that_got_on_ends_well(void **state)
{
	struct local_bed *f = *state;
	open_long(f);
	world_hang_reads(f->world);
	assert_int_equal(local_bed_read_digests(f, 0, LONG_TRACKS, DIGEST_XXH3_128, LONG_BYTES, &f->outcome), STATUS_OK);
	world_wait_hung(f->world, 1);
	world_let_pass(f->world);
	world_wait_hung(f->world, 1);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_int_equal(f->outcome.count, 0);
	world_release(f->world);
	assert_true(WORLD_UNTIL(f->world, f->outcome.count == 1));
	assert_int_equal(f->outcome.result.status, STATUS_OK);
	assert_int_equal(post_count(f->world->post, STATUS_TIMEOUT), 0);
}

/* One volume gets half of the four threads. */
static void queued_read_waits_as_long_as_its_volume_is_read(void **state)
{
	struct local_bed *f = *state;
	struct local_bed_outcome running[2] = { { 0 } };
	open_long(f);
	world_hang_reads(f->world);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(local_bed_read_digests(f, i, 512, DIGEST_XXH3_128, LONG_BYTES, &running[i]), STATUS_OK);
	world_wait_hung(f->world, 2);
	assert_int_equal(local_bed_read_digests(f, 2, 512, DIGEST_XXH3_128, LONG_BYTES, &f->outcome), STATUS_OK);
	world_let_pass(f->world);
	world_wait_hung(f->world, 2);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_int_equal(running[0].count + running[1].count + f->outcome.count, 0);
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	assert_int_equal(running[0].result.status, STATUS_TIMEOUT);
	assert_int_equal(running[1].result.status, STATUS_TIMEOUT);
	assert_int_equal(f->outcome.result.status, STATUS_TIMEOUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, local_bed_set_up, local_bed_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_digest_stands_at_its_own_place),
		TEST(digest_goes_up_to_the_end_that_is_asked_for),
		TEST(run_of_digests_may_be_long),
		TEST(shrunk_tracks_are_posted),
		TEST(holes_behind_the_run_are_told_up_to_the_end),
		TEST(digests_are_charged_the_bytes_of_the_volume),
		TEST(holes_are_given_back),
		TEST(running_read_that_gets_on_is_waited_for),
		TEST(read_that_got_on_ends_well),
		TEST(queued_read_waits_as_long_as_its_volume_is_read),
	};
	return cmocka_run_group_tests_name("local_digest", tests, NULL, NULL);
}
