/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote reads of digests, and what is told of holes: which digests a link knows, where they stand, answers that do not
 * fit, what limits are charged, and a link that comes back and knows fewer.
 */
#include "tests/support/relink_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/post.h"
#include "local/shm.h"

#define PATIENCE_MS 30000
#define SIZE_BYTES (RELINK_TRACKS * RELINK_TRACK - 1000u)
#define ONLY_XXH3 (1u << DIGEST_XXH3_128)

static struct relink_host *host_of(void **state)
{
	struct relink_bed *bed = *state;
	return &bed->hosts[0];
}

/* The next frames are left to the test. */
static const struct msg_read *take_read(struct relink_bed *bed)
{
	relink_settle(bed);
	const struct message *message = fake_secondary_take(bed->secondary);
	assert_non_null(message);
	assert_int_equal(message->type, MESSAGE_READ);
	return &message->read;
}

/* An open device whose first job is made; the test answers from here on. */
static void open_mute(struct relink_bed *bed)
{
	struct relink_host *host = &bed->hosts[0];
	relink_open(host, PATIENCE_MS, false);
	relink_read(host, 0, 0, 1, DELIVERY_HOLD);
	relink_settle(bed);
	relink_expect_read(host, 0, 1, STATUS_OK);
	bed->is_mute = true;
}

/* ---- Hello ---- */

static void digests_are_those_that_both_know(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	fake_secondary_set_digests(bed->secondary, ONLY_XXH3);
	relink_attach(host, PATIENCE_MS, false);
	assert_int_equal(remote_digests(host->device), 0);
	relink_advance(bed, 0);
	assert_int_equal(remote_digests(host->device), ONLY_XXH3);
	fake_secondary_set_digests(bed->secondary, 0); /* an older one */
	relink_drop(bed);
	assert_int_equal(remote_digests(host->device), ONLY_XXH3);
	relink_come_back(bed);
	assert_int_equal(remote_digests(host->device), 0);
	fake_secondary_set_digests(bed->secondary, UINT64_MAX);
	relink_drop(bed);
	relink_come_back(bed);
	assert_int_equal(remote_digests(host->device), DIGESTS_KNOWN);
}

static void digests_that_were_not_offered_end_the_link(void **state)
{
	static const struct {
		uint64_t digests;
		const char *words;
	} cases[] = {
		{ 1u << DIGEST_NONE, "HelloReply from the secondary has digests 0x1, only 0x6 were offered" },
		{ DIGESTS_KNOWN | 1ull << 63, "has digests 0x8000000000000006, only 0x6" },
		{ 1u << DIGEST_SHA256, "HelloReply from the secondary has digests 0x4, without xxh3-128" },
	};
	struct relink_bed *bed = *state;
	struct message reply = { .type = MESSAGE_HELLO_REPLY, .hello_reply = { .status = STATUS_OK,
		.protocol = RA_PROTOCOL_VERSION, .window_reads = 8, .secondary_id = 7 } };
	fake_secondary_set_window(bed->secondary, 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		remote_try_now(bed->remote);
		relink_advance(bed, 0);
		relink_expect(bed, "hello");
		reply.hello_reply.digests = cases[i].digests;
		fake_secondary_send(bed->secondary, &reply, NULL, 0);
		relink_expect(bed, "waiting");
		assert_non_null(strstr(remote_view(bed->remote).error, cases[i].words));
	}
}

/* ---- Answers ---- */

static void digests_stand_back_to_back(void **state)
{
	static const enum digest digests[] = { DIGEST_XXH3_128, DIGEST_SHA256 };
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	const uint8_t *slot = shm_slot(bed->shm, 0);
	open_mute(bed);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t bytes = digest_bytes(digests[i]);
		uint8_t payload[2 * DIGEST_BYTES_MAX];
		struct message reply = { .type = MESSAGE_READ_REPLY, .read_reply = { .status = STATUS_OK, .track_count = 4,
			.states = { TRACK_DATA, TRACK_ZERO, TRACK_HOLE, TRACK_DATA } } };
		memset(payload, 0x51, bytes);
		memset(payload + bytes, 0x52, bytes);
		relink_read_digests(host, 0, 6, 4, digests[i], SIZE_BYTES - 1000);
		const struct msg_read *read = take_read(bed);
		assert_int_equal(read->first_track, 6);
		assert_int_equal(read->track_count, 4);
		assert_int_equal(read->digest, digests[i]);
		assert_int_equal(read->end_bytes, SIZE_BYTES - 1000);
		reply.read_reply.tag = read->tag;
		fake_secondary_send(bed->secondary, &reply, payload, 2 * bytes);
		relink_settle(bed);
		assert_int_equal(host->reads[0].count, 2 + i);
		assert_int_equal(host->reads[0].status, STATUS_OK);
		assert_int_equal(host->reads[0].track_count, 4);
		assert_memory_equal(slot, payload, 2 * bytes);
		assert_int_equal(slot[2 * bytes], 0);
	}
}

