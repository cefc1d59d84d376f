/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl's request for invalid tracks at a daemon's socket: which payloads are taken, from whom and how many at once,
 * what is no set, and answers that are longer than one. The daemon behind it keeps a set in memory. Time is virtual.
 * check-style: long because it plays the daemon and its clients.
 */
#include "local/tracks.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/track_set.h"
#include "local/control_client.h"
#include "local/payload.h"
#include "local/server.h"
#include "wire/conn.h"

#define NOBODY 65534u
#define PAYLOADS_MAX (PAYLOAD_ROOM_BYTES / CONTROL_PAYLOAD_BYTES_MAX)
#define KEPT_MAX 32u

static struct event_base *base;
static struct clock *server_clock;
static struct server *server;
static char folder[64], path[96];
/* The daemon. */
static struct track_set *tracks;
static bool keeps; /* requests wait */
static struct control_request *kept[KEPT_MAX];
static unsigned kept_count, request_count;
/* An answer. */
static struct message message;
static json_t *json;

static void on_control(void *arg, struct control_request *request)
{
	struct track_set *change;

	(void)arg;
	request_count++;
	if (keeps) {
		kept[kept_count++] = request;
		return;
	}
	if (!control_tracks(request, &change))
		return;
	if (control_message(request)->action == TRACKS_MARK)
		track_set_add_all(tracks, change);
	else if (change != NULL)
		track_set_remove_all(tracks, change);
	track_set_free(change);
	control_answer_tracks(request, STATUS_OK, tracks, "");
}

static int set_up(void **state)
{
	static const struct server_ops ops = { .control = on_control };
	struct server_config config = { .path = path, .mode = 0666, .group = "", .admin_group = "" };
	char why[256];

	(void)state;
	log_start("test", LOG_LEVEL_ERROR);
	base = event_base_new();
	server_clock = clock_new_virtual();
	tracks = track_set_new();
	keeps = false;
	kept_count = request_count = 0;
	snprintf(folder, sizeof(folder), "/tmp/ra-tracks.XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, 0755), 0);
	snprintf(path, sizeof(path), "%s/s.sock", folder);
	config.base = base;
	config.clock = server_clock;
	server = server_new(&config, &ops, NULL, why, sizeof(why));
	assert_non_null(server);
	return 0;
}

static void answer_kept(void)
{
	while (kept_count > 0)
		control_refuse(kept[--kept_count], STATUS_TIMEOUT, "too late");
}

static int tear_down(void **state)
{
	(void)state;
	answer_kept();
	server_free(server); /* asserts that no payload is left */
	track_set_free(tracks);
	json_decref(json);
	json = NULL;
	clock_free(server_clock);
	event_base_free(base);
	return rmdir(folder);
}

static void settle(void)
{
	for (unsigned i = 0; i < 20; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int connect_to(void)
{
	char why[256];
	int fd = control_connect(path, NULL, why, sizeof(why));

	assert_true(fd >= 0);
	return fd;
}

static void send_bytes(int fd, const void *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t taken = send(fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

		assert_true(taken > 0 || errno == EAGAIN);
		settle();
		if (taken <= 0)
			continue;
		data = (const uint8_t *)data + taken;
		bytes -= (size_t)taken;
	}
}

/* The head of a request and `sent` bytes of its payload, whose length it says. */
static void ask_cut(int fd, struct msg_control control, const void *payload, uint32_t bytes, uint32_t sent)
{
	uint8_t frame[FRAME_HEADER_BYTES + FRAME_MESSAGE_BYTES_MAX];
	size_t message_bytes;

	control.protocol = RA_PROTOCOL_VERSION;
	message.type = MESSAGE_CONTROL;
	message.control = control;
	message_bytes = message_pack(&message, frame + FRAME_HEADER_BYTES);
	frame_encode(&(struct frame_header){ .type = MESSAGE_CONTROL, .message_bytes = (uint32_t)message_bytes,
		.payload_bytes = bytes }, frame);
	send_bytes(fd, frame, FRAME_HEADER_BYTES + message_bytes);
	send_bytes(fd, payload, sent);
}

static void ask(int fd, enum tracks_action action, const struct track_set *set)
{
	uint8_t *packed = xcalloc(track_set_ranges(set) + 1, TRACK_SET_PACKED_BYTES);
	uint32_t bytes = (uint32_t)(track_set_ranges(set) * TRACK_SET_PACKED_BYTES);

	track_set_pack(set, packed);
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = action }, packed, bytes, bytes);
	free(packed);
}

static struct track_set *new_set(uint64_t first, uint64_t count)
{
	struct track_set *set = track_set_new();

	track_set_add(set, first, count);
	return set;
}

static void ask_range(int fd, enum tracks_action action, uint64_t first, uint64_t count)
{
	struct track_set *set = new_set(first, count);

	ask(fd, action, set);
	track_set_free(set);
}

static void take_bytes(int fd, void *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t taken = recv(fd, data, bytes, MSG_DONTWAIT);

		assert_true(taken > 0 || (taken < 0 && errno == EAGAIN));
		if (taken <= 0)
			settle();
		else {
			data = (uint8_t *)data + taken;
			bytes -= (size_t)taken;
		}
	}
}

