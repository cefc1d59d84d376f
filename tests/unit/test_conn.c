/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections between two ends, and against hostile ones: each is refused for its own reason, with one line in the log
 * and nothing left behind. Time is virtual.
 */
#include "wire/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include "base/alloc.h"
#include "tests/support/pair.h"

#define BIG_BYTES FRAME_PAYLOAD_BYTES_MAX

static unsigned descriptors_before;
static uint8_t *big; /* BIG_BYTES of noise */

static const struct message hello = { MESSAGE_HELLO, .hello = { 1, 1, 0, "ra" } };
static const struct message release = { MESSAGE_RELEASE, .release = { 1, 2 } };
static const struct message reply = { MESSAGE_READ_REPLY,
	.read_reply = { .tag = 3, .status = STATUS_OK, .track_count = 1, .states = { TRACK_DATA } } };

static int set_up(void **state)
{
	descriptors_before = open_descriptor_count();
	*state = pair_new();
	return 0;
}

static int tear_down(void **state)
{
	pair_free(*state);
	assert_int_equal(open_descriptor_count(), descriptors_before);
	return 0;
}

static int set_up_group(void **state)
{
	(void)state;
	big = xcalloc(1, BIG_BYTES);
	for (size_t i = 0; i < BIG_BYTES; i++)
		big[i] = (uint8_t)(i * 2654435761u >> 11);
	return 0;
}

static int tear_down_group(void **state)
{
	(void)state;
	free(big);
	return 0;
}

static void expect_closed(struct end *end, const char *reason, bool clean)
{
	assert_int_equal(end->closes, 1);
	assert_string_equal(end->reason, reason);
	assert_int_equal(end->clean, clean);
}

/* ---- TLS between two ends ---- */

static void expect_talk(struct pair *pair)
{
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.ups == 1 && pair->b.ups == 1));
	assert_string_equal(conn_peer_key(pair->a.conn), pair->key_b);
	assert_string_equal(conn_peer_key(pair->b.conn), pair->key_a);
	assert_int_equal(pair->admit_calls, 2);
	conn_send(pair->a.conn, &hello, NULL, 0, NULL, NULL);
	conn_send(pair->b.conn, &release, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.frames == 1 && pair->b.frames == 1));
	assert_memory_equal(&pair->b.last, &hello, sizeof(hello));
	assert_memory_equal(&pair->a.last, &release, sizeof(release));
	assert_int_equal(conn_wire_bytes(pair->a.conn), conn_wire_bytes(pair->b.conn));
	assert_int_equal(conn_queued_bytes(pair->a.conn), 0);
}

static void tls_over_a_socket_pair(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	expect_talk(pair);
	end_free_conn(&pair->a);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	expect_closed(&pair->b, "the peer closed the connection", true);
}

static void tls_over_two_pipes(void **state)
{
	struct pair *pair = *state;
	int to_b[2], to_a[2];

	assert_int_equal(pipe2(to_b, O_CLOEXEC), 0);
	assert_int_equal(pipe2(to_a, O_CLOEXEC), 0);
	pair_tls_a(pair, to_a[0], to_b[1]);
	pair_tls_b(pair, to_b[0], to_a[1]);
	expect_talk(pair);
	end_free_conn(&pair->b);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.closes == 1));
	expect_closed(&pair->a, "the peer closed the connection", true);
}

static void server_refuses_an_unknown_key(void **state)
{
	struct pair *pair = *state;
	char *log, *reason;

	pair->admitted_by_b = pair->key_b;
	capture_start();
	pair_connect_tls(pair);
	pair_settle(pair);
	log = capture_end();
	reason = xasprintf("the peer's key %s is not known here", pair->key_a);
	expect_closed(&pair->b, reason, false);
	assert_int_equal(pair->b.ups, 0);
	expect_closed(&pair->a, "the peer does not know this side's key", false);
	assert_int_equal(line_count(log), 2); /* one of each end */
	assert_non_null(strstr(log, reason));
	free(reason);
	free(log);
}

static void client_refuses_an_unknown_key(void **state)
{
	struct pair *pair = *state;
	char *log, *reason;

	pair->admitted_by_a = pair->key_a;
	capture_start();
	pair_connect_tls(pair);
	pair_settle(pair);
	log = capture_end();
	reason = xasprintf("the peer's key %s is not known here", pair->key_b);
	expect_closed(&pair->a, reason, false);
	assert_int_equal(pair->a.ups, 0);
	expect_closed(&pair->b, "the peer does not know this side's key", false);
	assert_int_equal(line_count(log), 2);
	free(reason);
	free(log);
}

/* ---- Hostile peers: raw bytes to b ---- */

static size_t put_frame(uint8_t *out, unsigned type, const void *message, size_t message_bytes, uint32_t payload_bytes)
{
	const struct frame_header header = { .type = (uint8_t)type, .message_bytes = (uint32_t)message_bytes,
		.payload_bytes = payload_bytes };

	frame_encode(&header, out);
	if (message)
		memcpy(out + FRAME_HEADER_BYTES, message, message_bytes);
	return FRAME_HEADER_BYTES + message_bytes;
}

