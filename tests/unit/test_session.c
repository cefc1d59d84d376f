/* SPDX-License-Identifier: Apache-2.0
 *
 * Fig. 14 and the session: link ids, Hello, what belongs to whom, and what a lost link leaves behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/post.h"
#include "secondary/device.h"
#include "secondary/fetch.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/session.h"
#include "tests/support/bed.h"
#include "wire/conn.h"

static struct bed *bed;
static struct primary *primary;
static uint32_t device;

static int setup(void **state)
{
	struct ra_config config;

	(void)state;
	bed_config(&config);
	bed = bed_new(&config, 256);
	primary = primary_new(bed);
	device = primary_attach(primary, "d0");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (primary != NULL)
		primary_drop(primary);
	primary = NULL;
	bed_free(bed);
	return 0;
}

static enum status read_status(struct primary *from, uint64_t link_id, uint32_t number)
{
	primary_read(from, 1, link_id, number, 0, 1, DELIVERY_HOLD);
	return primary_wait(from, 1)->status;
}

static void invalid_link_id_only_makes_a_job_and_returns_its_link_id(void **state)
{
	struct answer *answer;

	(void)state;
	primary_read(primary, 1, LINK_ID_INVALID, device, 0, 0, DELIVERY_UNSET); /* 302 */
	answer = primary_wait(primary, 1);
	assert_int_equal(answer->status, STATUS_OK); /* 306, 308, 312 */
	assert_int_equal(answer->link_id >> 48, 7);
	assert_int_equal((answer->link_id >> 32) & 0xffff, 0);
	assert_int_equal(answer->link_id & 0xffffffff, 1);
	assert_int_equal(answer->track_count, 0);
	assert_int_equal(bed_da(bed).reads_started, 0);
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_LINK), 1);
	assert_int_equal(read_status(primary, answer->link_id, device), STATUS_OK); /* 304 */
}

static void stale_link_id_is_refused(void **state)
{
	uint64_t stale = primary_link(primary, device);

	(void)state;
	primary_release(primary, stale);
	assert_int_equal(read_status(primary, stale, device), STATUS_BAD_LINK_ID);
	assert_true(primary_link(primary, device) == stale + 1); /* the same element, the next generation */
	assert_int_equal(read_status(primary, stale, device), STATUS_BAD_LINK_ID);
	assert_int_equal(post_count(bed->post, STATUS_BAD_LINK_ID), 2);
}

static void never_issued_link_id_is_refused(void **state)
{
	uint64_t link_id = primary_link(primary, device);

	(void)state;
	assert_int_equal(read_status(primary, link_id + 1, device), STATUS_BAD_LINK_ID);
	assert_int_equal(read_status(primary, link_id + (UINT64_C(1) << 32), device), STATUS_BAD_LINK_ID);
	assert_int_equal(read_status(primary, link_id + (UINT64_C(1) << 48), device), STATUS_BAD_LINK_ID);
	assert_int_equal(read_status(primary, link_id | UINT64_C(0xffff) << 32, device), STATUS_BAD_LINK_ID);
	assert_int_equal(read_status(primary, UINT64_MAX, device), STATUS_BAD_LINK_ID);
}

static void link_id_of_another_session_is_refused(void **state)
{
	struct primary *other = primary_new(bed);
	uint64_t link_id = primary_link(primary, device);

	(void)state;
	assert_int_equal(primary_attach(other, "d0"), device);
	assert_int_equal(read_status(other, link_id, device), STATUS_BAD_LINK_ID);
	primary_drop(other);
	assert_int_equal(read_status(primary, link_id, device), STATUS_OK);
}

static void link_id_of_another_device_is_refused(void **state)
{
	uint32_t other = primary_attach(primary, "d1");
	uint64_t link_id = primary_link(primary, device);

	(void)state;
	assert_int_equal(read_status(primary, link_id, other), STATUS_BAD_LINK_ID);
}

static void link_id_of_a_fetch_job_is_refused(void **state)
{
	uint64_t link_id = primary_link(primary, device), fetch_id;

	(void)state;
	faulty_volume_hang_reads(bed->volumes[0], true);
	primary_read(primary, 2, link_id, device, 0, 1, DELIVERY_HOLD);
	BED_UNTIL(bed, job_array_used(bed->ra->jobs, JOB_FETCH) == 1);
	fetch_id = link_id_of(7, bed_fetch(bed)->job);
	assert_int_equal(read_status(primary, fetch_id, device), STATUS_BAD_LINK_ID);
	faulty_volume_hang_reads(bed->volumes[0], false);
	primary_wait(primary, 2);
}

