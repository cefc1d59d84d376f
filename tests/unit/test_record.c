/* SPDX-License-Identifier: Apache-2.0
 *
 * HostLoad and HostSave over a real socket, with a real DA and a real folder: the way there and back, whose turn it is,
 * who may not ask, and hosts that go before the answer.
 */
#include "primary/record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "primary/keep.h"
#include "primary/reports.h"
#include "storage/layout.h"
#include "storage/ledger.h"
#include "tests/support/fake_secondary.h"
#include "tests/support/host_bed.h"
#include "tests/support/world.h"
#include "wire/conn.h"

static char folder[64];

/* ---- State files that hang: wrapped by the linker, called on DA threads ---- */

static int hang[2] = { -1, -1 }, begun[2];

int __real_state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes);
int __wrap_state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes);

int __wrap_state_read(const char *path, size_t bytes_max, uint8_t **file, size_t *file_bytes)
{
	char byte = 'b';

	if (hang[0] >= 0 && (write(begun[1], &byte, 1) != 1 || read(hang[0], &byte, 1) != 0))
		abort();
	return __real_state_read(path, bytes_max, file, file_bytes);
}

static void begin_hang(void)
{
	assert_int_equal(pipe(hang), 0);
	assert_int_equal(pipe(begun), 0);
}

static void wait_until_hung(void)
{
	char byte;

	assert_int_equal(read(begun[0], &byte, 1), 1);
}

static void end_hang(void)
{
	close(hang[1]);
	hang[1] = -1;
}

/* What is on the volume, on a DA thread. */
static int probe_error;

int __wrap_layout_probe(const char *path, uint64_t part_offset_bytes, struct layout *layout);

int __wrap_layout_probe(const char *path, uint64_t part_offset_bytes, struct layout *layout)
{
	if (strcmp(path, "/memory") != 0 || part_offset_bytes != 0)
		abort();
	layout->count = 1;
	layout->entries[0] = (struct layout_entry){ .partition = 1, .size_bytes = 512 };
	return probe_error;
}

/* ---- The bed ---- */

static void add_keep(struct host_end *end)
{
	struct keep_config config = { .clock = end->world->clock, .da = end->world->da, .post = end->world->post,
		.folder = folder, .device = "volume" };

	end->device->keep = keep_new(&config);
	end->device->reports = reports_new(&(struct reports_config){ .da = end->world->da, .post = end->world->post,
		.folder = folder, .device = "volume", .keep = 2 });
	end->device->max_lag_ms = 1234;
}

static int set_up(void **state)
{
	strcpy(folder, "/tmp/ra-record-XXXXXX");
	if (mkdtemp(folder) == NULL || host_end_set_up(state) != 0)
		return -1;
	add_keep(*state);
	return 0;
}

static int set_up_open(void **state)
{
	if (set_up(state) != 0)
		return -1;
	host_end_open(*state);
	return 0;
}