/* b must close for this reason, log it in one line, and say nothing else. */
static void expect_refused(struct pair *pair, bool is_tls, const void *bytes, size_t count, const char *reason)
{
	int fd = pair_raw_to_b(pair, is_tls);
	char *log;

	capture_start();
	assert_int_equal(send(fd, bytes, count, MSG_NOSIGNAL), count);
	pair_settle(pair);
	log = capture_end();
	assert_int_equal(pair->b.closes, 1);
	if (!strstr(pair->b.reason, reason))
		fail_msg("\"%s\" does not say \"%s\"", pair->b.reason, reason);
	assert_false(pair->b.clean);
	assert_int_equal(pair->b.frames, 0);
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, "warning: b: "));
	assert_non_null(strstr(log, reason));
	free(log);
	close(fd);
}

static void plain_text_instead_of_tls_is_refused(void **state)
{
	expect_refused(*state, true, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, "plain text instead of TLS");
}

static void frames_without_tls_are_refused(void **state)
{
	uint8_t bytes[64];

	expect_refused(*state, true, bytes, put_frame(bytes, MESSAGE_HELLO, "\x08\x01\x10\x01", 4, 0),
		"plain text instead of TLS");
}

static void wrong_magic_is_refused(void **state)
{
	expect_refused(*state, false, "GET / HTTP/1.1\r\n\r\n", 18, "frame magic is wrong (header 474554202f20485454502f312e310d0a)");
}

static void unknown_type_is_refused(void **state)
{
	uint8_t bytes[64];

	expect_refused(*state, false, bytes, put_frame(bytes, 77, NULL, 0, 0), "frame type 77 is unknown");
}

static void message_too_long_before_hello_is_refused_at_its_header(void **state)
{
	uint8_t bytes[64];

	put_frame(bytes, MESSAGE_HELLO, NULL, 4097, 0);
	expect_refused(*state, false, bytes, FRAME_HEADER_BYTES, "Hello has a message of 4097 bytes, at most 4096");
}

static void message_too_long_ever_is_refused_at_its_header(void **state)
{
	uint8_t bytes[64];

	put_frame(bytes, MESSAGE_HELLO, NULL, 16385, 0);
	expect_refused(*state, false, bytes, FRAME_HEADER_BYTES, "message is longer than 16 KiB");
}

static void payload_too_long_is_refused_at_its_header(void **state)
{
	uint8_t bytes[64];

	put_frame(bytes, MESSAGE_READ_REPLY, NULL, 0, BIG_BYTES + 1);
	expect_refused(*state, false, bytes, FRAME_HEADER_BYTES, "payload is longer than 4 MiB");
}

static void payload_on_a_type_without_is_refused(void **state)
{
	uint8_t bytes[64];

	put_frame(bytes, MESSAGE_HELLO, NULL, 4, 1);
	expect_refused(*state, false, bytes, FRAME_HEADER_BYTES, "Hello has a payload of 1 bytes");
}

static void payload_nobody_waits_for_is_refused(void **state)
{
	uint8_t bytes[64];

	expect_refused(*state, false, bytes, put_frame(bytes, MESSAGE_READ_REPLY, "\x10\x01\x2a\x01\x01", 5, 1000),
		"ReadReply with a payload of 1000 bytes was not expected");
}

static void broken_rule_is_refused(void **state)
{
	uint8_t bytes[64];

	expect_refused(*state, false, bytes, put_frame(bytes, MESSAGE_HELLO, "\x08\x00", 2, 0), "Hello.protocol_min is 0");
}

static void amplification_is_refused(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES + 4096], fields[4096];

	for (size_t i = 0; i < sizeof(fields); i += 2) {
		fields[i] = 0x78;
		fields[i + 1] = 0x01;
	}
	expect_refused(*state, false, bytes, put_frame(bytes, MESSAGE_HELLO, fields, sizeof(fields), 0),
		"takes more than 65536 bytes");
}

static void recursion_is_refused(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES + 4096], fields[4096];

	memset(fields, 0x2a, sizeof(fields));
	expect_refused(*state, false, bytes, put_frame(bytes, MESSAGE_DEVICE_REPLY, fields, sizeof(fields), 0),
		"DeviceReply ");
}

/* Lets a raw client shake hands with b, which refuses it. */
static void expect_client_refused(struct pair *pair, const struct tls_identity *identity, int max_version,
	const char *reason)
{
	int fd = pair_raw_to_b(pair, true);
	struct raw_client *client = raw_client_new(fd, identity, max_version);
	char *log;

	capture_start();
	for (int i = 0; i < 20; i++) {
		raw_client_step(client);
		pair_pass(pair);
	}
	log = capture_end();
	expect_closed(&pair->b, reason, false);
	assert_int_equal(pair->b.ups, 0);
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, reason));
	free(log);
	raw_client_free(client);
	close(fd);
}

static void client_without_certificate_is_refused(void **state)
{
	expect_client_refused(*state, NULL, TLS1_3_VERSION, "the peer has no certificate");
}

static void client_of_tls_1_2_is_refused(void **state)
{
	struct pair *pair = *state;

	expect_client_refused(pair, pair->identity_a, TLS1_2_VERSION, "the peer does not speak TLS 1.3");
}