static void second_read_on_a_job_is_busy(void **state)
{
	uint64_t link_id = primary_link(primary, device);

	(void)state;
	faulty_volume_hang_reads(bed->volumes[0], true);
	primary_read(primary, 2, link_id, device, 0, 1, DELIVERY_HOLD);
	assert_int_equal(read_status(primary, link_id, device), STATUS_BUSY);
	faulty_volume_hang_reads(bed->volumes[0], false);
	assert_int_equal(primary_wait(primary, 2)->status, STATUS_OK);
}

static void run_outside_the_device_is_refused(void **state)
{
	uint64_t link_id = primary_link(primary, device);

	(void)state;
	primary_read(primary, 1, link_id, device, 256, 1, DELIVERY_HOLD);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_BAD_REQUEST);
	primary_read(primary, 1, link_id, device, 250, 7, DELIVERY_HOLD);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_BAD_REQUEST);
	primary_read(primary, 1, link_id, device, 250, 6, DELIVERY_HOLD);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_OK);
}

static uint64_t agreed(uint64_t digests)
{
	struct primary *other = primary_new_knowing(bed, bed->peer, digests);

	digests = other->digests;
	primary_drop(other);
	return digests;
}

static void hello_agrees_on_the_digests_that_both_know(void **state)
{
	const uint64_t xxh3 = 1u << DIGEST_XXH3_128, sha256 = 1u << DIGEST_SHA256;

	(void)state;
	assert_int_equal(agreed(xxh3 | sha256), xxh3 | sha256);
	assert_int_equal(agreed(xxh3), xxh3);
	assert_int_equal(agreed(xxh3 | UINT64_C(1) << 40), xxh3); /* one that this secondary does not know */
	assert_int_equal(agreed(0), 0);      /* an older primary */
	assert_int_equal(agreed(sha256), 0); /* that one is always among them, or there are none */
}

/* A Read for digests of the device as it is, but for its end. */
static struct answer *ask_digests(struct primary *from, enum digest digest, uint64_t first_track, uint32_t track_count,
	uint64_t end_bytes)
{
	const struct msg_read read = { .tag = 1, .link_id = primary_link(from, device), .device_number = device,
		.first_track = first_track, .track_count = track_count, .delivery = DELIVERY_HOLD, .digest = digest,
		.end_bytes = end_bytes };

	primary_ask(from, &read);
	return primary_wait(from, 1);
}

static void digest_that_was_not_agreed_on_is_refused(void **state)
{
	const uint64_t size_bytes = 256 * BED_TRACK_BYTES;
	struct primary *other = primary_new_knowing(bed, bed->peer, 1u << DIGEST_XXH3_128);

	(void)state;
	primary_attach(other, "d0");
	assert_int_equal(ask_digests(other, DIGEST_XXH3_128, 0, 1, size_bytes)->status, STATUS_OK);
	assert_int_equal(ask_digests(other, DIGEST_SHA256, 0, 1, size_bytes)->status, STATUS_BAD_REQUEST);
	assert_string_equal(other->answers[1].detail, "HelloReply did not name this digest");
	primary_drop(other);
	other = primary_new_knowing(bed, bed->peer, 0);
	primary_attach(other, "d0");
	assert_int_equal(ask_digests(other, DIGEST_XXH3_128, 0, 1, size_bytes)->status, STATUS_BAD_REQUEST);
	assert_int_equal(post_count(bed->post, STATUS_BAD_REQUEST), 2);
	primary_drop(other);
}

static void end_outside_the_device_and_tracks_behind_it_are_refused(void **state)
{
	const uint64_t size_bytes = 256 * BED_TRACK_BYTES;

	(void)state;
	assert_int_equal(ask_digests(primary, DIGEST_XXH3_128, 255, 1, size_bytes)->status, STATUS_OK);
	assert_int_equal(ask_digests(primary, DIGEST_XXH3_128, 0, 1, size_bytes + 1)->status, STATUS_BAD_REQUEST);
	assert_string_equal(primary->answers[1].detail,
		"tracks 0+1 up to byte 16777217 lie outside the device, which has 16777216 bytes");
	assert_int_equal(ask_digests(primary, DIGEST_XXH3_128, 255, 2, size_bytes)->status, STATUS_BAD_REQUEST);
	assert_int_equal(ask_digests(primary, DIGEST_XXH3_128, 256, 1, size_bytes)->status, STATUS_BAD_REQUEST);
	assert_int_equal(ask_digests(primary, DIGEST_XXH3_128, 3, 2, 4 * BED_TRACK_BYTES + 1)->status, STATUS_OK);
	assert_int_equal(ask_digests(primary, DIGEST_XXH3_128, 3, 2, 4 * BED_TRACK_BYTES)->status, STATUS_BAD_REQUEST);
	assert_int_equal(ask_digests(primary, DIGEST_XXH3_128, 1, 1, 1)->status, STATUS_BAD_REQUEST);
	assert_int_equal(ask_digests(primary, DIGEST_XXH3_128, 0, 1, 1)->status, STATUS_OK);
	assert_int_equal(post_count(bed->post, STATUS_BAD_REQUEST), 5);
}