static int tear_down(void **state)
{
	char command[80];

	host_end_tear_down(state);
	for (unsigned i = 0; i < 2 && hang[0] >= 0; i++)
		close(begun[i]);
	if (hang[0] >= 0)
		close(hang[0]);
	hang[0] = -1;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void send_load(struct host_end *f, uint32_t tag, enum record record)
{
	struct msg_host_load *load = &host_end_out(f, MESSAGE_HOST_LOAD)->host_load;

	load->tag = tag;
	load->record = record;
	host_end_send(f);
}

static void send_save(struct host_end *f, uint32_t tag, enum record record, const void *bytes, size_t count)
{
	struct msg_host_save *save = &host_end_out(f, MESSAGE_HOST_SAVE)->host_save;

	save->tag = tag;
	save->record = record;
	if (count > 0)
		host_end_send_payload(f, bytes, count);
	else
		host_end_send(f);
}

static void expect(struct host_end *f, uint32_t tag, enum status status, const char *detail)
{
	const struct msg_host_record_reply *reply = &host_end_reply(f, MESSAGE_HOST_RECORD_REPLY)->host_record_reply;

	assert_int_equal(reply->tag, tag);
	assert_string_equal(status_name(reply->status), status_name(status));
	assert_string_equal(reply->detail, detail);
}

static uint8_t *a_ledger(size_t *count)
{
	struct ledger_binding binding = { .device = "volume", .track_bytes = 4096, .digest = "data" };
	struct ledger *ledger = ledger_new(&binding, 100);
	uint8_t *bytes = ledger_encode(ledger, count);

	ledger_free(ledger);
	return bytes;
}

/* ---- There and back ---- */

static void a_ledger_goes_there_and_back(void **state)
{
	struct host_end *f = *state;
	size_t count;
	uint8_t *bytes = a_ledger(&count);

	send_load(f, 7, RECORD_LEDGER);
	expect(f, 7, STATUS_OK, "");
	assert_int_equal(f->payload_bytes, 0);
	send_save(f, 8, RECORD_LEDGER, bytes, count);
	expect(f, 8, STATUS_OK, "");
	send_load(f, 9, RECORD_LEDGER);
	expect(f, 9, STATUS_OK, "");
	assert_int_equal(f->payload_bytes, count);
	assert_memory_equal(f->payload, bytes, count);
	free(bytes);
}

static void what_is_no_ledger_is_refused_however_long(void **state)
{
	struct host_end *f = *state;
	size_t count = message_payload_bytes_max(MESSAGE_HOST_SAVE);
	uint8_t *bytes = calloc(1, count);

	send_load(f, 7, RECORD_LEDGER);
	expect(f, 7, STATUS_OK, "");
	send_save(f, 8, RECORD_LEDGER, bytes, count);
	expect(f, 8, STATUS_BAD_REQUEST, "this is no ledger: it is no state file of RA");
	send_save(f, 9, RECORD_LEDGER, NULL, 0);
	expect(f, 9, STATUS_BAD_REQUEST, "this is no ledger: it is truncated: 0 bytes");
	free(bytes);
}

static void what_is_on_the_volume_is_found_also_for_a_private_pair(void **state)
{
	const char *record = "[{\"partition\":1,\"start\":0,\"bytes\":512}]";
	struct host_end *f = *state;

	keep_free(f->device->keep);
	f->device->keep = NULL;
	probe_error = 0;
	for (uint32_t tag = 7; tag < 9; tag++) {
		send_load(f, tag, RECORD_LAYOUT);
		expect(f, tag, STATUS_OK, "");
		assert_int_equal(f->payload_bytes, strlen(record));
		assert_memory_equal(f->payload, record, strlen(record));
	}
	probe_error = -EIO;
	send_load(f, 9, RECORD_LAYOUT);
	expect(f, 9, STATUS_VOLUME_ERROR, "cannot look for file systems on /memory: Input/output error");
}

static void a_layout_is_not_looked_for_while_the_volume_hangs(void **state)
{
	struct host_end *f = *state;

	world_hang_reads(f->world);
	for (uint32_t i = 0; i < HOST_DISK_QUEUE; i++)
		host_end_send_read(f, i + 1, SIDE_LOCAL, i, 1, i);
	world_wait_hung(f->world, 2);
	send_load(f, 7, RECORD_LAYOUT);
	expect(f, 7, STATUS_QUEUE_FULL, "no free DA request");
	clock_advance(f->world->clock, DA_TIMEOUT_MS);
	for (uint32_t i = 0; i < HOST_DISK_QUEUE; i++)
		host_end_read_reply(f, i + 1, STATUS_TIMEOUT);
	send_load(f, 8, RECORD_LAYOUT);
	expect(f, 8, STATUS_NOT_READY, "an earlier request to the volume hangs");
	world_release(f->world);
}

static void the_open_tells_the_lag_and_the_time_that_this_process_took(void **state)
{
	struct host_end *f = *state;
	const struct msg_host_open_reply *reply;

	host_end_out(f, MESSAGE_HOST_STATUS)->host_status.tag = 5;
	host_end_send(f);
	fake_secondary_volume(f->secondary, host_end_expect(f, MESSAGE_DEVICE_QUERY)->device_query.tag, HOST_SIZE_BYTES,
		WORLD_TRACK_BYTES);
	reply = &host_end_reply(f, MESSAGE_HOST_OPEN_REPLY)->host_open_reply;
	assert_int_equal(reply->max_lag_ms, 1234);
}

/* ---- Reports ---- */

static const char a_report[] = "{\"format\":\"ra-compare/1\",\"result\":\"identical\",\"complete\":true,"
	"\"started\":\"2026-11-24T12:00:00Z\",\"ended\":\"2026-11-24T12:00:09Z\",\"device\":\"volume\","
	"\"verdict\":\"IDENTICAL: x\",\"track_size\":65536,\"seconds\":9.5,"
	"\"local\":{\"path\":\"/a\",\"size_bytes\":131072},\"remote\":{\"path\":\"/b\",\"size_bytes\":131072},"
	"\"tracks\":{\"total\":2,\"identical\":2,\"different\":0,\"unsettled\":0,\"invalid\":0,\"unreadable\":0,"
	"\"not_compared\":0},\"ranges\":[]}";

static void a_report_is_kept_with_or_without_the_ledger(void **state)
{
	struct host_end *f = *state;
	char path[96];

	send_save(f, 8, RECORD_REPORT, a_report, strlen(a_report));
	expect(f, 8, STATUS_OK, "");
	snprintf(path, sizeof(path), "%s/volume/reports/0000000001.json", folder);
	assert_int_equal(access(path, F_OK), 0);
	send_save(f, 9, RECORD_REPORT, "{}", 2);
	expect(f, 9, STATUS_BAD_REQUEST,
		"this is no report of volume: its format is missing, or not what it should be");
	send_save(f, 10, RECORD_REPORT, NULL, 0);
	assert_int_equal(host_end_reply(f, MESSAGE_HOST_RECORD_REPLY)->host_record_reply.status, STATUS_BAD_REQUEST);
	send_load(f, 11, RECORD_REPORT);
	expect(f, 11, STATUS_BAD_REQUEST, "this record is not known here");
	send_save(f, 12, RECORD_LAYOUT, "[]", 2);
	expect(f, 12, STATUS_BAD_REQUEST, "this record is not known here");
	assert_int_equal(f->gone, 0);
}

static void a_host_that_goes_is_not_told_of_its_report(void **state)
{
	struct host_end *f = *state;
	char path[96];

	send_save(f, 8, RECORD_REPORT, a_report, strlen(a_report));
	host_end_hang_up(f);
	snprintf(path, sizeof(path), "%s/volume/reports/0000000001.json", folder);
	assert_true(WORLD_UNTIL(f->world, access(path, F_OK) == 0));
}

/* ---- Who may not ask ---- */

static void without_a_device_nothing_is_kept(void **state)
{
	struct host_end *f = *state;

	host_end_hello(f);
	send_load(f, 7, RECORD_LEDGER);
	expect(f, 7, STATUS_BAD_REQUEST, "no device is open");
	send_save(f, 8, RECORD_LEDGER, NULL, 0);
	expect(f, 8, STATUS_BAD_REQUEST, "no device is open");
	assert_int_equal(f->gone, 0);
}

static void payload_without_a_device_ends_the_session(void **state)
{
	struct host_end *f = *state;

	host_end_hello(f);
	send_save(f, 8, RECORD_LEDGER, "bytes", 5);
	assert_int_equal(f->gone, 1);
	assert_int_equal(host_end_unread(f), 0);
}

static void payload_with_another_frame_ends_the_session(void **state)
{
	struct host_end *f = *state;

	host_end_out(f, MESSAGE_HOST_RECORD_REPLY)->host_record_reply.tag = 7;
	f->out.host_record_reply.status = STATUS_OK;
	host_end_send_payload(f, "bytes", 5);
	assert_int_equal(f->gone, 1);
}

static void a_private_pair_keeps_nothing(void **state)
{
	struct host_end *f = *state;

	keep_free(f->device->keep);
	reports_free(f->device->reports);
	f->device->keep = NULL;
	f->device->reports = NULL;
	send_save(f, 6, RECORD_REPORT, a_report, strlen(a_report));
	expect(f, 6, STATUS_BAD_REQUEST, "a private pair keeps nothing");
	send_load(f, 7, RECORD_LEDGER);
	expect(f, 7, STATUS_BAD_REQUEST, "a private pair keeps nothing");
	send_save(f, 8, RECORD_LEDGER, "bytes", 5);
	expect(f, 8, STATUS_BAD_REQUEST, "a private pair keeps nothing");
}

static void a_save_without_a_load_is_refused(void **state)
{
	struct host_end *f = *state;

	send_save(f, 8, RECORD_LEDGER, "bytes", 5);
	expect(f, 8, STATUS_BAD_REQUEST, "the ledger was not loaded");
}

static void one_request_waits_at_a_time(void **state)
{
	struct host_end *f = *state;

	begin_hang();
	send_load(f, 7, RECORD_LEDGER);
	wait_until_hung();
	send_load(f, 8, RECORD_LEDGER);
	expect(f, 8, STATUS_BAD_REQUEST, "an earlier request for a record has no answer yet");
	send_save(f, 9, RECORD_LEDGER, "bytes", 5);
	expect(f, 9, STATUS_BAD_REQUEST, "an earlier request for a record has no answer yet");
	end_hang();
	expect(f, 7, STATUS_OK, "");
	send_load(f, 10, RECORD_LEDGER);
	expect(f, 10, STATUS_OK, "");
}

/* ---- Two hosts ---- */

static struct host_end *second_host(struct host_end *first)
{
	struct host_end *second = host_end_new(first, true);

	host_end_hello(second);
	host_end_send_open(second, "volume");
	fake_secondary_volume(second->secondary, host_end_expect(second, MESSAGE_DEVICE_QUERY)->device_query.tag,
		HOST_SIZE_BYTES, WORLD_TRACK_BYTES);
	assert_int_equal(host_end_reply(second, MESSAGE_HOST_OPEN_REPLY)->host_open_reply.status, STATUS_OK);
	return second;
}

static void one_host_has_the_ledger_until_it_closes_the_socket(void **state)
{
	struct host_end *f = *state, *second = second_host(f);
	char words[128];

	send_load(f, 7, RECORD_LEDGER);
	expect(f, 7, STATUS_OK, "");
	send_load(second, 1, RECORD_LEDGER);
	snprintf(words, sizeof(words), "the ledger of volume is in use by process %d", (int)getpid());
	expect(second, 1, STATUS_BUSY, words);
	send_save(second, 2, RECORD_LEDGER, "bytes", 5);
	expect(second, 2, STATUS_BAD_REQUEST, "the ledger was not loaded");
	host_end_hang_up(f);
	assert_true(WORLD_UNTIL(f->world, f->gone == 1));
	send_load(second, 3, RECORD_LEDGER);
	expect(second, 3, STATUS_OK, "");
	host_end_free(second);
}

static void a_host_that_goes_before_the_answer_is_not_told(void **state)
{
	struct host_end *f = *state, *second = second_host(f);

	begin_hang();
	send_load(f, 7, RECORD_LEDGER);
	wait_until_hung();
	host_end_hang_up(f);
	assert_true(WORLD_UNTIL(f->world, f->gone == 1));
	send_load(second, 3, RECORD_LEDGER);
	assert_int_equal(host_end_unread(second), 0);
	end_hang();
	expect(second, 3, STATUS_OK, "");
	host_end_free(second);
}

static void payloads_on_their_way_are_bounded_together(void **state)
{
	struct host_end *f = *state, *second;
	struct payload_room room = { 0 };

	f->payloads = &room;
	second = second_host(f);
	room.used_bytes = PAYLOAD_ROOM_BYTES - 4; /* of others */
	send_save(second, 8, RECORD_LEDGER, "bytes", 5);
	expect(second, 8, STATUS_BUSY, "too many records of other hosts are on their way");
	room.used_bytes--;
	send_save(second, 9, RECORD_LEDGER, "bytes", 5);
	expect(second, 9, STATUS_BAD_REQUEST, "the ledger was not loaded");
	assert_int_equal(room.used_bytes, PAYLOAD_ROOM_BYTES - 5);
	host_end_free(second);
	room.used_bytes = 0;
	payload_room_end(&room);
}

static void a_host_that_goes_in_the_middle_of_its_payload_leaves_nothing(void **state)
{
	struct host_end *f = *state, *second;
	size_t count = message_payload_bytes_max(MESSAGE_HOST_SAVE);
	uint8_t *bytes = calloc(1, count);
	struct payload_room room = { 0 };

	f->payloads = &room;
	second = second_host(f);
	host_end_out(second, MESSAGE_HOST_SAVE)->host_save.tag = 8;
	second->out.host_save.record = RECORD_LEDGER;
	conn_send(second->conn, &second->out, &(struct conn_piece){ bytes, count }, 1, NULL, NULL);
	for (int i = 0; i < 100 && room.used_bytes == 0; i++) /* a pass of the world would take all of it */
		event_base_loop(f->world->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_int_equal(room.used_bytes, count);
	assert_non_null(second->host);
	host_end_hang_up(second);
	assert_true(WORLD_UNTIL(f->world, second->gone == 1));
	assert_int_equal(room.used_bytes, 0);
	host_end_free(second);
	payload_room_end(&room);
	free(bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_open, tear_down)
#define TEST_NOT_OPEN(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_ledger_goes_there_and_back),
		TEST(what_is_no_ledger_is_refused_however_long),
		TEST(a_report_is_kept_with_or_without_the_ledger),
		TEST(a_host_that_goes_is_not_told_of_its_report),
		TEST(what_is_on_the_volume_is_found_also_for_a_private_pair),
		TEST(a_layout_is_not_looked_for_while_the_volume_hangs),
		TEST(the_open_tells_the_lag_and_the_time_that_this_process_took),
		TEST_NOT_OPEN(without_a_device_nothing_is_kept),
		TEST_NOT_OPEN(payload_without_a_device_ends_the_session),
		TEST(payload_with_another_frame_ends_the_session),
		TEST(a_private_pair_keeps_nothing),
		TEST(a_save_without_a_load_is_refused),
		TEST(one_request_waits_at_a_time),
		TEST(one_host_has_the_ledger_until_it_closes_the_socket),
		TEST(a_host_that_goes_before_the_answer_is_not_told),
		TEST(payloads_on_their_way_are_bounded_together),
		TEST(a_host_that_goes_in_the_middle_of_its_payload_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