static void expect_refused_at_the_hello_deadline(struct pair *pair, bool is_tls, const void *bytes, size_t count)
{
	int fd = pair_raw_to_b(pair, is_tls);
	char *log;

	if (count > 0)
		assert_int_equal(write(fd, bytes, count), count);
	pair_settle(pair);
	clock_advance(pair->clock, HELLO_DEADLINE_MS - 1);
	pair_settle(pair);
	assert_int_equal(pair->b.closes, 0);
	capture_start();
	clock_advance(pair->clock, 1);
	log = capture_end();
	expect_closed(&pair->b, "no Hello within 10 s", false);
	assert_int_equal(line_count(log), 1);
	free(log);
	close(fd);
}

static void silence_is_refused_at_the_hello_deadline(void **state)
{
	expect_refused_at_the_hello_deadline(*state, true, "", 0);
}

static void half_a_client_hello_is_refused_at_the_hello_deadline(void **state)
{
	expect_refused_at_the_hello_deadline(*state, true, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
}

static void half_a_hello_is_refused_at_the_hello_deadline(void **state)
{
	uint8_t bytes[64];
	size_t count = put_frame(bytes, MESSAGE_HELLO, "\x08\x01\x10\x01", 4, 0);

	expect_refused_at_the_hello_deadline(*state, false, bytes, count - 1);
}

static void drip_of_bytes_does_not_move_the_hello_deadline(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	uint8_t bytes[64];

	put_frame(bytes, MESSAGE_HELLO, "\x08\x01\x10\x01", 4, 0);
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(pair->b.closes, 0);
		assert_int_equal(write(fd, bytes + i, 1), 1);
		pair_settle(pair);
		clock_advance(pair->clock, HELLO_DEADLINE_MS / 10);
	}
	expect_closed(&pair->b, "no Hello within 10 s", false);
	close(fd);
}

static int accept_hello(struct end *end, const struct message *message)
{
	assert_true(message->type == MESSAGE_HELLO);
	conn_accept(end->conn);
	return 0;
}

static void accepted_hello_ends_the_deadline(void **state)
{
	struct pair *pair = *state;

	pair_connect_plain(pair);
	conn_accept(pair->a.conn);
	pair->b.on_frame = accept_hello;
	conn_send(pair->a.conn, &hello, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 1));
	clock_advance(pair->clock, 10 * HELLO_DEADLINE_MS);
	assert_int_equal(pair->a.closes + pair->b.closes, 0);
}

static void long_message_is_taken_after_accept(void **state)
{
	struct pair *pair = *state;
	struct message *long_reply = xcalloc(1, sizeof(*long_reply));

	long_reply->type = MESSAGE_HOST_OPEN_REPLY;
	long_reply->host_open_reply = (struct msg_host_open_reply){ .status = STATUS_OK, .track_bytes = 4096,
		.local = { .kind = VOLUME_KIND_FILE, .io = IO_MODE_DIRECT },
		.remote = { .kind = VOLUME_KIND_FILE, .io = IO_MODE_DIRECT } };
	memset(long_reply->host_open_reply.local.path, 'l', PATH_BYTES_MAX - 1);
	memset(long_reply->host_open_reply.remote.path, 'r', PATH_BYTES_MAX - 1);
	pair_connect_plain(pair);
	conn_accept(pair->b.conn);
	conn_send(pair->a.conn, long_reply, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 1));
	assert_memory_equal(&pair->b.last, long_reply, sizeof(*long_reply));
	free(long_reply);
}

/* ---- Where a stream ends ---- */

static void end_of_a_stream_is_clean_only_between_frames(void **state)
{
	uint8_t bytes[256], payload[32];
	size_t message_only, count;

	message_only = put_frame(bytes, MESSAGE_RELEASE, "\x08\x01\x10\x02", 4, 0);
	count = message_only;
	count += put_frame(bytes + count, MESSAGE_READ_REPLY, "\x10\x01\x2a\x01\x01", 5, sizeof(payload));
	memset(bytes + count, 'p', sizeof(payload));
	count += sizeof(payload);
	for (size_t cut = 0; cut <= count; cut++) {
		struct pair *pair = *state;
		bool is_between = cut == 0 || cut == message_only || cut == count;
		int fd = pair_raw_to_b(pair, false);
		char *log;

		pair->b.payload = payload;
		pair->b.payload_bytes_max = sizeof(payload);
		assert_int_equal(write(fd, bytes, cut), cut);
		close(fd);
		capture_start();
		assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
		log = capture_end();
		assert_int_equal(pair->b.clean, is_between);
		assert_int_equal(line_count(log), is_between ? 0 : 1);
		assert_int_equal(pair->b.frames, cut == count ? 2 : cut >= message_only ? 1 : 0);
		free(log);
		tear_down(state);
		set_up(state);
	}
}

static void frames_may_come_byte_by_byte(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	uint8_t bytes[64];
	size_t count = put_frame(bytes, MESSAGE_RELEASE, "\x08\x01\x10\x02", 4, 0);

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(pair->b.frames, 0);
		assert_int_equal(write(fd, bytes + i, 1), 1);
		pair_pass(pair);
		pair_pass(pair);
	}
	assert_int_equal(pair->b.frames, 1);
	assert_memory_equal(&pair->b.last, &release, sizeof(release));
	close(fd);
}