static void take_answer(int fd)
{
	uint8_t head[FRAME_HEADER_BYTES], text[FRAME_MESSAGE_BYTES_MAX];
	struct frame_header header;
	char why[DETAIL_MAX + 1];
	const char *words;
	char *payload;

	take_bytes(fd, head, sizeof(head));
	assert_int_equal(frame_decode(head, &header, &words), 0);
	take_bytes(fd, text, header.message_bytes);
	assert_int_equal(message_unpack(header.type, text, header.message_bytes, &message, why), 0);
	payload = xcalloc(header.payload_bytes + 1, 1);
	take_bytes(fd, payload, header.payload_bytes);
	json_decref(json);
	json = header.payload_bytes > 0 ? json_loadb(payload, header.payload_bytes, 0, NULL) : NULL;
	free(payload);
}

static bool is_closed(int fd)
{
	char byte;
	ssize_t taken;

	settle();
	taken = recv(fd, &byte, 1, MSG_DONTWAIT);
	return taken == 0 || (taken < 0 && errno == ECONNRESET);
}

static void expect_refusal(int fd, enum status status, const char *words)
{
	take_answer(fd);
	assert_string_equal(status_name(message.control_reply.status), status_name(status));
	assert_string_equal(message.control_reply.detail, words);
}

static void expect_tracks(int fd, uint64_t count)
{
	take_answer(fd);
	assert_string_equal(status_name(message.control_reply.status), "OK");
	assert_int_equal(json_integer_value(json_object_get(json, "tracks")), count);
	assert_string_equal(json_string_value(json_object_get(json, "device")), "web1");
}

static void tracks_are_marked_cleared_and_listed(void **state)
{
	int fd = connect_to();
	json_t *ranges;

	(void)state;
	ask_range(fd, TRACKS_MARK, 5, 10); /* the first frame of the connection */
	expect_tracks(fd, 10);
	assert_null(json_object_get(json, "ranges"));
	ask_range(fd, TRACKS_CLEAR, 8, 1);
	expect_tracks(fd, 9);
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_LIST }, NULL, 0, 0);
	expect_tracks(fd, 9);
	ranges = json_object_get(json, "ranges");
	assert_int_equal(json_array_size(ranges), 2);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(ranges, 0), 0)), 5);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(ranges, 0), 1)), 3);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(ranges, 1), 0)), 9);
	assert_true(json_is_null(json_object_get(json, "next")));
	ask_range(fd, TRACKS_CLEAR, 0, UINT64_MAX);
	expect_tracks(fd, 0);
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_MARK }, NULL, 0, 0);
	expect_tracks(fd, 0); /* a set of no tracks */
	close(fd);
}

static void longest_payload_is_taken_and_a_longer_one_ends_the_connection(void **state)
{
	const uint32_t ranges = CONTROL_PAYLOAD_BYTES_MAX / TRACK_SET_PACKED_BYTES;
	struct track_set *set = track_set_new();
	int fd = connect_to();
	(void)state;
	for (uint64_t i = 0; i < ranges; i++)
		track_set_add(set, 2 * i, 1);
	ask(fd, TRACKS_MARK, set);
	expect_tracks(fd, ranges);
	track_set_free(set);
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_MARK }, NULL,
		CONTROL_PAYLOAD_BYTES_MAX + 1, 0);
	assert_true(is_closed(fd));
	assert_int_equal(request_count, 1);
	close(fd);
}

/* 16 digits each: as long as they can be. */
static void long_list_comes_in_several_answers(void **state)
{
	const uint64_t count = 2 * TRACKS_LIST_RANGES + 5, begin = TRACKS_END - 2 * count;
	uint64_t from = 0, seen = 0;
	int fd = connect_to();

	(void)state;
	for (uint64_t i = 0; i < count; i++)
		track_set_add(tracks, begin + 2 * i, 1);
	for (unsigned answers = 1; answers <= 3; answers++) {
		ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_LIST,
			.first_track = from }, NULL, 0, 0);
		expect_tracks(fd, count);
		assert_null(json_object_get(json, "ranges_left_out"));
		seen += json_array_size(json_object_get(json, "ranges"));
		assert_int_equal(json_is_null(json_object_get(json, "next")), answers == 3);
		from = (uint64_t)json_integer_value(json_object_get(json, "next"));
		if (answers < 3)
			assert_int_equal(from, begin + 2 * seen);
	}
	assert_int_equal(seen, count);
	close(fd);
}

