/* SPDX-License-Identifier: Apache-2.0
 *
 * A primary asks the secondary for the invalid tracks of a device: who is answered, with what, and what is left when it
 * goes.
 */
#include "secondary/invalid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/alloc.h"
#include "base/post.h"
#include "base/track_set.h"
#include "secondary/device.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "storage/invalid_table.h"
#include "tests/support/bed.h"
#include "tests/support/table_bed.h"
#include "wire/conn.h"
#include "wire/message.h"

static struct bed *bed;
static struct primary *primary;
static struct invalid_table *table;
static uint32_t device;

static int setup(void **state)
{
	struct ra_config config;

	(void)state;
	bed_config(&config);
	bed = bed_new(&config, 64);
	table = bed_add_table(bed, 0);
	primary = primary_new(bed);
	device = primary_attach(primary, "d0");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (primary != NULL)
		primary_drop(primary);
	bed_free(bed); /* asserts that no query is left */
	return 0;
}

static void attached_device_tells_its_tracks(void **state)
{
	struct track_set *set;
	struct answer *answer;

	(void)state;
	bed_mark(bed, 0, 3, 2);
	bed_mark(bed, 0, 60, 1);
	answer = primary_invalid(primary, 1, device);
	assert_int_equal(answer->status, STATUS_OK);
	set = track_set_unpack(answer->payload, answer->payload_bytes, 2);
	assert_non_null(set);
	assert_int_equal(track_set_tracks(set), 3);
	assert_true(track_set_has(set, 3) && track_set_has(set, 4) && track_set_has(set, 60));
	track_set_free(set);
}

static void table_without_tracks_has_no_payload(void **state)
{
	struct answer *answer = primary_invalid(primary, 1, device);

	(void)state;
	assert_int_equal(answer->status, STATUS_OK);
	assert_null(answer->payload);
}

/* As that of a private pair. */
static void device_without_a_table_has_no_tracks(void **state)
{
	struct answer *answer = primary_invalid(primary, 1, primary_attach(primary, "d1"));

	(void)state;
	assert_int_equal(answer->status, STATUS_OK);
	assert_null(answer->payload);
}

static void device_that_is_not_attached_tells_nothing(void **state)
{
	struct answer *answer = primary_invalid(primary, 1, 2);

	(void)state;
	assert_int_equal(answer->status, STATUS_NO_SUCH_DEVICE);
	assert_string_equal(answer->detail, "not attached");
	assert_int_equal(primary_invalid(primary, 1, 255)->status, STATUS_NO_SUCH_DEVICE);
	primary_detach(primary, device);
	assert_int_equal(primary_invalid(primary, 1, device)->status, STATUS_NO_SUCH_DEVICE);
}

static void file_that_cannot_be_used_is_told(void **state)
{
	char *folder = xasprintf("%s/d0", bed->state), *path = xasprintf("%s/invalid", folder);
	struct answer *answer;
	FILE *file;

	(void)state;
	assert_int_equal(mkdir(folder, 0700), 0);
	file = fopen(path, "w"); /* it is empty */
	assert_non_null(file);
	fclose(file);
	answer = primary_invalid(primary, 1, device);
	assert_int_equal(answer->status, STATUS_VOLUME_ERROR);
	assert_non_null(strstr(answer->detail, path));
	assert_int_equal(post_count(bed->post, STATUS_VOLUME_ERROR), 1);
	free(path);
	free(folder);
}

/* Requests are taken, and no answer of the disk is. */
static void pass_without_disk(unsigned questions)
{
	while (bed->peer->queries < questions)
		event_base_loop(bed->base, EVLOOP_NONBLOCK);
}

static void send_invalid(uint32_t tag)
{
	primary_send(primary, &(struct message){ .type = MESSAGE_INVALID,
		.invalid = { .tag = tag, .device_number = device } });
}