static void peer_that_vanishes_in_the_handshake_is_a_failure(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, true);

	pair_settle(pair);
	close(fd);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	expect_closed(&pair->b, "the peer closed the connection during the TLS handshake", false);
}

/* ---- Payload, done, queue ---- */

struct note {
	char order[16];
	unsigned count, sent;
};

static struct note note;

static void note_done(void *arg, bool sent)
{
	assert_true(note.count < sizeof(note.order) - 1);
	note.order[note.count++] = *(const char *)arg;
	note.order[note.count] = '\0';
	note.sent += sent;
}

static int set_up_note(void **state)
{
	note = (struct note){ .count = 0 };
	return set_up(state);
}

static void send_big(struct end *end, void (*done)(void *arg, bool sent), const char *name)
{
	struct conn_piece pieces[RUN_TRACKS_MAX];

	for (unsigned i = 0; i < RUN_TRACKS_MAX; i++)
		pieces[i] = (struct conn_piece){ big + i * (BIG_BYTES / RUN_TRACKS_MAX), BIG_BYTES / RUN_TRACKS_MAX };
	conn_send(end->conn, &reply, pieces, RUN_TRACKS_MAX, done, (void *)name);
}

static void transfer(struct pair *pair, unsigned count)
{
	pair->a.payload = xcalloc(1, BIG_BYTES);
	pair->a.payload_bytes_max = BIG_BYTES;
	for (unsigned i = 0; i < count; i++) {
		memset(pair->a.payload, 0, BIG_BYTES);
		send_big(&pair->b, note_done, "abcdefgh" + i);
		assert_int_equal(note.count, i); /* never from inside conn_send */
		assert_true(PAIR_RUN_UNTIL(pair, pair->a.frames == i + 1 && note.count == i + 1));
		assert_int_equal(pair->a.last_payload_bytes, BIG_BYTES);
		assert_memory_equal(pair->a.payload, big, BIG_BYTES);
		assert_int_equal(conn_queued_bytes(pair->b.conn), 0);
	}
	assert_int_equal(note.sent, count);
	free(pair->a.payload);
}

static void payload_of_4_mib_in_64_pieces_by_tls(void **state)
{
	pair_connect_tls(*state);
	transfer(*state, 2);
}

static void payload_of_4_mib_in_64_pieces_plain(void **state)
{
	pair_connect_plain(*state);
	transfer(*state, 2);
}

static void keys_are_renewed_many_times_in_a_transfer(void **state)
{
	struct pair *pair = *state;
	uint64_t wire_bytes;

	pair_connect_tls(pair);
	transfer(pair, 1);
	wire_bytes = conn_wire_bytes(pair->b.conn);
	conn_set_update_bytes(pair->b.conn, 1); /* before each frame */
	pair->a.frames = 0;
	note = (struct note){ .count = 0 };
	transfer(pair, 4);
	for (int i = 0; i < 100; i++)
		conn_send(pair->b.conn, &release, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.frames == 104));
	/* A KeyUpdate is a record of 27 bytes, a Release one of 42. */
	assert_in_range(conn_wire_bytes(pair->b.conn) - wire_bytes, 4 * BIG_BYTES + 104 * 27 + 100 * 42, 5 * BIG_BYTES);
	assert_int_equal(pair->a.closes + pair->b.closes, 0);
}

/* The peer takes nothing for a while, so a KeyUpdate gets stuck behind a full pipe, and must come out once. */
static void keys_are_renewed_while_the_pipe_is_full(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.ups == 1 && pair->b.ups == 1));
	conn_set_update_bytes(pair->b.conn, 1);
	conn_set_update_bytes(pair->a.conn, 1);
	for (int i = 0; i < 4000; i++) {
		conn_send(pair->b.conn, &release, NULL, 0, NULL, NULL);
		conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	}
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.frames == 4000 && pair->b.frames == 4000));
	assert_int_equal(pair->a.closes + pair->b.closes, 0);
}

static void done_is_called_in_order(void **state)
{
	struct pair *pair = *state;

	pair_connect_plain(pair);
	conn_send(pair->a.conn, &release, NULL, 0, note_done, (void *)"a");
	conn_send(pair->a.conn, &hello, NULL, 0, note_done, (void *)"b");
	conn_send(pair->a.conn, &release, NULL, 0, note_done, (void *)"c");
	assert_int_equal(note.count, 0);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 3));
	assert_string_equal(note.order, "abc");
	assert_int_equal(note.sent, 3);
}

static void freeing_tells_that_nothing_was_sent(void **state)
{
	struct pair *pair = *state;

	pair_connect_plain(pair);
	conn_send(pair->a.conn, &release, NULL, 0, note_done, (void *)"a");
	conn_send(pair->a.conn, &release, NULL, 0, note_done, (void *)"b");
	end_free_conn(&pair->a);
	assert_string_equal(note.order, "ab");
	assert_int_equal(note.sent, 0);
	assert_int_equal(pair->a.closes, 0);
}