static void list_begins_where_it_is_asked_to(void **state)
{
	int fd = connect_to();
	json_t *range;

	(void)state;
	track_set_add(tracks, 10, 10);
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_LIST, .first_track = 15 },
		NULL, 0, 0);
	expect_tracks(fd, 10); /* of all */
	range = json_array_get(json_object_get(json, "ranges"), 0);
	assert_int_equal(json_integer_value(json_array_get(range, 0)), 15);
	assert_int_equal(json_integer_value(json_array_get(range, 1)), 5);
	close(fd);
}

static void what_is_no_set_of_tracks_is_refused(void **state)
{
	static const uint64_t twice[] = { 5, 2, 6, 2 };
	int fd = connect_to();

	(void)state;
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_MARK }, twice, 32, 32);
	expect_refusal(fd, STATUS_BAD_REQUEST, "the payload is no set of tracks");
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_CLEAR }, twice, 17, 17);
	expect_refusal(fd, STATUS_BAD_REQUEST, "the payload is no set of tracks");
	ask_range(fd, TRACKS_MARK, TRACKS_END - 1, 2);
	expect_refusal(fd, STATUS_BAD_REQUEST, "no volume has a track 2251799813685248");
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1" }, NULL, 0, 0);
	expect_refusal(fd, STATUS_BAD_REQUEST, "tracks are listed, marked or cleared");
	assert_int_equal(track_set_tracks(tracks), 0);
	ask_range(fd, TRACKS_MARK, TRACKS_END - 1, 1);
	expect_tracks(fd, 1);
	close(fd);
}

static void payload_of_another_request_is_refused(void **state)
{
	static const uint64_t range[] = { 5, 2 };
	const struct msg_control others[] = { { .verb = VERB_STATUS }, { .verb = VERB_LIMIT, .scope = SCOPE_TOTAL },
		{ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_LIST }, { .verb = VERB_TRACKS, .name = "web1" } };
	int fd = connect_to();

	(void)state;
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		ask_cut(fd, others[i], range, 16, 16);
		expect_refusal(fd, STATUS_BAD_REQUEST, "only tracks to be marked or cleared come as a payload");
	}
	ask_cut(fd, (struct msg_control){ .verb = VERB_COUNT }, range, 16, 16);
	take_answer(fd);
	assert_int_equal(message.control_reply.status, STATUS_BAD_REQUEST);
	assert_int_equal(request_count, 0);
	ask_range(fd, TRACKS_MARK, 5, 2); /* the connection is as good as before */
	expect_tracks(fd, 2);
	close(fd);
}

static void payload_of_another_message_closes_the_connection(void **state)
{
	uint8_t frame[FRAME_HEADER_BYTES + FRAME_MESSAGE_BYTES_MAX + 16] = { 0 };
	int fd = connect_to();
	size_t message_bytes;

	(void)state;
	message.type = MESSAGE_HOST_SAVE;
	message.host_save = (struct msg_host_save){ .tag = 1, .record = RECORD_LEDGER };
	message_bytes = message_pack(&message, frame + FRAME_HEADER_BYTES);
	frame_encode(&(struct frame_header){ .type = MESSAGE_HOST_SAVE, .message_bytes = (uint32_t)message_bytes,
		.payload_bytes = 16 }, frame);
	send_bytes(fd, frame, FRAME_HEADER_BYTES + message_bytes + 16);
	assert_true(is_closed(fd));
	close(fd);
}

static void waiting_payloads_have_so_much_room(void **state)
{
	struct track_set *set = track_set_new();
	int fd = connect_to(), other = connect_to();

	(void)state;
	for (uint64_t i = 0; i < CONTROL_PAYLOAD_BYTES_MAX / TRACK_SET_PACKED_BYTES; i++)
		track_set_add(set, 2 * i, 1);
	keeps = true;
	for (unsigned i = 0; i < PAYLOADS_MAX; i++)
		ask(i % 2 == 0 ? fd : other, TRACKS_MARK, set);
	assert_int_equal(request_count, PAYLOADS_MAX);
	ask_range(other, TRACKS_MARK, 1, 1);
	expect_refusal(other, STATUS_BUSY, "too many changes of invalid tracks wait");
	ask_cut(other, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_LIST }, NULL, 0, 0);
	assert_int_equal(request_count, PAYLOADS_MAX + 1); /* that needs none */
	answer_kept();
	keeps = false;
	for (unsigned i = 0; i < PAYLOADS_MAX / 2; i++) {
		take_answer(fd);
		take_answer(other);
	}
	take_answer(other);
	ask(other, TRACKS_MARK, set); /* there is room again */
	expect_tracks(other, track_set_tracks(set));
	track_set_free(set);
	close(fd);
	close(other);
}