static void run_of_digests_may_be_long(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	bed->volume.volume.size_bytes = (uint64_t)RUN_DIGESTS_MAX * RELINK_TRACK;
	relink_open(host, PATIENCE_MS, false);
	relink_read_digests(host, 0, 0, RUN_DIGESTS_MAX, DIGEST_XXH3_128, bed->volume.volume.size_bytes);
	relink_settle(bed);
	assert_int_equal(host->reads[0].status, STATUS_OK);
	assert_true(host->reads[0].disconnected);
	assert_int_equal(host->reads[0].track_count, RUN_DIGESTS_MAX);
	const uint8_t *slot = shm_slot(bed->shm, 0);
	for (uint32_t i = 0; i < RUN_DIGESTS_MAX; i++)
		assert_int_equal(slot[i * 16 + 15], (uint8_t)(i + 1));
}

/* Also of the last tracks: no length of a digest says that a volume has another size. */
static void payload_of_another_length_ends_the_link(void **state)
{
	static const uint32_t lengths[] = { 0, 16, 31, 33, 48, RELINK_TRACK };
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	open_mute(bed);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		relink_read_digests(host, 0, RELINK_TRACKS - 2, 2, DIGEST_XXH3_128, SIZE_BYTES);
		uint32_t tag = take_read(bed)->tag;
		fake_secondary_close_port(bed->secondary);
		fake_secondary_data(bed->secondary, tag, STATUS_OK, 2, 7, lengths[i]);
		relink_expect(bed, "waiting");
		assert_non_null(strstr(remote_view(bed->remote).error, "bytes of payload, its tracks have 32"));
		bed->is_mute = false;
		relink_come_back(bed);
		relink_expect_read(host, 0, 2 + i, STATUS_OK);
		bed->is_mute = true;
	}
}

/* The secondary knows a shorter device; of digests a run may be of more than 4 MiB. */
static void tracks_outside_mean_another_size(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	struct message reply = { .type = MESSAGE_READ_REPLY, .read_reply = { .status = STATUS_BAD_REQUEST,
		.detail = "end_bytes 60000000 lies outside the device" } };
	bed->volume.track_bytes = TRACK_BYTES_MAX;
	bed->volume.volume.size_bytes = 70000000;
	relink_open(host, PATIENCE_MS, false);
	relink_read_digests(host, 0, 0, 2, DIGEST_XXH3_128, 60000000);
	relink_settle(bed);
	bed->is_mute = true;
	relink_read_digests(host, 0, 0, 58, DIGEST_XXH3_128, 60000000);
	reply.read_reply.tag = take_read(bed)->tag;
	fake_secondary_send(bed->secondary, &reply, NULL, 0);
	relink_settle(bed);
	relink_expect_read(host, 0, 2, STATUS_VOLUME_CHANGED);
	assert_string_equal(host->reads[0].detail,
		"device volume: its size was 70000000 bytes: end_bytes 60000000 lies outside the device");
	assert_int_equal(fake_secondary_links(bed->secondary), 1);
}

/* ---- Holes ---- */

static void holes_behind_the_answer_are_passed_on_up_to_the_end(void **state)
{
	static const struct {
		enum digest digest;
		uint64_t end_bytes, told, passed_on;
	} cases[] = {
		{ DIGEST_NONE, 0, 0, 0 },
		{ DIGEST_NONE, 0, 7, 7 },
		{ DIGEST_NONE, 0, 1000, 7 }, /* the secondary knows a longer device */
		{ DIGEST_XXH3_128, SIZE_BYTES, 7, 7 },
		{ DIGEST_XXH3_128, 5 * RELINK_TRACK + 1, 2, 2 },
		{ DIGEST_XXH3_128, 5 * RELINK_TRACK + 1, TRACKS_END, 3 },
		{ DIGEST_XXH3_128, 3 * RELINK_TRACK, 1, 0 },
	};
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	open_mute(bed);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message reply = { .type = MESSAGE_READ_REPLY, .read_reply = { .status = STATUS_OK, .track_count = 2,
			.states = { TRACK_ZERO, TRACK_HOLE }, .hole_tracks = cases[i].told } };
		if (cases[i].digest == DIGEST_NONE)
			relink_read(host, 0, 1, 2, DELIVERY_HOLD);
		else
			relink_read_digests(host, 0, 1, 2, cases[i].digest, cases[i].end_bytes);
		reply.read_reply.tag = take_read(bed)->tag;
		fake_secondary_send(bed->secondary, &reply, NULL, 0);
		relink_settle(bed);
		assert_int_equal(host->reads[0].count, 2 + i);
		assert_int_equal(host->reads[0].status, STATUS_OK);
		assert_int_equal(host->reads[0].hole_tracks, cases[i].passed_on);
	}
}