static void loss_tells_that_nothing_was_sent_before_closed(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);

	pair_settle(pair);
	send_big(&pair->b, note_done, "a"); /* more than the socket takes */
	pair_settle(pair);
	assert_int_equal(note.count, 0);
	assert_true(conn_queued_bytes(pair->b.conn) > 0);
	close(fd);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	assert_string_equal(note.order, "a");
	assert_int_equal(note.sent, 0);
	assert_int_equal(conn_queued_bytes(pair->b.conn), 0);
}

static void sending_after_the_end_is_dropped_at_free(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);

	close(fd);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	conn_send(pair->b.conn, &release, NULL, 0, note_done, (void *)"a");
	pair_settle(pair);
	assert_int_equal(note.count, 0);
	end_free_conn(&pair->b);
	assert_string_equal(note.order, "a");
	assert_int_equal(note.sent, 0);
}

static void peer_is_not_read_from_while_4_mib_are_queued(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	uint8_t bytes[64];
	size_t count = put_frame(bytes, MESSAGE_RELEASE, "\x08\x01\x10\x02", 4, 0);
	char *sink = xcalloc(1, MIB);

	pair_settle(pair);
	send_big(&pair->b, NULL, NULL);
	send_big(&pair->b, NULL, NULL);
	pair_settle(pair);
	assert_true(conn_queued_bytes(pair->b.conn) > 4 * MIB);
	assert_int_equal(write(fd, bytes, count), count);
	pair_settle(pair);
	assert_int_equal(pair->b.frames, 0);
	while (conn_queued_bytes(pair->b.conn) > 4 * MIB) {
		assert_int_equal(pair->b.frames, 0);
		assert_true(read(fd, sink, MIB) > 0);
		pair_pass(pair);
	}
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 1));
	free(sink);
	close(fd);
}

static void flood_of_pings_does_not_fill_the_queue(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	uint8_t bytes[FRAME_HEADER_BYTES + 2];
	size_t count = put_frame(bytes, MESSAGE_PING, "\x08\x01", 2, 0);

	for (unsigned idle = 0; idle < 1000; idle++) {
		while (write(fd, bytes, count) == (ssize_t)count)
			idle = 0;
		pair_pass(pair);
	}
	assert_in_range(conn_queued_bytes(pair->b.conn), 1, 5000 * count);
	assert_int_equal(pair->b.closes, 0);
	close(fd);
}

static void pending_tls_bytes_are_read_after_a_pause(void **state)
{
	struct pair *pair = *state;
	uint8_t *sink = xcalloc(1, BIG_BYTES);

	pair->a.payload = sink;
	pair->a.payload_bytes_max = BIG_BYTES;
	pair_connect_tls(pair);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.ups == 1 && pair->b.ups == 1));
	/* b is paused as soon as it answers the first of many small frames, which came in one read. */
	for (int i = 0; i < 50; i++)
		conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	for (int i = 0; i < 3; i++)
		send_big(&pair->b, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.frames == 3 && pair->b.frames == 50));
	free(sink);
}

/* ---- Stall and ping ---- */

static void peer_that_takes_no_output_is_dropped(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	char *log;

	pair_settle(pair);
	conn_accept(pair->b.conn);
	send_big(&pair->b, note_done, "a");
	pair_settle(pair);
	clock_advance(pair->clock, OUTPUT_STALL_MS - 1);
	pair_settle(pair);
	assert_int_equal(pair->b.closes, 0);
	capture_start();
	clock_advance(pair->clock, 1);
	log = capture_end();
	expect_closed(&pair->b, "the peer took no output for 10 s", false);
	assert_int_equal(line_count(log), 1);
	assert_string_equal(note.order, "a");
	free(log);
	close(fd);
}

static void more_output_does_not_move_the_stall_deadline(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);

	pair_settle(pair);
	conn_accept(pair->b.conn);
	send_big(&pair->b, NULL, NULL);
	pair_settle(pair);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(pair->b.closes, 0);
		conn_send(pair->b.conn, &release, NULL, 0, NULL, NULL);
		pair_settle(pair);
		clock_advance(pair->clock, OUTPUT_STALL_MS / 10);
	}
	expect_closed(&pair->b, "the peer took no output for 10 s", false);
	close(fd);
}

static void slow_peer_is_not_dropped(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	char *sink = xcalloc(1, MIB);

	pair_settle(pair);
	conn_accept(pair->b.conn);
	conn_start_ping(pair->b.conn);
	send_big(&pair->b, NULL, NULL);
	pair_settle(pair);
	while (conn_queued_bytes(pair->b.conn) > KIB) { /* less is its unanswered pings */
		assert_true(read(fd, sink, 256 * KIB) > 0);
		pair_settle(pair);
		clock_advance(pair->clock, OUTPUT_STALL_MS - 1);
		assert_int_equal(pair->b.closes, 0);
	}
	assert_int_equal(pair->b.closes, 0);
	free(sink);
	close(fd);
}

