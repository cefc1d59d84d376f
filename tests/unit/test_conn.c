/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections between two ends that mean well: TLS and plain, payload, the queue and its limits, descriptors. Time is
 * virtual, and each test leaves no descriptor behind.
 */
#include "wire/conn.h"

#include <fcntl.h>
#include <setjmp.h>
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

#include "base/alloc.h"
#include "tests/support/pair.h"
#include "wire/conn_internal.h"

static const struct message hello = { MESSAGE_HELLO, .hello = { 1, 1, 0, "ra" } };
static const struct message release = { MESSAGE_RELEASE, .release = { 1, 2 } };

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
	assert_int_equal(output_queued_bytes(pair->a.conn->output), 0);
}

static void tls_over_a_socket_pair(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	expect_talk(pair);
	end_free_conn(&pair->a);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	end_expect_closed(&pair->b, "the peer closed the connection", true);
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
	end_expect_closed(&pair->a, "the peer closed the connection", true);
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

static void transfer(struct pair *pair, unsigned count)
{
	pair->a.payload = xcalloc(1, FRAME_PAYLOAD_BYTES_MAX);
	pair->a.payload_bytes_max = FRAME_PAYLOAD_BYTES_MAX;
	for (unsigned i = 0; i < count; i++) {
		memset(pair->a.payload, 0, FRAME_PAYLOAD_BYTES_MAX);
		end_send_big(&pair->b, pair_note_done, "abcdefgh" + i);
		assert_int_equal(pair_note.count, i); /* never from inside conn_send */
		assert_true(PAIR_RUN_UNTIL(pair, pair->a.frames == i + 1 && pair_note.count == i + 1));
		assert_int_equal(pair->a.last_payload_bytes, FRAME_PAYLOAD_BYTES_MAX);
		assert_memory_equal(pair->a.payload, pair_noise(), FRAME_PAYLOAD_BYTES_MAX);
		assert_int_equal(output_queued_bytes(pair->b.conn->output), 0);
	}
	assert_int_equal(pair_note.sent, count);
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
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.ups == 1 && pair->b.ups == 1));
	output_set_update_bytes(pair->b.conn->output, 1); /* before each frame */
	transfer(pair, 4);
	wire_bytes = conn_wire_bytes(pair->b.conn);
	for (int i = 0; i < 100; i++)
		conn_send(pair->b.conn, &release, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.frames == 104));
	/* A KeyUpdate is a record of 27 bytes, a Release one of 42. */
	assert_int_equal(conn_wire_bytes(pair->b.conn) - wire_bytes, 100 * (27 + 42));
	assert_int_equal(pair->a.closes + pair->b.closes, 0);
}

/* The peer takes nothing for a while, so a KeyUpdate gets stuck behind a full pipe, and must come out once. */
static void keys_are_renewed_while_the_pipe_is_full(void **state)
{
	struct pair *pair = *state;

	pair_connect_tls(pair);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.ups == 1 && pair->b.ups == 1));
	output_set_update_bytes(pair->b.conn->output, 1);
	output_set_update_bytes(pair->a.conn->output, 1);
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
	conn_send(pair->a.conn, &release, NULL, 0, pair_note_done, (void *)"a");
	conn_send(pair->a.conn, &hello, NULL, 0, pair_note_done, (void *)"b");
	conn_send(pair->a.conn, &release, NULL, 0, pair_note_done, (void *)"c");
	assert_int_equal(pair_note.count, 0);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.frames == 3));
	assert_string_equal(pair_note.order, "abc");
	assert_int_equal(pair_note.sent, 3);
}

static void freeing_tells_that_nothing_was_sent(void **state)
{
	struct pair *pair = *state;

	pair_connect_plain(pair);
	conn_send(pair->a.conn, &release, NULL, 0, pair_note_done, (void *)"a");
	conn_send(pair->a.conn, &release, NULL, 0, pair_note_done, (void *)"b");
	end_free_conn(&pair->a);
	assert_string_equal(pair_note.order, "ab");
	assert_int_equal(pair_note.sent, 0);
	assert_int_equal(pair->a.closes, 0);
}

static void loss_tells_that_nothing_was_sent_before_closed(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);

	pair_settle(pair);
	end_send_big(&pair->b, pair_note_done, "a"); /* more than the socket takes */
	pair_settle(pair);
	assert_int_equal(pair_note.count, 0);
	assert_true(output_queued_bytes(pair->b.conn->output) > 0);
	close(fd);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	assert_string_equal(pair_note.order, "a");
	assert_int_equal(pair_note.sent, 0);
	assert_int_equal(output_queued_bytes(pair->b.conn->output), 0);
}

static void sending_after_the_end_is_dropped_at_free(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);

	close(fd);
	assert_true(PAIR_RUN_UNTIL(pair, pair->b.closes == 1));
	conn_send(pair->b.conn, &release, NULL, 0, pair_note_done, (void *)"a");
	pair_settle(pair);
	assert_int_equal(pair_note.count, 0);
	end_free_conn(&pair->b);
	assert_string_equal(pair_note.order, "a");
	assert_int_equal(pair_note.sent, 0);
}