static void run_of_more_than_4_mib_is_refused_for_data_only(void **state)
{
	struct ra_config config;

	(void)state;
	teardown(state);
	bed_config(&config);
	config.track_bytes = 1 * MIB;
	bed = bed_new(&config, 16);
	primary = primary_new(bed);
	device = primary_attach(primary, "d0");
	assert_int_equal(ask_digests(primary, DIGEST_NONE, 0, 4, 0)->status, STATUS_OK);
	assert_int_equal(ask_digests(primary, DIGEST_NONE, 0, 5, 0)->status, STATUS_BAD_REQUEST);
	assert_string_equal(primary->answers[1].detail, "the run is over 4 MiB");
	assert_int_equal(ask_digests(primary, DIGEST_XXH3_128, 0, 16, 16 * MIB)->status, STATUS_OK);
	assert_int_equal(primary->answers[1].track_count, 16);
}

static void device_that_is_absent_or_not_attached_does_not_exist(void **state)
{
	const struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = 3, .device = "d9" } };

	(void)state;
	primary_send(primary, &query);
	assert_int_equal(primary_wait(primary, 3)->status, STATUS_NO_SUCH_DEVICE);
	primary_read(primary, 1, 0, 1, 0, 0, DELIVERY_UNSET);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_NO_SUCH_DEVICE);
	primary_read(primary, 1, 0, 250, 0, 0, DELIVERY_UNSET);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_NO_SUCH_DEVICE);
}

static void detach_frees_the_jobs_and_closes_the_volume(void **state)
{
	const struct message detach = { .type = MESSAGE_DETACH, .detach = { .tag = 3, .device_number = device } };
	uint64_t link_id = primary_link(primary, device);

	(void)state;
	primary_read(primary, 1, link_id, device, 0, 1, DELIVERY_HOLD);
	primary_wait(primary, 1);
	primary_send(primary, &detach);
	assert_int_equal(primary_wait(primary, 3)->status, STATUS_OK);
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_LINK), 0);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).closes == 1);
	BED_UNTIL(bed, bed_cache(bed).entries == 0);
}

static void lost_link_frees_all_that_is_its_own_and_nothing_else(void **state)
{
	struct primary *other = primary_new(bed);
	uint64_t others;

	(void)state;
	primary_attach(other, "d0");
	others = primary_link(other, device);
	for (uint32_t i = 0; i < 8; i++)
		primary_read(primary, 10 + i, primary_link(primary, device), device, 16 * i, 16, (enum delivery)(1 + i % 3));
	primary_drop(primary);
	primary = NULL;
	assert_int_equal(job_array_used(bed->ra->jobs, JOB_LINK), 1);
	BED_UNTIL_IN_TIME(bed, job_array_used(bed->ra->jobs, JOB_FETCH) == 0);
	assert_int_equal(bed_cache(bed).slots_locked, 0);
	assert_int_equal(device_array_record(bed->ra->devices, device)->attach_count, 1);
	assert_int_equal(read_status(other, others, device), STATUS_OK);
	primary_drop(other);
	BED_UNTIL(bed, bed_is_quiet(bed));
}

static void query_of_a_lost_link_leaves_the_device_ready(void **state)
{
	const struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = 3, .device = "d0" } };
	struct primary *other = primary_new(bed);
	uint64_t others;

	(void)state;
	primary_attach(other, "d0");
	others = primary_link(other, device);
	faulty_volume_hang_open(bed->volumes[0], true);
	primary_send(primary, &query);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).stuck == 1);
	primary_drop(primary);
	primary = NULL;
	assert_int_equal(read_status(other, others, device), STATUS_OK);
	primary_drop(other);
	assert_int_equal(faulty_volume_count(bed->volumes[0]).closes, 0); /* a thread is in it */
	faulty_volume_hang_open(bed->volumes[0], false);
	BED_UNTIL(bed, faulty_volume_count(bed->volumes[0]).closes == 1);
}