static void connection_without_pongs_is_dead_after_three(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	char *log;

	pair_settle(pair);
	conn_accept(pair->b.conn);
	conn_start_ping(pair->b.conn);
	for (int i = 0; i < PINGS_UNANSWERED_MAX; i++) {
		uint8_t ping[FRAME_HEADER_BYTES + 2];

		assert_int_equal(read(fd, ping, sizeof(ping)), -1);
		clock_advance(pair->clock, PING_PERIOD_MS);
		pair_settle(pair);
		assert_int_equal(read(fd, ping, sizeof(ping)), sizeof(ping));
		assert_int_equal(ping[3], MESSAGE_PING);
		assert_int_equal(pair->b.closes, 0);
	}
	capture_start();
	clock_advance(pair->clock, PING_PERIOD_MS);
	log = capture_end();
	expect_closed(&pair->b, "no answer to 3 pings", false);
	assert_int_equal(line_count(log), 1);
	free(log);
	close(fd);
}

static void pongs_keep_a_connection_alive(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.ups == 1 && pair->b.ups == 1));
	conn_accept(pair->a.conn);
	conn_accept(pair->b.conn);
	conn_start_ping(pair->a.conn);
	for (int i = 0; i < 100; i++) {
		uint64_t wire_bytes = conn_wire_bytes(pair->a.conn);

		clock_advance(pair->clock, PING_PERIOD_MS);
		pair_settle(pair);
		assert_true(conn_wire_bytes(pair->a.conn) > wire_bytes);
	}
	assert_int_equal(pair->a.closes + pair->b.closes, 0);
	assert_int_equal(pair->a.frames + pair->b.frames, 0); /* nobody sees them */
}

static void pings_that_were_not_read_for_long_are_no_loss(void **state)
{
	struct pair *pair = *state;

	/* As after SIGSTOP and SIGCONT: many periods have passed, but the timer runs once, and the Pong is read next. */
	pair_connect_plain(pair);
	pair_settle(pair);
	conn_accept(pair->a.conn);
	conn_accept(pair->b.conn);
	conn_start_ping(pair->a.conn);
	for (int i = 0; i < 20; i++) {
		for (int tick = 0; tick < PINGS_UNANSWERED_MAX; tick++)
			clock_advance(pair->clock, PING_PERIOD_MS);
		pair_settle(pair);
		assert_int_equal(pair->a.closes, 0);
	}
}

static void ping_is_answered_with_its_tag(void **state)
{
	static const uint8_t pong[] = { 0x52, 0x41, 1, MESSAGE_PONG, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0xac, 0x02 };
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	uint8_t bytes[64];
	size_t count = put_frame(bytes, MESSAGE_PING, "\x08\xac\x02", 3, 0);

	assert_int_equal(write(fd, bytes, count), count);
	pair_settle(pair);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(pong));
	assert_memory_equal(bytes, pong, sizeof(pong));
	assert_int_equal(pair->b.frames, 0);
	close(fd);
}

/* ---- Ends by the owner ---- */

static void free_in_up(struct end *end)
{
	end_free_conn(end);
}

static int free_in_frame(struct end *end, const struct message *message)
{
	end_free_conn(end);
	assert_true(message->type == MESSAGE_RELEASE); /* still valid */
	return -EPROTO;
}

static void free_in_done(void *arg, bool sent)
{
	struct end *end = arg;

	assert_true(sent);
	end_free_conn(end);
}

static void freed_in_up(void **state)
{
	struct pair *pair = *state;

	pair->a.on_up = pair->b.on_up = free_in_up;
	pair_connect_tls(pair);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.conn == NULL));
	pair_settle(pair);
	assert_int_equal(pair->a.closes, 0);
}

static void freed_in_frame(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	pair->b.on_frame = free_in_frame;
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.conn == NULL && pair->a.closes == 1));
	assert_int_equal(pair->b.frames, 1);
	assert_int_equal(pair->b.closes, 0);
}

static void freed_in_done(void **state)
{
	struct pair *pair = *state;

	pair_connect_plain(pair);
	conn_send(pair->a.conn, &release, NULL, 0, free_in_done, &pair->a);
	conn_send(pair->a.conn, &release, NULL, 0, note_done, (void *)"b");
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.conn == NULL));
	assert_int_equal(pair->a.closes, 0);
	assert_int_equal(note.count, 1);
}

static void freed_in_closed(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	pair->b.on_closed = free_in_up;
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.ups == 1));
	end_free_conn(&pair->a);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.conn == NULL));
	assert_int_equal(pair->b.closes, 1);
}

static void freed_in_closed_at_a_deadline(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);

	pair->b.on_closed = free_in_up;
	pair_settle(pair);
	clock_advance(pair->clock, HELLO_DEADLINE_MS);
	assert_null(pair->b.conn);
	assert_int_equal(pair->b.closes, 1);
	close(fd);
}

static int refuse_frame(struct end *end, const struct message *message)
{
	(void)end, (void)message;
	return -EPROTO;
}

static void refusal_by_the_owner_is_not_logged_again(void **state)
{
	struct pair *pair = *state;
	char *log;

	pair->b.on_frame = refuse_frame;
	pair_connect_plain(pair);
	conn_send(pair->a.conn, &hello, NULL, 0, NULL, NULL);
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	capture_start();
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	log = capture_end();
	expect_closed(&pair->b, "Hello was refused", false);
	assert_int_equal(pair->b.frames, 1);
	assert_int_equal(line_count(log), 0);
	free(log);
}