static void peer_is_not_read_from_while_4_mib_are_queued(void **state)
{
	struct pair *pair = *state;
	int fd = pair_raw_to_b(pair, false);
	uint8_t bytes[64];
	size_t count = pair_put_frame(bytes, MESSAGE_RELEASE, "\x08\x01\x10\x02", 4, 0);
	char *sink = xcalloc(1, MIB);

	pair_settle(pair);
	end_send_big(&pair->b, NULL, NULL);
	end_send_big(&pair->b, NULL, NULL);
	pair_settle(pair);
	assert_true(output_queued_bytes(pair->b.conn->output) > 4 * MIB);
	assert_int_equal(write(fd, bytes, count), count);
	pair_settle(pair);
	assert_int_equal(pair->b.frames, 0);
	while (output_queued_bytes(pair->b.conn->output) > 4 * MIB) {
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
	size_t count = pair_put_frame(bytes, MESSAGE_PING, "\x08\x01", 2, 0);

	for (unsigned idle = 0; idle < 1000; idle++) {
		while (write(fd, bytes, count) == (ssize_t)count)
			idle = 0;
		pair_pass(pair);
	}
	assert_in_range(output_queued_bytes(pair->b.conn->output), 1, 5000 * count);
	assert_int_equal(pair->b.closes, 0);
	close(fd);
}

/* At its first frame the end queues enough to be paused, with the frames behind it already read from the descriptor. */
static unsigned pause_frames;

static int pause_at_first(struct end *end, const struct message *message)
{
	(void)message;
	for (unsigned i = 0; end->frames == 1 && i < pause_frames; i++)
		end_send_big(end, NULL, NULL);
	return 0;
}

static void expect_all_read_after_a_pause(struct pair *pair, unsigned frames)
{
	pause_frames = frames;
	pair->a.payload = xcalloc(1, FRAME_PAYLOAD_BYTES_MAX);
	pair->a.payload_bytes_max = FRAME_PAYLOAD_BYTES_MAX;
	pair->b.on_frame = pause_at_first;
	pair_connect_tls(pair);
	for (int i = 0; i < 50; i++)
		conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.frames == frames && pair->b.frames == 50));
	free(pair->a.payload);
}

static void pending_tls_bytes_are_read_after_a_pause(void **state)
{
	expect_all_read_after_a_pause(*state, 3);
}

/* 4 MiB and a header: the first bytes written end the pause. */
static void pending_tls_bytes_are_read_after_a_pause_within_one_pass(void **state)
{
	expect_all_read_after_a_pause(*state, 1);
}

/* More than one pass may read is there at once, in a pipe and in the session; the last of it only in the session. */
static void pending_tls_bytes_are_read_after_a_full_pass(void **state)
{
	struct pair *pair = *state;
	const struct message reply = { MESSAGE_READ_REPLY,
		.read_reply = { .tag = 3, .status = STATUS_OK, .track_count = 1, .states = { TRACK_DATA } } };
	const struct conn_piece piece = { pair_noise(), MIB + 2 * KIB };
	int to_b[2], to_a[2];

	pause_frames = 3;
	assert_int_equal(pipe2(to_b, O_CLOEXEC), 0);
	assert_int_equal(pipe2(to_a, O_CLOEXEC), 0);
	assert_true(fcntl(to_b[1], F_SETPIPE_SZ, MIB) >= (int)MIB);
	pair->a.payload = xcalloc(1, FRAME_PAYLOAD_BYTES_MAX);
	pair->b.payload = xcalloc(1, FRAME_PAYLOAD_BYTES_MAX);
	pair->a.payload_bytes_max = pair->b.payload_bytes_max = FRAME_PAYLOAD_BYTES_MAX;
	pair->b.on_frame = pause_at_first;
	pair_tls_a(pair, to_a[0], to_b[1]);
	pair_tls_b(pair, to_b[0], to_a[1]);
	conn_send(pair->a.conn, &release, NULL, 0, NULL, NULL);
	conn_send(pair->a.conn, &reply, &piece, 1, NULL, NULL);
	assert_true(PAIR_RUN_UNTIL(pair, output_queued_bytes(pair->a.conn->output) == 0));
	assert_true(PAIR_RUN_UNTIL(pair, pair->a.frames == 3 && pair->b.frames == 2));
	assert_memory_equal(pair->b.payload, pair_noise(), piece.bytes);
	free(pair->a.payload);
	free(pair->b.payload);
}

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
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(rights), fds, sizeof(fds));
	assert_int_equal(sendmsg(fd, &header, 0), 1);
	pair_settle(pair);
	end_expect_closed(&pair->b, "more than one descriptor came with a frame", false);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_set_up, pair_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tls_over_a_socket_pair),
		TEST(tls_over_two_pipes),
		TEST(long_message_is_taken_after_accept),
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
		TEST(pending_tls_bytes_are_read_after_a_pause_within_one_pass),
		TEST(pending_tls_bytes_are_read_after_a_full_pass),
		TEST(descriptor_comes_with_its_frame),
		TEST(descriptor_that_is_not_taken_is_closed),
		TEST(more_than_one_descriptor_is_refused),
	};

	return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