static void request_before_hello_ends_the_link(void **state)
{
	const struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = 1, .device = "d0" } };
	struct primary *other = primary_new_silent(bed);

	(void)state;
	primary_send(other, &query);
	BED_UNTIL(bed, other->is_closed);
	primary_drop(other);
}

static void other_protocol_version_is_told_and_ended(void **state)
{
	const struct message hello = { .type = MESSAGE_HELLO, .hello = { .protocol_min = 2, .protocol_max = 9 } };
	struct primary *other = primary_new_silent(bed);

	(void)state;
	primary_send(other, &hello);
	BED_UNTIL(bed, other->is_closed);
	assert_false(other->is_up);
	primary_drop(other);
}

static void silence_is_ended_at_the_hello_deadline(void **state)
{
	struct primary *other = primary_new_silent(bed);

	(void)state;
	conn_accept(other->conn);
	bed_pass(bed);
	bed_advance(bed, HELLO_DEADLINE_MS - 1);
	bed_pass(bed);
	assert_false(other->is_closed);
	bed_advance(bed, 1);
	BED_UNTIL(bed, other->is_closed);
	primary_drop(other);
}

/* Bytes that no primary would send: each ends its own link, and an honest primary beside it goes on. */
static void hostile_bytes_end_their_own_link_only(void **state)
{
	static const char half_hello[] = "RA\1\1\10\0\0\0\0\0\0\0\0\0\0\0\10\1";
	static const struct {
		const char *bytes;
		size_t count;
	} inputs[] = {
		{ "GET / HTTP/1.1\r\nHost: volume\r\n\r\n", 33 },
		{ "RA\1\1\0\0\20\0\0\0\0\0\0\0\0\0", 16 },     /* a message of 1 MiB */
		{ "RA\1\1\0\20\0\0\0\0\0\0\0\0\0\0x", 17 },    /* 4096 are allowed before Hello, not so many: */
		{ "RA\1\1\1\20\0\0\0\0\0\0\0\0\0\0", 16 },     /* 4097 */
		{ "RA\1\143\0\0\0\0\0\0\0\0\0\0\0\0", 16 },     /* an unknown type */
		{ "RA\1\6\0\0\0\0\0\1\0\0\0\0\0\0", 16 },      /* payload where none may be */
		{ "RA\2\1\0\0\0\0\0\0\0\0\0\0\0\0", 16 },      /* another version of the header */
		{ half_hello, sizeof(half_hello) - 1 },
	};
	uint64_t link_id = primary_link(primary, device);

	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		struct session *session;
		int fd = bed_raw_session(bed, &session);

		assert_int_equal(write(fd, inputs[i].bytes, inputs[i].count), inputs[i].count);
		for (unsigned pass = 0; pass < 5; pass++)
			bed_pass(bed);
		bed_advance(bed, HELLO_DEADLINE_MS); /* for those that only say too little */
		BED_UNTIL(bed, !bed_has_session(bed, session));
		close(fd);
		primary_read(primary, 1, link_id, device, i, 1, DELIVERY_DISCONNECT);
		assert_tracks(bed, device, primary_wait(primary, 1), i);
	}
}

static void frame_for_another_program_ends_the_link(void **state)
{
	const struct message message = { .type = MESSAGE_HOST_RELEASE, .host_release = { .tag = 1 } };

	(void)state;
	primary_send(primary, &message);
	BED_UNTIL(bed, primary->is_closed);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(invalid_link_id_only_makes_a_job_and_returns_its_link_id),
		T(stale_link_id_is_refused), T(never_issued_link_id_is_refused), T(link_id_of_another_session_is_refused),
		T(link_id_of_another_device_is_refused), T(link_id_of_a_fetch_job_is_refused),
		T(second_read_on_a_job_is_busy), T(run_outside_the_device_is_refused),
		T(hello_agrees_on_the_digests_that_both_know), T(digest_that_was_not_agreed_on_is_refused),
		T(end_outside_the_device_and_tracks_behind_it_are_refused), T(run_of_more_than_4_mib_is_refused_for_data_only),
		T(device_that_is_absent_or_not_attached_does_not_exist), T(detach_frees_the_jobs_and_closes_the_volume),
		T(lost_link_frees_all_that_is_its_own_and_nothing_else), T(query_of_a_lost_link_leaves_the_device_ready),
		T(request_before_hello_ends_the_link),
		T(other_protocol_version_is_told_and_ended), T(silence_is_ended_at_the_hello_deadline),
		T(hostile_bytes_end_their_own_link_only), T(frame_for_another_program_ends_the_link) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
