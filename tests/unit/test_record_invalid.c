/* SPDX-License-Identifier: Apache-2.0
 *
 * A host loads and saves the record of invalid tracks: the union of both sides, a side that cannot tell, hosts that go
 * before the answer, and a private pair. The table is on a real disk, the secondary is the test's.
 */
#include "primary/record.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/track_set.h"
#include "storage/invalid_table.h"
#include "tests/support/fake_secondary.h"
#include "tests/support/host_bed.h"
#include "tests/support/world.h"

static char folder[32];
static struct invalid_table *table;

static int set_up_pair(void **state)
{
	strcpy(folder, "/tmp/ra-record-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : host_end_set_up_open(state);
}

static int set_up(void **state)
{
	struct invalid_config config = { .state = folder, .device = "volume", .track_bytes = WORLD_TRACK_BYTES };
	struct host_end *f;

	if (set_up_pair(state) != 0)
		return -1;
	f = *state;
	config.clock = f->world->clock;
	config.da = f->world->da;
	config.post = f->world->post;
	f->device->invalid = table = invalid_table_new(&config);
	return 0;
}

static int tear_down(void **state)
{
	char command[80];

	invalid_table_end(table);
	host_end_tear_down(state);
	invalid_table_free(table);
	table = NULL;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void send_load(struct host_end *f, uint32_t tag)
{
	host_end_out(f, MESSAGE_HOST_LOAD)->host_load = (struct msg_host_load){ .tag = tag, .record = RECORD_INVALID };
	host_end_send(f);
}

static void send_save_bytes(struct host_end *f, uint32_t tag, const void *bytes, size_t count)
{
	host_end_out(f, MESSAGE_HOST_SAVE)->host_save = (struct msg_host_save){ .tag = tag, .record = RECORD_INVALID };
	if (count > 0)
		host_end_send_payload(f, bytes, count);
	else
		host_end_send(f);
}

static void send_save(struct host_end *f, uint32_t tag, uint64_t first, uint64_t count)
{
	const uint64_t packed[] = { htole64(first), htole64(count) };

	send_save_bytes(f, tag, packed, sizeof(packed));
}

static void expect(struct host_end *f, uint32_t tag, enum status status, const char *words)
{
	const struct msg_host_record_reply *reply = &host_end_reply(f, MESSAGE_HOST_RECORD_REPLY)->host_record_reply;

	assert_int_equal(reply->tag, tag);
	assert_string_equal(status_name(reply->status), status_name(status));
	if (strstr(reply->detail, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", reply->detail, words);
}

/* The secondary is asked, and tells what is in bytes. */
static void secondary_tells(struct host_end *f, const void *bytes, uint32_t count)
{
	struct message reply = { .type = MESSAGE_INVALID_REPLY };

	reply.invalid_reply.tag = host_end_expect(f, MESSAGE_INVALID)->invalid.tag;
	reply.invalid_reply.status = STATUS_OK;
	fake_secondary_send(f->secondary, &reply, bytes, count);
}

static void secondary_refuses(struct host_end *f, enum status status, const char *detail)
{
	struct message reply = { .type = MESSAGE_INVALID_REPLY };

	reply.invalid_reply.tag = host_end_expect(f, MESSAGE_INVALID)->invalid.tag;
	reply.invalid_reply.status = status;
	snprintf(reply.invalid_reply.detail, sizeof(reply.invalid_reply.detail), "%s", detail);
	fake_secondary_send(f->secondary, &reply, NULL, 0);
}

static void secondary_tells_range(struct host_end *f, uint64_t first, uint64_t count)
{
	const uint64_t packed[] = { htole64(first), htole64(count) };

	secondary_tells(f, packed, sizeof(packed));
}

static struct track_set *loaded(const struct host_end *f)
{
	struct track_set *set = track_set_unpack(f->payload, f->payload_bytes, TRACK_SET_RANGES_MAX);

	assert_non_null(set);
	return set;
}

static void save_marks_here_and_load_tells_both_sides(void **state)
{
	struct host_end *f = *state;
	struct track_set *set;

	send_save(f, 7, 2, 2);
	expect(f, 7, STATUS_OK, "");
	assert_true(track_set_has(invalid_table_known(table), 3)); /* it is on the disk */
	send_save(f, 8, 9, 1);
	expect(f, 8, STATUS_OK, "");
	send_load(f, 9);
	secondary_tells_range(f, 3, 3);
	expect(f, 9, STATUS_OK, "");
	set = loaded(f);
	assert_int_equal(track_set_ranges(set), 2);
	assert_int_equal(track_set_range(set, 0).first, 2);
	assert_int_equal(track_set_range(set, 0).count, 4);
	assert_true(track_set_has(set, 9));
	track_set_free(set);
	assert_int_equal(track_set_tracks(invalid_table_known(table)), 3); /* the other side's are not marked here */
}

static void two_sides_without_tracks_have_no_payload(void **state)
{
	struct host_end *f = *state;

	send_load(f, 9);
	secondary_tells(f, NULL, 0);
	expect(f, 9, STATUS_OK, "");
	assert_int_equal(f->payload_bytes, 0);
}

static void side_that_cannot_tell_is_no_side_without_tracks(void **state)
{
	struct host_end *f = *state;
	char path[96];
	FILE *file;

	send_load(f, 9);
	secondary_refuses(f, STATUS_VOLUME_ERROR, "/b/volume/invalid: damaged");
	expect(f, 9, STATUS_VOLUME_ERROR, "/b/volume/invalid: damaged");
	invalid_table_free(table); /* nothing is under way */
	snprintf(path, sizeof(path), "%s/volume/invalid", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	const struct invalid_config config = { .clock = f->world->clock, .da = f->world->da, .post = f->world->post,
		.state = folder, .device = "volume", .track_bytes = WORLD_TRACK_BYTES };
	f->device->invalid = table = invalid_table_new(&config);
	send_load(f, 10);
	secondary_tells_range(f, 3, 3);
	expect(f, 10, STATUS_VOLUME_ERROR, path);
	send_save(f, 11, 3, 1);
	expect(f, 11, STATUS_VOLUME_ERROR, path);
}

static void what_is_no_set_is_not_saved(void **state)
{
	static const uint64_t twice[] = { 5, 2, 6, 2 };
	struct host_end *f = *state;

	send_save_bytes(f, 7, twice, sizeof(twice));
	expect(f, 7, STATUS_BAD_REQUEST, "the record is no set of tracks");
	send_save_bytes(f, 8, twice, 15);
	expect(f, 8, STATUS_BAD_REQUEST, "the record is no set of tracks");
	send_save(f, 9, TRACKS_END - 1, 2);
	expect(f, 9, STATUS_BAD_REQUEST, "the record is no set of tracks");
	assert_null(invalid_table_known(table));
	send_save_bytes(f, 10, NULL, 0); /* no tracks at all */
	expect(f, 10, STATUS_OK, "");
}

static void union_that_is_too_long_is_told(void **state)
{
	struct host_end *f = *state;
	uint8_t *packed = xcalloc(TRACK_SET_RANGES_MAX, TRACK_SET_PACKED_BYTES);
	struct track_set *set = track_set_new();

	for (uint64_t i = 0; i < TRACK_SET_RANGES_MAX; i++)
		track_set_add(set, 4 * i, 1);
	track_set_pack(set, packed);
	send_save(f, 7, 2, 1);
	expect(f, 7, STATUS_OK, "");
	send_load(f, 8);
	secondary_tells(f, packed, TRACK_SET_PAYLOAD_BYTES_MAX);
	expect(f, 8, STATUS_BAD_REQUEST, "the invalid tracks of both sides are 131073 ranges, more than 131072");
	track_set_free(set);
	free(packed);
}

static void request_waits_for_its_turn(void **state)
{
	struct host_end *f = *state;

	send_load(f, 7);
	host_end_expect(f, MESSAGE_INVALID);
	send_save(f, 8, 1, 1);
	expect(f, 8, STATUS_BAD_REQUEST, "an earlier request for a record has no answer yet");
	assert_int_equal(host_end_unread(f), 0);
}

/* tear_down finds nothing that is left. */
static void host_that_goes_is_forgotten_by_both_sides(void **state)
{
	struct host_end *f = *state;

	send_load(f, 7);
	host_end_expect(f, MESSAGE_INVALID);
	host_end_hang_up(f);
	assert_true(WORLD_UNTIL(f->world, f->gone == 1));
}

static void lost_link_is_told(void **state)
{
	struct host_end *f = *state;

	send_load(f, 7);
	host_end_expect(f, MESSAGE_INVALID);
	fake_secondary_hang_up(f->secondary);
	expect(f, 7, STATUS_LINK_LOST, "the link to the secondary is lost");
	send_load(f, 8);
	expect(f, 8, STATUS_LINK_LOST, "");
	send_save(f, 9, 1, 1); /* this side is as good as before */
	expect(f, 9, STATUS_OK, "");
}

static void private_pair_keeps_none(void **state)
{
	struct host_end *f = *state;

	send_save(f, 7, 1, 1);
	expect(f, 7, STATUS_BAD_REQUEST, "a private pair keeps nothing");
	send_load(f, 8);
	secondary_tells(f, NULL, 0);
	expect(f, 8, STATUS_OK, "");
	assert_int_equal(f->payload_bytes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(save_marks_here_and_load_tells_both_sides),
		TEST(two_sides_without_tracks_have_no_payload),
		TEST(side_that_cannot_tell_is_no_side_without_tracks),
		TEST(what_is_no_set_is_not_saved),
		TEST(union_that_is_too_long_is_told),
		TEST(request_waits_for_its_turn),
		TEST(host_that_goes_is_forgotten_by_both_sides),
		TEST(lost_link_is_told),
		cmocka_unit_test_setup_teardown(private_pair_keeps_none, set_up_pair, tear_down),
	};

	return cmocka_run_group_tests_name("record_invalid", tests, NULL, NULL);
}
