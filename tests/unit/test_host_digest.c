/* SPDX-License-Identifier: Apache-2.0
 *
 * What hosts may ask of digests, from both sides, what they are told of holes, and a link that no longer knows what a
 * host reads by.
 */
#include "primary/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "local/shm.h"
#include "primary/local.h"
#include "tests/support/fake_secondary.h"
#include "tests/support/host_bed.h"

#define TRACK WORLD_TRACK_BYTES
#define LINK_ID 0x0007000000000001ull

static void open_tells_the_digests_of_the_link(void **state)
{
	struct host_end *f = *state;
	fake_secondary_set_digests(f->secondary, 1u << DIGEST_XXH3_128);
	host_end_open(f);
	assert_int_equal(f->replies[f->taken_count - 1]->host_open_reply.digests, 1u << DIGEST_XXH3_128);
}

static void older_secondary_is_read_as_data(void **state)
{
	struct host_end *f = *state;
	fake_secondary_set_digests(f->secondary, 0);
	host_end_open(f);
	assert_int_equal(f->replies[f->taken_count - 1]->host_open_reply.digests, 0);
	host_end_send_digest_read(f, 1, SIDE_REMOTE, 0, 1, 0, DIGEST_XXH3_128, HOST_SIZE_BYTES);
	assert_string_equal(host_end_read_reply(f, 1, STATUS_BAD_REQUEST)->detail,
		"the secondary does not know the digest xxh3-128");
	host_end_send_read(f, 2, SIDE_REMOTE, 0, 1, 0);
	fake_secondary_data(f->secondary, host_end_make_job(f, LINK_ID), STATUS_OK, 1, 5, TRACK);
	host_end_read_reply(f, 2, STATUS_OK);
}

static void digest_that_the_link_does_not_know_is_bad(void **state)
{
	struct host_end *f = *state;
	fake_secondary_set_digests(f->secondary, 1u << DIGEST_XXH3_128);
	host_end_open(f);
	host_end_send_digest_read(f, 1, SIDE_REMOTE, 0, 1, 0, DIGEST_SHA256, HOST_SIZE_BYTES);
	assert_string_equal(host_end_read_reply(f, 1, STATUS_BAD_REQUEST)->detail,
		"the secondary does not know the digest sha256");
	assert_int_equal(fake_secondary_count(f->secondary), 0);
	host_end_send_digest_read(f, 2, SIDE_LOCAL, 0, 1, 0, DIGEST_SHA256, HOST_SIZE_BYTES); /* this end does */
	host_end_read_reply(f, 2, STATUS_OK);
}

static void reads_outside_the_limits_are_bad(void **state)
{
	struct host_end *f = *state;
	static const struct {
		uint64_t first;
		uint32_t count;
		enum digest digest;
		uint64_t end_bytes;
		const char *words;
	} bad[] = {
		{ 0, 513, DIGEST_SHA256, HOST_SIZE_BYTES, "513 digests of 32 bytes do not fit into a slot of 16384" },
		{ 0, 1024, DIGEST_XXH3_128, HOST_SIZE_BYTES, "tracks 0+1024: the device has 10" },
		{ 0, 1, DIGEST_XXH3_128, HOST_SIZE_BYTES + 1, " volume has 39960" },
		{ 0, 1, DIGEST_XXH3_128, INT64_MAX, "end_bytes is 9223372036854775807: the " },
		{ 6, 1, DIGEST_XXH3_128, 6 * TRACK, "tracks 6+1: the device has 6" },
		{ 4, 4, DIGEST_XXH3_128, 6 * TRACK + 1, "tracks 4+4: the device has 7" },
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (enum side side = SIDE_LOCAL; side <= SIDE_REMOTE; side++) {
			host_end_send_digest_read(f, i, side, bad[i].first, bad[i].count, 0, bad[i].digest, bad[i].end_bytes);
			assert_non_null(strstr(host_end_read_reply(f, i, STATUS_BAD_REQUEST)->detail, bad[i].words));
		}
	}
	assert_int_equal(fake_secondary_count(f->secondary), 0);
	assert_int_equal(f->gone, 0);
}