static void finish_in_closed(struct end *end)
{
	end_free_conn(end);
}

static int answer_and_finish(struct end *end, const struct message *message)
{
	(void)message;
	conn_send(end->conn, &release, NULL, 0, note_done, (void *)"a");
	conn_finish(end->conn, "no common version");
	conn_finish(end->conn, "only the first counts");
	return 0;
}

static void finish_sends_the_last_frame_and_reads_no_more(void **state)
{
	struct pair *pair = *state;

	pair->b.on_frame = answer_and_finish;
	pair->b.on_closed = finish_in_closed;
	pair_connect_tls(pair);
	conn_send(pair->a.conn, &hello, NULL, 0, NULL, NULL);
	conn_send(pair->a.conn, &hello, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.closes == 1));
	expect_closed(&pair->b, "no common version", false);
	assert_int_equal(pair->b.frames, 1);
	assert_int_equal(note.sent, 1);
	assert_int_equal(pair->a.frames, 1);
	expect_closed(&pair->a, "the peer closed the connection", true);
}

static void finish_before_up_closes(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, true);

	pair_settle(pair);
	conn_finish(pair->b.conn, "stopping");
	assert_int_equal(pair->b.closes, 0);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	expect_closed(&pair->b, "stopping", false);
	close(fd);
}

static void finish_does_not_wait_for_ever(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);

	pair_settle(pair);
	conn_accept(pair->b.conn);
	send_big(&pair->b, NULL, NULL);
	conn_finish(pair->b.conn, "stopping");
	pair_settle(pair);
	assert_int_equal(pair->b.closes, 0);
	clock_advance(pair->clock, OUTPUT_STALL_MS);
	expect_closed(&pair->b, "the peer took no output for 10 s", false);
	close(fd);
}

/* ---- Descriptors ---- */

static int taken_fd;

static int take_fd(struct end *end, const struct message *message)
{
	(void)message;
	if (taken_fd < 0)
		taken_fd = conn_take_fd(end->conn);
	assert_int_equal(conn_take_fd(end->conn), -1);
	return 0;
}

static void descriptor_comes_with_its_frame(void **state)
{
	struct pair *pair = *state;
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct stat sent, got;

	taken_fd = -1;
	pair->b.on_frame = take_fd;
	pair_connect_plain(pair);
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 1));
	assert_int_equal(taken_fd, -1);
	conn_send_fd(pair->a.conn, &hello, fd);
	assert_int_equal(fstat(fd, &sent), 0);
	close(fd); /* ours: the queue has its own */
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 2));
	assert_true(taken_fd >= 0);
	assert_int_equal(fstat(taken_fd, &got), 0);
	assert_int_equal(got.st_ino, sent.st_ino);
	assert_int_equal(fcntl(taken_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(taken_fd);
}

static void descriptor_that_is_not_taken_is_closed(void **state)
{
	struct pair *pair = *state;
	unsigned count;

	pair_connect_plain(pair);
	pair_settle(pair);
	count = open_descriptor_count();
	for (int i = 0; i < 5; i++)
		conn_send_fd(pair->a.conn, &hello, STDIN_FILENO);
	assert_int_equal(open_descriptor_count(), count + 5);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 5));
	pair_settle(pair);
	assert_int_equal(open_descriptor_count(), count);
}

static void more_than_one_descriptor_is_refused(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false), fds[2] = { fd, fd };
	char control[CMSG_SPACE(sizeof(fds))] __attribute__((aligned(16))) = { 0 };
	struct iovec iov = { .iov_base = (void *)"R", .iov_len = 1 };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(rights), fds, sizeof(fds));
	assert_int_equal(sendmsg(fd, &header, 0), 1);
	pair_settle(pair);
	expect_closed(&pair->b, "more than one descriptor came with a frame", false);
	close(fd);
}

/* ---- One frame on a blocking descriptor ---- */

static void one_frame_is_taken_and_not_a_byte_more(void **state)
{
	struct message *setup = xcalloc(1, sizeof(*setup)), *got = xcalloc(1, sizeof(*got));
	char rest[8] = "";
	int fds[2];

	(void)state;
	*setup = (struct message){ MESSAGE_SETUP, .setup = { .volume_path = "/x", .identity_pem = "pem",
		.peer_key = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", .track_bytes = 65536,
		.io = IO_MODE_AUTO } };
	memset(setup->setup.identity_pem, 'p', IDENTITY_PEM_BYTES_MAX - 1); /* more than 4 KiB */
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(conn_write_one(fds[1], setup), 0);
	assert_int_equal(write(fds[1], "rest", 4), 4);
	close(fds[1]);
	assert_int_equal(conn_read_one(fds[0], MESSAGE_SETUP, got), 0);
	assert_memory_equal(got, setup, sizeof(*got));
	assert_int_equal(read(fds[0], rest, sizeof(rest)), 4);
	assert_string_equal(rest, "rest");
	assert_int_equal(conn_read_one(fds[0], MESSAGE_SETUP, got), -ENODATA);
	close(fds[0]);
	free(setup);
	free(got);
}