/* ---- Limits ---- */

/* Two tracks and a half are read at the secondary for it: at a track a second, the next one waits so long. */
static void digests_are_charged_the_bytes_of_the_volume(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	struct rate *rate = rate_new(bed->throttle, &(struct rate_limit){ .bytes_per_s = RELINK_TRACK });
	relink_attach_limited(host, PATIENCE_MS, rate);
	relink_query(host);
	relink_advance(bed, 0);
	relink_jobs(host);
	relink_read_digests(host, 0, 0, 3, DIGEST_XXH3_128, 2 * RELINK_TRACK + RELINK_TRACK / 2);
	relink_settle(bed);
	relink_expect_read(host, 0, 1, STATUS_OK);
	relink_read_digests(host, 0, 3, 1, DIGEST_XXH3_128, SIZE_BYTES);
	relink_advance(bed, 2390);
	assert_int_equal(host->reads[0].count, 1);
	relink_advance(bed, 20);
	relink_expect_read(host, 0, 2, STATUS_OK);
	relink_give_up(host);
	rate_free(rate);
}

/* ---- A link that comes back ---- */

static void digest_is_asked_for_again_on_the_next_link(void **state)
{
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state);
	open_mute(bed);
	relink_read_digests(host, 0, 2, 5, DIGEST_XXH3_128, SIZE_BYTES);
	relink_settle(bed);
	fake_secondary_set_digests(bed->secondary, ONLY_XXH3); /* of SHA-256 nothing was read */
	bed->is_mute = false;
	relink_drop(bed);
	relink_come_back(bed);
	relink_expect_read(host, 0, 2, STATUS_OK);
	assert_int_equal(bed->digest_seen, DIGEST_XXH3_128);
	assert_int_equal(bed->end_seen, SIZE_BYTES);
}

static void digest_that_the_next_link_does_not_know_ends_what_its_host_reads(void **state)
{
	static const char words[] = "since the link came back the secondary does not know the digest sha256";
	struct relink_bed *bed = *state;
	struct relink_host *host = host_of(state), *other = &bed->hosts[1];
	relink_open(other, PATIENCE_MS, false);
	open_mute(bed);
	relink_read_digests(host, 0, 2, 5, DIGEST_SHA256, SIZE_BYTES);
	relink_settle(bed);
	fake_secondary_set_digests(bed->secondary, ONLY_XXH3);
	bed->is_mute = false;
	relink_drop(bed);
	relink_read(host, 1, 0, 1, DELIVERY_HOLD);
	relink_read(other, 0, 0, 1, DELIVERY_HOLD);
	relink_come_back(bed);
	for (unsigned job = 0; job < 2; job++) {
		relink_expect_read(host, job, 2 - job, STATUS_BAD_REQUEST);
		assert_string_equal(host->reads[job].detail, words);
	}
	assert_int_equal(host->ups, 0);
	assert_int_equal(post_count(bed->world->post, STATUS_BAD_REQUEST), 1);
	relink_expect_read(other, 0, 1, STATUS_OK);
	relink_query(host); /* and all that comes later */
	relink_advance(bed, 0);
	assert_int_equal(host->info_status, STATUS_BAD_REQUEST);
	assert_string_equal(host->info_detail, words);
	relink_give_up(host);
	relink_open(host, PATIENCE_MS, false); /* for a new host it is as it is */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relink_set_up, relink_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(digests_are_those_that_both_know),
		TEST(digests_that_were_not_offered_end_the_link),
		TEST(digests_stand_back_to_back),
		TEST(run_of_digests_may_be_long),
		TEST(payload_of_another_length_ends_the_link),
		TEST(tracks_outside_mean_another_size),
		TEST(holes_behind_the_answer_are_passed_on_up_to_the_end),
		TEST(digests_are_charged_the_bytes_of_the_volume),
		TEST(digest_is_asked_for_again_on_the_next_link),
		TEST(digest_that_the_next_link_does_not_know_ends_what_its_host_reads),
	};
	return cmocka_run_group_tests_name("remote_digest", tests, NULL, NULL);
}