static void primary_that_goes_before_its_answer_leaves_nothing(void **state)
{
	(void)state;
	send_invalid(1);
	pass_without_disk(1);
	primary_drop(primary);
	primary = NULL;
	assert_int_equal(bed->peer->queries, 0);
}

static void peer_has_so_many_questions_at_once(void **state)
{
	(void)state;
	for (uint32_t tag = 0; tag < QUERIES_PER_PEER; tag++)
		send_invalid(tag);
	pass_without_disk(QUERIES_PER_PEER);
	send_invalid(QUERIES_PER_PEER);
	while (primary->answers[QUERIES_PER_PEER].replies == 0)
		event_base_loop(bed->base, EVLOOP_NONBLOCK);
	assert_int_equal(primary->answers[QUERIES_PER_PEER].status, STATUS_QUEUE_FULL);
	for (uint32_t tag = 0; tag < QUERIES_PER_PEER; tag++)
		assert_int_equal(primary_wait(primary, tag)->status, STATUS_OK);
	assert_int_equal(bed->peer->queries, 0);
}

static void on_marked(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	(void)set, (void)detail;
	*(enum status *)arg = status;
}

/* 2 MiB each. */
static void sets_that_are_not_taken_do_not_pile_up(void **state)
{
	struct track_set *set = track_set_new();
	enum status status = STATUS_UNSET;

	(void)state;
	for (uint64_t i = 0; i < TRACK_SET_RANGES_MAX; i++)
		track_set_add(set, 2 * i, 1);
	invalid_table_do(table, INVALID_MARK, set, on_marked, &status);
	for (uint32_t tag = 1; tag <= 4; tag++)
		send_invalid(tag);
	pass_without_disk(4);
	BED_UNTIL(bed, status != STATUS_UNSET);
	assert_int_equal(status, STATUS_OK);
	for (uint32_t tag = 1; tag <= 4; tag++)
		assert_int_equal(primary_wait(primary, tag)->status, tag <= 2 ? STATUS_OK : STATUS_QUEUE_FULL);
	assert_int_equal(primary->answers[2].payload_bytes, TRACK_SET_PAYLOAD_BYTES_MAX);
	assert_int_equal(primary_invalid(primary, 5, device)->status, STATUS_OK); /* they are taken now */
}

/* Just before the next one is answered. */
static void on_marked_send_much(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	static uint8_t data[TRACK_SET_PAYLOAD_BYTES_MAX];
	const struct message other = { .type = MESSAGE_INVALID_REPLY, .invalid_reply = { .tag = 9, .status = STATUS_OK } };

	on_marked(arg, status, set, detail);
	for (unsigned i = 0; i < 5; i++)
		conn_send(bed->ra->sessions->conn, &other, &(struct conn_piece){ data, sizeof(data) }, 1, NULL, NULL);
}

/* What other devices of the link are read meanwhile is no reason to refuse. */
static void set_goes_out_behind_any_amount_of_other_data(void **state)
{
	struct track_set *set = track_set_new();
	enum status status = STATUS_UNSET;

	(void)state;
	track_set_add(set, 5, 1);
	invalid_table_do(table, INVALID_MARK, set, on_marked_send_much, &status);
	send_invalid(1);
	pass_without_disk(1);
	assert_int_equal(primary_wait(primary, 1)->status, STATUS_OK);
	assert_int_equal(status, STATUS_OK);
	assert_int_equal(primary->answers[1].payload_bytes, TRACK_SET_PACKED_BYTES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(attached_device_tells_its_tracks),
		TEST(table_without_tracks_has_no_payload),
		TEST(device_without_a_table_has_no_tracks),
		TEST(device_that_is_not_attached_tells_nothing),
		TEST(file_that_cannot_be_used_is_told),
		TEST(primary_that_goes_before_its_answer_leaves_nothing),
		TEST(peer_has_so_many_questions_at_once),
		TEST(sets_that_are_not_taken_do_not_pile_up),
		TEST(set_goes_out_behind_any_amount_of_other_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