static void expect_not_one(const void *bytes, size_t count, const char *reason)
{
	struct message *got = xcalloc(1, sizeof(*got));
	int fds[2], rc;
	char *log;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], bytes, count), count);
	close(fds[1]);
	capture_start();
	rc = conn_read_one(fds[0], MESSAGE_SETUP, got);
	log = capture_end();
	assert_int_equal(rc, -EPROTO);
	assert_int_equal(line_count(log), 1);
	assert_non_null(strstr(log, reason));
	free(log);
	close(fds[0]);
	free(got);
}

static void something_else_than_the_one_frame_is_refused(void **state)
{
	uint8_t bytes[64];
	size_t count;

	(void)state;
	count = put_frame(bytes, MESSAGE_HELLO, "\x08\x01\x10\x01", 4, 0);
	expect_not_one(bytes, count, "Hello instead of Setup");
	expect_not_one(bytes, count - 1, "ends inside a frame");
	expect_not_one(bytes, 1, "ends inside a frame");
	expect_not_one("this is not a frame", 19, "magic");
	count = put_frame(bytes, MESSAGE_READ_REPLY, "\x10\x01\x2a\x01\x01", 5, 9);
	expect_not_one(bytes, count, "payload");
}

static void write_of_one_frame_reports_its_error(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(conn_write_one(fds[1], &hello), -EPIPE);
	close(fds[1]);
}

static void file_instead_of_a_socket_is_a_failure(void **state)
{
	struct pair *pair = *state;
	char *log;

	capture_start(); /* libevent complains too */
	pair_tls_b(pair, open("/dev/null", O_RDWR | O_CLOEXEC), open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	log = capture_end();
	assert_false(pair->b.clean);
	free(log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_note, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tls_over_a_socket_pair),
		TEST(tls_over_two_pipes),
		TEST(server_refuses_an_unknown_key),
		TEST(client_refuses_an_unknown_key),
		TEST(plain_text_instead_of_tls_is_refused),
		TEST(frames_without_tls_are_refused),
		TEST(wrong_magic_is_refused),
		TEST(unknown_type_is_refused),
		TEST(message_too_long_before_hello_is_refused_at_its_header),
		TEST(message_too_long_ever_is_refused_at_its_header),
		TEST(payload_too_long_is_refused_at_its_header),
		TEST(payload_on_a_type_without_is_refused),
		TEST(payload_nobody_waits_for_is_refused),
		TEST(broken_rule_is_refused),
		TEST(amplification_is_refused),
		TEST(recursion_is_refused),
		TEST(client_without_certificate_is_refused),
		TEST(client_of_tls_1_2_is_refused),
		TEST(silence_is_refused_at_the_hello_deadline),
		TEST(half_a_client_hello_is_refused_at_the_hello_deadline),
		TEST(half_a_hello_is_refused_at_the_hello_deadline),
		TEST(drip_of_bytes_does_not_move_the_hello_deadline),
		TEST(accepted_hello_ends_the_deadline),
		TEST(long_message_is_taken_after_accept),
		TEST(end_of_a_stream_is_clean_only_between_frames),
		TEST(frames_may_come_byte_by_byte),
		TEST(peer_that_vanishes_in_the_handshake_is_a_failure),
		TEST(payload_of_4_mib_in_64_pieces_by_tls),
		TEST(payload_of_4_mib_in_64_pieces_plain),
		TEST(keys_are_renewed_many_times_in_a_transfer),
		TEST(keys_are_renewed_while_the_pipe_is_full),
		TEST(done_is_called_in_order),
		TEST(freeing_tells_that_nothing_was_sent),
		TEST(loss_tells_that_nothing_was_sent_before_closed),
		TEST(sending_after_the_end_is_dropped_at_free),
		TEST(peer_is_not_read_from_while_4_mib_are_queued),
		TEST(flood_of_pings_does_not_fill_the_queue),
		TEST(pending_tls_bytes_are_read_after_a_pause),
		TEST(peer_that_takes_no_output_is_dropped),
		TEST(more_output_does_not_move_the_stall_deadline),
		TEST(slow_peer_is_not_dropped),
		TEST(connection_without_pongs_is_dead_after_three),
		TEST(pongs_keep_a_connection_alive),
		TEST(pings_that_were_not_read_for_long_are_no_loss),
		TEST(ping_is_answered_with_its_tag),
		TEST(freed_in_up),
		TEST(freed_in_frame),
		TEST(freed_in_done),
		TEST(freed_in_closed),
		TEST(freed_in_closed_at_a_deadline),
		TEST(refusal_by_the_owner_is_not_logged_again),
		TEST(finish_sends_the_last_frame_and_reads_no_more),
		TEST(finish_before_up_closes),
		TEST(finish_does_not_wait_for_ever),
		TEST(descriptor_comes_with_its_frame),
		TEST(descriptor_that_is_not_taken_is_closed),
		TEST(more_than_one_descriptor_is_refused),
		TEST(one_frame_is_taken_and_not_a_byte_more),
		TEST(something_else_than_the_one_frame_is_refused),
		TEST(write_of_one_frame_reports_its_error),
		TEST(file_instead_of_a_socket_is_a_failure),
	};

	return cmocka_run_group_tests_name("conn", tests, set_up_group, tear_down_group);
}