/* The end is that of the side that is read. */
static void end_may_not_lie_beyond_the_side(void **state)
{
	struct host_end *f = *state;
	host_end_hello(f);
	host_end_send_open(f, "volume");
	fake_secondary_volume(f->secondary, host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag,
		HOST_SIZE_BYTES - 5000, TRACK);
	host_end_reply(f, MESSAGE_HOST_OPEN_REPLY);
	host_end_send_digest_read(f, 1, SIDE_REMOTE, 0, 1, 0, DIGEST_XXH3_128, HOST_SIZE_BYTES);
	assert_string_equal(host_end_read_reply(f, 1, STATUS_BAD_REQUEST)->detail,
		"end_bytes is 39960: the remote volume has 34960");
	host_end_send_digest_read(f, 2, SIDE_LOCAL, 0, 1, 0, DIGEST_XXH3_128, HOST_SIZE_BYTES);
	host_end_read_reply(f, 2, STATUS_OK);
	host_end_send_digest_read(f, 3, SIDE_LOCAL, 0, 1, 0, DIGEST_XXH3_128, HOST_SIZE_BYTES + 1);
	assert_string_equal(host_end_read_reply(f, 3, STATUS_BAD_REQUEST)->detail,
		"end_bytes is 39961: the local volume has 39960");
}

static void remote_digests_fill_their_slot(void **state)
{
	struct host_end *f = *state;
	host_end_send_digest_read(f, 1, SIDE_REMOTE, 3, 6, 1, DIGEST_SHA256, HOST_SIZE_BYTES - 1);
	uint32_t tag = host_end_make_job(f, LINK_ID);
	fake_secondary_data(f->secondary, tag, STATUS_OK, 6, 0x77, 6 * 32);
	assert_int_equal(host_end_read_reply(f, 1, STATUS_OK)->track_count, 6);
	const uint8_t *slot = shm_slot(f->shm, 1);
	for (unsigned i = 0; i < 6 * 32; i++)
		assert_int_equal(slot[i], 0x77);
	assert_int_equal(slot[6 * 32], 0);
}

static void local_digests_stand_at_their_places(void **state)
{
	struct host_end *f = *state;
	const uint8_t *slot = shm_slot(f->shm, 2), none[16] = { 0 };
	world_punch(f->world, TRACK, 2 * TRACK);
	host_end_send_digest_read(f, 1, SIDE_LOCAL, 0, 3, 2, DIGEST_XXH3_128, HOST_SIZE_BYTES);
	const struct msg_host_read_reply *reply = host_end_read_reply(f, 1, STATUS_OK);
	assert_int_equal(reply->track_count, 3);
	assert_int_equal(reply->states[1], TRACK_HOLE);
	assert_memory_not_equal(slot, none, 16);
	assert_memory_equal(slot + 16, none, 16);
	assert_memory_not_equal(slot + 32, none, 16);
	assert_memory_equal(slot + 48, none, 16);
}

static void local_holes_are_passed_on(void **state)
{
	struct host_end *f = *state;
	world_punch(f->world, TRACK, HOST_SIZE_BYTES);
	host_end_send_digest_read(f, 1, SIDE_LOCAL, 0, 2, 0, DIGEST_XXH3_128, 5 * TRACK);
	assert_int_equal(host_end_read_reply(f, 1, STATUS_OK)->hole_tracks, 3);
	host_end_send_read(f, 2, SIDE_LOCAL, 1, 1, 0);
	assert_int_equal(host_end_read_reply(f, 2, STATUS_OK)->hole_tracks, 7);
}

static void remote_holes_are_passed_on(void **state)
{
	struct host_end *f = *state;
	struct message answer = { .type = MESSAGE_READ_REPLY, .read_reply = { .status = STATUS_OK, .track_count = 1,
		.states = { TRACK_HOLE }, .hole_tracks = 8 } };
	host_end_send_digest_read(f, 1, SIDE_REMOTE, 0, 1, 0, DIGEST_XXH3_128, HOST_SIZE_BYTES);
	answer.read_reply.tag = host_end_make_job(f, LINK_ID);
	fake_secondary_send(f->secondary, &answer, NULL, 0);
	assert_int_equal(host_end_read_reply(f, 1, STATUS_OK)->hole_tracks, 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, host_end_set_up, host_end_tear_down)
#define TEST_OPEN(name) cmocka_unit_test_setup_teardown(name, host_end_set_up_open, host_end_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open_tells_the_digests_of_the_link),
		TEST(older_secondary_is_read_as_data),
		TEST(digest_that_the_link_does_not_know_is_bad),
		TEST_OPEN(reads_outside_the_limits_are_bad),
		TEST(end_may_not_lie_beyond_the_side),
		TEST_OPEN(remote_digests_fill_their_slot),
		TEST_OPEN(local_digests_stand_at_their_places),
		TEST_OPEN(local_holes_are_passed_on),
		TEST_OPEN(remote_holes_are_passed_on),
	};
	return cmocka_run_group_tests_name("host_digest", tests, NULL, NULL);
}