/* That which is coming, and that which waits. */
static void client_that_goes_takes_its_payloads_with_it(void **state)
{
	const uint8_t some[100] = { 0 };
	int fd = connect_to();

	(void)state;
	keeps = true;
	ask_range(fd, TRACKS_MARK, 1, 1);
	assert_int_equal(request_count, 1);
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_MARK }, some, 160, 100);
	close(fd);
	settle();
	assert_int_equal(request_count, 1);
	keeps = false;
	fd = connect_to();
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_MARK }, some, 160, 100);
	answer_kept();
	server_free(server); /* with a payload half here; asserts that nothing is left of any */
	server = NULL;
	close(fd);
}

static void payload_that_does_not_come_is_not_waited_for_long(void **state)
{
	const uint8_t some[100] = { 0 };
	int fd = connect_to();

	(void)state;
	ask_range(fd, TRACKS_MARK, 1, 1);
	expect_tracks(fd, 1);
	ask_cut(fd, (struct msg_control){ .verb = VERB_TRACKS, .name = "web1", .action = TRACKS_MARK }, some, 160, 100);
	clock_advance(server_clock, HELLO_DEADLINE_MS);
	assert_true(is_closed(fd));
	close(fd);
}

/* A child becomes somebody else and asks with ra-ctl's own code. */
static enum status ask_as_nobody(enum tracks_action action, const void *payload, uint32_t bytes, char why[256])
{
	enum status status = STATUS_UNSET;
	int results[2], child_status = 0;
	pid_t child;

	assert_int_equal(pipe(results), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct msg_control request = { .verb = VERB_TRACKS, .name = "web1", .action = action };
		json_t *answer = NULL;
		int fd;

		if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
			setresuid(NOBODY, NOBODY, NOBODY) != 0)
			_exit(1);
		alarm(60);
		fd = control_connect(path, NULL, why, 256);
		if (fd >= 0)
			status = control_call(fd, &request, payload, bytes, 30000, &answer, why, 256);
		_exit(write(results[1], &status, sizeof(status)) != sizeof(status) || write(results[1], why, 256) != 256);
	}
	while (waitpid(child, &child_status, WNOHANG) == 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(child_status, 0);
	assert_int_equal(read(results[0], &status, sizeof(status)), sizeof(status));
	assert_int_equal(read(results[0], why, 256), 256);
	close(results[0]);
	close(results[1]);
	return status;
}

static void everybody_may_list_and_only_some_may_change(void **state)
{
	uint8_t *payload = xcalloc(CONTROL_PAYLOAD_BYTES_MAX, 1);
	char why[256] = "";

	(void)state;
	if (getuid() != 0) {
		free(payload);
		skip();
	}
	assert_int_equal(ask_as_nobody(TRACKS_LIST, NULL, 0, why), STATUS_OK);
	assert_int_equal(request_count, 1);
	assert_int_equal(ask_as_nobody(TRACKS_MARK, payload, CONTROL_PAYLOAD_BYTES_MAX, why), STATUS_NOT_PERMITTED);
	assert_string_equal(why, "only root may change invalid tracks");
	assert_int_equal(ask_as_nobody(TRACKS_CLEAR, payload, 16, why), STATUS_NOT_PERMITTED);
	assert_int_equal(ask_as_nobody(TRACKS_MARK, NULL, 0, why), STATUS_NOT_PERMITTED);
	assert_int_equal(request_count, 1);
	free(payload);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tracks_are_marked_cleared_and_listed),
		TEST(longest_payload_is_taken_and_a_longer_one_ends_the_connection),
		TEST(long_list_comes_in_several_answers),
		TEST(list_begins_where_it_is_asked_to),
		TEST(what_is_no_set_of_tracks_is_refused),
		TEST(payload_of_another_request_is_refused),
		TEST(payload_of_another_message_closes_the_connection),
		TEST(waiting_payloads_have_so_much_room),
		TEST(client_that_goes_takes_its_payloads_with_it),
		TEST(payload_that_does_not_come_is_not_waited_for_long),
		TEST(everybody_may_list_and_only_some_may_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
